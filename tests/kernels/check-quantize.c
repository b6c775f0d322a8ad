/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Activation rows and encoders: the same bytes on every level. */
#include "checkkern.h"

#include <math.h>
#include <string.h>

typedef struct {
  const char *name;
  BnAct act;
  guint unit;
} Format;

static const Format formats[] = {
    {"quantize/f32", BN_ACT_F32, 1},
    {"quantize/i8", BN_ACT_I8, 1},
    {"quantize/i8x4", BN_ACT_I8X4, 1},
    {"quantize/q8_0", BN_ACT_Q8_0, 32},
    {"quantize/q8_1", BN_ACT_Q8_1, 32},
    {"quantize/q8_k", BN_ACT_Q8_K, 256},
};

/* Bytes that n values become; the rest of the row is unused. */
static gsize
used_size (const Format *f, guint n)
{
  switch (f->act) {
    case BN_ACT_F32:
      return sizeof (float) * n;
    case BN_ACT_Q8_0:
      return 34 * (gsize) (n / 32);
    case BN_ACT_Q8_1:
      return 40 * (gsize) (n / 32);
    case BN_ACT_Q8_K:
      return 292 * (gsize) (n / 256);
    default:
      return bn_act_size (f->act, n);
  }
}

static void
compare (const BnKernels *k, const BnKernels *c, const Format *f,
    const float *x, guint n)
{
  gsize size = bn_act_size (f->act, n);
  guint8 *found = guard_alloc (size, GUARD_END);
  guint8 *expected = guard_alloc (size, GUARD_END);

  k->quantize[f->act](found, x, n);
  c->quantize[f->act](expected, x, n);
  for (gsize i = 0; i < used_size (f, n); i++) {
    if (found[i] != expected[i])
      g_error ("%s: byte %" G_GSIZE_FORMAT " of %u values is %02x, not %02x",
          f->name, i, n, found[i], expected[i]);
  }
}

/* The C version of the row that BitNet models use, against its definition in
 * double. */
static void
check_i8 (const BnKernels *k, const float *x, guint n)
{
  gpointer row = guard_alloc (bn_act_size (BN_ACT_I8, n), GUARD_END);
  const gint8 *q = (const gint8 *) row + BN_ALIGN;
  double max = 1e-5;
  float scale;
  int sum = 0;

  k->quantize[BN_ACT_I8](row, x, n);
  for (guint i = 0; i < n; i++)
    max = MAX (max, fabs ((double) x[i]));
  scale = (float) (127 / max);
  g_assert_cmpfloat (((const BnActI8 *) row)->scale, ==, scale);
  for (guint i = 0; i < n; i++) {
    g_assert_cmpint (q[i], ==, (int) nearbyint ((double) (x[i] * scale)));
    sum += q[i];
  }
  for (guint i = n;
       i < (n + BN_COL_PADDING - 1) / BN_COL_PADDING * BN_COL_PADDING; i++)
    g_assert_cmpint (q[i], ==, 0);
  g_assert_cmpint (((const BnActI8 *) row)->sum, ==, sum);
}

static void
check_quantize (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  const Format *f = data;
  const float extremes[] = {NAN, INFINITY, -INFINITY, 3.4e38f, -3.4e38f, 1e-38f,
      1e-45f, -1e-40f, 1e-5f, -0.0f};

  for (guint blocks = 1; blocks <= 67; blocks++) {
    for (Fill fill = 0; fill < N_FILLS; fill++) {
      guint n = blocks * f->unit;
      float *x = guard_alloc (sizeof (float) * n, blocks % N_GUARDS);

      check_fill (x, n, fill);
      compare (k, c, f, x, n);
      if (f->act == BN_ACT_I8)
        check_i8 (k, x, n);
      /* values on halves and just below one, where roundings differ */
      for (guint i = 0; i < n; i++)
        x[i] = (float) ((int) (check_random () % 255) - 127) * 0.5f;
      for (guint i = 0; i < n; i += 32) {
        guint just_below = i + 1 + check_random () % 31;

        x[i] = 127.0f; /* so that the scale is 1 */
        if (just_below < n)
          x[just_below] = 0x1.fffffep-2f;
      }
      compare (k, c, f, x, n);
      guard_free_all ();
    }
  }
  for (gsize i = 0; i < G_N_ELEMENTS (extremes); i++) {
    for (guint n = f->unit; n <= 1024; n += MAX (f->unit, 37)) {
      float *x = guard_alloc (sizeof (float) * n, GUARD_END);

      if (n % f->unit)
        continue;
      check_fill (x, n, FILL_ZERO);
      x[check_random () % n] = extremes[i];
      compare (k, c, f, x, n);
      check_fill (x, n, FILL_RANDOM);
      x[check_random () % n] = extremes[i];
      compare (k, c, f, x, n);
      guard_free_all ();
    }
  }
}

static void
bench_quantize (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  enum { N = 6912 };
  const Format *f = data;
  float *x = guard_alloc (sizeof (float) * N, GUARD_BEGIN);
  guint8 *row = guard_alloc (bn_act_size (f->act, N), GUARD_BEGIN);

  check_fill (x, N, FILL_RANDOM);
  bench_report (f->name, "6912", k, BENCH_NS (k->quantize[f->act](row, x, N)),
      sizeof (float) * N, 0);
}

/* The C encoder against double: lengths are no less than what they are of, and
 * it loses little more than the search. */
static void
check_encoded (const BnKernels *c, const float *x, guint n, gboolean is_random)
{
  gsize size = bn_type_tensor_size (BN_TYPE_Q6_K, n, 1);
  guint8 *row = guard_alloc (size, GUARD_END);
  float *values = guard_alloc (sizeof (float) * n, GUARD_END);
  double sums[3] = {0}; /* squares: the row's, lost, lost by the search */
  float norm, error;

  c->encode_q6_k (row, &norm, &error, x, n);
  for (int search = 0; search < 2; search++) {
    if (search)
      bn_quantize_row_get (BN_TYPE_Q6_K) (row, x, n);
    bn_dequantize_row_get (BN_TYPE_Q6_K) (values, row, n);
    for (guint i = 0; i < n; i++) {
      double lost = (double) x[i] - (double) values[i];
      sums[0] += search ? 0 : (double) values[i] * (double) values[i];
      sums[1 + search] += lost * lost;
    }
  }
  g_assert_true ((double) norm >= sqrt (sums[0]));
  g_assert_true ((double) error >= sqrt (sums[1]));
  if (is_random) {
    g_assert_cmpfloat ((double) norm, <=, sqrt (sums[0]) * 1.001);
    g_assert_cmpfloat ((double) error, <=, sqrt (sums[1]) * 1.001);
    g_assert_cmpfloat (sums[1], <=, 1.5 * sums[2]);
  }
}

static void
compare_encoders (const BnKernels *k, const BnKernels *c, const float *x,
    guint n, gboolean is_random)
{
  gsize size = bn_type_tensor_size (BN_TYPE_Q6_K, n, 1);
  guint8 *found = guard_alloc (size, GUARD_END);
  guint8 *expected = guard_alloc (size, GUARD_END);
  float lengths[2], expected_lengths[2];

  k->encode_q6_k (found, &lengths[0], &lengths[1], x, n);
  c->encode_q6_k (expected, &expected_lengths[0], &expected_lengths[1], x, n);
  g_assert_cmpmem (found, size, expected, size);
  for (int i = 0; i < 2; i++)
    g_assert_true (check_ulp (lengths[i], expected_lengths[i]) == 0);
  check_encoded (c, x, n, is_random);
}

static void
check_encode (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  static const float tiny[] = {1e-45f, 1e-30f, 1e-9f, 3e-5f};

  for (guint n = 256; n <= 4096; n *= 2) {
    float *x = guard_alloc (sizeof (float) * n, GUARD_END);

    for (Fill fill = 0; fill < N_FILLS; fill++) {
      check_fill (x, n, fill);
      compare_encoders (k, c, x, n, fill == FILL_RANDOM);
    }
    for (gsize i = 0; i < G_N_ELEMENTS (tiny); i++) {
      check_fill (x, n, FILL_RANDOM);
      for (guint m = 0; m < n; m++)
        x[m] *= tiny[i];
      compare_encoders (k, c, x, n, FALSE);
    }
    check_fill (x, n, FILL_ZERO);
    x[check_random () % n] = 65504;
    x[check_random () % n] = -1e-3f;
    compare_encoders (k, c, x, n, FALSE);
    guard_free_all ();
  }
}

static void
bench_encode (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  enum { N = 2560 };
  float *x = guard_alloc (sizeof (float) * N, GUARD_BEGIN);
  guint8 *row =
      guard_alloc (bn_type_tensor_size (BN_TYPE_Q6_K, N, 1), GUARD_BEGIN);
  float norm, error;

  check_fill (x, N, FILL_RANDOM);
  bench_report ("encode_q6_k", "2560", k,
      BENCH_NS (k->encode_q6_k (row, &norm, &error, x, N)), sizeof (float) * N,
      0);
}

void
check_add_quantize (void)
{
  CHECK_ADD (encode_q6_k, check_encode, bench_encode);
  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    check_add (formats[i].name,
        G_STRUCT_OFFSET (BnKernels, quantize)
            + formats[i].act * sizeof (gpointer),
        sizeof (gpointer), check_quantize, bench_quantize, &formats[i]);
}
