/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the ternary products of all levels have in common: which rows are
 * multiplied with which activations, and where the results go. All are
 * bit-exact with the C version.
 *
 * TILE_ROWS rows are multiplied at a time, so that one activation load serves
 * them all, with up to MAX_ACTS activation rows, for which codes are made once.
 * A form says where the rows lie and how their codes 0..2 are multiplied with
 * the int8 activations; the zero point is taken out with the activations' sum
 * at the end:
 *
 *   packed    tiles of rows, read as one stream: ternary-packed-tmpl.h, and the
 *             dense one of x86/avx512vnni-ternary.c
 *   I2_S      the file's rows of layout A: blocks of 32 bytes for 128 columns,
 *             byte i has columns i, 32 + i, ... from the top bits down
 *   IQ2_BN    the file's rows: blocks of 16 bytes for 64 columns, byte i has
 *             columns i, 16 + i, ... from the lowest bits up; a float in front
 *
 * Whoever includes this has defined TILE_ROWS, MAX_ACTS (4 or 8) and TileLanes,
 * an array: the sums of code * q of a tile with one activation row. */
#pragma once

#include "bn-kernels.h"

enum { CACHED_BYTES = 256 * 1024 /* of rows used for all activations */ };

typedef TileLanes Lanes[MAX_ACTS];

/* rows: of a packed form the first is the tile. q has MAX_ACTS pointers; behind
 * the last activation row it is repeated. */
typedef void (*DotTile) (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, int n_acts);

typedef struct {
  DotTile dot;
  size_t (*row_size) (uint32_t n_cols); /* of a tile: its share */
  size_t header;                        /* bytes in front of a row's codes */
} Form;

/* What the sums of a tile come to, before the scales of the weights. */
typedef void (*FinishTile) (
    float results[TILE_ROWS], const TileLanes lanes, const void *head);

/* The number of activation rows becomes a constant, because it shapes the code;
 * where up to eight are taken, an odd number the next even one. */
BN_INLINE void
dot_acts (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, uint32_t n_acts, const Form form)
{
  switch (n_acts) {
    case 1:
      form.dot (lanes, rows, q, n_cols, 1);
      break;
    case 2:
      form.dot (lanes, rows, q, n_cols, 2);
      break;
#if MAX_ACTS == 4
    case 3:
      form.dot (lanes, rows, q, n_cols, 3);
      break;
#else
    case 3:
    case 4:
      form.dot (lanes, rows, q, n_cols, 4);
      break;
    case 5:
    case 6:
      form.dot (lanes, rows, q, n_cols, 6);
      break;
#endif
    default:
      form.dot (lanes, rows, q, n_cols, MAX_ACTS);
  }
}

/* The products of up to TILE_ROWS rows with one activation row. */
BN_INLINE void
store_results (float *restrict y, const TileLanes lanes, const void *head,
    const float *row_scale, uint32_t n_rows, FinishTile finish)
{
  float results[TILE_ROWS];

  finish (results, lanes, head);
  if (n_rows >= TILE_ROWS) {
    for (int row = 0; row < TILE_ROWS; row++)
      y[row] = results[row] * row_scale[row];
    return;
  }
  for (uint32_t row = 0; row < n_rows; row++)
    y[row] = results[row] * row_scale[row];
}

/* All given rows with up to MAX_ACTS activation rows. Rows that are missing in
 * the last tile of a file are multiplied as its last row once more. */
BN_INLINE void
matmul_tiles (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const uint8_t *acts, size_t act_stride, uint32_t n_acts,
    const Form form, FinishTile finish)
{
  const size_t row_size = form.row_size (w->n_cols);
  const int8_t *q[MAX_ACTS];
  Lanes lanes;

  for (uint32_t i = 0; i < MAX_ACTS; i++)
    q[i] = (const int8_t *) acts + (i < n_acts ? i : n_acts - 1) * act_stride
           + BN_ALIGN;
  for (uint32_t row = row_begin; row < row_end; row += TILE_ROWS) {
    const uint8_t *rows[TILE_ROWS];

    for (uint32_t i = 0; i < TILE_ROWS; i++)
      rows[i] = (const uint8_t *) w->data + form.header
                + (row + i < row_end ? row + i : row_end - 1) * row_size;
    dot_acts (lanes, rows, q, w->n_cols, n_acts, form);
    for (uint32_t i = 0; i < n_acts; i++)
      store_results (y + i * y_stride + row, lanes[i], acts + i * act_stride,
          w->row_scale + row, row_end - row, finish);
  }
}

BN_INLINE void
matmul_form (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const void *acts, size_t act_stride, uint32_t n_acts,
    const Form form, FinishTile finish)
{
  size_t tile_size = TILE_ROWS * form.row_size (w->n_cols);
  uint32_t step = ((uint32_t) (CACHED_BYTES / (tile_size + 1)) + 1) * TILE_ROWS;

  for (uint32_t row = row_begin; row < row_end; row += step) {
    uint32_t row_stop = row_end - row < step ? row_end : row + step;

    for (uint32_t i = 0; i < n_acts; i += MAX_ACTS)
      matmul_tiles (y + i * y_stride, y_stride, w, row, row_stop,
          (const uint8_t *) acts + i * act_stride, act_stride,
          n_acts - i < MAX_ACTS ? n_acts - i : MAX_ACTS, form, finish);
  }
}

#define DEFINE_TERNARY(name, form, finish)                                     \
  static void matmul_##name (float *y, size_t y_stride, const BnMatrix *w,     \
      uint32_t row_begin, uint32_t row_end, const void *acts,                  \
      size_t act_stride, uint32_t n_acts)                                      \
  {                                                                            \
    matmul_form (y, y_stride, w, row_begin, row_end, acts, act_stride, n_acts, \
        form, finish);                                                         \
  }

static inline size_t
file_row_size_i2s (uint32_t n_cols)
{
  return n_cols / 4;
}

static inline size_t
file_row_size_iq2_bn (uint32_t n_cols)
{
  return sizeof (float) + n_cols / 4;
}

static inline size_t
packed_size_in_place (uint32_t n_rows, uint32_t n_cols)
{
  return 0;
}
