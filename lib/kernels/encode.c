/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encoders, compiled for each level. */
#include "init.h"

#include "encode-tmpl.h"
#include "vectors.h"

void
BN_NAME (bn_encode_init) (BnKernels *k)
{
  k->encode_q6_k = encode_q6_k;
}
