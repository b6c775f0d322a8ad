/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Read-only mapping of a file. The descriptor is closed at once: a mapping
 * needs none, and identity is taken from the descriptor, not from the name,
 * so that it belongs to exactly the bytes that were mapped. */
#include "bn-mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bitnet-error.h"

enum { NS_PER_S = 1000 * 1000 * 1000 };

typedef struct {
  void *address;
  size_t size;
} Mapping;

static void
mapping_free (gpointer data)
{
  Mapping *mapping = data;

  munmap (mapping->address, mapping->size);
  g_free (mapping);
}

static void
file_id_from_stat (BnFileId *id, const struct stat *info)
{
  id->device = info->st_dev;
  id->inode = info->st_ino;
  id->size = (uint64_t) info->st_size;
  id->mtime_ns =
      (int64_t) info->st_mtim.tv_sec * NS_PER_S + info->st_mtim.tv_nsec;
}

gboolean
bn_file_id_equal (const BnFileId *a, const BnFileId *b)
{
  return a->device == b->device && a->inode == b->inode && a->size == b->size
         && a->mtime_ns == b->mtime_ns;
}

gboolean
bn_file_id_read (BnFileId *id, const char *path)
{
  struct stat info;

  if (stat (path, &info) != 0 || !S_ISREG (info.st_mode))
    return FALSE;
  file_id_from_stat (id, &info);
  return TRUE;
}

static void
set_errno_error (
    GError **error, const char *path, const char *action, int number)
{
  g_autofree char *name = g_filename_display_name (path);

  if (number == ENOENT || number == ENOTDIR)
    g_set_error (
        error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND, "%s: no such file", name);
  else
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_READ, "%s: %s: %s", name,
        action, g_strerror (number));
}

static const char *
kind_of_file (mode_t mode)
{
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "a directory";
    case S_IFIFO:
      return "a pipe";
    case S_IFSOCK:
      return "a socket";
    case S_IFCHR:
    case S_IFBLK:
      return "a device";
    default:
      return "a special file";
  }
}

static GBytes *
map_descriptor (int fd, const char *path, BnFileId *id, GError **error)
{
  struct stat info;
  void *address;
  Mapping *mapping;

  if (fstat (fd, &info) != 0) {
    set_errno_error (error, path, "cannot read its attributes", errno);
    return NULL;
  }
  if (!S_ISREG (info.st_mode)) {
    g_autofree char *name = g_filename_display_name (path);

    g_set_error (error, BITNET_ERROR, BITNET_ERROR_READ,
        "%s: found %s, expected a regular file", name,
        kind_of_file (info.st_mode));
    return NULL;
  }
  file_id_from_stat (id, &info);
  if (info.st_size == 0)
    return g_bytes_new (NULL, 0);
  if ((uint64_t) info.st_size > SIZE_MAX) {
    set_errno_error (error, path, "cannot map", EFBIG);
    return NULL;
  }
  address = mmap (NULL, (size_t) info.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) {
    set_errno_error (error, path, "cannot map", errno);
    return NULL;
  }
  mapping = g_new (Mapping, 1);
  mapping->address = address;
  mapping->size = (size_t) info.st_size;
  return g_bytes_new_with_free_func (
      address, mapping->size, mapping_free, mapping);
}

GBytes *
bn_mapping_open (const char *path, BnFileId *id, GError **error)
{
  /* O_NONBLOCK: a pipe without a writer must not hold the caller up. */
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  GBytes *bytes;

  if (fd < 0) {
    set_errno_error (error, path, "cannot open", errno);
    return NULL;
  }
  bytes = map_descriptor (fd, path, id, error);
  close (fd);
  return bytes;
}

void
bn_mapping_drop_pages (const void *data, size_t size)
{
  const uintptr_t page_size = (uintptr_t) sysconf (_SC_PAGESIZE);
  const uintptr_t begin =
      ((uintptr_t) data + page_size - 1) / page_size * page_size;
  const uintptr_t end = ((uintptr_t) data + size) / page_size * page_size;

  if (begin < end)
    madvise ((void *) begin, end - begin, MADV_DONTNEED);
}
