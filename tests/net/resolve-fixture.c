/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "resolve-fixture.h"

#include <glib/gstdio.h>
#include "test-folder.h"

#define FAMILY "llama-2" /* the smallest that is gated */

void
resolve_publish (ResolveFixture *fixture, const char *repository)
{
  const char *name;
  g_autoptr (GBytes) content =
      test_family_make_tokenizer (fixture->family, &name);

  test_hub_add_repo (fixture->hub, repository, TEST_HUB_COMMIT);
  test_hub_add_file (fixture->hub, repository, name,
      g_bytes_get_data (content, NULL), (gssize) g_bytes_get_size (content),
      TRUE);
  test_hub_add_file (fixture->hub, repository, "tokenizer_config.json",
      "{\"chat_template\":\"{{ messages[0].content }}\"}", -1, FALSE);
}

char *
resolve_write_model (
    ResolveFixture *fixture, const char *name, const TestFamilyModel *model)
{
  g_autofree char *folder = g_build_filename (fixture->folder, name, NULL);
  char *path = g_build_filename (folder, "model.gguf", NULL);

  g_mkdir_with_parents (folder, 0700);
  test_family_write_model (fixture->family, path, model);
  return path;
}

void
resolve_set_up (ResolveFixture *fixture, gconstpointer data)
{
  g_autofree char *hub_cache = NULL;

  fixture->folder = test_folder_new ();
  fixture->cache = g_build_filename (fixture->folder, "cache", NULL);
  hub_cache = g_build_filename (fixture->folder, "hub", NULL);
  fixture->hub = test_hub_new (0);
  fixture->family = bn_matrix_find (bn_matrix_get (), FAMILY);
  g_assert_nonnull (fixture->family);
  g_setenv ("HF_ENDPOINT", test_hub_get_endpoint (fixture->hub), TRUE);
  g_setenv ("HF_HUB_CACHE", hub_cache, TRUE);
  g_setenv ("BITNET_TOKENIZER_CACHE", fixture->cache, TRUE);
  g_unsetenv ("BITNET_OFFLINE");
  g_unsetenv ("HF_TOKEN");
  fixture->model = resolve_write_model (fixture, "bare",
      &(TestFamilyModel){
          .name = "Model", .origin = "https://huggingface.co/" ORIGIN});
}

void
resolve_tear_down (ResolveFixture *fixture, gconstpointer data)
{
  test_hub_free (fixture->hub);
  g_free (fixture->model);
  g_free (fixture->cache);
  test_folder_remove (fixture->folder);
}

const char *
resolve_get_string (GVariant *resolution, const char *name)
{
  const char *text = NULL;

  g_variant_lookup (resolution, name, "&s", &text);
  return text;
}

gboolean
resolve_get_boolean (GVariant *resolution, const char *name)
{
  gboolean value = FALSE;

  g_variant_lookup (resolution, name, "b", &value);
  return value;
}

/* Resolves with settings as for g_object_set(); asserts what finds it. */
GVariant *
resolve_expect (
    ResolveFixture *fixture, BitnetResolver *resolver, const char *strategy)
{
  g_autoptr (GError) error = NULL;
  GVariant *resolution = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = bitnet_resolver_resolve_reference (
      resolver, fixture->model, NULL, &resolution, &error);

  if (error)
    g_test_message ("%s", resolve_get_string (resolution, "text"));
  g_assert_no_error (error);
  g_assert_cmpstr (resolve_get_string (resolution, "strategy"), ==, strategy);
  g_assert_true (test_family_owns (fixture->family, tokenizer));
  return resolution;
}

guint
resolve_count_all (ResolveFixture *fixture)
{
  return test_hub_count (fixture->hub, "*");
}
