/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits that end with a cancellable. */
#pragma once

#include <gio/gio.h>

/* A condition that a cancellable signals too. Between begin and end the waiter
 * holds mutex but for the wait itself; the cancellable is only looked at by
 * the waiter. */
typedef struct {
  GMutex *mutex;
  GCond *cond;
  GCancellable *cancellable;
  gulong handler;
} BnWait;

/* Locks mutex. */
void bn_wait_begin (
    BnWait *self, GMutex *mutex, GCond *cond, GCancellable *cancellable);
/* Until the condition, the cancellable or a time (monotonic, µs): FALSE when
 * the time has come. May wake for nothing. */
gboolean bn_wait_until (BnWait *self, gint64 end);
/* Unlocks mutex. */
void bn_wait_end (BnWait *self);

/* Waits for that time; FALSE with G_IO_ERROR_CANCELLED. */
gboolean bn_wait_sleep (gint64 end, GCancellable *cancellable, GError **error);
