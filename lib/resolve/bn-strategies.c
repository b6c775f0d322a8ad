/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of strategies and the type that makes objects of its rows. */
#include "bn-strategies.h"

#include <string.h>

/* Names are API: in settings, messages and statistics. Priorities are those of
 * the order `local-first`. */
typedef struct {
  const char *name;
  int priority;
  gboolean requires_network;
  BnTryFn try_resolve;
} Row;

enum { PRIORITY_EXPLICIT = 255 };

static const Row rows[] = {
    {BN_STRATEGY_EMBEDDED, 100, FALSE, bn_try_embedded},
    {BN_STRATEGY_GENERIC, 80, FALSE, bn_try_generic},
    {BN_STRATEGY_CACHE, 60, FALSE, bn_try_cache},
    {BN_STRATEGY_HUB, 40, TRUE, bn_try_hub},
    {BN_STRATEGY_BACKUP, 20, FALSE, bn_try_backup},
    {BN_STRATEGY_EXPLICIT, PRIORITY_EXPLICIT, FALSE, bn_try_explicit},
    {BN_STRATEGY_EMBEDDED, 100, FALSE, bn_try_embedded_default},
};

enum {
  N_ORDINARY = 5,
  ROW_EXPLICIT = N_ORDINARY,
  ROW_EMBEDDED_DEFAULT,
};

/* Other spellings of the names. */
static const struct {
  const char *alias, *name;
} aliases[] = {
    {"exact", BN_STRATEGY_EXPLICIT},
    {"modelembedded", BN_STRATEGY_EMBEDDED},
    {"ggufmetadata", BN_STRATEGY_EMBEDDED},
    {"embeddedgguf", BN_STRATEGY_EMBEDDED},
    {"colocatedfiles", BN_STRATEGY_GENERIC},
    {"discovered", BN_STRATEGY_GENERIC},
    {"localcache", BN_STRATEGY_CACHE},
    {"standardcache", BN_STRATEGY_CACHE},
    {"smartdownload", BN_STRATEGY_HUB},
    {"needsdownload", BN_STRATEGY_HUB},
    {"hub", BN_STRATEGY_HUB},
    {"mockfallback", BN_STRATEGY_BACKUP},
    {"mock", BN_STRATEGY_BACKUP},
};

gboolean
bn_strategy_has_name (const char *strategy, const char *name)
{
  if (g_ascii_strcasecmp (strategy, name) == 0)
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (aliases); i++) {
    if (g_ascii_strcasecmp (aliases[i].alias, name) == 0)
      return strcmp (aliases[i].name, strategy) == 0;
  }
  return FALSE;
}

/* The type. */

#define BN_TYPE_BUILTIN (bn_builtin_get_type ())
G_DECLARE_FINAL_TYPE (BnBuiltin, bn_builtin, BN, BUILTIN, GObject)

struct _BnBuiltin {
  GObject parent_instance;
  const Row *row;
};

static void bn_builtin_init_interface (BitnetStrategyInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BnBuiltin, bn_builtin, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (BITNET_TYPE_STRATEGY, bn_builtin_init_interface))

static const char *
bn_builtin_get_name (BitnetStrategy *self)
{
  return BN_BUILTIN (self)->row->name;
}

static int
bn_builtin_get_priority (BitnetStrategy *self)
{
  return BN_BUILTIN (self)->row->priority;
}

static gboolean
bn_builtin_requires_network (BitnetStrategy *self)
{
  return BN_BUILTIN (self)->row->requires_network;
}

static BitnetTokenizer *
bn_builtin_try_resolve (BitnetStrategy *self, BitnetAttempt *attempt,
    GCancellable *cancellable, GError **error)
{
  return BN_BUILTIN (self)->row->try_resolve (attempt, cancellable, error);
}

static void
bn_builtin_init_interface (BitnetStrategyInterface *iface)
{
  iface->get_name = bn_builtin_get_name;
  iface->get_priority = bn_builtin_get_priority;
  iface->requires_network = bn_builtin_requires_network;
  iface->try_resolve = bn_builtin_try_resolve;
}

static void
bn_builtin_class_init (BnBuiltinClass *klass)
{
}

static void
bn_builtin_init (BnBuiltin *self)
{
}

static BitnetStrategy *
get_strategy (gsize i)
{
  static BitnetStrategy *strategies[G_N_ELEMENTS (rows)];
  static gsize is_made = 0;

  if (g_once_init_enter (&is_made)) {
    for (gsize k = 0; k < G_N_ELEMENTS (rows); k++) {
      BnBuiltin *builtin = g_object_new (BN_TYPE_BUILTIN, NULL);

      builtin->row = &rows[k];
      strategies[k] = BITNET_STRATEGY (builtin);
    }
    g_once_init_leave (&is_made, 1);
  }
  return strategies[i];
}

BitnetStrategy *const *
bn_strategies_get (void)
{
  static BitnetStrategy *ordinary[N_ORDINARY + 1];
  static gsize is_made = 0;

  if (g_once_init_enter (&is_made)) {
    for (gsize i = 0; i < N_ORDINARY; i++)
      ordinary[i] = get_strategy (i);
    g_once_init_leave (&is_made, 1);
  }
  return ordinary;
}

gboolean
bn_strategy_is_ours (BitnetStrategy *strategy)
{
  return BN_IS_BUILTIN (strategy);
}

BitnetStrategy *
bn_strategy_get_explicit (void)
{
  return get_strategy (ROW_EXPLICIT);
}

BitnetStrategy *
bn_strategy_get_embedded_default (void)
{
  return get_strategy (ROW_EMBEDDED_DEFAULT);
}
