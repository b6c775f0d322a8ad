/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A build without libsoup: what is in the cache is found, what is not says
 * that there is no network. */
#include <glib/gstdio.h>
#include <string.h>

#include "bitnet-error.h"
#include "bn-hub-client.h"
#include "cache-util.h"

static BnHubClient *
new_client (TestCache *self)
{
  g_auto (BnHubOptions) options = {0};
  g_autoptr (GError) error = NULL;
  BnHubClient *client;

  bn_hub_options_init (&options);
  g_free (options.endpoint);
  options.endpoint = g_strdup (TEST_ENDPOINT);
  options.offline = FALSE;
  client = bn_hub_client_new (&options, self->cache, &error);
  g_assert_no_error (error);
  return client;
}

static void
test_none (TestCache *self, gconstpointer data)
{
  g_autoptr (BnHubClient) client = new_client (self);
  g_autoptr (GBytes) content = test_make_text (5000, 1);
  g_autofree char *sha256 = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) manifest = NULL;

  g_assert_false (bn_hub_client_is_available ());
  g_assert_null (bn_hub_client_fetch_tokenizer (
      client, TEST_REPOSITORY, NULL, NULL, NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_DOWNLOAD_DISABLED);
  g_assert_nonnull (strstr (error->message, TEST_REPOSITORY));
  g_clear_error (&error);
  g_assert_null (
      bn_hub_client_list (client, TEST_REPOSITORY, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_DOWNLOAD_DISABLED);
  g_clear_error (&error);
  g_assert_null (bn_hub_client_fetch_file (
      client, TEST_REPOSITORY, NULL, "m.gguf", NULL, NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_DOWNLOAD_DISABLED);
  g_clear_error (&error);
  sha256 =
      test_store_as (self->cache, TEST_REPOSITORY, "tokenizer.json", content);
  manifest = bn_hub_client_fetch_tokenizer (
      client, TEST_REPOSITORY, NULL, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (
      bn_manifest_find (manifest, "tokenizer.json")->sha256, ==, sha256);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_cache_add ("/hub-none/none", NULL, test_none);
  return g_test_run ();
}
