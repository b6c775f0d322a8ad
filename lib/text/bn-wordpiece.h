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
   * "" and "##", or U+2581 and "" in files of llama.cpp. */
  const char *start, *continuation;
  size_t start_length, continuation_length;
  uint32_t unknown;        /* BN_TOKEN_NONE if unknown words vanish */
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

/* Appends the ids of one word, or of a text that is cleaned and cut as BERT
 * does. FALSE if memory is short. */
gboolean bn_wordpiece_encode_word (const BnWordPiece *self, BnScratch *scratch,
    const uint8_t *word, size_t length, BnIds *out);
gboolean bn_wordpiece_encode (const BnWordPiece *self, BnScratch *scratch,
    const uint8_t *text, size_t length, BnIds *out);

/* The encoder of such texts. Takes vocab; NULL if memory is short. */
BnEncoder *bn_encoder_new_wordpiece (
    BnVocab *vocab, const BnWordPieceOptions *options);
