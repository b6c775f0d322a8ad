/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of tokens, laid out for joining them fast.
 *
 * Every id has 16 bytes: up to 15 of output and one that says how many and
 * what else is to be known. They are copied all 16, whatever the length, and
 * the next piece is written over the rest:
 *
 *   | T h e . . . . . . . . . . . . 3 |
 *           | q u i c k . . . . . . . . . . 6 |
 *
 * Where all pieces are UTF-8 by themselves, so is the text; only around the
 * others (bytes that make up characters together) it is checked. */
#pragma once

#include "bn-unicode.h"
#include "bn-vocab.h"

/* For all threads; what it gives never changes. */
typedef struct BnPieces BnPieces;

/* The first n of strings. Of attributes those count that say which tokens are
 * hidden: control and unknown ones unless asked for, unused ones always. What
 * strings and attributes point to stays with the caller and does not change
 * any more when the first text is joined. */
BnPieces *bn_pieces_new (
    const BnStrings *strings, const uint16_t *attributes, uint32_t n);
void bn_pieces_free (BnPieces *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnPieces, bn_pieces_free)

/* What stands between two calls. Zero to begin. */
typedef struct {
  BnUtf8Joiner joiner;
  gboolean strip_space; /* the next token that is shown loses a first space */
} BnPiecesState;

/* Appends the characters that are complete with these tokens; one U+FFFD for
 * every maximal invalid subpart. Ids out of range add nothing. */
void bn_pieces_push (BnPieces *self, BnPiecesState *state,
    gboolean show_control, const uint32_t *ids, size_t n_ids, GString *out);

/* Ends the text: one U+FFFD if a character was not finished. */
void bn_pieces_finish (BnPiecesState *state, GString *out);
