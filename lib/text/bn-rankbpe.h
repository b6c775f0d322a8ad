/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Byte-level BPE without a list of merges: of all neighbours that together are
 * a token, those are merged first whose token has the lowest id. */
#pragma once

#include "bn-added.h"
#include "bn-encoder.h"
#include "bn-tokenizer.h"

typedef struct BnRankBpe BnRankBpe;

/* The tokens are the ordinary ones of vocab, which is sealed and byte-level
 * and must stay. */
BnRankBpe *bn_rankbpe_new (const BnVocab *vocab, const BnPretokSet *pretok);
void bn_rankbpe_free (BnRankBpe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnRankBpe, bn_rankbpe_free)

/* The encoder of it. Takes vocab and bpe. */
BnEncoder *bn_encoder_new_rank_bpe (BnVocab *vocab, BnRankBpe *bpe);

/* Tokens as files list them: the bytes of each rank. */
typedef struct {
  uint32_t n_ranks; /* highest one and one */
  uint8_t *bytes;
  uint32_t *starts, *lengths; /* in bytes, by rank; the length may be 0 */
} BnRanks;

void bn_ranks_clear (BnRanks *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnRanks, bn_ranks_clear)

/* The first byte that is no token by itself, -1 if there is none. */
int bn_ranks_find_missing_byte (const BnRanks *self);

typedef struct {
  const BnPretokSet *set;
  const char *pre;           /* what the tokenizer calls it */
  gboolean normalizes;       /* texts become NFC */
  uint32_t first_id;         /* of rank 0 */
  const BnAddedToken *added; /* with ids, no two with one text */
  size_t n_added;
  const char *bos, *eos; /* texts of added tokens, or NULL */
  gboolean add_bos;
} BnRanksOptions;

/* The tokenizer of ranks and added tokens. NULL with an error, in which path
 * is named, if two tokens have one id or one text. */
BnTokenizer *bn_ranks_build (const BnRanks *self, const BnRanksOptions *options,
    const char *path, BnFidelity fidelity, GError **error);
