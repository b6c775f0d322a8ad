/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetResolver: settings, signals, statistics, and the blocking and
 * asynchronous fronts of a resolution. The work is in resolve/. */
#include "bitnet-resolver.h"

#include <string.h>
#include "bitnet-error.h"
#include "resolve/bn-resolve-stats.h"
#include "resolve/bn-work.h"

#define US_PER_MS 1000.0

enum {
  PROP_0,
  PROP_TOKENIZER,
  PROP_EXPLICIT_FALLBACK,
  PROP_TOKENIZER_REPO,
  PROP_REVISION,
  PROP_ENDPOINT,
  PROP_TOKEN,
  PROP_STRATEGY_ORDER,
  PROP_STRICT,
  PROP_OFFLINE,
  PROP_ALLOW_DOWNLOAD,
  PROP_ALLOW_INSECURE,
  PROP_CACHE_DIR,
  PROP_TIMEOUT,
  PROP_RETRIES,
  PROP_FIDELITY,
  PROP_DEVICE,
  N_PROPS,
};

enum {
  SIGNAL_STRATEGY_STARTED,
  SIGNAL_STRATEGY_FINISHED,
  SIGNAL_PROGRESS,
  SIGNAL_WARNING,
  SIGNAL_RESOLVED,
  SIGNAL_BREAKER_CHANGED,
  N_SIGNALS,
};

struct _BitnetResolver {
  GObject parent;

  GMainContext *context; /* in which it was made */

  GMutex lock; /* guards everything below */
  BnResolveOptions options;
  GPtrArray *custom; /* of BitnetStrategy; replaced, never changed */
  const BnResolveOptions *snapshot; /* of options; NULL: they have changed */
  BnServices *services;             /* for snapshot */
  BnResolveStats stats;
};

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BitnetResolver, bitnet_resolver, G_TYPE_OBJECT)

/* Settings. */

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
    case PROP_DEVICE:
      return &options->device;
    default:
      return NULL;
  }
}

static gboolean *
get_boolean_setting (BnResolveOptions *options, guint id)
{
  switch (id) {
    case PROP_EXPLICIT_FALLBACK:
      return &options->explicit_fallback;
    case PROP_STRICT:
      return &options->strict;
    case PROP_OFFLINE:
      return &options->offline;
    case PROP_ALLOW_DOWNLOAD:
      return &options->allow_download;
    case PROP_ALLOW_INSECURE:
      return &options->allow_insecure;
    default:
      return NULL;
  }
}

/* With the lock. Returns the services, which end a thread when they are
 * freed: that is for the caller to do without the lock. */
static BnServices *forget_snapshot (
    BitnetResolver *self) G_GNUC_WARN_UNUSED_RESULT;

static BnServices *
forget_snapshot (BitnetResolver *self)
{
  g_clear_pointer (&self->snapshot, bn_resolve_options_unref);
  return g_steal_pointer (&self->services);
}

static void
bitnet_resolver_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  BitnetResolver *self = BITNET_RESOLVER (object);
  BnResolveOptions *options = &self->options;
  char **string = get_string_setting (options, id);
  gboolean *boolean = get_boolean_setting (options, id);
  g_autoptr (BnServices) services = NULL;

  g_mutex_lock (&self->lock);
  services = forget_snapshot (self);
  if (string != NULL) {
    const char *text = g_value_get_string (value);

    g_free (*string);
    *string = text != NULL && text[0] != '\0' ? g_strdup (text) : NULL;
  } else if (boolean != NULL) {
    *boolean = g_value_get_boolean (value);
  } else if (id == PROP_STRATEGY_ORDER) {
    g_strfreev (options->strategy_order);
    options->strategy_order = g_value_dup_boxed (value);
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
  BnResolveOptions *options = &self->options;
  char **string = get_string_setting (options, id);
  gboolean *boolean = get_boolean_setting (options, id);

  g_mutex_lock (&self->lock);
  if (string != NULL)
    g_value_set_string (value, *string);
  else if (boolean != NULL)
    g_value_set_boolean (value, *boolean);
  else if (id == PROP_STRATEGY_ORDER)
    g_value_set_boxed (value, options->strategy_order);
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

  g_clear_pointer (&self->services, bn_services_unref);
  g_clear_pointer (&self->snapshot, bn_resolve_options_unref);
  bn_resolve_options_clear (&self->options);
  g_clear_pointer (&self->custom, g_ptr_array_unref);
  bn_resolve_stats_clear (&self->stats);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (bitnet_resolver_parent_class)->finalize (object);
}

static void
define_strings (void)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
  const GParamFlags secret = G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS;
  static const struct {
    guint id;
    const char *name, *fallback;
  } strings[] = {
      {PROP_TOKENIZER, "tokenizer", NULL},
      {PROP_TOKENIZER_REPO, "tokenizer-repo", NULL},
      {PROP_REVISION, "revision", BN_RESOLVE_REVISION},
      {PROP_ENDPOINT, "endpoint", NULL},
      {PROP_TOKEN, "token", NULL},
      {PROP_CACHE_DIR, "cache-dir", NULL},
      {PROP_FIDELITY, "fidelity", BN_RESOLVE_FIDELITY},
      {PROP_DEVICE, "device", BN_RESOLVE_DEVICE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (strings); i++)
    properties[strings[i].id] =
        g_param_spec_string (strings[i].name, NULL, NULL, strings[i].fallback,
            strings[i].id == PROP_TOKEN ? secret : flags);
}

static void
define_others (void)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
  static const struct {
    guint id;
    const char *name;
    gboolean fallback;
  } booleans[] = {
      {PROP_EXPLICIT_FALLBACK, "explicit-fallback", FALSE},
      {PROP_STRICT, "strict", FALSE},
      {PROP_OFFLINE, "offline", FALSE},
      {PROP_ALLOW_DOWNLOAD, "allow-download", TRUE},
      {PROP_ALLOW_INSECURE, "allow-insecure", FALSE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (booleans); i++)
    properties[booleans[i].id] = g_param_spec_boolean (
        booleans[i].name, NULL, NULL, booleans[i].fallback, flags);
  properties[PROP_STRATEGY_ORDER] =
      g_param_spec_boxed ("strategy-order", NULL, NULL, G_TYPE_STRV, flags);
  properties[PROP_TIMEOUT] = g_param_spec_uint ("timeout", NULL, NULL, 0,
      BN_RESOLVE_MAX_TIMEOUT_S, BN_RESOLVE_TIMEOUT_S, flags);
  properties[PROP_RETRIES] = g_param_spec_uint ("retries", NULL, NULL, 0,
      BN_RESOLVE_MAX_RETRIES, BN_RESOLVE_RETRIES, flags);
}

static void
define_signals (void)
{
  const GType type = BITNET_TYPE_RESOLVER;
  const GSignalFlags flags = G_SIGNAL_RUN_LAST;

  signals[SIGNAL_STRATEGY_STARTED] = g_signal_new ("strategy-started", type,
      flags, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_INT);
  signals[SIGNAL_STRATEGY_FINISHED] = g_signal_new ("strategy-finished", type,
      flags, 0, NULL, NULL, NULL, G_TYPE_NONE, 4, G_TYPE_STRING, G_TYPE_BOOLEAN,
      G_TYPE_ERROR, G_TYPE_DOUBLE);
  signals[SIGNAL_PROGRESS] =
      g_signal_new ("progress", type, flags, 0, NULL, NULL, NULL, G_TYPE_NONE,
          1, BITNET_TYPE_PROGRESS | G_SIGNAL_TYPE_STATIC_SCOPE);
  signals[SIGNAL_WARNING] = g_signal_new ("warning", type, flags, 0, NULL, NULL,
      NULL, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
  signals[SIGNAL_RESOLVED] = g_signal_new ("resolved", type, flags, 0, NULL,
      NULL, NULL, G_TYPE_NONE, 1, G_TYPE_VARIANT);
  signals[SIGNAL_BREAKER_CHANGED] = g_signal_new ("breaker-changed", type,
      flags, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
}

static void
bitnet_resolver_class_init (BitnetResolverClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = bitnet_resolver_set_property;
  object_class->get_property = bitnet_resolver_get_property;
  object_class->finalize = bitnet_resolver_finalize;
  define_strings ();
  define_others ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
  define_signals ();
}

static void
bitnet_resolver_init (BitnetResolver *self)
{
  g_mutex_init (&self->lock);
  self->context = g_main_context_ref_thread_default ();
  bn_resolve_options_init (&self->options);
  bn_resolve_stats_init (&self->stats);
}

BitnetResolver *
bitnet_resolver_new (void)
{
  return g_object_new (BITNET_TYPE_RESOLVER, NULL);
}

void
bitnet_resolver_add_strategy (BitnetResolver *self, BitnetStrategy *strategy)
{
  GPtrArray *custom;

  g_return_if_fail (BITNET_IS_RESOLVER (self));
  g_return_if_fail (BITNET_IS_STRATEGY (strategy));
  g_return_if_fail (bitnet_strategy_get_name (strategy) != NULL);

  custom = g_ptr_array_new_with_free_func (g_object_unref);
  g_mutex_lock (&self->lock);
  for (guint i = 0; self->custom && i < self->custom->len; i++)
    g_ptr_array_add (custom, g_object_ref (self->custom->pdata[i]));
  g_ptr_array_add (custom, g_object_ref (strategy));
  g_clear_pointer (&self->custom, g_ptr_array_unref);
  self->custom = custom;
  g_mutex_unlock (&self->lock);
}

/* The breaker of a hub, which the network's thread tells of. */

typedef struct {
  GWeakRef resolver;
  GMainContext *context;
} BreakerData;

typedef struct {
  BitnetResolver *resolver;
  char *host, *state;
} BreakerEvent;

static void
breaker_data_free (gpointer data)
{
  BreakerData *breaker = data;

  g_weak_ref_clear (&breaker->resolver);
  g_main_context_unref (breaker->context);
  g_free (breaker);
}

static void
breaker_event_free (gpointer data)
{
  BreakerEvent *event = data;

  g_object_unref (event->resolver);
  g_free (event->host);
  g_free (event->state);
  g_free (event);
}

static gboolean
emit_breaker (gpointer data)
{
  const BreakerEvent *event = data;

  g_signal_emit (event->resolver, signals[SIGNAL_BREAKER_CHANGED], 0,
      event->host, event->state);
  return G_SOURCE_REMOVE;
}

static void
on_breaker_changed (const char *host, const char *state, gpointer user_data)
{
  BreakerData *breaker = user_data;
  BitnetResolver *resolver = g_weak_ref_get (&breaker->resolver);
  BreakerEvent *event;
  GSource *source;

  if (resolver == NULL)
    return;
  event = g_new0 (BreakerEvent, 1);
  *event = (BreakerEvent){resolver, g_strdup (host), g_strdup (state)};
  source = g_idle_source_new ();
  g_source_set_callback (source, emit_breaker, event, breaker_event_free);
  g_source_attach (source, breaker->context);
  g_source_unref (source);
}

/* With the lock. */
static void
ensure_snapshot (BitnetResolver *self)
{
  BreakerData *breaker;

  if (self->snapshot)
    return;
  self->snapshot = bn_resolve_options_snapshot (&self->options);
  self->services = bn_services_new (self->snapshot);
  breaker = g_new0 (BreakerData, 1);
  g_weak_ref_init (&breaker->resolver, self);
  breaker->context = g_main_context_ref (self->context);
  bn_services_set_breaker_func (
      self->services, on_breaker_changed, breaker, breaker_data_free);
}

/* Strategies of the application are asked for their names, so not with the
 * lock. */
GVariant *
bitnet_resolver_list_strategies (BitnetResolver *self, GError **error)
{
  const BnResolveOptions *options;
  g_autoptr (GPtrArray) custom = NULL;
  g_autoptr (GPtrArray) chain = NULL;
  GVariantBuilder list;

  g_return_val_if_fail (BITNET_IS_RESOLVER (self), NULL);
  g_mutex_lock (&self->lock);
  ensure_snapshot (self);
  options = bn_resolve_options_ref (self->snapshot);
  custom = self->custom ? g_ptr_array_ref (self->custom) : NULL;
  g_mutex_unlock (&self->lock);
  chain = bn_chain_new (options, custom, FALSE, error);
  g_variant_builder_init (&list, G_VARIANT_TYPE ("a(sib)"));
  for (guint i = 0; chain && i < chain->len; i++)
    g_variant_builder_add (&list, "(sib)",
        bitnet_strategy_get_name (chain->pdata[i]),
        bn_chain_get_priority (options, chain->pdata[i]),
        bitnet_strategy_requires_network (chain->pdata[i]));
  bn_resolve_options_unref (options);
  if (chain == NULL) {
    g_variant_builder_clear (&list);
    return NULL;
  }
  return g_variant_ref_sink (g_variant_builder_end (&list));
}

/* Resolving. */

/* Somebody who waits for a resolution: the caller of a blocking function, or a
 * task. */
typedef struct {
  BitnetResolver *self;
  GTask *task;               /* NULL: blocking */
  GCancellable *cancellable; /* of the caller, who keeps it */
  GVariant **resolution;
  GError **error;
  gint64 start_us;
  gboolean is_zero_config;
  gboolean had_failure; /* of a strategy */
  /* of a blocking call */
  BitnetTokenizer *tokenizer;
  gboolean is_done;
} Waiter;

static void
on_event (const BnEvent *event, gpointer user_data)
{
  Waiter *waiter = user_data;
  BitnetResolver *self = waiter->self;

  switch (event->type) {
    case BN_EVENT_STARTED:
      g_signal_emit (self, signals[SIGNAL_STRATEGY_STARTED], 0, event->name,
          event->priority);
      break;
    case BN_EVENT_FINISHED:
      waiter->had_failure = waiter->had_failure || event->error != NULL;
      if (event->is_first) {
        g_mutex_lock (&self->lock);
        bn_resolve_stats_add_attempt (
            &self->stats, event->name, event->error, event->duration_ms);
        g_mutex_unlock (&self->lock);
      }
      g_signal_emit (self, signals[SIGNAL_STRATEGY_FINISHED], 0, event->name,
          event->error == NULL, event->error, event->duration_ms);
      break;
    case BN_EVENT_PROGRESS:
      g_signal_emit (self, signals[SIGNAL_PROGRESS], 0, event->progress);
      break;
    case BN_EVENT_WARNING:
      g_signal_emit (
          self, signals[SIGNAL_WARNING], 0, event->name, event->message);
      break;
  }
}

/* A wrong setting is the caller's error, not a failed resolution. */
static gboolean
counts (const BnLanding *landing)
{
  return !g_error_matches (
      landing->error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
}

static void
count_landing (
    const Waiter *waiter, const BnLanding *landing, gboolean is_shared)
{
  gboolean is_fallback = FALSE;
  BnResolveEnd end = {.is_cancelled = g_error_matches (
                          landing->error, G_IO_ERROR, G_IO_ERROR_CANCELLED),
      .is_success = landing->tokenizer != NULL,
      .is_zero_config = waiter->is_zero_config,
      .is_remembered = landing->is_remembered,
      .is_shared = is_shared,
      .is_recovered = waiter->had_failure,
      .duration_ms = (g_get_monotonic_time () - waiter->start_us) / US_PER_MS};

  if (!counts (landing))
    return;
  if (landing->resolution)
    g_variant_lookup (landing->resolution, "fallback", "b", &is_fallback);
  end.is_fallback = is_fallback;
  g_mutex_lock (&waiter->self->lock);
  bn_resolve_stats_add_end (&waiter->self->stats, &end);
  g_mutex_unlock (&waiter->self->lock);
}

static void
return_task (Waiter *waiter, const BnLanding *landing)
{
  GTask *task = waiter->task;

  if (landing->resolution)
    g_task_set_task_data (task, g_variant_ref (landing->resolution),
        (GDestroyNotify) g_variant_unref);
  if (landing->tokenizer)
    g_task_return_pointer (
        task, g_object_ref (landing->tokenizer), g_object_unref);
  else
    g_task_return_error (task, g_error_copy (landing->error));
  g_object_unref (task);
  g_free (waiter);
}

static void
hand_over (Waiter *waiter, const BnLanding *landing, gboolean is_shared)
{
  count_landing (waiter, landing, is_shared);
  if (landing->tokenizer)
    g_signal_emit (
        waiter->self, signals[SIGNAL_RESOLVED], 0, landing->resolution);
  if (waiter->task) {
    return_task (waiter, landing);
    return;
  }
  if (landing->tokenizer)
    waiter->tokenizer = g_object_ref (landing->tokenizer);
  else if (waiter->error)
    *waiter->error = g_error_copy (landing->error);
  if (waiter->resolution && landing->resolution)
    *waiter->resolution = g_variant_ref (landing->resolution);
  waiter->is_done = TRUE;
}

/* Who has given up in the meantime gets no result, even if there is one. */
static void
on_landed (const BnLanding *landing, gboolean is_shared, gpointer user_data)
{
  Waiter *waiter = user_data;
  BnLanding cancelled = {.tokenizer = NULL};

  if (g_cancellable_set_error_if_cancelled (
          waiter->cancellable, &cancelled.error))
    landing = &cancelled;
  hand_over (waiter, landing, is_shared);
  bn_landing_clear (&cancelled);
}

/* Begins or joins the resolution. */
static void
board (Waiter *waiter, BitnetModel *model, const char *reference,
    GMainContext *context, int io_priority, GCancellable *cancellable)
{
  BitnetResolver *self = waiter->self;
  const BnPassengerFuncs funcs = {on_event, on_landed, waiter};
  g_autofree char *key = NULL;
  BnWork *work;

  waiter->start_us = g_get_monotonic_time ();
  waiter->cancellable = cancellable;
  g_mutex_lock (&self->lock);
  ensure_snapshot (self);
  work = bn_work_new (
      model, reference, self->snapshot, self->custom, self->services);
  g_mutex_unlock (&self->lock);
  waiter->is_zero_config =
      work->options->tokenizer == NULL && work->options->tokenizer_repo == NULL;
  key = bn_work_make_key (work);
  bn_flight_board (key, bn_work_run, work, bn_work_free, context, io_priority,
      cancellable, &funcs);
}

/* Blocks in a context of its own, so that events come to this thread and the
 * caller's sources do not. */
static BitnetTokenizer *
resolve (BitnetResolver *self, BitnetModel *model, const char *reference,
    GCancellable *cancellable, GVariant **resolution, GError **error)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Waiter waiter = {.self = self, .resolution = resolution, .error = error};

  if (resolution != NULL)
    *resolution = NULL;
  board (&waiter, model, reference, context, G_PRIORITY_DEFAULT, cancellable);
  while (!waiter.is_done)
    g_main_context_iteration (context, TRUE);
  return waiter.tokenizer;
}

static void
resolve_async (BitnetResolver *self, BitnetModel *model, const char *reference,
    int io_priority, GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data, gpointer tag, const char *name)
{
  Waiter *waiter = g_new0 (Waiter, 1);

  waiter->self = self; /* the task holds it */
  waiter->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (waiter->task, tag);
  g_task_set_name (waiter->task, name);
  g_task_set_priority (waiter->task, io_priority);
  board (waiter, model, reference, g_task_get_context (waiter->task),
      io_priority, cancellable);
}

static BitnetTokenizer *
resolve_finish (GAsyncResult *result, GVariant **resolution, GError **error)
{
  if (resolution != NULL) {
    GVariant *data = g_task_get_task_data (G_TASK (result));

    *resolution = data ? g_variant_ref (data) : NULL;
  }
  return g_task_propagate_pointer (G_TASK (result), error);
}

BitnetTokenizer *
bitnet_resolver_resolve (BitnetResolver *self, BitnetModel *model,
    GCancellable *cancellable, GVariant **resolution, GError **error)
{
  g_return_val_if_fail (BITNET_IS_RESOLVER (self), NULL);
  g_return_val_if_fail (BITNET_IS_MODEL (model), NULL);

  return resolve (self, model, NULL, cancellable, resolution, error);
}

void
bitnet_resolver_resolve_async (BitnetResolver *self, BitnetModel *model,
    int io_priority, GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data)
{
  g_return_if_fail (BITNET_IS_RESOLVER (self));
  g_return_if_fail (BITNET_IS_MODEL (model));

  resolve_async (self, model, NULL, io_priority, cancellable, callback,
      user_data, bitnet_resolver_resolve_async,
      "bitnet_resolver_resolve_async");
}

BitnetTokenizer *
bitnet_resolver_resolve_finish (BitnetResolver *self, GAsyncResult *result,
    GVariant **resolution, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (
      g_async_result_is_tagged (result, bitnet_resolver_resolve_async), NULL);

  return resolve_finish (result, resolution, error);
}

BitnetTokenizer *
bitnet_resolver_resolve_reference (BitnetResolver *self, const char *reference,
    GCancellable *cancellable, GVariant **resolution, GError **error)
{
  g_return_val_if_fail (BITNET_IS_RESOLVER (self), NULL);
  g_return_val_if_fail (reference != NULL, NULL);

  return resolve (self, NULL, reference, cancellable, resolution, error);
}

void
bitnet_resolver_resolve_reference_async (BitnetResolver *self,
    const char *reference, int io_priority, GCancellable *cancellable,
    GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BITNET_IS_RESOLVER (self));
  g_return_if_fail (reference != NULL);

  resolve_async (self, NULL, reference, io_priority, cancellable, callback,
      user_data, bitnet_resolver_resolve_reference_async,
      "bitnet_resolver_resolve_reference_async");
}

BitnetTokenizer *
bitnet_resolver_resolve_reference_finish (BitnetResolver *self,
    GAsyncResult *result, GVariant **resolution, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (
                            result, bitnet_resolver_resolve_reference_async),
      NULL);

  return resolve_finish (result, resolution, error);
}

/* Statistics. */

GVariant *
bitnet_resolver_dup_stats (BitnetResolver *self)
{
  GVariantDict dict;
  g_autoptr (GVariant) network = NULL;

  g_return_val_if_fail (BITNET_IS_RESOLVER (self), NULL);
  g_variant_dict_init (&dict, NULL);
  g_mutex_lock (&self->lock);
  bn_resolve_stats_to_dict (&self->stats, &dict);
  if (self->services)
    network = bn_services_dup_stats (self->services);
  g_mutex_unlock (&self->lock);
  if (network)
    g_variant_dict_insert_value (&dict, "network", network);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

void
bitnet_resolver_reset_stats (BitnetResolver *self)
{
  g_autoptr (BnServices) services = NULL;

  g_return_if_fail (BITNET_IS_RESOLVER (self));

  g_mutex_lock (&self->lock);
  bn_resolve_stats_clear (&self->stats);
  bn_resolve_stats_init (&self->stats);
  services = forget_snapshot (self); /* their hub has its own counters */
  g_mutex_unlock (&self->lock);
}
