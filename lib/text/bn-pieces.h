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

typedef enum {
  BN_PIECE_SHOWN,
  BN_PIECE_CONTROL, /* shown if asked for */
  BN_PIECE_HIDDEN,
  BN_PIECE_OTHER, /* not for joining */
} BnPieceKind;

/* Immutable, for all threads. */
typedef struct BnPieces BnPieces;

/* The first n of strings, which stay with the caller; kinds is only read
 * here. */
BnPieces *bn_pieces_new (
    const BnStrings *strings, const uint8_t *kinds, uint32_t n);
void bn_pieces_free (BnPieces *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnPieces, bn_pieces_free)

/* Appends the characters that are complete with these tokens, up to the first
 * that is not for joining; returns how many tokens that were. One U+FFFD comes
 * for every maximal invalid subpart, nothing for ids out of range. joiner is
 * what stands between two calls, for bn_utf8_joiner_finish() at the end. */
size_t bn_pieces_push (const BnPieces *self, BnUtf8Joiner *joiner,
    gboolean show_control, const uint32_t *ids, size_t n_ids, GString *out);
