/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokenizers from the files of SentencePiece (tokenizer.model). */
#pragma once

#include "bn-source.h"

/* What stands about the tokenizer in files beside it. */
typedef struct {
  BnFidelity fidelity;
  /* The space in front of a text stands only at its very start, not after
   * special tokens ("legacy": false in tokenizer_config.json). */
  gboolean prefix_once;
  int add_bos, add_eos; /* negative: as usual for the kind of model */
  /* Tokens with ids behind those of the model, in order, found before it
   * runs: texts end with NUL; attributes are those of a vocabulary. */
  const char *const *added;
  const unsigned *added_attributes;
  size_t n_added;
} BnSentencepieceOptions;

/* Whether a file can only be a SentencePiece model; by its first bytes. */
gboolean bn_sentencepiece_is_model (const BnFile *file);

/* options NULL: nothing is known. By default the results are those of
 * sentencepiece, with BN_FIDELITY_LLAMA_CPP those of a GGUF file that has been
 * made of the model. */
BnTokenizer *bn_sentencepiece_load (const BnFile *file,
    const BnSentencepieceOptions *options, GCancellable *cancellable,
    GError **error);
