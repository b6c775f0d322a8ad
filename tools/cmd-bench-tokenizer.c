/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet bench --tokenizer: how fast text becomes ids and ids become text.
 *
 * For every text, by one thread:
 *
 *     encode    bitnet_tokenizer_encode() of the whole text
 *     decode    bitnet_tokenizer_decode() of what came out
 *
 * and for every number of threads asked for:
 *
 *     batch     bitnet_tokenizer_encode_batch() of the text cut into pieces
 *
 * Only these calls are timed. The first run of each kind meets words that the
 * tokenizer does not remember yet; it is shown by itself. Megabytes are those
 * of the text, for decoding too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bitnet/bitnet.h>

#include "bitnet-tool.h"
#include "tool-bench.h"
#include "tool-engine.h"

#define COMMAND "bench"

#define US_PER_S 1e6
#define US_PER_MS 1e3
#define NS_PER_S 1e9
#define MEGA 1e6

enum {
  PIECE_SIZE = 16 * 1024, /* of a batch, at least; up to the end of a line */
  NAME_WIDTH = 16,
};

typedef struct {
  char *model;
  char *threads;
  int n_runs;
  gboolean json, tokenizer, cpu_time;
} Options;

typedef struct {
  char *name; /* as the table shows it */
  char *path;
  char *bytes;
  gsize size;
} Text;

/* The runs of one kind over one text. */
typedef struct {
  const Text *text;
  const char *test;
  guint n_threads;
  gsize n_tokens;
  double first;  /* MB/s of the first run */
  GArray *rates; /* of double: MB/s of the others, sorted */
} Row;

typedef struct {
  BitnetTokenizer *tokenizer;
  GCancellable *cancellable;
  char *path; /* of the tokenizer */
  GPtrArray *texts;
  GArray *threads; /* of guint; NULL: no batches */
  GPtrArray *rows;
  guint n_runs;
  gboolean json, cpu_time;
  double load_ms;
  guint64 load_memory;
} Bench;

/* What is called again and again, and what it makes. */
typedef struct {
  const Text *text;
  guint n_threads;
  GPtrArray *pieces; /* of const char *, into the text */
  GArray *lengths;   /* of gssize */
  guint32 *tokens;
  gsize n_tokens;
  gsize *counts;
  char *decoded;
} Job;

typedef gboolean (*JobFunc) (const Bench *bench, Job *job, GError **error);

static void
options_clear (Options *self)
{
  g_clear_pointer (&self->model, g_free);
  g_clear_pointer (&self->threads, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static void
text_free (gpointer data)
{
  Text *text = data;

  g_free (text->name);
  g_free (text->path);
  g_free (text->bytes);
  g_free (text);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Text, text_free)

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
  g_clear_object (&self->tokenizer);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->texts, g_ptr_array_unref);
  g_clear_pointer (&self->threads, g_array_unref);
  g_clear_pointer (&self->rows, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

static void
job_clear_results (Job *self)
{
  g_clear_pointer (&self->tokens, g_free);
  g_clear_pointer (&self->counts, g_free);
  g_clear_pointer (&self->decoded, g_free);
}

static void
job_clear (Job *self)
{
  job_clear_results (self);
  g_clear_pointer (&self->pieces, g_ptr_array_unref);
  g_clear_pointer (&self->lengths, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Job, job_clear)

/* ---- the table, line by line as it is measured ---- */

static double
get_token_rate (const Row *row)
{
  return row->text->size == 0
             ? 0
             : tool_get_median (row->rates) * MEGA * (double) row->n_tokens
                   / (double) row->text->size;
}

static void
print_head (const Bench *self)
{
  g_autofree char *base = g_path_get_basename (self->path);
  g_autofree char *name = tool_make_printable (base);

  printf ("tokenizer %s, %s, %s, %u tokens\n\n", name,
      bitnet_tokenizer_get_algorithm (self->tokenizer),
      bitnet_tokenizer_get_pre (self->tokenizer),
      bitnet_tokenizer_get_vocab_size (self->tokenizer));
  printf ("%-*s %9s  %-6s %7s %9s %9s %9s %9s\n", NAME_WIDTH, "text", "size",
      "test", "threads", "median", "min", "max", "first");
  fflush (stdout);
}

static void
print_row (const Row *row)
{
  printf (
      "%-*s %6.2f MB  %-6s %7u %9.2f %9.2f %9.2f %9.2f MB/s %11.0f tokens/s\n",
      NAME_WIDTH, row->text->name, row->text->size / MEGA, row->test,
      row->n_threads, tool_get_median (row->rates), tool_get_least (row->rates),
      tool_get_most (row->rates), row->first, get_token_rate (row));
  fflush (stdout);
}

static void
print_foot (const Bench *self)
{
  printf ("\nload    %.1f ms\n", self->load_ms);
  printf ("memory  %.1f MB after loading, %.1f MB at most\n",
      self->load_memory / MEGA, tool_get_peak_memory () / MEGA);
}

/* ---- measuring ---- */

static gboolean
encode (const Bench *self, Job *job, GError **error)
{
  job->tokens = bitnet_tokenizer_encode (self->tokenizer, job->text->bytes,
      (gssize) job->text->size, BITNET_ENCODE_NONE, &job->n_tokens, error);
  return job->tokens != NULL;
}

static gboolean
encode_batch (const Bench *self, Job *job, GError **error)
{
  job->tokens = bitnet_tokenizer_encode_batch (self->tokenizer,
      (const char *const *) job->pieces->pdata,
      (const gssize *) (gpointer) job->lengths->data, job->pieces->len,
      BITNET_ENCODE_NONE, job->n_threads, &job->counts, &job->n_tokens,
      self->cancellable, error);
  return job->tokens != NULL;
}

static gboolean
decode (const Bench *self, Job *job, GError **error)
{
  g_clear_pointer (&job->decoded, g_free);
  job->decoded = bitnet_tokenizer_decode (self->tokenizer, job->tokens,
      job->n_tokens, BITNET_DECODE_NONE, NULL, error);
  return job->decoded != NULL;
}

/* What a run is measured with, seconds. */
static double
get_time (const Bench *self)
{
  struct timespec now;

  if (!self->cpu_time)
    return (double) g_get_monotonic_time () / US_PER_S;
  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double) now.tv_sec + (double) now.tv_nsec / NS_PER_S;
}

/* Megabytes a second; a text can be too short to measure. */
static double
make_rate (const Text *text, double seconds)
{
  return text->size / MEGA / MAX (seconds, 1 / US_PER_S);
}

/* All runs of one kind; the results of the last one stay in job. */
static gboolean
measure (Bench *self, const char *test, JobFunc func, Job *job, GError **error)
{
  Row *row = g_new0 (Row, 1);

  *row = (Row){.text = job->text,
      .test = test,
      .n_threads = job->n_threads,
      .rates = g_array_new (FALSE, FALSE, sizeof (double))};
  g_ptr_array_add (self->rows, row);
  for (guint i = 0; i <= self->n_runs; i++) {
    double started, rate;

    if (g_cancellable_set_error_if_cancelled (self->cancellable, error))
      return FALSE;
    if (func != decode)
      job_clear_results (job);
    started = get_time (self);
    if (!func (self, job, error))
      return FALSE;
    rate = make_rate (job->text, get_time (self) - started);
    if (i > 0)
      g_array_append_val (row->rates, rate);
    else
      row->first = rate;
  }
  row->n_tokens = job->n_tokens;
  tool_sort_rates (row->rates);
  if (!self->json)
    print_row (row);
  return TRUE;
}

/* Cuts the text at the ends of lines. */
static void
cut_text (Job *job)
{
  const char *end = job->text->bytes + job->text->size;

  job->pieces = g_ptr_array_new ();
  job->lengths = g_array_new (FALSE, FALSE, sizeof (gssize));
  for (const char *p = job->text->bytes; p < end;) {
    const char *newline = end - p > PIECE_SIZE ? memchr (p + PIECE_SIZE, '\n',
                              (gsize) (end - p) - PIECE_SIZE)
                                               : NULL;
    gssize length = (newline ? newline + 1 : end) - p;

    g_ptr_array_add (job->pieces, (gpointer) p);
    g_array_append_val (job->lengths, length);
    p += length;
  }
}

static gboolean
measure_text (Bench *self, const Text *text, GError **error)
{
  g_auto (Job) job = {.text = text, .n_threads = 1};

  if (!measure (self, "encode", encode, &job, error)
      || !measure (self, "decode", decode, &job, error))
    return FALSE;
  if (self->threads == NULL)
    return TRUE;
  cut_text (&job);
  for (guint i = 0; i < self->threads->len; i++) {
    job.n_threads = g_array_index (self->threads, guint, i);
    if (!measure (self, "batch", encode_batch, &job, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- JSON ---- */

static void
add_row (JsonBuilder *builder, const Row *row)
{
  g_autofree char *path = g_filename_display_name (row->text->path);

  json_builder_begin_object (builder);
  tool_json_add_string (builder, "text", path);
  tool_json_add_int (builder, "size", row->text->size);
  tool_json_add_int (builder, "tokens", row->n_tokens);
  tool_json_add_string (builder, "test", row->test);
  tool_json_add_int (builder, "threads", row->n_threads);
  tool_json_add_rates (builder, row->rates);
  tool_json_add_double (builder, "first", row->first);
  tool_json_add_double (builder, "tokens_per_s", get_token_rate (row));
  json_builder_end_object (builder);
}

static void
print_json (const Bench *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *path = g_filename_display_name (self->path);

  json_builder_begin_object (builder);
  tool_json_add_string (builder, "version", BITNET_VERSION);
  json_builder_set_member_name (builder, "tokenizer");
  json_builder_begin_object (builder);
  tool_json_add_string (builder, "path", path);
  tool_json_add_string (
      builder, "algorithm", bitnet_tokenizer_get_algorithm (self->tokenizer));
  tool_json_add_string (
      builder, "pre", bitnet_tokenizer_get_pre (self->tokenizer));
  tool_json_add_int (
      builder, "vocab_size", bitnet_tokenizer_get_vocab_size (self->tokenizer));
  json_builder_end_object (builder);
  tool_json_add_int (builder, "runs", self->n_runs);
  tool_json_add_double (builder, "load_ms", self->load_ms);
  tool_json_add_int (builder, "load_memory", self->load_memory);
  tool_json_add_int (builder, "peak_memory", tool_get_peak_memory ());
  tool_json_add_string (builder, "unit", "MB/s");
  json_builder_set_member_name (builder, "results");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->rows->len; i++)
    add_row (builder, self->rows->pdata[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  tool_json_print (builder);
}

/* ---- the command line ---- */

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  const GOptionEntry entries[] = {
      {"tokenizer", 0, 0, G_OPTION_ARG_NONE, &options->tokenizer,
          "Measure the tokenizer", NULL},
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model,
          "Where the tokenizer comes from: a GGUF file, tokenizer.json, "
          "tokenizer.model, a folder, …; without it the demo model",
          "FILE"},
      {"threads", 't', 0, G_OPTION_ARG_STRING, &options->threads,
          "Measure batches too, with these numbers of threads", "N,N"},
      {"runs", 'r', 0, G_OPTION_ARG_INT, &options->n_runs,
          "Runs of each test, after a first one [5]", "N"},
      {"cpu-time", 0, 0, G_OPTION_ARG_NONE, &options->cpu_time,
          "Time what the processor works, not the clock: for machines that do "
          "other work, too",
          NULL},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
          "Print one JSON object in place of a table", NULL},
      {NULL},
  };

  if (!tool_parse_options (argc, argv, entries, "TEXT…",
          "Measures how fast a tokenizer encodes and decodes text files.",
          "Prints megabytes of text per second: median, least and most of the "
          "runs, and the\nfirst one, which does not count among them; then "
          "tokens per second. Encode and\ndecode are of a whole text by one "
          "thread, batch is of a text cut into pieces of\n16 KiB. At last how "
          "long the tokenizer took to load and the peak memory of the\n"
          "program.\n\n"
          "Examples:\n"
          "  bitnet bench --tokenizer -m model.gguf english.txt code.c\n"
          "  bitnet bench --tokenizer -m tokenizer.json -t 1,2,4 english.txt\n"
          "  bitnet bench --tokenizer -m model.gguf -r 11 --json english.txt",
          status))
    return FALSE;
  *status = EXIT_USAGE;
  if (*argc < 2) {
    tool_fail_usage (COMMAND, "--tokenizer needs a text file");
    return FALSE;
  }
  return tool_check_range (COMMAND, "runs", options->n_runs, 1, TOOL_MAX_RUNS);
}

static Text *
read_text (const char *path, GError **error)
{
  g_autoptr (Text) text = g_new0 (Text, 1);
  g_autofree char *base = g_path_get_basename (path);

  text->path = g_strdup (path);
  text->name = tool_make_printable (base);
  if (!g_file_get_contents (path, &text->bytes, &text->size, error))
    return NULL;
  return g_steal_pointer (&text);
}

static gboolean
load (Bench *self, GError **error)
{
  gint64 started_us = g_get_monotonic_time ();

  self->tokenizer = bitnet_tokenizer_new_from_file (
      self->path, BITNET_FIDELITY_AUTO, self->cancellable, error);
  self->load_ms = (double) (g_get_monotonic_time () - started_us) / US_PER_MS;
  self->load_memory = tool_get_peak_memory ();
  return self->tokenizer != NULL;
}

static gboolean
run (Bench *self, char **paths, GError **error)
{
  if (!load (self, error))
    return FALSE;
  for (char **path = paths; *path; path++) {
    Text *text = read_text (*path, error);

    if (text == NULL)
      return FALSE;
    g_ptr_array_add (self->texts, text);
  }
  if (!self->json)
    print_head (self);
  for (guint i = 0; i < self->texts->len; i++) {
    const Text *text = self->texts->pdata[i];

    if (!measure_text (self, text, error)) {
      g_prefix_error (error, "%s: ", text->name);
      return FALSE;
    }
  }
  return TRUE;
}

int
cmd_bench_tokenizer (int argc, char **argv)
{
  g_auto (Options) options = {.n_runs = TOOL_DEFAULT_RUNS};
  g_auto (Bench) bench = {0};
  g_autoptr (GError) error = NULL;
  int status;

  if (!parse (&options, &argc, &argv, &status))
    return status;
  if (options.threads) {
    bench.threads = tool_parse_numbers (
        COMMAND, "threads", options.threads, TOOL_MAX_THREADS);
    if (bench.threads == NULL)
      return EXIT_USAGE;
  }
  bench.path = options.model ? g_strdup (options.model) : tool_default_model ();
  bench.n_runs = (guint) options.n_runs;
  bench.json = options.json;
  bench.cpu_time = options.cpu_time;
  bench.texts = g_ptr_array_new_with_free_func (text_free);
  bench.rows = g_ptr_array_new_with_free_func (row_free);
  bench.cancellable = tool_watch_interrupt ();
  if (!run (&bench, argv + 1, &error))
    return tool_engine_fail (COMMAND, error);
  if (bench.json)
    print_json (&bench);
  else
    print_foot (&bench);
  return tool_finish_output (COMMAND);
}
