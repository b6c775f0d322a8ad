/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary products with AVX-512 VNNI and VBMI.
 *
 * vpdpbusd multiplies codes 0..2 with the int8 activations and adds four
 * neighbours to an int32: nothing can overflow on the way, and lane j of the
 * sums has the columns c with c / 4 % 16 == j.
 *
 * The packed form is dense: 27 < 32, so three codes t0, t1, t2 are an index
 * t0 + 3 t1 + 9 t2 of five bits (quant-formats 11.1). 64 indices, side by side
 * in the bytes of a vector, are 192 columns of a row: t0 those of the first
 * 64, t1 of the second, t2 of the third. A tile of four rows is
 *
 *   block of 384 columns   5 vectors V0 .. V4 for 8 vectors of indices
 *   block ...
 *   rest of 64 columns     1 vector: the codes of row r in bits 2r, 2r + 1
 *   rest ...               at most 6
 *
 *            bits 0-4         5-7                         first half  second
 *       V0   row 0, first     0-2 of A                row 0    V0       V4
 *       V1   row 1, first     bit 3 of C, 3-4 of A    row 1    V1       A
 *       V2   row 2, first     0-2 of B                row 2    V2       B
 *       V3   row 3, first     bit 4 of C, 3-4 of B    row 3    V3       C
 *       V4   row 0, second    0-2 of C
 *
 * vpermb looks only at the low six bits of an index, and its tables have every
 * entry twice, so that what else is in a byte need not be masked away: V0 to
 * V4 are indices as they are, A, B and C are two shifts and a selection.
 * Missing rows and columns hold code 1, which is weight 0. */
#include "init.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)  \
    || !defined(__AVX512VNNI__) || !defined(__AVX512VBMI__)
#error "AVX-512 files need -mavx512f -mavx512bw -mavx512vl -mavx512vnni ..."
#endif
#include "ternary.h"

enum {
  VECTOR = 64,
  PLANES = 3,
  HALF_COLS = PLANES * VECTOR,
  DENSE_COLS = 2 * HALF_COLS,
  DENSE_BYTES = 5 * VECTOR,
  PREFETCH = 8192,        /* ahead of the stream: over the end of a page */
  FILE_PREFETCH = 8192,   /* ahead of four rows side by side */
  MANY_ACTS = 16,         /* that are multiplied by whole tiles */
  NEAR_BYTES = 24 * 1024, /* of tiles that meet all of them */
};

typedef __m512i Sums[MAX_ACTS][TILE_ROWS];

BN_INLINE __m512i
load_512 (const void *p)
{
  return _mm512_loadu_si512 (p);
}

/* Sixteen lanes to eight. */
BN_INLINE void
store_sums (Lanes lanes, Sums sums, int n_acts)
{
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      store_256 (lanes[i][row],
          _mm256_add_epi32 (_mm512_castsi512_si256 (sums[i][row]),
              _mm512_extracti64x4_epi64 (sums[i][row], 1)));
  }
}

/* The products of several activation rows stay in their order, or the compiler
 * moves them to where there are no registers. */
BN_INLINE void
add_products (Sums sums, const __m512i codes[TILE_ROWS], int act, __m512i a,
    const int n_acts)
{
#pragma GCC unroll 4
  for (int row = 0; row < TILE_ROWS; row++) {
    sums[act][row] = _mm512_dpbusd_epi32 (sums[act][row], codes[row], a);
    if (n_acts > 1)
      BN_KEEP (sums[act][row]);
  }
}

/* The dense form */

static size_t
dense_row_size (uint32_t n_cols)
{
  size_t rest = (n_cols % DENSE_COLS + VECTOR - 1) / VECTOR;

  return (n_cols / DENSE_COLS * (size_t) DENSE_BYTES + rest * VECTOR)
         / TILE_ROWS;
}

static size_t
packed_size_dense (uint32_t n_rows, uint32_t n_cols)
{
  return ((size_t) n_rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS
         * dense_row_size (n_cols);
}

/* Indices of 192 columns. */
BN_INLINE __m512i
pack_indices (const uint8_t *codes)
{
  const __m512i code_mask = _mm512_set1_epi8 (3);
  __m512i index = _mm512_setzero_si512 ();

  for (int plane = PLANES - 1; plane >= 0; plane--) {
    __m512i c = _mm512_and_si512 (load_512 (codes + plane * VECTOR), code_mask);
    c = _mm512_min_epu8 (c, _mm512_set1_epi8 (2));
    index = _mm512_add_epi8 (
        _mm512_add_epi8 (index, _mm512_add_epi8 (index, index)), c);
  }
  return index;
}

/* Bits of v under mask, shifted left by 16-bit shifts. */
BN_INLINE __m512i
move_left (__m512i v, int mask, unsigned shift)
{
  return _mm512_slli_epi16 (
      _mm512_and_si512 (v, _mm512_set1_epi8 ((char) mask)), shift);
}

/* codes: 384 of each row */
static void
pack_dense_block (uint8_t *dst, const uint8_t *const codes[TILE_ROWS])
{
  __m512i v[5], a, b, c;

  for (int row = 0; row < TILE_ROWS; row++)
    v[row] = pack_indices (codes[row]);
  v[4] = pack_indices (codes[0] + HALF_COLS);
  a = pack_indices (codes[1] + HALF_COLS);
  b = pack_indices (codes[2] + HALF_COLS);
  c = pack_indices (codes[3] + HALF_COLS);
  v[0] = _mm512_or_si512 (v[0], move_left (a, 7, 5));
  v[1] = _mm512_or_si512 (
      v[1], _mm512_or_si512 (move_left (a, 0x18, 3), move_left (c, 8, 2)));
  v[2] = _mm512_or_si512 (v[2], move_left (b, 7, 5));
  v[3] = _mm512_or_si512 (
      v[3], _mm512_or_si512 (move_left (b, 0x18, 3), move_left (c, 0x10, 1)));
  v[4] = _mm512_or_si512 (v[4], move_left (c, 7, 5));
  for (int i = 0; i < 5; i++)
    _mm512_storeu_si512 (dst + i * VECTOR, v[i]);
}

/* codes: n <= 64 of each row */
static void
pack_rest (uint8_t *dst, const uint8_t *const codes[TILE_ROWS], uint32_t n)
{
  const __mmask64 present = ~0ull >> (VECTOR - n);
  const __m512i ones = _mm512_set1_epi8 (1);
  __m512i packed = _mm512_setzero_si512 ();

  for (int row = TILE_ROWS - 1; row >= 0; row--) {
    __m512i c = _mm512_mask_loadu_epi8 (ones, present, codes[row]);
    packed = _mm512_or_si512 (_mm512_slli_epi16 (packed, 2),
        _mm512_and_si512 (c, _mm512_set1_epi8 (3)));
  }
  _mm512_storeu_si512 (dst, packed);
}

static void
pack_dense (void *dst, const void *src, uint32_t n_rows, uint32_t n_cols,
    uint32_t row_begin, uint32_t row_end)
{
  const size_t row_size = dense_row_size (n_cols);
  uint8_t missing[DENSE_COLS];

  memset (missing, 1, sizeof missing);
  for (uint32_t row = row_begin; row < row_end; row += TILE_ROWS) {
    uint8_t *out = (uint8_t *) dst + row * row_size;

    for (uint32_t col = 0; col < n_cols;) {
      const uint32_t n = n_cols - col < VECTOR ? n_cols - col : VECTOR;
      const uint8_t *codes[TILE_ROWS];

      for (uint32_t i = 0; i < TILE_ROWS; i++)
        codes[i] = row + i < row_end
                       ? (const uint8_t *) src
                             + (row - row_begin + i) * (size_t) n_cols + col
                       : missing;
      if (n_cols - col >= DENSE_COLS) {
        pack_dense_block (out, codes);
        out += DENSE_BYTES;
        col += DENSE_COLS;
      } else {
        pack_rest (out, codes, n);
        out += VECTOR;
        col += n;
      }
    }
  }
}

/* Entry i of table p: digit p of i % 32 in base 3. */
#define DIGIT(p, i) ((i) / (p) % 3 % ((i) < 27 ? 3 : 1))
#define DIGITS_8(p, i)                                                         \
  DIGIT (p, i), DIGIT (p, i + 1), DIGIT (p, i + 2), DIGIT (p, i + 3),          \
      DIGIT (p, i + 4), DIGIT (p, i + 5), DIGIT (p, i + 6), DIGIT (p, i + 7)
#define DIGITS_32(p)                                                           \
  DIGITS_8 (p, 0), DIGITS_8 (p, 8), DIGITS_8 (p, 16), DIGITS_8 (p, 24)

static const uint8_t digits[PLANES][VECTOR]
    __attribute__ ((aligned (VECTOR))) = {
        {DIGITS_32 (1), DIGITS_32 (1)},
        {DIGITS_32 (3), DIGITS_32 (3)},
        {DIGITS_32 (9), DIGITS_32 (9)},
};

/* One half of a block: 192 columns of q from at on. For one activation row
 * each plane has sums of its own, or they would wait for one another. */
BN_INLINE void
dot_half (Sums sums[PLANES], const __m512i index[TILE_ROWS],
    const int8_t *const *q, size_t at, int n_acts)
{
#pragma GCC unroll 3
  for (int plane = 0; plane < PLANES; plane++) {
    const __m512i table = load_512 (digits[plane]);
    __m512i codes[TILE_ROWS];

#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      codes[row] = _mm512_permutexvar_epi8 (index[row], table);
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++)
      add_products (sums[n_acts == 1 ? plane : 0], codes, i,
          load_512 (q[i] + at + plane * VECTOR), n_acts);
  }
}

/* Bits of low under mask, the others of high. */
BN_INLINE __m512i
select_bits (int mask, __m512i low, __m512i high)
{
  return _mm512_ternarylogic_epi32 (
      _mm512_set1_epi8 ((char) mask), low, high, 0xca);
}

/* Adds the products of a tile; they are in sums[0]. streams: what follows is
 * asked for. */
BN_INLINE void
sum_dense (Sums sums[PLANES], const uint8_t *tile, const int8_t *const *q,
    uint32_t n_cols, const int n_acts, const int streams)
{
  uint32_t rest = n_cols % DENSE_COLS;
  size_t at = 0;

  for (; at + DENSE_COLS <= n_cols; at += DENSE_COLS, tile += DENSE_BYTES) {
    __m512i v[5], second[TILE_ROWS];

#pragma GCC unroll 5
    for (int i = 0; i < 5; i++) {
      v[i] = load_512 (tile + i * VECTOR);
      if (streams && n_acts == 1)
        prefetch_once (tile + i * VECTOR, PREFETCH);
      else if (streams)
        prefetch (tile + i * VECTOR, PREFETCH);
    }
    dot_half (sums, v, q, at, n_acts);
    second[0] = v[4];
    second[1] = select_bits (
        7, _mm512_srli_epi16 (v[0], 5), _mm512_srli_epi16 (v[1], 3));
    second[2] = select_bits (
        7, _mm512_srli_epi16 (v[2], 5), _mm512_srli_epi16 (v[3], 3));
    second[3] = select_bits (15,
        select_bits (
            7, _mm512_srli_epi16 (v[4], 5), _mm512_srli_epi16 (v[1], 2)),
        _mm512_srli_epi16 (v[3], 1));
    dot_half (sums, second, q, at + HALF_COLS, n_acts);
  }
  for (uint32_t col = 0; col < rest; col += VECTOR, tile += VECTOR) {
    const __m512i packed = load_512 (tile);
    __m512i codes[TILE_ROWS];

#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      codes[row] = _mm512_and_si512 (
          _mm512_srli_epi16 (packed, 2 * row), _mm512_set1_epi8 (3));
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++)
      add_products (sums[0], codes, i, load_512 (q[i] + at + col), n_acts);
  }
  if (n_acts == 1) {
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      sums[0][0][row] = _mm512_add_epi32 (
          sums[0][0][row], _mm512_add_epi32 (sums[1][0][row], sums[2][0][row]));
  }
}

BN_INLINE void
dot_dense (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, const int n_acts)
{
  Sums sums[PLANES] = {0};

  sum_dense (sums, rows[0], q, n_cols, n_acts, 1);
  store_sums (lanes, sums[0], n_acts);
}

/* The dense form with many activation rows. The sums of a tile with MAX_ACTS of
 * them become one vector of results, a quad of rows for each:
 *
 *     [ act 0: row 0, 1, 2, 3 | act 1: row 0, 1, 2, 3 | act 2 | act 3 ]
 *
 * Activation rows that are missing are the last one once more. */

/* Four vectors to one: their sums in each quad. */
BN_INLINE __m512i
sum_in_quads (const __m512i v[4])
{
  __m512i low = _mm512_add_epi32 (
      _mm512_unpacklo_epi32 (v[0], v[1]), _mm512_unpackhi_epi32 (v[0], v[1]));
  __m512i high = _mm512_add_epi32 (
      _mm512_unpacklo_epi32 (v[2], v[3]), _mm512_unpackhi_epi32 (v[2], v[3]));

  return _mm512_add_epi32 (
      _mm512_unpacklo_epi64 (low, high), _mm512_unpackhi_epi64 (low, high));
}

/* Four vectors to one: quad i is the sum of the quads of vector i. */
BN_INLINE __m512i
sum_of_quads (const __m512i v[4])
{
  __m512i low = _mm512_add_epi32 (_mm512_shuffle_i32x4 (v[0], v[1], 0x44),
      _mm512_shuffle_i32x4 (v[0], v[1], 0xee));
  __m512i high = _mm512_add_epi32 (_mm512_shuffle_i32x4 (v[2], v[3], 0x44),
      _mm512_shuffle_i32x4 (v[2], v[3], 0xee));

  return _mm512_add_epi32 (_mm512_shuffle_i32x4 (low, high, 0x88),
      _mm512_shuffle_i32x4 (low, high, 0xdd));
}

/* Of the activation rows of a tile: four numbers for each. */
typedef struct {
  int32_t sum[MAX_ACTS][4];
  float scale[MAX_ACTS][4];
} Heads __attribute__ ((aligned (BN_ALIGN)));

typedef void (*LoadHead) (Heads *heads, uint32_t i, const void *head);
typedef __m512 (*FinishSums) (const Sums sums, const Heads *heads);

BN_INLINE void
load_head_i8 (Heads *heads, uint32_t i, const void *head)
{
  const BnActI8 *act = head;

  store_128 (heads->sum[i], _mm_set1_epi32 (act->sum));
  _mm_storeu_ps (heads->scale[i], _mm_set1_ps (act->scale));
}

BN_INLINE void
load_head_i8x4 (Heads *heads, uint32_t i, const void *head)
{
  const BnActI8X4 *act = head;

  memcpy (heads->sum[i], act->sum, sizeof act->sum);
  memcpy (heads->scale[i], act->d, sizeof act->d);
}

/* As finish_i8() does. */
BN_INLINE __m512
finish_sums_i8 (const Sums sums, const Heads *heads)
{
  __m512i u[MAX_ACTS];

#pragma GCC unroll 4
  for (int i = 0; i < MAX_ACTS; i++)
    u[i] = sum_in_quads (sums[i]);
  return _mm512_div_ps (_mm512_cvtepi32_ps (_mm512_sub_epi32 (
                            sum_of_quads (u), load_512 (heads->sum))),
      _mm512_load_ps (heads->scale));
}

/* As finish_i8x4() does. */
BN_INLINE __m512
finish_sums_i8x4 (const Sums sums, const Heads *heads)
{
  const __m512i turn =
      _mm512_setr_epi32 (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512 results = _mm512_setzero_ps ();

#pragma GCC unroll 4
  for (int i = 0; i < MAX_ACTS; i++) {
    const __m512i u = _mm512_sub_epi32 (sum_of_quads (sums[i]),
        _mm512_broadcast_i32x4 (load_128 (heads->sum[i])));
    __m512 groups = _mm512_mul_ps (_mm512_cvtepi32_ps (u),
        _mm512_broadcast_f32x4 (_mm_load_ps (heads->scale[i])));

    groups = _mm512_add_ps (groups, _mm512_permute_ps (groups, 0x4e));
    groups = _mm512_add_ps (groups, _mm512_permute_ps (groups, 0xb1));
    results = _mm512_mask_mov_ps (results, (__mmask16) (0x1111 << i), groups);
  }
  return _mm512_permutexvar_ps (turn, results);
}

/* The results of a tile, times the scales of its rows, to the n_acts rows of
 * y. */
BN_INLINE void
store_tile (float *y, size_t y_stride, __m512 results, const float *row_scale,
    uint32_t n_rows, uint32_t n_acts)
{
  const __mmask8 present =
      (__mmask8) (n_rows < TILE_ROWS ? (1u << n_rows) - 1 : 0xf);
  __m128 quads[MAX_ACTS];

  results = _mm512_mul_ps (results,
      _mm512_broadcast_f32x4 (_mm_maskz_loadu_ps (present, row_scale)));
  quads[0] = _mm512_castps512_ps128 (results);
  quads[1] = _mm512_extractf32x4_ps (results, 1);
  quads[2] = _mm512_extractf32x4_ps (results, 2);
  quads[3] = _mm512_extractf32x4_ps (results, 3);
  if (n_rows >= TILE_ROWS && n_acts >= MAX_ACTS) {
#pragma GCC unroll 4
    for (uint32_t i = 0; i < MAX_ACTS; i++)
      _mm_storeu_ps (y + i * y_stride, quads[i]);
    return;
  }
  for (uint32_t i = 0; i < n_acts && i < MAX_ACTS; i++)
    _mm_mask_storeu_ps (y + i * y_stride, present, quads[i]);
}

/* Rows of weights, some tiles of them that stay in the first cache. */
typedef struct {
  const BnMatrix *w;
  uint32_t begin, end;
  size_t tile_size;
  size_t size; /* of all tiles */
  /* Of each tile that follows these, what is asked for meanwhile. */
  size_t fetch_begin, fetch_end;
} Near;

/* Near rows with up to MAX_ACTS activation rows. */
BN_INLINE void
multiply_near (float *y, size_t y_stride, const Near *near, const uint8_t *acts,
    size_t act_stride, uint32_t n_acts, LoadHead load_head, FinishSums finish)
{
  const BnMatrix *w = near->w;
  const uint8_t *tile =
      (const uint8_t *) w->data + near->begin / TILE_ROWS * near->tile_size;
  const int8_t *q[MAX_ACTS];
  Heads heads;

#pragma GCC unroll 4
  for (uint32_t i = 0; i < MAX_ACTS; i++) {
    const uint8_t *act = acts + (i < n_acts ? i : n_acts - 1) * act_stride;

    load_head (&heads, i, act);
    q[i] = (const int8_t *) act + BN_ALIGN;
  }
  for (uint32_t row = near->begin; row < near->end; row += TILE_ROWS) {
    Sums sums[PLANES] = {0};

    for (size_t at = near->fetch_begin; at < near->fetch_end; at += VECTOR)
      prefetch_second_level (tile + at, near->size);
    sum_dense (sums, tile, q, w->n_cols, MAX_ACTS, 0);
    store_tile (y + row, y_stride, finish (sums[0], &heads), w->row_scale + row,
        near->end - row, n_acts);
    tile += near->tile_size;
  }
}

/* Near rows meet all activation rows. */
BN_INLINE void
multiply_many (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const uint8_t *acts, size_t act_stride, uint32_t n_acts,
    LoadHead load_head, FinishSums finish)
{
  const size_t tile_size = TILE_ROWS * dense_row_size (w->n_cols);
  const uint32_t n_tiles = (uint32_t) (NEAR_BYTES / (tile_size + 1)) + 1;
  const uint32_t n_parts = (n_acts + MAX_ACTS - 1) / MAX_ACTS;
  Near near = {w, .tile_size = tile_size, .size = n_tiles * tile_size};

  for (uint32_t row = row_begin; row < row_end; row = near.end) {
    near.begin = row;
    near.end = row_end - row < n_tiles * TILE_ROWS ? row_end
                                                   : row + n_tiles * TILE_ROWS;
    near.fetch_end = 0;
    for (uint32_t part = 0; part < n_parts; part++) {
      near.fetch_begin = near.fetch_end;
      near.fetch_end = tile_size * (part + 1) / n_parts / VECTOR * VECTOR;
      multiply_near (y + part * MAX_ACTS * y_stride, y_stride, &near,
          acts + part * MAX_ACTS * act_stride, act_stride,
          n_acts - part * MAX_ACTS, load_head, finish);
    }
  }
}

/* The file's rows. 128 columns are two vectors of codes in the order of the
 * columns, so that activations are loaded as they lie: each part of a vector
 * gets the bytes that hold it and shifts its own codes down. */

enum { FILE_COLS = 2 * VECTOR, FILE_BYTES = FILE_COLS / 4 };

typedef __m512i (*LoadCodes) (const uint8_t *bytes, int half);

/* I2_S: 32 bytes hold four times 32 columns, the first in the top bits. */
BN_INLINE __m512i
load_i2s (const uint8_t *bytes, int half)
{
  const __m512i shifts =
      _mm512_inserti64x4 (_mm512_set1_epi16 ((short) (half ? 2 : 6)),
          _mm256_set1_epi16 ((short) (half ? 0 : 4)), 1);
  const __m512i packed = _mm512_broadcast_i64x4 (load_256 (bytes));

  return _mm512_and_si512 (
      _mm512_srlv_epi16 (packed, shifts), _mm512_set1_epi8 (3));
}

/* IQ2_BN: 16 bytes hold four times 16 columns, the first in the lowest bits. */
BN_INLINE __m512i
load_iq2_bn (const uint8_t *bytes, int half)
{
  const __m512i shifts = _mm512_setr_epi64 (0, 0, 0x0002000200020002,
      0x0002000200020002, 0x0004000400040004, 0x0004000400040004,
      0x0006000600060006, 0x0006000600060006);
  const __m512i packed =
      _mm512_broadcast_i32x4 (load_128 (bytes + half * (FILE_BYTES / 2)));

  return _mm512_and_si512 (
      _mm512_srlv_epi16 (packed, shifts), _mm512_set1_epi8 (3));
}

BN_INLINE void
add_file_codes (Sums sums, const uint8_t *const rows[TILE_ROWS], size_t at,
    const int8_t *const *q, const int n_acts, const int half, LoadCodes load)
{
  __m512i codes[TILE_ROWS];

#pragma GCC unroll 4
  for (int row = 0; row < TILE_ROWS; row++)
    codes[row] = load (rows[row] + at, half);
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++)
    add_products (
        sums, codes, i, load_512 (q[i] + 4 * at + half * VECTOR), n_acts);
}

BN_INLINE void
dot_file (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, const int n_acts, LoadCodes load)
{
  const size_t row_size = n_cols / 4;
  Sums sums[2] = {0};
  size_t at = 0;

  for (; at + FILE_BYTES <= row_size; at += FILE_BYTES) {
    prefetch (rows[0] + TILE_ROWS * at, FILE_PREFETCH);
    prefetch (rows[0] + TILE_ROWS * at + VECTOR, FILE_PREFETCH);
    add_file_codes (sums[0], rows, at, q, n_acts, 0, load);
    add_file_codes (sums[n_acts == 1 ? 1 : 0], rows, at, q, n_acts, 1, load);
  }
  if (at < row_size)
    add_file_codes (sums[0], rows, at, q, n_acts, 0, load);
  if (n_acts == 1) {
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      sums[0][0][row] = _mm512_add_epi32 (sums[0][0][row], sums[1][0][row]);
  }
  store_sums (lanes, sums[0], n_acts);
}

BN_INLINE void
dot_i2s (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, int n_acts)
{
  dot_file (lanes, rows, q, n_cols, n_acts, load_i2s);
}

BN_INLINE void
dot_iq2_bn (Lanes lanes, const uint8_t *const rows[TILE_ROWS],
    const int8_t *const *q, uint32_t n_cols, int n_acts)
{
  dot_file (lanes, rows, q, n_cols, n_acts, load_iq2_bn);
}

/* The file's rows with many activation rows: a panel of codes, one a byte, is
 * made once for up to PANEL_ACTS of them. */

enum {
  PANEL_ROWS = 2 * TILE_ROWS,
  PANEL_COLS = 2560, /* with the activations they meet in the first cache */
  PANEL_ACTS = 64,
  MIN_PANEL_ACTS = 12,
};

typedef uint8_t Panel[PANEL_ROWS][PANEL_COLS];
typedef Lanes PanelLanes[PANEL_ACTS / MAX_ACTS][PANEL_ROWS / TILE_ROWS];

/* rows: of the columns of the panel, row_size bytes apart; the last of n_rows
 * stands for those that are missing. What follows is asked for. */
BN_INLINE void
fill_panel (Panel panel, const uint8_t *rows, size_t row_size, uint32_t n_rows,
    uint32_t n_cols, LoadCodes load)
{
  for (uint32_t row = 0; row < PANEL_ROWS; row++) {
    const uint8_t *bytes = rows + (row < n_rows ? row : n_rows - 1) * row_size;
    uint32_t col = 0;

    for (; col + FILE_COLS <= n_cols; col += FILE_COLS, bytes += FILE_BYTES) {
      _mm512_store_si512 (&panel[row][col], load (bytes, 0));
      _mm512_store_si512 (&panel[row][col + VECTOR], load (bytes, 1));
      prefetch_second_level (bytes, PANEL_ROWS * row_size);
    }
    if (col < n_cols)
      _mm512_store_si512 (&panel[row][col], load (bytes, 0));
  }
}

/* Adds the products of a tile of a panel. */
BN_INLINE void
dot_panel (Lanes lanes, const uint8_t *tile, const int8_t *const *q,
    uint32_t n_cols, int is_first)
{
  Sums sums = {0};

  for (uint32_t col = 0; col < n_cols; col += VECTOR) {
    __m512i codes[TILE_ROWS];

#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      codes[row] = load_512 (tile + row * PANEL_COLS + col);
#pragma GCC unroll 4
    for (int i = 0; i < MAX_ACTS; i++)
      add_products (sums, codes, i, load_512 (q[i] + col), MAX_ACTS);
  }
  if (!is_first) {
#pragma GCC unroll 4
    for (int i = 0; i < MAX_ACTS; i++) {
#pragma GCC unroll 4
      for (int row = 0; row < TILE_ROWS; row++)
        sums[i][row] = _mm512_add_epi32 (
            sums[i][row], _mm512_zextsi256_si512 (load_256 (lanes[i][row])));
    }
  }
  store_sums (lanes, sums, MAX_ACTS);
}

/* A panel with n_acts activation rows; the last of these stands for those that
 * are missing in the last tile. */
static void
multiply_panel (PanelLanes lanes, const Panel panel, const uint8_t *acts,
    size_t act_stride, uint32_t n_acts, uint32_t col, uint32_t n_cols)
{
  for (uint32_t i = 0; i < n_acts; i += MAX_ACTS) {
    const int8_t *q[MAX_ACTS];

    for (uint32_t k = 0; k < MAX_ACTS; k++)
      q[k] = (const int8_t *) acts + BN_ALIGN + col
             + (i + k < n_acts ? i + k : n_acts - 1) * act_stride;
    for (uint32_t row = 0; row < PANEL_ROWS; row += TILE_ROWS)
      dot_panel (lanes[i / MAX_ACTS][row / TILE_ROWS], panel[row], q, n_cols,
          col == 0);
  }
}

BN_INLINE void
matmul_panels (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const uint8_t *acts, size_t act_stride, uint32_t n_acts,
    const Form form, FinishTile finish, LoadCodes load)
{
  const size_t row_size = form.row_size (w->n_cols);
  const uint32_t n_blocks = (w->n_cols + PANEL_COLS - 1) / PANEL_COLS;
  const uint32_t step =
      (w->n_cols / n_blocks + FILE_COLS - 1) / FILE_COLS * FILE_COLS;
  Panel panel __attribute__ ((aligned (BN_ALIGN)));
  PanelLanes lanes;

  for (uint32_t row = row_begin; row < row_end; row += PANEL_ROWS) {
    const uint8_t *rows =
        (const uint8_t *) w->data + form.header + row * row_size;

    for (uint32_t col = 0; col < w->n_cols; col += step) {
      const uint32_t n = w->n_cols - col < step ? w->n_cols - col : step;

      fill_panel (panel, rows + col / 4, row_size, row_end - row, n, load);
      multiply_panel (lanes, panel, acts, act_stride, n_acts, col, n);
    }
    for (uint32_t i = 0; i < n_acts; i++) {
      for (uint32_t k = 0; k < PANEL_ROWS && row + k < row_end; k += TILE_ROWS)
        store_results (y + i * y_stride + row + k,
            lanes[i / MAX_ACTS][k / TILE_ROWS][i % MAX_ACTS],
            acts + i * act_stride, w->row_scale + row + k, row_end - row - k,
            finish);
    }
  }
}

/* Products of the dense form. */
#define DEFINE_DENSE(name, finish, load_head, finish_sums)                     \
  static void matmul_##name (float *y, size_t y_stride, const BnMatrix *w,     \
      uint32_t row_begin, uint32_t row_end, const void *acts,                  \
      size_t act_stride, uint32_t n_acts)                                      \
  {                                                                            \
    if (n_acts >= MANY_ACTS)                                                   \
      multiply_many (y, y_stride, w, row_begin, row_end, acts, act_stride,     \
          n_acts, load_head, finish_sums);                                     \
    else                                                                       \
      matmul_form (y, y_stride, w, row_begin, row_end, acts, act_stride,       \
          n_acts, DENSE, finish);                                              \
  }

/* Products of the file's rows. */
#define DEFINE_FILE(name, form, finish, load)                                  \
  static void matmul_##name (float *y, size_t y_stride, const BnMatrix *w,     \
      uint32_t row_begin, uint32_t row_end, const void *acts,                  \
      size_t act_stride, uint32_t n_acts)                                      \
  {                                                                            \
    const uint8_t *a = acts;                                                   \
                                                                               \
    for (uint32_t n; n_acts >= MIN_PANEL_ACTS; n_acts -= n) {                  \
      n = n_acts < PANEL_ACTS ? n_acts : PANEL_ACTS;                           \
      matmul_panels (y, y_stride, w, row_begin, row_end, a, act_stride, n,     \
          form, finish, load);                                                 \
      y += n * y_stride;                                                       \
      a += n * act_stride;                                                     \
    }                                                                          \
    if (n_acts > 0)                                                            \
      matmul_form (y, y_stride, w, row_begin, row_end, a, act_stride, n_acts,  \
          form, finish);                                                       \
  }

#define DENSE ((Form){dot_dense, dense_row_size, 0})
#define I2S ((Form){dot_i2s, file_row_size_i2s, 0})
#define IQ2_BN ((Form){dot_iq2_bn, file_row_size_iq2_bn, sizeof (float)})

DEFINE_DENSE (dense, finish_i8, load_head_i8, finish_sums_i8)
DEFINE_DENSE (dense_x4, finish_i8x4, load_head_i8x4, finish_sums_i8x4)
DEFINE_FILE (i2s, I2S, finish_i8, load_i2s)
DEFINE_FILE (iq2_bn, IQ2_BN, finish_i8x4, load_iq2_bn)

void
bn_ternary_init_avx512vnni (BnKernels *k)
{
  k->matmul[BN_PACK_TERNARY] = (BnMatmulOps){
      BN_ACT_I8, TILE_ROWS, packed_size_dense, pack_dense, matmul_dense};
  k->matmul[BN_PACK_TERNARY_X4] = (BnMatmulOps){
      BN_ACT_I8X4, TILE_ROWS, packed_size_dense, pack_dense, matmul_dense_x4};
  k->in_place[BN_PACK_TERNARY] = (BnMatmulOps){
      BN_ACT_I8, PANEL_ROWS, packed_size_in_place, NULL, matmul_i2s};
  k->in_place[BN_PACK_TERNARY_X4] = (BnMatmulOps){
      BN_ACT_I8X4, PANEL_ROWS, packed_size_in_place, NULL, matmul_iq2_bn};
}
