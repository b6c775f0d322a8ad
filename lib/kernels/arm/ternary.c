/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary products with NEON and with its dot product; compiled for both.
 * Bit-exact with the C version.
 *
 * Rows are packed in tiles of four so that one activation load serves four
 * rows and the tile is read as one stream:
 *
 *   tile 0                                    tile 1 ...
 *   block 0            block 1 ...
 *   row 0|row 1|row 2|row 3|row 0|...         BLOCK_BYTES each
 *
 * A block is one vector of 64 columns. Byte i holds columns i, 16 + i, 32 + i,
 * 48 + i in bits 0-1, 2-3, 4-5, 6-7. The zero point is taken out with the
 * activations' sum at the end. Rows that are missing in the last tile and
 * columns in the last block hold code 1, which is weight 0.
 *
 * sdot adds four neighbouring products to an int32: nothing can overflow on
 * the way. For one activation row, codes are masked but not shifted down:
 * those of bits 2-3 and 4-5 count 4 and 16 times, have sums of their own, and
 * these are shifted at the end.
 *
 * Without sdot, products of at most 2 * 128 are added as int16: of four in a
 * block to one lane, 31 blocks before an int16 could overflow. Then pairs of
 * neighbours are widened to int32.
 *
 * Either way lane j of the sums of a row comes to have the columns c with
 * c / 4 % 4 == j. */
#include "init.h"

#include "neon.h"

enum {
  BLOCK_BYTES = 16,
  BLOCK_COLS = 4 * BLOCK_BYTES,
  TILE_ROWS = 4,
  TILE_BLOCK = TILE_ROWS * BLOCK_BYTES, /* bytes of a block of all rows */
  MAX_ACTS = 4,              /* activation rows for which codes are unpacked */
  CACHED_BYTES = 256 * 1024, /* of tiles that are used for all activations */
  SAFE_BLOCKS = 31,          /* until the int16 sums must be widened */
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
pack_block (uint8_t *dst, const uint8_t *codes)
{
  const uint8x16_t mask = vdupq_n_u8 (3);
  uint8x16_t packed = vandq_u8 (vld1q_u8 (codes), mask);

  packed = vsliq_n_u8 (packed, vld1q_u8 (codes + BLOCK_BYTES), 2);
  packed = vsliq_n_u8 (packed, vld1q_u8 (codes + 2 * BLOCK_BYTES), 4);
  packed = vsliq_n_u8 (packed, vld1q_u8 (codes + 3 * BLOCK_BYTES), 6);
  vst1q_u8 (dst, packed);
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

/* Codes of one of the four groups of columns in a block. */
BN_INLINE int8x16_t
unpack (uint8x16_t packed, const int group)
{
  const uint8x16_t mask = vdupq_n_u8 (3);
  uint8x16_t codes;

  switch (group) {
    case 0:
      codes = vandq_u8 (packed, mask);
      break;
    case 1:
      codes = vandq_u8 (vshrq_n_u8 (packed, 2), mask);
      break;
    case 2:
      codes = vandq_u8 (vshrq_n_u8 (packed, 4), mask);
      break;
    default:
      codes = vshrq_n_u8 (packed, 6);
  }
  return vreinterpretq_s8_u8 (codes);
}

typedef int32x4_t Sums[MAX_ACTS][TILE_ROWS];

#ifdef __ARM_FEATURE_DOTPROD

BN_INLINE void
dot_tile (Sums result, const uint8_t *tile, const int8_t *q, uint32_t blocks)
{
  const uint8x16_t mask_1 = vdupq_n_u8 (0x03);
  const uint8x16_t mask_4 = vdupq_n_u8 (0x0c);
  const uint8x16_t mask_16 = vdupq_n_u8 (0x30);
  int32x4_t once[TILE_ROWS], by_4[TILE_ROWS], by_16[TILE_ROWS];

#pragma GCC unroll 4
  for (int row = 0; row < TILE_ROWS; row++)
    once[row] = by_4[row] = by_16[row] = vdupq_n_s32 (0);
  for (; blocks > 0; blocks--, tile += TILE_BLOCK, q += BLOCK_COLS) {
    int8x16_t a[4];

#pragma GCC unroll 4
    for (int group = 0; group < 4; group++)
      a[group] = vld1q_s8 (q + group * BLOCK_BYTES);
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++) {
      uint8x16_t packed = vld1q_u8 (tile + row * BLOCK_BYTES);

      once[row] = vdotq_s32 (
          once[row], vreinterpretq_s8_u8 (vandq_u8 (packed, mask_1)), a[0]);
      by_4[row] = vdotq_s32 (
          by_4[row], vreinterpretq_s8_u8 (vandq_u8 (packed, mask_4)), a[1]);
      by_16[row] = vdotq_s32 (
          by_16[row], vreinterpretq_s8_u8 (vandq_u8 (packed, mask_16)), a[2]);
      once[row] = vdotq_s32 (
          once[row], vreinterpretq_s8_u8 (vshrq_n_u8 (packed, 6)), a[3]);
    }
  }
#pragma GCC unroll 4
  for (int row = 0; row < TILE_ROWS; row++) {
    int32x4_t sum = vsraq_n_s32 (once[row], by_4[row], 2);

    result[0][row] = vsraq_n_s32 (sum, by_16[row], 4);
  }
}

/* n_acts activation rows: each code vector is made once for all of them. */
BN_INLINE void
dot_tile_acts (Sums result, const uint8_t *tile, const int8_t *const *q,
    uint32_t blocks, const int n_acts)
{
  const int8_t *act[MAX_ACTS];
  Sums sums;

#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++) {
    act[i] = q[i];
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      sums[i][row] = vdupq_n_s32 (0);
  }
  for (size_t at = 0; blocks > 0;
       blocks--, tile += TILE_BLOCK, at += BLOCK_COLS) {
    uint8x16_t packed[TILE_ROWS];

#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      packed[row] = vld1q_u8 (tile + row * BLOCK_BYTES);
#pragma GCC unroll 4
    for (int group = 0; group < 4; group++) {
      int8x16_t a[MAX_ACTS];

#pragma GCC unroll 4
      for (int i = 0; i < n_acts; i++)
        a[i] = vld1q_s8 (act[i] + at + group * BLOCK_BYTES);
#pragma GCC unroll 4
      for (int row = 0; row < TILE_ROWS; row++) {
        int8x16_t codes = unpack (packed[row], group);

#pragma GCC unroll 4
        for (int i = 0; i < n_acts; i++)
          sums[i][row] = vdotq_s32 (sums[i][row], codes, a[i]);
        NEON_USE_AFTER (packed[row], sums[n_acts - 1][row]);
      }
      NEON_LOAD_AFTER ();
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      result[i][row] = sums[i][row];
  }
}

#else

/* n_rows rows of a tile with n_acts activation rows. The first eight of
 * sixteen columns have sums of their own, the other eight too. */
BN_INLINE void
dot_rows (Sums result, const uint8_t *tile, const int8_t *const *q,
    uint32_t blocks, int first_row, const int n_rows, const int n_acts)
{
  int32x4_t sums[2][MAX_ACTS][TILE_ROWS];
  size_t at = 0;

  tile += first_row * BLOCK_BYTES;
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
    for (int row = 0; row < n_rows; row++)
      sums[0][i][row] = sums[1][i][row] = vdupq_n_s32 (0);
  }
  while (blocks > 0) {
    uint32_t n = blocks < SAFE_BLOCKS ? blocks : SAFE_BLOCKS;
    int16x8_t low[MAX_ACTS][TILE_ROWS], high[MAX_ACTS][TILE_ROWS];

    blocks -= n;
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
      for (int row = 0; row < n_rows; row++)
        low[i][row] = high[i][row] = vdupq_n_s16 (0);
    }
    for (; n > 0; n--, tile += TILE_BLOCK, at += BLOCK_COLS) {
      uint8x16_t packed[TILE_ROWS];

#pragma GCC unroll 4
      for (int row = 0; row < n_rows; row++)
        packed[row] = vld1q_u8 (tile + row * BLOCK_BYTES);
#pragma GCC unroll 4
      for (int group = 0; group < 4; group++) {
        int8x16_t codes[TILE_ROWS];

#pragma GCC unroll 4
        for (int row = 0; row < n_rows; row++)
          codes[row] = unpack (packed[row], group);
#pragma GCC unroll 4
        for (int i = 0; i < n_acts; i++) {
          int8x16_t a = vld1q_s8 (q[i] + at + group * BLOCK_BYTES);

#pragma GCC unroll 4
          for (int row = 0; row < n_rows; row++) {
            low[i][row] = vmlal_s8 (
                low[i][row], vget_low_s8 (codes[row]), vget_low_s8 (a));
            high[i][row] = vmlal_high_s8 (high[i][row], codes[row], a);
          }
        }
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
      for (int row = 0; row < n_rows; row++) {
        sums[0][i][row] = vpadalq_s16 (sums[0][i][row], low[i][row]);
        sums[1][i][row] = vpadalq_s16 (sums[1][i][row], high[i][row]);
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
    for (int row = 0; row < n_rows; row++)
      result[i][first_row + row] =
          vpaddq_s32 (sums[0][i][row], sums[1][i][row]);
  }
}

BN_INLINE void
dot_tile (Sums result, const uint8_t *tile, const int8_t *q, uint32_t blocks)
{
  dot_rows (result, tile, &q, blocks, 0, TILE_ROWS, 1);
}

/* Two rows at a time, so that the sums of all activations have registers. */
BN_INLINE void
dot_tile_acts (Sums result, const uint8_t *tile, const int8_t *const *q,
    uint32_t blocks, const int n_acts)
{
  dot_rows (result, tile, q, blocks, 0, 2, n_acts);
  dot_rows (result, tile, q, blocks, 2, 2, n_acts);
}

#endif

/* What the sums of a tile with one activation row come to, before the scales
 * of the weights: a lane for each row. */
typedef float32x4_t (*FinishTile) (
    const int32x4_t sums[TILE_ROWS], const void *head);

/* (u - S) / s, in this order */
BN_INLINE float32x4_t
finish_i8 (const int32x4_t sums[TILE_ROWS], const void *head)
{
  const BnActI8 *act = head;
  int32x4_t u =
      vpaddq_s32 (vpaddq_s32 (sums[0], sums[1]), vpaddq_s32 (sums[2], sums[3]));

  return vdivq_f32 (vcvtq_f32_s32 (vsubq_s32 (u, vdupq_n_s32 (act->sum))),
      vdupq_n_f32 (act->scale));
}

/* The same for four groups of columns with scales of their own: a lane for
 * each. */
BN_INLINE float32x4_t
finish_i8x4 (const int32x4_t sums[TILE_ROWS], const void *head)
{
  const BnActI8X4 *act = head;
  const float32x4_t d = vld1q_f32 (act->d);
  const int32x4_t act_sums = vld1q_s32 (act->sum);
  float32x2_t rows[TILE_ROWS];

#pragma GCC unroll 4
  for (int row = 0; row < TILE_ROWS; row++) {
    float32x4_t parts =
        vmulq_f32 (d, vcvtq_f32_s32 (vsubq_s32 (sums[row], act_sums)));
    rows[row] = vadd_f32 (vget_low_f32 (parts), vget_high_f32 (parts));
  }
  return vpaddq_f32 (
      vcombine_f32 (rows[0], rows[1]), vcombine_f32 (rows[2], rows[3]));
}

/* Results of up to four rows, times their scales. */
BN_INLINE void
store_results (
    float *y, float32x4_t results, const float *row_scale, uint32_t n_rows)
{
  float values[TILE_ROWS];

  if (n_rows >= TILE_ROWS) {
    vst1q_f32 (y, vmulq_f32 (results, vld1q_f32 (row_scale)));
    return;
  }
  vst1q_f32 (values, results);
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
  Sums sums;

  for (uint32_t i = 0; i < n_acts; i++)
    q[i] = (const int8_t *) acts + i * act_stride + BN_ALIGN;
  for (uint32_t row = row_begin; row < row_end; row += TILE_ROWS) {
    const uint8_t *tile =
        (const uint8_t *) w->data + row / TILE_ROWS * tile_size;

    switch (n_acts) {
      case 1:
        dot_tile (sums, tile, q[0], blocks);
        break;
      case 2:
        dot_tile_acts (sums, tile, q, blocks, 2);
        break;
      case 3:
        dot_tile_acts (sums, tile, q, blocks, 3);
        break;
      default:
        dot_tile_acts (sums, tile, q, blocks, MAX_ACTS);
    }
    for (uint32_t i = 0; i < n_acts; i++)
      store_results (y + i * y_stride + row,
          finish (sums[i], acts + i * act_stride), w->row_scale + row,
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

void
BN_NAME (bn_ternary_init) (BnKernels *k)
{
  k->matmul[BN_PACK_TERNARY] = (BnMatmulOps){
      BN_ACT_I8, TILE_ROWS, packed_size_ternary, pack_ternary, matmul_ternary};
  k->matmul[BN_PACK_TERNARY_X4] = (BnMatmulOps){BN_ACT_I8X4, TILE_ROWS,
      packed_size_ternary, pack_ternary, matmul_ternary_x4};
}
