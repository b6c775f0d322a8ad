/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Q6_K on rows as they lie in the file, with AVX-512 VNNI: the usual type of an
 * output matrix, which is read once a token and has no time to be packed.
 *
 * A block is four vectors of codes; lane i of their products has columns 4i to
 * 4i + 3, so a scale is for four lanes. A lane is at most 4 * 63 * 128 < 2^15:
 * lanes of two vectors become 16-bit numbers of one, which vpdpwssd multiplies
 * with the scales, and what the zero point takes out is one such product more.
 * Each block's sixteen integer sums are added to sixteen float lanes with one
 * rounding. */
#include "init.h"

#include "avx2.h"
#include "bn-blocks.h"

enum {
  MAX_ACTS = 8, /* activation rows for which codes are unpacked once */
  N_VECTORS = 4,
  VECTOR_COLS = 64,
  ZERO_POINT = 32,
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

/* Scales of the 16-bit products of vectors 2 pair and 2 pair + 1, in the order
 * in which vpackssdw leaves them: 4 lanes of the one, 4 of the other ... */
BN_INLINE __m512i
scales_of_pair (__m256i scales, int pair)
{
  const __m512i order = _mm512_set_epi16 (7, 7, 7, 7, 3, 3, 3, 3, 6, 6, 6, 6, 2,
      2, 2, 2, 5, 5, 5, 5, 1, 1, 1, 1, 4, 4, 4, 4, 0, 0, 0, 0);

  return _mm512_permutexvar_epi16 (
      _mm512_add_epi16 (order, _mm512_set1_epi16 ((short) (8 * pair))),
      _mm512_castsi256_si512 (scales));
}

/* A block of a row with a block of activations. */
BN_INLINE __m512i
dot_block (const __m512i codes[N_VECTORS], const __m512i scales[2],
    __m256i zero_scales, const BnActQ8_K *act)
{
  __m512i p[N_VECTORS], sum;

#pragma GCC unroll 4
  for (int k = 0; k < N_VECTORS; k++)
    p[k] = _mm512_dpbusd_epi32 (_mm512_setzero_si512 (), codes[k],
        _mm512_loadu_si512 (act->qs + VECTOR_COLS * k));
  sum = _mm512_zextsi256_si512 (
      _mm256_madd_epi16 (zero_scales, load_256 (act->sums)));
  sum = _mm512_dpwssd_epi32 (sum, _mm512_packs_epi32 (p[0], p[1]), scales[0]);
  return _mm512_dpwssd_epi32 (sum, _mm512_packs_epi32 (p[2], p[3]), scales[1]);
}

/* One row with n_acts activation rows. */
BN_INLINE void
dot_q6_k (float results[MAX_ACTS], const uint8_t *row, const uint8_t *acts,
    size_t act_stride, uint32_t n_blocks, const int n_acts)
{
  __m512 sums[MAX_ACTS] = {0};

  for (uint32_t b = 0; b < n_blocks; b++) {
    const BnBlockQ6_K *block = (const BnBlockQ6_K *) row + b;
    const __m256i wide = _mm256_cvtepi8_epi16 (load_128 (block->scales));
    const __m256i zero_scales =
        _mm256_mullo_epi16 (wide, _mm256_set1_epi16 (-ZERO_POINT));
    const __m512i scales[2] = {
        scales_of_pair (wide, 0), scales_of_pair (wide, 1)};
    const float d = load_f16 (block->d);
    __m512i codes[N_VECTORS];

#pragma GCC unroll 4
    for (int i = 0; i < (int) sizeof *block; i += LINE_BYTES)
      prefetch (block, PREFETCH_BYTES + (size_t) i);
    load_half (codes, block->ql, block->qh);
    load_half (codes + 2, block->ql + 64, block->qh + 32);
#pragma GCC unroll 8
    for (int i = 0; i < n_acts; i++) {
      const BnActQ8_K *act =
          (const BnActQ8_K *) (const void *) (acts + i * act_stride) + b;

      sums[i] = _mm512_fmadd_ps (_mm512_set1_ps (d * act->d),
          _mm512_cvtepi32_ps (dot_block (codes, scales, zero_scales, act)),
          sums[i]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < n_acts; i++)
    results[i] = sum_f32 (_mm256_add_ps (
        _mm512_castps512_ps256 (sums[i]), _mm512_extractf32x8_ps (sums[i], 1)));
}

static void
dot_row (float results[MAX_ACTS], const uint8_t *row, const uint8_t *acts,
    size_t act_stride, uint32_t n_blocks, uint32_t n_acts)
{
  switch (n_acts) {
    case 1:
      dot_q6_k (results, row, acts, act_stride, n_blocks, 1);
      break;
    case 2:
      dot_q6_k (results, row, acts, act_stride, n_blocks, 2);
      break;
    case 3:
      dot_q6_k (results, row, acts, act_stride, n_blocks, 3);
      break;
    case 4:
      dot_q6_k (results, row, acts, act_stride, n_blocks, 4);
      break;
    case 5:
      dot_q6_k (results, row, acts, act_stride, n_blocks, 5);
      break;
    case 6:
      dot_q6_k (results, row, acts, act_stride, n_blocks, 6);
      break;
    case 7:
      dot_q6_k (results, row, acts, act_stride, n_blocks, 7);
      break;
    default:
      dot_q6_k (results, row, acts, act_stride, n_blocks, MAX_ACTS);
  }
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

        dot_row (results, weights, a, act_stride, n_blocks, n);
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
