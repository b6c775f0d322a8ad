/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The C reference: fills every slot and defines every result. */
#pragma once

#include "bn-kernels.h"

void bn_kernels_init_c (BnKernels *k);

/* The rows of k->matmul and k->quantize; called by the function above. */
void bn_matmul_init_c (BnKernels *k);

/* The kernels that scan text; called there too. */
void bn_text_init_c (BnKernels *k);
