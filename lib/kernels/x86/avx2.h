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
#define BN_KEEP(v) __asm__("" : "+x"(v))

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

/* 16 bytes in both halves. */
BN_INLINE __m256i
load_128_twice (const void *p)
{
  return _mm256_broadcastsi128_si256 (load_128 (p));
}

BN_INLINE float
load_f16 (const void *p)
{
  return _cvtsh_ss (bn_load_u16 (p));
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

BN_INLINE int32_t
sum_i32 (__m256i v)
{
  __m128i sum = _mm_add_epi32 (
      _mm256_castsi256_si128 (v), _mm256_extracti128_si256 (v, 1));

  sum = _mm_add_epi32 (sum, _mm_shuffle_epi32 (sum, 0x4e));
  sum = _mm_add_epi32 (sum, _mm_shuffle_epi32 (sum, 0xb1));
  return _mm_cvtsi128_si32 (sum);
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
