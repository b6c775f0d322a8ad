/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Characters become the tokens that the vocabulary has for them; pairs of
 * tokens are merged by rank, with the code of byte-level BPE.
 *
 * Where tokenizers have no splitter, a word is a whole text. But a merge makes
 * a token, and nothing merges over the border between two characters that
 * stand side by side in no token that merges make. There the word is cut; the
 * parts are short and come back, so that the cache of words knows them:
 *
 *   ▁Once▁upon▁▁▁a▁time   ->   ▁Once | ▁upon | ▁▁▁a | ▁time */
#include "bn-char-bpe.h"

#include <string.h>

#include "bn-bits.h"
#include "bn-cached-words.h"
#include "bn-merge.h"
#include "bn-merges.h"
#include "bn-unicode.h"

enum {
  N_DIRECT = 0x3000, /* characters whose tokens need no search */
  N_KNOWN = 0x10000, /* of which it is noted whether they have one */
  MAX_CHAR_LENGTH = 4,
  WINDOW = 64, /* bytes that are searched for borders at a time */
};

struct BnCharBpe {
  const BnVocab *vocab;
  BnCharBpeOptions options; /* the affixes are copies */
  uint32_t byte_tokens[256];
  uint32_t first_byte, last_byte; /* least and greatest of them */
  uint32_t direct[N_DIRECT];      /* of characters without prefix and suffix */

  /* Where words are cut; not if there are affixes. */
  gboolean can_cut;
  gboolean cuts_unknown;        /* around characters without a token, too */
  uint8_t known[N_KNOWN / 8];   /* characters that have a token */
  uint8_t joined[256][256 / 8]; /* bytes that follow in tokens or characters */

  BnMerges merges;
};

/* Tokens that were added are none of the algorithm's. Control tokens must not
 * come out of text that merely looks like them; single characters are text. */
static uint32_t
lookup (const BnVocab *vocab, const void *text, size_t length)
{
  uint32_t id = bn_vocab_lookup (vocab, text, length);
  unsigned attributes =
      id != BN_TOKEN_NONE ? vocab->attributes[id] : BN_TOKEN_ADDED;

  if ((attributes & BN_TOKEN_ADDED)
      || ((attributes & BN_TOKEN_CONTROL)
          && length > bn_utf8_announced_length (*(const uint8_t *) text)))
    return BN_TOKEN_NONE;
  return id;
}

static void
look_up_bytes (BnCharBpe *self)
{
  self->first_byte = BN_TOKEN_NONE;
  for (unsigned byte = 0; byte < 256; byte++) {
    uint32_t id = bn_vocab_lookup_byte_name (self->vocab, (uint8_t) byte);

    self->byte_tokens[byte] =
        id != BN_TOKEN_NONE && (self->vocab->attributes[id] & BN_TOKEN_ADDED)
            ? BN_TOKEN_NONE
            : id;
    self->first_byte = MIN (self->first_byte, self->byte_tokens[byte]);
    self->last_byte = MAX (self->last_byte, self->byte_tokens[byte]);
  }
}

static void
look_up_characters (BnCharBpe *self)
{
  const BnVocab *vocab = self->vocab;

  memset (self->direct, 0xFF, sizeof self->direct);
  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    size_t length;
    const uint8_t *text = bn_vocab_text (vocab, id, &length);
    uint32_t cp;

    if (length == 0 || length > MAX_CHAR_LENGTH
        || bn_utf8_decode (text, length, &cp) != (int) length || cp >= N_KNOWN
        || lookup (vocab, text, length) != id)
      continue;
    self->known[cp / 8] |= (uint8_t) (1 << cp % 8);
    if (cp < N_DIRECT)
      self->direct[cp] = id;
  }
}

BnCharBpe *
bn_char_bpe_new (
    const BnVocab *vocab, const BnCharBpeOptions *options, size_t n_merges)
{
  BnCharBpe *self = g_new0 (BnCharBpe, 1);

  self->vocab = vocab;
  self->options = *options;
  self->options.prefix = g_memdup2 (options->prefix, options->prefix_length);
  self->options.suffix = g_memdup2 (options->suffix, options->suffix_length);
  bn_merges_init (&self->merges, vocab, n_merges);
  look_up_bytes (self);
  look_up_characters (self);
  for (unsigned byte = 0; byte < 256; byte++)
    memset (self->joined[byte] + 0x80 / 8, 0xFF, (0xC0 - 0x80) / 8);
  self->can_cut = options->prefix_length == 0 && options->suffix_length == 0;
  self->cuts_unknown =
      options->byte_fallback && self->last_byte != BN_TOKEN_NONE;
  return self;
}

void
bn_char_bpe_free (BnCharBpe *self)
{
  g_free ((void *) self->options.prefix);
  g_free ((void *) self->options.suffix);
  bn_merges_clear (&self->merges);
  g_free (self);
}

/* FALSE is certain. */
static inline gboolean
may_be_byte (const BnCharBpe *self, uint32_t id)
{
  return id >= self->first_byte && id <= self->last_byte;
}

void
bn_char_bpe_add_pair (
    BnCharBpe *self, uint32_t left, uint32_t right, uint32_t merged)
{
  size_t length;
  const uint8_t *text = bn_vocab_text (self->vocab, merged, &length);

  if (lookup (self->vocab, text, length) != merged) {
    self->merges.n_merges++; /* the rank stays unused */
    return;
  }
  bn_merges_add_pair (&self->merges, left, right, merged);
  if (may_be_byte (self, left) || may_be_byte (self, right))
    self->cuts_unknown = FALSE;
  for (size_t i = 1; i < length; i++)
    self->joined[text[i - 1]][text[i] / 8] |= (uint8_t) (1 << text[i] % 8);
}

static inline uint32_t
pair_rank (const void *model, uint32_t left, uint32_t right,
    const uint8_t *text, size_t length, uint32_t *merged)
{
  const BnCharBpe *self = model;
  const BnMergeSlot *slot = bn_merges_find (&self->merges, left, right);

  *merged = slot->merged;
  return bn_merges_get_rank (&self->merges, slot);
}

static size_t
merge_symbols (const void *model, BnScratch *scratch, BnSymbol *symbols,
    size_t n, const uint8_t *text, size_t length)
{
  return bn_merge_symbols (model, pair_rank, scratch, symbols, n, text, length);
}

/* The merging is done over the ids of a row in place of a text: an id may be
 * that of a byte, of several characters or of one with its affixes. */
static size_t
split_row (const void *model, const uint8_t *text, size_t length,
    BnSymbol *symbols, size_t n, size_t *end)
{
  const uint32_t *ids = (const void *) text;

  n = MIN (n, length / sizeof *ids);
  for (size_t i = 0; i < n; i++) {
    symbols[i].id = ids[i];
    symbols[i].start = (uint32_t) (i * sizeof *ids);
  }
  *end = n * sizeof *ids;
  return n;
}

static void
push_id (const void *model, uint32_t id, const uint8_t *text, size_t length,
    BnIds *out)
{
  bn_ids_push (out, id);
}

/* Appends the ids that a row of n, which is at the start of the text of
 * scratch, is merged to. */
static gboolean
merge_row (const BnCharBpe *self, BnScratch *scratch, size_t n, BnIds *out)
{
  static const BnMergeOps ops = {merge_symbols, split_row, push_id};
  const uint8_t *row = scratch->text;
  size_t size = n * sizeof (uint32_t), end;

  if (n > BN_SHORT_WORD) {
    if (!bn_scratch_reserve_symbols (scratch, MIN (n, BN_MAX_WINDOW)))
      return FALSE;
    if (bn_merge_windows (self, &ops, scratch, row, size, out))
      return TRUE;
  }
  if (size > UINT32_MAX || !bn_scratch_reserve_symbols (scratch, n))
    return FALSE;
  split_row (self, row, size, scratch->symbols, n, &end);
  n = merge_symbols (self, scratch, scratch->symbols, n, row, size);
  bn_merge_push (self, &ops, scratch->symbols, n, row, size, out);
  return TRUE;
}

/* The row of tokens that a word is at first. An unknown character waits until
 * a known one follows, so that others can join it; bytes do not count as known,
 * as in the reference. */
typedef struct {
  const BnCharBpe *bpe;
  uint32_t *ids;
  size_t n;
  gboolean is_unknown_waiting;
} Row;

static inline void
push (Row *row, uint32_t id)
{
  row->ids[row->n++] = id;
}

/* A character with its affixes that has no token. */
static void
push_unknown (Row *row, const uint8_t *text, size_t length)
{
  const BnCharBpe *self = row->bpe;
  gboolean has_bytes = self->options.byte_fallback;

  for (size_t i = 0; i < length && has_bytes; i++)
    has_bytes = self->byte_tokens[text[i]] != BN_TOKEN_NONE;
  if (has_bytes) {
    for (size_t i = 0; i < length; i++)
      push (row, self->byte_tokens[text[i]]);
    return;
  }
  if (self->options.unknown == BN_TOKEN_NONE)
    return;
  if (row->is_unknown_waiting && !self->options.fuse_unknown)
    push (row, self->options.unknown);
  row->is_unknown_waiting = TRUE;
}

static inline void
push_text (Row *row, uint32_t id, const uint8_t *text, size_t length)
{
  if (id == BN_TOKEN_NONE) {
    push_unknown (row, text, length);
    return;
  }
  if (row->is_unknown_waiting) {
    push (row, row->bpe->options.unknown);
    row->is_unknown_waiting = FALSE;
  }
  push (row, id);
}

static void
push_plain (Row *row, const uint8_t *word, const uint8_t *end)
{
  const BnCharBpe *self = row->bpe;

  while (word < end) {
    uint32_t cp;
    unsigned length = bn_utf8_next (word, end, &cp);
    uint32_t id =
        cp < N_DIRECT ? self->direct[cp] : lookup (self->vocab, word, length);

    push_text (row, id, word, length);
    word += length;
  }
}

/* text has room for a character with its affixes. */
static void
push_with_affixes (
    Row *row, const uint8_t *word, const uint8_t *end, uint8_t *text)
{
  const BnCharBpe *self = row->bpe;
  const BnCharBpeOptions *options = &self->options;

  for (const uint8_t *p = word; p < end;) {
    uint32_t cp;
    unsigned char_length = bn_utf8_next (p, end, &cp);
    size_t length = 0;

    if (p > word && options->prefix_length > 0) {
      memcpy (text, options->prefix, options->prefix_length);
      length = options->prefix_length;
    }
    memcpy (text + length, p, char_length);
    length += char_length;
    p += char_length;
    if (p == end && options->suffix_length > 0) {
      memcpy (text + length, options->suffix, options->suffix_length);
      length += options->suffix_length;
    }
    push_text (row, lookup (self->vocab, text, length), text, length);
  }
}

/* With byte fallback every byte of an affix may become a symbol, too. */
static size_t
max_n_symbols (const BnCharBpe *self, size_t length)
{
  return self->options.byte_fallback
             ? length * (1 + self->options.prefix_length)
                   + self->options.suffix_length
             : length;
}

static gboolean
merge_word (const void *model, BnScratch *scratch, const uint8_t *word,
    size_t length, BnIds *out)
{
  const BnCharBpe *self = model;
  size_t affixes = self->options.prefix_length + self->options.suffix_length;
  Row row = {.bpe = self};
  size_t size;

  if (!g_size_checked_mul (&size, max_n_symbols (self, length), sizeof *row.ids)
      || !bn_scratch_reserve_text (scratch, size + affixes + MAX_CHAR_LENGTH))
    return FALSE;
  row.ids = (void *) scratch->text;
  if (affixes > 0)
    push_with_affixes (&row, word, word + length, scratch->text + size);
  else
    push_plain (&row, word, word + length);
  if (row.is_unknown_waiting)
    push (&row, self->options.unknown);
  return merge_row (self, scratch, row.n, out);
}

static inline gboolean
is_known (const BnCharBpe *self, uint32_t cp)
{
  return cp < N_KNOWN && (self->known[cp / 8] >> cp % 8 & 1);
}

static inline gboolean
is_joined (const BnCharBpe *self, uint8_t before, uint8_t byte)
{
  return self->joined[before][byte / 8] >> byte % 8 & 1;
}

/* Whether both characters around p have a token. Others do not count as
 * neighbours, because they become other tokens or none. But where they become
 * bytes, which merge with nothing, they are as good. */
static gboolean
is_between_tokens (const BnCharBpe *self, const uint8_t *word, const uint8_t *p,
    const uint8_t *end)
{
  const uint8_t *before = p - 1;
  uint32_t cp;

  if (self->cuts_unknown)
    return TRUE;
  while (before > word && (*before & 0xC0) == 0x80)
    before--;
  bn_utf8_next (before, p, &cp);
  if (!is_known (self, cp))
    return FALSE;
  bn_utf8_next (p, end, &cp);
  return is_known (self, cp);
}

/* The first border after p, at which the part that begins there ends, or
 * end. */
static const uint8_t *
find_border (const BnCharBpe *self, const uint8_t *word, const uint8_t *p,
    const uint8_t *end)
{
  for (p++; p < end; p++) {
    if (!is_joined (self, p[-1], *p) && is_between_tokens (self, word, p, end))
      return p;
  }
  return end;
}

/* Parts of a word from p on: their ends, counted from offset; at most WINDOW.
 * What find_border() does, for many bytes at a time. */
static unsigned
find_borders (const BnCharBpe *self, const uint8_t *word, const uint8_t *p,
    const uint8_t *end, uint32_t offset, uint32_t ends[WINDOW])
{
  uint64_t borders = 0;
  unsigned n = 0;

  if (end - p >= WINDOW) {
    for (unsigned i = 1; i < WINDOW; i++)
      borders |= (uint64_t) !is_joined (self, p[i - 1], p[i]) << i;
  }
  for (; borders; borders &= borders - 1) {
    unsigned i = bn_lowest_bit (borders);

    if (is_between_tokens (self, word, p + i, end))
      ends[n++] = offset + i;
  }
  if (n == 0)
    ends[n++] = offset + (uint32_t) (find_border (self, word, p, end) - p);
  return n;
}

gboolean
bn_char_bpe_encode (const BnCharBpe *self, BnScratch *scratch,
    const uint8_t *word, size_t length, BnIds *out)
{
  const uint8_t *p = word, *end = word + length;

  if (length == 0)
    return TRUE;
  if (length > UINT32_MAX)
    return FALSE;
  if (self->options.ignore_merges) {
    uint32_t id = lookup (self->vocab, word, length);

    if (id != BN_TOKEN_NONE) {
      if (!bn_ids_reserve (out, 1))
        return FALSE;
      bn_ids_push (out, id);
      return TRUE;
    }
  }
  while (p < end) {
    const uint8_t *start = p;
    uint32_t ends[BN_MAX_WORDS];
    unsigned n_parts = 0;

    if (self->can_cut) {
      while (p < end && n_parts <= BN_MAX_WORDS - WINDOW) {
        n_parts += find_borders (
            self, word, p, end, (uint32_t) (p - start), ends + n_parts);
        p = start + ends[n_parts - 1];
      }
    } else {
      ends[n_parts++] = (uint32_t) length;
      p = end;
    }
    bn_cache_settle (&scratch->cache);
    if (!bn_ids_reserve (out,
            max_n_symbols (self, (size_t) (p - start)) + BN_CACHE_INLINE_IDS)
        || !bn_encode_words (
            self, merge_word, scratch, start, ends, n_parts, end, out))
      return FALSE;
  }
  return TRUE;
}

const BnMerges *
bn_char_bpe_get_merges (const BnCharBpe *self)
{
  return &self->merges;
}

void
bn_char_bpe_foreach_merge (const BnCharBpe *self,
    void (*visit) (
        uint32_t left, uint32_t right, uint32_t merged, void *user_data),
    void *user_data)
{
  bn_merges_foreach (&self->merges, visit, user_data);
}

static gboolean
model_encode (const void *data, BnScratch *scratch, const uint8_t *word,
    size_t length, unsigned fragment, BnIds *out)
{
  return bn_char_bpe_encode (data, scratch, word, length, out);
}

static void
model_free (void *data)
{
  bn_char_bpe_free (data);
}

const BnModelClass bn_char_bpe_model = {"bpe", model_encode, model_free};
