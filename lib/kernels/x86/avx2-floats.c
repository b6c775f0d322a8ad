/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of rows of F32, F16 and BF16 with AVX2: four rows by up to three
 * activation rows, one vector of sums for each pair. Column i is added to
 * lane i % 8 with one rounding (fma), the lanes at the end; the same for a
 * row alone. */
#include "init.h"

#include "avx2.h"

enum {
  FLOATS = 8, /* in a vector */
  MAX_ROWS = 4,
  MAX_ACTS = 3,
  PREFETCH = 1024, /* bytes; farther than the processor looks by itself */
  CACHED_BYTES = 256 * 1024, /* of rows that are used for all activations */
};

/* Eight weights from column col on. */
typedef __m256 (*LoadWeights) (const uint8_t *row, size_t col);

BN_INLINE __m256
load_f32x8 (const uint8_t *row, size_t col)
{
  return _mm256_loadu_ps ((const float *) (const void *) (row + 4 * col));
}

BN_INLINE __m256
load_f16x8 (const uint8_t *row, size_t col)
{
  return _mm256_cvtph_ps (load_128 (row + 2 * col));
}

BN_INLINE __m256
load_bf16x8 (const uint8_t *row, size_t col)
{
  return _mm256_castsi256_ps (
      _mm256_slli_epi32 (_mm256_cvtepu16_epi32 (load_128 (row + 2 * col)), 16));
}

/* The last columns, followed by zeros. */
BN_INLINE __m256
load_tail (LoadWeights load, const uint8_t *row, size_t col, uint32_t n,
    const size_t element_size)
{
  uint8_t padded[FLOATS * sizeof (float)] = {0};

  memcpy (padded, row + col * element_size, (n - col) * element_size);
  return load (padded, 0);
}

BN_INLINE void
dot_rows (float *y, size_t y_stride, const uint8_t *rows, size_t row_size,
    const uint8_t *acts, size_t act_stride, uint32_t n, LoadWeights load,
    const size_t element_size, const int n_rows, const int n_acts)
{
  __m256 sums[MAX_ROWS][MAX_ACTS] = {0};
  size_t col = 0;

  for (; col + FLOATS <= n; col += FLOATS) {
    __m256 a[MAX_ACTS];
#pragma GCC unroll 16
    for (int i = 0; i < n_acts; i++)
      a[i] = load_f32x8 (acts + i * act_stride, col);
#pragma GCC unroll 16
    for (int row = 0; row < n_rows; row++) {
      const uint8_t *weights = rows + row * row_size;
      __m256 w = load (weights, col);

      prefetch (weights + col * element_size, PREFETCH);
#pragma GCC unroll 16
      for (int i = 0; i < n_acts; i++) {
        sums[row][i] = _mm256_fmadd_ps (w, a[i], sums[row][i]);
        BN_KEEP (sums[row][i]);
      }
    }
  }
  if (col < n) {
    __m256 a[MAX_ACTS];
#pragma GCC unroll 16
    for (int i = 0; i < n_acts; i++)
      a[i] =
          load_tail (load_f32x8, acts + i * act_stride, col, n, sizeof (float));
#pragma GCC unroll 16
    for (int row = 0; row < n_rows; row++) {
      __m256 w = load_tail (load, rows + row * row_size, col, n, element_size);
#pragma GCC unroll 16
      for (int i = 0; i < n_acts; i++)
        sums[row][i] = _mm256_fmadd_ps (w, a[i], sums[row][i]);
    }
  }
#pragma GCC unroll 16
  for (int row = 0; row < n_rows; row++) {
#pragma GCC unroll 16
    for (int i = 0; i < n_acts; i++)
      y[i * y_stride + row] = sum_f32 (sums[row][i]);
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

    for (uint32_t i = 0; i < n_acts; i += MAX_ACTS) {
      const uint8_t *a = (const uint8_t *) acts + i * act_stride;
      uint32_t n = n_acts - i < MAX_ACTS ? n_acts - i : MAX_ACTS;
      uint32_t row = first;

      for (; row + MAX_ROWS <= stop; row += MAX_ROWS)
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

#define DEFINE_MATMUL(name, element_size)                                      \
  static void matmul_##name##_avx2 (float *y, size_t y_stride,                 \
      const BnMatrix *w, uint32_t row_begin, uint32_t row_end,                 \
      const void *acts, size_t act_stride, uint32_t n_acts)                    \
  {                                                                            \
    matmul_floats (y, y_stride, w, row_begin, row_end, acts, act_stride,       \
        n_acts, load_##name##x8, element_size);                                \
  }

DEFINE_MATMUL (f32, 4)
DEFINE_MATMUL (f16, 2)
DEFINE_MATMUL (bf16, 2)

void
bn_floats_init_avx2 (BnKernels *k)
{
  k->matmul[BN_PACK_F32].matmul = matmul_f32_avx2;
  k->matmul[BN_PACK_F16].matmul = matmul_f16_avx2;
  k->matmul[BN_PACK_BF16].matmul = matmul_bf16_avx2;
}
