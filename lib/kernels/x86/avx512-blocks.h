/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two files of packed blocks share: tiles of sixteen rows in which a
 * lane is a row.
 *
 *   vector k of 32 columns     row 0        row 1        ...  row 15
 *                              4k .. 4k+3   4k .. 4k+3        4k .. 4k+3
 *
 * vpdpbusd multiplies the four codes of each row with the same four
 * activations, which are one broadcast from memory, so that there is nothing
 * to add across lanes, and scales of sixteen rows are one vector. A tile is
 * read from its first byte to its last. Without VNNI maddubs makes pairs, of
 * which a few are added before they are widened. */
#pragma once

#include "init.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "these files need -mavx512f -mavx512bw -mavx512vl"
#endif
#include "bn-blocks.h"
#include "vectors.h"

enum {
  TILE_ROWS = 16,
  SUB_COLS = 32, /* columns whose codes are in registers at a time */
  N_VECTORS = 8, /* of codes for them */
  MAX_TILES = 2, /* that are multiplied side by side */
  MAX_ACTS = 64, /* activation rows for which codes are unpacked once */
};

/* Four activations for every row. */
BN_INLINE __m512i
four_acts (const int8_t *q)
{
  return _mm512_set1_epi32 ((int) bn_load_u32 ((const uint8_t *) q));
}

#ifndef __AVX512VNNI__

/* Products of n vectors of codes under mask (from bit shift on), as pairs: at
 * most 8 * 2 * 15 * 128, 4 * 2 * 31 * 128 or 2 * 2 * 63 * 128. */
BN_INLINE __m512i
sum_pairs (const __m512i *codes, const int8_t *q, const int n, const int mask,
    const unsigned shift)
{
  __m512i pairs = _mm512_setzero_si512 ();

#pragma GCC unroll 8
  for (int k = 0; k < n; k++) {
    __m512i c = codes[k];

    if (mask != 0)
      c = _mm512_and_si512 (
          _mm512_srli_epi16 (c, shift), _mm512_set1_epi8 ((char) mask));
    pairs = _mm512_add_epi16 (
        pairs, _mm512_maddubs_epi16 (c, four_acts (q + 4 * k)));
  }
  return pairs;
}

BN_INLINE __m512i
add_wide (__m512i sum, __m512i pairs, const int factor)
{
  return _mm512_add_epi32 (
      sum, _mm512_madd_epi16 (pairs, _mm512_set1_epi16 ((short) factor)));
}

#endif

/* Sums of vectors [first, first + n) of each tile with their activations,
 * added to sums. */
BN_INLINE void
add_products (__m512i *sums, __m512i codes[][N_VECTORS], const int8_t *q,
    const int first, const int n, const int n_bits, const int n_tiles)
{
#ifdef __AVX512VNNI__
#pragma GCC unroll 8
  for (int k = first; k < first + n; k++) {
    const __m512i a = four_acts (q + 4 * k);

#pragma GCC unroll 2
    for (int t = 0; t < n_tiles; t++)
      sums[t] = _mm512_dpbusd_epi32 (sums[t], codes[t][k], a);
  }
#else
  const int run = n_bits == 6 ? 2 : 4;

#pragma GCC unroll 2
  for (int t = 0; t < n_tiles; t++) {
    __m512i sum = sums[t];

#pragma GCC unroll 4
    for (int k = first; k < first + n; k += run) {
      const __m512i *c = codes[t] + k;

      if (n_bits <= 6) {
        sum = add_wide (sum, sum_pairs (c, q + 4 * k, run, 0, 0), 1);
      } else { /* by halves, which cannot saturate */
        sum = add_wide (sum, sum_pairs (c, q + 4 * k, run, 15, 0), 1);
        sum = add_wide (sum, sum_pairs (c, q + 4 * k, run, 15, 4), 16);
      }
    }
    sums[t] = sum;
  }
#endif
}

/* sum + the products of pairs of int16 */
BN_INLINE __m512i
add_pairs (__m512i sum, __m512i a, __m512i b)
{
#ifdef __AVX512VNNI__
  return _mm512_dpwssd_epi32 (sum, a, b);
#else
  return _mm512_add_epi32 (sum, _mm512_madd_epi16 (a, b));
#endif
}

/* Low four bits and the rest of four vectors are eight. */
BN_INLINE void
load_nibbles (__m512i codes[N_VECTORS], const uint8_t *data)
{
  const __m512i mask = _mm512_set1_epi8 (15);

#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    __m512i both = _mm512_loadu_si512 (data + 64 * k);
    codes[k] = _mm512_and_si512 (both, mask);
    codes[k + 4] = _mm512_and_si512 (_mm512_srli_epi16 (both, 4), mask);
  }
}

BN_INLINE void
store_nibbles (uint8_t *data, const __m512i codes[N_VECTORS])
{
  const __m512i mask = _mm512_set1_epi8 (15);

#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    __m512i low = _mm512_and_si512 (codes[k], mask);
    __m512i high = _mm512_and_si512 (codes[k + 4], mask);
    _mm512_storeu_si512 (
        data + 64 * k, _mm512_or_si512 (low, _mm512_slli_epi16 (high, 4)));
  }
}

/* One bit of each code, as masks of eight vectors. */
BN_INLINE void
add_bits (__m512i codes[N_VECTORS], const uint8_t *masks, const int value)
{
#pragma GCC unroll 8
  for (int k = 0; k < N_VECTORS; k++) {
    uint64_t mask;
    memcpy (&mask, masks + 8 * k, sizeof mask);
    codes[k] = _mm512_mask_add_epi8 (
        codes[k], mask, codes[k], _mm512_set1_epi8 ((char) value));
  }
}

BN_INLINE void
store_bits (uint8_t *masks, const __m512i codes[N_VECTORS], const int value)
{
  for (int k = 0; k < N_VECTORS; k++) {
    uint64_t mask =
        _mm512_test_epi8_mask (codes[k], _mm512_set1_epi8 ((char) value));
    memcpy (masks + 8 * k, &mask, sizeof mask);
  }
}

/* Codes of sixteen rows, row_stride bytes apart, as vectors. */
BN_INLINE void
transpose_codes (
    __m512i codes[N_VECTORS], const uint8_t *rows, const int row_stride)
{
  const __m512i rows_at = _mm512_mullo_epi32 (_mm512_set1_epi32 (row_stride),
      _mm512_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));

#pragma GCC unroll 8
  for (int k = 0; k < N_VECTORS; k++)
    codes[k] = _mm512_i32gather_epi32 (rows_at, rows + 4 * k, 1);
}

/* Results of the rows of a tile that exist. */
BN_INLINE void
store_rows (float *y, __m512 results, uint32_t n_rows)
{
  __mmask16 mask = n_rows < TILE_ROWS ? (__mmask16) ((1u << n_rows) - 1)
                                      : (__mmask16) 0xffff;

  _mm512_mask_storeu_ps (y, mask, results);
}
