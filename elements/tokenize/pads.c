/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenize: pads and modes. The model pad brings handles and, in one-shot
 * mode, drives the stream; the prompt pad drives it in stream mode; a task on
 * the source pad drives it in interactive mode, and in one-shot mode for a
 * branch that was linked too late to see the model. */
#include "gsttokenize-private.h"

#include <string.h>

#define GST_CAT_DEFAULT gst_bitnet_tokenize_debug

GstStaticPadTemplate gst_bitnet_tokenize_sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (GST_BITNET_GGUF_CAPS));
GstStaticPadTemplate gst_bitnet_tokenize_prompt_template =
    GST_STATIC_PAD_TEMPLATE ("prompt", GST_PAD_SINK, GST_PAD_REQUEST,
        GST_STATIC_CAPS ("text/x-raw, format=(string){ utf8, pango-markup }; "
                         "application/x-json"));
GstStaticPadTemplate gst_bitnet_tokenize_src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (GST_BITNET_TOKEN_CAPS));

static Mode
get_mode (GstBitnetTokenize *self)
{
  Mode mode;

  g_mutex_lock (&self->wait.mutex);
  mode = self->mode;
  g_mutex_unlock (&self->wait.mutex);
  return mode;
}

/* READY to PAUSED, and when the prompt pad comes or goes. */
static void
decide_mode (GstBitnetTokenize *self)
{
  Mode mode;

  GST_OBJECT_LOCK (self);
  if (self->promptpad)
    mode = MODE_STREAM;
  else if (self->prompt)
    mode = MODE_ONE_SHOT;
  else
    mode = MODE_INTERACTIVE;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->wait.mutex);
  self->mode = mode;
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
}

/* The source pad's task. */

static void
free_command (gpointer data)
{
  Prompt *command = data;

  g_free (command->text);
  g_free (command);
}

/* The next command; NULL when flushing or when prompts come from elsewhere
 * now. */
static Prompt *
wait_for_command (GstBitnetTokenize *self)
{
  Prompt *command = NULL;

  g_mutex_lock (&self->wait.mutex);
  while (!self->wait.flushing && self->mode == MODE_INTERACTIVE
         && g_queue_is_empty (&self->commands))
    g_cond_wait (&self->wait.cond, &self->wait.mutex);
  if (!self->wait.flushing && self->mode == MODE_INTERACTIVE)
    command = g_queue_pop_head (&self->commands);
  g_mutex_unlock (&self->wait.mutex);
  return command;
}

/* A branch added behind the model's EOS gets neither buffer nor event: if
 * handles can be had before the model stream begins here, this is such a
 * branch. Otherwise the model pad takes over. */
static void
try_late_branch (GstBitnetTokenize *self)
{
  gboolean has_begun = FALSE;
  GstFlowReturn ret;

  while (!has_begun && !gst_bitnet_tokenize_ask_handles (self)) {
    g_mutex_lock (&self->wait.mutex);
    if (!self->wait.flushing && !self->have_model_start)
      gst_bitnet_tokenize_wait_for_change (self);
    has_begun = self->wait.flushing || self->have_model_start
                || self->mode != MODE_ONE_SHOT;
    g_mutex_unlock (&self->wait.mutex);
  }
  if (has_begun)
    return;
  ret = gst_bitnet_tokenize_handle_only_prompt (self);
  gst_bitnet_fail_flow (GST_ELEMENT (self), &self->wait, ret);
  if (ret == GST_FLOW_OK)
    gst_bitnet_tokenize_push_eos (self);
}

static void
task_loop (GstPad *pad)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (GST_PAD_PARENT (pad));
  Prompt *command;
  GstFlowReturn ret;
  gboolean more = FALSE;

  if (get_mode (self) == MODE_ONE_SHOT)
    try_late_branch (self);
  else if ((command = wait_for_command (self)) != NULL) {
    if (command->text) {
      ret = gst_bitnet_tokenize_handle_prompt (self, command);
      gst_bitnet_fail_flow (GST_ELEMENT (self), &self->wait, ret);
      more = ret == GST_FLOW_OK;
    } else {
      gst_bitnet_tokenize_push_eos (self);
    }
    free_command (command);
  }
  if (!more)
    gst_pad_pause_task (pad);
}

gboolean
gst_bitnet_tokenize_queue_command (
    GstBitnetTokenize *self, char *text, gboolean is_json)
{
  Prompt *command = g_new0 (Prompt, 1);
  gboolean accepted;

  command->text = text;
  command->is_json = is_json;
  command->pts = command->duration = GST_CLOCK_TIME_NONE;
  g_mutex_lock (&self->wait.mutex);
  accepted = !self->wait.flushing && self->mode == MODE_INTERACTIVE;
  if (accepted)
    g_queue_push_tail (&self->commands, g_steal_pointer (&command));
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
  if (command)
    free_command (command);
  return accepted;
}

static gboolean
src_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (parent);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (!active) {
    gst_bitnet_wait_set_flushing (&self->wait, TRUE);
    return gst_pad_stop_task (pad);
  }
  if (get_mode (self) == MODE_STREAM)
    return TRUE;
  return gst_pad_start_task (pad, (GstTaskFunction) task_loop, pad, NULL);
}

/* The model pad. */

static GstFlowReturn
sink_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (parent);
  gboolean has_model;
  g_autoptr (GError) error = NULL;

  gst_buffer_unref (buffer);
  if (get_mode (self) != MODE_ONE_SHOT)
    return GST_FLOW_OK;
  if (gst_bitnet_tokenize_ask_handles (self))
    return gst_bitnet_tokenize_handle_only_prompt (self);
  /* Handles precede data: nothing to wait for here. */
  g_mutex_lock (&self->wait.mutex);
  has_model = self->model != NULL;
  g_mutex_unlock (&self->wait.mutex);
  g_set_error (&error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND,
      "no %s handle arrived before the data; is %s upstream?",
      has_model ? "tokenizer" : "model", has_model ? "tokresolve" : "ggufsrc");
  return gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);
}

/* Says once that nothing will happen by itself. */
static void
tell_idle (GstBitnetTokenize *self)
{
  gboolean tell;

  g_mutex_lock (&self->wait.mutex);
  tell = self->mode == MODE_INTERACTIVE && !self->told_idle
         && g_queue_is_empty (&self->commands);
  self->told_idle |= tell;
  g_mutex_unlock (&self->wait.mutex);
  if (tell)
    GST_ELEMENT_INFO (self, RESOURCE, SETTINGS,
        ("no prompt source: set prompt=, link the prompt pad, or emit submit"),
        (NULL));
}

/* Keeps a handle and, where the order of events allows, lets it go down at
 * once: the engine loads weights while the tokenizer is still looked for. In
 * stream mode the stream's identity comes from the prompt pad. */
static void
take_handles (GstBitnetTokenize *self, BitnetModel *model,
    BitnetTokenizer *tokenizer, gboolean fallback)
{
  gboolean may_start;

  g_mutex_lock (&self->wait.mutex);
  if (model)
    g_set_object (&self->model, model);
  if (tokenizer) {
    g_set_object (&self->tokenizer, tokenizer);
    self->fallback = fallback;
  }
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);

  g_rec_mutex_lock (&self->push_lock);
  may_start = get_mode (self) != MODE_STREAM || self->have_prompt_start;
  if (may_start && !self->sent_eos)
    gst_bitnet_tokenize_push_preamble (self);
  g_rec_mutex_unlock (&self->push_lock);
  if (tokenizer)
    tell_idle (self);
}

static void
take_model_start (GstBitnetTokenize *self)
{
  g_mutex_lock (&self->wait.mutex);
  self->have_model_start = TRUE;
  self->no_handles = FALSE;
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
}

static void
take_model_eos (GstBitnetTokenize *self)
{
  /* A branch that is linked while the EOS passes may see nothing before it. */
  gboolean complete = gst_bitnet_tokenize_ask_handles (self);

  if (!complete) {
    g_mutex_lock (&self->wait.mutex);
    self->no_handles = TRUE;
    g_cond_broadcast (&self->wait.cond);
    g_mutex_unlock (&self->wait.mutex);
    gst_bitnet_tokenize_push_eos (self); /* upstream has said why */
  } else if (get_mode (self) == MODE_ONE_SHOT) {
    /* A branch linked after the buffer but before the EOS. */
    gst_bitnet_fail_flow (GST_ELEMENT (self), &self->wait,
        gst_bitnet_tokenize_handle_only_prompt (self));
    gst_bitnet_tokenize_push_eos (self);
  }
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (parent);
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  gboolean fallback = FALSE;

  if (gst_bitnet_event_parse_model (event, &model)
      || gst_bitnet_event_parse_tokenizer (event, &tokenizer, &fallback))
    take_handles (self, model, tokenizer, fallback);
  else if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
    take_model_start (self);
  else if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
    take_model_eos (self);
  /* The output is another stream: nothing else of this one goes down. */
  gst_event_unref (event);
  return TRUE;
}

/* Neither input stream is the output stream: allocation is our own. */
static gboolean
sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (parent);

  if (GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION)
    return FALSE;
  return gst_bitnet_query_answer_failed (query, &self->wait)
         || gst_pad_query_default (pad, parent, query);
}

/* The prompt pad. */

static GstFlowReturn
handle_texts (GstBitnetTokenize *self, GstClockTime pts, GstClockTime duration)
{
  GstFlowReturn ret = GST_FLOW_OK;
  char *text;

  while (ret == GST_FLOW_OK && (text = framer_pop (self->framer)) != NULL) {
    Prompt prompt = {.text = text,
        .from_prompt_pad = TRUE,
        .pts = pts,
        .duration = duration};

    if (self->content == CONTENT_MARKUP) {
      prompt.text = framer_strip_markup (text);
      g_free (text);
    }
    prompt.is_json = self->content == CONTENT_JSON;
    ret = gst_bitnet_tokenize_handle_prompt (self, &prompt);
  }
  return ret;
}

static GstFlowReturn
prompt_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (parent);
  GstClockTime pts = GST_BUFFER_PTS (buffer);
  GstClockTime duration = GST_BUFFER_DURATION (buffer);
  gboolean valid, is_time;
  g_autoptr (GError) error = NULL;
  GstMapInfo map;

  g_rec_mutex_lock (&self->push_lock);
  is_time = self->segment_event != NULL;
  g_rec_mutex_unlock (&self->push_lock);
  if (!is_time)
    pts = duration = GST_CLOCK_TIME_NONE; /* of another clock */
  if (!gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    gst_buffer_unref (buffer);
    g_set_error_literal (&error, BITNET_ERROR, BITNET_ERROR_READ,
        "the buffer of a prompt cannot be mapped");
    return gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);
  }
  valid = framer_push (self->framer, (const char *) map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  if (!valid) {
    gst_bitnet_tokenize_post_bad_text (self, framer_get_problem (self->framer));
    return GST_FLOW_ERROR;
  }
  return handle_texts (self, pts, duration);
}

static void
take_prompt_start (GstBitnetTokenize *self, GstEvent *event)
{
  const char *id;

  gst_event_parse_stream_start (event, &id);
  g_rec_mutex_lock (&self->push_lock);
  g_free (self->stream_id);
  self->stream_id = g_strdup (id);
  self->group_id = GST_GROUP_ID_INVALID;
  gst_event_parse_group_id (event, &self->group_id);
  self->have_prompt_start = TRUE;
  self->sent_start = FALSE;
  self->sent_segment = FALSE;
  self->sent_eos = FALSE;
  gst_caps_replace (&self->sent_caps, NULL);
  g_clear_object (&self->sent_model);
  g_clear_object (&self->sent_tokenizer);
  gst_clear_event (&self->segment_event);
  g_rec_mutex_unlock (&self->push_lock);
  gst_bitnet_tokenize_reset_conversation (self);
}

static void
take_prompt_caps (GstBitnetTokenize *self, GstEvent *event)
{
  GstCaps *caps;
  const GstStructure *s;

  gst_event_parse_caps (event, &caps);
  s = gst_caps_get_structure (caps, 0);
  if (gst_structure_has_name (s, "application/x-json"))
    self->content = CONTENT_JSON;
  else if (g_strcmp0 (gst_structure_get_string (s, "format"), "pango-markup")
           == 0)
    self->content = CONTENT_MARKUP;
  else
    self->content = CONTENT_TEXT;
}

static void
take_prompt_segment (GstBitnetTokenize *self, GstEvent *event)
{
  const GstSegment *segment;
  int framing;

  gst_event_parse_segment (event, &segment);
  GST_OBJECT_LOCK (self);
  framing = self->framing;
  GST_OBJECT_UNLOCK (self);
  if (framing == FRAMING_AUTO)
    framing =
        segment->format == GST_FORMAT_BYTES && self->content != CONTENT_JSON
            ? FRAMING_LINE
            : FRAMING_BUFFER;
  framer_reset (self->framer, (Framing) framing);

  g_rec_mutex_lock (&self->push_lock);
  if (segment->format == GST_FORMAT_TIME) {
    gst_event_replace (&self->segment_event, event);
    self->sent_segment = FALSE;
  } else {
    gst_clear_event (&self->segment_event);
  }
  g_rec_mutex_unlock (&self->push_lock);
}

/* The last prompt may have no end; then the end. */
static void
take_prompt_eos (GstBitnetTokenize *self)
{
  GstFlowReturn ret = GST_FLOW_OK;

  if (framer_finish (self->framer)) {
    ret = handle_texts (self, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
    gst_bitnet_fail_flow (GST_ELEMENT (self), &self->wait, ret);
  } else {
    gst_bitnet_tokenize_post_bad_text (self, framer_get_problem (self->framer));
  }
  if (ret != GST_FLOW_FLUSHING)
    gst_bitnet_tokenize_push_eos (self);
}

static void
start_prompt_flush (GstBitnetTokenize *self)
{
  g_mutex_lock (&self->wait.mutex);
  self->prompt_flushing = TRUE;
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
}

static void
stop_prompt_flush (GstBitnetTokenize *self)
{
  g_rec_mutex_lock (&self->push_lock);
  self->sent_segment = FALSE;
  self->sent_eos = FALSE;
  gst_clear_event (&self->segment_event);
  g_queue_clear_full (&self->events, (GDestroyNotify) gst_event_unref);
  g_rec_mutex_unlock (&self->push_lock);
  framer_reset (self->framer, FRAMING_LINE);
  gst_bitnet_tokenize_forget_pending (self);
  g_mutex_lock (&self->wait.mutex);
  self->prompt_flushing = FALSE;
  g_mutex_unlock (&self->wait.mutex);
}

/* Behind the preamble; it waits for the handles. Takes the event. */
static gboolean
forward_in_order (GstBitnetTokenize *self, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_GAP
      && gst_bitnet_tokenize_wait_handles (self, TRUE) != GST_FLOW_OK) {
    gst_event_unref (event);
    return FALSE;
  }
  g_rec_mutex_lock (&self->push_lock);
  g_queue_push_tail (&self->events, event);
  if (self->sent_segment || GST_EVENT_TYPE (event) == GST_EVENT_GAP)
    gst_bitnet_tokenize_push_preamble (self);
  g_rec_mutex_unlock (&self->push_lock);
  return TRUE;
}

static gboolean
prompt_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (parent);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      take_prompt_start (self, event);
      break;
    case GST_EVENT_CAPS:
      take_prompt_caps (self, event);
      break;
    case GST_EVENT_SEGMENT:
      take_prompt_segment (self, event);
      break;
    case GST_EVENT_EOS:
      take_prompt_eos (self);
      break;
    case GST_EVENT_FLUSH_START:
      start_prompt_flush (self);
      return gst_pad_push_event (self->srcpad, event);
    case GST_EVENT_FLUSH_STOP:
      stop_prompt_flush (self);
      return gst_pad_push_event (self->srcpad, event);
    default:
      if (gst_bitnet_event_has_name (event, GST_BITNET_EVENT_RESET)) {
        gst_bitnet_tokenize_reset_conversation (self);
        break;
      }
      if (GST_EVENT_IS_SERIALIZED (event))
        return forward_in_order (self, event);
      return gst_pad_push_event (self->srcpad, event);
  }
  gst_event_unref (event);
  return TRUE;
}

GstPad *
gst_bitnet_tokenize_request_pad (GstElement *element, GstPadTemplate *template,
    const char *name, const GstCaps *caps)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (element);
  GstPad *pad;

  GST_OBJECT_LOCK (self);
  if (self->promptpad) {
    GST_OBJECT_UNLOCK (self);
    GST_WARNING_OBJECT (self, "there is one prompt pad already");
    return NULL;
  }
  pad = gst_pad_new_from_template (template, "prompt");
  self->promptpad = pad;
  GST_OBJECT_UNLOCK (self);

  g_mutex_lock (&self->wait.mutex);
  self->prompt_flushing = FALSE;
  g_mutex_unlock (&self->wait.mutex);
  gst_pad_set_chain_function (pad, GST_DEBUG_FUNCPTR (prompt_chain));
  gst_pad_set_event_function (pad, GST_DEBUG_FUNCPTR (prompt_event));
  gst_pad_set_query_function (pad, GST_DEBUG_FUNCPTR (sink_query));
  decide_mode (self);
  gst_pad_set_active (pad, TRUE);
  gst_element_add_pad (element, pad);
  return pad;
}

void
gst_bitnet_tokenize_release_pad (GstElement *element, GstPad *pad)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (element);

  start_prompt_flush (self);
  gst_pad_set_active (pad, FALSE);
  GST_OBJECT_LOCK (self);
  self->promptpad = NULL;
  GST_OBJECT_UNLOCK (self);
  decide_mode (self);
  gst_element_remove_pad (element, pad);
}

/* The source pad. */

static gboolean
src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (parent);

  if (gst_bitnet_event_has_name (event, GST_BITNET_EVENT_TURN)) {
    gst_bitnet_tokenize_take_turn (self, event);
    gst_event_unref (event);
    return TRUE;
  }
  return gst_pad_event_default (pad, parent, event);
}

static gboolean
src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (parent);
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  gboolean fallback;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CONTEXT)
    return gst_pad_query_default (pad, parent, query);
  g_mutex_lock (&self->wait.mutex);
  g_set_object (&model, self->model);
  g_set_object (&tokenizer, self->tokenizer);
  fallback = self->fallback;
  g_mutex_unlock (&self->wait.mutex);
  return gst_bitnet_query_answer_model (query, model)
         || gst_bitnet_query_answer_tokenizer (query, tokenizer, fallback)
         || gst_pad_peer_query (self->sinkpad, query);
}

void
gst_bitnet_tokenize_init_pads (GstBitnetTokenize *self)
{
  self->sinkpad = gst_pad_new_from_static_template (
      &gst_bitnet_tokenize_sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, GST_DEBUG_FUNCPTR (sink_chain));
  gst_pad_set_event_function (self->sinkpad, GST_DEBUG_FUNCPTR (sink_event));
  gst_pad_set_query_function (self->sinkpad, GST_DEBUG_FUNCPTR (sink_query));
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (
      &gst_bitnet_tokenize_src_template, "src");
  gst_pad_set_activatemode_function (
      self->srcpad, GST_DEBUG_FUNCPTR (src_activate_mode));
  gst_pad_set_event_function (self->srcpad, GST_DEBUG_FUNCPTR (src_event));
  gst_pad_set_query_function (self->srcpad, GST_DEBUG_FUNCPTR (src_query));
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}

/* State. */

void
gst_bitnet_tokenize_start (GstBitnetTokenize *self)
{
  self->prompt_sent = FALSE;
  self->asked_turns = FALSE;
  self->have_prompt_start = FALSE;
  self->content = CONTENT_TEXT;
  framer_reset (self->framer, FRAMING_LINE);
  g_mutex_lock (&self->wait.mutex);
  self->have_model_start = FALSE;
  self->no_handles = FALSE;
  self->prompt_flushing = FALSE;
  self->told_idle = FALSE;
  g_mutex_unlock (&self->wait.mutex);
  gst_bitnet_tokenize_reset_conversation (self);
  decide_mode (self);
  gst_bitnet_wait_start (&self->wait);
}

void
gst_bitnet_tokenize_unblock (GstBitnetTokenize *self)
{
  gst_bitnet_wait_set_flushing (&self->wait, TRUE);
}

void
gst_bitnet_tokenize_stop (GstBitnetTokenize *self)
{
  g_mutex_lock (&self->wait.mutex);
  g_clear_object (&self->model);
  g_clear_object (&self->tokenizer);
  g_queue_clear_full (&self->pending, g_free);
  g_queue_clear_full (&self->commands, free_command);
  g_mutex_unlock (&self->wait.mutex);

  g_mutex_lock (&self->request_lock);
  g_clear_object (&self->template);
  g_clear_object (&self->template_model);
  g_mutex_unlock (&self->request_lock);

  g_rec_mutex_lock (&self->push_lock);
  self->sent_start = self->sent_segment = self->sent_eos = FALSE;
  gst_caps_replace (&self->sent_caps, NULL);
  g_clear_object (&self->sent_model);
  g_clear_object (&self->sent_tokenizer);
  g_clear_pointer (&self->stream_id, g_free);
  self->group_id = GST_GROUP_ID_INVALID;
  gst_clear_event (&self->segment_event);
  g_queue_clear_full (&self->events, (GDestroyNotify) gst_event_unref);
  g_rec_mutex_unlock (&self->push_lock);
}
