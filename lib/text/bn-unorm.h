/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The four normalization forms of Unicode 9.0, which is the version that
 * Hugging Face's `tokenizers` has: newer characters stay as they are. */
#pragma once

#include "bn-scratch.h"

typedef enum {
  BN_NORM_NFC,
  BN_NORM_NFKC,
  BN_NORM_NFD,
  BN_NORM_NFKD,
} BnNormForm;

/* How much of a text of UTF-8 is normalized for sure, up to a place where it
 * may be cut; length if all is. Runs at about the speed of memory. */
size_t bn_norm_span (BnNormForm form, const uint8_t *text, size_t length);

/* Appends the normalized text. FALSE if memory is short. */
gboolean bn_norm_append (
    BnNormForm form, const uint8_t *text, size_t length, BnBuffer *out);
