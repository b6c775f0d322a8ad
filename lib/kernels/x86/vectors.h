/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vectors of floats of the instruction set a file is compiled for. Files that
 * use only these are compiled once for each level; BN_ISA is its name. */
#pragma once

#include "avx2.h"

#define BN_NAME_2(name, isa) name##_##isa
#define BN_NAME_1(name, isa) BN_NAME_2 (name, isa)
#define BN_NAME(name) BN_NAME_1 (name, BN_ISA)

typedef __m128 Quad; /* of floats */

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

BN_INLINE Floats
floats_load_i8 (const void *p)
{
  return _mm512_cvtepi32_ps (_mm512_cvtepi8_epi32 (load_128 (p)));
}

BN_INLINE Floats
floats_sub (Floats a, Floats b)
{
  return _mm512_sub_ps (a, b);
}

BN_INLINE Floats
floats_mul (Floats a, Floats b)
{
  return _mm512_mul_ps (a, b);
}

/* a * b + c with one rounding */
BN_INLINE Floats
floats_fma (Floats a, Floats b, Floats c)
{
  return _mm512_fmadd_ps (a, b, c);
}

/* The second operand if one is NaN. */
BN_INLINE Floats
floats_max (Floats a, Floats b)
{
  return _mm512_max_ps (a, b);
}

/* a < b ? yes : no */
BN_INLINE Floats
floats_select_less (Floats a, Floats b, Floats yes, Floats no)
{
  return _mm512_mask_blend_ps (_mm512_cmp_ps_mask (a, b, _CMP_LT_OQ), no, yes);
}

/* exp_f32() in wide vectors: the same steps, but for 2^n. */
BN_INLINE Floats
floats_exp (Floats x)
{
  const Floats one = _mm512_set1_ps (1.0f);
  /* the operand that may be NaN comes second */
  Floats clamped = _mm512_min_ps (
      _mm512_set1_ps (89.0f), _mm512_max_ps (_mm512_set1_ps (-104.0f), x));
  Floats n = _mm512_roundscale_ps (
      _mm512_mul_ps (clamped, _mm512_set1_ps (0x1.715476p+0f)),
      _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  Floats r = _mm512_fnmadd_ps (n, _mm512_set1_ps (0x1.7f7d1cp-20f),
      _mm512_fnmadd_ps (n, _mm512_set1_ps (0x1.62e4p-1f), clamped));
  Floats y = _mm512_set1_ps (1.0f / 5040);

  y = _mm512_fmadd_ps (y, r, _mm512_set1_ps (1.0f / 720));
  y = _mm512_fmadd_ps (y, r, _mm512_set1_ps (1.0f / 120));
  y = _mm512_fmadd_ps (y, r, _mm512_set1_ps (1.0f / 24));
  y = _mm512_fmadd_ps (y, r, _mm512_set1_ps (1.0f / 6));
  y = _mm512_fmadd_ps (y, r, _mm512_set1_ps (0.5f));
  y = _mm512_fmadd_ps (y, r, one);
  y = _mm512_fmadd_ps (y, r, one);
  return _mm512_scalef_ps (y, n);
}

/* Vectors of four quads. */

/* to[i] = quad i of each of the rows */
BN_INLINE void
floats_turn_quads (Floats to[4], const Floats rows[4])
{
  Floats low_01 = _mm512_shuffle_f32x4 (rows[0], rows[1], 0x44);
  Floats high_01 = _mm512_shuffle_f32x4 (rows[0], rows[1], 0xee);
  Floats low_23 = _mm512_shuffle_f32x4 (rows[2], rows[3], 0x44);
  Floats high_23 = _mm512_shuffle_f32x4 (rows[2], rows[3], 0xee);

  to[0] = _mm512_shuffle_f32x4 (low_01, low_23, 0x88);
  to[1] = _mm512_shuffle_f32x4 (low_01, low_23, 0xdd);
  to[2] = _mm512_shuffle_f32x4 (high_01, high_23, 0x88);
  to[3] = _mm512_shuffle_f32x4 (high_01, high_23, 0xdd);
}

BN_INLINE Floats
floats_repeat_quad (Quad quad)
{
  return _mm512_broadcast_f32x4 (quad);
}

BN_INLINE Quad
floats_max_quads (Floats v)
{
  __m256 high =
      _mm256_castpd_ps (_mm512_extractf64x4_pd (_mm512_castps_pd (v), 1));
  __m256 max = _mm256_max_ps (_mm512_castps512_ps256 (v), high);

  return _mm_max_ps (
      _mm256_castps256_ps128 (max), _mm256_extractf128_ps (max, 1));
}

/* (quad 0 + quad 1) + (quad 2 + quad 3) */
BN_INLINE Quad
floats_sum_quads (const Floats v[1])
{
  return _mm_add_ps (_mm_add_ps (_mm512_castps512_ps128 (v[0]),
                         _mm512_extractf32x4_ps (v[0], 1)),
      _mm_add_ps (
          _mm512_extractf32x4_ps (v[0], 2), _mm512_extractf32x4_ps (v[0], 3)));
}

/* Number i of each quad of v, times the quad, added to c. */
#define floats_fma_spread(v, i, quad, c)                                       \
  floats_fma (_mm512_permute_ps (v, 0x55 * (i)), floats_repeat_quad (quad), c)

/* The sums of four vectors: lane i is added to lane i + 8, then as in eight
 * lanes. */
BN_INLINE void
floats_sum_4 (float sums[4], const Floats v[4])
{
  const __m512i first_lanes =
      _mm512_setr_epi32 (0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  __m512 v01 = _mm512_add_ps (_mm512_shuffle_f32x4 (v[0], v[1], 0x44),
      _mm512_shuffle_f32x4 (v[0], v[1], 0xee));
  __m512 v23 = _mm512_add_ps (_mm512_shuffle_f32x4 (v[2], v[3], 0x44),
      _mm512_shuffle_f32x4 (v[2], v[3], 0xee));
  __m512 sum = _mm512_add_ps (_mm512_shuffle_f32x4 (v01, v23, 0x88),
      _mm512_shuffle_f32x4 (v01, v23, 0xdd));

  sum = _mm512_add_ps (sum, _mm512_permute_ps (sum, 0x4e));
  sum = _mm512_add_ps (sum, _mm512_permute_ps (sum, 0xb1));
  _mm_storeu_ps (
      sums, _mm512_castps512_ps128 (_mm512_permutexvar_ps (first_lanes, sum)));
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

BN_INLINE Floats
floats_load_i8 (const void *p)
{
  return _mm256_cvtepi32_ps (
      _mm256_cvtepi8_epi32 (_mm_loadl_epi64 ((const __m128i *) p)));
}

BN_INLINE Floats
floats_sub (Floats a, Floats b)
{
  return _mm256_sub_ps (a, b);
}

BN_INLINE Floats
floats_mul (Floats a, Floats b)
{
  return _mm256_mul_ps (a, b);
}

/* a * b + c with one rounding */
BN_INLINE Floats
floats_fma (Floats a, Floats b, Floats c)
{
  return _mm256_fmadd_ps (a, b, c);
}

/* The second operand if one is NaN. */
BN_INLINE Floats
floats_max (Floats a, Floats b)
{
  return _mm256_max_ps (a, b);
}

/* a < b ? yes : no */
BN_INLINE Floats
floats_select_less (Floats a, Floats b, Floats yes, Floats no)
{
  return _mm256_blendv_ps (no, yes, _mm256_cmp_ps (a, b, _CMP_LT_OQ));
}

BN_INLINE Floats
floats_exp (Floats x)
{
  return exp_f32 (x);
}

/* Vectors of two quads. */

/* to[i] = quad i of each of the rows */
BN_INLINE void
floats_turn_quads (Floats to[2], const Floats rows[2])
{
  to[0] = _mm256_permute2f128_ps (rows[0], rows[1], 0x20);
  to[1] = _mm256_permute2f128_ps (rows[0], rows[1], 0x31);
}

BN_INLINE Floats
floats_repeat_quad (Quad quad)
{
  return _mm256_set_m128 (quad, quad);
}

BN_INLINE Quad
floats_max_quads (Floats v)
{
  return _mm_max_ps (_mm256_castps256_ps128 (v), _mm256_extractf128_ps (v, 1));
}

/* (quad 0 + quad 1) + (quad 2 + quad 3) */
BN_INLINE Quad
floats_sum_quads (const Floats v[2])
{
  return _mm_add_ps (_mm_add_ps (_mm256_castps256_ps128 (v[0]),
                         _mm256_extractf128_ps (v[0], 1)),
      _mm_add_ps (
          _mm256_castps256_ps128 (v[1]), _mm256_extractf128_ps (v[1], 1)));
}

/* Number i of each quad of v, times the quad, added to c. */
#define floats_fma_spread(v, i, quad, c)                                       \
  floats_fma (_mm256_permute_ps (v, 0x55 * (i)), floats_repeat_quad (quad), c)

/* The sums of four vectors, each in the order of sum_f32(). */
BN_INLINE void
floats_sum_4 (float sums[4], const Floats v[4])
{
  __m256 v01 = _mm256_add_ps (_mm256_permute2f128_ps (v[0], v[1], 0x20),
      _mm256_permute2f128_ps (v[0], v[1], 0x31));
  __m256 v23 = _mm256_add_ps (_mm256_permute2f128_ps (v[2], v[3], 0x20),
      _mm256_permute2f128_ps (v[2], v[3], 0x31));
  __m256 sum = _mm256_add_ps (
      _mm256_shuffle_ps (v01, v23, 0x44), _mm256_shuffle_ps (v01, v23, 0xee));

  sum = _mm256_hadd_ps (sum, sum); /* v0, v2, ... v1, v3, ... */
  _mm_storeu_ps (sums, _mm_unpacklo_ps (_mm256_castps256_ps128 (sum),
                           _mm256_extractf128_ps (sum, 1)));
}

#endif

BN_INLINE Quad
quad_set1 (float x)
{
  return _mm_set1_ps (x);
}

BN_INLINE Quad
quad_load (const float *p)
{
  return _mm_loadu_ps (p);
}

BN_INLINE void
quad_store (float *p, Quad v)
{
  _mm_storeu_ps (p, v);
}

BN_INLINE Quad
quad_sub (Quad a, Quad b)
{
  return _mm_sub_ps (a, b);
}

BN_INLINE Quad
quad_fma (Quad a, Quad b, Quad c)
{
  return _mm_fmadd_ps (a, b, c);
}

BN_INLINE Quad
quad_max (Quad a, Quad b)
{
  return _mm_max_ps (a, b);
}

/* As floats_exp() has it. */
BN_INLINE Quad
quad_exp (Quad x)
{
#ifdef __AVX512F__
  return _mm512_castps512_ps128 (floats_exp (floats_repeat_quad (x)));
#else
  return _mm256_castps256_ps128 (floats_exp (floats_repeat_quad (x)));
#endif
}
