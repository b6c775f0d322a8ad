/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of every packing: against a dot product in double of what the rows
 * decode to, with any bytes in the weights, in memory with guard pages, and
 * with the rows and activations of a call divided in any way. */
#include "checkkern.h"

#include <math.h>
#include <string.h>
#include "kernels/bn-blocks.h"

enum { MAX_HALVES = 2, MAX_ROWS = 11, MAX_ACTS = 9 };

/* A packing and how to make weights for it. */
typedef struct {
  const char *name;
  BnPack pack;
  BnType type;
  guint unit;     /* columns in a block; sizes are multiples of it */
  guint n_scales; /* halves in a block that must be numbers */
  guint scales[MAX_HALVES];
  guint reach; /* largest weight before its zero point or minimum is taken
                  out, in units of the largest scale; 0: they have none */
} Format;

static const Format formats[] = {
    {"matmul/f32", BN_PACK_F32, BN_TYPE_F32, 1, 0, {0}, 0},
    {"matmul/f16", BN_PACK_F16, BN_TYPE_F16, 1, 1, {0}, 0},
    {"matmul/bf16", BN_PACK_BF16, BN_TYPE_BF16, 1, 0, {0}, 0},
    {"matmul/q4_0", BN_PACK_Q4_0, BN_TYPE_Q4_0, 32, 1, {0}, 16},
    {"matmul/q4_1", BN_PACK_Q4_1, BN_TYPE_Q4_1, 32, 2, {0, 2}, 16},
    {"matmul/q5_0", BN_PACK_Q5_0, BN_TYPE_Q5_0, 32, 1, {0}, 32},
    {"matmul/q5_1", BN_PACK_Q5_1, BN_TYPE_Q5_1, 32, 2, {0, 2}, 32},
    {"matmul/q8_0", BN_PACK_Q8_0, BN_TYPE_Q8_0, 32, 1, {0}, 128},
    {"matmul/q2_k", BN_PACK_Q2_K, BN_TYPE_Q2_K, 256, 2, {80, 82}, 60},
    {"matmul/q3_k", BN_PACK_Q3_K, BN_TYPE_Q3_K, 256, 1, {108}, 256},
    {"matmul/q4_k", BN_PACK_Q4_K, BN_TYPE_Q4_K, 256, 2, {0, 2}, 1008},
    {"matmul/q5_k", BN_PACK_Q5_K, BN_TYPE_Q5_K, 256, 2, {0, 2}, 2016},
    {"matmul/q6_k", BN_PACK_Q6_K, BN_TYPE_Q6_K, 256, 1, {208}, 8192},
    {"matmul/tq1_0", BN_PACK_TQ1_0, BN_TYPE_TQ1_0, 256, 1, {52}, 2},
    {"matmul/tq2_0", BN_PACK_TQ2_0, BN_TYPE_TQ2_0, 256, 1, {64}, 3},
    {"matmul/ternary", BN_PACK_TERNARY, BN_TYPE_INVALID, 1, 0, {0}, 0},
    {"matmul/ternary-x4", BN_PACK_TERNARY_X4, BN_TYPE_INVALID, 1, 0, {0}, 0},
};

static gboolean
is_ternary (const Format *f)
{
  return f->pack == BN_PACK_TERNARY || f->pack == BN_PACK_TERNARY_X4;
}

/* What one comparison works on. */
typedef struct {
  const Format *format;
  const BnMatmulOps *ops;
  guint n_rows, n_cols, n_acts;
  Guard guard;
  guint8 *rows; /* canonical form: file rows, or codes of ternary */
  float *row_scale;
  float *x;     /* n_acts rows of n_cols */
  guint8 *data; /* packed for the table under test, or rows */
  guint8 *acts;
  gsize act_stride;
  float *y;
} Problem;

static gsize
row_size (const Format *f, guint n_cols)
{
  return is_ternary (f) ? n_cols : bn_type_tensor_size (f->type, n_cols, 1);
}

/* Of a ternary row in place. */
static gsize
file_row_size (const Format *f, guint n_cols)
{
  return (f->pack == BN_PACK_TERNARY_X4 ? sizeof (float) : 0) + n_cols / 4;
}

static void
fill_rows (Problem *p, guint byte)
{
  const Format *f = p->format;
  gsize size = row_size (f, p->n_cols) * p->n_rows;
  gsize block = row_size (f, f->unit);

  if (is_ternary (f)) {
    for (gsize i = 0; i < size; i++)
      p->rows[i] = (guint8) (byte < 256 ? byte % 3 : check_random () % 3);
  } else if (f->type == BN_TYPE_F32) {
    for (gsize i = 0; i < size / 4; i++) {
      float w = check_random_float (1.0f);
      memcpy (p->rows + 4 * i, &w, sizeof w);
    }
  } else if (f->type == BN_TYPE_F16 || f->type == BN_TYPE_BF16) {
    for (gsize i = 0; i < size / 2; i++) {
      float w = check_random_float (1.0f);
      guint16 half =
          f->type == BN_TYPE_F16 ? bn_f32_to_f16 (w) : bn_f32_to_bf16 (w);
      memcpy (p->rows + 2 * i, &half, sizeof half);
    }
  } else {
    for (gsize i = 0; i < size; i++)
      p->rows[i] = (guint8) (byte < 256 ? byte : check_random ());
    for (gsize at = 0; at < size; at += block) {
      for (guint i = 0; i < f->n_scales; i++) {
        guint16 half = bn_f32_to_f16 (check_random_float (0.1f));
        memcpy (p->rows + at + f->scales[i], &half, sizeof half);
      }
    }
  }
}

static void
problem_init (Problem *p, const BnMatmulOps *ops, const Format *f, guint n_rows,
    guint n_cols, guint n_acts, Guard guard)
{
  gsize packed_size = ops->packed_size (n_rows, n_cols);

  *p = (Problem){.format = f,
      .ops = ops,
      .n_rows = n_rows,
      .n_cols = n_cols,
      .n_acts = n_acts,
      .guard = guard};
  p->rows = guard_alloc (row_size (f, n_cols) * n_rows, guard);
  p->x = guard_alloc (sizeof (float) * n_cols * n_acts, guard);
  p->act_stride = bn_act_size (ops->act, n_cols);
  p->acts = guard_alloc (p->act_stride * n_acts, guard);
  p->y = guard_alloc (sizeof (float) * n_rows * n_acts, guard);
  if (is_ternary (f)) {
    p->row_scale = guard_alloc (sizeof (float) * n_rows, guard);
    for (guint row = 0; row < n_rows; row++)
      p->row_scale[row] = 0.01f + fabsf (check_random_float (1.0f));
  }
  g_assert_cmpuint (packed_size % BN_ALIGN, ==, 0);
  if (packed_size == 0 && is_ternary (f))
    packed_size = file_row_size (f, n_cols) * n_rows;
  p->data = packed_size > 0 ? guard_alloc (packed_size, guard) : p->rows;
}

static BnMatrix
problem_matrix (const Problem *p)
{
  return (BnMatrix){
      p->format->pack, p->n_rows, p->n_cols, p->data, p->row_scale};
}

/* Codes and scales in the file's form of which in_place has the products. */
static void
write_file_rows (Problem *p)
{
  const gboolean is_i2s = p->format->pack == BN_PACK_TERNARY;
  const guint step = is_i2s ? 32 : 16; /* columns a byte apart */
  guint8 *out = p->data;

  for (gsize at = 0; at < (gsize) p->n_rows * p->n_cols; at += 4 * step) {
    if (!is_i2s && at % p->n_cols == 0) {
      memcpy (out, &p->row_scale[at / p->n_cols], sizeof (float));
      out += sizeof (float);
    }
    for (guint i = 0; i < step; i++) {
      guint8 byte = 0;

      for (guint group = 0; group < 4; group++)
        byte |= (guint8) (p->rows[at + group * step + i]
                          << 2 * (is_i2s ? 3 - group : group));
      *out++ = byte;
    }
  }
}

/* Packs in pieces of row_tile rows, as threads would. */
static void
problem_prepare (Problem *p, const BnKernels *k)
{
  const BnMatmulOps *ops = p->ops;

  if (is_ternary (p->format) && ops->pack == NULL)
    write_file_rows (p);
  for (guint row = 0; ops->pack && row < p->n_rows; row += ops->row_tile)
    ops->pack (p->data, p->rows + row * row_size (p->format, p->n_cols),
        p->n_rows, p->n_cols, row, MIN (row + ops->row_tile, p->n_rows));
  for (guint i = 0; i < p->n_acts; i++)
    k->quantize[ops->act](
        p->acts + i * p->act_stride, p->x + (gsize) i * p->n_cols, p->n_cols);
}

static void
problem_run (const Problem *p)
{
  BnMatrix w = problem_matrix (p);

  p->ops->matmul (
      p->y, p->n_rows, &w, 0, p->n_rows, p->acts, p->act_stride, p->n_acts);
}

/* Values of an activation row as the product sees them. */
static void
decode_act (double *a, BnAct act, gconstpointer row, guint n)
{
  for (guint i = 0; i < n; i++) {
    switch (act) {
      case BN_ACT_F32:
        a[i] = (double) ((const float *) row)[i];
        break;
      case BN_ACT_I8:
        a[i] = (double) ((const gint8 *) row)[BN_ALIGN + i]
               / (double) ((const BnActI8 *) row)->scale;
        break;
      case BN_ACT_I8X4:
        a[i] = (double) ((const gint8 *) row)[BN_ALIGN + i]
               * (double) ((const BnActI8X4 *) row)->d[i / 4 % 4];
        break;
      case BN_ACT_Q8_0: {
        const BnActQ8_0 *b = (const BnActQ8_0 *) row + i / BN_QK;
        a[i] = (double) bn_f16_to_f32 (b->d) * b->qs[i % BN_QK];
        break;
      }
      case BN_ACT_Q8_1: {
        const BnActQ8_1 *b = (const BnActQ8_1 *) row + i / BN_QK;
        a[i] = (double) b->d * b->qs[i % BN_QK];
        break;
      }
      default: {
        const BnActQ8_K *b = (const BnActQ8_K *) row + i / BN_QK_K;
        a[i] = (double) b->d * b->qs[i % BN_QK_K];
      }
    }
  }
}

/* The largest term of a row that a kernel adds or takes out. */
static double
largest_term (const Format *f, const guint8 *row, const float *w, guint n)
{
  gsize block = row_size (f, f->unit);
  double max = 0;

  for (guint i = 0; i < n; i++)
    max = MAX (max, fabs ((double) w[i]));
  for (gsize at = 0; f->reach > 0 && at < row_size (f, n); at += block) {
    for (guint i = 0; i < f->n_scales; i++)
      max = MAX (max,
          f->reach * fabs ((double) bn_load_f16 (row + at + f->scales[i])));
  }
  return max;
}

/* The product in double, and a bound for the float one: every step of every
 * version is within a few last bits of the largest terms. */
static void
problem_check (const Problem *p)
{
  const Format *f = p->format;
  BnAct act = p->ops->act;
  const double unit = f->reach > 0 ? 0x1p-21 : 0x1p-18;
  g_autofree float *w = g_new (float, p->n_cols);
  g_autofree double *a = g_new (double, (gsize) p->n_cols * p->n_acts);

  for (guint i = 0; i < p->n_acts; i++)
    decode_act (
        a + (gsize) i * p->n_cols, act, p->acts + i * p->act_stride, p->n_cols);
  for (guint row = 0; row < p->n_rows; row++) {
    const guint8 *bytes = p->rows + row * row_size (f, p->n_cols);
    double max_w;

    if (is_ternary (f)) {
      for (guint col = 0; col < p->n_cols; col++)
        w[col] = (float) (bytes[col] - 1) * p->row_scale[row];
    } else {
      bn_dequantize_row_get (f->type) (w, bytes, p->n_cols);
    }
    max_w = largest_term (f, bytes, w, p->n_cols);
    for (guint i = 0; i < p->n_acts; i++) {
      const double *x = a + (gsize) i * p->n_cols;
      double sum = 0, max_x = 0;

      for (guint col = 0; col < p->n_cols; col++) {
        sum += (double) w[col] * x[col];
        max_x = MAX (max_x, fabs (x[col]));
      }
      check_near (f->name, row, p->y[i * p->n_rows + row], sum,
          unit * p->n_cols * max_w * max_x);
    }
  }
}

/* Bit-equal to the C version where that is promised. */
static void
problem_check_exact (const Problem *p, const BnKernels *c)
{
  Problem q;

  if (!is_ternary (p->format))
    return;
  problem_init (&q, &c->matmul[p->format->pack], p->format, p->n_rows,
      p->n_cols, p->n_acts, p->guard);
  memcpy (q.rows, p->rows, row_size (p->format, p->n_cols) * p->n_rows);
  memcpy (q.row_scale, p->row_scale, sizeof (float) * p->n_rows);
  memcpy (q.x, p->x, sizeof (float) * p->n_cols * p->n_acts);
  problem_prepare (&q, c);
  problem_run (&q);
  for (guint i = 0; i < p->n_rows * p->n_acts; i++)
    g_assert_cmpuint (check_ulp (p->y[i], q.y[i]), ==, 0);
}

/* Any division of rows and activations gives the same bits. */
static void
problem_check_divided (const Problem *p)
{
  const BnMatmulOps *ops = p->ops;
  BnMatrix w = problem_matrix (p);
  gsize n = (gsize) p->n_rows * p->n_acts;
  g_autofree float *whole = g_memdup2 (p->y, n * sizeof (float));

  for (guint n_acts = 1; n_acts <= p->n_acts; n_acts++) {
    memset (p->y, 0xff, n * sizeof (float));
    for (guint i = 0; i < p->n_acts; i += n_acts) {
      for (guint row = 0; row < p->n_rows; row += ops->row_tile)
        ops->matmul (p->y + i * p->n_rows, p->n_rows, &w, row,
            MIN (row + ops->row_tile, p->n_rows), p->acts + i * p->act_stride,
            p->act_stride, MIN (n_acts, p->n_acts - i));
    }
    for (gsize i = 0; i < n; i++)
      g_assert_cmpuint (check_ulp (p->y[i], whole[i]), ==, 0);
  }
}

static void
check_problem (const BnKernels *k, const BnKernels *c, const BnMatmulOps *ops,
    const Format *f, guint n_rows, guint n_cols, guint n_acts, guint byte,
    Fill fill, Guard guard)
{
  Problem p;

  problem_init (&p, ops, f, n_rows, n_cols, n_acts, guard);
  fill_rows (&p, byte);
  check_fill (p.x, (gsize) n_cols * n_acts, fill);
  problem_prepare (&p, k);
  problem_run (&p);
  problem_check (&p);
  problem_check_exact (&p, c);
  problem_check_divided (&p);
  guard_free_all ();
}

/* A NaN activation makes its row of results NaN and no other. */
static void
check_nan (const BnKernels *k, const BnMatmulOps *ops, const Format *f)
{
  enum { ROWS = 5, ACTS = 5 };
  guint n_cols = 3 * f->unit;
  Problem p;

  for (guint bad = 0; bad < ACTS; bad++) {
    for (int is_infinite = 0; is_infinite < 2; is_infinite++) {
      problem_init (&p, ops, f, ROWS, n_cols, ACTS, GUARD_END);
      fill_rows (&p, 256);
      check_fill (p.x, (gsize) n_cols * ACTS, FILL_RANDOM);
      p.x[bad * n_cols + n_cols / 2] = is_infinite ? -INFINITY : NAN;
      problem_prepare (&p, k);
      problem_run (&p);
      for (guint i = 0; i < ACTS * ROWS; i++)
        g_assert_cmpint (!isfinite (p.y[i]), ==, i / ROWS == bad);
      guard_free_all ();
    }
  }
}

/* Any scales too: NaN and infinities in the weights harm nothing else. */
static void
check_hostile (const BnKernels *k, const BnMatmulOps *ops, const Format *f)
{
  Problem p;

  problem_init (&p, ops, f, 7, 5 * f->unit, 3, GUARD_END);
  check_fill (p.x, 15 * f->unit, FILL_RANDOM);
  for (guint byte = 0; byte <= 256; byte++) {
    for (gsize i = 0; i < row_size (f, p.n_cols) * p.n_rows; i++)
      p.rows[i] = (guint8) (byte < 256 ? byte : check_random ());
    if (!is_ternary (f))
      problem_prepare (&p, k);
    else /* any bytes in the packed form, or the file's */
      memset (p.data, (int) byte,
          ops->pack ? ops->packed_size (7, p.n_cols)
                    : 7 * file_row_size (f, p.n_cols));
    problem_run (&p);
  }
}

static void
check_ops (const BnKernels *k, const BnKernels *c, const BnMatmulOps *ops,
    const Format *f)
{
  const guint real_cols[] = {2560, 6912, 13824};

  for (guint n = 1; n <= 67; n++) {
    guint n_rows = 1 + n * 5 % MAX_ROWS, n_acts = 1 + n * 7 % MAX_ACTS;
    check_problem (k, c, ops, f, n_rows, n * f->unit, n_acts, 256, n % N_FILLS,
        n % N_GUARDS);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (real_cols); i++)
    check_problem (
        k, c, ops, f, 9, real_cols[i], 2, 256, FILL_RANDOM, GUARD_END);
  /* so many activation rows that weights are unpacked for all of them */
  check_problem (k, c, ops, f, 9, 6912, 13, 256, FILL_RANDOM, GUARD_END);
  check_problem (
      k, c, ops, f, 11, 3 * f->unit, 70, 256, FILL_RANDOM, GUARD_END);
  check_problem (k, c, ops, f, 37, f->unit, 16, 256, FILL_WIDE, GUARD_BEGIN);
  check_problem (k, c, ops, f, 15, 512, 19, 256, FILL_WIDE, GUARD_END);
  /* all activations and codes at their ends: sums are as large as they get */
  for (guint byte = 0; byte < 3; byte++) {
    check_problem (k, c, ops, f, 4, 13824, 1, byte, FILL_MAX, GUARD_END);
    check_problem (k, c, ops, f, 4, 13824, 4, byte, FILL_MIN, GUARD_BEGIN);
  }
  for (guint byte = 0; byte < 256; byte++)
    check_problem (k, c, ops, f, 2, f->unit, 2, byte, FILL_RANDOM, GUARD_END);
  check_nan (k, ops, f);
  check_hostile (k, ops, f);
}

static void
check_matmul (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  const Format *f = data;

  check_ops (k, c, &k->matmul[f->pack], f);
}

static void
check_in_place (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  Format f = *(const Format *) data;

  if (is_ternary (&f))
    f.unit = f.pack == BN_PACK_TERNARY ? 128 : BN_QK_BN;
  check_ops (k, c, &k->in_place[f.pack], &f);
}

/* The matrices of a feed-forward layer, and for the types that decide the
 * speed of a model one that is too large for the caches. */
static void
bench_ops (const BnKernels *k, const BnKernels *c, const BnMatmulOps *ops,
    const Format *f, const char *name)
{
  gboolean is_common = f->pack == BN_PACK_F16 || f->pack == BN_PACK_Q6_K
                       || f->pack == BN_PACK_Q8_0 || f->pack == BN_PACK_TERNARY;
  const struct {
    guint n_rows, n_cols, n_acts;
  } sizes[] = {{6912, 2560, 1}, {6912, 2560, 128}, {6912, 2560, 4},
      {6912, 2560, 16}, {2560, 6912, 1}, {2560, 6912, 16}, {65536, 2560, 1},
      {65536, 2560, 16}};

  for (gsize i = 0; i < (bench_is_quick ? 2 : G_N_ELEMENTS (sizes)); i++) {
    g_autofree char *what = g_strdup_printf (
        "%ux%u x%u", sizes[i].n_rows, sizes[i].n_cols, sizes[i].n_acts);
    gsize size = ops->packed_size (sizes[i].n_rows, sizes[i].n_cols);
    double macs = (double) sizes[i].n_rows * sizes[i].n_cols * sizes[i].n_acts;
    Problem p;

    if (sizes[i].n_rows > 6912 && !is_common)
      continue;
    if (k == c && sizes[i].n_acts > 4)
      continue;
    if (size == 0)
      size = sizes[i].n_rows
             * (is_ternary (f) ? file_row_size (f, sizes[i].n_cols)
                               : row_size (f, sizes[i].n_cols));
    problem_init (&p, ops, f, sizes[i].n_rows, sizes[i].n_cols, sizes[i].n_acts,
        GUARD_BEGIN);
    fill_rows (&p, 256);
    check_fill (p.x, (gsize) p.n_cols * p.n_acts, FILL_RANDOM);
    problem_prepare (&p, k);
    bench_report (
        name, what, k, BENCH_NS (problem_run (&p)), (double) size, macs);
    guard_free_all ();
  }
}

static void
bench_matmul (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  const Format *f = data;

  bench_ops (k, c, &k->matmul[f->pack], f, f->name);
}

static void
bench_in_place (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  const Format *f = data;
  g_autofree char *name = g_strconcat (f->name, "-in-place", NULL);

  bench_ops (k, c, &k->in_place[f->pack], f, name);
}

static void
add_formats (gsize table, const char *suffix, CheckFunc check, CheckFunc bench)
{
  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_autofree char *name = g_strconcat (formats[i].name, suffix, NULL);

    check_add (g_intern_string (name),
        table + formats[i].pack * sizeof (BnMatmulOps), sizeof (BnMatmulOps),
        check, bench, &formats[i]);
  }
}

void
check_add_matmul (void)
{
  add_formats (
      G_STRUCT_OFFSET (BnKernels, matmul), "", check_matmul, bench_matmul);
  add_formats (G_STRUCT_OFFSET (BnKernels, in_place), "-in-place",
      check_in_place, bench_in_place);
}
