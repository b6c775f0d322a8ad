/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tokenizer of a repository into the cache.
 *
 *   fresh manifest? ----------------------------------------> done
 *   lock; fresh by now? ------------------------------------> done
 *   old manifest: HEAD of the main file, commit unchanged? --> done
 *   listing (API, or HEAD of each known name) --> files at that one commit
 *
 * Which files: the first of `mains` that the repository has, and the small
 * ones of `configs`; never two of `mains`, which may be large. The manifest is
 * written last, so either all files of a commit are there or it is as before.
 * Where anything fails and there is an old manifest, that counts. */
#include "bn-hub-client-private.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-hub-names.h"

enum { MAX_MAIN = 2, STATUS_NOT_FOUND = 404 };

/* Stands for all of it where a file is named; no file has such a name. */
#define TOKENIZER "tokenizer/"

/* What a tokenizer is made of, best first; each needs all of its files. */
static const char *const mains[][MAX_MAIN] = {{"tokenizer.json"},
    {"tokenizer.model"}, {"spiece.model"}, {"sentencepiece.bpe.model"},
    {"spm.model"}, {"tekken.json"}, {"vocab.json", "merges.txt"}, {"vocab.txt"},
    {"original/tokenizer.model"}};

/* Small files that go with any of them. */
static const char *const configs[] = {"tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
    "chat_template.json", "config.json", "generation_config.json"};

/* The manifest in the cache */

static gboolean
has_file (const BnManifest *manifest, const char *name)
{
  const BnCachedFile *file = bn_manifest_find (manifest, name);

  return file && file->is_object;
}

/* The main file that is there; NULL if none is complete. */
static const char *
find_main (const BnManifest *manifest)
{
  for (gsize i = 0; i < G_N_ELEMENTS (mains); i++) {
    const char *second = mains[i][1];

    if (has_file (manifest, mains[i][0])
        && (!second || has_file (manifest, second)))
      return mains[i][0];
  }
  return NULL;
}

/* What is there of it, if that could be a tokenizer. */
static BnManifest *
lookup (BnHubClient *self, const BnHubCall *call)
{
  g_autoptr (BnManifest) manifest = bn_disk_cache_lookup (self->cache,
      self->shared.options.endpoint, call->repository, call->revision);

  return manifest && find_main (manifest) ? g_steal_pointer (&manifest) : NULL;
}

/* Whether it needs no question to the hub. What was evicted might change the
 * tokenizer. */
static gboolean
is_good (BnHubClient *self, const BnManifest *manifest)
{
  return manifest->n_evicted == 0 && bn_hub_client_is_fresh (self, manifest);
}

/* What is in the cache, as the result. */
static BnManifest *
take_cached (BnHubCall *call, BnManifest *manifest)
{
  const char *name = find_main (manifest);
  const BnCachedFile *file = bn_manifest_find (manifest, name);

  bn_hub_call_report_cached (call, name, file->size);
  return manifest;
}

/* What the hub has */

static gboolean
has_all (const BnHubListing *listing, const char *const *names)
{
  for (gsize i = 0; i < MAX_MAIN && names[i]; i++) {
    if (!bn_hub_listing_find (listing, names[i]))
      return FALSE;
  }
  return TRUE;
}

/* Asks for one file by name; FALSE with error, or without if it is not
 * there. */
static gboolean
probe_file (
    BnHubCall *call, const char *name, BnHubListing **listing, GError **error)
{
  const char *revision = *listing ? (*listing)->commit : call->revision;
  g_auto (BnHubHead) head = {0};
  g_autoptr (GError) local_error = NULL;
  BnFailure failure;

  if (bn_hub_client_head (
          call, revision, name, TRUE, &head, &failure, &local_error)) {
    if (!*listing)
      *listing = bn_hub_listing_new (call->repository, head.commit);
    bn_hub_listing_add (*listing, name, head.digest, head.size);
    return TRUE;
  }
  if (failure.status == STATUS_NOT_FOUND
      && !g_error_matches (
          local_error, BITNET_ERROR, BITNET_ERROR_REPO_NOT_FOUND)
      && !g_error_matches (
          local_error, BITNET_ERROR, BITNET_ERROR_REVISION_NOT_FOUND))
    return FALSE;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

/* A listing without the API: of the names that we know. */
static BnHubListing *
probe (BnHubCall *call, GError **error)
{
  g_autoptr (BnHubListing) listing = NULL;
  GError *local_error = NULL;
  gboolean has_main = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (mains) && !has_main; i++) {
    has_main = TRUE;
    for (gsize j = 0; j < MAX_MAIN && mains[i][j] && has_main; j++) {
      has_main = probe_file (call, mains[i][j], &listing, &local_error);
      if (local_error) {
        g_propagate_error (error, local_error);
        return NULL;
      }
    }
  }
  for (gsize i = 0; i < G_N_ELEMENTS (configs) && has_main; i++) {
    probe_file (call, configs[i], &listing, &local_error);
    if (local_error) {
      g_propagate_error (error, local_error);
      return NULL;
    }
  }
  if (!has_main)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_ENTRY_NOT_FOUND,
        "%s (%s) has no tokenizer files", call->repository, call->revision);
  return has_main ? g_steal_pointer (&listing) : NULL;
}

/* Whether an answer of the API may only mean that there is no API: mirrors
 * have none. A hub says by its own codes what is wrong. */
static gboolean
may_lack_api (const GError *error, const BnFailure *failure)
{
  return error->domain == BITNET_ERROR && !failure->is_hub_answer
         && (error->code == BITNET_ERROR_HTTP
             || error->code == BITNET_ERROR_FORBIDDEN
             || error->code == BITNET_ERROR_REPO_NOT_FOUND);
}

static BnHubListing *
list (BnHubCall *call, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GError) probe_error = NULL;
  BnFailure failure = BN_FAILURE_INIT;
  BnHubListing *listing = bn_hub_client_query (call, &failure, &local_error);

  if (listing)
    return listing;
  if (may_lack_api (local_error, &failure)) {
    listing = probe (call, &probe_error);
    if (listing)
      return listing;
    /* What is not even a hub says more by its first answer. */
    if (!g_error_matches (probe_error, BITNET_ERROR, BITNET_ERROR_HTTP)) {
      g_propagate_error (error, g_steal_pointer (&probe_error));
      return NULL;
    }
  }
  g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}

/* What is fetched of it, of const BnHubFile; empty if it has no tokenizer. */
static GPtrArray *
plan (const BnHubListing *listing)
{
  GPtrArray *files = g_ptr_array_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (mains) && files->len == 0; i++) {
    if (has_all (listing, mains[i])) {
      for (gsize j = 0; j < MAX_MAIN && mains[i][j]; j++)
        g_ptr_array_add (
            files, (gpointer) bn_hub_listing_find (listing, mains[i][j]));
    }
  }
  for (gsize i = 0; i < G_N_ELEMENTS (configs) && files->len > 0; i++) {
    const BnHubFile *file = bn_hub_listing_find (listing, configs[i]);

    if (file)
      g_ptr_array_add (files, (gpointer) file);
  }
  return files;
}

/* All of it */

/* Whether the hub still has the commit of the old manifest; no second try,
 * because there is something to fall back on. */
static gboolean
is_unchanged (
    BnHubClient *self, BnHubCall *call, BnManifest *old, GError **error)
{
  g_auto (BnHubHead) head = {0};
  BnFailure failure = BN_FAILURE_INIT;

  if (!bn_hub_client_head (
          call, call->revision, find_main (old), FALSE, &head, &failure, error))
    return FALSE;
  if (g_strcmp0 (head.commit, old->commit) != 0)
    return FALSE;
  old->fetched_at = g_get_real_time () / G_USEC_PER_SEC;
  /* If it cannot be written the hub is asked again the next time. */
  bn_disk_cache_save (self->cache, old, NULL);
  return TRUE;
}

static BnManifest *
fetch (BnHubClient *self, BnHubCall *call, BnManifest *old, GError **error)
{
  g_autoptr (BnHubListing) listing = list (call, error);
  g_autoptr (GPtrArray) files = listing ? plan (listing) : NULL;
  g_autoptr (BnManifest) manifest = NULL;

  if (!listing)
    return NULL;
  if (files->len == 0) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_ENTRY_NOT_FOUND,
        "%s (%s) has no tokenizer files", call->repository, call->revision);
    return NULL;
  }
  manifest = bn_manifest_new (
      self->shared.options.endpoint, call->repository, call->revision);
  manifest->commit = g_strdup (listing->commit);
  manifest->fetched_at = g_get_real_time () / G_USEC_PER_SEC;
  manifest->base_models = g_strdupv (listing->base_models);
  if (!bn_hub_client_fetch_objects (self, call, files, old, manifest, error)
      || !bn_disk_cache_save (self->cache, manifest, error))
    return NULL;
  return g_steal_pointer (&manifest);
}

/* Asks the hub; old may be NULL. */
static BnManifest *
update (BnHubClient *self, BnHubCall *call, BnManifest *old, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  BnManifest *manifest;

  bn_hub_call_report (call, BITNET_PHASE_QUERYING, NULL, 0, -1, 1);
  if (old && old->n_evicted == 0
      && is_unchanged (self, call, old, &local_error))
    return take_cached (call, old);
  /* Without an answer there is no sense in asking for more. */
  if (local_error && local_error->code != BITNET_ERROR_ENTRY_NOT_FOUND) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }
  g_clear_error (&local_error);
  manifest = fetch (self, call, old, &local_error);
  if (manifest)
    return manifest;
  bn_hub_client_note_absent (
      self, call->repository, call->revision, TOKENIZER, local_error);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}

static gboolean
check_absent (BnHubClient *self, const BnHubCall *call, GError **error)
{
  return bn_hub_client_check_absent (
             self, call->repository, call->revision, NULL, error)
         && bn_hub_client_check_absent (
             self, call->repository, call->revision, TOKENIZER, error);
}

/* One download at a time; old is what was in the cache before. Somebody may
 * have come to an end since, whether that had to be waited for or not. */
static BnManifest *
update_locked (
    BnHubClient *self, BnHubCall *call, BnManifest **old, GError **error)
{
  g_autoptr (BnLock) lock = bn_hub_client_lock (self, call, error);
  BnManifest *manifest;

  if (!lock || !check_absent (self, call, error))
    return NULL;
  g_clear_pointer (old, bn_manifest_free);
  *old = lookup (self, call);
  if (*old && is_good (self, *old)) {
    bn_hub_shared_count (&self->shared, BN_HUB_WAITS_SHARED, 1);
    return take_cached (call, g_steal_pointer (old));
  }
  manifest = update (self, call, *old, error);
  if (manifest && manifest == *old)
    *old = NULL;
  return manifest;
}

static gboolean
may_ask (BnHubClient *self, const BnHubCall *call, GError **error)
{
  return bn_hub_client_check_network (
             self, call->repository, call->revision, error)
         && check_absent (self, call, error);
}

BnManifest *
bn_hub_client_fetch_tokenizer (BnHubClient *self, const char *repository,
    const char *revision, gboolean *is_stale, BitnetTransferFunc progress,
    gpointer progress_data, GCancellable *cancellable, GError **error)
{
  g_auto (BnHubCall) call = {0};
  g_autoptr (BnManifest) old = NULL;
  g_autoptr (GError) local_error = NULL;
  BnManifest *manifest = NULL;

  if (is_stale)
    *is_stale = FALSE;
  if (!bn_hub_client_check_names (repository, &revision, NULL, error)
      || g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  bn_hub_call_init (&call, &self->shared, repository, revision, progress,
      progress_data, cancellable);
  old = lookup (self, &call);
  if (old && is_good (self, old))
    return take_cached (&call, g_steal_pointer (&old));
  if (may_ask (self, &call, &local_error))
    manifest = update_locked (self, &call, &old, &local_error);
  if (manifest)
    return manifest;
  if (!old || local_error->domain != BITNET_ERROR) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }
  g_info ("%s (%s): what is in the cache is used, the hub could not be asked: "
          "%s",
      repository, revision, local_error->message);
  if (is_stale)
    *is_stale = TRUE;
  return take_cached (&call, g_steal_pointer (&old));
}
