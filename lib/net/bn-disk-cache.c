/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of the cache: where it is, whom it belongs to, its limit and its
 * counters. It is opened anew for every operation, so somebody may remove it
 * at any time. */
#include "bn-disk-cache-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "bitnet-error.h"
#include "bn-net-json.h"

#define DEFAULT_LIMIT (G_GUINT64_CONSTANT (2) << 30)
#define SIZE_VARIABLE "BITNET_TOKENIZER_CACHE_SIZE"
#define STATS_LOCK "stats"

enum {
  FLUSH_INTERVAL_S = 5,
  LAST_FLUSH_TIMEOUT_MS = 500,
  MAX_STATS_SIZE = 4096,
};

static const char *const counter_names[BN_CACHE_N_COUNTERS] = {
    "hits", "misses", "stores", "evictions", "corruptions"};

/* Where */

/* (transfer full); relative ones begin in the current folder. */
static char *
dup_env_path (const char *name)
{
  const char *value = g_getenv (name);

  return value && value[0] != '\0' ? g_canonicalize_filename (value, NULL)
                                   : NULL;
}

char *
bn_disk_cache_dup_default_folder (gboolean models)
{
  const char *kind = models ? "models" : "tokenizers";
  g_autofree char *base = dup_env_path ("BITNET_CACHE_DIR");
  char *root = models ? NULL : dup_env_path ("BITNET_TOKENIZER_CACHE");

  if (root)
    return root;
  if (base)
    return g_build_filename (base, kind, NULL);
  return g_build_filename (g_get_user_cache_dir (), "bitnet", kind, NULL);
}

/* Bytes, or with a suffix K, M or G. */
static gboolean
parse_size (const char *text, guint64 *size)
{
  static const char suffixes[] = "KMG";
  char *end;
  const char *suffix;
  guint shift = 0;

  if (!g_ascii_isdigit (text[0]))
    return FALSE;
  errno = 0;
  *size = g_ascii_strtoull (text, &end, 10);
  if (errno != 0)
    return FALSE;
  if (*end != '\0') {
    suffix = strchr (suffixes, g_ascii_toupper (*end));
    if (suffix == NULL || end[1] != '\0')
      return FALSE;
    shift = 10 * (guint) (suffix - suffixes + 1);
  }
  if (*size > G_MAXUINT64 >> shift)
    return FALSE;
  *size <<= shift;
  return TRUE;
}

static guint64
get_default_limit (void)
{
  const char *text = g_getenv (SIZE_VARIABLE);
  guint64 size;

  if (text == NULL || text[0] == '\0')
    return DEFAULT_LIMIT;
  if (parse_size (text, &size))
    return size;
  g_warning (SIZE_VARIABLE "=%s is no number of bytes, with or without K, M or "
                           "G; using %" G_GUINT64_FORMAT,
      text, DEFAULT_LIMIT);
  return DEFAULT_LIMIT;
}

/* The folder itself */

static gboolean
check_owner (int folder, const char *path, GError **error)
{
  struct stat info;

  if (fstat (folder, &info) != 0) {
    bn_io_set_error (error, errno, path, 0);
    return FALSE;
  }
  if (info.st_uid != geteuid ()) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_PERMISSION,
        "%s: belongs to user %u, expected %u", path, (guint) info.st_uid,
        (guint) geteuid ());
    return FALSE;
  }
  if (info.st_mode & (S_IWGRP | S_IWOTH)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_PERMISSION,
        "%s: others may write to it (mode %04o, expected at most 0755)", path,
        (guint) info.st_mode & 07777);
    return FALSE;
  }
  return TRUE;
}

/* The folder that the user named; it may be a link. */
static int
open_base (const char *path, gboolean create, GError **error)
{
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  int folder = open (path, flags);

  if (folder < 0 && errno == ENOENT && create
      && g_mkdir_with_parents (path, 0700) == 0)
    folder = open (path, flags);
  if (folder < 0) {
    if (errno == ENOENT && !create)
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND,
          "%s: does not exist", path);
    else
      bn_io_set_error (error, errno, path, 0);
    return -1;
  }
  if (!check_owner (folder, path, error)) {
    close (folder);
    return -1;
  }
  return folder;
}

char *
bn_disk_cache_dup_path (BnDiskCache *self, const char *path)
{
  return g_build_filename (self->folder, BN_CACHE_VERSION, path, NULL);
}

int
bn_disk_cache_open_folder (
    BnDiskCache *self, const char *path, gboolean create, GError **error)
{
  g_auto (BnFd) base = open_base (self->folder, create, error);
  g_autofree char *full = NULL;
  g_autofree char *inside = g_build_path ("/", BN_CACHE_VERSION, path, NULL);
  int folder;

  if (base < 0)
    return -1;
  folder = bn_at_open_folder (base, inside, create);
  if (folder >= 0)
    return folder;
  full = bn_disk_cache_dup_path (self, path);
  if (errno == ENOENT && !create)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND,
        "%s: does not exist", full);
  else
    bn_io_set_error (error, errno, full, 0);
  return -1;
}

BnDiskCache *
bn_disk_cache_open (const char *folder, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_auto (BnFd) base = open_base (folder, FALSE, &local_error);
  BnDiskCache *self;

  if (base < 0
      && !g_error_matches (local_error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND)) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }
  self = g_new0 (BnDiskCache, 1);
  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->folder = g_canonicalize_filename (folder, NULL);
  self->limit = get_default_limit ();
  self->flushed_us = g_get_monotonic_time ();
  return self;
}

BnDiskCache *
bn_disk_cache_ref (BnDiskCache *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bn_disk_cache_unref (BnDiskCache *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  bn_disk_cache_flush_counters (self, LAST_FLUSH_TIMEOUT_MS);
  g_mutex_clear (&self->lock);
  g_free (self->folder);
  g_free (self);
}

const char *
bn_disk_cache_get_folder (const BnDiskCache *self)
{
  return self->folder;
}

void
bn_disk_cache_set_limit (BnDiskCache *self, guint64 limit)
{
  self->limit = limit;
}

/* Locks */

BnLock *
bn_disk_cache_lock_for (BnDiskCache *self, const char *name, int timeout_ms,
    void (*on_wait) (gpointer user_data), gpointer user_data,
    GCancellable *cancellable, GError **error)
{
  g_autofree char *path = bn_disk_cache_dup_path (self, BN_CACHE_LOCKS);
  g_auto (BnFd) folder =
      bn_disk_cache_open_folder (self, BN_CACHE_LOCKS, TRUE, error);

  if (folder < 0)
    return NULL;
  return bn_lock_acquire (folder, path, name, BN_LOCK_DESCRIPTION, timeout_ms,
      on_wait, user_data, cancellable, error);
}

BnLock *
bn_disk_cache_lock (BnDiskCache *self, const char *name,
    void (*on_wait) (gpointer user_data), gpointer user_data,
    GCancellable *cancellable, GError **error)
{
  if (!bn_path_is_name (name)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "\"%s\" is no name of a lock", name);
    return NULL;
  }
  return bn_disk_cache_lock_for (
      self, name, -1, on_wait, user_data, cancellable, error);
}

/* Times of use */

/* A little is the clock of another machine. */
static gint64
skip_future (gint64 time, gint64 now)
{
  return time <= now + BN_TOUCH_INTERVAL ? time : 0;
}

gint64
bn_stat_get_used (const struct stat *info)
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;

  return MAX (
      skip_future (info->st_atime, now), skip_future (info->st_mtime, now));
}

void
bn_at_touch (int folder, const char *name, const struct stat *info)
{
  const struct timespec times[] = {
      {.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
  gint64 age = g_get_real_time () / G_USEC_PER_SEC - bn_stat_get_used (info);

  if (age > BN_TOUCH_INTERVAL)
    (void) !utimensat (folder, name, times, AT_SYMLINK_NOFOLLOW);
}

/* Counters */

static void
read_counters (int root, guint64 counters[BN_CACHE_N_COUNTERS])
{
  g_autoptr (GBytes) bytes = bn_at_read (root, BN_CACHE_STATS, MAX_STATS_SIZE);
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;

  memset (counters, 0, sizeof *counters * BN_CACHE_N_COUNTERS);
  if (bytes == NULL)
    return;
  node = bn_net_json_parse (g_bytes_get_data (bytes, NULL),
      g_bytes_get_size (bytes), MAX_STATS_SIZE, BN_CACHE_STATS, NULL);
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return;
  object = json_node_get_object (node);
  for (guint i = 0; i < BN_CACHE_N_COUNTERS; i++)
    counters[i] =
        (guint64) MAX (bn_net_json_get_int (object, counter_names[i], 0), 0);
}

static void
write_counters (int root, const guint64 counters[BN_CACHE_N_COUNTERS])
{
  g_autoptr (GString) json = g_string_new (NULL);

  g_string_append_printf (json, "{\"version\":%d", BN_CACHE_FORMAT);
  for (guint i = 0; i < BN_CACHE_N_COUNTERS; i++)
    g_string_append_printf (json, ",\"%s\":%" G_GUINT64_FORMAT,
        counter_names[i], MIN (counters[i], (guint64) G_MAXINT64));
  g_string_append (json, "}\n");
  (void) !bn_at_replace (root, BN_CACHE_STATS, json->str, json->len, FALSE);
}

/* Adds what this process has counted; TRUE if that was anything. */
static gboolean
take_counters (BnDiskCache *self, guint64 counters[BN_CACHE_N_COUNTERS])
{
  gboolean is_any = FALSE;

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < BN_CACHE_N_COUNTERS; i++) {
    is_any = is_any || self->counters[i] > 0;
    counters[i] += self->counters[i];
    self->counters[i] = 0;
  }
  g_mutex_unlock (&self->lock);
  return is_any;
}

void
bn_disk_cache_flush_counters (BnDiskCache *self, int timeout_ms)
{
  g_auto (BnFd) root = bn_disk_cache_open_folder (self, NULL, FALSE, NULL);
  guint64 counters[BN_CACHE_N_COUNTERS];
  g_autoptr (BnLock) lock = NULL;

  if (root < 0)
    return;
  lock = bn_disk_cache_lock_for (
      self, STATS_LOCK, timeout_ms, NULL, NULL, NULL, NULL);
  if (lock == NULL)
    return;
  read_counters (root, counters);
  if (take_counters (self, counters))
    write_counters (root, counters);
}

void
bn_disk_cache_get_counters (
    BnDiskCache *self, guint64 counters[BN_CACHE_N_COUNTERS])
{
  g_auto (BnFd) root = -1;

  bn_disk_cache_flush_counters (self, LAST_FLUSH_TIMEOUT_MS);
  root = bn_disk_cache_open_folder (self, NULL, FALSE, NULL);
  memset (counters, 0, sizeof *counters * BN_CACHE_N_COUNTERS);
  if (root >= 0)
    read_counters (root, counters);
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < BN_CACHE_N_COUNTERS; i++)
    counters[i] += self->counters[i];
  g_mutex_unlock (&self->lock);
}

void
bn_disk_cache_count (BnDiskCache *self, BnCacheCounter counter)
{
  gint64 now = g_get_monotonic_time ();
  gboolean is_due;

  g_mutex_lock (&self->lock);
  self->counters[counter]++;
  is_due = now - self->flushed_us > FLUSH_INTERVAL_S * G_USEC_PER_SEC;
  if (is_due)
    self->flushed_us = now;
  g_mutex_unlock (&self->lock);
  if (is_due)
    bn_disk_cache_flush_counters (self, 0);
}
