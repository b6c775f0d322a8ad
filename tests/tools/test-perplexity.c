/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet perplexity against the same sums over the logits of the library. */
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#include "bitnet.h"
#include "test-spawn.h"

#define TEXT                                                                   \
  "Once upon a time there was a little dog. The dog had a red ball. One day "  \
  "the dog went to the park and saw a big bird. The bird was happy. They "     \
  "played with the ball all day and then they went home to sleep."

enum { WINDOW = 16 };

static struct {
  char *folder, *path;
} fixture;

/* -ln of what softmax gives the token. */
static double
find_surprise (const float *logits, guint n, guint32 token)
{
  double sum = 0;

  for (guint i = 0; i < n; i++)
    sum += exp ((double) logits[i] - (double) logits[token]);
  return log (sum);
}

static void
sum_windows (guint n_windows, double *mean, guint *n_counted)
{
  g_autofree char *demo =
      g_build_filename (g_getenv ("BITNET_DATA_DIR"), "demo.gguf", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetModel) model =
      bitnet_model_new_from_file (demo, NULL, &error);
  g_autoptr (BitnetTokenizer) tokenizer =
      bitnet_tokenizer_new_from_model (model, NULL, &error);
  g_autoptr (BitnetEngine) engine =
      bitnet_model_get_engine (model, NULL, &error);
  guint n_vocab = bitnet_model_get_vocab_size (model);
  gsize n_tokens;
  g_autofree guint32 *tokens = bitnet_tokenizer_encode (
      tokenizer, TEXT, -1, BITNET_ENCODE_ADD_SPECIAL, &n_tokens, &error);
  double sum = 0;

  g_assert_no_error (error);
  g_assert_true (bitnet_engine_load (engine, NULL, NULL, NULL, &error));
  g_assert_cmpuint (n_tokens, >=, n_windows * WINDOW);
  *n_counted = 0;
  for (guint window = 0; window < n_windows; window++) {
    guint32 *first = tokens + window * WINDOW;
    if (bitnet_tokenizer_get_add_bos (tokenizer))
      first[0] = bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_BOS);
    g_autoptr (GBytes) rows =
        bitnet_engine_compute_logits (engine, first, WINDOW, NULL, &error);
    const float *logits = g_bytes_get_data (rows, NULL);

    for (guint i = WINDOW / 2; i + 1 < WINDOW; i++) {
      sum += find_surprise (logits + i * n_vocab, n_vocab, first[i + 1]);
      *n_counted += 1;
    }
  }
  *mean = sum / *n_counted;
}

static void
test_json (void)
{
  g_autofree char *line = g_strdup_printf (
      "perplexity --window %d --windows 2 --json %s", WINDOW, fixture.path);
  g_auto (TestOutcome) outcome = test_spawn_line (line);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  double mean;
  guint n;

  g_assert_cmpint (outcome.status, ==, 0);
  json_parser_load_from_data (parser, outcome.out, -1, &error);
  g_assert_no_error (error);
  JsonObject *root = json_node_get_object (json_parser_get_root (parser));
  sum_windows (2, &mean, &n);
  g_assert_cmpint (json_object_get_int_member (root, "predictions"), ==, n);
  g_assert_cmpint (json_object_get_int_member (root, "windows"), ==, 2);
  g_assert_cmpfloat_with_epsilon (
      json_object_get_double_member (root, "nats_per_token"), mean, 1e-4);
  g_assert_cmpfloat_with_epsilon (
      json_object_get_double_member (root, "perplexity"), exp (mean),
      1e-3 * exp (mean));
  g_assert_cmpfloat (json_object_get_double_member (root, "deviation"), >, 0);
}

/* All windows, from standard input too, and on any number of threads. */
static void
test_rows (void)
{
  static const char *const options[] = {"", " -t 1", " -t 3"};
  g_autofree char *first = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (options); i++) {
    g_autofree char *line = g_strdup_printf (
        "perplexity --window %d %s%s", WINDOW, fixture.path, options[i]);
    g_auto (TestOutcome) outcome = test_spawn_line (line);
    char *speed = strstr (outcome.out, "speed ");

    g_assert_cmpint (outcome.status, ==, 0);
    g_assert_true (g_str_has_prefix (outcome.out, "perplexity  "));
    g_assert_nonnull (speed);
    *speed = '\0';
    if (first == NULL)
      first = g_strdup (outcome.out);
    g_assert_cmpstr (outcome.out, ==, first);
  }
}

static void
test_failures (void)
{
  static const struct {
    const char *line;
    int status;
    const char *message;
  } failures[] = {
      {"perplexity", 2, "found 0 texts"},
      {"perplexity a b", 2, "found 2 texts"},
      {"perplexity --window 3 a", 2, "--window is 3"},
      {"perplexity --windows -1 a", 2, "--windows is -1"},
      {"perplexity /nonexistent.txt", 1, "/nonexistent.txt"},
      {"perplexity /dev/null", 1, "smaller --window"},
      {"perplexity -m /nonexistent.gguf /dev/null", 1, "/nonexistent.gguf"},
  };

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
  g_auto (TestOutcome) outcome = test_spawn_line ("perplexity --help");

  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_nonnull (strstr (outcome.out, "Examples:"));
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  fixture.folder = g_dir_make_tmp ("bitnet-perplexity-XXXXXX", NULL);
  fixture.path = g_build_filename (fixture.folder, "text", NULL);
  g_assert_true (g_file_set_contents (fixture.path, TEXT, -1, NULL));
  g_test_add_func ("/tools/perplexity/json", test_json);
  g_test_add_func ("/tools/perplexity/rows", test_rows);
  g_test_add_func ("/tools/perplexity/failures", test_failures);
  g_test_add_func ("/tools/perplexity/help", test_help);
  status = g_test_run ();
  g_unlink (fixture.path);
  g_rmdir (fixture.folder);
  g_free (fixture.path);
  g_free (fixture.folder);
  return status;
}
