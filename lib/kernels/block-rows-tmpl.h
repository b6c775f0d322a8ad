/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the products of block types on the file's rows have in common: which
 * rows are multiplied with which activations, and where the results go. One
 * weight row meets up to MAX_ACTS activation rows at a time; rows that fit the
 * second level cache are used for all of them before the next ones are read.
 *
 * A level's file includes this once, behind its vectors, defines dot_NAME (a
 * DotFunc) for each type and makes its matmul_NAME of it. */
#include "bn-blocks.h"

enum {
  MAX_ACTS = 4,
  CACHED_BYTES = 256 * 1024, /* of rows that are used for all activations */
};

typedef struct {
  const uint8_t *row; /* of weights */
  const uint8_t *acts;
  size_t act_stride;
  uint32_t n_blocks;
} Operands;

BN_INLINE const void *
act_row (const Operands *o, int i)
{
  return o->acts + i * o->act_stride;
}

typedef void (*DotFunc) (
    float sums[MAX_ACTS], const Operands *operands, const int n_acts);

BN_INLINE void
matmul_rows (float *y, size_t y_stride, const BnMatrix *w, size_t block_cols,
    size_t block_size, uint32_t row_begin, uint32_t row_end, const void *acts,
    size_t act_stride, uint32_t n_acts, DotFunc dot)
{
  Operands o = {NULL, NULL, act_stride, (uint32_t) (w->n_cols / block_cols)};
  size_t row_size = o.n_blocks * block_size;
  uint32_t step = (uint32_t) (CACHED_BYTES / (row_size + 1)) + 1;
  float sums[MAX_ACTS];

  for (uint32_t first = row_begin; first < row_end; first += step) {
    uint32_t stop = row_end - first < step ? row_end : first + step;

    for (uint32_t i = 0; i < n_acts; i += MAX_ACTS) {
      uint32_t n = n_acts - i < MAX_ACTS ? n_acts - i : MAX_ACTS;

      o.acts = (const uint8_t *) acts + i * act_stride;
      for (uint32_t row = first; row < stop; row++) {
        o.row = (const uint8_t *) w->data + row * row_size;
        switch (n) {
          case 1:
            dot (sums, &o, 1);
            break;
          case 2:
            dot (sums, &o, 2);
            break;
          case 3:
            dot (sums, &o, 3);
            break;
          default:
            dot (sums, &o, MAX_ACTS);
        }
        for (uint32_t j = 0; j < n; j++)
          y[(i + j) * y_stride + row] = sums[j];
      }
    }
  }
}

#define DEFINE_MATMUL(name, block_cols, block_size)                            \
  static void matmul_##name (float *y, size_t y_stride, const BnMatrix *w,     \
      uint32_t row_begin, uint32_t row_end, const void *acts,                  \
      size_t act_stride, uint32_t n_acts)                                      \
  {                                                                            \
    matmul_rows (y, y_stride, w, block_cols, block_size, row_begin, row_end,   \
        acts, act_stride, n_acts, dot_##name);                                 \
  }
