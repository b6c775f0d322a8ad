/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BPE of tokenizer.json in all its generality: words are rows of characters,
 * or of bytes where the vocabulary lacks one. */
#pragma once

#include "bn-encoder.h"
#include "bn-merges.h"

typedef struct {
  /* Characters after the first one of a word are looked up with the prefix,
   * the last one with the suffix. */
  const char *prefix, *suffix;
  size_t prefix_length, suffix_length;
  uint32_t unknown; /* for what has no token, BN_TOKEN_NONE to leave it out */
  gboolean fuse_unknown;  /* several of them are one */
  gboolean byte_fallback; /* <0xXX> before that */
  gboolean ignore_merges; /* a word that is a token is this token */
} BnCharBpeOptions;

/* Immutable when all merges have been added, then for all threads. */
typedef struct BnCharBpe BnCharBpe;

/* For at most n_merges merges over vocab, which must be sealed and stay. */
BnCharBpe *bn_char_bpe_new (
    const BnVocab *vocab, const BnCharBpeOptions *options, size_t n_merges);
void bn_char_bpe_free (BnCharBpe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnCharBpe, bn_char_bpe_free)

/* Adds the merge of the next rank; of equal pairs the last counts. */
void bn_char_bpe_add_pair (
    BnCharBpe *self, uint32_t left, uint32_t right, uint32_t merged);

const BnMerges *bn_char_bpe_get_merges (const BnCharBpe *self);

/* The merges in the order of their ranks, for digests. */
void bn_char_bpe_foreach_merge (const BnCharBpe *self,
    void (*visit) (
        uint32_t left, uint32_t right, uint32_t merged, void *user_data),
    void *user_data);

/* Appends the ids of a word of UTF-8. FALSE if memory is short. */
gboolean bn_char_bpe_encode (const BnCharBpe *self, BnScratch *scratch,
    const uint8_t *word, size_t length, BnIds *out);

/* The model of it, for words. */
extern const BnModelClass bn_char_bpe_model;
