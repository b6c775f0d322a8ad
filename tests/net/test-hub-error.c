/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What answers and failures mean: every row of the table of statuses, every
 * kind of error of GIO, and what must not be in a message. */
#include <gio/gio.h>
#include <string.h>

#include "bitnet-error.h"
#include "bn-hub-error.h"

#define URL "https://hub.example/a/b/resolve/main/x?X-Signature=secret"

typedef struct {
  guint status;
  const char *headers; /* "name: value\n" */
  const char *body;
  const char *token;
  BitnetError code;
  const char *text; /* in the message */
  gboolean is_retryable;
  gboolean is_host_failure;
  gint64 retry_after_s;
} Case;

static const Case cases[] = {
    {404, "x-error-code: RevisionNotFound\n", NULL, NULL,
        BITNET_ERROR_REVISION_NOT_FOUND, "revision", FALSE, FALSE, -1},
    {404, "x-error-code: EntryNotFound\n", NULL, NULL,
        BITNET_ERROR_ENTRY_NOT_FOUND, "file", FALSE, FALSE, -1},
    {404, "x-error-code: RepoNotFound\n", NULL, NULL,
        BITNET_ERROR_REPO_NOT_FOUND, "no such repository", FALSE, FALSE, -1},
    {404, "", NULL, NULL, BITNET_ERROR_HTTP, "404", FALSE, FALSE, -1},
    {401, "x-error-code: RepoNotFound\n", NULL, NULL,
        BITNET_ERROR_REPO_NOT_FOUND, "private", FALSE, FALSE, -1},
    {401, "", NULL, NULL, BITNET_ERROR_REPO_NOT_FOUND, "private", FALSE, FALSE,
        -1},
    {401, "x-error-message: Invalid credentials in Authorization header\n",
        NULL, "hf_x", BITNET_ERROR_AUTH_INVALID, "not valid", FALSE, FALSE, -1},
    {401,
        "x-error-code: RepoNotFound\nx-error-message: Invalid credentials in "
        "Authorization header\n",
        NULL, "hf_x", BITNET_ERROR_AUTH_INVALID, "not valid", FALSE, FALSE, -1},
    {401, "x-error-code: GatedRepo\n", NULL, NULL, BITNET_ERROR_GATED,
        "https://hub.example/a/b have to be accepted and HF_TOKEN set", FALSE,
        FALSE, -1},
    {403, "x-error-code: GatedRepo\n", NULL, "hf_x", BITNET_ERROR_GATED,
        "https://hub.example/a/b are not accepted", FALSE, FALSE, -1},
    {403, "x-error-message: Access to this resource is disabled.\n", NULL, NULL,
        BITNET_ERROR_FORBIDDEN, "disabled", FALSE, FALSE, -1},
    {403, "", NULL, "hf_x", BITNET_ERROR_FORBIDDEN, "no right", FALSE, FALSE,
        -1},
    {400, "x-error-message: bad thing\n", NULL, NULL, BITNET_ERROR_HTTP,
        "bad thing", FALSE, FALSE, -1},
    {400, "", "{\"error\":\"from the body\"}", NULL, BITNET_ERROR_HTTP,
        "from the body", FALSE, FALSE, -1},
    {400, "", "{\"errors\":[{\"message\":\"from the list\"}]}", NULL,
        BITNET_ERROR_HTTP, "from the list", FALSE, FALSE, -1},
    {400, "", "<html>nothing</html>", NULL, BITNET_ERROR_HTTP, "400", FALSE,
        FALSE, -1},
    {429, "retry-after: 7\n", NULL, NULL, BITNET_ERROR_RATE_LIMITED,
        "again in 7 s", TRUE, FALSE, 7},
    {429, "ratelimit: \"api\";r=0;t=55\n", NULL, NULL,
        BITNET_ERROR_RATE_LIMITED, "again in 56 s", TRUE, FALSE, 56},
    {429, "retry-after: 3\nratelimit: \"api\";r=0;t=55\n", NULL, NULL,
        BITNET_ERROR_RATE_LIMITED, "again in 3 s", TRUE, FALSE, 3},
    {429, "retry-after: 121\n", NULL, NULL, BITNET_ERROR_RATE_LIMITED,
        "again in 121 s", FALSE, FALSE, 121},
    {429, "", NULL, NULL, BITNET_ERROR_RATE_LIMITED, "too many", TRUE, FALSE,
        -1},
    {408, "", NULL, NULL, BITNET_ERROR_TRANSIENT, "408", TRUE, TRUE, -1},
    {500, "", NULL, NULL, BITNET_ERROR_TRANSIENT, "500", TRUE, TRUE, -1},
    {502, "", NULL, NULL, BITNET_ERROR_TRANSIENT, "502", TRUE, TRUE, -1},
    {503, "retry-after: 2\n", NULL, NULL, BITNET_ERROR_TRANSIENT, "503", TRUE,
        TRUE, 2},
    {504, "", NULL, NULL, BITNET_ERROR_TRANSIENT, "504", TRUE, TRUE, -1},
    {501, "", NULL, NULL, BITNET_ERROR_HTTP, "501", FALSE, FALSE, -1},
    {407, "", NULL, NULL, BITNET_ERROR_HTTP, "proxy", FALSE, FALSE, -1},
    {410, "", NULL, NULL, BITNET_ERROR_HTTP, "410", FALSE, FALSE, -1},
    {416, "", NULL, NULL, BITNET_ERROR_HTTP, "416", FALSE, FALSE, -1},
    {418, "", NULL, NULL, BITNET_ERROR_HTTP, "418", FALSE, FALSE, -1},
    {304, "", NULL, NULL, BITNET_ERROR_HTTP, "304", FALSE, FALSE, -1},
    {500, "x-request-id: Root=1-abc\n", NULL, NULL, BITNET_ERROR_TRANSIENT,
        "request Root=1-abc", TRUE, TRUE, -1},
    {500, "x-amz-cf-id: cf-7\n", NULL, NULL, BITNET_ERROR_TRANSIENT,
        "request cf-7", TRUE, TRUE, -1},
};

static GHashTable *
parse_headers (const char *text)
{
  GHashTable *headers =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (gsize i = 0; lines[i]; i++) {
    char *colon = strstr (lines[i], ": ");

    if (colon)
      g_hash_table_insert (headers,
          g_strndup (lines[i], (gsize) (colon - lines[i])),
          g_strdup (colon + 2));
  }
  return headers;
}

static void
set_error (GError **error, const Case *row, BnFailure *failure)
{
  g_autoptr (GHashTable) headers = parse_headers (row->headers);
  const BnHubErrorContext context = {
      .endpoint = "https://hub.example",
      .repository = "a/b",
      .url = URL,
      .token = row->token,
  };

  bn_hub_error_set_status (error, row->status, headers, row->body,
      row->body ? strlen (row->body) : 0, &context, 0, failure);
}

static void
check_text (const char *message)
{
  g_assert_null (strstr (message, "secret"));
  g_assert_null (strchr (message, '\n'));
  g_assert_false (g_str_has_suffix (message, "."));
}

static void
test_statuses (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    BnFailure failure;

    set_error (&error, &cases[i], &failure);
    g_test_message (
        "%u %s: %s", cases[i].status, cases[i].headers, error->message);
    g_assert_error (error, BITNET_ERROR, (int) cases[i].code);
    g_assert_nonnull (strstr (error->message, cases[i].text));
    g_assert_cmpint (failure.is_retryable, ==, cases[i].is_retryable);
    g_assert_cmpint (failure.is_host_failure, ==, cases[i].is_host_failure);
    g_assert_cmpint (failure.retry_after_s, ==, cases[i].retry_after_s);
    g_assert_cmpuint (failure.status, ==, cases[i].status);
    check_text (error->message);
  }
}

static void
test_hostile_text (void)
{
  g_autofree char *filler = g_strnfill (5000, 'x');
  g_autofree char *headers =
      g_strdup_printf ("x-error-message: \x1b[31m\xff hf_sesame %s\n", filler);
  const Case row = {400, headers, NULL, "hf_sesame", 0, NULL, 0, 0, 0};
  g_autoptr (GError) error = NULL;
  BnFailure failure;

  set_error (&error, &row, &failure);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_null (strchr (error->message, 0x1b));
  g_assert_null (strstr (error->message, "sesame"));
  g_assert_nonnull (strstr (error->message, "(token)"));
  g_assert_cmpuint (strlen (error->message), <, 600);
}

/* Wherever a server repeats the token, and where the text is cut. */
static void
test_echoed_token (void)
{
  static const char *const places[] = {"x-error-message", "x-request-id"};

  for (gsize i = 0; i < G_N_ELEMENTS (places); i++) {
    for (gsize n = 280; n < 310; n++) {
      g_autofree char *filler = g_strnfill (n, 'x');
      g_autofree char *headers =
          g_strdup_printf ("%s: %shf_sesame\n", places[i], filler);
      const Case row = {500, headers, NULL, "hf_sesame", 0, NULL, 0, 0, 0};
      g_autoptr (GError) error = NULL;
      BnFailure failure;

      set_error (&error, &row, &failure);
      g_assert_null (strstr (error->message, "hf_"));
    }
  }
}

static void
test_translate (void)
{
  const struct {
    GQuark domain;
    int code;
    BitnetError expected;
    gboolean is_retryable, is_host_failure;
  } rows[] = {
      {G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, BITNET_ERROR_NETWORK,
          FALSE, TRUE},
      {G_RESOLVER_ERROR, G_RESOLVER_ERROR_TEMPORARY_FAILURE,
          BITNET_ERROR_NETWORK, TRUE, TRUE},
      {G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, BITNET_ERROR_TLS, FALSE,
          FALSE},
      {G_TLS_ERROR, G_TLS_ERROR_HANDSHAKE, BITNET_ERROR_TLS, FALSE, FALSE},
      {G_TLS_ERROR, G_TLS_ERROR_EOF, BITNET_ERROR_NETWORK, TRUE, TRUE},
      {G_IO_ERROR, G_IO_ERROR_TIMED_OUT, BITNET_ERROR_TIMEOUT, TRUE, TRUE},
      {G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED, BITNET_ERROR_NETWORK, TRUE,
          TRUE},
      {G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, BITNET_ERROR_NETWORK, TRUE,
          TRUE},
      {G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE, BITNET_ERROR_NETWORK, TRUE,
          TRUE},
      {G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT, BITNET_ERROR_TRUNCATED, TRUE,
          TRUE},
      {G_IO_ERROR, G_IO_ERROR_INVALID_DATA, BITNET_ERROR_HTTP, TRUE, TRUE},
      {G_IO_ERROR, G_IO_ERROR_PROXY_FAILED, BITNET_ERROR_NETWORK, FALSE, FALSE},
      {G_IO_ERROR, G_IO_ERROR_FAILED, BITNET_ERROR_NETWORK, TRUE, TRUE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    GError *error = g_error_new (rows[i].domain, rows[i].code, "broken");
    BnFailure failure;

    bn_hub_error_translate (&error, URL, &failure);
    g_test_message ("%" G_GSIZE_FORMAT " %s", i, error->message);
    g_assert_error (error, BITNET_ERROR, (int) rows[i].expected);
    g_assert_cmpint (failure.is_retryable, ==, rows[i].is_retryable);
    g_assert_cmpint (failure.is_host_failure, ==, rows[i].is_host_failure);
    g_assert_nonnull (strstr (error->message, "https://hub.example/a/b"));
    check_text (error->message);
    g_clear_error (&error);
  }
}

static void
test_untouched (void)
{
  GError *error = g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "as it was");
  BnFailure failure;

  bn_hub_error_translate (&error, URL, &failure);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpstr (error->message, ==, "as it was");
  g_assert_false (failure.is_retryable || failure.is_host_failure);
  g_clear_error (&error);
  error = g_error_new (BITNET_ERROR, BITNET_ERROR_NO_SPACE, "as it was");
  bn_hub_error_translate (&error, URL, &failure);
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_NO_SPACE);
  g_assert_false (failure.is_retryable || failure.is_host_failure);
  g_clear_error (&error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hub-error/A19/statuses", test_statuses);
  g_test_add_func ("/hub-error/echoed-token", test_echoed_token);
  g_test_add_func ("/hub-error/hostile-text", test_hostile_text);
  g_test_add_func ("/hub-error/A19/translate", test_translate);
  g_test_add_func ("/hub-error/untouched", test_untouched);
  return g_test_run ();
}
