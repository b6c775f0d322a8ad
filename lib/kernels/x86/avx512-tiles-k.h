/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a block of 256 columns of sixteen rows is multiplied with, once its
 * codes are vectors in which a lane is a row: for tiles that were packed so and
 * for rows of the file that are turned so on the way.
 *
 *   codes in the order of the type's load function | scales | d | dmin
 *
 * Scales are bytes: where a scale is for sixteen columns, the two of 32 columns
 * side by side for each row, else the eight scales and then the eight minima.
 *
 * Sums of code * q are scaled and added as integers, as exact as the C version.
 * A zero point is taken out of each sum before it is scaled, by what the sum
 * begins with; minima are multiplied with the sums of sixteen activations, also
 * in integers. The floats of a row are added block by block.
 *
 * Two tiles at a time share what is read of the activations: one load for each
 * product is more than the processor can do beside all else. */
#pragma once

#include "avx512-blocks.h"

enum {
  N_SUBS = BN_QK_K / SUB_COLS,
  SCALE_BYTES = 256,
  D_BYTES = 64,
  CODE_BIT_BYTES = BN_QK_K * TILE_ROWS / 8, /* a bit of all codes */
};

/* How the scales of a block are meant. */
typedef enum {
  SCALES_NONE, /* all 1; the zero point is 1 */
  SCALES_MIN,  /* d * scale * code - dmin * min, for 32 columns */
  SCALES_MIN_16,
  SCALES_ZERO_16, /* d * scale * (code - zero) */
} Scales;

/* What is known of a type when the body is compiled. */
typedef struct {
  void (*load) (__m512i codes[N_VECTORS], const uint8_t *block, int sub);
  int code_bytes; /* of a block of a tile */
  Scales scales;
  int zero;
} Type;

BN_INLINE int
scale_bytes (const Type type)
{
  return type.scales == SCALES_NONE ? 0 : SCALE_BYTES;
}

BN_INLINE int
has_mins (const Type type)
{
  return type.scales == SCALES_MIN || type.scales == SCALES_MIN_16;
}

BN_INLINE size_t
block_bytes (const Type type)
{
  return (size_t) type.code_bytes + (size_t) scale_bytes (type) + D_BYTES;
}

/* ---- the body ---- */

/* The two scales of each row for 32 columns, as pairs of int16. */
BN_INLINE __m512i
load_pairs (const uint8_t *scales, int sub, const Scales kind)
{
  __m256i bytes = load_256 (scales + 32 * sub);

  if (kind == SCALES_MIN_16) /* scale below, minimum above */
    return _mm512_and_si512 (
        _mm512_cvtepu8_epi16 (bytes), _mm512_set1_epi16 (15));
  return _mm512_cvtepi8_epi16 (bytes);
}

/* Minima, in pairs as the sums of sixteen activations. */
BN_INLINE __m512i
load_mins (const uint8_t *scales, int sub, const Scales kind)
{
  __m512i mins = _mm512_setzero_si512 ();

  if (kind == SCALES_MIN) {
    mins =
        _mm512_cvtepu8_epi32 (load_128 (scales + TILE_ROWS * (N_SUBS + sub)));
    mins = _mm512_or_si512 (mins, _mm512_slli_epi32 (mins, 16));
  } else if (kind == SCALES_MIN_16) {
    mins = _mm512_srli_epi16 (
        _mm512_cvtepu8_epi16 (load_256 (scales + 32 * sub)), 4);
  }
  return mins;
}

BN_INLINE void
load_scales (
    __m512i values[2], const uint8_t *scales, int sub, const Scales kind)
{
  if (kind == SCALES_NONE)
    return;
  if (kind == SCALES_MIN) {
    values[0] = _mm512_cvtepu8_epi32 (load_128 (scales + TILE_ROWS * sub));
    return;
  }
  __m512i pairs = load_pairs (scales, sub, kind);
  values[0] = _mm512_srai_epi32 (_mm512_slli_epi32 (pairs, 16), 16);
  values[1] = _mm512_srai_epi32 (pairs, 16);
}

/* sums[t] += scale * (sums of 32 columns of one activation row) of tile t;
 * starts are those of the columns. Tiles share what is read of the row. */
BN_INLINE void
add_scaled (__m512i sums[MAX_TILES], __m512i codes[MAX_TILES][N_VECTORS],
    const int8_t *q, const int32_t starts[2], __m512i scales[MAX_TILES][2],
    const Type type, const int n_tiles)
{
  const int n_bits = type.code_bytes / CODE_BIT_BYTES;
  const int has_pairs =
      type.scales == SCALES_ZERO_16 || type.scales == SCALES_MIN_16;
  __m512i first[MAX_TILES] = {0}, second[MAX_TILES] = {0};

  if (!has_mins (type)) {
#pragma GCC unroll 2
    for (int t = 0; t < n_tiles; t++) {
      first[t] = _mm512_set1_epi32 (starts[0]);
      second[t] = _mm512_set1_epi32 (starts[1]);
    }
  }
  add_products (first, codes, q, 0, 4, n_bits, n_tiles);
  add_products (has_pairs || type.scales == SCALES_NONE ? second : first, codes,
      q, 4, 4, n_bits, n_tiles);
#pragma GCC unroll 2
  for (int t = 0; t < n_tiles; t++) {
    if (type.scales != SCALES_NONE)
      first[t] = _mm512_mullo_epi32 (first[t], scales[t][0]);
    if (has_pairs)
      second[t] = _mm512_mullo_epi32 (second[t], scales[t][1]);
    sums[t] = _mm512_add_epi32 (sums[t], first[t]);
    if (type.scales != SCALES_MIN)
      sums[t] = _mm512_add_epi32 (sums[t], second[t]);
  }
}

/* A block's integers to floats, added to the sums of one activation row. */
BN_INLINE __m512
finish_block (__m512 sum, __m512i integers, const __m512i mins[N_SUBS],
    const BnActQ8_K *act, const uint8_t *d, const Type type)
{
  __m512 result = _mm512_mul_ps (
      _mm512_cvtph_ps (load_256 (d)), _mm512_cvtepi32_ps (integers));

  if (has_mins (type)) {
    __m512i taken = _mm512_setzero_si512 ();

#pragma GCC unroll 8
    for (int sub = 0; sub < N_SUBS; sub++)
      taken = add_pairs (taken, mins[sub],
          _mm512_set1_epi32 (
              (int) bn_load_u32 ((const uint8_t *) (act->sums + 2 * sub))));
    result = _mm512_fnmadd_ps (_mm512_cvtph_ps (load_256 (d + 32)),
        _mm512_cvtepi32_ps (taken), result);
  }
  return _mm512_fmadd_ps (result, _mm512_set1_ps (act->d), sum);
}

typedef struct {
  const uint8_t *acts;
  size_t act_stride;
  uint32_t n_blocks;
} Acts;

BN_INLINE const BnActQ8_K *
act_block (const Acts *acts, uint32_t i, uint32_t b)
{
  return (const BnActQ8_K *) (const void *) (acts->acts + i * acts->act_stride)
         + b;
}

/* What is asked for while a block is multiplied, an eighth at a time: size
 * bytes of each tile. */
typedef struct {
  const uint8_t *first;
  size_t size;
  size_t tile_stride;
} Ahead;

BN_INLINE void
prefetch_eighth (const Ahead ahead, int sub, const int n_tiles)
{
  const size_t line = 64, eighth = ahead.size / N_SUBS;

#pragma GCC unroll 2
  for (int t = 0; t < n_tiles; t++) {
    const uint8_t *p = ahead.first + (size_t) t * ahead.tile_stride;

#pragma GCC unroll 8
    for (size_t at = 0; at < eighth; at += line)
      prefetch (p + (size_t) sub * eighth, at);
  }
}

/* What the sums of sixteen columns of an activation row begin with, so that
 * the zero point is taken out. */
BN_INLINE void
find_starts (int32_t starts[16], const BnActQ8_K *act, const Type type)
{
  __m512i sums = _mm512_cvtepi16_epi32 (load_256 (act->sums));

  _mm512_storeu_si512 (
      starts, _mm512_mullo_epi32 (sums, _mm512_set1_epi32 (-type.zero)));
}

/* Block b of n_tiles tiles, tile_stride bytes apart, with n_acts activation
 * rows. */
BN_INLINE void
multiply_block (__m512 sums[][MAX_TILES], const uint8_t *block,
    size_t tile_stride, const Acts *acts, uint32_t b, const uint32_t n_acts,
    const Ahead ahead, const Type type, const int n_tiles)
{
  __m512i integers[MAX_ACTS][MAX_TILES];
  int32_t starts[MAX_ACTS][16];

  for (uint32_t i = 0; i < n_acts; i++) {
    if (!has_mins (type))
      find_starts (starts[i], act_block (acts, i, b), type);
#pragma GCC unroll 2
    for (int t = 0; t < n_tiles; t++)
      integers[i][t] = _mm512_setzero_si512 ();
  }
  for (int sub = 0; sub < N_SUBS; sub++) {
    __m512i codes[MAX_TILES][N_VECTORS], values[MAX_TILES][2] = {0};

    prefetch_eighth (ahead, sub, n_tiles);
#pragma GCC unroll 2
    for (int t = 0; t < n_tiles; t++) {
      const uint8_t *tile = block + (size_t) t * tile_stride;

      type.load (codes[t], tile, sub);
      load_scales (values[t], tile + type.code_bytes, sub, type.scales);
    }
    for (uint32_t i = 0; i < n_acts; i++)
      add_scaled (integers[i], codes,
          act_block (acts, i, b)->qs + SUB_COLS * sub, starts[i] + 2 * sub,
          values, type, n_tiles);
  }
  for (int t = 0; t < n_tiles; t++) {
    const uint8_t *scales = block + (size_t) t * tile_stride + type.code_bytes;
    __m512i mins[N_SUBS];

#pragma GCC unroll 8
    for (int sub = 0; sub < N_SUBS; sub++)
      mins[sub] = load_mins (scales, sub, type.scales);
    for (uint32_t i = 0; i < n_acts; i++)
      sums[i][t] = finish_block (sums[i][t], integers[i][t], mins,
          act_block (acts, i, b), scales + scale_bytes (type), type);
  }
}

/* Nothing of so many activation rows yet. */
BN_INLINE void
clear_sums (__m512 sums[][MAX_TILES], const uint32_t n_acts, const int n_tiles)
{
  for (uint32_t i = 0; i < n_acts; i++) {
#pragma GCC unroll 2
    for (int t = 0; t < n_tiles; t++)
      sums[i][t] = _mm512_setzero_ps ();
  }
}

/* To the rows that exist. */
BN_INLINE void
store_sums (float *y, size_t y_stride, __m512 sums[][MAX_TILES],
    uint32_t n_rows, const uint32_t n_acts, const int n_tiles)
{
  for (uint32_t i = 0; i < n_acts; i++, y += y_stride) {
#pragma GCC unroll 2
    for (int t = 0; t < n_tiles; t++)
      store_rows (
          y + TILE_ROWS * t, sums[i][t], n_rows - (uint32_t) (TILE_ROWS * t));
  }
}
