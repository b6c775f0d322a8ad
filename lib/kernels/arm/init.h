/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ladder of arm64: each level overwrites what it does better. */
#pragma once

#include "bn-cpu.h"
#include "bn-kernels.h"

/* One for each file of the level; called by the function below them. */
void bn_attend_init_neon (BnKernels *k);
void bn_blocks_init_neon (BnKernels *k);
void bn_encode_init_neon (BnKernels *k);
void bn_floats_init_neon (BnKernels *k);
void bn_quantize_init_neon (BnKernels *k);
void bn_ternary_init_neon (BnKernels *k);
void bn_text_init_neon (BnKernels *k);
void bn_vector_init_neon (BnKernels *k);
void bn_blocks_init_dotprod (BnKernels *k);
void bn_ternary_init_dotprod (BnKernels *k);
void bn_blocks_init_i8mm (BnKernels *k);
void bn_ternary_init_i8mm (BnKernels *k);

static inline void
bn_kernels_init_arm (BnKernels *k, unsigned cpu_flags)
{
  if (!(cpu_flags & BN_CPU_NEON))
    return;
  bn_attend_init_neon (k);
  bn_blocks_init_neon (k);
  bn_encode_init_neon (k);
  bn_floats_init_neon (k);
  bn_quantize_init_neon (k);
  bn_ternary_init_neon (k);
  bn_text_init_neon (k);
  bn_vector_init_neon (k);
  k->cpu_flags |= BN_CPU_NEON;

  if (!(cpu_flags & BN_CPU_DOTPROD))
    return;
  bn_blocks_init_dotprod (k);
  bn_ternary_init_dotprod (k);
  k->cpu_flags |= BN_CPU_DOTPROD;

  if (!(cpu_flags & BN_CPU_I8MM))
    return;
  bn_blocks_init_i8mm (k);
  bn_ternary_init_i8mm (k);
  k->cpu_flags |= BN_CPU_I8MM;
}
