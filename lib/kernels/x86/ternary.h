/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the ternary products of the x86-64 levels have in common: their sums
 * and what becomes of them; ternary-tiles-tmpl.h has the rest.
 *
 * A vector of codes of a file's row is put together from the pieces of a block
 * in the order of the columns, each shifted on its own, so that activations are
 * used as they lie. */
#pragma once

#include "avx2.h"
#include "bn-kernels.h"

#define MAX_ACTS 4
enum { TILE_ROWS = 4 };

/* Sums of each row in eight lanes: lane j has columns c with
 * c / 4 % 4 == j % 4. */
typedef int32_t TileLanes[TILE_ROWS][8];

#include "ternary-tiles-tmpl.h"

/* (u - S) / s, in this order */
BN_INLINE void
finish_i8 (float results[TILE_ROWS], const TileLanes lanes, const void *head)
{
  const BnActI8 *act = head;
  __m128i u = sum_4x_i32 (load_256 (lanes[0]), load_256 (lanes[1]),
      load_256 (lanes[2]), load_256 (lanes[3]));

  u = _mm_sub_epi32 (u, _mm_set1_epi32 (act->sum));
  _mm_storeu_ps (
      results, _mm_div_ps (_mm_cvtepi32_ps (u), _mm_set1_ps (act->scale)));
}

/* The same for four groups of columns with scales of their own; group g is in
 * lanes g and g + 4. */
BN_INLINE void
finish_i8x4 (float results[TILE_ROWS], const TileLanes lanes, const void *head)
{
  const BnActI8X4 *act = head;
  __m128 rows[TILE_ROWS];

  for (int row = 0; row < TILE_ROWS; row++) {
    __m128i u =
        _mm_add_epi32 (load_128 (lanes[row]), load_128 (lanes[row] + 4));
    rows[row] = _mm_mul_ps (_mm_loadu_ps (act->d),
        _mm_cvtepi32_ps (_mm_sub_epi32 (u, load_128 (act->sum))));
  }
  _MM_TRANSPOSE4_PS (rows[0], rows[1], rows[2], rows[3]);
  _mm_storeu_ps (results, _mm_add_ps (_mm_add_ps (rows[0], rows[2]),
                              _mm_add_ps (rows[1], rows[3])));
}
