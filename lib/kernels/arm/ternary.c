/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary products with NEON and with its dot product; compiled for both.
 *
 * sdot adds four neighbouring products to an int32: nothing can overflow on
 * the way. For one activation row codes are not shifted down (ternary.h).
 *
 * Without sdot, products are added as int16, four of a vector of packed codes
 * to one lane, for only so many vectors that none could overflow. Then pairs
 * of neighbours are widened to int32. */
#include "init.h"

#include "ternary.h"

#define MAX_ACTS 4
enum { TILE_ROWS = 4, BLOCK_BYTES = 16 /* a vector */ };

/* Sums of each row: lane j has the columns c with c / 4 % 4 == j. */
typedef int32x4_t TileLanes[TILE_ROWS];

#include "ternary-packed-tmpl.h"
#include "ternary-tiles-tmpl.h"

#ifdef __ARM_FEATURE_DOTPROD

/* One vector of each row; q: activations of its first group. */
BN_INLINE void
add_vectors (Sums *sums, const uint8_t *const *rows, size_t at, const int8_t *q,
    const Reading reading)
{
  int8x16_t a[4];

#pragma GCC unroll 4
  for (int group = 0; group < 4; group++)
    a[reading.is_reversed ? 3 - group : group] =
        vld1q_s8 (q + group * reading.piece);
#pragma GCC unroll 4
  for (int row = 0; row < TILE_ROWS; row++)
    sums_add (sums, row, vld1q_u8 (rows[row] + at), a);
}

BN_INLINE void
dot_one_act (Lanes lanes, const uint8_t *const *rows, const int8_t *q,
    size_t row_size, const Reading reading)
{
  Sums sums;
  size_t at = 0;

  sums_init (&sums);
  for (; row_size > 0; row_size -= (size_t) reading.piece) {
    add_vectors (&sums, rows, at, q, reading);
    at += (size_t) reading.step;
    if (reading.piece > BLOCK_BYTES) {
      NEON_LOAD_AFTER ();
      add_vectors (&sums, rows, at, q + BLOCK_BYTES, reading);
      at += (size_t) reading.step;
    }
    q += 4 * reading.piece;
  }
#pragma GCC unroll 4
  for (int row = 0; row < TILE_ROWS; row++)
    lanes[0][row] = sums_total (&sums, row);
}

/* The same with several activation rows: each vector of codes is made once for
 * all of them. */
BN_INLINE void
add_vectors_acts (int32x4_t sums[MAX_ACTS][TILE_ROWS],
    const uint8_t *const *rows, size_t at, const int8_t *const *q, size_t q_at,
    const int n_acts, const Reading reading)
{
  uint8x16_t packed[TILE_ROWS];

#pragma GCC unroll 4
  for (int row = 0; row < TILE_ROWS; row++)
    packed[row] = vld1q_u8 (rows[row] + at);
#pragma GCC unroll 4
  for (int group = 0; group < 4; group++) {
    int8x16_t a[MAX_ACTS];

#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++)
      a[i] = vld1q_s8 (q[i] + q_at + group * reading.piece);
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++) {
      int8x16_t codes = unpack (packed[row], group, reading);

#pragma GCC unroll 4
      for (int i = 0; i < n_acts; i++)
        sums[i][row] = vdotq_s32 (sums[i][row], codes, a[i]);
      NEON_USE_AFTER (packed[row], sums[n_acts - 1][row]);
    }
    NEON_LOAD_AFTER ();
  }
}

BN_INLINE void
dot_some_acts (Lanes lanes, const uint8_t *const *rows, const int8_t *const *q,
    size_t row_size, const int n_acts, const Reading reading)
{
  const int8_t *act[MAX_ACTS];
  int32x4_t sums[MAX_ACTS][TILE_ROWS];
  size_t at = 0, q_at = 0;

#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++) {
    act[i] = q[i];
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      sums[i][row] = vdupq_n_s32 (0);
  }
  for (; row_size > 0; row_size -= (size_t) reading.piece) {
    add_vectors_acts (sums, rows, at, act, q_at, n_acts, reading);
    at += (size_t) reading.step;
    if (reading.piece > BLOCK_BYTES) {
      add_vectors_acts (
          sums, rows, at, act, q_at + BLOCK_BYTES, n_acts, reading);
      at += (size_t) reading.step;
    }
    q_at += 4 * (size_t) reading.piece;
  }
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      lanes[i][row] = sums[i][row];
  }
}

BN_INLINE void
dot_rows (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, size_t row_size, const int n_acts,
    const Reading reading)
{
  if (n_acts == 1)
    dot_one_act (lanes, rows, q[0], row_size, reading);
  else
    dot_some_acts (lanes, rows, q, row_size, n_acts, reading);
}

#else

/* One vector of each of n_rows rows. q_at: where the activations of the first
 * group are. */
BN_INLINE void
add_vectors (int16x8_t low[MAX_ACTS][TILE_ROWS],
    int16x8_t high[MAX_ACTS][TILE_ROWS], const uint8_t *const *rows, size_t at,
    const int8_t *const *q, size_t q_at, const int n_rows, const int n_acts,
    const Reading reading)
{
  uint8x16_t packed[TILE_ROWS];

#pragma GCC unroll 4
  for (int row = 0; row < n_rows; row++)
    packed[row] = vld1q_u8 (rows[row] + at);
#pragma GCC unroll 4
  for (int group = 0; group < 4; group++) {
    int8x16_t codes[TILE_ROWS];

#pragma GCC unroll 4
    for (int row = 0; row < n_rows; row++)
      codes[row] = unpack (packed[row], group, reading);
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++) {
      int8x16_t a = vld1q_s8 (q[i] + q_at + group * reading.piece);

#pragma GCC unroll 4
      for (int row = 0; row < n_rows; row++) {
        low[i][row] =
            vmlal_s8 (low[i][row], vget_low_s8 (codes[row]), vget_low_s8 (a));
        high[i][row] = vmlal_high_s8 (high[i][row], codes[row], a);
      }
    }
    if (n_acts == 1)
      continue;
#pragma GCC unroll 4
    for (int row = 0; row < n_rows; row++)
      NEON_USE_AFTER (packed[row], low[n_acts - 1][row]);
    NEON_LOAD_AFTER ();
  }
}

/* What two vectors of int16 sums of sixteen columns come to. */
BN_INLINE int32x4_t
widen (int16x8_t low, int16x8_t high)
{
  return vpaddq_s32 (vpaddlq_s16 (low), vpaddlq_s16 (high));
}

/* lanes stay in memory: registers are for the int16 sums. */
BN_INLINE void
dot_some_rows (Lanes lanes, const uint8_t *const *rows, const int first_row,
    const int n_rows, const int8_t *const *q, size_t row_size, const int n_acts,
    const Reading reading)
{
  const size_t safe_size =
      (size_t) (INT16_MAX / (4 * reading.max_code * 128) * BLOCK_BYTES
                / reading.piece * reading.piece);
  size_t at = 0, q_at = 0;

  for (int i = 0; i < n_acts; i++) {
    for (int row = 0; row < n_rows; row++)
      lanes[i][first_row + row] = vdupq_n_s32 (0);
  }
  while (row_size > 0) {
    size_t size = row_size < safe_size ? row_size : safe_size;
    int16x8_t low[MAX_ACTS][TILE_ROWS], high[MAX_ACTS][TILE_ROWS];

    row_size -= size;
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
      for (int row = 0; row < n_rows; row++)
        low[i][row] = high[i][row] = vdupq_n_s16 (0);
    }
    for (; size > 0; size -= (size_t) reading.piece) {
      add_vectors (
          low, high, rows + first_row, at, q, q_at, n_rows, n_acts, reading);
      at += (size_t) reading.step;
      if (reading.piece > BLOCK_BYTES) {
        add_vectors (low, high, rows + first_row, at, q, q_at + BLOCK_BYTES,
            n_rows, n_acts, reading);
        at += (size_t) reading.step;
      }
      q_at += 4 * (size_t) reading.piece;
    }
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
      for (int row = 0; row < n_rows; row++)
        lanes[i][first_row + row] = vaddq_s32 (
            lanes[i][first_row + row], widen (low[i][row], high[i][row]));
    }
  }
}

/* With several activation rows two rows at a time, so that all sums have
 * registers. */
BN_INLINE void
dot_rows (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, size_t row_size, const int n_acts,
    const Reading reading)
{
  const int n_rows = n_acts == 1 ? TILE_ROWS : 2;

  for (int row = 0; row < TILE_ROWS; row += n_rows)
    dot_some_rows (lanes, rows, row, n_rows, q, row_size, n_acts, reading);
}

#endif

#include "ternary-forms-tmpl.h"

/* (u - S) / s, in this order */
BN_INLINE void
finish_i8 (float results[TILE_ROWS], const TileLanes lanes, const void *head)
{
  const BnActI8 *act = head;
  int32x4_t u = vpaddq_s32 (
      vpaddq_s32 (lanes[0], lanes[1]), vpaddq_s32 (lanes[2], lanes[3]));

  u = vsubq_s32 (u, vdupq_n_s32 (act->sum));
  vst1q_f32 (results, vdivq_f32 (vcvtq_f32_s32 (u), vdupq_n_f32 (act->scale)));
}

/* The same for four groups of columns with scales of their own: a lane for
 * each. */
BN_INLINE void
finish_i8x4 (float results[TILE_ROWS], const TileLanes lanes, const void *head)
{
  const BnActI8X4 *act = head;
  const float32x4_t d = vld1q_f32 (act->d);
  const int32x4_t act_sums = vld1q_s32 (act->sum);
  float32x2_t rows[TILE_ROWS];

#pragma GCC unroll 4
  for (int row = 0; row < TILE_ROWS; row++) {
    float32x4_t parts =
        vmulq_f32 (d, vcvtq_f32_s32 (vsubq_s32 (lanes[row], act_sums)));
    rows[row] = vadd_f32 (vget_low_f32 (parts), vget_high_f32 (parts));
  }
  vst1q_f32 (results, vpaddq_f32 (vcombine_f32 (rows[0], rows[1]),
                          vcombine_f32 (rows[2], rows[3])));
}

DEFINE_TERNARY (packed, PACKED, finish_i8)
DEFINE_TERNARY (packed_x4, PACKED, finish_i8x4)
DEFINE_TERNARY (i2s, I2S, finish_i8)
DEFINE_TERNARY (iq2_bn, IQ2_BN, finish_i8x4)

void
BN_NAME (bn_ternary_init) (BnKernels *k)
{
  k->matmul[BN_PACK_TERNARY] = (BnMatmulOps){
      BN_ACT_I8, TILE_ROWS, packed_size_ternary, pack_ternary, matmul_packed};
  k->matmul[BN_PACK_TERNARY_X4] = (BnMatmulOps){BN_ACT_I8X4, TILE_ROWS,
      packed_size_ternary, pack_ternary, matmul_packed_x4};
  k->in_place[BN_PACK_TERNARY] = (BnMatmulOps){
      BN_ACT_I8, TILE_ROWS, packed_size_in_place, NULL, matmul_i2s};
  k->in_place[BN_PACK_TERNARY_X4] = (BnMatmulOps){
      BN_ACT_I8X4, TILE_ROWS, packed_size_in_place, NULL, matmul_iq2_bn};
}
