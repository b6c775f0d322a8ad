/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells the thread sanitizer what GLib's locks and references order.
 *
 * Debian's GLib is not instrumented and takes its locks with futexes, so the
 * sanitizer sees no order between threads that use a GMutex and reports races
 * where there are none. This library is preloaded in front of GLib in thread
 * sanitizer builds. It adds the "happens before" of each function and calls
 * the real one; it changes nothing else, and hides no race between accesses
 * that GLib does not order. In programs without the sanitizer it does
 * nothing. */
#include <dlfcn.h>
#include <glib-object.h>
#include <gio/gio.h>

/* From the sanitizer's runtime. */
extern void __tsan_acquire (const void *address) __attribute__ ((weak));
extern void __tsan_release (const void *address) __attribute__ ((weak));

static void
acquire (const void *address)
{
  if (__tsan_acquire)
    __tsan_acquire (address);
}

static void
release (const void *address)
{
  if (__tsan_release)
    __tsan_release (address);
}

/* The function of the same name that comes after this library. */
#define REAL(name)                                                             \
  ({                                                                           \
    static void *real_##name;                                                  \
    void *found = __atomic_load_n (&real_##name, __ATOMIC_RELAXED);            \
    if (!found) {                                                              \
      found = dlsym (RTLD_NEXT, #name);                                        \
      __atomic_store_n (&real_##name, found, __ATOMIC_RELAXED);                \
    }                                                                          \
    (__typeof__ (&name)) found;                                                \
  })

#define LOCK(name, type)                                                       \
  void name (type *lock)                                                       \
  {                                                                            \
    REAL (name) (lock);                                                        \
    acquire (lock);                                                            \
  }

#define TRY_LOCK(name, type)                                                   \
  gboolean name (type *lock)                                                   \
  {                                                                            \
    gboolean locked = REAL (name) (lock);                                      \
                                                                               \
    if (locked)                                                                \
      acquire (lock);                                                          \
    return locked;                                                             \
  }

/* The empty statement keeps the call from becoming a jump: the sanitizer would
 * take it for one of the caller's library, which tsan.supp may name. */
#define UNLOCK(name, type)                                                     \
  void name (type *lock)                                                       \
  {                                                                            \
    release (lock);                                                            \
    REAL (name) (lock);                                                        \
    __asm__ volatile("");                                                      \
  }

LOCK (g_mutex_lock, GMutex)
TRY_LOCK (g_mutex_trylock, GMutex)
UNLOCK (g_mutex_unlock, GMutex)
LOCK (g_rec_mutex_lock, GRecMutex)
TRY_LOCK (g_rec_mutex_trylock, GRecMutex)
UNLOCK (g_rec_mutex_unlock, GRecMutex)
LOCK (g_rw_lock_writer_lock, GRWLock)
TRY_LOCK (g_rw_lock_writer_trylock, GRWLock)
UNLOCK (g_rw_lock_writer_unlock, GRWLock)
LOCK (g_rw_lock_reader_lock, GRWLock)
TRY_LOCK (g_rw_lock_reader_trylock, GRWLock)
UNLOCK (g_rw_lock_reader_unlock, GRWLock)

void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  release (mutex);
  REAL (g_cond_wait) (cond, mutex);
  acquire (mutex);
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end_time)
{
  gboolean signalled;

  release (mutex);
  signalled = REAL (g_cond_wait_until) (cond, mutex, end_time);
  acquire (mutex);
  return signalled;
}

gboolean (g_once_init_enter) (volatile void *location)
{
  gboolean is_first = REAL (g_once_init_enter) (location);

  if (!is_first)
    acquire ((const void *) location);
  return is_first;
}

void (g_once_init_leave) (volatile void *location, gsize result)
{
  release ((const void *) location);
  REAL (g_once_init_leave) (location, result);
}

/* Whoever drops the last reference comes after all who dropped one before.
 * GLib's decrement cannot be split in two, so all but the last happen here. */
void
g_object_unref (gpointer object)
{
  GObject *self = object;
  guint count;

  if (!G_IS_OBJECT (object)) {
    REAL (g_object_unref) (object);
    return;
  }
  release (object);
  count = (guint) g_atomic_int_get (&self->ref_count);
  while (count > 1) {
    if (__atomic_compare_exchange_n (&self->ref_count, &count, count - 1, 0,
            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
      return;
  }
  acquire (object);
  REAL (g_object_unref) (object);
}

gboolean (g_atomic_ref_count_dec) (gatomicrefcount *count)
{
  gboolean is_last;

  release (count);
  is_last = REAL (g_atomic_ref_count_dec) (count);
  if (is_last)
    acquire (count);
  return is_last;
}

/* A task's data and result pass between threads by itself. */

static GQuark
task_func_quark (void)
{
  return g_quark_from_static_string ("tsan-glib-task-func");
}

static void
run_task (
    GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GTaskThreadFunc func;

  acquire (task);
  func = (GTaskThreadFunc) g_object_get_qdata (
      G_OBJECT (task), task_func_quark ());
  func (task, source, data, cancellable);
}

void
g_task_run_in_thread (GTask *task, GTaskThreadFunc func)
{
  g_object_set_qdata (G_OBJECT (task), task_func_quark (), (gpointer) func);
  release (task);
  REAL (g_task_run_in_thread) (task, run_task);
}

void
g_task_return_pointer (GTask *task, gpointer result, GDestroyNotify destroy)
{
  release (task);
  REAL (g_task_return_pointer) (task, result, destroy);
}

void
g_task_return_boolean (GTask *task, gboolean result)
{
  release (task);
  REAL (g_task_return_boolean) (task, result);
}

void
g_task_return_error (GTask *task, GError *error)
{
  release (task);
  REAL (g_task_return_error) (task, error);
}

gpointer
g_task_propagate_pointer (GTask *task, GError **error)
{
  acquire (task);
  return REAL (g_task_propagate_pointer) (task, error);
}

gboolean
g_task_propagate_boolean (GTask *task, GError **error)
{
  acquire (task);
  return REAL (g_task_propagate_boolean) (task, error);
}

void
g_async_queue_push (GAsyncQueue *queue, gpointer data)
{
  release (queue);
  REAL (g_async_queue_push) (queue, data);
}

gpointer
g_async_queue_pop (GAsyncQueue *queue)
{
  gpointer data = REAL (g_async_queue_pop) (queue);

  acquire (queue);
  return data;
}

gpointer
g_async_queue_try_pop (GAsyncQueue *queue)
{
  gpointer data = REAL (g_async_queue_try_pop) (queue);

  acquire (queue);
  return data;
}

gpointer
g_async_queue_timeout_pop (GAsyncQueue *queue, guint64 timeout)
{
  gpointer data = REAL (g_async_queue_timeout_pop) (queue, timeout);

  acquire (queue);
  return data;
}

/* What was done before an idle or timeout source was attached precedes its
 * callback, in whichever thread that runs. Other sources have callbacks of
 * other types. */

typedef struct {
  GSource *source;
  GSourceFunc func;
  gpointer data;
  GDestroyNotify notify;
} SourceCallback;

static gboolean
run_source (gpointer data)
{
  SourceCallback *callback = data;

  acquire (callback->source);
  return callback->func (callback->data);
}

static void
free_source_callback (gpointer data)
{
  SourceCallback *callback = data;

  acquire (callback->source);
  if (callback->notify)
    callback->notify (callback->data);
  g_free (callback);
}

void
g_source_set_callback (
    GSource *source, GSourceFunc func, gpointer data, GDestroyNotify notify)
{
  SourceCallback *callback;

  if (source->source_funcs != &g_idle_funcs
      && source->source_funcs != &g_timeout_funcs) {
    REAL (g_source_set_callback) (source, func, data, notify);
    return;
  }
  callback = g_new (SourceCallback, 1);
  *callback = (SourceCallback){source, func, data, notify};
  REAL (g_source_set_callback)
  (source, run_source, callback, free_source_callback);
}

guint
g_source_attach (GSource *source, GMainContext *context)
{
  release (source);
  return REAL (g_source_attach) (source, context);
}
