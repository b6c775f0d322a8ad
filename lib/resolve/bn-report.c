/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reports and suggestions (resolver.md section 9). */
#include "bn-report.h"

#include <string.h>
#include "bitnet-error.h"
#include "bn-matrix.h"
#include "bn-strategies.h"
#include "net/bn-hub-names.h"

enum { MAX_SUGGESTIONS = 5 };

static const char *
get_code_name (const GError *error)
{
  return error->domain == BITNET_ERROR
             ? bitnet_error_get_name ((BitnetError) error->code)
         : g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)
             ? "NOT_FOUND"
             : "READ";
}

static gboolean
is_retryable (const GError *error)
{
  static const BitnetError codes[] = {BITNET_ERROR_NETWORK,
      BITNET_ERROR_TRANSIENT, BITNET_ERROR_TIMEOUT, BITNET_ERROR_RATE_LIMITED,
      BITNET_ERROR_CIRCUIT_OPEN, BITNET_ERROR_DIGEST};

  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++) {
    if (g_error_matches (error, BITNET_ERROR, codes[i]))
      return TRUE;
  }
  return FALSE;
}

/* Dictionaries. */

/* A text that may have the name of a file in it; nothing for NULL. */
static void
insert_text (GVariantDict *dict, const char *name, const char *text)
{
  g_autofree char *valid = text ? g_utf8_make_valid (text, -1) : NULL;

  if (valid)
    g_variant_dict_insert (dict, name, "s", valid);
}

static GVariant *
new_trial (const BnTrial *trial)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "strategy", "s", trial->strategy);
  g_variant_dict_insert (&dict, "priority", "i", trial->priority);
  g_variant_dict_insert (&dict, "success", "b", trial->error == NULL);
  g_variant_dict_insert (&dict, "duration-ms", "d", trial->duration_ms);
  insert_text (&dict, "source", trial->source);
  if (trial->error) {
    g_variant_dict_insert (&dict, "code", "s", get_code_name (trial->error));
    g_variant_dict_insert (&dict, "message", "s", trial->error->message);
    g_variant_dict_insert (
        &dict, "retryable", "b", is_retryable (trial->error));
  }
  return g_variant_dict_end (&dict);
}

static void
begin_report (GVariantDict *dict, const BnOutcome *outcome,
    const BnChainInput *input, double duration_ms)
{
  GVariantBuilder trials;

  g_variant_builder_init (&trials, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < outcome->trials->len; i++)
    g_variant_builder_add_value (
        &trials, new_trial (outcome->trials->pdata[i]));
  g_variant_dict_init (dict, NULL);
  insert_text (dict, "model", bitnet_discovery_get_path (input->discovery));
  g_variant_dict_insert (dict, "duration-ms", "d", duration_ms);
  g_variant_dict_insert (dict, "discovery-ms", "d", input->discovery_ms);
  g_variant_dict_insert_value (
      dict, "attempts", g_variant_builder_end (&trials));
}

GVariant *
bn_report_new_success (
    const BnOutcome *outcome, const BnChainInput *input, double duration_ms)
{
  static const char *const verified[] = {"no", "size", "pieces"};
  const BnFound *found = &outcome->found;
  g_autoptr (GPtrArray) warnings = g_ptr_array_new ();
  GVariantDict dict;

  for (guint i = 0; i < found->warnings->len; i++)
    g_ptr_array_add (
        warnings, ((BnWarning *) found->warnings->pdata[i])->message);
  begin_report (&dict, outcome, input, duration_ms);
  g_variant_dict_insert (&dict, "strategy", "s", outcome->strategy);
  insert_text (&dict, "source", found->source);
  g_variant_dict_insert (&dict, "kind", "s", bn_kind_get_name (found->kind));
  g_variant_dict_insert (&dict, "vocab-size", "u",
      bitnet_tokenizer_get_vocab_size (found->tokenizer));
  g_variant_dict_insert (
      &dict, "model-rows", "u", bitnet_discovery_get_n_rows (input->discovery));
  g_variant_dict_insert (&dict, "verified", "s", verified[found->verified]);
  g_variant_dict_insert (&dict, "from-cache", "b", found->from_cache);
  g_variant_dict_insert (&dict, "fallback", "b", found->kind == BN_KIND_BYTES);
  insert_text (&dict, "repository", found->repository);
  insert_text (&dict, "revision", found->revision);
  insert_text (&dict, "commit", found->commit);
  g_variant_dict_insert_value (&dict, "warnings",
      g_variant_new_strv (
          (const char *const *) warnings->pdata, warnings->len));
  g_variant_dict_insert_value (&dict, "notes",
      g_variant_new_strv (
          (const char *const *) found->notes->pdata, found->notes->len));
  return g_variant_dict_end (&dict);
}

/* Suggestions. */

/* Takes text. */
static void
suggest (GPtrArray *list, char *text)
{
  g_autofree char *owned = text;
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  if (list->len < MAX_SUGGESTIONS
      && !g_ptr_array_find_with_equal_func (list, valid, g_str_equal, NULL))
    g_ptr_array_add (list, g_steal_pointer (&valid));
}

/* What has the same tokenizer and no terms to accept. */
static void
suggest_equivalents (GPtrArray *list, const BnChainInput *input)
{
  GPtrArray *candidates = bitnet_discovery_get_candidates (input->discovery);

  for (guint i = 0; i < candidates->len; i++) {
    const BitnetCandidate *candidate = candidates->pdata[i];

    if (!candidate->is_equivalent || candidate->is_gated)
      continue;
    suggest (list, g_strdup_printf ("or set tokenizer-repo=%s (same "
                                    "tokenizer, no login)",
                       candidate->repository));
    return;
  }
}

static void
suggest_families (GPtrArray *list, const BnChainInput *input)
{
  g_auto (GStrv) nearest =
      bitnet_discovery_list_nearest_families (input->discovery);
  g_autofree char *families = nearest ? g_strjoinv (", ", nearest) : NULL;

  if (families && *families)
    suggest (list, g_strdup_printf ("set tokenizer-repo to the repository of "
                                    "the model's family; nearest are %s",
                       families));
  else
    suggest (list, g_strdup ("set tokenizer-repo=OWNER/NAME, the repository "
                             "that has the model's tokenizer"));
}

static void
suggest_offline (GPtrArray *list, const BnChainInput *input)
{
  const char *variable = bn_resolve_find_offline_variable ();

  suggest (list, variable ? g_strdup_printf (
                     "unset %s, which forbids the network", variable)
                          : g_strdup ("set offline=false"));
  suggest (list,
      g_strdup_printf ("or fetch it once while online: bitnet resolve -m %s",
          bitnet_discovery_get_path (input->discovery)));
}

static void
suggest_for (GPtrArray *list, const BnTrial *trial, const BnChainInput *input)
{
  const char *endpoint = bn_services_get_endpoint (input->services);
  gboolean has_repository =
      trial->source && bn_hub_is_repository (trial->source);

  if (trial->error->domain != BITNET_ERROR) {
    suggest (list, g_strdup (bitnet_error_get_hint (BITNET_ERROR_READ)));
    return;
  }
  switch ((BitnetError) trial->error->code) {
    case BITNET_ERROR_GATED:
      suggest (list,
          g_strdup_printf ("set HF_TOKEN after accepting the terms at %s/%s",
              endpoint, has_repository ? trial->source : ""));
      suggest_equivalents (list, input);
      break;
    case BITNET_ERROR_NO_SOURCE:
    case BITNET_ERROR_VOCAB_MISMATCH:
      suggest_families (list, input);
      break;
    case BITNET_ERROR_OFFLINE:
      suggest_offline (list, input);
      break;
    case BITNET_ERROR_NOT_FOUND:
      if (strcmp (trial->strategy, BN_STRATEGY_EMBEDDED) == 0)
        suggest (
            list, g_strdup (bitnet_error_get_hint (BITNET_ERROR_NOT_FOUND)));
      if (strcmp (trial->strategy, BN_STRATEGY_GENERIC) == 0)
        suggest (list, g_strdup ("put the model's tokenizer.json beside it, or "
                                 "name it with tokenizer=FILE"));
      break;
    default:
      suggest (list,
          g_strdup (bitnet_error_get_hint ((BitnetError) trial->error->code)));
      break;
  }
}

static gint
compare_ranks (gconstpointer a, gconstpointer b)
{
  const BnTrial *left = *(BnTrial *const *) a, *right = *(BnTrial *const *) b;
  int l = left->error ? bn_error_get_rank (left->error) : -1;
  int r = right->error ? bn_error_get_rank (right->error) : -1;

  return (r > l) - (r < l);
}

/* The most telling first. If there is no model where it was looked for, that is
 * what counts, whatever else was tried. */
static GPtrArray *
list_by_rank (const BnOutcome *outcome, const BnChainInput *input)
{
  const GError *why = bitnet_discovery_get_error (input->discovery);
  GPtrArray *trials = g_ptr_array_new ();

  for (guint i = 0; i < outcome->trials->len; i++)
    g_ptr_array_add (trials, outcome->trials->pdata[i]);
  g_ptr_array_sort (trials, compare_ranks);
  if (!g_error_matches (why, BITNET_ERROR, BITNET_ERROR_NOT_FOUND))
    return trials;
  for (guint i = 0; i < trials->len; i++) {
    BnTrial *trial = trials->pdata[i];

    if (strcmp (trial->strategy, BN_STRATEGY_EMBEDDED) == 0) {
      g_ptr_array_remove_index (trials, i);
      g_ptr_array_insert (trials, 0, trial);
      break;
    }
  }
  return trials;
}

/* Failures. */

static char *
make_text (
    const BnOutcome *outcome, const BnChainInput *input, GPtrArray *suggestions)
{
  GString *text = g_string_new (NULL);

  g_string_printf (text, "No tokenizer for %s%s",
      bitnet_discovery_get_path (input->discovery),
      input->options->strict ? " (strict mode)" : "");
  for (guint i = 0; i < outcome->trials->len; i++) {
    const BnTrial *trial = outcome->trials->pdata[i];

    if (trial->error)
      g_string_append_printf (text, "\n  %u. %-15s %-22s %s", i + 1,
          trial->strategy, get_code_name (trial->error), trial->error->message);
  }
  if (suggestions->len > 0)
    g_string_append (text, "\nTry:");
  for (guint i = 0; i < suggestions->len; i++)
    g_string_append_printf (
        text, "\n  - %s", (const char *) suggestions->pdata[i]);
  return g_string_free (text, FALSE);
}

static guint
count_strategies (const BnOutcome *outcome)
{
  guint n = 0;

  for (guint i = 0; i < outcome->trials->len; i++)
    n += !((BnTrial *) outcome->trials->pdata[i])->is_candidate;
  return n;
}

static void
set_error (const BnOutcome *outcome, const BnChainInput *input,
    const BnTrial *cause, GError **error)
{
  const char *path = bitnet_discovery_get_path (input->discovery);

  if (cause == NULL)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_ALL_FAILED,
        "no tokenizer for %s: no strategy is left to try", path);
  else if (strcmp (cause->strategy, BN_STRATEGY_EXPLICIT) == 0
           && count_strategies (outcome) == 1)
    g_set_error (error, cause->error->domain, cause->error->code, "%s",
        cause->error->message);
  else
    g_set_error (error, BITNET_ERROR,
        input->options->strict ? BITNET_ERROR_STRICT_MODE
                               : BITNET_ERROR_ALL_FAILED,
        "no tokenizer for %s%s: %u of %u strategies failed; %s: %s: %s", path,
        input->options->strict ? " (strict mode)" : "",
        count_strategies (outcome), count_strategies (outcome), cause->strategy,
        get_code_name (cause->error), cause->error->message);
}

GVariant *
bn_report_new_failure (const BnOutcome *outcome, const BnChainInput *input,
    double duration_ms, GError **error)
{
  g_autoptr (GPtrArray) ranked = list_by_rank (outcome, input);
  const BnTrial *cause = ranked->len > 0 ? ranked->pdata[0] : NULL;
  g_autoptr (GPtrArray) suggestions = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *text = NULL;
  g_autoptr (GError) local = NULL;
  GVariantDict dict;

  for (guint i = 0; i < ranked->len; i++)
    suggest_for (suggestions, ranked->pdata[i], input);
  if (suggestions->len == 0 && cause)
    suggest (suggestions,
        g_strdup (bitnet_error_get_hint ((BitnetError) cause->error->code)));
  if (input->options->strict)
    suggest (suggestions,
        g_strdup (bitnet_error_get_hint (BITNET_ERROR_STRICT_MODE)));
  text = make_text (outcome, input, suggestions);
  set_error (outcome, input, cause, &local);
  bn_error_make_valid (local);

  begin_report (&dict, outcome, input, duration_ms);
  g_variant_dict_insert (&dict, "code", "s", get_code_name (local));
  g_variant_dict_insert (
      &dict, "cause", "s", get_code_name (cause ? cause->error : local));
  g_variant_dict_insert (&dict, "message", "s", local->message);
  insert_text (&dict, "text", text);
  g_variant_dict_insert_value (&dict, "suggestions",
      g_variant_new_strv (
          (const char *const *) suggestions->pdata, suggestions->len));
  g_propagate_error (error, g_steal_pointer (&local));
  return g_variant_dict_end (&dict);
}
