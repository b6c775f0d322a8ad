/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slots on rows of floats: norms, activation functions, rotations,
 * conversions and search; compiled for each level, with the vectors.h and
 * init.h of its processor. All but the two with an exponential are bit-exact
 * with the C version: same order of sums, no fma. Those two are within 4 units
 * in the last place of it.
 *
 * The last elements of a row fill a part of a vector, so that every element is
 * computed by the same instructions. */
#include "init.h"

#include <math.h>
#include "vectors.h"

/* Runs body for the columns in vectors: i is the first, n_left how many count.
 * LOAD and STORE do what is needed for the last ones. */
#define FOR_EACH_VECTOR(i, n, body)                                            \
  do {                                                                         \
    uint32_t i = 0, n_left = FLOATS;                                           \
    (void) n_left;                                                             \
    for (; i + FLOATS <= (n); i += FLOATS) {                                   \
      body                                                                     \
    }                                                                          \
    if (i < (n)) {                                                             \
      n_left = (n) -i;                                                         \
      body                                                                     \
    }                                                                          \
  } while (0)
#define LOAD(x)                                                                \
  (n_left == FLOATS ? floats_load (x) : floats_load_part (x, n_left))
#define STORE(y, v)                                                            \
  (n_left == FLOATS ? floats_store (y, v) : floats_store_part (y, v, n_left))

/* Norms */

static double
sum_of_squares (const float *x, uint32_t n)
{
  Doubles sums = doubles_zero ();

  FOR_EACH_VECTOR (i, n, {
    const Floats v = LOAD (x + i);
    sums = doubles_add (sums, floats_mul (v, v));
  });
  return doubles_total (sums);
}

static void
rms_norm (float *y, const float *x, const float *w, uint32_t n, float eps)
{
  const float mean = (float) (sum_of_squares (x, n) / n);
  const Floats scale = floats_set1 (1.0f / sqrtf (mean + eps));

  FOR_EACH_VECTOR (i, n, {
    const Floats v = floats_mul (LOAD (x + i), scale);
    STORE (y + i, floats_mul (v, LOAD (w + i)));
  });
}

static void
layer_norm (float *y, const float *x, const float *w, const float *b,
    uint32_t n, float eps)
{
  Doubles sums = doubles_zero ();
  Floats mean, scale;
  float variance;

  FOR_EACH_VECTOR (i, n, { sums = doubles_add (sums, LOAD (x + i)); });
  mean = floats_set1 ((float) (doubles_total (sums) / n));
  FOR_EACH_VECTOR (i, n, { STORE (y + i, floats_sub (LOAD (x + i), mean)); });
  variance = (float) (sum_of_squares (y, n) / n);
  scale = floats_set1 (1.0f / sqrtf (variance + eps));
  FOR_EACH_VECTOR (i, n, {
    Floats v = floats_mul (LOAD (y + i), scale);
    v = floats_mul (v, LOAD (w + i));
    STORE (y + i, floats_add (v, LOAD (b + i)));
  });
}

/* One element from one or two */

static void
add (float *y, const float *x, uint32_t n)
{
  FOR_EACH_VECTOR (
      i, n, { STORE (y + i, floats_add (LOAD (y + i), LOAD (x + i))); });
}

static void
relu2_mul (float *y, const float *gate, const float *up, uint32_t n)
{
  const Floats zero = floats_set1 (0);

  FOR_EACH_VECTOR (i, n, {
    /* the operand that may be NaN comes second */
    const Floats g = floats_max (zero, LOAD (gate + i));
    STORE (y + i, floats_mul (floats_mul (g, g), LOAD (up + i)));
  });
}

/* x / (1 + exp (-t)) */
BN_INLINE Floats
times_sigmoid (Floats x, Floats t)
{
  const Floats e = floats_exp (floats_sub (floats_set1 (0), t));

  return floats_div (x, floats_add (floats_set1 (1), e));
}

static void
silu_mul (float *y, const float *gate, const float *up, uint32_t n)
{
  FOR_EACH_VECTOR (i, n, {
    const Floats g = LOAD (gate + i);
    STORE (y + i, floats_mul (times_sigmoid (g, g), LOAD (up + i)));
  });
}

static void
gelu (float *y, const float *x, uint32_t n)
{
  const Floats sqrt_8_over_pi = floats_set1 (1.5957691216057308f);
  const Floats cubic = floats_set1 (0.044715f);
  const Floats one = floats_set1 (1);

  FOR_EACH_VECTOR (i, n, {
    const Floats v = LOAD (x + i);
    const Floats poly = floats_add (one, floats_mul (floats_mul (cubic, v), v));
    const Floats t = floats_mul (floats_mul (sqrt_8_over_pi, v), poly);
    STORE (y + i, times_sigmoid (v, t));
  });
}

/* Rotations: (a, b) -> (a cos - b sin, a sin + b cos) */

static void
rope_norm (float *x, const float *cos_sin, uint32_t n_pairs)
{
  FOR_EACH_VECTOR (i, 2 * n_pairs, {
    STORE (x + i, floats_rotate_pairs (LOAD (x + i), LOAD (cos_sin + i)));
  });
}

/* Two vectors, of which n floats are there. */
BN_INLINE void
load_two (Floats v[2], const float *x, uint32_t n)
{
  v[0] = n < FLOATS ? floats_load_part (x, n) : floats_load (x);
  v[1] = floats_set1 (0);
  if (n == 2 * FLOATS)
    v[1] = floats_load (x + FLOATS);
  else if (n > FLOATS)
    v[1] = floats_load_part (x + FLOATS, n - FLOATS);
}

static void
rope_neox (float *x, const float *cos_sin, uint32_t n_pairs)
{
  float *half = x + n_pairs;

  FOR_EACH_VECTOR (i, n_pairs, {
    const Floats a = LOAD (x + i);
    const Floats b = LOAD (half + i);
    Floats angles[2];
    Floats c;
    Floats s;

    load_two (angles, cos_sin + 2 * i, 2 * n_left);
    floats_split_pairs (&c, &s, angles[0], angles[1]);
    STORE (x + i, floats_sub (floats_mul (a, c), floats_mul (b, s)));
    STORE (half + i, floats_add (floats_mul (a, s), floats_mul (b, c)));
  });
}

/* Conversions */

static void
f32_to_f16 (uint16_t *y, const float *x, uint32_t n)
{
  FOR_EACH_VECTOR (i, n, {
    uint16_t part[FLOATS];

    if (n_left == FLOATS) {
      floats_store_f16 (y + i, floats_load (x + i));
    } else {
      floats_store_f16 (part, floats_load_part (x + i, n_left));
      memcpy (y + i, part, n_left * sizeof *y);
    }
  });
}

static void
f16_to_f32 (float *y, const uint16_t *x, uint32_t n)
{
  FOR_EACH_VECTOR (i, n, {
    uint16_t part[FLOATS] = {0};

    if (n_left < FLOATS)
      memcpy (part, x + i, n_left * sizeof *x);
    STORE (y + i, floats_load_f16 (n_left == FLOATS ? x + i : part));
  });
}

/* Search */

/* Four vectors at a time, that maxima need not wait for one another. The last
 * vector may overlap the one before. */
static float
find_max (const float *x, uint32_t n, uint32_t *magnitude)
{
  Floats max[4];
  Ints magnitudes[4];
  uint32_t i = 0, bits;
  float lanes[FLOATS];

  if (n < FLOATS)
    return bn_find_max (x, n, magnitude);
  for (int j = 0; j < 4; j++) {
    max[j] = floats_load (x);
    magnitudes[j] = ints_zero ();
  }
  for (; i + 4 * FLOATS <= n; i += 4 * FLOATS) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      const Floats v = floats_load (x + i + j * FLOATS);

      max[j] = floats_max (v, max[j]);
      magnitudes[j] = ints_max_magnitude (magnitudes[j], v);
    }
  }
  for (; i < n; i += FLOATS) {
    const Floats v = floats_load (x + (n - i < FLOATS ? n - FLOATS : i));

    max[0] = floats_max (v, max[0]);
    magnitudes[0] = ints_max_magnitude (magnitudes[0], v);
  }
  *magnitude = 0;
  for (int j = 0; j < 4; j++) {
    max[0] = floats_max (max[j], max[0]);
    bits = ints_largest (magnitudes[j]);
    *magnitude = bits > *magnitude ? bits : *magnitude;
  }
  if (*magnitude > BN_BITS_INFINITY)
    return bn_f32_from_bits (BN_BITS_NAN);
  floats_store (lanes, max[0]);
  return bn_find_max (lanes, FLOATS, &bits);
}

void
BN_NAME (bn_vector_init) (BnKernels *k)
{
  k->rms_norm = rms_norm;
  k->layer_norm = layer_norm;
  k->add = add;
  k->relu2_mul = relu2_mul;
  k->silu_mul = silu_mul;
  k->gelu = gelu;
  k->rope_norm = rope_norm;
  k->rope_neox = rope_neox;
  k->f32_to_f16 = f32_to_f16;
  k->f16_to_f32 = f16_to_f32;
  k->find_max = find_max;
}
