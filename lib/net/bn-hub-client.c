/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client itself and what its calls have in common: checks before the
 * network is touched, questions to the hub, memory of refusals, statistics.
 * bn-hub-tokenizer.c and bn-hub-file.c fetch. */
#include "bn-hub-client-private.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-address.h"
#include "bn-disk-cache-private.h"
#include "bn-hub-names.h"
#include "bn-hub-token.h"

enum { US_PER_MS = 1000 };

#define DEFAULT_REVISION "main"

gboolean
bn_hub_client_is_available (void)
{
  return bn_http_is_available ();
}

BnHubClient *
bn_hub_client_new (
    const BnHubOptions *options, BnDiskCache *cache, GError **error)
{
  g_autofree char *token = bn_token_dup_clean (options->token);
  BnHubClient *self;

  if (!bn_address_check_endpoint (
          options->endpoint, options->allow_insecure, error))
    return NULL;
  if (token && !bn_token_is_valid (token)) {
    g_set_error_literal (error, BITNET_ERROR, BITNET_ERROR_AUTH_INVALID,
        "the access token has blanks or other characters in it that no token "
        "has");
    return NULL;
  }
  self = g_new0 (BnHubClient, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->cache = bn_disk_cache_ref (cache);
  self->shared.options = *options;
  self->shared.options.endpoint = g_strdup (options->endpoint);
  self->shared.options.token = g_steal_pointer (&token);
  self->shared.options.token_file = g_strdup (options->token_file);
  self->shared.http = bn_http_new ();
  g_mutex_init (&self->shared.lock);
  return self;
}

BnHubClient *
bn_hub_client_ref (BnHubClient *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bn_hub_client_unref (BnHubClient *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  bn_http_unref (self->shared.http);
  bn_disk_cache_unref (self->cache);
  bn_hub_options_clear (&self->shared.options);
  g_free (self->shared.warning);
  g_mutex_clear (&self->shared.lock);
  g_free (self);
}

void
bn_hub_client_set_breaker_func (BnHubClient *self,
    void (*changed) (const char *host, const char *state, gpointer user_data),
    gpointer user_data)
{
  self->shared.breaker_changed = changed;
  self->shared.breaker_data = user_data;
}

/* Before the network */

gboolean
bn_hub_client_check_names (const char *repository, const char **revision,
    const char *file, GError **error)
{
  const char *what = "repository", *found = repository;

  if (!*revision)
    *revision = DEFAULT_REVISION;
  if (bn_hub_is_repository (repository)) {
    what = "revision";
    found = *revision;
    if (bn_hub_is_revision (*revision)) {
      if (!file || bn_hub_is_file_name (file))
        return TRUE;
      what = "file";
      found = file;
    }
  }
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "\"%.200s\" is no name of a %s of a hub", found ? found : "", what);
  return FALSE;
}

gboolean
bn_hub_client_check_network (
    BnHubClient *self, const char *what, const char *revision, GError **error)
{
  const BnHubOptions *options = &self->shared.options;

  if (options->offline) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OFFLINE,
        "%s (%s of %s) is not in %s, and offline mode forbids the network",
        what, revision, options->endpoint,
        bn_disk_cache_get_folder (self->cache));
    return FALSE;
  }
  if (!bn_http_is_available ()) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_DOWNLOAD_DISABLED,
        "%s (%s of %s) is not in %s, and this build has no network", what,
        revision, options->endpoint, bn_disk_cache_get_folder (self->cache));
    return FALSE;
  }
  return TRUE;
}

/* A refusal of a repository says nothing about somebody who is logged in. */
static gboolean
is_refusal (int code)
{
  return code == BITNET_ERROR_REPO_NOT_FOUND || code == BITNET_ERROR_GATED;
}

/* Whoever logs in does so now and then: a file is looked at, not a network. */
static gboolean
has_token (BnHubClient *self)
{
  g_autofree char *token = bn_hub_shared_dup_token (&self->shared);
  g_autofree char *other =
      token ? NULL : bn_hub_shared_renew_token (&self->shared, NULL);

  return token || other;
}

gboolean
bn_hub_client_check_absent (BnHubClient *self, const char *repository,
    const char *revision, const char *file, GError **error)
{
  const BnHubOptions *options = &self->shared.options;
  int code = bn_disk_cache_get_absent (
      self->cache, options->endpoint, repository, revision, file);

  if (code < 0 || (is_refusal (code) && has_token (self)))
    return TRUE;
  g_set_error (error, BITNET_ERROR, code,
      "%s%s%s (%s): %s said a short while ago that there is none or that it "
      "may not be read",
      repository, file ? "/" : "", file ? file : "", revision,
      options->endpoint);
  return FALSE;
}

void
bn_hub_client_note_absent (BnHubClient *self, const char *repository,
    const char *revision, const char *file, const GError *error)
{
  const BnHubOptions *options = &self->shared.options;

  if (error->domain != BITNET_ERROR)
    return;
  if (is_refusal (error->code) && !has_token (self))
    bn_disk_cache_set_absent (self->cache, options->endpoint, repository,
        revision, NULL, error->code);
  else if (error->code == BITNET_ERROR_ENTRY_NOT_FOUND)
    bn_disk_cache_set_absent (self->cache, options->endpoint, repository,
        revision, file, error->code);
}

gboolean
bn_hub_client_is_fresh (BnHubClient *self, const BnManifest *manifest)
{
  return bn_hub_options_is_fresh (&self->shared.options, manifest);
}

/* Questions */

BnHubListing *
bn_hub_client_query (BnHubCall *call, BnFailure *failure, GError **error)
{
  const char *endpoint = call->shared->options.endpoint;
  g_autofree char *url =
      bn_address_build_listing (endpoint, call->repository, call->revision);
  g_autoptr (GBytes) body =
      bn_hub_call_get (call, url, BN_MAX_LISTING_SIZE, failure, error);
  gsize size;
  const char *data;

  if (!body)
    return NULL;
  data = g_bytes_get_data (body, &size);
  return bn_hub_listing_parse (data ? data : "", size, call->repository, error);
}

void
bn_hub_head_clear (BnHubHead *self)
{
  g_clear_pointer (&self->commit, g_free);
  g_clear_pointer (&self->digest, g_free);
}

gboolean
bn_hub_client_head (BnHubCall *call, const char *revision, const char *file,
    gboolean retries, BnHubHead *head, BnFailure *failure, GError **error)
{
  g_autofree char *url = bn_address_build_file (
      call->shared->options.endpoint, call->repository, revision, file);
  const BnHubRequest request = {.method = "HEAD", .url = url};
  g_auto (BnHubAnswer) answer = {0};
  gboolean is_good =
      retries
          ? bn_hub_call_send_retrying (call, &request, &answer, failure, error)
          : bn_hub_call_send (call, &request, &answer, failure, error);
  const char *commit;

  memset (head, 0, sizeof *head);
  if (!is_good)
    return FALSE;
  commit = bn_hub_answer_get (answer.origin, "x-repo-commit");
  if (!bn_hub_is_safe_etag (commit)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
        "%s: the answer is not from a hub (it lacks X-Repo-Commit); is there "
        "a proxy or a login page in between?",
        url);
    return FALSE;
  }
  head->commit = g_strdup (commit);
  head->digest = bn_hub_answer_dup_etag (answer.origin, "x-linked-etag");
  if (!head->digest)
    head->digest = bn_hub_answer_dup_etag (answer.origin, "etag");
  head->size = bn_hub_answer_get_size (answer.origin, "x-linked-size");
  if (head->size < 0 && !bn_hub_answer_get (answer.origin, "location"))
    head->size = bn_hub_answer_get_size (answer.origin, "content-length");
  return TRUE;
}

BnHubListing *
bn_hub_client_list (BnHubClient *self, const char *repository,
    const char *revision, GCancellable *cancellable, GError **error)
{
  g_auto (BnHubCall) call = {0};
  g_autoptr (GError) local_error = NULL;
  BnHubListing *listing;
  BnFailure failure;

  if (!bn_hub_client_check_names (repository, &revision, NULL, error)
      || !bn_hub_client_check_network (self, repository, revision, error))
    return NULL;
  bn_hub_call_init (
      &call, &self->shared, repository, revision, NULL, NULL, cancellable);
  listing = bn_hub_client_query (&call, &failure, &local_error);
  if (!listing) {
    bn_hub_client_note_absent (self, repository, revision, NULL, local_error);
    g_propagate_error (error, g_steal_pointer (&local_error));
  }
  return listing;
}

/* One at a time */

void
bn_hub_client_on_wait (gpointer call)
{
  bn_hub_call_report (call, BITNET_PHASE_WAITING, NULL, 0, -1, 1);
}

/* Gives up at the end of the call's time. */
static BnLock *
lock_name (BnHubClient *self, BnHubCall *call, const char *name, GError **error)
{
  gint64 left = G_MAXINT64;
  GError *local_error = NULL;
  BnLock *lock;

  if (call->deadline != G_MAXINT64)
    left = MAX (call->deadline - g_get_monotonic_time (), 0) / US_PER_MS;
  lock = bn_disk_cache_lock_for (self->cache, name,
      left > G_MAXINT ? -1 : (int) left, bn_hub_client_on_wait, call,
      call->cancellable, &local_error);
  if (local_error)
    g_propagate_error (error, local_error);
  else if (!lock)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TIMEOUT,
        "%s: another download of it did not end in time", call->repository);
  return lock;
}

BnLock *
bn_hub_client_lock (BnHubClient *self, BnHubCall *call, GError **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  const char *const parts[] = {
      self->shared.options.endpoint, call->repository, call->revision};
  g_autofree char *name = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    g_checksum_update (
        checksum, (const guchar *) parts[i], (gssize) strlen (parts[i]) + 1);
  name = g_strconcat ("source-", g_checksum_get_string (checksum), NULL);
  return lock_name (self, call, name, error);
}

BnLock *
bn_hub_client_lock_part (
    BnHubClient *self, BnHubCall *call, const char *part, GError **error)
{
  g_autofree char *name = g_strconcat ("fetch-", part, NULL);

  return lock_name (self, call, name, error);
}

/* Statistics */

GVariant *
bn_hub_client_dup_stats (BnHubClient *self)
{
  static const char *const names[BN_HUB_N_COUNTERS] = {"requests",
      "responses-2xx", "responses-3xx", "responses-4xx", "responses-5xx",
      "bytes-received", "bytes-resumed", "cache-hits", "waits-shared",
      "retries", "breaker-openings"};
  BnHubShared *shared = &self->shared;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_mutex_lock (&shared->lock);
  for (guint i = 0; i < BN_HUB_N_COUNTERS; i++)
    g_variant_dict_insert (&dict, names[i], "t", shared->counters[i]);
  g_variant_dict_insert (&dict, "first-byte-ms", "d", shared->first_byte_ms);
  g_variant_dict_insert (&dict, "seconds", "d", shared->seconds);
  g_mutex_unlock (&shared->lock);
  g_variant_dict_insert (
      &dict, "connections", "t", bn_http_get_n_connections (shared->http));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
