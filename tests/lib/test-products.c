/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The products of the processor's backend: whatever becomes of the results in
 * their pieces is what the kernels make of stored results, to the bit, for any
 * number of rows and threads and where matrices take activations of different
 * kinds. */
#include <string.h>
#include "bn-backend.h"

enum {
  N_COLS = 512,
  MAX_ROWS = 1500, /* of weights */
  MAX_TOKENS = 140,
  MAX_LINEARS = 3,
};

static const struct {
  BnType type;
  BnPack pack;
} kinds[] = {{BN_TYPE_F32, BN_PACK_F32}, {BN_TYPE_Q8_0, BN_PACK_Q8_0},
    {BN_TYPE_Q4_1, BN_PACK_Q4_1}, {BN_TYPE_Q6_K, BN_PACK_Q6_K}};

typedef struct {
  BnLinear linear;
  void *file, *packed;
} Weights;

typedef struct {
  BnActivation activation; /* with BN_USE_ACTIVATE */
  BnUse use;
  guint n_linears;
  guint kinds[MAX_LINEARS];
  BnRepack repack;
  gboolean has_bias;
} Case;

static const Case cases[] = {
    {0, BN_USE_ADD, 1, {0}, BN_REPACK_NEVER, FALSE},
    {0, BN_USE_ADD, 1, {1}, BN_REPACK_ALWAYS, TRUE},
    {0, BN_USE_ADD, 1, {3}, BN_REPACK_NEVER, TRUE},
    {BN_ACTIVATION_SILU, BN_USE_ACTIVATE, 2, {1, 1}, BN_REPACK_ALWAYS, TRUE},
    {BN_ACTIVATION_SILU, BN_USE_ACTIVATE, 2, {3, 3}, BN_REPACK_NEVER, FALSE},
    {BN_ACTIVATION_RELU2, BN_USE_ACTIVATE, 2, {0, 2}, BN_REPACK_NEVER, TRUE},
    {BN_ACTIVATION_SILU, BN_USE_ACTIVATE, 2, {3, 1}, BN_REPACK_ALWAYS, FALSE},
    {BN_ACTIVATION_GELU, BN_USE_ACTIVATE, 1, {2}, BN_REPACK_ALWAYS, TRUE},
    {BN_ACTIVATION_GELU, BN_USE_ACTIVATE, 1, {0}, BN_REPACK_NEVER, FALSE},
    {0, BN_USE_STORE, 3, {1, 0, 3}, BN_REPACK_ALWAYS, TRUE},
};

static float numbers[MAX_TOKENS * N_COLS]; /* of activations */
static float bias[MAX_ROWS];

static void
weights_init (Weights *self, BnBackend *backend, guint kind, guint n_rows,
    const Case *c, GRand *rand)
{
  const BnType type = kinds[kind].type;
  const gsize row_size = bn_type_tensor_size (type, N_COLS, 1);
  float row[N_COLS];
  gsize size;

  self->file = g_malloc (row_size * n_rows);
  for (guint i = 0; i < n_rows; i++) {
    for (guint k = 0; k < N_COLS; k++)
      row[k] = (float) g_rand_double_range (rand, -0.1, 0.1);
    bn_quantize_row_get (type) (
        (guint8 *) self->file + i * row_size, row, N_COLS);
  }
  self->linear = (BnLinear){
      .matrix = {kinds[kind].pack, n_rows, N_COLS, self->file, NULL},
      .lies_in_file = TRUE,
      .scale = c->has_bias ? 0.7f : 1,
      .bias = c->has_bias ? bias : NULL,
  };
  size = backend->ops->linear_init (backend, &self->linear, c->repack);
  self->packed = NULL;
  if (size > 0) {
    self->packed = g_aligned_alloc0 (1, size, BN_ALIGN);
    self->linear.matrix.data = self->packed;
    backend->ops->linear_pack (backend, &self->linear, self->file, 0, n_rows);
  }
}

static void
weights_clear (Weights *self)
{
  g_free (self->file);
  g_aligned_free (self->packed);
}

/* What is in a row before and must not be touched behind it. */
static float
first_value (gsize i)
{
  return (float) (i % 97) - 48;
}

/* One product after the other, each alone, and then what the kernels do. */
static void
compute_expected (float *y, BnBackend *backend, const Case *c,
    const Weights weights[MAX_LINEARS], guint n_rows, guint n_tokens)
{
  const BnKernels *kernels = bn_kernels_get ();
  float *parts[MAX_LINEARS];

  for (guint i = 0; i < c->n_linears; i++) {
    parts[i] = g_new (float, n_rows *n_tokens);
    for (guint t = 0; t < n_tokens; t++) {
      const BnRows input = {numbers + t * N_COLS, N_COLS, NULL};
      const BnResults results = {
          parts[i] + t * n_rows, n_rows, .use = BN_USE_STORE};
      const BnLinear *linear = &weights[i].linear;

      backend->ops->matmul (backend, &results, &input, &linear, 1, 1);
    }
  }
  for (guint t = 0; t < n_tokens; t++) {
    const gsize at = t * n_rows;

    if (c->use == BN_USE_STORE) {
      for (guint i = 0; i < c->n_linears; i++)
        memcpy (y + c->n_linears * at + i * n_rows, parts[i] + at,
            n_rows * sizeof *y);
    } else if (c->use == BN_USE_ADD) {
      for (guint i = 0; i < n_rows; i++)
        y[at + i] = first_value (i);
      kernels->add (y + at, parts[0] + at, n_rows);
    } else if (c->activation == BN_ACTIVATION_GELU) {
      kernels->gelu (y + at, parts[0] + at, n_rows);
    } else if (c->activation == BN_ACTIVATION_SILU) {
      kernels->silu_mul (y + at, parts[0] + at, parts[1] + at, n_rows);
    } else {
      kernels->relu2_mul (y + at, parts[0] + at, parts[1] + at, n_rows);
    }
  }
  for (guint i = 0; i < c->n_linears; i++)
    g_free (parts[i]);
}

/* The first n_tokens of what is expected, all at once. */
static void
check_call (BnBackend *backend, const Case *c,
    const Weights weights[MAX_LINEARS], const float *expected, guint width,
    guint n_tokens)
{
  const gsize stride = width + 5;
  g_autofree float *y = g_new (float, stride *n_tokens);
  const BnLinear *linears[MAX_LINEARS];
  const BnResults results = {y, stride, c->use, c->activation};
  const BnRows input = {numbers, N_COLS, NULL};

  for (guint i = 0; i < c->n_linears; i++)
    linears[i] = &weights[i].linear;
  for (guint t = 0; t < n_tokens; t++) {
    for (gsize i = 0; i < stride; i++)
      y[t * stride + i] = first_value (i);
  }
  backend->ops->begin (backend, NULL);
  backend->ops->matmul (
      backend, &results, &input, linears, c->n_linears, n_tokens);
  g_assert_true (backend->ops->end (backend));
  for (guint t = 0; t < n_tokens; t++) {
    g_assert_cmpmem (y + t * stride, width * sizeof *y, expected + t * width,
        width * sizeof *y);
    for (gsize i = width; i < stride; i++)
      g_assert_cmpfloat (y[t * stride + i], ==, first_value (i));
  }
}

static void
check_case (const Case *c, guint n_rows, guint n_threads, GRand *rand)
{
  static const guint n_tokens[] = {1, 2, 3, 17, 63, 64, 65, MAX_TOKENS};
  BnBackend *backend = bn_cpu_backend_new (NULL, n_threads);
  const guint width = c->use == BN_USE_STORE ? c->n_linears * n_rows : n_rows;
  g_autofree float *expected = g_new (float, width *MAX_TOKENS);
  Weights weights[MAX_LINEARS];

  g_assert_true (backend->ops->prepare (
      backend, MAX_TOKENS, MAX (N_COLS, n_rows), 1, 64, 1));
  for (guint i = 0; i < c->n_linears; i++)
    weights_init (&weights[i], backend, c->kinds[i], n_rows, c, rand);
  compute_expected (expected, backend, c, weights, n_rows, MAX_TOKENS);
  for (gsize i = 0; i < G_N_ELEMENTS (n_tokens); i++)
    check_call (backend, c, weights, expected, width, n_tokens[i]);
  for (guint i = 0; i < c->n_linears; i++)
    weights_clear (&weights[i]);
  bn_backend_free (backend);
}

static void
test_uses (void)
{
  static const guint n_rows[] = {1, 15, 100, MAX_ROWS - 1};
  static const guint n_threads[] = {1, 2, 7, 70};
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    numbers[i] = (float) g_rand_double_range (rand, -2, 2);
  for (gsize i = 0; i < G_N_ELEMENTS (bias); i++)
    bias[i] = (float) g_rand_double_range (rand, -1, 1);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    for (gsize k = 0; k < G_N_ELEMENTS (n_rows); k++)
      check_case (&cases[i], n_rows[k], n_threads[(i + k) % 4], rand);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/products/uses", test_uses);
  return g_test_run ();
}
