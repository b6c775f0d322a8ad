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
