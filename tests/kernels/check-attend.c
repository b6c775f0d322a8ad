/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention against double arithmetic, over pages in any order, and with rows,
 * heads and spans of a call divided in any way. What no row sees is NaN. */
#include "checkkern.h"

#include <math.h>
#include <string.h>
#include "kernels/bn-scalar.h"

typedef struct {
  guint head_size, n_rows, n_heads, n_cells, page_cells;
  BnKvType type;
} Shape;

typedef struct {
  Shape shape;
  BnKvView view;
  BnQueries queries;
  float *keys, *values; /* what the cells stand for */
  float *parts, *out;
  gsize part_size;
  gpointer scratch;
} Problem;

static guint
n_seen_by (const Problem *p, guint row)
{
  return p->shape.n_cells + row;
}

/* Writes x into a cell, and to x what it stands for. */
static void
store (const Problem *p, const BnKernels *c, guint8 *cell, float *x)
{
  const guint n = p->shape.head_size;

  if (p->shape.type == BN_KV_F16) {
    c->f32_to_f16 ((guint16 *) (gpointer) cell, x, n);
    c->f16_to_f32 (x, (guint16 *) (gpointer) cell, n);
  } else {
    c->f32_to_q8_0 (cell, x, n);
    bn_dequantize_row_get (BN_TYPE_Q8_0) (x, cell, n);
  }
}

/* Keys and values of one layer as a cache keeps them: pages that hold more
 * than this head (page_stride), in an order that is not that of the cells. The
 * cells that follow the last one are all NaN. */
static void
problem_init (
    Problem *p, const Shape *shape, const BnKernels *c, float magnitude)
{
  const guint d = shape->head_size;
  const guint n_cells = shape->n_cells + shape->n_rows - 1;
  const guint n_pages = (n_cells - 1) / shape->page_cells + 1;
  const gsize cell_size = bn_kv_cell_size (shape->type, d);
  const gsize stride = (shape->page_cells * cell_size + 127) / 64 * 64;
  const gsize n_queries = (gsize) shape->n_rows * shape->n_heads;
  const gsize q_stride = (gsize) shape->n_heads * d + 3;
  guint8 *k = guard_alloc (n_pages * stride, GUARD_END);
  guint8 *v = guard_alloc (n_pages * stride, GUARD_END);
  guint32 *pages = guard_alloc (n_pages * sizeof *pages, GUARD_END);
  float *q = guard_alloc (
      ((shape->n_rows - 1) * q_stride + shape->n_heads * d) * sizeof (float),
      GUARD_END);

  for (guint i = 0; i < n_pages; i++)
    pages[i] = n_pages - 1 - i;
  memset (k, 0xff, n_pages * stride);
  memset (v, 0xff, n_pages * stride);
  *p = (Problem){.shape = *shape,
      .view = {shape->type, k, v, pages, stride, shape->page_cells, d},
      .keys = g_new (float, (gsize) n_cells *d),
      .values = g_new (float, (gsize) n_cells *d),
      .part_size = bn_attend_part_size (d),
      .out = guard_alloc (sizeof (float) * d, GUARD_END),
      .scratch = guard_alloc (bn_attend_scratch_size (d), GUARD_END)};
  p->parts = guard_alloc (n_queries * p->part_size * sizeof (float), GUARD_END);
  for (gsize i = 0; i < (gsize) n_cells * d; i++) {
    p->keys[i] = check_random_float (magnitude);
    p->values[i] = check_random_float (1.0f);
  }
  for (guint cell = 0; cell < n_cells; cell++) {
    const gsize at = pages[cell / shape->page_cells] * stride
                     + cell % shape->page_cells * cell_size;
    store (p, c, k + at, p->keys + (gsize) cell * d);
    store (p, c, v + at, p->values + (gsize) cell * d);
  }
  for (guint row = 0; row < shape->n_rows; row++) {
    for (guint i = 0; i < shape->n_heads * d; i++)
      q[row * q_stride + i] = check_random_float (magnitude);
  }
  p->queries = (BnQueries){.q = q,
      .stride = q_stride,
      .n_rows = shape->n_rows,
      .n_heads = shape->n_heads,
      .n_cells = shape->n_cells,
      .cell_end = n_cells,
      .scale = 1.0f / sqrtf ((float) d)};
}

static void
problem_clear (Problem *p)
{
  g_free (p->keys);
  g_free (p->values);
  guard_free_all ();
}

static const float *
query_of (const Problem *p, guint row, guint head)
{
  return p->queries.q + row * p->queries.stride
         + (gsize) head * p->shape.head_size;
}

/* One query in double. */
static void
exact_query (const Problem *p, guint row, guint head, double *out)
{
  const guint d = p->shape.head_size, n = n_seen_by (p, row);
  const float *q = query_of (p, row, head);
  g_autofree double *scores = g_new0 (double, n);
  double max = -INFINITY, sum = 0;

  for (guint cell = 0; cell < n; cell++) {
    for (guint i = 0; i < d; i++)
      scores[cell] += (double) q[i] * p->keys[cell * d + i];
    scores[cell] *= p->queries.scale;
    max = MAX (max, scores[cell]);
  }
  for (guint i = 0; i < d; i++)
    out[i] = 0;
  for (guint cell = 0; cell < n; cell++) {
    double weight = exp (scores[cell] - max);

    sum += weight;
    for (guint i = 0; i < d; i++)
      out[i] += weight * p->values[cell * d + i];
  }
  for (guint i = 0; i < d; i++)
    out[i] /= sum;
}

/* The whole call against exact arithmetic; results to whole. */
static void
check_whole (
    const BnKernels *k, const Problem *p, float magnitude, float *whole)
{
  const guint d = p->shape.head_size, n_heads = p->shape.n_heads;
  g_autofree double *exact = g_new (double, d);

  k->attend (p->parts, &p->queries, &p->view, p->scratch);
  for (guint query = 0; query < p->shape.n_rows * n_heads; query++) {
    exact_query (p, query / n_heads, query % n_heads, exact);
    k->attend_join (p->out, p->parts + query * p->part_size, 0, 1, d);
    for (guint i = 0; i < d; i++)
      check_near ("attend", i, p->out[i], exact[i], 1e-5 * MAX (1, magnitude));
    memcpy (whole + (gsize) query * d, p->out, d * sizeof (float));
  }
}

static void
expect_same (const Problem *p, guint query, const float *whole)
{
  if (memcmp (p->out, whole + (gsize) query * p->shape.head_size,
          p->shape.head_size * sizeof (float))
      != 0)
    g_error ("query %u of %u rows, %u heads of %u, %u cells depends on the "
             "others",
        query, p->shape.n_rows, p->shape.n_heads, p->shape.head_size,
        p->shape.n_cells);
}

/* Each query alone, and its cells in spans. */
static void
check_alone (const BnKernels *k, const Problem *p, const float *whole)
{
  const guint n_heads = p->shape.n_heads, d = p->shape.head_size;

  for (guint query = 0; query < p->shape.n_rows * n_heads; query++) {
    const guint row = query / n_heads, head = query % n_heads;
    const guint n_seen = n_seen_by (p, row);
    const guint n_spans = (n_seen - 1) / BN_ATTEND_SPAN + 1;
    BnQueries one = p->queries;
    float *parts =
        g_aligned_alloc (n_spans, p->part_size * sizeof (float), BN_ALIGN);

    one.q = query_of (p, row, head);
    one.n_rows = one.n_heads = 1;
    one.n_cells = n_seen;
    one.cell_end = n_seen;
    k->attend (parts, &one, &p->view, p->scratch);
    k->attend_join (p->out, parts, 0, 1, d);
    expect_same (p, query, whole);
    for (guint span = 0; span < n_spans; span++) {
      one.cell_begin = span * BN_ATTEND_SPAN;
      one.cell_end = one.cell_begin + BN_ATTEND_SPAN;
      k->attend (parts + span * p->part_size, &one, &p->view, p->scratch);
    }
    k->attend_join (p->out, parts, p->part_size, n_spans, d);
    expect_same (p, query, whole);
    g_aligned_free (parts);
  }
}

/* All queries, span by span: some rows see nothing of the last one. */
static void
check_spans (const BnKernels *k, const Problem *p, const float *whole)
{
  const guint n_queries = p->shape.n_rows * p->shape.n_heads;
  const guint n_spans = (p->queries.cell_end - 1) / BN_ATTEND_SPAN + 1;
  float *parts = g_aligned_alloc (
      (gsize) n_spans * n_queries, p->part_size * sizeof (float), BN_ALIGN);

  for (guint span = 0; span < n_spans; span++) {
    BnQueries part = p->queries;

    part.cell_begin = span * BN_ATTEND_SPAN;
    part.cell_end = part.cell_begin + BN_ATTEND_SPAN;
    k->attend (parts + (gsize) span * n_queries * p->part_size, &part, &p->view,
        p->scratch);
  }
  for (guint query = 0; query < n_queries; query++) {
    k->attend_join (p->out, parts + query * p->part_size,
        n_queries * p->part_size, n_spans, p->shape.head_size);
    expect_same (p, query, whole);
  }
  g_aligned_free (parts);
}

static void
check_shape (
    const BnKernels *k, const BnKernels *c, const Shape *shape, float magnitude)
{
  g_autofree float *whole =
      g_new (float, (gsize) shape->n_rows * shape->n_heads * shape->head_size);
  Problem p;

  problem_init (&p, shape, c, magnitude);
  check_whole (k, &p, magnitude, whole);
  check_alone (k, &p, whole);
  check_spans (k, &p, whole);
  problem_clear (&p);
}

/* A query that is NaN, and a cell that is, spoil what looks at them alone. */
static void
check_nan (const BnKernels *k, const BnKernels *c, guint n_rows)
{
  const Shape shape = {64, n_rows, 3, 90, 8, BN_KV_F16};
  const guint bad_cell = 92;
  Problem p;

  problem_init (&p, &shape, c, 1.0f);
  ((float *) p.queries.q)[64 + 7] = NAN;
  memset ((guint8 *) p.view.v + p.view.page[bad_cell / 8] * p.view.page_stride
              + bad_cell % 8 * 128,
      0xff, 128);
  k->attend (p.parts, &p.queries, &p.view, p.scratch);
  for (guint query = 0; query < 3 * n_rows; query++) {
    k->attend_join (p.out, p.parts + query * p.part_size, 0, 1, 64);
    for (guint i = 0; i < 64; i++)
      g_assert_cmpint (!!isnan (p.out[i]), ==,
          query == 1 || n_seen_by (&p, query / 3) > bad_cell);
  }
  problem_clear (&p);
}

static void
check_attend (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  const guint head_sizes[] = {1, 7, 8, 32, 64, 80, 96, 100, 128, 256, 300};
  const guint rows[] = {1, 2, 3, 5, 8, 17, 40};
  const guint last = BN_ATTEND_SPAN + 100;

  for (gsize i = 0; i < G_N_ELEMENTS (head_sizes); i++) {
    for (guint n_heads = 1; n_heads <= 9; n_heads += i % 3 + 1) {
      for (gsize r = 0; r < G_N_ELEMENTS (rows); r++) {
        const guint n_rows = MIN (rows[r], BN_ATTEND_MAX_QUERIES / n_heads);
        const guint n_cells = 1 + check_random () % 200;
        Shape shape = {head_sizes[i], n_rows, n_heads, n_cells,
            1 + check_random () % 70, BN_KV_F16};

        check_shape (k, c, &shape, 1.0f);
        shape.type = BN_KV_Q8_0;
        shape.n_cells = MAX (1, n_cells % 70);
        if (shape.head_size % 32 == 0)
          check_shape (k, c, &shape, 1.0f);
      }
    }
  }
  for (guint n_cells = BN_ATTEND_SPAN - 3; n_cells <= last; n_cells += 51) {
    check_shape (k, c, &(Shape){128, 1, 4, n_cells, 32, BN_KV_F16}, 1.0f);
    check_shape (k, c, &(Shape){128, 7, 4, n_cells, 32, BN_KV_F16}, 1.0f);
    check_shape (k, c, &(Shape){64, 9, 3, n_cells, 32, BN_KV_Q8_0}, 1.0f);
  }
  check_shape (k, c, &(Shape){128, 2, 4, 1111, 32, BN_KV_F16}, 1.0f);
  check_shape (
      k, c, &(Shape){128, 32, 4, 2 * BN_ATTEND_SPAN + 9, 32, BN_KV_F16}, 1.0f);
  check_shape (k, c, &(Shape){128, 5, 4, 300, 32, BN_KV_F16}, 20.0f);
  check_shape (k, c, &(Shape){64, 1, 1, 50, 64, BN_KV_F16}, 0.0f);
  check_nan (k, c, 8);
  check_nan (k, c, 30);
}

/* Two parts of known scale. Everything else about it is above. */
static void
check_join (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  for (guint d = 1; d <= 67; d++) {
    const gsize size = bn_attend_part_size (d), max_at = bn_attend_max_at (d);
    float *parts = guard_alloc (3 * size * sizeof (float), GUARD_END);
    float *out = guard_alloc (d * sizeof (float), GUARD_END);

    check_fill (parts, 3 * size, FILL_RANDOM);
    parts[max_at] = -3.0f;
    parts[max_at + 1] = 2.0f;
    parts[size + max_at] = 4.0f;
    parts[size + max_at + 1] = 5.0f;
    parts[2 * size + max_at] = -INFINITY; /* nothing seen */
    k->attend_join (out, parts, size, 3, d);
    for (guint i = 0; i < d; i++) {
      const double e = exp (-7.0), sum = 2 * e + 5;
      check_near ("attend_join", i, out[i],
          (parts[i] * e + parts[size + i]) / sum, 1e-6);
    }
    guard_free_all ();
  }
}

static void
bench_attend (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  static const struct {
    guint n_rows, n_cells;
    BnKvType type;
  } cases[] = {{1, 128, BN_KV_F16}, {1, 4096, BN_KV_F16}, {1, 4096, BN_KV_Q8_0},
      {4, 1024, BN_KV_F16}, {32, 128, BN_KV_F16}, {32, 1024, BN_KV_F16},
      {32, 1024, BN_KV_Q8_0}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Shape shape = {
        128, cases[i].n_rows, 4, cases[i].n_cells, 32, cases[i].type};
    const double n_queries = shape.n_rows * shape.n_heads;
    g_autofree char *what = g_strdup_printf ("%ux4, %u %s", shape.n_rows,
        shape.n_cells, shape.type == BN_KV_F16 ? "f16" : "q8_0");
    Problem p;

    problem_init (&p, &shape, c, 1.0f);
    bench_report ("attend", what, k,
        BENCH_NS (k->attend (p.parts, &p.queries, &p.view, p.scratch)),
        2.0 * bn_kv_cell_size (shape.type, shape.head_size) * shape.n_cells,
        2.0 * n_queries * shape.head_size * shape.n_cells);
    problem_clear (&p);
  }
}

void
check_add_attend (void)
{
  CHECK_ADD (attend, check_attend, bench_attend);
  CHECK_ADD (attend_join, check_join, NULL);
}
