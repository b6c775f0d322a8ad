/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Row slots with AVX2: quantization of activations, norms, activation
 * functions, rotations, conversions. */
#include "init.h"

#include "avx2.h"

void
bn_kernels_init_avx2 (BnKernels *k)
{
}
