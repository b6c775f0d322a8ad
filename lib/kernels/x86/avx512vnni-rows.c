/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Q6_K on rows as they lie in the file, with AVX-512 VNNI: the usual type of an
 * output matrix, which is read once a token and has no time to be packed.
 *
 * A block is four vectors of codes; lane i of their products has columns 4i to
 * 4i + 3, so a scale is for four lanes. Products, scales and what the zero
 * point takes out are summed as integers, and each block's lanes are added to
 * sixteen float lanes with one rounding. */
#include "init.h"

#include "avx2.h"
#include "bn-blocks.h"

enum {
  MAX_ACTS = 4, /* activation rows for which codes are unpacked once */
  N_VECTORS = 4,
  VECTOR_COLS = 64,
  PREFETCH_BYTES = 4096,
  LINE_BYTES = 64,
  CACHED_BYTES = 256 * 1024, /* of rows that are used for all activations */
};

/* The codes of half a block: low four bits from ql, two more from qh. */
BN_INLINE void
load_half (__m512i codes[2], const uint8_t ql[64], const uint8_t qh[32])
{
  const __m512i low = _mm512_set1_epi8 (15), high = _mm512_set1_epi8 (0x30);
  const __m512i left =
      _mm512_inserti64x4 (_mm512_set1_epi16 (4), _mm256_set1_epi16 (2), 1);
  const __m512i right =
      _mm512_inserti64x4 (_mm512_setzero_si512 (), _mm256_set1_epi16 (2), 1);
  __m512i nibbles = _mm512_loadu_si512 (ql);
  __m512i bits = _mm512_broadcast_i64x4 (load_256 (qh));

  codes[0] = _mm512_ternarylogic_epi32 (_mm512_and_si512 (nibbles, low),
      _mm512_sllv_epi16 (bits, left), high, 0xf8); /* a | (b & c) */
  codes[1] = _mm512_ternarylogic_epi32 (
      _mm512_and_si512 (_mm512_srli_epi16 (nibbles, 4), low),
      _mm512_srlv_epi16 (bits, right), high, 0xf8);
}

/* One row with n_acts activation rows. */
BN_INLINE void
dot_q6_k (float results[MAX_ACTS], const uint8_t *row, const uint8_t *acts,
    size_t act_stride, uint32_t n_blocks, const int n_acts)
{
  const int zero_point_bits = 5;
  const __m512i four_lanes =
      _mm512_setr_epi32 (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  __m512 sums[MAX_ACTS] = {0};

  for (uint32_t b = 0; b < n_blocks; b++) {
    const BnBlockQ6_K *block = (const BnBlockQ6_K *) row + b;
    const __m128i scales = load_128 (block->scales);
    const __m512i scale_lanes = _mm512_cvtepi8_epi32 (scales);
    const float d = load_f16 (block->d);
    __m512i codes[N_VECTORS];

#pragma GCC unroll 4
    for (int i = 0; i < (int) sizeof *block; i += LINE_BYTES)
      prefetch (block, PREFETCH_BYTES + (size_t) i);
    load_half (codes, block->ql, block->qh);
    load_half (codes + 2, block->ql + 64, block->qh + 32);
#pragma GCC unroll 4
    for (int i = 0; i < n_acts; i++) {
      const BnActQ8_K *act =
          (const BnActQ8_K *) (const void *) (acts + i * act_stride) + b;
      __m256i taken = _mm256_madd_epi16 (
          _mm256_cvtepi8_epi16 (scales), load_256 (act->sums));
      __m512i sum = _mm512_sub_epi32 (_mm512_setzero_si512 (),
          _mm512_zextsi256_si512 (_mm256_slli_epi32 (taken, zero_point_bits)));

#pragma GCC unroll 4
      for (int k = 0; k < N_VECTORS; k++) {
        __m512i products = _mm512_dpbusd_epi32 (_mm512_setzero_si512 (),
            codes[k], _mm512_loadu_si512 (act->qs + VECTOR_COLS * k));
        __m512i scale = _mm512_permutexvar_epi32 (
            _mm512_add_epi32 (four_lanes, _mm512_set1_epi32 (4 * k)),
            scale_lanes);

        sum = _mm512_add_epi32 (sum, _mm512_mullo_epi32 (products, scale));
      }
      sums[i] = _mm512_fmadd_ps (
          _mm512_set1_ps (d * act->d), _mm512_cvtepi32_ps (sum), sums[i]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n_acts; i++)
    results[i] = sum_f32 (_mm256_add_ps (
        _mm512_castps512_ps256 (sums[i]), _mm512_extractf32x8_ps (sums[i], 1)));
}

static void
matmul_q6_k (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const void *acts, size_t act_stride, uint32_t n_acts)
{
  uint32_t n_blocks = w->n_cols / BN_QK_K;
  size_t row_size = n_blocks * sizeof (BnBlockQ6_K);
  uint32_t step = (uint32_t) (CACHED_BYTES / (row_size + 1)) + 1;
  float results[MAX_ACTS];

  for (uint32_t first = row_begin; first < row_end; first += step) {
    uint32_t stop = row_end - first < step ? row_end : first + step;

    for (uint32_t i = 0, n; i < n_acts; i += n) {
      const uint8_t *a = (const uint8_t *) acts + i * act_stride;

      n = n_acts - i < MAX_ACTS ? n_acts - i : MAX_ACTS;
      for (uint32_t row = first; row < stop; row++) {
        const uint8_t *weights = (const uint8_t *) w->data + row * row_size;

        switch (n) {
          case 1:
            dot_q6_k (results, weights, a, act_stride, n_blocks, 1);
            break;
          case 2:
            dot_q6_k (results, weights, a, act_stride, n_blocks, 2);
            break;
          case 3:
            dot_q6_k (results, weights, a, act_stride, n_blocks, 3);
            break;
          default:
            dot_q6_k (results, weights, a, act_stride, n_blocks, MAX_ACTS);
        }
        for (uint32_t k = 0; k < n; k++)
          y[(i + k) * y_stride + row] = results[k];
      }
    }
  }
}

void
bn_rows_init_avx512vnni (BnKernels *k)
{
  k->in_place[BN_PACK_Q6_K].matmul = matmul_q6_k;
  k->streams_in_place[BN_PACK_Q6_K] = 1;
}
