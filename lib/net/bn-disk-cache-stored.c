/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lies on the disk, found by looking: no index that could be wrong. And
 * what goes away by itself: objects that are too much, the least recently
 * used first, and what others left behind. */
#include "bn-disk-cache-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
  MAX_STEPS = 512, /* of folders in each other */
  SHA256_DIGITS = 64,
  KEEP_PERCENT = 90, /* of the limit that eviction leaves */
};

void
bn_stored_free (BnStored *self)
{
  g_free (self->path);
  g_free (self->sha256);
  g_free (self);
}

static BnStored *
new_stored (BnStoredKind kind, char *path, const struct stat *info)
{
  BnStored *self = g_new0 (BnStored, 1);

  self->kind = kind;
  self->path = path;
  self->disk_size = self->size = (guint64) info->st_size;
  self->used_at = bn_stat_get_used (info);
  return self;
}

/* The object of that name in objects/XX; NULL if it is none. */
static BnStored *
stat_object (int folder, const char *folder_name, const char *name)
{
  g_autofree char *sha256 = g_strndup (name, SHA256_DIGITS);
  const char *suffix = name + strlen (sha256);
  gboolean is_packed = strcmp (suffix, BN_PACKED_SUFFIX) == 0;
  BnStoredKind kind = BN_STORED_OBJECT;
  struct stat info;
  BnStored *self;

  if (!bn_path_is_sha256 (sha256) || strncmp (sha256, folder_name, 2) != 0
      || fstatat (folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0
      || !S_ISREG (info.st_mode))
    return NULL;
  if (g_str_has_suffix (suffix, BN_BROKEN_SUFFIX))
    kind = BN_STORED_BROKEN;
  else if (suffix[0] != '\0' && !is_packed)
    return NULL;
  self = new_stored (kind,
      g_build_path ("/", BN_CACHE_OBJECTS, folder_name, name, NULL), &info);
  self->sha256 = g_steal_pointer (&sha256);
  self->is_packed = is_packed;
  if (is_packed) {
    g_auto (BnFd) file = bn_at_open (folder, name, &info);

    if (file >= 0)
      bn_object_get_packed_size (file, &self->size);
  }
  return self;
}

static void
list_objects (int root, GPtrArray *stored)
{
  g_auto (BnFd) objects = bn_at_open_folder (root, BN_CACHE_OBJECTS, FALSE);
  g_autoptr (GPtrArray) folders = NULL;

  if (objects < 0)
    return;
  folders = bn_fd_list (objects);
  for (guint i = 0; i < folders->len; i++) {
    const char *folder_name = g_ptr_array_index (folders, i);
    g_auto (BnFd) folder = bn_at_open_folder (objects, folder_name, FALSE);
    g_autoptr (GPtrArray) names = folder < 0 ? NULL : bn_fd_list (folder);

    for (guint j = 0; names && j < names->len; j++) {
      BnStored *found =
          stat_object (folder, folder_name, g_ptr_array_index (names, j));

      if (found != NULL)
        g_ptr_array_add (stored, found);
    }
  }
}

/* Adds the files of one folder below v1/, and its folders to waiting. */
static void
list_folder (int root, const char *path, GPtrArray *stored, GQueue *waiting)
{
  g_auto (BnFd) folder = bn_at_open_folder (root, path, FALSE);
  g_autoptr (GPtrArray) names = folder < 0 ? NULL : bn_fd_list (folder);

  for (guint i = 0; names && i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);
    g_autofree char *below = g_build_path ("/", path, name, NULL);
    struct stat info;

    if (fstatat (folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    if (S_ISDIR (info.st_mode) && strlen (below) < MAX_STEPS * 2)
      g_queue_push_tail (waiting, g_steal_pointer (&below));
    else if (S_ISREG (info.st_mode))
      g_ptr_array_add (
          stored, new_stored (BN_STORED_FILE, g_steal_pointer (&below), &info));
  }
}

GPtrArray *
bn_stored_list (int root, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) stored =
      g_ptr_array_new_with_free_func ((GDestroyNotify) bn_stored_free);
  g_autoptr (GQueue) waiting = g_queue_new ();

  list_objects (root, stored);
  g_queue_push_tail (waiting, g_strdup (BN_CACHE_FILES));
  while (!g_queue_is_empty (waiting)) {
    g_autofree char *path = g_queue_pop_head (waiting);

    if (g_cancellable_set_error_if_cancelled (cancellable, error)) {
      g_queue_clear_full (waiting, g_free);
      return NULL;
    }
    list_folder (root, path, stored, waiting);
  }
  return g_steal_pointer (&stored);
}

static gint
compare_used (gconstpointer a, gconstpointer b)
{
  const BnStored *left = *(BnStored *const *) a;
  const BnStored *right = *(BnStored *const *) b;
  int order =
      (left->used_at > right->used_at) - (left->used_at < right->used_at);

  return order != 0 ? order : strcmp (left->path, right->path);
}

void
bn_stored_sort (GPtrArray *stored)
{
  g_ptr_array_sort (stored, compare_used);
}

gboolean
bn_stored_remove (int root, const BnStored *self, gint64 used_before)
{
  g_autofree char *folder_name = g_path_get_dirname (self->path);
  const char *name = strrchr (self->path, '/') + 1;
  g_auto (BnFd) folder = bn_at_open_folder (root, folder_name, FALSE);
  struct stat info;

  /* Somebody may have used it since it was listed. */
  return folder >= 0 && fstatat (folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0
         && bn_stat_get_used (&info) <= used_before
         && unlinkat (folder, name, 0) == 0;
}

/* Eviction */

static guint64
sum_objects (GPtrArray *stored)
{
  guint64 total = 0;

  for (guint i = 0; i < stored->len; i++) {
    const BnStored *item = g_ptr_array_index (stored, i);

    if (item->kind == BN_STORED_OBJECT)
      total += item->disk_size;
  }
  return total;
}

void
bn_disk_cache_evict (BnDiskCache *self, int root)
{
  /* What is used now may have a note that is BN_TOUCH_INTERVAL old. */
  gint64 used_before = g_get_real_time () / G_USEC_PER_SEC - BN_TOUCH_INTERVAL
                       - BN_SPARE_INTERVAL;
  g_autoptr (GPtrArray) stored =
      g_ptr_array_new_with_free_func ((GDestroyNotify) bn_stored_free);
  g_autoptr (BnLock) lock = NULL;
  guint64 total;

  if (self->limit == 0)
    return;
  list_objects (root, stored);
  if (sum_objects (stored) <= self->limit)
    return;
  lock = bn_disk_cache_lock_for (
      self, BN_EVICTION_LOCK, 0, NULL, NULL, NULL, NULL);
  if (lock == NULL)
    return;
  /* Whoever had the lock before may have done it. */
  g_ptr_array_set_size (stored, 0);
  list_objects (root, stored);
  bn_stored_sort (stored);
  total = sum_objects (stored);
  if (total <= self->limit)
    return;
  for (guint i = 0; i < stored->len; i++) {
    const BnStored *item = g_ptr_array_index (stored, i);

    if (total <= self->limit / 100 * KEEP_PERCENT)
      break;
    if (item->kind != BN_STORED_OBJECT
        || !bn_stored_remove (root, item, used_before))
      continue;
    total -= item->disk_size;
    bn_disk_cache_count (self, BN_CACHE_EVICTIONS);
  }
}

/* What was left behind */

typedef struct {
  BnDiskCache *cache;
  int root;
  gint64 now;
  gint64 max_age;
  guint64 *n_removed, *freed;
} Tidy;

static void
remove_file (Tidy *tidy, int folder, const char *name, const struct stat *info)
{
  if (unlinkat (folder, name, 0) != 0)
    return;
  ++*tidy->n_removed;
  *tidy->freed += (guint64) info->st_size;
}

/* Or of a clock that was wrong. */
static gboolean
is_older (const Tidy *tidy, const struct stat *info, gint64 age)
{
  gint64 passed = tidy->now - info->st_mtime;

  return passed >= age || passed < -BN_MAX_LEFTOVER_AGE;
}

/* A part or its record, under their lock. */
static void
tidy_part (Tidy *tidy, int folder, const char *name)
{
  const char *suffix = strrchr (name, '.');
  g_autofree char *base = g_strndup (name, (gsize) (suffix - name));
  g_autofree char *record = g_strconcat (base, BN_RECORD_SUFFIX, NULL);
  g_autofree char *lock_name = g_strconcat (BN_PART_LOCK_PREFIX, base, NULL);
  BnLock *lock;
  struct stat info;
  gint64 max_age = tidy->max_age;

  /* One with a name of its own has a lock that its name does not tell. */
  if (fstatat (folder, record, &info, AT_SYMLINK_NOFOLLOW) != 0)
    max_age = MAX (max_age, BN_MAX_LEFTOVER_AGE);
  lock = bn_disk_cache_lock_for (
      tidy->cache, lock_name, 0, NULL, NULL, NULL, NULL);
  if (lock == NULL)
    return;
  if (fstatat (folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0
      && is_older (tidy, &info, max_age))
    remove_file (tidy, folder, name, &info);
  bn_lock_release_and_remove (lock);
}

static void
tidy_lock (Tidy *tidy, const char *name)
{
  g_autofree char *base = g_strndup (name, strlen (name) - strlen (".lock"));
  BnLock *lock =
      bn_disk_cache_lock_for (tidy->cache, base, 0, NULL, NULL, NULL, NULL);

  if (lock != NULL)
    bn_lock_release_and_remove (lock);
}

static void
tidy_entry (Tidy *tidy, const char *folder_name, int folder, const char *name)
{
  gboolean is_tmp = strcmp (folder_name, BN_CACHE_TMP) == 0;
  struct stat info;

  if (fstatat (folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0
      || !S_ISREG (info.st_mode))
    return;
  if (g_str_has_prefix (name, BN_TEMPORARY_PREFIX)) {
    if (is_older (tidy, &info, BN_MAX_LEFTOVER_AGE))
      remove_file (tidy, folder, name, &info);
  } else if (is_tmp && is_older (tidy, &info, tidy->max_age)
             && (g_str_has_suffix (name, BN_PART_SUFFIX)
                 || g_str_has_suffix (name, BN_RECORD_SUFFIX))) {
    tidy_part (tidy, folder, name);
  } else if (strcmp (folder_name, BN_CACHE_LOCKS) == 0
             && g_str_has_suffix (name, ".lock")
             && is_older (tidy, &info, BN_MAX_LEFTOVER_AGE)) {
    tidy_lock (tidy, name);
  }
}

static void
tidy_folder (Tidy *tidy, const char *folder_name)
{
  g_auto (BnFd) folder = bn_at_open_folder (tidy->root, folder_name, FALSE);
  g_autoptr (GPtrArray) names = folder < 0 ? NULL : bn_fd_list (folder);

  for (guint i = 0; names && i < names->len; i++)
    tidy_entry (tidy, folder_name, folder, g_ptr_array_index (names, i));
}

void
bn_disk_cache_tidy (BnDiskCache *self, int root, gint64 max_age,
    guint64 *n_removed, guint64 *freed)
{
  Tidy tidy = {self, root, g_get_real_time () / G_USEC_PER_SEC, max_age,
      n_removed, freed};
  g_autoptr (GPtrArray) names = bn_fd_list (root);

  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);

    tidy_entry (&tidy, "", root, name);
    if (strcmp (name, BN_CACHE_OBJECTS) != 0
        && strcmp (name, BN_CACHE_FILES) != 0)
      tidy_folder (&tidy, name);
  }
}
