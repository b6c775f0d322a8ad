/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slots on rows of floats with AVX2. Quantized rows, norms, rotations and
 * conversions are bit-exact with the C version: same order of sums, no fma.
 * The slots with an exponential are within 4 units in the last place of it.
 *
 * The last elements of a row go through a padded copy, so that every element
 * is computed by the same instructions. */
#include "init.h"

#include <float.h>
#include <math.h>
#include "avx2.h"
#include "bn-blocks.h"

enum { FLOATS = 8 /* in a vector */ };

BN_INLINE __m256
load_rest (const float *x, uint32_t n)
{
  float padded[FLOATS] = {0};

  memcpy (padded, x, n * sizeof *x);
  return _mm256_loadu_ps (padded);
}

BN_INLINE void
store_rest (float *y, __m256 v, uint32_t n)
{
  float padded[FLOATS];

  _mm256_storeu_ps (padded, v);
  memcpy (y, padded, n * sizeof *y);
}

/* Runs body for the columns in vectors: i is the first, n_left how many count.
 * LOAD and STORE do what is needed for the last ones. */
#define FOR_EACH_VECTOR(i, n, body)                                            \
  do {                                                                         \
    uint32_t i = 0, n_left = FLOATS;                                           \
    (void) n_left;                                                             \
    for (; i + FLOATS <= (n); i += FLOATS) {                                   \
      body                                                                     \
    }                                                                          \
    if (i < (n)) {                                                             \
      n_left = (n) -i;                                                         \
      body                                                                     \
    }                                                                          \
  } while (0)
#define LOAD(x) (n_left == FLOATS ? _mm256_loadu_ps (x) : load_rest (x, n_left))
#define STORE(y, v)                                                            \
  (n_left == FLOATS ? _mm256_storeu_ps (y, v) : store_rest (y, v, n_left))

/* Norms: eight double lanes, element i in lane i % 8. */

typedef struct {
  __m256d low, high;
} Sum;

BN_INLINE void
sum_add (Sum *sum, __m256 v)
{
  sum->low =
      _mm256_add_pd (sum->low, _mm256_cvtps_pd (_mm256_castps256_ps128 (v)));
  sum->high =
      _mm256_add_pd (sum->high, _mm256_cvtps_pd (_mm256_extractf128_ps (v, 1)));
}

BN_INLINE double
sum_total (const Sum *sum)
{
  __m256d four = _mm256_add_pd (sum->low, sum->high);
  __m128d two = _mm_add_pd (
      _mm256_castpd256_pd128 (four), _mm256_extractf128_pd (four, 1));

  return _mm_cvtsd_f64 (_mm_add_sd (two, _mm_unpackhi_pd (two, two)));
}

static double
sum_of_squares (const float *x, uint32_t n)
{
  Sum sum = {_mm256_setzero_pd (), _mm256_setzero_pd ()};

  FOR_EACH_VECTOR (i, n, {
    __m256 v = LOAD (x + i);
    sum_add (&sum, _mm256_mul_ps (v, v));
  });
  return sum_total (&sum);
}

static void
rms_norm_avx2 (float *y, const float *x, const float *w, uint32_t n, float eps)
{
  float mean = (float) (sum_of_squares (x, n) / n);
  __m256 scale = _mm256_set1_ps (1.0f / sqrtf (mean + eps));

  FOR_EACH_VECTOR (i, n, {
    __m256 v = _mm256_mul_ps (LOAD (x + i), scale);
    STORE (y + i, _mm256_mul_ps (v, LOAD (w + i)));
  });
}

static void
layer_norm_avx2 (float *y, const float *x, const float *w, const float *b,
    uint32_t n, float eps)
{
  Sum sum = {_mm256_setzero_pd (), _mm256_setzero_pd ()};
  __m256 mean, scale;
  float variance;

  FOR_EACH_VECTOR (i, n, { sum_add (&sum, LOAD (x + i)); });
  mean = _mm256_set1_ps ((float) (sum_total (&sum) / n));
  FOR_EACH_VECTOR (
      i, n, { STORE (y + i, _mm256_sub_ps (LOAD (x + i), mean)); });
  variance = (float) (sum_of_squares (y, n) / n);
  scale = _mm256_set1_ps (1.0f / sqrtf (variance + eps));
  FOR_EACH_VECTOR (i, n, {
    __m256 v = _mm256_mul_ps (LOAD (y + i), scale);
    v = _mm256_mul_ps (v, LOAD (w + i));
    STORE (y + i, _mm256_add_ps (v, LOAD (b + i)));
  });
}

static void
add_avx2 (float *y, const float *x, uint32_t n)
{
  FOR_EACH_VECTOR (
      i, n, { STORE (y + i, _mm256_add_ps (LOAD (y + i), LOAD (x + i))); });
}

static void
relu2_mul_avx2 (float *y, const float *gate, const float *up, uint32_t n)
{
  FOR_EACH_VECTOR (i, n, {
    /* max gives its second operand if one is NaN */
    __m256 g = _mm256_max_ps (_mm256_setzero_ps (), LOAD (gate + i));
    STORE (y + i, _mm256_mul_ps (_mm256_mul_ps (g, g), LOAD (up + i)));
  });
}

/* x / (1 + exp (-t)) */
BN_INLINE __m256
times_sigmoid (__m256 x, __m256 t)
{
  const __m256 one = _mm256_set1_ps (1.0f);
  __m256 e = exp_f32 (_mm256_sub_ps (_mm256_setzero_ps (), t));

  return _mm256_div_ps (x, _mm256_add_ps (one, e));
}

static void
silu_mul_avx2 (float *y, const float *gate, const float *up, uint32_t n)
{
  FOR_EACH_VECTOR (i, n, {
    __m256 g = LOAD (gate + i);
    STORE (y + i, _mm256_mul_ps (times_sigmoid (g, g), LOAD (up + i)));
  });
}

static void
gelu_avx2 (float *y, const float *x, uint32_t n)
{
  const __m256 sqrt_8_over_pi = _mm256_set1_ps (1.5957691216057308f);
  const __m256 cubic = _mm256_set1_ps (0.044715f);
  const __m256 one = _mm256_set1_ps (1.0f);

  FOR_EACH_VECTOR (i, n, {
    __m256 v = LOAD (x + i);
    __m256 poly =
        _mm256_add_ps (one, _mm256_mul_ps (_mm256_mul_ps (cubic, v), v));
    __m256 t = _mm256_mul_ps (_mm256_mul_ps (sqrt_8_over_pi, v), poly);
    STORE (y + i, times_sigmoid (v, t));
  });
}

/* (a, b) -> (a cos - b sin, a sin + b cos), pairs side by side */
static void
rope_norm_avx2 (float *x, const float *cos_sin, uint32_t n_pairs)
{
  FOR_EACH_VECTOR (i, 2 * n_pairs, {
    __m256 v = LOAD (x + i);
    __m256 angle = LOAD (cos_sin + i);
    __m256 swapped = _mm256_permute_ps (v, 0xb1);
    __m256 cos_parts = _mm256_mul_ps (v, _mm256_moveldup_ps (angle));
    __m256 sin_parts = _mm256_mul_ps (swapped, _mm256_movehdup_ps (angle));
    STORE (x + i, _mm256_addsub_ps (cos_parts, sin_parts));
  });
}

static void
rope_neox_avx2 (float *x, const float *cos_sin, uint32_t n_pairs)
{
  float *half = x + n_pairs;
  uint32_t i = 0;

  for (; i + FLOATS <= n_pairs; i += FLOATS) {
    __m256 a = _mm256_loadu_ps (x + i);
    __m256 b = _mm256_loadu_ps (half + i);
    __m256 first = _mm256_loadu_ps (cos_sin + 2 * i);
    __m256 second = _mm256_loadu_ps (cos_sin + 2 * i + FLOATS);
    /* pairs apart: within the halves first, then the halves in order */
    __m256 low = _mm256_permute2f128_ps (first, second, 0x20);
    __m256 high = _mm256_permute2f128_ps (first, second, 0x31);
    __m256 c = _mm256_shuffle_ps (low, high, 0x88);
    __m256 s = _mm256_shuffle_ps (low, high, 0xdd);

    _mm256_storeu_ps (
        x + i, _mm256_sub_ps (_mm256_mul_ps (a, c), _mm256_mul_ps (b, s)));
    _mm256_storeu_ps (
        half + i, _mm256_add_ps (_mm256_mul_ps (a, s), _mm256_mul_ps (b, c)));
  }
  for (; i < n_pairs; i++) {
    float a = x[i], b = half[i], c = cos_sin[2 * i], s = cos_sin[2 * i + 1];

    x[i] = a * c - b * s;
    half[i] = a * s + b * c;
  }
}

static void
f32_to_f16_avx2 (uint16_t *y, const float *x, uint32_t n)
{
  FOR_EACH_VECTOR (i, n, {
    __m128i halves = _mm256_cvtps_ph (
        LOAD (x + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    uint16_t padded[FLOATS];

    if (n_left == FLOATS) {
      store_128 ((y + i), halves);
    } else {
      store_128 (padded, halves);
      memcpy (y + i, padded, n_left * sizeof *y);
    }
  });
}

static void
f16_to_f32_avx2 (float *y, const uint16_t *x, uint32_t n)
{
  FOR_EACH_VECTOR (i, n, {
    uint16_t padded[FLOATS] = {0};

    if (n_left < FLOATS)
      memcpy (padded, x + i, n_left * sizeof *x);
    STORE (
        y + i, _mm256_cvtph_ps (load_128 (n_left == FLOATS ? x + i : padded)));
  });
}

/* Activation rows */

/* Bits of the larger magnitudes of max and v. */
BN_INLINE __m256i
max_magnitudes (__m256i max, __m256 v)
{
  const __m256i magnitude = _mm256_set1_epi32 (0x7fffffff);

  return _mm256_max_epu32 (
      max, _mm256_and_si256 (_mm256_castps_si256 (v), magnitude));
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

static uint32_t
max_magnitude_bits (const float *x, uint32_t n)
{
  __m256i max = _mm256_setzero_si256 ();

  FOR_EACH_VECTOR (i, n, { max = max_magnitudes (max, LOAD (x + i)); });
  return largest_u32 (max);
}

/* 32 int32 in order to int8, with saturation. */
BN_INLINE __m256i
pack_32 (const __m256i v[4])
{
  const __m256i order = _mm256_setr_epi32 (0, 4, 1, 5, 2, 6, 3, 7);
  __m256i packed = _mm256_packs_epi16 (
      _mm256_packs_epi32 (v[0], v[1]), _mm256_packs_epi32 (v[2], v[3]));

  return _mm256_permutevar8x32_epi32 (packed, order);
}

BN_INLINE void
load_32 (__m256 v[4], const float *x)
{
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    v[i] = _mm256_loadu_ps (x + FLOATS * i);
}

/* n floats as a whole number of 32: those that fill 32 stay where they are,
 * the last ones are copied and followed by zeros. */
typedef struct {
  const float *x;
  uint32_t n_whole, n;
  float last[4 * FLOATS];
} Row;

BN_INLINE void
row_init (Row *row, const float *x, uint32_t n)
{
  row->x = x;
  row->n = n;
  row->n_whole = n / (4 * FLOATS) * (4 * FLOATS);
  memset (row->last, 0, sizeof row->last);
  memcpy (row->last, x + row->n_whole, (n - row->n_whole) * sizeof *x);
}

BN_INLINE const float *
row_at (const Row *row, uint32_t i)
{
  return i < row->n_whole ? row->x + i : row->last;
}

/* Sum of int8 values, in eight lanes of four values each. */
BN_INLINE __m256i
sums_of_4 (__m256i q)
{
  return _mm256_madd_epi16 (
      _mm256_maddubs_epi16 (_mm256_set1_epi8 (1), q), _mm256_set1_epi16 (1));
}

static void
quantize_i8_avx2 (void *dst, const float *x, uint32_t n)
{
  const double smallest_max = 1e-5;
  BnActI8 *head = dst;
  int8_t *q = (int8_t *) dst + BN_ALIGN;
  uint32_t n_padded =
      (n + BN_COL_PADDING - 1) / BN_COL_PADDING * BN_COL_PADDING;
  uint32_t max_bits = max_magnitude_bits (x, n);
  double max = (double) bn_f32_from_bits (max_bits);
  __m256i sums = _mm256_setzero_si256 ();
  __m256 scale;
  uint32_t i;
  Row row;

  memset (dst, 0, BN_ALIGN);
  if (max_bits >= BN_BITS_INFINITY) {
    head->scale = bn_f32_from_bits (BN_BITS_NAN);
    memset (q, 0, n_padded);
    return;
  }
  head->scale = (float) (127.0 / (max > smallest_max ? max : smallest_max));
  scale = _mm256_set1_ps (head->scale);
  row_init (&row, x, n);
  for (i = 0; i < n; i += 4 * FLOATS) {
    __m256 v[4];
    __m256i rounded[4], packed;

    load_32 (v, row_at (&row, i));
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
      rounded[j] = _mm256_cvtps_epi32 (_mm256_mul_ps (v[j], scale));
    packed = pack_32 (rounded);
    sums = _mm256_add_epi32 (sums, sums_of_4 (packed));
    store_256 ((q + i), packed);
  }
  memset (q + i, 0, n_padded - i);
  head->sum = sum_i32 (sums);
}

/* Column i is in group (i / 4) % 4: vectors 0 and 2 of 32 columns hold groups
 * 0 and 1, vectors 1 and 3 groups 2 and 3. */
static void
quantize_i8x4_avx2 (void *dst, const float *x, uint32_t n)
{
  BnActI8X4 *head = dst;
  int8_t *q = (int8_t *) dst + BN_ALIGN;
  uint32_t n_padded =
      (n + BN_COL_PADDING - 1) / BN_COL_PADDING * BN_COL_PADDING;
  __m256i max[2] = {_mm256_setzero_si256 (), _mm256_setzero_si256 ()};
  __m256i sums = _mm256_setzero_si256 ();
  uint32_t max_bits[16], i;
  int32_t lanes[FLOATS];
  float inverse[4] = {0};
  __m256 scale[2], is_used[2];
  Row row;

  row_init (&row, x, n);
  for (i = 0; i < n; i += 4 * FLOATS) {
    __m256 v[4];

    load_32 (v, row_at (&row, i));
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
      max[j & 1] = max_magnitudes (max[j & 1], v[j]);
  }
  store_256 (max_bits, max[0]);
  store_256 ((max_bits + FLOATS), max[1]);
  memset (dst, 0, BN_ALIGN);
  for (int g = 0; g < 4; g++) {
    uint32_t bits = 0;

    for (int j = 0; j < 4; j++)
      bits = max_bits[4 * g + j] > bits ? max_bits[4 * g + j] : bits;
    head->d[g] = bn_f32_from_bits (bits) / 127.0f;
    if (bits >= BN_BITS_INFINITY)
      head->d[g] = bn_f32_from_bits (BN_BITS_NAN);
    else if (head->d[g] >= FLT_MIN)
      inverse[g] = 1.0f / head->d[g];
  }
  for (int j = 0; j < 2; j++) {
    scale[j] = _mm256_set_m128 (
        _mm_set1_ps (inverse[2 * j + 1]), _mm_set1_ps (inverse[2 * j]));
    is_used[j] = _mm256_cmp_ps (scale[j], _mm256_setzero_ps (), _CMP_NEQ_OQ);
  }
  for (i = 0; i < n; i += 4 * FLOATS) {
    __m256 v[4];
    __m256i rounded[4], packed;

    load_32 (v, row_at (&row, i));
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
      rounded[j] = _mm256_and_si256 (
          _mm256_cvtps_epi32 (_mm256_mul_ps (v[j], scale[j & 1])),
          _mm256_castps_si256 (is_used[j & 1]));
    packed = pack_32 (rounded);
    sums = _mm256_add_epi32 (sums, sums_of_4 (packed));
    store_256 ((q + i), packed);
  }
  memset (q + i, 0, n_padded - i);
  store_256 (lanes, sums);
  for (int g = 0; g < 4; g++)
    head->sum[g] = lanes[g] + lanes[g + 4];
}

/* Round half away from zero: just below a half is added, so that what is just
 * below a half stays there. */
BN_INLINE __m256i
round_away (__m256 v)
{
  const __m256 almost_half = _mm256_set1_ps (0x1.fffffep-2f);
  const __m256 sign = _mm256_set1_ps (-0.0f);
  __m256 half = _mm256_or_ps (almost_half, _mm256_and_ps (v, sign));

  return _mm256_cvttps_epi32 (_mm256_add_ps (v, half));
}

/* Codes of a Q8_0 or Q8_1 block, and its scale. */
BN_INLINE __m256i
quantize_block (const float *x, float *d)
{
  __m256i max = _mm256_setzero_si256 (), rounded[4];
  __m256 v[4], scale;
  uint32_t bits;
  float inverse = 0;

  load_32 (v, x);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++)
    max = max_magnitudes (max, v[j]);
  bits = largest_u32 (max);
  *d = bn_f32_from_bits (bits) / 127.0f;
  if (bits >= BN_BITS_INFINITY) {
    *d = bn_f32_from_bits (BN_BITS_NAN);
    return _mm256_setzero_si256 ();
  }
  if (*d >= FLT_MIN)
    inverse = 1.0f / *d;
  scale = _mm256_set1_ps (inverse);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++)
    rounded[j] = round_away (_mm256_mul_ps (v[j], scale));
  return pack_32 (rounded);
}

static void
quantize_q8_0_avx2 (void *dst, const float *x, uint32_t n)
{
  BnActQ8_0 *block = dst;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float d;
    __m256i q = quantize_block (x, &d);

    store_256 (block->qs, q);
    block->d = _cvtss_sh (d, _MM_FROUND_TO_NEAREST_INT);
    block->sum = (int16_t) sum_i32 (sums_of_4 (q));
  }
}

static void
f32_to_q8_0_avx2 (void *y, const float *x, uint32_t n)
{
  BnBlockQ8_0 *block = y;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float d;

    store_256 (block->qs, quantize_block (x, &d));
    bn_store_u16 (block->d, _cvtss_sh (d, _MM_FROUND_TO_NEAREST_INT));
  }
}

static void
quantize_q8_1_avx2 (void *dst, const float *x, uint32_t n)
{
  BnActQ8_1 *block = dst;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    __m256i q = quantize_block (x, &block->d);

    store_256 (block->qs, q);
    block->s = (float) sum_i32 (sums_of_4 (q)) * block->d;
  }
}

/* 127 or -127 divided by the element of largest magnitude, 0 if that is too
 * small; the first one's sign counts. */
static float
inverse_q8_k (const float *x, uint32_t max_bits)
{
  const float smallest = 0x1p-118f; /* its inverse times 127 is finite */
  float max = bn_f32_from_bits (max_bits);
  const __m256 sign = _mm256_set1_ps (-0.0f), v_max = _mm256_set1_ps (max);

  if (max < smallest)
    return 0;
  for (int i = 0;; i += FLOATS) {
    __m256 v = _mm256_loadu_ps (x + i);
    int at = _mm256_movemask_ps (
        _mm256_cmp_ps (_mm256_andnot_ps (sign, v), v_max, _CMP_EQ_OQ));

    if (at != 0)
      return (x[i + __builtin_ctz ((unsigned) at)] < 0 ? 127.0f : -127.0f)
             / max;
  }
}

static void
quantize_q8_k_avx2 (void *dst, const float *x, uint32_t n)
{
  BnActQ8_K *block = dst;

  for (; n >= BN_QK_K; n -= BN_QK_K, x += BN_QK_K, block++) {
    uint32_t max_bits = max_magnitude_bits (x, BN_QK_K);
    float inverse =
        max_bits < BN_BITS_INFINITY ? inverse_q8_k (x, max_bits) : 0;
    __m256 scale = _mm256_set1_ps (inverse);

    if (inverse == 0) {
      memset (block, 0, sizeof *block);
      if (max_bits >= BN_BITS_INFINITY)
        block->d = bn_f32_from_bits (BN_BITS_NAN);
      continue;
    }
    block->d = 1.0f / inverse;
    memset (block->padding, 0, sizeof block->padding);
    for (int i = 0; i < BN_QK_K; i += BN_QK) {
      __m256 v[4];
      __m256i rounded[4], packed, sums;

      load_32 (v, x + i);
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++)
        rounded[j] = _mm256_cvtps_epi32 (_mm256_mul_ps (v[j], scale));
      packed = pack_32 (rounded);
      store_256 ((block->qs + i), packed);
      sums = sums_of_4 (packed);
      sums = _mm256_hadd_epi32 (sums, sums);
      sums = _mm256_hadd_epi32 (sums, sums);
      block->sums[i / 16] = (int16_t) _mm256_extract_epi32 (sums, 0);
      block->sums[i / 16 + 1] = (int16_t) _mm256_extract_epi32 (sums, 4);
    }
  }
}

void
bn_kernels_init_avx2 (BnKernels *k)
{
  k->quantize[BN_ACT_I8] = quantize_i8_avx2;
  k->quantize[BN_ACT_I8X4] = quantize_i8x4_avx2;
  k->quantize[BN_ACT_Q8_0] = quantize_q8_0_avx2;
  k->quantize[BN_ACT_Q8_1] = quantize_q8_1_avx2;
  k->quantize[BN_ACT_Q8_K] = quantize_q8_k_avx2;
  k->rms_norm = rms_norm_avx2;
  k->layer_norm = layer_norm_avx2;
  k->add = add_avx2;
  k->relu2_mul = relu2_mul_avx2;
  k->silu_mul = silu_mul_avx2;
  k->gelu = gelu_avx2;
  k->rope_norm = rope_norm_avx2;
  k->rope_neox = rope_neox_avx2;
  k->f32_to_f16 = f32_to_f16_avx2;
  k->f16_to_f32 = f16_to_f32_avx2;
  k->f32_to_q8_0 = f32_to_q8_0_avx2;
}
