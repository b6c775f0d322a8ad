/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens files that may be anything. */
#include "bn-file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bitnet-error.h"

#define NS_PER_SECOND INT64_C (1000000000)

static int64_t
to_ns (struct timespec time)
{
  return (int64_t) time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

BnFileState
bn_file_get_state (const struct stat *info)
{
  return (BnFileState){info->st_dev, info->st_ino, (uint64_t) info->st_size,
      to_ns (info->st_mtim), to_ns (info->st_ctim)};
}

static gboolean
fail_errno (const char *path, const char *action, GError **error)
{
  int code = errno;

  g_set_error (error, G_IO_ERROR, (gint) g_io_error_from_errno (code),
      "%s: cannot be %s: %s", path, action, g_strerror (code));
  return FALSE;
}

/* What a file that is none is called. */
static const char *
name_kind (mode_t mode)
{
  if (S_ISDIR (mode))
    return "a folder";
  if (S_ISFIFO (mode))
    return "a named pipe";
  if (S_ISSOCK (mode))
    return "a socket";
  return "a device";
}

static gboolean
check_size (const char *path, guint64 size, GError **error)
{
  if (size == 0)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s: the file is empty; fetch it again", path);
  else if (size > BN_FILE_MAX_SIZE)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s: the file has %" G_GUINT64_FORMAT
        " bytes, expected at most %" G_GSIZE_FORMAT,
        path, size, BN_FILE_MAX_SIZE);
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_status (const char *path, const struct stat *status, GError **error)
{
  if (S_ISREG (status->st_mode))
    return check_size (path, (guint64) status->st_size, error);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
      "%s: found %s, expected a file", path, name_kind (status->st_mode));
  return FALSE;
}

/* Takes bytes. */
static void
set_content (BnOpenFile *self, const char *path, GBytes *bytes)
{
  self->bytes = bytes;
  self->path = g_strdup (path);
  self->file.path = self->path;
  self->file.text = g_bytes_get_data (bytes, &self->file.size);
}

gboolean
bn_file_open_bytes (
    BnOpenFile *self, const char *path, GBytes *bytes, GError **error)
{
  *self = (BnOpenFile){.path = NULL};
  if (!check_size (path, g_bytes_get_size (bytes), error))
    return FALSE;
  set_content (self, path, g_bytes_ref (bytes));
  return TRUE;
}

gboolean
bn_file_open (BnOpenFile *self, const char *path, GError **error)
{
  /* Without O_NONBLOCK, a named pipe would wait for somebody who writes. */
  int file = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  g_autoptr (GMappedFile) mapping = NULL;
  g_autoptr (GError) local = NULL;
  struct stat status;

  *self = (BnOpenFile){.path = NULL};
  if (file < 0)
    return fail_errno (path, "opened", error);
  if (fstat (file, &status) < 0) {
    fail_errno (path, "read", error);
    close (file);
    return FALSE;
  }
  if (!check_status (path, &status, error)) {
    close (file);
    return FALSE;
  }
  mapping = g_mapped_file_new_from_fd (file, FALSE, &local);
  close (file);
  if (mapping == NULL) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
        "%s: cannot be mapped: %s", path, local->message);
    return FALSE;
  }
  set_content (self, path, g_mapped_file_get_bytes (mapping));
  return TRUE;
}

void
bn_file_close (BnOpenFile *self)
{
  g_clear_pointer (&self->bytes, g_bytes_unref);
  g_clear_pointer (&self->path, g_free);
  self->file = (BnFile){.path = NULL};
}
