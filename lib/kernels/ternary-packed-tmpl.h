/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary rows packed with two bits a weight:
 *
 *   tile 0                                    tile 1 ...
 *   block 0            block 1 ...
 *   row 0|row 1|row 2| ... |row 0|...         BLOCK_BYTES each
 *
 * A block is 4 * BLOCK_BYTES columns of TILE_ROWS rows. Byte i of a row holds
 * columns i, BLOCK_BYTES + i, ... in bits 0-1, 2-3, 4-5, 6-7, so that three
 * shifts and four masks make four vectors of codes. Rows that are missing in
 * the last tile and columns in the last block hold code 1, which is weight 0.
 *
 * Whoever includes this has defined TILE_ROWS and BLOCK_BYTES. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
  BLOCK_COLS = 4 * BLOCK_BYTES,
  TILE_BLOCK = TILE_ROWS * BLOCK_BYTES, /* bytes of a block of all rows */
};

static size_t
packed_row_size (uint32_t n_cols)
{
  return ((size_t) n_cols + BLOCK_COLS - 1) / BLOCK_COLS * BLOCK_BYTES;
}

static size_t
packed_size_ternary (uint32_t n_rows, uint32_t n_cols)
{
  return ((size_t) n_rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS
         * packed_row_size (n_cols);
}

static void
pack_block (uint8_t *restrict dst, const uint8_t *codes)
{
  for (int i = 0; i < BLOCK_BYTES; i++) {
    uint8_t packed = 0;

    for (int group = 3; group >= 0; group--)
      packed = (uint8_t) (packed << 2 | (codes[group * BLOCK_BYTES + i] & 3));
    dst[i] = packed;
  }
}

static void
pack_ternary (void *dst, const void *src, uint32_t n_rows, uint32_t n_cols,
    uint32_t row_begin, uint32_t row_end)
{
  const size_t tile_size = TILE_ROWS * packed_row_size (n_cols);
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
