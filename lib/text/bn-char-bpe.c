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

#include "bn-merge.h"
#include "bn-unicode.h"

enum {
  N_DIRECT = 0x800,  /* characters whose tokens need no search */
  N_KNOWN = 0x10000, /* of which it is noted whether they have one */
  MAX_CHAR_LENGTH = 4,
};

typedef struct {
  uint64_t key;  /* left id in the high half, right id in the low one */
  uint32_t rank; /* BN_NO_RANK if free */
  uint32_t merged;
} Pair;

struct BnCharBpe {
  const BnVocab *vocab;
  BnCharBpeOptions options; /* the affixes are copies */
  uint32_t byte_tokens[256];
  uint32_t direct[N_DIRECT]; /* of characters without prefix and suffix */

  /* Where words are cut; not if there are affixes. */
  gboolean can_cut;
  uint8_t known[N_KNOWN / 8];   /* characters that have a token */
  uint8_t joined[256][256 / 8]; /* bytes around a border in tokens */

  Pair *pairs;
  unsigned pair_shift; /* 64 less the binary logarithm of their number */
  uint32_t n_merges;
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
  char text[sizeof "<0xXX>"];

  for (unsigned byte = 0; byte < 256; byte++) {
    uint32_t id;

    g_snprintf (text, sizeof text, "<0x%02X>", byte);
    id = bn_vocab_lookup (self->vocab, text, sizeof text - 1);
    self->byte_tokens[byte] =
        id != BN_TOKEN_NONE && (self->vocab->attributes[id] & BN_TOKEN_ADDED)
            ? BN_TOKEN_NONE
            : id;
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
  unsigned bits = 8;

  while (((size_t) 1 << bits) * 5 < n_merges * 8)
    bits++;
  self->vocab = vocab;
  self->options = *options;
  self->options.prefix = g_memdup2 (options->prefix, options->prefix_length);
  self->options.suffix = g_memdup2 (options->suffix, options->suffix_length);
  self->pair_shift = 64 - bits;
  self->pairs = g_malloc_n ((size_t) 1 << bits, sizeof *self->pairs);
  memset (self->pairs, 0xFF, ((size_t) 1 << bits) * sizeof *self->pairs);
  look_up_bytes (self);
  look_up_characters (self);
  self->can_cut = options->prefix_length == 0 && options->suffix_length == 0;
  return self;
}

void
bn_char_bpe_free (BnCharBpe *self)
{
  g_free ((void *) self->options.prefix);
  g_free ((void *) self->options.suffix);
  g_free (self->pairs);
  g_free (self);
}

/* The entry of a pair: its own or the free one where it belongs. */
static inline Pair *
find_pair (const BnCharBpe *self, uint32_t left, uint32_t right)
{
  uint64_t key = (uint64_t) left << 32 | right;
  uint64_t hash = (key ^ self->vocab->seed) * UINT64_C (0x9E3779B97F4A7C15);
  size_t mask = ((size_t) 1 << (64 - self->pair_shift)) - 1;

  hash = (hash ^ hash >> 32) * UINT64_C (0xD6E8FEB86659FD93);
  for (size_t i = (size_t) (hash >> self->pair_shift);; i = (i + 1) & mask) {
    Pair *pair = &self->pairs[i];

    if (pair->key == key || pair->rank == BN_NO_RANK)
      return pair;
  }
}

void
bn_char_bpe_add_pair (
    BnCharBpe *self, uint32_t left, uint32_t right, uint32_t merged)
{
  size_t length;
  const uint8_t *text = bn_vocab_text (self->vocab, merged, &length);

  if (lookup (self->vocab, text, length) != merged) {
    self->n_merges++;
    return;
  }
  *find_pair (self, left, right) =
      (Pair){(uint64_t) left << 32 | right, self->n_merges++, merged};
  for (size_t i = 1; i < length; i++) {
    if ((text[i] & 0xC0) != 0x80)
      self->joined[text[i - 1]][text[i] / 8] |= (uint8_t) (1 << text[i] % 8);
  }
}

static inline uint32_t
pair_rank (const void *model, uint32_t left, uint32_t right,
    const uint8_t *text, size_t length, uint32_t *merged)
{
  const Pair *pair = find_pair (model, left, right);

  *merged = pair->merged;
  return pair->rank;
}

/* The row of symbols that a word is at first. An unknown character waits until
 * a known one follows, so that others can join it; bytes do not count as known,
 * as in the reference. */
typedef struct {
  const BnCharBpe *bpe;
  BnScratch *scratch;
  size_t n;
  gboolean is_unknown_waiting;
} Row;

static inline void
push (Row *row, uint32_t id)
{
  row->scratch->symbols[row->n].id = id;
  row->scratch->symbols[row->n].start = (uint32_t) row->n;
  row->n++;
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

static void
push_with_affixes (Row *row, const uint8_t *word, const uint8_t *end)
{
  const BnCharBpe *self = row->bpe;
  const BnCharBpeOptions *options = &self->options;
  uint8_t *text = row->scratch->text;

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
merge_word (const BnCharBpe *self, BnScratch *scratch, const uint8_t *word,
    size_t length, BnIds *out)
{
  size_t affixes = self->options.prefix_length + self->options.suffix_length;
  size_t max_symbols = max_n_symbols (self, length);
  Row row = {self, scratch, 0, FALSE};

  if (!bn_scratch_reserve_symbols (scratch, max_symbols)
      || !bn_scratch_reserve_text (scratch, affixes + MAX_CHAR_LENGTH))
    return FALSE;
  if (affixes > 0)
    push_with_affixes (&row, word, word + length);
  else
    push_plain (&row, word, word + length);
  if (row.is_unknown_waiting)
    push (&row, self->options.unknown);

  row.n = bn_merge (self, pair_rank, scratch, row.n, word, row.n);
  for (size_t i = 0; i < row.n; i++)
    bn_ids_push (out, scratch->symbols[i].id);
  return TRUE;
}

static inline gboolean
is_known (const BnCharBpe *self, uint32_t cp)
{
  return cp < N_KNOWN && (self->known[cp / 8] >> cp % 8 & 1);
}

/* The end of the first part of a word. Characters without a token do not count
 * as neighbours, because they become other tokens or none. */
static const uint8_t *
find_border (const BnCharBpe *self, const uint8_t *p, const uint8_t *end)
{
  uint32_t cp;
  gboolean is_last_known;

  p += bn_utf8_next (p, end, &cp);
  is_last_known = is_known (self, cp);
  while (p < end) {
    unsigned length = bn_utf8_next (p, end, &cp);
    gboolean is_next_known = is_known (self, cp);

    if (is_last_known && is_next_known
        && !(self->joined[p[-1]][*p / 8] >> *p % 8 & 1))
      return p;
    is_last_known = is_next_known;
    p += length;
  }
  return end;
}

/* A part of a word that no merge crosses; memory up to end may be read. */
static gboolean
encode_part (const BnCharBpe *self, BnScratch *scratch, const uint8_t *part,
    size_t length, const uint8_t *end, BnIds *out)
{
  size_t first = out->n_ids;
  size_t max_ids = MAX (max_n_symbols (self, length), BN_CACHE_INLINE_IDS);
  BnCachePlace place;

  if (!bn_ids_reserve (out, max_ids))
    return FALSE;
  if (bn_cache_lookup (&scratch->cache, part, length, end, &place, out))
    return TRUE;
  if (!merge_word (self, scratch, part, length, out))
    return FALSE;
  bn_cache_insert (&scratch->cache, &place, part, length, out->data + first,
      out->n_ids - first);
  return TRUE;
}

gboolean
bn_char_bpe_encode (const BnCharBpe *self, BnScratch *scratch,
    const uint8_t *word, size_t length, BnIds *out)
{
  const uint8_t *end = word + length;

  if (length == 0)
    return TRUE;
  if (self->options.ignore_merges) {
    uint32_t id = lookup (self->vocab, word, length);

    if (id != BN_TOKEN_NONE) {
      if (!bn_ids_reserve (out, 1))
        return FALSE;
      bn_ids_push (out, id);
      return TRUE;
    }
  }
  while (word < end) {
    const uint8_t *border = self->can_cut ? find_border (self, word, end) : end;

    if (!encode_part (self, scratch, word, (size_t) (border - word), end, out))
      return FALSE;
    word = border;
  }
  return TRUE;
}

void
bn_char_bpe_foreach_merge (const BnCharBpe *self,
    void (*visit) (
        uint32_t left, uint32_t right, uint32_t merged, void *user_data),
    void *user_data)
{
  size_t n_slots = (size_t) 1 << (64 - self->pair_shift);
  g_autofree const Pair **by_rank =
      g_new0 (const Pair *, (size_t) self->n_merges + 1);

  for (size_t i = 0; i < n_slots; i++) {
    if (self->pairs[i].rank != BN_NO_RANK)
      by_rank[self->pairs[i].rank] = &self->pairs[i];
  }
  for (uint32_t rank = 0; rank < self->n_merges; rank++) {
    const Pair *pair = by_rank[rank];

    if (pair)
      visit ((uint32_t) (pair->key >> 32), (uint32_t) pair->key, pair->merged,
          user_data);
  }
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
