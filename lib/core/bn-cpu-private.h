/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the processor's backend share. */
#pragma once

#include "bn-backend.h"
#include "bn-threadpool.h"

/* Floats of a row of scratch, enough for the results of a piece. */
enum { BN_CPU_MIN_ROW_COLS = 4096 };

typedef struct {
  BnBackend parent;
  const BnKernels *kernels;
  BnThreadPool *pool;

  /* Scratch, made by prepare. */
  void *acts; /* quantized activation rows */
  size_t acts_size;
  float *rows; /* row_cols floats for each worker */
  size_t row_cols;
  uint8_t *attend_scratch; /* attend_size bytes for each worker */
  size_t attend_size;
  float *parts; /* of attention that is divided, n_parts of them */
  size_t n_parts;
  uint32_t head_size; /* of the parts */

  const int *abort;
  int is_aborted; /* remembers *abort until the pass ends; atomic */
} BnCpuBackend;

static inline BnCpuBackend *
bn_cpu_backend (BnBackend *backend)
{
  return (BnCpuBackend *) backend;
}

static inline gboolean
bn_cpu_is_aborted (BnCpuBackend *self)
{
  if (g_atomic_int_get (&self->is_aborted))
    return TRUE;
  if (self->abort == NULL || !g_atomic_int_get (self->abort))
    return FALSE;
  g_atomic_int_set (&self->is_aborted, TRUE);
  return TRUE;
}

uint32_t bn_cpu_get_n_threads (BnBackend *backend);

/* Scratch of bn_cpu_attend(), made by prepare. */
gboolean bn_cpu_prepare_attend (
    BnBackend *backend, uint32_t n_heads, uint32_t head_size, uint32_t n_cells);
void bn_cpu_release_attend (BnBackend *backend);

/* A loop over rows, several of them in a piece if they are short. */
void bn_cpu_run_rows (BnCpuBackend *self, uint32_t n_rows, uint32_t n_cols,
    BnLoopFunc func, void *data);

static inline void
bn_cpu_norm_row (
    const BnKernels *kernels, float *y, const float *x, const BnNorm *norm)
{
  if (norm->bias)
    kernels->layer_norm (y, x, norm->weight, norm->bias, norm->n, norm->eps);
  else
    kernels->rms_norm (y, x, norm->weight, norm->n, norm->eps);
}

/* Operators of BnBackendOps. */
void bn_cpu_matmul (BnBackend *backend, const BnResults *results,
    const BnRows *input, const BnLinear *const *linears, uint32_t n_linears,
    uint32_t n_rows);
gboolean bn_cpu_matmul_screened (BnBackend *backend, float *y,
    const BnRows *input, BnScreen *screen, const BnLogitNeed *const *needs,
    uint32_t n_rows);
void bn_cpu_store_kv (BnBackend *backend, float *qkv,
    const BnAttention *attention, const BnBatch *batch);
void bn_cpu_attend (BnBackend *backend, float *qkv,
    const BnAttention *attention, const BnBatch *batch);
