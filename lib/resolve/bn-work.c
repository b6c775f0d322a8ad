/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a resolution does, in the thread of its flight. */
#include "bn-work.h"

#include <string.h>
#include "bitnet-error.h"
#include "bn-chain.h"
#include "bn-memory.h"
#include "bn-record.h"
#include "bn-report.h"
#include "net/bn-hub-names.h"

#define US_PER_MS 1000.0

BnWork *
bn_work_new (BitnetModel *model, const char *reference,
    const BnResolveOptions *options, GPtrArray *custom, BnServices *services)
{
  BnWork *self = g_new0 (BnWork, 1);

  g_set_object (&self->model, model);
  self->reference = g_strdup (reference);
  self->options = bn_resolve_options_ref (options);
  self->custom = custom && custom->len > 0 ? g_ptr_array_ref (custom) : NULL;
  self->services = bn_services_ref (services);
  return self;
}

void
bn_work_free (gpointer work)
{
  BnWork *self = work;

  g_clear_object (&self->model);
  g_free (self->reference);
  bn_resolve_options_unref (self->options);
  g_clear_pointer (&self->custom, g_ptr_array_unref);
  bn_services_unref (self->services);
  g_free (self);
}

/* What strategies of an application do depends on more than is known here. And
 * who may ask other servers, or as somebody else, or for longer, may fail where
 * the other one does not: their results are the same, their ways are not. */
char *
bn_work_make_key (const BnWork *work)
{
  const BnResolveOptions *options = work->options;
  g_autofree char *result = NULL;
  g_autofree char *way = NULL;

  if (work->custom == NULL)
    result = bn_record_make_key (work->model, work->reference, work->options);
  if (result == NULL)
    return NULL;
  way = g_strdup_printf ("%s %d %d %d %u %u %s", result, options->offline,
      options->allow_download, options->allow_insecure, options->timeout_s,
      options->retries, options->token ? options->token : "");
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, way, -1);
}

/* A repository in the place of a model: it is the one that has the tokenizer.
 * TRUE if reference is one. */
static gboolean
use_repository (BnWork *work)
{
  g_auto (BnHubReference) reference = {.repository = NULL};
  BnResolveOptions changed = *work->options;
  const BnResolveOptions *options;

  if (work->reference == NULL
      || g_file_test (work->reference, G_FILE_TEST_EXISTS)
      || !bn_hub_is_reference (work->reference)
      || !bn_hub_reference_parse (&reference, work->reference, NULL))
    return FALSE;
  if (changed.tokenizer_repo == NULL) {
    changed.tokenizer_repo = reference.repository;
    if (reference.revision)
      changed.revision = reference.revision;
  }
  options = bn_resolve_options_snapshot (&changed);
  bn_resolve_options_unref (work->options);
  work->options = options;
  return TRUE;
}

static BitnetDiscovery *
discover (const BnWork *work, GCancellable *cancellable, GError **error)
{
  return work->model ? bitnet_discovery_new_from_model (work->model)
                     : bitnet_discovery_new_for_path (
                         work->reference, cancellable, error);
}

/* The same dictionary for a result that was found before. */
static GVariant *
new_remembered (
    GVariant *resolution, const BnChainInput *input, double duration_ms)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, resolution);
  g_variant_dict_insert (&dict, "from-cache", "b", TRUE);
  g_variant_dict_insert (&dict, "duration-ms", "d", duration_ms);
  g_variant_dict_insert (&dict, "discovery-ms", "d", input->discovery_ms);
  g_variant_dict_insert_value (
      &dict, "attempts", g_variant_new_array (G_VARIANT_TYPE_VARDICT, NULL, 0));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static double
get_ms_since (gint64 start_us)
{
  return (g_get_monotonic_time () - start_us) / US_PER_MS;
}

/* What somebody still has, or a record leads to. */
static gboolean
recall (const char *key, const BnChainInput *input, gint64 start_us,
    GCancellable *cancellable, BnLanding *landing)
{
  g_auto (BnOutcome) outcome = {.trials = g_ptr_array_new ()};
  g_autoptr (GVariant) kept = NULL;

  if (bn_memory_find (key, input->discovery, &outcome.found, &kept)) {
    landing->resolution = new_remembered (kept, input, get_ms_since (start_us));
  } else if (bn_record_load (key, input, &outcome, cancellable)) {
    landing->resolution = g_variant_ref_sink (
        bn_report_new_success (&outcome, input, get_ms_since (start_us)));
    bn_memory_keep (key, input->discovery, &outcome.found, landing->resolution);
  } else {
    return FALSE;
  }
  landing->is_remembered = TRUE;
  landing->tokenizer = g_object_ref (outcome.found.tokenizer);
  bn_found_tell_warnings (&outcome.found, input->observer);
  return TRUE;
}

static void
search (const BnWork *work, const char *key, const BnChainInput *input,
    gint64 start_us, GCancellable *cancellable, BnLanding *landing)
{
  g_auto (BnOutcome) outcome = {.trials = NULL};
  g_autoptr (GPtrArray) chain = bn_chain_new (
      work->options, work->custom, input->is_remote, &landing->error);

  if (chain == NULL)
    return;
  if (bn_chain_run (chain, input, &outcome, cancellable, &landing->error)) {
    landing->tokenizer = g_object_ref (outcome.found.tokenizer);
    landing->resolution = g_variant_ref_sink (
        bn_report_new_success (&outcome, input, get_ms_since (start_us)));
    if (key) {
      bn_record_save (key, input, &outcome);
      if (!outcome.found.is_uncertain)
        bn_memory_keep (
            key, input->discovery, &outcome.found, landing->resolution);
    }
  } else if (landing->error == NULL) {
    landing->resolution = g_variant_ref_sink (bn_report_new_failure (
        &outcome, input, get_ms_since (start_us), &landing->error));
  }
}

void
bn_work_run (gpointer work_, const BnObserver *observer,
    GCancellable *cancellable, BnLanding *landing)
{
  BnWork *work = work_;
  gint64 start_us = g_get_monotonic_time ();
  gboolean is_remote = use_repository (work);
  g_autoptr (BitnetDiscovery) discovery =
      discover (work, cancellable, &landing->error);
  BitnetModel *model;
  g_autofree char *key = NULL;
  BnChainInput input = {.options = work->options,
      .discovery = discovery,
      .is_remote = is_remote,
      .services = work->services,
      .observer = observer};

  if (discovery == NULL)
    return;
  input.discovery_ms = get_ms_since (start_us);
  model = bitnet_discovery_get_model (discovery);
  if (model && work->custom == NULL)
    key = bn_record_make_key (model, NULL, work->options);
  if (key && recall (key, &input, start_us, cancellable, landing))
    return;
  search (work, key, &input, start_us, cancellable, landing);
}
