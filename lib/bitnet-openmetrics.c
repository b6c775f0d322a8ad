/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Statistics as text in the OpenMetrics format 1.0. The table below names
 * every metric: the names, once published, stay. A family is written with all
 * its samples at once, as the format wants it, and left out if there are none;
 * members of the dictionaries that no row names are left out too. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet-resolver.h"

#define MS_PER_S 1000.0

enum {
  N_BUCKETS = 10, /* of a duration; the last one has no bound */
  NUMBER_SIZE = G_ASCII_DTOSTR_BUF_SIZE,
};

/* Which dictionary a metric is taken from. */
typedef enum {
  SCOPE_RESOLVER,
  SCOPE_STRATEGY, /* each member of "strategies" */
  SCOPE_HUB,      /* also the member "network" of a resolver */
  SCOPE_CACHE,
} Scope;

typedef enum {
  KIND_COUNTER,
  KIND_GAUGE,
  KIND_HISTOGRAM, /* of a duration */
  KIND_CODES,     /* a counter for each member of a dictionary */
} Kind;

typedef struct {
  Scope scope;
  Kind kind;
  const char *key; /* in the dictionary */
  const char *name;
  const char *unit;  /* NULL: a mere number */
  double scale;      /* of what is in the dictionary, to the unit */
  const char *label; /* NULL, or name="value" that this row adds */
  const char *help;
} Metric;

#define N(scope, kind, key, name, help)                                        \
  {                                                                            \
    scope, kind, key, name, NULL, 1, NULL, help                                \
  }
#define U(scope, kind, key, name, unit, scale, help)                           \
  {                                                                            \
    scope, kind, key, name "_" unit, unit, scale, NULL, help                   \
  }
#define RESPONSES(class)                                                       \
  {                                                                            \
    SCOPE_HUB, KIND_COUNTER, "responses-" class, "bitnet_hub_responses", NULL, \
        1, "class=\"" class "\"",                                              \
        "Answers of servers by the class of their "                            \
        "status"                                                               \
  }

/* Rows of one family follow each other. */
static const Metric metrics[] = {
    N (SCOPE_RESOLVER, KIND_COUNTER, "resolutions", "bitnet_resolutions",
        "Searches for a tokenizer that have ended"),
    N (SCOPE_RESOLVER, KIND_COUNTER, "successes", "bitnet_resolution_successes",
        "Searches that found the tokenizer of the model"),
    N (SCOPE_RESOLVER, KIND_COUNTER, "failures", "bitnet_resolution_failures",
        "Searches that found none"),
    N (SCOPE_RESOLVER, KIND_COUNTER, "cancelled",
        "bitnet_resolution_cancellations", "Searches that were cancelled"),
    N (SCOPE_RESOLVER, KIND_COUNTER, "fallbacks", "bitnet_resolution_fallbacks",
        "Searches that ended with a last resort"),
    N (SCOPE_RESOLVER, KIND_COUNTER, "zero-config-resolutions",
        "bitnet_zero_config_resolutions",
        "Searches without a named tokenizer or repository"),
    N (SCOPE_RESOLVER, KIND_COUNTER, "zero-config-successes",
        "bitnet_zero_config_successes",
        "Those of them that found the tokenizer of the model"),
    N (SCOPE_RESOLVER, KIND_COUNTER, "remembered",
        "bitnet_resolutions_remembered",
        "Searches that were answered from memory or disk"),
    N (SCOPE_RESOLVER, KIND_COUNTER, "shared", "bitnet_resolutions_shared",
        "Searches that another one for the same model answered"),
    N (SCOPE_RESOLVER, KIND_COUNTER, "recovered",
        "bitnet_resolutions_recovered",
        "Searches that succeeded after a strategy had failed"),
    N (SCOPE_RESOLVER, KIND_GAUGE, "success-rate",
        "bitnet_resolution_success_ratio",
        "Share of searches that found the tokenizer of the model"),
    N (SCOPE_RESOLVER, KIND_GAUGE, "zero-config-rate",
        "bitnet_zero_config_success_ratio",
        "The same of those without a named tokenizer or repository"),
    N (SCOPE_RESOLVER, KIND_GAUGE, "recovery-rate",
        "bitnet_resolution_recovery_ratio",
        "Share of searches with a failed strategy that succeeded in the end"),
    U (SCOPE_RESOLVER, KIND_HISTOGRAM, "duration-ms",
        "bitnet_resolution_duration", "seconds", 1 / MS_PER_S,
        "How long searches took"),

    N (SCOPE_STRATEGY, KIND_COUNTER, "attempts", "bitnet_strategy_attempts",
        "How often a strategy was tried"),
    N (SCOPE_STRATEGY, KIND_COUNTER, "successes", "bitnet_strategy_successes",
        "How often it found the tokenizer"),
    N (SCOPE_STRATEGY, KIND_CODES, "failures", "bitnet_strategy_failures",
        "How often it did not, by code"),
    U (SCOPE_STRATEGY, KIND_HISTOGRAM, "duration-ms",
        "bitnet_strategy_duration", "seconds", 1 / MS_PER_S,
        "How long a strategy took"),

    N (SCOPE_HUB, KIND_COUNTER, "requests", "bitnet_hub_requests",
        "Requests that were sent"),
    RESPONSES ("2xx"),
    RESPONSES ("3xx"),
    RESPONSES ("4xx"),
    RESPONSES ("5xx"),
    U (SCOPE_HUB, KIND_COUNTER, "bytes-received", "bitnet_hub_received",
        "bytes", 1, "Bytes that were received"),
    U (SCOPE_HUB, KIND_COUNTER, "bytes-resumed", "bitnet_hub_resumed", "bytes",
        1, "Bytes that were here from an earlier attempt"),
    N (SCOPE_HUB, KIND_COUNTER, "cache-hits", "bitnet_hub_cache_hits",
        "Files that needed no download"),
    N (SCOPE_HUB, KIND_COUNTER, "waits-shared", "bitnet_hub_shared_downloads",
        "Downloads that another one did"),
    N (SCOPE_HUB, KIND_COUNTER, "retries", "bitnet_hub_retries",
        "Requests that were sent again"),
    N (SCOPE_HUB, KIND_COUNTER, "breaker-openings",
        "bitnet_hub_breaker_openings",
        "How often a server was left alone for its failures"),
    N (SCOPE_HUB, KIND_COUNTER, "connections", "bitnet_hub_connections",
        "Connections that were opened"),
    U (SCOPE_HUB, KIND_GAUGE, "first-byte-ms", "bitnet_hub_first_byte",
        "seconds", 1 / MS_PER_S, "Time to the first byte of the last download"),
    U (SCOPE_HUB, KIND_COUNTER, "seconds", "bitnet_hub_receiving", "seconds", 1,
        "Time spent receiving"),

    N (SCOPE_CACHE, KIND_GAUGE, "repositories", "bitnet_cache_repositories",
        "Revisions of repositories in the cache"),
    N (SCOPE_CACHE, KIND_GAUGE, "objects", "bitnet_cache_objects",
        "Files in the cache"),
    U (SCOPE_CACHE, KIND_GAUGE, "size", "bitnet_cache_content", "bytes", 1,
        "Size of their contents"),
    U (SCOPE_CACHE, KIND_GAUGE, "disk-size", "bitnet_cache_disk", "bytes", 1,
        "Size of the cache on disk"),
    U (SCOPE_CACHE, KIND_GAUGE, "limit", "bitnet_cache_limit", "bytes", 1,
        "Size the cache may have, 0 if there is no limit"),
    N (SCOPE_CACHE, KIND_GAUGE, "partial", "bitnet_cache_partial_files",
        "Unfinished downloads"),
    U (SCOPE_CACHE, KIND_GAUGE, "partial-size", "bitnet_cache_partial", "bytes",
        1, "Size of unfinished downloads"),
    N (SCOPE_CACHE, KIND_GAUGE, "resolutions", "bitnet_cache_resolutions",
        "Remembered searches"),
    N (SCOPE_CACHE, KIND_GAUGE, "compiled", "bitnet_cache_compiled_files",
        "Compiled tables"),
    U (SCOPE_CACHE, KIND_GAUGE, "compiled-size", "bitnet_cache_compiled",
        "bytes", 1, "Size of compiled tables"),
    N (SCOPE_CACHE, KIND_COUNTER, "hits", "bitnet_cache_hits",
        "Files that were found in the cache"),
    N (SCOPE_CACHE, KIND_COUNTER, "misses", "bitnet_cache_misses",
        "Files that were not"),
    N (SCOPE_CACHE, KIND_COUNTER, "stores", "bitnet_cache_stores",
        "Files that were put into the cache"),
    N (SCOPE_CACHE, KIND_COUNTER, "evictions", "bitnet_cache_evictions",
        "Files that were removed to make room"),
    N (SCOPE_CACHE, KIND_COUNTER, "corruptions", "bitnet_cache_corruptions",
        "Files that differed from their digests"),
    N (SCOPE_CACHE, KIND_GAUGE, "hit-rate", "bitnet_cache_hit_ratio",
        "Share of files that were found in the cache"),
    N (SCOPE_CACHE, KIND_GAUGE, "compression", "bitnet_cache_compression_ratio",
        "Size on disk of compressed files by that of their contents"),
};

/* Upper bounds of the buckets of a duration, milliseconds. */
static const double bounds_ms[N_BUCKETS - 1] = {
    1, 3, 10, 30, 100, 300, 1000, 3000, 10000};

/* ---- numbers and text ---- */

/* FALSE for what is no number. */
static gboolean
get_number (GVariant *value, double *number)
{
  switch (g_variant_classify (value)) {
    case G_VARIANT_CLASS_UINT64:
      *number = (double) g_variant_get_uint64 (value);
      return TRUE;
    case G_VARIANT_CLASS_INT64:
      *number = (double) g_variant_get_int64 (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT32:
      *number = g_variant_get_uint32 (value);
      return TRUE;
    case G_VARIANT_CLASS_INT32:
      *number = g_variant_get_int32 (value);
      return TRUE;
    case G_VARIANT_CLASS_DOUBLE:
      *number = g_variant_get_double (value);
      return TRUE;
    default:
      return FALSE;
  }
}

/* The shortest text that stands for this very number. */
static void
append_number (GString *out, double number)
{
  char text[NUMBER_SIZE];

  if (isnan (number) || isinf (number)) {
    g_string_append (out, isnan (number) ? "NaN"
                          : number > 0   ? "+Inf"
                                         : "-Inf");
    return;
  }
  g_ascii_formatd (text, sizeof text, "%.15g", number);
  if (g_ascii_strtod (text, NULL) != number)
    g_ascii_dtostr (text, sizeof text, number);
  g_string_append (out, text);
}

/* Labels and help know three escapes. */
static void
append_escaped (GString *out, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  for (const char *p = valid; *p; p++) {
    if (*p == '\\' || *p == '"')
      g_string_append_c (out, '\\');
    if (*p == '\n')
      g_string_append (out, "\\n");
    else
      g_string_append_c (out, *p);
  }
}

/* ---- samples ---- */

typedef struct {
  GString *out;
  const Metric *metric;
  gboolean *has_head; /* of the metric's family */
} Writer;

static void
append_head (const Writer *self)
{
  static const char *const types[] = {
      [KIND_COUNTER] = "counter",
      [KIND_GAUGE] = "gauge",
      [KIND_HISTOGRAM] = "histogram",
      [KIND_CODES] = "counter",
  };
  const Metric *metric = self->metric;

  if (*self->has_head)
    return;
  *self->has_head = TRUE;
  g_string_append_printf (
      self->out, "# TYPE %s %s\n", metric->name, types[metric->kind]);
  if (metric->unit != NULL)
    g_string_append_printf (
        self->out, "# UNIT %s %s\n", metric->name, metric->unit);
  g_string_append_printf (self->out, "# HELP %s ", metric->name);
  append_escaped (self->out, metric->help);
  g_string_append_c (self->out, '\n');
}

/* One line; labels: those in front, "" or name="value"; more: one behind,
 * unescaped. */
static void
append_sample (const Writer *self, const char *suffix, const char *labels,
    const char *label, const char *value, double number)
{
  const char *own = self->metric->label ? self->metric->label : "";
  const char *separator = "";

  append_head (self);
  g_string_append_printf (self->out, "%s%s", self->metric->name, suffix);
  if (*labels || *own || label) {
    g_string_append_c (self->out, '{');
    for (guint i = 0; i < 2; i++) {
      const char *text = i == 0 ? labels : own;

      if (*text) {
        g_string_append_printf (self->out, "%s%s", separator, text);
        separator = ",";
      }
    }
    if (label) {
      g_string_append_printf (self->out, "%s%s=\"", separator, label);
      append_escaped (self->out, value);
      g_string_append_c (self->out, '"');
    }
    g_string_append_c (self->out, '}');
  }
  g_string_append_c (self->out, ' ');
  append_number (self->out, number);
  g_string_append_c (self->out, '\n');
}

/* A dictionary that is no duration gives nothing. */
static void
append_histogram (const Writer *self, const char *labels, GVariant *duration)
{
  g_autoptr (GVariant) histogram = NULL;
  double scale = self->metric->scale;
  guint64 n_up_to_here = 0;
  double mean = 0;

  if (!g_variant_is_of_type (duration, G_VARIANT_TYPE_VARDICT))
    return;
  histogram =
      g_variant_lookup_value (duration, "histogram", G_VARIANT_TYPE ("at"));
  if (histogram == NULL || g_variant_n_children (histogram) != N_BUCKETS)
    return;
  g_variant_lookup (duration, "mean", "d", &mean);
  for (guint i = 0; i < N_BUCKETS; i++) {
    g_autoptr (GString) bound = g_string_new (NULL);
    guint64 n;

    g_variant_get_child (histogram, i, "t", &n);
    n_up_to_here += n;
    append_number (bound, i < N_BUCKETS - 1 ? bounds_ms[i] * scale : INFINITY);
    /* Numbers in labels are compared as text: whole ones have ".0". */
    if (i < N_BUCKETS - 1 && strchr (bound->str, '.') == NULL)
      g_string_append (bound, ".0");
    append_sample (
        self, "_bucket", labels, "le", bound->str, (double) n_up_to_here);
  }
  append_sample (
      self, "_sum", labels, NULL, NULL, mean * scale * (double) n_up_to_here);
  append_sample (self, "_count", labels, NULL, NULL, (double) n_up_to_here);
}

static void
append_codes (const Writer *self, const char *labels, GVariant *codes)
{
  GVariantIter iter;
  const char *code;
  guint64 n;

  if (!g_variant_is_of_type (codes, G_VARIANT_TYPE ("a{st}")))
    return;
  g_variant_iter_init (&iter, codes);
  while (g_variant_iter_next (&iter, "{&st}", &code, &n))
    append_sample (self, "_total", labels, "code", code, (double) n);
}

/* The metric as one dictionary has it. */
static void
append_metric (const Writer *self, const char *labels, GVariant *dictionary)
{
  const Metric *metric = self->metric;
  g_autoptr (GVariant) value =
      g_variant_lookup_value (dictionary, metric->key, NULL);
  double number;

  if (value == NULL)
    return;
  if (metric->kind == KIND_HISTOGRAM)
    append_histogram (self, labels, value);
  else if (metric->kind == KIND_CODES)
    append_codes (self, labels, value);
  else if (get_number (value, &number))
    append_sample (self, metric->kind == KIND_COUNTER ? "_total" : "", labels,
        NULL, NULL, number * metric->scale);
}

/* ---- dictionaries ---- */

static gboolean
has_member (GVariant *dictionary, const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dictionary, key, NULL);

  return value != NULL;
}

static char *
make_label (const char *name, const char *value)
{
  g_autoptr (GString) label = g_string_new (name);

  g_string_append (label, "=\"");
  append_escaped (label, value);
  g_string_append_c (label, '"');
  return g_strdup (label->str);
}

static void
append_strategies (const Writer *self, GVariant *stats)
{
  g_autoptr (GVariant) strategies =
      g_variant_lookup_value (stats, "strategies", G_VARIANT_TYPE_VARDICT);
  GVariantIter iter;
  const char *name;
  GVariant *strategy;

  if (strategies == NULL)
    return;
  g_variant_iter_init (&iter, strategies);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &strategy)) {
    g_autofree char *label = make_label ("strategy", name);

    if (g_variant_is_of_type (strategy, G_VARIANT_TYPE_VARDICT))
      append_metric (self, label, strategy);
    g_variant_unref (strategy);
  }
}

static void
append_cache (const Writer *self, GVariant *stats)
{
  g_autofree char *folder = NULL;
  g_autofree char *label = NULL;

  g_variant_lookup (stats, "folder", "s", &folder);
  label = folder ? make_label ("folder", folder) : g_strdup ("");
  append_metric (self, label, stats);
}

/* The metric as this dictionary has it, if it is one of that kind. */
static void
append_scope (const Writer *self, GVariant *stats)
{
  g_autoptr (GVariant) network = NULL;

  switch (self->metric->scope) {
    case SCOPE_RESOLVER:
      if (has_member (stats, "successes"))
        append_metric (self, "", stats);
      break;
    case SCOPE_STRATEGY:
      append_strategies (self, stats);
      break;
    case SCOPE_HUB:
      network =
          g_variant_lookup_value (stats, "network", G_VARIANT_TYPE_VARDICT);
      if (network == NULL && has_member (stats, "requests"))
        network = g_variant_ref (stats);
      if (network != NULL)
        append_metric (self, "", network);
      break;
    case SCOPE_CACHE:
      if (has_member (stats, "objects"))
        append_cache (self, stats);
      break;
  }
}

char *
bitnet_stats_to_openmetrics (GVariant *stats)
{
  g_autoptr (GString) out = g_string_new (NULL);
  gboolean has_head = FALSE;
  gboolean is_list;

  g_return_val_if_fail (stats != NULL, NULL);
  is_list = g_variant_is_of_type (stats, G_VARIANT_TYPE ("aa{sv}"));
  g_return_val_if_fail (
      is_list || g_variant_is_of_type (stats, G_VARIANT_TYPE_VARDICT), NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (metrics); i++) {
    Writer writer = {out, &metrics[i], &has_head};

    if (i == 0 || strcmp (metrics[i].name, metrics[i - 1].name) != 0)
      has_head = FALSE;
    for (gsize n = 0; n < (is_list ? g_variant_n_children (stats) : 1); n++) {
      g_autoptr (GVariant) dictionary =
          is_list ? g_variant_get_child_value (stats, n)
                  : g_variant_ref (stats);

      append_scope (&writer, dictionary);
    }
  }
  g_string_append (out, "# EOF\n");
  return g_string_free (g_steal_pointer (&out), FALSE);
}
