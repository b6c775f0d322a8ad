/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of the 256-element K blocks (quant-formats.md 4). Decoding is exact;
 * the encoders are searches in float32 whose order of evaluation is part of
 * the format's reference (build without contraction). */
#include "bn-quants.h"

#include <math.h>
#include "bn-blocks.h"

/* Weighted search for x ~ scale * code - min, codes 0..max_code. */
typedef struct {
  int n;
  int max_code;
  float range_min;
  float range_step;
  int n_steps;
  int is_absolute; /* error measure: magnitude instead of square */
} MinSearch;

static const MinSearch search_q2_k = {16, 3, -0.5f, 0.1f, 15, 1};
static const MinSearch search_q4_k = {32, 15, -1.0f, 0.1f, 20, 0};
static const MinSearch search_q5_k = {32, 31, -0.5f, 0.1f, 15, 0};

static float
fit_error (const MinSearch *s, const uint8_t *codes, const float *x,
    const float *weights, float scale, float min)
{
  float error = 0;

  for (int i = 0; i < s->n; i++) {
    float diff = scale * (float) codes[i] + min - x[i];
    diff = s->is_absolute ? fabsf (diff) : diff * diff;
    error += weights[i] * diff;
  }
  return error;
}

static void
round_codes (
    const MinSearch *s, uint8_t *codes, const float *x, float inv, float low)
{
  for (int i = 0; i < s->n; i++)
    codes[i] =
        (uint8_t) bn_clamp_i32 (bn_rne (inv * (x[i] - low)), 0, s->max_code);
}

static float
search_min (const MinSearch *s, uint8_t *codes, const float *x,
    const float *weights, float *neg_min)
{
  float low = x[0], high = x[0];
  float sum_w = weights[0], sum_x = sum_w * x[0];
  float inv, scale, min, best;
  uint8_t trial[32];

  for (int i = 1; i < s->n; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  if (low > 0)
    low = 0;
  if (high == low) {
    memset (codes, 0, (size_t) s->n);
    *neg_min = -low;
    return 0;
  }
  inv = (float) s->max_code / (high - low);
  scale = 1 / inv;
  min = low;
  round_codes (s, codes, x, inv, low);
  best = fit_error (s, codes, x, weights, scale, min);
  for (int step = 0; step <= s->n_steps; step++) {
    float sum_q = 0, sum_qq = 0, sum_qx = 0;
    float det;

    inv = (s->range_min + s->range_step * (float) step + (float) s->max_code)
          / (high - min);
    round_codes (s, trial, x, inv, min);
    for (int i = 0; i < s->n; i++) {
      float q = trial[i], w = weights[i];
      sum_q += w * q;
      sum_qq += w * q * q;
      sum_qx += w * q * x[i];
    }
    det = sum_w * sum_qq - sum_q * sum_q;
    if (det > 0) {
      float this_scale = (sum_w * sum_qx - sum_x * sum_q) / det;
      float this_min = (sum_qq * sum_x - sum_q * sum_qx) / det;
      float error;

      if (this_min > 0) {
        this_min = 0;
        this_scale = sum_qx / sum_qq;
      }
      error = fit_error (s, trial, x, weights, this_scale, this_min);
      if (error < best) {
        memcpy (codes, trial, (size_t) s->n);
        best = error;
        scale = this_scale;
        min = this_min;
      }
    }
  }
  *neg_min = -min;
  return scale;
}

enum { SUB = 16 }; /* elements that share a scale in Q3_K and Q6_K */

static const float smallest_magnitude = 1e-15f;

static float
largest (const float *x, int n)
{
  float magnitude = 0, value = 0;

  for (int i = 0; i < n; i++) {
    if (fabsf (x[i]) > magnitude) {
      magnitude = fabsf (x[i]);
      value = x[i];
    }
  }
  return value;
}

/* codes q = rne (inv * x) and the sums of w*x*q and w*q*q, w = x^2 */
static void
symmetric_sums (int8_t codes[SUB], const float *x, float inv, int half,
    float *sum_xq, float *sum_qq)
{
  *sum_xq = *sum_qq = 0;
  for (int i = 0; i < SUB; i++) {
    int q = bn_clamp_i32 (bn_rne (inv * x[i]), -half, half - 1);
    float w = x[i] * x[i];

    codes[i] = (int8_t) q;
    *sum_xq += w * x[i] * (float) q;
    *sum_qq += w * (float) q * (float) q;
  }
}

/* Least squares over 19 step sizes. */
static float
search_symmetric (int8_t codes[SUB], const float *x, int half)
{
  float value = largest (x, SUB);
  float sum_xq, sum_qq, scale, best;
  int8_t trial[SUB];

  memset (codes, -half, SUB);
  if (fabsf (value) < smallest_magnitude)
    return 0;
  symmetric_sums (codes, x, (float) -half / value, half, &sum_xq, &sum_qq);
  scale = sum_qq != 0 ? sum_xq / sum_qq : 0.0f;
  best = scale * sum_xq;
  for (int step = -9; step <= 9; step++) {
    float inv = -((float) half + 0.1f * (float) step) / value;

    if (step == 0)
      continue;
    symmetric_sums (trial, x, inv, half, &sum_xq, &sum_qq);
    if (sum_qq > 0 && sum_xq * sum_xq > best * sum_qq) {
      memcpy (codes, trial, SUB);
      scale = sum_xq / sum_qq;
      best = scale * sum_xq;
    }
  }
  return scale;
}

/* Coordinate descent: moves one code at a time while the fit improves. */
static float
search_q3 (int8_t codes[SUB], const float *x)
{
  enum { HALF = 4, N_PASSES = 5 };
  float value = largest (x, SUB);
  float sum_xq, sum_qq;

  memset (codes, -HALF, SUB);
  if (fabsf (value) < smallest_magnitude)
    return 0;
  symmetric_sums (codes, x, (float) -HALF / value, HALF, &sum_xq, &sum_qq);
  for (int pass = 0; pass < N_PASSES; pass++) {
    int n_changed = 0;

    for (int i = 0; i < SUB; i++) {
      float w = x[i] * x[i], q = codes[i];
      float rest_xq = sum_xq - w * x[i] * q;
      float rest_qq = sum_qq - w * q * q;
      int proposal;

      if (!(rest_xq > 0))
        continue;
      proposal =
          bn_clamp_i32 (bn_rne (x[i] * rest_qq / rest_xq), -HALF, HALF - 1);
      if (proposal == codes[i])
        continue;
      rest_xq += w * x[i] * (float) proposal;
      rest_qq += w * (float) proposal * (float) proposal;
      if (rest_qq > 0
          && rest_xq * rest_xq * sum_qq > sum_xq * sum_xq * rest_qq) {
        codes[i] = (int8_t) proposal;
        sum_xq = rest_xq;
        sum_qq = rest_qq;
        n_changed++;
      }
    }
    if (n_changed == 0)
      break;
  }
  return sum_qq > 0 ? sum_xq / sum_qq : 0.0f;
}

static void
store_2bit (uint8_t qs[64], const uint8_t codes[BN_QK_K])
{
  for (int half = 0; half < 2; half++) {
    const uint8_t *c = codes + 128 * half;

    for (int i = 0; i < 32; i++)
      qs[32 * half + i] =
          (uint8_t) ((c[i] & 3) | (c[i + 32] & 3) << 2 | (c[i + 64] & 3) << 4
                     | (c[i + 96] & 3) << 6);
  }
}

static void
store_4bit (uint8_t qs[128], const uint8_t codes[BN_QK_K])
{
  for (int quarter = 0; quarter < 4; quarter++) {
    const uint8_t *c = codes + 64 * quarter;

    for (int i = 0; i < 32; i++)
      qs[32 * quarter + i] = (uint8_t) ((c[i] & 15) | (c[i + 32] & 15) << 4);
  }
}

static float
max_of (const float *x, int n)
{
  float max = 0;

  for (int i = 0; i < n; i++)
    max = x[i] > max ? x[i] : max;
  return max;
}

void
bn_dequantize_row_q2_k (float *y, const void *x, uint32_t n)
{
  const BnBlockQ2_K *block = x;
  uint8_t codes[BN_QK_K];

  for (; n >= BN_QK_K; n -= BN_QK_K, block++) {
    float d = bn_load_f16 (block->d), dmin = bn_load_f16 (block->dmin);

    bn_codes_2bit (codes, block->qs);
    for (int i = 0; i < BN_QK_K; i++) {
      int scale = block->scales[i / 16];
      float dl = d * (float) (scale & 15), ml = dmin * (float) (scale >> 4);
      *y++ = dl * (float) codes[i] - ml;
    }
  }
}

static void
quantize_block_q2_k (BnBlockQ2_K *block, const float *x)
{
  const float max_scale_code = 15.0f;
  float weights[16], scales[16], mins[16], max_scale, max_min, inv_s, inv_m;
  uint8_t codes[BN_QK_K];

  for (int j = 0; j < 16; j++) {
    for (int i = 0; i < 16; i++)
      weights[i] = fabsf (x[16 * j + i]);
    scales[j] = search_min (
        &search_q2_k, codes + 16 * j, x + 16 * j, weights, &mins[j]);
  }
  max_scale = max_of (scales, 16);
  max_min = max_of (mins, 16);
  inv_s = max_scale > 0 ? max_scale_code / max_scale : 0.0f;
  inv_m = max_min > 0 ? max_scale_code / max_min : 0.0f;
  bn_store_u16 (block->d, bn_f32_to_f16 (max_scale / max_scale_code));
  bn_store_u16 (block->dmin, bn_f32_to_f16 (max_min / max_scale_code));
  for (int j = 0; j < 16; j++) {
    int scale = bn_clamp_i32 (bn_rne (inv_s * scales[j]), 0, 15);
    int min = bn_clamp_i32 (bn_rne (inv_m * mins[j]), 0, 15);
    float d = bn_load_f16 (block->d) * (float) scale;
    float m = bn_load_f16 (block->dmin) * (float) min;

    block->scales[j] = (uint8_t) (scale | min << 4);
    for (int i = 16 * j; i < 16 * (j + 1) && d != 0; i++)
      codes[i] = (uint8_t) bn_clamp_i32 (bn_rne ((x[i] + m) / d), 0, 3);
  }
  store_2bit (block->qs, codes);
}

void
bn_quantize_row_q2_k (void *y, const float *x, uint32_t n)
{
  BnBlockQ2_K *block = y;

  for (; n >= BN_QK_K; n -= BN_QK_K, x += BN_QK_K)
    quantize_block_q2_k (block++, x);
}

void
bn_dequantize_row_q3_k (float *y, const void *x, uint32_t n)
{
  const BnBlockQ3_K *block = x;
  uint8_t codes[BN_QK_K];
  int8_t scales[16];

  for (; n >= BN_QK_K; n -= BN_QK_K, block++) {
    float d = bn_load_f16 (block->d);

    bn_codes_q3_k (codes, block);
    bn_scales_q3_k (scales, block);
    for (int i = 0; i < BN_QK_K; i++)
      *y++ = d * (float) scales[i / 16] * (float) (codes[i] - 4);
  }
}

static void
quantize_block_q3_k (BnBlockQ3_K *block, const float *x)
{
  int8_t codes[BN_QK_K];
  uint8_t unsigned_codes[BN_QK_K];
  float scales[16], max, inv;

  for (int j = 0; j < 16; j++)
    scales[j] = search_q3 (codes + 16 * j, x + 16 * j);
  max = largest (scales, 16);
  inv = max != 0 ? -32.0f / max : 0.0f;
  bn_store_u16 (block->d, bn_f32_to_f16 (max != 0 ? 1 / inv : 0.0f));
  memset (block->scales, 0, sizeof block->scales);
  memset (block->hmask, 0, sizeof block->hmask);
  for (int j = 0; j < 16; j++) {
    int scale = bn_clamp_i32 (bn_rne (inv * scales[j]), -32, 31);
    int bits = max != 0 ? scale + 32 : 0;
    float d;

    block->scales[j % 8] |= (uint8_t) ((bits & 15) << (j < 8 ? 0 : 4));
    block->scales[8 + j % 4] |= (uint8_t) ((bits >> 4) << (2 * (j / 4)));
    d = bn_load_f16 (block->d) * (float) scale;
    for (int i = 16 * j; i < 16 * (j + 1) && d != 0; i++)
      codes[i] = (int8_t) bn_clamp_i32 (bn_rne (x[i] / d), -4, 3);
  }
  for (int i = 0; i < BN_QK_K; i++) {
    unsigned_codes[i] = (uint8_t) (codes[i] + 4);
    block->hmask[i % 32] |= (uint8_t) (unsigned_codes[i] >> 2 << (i / 32));
  }
  store_2bit (block->qs, unsigned_codes);
}

void
bn_quantize_row_q3_k (void *y, const float *x, uint32_t n)
{
  BnBlockQ3_K *block = y;

  for (; n >= BN_QK_K; n -= BN_QK_K, x += BN_QK_K)
    quantize_block_q3_k (block++, x);
}

/* Q4_K and Q5_K share everything but the fifth bit. */
static void
dequantize_q45_k (float *y, const uint8_t codes[BN_QK_K], float d, float dmin,
    const uint8_t packed_scales[12])
{
  uint8_t scales[8], mins[8];

  bn_scales_q4_k (scales, mins, packed_scales);
  for (int i = 0; i < BN_QK_K; i++) {
    float dl = d * (float) scales[i / 32], ml = dmin * (float) mins[i / 32];
    y[i] = dl * (float) codes[i] - ml;
  }
}

void
bn_dequantize_row_q4_k (float *y, const void *x, uint32_t n)
{
  const BnBlockQ4_K *block = x;
  uint8_t codes[BN_QK_K];

  for (; n >= BN_QK_K; n -= BN_QK_K, block++, y += BN_QK_K) {
    bn_codes_q4_k (codes, block->qs);
    dequantize_q45_k (y, codes, bn_load_f16 (block->d),
        bn_load_f16 (block->dmin), block->scales);
  }
}

void
bn_dequantize_row_q5_k (float *y, const void *x, uint32_t n)
{
  const BnBlockQ5_K *block = x;
  uint8_t codes[BN_QK_K];

  for (; n >= BN_QK_K; n -= BN_QK_K, block++, y += BN_QK_K) {
    bn_codes_q5_k (codes, block);
    dequantize_q45_k (y, codes, bn_load_f16 (block->d),
        bn_load_f16 (block->dmin), block->scales);
  }
}

static void
quantize_q45_k (uint8_t codes[BN_QK_K], const float *x, const MinSearch *s,
    uint8_t d16[2], uint8_t dmin16[2], uint8_t packed[12])
{
  const float max_scale_code = 63.0f;
  float weights[32], scales[8], mins[8], max_scale, max_min, inv_s, inv_m;

  for (int j = 0; j < 8; j++) {
    float sum = 0, root;

    for (int i = 0; i < 32; i++)
      sum += x[32 * j + i] * x[32 * j + i];
    root = sqrtf (sum / 32);
    for (int i = 0; i < 32; i++)
      weights[i] = root + fabsf (x[32 * j + i]);
    scales[j] = search_min (s, codes + 32 * j, x + 32 * j, weights, &mins[j]);
  }
  max_scale = max_of (scales, 8);
  max_min = max_of (mins, 8);
  inv_s = max_scale > 0 ? max_scale_code / max_scale : 0.0f;
  inv_m = max_min > 0 ? max_scale_code / max_min : 0.0f;
  bn_store_u16 (d16, bn_f32_to_f16 (max_scale / max_scale_code));
  bn_store_u16 (dmin16, bn_f32_to_f16 (max_min / max_scale_code));
  memset (packed, 0, 12);
  for (int j = 0; j < 8; j++) {
    int scale = bn_clamp_i32 (bn_rne (inv_s * scales[j]), 0, 63);
    int min = bn_clamp_i32 (bn_rne (inv_m * mins[j]), 0, 63);
    float d = bn_load_f16 (d16) * (float) scale;
    float m = bn_load_f16 (dmin16) * (float) min;

    if (j < 4) {
      packed[j] = (uint8_t) scale;
      packed[j + 4] = (uint8_t) min;
    } else {
      packed[j + 4] = (uint8_t) ((scale & 15) | (min & 15) << 4);
      packed[j - 4] |= (uint8_t) (scale >> 4 << 6);
      packed[j] |= (uint8_t) (min >> 4 << 6);
    }
    for (int i = 32 * j; i < 32 * (j + 1) && d != 0; i++)
      codes[i] =
          (uint8_t) bn_clamp_i32 (bn_rne ((x[i] + m) / d), 0, s->max_code);
  }
}

void
bn_quantize_row_q4_k (void *y, const float *x, uint32_t n)
{
  BnBlockQ4_K *block = y;
  uint8_t codes[BN_QK_K];

  for (; n >= BN_QK_K; n -= BN_QK_K, x += BN_QK_K, block++) {
    quantize_q45_k (
        codes, x, &search_q4_k, block->d, block->dmin, block->scales);
    store_4bit (block->qs, codes);
  }
}

void
bn_quantize_row_q5_k (void *y, const float *x, uint32_t n)
{
  BnBlockQ5_K *block = y;
  uint8_t codes[BN_QK_K];

  for (; n >= BN_QK_K; n -= BN_QK_K, x += BN_QK_K, block++) {
    quantize_q45_k (
        codes, x, &search_q5_k, block->d, block->dmin, block->scales);
    store_4bit (block->qs, codes);
    memset (block->qh, 0, sizeof block->qh);
    for (int i = 0; i < BN_QK_K; i++)
      block->qh[i % 32] |= (uint8_t) (codes[i] >> 4 << (i / 32));
  }
}

void
bn_dequantize_row_q6_k (float *y, const void *x, uint32_t n)
{
  const BnBlockQ6_K *block = x;
  uint8_t codes[BN_QK_K];

  for (; n >= BN_QK_K; n -= BN_QK_K, block++) {
    float d = bn_load_f16 (block->d);

    bn_codes_q6_k (codes, block);
    for (int i = 0; i < BN_QK_K; i++)
      *y++ = d * (float) block->scales[i / 16] * (float) (codes[i] - 32);
  }
}

static void
quantize_block_q6_k (BnBlockQ6_K *block, const float *x)
{
  float scales[16], max, inv;
  int8_t codes[BN_QK_K];

  for (int j = 0; j < 16; j++)
    scales[j] = search_symmetric (codes + 16 * j, x + 16 * j, 32);
  max = largest (scales, 16);
  memset (block, 0, sizeof *block);
  if (fabsf (max) < smallest_magnitude)
    return;
  inv = -128.0f / max;
  bn_store_u16 (block->d, bn_f32_to_f16 (1 / inv));
  for (int j = 0; j < 16; j++) {
    int scale = bn_clamp_i32 (bn_rne (inv * scales[j]), -128, 127);
    float d = bn_load_f16 (block->d) * (float) scale;

    block->scales[j] = (int8_t) scale;
    for (int i = 16 * j; i < 16 * (j + 1) && d != 0; i++)
      codes[i] = (int8_t) bn_clamp_i32 (bn_rne (x[i] / d), -32, 31);
  }
  for (int i = 0; i < BN_QK_K; i++)
    codes[i] = (int8_t) (codes[i] + 32);
  for (int half = 0; half < 2; half++) {
    const int8_t *c = codes + 128 * half;

    for (int i = 0; i < 32; i++) {
      block->ql[64 * half + i] =
          (uint8_t) ((c[i] & 15) | (c[i + 64] & 15) << 4);
      block->ql[64 * half + 32 + i] =
          (uint8_t) ((c[i + 32] & 15) | (c[i + 96] & 15) << 4);
      block->qh[32 * half + i] =
          (uint8_t) (c[i] >> 4 | c[i + 32] >> 4 << 2 | c[i + 64] >> 4 << 4
                     | c[i + 96] >> 4 << 6);
    }
  }
}

void
bn_quantize_row_q6_k (void *y, const float *x, uint32_t n)
{
  BnBlockQ6_K *block = y;

  for (; n >= BN_QK_K; n -= BN_QK_K, x += BN_QK_K)
    quantize_block_q6_k (block++, x);
}
