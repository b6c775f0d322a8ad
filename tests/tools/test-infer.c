/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `bitnet infer` as its user meets it: without configuration, reproducible,
 * with each kind of output, and with one clear message for what is wrong. */
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "test-spawn.h"

typedef struct {
  char *folder; /* holds models/test.gguf, the demo model */
} Fixture;

static char *
get_demo_path (void)
{
  return g_build_filename (g_getenv ("BITNET_DATA_DIR"), "demo.gguf", NULL);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *demo = get_demo_path ();
  g_autofree char *models = NULL;
  g_autofree char *model = NULL;

  fixture->folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  models = g_build_filename (fixture->folder, "models", NULL);
  model = g_build_filename (models, "test.gguf", NULL);
  g_assert_cmpint (g_mkdir (models, 0700), ==, 0);
  g_assert_cmpint (symlink (demo, model), ==, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *models = g_build_filename (fixture->folder, "models", NULL);
  g_autofree char *model = g_build_filename (models, "test.gguf", NULL);

  g_unlink (model);
  g_rmdir (models);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0); /* nothing was written */
  g_free (fixture->folder);
}

/* Runs `bitnet LINE` in folder (NULL: here) with environment as NAME=VALUE
 * pairs joined by spaces, and input (NULL: none) on stdin. */
static TestOutcome
run (const char *folder, const char *environment, const char *line,
    const char *input)
{
  g_autofree char *command =
      g_strdup_printf ("%s %s", g_getenv ("BITNET_TOOL"), line);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE
      | G_SUBPROCESS_FLAGS_STDIN_PIPE);
  g_auto (GStrv) variables = g_strsplit (environment, " ", -1);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  TestOutcome outcome = {0};

  g_shell_parse_argv (command, NULL, &argv, &error);
  g_assert_no_error (error);
  if (folder != NULL)
    g_subprocess_launcher_set_cwd (launcher, folder);
  for (char **variable = variables; *variable != NULL; variable++) {
    g_auto (GStrv) pair = g_strsplit (*variable, "=", 2);

    if (pair[0] != NULL)
      g_subprocess_launcher_setenv (launcher, pair[0], pair[1], TRUE);
  }
  process = g_subprocess_launcher_spawnv (
      launcher, (const char *const *) argv, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (
      process, input, NULL, &outcome.out, &outcome.err, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  outcome.status = g_subprocess_get_exit_status (process);
  return outcome;
}

static void
assert_text (const TestOutcome *outcome)
{
  g_test_message ("%s%s", outcome->out, outcome->err);
  g_assert_cmpint (outcome->status, ==, 0);
  /* A slow machine says how far loading is. */
  g_assert_true (
      outcome->err[0] == '\0' || g_str_has_prefix (outcome->err, "Loading"));
  g_assert_cmpuint (strlen (outcome->out), >, 1);
  g_assert_true (g_str_has_suffix (outcome->out, "\n"));
}

/* The command lines that the requirements write out. */
static void
test_literal (Fixture *fixture, gconstpointer data)
{
  static const struct {
    const char *environment, *line;
  } cases[] = {
      {"", "infer --model models/test.gguf --prompt Test"},
      {"", "infer --model models/test.gguf --prompt \"Test\" --auto-download"},
      {"", "infer --model models/test.gguf --prompt \"Test\" --strict"},
      {"BITNET_STRICT_TOKENIZERS=1",
          "infer --model models/test.gguf --prompt \"Test\""},
      {"BITNET_DETERMINISTIC=1 BITNET_SEED=42",
          "infer --model models/test.gguf --prompt \"Test\""},
      {"", "infer -m models/test.gguf -p Test --no-auto-download --offline"},
      {"", "infer -p Test -n 8"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (TestOutcome) outcome =
        run (fixture->folder, cases[i].environment, cases[i].line, NULL);

    assert_text (&outcome);
  }
}

/* Byte-equal on every run and for every number of threads. */
static void
test_deterministic (Fixture *fixture, gconstpointer data)
{
  static const char line[] = "infer -m models/test.gguf -p Test -n 48";
  static const char *const variants[] = {
      "", "", " -t 1", " -t 2", " -t 3", " --batch-size 1", " --repack never"};
  g_auto (TestOutcome) first = run (
      fixture->folder, "BITNET_DETERMINISTIC=1 BITNET_SEED=42", line, NULL);
  g_auto (TestOutcome) other = run (
      fixture->folder, "BITNET_DETERMINISTIC=1 BITNET_SEED=43", line, NULL);
  g_auto (TestOutcome) by_option = run (fixture->folder, "",
      "infer -m models/test.gguf -p Test -n 48 --seed 42", NULL);

  assert_text (&first);
  for (gsize i = 0; i < G_N_ELEMENTS (variants); i++) {
    g_autofree char *variant = g_strconcat (line, variants[i], NULL);
    g_auto (TestOutcome) again = run (fixture->folder,
        "BITNET_DETERMINISTIC=1 BITNET_SEED=42", variant, NULL);

    g_assert_cmpstr (again.out, ==, first.out);
  }
  g_assert_cmpstr (other.out, !=, first.out);
  g_assert_cmpstr (by_option.out, ==, first.out);
}

static void
test_greedy (Fixture *fixture, gconstpointer data)
{
  static const char line[] = "infer -m models/test.gguf -p Test "
                             "-n 24 --temperature 0";
  g_auto (TestOutcome) first = run (fixture->folder, "", line, NULL);
  g_auto (TestOutcome) second = run (fixture->folder, "", line, NULL);

  assert_text (&first);
  g_assert_cmpstr (second.out, ==, first.out);
}

static void
test_outputs (Fixture *fixture, gconstpointer data)
{
  static const char line[] = "infer -m models/test.gguf -p Test -n 8 "
                             "--temperature 0";
  g_autofree char *ids_line = g_strconcat (line, " --ids", NULL);
  g_autofree char *json_line = g_strconcat (line, " --json", NULL);
  g_auto (TestOutcome) text = run (fixture->folder, "", line, NULL);
  g_auto (TestOutcome) ids = run (fixture->folder, "", ids_line, NULL);
  g_auto (TestOutcome) json = run (fixture->folder, "", json_line, NULL);
  g_auto (GStrv) id_list = NULL;
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object;
  JsonArray *json_ids;

  assert_text (&text);
  assert_text (&ids);
  id_list = g_strsplit (g_strstrip (ids.out), " ", -1);
  g_assert_cmpuint (g_strv_length (id_list), ==, 8);

  root = json_from_string (json.out, NULL);
  g_assert_nonnull (root);
  object = json_node_get_object (root);
  g_assert_cmpstr (json_object_get_string_member (object, "text"), ==,
      g_strchomp (text.out));
  g_assert_cmpstr (
      json_object_get_string_member (object, "finish_reason"), ==, "length");
  json_ids = json_object_get_array_member (object, "ids");
  g_assert_cmpuint (json_array_get_length (json_ids), ==, 8);
  for (guint i = 0; i < 8; i++) {
    g_assert_cmpint (json_array_get_int_element (json_ids, i), ==,
        g_ascii_strtoll (id_list[i], NULL, 10));
  }
}

static void
test_input (Fixture *fixture, gconstpointer data)
{
  static const char options[] = "infer -m models/test.gguf -n 8 "
                                "--temperature 0";
  g_autofree char *with_prompt = g_strconcat (options, " -p Test", NULL);
  g_auto (TestOutcome) from_stdin = run (fixture->folder, "", options, "Test");
  g_auto (TestOutcome) from_option =
      run (fixture->folder, "", with_prompt, NULL);

  assert_text (&from_stdin);
  g_assert_cmpstr (from_stdin.out, ==, from_option.out);
}

/* The text before the first stop text, which itself is not printed. */
static void
test_stop (Fixture *fixture, gconstpointer data)
{
  static const char line[] = "infer -m models/test.gguf -p Test -n 48 "
                             "--temperature 0";
  g_auto (TestOutcome) whole = run (fixture->folder, "", line, NULL);
  g_autofree char *stop_line = g_strconcat (line, " --stop .", NULL);
  g_auto (TestOutcome) stopped = run (fixture->folder, "", stop_line, NULL);
  char *stop = strchr (whole.out, '.');

  assert_text (&whole);
  g_assert_nonnull (stop);
  *stop = '\0';
  g_assert_cmpstr (g_strchomp (stopped.out), ==, whole.out);
}

static void
test_wrong (Fixture *fixture, gconstpointer data)
{
  static const struct {
    const char *line;
    int status;
    const char *message;
  } cases[] = {
      {"infer -m gone.gguf -p x", 1, "gone.gguf"},
      {"infer -m models -p x", 1, "models"},
      {"infer -m /dev/null -p x", 1, "/dev/null"},
      {"infer -p x --temperature -1", 2, "temperature"},
      {"infer -p x --temperature hot", 2, "temperature"},
      {"infer -p x --top-p 1.5", 2,
          "--top-p: found \"1.5\", expected a number from 0 to 1"},
      {"infer -p x -n many", 2,
          "--max-tokens: found \"many\", expected a whole number from 0 to"},
      {"infer -p x --repack hat", 2,
          "--repack: found \"hat\", expected one of auto, never, always"},
      {"infer -p x --cache-type hat", 2,
          "--cache-type: found \"hat\", expected one of f16, q8_0"},
      {"infer -p x --head hat", 2,
          "--head: found \"hat\", expected one of auto, file, q8_0, q6_k, "
          "screened"},
      {"infer -p x --device abacus", 1, "abacus"},
      {"infer -p x --template klingon", 1, "klingon"},
      {"infer -p x --tokenizer gone.gguf", 1, "gone.gguf"},
      {"infer -p x more", 2, "more"},
      {"infer -p", 2, "-p"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (TestOutcome) outcome =
        run (fixture->folder, "", cases[i].line, NULL);

    g_test_message ("%s: %s", cases[i].line, outcome.err);
    g_assert_cmpint (outcome.status, ==, cases[i].status);
    if (cases[i].message == NULL)
      continue;
    g_assert_cmpstr (outcome.out, ==, "");
    g_assert_true (g_str_has_prefix (outcome.err, "bitnet infer: "));
    g_assert_nonnull (strstr (outcome.err, cases[i].message));
  }
}

/* A full disk ends the command at once, even an endless answer. */
static void
test_unwritable (Fixture *fixture, gconstpointer data)
{
  static const char *const outputs[] = {"--ignore-eos", "--ids", "--json"};

  for (gsize i = 0; i < G_N_ELEMENTS (outputs); i++) {
    const char *argv[] = {g_getenv ("BITNET_TOOL"), "infer", "-p", "Test", "-n",
        i == 0 ? "0" : "4", outputs[i], NULL};
    g_autoptr (GSubprocessLauncher) launcher =
        g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr (GSubprocess) process = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree char *text = NULL;

    g_subprocess_launcher_set_stdout_file_path (launcher, "/dev/full");
    process = g_subprocess_launcher_spawnv (launcher, argv, &error);
    g_assert_no_error (error);
    g_subprocess_communicate_utf8 (process, NULL, NULL, NULL, &text, &error);
    g_assert_no_error (error);
    g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 1);
    g_assert_cmpstr (
        text, ==, "bitnet infer: cannot write to standard output\n");
  }
}

#define ADD(path, function)                                                    \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_autofree char *demo = NULL;

  g_test_init (&argc, &argv, NULL);
  demo = get_demo_path ();
  if (!g_file_test (demo, G_FILE_TEST_EXISTS)) {
    g_print ("1..0 # SKIP no demo model\n");
    return 0;
  }
  ADD ("/tool/infer/C46-C47-C48-C53/literal", test_literal);
  ADD ("/tool/infer/C50/deterministic", test_deterministic);
  ADD ("/tool/infer/greedy", test_greedy);
  ADD ("/tool/infer/outputs", test_outputs);
  ADD ("/tool/infer/input", test_input);
  ADD ("/tool/infer/stop", test_stop);
  ADD ("/tool/infer/wrong", test_wrong);
  if (g_file_test ("/dev/full", G_FILE_TEST_EXISTS))
    ADD ("/tool/infer/unwritable", test_unwritable);
  return g_test_run ();
}
