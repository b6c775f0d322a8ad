/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vectors of floats for the files that are written once for all processors:
 * eight lanes in two registers, which doubles what runs side by side. */
#pragma once

#include "neon.h"

enum { FLOATS = 8 };

typedef struct {
  float32x4_t low, high;
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

/* a * b + c with one rounding */
BN_INLINE Floats
floats_fma (Floats a, Floats b, Floats c)
{
  return (Floats){
      vfmaq_f32 (c.low, a.low, b.low), vfmaq_f32 (c.high, a.high, b.high)};
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
