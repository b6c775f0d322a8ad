/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet infer, as its user meets it: the text is the pipeline's, options do
 * what they say, every failure has an exit status and a line on stderr. */
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "element-test.h"
#include "test-spawn.h"

static char *
generate_text (const char *prompt, guint max_tokens)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  g_autoptr (BitnetTokenizer) tokenizer = test_open_tokenizer (model);
  g_autoptr (GArray) ids = test_generate (model, tokenizer, prompt, max_tokens);

  return test_decode (tokenizer, ids);
}

/* Greedy text of 24 tokens, with the arguments that are added, up to NULL. */
static TestOutcome
infer (const char *const *more)
{
  g_autoptr (GPtrArray) arguments = g_ptr_array_new ();

  g_ptr_array_add (arguments, (gpointer) "infer");
  g_ptr_array_add (arguments, (gpointer) "-m");
  g_ptr_array_add (arguments, (gpointer) test_quick_model ());
  for (; *more; more++)
    g_ptr_array_add (arguments, (gpointer) *more);
  g_ptr_array_add (arguments, NULL);
  return test_spawn ((const char *const *) arguments->pdata);
}

#define INFER(...) infer ((const char *const[]){__VA_ARGS__, NULL})

static void
test_text (void)
{
  g_autofree char *answer = generate_text ("hello world", 24);
  g_autofree char *expected = g_strconcat (answer, "\n", NULL);
  g_auto (TestOutcome) outcome =
      INFER ("-p", "hello world", "-n", "24", "--temperature", "0");
  g_auto (TestOutcome) same = INFER ("--prompt=hello world", "--max-tokens=24",
      "--temperature=0", "--threads=1", "--device=cpu");

  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_cmpstr (outcome.out, ==, expected);
  g_assert_cmpstr (outcome.err, ==, "");
  g_assert_cmpstr (same.out, ==, expected);
}

static void
test_ids (void)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  g_autoptr (BitnetTokenizer) tokenizer = test_open_tokenizer (model);
  g_autoptr (GArray) ids = test_generate (model, tokenizer, "hello", 10);
  g_autoptr (GString) expected = g_string_new (NULL);
  g_auto (TestOutcome) outcome =
      INFER ("-p", "hello", "-n", "10", "--temperature", "0", "--ids");

  for (guint i = 0; i < ids->len; i++)
    g_string_append_printf (
        expected, "%s%u", i ? " " : "", g_array_index (ids, guint32, i));
  g_string_append_c (expected, '\n');
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_cmpstr (outcome.out, ==, expected->str);
}

static void
test_json (void)
{
  g_autofree char *answer = generate_text ("hello", 10);
  g_auto (TestOutcome) outcome =
      INFER ("-p", "hello", "-n", "10", "--temperature", "0", "--json");
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *object;

  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_true (json_parser_load_from_data (parser, outcome.out, -1, NULL));
  object = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpstr (json_object_get_string_member (object, "text"), ==, answer);
  g_assert_cmpuint (
      json_array_get_length (json_object_get_array_member (object, "ids")), ==,
      10);
  g_assert_cmpint (
      json_object_get_int_member (object, "generated_tokens"), ==, 10);
  g_assert_cmpint (json_object_get_int_member (object, "prompt_tokens"), >, 0);
  g_assert_cmpstr (
      json_object_get_string_member (object, "finish_reason"), ==, "length");
  g_assert_true (json_object_has_member (object, "prefill_ms"));
  g_assert_true (json_object_has_member (object, "decode_ms"));
  g_assert_true (json_object_has_member (object, "tokens_per_second"));
  g_assert_cmpfloat (
      json_object_get_double_member (object, "first_token_ms"), >, 0);
  object = json_object_get_object_member (object, "tokenizer");
  g_assert_cmpstr (
      json_object_get_string_member (object, "strategy"), ==, "model-embedded");
}

/* The program, started with text on its standard input. */
static char *
run_with_input (const char *const *argv, const char *input, int *status)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_newv (argv,
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE
          | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
      &error);
  char *out = NULL;

  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, input, NULL, &out, NULL, &error);
  g_assert_no_error (error);
  *status = g_subprocess_get_exit_status (process);
  return out;
}

static void
test_standard_input (void)
{
  const char *argv[] = {g_getenv ("BITNET_TOOL"), "infer", "-m",
      test_quick_model (), "-n", "24", "--temperature", "0", NULL};
  g_autofree char *answer = generate_text ("hello", 24);
  g_autofree char *expected = g_strconcat (answer, "\n", NULL);
  g_autofree char *out = NULL;
  g_autofree char *none = NULL;
  int status;

  out = run_with_input (argv, "hello\n", &status);
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpstr (out, ==, expected);
  none = run_with_input (argv, "", &status);
  g_assert_cmpint (status, ==, 1);
  g_assert_cmpstr (none, ==, "");
}

/* C53: the three lines, literally, in a folder with models/test.gguf. */
static void
test_three_lines (void)
{
  static const char *const lines[] = {
      "infer --model models/test.gguf --prompt \"Test\" --auto-download",
      "infer --model models/test.gguf --prompt \"Test\" --strict",
      "infer --model models/test.gguf --prompt \"Test\"",
  };
  g_autofree char *here = g_get_current_dir ();
  g_autofree char *folder = test_path ("three");
  g_autofree char *models = g_build_filename (folder, "models", NULL);
  g_autofree char *path = g_build_filename (models, "test.gguf", NULL);
  g_autofree char *first = NULL;

  g_assert_cmpint (g_mkdir_with_parents (models, 0700), ==, 0);
  g_assert_cmpint (symlink (test_quick_model (), path), ==, 0);
  g_assert_cmpint (g_chdir (folder), ==, 0);
  for (guint i = 0; i < 4; i++) {
    g_autofree char *command =
        g_strdup_printf ("%s %s", g_getenv ("BITNET_TOOL"), lines[MIN (i, 2)]);
    g_auto (GStrv) argv = NULL;
    g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
        G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr (GSubprocess) process = NULL;
    g_autofree char *out = NULL;

    g_assert_true (g_shell_parse_argv (command, NULL, &argv, NULL));
    if (i >= 2) {
      g_subprocess_launcher_setenv (
          launcher, "BITNET_DETERMINISTIC", "1", TRUE);
      g_subprocess_launcher_setenv (launcher, "BITNET_SEED", "42", TRUE);
    }
    process = g_subprocess_launcher_spawnv (
        launcher, (const char *const *) argv, NULL);
    g_assert_nonnull (process);
    g_subprocess_communicate_utf8 (process, NULL, NULL, &out, NULL, NULL);
    g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 0);
    g_assert_cmpuint (strlen (out), >, 1);
    if (i == 2)
      first = g_steal_pointer (&out);
    else if (i == 3)
      g_assert_cmpstr (out, ==, first);
  }
  g_assert_cmpint (g_chdir (here), ==, 0);
}

/* A seed is a seed, for every number of threads (C50). */
static void
test_seed (void)
{
  g_auto (TestOutcome) a = INFER ("-p", "hello", "--seed", "7", "-t", "1");
  g_auto (TestOutcome) b = INFER ("-p", "hello", "--seed", "7", "-t", "2");
  g_auto (TestOutcome) c = INFER ("-p", "hello", "--seed", "8", "-t", "1");

  g_assert_cmpstr (a.out, ==, b.out);
  g_assert_cmpstr (a.out, !=, c.out);
}

/* Every sampling option is taken. */
static void
test_sampling (void)
{
  g_auto (TestOutcome) outcome = INFER ("-p", "hello", "-n", "4", "--top-k",
      "5", "--top-p", "0.9", "--min-p", "0.01", "--typical-p", "0.9",
      "--min-keep", "1", "--penalty-repeat", "1.1", "--penalty-freq", "0.1",
      "--penalty-present", "0.1", "--penalty-last-n", "-1", "--dynatemp-range",
      "0.1", "--dynatemp-exponent", "1", "--xtc-probability", "0.1",
      "--xtc-threshold", "0.1", "--mirostat", "2", "--mirostat-tau", "4",
      "--mirostat-eta", "0.2", "--stop", "a b", "--stop", "\n", "--seed", "1",
      "--context-size", "128", "--batch-size", "16", "--template", "none",
      "--system-prompt", "Be brief.", "--ignore-eos", "--repack", "never",
      "--offline", "--no-auto-download");

  g_assert_cmpstr (outcome.err, ==, "");
  g_assert_cmpint (outcome.status, ==, 0);
}

static void
test_failures (void)
{
  static const TinySpec spec = {.arch = "llama"};
  static const struct {
    int status;
    const char *part; /* of stderr */
    const char *arguments[6];
  } cases[] = {
      {1, "/nonexistent.gguf", {"infer", "-m", "/nonexistent.gguf", "-p", "x"}},
      {1, "directory", {"infer", "-m", "/tmp", "-p", "x"}},
      {1, "not UTF-8", {"infer", "-p", "caf\xe9"}},
      {2, "--colour", {"infer", "--colour", "-p", "x"}},
      {2, "--top-p", {"infer", "--top-p", "1.5", "-p", "x"}},
      {2, "--temperature", {"infer", "--temperature", "hot", "-p", "x"}},
      {2, "\"word\"", {"infer", "-p", "x", "word"}},
      {2, "exclude", {"infer", "--ids", "--json", "-p", "x"}},
  };
  g_autofree char *bare = test_write_bare_model ("bare.gguf", &spec);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (TestOutcome) outcome = test_spawn (cases[i].arguments);

    g_test_message ("%s", outcome.err);
    g_assert_cmpint (outcome.status, ==, cases[i].status);
    g_assert_true (g_str_has_prefix (outcome.err, "bitnet infer: "));
    g_assert_nonnull (strstr (outcome.err, cases[i].part));
    g_assert_cmpstr (outcome.out, ==, "");
  }
  {
    const char *arguments[] = {
        "infer", "-m", bare, "-p", "x", "--strict", NULL};
    g_auto (TestOutcome) outcome = test_spawn (arguments);

    g_assert_cmpint (outcome.status, ==, 1);
    g_assert_cmpstr (outcome.out, ==, "");
    g_assert_nonnull (strstr (outcome.err, "bare.gguf"));
    /* C29, C44: every attempt, and what to try. */
    g_assert_nonnull (strstr (outcome.err, "1. model-embedded"));
    g_assert_nonnull (strstr (outcome.err, "2. generic"));
    g_assert_nonnull (strstr (outcome.err, "Try:\n  - "));
  }
}

/* C48: a last resort, with a warning, unless strict. */
static void
test_last_resort (void)
{
  static const TinySpec spec = {.arch = "llama"};
  g_autofree char *bare = test_write_bare_model ("lax.gguf", &spec);
  const char *arguments[] = {
      "infer", "-m", bare, "-p", "x", "-n", "4", "--json", NULL};
  g_auto (TestOutcome) outcome = test_spawn (arguments);
  g_autoptr (JsonNode) node = json_from_string (outcome.out, NULL);
  JsonObject *tokenizer;

  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_true (g_str_has_prefix (outcome.err, "bitnet infer: warning: "));
  g_assert_nonnull (node);
  tokenizer =
      json_object_get_object_member (json_node_get_object (node), "tokenizer");
  g_assert_cmpstr (
      json_object_get_string_member (tokenizer, "strategy"), ==, "backup");
  g_assert_true (json_object_get_boolean_member (tokenizer, "fallback"));
}

/* C52. */
static void
test_help (void)
{
  static const char *const parts[] = {"Examples:", "--model", "--prompt",
      "--max-tokens", "--temperature", "--top-k", "--seed", "--stop", "--ids",
      "--json", "--threads", "--device", "--strict", "--auto-download",
      "--no-auto-download", "--system-prompt", "--template", "--context-size",
      "gst-launch-1.0", "Exit status"};
  const char *arguments[] = {"infer", "--help", NULL};
  g_auto (TestOutcome) outcome = test_spawn (arguments);

  g_assert_cmpint (outcome.status, ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    g_assert_nonnull (strstr (outcome.out, parts[i]));
}

/* Ctrl-C in the middle of a long answer. */
static void
test_interrupt (void)
{
  const char *argv[] = {g_getenv ("BITNET_TOOL"), "infer", "-m",
      test_slow_model (), "-p", "hello", "-n", "0", "--ignore-eos", NULL};
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process =
      g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  GInputStream *out;
  char byte;

  g_assert_no_error (error);
  out = g_subprocess_get_stdout_pipe (process);
  g_assert_cmpint (g_input_stream_read (out, &byte, 1, NULL, &error), ==, 1);
  g_subprocess_send_signal (process, SIGINT);
  g_subprocess_wait (process, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 130);
}

/* C46: without a model the demo model answers. */
static void
test_demo (void)
{
  const char *arguments[] = {
      "infer", "-p", "Name a tree.", "--temperature", "0", NULL};
  const char *folder = g_getenv ("BITNET_DATA_DIR");
  g_autofree char *path =
      g_build_filename (folder ? folder : "", "demo.gguf", NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_test_skip ("there is no demo model");
    return;
  }
  g_auto (TestOutcome) outcome = test_spawn (arguments);
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_nonnull (strstr (outcome.out, "tree"));
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_unsetenv ("BITNET_STRICT_TOKENIZERS");
  g_test_add_func ("/infer-command/text", test_text);
  g_test_add_func ("/infer-command/ids", test_ids);
  g_test_add_func ("/infer-command/json", test_json);
  g_test_add_func ("/infer-command/standard-input", test_standard_input);
  g_test_add_func ("/infer-command/C53/three-lines", test_three_lines);
  g_test_add_func ("/infer-command/C50/seed", test_seed);
  g_test_add_func ("/infer-command/sampling", test_sampling);
  g_test_add_func ("/infer-command/failures", test_failures);
  g_test_add_func ("/infer-command/C48/last-resort", test_last_resort);
  g_test_add_func ("/infer-command/C52/help", test_help);
  g_test_add_func ("/infer-command/interrupt", test_interrupt);
  g_test_add_func ("/infer-command/C46/demo", test_demo);
  return test_finish ();
}
