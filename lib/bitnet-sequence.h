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
BITNET_AVAILABLE_IN_ALL
const char *bitnet_finish_reason_to_string (BitnetFinishReason reason);

/**
 * BitnetSequence:
 *
 * One response being generated. Tokens wait in a bounded queue until they are
 * taken; a sequence whose queue is full is parked and costs nothing. Dropping
 * the last reference cancels it.
 *
 * One thread takes tokens; cancel and the getters may be called from any.
 */
#define BITNET_TYPE_SEQUENCE (bitnet_sequence_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetSequence, bitnet_sequence, BITNET, SEQUENCE,
    GObject)

BITNET_AVAILABLE_IN_ALL
gssize bitnet_sequence_take (BitnetSequence *self, guint32 *tokens,
    gsize max_tokens, GCancellable *cancellable, GError **error);
BITNET_AVAILABLE_IN_ALL
void bitnet_sequence_take_async (BitnetSequence *self, gsize max_tokens,
    int io_priority, GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data);
BITNET_AVAILABLE_IN_ALL
GBytes *bitnet_sequence_take_finish (BitnetSequence *self,
    GAsyncResult *result, GError **error);
BITNET_AVAILABLE_IN_ALL
void bitnet_sequence_cancel (BitnetSequence *self);

BITNET_AVAILABLE_IN_ALL
BitnetFinishReason bitnet_sequence_get_finish_reason (BitnetSequence *self);
BITNET_AVAILABLE_IN_ALL
guint bitnet_sequence_get_n_prompt_tokens (BitnetSequence *self);
BITNET_AVAILABLE_IN_ALL
guint bitnet_sequence_get_n_cached_tokens (BitnetSequence *self);
BITNET_AVAILABLE_IN_ALL
guint bitnet_sequence_get_n_generated_tokens (BitnetSequence *self);
BITNET_AVAILABLE_IN_ALL
guint64 bitnet_sequence_get_prefill_ns (BitnetSequence *self);
BITNET_AVAILABLE_IN_ALL
guint64 bitnet_sequence_get_decode_ns (BitnetSequence *self);

G_END_DECLS
