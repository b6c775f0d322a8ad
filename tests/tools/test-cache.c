/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet cache: what was fetched from a hub, which is in this process, is
 * listed, counted, verified, pruned and cleared. */
#include <json-glib/json-glib.h>
#include <string.h>

#include "test-hub.h"
#include "test-vocab.h"
#include "tool-fixture.h"

#define MODEL_REPO "owner/model"
#define TOKENIZER_REPO "owner/tokenizer"

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

/* A model and a tokenizer. */
static void
fill (ToolFixture *self)
{
  g_autoptr (TestHub) hub = test_hub_new (0);
  g_autofree char *json = test_vocab_new_json (300);
  g_autofree char *model =
      tool_fixture_write (self, "a/b/model.gguf", "no model", -1);
  g_auto (TestOutcome) pull = {0};
  g_auto (TestOutcome) resolve = {0};

  test_hub_add_repo (hub, MODEL_REPO, TEST_HUB_COMMIT);
  test_hub_add_file (hub, MODEL_REPO, "m.gguf", "GGUF", 4, TRUE);
  test_hub_add_repo (hub, TOKENIZER_REPO, TEST_HUB_COMMIT);
  test_hub_add_file (hub, TOKENIZER_REPO, "tokenizer.json", json, -1, FALSE);
  pull = tool_run_status (0, "pull --endpoint %s hf://" MODEL_REPO "/m.gguf",
      test_hub_get_endpoint (hub));
  resolve = tool_run_status (0,
      "resolve --endpoint %s --tokenizer-repo " TOKENIZER_REPO " -m %s",
      test_hub_get_endpoint (hub), model);
}

static JsonNode *
run_json (const char *line)
{
  g_auto (TestOutcome) outcome = tool_run_status (0, "cache %s --json", line);
  g_autoptr (GError) error = NULL;
  JsonNode *node = json_from_string (outcome.out, &error);

  g_assert_no_error (error);
  return node;
}

static guint
count_repositories (const char *kind)
{
  g_autoptr (JsonNode) node = run_json ("list");

  return json_array_get_length (
      json_object_get_array_member (json_node_get_object (node), kind));
}

static gint64
get_count (const char *kind, const char *member)
{
  g_autoptr (JsonNode) node = run_json ("stats");

  return json_object_get_int_member (
      json_object_get_object_member (json_node_get_object (node), kind),
      member);
}

static void
test_empty (ToolFixture *self, gconstpointer data)
{
  g_auto (TestOutcome) list = tool_run_status (0, "cache list");
  g_auto (TestOutcome) verify = tool_run_status (0, "cache verify");
  g_auto (TestOutcome) prune = tool_run_status (0, "cache prune");
  g_auto (TestOutcome) clear = tool_run_status (0, "cache clear");

  g_assert_cmpstr (list.out, ==, "");
  g_assert_nonnull (strstr (verify.out, "0 checked, 0 broken"));
  g_assert_nonnull (strstr (prune.out, "0 files removed"));
  g_assert_nonnull (strstr (clear.out, "0 files removed"));
  g_assert_cmpint (get_count ("models", "repositories"), ==, 0);
}

static void
test_list (ToolFixture *self, gconstpointer data)
{
  g_auto (TestOutcome) outcome = {0};
  g_auto (TestOutcome) models = {0};

  fill (self);
  outcome = tool_run_status (0, "cache list");
  models = tool_run_status (0, "cache list --models");
  g_assert_nonnull (strstr (outcome.out, MODEL_REPO "@main\n"));
  g_assert_nonnull (strstr (outcome.out, TOKENIZER_REPO "@main\n"));
  g_assert_nonnull (strstr (models.out, MODEL_REPO));
  g_assert_null (strstr (models.out, TOKENIZER_REPO));
  g_assert_cmpuint (count_repositories ("models"), ==, 1);
  g_assert_cmpuint (count_repositories ("tokenizers"), ==, 1);
}

static void
test_stats (ToolFixture *self, gconstpointer data)
{
  g_auto (TestOutcome) metrics = {0};
  g_auto (TestOutcome) rows = {0};

  fill (self);
  g_assert_cmpint (get_count ("models", "repositories"), ==, 1);
  g_assert_cmpint (get_count ("models", "size"), ==, 4);
  g_assert_cmpint (get_count ("tokenizers", "repositories"), ==, 1);
  g_assert_cmpint (get_count ("tokenizers", "stores"), >, 0);
  rows = tool_run_status (0, "cache stats --tokenizers");
  g_assert_true (g_str_has_prefix (rows.out, "tokenizers\n"));
  g_assert_nonnull (strstr (rows.out, "hit-rate"));
  metrics = tool_run_status (0, "cache stats --openmetrics");
  g_assert_nonnull (
      strstr (metrics.out, "\nbitnet_cache_repositories{folder="));
  g_assert_true (g_str_has_suffix (metrics.out, "\n# EOF\n"));
}

/* Damages every file below a folder that is as long as size says. */
static guint
damage (const char *path, gsize size)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *child = g_build_filename (path, name, NULL);
    g_autofree char *contents = NULL;
    gsize length;

    if (g_file_test (child, G_FILE_TEST_IS_DIR)) {
      n += damage (child, size);
    } else if (g_file_get_contents (child, &contents, &length, NULL)
               && length == size) {
      g_assert_true (g_file_set_contents (child, "BAD!", 4, NULL));
      n++;
    }
  }
  return n;
}

static void
test_verify (ToolFixture *self, gconstpointer data)
{
  g_autofree char *folder = tool_fixture_path (self, "cache/models");
  g_auto (TestOutcome) good = {0};
  g_auto (TestOutcome) bad = {0};
  g_auto (TestOutcome) repaired = {0};
  g_auto (TestOutcome) after = {0};

  fill (self);
  good = tool_run_status (0, "cache verify");
  g_assert_cmpuint (damage (folder, 4), >, 0);
  bad = tool_run_status (1, "cache verify --models");
  g_assert_nonnull (strstr (bad.out, "m.gguf"));
  repaired = tool_run_status (0, "cache verify --models --repair");
  after = tool_run_status (0, "cache verify --models");
  g_assert_nonnull (strstr (after.out, " 0 broken"));
}

static void
test_prune (ToolFixture *self, gconstpointer data)
{
  g_auto (TestOutcome) nothing = {0};
  g_auto (TestOutcome) all = {0};

  fill (self);
  nothing = tool_run_status (0, "cache prune --max-age 1d");
  g_assert_cmpuint (count_repositories ("models"), ==, 1);
  g_assert_cmpuint (count_repositories ("tokenizers"), ==, 1);
  all = tool_run_status (0, "cache prune --models --max-size 0");
  g_assert_nonnull (strstr (all.out, "1 files removed, 4 bytes freed"));
  g_assert_cmpint (get_count ("models", "size"), ==, 0);
  g_assert_cmpint (get_count ("tokenizers", "size"), >, 0);
}

static void
test_clear (ToolFixture *self, gconstpointer data)
{
  g_auto (TestOutcome) one = {0};
  g_auto (TestOutcome) all = {0};

  fill (self);
  one = tool_run_status (0, "cache clear " MODEL_REPO);
  g_assert_cmpuint (count_repositories ("models"), ==, 0);
  g_assert_cmpuint (count_repositories ("tokenizers"), ==, 1);
  all = tool_run_status (0, "cache clear");
  g_assert_cmpuint (count_repositories ("tokenizers"), ==, 0);
}

static void
test_wrong (ToolFixture *self, gconstpointer data)
{
  static const struct {
    const char *line;
    const char *message;
  } cases[] = {
      {"cache", "found nothing"},
      {"cache empty", "found \"empty\""},
      {"cache list owner/name", "owner/name"},
      {"cache clear a/b c/d", "c/d"},
      {"cache list --max-size 1", "--max-size belongs to prune"},
      {"cache prune --max-size many", "found \"many\""},
      {"cache prune --max-size -1", "found \"-1\""},
      {"cache prune --max-age 3y", "found \"3y\""},
      {"cache list --openmetrics", "belongs to stats"},
      {"cache stats --json --openmetrics", "exclude"},
      {"cache list --cache-dir /tmp", "--tokenizers or --models"},
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
  g_unsetenv ("BITNET_OFFLINE");
  ADD ("/tool/cache/empty", test_empty);
  ADD ("/tool/cache/C26/list", test_list);
  ADD ("/tool/cache/C99/stats", test_stats);
  ADD ("/tool/cache/C26/verify", test_verify);
  ADD ("/tool/cache/C26/prune", test_prune);
  ADD ("/tool/cache/C26/clear", test_clear);
  ADD ("/tool/cache/wrong", test_wrong);
  return g_test_run ();
}
