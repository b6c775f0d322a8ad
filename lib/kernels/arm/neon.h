/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small vector functions that the arm64 files share. Files that are written
 * once and compiled for several levels name their functions with BN_NAME;
 * BN_ISA is the level. Where a loop runs over an array of vectors "GCC unroll"
 * stands in front of it: without loop and index the array lives in registers.
 */
#pragma once

#if !defined(__ARM_NEON) || !defined(__aarch64__)
#error "these files are for arm64"
#endif

#include <arm_neon.h>
#include "bn-scalar.h"

#define BN_NAME_2(name, isa) name##_##isa
#define BN_NAME_1(name, isa) BN_NAME_2 (name, isa)
#define BN_NAME(name) BN_NAME_1 (name, BN_ISA)

/* A function that must be inlined because its constants shape the code. */
#define BN_INLINE static inline __attribute__ ((always_inline))

/* Left alone, gcc loads and unpacks much before it multiplies and runs out of
 * registers. The first makes it use v only when done is computed, the second
 * load what comes behind only then. */
#define NEON_USE_AFTER(v, done) __asm__("" : "+w"(v), "+w"(done))
#define NEON_LOAD_AFTER() __asm__ volatile("" : : : "memory")

/* Asks for what lies distance bytes behind p; it need not exist. */
BN_INLINE void
prefetch (const void *p, size_t distance)
{
  __builtin_prefetch ((const void *) ((uintptr_t) p + distance));
}

/* The same, no nearer than the second level cache. */
BN_INLINE void
prefetch_second_level (const void *p, size_t distance)
{
  __builtin_prefetch ((const void *) ((uintptr_t) p + distance), 0, 2);
}

BN_INLINE float
load_f16 (const void *p)
{
  __fp16 half;

  memcpy (&half, p, sizeof half);
  return (float) half;
}

/* As a half: round half to even */
BN_INLINE uint16_t
f16_bits (float x)
{
  __fp16 half = (__fp16) x;

  return bn_load_u16 (&half);
}

/* codes * a of 16 columns, added to four sums of four columns each: exact for
 * codes from -128 to 127 and a from -127 to 127. */
BN_INLINE int32x4_t
dot_16 (int32x4_t sums, int8x16_t codes, int8x16_t a)
{
#ifdef __ARM_FEATURE_DOTPROD
  return vdotq_s32 (sums, codes, a);
#else
  /* columns 0-7 and 8-15 added are at most 2 * 128 * 127; then pairs, so that
   * the sums are of other columns than above */
  int16x8_t products = vmull_s8 (vget_low_s8 (codes), vget_low_s8 (a));

  return vpadalq_s16 (sums, vmlal_high_s8 (products, codes, a));
#endif
}

/* e^x within 2 units in the last place; 0 and infinity at the ends, NaN for
 * NaN. x = n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two parts, the first with
 * so few bits that n times it is exact), e^r by its Taylor series up to r^7,
 * and 2^n in two factors because n may leave the range of exponents. */
BN_INLINE float32x4_t
exp_f32 (float32x4_t x)
{
  const float32x4_t log2_e = vdupq_n_f32 (0x1.715476p+0f);
  const float32x4_t ln2_high = vdupq_n_f32 (0x1.62e4p-1f);
  const float32x4_t ln2_low = vdupq_n_f32 (0x1.7f7d1cp-20f);
  const float32x4_t one = vdupq_n_f32 (1.0f);
  const int32x4_t bias = vdupq_n_s32 (127);
  float32x4_t clamped =
      vminq_f32 (vdupq_n_f32 (89.0f), vmaxq_f32 (vdupq_n_f32 (-104.0f), x));
  float32x4_t n = vrndnq_f32 (vmulq_f32 (clamped, log2_e));
  float32x4_t r = vfmsq_f32 (vfmsq_f32 (clamped, n, ln2_high), n, ln2_low);
  float32x4_t y = vdupq_n_f32 (1.0f / 5040);
  int32x4_t exponent = vcvtq_s32_f32 (n);
  int32x4_t half = vshrq_n_s32 (exponent, 1);
  int32x4_t rest = vsubq_s32 (exponent, half);

  y = vfmaq_f32 (vdupq_n_f32 (1.0f / 720), y, r);
  y = vfmaq_f32 (vdupq_n_f32 (1.0f / 120), y, r);
  y = vfmaq_f32 (vdupq_n_f32 (1.0f / 24), y, r);
  y = vfmaq_f32 (vdupq_n_f32 (1.0f / 6), y, r);
  y = vfmaq_f32 (vdupq_n_f32 (0.5f), y, r);
  y = vfmaq_f32 (one, y, r);
  y = vfmaq_f32 (one, y, r);
  half = vshlq_n_s32 (vaddq_s32 (half, bias), 23);
  rest = vshlq_n_s32 (vaddq_s32 (rest, bias), 23);
  y = vmulq_f32 (y, vreinterpretq_f32_s32 (half));
  return vmulq_f32 (y, vreinterpretq_f32_s32 (rest));
}
