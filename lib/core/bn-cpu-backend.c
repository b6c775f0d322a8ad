/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processor as a backend: each operator is one or two parallel loops over
 * kernels of bn-kernels.h. Products are in bn-cpu-matmul.c, attention in
 * bn-cpu-attention.c. */
#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_HUGEPAGE */
#include "bn-cpu-private.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
  PIECE_NUMBERS = 16 << 10, /* of the operators that are not products */
  HUGE_PAGE_SIZE = 2 << 20,
};

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
  const size_t size = n_cells * layout->cell_size;

  for (uint32_t layer = 0; layer < layout->n_layers; layer++) {
    for (uint32_t head = 0; head < layout->n_kv_heads; head++) {
      const size_t offset =
          layer * layout->layer_stride + head * layout->head_stride;
      uint8_t *to = layout->data + dst * layout->page_stride + offset;
      const uint8_t *from = layout->data + src * layout->page_stride + offset;

      memcpy (to, from, size);
      memcpy (to + layout->v_offset, from + layout->v_offset, size);
    }
  }
}

/* Weights */

static size_t
cpu_linear_init (BnBackend *backend, BnLinear *linear, BnRepack repack)
{
  BnCpuBackend *self = bn_cpu_backend (backend);
  const BnMatrix *matrix = &linear->matrix;
  const BnMatmulOps *in_place = &self->kernels->in_place[matrix->pack];

  linear->ops = &self->kernels->matmul[matrix->pack];
  /* Packing takes time and memory; it pays where several rows share the work
   * of unpacking, or the rows of the file cannot be read as fast. */
  if (linear->lies_in_file
      && (repack == BN_REPACK_NEVER
          || (repack == BN_REPACK_AUTO && linear->has_few_rows
              && self->kernels->streams_in_place[matrix->pack])))
    linear->ops = in_place;
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
  bn_thread_pool_run (bn_cpu_backend (backend)->pool, n, grain, func, data);
}

uint32_t
bn_cpu_get_n_threads (BnBackend *backend)
{
  return bn_thread_pool_get_n_threads (bn_cpu_backend (backend)->pool);
}

static size_t
rows_size (const BnCpuBackend *self)
{
  return self->row_cols * bn_thread_pool_get_n_threads (self->pool)
         * sizeof (float);
}

static gboolean
cpu_prepare (BnBackend *backend, uint32_t n_rows, uint32_t n_cols,
    uint32_t n_heads, uint32_t head_size, uint32_t n_cells)
{
  BnCpuBackend *self = bn_cpu_backend (backend);
  /* Rows of kinds in blocks are sized for whole blocks. */
  const uint32_t padded_cols =
      (n_cols + BN_COL_PADDING - 1) / BN_COL_PADDING * BN_COL_PADDING;
  size_t row_size = 0;

  for (int act = 0; act < BN_N_ACTS; act++)
    row_size = MAX (row_size, bn_act_size (act, padded_cols));
  cpu_release (backend, self->acts, self->acts_size);
  self->acts = NULL;
  backend->ops->release (backend, self->rows, rows_size (self));
  self->rows = NULL;
  self->row_cols = MAX (padded_cols, BN_CPU_MIN_ROW_COLS);
  if (!g_size_checked_mul (&self->acts_size, row_size, n_rows))
    return FALSE;
  self->acts = backend->ops->alloc (backend, self->acts_size);
  self->rows = backend->ops->alloc (backend, rows_size (self));
  return self->acts && self->rows
         && bn_cpu_prepare_attend (backend, n_heads, head_size, n_cells);
}

/* A pass */

static void
cpu_begin (BnBackend *backend, const int *abort)
{
  BnCpuBackend *self = bn_cpu_backend (backend);

  self->abort = abort;
  self->is_aborted = FALSE;
}

static gboolean
cpu_end (BnBackend *backend)
{
  BnCpuBackend *self = bn_cpu_backend (backend);

  self->abort = NULL;
  return !self->is_aborted;
}

void
bn_cpu_run_rows (BnCpuBackend *self, uint32_t n_rows, uint32_t n_cols,
    BnLoopFunc func, void *data)
{
  if (!bn_cpu_is_aborted (self))
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

  bn_cpu_run_rows (
      bn_cpu_backend (backend), n_rows, table->n_cols, embed_rows, &op);
}

/* Small operators */

typedef struct {
  const BnKernels *kernels;
  float *y;
  const float *x;
  uint32_t n;
} Add;

static void
add_rows (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Add *op = data;

  for (size_t i = begin; i < end; i++)
    op->kernels->add (op->y + i * op->n, op->x + i * op->n, op->n);
}

static void
cpu_add (
    BnBackend *backend, float *y, const float *x, uint32_t n, uint32_t n_rows)
{
  BnCpuBackend *self = bn_cpu_backend (backend);
  Add op = {self->kernels, y, x, n};

  bn_cpu_run_rows (self, n_rows, n, add_rows, &op);
}

static void
cpu_gather (BnBackend *backend, float *x, size_t stride, uint32_t n,
    const uint32_t *rows, uint32_t n_rows)
{
  if (bn_cpu_is_aborted (bn_cpu_backend (backend)))
    return;
  for (uint32_t i = 0; i < n_rows; i++) {
    if (rows[i] != i)
      memcpy (x + i * stride, x + rows[i] * stride, n * sizeof *x);
  }
}

static void
cpu_free (BnBackend *backend)
{
  BnCpuBackend *self = bn_cpu_backend (backend);

  cpu_release (backend, self->acts, self->acts_size);
  cpu_release (backend, self->rows, rows_size (self));
  bn_cpu_release_attend (backend);
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
    .get_n_threads = bn_cpu_get_n_threads,
    .prepare = cpu_prepare,
    .begin = cpu_begin,
    .end = cpu_end,
    .embed = cpu_embed,
    .matmul = bn_cpu_matmul,
    .matmul_screened = bn_cpu_matmul_screened,
    .store_kv = bn_cpu_store_kv,
    .attend = bn_cpu_attend,
    .add = cpu_add,
    .gather = cpu_gather,
};

BnBackend *
bn_cpu_backend_new (const BnKernels *kernels, uint32_t n_threads)
{
  BnCpuBackend *self = g_new0 (BnCpuBackend, 1);

  self->parent.ops = &cpu_ops;
  self->parent.is_host = TRUE;
  self->kernels = kernels ? kernels : bn_kernels_get ();
  self->pool = bn_thread_pool_new (n_threads);
  return &self->parent;
}
