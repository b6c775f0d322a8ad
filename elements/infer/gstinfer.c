/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-infer
 * @title: infer
 * @short_description: runs a language model on token streams
 *
 * Takes a prompt's tokens in each buffer and pushes the tokens of the
 * response as they are generated. The model comes from upstream as a sticky
 * event; its weights start to load when the event arrives. Elements with the
 * same model and device share one engine, which runs all their responses
 * together.
 *
 * Every response ends with a buffer that has the flag MARKER; its
 * `BitnetRequestMeta` says why it ended.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q ggufsrc location=model.gguf ! tokresolve ! tokenize
 * prompt="Q: 2+2?" template=none ! infer device=cpu seed=7 temperature=0
 * max-tokens=32 stop='<"Q:","A:">' ! detokenize newline=true ! fdsink
 * ]| Always the likeliest token, at most 32 of them, up to a stop text.
 * |[
 * gst-launch-1.0 -m ggufsrc location=model.gguf ! tokresolve ! tokenize
 * prompt="x" template=none ! infer ignore-eos=true max-tokens=256 ! fakesink
 * ]| Measures: the message `bitnet-generation` has the figures.
 *
 * ## Messages
 *
 * The element message `bitnet-generation`, one for each response:
 *
 * * `request-id` (guint64): number of the request
 * * `turn` (guint): number within the conversation
 * * `prompt-tokens` (guint): tokens of the prompt
 * * `cached-tokens` (guint): those of them found in the cache
 * * `generated-tokens` (guint): tokens of the response
 * * `finish-reason` (string): `stop`, `length`, `stop-string`, `cancelled` or
 *   `error`
 * * `prefill-ns`, `decode-ns` (guint64): time for prompt and response
 * * `tokens-per-second` (gdouble): generated tokens per second of decode-ns
 * * `running-time` (guint64): running time at the end
 *
 * Progress with the code `model-load` while weights are prepared.
 *
 * ## Events
 *
 * The upstream custom event `bitnet/cancel`, sent to the pipeline or the
 * source pad, ends the running responses, or the one in its field
 * `request-id` (guint64). When a response has ended, `bitnet/turn` goes
 * upstream: `request-id` (guint64), `finish-reason` (string), `ids`
 * (GBytes of little-endian 32-bit token ids).
 *
 * ## Statistics
 *
 * The structure of #GstBitnetInfer:stats has, since the element was created,
 * `requests`, `cancelled`, `prompt-tokens`, `cached-tokens`,
 * `generated-tokens`, `prefill-ns` and `decode-ns` (all guint64).
 */
#include "gstinfer-private.h"

GST_DEBUG_CATEGORY (gst_bitnet_infer_debug);
#define GST_CAT_DEFAULT gst_bitnet_infer_debug

enum {
  SIGNAL_CANCEL,
  SIGNAL_WARM_UP,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE_WITH_CODE (GstBitnetInfer, gst_bitnet_infer,
    GST_TYPE_ELEMENT, G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, NULL));
GST_ELEMENT_REGISTER_DEFINE (
    infer, "infer", GST_RANK_NONE, GST_TYPE_BITNET_INFER);

static void
on_cancel (GstBitnetInfer *self)
{
  gst_bitnet_infer_cancel (self, NULL);
}

static void
on_warm_up (GstBitnetInfer *self)
{
  gst_bitnet_infer_queue_warm_up (self);
}

static GstStateChangeReturn
gst_bitnet_infer_change_state (GstElement *element, GstStateChange transition)
{
  GstBitnetInfer *self = GST_BITNET_INFER (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    g_mutex_lock (&self->wait.mutex);
    self->next_id = 0;
    self->warned_latency = FALSE;
    g_mutex_unlock (&self->wait.mutex);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    gst_bitnet_infer_unblock (self);
  }
  ret = GST_ELEMENT_CLASS (gst_bitnet_infer_parent_class)
            ->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    gst_bitnet_infer_stop_loads (self);
    g_mutex_lock (&self->wait.mutex);
    g_clear_object (&self->tokenizer);
    g_mutex_unlock (&self->wait.mutex);
  }
  return ret;
}

static void
gst_bitnet_infer_finalize (GObject *object)
{
  GstBitnetInfer *self = GST_BITNET_INFER (object);

  gst_bitnet_infer_stop_loads (self);
  item_queue_free (self->queue);
  g_ptr_array_unref (self->loads);
  g_clear_object (&self->tokenizer);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->given_engine);
  bitnet_engine_options_free (self->options);
  bitnet_params_free (self->params);
  gst_bitnet_wait_clear (&self->wait);
  G_OBJECT_CLASS (gst_bitnet_infer_parent_class)->finalize (object);
}

static void
define_signals (GType type)
{
  const GSignalFlags action = G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION;

  /**
   * GstBitnetInfer::cancel:
   * @element: the element
   *
   * Action signal: ends the running responses. Returns at once.
   */
  signals[SIGNAL_CANCEL] = g_signal_new_class_handler ("cancel", type, action,
      G_CALLBACK (on_cancel), NULL, NULL, NULL, G_TYPE_NONE, 0);
  /**
   * GstBitnetInfer::warm-up:
   * @element: the element
   *
   * Action signal: has one token computed whose result is dropped, so that
   * the first response finds everything in memory. Returns at once.
   */
  signals[SIGNAL_WARM_UP] = g_signal_new_class_handler ("warm-up", type, action,
      G_CALLBACK (on_warm_up), NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
gst_bitnet_infer_class_init (GstBitnetInferClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  gst_bitnet_init_once ();
  GST_DEBUG_CATEGORY_INIT (
      gst_bitnet_infer_debug, "infer", 0, "language model inference");

  object_class->finalize = gst_bitnet_infer_finalize;
  gst_bitnet_infer_install_properties (object_class);
  define_signals (G_TYPE_FROM_CLASS (klass));

  element_class->change_state =
      GST_DEBUG_FUNCPTR (gst_bitnet_infer_change_state);
  gst_element_class_add_static_pad_template (
      element_class, &gst_bitnet_infer_sink_template);
  gst_element_class_add_static_pad_template (
      element_class, &gst_bitnet_infer_src_template);
  gst_element_class_set_static_metadata (element_class, "LLM inference",
      "Filter/Analyzer/Text", "Runs a language model on token streams",
      "gst-bitnet developers <gst-bitnet@example.org>");
}

static void
gst_bitnet_infer_init (GstBitnetInfer *self)
{
  gst_bitnet_infer_init_properties (self);
  self->queue = item_queue_new (gst_bitnet_request_free);
  self->loads = g_ptr_array_new ();
  self->cancellable = g_cancellable_new ();
  gst_bitnet_wait_init (&self->wait);
  gst_bitnet_infer_init_pads (self);
}
