/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-detokenize
 * @title: detokenize
 * @short_description: turns token streams into text
 *
 * Decodes tokens into UTF-8 text, in pieces of the size that
 * #GstBitnetDetokenize:granularity says. A piece never splits a character; a
 * character that a response leaves unfinished becomes U+FFFD.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q ggufsrc location=model.gguf ! tokresolve ! tokenize
 * prompt="Tell a story" ! infer ! detokenize granularity=sentence newline=true
 * ! fdsink
 * ]| Writes whole sentences.
 * |[
 * gst-launch-1.0 -q ggufsrc location=model.gguf ! tokresolve ! tokenize name=t
 * system-prompt="Translate to German." ! infer ! detokenize
 * granularity=response ! srtenc ! filesink location=de.srt  filesrc
 * location=en.srt ! subparse ! t.prompt
 * ]| Translates subtitles; every cue keeps its time.
 *
 * ## Messages
 *
 * With #GstBitnetDetokenize:post-messages the element message `bitnet-text`
 * for each piece: `text` (string), `request-id` (guint64), `last` (gboolean,
 * the response is complete).
 *
 * ## Events
 *
 * Both handle events end here: a text stream carries none, and may leave the
 * process. Behind the last text of a response goes the serialized custom
 * event `rstranscribe/final-transcript`, on which text accumulators drain;
 * #GstBitnetDetokenize:turn-events turns it off.
 */
#include "gstdetokenize.h"
#include "chunker.h"
#include "gstbitnet.h"
#include "timing.h"

#include <string.h>

GST_DEBUG_CATEGORY_STATIC (detokenize_debug);
#define GST_CAT_DEFAULT detokenize_debug

#define DEFAULT_GRANULARITY GRANULARITY_TOKEN
#define DEFAULT_SKIP_SPECIAL TRUE
#define DEFAULT_TIMESTAMP_MODE TIMESTAMP_AUTO
#define DEFAULT_READING_SPEED 15.0
#define DEFAULT_NEWLINE FALSE
#define DEFAULT_MAX_DURATION (7 * GST_SECOND)
#define DEFAULT_TURN_EVENTS TRUE
#define DEFAULT_POST_MESSAGES FALSE
#define MIN_READING_SPEED 0.1
#define MAX_READING_SPEED 10000.0
#define EVENT_FINAL "rstranscribe/final-transcript"

/* What properties say, copied at the start of a response. */
typedef struct {
  Granularity granularity;
  gboolean skip_special;
  TimestampMode timestamp_mode;
  double reading_speed;
  gboolean newline;
  guint64 max_duration;
  gboolean turn_events;
  gboolean post_messages;
} Settings;

struct _GstBitnetDetokenize {
  GstBaseTransform parent;

  /* under the object lock */
  Settings settings;
  char *tokenizer_path;
  GCancellable *cancellable; /* of loading that file */
  BitnetTokenizer *tokenizer;

  GstBitnetWait wait; /* nothing waits here; holds the failure flag */

  /* streaming thread */
  Settings current;
  BitnetDecoder *decoder;
  Chunker *chunker;
  Timing timing;
  gboolean in_response;
  gboolean first_chunk;
  guint64 request_id;
  GstBuffer *request; /* last token buffer of the response, for its meta */
  GPtrArray *held;    /* chunks (char *) whose time depends on the rest */
  GQueue output;      /* GstBuffer and GstEvent, ready to be pushed */
};

enum {
  PROP_0,
  PROP_GRANULARITY,
  PROP_SKIP_SPECIAL,
  PROP_TIMESTAMP_MODE,
  PROP_READING_SPEED,
  PROP_NEWLINE,
  PROP_MAX_DURATION,
  PROP_TURN_EVENTS,
  PROP_POST_MESSAGES,
  PROP_TOKENIZER,
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_BITNET_TOKEN_CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_BITNET_TEXT_CAPS));

G_DEFINE_FINAL_TYPE_WITH_CODE (GstBitnetDetokenize, gst_bitnet_detokenize,
    GST_TYPE_BASE_TRANSFORM, G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, NULL));
GST_ELEMENT_REGISTER_DEFINE (
    detokenize, "detokenize", GST_RANK_NONE, GST_TYPE_BITNET_DETOKENIZE);

#define GRANULARITY_TYPE (granularity_get_type ())
static GType
granularity_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {GRANULARITY_TOKEN, "As it comes", "token"},
      {GRANULARITY_WORD, "Words", "word"},
      {GRANULARITY_LINE, "Lines", "line"},
      {GRANULARITY_SENTENCE, "Sentences", "sentence"},
      {GRANULARITY_RESPONSE, "Whole responses", "response"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("GstBitnetGranularity", values));
  return type;
}

#define TIMESTAMP_MODE_TYPE (timestamp_mode_get_type ())
static GType
timestamp_mode_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {TIMESTAMP_AUTO, "Copy if the request has a time, else synthetic",
          "auto"},
      {TIMESTAMP_COPY, "The interval of the request", "copy"},
      {TIMESTAMP_SYNTHETIC, "As fast as one reads", "synthetic"},
      {TIMESTAMP_RUNNING_TIME, "When the text comes", "running-time"},
      {TIMESTAMP_NONE, "No timestamps", "none"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("GstBitnetTimestampMode", values));
  return type;
}

/* The tokenizer. */

static BitnetTokenizer *
load_tokenizer_file (GstBitnetDetokenize *self, GError **error)
{
  g_autofree char *path = NULL;
  g_autoptr (GCancellable) cancellable = NULL;
  g_autoptr (BitnetModel) model = NULL;

  GST_OBJECT_LOCK (self);
  path = g_strdup (self->tokenizer_path);
  cancellable = g_object_ref (self->cancellable);
  GST_OBJECT_UNLOCK (self);
  if (path == NULL) {
    g_set_error_literal (error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND,
        "no tokenizer handle arrived before the tokens, and the property "
        "tokenizer is not set");
    return NULL;
  }
  model = bitnet_model_new_from_file (path, cancellable, error);
  return model ? bitnet_tokenizer_new_from_model (model, cancellable, error)
               : NULL;
}

/* From the event, else from upstream, else from a file. FALSE: reported. */
static GstFlowReturn
ensure_tokenizer (GstBitnetDetokenize *self)
{
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;
  gboolean fallback;

  GST_OBJECT_LOCK (self);
  g_set_object (&tokenizer, self->tokenizer);
  GST_OBJECT_UNLOCK (self);
  if (tokenizer == NULL)
    tokenizer = gst_bitnet_pad_query_tokenizer (
        GST_BASE_TRANSFORM_SINK_PAD (self), &fallback);
  if (tokenizer == NULL)
    tokenizer = load_tokenizer_file (self, &error);
  if (tokenizer == NULL)
    return gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);
  GST_OBJECT_LOCK (self);
  g_set_object (&self->tokenizer, tokenizer);
  GST_OBJECT_UNLOCK (self);
  return GST_FLOW_OK;
}

/* A decoder for the response that starts; the text continues the prompt. */
static void
start_decoder (GstBitnetDetokenize *self)
{
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  BitnetDecodeFlags flags = BITNET_DECODE_KEEP_SPACE;

  GST_OBJECT_LOCK (self);
  tokenizer = g_object_ref (self->tokenizer);
  GST_OBJECT_UNLOCK (self);
  if (!self->current.skip_special)
    flags |= BITNET_DECODE_SPECIAL;
  g_clear_object (&self->decoder);
  self->decoder = bitnet_decoder_new (tokenizer, flags);
}

/* Output. */

static guint64
current_position (GstBitnetDetokenize *self)
{
  GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstClockTime now = gst_bitnet_running_time (GST_ELEMENT (self));

  if (!GST_CLOCK_TIME_IS_VALID (now) || segment->format != GST_FORMAT_TIME)
    return now;
  return gst_segment_position_from_running_time (segment, GST_FORMAT_TIME, now);
}

static void
post_text (GstBitnetDetokenize *self, const char *text, gboolean last)
{
  if (!self->current.post_messages)
    return;
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self),
          gst_structure_new ("bitnet-text", "text", G_TYPE_STRING, text,
              "request-id", G_TYPE_UINT64, self->request_id, "last",
              G_TYPE_BOOLEAN, last, NULL)));
}

/* Takes the text. */
static void
queue_text (GstBitnetDetokenize *self, char *text, Cue cue)
{
  gsize size = strlen (text);
  GstBuffer *buffer = gst_buffer_new_wrapped (text, size);

  gst_buffer_copy_into (buffer, self->request, GST_BUFFER_COPY_META, 0, -1);
  GST_BUFFER_PTS (buffer) = cue.pts;
  GST_BUFFER_DURATION (buffer) = cue.duration;
  if (self->first_chunk)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->first_chunk = FALSE;
  g_queue_push_tail (&self->output, buffer);
}

static void
emit_chunk (GstBitnetDetokenize *self, char *text)
{
  gsize n_chars = g_utf8_strlen (text, -1);

  if (timing_needs_whole (&self->timing)) {
    g_ptr_array_add (self->held, text);
    return;
  }
  queue_text (self, text,
      timing_next (&self->timing, n_chars, current_position (self)));
}

static void
emit_held (GstBitnetDetokenize *self)
{
  guint n = self->held->len;
  g_autofree gsize *n_chars = g_new (gsize, n);
  g_autofree Cue *cues = g_new (Cue, n);

  for (guint i = 0; i < n; i++)
    n_chars[i] = g_utf8_strlen (g_ptr_array_index (self->held, i), -1);
  timing_divide (&self->timing, n_chars, n, cues);
  for (guint i = 0; i < n; i++) {
    queue_text (self, g_ptr_array_index (self->held, i), cues[i]);
    self->held->pdata[i] = NULL;
  }
  g_ptr_array_set_size (self->held, 0);
}

/* Responses. */

static void
begin_response (GstBitnetDetokenize *self, GstBuffer *tokens, guint64 id)
{
  GST_OBJECT_LOCK (self);
  self->current = self->settings;
  GST_OBJECT_UNLOCK (self);
  self->in_response = TRUE;
  self->first_chunk = TRUE;
  self->request_id = id;
  chunker_reset (self->chunker, self->current.granularity);
  timing_begin (&self->timing, self->current.timestamp_mode,
      self->current.reading_speed, self->current.max_duration,
      GST_BUFFER_PTS (tokens), GST_BUFFER_DURATION (tokens));
  start_decoder (self);
}

static void
add_text (GstBitnetDetokenize *self, const char *text, gsize size)
{
  char *chunk;

  chunker_push (self->chunker, text, size);
  while ((chunk = chunker_pop (self->chunker)) != NULL) {
    post_text (self, chunk, FALSE);
    emit_chunk (self, chunk);
  }
}

static void
queue_gap (GstBitnetDetokenize *self)
{
  GstClockTime pts = self->timing.request_pts;
  GstClockTime duration = self->timing.request_duration;

  if (GST_CLOCK_TIME_IS_VALID (pts))
    g_queue_push_tail (&self->output, gst_event_new_gap (pts, duration));
}

static void
finish_response (GstBitnetDetokenize *self)
{
  g_autofree char *text = NULL;
  char *rest;
  gsize size = 0;

  text = bitnet_decoder_finish (self->decoder, &size);
  if (text)
    add_text (self, text, size);
  rest = chunker_finish (self->chunker);
  post_text (self, rest ? rest : "", TRUE);
  if (self->current.newline) {
    char *line = g_strconcat (rest ? rest : "", "\n", NULL);

    g_free (rest);
    rest = line;
  }
  if (rest)
    emit_chunk (self, rest);
  if (self->held->len > 0)
    emit_held (self);
  if (self->first_chunk)
    queue_gap (self);
  if (self->current.turn_events)
    g_queue_push_tail (
        &self->output, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
                           gst_structure_new_empty (EVENT_FINAL)));
  self->in_response = FALSE;
  gst_clear_buffer (&self->request);
}

static void
drop_response (GstBitnetDetokenize *self)
{
  self->in_response = FALSE;
  g_clear_object (&self->decoder);
  gst_clear_buffer (&self->request);
  g_ptr_array_set_size (self->held, 0);
  g_queue_clear_full (&self->output, (GDestroyNotify) gst_mini_object_unref);
  chunker_reset (self->chunker, DEFAULT_GRANULARITY);
}

static GstFlowReturn
decode_tokens (GstBitnetDetokenize *self, GstBuffer *buffer)
{
  g_autofree guint32 *tokens = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  GstMapInfo map;
  gsize n_tokens, size = 0;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    g_set_error_literal (&error, BITNET_ERROR, BITNET_ERROR_READ,
        "the buffer of tokens cannot be mapped");
    return gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);
  }
  n_tokens = map.size / sizeof *tokens;
  tokens = g_new (guint32, n_tokens);
  for (gsize i = 0; i < n_tokens; i++)
    tokens[i] = GST_READ_UINT32_LE (map.data + i * sizeof *tokens);
  gst_buffer_unmap (buffer, &map);
  text = bitnet_decoder_push (self->decoder, tokens, n_tokens, &size);
  if (text)
    add_text (self, text, size);
  return GST_FLOW_OK;
}

/* Token buffer in, output queue filled. */
static GstFlowReturn
process (GstBitnetDetokenize *self, GstBuffer *buffer)
{
  guint64 id = self->request_id;
  gboolean has_id = gst_bitnet_buffer_get_request_id (buffer, &id);
  GstFlowReturn ret = ensure_tokenizer (self);

  if (ret != GST_FLOW_OK)
    return ret;
  if (self->in_response && has_id && id != self->request_id)
    finish_response (self); /* its end was lost on the way */
  if (!self->in_response)
    begin_response (self, buffer, id);
  gst_buffer_replace (&self->request, buffer);
  ret = decode_tokens (self, buffer);
  if (ret == GST_FLOW_OK
      && GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_MARKER))
    finish_response (self);
  return ret;
}

/* Base class. */

static GstFlowReturn
gst_bitnet_detokenize_generate_output (
    GstBaseTransform *base, GstBuffer **buffer)
{
  GstBitnetDetokenize *self = GST_BITNET_DETOKENIZE (base);
  g_autoptr (GstBuffer) input = g_steal_pointer (&base->queued_buf);
  GstFlowReturn ret = GST_FLOW_OK;
  GstMiniObject *item;

  *buffer = NULL;
  if (input)
    ret = process (self, input);
  while (ret == GST_FLOW_OK && *buffer == NULL
         && (item = g_queue_pop_head (&self->output)) != NULL) {
    if (GST_IS_EVENT (item))
      gst_pad_push_event (base->srcpad, GST_EVENT_CAST (item));
    else
      *buffer = GST_BUFFER_CAST (item);
  }
  return ret;
}

/* What a response has so far, before something that ends it. */
static void
flush_out (GstBitnetDetokenize *self)
{
  GstBaseTransform *base = GST_BASE_TRANSFORM (self);
  GstMiniObject *item;

  if (self->in_response)
    finish_response (self);
  while ((item = g_queue_pop_head (&self->output)) != NULL) {
    if (GST_IS_EVENT (item))
      gst_pad_push_event (base->srcpad, GST_EVENT_CAST (item));
    else
      gst_pad_push (base->srcpad, GST_BUFFER_CAST (item));
  }
}

static gboolean
gst_bitnet_detokenize_sink_event (GstBaseTransform *base, GstEvent *event)
{
  GstBitnetDetokenize *self = GST_BITNET_DETOKENIZE (base);
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  const GstSegment *segment;
  gboolean fallback;

  if (gst_bitnet_event_parse_model (event, &model)) {
    gst_event_unref (event);
    return TRUE;
  }
  if (gst_bitnet_event_parse_tokenizer (event, &tokenizer, &fallback)) {
    GST_OBJECT_LOCK (self);
    g_set_object (&self->tokenizer, tokenizer);
    GST_OBJECT_UNLOCK (self);
    gst_event_unref (event);
    return TRUE;
  }
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_EOS:
    case GST_EVENT_GAP:
      flush_out (self);
      break;
    case GST_EVENT_SEGMENT:
      flush_out (self);
      gst_event_parse_segment (event, &segment);
      timing_reset (&self->timing, segment->start);
      break;
    case GST_EVENT_FLUSH_STOP:
      drop_response (self);
      break;
    default:
      break;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_bitnet_detokenize_parent_class)
      ->sink_event (base, event);
}

static gboolean
gst_bitnet_detokenize_query (
    GstBaseTransform *base, GstPadDirection direction, GstQuery *query)
{
  GstBitnetDetokenize *self = GST_BITNET_DETOKENIZE (base);

  if (direction == GST_PAD_SINK
      && gst_bitnet_query_answer_failed (query, &self->wait))
    return TRUE;
  return GST_BASE_TRANSFORM_CLASS (gst_bitnet_detokenize_parent_class)
      ->query (base, direction, query);
}

static GstCaps *
gst_bitnet_detokenize_transform_caps (GstBaseTransform *base,
    GstPadDirection direction, GstCaps *caps, GstCaps *filter)
{
  GstCaps *other = gst_static_pad_template_get_caps (
      direction == GST_PAD_SINK ? &src_template : &sink_template);

  if (filter) {
    GstCaps *both =
        gst_caps_intersect_full (filter, other, GST_CAPS_INTERSECT_FIRST);

    gst_caps_unref (other);
    other = both;
  }
  return other;
}

static gboolean
gst_bitnet_detokenize_start (GstBaseTransform *base)
{
  GstBitnetDetokenize *self = GST_BITNET_DETOKENIZE (base);

  gst_bitnet_wait_start (&self->wait);
  GST_OBJECT_LOCK (self);
  g_object_unref (self->cancellable);
  self->cancellable = g_cancellable_new ();
  GST_OBJECT_UNLOCK (self);
  drop_response (self);
  timing_reset (&self->timing, 0);
  return TRUE;
}

static gboolean
gst_bitnet_detokenize_stop (GstBaseTransform *base)
{
  GstBitnetDetokenize *self = GST_BITNET_DETOKENIZE (base);

  drop_response (self);
  GST_OBJECT_LOCK (self);
  g_clear_object (&self->tokenizer);
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static GstStateChangeReturn
gst_bitnet_detokenize_change_state (
    GstElement *element, GstStateChange transition)
{
  GstBitnetDetokenize *self = GST_BITNET_DETOKENIZE (element);
  g_autoptr (GCancellable) cancellable = NULL;

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    /* A tokenizer file may be loading in the streaming thread. */
    GST_OBJECT_LOCK (self);
    cancellable = g_object_ref (self->cancellable);
    GST_OBJECT_UNLOCK (self);
    g_cancellable_cancel (cancellable);
  }
  return GST_ELEMENT_CLASS (gst_bitnet_detokenize_parent_class)
      ->change_state (element, transition);
}

/* GObject. */

static void
gst_bitnet_detokenize_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstBitnetDetokenize *self = GST_BITNET_DETOKENIZE (object);
  Settings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_GRANULARITY:
      settings->granularity = (Granularity) g_value_get_enum (value);
      break;
    case PROP_SKIP_SPECIAL:
      settings->skip_special = g_value_get_boolean (value);
      break;
    case PROP_TIMESTAMP_MODE:
      settings->timestamp_mode = (TimestampMode) g_value_get_enum (value);
      break;
    case PROP_READING_SPEED:
      settings->reading_speed = g_value_get_double (value);
      break;
    case PROP_NEWLINE:
      settings->newline = g_value_get_boolean (value);
      break;
    case PROP_MAX_DURATION:
      settings->max_duration = g_value_get_uint64 (value);
      break;
    case PROP_TURN_EVENTS:
      settings->turn_events = g_value_get_boolean (value);
      break;
    case PROP_POST_MESSAGES:
      settings->post_messages = g_value_get_boolean (value);
      break;
    case PROP_TOKENIZER:
      g_free (self->tokenizer_path);
      self->tokenizer_path = g_value_dup_string (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_bitnet_detokenize_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstBitnetDetokenize *self = GST_BITNET_DETOKENIZE (object);
  const Settings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_GRANULARITY:
      g_value_set_enum (value, settings->granularity);
      break;
    case PROP_SKIP_SPECIAL:
      g_value_set_boolean (value, settings->skip_special);
      break;
    case PROP_TIMESTAMP_MODE:
      g_value_set_enum (value, settings->timestamp_mode);
      break;
    case PROP_READING_SPEED:
      g_value_set_double (value, settings->reading_speed);
      break;
    case PROP_NEWLINE:
      g_value_set_boolean (value, settings->newline);
      break;
    case PROP_MAX_DURATION:
      g_value_set_uint64 (value, settings->max_duration);
      break;
    case PROP_TURN_EVENTS:
      g_value_set_boolean (value, settings->turn_events);
      break;
    case PROP_POST_MESSAGES:
      g_value_set_boolean (value, settings->post_messages);
      break;
    case PROP_TOKENIZER:
      g_value_set_string (value, self->tokenizer_path);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_bitnet_detokenize_finalize (GObject *object)
{
  GstBitnetDetokenize *self = GST_BITNET_DETOKENIZE (object);

  drop_response (self);
  g_free (self->tokenizer_path);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->tokenizer);
  chunker_free (self->chunker);
  g_ptr_array_unref (self->held);
  gst_bitnet_wait_clear (&self->wait);
  G_OBJECT_CLASS (gst_bitnet_detokenize_parent_class)->finalize (object);
}

#define READY_FLAGS                                                            \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define PLAYING_FLAGS                                                          \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static void
install_text_properties (GObjectClass *object_class)
{
  /**
   * GstBitnetDetokenize:granularity:
   *
   * How much text goes into a buffer.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_GRANULARITY,
      g_param_spec_enum ("granularity", "Granularity",
          "How much text goes into a buffer", GRANULARITY_TYPE,
          DEFAULT_GRANULARITY, PLAYING_FLAGS));
  /**
   * GstBitnetDetokenize:skip-special:
   *
   * Leave control tokens out of the text.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_SKIP_SPECIAL,
      g_param_spec_boolean ("skip-special", "Skip Special",
          "Leave control tokens out of the text", DEFAULT_SKIP_SPECIAL,
          PLAYING_FLAGS));
  /**
   * GstBitnetDetokenize:newline:
   *
   * Put a newline after each response, for terminals.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_NEWLINE,
      g_param_spec_boolean ("newline", "Newline",
          "Put a newline after each response", DEFAULT_NEWLINE, PLAYING_FLAGS));
  /**
   * GstBitnetDetokenize:tokenizer:
   *
   * A model file whose tokenizer is used if no handle comes from upstream,
   * for a token stream that came from another process.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_TOKENIZER,
      g_param_spec_string ("tokenizer", "Tokenizer",
          "Model file with the tokenizer, if no handle comes from upstream",
          NULL, READY_FLAGS));
  /**
   * GstBitnetDetokenize:turn-events:
   *
   * Send an event behind the last text of a response. FALSE in front of
   * elements that write events down, such as gdppay.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_TURN_EVENTS,
      g_param_spec_boolean ("turn-events", "Turn Events",
          "Send an event behind the last text of a response",
          DEFAULT_TURN_EVENTS, READY_FLAGS));
  /**
   * GstBitnetDetokenize:post-messages:
   *
   * Post the text on the bus, too.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_POST_MESSAGES,
      g_param_spec_boolean ("post-messages", "Post Messages",
          "Post the text on the bus, too", DEFAULT_POST_MESSAGES,
          PLAYING_FLAGS));
}

static void
install_time_properties (GObjectClass *object_class)
{
  /**
   * GstBitnetDetokenize:timestamp-mode:
   *
   * Where timestamps come from.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_TIMESTAMP_MODE,
      g_param_spec_enum ("timestamp-mode", "Timestamp Mode",
          "Where timestamps come from", TIMESTAMP_MODE_TYPE,
          DEFAULT_TIMESTAMP_MODE, READY_FLAGS));
  /**
   * GstBitnetDetokenize:reading-speed:
   *
   * Characters a second, for durations that are computed.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_READING_SPEED,
      g_param_spec_double ("reading-speed", "Reading Speed",
          "Characters a second, for durations that are computed",
          MIN_READING_SPEED, MAX_READING_SPEED, DEFAULT_READING_SPEED,
          PLAYING_FLAGS));
  /**
   * GstBitnetDetokenize:max-duration:
   *
   * Longest duration that is computed for a buffer, in nanoseconds.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MAX_DURATION,
      g_param_spec_uint64 ("max-duration", "Maximum Duration",
          "Longest duration computed for a buffer, in nanoseconds", 0,
          G_MAXINT64, DEFAULT_MAX_DURATION, PLAYING_FLAGS));
}

static void
gst_bitnet_detokenize_class_init (GstBitnetDetokenizeClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *base_class = GST_BASE_TRANSFORM_CLASS (klass);

  gst_bitnet_init_once ();
  GST_DEBUG_CATEGORY_INIT (detokenize_debug, "detokenize", 0, "tokens to text");

  object_class->set_property = gst_bitnet_detokenize_set_property;
  object_class->get_property = gst_bitnet_detokenize_get_property;
  object_class->finalize = gst_bitnet_detokenize_finalize;
  install_text_properties (object_class);
  install_time_properties (object_class);

  element_class->change_state =
      GST_DEBUG_FUNCPTR (gst_bitnet_detokenize_change_state);
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Tokens to text",
      "Filter/Converter/Text", "Turns token streams into text",
      "gst-bitnet developers <gst-bitnet@example.org>");

  base_class->start = GST_DEBUG_FUNCPTR (gst_bitnet_detokenize_start);
  base_class->stop = GST_DEBUG_FUNCPTR (gst_bitnet_detokenize_stop);
  base_class->transform_caps =
      GST_DEBUG_FUNCPTR (gst_bitnet_detokenize_transform_caps);
  base_class->sink_event = GST_DEBUG_FUNCPTR (gst_bitnet_detokenize_sink_event);
  base_class->query = GST_DEBUG_FUNCPTR (gst_bitnet_detokenize_query);
  base_class->generate_output =
      GST_DEBUG_FUNCPTR (gst_bitnet_detokenize_generate_output);
  base_class->passthrough_on_same_caps = FALSE;

  gst_type_mark_as_plugin_api (GRANULARITY_TYPE, 0);
  gst_type_mark_as_plugin_api (TIMESTAMP_MODE_TYPE, 0);
}

static void
gst_bitnet_detokenize_init (GstBitnetDetokenize *self)
{
  self->settings = (Settings){
      .granularity = DEFAULT_GRANULARITY,
      .skip_special = DEFAULT_SKIP_SPECIAL,
      .timestamp_mode = DEFAULT_TIMESTAMP_MODE,
      .reading_speed = DEFAULT_READING_SPEED,
      .newline = DEFAULT_NEWLINE,
      .max_duration = DEFAULT_MAX_DURATION,
      .turn_events = DEFAULT_TURN_EVENTS,
      .post_messages = DEFAULT_POST_MESSAGES,
  };
  self->cancellable = g_cancellable_new ();
  self->chunker = chunker_new ();
  self->held = g_ptr_array_new_with_free_func (g_free);
  g_queue_init (&self->output);
  gst_bitnet_wait_init (&self->wait);
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), FALSE);
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), FALSE);
}
