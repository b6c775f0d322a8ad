/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Byte-level BPE: words are rows of bytes that a list of merges joins. */
#pragma once

#include "bn-pretok.h"
#include "bn-merges.h"
#include "bn-scratch.h"
#include "bn-vocab.h"

typedef struct BnBpe BnBpe;

/* For about n_merges merges over vocab, which must be sealed and stay. */
BnBpe *bn_bpe_new (const BnVocab *vocab, size_t n_merges);
void bn_bpe_free (BnBpe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnBpe, bn_bpe_free)

/* The model that was compiled together with vocab; NULL if there is none that
 * makes sense. */
BnBpe *bn_bpe_new_compiled (const BnVocab *vocab);

/* Adds its sections. It stays and does not change until they are written. */
void bn_bpe_compile (const BnBpe *self, BnCompiledWriter *writer);

/* Adds merges of the next ranks; see bn_merges_add(). */
void bn_bpe_add_merges (BnBpe *self, BnMerge *merges, size_t n);

/* The same for tokens that are known; of equal pairs the last counts, as in
 * tokenizer.json. FALSE if there are more than have been announced. */
gboolean bn_bpe_add_pair (
    BnBpe *self, uint32_t left, uint32_t right, uint32_t merged);

/* From now on a word that is a token is this token, however it would merge.
 * For vocabularies with tokens that no row of merges makes. */
void bn_bpe_ignore_merges (BnBpe *self);

/* Appends the ids of a word; memory up to end may be read. Bytes without a
 * token are left out. FALSE if memory is short. */
gboolean bn_bpe_encode (const BnBpe *self, BnScratch *scratch,
    const uint8_t *word, size_t length, const uint8_t *end, BnIds *out);

/* The same for all words that pretok cuts a text into. */
gboolean bn_bpe_encode_text (const BnBpe *self, BnScratch *scratch,
    const BnPretokSet *pretok, const uint8_t *text, size_t length, BnIds *out);

const BnMerges *bn_bpe_get_merges (const BnBpe *self);

/* The merges that can be made, in the order of their ranks, for digests. */
void bn_bpe_foreach_merge (const BnBpe *self,
    void (*visit) (
        uint32_t left, uint32_t right, uint32_t merged, void *user_data),
    void *user_data);
