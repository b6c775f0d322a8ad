/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Special tokens in text: those that are found by their text before any
 * algorithm runs. */
#pragma once

#include "bn-scratch.h"
#include "bn-vocab.h"

typedef struct BnSpecials BnSpecials;

/* Of vocab, the tokens that have an attribute of with and none of without;
 * vocab must be sealed and stay. Tokens whose text is not UTF-8 are left out:
 * they could split a character. */
BnSpecials *bn_specials_new (
    const BnVocab *vocab, unsigned with, unsigned without);
void bn_specials_free (BnSpecials *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnSpecials, bn_specials_free)

/* From now on those with ids from first on are not found. */
void bn_specials_remove_from (BnSpecials *self, uint32_t first);

/* Cuts text[start..end) into special tokens and the text between, and appends
 * them to scratch->parts. The longest token that occurs anywhere comes first,
 * then the next shorter in what is left; of equally long ones the leftmost.
 * Text that follows text there already is joined with it. */
void bn_specials_split (const BnSpecials *self, BnScratch *scratch,
    const uint8_t *text, uint32_t start, uint32_t end);
