/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet logits and bitnet bench, as their user meets them. */
#define _GNU_SOURCE /* posix_openpt */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bitnet.h"
#include "test-spawn.h"

/* ---- logits ---- */

static guint
get_demo_vocab (void)
{
  g_autofree char *path =
      g_build_filename (g_getenv ("BITNET_DATA_DIR"), "demo.gguf", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetModel) model =
      bitnet_model_new_from_file (path, NULL, &error);

  g_assert_no_error (error);
  return bitnet_model_get_vocab_size (model);
}

/* The file, for any number of threads, and what the library computes. */
static void
test_logits (void)
{
  g_autofree char *folder = g_dir_make_tmp ("bitnet-logits-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "rows.f32", NULL);
  g_autofree char *first = NULL;
  guint n_vocab = get_demo_vocab ();

  for (guint n_threads = 1; n_threads <= 3; n_threads++) {
    g_autofree char *line = g_strdup_printf (
        "logits --tokens 1,2,3,,%u -t %u -o %s", n_vocab - 1, n_threads, path);
    g_auto (TestOutcome) outcome = test_spawn_line (line);
    g_autofree char *rows = NULL;
    gsize size;

    g_assert_cmpstr (outcome.err, ==, "");
    g_assert_cmpstr (outcome.out, ==, "");
    g_assert_cmpint (outcome.status, ==, 0);
    g_assert_true (g_file_get_contents (path, &rows, &size, NULL));
    g_assert_cmpuint (size, ==, 4 * n_vocab * sizeof (float));
    if (first == NULL)
      first = g_steal_pointer (&rows);
    else
      g_assert_cmpint (memcmp (rows, first, size), ==, 0);
  }
  g_unlink (path);
  g_rmdir (folder);
}

/* A device is written to, not replaced. */
static void
test_logits_device (void)
{
  g_auto (TestOutcome) outcome =
      test_spawn_line ("logits --tokens 1 -o /dev/null");

  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_false (g_file_test ("/dev/null", G_FILE_TEST_IS_REGULAR));
}

static GSubprocess *
launch (int stdout_fd, const char *const *arguments)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDERR_PIPE
      | (stdout_fd < 0 ? G_SUBPROCESS_FLAGS_STDOUT_PIPE
                       : G_SUBPROCESS_FLAGS_NONE));
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  if (stdout_fd >= 0)
    g_subprocess_launcher_take_stdout_fd (launcher, stdout_fd);
  g_ptr_array_add (argv, (gpointer) g_getenv ("BITNET_TOOL"));
  while (*arguments)
    g_ptr_array_add (argv, (gpointer) *arguments++);
  g_ptr_array_add (argv, NULL);
  GSubprocess *process = g_subprocess_launcher_spawnv (
      launcher, (const char *const *) argv->pdata, &error);
  g_assert_no_error (error);
  return process;
}

static void
test_logits_terminal (void)
{
  const char *arguments[] = {"logits", "--tokens", "1", NULL};
  int master = posix_openpt (O_RDWR | O_NOCTTY);
  g_autofree char *message = NULL;

  if (master < 0 || grantpt (master) != 0 || unlockpt (master) != 0) {
    g_test_skip ("there are no terminals here");
    return;
  }
  int terminal = open (ptsname (master), O_RDWR | O_NOCTTY);
  g_assert_cmpint (terminal, >=, 0);
  g_autoptr (GSubprocess) process = launch (terminal, arguments);
  g_assert_true (g_subprocess_communicate_utf8 (
      process, NULL, NULL, NULL, &message, NULL));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 2);
  g_assert_nonnull (strstr (message, "-o"));
  close (master);
}

/* ---- wrong command lines and failures ---- */

static const struct {
  const char *line;
  int status;
  const char *message; /* part of stderr */
} failures[] = {
    {"logits", 2, "--tokens is missing"},
    {"logits --tokens ,", 2, "--tokens is empty"},
    {"logits --tokens 1,x", 2, "\"x\""},
    {"logits --tokens -1", 2, "\"-1\""},
    {"logits --tokens 4294967296", 2, "\"4294967296\""},
    {"logits --tokens 1 more", 2, "\"more\""},
    {"logits --tokens 1 -t -1", 2, "--threads is -1"},
    {"logits --tokens 1 --repack maybe", 2, "auto, never, always"},
    {"bench --cache-type q4", 2, "f16, q8_0"},
    {"logits --tokens 1 --head q4", 2, "auto, file, q8_0, q6_k, screened"},
    {"logits --tokens 1 -m /nonexistent.gguf", 1, "/nonexistent.gguf"},
    {"logits --tokens 4294967295", 1, "token 0 of the prompt is 4294967295"},
    {"logits --tokens 1 --device cuda:1", 1, "cuda:1"},
    {"logits --tokens 1 --device tpu", 1, "tpu"},
    {"logits --tokens 1 -o /nonexistent/rows", 1, "/nonexistent/rows"},
    {"bench -r 0", 2, "--runs is 0"},
    {"bench -p -1", 2, "--prompt is -1"},
    {"bench --drafts 17", 2, "--drafts is 17"},
    {"bench -p 0 -n 0", 2, "are both 0"},
    {"bench -t 1,0", 2, "\"0\""},
    {"bench -t x", 2, "\"x\""},
    {"bench -S 1,0", 2, "--sequences has \"0\""},
    {"bench -S 257", 2, "\"257\""},
    {"bench more", 2, "\"more\""},
    {"bench --i2s-layout z", 2, "a, b, c"},
    {"bench -m /nonexistent.gguf", 1, "/nonexistent.gguf"},
    {"bench --device cuda", 1, "cuda"},
    {"bench --layers -r 0", 2, "--runs is 0"},
    {"bench --layers -t 1,x", 2, "\"x\""},
    {"bench --layers -S 0", 2, "--sequences has \"0\""},
    {"bench --ceilings -r 0", 2, "--runs is 0"},
    {"bench --ceilings -t 1,x", 2, "\"x\""},
    {"bench --ceilings -p -1", 2, "--prompt is -1"},
    {"bench --ceilings -p 0 -n 0", 2, "both 0"},
    {"bench --ceilings more", 2, "\"more\""},
    {"bench --ceilings --device cuda", 2, "\"cuda\""},
    {"bench --ceilings --head q4", 2, "auto, file, q8_0, q6_k, screened"},
    {"bench --ceilings -m /nonexistent.gguf", 1, "/nonexistent.gguf"},
    {"bench --draft-gain -r 0", 2, "--runs is 0"},
    {"bench --draft-gain --drafts 17", 2, "--drafts is 17"},
    {"bench --draft-gain -p 0", 2, "--prompt is 0"},
    {"bench --draft-gain more", 2, "\"more\""},
    {"bench --draft-gain --text /nonexistent.txt", 1, "/nonexistent.txt"},
    {"bench --draft-gain --temperature -1", 1, "temperature"},
    {"bench --pipeline -n 0", 2, "--generate is 0"},
    {"bench --pipeline more", 2, "\"more\""},
    {"bench --pipeline -m /nonexistent.gguf", 1, "/nonexistent.gguf"},
    {"bench --layers more", 2, "\"more\""},
    {"bench --layers -m /nonexistent.gguf", 1, "/nonexistent.gguf"},
    {"bench --tokenizer", 2, "needs a text file"},
    {"bench --tokenizer -r 0 /dev/null", 2, "--runs is 0"},
    {"bench --tokenizer -t 0 /dev/null", 2, "\"0\""},
    {"bench --tokenizer -m /nonexistent.gguf /dev/null", 1,
        "/nonexistent.gguf"},
    {"bench --tokenizer /nonexistent.txt", 1, "/nonexistent.txt"},
};

static void
test_failures (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_auto (TestOutcome) outcome = test_spawn_line (failures[i].line);

    g_test_message ("%s: %s", failures[i].line, outcome.err);
    g_assert_cmpstr (outcome.out, ==, "");
    g_assert_nonnull (strstr (outcome.err, failures[i].message));
    g_assert_cmpint (outcome.status, ==, failures[i].status);
  }
}

static void
test_help (void)
{
  static const char *const commands[] = {"logits", "bench", "bench --tokenizer",
      "bench --layers", "bench --ceilings", "bench --draft-gain",
      "bench --pipeline"};

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++) {
    g_autofree char *line = g_strdup_printf ("%s --help", commands[i]);
    g_auto (TestOutcome) outcome = test_spawn_line (line);

    g_assert_cmpint (outcome.status, ==, 0);
    g_assert_nonnull (strstr (outcome.out, "Examples:"));
  }
}

/* ---- bench ---- */

static void
test_table (void)
{
  static const char *const starts[] = {"model   ", "kernels ", "", "test ",
      "pp20 ", "tg5 ", "pp20 ", "tg5 ", "", "load  ", "memory  ", "weights ",
      ""};
  g_auto (TestOutcome) outcome =
      test_spawn_line ("bench -p 20 -n 5 -t 1,2 -r 2");
  g_auto (GStrv) lines = g_strsplit (outcome.out, "\n", -1);

  g_assert_cmpstr (outcome.err, ==, "");
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_cmpuint (g_strv_length (lines), ==, G_N_ELEMENTS (starts));
  for (gsize i = 0; i < G_N_ELEMENTS (starts); i++)
    g_assert_true (g_str_has_prefix (lines[i], starts[i]));
}

static void
check_results (JsonArray *results)
{
  static const struct {
    const char *test;
    int threads;
  } expected[] = {{"pp33", 1}, {"tg4", 1}, {"pp33", 2}, {"tg4", 2}};

  g_assert_cmpuint (
      json_array_get_length (results), ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    JsonObject *row = json_array_get_object_element (results, i);
    double min = json_object_get_double_member (row, "min");
    double median = json_object_get_double_member (row, "median");
    double max = json_object_get_double_member (row, "max");

    g_assert_cmpstr (
        json_object_get_string_member (row, "test"), ==, expected[i].test);
    g_assert_cmpint (
        json_object_get_int_member (row, "threads"), ==, expected[i].threads);
    g_assert_cmpfloat (0, <, min);
    g_assert_cmpfloat (min, <=, median);
    g_assert_cmpfloat (median, <=, max);
  }
}

static void
test_json (void)
{
  g_auto (TestOutcome) outcome =
      test_spawn_line ("bench -p 33 -n 4 -t 1,2 -r 3 --json");
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (outcome.status, ==, 0);
  json_parser_load_from_data (parser, outcome.out, -1, &error);
  g_assert_no_error (error);
  JsonObject *root = json_node_get_object (json_parser_get_root (parser));
  JsonObject *model = json_object_get_object_member (root, "model");
  g_assert_cmpstr (json_object_get_string_member (model, "architecture"), ==,
      "bitnet-b1.58");
  g_assert_cmpstr (json_object_get_string_member (model, "type"), ==, "I2_S");
  g_assert_cmpfloat (json_object_get_double_member (root, "load_ms"), >, 0);
  g_assert_cmpint (
      json_object_get_int_member (root, "peak_memory"), >, 1 << 20);
  g_assert_cmpint (json_object_get_int_member (root, "bytes_per_token"), >, 0);
  g_assert_cmpint (json_object_get_int_member (root, "runs"), ==, 3);
  check_results (json_object_get_array_member (root, "results"));
}

/* One kind alone. */
static void
test_one_kind (void)
{
  g_auto (TestOutcome) prompt = test_spawn_line ("bench -p 9 -n 0 -t 1 -r 1");
  g_auto (TestOutcome) answer = test_spawn_line ("bench -p 0 -n 9 -t 1 -r 1");

  g_assert_nonnull (strstr (prompt.out, "pp9"));
  g_assert_null (strstr (prompt.out, "\ntg"));
  g_assert_nonnull (strstr (answer.out, "tg9"));
  g_assert_null (strstr (answer.out, "\npp"));
}

/* Several at once, whose names say how many. */
static void
test_sequences (void)
{
  g_auto (TestOutcome) outcome =
      test_spawn_line ("bench -p 0 -n 9 -t 1 -r 1 -S 1,3,20");

  g_assert_cmpstr (outcome.err, ==, "");
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_nonnull (strstr (outcome.out, "\ntg9 "));
  g_assert_nonnull (strstr (outcome.out, "\ntg9x3 "));
  g_assert_nonnull (strstr (outcome.out, "\ntg9x20 "));
}

/* ---- bench --layers ---- */

static void
test_layers (void)
{
  static const char *const tests[] = {
      "pp20", "tg5", "tg5x3", "pp20", "tg5", "tg5x3"};
  static const char *const parts[] = {"embed", "qkv", "store", "attention",
      "output", "gate-up", "down", "head"};
  g_auto (TestOutcome) outcome =
      test_spawn_line ("bench --layers -p 20 -n 5 -t 1,2 -S 1,3 -r 3 --json");
  g_auto (TestOutcome) table =
      test_spawn_line ("bench --layers -p 20 -n 0 -t 1 -r 1");
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (outcome.status, ==, 0);
  json_parser_load_from_data (parser, outcome.out, -1, &error);
  g_assert_no_error (error);
  JsonObject *root = json_node_get_object (json_parser_get_root (parser));
  JsonArray *results = json_object_get_array_member (root, "results");
  g_assert_cmpuint (json_array_get_length (results), ==, G_N_ELEMENTS (tests));
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++) {
    JsonObject *row = json_array_get_object_element (results, i);

    g_assert_cmpstr (json_object_get_string_member (row, "test"), ==, tests[i]);
    g_assert_cmpint (
        json_object_get_int_member (row, "threads"), ==, i < 3 ? 1 : 2);
    for (gsize k = 0; k < G_N_ELEMENTS (parts); k++)
      g_assert_cmpfloat (json_object_get_double_member (row, parts[k]), >, 0);
  }
  g_assert_cmpint (table.status, ==, 0);
  g_assert_true (g_str_has_prefix (table.out, "pp20 "));
  g_assert_nonnull (strstr (table.out, "\ngate-up "));
  g_assert_nonnull (strstr (table.out, "\ntogether "));
  g_assert_null (strstr (table.out, "tg"));
}

/* ---- bench --ceilings ---- */

static void
test_ceilings_table (void)
{
  static const char *const starts[] = {
      "test ", "pp20 ", "tg5 ", "pp20 ", "tg5 ", ""};
  g_auto (TestOutcome) outcome =
      test_spawn_line ("bench --ceilings -p 20 -n 5 -t 1,2 -r 2");
  g_auto (GStrv) lines = g_strsplit (outcome.out, "\n", -1);

  g_assert_cmpstr (outcome.err, ==, "");
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_cmpuint (g_strv_length (lines), ==, G_N_ELEMENTS (starts));
  for (gsize i = 0; i < G_N_ELEMENTS (starts); i++)
    g_assert_true (g_str_has_prefix (lines[i], starts[i]));
  g_assert_nonnull (strstr (lines[1], " GMAC/s "));
  g_assert_nonnull (strstr (lines[2], " GB/s "));
}

/* Its members; not every processor has a ceiling of products. */
static void
check_share (JsonObject *row, const char *test, int n_threads, const char *unit)
{
  static const char *const figures[] = {
      "rate", "ceiling", "lower_quartile", "share", "upper_quartile"};

  g_assert_cmpstr (json_object_get_string_member (row, "test"), ==, test);
  g_assert_cmpint (json_object_get_int_member (row, "threads"), ==, n_threads);
  g_assert_cmpstr (json_object_get_string_member (row, "unit"), ==, unit);
  g_assert_cmpfloat (json_object_get_double_member (row, "median"), >, 0);
  if (!json_object_has_member (row, "share")) {
    g_assert_cmpstr (unit, ==, "GMAC/s");
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (figures); i++)
    g_assert_cmpfloat (json_object_get_double_member (row, figures[i]), >, 0);
  for (gsize i = 3; i < G_N_ELEMENTS (figures); i++)
    g_assert_cmpfloat (json_object_get_double_member (row, figures[i - 1]), <=,
        json_object_get_double_member (row, figures[i]));
}

static void
test_ceilings_json (void)
{
  static const struct {
    const char *test;
    int n_threads;
    const char *unit;
  } rows[] = {{"pp33", 1, "GMAC/s"}, {"tg4", 1, "GB/s"}, {"pp33", 2, "GMAC/s"},
      {"tg4", 2, "GB/s"}};
  g_auto (TestOutcome) outcome =
      test_spawn_line ("bench --ceilings -p 33 -n 4 -t 1,2 -r 3 --json");
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (outcome.status, ==, 0);
  json_parser_load_from_data (parser, outcome.out, -1, &error);
  g_assert_no_error (error);
  JsonObject *root = json_node_get_object (json_parser_get_root (parser));
  JsonArray *results = json_object_get_array_member (root, "results");
  g_assert_cmpint (json_object_get_int_member (root, "runs"), ==, 3);
  g_assert_cmpuint (json_array_get_length (results), ==, G_N_ELEMENTS (rows));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    check_share (json_array_get_object_element (results, i), rows[i].test,
        rows[i].n_threads, rows[i].unit);
}

/* Nothing bounds the products of floats. */
static void
test_ceilings_floats (void)
{
  g_autofree char *folder = g_dir_make_tmp ("bitnet-bench-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "model.gguf", NULL);
  g_autofree char *synth =
      g_strdup_printf ("synth --preset tiny --type F32 -o %s", path);
  g_autofree char *line =
      g_strdup_printf ("bench --ceilings -m %s -p 9 -n 0 -t 1 -r 1", path);
  g_auto (TestOutcome) made = test_spawn_line (synth);
  g_auto (TestOutcome) table = test_spawn_line (line);
  g_auto (GStrv) lines = g_strsplit (table.out, "\n", -1);

  g_assert_cmpint (made.status, ==, 0);
  g_assert_cmpint (table.status, ==, 0);
  g_assert_true (g_str_has_prefix (lines[1], "pp9 "));
  g_assert_true (g_str_has_suffix (lines[1], " -"));
  g_unlink (path);
  g_rmdir (folder);
}

/* ---- bench --draft-gain and --pipeline: two ways ---- */

/* Answers are longer than the queue of a sequence, or a slow machine would take
 * them at once, in no time. */

/* The object that a line prints, once its figures were checked; owned by
 * parser. */
static JsonObject *
read_pairs (JsonParser *parser, const char *line, const char *test,
    const char *first, const char *second)
{
  const char *const ways[] = {first, second};
  g_auto (TestOutcome) outcome = test_spawn_line (line);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (outcome.err, ==, "");
  g_assert_cmpint (outcome.status, ==, 0);
  json_parser_load_from_data (parser, outcome.out, -1, &error);
  g_assert_no_error (error);
  JsonObject *root = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpstr (json_object_get_string_member (root, "test"), ==, test);
  g_assert_cmpint (json_object_get_int_member (root, "threads"), ==, 2);
  g_assert_cmpfloat (json_object_get_double_member (root, "median"), >, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (ways); i++) {
    JsonObject *rates = json_object_get_object_member (root, ways[i]);

    g_assert_cmpfloat (json_object_get_double_member (rates, "min"), >, 0);
    g_assert_cmpfloat (json_object_get_double_member (rates, "min"), <=,
        json_object_get_double_member (rates, "median"));
  }
  return root;
}

static void
test_draft_gain (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *folder = g_dir_make_tmp ("bitnet-bench-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "text", NULL);
  g_autofree char *line =
      g_strdup_printf ("bench --draft-gain --text %s -n 30 -t 2 -r 1", path);
  JsonObject *root = read_pairs (parser,
      "bench --draft-gain --repeat -p 4 -n 200 -t 2 -r 2 --json", "tg200",
      "plain", "drafts");

  /* Four tokens cannot but repeat. */
  g_assert_cmpint (json_object_get_int_member (root, "drafted_tokens"), >, 0);
  g_assert_cmpint (json_object_get_int_member (root, "accepted_tokens"), >, 0);
  read_pairs (parser,
      "bench --draft-gain --temperature 1 -n 200 -t 2 -r 3 --json", "tg200",
      "plain", "drafts");
  g_assert_true (g_file_set_contents (path, "one two one two", -1, NULL));
  g_auto (TestOutcome) table = test_spawn_line (line);
  g_assert_cmpint (table.status, ==, 0);
  g_assert_nonnull (strstr (table.out, " drafts "));
  g_assert_nonnull (strstr (table.out, " ratio "));
  g_assert_nonnull (strstr (table.out, "\nguesses "));
  g_unlink (path);
  g_rmdir (folder);
}

static void
test_pipeline (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_auto (TestOutcome) table =
      test_spawn_line ("bench --pipeline -n 9 -t 1 -r 1");

  read_pairs (parser, "bench --pipeline -n 200 -t 2 -r 3 --json", "tg200",
      "engine", "pipeline");
  g_assert_cmpint (table.status, ==, 0);
  g_assert_nonnull (strstr (table.out, " pipeline "));
  g_assert_nonnull (strstr (table.out, " ratio "));
}

/* ---- bench --tokenizer ---- */

/* A row for each test, with megabytes and tokens per second. */
static void
test_tokenizer_table (void)
{
  static const char *const starts[] = {"tokenizer demo.gguf, ", "", "text ",
      "a.txt ", "a.txt ", "a.txt ", "a.txt ", "b.txt ", "b.txt ", "b.txt ",
      "b.txt ", "", "load  ", "memory  ", ""};
  g_autofree char *folder = g_dir_make_tmp ("bitnet-bench-XXXXXX", NULL);
  g_autofree char *a = g_build_filename (folder, "a.txt", NULL);
  g_autofree char *b = g_build_filename (folder, "b.txt", NULL);
  g_autofree char *line =
      g_strdup_printf ("bench --tokenizer %s %s --threads 1,2 -r 2", a, b);
  g_assert_true (g_file_set_contents (a, "Once upon a time", -1, NULL));
  g_assert_true (g_file_set_contents (b, "", 0, NULL));
  g_auto (TestOutcome) outcome = test_spawn_line (line);
  g_auto (GStrv) lines = g_strsplit (outcome.out, "\n", -1);

  g_assert_cmpstr (outcome.err, ==, "");
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_cmpuint (g_strv_length (lines), ==, G_N_ELEMENTS (starts));
  for (gsize i = 0; i < G_N_ELEMENTS (starts); i++) {
    g_assert_true (g_str_has_prefix (lines[i], starts[i]));
    if (strstr (starts[i], ".txt"))
      g_assert_true (strstr (lines[i], " MB/s ")
                     && g_str_has_suffix (lines[i], " tokens/s"));
  }
  g_unlink (a);
  g_unlink (b);
  g_rmdir (folder);
}

static void
test_tokenizer_json (void)
{
  static const char *const tests[] = {"encode", "decode", "batch"};
  g_autofree char *folder = g_dir_make_tmp ("bitnet-bench-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "text", NULL);
  g_autofree char *line =
      g_strdup_printf ("bench --tokenizer %s -t 2 -r 3 --json", path);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, "Once upon a time", -1, NULL));
  g_auto (TestOutcome) outcome = test_spawn_line (line);
  g_assert_cmpint (outcome.status, ==, 0);
  json_parser_load_from_data (parser, outcome.out, -1, &error);
  g_assert_no_error (error);
  JsonObject *root = json_node_get_object (json_parser_get_root (parser));
  JsonArray *results = json_object_get_array_member (root, "results");
  g_assert_cmpfloat (json_object_get_double_member (root, "load_ms"), >, 0);
  g_assert_cmpint (json_object_get_int_member (root, "load_memory"), <=,
      json_object_get_int_member (root, "peak_memory"));
  g_assert_cmpuint (json_array_get_length (results), ==, G_N_ELEMENTS (tests));
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++) {
    JsonObject *row = json_array_get_object_element (results, i);

    g_assert_cmpstr (json_object_get_string_member (row, "test"), ==, tests[i]);
    g_assert_cmpint (json_object_get_int_member (row, "size"), ==, 16);
    g_assert_cmpint (json_object_get_int_member (row, "tokens"), >, 0);
    g_assert_cmpfloat (json_object_get_double_member (row, "median"), >, 0);
    g_assert_cmpfloat (
        json_object_get_double_member (row, "tokens_per_s"), >, 0);
  }
  g_unlink (path);
  g_rmdir (folder);
}

enum { MAX_CACHED_MS = 100 };

/* What the search costs, of every kind; no start asks the network. */
static void
test_discovery (void)
{
  static const char *const figures[] = {"discovery_ms", "load_cold_ms",
      "load_disk_ms", "cold_ms", "disk_ms", "memory_ms", "first_token_cold_ms",
      "first_token_disk_ms", "share_cold_percent", "share_disk_percent"};
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_auto (TestOutcome) outcome = test_spawn_line (
      "bench --tokenizer-discovery-overhead -r 1 --starts 3 --json");
  g_auto (TestOutcome) table = test_spawn_line (
      "benchmark --tokenizer-discovery-overhead -r 1 --starts 1");

  g_assert_cmpstr (outcome.err, ==, "");
  g_assert_cmpint (outcome.status, ==, 0);
  json_parser_load_from_data (parser, outcome.out, -1, &error);
  g_assert_no_error (error);
  JsonObject *root = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpstr (
      json_object_get_string_member (root, "strategy"), ==, "model-embedded");
  for (gsize i = 0; i < G_N_ELEMENTS (figures); i++) {
    JsonObject *figure = json_object_get_object_member (root, figures[i]);

    g_assert_cmpfloat (json_object_get_double_member (figure, "min"), <=,
        json_object_get_double_member (figure, "median"));
    g_assert_cmpfloat (json_object_get_double_member (figure, "max"), >, 0);
  }
  g_assert_cmpfloat (
      json_object_get_double_member (root, "overhead_cold_percent"), >=, 0);
  g_assert_cmpfloat (
      json_object_get_double_member (root, "overhead_disk_percent"), >=, 0);
  g_assert_cmpfloat (
      json_object_get_double_member (
          json_object_get_object_member (root, "disk_ms"), "min"),
      <, MAX_CACHED_MS);
  g_assert_cmpint (json_object_get_int_member (root, "starts"), ==, 3);
  g_assert_cmpint (json_object_get_int_member (root, "requests"), ==, 0);
  g_assert_cmpint (table.status, ==, 0);
  g_assert_nonnull (strstr (table.out, "overhead of the search"));
  g_assert_nonnull (strstr (table.out, "\n0 requests to the network in 1 "));
}

/* Ctrl-C after the head of the table, in the middle of a long run. */
static void
test_interrupt (void)
{
  const char *arguments[] = {"bench", "-p", "0", "-n", "10000000", NULL};
  g_autoptr (GSubprocess) process = launch (-1, arguments);
  g_autoptr (GDataInputStream) out =
      g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
  g_autofree char *line = g_data_input_stream_read_line (out, NULL, NULL, NULL);

  g_assert_nonnull (line);
  g_subprocess_send_signal (process, SIGINT);
  g_assert_true (g_subprocess_wait (process, NULL, NULL));
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 130);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tools/logits", test_logits);
  g_test_add_func ("/tools/logits/device", test_logits_device);
  g_test_add_func ("/tools/logits/terminal", test_logits_terminal);
  g_test_add_func ("/tools/bench/failures", test_failures);
  g_test_add_func ("/tools/bench/help", test_help);
  g_test_add_func ("/tools/bench/table", test_table);
  g_test_add_func ("/tools/bench/json", test_json);
  g_test_add_func ("/tools/bench/one-kind", test_one_kind);
  g_test_add_func ("/tools/bench/sequences", test_sequences);
  g_test_add_func ("/tools/bench/layers", test_layers);
  g_test_add_func ("/tools/bench/ceilings/table", test_ceilings_table);
  g_test_add_func ("/tools/bench/ceilings/json", test_ceilings_json);
  g_test_add_func ("/tools/bench/ceilings/floats", test_ceilings_floats);
  g_test_add_func ("/tools/bench/draft-gain", test_draft_gain);
  g_test_add_func ("/tools/bench/pipeline", test_pipeline);
  g_test_add_func ("/tools/bench/tokenizer/table", test_tokenizer_table);
  g_test_add_func ("/tools/bench/tokenizer/json", test_tokenizer_json);
  g_test_add_func ("/tools/bench/C69-C87-C88-C93/discovery", test_discovery);
  g_test_add_func ("/tools/bench/interrupt", test_interrupt);
  return g_test_run ();
}
