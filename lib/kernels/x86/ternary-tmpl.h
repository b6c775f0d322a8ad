/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary products: what the instruction sets have in common. Bit-exact with
 * the C version.
 *
 * Rows are packed in tiles of four so that one activation load serves four
 * rows and the tile is read as one stream:
 *
 *   tile 0                                    tile 1 ...
 *   block 0            block 1 ...
 *   row 0|row 1|row 2|row 3|row 0|...         BLOCK_BYTES each
 *
 * A block is one vector, BLOCK_BYTES, of 4 * BLOCK_BYTES columns. Byte i holds
 * columns i, i + BLOCK_BYTES, ... in bits 0-1, 2-3, 4-5, 6-7, so that three
 * shifts and four masks make four vectors of codes 0..2 to multiply with the
 * int8 activations. The zero point is taken out with the activations' sum at
 * the end. Rows that are missing in the last tile and columns in the last
 * block hold code 1, which is weight 0.
 *
 * The including file defines before:
 *   BLOCK_BYTES
 *   pack_block (dst, codes)       4 * BLOCK_BYTES codes to BLOCK_BYTES bytes
 *   dot_tile (lanes, tile, q, n_blocks)                one activation row
 *   dot_tile_acts (lanes, tile, q[], n_blocks, n_acts) 2 to MAX_ACTS of them
 *   dot_i2s_acts (lanes, rows[], q[], n_cols, n_acts)
 *                                 four rows of I2_S in layout A, in the file
 */
#include "avx2.h"
#include "bn-kernels.h"
#include "ternary.h"

enum {
  BLOCK_COLS = 4 * BLOCK_BYTES,
  TILE_BLOCK = TILE_ROWS * BLOCK_BYTES, /* bytes of a block of all rows */
  CACHED_BYTES = 256 * 1024, /* of tiles that are used for all activations */
};

static uint32_t
n_blocks (uint32_t n_cols)
{
  return (n_cols + BLOCK_COLS - 1) / BLOCK_COLS;
}

static size_t
packed_size_ternary (uint32_t n_rows, uint32_t n_cols)
{
  return ((size_t) n_rows + TILE_ROWS - 1) / TILE_ROWS * n_blocks (n_cols)
         * TILE_BLOCK;
}

static void
pack_ternary (void *dst, const void *src, uint32_t n_rows, uint32_t n_cols,
    uint32_t row_begin, uint32_t row_end)
{
  size_t tile_size = (size_t) n_blocks (n_cols) * TILE_BLOCK;
  uint32_t row_stop = (row_end + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
  const uint8_t *codes = src;
  uint8_t padded[BLOCK_COLS];

  for (uint32_t row = row_begin; row < row_stop; row++) {
    uint8_t *out = (uint8_t *) dst + row / TILE_ROWS * tile_size
                   + row % TILE_ROWS * BLOCK_BYTES;

    for (uint32_t col = 0; col < n_cols; col += BLOCK_COLS) {
      uint32_t n = n_cols - col < BLOCK_COLS ? n_cols - col : BLOCK_COLS;

      if (row < row_end && n == BLOCK_COLS) {
        pack_block (out, codes + col);
      } else {
        memset (padded, 1, sizeof padded);
        if (row < row_end)
          memcpy (padded, codes + col, n);
        pack_block (out, padded);
      }
      out += TILE_BLOCK;
    }
    if (row < row_end)
      codes += n_cols;
  }
}

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

/* All given rows with up to MAX_ACTS activation rows. */
BN_INLINE void
matmul_tiles (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const uint8_t *acts, size_t act_stride, uint32_t n_acts,
    FinishTile finish)
{
  uint32_t blocks = n_blocks (w->n_cols);
  size_t tile_size = (size_t) blocks * TILE_BLOCK;
  const int8_t *q[MAX_ACTS];
  Lanes lanes;

  for (uint32_t i = 0; i < n_acts; i++)
    q[i] = (const int8_t *) acts + i * act_stride + BN_ALIGN;
  for (uint32_t row = row_begin; row < row_end; row += TILE_ROWS) {
    const uint8_t *tile =
        (const uint8_t *) w->data + row / TILE_ROWS * tile_size;

    switch (n_acts) {
      case 1:
        dot_tile (lanes, tile, q[0], blocks);
        break;
      case 2:
        dot_tile_acts (lanes, tile, q, blocks, 2);
        break;
      case 3:
        dot_tile_acts (lanes, tile, q, blocks, 3);
        break;
      default:
        dot_tile_acts (lanes, tile, q, blocks, MAX_ACTS);
    }
    for (uint32_t i = 0; i < n_acts; i++)
      store_results (y + i * y_stride + row,
          finish (lanes[i], acts + i * act_stride), w->row_scale + row,
          row_end - row);
  }
}

BN_INLINE void
matmul (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const void *acts, size_t act_stride, uint32_t n_acts,
    FinishTile finish)
{
  size_t tile_size = (size_t) n_blocks (w->n_cols) * TILE_BLOCK;
  uint32_t step = ((uint32_t) (CACHED_BYTES / (tile_size + 1)) + 1) * TILE_ROWS;

  for (uint32_t row = row_begin; row < row_end; row += step) {
    uint32_t row_stop = row_end - row < step ? row_end : row + step;

    for (uint32_t i = 0; i < n_acts; i += MAX_ACTS)
      matmul_tiles (y + i * y_stride, y_stride, w, row, row_stop,
          (const uint8_t *) acts + i * act_stride, act_stride,
          n_acts - i < MAX_ACTS ? n_acts - i : MAX_ACTS, finish);
  }
}

static void
matmul_ternary (float *y, size_t y_stride, const BnMatrix *w,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts)
{
  matmul (
      y, y_stride, w, row_begin, row_end, acts, act_stride, n_acts, finish_i8);
}

static void
matmul_ternary_x4 (float *y, size_t y_stride, const BnMatrix *w,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts)
{
  matmul (y, y_stride, w, row_begin, row_end, acts, act_stride, n_acts,
      finish_i8x4);
}

/* Rows of I2_S as they lie in the file, four at a time; where fewer are left
 * the last one is read for the missing ones. */
static void
matmul_i2s (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const void *acts, size_t act_stride, uint32_t n_acts)
{
  const size_t row_size = w->n_cols / 4;
  const int8_t *q[MAX_ACTS];
  Lanes lanes;

  for (uint32_t row = row_begin; row < row_end; row += TILE_ROWS) {
    const uint8_t *rows[TILE_ROWS];

    for (uint32_t k = 0; k < TILE_ROWS; k++) {
      uint32_t r = row + k < row_end ? row + k : row_end - 1;
      rows[k] = (const uint8_t *) w->data + r * row_size;
    }
    for (uint32_t i = 0, n; i < n_acts; i += n) {
      const uint8_t *a = (const uint8_t *) acts + i * act_stride;

      n = n_acts - i < MAX_ACTS ? n_acts - i : MAX_ACTS;
      for (uint32_t k = 0; k < n; k++)
        q[k] = (const int8_t *) a + k * act_stride + BN_ALIGN;
      switch (n) {
        case 1:
          dot_i2s_acts (lanes, rows, q, w->n_cols, 1);
          break;
        case 2:
          dot_i2s_acts (lanes, rows, q, w->n_cols, 2);
          break;
        case 3:
          dot_i2s_acts (lanes, rows, q, w->n_cols, 3);
          break;
        default:
          dot_i2s_acts (lanes, rows, q, w->n_cols, MAX_ACTS);
      }
      for (uint32_t k = 0; k < n; k++)
        store_results (y + (i + k) * y_stride + row,
            finish_i8 (lanes[k], a + k * act_stride), w->row_scale + row,
            row_end - row);
    }
  }
}

static void
init_ternary (BnKernels *k)
{
  k->in_place[BN_PACK_TERNARY].matmul = matmul_i2s;
  k->matmul[BN_PACK_TERNARY_DENSE] = (BnMatmulOps){
      BN_ACT_I8, TILE_ROWS, packed_size_ternary, pack_ternary, matmul_ternary};
  k->matmul[BN_PACK_TERNARY] = (BnMatmulOps){
      BN_ACT_I8, TILE_ROWS, packed_size_ternary, pack_ternary, matmul_ternary};
  k->matmul[BN_PACK_TERNARY_X4] = (BnMatmulOps){BN_ACT_I8X4, TILE_ROWS,
      packed_size_ternary, pack_ternary, matmul_ternary_x4};
}
