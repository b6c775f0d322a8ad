/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Byte-level BPE.
 *
 * At load, every merge "left right" becomes an entry (left id, right id) ->
 * (rank, merged id) of an open hash table, so that encoding works on ids
 * alone: bytes become the tokens of single bytes, pairs are looked up by id,
 * texts are not touched again. */
#include "bn-bpe.h"

#include "bn-bits.h"
#include "bn-cached-words.h"
#include "bn-merge.h"
#include "bn-unicode.h"

enum { WORD_BATCH = 32 };

struct BnBpe {
  const BnVocab *vocab;
  uint32_t byte_tokens[256];

  BnMerges merges;

  BnVocabSlot *words; /* by their bytes; NULL if merges count */
  uint32_t word_mask;
  size_t max_word_length;
  gboolean has_compiled_words;
};

static BnBpe *
bpe_new (const BnVocab *vocab)
{
  BnBpe *self = g_new0 (BnBpe, 1);

  self->vocab = vocab;
  for (unsigned byte = 0; byte < 256; byte++)
    self->byte_tokens[byte] = bn_vocab_byte_token (vocab, (uint8_t) byte);
  return self;
}

BnBpe *
bn_bpe_new (const BnVocab *vocab, size_t n_merges)
{
  BnBpe *self = bpe_new (vocab);

  bn_merges_init (&self->merges, vocab, n_merges);
  return self;
}

BnBpe *
bn_bpe_new_compiled (const BnVocab *vocab)
{
  g_autoptr (BnBpe) self = bpe_new (vocab);
  const BnVocabSlot *words;
  size_t n_slots;

  if (!bn_merges_init_compiled (&self->merges, vocab))
    return NULL;
  words = bn_compiled_get (
      vocab->compiled, BN_SECTION_WORDS, sizeof *words, &n_slots);
  if (words) {
    if (!bn_vocab_check_slots (words, n_slots))
      return NULL;
    self->words = (BnVocabSlot *) words;
    self->word_mask = (uint32_t) (n_slots - 1);
    self->max_word_length = vocab->max_text_length;
    self->has_compiled_words = TRUE;
  }
  return g_steal_pointer (&self);
}

void
bn_bpe_compile (const BnBpe *self, BnCompiledWriter *writer)
{
  bn_merges_compile (&self->merges, writer);
  if (self->words)
    bn_compiled_writer_add (writer, BN_SECTION_WORDS, self->words,
        sizeof *self->words, (size_t) self->word_mask + 1);
}

void
bn_bpe_free (BnBpe *self)
{
  bn_merges_clear (&self->merges);
  if (!self->has_compiled_words)
    g_free (self->words);
  g_free (self);
}

void
bn_bpe_add_merges (BnBpe *self, BnMerge *merges, size_t n)
{
  bn_merges_add (&self->merges, merges, n);
}

gboolean
bn_bpe_add_pair (BnBpe *self, uint32_t left, uint32_t right, uint32_t merged)
{
  return bn_merges_add_pair (&self->merges, left, right, merged);
}

/* Whether a token is found by the bytes of a word: an ordinary one that is
 * spelled in the byte table to its end. Then its piece is shorter than its
 * text, or as long if all characters are those of ASCII that stand for
 * themselves. */
static gboolean
is_word (const BnVocab *vocab, uint32_t id)
{
  size_t length, piece_length;
  const uint8_t *text = bn_vocab_text (vocab, id, &length);

  if (vocab->attributes[id] & BN_TOKEN_SPECIAL)
    return FALSE;
  bn_vocab_piece (vocab, id, &piece_length);
  if (piece_length < length && !(vocab->attributes[id] & BN_TOKEN_BYTE))
    return TRUE;
  for (size_t i = 0; i < length;) {
    uint32_t cp;
    int step = bn_utf8_decode (text + i, length - i, &cp);

    if (step <= 0 || bn_byte_level_decode (cp) < 0)
      return FALSE;
    i += (unsigned) step;
  }
  return TRUE;
}

static BnVocabSlot *
find_word_slot (
    const BnBpe *self, uint64_t hash, const uint8_t *word, size_t length)
{
  uint32_t tag = (uint32_t) (hash >> 32);

  for (uint32_t i = (uint32_t) hash & self->word_mask;;
       i = (i + 1) & self->word_mask) {
    BnVocabSlot *slot = &self->words[i];
    const uint8_t *piece;
    size_t piece_length;

    if (slot->id == BN_TOKEN_NONE)
      return slot;
    if (slot->tag != tag || slot->id >= self->vocab->n_usable)
      continue;
    piece = bn_vocab_piece (self->vocab, slot->id, &piece_length);
    if (piece_length == length && bn_equal (piece, word, length))
      return slot;
  }
}

static BnVocabSlot *
find_word (const BnBpe *self, const uint8_t *word, size_t length)
{
  return find_word_slot (
      self, bn_hash (word, length, self->vocab->seed), word, length);
}

void
bn_bpe_ignore_merges (BnBpe *self)
{
  const BnVocab *vocab = self->vocab;
  uint64_t hashes[WORD_BATCH];
  size_t n_slots = 16, length;
  const uint8_t *piece;

  if (self->words)
    return;
  while (n_slots < (size_t) vocab->n_tokens * 2)
    n_slots *= 2;
  self->words = g_malloc_n (n_slots, sizeof *self->words);
  memset (self->words, 0xFF, n_slots * sizeof *self->words);
  self->word_mask = (uint32_t) (n_slots - 1);

  /* In batches that wait for memory together. */
  for (uint32_t first = 0; first < vocab->n_tokens; first += WORD_BATCH) {
    uint32_t n = MIN (vocab->n_tokens - first, WORD_BATCH);

    for (uint32_t i = 0; i < n; i++) {
      piece = bn_vocab_piece (vocab, first + i, &length);
      hashes[i] = bn_hash (piece, length, vocab->seed);
      bn_prefetch (&self->words[(uint32_t) hashes[i] & self->word_mask]);
    }
    for (uint32_t i = 0; i < n; i++) {
      BnVocabSlot *slot;

      if (!is_word (vocab, first + i))
        continue;
      piece = bn_vocab_piece (vocab, first + i, &length);
      slot = find_word_slot (self, hashes[i], piece, length);
      if (slot->id != BN_TOKEN_NONE)
        continue;
      *slot = (BnVocabSlot){(uint32_t) (hashes[i] >> 32), first + i};
      self->max_word_length = MAX (self->max_word_length, length);
    }
  }
}

/* A word on its way. */
typedef struct {
  const BnBpe *bpe;
  BnScratch *scratch;
} Run;

static inline uint32_t
pair_rank (const void *model, uint32_t left, uint32_t right,
    const uint8_t *text, size_t length, uint32_t *merged)
{
  const Run *run = model;
  uint64_t key = (uint64_t) left << 32 | right;
  BnPair *known = bn_scratch_pair (run->scratch, key);

  if (known->key != key) {
    const BnMergeSlot *slot = bn_merges_find (&run->bpe->merges, left, right);

    *known = (BnPair){
        key, bn_merges_get_rank (&run->bpe->merges, slot), slot->merged};
  }
  *merged = known->merged;
  return known->rank;
}

static size_t
merge_symbols (const void *model, BnScratch *scratch, BnSymbol *symbols,
    size_t n, const uint8_t *text, size_t length)
{
  return bn_merge_symbols (model, pair_rank, scratch, symbols, n, text, length);
}

static inline size_t
split_word (const void *model, const uint8_t *text, size_t length,
    BnSymbol *symbols, size_t n, size_t *end)
{
  const BnBpe *self = ((const Run *) model)->bpe;

  n = MIN (n, length);
  for (size_t i = 0; i < n; i++) {
    symbols[i].id = self->byte_tokens[text[i]];
    symbols[i].start = (uint32_t) i;
  }
  *end = n;
  return n;
}

static inline void
push_symbol (const void *model, uint32_t id, const uint8_t *text, size_t length,
    BnIds *out)
{
  if (id != BN_TOKEN_NONE)
    bn_ids_push (out, id);
}

static gboolean
merge_word (const BnBpe *self, BnScratch *scratch, const uint8_t *word,
    size_t length, BnIds *out)
{
  static const BnMergeOps ops = {merge_symbols, split_word, push_symbol};
  const Run run = {self, scratch};

  return bn_merge_text (&run, &ops, scratch, word, length, out);
}

/* Appends the ids of a word that is not in the cache. */
static gboolean
encode_word (const void *model, BnScratch *scratch, const uint8_t *word,
    size_t length, BnIds *out)
{
  const BnBpe *self = model;

  if (self->words && length <= self->max_word_length) {
    uint32_t id = find_word (self, word, length)->id;

    if (id != BN_TOKEN_NONE) {
      bn_ids_push (out, id);
      return TRUE;
    }
  }
  return merge_word (self, scratch, word, length, out);
}

gboolean
bn_bpe_encode (const BnBpe *self, BnScratch *scratch, const uint8_t *word,
    size_t length, const uint8_t *end, BnIds *out)
{
  return bn_ids_reserve (out, length + BN_CACHE_INLINE_IDS)
         && bn_encode_word (self, encode_word, scratch, word, length, end, out);
}

G_STATIC_ASSERT ((int) BN_PRETOK_BATCH <= (int) BN_MAX_WORDS);

gboolean
bn_bpe_encode_text (const BnBpe *self, BnScratch *scratch,
    const BnPretokSet *pretok, const uint8_t *text, size_t length, BnIds *out)
{
  BnPretokIter iter;
  const uint8_t *start;
  uint32_t ends[BN_PRETOK_BATCH];
  unsigned n_words;

  bn_pretok_iter_init (&iter, pretok, text, length);
  while ((n_words = bn_pretok_iter_take (&iter, &start, ends)) > 0) {
    bn_cache_settle (&scratch->cache);
    /* No byte becomes more than one id; the rest is room to copy. */
    if (!bn_ids_reserve (out, ends[n_words - 1] + BN_CACHE_INLINE_IDS)
        || !bn_encode_words (self, encode_word, scratch, start, ends, n_words,
            text + length, out))
      return FALSE;
  }
  return TRUE;
}

const BnMerges *
bn_bpe_get_merges (const BnBpe *self)
{
  return &self->merges;
}

void
bn_bpe_foreach_merge (const BnBpe *self,
    void (*visit) (
        uint32_t left, uint32_t right, uint32_t merged, void *user_data),
    void *user_data)
{
  bn_merges_foreach (&self->merges, visit, user_data);
}
