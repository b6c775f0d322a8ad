/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects: content by its digest, plain or packed by zstd.
 *
 * An object is compared with its name when this process reads it first; which
 * files have passed is remembered by device, inode, size and modification
 * time. One that does not pass gets another name and is never read again. */
#include "bn-disk-cache-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bitnet-error.h"
#ifdef BN_HAVE_ZSTD
#include <zstd.h>
#endif

enum {
  MAX_VERIFIED = 4096,
  MIN_PACKED_SIZE = 64 << 10, /* content below is not packed */
  MIN_MAPPED_SIZE = 64 << 10, /* plain objects below are copied */
  LEVEL = 3,
  MAX_PERCENT = 90, /* of the content that packing may leave */
  MAX_FRAME_HEADER_SIZE = 18,
};

/* What has passed */

typedef struct {
  dev_t device;
  ino_t inode;
} FileId;

typedef struct {
  FileId id; /* also the key */
  off_t size;
  struct timespec modified;
  char sha256[65];
} Verified;

static GMutex verified_lock;
static GHashTable *verified; /* guarded by verified_lock */

static guint
hash_id (gconstpointer key)
{
  const FileId *id = key;

  return (guint) (id->inode ^ (id->inode >> 32) ^ id->device * 31);
}

static gboolean
equal_ids (gconstpointer a, gconstpointer b)
{
  const FileId *left = a, *right = b;

  return left->device == right->device && left->inode == right->inode;
}

static gboolean
is_verified (const struct stat *info, const char *sha256)
{
  const FileId id = {info->st_dev, info->st_ino};
  const Verified *found;
  gboolean is_same;

  g_mutex_lock (&verified_lock);
  found = verified ? g_hash_table_lookup (verified, &id) : NULL;
  is_same = found && found->size == info->st_size
            && found->modified.tv_sec == info->st_mtim.tv_sec
            && found->modified.tv_nsec == info->st_mtim.tv_nsec
            && strcmp (found->sha256, sha256) == 0;
  g_mutex_unlock (&verified_lock);
  return is_same;
}

static void
set_verified (const struct stat *info, const char *sha256)
{
  Verified *entry = g_new0 (Verified, 1);

  entry->id = (FileId){info->st_dev, info->st_ino};
  entry->size = info->st_size;
  entry->modified = info->st_mtim;
  g_strlcpy (entry->sha256, sha256, sizeof entry->sha256);
  g_mutex_lock (&verified_lock);
  if (verified == NULL)
    verified = g_hash_table_new_full (hash_id, equal_ids, NULL, g_free);
  if (g_hash_table_size (verified) >= MAX_VERIFIED)
    g_hash_table_remove_all (verified);
  g_hash_table_replace (verified, &entry->id, entry);
  g_mutex_unlock (&verified_lock);
}

/* Digests */

gboolean
bn_fd_add_to_checksum (int file, guint64 size, const char *path,
    GChecksum *checksum, GCancellable *cancellable, GError **error)
{
  g_autofree guchar *chunk = g_malloc (BN_CHUNK_SIZE);
  guint64 offset = 0;

  while (offset < size) {
    ssize_t n;

    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    n = pread (file, chunk, MIN (size - offset, BN_CHUNK_SIZE), (off_t) offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      bn_io_set_error (error, n < 0 ? errno : EIO, path, 0);
      return FALSE;
    }
    g_checksum_update (checksum, chunk, n);
    offset += (guint64) n;
  }
  return TRUE;
}

char *
bn_fd_dup_sha256 (int file, guint64 size, const char *path,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

  if (!bn_fd_add_to_checksum (file, size, path, checksum, cancellable, error))
    return NULL;
  return g_strdup (g_checksum_get_string (checksum));
}

static char *
dup_bytes_sha256 (GBytes *bytes, GCancellable *cancellable, GError **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize size;
  const guchar *data = g_bytes_get_data (bytes, &size);

  for (gsize i = 0; i < size; i += BN_CHUNK_SIZE) {
    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return NULL;
    g_checksum_update (
        checksum, data + i, (gssize) MIN (size - i, BN_CHUNK_SIZE));
  }
  return g_strdup (g_checksum_get_string (checksum));
}

/* Packing */

#ifdef BN_HAVE_ZSTD

typedef struct {
  int in, out;
  guint64 size; /* of the content */
  guint64 done; /* bytes of the content */
  guint64 packed_size;
  guint8 *in_chunk, *out_chunk;
  gsize out_chunk_size;
} Packer;

/* Packs what is left of the content: 1 if that pays, 0 if it does not, -1
 * with errno. */
static int
pack_all (Packer *self, ZSTD_CCtx *context)
{
  while (TRUE) {
    gsize n = (gsize) MIN (self->size - self->done, BN_CHUNK_SIZE);
    gboolean is_last = self->done + n == self->size;
    ZSTD_inBuffer in = {self->in_chunk, n, 0};
    size_t left;

    if (n > 0
        && pread (self->in, self->in_chunk, n, (off_t) self->done)
               != (ssize_t) n)
      return -1;
    self->done += n;
    do {
      ZSTD_outBuffer out = {self->out_chunk, self->out_chunk_size, 0};

      left = ZSTD_compressStream2 (
          context, &out, &in, is_last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError (left)) {
        errno = ENOMEM;
        return -1;
      }
      if (self->packed_size + out.pos >= self->size / 100 * MAX_PERCENT)
        return 0;
      if (!bn_fd_write (self->out, out.dst, out.pos, self->packed_size))
        return -1;
      self->packed_size += out.pos;
    } while (is_last ? left > 0 : in.pos < in.size);
    if (is_last)
      return 1;
  }
}

int
bn_object_pack (
    int folder, char name[BN_TEMPORARY_SIZE], int file, guint64 size)
{
  Packer packer = {.in = file, .size = size};
  g_auto (BnFd) out = -1;
  ZSTD_CCtx *context;
  int result = -1, number;

  if (size < MIN_PACKED_SIZE || size > BN_MAX_OBJECT_SIZE)
    return 0;
  out = bn_at_create_temporary (folder, name);
  if (out < 0)
    return -1;
  context = ZSTD_createCCtx ();
  packer.out = out;
  packer.out_chunk_size = ZSTD_CStreamOutSize ();
  packer.in_chunk = g_malloc (BN_CHUNK_SIZE);
  packer.out_chunk = g_malloc (packer.out_chunk_size);
  if (context != NULL
      && !ZSTD_isError (
          ZSTD_CCtx_setParameter (context, ZSTD_c_compressionLevel, LEVEL))
      && !ZSTD_isError (
          ZSTD_CCtx_setParameter (context, ZSTD_c_checksumFlag, 1))
      && !ZSTD_isError (ZSTD_CCtx_setPledgedSrcSize (context, size)))
    result = pack_all (&packer, context);
  if (result > 0 && fsync (out) != 0)
    result = -1;
  number = errno;
  ZSTD_freeCCtx (context);
  g_free (packer.in_chunk);
  g_free (packer.out_chunk);
  if (result <= 0)
    unlinkat (folder, name, 0);
  errno = number;
  return result;
}

gboolean
bn_object_get_packed_size (int file, guint64 *size)
{
  guint8 head[MAX_FRAME_HEADER_SIZE];
  ssize_t n = pread (file, head, sizeof head, 0);
  unsigned long long found = n > 0 ? ZSTD_getFrameContentSize (head, (size_t) n)
                                   : ZSTD_CONTENTSIZE_ERROR;

  if (found == ZSTD_CONTENTSIZE_ERROR || found == ZSTD_CONTENTSIZE_UNKNOWN)
    return FALSE;
  *size = found;
  return TRUE;
}

/* The content, which must have that size; *problem says why not. */
static GBytes *
unpack (int file, guint64 size, const char **problem)
{
  g_autoptr (GMappedFile) packed =
      g_mapped_file_new_from_fd (file, FALSE, NULL);
  guint64 said;
  guint8 *data;
  size_t n;

  *problem = "it cannot be unpacked";
  if (packed == NULL || !bn_object_get_packed_size (file, &said))
    return NULL;
  if (said != size || size > BN_MAX_OBJECT_SIZE) {
    *problem = "its content is of another size";
    return NULL;
  }
  data = g_try_malloc ((gsize) size + 1);
  if (data == NULL) {
    *problem = NULL;
    return NULL;
  }
  n = ZSTD_decompress (data, (size_t) size, g_mapped_file_get_contents (packed),
      g_mapped_file_get_length (packed));
  if (ZSTD_isError (n) || n != size) {
    g_free (data);
    return NULL;
  }
  return g_bytes_new_take (data, (gsize) size);
}

#else

int
bn_object_pack (
    int folder, char name[BN_TEMPORARY_SIZE], int file, guint64 size)
{
  return 0;
}

gboolean
bn_object_get_packed_size (int file, guint64 *size)
{
  return FALSE;
}

static GBytes *
unpack (int file, guint64 size, const char **problem)
{
  *problem = NULL;
  return NULL;
}

#endif

/* Names */

char *
bn_object_dup_path (const char *sha256, gboolean is_packed)
{
  return g_strdup_printf (
      "%.2s/%s%s", sha256, sha256, is_packed ? BN_PACKED_SUFFIX : "");
}

gboolean
bn_object_place (int root, int folder, const char *name, const char *sha256,
    gboolean is_packed)
{
  g_autofree char *below = g_strdup_printf (BN_CACHE_OBJECTS "/%.2s", sha256);
  g_auto (BnFd) place = bn_at_open_folder (root, below, TRUE);
  g_autofree char *plain = g_strdup (sha256);
  g_autofree char *packed = g_strconcat (sha256, BN_PACKED_SUFFIX, NULL);

  if (place < 0
      || renameat (folder, name, place, is_packed ? packed : plain) != 0)
    return FALSE;
  unlinkat (place, is_packed ? plain : packed, 0);
  return TRUE;
}

void
bn_object_put_aside (int objects, const char *path, const struct stat *info)
{
  g_autofree char *aside = g_strconcat (path, BN_BROKEN_SUFFIX, NULL);
  struct stat now;

  if (fstatat (objects, path, &now, AT_SYMLINK_NOFOLLOW) == 0
      && now.st_ino == info->st_ino && now.st_dev == info->st_dev)
    (void) !renameat (objects, path, objects, aside);
}

/* Opens the object, plain or packed. path: of whichever it is, below
 * objects/. */
static int
open_object (int objects, const char *sha256, struct stat *info, char **path)
{
  g_autofree char *folder_name = g_strndup (sha256, 2);
  g_auto (BnFd) folder = bn_at_open_folder (objects, folder_name, FALSE);
  g_autofree char *packed = g_strconcat (sha256, BN_PACKED_SUFFIX, NULL);
  int file;

  *path = bn_object_dup_path (sha256, FALSE);
  if (folder < 0)
    return -1;
  file = bn_at_open (folder, sha256, info);
#ifdef BN_HAVE_ZSTD
  if (file < 0 && errno == ENOENT) {
    g_free (*path);
    *path = bn_object_dup_path (sha256, TRUE);
    file = bn_at_open (folder, packed, info);
  }
#endif
  return file;
}

gboolean
bn_disk_cache_has_object (BnDiskCache *self, const char *sha256)
{
  g_auto (BnFd) objects =
      bn_disk_cache_open_folder (self, BN_CACHE_OBJECTS, FALSE, NULL);
  g_autofree char *path = NULL;
  g_auto (BnFd) file = -1;
  struct stat info;

  if (objects < 0 || !bn_path_is_sha256 (sha256))
    return FALSE;
  file = open_object (objects, sha256, &info, &path);
  return file >= 0;
}

/* Reading */

static GBytes *
read_plain (int file, const struct stat *info, const char **problem)
{
  gsize size = (gsize) info->st_size;
  GMappedFile *mapped;
  GBytes *bytes;
  char *data;

  *problem = "it cannot be read";
  if (size >= MIN_MAPPED_SIZE) {
    mapped = g_mapped_file_new_from_fd (file, FALSE, NULL);
    if (mapped == NULL)
      return NULL;
    bytes = g_mapped_file_get_bytes (mapped);
    g_mapped_file_unref (mapped);
    return bytes;
  }
  data = g_malloc (size + 1);
  if (pread (file, data, size, 0) == (ssize_t) size)
    return g_bytes_new_take (data, size);
  g_free (data);
  return NULL;
}

/* The content as it is, not yet compared. */
static GBytes *
read_content (int file, const struct stat *info, gboolean is_packed,
    guint64 size, const char **problem)
{
  if (is_packed)
    return unpack (file, size, problem);
  if ((guint64) info->st_size == size)
    return read_plain (file, info, problem);
  *problem = "it is of another size";
  return NULL;
}

static void
report_broken (BnDiskCache *self, int objects, const char *path,
    const struct stat *info, const char *problem, GError **error)
{
  g_autofree char *below = g_build_filename (BN_CACHE_OBJECTS, path, NULL);
  g_autofree char *full = bn_disk_cache_dup_path (self, below);

  bn_object_put_aside (objects, path, info);
  bn_disk_cache_count (self, BN_CACHE_CORRUPTIONS);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_DIGEST,
      "%s: is broken and was put aside: %s", full, problem);
}

static GBytes *
read_object (BnDiskCache *self, int objects, const BnCachedFile *wanted,
    GCancellable *cancellable, GError **error)
{
  g_autofree char *path = NULL;
  struct stat info;
  g_auto (BnFd) file = open_object (objects, wanted->sha256, &info, &path);
  gboolean is_packed = g_str_has_suffix (path, BN_PACKED_SUFFIX);
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *sha256 = NULL;
  const char *problem = NULL;

  if (file < 0) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND,
        "%s: is no longer in the cache %s", wanted->name, self->folder);
    return NULL;
  }
  bytes = read_content (file, &info, is_packed, wanted->size, &problem);
  if (bytes == NULL && problem == NULL) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "%s: no memory for %" G_GUINT64_FORMAT " bytes", wanted->name,
        wanted->size);
    return NULL;
  }
  if (bytes != NULL && !is_verified (&info, wanted->sha256)) {
    sha256 = dup_bytes_sha256 (bytes, cancellable, error);
    if (sha256 == NULL)
      return NULL;
    if (strcmp (sha256, wanted->sha256) == 0)
      set_verified (&info, sha256);
    else
      g_clear_pointer (&bytes, g_bytes_unref);
    problem = "its content has another digest";
  }
  if (bytes == NULL) {
    report_broken (self, objects, path, &info, problem, error);
    return NULL;
  }
  bn_at_touch (objects, path, &info);
  return g_steal_pointer (&bytes);
}

GBytes *
bn_disk_cache_read (BnDiskCache *self, const BnCachedFile *file,
    GCancellable *cancellable, GError **error)
{
  g_auto (BnFd) objects = -1;

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  if (!file->is_object || !bn_path_is_sha256 (file->sha256)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "%s: is no object of the cache", file->name);
    return NULL;
  }
  objects = bn_disk_cache_open_folder (self, BN_CACHE_OBJECTS, FALSE, error);
  if (objects < 0)
    return NULL;
  return read_object (self, objects, file, cancellable, error);
}

gboolean
bn_object_verify (BnDiskCache *self, int root, const char *path,
    GCancellable *cancellable, GError **error)
{
  g_auto (BnFd) objects = bn_at_open_folder (root, BN_CACHE_OBJECTS, FALSE);
  g_autofree char *folder_name = g_path_get_dirname (path);
  const char *name = strrchr (path, '/') + 1;
  gboolean is_packed = g_str_has_suffix (name, BN_PACKED_SUFFIX);
  g_auto (BnFd) folder = bn_at_open_folder (objects, folder_name, FALSE);
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *sha256 = NULL;
  const char *problem = NULL;
  guint64 size;
  struct stat info;
  g_auto (BnFd) file = folder < 0 ? -1 : bn_at_open (folder, name, &info);

  if (file < 0) {
    g_set_error (
        error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND, "%s: is gone", path);
    return FALSE;
  }
  size = (guint64) info.st_size;
  if (is_packed && !bn_object_get_packed_size (file, &size)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_DIGEST,
        "%s: cannot be unpacked", path);
    return FALSE;
  }
  if (is_packed) {
    bytes = unpack (file, size, &problem);
    if (bytes != NULL) {
      sha256 = dup_bytes_sha256 (bytes, cancellable, error);
      if (sha256 == NULL)
        return FALSE;
    }
  } else {
    sha256 = bn_fd_dup_sha256 (file, size, path, cancellable, error);
    if (sha256 == NULL)
      return FALSE;
  }
  if (sha256 != NULL && strncmp (sha256, name, strlen (sha256)) == 0)
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_DIGEST,
      "%s: its content has another digest", path);
  return FALSE;
}
