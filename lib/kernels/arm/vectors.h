/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vectors of floats for the files that are written once for all processors:
 * eight lanes in two registers, which doubles what runs side by side. */
#pragma once

#include "neon.h"

enum { FLOATS = 8 };

typedef float32x4_t Quad;

typedef struct {
  Quad low, high;
} Floats;

/* Makes the compiler compute v here and keep it in registers. */
#define BN_KEEP(v) __asm__("" : "+w"((v).low), "+w"((v).high))

BN_INLINE Floats
floats_set1 (float x)
{
  return (Floats){vdupq_n_f32 (x), vdupq_n_f32 (x)};
}

BN_INLINE Floats
floats_load (const void *p)
{
  const uint8_t *bytes = p;

  return (Floats){vreinterpretq_f32_u8 (vld1q_u8 (bytes)),
      vreinterpretq_f32_u8 (vld1q_u8 (bytes + 16))};
}

BN_INLINE void
floats_store (float *p, Floats v)
{
  vst1q_f32 (p, v.low);
  vst1q_f32 (p + 4, v.high);
}

BN_INLINE Floats
floats_load_f16 (const void *p)
{
  float16x8_t halves = vreinterpretq_f16_u8 (vld1q_u8 (p));

  return (Floats){
      vcvt_f32_f16 (vget_low_f16 (halves)), vcvt_high_f32_f16 (halves)};
}

BN_INLINE Floats
floats_load_bf16 (const void *p)
{
  uint16x8_t halves = vreinterpretq_u16_u8 (vld1q_u8 (p));

  return (Floats){
      vreinterpretq_f32_u32 (vshll_n_u16 (vget_low_u16 (halves), 16)),
      vreinterpretq_f32_u32 (vshll_high_n_u16 (halves, 16))};
}

BN_INLINE Floats
floats_add (Floats a, Floats b)
{
  return (Floats){vaddq_f32 (a.low, b.low), vaddq_f32 (a.high, b.high)};
}

BN_INLINE Floats
floats_load_i8 (const void *p)
{
  int16x8_t wide = vmovl_s8 (vld1_s8 (p));

  return (Floats){vcvtq_f32_s32 (vmovl_s16 (vget_low_s16 (wide))),
      vcvtq_f32_s32 (vmovl_high_s16 (wide))};
}

BN_INLINE Floats
floats_sub (Floats a, Floats b)
{
  return (Floats){vsubq_f32 (a.low, b.low), vsubq_f32 (a.high, b.high)};
}

BN_INLINE Floats
floats_mul (Floats a, Floats b)
{
  return (Floats){vmulq_f32 (a.low, b.low), vmulq_f32 (a.high, b.high)};
}

/* a * b + c with one rounding */
BN_INLINE Floats
floats_fma (Floats a, Floats b, Floats c)
{
  return (Floats){
      vfmaq_f32 (c.low, a.low, b.low), vfmaq_f32 (c.high, a.high, b.high)};
}

/* NaN if one is NaN. */
BN_INLINE Floats
floats_max (Floats a, Floats b)
{
  return (Floats){vmaxq_f32 (a.low, b.low), vmaxq_f32 (a.high, b.high)};
}

/* a < b ? yes : no */
BN_INLINE Floats
floats_select_less (Floats a, Floats b, Floats yes, Floats no)
{
  return (Floats){vbslq_f32 (vcltq_f32 (a.low, b.low), yes.low, no.low),
      vbslq_f32 (vcltq_f32 (a.high, b.high), yes.high, no.high)};
}

BN_INLINE Floats
floats_exp (Floats x)
{
  return (Floats){exp_f32 (x.low), exp_f32 (x.high)};
}

BN_INLINE Floats
floats_div (Floats a, Floats b)
{
  return (Floats){vdivq_f32 (a.low, b.low), vdivq_f32 (a.high, b.high)};
}

/* The first n < FLOATS floats of a vector; zeros for the others. */
BN_INLINE Floats
floats_load_part (const float *p, uint32_t n)
{
  float part[FLOATS] = {0};

  memcpy (part, p, n * sizeof *p);
  return floats_load (part);
}

BN_INLINE void
floats_store_part (float *p, Floats v, uint32_t n)
{
  float part[FLOATS];

  floats_store (part, v);
  memcpy (p, part, n * sizeof *p);
}

BN_INLINE void
floats_store_f16 (void *p, Floats v)
{
  float16x8_t halves = vcvt_high_f16_f32 (vcvt_f16_f32 (v.low), v.high);

  vst1q_u8 (p, vreinterpretq_u8_f16 (halves));
}

/* Pairs in two vectors: the first ones, and the second ones. */
BN_INLINE void
floats_split_pairs (Floats *firsts, Floats *seconds, Floats low, Floats high)
{
  *firsts = (Floats){
      vuzp1q_f32 (low.low, low.high), vuzp1q_f32 (high.low, high.high)};
  *seconds = (Floats){
      vuzp2q_f32 (low.low, low.high), vuzp2q_f32 (high.low, high.high)};
}

BN_INLINE Quad
quad_rotate_pairs (Quad v, Quad cos_sin)
{
  const uint32x4_t sign = vreinterpretq_u32_u64 (vdupq_n_u64 (0x80000000));
  Quad cos_parts = vmulq_f32 (v, vtrn1q_f32 (cos_sin, cos_sin));
  Quad sin_parts = vmulq_f32 (vrev64q_f32 (v), vtrn2q_f32 (cos_sin, cos_sin));

  return vaddq_f32 (cos_parts, vreinterpretq_f32_u32 (veorq_u32 (
                                   vreinterpretq_u32_f32 (sin_parts), sign)));
}

/* (a, b) -> (a cos - b sin, a sin + b cos), pairs and their (cos, sin) side by
 * side */
BN_INLINE Floats
floats_rotate_pairs (Floats v, Floats cos_sin)
{
  return (Floats){quad_rotate_pairs (v.low, cos_sin.low),
      quad_rotate_pairs (v.high, cos_sin.high)};
}

/* Whether a number is max or -max. */
BN_INLINE int
floats_has_magnitude (Floats v, float max)
{
  const Quad all = vdupq_n_f32 (max);

  return vmaxvq_u32 (vorrq_u32 (vceqq_f32 (vabsq_f32 (v.low), all),
             vceqq_f32 (vabsq_f32 (v.high), all)))
         != 0;
}

/* Eight sums in double; element i is added to number i % 8. */
typedef struct {
  float64x2_t lanes[4];
} Doubles;

BN_INLINE Doubles
doubles_zero (void)
{
  const float64x2_t zero = vdupq_n_f64 (0);

  return (Doubles){{zero, zero, zero, zero}};
}

BN_INLINE Doubles
doubles_add (Doubles sums, Floats v)
{
  return (Doubles){
      {vaddq_f64 (sums.lanes[0], vcvt_f64_f32 (vget_low_f32 (v.low))),
          vaddq_f64 (sums.lanes[1], vcvt_high_f64_f32 (v.low)),
          vaddq_f64 (sums.lanes[2], vcvt_f64_f32 (vget_low_f32 (v.high))),
          vaddq_f64 (sums.lanes[3], vcvt_high_f64_f32 (v.high))}};
}

BN_INLINE double
doubles_total (Doubles sums)
{
  float64x2_t two = vaddq_f64 (vaddq_f64 (sums.lanes[0], sums.lanes[2]),
      vaddq_f64 (sums.lanes[1], sums.lanes[3]));

  return vgetq_lane_f64 (two, 0) + vgetq_lane_f64 (two, 1);
}

/* Of 32 bits */
typedef struct {
  int32x4_t low, high;
} Ints;

BN_INLINE Ints
ints_zero (void)
{
  return (Ints){vdupq_n_s32 (0), vdupq_n_s32 (0)};
}

BN_INLINE Ints
ints_load (const void *p)
{
  const int32_t *ints = p;

  return (Ints){vld1q_s32 (ints), vld1q_s32 (ints + 4)};
}

BN_INLINE void
ints_store (void *p, Ints v)
{
  int32_t *ints = p;

  vst1q_s32 (ints, v.low);
  vst1q_s32 (ints + 4, v.high);
}

BN_INLINE Ints
ints_and (Ints a, Ints b)
{
  return (Ints){vandq_s32 (a.low, b.low), vandq_s32 (a.high, b.high)};
}

BN_INLINE Ints
ints_add (Ints a, Ints b)
{
  return (Ints){vaddq_s32 (a.low, b.low), vaddq_s32 (a.high, b.high)};
}

BN_INLINE int32_t
ints_sum (Ints v)
{
  return vaddvq_s32 (vaddq_s32 (v.low, v.high));
}

BN_INLINE int32x4_t
quad_max_magnitude (int32x4_t max, Quad v)
{
  return vreinterpretq_s32_u32 (vmaxq_u32 (
      vreinterpretq_u32_s32 (max), vreinterpretq_u32_f32 (vabsq_f32 (v))));
}

/* The larger one of max and the bits of the magnitudes of v, as unsigned. */
BN_INLINE Ints
ints_max_magnitude (Ints max, Floats v)
{
  return (Ints){quad_max_magnitude (max.low, v.low),
      quad_max_magnitude (max.high, v.high)};
}

BN_INLINE uint32_t
ints_largest (Ints v)
{
  return vmaxvq_u32 (vmaxq_u32 (
      vreinterpretq_u32_s32 (v.low), vreinterpretq_u32_s32 (v.high)));
}

/* To the nearest int, halves to even. */
BN_INLINE Ints
floats_round (Floats v)
{
  return (Ints){vcvtnq_s32_f32 (v.low), vcvtnq_s32_f32 (v.high)};
}

/* The same, halves away from zero. */
BN_INLINE Ints
floats_round_away (Floats v)
{
  return (Ints){vcvtaq_s32_f32 (v.low), vcvtaq_s32_f32 (v.high)};
}

/* 32 int8 */
typedef int8x16x2_t Bytes32;

BN_INLINE int8x16_t
ints_pack_16 (Ints a, Ints b)
{
  int16x8_t low = vqmovn_high_s32 (vqmovn_s32 (a.low), a.high);
  int16x8_t high = vqmovn_high_s32 (vqmovn_s32 (b.low), b.high);

  return vqmovn_high_s16 (vqmovn_s16 (low), high);
}

/* 32 ints, with saturation */
BN_INLINE Bytes32
ints_pack (const Ints v[4])
{
  return (Bytes32){{ints_pack_16 (v[0], v[1]), ints_pack_16 (v[2], v[3])}};
}

BN_INLINE Bytes32
bytes32_zero (void)
{
  return (Bytes32){{vdupq_n_s8 (0), vdupq_n_s8 (0)}};
}

BN_INLINE void
bytes32_store (int8_t *p, Bytes32 v)
{
  vst1q_s8 (p, v.val[0]);
  vst1q_s8 (p + 16, v.val[1]);
}

BN_INLINE int32_t
bytes32_sum (Bytes32 v)
{
  return vaddlvq_s8 (v.val[0]) + vaddlvq_s8 (v.val[1]);
}

BN_INLINE void
bytes32_sum_halves (int16_t sums[2], Bytes32 v)
{
  sums[0] = vaddlvq_s8 (v.val[0]);
  sums[1] = vaddlvq_s8 (v.val[1]);
}

/* to[i] = quad i of each of the rows */
BN_INLINE void
floats_turn_quads (Floats to[2], const Floats rows[2])
{
  to[0] = (Floats){rows[0].low, rows[1].low};
  to[1] = (Floats){rows[0].high, rows[1].high};
}

BN_INLINE Floats
floats_repeat_quad (Quad quad)
{
  return (Floats){quad, quad};
}

BN_INLINE Quad
floats_max_quads (Floats v)
{
  return vmaxq_f32 (v.low, v.high);
}

/* (quad 0 + quad 1) + (quad 2 + quad 3) */
BN_INLINE Quad
floats_sum_quads (const Floats v[2])
{
  return vaddq_f32 (
      vaddq_f32 (v[0].low, v[0].high), vaddq_f32 (v[1].low, v[1].high));
}

/* Number i of each quad of v, times the quad, added to c. */
#define floats_fma_spread(v, i, quad, c)                                       \
  ((Floats){vfmaq_laneq_f32 ((c).low, quad, (v).low, i),                       \
      vfmaq_laneq_f32 ((c).high, quad, (v).high, i)})

BN_INLINE Quad
quad_set1 (float x)
{
  return vdupq_n_f32 (x);
}

BN_INLINE Quad
quad_load (const float *p)
{
  return vld1q_f32 (p);
}

BN_INLINE void
quad_store (float *p, Quad v)
{
  vst1q_f32 (p, v);
}

BN_INLINE Quad
quad_sub (Quad a, Quad b)
{
  return vsubq_f32 (a, b);
}

BN_INLINE Quad
quad_fma (Quad a, Quad b, Quad c)
{
  return vfmaq_f32 (c, a, b);
}

BN_INLINE Quad
quad_max (Quad a, Quad b)
{
  return vmaxq_f32 (a, b);
}

/* Rows become columns. */
BN_INLINE void
quads_turn (Quad v[4])
{
  const float32x4x2_t low = vzipq_f32 (v[0], v[2]);
  const float32x4x2_t high = vzipq_f32 (v[1], v[3]);
  const float32x4x2_t first = vzipq_f32 (low.val[0], high.val[0]);
  const float32x4x2_t last = vzipq_f32 (low.val[1], high.val[1]);

  v[0] = first.val[0];
  v[1] = first.val[1];
  v[2] = last.val[0];
  v[3] = last.val[1];
}

/* As floats_exp() has it. */
BN_INLINE Quad
quad_exp (Quad x)
{
  return exp_f32 (x);
}

/* (0 + 4) + (2 + 6) + ((1 + 5) + (3 + 7)), the order of ref.c */
BN_INLINE float
floats_sum (Floats v)
{
  float32x4_t four = vaddq_f32 (v.low, v.high);
  float32x2_t two = vadd_f32 (vget_low_f32 (four), vget_high_f32 (four));

  return vget_lane_f32 (two, 0) + vget_lane_f32 (two, 1);
}

/* The sums of four vectors. */
BN_INLINE void
floats_sum_4 (float sums[4], const Floats v[4])
{
  for (int i = 0; i < 4; i++)
    sums[i] = floats_sum (v[i]);
}
