/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet bench --tokenizer-discovery-overhead: what finding the tokenizer of a
 * model costs. Medians of
 *
 *     discovery       what the model file says, alone
 *     load            the tokenizer of a file that is named, by a fresh program
 *                     with an empty cache and with the one that is left
 *     resolution      the same for a tokenizer that is looked for, without
 *                     opening the model, and a second time within this program
 *     first token     `bitnet infer`, from the start of the pipeline to the
 *                     first token, and the share of the resolution in it
 *
 * The overhead is what a resolution takes longer than loading alone, as a part
 * of the time to the first token. At last the requests to the network of
 * repeated starts. Fresh programs are this one, run with other commands; what
 * they print of their own times counts, not the time to start them. */
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include <bitnet/bitnet.h>

#include "bitnet-tool.h"
#include "tool-bench.h"
#include "tool-engine.h"

#define COMMAND "bench"
#define US_PER_MS 1e3
#define PERCENT 100.0

enum {
  /* Files that have just changed are not trusted by their times alone. */
  SETTLE_US = 60 * 1000,
  DEFAULT_STARTS = 100,
  MAX_STARTS = 100000,
};

typedef struct {
  char *model;
  int n_runs, n_starts;
  gboolean json, discovery;
} Options;

typedef struct {
  char *model, *program, *folder;
  GCancellable *cancellable;
  guint n_runs, n_starts;
  gboolean has_weights; /* else there is no first token */
  /* of double: milliseconds, percent */
  GArray *discovery, *load_cold, *load_disk, *cold, *disk, *memory;
  GArray *whole_cold, *whole_disk; /* resolutions with opening the file */
  GArray *first_cold, *first_disk;
  GArray *share_cold, *share_disk;
  char *strategy;
  guint64 n_requests;
} Bench;

static void
options_clear (Options *self)
{
  g_clear_pointer (&self->model, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* The figures, in the order in which they are printed. */
static const struct {
  gsize offset;
  const char *name, *key, *unit;
} figures[] = {
    {G_STRUCT_OFFSET (Bench, discovery), "discovery alone", "discovery_ms",
        "ms"},
    {G_STRUCT_OFFSET (Bench, load_cold), "loading alone, cold", "load_cold_ms",
        "ms"},
    {G_STRUCT_OFFSET (Bench, load_disk), "loading alone, cached",
        "load_disk_ms", "ms"},
    {G_STRUCT_OFFSET (Bench, cold), "resolution, cold", "cold_ms", "ms"},
    {G_STRUCT_OFFSET (Bench, disk), "resolution, cached", "disk_ms", "ms"},
    {G_STRUCT_OFFSET (Bench, memory), "resolution, in memory", "memory_ms",
        "ms"},
    {G_STRUCT_OFFSET (Bench, first_cold), "first token, cold",
        "first_token_cold_ms", "ms"},
    {G_STRUCT_OFFSET (Bench, first_disk), "first token, cached",
        "first_token_disk_ms", "ms"},
    {G_STRUCT_OFFSET (Bench, share_cold), "share of that, cold",
        "share_cold_percent", "%"},
    {G_STRUCT_OFFSET (Bench, share_disk), "share of that, cached",
        "share_disk_percent", "%"},
};

static GArray **
get_figure (Bench *self, gsize i)
{
  return G_STRUCT_MEMBER_P (self, figures[i].offset);
}

/* ---- folders ---- */

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *child = g_build_filename (path, name, NULL);

    if (g_file_test (child, G_FILE_TEST_IS_DIR)
        && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
      remove_folder (child);
    else
      g_unlink (child);
  }
  g_rmdir (path);
}

static void
bench_clear (Bench *self)
{
  if (self->folder)
    remove_folder (self->folder);
  for (gsize i = 0; i < G_N_ELEMENTS (figures); i++)
    g_clear_pointer (get_figure (self, i), g_array_unref);
  g_clear_pointer (&self->whole_cold, g_array_unref);
  g_clear_pointer (&self->whole_disk, g_array_unref);
  g_clear_object (&self->cancellable);
  g_free (self->model);
  g_free (self->program);
  g_free (self->folder);
  g_free (self->strategy);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

static void
add (GArray *figure, double value)
{
  g_array_append_val (figure, value);
}

/* ---- fresh programs ---- */

/* Runs this program with a cache folder of its own; what it prints as JSON. */
static JsonNode *
run_program (Bench *self, const char *cache, const char *const *arguments,
    GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GSubprocess) process = NULL;
  const char *command = arguments[0];
  g_autofree char *text = NULL;

  g_ptr_array_add (argv, self->program);
  for (; *arguments; arguments++)
    g_ptr_array_add (argv, (gpointer) *arguments);
  g_ptr_array_add (argv, NULL);
  g_subprocess_launcher_setenv (
      launcher, "BITNET_TOKENIZER_CACHE", cache, TRUE);
  g_subprocess_launcher_unsetenv (launcher, "BITNET_COMPILED");
  process = g_subprocess_launcher_spawnv (
      launcher, (const char *const *) argv->pdata, error);
  if (process == NULL
      || !g_subprocess_communicate_utf8 (
          process, NULL, self->cancellable, &text, NULL, error))
    return NULL;
  if (!g_subprocess_get_successful (process)) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
        "\"bitnet %s\" failed, nothing was measured", command);
    return NULL;
  }
  return json_from_string (text, error);
}

static double
get_number (JsonNode *node, const char *member)
{
  JsonObject *object = json_node_get_object (node);

  return json_object_has_member (object, member)
             ? json_object_get_double_member (object, member)
             : 0;
}

/* Milliseconds that loading takes if nothing is looked for. */
static gboolean
load (Bench *self, const char *cache, GArray *figure, GError **error)
{
  g_autofree char *text = g_build_filename (self->folder, "text", NULL);
  const char *arguments[] = {"bench", "--tokenizer", "--json", "-r", "1", "-m",
      self->model, text, NULL};
  g_autoptr (JsonNode) node = NULL;

  if (!g_file_set_contents (text, "Hello", -1, error))
    return FALSE;
  node = run_program (self, cache, arguments, error);
  if (node == NULL)
    return FALSE;
  add (figure, get_number (node, "load_ms"));
  return TRUE;
}

/* Milliseconds of a resolution; figures may be NULL. */
static gboolean
resolve (Bench *self, const char *cache, GArray *figure, GArray *whole,
    GError **error)
{
  const char *arguments[] = {
      "resolve", "--json", "--stats", "-m", self->model, NULL};
  g_autoptr (JsonNode) node = run_program (self, cache, arguments, error);
  JsonObject *stats;

  if (node == NULL)
    return FALSE;
  if (figure != NULL) {
    double ms = get_number (node, "duration_ms");

    add (whole, ms);
    /* Without opening the file, which whoever runs the model does anyway. */
    add (figure, ms - get_number (node, "discovery_ms"));
  }
  if (self->strategy == NULL)
    self->strategy = g_strdup (json_object_get_string_member_with_default (
        json_node_get_object (node), "strategy", ""));
  stats = json_object_get_object_member (json_node_get_object (node), "stats");
  if (stats && json_object_has_member (stats, "network"))
    self->n_requests += (guint64) json_object_get_int_member_with_default (
        json_object_get_object_member (stats, "network"), "requests", 0);
  return TRUE;
}

static gboolean
infer (Bench *self, const char *cache, GArray *first, GArray *share,
    GError **error)
{
  const char *arguments[] = {"infer", "--json", "-n", "1", "--temperature", "0",
      "-p", "Hello", "-m", self->model, NULL};
  g_autoptr (JsonNode) node = run_program (self, cache, arguments, error);
  JsonObject *object, *tokenizer;
  double first_ms;

  if (node == NULL)
    return FALSE;
  object = json_node_get_object (node);
  tokenizer = json_object_has_member (object, "tokenizer")
                  ? json_object_get_object_member (object, "tokenizer")
                  : NULL;
  first_ms = get_number (node, "first_token_ms");
  if (tokenizer == NULL || first_ms <= 0) {
    g_set_error_literal (
        error, G_IO_ERROR, G_IO_ERROR_FAILED, "\"bitnet infer\" gave no token");
    return FALSE;
  }
  add (first, first_ms);
  add (share, PERCENT * json_object_get_double_member (tokenizer, "duration_ms")
                  / first_ms);
  return TRUE;
}

/* ---- measuring ---- */

static gboolean
measure_fresh (Bench *self, GError **error)
{
  for (guint i = 0; i < self->n_runs; i++) {
    g_autofree char *name = g_strdup_printf ("resolve-%u", i);
    g_autofree char *cache = g_build_filename (self->folder, name, NULL);
    g_autofree char *other = g_strconcat (cache, "-infer", NULL);
    g_autofree char *third = g_strconcat (cache, "-load", NULL);

    if (!load (self, third, self->load_cold, error)
        || !load (self, third, self->load_disk, error)
        || !resolve (self, cache, self->cold, self->whole_cold, error))
      return FALSE;
    g_usleep (SETTLE_US);
    if (!resolve (self, cache, NULL, NULL, error)
        || !resolve (self, cache, self->disk, self->whole_disk, error))
      return FALSE;
    if (self->has_weights
        && (!infer (self, other, self->first_cold, self->share_cold, error)
            || !infer (self, other, self->first_disk, self->share_disk, error)))
      return FALSE;
  }
  return TRUE;
}

static gboolean
measure_here (Bench *self, GError **error)
{
  g_autofree char *cache = g_build_filename (self->folder, "here", NULL);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) kept = NULL; /* what is remembered lives */
  g_autoptr (BitnetModel) model =
      bitnet_model_new_from_file (self->model, self->cancellable, error);

  if (model == NULL)
    return FALSE;
  self->has_weights = bitnet_model_get_n_parameters (model) > 0;
  g_object_set (resolver, "cache-dir", cache, NULL);
  for (guint i = 0; i <= self->n_runs; i++) {
    gint64 start = g_get_monotonic_time ();
    g_autoptr (BitnetDiscovery) discovery =
        bitnet_discovery_new_from_model (model);
    gint64 found = g_get_monotonic_time ();
    g_autoptr (BitnetTokenizer) tokenizer = bitnet_resolver_resolve (
        resolver, model, self->cancellable, NULL, error);

    if (tokenizer == NULL)
      return FALSE;
    g_set_object (&kept, tokenizer);
    if (i == 0)
      continue; /* not remembered yet */
    add (self->discovery, (double) (found - start) / US_PER_MS);
    add (self->memory, (double) (g_get_monotonic_time () - found) / US_PER_MS);
  }
  return TRUE;
}

/* The first one fills the cache; its requests do not count. */
static gboolean
count_requests (Bench *self, GError **error)
{
  g_autofree char *cache = g_build_filename (self->folder, "starts", NULL);

  for (guint i = 0; i <= self->n_starts; i++) {
    if (!resolve (self, cache, NULL, NULL, error))
      return FALSE;
    if (i == 0)
      self->n_requests = 0;
  }
  return TRUE;
}

/* ---- output ---- */

/* What looking for it adds to the time to the first token, percent. */
static double
get_overhead (
    const GArray *resolution, const GArray *loading, const GArray *first)
{
  double added = tool_get_median (resolution) - tool_get_median (loading);

  return PERCENT * MAX (added, 0) / tool_get_median (first);
}

static void
print_table (Bench *self)
{
  printf ("strategy %s\n\n", self->strategy);
  printf ("%-28s %10s %10s %10s\n", "", "median", "min", "max");
  for (gsize i = 0; i < G_N_ELEMENTS (figures); i++) {
    const GArray *values = *get_figure (self, i);

    if (values->len == 0)
      continue;
    printf ("%-28s %10.3f %10.3f %10.3f %s\n", figures[i].name,
        tool_get_median (values), tool_get_least (values),
        tool_get_most (values), figures[i].unit);
  }
  if (self->has_weights)
    printf ("\noverhead of the search until the first token: %.2f %% cold, "
            "%.2f %% cached\n",
        get_overhead (self->whole_cold, self->load_cold, self->first_cold),
        get_overhead (self->whole_disk, self->load_disk, self->first_disk));
  printf ("\n%" G_GUINT64_FORMAT " requests to the network in %u starts\n",
      self->n_requests, self->n_starts);
}

static void
print_json (Bench *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *path = g_filename_display_name (self->model);

  json_builder_begin_object (builder);
  tool_json_add_string (builder, "version", BITNET_VERSION);
  tool_json_add_string (builder, "model", path);
  tool_json_add_string (builder, "strategy", self->strategy);
  tool_json_add_int (builder, "runs", self->n_runs);
  for (gsize i = 0; i < G_N_ELEMENTS (figures); i++) {
    if ((*get_figure (self, i))->len == 0)
      continue;
    json_builder_set_member_name (builder, figures[i].key);
    json_builder_begin_object (builder);
    tool_json_add_rates (builder, *get_figure (self, i));
    json_builder_end_object (builder);
  }
  if (self->has_weights) {
    tool_json_add_double (builder, "overhead_cold_percent",
        get_overhead (self->whole_cold, self->load_cold, self->first_cold));
    tool_json_add_double (builder, "overhead_disk_percent",
        get_overhead (self->whole_disk, self->load_disk, self->first_disk));
  }
  tool_json_add_int (builder, "starts", self->n_starts);
  tool_json_add_int (builder, "requests", self->n_requests);
  json_builder_end_object (builder);
  tool_json_print (builder);
}

/* ---- the command line ---- */

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  const GOptionEntry entries[] = {
      {"tokenizer-discovery-overhead", 0, 0, G_OPTION_ARG_NONE,
          &options->discovery, "Measure what finding the tokenizer costs",
          NULL},
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model,
          "Model file; without it the demo model", "FILE"},
      {"runs", 'r', 0, G_OPTION_ARG_INT, &options->n_runs,
          "Runs of each kind [5]", "N"},
      {"starts", 0, 0, G_OPTION_ARG_INT, &options->n_starts,
          "Repeated starts whose requests are counted [100]", "N"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
          "Print one JSON object in place of a table", NULL},
      G_OPTION_ENTRY_NULL,
  };

  if (!tool_parse_options (argc, argv, entries, "",
          "Measures what finding the tokenizer of a model costs.",
          "Prints medians, least and most of the runs: loading the tokenizer "
          "of a named file and\nlooking for it, by a fresh program with an "
          "empty cache and with the one that is left;\nlooking for it again in "
          "one program; the time from the start of a pipeline to its\nfirst "
          "token, and the share of the search in it, which runs beside the "
          "loading of\nweights. The overhead is what looking for it takes "
          "longer than loading, as a part of\nthe time to the first token. At "
          "last how many requests repeated starts send, 0 unless\nsomething is "
          "wrong. A file without weights has no first token. The caches are in "
          "a\nfolder that is removed afterwards.\n\n"
          "Examples:\n"
          "  bitnet bench --tokenizer-discovery-overhead\n"
          "  bitnet bench --tokenizer-discovery-overhead -m model.gguf -r 11 "
          "--json\n"
          "  bitnet benchmark --tokenizer-discovery-overhead --starts 1000",
          status))
    return FALSE;
  *status = EXIT_USAGE;
  if (*argc > 1) {
    tool_fail_usage (COMMAND, "there is no argument \"%s\"", (*argv)[1]);
    return FALSE;
  }
  return tool_check_range (COMMAND, "runs", options->n_runs, 1, TOOL_MAX_RUNS)
         && tool_check_range (
             COMMAND, "starts", options->n_starts, 0, MAX_STARTS);
}

int
cmd_bench_discovery (int argc, char **argv)
{
  g_auto (Options)
      options = {.n_runs = TOOL_DEFAULT_RUNS, .n_starts = DEFAULT_STARTS};
  g_auto (Bench) bench = {0};
  g_autoptr (GError) error = NULL;
  int status;

  if (!parse (&options, &argc, &argv, &status))
    return status;
  bench.model =
      options.model ? g_strdup (options.model) : tool_default_model ();
  bench.n_runs = (guint) options.n_runs;
  bench.n_starts = (guint) options.n_starts;
  for (gsize i = 0; i < G_N_ELEMENTS (figures); i++)
    *get_figure (&bench, i) = g_array_new (FALSE, FALSE, sizeof (double));
  bench.whole_cold = g_array_new (FALSE, FALSE, sizeof (double));
  bench.whole_disk = g_array_new (FALSE, FALSE, sizeof (double));
  bench.cancellable = tool_watch_interrupt ();
  bench.program = g_file_read_link ("/proc/self/exe", &error);
  if (bench.program)
    bench.folder = g_dir_make_tmp ("bitnet-bench-XXXXXX", &error);
  if (bench.folder == NULL || !measure_here (&bench, &error)
      || !measure_fresh (&bench, &error) || !count_requests (&bench, &error))
    return tool_engine_fail (COMMAND, error);
  for (gsize i = 0; i < G_N_ELEMENTS (figures); i++)
    tool_sort_rates (*get_figure (&bench, i));
  tool_sort_rates (bench.whole_cold);
  tool_sort_rates (bench.whole_disk);
  if (options.json)
    print_json (&bench);
  else
    print_table (&bench);
  return tool_finish_output (COMMAND);
}
