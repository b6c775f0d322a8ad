/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Byte-level BPE without a list of merges: of all neighbours that together are
 * a token, those are merged first whose token has the lowest id. */
#pragma once

#include "bn-encoder.h"

typedef struct BnRankBpe BnRankBpe;

/* The tokens are the ordinary ones of vocab, which is sealed and byte-level
 * and must stay. */
BnRankBpe *bn_rankbpe_new (const BnVocab *vocab, const BnPretokSet *pretok);
void bn_rankbpe_free (BnRankBpe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnRankBpe, bn_rankbpe_free)

/* The encoder of it. Takes vocab and bpe. */
BnEncoder *bn_encoder_new_rank_bpe (BnVocab *vocab, BnRankBpe *bpe);
