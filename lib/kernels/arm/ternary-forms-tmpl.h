/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forms of ternary rows on arm64: what a level must know to read them.
 *
 * Whoever includes this has included ternary.h and the two templates of ternary
 * rows, and has defined dot_rows(), which multiplies a tile of rows of row_size
 * bytes each:
 *
 *   void dot_rows (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
 *       const int8_t *const *q, size_t row_size, const int n_acts,
 *       const Reading reading); */
#pragma once

/* of a block of a file's row */
enum { I2S_BYTES = BN_I2S_COLS / 4, IQ2_BN_BYTES = 16 };

BN_INLINE void
dot_packed (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, int n_acts)
{
  const uint8_t *in_tile[TILE_ROWS];

  for (int row = 0; row < TILE_ROWS; row++)
    in_tile[row] = rows[0] + row * BLOCK_BYTES;
  dot_rows (lanes, in_tile, q, packed_row_size (n_cols), n_acts,
      (Reading){TILE_BLOCK, BLOCK_BYTES, 0, 2});
}

BN_INLINE void
dot_i2s (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, int n_acts)
{
  dot_rows (lanes, rows, q, n_cols / 4, n_acts,
      (Reading){BLOCK_BYTES, I2S_BYTES, 1, 3});
}

BN_INLINE void
dot_iq2_bn (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, int n_acts)
{
  dot_rows (lanes, rows, q, n_cols / 4, n_acts,
      (Reading){BLOCK_BYTES, IQ2_BN_BYTES, 0, 3});
}

#define PACKED ((Form){dot_packed, packed_row_size, 0})
#define I2S ((Form){dot_i2s, file_row_size_i2s, 0})
#define IQ2_BN ((Form){dot_iq2_bn, file_row_size_iq2_bn, sizeof (float)})
