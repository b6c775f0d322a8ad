/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-ggufsrc
 * @title: ggufsrc
 * @short_description: reads a language model from a GGUF file
 *
 * Opens a GGUF model file and sends it downstream: first the handle, a sticky
 * event `bitnet/model` with the #BitnetModel, then the whole file as one
 * read-only buffer (mapped, never copied), then EOS. Without a location it
 * opens the demo model that comes with the plugin.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q ggufsrc location=model.gguf ! tokresolve ! tokenize
 * prompt="Once upon a time" ! infer ! detokenize newline=true ! fdsink
 * ]| Answers one prompt and ends.
 * |[
 * gst-launch-1.0 gguf:///tmp/model.gguf ! fakesink
 * ]| Opens and checks a file, named by a URI.
 *
 * ## Messages
 *
 * Progress with the code `model-load`: opening, then the percentage of the
 * file that has been read ahead or verified.
 *
 * ## Statistics
 *
 * The structure of #GstBitnetGgufSrc:stats has the fields
 *
 * * `path` (string): the file
 * * `bytes` (guint64): its size, all parts of a split model together
 * * `open-ns` (guint64): time to open, map and check it
 * * `preload-ns` (guint64): time of read-ahead and digest check
 *
 * Everything slow happens in create(), in the streaming thread, with a
 * cancellable that unlock() cancels: leaving PAUSED never waits for the disk.
 */
#include "gstggufsrc.h"
#include "gstbitnet.h"

GST_DEBUG_CATEGORY_STATIC (gguf_src_debug);
#define GST_CAT_DEFAULT gguf_src_debug

#define DEFAULT_REVISION "main"
#define DEFAULT_PRELOAD PRELOAD_READAHEAD
#define DEFAULT_SHARE TRUE
#define DEFAULT_OFFLINE FALSE
#define DEMO_MODEL "demo.gguf"

typedef enum {
  PRELOAD_NONE,
  PRELOAD_READAHEAD,
  PRELOAD_LOCK,
} Preload;

struct _GstBitnetGgufSrc {
  GstPushSrc parent;

  /* settings and results, under the object lock */
  char *location;
  char *uri; /* as set; NULL if a location was set */
  char *revision;
  char *cache_dir;
  char *sha256;
  gboolean offline;
  gboolean share;
  Preload preload;
  BitnetModel *given_model;   /* by the application */
  BitnetModel *context_model; /* offered by a context */
  BitnetModel *model;         /* loaded, between create() and stop() */
  GCancellable *cancellable;
  guint64 open_ns, preload_ns;

  /* streaming thread */
  gboolean done;
  gboolean drop_segment; /* the base class is about to repeat ours */
  GstBitnetWait wait;    /* for the end of the state change; its mutex
                            guards is_changing, too */
  gboolean is_changing;  /* from READY to PAUSED */
};

enum {
  PROP_0,
  PROP_LOCATION,
  PROP_URI,
  PROP_REVISION,
  PROP_CACHE_DIR,
  PROP_OFFLINE,
  PROP_SHA256,
  PROP_PRELOAD,
  PROP_SHARE,
  PROP_MODEL,
  PROP_STATS,
};

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_BITNET_GGUF_CAPS));

static void uri_handler_init (gpointer iface, gpointer data);

G_DEFINE_FINAL_TYPE_WITH_CODE (GstBitnetGgufSrc, gst_bitnet_gguf_src,
    GST_TYPE_PUSH_SRC,
    G_IMPLEMENT_INTERFACE (GST_TYPE_URI_HANDLER, uri_handler_init));
GST_ELEMENT_REGISTER_DEFINE (
    ggufsrc, "ggufsrc", GST_RANK_NONE, GST_TYPE_BITNET_GGUF_SRC);

#define PRELOAD_TYPE (preload_get_type ())
static GType
preload_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {PRELOAD_NONE, "Map the file, read it when it is used", "none"},
      {PRELOAD_READAHEAD, "Read the file into the page cache", "readahead"},
      {PRELOAD_LOCK, "Read the file and keep it in memory", "lock"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("GstBitnetPreload", values));
  return type;
}

/* Settings. */

/* The file to open, (transfer full); NULL with an error set if there is
 * none. Precedence: location or uri, then the demo model. */
static char *
dup_path (GstBitnetGgufSrc *self, GError **error)
{
  g_autofree char *location = NULL;
  g_autofree char *uri = NULL;
  const char *data_dir = g_getenv ("BITNET_DATA_DIR");

  GST_OBJECT_LOCK (self);
  location = g_strdup (self->location);
  uri = g_strdup (self->uri);
  GST_OBJECT_UNLOCK (self);

  if (uri && gst_uri_has_protocol (uri, "hf")) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_NETWORK,
        "%s: fetching models from a hub is not supported by this version; "
        "download the file and set location",
        uri);
    return NULL;
  }
  if (location)
    return g_steal_pointer (&location);
  if (data_dir) {
    g_autofree char *path = g_build_filename (data_dir, DEMO_MODEL, NULL);
    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  location = g_build_filename (BITNET_INSTALLED_DATA_DIR, DEMO_MODEL, NULL);
  if (g_file_test (location, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&location);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "no location, uri or model is set, and the demo model %s is not there",
      location);
  return NULL;
}

static void
set_location (GstBitnetGgufSrc *self, const char *location)
{
  GST_OBJECT_LOCK (self);
  g_clear_pointer (&self->uri, g_free);
  g_free (self->location);
  self->location = g_strdup (location && *location ? location : NULL);
  if (self->location)
    g_clear_object (&self->given_model);
  GST_OBJECT_UNLOCK (self);
}

static gboolean
set_uri (GstBitnetGgufSrc *self, const char *uri, GError **error)
{
  g_autofree char *location = NULL;

  if (uri == NULL || *uri == '\0') {
    set_location (self, NULL);
    return TRUE;
  }
  if (gst_uri_has_protocol (uri, "gguf")) {
    location = gst_uri_get_location (uri);
    if (location == NULL || *location == '\0') {
      g_set_error (
          error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI, "%s names no file", uri);
      return FALSE;
    }
  } else if (!gst_uri_has_protocol (uri, "hf")) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_UNSUPPORTED_PROTOCOL,
        "%s starts with neither gguf:// nor hf://", uri);
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  g_free (self->uri);
  self->uri = g_strdup (uri);
  g_free (self->location);
  self->location = g_steal_pointer (&location);
  g_clear_object (&self->given_model);
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static char *
dup_uri (GstBitnetGgufSrc *self)
{
  char *uri = NULL;

  GST_OBJECT_LOCK (self);
  if (self->uri)
    uri = g_strdup (self->uri);
  else if (self->location)
    uri = gst_uri_construct ("gguf", self->location);
  GST_OBJECT_UNLOCK (self);
  return uri;
}

static GstStructure *
dup_stats (GstBitnetGgufSrc *self)
{
  GstStructure *s;

  GST_OBJECT_LOCK (self);
  s = gst_structure_new ("application/x-gguf-src-stats", "path", G_TYPE_STRING,
      self->model ? bitnet_model_get_path (self->model) : NULL, "bytes",
      G_TYPE_UINT64, self->model ? bitnet_model_get_file_size (self->model) : 0,
      "open-ns", G_TYPE_UINT64, self->open_ns, "preload-ns", G_TYPE_UINT64,
      self->preload_ns, NULL);
  GST_OBJECT_UNLOCK (self);
  return s;
}

/* Loading, in the streaming thread. */

static void
on_progress (guint64 done, guint64 total, gpointer user_data)
{
  gst_bitnet_post_fraction (
      user_data, GST_BITNET_PROGRESS_MODEL, "Reading the model", done, total);
}

/* A model that the application or a context supplies, or a file. */
static BitnetModel *
open_model (GstBitnetGgufSrc *self, GCancellable *cancellable, GError **error)
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

  path = dup_path (self, error);
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
load (GstBitnetGgufSrc *self, GCancellable *cancellable, GstBuffer **buffer,
    GError **error)
{
  g_autoptr (BitnetModel) model = NULL;
  GstClockTime start = gst_util_get_timestamp ();
  GstClockTime opened;

  model = open_model (self, cancellable, error);
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

static GstFlowReturn
gst_bitnet_gguf_src_create (GstPushSrc *src, GstBuffer **buffer)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (src);
  GstElement *element = GST_ELEMENT (self);
  g_autoptr (GCancellable) cancellable = NULL;
  g_autoptr (GError) error = NULL;
  GstFlowReturn ret;

  if (self->done)
    return GST_FLOW_EOS;
  GST_OBJECT_LOCK (self);
  cancellable = g_object_ref (self->cancellable);
  GST_OBJECT_UNLOCK (self);

  gst_bitnet_post_progress (element, GST_PROGRESS_TYPE_START,
      GST_BITNET_PROGRESS_MODEL, "Opening the model");
  ret = load (self, cancellable, buffer, &error);
  if (ret == GST_FLOW_OK) {
    self->done = TRUE;
    gst_bitnet_post_progress (element, GST_PROGRESS_TYPE_COMPLETE,
        GST_BITNET_PROGRESS_MODEL, "The model is open");
    return GST_FLOW_OK;
  }
  if (error)
    ret = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
              ? GST_FLOW_FLUSHING
              : GST_FLOW_ERROR;
  gst_bitnet_post_progress (element,
      ret == GST_FLOW_FLUSHING ? GST_PROGRESS_TYPE_CANCELED
                               : GST_PROGRESS_TYPE_ERROR,
      GST_BITNET_PROGRESS_MODEL, "The model was not opened");
  if (ret == GST_FLOW_ERROR) {
    wait_for_state_change (self);
    gst_bitnet_fail (element, &self->wait, error);
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
      uri = dup_uri (self);
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
gst_bitnet_gguf_src_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (object);
  g_autoptr (GError) error = NULL;

  if (id == PROP_LOCATION) {
    set_location (self, g_value_get_string (value));
    return;
  }
  if (id == PROP_URI) {
    if (!set_uri (self, g_value_get_string (value), &error))
      GST_WARNING_OBJECT (self, "%s", error->message);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_REVISION:
      g_free (self->revision);
      self->revision = g_value_dup_string (value);
      break;
    case PROP_CACHE_DIR:
      g_free (self->cache_dir);
      self->cache_dir = g_value_dup_string (value);
      break;
    case PROP_OFFLINE:
      self->offline = g_value_get_boolean (value);
      break;
    case PROP_SHA256:
      g_free (self->sha256);
      self->sha256 = g_value_dup_string (value);
      break;
    case PROP_PRELOAD:
      self->preload = (Preload) g_value_get_enum (value);
      break;
    case PROP_SHARE:
      self->share = g_value_get_boolean (value);
      break;
    case PROP_MODEL:
      g_set_object (&self->given_model, g_value_get_object (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_bitnet_gguf_src_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (object);

  if (id == PROP_URI) {
    g_value_take_string (value, dup_uri (self));
    return;
  }
  if (id == PROP_STATS) {
    g_value_take_boxed (value, dup_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_LOCATION:
      g_value_set_string (value, self->location);
      break;
    case PROP_REVISION:
      g_value_set_string (value, self->revision);
      break;
    case PROP_CACHE_DIR:
      g_value_set_string (value, self->cache_dir);
      break;
    case PROP_OFFLINE:
      g_value_set_boolean (value, self->offline);
      break;
    case PROP_SHA256:
      g_value_set_string (value, self->sha256);
      break;
    case PROP_PRELOAD:
      g_value_set_enum (value, self->preload);
      break;
    case PROP_SHARE:
      g_value_set_boolean (value, self->share);
      break;
    case PROP_MODEL:
      g_value_set_object (value, self->model ? self->model : self->given_model);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_bitnet_gguf_src_finalize (GObject *object)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (object);

  g_free (self->location);
  g_free (self->uri);
  g_free (self->revision);
  g_free (self->cache_dir);
  g_free (self->sha256);
  g_clear_object (&self->given_model);
  g_clear_object (&self->context_model);
  g_clear_object (&self->model);
  g_clear_object (&self->cancellable);
  gst_bitnet_wait_clear (&self->wait);
  G_OBJECT_CLASS (gst_bitnet_gguf_src_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *object_class)
{
  const GParamFlags ready =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  /**
   * GstBitnetGgufSrc:location:
   *
   * Path of the model file; any file of a split model. NULL: the demo model.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "Path of the model file (NULL = the demo model)", NULL, ready));
  /**
   * GstBitnetGgufSrc:uri:
   *
   * The same as a URI: `gguf:///path/file.gguf`, or
   * `hf://owner/repository[@revision]/file.gguf` for a file on a hub.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_URI,
      g_param_spec_string (
          "uri", "URI", "URI of the model (gguf:// or hf://)", NULL, ready));
  /**
   * GstBitnetGgufSrc:revision:
   *
   * Branch, tag or commit of an `hf://` URI that names none.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_REVISION,
      g_param_spec_string ("revision", "Revision",
          "Branch, tag or commit of a hub repository", DEFAULT_REVISION,
          ready));
  /**
   * GstBitnetGgufSrc:cache-dir:
   *
   * Folder for downloaded models. NULL: `$XDG_CACHE_HOME/bitnet`.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_CACHE_DIR,
      g_param_spec_string ("cache-dir", "Cache Directory",
          "Folder for downloaded models (NULL = the user's cache)", NULL,
          ready));
  /**
   * GstBitnetGgufSrc:offline:
   *
   * Never touch the network.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_OFFLINE,
      g_param_spec_boolean ("offline", "Offline", "Never touch the network",
          DEFAULT_OFFLINE, ready));
  /**
   * GstBitnetGgufSrc:sha256:
   *
   * Fail if the file has another SHA-256 digest (64 hexadecimal digits).
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_SHA256,
      g_param_spec_string ("sha256", "SHA-256",
          "Digest the file must have, in hexadecimal (NULL = any)", NULL,
          ready));
  /**
   * GstBitnetGgufSrc:preload:
   *
   * What to do with the file's contents before the buffer leaves.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PRELOAD,
      g_param_spec_enum ("preload", "Preload",
          "How much of the file is read in advance", PRELOAD_TYPE,
          DEFAULT_PRELOAD, ready));
  /**
   * GstBitnetGgufSrc:share:
   *
   * Use a model that a #GstContext offers if it is the requested file, and
   * offer the opened one to the pipeline.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_SHARE,
      g_param_spec_boolean ("share", "Share",
          "Use and offer models through the pipeline's contexts", DEFAULT_SHARE,
          ready));
  /**
   * GstBitnetGgufSrc:model:
   *
   * The opened model. An application that has one already sets it in place of
   * a location.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MODEL,
      g_param_spec_object ("model", "Model",
          "The opened model, or one to use in place of a location",
          BITNET_TYPE_MODEL, ready));
  /**
   * GstBitnetGgufSrc:stats:
   *
   * Figures about the opened file; the fields are listed above.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Figures about the opened file", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_bitnet_gguf_src_class_init (GstBitnetGgufSrcClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSrcClass *base_class = GST_BASE_SRC_CLASS (klass);
  GstPushSrcClass *push_class = GST_PUSH_SRC_CLASS (klass);

  gst_bitnet_init_once ();
  GST_DEBUG_CATEGORY_INIT (gguf_src_debug, "ggufsrc", 0, "GGUF model source");

  object_class->set_property = gst_bitnet_gguf_src_set_property;
  object_class->get_property = gst_bitnet_gguf_src_get_property;
  object_class->finalize = gst_bitnet_gguf_src_finalize;
  install_properties (object_class);

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

  gst_type_mark_as_plugin_api (PRELOAD_TYPE, 0);
}

static void
gst_bitnet_gguf_src_init (GstBitnetGgufSrc *self)
{
  self->revision = g_strdup (DEFAULT_REVISION);
  self->preload = DEFAULT_PRELOAD;
  self->share = DEFAULT_SHARE;
  self->offline = DEFAULT_OFFLINE;
  self->cancellable = g_cancellable_new ();
  gst_bitnet_wait_init (&self->wait);
  gst_pad_add_probe (GST_BASE_SRC_PAD (self),
      GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, drop_second_segment, self, NULL);
}

/* URI handler. */

static GstURIType
uri_get_type (GType type)
{
  return GST_URI_SRC;
}

static const char *const *
uri_get_protocols (GType type)
{
  static const char *const protocols[] = {"gguf", "hf", NULL};

  return protocols;
}

static char *
uri_get_uri (GstURIHandler *handler)
{
  return dup_uri (GST_BITNET_GGUF_SRC (handler));
}

static gboolean
uri_set_uri (GstURIHandler *handler, const char *uri, GError **error)
{
  return set_uri (GST_BITNET_GGUF_SRC (handler), uri, error);
}

static void
uri_handler_init (gpointer iface, gpointer data)
{
  GstURIHandlerInterface *handler = iface;

  handler->get_type = uri_get_type;
  handler->get_protocols = uri_get_protocols;
  handler->get_uri = uri_get_uri;
  handler->set_uri = uri_set_uri;
}
