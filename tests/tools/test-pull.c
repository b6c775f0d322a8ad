/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet pull, infer and resolve with a hub, which is in this process: a model
 * and a tokenizer that are fetched once, progress, refusals, Ctrl-C. */
#include <json-glib/json-glib.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "test-hub.h"
#include "test-vocab.h"
#include "tool-fixture.h"

#define REPO "owner/name"
#define URI "hf://owner/name/model.gguf"

typedef struct {
  ToolFixture tool;
  TestHub *hub;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  g_autofree char *demo =
      g_build_filename (g_getenv ("BITNET_DATA_DIR"), "demo.gguf", NULL);
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  tool_fixture_set_up (&self->tool);
  self->hub = test_hub_new (0);
  g_setenv ("HF_ENDPOINT", test_hub_get_endpoint (self->hub), TRUE);
  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  g_file_get_contents (demo, &contents, &size, &error);
  g_assert_no_error (error);
  test_hub_add_file (
      self->hub, REPO, "model.gguf", contents, (gssize) size, TRUE);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  test_hub_free (self->hub);
  tool_fixture_tear_down (&self->tool);
}

static void
test_pull (Fixture *self, gconstpointer data)
{
  g_auto (TestOutcome) first = tool_run_status (0, "pull " URI);
  g_auto (TestOutcome) second = tool_run_status (0, "pull " REPO);
  g_auto (TestOutcome) offline = tool_run_status (0, "pull --offline " URI);
  g_autofree char *digest = NULL;
  g_autofree char *contents = NULL;
  gsize size;

  g_assert_true (g_str_has_suffix (first.out, "\n"));
  g_strchomp (first.out);
  g_assert_true (g_path_is_absolute (first.out));
  g_assert_true (g_str_has_prefix (first.out, self->tool.folder));
  g_assert_true (g_file_get_contents (first.out, &contents, &size, NULL));
  g_assert_cmpmem (contents, 4, "GGUF", 4);
  g_assert_cmpstr (g_strchomp (second.out), ==, first.out);
  g_assert_cmpstr (g_strchomp (offline.out), ==, first.out);
  g_assert_cmpuint (test_hub_count (self->hub, "storage GET *"), ==, 1);
  /* Not on a terminal: lines. */
  g_assert_nonnull (
      strstr (first.err, "Fetching model.gguf of owner/name: 100 %"));
  g_assert_null (strchr (first.err, '\r'));

  digest =
      g_compute_checksum_for_data (G_CHECKSUM_SHA256, (void *) contents, size);
  {
    g_auto (TestOutcome) verified =
        tool_run_status (0, "pull --sha256 %s " URI, digest);

    digest[0] = digest[0] == '0' ? '1' : '0';
  }
  {
    g_auto (TestOutcome) wrong =
        tool_run_status (1, "pull --sha256 %s " URI, digest);

    g_assert_cmpstr (wrong.out, ==, "");
  }
}

/* On a terminal: a bar that moves in its line and is gone in the end. */
static void
test_terminal (Fixture *self, gconstpointer data)
{
  const char *argv[] = {g_getenv ("BITNET_TOOL"), "pull", URI, NULL};
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  char buffer[4096];
  int terminal, end;
  ssize_t n;

  g_assert_cmpint (openpty (&terminal, &end, NULL, NULL, NULL), ==, 0);
  g_subprocess_launcher_take_stderr_fd (launcher, end);
  process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  g_clear_object (&launcher); /* and with it our end */
  while ((n = read (terminal, buffer, sizeof buffer)) > 0)
    g_string_append_len (text, buffer, n);
  close (terminal);
  g_assert_true (g_subprocess_wait_check (process, NULL, &error));
  g_assert_no_error (error);
  g_test_message ("%s", text->str);
  g_assert_nonnull (
      strstr (text->str, "\rFetching model.gguf of owner/name ["));
  g_assert_null (strchr (text->str, '\n'));
  g_assert_true (g_str_has_suffix (text->str, "\r\033[K"));
}

/* The model of a hub in one command, A20. */
static void
test_infer (Fixture *self, gconstpointer data)
{
  g_auto (TestOutcome) here =
      tool_run_status (0, "infer -p Test -n 8 --temperature 0");
  g_auto (TestOutcome) fetched =
      tool_run_status (0, "infer -m " REPO " -p Test -n 8 --temperature 0");
  g_auto (TestOutcome) cached = tool_run_status (
      0, "infer -m hf.co/" REPO " -p Test -n 8 --temperature 0 --offline");
  g_auto (TestOutcome) disabled = tool_run_status (
      1, "infer -m hf://owner/name/other.gguf -p Test --no-auto-download");

  g_assert_cmpstr (fetched.out, ==, here.out);
  g_assert_cmpstr (cached.out, ==, here.out);
  g_assert_nonnull (strstr (fetched.err, "owner/name\n"));
  g_assert_cmpstr (disabled.out, ==, "");
}

/* C47: with and without the network; what is fetched, the report. */
static void
test_tokenizer (Fixture *self, gconstpointer data)
{
  g_autofree char *json = test_vocab_new_json (300);
  g_autofree char *model =
      tool_fixture_write (&self->tool, "a/b/model.gguf", "no model", -1);

  test_hub_add_repo (self->hub, "owner/tokenizer", TEST_HUB_COMMIT);
  test_hub_add_file (
      self->hub, "owner/tokenizer", "tokenizer.json", json, -1, FALSE);
  {
    g_auto (TestOutcome) outcome = tool_run_status (1,
        "resolve --strict --no-auto-download -m %s "
        "--tokenizer-repo owner/tokenizer",
        model);

    g_assert_nonnull (strstr (outcome.err, "--auto-download"));
    g_assert_cmpuint (test_hub_get_n_connections (self->hub), ==, 0);
  }
  {
    g_auto (TestOutcome) outcome = tool_run_status (
        0, "resolve --json -m %s --tokenizer-repo owner/tokenizer", model);
    g_autoptr (JsonNode) node = json_from_string (outcome.out, NULL);
    JsonObject *object = json_node_get_object (node);

    g_assert_cmpstr (
        json_object_get_string_member (object, "strategy"), ==, "huggingface");
    g_assert_cmpstr (json_object_get_string_member (object, "repository"), ==,
        "owner/tokenizer");
    g_assert_nonnull (strstr (outcome.err, "owner/tokenizer"));
  }
}

static void
test_refusals (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *line;
    int status;
    const char *message;
  } cases[] = {
      {"pull hf://owner/name/other.gguf", 1, "other.gguf"},
      {"pull owner/other", 1, "owner/other"},
      {"pull --offline owner/other", 1, "Try:\n  - "},
      {"pull", 2, "expected one model"},
      {"pull /nonexistent/model.gguf", 2, "names no model on a hub"},
      {"pull --sha256 abc " URI, 2, "abc"},
      {"pull a/b c/d", 2, "expected one model"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (TestOutcome) outcome =
        tool_run_status (cases[i].status, "%s", cases[i].line);

    g_assert_cmpstr (outcome.out, ==, "");
    g_assert_nonnull (strstr (outcome.err, cases[i].message));
  }
}

/* Ctrl-C in the middle; the next one goes on from there. */
static void
test_interrupt (Fixture *self, gconstpointer data)
{
  const char *argv[] = {g_getenv ("BITNET_TOOL"), "pull", URI, NULL};
  const TestFault stall = {
      .path = "storage GET *", .flags = TEST_FAULT_STALL, .bytes = 100000};
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = NULL;

  test_hub_add_fault (self->hub, &stall);
  process = g_subprocess_newv (argv,
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
      &error);
  g_assert_no_error (error);
  g_assert_true (test_hub_wait (self->hub, "storage GET *", 1));
  g_subprocess_send_signal (process, SIGINT);
  g_assert_true (g_subprocess_wait (process, NULL, NULL));
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 130);

  test_hub_clear_faults (self->hub);
  {
    g_auto (TestOutcome) outcome = tool_run_status (0, "pull " URI);

    g_assert_nonnull (strstr (outcome.out, "model.gguf"));
  }
}

#define ADD(path, function)                                                    \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_autofree char *demo = NULL;

  g_test_init (&argc, &argv, NULL);
  g_unsetenv ("BITNET_STRICT_TOKENIZERS");
  g_unsetenv ("BITNET_OFFLINE");
  demo = g_build_filename (g_getenv ("BITNET_DATA_DIR"), "demo.gguf", NULL);
  if (!g_file_test (demo, G_FILE_TEST_EXISTS)) {
    g_print ("1..0 # SKIP no demo model\n");
    return 0;
  }
  ADD ("/tool/pull/C49/pull", test_pull);
  ADD ("/tool/pull/C49/terminal", test_terminal);
  ADD ("/tool/pull/A20/infer", test_infer);
  ADD ("/tool/pull/C47/tokenizer", test_tokenizer);
  ADD ("/tool/pull/refusals", test_refusals);
  ADD ("/tool/pull/interrupt", test_interrupt);
  return g_test_run ();
}
