/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processor as a backend: each operator is one or two parallel loops over
 * kernels of bn-kernels.h.
 *
 * A product is cut into pieces of (some weight rows) x (some activation
 * rows), small enough that the activations of a piece stay in the second
 * level cache and that an abort is noticed within a few milliseconds, large
 * enough that claiming a piece costs nothing:
 *
 *                 weight rows, a multiple of row_tile
 *               +------+------+------+------+
 *     ROW_TILE  |  0   |  1   |  2   |  3   |   pieces in the order in which
 *     tokens    +------+------+------+------+   they are claimed
 *     ROW_TILE  |  4   |  5   |  6   |  7   |
 *               +------+------+------+------+
 *
 * Kernels promise that a result does not depend on the other rows of a call,
 * so the cut never shows. */
#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_HUGEPAGE */
#include "bn-backend.h"
#include "bn-threadpool.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
  ROW_TILE = 64,                  /* tokens of one piece of a product */
  PIECE_PRODUCTS = 2 << 20,       /* multiplications of one piece, about */
  PIECES_PER_THREAD = 4,          /* for balance, where there is enough work */
  MIN_PIECE_PRODUCTS = 256 << 10, /* less does not pay for waking a worker */
  PIECE_NUMBERS = 16 << 10,       /* of the operators that are not products */
  MAX_LINEARS = 3,                /* products of one input */
  HUGE_PAGE_SIZE = 2 << 20,
};

typedef struct {
  BnBackend parent;
  const BnKernels *kernels;
  BnKernels plain; /* of the level without vectors: works in place */
  BnThreadPool *pool;

  /* Scratch, made by prepare. */
  void *acts; /* quantized activation rows */
  size_t acts_size;
  float *scores; /* n_scores for each worker */
  size_t scores_size;
  size_t n_scores;

  const int *abort;
  int is_aborted; /* remembers *abort until the pass ends; atomic */
} CpuBackend;

static CpuBackend *
cpu_backend (BnBackend *backend)
{
  return (CpuBackend *) backend;
}

static gboolean
is_aborted (CpuBackend *self)
{
  if (g_atomic_int_get (&self->is_aborted))
    return TRUE;
  if (self->abort == NULL || !g_atomic_int_get (self->abort))
    return FALSE;
  g_atomic_int_set (&self->is_aborted, TRUE);
  return TRUE;
}

/* Memory. Mapped directly: zeroed, committed page by page, and in huge pages
 * where the system has them, because products stream through all of it. */

static void *
cpu_alloc (BnBackend *backend, size_t size)
{
  void *memory;

  if (!g_size_checked_add (&size, size, HUGE_PAGE_SIZE))
    return NULL;
  size -= HUGE_PAGE_SIZE;
  memory = mmap (NULL, MAX (1, size), PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return NULL;
#ifdef MADV_HUGEPAGE
  if (size >= HUGE_PAGE_SIZE)
    madvise (memory, size, MADV_HUGEPAGE);
#endif
  return memory;
}

static void
cpu_release (BnBackend *backend, void *memory, size_t size)
{
  if (memory)
    munmap (memory, MAX (1, size));
}

static void
cpu_discard (BnBackend *backend, void *memory, size_t size)
{
  const uintptr_t page_size = (uintptr_t) sysconf (_SC_PAGESIZE);
  const uintptr_t begin =
      ((uintptr_t) memory + page_size - 1) / page_size * page_size;
  const uintptr_t end = ((uintptr_t) memory + size) / page_size * page_size;

  if (begin < end)
    madvise ((void *) begin, end - begin, MADV_DONTNEED);
}

static void
cpu_copy (BnBackend *backend, void *dst, const void *src, size_t size)
{
  memcpy (dst, src, size);
}

static void
cpu_copy_cells (BnBackend *backend, const BnKvLayout *layout, uint32_t dst,
    uint32_t src, uint32_t n_cells)
{
  const size_t size = (size_t) n_cells * layout->head_size * sizeof (uint16_t);

  for (uint32_t layer = 0; layer < layout->n_layers; layer++) {
    for (uint32_t head = 0; head < layout->n_kv_heads; head++) {
      const size_t offset =
          layer * layout->layer_stride + head * layout->head_stride;
      uint16_t *to = layout->data + dst * layout->page_stride + offset;
      const uint16_t *from = layout->data + src * layout->page_stride + offset;

      memcpy (to, from, size);
      memcpy (to + layout->v_offset, from + layout->v_offset, size);
    }
  }
}

/* Weights */

static size_t
cpu_linear_init (BnBackend *backend, BnLinear *linear, BnRepack repack)
{
  CpuBackend *self = cpu_backend (backend);
  const BnMatrix *matrix = &linear->matrix;

  linear->ops = &self->kernels->matmul[matrix->pack];
  if (repack == BN_REPACK_NEVER && !self->plain.matmul[matrix->pack].pack)
    linear->ops = &self->plain.matmul[matrix->pack];
  if (linear->ops->pack == NULL)
    return 0;
  return linear->ops->packed_size (matrix->n_rows, matrix->n_cols);
}

static void
cpu_linear_pack (BnBackend *backend, const BnLinear *linear, const void *src,
    uint32_t row_begin, uint32_t row_end)
{
  const BnMatrix *matrix = &linear->matrix;

  linear->ops->pack ((void *) matrix->data, src, matrix->n_rows, matrix->n_cols,
      row_begin, row_end);
}

static void
cpu_for_each (
    BnBackend *backend, size_t n, size_t grain, BnLoopFunc func, void *data)
{
  bn_thread_pool_run (cpu_backend (backend)->pool, n, grain, func, data);
}

static uint32_t
cpu_get_n_threads (BnBackend *backend)
{
  return bn_thread_pool_get_n_threads (cpu_backend (backend)->pool);
}

static gboolean
cpu_prepare (
    BnBackend *backend, uint32_t n_rows, uint32_t n_cols, size_t n_scores)
{
  CpuBackend *self = cpu_backend (backend);
  /* Rows of kinds in blocks are sized for whole blocks. */
  const uint32_t padded_cols =
      (n_cols + BN_COL_PADDING - 1) / BN_COL_PADDING * BN_COL_PADDING;
  size_t row_size = 0;

  for (int act = 0; act < BN_N_ACTS; act++)
    row_size = MAX (row_size, bn_act_size (act, padded_cols));
  cpu_release (backend, self->acts, self->acts_size);
  cpu_release (backend, self->scores, self->scores_size);
  self->acts = NULL;
  self->scores = NULL;
  self->n_scores = (n_scores + 15) / 16 * 16;
  if (!g_size_checked_mul (&self->acts_size, row_size, n_rows)
      || !g_size_checked_mul (&self->scores_size,
          self->n_scores * sizeof (float), cpu_get_n_threads (backend)))
    return FALSE;
  self->acts = cpu_alloc (backend, self->acts_size);
  self->scores = cpu_alloc (backend, self->scores_size);
  return self->acts && self->scores;
}

/* A pass */

static void
cpu_begin (BnBackend *backend, const int *abort)
{
  CpuBackend *self = cpu_backend (backend);

  self->abort = abort;
  self->is_aborted = FALSE;
}

static gboolean
cpu_end (BnBackend *backend)
{
  CpuBackend *self = cpu_backend (backend);

  self->abort = NULL;
  return !self->is_aborted;
}

/* A loop over rows, several of them in a piece if they are short. */
static void
run_rows (CpuBackend *self, uint32_t n_rows, uint32_t n_cols, BnLoopFunc func,
    void *data)
{
  if (!is_aborted (self))
    bn_thread_pool_run (self->pool, n_rows,
        MAX (1, PIECE_NUMBERS / MAX (1, n_cols)), func, data);
}

typedef struct {
  float *y;
  const BnTable *table;
  const uint32_t *rows;
} Embed;

/* A ternary row has its codes spread over the tensor; they are unpacked into
 * the end of the row of floats that they become. */
static void
embed_ternary (float *y, const BnTable *table, uint32_t row)
{
  const uint32_t n = table->n_cols;
  uint8_t *codes = (uint8_t *) (y + n) - n;
  float scale =
      bn_ternary_tensor_scale (table->type, table->data, table->n_rows, n);
  size_t bad;
  int status;

  if (table->type == BN_TYPE_I2_S)
    status = bn_i2s_unpack (codes, table->data, table->n_rows, n, row, row + 1,
        table->i2s_layout, &bad);
  else if (table->type == BN_TYPE_TL1)
    status = bn_tl1_unpack (
        codes, table->data, table->n_rows, n, row, row + 1, &bad);
  else
    status = bn_tl2_unpack (
        codes, table->data, table->n_rows, n, row, row + 1, &bad);
  if (status != 0) /* refused when the weights were loaded */
    memset (codes, 1, n);
  for (uint32_t i = 0; i < n; i++)
    y[i] = (float) (codes[i] - 1) * scale;
}

static void
embed_rows (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Embed *op = data;
  const BnTable *table = op->table;
  const BnDequantizeRow dequantize = bn_dequantize_row_get (table->type);
  const size_t row_size =
      dequantize ? bn_type_tensor_size (table->type, table->n_cols, 1) : 0;

  for (size_t i = begin; i < end; i++) {
    float *y = op->y + i * table->n_cols;
    if (dequantize)
      dequantize (y, (const uint8_t *) table->data + op->rows[i] * row_size,
          table->n_cols);
    else
      embed_ternary (y, table, op->rows[i]);
  }
}

static void
cpu_embed (BnBackend *backend, float *y, const BnTable *table,
    const uint32_t *rows, uint32_t n_rows)
{
  Embed op = {y, table, rows};

  run_rows (cpu_backend (backend), n_rows, table->n_cols, embed_rows, &op);
}

typedef struct {
  const BnKernels *kernels;
  float *y;
  const float *x;
  const BnNorm *norm;
} Norm;

static void
norm_row (
    const BnKernels *kernels, float *y, const float *x, const BnNorm *norm)
{
  if (norm->bias)
    kernels->layer_norm (y, x, norm->weight, norm->bias, norm->n, norm->eps);
  else
    kernels->rms_norm (y, x, norm->weight, norm->n, norm->eps);
}

static void
norm_rows (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Norm *op = data;

  for (size_t i = begin; i < end; i++)
    norm_row (op->kernels, op->y + i * op->norm->n, op->x + i * op->norm->n,
        op->norm);
}

static void
cpu_norm (BnBackend *backend, float *y, const float *x, const BnNorm *norm,
    uint32_t n_rows)
{
  CpuBackend *self = cpu_backend (backend);
  Norm op = {self->kernels, y, x, norm};

  run_rows (self, n_rows, norm->n, norm_rows, &op);
}

/* Products */

typedef struct {
  CpuBackend *backend;
  BnAct act;
  const float *x;
  size_t x_stride;
  uint32_t n_cols;
  const uint8_t *acts;
  size_t act_stride;
  uint32_t n_rows;

  float *y;
  size_t y_stride;
  uint32_t n_linears;
  const BnLinear *linears[MAX_LINEARS];
  uint32_t y_offset[MAX_LINEARS];
  uint32_t chunk[MAX_LINEARS]; /* weight rows of a piece */
  uint32_t n_chunks[MAX_LINEARS];
  uint32_t n_chunks_in_all;
} Matmul;

static void
quantize_rows (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Matmul *op = data;

  for (size_t i = begin; i < end; i++)
    op->backend->kernels->quantize[op->act](
        (uint8_t *) op->acts + i * op->act_stride, op->x + i * op->x_stride,
        op->n_cols);
}

static void
finish_piece (const BnLinear *linear, float *y, size_t y_stride,
    uint32_t row_begin, uint32_t row_end, uint32_t n_acts)
{
  const float *bias = linear->bias;

  if (linear->scale == 1 && bias == NULL)
    return;
  for (uint32_t a = 0; a < n_acts; a++, y += y_stride) {
    for (uint32_t row = row_begin; row < row_end; row++)
      y[row] = y[row] * linear->scale + (bias ? bias[row] : 0);
  }
}

static void
multiply_piece (const Matmul *op, size_t piece)
{
  const uint32_t tile = (uint32_t) (piece / op->n_chunks_in_all) * ROW_TILE;
  const uint32_t n_acts = MIN (ROW_TILE, op->n_rows - tile);
  uint32_t chunk = (uint32_t) (piece % op->n_chunks_in_all);
  uint32_t i = 0, begin, end;
  const BnLinear *linear;
  float *y;

  while (chunk >= op->n_chunks[i])
    chunk -= op->n_chunks[i++];
  linear = op->linears[i];
  begin = chunk * op->chunk[i];
  end = MIN (begin + op->chunk[i], linear->matrix.n_rows);
  y = op->y + tile * op->y_stride + op->y_offset[i];
  linear->ops->matmul (y, op->y_stride, &linear->matrix, begin, end,
      op->acts + tile * op->act_stride, op->act_stride, n_acts);
  finish_piece (linear, y, op->y_stride, begin, end, n_acts);
}

static void
multiply_pieces (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Matmul *op = data;

  for (size_t piece = begin; piece < end; piece++) {
    if (is_aborted (op->backend))
      return;
    multiply_piece (op, piece);
  }
}

/* Weight rows of a piece: some PIECE_PRODUCTS; fewer where that gives every
 * thread its part, but not so few that it costs more than it brings. */
static uint32_t
choose_chunk (const Matmul *op, const BnLinear *linear, uint32_t n_threads)
{
  const uint32_t tile = linear->ops->row_tile;
  const uint64_t row_products =
      (uint64_t) linear->matrix.n_cols * MIN (op->n_rows, ROW_TILE);
  const uint32_t largest = (uint32_t) (PIECE_PRODUCTS / row_products);
  const uint32_t smallest = (uint32_t) (MIN_PIECE_PRODUCTS / row_products);
  uint32_t rows = largest;

  if (op->n_rows <= ROW_TILE)
    rows = MIN (rows, linear->matrix.n_rows / (n_threads * PIECES_PER_THREAD));
  rows = MAX (rows, smallest);
  return MAX (1, rows / tile) * tile;
}

static void
add_linear (Matmul *op, const BnLinear *linear, uint32_t y_offset)
{
  const uint32_t i = op->n_linears++;
  const uint32_t n_rows = linear->matrix.n_rows;

  op->linears[i] = linear;
  op->y_offset[i] = y_offset;
  op->chunk[i] =
      choose_chunk (op, linear, cpu_get_n_threads (&op->backend->parent));
  op->n_chunks[i] = (n_rows - 1) / op->chunk[i] + 1;
  op->n_chunks_in_all += op->n_chunks[i];
}

/* Rows of floats that kernels can read as they are. */
static gboolean
is_aligned (const float *x, size_t x_stride)
{
  return (uintptr_t) x % BN_ALIGN == 0
         && x_stride * sizeof (float) % BN_ALIGN == 0;
}

static void
cpu_matmul (BnBackend *backend, float *y, size_t y_stride, const float *x,
    size_t x_stride, const BnLinear *const *linears, uint32_t n_linears,
    uint32_t n_rows)
{
  CpuBackend *self = cpu_backend (backend);
  const uint32_t n_cols = linears[0]->matrix.n_cols;

  g_assert (n_linears <= MAX_LINEARS);
  for (int act = 0; act < BN_N_ACTS; act++) {
    Matmul op = {.backend = self,
        .act = act,
        .x = x,
        .x_stride = x_stride,
        .n_cols = n_cols,
        .acts = self->acts,
        .act_stride = bn_act_size (act, n_cols),
        .n_rows = n_rows,
        .y = y,
        .y_stride = y_stride};
    uint32_t y_offset = 0;

    for (uint32_t i = 0; i < n_linears; i++) {
      if (linears[i]->ops->act == (BnAct) act)
        add_linear (&op, linears[i], y_offset);
      y_offset += linears[i]->matrix.n_rows;
    }
    if (op.n_linears == 0 || is_aborted (self))
      continue;
    if (act == BN_ACT_F32 && is_aligned (x, x_stride)) {
      op.acts = (const uint8_t *) x;
      op.act_stride = x_stride * sizeof (float);
    } else {
      run_rows (self, n_rows, n_cols, quantize_rows, &op);
    }
    bn_thread_pool_run (self->pool,
        (size_t) op.n_chunks_in_all * ((n_rows - 1) / ROW_TILE + 1), 1,
        multiply_pieces, &op);
  }
}

/* Attention */

typedef struct {
  CpuBackend *backend;
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
      norm_row (kernels, x, x, norm);
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

static void
cpu_store_kv (BnBackend *backend, float *qkv, const BnAttention *attention,
    const BnBatch *batch)
{
  Attend op = {.backend = cpu_backend (backend),
      .qkv_written = qkv,
      .qkv_stride = qkv_width (attention),
      .attention = attention,
      .batch = batch};

  run_rows (
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
    if (is_aborted (op->backend))
      return;
    attend_item (op, item, scores);
  }
}

static void
cpu_attend (BnBackend *backend, float *out, const float *qkv,
    const BnAttention *attention, const BnBatch *batch)
{
  Attend op = {.backend = cpu_backend (backend),
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

  if (!is_aborted (op.backend))
    bn_thread_pool_run (op.backend->pool, n_items,
        MAX (1, MIN_PIECE_PRODUCTS / item_products), attend_items, &op);
}

/* Small operators */

typedef struct {
  const BnKernels *kernels;
  float *y;
  const float *x;
  const uint32_t *rows;
  uint32_t n;
  BnActivation activation;
} RowOp;

static void
activate_rows (size_t begin, size_t end, uint32_t worker, void *data)
{
  const RowOp *op = data;
  const size_t n = op->n;

  for (size_t i = begin; i < end; i++) {
    float *y = op->y + i * n;
    switch (op->activation) {
      case BN_ACTIVATION_SILU:
        op->kernels->silu_mul (
            y, op->x + i * 2 * n, op->x + (i * 2 + 1) * n, op->n);
        break;
      case BN_ACTIVATION_RELU2:
        op->kernels->relu2_mul (
            y, op->x + i * 2 * n, op->x + (i * 2 + 1) * n, op->n);
        break;
      case BN_ACTIVATION_GELU:
        op->kernels->gelu (y, op->x + i * n, op->n);
        break;
    }
  }
}

static void
cpu_activate (BnBackend *backend, float *y, const float *gate_up, uint32_t n,
    BnActivation activation, uint32_t n_rows)
{
  CpuBackend *self = cpu_backend (backend);
  RowOp op = {.kernels = self->kernels,
      .y = y,
      .x = gate_up,
      .n = n,
      .activation = activation};

  run_rows (self, n_rows, n, activate_rows, &op);
}

static void
add_rows (size_t begin, size_t end, uint32_t worker, void *data)
{
  const RowOp *op = data;

  for (size_t i = begin; i < end; i++)
    op->kernels->add (op->y + i * op->n, op->x + i * op->n, op->n);
}

static void
cpu_add (
    BnBackend *backend, float *y, const float *x, uint32_t n, uint32_t n_rows)
{
  CpuBackend *self = cpu_backend (backend);
  RowOp op = {.kernels = self->kernels, .y = y, .x = x, .n = n};

  run_rows (self, n_rows, n, add_rows, &op);
}

static void
cpu_gather (BnBackend *backend, float *y, const float *x, uint32_t n,
    const uint32_t *rows, uint32_t n_rows)
{
  if (is_aborted (cpu_backend (backend)))
    return;
  for (uint32_t i = 0; i < n_rows; i++)
    memcpy (y + (size_t) i * n, x + (size_t) rows[i] * n, n * sizeof *y);
}

static void
cpu_free (BnBackend *backend)
{
  CpuBackend *self = cpu_backend (backend);

  cpu_release (backend, self->acts, self->acts_size);
  cpu_release (backend, self->scores, self->scores_size);
  bn_thread_pool_free (self->pool);
  g_free (self);
}

static const BnBackendOps cpu_ops = {
    .name = "cpu",
    .free = cpu_free,
    .alloc = cpu_alloc,
    .release = cpu_release,
    .discard = cpu_discard,
    .write = cpu_copy,
    .read = cpu_copy,
    .copy_cells = cpu_copy_cells,
    .linear_init = cpu_linear_init,
    .linear_pack = cpu_linear_pack,
    .for_each = cpu_for_each,
    .get_n_threads = cpu_get_n_threads,
    .prepare = cpu_prepare,
    .begin = cpu_begin,
    .end = cpu_end,
    .embed = cpu_embed,
    .norm = cpu_norm,
    .matmul = cpu_matmul,
    .store_kv = cpu_store_kv,
    .attend = cpu_attend,
    .activate = cpu_activate,
    .add = cpu_add,
    .gather = cpu_gather,
};

BnBackend *
bn_cpu_backend_new (const BnKernels *kernels, uint32_t n_threads)
{
  CpuBackend *self = g_new0 (CpuBackend, 1);

  self->parent.ops = &cpu_ops;
  self->parent.is_host = TRUE;
  self->kernels = kernels ? kernels : bn_kernels_get ();
  bn_kernels_init (&self->plain, 0);
  self->pool = bn_thread_pool_new (n_threads);
  return &self->parent;
}
