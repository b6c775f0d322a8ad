/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetStrategy: the interface, and the blocking call over an implementation
 * that only has the asynchronous pair. */
#include "bitnet-strategy.h"

G_DEFINE_INTERFACE (BitnetStrategy, bitnet_strategy, G_TYPE_OBJECT)

enum { MAX_PRIORITY = 255 };

static void
bitnet_strategy_default_init (BitnetStrategyInterface *iface)
{
}

const char *
bitnet_strategy_get_name (BitnetStrategy *self)
{
  BitnetStrategyInterface *iface;

  g_return_val_if_fail (BITNET_IS_STRATEGY (self), NULL);
  iface = BITNET_STRATEGY_GET_IFACE (self);
  return iface->get_name (self);
}

int
bitnet_strategy_get_priority (BitnetStrategy *self)
{
  BitnetStrategyInterface *iface;

  g_return_val_if_fail (BITNET_IS_STRATEGY (self), 0);
  iface = BITNET_STRATEGY_GET_IFACE (self);
  return iface->get_priority
             ? CLAMP (iface->get_priority (self), 0, MAX_PRIORITY)
             : 0;
}

gboolean
bitnet_strategy_requires_network (BitnetStrategy *self)
{
  BitnetStrategyInterface *iface;

  g_return_val_if_fail (BITNET_IS_STRATEGY (self), FALSE);
  iface = BITNET_STRATEGY_GET_IFACE (self);
  return iface->requires_network != NULL && iface->requires_network (self);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_set_object ((GAsyncResult **) user_data, result);
}

/* Runs the asynchronous form in a context of this thread's own. */
static BitnetTokenizer *
run_async (BitnetStrategy *self, BitnetAttempt *attempt,
    GCancellable *cancellable, GError **error)
{
  BitnetStrategyInterface *iface = BITNET_STRATEGY_GET_IFACE (self);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GAsyncResult) result = NULL;
  BitnetTokenizer *tokenizer;

  g_main_context_push_thread_default (context);
  iface->try_resolve_async (self, attempt, cancellable, on_done, &result);
  while (result == NULL)
    g_main_context_iteration (context, TRUE);
  tokenizer = iface->try_resolve_finish (self, result, error);
  g_main_context_pop_thread_default (context);
  return tokenizer;
}

BitnetTokenizer *
bitnet_strategy_try_resolve (BitnetStrategy *self, BitnetAttempt *attempt,
    GCancellable *cancellable, GError **error)
{
  BitnetStrategyInterface *iface;

  g_return_val_if_fail (BITNET_IS_STRATEGY (self), NULL);
  g_return_val_if_fail (BITNET_IS_ATTEMPT (attempt), NULL);
  iface = BITNET_STRATEGY_GET_IFACE (self);
  if (iface->try_resolve)
    return iface->try_resolve (self, attempt, cancellable, error);
  g_return_val_if_fail (iface->try_resolve_async != NULL, NULL);
  return run_async (self, attempt, cancellable, error);
}
