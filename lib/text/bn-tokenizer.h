/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tokenizer as it comes out of a source (GGUF keys, tokenizer.json,
 * SentencePiece model, ...): the way to ids, the way back, and what surrounds
 * a text. BitnetTokenizer is the public face of it. */
#pragma once

#include "bn-decode.h"
#include "bn-encoder.h"

/* Whose results count where the reference programs differ. The values of
 * BitnetFidelity. */
typedef enum {
  BN_FIDELITY_AUTO, /* as the source: llama.cpp for GGUF, else Hugging Face */
  BN_FIDELITY_LLAMA_CPP,
  BN_FIDELITY_HUGGINGFACE,
} BnFidelity;

typedef struct {
  BnFidelity fidelity; /* not AUTO */
  BnEncoder *encoder;
  BnDecoder *decoder;   /* NULL for the pieces of vocab as llama.cpp does */
  const BnVocab *vocab; /* of encoder */
  const BnBpe *bpe;     /* of encoder; NULL for other algorithms */
  char *pre;            /* "default" where it has no meaning */
  gboolean add_bos, add_eos;
  gboolean add_sep;      /* between the texts of a pair */
  gboolean clean_spaces; /* decoded texts lose spaces before punctuation */
  gboolean add_space_prefix;
  char *chat_template; /* Jinja text beside the tokenizer, or NULL */
} BnTokenizer;

void bn_tokenizer_free (BnTokenizer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnTokenizer, bn_tokenizer_free)
