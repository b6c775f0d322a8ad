/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of the hub client share. */
#include "hub-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

#include "bn-breaker.h"

enum {
  TOKENIZER_SIZE = 300 * 1000 + 7,
  TOKENIZER_SEED = 1,
  TIMEOUT_S = 20,
};

void
hub_fixture_init (int *argc, char ***argv)
{
  static const char *const names[] = {"BITNET_OFFLINE", "HF_HUB_OFFLINE",
      "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "HF_TOKEN",
      "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HOME",
      "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_ETAG_TIMEOUT",
      "HF_HUB_DOWNLOAD_TIMEOUT", "BITNET_DOWNLOAD_TIMEOUT",
      "BITNET_DETERMINISTIC", "BITNET_SEED", "HTTPS_PROXY", "HTTP_PROXY",
      "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "all_proxy",
      "no_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"};

  g_test_init (argc, argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_unsetenv (names[i]);
  g_setenv ("HF_TOKEN_PATH", "/nonexistent", TRUE);
}

void
hub_remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *below = g_build_filename (path, name, NULL);

    if (g_file_test (below, G_FILE_TEST_IS_DIR)
        && !g_file_test (below, G_FILE_TEST_IS_SYMLINK))
      hub_remove_tree (below);
    else
      g_remove (below);
  }
  g_rmdir (path);
}

void
hub_set_up (HubFixture *self, gconstpointer flags)
{
  g_autoptr (GError) error = NULL;

  memset (self, 0, sizeof *self);
  bn_breaker_reset ();
  self->hub = test_hub_new (GPOINTER_TO_UINT (flags));
  self->folder = g_dir_make_tmp ("bitnet-hub-XXXXXX", &error);
  g_assert_no_error (error);
  self->cache = bn_disk_cache_open (self->folder, &error);
  g_assert_no_error (error);
  bn_hub_options_init (&self->options);
  g_free (self->options.endpoint);
  self->options.endpoint = g_strdup (test_hub_get_endpoint (self->hub));
  self->options.backoff_base_ms = 1;
  self->options.backoff_cap_ms = 4;
  self->options.timeout_s = TIMEOUT_S;
  self->events =
      g_ptr_array_new_with_free_func ((GDestroyNotify) bitnet_progress_free);
  g_mutex_init (&self->lock);
}

void
hub_tear_down (HubFixture *self, gconstpointer flags)
{
  g_clear_pointer (&self->client, bn_hub_client_unref);
  test_hub_free (self->hub);
  bn_disk_cache_unref (self->cache);
  bn_hub_options_clear (&self->options);
  g_ptr_array_unref (self->events);
  g_mutex_clear (&self->lock);
  hub_remove_tree (self->folder);
  g_free (self->folder);
}

void
hub_add_test_full (const char *path, TestHubFlags flags,
    void (*test) (HubFixture *, gconstpointer))
{
  g_test_add (path, HubFixture, GUINT_TO_POINTER (flags), hub_set_up, test,
      hub_tear_down);
}

void
hub_add_test (const char *path, void (*test) (HubFixture *, gconstpointer))
{
  hub_add_test_full (path, 0, test);
}

BnHubClient *
hub_client (HubFixture *self)
{
  g_autoptr (GError) error = NULL;

  if (!self->client) {
    self->client = bn_hub_client_new (&self->options, self->cache, &error);
    g_assert_no_error (error);
  }
  return self->client;
}

void
hub_renew_client (HubFixture *self)
{
  g_clear_pointer (&self->client, bn_hub_client_unref);
  hub_client (self);
}

GBytes *
hub_make_noise (gsize size, guint seed)
{
  guint32 *words = g_new (guint32, size / sizeof (guint32) + 1);
  guint32 state = seed * 2654435761u + 1;

  for (gsize i = 0; i <= size / sizeof *words; i++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return g_bytes_new_take (words, size);
}

GBytes *
hub_dup_usual_tokenizer (void)
{
  return hub_make_noise (TOKENIZER_SIZE, TOKENIZER_SEED);
}

void
hub_add_noise (HubFixture *self, const char *name, gsize size)
{
  g_autoptr (GBytes) bytes = hub_make_noise (size, g_str_hash (name));

  test_hub_add_file (self->hub, REPO, name, g_bytes_get_data (bytes, NULL),
      (gssize) size, TRUE);
}

void
hub_add_usual (HubFixture *self)
{
  static const char *const others[] = {"README.md", ".gitattributes",
      "model.safetensors", "pytorch_model.bin", "vocab.json", "merges.txt",
      "tokenizer.model", "sub/tokenizer.json", "a.py", "b.py", "onnx/x.onnx"};
  g_autoptr (GBytes) tokenizer = hub_dup_usual_tokenizer ();

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    test_hub_add_file (self->hub, REPO, others[i], "unwanted", -1, FALSE);
  test_hub_add_file (self->hub, REPO, "tokenizer.json",
      g_bytes_get_data (tokenizer, NULL), TOKENIZER_SIZE, TRUE);
  test_hub_add_file (self->hub, REPO, "tokenizer_config.json",
      "{\"add_bos_token\": true}", -1, FALSE);
  test_hub_add_file (
      self->hub, REPO, "config.json", "{\"vocab_size\": 7}", -1, FALSE);
}

void
hub_on_progress (const BitnetProgress *progress, gpointer fixture)
{
  HubFixture *self = fixture;

  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->events, bitnet_progress_copy (progress));
  g_mutex_unlock (&self->lock);
}

BnManifest *
hub_fetch (HubFixture *self, gboolean *is_stale, GError **error)
{
  return bn_hub_client_fetch_tokenizer (hub_client (self), REPO, NULL, is_stale,
      hub_on_progress, self, NULL, error);
}

char *
hub_fetch_file (HubFixture *self, const char *name, GError **error)
{
  return bn_hub_client_fetch_file (hub_client (self), REPO, NULL, name, NULL,
      hub_on_progress, self, NULL, error);
}

void
hub_assert_error (const GError *error, BitnetError code)
{
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  if (!g_error_matches (error, BITNET_ERROR, (int) code))
    g_error ("%s %d: %s, expected %s", g_quark_to_string (error->domain),
        error->code, error->message, bitnet_error_get_name (code));
}

GBytes *
hub_read (HubFixture *self, const BnManifest *manifest, const char *name)
{
  const BnCachedFile *file = bn_manifest_find (manifest, name);
  g_autoptr (GError) error = NULL;
  GBytes *bytes;

  g_assert_nonnull (file);
  bytes = bn_disk_cache_read (self->cache, file, NULL, &error);
  g_assert_no_error (error);
  return bytes;
}

void
hub_assert_content (
    HubFixture *self, const BnManifest *manifest, const char *name)
{
  g_autoptr (GBytes) found = hub_read (self, manifest, name);
  g_autoptr (GBytes) expected = hub_dup_usual_tokenizer ();

  g_assert_true (g_bytes_equal (found, expected));
}

guint64
hub_get_stat (HubFixture *self, const char *name)
{
  g_autoptr (GVariant) stats = bn_hub_client_dup_stats (hub_client (self));
  guint64 value;

  g_assert_true (g_variant_lookup (stats, name, "t", &value));
  return value;
}

guint
hub_count_leftovers (HubFixture *self, const char *suffix)
{
  g_autofree char *tmp = g_build_filename (self->folder, "v1", "tmp", NULL);
  g_autoptr (GDir) dir = g_dir_open (tmp, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir && (name = g_dir_read_name (dir)) != NULL)
    n += g_str_has_suffix (name, suffix);
  return n;
}

void
hub_make_stale (HubFixture *self)
{
  g_autoptr (BnManifest) manifest =
      bn_disk_cache_lookup (self->cache, self->options.endpoint, REPO, "main");
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (manifest);
  manifest->fetched_at -= self->options.max_age_s + 1;
  bn_disk_cache_save (self->cache, manifest, &error);
  g_assert_no_error (error);
}

BnManifest *
hub_fetch_good (HubFixture *self)
{
  g_autoptr (GError) error = NULL;
  gboolean is_stale = TRUE;
  BnManifest *manifest = hub_fetch (self, &is_stale, &error);

  g_assert_no_error (error);
  g_assert_false (is_stale);
  return manifest;
}

void
hub_assert_log (HubFixture *self, const char *expected)
{
  g_auto (GStrv) lines = test_hub_dup_log (self->hub);
  g_autofree char *text = g_strjoinv ("\n", lines);

  g_assert_cmpstr (text, ==, expected);
}
