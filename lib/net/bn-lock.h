/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks between processes and threads, each a file in a folder.
 *
 * Open file description locks, which end with the process that holds them and
 * work between threads; where a file system has none, flock(); where it has
 * none of these either, a file that exists while the lock is held and says who
 * holds it. A lock file is removed only by whoever holds its lock, and whoever
 * gets a lock looks whether the file still has its name. */
#pragma once

#include "bn-disk-cache.h"

typedef enum {
  BN_LOCK_DESCRIPTION, /* fcntl (F_OFD_SETLK) */
  BN_LOCK_FLOCK,
  BN_LOCK_EXCLUSIVE, /* O_CREAT | O_EXCL */
} BnLockKind;

/* kind: the first to try. timeout_ms: -1 waits for as long as it takes; when
 * it has passed, NULL with *error unset. path: of the folder, for messages. */
BnLock *bn_lock_acquire (int folder, const char *path, const char *name,
    BnLockKind kind, int timeout_ms, void (*on_wait) (gpointer user_data),
    gpointer user_data, GCancellable *cancellable, GError **error);
/* Gives it up and removes its file. */
void bn_lock_release_and_remove (BnLock *lock);

/* Whether a lock on the file system of folder keeps others out. Some network
 * file systems grant every lock to everybody. */
gboolean bn_lock_is_reliable (int folder);
