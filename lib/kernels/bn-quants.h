/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the bn-quants*.c files share: the row functions behind the two tables
 * of bn-quants.c, and TL1 and TL2 with explicit tiles for shapes that have no
 * preset. */
#pragma once

#include "bn-kernels.h"

#define BN_DECLARE_QUANTS(name)                                                \
  void bn_dequantize_row_##name (float *y, const void *x, uint32_t n);         \
  void bn_quantize_row_##name (void *y, const float *x, uint32_t n)

BN_DECLARE_QUANTS (f32);
BN_DECLARE_QUANTS (f16);
BN_DECLARE_QUANTS (bf16);
BN_DECLARE_QUANTS (q4_0);
BN_DECLARE_QUANTS (q4_1);
BN_DECLARE_QUANTS (q5_0);
BN_DECLARE_QUANTS (q5_1);
BN_DECLARE_QUANTS (q8_0);
BN_DECLARE_QUANTS (q2_k);
BN_DECLARE_QUANTS (q3_k);
BN_DECLARE_QUANTS (q4_k);
BN_DECLARE_QUANTS (q5_k);
BN_DECLARE_QUANTS (q6_k);
BN_DECLARE_QUANTS (tq1_0);
BN_DECLARE_QUANTS (tq2_0);
BN_DECLARE_QUANTS (iq1_bn);
BN_DECLARE_QUANTS (iq2_bn);

/* Tiles of TL1 and TL2 (quant-formats.md 7 and 8): BM rows by BK columns,
 * inner strips of bm rows (always 32 for TL2). */
typedef struct {
  uint32_t tile_rows;
  uint32_t tile_cols;
  uint32_t strip_rows;
} BnTlTiles;

/* As bn_tl1_unpack() and bn_tl2_unpack(); -2 if the tiles do not divide the
 * shape. The first n_cols3 columns of TL2 are in groups of three, the others
 * in pairs; the presets put as many whole tiles as fit in groups of three. */
int bn_tl1_unpack_tiles (uint8_t *codes, const void *data, uint32_t n_rows,
    uint32_t n_cols, uint32_t row_begin, uint32_t row_end,
    const BnTlTiles *tiles, size_t *bad);
int bn_tl2_unpack_tiles (uint8_t *codes, const void *data, uint32_t n_rows,
    uint32_t n_cols, uint32_t row_begin, uint32_t row_end,
    const BnTlTiles *tiles, uint32_t n_cols3, size_t *bad);
