/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Straight from a hub to text, in one launch line: the model by its URI, the
 * tokenizer from inside it or from its repository, progress, and the network
 * in no later start. The hub is in this process. */
#include <string.h>
#include "element-test.h"
#include "test-hub.h"
#include "test-vocab.h"

#define LINE                                                                   \
  "hf://owner/name/model.gguf ! tokresolve ! tokenize prompt=\"Hello\" ! "     \
  "infer temperature=0 max-tokens=8 ! detokenize ! fdsink"

enum { N_ROWS = 300 };

static void
add_file (TestHub *hub, const char *name, const char *path)
{
  g_autofree char *contents = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  test_hub_add_file (hub, "owner/name", name, contents, (gssize) size, TRUE);
}

static TestHub *
new_hub (const char *model)
{
  TestHub *hub = test_hub_new (0);

  test_hub_add_repo (hub, "owner/name", TEST_HUB_COMMIT);
  add_file (hub, "model.gguf", model);
  g_setenv ("HF_ENDPOINT", test_hub_get_endpoint (hub), TRUE);
  return hub;
}

/* What gst-launch-1.0 prints; NULL if it is of no use here. */
static char *
run (const char *options)
{
  g_autofree char *command =
      g_strdup_printf ("gst-launch-1.0 %s %s", options, LINE);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *err = NULL;
  char *out = NULL;

  if (TEST_IS_INSTRUMENTED)
    return NULL;
  g_assert_true (g_shell_parse_argv (command, NULL, &argv, NULL));
  process = g_subprocess_newv ((const char *const *) argv,
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
  if (process == NULL)
    return NULL;
  g_subprocess_communicate_utf8 (process, NULL, NULL, &out, &err, &error);
  g_assert_no_error (error);
  g_test_message ("%s%s", out, err);
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 0);
  return out;
}

/* Command line 4 of the element conventions. */
static void
test_line (void)
{
  g_autoptr (TestHub) hub = new_hub (test_quick_model ());
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  g_autoptr (BitnetTokenizer) tokenizer = test_open_tokenizer (model);
  g_autoptr (GArray) ids = test_generate (model, tokenizer, "Hello", 8);
  g_autofree char *expected = test_decode (tokenizer, ids);
  g_autofree char *progress = run ("");
  g_autofree char *text = NULL;

  if (progress == NULL) {
    g_test_skip ("no gst-launch-1.0");
    return;
  }
  g_assert_nonnull (strstr (progress, "(download)"));
  g_assert_nonnull (strstr (progress, "(tokenizer-resolve)"));
  g_assert_cmpuint (test_hub_count (hub, "storage GET *"), ==, 1);

  text = run ("-q");
  g_assert_cmpstr (text, ==, expected);
  g_assert_cmpuint (test_hub_count (hub, "storage GET *"), ==, 1);
}

/* A model without a tokenizer in a repository that has one: A16. */
static void
test_tokenizer (void)
{
  g_autofree char *bare = test_write_sized_model ("bare/m/model.gguf", N_ROWS);
  g_autofree char *json = test_vocab_new_json (N_ROWS);
  g_autofree char *cache = g_strdup (g_getenv ("BITNET_CACHE_DIR"));
  g_autofree char *own = test_path ("cache-2");
  g_autoptr (TestHub) hub = new_hub (bare);
  g_autoptr (GstElement) pipeline = NULL;
  GString *text;

  g_setenv ("BITNET_CACHE_DIR", own, TRUE);
  test_hub_add_file (hub, "owner/name", "tokenizer.json", json, -1, FALSE);
  for (guint i = 0; i < 2; i++) {
    pipeline = test_launch (
        "hf://owner/name/model.gguf ! tokresolve tokenizer-repo=owner/name ! "
        "tokenize prompt=Hello ! infer temperature=0 max-tokens=8 ! "
        "detokenize ! fakesink name=sink");
    text = test_collect (pipeline, "sink");
    test_run_to_eos (pipeline);
    g_assert_cmpuint (text->len, >, 0);
    g_clear_object (&pipeline);
    g_assert_cmpuint (
        test_hub_count (hub, "hub GET *resolve*tokenizer.json*"), ==, 1);
  }
  g_setenv ("BITNET_CACHE_DIR", cache, TRUE);
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_unsetenv ("BITNET_OFFLINE");
  g_test_add_func ("/pipelines/hub/A16-A20/line-4", test_line);
  g_test_add_func ("/pipelines/hub/A16/tokenizer", test_tokenizer);
  return test_finish ();
}
