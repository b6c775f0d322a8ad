/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The merging that byte-level BPE and SentencePiece have in common.
 *
 * A word is a row of symbols. The pair of neighbours with the lowest rank is
 * merged into one symbol, the leftmost of equals, until no pair has a rank:
 *
 *    l  o  w  e  r        ranks  l,o: 7   w,e: -   e,r: 2
 *    l  o  w  er                 l,o: 7   w,er: -
 *    lo w  er                    lo,w: 9
 *    low er
 *
 * Short words use arrays and search the lowest rank anew each time. Long ones
 * use a linked list and a heap of (rank, left index), where an entry is stale
 * when the symbol at its index is gone or merges with another rank now; so
 * the time is n log n for every text.
 *
 * Only bn-bpe.c and bn-spm.c include this file. Each gives its own PairFn,
 * which the compiler puts in place. */
#pragma once

#include "bn-scratch.h"
#include "bn-vocab.h"

#define BN_NO_RANK UINT32_MAX

enum { BN_SHORT_WORD = 32 };

/* Rank of merging the tokens left and right, whose texts together are the
 * length bytes at text; BN_NO_RANK if they do not merge. Sets *merged. */
typedef uint32_t (*BnPairFn) (const void *model, uint32_t left, uint32_t right,
    const uint8_t *text, size_t length, uint32_t *merged);

/* Merges n symbols, of which id and start are set, in place: their number
 * afterwards; the first ones hold id and start. n <= BN_SHORT_WORD. */
static inline size_t
bn_merge_short (const void *model, BnPairFn pair, BnSymbol *symbols, size_t n,
    const uint8_t *text, size_t length)
{
  uint32_t ids[BN_SHORT_WORD], starts[BN_SHORT_WORD + 1];
  uint32_t ranks[BN_SHORT_WORD], merged[BN_SHORT_WORD];

#define RANK(i)                                                                \
  pair (model, ids[i], ids[(i) + 1], text + starts[i],                         \
      starts[(i) + 2] - starts[i], &merged[i])

  for (size_t i = 0; i < n; i++) {
    ids[i] = symbols[i].id;
    starts[i] = symbols[i].start;
  }
  starts[n] = (uint32_t) length;
  for (size_t i = 0; i + 1 < n; i++)
    ranks[i] = RANK (i);

  while (n > 1) {
    size_t best = 0, after;

    for (size_t i = 1; i + 1 < n; i++) {
      if (ranks[i] < ranks[best])
        best = i;
    }
    if (ranks[best] == BN_NO_RANK)
      break;

    ids[best] = merged[best];
    n--;
    after = n - best - 1;
    memmove (ids + best + 1, ids + best + 2, after * sizeof *ids);
    memmove (
        starts + best + 1, starts + best + 2, (after + 1) * sizeof *starts);
    memmove (ranks + best, ranks + best + 1, after * sizeof *ranks);
    memmove (merged + best, merged + best + 1, after * sizeof *merged);
    if (best > 0)
      ranks[best - 1] = RANK (best - 1);
    if (best + 1 < n)
      ranks[best] = RANK (best);
  }
#undef RANK

  for (size_t i = 0; i < n; i++) {
    symbols[i].id = ids[i];
    symbols[i].start = starts[i];
  }
  return n;
}

static inline void
bn_heap_down (uint64_t *heap, size_t n, size_t i)
{
  uint64_t entry = heap[i];

  for (size_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && heap[child + 1] < heap[child])
      child++;
    if (entry <= heap[child])
      break;
    heap[i] = heap[child];
  }
  heap[i] = entry;
}

static inline void
bn_heap_up (uint64_t *heap, size_t i)
{
  uint64_t entry = heap[i];

  for (; i > 0 && heap[(i - 1) / 2] > entry; i = (i - 1) / 2)
    heap[i] = heap[(i - 1) / 2];
  heap[i] = entry;
}

/* The same for any n; scratch holds the symbols and has room for the heap. */
static inline size_t
bn_merge_long (const void *model, BnPairFn pair, BnScratch *scratch, size_t n,
    const uint8_t *text, size_t length)
{
  BnSymbol *symbols = scratch->symbols;
  uint64_t *heap = scratch->heap;
  size_t n_heap = 0, n_left = 0;

#define END(i)                                                                 \
  (symbols[i].next < n ? symbols[symbols[i].next].start : (uint32_t) length)
#define RANK(i)                                                                \
  (symbols[i].next == n                                                        \
          ? BN_NO_RANK                                                         \
          : pair (model, symbols[i].id, symbols[symbols[i].next].id,           \
              text + symbols[i].start,                                         \
              END (symbols[i].next) - symbols[i].start, &symbols[i].merged))

  for (size_t i = 0; i < n; i++) {
    symbols[i].prev = (uint32_t) i - 1; /* not used for the first */
    symbols[i].next = (uint32_t) i + 1;
  }
  for (size_t i = 0; i < n; i++) {
    symbols[i].rank = RANK (i);
    if (symbols[i].rank != BN_NO_RANK)
      heap[n_heap++] = (uint64_t) symbols[i].rank << 32 | i;
  }
  for (size_t i = n_heap / 2; i-- > 0;)
    bn_heap_down (heap, n_heap, i);

  while (n_heap > 0) {
    uint32_t rank = (uint32_t) (heap[0] >> 32);
    uint32_t i = (uint32_t) heap[0], gone;
    uint32_t touched[2];
    size_t n_touched = 0;

    heap[0] = heap[--n_heap];
    if (n_heap > 0)
      bn_heap_down (heap, n_heap, 0);
    if (symbols[i].rank != rank)
      continue;

    gone = symbols[i].next;
    symbols[i].id = symbols[i].merged;
    symbols[i].next = symbols[gone].next;
    symbols[gone].rank = BN_NO_RANK; /* makes its entries stale */
    if (symbols[i].next < n)
      symbols[symbols[i].next].prev = i;
    if (i > 0)
      touched[n_touched++] = symbols[i].prev;
    touched[n_touched++] = i;
    for (size_t j = 0; j < n_touched; j++) {
      BnSymbol *symbol = &symbols[touched[j]];

      symbol->rank = RANK (touched[j]);
      if (symbol->rank != BN_NO_RANK) {
        heap[n_heap++] = (uint64_t) symbol->rank << 32 | touched[j];
        bn_heap_up (heap, n_heap - 1);
      }
    }
  }
#undef RANK
#undef END

  for (size_t i = 0; i < n; i = symbols[i].next, n_left++) {
    symbols[n_left].id = symbols[i].id;
    symbols[n_left].start = symbols[i].start;
  }
  return n_left;
}

static inline size_t
bn_merge (const void *model, BnPairFn pair, BnScratch *scratch, size_t n,
    const uint8_t *text, size_t length)
{
  if (n <= BN_SHORT_WORD)
    return bn_merge_short (model, pair, scratch->symbols, n, text, length);
  return bn_merge_long (model, pair, scratch, n, text, length);
}
