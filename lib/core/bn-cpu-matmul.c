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
 *     ROW_TILE  |  0   |  1   |  2   |  3   |   stream of the first thread
 *     tokens    +------+------+------+------+
 *     ROW_TILE  |  4   |  5   |  6   |  7   |   of the second
 *               +------+------+------+------+
 *
 * Each thread goes through a stream of pieces of its own, so that it finds the
 * same activations in its cache again and goes on with the weights that it
 * asked for ahead; at the end it takes pieces from the others' streams.
 *
 * Kernels promise that a result does not depend on the other rows of a call,
 * so the cut never shows. */
#include "bn-cpu-private.h"

enum {
  ROW_TILE = 64,                  /* tokens of one piece of a product */
  PIECE_PRODUCTS = 8 << 20,       /* multiplications of one piece, about */
  MIN_PIECE_PRODUCTS = 256 << 10, /* for which a worker is woken */
  PIECES_PER_THREAD = 4,          /* for balance, where there is enough work */
  MAX_LINEARS = 3,                /* products of one input */
  ACTIVATION_TILE = 16,           /* rows: whole vectors, whatever the cut */
  MAX_STREAMS = 64,               /* threads behind these share theirs */
};

typedef struct {
  BnCpuBackend *backend;
  BnAct act;
  const BnRows *input;
  uint32_t n_cols;
  const uint8_t *acts;
  size_t act_stride;
  uint32_t n_rows;

  const BnResults *results;
  BnUse use; /* that the pieces make of them */
  uint32_t n_linears;
  const BnLinear *linears[MAX_LINEARS];
  float *y[MAX_LINEARS];       /* where its results go */
  uint32_t chunk[MAX_LINEARS]; /* weight rows of a piece */
  uint32_t n_chunks[MAX_LINEARS];
  uint32_t n_chunks_in_all;
  gboolean is_last; /* what is to be activated is complete with these */

  size_t n_pieces;
  uint32_t n_streams;
  int next[MAX_STREAMS]; /* piece of each stream; atomic */
} Matmul;

/* A row at a time goes all the way while it is in the cache. */
static void
prepare_rows (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Matmul *op = data;
  const BnKernels *kernels = op->backend->kernels;
  float *row = op->backend->rows + worker * op->backend->row_cols;

  for (size_t i = begin; i < end; i++) {
    const float *x = op->input->x + i * op->input->stride;

    if (op->input->norm) {
      bn_cpu_norm_row (kernels, row, x, op->input->norm);
      x = row;
    }
    kernels->quantize[op->act](
        (uint8_t *) op->acts + i * op->act_stride, x, op->n_cols);
  }
}

/* Weight rows [begin, end) with n_acts activation rows. */
typedef struct {
  uint32_t begin, end;
  uint32_t act, n_acts;
  float *scratch; /* of the worker */
} Piece;

static void
finish_rows (
    const BnLinear *linear, float *y, size_t y_stride, const Piece *piece)
{
  const float *bias = linear->bias;

  if (linear->scale == 1 && bias == NULL)
    return;
  for (uint32_t a = 0; a < piece->n_acts; a++, y += y_stride) {
    for (uint32_t row = piece->begin; row < piece->end; row++)
      y[row] = y[row] * linear->scale + (bias ? bias[row] : 0);
  }
}

static void
multiply_rows (const Matmul *op, const BnLinear *linear, float *y,
    size_t y_stride, const Piece *piece)
{
  linear->ops->matmul (y, y_stride, &linear->matrix, piece->begin, piece->end,
      op->acts + piece->act * op->act_stride, op->act_stride, piece->n_acts);
  finish_rows (linear, y, y_stride, piece);
}

/* Where results of the first activation row go. */
static float *
find_results (const Matmul *op, uint32_t i, const Piece *piece)
{
  return op->y[i] + piece->act * op->results->stride;
}

/* Asks for the numbers that the results are added to. */
static void
fetch_results (const Matmul *op, const Piece *piece)
{
  const char *y = (const char *) (find_results (op, 0, piece) + piece->begin);
  const size_t size = (piece->end - piece->begin) * sizeof (float);

  for (uint32_t i = 0; i < piece->n_acts; i++) {
    for (size_t at = 0; at < size; at += BN_ALIGN)
      __builtin_prefetch (y + at, 1);
    y += op->results->stride * sizeof (float);
  }
}

static void
add_piece (const Matmul *op, const Piece *piece)
{
  const uint32_t n = piece->end - piece->begin;

  fetch_results (op, piece);
  multiply_rows (op, op->linears[0], piece->scratch - piece->begin, n, piece);
  for (uint32_t i = 0; i < piece->n_acts; i++)
    op->backend->kernels->add (
        find_results (op, 0, piece) + i * op->results->stride + piece->begin,
        piece->scratch + i * n, n);
}

/* In place of gate or up, whichever is not in others. */
static void
activate (const Matmul *op, float *y, const float *others,
    gboolean others_are_gates, uint32_t n)
{
  const BnKernels *kernels = op->backend->kernels;
  const float *gate = others_are_gates ? others : y;
  const float *up = others_are_gates ? y : others;

  switch (op->results->activation) {
    case BN_ACTIVATION_SILU:
      kernels->silu_mul (y, gate, up, n);
      break;
    case BN_ACTIVATION_RELU2:
      kernels->relu2_mul (y, gate, up, n);
      break;
    case BN_ACTIVATION_GELU:
      kernels->gelu (y, y, n);
      break;
  }
}

/* The first product goes to y, the second to scratch. Where they take
 * activations of different kinds they come in two calls. */
static void
activate_piece (const Matmul *op, const Piece *piece)
{
  const gboolean is_gated = op->results->activation != BN_ACTIVATION_GELU;
  const uint32_t last = op->n_linears - 1;
  const uint32_t n = piece->end - piece->begin;
  const size_t stride = op->results->stride;
  float *y = op->results->y + piece->act * stride;

  if (!op->is_last || !is_gated || last > 0)
    multiply_rows (op, op->linears[0], y, stride, piece);
  if (!op->is_last)
    return;
  if (is_gated)
    multiply_rows (
        op, op->linears[last], piece->scratch - piece->begin, n, piece);
  for (uint32_t i = 0; i < piece->n_acts; i++)
    activate (op, y + i * stride + piece->begin, piece->scratch + i * n,
        op->y[last] == op->results->y, n);
}

static void
multiply_piece (const Matmul *op, size_t index, uint32_t worker)
{
  const uint32_t act = (uint32_t) (index / op->n_chunks_in_all) * ROW_TILE;
  Piece piece = {.act = act,
      .n_acts = MIN (ROW_TILE, op->n_rows - act),
      .scratch = op->backend->rows + worker * op->backend->row_cols};
  uint32_t chunk = (uint32_t) (index % op->n_chunks_in_all);
  uint32_t i = 0;

  while (chunk >= op->n_chunks[i])
    chunk -= op->n_chunks[i++];
  piece.begin = chunk * op->chunk[i];
  piece.end = MIN (piece.begin + op->chunk[i], op->linears[i]->matrix.n_rows);
  switch (op->use) {
    case BN_USE_STORE:
      multiply_rows (op, op->linears[i], find_results (op, i, &piece),
          op->results->stride, &piece);
      break;
    case BN_USE_ADD:
      add_piece (op, &piece);
      break;
    case BN_USE_ACTIVATE:
      activate_piece (op, &piece);
      break;
  }
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
    multiply_piece (op, take_piece (op, worker), worker);
  }
}

static void
multiply (Matmul *op)
{
  op->n_pieces =
      (size_t) op->n_chunks_in_all * ((op->n_rows - 1) / ROW_TILE + 1);
  op->n_streams =
      MIN (MAX_STREAMS, bn_cpu_get_n_threads (&op->backend->parent));
  for (uint32_t i = 0; i < op->n_streams; i++)
    op->next[i] = (int) stream_begin (op, i);
  bn_thread_pool_run (op->backend->pool, op->n_pieces, 1, multiply_pieces, op);
}

/* Weight rows of a piece are a multiple of this. */
static uint32_t
get_row_tile (const Matmul *op, uint32_t i)
{
  uint32_t tile = ACTIVATION_TILE;

  if (op->use != BN_USE_ACTIVATE)
    return op->linears[i]->ops->row_tile;
  for (i = 0; i < op->n_linears; i++) /* they are powers of two */
    tile = MAX (tile, op->linears[i]->ops->row_tile);
  return tile;
}

/* Weight rows of a piece: some PIECE_PRODUCTS; fewer where that gives every
 * thread its part, but not so few that it costs more than it brings. */
static uint32_t
choose_chunk (const Matmul *op, uint32_t i)
{
  const BnMatrix *matrix = &op->linears[i]->matrix;
  const uint32_t n_threads = bn_cpu_get_n_threads (&op->backend->parent);
  const uint32_t tile = get_row_tile (op, i);
  const uint32_t n_acts = MIN (op->n_rows, ROW_TILE);
  const uint64_t row_products = (uint64_t) matrix->n_cols * n_acts;
  const uint32_t largest = (uint32_t) (PIECE_PRODUCTS / row_products);
  const uint32_t smallest = (uint32_t) (MIN_PIECE_PRODUCTS / row_products);
  uint32_t rows = largest;

  if (op->n_rows <= ROW_TILE)
    rows = MIN (rows, matrix->n_rows / (n_threads * PIECES_PER_THREAD));
  rows = MAX (rows, smallest);
  if (op->use != BN_USE_STORE)
    rows = MIN (rows, (uint32_t) op->backend->row_cols / n_acts);
  return MAX (1, rows / tile) * tile;
}

static void
cut_products (Matmul *op)
{
  /* gate and up are cut as one */
  const uint32_t n = op->use == BN_USE_ACTIVATE ? 1 : op->n_linears;

  for (uint32_t i = 0; i < n; i++) {
    op->chunk[i] = choose_chunk (op, i);
    /* the least that choose_chunk() gives is a tile */
    g_assert (op->use == BN_USE_STORE
              || (size_t) op->chunk[i] * MIN (op->n_rows, ROW_TILE)
                     <= op->backend->row_cols);
    op->n_chunks[i] = (op->linears[i]->matrix.n_rows - 1) / op->chunk[i] + 1;
    op->n_chunks_in_all += op->n_chunks[i];
  }
}

/* Rows of floats that kernels can read as they are. */
static gboolean
is_ready (const BnRows *input)
{
  return input->norm == NULL && (uintptr_t) input->x % BN_ALIGN == 0
         && input->stride * sizeof (float) % BN_ALIGN == 0;
}

void
bn_cpu_matmul (BnBackend *backend, const BnResults *results,
    const BnRows *input, const BnLinear *const *linears, uint32_t n_linears,
    uint32_t n_rows)
{
  BnCpuBackend *self = bn_cpu_backend (backend);
  const uint32_t n_cols = linears[0]->matrix.n_cols;
  /* A single row waits for memory: gate and up are streams of their own. */
  const gboolean is_row = results->use == BN_USE_ACTIVATE && n_rows == 1
                          && n_linears == 2
                          && linears[0]->ops->act == linears[1]->ops->act;
  uint32_t n_done = 0;

  g_assert (n_linears <= MAX_LINEARS);
  for (int act = 0; act < BN_N_ACTS; act++) {
    Matmul op = {.backend = self,
        .act = act,
        .input = input,
        .n_cols = n_cols,
        .acts = self->acts,
        .act_stride = bn_act_size (act, n_cols),
        .n_rows = n_rows,
        .results = results,
        .use = is_row ? BN_USE_STORE : results->use};
    float *y = results->y;

    for (uint32_t i = 0; i < n_linears; i++) {
      if (linears[i]->ops->act == (BnAct) act) {
        op.linears[op.n_linears] = linears[i];
        op.y[op.n_linears++] = is_row && i > 0 ? self->rows : y;
      }
      y += linears[i]->matrix.n_rows;
    }
    if (op.n_linears == 0 || bn_cpu_is_aborted (self))
      continue;
    n_done += op.n_linears;
    op.is_last = n_done == n_linears;
    if (act == BN_ACT_F32 && is_ready (input)) {
      op.acts = (const uint8_t *) input->x;
      op.act_stride = input->stride * sizeof (float);
    } else {
      bn_cpu_run_rows (self, n_rows, n_cols, prepare_rows, &op);
    }
    cut_products (&op);
    multiply (&op);
    if (is_row && op.is_last)
      activate (&op, results->y, self->rows, FALSE, linears[0]->matrix.n_rows);
  }
}
