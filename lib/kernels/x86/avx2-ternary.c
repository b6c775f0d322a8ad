/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary products with AVX2; ternary-tmpl.h has the memory layout.
 *
 * maddubs multiplies codes 0..2 with the int8 activations into int16 pairs of
 * at most 2 * 2 * 128. 64 of those can be added before an int16 could
 * overflow: 16 blocks. Then they are widened to int32. */
#include "init.h"

#include "avx2.h"
#include "ternary.h"

enum {
  BLOCK_BYTES = 32,
  ACT_BYTES = 4 * BLOCK_BYTES,    /* activations of a block */
  STEP = TILE_ROWS * BLOCK_BYTES, /* from one block of a row to the next */
  SAFE_BLOCKS = 16,               /* until the int16 sums must be widened */
};

static void
pack_block (uint8_t *dst, const uint8_t *codes)
{
  const __m256i code_mask = _mm256_set1_epi8 (3);
  __m256i packed = _mm256_and_si256 (load_256 (codes), code_mask);

  for (int group = 1; group < 4; group++) {
    __m256i c =
        _mm256_and_si256 (load_256 (codes + group * BLOCK_BYTES), code_mask);
    packed = _mm256_or_si256 (packed, _mm256_slli_epi16 (c, 2 * group));
  }
  store_256 (dst, packed);
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
        sum, _mm256_maddubs_epi16 (codes, load_256 (q + group * BLOCK_BYTES)));
  }
  return sum;
}

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
    for (; n > 0; n--, tile += STEP, q += ACT_BYTES) {
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
dot_pair (Lanes lanes, const uint8_t *tile, const int8_t *const *q,
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
    for (; n > 0; n--, tile += STEP, at += ACT_BYTES) {
      __m256i packed[2] = {load_256 (tile), load_256 (tile + BLOCK_BYTES)};

      for (int group = 0; group < 4; group++) {
        __m256i codes[2];

        for (int row = 0; row < 2; row++)
          codes[row] = _mm256_and_si256 (
              _mm256_srli_epi16 (packed[row], 2 * group), code_mask);
        for (int i = 0; i < n_acts; i++) {
          __m256i a = load_256 (q[i] + at + group * BLOCK_BYTES);

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
dot_tile_acts (Lanes lanes, const uint8_t *tile, const int8_t *const *q,
    uint32_t blocks, const int n_acts)
{
  dot_pair (lanes, tile, q, blocks, 0, n_acts);
  dot_pair (lanes, tile, q, blocks, 2, n_acts);
}

/* Two of four rows in the file, as dot_pair(). */
BN_INLINE void
dot_i2s_pair (Lanes lanes, const uint8_t *const *rows, const int8_t *const *q,
    uint32_t n_cols, int first_row, const int n_acts)
{
  const __m256i ones = _mm256_set1_epi16 (1);
  const __m256i code_mask = _mm256_set1_epi8 (3);
  __m256i sums[MAX_ACTS][2] = {0};
  uint32_t blocks = n_cols / BN_I2S_COLS;
  size_t at = 0;

  while (blocks > 0) {
    uint32_t n = blocks < SAFE_BLOCKS ? blocks : SAFE_BLOCKS;
    __m256i sums16[MAX_ACTS][2] = {0};

    blocks -= n;
    for (; n > 0; n--, at += ACT_BYTES) {
      __m256i packed[2] = {load_256 (rows[first_row] + at / 4),
          load_256 (rows[first_row + 1] + at / 4)};

      for (int group = 0; group < 4; group++) {
        __m256i codes[2];

        for (int row = 0; row < 2; row++)
          codes[row] = _mm256_and_si256 (
              _mm256_srli_epi16 (packed[row], 6 - 2 * group), code_mask);
        for (int i = 0; i < n_acts; i++) {
          __m256i a = load_256 (q[i] + at + group * BLOCK_BYTES);

          for (int row = 0; row < 2; row++)
            sums16[i][row] = _mm256_add_epi16 (
                sums16[i][row], _mm256_maddubs_epi16 (codes[row], a));
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
dot_i2s_acts (Lanes lanes, const uint8_t *const *rows, const int8_t *const *q,
    uint32_t n_cols, const int n_acts)
{
  dot_i2s_pair (lanes, rows, q, n_cols, 0, n_acts);
  dot_i2s_pair (lanes, rows, q, n_cols, 2, n_acts);
}

#include "ternary-tmpl.h"

void
bn_ternary_init_avx2 (BnKernels *k)
{
  init_ternary (k);
}
