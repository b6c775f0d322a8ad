/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet bench --layers: where the time of a prompt and of an answer goes.
 *
 * An engine that times the parts of each pass answers the requests of bitnet
 * bench, one at a time; the statistics before and after a request say what its
 * parts took. Medians are of each part on its own. */
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
};

/* In the order of a pass. */
static const struct {
  const char *name, *what;
} parts[] = {
    {"embed", "rows of the embedding"},
    {"add", "to the residual stream"},
    {"qkv", "queries, keys and values"},
    {"store", "rope, keys and values to the cache"},
    {"attention", "scores, softmax, weighted values"},
    {"output", "product behind the attention"},
    {"gate-up", "products of the feed-forward part"},
    {"down", "activation and product back"},
    {"head", "logits"},
};
enum { N_PARTS = G_N_ELEMENTS (parts) };

typedef struct {
  ToolEngineArgs engine;
  int n_prompt, n_generate, n_runs, n_threads;
  gboolean json, layers;
} Options;

typedef struct {
  BitnetEngine *engine;
  GRand *rand;
  GCancellable *cancellable;
} Bench;

/* What one kind of request took, in milliseconds a token. */
typedef struct {
  char name[16];
  GArray *parts[N_PARTS]; /* of double, one for each run, sorted */
  double total;           /* of the medians */
} Table;

static void
options_clear (Options *self)
{
  tool_engine_args_clear (&self->engine);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static void
bench_clear (Bench *self)
{
  g_clear_object (&self->engine);
  g_clear_object (&self->cancellable);
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

/* Answers a random prompt, to the end. */
static gboolean
answer (Bench *self, guint n_prompt, guint n_generate, GError **error)
{
  g_autoptr (GPtrArray) sequences =
      g_ptr_array_new_with_free_func (g_object_unref);
  BitnetSequence *sequence = tool_submit_random (
      self->engine, self->rand, n_prompt, n_generate, error);

  if (sequence == NULL)
    return FALSE;
  g_ptr_array_add (sequences, sequence);
  return tool_take_all (sequences, self->cancellable, error);
}

/* One kind of request: n_prompt tokens and one of answer, or one and
 * n_generate. The first run warms up. */
static gboolean
measure (Bench *self, guint n_prompt, guint n_generate, guint n_runs,
    Table *table, GError **error)
{
  /* the prompt's one token is a pass like the others */
  const guint n_tokens = n_generate > 1 ? n_generate : n_prompt;

  g_snprintf (table->name, sizeof table->name, "%s%u",
      n_generate > 1 ? "tg" : "pp", n_generate > 1 ? n_generate - 1 : n_prompt);
  for (gsize i = 0; i < N_PARTS; i++)
    table->parts[i] = g_array_new (FALSE, FALSE, sizeof (double));
  for (guint run = 0; run <= n_runs; run++) {
    guint64 before[N_PARTS], after[N_PARTS];

    read_parts (self->engine, before);
    if (!answer (self, n_prompt, n_generate, error))
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
  printf ("%-12s %10s %8s\n", table->name, "ms/token", "share");
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
      {"threads", 't', 0, G_OPTION_ARG_INT, &options->n_threads,
          "Threads that compute; 0 = one for each core [0]", "N"},
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
          "not in it.\n\n"
          "Examples:\n"
          "  bitnet bench --layers -m model.gguf\n"
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
             COMMAND, "threads", options->n_threads, 0, G_MAXINT)
         && tool_check_range (
             COMMAND, "runs", options->n_runs, 1, TOOL_MAX_RUNS);
}

static gboolean
open_engine (const Options *options, BitnetEngineOptions *engine_options,
    Bench *bench, GError **error)
{
  g_autoptr (BitnetModel) model = NULL;

  bench->cancellable = tool_watch_interrupt ();
  bench->rand = g_rand_new_with_seed (1);
  model = tool_engine_open_model (&options->engine, bench->cancellable, error);
  if (model == NULL)
    return FALSE;
  engine_options->profile = TRUE;
  engine_options->n_sequences = 1;
  engine_options->drafts = -1; /* a pass is a token */
  engine_options->n_threads = (guint) options->n_threads;
  engine_options->context_size =
      (guint) MAX (options->n_prompt, options->n_generate) + 2;
  bench->engine = bitnet_model_get_engine (model, engine_options, error);
  return bench->engine != NULL
         && tool_engine_load (bench->engine, bench->cancellable, error);
}

static gboolean
run (const Options *options, Bench *bench, JsonBuilder *builder, GError **error)
{
  const guint sizes[][2] = {{(guint) options->n_prompt, 1},
      {1, options->n_generate > 0 ? (guint) options->n_generate + 1 : 0}};

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_auto (Table) table = {0};

    if (sizes[i][0] == 0 || sizes[i][1] == 0)
      continue;
    if (!measure (bench, sizes[i][0], sizes[i][1], (guint) options->n_runs,
            &table, error))
      return FALSE;
    if (builder != NULL)
      add_table (builder, &table);
    else
      print_table (&table);
  }
  return TRUE;
}

int
cmd_bench_layers (int argc, char **argv)
{
  g_auto (Options) options = {.n_prompt = DEFAULT_PROMPT,
      .n_generate = DEFAULT_GENERATE,
      .n_runs = TOOL_DEFAULT_RUNS};
  g_auto (Bench) bench = {0};
  g_autoptr (BitnetEngineOptions) engine_options = NULL;
  g_autoptr (JsonBuilder) builder = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!parse (&options, &argc, &argv, &status))
    return status;
  engine_options = tool_engine_make_options (&options.engine, &error);
  if (engine_options == NULL)
    return tool_fail_usage (COMMAND, "%s", error->message);
  if (options.json) {
    builder = json_builder_new ();
    json_builder_begin_object (builder);
    json_builder_set_member_name (builder, "results");
    json_builder_begin_array (builder);
  }
  if (!open_engine (&options, engine_options, &bench, &error)
      || !run (&options, &bench, builder, &error))
    return tool_engine_fail (COMMAND, error);
  if (builder != NULL) {
    json_builder_end_array (builder);
    json_builder_end_object (builder);
    tool_json_print (builder);
  }
  return tool_finish_output (COMMAND);
}
