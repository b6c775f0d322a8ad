/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small records: those of others, and what a hub said it has not, which is
 * believed for a while that depends on what it said. */
#include "bn-disk-cache-private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "bitnet-error.h"
#include "bn-net-json.h"

enum { MAX_ABSENT_SIZE = 4096, HOUR_S = 60 * 60, MINUTE_S = 60 };

static const struct {
  BitnetError code;
  const char *name;
  gint64 lifetime_s;
} lifetimes[] = {
    {BITNET_ERROR_ENTRY_NOT_FOUND, "entry-not-found", 24 * HOUR_S},
    {BITNET_ERROR_REPO_NOT_FOUND, "repo-not-found", HOUR_S},
    {BITNET_ERROR_REVISION_NOT_FOUND, "revision-not-found", HOUR_S},
    {BITNET_ERROR_GATED, "gated", 10 * MINUTE_S},
};

/* Records of others */

static char *
dup_record_name (const char *folder, const char *name)
{
  return bn_path_is_name (folder) && bn_path_is_name (name)
             ? g_strconcat (name, BN_RECORD_SUFFIX, NULL)
             : NULL;
}

GBytes *
bn_disk_cache_read_record (
    BnDiskCache *self, const char *folder, const char *name)
{
  g_autofree char *file = dup_record_name (folder, name);
  g_auto (BnFd) fd =
      file ? bn_disk_cache_open_folder (self, folder, FALSE, NULL) : -1;

  return fd >= 0 ? bn_at_read (fd, file, BN_MAX_RECORD_SIZE) : NULL;
}

gboolean
bn_disk_cache_write_record (BnDiskCache *self, const char *folder,
    const char *name, const void *data, gsize size, GError **error)
{
  g_autofree char *file = dup_record_name (folder, name);
  g_autofree char *path = NULL;
  g_auto (BnFd) fd = -1;

  if (file == NULL || size > BN_MAX_RECORD_SIZE) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "\"%s/%s\" of %" G_GSIZE_FORMAT " bytes cannot be a record", folder,
        name, size);
    return FALSE;
  }
  fd = bn_disk_cache_open_folder (self, folder, TRUE, error);
  if (fd < 0)
    return FALSE;
  if (bn_at_replace (fd, file, data, size, FALSE))
    return TRUE;
  path = g_build_filename (self->folder, BN_CACHE_VERSION, folder, file, NULL);
  bn_io_set_error (error, errno, path, size);
  return FALSE;
}

void
bn_disk_cache_remove_record (
    BnDiskCache *self, const char *folder, const char *name)
{
  g_autofree char *file = dup_record_name (folder, name);
  g_auto (BnFd) fd =
      file ? bn_disk_cache_open_folder (self, folder, FALSE, NULL) : -1;

  if (fd >= 0)
    unlinkat (fd, file, 0);
}

/* What is not there */

static char *
dup_absent_key (const char *endpoint, const char *repository,
    const char *revision, const char *file)
{
  g_autofree char *source =
      bn_manifest_dup_key (endpoint, repository, revision);
  g_autofree char *text =
      g_strdup_printf ("absent\n%s\n%s", source, file ? file : "");

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

void
bn_disk_cache_set_absent (BnDiskCache *self, const char *endpoint,
    const char *repository, const char *revision, const char *file, int code)
{
  g_autofree char *key = dup_absent_key (endpoint, repository, revision, file);
  g_autofree char *safe = bn_path_dup_repository (repository);
  g_autofree char *json = NULL;
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;

  for (gsize i = 0; safe && i < G_N_ELEMENTS (lifetimes); i++) {
    if ((int) lifetimes[i].code != code)
      continue;
    /* A safe repository needs no escapes. */
    json = g_strdup_printf ("{\"version\":%d,\"repository\":\"%s\",\"code\":"
                            "\"%s\",\"since\":%" G_GINT64_FORMAT "}\n",
        BN_CACHE_FORMAT, repository, lifetimes[i].name, now);
    bn_disk_cache_write_record (
        self, BN_CACHE_ABSENT, key, json, strlen (json), NULL);
  }
}

/* The code that a record has now, or -1. */
static int
parse_absent (GBytes *bytes)
{
  g_autoptr (JsonNode) node = bn_net_json_parse (g_bytes_get_data (bytes, NULL),
      g_bytes_get_size (bytes), MAX_ABSENT_SIZE, BN_CACHE_ABSENT, NULL);
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  JsonObject *object;
  gint64 since;

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return -1;
  object = json_node_get_object (node);
  since = bn_net_json_get_int (object, "since", G_MAXINT64);
  for (gsize i = 0; since >= 0 && i < G_N_ELEMENTS (lifetimes); i++) {
    if (g_strcmp0 (bn_net_json_get_string (object, "code"), lifetimes[i].name)
        == 0)
      return since <= now && now - since < lifetimes[i].lifetime_s
                 ? (int) lifetimes[i].code
                 : -1;
  }
  return -1;
}

int
bn_disk_cache_get_absent (BnDiskCache *self, const char *endpoint,
    const char *repository, const char *revision, const char *file)
{
  g_autofree char *key = dup_absent_key (endpoint, repository, revision, file);
  g_autoptr (GBytes) bytes =
      bn_disk_cache_read_record (self, BN_CACHE_ABSENT, key);
  int code = bytes ? parse_absent (bytes) : -1;

  if (bytes != NULL && code < 0)
    bn_disk_cache_remove_record (self, BN_CACHE_ABSENT, key);
  return code;
}

char *
bn_disk_cache_dup_file_path (BnDiskCache *self, const char *repository,
    const char *commit, const char *name)
{
  g_autofree char *below = bn_manifest_dup_file_path (repository, commit, name);

  return below ? g_build_filename (
             self->folder, BN_CACHE_VERSION, BN_CACHE_FILES, below, NULL)
               : NULL;
}

/* ".../v1/files/OWNER--NAME/COMMIT/..." */
gboolean
bn_disk_cache_parse_path (const char *path, char **repository, char **commit)
{
  g_autofree char *whole = g_canonicalize_filename (path, NULL);
  g_auto (GStrv) steps = g_strsplit (whole, "/", -1);

  for (guint i = g_strv_length (steps); i >= 5; i--) {
    g_auto (GStrv) parts = NULL;
    g_autofree char *found = NULL;
    g_autofree char *back = NULL;

    if (strcmp (steps[i - 5], BN_CACHE_VERSION) != 0
        || strcmp (steps[i - 4], BN_CACHE_FILES) != 0
        || !bn_path_is_name (steps[i - 2]))
      continue;
    parts = g_strsplit (steps[i - 3], "--", 2);
    found = g_strjoinv ("/", parts);
    back = bn_path_dup_repository (found);
    if (back == NULL)
      continue;
    *repository = g_steal_pointer (&found);
    *commit = g_strdup (steps[i - 2]);
    return TRUE;
  }
  return FALSE;
}
