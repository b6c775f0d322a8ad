/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proxies and certificate authorities from the environment. */
#include "bn-http-config.h"

#include <string.h>

#include "bitnet-env.h"

/* name in small letters, then as it is. */
static const char *
get_variable (const char *name)
{
  g_autofree char *small = g_ascii_strdown (name, -1);
  const char *value = bitnet_env_string (small);

  return value ? value : bitnet_env_string (name);
}

static char *
dup_proxy (const char *name)
{
  const char *value = get_variable (name);

  if (!value)
    return NULL;
  return strstr (value, "://") ? g_strdup (value)
                               : g_strdup_printf ("http://%s", value);
}

static GStrv
dup_ignored_hosts (void)
{
  static const char *const local[] = {"localhost", "127.0.0.0/8", "::1"};
  g_autoptr (GStrvBuilder) hosts = g_strv_builder_new ();
  const char *value = get_variable ("NO_PROXY");
  g_auto (GStrv) parts = g_strsplit (value ? value : "", ",", -1);

  for (gsize i = 0; i < G_N_ELEMENTS (local); i++)
    g_strv_builder_add (hosts, local[i]);
  for (gsize i = 0; parts[i]; i++) {
    g_strstrip (parts[i]);
    if (parts[i][0] != '\0')
      g_strv_builder_add (hosts, parts[i]);
  }
  return g_strv_builder_end (hosts);
}

GProxyResolver *
bn_http_config_new_proxy_resolver (void)
{
  g_autofree char *https = dup_proxy ("HTTPS_PROXY");
  g_autofree char *http = dup_proxy ("HTTP_PROXY");
  g_autofree char *all = dup_proxy ("ALL_PROXY");
  g_auto (GStrv) ignored = NULL;
  GProxyResolver *resolver;

  if (!https && !http && !all)
    return NULL;
  ignored = dup_ignored_hosts ();
  if (g_strv_contains ((const char *const *) ignored, "*"))
    return g_simple_proxy_resolver_new ("direct://", NULL);
  resolver = g_simple_proxy_resolver_new (all ? all : "direct://", ignored);
  if (https)
    g_simple_proxy_resolver_set_uri_proxy (
        G_SIMPLE_PROXY_RESOLVER (resolver), "https", https);
  if (http)
    g_simple_proxy_resolver_set_uri_proxy (
        G_SIMPLE_PROXY_RESOLVER (resolver), "http", http);
  return resolver;
}

char *
bn_http_config_dup_authorities_path (void)
{
  const char *path = bitnet_env_string ("SSL_CERT_FILE");

  if (!path)
    path = bitnet_env_string ("REQUESTS_CA_BUNDLE");
  return path ? g_canonicalize_filename (path, NULL) : NULL;
}

GTlsDatabase *
bn_http_config_load_authorities (const char *path)
{
  g_autoptr (GError) error = NULL;
  GTlsDatabase *database = g_tls_file_database_new (path, &error);

  if (!database)
    g_warning ("%s: certificates cannot be read: %s", path, error->message);
  return database;
}
