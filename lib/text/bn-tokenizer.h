/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tokenizer as it comes out of a source (GGUF keys, tokenizer.json,
 * SentencePiece model, ...): the way to ids, the way back, and what surrounds
 * a text. BitnetTokenizer is the public face of it. */
#pragma once

#include "bn-char-bpe.h"
#include "bn-decode.h"
#include "bn-encoder.h"
#include "bn-layout.h"
#include "bn-split.h"

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
  BnDecoder *decoder;    /* NULL for the pieces of vocab as llama.cpp does */
  const BnVocab *vocab;  /* of encoder */
  BnSplitter *splitter;  /* whose set encoder uses, or NULL */
  BnVocab *decode_vocab; /* of decoder, where that has other texts; or NULL */
  const BnBpe *bpe;      /* of encoder; NULL for other algorithms */
  const BnCharBpe *char_bpe; /* the same */
  const struct BnRawBpe *raw_bpe;
  /* Adds the tables of model, which is of encoder; NULL if there are none, or
   * if they were compiled before. */
  void (*compile) (const void *model, BnCompiledWriter *writer);
  const void *model;
  /* How words are cut, if that is one of the known ways; else NULL. */
  const BnPretokSet *set;
  char *identity;        /* of what else its results depend on, or NULL */
  char *pre;             /* "default" where it has no meaning */
  BnLayout single, pair; /* what surrounds texts; if they are empty: */
  gboolean add_bos, add_eos;
  gboolean add_sep;      /* between the texts of a pair */
  gboolean clean_spaces; /* decoded texts lose spaces before punctuation */
  gboolean add_space_prefix;
  char *chat_template; /* Jinja text beside the tokenizer, or NULL */
} BnTokenizer;

void bn_tokenizer_free (BnTokenizer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnTokenizer, bn_tokenizer_free)

/* A text of at most BN_MAX_TEXT_SIZE bytes of UTF-8, which the stretches make
 * up. */
typedef struct {
  const uint8_t *text;
  const BnStretch *stretches;
  size_t n_stretches;
} BnInput;

/* Appends the ids of a text or, if b is not NULL, of a pair; with the tokens
 * around them if add_special. From any thread. FALSE if memory is short. */
gboolean bn_tokenizer_encode (const BnTokenizer *self, const BnInput *a,
    const BnInput *b, gboolean add_special, BnIds *out);
