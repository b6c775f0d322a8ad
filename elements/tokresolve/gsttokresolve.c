/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-tokresolve
 * @title: tokresolve
 * @short_description: finds the tokenizer that belongs to a model
 *
 * Takes the model handle from the sticky event `bitnet/model`, forwards it at
 * once, and looks for its tokenizer in the background: in the model file,
 * beside it, among what was fetched before, on the hub, or in the order that
 * #GstBitnetTokResolve:strategy-order says. When the model's buffer arrives it
 * waits for the result, sends the sticky event `bitnet/tokenizer` and lets the
 * buffer pass. The output caps then have the fields `tokenizer=true` and
 * `fallback`, which is true for a last-resort tokenizer, so that a caps filter
 * can refuse one.
 *
 * A property that was set beats the environment (`BITNET_TOKENIZER_CACHE`,
 * `BITNET_OFFLINE`, `BITNET_STRICT_TOKENIZERS`, `HF_ENDPOINT`, `HF_TOKEN` and
 * others), which beats the default. The environment is read when the first
 * model arrives.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q ggufsrc location=model.gguf ! tokresolve ! tokenize
 * prompt="Hello" ! infer ! detokenize newline=true ! fdsink
 * ]| Uses the tokenizer inside the file, or fetches the one that belongs to it.
 * |[
 * gst-launch-1.0 -m ggufsrc location=model.gguf ! tokresolve strict=true !
 * fakesink
 * ]| Shows on the bus which tokenizer was found.
 * |[
 * gst-launch-1.0 -m ggufsrc location=model.gguf ! tokresolve
 * tokenizer-repo=owner/name strategy-order="<local-cache,huggingface>" !
 * fakesink
 * ]| Uses the tokenizer of one repository.
 *
 * ## Messages
 *
 * Progress with the code `tokenizer-resolve`, closed before the buffer leaves.
 * CONTINUE comes at most ten times a second; where the network or the disk is
 * at work it has the fields
 *
 * * `phase` (string): `querying`, `waiting`, `downloading`, `verifying` or
 *   `loading`
 * * `repo`, `file` (string): what is fetched; NULL if it is none of a hub
 * * `bytes-done`, `bytes-total` (guint64): of the file; a total of 0 is unknown
 * * `rate` (gdouble): bytes per second
 * * `eta` (gdouble): seconds to go, -1 if unknown
 * * `cached` (gboolean): it was here already
 *
 * Element messages:
 *
 * * `tokenizer-resolved`: the fields of #GstBitnetTokResolve:resolution
 * * `tokenizer-fallback`, if another strategy than the first one succeeded or a
 *   last resort is in use: `from`, `to` (string, strategies), `code`, `reason`
 *   (string, of what failed first)
 * * `tokenizer-failed`: `code`, `cause` (string, names of codes such as
 *   `GATED`; the cause is that of the most telling attempt), `message`
 *   (string), `attempts` (array of structures), `suggestions` (array of
 *   strings), `text` (string, all of it for people). The error that follows has
 *   the same fields as its details.
 *
 * Doubts come as warnings: a last resort, a tokenizer of another repository
 * that is said to be the same, files that could not be compared with the hub,
 * and others.
 *
 * ## Resolution
 *
 * The structure of #GstBitnetTokResolve:resolution has
 *
 * * `strategy` (string): what found the tokenizer
 * * `source` (string): file or repository that it came from
 * * `kind` (string): `gguf`, `file`, `hub`, `hub-cache` or `bytes`
 * * `repository`, `revision`, `commit` (string): for files from a hub
 * * `id` (string): digest of the vocabulary
 * * `vocab-size`, `model-rows` (guint): number of tokens, of embeddings
 * * `verified` (string): how it was compared with the model: `pieces`, `size`
 *   or `no`
 * * `from-cache` (gboolean): it was remembered or fetched earlier
 * * `fallback` (gboolean): it is a last resort
 * * `warnings`, `notes` (array of strings): doubts; what the model's keys
 *   changed
 * * `attempts` (array of structures): `strategy` (string), `priority` (gint),
 *   `success` (gboolean), `duration-ms` (gdouble); of failed ones also
 *   `source`, `code`, `message` (string), `retryable` (gboolean)
 * * `duration-ms` (gdouble): time it took
 *
 * ## Statistics
 *
 * The structure of #GstBitnetTokResolve:stats has
 *
 * * `resolutions`, `successes`, `failures`, `cancelled`, `fallbacks` (guint64)
 * * `zero-config-resolutions`, `zero-config-successes` (guint64): those
 *   without a named tokenizer or repository
 * * `remembered`, `shared`, `recovered` (guint64): found without a strategy, by
 *   another resolution for the same model, after a strategy had failed
 * * `success-rate`, `zero-config-rate`, `recovery-rate` (gdouble)
 * * `duration-ms` (structure): `count` (guint64), `mean`, `min`, `max`
 *   (gdouble), `histogram` (array of guint64: up to 1, 3, 10, 30, 100, 300,
 *   1000, 3000, 10000 ms, and longer)
 * * `strategies` (structure): under the name of each strategy that was tried a
 *   structure with `attempts`, `successes` (guint64), `failures` (structure of
 *   guint64, by code) and `duration-ms` (as above)
 * * `network` (structure): requests, bytes and times, if it was used
 *
 * Leaving PAUSED cancels the search and joins its thread.
 */
#include "gsttokresolve-private.h"

GST_DEBUG_CATEGORY (gst_bitnet_tok_resolve_debug);
#define GST_CAT_DEFAULT gst_bitnet_tok_resolve_debug

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_BITNET_GGUF_CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_BITNET_GGUF_CAPS));

G_DEFINE_FINAL_TYPE (
    GstBitnetTokResolve, gst_bitnet_tok_resolve, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (
    tokresolve, "tokresolve", GST_RANK_NONE, GST_TYPE_BITNET_TOK_RESOLVE);

/* The streaming thread. */

static void
push_result (
    GstBitnetTokResolve *self, BitnetTokenizer *tokenizer, gboolean fallback)
{
  if (self->caps) {
    GstCaps *caps = gst_caps_copy (self->caps);

    gst_caps_set_simple (caps, "tokenizer", G_TYPE_BOOLEAN, TRUE, "fallback",
        G_TYPE_BOOLEAN, fallback, NULL);
    gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
    gst_caps_unref (caps);
  }
  gst_pad_push_event (
      self->srcpad, gst_bitnet_event_new_tokenizer (tokenizer, fallback));
  self->sent_result = TRUE;
}

/* Until the resolver is done. OK: caps and handle are out. */
static GstFlowReturn
wait_for_result (GstBitnetTokResolve *self)
{
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  gboolean fallback;
  GstFlowReturn ret;

  if (self->sent_result)
    return GST_FLOW_OK;
  ret = gst_bitnet_tok_resolve_wait (self, &tokenizer, &fallback);
  if (ret == GST_FLOW_OK)
    push_result (self, tokenizer, fallback);
  return ret;
}

/* For data that no handle preceded: asks upstream. */
static GstFlowReturn
ensure_model (GstBitnetTokResolve *self)
{
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (GError) error = NULL;
  gboolean has_model;

  g_mutex_lock (&self->wait.mutex);
  has_model = self->model != NULL;
  g_mutex_unlock (&self->wait.mutex);
  if (has_model)
    return GST_FLOW_OK;
  model = gst_bitnet_pad_query_model (self->sinkpad);
  if (model == NULL) {
    g_set_error_literal (&error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND,
        "no model handle arrived before the data; is ggufsrc upstream?");
    return gst_bitnet_fail (GST_ELEMENT (self), &self->wait, error);
  }
  gst_pad_push_event (self->srcpad, gst_bitnet_event_new_model (model));
  gst_bitnet_tok_resolve_start (self, model);
  return GST_FLOW_OK;
}

static GstFlowReturn
gst_bitnet_tok_resolve_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstBitnetTokResolve *self = GST_BITNET_TOK_RESOLVE (parent);
  GstFlowReturn ret;

  ret = ensure_model (self);
  if (ret == GST_FLOW_OK)
    ret = wait_for_result (self);
  if (ret != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return ret;
  }
  return gst_pad_push (self->srcpad, buffer);
}

static gboolean
gst_bitnet_tok_resolve_sink_event (
    GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstBitnetTokResolve *self = GST_BITNET_TOK_RESOLVE (parent);
  g_autoptr (BitnetModel) model = NULL;
  GstCaps *caps;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      gst_bitnet_wait_set_flushing (&self->wait, TRUE);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_bitnet_wait_set_flushing (&self->wait, FALSE);
      break;
    case GST_EVENT_CAPS:
      gst_event_parse_caps (event, &caps);
      gst_caps_replace (&self->caps, caps);
      self->sent_result = FALSE;
      return gst_pad_push_event (self->srcpad, event);
    case GST_EVENT_EOS:
      /* A model stream without a buffer still brings its tokenizer. */
      if (self->thread)
        wait_for_result (self);
      break;
    default:
      break;
  }
  if (gst_bitnet_event_parse_model (event, &model)) {
    gst_pad_push_event (self->srcpad, event);
    gst_bitnet_tok_resolve_start (self, model);
    return TRUE;
  }
  return gst_pad_event_default (pad, parent, event);
}

static gboolean
gst_bitnet_tok_resolve_sink_query (
    GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstBitnetTokResolve *self = GST_BITNET_TOK_RESOLVE (parent);

  return gst_bitnet_query_answer_failed (query, &self->wait)
         || gst_pad_query_default (pad, parent, query);
}

static gboolean
gst_bitnet_tok_resolve_src_query (
    GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstBitnetTokResolve *self = GST_BITNET_TOK_RESOLVE (parent);
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  gboolean fallback;

  if (GST_QUERY_TYPE (query) == GST_QUERY_CONTEXT) {
    g_mutex_lock (&self->wait.mutex);
    g_set_object (&model, self->model);
    g_set_object (&tokenizer, self->tokenizer);
    fallback = self->fallback;
    g_mutex_unlock (&self->wait.mutex);
    if (gst_bitnet_query_answer_model (query, model)
        || gst_bitnet_query_answer_tokenizer (query, tokenizer, fallback))
      return TRUE;
  }
  return gst_pad_query_default (pad, parent, query);
}

static GstStateChangeReturn
gst_bitnet_tok_resolve_change_state (
    GstElement *element, GstStateChange transition)
{
  GstBitnetTokResolve *self = GST_BITNET_TOK_RESOLVE (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    gst_bitnet_wait_start (&self->wait);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    /* Before the pads: deactivating them waits for the streaming thread. And
     * in this order, lest a search that is cancelled looks like one that
     * failed. */
    gst_bitnet_wait_set_flushing (&self->wait, TRUE);
    gst_bitnet_tok_resolve_cancel (self);
  }
  ret = GST_ELEMENT_CLASS (gst_bitnet_tok_resolve_parent_class)
            ->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    gst_bitnet_tok_resolve_stop (self);
    gst_bitnet_tok_resolve_drop_resolver (self);
    gst_caps_replace (&self->caps, NULL);
    self->sent_result = FALSE;
  }
  return ret;
}

/* GObject. */

static void
gst_bitnet_tok_resolve_finalize (GObject *object)
{
  GstBitnetTokResolve *self = GST_BITNET_TOK_RESOLVE (object);

  gst_bitnet_tok_resolve_stop (self);
  gst_bitnet_tok_resolve_clear_settings (self);
  g_clear_object (&self->resolver);
  g_free (self->resolver_path);
  gst_bitnet_transfer_clear (&self->transfer);
  gst_clear_structure (&self->stats);
  gst_caps_replace (&self->caps, NULL);
  gst_bitnet_wait_clear (&self->wait);
  G_OBJECT_CLASS (gst_bitnet_tok_resolve_parent_class)->finalize (object);
}

static void
gst_bitnet_tok_resolve_class_init (GstBitnetTokResolveClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  gst_bitnet_init_once ();
  GST_DEBUG_CATEGORY_INIT (
      gst_bitnet_tok_resolve_debug, "tokresolve", 0, "tokenizer resolver");

  object_class->finalize = gst_bitnet_tok_resolve_finalize;
  gst_bitnet_tok_resolve_install_properties (object_class);
  gst_bitnet_tok_resolve_install_signals (G_TYPE_FROM_CLASS (klass));

  element_class->change_state =
      GST_DEBUG_FUNCPTR (gst_bitnet_tok_resolve_change_state);
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Tokenizer resolver",
      "Filter/Model", "Finds the tokenizer that belongs to a model",
      "gst-bitnet developers <gst-bitnet@example.org>");
}

static void
gst_bitnet_tok_resolve_init (GstBitnetTokResolve *self)
{
  gst_bitnet_tok_resolve_init_settings (self);
  gst_bitnet_wait_init (&self->wait);

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (
      self->sinkpad, GST_DEBUG_FUNCPTR (gst_bitnet_tok_resolve_chain));
  gst_pad_set_event_function (
      self->sinkpad, GST_DEBUG_FUNCPTR (gst_bitnet_tok_resolve_sink_event));
  gst_pad_set_query_function (
      self->sinkpad, GST_DEBUG_FUNCPTR (gst_bitnet_tok_resolve_sink_query));
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_query_function (
      self->srcpad, GST_DEBUG_FUNCPTR (gst_bitnet_tok_resolve_src_query));
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}
