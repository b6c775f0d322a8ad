/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention with AVX2: scores, softmax, weighted values, page by page.
 *
 *   scores   each key is widened once for up to MAX_HEADS heads; the products
 *            of a head run in eight lanes that are added at the end
 *   softmax  e^(s - max), summed in double in eight lanes
 *   values   a page at a time into 16 columns of up to MAX_HEADS heads, so
 *            that keys and values are read once; cells are added in order
 *
 * Each head goes through the same steps whatever other heads are in the call.
 */
#include "init.h"

#include <math.h>
#include "avx2.h"

enum {
  FLOATS = 8, /* in a vector */
  MAX_HEADS = 4,
  VALUE_VECTORS = 2, /* that one pass over a page sums for each head */
};

/* Cells that lie side by side. */
typedef struct {
  const uint16_t *k, *v;
  uint32_t first, n_cells;
} Page;

BN_INLINE Page
page_at (const BnKvView *kv, uint32_t cell, uint32_t n_cells)
{
  size_t offset = (size_t) kv->page[cell / kv->page_cells] * kv->page_stride;
  uint32_t rest = n_cells - cell;

  return (Page){kv->k + offset, kv->v + offset, cell,
      rest < kv->page_cells ? rest : kv->page_cells};
}

/* Up to eight halves as floats, the missing ones being 0. */
BN_INLINE __m256
load_halves (const uint16_t *x, uint32_t n)
{
  uint16_t padded[FLOATS] = {0};

  if (n >= FLOATS)
    return _mm256_cvtph_ps (load_128 (x));
  memcpy (padded, x, n * sizeof *x);
  return _mm256_cvtph_ps (load_128 (padded));
}

BN_INLINE __m256
load_floats (const float *x, uint32_t n)
{
  float padded[FLOATS] = {0};

  if (n >= FLOATS)
    return _mm256_loadu_ps (x);
  memcpy (padded, x, n * sizeof *x);
  return _mm256_loadu_ps (padded);
}

/* Scores of the cells of a page for n_heads heads. */
BN_INLINE void
score_page (float *scores, size_t score_stride, const float *q,
    const Page *page, uint32_t head_size, float scale, const int n_heads)
{
  for (uint32_t cell = 0; cell < page->n_cells; cell++) {
    const uint16_t *key = page->k + (size_t) cell * head_size;
    __m256 sums[MAX_HEADS] = {0};

    for (uint32_t i = 0; i < head_size; i += FLOATS) {
      __m256 k = load_halves (key + i, head_size - i);
#pragma GCC unroll 4
      for (int head = 0; head < n_heads; head++) {
        const float *query = q + (size_t) head * head_size + i;
        sums[head] =
            _mm256_fmadd_ps (load_floats (query, head_size - i), k, sums[head]);
      }
    }
#pragma GCC unroll 4
    for (int head = 0; head < n_heads; head++)
      scores[head * score_stride + page->first + cell] =
          scale * sum_f32 (sums[head]);
  }
}

/* Scores to probabilities. */
static void
softmax (float *scores, uint32_t n)
{
  __m256 max = _mm256_set1_ps (-INFINITY);
  __m256d low = _mm256_setzero_pd (), high = _mm256_setzero_pd ();
  __m256 inverse;
  double lanes[4], sum;
  uint32_t rest = n % FLOATS, whole = n - rest;
  float last[FLOATS], max_lanes[FLOATS], largest = -INFINITY;

  /* the last scores, then some that come to nothing */
  for (uint32_t i = 0; i < FLOATS; i++)
    last[i] = i < rest ? scores[whole + i] : -INFINITY;
  for (uint32_t i = 0; i < whole; i += FLOATS)
    max = _mm256_max_ps (_mm256_loadu_ps (scores + i), max);
  max = _mm256_max_ps (_mm256_loadu_ps (last), max);
  _mm256_storeu_ps (max_lanes, max);
  for (int i = 0; i < FLOATS; i++)
    largest = max_lanes[i] > largest ? max_lanes[i] : largest;
  max = _mm256_set1_ps (largest);
  for (uint32_t i = 0; i <= whole; i += FLOATS) {
    float *at = i < whole ? scores + i : last;
    __m256 e = exp_f32 (_mm256_sub_ps (_mm256_loadu_ps (at), max));

    _mm256_storeu_ps (at, e);
    low = _mm256_add_pd (low, _mm256_cvtps_pd (_mm256_castps256_ps128 (e)));
    high = _mm256_add_pd (high, _mm256_cvtps_pd (_mm256_extractf128_ps (e, 1)));
  }
  _mm256_storeu_pd (lanes, _mm256_add_pd (low, high));
  sum = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
  inverse = _mm256_set1_ps ((float) (1.0 / sum));
  for (uint32_t i = 0; i <= whole; i += FLOATS) {
    float *at = i < whole ? scores + i : last;
    _mm256_storeu_ps (at, _mm256_mul_ps (_mm256_loadu_ps (at), inverse));
  }
  memcpy (scores + whole, last, rest * sizeof *scores);
}

/* out += p v of a page for whole vectors of columns. */
BN_INLINE void
add_values (float *out, const float *p, size_t p_stride, const Page *page,
    uint32_t head_size, uint32_t col, const int n_vectors, const int n_heads)
{
  __m256 sums[MAX_HEADS][VALUE_VECTORS];

#pragma GCC unroll 4
  for (int head = 0; head < n_heads; head++) {
#pragma GCC unroll 2
    for (int j = 0; j < n_vectors; j++)
      sums[head][j] =
          _mm256_loadu_ps (out + (size_t) head * head_size + col + j * FLOATS);
  }
  for (uint32_t cell = 0; cell < page->n_cells; cell++) {
    const uint16_t *value = page->v + (size_t) cell * head_size + col;
    __m256 v[VALUE_VECTORS];

#pragma GCC unroll 2
    for (int j = 0; j < n_vectors; j++)
      v[j] = _mm256_cvtph_ps (load_128 (value + j * FLOATS));
#pragma GCC unroll 4
    for (int head = 0; head < n_heads; head++) {
      __m256 weight =
          _mm256_broadcast_ss (p + head * p_stride + page->first + cell);
#pragma GCC unroll 2
      for (int j = 0; j < n_vectors; j++) {
        sums[head][j] = _mm256_fmadd_ps (weight, v[j], sums[head][j]);
        BN_KEEP (sums[head][j]);
      }
    }
  }
#pragma GCC unroll 4
  for (int head = 0; head < n_heads; head++) {
#pragma GCC unroll 2
    for (int j = 0; j < n_vectors; j++)
      _mm256_storeu_ps (
          out + (size_t) head * head_size + col + j * FLOATS, sums[head][j]);
  }
}

BN_INLINE void
add_page (float *out, const float *p, size_t p_stride, const Page *page,
    uint32_t head_size, const int n_heads)
{
  uint32_t col = 0;

  for (; col + VALUE_VECTORS * FLOATS <= head_size;
       col += VALUE_VECTORS * FLOATS)
    add_values (out, p, p_stride, page, head_size, col, VALUE_VECTORS, n_heads);
  for (; col + FLOATS <= head_size; col += FLOATS)
    add_values (out, p, p_stride, page, head_size, col, 1, n_heads);
  for (; col < head_size; col++) {
    for (int head = 0; head < n_heads; head++) {
      float *sum = out + (size_t) head * head_size + col;

      for (uint32_t cell = 0; cell < page->n_cells; cell++)
        *sum = fmaf (p[head * p_stride + page->first + cell],
            load_f16 (page->v + (size_t) cell * head_size + col), *sum);
    }
  }
}

BN_INLINE void
attend_heads (float *out, const float *q, const BnKvView *kv, uint32_t n_cells,
    float scale, float *scores, const int n_heads)
{
  uint32_t head_size = kv->head_size;

  for (uint32_t cell = 0; cell < n_cells; cell += kv->page_cells) {
    Page page = page_at (kv, cell, n_cells);
    score_page (scores, n_cells, q, &page, head_size, scale, n_heads);
  }
  for (int head = 0; head < n_heads; head++)
    softmax (scores + (size_t) head * n_cells, n_cells);
  memset (out, 0, (size_t) n_heads * head_size * sizeof *out);
  for (uint32_t cell = 0; cell < n_cells; cell += kv->page_cells) {
    Page page = page_at (kv, cell, n_cells);
    add_page (out, scores, n_cells, &page, head_size, n_heads);
  }
}

static void
attend_avx2 (float *out, const float *q, uint32_t n_heads, const BnKvView *kv,
    uint32_t n_cells, float scale, float *scores)
{
  size_t n = 0;

  for (uint32_t head = 0; head < n_heads; head += (uint32_t) n) {
    size_t at = (size_t) head * kv->head_size;
    float *s = scores + (size_t) head * n_cells;

    n = n_heads - head;
    if (n >= MAX_HEADS) {
      n = MAX_HEADS;
      attend_heads (out + at, q + at, kv, n_cells, scale, s, MAX_HEADS);
    } else if (n >= 2) {
      n = 2;
      attend_heads (out + at, q + at, kv, n_cells, scale, s, 2);
    } else {
      attend_heads (out + at, q + at, kv, n_cells, scale, s, 1);
    }
  }
}

void
bn_attend_init_avx2 (BnKernels *k)
{
  k->attend = attend_avx2;
}
