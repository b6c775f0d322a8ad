/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary products with smmla. Bit-exact with the C version.
 *
 * smmla multiplies two rows of eight codes with two rows of eight activations:
 * four sums of eight products, twice what sdot does. So rows are packed in
 * pairs, and pairs in tiles of eight rows:
 *
 *   tile 0                                      tile 1 ...
 *   block 0                        block 1 ...
 *   rows 0, 1|rows 2, 3|4, 5|6, 7|rows 0, 1|... PAIR_BYTES each
 *
 * A block is 32 columns. In a pair, byte i holds columns i, 8 + i, 16 + i,
 * 24 + i of the first row in bits 0-1, 2-3, 4-5, 6-7; byte 8 + i those of the
 * second. The rest is as in ternary.c: what is missing has code 1, the zero
 * point is taken out at the end, and one activation row, for which smmla would
 * do half its work for nothing, is multiplied by sdot with codes that are not
 * shifted down. */
#include "init.h"

#ifndef __ARM_FEATURE_MATMUL_INT8
#error "i8mm files need -march=armv8.2-a+dotprod+i8mm"
#endif
#include "neon.h"

enum {
  TILE_ROWS = 8,
  PAIRS = TILE_ROWS / 2,
  BLOCK_COLS = 32,
  PAIR_BYTES = 16,
  TILE_BLOCK = PAIRS * PAIR_BYTES, /* bytes of a block of all rows */
  GROUP_COLS = 8,
  MAX_ACTS = 8,              /* activation rows for which codes are unpacked */
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

/* One row of a block to half of a pair. */
static void
pack_block (uint8_t *dst, const uint8_t *codes)
{
  uint8x8_t packed = vand_u8 (vld1_u8 (codes), vdup_n_u8 (3));

  packed = vsli_n_u8 (packed, vld1_u8 (codes + GROUP_COLS), 2);
  packed = vsli_n_u8 (packed, vld1_u8 (codes + 2 * GROUP_COLS), 4);
  packed = vsli_n_u8 (packed, vld1_u8 (codes + 3 * GROUP_COLS), 6);
  vst1_u8 (dst, packed);
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
                   + row % TILE_ROWS * (PAIR_BYTES / 2);

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

/* Sums of code * q: rows 0 to 3 and rows 4 to 7 of a tile. */
typedef int32x4_t Sums[MAX_ACTS][2];

BN_INLINE int8x16_t
twice (const int8_t *q)
{
  int8x8_t a = vld1_s8 (q);

  return vcombine_s8 (a, a);
}

BN_INLINE void
dot_tile (Sums result, const uint8_t *tile, const int8_t *q, uint32_t blocks)
{
  const uint8x16_t mask_1 = vdupq_n_u8 (0x03);
  const uint8x16_t mask_4 = vdupq_n_u8 (0x0c);
  const uint8x16_t mask_16 = vdupq_n_u8 (0x30);
  int32x4_t once[PAIRS], by_4[PAIRS], by_16[PAIRS];

#pragma GCC unroll 4
  for (int pair = 0; pair < PAIRS; pair++)
    once[pair] = by_4[pair] = by_16[pair] = vdupq_n_s32 (0);
  for (; blocks > 0; blocks--, tile += TILE_BLOCK, q += BLOCK_COLS) {
    int8x16_t a[4];

#pragma GCC unroll 4
    for (int group = 0; group < 4; group++)
      a[group] = twice (q + group * GROUP_COLS);
#pragma GCC unroll 4
    for (int pair = 0; pair < PAIRS; pair++) {
      uint8x16_t packed = vld1q_u8 (tile + pair * PAIR_BYTES);

      once[pair] = vdotq_s32 (
          once[pair], vreinterpretq_s8_u8 (vandq_u8 (packed, mask_1)), a[0]);
      by_4[pair] = vdotq_s32 (
          by_4[pair], vreinterpretq_s8_u8 (vandq_u8 (packed, mask_4)), a[1]);
      by_16[pair] = vdotq_s32 (
          by_16[pair], vreinterpretq_s8_u8 (vandq_u8 (packed, mask_16)), a[2]);
      once[pair] = vdotq_s32 (
          once[pair], vreinterpretq_s8_u8 (vshrq_n_u8 (packed, 6)), a[3]);
    }
  }
#pragma GCC unroll 4
  for (int pair = 0; pair < PAIRS; pair++) {
    once[pair] = vsraq_n_s32 (once[pair], by_4[pair], 2);
    once[pair] = vsraq_n_s32 (once[pair], by_16[pair], 4);
  }
  result[0][0] = vpaddq_s32 (once[0], once[1]);
  result[0][1] = vpaddq_s32 (once[2], once[3]);
}

/* Codes of one of the four groups of columns in a pair of rows. */
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

/* 2 * n_pairs activation rows. */
BN_INLINE void
dot_tile_pairs (Sums result, const uint8_t *tile, const int8_t *const *q,
    uint32_t blocks, const int n_pairs)
{
  int32x4_t sums[MAX_ACTS / 2][PAIRS];
  const int8_t *first[MAX_ACTS / 2], *second[MAX_ACTS / 2];

#pragma GCC unroll 4
  for (int i = 0; i < n_pairs; i++) {
    first[i] = q[2 * i];
    second[i] = q[2 * i + 1];
#pragma GCC unroll 4
    for (int pair = 0; pair < PAIRS; pair++)
      sums[i][pair] = vdupq_n_s32 (0);
  }
  for (size_t at = 0; blocks > 0;
       blocks--, tile += TILE_BLOCK, at += BLOCK_COLS) {
    uint8x16_t packed[PAIRS];

#pragma GCC unroll 4
    for (int pair = 0; pair < PAIRS; pair++)
      packed[pair] = vld1q_u8 (tile + pair * PAIR_BYTES);
#pragma GCC unroll 4
    for (int group = 0; group < 4; group++) {
      int8x16_t a[MAX_ACTS / 2];

#pragma GCC unroll 4
      for (int i = 0; i < n_pairs; i++)
        a[i] = vcombine_s8 (vld1_s8 (first[i] + at + group * GROUP_COLS),
            vld1_s8 (second[i] + at + group * GROUP_COLS));
#pragma GCC unroll 4
      for (int pair = 0; pair < PAIRS; pair++) {
        int8x16_t codes = unpack (packed[pair], group);

#pragma GCC unroll 4
        for (int i = 0; i < n_pairs; i++)
          sums[i][pair] = vmmlaq_s32 (sums[i][pair], codes, a[i]);
        NEON_USE_AFTER (packed[pair], sums[n_pairs - 1][pair]);
      }
      NEON_LOAD_AFTER ();
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n_pairs; i++) {
    /* (row 0, a 0), (row 0, a 1), (row 1, a 0), (row 1, a 1) */
    result[2 * i][0] = vuzp1q_s32 (sums[i][0], sums[i][1]);
    result[2 * i][1] = vuzp1q_s32 (sums[i][2], sums[i][3]);
    result[2 * i + 1][0] = vuzp2q_s32 (sums[i][0], sums[i][1]);
    result[2 * i + 1][1] = vuzp2q_s32 (sums[i][2], sums[i][3]);
  }
}

/* (u - S) / s * scale, in this order, for up to four rows. */
BN_INLINE void
finish_rows (float *y, int32x4_t u, const BnActI8 *act, const float *row_scale,
    uint32_t n_rows)
{
  float32x4_t results =
      vdivq_f32 (vcvtq_f32_s32 (vsubq_s32 (u, vdupq_n_s32 (act->sum))),
          vdupq_n_f32 (act->scale));
  float values[4];

  if (n_rows >= 4) {
    vst1q_f32 (y, vmulq_f32 (results, vld1q_f32 (row_scale)));
    return;
  }
  vst1q_f32 (values, results);
  for (uint32_t row = 0; row < n_rows; row++)
    y[row] = values[row] * row_scale[row];
}

/* All given rows with up to MAX_ACTS activation rows. */
static void
matmul_tiles (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const uint8_t *acts, size_t act_stride, uint32_t n_acts)
{
  uint32_t blocks = n_blocks (w->n_cols);
  size_t tile_size = (size_t) blocks * TILE_BLOCK;
  const int8_t *q[MAX_ACTS];
  Sums sums;

  for (uint32_t i = 0; i < MAX_ACTS; i++) /* an odd one's partner is itself */
    q[i] = (const int8_t *) acts + BN_ALIGN
           + (i < n_acts ? i : n_acts - 1) * act_stride;
  for (uint32_t row = row_begin; row < row_end; row += TILE_ROWS) {
    const uint8_t *tile =
        (const uint8_t *) w->data + row / TILE_ROWS * tile_size;

    if (n_acts == 1)
      dot_tile (sums, tile, q[0], blocks);
    else if (n_acts == 2)
      dot_tile_pairs (sums, tile, q, blocks, 1);
    else if (n_acts <= 4)
      dot_tile_pairs (sums, tile, q, blocks, 2);
    else if (n_acts <= 6)
      dot_tile_pairs (sums, tile, q, blocks, 3);
    else
      dot_tile_pairs (sums, tile, q, blocks, 4);
    for (uint32_t i = 0; i < n_acts; i++) {
      for (uint32_t half = 0; half < 2 && row + 4 * half < row_end; half++)
        finish_rows (y + i * y_stride + row + 4 * half, sums[i][half],
            (const void *) (acts + i * act_stride),
            w->row_scale + row + 4 * half, row_end - row - 4 * half);
    }
  }
}

static void
matmul_ternary (float *y, size_t y_stride, const BnMatrix *w,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts)
{
  size_t tile_size = (size_t) n_blocks (w->n_cols) * TILE_BLOCK;
  uint32_t step = ((uint32_t) (CACHED_BYTES / (tile_size + 1)) + 1) * TILE_ROWS;

  for (uint32_t row = row_begin; row < row_end; row += step) {
    uint32_t row_stop = row_end - row < step ? row_end : row + step;

    for (uint32_t i = 0; i < n_acts; i += MAX_ACTS)
      matmul_tiles (y + i * y_stride, y_stride, w, row, row_stop,
          (const uint8_t *) acts + i * act_stride, act_stride,
          n_acts - i < MAX_ACTS ? n_acts - i : MAX_ACTS);
  }
}

void
bn_ternary_init_i8mm (BnKernels *k)
{
  k->matmul[BN_PACK_TERNARY] = (BnMatmulOps){
      BN_ACT_I8, TILE_ROWS, packed_size_ternary, pack_ternary, matmul_ternary};
}
