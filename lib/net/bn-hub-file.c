/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A single file of any size, a model for example, into files/ of the cache.
 * HEAD says commit, size and digest, so the API is not needed. The part goes
 * by the name of the digest: what one process began another one continues, and
 * two at once wait for each other there. */
#include "bn-hub-client-private.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-address.h"
#include "bn-hub-names.h"

typedef struct {
  BnHubClient *client;
  BnHubCall *call;
  const char *file;
  const char *sha256; /* may be NULL */
} Fetch;

enum { SHA256_SIZE = 64 };

static gboolean
is_sha256 (const char *text)
{
  return text && strlen (text) == SHA256_SIZE
         && strspn (text, "0123456789abcdefABCDEF") == SHA256_SIZE;
}

static char *
dup_path (Fetch *self, const char *commit)
{
  return bn_disk_cache_dup_file_path (
      self->client->cache, self->call->repository, commit, self->file);
}

static char *
take_cached (Fetch *self, char *path, guint64 size)
{
  bn_hub_call_report_cached (self->call, self->file, size);
  return path;
}

/* The file by the manifest of the revision; *is_fresh if the hub need not be
 * asked. One with another digest than is wanted does not count. */
static char *
lookup (Fetch *self, guint64 *size, gboolean *is_fresh)
{
  g_autoptr (BnManifest) manifest = bn_disk_cache_lookup (self->client->cache,
      self->client->shared.options.endpoint, self->call->repository,
      self->call->revision);
  const BnCachedFile *file =
      manifest ? bn_manifest_find (manifest, self->file) : NULL;

  *is_fresh = FALSE;
  if (!file || file->is_object
      || (self->sha256 && g_ascii_strcasecmp (self->sha256, file->sha256) != 0))
    return NULL;
  *size = file->size;
  *is_fresh = bn_hub_client_is_fresh (self->client, manifest);
  return dup_path (self, manifest->commit);
}

static gboolean
save (Fetch *self, const BnHubHead *head, const char *sha256, guint64 size,
    GError **error)
{
  BnHubClient *client = self->client;
  g_autoptr (BnManifest) manifest =
      bn_manifest_new (client->shared.options.endpoint, self->call->repository,
          self->call->revision);

  g_free (manifest->commit);
  manifest->commit = g_strdup (head->commit);
  manifest->fetched_at = g_get_real_time () / G_USEC_PER_SEC;
  bn_manifest_add (manifest, self->file, sha256, head->digest, size, FALSE);
  return bn_disk_cache_save (client->cache, manifest, error);
}

/* The path of the file that head describes, if it is here; then the manifest
 * says so. NULL without error if it is not. */
static char *
take_here (Fetch *self, const BnHubHead *head, GError **error)
{
  BnHubCall *call = self->call;
  const char *digest = is_sha256 (head->digest) ? head->digest : NULL;
  g_autofree char *sha256 = NULL;
  guint64 size;

  if (!bn_disk_cache_find_file (self->client->cache, call->repository,
          head->commit, self->file, self->sha256 ? self->sha256 : digest,
          &sha256, &size, call->cancellable, error))
    return NULL;
  /* If it cannot be written the hub is asked again the next time. */
  save (self, head, sha256, size, NULL);
  return take_cached (self, dup_path (self, head->commit), size);
}

/* The digest that the hub announces must be the one that is wanted. */
static gboolean
check_head (Fetch *self, const BnHubHead *head, GError **error)
{
  guint64 limit = self->client->shared.options.max_file_size;

  if (self->sha256 && is_sha256 (head->digest)
      && g_ascii_strcasecmp (self->sha256, head->digest) != 0) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_DIGEST,
        "%s of %s: the hub has %s, expected %s", self->file,
        self->call->repository, head->digest, self->sha256);
    return FALSE;
  }
  if (limit > 0 && head->size > 0 && (guint64) head->size > limit) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOO_LARGE,
        "%s of %s has %" G_GINT64_FORMAT
        " bytes, expected at most %" G_GUINT64_FORMAT,
        self->file, self->call->repository, head->size, limit);
    return FALSE;
  }
  return TRUE;
}

static char *
dup_part_name (Fetch *self, const BnHubHead *head)
{
  g_autofree char *text = NULL;

  if (self->sha256)
    return g_ascii_strdown (self->sha256, -1);
  if (is_sha256 (head->digest) || bn_hub_is_commit (head->digest))
    return g_ascii_strdown (head->digest, -1);
  text = g_strjoin ("\n", self->client->shared.options.endpoint,
      self->call->repository, head->commit, self->file, NULL);
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

/* Fetches into part, which it frees. */
static gboolean
fill (Fetch *self, const BnHubHead *head, BnPart *part, GError **error)
{
  const BnHubOptions *options = &self->client->shared.options;
  g_autofree char *url = bn_address_build_file (
      options->endpoint, self->call->repository, head->commit, self->file);
  const BnTransferSpec spec = {
      .url = url,
      .file = self->file,
      .sha256 = self->sha256               ? self->sha256
                : is_sha256 (head->digest) ? head->digest
                                           : NULL,
      .git_sha1 = bn_hub_is_commit (head->digest) ? head->digest : NULL,
      .size = head->size,
      .max_size = options->max_file_size,
  };
  g_autofree char *sha256 = NULL;
  guint64 size;

  if (!bn_transfer_run (self->call, &spec, part, error)) {
    bn_part_close (part, TRUE);
    return FALSE;
  }
  sha256 = g_strdup (bn_part_get_sha256 (part));
  size = bn_part_get_size (part);
  return bn_part_commit_file (
             part, self->call->repository, head->commit, self->file, error)
         && save (self, head, sha256, size, error);
}

static char *
download (Fetch *self, const BnHubHead *head, GError **error)
{
  BnHubCall *call = self->call;
  g_autofree char *name = dup_part_name (self, head);
  g_autofree char *validator =
      g_strdup_printf ("%s %" G_GINT64_FORMAT, name, head->size);
  g_autoptr (BnLock) lock = NULL;
  GError *local_error = NULL;
  BnPart *part;
  char *path;

  lock = bn_hub_client_lock_part (self->client, call, name, error);
  if (!lock)
    return NULL;
  part = bn_disk_cache_begin (self->client->cache, name, validator,
      (guint64) MAX (head->size, 0), bn_hub_client_on_wait, call,
      call->cancellable, error);
  if (!part)
    return NULL;
  path = take_here (self, head, &local_error);
  if (local_error) {
    bn_part_close (part, TRUE);
    g_propagate_error (error, local_error);
    return NULL;
  }
  if (path) { /* by another one meanwhile */
    bn_part_close (part, FALSE);
    bn_hub_shared_count (call->shared, BN_HUB_WAITS_SHARED, 1);
    return path;
  }
  return fill (self, head, part, error) ? dup_path (self, head->commit) : NULL;
}

/* The file as the hub has it now. */
static char *
update (Fetch *self, GError **error)
{
  BnHubCall *call = self->call;
  g_auto (BnHubHead) head = {0};
  BnFailure failure = BN_FAILURE_INIT;
  GError *local_error = NULL;
  char *path;

  bn_hub_call_report (call, BITNET_PHASE_QUERYING, self->file, 0, -1, 1);
  if (!bn_hub_client_head (
          call, call->revision, self->file, TRUE, &head, &failure, error)
      || !check_head (self, &head, error))
    return NULL;
  path = take_here (self, &head, &local_error);
  if (path)
    return path;
  if (local_error) {
    g_propagate_error (error, local_error);
    return NULL;
  }
  call->n_files = MAX (call->n_files, 1);
  return download (self, &head, error);
}

static gboolean
may_ask (Fetch *self, GError **error)
{
  BnHubCall *call = self->call;
  g_autofree char *what =
      g_strdup_printf ("%s/%s", call->repository, self->file);

  return bn_hub_client_check_network (self->client, what, call->revision, error)
         && bn_hub_client_check_absent (
             self->client, call->repository, call->revision, NULL, error)
         && bn_hub_client_check_absent (
             self->client, call->repository, call->revision, self->file, error);
}

char *
bn_hub_client_fetch_file (BnHubClient *self, const char *repository,
    const char *revision, const char *file, const char *sha256,
    BitnetTransferFunc progress, gpointer progress_data,
    GCancellable *cancellable, GError **error)
{
  g_auto (BnHubCall) call = {0};
  Fetch fetch = {self, &call, file, sha256};
  g_autoptr (GError) local_error = NULL;
  g_autofree char *old = NULL;
  char *path = NULL;
  gboolean is_fresh;
  guint64 size = 0;

  if (!bn_hub_client_check_names (repository, &revision, file, error)
      || g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  if (sha256 && !is_sha256 (sha256)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "\"%.100s\" is no SHA-256 digest, expected 64 hexadecimal digits",
        sha256);
    return NULL;
  }
  bn_hub_call_init (&call, &self->shared, repository, revision, progress,
      progress_data, cancellable);
  old = lookup (&fetch, &size, &is_fresh);
  if (old && is_fresh)
    return take_cached (&fetch, g_steal_pointer (&old), size);
  if (may_ask (&fetch, &local_error))
    path = update (&fetch, &local_error);
  if (path)
    return path;
  if (old && local_error->domain == BITNET_ERROR
      && local_error->code != BITNET_ERROR_DIGEST) {
    g_info ("%s of %s: what is in the cache is used: %s", file, repository,
        local_error->message);
    return take_cached (&fetch, g_steal_pointer (&old), size);
  }
  bn_hub_client_note_absent (self, repository, revision, file, local_error);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}
