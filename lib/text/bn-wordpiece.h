/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WordPiece: a word is the longest token at its beginning, then the longest
 * one that continues it, and so on; if there is no way on, the whole word is
 * the unknown token. WordLevel: a word is a token or the unknown one. */
#pragma once

#include "bn-bert.h"
#include "bn-encoder.h"

#define BN_WORDPIECE_NO_LIMIT UINT32_MAX
#define BN_WORDPIECE_MAX_CHARACTERS 100 /* where nothing else is said */

typedef struct {
  /* What tokens begin with that begin a word, and those that continue one:
   * "" and "##", or U+2581 and "" in files of llama.cpp. Without the latter
   * (NULL) all words are one token, which is WordLevel. */
  const char *start, *continuation;
  size_t start_length, continuation_length;
  uint32_t unknown;        /* BN_TOKEN_NONE: unknown words fail */
  uint32_t max_characters; /* longer words are unknown */
  /* The text of start may be a token by itself. */
  gboolean has_empty_start;
  /* How a text is cut into words; NULL for words only. */
  const BnBertOptions *bert;
} BnWordPieceOptions;

/* Immutable, for all threads. */
typedef struct BnWordPiece BnWordPiece;

/* Tokens with BN_TOKEN_ADDED are no part of words. NULL if memory is short. */
BnWordPiece *bn_wordpiece_new (
    const BnVocab *vocab, const BnWordPieceOptions *options);
void bn_wordpiece_free (BnWordPiece *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnWordPiece, bn_wordpiece_free)

/* Appends the ids of a text that is cleaned and cut as BERT does. FALSE if
 * memory is short, or the unknown token is needed and there is none. */
gboolean bn_wordpiece_encode (const BnWordPiece *self, BnScratch *scratch,
    const uint8_t *text, size_t length, BnIds *out);

/* Models whose data is a BnWordPiece: of texts, for which it has options.bert;
 * of words that somebody else has cut, and the same under the name of
 * WordLevel. */
extern const BnModelClass bn_wordpiece_text_model;
extern const BnModelClass bn_wordpiece_word_model;
extern const BnModelClass bn_wordlevel_model;

/* The encoder of texts. Takes vocab; NULL if memory is short. */
BnEncoder *bn_encoder_new_wordpiece (
    BnVocab *vocab, const BnWordPieceOptions *options);
