/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Downloads on their way: tmp/NAME.part, written under the lock of the name
 * and never seen under another one before it is complete.
 *
 * Beside it lies NAME.json, which says what it is a part of. Whoever begins
 * removes the part first, then replaces the record, then makes the part, so
 * that a part never lies beside the record of another; it is continued only
 * if the record says the same validator and size, and what is there is hashed
 * again. Where locks are not reliable the part has a name of its own and
 * nothing is continued. */
#include "bn-disk-cache-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "bitnet-error.h"
#include "bn-net-json.h"

enum {
  MAX_SIDECAR_SIZE = 16 << 10,
  SPACE_SLACK = 1 << 20, /* bytes for records and folders */
  MAX_TRIES = 3,
};

struct BnPart {
  BnDiskCache *cache;
  BnLock *lock;
  int root, tmp, file;
  char *name;         /* of the file in tmp */
  char *sidecar_name; /* NULL: it is never continued */
  char *path;         /* for messages */
  guint64 expected_size;
  guint64 size;
  GChecksum *checksum; /* SHA-256 of size bytes */
  char *sha256, *git_sha1;
};

static void
part_free (BnPart *self)
{
  bn_fd_close (self->file);
  bn_fd_close (self->tmp);
  bn_fd_close (self->root);
  g_clear_pointer (&self->lock, bn_lock_release);
  g_clear_pointer (&self->checksum, g_checksum_free);
  g_free (self->name);
  g_free (self->sidecar_name);
  g_free (self->path);
  g_free (self->sha256);
  g_free (self->git_sha1);
  bn_disk_cache_unref (self->cache);
  g_free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnPart, part_free)

static gboolean
fail (BnPart *self, guint64 size, GError **error)
{
  bn_io_set_error (error, errno, self->path, size);
  return FALSE;
}

/* Whether what is there is the beginning of what is wanted. */
static gboolean
matches_sidecar (BnPart *self, const char *validator)
{
  g_autoptr (GBytes) bytes =
      bn_at_read (self->tmp, self->sidecar_name, MAX_SIDECAR_SIZE);
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;

  if (bytes == NULL)
    return FALSE;
  node = bn_net_json_parse (g_bytes_get_data (bytes, NULL),
      g_bytes_get_size (bytes), MAX_SIDECAR_SIZE, self->sidecar_name, NULL);
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;
  object = json_node_get_object (node);
  return bn_net_json_get_int (object, "version", 0) == BN_CACHE_FORMAT
         && g_strcmp0 (bn_net_json_get_string (object, "validator"), validator)
                == 0
         && bn_net_json_get_int (object, "expected-size", -1)
                == (gint64) self->expected_size;
}

static gboolean
write_sidecar (BnPart *self, const char *validator)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *json = NULL;
  gsize size;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "version");
  json_builder_add_int_value (builder, BN_CACHE_FORMAT);
  json_builder_set_member_name (builder, "validator");
  json_builder_add_string_value (builder, validator);
  json_builder_set_member_name (builder, "expected-size");
  json_builder_add_int_value (builder, (gint64) self->expected_size);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  json = json_generator_to_data (generator, &size);
  return bn_at_replace (self->tmp, self->sidecar_name, json, size, FALSE);
}

static void
forget_digests (BnPart *self)
{
  g_clear_pointer (&self->sha256, g_free);
  g_clear_pointer (&self->git_sha1, g_free);
}

/* Opens what is there and hashes it; FALSE without error if it is not to be
 * continued. */
static gboolean
resume (BnPart *self, const char *validator, GCancellable *cancellable,
    GError **error)
{
  struct stat info;

  if (self->sidecar_name == NULL || !matches_sidecar (self, validator))
    return FALSE;
  self->file = openat (self->tmp, self->name,
      O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (self->file < 0)
    return FALSE;
  if (fstat (self->file, &info) == 0 && S_ISREG (info.st_mode)
      && info.st_uid == geteuid () && info.st_nlink == 1
      && (self->expected_size == 0
          || (guint64) info.st_size <= self->expected_size)
      && bn_fd_add_to_checksum (self->file, (guint64) info.st_size, self->path,
          self->checksum, cancellable, error)) {
    self->size = (guint64) info.st_size;
    return TRUE;
  }
  close (self->file);
  self->file = -1;
  g_checksum_reset (self->checksum);
  return FALSE;
}

static gboolean
create_part (BnPart *self)
{
  bn_fd_close (self->file);
  self->file = openat (self->tmp, self->name,
      O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  self->size = 0;
  g_checksum_reset (self->checksum);
  forget_digests (self);
  return self->file >= 0;
}

static gboolean
remove_part (BnPart *self)
{
  return unlinkat (self->tmp, self->name, 0) == 0 || errno == ENOENT;
}

static gboolean
check_space (BnPart *self, GError **error)
{
  struct statvfs info;
  guint64 needed, available;

  if (self->expected_size <= self->size || fstatvfs (self->tmp, &info) != 0)
    return TRUE;
  needed = self->expected_size - self->size;
  available = (guint64) info.f_bavail * info.f_frsize;
  if (available > SPACE_SLACK && available - SPACE_SLACK >= needed)
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_NO_SPACE,
      "%s: no space for %" G_GUINT64_FORMAT
      " bytes: the disk has %" G_GUINT64_FORMAT,
      self->path, needed, available);
  return FALSE;
}

/* Gets the lock and opens the folders. */
static gboolean
set_up (BnPart *self, const char *name, void (*on_wait) (gpointer user_data),
    gpointer user_data, GCancellable *cancellable, GError **error)
{
  g_autofree char *safe = bn_path_dup_name (name);
  g_autofree char *lock_name = g_strconcat (BN_PART_LOCK_PREFIX, safe, NULL);
  g_autofree char *tmp = NULL;

  self->lock = bn_disk_cache_lock_for (
      self->cache, lock_name, -1, on_wait, user_data, cancellable, error);
  if (self->lock == NULL)
    return FALSE;
  self->root = bn_disk_cache_open_folder (self->cache, NULL, TRUE, error);
  if (self->root < 0)
    return FALSE;
  self->tmp = bn_at_open_folder (self->root, BN_CACHE_TMP, TRUE);
  tmp = bn_disk_cache_dup_path (self->cache, BN_CACHE_TMP);
  if (self->tmp < 0) {
    bn_io_set_error (error, errno, tmp, 0);
    return FALSE;
  }
  if (self->cache->has_unique_parts || !bn_lock_is_reliable (self->tmp)) {
    /* The process too: those that were one until fork() draw the same. */
    self->name = g_strdup_printf ("%s.%x.%08x%08x" BN_PART_SUFFIX, safe,
        (guint) getpid (), g_random_int (), g_random_int ());
  } else {
    self->name = g_strconcat (safe, BN_PART_SUFFIX, NULL);
    self->sidecar_name = g_strconcat (safe, BN_RECORD_SUFFIX, NULL);
  }
  self->path = g_build_filename (tmp, self->name, NULL);
  return TRUE;
}

BnPart *
bn_disk_cache_begin (BnDiskCache *cache, const char *name,
    const char *validator, guint64 expected_size,
    void (*on_wait) (gpointer user_data), gpointer user_data,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (BnPart) self = g_new0 (BnPart, 1);
  g_autoptr (GError) local_error = NULL;
  g_autofree char *text =
      validator ? g_utf8_make_valid (validator, -1) : g_strdup ("");

  self->cache = bn_disk_cache_ref (cache);
  self->root = self->tmp = self->file = -1;
  self->expected_size = MIN (expected_size, (guint64) G_MAXINT64);
  self->checksum = g_checksum_new (G_CHECKSUM_SHA256);
  if (!set_up (self, name, on_wait, user_data, cancellable, error))
    return NULL;
  if (!resume (self, text, cancellable, &local_error)) {
    if (local_error != NULL) {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
    if (!remove_part (self)
        || (self->sidecar_name && !write_sidecar (self, text))
        || !create_part (self)) {
      fail (self, 0, error);
      return NULL;
    }
  }
  if (!check_space (self, error)) {
    gboolean keep = self->size > 0;

    bn_part_close (g_steal_pointer (&self), keep);
    return NULL;
  }
  return g_steal_pointer (&self);
}

guint64
bn_part_get_size (const BnPart *self)
{
  return self->size;
}

gboolean
bn_part_restart (BnPart *self, GError **error)
{
  return (remove_part (self) && create_part (self)) || fail (self, 0, error);
}

gboolean
bn_part_write (BnPart *self, const void *data, gsize size, GError **error)
{
  if (!bn_fd_write (self->file, data, size, self->size)) {
    int number = errno;

    /* What is there stays what was hashed. */
    (void) !ftruncate (self->file, (off_t) self->size);
    errno = number;
    return fail (
        self, MAX (self->expected_size, self->size + size) - self->size, error);
  }
  g_checksum_update (self->checksum, data, (gssize) size);
  self->size += size;
  forget_digests (self);
  return TRUE;
}

const char *
bn_part_get_sha256 (BnPart *self)
{
  if (self->sha256 == NULL) {
    g_autoptr (GChecksum) checksum = g_checksum_copy (self->checksum);

    self->sha256 = g_strdup (g_checksum_get_string (checksum));
  }
  return self->sha256;
}

const char *
bn_part_get_git_sha1 (BnPart *self)
{
  g_autoptr (GChecksum) checksum = NULL;
  g_autofree char *head = NULL;

  if (self->git_sha1 != NULL)
    return self->git_sha1;
  checksum = g_checksum_new (G_CHECKSUM_SHA1);
  head = g_strdup_printf ("blob %" G_GUINT64_FORMAT, self->size);
  g_checksum_update (
      checksum, (const guchar *) head, (gssize) strlen (head) + 1);
  /* If it cannot be read the digest is that of something else, as it is. */
  bn_fd_add_to_checksum (
      self->file, self->size, self->path, checksum, NULL, NULL);
  self->git_sha1 = g_strdup (g_checksum_get_string (checksum));
  return self->git_sha1;
}

void
bn_part_close (BnPart *self, gboolean keep)
{
  if (!keep || self->sidecar_name == NULL) {
    remove_part (self);
    if (self->sidecar_name != NULL)
      unlinkat (self->tmp, self->sidecar_name, 0);
  }
  part_free (self);
}

/* Whether all is there. */
static gboolean
complete (BnPart *self, GError **error)
{
  const struct timespec now[] = {
      {.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};

  if (self->expected_size > 0 && self->size != self->expected_size) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TRUNCATED,
        "%s: has %" G_GUINT64_FORMAT " bytes, expected %" G_GUINT64_FORMAT,
        self->path, self->size, self->expected_size);
    return FALSE;
  }
  /* A download of long ago is used now. */
  (void) !futimens (self->file, now);
  return TRUE;
}

/* The part has its name now, or its content has. */
static void
finish (BnPart *self)
{
  if (self->sidecar_name != NULL)
    unlinkat (self->tmp, self->sidecar_name, 0);
  bn_disk_cache_count (self->cache, BN_CACHE_STORES);
}

gboolean
bn_part_commit_object (BnPart *part, GError **error)
{
  g_autoptr (BnPart) self = part;
  g_autoptr (BnDiskCache) cache = bn_disk_cache_ref (self->cache);
  char packed[BN_TEMPORARY_SIZE];
  g_auto (BnFd) root = -1;
  gboolean is_packed;

  if (!complete (self, error))
    return FALSE;
  /* That packing fails is no reason not to have it. */
  is_packed = bn_object_pack (self->tmp, packed, self->file, self->size) > 0;
  if (is_packed
      && !bn_object_place (
          self->root, self->tmp, packed, bn_part_get_sha256 (self), TRUE)) {
    int number = errno;

    unlinkat (self->tmp, packed, 0);
    errno = number;
    return fail (self, 0, error);
  }
  if (!is_packed
      && (fsync (self->file) != 0
          || !bn_object_place (self->root, self->tmp, self->name,
              bn_part_get_sha256 (self), FALSE)))
    return fail (self, self->size, error);
  if (is_packed)
    remove_part (self);
  finish (self);
  root = self->root;
  self->root = -1;
  /* The lock first: others need not wait for what follows. */
  g_clear_pointer (&self, part_free);
  bn_disk_cache_evict (cache, root);
  return TRUE;
}

/* Moves the part to path below v1/. Somebody who clears the cache may remove
 * the folder between. */
static gboolean
place_file (BnPart *self, const char *path)
{
  g_autofree char *folder_path = g_path_get_dirname (path);

  for (guint i = 0; i < MAX_TRIES; i++) {
    g_auto (BnFd) folder = bn_at_open_folder (self->root, folder_path, TRUE);

    if (folder >= 0
        && renameat (self->tmp, self->name, folder, strrchr (path, '/') + 1)
               == 0)
      return TRUE;
    if (errno != ENOENT)
      return FALSE;
  }
  return FALSE;
}

gboolean
bn_part_commit_file (BnPart *part, const char *repository, const char *commit,
    const char *name, GError **error)
{
  g_autoptr (BnPart) self = part;
  g_autofree char *below = bn_manifest_dup_file_path (repository, commit, name);
  g_autofree char *path = NULL;

  if (below == NULL) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "\"%s\" of \"%s\" is no name for a file", name, repository);
    return FALSE;
  }
  if (!complete (self, error))
    return FALSE;
  if (fsync (self->file) != 0)
    return fail (self, self->size, error);
  path = g_build_path ("/", BN_CACHE_FILES, below, NULL);
  if (!place_file (self, path)) {
    int number = errno;
    g_autofree char *full = bn_disk_cache_dup_path (self->cache, path);

    bn_io_set_error (error, number, full, 0);
    return FALSE;
  }
  finish (self);
  return TRUE;
}
