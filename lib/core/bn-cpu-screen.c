/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The output matrix through a copy of fewer bits.
 *
 * With w a row of the file, c its copy, e = w - c, x the activations and a
 * what the copy's product makes of them, the logit w.x differs from the copy's
 * c.a by e.x + c.(x - a), and so, by Cauchy and Schwarz, by at most
 *
 *     |e| |x| + |c| |x - a|
 *
 * of which |e| and |c| are known since the load and the others are computed
 * here. Both products add n numbers in floats, which in any order, fused or
 * not, is off by at most gamma = n u / (1 - n u), u = 2^-24, of the sum of
 * their magnitudes: gamma |w| |x| and gamma |c| |a|; |w| is at most |c| + |e|.
 * (The integers within the copy's product are exact.) Twice that covers the
 * other roundings on the way from a logit to a comparison.
 *
 * A search for the k best logits so takes three steps:
 *
 *   1. all logits of the copy; of every BLOCK of them the largest;
 *   2. the k largest of these are computed from the file. The least of the
 *      results is the threshold: k logits are known to reach it;
 *   3. a row whose copy's logit plus its bound stays below the threshold has a
 *      logit below k others. All other rows are computed from the file:
 *
 *                           threshold
 *          o-------|            |             excluded
 *              o-----------|    |             excluded
 *                     o---------+--|          computed
 *
 * by the same kernel as without a copy, hence to the same bits. Likewise the
 * largest result of step 2, less the span that is asked for, is a threshold
 * for those within that span of the best. */
#include "bn-cpu-private.h"

#include <math.h>
#include <string.h>

#include "bn-blocks.h"
#include "bn-scalar.h"

enum {
  BLOCK = 32,       /* rows */
  MAX_BEST = 256,   /* more are not worth it */
  BLOCK_GRAIN = 64, /* blocks that a thread claims */
  N_LANES = 16,     /* partial maxima, so that vectors are used */
  REST = 15,
};

/* Where more than this share of the matrix is read row by row, for all rows of
 * activations together, it is quicker to read it once for all, and REST passes
 * do. */
#define WORTHWHILE 0.25
/* More than the rounding of the few operations that make a bound. */
#define ROUND_UP 1.00001f
/* More than what products lose that are too small for a float. */
#define UNDERFLOW 1e-30f

/* One row of activations. */
typedef struct {
  BnCpuBackend *backend;
  BnScreen *screen;
  float *y;
  /* The bound of a row: error * per_error + norm * per_norm + UNDERFLOW. */
  float per_error;
  float per_norm;
  float threshold; /* what counts reaches it */
} Screening;

/* ---- bounds ---- */

/* The values that an activation row stands for. */
static void
read_acts (float *values, BnAct act, const void *acts, uint32_t n)
{
  if (act == BN_ACT_Q8_0) {
    const BnActQ8_0 *block = acts;
    for (uint32_t i = 0; i < n; i++)
      values[i] = bn_f16_to_f32 (block[i / BN_QK].d)
                  * (float) block[i / BN_QK].qs[i % BN_QK];
  } else {
    const BnActQ8_K *block = acts;
    g_assert (act == BN_ACT_Q8_K);
    for (uint32_t i = 0; i < n; i++)
      values[i] =
          block[i / BN_QK_K].d * (float) block[i / BN_QK_K].qs[i % BN_QK_K];
  }
}

static void
find_factors (Screening *self, const void *copy_acts)
{
  const BnLinear *copy = &self->screen->copy;
  const float *x = self->screen->acts;
  const uint32_t n = copy->matrix.n_cols;
  const double gamma = 2 * (n + 64.0) * 0x1p-24;
  float *values = self->screen->values;
  double xx = 0, aa = 0, dd = 0;

  read_acts (values, copy->ops->act, copy_acts, n);
  for (uint32_t i = 0; i < n; i++) {
    const double d = (double) x[i] - (double) values[i];
    xx += (double) x[i] * (double) x[i];
    aa += (double) values[i] * (double) values[i];
    dd += d * d;
  }
  self->per_error = (float) (sqrt (xx) * (1 + gamma)) * ROUND_UP;
  self->per_norm =
      (float) (sqrt (dd) + gamma * (sqrt (xx) + sqrt (aa))) * ROUND_UP;
}

/* ---- rows from the file ---- */

static uint32_t
count_blocks (const BnScreen *screen)
{
  return (screen->copy.matrix.n_rows - 1) / BLOCK + 1;
}

static uint32_t
get_block_end (const Screening *self, uint32_t first)
{
  return MIN (first + BLOCK, self->screen->copy.matrix.n_rows);
}

/* A row, in the place of the copy's logit. */
static void
compute_row (const Screening *self, uint32_t row)
{
  const BnLinear *exact = self->screen->exact;

  exact->ops->matmul (
      self->y, 0, &exact->matrix, row, row + 1, self->screen->acts, 0, 1);
  if (!isfinite (self->y[row]))
    self->y[row] = NAN; /* -infinity would look excluded */
}

/* ---- the threshold ---- */

/* NaN never is the largest. */
static float
find_max (const float *values, uint32_t n)
{
  float lanes[N_LANES], max;
  uint32_t i = 0;

  for (int k = 0; k < N_LANES; k++)
    lanes[k] = -INFINITY;
  for (; i + N_LANES <= n; i += N_LANES) {
    for (int k = 0; k < N_LANES; k++)
      lanes[k] = values[i + k] > lanes[k] ? values[i + k] : lanes[k];
  }
  for (; i < n; i++)
    lanes[0] = values[i] > lanes[0] ? values[i] : lanes[0];
  max = lanes[0];
  for (int k = 1; k < N_LANES; k++)
    max = MAX (max, lanes[k]);
  return max;
}

static void
find_maxima (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Screening *self = data;

  for (size_t block = begin; block < end; block++) {
    const uint32_t first = (uint32_t) block * BLOCK;

    self->screen->maxima[block] =
        find_max (self->y + first, get_block_end (self, first) - first);
  }
}

/* The k blocks with the largest maxima, best first; how many there are. */
static uint32_t
find_best_blocks (
    const float *maxima, uint32_t n, uint32_t k, uint32_t blocks[MAX_BEST])
{
  uint32_t n_best = 0;

  for (uint32_t i = 0; i < n; i++) {
    uint32_t place;

    if (maxima[i] == -INFINITY
        || (n_best == k && !(maxima[i] > maxima[blocks[k - 1]])))
      continue;
    n_best = MIN (n_best + 1, k);
    for (place = n_best - 1; place > 0 && maxima[blocks[place - 1]] < maxima[i];
         place--)
      blocks[place] = blocks[place - 1];
    blocks[place] = i;
  }
  return n_best;
}

/* The file's logit of the row that is the largest of a block. */
static float
compute_best (const Screening *self, uint32_t block)
{
  const float max = self->screen->maxima[block];
  uint32_t row = block * BLOCK;

  while (self->y[row] != max)
    row++;
  compute_row (self, row);
  return self->y[row];
}

/* Whether the k best can be searched. */
static gboolean
is_few (const BnScreen *screen, uint32_t k)
{
  return k <= MAX_BEST && k <= count_blocks (screen);
}

static float
find_threshold (const Screening *self, const BnLogitNeed *need, uint32_t n)
{
  const gboolean has_few = is_few (self->screen, need->n_best);
  const uint32_t k = has_few ? need->n_best : 1;
  uint32_t blocks[MAX_BEST];
  float min = INFINITY, max = -INFINITY;

  if (find_best_blocks (self->screen->maxima, n, k, blocks) < k)
    return -INFINITY;
  for (uint32_t i = 0; i < k; i++) {
    const float logit = compute_best (self, blocks[i]);

    if (isnan (logit))
      return -INFINITY;
    min = MIN (min, logit);
    max = MAX (max, logit);
  }
  return MAX (has_few ? min : -INFINITY, max - need->span);
}

/* ---- the logits ---- */

/* Which of the n rows behind first may have a logit that reaches the
 * threshold; NaN may. A whole block is a loop that compilers make vectors of.
 */
static inline uint32_t
find_needed (
    const Screening *self, uint32_t first, uint32_t n, gboolean needed[BLOCK])
{
  const float *y = self->y + first;
  const float *errors = self->screen->errors + first;
  const float *norms = self->screen->norms + first;
  const float per_error = self->per_error, per_norm = self->per_norm;
  const float threshold = self->threshold;
  uint32_t n_needed = 0;

  for (uint32_t i = 0; i < n; i++) {
    const float bound = errors[i] * per_error + norms[i] * per_norm;

    needed[i] = !(y[i] + (bound * ROUND_UP + UNDERFLOW) < threshold);
    n_needed += (uint32_t) needed[i];
  }
  return n_needed;
}

static uint32_t
compute_block (const Screening *self, uint32_t first)
{
  const uint32_t n = get_block_end (self, first) - first;
  gboolean needed[BLOCK];
  uint32_t n_needed;

  if (n == BLOCK)
    n_needed = find_needed (self, first, BLOCK, needed);
  else
    n_needed = find_needed (self, first, n, needed);
  for (uint32_t i = 0; i < n; i++)
    self->y[first + i] = -INFINITY;
  for (uint32_t i = 0; i < n && n_needed > 0; i++) {
    if (needed[i])
      compute_row (self, first + i);
  }
  return n_needed;
}

static void
compute_blocks (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Screening *self = data;
  uint32_t n_needed = 0;

  for (size_t block = begin; block < end; block++) {
    if (bn_cpu_is_aborted (self->backend))
      return;
    n_needed += compute_block (self, (uint32_t) block * BLOCK);
  }
  g_atomic_int_add (&self->screen->n_computed, (int) n_needed);
}

static void
set_tokens (const Screening *self, const BnLogitNeed *need, float value)
{
  for (uint32_t i = 0; i < need->n_tokens; i++) {
    if (need->tokens[i] < self->screen->copy.matrix.n_rows)
      self->y[need->tokens[i]] = value;
  }
}

/* Tokens that are asked for by name are none of the best, and needed. */
static void
screen_row (Screening *self, const void *copy_acts, const BnLogitNeed *need)
{
  const uint32_t n_blocks = count_blocks (self->screen);
  BnThreadPool *pool = self->backend->pool;

  find_factors (self, copy_acts);
  set_tokens (self, need, -INFINITY);
  bn_thread_pool_run (pool, n_blocks, BLOCK_GRAIN, find_maxima, self);
  self->threshold = find_threshold (self, need, n_blocks);
  set_tokens (self, need, INFINITY);
  bn_thread_pool_run (pool, n_blocks, BLOCK_GRAIN, compute_blocks, self);
}

/* ---- the operator ---- */

void
bn_screen_init (BnScreen *self)
{
  const size_t size = bn_act_size (BN_ACT_F32, self->copy.matrix.n_cols);

  self->maxima = g_new (float, count_blocks (self));
  self->values = g_aligned_alloc0 (1, size, BN_ALIGN);
  self->acts = g_aligned_alloc0 (1, size, BN_ALIGN);
}

void
bn_screen_clear (BnScreen *self)
{
  g_free (self->maxima);
  g_aligned_free (self->values);
  g_aligned_free (self->acts);
}

static gboolean
can_screen (
    const BnScreen *screen, const BnLogitNeed *const *needs, uint32_t n_rows)
{
  for (uint32_t i = 0; i < n_rows; i++) {
    const BnLogitNeed *need = needs[i];
    if (need == NULL || need->n_best == 0
        || (!is_few (screen, need->n_best) && need->span == INFINITY))
      return FALSE;
  }
  return screen->n_rest == 0;
}

/* A row as the product with the file's matrix has it. */
static void
prepare_row (BnCpuBackend *self, float *acts, const BnRows *input, uint32_t row,
    uint32_t n_cols)
{
  const float *x = input->x + row * input->stride;

  if (input->norm)
    bn_cpu_norm_row (self->kernels, acts, x, input->norm);
  else
    memcpy (acts, x, n_cols * sizeof *acts);
}

gboolean
bn_cpu_matmul_screened (BnBackend *backend, float *y, const BnRows *input,
    BnScreen *screen, const BnLogitNeed *const *needs, uint32_t n_rows)
{
  BnCpuBackend *self = bn_cpu_backend (backend);
  const BnLinear *exact = screen->exact, *copy = &screen->copy;
  const uint32_t n_cols = exact->matrix.n_cols;
  const uint32_t n_vocab = exact->matrix.n_rows;
  const size_t act_size = bn_act_size (copy->ops->act, n_cols);
  const BnResults results = {y, n_vocab, .use = BN_USE_STORE};

  g_assert (exact->ops->act == BN_ACT_F32);
  if (!can_screen (screen, needs, n_rows)) {
    screen->n_rest -= screen->n_rest > 0;
    bn_cpu_matmul (backend, &results, input, &exact, 1, n_rows);
    return FALSE;
  }
  bn_cpu_matmul (backend, &results, input, &copy, 1, n_rows);
  screen->n_computed = 0;
  for (uint32_t i = 0; i < n_rows && !bn_cpu_is_aborted (self); i++) {
    Screening screening = {
        .backend = self, .screen = screen, .y = y + (size_t) i * n_vocab};

    prepare_row (self, screen->acts, input, i, n_cols);
    screen_row (
        &screening, (const uint8_t *) self->acts + i * act_size, needs[i]);
  }
  if (bn_cpu_is_aborted (self))
    return TRUE;
  screen->n_screened_rows += (uint64_t) n_rows * n_vocab;
  screen->n_computed_rows += (uint64_t) screen->n_computed;
  if (screen->n_computed > n_vocab * WORTHWHILE)
    screen->n_rest = REST;
  return TRUE;
}
