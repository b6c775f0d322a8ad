/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention with vectors: scores, softmax, weighted values, page by page.
 *
 *   scores   MAX_CELLS keys by up to MAX_HEADS heads; the products of a pair
 *            run in the lanes of one vector, which are added at the end
 *   softmax  e^(s - max), summed in double in eight lanes
 *   values   the cells of a page into MAX_VECTORS vectors of columns of up to
 *            MAX_HEADS heads; cells are added in order
 *
 * Each head goes through the same steps whatever other heads are in the call,
 * each cell whatever other cells. */
#include "init.h"

#include <math.h>
#include "vectors.h"

enum {
  MAX_HEADS = 4,
#ifdef __AVX512F__
  MAX_CELLS = 4,
  MAX_VECTORS = 4,
#else
  MAX_CELLS = 2,
  MAX_VECTORS = 2,
#endif
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

/* Scores of n_cells neighbouring cells for n_heads heads. */
BN_INLINE void
score_cells (float *scores, size_t score_stride, const float *q,
    const uint16_t *keys, uint32_t head_size, float scale, const int n_cells,
    const int n_heads)
{
  Floats sums[MAX_CELLS][MAX_HEADS] = {0};
  uint16_t last_keys[MAX_CELLS][FLOATS];
  float last_q[MAX_HEADS][FLOATS];
  size_t key_stride = head_size, q_stride = head_size;

  for (uint32_t i = 0; i < head_size; i += FLOATS) {
    uint32_t at = i;

    if (head_size - i < FLOATS) { /* the last columns, with zeros behind */
      memset (last_keys, 0, sizeof last_keys);
      memset (last_q, 0, sizeof last_q);
      for (int cell = 0; cell < n_cells; cell++)
        memcpy (last_keys[cell], keys + cell * key_stride + i,
            (head_size - i) * sizeof *keys);
      for (int head = 0; head < n_heads; head++)
        memcpy (
            last_q[head], q + head * q_stride + i, (head_size - i) * sizeof *q);
      keys = last_keys[0];
      q = last_q[0];
      key_stride = q_stride = FLOATS;
      at = 0;
    }
#pragma GCC unroll 4
    for (int cell = 0; cell < n_cells; cell++) {
      Floats k = floats_load_f16 (keys + cell * key_stride + at);

#pragma GCC unroll 4
      for (int head = 0; head < n_heads; head++) {
        sums[cell][head] = floats_fma (
            floats_load (q + head * q_stride + at), k, sums[cell][head]);
        BN_KEEP (sums[cell][head]);
      }
    }
  }
#pragma GCC unroll 4
  for (int cell = 0; cell < n_cells; cell++) {
#pragma GCC unroll 4
    for (int head = 0; head < n_heads; head++)
      scores[head * score_stride + cell] =
          scale * floats_sum (sums[cell][head]);
  }
}

BN_INLINE void
score_page (float *scores, size_t score_stride, const float *q,
    const Page *page, uint32_t head_size, float scale, const int n_heads)
{
  uint32_t cell = 0;

  for (; cell + MAX_CELLS <= page->n_cells; cell += MAX_CELLS)
    score_cells (scores + page->first + cell, score_stride, q,
        page->k + (size_t) cell * head_size, head_size, scale, MAX_CELLS,
        n_heads);
  for (; cell < page->n_cells; cell++)
    score_cells (scores + page->first + cell, score_stride, q,
        page->k + (size_t) cell * head_size, head_size, scale, 1, n_heads);
}

/* Scores to probabilities, eight at a time on every level. */
static void
softmax (float *scores, uint32_t n)
{
  enum { WIDTH = 8 };
  __m256 max = _mm256_set1_ps (-INFINITY);
  __m256d low = _mm256_setzero_pd (), high = _mm256_setzero_pd ();
  __m256 inverse;
  double lanes[4], sum;
  uint32_t rest = n % WIDTH, whole = n - rest;
  float last[WIDTH], max_lanes[WIDTH], largest = -INFINITY;

  /* the last scores, then some that come to nothing */
  for (uint32_t i = 0; i < WIDTH; i++)
    last[i] = i < rest ? scores[whole + i] : -INFINITY;
  for (uint32_t i = 0; i < whole; i += WIDTH)
    max = _mm256_max_ps (_mm256_loadu_ps (scores + i), max);
  max = _mm256_max_ps (_mm256_loadu_ps (last), max);
  _mm256_storeu_ps (max_lanes, max);
  for (int i = 0; i < WIDTH; i++)
    largest = max_lanes[i] > largest ? max_lanes[i] : largest;
  max = _mm256_set1_ps (largest);
  for (uint32_t i = 0; i <= whole; i += WIDTH) {
    float *at = i < whole ? scores + i : last;
    __m256 e = exp_f32 (_mm256_sub_ps (_mm256_loadu_ps (at), max));

    _mm256_storeu_ps (at, e);
    low = _mm256_add_pd (low, _mm256_cvtps_pd (_mm256_castps256_ps128 (e)));
    high = _mm256_add_pd (high, _mm256_cvtps_pd (_mm256_extractf128_ps (e, 1)));
  }
  _mm256_storeu_pd (lanes, _mm256_add_pd (low, high));
  sum = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
  inverse = _mm256_set1_ps ((float) (1.0 / sum));
  for (uint32_t i = 0; i <= whole; i += WIDTH) {
    float *at = i < whole ? scores + i : last;
    _mm256_storeu_ps (at, _mm256_mul_ps (_mm256_loadu_ps (at), inverse));
  }
  memcpy (scores + whole, last, rest * sizeof *scores);
}

/* out += p v of a page for n_vectors vectors of columns. */
BN_INLINE void
add_values (float *out, const float *p, size_t p_stride, const Page *page,
    uint32_t head_size, uint32_t col, const int n_vectors, const int n_heads)
{
  Floats sums[MAX_HEADS][MAX_VECTORS];

#pragma GCC unroll 4
  for (int head = 0; head < n_heads; head++) {
#pragma GCC unroll 4
    for (int j = 0; j < n_vectors; j++)
      sums[head][j] =
          floats_load (out + (size_t) head * head_size + col + j * FLOATS);
  }
  for (uint32_t cell = 0; cell < page->n_cells; cell++) {
    const uint16_t *value = page->v + (size_t) cell * head_size + col;
    Floats v[MAX_VECTORS];

#pragma GCC unroll 4
    for (int j = 0; j < n_vectors; j++)
      v[j] = floats_load_f16 (value + j * FLOATS);
#pragma GCC unroll 4
    for (int head = 0; head < n_heads; head++) {
      Floats weight = floats_set1 (p[head * p_stride + page->first + cell]);

#pragma GCC unroll 4
      for (int j = 0; j < n_vectors; j++) {
        sums[head][j] = floats_fma (weight, v[j], sums[head][j]);
        BN_KEEP (sums[head][j]);
      }
    }
  }
#pragma GCC unroll 4
  for (int head = 0; head < n_heads; head++) {
#pragma GCC unroll 4
    for (int j = 0; j < n_vectors; j++)
      floats_store (
          out + (size_t) head * head_size + col + j * FLOATS, sums[head][j]);
  }
}

BN_INLINE void
add_page (float *out, const float *p, size_t p_stride, const Page *page,
    uint32_t head_size, const int n_heads)
{
  uint32_t col = 0;

  for (; col + MAX_VECTORS * FLOATS <= head_size; col += MAX_VECTORS * FLOATS)
    add_values (out, p, p_stride, page, head_size, col, MAX_VECTORS, n_heads);
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
attend (float *out, const float *q, uint32_t n_heads, const BnKvView *kv,
    uint32_t n_cells, float scale, float *scores)
{
  for (uint32_t head = 0, n; head < n_heads; head += n) {
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
BN_NAME (bn_attend_init) (BnKernels *k)
{
  k->attend = attend;
}
