/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet resolve and bitnet strategies, without a network: what was found, as
 * rows and as JSON; what was not, and what to try; exit codes; figures. */
#include <json-glib/json-glib.h>
#include <string.h>

#include "test-vocab.h"
#include "tool-fixture.h"

enum { N_TOKENS = 300 };

static void
set_up (ToolFixture *self, gconstpointer data)
{
  tool_fixture_set_up (self);
}

static void
tear_down (ToolFixture *self, gconstpointer data)
{
  tool_fixture_tear_down (self);
}

static JsonNode *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  JsonNode *node = json_from_string (text, &error);

  g_assert_no_error (error);
  return node;
}

static const char *
get_string (JsonNode *node, const char *member)
{
  return json_object_get_string_member_with_default (
      json_node_get_object (node), member, NULL);
}

/* A file that is no model, with a tokenizer beside it. */
static char *
write_nameless (ToolFixture *self)
{
  g_autofree char *json = test_vocab_new_json (N_TOKENS);
  g_autofree char *beside =
      tool_fixture_write (self, "a/b/tokenizer.json", json, -1);

  return tool_fixture_write (self, "a/b/model.gguf", "no model", -1);
}

static void
test_rows (ToolFixture *self, gconstpointer data)
{
  g_auto (TestOutcome) outcome = tool_run_status (0, "resolve");
  g_auto (TestOutcome) stats = tool_run_status (0, "resolve --stats");

  g_assert_nonnull (strstr (outcome.out, "strategy         model-embedded\n"));
  g_assert_nonnull (strstr (outcome.out, "tokens           2048\n"));
  g_assert_nonnull (strstr (outcome.out, "demo.gguf\n"));
  g_assert_nonnull (strstr (outcome.out, "1. model-embedded"));
  g_assert_cmpstr (outcome.err, ==, "");
  g_assert_nonnull (strstr (stats.out, "\nStatistics\n"));
  g_assert_nonnull (strstr (stats.out, "success-rate"));
}

/* What a terminal could take for a command is shown, not sent. */
static void
test_printable (ToolFixture *self, gconstpointer data)
{
  g_autofree char *model =
      tool_fixture_write (self, "a/b/m\x1b[31m.gguf", "no model", -1);
  g_auto (TestOutcome) found = tool_run_status (0, "resolve -m '%s'", model);
  g_auto (TestOutcome) failed =
      tool_run_status (1, "resolve --strict -m '%s'", model);
  const char *const texts[] = {found.out, found.err, failed.out, failed.err};

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_assert_null (strchr (texts[i], '\x1b'));
  g_assert_nonnull (strstr (found.out, "m\\x1b[31m.gguf"));
  g_assert_nonnull (strstr (failed.err, "\nTry:\n"));
}

static void
test_json (ToolFixture *self, gconstpointer data)
{
  g_auto (TestOutcome) outcome = tool_run_status (0, "resolve --json --stats");
  g_auto (TestOutcome) again = tool_run_status (0, "resolve --json");
  g_autoptr (JsonNode) node = parse (outcome.out);
  g_autoptr (JsonNode) second = parse (again.out);
  JsonObject *object = json_node_get_object (node);
  JsonObject *stats, *attempt;
  JsonArray *attempts;

  g_assert_cmpstr (get_string (node, "strategy"), ==, "model-embedded");
  g_assert_cmpstr (get_string (node, "kind"), ==, "gguf");
  g_assert_cmpint (json_object_get_int_member (object, "vocab_size"), ==, 2048);
  g_assert_false (json_object_get_boolean_member (object, "fallback"));
  g_assert_false (json_object_get_boolean_member (object, "from_cache"));
  attempts = json_object_get_array_member (object, "attempts");
  g_assert_cmpuint (json_array_get_length (attempts), ==, 1);
  attempt = json_array_get_object_element (attempts, 0);
  g_assert_cmpint (json_object_get_int_member (attempt, "priority"), ==, 100);
  stats = json_object_get_object_member (object, "stats");
  g_assert_cmpint (json_object_get_int_member (stats, "resolutions"), ==, 1);
  g_assert_true (json_object_has_member (
      json_object_get_object_member (stats, "strategies"), "model-embedded"));
  /* A second process remembers and tries nothing. */
  g_assert_true (json_object_get_boolean_member (
      json_node_get_object (second), "from_cache"));
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (
                        json_node_get_object (second), "attempts")),
      ==, 0);
}

/* Files beside something that is no model. */
static void
test_beside (ToolFixture *self, gconstpointer data)
{
  g_autofree char *model = write_nameless (self);
  g_auto (TestOutcome) outcome =
      tool_run_status (0, "resolve --json -m %s", model);
  g_autoptr (JsonNode) node = parse (outcome.out);

  g_assert_cmpstr (get_string (node, "strategy"), ==, "generic");
}

static void
test_failure (ToolFixture *self, gconstpointer data)
{
  g_autofree char *alone =
      tool_fixture_write (self, "c/d/model.gguf", "no model", -1);
  g_auto (TestOutcome) strict =
      tool_run_status (1, "resolve --strict -m %s", alone);
  g_auto (TestOutcome) json =
      tool_run_status (1, "resolve --strict --json -m %s", alone);
  g_auto (TestOutcome) lax = tool_run_status (0, "resolve -m %s", alone);
  g_auto (TestOutcome) given =
      tool_run_status (1, "resolve --tokenizer %s/gone.json", self->folder);
  g_autoptr (JsonNode) node = parse (json.out);
  JsonObject *object = json_node_get_object (node);

  g_assert_cmpstr (strict.out, ==, "");
  g_assert_true (g_str_has_prefix (strict.err, "bitnet resolve: "));
  g_assert_nonnull (strstr (strict.err, "1. model-embedded"));
  g_assert_nonnull (strstr (strict.err, "Try:\n  - "));
  g_assert_cmpstr (get_string (node, "code"), ==, "STRICT_MODE");
  g_assert_cmpuint (json_array_get_length (
                        json_object_get_array_member (object, "suggestions")),
      >, 0);
  g_assert_nonnull (strstr (lax.out, "strategy         backup\n"));
  g_assert_nonnull (strstr (lax.err, "bitnet resolve: warning: "));
  g_assert_nonnull (strstr (given.err, "gone.json"));
}

static void
test_openmetrics (ToolFixture *self, gconstpointer data)
{
  g_auto (TestOutcome) outcome = tool_run_status (0, "resolve --openmetrics");

  g_assert_nonnull (strstr (outcome.out, "\nbitnet_resolutions_total 1\n"));
  g_assert_nonnull (strstr (outcome.out,
      "\nbitnet_strategy_successes_total{strategy=\"model-embedded\"} 1\n"));
  g_assert_true (g_str_has_suffix (outcome.out, "\n# EOF\n"));
}

static void
test_cache_dir (ToolFixture *self, gconstpointer data)
{
  g_autofree char *folder = tool_fixture_path (self, "elsewhere");
  g_auto (TestOutcome) outcome =
      tool_run_status (0, "resolve --cache-dir %s", folder);

  g_assert_true (g_file_test (folder, G_FILE_TEST_IS_DIR));
}

static void
test_strategies (ToolFixture *self, gconstpointer data)
{
  static const struct {
    const char *order;
    struct {
      const char *name;
      int priority;
      gboolean needs_network;
    } expected[5];
  } cases[] = {
      {"local-first", {{"model-embedded", 100, FALSE}, {"generic", 80, FALSE},
                          {"local-cache", 60, FALSE}, {"huggingface", 40, TRUE},
                          {"backup", 20, FALSE}}},
      {"hub-first", {{"model-embedded", 100, FALSE}, {"huggingface", 80, TRUE},
                        {"local-cache", 60, FALSE}, {"generic", 40, FALSE},
                        {"backup", 20, FALSE}}},
  };
  g_auto (TestOutcome) table = tool_run_status (0, "strategies");

  g_assert_nonnull (strstr (table.out, "model-embedded        100  no\n"));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (TestOutcome) outcome = tool_run_status (
        0, "strategies --json --strategy-order %s", cases[i].order);
    g_autoptr (JsonNode) node = parse (outcome.out);
    JsonArray *array = json_node_get_array (node);

    g_assert_cmpuint (json_array_get_length (array), ==, 5);
    for (guint k = 0; k < 5; k++) {
      JsonObject *object = json_array_get_object_element (array, k);

      g_assert_cmpstr (json_object_get_string_member (object, "name"), ==,
          cases[i].expected[k].name);
      g_assert_cmpint (json_object_get_int_member (object, "priority"), ==,
          cases[i].expected[k].priority);
      g_assert_cmpint (
          json_object_get_boolean_member (object, "requires_network"), ==,
          cases[i].expected[k].needs_network);
    }
  }
}

static void
test_wrong (ToolFixture *self, gconstpointer data)
{
  static const struct {
    const char *line;
    const char *message;
  } cases[] = {
      {"resolve --strategy-order bogus", "bogus"},
      {"resolve model.gguf", "model.gguf"},
      {"resolve --timeout -3", "timeout"},
      {"resolve --json --openmetrics", "exclude"},
      {"resolve --auto-download --no-auto-download", "exclude"},
      {"resolve --fidelity bogus", "bogus"},
      {"strategies --strategy-order bogus", "bogus"},
      {"strategies all", "all"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (TestOutcome) outcome = tool_run_status (2, "%s", cases[i].line);

    g_assert_cmpstr (outcome.out, ==, "");
    g_assert_nonnull (strstr (outcome.err, cases[i].message));
  }
}

#define ADD(path, function)                                                    \
  g_test_add (path, ToolFixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_unsetenv ("BITNET_STRICT_TOKENIZERS");
  ADD ("/tool/resolve/rows", test_rows);
  ADD ("/tool/resolve/printable", test_printable);
  ADD ("/tool/resolve/B23/json", test_json);
  ADD ("/tool/resolve/beside", test_beside);
  ADD ("/tool/resolve/C29-C44/failure", test_failure);
  ADD ("/tool/resolve/C71/openmetrics", test_openmetrics);
  ADD ("/tool/resolve/C81/cache-dir", test_cache_dir);
  ADD ("/tool/strategies/B08", test_strategies);
  ADD ("/tool/resolve/wrong", test_wrong);
  return g_test_run ();
}
