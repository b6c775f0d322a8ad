/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SentencePiece-style BPE: characters are joined to pieces, best score
 * first. */
#pragma once

#include "bn-scratch.h"
#include "bn-vocab.h"

typedef struct BnSpm BnSpm;

/* vocab must be sealed and stay. */
BnSpm *bn_spm_new (const BnVocab *vocab);
/* Only tokens that have one of these attributes come of joining. */
BnSpm *bn_spm_new_restricted (const BnVocab *vocab, unsigned attributes);
void bn_spm_free (BnSpm *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnSpm, bn_spm_free)

/* Appends the ids of a text, with a space in front of it if add_space. FALSE
 * if memory is short. */
gboolean bn_spm_encode (const BnSpm *self, BnScratch *scratch,
    const uint8_t *text, size_t length, gboolean add_space, BnIds *out);
