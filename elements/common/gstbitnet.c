/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the five elements share; see the header. Nothing here keeps state
 * besides the debug category and the registered meta. */
#include "gstbitnet.h"

#include <string.h>

GST_DEBUG_CATEGORY (gst_bitnet_debug);
#define GST_CAT_DEFAULT gst_bitnet_debug

void
gst_bitnet_init_once (void)
{
  static gsize done = 0;
  static const char *no_tags[] = {NULL};

  if (g_once_init_enter (&done)) {
    GST_DEBUG_CATEGORY_INIT (gst_bitnet_debug, "bitnet", 0,
        "language model elements: handles, errors");
    gst_meta_register_custom (
        GST_BITNET_REQUEST_META, no_tags, NULL, NULL, NULL);
    g_once_init_leave (&done, 1);
  }
}

/* Handle events. */

GstEvent *
gst_bitnet_event_new_model (BitnetModel *model)
{
  g_autofree char *uri = NULL;
  const char *path = bitnet_model_get_path (model);

  if (path)
    uri = gst_uri_construct ("gguf", path);
  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
      gst_structure_new (GST_BITNET_EVENT_MODEL, "model", BITNET_TYPE_MODEL,
          model, "uri", G_TYPE_STRING, uri, "id", G_TYPE_STRING,
          bitnet_model_get_id (model), "arch", G_TYPE_STRING,
          bitnet_model_get_architecture (model), "vocab-size", G_TYPE_UINT,
          bitnet_model_get_vocab_size (model), NULL));
}

GstEvent *
gst_bitnet_event_new_tokenizer (BitnetTokenizer *tokenizer, gboolean fallback)
{
  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
      gst_structure_new (GST_BITNET_EVENT_TOKENIZER, "tokenizer",
          BITNET_TYPE_TOKENIZER, tokenizer, "id", G_TYPE_STRING,
          bitnet_tokenizer_get_id (tokenizer), "fallback", G_TYPE_BOOLEAN,
          fallback, "vocab-size", G_TYPE_UINT,
          bitnet_tokenizer_get_vocab_size (tokenizer), NULL));
}

gboolean
gst_bitnet_event_has_name (GstEvent *event, const char *name)
{
  return (GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM_STICKY
             || GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM
             || GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM_OOB
             || GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_UPSTREAM)
         && gst_event_has_name (event, name);
}

gboolean
gst_bitnet_query_has_name (GstQuery *query, const char *name)
{
  const GstStructure *s;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CUSTOM)
    return FALSE;
  s = gst_query_get_structure (query);
  return s && gst_structure_has_name (s, name);
}

/* The GObject in a field if it is one of that type; (transfer full). */
static gpointer
dup_object (const GstStructure *s, const char *field, GType type)
{
  const GValue *value = s ? gst_structure_get_value (s, field) : NULL;
  gpointer object;

  if (value == NULL || !G_VALUE_HOLDS_OBJECT (value))
    return NULL;
  object = g_value_get_object (value);
  if (object == NULL || !g_type_is_a (G_OBJECT_TYPE (object), type))
    return NULL;
  return g_object_ref (object);
}

gboolean
gst_bitnet_event_parse_model (GstEvent *event, BitnetModel **model)
{
  if (!gst_bitnet_event_has_name (event, GST_BITNET_EVENT_MODEL))
    return FALSE;
  *model =
      dup_object (gst_event_get_structure (event), "model", BITNET_TYPE_MODEL);
  return *model != NULL;
}

gboolean
gst_bitnet_event_parse_tokenizer (
    GstEvent *event, BitnetTokenizer **tokenizer, gboolean *fallback)
{
  const GstStructure *s;

  if (!gst_bitnet_event_has_name (event, GST_BITNET_EVENT_TOKENIZER))
    return FALSE;
  s = gst_event_get_structure (event);
  *tokenizer = dup_object (s, "tokenizer", BITNET_TYPE_TOKENIZER);
  *fallback = FALSE;
  gst_structure_get_boolean (s, "fallback", fallback);
  return *tokenizer != NULL;
}

/* Contexts. */

/* The structure of the context that answers the query, NULL without one. */
static const GstStructure *
ask_upstream (GstPad *sinkpad, const char *type, GstQuery **query)
{
  GstContext *context = NULL;

  *query = gst_query_new_context (type);
  if (!gst_pad_peer_query (sinkpad, *query))
    return NULL;
  gst_query_parse_context (*query, &context);
  return context ? gst_context_get_structure (context) : NULL;
}

BitnetModel *
gst_bitnet_pad_query_model (GstPad *sinkpad)
{
  g_autoptr (GstQuery) query = NULL;
  const GstStructure *s =
      ask_upstream (sinkpad, GST_BITNET_CONTEXT_MODEL, &query);

  return dup_object (s, "model", BITNET_TYPE_MODEL);
}

BitnetTokenizer *
gst_bitnet_pad_query_tokenizer (GstPad *sinkpad, gboolean *fallback)
{
  g_autoptr (GstQuery) query = NULL;
  const GstStructure *s =
      ask_upstream (sinkpad, GST_BITNET_CONTEXT_TOKENIZER, &query);

  *fallback = FALSE;
  if (s)
    gst_structure_get_boolean (s, "fallback", fallback);
  return dup_object (s, "tokenizer", BITNET_TYPE_TOKENIZER);
}

static gboolean
asks_for_context (GstQuery *query, const char *type)
{
  const char *asked = NULL;

  return GST_QUERY_TYPE (query) == GST_QUERY_CONTEXT
         && gst_query_parse_context_type (query, &asked)
         && g_strcmp0 (asked, type) == 0;
}

GstContext *
gst_bitnet_context_new_model (BitnetModel *model)
{
  GstContext *context = gst_context_new (GST_BITNET_CONTEXT_MODEL, FALSE);

  gst_structure_set (gst_context_writable_structure (context), "model",
      BITNET_TYPE_MODEL, model, NULL);
  return context;
}

BitnetModel *
gst_bitnet_context_get_model (GstContext *context)
{
  if (!gst_context_has_context_type (context, GST_BITNET_CONTEXT_MODEL))
    return NULL;
  return dup_object (
      gst_context_get_structure (context), "model", BITNET_TYPE_MODEL);
}

gboolean
gst_bitnet_query_answer_model (GstQuery *query, BitnetModel *model)
{
  g_autoptr (GstContext) context = NULL;

  if (model == NULL || !asks_for_context (query, GST_BITNET_CONTEXT_MODEL))
    return FALSE;
  context = gst_bitnet_context_new_model (model);
  gst_query_set_context (query, context);
  return TRUE;
}

gboolean
gst_bitnet_query_answer_tokenizer (
    GstQuery *query, BitnetTokenizer *tokenizer, gboolean fallback)
{
  g_autoptr (GstContext) context = NULL;

  if (tokenizer == NULL
      || !asks_for_context (query, GST_BITNET_CONTEXT_TOKENIZER))
    return FALSE;
  context = gst_context_new (GST_BITNET_CONTEXT_TOKENIZER, FALSE);
  gst_structure_set (gst_context_writable_structure (context), "tokenizer",
      BITNET_TYPE_TOKENIZER, tokenizer, "fallback", G_TYPE_BOOLEAN, fallback,
      NULL);
  gst_query_set_context (query, context);
  return TRUE;
}

/* The request meta. */

GstStructure *
gst_bitnet_buffer_get_request (GstBuffer *buffer)
{
  GstCustomMeta *meta =
      gst_buffer_get_custom_meta (buffer, GST_BITNET_REQUEST_META);

  return meta ? gst_custom_meta_get_structure (meta) : NULL;
}

GstStructure *
gst_bitnet_buffer_ensure_request (GstBuffer *buffer)
{
  GstStructure *s = gst_bitnet_buffer_get_request (buffer);

  if (s)
    return s;
  return gst_custom_meta_get_structure (
      gst_buffer_add_custom_meta (buffer, GST_BITNET_REQUEST_META));
}

gboolean
gst_bitnet_buffer_get_request_id (GstBuffer *buffer, guint64 *id)
{
  GstStructure *s = gst_bitnet_buffer_get_request (buffer);

  return s && gst_structure_get_uint64 (s, "request-id", id);
}

/* Waits. */

void
gst_bitnet_wait_init (GstBitnetWait *wait)
{
  g_mutex_init (&wait->mutex);
  g_cond_init (&wait->cond);
  wait->flushing = TRUE;
  wait->reporting = FALSE;
  wait->failed = FALSE;
}

void
gst_bitnet_wait_clear (GstBitnetWait *wait)
{
  g_mutex_clear (&wait->mutex);
  g_cond_clear (&wait->cond);
}

void
gst_bitnet_wait_start (GstBitnetWait *wait)
{
  g_mutex_lock (&wait->mutex);
  wait->flushing = FALSE;
  wait->failed = FALSE;
  g_mutex_unlock (&wait->mutex);
}

void
gst_bitnet_wait_set_flushing (GstBitnetWait *wait, gboolean flushing)
{
  g_mutex_lock (&wait->mutex);
  wait->flushing = flushing;
  g_cond_broadcast (&wait->cond);
  g_mutex_unlock (&wait->mutex);
}

/* Errors. */

static GQuark
map_bitnet_error (BitnetError error, int *code)
{
  switch (error) {
    case BITNET_ERROR_NOT_FOUND:
    case BITNET_ERROR_TOKENIZER:
    case BITNET_ERROR_NO_EMBEDDED_TOKENIZER:
    case BITNET_ERROR_UNKNOWN_PRETOKENIZER:
    case BITNET_ERROR_NO_SOURCE:
    case BITNET_ERROR_REPO_NOT_FOUND:
    case BITNET_ERROR_REVISION_NOT_FOUND:
    case BITNET_ERROR_ENTRY_NOT_FOUND:
    case BITNET_ERROR_STRICT_MODE:
    case BITNET_ERROR_ALL_FAILED:
      *code = GST_RESOURCE_ERROR_NOT_FOUND;
      return GST_RESOURCE_ERROR;
    case BITNET_ERROR_READ:
    case BITNET_ERROR_CACHE_IO:
    case BITNET_ERROR_TOO_LARGE:
      *code = GST_RESOURCE_ERROR_READ;
      return GST_RESOURCE_ERROR;
    case BITNET_ERROR_WRITE:
      *code = GST_RESOURCE_ERROR_WRITE;
      return GST_RESOURCE_ERROR;
    case BITNET_ERROR_GATED:
    case BITNET_ERROR_AUTH_INVALID:
    case BITNET_ERROR_FORBIDDEN:
    case BITNET_ERROR_PERMISSION:
      *code = GST_RESOURCE_ERROR_NOT_AUTHORIZED;
      return GST_RESOURCE_ERROR;
    case BITNET_ERROR_NETWORK:
    case BITNET_ERROR_HTTP:
    case BITNET_ERROR_TRANSIENT:
    case BITNET_ERROR_TIMEOUT:
    case BITNET_ERROR_TLS:
    case BITNET_ERROR_RATE_LIMITED:
    case BITNET_ERROR_CIRCUIT_OPEN:
    case BITNET_ERROR_OFFLINE:
    case BITNET_ERROR_DOWNLOAD_DISABLED:
    case BITNET_ERROR_DEVICE:
      *code = GST_RESOURCE_ERROR_OPEN_READ;
      return GST_RESOURCE_ERROR;
    case BITNET_ERROR_OUT_OF_MEMORY:
    case BITNET_ERROR_NO_SPACE:
      *code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
      return GST_RESOURCE_ERROR;
    case BITNET_ERROR_INVALID_ARGUMENT:
      *code = GST_RESOURCE_ERROR_SETTINGS;
      return GST_RESOURCE_ERROR;
    case BITNET_ERROR_NOT_GGUF:
      *code = GST_STREAM_ERROR_WRONG_TYPE;
      return GST_STREAM_ERROR;
    case BITNET_ERROR_INVALID_MODEL:
    case BITNET_ERROR_TRUNCATED:
    case BITNET_ERROR_CORRUPT:
      *code = GST_STREAM_ERROR_DEMUX;
      return GST_STREAM_ERROR;
    case BITNET_ERROR_UNSUPPORTED_VERSION:
    case BITNET_ERROR_UNSUPPORTED_ARCHITECTURE:
    case BITNET_ERROR_UNSUPPORTED_QUANTIZATION:
    case BITNET_ERROR_UNSUPPORTED_TOKENIZER:
    case BITNET_ERROR_VOCAB_MISMATCH:
    case BITNET_ERROR_AMBIGUOUS:
    case BITNET_ERROR_TEMPLATE:
    case BITNET_ERROR_TEMPLATE_RAISED:
      *code = GST_STREAM_ERROR_FORMAT;
      return GST_STREAM_ERROR;
    case BITNET_ERROR_ENCODING:
    case BITNET_ERROR_DIGEST:
      *code = GST_STREAM_ERROR_DECODE;
      return GST_STREAM_ERROR;
    case BITNET_ERROR_CONTEXT_FULL:
      *code = GST_STREAM_ERROR_ENCODE;
      return GST_STREAM_ERROR;
    case BITNET_ERROR_NUMERIC:
      break;
  }
  *code = GST_LIBRARY_ERROR_FAILED;
  return GST_LIBRARY_ERROR;
}

GQuark
gst_bitnet_map_error (const GError *error, const char *cause, int *code)
{
  g_autoptr (GEnumClass) codes = g_type_class_ref (BITNET_TYPE_ERROR);

  for (guint i = 0; cause && i < codes->n_values; i++) {
    BitnetError candidate = (BitnetError) codes->values[i].value;

    if (strcmp (bitnet_error_get_name (candidate), cause) == 0)
      return map_bitnet_error (candidate, code);
  }
  if (error->domain == BITNET_ERROR)
    return map_bitnet_error ((BitnetError) error->code, code);
  *code = GST_LIBRARY_ERROR_FAILED;
  return GST_LIBRARY_ERROR;
}

/* details: (transfer full) (nullable). */
static void
post_error (GstElement *element, const GError *error, const char *report,
    GstStructure *details)
{
  const char *cause =
      details ? gst_structure_get_string (details, "cause") : NULL;
  int code;
  GQuark domain = gst_bitnet_map_error (error, cause, &code);
  char *debug = report ? g_strdup (report)
                       : g_strdup_printf ("%s, code %d: %s",
                           g_quark_to_string (error->domain), error->code,
                           error->message);

  gst_element_message_full_with_details (element, GST_MESSAGE_ERROR, domain,
      code, g_strdup (error->message), debug, __FILE__, GST_FUNCTION, __LINE__,
      details);
}

/* TRUE for whoever has to post; the others wait until it is done, so that no
 * EOS overtakes the message. */
static gboolean
begin_report (GstBitnetWait *wait)
{
  gboolean first;

  g_mutex_lock (&wait->mutex);
  first = !wait->reporting && !wait->failed;
  if (first)
    wait->reporting = TRUE;
  while (!first && wait->reporting && !wait->flushing)
    g_cond_wait (&wait->cond, &wait->mutex);
  g_mutex_unlock (&wait->mutex);
  return first;
}

static void
end_report (GstBitnetWait *wait)
{
  g_mutex_lock (&wait->mutex);
  wait->reporting = FALSE;
  wait->failed = TRUE;
  g_cond_broadcast (&wait->cond);
  g_mutex_unlock (&wait->mutex);
}

GstFlowReturn
gst_bitnet_fail_with_report (GstElement *element, GstBitnetWait *wait,
    const GError *error, const char *report, GstStructure *details)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    gst_clear_structure (&details);
    return GST_FLOW_FLUSHING;
  }
  if (begin_report (wait)) {
    post_error (element, error, report, details);
    end_report (wait);
  } else {
    GST_DEBUG_OBJECT (element, "not posted: %s", error->message);
    gst_clear_structure (&details);
  }
  return GST_FLOW_ERROR;
}

GstFlowReturn
gst_bitnet_fail (GstElement *element, GstBitnetWait *wait, const GError *error)
{
  return gst_bitnet_fail_with_report (element, wait, error, NULL, NULL);
}

void
gst_bitnet_fail_flow (
    GstElement *element, GstBitnetWait *wait, GstFlowReturn flow)
{
  gboolean is_explained =
      flow == GST_FLOW_ERROR
      || (flow >= GST_FLOW_EOS && flow != GST_FLOW_NOT_LINKED);

  if (!is_explained && begin_report (wait)) {
    GST_ELEMENT_FLOW_ERROR (element, flow);
    end_report (wait);
  }
}

gboolean
gst_bitnet_query_answer_failed (GstQuery *query, GstBitnetWait *wait)
{
  gboolean failed;

  if (!gst_bitnet_query_has_name (query, GST_BITNET_QUERY_FAILED))
    return FALSE;
  g_mutex_lock (&wait->mutex);
  while (wait->reporting && !wait->flushing)
    g_cond_wait (&wait->cond, &wait->mutex);
  failed = wait->failed;
  g_mutex_unlock (&wait->mutex);
  return failed;
}

GstClockTime
gst_bitnet_running_time (GstElement *element)
{
  GstState state;

  GST_OBJECT_LOCK (element);
  state = GST_STATE (element);
  GST_OBJECT_UNLOCK (element);
  return state == GST_STATE_PLAYING
             ? gst_element_get_current_running_time (element)
             : gst_element_get_start_time (element);
}
