/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Order and run of strategies. */
#include "bn-chain.h"

#include <string.h>
#include "bitnet-error.h"
#include "bn-strategies.h"

#define PROFILE_LOCAL_FIRST "local-first"
#define PROFILE_HUB_FIRST "hub-first"

#define US_PER_MS 1000.0

/* Where the profile hub-first differs from local-first. */
static const struct {
  const char *name;
  int priority;
} hub_first[] = {
    {BN_STRATEGY_HUB, 80},
    {BN_STRATEGY_GENERIC, 40},
};

/* Names that options list, without blanks and empty ones. */
static GStrv
split_order (const BnResolveOptions *options)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (char **item = options->strategy_order; item && *item; item++) {
    g_auto (GStrv) names = g_strsplit (*item, ",", -1);

    for (char **name = names; *name; name++) {
      if (*g_strstrip (*name) != '\0')
        g_strv_builder_add (builder, *name);
    }
  }
  return g_strv_builder_end (builder);
}

static gboolean
is_profile (const BnResolveOptions *options, const char *profile)
{
  g_auto (GStrv) names = split_order (options);

  return names[0] != NULL && names[1] == NULL
         && strcmp (names[0], profile) == 0;
}

int
bn_chain_get_priority (
    const BnResolveOptions *options, BitnetStrategy *strategy)
{
  const char *name = bitnet_strategy_get_name (strategy);

  if (is_profile (options, PROFILE_HUB_FIRST)) {
    for (gsize i = 0; i < G_N_ELEMENTS (hub_first); i++) {
      if (strcmp (hub_first[i].name, name) == 0)
        return hub_first[i].priority;
    }
  }
  return bitnet_strategy_get_priority (strategy);
}

/* All strategies, those of the application in the place of ours of the same
 * name; the order among equal priorities is ours first. */
static GPtrArray *
list_all (GPtrArray *custom)
{
  GPtrArray *all = g_ptr_array_new_with_free_func (g_object_unref);

  for (BitnetStrategy *const *s = bn_strategies_get (); *s; s++)
    g_ptr_array_add (all, g_object_ref (*s));
  for (guint i = 0; custom && i < custom->len; i++) {
    BitnetStrategy *strategy = custom->pdata[i];
    const char *name = bitnet_strategy_get_name (strategy);

    for (guint k = 0; k < all->len; k++) {
      if (strcmp (bitnet_strategy_get_name (all->pdata[k]), name) == 0)
        g_ptr_array_remove_index (all, k--);
    }
    g_ptr_array_add (all, g_object_ref (strategy));
  }
  return all;
}

/* A stable sort by falling priority; there are few. */
static void
sort_by_priority (GPtrArray *chain, const BnResolveOptions *options)
{
  for (guint i = 1; i < chain->len; i++) {
    gpointer strategy = chain->pdata[i];
    int priority = bn_chain_get_priority (options, strategy);
    guint k = i;

    for (; k > 0
           && bn_chain_get_priority (options, chain->pdata[k - 1]) < priority;
         k--)
      chain->pdata[k] = chain->pdata[k - 1];
    chain->pdata[k] = strategy;
  }
}

static gboolean
append_by_name (
    GPtrArray *chain, GPtrArray *all, const char *name, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < all->len; i++) {
    BitnetStrategy *strategy = all->pdata[i];

    if (bn_strategy_has_name (bitnet_strategy_get_name (strategy), name)) {
      if (!g_ptr_array_find (chain, strategy, NULL))
        g_ptr_array_add (chain, g_object_ref (strategy));
      return TRUE;
    }
    g_string_append_printf (names, "%s, ", bitnet_strategy_get_name (strategy));
  }
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "there is no strategy \"%s\"; known are %s" PROFILE_LOCAL_FIRST
      " and " PROFILE_HUB_FIRST,
      name, names->str);
  return FALSE;
}

static void
drop_local (GPtrArray *chain)
{
  for (guint i = 0; i < chain->len; i++) {
    const char *name = bitnet_strategy_get_name (chain->pdata[i]);

    if (strcmp (name, BN_STRATEGY_EMBEDDED) == 0
        || strcmp (name, BN_STRATEGY_GENERIC) == 0)
      g_ptr_array_remove_index (chain, i--);
  }
}

GPtrArray *
bn_chain_new (const BnResolveOptions *options, GPtrArray *custom,
    gboolean is_remote, GError **error)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) all = list_all (custom);
  g_auto (GStrv) names = split_order (options);

  if (options->tokenizer) {
    g_ptr_array_add (chain, g_object_ref (bn_strategy_get_explicit ()));
    if (!options->explicit_fallback)
      return g_steal_pointer (&chain);
  }
  if (names[0] == NULL || is_profile (options, PROFILE_LOCAL_FIRST)
      || is_profile (options, PROFILE_HUB_FIRST)) {
    sort_by_priority (all, options);
    g_ptr_array_extend_and_steal (chain, g_steal_pointer (&all));
  } else {
    for (char **name = names; *name; name++) {
      if (!append_by_name (chain, all, *name, error))
        return NULL;
    }
  }
  if (is_remote)
    drop_local (chain);
  return g_steal_pointer (&chain);
}

/* Running. */

static void
trial_free (gpointer data)
{
  BnTrial *trial = data;

  g_free (trial->source);
  g_clear_error (&trial->error);
  g_free (trial);
}

void
bn_outcome_clear (BnOutcome *self)
{
  bn_found_clear (&self->found);
  g_clear_pointer (&self->trials, g_ptr_array_unref);
}

/* Appends to the trials what a strategy has rejected and how it ended. */
static void
note_trials (const BnChainInput *input, BnOutcome *outcome,
    BitnetStrategy *strategy, BitnetAttempt *attempt, const GError *error,
    double duration_ms)
{
  const char *name = g_intern_string (bitnet_strategy_get_name (strategy));
  int priority = bn_chain_get_priority (input->options, strategy);
  gboolean is_noted = FALSE;
  BnTrial *trial;

  for (guint i = 0; i < attempt->rejections->len; i++) {
    const BnRejection *rejection = attempt->rejections->pdata[i];

    trial = g_new0 (BnTrial, 1);
    *trial = (BnTrial){name, priority, g_strdup (rejection->source),
        g_error_copy (rejection->error), 0, TRUE};
    is_noted = is_noted
               || (error && rejection->error->code == error->code
                   && strcmp (rejection->error->message, error->message) == 0);
    g_ptr_array_add (outcome->trials, trial);
  }
  if (is_noted) { /* one of its candidates is the reason */
    trial->duration_ms = duration_ms;
    trial->is_candidate = FALSE;
    return;
  }
  trial = g_new0 (BnTrial, 1);
  *trial =
      (BnTrial){name, priority, error ? NULL : g_strdup (attempt->found.source),
          error ? g_error_copy (error) : NULL, duration_ms, FALSE};
  g_ptr_array_add (outcome->trials, trial);
}

/* What a strategy returned must be what was checked. What it has said of it so
 * far still holds. */
static BitnetTokenizer *
check_result (BitnetAttempt *attempt, BitnetStrategy *strategy,
    BitnetTokenizer *tokenizer, GError **error)
{
  g_autofree char *source = NULL;
  g_autoptr (GPtrArray) warnings = NULL;

  if (tokenizer == NULL || tokenizer == attempt->found.tokenizer)
    return tokenizer;
  source =
      g_strdup (attempt->found.source ? attempt->found.source
                                      : bitnet_strategy_get_name (strategy));
  warnings = g_steal_pointer (&attempt->found.warnings);
  if (!bitnet_attempt_check (attempt, tokenizer, source, error)) {
    g_object_unref (tokenizer);
    return NULL;
  }
  for (guint i = 0; warnings && i < warnings->len; i++) {
    const BnWarning *warning = warnings->pdata[i];

    bn_attempt_warn (attempt, warning->code, "%s", warning->message);
  }
  return tokenizer;
}

/* One of an application that needs the network is left out where that must not
 * be used. Ours says itself what it would have asked for. */
static gboolean
may_try (const BnChainInput *input, BitnetStrategy *strategy, GError **problem)
{
  const BnResolveOptions *options = input->options;

  if (bn_resolve_options_allow_network (options)
      || !bitnet_strategy_requires_network (strategy)
      || bn_strategy_is_ours (strategy))
    return TRUE;
  g_set_error (problem, BITNET_ERROR,
      options->offline ? BITNET_ERROR_OFFLINE : BITNET_ERROR_DOWNLOAD_DISABLED,
      "%s needs the network, which must not be used",
      bitnet_strategy_get_name (strategy));
  return FALSE;
}

/* TRUE if it was successful; else *problem says why. */
static gboolean
try_strategy (const BnChainInput *input, BitnetStrategy *strategy,
    BnOutcome *outcome, GCancellable *cancellable, GError **problem)
{
  const BnObserver *observer = input->observer;
  gint64 start_us = g_get_monotonic_time ();
  g_autoptr (BitnetAttempt) attempt = bn_attempt_new (
      input->options, input->discovery, input->services, observer, problem);
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  double duration_ms;

  if (attempt == NULL)
    return FALSE;
  attempt->is_remote = input->is_remote;
  observer->started (strategy, bn_chain_get_priority (input->options, strategy),
      observer->user_data);
  if (may_try (input, strategy, problem))
    tokenizer =
        bitnet_strategy_try_resolve (strategy, attempt, cancellable, problem);
  tokenizer = check_result (attempt, strategy, tokenizer, problem);
  if (tokenizer == NULL && *problem == NULL)
    g_set_error (problem, BITNET_ERROR, BITNET_ERROR_NOT_FOUND,
        "%s found nothing and does not say why",
        bitnet_strategy_get_name (strategy));
  if (*problem)
    bn_error_make_valid (*problem);
  duration_ms = (g_get_monotonic_time () - start_us) / US_PER_MS;
  attempt->observer = NULL;
  note_trials (input, outcome, strategy, attempt, *problem, duration_ms);
  observer->finished (strategy, *problem, duration_ms, observer->user_data);
  if (tokenizer == NULL)
    return FALSE;
  bn_found_tell_warnings (&attempt->found, observer);
  outcome->found = attempt->found;
  attempt->found = (BnFound){.tokenizer = NULL};
  outcome->strategy = g_intern_string (bitnet_strategy_get_name (strategy));
  return TRUE;
}

static gboolean
is_named (BitnetStrategy *strategy, const char *name)
{
  return strcmp (bitnet_strategy_get_name (strategy), name) == 0;
}

/* The chain with what is left of it when a vocabulary does not say how text is
 * cut: before the backup, as the last real one. */
static void
insert_default (GPtrArray *chain)
{
  guint i = chain->len;

  if (i > 0 && is_named (chain->pdata[i - 1], BN_STRATEGY_BACKUP))
    i--;
  g_ptr_array_insert (
      chain, (int) i, g_object_ref (bn_strategy_get_embedded_default ()));
}

static GPtrArray *
copy_chain (GPtrArray *chain)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < chain->len; i++)
    g_ptr_array_add (copy, g_object_ref (chain->pdata[i]));
  return copy;
}

gboolean
bn_chain_run (GPtrArray *chain_, const BnChainInput *input, BnOutcome *outcome,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) chain = copy_chain (chain_);

  outcome->trials = g_ptr_array_new_with_free_func (trial_free);
  for (guint i = 0; i < chain->len; i++) {
    BitnetStrategy *strategy = chain->pdata[i];
    g_autoptr (GError) problem = NULL;

    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    g_info ("strategy %u of %u: %s", i + 1, chain->len,
        bitnet_strategy_get_name (strategy));
    if (try_strategy (input, strategy, outcome, cancellable, &problem))
      return TRUE;
    g_info ("strategy %s: %s", bitnet_strategy_get_name (strategy),
        problem->message);
    if (g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED)
        || g_error_matches (
            problem, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT)) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
    if (g_error_matches (
            problem, BITNET_ERROR, BITNET_ERROR_UNKNOWN_PRETOKENIZER)
        && is_named (strategy, BN_STRATEGY_EMBEDDED)
        && strategy != bn_strategy_get_embedded_default ()
        && !input->options->strict)
      insert_default (chain);
  }
  return FALSE;
}
