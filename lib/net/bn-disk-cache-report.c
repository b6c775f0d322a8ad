/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the cache has, in numbers and lists, and whether it is sound. All of it
 * looks at the disk; others may change it meanwhile, and what is gone when its
 * turn comes is not reported as broken. */
#include "bn-disk-cache-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "bitnet-error.h"

#define COMPILED_SUFFIX ".btok"

/* The folder, or -1 without error if there is none. */
static gboolean
open_root (
    BnDiskCache *self, BnFd *root, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  *root = -1;
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  *root = bn_disk_cache_open_folder (self, NULL, FALSE, &local_error);
  if (*root >= 0
      || g_error_matches (local_error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

/* What is stored by the digest of an object or the path of a file; the values
 * belong to stored. */
static GHashTable *
index_stored (GPtrArray *stored)
{
  GHashTable *table = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; stored && i < stored->len; i++) {
    BnStored *item = g_ptr_array_index (stored, i);

    if (item->kind != BN_STORED_BROKEN)
      g_hash_table_insert (table,
          item->kind == BN_STORED_FILE ? item->path : item->sha256, item);
  }
  return table;
}

static const BnStored *
find_stored (
    GHashTable *index, const BnManifest *manifest, const BnCachedFile *file)
{
  g_autofree char *below = NULL;
  g_autofree char *path = NULL;

  if (file->is_object)
    return g_hash_table_lookup (index, file->sha256);
  below = bn_manifest_dup_file_path (
      manifest->repository, manifest->commit, file->name);
  path = g_build_path ("/", BN_CACHE_FILES, below, NULL);
  return g_hash_table_lookup (index, path);
}

/* Listing */

static GVariant *
describe (const BnManifestEntry *entry, GHashTable *index, gint64 *used_at)
{
  const BnManifest *manifest = entry->manifest;
  GVariantBuilder files;
  GVariantDict dict;
  guint64 size = 0, disk_size = 0;

  g_variant_builder_init (&files, G_VARIANT_TYPE ("aa{sv}"));
  *used_at = entry->used_at;
  for (guint i = 0; i < manifest->files->len; i++) {
    const BnCachedFile *file = g_ptr_array_index (manifest->files, i);
    const BnStored *item = find_stored (index, manifest, file);
    GVariantDict file_dict;

    g_variant_dict_init (&file_dict, NULL);
    g_variant_dict_insert (&file_dict, "name", "s", file->name);
    g_variant_dict_insert (&file_dict, "sha256", "s", file->sha256);
    g_variant_dict_insert (&file_dict, "size", "t", file->size);
    g_variant_dict_insert (&file_dict, "complete", "b", item != NULL);
    g_variant_builder_add_value (&files, g_variant_dict_end (&file_dict));
    if (item == NULL)
      continue;
    size += file->size;
    disk_size += item->disk_size;
    *used_at = MAX (*used_at, item->used_at);
  }
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "endpoint", "s", manifest->endpoint);
  g_variant_dict_insert (&dict, "repository", "s", manifest->repository);
  g_variant_dict_insert (&dict, "revision", "s", manifest->revision);
  g_variant_dict_insert (&dict, "commit", "s", manifest->commit);
  g_variant_dict_insert (&dict, "fetched-at", "x", manifest->fetched_at);
  g_variant_dict_insert (&dict, "used-at", "x", *used_at);
  g_variant_dict_insert (&dict, "size", "t", size);
  g_variant_dict_insert (&dict, "disk-size", "t", disk_size);
  g_variant_dict_insert_value (&dict, "files", g_variant_builder_end (&files));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

typedef struct {
  GVariant *value;
  gint64 used_at;
} Described;

static void
described_clear (gpointer data)
{
  g_variant_unref (((Described *) data)->value);
}

static gint
compare_described (gconstpointer a, gconstpointer b)
{
  const Described *left = a, *right = b;

  return (left->used_at < right->used_at) - (left->used_at > right->used_at);
}

GVariant *
bn_disk_cache_list (
    BnDiskCache *self, GCancellable *cancellable, GError **error)
{
  g_auto (BnFd) root = -1;
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (GPtrArray) stored = NULL;
  g_autoptr (GHashTable) index = NULL;
  g_autoptr (GArray) described = g_array_new (FALSE, FALSE, sizeof (Described));
  GVariantBuilder builder;

  g_array_set_clear_func (described, described_clear);
  if (!open_root (self, &root, cancellable, error))
    return NULL;
  if (root >= 0) {
    stored = bn_stored_list (root, cancellable, error);
    if (stored == NULL)
      return NULL;
    entries = bn_manifest_list (root, NULL);
  }
  index = index_stored (stored);
  for (guint i = 0; entries && i < entries->len; i++) {
    Described item;

    item.value =
        describe (g_ptr_array_index (entries, i), index, &item.used_at);
    g_array_append_val (described, item);
  }
  g_array_sort (described, compare_described);
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < described->len; i++)
    g_variant_builder_add_value (
        &builder, g_array_index (described, Described, i).value);
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* Numbers */

typedef struct {
  guint64 n;
  guint64 size;
} Sum;

/* Files of a folder below v1/ whose names end so. */
static Sum
sum_folder (int root, const char *path, const char *suffix)
{
  g_auto (BnFd) folder = bn_at_open_folder (root, path, FALSE);
  g_autoptr (GPtrArray) names = folder < 0 ? NULL : bn_fd_list (folder);
  Sum sum = {0, 0};

  for (guint i = 0; names && i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);
    struct stat info;

    if (name[0] == '.' || !g_str_has_suffix (name, suffix)
        || fstatat (folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    sum.n++;
    sum.size += (guint64) info.st_size;
  }
  return sum;
}

static void
insert_contents (GVariantDict *dict, GPtrArray *stored)
{
  guint64 n = 0, size = 0, disk_size = 0, packed = 0, unpacked = 0;

  for (guint i = 0; stored && i < stored->len; i++) {
    const BnStored *item = g_ptr_array_index (stored, i);

    disk_size += item->disk_size;
    if (item->kind == BN_STORED_BROKEN)
      continue;
    n++;
    size += item->size;
    if (item->is_packed) {
      packed += item->disk_size;
      unpacked += item->size;
    }
  }
  g_variant_dict_insert (dict, "objects", "t", n);
  g_variant_dict_insert (dict, "size", "t", size);
  g_variant_dict_insert (dict, "disk-size", "t", disk_size);
  g_variant_dict_insert (dict, "compression", "d",
      unpacked > 0 ? (double) packed / (double) unpacked : 1.0);
}

static guint64
count_repositories (GPtrArray *entries)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; entries && i < entries->len; i++) {
    BnManifestEntry *entry = g_ptr_array_index (entries, i);

    g_hash_table_add (names, entry->manifest->repository);
  }
  return g_hash_table_size (names);
}

static void
insert_counters (GVariantDict *dict, BnDiskCache *self)
{
  guint64 counters[BN_CACHE_N_COUNTERS];
  guint64 asked;

  bn_disk_cache_get_counters (self, counters);
  asked = counters[BN_CACHE_HITS] + counters[BN_CACHE_MISSES];
  g_variant_dict_insert (dict, "hits", "t", counters[BN_CACHE_HITS]);
  g_variant_dict_insert (dict, "misses", "t", counters[BN_CACHE_MISSES]);
  g_variant_dict_insert (dict, "stores", "t", counters[BN_CACHE_STORES]);
  g_variant_dict_insert (dict, "evictions", "t", counters[BN_CACHE_EVICTIONS]);
  g_variant_dict_insert (
      dict, "corruptions", "t", counters[BN_CACHE_CORRUPTIONS]);
  g_variant_dict_insert (dict, "hit-rate", "d",
      asked > 0 ? (double) counters[BN_CACHE_HITS] / (double) asked : 0.0);
}

GVariant *
bn_disk_cache_dup_stats (
    BnDiskCache *self, GCancellable *cancellable, GError **error)
{
  g_auto (BnFd) root = -1;
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (GPtrArray) stored = NULL;
  Sum parts = {0, 0}, compiled = {0, 0}, resolutions = {0, 0};
  g_autofree char *folder = g_filename_display_name (self->folder);
  GVariantDict dict;

  if (!open_root (self, &root, cancellable, error))
    return NULL;
  if (root >= 0) {
    stored = bn_stored_list (root, cancellable, error);
    if (stored == NULL)
      return NULL;
    entries = bn_manifest_list (root, NULL);
    parts = sum_folder (root, BN_CACHE_TMP, BN_PART_SUFFIX);
    compiled = sum_folder (root, BN_CACHE_COMPILED, COMPILED_SUFFIX);
    resolutions = sum_folder (root, BN_CACHE_RESOLUTIONS, BN_RECORD_SUFFIX);
  }
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "folder", "s", folder);
  g_variant_dict_insert (
      &dict, "repositories", "t", count_repositories (entries));
  insert_contents (&dict, stored);
  g_variant_dict_insert (&dict, "limit", "t", self->limit);
  g_variant_dict_insert (&dict, "partial", "t", parts.n);
  g_variant_dict_insert (&dict, "partial-size", "t", parts.size);
  g_variant_dict_insert (&dict, "resolutions", "t", resolutions.n);
  g_variant_dict_insert (&dict, "compiled", "t", compiled.n);
  g_variant_dict_insert (&dict, "compiled-size", "t", compiled.size);
  insert_counters (&dict, self);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* Comparing everything with its digest */

typedef struct {
  BnDiskCache *cache;
  int root;
  gboolean repair;
  guint64 n_checked, n_removed;
  GStrvBuilder *lines;
} Check;

static void
add_broken (Check *self, const char *path, const char *message)
{
  g_autofree char *line = g_strdup_printf ("%s: %s", path, message);
  g_autofree char *shown = g_utf8_make_valid (line, -1);

  g_strv_builder_add (self->lines, shown);
}

/* The digest that a file in files/ must have, NULL if no manifest says. */
static GHashTable *
index_files (GPtrArray *entries)
{
  GHashTable *table =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < entries->len; i++) {
    const BnManifest *manifest =
        ((BnManifestEntry *) g_ptr_array_index (entries, i))->manifest;

    for (guint j = 0; j < manifest->files->len; j++) {
      BnCachedFile *file = g_ptr_array_index (manifest->files, j);
      g_autofree char *below = bn_manifest_dup_file_path (
          manifest->repository, manifest->commit, file->name);

      if (!file->is_object)
        g_hash_table_insert (table,
            g_build_path ("/", BN_CACHE_FILES, below, NULL), file->sha256);
    }
  }
  return table;
}

static gboolean
verify_file (Check *self, const BnStored *item, const char *sha256,
    GCancellable *cancellable, GError **error)
{
  g_autofree char *folder_name = g_path_get_dirname (item->path);
  g_auto (BnFd) folder = bn_at_open_folder (self->root, folder_name, FALSE);
  struct stat info;
  g_auto (BnFd) file =
      folder < 0 ? -1
                 : bn_at_open (folder, strrchr (item->path, '/') + 1, &info);
  g_autofree char *found = NULL;

  if (file < 0) {
    g_set_error (
        error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND, "%s: is gone", item->path);
    return FALSE;
  }
  found = bn_fd_dup_sha256 (
      file, (guint64) info.st_size, item->path, cancellable, error);
  if (found == NULL || strcmp (found, sha256) == 0)
    return found != NULL;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_DIGEST,
      "its SHA-256 is %s, expected %s", found, sha256);
  return FALSE;
}

/* FALSE if it was cancelled. */
static gboolean
verify_stored (Check *self, const BnStored *item, GHashTable *digests,
    GCancellable *cancellable, GError **error)
{
  const char *sha256 = g_hash_table_lookup (digests, item->path);
  g_autoptr (GError) local_error = NULL;
  gboolean is_sound = FALSE;

  if (item->kind == BN_STORED_FILE && sha256 == NULL)
    return TRUE;
  if (item->kind == BN_STORED_OBJECT)
    is_sound = bn_object_verify (self->cache, self->root,
        item->path + strlen (BN_CACHE_OBJECTS "/"), cancellable, &local_error);
  else if (item->kind == BN_STORED_FILE)
    is_sound = verify_file (self, item, sha256, cancellable, &local_error);
  else
    g_set_error (&local_error, BITNET_ERROR, BITNET_ERROR_DIGEST,
        "was put aside because it was broken");
  if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return FALSE;
  }
  if (g_error_matches (local_error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND))
    return TRUE;
  self->n_checked++;
  if (is_sound)
    return TRUE;
  add_broken (self, item->path, local_error->message);
  if (item->kind != BN_STORED_BROKEN)
    bn_disk_cache_count (self->cache, BN_CACHE_CORRUPTIONS);
  if (self->repair && bn_stored_remove (self->root, item, G_MAXINT64))
    self->n_removed++;
  return TRUE;
}

static void
report_manifests (Check *self, GPtrArray *broken)
{
  g_auto (BnFd) sources =
      bn_at_open_folder (self->root, BN_CACHE_SOURCES, FALSE);

  for (guint i = 0; i < broken->len; i++) {
    const char *name = g_ptr_array_index (broken, i);
    g_autofree char *path = g_build_path ("/", BN_CACHE_SOURCES, name, NULL);

    self->n_checked++;
    add_broken (self, path, "is no manifest");
    if (self->repair && unlinkat (sources, name, 0) == 0)
      self->n_removed++;
  }
}

static gboolean
verify_all (Check *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) broken = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) entries = bn_manifest_list (self->root, broken);
  g_autoptr (GHashTable) digests = index_files (entries);
  g_autoptr (GPtrArray) stored =
      bn_stored_list (self->root, cancellable, error);

  if (stored == NULL)
    return FALSE;
  report_manifests (self, broken);
  for (guint i = 0; i < stored->len; i++) {
    if (!verify_stored (
            self, g_ptr_array_index (stored, i), digests, cancellable, error))
      return FALSE;
  }
  return TRUE;
}

GVariant *
bn_disk_cache_verify (BnDiskCache *cache, gboolean repair,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (GStrvBuilder) lines = g_strv_builder_new ();
  Check self = {.cache = cache, .repair = repair, .lines = lines};
  g_auto (BnFd) root = -1;
  g_auto (GStrv) broken = NULL;
  GVariantDict dict;

  if (!open_root (cache, &root, cancellable, error))
    return NULL;
  self.root = root;
  if (root >= 0 && !verify_all (&self, cancellable, error))
    return NULL;
  broken = g_strv_builder_end (lines);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "checked", "t", self.n_checked);
  g_variant_dict_insert_value (
      &dict, "broken", g_variant_new_strv ((const char *const *) broken, -1));
  g_variant_dict_insert (&dict, "removed", "t", self.n_removed);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
