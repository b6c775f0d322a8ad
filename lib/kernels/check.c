/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels that check themselves on real data (build option check_kernels).
 *
 * Each wrapper runs the vector version, then the C one into a buffer of the
 * thread, and compares: bit by bit where that is promised, else within a part
 * of the largest result. A packed matrix holds both packings, one behind the
 * other. Rows too long for the buffer are not compared. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref.h"

enum { MAX_FLOATS = 1 << 16 };

static BnKernels fast, ref;
static _Thread_local float scratch[MAX_FLOATS];
static _Thread_local unsigned char act_scratch[MAX_FLOATS]
    __attribute__ ((aligned (BN_ALIGN)));

static void
fail (const char *slot, size_t i, double found, double expected)
{
  fprintf (stderr, "kernel %s: [%zu] is %.9g, the C version has %.9g\n", slot,
      i, found, expected);
  abort ();
}

/* tolerance: part of the largest magnitude expected; 0 for the same bits */
static void
compare (const char *slot, const float *found, const float *expected, size_t n,
    float tolerance)
{
  float bound = 0;

  for (size_t i = 0; i < n && tolerance > 0; i++)
    bound = fabsf (expected[i]) > bound ? fabsf (expected[i]) : bound;
  bound *= tolerance;
  for (size_t i = 0; i < n; i++) {
    if (isnan (found[i]) && isnan (expected[i]))
      continue;
    if (!(fabsf (found[i] - expected[i]) <= bound) && found[i] != expected[i])
      fail (slot, i, (double) found[i], (double) expected[i]);
  }
}

/* Products */

/* What the C version multiplies: the file's rows, or its own packing. */
static const BnType row_types[BN_N_PACKS] = {
    [BN_PACK_F32] = BN_TYPE_F32,
    [BN_PACK_F16] = BN_TYPE_F16,
    [BN_PACK_BF16] = BN_TYPE_BF16,
    [BN_PACK_Q4_0] = BN_TYPE_Q4_0,
    [BN_PACK_Q4_1] = BN_TYPE_Q4_1,
    [BN_PACK_Q5_0] = BN_TYPE_Q5_0,
    [BN_PACK_Q5_1] = BN_TYPE_Q5_1,
    [BN_PACK_Q8_0] = BN_TYPE_Q8_0,
    [BN_PACK_Q2_K] = BN_TYPE_Q2_K,
    [BN_PACK_Q3_K] = BN_TYPE_Q3_K,
    [BN_PACK_Q4_K] = BN_TYPE_Q4_K,
    [BN_PACK_Q5_K] = BN_TYPE_Q5_K,
    [BN_PACK_Q6_K] = BN_TYPE_Q6_K,
    [BN_PACK_TQ1_0] = BN_TYPE_TQ1_0,
    [BN_PACK_TQ2_0] = BN_TYPE_TQ2_0,
};

static int
is_ternary (BnPack pack)
{
  return pack == BN_PACK_TERNARY || pack == BN_PACK_TERNARY_X4;
}

static size_t
c_row_size (BnPack pack, uint32_t n_cols)
{
  return bn_type_tensor_size (row_types[pack], n_cols, 1);
}

typedef void (*MatmulFunc) (float *y, size_t y_stride, const BnMatrix *w,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts);

static void
compare_products (MatmulFunc matmul, const float *y, size_t y_stride,
    const BnMatrix *c, uint32_t row_begin, uint32_t row_end, const void *acts,
    size_t act_stride, uint32_t n_acts)
{
  if (c->n_rows > MAX_FLOATS)
    return;
  for (uint32_t i = 0; i < n_acts; i++) {
    matmul (scratch, 0, c, row_begin, row_end,
        (const char *) acts + i * act_stride, act_stride, 1);
    compare ("matmul", y + i * y_stride + row_begin, scratch + row_begin,
        row_end - row_begin, is_ternary (c->pack) ? 0 : 1e-3f);
  }
}

static void
matmul_in_place_checked (float *y, size_t y_stride, const BnMatrix *w,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts)
{
  fast.in_place[w->pack].matmul (
      y, y_stride, w, row_begin, row_end, acts, act_stride, n_acts);
  compare_products (ref.in_place[w->pack].matmul, y, y_stride, w, row_begin,
      row_end, acts, act_stride, n_acts);
}

static void
matmul_checked (float *y, size_t y_stride, const BnMatrix *w,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts)
{
  const BnMatmulOps *ops = &fast.matmul[w->pack];
  BnMatrix c = *w;

  ops->matmul (y, y_stride, w, row_begin, row_end, acts, act_stride, n_acts);
  c.data = (const char *) w->data + ops->packed_size (w->n_rows, w->n_cols);
  compare_products (ref.matmul[w->pack].matmul, y, y_stride, &c, row_begin,
      row_end, acts, act_stride, n_acts);
}

static size_t
packed_size_checked (BnPack pack, uint32_t n_rows, uint32_t n_cols)
{
  size_t size = fast.matmul[pack].packed_size (n_rows, n_cols);

  if (is_ternary (pack))
    return size + ref.matmul[pack].packed_size (n_rows, n_cols);
  if (size > 0)
    size += n_rows * c_row_size (pack, n_cols);
  return (size + BN_ALIGN - 1) / BN_ALIGN * BN_ALIGN;
}

static void
pack_checked (BnPack pack, void *dst, const void *src, uint32_t n_rows,
    uint32_t n_cols, uint32_t row_begin, uint32_t row_end)
{
  char *c = (char *) dst + fast.matmul[pack].packed_size (n_rows, n_cols);

  fast.matmul[pack].pack (dst, src, n_rows, n_cols, row_begin, row_end);
  if (is_ternary (pack)) {
    ref.matmul[pack].pack (c, src, n_rows, n_cols, row_begin, row_end);
  } else {
    size_t row_size = c_row_size (pack, n_cols);
    memcpy (c + row_begin * row_size, src, (row_end - row_begin) * row_size);
  }
}

#define DEFINE_PACK(name, pack)                                                \
  static size_t packed_size_##name (uint32_t n_rows, uint32_t n_cols)          \
  {                                                                            \
    return packed_size_checked (pack, n_rows, n_cols);                         \
  }                                                                            \
  static void pack_##name (void *dst, const void *src, uint32_t n_rows,        \
      uint32_t n_cols, uint32_t row_begin, uint32_t row_end)                   \
  {                                                                            \
    pack_checked (pack, dst, src, n_rows, n_cols, row_begin, row_end);         \
  }

/* clang-format off */
#define FOR_EACH_PACK(DO)                                                      \
  DO (f32, BN_PACK_F32) DO (f16, BN_PACK_F16) DO (bf16, BN_PACK_BF16)          \
  DO (q4_0, BN_PACK_Q4_0) DO (q4_1, BN_PACK_Q4_1) DO (q5_0, BN_PACK_Q5_0)      \
  DO (q5_1, BN_PACK_Q5_1) DO (q8_0, BN_PACK_Q8_0) DO (q2_k, BN_PACK_Q2_K)      \
  DO (q3_k, BN_PACK_Q3_K) DO (q4_k, BN_PACK_Q4_K) DO (q5_k, BN_PACK_Q5_K)      \
  DO (q6_k, BN_PACK_Q6_K) DO (tq1_0, BN_PACK_TQ1_0)                            \
  DO (tq2_0, BN_PACK_TQ2_0) DO (ternary, BN_PACK_TERNARY)                      \
  DO (ternary_x4, BN_PACK_TERNARY_X4)
/* clang-format on */

FOR_EACH_PACK (DEFINE_PACK)

static void
quantize_checked (BnAct act, void *dst, const float *x, uint32_t n)
{
  size_t size = bn_act_size (act, n);

  if (size > sizeof act_scratch) {
    fast.quantize[act](dst, x, n);
    return;
  }
  /* what is not written is the same in both */
  memcpy (act_scratch, dst, size);
  fast.quantize[act](dst, x, n);
  ref.quantize[act](act_scratch, x, n);
  if (memcmp (act_scratch, dst, size) != 0)
    fail ("quantize", act, n, n);
}

#define DEFINE_QUANTIZE(name, act)                                             \
  static void quantize_##name (void *dst, const float *x, uint32_t n)          \
  {                                                                            \
    quantize_checked (act, dst, x, n);                                         \
  }

DEFINE_QUANTIZE (f32, BN_ACT_F32)
DEFINE_QUANTIZE (i8, BN_ACT_I8)
DEFINE_QUANTIZE (i8x4, BN_ACT_I8X4)
DEFINE_QUANTIZE (q8_0, BN_ACT_Q8_0)
DEFINE_QUANTIZE (q8_1, BN_ACT_Q8_1)
DEFINE_QUANTIZE (q8_k, BN_ACT_Q8_K)

/* Rows. y may also be input, so the C version starts from a copy of it. */

#define DEFINE_ROW(name, n_out, tolerance, params, ...)                        \
  static void name##_checked params                                            \
  {                                                                            \
    int is_small = (n_out) <= MAX_FLOATS;                                      \
    float *out = y;                                                            \
    if (is_small)                                                              \
      memcpy (scratch, y, (n_out) * sizeof *y);                                \
    fast.name (__VA_ARGS__);                                                   \
    if (!is_small)                                                             \
      return;                                                                  \
    y = scratch;                                                               \
    ref.name (__VA_ARGS__);                                                    \
    compare (#name, out, scratch, n_out, tolerance);                           \
  }

DEFINE_ROW (rms_norm, n, 0,
    (float *y, const float *x, const float *w, uint32_t n, float eps), y,
    x == out ? y : x, w, n, eps)
DEFINE_ROW (layer_norm, n, 0,
    (float *y, const float *x, const float *w, const float *b, uint32_t n,
        float eps),
    y, x == out ? y : x, w, b, n, eps)
DEFINE_ROW (add, n, 0, (float *y, const float *x, uint32_t n), y, x, n)
DEFINE_ROW (relu2_mul, n, 0,
    (float *y, const float *gate, const float *up, uint32_t n), y,
    gate == out ? y : gate, up == out ? y : up, n)
DEFINE_ROW (silu_mul, n, 1e-5f,
    (float *y, const float *gate, const float *up, uint32_t n), y,
    gate == out ? y : gate, up == out ? y : up, n)
DEFINE_ROW (gelu, n, 1e-5f, (float *y, const float *x, uint32_t n), y,
    x == out ? y : x, n)
DEFINE_ROW (rope_norm, 2 * n_pairs, 0,
    (float *y, const float *cos_sin, uint32_t n_pairs), y, cos_sin, n_pairs)
DEFINE_ROW (rope_neox, 2 * n_pairs, 0,
    (float *y, const float *cos_sin, uint32_t n_pairs), y, cos_sin, n_pairs)
DEFINE_ROW (
    f16_to_f32, n, 0, (float *y, const uint16_t *x, uint32_t n), y, x, n)
DEFINE_ROW (attend_join, head_size, 1e-4f,
    (float *y, const float *parts, size_t part_stride, uint32_t n_parts,
        uint32_t head_size),
    y, parts, part_stride, n_parts, head_size)

/* The parts of both, joined: their scales may differ. */
static void
attend_checked (
    float *parts, const BnQueries *queries, const BnKvView *kv, void *work)
{
  const size_t part_size = bn_attend_part_size (kv->head_size);
  const uint32_t n = queries->n_rows * queries->n_heads;
  float *c = scratch, *c_out = c + n * part_size, *out = c_out + kv->head_size;

  fast.attend (parts, queries, kv, work);
  if (n * part_size + 2 * (size_t) kv->head_size > MAX_FLOATS)
    return;
  ref.attend (c, queries, kv, work);
  for (uint32_t i = 0; i < n; i++) {
    if (c[i * part_size + bn_attend_max_at (kv->head_size)] == -INFINITY)
      continue; /* sees no cell of the range */
    ref.attend_join (c_out, c + i * part_size, 0, 1, kv->head_size);
    ref.attend_join (out, parts + i * part_size, 0, 1, kv->head_size);
    compare ("attend", out, c_out, kv->head_size, 1e-3f);
  }
}

static void
f32_to_f16_checked (uint16_t *y, const float *x, uint32_t n)
{
  uint16_t *c = (uint16_t *) (void *) act_scratch;

  fast.f32_to_f16 (y, x, n);
  if (n > sizeof act_scratch / sizeof *c)
    return;
  ref.f32_to_f16 (c, x, n);
  for (uint32_t i = 0; i < n; i++) {
    if (c[i] != y[i] && !isnan (x[i]))
      fail ("f32_to_f16", i, y[i], c[i]);
  }
}

static void
f32_to_q8_0_checked (void *y, const float *x, uint32_t n)
{
  const size_t size = bn_type_tensor_size (BN_TYPE_Q8_0, n, 1);

  fast.f32_to_q8_0 (y, x, n);
  if (size > sizeof act_scratch)
    return;
  ref.f32_to_q8_0 (act_scratch, x, n);
  if (memcmp (act_scratch, y, size) != 0)
    fail ("f32_to_q8_0", n, n, n);
}

static int
is_same (float a, float b)
{
  return a == b || (isnan (a) && isnan (b));
}

static void
encode_q6_k_checked (
    void *row, float *norm, float *error, const float *x, uint32_t n)
{
  const size_t size = bn_type_tensor_size (BN_TYPE_Q6_K, n, 1);
  float lengths[2];

  fast.encode_q6_k (row, norm, error, x, n);
  if (size > sizeof act_scratch)
    return;
  ref.encode_q6_k (act_scratch, &lengths[0], &lengths[1], x, n);
  if (memcmp (act_scratch, row, size) != 0 || !is_same (lengths[0], *norm)
      || !is_same (lengths[1], *error))
    fail ("encode_q6_k", n, n, n);
}

static void
check_pack (BnKernels *k, BnPack pack,
    size_t (*packed_size) (uint32_t, uint32_t),
    void (*pack_rows) (
        void *, const void *, uint32_t, uint32_t, uint32_t, uint32_t))
{
  if (fast.in_place[pack].matmul)
    k->in_place[pack].matmul = matmul_in_place_checked;
  k->matmul[pack].matmul = matmul_checked;
  k->matmul[pack].packed_size = packed_size;
  if (fast.matmul[pack].pack)
    k->matmul[pack].pack = pack_rows;
}

void
bn_kernels_check (BnKernels *k)
{
  fast = *k;
  bn_kernels_init (&ref, 0);
#define CHECK_PACK(name, pack)                                                 \
  check_pack (k, pack, packed_size_##name, pack_##name);
  FOR_EACH_PACK (CHECK_PACK)
  k->quantize[BN_ACT_F32] = quantize_f32;
  k->quantize[BN_ACT_I8] = quantize_i8;
  k->quantize[BN_ACT_I8X4] = quantize_i8x4;
  k->quantize[BN_ACT_Q8_0] = quantize_q8_0;
  k->quantize[BN_ACT_Q8_1] = quantize_q8_1;
  k->quantize[BN_ACT_Q8_K] = quantize_q8_k;
  k->rms_norm = rms_norm_checked;
  k->layer_norm = layer_norm_checked;
  k->add = add_checked;
  k->relu2_mul = relu2_mul_checked;
  k->silu_mul = silu_mul_checked;
  k->gelu = gelu_checked;
  k->rope_norm = rope_norm_checked;
  k->rope_neox = rope_neox_checked;
  k->f16_to_f32 = f16_to_f32_checked;
  k->f32_to_f16 = f32_to_f16_checked;
  k->f32_to_q8_0 = f32_to_q8_0_checked;
  k->encode_q6_k = encode_q6_k_checked;
  k->attend = attend_checked;
  k->attend_join = attend_join_checked;
}
