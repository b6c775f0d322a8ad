/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The section "model" of tokenizer.json: which algorithm, and what it is made
 * of. */
#pragma once

#include <gio/gio.h>

#include "bn-bpe.h"
#include "bn-json.h"

typedef enum {
  BN_TOKJSON_BPE,
  BN_TOKJSON_WORD_PIECE,
  BN_TOKJSON_WORD_LEVEL,
  BN_TOKJSON_UNIGRAM,
} BnTokjsonKind;

/* A string that is not there or empty has no text. */
typedef struct {
  char *text;
  size_t length;
} BnTokjsonText;

typedef struct {
  BnTokjsonKind kind;
  BnJson vocab;
  BnJson merges; /* only of BPE */
  BnTokjsonText unk_token, prefix, suffix;
  uint64_t unk_id; /* only of Unigram; UINT64_MAX if there is none */
  uint64_t max_input_chars_per_word;
  gboolean has_unk; /* unk_token is there, even if it is empty */
  gboolean fuse_unk, byte_fallback, ignore_merges;
} BnTokjsonModel;

gboolean bn_tokjson_model_read (
    BnTokjsonModel *self, BnJson json, GError **error);
void bn_tokjson_model_clear (BnTokjsonModel *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnTokjsonModel, bn_tokjson_model_clear)

/* The token of the algorithm that has this text, BN_TOKEN_NONE if there is
 * none. */
static inline uint32_t
bn_tokjson_lookup (const BnVocab *vocab, const char *text, size_t length)
{
  uint32_t id = bn_vocab_lookup (vocab, text, length);

  return id != BN_TOKEN_NONE && (vocab->attributes[id] & BN_TOKEN_ADDED)
             ? BN_TOKEN_NONE
             : id;
}

/* Calls add for all merges, in the order of their ranks; vocab is sealed. */
gboolean bn_tokjson_foreach_merge (const BnTokjsonModel *self,
    const BnVocab *vocab,
    void (*add) (
        uint32_t left, uint32_t right, uint32_t merged, void *user_data),
    void *user_data, GCancellable *cancellable, GError **error);

/* At most so many. */
size_t bn_tokjson_count_merges (const BnTokjsonModel *self);
