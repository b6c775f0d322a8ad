/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of the types in blocks of 256 with AVX-512, packed in tiles of
 * sixteen rows (avx512-blocks.h).
 *
 * A block of a tile:
 *
 *   codes of columns 0..31 | codes of 32..63 | ... | scales | d | dmin
 *
 * codes as four bits (Q4_K, Q5_K, Q6_K) or two (Q2_K, Q3_K, TQ1_0, TQ2_0) with
 * what is left of them behind; scales as bytes: where a scale is for sixteen
 * columns, the two of 32 columns side by side for each row, else the eight
 * scales and then the eight minima.
 *
 * Sums of code * q are scaled and added as integers, and what a zero point or
 * a minimum takes out is a product of the scales with the sums of sixteen
 * activations, also in integers: as exact as the C version. */
#include "avx512-blocks.h"

enum {
  N_SUBS = BN_QK_K / SUB_COLS,
  SCALE_BYTES = 256,
  D_BYTES = 64,
  PREFETCH_BLOCKS = 2,
  CODE_BIT_BYTES = BN_QK_K * TILE_ROWS / 8, /* a bit of all codes */
};

/* How the scales of a block are meant. */
typedef enum {
  SCALES_NONE, /* all 1; the zero point is 1 */
  SCALES_MIN,  /* d * scale * code - dmin * min, for 32 columns */
  SCALES_MIN_16,
  SCALES_ZERO_16, /* d * scale * (code - zero) */
} Scales;

/* What is known of a type when the body is compiled. */
typedef struct {
  void (*load) (__m512i codes[N_VECTORS], const uint8_t *block, int sub);
  int code_bytes; /* of a block of a tile */
  Scales scales;
  int zero;
} Type;

BN_INLINE int
scale_bytes (const Type type)
{
  return type.scales == SCALES_NONE ? 0 : SCALE_BYTES;
}

BN_INLINE size_t
block_bytes (const Type type)
{
  return (size_t) type.code_bytes + (size_t) scale_bytes (type) + D_BYTES;
}

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

/* ---- the body ---- */

/* The two scales of each row for 32 columns, as pairs of int16. */
BN_INLINE __m512i
load_pairs (const uint8_t *scales, int sub, const Scales kind)
{
  __m256i bytes = load_256 (scales + 32 * sub);

  if (kind == SCALES_MIN_16) /* scale below, minimum above */
    return _mm512_and_si512 (
        _mm512_cvtepu8_epi16 (bytes), _mm512_set1_epi16 (15));
  return _mm512_cvtepi8_epi16 (bytes);
}

/* What the sums of sixteen activations are multiplied with, in pairs. */
BN_INLINE __m512i
load_correction (const uint8_t *scales, int sub, const Scales kind)
{
  __m512i mins;

  switch (kind) {
    case SCALES_NONE:
      return _mm512_set1_epi16 (1);
    case SCALES_MIN:
      mins =
          _mm512_cvtepu8_epi32 (load_128 (scales + TILE_ROWS * (N_SUBS + sub)));
      return _mm512_or_si512 (mins, _mm512_slli_epi32 (mins, 16));
    case SCALES_MIN_16:
      return _mm512_srli_epi16 (
          _mm512_cvtepu8_epi16 (load_256 (scales + 32 * sub)), 4);
    default:
      return load_pairs (scales, sub, kind);
  }
}

/* sum += scale * (sums of 32 columns of one activation row) */
BN_INLINE __m512i
add_scaled (__m512i sum, const __m512i codes[N_VECTORS], const int8_t *q,
    const __m512i scales[2], const Scales kind, const int n_bits)
{
  const __m512i zero = _mm512_setzero_si512 ();
  __m512i first = add_products (zero, codes, q, 0, 4, n_bits);

  if (kind == SCALES_NONE)
    return _mm512_add_epi32 (sum, add_products (first, codes, q, 4, 4, n_bits));
  __m512i second = add_products (zero, codes, q, 4, 4, n_bits);
  if (kind == SCALES_MIN)
    return _mm512_add_epi32 (
        sum, _mm512_mullo_epi32 (_mm512_add_epi32 (first, second), scales[0]));
  sum = _mm512_add_epi32 (sum, _mm512_mullo_epi32 (first, scales[0]));
  return _mm512_add_epi32 (sum, _mm512_mullo_epi32 (second, scales[1]));
}

BN_INLINE void
load_scales (
    __m512i values[2], const uint8_t *scales, int sub, const Scales kind)
{
  if (kind == SCALES_NONE)
    return;
  if (kind == SCALES_MIN) {
    values[0] = _mm512_cvtepu8_epi32 (load_128 (scales + TILE_ROWS * sub));
    return;
  }
  __m512i pairs = load_pairs (scales, sub, kind);
  values[0] = _mm512_srai_epi32 (_mm512_slli_epi32 (pairs, 16), 16);
  values[1] = _mm512_srai_epi32 (pairs, 16);
}

/* A block's integers to floats, added to the sums of one activation row. */
BN_INLINE __m512
finish_block (__m512 sum, __m512i integers, const __m512i corrections[N_SUBS],
    const BnActQ8_K *act, const uint8_t *d, const Type type)
{
  __m512 scale = _mm512_cvtph_ps (load_256 (d)), result;
  __m512i taken = _mm512_setzero_si512 ();

#pragma GCC unroll 8
  for (int sub = 0; sub < N_SUBS; sub++)
    taken = add_pairs (taken, corrections[sub],
        _mm512_set1_epi32 (
            (int) bn_load_u32 ((const uint8_t *) (act->sums + 2 * sub))));
  if (type.scales == SCALES_MIN || type.scales == SCALES_MIN_16) {
    __m512 min = _mm512_cvtph_ps (load_256 (d + 32));
    result = _mm512_fnmadd_ps (min, _mm512_cvtepi32_ps (taken),
        _mm512_mul_ps (scale, _mm512_cvtepi32_ps (integers)));
  } else {
    taken = _mm512_mullo_epi32 (taken, _mm512_set1_epi32 (type.zero));
    result = _mm512_mul_ps (
        scale, _mm512_cvtepi32_ps (_mm512_sub_epi32 (integers, taken)));
  }
  return _mm512_fmadd_ps (result, _mm512_set1_ps (act->d), sum);
}

typedef struct {
  const uint8_t *acts;
  size_t act_stride;
  uint32_t n_blocks;
} Acts;

BN_INLINE const BnActQ8_K *
act_block (const Acts *acts, uint32_t i, uint32_t b)
{
  return (const BnActQ8_K *) (const void *) (acts->acts + i * acts->act_stride)
         + b;
}

/* The parts of a block are read side by side, which the processor does not take
 * for one stream: asks for an eighth of the block some blocks ahead. */
BN_INLINE void
prefetch_lines (const uint8_t *block, int sub, const Type type)
{
  const size_t line = 64, n = (block_bytes (type) / N_SUBS + line - 1) / line;
  const size_t distance = PREFETCH_BLOCKS * block_bytes (type);

#pragma GCC unroll 8
  for (size_t i = 0; i < n; i++)
    prefetch (block, distance + ((size_t) sub * n + i) * line);
}

/* A tile with n_acts activation rows. */
BN_INLINE void
multiply_tile (__m512 *sums, const uint8_t *block, const Acts *acts,
    const uint32_t n_acts, const Type type)
{
  __m512i integers[MAX_ACTS];

  for (uint32_t i = 0; i < n_acts; i++)
    sums[i] = _mm512_setzero_ps ();
  for (uint32_t b = 0; b < acts->n_blocks; b++, block += block_bytes (type)) {
    const uint8_t *scales = block + type.code_bytes;
    __m512i corrections[N_SUBS];

    for (uint32_t i = 0; i < n_acts; i++)
      integers[i] = _mm512_setzero_si512 ();
    for (int sub = 0; sub < N_SUBS; sub++) {
      __m512i codes[N_VECTORS], values[2] = {0};

      prefetch_lines (block, sub, type);
      type.load (codes, block, sub);
      load_scales (values, scales, sub, type.scales);
      for (uint32_t i = 0; i < n_acts; i++)
        integers[i] = add_scaled (integers[i], codes,
            act_block (acts, i, b)->qs + SUB_COLS * sub, values, type.scales,
            type.code_bytes / CODE_BIT_BYTES);
    }
#pragma GCC unroll 8
    for (int sub = 0; sub < N_SUBS; sub++)
      corrections[sub] = load_correction (scales, sub, type.scales);
    for (uint32_t i = 0; i < n_acts; i++)
      sums[i] = finish_block (sums[i], integers[i], corrections,
          act_block (acts, i, b), scales + scale_bytes (type), type);
  }
}

BN_INLINE void
matmul (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const void *acts, size_t act_stride, uint32_t n_acts,
    const Type type)
{
  Acts a = {acts, act_stride, w->n_cols / BN_QK_K};
  size_t tile_bytes = a.n_blocks * block_bytes (type);
  __m512 sums[MAX_ACTS];

  for (uint32_t first = 0, n; first < n_acts; first += n) {
    n = n_acts - first < MAX_ACTS ? n_acts - first : MAX_ACTS;
    a.acts = (const uint8_t *) acts + first * act_stride;
    for (uint32_t row = row_begin; row < row_end; row += TILE_ROWS) {
      const uint8_t *tile =
          (const uint8_t *) w->data + row / TILE_ROWS * tile_bytes;

      if (n == 1)
        multiply_tile (sums, tile, &a, 1, type);
      else
        multiply_tile (sums, tile, &a, n, type);
      for (uint32_t i = 0; i < n; i++)
        store_rows (y + (first + i) * y_stride + row, sums[i], row_end - row);
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
