/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of addresses: what may be asked, where a redirect may lead, what is
 * the same server. */
#include <gio/gio.h>
#include <string.h>

#include "bitnet-error.h"
#include "bn-address.h"

static void
test_check (void)
{
  static const struct {
    const char *url;
    gboolean is_good, is_good_insecure;
  } cases[] = {{"https://hub.example", TRUE, TRUE},
      {"http://hub.example", FALSE, TRUE}, {"http://127.0.0.1:80", TRUE, TRUE},
      {"http://127.8.9.1", TRUE, TRUE}, {"http://[::1]:8080", TRUE, TRUE},
      {"http://localhost", TRUE, TRUE},
      {"http://localhost.evil.example", FALSE, TRUE},
      {"http://127.0.0.1.evil.example", FALSE, TRUE},
      {"http://127.0.0.1@evil.example/", FALSE, TRUE},
      {"ftp://hub.example", FALSE, FALSE}, {"hub.example", FALSE, FALSE},
      {"file:///etc/passwd", FALSE, FALSE}, {"", FALSE, FALSE}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", cases[i].url);
    g_assert_true (
        bn_address_check (cases[i].url, FALSE, &error) == cases[i].is_good);
    if (!cases[i].is_good)
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
    g_assert_true (bn_address_check (cases[i].url, TRUE, NULL)
                   == cases[i].is_good_insecure);
  }
}

static void
test_check_endpoint (void)
{
  static const char *const good[] = {"https://hub.example",
      "https://hub.example:8443/a/b", "http://127.0.0.1:80"};
  static const char *const bad[] = {"https://user:secret@hub.example",
      "https://secret@hub.example", "https://hub.example?secret",
      "https://hub.example/#secret", "http://hub.example", "hub.example"};

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_true (bn_address_check_endpoint (good[i], FALSE, &error));
    g_assert_no_error (error);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (bn_address_check_endpoint (bad[i], FALSE, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
    g_assert_null (strstr (error->message, "secret"));
  }
}

static void
test_same_origin (void)
{
  static const struct {
    const char *a, *b;
    gboolean is_same;
  } cases[] = {{"https://h/x", "https://h/y?z", TRUE},
      {"https://h", "https://h:443/", TRUE},
      {"https://H.example", "https://h.EXAMPLE/", TRUE},
      {"http://h", "http://h:80", TRUE}, {"https://h", "http://h", FALSE},
      {"https://h", "http://h:443", FALSE},
      {"https://h", "https://h:8443", FALSE}, {"https://h", "https://g", FALSE},
      {"https://h", "https://h.g", FALSE}, {"https://h", "https://h@g/", FALSE},
      {"https://h", "nonsense", FALSE}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_test_message ("%s %s", cases[i].a, cases[i].b);
    g_assert_true (
        bn_address_is_same_origin (cases[i].a, cases[i].b) == cases[i].is_same);
  }
}

static void
test_resolve (void)
{
  static const struct {
    const char *url, *location, *result; /* NULL: refused */
  } cases[] = {
      {"https://h/a/b?q", "/c/d", "https://h/c/d"},
      {"https://h/a/b", "c", "https://h/a/c"},
      {"https://h/a", "//g/b", "https://g/b"},
      {"https://h/a", "https://g/b?sig=%2F", "https://g/b?sig=%2F"},
      {"https://h/a", "http://g/b", NULL},
      {"https://h/a", "http://127.0.0.1/b", NULL},
      {"http://127.0.0.1/a", "http://127.0.0.1:81/b", "http://127.0.0.1:81/b"},
      {"http://127.0.0.1/a", "https://g/b", "https://g/b"},
      {"http://127.0.0.1/a", "http://g/b", NULL},
      {"https://h/a", "file:///etc/passwd", NULL},
      {"https://h/a", "ftp://g/b", NULL},
      {"https://h/a", "javascript:alert(1)", NULL},
      {"https://h/a", "https://", NULL},
      {"https://h/a", "https:// g/", NULL},
      {"https://h/a", "https://g%25f/b", NULL},
      {"https://h/a", "https://g%2Ef/b", "https://g.f/b"},
      {"https://h/a", "https://[fe80::1%25eth0]/b", NULL},
      {"https://h/a", "https://[fe80::1]/b", "https://[fe80::1]/b"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *result =
        bn_address_resolve (cases[i].url, cases[i].location, FALSE, &error);

    g_test_message ("%s %s", cases[i].url, cases[i].location);
    g_assert_cmpstr (result, ==, cases[i].result);
    if (!result) {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_HTTP);
    } else { /* it can be asked */
      g_autofree char *host = bn_address_dup_host (result);

      g_assert_nonnull (host);
    }
  }
}

static void
test_shown (void)
{
  static const struct {
    const char *url, *shown;
  } cases[] = {{"https://h/a?sig=secret", "https://h/a"},
      {"https://h/a#secret", "https://h/a"},
      {"https://user:secret@h/a?b", "https://h/a"},
      {"https://user:sec@ret@h/a", "https://h/a"},
      {"https://h/a@b", "https://h/a@b"}, {"h?secret", "h"},
      {"h?x://secret@y", "h"}, {"https://h?secret@x", "https://h"}, {"", ""}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *shown = bn_address_dup_shown (cases[i].url);

    g_assert_cmpstr (shown, ==, cases[i].shown);
  }
}

static void
test_relative (void)
{
  g_assert_true (bn_address_is_relative ("/a/b"));
  g_assert_true (bn_address_is_relative ("a"));
  g_assert_false (bn_address_is_relative ("//a/b"));
  g_assert_false (bn_address_is_relative ("https://a"));
}

static void
test_build (void)
{
  g_autofree char *file = bn_address_build_file (
      "https://h", "a/b", "refs/pr/1", "sub/a b?#%.json");
  g_autofree char *listing =
      bn_address_build_listing ("https://h", "a/b", "refs/pr/1");
  g_autofree char *host = bn_address_dup_host ("https://H.example/a");

  g_assert_cmpstr (
      file, ==, "https://h/a/b/resolve/refs%2Fpr%2F1/sub/a%20b%3F%23%25.json");
  g_assert_cmpstr (listing, ==,
      "https://h/api/models/a/b/revision/refs%2Fpr%2F1?blobs=true");
  g_assert_cmpstr (host, ==, "h.example:443");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/address/check", test_check);
  g_test_add_func ("/address/check-endpoint", test_check_endpoint);
  g_test_add_func ("/address/same-origin", test_same_origin);
  g_test_add_func ("/address/resolve", test_resolve);
  g_test_add_func ("/address/shown", test_shown);
  g_test_add_func ("/address/relative", test_relative);
  g_test_add_func ("/address/A08/build", test_build);
  return g_test_run ();
}
