/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of block types on rows as they lie in the file, with NEON and with
 * its dot product; compiled for both.
 *
 * Two bodies serve all types. A type says how one of its blocks becomes
 * vectors of codes (block-rows.h); the body multiplies them with the blocks of
 * up to MAX_ACTS activation rows, so that a block is decoded once for all of
 * them. The integer sums of a block are exact. They stay in four lanes, are
 * scaled and added to four float lanes with one rounding (fma), blocks in
 * order, and the lanes are summed at the end: the same steps for every number
 * of activation rows. */
#include "init.h"

#include "block-rows.h"

#include "block-rows-tmpl.h"

/* Blocks of 32. Even and odd blocks have sums of their own, which halves the
 * chain of dependent additions. */
BN_INLINE void
dot_32 (float results[MAX_ACTS], const Operands *o, LoadBlock32 load,
    const int has_min, const int n_acts)
{
  float32x4_t sums[MAX_ACTS][2];
  float min_sums[MAX_ACTS] = {0};

#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++)
    sums[i][0] = sums[i][1] = vdupq_n_f32 (0);
  for (uint32_t b = 0; b < o->n_blocks; b++) {
    Block32 w = load (o->row, b);

    prefetch (o->row + b * sizeof (BnBlockQ8_0), 1024);
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++) {
      int32x4_t products = vdupq_n_s32 (0);
      float32x4_t sum;
      const int8_t *a;
      float d;

      if (has_min) {
        const BnActQ8_1 *act = (const BnActQ8_1 *) act_row (o, i) + b;
        a = act->qs;
        d = w.d * act->d;
        min_sums[i] += w.m * act->s;
      } else {
        const BnActQ8_0 *act = (const BnActQ8_0 *) act_row (o, i) + b;
        a = act->qs;
        d = w.d * load_f16 (&act->d);
      }
      products = dot_16 (products, w.codes[0], vld1q_s8 (a));
      products = dot_16 (products, w.codes[1], vld1q_s8 (a + 16));
      /* swapping instead of an index keeps both in registers */
      sum = vfmaq_n_f32 (sums[i][0], vcvtq_f32_s32 (products), d);
      sums[i][0] = sums[i][1];
      sums[i][1] = sum;
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++)
    results[i] = vaddvq_f32 (vaddq_f32 (sums[i][0], sums[i][1])) + min_sums[i];
}

#define DEFINE_MATMUL_32(name, Block, has_min)                                 \
  BN_INLINE void dot_##name (                                                  \
      float sums[MAX_ACTS], const Operands *o, const int n_acts)               \
  {                                                                            \
    dot_32 (sums, o, load_##name, has_min, n_acts);                            \
  }                                                                            \
  DEFINE_MATMUL (name, BN_QK, sizeof (Block))

DEFINE_MATMUL_32 (q4_0, BnBlockQ4_0, 0)
DEFINE_MATMUL_32 (q4_1, BnBlockQ4_1, 1)
DEFINE_MATMUL_32 (q5_0, BnBlockQ5_0, 0)
DEFINE_MATMUL_32 (q5_1, BnBlockQ5_1, 1)
DEFINE_MATMUL_32 (q8_0, BnBlockQ8_0, 0)

/* Blocks of 256 */

BN_INLINE void
dot_256 (float results[MAX_ACTS], const Operands *o, LoadBlock256 load,
    const Scales256 kind, const int n_acts)
{
  float32x4_t sums[MAX_ACTS];

#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++)
    sums[i] = vdupq_n_f32 (0);
  for (uint32_t b = 0; b < o->n_blocks; b++) {
    Block256 w = load (o->row, b);
    int32x4_t u[MAX_ACTS], scales[4];

    widen_scales (scales, &w);
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++)
      u[i] = vdupq_n_s32 (0);
#pragma GCC unroll 16
    for (int j = 0; j < 16; j++) {
#pragma GCC unroll 4
      for (int i = 0; i < n_acts; i++) {
        const BnActQ8_K *act = (const BnActQ8_K *) act_row (o, i) + b;
        int8x16_t a = vld1q_s8 (act->qs + 16 * j);

        if (kind == SCALES_NONE) {
          u[i] = dot_16 (u[i], w.codes[j], a);
        } else {
          int32x4_t products = dot_16 (vdupq_n_s32 (0), w.codes[j], a);
          u[i] = add_scaled (u[i], products, scales, j);
        }
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++) {
      const BnActQ8_K *act = (const BnActQ8_K *) act_row (o, i) + b;

      if (kind == SCALES_NONE) {
        int16x8_t a_sums =
            vaddq_s16 (vld1q_s16 (act->sums), vld1q_s16 (act->sums + 8));
        u[i] = vsubq_s32 (u[i], vpaddlq_s16 (a_sums));
      }
      if (kind == SCALES_ZERO)
        u[i] = vsubq_s32 (u[i], dot_sums (w.mins, act->sums));
      sums[i] = vfmaq_n_f32 (sums[i], vcvtq_f32_s32 (u[i]), w.d * act->d);
      if (kind == SCALES_MIN)
        sums[i] = vfmsq_n_f32 (sums[i],
            vcvtq_f32_s32 (dot_sums (w.mins, act->sums)), w.dmin * act->d);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++)
    results[i] = vaddvq_f32 (sums[i]);
}

#define DEFINE_MATMUL_256(name, Block, kind)                                   \
  BN_INLINE void dot_##name (                                                  \
      float sums[MAX_ACTS], const Operands *o, const int n_acts)               \
  {                                                                            \
    dot_256 (sums, o, load_##name, kind, n_acts);                              \
  }                                                                            \
  DEFINE_MATMUL (name, BN_QK_K, sizeof (Block))

DEFINE_MATMUL_256 (q2_k, BnBlockQ2_K, SCALES_MIN)
DEFINE_MATMUL_256 (q3_k, BnBlockQ3_K, SCALES_ZERO)
DEFINE_MATMUL_256 (q4_k, BnBlockQ4_K, SCALES_MIN)
DEFINE_MATMUL_256 (q5_k, BnBlockQ5_K, SCALES_MIN)
DEFINE_MATMUL_256 (q6_k, BnBlockQ6_K, SCALES_ZERO)
DEFINE_MATMUL_256 (tq1_0, BnBlockTQ1_0, SCALES_NONE)
DEFINE_MATMUL_256 (tq2_0, BnBlockTQ2_0, SCALES_NONE)

void
BN_NAME (bn_blocks_init) (BnKernels *k)
{
  k->in_place[BN_PACK_Q4_0].matmul = matmul_q4_0;
  k->in_place[BN_PACK_Q4_1].matmul = matmul_q4_1;
  k->in_place[BN_PACK_Q5_0].matmul = matmul_q5_0;
  k->in_place[BN_PACK_Q5_1].matmul = matmul_q5_1;
  k->in_place[BN_PACK_Q8_0].matmul = matmul_q8_0;
  k->in_place[BN_PACK_Q2_K].matmul = matmul_q2_k;
  k->in_place[BN_PACK_Q3_K].matmul = matmul_q3_k;
  k->in_place[BN_PACK_Q4_K].matmul = matmul_q4_k;
  k->in_place[BN_PACK_Q5_K].matmul = matmul_q5_k;
  k->in_place[BN_PACK_Q6_K].matmul = matmul_q6_k;
  k->in_place[BN_PACK_TQ1_0].matmul = matmul_tq1_0;
  k->in_place[BN_PACK_TQ2_0].matmul = matmul_tq2_0;
}
