/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files and folders through descriptors: names, opening, whole writes. */
#include "bn-atomic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bitnet-error.h"

enum {
  MAX_NAME_SIZE = 128,
  MAX_PATH_SIZE = 512,
  MAX_STEP_SIZE = 255,
  MAX_REPOSITORY_SIZE = 200,
  MAX_LISTED = 1 << 20, /* names of one folder */
  SHA256_DIGITS = 64,
  MAX_TRIES = 100,
};

void
bn_fd_close (BnFd fd)
{
  if (fd >= 0)
    close (fd);
}

void
bn_io_set_error (GError **error, int number, const char *path, guint64 size)
{
  BitnetError code = BITNET_ERROR_CACHE_IO;

  if (number == ENOSPC || number == EDQUOT || number == EFBIG)
    code = BITNET_ERROR_NO_SPACE;
  else if (number == EACCES || number == EPERM || number == EROFS)
    code = BITNET_ERROR_PERMISSION;
  if (code == BITNET_ERROR_NO_SPACE && size > 0)
    g_set_error (error, BITNET_ERROR, code,
        "%s: no space for %" G_GUINT64_FORMAT " bytes: %s", path, size,
        g_strerror (number));
  else
    g_set_error (
        error, BITNET_ERROR, code, "%s: %s", path, g_strerror (number));
}

/* Names */

static gboolean
is_name_char (char c)
{
  return g_ascii_isalnum (c) || c == '.' || c == '_' || c == '-';
}

gboolean
bn_path_is_name (const char *name)
{
  gsize length = 0;

  if (name == NULL || name[0] == '.')
    return FALSE;
  while (length <= MAX_NAME_SIZE && name[length] != '\0') {
    if (!is_name_char (name[length++]))
      return FALSE;
  }
  return length > 0 && length <= MAX_NAME_SIZE;
}

char *
bn_path_dup_name (const char *name)
{
  return bn_path_is_name (name)
             ? g_strdup (name)
             : g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);
}

static gboolean
is_step (const char *step, gsize length)
{
  return length > 0 && length <= MAX_STEP_SIZE
         && !(length == 1 && step[0] == '.')
         && !(length == 2 && step[0] == '.' && step[1] == '.');
}

gboolean
bn_path_is_relative (const char *path)
{
  if (path == NULL || strlen (path) > MAX_PATH_SIZE
      || !g_utf8_validate (path, -1, NULL))
    return FALSE;
  if (g_ascii_isalpha (path[0]) && path[1] == ':')
    return FALSE;
  for (const char *p = path; *p != '\0'; p++) {
    if (g_ascii_iscntrl (*p) || *p == '\\')
      return FALSE;
  }
  while (TRUE) {
    gsize length = strcspn (path, "/");

    if (!is_step (path, length))
      return FALSE;
    if (path[length] == '\0')
      return TRUE;
    path += length + 1;
  }
}

char *
bn_path_dup_repository (const char *repository)
{
  const char *slash;

  if (repository == NULL || strlen (repository) > MAX_REPOSITORY_SIZE
      || !bn_path_is_relative (repository) || repository[0] == '.'
      || strstr (repository, "--") != NULL)
    return NULL;
  for (const char *p = repository; *p != '\0'; p++) {
    if (!is_name_char (*p) && *p != '/')
      return NULL;
  }
  slash = strchr (repository, '/');
  if (slash == NULL)
    return g_strdup (repository);
  /* A dash beside the slash would make two repositories one. */
  if (strchr (slash + 1, '/') != NULL || slash[-1] == '-' || slash[1] == '-'
      || slash[1] == '.')
    return NULL;
  return g_strdup_printf (
      "%.*s--%s", (int) (slash - repository), repository, slash + 1);
}

gboolean
bn_path_is_sha256 (const char *text)
{
  return text != NULL && strlen (text) == SHA256_DIGITS
         && strspn (text, "0123456789abcdef") == SHA256_DIGITS;
}

/* Folders */

static int
open_step (int parent, const char *name, gboolean create)
{
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int folder = openat (parent, name, flags);

  if (folder >= 0 || errno != ENOENT || !create)
    return folder;
  if (mkdirat (parent, name, 0700) != 0 && errno != EEXIST)
    return -1;
  return openat (parent, name, flags);
}

int
bn_at_open_folder (int parent, const char *path, gboolean create)
{
  g_auto (GStrv) steps = g_strsplit (path, "/", -1);
  int folder = -1;

  for (guint i = 0; steps[i] != NULL; i++) {
    int next = open_step (folder < 0 ? parent : folder, steps[i], create);
    int number = errno;

    bn_fd_close (folder);
    folder = next;
    errno = number;
    if (folder < 0)
      return -1;
  }
  return folder;
}

GPtrArray *
bn_fd_list (int folder)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  int copy = openat (folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = copy >= 0 ? fdopendir (copy) : NULL;
  const struct dirent *entry;

  if (dir == NULL) {
    bn_fd_close (copy);
    return names;
  }
  while (names->len < MAX_LISTED && (entry = readdir (dir)) != NULL) {
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      g_ptr_array_add (names, g_strdup (entry->d_name));
  }
  closedir (dir);
  return names;
}

/* Files */

int
bn_at_open (int folder, const char *name, struct stat *info)
{
  int file = openat (
      folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (file < 0)
    return -1;
  if (fstat (file, info) != 0 || !S_ISREG (info->st_mode)
      || info->st_uid != geteuid ()) {
    close (file);
    errno = ENOENT;
    return -1;
  }
  return file;
}

GBytes *
bn_at_read (int folder, const char *name, gsize max_size)
{
  struct stat info;
  g_auto (BnFd) file = bn_at_open (folder, name, &info);
  g_autofree char *data = NULL;
  gsize size = 0;

  if (file < 0)
    return NULL;
  if ((guint64) info.st_size > max_size) {
    errno = EFBIG;
    return NULL;
  }
  data = g_malloc ((gsize) info.st_size + 1);
  while (size < (gsize) info.st_size) {
    ssize_t n = read (file, data + size, (gsize) info.st_size - size);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return NULL;
    if (n == 0)
      break;
    size += (gsize) n;
  }
  return g_bytes_new_take (g_steal_pointer (&data), size);
}

int
bn_at_create_temporary (int folder, char name[BN_TEMPORARY_SIZE])
{
  int file = -1;

  /* Processes that were one until fork() draw the same numbers. */
  for (guint i = 0; i < MAX_TRIES && file < 0 && (i == 0 || errno == EEXIST);
       i++) {
    g_snprintf (name, BN_TEMPORARY_SIZE, BN_TEMPORARY_PREFIX "%08x%08x",
        g_random_int (), g_random_int ());
    file = openat (
        folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  }
  return file;
}

gboolean
bn_fd_write (int file, const void *data, gsize size, guint64 offset)
{
  const guint8 *p = data;
  struct rlimit limit;

  if (offset > G_MAXINT64 - size
      || (getrlimit (RLIMIT_FSIZE, &limit) == 0
          && limit.rlim_cur != RLIM_INFINITY
          && limit.rlim_cur < offset + size)) {
    errno = EFBIG;
    return FALSE;
  }
  while (size > 0) {
    ssize_t n = pwrite (file, p, size, (off_t) offset);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      if (n == 0)
        errno = ENOSPC;
      return FALSE;
    }
    p += n;
    size -= (gsize) n;
    offset += (guint64) n;
  }
  return TRUE;
}

gboolean
bn_at_replace (int folder, const char *name, const void *data, gsize size,
    gboolean is_durable)
{
  char temporary[BN_TEMPORARY_SIZE];
  g_auto (BnFd) file = bn_at_create_temporary (folder, temporary);
  int number;

  if (file < 0)
    return FALSE;
  if (bn_fd_write (file, data, size, 0) && (!is_durable || fsync (file) == 0)
      && renameat (folder, temporary, folder, name) == 0)
    return TRUE;
  number = errno;
  unlinkat (folder, temporary, 0);
  errno = number;
  return FALSE;
}
