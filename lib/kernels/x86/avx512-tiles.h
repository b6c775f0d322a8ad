/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a block of 32 columns of sixteen rows is multiplied with, once its codes
 * are vectors in which a lane is a row: for tiles that were packed so and for
 * rows of the file that are turned so on the way. */
#pragma once

#include "avx512-blocks.h"

typedef struct {
  int n_bits;
  int zero; /* what stands for 0; -1: there is a minimum */
} Codes;

BN_INLINE int
has_min (const Codes codes)
{
  return codes.zero < 0;
}

/* One block of sixteen rows with one activation row. The zero point is taken
 * out by starting the sums at what it comes to: a sum of activations is part
 * of their block. */
BN_INLINE __m512
add_block (__m512 sum, __m512i codes[][N_VECTORS], __m512 d, __m512 m,
    const uint8_t *acts, uint32_t b, const Codes kind)
{
  __m512i products[1] = {0};
  const int8_t *q;
  float da;

  if (has_min (kind)) {
    const BnActQ8_1 *act = (const BnActQ8_1 *) (const void *) acts + b;
    q = act->qs;
    da = act->d;
    sum = _mm512_fmadd_ps (m, _mm512_set1_ps (act->s), sum);
  } else {
    const BnActQ8_0 *act = (const BnActQ8_0 *) (const void *) acts + b;
    q = act->qs;
    da = load_f16 (&act->d);
    products[0] = _mm512_set1_epi32 (-kind.zero * act->sum);
  }
  add_products (products, codes, q, 0, N_VECTORS, kind.n_bits, 1);
  return _mm512_fmadd_ps (_mm512_mul_ps (d, _mm512_cvtepi32_ps (products[0])),
      _mm512_set1_ps (da), sum);
}
