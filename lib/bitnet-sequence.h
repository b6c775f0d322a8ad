/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetSequence: one running generation. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"

G_BEGIN_DECLS

/**
 * BitnetFinishReason:
 * @BITNET_FINISH_NONE: still running
 * @BITNET_FINISH_STOP: the model ended its answer
 * @BITNET_FINISH_LENGTH: max_tokens or the context is used up
 * @BITNET_FINISH_STOP_STRING: a stop text appeared
 * @BITNET_FINISH_CANCELLED: bitnet_sequence_cancel()
 * @BITNET_FINISH_ERROR: the computation failed
 */
typedef enum {
  BITNET_FINISH_NONE,
  BITNET_FINISH_STOP,
  BITNET_FINISH_LENGTH,
  BITNET_FINISH_STOP_STRING,
  BITNET_FINISH_CANCELLED,
  BITNET_FINISH_ERROR,
} BitnetFinishReason;

#define BITNET_TYPE_FINISH_REASON (bitnet_finish_reason_get_type ())

BITNET_AVAILABLE_IN_ALL
GType bitnet_finish_reason_get_type (void);

/**
 * bitnet_finish_reason_to_string:
 * @reason: a reason
 *
 * Returns: (transfer none): `none`, `stop`, `length`, `stop-string`,
 *   `cancelled` or `error`
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_finish_reason_to_string (BitnetFinishReason reason);

/**
 * BitnetSequence:
 *
 * One response being generated, from bitnet_engine_submit(). Tokens wait in a
 * queue of about 64 until they are taken; a sequence whose queue is full is
 * parked and costs nothing, the others of the engine go on. Dropping the last
 * reference cancels it. A sequence keeps its engine.
 *
 * One thread takes tokens; cancel and the getters may be called from any.
 *
 * |[<!-- language="C" -->
 * guint32 tokens[16];
 * gssize n;
 *
 * while ((n = bitnet_sequence_take (sequence, tokens, 16, cancellable, &error))
 *        > 0) {
 *   g_autofree char *text = bitnet_decoder_push (decoder, tokens, n, NULL);
 *   g_print ("%s", text);
 * }
 * ]|
 */
#define BITNET_TYPE_SEQUENCE (bitnet_sequence_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (
    BitnetSequence, bitnet_sequence, BITNET, SEQUENCE, GObject)

/**
 * bitnet_sequence_take: (skip)
 * @self: a sequence
 * @tokens: (array length=max_tokens): where to store
 * @max_tokens: room at @tokens, at least 1
 * @cancellable: (nullable): ends the waiting at once; the sequence goes on
 * @error: return location for an error
 *
 * Takes the tokens that are there, or waits for the next. When the finish
 * reason is `stop` the last token is the one that ended the generation
 * (bitnet_tokenizer_is_eog()); it has no text. After bitnet_sequence_cancel()
 * nothing more is delivered.
 *
 * Errors: %BITNET_ERROR_NUMERIC or another when the computation failed, again
 * at each call; %G_IO_ERROR_CANCELLED by @cancellable.
 *
 * Returns: how many tokens were stored; 0 at the end; -1 with @error set
 */
BITNET_AVAILABLE_IN_ALL
gssize bitnet_sequence_take (BitnetSequence *self, guint32 *tokens,
    gsize max_tokens, GCancellable *cancellable, GError **error);

/**
 * bitnet_sequence_take_bytes: (rename-to bitnet_sequence_take)
 * @self: a sequence
 * @max_tokens: the most tokens to take, at least 1
 * @cancellable: (nullable): ends the waiting at once; the sequence goes on
 * @error: return location for an error
 *
 * bitnet_sequence_take() for languages that cannot lend memory.
 *
 * Returns: (transfer full): the tokens, four bytes each in the byte order of
 *   the machine; empty at the end; %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
GBytes *bitnet_sequence_take_bytes (BitnetSequence *self, gsize max_tokens,
    GCancellable *cancellable, GError **error);

/**
 * bitnet_sequence_take_async:
 * @self: a sequence
 * @max_tokens: the most tokens to take, at least 1
 * @io_priority: priority of the request, such as %G_PRIORITY_DEFAULT
 * @cancellable: (nullable): ends the waiting; the sequence goes on
 * @callback: (scope async): called when there are tokens or the end is reached
 * @user_data: (closure): data for @callback
 *
 * Like bitnet_sequence_take() without waiting. One at a time: another ends
 * with %G_IO_ERROR_PENDING.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_sequence_take_async (BitnetSequence *self, gsize max_tokens,
    int io_priority, GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data);

/**
 * bitnet_sequence_take_finish:
 * @self: a sequence
 * @result: what the callback got
 * @error: return location for an error
 *
 * Returns: (transfer full): the tokens, four bytes each in the byte order of
 *   the machine; empty at the end; %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
GBytes *bitnet_sequence_take_finish (
    BitnetSequence *self, GAsyncResult *result, GError **error);

/**
 * bitnet_sequence_cancel:
 * @self: a sequence
 *
 * Ends the response: whoever waits for tokens wakes at once, those in the
 * queue are gone. A forward pass that nobody else needs is given up. Does
 * nothing but drop the queue when the response has ended.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_sequence_cancel (BitnetSequence *self);

/**
 * bitnet_sequence_get_finish_reason:
 * @self: a sequence
 *
 * Returns: why the response ended, %BITNET_FINISH_NONE while it runs. Tokens
 *   may still be in the queue
 */
BITNET_AVAILABLE_IN_ALL
BitnetFinishReason bitnet_sequence_get_finish_reason (BitnetSequence *self);

/**
 * bitnet_sequence_get_n_prompt_tokens:
 * @self: a sequence
 *
 * Returns: number of tokens of the prompt
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_sequence_get_n_prompt_tokens (BitnetSequence *self);

/**
 * bitnet_sequence_get_n_cached_tokens:
 * @self: a sequence
 *
 * Returns: how many of the prompt's tokens did not have to be computed; 0
 *   until the prompt's turn came
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_sequence_get_n_cached_tokens (BitnetSequence *self);

/**
 * bitnet_sequence_get_n_generated_tokens:
 * @self: a sequence
 *
 * Returns: how many tokens the model drew so far, those included that end the
 *   response, belong to a stop text or still wait in the queue
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_sequence_get_n_generated_tokens (BitnetSequence *self);

/**
 * bitnet_sequence_get_prefill_ns:
 * @self: a sequence
 *
 * Returns: time of the forward passes up to the first token, nanoseconds
 */
BITNET_AVAILABLE_IN_ALL
guint64 bitnet_sequence_get_prefill_ns (BitnetSequence *self);

/**
 * bitnet_sequence_get_decode_ns:
 * @self: a sequence
 *
 * Returns: time of the forward passes after the first token, nanoseconds;
 *   waiting, as a parked sequence or in the queue, does not count
 */
BITNET_AVAILABLE_IN_ALL
guint64 bitnet_sequence_get_decode_ns (BitnetSequence *self);

G_END_DECLS
