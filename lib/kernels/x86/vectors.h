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

BN_INLINE Floats
floats_div (Floats a, Floats b)
{
  return _mm512_div_ps (a, b);
}

/* The first n < FLOATS floats of a vector; zeros for the others. */
BN_INLINE Floats
floats_load_part (const float *p, uint32_t n)
{
  return _mm512_maskz_loadu_ps ((__mmask16) ((1u << n) - 1), p);
}

BN_INLINE void
floats_store_part (float *p, Floats v, uint32_t n)
{
  _mm512_mask_storeu_ps (p, (__mmask16) ((1u << n) - 1), v);
}

BN_INLINE void
floats_store_f16 (void *p, Floats v)
{
  store_256 (
      p, _mm512_cvtps_ph (v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* (a, b) -> (a cos - b sin, a sin + b cos), pairs and their (cos, sin) side by
 * side */
BN_INLINE Floats
floats_rotate_pairs (Floats v, Floats cos_sin)
{
  const __mmask16 first_of_pairs = 0x5555;
  Floats swapped = _mm512_permute_ps (v, 0xb1);
  Floats cos_parts = _mm512_mul_ps (v, _mm512_moveldup_ps (cos_sin));
  Floats sin_parts = _mm512_mul_ps (swapped, _mm512_movehdup_ps (cos_sin));

  return _mm512_mask_sub_ps (_mm512_add_ps (cos_parts, sin_parts),
      first_of_pairs, cos_parts, sin_parts);
}

/* Pairs in two vectors: the first ones, and the second ones. */
BN_INLINE void
floats_split_pairs (Floats *firsts, Floats *seconds, Floats low, Floats high)
{
  const __m512i even = _mm512_setr_epi32 (
      0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_setr_epi32 (
      1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);

  *firsts = _mm512_permutex2var_ps (low, even, high);
  *seconds = _mm512_permutex2var_ps (low, odd, high);
}

/* Whether a number is max or -max. */
BN_INLINE int
floats_has_magnitude (Floats v, float max)
{
  return _mm512_cmp_ps_mask (
             _mm512_abs_ps (v), _mm512_set1_ps (max), _CMP_EQ_OQ)
         != 0;
}

/* Eight sums in double; element i is added to number i % 8. */
typedef __m512d Doubles;

BN_INLINE Doubles
doubles_zero (void)
{
  return _mm512_setzero_pd ();
}

BN_INLINE Doubles
doubles_add (Doubles sums, Floats v)
{
  __m256 high =
      _mm256_castpd_ps (_mm512_extractf64x4_pd (_mm512_castps_pd (v), 1));

  sums = _mm512_add_pd (sums, _mm512_cvtps_pd (_mm512_castps512_ps256 (v)));
  return _mm512_add_pd (sums, _mm512_cvtps_pd (high));
}

BN_INLINE double
doubles_total (Doubles sums)
{
  return sum_f64 (_mm256_add_pd (
      _mm512_castpd512_pd256 (sums), _mm512_extractf64x4_pd (sums, 1)));
}

typedef __m512i Ints; /* of 32 bits */

BN_INLINE Ints
ints_zero (void)
{
  return _mm512_setzero_si512 ();
}

BN_INLINE Ints
ints_load (const void *p)
{
  return _mm512_loadu_si512 (p);
}

BN_INLINE void
ints_store (void *p, Ints v)
{
  _mm512_storeu_si512 (p, v);
}

BN_INLINE Ints
ints_and (Ints a, Ints b)
{
  return _mm512_and_si512 (a, b);
}

BN_INLINE Ints
ints_add (Ints a, Ints b)
{
  return _mm512_add_epi32 (a, b);
}

BN_INLINE int32_t
ints_sum (Ints v)
{
  return sum_i32 (_mm256_add_epi32 (
      _mm512_castsi512_si256 (v), _mm512_extracti64x4_epi64 (v, 1)));
}

/* The larger one of max and the bits of the magnitudes of v, as unsigned. */
BN_INLINE Ints
ints_max_magnitude (Ints max, Floats v)
{
  return _mm512_max_epu32 (max, _mm512_castps_si512 (_mm512_abs_ps (v)));
}

BN_INLINE uint32_t
ints_largest (Ints v)
{
  return largest_u32 (_mm256_max_epu32 (
      _mm512_castsi512_si256 (v), _mm512_extracti64x4_epi64 (v, 1)));
}

/* To the nearest int, halves to even. */
BN_INLINE Ints
floats_round (Floats v)
{
  return _mm512_cvtps_epi32 (v);
}

/* The same, halves away from zero: just below a half is added, so that what is
 * just below a half stays there. */
BN_INLINE Ints
floats_round_away (Floats v)
{
  const Floats sign = _mm512_set1_ps (-0.0f);
  Floats half =
      _mm512_or_ps (_mm512_set1_ps (0x1.fffffep-2f), _mm512_and_ps (v, sign));

  return _mm512_cvttps_epi32 (_mm512_add_ps (v, half));
}

/* 32 ints, with saturation */
BN_INLINE __m256i
ints_pack (const Ints v[2])
{
  return _mm256_set_m128i (
      _mm512_cvtsepi32_epi8 (v[1]), _mm512_cvtsepi32_epi8 (v[0]));
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

BN_INLINE Floats
floats_div (Floats a, Floats b)
{
  return _mm256_div_ps (a, b);
}

/* The first n < FLOATS floats of a vector; zeros for the others. */
BN_INLINE Floats
floats_load_part (const float *p, uint32_t n)
{
  float part[FLOATS] = {0};

  memcpy (part, p, n * sizeof *p);
  return _mm256_loadu_ps (part);
}

BN_INLINE void
floats_store_part (float *p, Floats v, uint32_t n)
{
  float part[FLOATS];

  _mm256_storeu_ps (part, v);
  memcpy (p, part, n * sizeof *p);
}

BN_INLINE void
floats_store_f16 (void *p, Floats v)
{
  store_128 (
      p, _mm256_cvtps_ph (v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* (a, b) -> (a cos - b sin, a sin + b cos), pairs and their (cos, sin) side by
 * side */
BN_INLINE Floats
floats_rotate_pairs (Floats v, Floats cos_sin)
{
  Floats swapped = _mm256_permute_ps (v, 0xb1);
  Floats cos_parts = _mm256_mul_ps (v, _mm256_moveldup_ps (cos_sin));
  Floats sin_parts = _mm256_mul_ps (swapped, _mm256_movehdup_ps (cos_sin));

  return _mm256_addsub_ps (cos_parts, sin_parts);
}

/* Pairs in two vectors: the first ones, and the second ones. */
BN_INLINE void
floats_split_pairs (Floats *firsts, Floats *seconds, Floats low, Floats high)
{
  /* within the halves of vectors first, then the halves in order */
  Floats a = _mm256_permute2f128_ps (low, high, 0x20);
  Floats b = _mm256_permute2f128_ps (low, high, 0x31);

  *firsts = _mm256_shuffle_ps (a, b, 0x88);
  *seconds = _mm256_shuffle_ps (a, b, 0xdd);
}

/* Whether a number is max or -max. */
BN_INLINE int
floats_has_magnitude (Floats v, float max)
{
  Floats magnitudes = _mm256_andnot_ps (_mm256_set1_ps (-0.0f), v);

  return _mm256_movemask_ps (
             _mm256_cmp_ps (magnitudes, _mm256_set1_ps (max), _CMP_EQ_OQ))
         != 0;
}

/* Eight sums in double; element i is added to number i % 8. */
typedef struct {
  __m256d low, high;
} Doubles;

BN_INLINE Doubles
doubles_zero (void)
{
  return (Doubles){_mm256_setzero_pd (), _mm256_setzero_pd ()};
}

BN_INLINE Doubles
doubles_add (Doubles sums, Floats v)
{
  __m256d low = _mm256_cvtps_pd (_mm256_castps256_ps128 (v));
  __m256d high = _mm256_cvtps_pd (_mm256_extractf128_ps (v, 1));

  return (Doubles){
      _mm256_add_pd (sums.low, low), _mm256_add_pd (sums.high, high)};
}

BN_INLINE double
doubles_total (Doubles sums)
{
  return sum_f64 (_mm256_add_pd (sums.low, sums.high));
}

typedef __m256i Ints; /* of 32 bits */

BN_INLINE Ints
ints_zero (void)
{
  return _mm256_setzero_si256 ();
}

BN_INLINE Ints
ints_load (const void *p)
{
  return load_256 (p);
}

BN_INLINE void
ints_store (void *p, Ints v)
{
  store_256 (p, v);
}

BN_INLINE Ints
ints_and (Ints a, Ints b)
{
  return _mm256_and_si256 (a, b);
}

BN_INLINE Ints
ints_add (Ints a, Ints b)
{
  return _mm256_add_epi32 (a, b);
}

BN_INLINE int32_t
ints_sum (Ints v)
{
  return sum_i32 (v);
}

/* The larger one of max and the bits of the magnitudes of v, as unsigned. */
BN_INLINE Ints
ints_max_magnitude (Ints max, Floats v)
{
  const __m256i magnitude = _mm256_set1_epi32 (0x7fffffff);

  return _mm256_max_epu32 (
      max, _mm256_and_si256 (_mm256_castps_si256 (v), magnitude));
}

BN_INLINE uint32_t
ints_largest (Ints v)
{
  return largest_u32 (v);
}

/* To the nearest int, halves to even. */
BN_INLINE Ints
floats_round (Floats v)
{
  return _mm256_cvtps_epi32 (v);
}

/* The same, halves away from zero: just below a half is added, so that what is
 * just below a half stays there. */
BN_INLINE Ints
floats_round_away (Floats v)
{
  const Floats sign = _mm256_set1_ps (-0.0f);
  Floats half =
      _mm256_or_ps (_mm256_set1_ps (0x1.fffffep-2f), _mm256_and_ps (v, sign));

  return _mm256_cvttps_epi32 (_mm256_add_ps (v, half));
}

/* 32 ints, with saturation */
BN_INLINE __m256i
ints_pack (const Ints v[4])
{
  const __m256i order = _mm256_setr_epi32 (0, 4, 1, 5, 2, 6, 3, 7);
  __m256i packed = _mm256_packs_epi16 (
      _mm256_packs_epi32 (v[0], v[1]), _mm256_packs_epi32 (v[2], v[3]));

  return _mm256_permutevar8x32_epi32 (packed, order);
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

/* 32 int8 */
typedef __m256i Bytes32;

BN_INLINE Bytes32
bytes32_zero (void)
{
  return _mm256_setzero_si256 ();
}

BN_INLINE void
bytes32_store (int8_t *p, Bytes32 v)
{
  store_256 (p, v);
}

/* In eight lanes of four neighbours each. */
BN_INLINE __m256i
bytes32_sum_quads (Bytes32 v)
{
  return _mm256_madd_epi16 (
      _mm256_maddubs_epi16 (_mm256_set1_epi8 (1), v), _mm256_set1_epi16 (1));
}

BN_INLINE int32_t
bytes32_sum (Bytes32 v)
{
  return sum_i32 (bytes32_sum_quads (v));
}

BN_INLINE void
bytes32_sum_halves (int16_t sums[2], Bytes32 v)
{
  __m256i quads = bytes32_sum_quads (v);

  quads = _mm256_hadd_epi32 (quads, quads);
  quads = _mm256_hadd_epi32 (quads, quads);
  sums[0] = (int16_t) _mm256_extract_epi32 (quads, 0);
  sums[1] = (int16_t) _mm256_extract_epi32 (quads, 4);
}

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

/* Rows become columns. */
BN_INLINE void
quads_turn (Quad v[4])
{
  _MM_TRANSPOSE4_PS (v[0], v[1], v[2], v[3]);
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
