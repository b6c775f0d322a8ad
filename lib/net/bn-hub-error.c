/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Meaning of answers and failures. The hub says what is wrong in headers of
 * its own (X-Error-Code, X-Error-Message), mirrors in a JSON body or not at
 * all. Texts from servers are shown cut and without control characters; the
 * token and the query of an address, which may be signed, never. */
#include "bn-hub-error.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-address.h"
#include "bn-backoff.h"
#include "bn-net-json.h"

enum {
  MAX_SHOWN = 300, /* bytes of a server's text */
  MIN_PRINTABLE = 0x20,
  DELETE = 0x7f,
};

enum {
  BAD_REQUEST = 400,
  UNAUTHORIZED = 401,
  FORBIDDEN = 403,
  NOT_FOUND = 404,
  PROXY_AUTH = 407,
  REQUEST_TIMEOUT = 408,
  GONE = 410,
  TOO_MANY_REQUESTS = 429,
  UNAVAILABLE_FOR_LEGAL_REASONS = 451,
  INTERNAL_ERROR = 500,
  BAD_GATEWAY = 502,
  UNAVAILABLE = 503,
  GATEWAY_TIMEOUT = 504,
};

char *
bn_hub_error_dup_text (const char *text, const char *token)
{
  g_autoptr (GString) string = g_string_new (text);
  g_autofree char *valid = NULL;

  /* Before it is cut, which would leave the front of a token. */
  if (token && token[0] != '\0')
    g_string_replace (string, token, "(token)", 0);
  valid =
      g_utf8_make_valid (string->str, (gssize) MIN (string->len, MAX_SHOWN));
  for (char *p = valid; *p; p++) {
    if ((guchar) *p < MIN_PRINTABLE || *p == DELETE)
      *p = ' ';
  }
  return g_strdup (g_strstrip (valid));
}

static const char *
find_message (JsonObject *object)
{
  const char *text = bn_net_json_get_string (object, "error");
  JsonArray *errors;

  if (!text)
    text = bn_net_json_get_string (object, "message");
  if (text)
    return text;
  errors = bn_net_json_get_array (object, "errors");
  if (errors && json_array_get_length (errors) > 0) {
    JsonNode *first = json_array_get_element (errors, 0);

    if (JSON_NODE_HOLDS_OBJECT (first))
      text = bn_net_json_get_string (json_node_get_object (first), "message");
  }
  return text;
}

/* What the server says, NULL if nothing. */
static char *
dup_server_text (
    GHashTable *headers, const char *body, gsize size, const char *token)
{
  const char *text = g_hash_table_lookup (headers, "x-error-message");
  g_autoptr (JsonNode) json = NULL;

  if (text && text[0] != '\0')
    return bn_hub_error_dup_text (text, token);
  if (!body || size == 0)
    return NULL;
  json = bn_net_json_parse (body, size, BN_MAX_ERROR_BODY, "answer", NULL);
  if (!json || !JSON_NODE_HOLDS_OBJECT (json))
    return NULL;
  text = find_message (json_node_get_object (json));
  return text ? bn_hub_error_dup_text (text, token) : NULL;
}

static const char *
find_request_id (GHashTable *headers)
{
  static const char *const names[] = {
      "x-request-id", "x-amzn-trace-id", "x-amz-cf-id"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    const char *id = g_hash_table_lookup (headers, names[i]);

    if (id && id[0] != '\0')
      return id;
  }
  return NULL;
}

gboolean
bn_hub_error_is_transient (guint status)
{
  return status == REQUEST_TIMEOUT || status == INTERNAL_ERROR
         || status == BAD_GATEWAY || status == UNAVAILABLE
         || status == GATEWAY_TIMEOUT;
}

static BitnetError
get_not_found_code (const char *code)
{
  if (g_strcmp0 (code, "RevisionNotFound") == 0)
    return BITNET_ERROR_REVISION_NOT_FOUND;
  if (g_strcmp0 (code, "EntryNotFound") == 0)
    return BITNET_ERROR_ENTRY_NOT_FOUND;
  if (g_strcmp0 (code, "RepoNotFound") == 0)
    return BITNET_ERROR_REPO_NOT_FOUND;
  return BITNET_ERROR_HTTP;
}

static BitnetError
get_code (guint status, const char *code, const char *text)
{
  gboolean is_gated = g_strcmp0 (code, "GatedRepo") == 0;

  if (status == NOT_FOUND)
    return get_not_found_code (code);
  if ((status == UNAUTHORIZED || status == FORBIDDEN) && is_gated)
    return BITNET_ERROR_GATED;
  if (status == UNAUTHORIZED) {
    if (text && strstr (text, "Invalid credentials"))
      return BITNET_ERROR_AUTH_INVALID;
    return BITNET_ERROR_REPO_NOT_FOUND;
  }
  if (status == FORBIDDEN)
    return BITNET_ERROR_FORBIDDEN;
  if (status == TOO_MANY_REQUESTS)
    return BITNET_ERROR_RATE_LIMITED;
  return bn_hub_error_is_transient (status) ? BITNET_ERROR_TRANSIENT
                                            : BITNET_ERROR_HTTP;
}

/* What the code means here, beyond the server's words. */
static char *
explain (BitnetError code, guint status, const BnHubErrorContext *context,
    gint64 retry_after_s)
{
  switch (code) {
    case BITNET_ERROR_GATED:
      return context->token
                 ? g_strdup_printf ("the terms at %s/%s are not accepted yet",
                     context->endpoint,
                     context->repository ? context->repository : "")
                 : g_strdup_printf (
                     "the terms at %s/%s have to be accepted and HF_TOKEN set",
                     context->endpoint,
                     context->repository ? context->repository : "");
    case BITNET_ERROR_AUTH_INVALID:
      return g_strdup ("the access token is not valid");
    case BITNET_ERROR_REPO_NOT_FOUND:
      return g_strdup (
          context->token
              ? "there is no such repository, or the token may not see it"
              : "there is no such repository, or it is private and no token "
                "is set");
    case BITNET_ERROR_REVISION_NOT_FOUND:
      return g_strdup ("the repository has no such revision");
    case BITNET_ERROR_ENTRY_NOT_FOUND:
      return g_strdup ("the repository has no such file");
    case BITNET_ERROR_FORBIDDEN:
      return g_strdup (context->token
                           ? "the access token has no right to read this"
                           : "access is forbidden");
    case BITNET_ERROR_RATE_LIMITED:
      return retry_after_s >= 0 ? g_strdup_printf (
                 "too many requests, again in %" G_GINT64_FORMAT " s",
                 retry_after_s)
                                : g_strdup ("too many requests");
    case BITNET_ERROR_TRANSIENT:
      return g_strdup ("the server has a problem that may pass");
    default:
      if (status == PROXY_AUTH)
        return g_strdup ("the proxy wants a login");
      if (status == UNAVAILABLE_FOR_LEGAL_REASONS || status == GONE)
        return g_strdup ("not available any more");
      return g_strdup ("unexpected answer");
  }
}

static gint64
get_retry_after (GHashTable *headers, gint64 now_s)
{
  gint64 seconds = bn_retry_after_parse (
      g_hash_table_lookup (headers, "retry-after"), now_s);

  if (seconds >= 0)
    return seconds;
  seconds = bn_rate_limit_parse (g_hash_table_lookup (headers, "ratelimit"));
  return seconds > 0 ? seconds : -1;
}

void
bn_hub_error_set_status (GError **error, guint status, GHashTable *headers,
    const char *body, gsize body_size, const BnHubErrorContext *context,
    gint64 now_s, BnFailure *failure)
{
  const char *hub_code = g_hash_table_lookup (headers, "x-error-code");
  g_autofree char *text =
      dup_server_text (headers, body, body_size, context->token);
  BitnetError code = get_code (status, hub_code, text);
  const char *id = find_request_id (headers);
  g_autofree char *shown_id =
      id ? bn_hub_error_dup_text (id, context->token) : NULL;
  g_autofree char *shown = bn_address_dup_shown (context->url);
  g_autofree char *meaning = NULL;

  *failure = (BnFailure) BN_FAILURE_INIT;
  failure->status = status;
  failure->is_hub_answer = hub_code != NULL;
  failure->is_host_failure = bn_hub_error_is_transient (status);
  if (status == TOO_MANY_REQUESTS || failure->is_host_failure)
    failure->retry_after_s = get_retry_after (headers, now_s);
  failure->is_retryable =
      (status == TOO_MANY_REQUESTS || failure->is_host_failure)
      && failure->retry_after_s <= BN_MAX_RETRY_AFTER_S;
  meaning = explain (code, status, context, failure->retry_after_s);
  g_set_error (error, BITNET_ERROR, code, "%s: %s (%u%s%s%s%s)", shown, meaning,
      status, text ? ", " : "", text ? text : "", shown_id ? ", request " : "",
      shown_id ? shown_id : "");
}

/* A code of GIO. */
static BitnetError
get_io_code (const GError *error, BnFailure *failure)
{
  failure->is_retryable = TRUE;
  switch (error->code) {
    case G_IO_ERROR_TIMED_OUT:
      return BITNET_ERROR_TIMEOUT;
    case G_IO_ERROR_PARTIAL_INPUT:
      return BITNET_ERROR_TRUNCATED;
    case G_IO_ERROR_INVALID_DATA:
      return BITNET_ERROR_HTTP;
    case G_IO_ERROR_PROXY_FAILED:
    case G_IO_ERROR_PROXY_AUTH_FAILED:
    case G_IO_ERROR_PROXY_NEED_AUTH:
    case G_IO_ERROR_PROXY_NOT_ALLOWED:
    case G_IO_ERROR_NOT_SUPPORTED:
    case G_IO_ERROR_INVALID_ARGUMENT:
    case G_IO_ERROR_PERMISSION_DENIED:
      failure->is_retryable = FALSE;
      return BITNET_ERROR_NETWORK;
    default:
      return BITNET_ERROR_NETWORK;
  }
}

static BitnetError
get_failure_code (const GError *error, BnFailure *failure)
{
  if (error->domain == G_RESOLVER_ERROR) {
    failure->is_retryable = error->code == G_RESOLVER_ERROR_TEMPORARY_FAILURE;
    return BITNET_ERROR_NETWORK;
  }
  if (error->domain == G_TLS_ERROR) {
    failure->is_retryable = error->code == G_TLS_ERROR_EOF;
    return failure->is_retryable ? BITNET_ERROR_NETWORK : BITNET_ERROR_TLS;
  }
  if (error->domain == G_IO_ERROR)
    return get_io_code (error, failure);
  return BITNET_ERROR_NETWORK;
}

void
bn_hub_error_translate (GError **error, const char *url, BnFailure *failure)
{
  g_autofree char *shown = NULL;
  GError *old = *error;
  BitnetError code;

  *failure = (BnFailure) BN_FAILURE_INIT;
  if (old->domain == BITNET_ERROR
      || g_error_matches (old, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  shown = bn_address_dup_shown (url);
  code = get_failure_code (old, failure);
  failure->is_host_failure =
      failure->is_retryable || old->domain == G_RESOLVER_ERROR;
  *error = g_error_new (BITNET_ERROR, code, "%s: %s", shown, old->message);
  g_error_free (old);
}
