/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was found once: neither asked for nor looked for again, in memory and on
 * disk, as long as nothing that it depends on has changed; and what of it is
 * told again. */
#include <glib/gstdio.h>
#include <string.h>
#include <utime.h>
#include "bitnet-tokenizer-private.h"
#include "resolve-fixture.h"
#include "test-folder.h"

/* Fetched once; after that neither this process nor, with what is on disk,
 * another one asks. */
static void
test_fetch (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetResolver) second = bitnet_resolver_new ();
  g_autoptr (GVariant) fetched = NULL;
  g_autoptr (GVariant) again = NULL;
  g_autofree char *record = NULL;
  guint n_requests;

  resolve_publish (fixture, ORIGIN);
  fetched = resolve_expect (fixture, resolver, "huggingface");
  g_assert_cmpstr (resolve_get_string (fetched, "repository"), ==, ORIGIN);
  g_assert_cmpstr (resolve_get_string (fetched, "commit"), ==, TEST_HUB_COMMIT);
  g_assert_cmpstr (resolve_get_string (fetched, "kind"), ==, "hub");
  g_assert_false (resolve_get_boolean (fetched, "from-cache"));
  n_requests = resolve_count_all (fixture);
  g_assert_cmpuint (n_requests, >, 0);
  for (guint i = 0; i < 100; i++) {
    g_autoptr (GVariant) resolution =
        resolve_expect (fixture, second, "huggingface");

    g_assert_true (resolve_get_boolean (resolution, "from-cache"));
  }
  g_assert_cmpuint (resolve_count_all (fixture), ==, n_requests);

  /* Without the record, from the cache of files. */
  record = g_build_filename (fixture->cache, "v1", "resolutions", NULL);
  g_assert_cmpuint (test_folder_count (record), ==, 1);
  test_folder_remove (g_steal_pointer (&record));
  again = resolve_expect (fixture, second, "local-cache");
  g_assert_true (resolve_get_boolean (again, "from-cache"));
  g_assert_cmpuint (resolve_count_all (fixture), ==, n_requests);
}

/* Writes garbage over what the cache has of a content. */
static void
spoil_object (ResolveFixture *fixture, GBytes *content)
{
  g_autofree char *sha256 =
      g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, content);
  g_autofree char *start = g_strndup (sha256, 2);
  g_autofree char *plain =
      g_build_filename (fixture->cache, "v1", "objects", start, sha256, NULL);
  g_autofree char *packed = g_strconcat (plain, ".zst", NULL);
  const char *path = g_file_test (plain, G_FILE_TEST_EXISTS) ? plain : packed;
  g_autofree char *garbage = NULL;
  g_autoptr (GError) error = NULL;
  GStatBuf info;

  g_assert_cmpint (g_stat (path, &info), ==, 0);
  garbage = g_strnfill ((gsize) info.st_size, 'x');
  g_file_set_contents_full (path, garbage, (gssize) info.st_size,
      G_FILE_SET_CONTENTS_NONE, 0600, &error);
  g_assert_no_error (error);
}

/* The next time, what was fetched is not even opened: its digest finds the
 * tables that were made of it. */
static void
test_compiled (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) content = NULL;
  g_autofree char *id = NULL;
  const char *name;

  fixture->family = bn_matrix_find (bn_matrix_get (), "llama-3");
  g_assert_nonnull (fixture->family);
  content = test_family_make_tokenizer (fixture->family, &name);
  g_assert_cmpstr (name, ==, "tokenizer.json");
  g_free (fixture->model);
  fixture->model = resolve_write_model (fixture, "large",
      &(TestFamilyModel){
          .name = "Model", .origin = "https://huggingface.co/" ORIGIN});
  resolve_publish (fixture, ORIGIN);
  g_setenv ("BITNET_COMPILED", "1", TRUE);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (GError) error = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = bitnet_resolver_resolve_reference (
        resolver, fixture->model, NULL, NULL, &error);

    g_assert_no_error (error);
    g_assert_cmpint (
        bitnet_tokenizer_get_inner (tokenizer)->vocab->compiled != NULL, ==,
        i > 0);
    g_assert_cmpstr (bitnet_tokenizer_get_chat_template (tokenizer), ==,
        "{{ messages[0].content }}");
    if (i == 0) {
      id = g_strdup (bitnet_tokenizer_get_id (tokenizer));
      spoil_object (fixture, content);
    }
    g_assert_cmpstr (bitnet_tokenizer_get_id (tokenizer), ==, id);
  }
  g_setenv ("BITNET_COMPILED", "0", TRUE);
}

/* A branch that was asked for long ago is asked for again; if the hub is away,
 * what is here is used with a warning. */
static void
age_manifests (ResolveFixture *fixture)
{
  g_autofree char *folder =
      g_build_filename (fixture->cache, "v1", "sources", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *text = NULL;
    g_autofree char *aged = NULL;
    g_autoptr (GRegex) regex =
        g_regex_new ("(\"fetched-at\"\\s*:\\s*)[0-9]+", 0, 0, NULL);

    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    aged = g_regex_replace (regex, text, -1, 0, "\\g<1>1000000000", 0, NULL);
    g_assert_cmpstr (aged, !=, text);
    g_assert_true (g_file_set_contents (path, aged, -1, NULL));
  }
}

static void
forget_records (ResolveFixture *fixture)
{
  test_folder_remove (
      g_build_filename (fixture->cache, "v1", "resolutions", NULL));
}

static void
test_stale (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) asked = NULL;
  g_autoptr (GVariant) alone = NULL;
  g_autofree const char **warnings = NULL;
  guint n_requests;

  resolve_publish (fixture, ORIGIN);
  g_variant_unref (resolve_expect (fixture, resolver, "huggingface"));
  n_requests = resolve_count_all (fixture);
  forget_records (fixture);
  age_manifests (fixture);
  asked = resolve_expect (fixture, resolver, "local-cache");
  g_assert_cmpuint (resolve_count_all (fixture), ==, n_requests + 1);

  forget_records (fixture);
  age_manifests (fixture);
  test_hub_add_fault (fixture->hub, &(TestFault){.status = 503});
  alone = resolve_expect (fixture, resolver, "local-cache");
  g_variant_lookup (alone, "warnings", "^a&s", &warnings);
  g_assert_nonnull (warnings[0]);
  g_assert_nonnull (strstr (warnings[0], ORIGIN));
}

/* A record of a branch ends with the time for which the branch is trusted, and
 * what could not be compared with the hub is not remembered as if it had. */
static void
test_stale_record (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  guint n_requests;

  resolve_publish (fixture, ORIGIN);
  g_variant_unref (resolve_expect (fixture, resolver, "huggingface"));
  n_requests = resolve_count_all (fixture);
  age_manifests (fixture);
  g_variant_unref (resolve_expect (fixture, resolver, "local-cache"));
  g_assert_cmpuint (resolve_count_all (fixture), ==, n_requests + 1);

  age_manifests (fixture);
  test_hub_add_fault (fixture->hub, &(TestFault){.status = 503});
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GVariant) alone =
        resolve_expect (fixture, resolver, "local-cache");
    g_autofree const char **warnings = NULL;

    g_variant_lookup (alone, "warnings", "^a&s", &warnings);
    g_assert_nonnull (warnings[0]);
  }
  test_hub_clear_faults (fixture->hub);
  n_requests = resolve_count_all (fixture);
  g_variant_unref (resolve_expect (fixture, resolver, "local-cache"));
  g_assert_cmpuint (resolve_count_all (fixture), ==, n_requests + 1);
}

/* Records that somebody else has written: none is believed, none does harm. */
static void
test_hostile_records (ResolveFixture *fixture, gconstpointer data)
{
  static const char *const texts[] = {"", "{", "[]", "{}", "null", "\xff",
      "{\"strategy\":7,\"source\":[],\"kind\":{}}",
      "{\"kind\":\"gguf\",\"path\":\"/\",\"strategy\":\"x\","
      "\"source\":\"y\"}",
      "{\"kind\":\"bytes\",\"path\":\"/dev/zero\",\"state\":\"\","
      "\"strategy\":\"x\",\"source\":\"y\"}",
      NULL};
  g_autofree char *folder =
      g_build_filename (fixture->cache, "v1", "resolutions", NULL);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autofree char *path = NULL;
  g_autofree char *right = NULL;
  g_autofree char *odd = NULL;
  g_autofree const char **warnings = NULL;
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (GRegex) regex =
      g_regex_new ("(\"warnings\"\\s*:\\s*\\[)\\s*\\]", 0, 0, NULL);

  resolve_publish (fixture, ORIGIN);
  g_variant_unref (resolve_expect (fixture, resolver, "huggingface"));
  {
    g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);

    path = g_build_filename (folder, g_dir_read_name (dir), NULL);
    g_assert_true (g_file_get_contents (path, &right, NULL, NULL));
  }
  for (gsize i = 0; texts[i]; i++) {
    g_assert_true (g_file_set_contents (path, texts[i], -1, NULL));
    g_variant_unref (resolve_expect (fixture, resolver, "local-cache"));
  }
  odd = g_regex_replace (
      regex, right, -1, 0, "\\1{}, 7, null, [], \"odd\"]", 0, NULL);
  g_assert_true (g_file_set_contents (path, odd, -1, NULL));
  g_assert_cmpstr (odd, !=, right);
  resolution = resolve_expect (fixture, resolver, "huggingface");
  g_assert_true (resolve_get_boolean (resolution, "from-cache"));
  g_variant_lookup (resolution, "warnings", "^a&s", &warnings);
  g_assert_cmpuint (g_strv_length ((char **) warnings), ==, 1);
  g_assert_cmpstr (warnings[0], ==, "odd");
}

/* What is doubtful is said again each time. */
static void
count_warning (
    BitnetResolver *resolver, const char *code, const char *message, guint *n)
{
  ++*n;
}

static void
test_remembered_doubt (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) kept = NULL;
  g_autofree char *named = resolve_write_model (
      fixture, "named", &(TestFamilyModel){.name = "Llama 2 7B"});
  guint n_first = 0;

  resolve_publish (fixture, fixture->family->repository);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (BitnetTokenizer) tokenizer = NULL;
    g_autoptr (GVariant) resolution = NULL;
    g_autofree const char **warnings = NULL;
    guint n = 0;
    gulong id =
        g_signal_connect (resolver, "warning", G_CALLBACK (count_warning), &n);

    tokenizer = bitnet_resolver_resolve_reference (
        resolver, named, NULL, &resolution, NULL);
    g_signal_handler_disconnect (resolver, id);
    g_assert_nonnull (tokenizer);
    g_assert_cmpint (resolve_get_boolean (resolution, "from-cache"), ==, i > 0);
    g_variant_lookup (resolution, "warnings", "^a&s", &warnings);
    if (i == 0)
      n_first = n;
    g_assert_cmpuint (n, >, 0);
    g_assert_cmpuint (n, ==, n_first);
    g_assert_cmpuint (g_strv_length ((char **) warnings), ==, n);
    /* The second time from disk, the third time from memory. */
    if (i > 0)
      g_set_object (&kept, tokenizer);
  }
}

/* While somebody has what was found, the file is replaced. */
static void
test_replaced (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autofree char *folder = g_path_get_dirname (fixture->model);
  g_autofree char *path = NULL;
  g_autoptr (BitnetTokenizer) first = NULL;
  g_autoptr (BitnetTokenizer) same = NULL;
  g_autoptr (BitnetTokenizer) other = NULL;
  const char *name;
  g_autoptr (GBytes) content =
      test_family_make_tokenizer (fixture->family, &name);

  path = test_folder_write (folder, name, g_bytes_get_data (content, NULL),
      (gssize) g_bytes_get_size (content));
  first = bitnet_resolver_resolve_reference (
      resolver, fixture->model, NULL, NULL, NULL);
  same = bitnet_resolver_resolve_reference (
      resolver, fixture->model, NULL, NULL, NULL);
  g_assert_nonnull (first);
  g_assert_true (same == first);
  g_assert_cmpint (
      g_utime (path, &(struct utimbuf){1000000000, 1000000000}), ==, 0);
  other = bitnet_resolver_resolve_reference (
      resolver, fixture->model, NULL, NULL, NULL);
  g_assert_nonnull (other);
  g_assert_true (other != first);
}

/* A file that somebody puts beside the model counts from then on. */
static void
test_beside (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autofree char *folder = g_path_get_dirname (fixture->model);
  const char *name;
  g_autoptr (GBytes) content =
      test_family_make_tokenizer (fixture->family, &name);

  resolve_publish (fixture, ORIGIN);
  g_variant_unref (resolve_expect (fixture, resolver, "huggingface"));
  g_free (test_folder_write (folder, name, g_bytes_get_data (content, NULL),
      (gssize) g_bytes_get_size (content)));
  g_variant_unref (resolve_expect (fixture, resolver, "generic"));
}

#define ADD(path, function)                                                    \
  g_test_add (                                                                 \
      path, ResolveFixture, NULL, resolve_set_up, function, resolve_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/resolver/A01/fetch", test_fetch);
  ADD ("/resolver/compiled", test_compiled);
  ADD ("/resolver/C83/stale", test_stale);
  ADD ("/resolver/C83/stale-record", test_stale_record);
  ADD ("/resolver/B23/hostile-records", test_hostile_records);
  ADD ("/resolver/B23/remembered-doubt", test_remembered_doubt);
  ADD ("/resolver/B23/replaced", test_replaced);
  ADD ("/resolver/B23/beside", test_beside);
  return g_test_run ();
}
