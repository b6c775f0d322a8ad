/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet bench: how fast a model runs here.
 *
 * For each number of threads two kinds of requests are answered, one at a time,
 * each by a fresh engine whose cache has room for one of them:
 *
 *     pp512   a prompt of 512 random tokens and one token of answer: prompt
 *             tokens by the time up to that token
 *     tg128   a prompt of one token and 128 tokens behind the first one:
 *             those by the time behind the first one
 *     tg128x4 the same for four at once, all their tokens by that time of the
 *             one that took longest
 *
 * No prompt begins like another, so nothing comes from the cache. The first
 * run of each kind warms up and does not count. */
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet-tool.h"
#include "tool-bench.h"
#include "tool-engine.h"

#define COMMAND "bench"

#define BYTES_PER_MIB (1024.0 * 1024.0)
#define MILLION 1e6

enum {
  DEFAULT_PROMPT = 512,
  DEFAULT_GENERATE = 128,
  MAX_SEQUENCES = 256,
  MAX_DRAFTS = 16,
  NO_DRAFTS = -1,
};

typedef struct {
  ToolEngineArgs engine;
  int n_prompt;
  int n_generate;
  int n_runs;
  int batch_size;
  int n_drafts;
  char *threads, *sequences;
  gboolean json, layers, ceilings, gain, pipeline, tokenizer, discovery;
} Options;

/* One row of the table. */
typedef struct {
  char name[24]; /* pp512 */
  guint n_threads;
  GArray *rates; /* of double: tokens/s of each run, sorted */
} Row;

typedef struct {
  BitnetModel *model;
  GCancellable *cancellable;
  BitnetEngineOptions *options;
  guint n_prompt, n_generate, n_runs;
  gboolean json;
  GRand *rand;

  GArray *load_ms;   /* of double, for each engine */
  GArray *threads;   /* of guint */
  GArray *sequences; /* of guint */
  GPtrArray *rows;   /* of Row */
  char *cpu_level;
  /* Logits that went through the copy of a screened output matrix, and those of
   * them that were computed from the file. */
  guint64 n_screened, n_computed;
  guint64 bytes_per_token;
} Bench;

static void
options_clear (Options *self)
{
  tool_engine_args_clear (&self->engine);
  g_clear_pointer (&self->threads, g_free);
  g_clear_pointer (&self->sequences, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static void
row_free (gpointer data)
{
  Row *row = data;

  g_array_unref (row->rates);
  g_free (row);
}

static void
bench_clear (Bench *self)
{
  g_clear_object (&self->model);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->options, bitnet_engine_options_free);
  g_clear_pointer (&self->rand, g_rand_free);
  g_clear_pointer (&self->load_ms, g_array_unref);
  g_clear_pointer (&self->threads, g_array_unref);
  g_clear_pointer (&self->sequences, g_array_unref);
  g_clear_pointer (&self->rows, g_ptr_array_unref);
  g_clear_pointer (&self->cpu_level, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

/* ---- the table, line by line as it is measured ---- */

static void
print_head (const Bench *self)
{
  BitnetModel *model = self->model;
  const char *given = bitnet_model_get_name (model);
  g_autofree char *base = g_path_get_basename (bitnet_model_get_path (model));
  g_autofree char *name = tool_make_printable (given ? given : base);
  g_autofree char *architecture =
      tool_make_printable (bitnet_model_get_architecture (model));

  printf ("model   %s, %s, %s, %.1f MiB, %.1f million parameters\n", name,
      architecture, bitnet_model_get_quantization (model),
      (double) bitnet_model_get_file_size (model) / BYTES_PER_MIB,
      (double) bitnet_model_get_n_parameters (model) / MILLION);
  printf ("kernels %s\n\n", self->cpu_level);
  printf (
      "%-8s %7s %10s %10s %10s\n", "test", "threads", "median", "min", "max");
  fflush (stdout);
}

static void
print_row (const Row *row)
{
  printf ("%-8s %7u %10.2f %10.2f %10.2f tokens/s\n", row->name, row->n_threads,
      tool_get_median (row->rates), tool_get_least (row->rates),
      tool_get_most (row->rates));
  fflush (stdout);
}

static void
print_foot (const Bench *self)
{
  printf ("\nload    %.1f ms\n", g_array_index (self->load_ms, double, 0));
  if (self->n_screened > 0)
    printf ("head    screened, %.2f %% of the logits computed from the file\n",
        100 * (double) self->n_computed / (double) self->n_screened);
  printf ("memory  %.1f MiB at most\n",
      (double) tool_get_peak_memory () / BYTES_PER_MIB);
  printf ("weights %.1f MiB are read for a token\n",
      (double) self->bytes_per_token / BYTES_PER_MIB);
}

/* ---- measuring ---- */

static Row *
row_new (const ToolTest *test, guint n_threads)
{
  Row *row = g_new0 (Row, 1);

  row->n_threads = n_threads;
  row->rates = g_array_new (FALSE, FALSE, sizeof (double));
  tool_name_test (test, row->name, sizeof row->name);
  return row;
}

/* All runs of one kind. */
static gboolean
measure_row (
    Bench *self, BitnetEngine *engine, const ToolTest *test, GError **error)
{
  Row *row = row_new (test, bitnet_engine_get_n_threads (engine));

  g_ptr_array_add (self->rows, row);
  for (guint i = 0; i <= self->n_runs; i++) {
    double rate;

    if (!tool_run_test (
            engine, self->rand, test, &rate, self->cancellable, error))
      return FALSE;
    if (i > 0)
      g_array_append_val (row->rates, rate);
  }
  tool_sort_rates (row->rates);
  if (!self->json)
    print_row (row);
  return TRUE;
}

static void
count_logits (Bench *self, BitnetEngine *engine)
{
  g_autoptr (GVariant) stats = bitnet_engine_dup_stats (engine);
  guint64 n_screened = 0, n_computed = 0;

  g_variant_lookup (stats, "screened-logits", "t", &n_screened);
  g_variant_lookup (stats, "computed-logits", "t", &n_computed);
  self->n_screened += n_screened;
  self->n_computed += n_computed;
}

static void
read_stats (Bench *self, BitnetEngine *engine)
{
  g_autoptr (GVariant) stats = bitnet_engine_dup_stats (engine);
  double load_ms = 0;

  g_variant_lookup (stats, "load-ms", "d", &load_ms);
  g_variant_lookup (stats, "bytes-per-token", "t", &self->bytes_per_token);
  g_array_append_val (self->load_ms, load_ms);
  if (self->cpu_level == NULL) {
    g_variant_lookup (stats, "cpu-level", "s", &self->cpu_level);
    if (!self->json)
      print_head (self);
  }
}

static gboolean
measure_test (Bench *self, ToolTest test, GError **error)
{
  g_autoptr (BitnetEngine) engine = tool_open_engine (
      self->model, self->options, &test, self->cancellable, error);

  if (engine == NULL)
    return FALSE;
  read_stats (self, engine);

  if (!measure_row (self, engine, &test, error))
    return FALSE;
  count_logits (self, engine);
  return TRUE;
}

static gboolean
measure_threads (Bench *self, guint n_threads, GError **error)
{
  ToolTest prompt = {self->n_prompt, 0, 1};
  ToolTest answer = {1, self->n_generate, 1};

  self->options->n_threads = n_threads;
  if (prompt.n_prompt > 0 && !measure_test (self, prompt, error))
    return FALSE;
  for (guint i = 0; answer.n_generate > 0 && i < self->sequences->len; i++) {
    answer.n_sequences = g_array_index (self->sequences, guint, i);
    if (!measure_test (self, answer, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- JSON ---- */

static void
add_model (JsonBuilder *builder, BitnetModel *model)
{
  g_autofree char *path =
      g_filename_display_name (bitnet_model_get_path (model));

  json_builder_set_member_name (builder, "model");
  json_builder_begin_object (builder);
  tool_json_add_string (builder, "path", path);
  tool_json_add_string (builder, "name", bitnet_model_get_name (model));
  tool_json_add_string (
      builder, "architecture", bitnet_model_get_architecture (model));
  tool_json_add_string (builder, "type", bitnet_model_get_quantization (model));
  tool_json_add_int (builder, "size", bitnet_model_get_file_size (model));
  tool_json_add_int (
      builder, "n_parameters", bitnet_model_get_n_parameters (model));
  json_builder_end_object (builder);
}

static void
add_row (JsonBuilder *builder, const Row *row)
{
  json_builder_begin_object (builder);
  tool_json_add_string (builder, "test", row->name);
  tool_json_add_int (builder, "threads", row->n_threads);
  tool_json_add_rates (builder, row->rates);
  json_builder_end_object (builder);
}

static void
print_json (const Bench *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  tool_json_add_string (builder, "version", BITNET_VERSION);
  add_model (builder, self->model);
  tool_json_add_string (builder, "cpu_level", self->cpu_level);
  tool_json_add_int (builder, "runs", self->n_runs);
  tool_json_add_double (
      builder, "load_ms", g_array_index (self->load_ms, double, 0));
  tool_json_add_int (builder, "peak_memory", tool_get_peak_memory ());
  tool_json_add_int (builder, "bytes_per_token", self->bytes_per_token);
  tool_json_add_string (builder, "unit", "tokens/s");
  if (self->n_screened > 0)
    tool_json_add_double (builder, "computed_logits",
        (double) self->n_computed / (double) self->n_screened);
  json_builder_set_member_name (builder, "results");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->rows->len; i++)
    add_row (builder, self->rows->pdata[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  tool_json_print (builder);
}

/* ---- the command line ---- */

/* NULL: one, and one for each core. */
static GArray *
parse_threads (const char *text, BitnetModel *model)
{
  g_autoptr (GArray) threads = tool_parse_numbers (
      COMMAND, "threads", text ? text : "1", TOOL_MAX_THREADS);

  if (text == NULL) {
    g_autoptr (BitnetEngine) engine =
        bitnet_model_get_engine (model, NULL, NULL);
    guint n_cores = bitnet_engine_get_n_threads (engine);
    if (n_cores > 1)
      g_array_append_val (threads, n_cores);
  }
  return g_steal_pointer (&threads);
}

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  const GOptionEntry entries[] = {
      TOOL_ENGINE_ENTRIES (options->engine),
      {"prompt", 'p', 0, G_OPTION_ARG_INT, &options->n_prompt,
          "Tokens of the prompt; 0 = leave it out [512]", "N"},
      {"generate", 'n', 0, G_OPTION_ARG_INT, &options->n_generate,
          "Tokens to generate; 0 = leave it out [128]", "N"},
      {"threads", 't', 0, G_OPTION_ARG_STRING, &options->threads,
          "Numbers of threads to try [1 and one for each core]", "N,N"},
      {"sequences", 'S', 0, G_OPTION_ARG_STRING, &options->sequences,
          "Numbers of sequences that generate at once [1]", "N,N"},
      {"runs", 'r', 0, G_OPTION_ARG_INT, &options->n_runs,
          "Runs of each test, after one to warm up [5]", "N"},
      {"batch-size", 0, 0, G_OPTION_ARG_INT, &options->batch_size,
          "Prompt tokens computed at a time [512]", "N"},
      {"drafts", 0, 0, G_OPTION_ARG_INT, &options->n_drafts,
          "Most tokens guessed ahead, which random prompts do not reward [0]",
          "N"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
          "Print one JSON object in place of a table", NULL},
      {"layers", 0, 0, G_OPTION_ARG_NONE, &options->layers,
          "Measure where the time goes; --layers --help says more", NULL},
      {"ceilings", 0, 0, G_OPTION_ARG_NONE, &options->ceilings,
          "Measure what part of the machine's best it is; with --help it says "
          "more",
          NULL},
      {"draft-gain", 0, 0, G_OPTION_ARG_NONE, &options->gain,
          "Measure what guessing tokens brings; with --help it says more",
          NULL},
      {"pipeline", 0, 0, G_OPTION_ARG_NONE, &options->pipeline,
          "Measure what a pipeline costs; --pipeline --help says more", NULL},
      {"tokenizer", 0, 0, G_OPTION_ARG_NONE, &options->tokenizer,
          "Measure the tokenizer on text files; --tokenizer --help says more",
          NULL},
      {"tokenizer-discovery-overhead", 0, 0, G_OPTION_ARG_NONE,
          &options->discovery,
          "Measure what finding the tokenizer costs; with --help it says more",
          NULL},
      {NULL},
  };

  if (!tool_parse_options (argc, argv, entries, "",
          "Measures how fast a model runs on this machine.",
          "Prints tokens per second, median, least and most of the runs: ppN "
          "for a prompt of\nN tokens, tgN for N tokens generated one by one, "
          "tgNxS for S sequences of them at\nonce, all their tokens counted. "
          "Memory is the peak of the program, the model\nfile's pages "
          "included.\n\n"
          "Examples:\n"
          "  bitnet bench -m model.gguf\n"
          "  bitnet bench -m model.gguf -p 512 -n 128 -t 1,2 -r 5\n"
          "  bitnet bench -m model.gguf -n 0 -t 4 --json\n"
          "  bitnet bench -m model.gguf -p 0 -S 1,4,16\n"
          "  bitnet bench --layers -m model.gguf\n"
          "  bitnet bench --ceilings -m model.gguf\n"
          "  bitnet bench --draft-gain -m model.gguf\n"
          "  bitnet bench --pipeline -m model.gguf\n"
          "  bitnet bench --tokenizer -m model.gguf english.txt\n"
          "  bitnet bench --tokenizer-discovery-overhead -m model.gguf",
          status))
    return FALSE;
  *status = EXIT_USAGE;
  if (*argc > 1) {
    tool_fail_usage (COMMAND, "there is no argument \"%s\"", (*argv)[1]);
    return FALSE;
  }
  return tool_check_range (
             COMMAND, "prompt", options->n_prompt, 0, G_MAXINT / 2)
         && tool_check_range (
             COMMAND, "generate", options->n_generate, 0, G_MAXINT / 2)
         && tool_check_range (
             COMMAND, "runs", options->n_runs, 1, TOOL_MAX_RUNS)
         && tool_check_range (
             COMMAND, "batch-size", options->batch_size, 0, G_MAXUINT16)
         && tool_check_range (
             COMMAND, "drafts", options->n_drafts, 0, MAX_DRAFTS);
}

static gboolean
run (Bench *self, GError **error)
{
  self->load_ms = g_array_new (FALSE, FALSE, sizeof (double));
  self->rows = g_ptr_array_new_with_free_func (row_free);
  self->rand = g_rand_new_with_seed (1);
  for (guint i = 0; i < self->threads->len; i++) {
    if (!measure_threads (self, g_array_index (self->threads, guint, i), error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
has_option (int argc, char **argv, const char *option)
{
  for (int i = 1; i < argc && strcmp (argv[i], "--") != 0; i++) {
    if (strcmp (argv[i], option) == 0)
      return TRUE;
  }
  return FALSE;
}

int
cmd_bench (int argc, char **argv)
{
  g_auto (Options) options = {.n_prompt = DEFAULT_PROMPT,
      .n_generate = DEFAULT_GENERATE,
      .n_runs = TOOL_DEFAULT_RUNS};
  g_auto (Bench) bench = {0};
  g_autoptr (GError) error = NULL;
  int status;

  if (has_option (argc, argv, "--tokenizer"))
    return cmd_bench_tokenizer (argc, argv);
  if (has_option (argc, argv, "--tokenizer-discovery-overhead"))
    return cmd_bench_discovery (argc, argv);
  if (has_option (argc, argv, "--layers"))
    return cmd_bench_layers (argc, argv);
  if (has_option (argc, argv, "--ceilings"))
    return cmd_bench_ceilings (argc, argv);
  if (has_option (argc, argv, "--draft-gain"))
    return cmd_bench_drafts (argc, argv);
  if (has_option (argc, argv, "--pipeline"))
    return cmd_bench_pipeline (argc, argv);
  if (!parse (&options, &argc, &argv, &status))
    return status;
  bench.sequences = tool_parse_numbers (COMMAND, "sequences",
      options.sequences ? options.sequences : "1", MAX_SEQUENCES);
  if (bench.sequences == NULL)
    return EXIT_USAGE;
  bench.options = tool_engine_make_options (&options.engine, &error);
  if (bench.options == NULL)
    return tool_fail_usage (COMMAND, "%s", error->message);
  if (options.n_prompt == 0 && options.n_generate == 0)
    return tool_fail_usage (COMMAND, "--prompt and --generate are both 0");
  bench.n_prompt = (guint) options.n_prompt;
  bench.n_generate = (guint) options.n_generate;
  bench.n_runs = (guint) options.n_runs;
  bench.json = options.json;
  bench.options->batch_size = (guint) options.batch_size;
  bench.options->drafts = options.n_drafts > 0 ? options.n_drafts : NO_DRAFTS;

  bench.cancellable = tool_watch_interrupt ();
  bench.model =
      tool_engine_open_model (&options.engine, bench.cancellable, &error);
  if (bench.model == NULL)
    return tool_engine_fail (COMMAND, error);
  bench.threads = parse_threads (options.threads, bench.model);
  if (bench.threads == NULL)
    return EXIT_USAGE;
  if (!run (&bench, &error))
    return tool_engine_fail (COMMAND, error);
  if (options.json)
    print_json (&bench);
  else
    print_foot (&bench);
  return tool_finish_output (COMMAND);
}
