/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of addresses and redirects. Pure: GUri alone. Locations come from
 * servers and are untrusted. */
#include "bn-address.h"

#include <gio/gio.h>
#include <string.h>

#include "bitnet-error.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

static const GUriFlags FLAGS =
    G_URI_FLAGS_ENCODED | G_URI_FLAGS_SCHEME_NORMALIZE;

static gboolean
is_https (GUri *uri)
{
  return g_str_equal (g_uri_get_scheme (uri), "https");
}

static int
get_port (GUri *uri)
{
  int port = g_uri_get_port (uri);

  if (port > 0)
    return port;
  return is_https (uri) ? HTTPS_PORT : HTTP_PORT;
}

/* GUri takes nearly anything for a host. No percent sign, which GUri decodes
 * and does not encode again: of such an address it could not make one. */
static gboolean
is_host (const char *host)
{
  if (!host || host[0] == '\0')
    return FALSE;
  for (; *host; host++) {
    if (!g_ascii_isalnum (*host) && !strchr ("-._:", *host))
      return FALSE;
  }
  return TRUE;
}

static gboolean
is_web (GUri *uri)
{
  return is_host (g_uri_get_host (uri))
         && (is_https (uri) || g_str_equal (g_uri_get_scheme (uri), "http"));
}

static gboolean
is_loopback (GUri *uri)
{
  const char *host = g_uri_get_host (uri);
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);

  if (address)
    return g_inet_address_get_is_loopback (address);
  return g_ascii_strcasecmp (host, "localhost") == 0;
}

static GUri *
parse (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, FLAGS, NULL);

  return uri && is_web (uri) ? g_steal_pointer (&uri) : NULL;
}

char *
bn_address_dup_shown (const char *url)
{
  g_autofree char *shown = g_strndup (url, strcspn (url, "?#"));
  char *authority = strstr (shown, "://");
  char *at;

  authority = authority ? authority + strlen ("://") : shown;
  at = g_strrstr_len (authority, (gssize) strcspn (authority, "/"), "@");
  if (at)
    memmove (authority, at + 1, strlen (at + 1) + 1);
  return g_steal_pointer (&shown);
}

gboolean
bn_address_check (const char *url, gboolean allow_insecure, GError **error)
{
  g_autoptr (GUri) uri = parse (url);
  g_autofree char *shown = bn_address_dup_shown (url);

  if (!uri) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "\"%s\" is no address of a server, expected https://HOST", shown);
    return FALSE;
  }
  if (is_https (uri) || allow_insecure || is_loopback (uri))
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "%s: refused, expected https (http is for this machine, or with "
      "allow-insecure)",
      shown);
  return FALSE;
}

gboolean
bn_address_check_endpoint (
    const char *url, gboolean allow_insecure, GError **error)
{
  g_autoptr (GUri) uri = parse (url);
  g_autofree char *shown = NULL;

  if (!uri
      || (!g_uri_get_userinfo (uri) && !g_uri_get_query (uri)
          && !g_uri_get_fragment (uri)))
    return bn_address_check (url, allow_insecure, error);
  shown = bn_address_dup_shown (url);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "%s: given with a login, a query or a fragment, expected https://HOST "
      "(an access token has a property and a variable of its own)",
      shown);
  return FALSE;
}

gboolean
bn_address_is_same_origin (const char *a, const char *b)
{
  g_autoptr (GUri) first = parse (a);
  g_autoptr (GUri) second = parse (b);

  return first && second && is_https (first) == is_https (second)
         && g_ascii_strcasecmp (g_uri_get_host (first), g_uri_get_host (second))
                == 0
         && get_port (first) == get_port (second);
}

char *
bn_address_dup_host (const char *url)
{
  g_autoptr (GUri) uri = parse (url);
  g_autofree char *host = NULL;

  if (!uri)
    return NULL;
  host = g_ascii_strdown (g_uri_get_host (uri), -1);
  return g_strdup_printf ("%s:%d", host, get_port (uri));
}

char *
bn_address_resolve (const char *url, const char *location,
    gboolean allow_insecure, GError **error)
{
  g_autoptr (GUri) from = parse (url);
  g_autoptr (GUri) to =
      from ? g_uri_parse_relative (from, location, FLAGS, NULL) : NULL;
  g_autofree char *shown = bn_address_dup_shown (url);

  if (!to || !is_web (to)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
        "%s: redirected to what is no address of a server", shown);
    return NULL;
  }
  if (!is_https (to)
      && (is_https (from) || !(allow_insecure || is_loopback (to)))) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
        "%s: redirected to http://%s, expected https", shown,
        g_uri_get_host (to));
    return NULL;
  }
  return g_uri_to_string (to);
}

gboolean
bn_address_is_relative (const char *location)
{
  g_autofree char *scheme = g_uri_parse_scheme (location);

  return !scheme && !g_str_has_prefix (location, "//");
}

char *
bn_address_build_file (const char *endpoint, const char *repository,
    const char *revision, const char *file)
{
  g_autofree char *escaped_revision =
      g_uri_escape_string (revision, NULL, FALSE);
  g_autofree char *escaped_file = g_uri_escape_string (file, "/", FALSE);

  return g_strdup_printf ("%s/%s/resolve/%s/%s", endpoint, repository,
      escaped_revision, escaped_file);
}

char *
bn_address_build_listing (
    const char *endpoint, const char *repository, const char *revision)
{
  g_autofree char *escaped = g_uri_escape_string (revision, NULL, FALSE);

  return g_strdup_printf (
      "%s/api/models/%s/revision/%s?blobs=true", endpoint, repository, escaped);
}
