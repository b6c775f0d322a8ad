/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products on the processor.
 *
 * A product is cut into pieces of (some weight rows) x (some activation
 * rows), small enough that the activations of a piece stay in the second
 * level cache and that an abort is noticed within a few milliseconds, large
 * enough that claiming a piece costs nothing:
 *
 *                 weight rows, a multiple of row_tile
 *               +------+------+------+------+
 *     ROW_TILE  |  0   |  2   |  4   |  6   |   pieces in the order in which
 *     tokens    +------+------+------+------+   they are claimed, two threads
 *     ROW_TILE  |  1   |  3   |  5   |  7   |
 *               +------+------+------+------+
 *     ROW_TILE  |  8   |  9   |  10  |  11  |
 *               +------+------+------+------+
 *
 * As many tiles as there are threads make a band, so that all threads read the
 * same weights at a time, each goes on with those that it asked for ahead, and
 * it finds the same activations in its cache again.
 *
 * Kernels promise that a result does not depend on the other rows of a call,
 * so the cut never shows. */
#include "bn-cpu-private.h"

enum {
  ROW_TILE = 64,            /* tokens of one piece of a product */
  PIECE_PRODUCTS = 8 << 20, /* multiplications of one piece, about */
  PIECES_PER_THREAD = 4,    /* for balance, where there is enough work */
  MAX_LINEARS = 3,          /* products of one input */
  MAX_STREAMS = 64,         /* threads behind these share theirs */
};

typedef struct {
  BnCpuBackend *backend;
  BnAct act;
  const BnRows *input;
  uint32_t n_cols;
  const uint8_t *acts;
  size_t act_stride;
  uint32_t n_rows;
  uint32_t n_tiles;    /* of rows */
  uint32_t band_tiles; /* of them in a band */

  float *y;
  size_t y_stride;
  uint32_t n_linears;
  const BnLinear *linears[MAX_LINEARS];
  uint32_t y_offset[MAX_LINEARS];
  uint32_t chunk[MAX_LINEARS]; /* weight rows of a piece */
  uint32_t n_chunks[MAX_LINEARS];
  uint32_t n_chunks_in_all;

  size_t n_pieces;
  uint32_t n_streams;    /* 1: pieces go one by one to whoever is free */
  int next[MAX_STREAMS]; /* piece of each stream; atomic */
} Matmul;

static void
activate_row (const Matmul *op, float *y, const float *x)
{
  const BnKernels *kernels = op->backend->kernels;
  const uint32_t n = op->n_cols;

  switch (op->input->activation) {
    case BN_ACTIVATION_SILU:
      kernels->silu_mul (y, x, x + n, n);
      break;
    case BN_ACTIVATION_RELU2:
      kernels->relu2_mul (y, x, x + n, n);
      break;
    case BN_ACTIVATION_GELU:
      kernels->gelu (y, x, n);
      break;
  }
}

/* A row at a time goes all the way while it is in the cache. */
static void
prepare_rows (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Matmul *op = data;
  const BnKernels *kernels = op->backend->kernels;
  float *row = op->backend->rows + worker * op->backend->row_cols;

  for (size_t i = begin; i < end; i++) {
    const float *x = op->input->x + i * op->input->stride;

    if (op->input->is_activated) {
      activate_row (op, row, x);
      x = row;
    }
    if (op->input->norm) {
      bn_cpu_norm_row (kernels, row, x, op->input->norm);
      x = row;
    }
    kernels->quantize[op->act](
        (uint8_t *) op->acts + i * op->act_stride, x, op->n_cols);
  }
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
  const size_t band_pieces = (size_t) op->n_chunks_in_all * op->band_tiles;
  const uint32_t band = (uint32_t) (piece / band_pieces) * op->band_tiles;
  const uint32_t n_tiles = MIN (op->band_tiles, op->n_tiles - band);
  const uint32_t in_band = (uint32_t) (piece % band_pieces);
  const uint32_t tile = (band + in_band % n_tiles) * ROW_TILE;
  const uint32_t n_acts = MIN (ROW_TILE, op->n_rows - tile);
  uint32_t chunk = in_band / n_tiles;
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

static size_t
stream_begin (const Matmul *op, uint32_t stream)
{
  return op->n_pieces * stream / op->n_streams;
}

/* The next piece of the worker's stream, or of the first behind it that has
 * one. Called n_pieces times in all, so there is one. */
static size_t
take_piece (Matmul *op, uint32_t worker)
{
  for (uint32_t i = worker;; i++) {
    const uint32_t stream = i % op->n_streams;
    const size_t piece = (guint) g_atomic_int_add (&op->next[stream], 1);

    if (piece < stream_begin (op, stream + 1))
      return piece;
  }
}

static void
multiply_pieces (size_t begin, size_t end, uint32_t worker, void *data)
{
  Matmul *op = data;

  for (size_t i = begin; i < end; i++) {
    if (bn_cpu_is_aborted (op->backend))
      return;
    multiply_piece (op, op->n_streams > 1 ? take_piece (op, worker) : i);
  }
}

static void
multiply (Matmul *op)
{
  op->n_pieces = (size_t) op->n_chunks_in_all * op->n_tiles;
  op->n_streams =
      MIN (MAX_STREAMS, bn_cpu_get_n_threads (&op->backend->parent));
  if (op->n_tiles > 1)
    op->n_streams = 1;
  for (uint32_t i = 0; i < op->n_streams; i++)
    op->next[i] = (int) stream_begin (op, i);
  bn_thread_pool_run (op->backend->pool, op->n_pieces, 1, multiply_pieces, op);
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
  const uint32_t smallest =
      (uint32_t) (BN_CPU_MIN_PIECE_PRODUCTS / row_products);
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
      choose_chunk (op, linear, bn_cpu_get_n_threads (&op->backend->parent));
  op->n_chunks[i] = (n_rows - 1) / op->chunk[i] + 1;
  op->n_chunks_in_all += op->n_chunks[i];
}

/* Rows of floats that kernels can read as they are. */
static gboolean
is_ready (const BnRows *input)
{
  return !input->is_activated && input->norm == NULL
         && (uintptr_t) input->x % BN_ALIGN == 0
         && input->stride * sizeof (float) % BN_ALIGN == 0;
}

void
bn_cpu_matmul (BnBackend *backend, float *y, size_t y_stride,
    const BnRows *input, const BnLinear *const *linears, uint32_t n_linears,
    uint32_t n_rows)
{
  BnCpuBackend *self = bn_cpu_backend (backend);
  const uint32_t n_cols = linears[0]->matrix.n_cols;

  g_assert (n_linears <= MAX_LINEARS);
  for (int act = 0; act < BN_N_ACTS; act++) {
    Matmul op = {.backend = self,
        .act = act,
        .input = input,
        .n_cols = n_cols,
        .acts = self->acts,
        .act_stride = bn_act_size (act, n_cols),
        .n_rows = n_rows,
        .n_tiles = (n_rows - 1) / ROW_TILE + 1,
        .band_tiles = bn_cpu_get_n_threads (backend),
        .y = y,
        .y_stride = y_stride};
    uint32_t y_offset = 0;

    for (uint32_t i = 0; i < n_linears; i++) {
      if (linears[i]->ops->act == (BnAct) act)
        add_linear (&op, linears[i], y_offset);
      y_offset += linears[i]->matrix.n_rows;
    }
    if (op.n_linears == 0 || bn_cpu_is_aborted (self))
      continue;
    if (act == BN_ACT_F32 && is_ready (input)) {
      op.acts = (const uint8_t *) input->x;
      op.act_stride = input->stride * sizeof (float);
    } else {
      bn_cpu_run_rows (self, n_rows, n_cols, prepare_rows, &op);
    }
    multiply (&op);
  }
}
