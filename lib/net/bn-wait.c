/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handler of a cancellable takes the mutex, so it is connected and
 * disconnected while the mutex is free. */
#include "bn-wait.h"

static void
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  BnWait *self = user_data;

  g_mutex_lock (self->mutex);
  g_cond_broadcast (self->cond);
  g_mutex_unlock (self->mutex);
}

void
bn_wait_begin (
    BnWait *self, GMutex *mutex, GCond *cond, GCancellable *cancellable)
{
  *self = (BnWait){mutex, cond, cancellable, 0};
  if (cancellable)
    self->handler = g_cancellable_connect (
        cancellable, G_CALLBACK (on_cancelled), self, NULL);
  g_mutex_lock (mutex);
}

gboolean
bn_wait_until (BnWait *self, gint64 end)
{
  if (g_cancellable_is_cancelled (self->cancellable))
    return TRUE;
  if (end != G_MAXINT64)
    return g_cond_wait_until (self->cond, self->mutex, end);
  g_cond_wait (self->cond, self->mutex);
  return TRUE;
}

void
bn_wait_end (BnWait *self)
{
  g_mutex_unlock (self->mutex);
  if (self->handler)
    g_cancellable_disconnect (self->cancellable, self->handler);
}

gboolean
bn_wait_sleep (gint64 end, GCancellable *cancellable, GError **error)
{
  GMutex mutex;
  GCond cond;
  BnWait wait;

  g_mutex_init (&mutex);
  g_cond_init (&cond);
  bn_wait_begin (&wait, &mutex, &cond, cancellable);
  while (!g_cancellable_is_cancelled (cancellable)
         && g_get_monotonic_time () < end)
    bn_wait_until (&wait, end);
  bn_wait_end (&wait);
  g_mutex_clear (&mutex);
  g_cond_clear (&cond);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}
