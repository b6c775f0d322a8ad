/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ladder of x86-64: each level overwrites what it does better. */
#pragma once

#include "bn-cpu.h"
#include "bn-kernels.h"

/* One for each file of the level; called by the functions below them. */
void bn_ternary_init_avx2 (BnKernels *k);
void bn_attend_init_avx2 (BnKernels *k);
void bn_blocks_init_avx2 (BnKernels *k);
void bn_encode_init_avx2 (BnKernels *k);
void bn_floats_init_avx2 (BnKernels *k);
void bn_quantize_init_avx2 (BnKernels *k);
void bn_text_init_avx2 (BnKernels *k);
void bn_vector_init_avx2 (BnKernels *k);
void bn_attend_init_avx512 (BnKernels *k);
void bn_encode_init_avx512 (BnKernels *k);
void bn_floats_init_avx512 (BnKernels *k);
void bn_quantize_init_avx512 (BnKernels *k);
void bn_vector_init_avx512 (BnKernels *k);
void bn_blocks_init_avx512 (BnKernels *k);
void bn_blocks_k_init_avx512 (BnKernels *k);
void bn_rows_init_avx512 (BnKernels *k);
void bn_rows_k_init_avx512 (BnKernels *k);
void bn_ternary_init_avx512 (BnKernels *k);
void bn_blocks_init_avx512vnni (BnKernels *k);
void bn_blocks_k_init_avx512vnni (BnKernels *k);
void bn_rows_init_avx512vnni (BnKernels *k);
void bn_rows_k_init_avx512vnni (BnKernels *k);
void bn_ternary_init_avx512vnni (BnKernels *k);
void bn_text_init_avx512vnni (BnKernels *k);

static inline void
bn_kernels_init_x86 (BnKernels *k, unsigned cpu_flags)
{
  if (!(cpu_flags & BN_CPU_AVX2))
    return;
  bn_ternary_init_avx2 (k);
  bn_attend_init_avx2 (k);
  bn_blocks_init_avx2 (k);
  bn_encode_init_avx2 (k);
  bn_floats_init_avx2 (k);
  bn_quantize_init_avx2 (k);
  bn_text_init_avx2 (k);
  bn_vector_init_avx2 (k);
  k->cpu_flags |= BN_CPU_AVX2;

  if (!(cpu_flags & BN_CPU_AVX512))
    return;
  bn_attend_init_avx512 (k);
  bn_encode_init_avx512 (k);
  bn_floats_init_avx512 (k);
  bn_quantize_init_avx512 (k);
  bn_vector_init_avx512 (k);
  bn_blocks_init_avx512 (k);
  bn_blocks_k_init_avx512 (k);
  bn_rows_init_avx512 (k);
  bn_rows_k_init_avx512 (k);
  bn_ternary_init_avx512 (k);
  k->cpu_flags |= BN_CPU_AVX512;

  if (!(cpu_flags & BN_CPU_AVX512_VNNI))
    return;
  bn_blocks_init_avx512vnni (k);
  bn_blocks_k_init_avx512vnni (k);
  bn_rows_init_avx512vnni (k);
  bn_rows_k_init_avx512vnni (k);
  bn_ternary_init_avx512vnni (k);
  bn_text_init_avx512vnni (k);
  k->cpu_flags |= BN_CPU_AVX512_VNNI;
}
