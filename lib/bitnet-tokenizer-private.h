/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What BitnetTokenizer, its reader of GGUF keys and BitnetDecoder share. */
#pragma once

#include "bitnet-tokenizer.h"
#include "text/bn-tokenizer.h"
#include "text/bn-unicode.h"

typedef struct BnGguf BnGguf;

/* Reads tokenizer.ggml.* and builds the tokenizer. */
BnTokenizer *bn_tokenizer_new_from_gguf (const BnGguf *gguf,
    BnFidelity fidelity, GCancellable *cancellable, GError **error);

BitnetTokenizer *bitnet_tokenizer_new_from_gguf (const BnGguf *gguf,
    BitnetFidelity fidelity, GCancellable *cancellable, GError **error);

const BnTokenizer *bitnet_tokenizer_get_inner (BitnetTokenizer *self);
