/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BPE by ranks, as tiktoken does it.
 *
 * Nothing is built but an index of the tokens by their bytes: whether two
 * neighbours merge is looked up when it is asked. So a vocabulary is ready in
 * the time that it takes to read it, and words that come back are found in the
 * cache. */
#include "bn-rankbpe.h"

#include <string.h>

#include "bn-cached-words.h"
#include "bn-merge.h"

struct BnRankBpe {
  const BnVocab *vocab;
  const BnPretokSet *pretok;
  BnVocabSlot *slots; /* of the tokens by their bytes */
  uint32_t slot_mask;
  size_t max_length;
  uint32_t byte_tokens[256];
};

/* The slot of a token: its own or the free one where it belongs. */
static inline BnVocabSlot *
find_slot (const BnRankBpe *self, const uint8_t *bytes, size_t length)
{
  uint64_t hash = bn_hash (bytes, length, self->vocab->seed);
  uint32_t tag = (uint32_t) (hash >> 32);

  for (uint32_t i = (uint32_t) hash & self->slot_mask;;
       i = (i + 1) & self->slot_mask) {
    BnVocabSlot *slot = &self->slots[i];
    const uint8_t *piece;
    size_t piece_length;

    if (slot->id == BN_TOKEN_NONE)
      return slot;
    if (slot->tag != tag)
      continue;
    piece = bn_vocab_piece (self->vocab, slot->id, &piece_length);
    if (piece_length == length && memcmp (piece, bytes, length) == 0)
      return slot;
  }
}

static inline uint32_t
lookup (const BnRankBpe *self, const uint8_t *bytes, size_t length)
{
  return length > self->max_length ? BN_TOKEN_NONE
                                   : find_slot (self, bytes, length)->id;
}

BnRankBpe *
bn_rankbpe_new (const BnVocab *vocab, const BnPretokSet *pretok)
{
  BnRankBpe *self = g_new0 (BnRankBpe, 1);
  size_t n_slots = 16;

  while (n_slots < (size_t) vocab->n_tokens * 2)
    n_slots *= 2;
  self->vocab = vocab;
  self->pretok = pretok;
  self->slots = g_malloc_n (n_slots, sizeof *self->slots);
  memset (self->slots, 0xFF, n_slots * sizeof *self->slots);
  self->slot_mask = (uint32_t) (n_slots - 1);
  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    size_t length;
    const uint8_t *piece = bn_vocab_piece (vocab, id, &length);
    BnVocabSlot *slot;

    if (vocab->attributes[id] != BN_TOKEN_NORMAL)
      continue;
    slot = find_slot (self, piece, length);
    if (slot->id != BN_TOKEN_NONE)
      continue;
    slot->tag = (uint32_t) (bn_hash (piece, length, vocab->seed) >> 32);
    slot->id = id;
    self->max_length = MAX (self->max_length, length);
  }
  for (unsigned i = 0; i < 256; i++) {
    uint8_t byte = (uint8_t) i;

    self->byte_tokens[i] = lookup (self, &byte, 1);
  }
  return self;
}

void
bn_rankbpe_free (BnRankBpe *self)
{
  g_free (self->slots);
  g_free (self);
}

static inline uint32_t
pair_rank (const void *model, uint32_t left, uint32_t right,
    const uint8_t *text, size_t length, uint32_t *merged)
{
  *merged = lookup (model, text, length);
  return *merged;
}

static gboolean
merge_word (const BnRankBpe *self, BnScratch *scratch, const uint8_t *word,
    size_t length, BnIds *out)
{
  size_t n;

  G_STATIC_ASSERT (BN_TOKEN_NONE == BN_NO_RANK);
  if (!bn_scratch_reserve_symbols (scratch, length))
    return FALSE;
  for (size_t i = 0; i < length; i++) {
    scratch->symbols[i].id = self->byte_tokens[word[i]];
    scratch->symbols[i].start = (uint32_t) i;
  }
  n = bn_merge (self, pair_rank, scratch, length, word, length);
  for (size_t i = 0; i < n; i++) {
    if (scratch->symbols[i].id != BN_TOKEN_NONE)
      bn_ids_push (out, scratch->symbols[i].id);
  }
  return TRUE;
}

/* Appends the ids of a word that is not in the cache. */
static gboolean
encode_word (const void *model, BnScratch *scratch, const uint8_t *word,
    size_t length, BnIds *out)
{
  const BnRankBpe *self = model;
  uint32_t id = lookup (self, word, length);

  if (id == BN_TOKEN_NONE)
    return merge_word (self, scratch, word, length, out);
  bn_ids_push (out, id);
  return TRUE;
}

static gboolean
encode (const BnRankBpe *self, BnScratch *scratch, const uint8_t *text,
    size_t length, BnIds *out)
{
  BnPretokIter iter;
  const uint8_t *start, *end = text + length;
  uint32_t ends[BN_PRETOK_BATCH];
  unsigned n_words;

  bn_pretok_iter_init (&iter, self->pretok, text, length);
  while ((n_words = bn_pretok_iter_take (&iter, &start, ends)) > 0) {
    bn_cache_settle (&scratch->cache);
    if (!bn_ids_reserve (out, ends[n_words - 1] + BN_CACHE_INLINE_IDS)
        || !bn_encode_words (
            self, encode_word, scratch, start, ends, n_words, end, out))
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
  bn_rankbpe_free (data);
}

BnEncoder *
bn_encoder_new_rank_bpe (BnVocab *vocab, BnRankBpe *bpe)
{
  static const BnModelClass model = {"bpe", model_encode, model_free};

  return bn_encoder_new (vocab, &model, bpe);
}
