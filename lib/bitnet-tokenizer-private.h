/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What BitnetTokenizer, its reader of GGUF keys and BitnetDecoder share. */
#pragma once

#include "bitnet-tokenizer.h"
#include "resolve/bn-pre.h"
#include "text/bn-folder.h"
#include "text/bn-tokenizer.h"
#include "text/bn-unicode.h"

/* Reads tokenizer.ggml.* and builds the tokenizer. *used_default_pre, which
 * may be NULL: text is cut by the default set only because nothing better is
 * known. */
BnTokenizer *bn_tokenizer_new_from_gguf (const BnGguf *gguf,
    BnFidelity fidelity, BnGgufTokenizerFlags flags, gboolean *used_default_pre,
    GCancellable *cancellable, GError **error);

BitnetTokenizer *bitnet_tokenizer_new_from_gguf (const BnGguf *gguf,
    BitnetFidelity fidelity, GCancellable *cancellable, GError **error);
BitnetTokenizer *bitnet_tokenizer_new_from_gguf_full (const BnGguf *gguf,
    BitnetFidelity fidelity, BnGgufTokenizerFlags flags,
    gboolean *used_default_pre, GCancellable *cancellable, GError **error);

/* bitnet_tokenizer_new_from_file() for the file of that name in a folder, which
 * may be somewhere else than on disk; name NULL: for the folder. Not for GGUF
 * files. */
BitnetTokenizer *bitnet_tokenizer_new_from_folder (const BnFolder *folder,
    const char *name, BitnetFidelity fidelity, GCancellable *cancellable,
    GError **error);

/* Sets those roles for which a file names a token below n_tokens. */
void bn_tokenizer_read_gguf_roles (
    const BnGguf *gguf, uint32_t n_tokens, uint32_t roles[BN_N_ROLES]);

/* The face of inner, which is taken. */
BitnetTokenizer *bitnet_tokenizer_new_take (BnTokenizer *inner);

/* To change a tokenizer that nobody else has (bn-change.h). */
BnTokenizer *bitnet_tokenizer_edit (BitnetTokenizer *self);

const BnTokenizer *bitnet_tokenizer_get_inner (BitnetTokenizer *self);
