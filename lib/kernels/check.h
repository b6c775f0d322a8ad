/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Build option check_kernels. */
#pragma once

#include "bn-kernels.h"

/* Makes every slot of k run the C version too and stop the program where the
 * results differ. For one table in the process. */
void bn_kernels_check (BnKernels *k);
