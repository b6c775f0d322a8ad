/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* infer: pads and queue. The sink pad never generates: it queues requests and
 * serialized events, and blocks while `parallel` requests are outstanding.
 * The source pad's task works the queue off in order. A failed push is kept
 * and returned from the next chain call; events still go out, so that EOS
 * always arrives. */
#include "gstinfer-private.h"

#define GST_CAT_DEFAULT gst_bitnet_infer_debug

GstStaticPadTemplate gst_bitnet_infer_sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (GST_BITNET_TOKEN_CAPS));
GstStaticPadTemplate gst_bitnet_infer_src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (GST_BITNET_TOKEN_CAPS));

/* The source pad's task. */

static void
task_loop (GstPad *pad)
{
  GstBitnetInfer *self = GST_BITNET_INFER (GST_PAD_PARENT (pad));
  GstEvent *event = NULL;
  Request *request = NULL;
  GstFlowReturn ret;

  g_mutex_lock (&self->wait.mutex);
  while (!self->wait.flushing && item_queue_is_empty (self->queue))
    g_cond_wait (&self->wait.cond, &self->wait.mutex);
  if (self->wait.flushing) {
    g_mutex_unlock (&self->wait.mutex);
    gst_pad_pause_task (pad);
    return;
  }
  event = item_queue_pop_event (self->queue);
  if (event == NULL)
    request = item_queue_peek_request (self->queue);
  ret = self->flow;
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);

  if (event) {
    gst_pad_push_event (self->srcpad, event);
    return;
  }
  if (ret == GST_FLOW_OK) {
    ret = gst_bitnet_infer_respond (self, request);
    gst_bitnet_fail_flow (GST_ELEMENT (self), &self->wait, ret);
  }
  g_mutex_lock (&self->wait.mutex);
  item_queue_drop_request (self->queue);
  if (self->flow == GST_FLOW_OK)
    self->flow = ret;
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
}

/* Ends waits and responses; with loads it is for good. */
static void
set_flushing (GstBitnetInfer *self)
{
  g_autoptr (GCancellable) cancellable = NULL;

  g_mutex_lock (&self->wait.mutex);
  self->wait.flushing = TRUE;
  gst_bitnet_infer_cancel_locked (self, NULL);
  cancellable = g_object_ref (self->cancellable);
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
  g_cancellable_cancel (cancellable);
}

void
gst_bitnet_infer_unblock (GstBitnetInfer *self)
{
  set_flushing (self);
  gst_bitnet_infer_cancel_loads (self);
}

static void
clear_flushing (GstBitnetInfer *self)
{
  g_mutex_lock (&self->wait.mutex);
  self->wait.flushing = FALSE;
  self->flow = GST_FLOW_OK;
  g_object_unref (self->cancellable);
  self->cancellable = g_cancellable_new ();
  g_mutex_unlock (&self->wait.mutex);
}

static gboolean
src_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstBitnetInfer *self = GST_BITNET_INFER (parent);
  gboolean stopped;

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (active) {
    gst_bitnet_wait_start (&self->wait);
    clear_flushing (self);
    return gst_pad_start_task (pad, (GstTaskFunction) task_loop, pad, NULL);
  }
  set_flushing (self);
  stopped = gst_pad_stop_task (pad);
  g_mutex_lock (&self->wait.mutex);
  item_queue_flush (self->queue, NULL);
  g_mutex_unlock (&self->wait.mutex);
  return stopped;
}

/* The sink pad. */

static Request *
new_request (GstBitnetInfer *self, GstBuffer *buffer, GError **error)
{
  Request *request = g_new0 (Request, 1);
  const GstStructure *s = gst_bitnet_buffer_get_request (buffer);
  const char *overrides = s ? gst_structure_get_string (s, "overrides") : NULL;

  request->params = gst_bitnet_infer_dup_params (self);
  if (overrides
      && !bitnet_params_load_json (request->params, overrides, -1, error)) {
    gst_bitnet_request_free (request);
    return NULL;
  }
  request->buffer = gst_buffer_ref (buffer);
  g_mutex_lock (&self->wait.mutex);
  request->id = self->next_id;
  if (s)
    gst_structure_get (s, "request-id", G_TYPE_UINT64, &request->id, "turn",
        G_TYPE_UINT, &request->turn, NULL);
  self->next_id = request->id + 1;
  g_mutex_unlock (&self->wait.mutex);
  return request;
}

/* Waits for a place and puts the request there. Takes it. */
static GstFlowReturn
queue_request (GstBitnetInfer *self, Request *request)
{
  GstFlowReturn ret;
  guint parallel;

  GST_OBJECT_LOCK (self);
  parallel = self->parallel;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->wait.mutex);
  while (!self->wait.flushing && self->flow == GST_FLOW_OK
         && item_queue_get_n_requests (self->queue) >= parallel)
    g_cond_wait (&self->wait.cond, &self->wait.mutex);
  if (self->wait.flushing)
    ret = GST_FLOW_FLUSHING;
  else if (self->wait.failed)
    ret = GST_FLOW_ERROR;
  else
    ret = self->flow;
  if (ret == GST_FLOW_OK) {
    if (self->load)
      request->load = gst_bitnet_load_ref (self->load);
    if (self->tokenizer)
      request->tokenizer = g_object_ref (self->tokenizer);
    item_queue_push_request (self->queue, g_steal_pointer (&request));
    gst_bitnet_infer_submit_pending (self);
    g_cond_broadcast (&self->wait.cond);
  }
  g_mutex_unlock (&self->wait.mutex);
  g_clear_pointer (&request, gst_bitnet_request_free);
  return ret;
}

static GstFlowReturn
sink_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstBitnetInfer *self = GST_BITNET_INFER (parent);
  g_autoptr (GError) error = NULL;
  Request *request = new_request (self, buffer, &error);

  gst_buffer_unref (buffer);
  if (request == NULL)
    return gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);
  return queue_request (self, request);
}

void
gst_bitnet_infer_queue_warm_up (GstBitnetInfer *self)
{
  Request *request = g_new0 (Request, 1);

  request->params = bitnet_params_new ();
  request->params->max_tokens = 1;
  request->params->seed = 1;
  g_mutex_lock (&self->wait.mutex);
  if (!self->wait.flushing && self->load) {
    request->load = gst_bitnet_load_ref (self->load);
    item_queue_push_request (self->queue, g_steal_pointer (&request));
    gst_bitnet_infer_submit_pending (self);
    g_cond_broadcast (&self->wait.cond);
  }
  g_mutex_unlock (&self->wait.mutex);
  g_clear_pointer (&request, gst_bitnet_request_free);
}

static gboolean
queue_event (GstBitnetInfer *self, GstEvent *event)
{
  gboolean queued;

  g_mutex_lock (&self->wait.mutex);
  queued = !self->wait.flushing;
  if (queued) {
    item_queue_push_event (self->queue, g_steal_pointer (&event));
    g_cond_broadcast (&self->wait.cond);
  }
  g_mutex_unlock (&self->wait.mutex);
  gst_clear_event (&event);
  return queued;
}

static void
take_handles (GstBitnetInfer *self, GstEvent *event)
{
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  gboolean fallback;

  if (gst_bitnet_event_parse_model (event, &model)) {
    gst_bitnet_infer_start_load (self, model);
  } else if (gst_bitnet_event_parse_tokenizer (event, &tokenizer, &fallback)) {
    g_mutex_lock (&self->wait.mutex);
    g_set_object (&self->tokenizer, tokenizer);
    g_mutex_unlock (&self->wait.mutex);
  }
}

static gboolean
stop_flush (GstBitnetInfer *self, GstEvent *event)
{
  gboolean forwarded;

  g_mutex_lock (&self->wait.mutex);
  item_queue_flush (self->queue, self->srcpad);
  g_mutex_unlock (&self->wait.mutex);
  forwarded = gst_pad_push_event (self->srcpad, event);
  clear_flushing (self);
  gst_pad_start_task (
      self->srcpad, (GstTaskFunction) task_loop, self->srcpad, NULL);
  return forwarded;
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstBitnetInfer *self = GST_BITNET_INFER (parent);
  gboolean forwarded;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      forwarded = gst_pad_push_event (self->srcpad, event);
      set_flushing (self);
      gst_pad_pause_task (self->srcpad);
      return forwarded;
    case GST_EVENT_FLUSH_STOP:
      return stop_flush (self, event);
    default:
      break;
  }
  if (gst_bitnet_event_has_name (event, GST_BITNET_EVENT_INTERRUPT)) {
    gst_bitnet_infer_cancel (self, NULL);
    gst_event_unref (event);
    return TRUE;
  }
  if (!GST_EVENT_IS_SERIALIZED (event))
    return gst_pad_event_default (pad, parent, event);
  take_handles (self, event);
  return queue_event (self, event);
}

/* For DRAIN: until nothing is outstanding. */
static gboolean
wait_until_drained (GstBitnetInfer *self)
{
  gboolean drained;

  g_mutex_lock (&self->wait.mutex);
  while (!self->wait.flushing && !item_queue_is_empty (self->queue))
    g_cond_wait (&self->wait.cond, &self->wait.mutex);
  drained = !self->wait.flushing;
  g_mutex_unlock (&self->wait.mutex);
  return drained;
}

static void
answer_turns (GstBitnetInfer *self, GstQuery *query)
{
  guint context_size, parallel;

  GST_OBJECT_LOCK (self);
  context_size = self->options->context_size;
  parallel = self->parallel;
  GST_OBJECT_UNLOCK (self);
  gst_structure_set (gst_query_writable_structure (query), "context-size",
      G_TYPE_UINT, context_size, "parallel", G_TYPE_UINT, parallel, NULL);
}

static gboolean
sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstBitnetInfer *self = GST_BITNET_INFER (parent);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_ALLOCATION:
      return FALSE;
    case GST_QUERY_DRAIN:
      return wait_until_drained (self);
    default:
      break;
  }
  if (gst_bitnet_query_has_name (query, GST_BITNET_QUERY_TURNS)) {
    answer_turns (self, query);
    return TRUE;
  }
  return gst_bitnet_query_answer_failed (query, &self->wait)
         || gst_pad_query_default (pad, parent, query);
}

/* The source pad. */

static gboolean
src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstBitnetInfer *self = GST_BITNET_INFER (parent);
  guint64 id;

  if (!gst_bitnet_event_has_name (event, GST_BITNET_EVENT_CANCEL))
    return gst_pad_event_default (pad, parent, event);
  if (gst_structure_get_uint64 (
          gst_event_get_structure (event), "request-id", &id))
    gst_bitnet_infer_cancel (self, &id);
  else
    gst_bitnet_infer_cancel (self, NULL);
  gst_event_unref (event);
  return TRUE;
}

static gboolean
query_latency (GstBitnetInfer *self, GstQuery *query)
{
  gboolean is_live;
  GstClockTime min, max, ours;

  if (!gst_pad_peer_query (self->sinkpad, query))
    return FALSE;
  gst_query_parse_latency (query, &is_live, &min, &max);
  GST_OBJECT_LOCK (self);
  ours = self->latency_ms * GST_MSECOND;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->wait.mutex);
  self->is_live = is_live;
  g_mutex_unlock (&self->wait.mutex);
  if (is_live) {
    min += ours;
    if (GST_CLOCK_TIME_IS_VALID (max))
      max += ours;
    gst_query_set_latency (query, is_live, min, max);
  }
  return TRUE;
}

static gboolean
src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    return query_latency (GST_BITNET_INFER (parent), query);
  return gst_pad_query_default (pad, parent, query);
}

void
gst_bitnet_infer_init_pads (GstBitnetInfer *self)
{
  self->sinkpad = gst_pad_new_from_static_template (
      &gst_bitnet_infer_sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, GST_DEBUG_FUNCPTR (sink_chain));
  gst_pad_set_event_function (self->sinkpad, GST_DEBUG_FUNCPTR (sink_event));
  gst_pad_set_query_function (self->sinkpad, GST_DEBUG_FUNCPTR (sink_query));
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad =
      gst_pad_new_from_static_template (&gst_bitnet_infer_src_template, "src");
  gst_pad_set_activatemode_function (
      self->srcpad, GST_DEBUG_FUNCPTR (src_activate_mode));
  gst_pad_set_event_function (self->srcpad, GST_DEBUG_FUNCPTR (src_event));
  gst_pad_set_query_function (self->srcpad, GST_DEBUG_FUNCPTR (src_query));
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}
