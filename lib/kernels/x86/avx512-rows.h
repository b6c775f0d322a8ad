/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What products with rows as they lie in the file share: sixteen rows become a
 * tile of avx512-blocks.h on the way, a block at a time, and meet all
 * activation rows as such.
 *
 *   bytes of row 0          d0 d1 d2 ...        vector k    dk dk ...  dk
 *   bytes of row 1          d0 d1 d2 ...   ->        of row  0  1  ... 15
 *   ...
 *
 * The fields of a byte stay where they are: they are taken out of the vectors,
 * for sixteen rows at once. */
#pragma once

#include "avx512-blocks.h"

enum {
  PIECE_BYTES = 16,
  PIECE_VECTORS = 4,
  LINE_BYTES = 64,
  RANGE_ROWS = MAX_TILES * TILE_ROWS,
};

/* Rows of a tile: stride bytes apart, or 0 for sixteen times the same row. */
typedef struct {
  const uint8_t *first;
  size_t stride;
} Rows;

/* Quad q of each of four vectors becomes vector q of four quads. */
BN_INLINE void
turn_quads (__m512i v[4])
{
  __m512i low_01 = _mm512_shuffle_i32x4 (v[0], v[1], 0x44);
  __m512i low_23 = _mm512_shuffle_i32x4 (v[2], v[3], 0x44);
  __m512i high_01 = _mm512_shuffle_i32x4 (v[0], v[1], 0xee);
  __m512i high_23 = _mm512_shuffle_i32x4 (v[2], v[3], 0xee);

  v[0] = _mm512_shuffle_i32x4 (low_01, low_23, 0x88);
  v[1] = _mm512_shuffle_i32x4 (low_01, low_23, 0xdd);
  v[2] = _mm512_shuffle_i32x4 (high_01, high_23, 0x88);
  v[3] = _mm512_shuffle_i32x4 (high_01, high_23, 0xdd);
}

/* Word k of the quads of four vectors becomes vector k: four quads, each the
 * words of the same quad of all four. */
BN_INLINE void
turn_words (__m512i out[4], const __m512i v[4])
{
  __m512i low_01 = _mm512_unpacklo_epi32 (v[0], v[1]);
  __m512i low_23 = _mm512_unpacklo_epi32 (v[2], v[3]);
  __m512i high_01 = _mm512_unpackhi_epi32 (v[0], v[1]);
  __m512i high_23 = _mm512_unpackhi_epi32 (v[2], v[3]);

  out[0] = _mm512_unpacklo_epi64 (low_01, low_23);
  out[1] = _mm512_unpackhi_epi64 (low_01, low_23);
  out[2] = _mm512_unpacklo_epi64 (high_01, high_23);
  out[3] = _mm512_unpackhi_epi64 (high_01, high_23);
}

/* Four pointers and multiples of the stride address sixteen rows. Left alone,
 * gcc keeps sixteen pointers, most of them in memory. */
BN_INLINE const uint8_t *
next_row (const uint8_t *row, size_t stride)
{
  row += stride;
  __asm__("" : "+r"(row));
  return row;
}

/* 16 bytes of four rows, the first one and every fourth behind. */
BN_INLINE __m512i
load_four_rows (const uint8_t *row, size_t stride)
{
  __m512i v = _mm512_castsi128_si512 (load_128 (row));

  v = _mm512_inserti32x4 (v, load_128 (row + 4 * stride), 1);
  v = _mm512_inserti32x4 (v, load_128 (row + 8 * stride), 2);
  return _mm512_inserti32x4 (v, load_128 (row + 12 * stride), 3);
}

/* The piece at offset at of the rows. */
BN_INLINE void
turn_piece (__m512i out[PIECE_VECTORS], Rows rows, size_t at)
{
  const uint8_t *p = rows.first + at;
  __m512i v[4];

#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    v[i] = load_four_rows (p, rows.stride);
    p = next_row (p, rows.stride);
  }
  turn_words (out, v);
}

/* 64 bytes at offset at of the rows, to 1024. */
BN_INLINE void
turn_line (uint8_t *out, Rows rows, size_t at)
{
  const uint8_t *p = rows.first + at;
  __m512i v[4][4];

#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      v[i][j] = _mm512_loadu_si512 (p + (size_t) (4 * j) * rows.stride);
      BN_KEEP (v[i][j]); /* twice from memory, as gcc has it, is too much */
    }
    turn_quads (v[i]);
    p = next_row (p, rows.stride);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const __m512i quads[4] = {v[0][i], v[1][i], v[2][i], v[3][i]};
    __m512i words[4];

    turn_words (words, quads);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
      _mm512_storeu_si512 (out + 256 * i + 64 * k, words[k]);
  }
}

/* size bytes at offset at of the rows, to 16 times as many. */
BN_INLINE void
turn_bytes (uint8_t *out, Rows rows, size_t at, const int size)
{
  int i = 0;

  for (; i + LINE_BYTES <= size; i += LINE_BYTES)
    turn_line (out + TILE_ROWS * i, rows, at + (size_t) i);
  for (; i < size; i += PIECE_BYTES) {
    __m512i v[PIECE_VECTORS];

    turn_piece (v, rows, at + (size_t) i);
#pragma GCC unroll 4
    for (int k = 0; k < PIECE_VECTORS; k++)
      _mm512_storeu_si512 (out + TILE_ROWS * i + 64 * k, v[k]);
  }
}

/* The lower halves of sixteen words. */
BN_INLINE void
store_low_halves (uint8_t *out, __m512i words)
{
  store_256 (out, _mm512_cvtepi32_epi16 (words));
}

BN_INLINE void
store_high_halves (uint8_t *out, __m512i words)
{
  store_256 (out, _mm512_cvtepi32_epi16 (_mm512_srli_epi32 (words, 16)));
}

/* How many of the n_left rows are multiplied next, with n_acts activation rows:
 * two tiles, one or, at the end, one row as if it were sixteen. */
BN_INLINE uint32_t
choose_rows (Rows *rows, uint32_t n_left, uint32_t n_acts)
{
  if (n_left >= MAX_TILES * TILE_ROWS && n_acts > 1)
    return MAX_TILES * TILE_ROWS;
  if (n_left >= TILE_ROWS)
    return TILE_ROWS;
  rows->stride = 0;
  return 1;
}

static size_t
packed_size_in_place (uint32_t n_rows, uint32_t n_cols)
{
  return 0;
}
