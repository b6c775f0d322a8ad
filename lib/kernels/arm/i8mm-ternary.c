/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary products with smmla.
 *
 * smmla multiplies two rows of eight codes with two rows of eight activations:
 * four sums of eight products, twice what sdot does. So rows are packed eight
 * bytes of a row at a time, and two rows are one vector; of a file's rows, two
 * halves of vectors are put together. One activation row, for which smmla would
 * do half its work for nothing, is multiplied by sdot. */
#include "init.h"

#ifndef __ARM_FEATURE_MATMUL_INT8
#error "i8mm files need -march=armv8.2-a+dotprod+i8mm"
#endif
#include "ternary.h"

#define MAX_ACTS 8
enum {
  TILE_ROWS = 8,
  PAIRS = TILE_ROWS / 2,
  BLOCK_BYTES = 8, /* half a vector */
};

/* Sums of rows 0 to 3 and of rows 4 to 7. */
typedef int32x4_t TileLanes[2];

#include "ternary-packed-tmpl.h"
#include "ternary-tiles-tmpl.h"

/* Eight bytes of two rows. */
BN_INLINE uint8x16_t
load_pair (
    const uint8_t *const *rows, int pair, size_t at, const Reading reading)
{
  const uint8_t *first = rows[2 * pair] + at;

  if (reading.step == TILE_BLOCK) /* packed: they are neighbours */
    return vld1q_u8 (first);
  return vcombine_u8 (vld1_u8 (first), vld1_u8 (rows[2 * pair + 1] + at));
}

BN_INLINE int8x16_t
twice (const int8_t *q)
{
  int8x8_t a = vld1_s8 (q);

  return vcombine_s8 (a, a);
}

/* Eight bytes of each row; q: activations of their first group. */
BN_INLINE void
add_bytes (Sums *sums, const uint8_t *const *rows, size_t at, const int8_t *q,
    const Reading reading)
{
  int8x16_t a[4];

#pragma GCC unroll 4
  for (int group = 0; group < 4; group++)
    a[reading.is_reversed ? 3 - group : group] =
        twice (q + group * reading.piece);
#pragma GCC unroll 4
  for (int pair = 0; pair < PAIRS; pair++)
    sums_add (sums, pair, load_pair (rows, pair, at, reading), a);
}

BN_INLINE void
dot_one_act (Lanes lanes, const uint8_t *const *rows, const int8_t *q,
    size_t row_size, const Reading reading)
{
  Sums sums;
  size_t at = 0;

  sums_init (&sums);
  for (; row_size > 0; row_size -= (size_t) reading.piece) {
#pragma GCC unroll 1 /* all parts together have too few registers */
    for (int part = 0; part < reading.piece; part += BLOCK_BYTES) {
      add_bytes (&sums, rows, at, q + part, reading);
      at += (size_t) reading.step;
    }
    q += 4 * reading.piece;
  }
  lanes[0][0] = vpaddq_s32 (sums_total (&sums, 0), sums_total (&sums, 1));
  lanes[0][1] = vpaddq_s32 (sums_total (&sums, 2), sums_total (&sums, 3));
}

/* The same with 2 * n_pairs activation rows. */
BN_INLINE void
add_bytes_acts (int32x4_t sums[MAX_ACTS / 2][PAIRS], const uint8_t *const *rows,
    size_t at, const int8_t *const *first, const int8_t *const *second,
    size_t q_at, const int n_pairs, const Reading reading)
{
  uint8x16_t packed[PAIRS];

#pragma GCC unroll 4
  for (int pair = 0; pair < PAIRS; pair++)
    packed[pair] = load_pair (rows, pair, at, reading);
#pragma GCC unroll 4
  for (int group = 0; group < 4; group++) {
    const size_t group_at = q_at + (size_t) (group * reading.piece);
    int8x16_t a[MAX_ACTS / 2];

#pragma GCC unroll 4
    for (int i = 0; i < n_pairs; i++)
      a[i] = vcombine_s8 (
          vld1_s8 (first[i] + group_at), vld1_s8 (second[i] + group_at));
#pragma GCC unroll 4
    for (int pair = 0; pair < PAIRS; pair++) {
      int8x16_t codes = unpack (packed[pair], group, reading);

#pragma GCC unroll 4
      for (int i = 0; i < n_pairs; i++)
        sums[i][pair] = vmmlaq_s32 (sums[i][pair], codes, a[i]);
      NEON_USE_AFTER (packed[pair], sums[n_pairs - 1][pair]);
    }
    NEON_LOAD_AFTER ();
  }
}

BN_INLINE void
dot_pairs (Lanes lanes, const uint8_t *const *rows, const int8_t *const *q,
    size_t row_size, const int n_pairs, const Reading reading)
{
  int32x4_t sums[MAX_ACTS / 2][PAIRS];
  const int8_t *first[MAX_ACTS / 2], *second[MAX_ACTS / 2];
  size_t at = 0, q_at = 0;

#pragma GCC unroll 4
  for (int i = 0; i < n_pairs; i++) {
    first[i] = q[2 * i];
    second[i] = q[2 * i + 1];
#pragma GCC unroll 4
    for (int pair = 0; pair < PAIRS; pair++)
      sums[i][pair] = vdupq_n_s32 (0);
  }
  for (; row_size > 0; row_size -= (size_t) reading.piece) {
    for (int part = 0; part < reading.piece; part += BLOCK_BYTES) {
      add_bytes_acts (sums, rows, at, first, second, q_at + (size_t) part,
          n_pairs, reading);
      at += (size_t) reading.step;
    }
    q_at += 4 * (size_t) reading.piece;
  }
#pragma GCC unroll 4
  for (int i = 0; i < n_pairs; i++) {
    /* (row 0, a 0), (row 0, a 1), (row 1, a 0), (row 1, a 1) */
    lanes[2 * i][0] = vuzp1q_s32 (sums[i][0], sums[i][1]);
    lanes[2 * i][1] = vuzp1q_s32 (sums[i][2], sums[i][3]);
    lanes[2 * i + 1][0] = vuzp2q_s32 (sums[i][0], sums[i][1]);
    lanes[2 * i + 1][1] = vuzp2q_s32 (sums[i][2], sums[i][3]);
  }
}

BN_INLINE void
dot_rows (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, size_t row_size, const int n_acts,
    const Reading reading)
{
  if (n_acts == 1)
    dot_one_act (lanes, rows, q[0], row_size, reading);
  else /* an odd one's partner is itself */
    dot_pairs (lanes, rows, q, row_size, (n_acts + 1) / 2, reading);
}

#include "ternary-forms-tmpl.h"

/* (u - S) / s, in this order */
BN_INLINE void
finish_i8 (float results[TILE_ROWS], const TileLanes lanes, const void *head)
{
  const BnActI8 *act = head;

#pragma GCC unroll 2
  for (int half = 0; half < 2; half++) {
    int32x4_t u = vsubq_s32 (lanes[half], vdupq_n_s32 (act->sum));

    vst1q_f32 (results + 4 * half,
        vdivq_f32 (vcvtq_f32_s32 (u), vdupq_n_f32 (act->scale)));
  }
}

DEFINE_TERNARY (packed, PACKED, finish_i8)
DEFINE_TERNARY (i2s, I2S, finish_i8)

void
bn_ternary_init_i8mm (BnKernels *k)
{
  k->matmul[BN_PACK_TERNARY] = (BnMatmulOps){
      BN_ACT_I8, TILE_ROWS, packed_size_ternary, pack_ternary, matmul_packed};
  k->in_place[BN_PACK_TERNARY] = (BnMatmulOps){
      BN_ACT_I8, TILE_ROWS, packed_size_in_place, NULL, matmul_i2s};
}
