/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pre-tokenizers of tokenizer.json: how a text is cut into words, of which
 * each is encoded by itself. Chains that a hand-written set of bn-pretok.h
 * does as well are recognised; then that set is used. */
#pragma once

#include "bn-json.h"
#include "bn-pretok.h"
#include "bn-scratch.h"

/* Words of a text, which may be rewritten: word i is text[starts[i]] up to
 * text[starts[i + 1]]; there are no empty ones. Zero to begin; it keeps its
 * memory from text to text. */
typedef struct {
  BnBuffer text;
  uint32_t *starts;
  size_t n_words, n_reserved;
  BnBuffer *buffers; /* texts while steps rewrite them */
  size_t n_buffers;
} BnWords;

void bn_words_clear (BnWords *self); /* frees what it holds */

/* Immutable, for all threads. */
typedef struct BnSplitter BnSplitter;

/* From the value of the member "pre_tokenizer", which is not null. */
BnSplitter *bn_splitter_new_from_json (BnJson json, GError **error);
void bn_splitter_free (BnSplitter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnSplitter, bn_splitter_free)

/* Replaces the content of words; the text is UTF-8, fragment is BnFragment.
 * FALSE if memory is short, or if a regular expression takes too long. */
gboolean bn_splitter_apply (const BnSplitter *self, BnScratch *scratch,
    const uint8_t *text, size_t length, unsigned fragment, BnWords *words);

/* From now on words are the bytes that the characters of the table stand for:
 * what a vocabulary of bytes needs. FALSE, and nothing changes, if they are not
 * in that table. */
gboolean bn_splitter_use_bytes (BnSplitter *self);

/* Whether it ends with the byte table of GPT-2 (ByteLevel), so that words
 * consist of its characters. */
gboolean bn_splitter_is_byte_level (const BnSplitter *self);

/* The set that cuts the bytes of a text as this does, when nothing but the
 * byte table is added to it; NULL if there is none. */
const BnPretokSet *bn_splitter_get_set (const BnSplitter *self);
