/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary rows and tensors (quant-formats.md 5 to 9). TQ1_0, TQ2_0, IQ1_BN and
 * IQ2_BN are rows of blocks; I2_S, TL1 and TL2 spread their codes over the
 * whole tensor and keep one scale behind them. All of them can become codes
 * 0..2, one a byte, which is what BN_PACK_TERNARY is packed from. */
#include "bn-quants.h"

#include <math.h>
#include "bn-blocks.h"

/* TQ1_0 and TQ2_0 */

static void
dequantize_codes (float *y, const uint8_t *codes, int n, float d)
{
  for (int i = 0; i < n; i++)
    y[i] = (float) (codes[i] - 1) * d;
}

void
bn_dequantize_row_tq1_0 (float *y, const void *x, uint32_t n)
{
  const BnBlockTQ1_0 *block = x;
  uint8_t codes[BN_QK_K];

  for (; n >= BN_QK_K; n -= BN_QK_K, y += BN_QK_K, block++) {
    bn_codes_tq1_0 (codes, block);
    dequantize_codes (y, codes, BN_QK_K, bn_load_f16 (block->d));
  }
}

void
bn_dequantize_row_tq2_0 (float *y, const void *x, uint32_t n)
{
  const BnBlockTQ2_0 *block = x;
  uint8_t codes[BN_QK_K];

  for (; n >= BN_QK_K; n -= BN_QK_K, y += BN_QK_K, block++) {
    bn_codes_2bit (codes, block->qs);
    dequantize_codes (y, codes, BN_QK_K, bn_load_f16 (block->d));
  }
}

static float
max_magnitude (const float *x, uint32_t n)
{
  float max = 0;

  for (uint32_t i = 0; i < n; i++)
    max = fabsf (x[i]) > max ? fabsf (x[i]) : max;
  return max;
}

/* Codes of one TQ block and its scale. */
static float
encode_tq (uint8_t codes[BN_QK_K], const float *x)
{
  float d = max_magnitude (x, BN_QK_K);
  float id = d != 0 ? 1.0f / d : 0.0f;

  for (int i = 0; i < BN_QK_K; i++) {
    float t = x[i] * id;
    codes[i] = (uint8_t) (1 + (t >= 0.5f) - (t <= -0.5f));
  }
  return d;
}

/* The byte that holds v / 243 so that multiplying brings the trits out. */
static uint8_t
ceil_243 (int v)
{
  return (uint8_t) ((v * 256 + 242) / 243);
}

void
bn_quantize_row_tq1_0 (void *y, const float *x, uint32_t n)
{
  BnBlockTQ1_0 *block = y;
  uint8_t codes[BN_QK_K];

  for (; n >= BN_QK_K; n -= BN_QK_K, x += BN_QK_K, block++) {
    bn_store_u16 (block->d, bn_f32_to_f16 (encode_tq (codes, x)));
    for (int i = 0; i < 48; i++) {
      const uint8_t *c = i < 32 ? codes + i : codes + 160 + i - 32;
      int step = i < 32 ? 32 : 16, v = 0;

      for (int trit = 0; trit < 5; trit++)
        v = v * 3 + c[trit * step];
      block->qs[i] = ceil_243 (v);
    }
    for (int i = 0; i < 4; i++) {
      int v = 0;

      for (int trit = 0; trit < 4; trit++)
        v = v * 3 + codes[240 + i + 4 * trit];
      block->qh[i] = ceil_243 (v * 3);
    }
  }
}

void
bn_quantize_row_tq2_0 (void *y, const float *x, uint32_t n)
{
  BnBlockTQ2_0 *block = y;
  uint8_t codes[BN_QK_K];

  for (; n >= BN_QK_K; n -= BN_QK_K, x += BN_QK_K, block++) {
    bn_store_u16 (block->d, bn_f32_to_f16 (encode_tq (codes, x)));
    for (int i = 0; i < 64; i++) {
      const uint8_t *c = codes + 128 * (i / 32) + i % 32;
      block->qs[i] = (uint8_t) (c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6);
    }
  }
}

/* IQ1_BN and IQ2_BN: a scale in front of the row, then blocks of 64 */

void
bn_dequantize_row_iq1_bn (float *y, const void *x, uint32_t n)
{
  float d = bn_load_f16 (x);
  const BnBlockIQ1_BN *block =
      (const BnBlockIQ1_BN *) ((const uint8_t *) x + 2);
  uint8_t codes[BN_QK_BN];

  for (; n >= BN_QK_BN; n -= BN_QK_BN, y += BN_QK_BN, block++) {
    bn_codes_iq1_bn (codes, block);
    dequantize_codes (y, codes, BN_QK_BN, d);
  }
}

void
bn_dequantize_row_iq2_bn (float *y, const void *x, uint32_t n)
{
  float d = bn_load_f32 (x);
  const BnBlockIQ2_BN *block =
      (const BnBlockIQ2_BN *) ((const uint8_t *) x + 4);
  uint8_t codes[BN_QK_BN];

  for (; n >= BN_QK_BN; n -= BN_QK_BN, y += BN_QK_BN, block++) {
    bn_codes_iq2_bn (codes, block);
    dequantize_codes (y, codes, BN_QK_BN, d);
  }
}

static void
encode_bn (uint8_t codes[BN_QK_BN], const float *x, float d)
{
  for (int i = 0; i < BN_QK_BN; i++)
    codes[i] = fabsf (x[i]) >= 0.5f * d && d != 0 ? (x[i] > 0 ? 2 : 0) : 1;
}

void
bn_quantize_row_iq1_bn (void *y, const float *x, uint32_t n)
{
  float d = max_magnitude (x, n);
  BnBlockIQ1_BN *block = (BnBlockIQ1_BN *) ((uint8_t *) y + 2);
  uint8_t codes[BN_QK_BN];

  bn_store_u16 (y, bn_f32_to_f16 (d));
  for (; n >= BN_QK_BN; n -= BN_QK_BN, x += BN_QK_BN, block++) {
    int extra = 0;

    encode_bn (codes, x, d);
    for (int group = 3; group >= 0; group--) {
      const uint8_t *c = codes + 16 * group;

      for (int byte = 0; byte < 3; byte++, c += 5)
        block->ql[3 * group + byte] =
            ceil_243 (c[0] + 3 * (c[1] + 3 * (c[2] + 3 * (c[3] + 3 * c[4]))));
      extra = extra * 3 + *c;
    }
    block->extra = ceil_243 (extra);
  }
}

void
bn_quantize_row_iq2_bn (void *y, const float *x, uint32_t n)
{
  float d = max_magnitude (x, n);
  BnBlockIQ2_BN *block = (BnBlockIQ2_BN *) ((uint8_t *) y + 4);
  uint8_t codes[BN_QK_BN];

  bn_store_f32 (y, d);
  for (; n >= BN_QK_BN; n -= BN_QK_BN, x += BN_QK_BN, block++) {
    encode_bn (codes, x, d);
    for (int i = 0; i < 16; i++)
      block->qs[i] = (uint8_t) (codes[i] | codes[i + 16] << 2
                                | codes[i + 32] << 4 | codes[i + 48] << 6);
  }
}

static int
has_code_3 (const uint8_t *codes, uint32_t n)
{
  uint8_t seen = 0;

  for (uint32_t i = 0; i < n; i++)
    seen |= codes[i] & codes[i] >> 1;
  return seen != 0;
}

/* Shared by TQ1_0 and TQ2_0: the row has one scale if every block has its
 * bits. */
static int
unpack_tq (uint8_t *codes, float *scale, BnType type, const uint8_t *row,
    uint32_t n_cols)
{
  size_t block_size =
      type == BN_TYPE_TQ1_0 ? sizeof (BnBlockTQ1_0) : sizeof (BnBlockTQ2_0);
  size_t d_offset = block_size - 2;

  *scale = bn_load_f16 (row + d_offset);
  for (uint32_t col = 0; col < n_cols; col += BN_QK_K) {
    const uint8_t *block = row + col / BN_QK_K * block_size;

    if (memcmp (block + d_offset, row + d_offset, 2) != 0)
      return 1;
    if (type == BN_TYPE_TQ1_0)
      bn_codes_tq1_0 (codes + col, (const BnBlockTQ1_0 *) block);
    else
      bn_codes_2bit (codes + col, block);
  }
  return 0;
}

int
bn_ternary_row_unpack (
    uint8_t *codes, float *scale, BnType type, const void *row, uint32_t n_cols)
{
  const uint8_t *bytes = row;

  switch (type) {
    case BN_TYPE_TQ1_0:
    case BN_TYPE_TQ2_0:
      if (unpack_tq (codes, scale, type, bytes, n_cols) != 0)
        return 1;
      break;
    case BN_TYPE_IQ1_BN:
      *scale = bn_load_f16 (bytes);
      for (uint32_t i = 0; i < n_cols / BN_QK_BN; i++)
        bn_codes_iq1_bn (codes + BN_QK_BN * (size_t) i,
            (const BnBlockIQ1_BN *) (bytes + 2) + i);
      break;
    case BN_TYPE_IQ2_BN:
      *scale = bn_load_f32 (bytes);
      for (uint32_t i = 0; i < n_cols / BN_QK_BN; i++)
        bn_codes_iq2_bn (codes + BN_QK_BN * (size_t) i,
            (const BnBlockIQ2_BN *) (bytes + 4) + i);
      break;
    default:
      return -2;
  }
  return has_code_3 (codes, n_cols) ? -1 : 0;
}

float
bn_ternary_tensor_scale (
    BnType type, const void *data, uint32_t n_rows, uint32_t n_cols)
{
  uint64_t size = bn_type_tensor_size (type, n_cols, n_rows);
  const BnTypeInfo *info = bn_type_info (type);

  if (size == 0 || info->tensor_tail == 0)
    return bn_f32_from_bits (BN_BITS_NAN);
  return bn_load_f32 ((const uint8_t *) data + size - info->tensor_tail);
}

/* I2_S: layouts A and B are blocks of the flattened tensor, each byte holding
 * four elements a quarter of a block apart, the first in the top bits. Layout
 * C holds one column of four rows in a byte. */

static uint32_t
i2s_block (BnI2sLayout layout)
{
  return layout == BN_I2S_B ? 64 : 128;
}

static int
i2s_shape_is_possible (uint32_t n_rows, uint32_t n_cols, BnI2sLayout layout)
{
  if (layout == BN_I2S_C)
    return n_rows % 4 == 0;
  return (uint64_t) n_rows * n_cols % i2s_block (layout) == 0;
}

/* Finds the first byte that holds a code 3 of its elements; the caller knows
 * there is one. */
static size_t
find_code_3 (const uint8_t *data, size_t begin, size_t end)
{
  for (size_t i = begin; i < end; i++) {
    if (data[i] & data[i] >> 1 & 0x55)
      return i;
  }
  return begin;
}

int
bn_i2s_unpack (uint8_t *codes, const void *data, uint32_t n_rows,
    uint32_t n_cols, uint32_t row_begin, uint32_t row_end, BnI2sLayout layout,
    size_t *bad)
{
  const uint8_t *bytes = data;
  uint32_t block = i2s_block (layout), quarter = block / 4;
  uint64_t begin = (uint64_t) row_begin * n_cols;
  uint64_t end = (uint64_t) row_end * n_cols;

  if (!i2s_shape_is_possible (n_rows, n_cols, layout) || row_end > n_rows
      || row_begin > row_end)
    return -2;
  if (layout == BN_I2S_C) {
    for (uint32_t row = row_begin; row < row_end; row++) {
      const uint8_t *group = bytes + (uint64_t) (row / 4) * n_cols;
      int shift = 6 - 2 * (int) (row % 4);
      uint8_t *out = codes + (uint64_t) (row - row_begin) * n_cols;

      for (uint32_t col = 0; col < n_cols; col++)
        out[col] = group[col] >> shift & 3;
      if (has_code_3 (out, n_cols)) {
        uint32_t col = 0;
        while (out[col] != 3)
          col++;
        *bad = (size_t) (group - bytes) + col;
        return -1;
      }
    }
    return 0;
  }
  for (uint64_t e = begin; e < end;) {
    const uint8_t *b = bytes + e / block * quarter;
    uint32_t first = (uint32_t) (e % block);
    uint32_t last =
        end - e < block - first ? first + (uint32_t) (end - e) : block;
    uint8_t unpacked[128];

    for (uint32_t g = 0; g < 4; g++) {
      for (uint32_t i = 0; i < quarter; i++)
        unpacked[g * quarter + i] = b[i] >> (6 - 2 * g) & 3;
    }
    if (has_code_3 (unpacked, block)) {
      *bad = find_code_3 (
          bytes, (size_t) (b - bytes), (size_t) (b - bytes) + quarter);
      return -1;
    }
    memcpy (codes + (e - begin), unpacked + first, last - first);
    e += last - first;
  }
  return 0;
}

void
bn_i2s_pack (void *data, const uint8_t *codes, uint32_t n_rows, uint32_t n_cols,
    BnI2sLayout layout, float scale)
{
  uint8_t *bytes = data;
  uint64_t n = (uint64_t) n_rows * n_cols;
  uint64_t quarter = layout == BN_I2S_C ? n_cols : i2s_block (layout) / 4;

  /* byte i of a group holds elements i, i + quarter, ... of the group */
  for (uint64_t i = 0; i < n / 4; i++) {
    const uint8_t *c = codes + i / quarter * quarter * 4 + i % quarter;

    bytes[i] = (uint8_t) (c[0] << 6 | c[quarter] << 4 | c[2 * quarter] << 2
                          | c[3 * quarter]);
  }
  memset (bytes + n / 4, 0, 32);
  bn_store_f32 (bytes + n / 4, scale);
}

/* TL1 and TL2: the tiles of a shape are known to the writer's configuration
 * only, so they are looked up by shape. */

static const struct {
  uint32_t n_rows, n_cols;
  BnTlTiles tl1, tl2;
} tl_presets[] = {
    /* bitnet_b1_58-large */
    {1536, 4096, {256, 128, 32}, {256, 96, 32}},
    {1536, 1536, {128, 64, 64}, {128, 192, 32}},
    {4096, 1536, {256, 128, 32}, {256, 96, 32}},
    /* bitnet_b1_58-3B */
    {3200, 8640, {160, 64, 32}, {160, 96, 32}},
    {3200, 3200, {320, 128, 64}, {320, 96, 32}},
    {8640, 3200, {320, 64, 32}, {320, 96, 32}},
    /* Llama3-8B-1.58 */
    {14336, 4096, {256, 128, 64}, {256, 96, 32}},
    {4096, 14336, {256, 128, 32}, {128, 96, 32}},
    {1024, 4096, {128, 64, 64}, {256, 96, 32}},
    {4096, 4096, {128, 64, 32}, {128, 96, 32}},
};

static const BnTlTiles *
tl_tiles (BnType type, uint32_t n_rows, uint32_t n_cols)
{
  for (size_t i = 0; i < sizeof tl_presets / sizeof tl_presets[0]; i++) {
    if (tl_presets[i].n_rows == n_rows && tl_presets[i].n_cols == n_cols)
      return type == BN_TYPE_TL1 ? &tl_presets[i].tl1 : &tl_presets[i].tl2;
  }
  return NULL;
}

/* Two weights of a pair code 3 * w0 + w1 + 4; 0 if it is none. */
static int
unpack_pair (uint8_t codes[2], int pair)
{
  if (pair > 8)
    return 0;
  codes[0] = (uint8_t) (pair / 3);
  codes[1] = (uint8_t) (pair % 3);
  return 1;
}

int
bn_tl1_unpack_tiles (uint8_t *codes, const void *data, uint32_t n_rows,
    uint32_t n_cols, uint32_t row_begin, uint32_t row_end,
    const BnTlTiles *tiles, size_t *bad)
{
  const uint8_t *bytes = data;
  uint32_t tile_rows = tiles->tile_rows, tile_cols = tiles->tile_cols;
  uint32_t strip = tiles->strip_rows, strip_cols = 256 / strip;

  if (n_rows % tile_rows || n_cols % tile_cols || tile_rows % strip
      || tile_cols % strip_cols || row_end > n_rows)
    return -2;
  for (uint32_t row = row_begin; row < row_end; row++) {
    uint32_t tile_row = row / tile_rows, in_tile = row % tile_rows;
    uint32_t r = in_tile % strip;
    uint8_t *out = codes + (uint64_t) (row - row_begin) * n_cols;

    for (uint32_t col = 0; col < n_cols; col += 4) {
      uint32_t tile_col = col / tile_cols, c = col % tile_cols;
      /* tile, strip of rows, group of columns, 16 rows, 4 columns */
      size_t at = (size_t) tile_row * (n_cols / tile_cols) + tile_col;
      at = at * (tile_rows / strip) + in_tile / strip;
      at = at * (tile_cols / strip_cols) + c / strip_cols;
      at = at * (strip / 16) + r / 16;
      at = at * (strip_cols / 4) + c % strip_cols / 4;
      at = at * 16 + r % 16;
      if (!unpack_pair (out + col, bytes[at] >> 4)
          || !unpack_pair (out + col + 2, bytes[at] & 15)) {
        *bad = at;
        return -1;
      }
    }
  }
  return 0;
}

size_t
bn_i2s_find_bad (const uint8_t *data, size_t size)
{
  const uint8_t low_bits = 0x55;
  uint8_t bad = 0;
  size_t i = 0;

  /* without an exit, so that the compiler makes vectors of it */
  for (size_t at = 0; at < size; at++)
    bad |= data[at] & data[at] >> 1 & low_bits;
  if (bad == 0)
    return size;
  while ((data[i] & data[i] >> 1 & low_bits) == 0)
    i++;
  return i;
}

int
bn_tl1_unpack (uint8_t *codes, const void *data, uint32_t n_rows,
    uint32_t n_cols, uint32_t row_begin, uint32_t row_end, size_t *bad)
{
  const BnTlTiles *tiles = tl_tiles (BN_TYPE_TL1, n_rows, n_cols);

  if (!tiles)
    return -2;
  return bn_tl1_unpack_tiles (
      codes, data, n_rows, n_cols, row_begin, row_end, tiles, bad);
}

/* Row r of 32 is stored in byte position: rows 8-15 and 16-23 change places. */
static uint32_t
tl2_position (uint32_t r)
{
  static const uint8_t swapped[] = {0, 2, 1, 3};

  return swapped[r / 8] * 8u + r % 8;
}

/* Three weights of an index 0..13 (a balanced ternary number) and a sign. */
static int
unpack_triple (uint8_t codes[3], int index, int is_negative)
{
  int v = is_negative ? 13 - index : 13 + index; /* 9 c0 + 3 c1 + c2 */

  if (index > 13)
    return 0;
  codes[0] = (uint8_t) (v / 9);
  codes[1] = (uint8_t) (v / 3 % 3);
  codes[2] = (uint8_t) (v % 3);
  return 1;
}

int
bn_tl2_unpack_tiles (uint8_t *codes, const void *data, uint32_t n_rows,
    uint32_t n_cols, uint32_t row_begin, uint32_t row_end,
    const BnTlTiles *tiles, uint32_t n_cols3, size_t *bad)
{
  enum { STRIP = 32, PAIR_COLS = 32, SIGN_COLS = 24 };
  const uint8_t *bytes = data;
  uint32_t tile_rows = tiles->tile_rows, tile_cols = tiles->tile_cols;
  uint32_t n_cols2 = n_cols - n_cols3;
  size_t signs_begin = (size_t) n_rows * n_cols3 / 6;
  size_t pairs_begin = signs_begin + (size_t) n_rows * n_cols3 / 24;
  uint32_t n_strips = tile_rows / STRIP;

  if (n_cols3 > n_cols || n_cols3 % tile_cols || n_rows % tile_rows
      || tile_rows % STRIP || tile_cols % SIGN_COLS || n_cols2 % PAIR_COLS
      || row_end > n_rows)
    return -2;
  for (uint32_t row = row_begin; row < row_end; row++) {
    uint32_t tile_row = row / tile_rows, in_tile = row % tile_rows;
    uint32_t strip = in_tile / STRIP, r = in_tile % STRIP;
    uint8_t *out = codes + (uint64_t) (row - row_begin) * n_cols;

    for (uint32_t col = 0; col < n_cols3; col += 3) {
      uint32_t c = col % tile_cols;
      size_t tile = (size_t) tile_row * (n_cols3 / tile_cols) + col / tile_cols;
      size_t at = ((tile * n_strips + strip) * (tile_cols / 6) + c / 6) * STRIP
                  + tl2_position (r);
      size_t lane =
          ((tile * n_strips + strip) * (tile_cols / SIGN_COLS) + c / SIGN_COLS)
              * STRIP
          + 2 * (r % 16);
      int bit = 15 - (int) (2 * (c % SIGN_COLS / 3) + r / 16);
      int sign = bn_load_u16 (bytes + signs_begin + lane) >> bit & 1;
      int index = c % 6 < 3 ? bytes[at] >> 4 : bytes[at] & 15;

      if (!unpack_triple (out + col, index, sign)) {
        *bad = at;
        return -1;
      }
    }
    for (uint32_t col = 0; col < n_cols2; col += 4) {
      size_t tile = (size_t) tile_row * (n_cols2 / PAIR_COLS) + col / PAIR_COLS;
      size_t at =
          pairs_begin
          + ((tile * n_strips + strip) * (PAIR_COLS / 4) + col % PAIR_COLS / 4)
                * STRIP
          + tl2_position (r);
      uint8_t *pairs = out + n_cols3 + col;

      if (!unpack_pair (pairs, bytes[at] >> 4)
          || !unpack_pair (pairs + 2, bytes[at] & 15)) {
        *bad = at;
        return -1;
      }
    }
  }
  return 0;
}

int
bn_tl2_unpack (uint8_t *codes, const void *data, uint32_t n_rows,
    uint32_t n_cols, uint32_t row_begin, uint32_t row_end, size_t *bad)
{
  const BnTlTiles *tiles = tl_tiles (BN_TYPE_TL2, n_rows, n_cols);

  if (!tiles)
    return -2;
  return bn_tl2_unpack_tiles (codes, data, n_rows, n_cols, row_begin, row_end,
      tiles, n_cols / tiles->tile_cols * tiles->tile_cols, bad);
}
