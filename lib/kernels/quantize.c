/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of floats to rows of int8: activations, and the cells of a cache of
 * Q8_0; compiled for each level, with the vectors.h and init.h of its
 * processor. Bit-exact with the C version.
 *
 * All go by BN_QK columns, GROUP vectors of floats that become 32 int8. */
#include "init.h"

#include <float.h>
#include <math.h>
#include "bn-blocks.h"
#include "vectors.h"

enum { GROUP = BN_QK / FLOATS };

BN_INLINE void
load_group (Floats v[GROUP], const float *x)
{
#pragma GCC unroll 4
  for (int i = 0; i < GROUP; i++)
    v[i] = floats_load (x + FLOATS * i);
}

static uint32_t
max_magnitude_bits (const float *x, uint32_t n)
{
  Ints max = ints_zero ();

  for (uint32_t i = 0; i < n; i += FLOATS)
    max = ints_max_magnitude (max, floats_load (x + i));
  return ints_largest (max);
}

/* Rows of one or four scales, of any length. */

/* n floats as a whole number of groups: those that fill one stay where they
 * are, the last ones are copied and followed by zeros. */
typedef struct {
  const float *x;
  uint32_t n_whole, n;
  float last[BN_QK];
} Row;

BN_INLINE void
row_init (Row *row, const float *x, uint32_t n)
{
  row->x = x;
  row->n = n;
  row->n_whole = n / BN_QK * BN_QK;
  memset (row->last, 0, sizeof row->last);
  memcpy (row->last, x + row->n_whole, (n - row->n_whole) * sizeof *x);
}

BN_INLINE const float *
row_at (const Row *row, uint32_t i)
{
  return i < row->n_whole ? row->x + i : row->last;
}

static uint32_t
pad_cols (uint32_t n)
{
  return (n + BN_COL_PADDING - 1) / BN_COL_PADDING * BN_COL_PADDING;
}

static void
quantize_i8 (void *dst, const float *x, uint32_t n)
{
  const double smallest_max = 1e-5;
  const uint32_t n_padded = pad_cols (n);
  BnActI8 *head = dst;
  int8_t *q = (int8_t *) dst + BN_ALIGN;
  Ints sums = ints_zero ();
  uint32_t max_bits, last_bits, i;
  Floats scale;
  double max;
  Row row;

  row_init (&row, x, n);
  max_bits = max_magnitude_bits (x, row.n_whole);
  last_bits = max_magnitude_bits (row.last, BN_QK);
  max_bits = last_bits > max_bits ? last_bits : max_bits;
  max = (double) bn_f32_from_bits (max_bits);
  memset (dst, 0, BN_ALIGN);
  if (max_bits >= BN_BITS_INFINITY) {
    head->scale = bn_f32_from_bits (BN_BITS_NAN);
    memset (q, 0, n_padded);
    return;
  }
  head->scale = (float) (127.0 / (max > smallest_max ? max : smallest_max));
  scale = floats_set1 (head->scale);
  for (i = 0; i < n; i += BN_QK) {
    Floats v[GROUP];
    Ints rounded[GROUP];

    load_group (v, row_at (&row, i));
#pragma GCC unroll 4
    for (int j = 0; j < GROUP; j++) {
      rounded[j] = floats_round (floats_mul (v[j], scale));
      sums = ints_add (sums, rounded[j]);
    }
    bytes32_store (q + i, ints_pack (rounded));
  }
  memset (q + i, 0, n_padded - i);
  head->sum = ints_sum (sums);
}

enum {
  X4_COLS = 16, /* column i is in group (i / 4) % 4 */
  X4_VECTORS = X4_COLS / FLOATS,
};

/* Scales of a row from the bits of the largest magnitudes of the columns; of
 * each column what it is multiplied with, and the bits that count of that. */
static void
scale_i8x4 (BnActI8X4 *head, const uint32_t max_bits[X4_COLS],
    float inverses[X4_COLS], uint32_t masks[X4_COLS])
{
  for (int g = 0; g < 4; g++) {
    float inverse = 0;
    uint32_t bits = 0;

    for (int j = 4 * g; j < 4 * g + 4; j++)
      bits = max_bits[j] > bits ? max_bits[j] : bits;
    head->d[g] = bn_f32_from_bits (bits) / 127.0f;
    if (bits >= BN_BITS_INFINITY)
      head->d[g] = bn_f32_from_bits (BN_BITS_NAN);
    else if (head->d[g] >= FLT_MIN)
      inverse = 1.0f / head->d[g];
    for (int j = 4 * g; j < 4 * g + 4; j++) {
      inverses[j] = inverse;
      masks[j] = inverse != 0 ? ~UINT32_C (0) : 0;
    }
  }
}

static void
quantize_i8x4 (void *dst, const float *x, uint32_t n)
{
  const uint32_t n_padded = pad_cols (n);
  BnActI8X4 *head = dst;
  int8_t *q = (int8_t *) dst + BN_ALIGN;
  Ints max[X4_VECTORS], sums[X4_VECTORS], masks[X4_VECTORS];
  uint32_t max_bits[X4_COLS], mask_bits[X4_COLS], i;
  int32_t col_sums[X4_COLS];
  float inverses[X4_COLS];
  Floats scales[X4_VECTORS];
  Row row;

  row_init (&row, x, n);
  for (int j = 0; j < X4_VECTORS; j++)
    max[j] = sums[j] = ints_zero ();
  for (i = 0; i < n; i += BN_QK) {
    Floats v[GROUP];

    load_group (v, row_at (&row, i));
#pragma GCC unroll 4
    for (int j = 0; j < GROUP; j++)
      max[j % X4_VECTORS] = ints_max_magnitude (max[j % X4_VECTORS], v[j]);
  }
  for (int j = 0; j < X4_VECTORS; j++)
    ints_store (max_bits + j * FLOATS, max[j]);
  memset (dst, 0, BN_ALIGN);
  scale_i8x4 (head, max_bits, inverses, mask_bits);
  for (int j = 0; j < X4_VECTORS; j++) {
    scales[j] = floats_load (inverses + j * FLOATS);
    masks[j] = ints_load (mask_bits + j * FLOATS);
  }
  for (i = 0; i < n; i += BN_QK) {
    Floats v[GROUP];
    Ints rounded[GROUP];

    load_group (v, row_at (&row, i));
#pragma GCC unroll 4
    for (int j = 0; j < GROUP; j++) {
      const int at = j % X4_VECTORS;

      rounded[j] =
          ints_and (floats_round (floats_mul (v[j], scales[at])), masks[at]);
      sums[at] = ints_add (sums[at], rounded[j]);
    }
    bytes32_store (q + i, ints_pack (rounded));
  }
  memset (q + i, 0, n_padded - i);
  for (int j = 0; j < X4_VECTORS; j++)
    ints_store (col_sums + j * FLOATS, sums[j]);
  for (int j = 0; j < X4_COLS; j++)
    head->sum[j / 4] += col_sums[j];
}

/* Blocks of 32 */

/* Codes of a Q8_0 or Q8_1 block, and its scale. */
BN_INLINE Bytes32
quantize_block (const float *x, float *d)
{
  Ints max = ints_zero (), rounded[GROUP];
  Floats v[GROUP], scale;
  uint32_t bits;
  float inverse = 0;

  load_group (v, x);
#pragma GCC unroll 4
  for (int j = 0; j < GROUP; j++)
    max = ints_max_magnitude (max, v[j]);
  bits = ints_largest (max);
  *d = bn_f32_from_bits (bits) / 127.0f;
  if (bits >= BN_BITS_INFINITY) {
    *d = bn_f32_from_bits (BN_BITS_NAN);
    return bytes32_zero ();
  }
  if (*d >= FLT_MIN)
    inverse = 1.0f / *d;
  scale = floats_set1 (inverse);
#pragma GCC unroll 4
  for (int j = 0; j < GROUP; j++)
    rounded[j] = floats_round_away (floats_mul (v[j], scale));
  return ints_pack (rounded);
}

static void
quantize_q8_0 (void *dst, const float *x, uint32_t n)
{
  BnActQ8_0 *block = dst;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float d;
    const Bytes32 q = quantize_block (x, &d);

    bytes32_store (block->qs, q);
    block->d = f16_bits (d);
    block->sum = (int16_t) bytes32_sum (q);
  }
}

static void
f32_to_q8_0 (void *y, const float *x, uint32_t n)
{
  BnBlockQ8_0 *block = y;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    float d;

    bytes32_store (block->qs, quantize_block (x, &d));
    bn_store_u16 (block->d, f16_bits (d));
  }
}

static void
quantize_q8_1 (void *dst, const float *x, uint32_t n)
{
  BnActQ8_1 *block = dst;

  for (; n >= BN_QK; n -= BN_QK, x += BN_QK, block++) {
    const Bytes32 q = quantize_block (x, &block->d);

    bytes32_store (block->qs, q);
    block->s = (float) bytes32_sum (q) * block->d;
  }
}

/* Blocks of 256 */

/* 127 or -127 divided by the element of largest magnitude, 0 if that is too
 * small; the first one's sign counts. */
static float
inverse_q8_k (const float *x, uint32_t max_bits)
{
  const float smallest = 0x1p-118f; /* its inverse times 127 is finite */
  const float max = bn_f32_from_bits (max_bits);

  if (max < smallest)
    return 0;
  while (!floats_has_magnitude (floats_load (x), max))
    x += FLOATS;
  while (fabsf (*x) != max)
    x++;
  return (*x < 0 ? 127.0f : -127.0f) / max;
}

static void
quantize_q8_k (void *dst, const float *x, uint32_t n)
{
  BnActQ8_K *block = dst;

  for (; n >= BN_QK_K; n -= BN_QK_K, x += BN_QK_K, block++) {
    const uint32_t max_bits = max_magnitude_bits (x, BN_QK_K);
    const float inverse =
        max_bits < BN_BITS_INFINITY ? inverse_q8_k (x, max_bits) : 0;
    const Floats scale = floats_set1 (inverse);

    if (inverse == 0) {
      memset (block, 0, sizeof *block);
      if (max_bits >= BN_BITS_INFINITY)
        block->d = bn_f32_from_bits (BN_BITS_NAN);
      continue;
    }
    block->d = 1.0f / inverse;
    memset (block->padding, 0, sizeof block->padding);
    for (int i = 0; i < BN_QK_K; i += BN_QK) {
      Floats v[GROUP];
      Ints rounded[GROUP];
      Bytes32 packed;

      load_group (v, x + i);
#pragma GCC unroll 4
      for (int j = 0; j < GROUP; j++)
        rounded[j] = floats_round (floats_mul (v[j], scale));
      packed = ints_pack (rounded);
      bytes32_store (block->qs + i, packed);
      bytes32_sum_halves (block->sums + i / 16, packed);
    }
  }
}

void
BN_NAME (bn_quantize_init) (BnKernels *k)
{
  k->quantize[BN_ACT_I8] = quantize_i8;
  k->quantize[BN_ACT_I8X4] = quantize_i8x4;
  k->quantize[BN_ACT_Q8_0] = quantize_q8_0;
  k->quantize[BN_ACT_Q8_1] = quantize_q8_1;
  k->quantize[BN_ACT_Q8_K] = quantize_q8_k;
  k->f32_to_q8_0 = f32_to_q8_0;
}
