/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties and signals of tokresolve. Settings are kept as values under the
 * names of the resolver's properties; only those that the application has set
 * are handed over, so that the environment keeps its say about the others. */
#include "gsttokresolve-private.h"

#define DEFAULT_REVISION "main"
#define DEFAULT_TIMEOUT 300
#define DEFAULT_RETRIES 4
#define DEFAULT_STRATEGY "local-first"
#define DEFAULT_FIDELITY "auto"
#define DEFAULT_DEVICE "auto"
#define MAX_TIMEOUT (24 * 60 * 60)
#define MAX_RETRIES 100

enum {
  SIGNAL_RESOLVE,
  SIGNAL_RESOLVED,
  SIGNAL_STRATEGY_STARTED,
  SIGNAL_STRATEGY_FINISHED,
  N_SIGNALS,
};

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

/* Settings on their way to the resolver. */

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

guint
gst_bitnet_tok_resolve_apply_settings (
    GstBitnetTokResolve *self, BitnetResolver *resolver)
{
  guint age;

  GST_OBJECT_LOCK (self);
  for (guint i = PROP_0 + 1; i < N_SETTINGS; i++) {
    if (!self->is_set[i])
      continue;
    if (i == PROP_STRATEGY_ORDER)
      set_strategy_order (G_OBJECT (resolver), &self->settings[i]);
    else
      g_object_set_property (
          G_OBJECT (resolver), properties[i]->name, &self->settings[i]);
  }
  age = self->settings_age;
  GST_OBJECT_UNLOCK (self);
  return age;
}

guint
gst_bitnet_tok_resolve_get_settings_age (GstBitnetTokResolve *self)
{
  guint age;

  GST_OBJECT_LOCK (self);
  age = self->settings_age;
  GST_OBJECT_UNLOCK (self);
  return age;
}

void
gst_bitnet_tok_resolve_init_settings (GstBitnetTokResolve *self)
{
  for (guint i = PROP_0 + 1; i < N_SETTINGS; i++) {
    g_value_init (&self->settings[i], G_PARAM_SPEC_VALUE_TYPE (properties[i]));
    g_param_value_set_default (properties[i], &self->settings[i]);
  }
}

void
gst_bitnet_tok_resolve_clear_settings (GstBitnetTokResolve *self)
{
  for (guint i = PROP_0 + 1; i < N_SETTINGS; i++)
    g_value_unset (&self->settings[i]);
}

/* Signals. */

char *
gst_bitnet_tok_resolve_emit_resolve (
    GstBitnetTokResolve *self, BitnetModel *model)
{
  char *path = NULL;

  g_signal_emit (self, signals[SIGNAL_RESOLVE], 0, model, &path);
  return path;
}

void
gst_bitnet_tok_resolve_emit_resolved (
    GstBitnetTokResolve *self, BitnetTokenizer *tokenizer)
{
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_RESULT]);
  g_signal_emit (self, signals[SIGNAL_RESOLVED], 0, tokenizer);
}

void
gst_bitnet_tok_resolve_emit_started (
    GstBitnetTokResolve *self, const char *name, int priority)
{
  g_signal_emit (self, signals[SIGNAL_STRATEGY_STARTED], 0, name, priority);
}

void
gst_bitnet_tok_resolve_emit_finished (GstBitnetTokResolve *self,
    const char *name, gboolean success, const char *message, double duration_ms)
{
  g_signal_emit (self, signals[SIGNAL_STRATEGY_FINISHED], 0, name, success,
      message, duration_ms);
}

/* Properties. */

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstBitnetTokResolve *self = GST_BITNET_TOK_RESOLVE (object);

  if (id == PROP_0 || id >= N_SETTINGS) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  g_value_copy (value, &self->settings[id]);
  self->is_set[id] = TRUE;
  self->settings_age++;
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstBitnetTokResolve *self = GST_BITNET_TOK_RESOLVE (object);

  if (id != PROP_0 && id < N_SETTINGS) {
    GST_OBJECT_LOCK (self);
    g_value_copy (&self->settings[id], value);
    GST_OBJECT_UNLOCK (self);
    return;
  }
  if (id == PROP_STATS) {
    g_value_take_boxed (value, gst_bitnet_tok_resolve_dup_stats (self));
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
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  g_mutex_unlock (&self->wait.mutex);
}

static void
define_source_settings (void)
{
  const GParamFlags ready =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  /**
   * GstBitnetTokResolve:tokenizer:
   *
   * A tokenizer file, the folder it is in, or a repository (`owner/name`,
   * `hf://owner/name`). Nothing else is tried then, unless
   * #GstBitnetTokResolve:explicit-fallback is set.
   *
   * Since: 0.1
   */
  properties[PROP_TOKENIZER] = g_param_spec_string ("tokenizer", "Tokenizer",
      "Tokenizer file, folder or repository to use and no other", NULL, ready);
  /**
   * GstBitnetTokResolve:explicit-fallback:
   *
   * Go on with the strategies if #GstBitnetTokResolve:tokenizer cannot be
   * used.
   *
   * Since: 0.1
   */
  properties[PROP_EXPLICIT_FALLBACK] =
      g_param_spec_boolean ("explicit-fallback", "Explicit Fallback",
          "Go on with the strategies if the given tokenizer cannot be used",
          FALSE, ready);
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
   * which they are tried: `model-embedded`, `generic`, `local-cache`,
   * `huggingface`, `backup`. One that is left out is not tried.
   *
   * Since: 0.1
   */
  properties[PROP_STRATEGY_ORDER] =
      gst_param_spec_array ("strategy-order", "Strategy Order",
          "Profile (local-first, hub-first) or names of strategies, first to "
          "last: model-embedded, generic, local-cache, huggingface, backup",
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
   * GstBitnetTokResolve:allow-insecure:
   *
   * Allow `http:` for other hosts than this one, and tokens over it.
   *
   * Since: 0.1
   */
  properties[PROP_ALLOW_INSECURE] =
      g_param_spec_boolean ("allow-insecure", "Allow Insecure",
          "Allow http: for other hosts than this one", FALSE, ready);
}

static void
define_limits (void)
{
  const GParamFlags ready =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

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
   * Seconds that a resolution may spend on the network; 0 = no limit. A change
   * while playing counts from the next model on.
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
   * Which program's behaviour counts where they differ: `llama-cpp`,
   * `huggingface`, or `auto`, which follows the kind of file.
   *
   * Since: 0.1
   */
  properties[PROP_FIDELITY] = g_param_spec_string ("fidelity", "Fidelity",
      "Which program's behaviour counts where they differ", DEFAULT_FIDELITY,
      ready);
  /**
   * GstBitnetTokResolve:device:
   *
   * Where the model is going to run: `auto`, `cpu`, `cuda`. A device that
   * cannot run the model's quantization gives a warning, in strict mode an
   * error. Tokens are made on the processor in any case.
   *
   * Since: 0.1
   */
  properties[PROP_DEVICE] = g_param_spec_string ("device", "Device",
      "Device the model is going to run on, for a check", DEFAULT_DEVICE,
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
   * What was resolved so far, between two times in READY with the same
   * settings; the fields are listed above.
   *
   * Since: 0.1
   */
  properties[PROP_STATS] = g_param_spec_boxed ("stats", "Statistics",
      "Counts and times of resolutions and of each strategy",
      GST_TYPE_STRUCTURE, result);
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

void
gst_bitnet_tok_resolve_install_signals (GType type)
{
  /**
   * GstBitnetTokResolve::resolve:
   * @element: the element
   * @model: (type GObject): the model
   *
   * The application's own lookup, before any strategy. Emitted in the
   * resolver's thread.
   *
   * Returns: (nullable): what the property tokenizer takes, or NULL to go on
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
   * @priority: its priority
   *
   * A strategy is being tried. Emitted in the resolver's thread.
   */
  signals[SIGNAL_STRATEGY_STARTED] =
      g_signal_new ("strategy-started", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
          NULL, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_INT);
  /**
   * GstBitnetTokResolve::strategy-finished:
   * @element: the element
   * @name: name of the strategy
   * @success: whether it found a tokenizer that fits
   * @message: (nullable): why not
   * @duration_ms: how long it took
   *
   * A strategy was tried. Emitted in the resolver's thread.
   */
  signals[SIGNAL_STRATEGY_FINISHED] = g_signal_new ("strategy-finished", type,
      G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 4, G_TYPE_STRING,
      G_TYPE_BOOLEAN, G_TYPE_STRING, G_TYPE_DOUBLE);
}

void
gst_bitnet_tok_resolve_install_properties (GObjectClass *klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  define_source_settings ();
  define_policy_settings ();
  define_limits ();
  define_results ();
  g_object_class_install_properties (klass, N_PROPS, properties);
}
