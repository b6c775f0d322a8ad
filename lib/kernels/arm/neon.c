/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slots on rows of floats with NEON. Quantized rows, norms, rotations and
 * conversions are bit-exact with the C version: same order of sums, no fma.
 * The slots with an exponential are within 4 units in the last place of it.
 *
 * The last elements of a row go through a padded copy, so that every element
 * is computed by the same instructions. */
#include "init.h"

#include <float.h>
#include <math.h>
#include "bn-blocks.h"
#include "neon.h"

enum { FLOATS = 4 /* in a vector */ };

BN_INLINE float32x4_t
load_rest (const float *x, uint32_t n)
{
  float padded[FLOATS] = {0};

  memcpy (padded, x, n * sizeof *x);
  return vld1q_f32 (padded);
}

BN_INLINE void
store_rest (float *y, float32x4_t v, uint32_t n)
{
  float padded[FLOATS];

  vst1q_f32 (padded, v);
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
#define LOAD(x) (n_left == FLOATS ? vld1q_f32 (x) : load_rest (x, n_left))
#define STORE(y, v)                                                            \
  (n_left == FLOATS ? vst1q_f32 (y, v) : store_rest (y, v, n_left))

/* Norms: the sum of a row or of its squares, in eight double lanes; element i
 * is in lane i % 8. */
BN_INLINE double
sum_row (const float *x, uint32_t n, const int is_squared)
{
  float64x2_t lanes[4] = {
      vdupq_n_f64 (0), vdupq_n_f64 (0), vdupq_n_f64 (0), vdupq_n_f64 (0)};
  float last[2 * FLOATS] = {0};
  float64x2_t two;

  for (uint32_t i = 0; i < n; i += 2 * FLOATS) {
    const float *at = x + i;

    if (n - i < 2 * FLOATS) {
      memcpy (last, at, (n - i) * sizeof *x);
      at = last;
    }
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      float32x4_t v = vld1q_f32 (at + j * FLOATS);

      if (is_squared)
        v = vmulq_f32 (v, v);
      lanes[2 * j] = vaddq_f64 (lanes[2 * j], vcvt_f64_f32 (vget_low_f32 (v)));
      lanes[2 * j + 1] = vaddq_f64 (lanes[2 * j + 1], vcvt_high_f64_f32 (v));
    }
  }
  two = vaddq_f64 (
      vaddq_f64 (lanes[0], lanes[2]), vaddq_f64 (lanes[1], lanes[3]));
  return vgetq_lane_f64 (two, 0) + vgetq_lane_f64 (two, 1);
}

static void
rms_norm_neon (float *y, const float *x, const float *w, uint32_t n, float eps)
{
  float mean = (float) (sum_row (x, n, 1) / n);
  float32x4_t scale = vdupq_n_f32 (1.0f / sqrtf (mean + eps));

  FOR_EACH_VECTOR (i, n, {
    float32x4_t v = vmulq_f32 (LOAD (x + i), scale);
    STORE (y + i, vmulq_f32 (v, LOAD (w + i)));
  });
}

static void
layer_norm_neon (float *y, const float *x, const float *w, const float *b,
    uint32_t n, float eps)
{
  float32x4_t mean = vdupq_n_f32 ((float) (sum_row (x, n, 0) / n)), scale;
  float variance;

  FOR_EACH_VECTOR (i, n, { STORE (y + i, vsubq_f32 (LOAD (x + i), mean)); });
  variance = (float) (sum_row (y, n, 1) / n);
  scale = vdupq_n_f32 (1.0f / sqrtf (variance + eps));
  FOR_EACH_VECTOR (i, n, {
    float32x4_t v = vmulq_f32 (LOAD (y + i), scale);
    v = vmulq_f32 (v, LOAD (w + i));
    STORE (y + i, vaddq_f32 (v, LOAD (b + i)));
  });
}

static void
add_neon (float *y, const float *x, uint32_t n)
{
  FOR_EACH_VECTOR (
      i, n, { STORE (y + i, vaddq_f32 (LOAD (y + i), LOAD (x + i))); });
}

static void
relu2_mul_neon (float *y, const float *gate, const float *up, uint32_t n)
{
  FOR_EACH_VECTOR (i, n, {
    /* NaN if one is NaN */
    float32x4_t g = vmaxq_f32 (vdupq_n_f32 (0), LOAD (gate + i));
    STORE (y + i, vmulq_f32 (vmulq_f32 (g, g), LOAD (up + i)));
  });
}

/* x / (1 + exp (-t)) */
BN_INLINE float32x4_t
times_sigmoid (float32x4_t x, float32x4_t t)
{
  float32x4_t e = exp_f32 (vnegq_f32 (t));

  return vdivq_f32 (x, vaddq_f32 (vdupq_n_f32 (1.0f), e));
}

static void
silu_mul_neon (float *y, const float *gate, const float *up, uint32_t n)
{
  FOR_EACH_VECTOR (i, n, {
    float32x4_t g = LOAD (gate + i);
    STORE (y + i, vmulq_f32 (times_sigmoid (g, g), LOAD (up + i)));
  });
}

static void
gelu_neon (float *y, const float *x, uint32_t n)
{
  const float32x4_t sqrt_8_over_pi = vdupq_n_f32 (1.5957691216057308f);
  const float32x4_t cubic = vdupq_n_f32 (0.044715f);
  const float32x4_t one = vdupq_n_f32 (1.0f);

  FOR_EACH_VECTOR (i, n, {
    float32x4_t v = LOAD (x + i);
    float32x4_t poly = vaddq_f32 (one, vmulq_f32 (vmulq_f32 (cubic, v), v));
    float32x4_t t = vmulq_f32 (vmulq_f32 (sqrt_8_over_pi, v), poly);
    STORE (y + i, times_sigmoid (v, t));
  });
}

/* (a, b) -> (a cos - b sin, a sin + b cos) */
BN_INLINE float32x4x2_t
rotate (float32x4x2_t v, float32x4x2_t angle)
{
  float32x4_t c = angle.val[0], s = angle.val[1];

  return (float32x4x2_t){
      {vsubq_f32 (vmulq_f32 (v.val[0], c), vmulq_f32 (v.val[1], s)),
          vaddq_f32 (vmulq_f32 (v.val[0], s), vmulq_f32 (v.val[1], c))}};
}

static void
rope_norm_neon (float *x, const float *cos_sin, uint32_t n_pairs)
{
  uint32_t i = 0;

  for (; i + FLOATS <= n_pairs; i += FLOATS)
    vst2q_f32 (
        x + 2 * i, rotate (vld2q_f32 (x + 2 * i), vld2q_f32 (cos_sin + 2 * i)));
  for (; i < n_pairs; i++) {
    float a = x[2 * i], b = x[2 * i + 1];
    float c = cos_sin[2 * i], s = cos_sin[2 * i + 1];

    x[2 * i] = a * c - b * s;
    x[2 * i + 1] = a * s + b * c;
  }
}

static void
rope_neox_neon (float *x, const float *cos_sin, uint32_t n_pairs)
{
  float *half = x + n_pairs;
  uint32_t i = 0;

  for (; i + FLOATS <= n_pairs; i += FLOATS) {
    float32x4x2_t v = {{vld1q_f32 (x + i), vld1q_f32 (half + i)}};

    v = rotate (v, vld2q_f32 (cos_sin + 2 * i));
    vst1q_f32 (x + i, v.val[0]);
    vst1q_f32 (half + i, v.val[1]);
  }
  for (; i < n_pairs; i++) {
    float a = x[i], b = half[i], c = cos_sin[2 * i], s = cos_sin[2 * i + 1];

    x[i] = a * c - b * s;
    half[i] = a * s + b * c;
  }
}

static void
f32_to_f16_neon (uint16_t *y, const float *x, uint32_t n)
{
  FOR_EACH_VECTOR (i, n, {
    uint16x4_t halves = vreinterpret_u16_f16 (vcvt_f16_f32 (LOAD (x + i)));
    uint16_t padded[FLOATS];

    if (n_left == FLOATS) {
      vst1_u16 (y + i, halves);
    } else {
      vst1_u16 (padded, halves);
      memcpy (y + i, padded, n_left * sizeof *y);
    }
  });
}

static void
f16_to_f32_neon (float *y, const uint16_t *x, uint32_t n)
{
  FOR_EACH_VECTOR (i, n, {
    uint16_t padded[FLOATS] = {0};
    uint16x4_t halves;

    if (n_left < FLOATS)
      memcpy (padded, x + i, n_left * sizeof *x);
    halves = vld1_u16 (n_left == FLOATS ? x + i : padded);
    STORE (y + i, vcvt_f32_f16 (vreinterpret_f16_u16 (halves)));
  });
}

/* Activation rows */

/* Bits of the larger magnitudes of max and v. */
BN_INLINE uint32x4_t
max_magnitudes (uint32x4_t max, float32x4_t v)
{
  return vmaxq_u32 (max, vreinterpretq_u32_f32 (vabsq_f32 (v)));
}

static uint32_t
max_magnitude_bits (const float *x, uint32_t n)
{
  uint32x4_t max = vdupq_n_u32 (0);

  FOR_EACH_VECTOR (i, n, { max = max_magnitudes (max, LOAD (x + i)); });
  return vmaxvq_u32 (max);
}

/* 16 int32 in order to int8, with saturation. */
BN_INLINE int8x16_t
pack_16 (const int32x4_t v[4])
{
  int16x8_t low = vqmovn_high_s32 (vqmovn_s32 (v[0]), v[1]);
  int16x8_t high = vqmovn_high_s32 (vqmovn_s32 (v[2]), v[3]);

  return vqmovn_high_s16 (vqmovn_s16 (low), high);
}

BN_INLINE void
load_16 (float32x4_t v[4], const float *x)
{
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    v[i] = vld1q_f32 (x + FLOATS * i);
}

/* n floats as a whole number of 16: those that fill 16 stay where they are,
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

/* Sums of int8 values, in four lanes of four neighbours each. */
BN_INLINE int32x4_t
add_4 (int32x4_t sums, int8x16_t q)
{
  return vpadalq_s16 (sums, vpaddlq_s8 (q));
}

static void
quantize_i8_neon (void *dst, const float *x, uint32_t n)
{
  const double smallest_max = 1e-5;
  BnActI8 *head = dst;
  int8_t *q = (int8_t *) dst + BN_ALIGN;
  uint32_t n_padded =
      (n + BN_COL_PADDING - 1) / BN_COL_PADDING * BN_COL_PADDING;
  uint32_t max_bits = max_magnitude_bits (x, n);
  double max = (double) bn_f32_from_bits (max_bits);
  int32x4_t sums = vdupq_n_s32 (0);
  float32x4_t scale;
  uint32_t i;
  Row row;

  memset (dst, 0, BN_ALIGN);
  if (max_bits >= BN_BITS_INFINITY) {
    head->scale = bn_f32_from_bits (BN_BITS_NAN);
    memset (q, 0, n_padded);
    return;
  }
  head->scale = (float) (127.0 / (max > smallest_max ? max : smallest_max));
  scale = vdupq_n_f32 (head->scale);
  row_init (&row, x, n);
  for (i = 0; i < n; i += 4 * FLOATS) {
    float32x4_t v[4];
    int32x4_t rounded[4];
    int8x16_t packed;

    load_16 (v, row_at (&row, i));
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
      rounded[j] = vcvtnq_s32_f32 (vmulq_f32 (v[j], scale));
    packed = pack_16 (rounded);
    sums = add_4 (sums, packed);
    vst1q_s8 (q + i, packed);
  }
  memset (q + i, 0, n_padded - i);
  head->sum = vaddvq_s32 (sums);
}

/* Column i is in group (i / 4) % 4: each vector of a 16 is one group, and so is
 * each lane of the sums. */
static void
quantize_i8x4_neon (void *dst, const float *x, uint32_t n)
{
  BnActI8X4 *head = dst;
  int8_t *q = (int8_t *) dst + BN_ALIGN;
  uint32_t n_padded =
      (n + BN_COL_PADDING - 1) / BN_COL_PADDING * BN_COL_PADDING;
  uint32x4_t max[4] = {
      vdupq_n_u32 (0), vdupq_n_u32 (0), vdupq_n_u32 (0), vdupq_n_u32 (0)};
  int32x4_t sums = vdupq_n_s32 (0);
  float inverse[4] = {0};
  uint32_t i;
  Row row;

  row_init (&row, x, n);
  for (i = 0; i < n; i += 4 * FLOATS) {
    float32x4_t v[4];

    load_16 (v, row_at (&row, i));
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
      max[g] = max_magnitudes (max[g], v[g]);
  }
  memset (dst, 0, BN_ALIGN);
#pragma GCC unroll 4
  for (int g = 0; g < 4; g++) {
    uint32_t bits = vmaxvq_u32 (max[g]);

    head->d[g] = bn_f32_from_bits (bits) / 127.0f;
    if (bits >= BN_BITS_INFINITY)
      head->d[g] = bn_f32_from_bits (BN_BITS_NAN);
    else if (head->d[g] >= FLT_MIN)
      inverse[g] = 1.0f / head->d[g];
  }
  for (i = 0; i < n; i += 4 * FLOATS) {
    float32x4_t v[4];
    int32x4_t rounded[4];
    int8x16_t packed;

    load_16 (v, row_at (&row, i));
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) /* 0 for NaN, which is infinity times 0 */
      rounded[g] = vcvtnq_s32_f32 (vmulq_n_f32 (v[g], inverse[g]));
    packed = pack_16 (rounded);
    sums = add_4 (sums, packed);
    vst1q_s8 (q + i, packed);
  }
  memset (q + i, 0, n_padded - i);
  vst1q_s32 (head->sum, sums);
}

/* Codes of a Q8_0 or Q8_1 block, and its scale. */
BN_INLINE int8x16x2_t
quantize_block (const float *x, float *d)
{
  uint32x4_t max = vdupq_n_u32 (0);
  int32x4_t rounded[8];
  float32x4_t v[8];
  uint32_t bits;
  float inverse = 0;

  load_16 (v, x);
  load_16 (v + 4, x + 4 * FLOATS);
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++)
    max = max_magnitudes (max, v[j]);
  bits = vmaxvq_u32 (max);
  *d = bn_f32_from_bits (bits) / 127.0f;
  if (bits >= BN_BITS_INFINITY) {
    *d = bn_f32_from_bits (BN_BITS_NAN);
    return (int8x16x2_t){{vdupq_n_s8 (0), vdupq_n_s8 (0)}};
  }
  if (*d >= FLT_MIN)
    inverse = 1.0f / *d;
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) /* halves away from zero */
    rounded[j] = vcvtaq_s32_f32 (vmulq_n_f32 (v[j], inverse));
  return (int8x16x2_t){{pack_16 (rounded), pack_16 (rounded + 4)}};
}

static void
quantize_q8_0_neon (void *dst, const float *x, uint32_t n)
{
  BnActQ8_0 *block = dst;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float d;
    int8x16x2_t q = quantize_block (x, &d);

    vst1q_s8 (block->qs, q.val[0]);
    vst1q_s8 (block->qs + 16, q.val[1]);
    block->d = bn_f32_to_f16 (d);
    block->sum = (int16_t) (vaddlvq_s8 (q.val[0]) + vaddlvq_s8 (q.val[1]));
  }
}

static void
f32_to_q8_0_neon (void *y, const float *x, uint32_t n)
{
  BnBlockQ8_0 *block = y;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float d;
    int8x16x2_t q = quantize_block (x, &d);

    vst1q_s8 (block->qs, q.val[0]);
    vst1q_s8 (block->qs + 16, q.val[1]);
    bn_store_u16 (block->d, bn_f32_to_f16 (d));
  }
}

static void
quantize_q8_1_neon (void *dst, const float *x, uint32_t n)
{
  BnActQ8_1 *block = dst;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    int8x16x2_t q = quantize_block (x, &block->d);
    int32x4_t sums = add_4 (add_4 (vdupq_n_s32 (0), q.val[0]), q.val[1]);

    vst1q_s8 (block->qs, q.val[0]);
    vst1q_s8 (block->qs + 16, q.val[1]);
    block->s = (float) vaddvq_s32 (sums) * block->d;
  }
}

/* 127 or -127 divided by the element of largest magnitude, 0 if that is too
 * small; the first one's sign counts. */
static float
inverse_q8_k (const float *x, uint32_t max_bits)
{
  const float smallest = 0x1p-118f; /* its inverse times 127 is finite */
  float max = bn_f32_from_bits (max_bits);

  if (max < smallest)
    return 0;
  for (int i = 0;; i += FLOATS) {
    float32x4_t v = vld1q_f32 (x + i);

    if (vmaxvq_u32 (vceqq_f32 (vabsq_f32 (v), vdupq_n_f32 (max))) == 0)
      continue;
    while (fabsf (x[i]) != max)
      i++;
    return (x[i] < 0 ? 127.0f : -127.0f) / max;
  }
}

static void
quantize_q8_k_neon (void *dst, const float *x, uint32_t n)
{
  BnActQ8_K *block = dst;

  for (; n >= BN_QK_K; n -= BN_QK_K, x += BN_QK_K, block++) {
    uint32_t max_bits = max_magnitude_bits (x, BN_QK_K);
    float inverse =
        max_bits < BN_BITS_INFINITY ? inverse_q8_k (x, max_bits) : 0;

    if (inverse == 0) {
      memset (block, 0, sizeof *block);
      if (max_bits >= BN_BITS_INFINITY)
        block->d = bn_f32_from_bits (BN_BITS_NAN);
      continue;
    }
    block->d = 1.0f / inverse;
    memset (block->padding, 0, sizeof block->padding);
    for (int i = 0; i < BN_QK_K; i += 4 * FLOATS) {
      float32x4_t v[4];
      int32x4_t rounded[4];
      int8x16_t packed;

      load_16 (v, x + i);
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++)
        rounded[j] = vcvtnq_s32_f32 (vmulq_n_f32 (v[j], inverse));
      packed = pack_16 (rounded);
      vst1q_s8 (block->qs + i, packed);
      block->sums[i / 16] = vaddlvq_s8 (packed);
    }
  }
}

void
bn_kernels_init_neon (BnKernels *k)
{
  k->quantize[BN_ACT_I8] = quantize_i8_neon;
  k->quantize[BN_ACT_I8X4] = quantize_i8x4_neon;
  k->quantize[BN_ACT_Q8_0] = quantize_q8_0_neon;
  k->quantize[BN_ACT_Q8_1] = quantize_q8_1_neon;
  k->quantize[BN_ACT_Q8_K] = quantize_q8_k_neon;
  k->rms_norm = rms_norm_neon;
  k->layer_norm = layer_norm_neon;
  k->add = add_neon;
  k->relu2_mul = relu2_mul_neon;
  k->silu_mul = silu_mul_neon;
  k->gelu = gelu_neon;
  k->rope_norm = rope_norm_neon;
  k->rope_neox = rope_neox_neon;
  k->f32_to_f16 = f32_to_f16_neon;
  k->f16_to_f32 = f16_to_f32_neon;
  k->f32_to_q8_0 = f32_to_q8_0_neon;
}
