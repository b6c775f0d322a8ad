/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of rows of F32, F16 and BF16 with vectors: one activation row takes
 * one row at a time, because memory is fastest when it is read as one stream;
 * more take MAX_ROWS by MAX_ACTS at a time. Either way column i is added to
 * lane i % COLS of two vectors of sums with one rounding (fma), the lanes at
 * the end. Compiled for each level; vectors.h and init.h are those of its
 * processor. */
#include "init.h"

#include "vectors.h"

enum {
  COLS = 2 * FLOATS, /* of one step */
#ifdef __AVX512F__
  MAX_ROWS = 4,
#else
  MAX_ROWS = 2,
#endif
  MAX_ACTS = 3,
  PREFETCH = 1024,           /* bytes; farther than the processor looks */
  CACHED_BYTES = 256 * 1024, /* of rows that are used for all activations */
};

typedef Floats (*LoadWeights) (const void *weights);

BN_INLINE void
dot_rows (float *y, size_t y_stride, const uint8_t *rows, size_t row_size,
    const uint8_t *acts, size_t act_stride, uint32_t n, LoadWeights load,
    const size_t element_size, const int n_rows, const int n_acts)
{
  Floats even[MAX_ROWS][MAX_ACTS] = {0}, odd[MAX_ROWS][MAX_ACTS] = {0};
  uint8_t last_rows[MAX_ROWS][COLS * sizeof (float)];
  float last_acts[MAX_ACTS][COLS];

  for (uint32_t col = 0; col < n; col += COLS) {
    Floats a[MAX_ACTS];
    size_t at = col;

    if (n - col < COLS) { /* the last columns, with zeros behind them */
      size_t rest = n - col;

      memset (last_rows, 0, sizeof last_rows);
      memset (last_acts, 0, sizeof last_acts);
      for (int row = 0; row < n_rows; row++)
        memcpy (last_rows[row], rows + row * row_size + col * element_size,
            rest * element_size);
      for (int i = 0; i < n_acts; i++)
        memcpy (last_acts[i], acts + i * act_stride + col * sizeof (float),
            rest * sizeof (float));
      rows = last_rows[0];
      row_size = sizeof last_rows[0];
      acts = (const uint8_t *) last_acts[0];
      act_stride = sizeof last_acts[0];
      at = 0;
    }
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++)
      a[i] = floats_load (acts + i * act_stride + at * sizeof (float));
#pragma GCC unroll 4
    for (int row = 0; row < n_rows; row++) {
      Floats w = load (rows + row * row_size + at * element_size);

      prefetch (rows + row * row_size + at * element_size, PREFETCH);
#pragma GCC unroll 4
      for (int i = 0; i < n_acts; i++) {
        even[row][i] = floats_fma (w, a[i], even[row][i]);
        BN_KEEP (even[row][i]);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++)
      a[i] =
          floats_load (acts + i * act_stride + (at + FLOATS) * sizeof (float));
#pragma GCC unroll 4
    for (int row = 0; row < n_rows; row++) {
      Floats w = load (rows + row * row_size + (at + FLOATS) * element_size);

#pragma GCC unroll 4
      for (int i = 0; i < n_acts; i++) {
        odd[row][i] = floats_fma (w, a[i], odd[row][i]);
        BN_KEEP (odd[row][i]);
      }
    }
  }
#pragma GCC unroll 4
  for (int row = 0; row < n_rows; row++) {
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++)
      y[i * y_stride + row] =
          floats_sum (floats_add (even[row][i], odd[row][i]));
  }
}

BN_INLINE void
dot_rows_acts (float *y, size_t y_stride, const uint8_t *rows, size_t row_size,
    const uint8_t *acts, size_t act_stride, uint32_t n, LoadWeights load,
    const size_t element_size, const int n_rows, uint32_t n_acts)
{
  switch (n_acts) {
    case 1:
      dot_rows (y, y_stride, rows, row_size, acts, act_stride, n, load,
          element_size, n_rows, 1);
      break;
    case 2:
      dot_rows (y, y_stride, rows, row_size, acts, act_stride, n, load,
          element_size, n_rows, 2);
      break;
    default:
      dot_rows (y, y_stride, rows, row_size, acts, act_stride, n, load,
          element_size, n_rows, MAX_ACTS);
  }
}

BN_INLINE void
matmul_floats (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const void *acts, size_t act_stride, uint32_t n_acts,
    LoadWeights load, const size_t element_size)
{
  size_t row_size = w->n_cols * element_size;
  uint32_t step = ((uint32_t) (CACHED_BYTES / (row_size + 1)) + 1) * MAX_ROWS;

  for (uint32_t first = row_begin; first < row_end; first += step) {
    uint32_t stop = row_end - first < step ? row_end : first + step;

    for (uint32_t i = 0, n; i < n_acts; i += n) {
      const uint8_t *a = (const uint8_t *) acts + i * act_stride;
      uint32_t row = first;

      n = n_acts - i;
      if (n > MAX_ACTS) /* not one alone at the end */
        n = n == MAX_ACTS + 1 ? MAX_ACTS - 1 : MAX_ACTS;
      for (; n > 1 && row + MAX_ROWS <= stop; row += MAX_ROWS)
        dot_rows_acts (y + i * y_stride + row, y_stride,
            (const uint8_t *) w->data + row * row_size, row_size, a, act_stride,
            w->n_cols, load, element_size, MAX_ROWS, n);
      for (; row < stop; row++)
        dot_rows_acts (y + i * y_stride + row, y_stride,
            (const uint8_t *) w->data + row * row_size, row_size, a, act_stride,
            w->n_cols, load, element_size, 1, n);
    }
  }
}

#define DEFINE_MATMUL(name, load, element_size)                                \
  static void matmul_##name (float *y, size_t y_stride, const BnMatrix *w,     \
      uint32_t row_begin, uint32_t row_end, const void *acts,                  \
      size_t act_stride, uint32_t n_acts)                                      \
  {                                                                            \
    matmul_floats (y, y_stride, w, row_begin, row_end, acts, act_stride,       \
        n_acts, load, element_size);                                           \
  }

DEFINE_MATMUL (f32, floats_load, 4)
DEFINE_MATMUL (f16, floats_load_f16, 2)
DEFINE_MATMUL (bf16, floats_load_bf16, 2)

void
BN_NAME (bn_floats_init) (BnKernels *k)
{
  k->in_place[BN_PACK_F32].matmul = matmul_f32;
  k->in_place[BN_PACK_F16].matmul = matmul_f16;
  k->in_place[BN_PACK_BF16].matmul = matmul_bf16;
}
