/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties of infer: options of the engine, which count when a model
 * comes, and parameters of requests, which count when a prompt does. */
#include "gstinfer-private.h"

#define DEFAULT_DEVICE "auto"
#define DEFAULT_THREADS 0
#define DEFAULT_CONTEXT_SIZE 0
#define DEFAULT_BATCH_SIZE 512
#define DEFAULT_DRAFTS 8
#define DEFAULT_PARALLEL 1
#define DEFAULT_MAX_TOKENS 512
#define DEFAULT_TEMPERATURE 0.8
#define DEFAULT_TOP_K 40
#define DEFAULT_TOP_P 0.95
#define DEFAULT_MIN_P 0.05
#define DEFAULT_PENALTY_REPEAT 1.0
#define DEFAULT_PENALTY_FREQ 0.0
#define DEFAULT_PENALTY_PRESENT 0.0
#define DEFAULT_PENALTY_LAST_N 64
#define DEFAULT_DYNATEMP_RANGE 0.0
#define DEFAULT_DYNATEMP_EXPONENT 1.0
#define DEFAULT_TYPICAL_P 1.0
#define DEFAULT_XTC_PROBABILITY 0.0
#define DEFAULT_XTC_THRESHOLD 0.1
#define DEFAULT_MIN_KEEP 0
#define DEFAULT_MIROSTAT 0
#define DEFAULT_MIROSTAT_TAU 5.0
#define DEFAULT_MIROSTAT_ETA 0.1
#define DEFAULT_SEED 0
#define DEFAULT_IGNORE_EOS FALSE
#define DEFAULT_CHUNK 1
#define DEFAULT_LATENCY 0
#define MAX_THREADS 1024
#define MAX_PARALLEL 1024
#define MAX_DRAFTS 16
#define NO_DRAFTS -1 /* as BitnetEngineOptions has it */
#define MAX_CHUNK 65536
#define MAX_LATENCY_MS (3600 * 1000)

enum {
  PROP_0,
  PROP_DEVICE,
  PROP_THREADS,
  PROP_CONTEXT_SIZE,
  PROP_BATCH_SIZE,
  PROP_REPACK,
  PROP_DRAFTS,
  PROP_I2S_LAYOUT,
  PROP_CACHE_TYPE,
  PROP_HEAD,
  PROP_PARALLEL,
  PROP_MAX_TOKENS,
  PROP_TEMPERATURE,
  PROP_DYNATEMP_RANGE,
  PROP_DYNATEMP_EXPONENT,
  PROP_TOP_K,
  PROP_TOP_P,
  PROP_MIN_P,
  PROP_TYPICAL_P,
  PROP_XTC_PROBABILITY,
  PROP_XTC_THRESHOLD,
  PROP_MIN_KEEP,
  PROP_PENALTY_REPEAT,
  PROP_PENALTY_FREQ,
  PROP_PENALTY_PRESENT,
  PROP_PENALTY_LAST_N,
  PROP_MIROSTAT,
  PROP_MIROSTAT_TAU,
  PROP_MIROSTAT_ETA,
  PROP_SEED,
  PROP_STOP,
  PROP_IGNORE_EOS,
  PROP_CHUNK,
  PROP_LATENCY,
  PROP_ENGINE,
  PROP_STATS,
};

static GParamSpec *stats_pspec;

/* A seed of 0 that somebody set is random; one that nobody set may come from
 * the environment, which the library reads. */
BitnetParams *
gst_bitnet_infer_dup_params (GstBitnetInfer *self)
{
  BitnetParams *params;

  GST_OBJECT_LOCK (self);
  params = bitnet_params_copy (self->params);
  while (self->seed_is_set && params->seed == 0)
    params->seed = (guint64) g_random_int () << 32 | g_random_int ();
  GST_OBJECT_UNLOCK (self);
  return params;
}

void
gst_bitnet_infer_notify_stats (GstBitnetInfer *self)
{
  g_object_notify_by_pspec (G_OBJECT (self), stats_pspec);
}

static void
set_stop (BitnetParams *params, const GValue *array)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) stop = NULL;

  for (guint i = 0; i < gst_value_array_get_size (array); i++) {
    const char *text =
        g_value_get_string (gst_value_array_get_value (array, i));

    if (text && *text)
      g_strv_builder_add (builder, text);
  }
  stop = g_strv_builder_end (builder);
  bitnet_params_set_stop (params, (const char *const *) stop);
}

static void
get_stop (const BitnetParams *params, GValue *array)
{
  for (guint i = 0; params->stop && params->stop[i]; i++) {
    GValue text = G_VALUE_INIT;

    g_value_init (&text, G_TYPE_STRING);
    g_value_set_string (&text, params->stop[i]);
    gst_value_array_append_and_take_value (array, &text);
  }
}

/* The place of a sampling parameter that is a plain number. */
static double *
double_field (BitnetParams *params, guint id)
{
  switch (id) {
    case PROP_TEMPERATURE:
      return &params->temperature;
    case PROP_DYNATEMP_RANGE:
      return &params->dynatemp_range;
    case PROP_DYNATEMP_EXPONENT:
      return &params->dynatemp_exponent;
    case PROP_TOP_P:
      return &params->top_p;
    case PROP_MIN_P:
      return &params->min_p;
    case PROP_TYPICAL_P:
      return &params->typical_p;
    case PROP_XTC_PROBABILITY:
      return &params->xtc_probability;
    case PROP_XTC_THRESHOLD:
      return &params->xtc_threshold;
    case PROP_PENALTY_REPEAT:
      return &params->penalty_repeat;
    case PROP_PENALTY_FREQ:
      return &params->penalty_freq;
    case PROP_PENALTY_PRESENT:
      return &params->penalty_present;
    case PROP_MIROSTAT_TAU:
      return &params->mirostat_tau;
    case PROP_MIROSTAT_ETA:
      return &params->mirostat_eta;
    default:
      return NULL;
  }
}

static guint *
uint_field (GstBitnetInfer *self, guint id)
{
  switch (id) {
    case PROP_THREADS:
      return &self->options->n_threads;
    case PROP_CONTEXT_SIZE:
      return &self->options->context_size;
    case PROP_BATCH_SIZE:
      return &self->options->batch_size;
    case PROP_PARALLEL:
      return &self->parallel;
    case PROP_MAX_TOKENS:
      return &self->params->max_tokens;
    case PROP_TOP_K:
      return &self->params->top_k;
    case PROP_MIN_KEEP:
      return &self->params->min_keep;
    case PROP_MIROSTAT:
      return &self->params->mirostat;
    case PROP_CHUNK:
      return &self->chunk;
    case PROP_LATENCY:
      return &self->latency_ms;
    default:
      return NULL;
  }
}

static void
set_locked (GstBitnetInfer *self, guint id, const GValue *value)
{
  switch (id) {
    case PROP_DEVICE:
      g_free (self->options->device);
      self->options->device = g_value_dup_string (value);
      break;
    case PROP_DRAFTS:
      self->options->drafts = g_value_get_uint (value) > 0
                                  ? (int) g_value_get_uint (value)
                                  : NO_DRAFTS;
      break;
    case PROP_REPACK:
      self->options->repack = (BitnetRepack) g_value_get_enum (value);
      break;
    case PROP_I2S_LAYOUT:
      self->options->i2s_layout = (BitnetI2sLayout) g_value_get_enum (value);
      break;
    case PROP_CACHE_TYPE:
      self->options->cache_type = (BitnetCacheType) g_value_get_enum (value);
      break;
    case PROP_HEAD:
      self->options->head = (BitnetHead) g_value_get_enum (value);
      break;
    case PROP_PENALTY_LAST_N:
      self->params->penalty_last_n = g_value_get_int (value);
      break;
    case PROP_SEED:
      self->params->seed = g_value_get_uint64 (value);
      self->seed_is_set = TRUE;
      break;
    case PROP_STOP:
      set_stop (self->params, value);
      break;
    case PROP_IGNORE_EOS:
      self->params->ignore_eos = g_value_get_boolean (value);
      break;
    case PROP_ENGINE:
      g_set_object (&self->given_engine, g_value_get_object (value));
      break;
    default:
      break;
  }
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstBitnetInfer *self = GST_BITNET_INFER (object);
  gboolean is_running;
  double *number;
  guint *count;

  GST_OBJECT_LOCK (self);
  number = double_field (self->params, id);
  count = uint_field (self, id);
  if (number)
    *number = g_value_get_double (value);
  else if (count)
    *count = g_value_get_uint (value);
  else
    set_locked (self, id, value);
  is_running = GST_STATE (self) >= GST_STATE_PAUSED;
  GST_OBJECT_UNLOCK (self);
  if (id == PROP_LATENCY && is_running)
    gst_element_post_message (
        GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

static GstStructure *
dup_stats (GstBitnetInfer *self)
{
  GstStructure *s;

  g_mutex_lock (&self->wait.mutex);
  s = gst_structure_new ("application/x-bitnet-infer-stats", "requests",
      G_TYPE_UINT64, self->n_requests, "cancelled", G_TYPE_UINT64,
      self->n_cancelled, "prompt-tokens", G_TYPE_UINT64, self->n_prompt_tokens,
      "cached-tokens", G_TYPE_UINT64, self->n_cached_tokens, "generated-tokens",
      G_TYPE_UINT64, self->n_generated_tokens, "prefill-ns", G_TYPE_UINT64,
      self->prefill_ns, "decode-ns", G_TYPE_UINT64, self->decode_ns, NULL);
  g_mutex_unlock (&self->wait.mutex);
  return s;
}

/* The running engine, else the one that was set; (transfer full). */
static BitnetEngine *
dup_engine (GstBitnetInfer *self)
{
  BitnetEngine *engine = NULL;

  g_mutex_lock (&self->wait.mutex);
  if (self->load && self->load->engine)
    engine = g_object_ref (self->load->engine);
  g_mutex_unlock (&self->wait.mutex);
  if (engine)
    return engine;
  GST_OBJECT_LOCK (self);
  if (self->given_engine)
    engine = g_object_ref (self->given_engine);
  GST_OBJECT_UNLOCK (self);
  return engine;
}

static void
get_locked (GstBitnetInfer *self, guint id, GValue *value)
{
  switch (id) {
    case PROP_DEVICE:
      g_value_set_string (value, self->options->device);
      break;
    case PROP_DRAFTS:
      g_value_set_uint (value, (guint) MAX (self->options->drafts, 0));
      break;
    case PROP_REPACK:
      g_value_set_enum (value, self->options->repack);
      break;
    case PROP_I2S_LAYOUT:
      g_value_set_enum (value, self->options->i2s_layout);
      break;
    case PROP_CACHE_TYPE:
      g_value_set_enum (value, self->options->cache_type);
      break;
    case PROP_HEAD:
      g_value_set_enum (value, self->options->head);
      break;
    case PROP_PENALTY_LAST_N:
      g_value_set_int (value, self->params->penalty_last_n);
      break;
    case PROP_SEED:
      g_value_set_uint64 (value, self->params->seed);
      break;
    case PROP_STOP:
      get_stop (self->params, value);
      break;
    case PROP_IGNORE_EOS:
      g_value_set_boolean (value, self->params->ignore_eos);
      break;
    default:
      break;
  }
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstBitnetInfer *self = GST_BITNET_INFER (object);
  const double *number;
  const guint *count;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, dup_stats (self));
    return;
  }
  if (id == PROP_ENGINE) {
    g_value_take_object (value, dup_engine (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  number = double_field (self->params, id);
  count = uint_field (self, id);
  if (number)
    g_value_set_double (value, *number);
  else if (count)
    g_value_set_uint (value, *count);
  else
    get_locked (self, id, value);
  GST_OBJECT_UNLOCK (self);
}

#define READY_FLAGS                                                            \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define PLAYING_FLAGS                                                          \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static void
install_engine_properties (GObjectClass *object_class)
{
  /**
   * GstBitnetInfer:device:
   *
   * What computes: `auto`, `cpu`, `cuda` or `cuda:1`.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "What computes: auto, cpu, cuda or cuda:N", DEFAULT_DEVICE,
          READY_FLAGS));
  /**
   * GstBitnetInfer:threads:
   *
   * Threads that compute; 0 = one for each physical core.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Threads that compute (0 = one for each physical core)", 0,
          MAX_THREADS, DEFAULT_THREADS, READY_FLAGS));
  /**
   * GstBitnetInfer:context-size:
   *
   * Tokens of prompt and response together; 0 = what the model was trained
   * for.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_CONTEXT_SIZE,
      g_param_spec_uint ("context-size", "Context Size",
          "Tokens of prompt and response together (0 = the model's)", 0,
          G_MAXINT, DEFAULT_CONTEXT_SIZE, READY_FLAGS));
  /**
   * GstBitnetInfer:batch-size:
   *
   * Tokens of a prompt that are computed at a time.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_BATCH_SIZE,
      g_param_spec_uint ("batch-size", "Batch Size",
          "Tokens of a prompt that are computed at a time", 1, G_MAXINT,
          DEFAULT_BATCH_SIZE, READY_FLAGS));
  /**
   * GstBitnetInfer:parallel:
   *
   * Requests of this stream that run at a time. Responses stay in the order
   * of the requests.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PARALLEL,
      g_param_spec_uint ("parallel", "Parallel",
          "Requests of this stream that run at a time", 1, MAX_PARALLEL,
          DEFAULT_PARALLEL, READY_FLAGS));
  /**
   * GstBitnetInfer:engine:
   *
   * The engine that runs the model. An application may set one; it is used
   * for its own model.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_ENGINE,
      g_param_spec_object ("engine", "Engine", "What runs the model",
          BITNET_TYPE_ENGINE, READY_FLAGS));
}

/* How the engine holds and computes what the model says. */
static void
install_form_properties (GObjectClass *object_class)
{
  /**
   * GstBitnetInfer:repack:
   *
   * Whether weights are rearranged for the processor when they are loaded.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_REPACK,
      g_param_spec_enum ("repack", "Repack",
          "Whether weights are rearranged for the processor",
          BITNET_TYPE_REPACK, BITNET_REPACK_AUTO, READY_FLAGS));
  /**
   * GstBitnetInfer:drafts:
   *
   * Most tokens that a response guesses ahead from its own text; 0 = none.
   * Guesses make text that repeats faster and change no response.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_DRAFTS,
      g_param_spec_uint ("drafts", "Drafts",
          "Most tokens guessed ahead; changes no response (0 = none)", 0,
          MAX_DRAFTS, DEFAULT_DRAFTS, READY_FLAGS));
  /**
   * GstBitnetInfer:i2s-layout:
   *
   * Order of the elements in I2_S tensors, which a file does not tell.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_I2S_LAYOUT,
      g_param_spec_enum ("i2s-layout", "I2_S Layout",
          "Order of the elements in I2_S tensors", BITNET_TYPE_I2S_LAYOUT,
          BITNET_I2S_LAYOUT_A, READY_FLAGS));
  /**
   * GstBitnetInfer:cache-type:
   *
   * How keys and values of past tokens are held. `q8_0` takes about half the
   * memory and is less exact; heads of a multiple of 32 numbers only.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_CACHE_TYPE,
      g_param_spec_enum ("cache-type", "Cache Type",
          "How keys and values of past tokens are held", BITNET_TYPE_CACHE_TYPE,
          BITNET_CACHE_TYPE_F16, READY_FLAGS));
  /**
   * GstBitnetInfer:head:
   *
   * How the output matrix is held, which is read whole for every token. One
   * of fewer bits than the file's is faster and, but for `screened`, less
   * exact; only floats are quantized. `auto` is `screened` for large matrices
   * of floats, else `file`.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_HEAD,
      g_param_spec_enum ("head", "Head", "How the output matrix is held",
          BITNET_TYPE_HEAD, BITNET_HEAD_AUTO, READY_FLAGS));
}

static void
install_length_properties (GObjectClass *object_class)
{
  /**
   * GstBitnetInfer:max-tokens:
   *
   * Most tokens of a response; 0 = until the context is full.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MAX_TOKENS,
      g_param_spec_uint ("max-tokens", "Maximum Tokens",
          "Most tokens of a response (0 = until the context is full)", 0,
          G_MAXINT, DEFAULT_MAX_TOKENS, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:stop:
   *
   * Texts that end a response. They do not appear in it. In a launch line:
   * `stop='<"Q:","A:">'`.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_STOP,
      gst_param_spec_array ("stop", "Stop", "Texts that end a response",
          g_param_spec_string ("text", "Text", "A text that ends a response",
              NULL, PLAYING_FLAGS),
          PLAYING_FLAGS));
  /**
   * GstBitnetInfer:ignore-eos:
   *
   * Go on behind tokens that end a response.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_IGNORE_EOS,
      g_param_spec_boolean ("ignore-eos", "Ignore EOS",
          "Go on behind tokens that end a response", DEFAULT_IGNORE_EOS,
          PLAYING_FLAGS));
  /**
   * GstBitnetInfer:chunk:
   *
   * Tokens in one output buffer.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_CHUNK,
      g_param_spec_uint ("chunk", "Chunk", "Tokens in one output buffer", 1,
          MAX_CHUNK, DEFAULT_CHUNK, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:latency:
   *
   * Milliseconds that a response may take in a live pipeline.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_LATENCY,
      g_param_spec_uint ("latency", "Latency",
          "Milliseconds a response may take in a live pipeline", 0,
          MAX_LATENCY_MS, DEFAULT_LATENCY, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:stats:
   *
   * Figures about all responses; the fields are listed above.
   *
   * Since: 0.1
   */
  stats_pspec = g_param_spec_boxed ("stats", "Statistics",
      "Figures about all responses", GST_TYPE_STRUCTURE,
      G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  g_object_class_install_property (object_class, PROP_STATS, stats_pspec);
}

static void
install_sampling_properties (GObjectClass *object_class)
{
  /**
   * GstBitnetInfer:temperature:
   *
   * How freely tokens are drawn; 0 = always the likeliest.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_TEMPERATURE,
      g_param_spec_double ("temperature", "Temperature",
          "How freely tokens are drawn (0 = always the likeliest)", 0, 100,
          DEFAULT_TEMPERATURE, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:top-k:
   *
   * Draw from this many of the likeliest tokens; 0 = all.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_TOP_K,
      g_param_spec_uint ("top-k", "Top K",
          "Draw from this many of the likeliest tokens (0 = all)", 0, G_MAXINT,
          DEFAULT_TOP_K, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:top-p:
   *
   * Draw from the fewest tokens that have this probability together.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_TOP_P,
      g_param_spec_double ("top-p", "Top P",
          "Draw from the fewest tokens of this probability (1 = all)", 0, 1,
          DEFAULT_TOP_P, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:min-p:
   *
   * Draw from tokens with at least this share of the likeliest one's
   * probability.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MIN_P,
      g_param_spec_double ("min-p", "Min P",
          "Share of the likeliest token's probability (0 = all)", 0, 1,
          DEFAULT_MIN_P, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:min-keep:
   *
   * Tokens that no filter goes below.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MIN_KEEP,
      g_param_spec_uint ("min-keep", "Min Keep",
          "Tokens that no filter goes below", 0, G_MAXINT, DEFAULT_MIN_KEEP,
          PLAYING_FLAGS));
  /**
   * GstBitnetInfer:seed:
   *
   * Seed of the random numbers; 0 = another one each time. If it was never
   * set, `BITNET_SEED` and `BITNET_DETERMINISTIC` apply.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_SEED,
      g_param_spec_uint64 ("seed", "Seed",
          "Seed of the random numbers (0 = another one each time)", 0,
          G_MAXUINT64, DEFAULT_SEED, PLAYING_FLAGS));
}

static void
install_penalty_properties (GObjectClass *object_class)
{
  /**
   * GstBitnetInfer:penalty-repeat:
   *
   * Divides the score of tokens that occurred; 1 = off.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PENALTY_REPEAT,
      g_param_spec_double ("penalty-repeat", "Repeat Penalty",
          "Divides the score of tokens that occurred (1 = off)", 0.01, 100,
          DEFAULT_PENALTY_REPEAT, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:penalty-freq:
   *
   * Is subtracted for each occurrence of a token.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PENALTY_FREQ,
      g_param_spec_double ("penalty-freq", "Frequency Penalty",
          "Is subtracted for each occurrence of a token", -100, 100,
          DEFAULT_PENALTY_FREQ, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:penalty-present:
   *
   * Is subtracted once from a token that occurred.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PENALTY_PRESENT,
      g_param_spec_double ("penalty-present", "Presence Penalty",
          "Is subtracted once from a token that occurred", -100, 100,
          DEFAULT_PENALTY_PRESENT, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:penalty-last-n:
   *
   * Tokens that the penalties look back; 0 = off, -1 = all.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PENALTY_LAST_N,
      g_param_spec_int ("penalty-last-n", "Penalty Window",
          "Tokens that the penalties look back (0 = off, -1 = all)", -1,
          G_MAXINT, DEFAULT_PENALTY_LAST_N, PLAYING_FLAGS));
}

static void
install_special_properties (GObjectClass *object_class)
{
  /**
   * GstBitnetInfer:dynatemp-range:
   *
   * Half width of the range in which the temperature follows the entropy.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_DYNATEMP_RANGE,
      g_param_spec_double ("dynatemp-range", "Temperature Range",
          "Half width of an entropy-driven temperature range (0 = off)", 0, 100,
          DEFAULT_DYNATEMP_RANGE, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:dynatemp-exponent:
   *
   * Exponent of the entropy in that range.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_DYNATEMP_EXPONENT,
      g_param_spec_double ("dynatemp-exponent", "Temperature Exponent",
          "Exponent of the entropy in the temperature range", 0, 100,
          DEFAULT_DYNATEMP_EXPONENT, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:typical-p:
   *
   * Draw from the most typical tokens of this probability.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_TYPICAL_P,
      g_param_spec_double ("typical-p", "Typical P",
          "Draw from the most typical tokens of this probability (1 = all)", 0,
          1, DEFAULT_TYPICAL_P, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:xtc-probability:
   *
   * Chance that the top choices are excluded.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_XTC_PROBABILITY,
      g_param_spec_double ("xtc-probability", "XTC Probability",
          "Chance that the top choices are excluded (0 = off)", 0, 1,
          DEFAULT_XTC_PROBABILITY, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:xtc-threshold:
   *
   * Probability from which a token counts as a top choice.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_XTC_THRESHOLD,
      g_param_spec_double ("xtc-threshold", "XTC Threshold",
          "Probability from which a token counts as a top choice", 0, 1,
          DEFAULT_XTC_THRESHOLD, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:mirostat:
   *
   * Hold the surprise constant in place of the filters: 0 = off, else the
   * version of the method.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MIROSTAT,
      g_param_spec_uint ("mirostat", "Mirostat",
          "Version of Mirostat in place of the filters (0 = off)", 0, 2,
          DEFAULT_MIROSTAT, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:mirostat-tau:
   *
   * The surprise that Mirostat holds, in bits.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MIROSTAT_TAU,
      g_param_spec_double ("mirostat-tau", "Mirostat Tau",
          "The surprise that Mirostat holds, in bits", 0, 100,
          DEFAULT_MIROSTAT_TAU, PLAYING_FLAGS));
  /**
   * GstBitnetInfer:mirostat-eta:
   *
   * How fast Mirostat follows.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MIROSTAT_ETA,
      g_param_spec_double ("mirostat-eta", "Mirostat Eta",
          "How fast Mirostat follows", 0, 10, DEFAULT_MIROSTAT_ETA,
          PLAYING_FLAGS));
}

void
gst_bitnet_infer_install_properties (GObjectClass *object_class)
{
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  install_engine_properties (object_class);
  install_form_properties (object_class);
  install_length_properties (object_class);
  install_sampling_properties (object_class);
  install_penalty_properties (object_class);
  install_special_properties (object_class);
}

void
gst_bitnet_infer_init_properties (GstBitnetInfer *self)
{
  self->options = bitnet_engine_options_new ();
  g_free (self->options->device);
  self->options->device = g_strdup (DEFAULT_DEVICE);
  self->options->n_threads = DEFAULT_THREADS;
  self->options->context_size = DEFAULT_CONTEXT_SIZE;
  self->options->batch_size = DEFAULT_BATCH_SIZE;
  self->options->drafts = DEFAULT_DRAFTS;
  self->params = bitnet_params_new ();
  self->parallel = DEFAULT_PARALLEL;
  self->chunk = DEFAULT_CHUNK;
  self->latency_ms = DEFAULT_LATENCY;
}
