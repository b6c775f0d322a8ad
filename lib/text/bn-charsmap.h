/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of a SentencePiece normalizer (precompiled_charsmap): which byte
 * sequences of a text are replaced by what. It comes out of model files, so
 * nothing in it is believed: wherever it points, only it itself is read. */
#pragma once

#include "bn-scratch.h"

/* Immutable, for all threads. */
typedef struct BnCharsmap BnCharsmap;

/* A copy of the table in the size bytes at blob. NULL with an error that says
 * what is wrong, at an offset in the blob. */
BnCharsmap *bn_charsmap_new (const void *blob, size_t size, GError **error);
void bn_charsmap_free (BnCharsmap *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnCharsmap, bn_charsmap_free)

/* Looks up the beginning of a text as SentencePiece does, which takes the
 * longest entry: its length, and what replaces it; 0 if there is none. */
size_t bn_charsmap_find_longest (const BnCharsmap *self, const uint8_t *text,
    size_t length, const uint8_t **replacement, size_t *replacement_length);

/* The same for the shortest entry, as the normalizer "Precompiled" of Hugging
 * Face does. */
size_t bn_charsmap_find_shortest (const BnCharsmap *self, const uint8_t *text,
    size_t length, const uint8_t **replacement, size_t *replacement_length);

/* Whether a text that begins with byte, and goes on with an ASCII character if
 * followed_by_ascii, begins with an entry. (For fast passage of text that
 * stays as it is; TRUE only says that it must be looked up.) */
gboolean bn_charsmap_may_begin (
    const BnCharsmap *self, uint8_t byte, gboolean followed_by_ascii);
