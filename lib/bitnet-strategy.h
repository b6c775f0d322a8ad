/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetStrategy: one way to find a model's tokenizer. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"
#include "bitnet-discovery.h"
#include "bitnet-tokenizer.h"

G_BEGIN_DECLS

/**
 * BitnetAttempt:
 *
 * What a strategy works with while it is tried: the model, what is allowed,
 * and the check that a tokenizer has to pass. Made by the resolver for one
 * attempt.
 */
#define BITNET_TYPE_ATTEMPT (bitnet_attempt_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetAttempt, bitnet_attempt, BITNET, ATTEMPT, GObject)

/**
 * bitnet_attempt_get_discovery:
 * @self: an attempt
 *
 * Returns: (transfer none): what the model says
 */
BITNET_AVAILABLE_IN_ALL
BitnetDiscovery *bitnet_attempt_get_discovery (BitnetAttempt *self);

/**
 * bitnet_attempt_is_strict:
 * @self: an attempt
 *
 * Returns: whether doubts are errors
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_attempt_is_strict (BitnetAttempt *self);

/**
 * bitnet_attempt_allows_network:
 * @self: an attempt
 *
 * Returns: whether the network may be used
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_attempt_allows_network (BitnetAttempt *self);

/**
 * bitnet_attempt_check:
 * @self: an attempt
 * @tokenizer: a tokenizer
 * @source: file or repository it comes from
 * @error: return location for an error
 *
 * Checks a tokenizer against the model, as the resolver does with what a
 * strategy returns. For strategies with several candidates: one that does not
 * pass is noted in the report, and the next can be tried.
 *
 * Returns: %TRUE if it fits, else %FALSE with %BITNET_ERROR_VOCAB_MISMATCH
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_attempt_check (BitnetAttempt *self, BitnetTokenizer *tokenizer,
    const char *source, GError **error);

/**
 * bitnet_attempt_set_source:
 * @self: an attempt
 * @source: file or repository that the tokenizer comes from
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_attempt_set_source (BitnetAttempt *self, const char *source);

/**
 * bitnet_attempt_warn:
 * @self: an attempt
 * @message: what is doubtful
 *
 * Adds to the warnings of the resolution.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_attempt_warn (BitnetAttempt *self, const char *message);

/**
 * BitnetStrategy:
 *
 * One way to find a model's tokenizer. The resolver has five of its own;
 * applications add others with bitnet_resolver_add_strategy().
 *
 * An implementation has either @try_resolve, or @try_resolve_async with
 * @try_resolve_finish.
 */
#define BITNET_TYPE_STRATEGY (bitnet_strategy_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_INTERFACE (BitnetStrategy, bitnet_strategy, BITNET, STRATEGY, GObject)

/**
 * BitnetStrategyInterface:
 * @g_iface: the parent
 * @get_name: its name, stable: in settings, messages, statistics
 * @get_priority: from 0 to 255; larger ones are tried first
 * @requires_network: whether it is left out where the network must not be used
 * @try_resolve: finds a tokenizer; in a thread of the resolver, may block,
 *   obeys the cancellable
 * @try_resolve_async: the same without blocking, in a thread-default context
 *   that the resolver runs
 * @try_resolve_finish: gives what @try_resolve_async found
 */
struct _BitnetStrategyInterface {
  GTypeInterface g_iface;

  const char *(*get_name) (BitnetStrategy *self);
  int (*get_priority) (BitnetStrategy *self);
  gboolean (*requires_network) (BitnetStrategy *self);
  BitnetTokenizer *(*try_resolve) (BitnetStrategy *self, BitnetAttempt *attempt,
      GCancellable *cancellable, GError **error);
  void (*try_resolve_async) (BitnetStrategy *self, BitnetAttempt *attempt,
      GCancellable *cancellable, GAsyncReadyCallback callback,
      gpointer user_data);
  BitnetTokenizer *(*try_resolve_finish) (
      BitnetStrategy *self, GAsyncResult *result, GError **error);
};

/**
 * bitnet_strategy_get_name:
 * @self: a strategy
 *
 * Returns: (transfer none): its name
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_strategy_get_name (BitnetStrategy *self);

/**
 * bitnet_strategy_get_priority:
 * @self: a strategy
 *
 * Returns: its priority, from 0 to 255; larger ones are tried first
 */
BITNET_AVAILABLE_IN_ALL
int bitnet_strategy_get_priority (BitnetStrategy *self);

/**
 * bitnet_strategy_requires_network:
 * @self: a strategy
 *
 * Returns: whether it is of no use offline
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_strategy_requires_network (BitnetStrategy *self);

/**
 * bitnet_strategy_try_resolve:
 * @self: a strategy
 * @attempt: what it works with
 * @cancellable: (nullable): stops it
 * @error: return location for an error
 *
 * Blocks until the strategy has found a tokenizer or failed.
 *
 * Returns: (transfer full): a tokenizer, or %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
BitnetTokenizer *bitnet_strategy_try_resolve (BitnetStrategy *self,
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error);

G_END_DECLS
