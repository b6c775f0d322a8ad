/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may read what, and over which way: tokens and logins, renamed
 * repositories, certificates, proxies. */
#include <string.h>

#include "bn-hub-client-private.h"
#include "hub-fixture.h"

#define TOKEN "hf_very_secret_token"

/* What a stranger may not read somebody with a token may. */
static void
test_gated (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) manifest = NULL;

  hub_add_usual (self);
  test_hub_set_gated (self->hub, REPO, TOKEN);
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_GATED);
  g_assert_nonnull (strstr (error->message, "HF_TOKEN"));
  g_clear_error (&error);
  test_hub_clear_log (self->hub);
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_GATED);
  hub_assert_log (self, ""); /* the refusal is remembered */
  g_clear_error (&error);
  self->options.token = g_strdup (TOKEN "x");
  hub_renew_client (self);
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_GATED);
  g_assert_null (strstr (error->message, TOKEN));
  g_free (self->options.token);
  self->options.token = g_strdup (TOKEN);
  hub_renew_client (self);
  manifest = hub_fetch_good (self);
  hub_assert_content (self, manifest, "tokenizer.json");
}

/* The token goes to the hub, and never to the storage. */
static void
test_token (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnManifest) manifest = NULL;

  hub_add_usual (self);
  self->options.token = g_strdup (TOKEN);
  manifest = hub_fetch_good (self);
  g_assert_cmpuint (test_hub_count (self->hub, "hub * auth*"), ==, 4);
  g_assert_cmpuint (test_hub_count (self->hub, "hub *"), ==, 4);
  g_assert_cmpuint (test_hub_count (self->hub, "storage *"), ==, 1);
  g_assert_cmpuint (test_hub_count (self->hub, "storage * auth*"), ==, 0);
}

static void
login (HubFixture *self, const char *token)
{
  g_file_set_contents (self->options.token_file, token, -1, NULL);
}

/* Somebody logs in, or with another token, while the client runs: the file is
 * read again when the hub refuses, once for each call. */
static void
test_login (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) manifest = NULL;

  hub_add_usual (self);
  test_hub_set_gated (self->hub, REPO, TOKEN);
  g_free (self->options.token_file);
  self->options.token_file = g_build_filename (self->folder, "token", NULL);
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_GATED);
  g_clear_error (&error);
  test_hub_clear_log (self->hub);
  login (self, TOKEN "\n"); /* what was remembered does not count now */
  manifest = hub_fetch_good (self);
  g_assert_cmpuint (test_hub_count (self->hub, "hub * auth*"), ==, 4);
  g_assert_cmpuint (test_hub_count (self->hub, "hub *"), ==, 5);
  /* The old one has ended. */
  hub_make_stale (self);
  test_hub_set_gated (self->hub, REPO, "another");
  test_hub_add_fault (self->hub,
      &(TestFault){.path = "hub *",
          .count = 1,
          .status = 401,
          .headers = "X-Error-Message: Invalid credentials in Authorization "
                     "header"});
  login (self, "another");
  test_hub_clear_log (self->hub);
  bn_manifest_free (g_steal_pointer (&manifest));
  manifest = hub_fetch_good (self);
  g_assert_cmpuint (test_hub_count (self->hub, "hub HEAD * auth*"), ==, 2);
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 2);
}

/* A token that the application gave is the one: no file stands in for it. The
 * file that has the refused one is no news either. */
static void
test_no_login (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  hub_add_usual (self);
  test_hub_add_fault (self->hub, &(TestFault){.path = "hub *", .status = 401});
  self->options.token = g_strdup ("old");
  g_assert_null (hub_fetch (self, NULL, &error));
  g_clear_error (&error);
  g_free (self->options.token_file);
  self->options.token_file = g_build_filename (self->folder, "token", NULL);
  login (self, "old");
  test_hub_clear_log (self->hub);
  hub_renew_client (self);
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_REPO_NOT_FOUND);
  g_assert_cmpuint (test_hub_count (self->hub, "hub GET /api/*"), ==, 1);
  g_clear_error (&error);
  login (self, "two\nlines");
  g_assert_null (hub_fetch (self, NULL, &error));
  g_assert_cmpuint (test_hub_count (self->hub, "hub GET /api/*"), ==, 2);
  g_clear_error (&error);
  /* The new one is refused too. */
  login (self, "new");
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_REPO_NOT_FOUND);
  g_assert_cmpuint (test_hub_count (self->hub, "hub GET /api/*"), ==, 4);
}

/* What cannot stand in a header is no token, and is not shown to say so. */
static void
test_bad_token (HubFixture *self, gconstpointer data)
{
  static const char *const bad[] = {
      TOKEN "\nX-Evil: 1", "a " TOKEN, TOKEN "\x01", TOKEN "\xc3\xa4"};
  g_autoptr (BnManifest) manifest = NULL;

  hub_add_usual (self);
  test_hub_set_gated (self->hub, REPO, TOKEN);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_free (self->options.token);
    self->options.token = g_strdup (bad[i]);
    g_assert_null (bn_hub_client_new (&self->options, self->cache, &error));
    hub_assert_error (error, BITNET_ERROR_AUTH_INVALID);
    g_assert_null (strstr (error->message, "secret"));
  }
  g_free (self->options.token);
  self->options.token = g_strdup (" " TOKEN "\r\n");
  manifest = hub_fetch_good (self);
  hub_assert_content (self, manifest, "tokenizer.json");
  g_free (self->options.token);
  self->options.token = g_strdup (" \n");
  hub_renew_client (self);
  g_assert_null (self->client->shared.options.token);
}

/* A renamed repository: a relative redirect, which keeps the token. */
static void
test_renamed (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) manifest = NULL;
  g_autoptr (BnManifest) cached = NULL;

  hub_add_usual (self);
  test_hub_set_gated (self->hub, REPO, TOKEN);
  test_hub_add_alias (self->hub, "oldname", REPO);
  self->options.token = g_strdup (TOKEN);
  manifest = bn_hub_client_fetch_tokenizer (
      hub_client (self), "oldname", NULL, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  hub_assert_content (self, manifest, "tokenizer.json");
  cached = bn_disk_cache_lookup (
      self->cache, self->options.endpoint, "oldname", "main");
  g_assert_nonnull (cached); /* under the name that was asked for */
}

/* https with an authority that only the user knows. */
static void
test_tls (HubFixture *self, gconstpointer data)
{
  g_autofree char *ca = test_hub_dup_ca ();
  g_autoptr (BnManifest) manifest = NULL;
  g_autoptr (GError) error = NULL;

  hub_add_usual (self);
  self->options.retries = 4;
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_TLS);
  hub_assert_log (self, "");
  g_assert_cmpuint (hub_get_stat (self, "requests"), ==, 1); /* no retries */
  g_setenv ("SSL_CERT_FILE", ca, TRUE);
  hub_renew_client (self);
  g_unsetenv ("SSL_CERT_FILE");
  bn_manifest_free (hub_fetch_good (self));
  g_setenv ("REQUESTS_CA_BUNDLE", ca, TRUE);
  hub_make_stale (self);
  hub_renew_client (self);
  g_unsetenv ("REQUESTS_CA_BUNDLE");
  manifest = hub_fetch_good (self);
  hub_assert_content (self, manifest, "tokenizer.json");
}

/* The other server's redirects to http are not followed from https. */
static void
test_downgrade (HubFixture *self, gconstpointer data)
{
  g_autofree char *ca = test_hub_dup_ca ();
  g_autoptr (GError) error = NULL;

  hub_add_usual (self);
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "hub GET *tokenizer.json*",
                     .status = 302,
                     .headers = "Location: http://127.0.0.1:9/x"});
  g_setenv ("SSL_CERT_FILE", ca, TRUE);
  hub_client (self);
  g_unsetenv ("SSL_CERT_FILE");
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_HTTP);
  g_assert_nonnull (strstr (error->message, "expected https"));
}

static void
test_insecure (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_free (self->options.endpoint);
  self->options.endpoint = g_strdup ("http://hub.example");
  g_assert_null (bn_hub_client_new (&self->options, self->cache, &error));
  hub_assert_error (error, BITNET_ERROR_INVALID_ARGUMENT);
  self->options.allow_insecure = TRUE;
  hub_client (self);
}

/* A proxy sees the whole address; this machine is never asked through one. */
static void
test_proxy (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnManifest) manifest = NULL;
  g_autoptr (GError) error = NULL;

  hub_add_usual (self);
  g_setenv ("HTTP_PROXY", test_hub_get_storage (self->hub), TRUE);
  bn_manifest_free (hub_fetch_good (self));
  g_assert_cmpuint (test_hub_count (self->hub, "storage GET /api*"), ==, 0);
  g_free (self->options.endpoint);
  self->options.endpoint = g_strdup ("http://hub.invalid");
  self->options.allow_insecure = TRUE;
  self->options.retries = 0;
  hub_renew_client (self);
  g_assert_null (hub_fetch (self, NULL, &error));
  g_assert_cmpuint (test_hub_count (self->hub, "storage GET /api*"), ==, 1);
  /* Not for hosts that are to be asked directly. */
  g_clear_error (&error);
  g_setenv ("NO_PROXY", "other.example, hub.invalid", TRUE);
  hub_renew_client (self);
  g_assert_null (
      bn_hub_client_list (self->client, "other/repo", NULL, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_NETWORK);
  g_assert_cmpuint (test_hub_count (self->hub, "storage GET /api*"), ==, 1);
  g_unsetenv ("HTTP_PROXY");
  g_unsetenv ("NO_PROXY");
}

int
main (int argc, char **argv)
{
  hub_fixture_init (&argc, &argv);
  hub_add_test ("/hub/gated", test_gated);
  hub_add_test ("/hub/token", test_token);
  hub_add_test ("/hub/bad-token", test_bad_token);
  hub_add_test ("/hub/login", test_login);
  hub_add_test ("/hub/no-login", test_no_login);
  hub_add_test ("/hub/renamed", test_renamed);
  hub_add_test_full ("/hub/A19/tls", TEST_HUB_TLS, test_tls);
  hub_add_test_full ("/hub/downgrade", TEST_HUB_TLS, test_downgrade);
  hub_add_test ("/hub/insecure", test_insecure);
  hub_add_test ("/hub/A19/proxy", test_proxy);
  return g_test_run ();
}
