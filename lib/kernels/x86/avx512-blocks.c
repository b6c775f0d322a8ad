/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of the types in blocks of 32 with AVX-512, packed in tiles of
 * sixteen rows (avx512-blocks.h).
 *
 *   tile    d of all blocks (m behind each d) | codes of block 0 | of 1 | ...
 *
 * with d and m as halves of sixteen rows and codes as four bits (Q4), four and
 * a fifth (Q5) or eight. The zero point is taken out by starting the sums at
 * what it comes to: a sum of activations is part of their block. */
#include "avx512-tiles.h"

enum {
  D_BYTES = 32,          /* of sixteen rows */
  PREFETCH_BYTES = 2048, /* how far ahead codes are asked for */
  LINE_BYTES = 64,
};

typedef struct {
  void (*load) (__m512i codes[N_VECTORS], const uint8_t *data);
  int code_bytes; /* of a block of a tile */
  Codes codes;
} Type;

BN_INLINE size_t
scale_bytes (uint32_t n_blocks, const Type type)
{
  size_t bytes = (size_t) n_blocks * D_BYTES * (has_min (type.codes) ? 2 : 1);

  return (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

BN_INLINE size_t
tile_bytes (uint32_t n_blocks, const Type type)
{
  return scale_bytes (n_blocks, type) + (size_t) n_blocks * type.code_bytes;
}

BN_INLINE void
load_4_bits (__m512i codes[N_VECTORS], const uint8_t *data)
{
  load_nibbles (codes, data);
}

BN_INLINE void
load_5_bits (__m512i codes[N_VECTORS], const uint8_t *data)
{
  load_nibbles (codes, data);
  add_bits (codes, data + 256, 16);
}

BN_INLINE void
load_8_bits (__m512i codes[N_VECTORS], const uint8_t *data)
{
#pragma GCC unroll 8
  for (int k = 0; k < N_VECTORS; k++)
    codes[k] = _mm512_loadu_si512 (data + 64 * k);
}

BN_INLINE void
multiply_tile (__m512 *sums, const uint8_t *tile, const uint8_t *acts,
    size_t act_stride, const uint32_t n_acts, uint32_t n_blocks,
    const Type type)
{
  const uint8_t *codes_at = tile + scale_bytes (n_blocks, type);

  for (uint32_t i = 0; i < n_acts; i++)
    sums[i] = _mm512_setzero_ps ();
  for (uint32_t b = 0; b < n_blocks; b++, codes_at += type.code_bytes) {
    __m512i codes[1][N_VECTORS];
    __m512 d = _mm512_cvtph_ps (load_256 (tile)), m = d;

    tile += D_BYTES;
    if (has_min (type.codes)) {
      m = _mm512_cvtph_ps (load_256 (tile));
      tile += D_BYTES;
    }
#pragma GCC unroll 8
    for (int i = 0; i < type.code_bytes; i += LINE_BYTES)
      prefetch (codes_at, PREFETCH_BYTES + (size_t) i);
    type.load (codes[0], codes_at);
    for (uint32_t i = 0; i < n_acts; i++)
      sums[i] = add_block (
          sums[i], codes, d, m, acts + i * act_stride, b, type.codes);
  }
}

BN_INLINE void
matmul (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const void *acts, size_t act_stride, uint32_t n_acts,
    const Type type)
{
  uint32_t n_blocks = w->n_cols / BN_QK;
  size_t size = tile_bytes (n_blocks, type);
  __m512 sums[MAX_ACTS];

  for (uint32_t first = 0, n; first < n_acts; first += n) {
    const uint8_t *a = (const uint8_t *) acts + first * act_stride;

    n = n_acts - first < MAX_ACTS ? n_acts - first : MAX_ACTS;
    for (uint32_t row = row_begin; row < row_end; row += TILE_ROWS) {
      const uint8_t *tile = (const uint8_t *) w->data + row / TILE_ROWS * size;

      if (n == 1)
        multiply_tile (sums, tile, a, act_stride, 1, n_blocks, type);
      else
        multiply_tile (sums, tile, a, act_stride, n, n_blocks, type);
      for (uint32_t i = 0; i < n; i++)
        store_rows (y + (first + i) * y_stride + row, sums[i], row_end - row);
    }
  }
}

/* ---- packing ---- */

typedef struct {
  uint8_t codes[TILE_ROWS][BN_QK];
  uint8_t d[2 * D_BYTES];
} Parts;

typedef void (*TakeApart) (Parts *parts, const uint8_t *block, int lane);

static void
take_q4_0 (Parts *parts, const uint8_t *block, int lane)
{
  const BnBlockQ4_0 *b = (const BnBlockQ4_0 *) block;

  bn_codes_q4 (parts->codes[lane], b->qs);
  memcpy (parts->d + 2 * lane, b->d, 2);
}

static void
take_q4_1 (Parts *parts, const uint8_t *block, int lane)
{
  const BnBlockQ4_1 *b = (const BnBlockQ4_1 *) block;

  bn_codes_q4 (parts->codes[lane], b->qs);
  memcpy (parts->d + 2 * lane, b->d, 2);
  memcpy (parts->d + D_BYTES + 2 * lane, b->m, 2);
}

static void
take_q5_0 (Parts *parts, const uint8_t *block, int lane)
{
  const BnBlockQ5_0 *b = (const BnBlockQ5_0 *) block;

  bn_codes_q5 (parts->codes[lane], b->qs, b->qh);
  memcpy (parts->d + 2 * lane, b->d, 2);
}

static void
take_q5_1 (Parts *parts, const uint8_t *block, int lane)
{
  const BnBlockQ5_1 *b = (const BnBlockQ5_1 *) block;

  bn_codes_q5 (parts->codes[lane], b->qs, b->qh);
  memcpy (parts->d + 2 * lane, b->d, 2);
  memcpy (parts->d + D_BYTES + 2 * lane, b->m, 2);
}

static void
take_q8_0 (Parts *parts, const uint8_t *block, int lane)
{
  const BnBlockQ8_0 *b = (const BnBlockQ8_0 *) block;

  for (int i = 0; i < BN_QK; i++)
    parts->codes[lane][i] = (uint8_t) (b->qs[i] ^ 0x80); /* plus 128 */
  memcpy (parts->d + 2 * lane, b->d, 2);
}

BN_INLINE void
store_codes (uint8_t *data, const __m512i codes[N_VECTORS], const int n_bits)
{
  if (n_bits == 8) {
    for (int k = 0; k < N_VECTORS; k++)
      _mm512_storeu_si512 (data + 64 * k, codes[k]);
    return;
  }
  store_nibbles (data, codes);
  if (n_bits == 5)
    store_bits (data + 256, codes, 16);
}

BN_INLINE void
pack (void *dst, const void *src, uint32_t n_cols, uint32_t row_begin,
    uint32_t row_end, size_t file_block_size, TakeApart take, const int n_bits,
    const Type type)
{
  uint32_t n_blocks = n_cols / BN_QK;
  size_t row_size = n_blocks * file_block_size;
  size_t d_bytes = has_min (type.codes) ? 2 * D_BYTES : D_BYTES;
  uint8_t *tile =
      (uint8_t *) dst + row_begin / TILE_ROWS * tile_bytes (n_blocks, type);
  Parts parts;

  for (uint32_t row = row_begin; row < row_end; row += TILE_ROWS) {
    const uint8_t *rows = (const uint8_t *) src + (row - row_begin) * row_size;
    int n = row_end - row < TILE_ROWS ? (int) (row_end - row) : TILE_ROWS;
    uint8_t *codes_at = tile + scale_bytes (n_blocks, type);

    memset (&parts, 0, sizeof parts);
    for (uint32_t b = 0; b < n_blocks; b++, codes_at += type.code_bytes) {
      __m512i codes[N_VECTORS];

      for (int lane = 0; lane < n; lane++)
        take (&parts, rows + lane * row_size + b * file_block_size, lane);
      transpose_codes (codes, parts.codes[0], BN_QK);
      store_codes (codes_at, codes, n_bits);
      memcpy (tile + b * d_bytes, parts.d, d_bytes);
    }
    tile = codes_at;
  }
}

#define DEFINE_TYPE(name, Block, n_bits, load, code_bytes, zero)               \
  static const Type type_##name = {load, code_bytes, {n_bits, zero}};          \
                                                                               \
  static size_t packed_size_##name (uint32_t n_rows, uint32_t n_cols)          \
  {                                                                            \
    return ((size_t) n_rows + TILE_ROWS - 1) / TILE_ROWS                       \
           * tile_bytes (n_cols / BN_QK, type_##name);                         \
  }                                                                            \
                                                                               \
  static void pack_##name (void *dst, const void *src, uint32_t n_rows,        \
      uint32_t n_cols, uint32_t row_begin, uint32_t row_end)                   \
  {                                                                            \
    pack (dst, src, n_cols, row_begin, row_end, sizeof (Block), take_##name,   \
        n_bits, type_##name);                                                  \
  }                                                                            \
                                                                               \
  static void matmul_##name (float *y, size_t y_stride, const BnMatrix *w,     \
      uint32_t row_begin, uint32_t row_end, const void *acts,                  \
      size_t act_stride, uint32_t n_acts)                                      \
  {                                                                            \
    matmul (y, y_stride, w, row_begin, row_end, acts, act_stride, n_acts,      \
        type_##name);                                                          \
  }

DEFINE_TYPE (q4_0, BnBlockQ4_0, 4, load_4_bits, 256, 8)
DEFINE_TYPE (q4_1, BnBlockQ4_1, 4, load_4_bits, 256, -1)
DEFINE_TYPE (q5_0, BnBlockQ5_0, 5, load_5_bits, 320, 16)
DEFINE_TYPE (q5_1, BnBlockQ5_1, 5, load_5_bits, 320, -1)
DEFINE_TYPE (q8_0, BnBlockQ8_0, 8, load_8_bits, 512, 128)

#define OPS(act, name)                                                         \
  (BnMatmulOps)                                                                \
  {                                                                            \
    act, TILE_ROWS, packed_size_##name, pack_##name, matmul_##name             \
  }

void
BN_NAME (bn_blocks_init) (BnKernels *k)
{
  k->matmul[BN_PACK_Q4_0] = OPS (BN_ACT_Q8_0, q4_0);
  k->matmul[BN_PACK_Q4_1] = OPS (BN_ACT_Q8_1, q4_1);
  k->matmul[BN_PACK_Q5_0] = OPS (BN_ACT_Q8_0, q5_0);
  k->matmul[BN_PACK_Q5_1] = OPS (BN_ACT_Q8_1, q5_1);
  k->matmul[BN_PACK_Q8_0] = OPS (BN_ACT_Q8_0, q8_0);
}
