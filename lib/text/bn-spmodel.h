/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The models of SentencePiece as the encoder runs them: a text is normalized,
 * then BPE or Unigram finds the pieces. */
#pragma once

#include "bn-encoder.h"
#include "bn-spnormalizer.h"

typedef struct {
  gboolean is_unigram;   /* else BPE */
  gboolean is_llama_cpp; /* Unigram as llama.cpp runs models "t5" */
  gboolean byte_fallback;
  /* Whether the space in front of a text stands only at the very start, not
   * after special tokens. */
  gboolean prefix_once;
  BnSpNormalizerOptions normalizer;
} BnSpModelOptions;

/* The pieces of a user that the model finds itself have BN_TOKEN_INNER; the
 * role of the unknown token is given. Takes vocab (sealed) and charsmap, which
 * may be NULL. NULL with an error that names no file. */
BnEncoder *bn_encoder_new_spmodel (BnVocab *vocab,
    const BnSpModelOptions *options, BnCharsmap *charsmap, GError **error);

/* What tells models with the same pieces apart: the options and the tables of
 * characters, which may be empty. */
char *bn_spmodel_identity (const BnSpModelOptions *options,
    const void *charsmap, size_t charsmap_size, const void *other,
    size_t other_size);
