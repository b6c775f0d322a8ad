/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BPE over characters: words are rows of UTF-8 characters that a list of
 * merges joins, U+2581 may stand for the space, and what is no token is spelled
 * with the tokens <0xXX> of its bytes. */
#pragma once

#include "bn-encoder.h"
#include "bn-merges.h"

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

/* The model that was compiled together with vocab; NULL if there is none that
 * makes sense. */
BnRawBpe *bn_rawbpe_new_compiled (
    const BnVocab *vocab, const BnPretokSet *pretok, unsigned flags);

/* Adds its sections. It stays and does not change until they are written. */
void bn_rawbpe_compile (const BnRawBpe *self, BnCompiledWriter *writer);

/* Adds merges of the next ranks; see bn_merges_add(). */
void bn_rawbpe_add_merges (BnRawBpe *self, BnMerge *merges, size_t n);

const BnMerges *bn_rawbpe_get_merges (const BnRawBpe *self);

/* The merges that can be made, in the order of their ranks, for digests. */
void bn_rawbpe_foreach_merge (const BnRawBpe *self,
    void (*visit) (
        uint32_t left, uint32_t right, uint32_t merged, void *user_data),
    void *user_data);

/* The encoder of it. Takes vocab and bpe. */
BnEncoder *bn_encoder_new_raw_bpe (BnVocab *vocab, BnRawBpe *bpe);
