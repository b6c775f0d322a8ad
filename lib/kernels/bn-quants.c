/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows in file form to floats and back: plain numbers and the simple blocks
 * of 32 (quant-formats.md 2 and 3), and the tables that name every type. The
 * encoders give the bytes of ggml's reference encoders; for values that have
 * no place in a block (NaN, infinity) they give some valid block. */
#include "bn-quants.h"

#include <float.h>
#include <math.h>
#include "bn-blocks.h"

void
bn_dequantize_row_f32 (float *y, const void *x, uint32_t n)
{
  memcpy (y, x, (size_t) n * sizeof *y);
}

void
bn_quantize_row_f32 (void *y, const float *x, uint32_t n)
{
  memcpy (y, x, (size_t) n * sizeof *x);
}

void
bn_dequantize_row_f16 (float *y, const void *x, uint32_t n)
{
  const uint8_t *halves = x;

  for (uint32_t i = 0; i < n; i++)
    y[i] = bn_load_f16 (halves + 2 * (size_t) i);
}

void
bn_quantize_row_f16 (void *y, const float *x, uint32_t n)
{
  uint8_t *halves = y;

  for (uint32_t i = 0; i < n; i++)
    bn_store_u16 (halves + 2 * (size_t) i, bn_f32_to_f16 (x[i]));
}

void
bn_dequantize_row_bf16 (float *y, const void *x, uint32_t n)
{
  const uint8_t *halves = x;

  for (uint32_t i = 0; i < n; i++)
    y[i] = bn_bf16_to_f32 (bn_load_u16 (halves + 2 * (size_t) i));
}

void
bn_quantize_row_bf16 (void *y, const float *x, uint32_t n)
{
  uint8_t *halves = y;

  for (uint32_t i = 0; i < n; i++)
    bn_store_u16 (halves + 2 * (size_t) i, bn_f32_to_bf16 (x[i]));
}

#define DEFINE_DEQUANTIZE_NUMBERS(name, ctype)                                 \
  static void dequantize_row_##name (float *y, const void *x, uint32_t n)      \
  {                                                                            \
    const uint8_t *bytes = x;                                                  \
    for (uint32_t i = 0; i < n; i++) {                                         \
      ctype value;                                                             \
      memcpy (&value, bytes + sizeof value * i, sizeof value);                 \
      y[i] = (float) value;                                                    \
    }                                                                          \
  }

DEFINE_DEQUANTIZE_NUMBERS (i8, int8_t)
DEFINE_DEQUANTIZE_NUMBERS (i16, int16_t)
DEFINE_DEQUANTIZE_NUMBERS (i32, int32_t)
DEFINE_DEQUANTIZE_NUMBERS (i64, int64_t)
DEFINE_DEQUANTIZE_NUMBERS (f64, double)

/* The element of largest magnitude with its sign, the first on ties. */
static float
signed_max (const float *x, int n)
{
  float magnitude = 0, max = 0;

  for (int i = 0; i < n; i++) {
    if (fabsf (x[i]) > magnitude) {
      magnitude = fabsf (x[i]);
      max = x[i];
    }
  }
  return max;
}

static void
min_max (const float *x, int n, float *min, float *max)
{
  *min = FLT_MAX;
  *max = -FLT_MAX;
  for (int i = 0; i < n; i++) {
    *min = x[i] < *min ? x[i] : *min;
    *max = x[i] > *max ? x[i] : *max;
  }
}

static float
inverse (float d)
{
  return d != 0 ? 1.0f / d : 0.0f;
}

static void
store_nibbles (uint8_t qs[16], const uint8_t codes[BN_QK])
{
  for (int i = 0; i < 16; i++)
    qs[i] = (uint8_t) ((codes[i] & 15) | (codes[i + 16] & 15) << 4);
}

static void
store_fifth_bits (uint8_t qh[4], const uint8_t codes[BN_QK])
{
  uint32_t high = 0;

  for (int i = 0; i < BN_QK; i++)
    high |= (uint32_t) (codes[i] >> 4) << i;
  memcpy (qh, &high, sizeof high);
}

/* Codes with one scale: the element of largest magnitude becomes code 0. */
static float
encode_symmetric (uint8_t codes[BN_QK], const float *x, int zero)
{
  float d = signed_max (x, BN_QK) / (float) -zero;
  float id = inverse (d);

  for (int i = 0; i < BN_QK; i++) {
    float q = x[i] * id + ((float) zero + 0.5f);
    codes[i] = (uint8_t) bn_trunc_clamp (q, 2 * zero - 1);
  }
  return d;
}

/* Codes with scale and minimum: y = d * code + m. */
static float
encode_min (uint8_t codes[BN_QK], const float *x, int max_code, float *m)
{
  float max, d, id;

  min_max (x, BN_QK, m, &max);
  d = (max - *m) / (float) max_code;
  id = inverse (d);
  for (int i = 0; i < BN_QK; i++)
    codes[i] = (uint8_t) bn_trunc_clamp ((x[i] - *m) * id + 0.5f, max_code);
  return d;
}

void
bn_dequantize_row_q4_0 (float *y, const void *x, uint32_t n)
{
  const BnBlockQ4_0 *block = x;
  uint8_t codes[BN_QK];

  for (; n >= BN_QK; n -= BN_QK, block++) {
    float d = bn_load_f16 (block->d);

    bn_codes_q4 (codes, block->qs);
    for (int i = 0; i < BN_QK; i++)
      *y++ = d * (float) (codes[i] - 8);
  }
}

void
bn_quantize_row_q4_0 (void *y, const float *x, uint32_t n)
{
  BnBlockQ4_0 *block = y;
  uint8_t codes[BN_QK];

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float d = encode_symmetric (codes, x, 8);

    bn_store_u16 (block->d, bn_f32_to_f16 (d));
    store_nibbles (block->qs, codes);
  }
}

void
bn_dequantize_row_q4_1 (float *y, const void *x, uint32_t n)
{
  const BnBlockQ4_1 *block = x;
  uint8_t codes[BN_QK];

  for (; n >= BN_QK; n -= BN_QK, block++) {
    float d = bn_load_f16 (block->d), m = bn_load_f16 (block->m);

    bn_codes_q4 (codes, block->qs);
    for (int i = 0; i < BN_QK; i++)
      *y++ = d * (float) codes[i] + m;
  }
}

void
bn_quantize_row_q4_1 (void *y, const float *x, uint32_t n)
{
  BnBlockQ4_1 *block = y;
  uint8_t codes[BN_QK];

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float m, d = encode_min (codes, x, 15, &m);

    bn_store_u16 (block->d, bn_f32_to_f16 (d));
    bn_store_u16 (block->m, bn_f32_to_f16 (m));
    store_nibbles (block->qs, codes);
  }
}

void
bn_dequantize_row_q5_0 (float *y, const void *x, uint32_t n)
{
  const BnBlockQ5_0 *block = x;
  uint8_t codes[BN_QK];

  for (; n >= BN_QK; n -= BN_QK, block++) {
    float d = bn_load_f16 (block->d);

    bn_codes_q5 (codes, block->qs, block->qh);
    for (int i = 0; i < BN_QK; i++)
      *y++ = d * (float) (codes[i] - 16);
  }
}

void
bn_quantize_row_q5_0 (void *y, const float *x, uint32_t n)
{
  BnBlockQ5_0 *block = y;
  uint8_t codes[BN_QK];

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float d = encode_symmetric (codes, x, 16);

    bn_store_u16 (block->d, bn_f32_to_f16 (d));
    store_nibbles (block->qs, codes);
    store_fifth_bits (block->qh, codes);
  }
}

void
bn_dequantize_row_q5_1 (float *y, const void *x, uint32_t n)
{
  const BnBlockQ5_1 *block = x;
  uint8_t codes[BN_QK];

  for (; n >= BN_QK; n -= BN_QK, block++) {
    float d = bn_load_f16 (block->d), m = bn_load_f16 (block->m);

    bn_codes_q5 (codes, block->qs, block->qh);
    for (int i = 0; i < BN_QK; i++)
      *y++ = d * (float) codes[i] + m;
  }
}

void
bn_quantize_row_q5_1 (void *y, const float *x, uint32_t n)
{
  BnBlockQ5_1 *block = y;
  uint8_t codes[BN_QK];

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float m, d = encode_min (codes, x, 31, &m);

    bn_store_u16 (block->d, bn_f32_to_f16 (d));
    bn_store_u16 (block->m, bn_f32_to_f16 (m));
    store_nibbles (block->qs, codes);
    store_fifth_bits (block->qh, codes);
  }
}

void
bn_dequantize_row_q8_0 (float *y, const void *x, uint32_t n)
{
  const BnBlockQ8_0 *block = x;

  for (; n >= BN_QK; n -= BN_QK, block++) {
    float d = bn_load_f16 (block->d);

    for (int i = 0; i < BN_QK; i++)
      *y++ = d * (float) block->qs[i];
  }
}

void
bn_quantize_row_q8_0 (void *y, const float *x, uint32_t n)
{
  BnBlockQ8_0 *block = y;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float id, d = bn_q8_scale (x, &id);

    bn_store_u16 (block->d, bn_f32_to_f16 (d));
    for (int i = 0; i < BN_QK; i++)
      block->qs[i] = id != 0 ? (int8_t) bn_rhaz (x[i] * id) : 0;
  }
}

static const struct {
  BnType type;
  BnDequantizeRow dequantize;
  BnQuantizeRow quantize;
} row_functions[] = {
    {BN_TYPE_F32, bn_dequantize_row_f32, bn_quantize_row_f32},
    {BN_TYPE_F16, bn_dequantize_row_f16, bn_quantize_row_f16},
    {BN_TYPE_BF16, bn_dequantize_row_bf16, bn_quantize_row_bf16},
    {BN_TYPE_Q4_0, bn_dequantize_row_q4_0, bn_quantize_row_q4_0},
    {BN_TYPE_Q4_1, bn_dequantize_row_q4_1, bn_quantize_row_q4_1},
    {BN_TYPE_Q5_0, bn_dequantize_row_q5_0, bn_quantize_row_q5_0},
    {BN_TYPE_Q5_1, bn_dequantize_row_q5_1, bn_quantize_row_q5_1},
    {BN_TYPE_Q8_0, bn_dequantize_row_q8_0, bn_quantize_row_q8_0},
    {BN_TYPE_Q2_K, bn_dequantize_row_q2_k, bn_quantize_row_q2_k},
    {BN_TYPE_Q3_K, bn_dequantize_row_q3_k, bn_quantize_row_q3_k},
    {BN_TYPE_Q4_K, bn_dequantize_row_q4_k, bn_quantize_row_q4_k},
    {BN_TYPE_Q5_K, bn_dequantize_row_q5_k, bn_quantize_row_q5_k},
    {BN_TYPE_Q6_K, bn_dequantize_row_q6_k, bn_quantize_row_q6_k},
    {BN_TYPE_TQ1_0, bn_dequantize_row_tq1_0, bn_quantize_row_tq1_0},
    {BN_TYPE_TQ2_0, bn_dequantize_row_tq2_0, bn_quantize_row_tq2_0},
    {BN_TYPE_IQ1_BN, bn_dequantize_row_iq1_bn, bn_quantize_row_iq1_bn},
    {BN_TYPE_IQ2_BN, bn_dequantize_row_iq2_bn, bn_quantize_row_iq2_bn},
    {BN_TYPE_I8, dequantize_row_i8, NULL},
    {BN_TYPE_I16, dequantize_row_i16, NULL},
    {BN_TYPE_I32, dequantize_row_i32, NULL},
    {BN_TYPE_I64, dequantize_row_i64, NULL},
    {BN_TYPE_F64, dequantize_row_f64, NULL},
};

BnDequantizeRow
bn_dequantize_row_get (BnType type)
{
  for (size_t i = 0; i < sizeof row_functions / sizeof row_functions[0]; i++) {
    if (row_functions[i].type == type)
      return row_functions[i].dequantize;
  }
  return NULL;
}

BnQuantizeRow
bn_quantize_row_get (BnType type)
{
  for (size_t i = 0; i < sizeof row_functions / sizeof row_functions[0]; i++) {
    if (row_functions[i].type == type)
      return row_functions[i].quantize;
  }
  return NULL;
}
