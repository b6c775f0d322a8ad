/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BPE over characters.
 *
 * The expressions of such families cut at newlines only, so that words are
 * lines. But a merge makes a token, and between two characters that stand
 * side by side in no token nothing can merge: there the line is cut, too. What
 * is left is short and comes back, so that a cache knows it. */
#include "bn-rawbpe.h"

#include "bn-merge.h"
#include "bn-unicode.h"

#define METASPACE "\xE2\x96\x81" /* U+2581 */

enum { METASPACE_SIZE = sizeof METASPACE - 1 };

/* What stands side by side in tokens: bytes at the border of characters, of
 * which the second does not begin U+2581; and bytes in front of that. */
typedef struct {
  uint8_t joined[256][256 / 8];
  uint8_t joins_space[256];
} Neighbours;

struct BnRawBpe {
  const BnVocab *vocab;
  const BnPretokSet *pretok;
  unsigned flags;
  uint32_t byte_tokens[256];

  BnMerges merges;
  Neighbours neighbours;
};

static inline gboolean
is_metaspace (const uint8_t *p, const uint8_t *end)
{
  return end - p >= METASPACE_SIZE
         && memcmp (p, METASPACE, METASPACE_SIZE) == 0;
}

static void
note_neighbours (BnRawBpe *self, const uint8_t *text, size_t length)
{
  const uint8_t *end = text + length;

  for (const uint8_t *p = text + 1; p < end; p++) {
    if ((*p & 0xC0) == 0x80)
      continue;
    if (is_metaspace (p, end))
      self->neighbours.joins_space[p[-1]] = TRUE;
    else
      self->neighbours.joined[p[-1]][*p / 8] |= (uint8_t) (1 << *p % 8);
  }
}

static BnRawBpe *
rawbpe_new (const BnVocab *vocab, const BnPretokSet *pretok, unsigned flags)
{
  BnRawBpe *self = g_new0 (BnRawBpe, 1);

  self->vocab = vocab;
  self->pretok = pretok;
  self->flags = flags;
  for (unsigned byte = 0; byte < 256; byte++)
    self->byte_tokens[byte] = bn_vocab_lookup_byte_name (vocab, (uint8_t) byte);
  return self;
}

BnRawBpe *
bn_rawbpe_new (const BnVocab *vocab, size_t n_merges, const BnPretokSet *pretok,
    unsigned flags)
{
  BnRawBpe *self = rawbpe_new (vocab, pretok, flags);

  bn_merges_init (&self->merges, vocab, n_merges);
  return self;
}

BnRawBpe *
bn_rawbpe_new_compiled (
    const BnVocab *vocab, const BnPretokSet *pretok, unsigned flags)
{
  g_autoptr (BnRawBpe) self = rawbpe_new (vocab, pretok, flags);
  const Neighbours *neighbours;

  if (!bn_merges_init_compiled (&self->merges, vocab))
    return NULL;
  neighbours = bn_compiled_get_n (
      vocab->compiled, BN_SECTION_NEIGHBOURS, sizeof *neighbours, 1);
  if (neighbours == NULL)
    return NULL;
  self->neighbours = *neighbours;
  return g_steal_pointer (&self);
}

void
bn_rawbpe_compile (const BnRawBpe *self, BnCompiledWriter *writer)
{
  bn_merges_compile (&self->merges, writer);
  bn_compiled_writer_add (writer, BN_SECTION_NEIGHBOURS, &self->neighbours,
      sizeof self->neighbours, 1);
}

const BnMerges *
bn_rawbpe_get_merges (const BnRawBpe *self)
{
  return &self->merges;
}

void
bn_rawbpe_foreach_merge (const BnRawBpe *self,
    void (*visit) (
        uint32_t left, uint32_t right, uint32_t merged, void *user_data),
    void *user_data)
{
  bn_merges_foreach (&self->merges, visit, user_data);
}

void
bn_rawbpe_free (BnRawBpe *self)
{
  bn_merges_clear (&self->merges);
  g_free (self);
}

void
bn_rawbpe_add_merges (BnRawBpe *self, BnMerge *merges, size_t n)
{
  bn_merges_add (&self->merges, merges, n);
  for (size_t i = 0; i < n; i++) {
    const uint8_t *text;
    size_t length;

    if (merges[i].merged == BN_TOKEN_NONE)
      continue;
    text = bn_vocab_text (self->vocab, merges[i].merged, &length);
    note_neighbours (self, text, length);
  }
}

static inline uint32_t
pair_rank (const void *model, uint32_t left, uint32_t right,
    const uint8_t *text, size_t length, uint32_t *merged)
{
  const BnMerges *merges = &((const BnRawBpe *) model)->merges;
  const BnMergeSlot *pair = bn_merges_find (merges, left, right);

  *merged = pair->merged;
  return bn_merges_get_rank (merges, pair);
}

/* Appends the ids of a text as the tokens spell it. */
static gboolean
merge_text (const BnRawBpe *self, BnScratch *scratch, const uint8_t *text,
    size_t length, BnIds *out)
{
  BnSymbol *symbols;
  size_t n = 0;

  if (!bn_scratch_reserve_symbols (scratch, length)
      || !bn_ids_reserve (out, length))
    return FALSE;
  symbols = scratch->symbols;
  for (size_t i = 0; i < length; n++) {
    size_t step = MIN (bn_utf8_announced_length (text[i]), length - i);

    symbols[n].start = (uint32_t) i;
    symbols[n].id = bn_vocab_lookup (self->vocab, text + i, step);
    i += step;
  }
  n = bn_merge (self, pair_rank, scratch, n, text, length);

  for (size_t i = 0; i < n; i++) {
    size_t start = symbols[i].start;
    size_t end = i + 1 < n ? symbols[i + 1].start : length;

    if (symbols[i].id != BN_TOKEN_NONE) {
      bn_ids_push (out, symbols[i].id);
      continue;
    }
    for (; start < end; start++) {
      if (self->byte_tokens[text[start]] != BN_TOKEN_NONE)
        bn_ids_push (out, self->byte_tokens[text[start]]);
    }
  }
  return TRUE;
}

/* Appends the ids of a part of a word as it is in the text; memory up to end
 * may be read. */
static gboolean
encode_part (const BnRawBpe *self, BnScratch *scratch, const uint8_t *part,
    size_t length, const uint8_t *end, BnIds *out)
{
  BnCachePlace place;
  size_t first = out->n_ids, n = 0, size;

  if (!bn_ids_reserve (out, MAX (length, BN_CACHE_INLINE_IDS)))
    return FALSE;
  if (bn_cache_lookup (&scratch->cache, part, length, end, &place, out))
    return TRUE;
  if (!(self->flags & BN_RAWBPE_ESCAPE)) {
    if (!merge_text (self, scratch, part, length, out))
      return FALSE;
  } else {
    if (!g_size_checked_mul (&size, length, METASPACE_SIZE)
        || size > BN_MAX_TEXT_SIZE || !bn_scratch_reserve_text (scratch, size))
      return FALSE;
    for (size_t i = 0; i < length; i++) {
      if (part[i] == ' ') {
        memcpy (scratch->text + n, METASPACE, METASPACE_SIZE);
        n += METASPACE_SIZE;
      } else {
        scratch->text[n++] = part[i];
      }
    }
    if (!merge_text (self, scratch, scratch->text, n, out))
      return FALSE;
  }
  bn_cache_insert (&scratch->cache, &place, part, length, out->data + first,
      out->n_ids - first);
  return TRUE;
}

/* The first border after p that no token goes over, or end. */
static const uint8_t *
find_border (const BnRawBpe *self, const uint8_t *p, const uint8_t *end)
{
  const uint8_t last = METASPACE[METASPACE_SIZE - 1];
  gboolean escapes = (self->flags & BN_RAWBPE_ESCAPE) != 0;
  uint8_t before = escapes && *p == ' ' ? last : *p;

  for (p++; p < end; p++) {
    if ((*p & 0xC0) != 0x80) { /* else inside a character */
      gboolean is_space = escapes && *p == ' ';

      if (is_space || is_metaspace (p, end)) {
        if (!self->neighbours.joins_space[before])
          return p;
      } else if (!(self->neighbours.joined[before][*p / 8] >> *p % 8 & 1)) {
        return p;
      }
    }
    before = escapes && *p == ' ' ? last : *p;
  }
  return end;
}

static gboolean
encode_word (const BnRawBpe *self, BnScratch *scratch, const uint8_t *word,
    size_t length, const uint8_t *end, BnIds *out)
{
  const uint8_t *p = word, *word_end = word + length;

  if ((self->flags & BN_RAWBPE_WHOLE_NEWLINES) && *word == '\n') {
    uint32_t id = bn_vocab_lookup (self->vocab, word, length);

    if (id != BN_TOKEN_NONE) {
      if (!bn_ids_reserve (out, 1))
        return FALSE;
      bn_ids_push (out, id);
      return TRUE;
    }
  }
  if (self->flags & BN_RAWBPE_DROP_SPACES) {
    uint32_t cp;

    bn_utf8_next (word, word_end, &cp);
    if (bn_char_flags (cp) & BN_CHAR_SPACE)
      return TRUE;
  }
  while (p < word_end) {
    const uint8_t *border = find_border (self, p, word_end);

    if (!encode_part (self, scratch, p, (size_t) (border - p), end, out))
      return FALSE;
    p = border;
  }
  return TRUE;
}

static gboolean
encode (const BnRawBpe *self, BnScratch *scratch, const uint8_t *text,
    size_t length, BnIds *out)
{
  BnPretokIter iter;
  const uint8_t *word;
  size_t word_length;

  bn_pretok_iter_init (&iter, self->pretok, text, length);
  while ((word_length = bn_pretok_iter_next (&iter, &word))) {
    if (!encode_word (self, scratch, word, word_length, text + length, out))
      return FALSE;
  }
  return TRUE;
}

static gboolean
model_encode (const void *data, BnScratch *scratch, const uint8_t *text,
    size_t length, unsigned fragment, BnIds *out)
{
  return encode (data, scratch, text, length, out);
}

static void
model_free (void *data)
{
  bn_rawbpe_free (data);
}

BnEncoder *
bn_encoder_new_raw_bpe (BnVocab *vocab, BnRawBpe *bpe)
{
  static const BnModelClass model = {"bpe", model_encode, model_free};

  return bn_encoder_new (vocab, &model, bpe);
}
