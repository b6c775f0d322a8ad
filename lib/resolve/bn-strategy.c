/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chain: which strategies, in which order, and one error for all. */
#include "bn-strategy.h"

#include <string.h>
#include "bitnet-error.h"
#include "bn-validate.h"

static const char profile_local_first[] = "local-first";
static const char profile_hub_first[] = "hub-first";

/* Where the profile hub-first differs from local-first. */
static const struct {
  const char *name;
  int priority;
} hub_first[] = {
    {"huggingface", 80},
    {"generic", 40},
};

void
bn_found_clear (BnFound *found)
{
  g_clear_object (&found->tokenizer);
  g_clear_pointer (&found->source, g_free);
}

static void
attempt_free (gpointer data)
{
  BnAttempt *attempt = data;

  g_clear_error (&attempt->error);
  g_free (attempt);
}

static gboolean
has_name (const BnStrategy *strategy, const char *name)
{
  if (g_ascii_strcasecmp (strategy->name, name) == 0)
    return TRUE;
  for (const char *const *alias = strategy->aliases; *alias != NULL; alias++) {
    if (g_ascii_strcasecmp (*alias, name) == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean
append_by_name (GPtrArray *chain, const char *name, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (const BnStrategy *const *s = bn_strategies; *s != NULL; s++) {
    if (has_name (*s, name)) {
      if (!g_ptr_array_find (chain, *s, NULL))
        g_ptr_array_add (chain, (gpointer) *s);
      return TRUE;
    }
    g_string_append_printf (names, "%s, ", (*s)->name);
  }
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "strategy-order: this version has no strategy \"%s\", expected %s%s or "
      "%s",
      name, names->str, profile_local_first, profile_hub_first);
  return FALSE;
}

static int
get_hub_first_priority (const BnStrategy *strategy)
{
  for (gsize i = 0; i < G_N_ELEMENTS (hub_first); i++) {
    if (strcmp (strategy->name, hub_first[i].name) == 0)
      return hub_first[i].priority;
  }
  return strategy->priority;
}

static int
compare_hub_first (gconstpointer a, gconstpointer b)
{
  const BnStrategy *const *left = a, *const *right = b;

  return get_hub_first_priority (*right) - get_hub_first_priority (*left);
}

static void
append_all (GPtrArray *chain)
{
  for (const BnStrategy *const *s = bn_strategies; *s != NULL; s++)
    g_ptr_array_add (chain, (gpointer) *s);
}

/* The names of the order, also where they stand in one comma list. */
static GStrv
split_order (char **order)
{
  g_autofree char *joined = order ? g_strjoinv (",", order) : g_strdup ("");
  g_auto (GStrv) names = g_strsplit_set (joined, ", ", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (char **name = names; *name != NULL; name++) {
    if (**name != '\0')
      g_strv_builder_add (builder, *name);
  }
  return g_strv_builder_end (builder);
}

GPtrArray *
bn_chain_new (const BnResolveOptions *options, GError **error)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new ();
  g_auto (GStrv) names = split_order (options->strategy_order);

  if (options->tokenizer != NULL) {
    g_ptr_array_add (chain, (gpointer) &bn_strategy_explicit);
  } else if (names[0] == NULL || strcmp (names[0], profile_local_first) == 0) {
    append_all (chain);
  } else if (strcmp (names[0], profile_hub_first) == 0) {
    append_all (chain);
    g_ptr_array_sort (chain, compare_hub_first);
  } else {
    for (char **name = names; *name != NULL; name++) {
      if (!append_by_name (chain, *name, error))
        return NULL;
    }
  }
  return g_steal_pointer (&chain);
}

/* How much an error tells about what to do: the larger, the more. */
static int
get_rank (const GError *error)
{
  static const struct {
    BitnetError code;
    int rank;
  } ranks[] = {
      {BITNET_ERROR_HTTP, 6},
      {BITNET_ERROR_VOCAB_MISMATCH, 5},
      {BITNET_ERROR_CORRUPT, 4},
      {BITNET_ERROR_TOKENIZER, 3},
      {BITNET_ERROR_NETWORK, 2},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (ranks); i++) {
    if (g_error_matches (error, BITNET_ERROR, ranks[i].code))
      return ranks[i].rank;
  }
  return 0;
}

static void
set_aggregated_error (GPtrArray *attempts, const BnResolveOptions *options,
    BitnetModel *model, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  const BnAttempt *best = attempts->pdata[0];

  g_string_printf (text, "no tokenizer for %s%s", bitnet_model_get_path (model),
      options->strict ? " (strict)" : "");
  for (guint i = 0; i < attempts->len; i++) {
    const BnAttempt *attempt = attempts->pdata[i];

    g_string_append_printf (text, "\n  %u. %s: %s", i + 1,
        attempt->strategy->name, attempt->error->message);
    if (get_rank (attempt->error) > get_rank (best->error))
      best = attempt;
  }
  g_string_append (text, "\nTry:");
  for (guint i = 0; i < attempts->len; i++) {
    const BnAttempt *attempt = attempts->pdata[i];

    if (attempt->strategy->suggestion != NULL)
      g_string_append_printf (text, "\n  - %s", attempt->strategy->suggestion);
  }
  g_set_error_literal (
      error, best->error->domain, best->error->code, text->str);
}

/* TRUE if the strategy found a tokenizer that fits; else attempt->error. */
static gboolean
try_strategy (BnAttempt *attempt, const BnResolveOptions *options,
    BitnetModel *model, BnFound *found, GPtrArray *warnings,
    GCancellable *cancellable)
{
  gint64 start_us = g_get_monotonic_time ();
  gboolean success = attempt->strategy->try_resolve (
                         options, model, found, cancellable, &attempt->error)
                     && bn_validate (found->tokenizer, model, options->strict,
                         warnings, &attempt->error);

  attempt->duration_us = g_get_monotonic_time () - start_us;
  if (!success) {
    bn_found_clear (found);
    *found = (BnFound){0};
    g_ptr_array_set_size (warnings, 0);
  }
  return success;
}

const BnStrategy *
bn_chain_run (GPtrArray *chain, const BnResolveOptions *options,
    BitnetModel *model, const BnChainObserver *observer, BnFound *found,
    GPtrArray *warnings, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) attempts =
      g_ptr_array_new_with_free_func (attempt_free);

  for (guint i = 0; i < chain->len; i++) {
    BnAttempt *attempt;

    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return NULL;
    attempt = g_new0 (BnAttempt, 1);
    attempt->strategy = chain->pdata[i];
    g_ptr_array_add (attempts, attempt);
    observer->started (attempt->strategy, observer->user_data);
    if (try_strategy (attempt, options, model, found, warnings, cancellable)) {
      observer->finished (attempt, observer->user_data);
      return attempt->strategy;
    }
    observer->finished (attempt, observer->user_data);
    if (g_error_matches (attempt->error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
      g_propagate_error (error, g_steal_pointer (&attempt->error));
      return NULL;
    }
  }
  set_aggregated_error (attempts, options, model, error);
  return NULL;
}
