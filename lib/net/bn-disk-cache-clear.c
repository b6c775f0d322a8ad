/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Removing what somebody wants removed. Under the lock of eviction, so that
 * two of them do not count the same file. What others are downloading or have
 * just stored, and no manifest has yet, stays. */
#include "bn-disk-cache-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "bitnet-error.h"

typedef struct {
  BnDiskCache *cache;
  int root;
  gint64 now;
  guint64 n_removed, freed;
} Removal;

static gboolean
begin (Removal *self, BnDiskCache *cache, BnLock **lock,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  *self = (Removal){cache, -1, g_get_real_time () / G_USEC_PER_SEC, 0, 0};
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  self->root = bn_disk_cache_open_folder (cache, NULL, FALSE, &local_error);
  if (self->root >= 0)
    *lock = bn_disk_cache_lock_for (
        cache, BN_EVICTION_LOCK, -1, NULL, NULL, cancellable, &local_error);
  if (self->root >= 0 && *lock != NULL)
    return TRUE;
  bn_fd_close (self->root);
  self->root = -1;
  if (g_error_matches (local_error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND))
    return TRUE; /* nothing is there */
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

static GVariant *
end (Removal *self)
{
  GVariantDict dict;

  bn_fd_close (self->root);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "removed", "t", self->n_removed);
  g_variant_dict_insert (&dict, "freed", "t", self->freed);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* Removes the folders above path that are empty now, up to files/. */
static void
remove_empty_folders (int root, const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);

  while (g_str_has_prefix (folder, BN_CACHE_FILES "/")
         && unlinkat (root, folder, AT_REMOVEDIR) == 0) {
    char *parent = g_path_get_dirname (folder);

    g_free (folder);
    folder = parent;
  }
}

static gboolean
remove_stored (Removal *self, const BnStored *item, gint64 used_before)
{
  if (!bn_stored_remove (self->root, item, used_before))
    return FALSE;
  self->n_removed++;
  self->freed += item->disk_size;
  if (item->kind == BN_STORED_FILE)
    remove_empty_folders (self->root, item->path);
  return TRUE;
}

static void
remove_at (Removal *self, int folder, const char *name)
{
  struct stat info;

  if (fstatat (folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0
      || S_ISDIR (info.st_mode) || unlinkat (folder, name, 0) != 0)
    return;
  self->n_removed++;
  self->freed += (guint64) info.st_size;
}

static void
remove_manifest (Removal *self, const char *name)
{
  g_auto (BnFd) sources =
      bn_at_open_folder (self->root, BN_CACHE_SOURCES, FALSE);

  if (sources >= 0)
    remove_at (self, sources, name);
}

/* The key by which files of manifests and files on disk find each other: the
 * digest of an object, the path below v1/ of another. (transfer full) */
static char *
dup_content_key (const BnManifest *manifest, const BnCachedFile *file)
{
  g_autofree char *below = NULL;

  if (file->is_object)
    return g_strdup (file->sha256);
  below = bn_manifest_dup_file_path (
      manifest->repository, manifest->commit, file->name);
  return g_build_path ("/", BN_CACHE_FILES, below, NULL);
}

static const char *
get_stored_key (const BnStored *item)
{
  return item->kind == BN_STORED_FILE ? item->path : item->sha256;
}

/* Adds the keys of all files of a manifest. */
static void
add_keys (GHashTable *keys, const BnManifest *manifest)
{
  for (guint i = 0; i < manifest->files->len; i++)
    g_hash_table_add (keys,
        dup_content_key (manifest, g_ptr_array_index (manifest->files, i)));
}

static GHashTable *
new_keys (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

/* Keeping things tidy */

typedef struct {
  guint64 max_size;
  gint64 used_before; /* what was last used before that goes */
} PruneLimits;

/* Removes what nobody has any more or was put aside; takes what stays out of
 * the array's rest. */
static void
prune_orphans (Removal *self, GPtrArray *stored, GHashTable *known)
{
  gint64 spare = self->now - BN_SPARE_INTERVAL;

  for (guint i = stored->len; i > 0; i--) {
    const BnStored *item = g_ptr_array_index (stored, i - 1);
    gboolean is_broken = item->kind == BN_STORED_BROKEN;

    if (!is_broken && g_hash_table_contains (known, get_stored_key (item)))
      continue;
    if (remove_stored (self, item, is_broken ? G_MAXINT64 : spare))
      g_ptr_array_remove_index (stored, i - 1);
  }
}

static gboolean
prune_used (Removal *self, GPtrArray *stored, const PruneLimits *limits,
    GCancellable *cancellable, GError **error)
{
  guint64 total = 0;

  bn_stored_sort (stored);
  for (guint i = 0; i < stored->len; i++)
    total += ((const BnStored *) g_ptr_array_index (stored, i))->disk_size;
  for (guint i = 0; i < stored->len;) {
    const BnStored *item = g_ptr_array_index (stored, i);

    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    if (item->used_at >= limits->used_before && total <= limits->max_size)
      break;
    /* As it was listed: what was used since is not the oldest any more. */
    if (!remove_stored (self, item, item->used_at)) {
      i++;
      continue;
    }
    total -= item->disk_size;
    bn_disk_cache_count (self->cache, BN_CACHE_EVICTIONS);
    g_ptr_array_remove_index (stored, i);
  }
  return TRUE;
}

/* Removes manifests none of whose files is here. */
static void
prune_manifests (Removal *self, GPtrArray *entries, GPtrArray *stored)
{
  g_autoptr (GHashTable) here = new_keys ();

  for (guint i = 0; i < stored->len; i++) {
    const BnStored *item = g_ptr_array_index (stored, i);

    if (item->kind != BN_STORED_BROKEN)
      g_hash_table_add (here, g_strdup (get_stored_key (item)));
  }
  for (guint i = 0; i < entries->len; i++) {
    const BnManifestEntry *entry = g_ptr_array_index (entries, i);
    const BnManifest *manifest = entry->manifest;
    gboolean is_needed = FALSE;

    for (guint j = 0; j < manifest->files->len && !is_needed; j++) {
      g_autofree char *key =
          dup_content_key (manifest, g_ptr_array_index (manifest->files, j));

      is_needed = g_hash_table_contains (here, key);
    }
    if (!is_needed && entry->used_at < self->now - BN_SPARE_INTERVAL)
      remove_manifest (self, entry->name);
  }
}

/* No answer of a hub is believed for longer than this. */
static void
prune_absent (Removal *self)
{
  g_auto (BnFd) folder = bn_at_open_folder (self->root, BN_CACHE_ABSENT, FALSE);
  g_autoptr (GPtrArray) names = folder < 0 ? NULL : bn_fd_list (folder);

  for (guint i = 0; names && i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);
    struct stat info;

    if (name[0] != '.'
        && fstatat (folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0
        && self->now - info.st_mtime > BN_MAX_LEFTOVER_AGE)
      remove_at (self, folder, name);
  }
}

static gboolean
prune (Removal *self, const PruneLimits *limits, GCancellable *cancellable,
    GError **error)
{
  g_autoptr (GPtrArray) broken = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) entries = bn_manifest_list (self->root, broken);
  g_autoptr (GPtrArray) stored =
      bn_stored_list (self->root, cancellable, error);
  g_autoptr (GHashTable) known = new_keys ();

  if (stored == NULL)
    return FALSE;
  for (guint i = 0; i < broken->len; i++)
    remove_manifest (self, g_ptr_array_index (broken, i));
  for (guint i = 0; i < entries->len; i++)
    add_keys (
        known, ((BnManifestEntry *) g_ptr_array_index (entries, i))->manifest);
  bn_disk_cache_tidy (self->cache, self->root, BN_MAX_LEFTOVER_AGE,
      &self->n_removed, &self->freed);
  prune_absent (self);
  prune_orphans (self, stored, known);
  if (!prune_used (self, stored, limits, cancellable, error))
    return FALSE;
  prune_manifests (self, entries, stored);
  return TRUE;
}

GVariant *
bn_disk_cache_prune (BnDiskCache *cache, guint64 max_size, guint64 max_age,
    GCancellable *cancellable, GError **error)
{
  Removal self;
  g_autoptr (BnLock) lock = NULL;
  g_autoptr (GVariant) result = NULL;
  gboolean is_done = TRUE;

  if (!begin (&self, cache, &lock, cancellable, error))
    return NULL;
  if (self.root >= 0) {
    const PruneLimits limits = {
        max_size, max_age == 0 || max_age > (guint64) self.now
                      ? G_MININT64
                      : self.now - (gint64) max_age};

    is_done = prune (&self, &limits, cancellable, error);
  }
  result = end (&self);
  return is_done ? g_steal_pointer (&result) : NULL;
}

/* Clearing */

/* Removes the records that name the repository, or all if it is NULL. */
static void
clear_records (Removal *self, const char *folder_name, const char *repository)
{
  g_auto (BnFd) folder = bn_at_open_folder (self->root, folder_name, FALSE);
  g_autoptr (GPtrArray) names = folder < 0 ? NULL : bn_fd_list (folder);
  g_autofree char *quoted =
      repository ? g_strdup_printf ("\"%s\"", repository) : NULL;

  for (guint i = 0; names && i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);
    g_autoptr (GBytes) bytes = NULL;

    /* What somebody is writing gets its name later. */
    if (g_str_has_prefix (name, BN_TEMPORARY_PREFIX))
      continue;
    if (quoted != NULL) {
      bytes = bn_at_read (folder, name, BN_MAX_RECORD_SIZE);
      if (bytes == NULL
          || g_strstr_len (g_bytes_get_data (bytes, NULL),
                 (gssize) g_bytes_get_size (bytes), quoted)
                 == NULL)
        continue;
    }
    remove_at (self, folder, name);
  }
}

static gboolean
clear_all (Removal *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) folders = bn_fd_list (self->root);
  g_autoptr (GPtrArray) stored =
      bn_stored_list (self->root, cancellable, error);

  if (stored == NULL)
    return FALSE;
  for (guint i = 0; i < folders->len; i++) {
    const char *name = g_ptr_array_index (folders, i);

    if (strcmp (name, BN_CACHE_TMP) != 0 && strcmp (name, BN_CACHE_LOCKS) != 0)
      clear_records (self, name, NULL);
  }
  for (guint i = 0; i < stored->len; i++)
    remove_stored (self, g_ptr_array_index (stored, i), G_MAXINT64);
  bn_disk_cache_tidy (
      self->cache, self->root, 0, &self->n_removed, &self->freed);
  return TRUE;
}

static gboolean
clear_one (Removal *self, const char *repository, GCancellable *cancellable,
    GError **error)
{
  g_autofree char *folder = bn_path_dup_repository (repository);
  g_autofree char *prefix =
      folder ? g_strdup_printf (BN_CACHE_FILES "/%s/", folder) : NULL;
  g_autoptr (GPtrArray) entries = bn_manifest_list (self->root, NULL);
  g_autoptr (GHashTable) kept = new_keys ();
  g_autoptr (GHashTable) cleared = new_keys ();
  g_autoptr (GPtrArray) stored = NULL;

  if (folder == NULL) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "\"%s\" is no repository, expected owner/name", repository);
    return FALSE;
  }
  stored = bn_stored_list (self->root, cancellable, error);
  if (stored == NULL)
    return FALSE;
  for (guint i = 0; i < entries->len; i++) {
    const BnManifestEntry *entry = g_ptr_array_index (entries, i);
    gboolean is_it = strcmp (entry->manifest->repository, repository) == 0;

    add_keys (is_it ? cleared : kept, entry->manifest);
    if (is_it)
      remove_manifest (self, entry->name);
  }
  for (guint i = 0; i < stored->len; i++) {
    const BnStored *item = g_ptr_array_index (stored, i);
    const char *key = get_stored_key (item);

    if (item->kind == BN_STORED_FILE
            ? g_str_has_prefix (item->path, prefix)
            : g_hash_table_contains (cleared, key)
                  && !g_hash_table_contains (kept, key))
      remove_stored (self, item, G_MAXINT64);
  }
  clear_records (self, BN_CACHE_ABSENT, repository);
  clear_records (self, BN_CACHE_RESOLUTIONS, repository);
  return TRUE;
}

GVariant *
bn_disk_cache_clear (BnDiskCache *cache, const char *repository,
    GCancellable *cancellable, GError **error)
{
  Removal self;
  g_autoptr (BnLock) lock = NULL;
  g_autoptr (GVariant) result = NULL;
  gboolean is_done = TRUE;

  if (!begin (&self, cache, &lock, cancellable, error))
    return NULL;
  if (self.root >= 0)
    is_done = repository ? clear_one (&self, repository, cancellable, error)
                         : clear_all (&self, cancellable, error);
  result = end (&self);
  return is_done ? g_steal_pointer (&result) : NULL;
}
