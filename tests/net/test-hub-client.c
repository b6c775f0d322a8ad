/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hub client where the hub is well: what is asked for, how often, what is
 * in the cache afterwards, what is not sent. */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "bn-breaker.h"
#include "bn-hub-client-private.h"
#include "hub-fixture.h"

static int
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* Files are fetched side by side, so their requests come in any order. */
static void
assert_log_in_any_order (HubFixture *self, const char *expected)
{
  g_auto (GStrv) found = test_hub_dup_log (self->hub);
  g_auto (GStrv) wanted = g_strsplit (expected, "\n", -1);
  guint n = g_strv_length (found);

  qsort (found, n, sizeof *found, compare_lines);
  qsort (wanted, g_strv_length (wanted), sizeof *wanted, compare_lines);
  for (guint i = 0; i < n && wanted[i]; i++)
    g_assert_cmpstr (found[i], ==, wanted[i]);
  g_assert_cmpuint (n, ==, g_strv_length (wanted));
}

static void
test_success (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnManifest) manifest = NULL;
  g_autofree char *sha256 = NULL;
  g_autofree char *log = NULL;
  g_autoptr (GBytes) usual = hub_dup_usual_tokenizer ();

  hub_add_usual (self);
  test_hub_set_info (
      self->hub, REPO, "\"cardData\":{\"base_model\":\"base/model\"}");
  manifest = hub_fetch_good (self);
  sha256 = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, usual);
  log = g_strdup_printf (
      "hub GET /api/models/" REPO "/revision/main\n"
      "hub GET /" REPO "/resolve/" TEST_HUB_COMMIT "/tokenizer.json\n"
      "storage GET /blob/%s\n"
      "hub GET /" REPO "/resolve/" TEST_HUB_COMMIT "/tokenizer_config.json\n"
      "hub GET /" REPO "/resolve/" TEST_HUB_COMMIT "/config.json",
      sha256);
  assert_log_in_any_order (self, log);
  g_assert_cmpstr (manifest->commit, ==, TEST_HUB_COMMIT);
  g_assert_cmpuint (manifest->files->len, ==, 3);
  g_assert_cmpstr (manifest->base_models[0], ==, "base/model");
  hub_assert_content (self, manifest, "tokenizer.json");
  /* One to the storage, and one for each file that is asked for at a time. */
  g_assert_cmpuint (test_hub_get_n_connections (self->hub), >=, 2);
  g_assert_cmpuint (test_hub_get_n_connections (self->hub), <=, 4);
  g_assert_cmpuint (hub_get_stat (self, "connections"), ==,
      test_hub_get_n_connections (self->hub));
  g_assert_cmpuint (hub_count_leftovers (self, ""), ==, 0);
}

static void
test_again (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnManifest) first = NULL;
  g_autoptr (BnManifest) second = NULL;
  const BitnetProgress *last;

  hub_add_usual (self);
  first = hub_fetch_good (self);
  test_hub_clear_log (self->hub);
  hub_renew_client (self); /* as after a restart */
  g_ptr_array_set_size (self->events, 0);
  second = hub_fetch_good (self);
  hub_assert_log (self, "");
  hub_assert_content (self, second, "tokenizer.json");
  g_assert_cmpuint (hub_get_stat (self, "cache-hits"), ==, 1);
  g_assert_cmpuint (self->events->len, ==, 1);
  last = g_ptr_array_index (self->events, 0);
  g_assert_true (last->cached);
  g_assert_cmpint ((gint64) last->bytes_done, ==, last->bytes_total);
  /* Nothing was asked, so there is no thread and no socket. */
  g_assert_false (bn_http_is_running (self->client->shared.http));
}

static void
test_offline (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) manifest = NULL;
  gboolean is_stale = FALSE;

  hub_add_usual (self);
  manifest = hub_fetch_good (self);
  hub_make_stale (self);
  test_hub_clear_log (self->hub);
  self->options.offline = TRUE;
  hub_renew_client (self);
  g_clear_pointer (&manifest, bn_manifest_free);
  manifest = hub_fetch (self, &is_stale, &error);
  g_assert_no_error (error);
  g_assert_true (is_stale);
  g_assert_null (bn_hub_client_fetch_tokenizer (
      self->client, "other/repo", NULL, NULL, NULL, NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_OFFLINE);
  g_assert_nonnull (strstr (error->message, "other/repo"));
  g_assert_nonnull (strstr (error->message, self->folder));
  g_clear_error (&error);
  g_assert_null (hub_fetch_file (self, "m.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_OFFLINE);
  g_clear_error (&error);
  g_assert_null (bn_hub_client_list (self->client, REPO, NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_OFFLINE);
  hub_assert_log (self, "");
  g_assert_false (bn_http_is_running (self->client->shared.http));
}

typedef struct {
  const char *files; /* that there are */
  const char *main;  /* those of them that are fetched; NULL: none */
} Choice;

static void
test_choices (HubFixture *self, gconstpointer data)
{
  static const Choice choices[] = {
      {"tokenizer.json tokenizer.model vocab.json merges.txt",
          "tokenizer.json"},
      {"tokenizer.model vocab.json merges.txt", "tokenizer.model"},
      {"spiece.model vocab.txt", "spiece.model"},
      {"sentencepiece.bpe.model", "sentencepiece.bpe.model"},
      {"spm.model", "spm.model"},
      {"tekken.json", "tekken.json"},
      {"vocab.json merges.txt", "vocab.json merges.txt"},
      {"vocab.json vocab.txt", "vocab.txt"},
      {"original/tokenizer.model params.json", "original/tokenizer.model"},
      {"merges.txt", NULL},
      {"vocab.json", NULL},
      {"sub/tokenizer.json README.md", NULL},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (choices); i++) {
    g_autofree char *repo = g_strdup_printf ("owner/choice%" G_GSIZE_FORMAT, i);
    g_auto (GStrv) files = g_strsplit (choices[i].files, " ", -1);
    g_auto (GStrv) wanted =
        g_strsplit (choices[i].main ? choices[i].main : "", " ", -1);
    g_autoptr (GError) error = NULL;
    g_autoptr (BnManifest) manifest = NULL;

    g_test_message ("%s", choices[i].files);
    test_hub_add_repo (self->hub, repo, TEST_HUB_COMMIT);
    for (gsize j = 0; files[j]; j++)
      test_hub_add_file (self->hub, repo, files[j], files[j], -1, FALSE);
    test_hub_add_file (
        self->hub, repo, "special_tokens_map.json", "{}", -1, FALSE);
    manifest = bn_hub_client_fetch_tokenizer (
        hub_client (self), repo, NULL, NULL, NULL, NULL, NULL, &error);
    if (!choices[i].main) {
      hub_assert_error (error, BITNET_ERROR_ENTRY_NOT_FOUND);
      g_assert_cmpuint (test_hub_count (self->hub, "*resolve*"), ==, 0);
    } else {
      g_assert_no_error (error);
      g_assert_cmpuint (manifest->files->len, ==, g_strv_length (wanted) + 1);
      for (gsize j = 0; wanted[j]; j++)
        g_assert_nonnull (bn_manifest_find (manifest, wanted[j]));
    }
    test_hub_clear_log (self->hub);
  }
}

/* The answers have no tokenizer; nobody asks again at once. */
static void
test_absent (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_ENTRY_NOT_FOUND);
  g_clear_error (&error);
  test_hub_clear_log (self->hub);
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_ENTRY_NOT_FOUND);
  hub_assert_log (self, "");
}

/* A repository of models alone: that it has no tokenizer says nothing about
 * its files. */
static void
test_absent_tokenizer (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  hub_add_noise (self, "m.gguf", 1000);
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_ENTRY_NOT_FOUND);
  g_clear_error (&error);
  path = hub_fetch_file (self, "m.gguf", &error);
  g_assert_no_error (error);
  test_hub_clear_log (self->hub);
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_ENTRY_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "tokenizer"));
  hub_assert_log (self, "");
}

static void
test_revision (HubFixture *self, gconstpointer data)
{
  static const char *const revisions[] = {TEST_HUB_COMMIT, "refs/pr/1"};
  g_autoptr (GError) error = NULL;

  hub_add_usual (self);
  test_hub_add_branch (self->hub, REPO, "refs/pr/1", TEST_HUB_COMMIT);
  for (gsize i = 0; i < G_N_ELEMENTS (revisions); i++) {
    g_autoptr (BnManifest) manifest = bn_hub_client_fetch_tokenizer (
        hub_client (self), REPO, revisions[i], NULL, NULL, NULL, NULL, &error);

    g_assert_no_error (error);
    g_assert_cmpstr (manifest->commit, ==, TEST_HUB_COMMIT);
  }
  g_assert_cmpuint (
      test_hub_count (self->hub, "hub GET /api/*/refs%2Fpr%2F1*"), ==, 1);
  /* Equal content is not fetched twice. */
  g_assert_cmpuint (test_hub_count (self->hub, "storage *"), ==, 1);
  g_assert_null (bn_hub_client_fetch_tokenizer (
      hub_client (self), REPO, "nobranch", NULL, NULL, NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_REVISION_NOT_FOUND);
}

/* Old, but the branch has not moved: one question. */
static void
test_unchanged (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnManifest) first = NULL;
  g_autoptr (BnManifest) second = NULL;

  hub_add_usual (self);
  first = hub_fetch_good (self);
  hub_make_stale (self);
  test_hub_clear_log (self->hub);
  second = hub_fetch_good (self);
  hub_assert_log (self, "hub HEAD /" REPO "/resolve/main/tokenizer.json");
  test_hub_clear_log (self->hub);
  bn_manifest_free (g_steal_pointer (&second));
  second = hub_fetch_good (self); /* fresh again */
  hub_assert_log (self, "");
}

/* The branch has moved: only what has changed is fetched, and all of one
 * commit. */
static void
test_moved (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnManifest) first = NULL;
  g_autoptr (BnManifest) second = NULL;
  g_autoptr (GBytes) config = NULL;

  hub_add_usual (self);
  first = hub_fetch_good (self);
  hub_make_stale (self);
  test_hub_commit (self->hub, REPO, TEST_HUB_COMMIT_2);
  test_hub_add_file (self->hub, REPO, "config.json", "{\"new\": 1}", -1, FALSE);
  test_hub_clear_log (self->hub);
  second = hub_fetch_good (self);
  hub_assert_log (self,
      "hub HEAD /" REPO "/resolve/main/tokenizer.json\n"
      "hub GET /api/models/" REPO "/revision/main\n"
      "hub GET /" REPO "/resolve/" TEST_HUB_COMMIT_2 "/config.json");
  g_assert_cmpstr (second->commit, ==, TEST_HUB_COMMIT_2);
  config = hub_read (self, second, "config.json");
  g_assert_cmpmem (g_bytes_get_data (config, NULL), g_bytes_get_size (config),
      "{\"new\": 1}", strlen ("{\"new\": 1}"));
  hub_assert_content (self, second, "tokenizer.json");
}

/* The hub does not answer: what is there counts, and says so. */
static void
test_stale (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) first = NULL;
  g_autoptr (BnManifest) second = NULL;
  gboolean is_stale = FALSE;

  hub_add_usual (self);
  first = hub_fetch_good (self);
  hub_make_stale (self);
  test_hub_clear_log (self->hub);
  test_hub_add_fault (self->hub, &(TestFault){.status = 503});
  second = hub_fetch (self, &is_stale, &error);
  g_assert_no_error (error);
  g_assert_true (is_stale);
  hub_assert_content (self, second, "tokenizer.json");
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 1); /* no retries */
}

/* An object was evicted: the manifest alone is not enough. */
static void
test_evicted (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnManifest) first = NULL;
  g_autoptr (BnManifest) second = NULL;
  g_autofree char *objects =
      g_build_filename (self->folder, "v1", "objects", NULL);

  hub_add_usual (self);
  first = hub_fetch_good (self);
  hub_remove_tree (objects);
  test_hub_clear_log (self->hub);
  second = hub_fetch_good (self);
  hub_assert_content (self, second, "tokenizer.json");
  g_assert_cmpuint (test_hub_count (self->hub, "storage GET *"), ==, 1);
}

/* Of several files one was evicted: with the rest alone the tokenizer would be
 * another one. */
static void
test_evicted_config (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) first = NULL;
  g_autoptr (BnManifest) second = NULL;
  g_autoptr (BnManifest) third = NULL;
  const char *sha256;
  g_autofree char *below = NULL;
  g_autofree char *path = NULL;
  gboolean is_stale;

  hub_add_usual (self);
  first = hub_fetch_good (self);
  sha256 = bn_manifest_find (first, "tokenizer_config.json")->sha256;
  below = g_strdup_printf ("v1/objects/%.2s/%s", sha256, sha256);
  path = g_build_filename (self->folder, below, NULL);
  g_assert_cmpint (g_remove (path), ==, 0);
  test_hub_clear_log (self->hub);
  second = hub_fetch_good (self);
  g_assert_cmpuint (second->files->len, ==, 3);
  g_assert_cmpuint (second->n_evicted, ==, 0);
  g_assert_cmpuint (test_hub_count (self->hub, "storage *"), ==, 0);
  /* Nobody can be asked: better that than nothing. */
  g_assert_cmpint (g_remove (path), ==, 0);
  self->options.offline = TRUE;
  hub_renew_client (self);
  third = hub_fetch (self, &is_stale, &error);
  g_assert_no_error (error);
  g_assert_true (is_stale);
  g_assert_cmpuint (third->files->len, ==, 2);
  g_assert_cmpuint (third->n_evicted, ==, 1);
}

/* A mirror without an API: the names that are known are asked for. */
static void
test_no_api (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnManifest) manifest = NULL;
  g_autoptr (GError) error = NULL;

  hub_add_usual (self);
  manifest = hub_fetch_good (self);
  g_assert_cmpstr (manifest->commit, ==, TEST_HUB_COMMIT);
  g_assert_cmpuint (manifest->files->len, ==, 3);
  hub_assert_content (self, manifest, "tokenizer.json");
  g_assert_cmpuint (test_hub_count (self->hub, "hub GET /api*"), ==, 1);
  g_assert_cmpuint (test_hub_count (self->hub, "hub HEAD *merges.txt*"), ==, 0);
  test_hub_add_repo (self->hub, "owner/bpe", TEST_HUB_COMMIT);
  test_hub_add_file (self->hub, "owner/bpe", "vocab.json", "{}", -1, FALSE);
  test_hub_add_file (self->hub, "owner/bpe", "merges.txt", "#", -1, FALSE);
  bn_manifest_free (g_steal_pointer (&manifest));
  manifest = bn_hub_client_fetch_tokenizer (
      self->client, "owner/bpe", NULL, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (manifest->files->len, ==, 2);
  test_hub_add_repo (self->hub, "owner/none", TEST_HUB_COMMIT);
  g_assert_null (bn_hub_client_fetch_tokenizer (
      self->client, "owner/none", NULL, NULL, NULL, NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_ENTRY_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (bn_hub_client_fetch_tokenizer (
      self->client, "owner/nowhere", NULL, NULL, NULL, NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_REPO_NOT_FOUND);
}

static void
test_list (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnHubListing) listing = NULL;

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  for (guint i = 0; i < 10000; i++) {
    g_autofree char *name = g_strdup_printf ("folder/file-%u.bin", i);

    test_hub_add_file (self->hub, REPO, name, "x", -1, i % 2);
  }
  test_hub_add_file (self->hub, REPO, "../../evil", "x", -1, FALSE);
  test_hub_add_file (self->hub, REPO, "/etc/evil", "x", -1, FALSE);
  listing = bn_hub_client_list (hub_client (self), REPO, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (listing->files->len, ==, 10000);
  g_assert_cmpstr (listing->commit, ==, TEST_HUB_COMMIT);
}

static void
test_names (HubFixture *self, gconstpointer data)
{
  static const struct {
    const char *repository, *revision, *file;
  } cases[] = {{"a/b/c", NULL, "m"}, {"../b", NULL, "m"}, {"", NULL, "m"},
      {NULL, NULL, "m"}, {"a/b", "..", "m"}, {"a/b", "", "m"},
      {"a/b", NULL, "../m"}, {"a/b", NULL, "/m"}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (
        bn_hub_client_fetch_file (hub_client (self), cases[i].repository,
            cases[i].revision, cases[i].file, NULL, NULL, NULL, NULL, &error));
    hub_assert_error (error, BITNET_ERROR_INVALID_ARGUMENT);
  }
  hub_assert_log (self, "");
}

/* A file of any size, by its name. */
static void
test_file (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autofree char *contents = NULL;
  gsize size;
  g_autoptr (GBytes) expected =
      hub_make_noise (3000000, g_str_hash ("sub/m.gguf"));

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  hub_add_noise (self, "sub/m.gguf", 3000000);
  first = hub_fetch_file (self, "sub/m.gguf", &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (first, &contents, &size, NULL));
  g_assert_cmpmem (contents, size, g_bytes_get_data (expected, NULL),
      g_bytes_get_size (expected));
  g_assert_true (g_str_has_suffix (first, "/sub/m.gguf"));
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 3);
  second = hub_fetch_file (self, "sub/m.gguf", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (first, ==, second);
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 3);
  g_assert_cmpuint (hub_count_leftovers (self, ""), ==, 0);
  g_assert_null (hub_fetch_file (self, "none.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_ENTRY_NOT_FOUND);
}

static void
test_file_digest (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *right = NULL;
  g_autofree char *wrong = g_strnfill (64, 'a');
  g_autofree char *path = NULL;
  g_autoptr (GBytes) bytes = hub_make_noise (70000, g_str_hash ("m.gguf"));

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  hub_add_noise (self, "m.gguf", 70000);
  test_hub_add_file (self->hub, REPO, "small", "text", -1, FALSE);
  right = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);
  g_assert_null (bn_hub_client_fetch_file (hub_client (self), REPO, NULL,
      "m.gguf", wrong, NULL, NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_DIGEST);
  g_assert_cmpuint (test_hub_count (self->hub, "* GET *"), ==, 0);
  g_clear_error (&error);
  /* Git's digest of a small file says nothing about SHA-256. */
  g_assert_null (bn_hub_client_fetch_file (
      hub_client (self), REPO, NULL, "small", wrong, NULL, NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_DIGEST);
  g_clear_error (&error);
  g_assert_null (bn_hub_client_fetch_file (
      hub_client (self), REPO, NULL, "small", "abc", NULL, NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  path = bn_hub_client_fetch_file (
      hub_client (self), REPO, NULL, "m.gguf", right, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
}

/* A file that lies there is the one that is wanted only if its digest says so,
 * be it that another call wanted none or that another hub had other ideas. */
static void
test_file_here (HubFixture *self, gconstpointer data)
{
  g_autofree char *wrong = g_strnfill (64, 'a');
  g_autofree char *right =
      g_compute_checksum_for_string (G_CHECKSUM_SHA256, "text", -1);
  g_autoptr (GError) error = NULL;
  g_autofree char *small = NULL;
  g_autofree char *model = NULL;
  g_autofree char *again = NULL;
  g_autofree char *by_commit = NULL;
  g_autofree char *contents = NULL;
  g_autofree char *folder = NULL;
  gsize size;

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  test_hub_add_file (self->hub, REPO, "small", "text", -1, FALSE);
  hub_add_noise (self, "m.gguf", 70000);
  small = hub_fetch_file (self, "small", &error);
  g_assert_no_error (error);
  g_assert_null (bn_hub_client_fetch_file (
      self->client, REPO, NULL, "small", wrong, NULL, NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_DIGEST);
  g_clear_error (&error);
  again = bn_hub_client_fetch_file (
      self->client, REPO, NULL, "small", right, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again, ==, small);
  /* Nobody has noted what this is. */
  model = bn_disk_cache_dup_file_path (
      self->cache, REPO, TEST_HUB_COMMIT, "m.gguf");
  folder = g_path_get_dirname (model);
  g_mkdir_with_parents (folder, 0700);
  g_file_set_contents (model, "something else", -1, NULL);
  g_free (again);
  again = hub_fetch_file (self, "m.gguf", &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (again, &contents, &size, NULL));
  g_assert_cmpuint (size, ==, 70000);
  /* The same by its commit: it is known, and noted. */
  test_hub_clear_log (self->hub);
  by_commit = bn_hub_client_fetch_file (self->client, REPO, TEST_HUB_COMMIT,
      "m.gguf", NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (by_commit, ==, again);
  hub_assert_log (
      self, "hub HEAD /" REPO "/resolve/" TEST_HUB_COMMIT "/m.gguf");
  g_free (by_commit);
  by_commit = bn_hub_client_fetch_file (self->client, REPO, TEST_HUB_COMMIT,
      "m.gguf", NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 1);
}

/* Progress: the repository before the first byte, never back, first and last,
 * not too often. */
static void
test_progress (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnManifest) manifest = NULL;
  guint64 done = 0;
  gboolean has_first = FALSE, has_last = FALSE;
  const BitnetProgress *event;

  hub_add_usual (self);
  manifest = hub_fetch_good (self);
  event = g_ptr_array_index (self->events, 0);
  g_assert_cmpint (event->phase, ==, BITNET_PHASE_QUERYING);
  g_assert_cmpstr (event->repository, ==, REPO);
  for (guint i = 0; i < self->events->len; i++) {
    event = g_ptr_array_index (self->events, i);
    g_assert_cmpstr (event->repository, ==, REPO);
    if (g_strcmp0 (event->file, "tokenizer.json") != 0)
      continue;
    g_assert_cmpuint (event->n_files, ==, 3);
    g_assert_cmpuint (event->file_index, ==, 0);
    g_assert_cmpint (event->bytes_total, ==, 300007);
    g_assert_cmpuint (event->bytes_done, >=, done);
    done = event->bytes_done;
    has_first = has_first || done == 0;
    has_last = has_last
               || (event->phase == BITNET_PHASE_DOWNLOADING && done == 300007);
  }
  g_assert_true (has_first && has_last);
  g_assert_cmpuint (self->events->len, <, 30);
}

/* While bytes come one by one: news at least twice a second, by the clock of
 * the bytes, which is as slow as the machine. */
static void
test_interval (HubFixture *self, gconstpointer data)
{
  enum { N_BYTES = 60, BYTE_MS = 20, MAX_INTERVAL_MS = 500 };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  guint64 done = 0;
  guint n_events = 0;

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  hub_add_noise (self, "m.gguf", N_BYTES);
  test_hub_add_fault (self->hub,
      &(TestFault){
          .path = "storage *", .flags = TEST_FAULT_DRIP, .delay_ms = BYTE_MS});
  path = bn_hub_client_fetch_file (hub_client (self), REPO, NULL, "m.gguf",
      NULL, hub_on_progress, self, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < self->events->len; i++) {
    const BitnetProgress *event = g_ptr_array_index (self->events, i);

    if (event->phase != BITNET_PHASE_DOWNLOADING)
      continue;
    g_assert_cmpuint (event->bytes_done, >=, done);
    g_assert_cmpuint (event->bytes_done - done, <=, MAX_INTERVAL_MS / BYTE_MS);
    done = event->bytes_done;
    n_events++;
  }
  g_assert_cmpuint (done, ==, N_BYTES);
  g_assert_cmpuint (n_events, >=, N_BYTES * BYTE_MS / MAX_INTERVAL_MS);
}

typedef struct {
  HubFixture *fixture;
  const char *file; /* NULL: the tokenizer */
  GError *error;
} Job;

static gpointer
run_job (gpointer data)
{
  Job *job = data;
  g_autoptr (BnManifest) manifest = NULL;
  g_autofree char *path = NULL;

  if (job->file)
    path = hub_fetch_file (job->fixture, job->file, &job->error);
  else
    manifest = hub_fetch (job->fixture, NULL, &job->error);
  return NULL;
}

/* Many ask at once, one downloads. */
static void
test_single_flight (HubFixture *self, gconstpointer data)
{
  GThread *threads[8];
  Job jobs[G_N_ELEMENTS (threads)] = {0};

  hub_add_usual (self);
  hub_client (self);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++) {
    jobs[i].fixture = self;
    threads[i] = g_thread_new (NULL, run_job, &jobs[i]);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++) {
    g_thread_join (threads[i]);
    g_assert_no_error (jobs[i].error);
  }
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 5);
  g_assert_cmpuint (
      hub_get_stat (self, "waits-shared") + hub_get_stat (self, "cache-hits"),
      >=, 7);
}

/* The same with a single file. */
static void
test_single_file (HubFixture *self, gconstpointer data)
{
  GThread *threads[6];
  Job jobs[G_N_ELEMENTS (threads)] = {0};

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  hub_add_noise (self, "m.gguf", 100000);
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "storage *", .delay_ms = 100});
  hub_client (self);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++) {
    jobs[i].fixture = self;
    jobs[i].file = "m.gguf";
    threads[i] = g_thread_new (NULL, run_job, &jobs[i]);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++) {
    g_thread_join (threads[i]);
    g_assert_no_error (jobs[i].error);
  }
  g_assert_cmpuint (test_hub_count (self->hub, "* GET *"), ==, 2);
}

/* At most four transfers at a time. */
static void
test_parallel (HubFixture *self, gconstpointer data)
{
  GThread *threads[12];
  Job jobs[G_N_ELEMENTS (threads)] = {0};
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "storage *", .delay_ms = 50});
  hub_client (self);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++) {
    g_ptr_array_add (names, g_strdup_printf ("m%" G_GSIZE_FORMAT, i));
    hub_add_noise (self, g_ptr_array_index (names, i), 100000);
    jobs[i].fixture = self;
    jobs[i].file = g_ptr_array_index (names, i);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new (NULL, run_job, &jobs[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++) {
    g_thread_join (threads[i]);
    g_assert_no_error (jobs[i].error);
  }
  g_assert_cmpuint (test_hub_get_max_parallel (self->hub), ==, 4);
}

/* Eight files of one tokenizer. The first four come at a time, or nothing
 * would come at all; the fifth does not come before one of them is there. */
static void
test_files_at_a_time (HubFixture *self, gconstpointer data)
{
  static const char *const names[] = {"tokenizer.json", "tokenizer_config.json",
      "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
      "chat_template.json", "config.json", "generation_config.json"};
  guint64 done[G_N_ELEMENTS (names)] = {0};
  g_autoptr (BnManifest) manifest = NULL;

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    hub_add_noise (self, names[i], 200000 + i);
  test_hub_gather (self->hub, "storage *", 4);
  manifest = hub_fetch_good (self);
  g_assert_cmpuint (manifest->files->len, ==, G_N_ELEMENTS (names));
  g_assert_cmpuint (test_hub_get_max_parallel (self->hub), ==, 4);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    const BnCachedFile *file = g_ptr_array_index (manifest->files, i);
    g_autoptr (GBytes) content = hub_read (self, manifest, names[i]);
    g_autoptr (GBytes) expected =
        hub_make_noise (200000 + i, g_str_hash (names[i]));

    g_assert_cmpstr (file->name, ==, names[i]); /* in their order */
    g_assert_cmpmem (g_bytes_get_data (content, NULL),
        g_bytes_get_size (content), g_bytes_get_data (expected, NULL),
        200000 + i);
  }
  /* Of each file progress never falls, whatever the others do. */
  for (guint i = 0; i < self->events->len; i++) {
    const BitnetProgress *event = g_ptr_array_index (self->events, i);

    if (!event->file)
      continue;
    g_assert_cmpuint (event->n_files, ==, G_N_ELEMENTS (names));
    g_assert_cmpuint (event->file_index, <, G_N_ELEMENTS (names));
    g_assert_cmpstr (event->file, ==, names[event->file_index]);
    g_assert_cmpuint (event->bytes_done, >=, done[event->file_index]);
    done[event->file_index] = event->bytes_done;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_cmpuint (done[i], ==, 200000 + i);
}

/* Without sockets: the hub keeps its ends of connections open. */
static guint
count_descriptors (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  const char *name;
  guint n = 0;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename ("/proc/self/fd", name, NULL);
    g_autofree char *target = g_file_read_link (path, NULL);

    n += target && !g_str_has_prefix (target, "socket:");
  }
  return n;
}

/* Whatever becomes of a call, it leaves no file open. */
static void
test_descriptors (HubFixture *self, gconstpointer data)
{
  guint before = 0;

  hub_add_usual (self);
  hub_add_noise (self, "m.gguf", 200000);
  self->options.retries = 0;
  for (guint i = 0; i < 8; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (BnManifest) manifest = NULL;
    g_autofree char *path = NULL;

    test_hub_clear_faults (self->hub);
    test_hub_add_fault (self->hub, &(TestFault){.path = "storage *",
                                       .flags = TEST_FAULT_CUT,
                                       .bytes = 1000,
                                       .count = 2});
    g_assert_null (hub_fetch (self, NULL, &error));
    g_clear_error (&error);
    g_assert_null (hub_fetch_file (self, "m.gguf", &error));
    g_clear_error (&error);
    g_assert_null (hub_fetch_file (self, "none.gguf", &error));
    g_clear_error (&error);
    manifest = hub_fetch (self, NULL, &error);
    g_assert_no_error (error);
    path = hub_fetch_file (self, "m.gguf", &error);
    g_assert_no_error (error);
    g_variant_unref (bn_disk_cache_clear (self->cache, NULL, NULL, NULL));
    g_clear_pointer (&self->client, bn_hub_client_unref);
    bn_breaker_reset ();
    if (i == 1)
      before = count_descriptors ();
  }
  g_assert_cmpuint (count_descriptors (), <=, before);
}

static void
test_stats (HubFixture *self, gconstpointer data)
{
  static const char *const counters[] = {"requests", "responses-2xx",
      "responses-3xx", "responses-4xx", "responses-5xx", "bytes-received",
      "bytes-resumed", "cache-hits", "waits-shared", "retries",
      "breaker-openings", "connections"};
  static const guint64 expected[] = {6, 4, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0};
  g_autoptr (BnManifest) manifest = NULL;
  g_autoptr (GVariant) stats = NULL;
  double seconds;

  hub_add_usual (self);
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "*/api/*", .status = 503, .count = 1});
  manifest = hub_fetch_good (self);
  for (gsize i = 0; i < G_N_ELEMENTS (counters); i++) {
    g_test_message ("%s", counters[i]);
    if (g_str_equal (counters[i], "connections"))
      g_assert_cmpuint (hub_get_stat (self, counters[i]), ==,
          test_hub_get_n_connections (self->hub));
    else if (g_str_equal (counters[i], "bytes-received"))
      g_assert_cmpuint (hub_get_stat (self, counters[i]), >, 300007);
    else
      g_assert_cmpuint (hub_get_stat (self, counters[i]), ==, expected[i]);
  }
  stats = bn_hub_client_dup_stats (self->client);
  g_assert_true (g_variant_lookup (stats, "seconds", "d", &seconds));
  g_assert_cmpfloat (seconds, >, 0);
  g_assert_true (g_variant_lookup (stats, "first-byte-ms", "d", &seconds));
  g_assert_cmpfloat (seconds, >, 0);
}

int
main (int argc, char **argv)
{
  hub_fixture_init (&argc, &argv);
  hub_add_test ("/hub/A01-A05-C24/success", test_success);
  hub_add_test ("/hub/A10/A18/again", test_again);
  hub_add_test ("/hub/C32/offline", test_offline);
  hub_add_test ("/hub/A09/A11/choices", test_choices);
  hub_add_test ("/hub/absent", test_absent);
  hub_add_test ("/hub/absent-tokenizer", test_absent_tokenizer);
  hub_add_test ("/hub/A13/revision", test_revision);
  hub_add_test ("/hub/unchanged", test_unchanged);
  hub_add_test ("/hub/moved", test_moved);
  hub_add_test ("/hub/C83/stale", test_stale);
  hub_add_test ("/hub/evicted", test_evicted);
  hub_add_test ("/hub/evicted-config", test_evicted_config);
  hub_add_test_full ("/hub/no-api", TEST_HUB_NO_API, test_no_api);
  hub_add_test ("/hub/A07/list", test_list);
  hub_add_test ("/hub/names", test_names);
  hub_add_test ("/hub/A12/file", test_file);
  hub_add_test ("/hub/file-digest", test_file_digest);
  hub_add_test ("/hub/file-here", test_file_here);
  hub_add_test ("/hub/C22/progress", test_progress);
  hub_add_test ("/hub/C22/interval", test_interval);
  hub_add_test ("/hub/single-flight", test_single_flight);
  hub_add_test ("/hub/single-file", test_single_file);
  hub_add_test ("/hub/A05/parallel", test_parallel);
  hub_add_test ("/hub/files-at-a-time", test_files_at_a_time);
  hub_add_test ("/hub/descriptors", test_descriptors);
  hub_add_test ("/hub/C23/stats", test_stats);
  return g_test_run ();
}
