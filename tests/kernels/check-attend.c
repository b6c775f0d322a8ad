/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention against double arithmetic, over pages in any order, and with the
 * heads of a call divided in any way. */
#include "checkkern.h"

#include <math.h>
#include <string.h>
#include "kernels/bn-scalar.h"

typedef struct {
  guint head_size, n_heads, n_cells, page_cells;
} Shape;

typedef struct {
  Shape shape;
  BnKvView view;
  float *q, *out, *scores;
  float scale;
} Problem;

/* Keys and values of one layer as a cache keeps them: pages that hold more
 * than this head (page_stride), in an order that is not that of the cells. */
static void
problem_init (Problem *p, const Shape *shape, float magnitude)
{
  guint n_pages = (shape->n_cells + shape->page_cells - 1) / shape->page_cells;
  gsize page_halves = (gsize) shape->page_cells * shape->head_size;
  gsize stride = page_halves + 8;
  gsize n_halves = n_pages > 0 ? (n_pages - 1) * stride + page_halves : 0;
  gsize n_q = (gsize) shape->n_heads * shape->head_size;
  guint16 *k = guard_alloc (n_halves * 2, GUARD_END);
  guint16 *v = guard_alloc (n_halves * 2, GUARD_END);
  guint32 *pages = guard_alloc (n_pages * sizeof *pages, GUARD_END);

  for (guint i = 0; i < n_pages; i++)
    pages[i] = n_pages - 1 - i;
  for (gsize i = 0; i < n_halves; i++) {
    k[i] = bn_f32_to_f16 (check_random_float (magnitude));
    v[i] = bn_f32_to_f16 (check_random_float (1.0f));
  }
  *p = (Problem){*shape,
      {k, v, pages, stride, shape->page_cells, shape->head_size},
      guard_alloc (n_q * sizeof (float), GUARD_END),
      guard_alloc (n_q * sizeof (float), GUARD_END),
      guard_alloc (
          (gsize) shape->n_heads * shape->n_cells * sizeof (float), GUARD_END),
      1.0f / sqrtf ((float) shape->head_size)};
  for (gsize i = 0; i < n_q; i++)
    p->q[i] = check_random_float (magnitude);
}

static gsize
offset_of (const BnKvView *view, guint cell)
{
  return view->page[cell / view->page_cells] * view->page_stride
         + (gsize) (cell % view->page_cells) * view->head_size;
}

/* One head in double. */
static void
exact_head (const Problem *p, guint head, double *out)
{
  const BnKvView *view = &p->view;
  const float *q = p->q + (gsize) head * view->head_size;
  g_autofree double *scores = g_new (double, p->shape.n_cells);
  double max = -INFINITY, sum = 0;

  for (guint cell = 0; cell < p->shape.n_cells; cell++) {
    scores[cell] = 0;
    for (guint i = 0; i < view->head_size; i++)
      scores[cell] +=
          (double) q[i] * bn_f16_to_f32 (view->k[offset_of (view, cell) + i]);
    scores[cell] *= p->scale;
    max = MAX (max, scores[cell]);
  }
  for (guint i = 0; i < view->head_size; i++)
    out[i] = 0;
  for (guint cell = 0; cell < p->shape.n_cells; cell++) {
    double weight = exp (scores[cell] - max);

    sum += weight;
    for (guint i = 0; i < view->head_size; i++)
      out[i] += weight * bn_f16_to_f32 (view->v[offset_of (view, cell) + i]);
  }
  for (guint i = 0; i < view->head_size; i++)
    out[i] = sum > 0 ? out[i] / sum : 0;
}

static void
check_shape (const BnKernels *k, const Shape *shape, float magnitude)
{
  gsize n = (gsize) shape->n_heads * shape->head_size;
  g_autofree double *exact = g_new (double, shape->head_size);
  g_autofree float *whole = g_new (float, n);
  Problem p;

  problem_init (&p, shape, magnitude);
  k->attend (
      p.out, p.q, shape->n_heads, &p.view, shape->n_cells, p.scale, p.scores);
  for (guint head = 0; head < shape->n_heads; head++) {
    exact_head (&p, head, exact);
    for (guint i = 0; i < shape->head_size; i++)
      check_near ("attend", i, p.out[head * shape->head_size + i], exact[i],
          1e-5 * MAX (1, magnitude));
  }
  memcpy (whole, p.out, n * sizeof (float));
  for (guint head = 0; head < shape->n_heads; head++) {
    gsize at = (gsize) head * shape->head_size;

    k->attend (
        p.out + at, p.q + at, 1, &p.view, shape->n_cells, p.scale, p.scores);
    for (guint i = 0; i < shape->head_size; i++)
      g_assert_cmpuint (check_ulp (p.out[at + i], whole[at + i]), ==, 0);
  }
  guard_free_all ();
}

static void
check_nan (const BnKernels *k)
{
  const Shape shape = {64, 3, 20, 8};
  Problem p;

  problem_init (&p, &shape, 1.0f);
  p.q[64 + 7] = NAN;
  k->attend (p.out, p.q, 3, &p.view, 20, p.scale, p.scores);
  for (guint i = 0; i < 3 * 64; i++)
    g_assert_cmpint (!!isnan (p.out[i]), ==, i / 64 == 1);
  guard_free_all ();
}

static void
check_attend (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  const guint head_sizes[] = {1, 7, 8, 32, 64, 80, 96, 100, 128, 256, 300};

  for (gsize i = 0; i < G_N_ELEMENTS (head_sizes); i++) {
    for (guint n_cells = 0; n_cells <= 67; n_cells += n_cells < 9 ? 1 : 29) {
      for (guint n_heads = 1; n_heads <= 9; n_heads += i % 2 + 1) {
        Shape shape = {head_sizes[i], n_heads, n_cells, 1 + n_cells % 17};
        check_shape (k, &shape, 1.0f);
      }
    }
  }
  check_shape (k, &(Shape){128, 4, 1111, 32}, 1.0f);
  check_shape (k, &(Shape){128, 4, 300, 32}, 20.0f);
  check_shape (k, &(Shape){64, 1, 50, 64}, 0.0f);
  check_nan (k);
}

static void
bench_attend (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  static const guint lengths[] = {128, 1024, 4096};

  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++) {
    const Shape shape = {128, 4, lengths[i], 32};
    g_autofree char *what = g_strdup_printf ("4 heads, %u", lengths[i]);
    Problem p;

    problem_init (&p, &shape, 1.0f);
    bench_report ("attend", what, k,
        BENCH_NS (k->attend (p.out, p.q, shape.n_heads, &p.view, shape.n_cells,
            p.scale, p.scores)),
        2.0 * 2 * shape.head_size * shape.n_cells,
        2.0 * shape.n_heads * shape.head_size * shape.n_cells);
    guard_free_all ();
  }
}

void
check_add_attend (void)
{
  CHECK_ADD (attend, check_attend, bench_attend);
}
