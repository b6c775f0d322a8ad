/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vocabularies of tokenizer.json: the one of the model, and the tokens that
 * have been added to it. */
#pragma once

#include <gio/gio.h>

#include "bn-added.h"
#include "bn-json.h"
#include "bn-vocab.h"

/* What the section "model" lists: where the text of each token stands. */
typedef struct {
  const BnJsonDocument *document;
  uint32_t *offsets; /* by id; UINT32_MAX if there is no such token */
  double *scores;    /* by id, or NULL */
  uint32_t n_ids;    /* highest one and one */
  uint32_t n_reserved;
  uint32_t n_entries;
  size_t text_size;
} BnTokjsonPieces;

void bn_tokjson_pieces_clear (BnTokjsonPieces *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnTokjsonPieces, bn_tokjson_pieces_clear)

/* {"text": id} */
gboolean bn_tokjson_pieces_read (BnTokjsonPieces *self, BnJson vocab,
    GCancellable *cancellable, GError **error);

/* [["text", score]] */
gboolean bn_tokjson_pieces_read_scored (BnTokjsonPieces *self, BnJson vocab,
    GCancellable *cancellable, GError **error);

/* The section "added_tokens", with the ids that the reference gives them. */
typedef struct {
  BnAddedToken *tokens;
  size_t n_tokens;
  char **texts;   /* what the tokens point to */
  uint32_t n_ids; /* all tokens, those of the model too */
} BnTokjsonAdded;

void bn_tokjson_added_clear (BnTokjsonAdded *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnTokjsonAdded, bn_tokjson_added_clear)

/* json is not set if there are none. */
gboolean bn_tokjson_added_read (BnTokjsonAdded *self, BnJson json,
    const BnTokjsonPieces *pieces, GError **error);

/* The same with ids that it has given them before, in their order. FALSE if
 * they are not as many, or not all below n_tokens. */
gboolean bn_tokjson_added_read_again (BnTokjsonAdded *self, BnJson json,
    const uint32_t *ids, size_t n_ids, uint32_t n_tokens, GError **error);

/* The vocabulary of both, not sealed. Tokens of the model are normal, added
 * ones control or user-defined and, if the model does not know them, carry
 * BN_TOKEN_ADDED; in the vocabularies of llama.cpp there is no difference. */
BnVocab *bn_tokjson_vocab_new (const BnTokjsonPieces *pieces,
    const BnTokjsonAdded *added, BnSpelling spelling, gboolean is_llama_cpp,
    GError **error);
