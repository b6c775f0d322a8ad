/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary products with AVX2 and with AVX-512 alone.
 *
 * maddubs multiplies codes with the int8 activations into int16 pairs. Only
 * so many of those can be added before an int16 could overflow; then they are
 * widened to int32. A block of a packed row is one vector. */
#include "init.h"

#include "ternary.h"
#include "vectors.h"

#ifdef __AVX512F__

enum {
  BLOCK_BYTES = 64,
  ROWS_AT_ONCE = 4, /* with several activation rows: what registers hold */
};
typedef __m512i Bytes;

#define SHIFT_RIGHT(v, n) _mm512_srli_epi16 (v, n)
#define KEEP(v) BN_KEEP (v)

BN_INLINE Bytes
bytes_set1 (char x)
{
  return _mm512_set1_epi8 (x);
}

BN_INLINE Bytes
bytes_load (const void *p)
{
  return _mm512_loadu_si512 (p);
}

/* The bytes at p for each part of a vector that is n_parts of them. */
BN_INLINE Bytes
bytes_repeat (const void *p, int n_parts)
{
  if (n_parts == 2)
    return _mm512_broadcast_i64x4 (load_256 (p));
  return _mm512_broadcast_i32x4 (load_128 (p));
}

/* Bytes with a shift of their own for each part; 32 bits at a time, because
 * AVX2 has no others. What comes into a byte from the next is masked away. */
BN_INLINE Bytes
bytes_shift_parts (Bytes v, const int n_parts, int first, int step)
{
  const int half = first + n_parts / 2 * step;
  const int second = n_parts == 2 ? first : first + step;

  return _mm512_srlv_epi32 (
      v, _mm512_inserti64x4 (
             _mm512_castsi256_si512 (_mm256_inserti128_si256 (
                 _mm256_set1_epi32 (first), _mm_set1_epi32 (second), 1)),
             _mm256_inserti128_si256 (_mm256_set1_epi32 (half),
                 _mm_set1_epi32 (half + second - first), 1),
             1));
}

BN_INLINE Bytes
bytes_and (Bytes a, Bytes b)
{
  return _mm512_and_si512 (a, b);
}

/* sum16 + the products of codes and q, two by two */
BN_INLINE Bytes
add_products (Bytes sum16, Bytes codes, Bytes q)
{
  return _mm512_add_epi16 (sum16, _mm512_maddubs_epi16 (codes, q));
}

BN_INLINE Bytes
add_wide (Bytes sum32, Bytes sum16)
{
  return _mm512_add_epi32 (
      sum32, _mm512_madd_epi16 (sum16, _mm512_set1_epi16 (1)));
}

BN_INLINE void
store_lanes (int32_t lanes[8], Bytes sums)
{
  store_256 (lanes, _mm256_add_epi32 (_mm512_castsi512_si256 (sums),
                        _mm512_extracti64x4_epi64 (sums, 1)));
}

#else

enum {
  BLOCK_BYTES = 32,
  ROWS_AT_ONCE = 2,
};
typedef __m256i Bytes;

#define SHIFT_RIGHT(v, n) _mm256_srli_epi16 (v, n)
#define KEEP(v) BN_KEEP (v)

BN_INLINE Bytes
bytes_set1 (char x)
{
  return _mm256_set1_epi8 (x);
}

BN_INLINE Bytes
bytes_load (const void *p)
{
  return load_256 (p);
}

/* See above. */
BN_INLINE Bytes
bytes_repeat (const void *p, int n_parts)
{
  return _mm256_broadcastsi128_si256 (load_128 (p));
}

BN_INLINE Bytes
bytes_shift_parts (Bytes v, const int n_parts, int first, int step)
{
  return _mm256_srlv_epi32 (
      v, _mm256_inserti128_si256 (
             _mm256_set1_epi32 (first), _mm_set1_epi32 (first + step), 1));
}

BN_INLINE Bytes
bytes_and (Bytes a, Bytes b)
{
  return _mm256_and_si256 (a, b);
}

/* sum16 + the products of codes and q, two by two */
BN_INLINE Bytes
add_products (Bytes sum16, Bytes codes, Bytes q)
{
  return _mm256_add_epi16 (sum16, _mm256_maddubs_epi16 (codes, q));
}

BN_INLINE Bytes
add_wide (Bytes sum32, Bytes sum16)
{
  return _mm256_add_epi32 (
      sum32, _mm256_madd_epi16 (sum16, _mm256_set1_epi16 (1)));
}

BN_INLINE void
store_lanes (int32_t lanes[8], Bytes sums)
{
  store_256 (lanes, sums);
}

#endif

enum {
  LINE = 64,
  PREFETCH = 8192, /* ahead of rows side by side in the file */
};

#include "ternary-packed-tmpl.h"

/* Products */

/* How rows are read. */
typedef struct {
  size_t step;     /* bytes from a block of a row to the next */
  int piece;       /* bytes that hold four times as many columns */
  int is_reversed; /* group 0 is in the top bits */
  int is_file;     /* may end in part of a block, may have code 3 */
} Reading;

/* Codes of columns from index * BLOCK_BYTES of a block on, in the order of the
 * columns. */
BN_INLINE Bytes
load_codes (const uint8_t *block, const int index, const Reading reading)
{
  const int n_parts = BLOCK_BYTES / reading.piece;
  const int part = index * n_parts; /* of those of a block, four a piece */
  const int first = reading.is_reversed ? 6 - 2 * (part % 4) : 2 * (part % 4);
  const uint8_t *bytes = block + part / 4 * reading.piece;
  Bytes v;

  if (n_parts == 1)
    v = SHIFT_RIGHT (bytes_load (bytes), first);
  else
    v = bytes_shift_parts (bytes_repeat (bytes, n_parts), n_parts, first,
        reading.is_reversed ? -2 : 2);
  return bytes_and (v, bytes_set1 (3));
}

/* Some vectors of a block of some rows: each vector of codes is made once for
 * all activation rows. */
BN_INLINE void
add_block (Bytes sums16[MAX_ACTS][TILE_ROWS], const uint8_t *const *rows,
    size_t at, const int8_t *const *q, size_t q_at, const int n_rows,
    const int n_acts, uint32_t n_vectors, const Reading reading)
{
#pragma GCC unroll 4
  for (int index = 0; index < 4; index++) {
    Bytes codes[TILE_ROWS];

    if (index >= (int) n_vectors)
      break;
#pragma GCC unroll 4
    for (int row = 0; row < n_rows; row++)
      codes[row] = load_codes (rows[row] + at, index, reading);
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++) {
      const Bytes a = bytes_load (q[i] + q_at + (size_t) index * BLOCK_BYTES);

#pragma GCC unroll 4
      for (int row = 0; row < n_rows; row++) {
        sums16[i][row] = add_products (sums16[i][row], codes[row], a);
        KEEP (sums16[i][row]);
      }
    }
  }
}

BN_INLINE void
dot_some_rows (Lanes lanes, const uint8_t *const *rows, int first_row,
    const int n_rows, const int8_t *const *q, size_t row_size, const int n_acts,
    const Reading reading)
{
  /* pairs of at most 2 * 2 * 128, or with code 3 of 2 * 3 * 128, four for a
   * block, in an int16; of a file one part of a block more */
  const size_t safe_blocks = reading.is_file ? 9 : 16;
  const size_t blocks = row_size / BLOCK_BYTES;
  const uint32_t n_last = (uint32_t) (row_size % BLOCK_BYTES * 4 / BLOCK_BYTES);
  size_t block = 0;
  Bytes sums[MAX_ACTS][TILE_ROWS] = {0};

  do {
    const size_t stop =
        blocks - block < safe_blocks ? blocks : block + safe_blocks;
    Bytes sums16[MAX_ACTS][TILE_ROWS] = {0};

    for (; block < stop; block++) {
      if (reading.is_file) {
#pragma GCC unroll 4
        for (int at = 0; at < n_rows * BLOCK_BYTES; at += LINE)
          prefetch (
              rows[0] + n_rows * block * BLOCK_BYTES + (size_t) at, PREFETCH);
      }
      add_block (sums16, rows, block * reading.step, q, block * BLOCK_COLS,
          n_rows, n_acts, 4, reading);
    }
    if (block == blocks && reading.is_file) /* part of a block at the end */
      add_block (sums16, rows, block * reading.step, q, block * BLOCK_COLS,
          n_rows, n_acts, n_last, reading);
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
      for (int row = 0; row < n_rows; row++)
        sums[i][row] = add_wide (sums[i][row], sums16[i][row]);
    }
  } while (block < blocks);
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
    for (int row = 0; row < n_rows; row++)
      store_lanes (lanes[i][first_row + row], sums[i][row]);
  }
}

BN_INLINE void
dot_rows (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, size_t row_size, const int n_acts,
    const Reading reading)
{
  const int n_rows = n_acts == 1 ? TILE_ROWS : ROWS_AT_ONCE;

  for (int row = 0; row < TILE_ROWS; row += n_rows)
    dot_some_rows (
        lanes, rows + row, row, n_rows, q, row_size, n_acts, reading);
}

BN_INLINE void
dot_packed (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, int n_acts)
{
  const uint8_t *in_tile[TILE_ROWS];

  for (int row = 0; row < TILE_ROWS; row++)
    in_tile[row] = rows[0] + row * BLOCK_BYTES;
  dot_rows (lanes, in_tile, q, packed_row_size (n_cols), n_acts,
      (Reading){TILE_BLOCK, BLOCK_BYTES, 0, 0});
}

BN_INLINE void
dot_i2s (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, int n_acts)
{
  dot_rows (
      lanes, rows, q, n_cols / 4, n_acts, (Reading){BLOCK_BYTES, 32, 1, 1});
}

BN_INLINE void
dot_iq2_bn (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, int n_acts)
{
  dot_rows (
      lanes, rows, q, n_cols / 4, n_acts, (Reading){BLOCK_BYTES, 16, 0, 1});
}

#define PACKED ((Form){dot_packed, packed_row_size, 0})
#define I2S ((Form){dot_i2s, file_row_size_i2s, 0})
#define IQ2_BN ((Form){dot_iq2_bn, file_row_size_iq2_bn, sizeof (float)})

DEFINE_TERNARY (packed, PACKED, finish_i8)
DEFINE_TERNARY (packed_x4, PACKED, finish_i8x4)
DEFINE_TERNARY (i2s, I2S, finish_i8)
DEFINE_TERNARY (iq2_bn, IQ2_BN, finish_i8x4)

void
BN_NAME (bn_ternary_init) (BnKernels *k)
{
  k->matmul[BN_PACK_TERNARY] = (BnMatmulOps){
      BN_ACT_I8, TILE_ROWS, packed_size_ternary, pack_ternary, matmul_packed};
  k->matmul[BN_PACK_TERNARY_X4] = (BnMatmulOps){BN_ACT_I8X4, TILE_ROWS,
      packed_size_ternary, pack_ternary, matmul_packed_x4};
  k->in_place[BN_PACK_TERNARY] = (BnMatmulOps){
      BN_ACT_I8, TILE_ROWS, packed_size_in_place, NULL, matmul_i2s};
  k->in_place[BN_PACK_TERNARY_X4] = (BnMatmulOps){
      BN_ACT_I8X4, TILE_ROWS, packed_size_in_place, NULL, matmul_iq2_bn};
}
