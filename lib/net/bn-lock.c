/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks by files. A try never blocks; waiting is trying again, at most
 * MAX_PAUSE_MS apart, with an eye on the cancellable. */
#define _GNU_SOURCE /* F_OFD_SETLK */

#include "bn-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include "bn-atomic.h"

enum {
  FIRST_PAUSE_MS = 1,
  MAX_PAUSE_MS = 50,
  MAX_HOLDER_SIZE = 512,
  /* Seconds after which a holder on another machine counts as gone. */
  MAX_FOREIGN_AGE = 24 * 60 * 60,
};

#define EXCLUSIVE_SUFFIX ".held"

struct BnLock {
  int folder;
  int file;
  BnLockKind kind;
  char *name;
  char *held_name; /* of the file of BN_LOCK_EXCLUSIVE */
};

typedef enum { TRIED_GOT, TRIED_BUSY, TRIED_UNSUPPORTED, TRIED_FAILED } Tried;

static Tried
judge (int result)
{
  if (result == 0)
    return TRIED_GOT;
  if (errno == EAGAIN || errno == EACCES || errno == EINTR)
    return TRIED_BUSY;
  if (errno == EINVAL || errno == ENOLCK || errno == ENOSYS
      || errno == EOPNOTSUPP)
    return TRIED_UNSUPPORTED;
  return TRIED_FAILED;
}

static Tried
try_description (const BnLock *self)
{
#ifdef F_OFD_SETLK
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

  return judge (fcntl (self->file, F_OFD_SETLK, &whole));
#else
  return TRIED_UNSUPPORTED;
#endif
}

/* Whether whoever made this file is gone: a process of this machine that no
 * longer runs, or one of another machine after a long time. */
static gboolean
is_abandoned (const BnLock *self, struct stat *info)
{
  g_autoptr (GBytes) bytes =
      bn_at_read (self->folder, self->held_name, MAX_HOLDER_SIZE);
  g_autofree char *text = NULL;
  g_auto (GStrv) parts = NULL;
  gint64 pid;

  if (bytes == NULL
      || fstatat (self->folder, self->held_name, info, AT_SYMLINK_NOFOLLOW)
             != 0)
    return FALSE;
  text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  parts = g_strsplit (text, " ", -1);
  if (g_strv_length (parts) == 3 && strcmp (parts[1], g_get_host_name ()) == 0
      && g_ascii_string_to_signed (parts[0], 10, 1, G_MAXINT, &pid, NULL))
    return kill ((pid_t) pid, 0) != 0 && errno == ESRCH;
  return time (NULL) - info->st_mtime > MAX_FOREIGN_AGE;
}

/* Of several that see an abandoned file, the one that moves it away removes
 * it; if what it moved is another file, that goes back. */
static void
remove_abandoned (const BnLock *self)
{
  char temporary[BN_TEMPORARY_SIZE];
  struct stat before, after;

  if (!is_abandoned (self, &before))
    return;
  g_snprintf (temporary, sizeof temporary, BN_TEMPORARY_PREFIX "%08x%08x",
      g_random_int (), g_random_int ());
  if (renameat (self->folder, self->held_name, self->folder, temporary) != 0)
    return;
  if (fstatat (self->folder, temporary, &after, AT_SYMLINK_NOFOLLOW) == 0
      && (after.st_ino != before.st_ino || after.st_dev != before.st_dev))
    (void) !linkat (self->folder, temporary, self->folder, self->held_name, 0);
  unlinkat (self->folder, temporary, 0);
}

/* The file appears with its content, by link() of a temporary one. */
static Tried
try_exclusive (const BnLock *self)
{
  char temporary[BN_TEMPORARY_SIZE];
  g_autofree char *text = g_strdup_printf ("%d %s %" G_GINT64_FORMAT,
      (int) getpid (), g_get_host_name (), (gint64) time (NULL));
  g_auto (BnFd) file = bn_at_create_temporary (self->folder, temporary);
  int result = -1, number;

  if (file < 0)
    return TRIED_FAILED;
  if (bn_fd_write (file, text, strlen (text), 0))
    result = linkat (self->folder, temporary, self->folder, self->held_name, 0);
  number = errno;
  unlinkat (self->folder, temporary, 0);
  errno = number;
  if (result == 0)
    return TRIED_GOT;
  if (number != EEXIST)
    return TRIED_FAILED;
  remove_abandoned (self);
  return TRIED_BUSY;
}

/* Whether the file that is locked is the one that others would lock now. */
static gboolean
has_its_name (const BnLock *self)
{
  struct stat mine, named;

  return fstat (self->file, &mine) == 0
         && fstatat (self->folder, self->name, &named, AT_SYMLINK_NOFOLLOW) == 0
         && mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

static Tried
try_once (BnLock *self)
{
  Tried tried = TRIED_UNSUPPORTED;

  if (self->file < 0)
    self->file = openat (self->folder, self->name,
        O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
  if (self->file < 0)
    return TRIED_FAILED;
  if (self->kind == BN_LOCK_DESCRIPTION) {
    tried = try_description (self);
    if (tried == TRIED_UNSUPPORTED)
      self->kind = BN_LOCK_FLOCK;
  }
  if (self->kind == BN_LOCK_FLOCK) {
    tried = judge (flock (self->file, LOCK_EX | LOCK_NB));
    if (tried == TRIED_UNSUPPORTED)
      self->kind = BN_LOCK_EXCLUSIVE;
  }
  if (self->kind == BN_LOCK_EXCLUSIVE)
    tried = try_exclusive (self);
  if (tried == TRIED_GOT && !has_its_name (self)) {
    if (self->kind == BN_LOCK_EXCLUSIVE)
      unlinkat (self->folder, self->held_name, 0);
    close (self->file);
    self->file = -1;
    return TRIED_BUSY;
  }
  return tried;
}

static void
bn_lock_free (BnLock *self)
{
  bn_fd_close (self->file);
  bn_fd_close (self->folder);
  g_free (self->name);
  g_free (self->held_name);
  g_free (self);
}

/* Returns when the time has passed or the cancellable is cancelled. */
static void
wait_ms (int pause_ms, GCancellable *cancellable)
{
  GPollFD fd;

  if (cancellable == NULL || !g_cancellable_make_pollfd (cancellable, &fd)) {
    g_usleep ((gulong) pause_ms * 1000);
    return;
  }
  g_poll (&fd, 1, pause_ms);
  g_cancellable_release_fd (cancellable);
}

BnLock *
bn_lock_acquire (int folder, const char *path, const char *name,
    BnLockKind kind, int timeout_ms, void (*on_wait) (gpointer user_data),
    gpointer user_data, GCancellable *cancellable, GError **error)
{
  gint64 end_us = g_get_monotonic_time () + (gint64) timeout_ms * 1000;
  BnLock *self = g_new0 (BnLock, 1);
  int pause_ms = FIRST_PAUSE_MS;
  gboolean has_waited = FALSE;

  self->file = -1;
  self->kind = kind;
  self->name = g_strconcat (name, ".lock", NULL);
  self->held_name = g_strconcat (name, EXCLUSIVE_SUFFIX, NULL);
  self->folder = fcntl (folder, F_DUPFD_CLOEXEC, 0);
  while (!g_cancellable_set_error_if_cancelled (cancellable, error)) {
    Tried tried = self->folder < 0 ? TRIED_FAILED : try_once (self);

    if (tried == TRIED_GOT)
      return self;
    if (tried != TRIED_BUSY) {
      g_autofree char *file = g_build_filename (path, self->name, NULL);

      bn_io_set_error (error, errno, file, 0);
      break;
    }
    if (timeout_ms >= 0 && g_get_monotonic_time () >= end_us)
      break;
    if (!has_waited && on_wait != NULL)
      on_wait (user_data);
    has_waited = TRUE;
    wait_ms (pause_ms, cancellable);
    pause_ms = MIN (pause_ms * 2, MAX_PAUSE_MS);
  }
  bn_lock_free (self);
  return NULL;
}

void
bn_lock_release (BnLock *self)
{
  if (self->kind == BN_LOCK_EXCLUSIVE)
    unlinkat (self->folder, self->held_name, 0);
  if (self->kind == BN_LOCK_FLOCK)
    flock (self->file, LOCK_UN);
#ifdef F_OFD_SETLK
  /* Not by closing alone: a child that is between fork() and exec() has the
   * same description open. */
  if (self->kind == BN_LOCK_DESCRIPTION) {
    struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

    fcntl (self->file, F_OFD_SETLK, &whole);
  }
#endif
  bn_lock_free (self);
}

void
bn_lock_release_and_remove (BnLock *self)
{
  unlinkat (self->folder, self->name, 0);
  bn_lock_release (self);
}

gboolean
bn_lock_is_reliable (int folder)
{
  static const guint32 doubtful[] = {
      0x6969,     /* NFS */
      0x0bd00bd0, /* Lustre */
      0x47504653, /* GPFS */
      0xff534d42, /* CIFS */
      0xfe534d42, /* SMB2 */
      0x01021997, /* 9P */
      0x65735546, /* FUSE */
  };
  struct statfs info;

  if (fstatfs (folder, &info) != 0)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (doubtful); i++) {
    if ((guint32) info.f_type == doubtful[i])
      return FALSE;
  }
  return TRUE;
}
