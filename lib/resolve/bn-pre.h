/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a GGUF file with byte-level BPE cuts text into words. */
#pragma once

#include "gguf/bn-gguf.h"
#include "text/bn-pretok.h"

/* What to do where nothing that is known says it. The usual is to take the
 * default set if the key is missing and to fail if it has an unknown name. */
typedef enum {
  BN_GGUF_REQUIRE_PRE = 1 << 0, /* fail also if the key is missing */
  BN_GGUF_DEFAULT_PRE = 1 << 1, /* take the default set in both cases */
} BnGgufTokenizerFlags;

/* What the key says, else what follows from the vocabulary, else as flags say;
 * NULL with BITNET_ERROR_UNKNOWN_PRETOKENIZER. *is_default is TRUE if nobody
 * knows, else left alone. */
const BnPretok *bn_pre_find (const BnGguf *gguf, BnGgufTokenizerFlags flags,
    gboolean *is_default, GError **error);
