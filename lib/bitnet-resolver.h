/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetResolver: finds the tokenizer that belongs to a model. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"
#include "bitnet-model.h"
#include "bitnet-tokenizer.h"

G_BEGIN_DECLS

/**
 * BitnetResolver:
 *
 * Finds the tokenizer of a model: an explicit file first, else each strategy
 * in its order until one gives a tokenizer that fits the model.
 *
 * Properties are set before the first use; after that every function may be
 * called from any thread.
 *
 * Signals (emitted in the thread-default context of the caller of the
 * asynchronous form, in the calling thread of the synchronous one):
 * `strategy-started (name)`, `strategy-finished (name, success, message)`.
 */
#define BITNET_TYPE_RESOLVER (bitnet_resolver_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetResolver, bitnet_resolver, BITNET, RESOLVER,
    GObject)

BITNET_AVAILABLE_IN_ALL
BitnetResolver *bitnet_resolver_new (void);
BITNET_AVAILABLE_IN_ALL
BitnetTokenizer *bitnet_resolver_resolve (BitnetResolver *self,
    BitnetModel *model, GCancellable *cancellable, GVariant **resolution,
    GError **error);
BITNET_AVAILABLE_IN_ALL
void bitnet_resolver_resolve_async (BitnetResolver *self, BitnetModel *model,
    int io_priority, GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data);
BITNET_AVAILABLE_IN_ALL
BitnetTokenizer *bitnet_resolver_resolve_finish (BitnetResolver *self,
    GAsyncResult *result, GVariant **resolution, GError **error);
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_resolver_dup_stats (BitnetResolver *self);

G_END_DECLS
