/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vectors of floats of the instruction set a file is compiled for. Files that
 * use only these are compiled once for each level; BN_ISA is its name. */
#pragma once

#include "avx2.h"

#define BN_NAME_2(name, isa) name##_##isa
#define BN_NAME_1(name, isa) BN_NAME_2 (name, isa)
#define BN_NAME(name) BN_NAME_1 (name, BN_ISA)

#ifdef __AVX512F__

enum { FLOATS = 16 };
typedef __m512 Floats;

BN_INLINE Floats
floats_set1 (float x)
{
  return _mm512_set1_ps (x);
}

BN_INLINE Floats
floats_load (const void *p)
{
  return _mm512_loadu_ps (p);
}

BN_INLINE void
floats_store (float *p, Floats v)
{
  _mm512_storeu_ps (p, v);
}

BN_INLINE Floats
floats_load_f16 (const void *p)
{
  return _mm512_cvtph_ps (load_256 (p));
}

BN_INLINE Floats
floats_load_bf16 (const void *p)
{
  return _mm512_castsi512_ps (
      _mm512_slli_epi32 (_mm512_cvtepu16_epi32 (load_256 (p)), 16));
}

BN_INLINE Floats
floats_add (Floats a, Floats b)
{
  return _mm512_add_ps (a, b);
}

/* a * b + c with one rounding */
BN_INLINE Floats
floats_fma (Floats a, Floats b, Floats c)
{
  return _mm512_fmadd_ps (a, b, c);
}

/* Lane i is added to lane i + 8, then as in eight lanes. */
BN_INLINE float
floats_sum (Floats v)
{
  __m256 high =
      _mm256_castpd_ps (_mm512_extractf64x4_pd (_mm512_castps_pd (v), 1));

  return sum_f32 (_mm256_add_ps (_mm512_castps512_ps256 (v), high));
}

#else

enum { FLOATS = 8 };
typedef __m256 Floats;

BN_INLINE Floats
floats_set1 (float x)
{
  return _mm256_set1_ps (x);
}

BN_INLINE Floats
floats_load (const void *p)
{
  return _mm256_loadu_ps (p);
}

BN_INLINE void
floats_store (float *p, Floats v)
{
  _mm256_storeu_ps (p, v);
}

BN_INLINE Floats
floats_load_f16 (const void *p)
{
  return _mm256_cvtph_ps (load_128 (p));
}

BN_INLINE Floats
floats_load_bf16 (const void *p)
{
  return _mm256_castsi256_ps (
      _mm256_slli_epi32 (_mm256_cvtepu16_epi32 (load_128 (p)), 16));
}

BN_INLINE Floats
floats_add (Floats a, Floats b)
{
  return _mm256_add_ps (a, b);
}

/* a * b + c with one rounding */
BN_INLINE Floats
floats_fma (Floats a, Floats b, Floats c)
{
  return _mm256_fmadd_ps (a, b, c);
}

BN_INLINE float
floats_sum (Floats v)
{
  return sum_f32 (v);
}

#endif
