/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-tokresolve
 * @title: tokresolve
 * @short_description: finds the tokenizer that belongs to a model
 *
 * Takes the model handle from the sticky event `bitnet/model`, forwards it at
 * once, and looks for its tokenizer in the background: in the file itself
 * first, then wherever #GstBitnetTokResolve:strategy-order says. When the
 * model's buffer arrives it waits for the result, sends the sticky event
 * `bitnet/tokenizer` and lets the buffer pass. The output caps then have the
 * fields `tokenizer=true` and `fallback`, which is true for a last-resort
 * tokenizer, so that a caps filter can refuse one.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q ggufsrc location=model.gguf ! tokresolve ! tokenize
 * prompt="Hello" ! infer ! detokenize newline=true ! fdsink
 * ]| Uses the tokenizer inside the file.
 * |[
 * gst-launch-1.0 -m ggufsrc location=model.gguf ! tokresolve strict=true !
 * fakesink
 * ]| Shows on the bus which tokenizer was found.
 *
 * ## Messages
 *
 * Progress with the code `tokenizer-resolve`, and one of the element messages
 *
 * * `tokenizer-resolved`: the fields of #GstBitnetTokResolve:resolution
 * * `tokenizer-fallback`: the same, for a last-resort tokenizer
 * * `tokenizer-failed`: `attempts` (array of strings, one for each strategy
 *   that was tried) and `message` (string)
 *
 * ## Resolution
 *
 * The structure of #GstBitnetTokResolve:resolution has
 *
 * * `strategy` (string): what found the tokenizer
 * * `source` (string): file or repository that it came from
 * * `id` (string): digest of the vocabulary
 * * `vocab-size` (guint): number of tokens
 * * `from-cache` (gboolean): it was fetched earlier
 * * `fallback` (gboolean): it is a last resort
 * * `warnings` (array of strings): doubts
 * * `duration-ms` (gdouble): time it took
 *
 * Threads: the resolver runs in a thread of its own that only stores its
 * result and wakes the streaming thread; it never touches a pad. Leaving
 * PAUSED cancels and joins it.
 */
#include "gsttokresolve.h"
#include "gstbitnet.h"

GST_DEBUG_CATEGORY_STATIC (tok_resolve_debug);
#define GST_CAT_DEFAULT tok_resolve_debug

#define DEFAULT_REVISION "main"
#define DEFAULT_TIMEOUT 300
#define DEFAULT_RETRIES 3
#define DEFAULT_STRATEGY "local-first"
#define DEFAULT_FIDELITY "auto"
#define MAX_TIMEOUT (24 * 60 * 60)
#define MAX_RETRIES 100

enum {
  PROP_0,
  /* settings, handed to the resolver by their names */
  PROP_TOKENIZER,
  PROP_TOKENIZER_REPO,
  PROP_REVISION,
  PROP_ENDPOINT,
  PROP_TOKEN,
  PROP_STRATEGY_ORDER,
  PROP_STRICT,
  PROP_OFFLINE,
  PROP_ALLOW_DOWNLOAD,
  PROP_CACHE_DIR,
  PROP_TIMEOUT,
  PROP_RETRIES,
  PROP_FIDELITY,
  N_SETTINGS,
  /* results */
  PROP_RESULT = N_SETTINGS,
  PROP_RESOLUTION,
  PROP_STATS,
  N_PROPS,
};

enum {
  SIGNAL_RESOLVE,
  SIGNAL_RESOLVED,
  SIGNAL_STRATEGY_STARTED,
  SIGNAL_STRATEGY_FINISHED,
  N_SIGNALS,
};

typedef enum {
  STATE_IDLE,
  STATE_RUNNING,
  STATE_DONE,
  STATE_FAILED,
} ResolveState;

struct _GstBitnetTokResolve {
  GstElement parent;

  GstPad *sinkpad, *srcpad;

  /* Under the object lock. What was never set stays the resolver's own
   * choice: environment, then default. */
  GValue settings[N_SETTINGS];
  gboolean is_set[N_SETTINGS];

  GstBitnetWait wait;
  /* under wait.mutex */
  ResolveState state;
  BitnetModel *model;
  BitnetTokenizer *tokenizer;
  gboolean fallback;
  GstStructure *resolution;
  GstStructure *stats;
  GPtrArray *attempts; /* "strategy: what happened", of this resolution */
  GCancellable *cancellable;

  /* streaming thread; change_state() once the pads are inactive */
  GThread *thread;
  GstCaps *caps;        /* as they came */
  gboolean sent_result; /* caps and handle of this tokenizer are out */
};

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_BITNET_GGUF_CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_BITNET_GGUF_CAPS));

G_DEFINE_FINAL_TYPE (
    GstBitnetTokResolve, gst_bitnet_tok_resolve, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (
    tokresolve, "tokresolve", GST_RANK_NONE, GST_TYPE_BITNET_TOK_RESOLVE);

/* The resolver's thread. */

static void
on_strategy_started (
    BitnetResolver *resolver, const char *name, gpointer user_data)
{
  GstBitnetTokResolve *self = user_data;

  gst_bitnet_post_progress (GST_ELEMENT (self), GST_PROGRESS_TYPE_CONTINUE,
      GST_BITNET_PROGRESS_TOKENIZER, "Looking for the tokenizer: %s", name);
  g_signal_emit (self, signals[SIGNAL_STRATEGY_STARTED], 0, name);
}

static void
on_strategy_finished (BitnetResolver *resolver, const char *name,
    gboolean success, const char *message, gpointer user_data)
{
  GstBitnetTokResolve *self = user_data;

  g_mutex_lock (&self->wait.mutex);
  g_ptr_array_add (
      self->attempts, g_strdup_printf ("%s: %s", name,
                          success ? "found" : (message ? message : "nothing")));
  g_mutex_unlock (&self->wait.mutex);
  g_signal_emit (
      self, signals[SIGNAL_STRATEGY_FINISHED], 0, name, success, message);
}

static void
set_strategy_order (GObject *resolver, const GValue *array)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) names = NULL;

  for (guint i = 0; i < gst_value_array_get_size (array); i++)
    g_strv_builder_add (
        builder, g_value_get_string (gst_value_array_get_value (array, i)));
  names = g_strv_builder_end (builder);
  g_object_set (resolver, "strategy-order", names, NULL);
}

/* A resolver with what the application has set. */
static BitnetResolver *
new_resolver (GstBitnetTokResolve *self, BitnetModel *model)
{
  BitnetResolver *resolver = bitnet_resolver_new ();
  GObjectClass *klass = G_OBJECT_GET_CLASS (resolver);
  g_autofree char *path = NULL;

  GST_OBJECT_LOCK (self);
  for (guint i = PROP_0 + 1; i < N_SETTINGS; i++) {
    const char *name = properties[i]->name;

    if (!self->is_set[i] || !g_object_class_find_property (klass, name))
      continue;
    if (i == PROP_STRATEGY_ORDER)
      set_strategy_order (G_OBJECT (resolver), &self->settings[i]);
    else
      g_object_set_property (G_OBJECT (resolver), name, &self->settings[i]);
  }
  GST_OBJECT_UNLOCK (self);

  g_signal_emit (self, signals[SIGNAL_RESOLVE], 0, model, &path);
  if (path)
    g_object_set (resolver, "tokenizer", path, NULL);
  g_signal_connect (
      resolver, "strategy-started", G_CALLBACK (on_strategy_started), self);
  g_signal_connect (
      resolver, "strategy-finished", G_CALLBACK (on_strategy_finished), self);
  return resolver;
}

static GstStructure *
new_resolution (GVariant *record, BitnetTokenizer *tokenizer)
{
  GstStructure *s =
      gst_bitnet_structure_from_variant ("tokenizer-resolved", record);

  gst_structure_set (s, "id", G_TYPE_STRING,
      bitnet_tokenizer_get_id (tokenizer), "vocab-size", G_TYPE_UINT,
      bitnet_tokenizer_get_vocab_size (tokenizer), NULL);
  return s;
}

static void
report_success (GstBitnetTokResolve *self, BitnetTokenizer *tokenizer,
    GstStructure *resolution, gboolean fallback)
{
  GstElement *element = GST_ELEMENT (self);
  const char *strategy = gst_structure_get_string (resolution, "strategy");
  GstStructure *s = gst_structure_copy (resolution);

  GST_INFO_OBJECT (self, "resolved: %" GST_PTR_FORMAT, resolution);
  gst_bitnet_post_progress (element, GST_PROGRESS_TYPE_COMPLETE,
      GST_BITNET_PROGRESS_TOKENIZER, "Tokenizer found: %s, %u tokens",
      strategy ? strategy : "given",
      bitnet_tokenizer_get_vocab_size (tokenizer));
  if (fallback) {
    gst_structure_set_name (s, "tokenizer-fallback");
    GST_ELEMENT_WARNING (self, RESOURCE, NOT_FOUND,
        ("A last-resort tokenizer is in use; the text will be poor."),
        ("no strategy found the model's own tokenizer"));
  }
  gst_element_post_message (
      element, gst_message_new_element (GST_OBJECT (self), s));
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_RESULT]);
  g_signal_emit (self, signals[SIGNAL_RESOLVED], 0, tokenizer);
}

static void
report_failure (GstBitnetTokResolve *self, const GError *error)
{
  GstElement *element = GST_ELEMENT (self);
  gboolean cancelled =
      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  GValue attempts = G_VALUE_INIT;
  GstStructure *s;

  gst_bitnet_post_progress (element,
      cancelled ? GST_PROGRESS_TYPE_CANCELED : GST_PROGRESS_TYPE_ERROR,
      GST_BITNET_PROGRESS_TOKENIZER, "No tokenizer was found");
  if (cancelled)
    return;
  g_value_init (&attempts, GST_TYPE_ARRAY);
  g_mutex_lock (&self->wait.mutex);
  for (guint i = 0; i < self->attempts->len; i++) {
    GValue attempt = G_VALUE_INIT;

    g_value_init (&attempt, G_TYPE_STRING);
    g_value_set_string (&attempt, g_ptr_array_index (self->attempts, i));
    gst_value_array_append_and_take_value (&attempts, &attempt);
  }
  g_mutex_unlock (&self->wait.mutex);
  s = gst_structure_new (
      "tokenizer-failed", "message", G_TYPE_STRING, error->message, NULL);
  gst_structure_take_value (s, "attempts", &attempts);
  gst_element_post_message (
      element, gst_message_new_element (GST_OBJECT (self), s));
  gst_bitnet_fail (element, &self->wait, error);
}

/* Keeps what was found before anybody is told, so that a handler can read
 * the properties. */
static void
store_result (GstBitnetTokResolve *self, BitnetTokenizer *tokenizer,
    const GstStructure *resolution, gboolean fallback, GVariant *stats)
{
  g_mutex_lock (&self->wait.mutex);
  gst_clear_structure (&self->stats);
  self->stats = gst_bitnet_structure_from_variant (
      "application/x-tokenizer-stats", stats);
  if (tokenizer) {
    g_set_object (&self->tokenizer, tokenizer);
    self->fallback = fallback;
    gst_clear_structure (&self->resolution);
    self->resolution = gst_structure_copy (resolution);
  }
  g_mutex_unlock (&self->wait.mutex);
}

static gpointer
resolve_thread (gpointer data)
{
  GstBitnetTokResolve *self = data;
  g_autoptr (BitnetResolver) resolver = NULL;
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GCancellable) cancellable = NULL;
  g_autoptr (GVariant) record = NULL;
  g_autoptr (GVariant) stats = NULL;
  g_autoptr (GstStructure) resolution = NULL;
  g_autoptr (GError) error = NULL;
  gboolean fallback = FALSE;

  g_mutex_lock (&self->wait.mutex);
  model = g_object_ref (self->model);
  cancellable = g_object_ref (self->cancellable);
  g_mutex_unlock (&self->wait.mutex);

  gst_bitnet_post_progress (GST_ELEMENT (self), GST_PROGRESS_TYPE_START,
      GST_BITNET_PROGRESS_TOKENIZER, "Looking for the tokenizer");
  resolver = new_resolver (self, model);
  tokenizer =
      bitnet_resolver_resolve (resolver, model, cancellable, &record, &error);
  stats = bitnet_resolver_dup_stats (resolver);
  if (tokenizer) {
    resolution = new_resolution (record, tokenizer);
    gst_structure_get_boolean (resolution, "fallback", &fallback);
  }
  store_result (self, tokenizer, resolution, fallback, stats);

  /* Say it before the buffer may leave: an open progress would keep
   * gst-launch from playing. */
  if (tokenizer)
    report_success (self, tokenizer, resolution, fallback);
  else
    report_failure (self, error);

  g_mutex_lock (&self->wait.mutex);
  self->state = tokenizer ? STATE_DONE : STATE_FAILED;
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
  return NULL;
}

/* The streaming thread. */

static void
cancel_resolving (GstBitnetTokResolve *self)
{
  g_autoptr (GCancellable) cancellable = NULL;

  g_mutex_lock (&self->wait.mutex);
  g_set_object (&cancellable, self->cancellable);
  g_mutex_unlock (&self->wait.mutex);
  g_cancellable_cancel (cancellable);
}

/* Ends a running resolution; quick, because it is cancelled. */
static void
stop_resolving (GstBitnetTokResolve *self)
{
  cancel_resolving (self);
  if (self->thread)
    g_thread_join (g_steal_pointer (&self->thread));
  g_mutex_lock (&self->wait.mutex);
  self->state = STATE_IDLE;
  g_clear_object (&self->model);
  g_clear_object (&self->tokenizer);
  g_clear_object (&self->cancellable);
  gst_clear_structure (&self->resolution);
  g_ptr_array_set_size (self->attempts, 0);
  g_mutex_unlock (&self->wait.mutex);
}

static void
start_resolving (GstBitnetTokResolve *self, BitnetModel *model)
{
  gboolean same;

  g_mutex_lock (&self->wait.mutex);
  same = self->model == model && self->state != STATE_FAILED;
  g_mutex_unlock (&self->wait.mutex);
  if (same)
    return;
  stop_resolving (self);
  g_mutex_lock (&self->wait.mutex);
  self->state = STATE_RUNNING;
  self->model = g_object_ref (model);
  self->cancellable = g_cancellable_new ();
  g_mutex_unlock (&self->wait.mutex);
  self->sent_result = FALSE;
  self->thread = g_thread_new ("tokresolve", resolve_thread, self);
}

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
  gboolean flushing, fallback;

  if (self->sent_result)
    return GST_FLOW_OK;
  g_mutex_lock (&self->wait.mutex);
  while (!self->wait.flushing && self->state == STATE_RUNNING)
    g_cond_wait (&self->wait.cond, &self->wait.mutex);
  flushing = self->wait.flushing;
  fallback = self->fallback;
  if (self->state == STATE_DONE)
    tokenizer = g_object_ref (self->tokenizer);
  g_mutex_unlock (&self->wait.mutex);

  if (flushing)
    return GST_FLOW_FLUSHING;
  if (tokenizer == NULL)
    return GST_FLOW_ERROR;
  push_result (self, tokenizer, fallback);
  return GST_FLOW_OK;
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
  start_resolving (self, model);
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
    start_resolving (self, model);
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
    /* Before the pads: deactivating them waits for the streaming thread. */
    cancel_resolving (self);
    gst_bitnet_wait_set_flushing (&self->wait, TRUE);
  }
  ret = GST_ELEMENT_CLASS (gst_bitnet_tok_resolve_parent_class)
            ->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    stop_resolving (self);
    gst_caps_replace (&self->caps, NULL);
    self->sent_result = FALSE;
  }
  return ret;
}

/* GObject. */

static void
gst_bitnet_tok_resolve_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstBitnetTokResolve *self = GST_BITNET_TOK_RESOLVE (object);

  if (id == PROP_0 || id >= N_SETTINGS) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  g_value_copy (value, &self->settings[id]);
  self->is_set[id] = TRUE;
  GST_OBJECT_UNLOCK (self);
}

static void
gst_bitnet_tok_resolve_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstBitnetTokResolve *self = GST_BITNET_TOK_RESOLVE (object);

  if (id != PROP_0 && id < N_SETTINGS) {
    GST_OBJECT_LOCK (self);
    g_value_copy (&self->settings[id], value);
    GST_OBJECT_UNLOCK (self);
    return;
  }
  g_mutex_lock (&self->wait.mutex);
  switch (id) {
    case PROP_RESULT:
      g_value_set_object (value, self->tokenizer);
      break;
    case PROP_RESOLUTION:
      g_value_set_boxed (value, self->resolution);
      break;
    case PROP_STATS:
      g_value_set_boxed (value, self->stats);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  g_mutex_unlock (&self->wait.mutex);
}

static void
gst_bitnet_tok_resolve_finalize (GObject *object)
{
  GstBitnetTokResolve *self = GST_BITNET_TOK_RESOLVE (object);

  stop_resolving (self);
  for (guint i = PROP_0 + 1; i < N_SETTINGS; i++)
    g_value_unset (&self->settings[i]);
  gst_clear_structure (&self->stats);
  gst_caps_replace (&self->caps, NULL);
  g_ptr_array_unref (self->attempts);
  gst_bitnet_wait_clear (&self->wait);
  G_OBJECT_CLASS (gst_bitnet_tok_resolve_parent_class)->finalize (object);
}

static void
define_source_settings (void)
{
  const GParamFlags ready =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  /**
   * GstBitnetTokResolve:tokenizer:
   *
   * A tokenizer file, or the folder it is in. Nothing else is tried then.
   *
   * Since: 0.1
   */
  properties[PROP_TOKENIZER] = g_param_spec_string ("tokenizer", "Tokenizer",
      "Tokenizer file or folder to use and no other", NULL, ready);
  /**
   * GstBitnetTokResolve:tokenizer-repo:
   *
   * The hub repository that has the tokenizer, `owner/name`.
   *
   * Since: 0.1
   */
  properties[PROP_TOKENIZER_REPO] =
      g_param_spec_string ("tokenizer-repo", "Tokenizer Repository",
          "Hub repository that has the tokenizer", NULL, ready);
  /**
   * GstBitnetTokResolve:revision:
   *
   * Branch, tag or commit of the repository.
   *
   * Since: 0.1
   */
  properties[PROP_REVISION] = g_param_spec_string ("revision", "Revision",
      "Branch, tag or commit of the repository", DEFAULT_REVISION, ready);
  /**
   * GstBitnetTokResolve:endpoint:
   *
   * Base address of the hub or of a mirror. NULL: environment, then the
   * public hub.
   *
   * Since: 0.1
   */
  properties[PROP_ENDPOINT] = g_param_spec_string ("endpoint", "Endpoint",
      "Base address of the hub (NULL = the environment's or the public one)",
      NULL, ready);
  /**
   * GstBitnetTokResolve:token:
   *
   * Access token for private repositories. Cannot be read back.
   *
   * Since: 0.1
   */
  properties[PROP_TOKEN] = g_param_spec_string ("token", "Token",
      "Access token for private repositories", NULL,
      G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  /**
   * GstBitnetTokResolve:strategy-order:
   *
   * `local-first`, `hub-first` or the names of strategies in the order in
   * which they are tried.
   *
   * Since: 0.1
   */
  properties[PROP_STRATEGY_ORDER] =
      gst_param_spec_array ("strategy-order", "Strategy Order",
          "Name of a profile (local-first, hub-first) or names of strategies",
          g_param_spec_string ("strategy", "Strategy", "Profile or strategy",
              DEFAULT_STRATEGY, ready),
          ready);
}

static void
define_policy_settings (void)
{
  const GParamFlags ready =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  /**
   * GstBitnetTokResolve:strict:
   *
   * Refuse a last-resort tokenizer and doubtful matches.
   *
   * Since: 0.1
   */
  properties[PROP_STRICT] = g_param_spec_boolean (
      "strict", "Strict", "Refuse a last-resort tokenizer", FALSE, ready);
  /**
   * GstBitnetTokResolve:offline:
   *
   * Never touch the network.
   *
   * Since: 0.1
   */
  properties[PROP_OFFLINE] = g_param_spec_boolean (
      "offline", "Offline", "Never touch the network", FALSE, ready);
  /**
   * GstBitnetTokResolve:allow-download:
   *
   * Fetch a tokenizer that is not on this machine.
   *
   * Since: 0.1
   */
  properties[PROP_ALLOW_DOWNLOAD] =
      g_param_spec_boolean ("allow-download", "Allow Download",
          "Fetch a tokenizer that is not on this machine", TRUE, ready);
  /**
   * GstBitnetTokResolve:cache-dir:
   *
   * Folder of fetched tokenizers. NULL: environment, then the user's cache.
   *
   * Since: 0.1
   */
  properties[PROP_CACHE_DIR] = g_param_spec_string ("cache-dir",
      "Cache Directory",
      "Folder of fetched tokenizers (NULL = the user's cache)", NULL, ready);
  /**
   * GstBitnetTokResolve:timeout:
   *
   * Seconds that a resolution may spend on the network; 0 = no limit.
   *
   * Since: 0.1
   */
  properties[PROP_TIMEOUT] = g_param_spec_uint ("timeout", "Timeout",
      "Seconds a resolution may spend on the network (0 = no limit)", 0,
      MAX_TIMEOUT, DEFAULT_TIMEOUT,
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  /**
   * GstBitnetTokResolve:retries:
   *
   * Further attempts after a network failure that may pass.
   *
   * Since: 0.1
   */
  properties[PROP_RETRIES] = g_param_spec_uint ("retries", "Retries",
      "Further attempts after a network failure", 0, MAX_RETRIES,
      DEFAULT_RETRIES, ready);
  /**
   * GstBitnetTokResolve:fidelity:
   *
   * Which program's behaviour counts where they differ.
   *
   * Since: 0.1
   */
  properties[PROP_FIDELITY] = g_param_spec_string ("fidelity", "Fidelity",
      "Which program's behaviour counts where they differ", DEFAULT_FIDELITY,
      ready);
}

static void
define_results (void)
{
  const GParamFlags result = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  /**
   * GstBitnetTokResolve:result:
   *
   * The tokenizer, NULL until it is found.
   *
   * Since: 0.1
   */
  properties[PROP_RESULT] =
      g_param_spec_object ("result", "Result", "The tokenizer that was found",
          BITNET_TYPE_TOKENIZER, result | G_PARAM_EXPLICIT_NOTIFY);
  /**
   * GstBitnetTokResolve:resolution:
   *
   * How it was found; the fields are listed above.
   *
   * Since: 0.1
   */
  properties[PROP_RESOLUTION] = g_param_spec_boxed ("resolution", "Resolution",
      "How the tokenizer was found", GST_TYPE_STRUCTURE, result);
  /**
   * GstBitnetTokResolve:stats:
   *
   * Attempts, successes and times of each strategy.
   *
   * Since: 0.1
   */
  properties[PROP_STATS] = g_param_spec_boxed ("stats", "Statistics",
      "Attempts, successes and times of each strategy", GST_TYPE_STRUCTURE,
      result);
}

/* The first handler that returns a path ends the emission. */
static gboolean
first_path (GSignalInvocationHint *hint, GValue *result, const GValue *answer,
    gpointer data)
{
  if (g_value_get_string (answer) == NULL)
    return TRUE;
  g_value_copy (answer, result);
  return FALSE;
}

static void
define_signals (GType type)
{
  /**
   * GstBitnetTokResolve::resolve:
   * @element: the element
   * @model: (type GObject): the model
   *
   * The application's own lookup, before any strategy. Emitted in the
   * resolver's thread.
   *
   * Returns: (nullable): path of the tokenizer, or NULL to go on
   */
  signals[SIGNAL_RESOLVE] = g_signal_new ("resolve", type, G_SIGNAL_RUN_LAST, 0,
      first_path, NULL, NULL, G_TYPE_STRING, 1, BITNET_TYPE_MODEL);
  /**
   * GstBitnetTokResolve::resolved:
   * @element: the element
   * @tokenizer: (type GObject): the tokenizer
   *
   * A tokenizer was found. Emitted in the resolver's thread.
   */
  signals[SIGNAL_RESOLVED] = g_signal_new ("resolved", type, G_SIGNAL_RUN_LAST,
      0, NULL, NULL, NULL, G_TYPE_NONE, 1, BITNET_TYPE_TOKENIZER);
  /**
   * GstBitnetTokResolve::strategy-started:
   * @element: the element
   * @name: name of the strategy
   *
   * A strategy is being tried. Emitted in the resolver's thread.
   */
  signals[SIGNAL_STRATEGY_STARTED] = g_signal_new ("strategy-started", type,
      G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  /**
   * GstBitnetTokResolve::strategy-finished:
   * @element: the element
   * @name: name of the strategy
   * @success: whether it found a tokenizer that fits
   * @message: (nullable): why not
   *
   * A strategy was tried. Emitted in the resolver's thread.
   */
  signals[SIGNAL_STRATEGY_FINISHED] =
      g_signal_new ("strategy-finished", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
          NULL, G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_BOOLEAN, G_TYPE_STRING);
}

static void
gst_bitnet_tok_resolve_class_init (GstBitnetTokResolveClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  gst_bitnet_init_once ();
  GST_DEBUG_CATEGORY_INIT (
      tok_resolve_debug, "tokresolve", 0, "tokenizer resolver");

  object_class->set_property = gst_bitnet_tok_resolve_set_property;
  object_class->get_property = gst_bitnet_tok_resolve_get_property;
  object_class->finalize = gst_bitnet_tok_resolve_finalize;
  define_source_settings ();
  define_policy_settings ();
  define_results ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
  define_signals (G_TYPE_FROM_CLASS (klass));

  element_class->change_state =
      GST_DEBUG_FUNCPTR (gst_bitnet_tok_resolve_change_state);
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Tokenizer resolver",
      "Filter/Model", "Finds the tokenizer that belongs to a model",
      "gst-bitnet developers <gst-bitnet@example.org>");
}

static void
init_settings (GstBitnetTokResolve *self)
{
  for (guint i = PROP_0 + 1; i < N_SETTINGS; i++) {
    g_value_init (&self->settings[i], G_PARAM_SPEC_VALUE_TYPE (properties[i]));
    g_param_value_set_default (properties[i], &self->settings[i]);
  }
}

static void
gst_bitnet_tok_resolve_init (GstBitnetTokResolve *self)
{
  init_settings (self);
  self->attempts = g_ptr_array_new_with_free_func (g_free);
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
