/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetHub: references to files, split models, what other programs have
 * fetched, properties, the asynchronous form. */
#include <glib/gstdio.h>
#include <string.h>

#include "bitnet.h"
#include "hub-fixture.h"

#define TOKEN "hf_very_secret_token"

enum { SIZE = 100 * 1000 };

static BitnetHub *
new_hub (HubFixture *self)
{
  BitnetHub *hub = bitnet_hub_new ();

  g_object_set (hub, "endpoint", self->options.endpoint, "cache-dir",
      self->folder, "retries", 0, NULL);
  return hub;
}

static void
assert_file (const char *path, const char *name)
{
  g_autoptr (GBytes) expected = hub_make_noise (SIZE, g_str_hash (name));
  g_autofree char *contents = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  g_assert_cmpmem (contents, size, g_bytes_get_data (expected, NULL), SIZE);
}

static void
add_models (HubFixture *self)
{
  static const char *const names[] = {"m-Q8_0.gguf", "m-Q4_K_M.gguf",
      "big/m-Q2_K-00001-of-00002.gguf", "big/m-Q2_K-00002-of-00002.gguf",
      "mmproj-F16.gguf", "README.md"};

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    hub_add_noise (self, names[i], SIZE);
}

static void
test_references (HubFixture *self, gconstpointer data)
{
  static const struct {
    const char *reference, *name;
  } cases[] = {
      {"hf://" REPO "/m-Q8_0.gguf", "m-Q8_0.gguf"},
      {"hf://" REPO "@" TEST_HUB_COMMIT "/m-Q8_0.gguf", "m-Q8_0.gguf"},
      {"hf.co/" REPO, "m-Q4_K_M.gguf"},
      {REPO ":q8_0", "m-Q8_0.gguf"},
      {"huggingface.co/" REPO ":Q2_K", "big/m-Q2_K-00001-of-00002.gguf"},
  };

  add_models (self);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetHub) hub = new_hub (self);
    g_autoptr (GError) error = NULL;
    g_autofree char *path = bitnet_hub_fetch_model (
        hub, cases[i].reference, NULL, NULL, NULL, NULL, &error);

    g_assert_no_error (error);
    g_assert_true (g_str_has_suffix (path, cases[i].name));
    assert_file (path, cases[i].name);
  }
}

/* All parts, side by side. */
static void
test_split (HubFixture *self, gconstpointer data)
{
  g_autoptr (BitnetHub) hub = new_hub (self);
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  g_autoptr (GString) second = NULL;
  const BitnetProgress *last;

  add_models (self);
  path = bitnet_hub_fetch_model (
      hub, REPO ":Q2_K", NULL, hub_on_progress, self, NULL, &error);
  g_assert_no_error (error);
  second = g_string_new (path);
  g_string_replace (second, "-00001-", "-00002-", 1);
  assert_file (path, "big/m-Q2_K-00001-of-00002.gguf");
  assert_file (second->str, "big/m-Q2_K-00002-of-00002.gguf");
  last = g_ptr_array_index (self->events, self->events->len - 1);
  g_assert_cmpuint (last->file_index, ==, 1);
  g_assert_cmpuint (last->n_files, ==, 2);
}

static void
test_errors (HubFixture *self, gconstpointer data)
{
  static const struct {
    const char *reference;
    BitnetError code;
  } cases[] = {{"nonsense", BITNET_ERROR_INVALID_ARGUMENT},
      {"hf://" REPO "/../x", BITNET_ERROR_INVALID_ARGUMENT},
      {REPO ":Q3_K", BITNET_ERROR_ENTRY_NOT_FOUND},
      {"hf://" REPO "/none.gguf", BITNET_ERROR_ENTRY_NOT_FOUND},
      {"hf://" REPO "@none/m-Q8_0.gguf", BITNET_ERROR_REVISION_NOT_FOUND},
      {"hf.co/owner/none", BITNET_ERROR_REPO_NOT_FOUND},
      {"hf.co/owner/empty", BITNET_ERROR_ENTRY_NOT_FOUND}};
  g_autoptr (BitnetHub) hub = new_hub (self);

  add_models (self);
  test_hub_add_repo (self->hub, "owner/empty", TEST_HUB_COMMIT);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (bitnet_hub_fetch_model (
        hub, cases[i].reference, NULL, NULL, NULL, NULL, &error));
    hub_assert_error (error, cases[i].code);
  }
  {
    g_autoptr (GError) error = NULL;

    g_assert_null (bitnet_hub_fetch_model (
        hub, REPO ":Q3_K", "xyz", NULL, NULL, NULL, &error));
    hub_assert_error (error, BITNET_ERROR_INVALID_ARGUMENT);
  }
}

/* Offline, what is here is found by its label too. */
static void
test_offline (HubFixture *self, gconstpointer data)
{
  g_autoptr (BitnetHub) hub = new_hub (self);
  g_autoptr (BitnetHub) offline = new_hub (self);
  g_autoptr (GError) error = NULL;
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autofree char *third = NULL;

  add_models (self);
  g_object_set (offline, "offline", TRUE, NULL);
  g_assert_null (bitnet_hub_fetch_model (
      offline, REPO ":Q8_0", NULL, NULL, NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_OFFLINE);
  g_clear_error (&error);
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 0);
  first = bitnet_hub_fetch_model (
      hub, REPO ":Q8_0", NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  test_hub_clear_log (self->hub);
  second = bitnet_hub_fetch_model (
      offline, REPO ":Q8_0", NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (first, ==, second);
  third =
      bitnet_hub_fetch_model (offline, REPO, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (first, ==, third);
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 0);
}

/* Of a split model the hub's own client has one part only. A model is opened by
 * its first part and has the others beside it, so none of it is of use. */
static void
test_half_in_other_cache (HubFixture *self, gconstpointer data)
{
  static const char *const names[] = {
      "big/m-Q2_K-00001-of-00002.gguf", "big/m-Q2_K-00002-of-00002.gguf"};
  g_autofree char *root = g_build_filename (self->folder, "hf", NULL);
  g_autofree char *snapshot = g_build_filename (
      root, "models--owner--name", "snapshots", TEST_HUB_COMMIT, "big", NULL);
  g_autofree char *refs =
      g_build_filename (root, "models--owner--name", "refs", NULL);
  g_autofree char *ref = g_build_filename (refs, "main", NULL);
  g_autoptr (BitnetHub) hub = new_hub (self);
  g_autoptr (BitnetHub) offline = new_hub (self);

  add_models (self);
  g_object_set (offline, "offline", TRUE, NULL);
  g_mkdir_with_parents (snapshot, 0700);
  g_mkdir_with_parents (refs, 0700);
  g_file_set_contents (ref, TEST_HUB_COMMIT, -1, NULL);
  g_setenv ("HF_HUB_CACHE", root, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *base = g_path_get_basename (names[i]);
    g_autofree char *file = g_build_filename (snapshot, base, NULL);
    g_autoptr (GBytes) bytes = hub_make_noise (SIZE, g_str_hash (names[i]));
    g_autoptr (GError) error = NULL;
    g_autofree char *path = NULL;
    g_autoptr (GString) second = NULL;

    g_file_set_contents (file, g_bytes_get_data (bytes, NULL), SIZE, NULL);
    g_ptr_array_set_size (self->events, 0);
    path = bitnet_hub_fetch_model (i == 0 ? hub : offline, REPO ":Q2_K", NULL,
        hub_on_progress, self, NULL, &error);
    g_assert_no_error (error);
    second = g_string_new (path);
    g_string_replace (second, "-00001-", "-00002-", 1);
    assert_file (path, names[0]);
    assert_file (second->str, names[1]);
    g_object_set (offline, "cache-dir", root, NULL); /* which is empty */
    g_assert_true (g_str_has_prefix (path, root) == (i == 1));
  }
  g_assert_cmpuint (self->events->len, ==, G_N_ELEMENTS (names));
  g_unsetenv ("HF_HUB_CACHE");
}

/* What the hub's own client has fetched is used where it lies. */
static void
test_other_cache (HubFixture *self, gconstpointer data)
{
  g_autofree char *root = g_build_filename (self->folder, "hf", NULL);
  g_autofree char *repo = g_build_filename (root, "models--owner--name", NULL);
  g_autofree char *refs = g_build_filename (repo, "refs", NULL);
  g_autofree char *snapshot =
      g_build_filename (repo, "snapshots", TEST_HUB_COMMIT, NULL);
  g_autofree char *blobs = g_build_filename (repo, "blobs", NULL);
  g_autoptr (GBytes) bytes = hub_make_noise (SIZE, g_str_hash ("m-Q8_0.gguf"));
  g_autofree char *sha256 =
      g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);
  g_autofree char *wrong = g_strnfill (64, 'a');
  g_autofree char *blob = g_build_filename (blobs, sha256, NULL);
  g_autofree char *target = g_strconcat ("../../blobs/", sha256, NULL);
  g_autofree char *link = g_build_filename (snapshot, "m-Q8_0.gguf", NULL);
  g_autofree char *ref = g_build_filename (refs, "main", NULL);
  g_autoptr (BitnetHub) hub = new_hub (self);
  g_autoptr (GError) error = NULL;
  g_autoptr (GFile) file = g_file_new_for_path (link);
  g_autofree char *path = NULL;

  g_mkdir_with_parents (refs, 0700);
  g_mkdir_with_parents (blobs, 0700);
  g_mkdir_with_parents (snapshot, 0700);
  g_file_set_contents (blob, g_bytes_get_data (bytes, NULL), SIZE, NULL);
  g_file_set_contents (ref, TEST_HUB_COMMIT, -1, NULL);
  g_file_make_symbolic_link (file, target, NULL, &error);
  g_assert_no_error (error);
  g_setenv ("HF_HUB_CACHE", root, TRUE);
  g_object_set (hub, "offline", TRUE, NULL);
  path = bitnet_hub_fetch_model (
      hub, REPO ":Q8_0", sha256, hub_on_progress, self, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_suffix (path, "/m-Q8_0.gguf"));
  assert_file (path, "m-Q8_0.gguf");
  g_assert_true (
      ((BitnetProgress *) g_ptr_array_index (self->events, 0))->cached);
  /* Another digest is another file. */
  g_assert_null (bitnet_hub_fetch_model (
      hub, REPO ":Q8_0", wrong, NULL, NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_OFFLINE);
  g_unsetenv ("HF_HUB_CACHE");
}

static void
test_properties (HubFixture *self, gconstpointer data)
{
  g_autoptr (BitnetHub) hub = NULL;
  g_autofree char *endpoint = NULL;
  GParamSpec *token;
  gboolean offline;
  guint timeout, retries;

  g_setenv ("BITNET_OFFLINE", "1", TRUE);
  g_setenv ("HF_ENDPOINT", "https://mirror.example//", TRUE);
  g_setenv ("HF_HUB_DOWNLOAD_TIMEOUT", "33", TRUE);
  hub = bitnet_hub_new ();
  g_unsetenv ("BITNET_OFFLINE");
  g_unsetenv ("HF_ENDPOINT");
  g_unsetenv ("HF_HUB_DOWNLOAD_TIMEOUT");
  g_object_get (hub, "endpoint", &endpoint, "offline", &offline, "timeout",
      &timeout, "retries", &retries, NULL);
  g_assert_cmpstr (endpoint, ==, "https://mirror.example");
  g_assert_true (offline);
  g_assert_cmpuint (timeout, ==, 33);
  g_assert_cmpuint (retries, ==, 4);
  g_object_set (hub, "offline", FALSE, "token", TOKEN, "revision", "v1",
      "allow-insecure", TRUE, NULL);
  g_object_get (hub, "offline", &offline, NULL);
  g_assert_false (offline);
  token = g_object_class_find_property (G_OBJECT_GET_CLASS (hub), "token");
  g_assert_false (token->flags & G_PARAM_READABLE);
}

static void
test_is_reference (void)
{
  static const struct {
    const char *text;
    gboolean is_reference;
  } cases[] = {{"hf://a/b/m.gguf", TRUE}, {"hf.co/a/b:Q8_0", TRUE},
      {"huggingface.co/a/b", TRUE}, {"https://huggingface.co/a/b", TRUE},
      {"a/b", TRUE}, {"a/b:Q8_0", TRUE}, {"models/m.gguf", FALSE},
      {"a/b/c", FALSE}, {"m.gguf", FALSE}, {"/a/b", FALSE}, {"./a/b", FALSE},
      {"", FALSE}, {"~/a", FALSE}, {"models/huggingface.co/a/m.gguf", FALSE},
      {"models/m.json", FALSE}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_test_message ("%s", cases[i].text);
    g_assert_true (
        bitnet_hub_is_reference (cases[i].text) == cases[i].is_reference);
  }
  /* A path that exists is a path. */
  {
    g_autofree char *folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
    g_autofree char *current = g_get_current_dir ();

    g_chdir (folder);
    g_assert_true (bitnet_hub_is_reference ("owner/name"));
    g_mkdir ("owner", 0700);
    g_mkdir ("owner/name", 0700);
    g_assert_false (bitnet_hub_is_reference ("owner/name"));
    g_chdir (current);
    hub_remove_tree (folder);
  }
}

/* The asynchronous form */

typedef struct {
  GMainLoop *loop;
  GThread *thread;
  char *path;
  GError *error;
  guint n_progress;
  gboolean is_destroyed, is_done;
} Outcome;

static void
on_progress (const BitnetProgress *progress, gpointer user_data)
{
  Outcome *outcome = user_data;

  g_assert_true (g_thread_self () == outcome->thread);
  g_assert_false (outcome->is_done || outcome->is_destroyed);
  g_assert_cmpstr (progress->repository, ==, REPO);
  outcome->n_progress++;
}

static void
on_destroy (gpointer user_data)
{
  Outcome *outcome = user_data;

  g_assert_true (g_thread_self () == outcome->thread);
  g_assert_false (outcome->is_destroyed || outcome->is_done);
  outcome->is_destroyed = TRUE;
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  g_assert_true (g_thread_self () == outcome->thread);
  outcome->is_done = TRUE;
  outcome->path = bitnet_hub_fetch_model_finish (
      BITNET_HUB (source), result, &outcome->error);
  g_main_loop_quit (outcome->loop);
}

static void
test_async (HubFixture *self, gconstpointer data)
{
  g_autoptr (BitnetHub) hub = new_hub (self);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Outcome outcome = {.loop = loop, .thread = g_thread_self ()};

  add_models (self);
  bitnet_hub_fetch_model_async (hub, "hf.co/" REPO, NULL, G_PRIORITY_DEFAULT,
      NULL, on_progress, &outcome, on_destroy, on_done, &outcome);
  g_assert_false (outcome.is_done);
  g_main_loop_run (loop);
  g_assert_no_error (outcome.error);
  assert_file (outcome.path, "m-Q4_K_M.gguf");
  g_assert_cmpuint (outcome.n_progress, >, 2);
  g_assert_true (outcome.is_destroyed);
  g_free (outcome.path);
}

static gboolean
on_time (gpointer user_data)
{
  g_cancellable_cancel (user_data);
  return G_SOURCE_REMOVE;
}

static void
test_async_cancel (HubFixture *self, gconstpointer data)
{
  g_autoptr (BitnetHub) hub = new_hub (self);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Outcome outcome = {.loop = loop, .thread = g_thread_self ()};

  add_models (self);
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "storage *", .delay_ms = 60000});
  bitnet_hub_fetch_model_async (hub, "hf.co/" REPO, NULL, G_PRIORITY_DEFAULT,
      cancellable, on_progress, &outcome, on_destroy, on_done, &outcome);
  g_timeout_add (50, on_time, cancellable);
  g_main_loop_run (loop);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (outcome.is_destroyed);
  g_clear_error (&outcome.error);
}

static void
test_stats (HubFixture *self, gconstpointer data)
{
  g_autoptr (BitnetHub) hub = new_hub (self);
  g_autoptr (GVariant) before = bitnet_hub_dup_stats (hub);
  g_autoptr (GVariant) after = NULL;
  g_autofree char *path = NULL;
  guint64 value;

  g_assert_true (g_variant_lookup (before, "requests", "t", &value));
  g_assert_cmpuint (value, ==, 0);
  add_models (self);
  path =
      bitnet_hub_fetch_model (hub, "hf.co/" REPO, NULL, NULL, NULL, NULL, NULL);
  after = bitnet_hub_dup_stats (hub);
  g_assert_true (g_variant_lookup (after, "bytes-received", "t", &value));
  g_assert_cmpuint (value, >=, SIZE);
}

int
main (int argc, char **argv)
{
  hub_fixture_init (&argc, &argv);
  g_setenv ("HF_HUB_CACHE", "/nonexistent", TRUE);
  hub_add_test ("/fetch-model/references", test_references);
  hub_add_test ("/fetch-model/split", test_split);
  hub_add_test ("/fetch-model/errors", test_errors);
  hub_add_test ("/fetch-model/offline", test_offline);
  hub_add_test ("/fetch-model/other-cache", test_other_cache);
  hub_add_test ("/fetch-model/half-in-other-cache", test_half_in_other_cache);
  hub_add_test ("/fetch-model/properties", test_properties);
  g_test_add_func ("/fetch-model/is-reference", test_is_reference);
  hub_add_test ("/fetch-model/async", test_async);
  hub_add_test ("/fetch-model/async-cancel", test_async_cancel);
  hub_add_test ("/fetch-model/stats", test_stats);
  return g_test_run ();
}
