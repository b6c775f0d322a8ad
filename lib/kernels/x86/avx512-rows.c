/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of the types in blocks of 32 with AVX-512 on rows as they lie in the
 * file. A block of sixteen rows is turned (avx512-rows.h) into vectors of codes
 * that stay in registers while the activation rows pass by; what is added to
 * the floats of a row is what avx512-tiles.h adds for packed tiles. */
#include "avx512-rows.h"
#include "avx512-tiles.h"

/* Codes of a block of sixteen rows, their d and their m. */
typedef struct {
  __m512i codes[N_VECTORS];
  __m512 d, m;
} Turned;

typedef struct {
  void (*turn) (Turned *out, Rows rows);
  size_t block_size;
} File;

/* The halves of sixteen words. */
BN_INLINE __m512
low_halves (__m512i words)
{
  return _mm512_cvtph_ps (_mm512_cvtepi32_epi16 (words));
}

BN_INLINE __m512
high_halves (__m512i words)
{
  return low_halves (_mm512_srli_epi32 (words, 16));
}

/* Low four bits of a piece are columns 0 to 15. */
BN_INLINE void
turn_nibbles (__m512i codes[N_VECTORS], Rows rows, size_t at)
{
  const __m512i mask = _mm512_set1_epi8 (15);
  __m512i v[PIECE_VECTORS];

  turn_piece (v, rows, at);
#pragma GCC unroll 4
  for (int k = 0; k < PIECE_VECTORS; k++) {
    codes[k] = _mm512_and_si512 (v[k], mask);
    codes[k + 4] = _mm512_and_si512 (_mm512_srli_epi16 (v[k], 4), mask);
  }
}

/* Bit i of a row's word is the fifth of column i. */
BN_INLINE void
add_fifth_bits (__m512i codes[N_VECTORS], __m512i words)
{
  const __m512i even = _mm512_set1_epi32 (0x08040201);
  const __m512i odd = _mm512_set1_epi32 ((int) 0x80402010u);

#pragma GCC unroll 8
  for (int k = 0; k < N_VECTORS; k++) {
    /* its byte for the four columns of a vector */
    __m512i byte = _mm512_shuffle_epi8 (words,
        _mm512_broadcast_i32x4 (_mm_add_epi8 (
            _mm_setr_epi8 (0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12),
            _mm_set1_epi8 ((char) (k / 2)))));

    codes[k] = _mm512_mask_add_epi8 (codes[k],
        _mm512_test_epi8_mask (byte, k % 2 == 0 ? even : odd), codes[k],
        _mm512_set1_epi8 (16));
  }
}

BN_INLINE void
turn_q4_0 (Turned *out, Rows rows)
{
  __m512i head[PIECE_VECTORS];

  turn_piece (head, rows, 0);
  turn_nibbles (out->codes, rows, offsetof (BnBlockQ4_0, qs));
  out->d = low_halves (head[0]);
}

BN_INLINE void
turn_q4_1 (Turned *out, Rows rows)
{
  __m512i head[PIECE_VECTORS];

  turn_piece (head, rows, 0);
  turn_nibbles (out->codes, rows, offsetof (BnBlockQ4_1, qs));
  out->d = low_halves (head[0]);
  out->m = high_halves (head[0]);
}

BN_INLINE void
turn_q5_0 (Turned *out, Rows rows)
{
  __m512i head[PIECE_VECTORS];

  turn_piece (head, rows, 0);
  turn_nibbles (out->codes, rows, offsetof (BnBlockQ5_0, qs));
  out->d = low_halves (head[0]);
  add_fifth_bits (out->codes, _mm512_or_si512 (_mm512_srli_epi32 (head[0], 16),
                                  _mm512_slli_epi32 (head[1], 16)));
}

BN_INLINE void
turn_q5_1 (Turned *out, Rows rows)
{
  __m512i head[PIECE_VECTORS];

  turn_piece (head, rows, 0);
  turn_nibbles (out->codes, rows, offsetof (BnBlockQ5_1, qs));
  out->d = low_halves (head[0]);
  out->m = high_halves (head[0]);
  add_fifth_bits (out->codes, head[1]);
}

BN_INLINE void
turn_q8_0 (Turned *out, Rows rows)
{
  const __m512i flip = _mm512_set1_epi8 ((char) 0x80); /* plus 128 */
  const size_t qs = offsetof (BnBlockQ8_0, qs);
  __m512i head[PIECE_VECTORS];

  turn_piece (head, rows, 0);
  turn_piece (out->codes, rows, qs);
  turn_piece (out->codes + PIECE_VECTORS, rows, qs + PIECE_BYTES);
#pragma GCC unroll 8
  for (int k = 0; k < N_VECTORS; k++)
    out->codes[k] = _mm512_xor_si512 (out->codes[k], flip);
  out->d = low_halves (head[0]);
}

/* Asks for as much of what comes behind these rows as a block has, in the
 * order in which it lies. */
BN_INLINE void
prefetch_ahead (Rows rows, uint32_t b, const size_t block_size)
{
  const size_t n = TILE_ROWS * block_size;

#pragma GCC unroll 9
  for (size_t i = 0; i < n; i += LINE_BYTES)
    prefetch (rows.first + TILE_ROWS * rows.stride + b * n, i);
}

BN_INLINE void
multiply_rows (float *y, size_t y_stride, Rows rows, uint32_t n_rows,
    const uint8_t *acts, size_t act_stride, const uint32_t n_acts,
    uint32_t n_blocks, const Codes codes, const File file)
{
  __m512 sums[MAX_ACTS];

  for (uint32_t i = 0; i < n_acts; i++)
    sums[i] = _mm512_setzero_ps ();
  for (uint32_t b = 0; b < n_blocks; b++) {
    const Rows block = {rows.first + b * file.block_size, rows.stride};
    Turned w;

    prefetch_ahead (rows, b, file.block_size);
    file.turn (&w, block);
    for (uint32_t i = 0; i < n_acts; i++)
      sums[i] = add_block (
          sums[i], &w.codes, w.d, w.m, acts + i * act_stride, b, codes);
  }
  for (uint32_t i = 0; i < n_acts; i++)
    store_rows (y + i * y_stride, sums[i], n_rows);
}

BN_INLINE void
matmul (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const void *acts, size_t act_stride, uint32_t n_acts,
    const Codes codes, const File file)
{
  const uint32_t n_blocks = w->n_cols / BN_QK;
  const size_t row_size = n_blocks * file.block_size;

  for (uint32_t first = 0, n; first < n_acts; first += n) {
    const uint8_t *a = (const uint8_t *) acts + first * act_stride;
    uint32_t n_rows;

    n = n_acts - first < MAX_ACTS ? n_acts - first : MAX_ACTS;
    for (uint32_t row = row_begin; row < row_end; row += n_rows) {
      Rows rows = {(const uint8_t *) w->data + row * row_size, row_size};
      float *out = y + first * y_stride + row;

      n_rows = choose_rows (&rows, row_end - row, 1);
      if (n == 1)
        multiply_rows (out, y_stride, rows, n_rows, a, act_stride, 1, n_blocks,
            codes, file);
      else
        multiply_rows (out, y_stride, rows, n_rows, a, act_stride, n, n_blocks,
            codes, file);
    }
  }
}

#define DEFINE_MATMUL(name, Block, n_bits, zero)                               \
  static void matmul_##name (float *y, size_t y_stride, const BnMatrix *w,     \
      uint32_t row_begin, uint32_t row_end, const void *acts,                  \
      size_t act_stride, uint32_t n_acts)                                      \
  {                                                                            \
    const Codes codes = {n_bits, zero};                                        \
    const File file = {turn_##name, sizeof (Block)};                           \
    matmul (y, y_stride, w, row_begin, row_end, acts, act_stride, n_acts,      \
        codes, file);                                                          \
  }

DEFINE_MATMUL (q4_0, BnBlockQ4_0, 4, 8)
DEFINE_MATMUL (q4_1, BnBlockQ4_1, 4, -1)
DEFINE_MATMUL (q5_0, BnBlockQ5_0, 5, 16)
DEFINE_MATMUL (q5_1, BnBlockQ5_1, 5, -1)
DEFINE_MATMUL (q8_0, BnBlockQ8_0, 8, 128)

#define OPS(act, name)                                                         \
  (BnMatmulOps)                                                                \
  {                                                                            \
    act, RANGE_ROWS, packed_size_in_place, NULL, matmul_##name                 \
  }

void
BN_NAME (bn_rows_init) (BnKernels *k)
{
  k->in_place[BN_PACK_Q4_0] = OPS (BN_ACT_Q8_0, q4_0);
  k->in_place[BN_PACK_Q4_1] = OPS (BN_ACT_Q8_1, q4_1);
  k->in_place[BN_PACK_Q5_0] = OPS (BN_ACT_Q8_0, q5_0);
  k->in_place[BN_PACK_Q5_1] = OPS (BN_ACT_Q8_1, q5_1);
  k->in_place[BN_PACK_Q8_0] = OPS (BN_ACT_Q8_0, q8_0);
}
