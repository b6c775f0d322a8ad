/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-tokenize
 * @title: tokenize
 * @short_description: turns prompts into token streams
 *
 * Takes the handles of a model and its tokenizer from the `sink` pad, prompts
 * from one of three places, and pushes one buffer of token ids for each
 * prompt: the whole conversation as the model wants it written.
 *
 * Where prompts come from is decided when the element starts:
 *
 * * the request pad `prompt`: text, Pango markup or JSON requests; its EOS
 *   ends the stream;
 * * the property #GstBitnetTokenize:prompt: one prompt, then EOS;
 * * neither: the action signal #GstBitnetTokenize::submit; the stream ends
 *   with #GstBitnetTokenize::close or an EOS event sent to the pipeline.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q ggufsrc location=model.gguf ! tokresolve ! tokenize
 * prompt="Why is the sky blue?" ! infer ! detokenize newline=true ! fdsink
 * ]| One question.
 * |[
 * gst-launch-1.0 -q ggufsrc location=model.gguf ! tokresolve ! tokenize name=t
 * history-size=20 system-prompt="Be brief." ! infer ! detokenize newline=true !
 * fdsink  fdsrc ! text/x-raw,format=utf8 ! t.prompt
 * ]| A conversation on the terminal.
 *
 * ## JSON requests
 *
 * With `application/x-json` on the prompt pad, or #GstBitnetTokenize::
 * submit-json, one buffer is one request: an array of messages, or an object
 * with `messages` (such an array) or `prompt` (a string) and any sampling
 * parameter for this request:
 * |[
 * {"messages": [{"role": "user", "content": "Hello"}], "temperature": 0.2,
 * "max-tokens": 64}
 * ]|
 *
 * ## Events
 *
 * The serialized custom event `bitnet/reset` on the prompt pad, and every
 * STREAM_START there, forget the conversation.
 */
#include "gsttokenize-private.h"

GST_DEBUG_CATEGORY (gst_bitnet_tokenize_debug);
#define GST_CAT_DEFAULT gst_bitnet_tokenize_debug

#define DEFAULT_TEMPLATE "auto"
#define DEFAULT_FRAMING FRAMING_AUTO
#define DEFAULT_HISTORY_SIZE 0
#define DEFAULT_INTERRUPT FALSE
#define DEFAULT_OVERFLOW OVERFLOW_ERROR
#define DEFAULT_ADD_SPECIAL ADD_SPECIAL_AUTO
#define DEFAULT_PARSE_SPECIAL FALSE
#define DEFAULT_SEND_HANDLES TRUE
#define MAX_HISTORY_SIZE 10000

enum {
  PROP_0,
  PROP_PROMPT,
  PROP_SYSTEM_PROMPT,
  PROP_TEMPLATE,
  PROP_FRAMING,
  PROP_HISTORY_SIZE,
  PROP_INTERRUPT,
  PROP_OVERFLOW,
  PROP_ADD_SPECIAL,
  PROP_PARSE_SPECIAL,
  PROP_SEND_HANDLES,
  PROP_HISTORY,
};

enum {
  SIGNAL_SUBMIT,
  SIGNAL_SUBMIT_JSON,
  SIGNAL_RESET,
  SIGNAL_CLOSE,
  SIGNAL_TURN_DONE,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (GstBitnetTokenize, gst_bitnet_tokenize, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (
    tokenize, "tokenize", GST_RANK_NONE, GST_TYPE_BITNET_TOKENIZE);

#define FRAMING_TYPE (framing_get_type ())
static GType
framing_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {FRAMING_AUTO, "A line of a byte stream, a buffer of a timed one",
          "auto"},
      {FRAMING_BUFFER, "A buffer is a prompt", "buffer"},
      {FRAMING_LINE, "A line is a prompt", "line"},
      {FRAMING_PARAGRAPH, "Lines up to a blank one are a prompt", "paragraph"},
      {FRAMING_STREAM, "Everything up to EOS is one prompt", "stream"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("GstBitnetFraming", values));
  return type;
}

#define OVERFLOW_TYPE (overflow_get_type ())
static GType
overflow_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {OVERFLOW_ERROR, "Refuse the prompt", "error"},
      {OVERFLOW_TRIM_OLDEST, "Forget the oldest turns", "trim-oldest"},
      {OVERFLOW_TRUNCATE, "Forget turns, then cut the prompt", "truncate"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("GstBitnetOverflow", values));
  return type;
}

#define ADD_SPECIAL_TYPE (add_special_get_type ())
static GType
add_special_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {ADD_SPECIAL_AUTO, "As the model wants", "auto"},
      {ADD_SPECIAL_YES, "Begin with BOS", "yes"},
      {ADD_SPECIAL_NO, "The text alone", "no"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("GstBitnetAddSpecial", values));
  return type;
}

/* Signals. */

static gboolean
on_submit (GstBitnetTokenize *self, const char *text)
{
  if (text == NULL)
    return FALSE;
  return gst_bitnet_tokenize_queue_command (self, g_strdup (text), FALSE);
}

static gboolean
on_submit_json (GstBitnetTokenize *self, const char *text)
{
  if (text == NULL)
    return FALSE;
  return gst_bitnet_tokenize_queue_command (self, g_strdup (text), TRUE);
}

static void
on_reset (GstBitnetTokenize *self)
{
  gst_bitnet_tokenize_reset_conversation (self);
}

static void
on_close (GstBitnetTokenize *self)
{
  gst_bitnet_tokenize_queue_command (self, NULL, FALSE);
}

void
gst_bitnet_tokenize_emit_turn_done (
    GstBitnetTokenize *self, guint64 id, const char *text)
{
  g_signal_emit (self, signals[SIGNAL_TURN_DONE], 0, id, text);
}

/* Element. */

static gboolean
gst_bitnet_tokenize_send_event (GstElement *element, GstEvent *event)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (element);

  if (GST_EVENT_TYPE (event) != GST_EVENT_EOS)
    return GST_ELEMENT_CLASS (gst_bitnet_tokenize_parent_class)
        ->send_event (element, event);
  /* In the other modes the sources upstream end the stream. */
  gst_bitnet_tokenize_queue_command (self, NULL, FALSE);
  gst_event_unref (event);
  return TRUE;
}

static GstStateChangeReturn
gst_bitnet_tokenize_change_state (
    GstElement *element, GstStateChange transition)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    gst_bitnet_tokenize_start (self);
  else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_bitnet_tokenize_unblock (self);
  ret = GST_ELEMENT_CLASS (gst_bitnet_tokenize_parent_class)
            ->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_bitnet_tokenize_stop (self);
  return ret;
}

/* GObject. */

static void
set_history (GstBitnetTokenize *self, const char *json)
{
  g_autoptr (GError) error = NULL;

  g_mutex_lock (&self->wait.mutex);
  if (json == NULL)
    bitnet_conversation_clear (self->conversation);
  else if (!bitnet_conversation_load_json (
               self->conversation, json, -1, &error))
    GST_WARNING_OBJECT (self, "history not changed: %s", error->message);
  g_mutex_unlock (&self->wait.mutex);
}

static void
gst_bitnet_tokenize_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (object);

  if (id == PROP_HISTORY) {
    set_history (self, g_value_get_string (value));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_PROMPT:
      g_free (self->prompt);
      self->prompt = g_value_dup_string (value);
      break;
    case PROP_SYSTEM_PROMPT:
      g_free (self->system_prompt);
      self->system_prompt = g_value_dup_string (value);
      break;
    case PROP_TEMPLATE:
      g_free (self->template_setting);
      self->template_setting = g_value_dup_string (value);
      break;
    case PROP_FRAMING:
      self->framing = g_value_get_enum (value);
      break;
    case PROP_HISTORY_SIZE:
      self->history_size = g_value_get_uint (value);
      break;
    case PROP_INTERRUPT:
      self->interrupt = g_value_get_boolean (value);
      break;
    case PROP_OVERFLOW:
      self->overflow = (Overflow) g_value_get_enum (value);
      break;
    case PROP_ADD_SPECIAL:
      self->add_special = (AddSpecial) g_value_get_enum (value);
      break;
    case PROP_PARSE_SPECIAL:
      self->parse_special = g_value_get_boolean (value);
      break;
    case PROP_SEND_HANDLES:
      self->send_handles = g_value_get_boolean (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_bitnet_tokenize_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (object);

  if (id == PROP_HISTORY) {
    g_mutex_lock (&self->wait.mutex);
    g_value_take_string (
        value, bitnet_conversation_to_json (self->conversation));
    g_mutex_unlock (&self->wait.mutex);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_PROMPT:
      g_value_set_string (value, self->prompt);
      break;
    case PROP_SYSTEM_PROMPT:
      g_value_set_string (value, self->system_prompt);
      break;
    case PROP_TEMPLATE:
      g_value_set_string (value, self->template_setting);
      break;
    case PROP_FRAMING:
      g_value_set_enum (value, self->framing);
      break;
    case PROP_HISTORY_SIZE:
      g_value_set_uint (value, self->history_size);
      break;
    case PROP_INTERRUPT:
      g_value_set_boolean (value, self->interrupt);
      break;
    case PROP_OVERFLOW:
      g_value_set_enum (value, self->overflow);
      break;
    case PROP_ADD_SPECIAL:
      g_value_set_enum (value, self->add_special);
      break;
    case PROP_PARSE_SPECIAL:
      g_value_set_boolean (value, self->parse_special);
      break;
    case PROP_SEND_HANDLES:
      g_value_set_boolean (value, self->send_handles);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_bitnet_tokenize_finalize (GObject *object)
{
  GstBitnetTokenize *self = GST_BITNET_TOKENIZE (object);

  gst_bitnet_tokenize_stop (self);
  g_free (self->prompt);
  g_free (self->system_prompt);
  g_free (self->template_setting);
  g_object_unref (self->conversation);
  framer_free (self->framer);
  g_mutex_clear (&self->request_lock);
  g_rec_mutex_clear (&self->push_lock);
  gst_bitnet_wait_clear (&self->wait);
  G_OBJECT_CLASS (gst_bitnet_tokenize_parent_class)->finalize (object);
}

static void
install_prompt_properties (GObjectClass *object_class)
{
  const GParamFlags ready =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;
  const GParamFlags playing =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  /**
   * GstBitnetTokenize:prompt:
   *
   * The only prompt; the stream ends after it.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PROMPT,
      g_param_spec_string ("prompt", "Prompt",
          "The only prompt, after which the stream ends", NULL, ready));
  /**
   * GstBitnetTokenize:system-prompt:
   *
   * What the model is told before all; effective from the next prompt on.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_SYSTEM_PROMPT,
      g_param_spec_string ("system-prompt", "System Prompt",
          "What the model is told before all", NULL, playing));
  /**
   * GstBitnetTokenize:template:
   *
   * How a conversation is written: `auto` = by the template in the model
   * file, `none` = the texts alone, the name of a fixed form, or the path of a
   * template file in the Jinja language.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_TEMPLATE,
      g_param_spec_string ("template", "Template",
          "Chat template: auto, none, the name of a form or a file",
          DEFAULT_TEMPLATE, ready));
  /**
   * GstBitnetTokenize:framing:
   *
   * How the bytes on the prompt pad become prompts.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_FRAMING,
      g_param_spec_enum ("framing", "Framing", "How bytes become prompts",
          FRAMING_TYPE, DEFAULT_FRAMING, ready));
  /**
   * GstBitnetTokenize:overflow:
   *
   * What happens to a prompt that is longer than the context.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_OVERFLOW,
      g_param_spec_enum ("overflow", "Overflow",
          "What happens to a prompt that is longer than the context",
          OVERFLOW_TYPE, DEFAULT_OVERFLOW, playing));
  /**
   * GstBitnetTokenize:add-special:
   *
   * Whether a prompt begins with the BOS token.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_ADD_SPECIAL,
      g_param_spec_enum ("add-special", "Add Special",
          "Whether a prompt begins with the BOS token", ADD_SPECIAL_TYPE,
          DEFAULT_ADD_SPECIAL, ready));
  /**
   * GstBitnetTokenize:parse-special:
   *
   * Let control tokens that are written in a prompt count. Not for prompts of
   * strangers.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PARSE_SPECIAL,
      g_param_spec_boolean ("parse-special", "Parse Special",
          "Let control tokens written in a prompt count", DEFAULT_PARSE_SPECIAL,
          ready));
}

static void
install_other_properties (GObjectClass *object_class)
{
  const GParamFlags ready =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;
  const GParamFlags playing =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  /**
   * GstBitnetTokenize:history-size:
   *
   * Earlier turns (a prompt and its answer) that go before a prompt; 0 =
   * every prompt stands alone.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_HISTORY_SIZE,
      g_param_spec_uint ("history-size", "History Size",
          "Earlier turns that go before a prompt (0 = none)", 0,
          MAX_HISTORY_SIZE, DEFAULT_HISTORY_SIZE, playing));
  /**
   * GstBitnetTokenize:interrupt:
   *
   * A new prompt cancels the answer to the previous one.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_INTERRUPT,
      g_param_spec_boolean ("interrupt", "Interrupt",
          "A new prompt cancels the answer to the previous one",
          DEFAULT_INTERRUPT, playing));
  /**
   * GstBitnetTokenize:send-handles:
   *
   * Send the handles of model and tokenizer down the stream. FALSE only for a
   * token stream that leaves the process.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_SEND_HANDLES,
      g_param_spec_boolean ("send-handles", "Send Handles",
          "Send the handles of model and tokenizer downstream",
          DEFAULT_SEND_HANDLES, ready));
  /**
   * GstBitnetTokenize:history:
   *
   * The conversation so far as a JSON array of messages, each with `role` and
   * `content`.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_HISTORY,
      g_param_spec_string ("history", "History",
          "The conversation so far, a JSON array of messages", NULL, playing));
}

static void
define_signals (GType type)
{
  const GSignalFlags action = G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION;

  /**
   * GstBitnetTokenize::submit:
   * @element: the element
   * @text: a prompt
   *
   * Action signal: queues a prompt, where prompts come neither from the pad
   * nor from the property. Returns at once.
   *
   * Returns: FALSE if the element does not take prompts this way now
   */
  signals[SIGNAL_SUBMIT] = g_signal_new_class_handler ("submit", type, action,
      G_CALLBACK (on_submit), NULL, NULL, NULL, G_TYPE_BOOLEAN, 1,
      G_TYPE_STRING);
  /**
   * GstBitnetTokenize::submit-json:
   * @element: the element
   * @text: a request in JSON
   *
   * Action signal: the same with messages and sampling parameters.
   *
   * Returns: FALSE if the element does not take prompts this way now
   */
  signals[SIGNAL_SUBMIT_JSON] = g_signal_new_class_handler ("submit-json", type,
      action, G_CALLBACK (on_submit_json), NULL, NULL, NULL, G_TYPE_BOOLEAN, 1,
      G_TYPE_STRING);
  /**
   * GstBitnetTokenize::reset:
   * @element: the element
   *
   * Action signal: forgets the conversation.
   */
  signals[SIGNAL_RESET] = g_signal_new_class_handler ("reset", type, action,
      G_CALLBACK (on_reset), NULL, NULL, NULL, G_TYPE_NONE, 0);
  /**
   * GstBitnetTokenize::close:
   * @element: the element
   *
   * Action signal: ends the stream after the prompts that were submitted.
   */
  signals[SIGNAL_CLOSE] = g_signal_new_class_handler ("close", type, action,
      G_CALLBACK (on_close), NULL, NULL, NULL, G_TYPE_NONE, 0);
  /**
   * GstBitnetTokenize::turn-done:
   * @element: the element
   * @request_id: number of the prompt, from 0
   * @text: the answer
   *
   * A prompt was answered. Emitted in a streaming thread.
   */
  signals[SIGNAL_TURN_DONE] =
      g_signal_new ("turn-done", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
          G_TYPE_NONE, 2, G_TYPE_UINT64, G_TYPE_STRING);
}

static void
gst_bitnet_tokenize_class_init (GstBitnetTokenizeClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  gst_bitnet_init_once ();
  GST_DEBUG_CATEGORY_INIT (
      gst_bitnet_tokenize_debug, "tokenize", 0, "text to tokens");

  object_class->set_property = gst_bitnet_tokenize_set_property;
  object_class->get_property = gst_bitnet_tokenize_get_property;
  object_class->finalize = gst_bitnet_tokenize_finalize;
  install_prompt_properties (object_class);
  install_other_properties (object_class);
  define_signals (G_TYPE_FROM_CLASS (klass));

  element_class->change_state =
      GST_DEBUG_FUNCPTR (gst_bitnet_tokenize_change_state);
  element_class->send_event =
      GST_DEBUG_FUNCPTR (gst_bitnet_tokenize_send_event);
  element_class->request_new_pad =
      GST_DEBUG_FUNCPTR (gst_bitnet_tokenize_request_pad);
  element_class->release_pad =
      GST_DEBUG_FUNCPTR (gst_bitnet_tokenize_release_pad);
  gst_element_class_add_static_pad_template (
      element_class, &gst_bitnet_tokenize_sink_template);
  gst_element_class_add_static_pad_template (
      element_class, &gst_bitnet_tokenize_prompt_template);
  gst_element_class_add_static_pad_template (
      element_class, &gst_bitnet_tokenize_src_template);
  gst_element_class_set_static_metadata (element_class, "Text to tokens",
      "Filter/Converter/Text", "Turns prompts into token streams",
      "gst-bitnet developers <gst-bitnet@example.org>");

  gst_type_mark_as_plugin_api (FRAMING_TYPE, 0);
  gst_type_mark_as_plugin_api (OVERFLOW_TYPE, 0);
  gst_type_mark_as_plugin_api (ADD_SPECIAL_TYPE, 0);
}

static void
gst_bitnet_tokenize_init (GstBitnetTokenize *self)
{
  self->template_setting = g_strdup (DEFAULT_TEMPLATE);
  self->framing = DEFAULT_FRAMING;
  self->history_size = DEFAULT_HISTORY_SIZE;
  self->interrupt = DEFAULT_INTERRUPT;
  self->overflow = DEFAULT_OVERFLOW;
  self->add_special = DEFAULT_ADD_SPECIAL;
  self->parse_special = DEFAULT_PARSE_SPECIAL;
  self->send_handles = DEFAULT_SEND_HANDLES;
  self->group_id = GST_GROUP_ID_INVALID;
  self->conversation = bitnet_conversation_new ();
  self->framer = framer_new ();
  g_queue_init (&self->pending);
  g_queue_init (&self->commands);
  g_queue_init (&self->events);
  g_mutex_init (&self->request_lock);
  g_rec_mutex_init (&self->push_lock);
  gst_bitnet_wait_init (&self->wait);
  gst_bitnet_tokenize_init_pads (self);
  /* A bin sends EOS to its sources, and in interactive mode this is one. */
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
}
