/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of the types in blocks of 256 with AVX-512 on rows as they lie in
 * the file. A block of sixteen rows is turned (avx512-rows.h) into one of a
 * tile (avx512-tiles-k.h) that stays in the first level cache while the
 * activation rows pass by. The codes are the bytes of the file, turned; what a
 * load function does to a vector is what the C version does to a byte. */
#include "avx512-rows.h"
#include "avx512-tiles-k.h"

/* Of a block of a tile, with so many bits a code. */
#define CODE_BYTES(n_bits) ((n_bits) *CODE_BIT_BYTES)

enum {
  MAX_BLOCK_BYTES = CODE_BYTES (6) + SCALE_BYTES + D_BYTES,
  SUB_BYTES = SUB_COLS * TILE_ROWS, /* of turned bytes, one for each column */
};

/* ---- codes of a turned block ---- */

/* (byte >> shift) & mask of eight vectors */
BN_INLINE void
load_fields (
    __m512i codes[N_VECTORS], const uint8_t *bytes, int shift, const int mask)
{
  const __m512i shifts = _mm512_set1_epi16 ((short) shift);

#pragma GCC unroll 8
  for (int k = 0; k < N_VECTORS; k++)
    codes[k] = _mm512_and_si512 (
        _mm512_srlv_epi16 (_mm512_loadu_si512 (bytes + 64 * k), shifts),
        _mm512_set1_epi8 ((char) mask));
}

/* codes | ((byte >> shift) & mask), where shift may be negative */
BN_INLINE void
add_fields (
    __m512i codes[N_VECTORS], const uint8_t *bytes, int shift, const int mask)
{
  const __m512i turns = _mm512_set1_epi32 (shift & 31);

#pragma GCC unroll 8
  for (int k = 0; k < N_VECTORS; k++)
    codes[k] = _mm512_ternarylogic_epi32 (codes[k],
        _mm512_rorv_epi32 (_mm512_loadu_si512 (bytes + 64 * k), turns),
        _mm512_set1_epi8 ((char) mask), 0xf8); /* a | (b & c) */
}

BN_INLINE void
load_2_bits (__m512i codes[N_VECTORS], const uint8_t *block, int sub)
{
  load_fields (codes, block + SUB_BYTES * (sub / 4), 2 * (sub % 4), 3);
}

BN_INLINE void
load_3_bits (__m512i codes[N_VECTORS], const uint8_t *block, int sub)
{
  load_2_bits (codes, block, sub);
  add_fields (codes, block + 2 * SUB_BYTES, sub - 2, 4);
}

BN_INLINE void
load_4_bits (__m512i codes[N_VECTORS], const uint8_t *block, int sub)
{
  load_fields (codes, block + SUB_BYTES * (sub / 2), 4 * (sub % 2), 15);
}

BN_INLINE void
load_5_bits (__m512i codes[N_VECTORS], const uint8_t *block, int sub)
{
  load_4_bits (codes, block, sub);
  add_fields (codes, block + 4 * SUB_BYTES, sub - 4, 16);
}

BN_INLINE void
load_6_bits (__m512i codes[N_VECTORS], const uint8_t *block, int sub)
{
  const int half = sub / 4, group = sub % 4;

  load_fields (
      codes, block + SUB_BYTES * (2 * half + group % 2), 4 * (group / 2), 15);
  add_fields (codes, block + SUB_BYTES * (4 + half), 2 * group - 4, 0x30);
}

/* ---- turning ---- */

/* Sixteen scales of each row, four in a word. */
BN_INLINE void
store_pairs (uint8_t *scales, const __m512i words[4])
{
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    store_low_halves (scales + 64 * k, words[k]);
    store_high_halves (scales + 64 * k + 32, words[k]);
  }
}

/* Eight scales and eight minima of each row, four in a word. */
BN_INLINE void
store_singles (uint8_t *scales, const __m512i words[4])
{
  const __m512i bytes = _mm512_broadcast_i32x4 (
      _mm_setr_epi8 (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m512i order =
      _mm512_setr_epi32 (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);

#pragma GCC unroll 4
  for (int k = 0; k < 4; k++)
    _mm512_storeu_si512 (
        scales + 64 * k, _mm512_permutexvar_epi32 (
                             order, _mm512_shuffle_epi8 (words[k], bytes)));
}

BN_INLINE void
turn_q2_k (uint8_t *out, Rows rows)
{
  __m512i v[PIECE_VECTORS];

  turn_piece (v, rows, offsetof (BnBlockQ2_K, scales));
  store_pairs (out + CODE_BYTES (2), v);
  turn_bytes (out, rows, offsetof (BnBlockQ2_K, qs), 64);
  turn_piece (v, rows, sizeof (BnBlockQ2_K) - PIECE_BYTES);
  store_low_halves (out + CODE_BYTES (2) + SCALE_BYTES, v[3]);
  store_high_halves (out + CODE_BYTES (2) + SCALE_BYTES + 32, v[3]);
}

/* bn_scales_q3_k() of sixteen rows. */
BN_INLINE void
take_scales_q3_k (__m512i scales[4], const __m512i low[2], __m512i high)
{
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    __m512i s = _mm512_and_si512 (
        _mm512_srli_epi16 (low[j % 2], j < 2 ? 0 : 4), _mm512_set1_epi8 (15));

    s = _mm512_ternarylogic_epi32 (s,
        _mm512_rorv_epi32 (high, _mm512_set1_epi32 ((2 * j - 4) & 31)),
        _mm512_set1_epi8 (0x30), 0xf8);
    scales[j] = _mm512_sub_epi8 (s, _mm512_set1_epi8 (32));
  }
}

BN_INLINE void
turn_q3_k (uint8_t *out, Rows rows)
{
  const size_t scales_at = offsetof (BnBlockQ3_K, scales);
  __m512i v[PIECE_VECTORS], scales[4];

  turn_bytes (out, rows, offsetof (BnBlockQ3_K, qs), 64);
  turn_bytes (out + CODE_BYTES (2), rows, offsetof (BnBlockQ3_K, hmask), 32);
  turn_piece (
      v, rows, scales_at + sizeof (((BnBlockQ3_K *) 0)->scales) - PIECE_BYTES);
  take_scales_q3_k (scales, v + 1, v[3]);
  store_pairs (out + CODE_BYTES (3), scales);
  turn_piece (v, rows, sizeof (BnBlockQ3_K) - PIECE_BYTES);
  store_high_halves (out + CODE_BYTES (3) + SCALE_BYTES, v[3]);
}

/* The head that Q4_K and Q5_K share: d, dmin and bn_scales_q4_k(). */
BN_INLINE void
turn_head_q45_k (uint8_t *scales, Rows rows)
{
  const __m512i six = _mm512_set1_epi8 (0x3f), two = _mm512_set1_epi8 (0x30);
  const __m512i four = _mm512_set1_epi8 (15);
  __m512i v[PIECE_VECTORS], words[4];

  turn_piece (v, rows, 0);
  store_low_halves (scales + SCALE_BYTES, v[0]);
  store_high_halves (scales + SCALE_BYTES + 32, v[0]);
  words[0] = _mm512_and_si512 (v[1], six);
  words[1] = _mm512_ternarylogic_epi32 (
      _mm512_and_si512 (v[3], four), _mm512_srli_epi16 (v[1], 2), two, 0xf8);
  words[2] = _mm512_and_si512 (v[2], six);
  words[3] = _mm512_ternarylogic_epi32 (
      _mm512_and_si512 (_mm512_srli_epi16 (v[3], 4), four),
      _mm512_srli_epi16 (v[2], 2), two, 0xf8);
  store_singles (scales, words);
}

BN_INLINE void
turn_q4_k (uint8_t *out, Rows rows)
{
  turn_bytes (out, rows, offsetof (BnBlockQ4_K, qs), 128);
  turn_head_q45_k (out + CODE_BYTES (4), rows);
}

BN_INLINE void
turn_q5_k (uint8_t *out, Rows rows)
{
  turn_bytes (out, rows, offsetof (BnBlockQ5_K, qs), 128);
  turn_bytes (out + CODE_BYTES (4), rows, offsetof (BnBlockQ5_K, qh), 32);
  turn_head_q45_k (out + CODE_BYTES (5), rows);
}

BN_INLINE void
turn_q6_k (uint8_t *out, Rows rows)
{
  __m512i v[PIECE_VECTORS];

  turn_bytes (out, rows, offsetof (BnBlockQ6_K, ql), 128);
  turn_bytes (out + CODE_BYTES (4), rows, offsetof (BnBlockQ6_K, qh), 64);
  turn_piece (v, rows, offsetof (BnBlockQ6_K, scales));
  store_pairs (out + CODE_BYTES (6), v);
  turn_piece (v, rows, sizeof (BnBlockQ6_K) - PIECE_BYTES);
  store_high_halves (out + CODE_BYTES (6) + SCALE_BYTES, v[3]);
}

BN_INLINE void
turn_tq2_0 (uint8_t *out, Rows rows)
{
  __m512i v[PIECE_VECTORS];

  turn_bytes (out, rows, offsetof (BnBlockTQ2_0, qs), 64);
  turn_piece (v, rows, sizeof (BnBlockTQ2_0) - PIECE_BYTES);
  store_high_halves (out + CODE_BYTES (2), v[3]);
}

/* ---- one activation row ---- */

#ifdef __AVX512VNNI__

/* Q6_K, the usual type of an output matrix, waits for the memory, which gives
 * more where rows are read one after the other. Lane i of a vector of products
 * has columns 4i to 4i + 3, so a scale is for four lanes. A lane is at most
 * 4 * 63 * 128 < 2^15: lanes of two vectors become 16-bit numbers of one, which
 * vpdpwssd multiplies with the scales. What the zero point takes out is one
 * such product more. */
enum {
  HALF_COLS = 128,
  VECTOR_COLS = 64,
  ZERO_POINT = 32,
  PREFETCH_BYTES = 4096,
};

/* The codes of half a block: low four bits from ql, two more from qh. */
BN_INLINE void
load_half_q6_k (__m512i codes[2], const uint8_t ql[64], const uint8_t qh[32])
{
  const __m512i low = _mm512_set1_epi8 (15), high = _mm512_set1_epi8 (0x30);
  const __m512i left =
      _mm512_inserti64x4 (_mm512_set1_epi16 (4), _mm256_set1_epi16 (2), 1);
  const __m512i right =
      _mm512_inserti64x4 (_mm512_setzero_si512 (), _mm256_set1_epi16 (2), 1);
  __m512i nibbles = _mm512_loadu_si512 (ql);
  __m512i bits = _mm512_broadcast_i64x4 (load_256 (qh));

  codes[0] = _mm512_ternarylogic_epi32 (_mm512_and_si512 (nibbles, low),
      _mm512_sllv_epi16 (bits, left), high, 0xf8);
  codes[1] = _mm512_ternarylogic_epi32 (
      _mm512_and_si512 (_mm512_srli_epi16 (nibbles, 4), low),
      _mm512_srlv_epi16 (bits, right), high, 0xf8);
}

/* Half a block with its activations, added to sum. Scales are in the order in
 * which vpackssdw leaves the products: 4 lanes of the one vector, 4 of the
 * other ... */
BN_INLINE __m512i
add_half_q6_k (__m512i sum, const BnBlockQ6_K *block, const int8_t *q,
    __m256i scales, const int half)
{
  const __m512i order = _mm512_add_epi16 (
      _mm512_set_epi16 (7, 7, 7, 7, 3, 3, 3, 3, 6, 6, 6, 6, 2, 2, 2, 2, 5, 5, 5,
          5, 1, 1, 1, 1, 4, 4, 4, 4, 0, 0, 0, 0),
      _mm512_set1_epi16 ((short) (8 * half)));
  const __m512i zero = _mm512_setzero_si512 ();
  __m512i codes[2], p[2];

  load_half_q6_k (codes, block->ql + 64 * half, block->qh + 32 * half);
#pragma GCC unroll 2
  for (int k = 0; k < 2; k++)
    p[k] = _mm512_dpbusd_epi32 (zero, codes[k],
        _mm512_loadu_si512 (q + HALF_COLS * half + VECTOR_COLS * k));
  return _mm512_dpwssd_epi32 (sum, _mm512_packs_epi32 (p[0], p[1]),
      _mm512_permutexvar_epi16 (order, _mm512_castsi256_si512 (scales)));
}

static float
dot_q6_k (const uint8_t *row, const BnActQ8_K *act, uint32_t n_blocks)
{
  const BnBlockQ6_K *block = (const BnBlockQ6_K *) row;
  float sum = 0;

  for (uint32_t b = 0; b < n_blocks; b++, block++, act++) {
    const __m256i scales = _mm256_cvtepi8_epi16 (load_128 (block->scales));
    __m512i integers = _mm512_zextsi256_si512 (_mm256_madd_epi16 (
        _mm256_mullo_epi16 (scales, _mm256_set1_epi16 (-ZERO_POINT)),
        load_256 (act->sums)));
    __m256i halves;

#pragma GCC unroll 4
    for (size_t i = 0; i < sizeof *block; i += LINE_BYTES)
      prefetch (block, PREFETCH_BYTES + i);
    integers = add_half_q6_k (integers, block, act->qs, scales, 0);
    integers = add_half_q6_k (integers, block, act->qs, scales, 1);
    halves = _mm256_add_epi32 (_mm512_castsi512_si256 (integers),
        _mm512_extracti64x4_epi64 (integers, 1));
    /* as finish_block() has it */
    sum = _mm_cvtss_f32 (_mm_fmadd_ss (
        _mm_set_ss (load_f16 (block->d) * (float) sum_i32 (halves)),
        _mm_set_ss (act->d), _mm_set_ss (sum)));
  }
  return sum;
}

#else
#define dot_q6_k NULL
#endif

/* ---- the body ---- */

typedef struct {
  void (*turn) (uint8_t *out, Rows rows);
  size_t block_size;
  /* A row with one activation row, where that is quicker. */
  float (*dot) (const uint8_t *row, const BnActQ8_K *act, uint32_t n_blocks);
} File;

/* What comes behind these rows, in the order in which it lies: as much of it
 * for each block. */
BN_INLINE Ahead
find_ahead (Rows rows, uint32_t b, const File file, const int n_tiles)
{
  const size_t block_bytes = TILE_ROWS * file.block_size;
  const size_t n = (size_t) n_tiles;

  return (Ahead){rows.first + n * TILE_ROWS * rows.stride + n * b * block_bytes,
      block_bytes, block_bytes};
}

BN_INLINE void
multiply_rows (float *y, size_t y_stride, Rows rows, uint32_t n_rows,
    const Acts *acts, const uint32_t n_acts, const Type type, const File file,
    const int n_tiles)
{
  uint8_t blocks[MAX_TILES][MAX_BLOCK_BYTES]
      __attribute__ ((aligned (BN_ALIGN)));
  __m512 sums[MAX_ACTS][MAX_TILES];

  clear_sums (sums, n_acts, n_tiles);
  for (uint32_t b = 0; b < acts->n_blocks; b++) {
    for (int t = 0; t < n_tiles; t++) {
      const Rows tile = {rows.first + b * file.block_size
                             + (size_t) (TILE_ROWS * t) * rows.stride,
          rows.stride};

      file.turn (blocks[t], tile);
    }
    multiply_block (sums, blocks[0], sizeof blocks[0], acts, b, n_acts,
        find_ahead (rows, b, file, n_tiles), type, n_tiles);
  }
  store_sums (y, y_stride, sums, n_rows, n_acts, n_tiles);
}

BN_INLINE void
matmul (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const void *acts, size_t act_stride, uint32_t n_acts,
    const Type type, const File file)
{
  Acts a = {acts, act_stride, w->n_cols / BN_QK_K};
  const size_t row_size = a.n_blocks * file.block_size;

  if (n_acts == 1 && file.dot) {
    for (uint32_t row = row_begin; row < row_end; row++)
      y[row] = file.dot ((const uint8_t *) w->data + row * row_size,
          act_block (&a, 0, 0), a.n_blocks);
    return;
  }
  for (uint32_t first = 0, n; first < n_acts; first += n) {
    uint32_t n_rows;

    n = n_acts - first < MAX_ACTS ? n_acts - first : MAX_ACTS;
    a.acts = (const uint8_t *) acts + first * act_stride;
    for (uint32_t row = row_begin; row < row_end; row += n_rows) {
      Rows rows = {(const uint8_t *) w->data + row * row_size, row_size};
      float *out = y + first * y_stride + row;

      n_rows = choose_rows (&rows, row_end - row, n);
      if (n == 1)
        multiply_rows (out, y_stride, rows, n_rows, &a, 1, type, file, 1);
      else if (n_rows <= TILE_ROWS)
        multiply_rows (out, y_stride, rows, n_rows, &a, n, type, file, 1);
      else
        multiply_rows (
            out, y_stride, rows, n_rows, &a, n, type, file, MAX_TILES);
    }
  }
}

#define DEFINE_MATMUL(name, Block, load, n_bits, scales, zero, dot)            \
  static void matmul_##name (float *y, size_t y_stride, const BnMatrix *w,     \
      uint32_t row_begin, uint32_t row_end, const void *acts,                  \
      size_t act_stride, uint32_t n_acts)                                      \
  {                                                                            \
    const Type type = {load, CODE_BYTES (n_bits), scales, zero};               \
    const File file = {turn_##name, sizeof (Block), dot};                      \
    matmul (y, y_stride, w, row_begin, row_end, acts, act_stride, n_acts,      \
        type, file);                                                           \
  }

DEFINE_MATMUL (q2_k, BnBlockQ2_K, load_2_bits, 2, SCALES_MIN_16, 0, NULL)
DEFINE_MATMUL (q3_k, BnBlockQ3_K, load_3_bits, 3, SCALES_ZERO_16, 4, NULL)
DEFINE_MATMUL (q4_k, BnBlockQ4_K, load_4_bits, 4, SCALES_MIN, 0, NULL)
DEFINE_MATMUL (q5_k, BnBlockQ5_K, load_5_bits, 5, SCALES_MIN, 0, NULL)
DEFINE_MATMUL (q6_k, BnBlockQ6_K, load_6_bits, 6, SCALES_ZERO_16, 32, dot_q6_k)
DEFINE_MATMUL (tq2_0, BnBlockTQ2_0, load_2_bits, 2, SCALES_NONE, 1, NULL)

#define OPS(name)                                                              \
  (BnMatmulOps)                                                                \
  {                                                                            \
    BN_ACT_Q8_K, RANGE_ROWS, packed_size_in_place, NULL, matmul_##name         \
  }

void
BN_NAME (bn_rows_k_init) (BnKernels *k)
{
  k->in_place[BN_PACK_Q2_K] = OPS (q2_k);
  k->in_place[BN_PACK_Q3_K] = OPS (q3_k);
  k->in_place[BN_PACK_Q4_K] = OPS (q4_k);
  k->in_place[BN_PACK_Q5_K] = OPS (q5_k);
  k->in_place[BN_PACK_Q6_K] = OPS (q6_k);
  k->in_place[BN_PACK_TQ2_0] = OPS (tq2_0);
  k->streams_in_place[BN_PACK_Q6_K] = 1;
}
