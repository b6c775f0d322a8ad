/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ternary products with AVX-512 VNNI; ternary-tmpl.h has the memory layout.
 *
 * vpdpbusd multiplies codes 0..2 with the int8 activations and adds four
 * neighbours to an int32: nothing can overflow on the way, and lane j of the
 * sums has the columns c with c / 4 % 16 == j. */
#include "init.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)  \
    || !defined(__AVX512VNNI__)
#error "AVX-512 files need -mavx512f -mavx512bw -mavx512vl -mavx512vnni"
#endif
#include "avx2.h"
#include "ternary.h"

enum {
  PREFETCH_BYTES = 8192,
  BLOCK_BYTES = 64,
  ACT_BYTES = 4 * BLOCK_BYTES,    /* activations of a block */
  STEP = TILE_ROWS * BLOCK_BYTES, /* from one block of a row to the next */
};

static void
pack_block (uint8_t *dst, const uint8_t *codes)
{
  const __m512i code_mask = _mm512_set1_epi8 (3);
  __m512i packed = _mm512_setzero_si512 ();

  for (int group = 3; group >= 0; group--) {
    __m512i c = _mm512_and_si512 (
        _mm512_loadu_si512 (codes + group * BLOCK_BYTES), code_mask);
    packed = _mm512_or_si512 (_mm512_slli_epi16 (packed, 2), c);
  }
  _mm512_storeu_si512 (dst, packed);
}

/* Sixteen lanes to eight. */
BN_INLINE void
store_lanes (int32_t lanes[8], __m512i sums)
{
  store_256 (lanes, _mm256_add_epi32 (_mm512_castsi512_si256 (sums),
                        _mm512_extracti64x4_epi64 (sums, 1)));
}

/* n_acts activation rows: each code vector is made once for all of them. */
BN_INLINE void
dot_tile_acts (Lanes lanes, const uint8_t *tile, const int8_t *const *q,
    uint32_t blocks, const int n_acts)
{
  const __m512i code_mask = _mm512_set1_epi8 (3);
  __m512i sums[MAX_ACTS][TILE_ROWS] = {0};

  for (size_t at = 0; blocks > 0; blocks--, tile += STEP, at += ACT_BYTES) {
    __m512i packed[TILE_ROWS];

#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      packed[row] = _mm512_loadu_si512 (tile + row * BLOCK_BYTES);
#pragma GCC unroll 4
    for (int group = 0; group < 4; group++) {
      __m512i codes[TILE_ROWS];

#pragma GCC unroll 4
      for (int row = 0; row < TILE_ROWS; row++)
        codes[row] = _mm512_and_si512 (
            _mm512_srli_epi16 (packed[row], 2 * group), code_mask);
#pragma GCC unroll 4
      for (int i = 0; i < n_acts; i++) {
        __m512i a = _mm512_loadu_si512 (q[i] + at + group * BLOCK_BYTES);

#pragma GCC unroll 4
        for (int row = 0; row < TILE_ROWS; row++)
          sums[i][row] = _mm512_dpbusd_epi32 (sums[i][row], codes[row], a);
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      store_lanes (lanes[i][row], sums[i][row]);
  }
}

BN_INLINE void
dot_tile (Lanes lanes, const uint8_t *tile, const int8_t *q, uint32_t blocks)
{
  dot_tile_acts (lanes, tile, &q, blocks, 1);
}

/* Two blocks of I2_S, of which the second may be missing, are a vector: its
 * lower half has 32 columns of the first, its upper half those 128 further. */
BN_INLINE void
dot_i2s_acts (Lanes lanes, const uint8_t *const *rows, const int8_t *const *q,
    uint32_t n_cols, const int n_acts)
{
  const __m512i code_mask = _mm512_set1_epi8 (3);
  __m512i sums[MAX_ACTS][TILE_ROWS] = {0};

  for (size_t at = 0; at < n_cols; at += ACT_BYTES) {
    const __mmask64 present =
        n_cols - at < ACT_BYTES ? 0xffffffffu : ~(__mmask64) 0;
    __m512i packed[TILE_ROWS];

#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++) {
      packed[row] = _mm512_maskz_loadu_epi8 (present, rows[row] + at / 4);
      prefetch (rows[row], at / 4 + PREFETCH_BYTES);
    }
#pragma GCC unroll 4
    for (int group = 0; group < 4; group++) {
      __m512i codes[TILE_ROWS];

#pragma GCC unroll 4
      for (int row = 0; row < TILE_ROWS; row++)
        codes[row] = _mm512_and_si512 (
            _mm512_srli_epi16 (packed[row], 6 - 2 * group), code_mask);
#pragma GCC unroll 4
      for (int i = 0; i < n_acts; i++) {
        const int8_t *a = q[i] + at + 32 * group;
        __m512i both =
            _mm512_inserti64x4 (_mm512_castsi256_si512 (load_256 (a)),
                load_256 (a + BN_I2S_COLS), 1);

#pragma GCC unroll 4
        for (int row = 0; row < TILE_ROWS; row++)
          sums[i][row] = _mm512_dpbusd_epi32 (sums[i][row], codes[row], both);
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++) {
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++)
      store_lanes (lanes[i][row], sums[i][row]);
  }
}

#include "ternary-tmpl.h"

void
bn_ternary_init_avx512vnni (BnKernels *k)
{
  init_ternary (k);
}
