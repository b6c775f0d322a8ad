/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet bench --layers: where the time of a prompt and of an answer goes.
 *
 * An engine that times the parts of each pass answers the requests of bitnet
 * bench; the statistics before and after them say what the parts took. Medians
 * are of each part on its own. */
#include <bitnet/bitnet.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

#include "bitnet-tool.h"
#include "tool-bench.h"
#include "tool-engine.h"

#define COMMAND "bench"

#define NS_PER_MS 1e6

enum {
  DEFAULT_PROMPT = 512,
  DEFAULT_GENERATE = 128,
  MAX_SEQUENCES = 256,
};

/* In the order of a pass. */
static const struct {
  const char *name, *what;
} parts[] = {
    {"embed", "rows of the embedding"},
    {"qkv", "queries, keys and values"},
    {"store", "rope, keys and values to the cache"},
    {"attention", "scores, softmax, weighted values"},
    {"output", "product behind the attention, added"},
    {"gate-up", "products of the feed-forward part, activated"},
    {"down", "product back, added"},
    {"head", "logits"},
};
enum { N_PARTS = G_N_ELEMENTS (parts) };

typedef struct {
  ToolEngineArgs engine;
  int n_prompt, n_generate, n_runs;
  char *threads, *sequences;
  gboolean json, layers;
} Options;

typedef struct {
  const Options *options;
  BitnetEngineOptions *engine_options;
  GArray *threads;   /* of guint */
  GArray *sequences; /* of guint */
  BitnetModel *model;
  BitnetEngine *engine;
  GRand *rand;
  GCancellable *cancellable;
  JsonBuilder *builder; /* NULL: tables */
} Bench;

/* What one kind of request took, in milliseconds a token. */
typedef struct {
  char name[24];
  guint n_threads;
  GArray *parts[N_PARTS]; /* of double, one for each run, sorted */
  double total;           /* of the medians */
} Table;

static void
options_clear (Options *self)
{
  tool_engine_args_clear (&self->engine);
  g_clear_pointer (&self->threads, g_free);
  g_clear_pointer (&self->sequences, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static void
bench_clear (Bench *self)
{
  g_clear_pointer (&self->engine_options, bitnet_engine_options_free);
  g_clear_pointer (&self->threads, g_array_unref);
  g_clear_pointer (&self->sequences, g_array_unref);
  g_clear_object (&self->engine);
  g_clear_object (&self->model);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->builder);
  g_clear_pointer (&self->rand, g_rand_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

static void
table_clear (Table *self)
{
  for (gsize i = 0; i < N_PARTS; i++)
    g_clear_pointer (&self->parts[i], g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Table, table_clear)

static void
read_parts (BitnetEngine *engine, guint64 ns[N_PARTS])
{
  g_autoptr (GVariant) stats = bitnet_engine_dup_stats (engine);
  g_autoptr (GVariant) values =
      g_variant_lookup_value (stats, "parts", G_VARIANT_TYPE ("a{st}"));

  for (gsize i = 0; i < N_PARTS; i++) {
    ns[i] = 0;
    g_variant_lookup (values, parts[i].name, "t", &ns[i]);
  }
}

/* The first run warms up. */
static gboolean
measure (Bench *self, const ToolTest *test, Table *table, GError **error)
{
  /* the prompt's one token is a pass like the others */
  const guint n_tokens =
      (test->n_generate > 0 ? test->n_generate + 1 : test->n_prompt)
      * test->n_sequences;

  tool_name_test (test, table->name, sizeof table->name);
  table->n_threads = bitnet_engine_get_n_threads (self->engine);
  for (gsize i = 0; i < N_PARTS; i++)
    table->parts[i] = g_array_new (FALSE, FALSE, sizeof (double));
  for (int run = 0; run <= self->options->n_runs; run++) {
    guint64 before[N_PARTS], after[N_PARTS];
    double rate;

    read_parts (self->engine, before);
    if (!tool_run_test (
            self->engine, self->rand, test, &rate, self->cancellable, error))
      return FALSE;
    read_parts (self->engine, after);
    for (gsize i = 0; run > 0 && i < N_PARTS; i++) {
      double ms = (double) (after[i] - before[i]) / NS_PER_MS / n_tokens;
      g_array_append_val (table->parts[i], ms);
    }
  }
  for (gsize i = 0; i < N_PARTS; i++) {
    tool_sort_rates (table->parts[i]);
    table->total += tool_get_median (table->parts[i]);
  }
  return TRUE;
}

static void
print_table (const Table *table)
{
  printf ("%-12s %10s %8s   %u thread%s\n", table->name, "ms/token", "share",
      table->n_threads, table->n_threads == 1 ? "" : "s");
  for (gsize i = 0; i < N_PARTS; i++) {
    double ms = tool_get_median (table->parts[i]);
    printf ("%-12s %10.4f %6.1f %%  %s\n", parts[i].name, ms,
        100 * ms / MAX (table->total, 1e-12), parts[i].what);
  }
  printf ("%-12s %10.4f           %.1f tokens/s\n\n", "together", table->total,
      1000 / MAX (table->total, 1e-12));
  fflush (stdout);
}

static void
add_table (JsonBuilder *builder, const Table *table)
{
  json_builder_begin_object (builder);
  tool_json_add_string (builder, "test", table->name);
  tool_json_add_int (builder, "threads", table->n_threads);
  tool_json_add_string (builder, "unit", "ms/token");
  for (gsize i = 0; i < N_PARTS; i++)
    tool_json_add_double (
        builder, parts[i].name, tool_get_median (table->parts[i]));
  json_builder_end_object (builder);
}

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  const GOptionEntry entries[] = {
      TOOL_ENGINE_ENTRIES (options->engine),
      {"layers", 0, 0, G_OPTION_ARG_NONE, &options->layers, "This measurement",
          NULL},
      {"prompt", 'p', 0, G_OPTION_ARG_INT, &options->n_prompt,
          "Tokens of the prompt; 0 = leave it out [512]", "N"},
      {"generate", 'n', 0, G_OPTION_ARG_INT, &options->n_generate,
          "Tokens to generate; 0 = leave it out [128]", "N"},
      {"threads", 't', 0, G_OPTION_ARG_STRING, &options->threads,
          "Numbers of threads to try [one for each core]", "N,N"},
      {"sequences", 'S', 0, G_OPTION_ARG_STRING, &options->sequences,
          "Numbers of sequences that generate at once [1]", "N,N"},
      {"runs", 'r', 0, G_OPTION_ARG_INT, &options->n_runs,
          "Runs of each test, after one to warm up [5]", "N"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
          "Print one JSON object in place of tables", NULL},
      {NULL},
  };

  if (!tool_parse_options (argc, argv, entries, "",
          "Measures where the time of a prompt and of an answer goes.",
          "Prints milliseconds a token for each part of a pass, all layers "
          "together: the median\nof the runs. Drawing tokens and waiting are "
          "not in it. Of sequences that generate at\nonce (tgNxS) all tokens "
          "count.\n\n"
          "Examples:\n"
          "  bitnet bench --layers -m model.gguf\n"
          "  bitnet bench --layers -m model.gguf -t 1,2 -S 1,4,16\n"
          "  bitnet bench --layers -m model.gguf -p 0 -n 64 -t 1 --json",
          status))
    return FALSE;
  *status = EXIT_USAGE;
  if (*argc > 1) {
    tool_fail_usage (COMMAND, "there is no argument \"%s\"", (*argv)[1]);
    return FALSE;
  }
  return tool_check_range (COMMAND, "prompt", options->n_prompt, 0, G_MAXUINT16)
         && tool_check_range (
             COMMAND, "generate", options->n_generate, 0, G_MAXUINT16)
         && tool_check_range (
             COMMAND, "runs", options->n_runs, 1, TOOL_MAX_RUNS);
}

static gboolean
run_test (Bench *self, ToolTest test, GError **error)
{
  g_auto (Table) table = {0};

  g_clear_object (&self->engine);
  self->engine = tool_open_engine (
      self->model, self->engine_options, &test, self->cancellable, error);
  if (self->engine == NULL || !measure (self, &test, &table, error))
    return FALSE;
  if (self->builder != NULL)
    add_table (self->builder, &table);
  else
    print_table (&table);
  return TRUE;
}

static gboolean
run_tests (Bench *self, GError **error)
{
  const Options *options = self->options;
  const ToolTest prompt = {(guint) options->n_prompt, 0, 1};
  ToolTest answer = {1, (guint) options->n_generate, 1};

  if (prompt.n_prompt > 0 && !run_test (self, prompt, error))
    return FALSE;
  for (guint i = 0; i < self->sequences->len && answer.n_generate > 0; i++) {
    answer.n_sequences = g_array_index (self->sequences, guint, i);
    if (!run_test (self, answer, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
run (Bench *self, GError **error)
{
  BitnetEngineOptions *options = self->engine_options;

  options->profile = TRUE;
  options->drafts = -1; /* a pass is a token of each sequence */
  self->cancellable = tool_watch_interrupt ();
  self->rand = g_rand_new_with_seed (1);
  self->model =
      tool_engine_open_model (&self->options->engine, self->cancellable, error);
  if (self->model == NULL)
    return FALSE;
  for (guint i = 0; i < self->threads->len; i++) {
    options->n_threads = g_array_index (self->threads, guint, i);
    if (!run_tests (self, error))
      return FALSE;
  }
  return TRUE;
}

/* What -t and -S say. */
static gboolean
parse_lists (Bench *self)
{
  const Options *options = self->options;

  self->threads = tool_parse_threads (COMMAND, options->threads);
  if (self->threads != NULL)
    self->sequences = tool_parse_numbers (COMMAND, "sequences",
        options->sequences ? options->sequences : "1", MAX_SEQUENCES);
  return self->threads != NULL && self->sequences != NULL;
}

int
cmd_bench_layers (int argc, char **argv)
{
  g_auto (Options) options = {.n_prompt = DEFAULT_PROMPT,
      .n_generate = DEFAULT_GENERATE,
      .n_runs = TOOL_DEFAULT_RUNS};
  g_auto (Bench) bench = {.options = &options};
  g_autoptr (GError) error = NULL;
  int status;

  if (!parse (&options, &argc, &argv, &status))
    return status;
  if (!parse_lists (&bench))
    return EXIT_USAGE;
  bench.engine_options = tool_engine_make_options (&options.engine, &error);
  if (bench.engine_options == NULL)
    return tool_fail_usage (COMMAND, "%s", error->message);
  if (options.json) {
    bench.builder = json_builder_new ();
    json_builder_begin_object (bench.builder);
    json_builder_set_member_name (bench.builder, "results");
    json_builder_begin_array (bench.builder);
  }
  if (!run (&bench, &error))
    return tool_engine_fail (COMMAND, error);
  if (bench.builder != NULL) {
    json_builder_end_array (bench.builder);
    json_builder_end_object (bench.builder);
    tool_json_print (bench.builder);
  }
  return tool_finish_output (COMMAND);
}
