/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of the scheduler share: short ways to start it over
 * fake-transformer.h and to run requests. Functions without a GError fail the
 * test. */
#pragma once

#include <glib.h>
#include "core/bn-scheduler.h"

enum { END_TOKEN = 7 }; /* of requests with has_end */

BnScheduler *start_scheduler (guint n_sequences, guint batch_size);
/* The same, and loads. */
BnScheduler *start_ready (guint n_sequences, guint batch_size);
/* The same, and guesses up to n_drafts tokens. */
BnScheduler *start_drafts (guint n_sequences, guint batch_size, guint n_drafts);
/* Waits until nothing of it is left. */
void stop_scheduler (BnScheduler *self);

/* n tokens that depend on seed. */
guint32 *make_prompt (guint32 seed, guint n);
/* A token is the letter 'A' + token, "ab" for 30 and "bc" for 31. */
const char *get_token_text (guint32 token);

/* Greedy. stop: texts that end it, or NULL; has_end: END_TOKEN does. */
BnRequest *submit_full (BnScheduler *self, const guint32 *tokens,
    guint n_tokens, guint max_tokens, const char *const *stop, gboolean has_end,
    GError **error);
/* The prompt of that seed, nothing ends the answer but its length. */
BnRequest *submit (
    BnScheduler *self, guint32 seed, guint n_tokens, guint max_tokens);

/* Takes everything, in pieces of random size. */
GArray *drain (BnRequest *request, GError **error);
/* Drains a request of submit(): n tokens, the right ones, and the end for their
 * number. */
void check_request (BnRequest *request, guint32 seed, guint n_prompt, guint n);
BnFinishReason get_reason (BnRequest *request);
