/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary products with AVX2, bit-exact with the C version.
 *
 * Rows are packed in tiles of four so that one activation load serves four
 * rows and the tile is read as one stream:
 *
 *   tile 0                                    tile 1 ...
 *   block 0            block 1 ...
 *   row 0|row 1|row 2|row 3|row 0|...         32 bytes each
 *
 * A block is 128 columns; byte i of its 32 holds columns i, 32 + i, 64 + i,
 * 96 + i in bits 0-1, 2-3, 4-5, 6-7. One load gives four vectors of codes
 * 0..2 (three shifts, four masks), which maddubs multiplies with the int8
 * activations into int16 pairs of at most 2 * 2 * 128. 64 of those can be
 * added before an int16 could overflow: 16 blocks. Then they are widened to
 * int32. The zero point is taken out with the activations' sum at the end.
 *
 * Rows that are missing in the last tile and columns in the last block hold
 * code 1, which is weight 0. */
#include "init.h"

#include "avx2.h"

enum {
  TILE_ROWS = 4,
  BLOCK_COLS = 128,
  BLOCK_BYTES = 32,
  TILE_BLOCK = TILE_ROWS * BLOCK_BYTES, /* bytes of a block of all rows */
  SAFE_BLOCKS = 16, /* until the int16 sums must be widened */
  MAX_ACTS = 4,     /* activation rows for which codes are unpacked once */
  CACHED_TILES = 64 /* tiles that stay in the cache for all activations */
};

static uint32_t
n_blocks (uint32_t n_cols)
{
  return (n_cols + BLOCK_COLS - 1) / BLOCK_COLS;
}

static size_t
packed_size_ternary_avx2 (uint32_t n_rows, uint32_t n_cols)
{
  return ((size_t) n_rows + TILE_ROWS - 1) / TILE_ROWS * n_blocks (n_cols)
         * TILE_BLOCK;
}

/* The 32 bytes of up to 128 codes; the missing ones are 1. */
static __m256i
pack_block (const uint8_t *codes, uint32_t n)
{
  uint8_t padded[BLOCK_COLS];
  const __m256i code_mask = _mm256_set1_epi8 (3);
  __m256i packed;

  if (n < BLOCK_COLS) {
    memset (padded, 1, sizeof padded);
    if (n > 0)
      memcpy (padded, codes, n);
    codes = padded;
  }
  packed = _mm256_and_si256 (load_256 (codes), code_mask);
  for (int group = 1; group < 4; group++) {
    __m256i c = _mm256_and_si256 (load_256 (codes + 32 * group), code_mask);
    packed = _mm256_or_si256 (packed, _mm256_slli_epi16 (c, 2 * group));
  }
  return packed;
}

static void
pack_ternary_avx2 (void *dst, const void *src, uint32_t n_rows, uint32_t n_cols,
    uint32_t row_begin, uint32_t row_end)
{
  size_t tile_size = (size_t) n_blocks (n_cols) * TILE_BLOCK;
  uint32_t row_stop = (row_end + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
  const uint8_t *codes = src;

  for (uint32_t row = row_begin; row < row_stop; row++) {
    uint8_t *out = (uint8_t *) dst + row / TILE_ROWS * tile_size
                   + row % TILE_ROWS * BLOCK_BYTES;

    for (uint32_t col = 0; col < n_cols; col += BLOCK_COLS) {
      uint32_t n = n_cols - col < BLOCK_COLS ? n_cols - col : BLOCK_COLS;

      store_256 (out,
          row < row_end ? pack_block (codes + col, n) : pack_block (NULL, 0));
      out += TILE_BLOCK;
    }
    if (row < row_end)
      codes += n_cols;
  }
}

/* Codes times activations of one block, added to int16 sums. */
BN_INLINE __m256i
add_products (__m256i sum, __m256i packed, const int8_t *q)
{
  const __m256i code_mask = _mm256_set1_epi8 (3);

  for (int group = 0; group < 4; group++) {
    __m256i codes =
        _mm256_and_si256 (_mm256_srli_epi16 (packed, 2 * group), code_mask);
    sum = _mm256_add_epi16 (
        sum, _mm256_maddubs_epi16 (codes, load_256 (q + 32 * group)));
  }
  return sum;
}

/* Sums of code * q for each activation row and row of a tile, in eight lanes:
 * lane j has columns c with c / 4 % 8 == j. */
typedef int32_t Lanes[MAX_ACTS][TILE_ROWS][8];

/* All rows of a tile with one activation row. */
BN_INLINE void
dot_tile (Lanes lanes, const uint8_t *tile, const int8_t *q, uint32_t blocks)
{
  const __m256i ones = _mm256_set1_epi16 (1);
  __m256i sums[TILE_ROWS] = {0};

  while (blocks > 0) {
    uint32_t n = blocks < SAFE_BLOCKS ? blocks : SAFE_BLOCKS;
    __m256i sums16[TILE_ROWS] = {0};

    blocks -= n;
    for (; n > 0; n--, tile += TILE_BLOCK, q += BLOCK_COLS) {
      for (int row = 0; row < TILE_ROWS; row++)
        sums16[row] =
            add_products (sums16[row], load_256 (tile + row * BLOCK_BYTES), q);
    }
    for (int row = 0; row < TILE_ROWS; row++)
      sums[row] =
          _mm256_add_epi32 (sums[row], _mm256_madd_epi16 (sums16[row], ones));
  }
  for (int row = 0; row < TILE_ROWS; row++)
    store_256 (lanes[0][row], sums[row]);
}

/* Two rows of a tile with n_acts activation rows: each code vector is made
 * once for all of them. */
BN_INLINE void
dot_pair (Lanes lanes, const uint8_t *tile, const int8_t *const q[MAX_ACTS],
    uint32_t blocks, int first_row, const int n_acts)
{
  const __m256i ones = _mm256_set1_epi16 (1);
  const __m256i code_mask = _mm256_set1_epi8 (3);
  __m256i sums[MAX_ACTS][2] = {0};
  size_t at = 0;

  tile += first_row * BLOCK_BYTES;
  while (blocks > 0) {
    uint32_t n = blocks < SAFE_BLOCKS ? blocks : SAFE_BLOCKS;
    __m256i sums16[MAX_ACTS][2] = {0};

    blocks -= n;
    for (; n > 0; n--, tile += TILE_BLOCK, at += BLOCK_COLS) {
      __m256i packed[2] = {load_256 (tile), load_256 (tile + BLOCK_BYTES)};

      for (int group = 0; group < 4; group++) {
        __m256i codes[2];

        for (int row = 0; row < 2; row++)
          codes[row] = _mm256_and_si256 (
              _mm256_srli_epi16 (packed[row], 2 * group), code_mask);
        for (int i = 0; i < n_acts; i++) {
          __m256i a = load_256 (q[i] + at + 32 * group);

          for (int row = 0; row < 2; row++) {
            sums16[i][row] = _mm256_add_epi16 (
                sums16[i][row], _mm256_maddubs_epi16 (codes[row], a));
            BN_KEEP (sums16[i][row]);
          }
        }
      }
    }
    for (int i = 0; i < n_acts; i++) {
      for (int row = 0; row < 2; row++)
        sums[i][row] = _mm256_add_epi32 (
            sums[i][row], _mm256_madd_epi16 (sums16[i][row], ones));
    }
  }
  for (int i = 0; i < n_acts; i++) {
    for (int row = 0; row < 2; row++)
      store_256 (lanes[i][first_row + row], sums[i][row]);
  }
}

BN_INLINE void
dot_tile_acts (Lanes lanes, const uint8_t *tile,
    const int8_t *const q[MAX_ACTS], uint32_t blocks, const int n_acts)
{
  dot_pair (lanes, tile, q, blocks, 0, n_acts);
  dot_pair (lanes, tile, q, blocks, 2, n_acts);
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
  const uint32_t step = CACHED_TILES * TILE_ROWS;

  for (uint32_t row = row_begin; row < row_end; row += step) {
    uint32_t row_stop = row_end - row < step ? row_end : row + step;

    for (uint32_t i = 0; i < n_acts; i += MAX_ACTS)
      matmul_tiles (y + i * y_stride, y_stride, w, row, row_stop,
          (const uint8_t *) acts + i * act_stride, act_stride,
          n_acts - i < MAX_ACTS ? n_acts - i : MAX_ACTS, finish);
  }
}

static void
matmul_ternary_avx2 (float *y, size_t y_stride, const BnMatrix *w,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts)
{
  matmul (
      y, y_stride, w, row_begin, row_end, acts, act_stride, n_acts, finish_i8);
}

static void
matmul_ternary_x4_avx2 (float *y, size_t y_stride, const BnMatrix *w,
    uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
    uint32_t n_acts)
{
  matmul (y, y_stride, w, row_begin, row_end, acts, act_stride, n_acts,
      finish_i8x4);
}

void
bn_ternary_init_avx2 (BnKernels *k)
{
  k->matmul[BN_PACK_TERNARY] = (BnMatmulOps){BN_ACT_I8, TILE_ROWS,
      packed_size_ternary_avx2, pack_ternary_avx2, matmul_ternary_avx2};
  k->matmul[BN_PACK_TERNARY_X4] = (BnMatmulOps){BN_ACT_I8X4, TILE_ROWS,
      packed_size_ternary_avx2, pack_ternary_avx2, matmul_ternary_x4_avx2};
}
