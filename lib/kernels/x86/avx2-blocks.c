/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of block types with AVX2, on rows as they lie in the file.
 *
 * Two bodies serve all types. A type says how one of its blocks becomes
 * vectors of codes; the body multiplies them with the blocks of up to
 * MAX_ACTS activation rows, so that a block is decoded once for all of them.
 * The integer sums of a block are exact. They stay in eight lanes, are scaled
 * and added to eight float lanes with one rounding (fma), blocks in order,
 * and the lanes are summed at the end: the same steps for every number of
 * activation rows. */
#include "init.h"

#include "avx2.h"
#include "block-rows-tmpl.h"

/* Blocks of 32 */

typedef struct {
  __m256i codes; /* of 32 columns */
  float d, m;
} Block32;

typedef Block32 (*LoadBlock32) (const uint8_t *row, uint32_t block);

/* What a code stands for. */
typedef enum {
  CODE_SIGNED, /* itself, -128..127 */
  CODE_MIN,    /* d * code + m, with Q8_1 activations */
  CODE_ZERO_8, /* d * (code - 8) */
  CODE_ZERO_16,
} Code32;

/* Pairs of products as int16. No pair overflows: the largest are
 * 2 * 128 * 127 of signed codes and 31 * 127 * 2 - 16 * 127 * 2. */
BN_INLINE __m256i
products_32 (__m256i codes, __m256i a, const Code32 code)
{
  switch (code) {
    case CODE_SIGNED:
      return _mm256_maddubs_epi16 (
          _mm256_abs_epi8 (codes), _mm256_sign_epi8 (a, codes));
    case CODE_ZERO_8:
    case CODE_ZERO_16:
      return _mm256_sub_epi16 (_mm256_maddubs_epi16 (codes, a),
          _mm256_maddubs_epi16 (
              _mm256_set1_epi8 (code == CODE_ZERO_8 ? 8 : 16), a));
    default:
      return _mm256_maddubs_epi16 (codes, a);
  }
}

/* Even and odd blocks have sums of their own, which halves the chain of
 * dependent additions. */
BN_INLINE void
dot_32 (float results[MAX_ACTS], const Operands *o, LoadBlock32 load,
    const Code32 code, const int n_acts)
{
  const __m256i ones = _mm256_set1_epi16 (1);
  __m256 sums[MAX_ACTS][2] = {0};
  float min_sums[MAX_ACTS] = {0};

  for (uint32_t b = 0; b < o->n_blocks; b++) {
    Block32 w = load (o->row, b);
#pragma GCC unroll 16
    for (int i = 0; i < n_acts; i++) {
      __m256i a, products;
      float d;

      if (code == CODE_MIN) {
        const BnActQ8_1 *act = (const BnActQ8_1 *) act_row (o, i) + b;
        a = load_256 (act->qs);
        d = w.d * act->d;
        min_sums[i] += w.m * act->s;
      } else {
        const BnActQ8_0 *act = (const BnActQ8_0 *) act_row (o, i) + b;
        a = load_256 (act->qs);
        d = w.d * load_f16 (&act->d);
      }
      products = _mm256_madd_epi16 (products_32 (w.codes, a, code), ones);
      /* swapping instead of an index keeps both in registers */
      __m256 sum = _mm256_fmadd_ps (
          _mm256_set1_ps (d), _mm256_cvtepi32_ps (products), sums[i][0]);
      sums[i][0] = sums[i][1];
      sums[i][1] = sum;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < n_acts; i++)
    results[i] = sum_f32 (_mm256_add_ps (sums[i][0], sums[i][1])) + min_sums[i];
}

BN_INLINE __m256i
nibbles (const uint8_t qs[16])
{
  __m128i bytes = load_128 (qs);
  __m256i both = _mm256_inserti128_si256 (
      _mm256_castsi128_si256 (bytes), _mm_srli_epi16 (bytes, 4), 1);

  return _mm256_and_si256 (both, _mm256_set1_epi8 (15));
}

/* Bit i of 32 as 16 in byte i. */
BN_INLINE __m256i
fifth_bits (const uint8_t qh[4])
{
  const __m256i spread = _mm256_setr_epi8 (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1,
      1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  const __m256i bit = _mm256_set1_epi64x ((long long) 0x8040201008040201ull);
  __m256i bits =
      _mm256_shuffle_epi8 (_mm256_set1_epi32 ((int) bn_load_u32 (qh)), spread);

  bits = _mm256_cmpeq_epi8 (_mm256_and_si256 (bits, bit), bit);
  return _mm256_and_si256 (bits, _mm256_set1_epi8 (16));
}

BN_INLINE Block32
load_q4_0 (const uint8_t *row, uint32_t b)
{
  const BnBlockQ4_0 *block = (const BnBlockQ4_0 *) row + b;

  return (Block32){nibbles (block->qs), load_f16 (block->d), 0};
}

BN_INLINE Block32
load_q4_1 (const uint8_t *row, uint32_t b)
{
  const BnBlockQ4_1 *block = (const BnBlockQ4_1 *) row + b;

  return (Block32){
      nibbles (block->qs), load_f16 (block->d), load_f16 (block->m)};
}

BN_INLINE Block32
load_q5_0 (const uint8_t *row, uint32_t b)
{
  const BnBlockQ5_0 *block = (const BnBlockQ5_0 *) row + b;

  return (Block32){
      _mm256_or_si256 (nibbles (block->qs), fifth_bits (block->qh)),
      load_f16 (block->d), 0};
}

BN_INLINE Block32
load_q5_1 (const uint8_t *row, uint32_t b)
{
  const BnBlockQ5_1 *block = (const BnBlockQ5_1 *) row + b;

  return (Block32){
      _mm256_or_si256 (nibbles (block->qs), fifth_bits (block->qh)),
      load_f16 (block->d), load_f16 (block->m)};
}

BN_INLINE Block32
load_q8_0 (const uint8_t *row, uint32_t b)
{
  const BnBlockQ8_0 *block = (const BnBlockQ8_0 *) row + b;

  return (Block32){load_256 (block->qs), load_f16 (block->d), 0};
}

#define DEFINE_MATMUL_32(name, Block, code)                                    \
  BN_INLINE void dot_##name (                                                  \
      float sums[MAX_ACTS], const Operands *o, const int n_acts)               \
  {                                                                            \
    dot_32 (sums, o, load_##name, code, n_acts);                               \
  }                                                                            \
  DEFINE_MATMUL (name, BN_QK, sizeof (Block))

DEFINE_MATMUL_32 (q4_0, BnBlockQ4_0, CODE_ZERO_8)
DEFINE_MATMUL_32 (q4_1, BnBlockQ4_1, CODE_MIN)
DEFINE_MATMUL_32 (q5_0, BnBlockQ5_0, CODE_ZERO_16)
DEFINE_MATMUL_32 (q5_1, BnBlockQ5_1, CODE_MIN)
DEFINE_MATMUL_32 (q8_0, BnBlockQ8_0, CODE_SIGNED)

/* Blocks of 256: eight vectors of codes, a scale for each half of a vector,
 * and something to take out that is multiplied with the sums of 16
 * activations: minima, or the zero point times the scales. */

typedef struct {
  __m256i codes[8];
  __m256i scales; /* int16[16] */
  __m256i mins;   /* int16[16] */
  float d, dmin;
} Block256;

typedef Block256 (*LoadBlock256) (const uint8_t *row, uint32_t block);

typedef enum {
  SCALES_MIN,  /* d * scales * codes - dmin * mins */
  SCALES_ZERO, /* d * (scales * codes - mins) */
  SCALES_NONE, /* d * (codes - 1) */
} Scales256;

/* scales[2 * group] in the low half, scales[2 * group + 1] in the high one;
 * twice has the four or so pairs that are looked up in both halves. */
BN_INLINE __m256i
scales_of_group (__m256i twice, int group)
{
  int low = 0x0100 + 0x0404 * (group & 3), high = low + 0x0202;

  return _mm256_shuffle_epi8 (
      twice, _mm256_set_m128i (
                 _mm_set1_epi16 ((short) high), _mm_set1_epi16 ((short) low)));
}

BN_INLINE void
dot_256 (float results[MAX_ACTS], const Operands *o, LoadBlock256 load,
    const Scales256 kind, const int n_acts)
{
  const __m256i ones = _mm256_set1_epi16 (1);
  __m256 sums[MAX_ACTS] = {0};

  for (uint32_t b = 0; b < o->n_blocks; b++) {
    Block256 w = load (o->row, b);
    __m256i first = _mm256_permute2x128_si256 (w.scales, w.scales, 0x00);
    __m256i second = _mm256_permute2x128_si256 (w.scales, w.scales, 0x11);
    __m256i u[MAX_ACTS] = {0};
#pragma GCC unroll 16
    for (int group = 0; group < 8; group++) {
      __m256i scale = scales_of_group (group < 4 ? first : second, group);
#pragma GCC unroll 16
      for (int i = 0; i < n_acts; i++) {
        const BnActQ8_K *act = (const BnActQ8_K *) act_row (o, i) + b;
        __m256i products = _mm256_maddubs_epi16 (
            w.codes[group], load_256 (act->qs + 32 * group));

        if (kind == SCALES_NONE) /* at most 8 * 2 * 3 * 128 */
          u[i] = _mm256_add_epi16 (u[i], products);
        else
          u[i] = _mm256_add_epi32 (u[i], _mm256_madd_epi16 (products, scale));
        BN_KEEP (u[i]);
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < n_acts; i++) {
      const BnActQ8_K *act = (const BnActQ8_K *) act_row (o, i) + b;
      __m256i a_sums = load_256 (act->sums);
      float d = w.d * act->d;

      if (kind == SCALES_NONE)
        u[i] = _mm256_madd_epi16 (_mm256_sub_epi16 (u[i], a_sums), ones);
      if (kind == SCALES_ZERO)
        u[i] = _mm256_sub_epi32 (u[i], _mm256_madd_epi16 (w.mins, a_sums));
      sums[i] = _mm256_fmadd_ps (
          _mm256_set1_ps (d), _mm256_cvtepi32_ps (u[i]), sums[i]);
      if (kind == SCALES_MIN)
        sums[i] = _mm256_fnmadd_ps (_mm256_set1_ps (w.dmin * act->d),
            _mm256_cvtepi32_ps (_mm256_madd_epi16 (w.mins, a_sums)), sums[i]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < n_acts; i++)
    results[i] = sum_f32 (sums[i]);
}

BN_INLINE void
load_2bit (__m256i codes[8], const uint8_t qs[64])
{
  const __m256i mask = _mm256_set1_epi8 (3);

  for (int half = 0; half < 2; half++) {
    __m256i bytes = load_256 (qs + 32 * half);

    for (int group = 0; group < 4; group++)
      codes[4 * half + group] =
          _mm256_and_si256 (_mm256_srli_epi16 (bytes, 2 * group), mask);
  }
}

BN_INLINE Block256
load_q2_k (const uint8_t *row, uint32_t b)
{
  const BnBlockQ2_K *block = (const BnBlockQ2_K *) row + b;
  const __m128i mask = _mm_set1_epi8 (15);
  __m128i scales = load_128 (block->scales);
  Block256 w;

  load_2bit (w.codes, block->qs);
  w.scales = _mm256_cvtepu8_epi16 (_mm_and_si128 (scales, mask));
  w.mins =
      _mm256_cvtepu8_epi16 (_mm_and_si128 (_mm_srli_epi16 (scales, 4), mask));
  w.d = load_f16 (block->d);
  w.dmin = load_f16 (block->dmin);
  return w;
}

BN_INLINE Block256
load_q3_k (const uint8_t *row, uint32_t b)
{
  const BnBlockQ3_K *block = (const BnBlockQ3_K *) row + b;
  const __m256i high_bit = _mm256_set1_epi8 (4);
  __m256i high = load_256 (block->hmask);
  int8_t scales[16];
  Block256 w;

  bn_scales_q3_k (scales, block);
  load_2bit (w.codes, block->qs);
  for (int group = 0; group < 8; group++) {
    __m256i bit = group < 2 ? _mm256_slli_epi16 (high, 2 - group)
                            : _mm256_srli_epi16 (high, group - 2);
    w.codes[group] =
        _mm256_or_si256 (w.codes[group], _mm256_and_si256 (bit, high_bit));
  }
  w.scales = _mm256_cvtepi8_epi16 (load_128 (scales));
  w.mins = _mm256_slli_epi16 (w.scales, 2);
  w.d = load_f16 (block->d);
  w.dmin = 0;
  return w;
}

/* Eight bytes, each as two int16. */
BN_INLINE __m256i
twice_each (const uint8_t bytes[8])
{
  __m128i each = _mm_loadl_epi64 ((const void *) bytes);

  return _mm256_cvtepu8_epi16 (_mm_unpacklo_epi8 (each, each));
}

BN_INLINE Block256
load_q45_k (const uint8_t packed_scales[12], const uint8_t qs[128],
    const uint8_t d[2], const uint8_t dmin[2])
{
  const __m256i mask = _mm256_set1_epi8 (15);
  uint8_t scales[8], mins[8];
  Block256 w;

  bn_scales_q4_k (scales, mins, packed_scales);
  w.scales = twice_each (scales);
  w.mins = twice_each (mins);
  for (int quarter = 0; quarter < 4; quarter++) {
    __m256i bytes = load_256 (qs + 32 * quarter);

    w.codes[2 * quarter] = _mm256_and_si256 (bytes, mask);
    w.codes[2 * quarter + 1] =
        _mm256_and_si256 (_mm256_srli_epi16 (bytes, 4), mask);
  }
  w.d = load_f16 (d);
  w.dmin = load_f16 (dmin);
  return w;
}

BN_INLINE Block256
load_q4_k (const uint8_t *row, uint32_t b)
{
  const BnBlockQ4_K *block = (const BnBlockQ4_K *) row + b;

  return load_q45_k (block->scales, block->qs, block->d, block->dmin);
}

BN_INLINE Block256
load_q5_k (const uint8_t *row, uint32_t b)
{
  const BnBlockQ5_K *block = (const BnBlockQ5_K *) row + b;
  const __m256i high_bit = _mm256_set1_epi8 (16);
  __m256i high = load_256 (block->qh);
  Block256 w = load_q45_k (block->scales, block->qs, block->d, block->dmin);

  for (int group = 0; group < 8; group++) {
    __m256i bit = group < 4 ? _mm256_slli_epi16 (high, 4 - group)
                            : _mm256_srli_epi16 (high, group - 4);
    w.codes[group] =
        _mm256_or_si256 (w.codes[group], _mm256_and_si256 (bit, high_bit));
  }
  return w;
}

BN_INLINE Block256
load_q6_k (const uint8_t *row, uint32_t b)
{
  const BnBlockQ6_K *block = (const BnBlockQ6_K *) row + b;
  const __m256i low_mask = _mm256_set1_epi8 (0x0f);
  const __m256i high_mask = _mm256_set1_epi8 (0x30);
  Block256 w;

  for (int half = 0; half < 2; half++) {
    __m256i high = load_256 (block->qh + 32 * half);
    __m256i low[2] = {load_256 (block->ql + 64 * half),
        load_256 (block->ql + 64 * half + 32)};

    for (int group = 0; group < 4; group++) {
      __m256i nibble = _mm256_srli_epi16 (low[group & 1], 4 * (group >> 1));
      __m256i bits = group < 2 ? _mm256_slli_epi16 (high, 4 - 2 * group)
                               : _mm256_srli_epi16 (high, 2 * group - 4);
      w.codes[4 * half + group] =
          _mm256_or_si256 (_mm256_and_si256 (nibble, low_mask),
              _mm256_and_si256 (bits, high_mask));
    }
  }
  w.scales = _mm256_cvtepi8_epi16 (load_128 (block->scales));
  w.mins = _mm256_slli_epi16 (w.scales, 5);
  w.d = load_f16 (block->d);
  w.dmin = 0;
  return w;
}

/* The first trit of each byte: bytes are v / 243, so it is 0 below 256 / 3 and
 * 2 from 512 / 3 on. */
BN_INLINE __m256i
first_trits (__m256i bytes)
{
  const __m256i one = _mm256_set1_epi8 (86);
  const __m256i two = _mm256_set1_epi8 ((char) 171);
  __m256i is_one = _mm256_cmpeq_epi8 (_mm256_max_epu8 (bytes, one), bytes);
  __m256i is_two = _mm256_cmpeq_epi8 (_mm256_max_epu8 (bytes, two), bytes);

  return _mm256_sub_epi8 (
      _mm256_setzero_si256 (), _mm256_add_epi8 (is_one, is_two));
}

BN_INLINE __m256i
times_3 (__m256i bytes)
{
  return _mm256_add_epi8 (bytes, _mm256_add_epi8 (bytes, bytes));
}

BN_INLINE Block256
load_tq1_0 (const uint8_t *row, uint32_t b)
{
  const BnBlockTQ1_0 *block = (const BnBlockTQ1_0 *) row + b;
  __m256i bytes = load_256 (block->qs);
  /* bytes 32..47 with their second trits beside the first; then 16 trits of
   * qh, four of each byte */
  __m128i tail = load_128 (block->qs + 32);
  __m256i last = _mm256_set1_epi32 ((int) bn_load_u32 (block->qh));
  __m256i pair, fifth;
  Block256 w;

  for (int n = 0; n < 5; n++) {
    w.codes[n] = first_trits (bytes);
    bytes = times_3 (bytes);
  }
  pair = _mm256_castsi128_si256 (tail);
  pair = _mm256_inserti128_si256 (
      pair, _mm256_castsi256_si128 (times_3 (pair)), 1);
  w.codes[5] = first_trits (pair);
  pair = times_3 (times_3 (pair));
  w.codes[6] = first_trits (pair);
  pair = times_3 (times_3 (pair));
  /* word n holds the four bytes times 3^n */
  last = _mm256_blend_epi32 (last, times_3 (last), 0x0e);
  last = _mm256_blend_epi32 (last, times_3 (last), 0x0c);
  last = _mm256_blend_epi32 (last, times_3 (last), 0x08);
  fifth = first_trits (pair);
  w.codes[7] = _mm256_inserti128_si256 (
      fifth, _mm256_castsi256_si128 (first_trits (last)), 1);
  w.scales = w.mins = _mm256_setzero_si256 ();
  w.d = load_f16 (block->d);
  w.dmin = 0;
  return w;
}

BN_INLINE Block256
load_tq2_0 (const uint8_t *row, uint32_t b)
{
  const BnBlockTQ2_0 *block = (const BnBlockTQ2_0 *) row + b;
  Block256 w;

  load_2bit (w.codes, block->qs);
  w.scales = w.mins = _mm256_setzero_si256 ();
  w.d = load_f16 (block->d);
  w.dmin = 0;
  return w;
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
bn_blocks_init_avx2 (BnKernels *k)
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
