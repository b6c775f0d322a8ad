/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the output matrix, the head of the graph, is held: in the file's own
 * form or a smaller one.
 *
 * It is the largest matrix of most models and read whole for every token.
 * Where the file has it in floats, a quantized copy is made at load. */
#pragma once

#include <glib.h>
#include "bn-kernels.h"

/* Same values as BitnetHead. */
typedef enum {
  BN_HEAD_AUTO,
  BN_HEAD_FILE,
  BN_HEAD_Q8_0,
  BN_HEAD_Q6_K,
  BN_HEAD_SCREENED,
} BnHead;
