/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetResolver: settings, the synchronous and asynchronous front of the
 * chain of strategies, and its statistics. The work is in resolve/. */
#include "bitnet-resolver.h"

#include <string.h>
#include "bitnet-error.h"
#include "bitnet-private.h"
#include "resolve/bn-strategy.h"

enum {
  DEFAULT_TIMEOUT_S = 300,
  MAX_TIMEOUT_S = 24 * 60 * 60,
  DEFAULT_RETRIES = 3,
  MAX_RETRIES = 100,
};

#define DEFAULT_REVISION "main"
#define DEFAULT_FIDELITY "auto"
#define US_PER_MS 1000.0

enum {
  PROP_0,
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
  N_PROPS,
};

enum {
  SIGNAL_STRATEGY_STARTED,
  SIGNAL_STRATEGY_FINISHED,
  N_SIGNALS,
};

typedef struct {
  guint64 n_attempts;
  guint64 n_successes;
  gint64 sum_us;
  gint64 max_us;
} StrategyStats;

struct _BitnetResolver {
  GObject parent;

  GMutex lock; /* guards everything below */
  BnResolveOptions options;
  GHashTable *stats; /* strategy name (static) to StrategyStats */
  guint64 n_resolutions;
  guint64 n_successes;
};

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BitnetResolver, bitnet_resolver, G_TYPE_OBJECT)

/* Settings */

static void
options_clear (BnResolveOptions *options)
{
  g_free (options->tokenizer);
  g_free (options->tokenizer_repo);
  g_free (options->revision);
  g_free (options->endpoint);
  g_free (options->token);
  g_strfreev (options->strategy_order);
  g_free (options->cache_dir);
  g_free (options->fidelity);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnResolveOptions, options_clear)

static BnResolveOptions
options_copy (const BnResolveOptions *options)
{
  BnResolveOptions copy = *options;

  copy.tokenizer = g_strdup (options->tokenizer);
  copy.tokenizer_repo = g_strdup (options->tokenizer_repo);
  copy.revision = g_strdup (options->revision);
  copy.endpoint = g_strdup (options->endpoint);
  copy.token = g_strdup (options->token);
  copy.strategy_order = g_strdupv (options->strategy_order);
  copy.cache_dir = g_strdup (options->cache_dir);
  copy.fidelity = g_strdup (options->fidelity);
  return copy;
}

static char *
dup_env (const char *name)
{
  const char *text = g_getenv (name);

  return text != NULL && text[0] != '\0' ? g_strdup (text) : NULL;
}

static char *
dup_env_cache_dir (void)
{
  char *path = dup_env ("BITNET_TOKENIZER_CACHE");
  g_autofree char *root = NULL;

  if (path != NULL)
    return path;
  root = dup_env ("BITNET_CACHE_DIR");
  return root ? g_build_filename (root, "tokenizers", NULL) : NULL;
}

static void
read_environment (BnResolveOptions *options)
{
  g_autofree char *order = dup_env ("BITNET_TOKENIZER_ORDER");

  options->endpoint = dup_env ("HF_ENDPOINT");
  options->token = dup_env ("HF_TOKEN");
  options->strategy_order = order ? g_strsplit (order, ",", -1) : NULL;
  options->strict = bitnet_env_boolean ("BITNET_STRICT_TOKENIZERS", FALSE);
  options->offline = bitnet_env_boolean (
      "BITNET_OFFLINE", bitnet_env_boolean ("HF_HUB_OFFLINE", FALSE));
  options->allow_download = bitnet_env_boolean ("BITNET_AUTO_DOWNLOAD", TRUE);
  options->cache_dir = dup_env_cache_dir ();
  options->timeout_s = (guint) MIN (
      bitnet_env_uint64 ("BITNET_DOWNLOAD_TIMEOUT", DEFAULT_TIMEOUT_S),
      MAX_TIMEOUT_S);
}

static char **
get_string_setting (BnResolveOptions *options, guint id)
{
  switch (id) {
    case PROP_TOKENIZER:
      return &options->tokenizer;
    case PROP_TOKENIZER_REPO:
      return &options->tokenizer_repo;
    case PROP_REVISION:
      return &options->revision;
    case PROP_ENDPOINT:
      return &options->endpoint;
    case PROP_TOKEN:
      return &options->token;
    case PROP_CACHE_DIR:
      return &options->cache_dir;
    case PROP_FIDELITY:
      return &options->fidelity;
    default:
      return NULL;
  }
}

static void
bitnet_resolver_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  BitnetResolver *self = BITNET_RESOLVER (object);
  BnResolveOptions *options = &self->options;
  char **string = get_string_setting (options, id);

  g_mutex_lock (&self->lock);
  if (string != NULL) {
    const char *text = g_value_get_string (value);

    g_free (*string);
    *string = text != NULL && text[0] != '\0' ? g_strdup (text) : NULL;
  } else if (id == PROP_STRATEGY_ORDER) {
    g_strfreev (options->strategy_order);
    options->strategy_order = g_value_dup_boxed (value);
  } else if (id == PROP_STRICT) {
    options->strict = g_value_get_boolean (value);
  } else if (id == PROP_OFFLINE) {
    options->offline = g_value_get_boolean (value);
  } else if (id == PROP_ALLOW_DOWNLOAD) {
    options->allow_download = g_value_get_boolean (value);
  } else if (id == PROP_TIMEOUT) {
    options->timeout_s = g_value_get_uint (value);
  } else if (id == PROP_RETRIES) {
    options->retries = g_value_get_uint (value);
  } else {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  g_mutex_unlock (&self->lock);
}

static void
bitnet_resolver_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  BitnetResolver *self = BITNET_RESOLVER (object);
  const BnResolveOptions *options = &self->options;
  char **string = get_string_setting (&self->options, id);

  g_mutex_lock (&self->lock);
  if (string != NULL)
    g_value_set_string (value, *string);
  else if (id == PROP_STRATEGY_ORDER)
    g_value_set_boxed (value, options->strategy_order);
  else if (id == PROP_STRICT)
    g_value_set_boolean (value, options->strict);
  else if (id == PROP_OFFLINE)
    g_value_set_boolean (value, options->offline);
  else if (id == PROP_ALLOW_DOWNLOAD)
    g_value_set_boolean (value, options->allow_download);
  else if (id == PROP_TIMEOUT)
    g_value_set_uint (value, options->timeout_s);
  else if (id == PROP_RETRIES)
    g_value_set_uint (value, options->retries);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  g_mutex_unlock (&self->lock);
}

static void
bitnet_resolver_finalize (GObject *object)
{
  BitnetResolver *self = BITNET_RESOLVER (object);

  options_clear (&self->options);
  g_hash_table_unref (self->stats);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (bitnet_resolver_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
  const GParamFlags secret = G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS;

  properties[PROP_TOKENIZER] =
      g_param_spec_string ("tokenizer", NULL, NULL, NULL, flags);
  properties[PROP_TOKENIZER_REPO] =
      g_param_spec_string ("tokenizer-repo", NULL, NULL, NULL, flags);
  properties[PROP_REVISION] =
      g_param_spec_string ("revision", NULL, NULL, DEFAULT_REVISION, flags);
  properties[PROP_ENDPOINT] =
      g_param_spec_string ("endpoint", NULL, NULL, NULL, flags);
  properties[PROP_TOKEN] =
      g_param_spec_string ("token", NULL, NULL, NULL, secret);
  properties[PROP_STRATEGY_ORDER] =
      g_param_spec_boxed ("strategy-order", NULL, NULL, G_TYPE_STRV, flags);
  properties[PROP_STRICT] =
      g_param_spec_boolean ("strict", NULL, NULL, FALSE, flags);
  properties[PROP_OFFLINE] =
      g_param_spec_boolean ("offline", NULL, NULL, FALSE, flags);
  properties[PROP_ALLOW_DOWNLOAD] =
      g_param_spec_boolean ("allow-download", NULL, NULL, TRUE, flags);
  properties[PROP_CACHE_DIR] =
      g_param_spec_string ("cache-dir", NULL, NULL, NULL, flags);
  properties[PROP_TIMEOUT] = g_param_spec_uint (
      "timeout", NULL, NULL, 0, MAX_TIMEOUT_S, DEFAULT_TIMEOUT_S, flags);
  properties[PROP_RETRIES] = g_param_spec_uint (
      "retries", NULL, NULL, 0, MAX_RETRIES, DEFAULT_RETRIES, flags);
  properties[PROP_FIDELITY] =
      g_param_spec_string ("fidelity", NULL, NULL, DEFAULT_FIDELITY, flags);
  g_object_class_install_properties (klass, N_PROPS, properties);
}

static void
bitnet_resolver_class_init (BitnetResolverClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = bitnet_resolver_set_property;
  object_class->get_property = bitnet_resolver_get_property;
  object_class->finalize = bitnet_resolver_finalize;
  install_properties (object_class);
  signals[SIGNAL_STRATEGY_STARTED] =
      g_signal_new ("strategy-started", BITNET_TYPE_RESOLVER, G_SIGNAL_RUN_LAST,
          0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[SIGNAL_STRATEGY_FINISHED] = g_signal_new ("strategy-finished",
      BITNET_TYPE_RESOLVER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
      3, G_TYPE_STRING, G_TYPE_BOOLEAN, G_TYPE_STRING);
}

static void
bitnet_resolver_init (BitnetResolver *self)
{
  g_mutex_init (&self->lock);
  self->stats = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  self->options.revision = g_strdup (DEFAULT_REVISION);
  self->options.fidelity = g_strdup (DEFAULT_FIDELITY);
  self->options.retries = DEFAULT_RETRIES;
  read_environment (&self->options);
}

BitnetResolver *
bitnet_resolver_new (void)
{
  return g_object_new (BITNET_TYPE_RESOLVER, NULL);
}

/* Signals */

/* Where the observer of a chain tells what it sees. */
typedef struct {
  BitnetResolver *self;
  GMainContext *context; /* NULL: the thread itself */
  int priority;
} Listener;

/* A signal on its way to another thread. */
typedef struct {
  BitnetResolver *self;
  const BnStrategy *strategy;
  gboolean is_finished; /* which of the signals */
  gboolean success;
  char *message;
} Report;

static void
report_free (gpointer data)
{
  Report *report = data;

  g_object_unref (report->self);
  g_free (report->message);
  g_free (report);
}

static gboolean
emit_report (gpointer data)
{
  const Report *report = data;

  if (report->is_finished)
    g_signal_emit (report->self, signals[SIGNAL_STRATEGY_FINISHED], 0,
        report->strategy->name, report->success, report->message);
  else
    g_signal_emit (report->self, signals[SIGNAL_STRATEGY_STARTED], 0,
        report->strategy->name);
  return G_SOURCE_REMOVE;
}

/* Sources of one priority are dispatched in the order in which they came, so
 * reports keep theirs and precede the callback of the task. */
static void
send_report (const Listener *listener, const Report *report)
{
  GSource *source;

  if (listener->context == NULL) {
    emit_report ((gpointer) report);
    return;
  }
  source = g_idle_source_new ();
  g_source_set_static_name (source, "BitnetResolver report");
  g_source_set_priority (source, listener->priority);
  g_source_set_callback (
      source, emit_report, g_memdup2 (report, sizeof *report), report_free);
  g_source_attach (source, listener->context);
  g_source_unref (source);
}

static void
on_started (const BnStrategy *strategy, gpointer user_data)
{
  const Listener *listener = user_data;
  Report report = {.strategy = strategy};

  report.self = g_object_ref (listener->self);
  send_report (listener, &report);
  if (listener->context == NULL)
    g_object_unref (report.self);
}

static void
count_attempt (BitnetResolver *self, const BnAttempt *attempt)
{
  StrategyStats *stats;

  g_mutex_lock (&self->lock);
  stats = g_hash_table_lookup (self->stats, attempt->strategy->name);
  if (stats == NULL) {
    stats = g_new0 (StrategyStats, 1);
    g_hash_table_insert (
        self->stats, (gpointer) attempt->strategy->name, stats);
  }
  stats->n_attempts++;
  stats->n_successes += attempt->error == NULL;
  stats->sum_us += attempt->duration_us;
  stats->max_us = MAX (stats->max_us, attempt->duration_us);
  g_mutex_unlock (&self->lock);
}

static void
on_finished (const BnAttempt *attempt, gpointer user_data)
{
  const Listener *listener = user_data;
  Report report = {.strategy = attempt->strategy, .is_finished = TRUE};

  count_attempt (listener->self, attempt);
  report.self = g_object_ref (listener->self);
  report.success = attempt->error == NULL;
  report.message = attempt->error ? g_strdup (attempt->error->message) : NULL;
  send_report (listener, &report);
  if (listener->context == NULL) {
    g_object_unref (report.self);
    g_free (report.message);
  }
}

/* Resolving */

static GVariant *
new_resolution (const BnStrategy *strategy, const BnFound *found,
    GPtrArray *warnings, gint64 duration_us)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "strategy", "s", strategy->name);
  g_variant_dict_insert (&dict, "source", "s", found->source);
  g_variant_dict_insert (&dict, "vocab-size", "u",
      bitnet_tokenizer_get_vocab_size (found->tokenizer));
  g_variant_dict_insert (&dict, "from-cache", "b", found->from_cache);
  g_variant_dict_insert (&dict, "fallback", "b", found->is_fallback);
  g_variant_dict_insert (&dict, "duration-ms", "d", duration_us / US_PER_MS);
  g_variant_dict_insert_value (&dict, "warnings",
      g_variant_new_strv (
          (const char *const *) warnings->pdata, warnings->len));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static gboolean
check_fidelity (const BnResolveOptions *options, GError **error)
{
  if (options->fidelity == NULL || strcmp (options->fidelity, "auto") == 0
      || strcmp (options->fidelity, "llama-cpp") == 0)
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "fidelity \"%s\" is not supported by this version, expected auto or "
      "llama-cpp",
      options->fidelity);
  return FALSE;
}

static void
count_resolution (BitnetResolver *self, gboolean success)
{
  g_mutex_lock (&self->lock);
  self->n_resolutions++;
  self->n_successes += success;
  g_mutex_unlock (&self->lock);
}

static BitnetTokenizer *
resolve (const Listener *listener, BitnetModel *model,
    GCancellable *cancellable, GVariant **resolution, GError **error)
{
  BitnetResolver *self = listener->self;
  const BnChainObserver observer = {
      on_started, on_finished, (gpointer) listener};
  gint64 start_us = g_get_monotonic_time ();
  g_auto (BnResolveOptions) options = {0};
  g_auto (BnFound) found = {0};
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) chain = NULL;
  g_autoptr (GError) local_error = NULL;
  const BnStrategy *strategy;

  g_mutex_lock (&self->lock);
  options = options_copy (&self->options);
  g_mutex_unlock (&self->lock);
  if (!check_fidelity (&options, error))
    return NULL;
  chain = bn_chain_new (&options, error);
  if (chain == NULL)
    return NULL;

  strategy = bn_chain_run (chain, &options, model, &observer, &found, warnings,
      cancellable, &local_error);
  if (!g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    count_resolution (self, strategy != NULL && !found.is_fallback);
  if (strategy == NULL) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }
  if (resolution != NULL)
    *resolution = new_resolution (
        strategy, &found, warnings, g_get_monotonic_time () - start_us);
  return g_steal_pointer (&found.tokenizer);
}

BitnetTokenizer *
bitnet_resolver_resolve (BitnetResolver *self, BitnetModel *model,
    GCancellable *cancellable, GVariant **resolution, GError **error)
{
  Listener listener = {self, NULL, G_PRIORITY_DEFAULT};

  g_return_val_if_fail (BITNET_IS_RESOLVER (self), NULL);
  g_return_val_if_fail (BITNET_IS_MODEL (model), NULL);
  if (resolution != NULL)
    *resolution = NULL;
  return resolve (&listener, model, cancellable, resolution, error);
}

/* What the thread of a task works on and leaves behind. */
typedef struct {
  BitnetModel *model;
  GVariant *resolution;
} ResolveData;

static void
resolve_data_free (gpointer data)
{
  ResolveData *resolve_data = data;

  g_object_unref (resolve_data->model);
  g_clear_pointer (&resolve_data->resolution, g_variant_unref);
  g_free (resolve_data);
}

static void
resolve_thread (
    GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  ResolveData *data = task_data;
  Listener listener = {
      source, g_task_get_context (task), g_task_get_priority (task)};
  GError *error = NULL;
  BitnetTokenizer *tokenizer;

  if (listener.context == NULL)
    listener.context = g_main_context_default ();
  tokenizer =
      resolve (&listener, data->model, cancellable, &data->resolution, &error);
  if (tokenizer != NULL)
    g_task_return_pointer (task, tokenizer, g_object_unref);
  else
    g_task_return_error (task, error);
}

void
bitnet_resolver_resolve_async (BitnetResolver *self, BitnetModel *model,
    int io_priority, GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data)
{
  ResolveData *data;
  GTask *task;

  g_return_if_fail (BITNET_IS_RESOLVER (self));
  g_return_if_fail (BITNET_IS_MODEL (model));
  data = g_new0 (ResolveData, 1);
  data->model = g_object_ref (model);
  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bitnet_resolver_resolve_async);
  g_task_set_name (task, "bitnet_resolver_resolve_async");
  g_task_set_priority (task, io_priority);
  g_task_set_task_data (task, data, resolve_data_free);
  g_task_run_in_thread (task, resolve_thread);
  g_object_unref (task);
}

BitnetTokenizer *
bitnet_resolver_resolve_finish (BitnetResolver *self, GAsyncResult *result,
    GVariant **resolution, GError **error)
{
  BitnetTokenizer *tokenizer;

  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (
      g_async_result_is_tagged (result, bitnet_resolver_resolve_async), NULL);
  tokenizer = g_task_propagate_pointer (G_TASK (result), error);
  if (resolution != NULL) {
    ResolveData *data = g_task_get_task_data (G_TASK (result));

    *resolution = tokenizer ? g_steal_pointer (&data->resolution) : NULL;
  }
  return tokenizer;
}

/* Statistics */

static GVariant *
new_strategy_stats (const StrategyStats *stats)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "attempts", "t", stats->n_attempts);
  g_variant_dict_insert (&dict, "successes", "t", stats->n_successes);
  g_variant_dict_insert (
      &dict, "mean-ms", "d", stats->sum_us / US_PER_MS / stats->n_attempts);
  g_variant_dict_insert (&dict, "max-ms", "d", stats->max_us / US_PER_MS);
  return g_variant_dict_end (&dict);
}

GVariant *
bitnet_resolver_dup_stats (BitnetResolver *self)
{
  GVariantDict dict;
  GHashTableIter iter;
  gpointer name, stats;

  g_return_val_if_fail (BITNET_IS_RESOLVER (self), NULL);
  g_variant_dict_init (&dict, NULL);
  g_mutex_lock (&self->lock);
  g_variant_dict_insert (&dict, "resolutions", "t", self->n_resolutions);
  g_variant_dict_insert (&dict, "successes", "t", self->n_successes);
  g_variant_dict_insert (&dict, "success-rate", "d",
      self->n_resolutions
          ? (double) self->n_successes / (double) self->n_resolutions
          : 0.0);
  g_hash_table_iter_init (&iter, self->stats);
  while (g_hash_table_iter_next (&iter, &name, &stats))
    g_variant_dict_insert_value (&dict, name, new_strategy_stats (stats));
  g_mutex_unlock (&self->lock);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
