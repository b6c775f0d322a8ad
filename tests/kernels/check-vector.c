/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slots that work on rows of floats: norms, activation functions, rotations,
 * conversions, search. All but the two with an exponential give the bits of the
 * C version on every level. */
#include "checkkern.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include "kernels/bn-scalar.h"

enum { MAX_INPUTS = 4, MAX_N = 67 * 8, REAL_N = 6912 };

/* Slots with different arguments behind one signature: in[] are float rows,
 * out is the result row (also input where the slot works in place). */
typedef void (*RunFunc) (
    const BnKernels *k, float *out, const float *const in[], guint n);
/* One element of the result in double, or NULL where the C version is the
 * definition. */
typedef double (*ExactFunc) (const float *const in[], guint i, guint n);

typedef struct {
  RunFunc run;
  ExactFunc exact;
  guint n_inputs;
  guint max_ulp;    /* from the C version */
  double max_error; /* of the exact result, relative */
  gboolean is_even; /* the row is pairs */
} Slot;

static const float eps = 1e-5f;

static void
run_rms_norm (const BnKernels *k, float *out, const float *const in[], guint n)
{
  k->rms_norm (out, in[0], in[1], n, eps);
}

static double
exact_rms_norm (const float *const in[], guint i, guint n)
{
  double sum = 0;

  for (guint j = 0; j < n; j++)
    sum += (double) in[0][j] * in[0][j];
  return in[0][i] / sqrt (sum / n + (double) eps) * in[1][i];
}

static void
run_layer_norm (
    const BnKernels *k, float *out, const float *const in[], guint n)
{
  k->layer_norm (out, in[0], in[1], in[2], n, eps);
}

static void
run_add (const BnKernels *k, float *out, const float *const in[], guint n)
{
  k->add (out, in[0], n);
}

static void
run_relu2_mul (const BnKernels *k, float *out, const float *const in[], guint n)
{
  k->relu2_mul (out, in[0], in[1], n);
}

static double
exact_relu2_mul (const float *const in[], guint i, guint n)
{
  double gate = MAX (in[0][i], 0);

  return gate * gate * in[1][i];
}

static void
run_silu_mul (const BnKernels *k, float *out, const float *const in[], guint n)
{
  k->silu_mul (out, in[0], in[1], n);
}

static double
exact_silu_mul (const float *const in[], guint i, guint n)
{
  return in[0][i] / (1 + exp (-(double) in[0][i])) * in[1][i];
}

static void
run_gelu (const BnKernels *k, float *out, const float *const in[], guint n)
{
  k->gelu (out, in[0], n);
}

static double
exact_gelu (const float *const in[], guint i, guint n)
{
  double x = in[0][i];

  return x / (1 + exp (-2 * 0.79788456080286536 * (x + 0.044715 * x * x * x)));
}

static void
run_rope_norm (const BnKernels *k, float *out, const float *const in[], guint n)
{
  k->rope_norm (out, in[0], n / 2);
}

static void
run_rope_neox (const BnKernels *k, float *out, const float *const in[], guint n)
{
  k->rope_neox (out, in[0], n / 2);
}

static const Slot rms_norm = {run_rms_norm, exact_rms_norm, 2, 0, 1e-6, 0};
static const Slot layer_norm = {run_layer_norm, NULL, 3, 0, 0, 0};
static const Slot add = {run_add, NULL, 1, 0, 0, 0};
static const Slot relu2_mul = {run_relu2_mul, exact_relu2_mul, 2, 0, 3e-7, 0};
static const Slot silu_mul = {run_silu_mul, exact_silu_mul, 2, 4, 5e-7, 0};
/* the argument of the exponential is up to 88, and so is the loss */
static const Slot gelu = {run_gelu, exact_gelu, 1, 4, 3e-5, 0};
static const Slot rope_norm = {run_rope_norm, NULL, 1, 0, 0, 1};
static const Slot rope_neox = {run_rope_neox, NULL, 1, 0, 0, 1};

static void
check_size (const BnKernels *k, const BnKernels *c, const Slot *slot, guint n,
    Fill fill, Guard guard)
{
  float *in[MAX_INPUTS];
  float *found = guard_alloc (sizeof (float) * n, guard);
  float *expected = guard_alloc (sizeof (float) * n, guard);

  for (guint i = 0; i < slot->n_inputs; i++) {
    in[i] = guard_alloc (sizeof (float) * n, guard);
    check_fill (in[i], n, i == 0 ? fill : FILL_RANDOM);
  }
  check_fill (found, n, fill);
  memcpy (expected, found, sizeof (float) * n);
  slot->run (k, found, (const float *const *) in, n);
  slot->run (c, expected, (const float *const *) in, n);
  for (guint i = 0; i < n; i++) {
    if (check_ulp (found[i], expected[i]) > slot->max_ulp
        && fabsf (found[i]) > 1e-30f)
      g_error ("[%u] of %u is %.9g, C has %.9g", i, n, (double) found[i],
          (double) expected[i]);
    if (slot->exact) {
      double exact = slot->exact ((const float *const *) in, i, n);
      check_near (
          "exact", i, found[i], exact, fabs (exact) * slot->max_error + 1e-30);
    }
  }
  guard_free_all ();
}

/* NaN goes through: the slot hides nothing. */
static void
check_nan (const BnKernels *k, const Slot *slot, guint n)
{
  for (guint bad = 0; bad < n; bad++) {
    float *in[MAX_INPUTS];
    float *out = guard_alloc (sizeof (float) * n, GUARD_END);
    gboolean has_nan = FALSE;

    for (guint i = 0; i < slot->n_inputs; i++) {
      in[i] = guard_alloc (sizeof (float) * n, GUARD_END);
      check_fill (in[i], n, FILL_RANDOM);
    }
    check_fill (out, n, FILL_RANDOM);
    in[0][bad] = NAN;
    slot->run (k, out, (const float *const *) in, n);
    for (guint i = 0; i < n; i++)
      has_nan |= isnan (out[i]);
    g_assert_true (has_nan);
    guard_free_all ();
  }
}

static void
check_slot (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  const Slot *slot = data;
  const guint real[] = {128, 768, 2560, 6912};

  for (guint n = 1; n <= MAX_N; n += n < 67 ? 1 : 31) {
    for (Fill fill = 0; fill < N_FILLS; fill++) {
      if (slot->is_even && n % 2)
        continue;
      check_size (k, c, slot, n, fill, n % N_GUARDS);
    }
  }
  for (gsize i = 0; i < G_N_ELEMENTS (real); i++)
    check_size (k, c, slot, real[i], FILL_RANDOM, GUARD_END);
  check_nan (k, slot, 22);
}

static void
bench_slot (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  const Slot *slot = data;
  guint n = slot->is_even ? 128 : REAL_N;
  gsize size = sizeof (float) * n;
  float *in[MAX_INPUTS];
  float *out = guard_alloc (size, GUARD_BEGIN);
  g_autofree char *name = NULL;
  static const struct {
    const Slot *slot;
    const char *name;
  } names[] = {{&rms_norm, "rms_norm"}, {&layer_norm, "layer_norm"},
      {&add, "add"}, {&relu2_mul, "relu2_mul"}, {&silu_mul, "silu_mul"},
      {&gelu, "gelu"}, {&rope_norm, "rope_norm"}, {&rope_neox, "rope_neox"}};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (names[i].slot == slot)
      name = g_strdup (names[i].name);
  }
  for (guint i = 0; i < slot->n_inputs; i++) {
    in[i] = guard_alloc (size, GUARD_BEGIN);
    check_fill (in[i], n, FILL_RANDOM);
    /* keep values in place small however often the slot runs */
    for (guint j = 0; j < n && (slot == &add || slot->is_even); j++)
      in[i][j] *= 0.5f;
  }
  check_fill (out, n, FILL_ZERO);
  bench_report (name, slot->is_even ? "128" : "6912", k,
      BENCH_NS (slot->run (k, out, (const float *const *) in, n)),
      (double) size * (slot->n_inputs + 1), 0);
}

/* Conversions */

static void
check_f32_to_f16 (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  for (guint n = 1; n <= 67; n++) {
    float *x = guard_alloc (sizeof (float) * n, n % N_GUARDS);
    guint16 *found = guard_alloc (sizeof (guint16) * n, n % N_GUARDS);

    for (guint round = 0; round < 200; round++) {
      for (guint i = 0; i < n; i++) {
        guint32 bits = check_random ();

        /* half of them near the range of halves, also between two of them */
        if (round % 2)
          bits = (bits & 0x8fffffff) | 0x30000000;
        if (round % 4 == 3)
          bits = (bits & 0xfffff000);
        memcpy (&x[i], &bits, sizeof bits);
      }
      k->f32_to_f16 (found, x, n);
      for (guint i = 0; i < n; i++) {
        guint16 expected = bn_f32_to_f16 (x[i]);

        if (isnan (x[i]))
          g_assert_cmphex (found[i] & 0x7e00, ==, 0x7e00);
        else
          g_assert_cmphex (found[i], ==, expected);
      }
    }
    guard_free_all ();
  }
}

static void
check_f16_to_f32 (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  guint16 *x = guard_alloc (0x20000, GUARD_END);
  float *found = guard_alloc (0x40000, GUARD_END);

  for (guint i = 0; i < 0x10000; i++)
    x[i] = (guint16) i;
  k->f16_to_f32 (found, x, 0x10000);
  for (guint i = 0; i < 0x10000; i++)
    g_assert_cmpuint (check_ulp (found[i], bn_f16_to_f32 ((guint16) i)), ==, 0);
  for (guint n = 1; n <= 67; n++) {
    memset (found, 0, sizeof (float) * 68);
    k->f16_to_f32 (found + 0x10000 - n, x + 0x10000 - 1024 - n, n);
    for (guint i = 0; i < n; i++)
      g_assert_cmpuint (check_ulp (found[0x10000 - n + i],
                            bn_f16_to_f32 (x[0x10000 - 1024 - n + i])),
          ==, 0);
  }
}

static void
check_f32_to_q8_0 (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  const float extremes[] = {NAN, INFINITY, 3.4e38f, 1e-38f, 1e-45f, -0.0f};

  for (guint n = 32; n <= 256; n += 32) {
    for (guint round = 0; round < N_FILLS + G_N_ELEMENTS (extremes); round++) {
      const gsize size = n / 32 * 34;
      float *x = guard_alloc (sizeof (float) * n, n % N_GUARDS);
      guint8 *found = guard_alloc (size, n % N_GUARDS);
      guint8 *expected = guard_alloc (size, n % N_GUARDS);

      check_fill (x, n, round < N_FILLS ? round : FILL_RANDOM);
      if (round >= N_FILLS)
        x[check_random () % n] = extremes[round - N_FILLS];
      k->f32_to_q8_0 (found, x, n);
      c->f32_to_q8_0 (expected, x, n);
      g_assert_cmpmem (found, size, expected, size);
      guard_free_all ();
    }
  }
}

static void
bench_f32_to_f16 (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  float *x = guard_alloc (sizeof (float) * REAL_N, GUARD_BEGIN);
  guint16 *y = guard_alloc (sizeof (guint16) * REAL_N, GUARD_BEGIN);

  check_fill (x, REAL_N, FILL_RANDOM);
  bench_report ("f32_to_f16", "6912", k,
      BENCH_NS (k->f32_to_f16 (y, x, REAL_N)), 6.0 * REAL_N, 0);
}

static void
bench_f16_to_f32 (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  guint16 *x = guard_alloc (sizeof (guint16) * REAL_N, GUARD_BEGIN);
  float *y = guard_alloc (sizeof (float) * REAL_N, GUARD_BEGIN);

  memset (x, 0x3c, sizeof (guint16) * REAL_N);
  bench_report ("f16_to_f32", "6912", k,
      BENCH_NS (k->f16_to_f32 (y, x, REAL_N)), 6.0 * REAL_N, 0);
}

/* The largest number and magnitude at each place, and what is not finite. */
static void
check_find_max (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  static const float specials[] = {
      0, 3, -3, 1e-40f, FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, NAN};

  for (guint n = 1; n <= MAX_N; n += n < 140 ? 1 : 31) {
    float *x = guard_alloc (sizeof (float) * n, n % N_GUARDS);

    for (guint round = 0; round < 40; round++) {
      float special = specials[round % G_N_ELEMENTS (specials)];
      float expected, found;
      guint32 bits, expected_bits;
      gboolean has_bits = FALSE, has_max = FALSE;

      for (guint i = 0; i < n; i++)
        x[i] = check_random_float (2.0f) - (round % 3 ? 0.0f : 4.0f);
      x[check_random () % n] = special;
      x[check_random () % n] = special;
      found = k->find_max (x, n, &bits);
      expected = c->find_max (x, n, &expected_bits);
      g_assert_cmphex (bits, ==, expected_bits);
      g_assert_true (check_ulp (found, expected) == 0);
      /* the C version against itself, one number at a time; what is found is
       * one of them */
      for (guint i = 0; i < n; i++) {
        guint32 one;
        float value = c->find_max (x + i, 1, &one);

        g_assert_cmpuint (one, <=, bits);
        g_assert_true (isnan (found) || value <= found);
        has_bits |= one == bits;
        has_max |= isnan (found) || value == found;
      }
      g_assert_true (has_bits && has_max);
      g_assert_cmpint (isnan (found), ==, bits > 0x7f800000);
    }
    guard_free_all ();
  }
}

static void
bench_find_max (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  enum { N = 128256 };
  float *x = guard_alloc (sizeof (float) * N, GUARD_BEGIN);
  guint32 bits, sum = 0;

  check_fill (x, N, FILL_RANDOM);
  bench_report ("find_max", "128256", k, BENCH_NS ({
    k->find_max (x, N, &bits);
    sum += bits;
  }),
      sizeof (float) * N, 0);
  g_assert_cmpuint (sum, !=, 1);
}

static void
bench_f32_to_q8_0 (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  float *x = guard_alloc (sizeof (float) * REAL_N, GUARD_BEGIN);
  guint8 *y = guard_alloc (REAL_N / 32 * 34, GUARD_BEGIN);

  check_fill (x, REAL_N, FILL_RANDOM);
  bench_report ("f32_to_q8_0", "6912", k,
      BENCH_NS (k->f32_to_q8_0 (y, x, REAL_N)), 5.0625 * REAL_N, 0);
}

#define ADD_SLOT(name)                                                         \
  check_add (#name, G_STRUCT_OFFSET (BnKernels, name), sizeof (gpointer),      \
      check_slot, bench_slot, &name)

void
check_add_vector (void)
{
  ADD_SLOT (rms_norm);
  ADD_SLOT (layer_norm);
  ADD_SLOT (add);
  ADD_SLOT (relu2_mul);
  ADD_SLOT (silu_mul);
  ADD_SLOT (gelu);
  ADD_SLOT (rope_norm);
  ADD_SLOT (rope_neox);
  CHECK_ADD (f32_to_f16, check_f32_to_f16, bench_f32_to_f16);
  CHECK_ADD (f32_to_q8_0, check_f32_to_q8_0, bench_f32_to_q8_0);
  CHECK_ADD (find_max, check_find_max, bench_find_max);
  CHECK_ADD (f16_to_f32, check_f16_to_f32, bench_f16_to_f32);
}
