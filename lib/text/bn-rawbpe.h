/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BPE over characters: words are rows of UTF-8 characters that a list of
 * merges joins, U+2581 may stand for the space, and what is no token is spelled
 * with the tokens <0xXX> of its bytes. */
#pragma once

#include "bn-encoder.h"

typedef enum {
  BN_RAWBPE_ESCAPE = 1 << 0,         /* U+2581 stands for the space */
  BN_RAWBPE_WHOLE_NEWLINES = 1 << 1, /* a word of newlines that is a token is */
  BN_RAWBPE_DROP_SPACES = 1 << 2,    /* words of white space have no tokens */
} BnRawBpeFlags;

typedef struct BnRawBpe BnRawBpe;

/* For about n_merges merges over vocab, which must be sealed and stay. */
BnRawBpe *bn_rawbpe_new (const BnVocab *vocab, size_t n_merges,
    const BnPretokSet *pretok, unsigned flags);
void bn_rawbpe_free (BnRawBpe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnRawBpe, bn_rawbpe_free)

/* Adds the merge of the next rank, "left right". FALSE, and the rank stays
 * unused, if one of the three texts is not in the vocabulary or the pair has a
 * rank already. */
gboolean bn_rawbpe_add_merge (BnRawBpe *self, const char *text, size_t length);

/* Appends the ids of a text. FALSE if memory is short. */
gboolean bn_rawbpe_encode (const BnRawBpe *self, BnScratch *scratch,
    const uint8_t *text, size_t length, BnIds *out);

/* The encoder of it. Takes vocab and bpe. */
BnEncoder *bn_encoder_new_raw_bpe (BnVocab *vocab, BnRawBpe *bpe);
