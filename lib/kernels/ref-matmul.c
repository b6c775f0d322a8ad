/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* C reference of activation quantization and of the products.
 *
 * A product of quantized rows is made of exact integer sums over a block,
 *
 *   u = sum (code * a)   with unsigned codes,   S = sum (a),
 *
 * from which the zero point is taken out once (quant-formats.md 10):
 * sum ((code - zero) * a) = u - zero * S. The float scales of the blocks are
 * applied after that and the blocks added in order. Rows stay as they lie in
 * the file, except for BN_PACK_TERNARY:
 *
 *   row:    n_cols rounded up to BN_COL_PADDING, in blocks of 32 bytes
 *   byte i: columns i, 32 + i, 64 + i, 96 + i in bits 0-1, 2-3, 4-5, 6-7
 *   padding columns hold code 1, which is weight 0 */
#include "ref.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include "bn-blocks.h"
#include "bn-quants.h"

/* Activations */

static void
quantize_f32_c (void *dst, const float *x, uint32_t n)
{
  memcpy (dst, x, (size_t) n * sizeof *x);
}

/* One scale for the row (quant-formats.md 6.3). If any x is not finite the
 * scale is NaN and all codes 0, so that every product of the row is NaN. */
static void
quantize_i8_c (void *dst, const float *x, uint32_t n)
{
  const double smallest_max = 1e-5;
  BnActI8 *head = dst;
  int8_t *q = (int8_t *) dst + BN_ALIGN;
  uint32_t n_padded =
      (n + BN_COL_PADDING - 1) / BN_COL_PADDING * BN_COL_PADDING;
  uint32_t max_bits = bn_max_magnitude_bits (x, n);
  double max = (double) bn_f32_from_bits (max_bits);
  int32_t sum = 0;

  memset (dst, 0, BN_ALIGN);
  if (max_bits >= BN_BITS_INFINITY) {
    head->scale = bn_f32_from_bits (BN_BITS_NAN);
    memset (q, 0, n_padded);
    return;
  }
  head->scale = (float) (127.0 / (max > smallest_max ? max : smallest_max));
  for (uint32_t i = 0; i < n; i++) {
    q[i] = (int8_t) bn_clamp_i32 (bn_rne (x[i] * head->scale), -128, 127);
    sum += q[i];
  }
  memset (q + n, 0, n_padded - n);
  head->sum = sum;
}

/* Four interleaved scales for the row (quant-formats.md 9). */
static void
quantize_i8x4_c (void *dst, const float *x, uint32_t n)
{
  BnActI8X4 *head = dst;
  int8_t *q = (int8_t *) dst + BN_ALIGN;
  uint32_t n_padded =
      (n + BN_COL_PADDING - 1) / BN_COL_PADDING * BN_COL_PADDING;
  uint32_t max_bits[4] = {0};
  float inverse[4] = {0};

  memset (dst, 0, BN_ALIGN + n_padded);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t bits = bn_f32_bits (x[i]) & 0x7fffffff;
    uint32_t *max = &max_bits[i / 4 % 4];
    *max = bits > *max ? bits : *max;
  }
  for (int g = 0; g < 4; g++) {
    head->d[g] = bn_f32_from_bits (max_bits[g]) / 127.0f;
    if (max_bits[g] >= BN_BITS_INFINITY)
      head->d[g] = bn_f32_from_bits (BN_BITS_NAN);
    else if (head->d[g] >= 0x1p-126f)
      inverse[g] = 1.0f / head->d[g];
  }
  for (uint32_t i = 0; i < n; i++) {
    int g = i / 4 % 4;

    if (inverse[g] == 0)
      continue;
    q[i] = (int8_t) bn_clamp_i32 (bn_rne (x[i] * inverse[g]), -128, 127);
    head->sum[g] += q[i];
  }
}

static void
quantize_q8_0_c (void *dst, const float *x, uint32_t n)
{
  BnActQ8_0 *block = dst;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    BnBlockQ8_0 coded;
    int32_t sum = 0;

    bn_quantize_row_q8_0 (&coded, x, BN_QK);
    for (int i = 0; i < BN_QK; i++)
      sum += coded.qs[i];
    block->d = bn_load_u16 (coded.d);
    block->sum = (int16_t) sum;
    memcpy (block->qs, coded.qs, sizeof coded.qs);
  }
}

static void
quantize_q8_1_c (void *dst, const float *x, uint32_t n)
{
  BnActQ8_1 *block = dst;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float id, d = bn_q8_scale (x, &id);
    int32_t sum = 0;

    for (int i = 0; i < BN_QK; i++) {
      block->qs[i] = id != 0 ? (int8_t) bn_rhaz (x[i] * id) : 0;
      sum += block->qs[i];
    }
    block->d = d;
    block->s = (float) sum * d;
  }
}

/* The element of largest magnitude becomes -127, whatever its sign. */
static void
quantize_q8_k_c (void *dst, const float *x, uint32_t n)
{
  const float smallest = 0x1p-118f; /* its inverse times 127 is finite */
  BnActQ8_K *block = dst;

  for (; n >= BN_QK_K; n -= BN_QK_K, x += BN_QK_K, block++) {
    uint32_t max_bits = bn_max_magnitude_bits (x, BN_QK_K);
    float max = bn_f32_from_bits (max_bits);
    float inverse = 0;
    int is_negative;

    memset (block->padding, 0, sizeof block->padding);
    block->d =
        max_bits >= BN_BITS_INFINITY ? bn_f32_from_bits (BN_BITS_NAN) : 0;
    if (max_bits < BN_BITS_INFINITY && max >= smallest) {
      int i = 0;

      while (fabsf (x[i]) != max)
        i++;
      is_negative = x[i] < 0;
      inverse = (is_negative ? 127.0f : -127.0f) / max;
      block->d = 1.0f / inverse;
    }
    for (int j = 0; j < 16; j++) {
      int sum = 0;

      for (int i = 16 * j; i < 16 * (j + 1); i++) {
        int q = inverse != 0 ? bn_rne (inverse * x[i]) : 0;
        block->qs[i] = (int8_t) (q > 127 ? 127 : q);
        sum += block->qs[i];
      }
      block->sums[j] = (int16_t) sum;
    }
  }
}

/* Dot products of one weight row with one activation row */

typedef float (*DotRow) (const void *w, const void *a, uint32_t n);

enum { LANES = 16 };

static float
add_lanes (const float lanes[LANES])
{
  float sum[LANES];

  memcpy (sum, lanes, sizeof sum);
  for (int width = LANES / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; i++)
      sum[i] += sum[i + width];
  }
  return sum[0];
}

/* Element i is added to lane i % LANES; the lanes are added at the end. */
#define DEFINE_DOT_FLOATS(name, element_size, load)                            \
  static float dot_##name##_c (const void *w, const void *a, uint32_t n)       \
  {                                                                            \
    const uint8_t *bytes = w;                                                  \
    const float *x = a;                                                        \
    float lanes[LANES] = {0};                                                  \
    uint32_t i = 0;                                                            \
    for (; i + LANES <= n; i += LANES) {                                       \
      for (int lane = 0; lane < LANES; lane++)                                 \
        lanes[lane] +=                                                         \
            load (bytes + (size_t) (i + lane) * element_size) * x[i + lane];   \
    }                                                                          \
    for (int lane = 0; i < n; i++, lane++)                                     \
      lanes[lane] += load (bytes + (size_t) i * element_size) * x[i];          \
    return add_lanes (lanes);                                                  \
  }

static inline float
load_bf16 (const void *p)
{
  return bn_bf16_to_f32 (bn_load_u16 (p));
}

DEFINE_DOT_FLOATS (f32, 4, bn_load_f32)
DEFINE_DOT_FLOATS (f16, 2, bn_load_f16)
DEFINE_DOT_FLOATS (bf16, 2, load_bf16)

static int32_t
dot_codes (const uint8_t *codes, const int8_t *a, int n)
{
  int32_t sum = 0;

  for (int i = 0; i < n; i++)
    sum += codes[i] * a[i];
  return sum;
}

static int32_t
sum_i8 (const int8_t *a, int n)
{
  int32_t sum = 0;

  for (int i = 0; i < n; i++)
    sum += a[i];
  return sum;
}

static float
dot_q4_0_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockQ4_0 *block = w;
  const BnActQ8_0 *act = a;
  uint8_t codes[BN_QK];
  float y = 0;

  for (; n >= BN_QK; n -= BN_QK, block++, act++) {
    bn_codes_q4 (codes, block->qs);
    int32_t sum =
        dot_codes (codes, act->qs, BN_QK) - 8 * sum_i8 (act->qs, BN_QK);
    y += bn_load_f16 (block->d) * bn_f16_to_f32 (act->d) * (float) sum;
  }
  return y;
}

static float
dot_q5_0_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockQ5_0 *block = w;
  const BnActQ8_0 *act = a;
  uint8_t codes[BN_QK];
  float y = 0;

  for (; n >= BN_QK; n -= BN_QK, block++, act++) {
    bn_codes_q5 (codes, block->qs, block->qh);
    int32_t sum =
        dot_codes (codes, act->qs, BN_QK) - 16 * sum_i8 (act->qs, BN_QK);
    y += bn_load_f16 (block->d) * bn_f16_to_f32 (act->d) * (float) sum;
  }
  return y;
}

static float
dot_q8_0_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockQ8_0 *block = w;
  const BnActQ8_0 *act = a;
  float y = 0;

  for (; n >= BN_QK; n -= BN_QK, block++, act++) {
    int32_t sum = 0;

    for (int i = 0; i < BN_QK; i++)
      sum += block->qs[i] * act->qs[i];
    y += bn_load_f16 (block->d) * bn_f16_to_f32 (act->d) * (float) sum;
  }
  return y;
}

static float
dot_q4_1_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockQ4_1 *block = w;
  const BnActQ8_1 *act = a;
  uint8_t codes[BN_QK];
  float y = 0;

  for (; n >= BN_QK; n -= BN_QK, block++, act++) {
    bn_codes_q4 (codes, block->qs);
    y += bn_load_f16 (block->d) * act->d
             * (float) dot_codes (codes, act->qs, BN_QK)
         + bn_load_f16 (block->m) * act->s;
  }
  return y;
}

static float
dot_q5_1_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockQ5_1 *block = w;
  const BnActQ8_1 *act = a;
  uint8_t codes[BN_QK];
  float y = 0;

  for (; n >= BN_QK; n -= BN_QK, block++, act++) {
    bn_codes_q5 (codes, block->qs, block->qh);
    y += bn_load_f16 (block->d) * act->d
             * (float) dot_codes (codes, act->qs, BN_QK)
         + bn_load_f16 (block->m) * act->s;
  }
  return y;
}

static float
dot_q2_k_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockQ2_K *block = w;
  const BnActQ8_K *act = a;
  uint8_t codes[BN_QK_K];
  float y = 0;

  for (; n >= BN_QK_K; n -= BN_QK_K, block++, act++) {
    int32_t u = 0, mins = 0;

    bn_codes_2bit (codes, block->qs);
    for (int j = 0; j < 16; j++) {
      u += (block->scales[j] & 15)
           * dot_codes (codes + 16 * j, act->qs + 16 * j, 16);
      mins += (block->scales[j] >> 4) * act->sums[j];
    }
    y += act->d
         * (bn_load_f16 (block->d) * (float) u
             - bn_load_f16 (block->dmin) * (float) mins);
  }
  return y;
}

static float
dot_q3_k_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockQ3_K *block = w;
  const BnActQ8_K *act = a;
  uint8_t codes[BN_QK_K];
  int8_t scales[16];
  float y = 0;

  for (; n >= BN_QK_K; n -= BN_QK_K, block++, act++) {
    int32_t u = 0;

    bn_codes_q3_k (codes, block);
    bn_scales_q3_k (scales, block);
    for (int j = 0; j < 16; j++)
      u += scales[j]
           * (dot_codes (codes + 16 * j, act->qs + 16 * j, 16)
               - 4 * act->sums[j]);
    y += act->d * bn_load_f16 (block->d) * (float) u;
  }
  return y;
}

static float
dot_q45_k (const uint8_t codes[BN_QK_K], const uint8_t packed_scales[12],
    float d, float dmin, const BnActQ8_K *act)
{
  uint8_t scales[8], mins[8];
  int32_t u = 0, m = 0;

  bn_scales_q4_k (scales, mins, packed_scales);
  for (int j = 0; j < 8; j++) {
    u += scales[j] * dot_codes (codes + 32 * j, act->qs + 32 * j, 32);
    m += mins[j] * (act->sums[2 * j] + act->sums[2 * j + 1]);
  }
  return act->d * (d * (float) u - dmin * (float) m);
}

static float
dot_q4_k_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockQ4_K *block = w;
  const BnActQ8_K *act = a;
  uint8_t codes[BN_QK_K];
  float y = 0;

  for (; n >= BN_QK_K; n -= BN_QK_K, block++, act++) {
    bn_codes_q4_k (codes, block->qs);
    y += dot_q45_k (codes, block->scales, bn_load_f16 (block->d),
        bn_load_f16 (block->dmin), act);
  }
  return y;
}

static float
dot_q5_k_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockQ5_K *block = w;
  const BnActQ8_K *act = a;
  uint8_t codes[BN_QK_K];
  float y = 0;

  for (; n >= BN_QK_K; n -= BN_QK_K, block++, act++) {
    bn_codes_q5_k (codes, block);
    y += dot_q45_k (codes, block->scales, bn_load_f16 (block->d),
        bn_load_f16 (block->dmin), act);
  }
  return y;
}

static float
dot_q6_k_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockQ6_K *block = w;
  const BnActQ8_K *act = a;
  uint8_t codes[BN_QK_K];
  float y = 0;

  for (; n >= BN_QK_K; n -= BN_QK_K, block++, act++) {
    int32_t u = 0;

    bn_codes_q6_k (codes, block);
    for (int j = 0; j < 16; j++)
      u += block->scales[j]
           * (dot_codes (codes + 16 * j, act->qs + 16 * j, 16)
               - 32 * act->sums[j]);
    y += act->d * bn_load_f16 (block->d) * (float) u;
  }
  return y;
}

static int32_t
sum_of_sums (const BnActQ8_K *act)
{
  int32_t sum = 0;

  for (int j = 0; j < 16; j++)
    sum += act->sums[j];
  return sum;
}

static float
dot_tq1_0_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockTQ1_0 *block = w;
  const BnActQ8_K *act = a;
  uint8_t codes[BN_QK_K];
  float y = 0;

  for (; n >= BN_QK_K; n -= BN_QK_K, block++, act++) {
    bn_codes_tq1_0 (codes, block);
    int32_t u = dot_codes (codes, act->qs, BN_QK_K) - sum_of_sums (act);
    y += act->d * bn_load_f16 (block->d) * (float) u;
  }
  return y;
}

static float
dot_tq2_0_c (const void *w, const void *a, uint32_t n)
{
  const BnBlockTQ2_0 *block = w;
  const BnActQ8_K *act = a;
  uint8_t codes[BN_QK_K];
  float y = 0;

  for (; n >= BN_QK_K; n -= BN_QK_K, block++, act++) {
    bn_codes_2bit (codes, block->qs);
    int32_t u = dot_codes (codes, act->qs, BN_QK_K) - sum_of_sums (act);
    y += act->d * bn_load_f16 (block->d) * (float) u;
  }
  return y;
}

/* Rows in file form: the same loop for each dot product. */

static void
matmul_rows (float *y, size_t y_stride, const BnMatrix *w, size_t row_size,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts, DotRow dot)
{
  for (uint32_t row = row_begin; row < row_end; row++) {
    const uint8_t *weights = (const uint8_t *) w->data + row * row_size;

    for (uint32_t i = 0; i < n_acts; i++) {
      const uint8_t *act = (const uint8_t *) acts + i * act_stride;

      y[i * y_stride + row] = dot (weights, act, w->n_cols);
    }
  }
}

#define DEFINE_MATMUL(name, elements, size)                                    \
  static void matmul_##name##_c (float *y, size_t y_stride, const BnMatrix *w, \
      uint32_t row_begin, uint32_t row_end, const void *acts,                  \
      size_t act_stride, uint32_t n_acts)                                      \
  {                                                                            \
    matmul_rows (y, y_stride, w, (size_t) (w->n_cols / (elements)) * (size),   \
        row_begin, row_end, acts, act_stride, n_acts, dot_##name##_c);         \
  }

DEFINE_MATMUL (f32, 1, 4)
DEFINE_MATMUL (f16, 1, 2)
DEFINE_MATMUL (bf16, 1, 2)
DEFINE_MATMUL (q4_0, BN_QK, sizeof (BnBlockQ4_0))
DEFINE_MATMUL (q4_1, BN_QK, sizeof (BnBlockQ4_1))
DEFINE_MATMUL (q5_0, BN_QK, sizeof (BnBlockQ5_0))
DEFINE_MATMUL (q5_1, BN_QK, sizeof (BnBlockQ5_1))
DEFINE_MATMUL (q8_0, BN_QK, sizeof (BnBlockQ8_0))
DEFINE_MATMUL (q2_k, BN_QK_K, sizeof (BnBlockQ2_K))
DEFINE_MATMUL (q3_k, BN_QK_K, sizeof (BnBlockQ3_K))
DEFINE_MATMUL (q4_k, BN_QK_K, sizeof (BnBlockQ4_K))
DEFINE_MATMUL (q5_k, BN_QK_K, sizeof (BnBlockQ5_K))
DEFINE_MATMUL (q6_k, BN_QK_K, sizeof (BnBlockQ6_K))
DEFINE_MATMUL (tq1_0, BN_QK_K, sizeof (BnBlockTQ1_0))
DEFINE_MATMUL (tq2_0, BN_QK_K, sizeof (BnBlockTQ2_0))

static size_t
packed_size_in_place (uint32_t n_rows, uint32_t n_cols)
{
  return 0;
}

/* Ternary rows */

enum { TERNARY_COLS = 128, TERNARY_BYTES = 32 };

static size_t
ternary_row_size (uint32_t n_cols)
{
  return ((size_t) n_cols + BN_COL_PADDING - 1) / BN_COL_PADDING
         * (BN_COL_PADDING / 4);
}

static size_t
packed_size_ternary_c (uint32_t n_rows, uint32_t n_cols)
{
  return n_rows * ternary_row_size (n_cols);
}

static void
pack_ternary_c (void *dst, const void *src, uint32_t n_rows, uint32_t n_cols,
    uint32_t row_begin, uint32_t row_end)
{
  size_t row_size = ternary_row_size (n_cols);
  const uint8_t *codes = src;
  uint8_t *out = (uint8_t *) dst + row_begin * row_size;

  for (uint32_t row = row_begin; row < row_end; row++, codes += n_cols) {
    for (uint32_t col = 0; col < 4 * row_size; col += TERNARY_COLS) {
      uint32_t rest = col < n_cols ? n_cols - col : 0;
      uint8_t block[TERNARY_COLS];

      memset (block, 1, sizeof block);
      memcpy (block, codes + n_cols - rest,
          rest < TERNARY_COLS ? rest : TERNARY_COLS);
      for (int i = 0; i < TERNARY_BYTES; i++)
        *out++ = (uint8_t) (block[i] | block[32 + i] << 2 | block[64 + i] << 4
                            | block[96 + i] << 6);
    }
  }
}

/* sum (code * q): exact, at most 3 * 128 for a column */
static int32_t
dot_ternary (const uint8_t *w, const int8_t *q, size_t row_size)
{
  int32_t u = 0;

  for (size_t b = 0; b < row_size; b += TERNARY_BYTES, q += TERNARY_COLS) {
    for (int i = 0; i < TERNARY_BYTES; i++) {
      uint8_t byte = w[b + i];

      u += (byte & 3) * q[i] + (byte >> 2 & 3) * q[32 + i]
           + (byte >> 4 & 3) * q[64 + i] + (byte >> 6) * q[96 + i];
    }
  }
  return u;
}

static void
matmul_ternary_c (float *y, size_t y_stride, const BnMatrix *w,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts)
{
  size_t row_size = ternary_row_size (w->n_cols);

  for (uint32_t row = row_begin; row < row_end; row++) {
    const uint8_t *weights = (const uint8_t *) w->data + row * row_size;

    for (uint32_t i = 0; i < n_acts; i++) {
      const BnActI8 *head =
          (const void *) ((const uint8_t *) acts + i * act_stride);
      const int8_t *q = (const int8_t *) head + BN_ALIGN;
      int32_t u = dot_ternary (weights, q, row_size);

      /* in this order: the last bit of bitnet.cpp */
      y[i * y_stride + row] =
          (float) (u - head->sum) / head->scale * w->row_scale[row];
    }
  }
}

/* The same of a row of an I2_S tensor in layout A: groups from the top bits
 * down */
static int32_t
dot_i2s (const uint8_t *w, const int8_t *q, size_t row_size)
{
  int32_t u = 0;

  for (size_t b = 0; b < row_size; b += TERNARY_BYTES, q += TERNARY_COLS) {
    for (int i = 0; i < TERNARY_BYTES; i++) {
      uint8_t byte = w[b + i];

      u += (byte >> 6) * q[i] + (byte >> 4 & 3) * q[32 + i]
           + (byte >> 2 & 3) * q[64 + i] + (byte & 3) * q[96 + i];
    }
  }
  return u;
}

static void
matmul_i2s_c (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const void *acts, size_t act_stride, uint32_t n_acts)
{
  size_t row_size = w->n_cols / 4;

  for (uint32_t row = row_begin; row < row_end; row++) {
    const uint8_t *weights = (const uint8_t *) w->data + row * row_size;

    for (uint32_t i = 0; i < n_acts; i++) {
      const BnActI8 *head =
          (const void *) ((const uint8_t *) acts + i * act_stride);
      int32_t u = dot_i2s (weights, (const int8_t *) head + BN_ALIGN, row_size);

      y[i * y_stride + row] =
          (float) (u - head->sum) / head->scale * w->row_scale[row];
    }
  }
}

/* The same with the sum of each group of columns apart. */
static void
dot_ternary_x4 (
    int32_t u[4], const uint8_t *w, const int8_t *q, size_t row_size)
{
  for (int g = 0; g < 4; g++)
    u[g] = 0;
  for (size_t b = 0; b < row_size; b += TERNARY_BYTES, q += TERNARY_COLS) {
    for (int i = 0; i < TERNARY_BYTES; i++) {
      uint8_t byte = w[b + i];

      u[i / 4 % 4] += (byte & 3) * q[i] + (byte >> 2 & 3) * q[32 + i]
                      + (byte >> 4 & 3) * q[64 + i] + (byte >> 6) * q[96 + i];
    }
  }
}

/* The same of the blocks of an IQ2_BN row */
static void
dot_iq2_bn (int32_t u[4], const uint8_t *w, const int8_t *q, size_t row_size)
{
  for (int g = 0; g < 4; g++)
    u[g] = 0;
  for (size_t b = 0; b < row_size; b += sizeof (BnBlockIQ2_BN), q += BN_QK_BN) {
    for (size_t i = 0; i < sizeof (BnBlockIQ2_BN); i++) {
      uint8_t byte = w[b + i];

      u[i / 4] += (byte & 3) * q[i] + (byte >> 2 & 3) * q[16 + i]
                  + (byte >> 4 & 3) * q[32 + i] + (byte >> 6) * q[48 + i];
    }
  }
}

/* header: bytes in front of each row */
static void
matmul_x4 (float *y, size_t y_stride, const BnMatrix *w, size_t header,
    size_t row_size, uint32_t row_begin, uint32_t row_end, const void *acts,
    size_t act_stride, uint32_t n_acts,
    void (*dot) (int32_t u[4], const uint8_t *, const int8_t *, size_t))
{
  for (uint32_t row = row_begin; row < row_end; row++) {
    const uint8_t *weights =
        (const uint8_t *) w->data + row * (header + row_size) + header;

    for (uint32_t i = 0; i < n_acts; i++) {
      const BnActI8X4 *head =
          (const void *) ((const uint8_t *) acts + i * act_stride);
      int32_t u[4];
      float part[4];

      dot (u, weights, (const int8_t *) head + BN_ALIGN, row_size);
      for (int g = 0; g < 4; g++)
        part[g] = head->d[g] * (float) (u[g] - head->sum[g]);
      y[i * y_stride + row] =
          ((part[0] + part[2]) + (part[1] + part[3])) * w->row_scale[row];
    }
  }
}

static void
matmul_ternary_x4_c (float *y, size_t y_stride, const BnMatrix *w,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts)
{
  matmul_x4 (y, y_stride, w, 0, ternary_row_size (w->n_cols), row_begin,
      row_end, acts, act_stride, n_acts, dot_ternary_x4);
}

static void
matmul_iq2_bn_c (float *y, size_t y_stride, const BnMatrix *w,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts)
{
  matmul_x4 (y, y_stride, w, sizeof (float), w->n_cols / 4, row_begin, row_end,
      acts, act_stride, n_acts, dot_iq2_bn);
}

#define IN_PLACE(act, name)                                                    \
  {                                                                            \
    act, 1, packed_size_in_place, NULL, matmul_##name##_c                      \
  }

static const BnMatmulOps in_place_ops[BN_N_PACKS] = {
    [BN_PACK_F32] = IN_PLACE (BN_ACT_F32, f32),
    [BN_PACK_F16] = IN_PLACE (BN_ACT_F32, f16),
    [BN_PACK_BF16] = IN_PLACE (BN_ACT_F32, bf16),
    [BN_PACK_Q4_0] = IN_PLACE (BN_ACT_Q8_0, q4_0),
    [BN_PACK_Q4_1] = IN_PLACE (BN_ACT_Q8_1, q4_1),
    [BN_PACK_Q5_0] = IN_PLACE (BN_ACT_Q8_0, q5_0),
    [BN_PACK_Q5_1] = IN_PLACE (BN_ACT_Q8_1, q5_1),
    [BN_PACK_Q8_0] = IN_PLACE (BN_ACT_Q8_0, q8_0),
    [BN_PACK_Q2_K] = IN_PLACE (BN_ACT_Q8_K, q2_k),
    [BN_PACK_Q3_K] = IN_PLACE (BN_ACT_Q8_K, q3_k),
    [BN_PACK_Q4_K] = IN_PLACE (BN_ACT_Q8_K, q4_k),
    [BN_PACK_Q5_K] = IN_PLACE (BN_ACT_Q8_K, q5_k),
    [BN_PACK_Q6_K] = IN_PLACE (BN_ACT_Q8_K, q6_k),
    [BN_PACK_TQ1_0] = IN_PLACE (BN_ACT_Q8_K, tq1_0),
    [BN_PACK_TQ2_0] = IN_PLACE (BN_ACT_Q8_K, tq2_0),
    [BN_PACK_TERNARY] = IN_PLACE (BN_ACT_I8, i2s),
    [BN_PACK_TERNARY_X4] = IN_PLACE (BN_ACT_I8X4, iq2_bn),
};

static const BnMatmulOps packed_ops[BN_N_PACKS] = {
    [BN_PACK_TERNARY] = {BN_ACT_I8, 1, packed_size_ternary_c, pack_ternary_c,
        matmul_ternary_c},
    [BN_PACK_TERNARY_X4] = {BN_ACT_I8X4, 1, packed_size_ternary_c,
        pack_ternary_c, matmul_ternary_x4_c},
};

void
bn_matmul_init_c (BnKernels *k)
{
  memset (k->streams_in_place, 0, sizeof k->streams_in_place);
  memcpy (k->matmul, packed_ops, sizeof packed_ops);
  memcpy (k->in_place, in_place_ops, sizeof in_place_ops);
  k->quantize[BN_ACT_F32] = quantize_f32_c;
  k->quantize[BN_ACT_I8] = quantize_i8_c;
  k->quantize[BN_ACT_I8X4] = quantize_i8x4_c;
  k->quantize[BN_ACT_Q8_0] = quantize_q8_0_c;
  k->quantize[BN_ACT_Q8_1] = quantize_q8_1_c;
  k->quantize[BN_ACT_Q8_K] = quantize_q8_k_c;
}
