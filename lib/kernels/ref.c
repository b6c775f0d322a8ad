/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* C reference of everything but the products (ref-matmul.c). What is summed,
 * in which order and in which type is part of the result:
 *
 *   - sums over a row (norms, dot products of attention) run in LANES partial
 *     sums, element i into lane i % LANES, which are then added in pairs
 *     (i with i + 4, then + 2, then + 1). Vector code of any width can keep
 *     that order, and so give the same bits;
 *   - norms sum in double, as ggml does, and softmax sums in double over the
 *     cells in order; weighted values are added in order of the cells. */
#include "ref.h"

#include <math.h>
#include "bn-blocks.h"

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

/* Dot product of floats with halves. */
static float
dot_f16 (const float *x, const uint16_t *y, uint32_t n)
{
  float lanes[LANES] = {0};
  float sum[4];
  uint32_t i = 0;

  for (; i + LANES <= n; i += LANES) {
    for (int lane = 0; lane < LANES; lane++)
      lanes[lane] += x[i + lane] * bn_f16_to_f32 (y[i + lane]);
  }
  for (int lane = 0; i < n; i++, lane++)
    lanes[lane] += x[i] * bn_f16_to_f32 (y[i]);
  for (int lane = 0; lane < 4; lane++)
    sum[lane] = lanes[lane] + lanes[lane + 4];
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

static size_t
cell_offset (const BnKvView *kv, uint32_t cell)
{
  return (size_t) kv->page[cell / kv->page_cells] * kv->page_stride
         + (size_t) (cell % kv->page_cells) * kv->head_size;
}

/* scores to probabilities */
static void
softmax_c (float *scores, uint32_t n)
{
  float max = -INFINITY, inverse;
  double sum = 0;

  for (uint32_t i = 0; i < n; i++)
    max = scores[i] > max ? scores[i] : max;
  for (uint32_t i = 0; i < n; i++) {
    scores[i] = expf (scores[i] - max);
    sum += (double) scores[i];
  }
  inverse = (float) (1.0 / sum);
  for (uint32_t i = 0; i < n; i++)
    scores[i] *= inverse;
}

static void
attend_c (float *out, const float *q, uint32_t n_heads, const BnKvView *kv,
    uint32_t n_cells, float scale, float *scores)
{
  uint32_t head_size = kv->head_size;

  for (uint32_t head = 0; head < n_heads; head++) {
    const float *query = q + (size_t) head * head_size;
    float *result = out + (size_t) head * head_size;
    float *p = scores + (size_t) head * n_cells;

    for (uint32_t cell = 0; cell < n_cells; cell++)
      p[cell] =
          scale * dot_f16 (query, kv->k + cell_offset (kv, cell), head_size);
    softmax_c (p, n_cells);
    for (uint32_t i = 0; i < head_size; i++)
      result[i] = 0;
    for (uint32_t cell = 0; cell < n_cells; cell++) {
      const uint16_t *value = kv->v + cell_offset (kv, cell);

      for (uint32_t i = 0; i < head_size; i++)
        result[i] += p[cell] * bn_f16_to_f32 (value[i]);
    }
  }
}

void
bn_kernels_init_c (BnKernels *k)
{
  k->cpu_flags = 0;
  bn_matmul_init_c (k);
  bn_text_init_c (k);
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
  k->attend = attend_c;
}
