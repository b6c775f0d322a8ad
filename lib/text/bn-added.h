/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Added tokens of tokenizer.json: tokens that are found by their text, from
 * left to right and the longest of those that begin in one place, before
 * anything else looks at it. */
#pragma once

#include "bn-scratch.h"

typedef enum {
  BN_ADDED_SINGLE_WORD = 1 << 0, /* not in front of or behind a letter */
  BN_ADDED_LSTRIP = 1 << 1,      /* takes the white space before it */
  BN_ADDED_RSTRIP = 1 << 2,      /* takes the white space after it */
  BN_ADDED_NORMALIZED = 1 << 3,  /* found in normalized text */
  BN_ADDED_SPECIAL = 1 << 4,     /* of no text of its own */
} BnAddedFlags;

typedef struct {
  const char *text;
  size_t length;
  uint32_t id;
  unsigned flags; /* BnAddedFlags */
} BnAddedToken;

/* Immutable, for all threads. */
typedef struct BnAdded BnAdded;

/* Copies the texts. Empty ones are never found; of equal ones the last
 * counts. */
BnAdded *bn_added_new (const BnAddedToken *tokens, size_t n_tokens);
void bn_added_free (BnAdded *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnAdded, bn_added_free)

/* From now on those with ids from first on are not found. */
void bn_added_remove_from (BnAdded *self, uint32_t first);

/* Cuts text[start..end) into added tokens and the text between, and appends
 * them to out; text that follows text there is joined with it. Special ones
 * count only if parse_special; is_searched of text remembers that (of joined
 * text: for both). found is room to work in. self may be NULL: no tokens. */
void bn_added_split (const BnAdded *self, const uint8_t *text, uint32_t start,
    uint32_t end, gboolean parse_special, BnSpans *found, BnSpans *out);
