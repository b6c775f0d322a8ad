/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetEngine: the GObject in front of the scheduler (core/bn-scheduler.h).
 *
 * The engine itself is a few words and made at once; bitnet_engine_load()
 * makes the scheduler, whose thread loads and keeps the weights. When a load
 * fails or is given up the next one makes a new scheduler. */
#include "bitnet-engine.h"

#include <string.h>

#include "bitnet-error.h"
#include "bitnet-private.h"
#include "bitnet-tokenizer-private.h"
#include "core/bn-threadpool.h"
#include "kernels/bn-cpu.h"

#define DEFAULT_BATCH_SIZE 512
#define DEFAULT_SEQUENCES 8
#define DEFAULT_DRAFTS 8

#define NS_PER_MS 1e6
#define NS_PER_S 1e9

struct _BitnetEngine {
  GObject parent_instance;

  BitnetModel *model;
  char *device;
  BnSchedulerOptions options; /* no zero but n_threads and cache_size */

  GMutex lock;            /* protects scheduler */
  BnScheduler *scheduler; /* NULL before the first load */
};

G_DEFINE_FINAL_TYPE (BitnetEngine, bitnet_engine, G_TYPE_OBJECT)

static void
drop_scheduler (BnScheduler *scheduler)
{
  if (scheduler == NULL)
    return;
  bn_scheduler_stop (scheduler);
  bn_scheduler_unref (scheduler);
}

static void
bitnet_engine_finalize (GObject *object)
{
  BitnetEngine *self = BITNET_ENGINE (object);

  drop_scheduler (self->scheduler);
  g_mutex_clear (&self->lock);
  g_object_unref (self->model);
  g_free (self->device);
  G_OBJECT_CLASS (bitnet_engine_parent_class)->finalize (object);
}

static void
bitnet_engine_class_init (BitnetEngineClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bitnet_engine_finalize;
}

static void
bitnet_engine_init (BitnetEngine *self)
{
  g_mutex_init (&self->lock);
}

/* ---- options ---- */

static BnSchedulerOptions
fill_defaults (BitnetModel *model, const BitnetEngineOptions *options)
{
  BnSchedulerOptions filled = {
      .n_threads = options->n_threads,
      .context_size = options->context_size,
      .batch_size = options->batch_size,
      .n_sequences = options->n_sequences,
      .repack = (BnRepack) options->repack,
      .i2s_layout = (BnI2sLayout) options->i2s_layout,
      .kv_type = (BnKvType) options->cache_type,
      .head = (BnHead) options->head,
      .n_drafts = options->drafts > 0    ? (guint) options->drafts
                  : options->drafts == 0 ? DEFAULT_DRAFTS
                                         : 0,
      .has_profile = options->profile,
  };

  if (filled.context_size == 0)
    filled.context_size =
        MIN (bitnet_model_get_context_length (model), BN_MAX_DEFAULT_CONTEXT);
  if (filled.batch_size == 0)
    filled.batch_size = DEFAULT_BATCH_SIZE;
  if (filled.n_sequences == 0)
    filled.n_sequences = DEFAULT_SEQUENCES;
  filled.n_sequences = MIN (filled.n_sequences, filled.batch_size);
  return filled;
}

static guint
resolve_n_threads (const BnSchedulerOptions *options)
{
  return options->n_threads != 0 ? options->n_threads
                                 : bn_thread_pool_default_n_threads ();
}

static BitnetEngine *
create_engine (
    BitnetModel *model, const BitnetEngineOptions *options, GError **error)
{
  BitnetEngine *self;
  const char *device = bitnet_engine_options_resolve_device (options, error);

  if (device == NULL)
    return NULL;
  self = g_object_new (BITNET_TYPE_ENGINE, NULL);
  self->model = g_object_ref (model);
  self->device = g_strdup (device);
  self->options = fill_defaults (model, options);
  return self;
}

BitnetEngine *
bitnet_model_get_engine (
    BitnetModel *self, const BitnetEngineOptions *options, GError **error)
{
  static const BitnetEngineOptions defaults = {0};
  const char *device;

  g_return_val_if_fail (BITNET_IS_MODEL (self), NULL);

  if (options == NULL)
    options = &defaults;
  if (!bitnet_engine_options_validate (options, error))
    return NULL;
  device = bitnet_engine_options_resolve_device (options, error);
  if (device == NULL)
    return NULL;
  return bitnet_model_share_engine (
      self, device, create_engine, options, error);
}

gboolean
bitnet_engine_matches (BitnetEngine *self, const BitnetEngineOptions *options)
{
  static const BitnetEngineOptions defaults = {0};
  const BnSchedulerOptions *mine = &self->options;
  const char *device;

  g_return_val_if_fail (BITNET_IS_ENGINE (self), FALSE);

  if (options == NULL)
    options = &defaults;
  BnSchedulerOptions other = fill_defaults (self->model, options);
  device = bitnet_engine_options_resolve_device (options, NULL);
  return g_strcmp0 (device, self->device) == 0
         && resolve_n_threads (mine) == resolve_n_threads (&other)
         && mine->context_size == other.context_size
         && mine->batch_size == other.batch_size
         && mine->n_sequences == other.n_sequences
         && mine->repack == other.repack && mine->i2s_layout == other.i2s_layout
         && mine->kv_type == other.kv_type && mine->head == other.head
         && mine->n_drafts == other.n_drafts
         && !mine->has_profile == !other.has_profile;
}

/* ---- loading ---- */

/* The scheduler that is loading or ready, a new one if there is none. */
static BnScheduler *
obtain_scheduler (BitnetEngine *self, GError **error)
{
  BnScheduler *useless = NULL;
  BnScheduler *scheduler;

  g_mutex_lock (&self->lock);
  if (self->scheduler != NULL && !bn_scheduler_is_usable (self->scheduler))
    useless = g_steal_pointer (&self->scheduler);
  if (self->scheduler == NULL)
    self->scheduler = bn_scheduler_new (
        bitnet_model_get_gguf (self->model), &self->options, error);
  scheduler = self->scheduler ? bn_scheduler_ref (self->scheduler) : NULL;
  g_mutex_unlock (&self->lock);
  drop_scheduler (useless);
  return scheduler;
}

/* The scheduler if it is ready, else NULL. */
static BnScheduler *
ref_ready_scheduler (BitnetEngine *self)
{
  BnScheduler *scheduler = NULL;

  g_mutex_lock (&self->lock);
  if (self->scheduler != NULL && bn_scheduler_is_ready (self->scheduler))
    scheduler = bn_scheduler_ref (self->scheduler);
  g_mutex_unlock (&self->lock);
  return scheduler;
}

static BnScheduler *
require_scheduler (BitnetEngine *self, GError **error)
{
  BnScheduler *scheduler = ref_ready_scheduler (self);

  if (scheduler == NULL)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "%s: the engine is not loaded, expected bitnet_engine_load() before",
        bitnet_model_get_path (self->model));
  return scheduler;
}

gboolean
bitnet_engine_load (BitnetEngine *self, BitnetProgressFunc progress,
    gpointer progress_data, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (BITNET_IS_ENGINE (self), FALSE);

  for (;;) {
    g_autoptr (GError) reason = NULL;
    g_autoptr (BnScheduler) scheduler = obtain_scheduler (self, error);

    if (scheduler == NULL)
      return FALSE;
    if (bn_scheduler_wait_ready (
            scheduler, progress, progress_data, cancellable, &reason))
      return TRUE;
    /* Given up by others just before this call joined: load again. */
    if (g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_CANCELLED)
        && !g_cancellable_is_cancelled (cancellable))
      continue;
    g_propagate_error (error, g_steal_pointer (&reason));
    return FALSE;
  }
}

static void
load_in_thread (
    GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (bitnet_engine_load (source, NULL, NULL, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
bitnet_engine_load_async (BitnetEngine *self, int io_priority,
    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (BITNET_IS_ENGINE (self));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bitnet_engine_load_async);
  g_task_set_priority (task, io_priority);
  g_task_run_in_thread (task, load_in_thread);
}

gboolean
bitnet_engine_load_finish (
    BitnetEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- getters ---- */

BitnetModel *
bitnet_engine_get_model (BitnetEngine *self)
{
  g_return_val_if_fail (BITNET_IS_ENGINE (self), NULL);

  return self->model;
}

const char *
bitnet_engine_get_device (BitnetEngine *self)
{
  g_return_val_if_fail (BITNET_IS_ENGINE (self), NULL);

  return self->device;
}

guint
bitnet_engine_get_n_threads (BitnetEngine *self)
{
  g_return_val_if_fail (BITNET_IS_ENGINE (self), 0);

  g_autoptr (BnScheduler) scheduler = ref_ready_scheduler (self);
  return scheduler ? bn_scheduler_get_info (scheduler)->n_threads
                   : resolve_n_threads (&self->options);
}

guint
bitnet_engine_get_context_size (BitnetEngine *self)
{
  g_return_val_if_fail (BITNET_IS_ENGINE (self), 0);

  g_autoptr (BnScheduler) scheduler = ref_ready_scheduler (self);
  return scheduler ? bn_scheduler_get_info (scheduler)->context_size
                   : self->options.context_size;
}

/* ---- the vocabulary of a request ---- */

/* The scheduler keeps a request until the pass it is in has ended; its client
 * lets go of the tokenizer at once, through this. */
struct BnSharedVocabulary {
  int ref_count; /* atomic */
  GMutex lock;
  BitnetTokenizer *tokenizer; /* under lock; NULL when released */
};

static BnSharedVocabulary *
shared_vocabulary_new (BitnetTokenizer *tokenizer)
{
  BnSharedVocabulary *self = g_new0 (BnSharedVocabulary, 1);

  self->ref_count = 1;
  g_mutex_init (&self->lock);
  self->tokenizer = g_object_ref (tokenizer);
  return self;
}

static void
shared_vocabulary_unref (void *data)
{
  BnSharedVocabulary *self = data;

  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_clear_object (&self->tokenizer);
  g_mutex_clear (&self->lock);
  g_free (self);
}

void
bn_shared_vocabulary_release (BnSharedVocabulary *self)
{
  g_mutex_lock (&self->lock);
  g_clear_object (&self->tokenizer);
  g_mutex_unlock (&self->lock);
  shared_vocabulary_unref (self);
}

static gboolean
is_end (void *data, uint32_t token)
{
  BnSharedVocabulary *self = data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->tokenizer != NULL
         && bitnet_tokenizer_is_eog (self->tokenizer, token);
}

static GBytes *
get_text (void *data, uint32_t token)
{
  BnSharedVocabulary *self = data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->tokenizer
             ? bitnet_tokenizer_get_token_bytes (self->tokenizer, token)
             : NULL;
}

/* Whether the texts of tokens, one behind the other, are text. */
static gboolean
spells (BitnetTokenizer *tokenizer, const uint32_t *tokens, size_t n_tokens,
    const char *text, size_t size)
{
  g_autoptr (GByteArray) joined = g_byte_array_new ();

  for (size_t i = 0; i < n_tokens; i++) {
    g_autoptr (GBytes) bytes =
        bitnet_tokenizer_get_token_bytes (tokenizer, tokens[i]);
    if (bytes != NULL)
      g_byte_array_append (joined, g_bytes_get_data (bytes, NULL),
          (guint) g_bytes_get_size (bytes));
  }
  return joined->len == size && memcmp (joined->data, text, size) == 0;
}

/* The token of a single byte, BITNET_TOKEN_NONE if there is none that is
 * text. */
static uint32_t
find_byte_token (BitnetTokenizer *tokenizer, char byte)
{
  const BnVocab *vocab = bitnet_tokenizer_get_inner (tokenizer)->vocab;
  uint32_t token = bn_vocab_byte_token (vocab, (uint8_t) byte);
  BitnetTokenAttributes attributes =
      bitnet_tokenizer_get_attributes (tokenizer, token);

  return (attributes & (BITNET_TOKEN_NORMAL | BITNET_TOKEN_BYTE)) != 0
                 && spells (tokenizer, &token, 1, &byte, 1)
             ? token
             : BITNET_TOKEN_NONE;
}

/* As the tokenizer would write it; where it would write something else (a
 * space in front, a piece of a character), byte by byte. */
static uint32_t *
spell_with (
    BitnetTokenizer *tokenizer, const char *text, size_t size, size_t *n_tokens)
{
  g_autofree uint32_t *tokens = NULL;

  tokens = bitnet_tokenizer_encode (
      tokenizer, text, (gssize) size, BITNET_ENCODE_NONE, n_tokens, NULL);
  if (tokens != NULL && spells (tokenizer, tokens, *n_tokens, text, size))
    return g_steal_pointer (&tokens);
  g_free (tokens);
  tokens = g_new (uint32_t, size);
  for (size_t i = 0; i < size; i++) {
    tokens[i] = find_byte_token (tokenizer, text[i]);
    if (tokens[i] == BITNET_TOKEN_NONE)
      return NULL;
  }
  *n_tokens = size;
  return g_steal_pointer (&tokens);
}

static uint32_t *
spell (void *data, const char *text, size_t size, size_t *n_tokens)
{
  BnSharedVocabulary *self = data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->tokenizer ? spell_with (self->tokenizer, text, size, n_tokens)
                         : NULL;
}

/* ---- submitting ---- */

static gboolean
check_stop (
    const BitnetParams *params, BitnetTokenizer *tokenizer, GError **error)
{
  gboolean has_stop = params->stop != NULL && params->stop[0] != NULL;

  if (has_stop && tokenizer == NULL) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "stop has texts, expected a tokenizer with them");
    return FALSE;
  }
  return TRUE;
}

BitnetSequence *
bitnet_engine_submit (BitnetEngine *self, BitnetTokenizer *tokenizer,
    const guint32 *tokens, gsize n_tokens, const BitnetParams *params,
    GError **error)
{
  g_autoptr (BitnetParams) defaults = NULL;
  g_autoptr (BnScheduler) scheduler = NULL;
  BnSharedVocabulary *vocabulary = NULL;
  BnRequest *request;

  g_return_val_if_fail (BITNET_IS_ENGINE (self), NULL);
  g_return_val_if_fail (
      tokenizer == NULL || BITNET_IS_TOKENIZER (tokenizer), NULL);
  g_return_val_if_fail (tokens != NULL || n_tokens == 0, NULL);

  if (params == NULL)
    params = defaults = bitnet_params_new ();
  if (!bitnet_params_validate (params, error)
      || !check_stop (params, tokenizer, error))
    return NULL;
  scheduler = require_scheduler (self, error);
  if (scheduler == NULL)
    return NULL;

  const BnSchedulerInfo *info = bn_scheduler_get_info (scheduler);
  BnSamplerConfig config = bitnet_params_get_sampler_config (params);
  BnRequestOptions options = {
      .tokens = tokens,
      .n_tokens = n_tokens,
      .max_tokens = params->max_tokens,
      .sampler = bn_sampler_new (&config, bitnet_params_resolve_seed (params),
          info->n_vocab, info->context_size),
  };
  if (tokenizer != NULL) {
    vocabulary = shared_vocabulary_new (tokenizer);
    g_atomic_int_inc (&vocabulary->ref_count); /* one for the sequence */
    options.vocabulary = (BnVocabulary){
        .data = vocabulary,
        .destroy = shared_vocabulary_unref,
        .is_end = params->ignore_eos ? NULL : is_end,
        .get_text = get_text,
        .spell = spell,
    };
  }
  if (params->stop != NULL && params->stop[0] != NULL)
    options.stopper = bn_stopper_new ((const char *const *) params->stop);
  request = bn_scheduler_submit (scheduler, &options, error);
  if (request != NULL)
    return bitnet_sequence_new (self, request, vocabulary);
  g_clear_pointer (&vocabulary, bn_shared_vocabulary_release);
  return NULL;
}

GBytes *
bitnet_engine_compute_logits (BitnetEngine *self, const guint32 *tokens,
    gsize n_tokens, GCancellable *cancellable, GError **error)
{
  g_autoptr (BnScheduler) scheduler = NULL;

  g_return_val_if_fail (BITNET_IS_ENGINE (self), NULL);
  g_return_val_if_fail (tokens != NULL || n_tokens == 0, NULL);

  scheduler = require_scheduler (self, error);
  if (scheduler == NULL)
    return NULL;
  return bn_scheduler_compute_logits (
      scheduler, tokens, n_tokens, cancellable, error);
}

GBytes *
bitnet_engine_compute_scores (BitnetEngine *self, const guint32 *tokens,
    gsize n_tokens, GCancellable *cancellable, GError **error)
{
  g_autoptr (BnScheduler) scheduler = NULL;

  g_return_val_if_fail (BITNET_IS_ENGINE (self), NULL);
  g_return_val_if_fail (tokens != NULL || n_tokens == 0, NULL);

  scheduler = require_scheduler (self, error);
  if (scheduler == NULL)
    return NULL;
  return bn_scheduler_compute_scores (
      scheduler, tokens, n_tokens, cancellable, error);
}

/* ---- statistics ---- */

static double
per_second (uint64_t n, uint64_t ns)
{
  return ns > 0 ? (double) n * NS_PER_S / (double) ns : 0;
}

static void
add_uint (GVariantDict *dict, const char *key, uint32_t value)
{
  g_variant_dict_insert (dict, key, "u", value);
}

static void
add_uint64 (GVariantDict *dict, const char *key, uint64_t value)
{
  g_variant_dict_insert (dict, key, "t", (guint64) value);
}

static void
add_double (GVariantDict *dict, const char *key, double value)
{
  g_variant_dict_insert (dict, key, "d", value);
}

static void
add_parts (GVariantDict *dict, const BnSchedulerStats *stats)
{
  GVariantBuilder parts;

  g_variant_builder_init (&parts, G_VARIANT_TYPE ("a{st}"));
  for (int part = 0; part < BN_N_PARTS; part++)
    g_variant_builder_add (&parts, "{st}",
        bn_pass_part_name ((BnPassPart) part), (guint64) stats->part_ns[part]);
  g_variant_dict_insert_value (dict, "parts", g_variant_builder_end (&parts));
}

/* Its nick, a static string. */
static const char *
get_head_name (BnHead head)
{
  g_autoptr (GEnumClass) values = g_type_class_ref (BITNET_TYPE_HEAD);

  return g_enum_get_value (values, (int) head)->value_nick;
}

static void
add_scheduler_stats (
    GVariantDict *dict, BnScheduler *scheduler, gboolean has_profile)
{
  const BnSchedulerInfo *info = bn_scheduler_get_info (scheduler);
  BnSchedulerStats stats;

  bn_scheduler_get_stats (scheduler, &stats);
  add_double (dict, "load-ms", (double) info->load_ns / NS_PER_MS);
  add_uint64 (dict, "weights-size", info->weights_size);
  g_variant_dict_insert (dict, "head", "s", get_head_name (info->head));
  add_uint64 (dict, "bytes-per-token", info->token_size);
  add_uint64 (dict, "products-per-token", info->token_products);
  add_uint64 (dict, "prompt-tokens", stats.n_prompt_tokens);
  add_uint64 (dict, "cached-tokens", stats.n_cached_tokens);
  add_uint64 (dict, "generated-tokens", stats.n_generated_tokens);
  add_uint64 (dict, "drafted-tokens", stats.n_drafted_tokens);
  add_uint64 (dict, "accepted-tokens", stats.n_accepted_tokens);
  add_uint64 (dict, "screened-logits", stats.n_screened_logits);
  add_uint64 (dict, "computed-logits", stats.n_computed_logits);
  add_uint64 (dict, "steps", stats.n_steps);
  add_double (dict, "mean-batch",
      stats.n_steps > 0 ? (double) stats.n_step_tokens / (double) stats.n_steps
                        : 0);
  add_uint64 (dict, "prefill-ns", stats.prefill_ns);
  add_uint64 (dict, "decode-ns", stats.decode_ns);
  add_double (dict, "prefill-tokens-per-second",
      per_second (stats.n_prompt_tokens, stats.prefill_ns));
  add_double (dict, "tokens-per-second",
      per_second (stats.n_decode_tokens, stats.decode_ns));
  add_uint (dict, "running", stats.n_running);
  add_uint (dict, "waiting", stats.n_waiting);
  add_uint (dict, "kv-pages", stats.n_pages);
  add_uint (dict, "kv-pages-used", stats.n_pages_used);
  add_uint (dict, "kv-page-size", BN_KV_PAGE_CELLS);
  if (has_profile)
    add_parts (dict, &stats);
}

GVariant *
bitnet_engine_dup_stats (BitnetEngine *self)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (BnScheduler) scheduler = NULL;

  g_return_val_if_fail (BITNET_IS_ENGINE (self), NULL);

  scheduler = ref_ready_scheduler (self);
  g_variant_dict_insert (&dict, "device", "s", self->device);
  g_variant_dict_insert (&dict, "cpu-level", "s",
      bn_cpu_level_name (bn_kernels_get ()->cpu_flags));
  add_uint (&dict, "threads", bitnet_engine_get_n_threads (self));
  add_uint (&dict, "context-size", bitnet_engine_get_context_size (self));
  add_uint (&dict, "batch-size", self->options.batch_size);
  add_uint (&dict, "sequences", self->options.n_sequences);
  if (scheduler != NULL)
    add_scheduler_stats (&dict, scheduler, self->options.has_profile);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
