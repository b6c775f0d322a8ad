/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests of a hub client. Invariants: the token goes to the endpoint's own
 * scheme, host and port and nowhere else, whatever a redirect says; every
 * request passes the breaker of its host and tells it the outcome; every wait
 * ends with the cancellable and the call's deadline. */
#include "bn-hub-call.h"

#include <string.h>

#include "bn-address.h"
#include "bitnet-error.h"
#include "bn-hub-token.h"
#include "bn-wait.h"

enum {
  MAX_HOPS = 10, /* redirects of one request */
  MS_PER_S = 1000,
};

enum {
  OK = 200,
  MULTIPLE_CHOICES = 300,
  MOVED_PERMANENTLY = 301,
  FOUND = 302,
  SEE_OTHER = 303,
  TEMPORARY_REDIRECT = 307,
  PERMANENT_REDIRECT = 308,
  UNAUTHORIZED = 401,
  RANGE_NOT_SATISFIABLE = 416,
  TOO_MANY_REQUESTS = 429,
  STATUS_CLASS = 100,
};

void
bn_hub_shared_count (BnHubShared *self, BnHubCounter counter, guint64 amount)
{
  g_mutex_lock (&self->lock);
  self->counters[counter] += amount;
  g_mutex_unlock (&self->lock);
}

char *
bn_hub_shared_dup_token (BnHubShared *self)
{
  char *token;

  g_mutex_lock (&self->lock);
  token = g_strdup (self->options.token);
  g_mutex_unlock (&self->lock);
  return token;
}

char *
bn_hub_shared_renew_token (BnHubShared *self, const char *refused)
{
  g_autofree char *token = NULL;

  if (self->options.token_file)
    token = bn_token_read (self->options.token_file);
  if (!token || !bn_token_is_valid (token) || g_strcmp0 (token, refused) == 0)
    return NULL;
  g_mutex_lock (&self->lock);
  g_free (self->options.token);
  self->options.token = g_strdup (token);
  g_mutex_unlock (&self->lock);
  return g_steal_pointer (&token);
}

void
bn_hub_call_init (BnHubCall *self, BnHubShared *shared, const char *repository,
    const char *revision, BitnetTransferFunc progress, gpointer progress_data,
    GCancellable *cancellable)
{
  const BnHubOptions *options = &shared->options;

  *self = (BnHubCall){
      .shared = shared,
      .token = bn_hub_shared_dup_token (shared),
      .repository = repository,
      .revision = revision,
      .progress = progress,
      .progress_data = progress_data,
      .cancellable = cancellable,
      .deadline = options->timeout_s == 0
                      ? G_MAXINT64
                      : g_get_monotonic_time ()
                            + (gint64) options->timeout_s * G_USEC_PER_SEC,
  };
  bn_backoff_init (&self->backoff, (double) options->backoff_base_ms / MS_PER_S,
      (double) options->backoff_cap_ms / MS_PER_S,
      options->is_deterministic ? &options->seed : NULL);
}

void
bn_hub_call_init_file (BnHubCall *self, const BnHubCall *whole,
    guint file_index, BitnetTransferFunc progress, gpointer progress_data,
    GCancellable *cancellable)
{
  bn_hub_call_init (self, whole->shared, whole->repository, whole->revision,
      progress, progress_data, cancellable);
  self->deadline = whole->deadline;
  self->file_index = file_index;
  self->n_files = whole->n_files;
}

void
bn_hub_call_clear (BnHubCall *self)
{
  bn_backoff_clear (&self->backoff);
  g_clear_pointer (&self->token, g_free);
}

void
bn_hub_call_report_full (BnHubCall *self, BitnetProgress *progress)
{
  if (!self->progress)
    return;
  progress->repository = (char *) self->repository;
  progress->revision = (char *) self->revision;
  progress->file_index = self->file_index;
  progress->n_files = self->n_files;
  self->progress (progress, self->progress_data);
}

void
bn_hub_call_report (BnHubCall *self, BitnetPhase phase, const char *file,
    guint64 bytes_done, gint64 bytes_total, guint attempt)
{
  BitnetProgress progress = {
      .phase = phase,
      .file = (char *) file,
      .bytes_done = bytes_done,
      .bytes_total = bytes_total,
      .attempt = attempt,
      .eta = -1,
  };

  bn_hub_call_report_full (self, &progress);
}

void
bn_hub_call_report_cached (BnHubCall *self, const char *file, guint64 size)
{
  BitnetProgress progress = {
      .phase = BITNET_PHASE_VERIFYING,
      .file = (char *) file,
      .bytes_done = size,
      .bytes_total = (gint64) size,
      .attempt = 1,
      .eta = 0,
      .cached = TRUE,
  };

  bn_hub_shared_count (self->shared, BN_HUB_CACHE_HITS, 1);
  bn_hub_call_report_full (self, &progress);
}

/* Answers */

void
bn_hub_answer_clear (BnHubAnswer *self)
{
  g_clear_pointer (&self->response, bn_http_response_free);
  g_clear_pointer (&self->headers, g_hash_table_unref);
  g_clear_pointer (&self->origin, g_hash_table_unref);
  g_clear_pointer (&self->url, g_free);
}

const char *
bn_hub_answer_get (GHashTable *headers, const char *name)
{
  return headers ? g_hash_table_lookup (headers, name) : NULL;
}

char *
bn_hub_answer_dup_etag (GHashTable *headers, const char *name)
{
  const char *text = bn_hub_answer_get (headers, name);
  gsize length;

  if (!text)
    return NULL;
  if (g_str_has_prefix (text, "W/"))
    text += strlen ("W/");
  length = strlen (text);
  if (length >= 2 && text[0] == '"' && text[length - 1] == '"') {
    text++;
    length -= 2;
  }
  return length > 0 ? g_strndup (text, length) : NULL;
}

gint64
bn_hub_answer_get_size (GHashTable *headers, const char *name)
{
  const char *text = bn_hub_answer_get (headers, name);
  guint64 size;

  if (!text
      || !g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT64, &size, NULL))
    return -1;
  return (gint64) size;
}

/* Sending */

static void
on_breaker_changed (const char *host, BnBreakerState state, gpointer user_data)
{
  BnHubShared *shared = user_data;
  const char *name = bn_breaker_state_get_name (state);

  if (state == BN_BREAKER_OPEN)
    bn_hub_shared_count (shared, BN_HUB_BREAKER_OPENINGS, 1);
  g_info ("%s: circuit breaker is %s", host, name);
  if (shared->breaker_changed)
    shared->breaker_changed (host, name, shared->breaker_data);
}

static gboolean
is_redirect (guint status)
{
  return status == MOVED_PERMANENTLY || status == FOUND || status == SEE_OTHER
         || status == TEMPORARY_REDIRECT || status == PERMANENT_REDIRECT;
}

static void
add_field (GPtrArray *fields, const char *name, char *value)
{
  g_ptr_array_add (fields, g_strdup (name));
  g_ptr_array_add (fields, value);
}

static GPtrArray *
new_fields (BnHubCall *self, const BnHubRequest *request, gboolean is_storage)
{
  const char *etag = is_storage ? request->storage_etag : request->hub_etag;
  GPtrArray *fields = g_ptr_array_new_with_free_func (g_free);

  if (self->token && !is_storage)
    add_field (
        fields, "Authorization", g_strdup_printf ("Bearer %s", self->token));
  if (request->offset > 0) {
    add_field (fields, "Range",
        g_strdup_printf ("bytes=%" G_GUINT64_FORMAT "-", request->offset));
    if (etag)
      add_field (fields, "If-Range", g_strdup_printf ("\"%s\"", etag));
  }
  g_ptr_array_add (fields, NULL);
  return fields;
}

static void
count_response (BnHubShared *shared, guint status)
{
  guint class = status / STATUS_CLASS;

  if (class >= 2 && class <= 5)
    bn_hub_shared_count (shared, BN_HUB_RESPONSES_2XX + (class - 2), 1);
}

/* A hub puts the same warning into every answer; once is enough. */
static void
show_warning (BnHubCall *self, GHashTable *headers, const char *url)
{
  BnHubShared *shared = self->shared;
  const char *text = bn_hub_answer_get (headers, "x-hf-warning");
  g_autofree char *address = NULL;
  g_autofree char *warning = NULL;
  gboolean is_known;

  if (!text)
    return;
  warning = bn_hub_error_dup_text (text, self->token);
  g_mutex_lock (&shared->lock);
  is_known = g_strcmp0 (warning, shared->warning) == 0;
  if (!is_known) {
    g_free (shared->warning);
    shared->warning = g_strdup (warning);
  }
  g_mutex_unlock (&shared->lock);
  address = bn_address_dup_shown (url);
  if (!is_known)
    g_warning ("%s: %s", address, warning);
}

/* One request to one address. */
static BnHttpResponse *
send_hop (BnHubCall *self, const BnHubRequest *request, const char *url,
    gboolean is_storage, BnFailure *failure, GError **error)
{
  BnHubShared *shared = self->shared;
  const BnHubOptions *options = &shared->options;
  g_autofree char *host = bn_address_dup_host (url);
  g_autoptr (GPtrArray) fields = new_fields (self, request, is_storage);
  guint answer_s =
      request->is_file ? options->idle_timeout_s : options->query_timeout_s;
  const BnHttpRequest http = {
      .method = request->method,
      .url = url,
      .fields = (const char *const *) fields->pdata,
      .connect_timeout_ms = options->connect_timeout_ms,
      .answer_timeout_ms = answer_s * MS_PER_S,
      .idle_timeout_ms = options->idle_timeout_s * MS_PER_S,
      .deadline = self->deadline,
  };
  g_autoptr (GError) local_error = NULL;
  BnHttpResponse *response;
  BnOutcome outcome = BN_OUTCOME_SUCCESS;
  guint ticket;

  *failure = (BnFailure) BN_FAILURE_INIT;
  ticket = bn_breaker_enter (host, on_breaker_changed, shared, error);
  if (ticket == 0)
    return NULL;
  bn_hub_shared_count (shared, BN_HUB_REQUESTS, 1);
  response =
      bn_http_send (shared->http, &http, self->cancellable, &local_error);
  if (!response) {
    bn_hub_error_translate (&local_error, url, failure);
    outcome = failure->is_host_failure ? BN_OUTCOME_FAILURE : BN_OUTCOME_NONE;
    if (g_get_monotonic_time () >= self->deadline)
      failure->is_retryable = FALSE;
    g_propagate_error (error, g_steal_pointer (&local_error));
  } else {
    guint status = bn_http_response_get_status (response);

    count_response (shared, status);
    if (bn_hub_error_is_transient (status))
      outcome = BN_OUTCOME_FAILURE;
  }
  bn_breaker_leave (host, ticket, outcome, on_breaker_changed, shared);
  return response;
}

/* Reads a body that nobody wants, if it is short: the connection can be used
 * again only after its end. */
static void
drain (BnHubCall *self, BnHubAnswer *answer, gboolean has_body)
{
  gint64 size =
      has_body ? bn_hub_answer_get_size (answer->headers, "content-length") : 0;
  gboolean is_end =
      size > BN_MAX_ERROR_BODY
      || (size < 0 && bn_hub_answer_get (answer->headers, "transfer-encoding"));
  gsize done = 0;

  while (!is_end) {
    g_autoptr (GBytes) block =
        bn_http_response_read (answer->response, self->cancellable, NULL);

    done += block ? g_bytes_get_size (block) : 0;
    is_end =
        !block || g_bytes_get_size (block) == 0 || done > BN_MAX_ERROR_BODY;
  }
}

/* Sets error for the status of an answer; its body may say more. */
static void
set_status_error (
    BnHubCall *self, BnHubAnswer *answer, BnFailure *failure, GError **error)
{
  const BnHubErrorContext context = {
      .endpoint = self->shared->options.endpoint,
      .repository = self->repository,
      .url = answer->url,
      .token = answer->is_storage ? NULL : self->token,
  };
  g_autoptr (GByteArray) body = g_byte_array_new ();
  g_autofree char *host = bn_address_dup_host (answer->url);

  while (body->len < BN_MAX_ERROR_BODY) {
    g_autoptr (GBytes) block =
        bn_http_response_read (answer->response, self->cancellable, NULL);

    if (!block || g_bytes_get_size (block) == 0)
      break;
    g_byte_array_append (
        body, g_bytes_get_data (block, NULL), (guint) g_bytes_get_size (block));
  }
  if (g_cancellable_set_error_if_cancelled (self->cancellable, error)) {
    failure->is_retryable = FALSE;
    return;
  }
  bn_hub_error_set_status (error, answer->status, answer->headers,
      (const char *) body->data, MIN (body->len, BN_MAX_ERROR_BODY), &context,
      g_get_real_time () / G_USEC_PER_SEC, failure);
  if (answer->status == TOO_MANY_REQUESTS && failure->retry_after_s > 0)
    bn_breaker_block (host, failure->retry_after_s);
}

/* The address that an answer leads to; NULL with error, NULL without if it is
 * the last. */
static char *
find_next (BnHubCall *self, const BnHubRequest *request,
    const BnHubAnswer *answer, GError **error)
{
  const char *location = bn_hub_answer_get (answer->headers, "location");

  if (!is_redirect (answer->status) || !location)
    return NULL;
  if (g_str_equal (request->method, "HEAD")
      && !bn_address_is_relative (location))
    return NULL;
  return bn_address_resolve (
      answer->url, location, self->shared->options.allow_insecure, error);
}

static gboolean
send_to (BnHubCall *self, const BnHubRequest *request, const char *url,
    BnHubAnswer *answer, BnFailure *failure, GError **error)
{
  const BnHubOptions *options = &self->shared->options;

  g_clear_pointer (&answer->response, bn_http_response_free);
  g_clear_pointer (&answer->headers, g_hash_table_unref);
  g_free (answer->url);
  answer->url = g_strdup (url);
  answer->is_storage = !bn_address_is_same_origin (url, options->endpoint);
  answer->response =
      send_hop (self, request, url, answer->is_storage, failure, error);
  if (!answer->response)
    return FALSE;
  answer->status = bn_http_response_get_status (answer->response);
  answer->headers =
      g_hash_table_ref (bn_http_response_get_headers (answer->response));
  if (!answer->is_storage) {
    g_clear_pointer (&answer->origin, g_hash_table_unref);
    answer->origin = g_hash_table_ref (answer->headers);
    show_warning (self, answer->headers, url);
  }
  return TRUE;
}

static gboolean
is_good (const BnHubRequest *request, const BnHubAnswer *answer)
{
  if (answer->status >= OK && answer->status < MULTIPLE_CHOICES)
    return TRUE;
  if (answer->status == RANGE_NOT_SATISFIABLE)
    return request->offset > 0;
  return g_str_equal (request->method, "HEAD") && is_redirect (answer->status)
         && bn_hub_answer_get (answer->headers, "location");
}

static gboolean
send (BnHubCall *self, const BnHubRequest *request, BnHubAnswer *answer,
    BnFailure *failure, GError **error)
{
  g_autofree char *url = g_strdup (request->url);
  gboolean is_head = g_str_equal (request->method, "HEAD");

  memset (answer, 0, sizeof *answer);
  *failure = (BnFailure) BN_FAILURE_INIT;
  if (!bn_address_check (url, self->shared->options.allow_insecure, error))
    return FALSE;
  for (guint hop = 0; hop <= MAX_HOPS; hop++) {
    GError *next_error = NULL;
    g_autofree char *next = NULL;

    if (!send_to (self, request, url, answer, failure, error))
      return FALSE;
    next = find_next (self, request, answer, &next_error);
    if (next_error) {
      g_propagate_error (error, next_error);
      return FALSE;
    }
    if (!next && !is_good (request, answer)) {
      set_status_error (self, answer, failure, error);
      return FALSE;
    }
    if (next || is_head)
      drain (self, answer, !is_head);
    if (!next)
      return TRUE;
    g_free (url);
    url = g_steal_pointer (&next);
  }
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
      "%s: redirected more than %d times", request->url, MAX_HOPS);
  return FALSE;
}

static gboolean
renew_token (BnHubCall *self)
{
  char *token;

  if (self->has_renewed_token)
    return FALSE;
  self->has_renewed_token = TRUE;
  token = bn_hub_shared_renew_token (self->shared, self->token);
  if (!token)
    return FALSE;
  g_info ("%s: another access token is there by now", self->repository);
  g_free (self->token);
  self->token = token;
  return TRUE;
}

gboolean
bn_hub_call_send (BnHubCall *self, const BnHubRequest *request,
    BnHubAnswer *answer, BnFailure *failure, GError **error)
{
  GError *local_error = NULL;

  if (send (self, request, answer, failure, &local_error))
    return TRUE;
  if (failure->status != UNAUTHORIZED || answer->is_storage
      || !renew_token (self)) {
    g_propagate_error (error, local_error);
    return FALSE;
  }
  g_error_free (local_error);
  bn_hub_answer_clear (answer);
  return send (self, request, answer, failure, error);
}

gboolean
bn_hub_call_retry (BnHubCall *self, const char *file, const BnFailure *failure,
    guint n_failures, GError **error)
{
  gint64 end;

  if (!failure->is_retryable || n_failures > self->shared->options.retries)
    return FALSE;
  end = g_get_monotonic_time ();
  if (failure->retry_after_s >= 0)
    end += failure->retry_after_s * G_USEC_PER_SEC;
  else
    end += (gint64) (bn_backoff_next (&self->backoff, n_failures - 1)
                     * G_USEC_PER_SEC);
  if (end >= self->deadline)
    return FALSE;
  g_info ("attempt %u failed: %s", n_failures, (*error)->message);
  bn_hub_call_report (self, BITNET_PHASE_WAITING, file, 0, -1, n_failures + 1);
  g_clear_error (error);
  if (!bn_wait_sleep (end, self->cancellable, error))
    return FALSE;
  bn_hub_shared_count (self->shared, BN_HUB_RETRIES, 1);
  return TRUE;
}

gboolean
bn_hub_call_send_retrying (BnHubCall *self, const BnHubRequest *request,
    BnHubAnswer *answer, BnFailure *failure, GError **error)
{
  for (guint n = 1;; n++) {
    g_autoptr (GError) local_error = NULL;

    if (bn_hub_call_send (self, request, answer, failure, &local_error))
      return TRUE;
    bn_hub_answer_clear (answer);
    if (!bn_hub_call_retry (self, NULL, failure, n, &local_error)) {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  }
}

/* libsoup takes a connection that ends early for the end of the body. */
static gboolean
check_length (BnHubCall *self, const BnHubAnswer *answer, gsize size,
    BnFailure *failure, GError **error)
{
  gint64 expected = bn_hub_answer_get_size (answer->headers, "content-length");
  g_autofree char *shown = NULL;

  if (expected < 0 || (gint64) size >= expected)
    return TRUE;
  shown = bn_address_dup_shown (answer->url);
  bn_hub_call_note_broken_body (self, answer->url);
  failure->is_retryable = TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_TRUNCATED,
      "%s: %" G_GSIZE_FORMAT " bytes came, expected %" G_GINT64_FORMAT, shown,
      size, expected);
  return FALSE;
}

/* The whole body. */
static GBytes *
read_body (BnHubCall *self, BnHubAnswer *answer, gsize max_size,
    BnFailure *failure, GError **error)
{
  g_autoptr (GByteArray) body = g_byte_array_new ();

  while (TRUE) {
    g_autoptr (GError) local_error = NULL;
    g_autoptr (GBytes) block = bn_http_response_read (
        answer->response, self->cancellable, &local_error);

    if (!block) {
      bn_hub_error_translate (&local_error, answer->url, failure);
      if (failure->is_host_failure)
        bn_hub_call_note_broken_body (self, answer->url);
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
    if (g_bytes_get_size (block) == 0) {
      if (!check_length (self, answer, body->len, failure, error))
        return NULL;
      return g_byte_array_free_to_bytes (g_steal_pointer (&body));
    }
    bn_hub_shared_count (
        self->shared, BN_HUB_BYTES_RECEIVED, g_bytes_get_size (block));
    if (body->len + g_bytes_get_size (block) > max_size) {
      g_autofree char *shown = bn_address_dup_shown (answer->url);

      failure->is_retryable = FALSE;
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOO_LARGE,
          "%s: answer is larger than %" G_GSIZE_FORMAT " bytes", shown,
          max_size);
      return NULL;
    }
    g_byte_array_append (
        body, g_bytes_get_data (block, NULL), (guint) g_bytes_get_size (block));
  }
}

GBytes *
bn_hub_call_get (BnHubCall *self, const char *url, gsize max_size,
    BnFailure *failure, GError **error)
{
  const BnHubRequest request = {.method = "GET", .url = url};

  for (guint n = 1;; n++) {
    g_autoptr (GError) local_error = NULL;
    g_auto (BnHubAnswer) answer = {0};
    GBytes *body = NULL;

    if (bn_hub_call_send (self, &request, &answer, failure, &local_error))
      body = read_body (self, &answer, max_size, failure, &local_error);
    if (body)
      return body;
    if (!bn_hub_call_retry (self, NULL, failure, n, &local_error)) {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  }
}

void
bn_hub_call_note_broken_body (BnHubCall *self, const char *url)
{
  g_autofree char *host = bn_address_dup_host (url);
  guint ticket =
      bn_breaker_enter (host, on_breaker_changed, self->shared, NULL);

  if (ticket != 0)
    bn_breaker_leave (
        host, ticket, BN_OUTCOME_FAILURE, on_breaker_changed, self->shared);
}
