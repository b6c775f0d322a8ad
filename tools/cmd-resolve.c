/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet resolve and bitnet strategies: the tokenizer of a model, and how one
 * is looked for. What the library says of it, as rows or JSON. */
#include <stdio.h>
#include <string.h>

#include "bitnet-tool.h"
#include "tool-bench.h"
#include "tool-engine.h"
#include "tool-record.h"

#define COMMAND "resolve"

enum {
  MAX_TIMEOUT_S = 24 * 60 * 60,
};

typedef struct {
  char *model;
  char *tokenizer, *tokenizer_repo, *revision;
  char *strategy_order, *cache_dir, *endpoint, *fidelity, *device;
  int timeout; /* -1: not given */
  gboolean explicit_fallback, strict, offline, auto_download, no_auto_download;
  gboolean json, stats, openmetrics;
} Options;

static void
options_clear (Options *self)
{
  g_free (self->model);
  g_free (self->tokenizer);
  g_free (self->tokenizer_repo);
  g_free (self->revision);
  g_free (self->strategy_order);
  g_free (self->cache_dir);
  g_free (self->endpoint);
  g_free (self->fidelity);
  g_free (self->device);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* What options say together; FALSE with a message. */
static gboolean
check (const Options *options, int argc, char **argv)
{
  if (argc > 1) {
    tool_fail_usage (COMMAND,
        "there is no argument \"%s\"; the model goes behind -m", argv[1]);
    return FALSE;
  }
  if (options->auto_download && options->no_auto_download) {
    tool_fail_usage (
        COMMAND, "--auto-download and --no-auto-download exclude each other");
    return FALSE;
  }
  if (options->json && options->openmetrics) {
    tool_fail_usage (COMMAND, "--json and --openmetrics exclude each other");
    return FALSE;
  }
  return options->timeout == -1
         || tool_check_range (
             COMMAND, "timeout", options->timeout, 0, MAX_TIMEOUT_S);
}

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model,
          "Model file, folder or repository; without it the demo model",
          "FILE|REPO"},
      {"tokenizer", 0, 0, G_OPTION_ARG_FILENAME, &options->tokenizer,
          "Tokenizer file, folder or repository to use and no other", "REF"},
      {"explicit-fallback", 0, 0, G_OPTION_ARG_NONE,
          &options->explicit_fallback,
          "Go on with the strategies if that one cannot be used", NULL},
      {"tokenizer-repo", 0, 0, G_OPTION_ARG_STRING, &options->tokenizer_repo,
          "Repository that has the tokenizer", "OWNER/NAME"},
      {"revision", 0, 0, G_OPTION_ARG_STRING, &options->revision,
          "Branch, tag or commit of the repository [main]", "REV"},
      {"strategy-order", 0, 0, G_OPTION_ARG_STRING, &options->strategy_order,
          "local-first, hub-first or names joined by commas [local-first]",
          "ORDER"},
      {"strict", 0, 0, G_OPTION_ARG_NONE, &options->strict,
          "Refuse doubtful tokenizers and a last resort", NULL},
      {"offline", 0, 0, G_OPTION_ARG_NONE, &options->offline,
          "Never use the network", NULL},
      {"auto-download", 0, 0, G_OPTION_ARG_NONE, &options->auto_download,
          "Fetch a tokenizer that is not here (the default)", NULL},
      {"no-auto-download", 0, 0, G_OPTION_ARG_NONE, &options->no_auto_download,
          "Fetch nothing", NULL},
      {"cache-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->cache_dir,
          "Folder of fetched tokenizers [the user's cache]", "FOLDER"},
      {"endpoint", 0, 0, G_OPTION_ARG_STRING, &options->endpoint,
          "Address of the hub or of a mirror", "URL"},
      {"timeout", 0, 0, G_OPTION_ARG_INT, &options->timeout,
          "Seconds on the network; 0 = no limit [300]", "S"},
      {"fidelity", 0, 0, G_OPTION_ARG_STRING, &options->fidelity,
          "Whose tokens count: auto, llama-cpp, huggingface [auto]", "F"},
      {"device", 0, 0, G_OPTION_ARG_STRING, &options->device,
          "Device the model is to run on, for a check [auto]", "D"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
          "Print one JSON object in place of rows", NULL},
      {"stats", 0, 0, G_OPTION_ARG_NONE, &options->stats,
          "Print counts and times too", NULL},
      {"openmetrics", 0, 0, G_OPTION_ARG_NONE, &options->openmetrics,
          "Print counts and times alone, in the OpenMetrics format", NULL},
      G_OPTION_ENTRY_NULL,
  };

  if (!tool_parse_options (argc, argv, entries, "",
          "Finds the tokenizer of a model as infer would, and says how.",
          "Examples:\n"
          "  bitnet resolve -m model.gguf\n"
          "  bitnet resolve -m model.gguf --strict --offline --json\n"
          "  bitnet resolve -m owner/name --no-auto-download\n"
          "  bitnet resolve -m model.gguf --tokenizer-repo owner/name\n"
          "  bitnet resolve -m model.gguf --strategy-order "
          "generic,local-cache\n"
          "  bitnet resolve -m model.gguf --tokenizer tokenizer.json\n"
          "  bitnet resolve -m model.gguf --openmetrics\n"
          "\n"
          "Keys of the JSON object: strategy, source, kind, id, vocab_size, "
          "model_rows,\nverified, from_cache, fallback, warnings, notes, "
          "duration_ms, attempts [{strategy,\npriority, success, duration_ms, "
          "source, code, message, retryable}]; repository,\nrevision, commit "
          "of files from a hub; of a failure code, cause, message,\n"
          "suggestions, text; stats with --stats.\n"
          "\n"
          "Exit status: 0 found, 1 not found, 2 wrong command line, "
          "130 interrupted.",
          status))
    return FALSE;
  *status = EXIT_USAGE;
  return check (options, *argc, *argv);
}

static void
set_order (BitnetResolver *resolver, const char *order)
{
  g_auto (GStrv) names = g_strsplit (order, ",", -1);

  g_object_set (resolver, "strategy-order", names, NULL);
}

static BitnetResolver *
new_resolver (const Options *options)
{
  const struct {
    const char *property, *value;
  } texts[] = {
      {"tokenizer", options->tokenizer},
      {"tokenizer-repo", options->tokenizer_repo},
      {"revision", options->revision},
      {"cache-dir", options->cache_dir},
      {"endpoint", options->endpoint},
      {"fidelity", options->fidelity},
      {"device", options->device},
  };
  BitnetResolver *resolver = bitnet_resolver_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    if (texts[i].value != NULL)
      g_object_set (resolver, texts[i].property, texts[i].value, NULL);
  }
  if (options->strategy_order != NULL)
    set_order (resolver, options->strategy_order);
  if (options->explicit_fallback)
    g_object_set (resolver, "explicit-fallback", TRUE, NULL);
  if (options->strict)
    g_object_set (resolver, "strict", TRUE, NULL);
  if (options->offline)
    g_object_set (resolver, "offline", TRUE, NULL);
  if (options->auto_download || options->no_auto_download)
    g_object_set (resolver, "allow-download", !options->no_auto_download, NULL);
  if (options->timeout >= 0)
    g_object_set (resolver, "timeout", (guint) options->timeout, NULL);
  return resolver;
}

static void
print_json (GVariant *record, const GError *error, GVariant *stats)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  if (record != NULL)
    tool_json_add_members (builder, record);
  else if (error != NULL)
    tool_json_add_string (builder, "message", error->message);
  if (stats != NULL) {
    json_builder_set_member_name (builder, "stats");
    tool_json_add_variant (builder, stats);
  }
  json_builder_end_object (builder);
  tool_json_print (builder);
}

static void
print_stats (GVariant *stats)
{
  puts ("\nStatistics");
  tool_print_rows (stats, 2);
}

/* Everything that goes to stdout. */
static void
print (const Options *options, BitnetResolver *resolver, GVariant *record,
    const GError *error)
{
  g_autoptr (GVariant) stats = bitnet_resolver_dup_stats (resolver);
  g_autofree char *metrics = NULL;

  if (options->openmetrics) {
    metrics = bitnet_stats_to_openmetrics (stats);
    fputs (metrics, stdout);
    return;
  }
  if (options->json) {
    print_json (record, error, options->stats ? stats : NULL);
    return;
  }
  if (record != NULL && error == NULL)
    tool_print_resolution (record);
  if (options->stats)
    print_stats (stats);
}

/* The report of a failure is for people: stderr. */
static int
fail (const Options *options, GVariant *record, const GError *error)
{
  const char *text = NULL;
  g_autofree char *shown = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return EXIT_INTERRUPTED;
  if (g_error_matches (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT))
    return tool_fail_usage (COMMAND, "%s", error->message);
  tool_fail (COMMAND, "%s", error->message);
  if (!options->json && record != NULL
      && g_variant_lookup (record, "text", "&s", &text))
    shown = tool_make_printable_lines (text);
  if (shown)
    fprintf (stderr, "%s\n", shown);
  return EXIT_FAILED;
}

int
cmd_resolve (int argc, char **argv)
{
  g_auto (Options) options = {.timeout = -1};
  g_autoptr (BitnetResolver) resolver = NULL;
  g_autoptr (GCancellable) cancellable = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GVariant) record = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!parse (&options, &argc, &argv, &status))
    return status;
  if (options.model == NULL)
    options.model = tool_default_model ();
  resolver = new_resolver (&options);
  tool_watch_resolver (COMMAND, resolver);
  cancellable = tool_watch_interrupt ();
  tokenizer = bitnet_resolver_resolve_reference (
      resolver, options.model, cancellable, &record, &error);
  tool_progress_end ();
  if (error == NULL || record != NULL || options.openmetrics)
    print (&options, resolver, record, error);
  status = tool_finish_output (COMMAND);
  return error ? fail (&options, record, error) : status;
}

/* ---- strategies ---- */

static void
print_strategies (GVariant *strategies)
{
  GVariantIter iter;
  const char *name;
  int priority;
  gboolean needs_network;

  printf ("%-*s %8s  %s\n", 16, "strategy", "priority", "network");
  g_variant_iter_init (&iter, strategies);
  while (
      g_variant_iter_next (&iter, "(&sib)", &name, &priority, &needs_network))
    printf ("%-*s %8d  %s\n", 16, name, priority, needs_network ? "yes" : "no");
}

static void
print_strategies_json (GVariant *strategies)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  GVariantIter iter;
  const char *name;
  int priority;
  gboolean needs_network;

  json_builder_begin_array (builder);
  g_variant_iter_init (&iter, strategies);
  while (
      g_variant_iter_next (&iter, "(&sib)", &name, &priority, &needs_network)) {
    json_builder_begin_object (builder);
    tool_json_add_string (builder, "name", name);
    tool_json_add_int (builder, "priority", (guint64) priority);
    json_builder_set_member_name (builder, "requires_network");
    json_builder_add_boolean_value (builder, needs_network);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
  tool_json_print (builder);
}

int
cmd_strategies (int argc, char **argv)
{
  g_autofree char *order = NULL;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
      {"strategy-order", 0, 0, G_OPTION_ARG_STRING, &order,
          "local-first, hub-first or names joined by commas [local-first]",
          "ORDER"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &json,
          "Print a JSON array in place of a table", NULL},
      G_OPTION_ENTRY_NULL,
  };
  g_autoptr (BitnetResolver) resolver = NULL;
  g_autoptr (GVariant) strategies = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!tool_parse_options (&argc, &argv, entries, "",
          "Lists the ways to find a tokenizer in the order in which they are "
          "tried.",
          "Examples:\n"
          "  bitnet strategies\n"
          "  bitnet strategies --strategy-order hub-first --json\n"
          "\n"
          "Keys of the JSON objects: name, priority, requires_network.",
          &status))
    return status;
  if (argc > 1)
    return tool_fail_usage (
        "strategies", "there is no argument \"%s\"", argv[1]);
  resolver = bitnet_resolver_new ();
  if (order != NULL)
    set_order (resolver, order);
  strategies = bitnet_resolver_list_strategies (resolver, &error);
  if (strategies == NULL)
    return tool_fail_usage ("strategies", "%s", error->message);
  if (json)
    print_strategies_json (strategies);
  else
    print_strategies (strategies);
  return tool_finish_output ("strategies");
}
