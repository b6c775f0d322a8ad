/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenize: from a prompt to a buffer of tokens. Waits for the handles, then
 * for the answer to the previous prompt where a history is kept, renders the
 * conversation, encodes it and pushes it behind what must precede it. */
#include "gsttokenize-private.h"

#define GST_CAT_DEFAULT gst_bitnet_tokenize_debug

enum {
  ASK_INTERVAL_US = 100 * 1000,
};

/* What one request works with, copied once. */
typedef struct {
  char *system_prompt;
  char *template_setting;
  guint history_size;
  gboolean interrupt;
  gboolean send_handles;
  EncodeOptions options; /* owns tokenizer; template is the element's */
  BitnetModel *model;
} Job;

static void
job_clear (Job *job)
{
  g_free (job->system_prompt);
  g_free (job->template_setting);
  g_clear_object (&job->options.tokenizer);
  g_clear_object (&job->model);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Job, job_clear)

static void
job_init (Job *job, GstBitnetTokenize *self)
{
  GST_OBJECT_LOCK (self);
  job->system_prompt = g_strdup (self->system_prompt);
  job->template_setting = g_strdup (self->template_setting);
  job->history_size = self->history_size;
  job->interrupt = self->interrupt;
  job->options.overflow = self->overflow;
  job->options.add_special = self->add_special;
  job->options.parse_special = self->parse_special;
  GST_OBJECT_UNLOCK (self);
}

/* Waits. */

static gboolean
is_flushing (GstBitnetTokenize *self, gboolean from_prompt_pad)
{
  return self->wait.flushing || (from_prompt_pad && self->prompt_flushing);
}

static gboolean
has_handles (GstBitnetTokenize *self)
{
  gboolean complete;

  g_mutex_lock (&self->wait.mutex);
  complete = self->model && self->tokenizer;
  g_mutex_unlock (&self->wait.mutex);
  return complete;
}

/* A branch that was linked after the model's EOS sees no event. */
gboolean
gst_bitnet_tokenize_ask_handles (GstBitnetTokenize *self)
{
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  gboolean fallback;

  if (has_handles (self))
    return TRUE;
  model = gst_bitnet_pad_query_model (self->sinkpad);
  tokenizer = gst_bitnet_pad_query_tokenizer (self->sinkpad, &fallback);
  g_mutex_lock (&self->wait.mutex);
  if (self->model == NULL)
    self->model = g_steal_pointer (&model);
  if (self->tokenizer == NULL) {
    self->tokenizer = g_steal_pointer (&tokenizer);
    self->fallback = fallback;
  }
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
  return has_handles (self);
}

/* FALSE at the time limit. A stream that has begun brings its handles; only
 * one that has not needs to be asked again, because the elements upstream may
 * not be linked or active yet. */
gboolean
gst_bitnet_tokenize_wait_for_change (GstBitnetTokenize *self)
{
  if (self->have_model_start) {
    g_cond_wait (&self->wait.cond, &self->wait.mutex);
    return TRUE;
  }
  return g_cond_wait_until (&self->wait.cond, &self->wait.mutex,
      g_get_monotonic_time () + ASK_INTERVAL_US);
}

GstFlowReturn
gst_bitnet_tokenize_wait_handles (
    GstBitnetTokenize *self, gboolean from_prompt_pad)
{
  GstFlowReturn ret = GST_FLOW_OK;
  gboolean complete = FALSE, ask_again;

  while (ret == GST_FLOW_OK && !complete) {
    gst_bitnet_tokenize_ask_handles (self);
    g_mutex_lock (&self->wait.mutex);
    do {
      complete = self->model && self->tokenizer;
      if (is_flushing (self, from_prompt_pad))
        ret = GST_FLOW_FLUSHING;
      else if (!complete && self->no_handles)
        ret = GST_FLOW_EOS;
      ask_again = ret == GST_FLOW_OK && !complete
                  && !gst_bitnet_tokenize_wait_for_change (self);
    } while (ret == GST_FLOW_OK && !complete && !ask_again);
    g_mutex_unlock (&self->wait.mutex);
  }
  return ret;
}

/* Until every request is answered. */
static GstFlowReturn
wait_for_turns (GstBitnetTokenize *self, gboolean from_prompt_pad)
{
  GstFlowReturn ret = GST_FLOW_OK;

  g_mutex_lock (&self->wait.mutex);
  while (!is_flushing (self, from_prompt_pad)
         && !g_queue_is_empty (&self->pending))
    g_cond_wait (&self->wait.cond, &self->wait.mutex);
  if (is_flushing (self, from_prompt_pad))
    ret = GST_FLOW_FLUSHING;
  g_mutex_unlock (&self->wait.mutex);
  return ret;
}

/* Does anybody downstream send bitnet/turn? Asked once. */
static void
ask_for_turns (GstBitnetTokenize *self, guint history_size)
{
  g_autoptr (GstQuery) query = NULL;
  guint parallel = 1;

  if (self->asked_turns)
    return;
  self->asked_turns = TRUE;
  query = gst_query_new_custom (
      GST_QUERY_CUSTOM, gst_structure_new_empty (GST_BITNET_QUERY_TURNS));
  self->has_turns = gst_pad_peer_query (self->srcpad, query);
  self->context_size = 0;
  if (self->has_turns)
    gst_structure_get (gst_query_get_structure (query), "context-size",
        G_TYPE_UINT, &self->context_size, "parallel", G_TYPE_UINT, &parallel,
        NULL);
  GST_INFO_OBJECT (self, "downstream %s answers",
      self->has_turns ? "reports" : "does not report");
  if (history_size > 0 && parallel > 1)
    GST_ELEMENT_INFO (self, STREAM, ENCODE,
        ("With a history the prompts are answered one after the other."),
        ("history-size is %u, parallel of infer is %u", history_size,
            parallel));
}

/* The conversation. */

void
gst_bitnet_tokenize_reset_conversation (GstBitnetTokenize *self)
{
  g_mutex_lock (&self->wait.mutex);
  bitnet_conversation_clear (self->conversation);
  self->discont = TRUE;
  self->turn = 0;
  g_mutex_unlock (&self->wait.mutex);
}

static gboolean
load_json (BitnetConversation *conversation, const char *json, char **overrides,
    GError **error)
{
  g_autoptr (BitnetParams) params = bitnet_params_new ();

  if (!bitnet_conversation_load_request (
          conversation, json, -1, overrides, error))
    return FALSE;
  if (bitnet_conversation_get_n_messages (conversation) == 0) {
    g_set_error_literal (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "the request has no messages, expected at least one");
    return FALSE;
  }
  return *overrides == NULL
         || bitnet_params_load_json (params, *overrides, -1, error);
}

static gboolean
load_request (BitnetConversation *conversation, const Prompt *prompt,
    char **overrides, GError **error)
{
  if (!prompt->is_json)
    return bitnet_conversation_append (
        conversation, "user", prompt->text, error);
  if (load_json (conversation, prompt->text, overrides, error))
    return TRUE;
  if (error && *error)
    (*error)->code = BITNET_ERROR_ENCODING; /* the stream is malformed */
  return FALSE;
}

/* The conversation that ends with this prompt, and what of it is kept. */
static BitnetConversation *
build_conversation (GstBitnetTokenize *self, const Job *job,
    const Prompt *prompt, char **overrides, GError **error)
{
  g_autoptr (BitnetConversation) conversation = NULL;

  g_mutex_lock (&self->wait.mutex);
  conversation = job->history_size > 0
                     ? bitnet_conversation_copy (self->conversation)
                     : bitnet_conversation_new ();
  g_mutex_unlock (&self->wait.mutex);
  if (!load_request (conversation, prompt, overrides, error))
    return NULL;
  if (job->history_size > 0)
    bitnet_conversation_trim (conversation, job->history_size + 1);
  if (job->system_prompt
      && g_strcmp0 (bitnet_conversation_get_role (conversation, 0), "system"))
    bitnet_conversation_set_system (conversation, job->system_prompt);
  return g_steal_pointer (&conversation);
}

static gboolean
ensure_template (GstBitnetTokenize *self, Job *job, GError **error)
{
  g_autofree char *warning = NULL;

  if (self->template_model != job->model) {
    g_clear_object (&self->template);
    g_set_object (&self->template_model, job->model);
  }
  if (self->template == NULL) {
    self->template = encoder_load_template (
        job->template_setting, job->model, &warning, error);
    if (warning)
      GST_ELEMENT_WARNING (self, STREAM, FORMAT, ("%s", warning),
          ("chat template of the model"));
  }
  job->options.template = self->template;
  return self->template != NULL;
}

static guint
smaller_size (guint a, guint b)
{
  if (a == 0 || b == 0)
    return MAX (a, b);
  return MIN (a, b);
}

/* Encodes the prompt and enters it into the history. */
static GstBuffer *
encode_prompt (
    GstBitnetTokenize *self, Job *job, const Prompt *prompt, GError **error)
{
  g_autoptr (BitnetConversation) conversation = NULL;
  g_autofree char *overrides = NULL;
  g_autofree char *warning = NULL;
  guint32 *tokens;
  gsize n_tokens;
  guint64 *id;
  GstBuffer *buffer;
  GstStructure *s;

  conversation = build_conversation (self, job, prompt, &overrides, error);
  if (conversation == NULL || !ensure_template (self, job, error))
    return NULL;
  job->options.context_size = smaller_size (
      self->context_size, bitnet_model_get_context_length (job->model));
  tokens =
      encoder_encode (&job->options, conversation, &n_tokens, &warning, error);
  if (tokens == NULL)
    return NULL;
  if (warning)
    GST_ELEMENT_WARNING (
        self, STREAM, ENCODE, ("%s", warning), ("property overflow"));
  for (gsize i = 0; i < n_tokens; i++)
    tokens[i] = GUINT32_TO_LE (tokens[i]);
  buffer = gst_buffer_new_wrapped (tokens, n_tokens * sizeof *tokens);
  GST_BUFFER_PTS (buffer) = prompt->pts;
  GST_BUFFER_DURATION (buffer) = prompt->duration;

  id = g_new (guint64, 1);
  *id = self->next_id++;
  s = gst_bitnet_buffer_ensure_request (buffer);
  g_mutex_lock (&self->wait.mutex);
  gst_structure_set (s, "request-id", G_TYPE_UINT64, *id, "turn", G_TYPE_UINT,
      self->turn++, NULL);
  if (self->discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->discont = FALSE;
  if (job->history_size > 0 && self->has_turns) {
    bitnet_conversation_set_system (conversation, NULL);
    g_set_object (&self->conversation, conversation);
  }
  if (self->has_turns)
    g_queue_push_tail (&self->pending, g_steal_pointer (&id));
  g_mutex_unlock (&self->wait.mutex);
  g_free (id);
  if (overrides)
    gst_structure_set (s, "overrides", G_TYPE_STRING, overrides, NULL);
  GST_LOG_OBJECT (self, "a prompt of %" G_GSIZE_FORMAT " tokens", n_tokens);
  return buffer;
}

static GstFlowReturn
handle_locked (GstBitnetTokenize *self, const Prompt *prompt)
{
  g_auto (Job) job = {0};
  g_autoptr (GError) error = NULL;
  gboolean busy;
  GstBuffer *buffer;
  GstFlowReturn ret;

  job_init (&job, self);
  g_mutex_lock (&self->wait.mutex);
  busy = !g_queue_is_empty (&self->pending);
  g_mutex_unlock (&self->wait.mutex);
  if (job.interrupt && busy)
    gst_pad_push_event (self->srcpad,
        gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB,
            gst_structure_new_empty (GST_BITNET_EVENT_INTERRUPT)));

  ret = gst_bitnet_tokenize_wait_handles (self, prompt->from_prompt_pad);
  if (ret != GST_FLOW_OK)
    return ret;
  ask_for_turns (self, job.history_size);
  if (job.history_size > 0 && self->has_turns) {
    ret = wait_for_turns (self, prompt->from_prompt_pad);
    if (ret != GST_FLOW_OK)
      return ret;
  }
  g_mutex_lock (&self->wait.mutex);
  if (self->model && self->tokenizer) {
    job.model = g_object_ref (self->model);
    job.options.tokenizer = g_object_ref (self->tokenizer);
  }
  g_mutex_unlock (&self->wait.mutex);
  if (job.model == NULL)
    return GST_FLOW_FLUSHING;
  buffer = encode_prompt (self, &job, prompt, &error);
  if (buffer == NULL)
    return gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);

  g_rec_mutex_lock (&self->push_lock);
  gst_bitnet_tokenize_push_preamble (self);
  ret = gst_pad_push (self->srcpad, buffer);
  g_rec_mutex_unlock (&self->push_lock);
  return ret;
}

GstFlowReturn
gst_bitnet_tokenize_handle_prompt (GstBitnetTokenize *self, Prompt *prompt)
{
  GstFlowReturn ret;

  g_mutex_lock (&self->request_lock);
  ret = handle_locked (self, prompt);
  g_mutex_unlock (&self->request_lock);
  g_clear_pointer (&prompt->text, g_free);
  return ret;
}

/* Whoever comes second returns when the prompt is out, so that EOS cannot
 * overtake it. */
GstFlowReturn
gst_bitnet_tokenize_handle_only_prompt (GstBitnetTokenize *self)
{
  Prompt prompt = {.pts = GST_CLOCK_TIME_NONE, .duration = GST_CLOCK_TIME_NONE};
  GstFlowReturn ret = GST_FLOW_OK;
  const char *end;

  GST_OBJECT_LOCK (self);
  prompt.text = g_strdup (self->prompt);
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->request_lock);
  if (self->prompt_sent || prompt.text == NULL) {
    ret = GST_FLOW_OK;
  } else if (!g_utf8_validate (prompt.text, -1, &end)) {
    g_autofree char *problem = g_strdup_printf (
        "the prompt is not UTF-8: found byte 0x%02x at offset %" G_GSIZE_FORMAT
        ", expected a valid character",
        (guchar) *end, (gsize) (end - prompt.text));

    gst_bitnet_tokenize_post_bad_text (self, problem);
    ret = GST_FLOW_ERROR;
  } else {
    ret = handle_locked (self, &prompt);
  }
  self->prompt_sent = TRUE;
  g_mutex_unlock (&self->request_lock);
  g_free (prompt.text);
  return ret;
}

/* Answers. */

/* Takes the request out of the queue; FALSE if it was not in it. */
static gboolean
remove_pending (GstBitnetTokenize *self, guint64 id)
{
  for (GList *l = self->pending.head; l; l = l->next) {
    if (*(guint64 *) l->data == id) {
      g_free (l->data);
      g_queue_delete_link (&self->pending, l);
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean
ends_with_question (BitnetConversation *conversation)
{
  guint n = bitnet_conversation_get_n_messages (conversation);

  return n > 0
         && g_strcmp0 (
                bitnet_conversation_get_role (conversation, n - 1), "user")
                == 0;
}

static char *
decode_answer (BitnetTokenizer *tokenizer, GBytes *ids)
{
  gsize size;
  const guint32 *raw = ids ? g_bytes_get_data (ids, &size) : NULL;
  g_autofree guint32 *tokens = NULL;
  gsize n_tokens;
  char *text;

  if (raw == NULL || tokenizer == NULL)
    return g_strdup ("");
  n_tokens = size / sizeof *raw;
  tokens = g_new (guint32, n_tokens);
  for (gsize i = 0; i < n_tokens; i++)
    tokens[i] = GUINT32_FROM_LE (raw[i]);
  text = bitnet_tokenizer_decode (
      tokenizer, tokens, n_tokens, BITNET_DECODE_NONE, NULL, NULL);
  return text ? text : g_strdup ("");
}

void
gst_bitnet_tokenize_take_turn (GstBitnetTokenize *self, GstEvent *event)
{
  const GstStructure *s = gst_event_get_structure (event);
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GBytes) ids = NULL;
  g_autofree char *text = NULL;
  guint64 id = 0;
  guint history_size;

  gst_structure_get (
      s, "request-id", G_TYPE_UINT64, &id, "ids", G_TYPE_BYTES, &ids, NULL);
  GST_OBJECT_LOCK (self);
  history_size = self->history_size;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->wait.mutex);
  g_set_object (&tokenizer, self->tokenizer);
  g_mutex_unlock (&self->wait.mutex);

  text = decode_answer (tokenizer, ids);
  g_mutex_lock (&self->wait.mutex);
  if (remove_pending (self, id) && history_size > 0
      && ends_with_question (self->conversation))
    bitnet_conversation_append (self->conversation, "assistant", text, NULL);
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
  gst_bitnet_tokenize_emit_turn_done (self, id, text);
}

/* After a flush nobody answers any more; roles still have to alternate. */
void
gst_bitnet_tokenize_forget_pending (GstBitnetTokenize *self)
{
  g_mutex_lock (&self->wait.mutex);
  if (!g_queue_is_empty (&self->pending)
      && ends_with_question (self->conversation))
    bitnet_conversation_append (self->conversation, "assistant", "", NULL);
  g_queue_clear_full (&self->pending, g_free);
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
}

void
gst_bitnet_tokenize_post_bad_text (GstBitnetTokenize *self, const char *problem)
{
  g_autoptr (GError) error =
      g_error_new_literal (BITNET_ERROR, BITNET_ERROR_ENCODING, problem);

  gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);
}

/* What precedes data. */

static void
push_stream_start (GstBitnetTokenize *self)
{
  g_autoptr (GstEvent) model_start =
      gst_pad_get_sticky_event (self->sinkpad, GST_EVENT_STREAM_START, 0);
  g_autofree char *id = NULL;
  const char *upstream = self->stream_id;
  guint group = self->group_id;
  GstEvent *event;

  if (upstream == NULL && model_start) {
    gst_event_parse_stream_start (model_start, &upstream);
    gst_event_parse_group_id (model_start, &group);
  }
  id = g_strdup_printf ("%s/tokens", upstream ? upstream : "bitnet");
  event = gst_event_new_stream_start (id);
  gst_event_set_stream_flags (event, GST_STREAM_FLAG_SPARSE);
  gst_event_set_group_id (
      event, group == GST_GROUP_ID_INVALID ? gst_util_group_id_next () : group);
  gst_pad_push_event (self->srcpad, event);
  self->sent_start = TRUE;
}

static void
push_caps (GstBitnetTokenize *self, BitnetModel *model,
    BitnetTokenizer *tokenizer, gboolean fallback)
{
  guint vocab_size = tokenizer ? bitnet_tokenizer_get_vocab_size (tokenizer)
                               : bitnet_model_get_vocab_size (model);
  g_autoptr (GstCaps) caps =
      gst_caps_new_simple ("application/x-llm-tokens", "format", G_TYPE_STRING,
          "U32LE", "vocab-size", G_TYPE_INT, (int) vocab_size, NULL);

  if (tokenizer)
    gst_caps_set_simple (caps, "tokenizer", G_TYPE_STRING,
        bitnet_tokenizer_get_id (tokenizer), "fallback", G_TYPE_BOOLEAN,
        fallback, NULL);
  if (self->sent_caps && gst_caps_is_equal (self->sent_caps, caps))
    return;
  gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
  gst_caps_replace (&self->sent_caps, caps);
}

static void
push_segment (GstBitnetTokenize *self)
{
  GstEvent *event;

  if (self->segment_event) {
    event = gst_event_ref (self->segment_event);
  } else {
    gst_segment_init (&self->segment, GST_FORMAT_TIME);
    event = gst_event_new_segment (&self->segment);
  }
  gst_pad_push_event (self->srcpad, event);
  self->sent_segment = TRUE;
}

static void
push_handles (GstBitnetTokenize *self, BitnetModel *model,
    BitnetTokenizer *tokenizer, gboolean fallback)
{
  if (model && model != self->sent_model) {
    gst_pad_push_event (self->srcpad, gst_bitnet_event_new_model (model));
    g_set_object (&self->sent_model, model);
  }
  if (tokenizer && tokenizer != self->sent_tokenizer) {
    gst_pad_push_event (
        self->srcpad, gst_bitnet_event_new_tokenizer (tokenizer, fallback));
    g_set_object (&self->sent_tokenizer, tokenizer);
  }
}

void
gst_bitnet_tokenize_push_preamble (GstBitnetTokenize *self)
{
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  gboolean fallback, send_handles;
  GstEvent *event;

  g_mutex_lock (&self->wait.mutex);
  g_set_object (&model, self->model);
  g_set_object (&tokenizer, self->tokenizer);
  fallback = self->fallback;
  g_mutex_unlock (&self->wait.mutex);
  GST_OBJECT_LOCK (self);
  send_handles = self->send_handles;
  GST_OBJECT_UNLOCK (self);
  if (model == NULL)
    return;

  g_rec_mutex_lock (&self->push_lock);
  if (!self->sent_start)
    push_stream_start (self);
  push_caps (self, model, tokenizer, fallback);
  if (!self->sent_segment)
    push_segment (self);
  if (send_handles)
    push_handles (self, model, tokenizer, fallback);
  while ((event = g_queue_pop_head (&self->events)) != NULL)
    gst_pad_push_event (self->srcpad, event);
  g_rec_mutex_unlock (&self->push_lock);
}

void
gst_bitnet_tokenize_push_eos (GstBitnetTokenize *self)
{
  g_rec_mutex_lock (&self->push_lock);
  if (!self->sent_eos) {
    self->sent_eos = TRUE;
    if (!self->sent_start)
      push_stream_start (self);
    gst_pad_push_event (self->srcpad, gst_event_new_eos ());
  }
  g_rec_mutex_unlock (&self->push_lock);
}
