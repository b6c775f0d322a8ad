/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts attempts and resolutions. */
#include "bn-resolve-stats.h"

#include "bitnet-error.h"

/* Upper bounds of the buckets but the last, in ms. */
static const double bounds_ms[BN_N_TIME_BUCKETS - 1] = {
    1, 3, 10, 30, 100, 300, 1000, 3000, 10000};

typedef struct {
  guint64 n_attempts, n_successes;
  GHashTable *failures; /* code's name (static) to guint64 */
  BnTimes times;
} StrategyStats;

static void
strategy_stats_free (gpointer data)
{
  StrategyStats *stats = data;

  g_hash_table_unref (stats->failures);
  g_free (stats);
}

void
bn_resolve_stats_init (BnResolveStats *self)
{
  *self = (BnResolveStats){.strategies = g_hash_table_new_full (g_str_hash,
                               g_str_equal, NULL, strategy_stats_free)};
}

void
bn_resolve_stats_clear (BnResolveStats *self)
{
  g_clear_pointer (&self->strategies, g_hash_table_unref);
}

static void
add_time (BnTimes *times, double ms)
{
  gsize bucket = 0;

  while (bucket < G_N_ELEMENTS (bounds_ms) && ms > bounds_ms[bucket])
    bucket++;
  times->histogram[bucket]++;
  times->min_ms = times->count > 0 ? MIN (times->min_ms, ms) : ms;
  times->max_ms = MAX (times->max_ms, ms);
  times->sum_ms += ms;
  times->count++;
}

void
bn_resolve_stats_add_attempt (BnResolveStats *self, const char *strategy,
    const GError *error, double duration_ms)
{
  StrategyStats *stats = g_hash_table_lookup (self->strategies, strategy);

  if (stats == NULL) {
    stats = g_new0 (StrategyStats, 1);
    stats->failures =
        g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
    g_hash_table_insert (
        self->strategies, (gpointer) g_intern_string (strategy), stats);
  }
  stats->n_attempts++;
  add_time (&stats->times, duration_ms);
  if (error == NULL) {
    stats->n_successes++;
  } else {
    const char *code = error->domain == BITNET_ERROR
                           ? bitnet_error_get_name ((BitnetError) error->code)
                           : g_quark_to_string (error->domain);
    guint64 *n = g_hash_table_lookup (stats->failures, code);

    if (n == NULL) {
      n = g_new0 (guint64, 1);
      g_hash_table_insert (stats->failures, (gpointer) code, n);
    }
    ++*n;
  }
}

void
bn_resolve_stats_add_end (BnResolveStats *self, const BnResolveEnd *end)
{
  gboolean is_real = end->is_success && !end->is_fallback;

  if (end->is_cancelled) {
    self->n_cancelled++;
    return;
  }
  self->n_resolutions++;
  self->n_successes += is_real;
  self->n_failures += !end->is_success;
  self->n_fallbacks += end->is_success && end->is_fallback;
  if (end->is_zero_config) {
    self->n_zero_config++;
    self->n_zero_config_successes += is_real;
  }
  self->n_remembered += end->is_remembered;
  self->n_shared += end->is_shared;
  self->n_recovered += is_real && end->is_recovered;
  add_time (&self->times, end->duration_ms);
}

static GVariant *
new_times (const BnTimes *times)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "count", "t", times->count);
  g_variant_dict_insert (&dict, "mean", "d",
      times->count > 0 ? times->sum_ms / (double) times->count : 0.0);
  g_variant_dict_insert (&dict, "min", "d", times->min_ms);
  g_variant_dict_insert (&dict, "max", "d", times->max_ms);
  g_variant_dict_insert_value (&dict, "histogram",
      g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, times->histogram,
          BN_N_TIME_BUCKETS, sizeof (guint64)));
  return g_variant_dict_end (&dict);
}

static GVariant *
new_strategy (const StrategyStats *stats)
{
  GVariantBuilder failures;
  GHashTableIter iter;
  gpointer code, n;
  GVariantDict dict;

  g_variant_builder_init (&failures, G_VARIANT_TYPE ("a{st}"));
  g_hash_table_iter_init (&iter, stats->failures);
  while (g_hash_table_iter_next (&iter, &code, &n))
    g_variant_builder_add (&failures, "{st}", code, *(guint64 *) n);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "attempts", "t", stats->n_attempts);
  g_variant_dict_insert (&dict, "successes", "t", stats->n_successes);
  g_variant_dict_insert_value (
      &dict, "failures", g_variant_builder_end (&failures));
  g_variant_dict_insert_value (&dict, "duration-ms", new_times (&stats->times));
  return g_variant_dict_end (&dict);
}

static double
get_ratio (guint64 part, guint64 whole)
{
  return whole > 0 ? (double) part / (double) whole : 0.0;
}

void
bn_resolve_stats_to_dict (const BnResolveStats *self, GVariantDict *dict)
{
  const struct {
    const char *name;
    guint64 value;
  } counters[] = {
      {"resolutions", self->n_resolutions},
      {"successes", self->n_successes},
      {"failures", self->n_failures},
      {"cancelled", self->n_cancelled},
      {"fallbacks", self->n_fallbacks},
      {"zero-config-resolutions", self->n_zero_config},
      {"zero-config-successes", self->n_zero_config_successes},
      {"remembered", self->n_remembered},
      {"shared", self->n_shared},
      {"recovered", self->n_recovered},
  };
  GVariantBuilder strategies;
  GHashTableIter iter;
  gpointer name, stats;

  for (gsize i = 0; i < G_N_ELEMENTS (counters); i++)
    g_variant_dict_insert (dict, counters[i].name, "t", counters[i].value);
  g_variant_dict_insert (dict, "success-rate", "d",
      get_ratio (self->n_successes, self->n_resolutions));
  g_variant_dict_insert (dict, "zero-config-rate", "d",
      get_ratio (self->n_zero_config_successes, self->n_zero_config));
  g_variant_dict_insert (dict, "recovery-rate", "d",
      get_ratio (self->n_recovered,
          self->n_recovered + self->n_failures + self->n_fallbacks));
  g_variant_dict_insert_value (dict, "duration-ms", new_times (&self->times));
  g_variant_builder_init (&strategies, G_VARIANT_TYPE ("a{sv}"));
  g_hash_table_iter_init (&iter, self->strategies);
  while (g_hash_table_iter_next (&iter, &name, &stats))
    g_variant_builder_add (&strategies, "{sv}", name, new_strategy (stats));
  g_variant_dict_insert_value (
      dict, "strategies", g_variant_builder_end (&strategies));
}
