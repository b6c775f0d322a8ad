/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What another source than its own says of a tokenizer: a model file knows
 * better than tokenizer.json which token ends a text of this model.
 *
 * A tokenizer is immutable; all of this is for one that has just been read and
 * that nobody else has. */
#pragma once

#include "bn-tokenizer.h"

/* Gives a token a role. Where the one that had it stands around texts, it does
 * from now on; what ends a text or a turn ends a generation, too. id must be a
 * token, or BN_TOKEN_NONE: then nothing stands there any more. */
void bn_tokenizer_set_role (BnTokenizer *self, BnRole role, uint32_t id);

/* Whether BOS stands in front of a text, or EOS behind it (at_end). Nothing
 * happens if there is no such token. */
void bn_tokenizer_set_edge (
    BnTokenizer *self, gboolean at_end, gboolean is_wanted);

/* A token that ends a generation. */
void bn_tokenizer_add_eog (BnTokenizer *self, uint32_t id);

/* From now on no text has a token from id n on: it is not found, not made by
 * the algorithm, and does not stand around. The number of tokens, and what each
 * of them is in output, stay. */
void bn_tokenizer_limit (BnTokenizer *self, uint32_t n);
