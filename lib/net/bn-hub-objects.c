/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of one commit into objects/, several at a time.
 *
 *   caller                     at most BN_HTTP_MAX_FILES threads
 *   takes what is here
 *   makes threads  ----------> each: the next file, until there is none
 *   tells progress <---------- what happens, in a queue
 *   adds them to the manifest
 *
 * The caller's function hears of everything from the caller's thread, of each
 * file in its order. The first error is that of the call and cancels the rest;
 * what is complete by then stays in the cache. A thread holds the lock of one
 * file, so threads and processes that want the same wait for each other and
 * nobody waits in a circle. lock guards next. */
#include "bn-hub-client-private.h"

#include "bitnet-error.h"
#include "bn-address.h"

typedef struct {
  const BnHubFile *file;
  const char *etag; /* its digest; may be NULL */
  guint index;
  /* When it is here. */
  char *sha256;
  guint64 size;
} Job;

typedef struct {
  BnHubClient *client;
  const BnHubCall *call; /* of the caller */
  const BnManifest *old; /* may be NULL */
  const char *commit;
  GPtrArray *jobs; /* that threads do, of Job */
  GCancellable *cancellable;
  GAsyncQueue *events;
  GMutex lock;
  guint next; /* of jobs */
} Batch;

/* What a thread has to say; with neither, that it has come to its end. */
typedef struct {
  BitnetProgress *progress;
  GError *error;
} Event;

static void
job_free (gpointer data)
{
  g_free (((Job *) data)->sha256);
  g_free (data);
}

static void
event_free (Event *self)
{
  g_clear_pointer (&self->progress, bitnet_progress_free);
  g_clear_error (&self->error);
  g_free (self);
}

static void
push_event (Batch *self, const BitnetProgress *progress, GError *error)
{
  Event *event = g_new0 (Event, 1);

  event->progress = progress ? bitnet_progress_copy (progress) : NULL;
  event->error = error;
  g_async_queue_push (self->events, event);
}

/* One file */

/* Takes a file that is here already: of that digest, or of that etag in what
 * was here before. */
static gboolean
reuse (const Batch *self, Job *job, BnHubCall *call)
{
  const BnHubFile *file = job->file;
  const BnCachedFile *old =
      self->old ? bn_manifest_find (self->old, file->name) : NULL;
  BnDiskCache *cache = self->client->cache;

  if (file->sha256 && file->size >= 0
      && bn_disk_cache_has_object (cache, file->sha256)) {
    job->sha256 = g_strdup (file->sha256);
    job->size = (guint64) file->size;
  } else if (old && job->etag && old->is_object
             && g_strcmp0 (old->etag, job->etag) == 0
             && bn_disk_cache_has_object (cache, old->sha256)) {
    job->sha256 = g_strdup (old->sha256);
    job->size = old->size;
  } else {
    return FALSE;
  }
  bn_hub_call_report_cached (call, file->name, job->size);
  return TRUE;
}

/* Name of the part of a file: its digest, else what makes it unique. */
static char *
dup_part_name (const Batch *self, const Job *job)
{
  g_autofree char *text = NULL;

  if (job->etag)
    return g_strdup (job->etag);
  text = g_strjoin ("\n", self->call->shared->options.endpoint,
      self->call->repository, self->commit, job->file->name, NULL);
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

static gboolean
download (const Batch *self, Job *job, BnHubCall *call, GError **error)
{
  const BnHubFile *file = job->file;
  const BnHubOptions *options = &call->shared->options;
  g_autofree char *url = bn_address_build_file (
      options->endpoint, call->repository, self->commit, file->name);
  g_autofree char *name = dup_part_name (self, job);
  const BnTransferSpec spec = {
      .url = url,
      .file = file->name,
      .sha256 = file->sha256,
      .git_sha1 = file->git_sha1,
      .size = file->size,
      .max_size = options->max_file_size,
  };
  g_autoptr (BnLock) lock =
      bn_hub_client_lock_part (self->client, call, name, error);
  BnPart *part;

  if (!lock)
    return FALSE;
  part = bn_disk_cache_begin (self->client->cache, name, name,
      (guint64) MAX (file->size, 0), bn_hub_client_on_wait, call,
      call->cancellable, error);
  if (!part)
    return FALSE;
  if (reuse (self, job, call)) { /* another one's download of the same */
    bn_part_close (part, FALSE);
    return TRUE;
  }
  if (!bn_transfer_run (call, &spec, part, error)) {
    bn_part_close (part, TRUE);
    return FALSE;
  }
  job->sha256 = g_strdup (bn_part_get_sha256 (part));
  job->size = bn_part_get_size (part);
  return bn_part_commit_object (part, error);
}

/* Threads */

static void
on_progress (const BitnetProgress *progress, gpointer batch)
{
  push_event (batch, progress, NULL);
}

static Job *
take_job (Batch *self)
{
  Job *job = NULL;

  g_mutex_lock (&self->lock);
  if (self->next < self->jobs->len)
    job = g_ptr_array_index (self->jobs, self->next++);
  g_mutex_unlock (&self->lock);
  return job;
}

static gpointer
run_thread (gpointer data)
{
  Batch *self = data;
  Job *job;

  while ((job = take_job (self)) != NULL) {
    g_auto (BnHubCall) call = {0};
    GError *error = NULL;

    bn_hub_call_init_file (&call, self->call, job->index,
        self->call->progress ? on_progress : NULL, self, self->cancellable);
    if (!download (self, job, &call, &error))
      push_event (self, NULL, error);
  }
  push_event (self, NULL, NULL);
  return NULL;
}

/* Until all threads have come to their end; the first error, or NULL. */
static GError *
follow (Batch *self, guint n_threads)
{
  const BnHubCall *call = self->call;
  GError *error = NULL;

  while (n_threads > 0) {
    Event *event = g_async_queue_pop (self->events);

    if (event->progress) {
      call->progress (event->progress, call->progress_data);
    } else if (!event->error) {
      n_threads--;
    } else if (!error) {
      error = g_steal_pointer (&event->error);
      g_cancellable_cancel (self->cancellable);
    }
    event_free (event);
  }
  return error;
}

static gboolean
run_threads (Batch *self, GError **error)
{
  GThread *threads[BN_HTTP_MAX_FILES];
  guint n_wanted = MIN (self->jobs->len, BN_HTTP_MAX_FILES);
  guint n = 0;
  GError *first;

  while (n < n_wanted
         && (threads[n] =
                 g_thread_try_new ("bitnet-file", run_thread, self, NULL)))
    n++;
  first = follow (self, n);
  for (guint i = 0; i < n; i++)
    g_thread_join (threads[i]);
  if (first) {
    g_propagate_error (error, first);
    return FALSE;
  }
  if (n > 0 || n_wanted == 0)
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
      "%s: no thread can be made to fetch it", self->call->repository);
  return FALSE;
}

/* All of it */

static void
on_cancelled (GCancellable *cancellable, gpointer mine)
{
  g_cancellable_cancel (mine);
}

static gboolean
check_sizes (const BnHubCall *call, GPtrArray *files, GError **error)
{
  guint64 limit = call->shared->options.max_file_size;

  for (guint i = 0; limit > 0 && i < files->len; i++) {
    const BnHubFile *file = g_ptr_array_index (files, i);

    if (file->size <= 0 || (guint64) file->size <= limit)
      continue;
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOO_LARGE,
        "%s of %s has %" G_GINT64_FORMAT
        " bytes, expected at most %" G_GUINT64_FORMAT,
        file->name, call->repository, file->size, limit);
    return FALSE;
  }
  return TRUE;
}

static GPtrArray *
new_jobs (GPtrArray *files)
{
  GPtrArray *jobs = g_ptr_array_new_with_free_func (job_free);

  for (guint i = 0; i < files->len; i++) {
    Job *job = g_new0 (Job, 1);

    job->file = g_ptr_array_index (files, i);
    job->etag = job->file->sha256 ? job->file->sha256 : job->file->git_sha1;
    job->index = i;
    g_ptr_array_add (jobs, job);
  }
  return jobs;
}

gboolean
bn_hub_client_fetch_objects (BnHubClient *self, BnHubCall *call,
    GPtrArray *files, const BnManifest *old, BnManifest *manifest,
    GError **error)
{
  g_autoptr (GPtrArray) all = new_jobs (files);
  g_autoptr (GPtrArray) missing = g_ptr_array_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncQueue) events = g_async_queue_new ();
  Batch batch = {
      .client = self,
      .call = call,
      .old = old,
      .commit = manifest->commit,
      .jobs = missing,
      .cancellable = cancellable,
      .events = events,
  };
  gulong handler = 0;
  gboolean is_good;

  if (!check_sizes (call, files, error))
    return FALSE;
  call->n_files = files->len;
  for (guint i = 0; i < all->len; i++) {
    Job *job = g_ptr_array_index (all, i);

    call->file_index = i;
    if (!reuse (&batch, job, call))
      g_ptr_array_add (missing, job);
  }
  g_mutex_init (&batch.lock);
  if (call->cancellable)
    handler = g_cancellable_connect (
        call->cancellable, G_CALLBACK (on_cancelled), cancellable, NULL);
  is_good = run_threads (&batch, error);
  g_cancellable_disconnect (call->cancellable, handler);
  g_mutex_clear (&batch.lock);
  for (guint i = 0; is_good && i < all->len; i++) {
    const Job *job = g_ptr_array_index (all, i);

    bn_manifest_add (
        manifest, job->file->name, job->sha256, job->etag, job->size, TRUE);
  }
  return is_good;
}
