/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the ternary products of the instruction sets have in common: which rows
 * are multiplied with which activations, and what becomes of the sums. All are
 * bit-exact with the C version.
 *
 * Four rows are multiplied at a time, so that one activation load serves four
 * rows. A form says where they lie and how their codes 0..2 are multiplied
 * with the int8 activations; the zero point is taken out with the activations'
 * sum at the end:
 *
 *   packed    tiles of four rows, read as one stream: ternary-packed-tmpl.h,
 * and the dense one of avx512vnni-ternary.c I2_S      the file's rows of layout
 * A: blocks of 32 bytes for 128 columns, byte i has columns i, 32 + i, ... from
 * the top bits down IQ2_BN    the file's rows: blocks of 16 bytes for 64
 * columns, byte i has columns i, 16 + i, ... from the lowest bits up; a float
 * in front
 *
 * A vector of codes of such a row is put together from the pieces of a block in
 * the order of the columns, each shifted on its own, so that activations are
 * used as they lie. */
#pragma once

#include "avx2.h"
#include "bn-kernels.h"

enum {
  TILE_ROWS = 4,
  MAX_ACTS = 4,              /* activation rows for which codes are made once */
  CACHED_BYTES = 256 * 1024, /* of rows that are used for all activations */
};

/* Sums of code * q for each activation row and row of a tile, in eight lanes:
 * lane j has columns c with c / 4 % 4 == j % 4. */
typedef int32_t Lanes[MAX_ACTS][TILE_ROWS][8];

/* rows: of a packed form the first is the tile. */
typedef void (*DotTile) (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, int n_acts);

typedef struct {
  DotTile dot;
  size_t (*row_size) (uint32_t n_cols); /* of a tile: a quarter */
  size_t header;                        /* bytes in front of a row's codes */
} Form;

/* What the sums of a tile with one activation row come to, before the scales
 * of the weights. */
typedef __m128 (*FinishTile) (
    const int32_t lanes[TILE_ROWS][8], const void *head);

/* (u - S) / s, in this order */
BN_INLINE __m128
finish_i8 (const int32_t lanes[TILE_ROWS][8], const void *head)
{
  const BnActI8 *act = head;
  __m128i u = sum_4x_i32 (load_256 (lanes[0]), load_256 (lanes[1]),
      load_256 (lanes[2]), load_256 (lanes[3]));

  return _mm_div_ps (
      _mm_cvtepi32_ps (_mm_sub_epi32 (u, _mm_set1_epi32 (act->sum))),
      _mm_set1_ps (act->scale));
}

/* The same for four groups of columns with scales of their own; group g is in
 * lanes g and g + 4. */
BN_INLINE __m128
finish_i8x4 (const int32_t lanes[TILE_ROWS][8], const void *head)
{
  const BnActI8X4 *act = head;
  __m128 rows[TILE_ROWS];

  for (int row = 0; row < TILE_ROWS; row++) {
    __m128i u =
        _mm_add_epi32 (load_128 (lanes[row]), load_128 (lanes[row] + 4));
    rows[row] = _mm_mul_ps (_mm_loadu_ps (act->d),
        _mm_cvtepi32_ps (_mm_sub_epi32 (u, load_128 (act->sum))));
  }
  _MM_TRANSPOSE4_PS (rows[0], rows[1], rows[2], rows[3]);
  return _mm_add_ps (
      _mm_add_ps (rows[0], rows[2]), _mm_add_ps (rows[1], rows[3]));
}

/* Results of up to four rows, times their scales. */
BN_INLINE void
store_results (
    float *y, __m128 results, const float *row_scale, uint32_t n_rows)
{
  float values[TILE_ROWS];

  if (n_rows >= TILE_ROWS) {
    _mm_storeu_ps (y, _mm_mul_ps (results, _mm_loadu_ps (row_scale)));
    return;
  }
  _mm_storeu_ps (values, results);
  for (uint32_t row = 0; row < n_rows; row++)
    y[row] = values[row] * row_scale[row];
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

  for (uint32_t i = 0; i < n_acts; i++)
    q[i] = (const int8_t *) acts + i * act_stride + BN_ALIGN;
  for (uint32_t row = row_begin; row < row_end; row += TILE_ROWS) {
    const uint8_t *rows[TILE_ROWS];

    for (uint32_t i = 0; i < TILE_ROWS; i++)
      rows[i] = (const uint8_t *) w->data + form.header
                + (row + i < row_end ? row + i : row_end - 1) * row_size;
    switch (n_acts) {
      case 1:
        form.dot (lanes, rows, q, w->n_cols, 1);
        break;
      case 2:
        form.dot (lanes, rows, q, w->n_cols, 2);
        break;
      case 3:
        form.dot (lanes, rows, q, w->n_cols, 3);
        break;
      default:
        form.dot (lanes, rows, q, w->n_cols, MAX_ACTS);
    }
    for (uint32_t i = 0; i < n_acts; i++)
      store_results (y + i * y_stride + row,
          finish (lanes[i], acts + i * act_stride), w->row_scale + row,
          row_end - row);
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

static size_t
file_row_size_i2s (uint32_t n_cols)
{
  return n_cols / 4;
}

static size_t
file_row_size_iq2_bn (uint32_t n_cols)
{
  return sizeof (float) + n_cols / 4;
}

static size_t
packed_size_in_place (uint32_t n_rows, uint32_t n_cols)
{
  return 0;
}
