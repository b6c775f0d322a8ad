/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet bench --ceilings: what part of what the machine can do at best.
 *
 * The speed of memory that is shared with others changes within seconds, so a
 * ceiling counts for what is measured right beside it alone:
 *
 *     ceiling | test | ceiling | test | ceiling | ...
 *              \__________________/
 *     share of a run: the test's speed by the mean of the two
 *
 * The mean is that of the times, as the test's own speed is one.
 *
 * Tokens generated one by one are held against reads of memory, by the bytes of
 * weights that a token takes; prompts against products of bytes, by those that
 * a token takes of the layers' matrices. The ceiling's threads sleep while the
 * engine computes, and the engine's while the ceiling is measured. */
#include <bitnet/bitnet.h>
#include <errno.h>
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "bitnet-tool.h"
#include "tool-bench.h"
#include "tool-engine.h"
#include "tool-probe.h"

#define COMMAND "bench"

#define GIGA 1e9

enum {
  DEFAULT_PROMPT = 512,
  DEFAULT_GENERATE = 16,
  DEFAULT_RUNS = 10,
  NO_DRAFTS = -1,
  PROBE_SIZE = 512 << 20,
  N_READS = 2,     /* passes of each loop, some 15 ms each */
  N_PRODUCTS = 16, /* of 2 ms */
};

typedef struct {
  ToolEngineArgs engine;
  int n_prompt, n_generate, n_runs;
  char *threads;
  gboolean json, ceilings;
} Options;

/* A line of the table. Figures of each round, sorted; a unit is a thousand
 * million bytes or products. */
typedef struct {
  char name[24]; /* pp512 */
  guint n_threads;
  const char *unit;
  GArray *rates;    /* of double: tokens/s */
  GArray *speeds;   /* of double: units/s; empty if nothing bounds it */
  GArray *ceilings; /* of double: units/s, of both sides */
  GArray *shares;   /* of double */
} Row;

typedef struct {
  const Options *options;
  BitnetEngineOptions *engine_options;
  GArray *threads; /* of guint */
  BitnetModel *model;
  BitnetEngine *engine;
  ToolProbe *probe;
  GRand *rand;
  GCancellable *cancellable;
  JsonBuilder *builder; /* NULL: a table */
} Bench;

static void
options_clear (Options *self)
{
  tool_engine_args_clear (&self->engine);
  g_clear_pointer (&self->threads, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static void
bench_clear (Bench *self)
{
  g_clear_pointer (&self->engine_options, bitnet_engine_options_free);
  g_clear_pointer (&self->threads, g_array_unref);
  g_clear_object (&self->engine);
  g_clear_object (&self->model);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->builder);
  g_clear_pointer (&self->probe, tool_probe_free);
  g_clear_pointer (&self->rand, g_rand_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

static void
row_clear (Row *self)
{
  g_clear_pointer (&self->rates, g_array_unref);
  g_clear_pointer (&self->speeds, g_array_unref);
  g_clear_pointer (&self->ceilings, g_array_unref);
  g_clear_pointer (&self->shares, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Row, row_clear)

/* ---- output ---- */

static void
print_head (void)
{
  printf ("%-8s %7s %10s %10s %10s  %-7s %8s  %s\n", "test", "threads",
      "tokens/s", "rate", "ceiling", "unit", "share", "quartiles");
}

static void
print_row (const Row *row)
{
  printf ("%-8s %7u %10.2f ", row->name, row->n_threads,
      tool_get_median (row->rates));
  if (row->shares->len > 0)
    printf ("%10.2f %10.2f  %-7s %6.1f %%  %.1f to %.1f %%\n",
        tool_get_median (row->speeds), tool_get_median (row->ceilings),
        row->unit, 100 * tool_get_median (row->shares),
        100 * tool_get_quantile (row->shares, .25),
        100 * tool_get_quantile (row->shares, .75));
  else
    printf ("%10s %10s  %-7s %8s\n", "-", "-", row->unit, "-");
  fflush (stdout);
}

static void
add_row (JsonBuilder *builder, const Row *row)
{
  json_builder_begin_object (builder);
  tool_json_add_string (builder, "test", row->name);
  tool_json_add_int (builder, "threads", row->n_threads);
  tool_json_add_rates (builder, row->rates);
  tool_json_add_string (builder, "unit", row->unit);
  if (row->shares->len > 0) {
    tool_json_add_double (builder, "rate", tool_get_median (row->speeds));
    tool_json_add_double (builder, "ceiling", tool_get_median (row->ceilings));
    tool_json_add_double (builder, "share", tool_get_median (row->shares));
    tool_json_add_double (
        builder, "lower_quartile", tool_get_quantile (row->shares, .25));
    tool_json_add_double (
        builder, "upper_quartile", tool_get_quantile (row->shares, .75));
  }
  json_builder_end_object (builder);
}

/* ---- measuring ---- */

/* Units a second, of memory the better of the two loops; 0: there is none. */
static double
measure_ceiling (Bench *self, const ToolTest *test)
{
  double read, stream;

  if (test->n_generate == 0)
    return tool_probe_run (self->probe, TOOL_PROBE_MULTIPLY, N_PRODUCTS) / GIGA;
  read = tool_probe_run (self->probe, TOOL_PROBE_READ, N_READS);
  stream = tool_probe_run (self->probe, TOOL_PROBE_STREAM, N_READS);
  return MAX (read, stream) / GIGA;
}

/* Units that a token takes. */
static double
read_scale (Bench *self, const ToolTest *test)
{
  g_autoptr (GVariant) stats = bitnet_engine_dup_stats (self->engine);
  guint64 n = 0;

  g_variant_lookup (stats,
      test->n_generate > 0 ? "bytes-per-token" : "products-per-token", "t", &n);
  return (double) n / GIGA;
}

/* Of what went at either speed for half of the work; 0 if one is. */
static double
join_speeds (double before, double after)
{
  return before > 0 && after > 0 ? 2 / (1 / before + 1 / after) : 0;
}

/* The first run warms up. */
static gboolean
measure (Bench *self, const ToolTest *test, Row *row, GError **error)
{
  const double scale = read_scale (self, test);
  double before = 0;

  for (int run = 0; run <= self->options->n_runs; run++) {
    double rate, speed, after, ceiling, share;

    if (!tool_run_test (
            self->engine, self->rand, test, &rate, self->cancellable, error))
      return FALSE;
    after = measure_ceiling (self, test);
    speed = rate * scale;
    ceiling = join_speeds (before, after);
    before = after;
    if (run == 0)
      continue;
    g_array_append_val (row->rates, rate);
    if (speed == 0 || ceiling == 0)
      continue;
    share = speed / ceiling;
    g_array_append_val (row->speeds, speed);
    g_array_append_val (row->ceilings, ceiling);
    g_array_append_val (row->shares, share);
  }
  tool_sort_rates (row->rates);
  tool_sort_rates (row->speeds);
  tool_sort_rates (row->ceilings);
  tool_sort_rates (row->shares);
  return TRUE;
}

static gboolean
open_probe (Bench *self, GError **error)
{
  g_clear_pointer (&self->probe, tool_probe_free);
  self->probe =
      tool_probe_new (bitnet_engine_get_n_threads (self->engine), PROBE_SIZE);
  if (self->probe != NULL)
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
      "the ceiling needs %d MiB and %u threads: %s", PROBE_SIZE >> 20,
      bitnet_engine_get_n_threads (self->engine), g_strerror (errno));
  return FALSE;
}

static gboolean
run_test (Bench *self, ToolTest test, GError **error)
{
  g_auto (Row) row = {.unit = test.n_generate > 0 ? "GB/s" : "GMAC/s"};

  g_clear_object (&self->engine);
  self->engine = tool_open_engine (
      self->model, self->engine_options, &test, self->cancellable, error);
  if (self->engine == NULL || !open_probe (self, error))
    return FALSE;
  tool_name_test (&test, row.name, sizeof row.name);
  row.n_threads = bitnet_engine_get_n_threads (self->engine);
  row.rates = g_array_new (FALSE, FALSE, sizeof (double));
  row.speeds = g_array_new (FALSE, FALSE, sizeof (double));
  row.ceilings = g_array_new (FALSE, FALSE, sizeof (double));
  row.shares = g_array_new (FALSE, FALSE, sizeof (double));
  if (!measure (self, &test, &row, error))
    return FALSE;
  if (self->builder != NULL)
    add_row (self->builder, &row);
  else
    print_row (&row);
  return TRUE;
}

static gboolean
run (Bench *self, GError **error)
{
  const Options *options = self->options;
  const ToolTest prompt = {(guint) options->n_prompt, 0, 1};
  const ToolTest answer = {1, (guint) options->n_generate, 1};

  self->engine_options->drafts = NO_DRAFTS; /* a pass is a token */
  self->cancellable = tool_watch_interrupt ();
  self->rand = g_rand_new_with_seed (1);
  self->model =
      tool_engine_open_model (&options->engine, self->cancellable, error);
  if (self->model == NULL)
    return FALSE;
  if (self->builder == NULL)
    print_head ();
  for (guint i = 0; i < self->threads->len; i++) {
    self->engine_options->n_threads = g_array_index (self->threads, guint, i);
    if ((prompt.n_prompt > 0 && !run_test (self, prompt, error))
        || (answer.n_generate > 0 && !run_test (self, answer, error)))
      return FALSE;
  }
  return TRUE;
}

/* ---- the command line ---- */

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  const GOptionEntry entries[] = {
      TOOL_ENGINE_ENTRIES (options->engine),
      {"ceilings", 0, 0, G_OPTION_ARG_NONE, &options->ceilings,
          "This measurement", NULL},
      {"prompt", 'p', 0, G_OPTION_ARG_INT, &options->n_prompt,
          "Tokens of the prompt; 0 = leave it out [512]", "N"},
      {"generate", 'n', 0, G_OPTION_ARG_INT, &options->n_generate,
          "Tokens to generate in a run; 0 = leave it out [16]", "N"},
      {"threads", 't', 0, G_OPTION_ARG_STRING, &options->threads,
          "Numbers of threads to try [one for each core]", "N,N"},
      {"runs", 'r', 0, G_OPTION_ARG_INT, &options->n_runs,
          "Runs of each test, after one to warm up [10]", "N"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
          "Print one JSON object in place of a table", NULL},
      {NULL},
  };

  if (!tool_parse_options (argc, argv, entries, "",
          "Measures what part of what this machine can do at best a model "
          "makes use of.",
          "Runs each test in turns with its ceiling, which as many threads "
          "measure: for tokens\ngenerated one by one (tgN) reads of memory "
          "that does not fit into caches, the better\nof two loops; for a "
          "prompt (ppN) products of bytes in registers. Rate is the speed as\n"
          "bytes of weights that the tokens take, or as products of the "
          "layers' "
          "matrices. Share\nis that of a run by the mean of the ceilings just "
          "before and just after it. Printed\nare medians of the runs, and "
          "between which shares half of them lie. Memory that\nothers use "
          "changes its speed within seconds: many short runs tell more than a "
          "few\nlong ones. A model that fits into the caches may have more "
          "than 100 %; one of floats\nhas no products of bytes, and \"-\" "
          "there.\n\n"
          "Examples:\n"
          "  bitnet bench --ceilings -m model.gguf\n"
          "  bitnet bench --ceilings -m model.gguf -t 1,2 -p 0 -r 40\n"
          "  bitnet bench --ceilings -m model.gguf -p 512 -n 0 --json",
          status))
    return FALSE;
  *status = EXIT_USAGE;
  if (*argc > 1) {
    tool_fail_usage (COMMAND, "there is no argument \"%s\"", (*argv)[1]);
    return FALSE;
  }
  if (options->engine.device == NULL)
    options->engine.device = g_strdup ("cpu");
  if (g_strcmp0 (options->engine.device, "cpu") != 0) {
    tool_fail_usage (COMMAND,
        "--device is \"%s\", expected cpu, whose "
        "ceilings these are",
        options->engine.device);
    return FALSE;
  }
  if (options->n_prompt == 0 && options->n_generate == 0) {
    tool_fail_usage (COMMAND, "--prompt and --generate are both 0");
    return FALSE;
  }
  return tool_check_range (COMMAND, "prompt", options->n_prompt, 0, G_MAXUINT16)
         && tool_check_range (
             COMMAND, "generate", options->n_generate, 0, G_MAXUINT16)
         && tool_check_range (
             COMMAND, "runs", options->n_runs, 1, TOOL_MAX_RUNS);
}

int
cmd_bench_ceilings (int argc, char **argv)
{
  g_auto (Options) options = {.n_prompt = DEFAULT_PROMPT,
      .n_generate = DEFAULT_GENERATE,
      .n_runs = DEFAULT_RUNS};
  g_auto (Bench) bench = {.options = &options};
  g_autoptr (GError) error = NULL;
  int status;

  if (!parse (&options, &argc, &argv, &status))
    return status;
  bench.threads = tool_parse_threads (COMMAND, options.threads);
  if (bench.threads == NULL)
    return EXIT_USAGE;
  bench.engine_options = tool_engine_make_options (&options.engine, &error);
  if (bench.engine_options == NULL)
    return tool_fail_usage (COMMAND, "%s", error->message);
  if (options.json) {
    bench.builder = json_builder_new ();
    json_builder_begin_object (bench.builder);
    tool_json_add_int (bench.builder, "runs", (guint64) options.n_runs);
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
