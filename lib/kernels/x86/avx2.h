/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small vector functions that the AVX2 files share. Where a loop runs over an
 * array of vectors "GCC unroll" stands in front of it: without loop and index
 * the array lives in registers. */
#pragma once

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)              \
    || !defined(__BMI2__)
#error "AVX2 files need -mavx2 -mfma -mf16c -mbmi2"
#endif

#include <immintrin.h>
#include "bn-scalar.h"

/* A function that must be inlined because its constants shape the code. */
#define BN_INLINE static inline __attribute__ ((always_inline))

/* Makes the compiler compute v here and keep it in a register. Left alone,
 * gcc puts all products of a loop before all sums and runs out of them. */
#ifdef __AVX512F__
#define BN_KEEP(v) __asm__("" : "+v"(v))
#else
#define BN_KEEP(v) __asm__("" : "+x"(v))
#endif

BN_INLINE __m256i
load_256 (const void *p)
{
  return _mm256_loadu_si256 ((const __m256i *) p);
}

BN_INLINE __m128i
load_128 (const void *p)
{
  return _mm_loadu_si128 ((const __m128i *) p);
}

BN_INLINE void
store_256 (void *p, __m256i v)
{
  _mm256_storeu_si256 ((__m256i *) p, v);
}

BN_INLINE void
store_128 (void *p, __m128i v)
{
  _mm_storeu_si128 ((__m128i *) p, v);
}

/* Asks for what lies distance bytes behind p; it need not exist. */
BN_INLINE void
prefetch (const void *p, size_t distance)
{
  _mm_prefetch ((const char *) ((uintptr_t) p + distance), _MM_HINT_T0);
}

/* The same, for what is used once. */
BN_INLINE void
prefetch_once (const void *p, size_t distance)
{
  _mm_prefetch ((const char *) ((uintptr_t) p + distance), _MM_HINT_NTA);
}

/* The same, no nearer than the second level cache. */
BN_INLINE void
prefetch_second_level (const void *p, size_t distance)
{
  _mm_prefetch ((const char *) ((uintptr_t) p + distance), _MM_HINT_T1);
}

BN_INLINE float
load_f16 (const void *p)
{
  return _cvtsh_ss (bn_load_u16 (p));
}

/* As a half: round half to even */
BN_INLINE uint16_t
f16_bits (float x)
{
  return _cvtss_sh (x, _MM_FROUND_TO_NEAREST_INT);
}

/* (0 + 4) + (2 + 6) + ((1 + 5) + (3 + 7)), the order of ref.c */
BN_INLINE float
sum_f32 (__m256 v)
{
  __m128 sum =
      _mm_add_ps (_mm256_castps256_ps128 (v), _mm256_extractf128_ps (v, 1));

  sum = _mm_add_ps (sum, _mm_movehl_ps (sum, sum));
  return _mm_cvtss_f32 (_mm_add_ss (sum, _mm_movehdup_ps (sum)));
}

/* The same of four */
BN_INLINE double
sum_f64 (__m256d v)
{
  __m128d two =
      _mm_add_pd (_mm256_castpd256_pd128 (v), _mm256_extractf128_pd (v, 1));

  return _mm_cvtsd_f64 (_mm_add_sd (two, _mm_unpackhi_pd (two, two)));
}

BN_INLINE int32_t
sum_i32 (__m256i v)
{
  __m128i sum = _mm_add_epi32 (
      _mm256_castsi256_si128 (v), _mm256_extracti128_si256 (v, 1));

  sum = _mm_add_epi32 (sum, _mm_shuffle_epi32 (sum, 0x4e));
  sum = _mm_add_epi32 (sum, _mm_shuffle_epi32 (sum, 0xb1));
  return _mm_cvtsi128_si32 (sum);
}

BN_INLINE uint32_t
largest_u32 (__m256i v)
{
  __m128i max = _mm_max_epu32 (
      _mm256_castsi256_si128 (v), _mm256_extracti128_si256 (v, 1));

  max = _mm_max_epu32 (max, _mm_shuffle_epi32 (max, 0x4e));
  max = _mm_max_epu32 (max, _mm_shuffle_epi32 (max, 0xb1));
  return (uint32_t) _mm_cvtsi128_si32 (max);
}

/* The sums of four vectors. */
BN_INLINE __m128i
sum_4x_i32 (__m256i a, __m256i b, __m256i c, __m256i d)
{
  __m256i sum =
      _mm256_hadd_epi32 (_mm256_hadd_epi32 (a, b), _mm256_hadd_epi32 (c, d));

  return _mm_add_epi32 (
      _mm256_castsi256_si128 (sum), _mm256_extracti128_si256 (sum, 1));
}

/* e^x within 2 units in the last place; 0 and infinity at the ends, NaN for
 * NaN. x = n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two parts, the first with
 * so few bits that n times it is exact), e^r by its Taylor series up to r^7,
 * and 2^n in two factors because n may leave the range of exponents. */
BN_INLINE __m256
exp_f32 (__m256 x)
{
  const __m256 log2_e = _mm256_set1_ps (0x1.715476p+0f);
  const __m256 ln2_high = _mm256_set1_ps (0x1.62e4p-1f);
  const __m256 ln2_low = _mm256_set1_ps (0x1.7f7d1cp-20f);
  const __m256 one = _mm256_set1_ps (1.0f);
  const __m256i bias = _mm256_set1_epi32 (127);
  /* the operand that may be NaN comes second */
  __m256 clamped = _mm256_min_ps (
      _mm256_set1_ps (89.0f), _mm256_max_ps (_mm256_set1_ps (-104.0f), x));
  __m256 n = _mm256_round_ps (_mm256_mul_ps (clamped, log2_e),
      _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r =
      _mm256_fnmadd_ps (n, ln2_low, _mm256_fnmadd_ps (n, ln2_high, clamped));
  __m256 y = _mm256_set1_ps (1.0f / 5040);
  __m256i exponent = _mm256_cvtps_epi32 (n);
  __m256i half = _mm256_srai_epi32 (exponent, 1);
  __m256i rest = _mm256_sub_epi32 (exponent, half);

  y = _mm256_fmadd_ps (y, r, _mm256_set1_ps (1.0f / 720));
  y = _mm256_fmadd_ps (y, r, _mm256_set1_ps (1.0f / 120));
  y = _mm256_fmadd_ps (y, r, _mm256_set1_ps (1.0f / 24));
  y = _mm256_fmadd_ps (y, r, _mm256_set1_ps (1.0f / 6));
  y = _mm256_fmadd_ps (y, r, _mm256_set1_ps (0.5f));
  y = _mm256_fmadd_ps (y, r, one);
  y = _mm256_fmadd_ps (y, r, one);
  y = _mm256_mul_ps (y, _mm256_castsi256_ps (_mm256_slli_epi32 (
                            _mm256_add_epi32 (half, bias), 23)));
  return _mm256_mul_ps (y, _mm256_castsi256_ps (_mm256_slli_epi32 (
                               _mm256_add_epi32 (rest, bias), 23)));
}
