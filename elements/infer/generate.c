/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* infer: responses. A request goes to the engine as soon as the engine is
 * there, so that `parallel` of them run at a time; the source-pad task takes
 * the tokens of the oldest one and pushes them. */
#include "gstinfer-private.h"

#include <string.h>

#define GST_CAT_DEFAULT gst_bitnet_infer_debug

void
gst_bitnet_request_free (gpointer data)
{
  Request *request = data;

  gst_clear_buffer (&request->buffer);
  g_clear_pointer (&request->params, bitnet_params_free);
  g_clear_pointer (&request->load, gst_bitnet_load_unref);
  g_clear_object (&request->tokenizer);
  g_clear_object (&request->sequence);
  g_free (request);
}

/* Submitting. */

/* The prompt's tokens in host order; (transfer full). */
static guint32 *
read_prompt (Request *request, gsize *n_tokens, GError **error)
{
  GstMapInfo map;
  guint32 *tokens;

  if (request->buffer == NULL) {
    guint32 bos = request->tokenizer ? bitnet_tokenizer_get_special (
                      request->tokenizer, BITNET_SPECIAL_BOS)
                                     : BITNET_TOKEN_NONE;

    tokens = g_new (guint32, 1);
    tokens[0] = bos == BITNET_TOKEN_NONE ? 0 : bos;
    *n_tokens = 1;
    return tokens;
  }
  if (!gst_buffer_map (request->buffer, &map, GST_MAP_READ)) {
    g_set_error_literal (error, BITNET_ERROR, BITNET_ERROR_READ,
        "the prompt's buffer cannot be mapped");
    return NULL;
  }
  *n_tokens = map.size / sizeof *tokens;
  if (*n_tokens == 0 || map.size % sizeof *tokens != 0) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_ENCODING,
        "found a token buffer of %" G_GSIZE_FORMAT
        " bytes, expected a multiple of 4",
        map.size);
    gst_buffer_unmap (request->buffer, &map);
    return NULL;
  }
  tokens = g_new (guint32, *n_tokens);
  for (gsize i = 0; i < *n_tokens; i++)
    tokens[i] = GST_READ_UINT32_LE (map.data + i * sizeof *tokens);
  gst_buffer_unmap (request->buffer, &map);
  return tokens;
}

static gboolean
submit (Request *request, BitnetEngine *engine, GError **error)
{
  g_autofree guint32 *tokens = NULL;
  gsize n_tokens;

  tokens = read_prompt (request, &n_tokens, error);
  if (tokens == NULL)
    return FALSE;
  request->sequence = bitnet_engine_submit (
      engine, request->tokenizer, tokens, n_tokens, request->params, error);
  return request->sequence != NULL;
}

static void
submit_if_possible (gpointer data, gpointer user_data)
{
  Request *request = data;

  /* A failure shows again, and is reported, when it is this one's turn. */
  if (request->sequence == NULL && !request->cancelled && request->load
      && request->load->state == LOAD_READY)
    submit (request, request->load->engine, NULL);
}

void
gst_bitnet_infer_submit_pending (GstBitnetInfer *self)
{
  if (!self->wait.flushing)
    item_queue_foreach_request (self->queue, submit_if_possible, NULL);
}

/* Cancelling. */

static void
cancel_request (gpointer data, gpointer user_data)
{
  Request *request = data;
  const guint64 *id = user_data;

  if (id && request->id != *id)
    return;
  request->cancelled = TRUE;
  if (request->sequence)
    bitnet_sequence_cancel (request->sequence);
}

void
gst_bitnet_infer_cancel_locked (GstBitnetInfer *self, const guint64 *id)
{
  item_queue_foreach_request (self->queue, cancel_request, (gpointer) id);
}

void
gst_bitnet_infer_cancel (GstBitnetInfer *self, const guint64 *id)
{
  g_mutex_lock (&self->wait.mutex);
  gst_bitnet_infer_cancel_locked (self, id);
  g_mutex_unlock (&self->wait.mutex);
}

/* Pushing. */

static GstBuffer *
new_buffer (
    const Request *request, const guint32 *tokens, gsize n_tokens, gsize offset)
{
  GstBuffer *buffer = gst_buffer_new ();
  GstStructure *s;
  guint32 *ids;

  if (n_tokens > 0) {
    ids = g_new (guint32, n_tokens);
    for (gsize i = 0; i < n_tokens; i++)
      ids[i] = GUINT32_TO_LE (tokens[i]);
    gst_buffer_append_memory (
        buffer, gst_memory_new_wrapped (0, ids, n_tokens * sizeof *ids, 0,
                    n_tokens * sizeof *ids, ids, g_free));
  }
  gst_buffer_copy_into (buffer, request->buffer,
      GST_BUFFER_COPY_TIMESTAMPS | GST_BUFFER_COPY_META, 0, -1);
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_OFFSET (buffer) = offset;
  GST_BUFFER_OFFSET_END (buffer) = offset + n_tokens;
  if (offset == 0)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  s = gst_bitnet_buffer_ensure_request (buffer);
  gst_structure_set (s, "request-id", G_TYPE_UINT64, request->id, "turn",
      G_TYPE_UINT, request->turn, NULL);
  gst_structure_remove_field (s, "overrides");
  return buffer;
}

/* Up to max tokens; fewer only at the end. -1: cancelled or failed. */
static gssize
collect (BitnetSequence *sequence, guint32 *tokens, gsize max,
    GCancellable *cancellable, gboolean *at_end, GError **error)
{
  gsize n_tokens = 0;
  gssize n;

  *at_end = FALSE;
  while (n_tokens < max && !*at_end) {
    n = bitnet_sequence_take (
        sequence, tokens + n_tokens, max - n_tokens, cancellable, error);
    if (n < 0)
      return -1;
    *at_end = n == 0;
    n_tokens += n;
  }
  return n_tokens;
}

/* The tokens as they come, all of them in ids. */
static GstFlowReturn
push_tokens (GstBitnetInfer *self, const Request *request,
    BitnetSequence *sequence, guint chunk, GArray *ids, GError **error)
{
  g_autofree guint32 *tokens = g_new (guint32, chunk);
  g_autoptr (GCancellable) cancellable = NULL;
  GstFlowReturn ret = GST_FLOW_OK;
  gboolean at_end = FALSE;
  gssize n;

  g_mutex_lock (&self->wait.mutex);
  cancellable = g_object_ref (self->cancellable);
  g_mutex_unlock (&self->wait.mutex);
  while (ret == GST_FLOW_OK && !at_end) {
    n = collect (sequence, tokens, chunk, cancellable, &at_end, error);
    if (n < 0)
      return GST_FLOW_ERROR;
    if (n == 0)
      break;
    GST_TRACE_OBJECT (self, "%" G_GSSIZE_FORMAT " tokens", n);
    if (request->buffer)
      ret = gst_pad_push (
          self->srcpad, new_buffer (request, tokens, n, ids->len));
    g_array_append_vals (ids, tokens, n);
  }
  return ret;
}

/* What is told when a response has ended. */
typedef struct {
  BitnetFinishReason reason;
  guint n_prompt, n_cached;
  guint64 prefill_ns, decode_ns;
  GArray *ids; /* of guint32 */
} Outcome;

static GstFlowReturn
push_marker (
    GstBitnetInfer *self, const Request *request, const Outcome *outcome)
{
  GstBuffer *buffer = new_buffer (request, NULL, 0, outcome->ids->len);

  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_MARKER);
  gst_structure_set (gst_bitnet_buffer_ensure_request (buffer), "finish-reason",
      G_TYPE_STRING, bitnet_finish_reason_to_string (outcome->reason), NULL);
  return gst_pad_push (self->srcpad, buffer);
}

static void
send_turn (GstBitnetInfer *self, const Request *request, const Outcome *outcome)
{
  gsize size = outcome->ids->len * sizeof (guint32);
  guint32 *raw = g_memdup2 (outcome->ids->data, size);
  g_autoptr (GBytes) ids = NULL;

  for (guint i = 0; i < outcome->ids->len; i++)
    raw[i] = GUINT32_TO_LE (raw[i]);
  ids = g_bytes_new_take (raw, size);
  gst_pad_push_event (self->sinkpad,
      gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
          gst_structure_new (GST_BITNET_EVENT_TURN, "request-id", G_TYPE_UINT64,
              request->id, "finish-reason", G_TYPE_STRING,
              bitnet_finish_reason_to_string (outcome->reason), "ids",
              G_TYPE_BYTES, ids, NULL)));
}

static void
post_generation (
    GstBitnetInfer *self, const Request *request, const Outcome *outcome)
{
  double seconds = (double) outcome->decode_ns / GST_SECOND;
  double rate = seconds > 0 ? outcome->ids->len / seconds : 0;

  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self),
          gst_structure_new ("bitnet-generation", "request-id", G_TYPE_UINT64,
              request->id, "turn", G_TYPE_UINT, request->turn, "prompt-tokens",
              G_TYPE_UINT, outcome->n_prompt, "cached-tokens", G_TYPE_UINT,
              outcome->n_cached, "generated-tokens", G_TYPE_UINT,
              outcome->ids->len, "finish-reason", G_TYPE_STRING,
              bitnet_finish_reason_to_string (outcome->reason), "prefill-ns",
              G_TYPE_UINT64, outcome->prefill_ns, "decode-ns", G_TYPE_UINT64,
              outcome->decode_ns, "tokens-per-second", G_TYPE_DOUBLE, rate,
              "running-time", G_TYPE_UINT64,
              gst_bitnet_running_time (GST_ELEMENT (self)), NULL)));
}

static void
count (GstBitnetInfer *self, const Outcome *outcome)
{
  g_mutex_lock (&self->wait.mutex);
  self->n_requests++;
  self->n_cancelled += outcome->reason == BITNET_FINISH_CANCELLED;
  self->n_prompt_tokens += outcome->n_prompt;
  self->n_cached_tokens += outcome->n_cached;
  self->n_generated_tokens += outcome->ids->len;
  self->prefill_ns += outcome->prefill_ns;
  self->decode_ns += outcome->decode_ns;
  g_mutex_unlock (&self->wait.mutex);
  gst_bitnet_infer_notify_stats (self);
}

/* A live pipeline was promised a latency. */
static void
check_latency (GstBitnetInfer *self, GstClockTime elapsed)
{
  guint latency_ms;
  gboolean late;

  GST_OBJECT_LOCK (self);
  latency_ms = self->latency_ms;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->wait.mutex);
  late = self->is_live && !self->warned_latency
         && elapsed > latency_ms * GST_MSECOND;
  self->warned_latency |= late;
  g_mutex_unlock (&self->wait.mutex);
  if (late)
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("A response took %u ms, longer than the latency of %u ms.",
            (guint) (elapsed / GST_MSECOND), latency_ms),
        ("raise the property latency"));
}

/* Responding. */

/* The request's load; a branch that saw no handle asks for one. */
static Load *
ensure_load (GstBitnetInfer *self, Request *request)
{
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (GError) error = NULL;
  gboolean fallback;

  if (request->load)
    return request->load;
  model = gst_bitnet_pad_query_model (self->sinkpad);
  if (model == NULL) {
    g_set_error_literal (&error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND,
        "no model handle arrived before the tokens; are ggufsrc, tokresolve "
        "and tokenize upstream?");
    gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);
    return NULL;
  }
  gst_bitnet_infer_start_load (self, model);
  g_mutex_lock (&self->wait.mutex);
  if (self->load)
    request->load = gst_bitnet_load_ref (self->load);
  g_mutex_unlock (&self->wait.mutex);
  if (request->tokenizer == NULL)
    request->tokenizer =
        gst_bitnet_pad_query_tokenizer (self->sinkpad, &fallback);
  return request->load;
}

/* The running sequence; NULL with OK if it was cancelled before it began. */
static BitnetSequence *
ensure_sequence (GstBitnetInfer *self, Request *request, GstFlowReturn *ret)
{
  g_autoptr (BitnetEngine) engine = NULL;
  g_autoptr (GError) error = NULL;
  BitnetSequence *sequence = NULL;

  *ret = GST_FLOW_OK;
  if (ensure_load (self, request) == NULL) {
    *ret = GST_FLOW_ERROR;
    return NULL;
  }
  engine = gst_bitnet_infer_wait_engine (self, request->load, ret);
  if (engine == NULL)
    return NULL;
  g_mutex_lock (&self->wait.mutex);
  if (request->sequence == NULL && !request->cancelled)
    submit (request, engine, &error);
  if (request->sequence)
    sequence = g_object_ref (request->sequence);
  g_mutex_unlock (&self->wait.mutex);
  if (error)
    *ret = gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);
  return sequence;
}

static void
read_outcome (Outcome *outcome, BitnetSequence *sequence)
{
  outcome->reason = bitnet_sequence_get_finish_reason (sequence);
  outcome->n_prompt = bitnet_sequence_get_n_prompt_tokens (sequence);
  outcome->n_cached = bitnet_sequence_get_n_cached_tokens (sequence);
  outcome->prefill_ns = bitnet_sequence_get_prefill_ns (sequence);
  outcome->decode_ns = bitnet_sequence_get_decode_ns (sequence);
}

static gboolean
is_flushing (GstBitnetInfer *self)
{
  gboolean flushing;

  g_mutex_lock (&self->wait.mutex);
  flushing = self->wait.flushing;
  g_mutex_unlock (&self->wait.mutex);
  return flushing;
}

/* Tokens until the end, and why it ended. */
static GstFlowReturn
generate (GstBitnetInfer *self, Request *request, Outcome *outcome)
{
  g_autoptr (BitnetSequence) sequence = NULL;
  g_autoptr (GError) error = NULL;
  GstFlowReturn ret;
  guint chunk;

  GST_OBJECT_LOCK (self);
  chunk = self->chunk;
  GST_OBJECT_UNLOCK (self);
  sequence = ensure_sequence (self, request, &ret);
  if (sequence == NULL) {
    outcome->reason =
        ret == GST_FLOW_ERROR ? BITNET_FINISH_ERROR : BITNET_FINISH_CANCELLED;
    return ret;
  }
  ret = push_tokens (self, request, sequence, chunk, outcome->ids, &error);
  if (ret != GST_FLOW_OK)
    bitnet_sequence_cancel (sequence);
  read_outcome (outcome, sequence);
  if (error) {
    if (is_flushing (self))
      ret = GST_FLOW_FLUSHING;
    else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
      ret = GST_FLOW_OK;
    else
      ret = gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);
    outcome->reason =
        ret == GST_FLOW_ERROR ? BITNET_FINISH_ERROR : BITNET_FINISH_CANCELLED;
  } else if (ret != GST_FLOW_OK) {
    outcome->reason = BITNET_FINISH_CANCELLED;
  }
  return ret;
}

GstFlowReturn
gst_bitnet_infer_respond (GstBitnetInfer *self, Request *request)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  Outcome outcome = {.ids = ids, .reason = BITNET_FINISH_CANCELLED};
  GstClockTime start = gst_util_get_timestamp ();
  GstFlowReturn ret;

  ret = generate (self, request, &outcome);
  if (request->buffer == NULL)
    return ret;
  if (ret == GST_FLOW_OK)
    ret = push_marker (self, request, &outcome);
  GST_DEBUG_OBJECT (self,
      "request %" G_GUINT64_FORMAT ": %u tokens, %s, flow %s", request->id,
      ids->len, bitnet_finish_reason_to_string (outcome.reason),
      gst_flow_get_name (ret));
  check_latency (self, gst_util_get_timestamp () - start);
  count (self, &outcome);
  post_generation (self, request, &outcome);
  send_turn (self, request, &outcome);
  return ret;
}
