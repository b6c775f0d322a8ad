/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What BitnetTokenizer, its reader of GGUF keys and BitnetDecoder share. */
#pragma once

#include "bitnet-tokenizer.h"
#include "text/bn-encoder.h"
#include "text/bn-unicode.h"

typedef struct BnGguf BnGguf;

/* A tokenizer as it comes out of a file. */
typedef struct {
  BnEncoder *encoder;
  const BnVocab *vocab; /* of encoder */
  const BnBpe *bpe;     /* of encoder; NULL for other algorithms */
  const char *pre;      /* static; "default" where it has no meaning */
  gboolean add_bos, add_eos;
  gboolean add_space_prefix;
} BitnetTokenizerParts;

/* Reads tokenizer.ggml.* and builds the tokenizer. */
gboolean bitnet_tokenizer_parts_load (BitnetTokenizerParts *parts,
    const BnGguf *gguf, GCancellable *cancellable, GError **error);

BitnetTokenizer *bitnet_tokenizer_new_from_gguf (
    const BnGguf *gguf, GCancellable *cancellable, GError **error);

const BitnetTokenizerParts *bitnet_tokenizer_get_parts (BitnetTokenizer *self);

/* State of turning ids into text; see BitnetDecoder. */
typedef struct {
  BnUtf8Joiner joiner;
  gboolean has_text; /* something has come out since the start */
} BitnetDecodeState;

/* Appends what token adds to the text; nothing for ids out of range. */
void bitnet_decode_token (const BitnetTokenizerParts *parts,
    BitnetDecodeState *state, BitnetDecodeFlags flags, guint32 token,
    GString *out);
