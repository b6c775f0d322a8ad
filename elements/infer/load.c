/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* infer: the engine. A model handle starts a thread that gets the engine and
 * loads the weights, so that this overlaps with finding the tokenizer; the
 * source-pad task waits for it when the first request comes. */
#include "gstinfer-private.h"

#define GST_CAT_DEFAULT gst_bitnet_infer_debug

Load *
gst_bitnet_load_ref (Load *load)
{
  g_atomic_int_inc (&load->ref_count);
  return load;
}

void
gst_bitnet_load_unref (Load *load)
{
  if (!g_atomic_int_dec_and_test (&load->ref_count))
    return;
  g_assert (load->thread == NULL);
  g_clear_object (&load->engine);
  g_clear_object (&load->model);
  g_clear_object (&load->cancellable);
  g_free (load);
}

/* START is posted with the first figure: an engine that is loaded already
 * reports none. */
typedef struct {
  GstElement *element;
  gboolean started;
} Progress;

static void
on_progress (guint64 done, guint64 total, gpointer user_data)
{
  Progress *progress = user_data;

  if (!progress->started)
    gst_bitnet_post_progress (progress->element, GST_PROGRESS_TYPE_START,
        GST_BITNET_PROGRESS_MODEL, "Preparing the weights");
  progress->started = TRUE;
  gst_bitnet_post_fraction (progress->element, GST_BITNET_PROGRESS_MODEL,
      "Preparing the weights", done, total);
}

static void
close_progress (Progress *progress, const GError *error)
{
  GstProgressType type = GST_PROGRESS_TYPE_COMPLETE;

  if (!progress->started)
    return;
  if (error)
    type = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
               ? GST_PROGRESS_TYPE_CANCELED
               : GST_PROGRESS_TYPE_ERROR;
  gst_bitnet_post_progress (progress->element, type, GST_BITNET_PROGRESS_MODEL,
      "%s", error ? "The weights were not loaded" : "The weights are loaded");
}

/* The application's engine, or the one of (model, device). */
static BitnetEngine *
get_engine (GstBitnetInfer *self, BitnetModel *model, GError **error)
{
  g_autoptr (BitnetEngineOptions) options = NULL;
  BitnetEngine *engine = NULL;
  guint parallel;

  GST_OBJECT_LOCK (self);
  if (self->given_engine
      && bitnet_engine_get_model (self->given_engine) == model)
    engine = g_object_ref (self->given_engine);
  options = bitnet_engine_options_copy (self->options);
  parallel = self->parallel;
  GST_OBJECT_UNLOCK (self);
  if (engine)
    return engine;

  options->n_sequences = MAX (options->n_sequences, parallel);
  engine = bitnet_model_get_engine (model, options, error);
  if (engine && !bitnet_engine_matches (engine, options))
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
        ("The model is in use with other settings, which stay: %s, %u "
         "threads, context size %u.",
            bitnet_engine_get_device (engine),
            bitnet_engine_get_n_threads (engine),
            bitnet_engine_get_context_size (engine)),
        ("device, threads, context-size, batch-size, cache-type and head "
         "come from the first element that uses a model"));
  return engine;
}

static gpointer
load_thread (gpointer data)
{
  Load *load = data;
  GstBitnetInfer *self = load->element;
  Progress progress = {GST_ELEMENT (self), FALSE};
  g_autoptr (BitnetEngine) engine = NULL;
  g_autoptr (GError) error = NULL;
  GstClockTime start = gst_util_get_timestamp ();
  gboolean ready;

  engine = get_engine (self, load->model, &error);
  ready = engine
          && bitnet_engine_load (
              engine, on_progress, &progress, load->cancellable, &error);
  close_progress (&progress, error);
  if (ready)
    GST_INFO_OBJECT (self, "weights ready on %s after %" GST_TIME_FORMAT,
        bitnet_engine_get_device (engine),
        GST_TIME_ARGS (gst_util_get_timestamp () - start));
  else
    gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);

  g_mutex_lock (&self->wait.mutex);
  load->state = ready ? LOAD_READY : LOAD_FAILED;
  if (ready)
    load->engine = g_steal_pointer (&engine);
  gst_bitnet_infer_submit_pending (self);
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
  if (ready)
    g_object_notify (G_OBJECT (self), "engine");
  return NULL;
}

void
gst_bitnet_infer_start_load (GstBitnetInfer *self, BitnetModel *model)
{
  Load *load;

  g_mutex_lock (&self->wait.mutex);
  if (self->load && self->load->model == model
      && self->load->state != LOAD_FAILED) {
    g_mutex_unlock (&self->wait.mutex);
    return;
  }
  load = g_new0 (Load, 1);
  load->ref_count = 1;
  load->element = self;
  load->model = g_object_ref (model);
  load->cancellable = g_cancellable_new ();
  g_clear_pointer (&self->load, gst_bitnet_load_unref);
  self->load = gst_bitnet_load_ref (load);
  g_ptr_array_add (self->loads, load);
  load->thread = g_thread_new ("infer-load", load_thread, load);
  g_mutex_unlock (&self->wait.mutex);
}

BitnetEngine *
gst_bitnet_infer_wait_engine (
    GstBitnetInfer *self, Load *load, GstFlowReturn *ret)
{
  BitnetEngine *engine = NULL;

  g_mutex_lock (&self->wait.mutex);
  while (!self->wait.flushing && load->state == LOAD_RUNNING)
    g_cond_wait (&self->wait.cond, &self->wait.mutex);
  if (self->wait.flushing)
    *ret = GST_FLOW_FLUSHING;
  else if (load->state == LOAD_FAILED)
    *ret = GST_FLOW_ERROR; /* the thread has said why */
  else
    engine = g_object_ref (load->engine);
  g_mutex_unlock (&self->wait.mutex);
  return engine;
}

void
gst_bitnet_infer_cancel_loads (GstBitnetInfer *self)
{
  g_autoptr (GPtrArray) cancellables =
      g_ptr_array_new_with_free_func (g_object_unref);

  g_mutex_lock (&self->wait.mutex);
  for (guint i = 0; i < self->loads->len; i++) {
    Load *load = g_ptr_array_index (self->loads, i);

    g_ptr_array_add (cancellables, g_object_ref (load->cancellable));
  }
  g_mutex_unlock (&self->wait.mutex);
  for (guint i = 0; i < cancellables->len; i++)
    g_cancellable_cancel (g_ptr_array_index (cancellables, i));
}

void
gst_bitnet_infer_stop_loads (GstBitnetInfer *self)
{
  g_autoptr (GPtrArray) loads = NULL;

  gst_bitnet_infer_cancel_loads (self);
  g_mutex_lock (&self->wait.mutex);
  g_clear_pointer (&self->load, gst_bitnet_load_unref);
  loads = g_steal_pointer (&self->loads);
  self->loads = g_ptr_array_new ();
  g_mutex_unlock (&self->wait.mutex);
  for (guint i = 0; i < loads->len; i++) {
    Load *load = g_ptr_array_index (loads, i);

    g_thread_join (g_steal_pointer (&load->thread));
    gst_bitnet_load_unref (load);
  }
}
