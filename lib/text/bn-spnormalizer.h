/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What SentencePiece does to a text before it looks for pieces: the rules of
 * its table of characters, then those about spaces. */
#pragma once

#include "bn-charsmap.h"
#include "bn-scratch.h"
#include "bn-trie.h"

typedef struct {
  gboolean is_llama_cpp;  /* spaces as llama.cpp does for models "t5" */
  gboolean add_prefix;    /* a space in front */
  gboolean remove_extra;  /* no spaces at the ends, no two in a row */
  gboolean escape;        /* spaces and U+2581 are the same */
  gboolean add_as_suffix; /* the space is put at the end instead */
} BnSpNormalizerOptions;

/* Immutable, for all threads. */
typedef struct BnSpNormalizer BnSpNormalizer;

/* Takes charsmap and symbols, which may be NULL. What is among symbols stays
 * as it is (their values mean nothing). */
BnSpNormalizer *bn_spnormalizer_new (const BnSpNormalizerOptions *options,
    BnCharsmap *charsmap, BnTrie *symbols);
void bn_spnormalizer_free (BnSpNormalizer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnSpNormalizer, bn_spnormalizer_free)

/* Whether it does nothing but to add a space in front of a text; always FALSE
 * if spaces are not escaped. */
gboolean bn_spnormalizer_is_plain (const BnSpNormalizer *self);

/* Replaces the content of out by the normalized text, in which, if spaces are
 * escaped, a space stands for U+2581. add_prefix FALSE: the text is not at the
 * place where spaces are added. FALSE if memory is short. */
gboolean bn_spnormalizer_apply (const BnSpNormalizer *self, const uint8_t *text,
    size_t length, gboolean add_prefix, BnBuffer *out);
