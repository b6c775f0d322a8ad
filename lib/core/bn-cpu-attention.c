/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention on the processor: head norms, rope, the cache, and the products
 * with it.
 *
 * The work is cut into items of (some rows of a run) x (a key-value head), so
 * that what is loaded of the cache serves many queries. Where that gives too
 * few items for the threads, as for one token behind a long context, the cells
 * are divided too, by spans that the kernels promise to join to the same
 * bits. */
#include "bn-cpu-private.h"

enum {
  ROW_BLOCK = 32,       /* rows of an item */
  ITEMS_PER_THREAD = 4, /* with fewer of them the cells are divided */
  DIVIDED_ROWS = 8,     /* of the longest context, for which there are parts */
  MIN_PIECE_PRODUCTS = 32 << 10, /* of floats, for which a worker is woken */
};

typedef struct {
  BnCpuBackend *backend;
  float *qkv;
  size_t qkv_stride;
  const BnAttention *attention;
  const BnBatch *batch;
  size_t n_blocks; /* of rows */
  size_t n_items;
  size_t n_spans; /* of all items together */
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
      (uint16_t *) (void *) (op->backend->attend_scratch
                             + worker * op->backend->attend_size);

  for (uint32_t h = 0; h < op->attention->n_heads; h++) {
    kernels->f32_to_f16 (halves, q, op->attention->head_size);
    kernels->f16_to_f32 (q, halves, op->attention->head_size);
    q += op->attention->head_size;
  }
}

static void
store_cell (const Attend *op, void *cell, const float *x)
{
  const BnKernels *kernels = op->backend->kernels;
  const BnKvLayout *kv = op->attention->kv;

  if (kv->type == BN_KV_Q8_0)
    kernels->f32_to_q8_0 (cell, x, kv->head_size);
  else
    kernels->f32_to_f16 (cell, x, kv->head_size);
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
  float *q = op->qkv + row * op->qkv_stride;
  float *k = q + (size_t) attention->n_heads * attention->head_size;
  const float *v = k + (size_t) attention->n_kv_heads * attention->head_size;
  uint8_t *cached =
      kv->data + run->pages[position / kv->page_cells] * kv->page_stride
      + attention->layer * kv->layer_stride + cell * kv->cell_size;

  turn_heads (op, q, attention->n_heads, attention->q_norm, cos_sin);
  round_query (op, q, worker);
  turn_heads (op, k, attention->n_kv_heads, attention->k_norm, cos_sin);
  for (uint32_t g = 0; g < attention->n_kv_heads; g++) {
    const size_t at = (size_t) g * kv->head_size;

    store_cell (op, cached + g * kv->head_stride, k + at);
    store_cell (op, cached + g * kv->head_stride + kv->v_offset, v + at);
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
      .qkv = qkv,
      .qkv_stride = qkv_width (attention),
      .attention = attention,
      .batch = batch};

  bn_cpu_run_rows (
      op.backend, batch->n_rows, (uint32_t) op.qkv_stride, store_rows, &op);
}

/* The products */

/* Rows of the items, and the heads of a call: a group of more heads than a
 * call takes is divided. */
static uint32_t
heads_of_call (const BnAttention *attention)
{
  return MIN (
      attention->n_heads / attention->n_kv_heads, BN_ATTEND_MAX_QUERIES);
}

static uint32_t
rows_of_item (const BnAttention *attention)
{
  return MIN (ROW_BLOCK, BN_ATTEND_MAX_QUERIES / heads_of_call (attention));
}

static uint32_t
count_blocks (const BnBatchRun *run, uint32_t n_rows)
{
  return (run->n_rows - 1) / n_rows + 1;
}

/* Rows [first, first + n) of the batch. */
typedef struct {
  const BnBatchRun *run;
  uint32_t first, n;
} RowBlock;

/* The block with this index among those of all runs. */
static RowBlock
find_block (const Attend *op, size_t index)
{
  const uint32_t n_rows = rows_of_item (op->attention);
  const BnBatchRun *run = op->batch->runs;
  uint32_t first;

  for (; index >= count_blocks (run, n_rows); run++)
    index -= count_blocks (run, n_rows);
  first = (uint32_t) index * n_rows;
  return (RowBlock){
      run, run->first_row + first, MIN (n_rows, run->n_rows - first)};
}

/* Cells that the last row of the block sees. */
static uint32_t
count_cells (const RowBlock *block)
{
  return block->run->position + (block->first - block->run->first_row)
         + block->n;
}

static uint32_t
count_spans (uint32_t n_cells)
{
  return (n_cells - 1) / BN_ATTEND_SPAN + 1;
}

static BnKvView
view_of (const Attend *op, const RowBlock *block, uint32_t kv_head)
{
  const BnKvLayout *kv = op->attention->kv;
  const uint8_t *k = kv->data + op->attention->layer * kv->layer_stride
                     + kv_head * kv->head_stride;

  return (BnKvView){.type = kv->type,
      .k = k,
      .v = k + kv->v_offset,
      .page = block->run->pages,
      .page_stride = kv->page_stride,
      .page_cells = kv->page_cells,
      .head_size = kv->head_size};
}

/* Parts of n_heads heads from head on, of the cells [begin, end). */
static void
attend_block (const Attend *op, float *parts, const RowBlock *block,
    uint32_t head, uint32_t n_heads, uint32_t begin, uint32_t end,
    uint32_t worker)
{
  const BnAttention *attention = op->attention;
  const BnKvView view =
      view_of (op, block, head / (attention->n_heads / attention->n_kv_heads));
  const BnQueries queries = {
      .q = op->qkv + block->first * op->qkv_stride
           + (size_t) head * attention->head_size,
      .stride = op->qkv_stride,
      .n_rows = block->n,
      .n_heads = n_heads,
      .n_cells = count_cells (block) - block->n + 1,
      .cell_begin = begin,
      .cell_end = end,
      .scale = attention->scale,
  };

  op->backend->kernels->attend (parts, &queries, &view,
      op->backend->attend_scratch + worker * op->backend->attend_size);
}

/* The attention of one query of the batch, from its parts, to where the query
 * was: no other item looks at it. */
static void
join_query (const Attend *op, uint32_t row, uint32_t head, const float *parts,
    size_t part_stride, uint32_t n_parts)
{
  const BnAttention *attention = op->attention;
  float *out =
      op->qkv + row * op->qkv_stride + (size_t) head * attention->head_size;

  op->backend->kernels->attend_join (
      out, parts, part_stride, n_parts, attention->head_size);
}

static void
attend_item (const Attend *op, size_t item, uint32_t worker)
{
  const BnAttention *attention = op->attention;
  const RowBlock block = find_block (op, item % op->n_blocks);
  const uint32_t group = attention->n_heads / attention->n_kv_heads;
  const uint32_t first = (uint32_t) (item / op->n_blocks) * group;
  const size_t part_size = bn_attend_part_size (attention->head_size);
  float *parts =
      (float *) (void *) (op->backend->attend_scratch
                          + worker * op->backend->attend_size
                          + bn_attend_scratch_size (attention->head_size));

  for (uint32_t i = 0, n; i < group; i += n) {
    n = MIN (heads_of_call (attention), group - i);
    attend_block (
        op, parts, &block, first + i, n, 0, count_cells (&block), worker);
    for (uint32_t query = 0; query < block.n * n; query++)
      join_query (op, block.first + query / n, first + i + query % n,
          parts + query * part_size, 0, 1);
  }
}

/* Those of a key-value head one behind the other, while its cells are in the
 * cache. Of these the ones with the longest work, the last rows, come first:
 * what is left at the end is short. */
static void
attend_items (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Attend *op = data;

  for (size_t i = begin; i < end; i++) {
    if (bn_cpu_is_aborted (op->backend))
      return;
    attend_item (op, op->n_items - 1 - i, worker);
  }
}

/* Divided by spans. The parts of (item, span) lie one behind the other, the
 * spans of an item as well. */

typedef struct {
  RowBlock block;
  uint32_t kv_head;
  uint32_t n_spans;
  float *parts; /* of its first span */
} Divided;

/* Finds the item and the span in it with this index among all spans. */
static uint32_t
find_divided (const Attend *op, size_t index, Divided *divided)
{
  const BnAttention *attention = op->attention;
  const uint32_t group = attention->n_heads / attention->n_kv_heads;
  float *parts = op->backend->parts;

  for (size_t item = 0;; item++) {
    divided->block = find_block (op, item / attention->n_kv_heads);
    divided->kv_head = (uint32_t) (item % attention->n_kv_heads);
    divided->n_spans = count_spans (count_cells (&divided->block));
    divided->parts = parts;
    if (index < divided->n_spans)
      return (uint32_t) index;
    index -= divided->n_spans;
    parts += (size_t) divided->n_spans * divided->block.n * group
             * bn_attend_part_size (attention->head_size);
  }
}

static void
attend_spans (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Attend *op = data;
  const BnAttention *attention = op->attention;
  const uint32_t group = attention->n_heads / attention->n_kv_heads;
  const size_t part_size = bn_attend_part_size (attention->head_size);

  for (size_t i = begin; i < end; i++) {
    Divided divided;
    uint32_t span;

    if (bn_cpu_is_aborted (op->backend))
      return;
    span = find_divided (op, i, &divided);
    attend_block (op,
        divided.parts + (size_t) span * divided.block.n * group * part_size,
        &divided.block, divided.kv_head * group, group, span * BN_ATTEND_SPAN,
        (span + 1) * BN_ATTEND_SPAN, worker);
  }
}

static void
join_spans (const Attend *op)
{
  const BnAttention *attention = op->attention;
  const uint32_t group = attention->n_heads / attention->n_kv_heads;
  const size_t part_size = bn_attend_part_size (attention->head_size);

  for (size_t i = 0; i < op->n_spans;) {
    Divided divided;
    uint32_t n_queries;

    find_divided (op, i, &divided);
    n_queries = divided.block.n * group;
    for (uint32_t query = 0; query < n_queries; query++)
      join_query (op, divided.block.first + query / group,
          divided.kv_head * group + query % group,
          divided.parts + query * part_size, n_queries * part_size,
          divided.n_spans);
    i += divided.n_spans;
  }
}

/* Counts items and spans. TRUE if the threads need the spans to have enough to
 * do, and there is memory for their parts. */
static gboolean
plan (Attend *op, size_t *n_products)
{
  const BnAttention *attention = op->attention;
  const uint32_t n_kv_heads = attention->n_kv_heads;
  const uint32_t group = attention->n_heads / n_kv_heads;
  size_t n_parts = 0;

  *n_products = 0;
  for (uint32_t i = 0; i < op->batch->n_runs; i++)
    op->n_blocks +=
        count_blocks (&op->batch->runs[i], rows_of_item (op->attention));
  op->n_items = op->n_blocks * n_kv_heads;
  for (size_t i = 0; i < op->n_blocks; i++) {
    const RowBlock block = find_block (op, i);
    const size_t n_spans = count_spans (count_cells (&block));

    op->n_spans += n_spans * n_kv_heads;
    n_parts += n_spans * block.n * attention->n_heads;
    /* with keys and with values */
    *n_products += (size_t) 2 * count_cells (&block) * block.n
                   * attention->n_heads * attention->head_size;
  }
  return op->n_spans > op->n_items && group <= BN_ATTEND_MAX_QUERIES
         && n_parts <= op->backend->n_parts
         && op->n_items < (size_t) ITEMS_PER_THREAD
                              * bn_cpu_get_n_threads (&op->backend->parent);
}

void
bn_cpu_attend (BnBackend *backend, float *qkv, const BnAttention *attention,
    const BnBatch *batch)
{
  Attend op = {.backend = bn_cpu_backend (backend),
      .qkv = qkv,
      .qkv_stride = qkv_width (attention),
      .attention = attention,
      .batch = batch};
  size_t n_products;

  if (bn_cpu_is_aborted (op.backend))
    return;
  if (plan (&op, &n_products)) {
    bn_thread_pool_run (op.backend->pool, op.n_spans, 1, attend_spans, &op);
    if (!bn_cpu_is_aborted (op.backend))
      join_spans (&op);
    return;
  }
  bn_thread_pool_run (op.backend->pool, op.n_items,
      MAX (1, MIN_PIECE_PRODUCTS / MAX (1, n_products / op.n_items)),
      attend_items, &op);
}

void
bn_cpu_release_attend (BnBackend *backend)
{
  BnCpuBackend *self = bn_cpu_backend (backend);
  const size_t part_size = bn_attend_part_size (self->head_size);

  backend->ops->release (backend, self->attend_scratch,
      self->attend_size * bn_cpu_get_n_threads (backend));
  backend->ops->release (
      backend, self->parts, self->n_parts * part_size * sizeof (float));
  self->attend_scratch = NULL;
  self->parts = NULL;
}

gboolean
bn_cpu_prepare_attend (
    BnBackend *backend, uint32_t n_heads, uint32_t head_size, uint32_t n_cells)
{
  BnCpuBackend *self = bn_cpu_backend (backend);
  const size_t part_size = bn_attend_part_size (head_size);
  size_t parts_size;

  bn_cpu_release_attend (backend);
  self->head_size = head_size;
  self->attend_size = bn_attend_scratch_size (head_size)
                      + BN_ATTEND_MAX_QUERIES * part_size * sizeof (float);
  self->n_parts = (size_t) count_spans (n_cells) * n_heads * DIVIDED_ROWS;
  if (!g_size_checked_mul (
          &parts_size, self->n_parts, part_size * sizeof (float)))
    return FALSE;
  self->attend_scratch = backend->ops->alloc (
      backend, self->attend_size * bn_cpu_get_n_threads (backend));
  self->parts = backend->ops->alloc (backend, parts_size);
  return self->attend_scratch && self->parts;
}
