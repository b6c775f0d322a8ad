/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of the types in blocks of 256 with AVX-512, packed in tiles of
 * sixteen rows (avx512-blocks.h, avx512-tiles-k.h).
 *
 * The codes of a block of a tile are those of columns 0..31, of 32..63 and so
 * on, as four bits (Q4_K, Q5_K, Q6_K) or two (Q2_K, Q3_K, TQ1_0, TQ2_0), with
 * what is left of them behind. */
#include "avx512-tiles-k.h"

enum { PREFETCH_BLOCKS = 2 };

BN_INLINE void
load_4_bits (__m512i codes[N_VECTORS], const uint8_t *block, int sub)
{
  load_nibbles (codes, block + 256 * sub);
}

BN_INLINE void
load_5_bits (__m512i codes[N_VECTORS], const uint8_t *block, int sub)
{
  load_nibbles (codes, block + 256 * sub);
  add_bits (codes, block + 256 * N_SUBS + 64 * sub, 16);
}

BN_INLINE void
load_6_bits (__m512i codes[N_VECTORS], const uint8_t *block, int sub)
{
  const uint8_t *high = block + 256 * N_SUBS + 128 * sub;
  const __m512i mask = _mm512_set1_epi8 (0x30);

  load_nibbles (codes, block + 256 * sub);
#pragma GCC unroll 2
  for (int half = 0; half < 2; half++) {
    __m512i bits = _mm512_loadu_si512 (high + 64 * half);
    __m512i *c = codes + 4 * half;

    /* c | (bits at 4 and 5 & mask) */
    c[0] = _mm512_ternarylogic_epi32 (
        c[0], _mm512_slli_epi16 (bits, 4), mask, 0xf8);
    c[1] = _mm512_ternarylogic_epi32 (
        c[1], _mm512_slli_epi16 (bits, 2), mask, 0xf8);
    c[2] = _mm512_ternarylogic_epi32 (c[2], bits, mask, 0xf8);
    c[3] = _mm512_ternarylogic_epi32 (
        c[3], _mm512_srli_epi16 (bits, 2), mask, 0xf8);
  }
}

BN_INLINE void
load_2_bits (__m512i codes[N_VECTORS], const uint8_t *block, int sub)
{
  const __m512i mask = _mm512_set1_epi8 (3);

#pragma GCC unroll 2
  for (int half = 0; half < 2; half++) {
    __m512i bits = _mm512_loadu_si512 (block + 128 * sub + 64 * half);

#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
      codes[4 * half + k] =
          _mm512_and_si512 (_mm512_srli_epi16 (bits, 2 * k), mask);
  }
}

BN_INLINE void
load_3_bits (__m512i codes[N_VECTORS], const uint8_t *block, int sub)
{
  load_2_bits (codes, block, sub);
  add_bits (codes, block + 128 * N_SUBS + 64 * sub, 4);
}

/* n_tiles tiles with n_acts activation rows, of which n_rows rows exist. */
BN_INLINE void
multiply_tiles (float *y, size_t y_stride, const uint8_t *block,
    uint32_t n_rows, const Acts *acts, const uint32_t n_acts, const Type type,
    const int n_tiles)
{
  const size_t tile_bytes = acts->n_blocks * block_bytes (type);
  __m512 sums[MAX_ACTS][MAX_TILES];

  clear_sums (sums, n_acts, n_tiles);
  for (uint32_t b = 0; b < acts->n_blocks; b++, block += block_bytes (type)) {
    Ahead ahead = {block + PREFETCH_BLOCKS * block_bytes (type),
        block_bytes (type), tile_bytes};

    if (b + PREFETCH_BLOCKS >= acts->n_blocks) /* behind the last tile */
      ahead.first += (size_t) (n_tiles - 1) * tile_bytes;

    multiply_block (
        sums, block, tile_bytes, acts, b, n_acts, ahead, type, n_tiles);
  }
  store_sums (y, y_stride, sums, n_rows, n_acts, n_tiles);
}

BN_INLINE void
matmul (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const void *acts, size_t act_stride, uint32_t n_acts,
    const Type type)
{
  Acts a = {acts, act_stride, w->n_cols / BN_QK_K};
  size_t tile_bytes = a.n_blocks * block_bytes (type);

  for (uint32_t first = 0, n; first < n_acts; first += n) {
    int n_tiles;

    n = n_acts - first < MAX_ACTS ? n_acts - first : MAX_ACTS;
    a.acts = (const uint8_t *) acts + first * act_stride;
    for (uint32_t row = row_begin; row < row_end;
         row += TILE_ROWS * (uint32_t) n_tiles) {
      const uint8_t *tile =
          (const uint8_t *) w->data + row / TILE_ROWS * tile_bytes;
      const uint32_t n_rows = row_end - row;
      float *out = y + first * y_stride + row;

      n_tiles = n > 1 && n_rows > TILE_ROWS ? MAX_TILES : 1;
      if (n == 1)
        multiply_tiles (out, y_stride, tile, n_rows, &a, 1, type, 1);
      else if (n_tiles == 1)
        multiply_tiles (out, y_stride, tile, n_rows, &a, n, type, 1);
      else
        multiply_tiles (out, y_stride, tile, n_rows, &a, n, type, MAX_TILES);
    }
  }
}

/* ---- packing ---- */

/* A block of sixteen rows, taken apart; rows that are missing are 0. */
typedef struct {
  uint8_t codes[TILE_ROWS][BN_QK_K];
  uint8_t scales[SCALE_BYTES];
  uint8_t d[D_BYTES];
} Parts;

typedef void (*TakeApart) (Parts *parts, const uint8_t *row, int lane);

BN_INLINE void
set_d (Parts *parts, const uint8_t d[2], const uint8_t *dmin, int lane)
{
  memcpy (parts->d + 2 * lane, d, 2);
  if (dmin)
    memcpy (parts->d + 32 + 2 * lane, dmin, 2);
}

/* Scales of sixteen columns each. */
BN_INLINE void
set_pairs (Parts *parts, const void *scales, int lane)
{
  for (int j = 0; j < 16; j++)
    parts->scales[32 * (j / 2) + 2 * lane + j % 2] =
        ((const uint8_t *) scales)[j];
}

BN_INLINE void
set_mins (Parts *parts, const uint8_t packed[12], int lane)
{
  uint8_t scales[N_SUBS], mins[N_SUBS];

  bn_scales_q4_k (scales, mins, packed);
  for (int j = 0; j < N_SUBS; j++) {
    parts->scales[TILE_ROWS * j + lane] = scales[j];
    parts->scales[TILE_ROWS * (N_SUBS + j) + lane] = mins[j];
  }
}

static void
take_q2_k (Parts *parts, const uint8_t *row, int lane)
{
  const BnBlockQ2_K *block = (const BnBlockQ2_K *) row;

  bn_codes_2bit (parts->codes[lane], block->qs);
  set_pairs (parts, block->scales, lane);
  set_d (parts, block->d, block->dmin, lane);
}

static void
take_q3_k (Parts *parts, const uint8_t *row, int lane)
{
  const BnBlockQ3_K *block = (const BnBlockQ3_K *) row;
  int8_t scales[16];

  bn_codes_q3_k (parts->codes[lane], block);
  bn_scales_q3_k (scales, block);
  set_pairs (parts, scales, lane);
  set_d (parts, block->d, NULL, lane);
}

static void
take_q4_k (Parts *parts, const uint8_t *row, int lane)
{
  const BnBlockQ4_K *block = (const BnBlockQ4_K *) row;

  bn_codes_q4_k (parts->codes[lane], block->qs);
  set_mins (parts, block->scales, lane);
  set_d (parts, block->d, block->dmin, lane);
}

static void
take_q5_k (Parts *parts, const uint8_t *row, int lane)
{
  const BnBlockQ5_K *block = (const BnBlockQ5_K *) row;

  bn_codes_q5_k (parts->codes[lane], block);
  set_mins (parts, block->scales, lane);
  set_d (parts, block->d, block->dmin, lane);
}

static void
take_q6_k (Parts *parts, const uint8_t *row, int lane)
{
  const BnBlockQ6_K *block = (const BnBlockQ6_K *) row;

  bn_codes_q6_k (parts->codes[lane], block);
  set_pairs (parts, block->scales, lane);
  set_d (parts, block->d, NULL, lane);
}

static void
take_tq1_0 (Parts *parts, const uint8_t *row, int lane)
{
  const BnBlockTQ1_0 *block = (const BnBlockTQ1_0 *) row;

  bn_codes_tq1_0 (parts->codes[lane], block);
  set_d (parts, block->d, NULL, lane);
}

static void
take_tq2_0 (Parts *parts, const uint8_t *row, int lane)
{
  const BnBlockTQ2_0 *block = (const BnBlockTQ2_0 *) row;

  bn_codes_2bit (parts->codes[lane], block->qs);
  set_d (parts, block->d, NULL, lane);
}

/* Bits 2k and 2k + 1 of a vector are vector k's, of the bits at shift. */
BN_INLINE void
store_2_bits (uint8_t *data, const __m512i codes[N_VECTORS], const int shift)
{
  const __m512i mask = _mm512_set1_epi8 (3);

  for (int half = 0; half < 2; half++) {
    __m512i bits = _mm512_setzero_si512 ();

    for (int k = 3; k >= 0; k--) {
      __m512i c = _mm512_and_si512 (
          _mm512_srli_epi16 (codes[4 * half + k], shift), mask);
      bits = _mm512_or_si512 (_mm512_slli_epi16 (bits, 2), c);
    }
    _mm512_storeu_si512 (data + 64 * half, bits);
  }
}

/* By the number of bits of a code. */
BN_INLINE void
store_codes (
    uint8_t *block, const __m512i codes[N_VECTORS], int sub, const int n_bits)
{
  if (n_bits <= 3)
    store_2_bits (block + 128 * sub, codes, 0);
  else
    store_nibbles (block + 256 * sub, codes);
  if (n_bits == 3)
    store_bits (block + 128 * N_SUBS + 64 * sub, codes, 4);
  else if (n_bits == 5)
    store_bits (block + 256 * N_SUBS + 64 * sub, codes, 16);
  else if (n_bits == 6)
    store_2_bits (block + 256 * N_SUBS + 128 * sub, codes, 4);
}

BN_INLINE void
pack (void *dst, const void *src, uint32_t n_cols, uint32_t row_begin,
    uint32_t row_end, size_t file_block_size, TakeApart take, const int n_bits,
    const Type type)
{
  uint32_t n_blocks = n_cols / BN_QK_K;
  size_t row_size = n_blocks * file_block_size;
  uint8_t *block =
      (uint8_t *) dst + row_begin / TILE_ROWS * n_blocks * block_bytes (type);
  Parts parts;

  for (uint32_t row = row_begin; row < row_end; row += TILE_ROWS) {
    const uint8_t *rows = (const uint8_t *) src + (row - row_begin) * row_size;
    int n = row_end - row < TILE_ROWS ? (int) (row_end - row) : TILE_ROWS;

    memset (&parts, 0, sizeof parts);
    for (uint32_t b = 0; b < n_blocks; b++, block += block_bytes (type)) {
      for (int lane = 0; lane < n; lane++)
        take (&parts, rows + lane * row_size + b * file_block_size, lane);
      for (int sub = 0; sub < N_SUBS; sub++) {
        __m512i codes[N_VECTORS];

        transpose_codes (codes, parts.codes[0] + SUB_COLS * sub, BN_QK_K);
        store_codes (block, codes, sub, n_bits);
      }
      memcpy (block + type.code_bytes, parts.scales, scale_bytes (type));
      memcpy (block + type.code_bytes + scale_bytes (type), parts.d, D_BYTES);
    }
  }
}

/* ---- the types ---- */

#define DEFINE_TYPE(name, Block, n_bits, load, code_bytes, scales, zero)       \
  static const Type type_##name = {load, code_bytes, scales, zero};            \
                                                                               \
  static size_t packed_size_##name (uint32_t n_rows, uint32_t n_cols)          \
  {                                                                            \
    return ((size_t) n_rows + TILE_ROWS - 1) / TILE_ROWS * (n_cols / BN_QK_K)  \
           * block_bytes (type_##name);                                        \
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

DEFINE_TYPE (q2_k, BnBlockQ2_K, 2, load_2_bits, 1024, SCALES_MIN_16, 0)
DEFINE_TYPE (q3_k, BnBlockQ3_K, 3, load_3_bits, 1536, SCALES_ZERO_16, 4)
DEFINE_TYPE (q4_k, BnBlockQ4_K, 4, load_4_bits, 2048, SCALES_MIN, 0)
DEFINE_TYPE (q5_k, BnBlockQ5_K, 5, load_5_bits, 2560, SCALES_MIN, 0)
DEFINE_TYPE (q6_k, BnBlockQ6_K, 6, load_6_bits, 3072, SCALES_ZERO_16, 32)
DEFINE_TYPE (tq1_0, BnBlockTQ1_0, 2, load_2_bits, 1024, SCALES_NONE, 1)
DEFINE_TYPE (tq2_0, BnBlockTQ2_0, 2, load_2_bits, 1024, SCALES_NONE, 1)

#define OPS(name)                                                              \
  (BnMatmulOps)                                                                \
  {                                                                            \
    BN_ACT_Q8_K, TILE_ROWS, packed_size_##name, pack_##name, matmul_##name     \
  }

void
BN_NAME (bn_blocks_k_init) (BnKernels *k)
{
  k->matmul[BN_PACK_Q2_K] = OPS (q2_k);
  k->matmul[BN_PACK_Q3_K] = OPS (q3_k);
  k->matmul[BN_PACK_Q4_K] = OPS (q4_k);
  k->matmul[BN_PACK_Q5_K] = OPS (q5_k);
  k->matmul[BN_PACK_Q6_K] = OPS (q6_k);
  k->matmul[BN_PACK_TQ1_0] = OPS (tq1_0);
  k->matmul[BN_PACK_TQ2_0] = OPS (tq2_0);
}
