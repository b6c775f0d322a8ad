/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The merges of BPE: (left id, right id) -> (rank, merged id), in an open hash
 * table that never changes once it is filled. */
#pragma once

#include "bn-vocab.h"

#define BN_NO_RANK UINT32_MAX

typedef struct {
  uint64_t key;  /* left id in the high half, right id in the low one */
  uint32_t rank; /* BN_NO_RANK if free */
  uint32_t merged;
} BnMergeSlot;

typedef struct {
  const BnVocab *vocab;
  BnMergeSlot *slots;
  unsigned shift;       /* 64 less the binary logarithm of their number */
  gboolean is_compiled; /* the slots are not ours */
  uint32_t n_merges;    /* ranks that were given */
  size_t n_pairs, max_pairs;
  uint32_t last_merged;
} BnMerges;

/* For at most n_merges merges over vocab, which must be sealed and stay. */
void bn_merges_init (BnMerges *self, const BnVocab *vocab, size_t n_merges);

/* The merges that were compiled together with vocab; FALSE if there are none
 * that make sense. */
gboolean bn_merges_init_compiled (BnMerges *self, const BnVocab *vocab);
void bn_merges_clear (BnMerges *self);

/* Adds the sections of merges, which stay until they are written. */
void bn_merges_compile (const BnMerges *self, BnCompiledWriter *writer);

/* "left right". */
typedef struct {
  const char *text;
  size_t length;
  uint32_t merged; /* is set */
} BnMerge;

/* Adds merges of the next ranks. Sets the token that each makes, or
 * BN_TOKEN_NONE, and its rank stays unused, if one of the three texts is not in
 * the vocabulary or the pair has a rank already: such a merge can never be
 * made. */
void bn_merges_add (BnMerges *self, BnMerge *merges, size_t n);

/* The same for tokens that are known; of equal pairs the last counts, as in
 * tokenizer.json. FALSE if there are more than have been announced. */
gboolean bn_merges_add_pair (
    BnMerges *self, uint32_t left, uint32_t right, uint32_t merged);

static inline size_t
bn_merges_home (const BnMerges *self, uint64_t key)
{
  uint64_t hash = (key ^ self->vocab->seed) * UINT64_C (0x9E3779B97F4A7C15);

  hash = (hash ^ hash >> 32) * UINT64_C (0xD6E8FEB86659FD93);
  return (size_t) (hash >> self->shift);
}

/* The slot of a pair: its own or the free one where it belongs. */
static inline BnMergeSlot *
bn_merges_find (const BnMerges *self, uint32_t left, uint32_t right)
{
  uint64_t key = (uint64_t) left << 32 | right;
  size_t mask = ((size_t) 1 << (64 - self->shift)) - 1;

  for (size_t i = bn_merges_home (self, key);; i = (i + 1) & mask) {
    BnMergeSlot *slot = &self->slots[i];

    if (slot->key == key || slot->rank == BN_NO_RANK)
      return slot;
  }
}

/* The rank of a slot, BN_NO_RANK if it is free, or if its token is not to be
 * used, or in a table that was read does not exist. */
static inline uint32_t
bn_merges_get_rank (const BnMerges *self, const BnMergeSlot *slot)
{
  return slot->merged < self->vocab->n_usable ? slot->rank : BN_NO_RANK;
}

/* The merges in the order of their ranks. */
void bn_merges_foreach (const BnMerges *self,
    void (*visit) (
        uint32_t left, uint32_t right, uint32_t merged, void *user_data),
    void *user_data);
