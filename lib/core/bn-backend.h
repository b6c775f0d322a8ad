/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device a transformer runs on, as a table of operators.
 *
 * The transformer describes one pass as a sequence of operators over buffers
 * of the device; it never looks into a buffer. Operators may return before
 * they are done, in their order; end() waits. Rows are tokens: buffers are
 * row-major, one row a token, strides in floats.
 *
 * Contract: the result of a row does not depend on the other rows of the
 * call. After *abort became non-zero operators may do nothing at all; end()
 * then returns FALSE.
 *
 * One thread uses a backend at a time. */
#pragma once

#include <gio/gio.h>
#include "bn-gguf.h"
#include "bn-head.h"
#include "bn-hparams.h"
#include "bn-kernels.h"

typedef struct BnBackend BnBackend;

/* Whether weights are rearranged for the device. Same values as
 * BitnetRepack. */
typedef enum {
  BN_REPACK_AUTO,   /* where it makes the products faster */
  BN_REPACK_NEVER,  /* use the mapped file wherever kernels can */
  BN_REPACK_ALWAYS, /* every matrix that has a packed form */
} BnRepack;

/* y = scale * (matrix x) + bias */
typedef struct {
  BnMatrix matrix;        /* data and row_scale in device memory */
  const BnMatmulOps *ops; /* CPU: how it is multiplied */
  gboolean lies_in_file;  /* rows of the file are what in_place of
                             bn-kernels.h multiplies */
  gboolean has_few_rows;  /* in a pass: the output matrix */
  float scale;
  const float *bias; /* n_rows floats in device memory, or NULL */
} BnLinear;

/* RMSNorm, or LayerNorm where there is a bias. */
typedef struct {
  const float *weight; /* device memory */
  const float *bias;   /* device memory, or NULL */
  uint32_t n;
  float eps;
} BnNorm;

/* Rows that products begin with: x, normed where it is said. */
typedef struct {
  const float *x;
  size_t stride;
  const BnNorm *norm; /* NULL: none */
} BnRows;

/* What becomes of the results of products. */
typedef enum {
  BN_USE_STORE,    /* those of one row lie one behind the other */
  BN_USE_ADD,      /* those of the only product are added to what is there */
  BN_USE_ACTIVATE, /* two products, gate and up, become one number each (GELU:
                      the only one) */
} BnUse;

/* Rows that products go to. */
typedef struct {
  float *y;
  size_t stride;
  BnUse use;
  BnActivation activation;
} BnResults;

/* The output matrix and a copy of it with fewer bits. Made with the weights. */
typedef struct {
  const BnLinear *exact; /* of floats; no scale, no bias */
  BnLinear copy;
  /* BnHeadLengths of each row; device memory. */
  const float *norms;
  const float *errors;

  /* Scratch of matmul_screened, host memory. */
  float *acts;   /* n_cols; a row of the input */
  float *values; /* n_cols; what the copy's product makes of it */
  float *maxima; /* of blocks of rows */

  uint32_t n_rest; /* calls that do not screen */
  int n_computed;  /* rows, in this call; atomic */
  /* Sums: logits of calls that screened, and those computed from the file. */
  uint64_t n_screened_rows;
  uint64_t n_computed_rows;
} BnScreen;

/* Its scratch; exact and copy are set. */
void bn_screen_init (BnScreen *self);
void bn_screen_clear (BnScreen *self);

/* A matrix whose rows are looked up, in file form. */
typedef struct {
  BnType type;
  uint32_t n_rows;
  uint32_t n_cols;
  const void *data; /* host memory */
  BnI2sLayout i2s_layout;
} BnTable;

/* Where the cache has the keys of (page, layer, head, cell), in bytes:
 * data + page * page_stride + layer * layer_stride + head * head_stride
 * + cell * cell_size; the values are v_offset further. */
typedef struct {
  BnKvType type;
  uint8_t *data;    /* device memory */
  size_t cell_size; /* bn_kv_cell_size() */
  size_t page_stride;
  size_t layer_stride;
  size_t head_stride;
  size_t v_offset;
  uint32_t page_cells;
  uint32_t n_layers;
  uint32_t n_kv_heads;
  uint32_t head_size;
} BnKvLayout;

/* Consecutive rows of a batch that belong to one sequence. */
typedef struct {
  const uint32_t *pages; /* of the sequence, room for its rows included */
  uint32_t first_row;
  uint32_t n_rows;
  uint32_t position; /* of the first row */
} BnBatchRun;

typedef struct {
  uint32_t n_rows;
  uint32_t n_runs;
  const BnBatchRun *runs;
  const uint32_t *positions; /* n_rows */
  const float *cos_sin;      /* n_rows times n_rot floats; NULL: no rope */
} BnBatch;

/* The attention of one layer. A row of qkv: n_heads queries, n_kv_heads keys,
 * n_kv_heads values. */
typedef struct {
  const BnKvLayout *kv;
  uint32_t layer;
  uint32_t n_heads;
  uint32_t n_kv_heads;
  uint32_t head_size;
  uint32_t n_rot;
  gboolean is_neox;
  float scale;          /* of q . k */
  const BnNorm *q_norm; /* of each head, before rope; NULL: none */
  const BnNorm *k_norm;
} BnAttention;

typedef struct {
  const char *name; /* "cpu", "cuda" */
  void (*free) (BnBackend *self);

  /* Memory of the device: BN_ALIGN aligned, zeroed, committed as far as the
   * system can when first written. NULL if there is not enough. */
  void *(*alloc) (BnBackend *self, size_t size);
  void (*release) (BnBackend *self, void *memory, size_t size);
  /* Contents may vanish: the system may have the memory until it is written
   * again. */
  void (*discard) (BnBackend *self, void *memory, size_t size);
  /* Between host and device. */
  void (*write) (BnBackend *self, void *dst, const void *src, size_t size);
  void (*read) (BnBackend *self, void *dst, const void *src, size_t size);

  /* The first n_cells cells of page src to page dst, in all layers. */
  void (*copy_cells) (BnBackend *self, const BnKvLayout *layout, uint32_t dst,
      uint32_t src, uint32_t n_cells);

  /* How a matrix of file type is held. Sets ops and pack; the packed size,
   * or 0 if the file's own bytes serve (then data is set by the caller). */
  size_t (*linear_init) (BnBackend *self, BnLinear *linear, BnRepack repack);
  /* Packs rows [row_begin, row_end) into matrix.data; src is the first of
   * them in the canonical form (bn-kernels.h). Any thread of for_each. */
  void (*linear_pack) (BnBackend *self, const BnLinear *linear, const void *src,
      uint32_t row_begin, uint32_t row_end);
  /* Work of the host, spread over its threads (bn_thread_pool_run()). */
  void (*for_each) (BnBackend *self, size_t n, size_t grain,
      void (*func) (size_t begin, size_t end, uint32_t worker, void *data),
      void *data);
  uint32_t (*get_n_threads) (BnBackend *self);

  /* Scratch for passes of n_rows rows, matrices of n_cols inputs, and
   * attention of n_heads heads of head_size to n_cells cells. FALSE if memory
   * is short. */
  gboolean (*prepare) (BnBackend *self, uint32_t n_rows, uint32_t n_cols,
      uint32_t n_heads, uint32_t head_size, uint32_t n_cells);

  /* A pass: begin, operators, end. */
  void (*begin) (BnBackend *self, const int *abort);
  gboolean (*end) (BnBackend *self);

  /* y[i] = row rows[i] of table */
  void (*embed) (BnBackend *self, float *y, const BnTable *table,
      const uint32_t *rows, uint32_t n_rows);
  /* n_linears products of the same input, which lies elsewhere than the
   * results. */
  void (*matmul) (BnBackend *self, const BnResults *results,
      const BnRows *input, const BnLinear *const *linears, uint32_t n_linears,
      uint32_t n_rows);
  /* The product with screen->exact. needs: of each row, NULL: all logits.
   * Where all of them allow it, and it pays, logits that are not needed may be
   * -INFINITY, and any other that is not finite is NaN; TRUE if so. */
  gboolean (*matmul_screened) (BnBackend *self, float *y, const BnRows *input,
      BnScreen *screen, const BnLogitNeed *const *needs, uint32_t n_rows);
  /* Head norms and rope on q and k in place, q rounded to halves; keys and
   * values to the cache. */
  void (*store_kv) (BnBackend *self, float *qkv, const BnAttention *attention,
      const BnBatch *batch);
  /* Each query becomes its attention, in the same place. */
  void (*attend) (BnBackend *self, float *qkv, const BnAttention *attention,
      const BnBatch *batch);
  /* y += x */
  void (*add) (
      BnBackend *self, float *y, const float *x, uint32_t n, uint32_t n_rows);
  /* Row i becomes row rows[i], which is that one or one behind it; rows
   * ascend. The first n numbers of rows stride apart. */
  void (*gather) (BnBackend *self, float *x, size_t stride, uint32_t n,
      const uint32_t *rows, uint32_t n_rows);
} BnBackendOps;

struct BnBackend {
  const BnBackendOps *ops;
  gboolean is_host; /* device memory is host memory */
};

/* The processor. kernels: NULL for bn_kernels_get(); must outlive the
 * backend. n_threads: 0 for one per physical core. Never fails for lack of
 * threads, takes what the system gives. */
BnBackend *bn_cpu_backend_new (const BnKernels *kernels, uint32_t n_threads);

static inline void
bn_backend_free (BnBackend *self)
{
  self->ops->free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnBackend, bn_backend_free)
