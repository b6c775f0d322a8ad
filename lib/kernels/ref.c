/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* C reference of everything but the products (ref-matmul.c). What is summed,
 * in which order and in which type is part of the result:
 *
 *   - sums over a row (norms) run in LANES partial sums, element i into lane
 *     i % LANES, which are then added in pairs (i with i + 4, then + 2, then
 *     + 1). Vector code of any width can keep that order, and so give the same
 *     bits;
 *   - norms sum in double, as ggml does; attention sums as its slots say. */
#include "ref.h"

#include <float.h>
#include <math.h>
#include "bn-blocks.h"
#include "encode-tmpl.h"

enum { LANES = 8 };

static double
add_lanes (const double lanes[LANES])
{
  double sum[4];

  for (int i = 0; i < 4; i++)
    sum[i] = lanes[i] + lanes[i + 4];
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

/* Sum of squares, each square rounded to float. */
static double
sum_of_squares (const float *x, uint32_t n)
{
  double lanes[LANES] = {0};
  uint32_t i = 0;

  for (; i + LANES <= n; i += LANES) {
    for (int lane = 0; lane < LANES; lane++)
      lanes[lane] += (double) (x[i + lane] * x[i + lane]);
  }
  for (int lane = 0; i < n; i++, lane++)
    lanes[lane] += (double) (x[i] * x[i]);
  return add_lanes (lanes);
}

static double
sum_of (const float *x, uint32_t n)
{
  double lanes[LANES] = {0};
  uint32_t i = 0;

  for (; i + LANES <= n; i += LANES) {
    for (int lane = 0; lane < LANES; lane++)
      lanes[lane] += (double) x[i + lane];
  }
  for (int lane = 0; i < n; i++, lane++)
    lanes[lane] += (double) x[i];
  return add_lanes (lanes);
}

static void
rms_norm_c (float *y, const float *x, const float *w, uint32_t n, float eps)
{
  float mean = (float) (sum_of_squares (x, n) / n);
  float scale = 1.0f / sqrtf (mean + eps);

  for (uint32_t i = 0; i < n; i++)
    y[i] = x[i] * scale * w[i];
}

static void
layer_norm_c (float *y, const float *x, const float *w, const float *b,
    uint32_t n, float eps)
{
  float mean = (float) (sum_of (x, n) / n);
  float variance, scale;

  for (uint32_t i = 0; i < n; i++)
    y[i] = x[i] - mean;
  variance = (float) (sum_of_squares (y, n) / n);
  scale = 1.0f / sqrtf (variance + eps);
  for (uint32_t i = 0; i < n; i++)
    y[i] = y[i] * scale * w[i] + b[i];
}

static void
add_c (float *y, const float *x, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    y[i] += x[i];
}

static void
relu2_mul_c (float *y, const float *gate, const float *up, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) {
    /* written so that NaN stays NaN */
    float g = gate[i] < 0 ? 0 : gate[i];
    y[i] = g * g * up[i];
  }
}

static void
silu_mul_c (float *y, const float *gate, const float *up, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    y[i] = gate[i] / (1.0f + expf (-gate[i])) * up[i];
}

/* The form with tanh, 0.5 x (1 + tanh z), is x / (1 + exp (-2 z)), which loses
 * nothing for large negative x. */
static void
gelu_c (float *y, const float *x, uint32_t n)
{
  const float sqrt_8_over_pi = 1.5957691216057308f;
  const float cubic = 0.044715f;

  for (uint32_t i = 0; i < n; i++) {
    float z2 = sqrt_8_over_pi * x[i] * (1.0f + cubic * x[i] * x[i]);
    y[i] = x[i] / (1.0f + expf (-z2));
  }
}

static void
rope_norm_c (float *x, const float *cos_sin, uint32_t n_pairs)
{
  for (uint32_t i = 0; i < n_pairs; i++) {
    float a = x[2 * i], b = x[2 * i + 1];
    float c = cos_sin[2 * i], s = cos_sin[2 * i + 1];

    x[2 * i] = a * c - b * s;
    x[2 * i + 1] = a * s + b * c;
  }
}

static void
rope_neox_c (float *x, const float *cos_sin, uint32_t n_pairs)
{
  for (uint32_t i = 0; i < n_pairs; i++) {
    float a = x[i], b = x[i + n_pairs];
    float c = cos_sin[2 * i], s = cos_sin[2 * i + 1];

    x[i] = a * c - b * s;
    x[i + n_pairs] = a * s + b * c;
  }
}

static void
f32_to_f16_c (uint16_t *y, const float *x, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    y[i] = bn_f32_to_f16 (x[i]);
}

static void
f16_to_f32_c (float *y, const uint16_t *x, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    y[i] = bn_f16_to_f32 (x[i]);
}

/* Attention (bn-kernels.h says what is added in which order). A tile of keys
 * is turned so that its cells lie side by side, which lets compilers find
 * vectors in the sums. */

static const uint8_t *
cell_at (const BnKvView *kv, const void *base, uint32_t cell)
{
  return (const uint8_t *) base
         + kv->page[cell / kv->page_cells] * kv->page_stride
         + (cell % kv->page_cells) * bn_kv_cell_size (kv->type, kv->head_size);
}

static void
load_cell (float *x, size_t stride, const BnKvView *kv, const uint8_t *cell)
{
  if (kv->type == BN_KV_F16) {
    for (uint32_t i = 0; i < kv->head_size; i++)
      x[i * stride] = bn_f16_to_f32 (bn_load_u16 (cell + 2 * i));
    return;
  }
  for (uint32_t i = 0; i < kv->head_size; i++) {
    const BnBlockQ8_0 *block = (const BnBlockQ8_0 *) cell + i / BN_QK;
    x[i * stride] =
        bn_f16_to_f32 (bn_load_u16 (block->d)) * (float) block->qs[i % BN_QK];
  }
}

/* Multiplies a part by what its largest score was above the new one. */
static float
rescale_c (float *part, uint32_t head_size, float max)
{
  float *max_sum = part + bn_attend_max_at (head_size);
  const float factor = expf (max_sum[0] - max);

  for (uint32_t i = 0; i < head_size; i++)
    part[i] *= factor;
  max_sum[0] = max;
  max_sum[1] *= factor;
  return factor;
}

/* The larger one, but never -INFINITY, which differs from itself by NaN. */
static float
larger_max (float a, float b)
{
  const float max = a > b ? a : b;

  return max > -FLT_MAX ? max : -FLT_MAX;
}

/* Keys in columns of BN_ATTEND_TILE, values in rows. */
static void
attend_tile_c (float *part, const float *q, const float *keys,
    const float *values, uint32_t head_size, uint32_t n_cells, float scale)
{
  float *max_sum = part + bn_attend_max_at (head_size);
  float scores[BN_ATTEND_TILE] = {0}, sums[4] = {0};
  float max = max_sum[0];

  for (uint32_t i = 0; i < head_size; i++, keys += BN_ATTEND_TILE) {
    for (uint32_t cell = 0; cell < n_cells; cell++)
      scores[cell] += q[i] * keys[cell];
  }
  for (uint32_t cell = 0; cell < n_cells; cell++) {
    scores[cell] *= scale;
    max = scores[cell] > max ? scores[cell] : max;
  }
  max = larger_max (max, max);
  rescale_c (part, head_size, max);
  for (uint32_t cell = 0; cell < n_cells; cell++) {
    scores[cell] = expf (scores[cell] - max);
    sums[cell % 4] += scores[cell];
  }
  max_sum[1] += (sums[0] + sums[1]) + (sums[2] + sums[3]);
  for (uint32_t cell = 0; cell < n_cells; cell++, values += head_size) {
    for (uint32_t i = 0; i < head_size; i++)
      part[i] += scores[cell] * values[i];
  }
}

static void
clear_part (float *part, uint32_t head_size)
{
  float *max_sum = part + bn_attend_max_at (head_size);

  memset (part, 0, head_size * sizeof *part);
  max_sum[0] = -INFINITY;
  max_sum[1] = 0;
}

/* part = part and later, as one */
static void
join_part_c (float *part, const float *later, uint32_t head_size)
{
  float *max_sum = part + bn_attend_max_at (head_size);
  const float *later_max = later + bn_attend_max_at (head_size);
  float max, factor;

  if (later_max[0] == -INFINITY)
    return;
  max = larger_max (max_sum[0], later_max[0]);
  rescale_c (part, head_size, max);
  factor = expf (later_max[0] - max);
  for (uint32_t i = 0; i < head_size; i++)
    part[i] += later[i] * factor;
  max_sum[1] += later_max[1] * factor;
}

static void
attend_span_c (float *parts, const BnQueries *queries, const BnKvView *kv,
    uint32_t begin, uint32_t end, float *keys, float *values)
{
  const uint32_t head_size = kv->head_size;
  const size_t part_size = bn_attend_part_size (head_size);

  for (uint32_t i = 0; i < queries->n_rows * queries->n_heads; i++)
    clear_part (parts + i * part_size, head_size);
  for (uint32_t tile = begin; tile < end; tile += BN_ATTEND_TILE) {
    const uint32_t n =
        end - tile < BN_ATTEND_TILE ? end - tile : BN_ATTEND_TILE;

    for (uint32_t cell = 0; cell < n; cell++) {
      load_cell (
          keys + cell, BN_ATTEND_TILE, kv, cell_at (kv, kv->k, tile + cell));
      load_cell (values + (size_t) cell * head_size, 1, kv,
          cell_at (kv, kv->v, tile + cell));
    }
    for (uint32_t row = 0; row < queries->n_rows; row++) {
      const uint32_t seen = queries->n_cells + row;

      if (seen <= tile)
        continue;
      for (uint32_t head = 0; head < queries->n_heads; head++)
        attend_tile_c (parts + (row * queries->n_heads + head) * part_size,
            queries->q + row * queries->stride + (size_t) head * head_size,
            keys, values, head_size, seen - tile < n ? seen - tile : n,
            queries->scale);
    }
  }
}

static void
attend_c (
    float *parts, const BnQueries *queries, const BnKvView *kv, void *scratch)
{
  const uint32_t head_size = kv->head_size;
  const uint32_t n = queries->n_rows * queries->n_heads;
  const uint32_t n_seen = queries->n_cells + queries->n_rows - 1;
  const uint32_t end = n_seen < queries->cell_end ? n_seen : queries->cell_end;
  const size_t part_size = bn_attend_part_size (head_size);
  float *keys = scratch;
  float *values = keys + (size_t) BN_ATTEND_TILE * head_size;
  float *later = values + (size_t) BN_ATTEND_TILE * head_size;
  uint32_t begin = queries->cell_begin;

  attend_span_c (parts, queries, kv, begin,
      end - begin < BN_ATTEND_SPAN ? end : begin + BN_ATTEND_SPAN, keys,
      values);
  while (end - begin > BN_ATTEND_SPAN) {
    begin += BN_ATTEND_SPAN;
    attend_span_c (later, queries, kv, begin,
        end - begin < BN_ATTEND_SPAN ? end : begin + BN_ATTEND_SPAN, keys,
        values);
    for (uint32_t i = 0; i < n; i++)
      join_part_c (parts + i * part_size, later + i * part_size, head_size);
  }
}

static void
attend_join_c (float *out, const float *parts, size_t part_stride,
    uint32_t n_parts, uint32_t head_size)
{
  const size_t max_at = bn_attend_max_at (head_size);
  float max = parts[max_at], sum = parts[max_at + 1], inverse;

  for (uint32_t i = 0; i < head_size; i++)
    out[i] = parts[i];
  for (uint32_t part = 1; part < n_parts; part++) {
    const float *later = parts + part * part_stride;
    float new_max, factor, later_factor;

    if (later[max_at] == -INFINITY)
      continue;
    new_max = larger_max (max, later[max_at]);
    factor = expf (max - new_max);
    later_factor = expf (later[max_at] - new_max);
    max = new_max;
    sum = sum * factor + later[max_at + 1] * later_factor;
    for (uint32_t i = 0; i < head_size; i++)
      out[i] = out[i] * factor + later[i] * later_factor;
  }
  inverse = 1.0f / sum;
  for (uint32_t i = 0; i < head_size; i++)
    out[i] *= inverse;
}

void
bn_kernels_init_c (BnKernels *k)
{
  k->cpu_flags = 0;
  bn_matmul_init_c (k);
  bn_text_init_c (k);
  k->encode_q6_k = encode_q6_k;
  k->rms_norm = rms_norm_c;
  k->layer_norm = layer_norm_c;
  k->add = add_c;
  k->relu2_mul = relu2_mul_c;
  k->silu_mul = silu_mul_c;
  k->gelu = gelu_c;
  k->rope_norm = rope_norm_c;
  k->rope_neox = rope_neox_c;
  k->f32_to_f16 = f32_to_f16_c;
  k->f16_to_f32 = f16_to_f32_c;
  k->find_max = bn_find_max;
  k->f32_to_q8_0 = bn_quantize_row_get (BN_TYPE_Q8_0);
  k->attend = attend_c;
  k->attend_join = attend_join_c;
}
