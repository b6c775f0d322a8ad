/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends a response at a stop text. The text of the tokens is matched as one
 * stream of bytes, so a stop text may begin and end anywhere in a token.
 *
 * Tokens whose text may be the beginning of a stop text are held back until
 * that is decided. Tokens in front of the match are let go; those that
 * overlap it, and what follows, are not. Where a stop text begins inside a
 * token the bytes of that token in front of it are handed out as text, for
 * the caller to spell with other tokens: the response then reads exactly as
 * if it had ended in front of the stop text. */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

typedef struct BnStopper BnStopper;

/* stop: NULL-terminated, no text of it empty; copied. */
BnStopper *bn_stopper_new (const char *const *stop);
void bn_stopper_free (BnStopper *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnStopper, bn_stopper_free)

/* What a push or a flush gave; valid until the next call. */
typedef struct {
  const uint32_t *tokens; /* free to go, in order */
  size_t n_tokens;
  gboolean is_stopped; /* a stop text appeared; nothing may be pushed */
  const char *rest;    /* the beginning of the token that it cut, or NULL */
  size_t rest_size;
} BnStopperResult;

/* The next token and its text, which may be empty. When several stop texts
 * appear in it the one that ends first counts, of those the longest. */
void bn_stopper_push (BnStopper *self, uint32_t token, const void *text,
    size_t size, BnStopperResult *result);

/* The response ended: lets go what was held back. */
void bn_stopper_flush (BnStopper *self, BnStopperResult *result);
