/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unigram: of all ways to make up a text of pieces the one with the best sum
 * of scores. */
#pragma once

#include "bn-scratch.h"
#include "bn-vocab.h"

/* Whose arithmetic counts. */
typedef enum {
  BN_UNIGRAM_SENTENCEPIECE, /* sums of 32 bits */
  BN_UNIGRAM_LLAMA_CPP,     /* sums of 64 bits, symbols of the user score 0 */
  BN_UNIGRAM_HUGGINGFACE,   /* every token is a piece, scores of 64 bits */
} BnUnigramRules;

typedef struct {
  BnUnigramRules rules;
  uint32_t n_pieces;    /* the others have been added; 0: all are pieces */
  const double *scores; /* of the pieces; NULL: those of the vocabulary */
  uint32_t unknown;     /* token, BN_TOKEN_NONE if there is none */
  gboolean byte_fallback;
  /* In texts a space stands for U+2581, as bn_spnormalizer_apply() leaves it
   * and no other space can be. Never with BN_UNIGRAM_HUGGINGFACE. */
  gboolean spaces_are_escaped;
} BnUnigramOptions;

/* Immutable, for all threads. */
typedef struct BnUnigram BnUnigram;

/* vocab must be sealed and stay. NULL with an error if a score is not a
 * number or there is nothing to find. */
BnUnigram *bn_unigram_new (
    const BnVocab *vocab, const BnUnigramOptions *options, GError **error);
void bn_unigram_free (BnUnigram *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnUnigram, bn_unigram_free)

/* Appends the ids of a text, which is a whole for the reference (a normalized
 * text, or a word of a splitter). FALSE if memory is short. */
gboolean bn_unigram_encode (const BnUnigram *self, BnScratch *scratch,
    const uint8_t *text, size_t length, BnIds *out);
