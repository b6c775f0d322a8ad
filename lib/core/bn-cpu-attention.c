/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention on the processor: head norms, rope, the cache, and the products
 * with it. */
#include "bn-cpu-private.h"

typedef struct {
  BnCpuBackend *backend;
  float *out;
  const float *qkv;
  float *qkv_written;
  size_t qkv_stride;
  const BnAttention *attention;
  const BnBatch *batch;
} Attend;

static const BnBatchRun *
find_run (const BnBatch *batch, uint32_t row)
{
  const BnBatchRun *run = batch->runs;

  while (row - run->first_row >= run->n_rows)
    run++;
  return run;
}

/* Head norm and rope of n_heads heads that lie one behind the other. */
static void
turn_heads (const Attend *op, float *x, uint32_t n_heads, const BnNorm *norm,
    const float *cos_sin)
{
  const BnKernels *kernels = op->backend->kernels;
  const BnAttention *attention = op->attention;

  for (uint32_t h = 0; h < n_heads; h++, x += attention->head_size) {
    if (norm)
      bn_cpu_norm_row (kernels, x, x, norm);
    if (cos_sin == NULL)
      continue;
    if (attention->is_neox)
      kernels->rope_neox (x, cos_sin, attention->n_rot / 2);
    else
      kernels->rope_norm (x, cos_sin, attention->n_rot / 2);
  }
}

/* Queries are rounded to halves like the keys they meet. The programs that
 * this one is compared with do so, and the int8 rounding of the next product
 * makes a visible difference of any small one. */
static void
round_query (const Attend *op, float *q, uint32_t worker)
{
  const BnKernels *kernels = op->backend->kernels;
  uint16_t *halves =
      (uint16_t *) (op->backend->scores + worker * op->backend->n_scores);

  for (uint32_t h = 0; h < op->attention->n_heads; h++) {
    kernels->f32_to_f16 (halves, q, op->attention->head_size);
    kernels->f16_to_f32 (q, halves, op->attention->head_size);
    q += op->attention->head_size;
  }
}

static void
store_row (const Attend *op, uint32_t row, uint32_t worker)
{
  const BnAttention *attention = op->attention;
  const BnKvLayout *kv = attention->kv;
  const BnBatchRun *run = find_run (op->batch, row);
  const uint32_t position = op->batch->positions[row];
  const uint32_t cell = position % kv->page_cells;
  const float *cos_sin =
      op->batch->cos_sin ? op->batch->cos_sin + (size_t) row * attention->n_rot
                         : NULL;
  float *q = op->qkv_written + row * op->qkv_stride;
  float *k = q + (size_t) attention->n_heads * attention->head_size;
  const float *v = k + (size_t) attention->n_kv_heads * attention->head_size;
  uint16_t *cached =
      kv->data + run->pages[position / kv->page_cells] * kv->page_stride
      + attention->layer * kv->layer_stride + (size_t) cell * kv->head_size;

  turn_heads (op, q, attention->n_heads, attention->q_norm, cos_sin);
  round_query (op, q, worker);
  turn_heads (op, k, attention->n_kv_heads, attention->k_norm, cos_sin);
  for (uint32_t g = 0; g < attention->n_kv_heads; g++) {
    op->backend->kernels->f32_to_f16 (cached + g * kv->head_stride,
        k + (size_t) g * kv->head_size, kv->head_size);
    op->backend->kernels->f32_to_f16 (
        cached + g * kv->head_stride + kv->v_offset,
        v + (size_t) g * kv->head_size, kv->head_size);
  }
}

static void
store_rows (size_t begin, size_t end, uint32_t worker, void *data)
{
  for (size_t row = begin; row < end; row++)
    store_row (data, (uint32_t) row, worker);
}

static size_t
qkv_width (const BnAttention *attention)
{
  return (attention->n_heads + 2 * (size_t) attention->n_kv_heads)
         * attention->head_size;
}

void
bn_cpu_store_kv (BnBackend *backend, float *qkv, const BnAttention *attention,
    const BnBatch *batch)
{
  Attend op = {.backend = bn_cpu_backend (backend),
      .qkv_written = qkv,
      .qkv_stride = qkv_width (attention),
      .attention = attention,
      .batch = batch};

  bn_cpu_run_rows (
      op.backend, batch->n_rows, (uint32_t) op.qkv_stride, store_rows, &op);
}

/* One token and one key-value head. */
static void
attend_item (const Attend *op, size_t item, float *scores)
{
  const BnAttention *attention = op->attention;
  const BnKvLayout *kv = attention->kv;
  const uint32_t group = attention->n_heads / attention->n_kv_heads;
  const uint32_t row = (uint32_t) (item % op->batch->n_rows);
  const uint32_t head = (uint32_t) (item / op->batch->n_rows);
  const size_t offset = (size_t) head * group * attention->head_size;
  const size_t out_stride = (size_t) attention->n_heads * attention->head_size;
  const BnBatchRun *run = find_run (op->batch, row);
  const uint16_t *k =
      kv->data + attention->layer * kv->layer_stride + head * kv->head_stride;
  const BnKvView view = {.k = k,
      .v = k + kv->v_offset,
      .page = run->pages,
      .page_stride = kv->page_stride,
      .page_cells = kv->page_cells,
      .head_size = kv->head_size};

  op->backend->kernels->attend (op->out + row * out_stride + offset,
      op->qkv + row * op->qkv_stride + offset, group, &view,
      op->batch->positions[row] + 1, attention->scale, scores);
}

static void
attend_items (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Attend *op = data;
  float *scores = op->backend->scores + worker * op->backend->n_scores;

  for (size_t item = begin; item < end; item++) {
    if (bn_cpu_is_aborted (op->backend))
      return;
    attend_item (op, item, scores);
  }
}

void
bn_cpu_attend (BnBackend *backend, float *out, const float *qkv,
    const BnAttention *attention, const BnBatch *batch)
{
  Attend op = {.backend = bn_cpu_backend (backend),
      .out = out,
      .qkv = qkv,
      .qkv_stride = qkv_width (attention),
      .attention = attention,
      .batch = batch};
  const size_t n_items = (size_t) attention->n_kv_heads * batch->n_rows;
  const size_t n_cells = batch->positions[batch->n_rows - 1] + (size_t) 1;
  /* products with keys and with values */
  const size_t item_products = 2 * n_cells * attention->head_size
                               * (attention->n_heads / attention->n_kv_heads);

  if (!bn_cpu_is_aborted (op.backend))
    bn_thread_pool_run (op.backend->pool, n_items,
        MAX (1, BN_CPU_MIN_PIECE_PRODUCTS / item_products), attend_items, &op);
}
