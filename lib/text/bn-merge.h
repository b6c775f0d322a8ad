/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The merging that all kinds of BPE have in common.
 *
 * A word is a row of symbols. The pair of neighbours with the lowest rank is
 * merged into one symbol, the leftmost of equals, until no pair has a rank:
 *
 *    l  o  w  e  r        ranks  l,o: 7   w,e: -   e,r: 2
 *    l  o  w  er                 l,o: 7   w,er: -
 *    lo w  er                    lo,w: 9
 *    low er
 *
 * Short words keep the ranks in blocks of eight with the lowest of each, so
 * that the lowest of all is found in a few steps. Long ones use a linked list
 * and a heap of (rank, left index), where an entry is stale when the symbol at
 * its index is gone or merges with another rank now; so the time is n log n
 * for every word.
 *
 * A very long word is merged in windows. What makes that exact: a row of
 * tokens is the result for its text if every two neighbours are the result for
 * theirs. (Within two neighbours, the merges for the whole text come in the
 * order in which they come for the two alone; so the first merge that went
 * over the border between them would also be made there.) And two neighbours
 * in any result are. So if a window begins where a token of the window before
 * it does, and with the same token, the rest of that one can be replaced:
 *
 *    window     [ a0  a1  a2  a3  a4 ]
 *    next one               [ b0  b1  b2  b3 ]     if b0 = a3:
 *    result       a0  a1  a2  b0  b1  b2  b3
 *
 * If it does not, the windows are made larger, in the end as large as the word.
 *
 * Only files of word models include this one. Each gives its own PairFn, which
 * the compiler puts in place. */
#pragma once

#include "bn-merges.h"
#include "bn-scratch.h"
#include "bn-vocab.h"

enum {
  BN_MERGE_BLOCK = 8,
  BN_MERGE_BLOCKS = 8,
  BN_SHORT_WORD = BN_MERGE_BLOCK * BN_MERGE_BLOCKS,
  BN_MAX_WINDOW = 4096, /* symbols */
};

/* Rank of merging the tokens left and right, whose texts together are the
 * length bytes at text; BN_NO_RANK if they do not merge. Sets *merged. */
typedef uint32_t (*BnPairFn) (const void *model, uint32_t left, uint32_t right,
    const uint8_t *text, size_t length, uint32_t *merged);

/* Of bn_merge_short(): the merge of symbols i and j, which end at end; the
 * lowest key of a block. */
#define SET_KEY(i, j, end)                                                     \
  do {                                                                         \
    uint64_t rank = pair (model, ids[i], ids[j], text + starts[i],             \
        (end) -starts[i], &merged[i]);                                         \
                                                                               \
    keys[i] = rank == BN_NO_RANK ? UINT64_MAX : rank << 32 | (i);              \
  } while (0)
#define SET_MIN(block)                                                         \
  do {                                                                         \
    const uint64_t *key = keys + (block) *BN_MERGE_BLOCK;                      \
    uint64_t low = MIN (key[0], key[1]), high = MIN (key[2], key[3]);          \
    uint64_t low2 = MIN (key[4], key[5]), high2 = MIN (key[6], key[7]);        \
                                                                               \
    low = MIN (low, high);                                                     \
    low2 = MIN (low2, high2);                                                  \
    mins[block] = MIN (low, low2);                                             \
  } while (0)

/* Merges n symbols, of which id and start are set, in place: their number
 * afterwards; the first ones hold id and start. n <= BN_SHORT_WORD. */
static inline size_t
bn_merge_short (const void *model, BnPairFn pair, BnSymbol *symbols, size_t n,
    const uint8_t *text, size_t length)
{
  /* Of each symbol: rank of the merge with the next in the high half, its
   * index in the low one; all bits if there is none. */
  uint64_t keys[BN_SHORT_WORD], mins[BN_MERGE_BLOCKS];
  uint32_t ids[BN_SHORT_WORD], merged[BN_SHORT_WORD];
  uint32_t starts[BN_SHORT_WORD + 1];
  uint8_t next[BN_SHORT_WORD], prev[BN_SHORT_WORD + 1];
  size_t n_blocks = (n + BN_MERGE_BLOCK - 1) / BN_MERGE_BLOCK, n_left = 0;

  if (n < 2)
    return n;
  for (size_t i = 0; i < n; i++) {
    ids[i] = symbols[i].id;
    starts[i] = symbols[i].start;
    next[i] = (uint8_t) (i + 1);
    prev[i] = (uint8_t) (i - 1); /* not used for the first */
  }
  starts[n] = (uint32_t) length;
  next[n - 1] = (uint8_t) n;

  for (size_t i = 0; i + 1 < n; i++)
    SET_KEY (i, i + 1, starts[i + 2 < n ? i + 2 : n]);
  for (size_t i = n - 1; i < n_blocks * BN_MERGE_BLOCK; i++)
    keys[i] = UINT64_MAX;
  for (size_t block = 0; block < n_blocks; block++)
    SET_MIN (block);

  for (;;) {
    uint64_t best = mins[0];
    size_t i, gone, after;

    for (size_t block = 1; block < n_blocks; block++)
      best = MIN (best, mins[block]);
    if (best == UINT64_MAX)
      break;
    i = (size_t) (best & (BN_SHORT_WORD - 1));
    gone = next[i];
    after = next[gone];
    ids[i] = merged[i];
    next[i] = (uint8_t) after;
    keys[gone] = UINT64_MAX;
    if (gone / BN_MERGE_BLOCK != i / BN_MERGE_BLOCK)
      SET_MIN (gone / BN_MERGE_BLOCK);
    if (after < n) {
      prev[after] = (uint8_t) i;
      SET_KEY (i, after, starts[next[after]]);
    } else {
      keys[i] = UINT64_MAX;
    }
    if (i > 0) {
      size_t before = prev[i];

      SET_KEY (before, i, starts[after]);
      if (before / BN_MERGE_BLOCK != i / BN_MERGE_BLOCK)
        SET_MIN (before / BN_MERGE_BLOCK);
    }
    SET_MIN (i / BN_MERGE_BLOCK);
  }
  for (size_t i = 0; i < n; i = next[i], n_left++) {
    symbols[n_left].id = ids[i];
    symbols[n_left].start = starts[i];
  }
  return n_left;
}

#undef SET_KEY
#undef SET_MIN

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

/* The same for any n; scratch has room for the heap. */
static inline size_t
bn_merge_long (const void *model, BnPairFn pair, BnScratch *scratch,
    BnSymbol *symbols, size_t n, const uint8_t *text, size_t length)
{
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

/* Merges n symbols whichever way is faster. */
static inline size_t
bn_merge_symbols (const void *model, BnPairFn pair, BnScratch *scratch,
    BnSymbol *symbols, size_t n, const uint8_t *text, size_t length)
{
  if (n <= BN_SHORT_WORD)
    return bn_merge_short (model, pair, symbols, n, text, length);
  return bn_merge_long (model, pair, scratch, symbols, n, text, length);
}

/* The same for the symbols of scratch. */
static inline size_t
bn_merge (const void *model, BnPairFn pair, BnScratch *scratch, size_t n,
    const uint8_t *text, size_t length)
{
  return bn_merge_symbols (
      model, pair, scratch, scratch->symbols, n, text, length);
}

/* What a kind of BPE does besides, if its ranks depend on the two texts
 * alone. */
typedef struct {
  /* Calls bn_merge_symbols(), so that it is compiled once. */
  size_t (*merge) (const void *model, BnScratch *scratch, BnSymbol *symbols,
      size_t n, const uint8_t *text, size_t length);
  /* Sets id and start (from text) of the first symbols of a text, at most n:
   * their number. Sets *end to where they end. */
  size_t (*split) (const void *model, const uint8_t *text, size_t length,
      BnSymbol *symbols, size_t n, size_t *end);
  /* Appends the ids of a symbol, which may be no token, to out, which has
   * room. */
  void (*push) (const void *model, uint32_t id, const uint8_t *text,
      size_t length, BnIds *out);
} BnMergeOps;

static inline void
bn_merge_push (const void *model, const BnMergeOps *ops,
    const BnSymbol *symbols, size_t n, const uint8_t *text, size_t end,
    BnIds *out)
{
  for (size_t i = 0; i < n; i++) {
    size_t start = symbols[i].start;

    ops->push (model, symbols[i].id, text + start,
        (i + 1 < n ? symbols[i + 1].start : end) - start, out);
  }
}

/* A window over a word, and what has been found in it. */
typedef struct {
  size_t start, size; /* bytes in the word; 0 if there is none yet */
  size_t n;           /* tokens */
  size_t limit;       /* symbols at first */
} BnWindow;

/* Fills the symbols of scratch with the tokens of the window of at most
 * self->limit symbols at start; nothing is to be done if the text in it is
 * that of the last one. */
static inline void
bn_window_move (BnWindow *self, const void *model, const BnMergeOps *ops,
    BnScratch *scratch, const uint8_t *text, size_t length, size_t start)
{
  BnSymbol *symbols = scratch->symbols;
  const uint8_t *p = text + start;
  size_t n;

  if (self->size > 0 && self->size <= length - start
      && memcmp (text + self->start, p, self->size) == 0) {
    self->start = start;
    return;
  }
  n = ops->split (model, p, length - start, symbols, self->limit, &self->size);
  self->start = start;
  self->n = ops->merge (model, scratch, symbols, n, p, self->size);
}

/* Appends the ids of a word in windows. FALSE, with nothing appended, if
 * windows do not fit together. */
static inline gboolean
bn_merge_windows (const void *model, const BnMergeOps *ops, BnScratch *scratch,
    const uint8_t *text, size_t length, BnIds *out)
{
  const BnSymbol *symbols = scratch->symbols;
  const size_t first = out->n_ids;
  BnWindow window = {.limit = BN_SHORT_WORD};
  size_t start = 0;
  /* The token that the next window is to begin with, and, if it does not,
   * where to begin again. */
  uint32_t token = BN_TOKEN_NONE, last_token = BN_TOKEN_NONE;
  size_t size = 0, last_size = 0, last_start = 0, last_first = first;

  for (;;) {
    size_t end, cut;

    bn_window_move (&window, model, ops, scratch, text, length, start);
    end = window.n > 1 ? symbols[1].start : window.size;
    if (size > 0 && (symbols[0].id != token || end != size)) {
      if (start == last_start)
        break;
      start = last_start;
      token = last_token;
      size = last_size;
      out->n_ids = last_first;
      cut = 0;
    } else if (start + window.size == length) {
      bn_merge_push (
          model, ops, symbols, window.n, text + start, window.size, out);
      return TRUE;
    } else {
      /* The end of the window is not certain. */
      for (cut = window.n - 1;
           cut > 0 && symbols[cut].start > window.size / 4 * 3; cut--)
        ;
    }
    if (cut == 0) {
      window.limit *= 4;
      window.size = 0;
      if (window.limit > BN_MAX_WINDOW)
        break;
      continue;
    }
    last_start = start;
    last_token = token;
    last_size = size;
    last_first = out->n_ids;
    bn_merge_push (
        model, ops, symbols, cut, text + start, symbols[cut].start, out);
    token = symbols[cut].id;
    size = (cut + 1 < window.n ? symbols[cut + 1].start : window.size)
           - symbols[cut].start;
    start += symbols[cut].start;
  }
  out->n_ids = first;
  return FALSE;
}

/* Appends the ids of a text that is merged as one word; out has room. FALSE if
 * memory is short. */
static inline gboolean
bn_merge_text (const void *model, const BnMergeOps *ops, BnScratch *scratch,
    const uint8_t *text, size_t length, BnIds *out)
{
  size_t n, end;

  if (!bn_scratch_reserve_symbols (scratch, MIN (length, BN_MAX_WINDOW)))
    return FALSE;
  if (length > BN_SHORT_WORD) {
    if (bn_merge_windows (model, ops, scratch, text, length, out))
      return TRUE;
    if (!bn_scratch_reserve_symbols (scratch, length))
      return FALSE;
  }
  n = ops->split (model, text, length, scratch->symbols, length, &end);
  n = ops->merge (model, scratch, scratch->symbols, n, text, length);
  bn_merge_push (model, ops, scratch->symbols, n, text, length, out);
  return TRUE;
}
