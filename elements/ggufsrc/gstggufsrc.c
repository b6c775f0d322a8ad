/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-ggufsrc
 * @title: ggufsrc
 * @short_description: reads a language model from a GGUF file
 *
 * Opens a GGUF model file and sends it downstream: first the handle, a sticky
 * event `bitnet/model` with the #BitnetModel, then the whole file as one
 * read-only buffer (mapped, never copied), then EOS. A model on a hub is
 * fetched first. Without a location it opens the demo model that comes with the
 * plugin.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q ggufsrc location=model.gguf ! tokresolve ! tokenize
 * prompt="Once upon a time" ! infer ! detokenize newline=true ! fdsink
 * ]| Answers one prompt and ends.
 * |[
 * gst-launch-1.0 gguf:///tmp/model.gguf ! fakesink
 * ]| Opens and checks a file, named by a URI.
 * |[
 * gst-launch-1.0 hf://owner/repository/model.gguf ! tokresolve ! tokenize
 * prompt="Hello" ! infer ! detokenize ! fdsink
 * ]| Fetches a model, or goes on with a download that was interrupted, and
 * answers one prompt. The second time the file is here already.
 *
 * ## Messages
 *
 * Progress with the code `download` while a model is fetched from a hub. Its
 * CONTINUE comes at most ten times a second and has the fields `phase`
 * (string: `querying`, `waiting`, `downloading` or `verifying`), `repo`, `file`
 * (string), `bytes-done`, `bytes-total` (guint64, 0 if unknown), `rate`
 * (gdouble, bytes per second), `eta` (gdouble, seconds, -1 if unknown) and
 * `cached` (gboolean, it was here already).
 *
 * Then progress with the code `model-load`: opening, then the percentage of the
 * file that has been read ahead or verified.
 *
 * ## Statistics
 *
 * The structure of #GstBitnetGgufSrc:stats has the fields
 *
 * * `path` (string): the file, as it is shown
 * * `bytes` (guint64): its size, all parts of a split model together
 * * `open-ns` (guint64): time to open, map and check it
 * * `preload-ns` (guint64): time of read-ahead and digest check
 * * `download-ns` (guint64), and as the following only for models from a hub:
 *   time until the file was here
 * * `bytes-received`, `bytes-resumed` (guint64): of this download; that were
 *   here from an earlier one
 * * `requests`, `retries` (guint64): what it took
 *
 * Everything slow happens in create(), in the streaming thread, with a
 * cancellable that unlock() cancels: leaving PAUSED never waits for the disk.
 */
#include "gstggufsrc-private.h"

GST_DEBUG_CATEGORY (gst_bitnet_gguf_src_debug);
#define GST_CAT_DEFAULT gst_bitnet_gguf_src_debug

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_BITNET_GGUF_CAPS));

G_DEFINE_FINAL_TYPE_WITH_CODE (GstBitnetGgufSrc, gst_bitnet_gguf_src,
    GST_TYPE_PUSH_SRC,
    G_IMPLEMENT_INTERFACE (
        GST_TYPE_URI_HANDLER, gst_bitnet_gguf_src_uri_handler_init));
GST_ELEMENT_REGISTER_DEFINE (
    ggufsrc, "ggufsrc", GST_RANK_NONE, GST_TYPE_BITNET_GGUF_SRC);

/* Loading, in the streaming thread. */

static void
on_progress (guint64 done, guint64 total, gpointer user_data)
{
  gst_bitnet_post_fraction (
      user_data, GST_BITNET_PROGRESS_MODEL, "Reading the model", done, total);
}

/* A model that the application or a context supplies, or a file. */
static BitnetModel *
open_model (GstBitnetGgufSrc *self, const char *downloaded,
    GCancellable *cancellable, GError **error)
{
  g_autofree char *path = NULL;
  g_autoptr (BitnetModel) offered = NULL;
  BitnetModel *model = NULL;
  gboolean share;

  GST_OBJECT_LOCK (self);
  share = self->share;
  if (self->given_model)
    model = g_object_ref (self->given_model);
  GST_OBJECT_UNLOCK (self);
  if (model)
    return model;

  path = downloaded ? g_strdup (downloaded)
                    : gst_bitnet_gguf_src_dup_path (self, error);
  if (path == NULL)
    return NULL;
  if (!share)
    return bitnet_model_new_unshared_from_file (path, cancellable, error);
  gst_element_post_message (
      GST_ELEMENT (self), gst_message_new_need_context (
                              GST_OBJECT (self), GST_BITNET_CONTEXT_MODEL));
  /* Holding on to an offered model is all it takes: opening the same file
   * gives the living object. */
  GST_OBJECT_LOCK (self);
  if (self->context_model)
    offered = g_object_ref (self->context_model);
  GST_OBJECT_UNLOCK (self);
  model = bitnet_model_new_from_file (path, cancellable, error);
  if (model && model == offered)
    GST_INFO_OBJECT (self, "using the model of the context");
  return model;
}

/* STREAM_START is out already. The segment leaves now and not, as the base
 * class has it, with the buffer: the handle follows it and must not wait for
 * the read-ahead. */
static gboolean
announce (GstBitnetGgufSrc *self, BitnetModel *model)
{
  GstBaseSrc *base = GST_BASE_SRC (self);
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("application/x-gguf",
      "architecture", G_TYPE_STRING, bitnet_model_get_architecture (model),
      "quantization", G_TYPE_STRING, bitnet_model_get_quantization (model),
      "id", G_TYPE_STRING, bitnet_model_get_id (model), "tokenizer",
      G_TYPE_BOOLEAN, bitnet_model_has_tokenizer (model), NULL);

  if (!gst_base_src_set_caps (base, caps))
    return FALSE;
  gst_pad_push_event (base->srcpad, gst_event_new_segment (&base->segment));
  self->drop_segment = TRUE;
  gst_pad_push_event (base->srcpad, gst_bitnet_event_new_model (model));
  return TRUE;
}

static GstPadProbeReturn
drop_second_segment (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstBitnetGgufSrc *self = user_data;
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);

  if (GST_EVENT_TYPE (event) != GST_EVENT_SEGMENT || !self->drop_segment)
    return GST_PAD_PROBE_OK;
  self->drop_segment = FALSE;
  gst_event_unref (event);
  return GST_PAD_PROBE_HANDLED;
}

static gboolean
preload_model (GstBitnetGgufSrc *self, BitnetModel *model,
    GCancellable *cancellable, GError **error)
{
  g_autofree char *sha256 = NULL;
  Preload preload;

  GST_OBJECT_LOCK (self);
  sha256 = g_strdup (self->sha256);
  preload = self->preload;
  GST_OBJECT_UNLOCK (self);

  if (preload != PRELOAD_NONE
      && !bitnet_model_read_ahead (model, preload == PRELOAD_LOCK, on_progress,
          self, cancellable, error))
    return FALSE;
  return sha256 == NULL
         || bitnet_model_verify_sha256 (
             model, sha256, on_progress, self, cancellable, error);
}

static GstBuffer *
wrap_model (BitnetModel *model)
{
  gsize size;
  gpointer data =
      (gpointer) g_bytes_get_data (bitnet_model_get_bytes (model), &size);
  GstBuffer *buffer = gst_buffer_new ();

  gst_buffer_append_memory (
      buffer, gst_memory_new_wrapped (GST_MEMORY_FLAG_READONLY, data, size, 0,
                  size, g_object_ref (model), g_object_unref));
  GST_BUFFER_PTS (buffer) = 0;
  GST_BUFFER_OFFSET (buffer) = 0;
  GST_BUFFER_OFFSET_END (buffer) = size;
  return buffer;
}

static void
keep_model (GstBitnetGgufSrc *self, BitnetModel *model, guint64 open_ns)
{
  gboolean share;

  GST_OBJECT_LOCK (self);
  g_set_object (&self->model, model);
  self->open_ns = open_ns;
  share = self->share;
  GST_OBJECT_UNLOCK (self);
  GST_INFO_OBJECT (self, "opened a %s model, %s, in %" G_GUINT64_FORMAT " us",
      bitnet_model_get_architecture (model),
      bitnet_model_get_quantization (model), open_ns / 1000);
  g_object_notify (G_OBJECT (self), "model");
  if (share)
    gst_element_post_message (
        GST_ELEMENT (self), gst_message_new_have_context (GST_OBJECT (self),
                                gst_bitnet_context_new_model (model)));
}

static GstFlowReturn
load (GstBitnetGgufSrc *self, const char *downloaded, GCancellable *cancellable,
    GstBuffer **buffer, GError **error)
{
  g_autoptr (BitnetModel) model = NULL;
  GstClockTime start = gst_util_get_timestamp ();
  GstClockTime opened;

  model = open_model (self, downloaded, cancellable, error);
  if (model == NULL)
    return GST_FLOW_ERROR;
  opened = gst_util_get_timestamp ();
  keep_model (self, model, opened - start);
  if (!announce (self, model)) {
    return GST_PAD_IS_FLUSHING (GST_BASE_SRC_PAD (self))
               ? GST_FLOW_FLUSHING
               : GST_FLOW_NOT_NEGOTIATED;
  }
  if (!preload_model (self, model, cancellable, error))
    return GST_FLOW_ERROR;
  GST_OBJECT_LOCK (self);
  self->preload_ns = gst_util_get_timestamp () - opened;
  GST_OBJECT_UNLOCK (self);
  *buffer = wrap_model (model);
  return GST_FLOW_OK;
}

/* Lets the state change that made this thread return before an error is
 * posted: gst-launch-1.0 forgets one that comes before its main loop runs, and
 * then waits for ever. */
static void
wait_for_state_change (GstBitnetGgufSrc *self)
{
  g_mutex_lock (&self->wait.mutex);
  while (self->is_changing && !self->wait.flushing)
    g_cond_wait (&self->wait.cond, &self->wait.mutex);
  g_mutex_unlock (&self->wait.mutex);
}

/* From START to COMPLETE, ERROR or CANCELED. */
static GstFlowReturn
load_with_progress (GstBitnetGgufSrc *self, const char *downloaded,
    GCancellable *cancellable, GstBuffer **buffer, GError **error)
{
  GstElement *element = GST_ELEMENT (self);
  GstProgressType end = GST_PROGRESS_TYPE_ERROR;
  GstFlowReturn ret;

  gst_bitnet_post_progress (element, GST_PROGRESS_TYPE_START,
      GST_BITNET_PROGRESS_MODEL, "Opening the model");
  ret = load (self, downloaded, cancellable, buffer, error);
  if (ret == GST_FLOW_OK) {
    gst_bitnet_post_progress (element, GST_PROGRESS_TYPE_COMPLETE,
        GST_BITNET_PROGRESS_MODEL, "The model is open");
    return ret;
  }
  if (*error && g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    ret = GST_FLOW_FLUSHING;
  if (ret == GST_FLOW_FLUSHING)
    end = GST_PROGRESS_TYPE_CANCELED;
  gst_bitnet_post_progress (
      element, end, GST_BITNET_PROGRESS_MODEL, "The model was not opened");
  return ret;
}

static GstFlowReturn
gst_bitnet_gguf_src_create (GstPushSrc *src, GstBuffer **buffer)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (src);
  g_autoptr (GCancellable) cancellable = NULL;
  g_autofree char *reference = NULL;
  g_autofree char *downloaded = NULL;
  g_autoptr (GError) error = NULL;
  GstFlowReturn ret = GST_FLOW_ERROR;

  if (self->done)
    return GST_FLOW_EOS;
  GST_OBJECT_LOCK (self);
  cancellable = g_object_ref (self->cancellable);
  GST_OBJECT_UNLOCK (self);

  reference = gst_bitnet_gguf_src_dup_reference (self);
  if (reference)
    downloaded =
        gst_bitnet_gguf_src_download (self, reference, cancellable, &error);
  if (error == NULL)
    ret = load_with_progress (self, downloaded, cancellable, buffer, &error);
  self->done = ret == GST_FLOW_OK;
  if (ret == GST_FLOW_ERROR) {
    if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
      wait_for_state_change (self);
    ret = gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);
  }
  return ret;
}

/* Base class. */

static gboolean
gst_bitnet_gguf_src_negotiate (GstBaseSrc *base)
{
  return TRUE; /* the caps are known when the file is; see announce() */
}

static gboolean
gst_bitnet_gguf_src_decide_allocation (GstBaseSrc *base, GstQuery *query)
{
  return TRUE; /* the memory is the mapping */
}

static gboolean
gst_bitnet_gguf_src_start (GstBaseSrc *base)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (base);

  self->done = FALSE;
  self->drop_segment = FALSE;
  GST_OBJECT_LOCK (self);
  g_clear_object (&self->hub);
  GST_OBJECT_UNLOCK (self);
  gst_bitnet_wait_start (&self->wait);
  return TRUE;
}

static gboolean
gst_bitnet_gguf_src_stop (GstBaseSrc *base)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (base);

  GST_OBJECT_LOCK (self);
  g_clear_object (&self->model);
  g_clear_object (&self->context_model);
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static gboolean
gst_bitnet_gguf_src_unlock (GstBaseSrc *base)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (base);
  g_autoptr (GCancellable) cancellable = NULL;

  GST_OBJECT_LOCK (self);
  cancellable = g_object_ref (self->cancellable);
  GST_OBJECT_UNLOCK (self);
  g_cancellable_cancel (cancellable);
  gst_bitnet_wait_set_flushing (&self->wait, TRUE);
  return TRUE;
}

static gboolean
gst_bitnet_gguf_src_unlock_stop (GstBaseSrc *base)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (base);

  gst_bitnet_wait_set_flushing (&self->wait, FALSE);
  GST_OBJECT_LOCK (self);
  g_object_unref (self->cancellable);
  self->cancellable = g_cancellable_new ();
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static void
set_changing (GstBitnetGgufSrc *self, gboolean is_changing)
{
  g_mutex_lock (&self->wait.mutex);
  self->is_changing = is_changing;
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
}

static GstStateChangeReturn
gst_bitnet_gguf_src_change_state (
    GstElement *element, GstStateChange transition)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    set_changing (self, TRUE);
  ret = GST_ELEMENT_CLASS (gst_bitnet_gguf_src_parent_class)
            ->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    set_changing (self, FALSE);
  return ret;
}

static gboolean
gst_bitnet_gguf_src_is_seekable (GstBaseSrc *base)
{
  return FALSE;
}

static gboolean
gst_bitnet_gguf_src_query (GstBaseSrc *base, GstQuery *query)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (base);
  g_autoptr (BitnetModel) model = NULL;
  g_autofree char *uri = NULL;
  GstFormat format;

  GST_OBJECT_LOCK (self);
  if (self->model)
    model = g_object_ref (self->model);
  GST_OBJECT_UNLOCK (self);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CONTEXT:
      if (gst_bitnet_query_answer_model (query, model))
        return TRUE;
      break;
    case GST_QUERY_DURATION:
      gst_query_parse_duration (query, &format, NULL);
      if (format == GST_FORMAT_BYTES && model) {
        gst_query_set_duration (query, GST_FORMAT_BYTES,
            (gint64) bitnet_model_get_file_size (model));
        return TRUE;
      }
      break;
    case GST_QUERY_URI:
      uri = gst_bitnet_gguf_src_dup_uri (self);
      gst_query_set_uri (query, uri);
      return uri != NULL;
    default:
      break;
  }
  return GST_BASE_SRC_CLASS (gst_bitnet_gguf_src_parent_class)
      ->query (base, query);
}

/* Element. */

/* After an error that one of our elements has explained, the base class adds
 * "Internal data stream error"; one error, one message. */
static gboolean
is_second_message (GstBitnetGgufSrc *self, GstMessage *message)
{
  const GstStructure *details = NULL;
  g_autoptr (GstQuery) query = NULL;
  gboolean failed;

  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR
      || GST_MESSAGE_SRC (message) != GST_OBJECT_CAST (self))
    return FALSE;
  gst_message_parse_error_details (message, &details);
  if (details == NULL || !gst_structure_has_field (details, "flow-return"))
    return FALSE;
  g_mutex_lock (&self->wait.mutex);
  failed = self->wait.failed;
  g_mutex_unlock (&self->wait.mutex);
  if (failed)
    return TRUE;
  query = gst_query_new_custom (
      GST_QUERY_CUSTOM, gst_structure_new_empty (GST_BITNET_QUERY_FAILED));
  return gst_pad_peer_query (GST_BASE_SRC_PAD (self), query);
}

static gboolean
gst_bitnet_gguf_src_post_message (GstElement *element, GstMessage *message)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (element);

  if (is_second_message (self, message)) {
    GST_DEBUG_OBJECT (self, "dropping %" GST_PTR_FORMAT, message);
    gst_message_unref (message);
    return TRUE;
  }
  return GST_ELEMENT_CLASS (gst_bitnet_gguf_src_parent_class)
      ->post_message (element, message);
}

static void
gst_bitnet_gguf_src_set_context (GstElement *element, GstContext *context)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (element);
  BitnetModel *model = context ? gst_bitnet_context_get_model (context) : NULL;

  if (model) {
    GST_OBJECT_LOCK (self);
    g_clear_object (&self->context_model);
    self->context_model = model;
    GST_OBJECT_UNLOCK (self);
  }
  GST_ELEMENT_CLASS (gst_bitnet_gguf_src_parent_class)
      ->set_context (element, context);
}

static void
gst_bitnet_gguf_src_finalize (GObject *object)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (object);

  gst_bitnet_gguf_src_clear_settings (self);
  g_clear_object (&self->hub);
  g_clear_object (&self->given_model);
  g_clear_object (&self->context_model);
  g_clear_object (&self->model);
  g_clear_object (&self->cancellable);
  gst_bitnet_wait_clear (&self->wait);
  G_OBJECT_CLASS (gst_bitnet_gguf_src_parent_class)->finalize (object);
}

static void
gst_bitnet_gguf_src_class_init (GstBitnetGgufSrcClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSrcClass *base_class = GST_BASE_SRC_CLASS (klass);
  GstPushSrcClass *push_class = GST_PUSH_SRC_CLASS (klass);

  gst_bitnet_init_once ();
  GST_DEBUG_CATEGORY_INIT (
      gst_bitnet_gguf_src_debug, "ggufsrc", 0, "GGUF model source");

  object_class->finalize = gst_bitnet_gguf_src_finalize;
  gst_bitnet_gguf_src_install_properties (object_class);

  element_class->change_state =
      GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_change_state);
  element_class->post_message =
      GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_post_message);
  element_class->set_context =
      GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_set_context);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "GGUF model source",
      "Source/File/Model", "Reads a language model from a GGUF file",
      "gst-bitnet developers <gst-bitnet@example.org>");

  base_class->negotiate = GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_negotiate);
  base_class->decide_allocation =
      GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_decide_allocation);
  base_class->start = GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_start);
  base_class->stop = GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_stop);
  base_class->unlock = GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_unlock);
  base_class->unlock_stop = GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_unlock_stop);
  base_class->is_seekable = GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_is_seekable);
  base_class->query = GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_query);
  push_class->create = GST_DEBUG_FUNCPTR (gst_bitnet_gguf_src_create);

  gst_type_mark_as_plugin_api (gst_bitnet_gguf_src_preload_get_type (), 0);
}

static void
gst_bitnet_gguf_src_init (GstBitnetGgufSrc *self)
{
  gst_bitnet_gguf_src_init_settings (self);
  self->cancellable = g_cancellable_new ();
  gst_bitnet_wait_init (&self->wait);
  gst_pad_add_probe (GST_BASE_SRC_PAD (self),
      GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, drop_second_segment, self, NULL);
}
