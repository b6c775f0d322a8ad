/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BPE of SentencePiece for the vocabularies that bn-spm.h cannot do: those
 * with unused pieces, and those in which a space is a space. */
#pragma once

#include "bn-scratch.h"
#include "bn-vocab.h"

typedef struct BnSpBpe BnSpBpe;

/* vocab must be sealed and stay. spaces_are_escaped: in texts a space stands
 * for U+2581. */
BnSpBpe *bn_spbpe_new (
    const BnVocab *vocab, gboolean byte_fallback, gboolean spaces_are_escaped);
void bn_spbpe_free (BnSpBpe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnSpBpe, bn_spbpe_free)

/* Appends the ids of a normalized text without symbols of the user. FALSE if
 * memory is short. */
gboolean bn_spbpe_encode (const BnSpBpe *self, BnScratch *scratch,
    const uint8_t *text, size_t length, BnIds *out);
