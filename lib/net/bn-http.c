/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transport on libsoup.
 *
 *   caller                        private thread
 *   post (start_send)  ---------> soup_session_send_async
 *   wait               <--------- on_sent: status, headers
 *   post (start_read)  ---------> g_input_stream_read_bytes_async
 *   wait               <--------- on_read: a block
 *   post (do_close)    ---------> cancels what is under way, drops the stream
 *
 * Everything of libsoup is touched in the private thread alone. An exchange is
 * shared by the caller and the thread and has a reference of each. A caller
 * that gives up (cancelled, out of time) posts do_close() and goes; the thread
 * needs no timers and no answer of it matters any more. So no state of the
 * network can hold a caller.
 *
 * BnHttp.lock guards thread, n_files, n_connections; Exchange.lock guards what
 * the exchange says it does. Never both. */
#include "bn-http.h"

#include <libsoup/soup.h>
#include <string.h>

#include "bitnet-version.h"
#include "bn-http-config.h"
#include "bn-wait.h"

enum {
  MAX_CONNECTIONS =
      32, /* more than exchanges at a time: libsoup never queues */
  KEEP_ALIVE_S = 30,
  US_PER_MS = 1000,
};

struct BnHttp {
  gatomicrefcount ref_count;
  GMutex lock;
  GCond cond; /* n_files fell */
  GThread *thread;
  GMainContext *context; /* set once, with thread */
  guint n_files;
  guint64 n_connections;
  /* From the environment, not changed any more; may be NULL. */
  GProxyResolver *proxies;
  char *authorities_path;
  /* Of the private thread. */
  SoupSession *session;
  GTlsDatabase *authorities; /* may be NULL */
  guint n_running;           /* operations of libsoup and GIO */
  gboolean is_stopping;
};

struct BnHttpResponse {
  gatomicrefcount ref_count;
  BnHttp *http; /* the caller holds the reference */
  /* Set before the thread sees them. */
  char *method, *url;
  GStrv fields;
  gint64 connect_timeout, answer_timeout, idle_timeout; /* µs */
  gint64 deadline;

  GMutex lock;
  GCond cond;
  gboolean is_connected, is_done; /* of the operation */
  gint64 since;                   /* of the phase */
  GError *error;
  GBytes *block;
  guint status;
  GHashTable *headers; /* not changed once is_done */

  /* Of the private thread. */
  SoupMessage *message;
  GInputStream *stream;
  GCancellable *cancellable;
};

typedef struct BnHttpResponse Exchange;

gboolean
bn_http_is_available (void)
{
  return TRUE;
}

/* Exchanges */

static void
exchange_unref (gpointer data)
{
  Exchange *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_free (self->method);
  g_free (self->url);
  g_strfreev (self->fields);
  g_clear_error (&self->error);
  g_clear_pointer (&self->block, g_bytes_unref);
  g_hash_table_unref (self->headers);
  g_object_unref (self->cancellable);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  g_free (self);
}

static Exchange *
exchange_ref (Exchange *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static gint64
get_limit (guint milliseconds)
{
  return milliseconds ? (gint64) milliseconds * US_PER_MS : G_MAXINT64;
}

static Exchange *
exchange_new (BnHttp *http, const BnHttpRequest *request)
{
  Exchange *self = g_new0 (Exchange, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->http = bn_http_ref (http);
  self->method = g_strdup (request->method);
  self->url = g_strdup (request->url);
  self->fields = g_strdupv ((GStrv) request->fields);
  self->connect_timeout = get_limit (request->connect_timeout_ms);
  self->answer_timeout = get_limit (request->answer_timeout_ms);
  self->idle_timeout = get_limit (request->idle_timeout_ms);
  self->deadline = request->deadline;
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->headers =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->cancellable = g_cancellable_new ();
  return self;
}

/* Private thread: the end of an operation. */
static void
finish (Exchange *self, GError *error, GBytes *block)
{
  g_mutex_lock (&self->lock);
  self->is_done = TRUE;
  g_clear_error (&self->error);
  self->error = error;
  g_clear_pointer (&self->block, g_bytes_unref);
  self->block = block;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* libsoup's own errors in terms of GIO. */
static GError *
convert_error (GError *error)
{
  GIOErrorEnum code = G_IO_ERROR_FAILED;

  if (error->domain != SOUP_SESSION_ERROR)
    return error;
  if (error->code == SOUP_SESSION_ERROR_PARSING
      || error->code == SOUP_SESSION_ERROR_ENCODING)
    code = G_IO_ERROR_INVALID_DATA;
  error->domain = G_IO_ERROR;
  error->code = (int) code;
  return error;
}

static void
add_header (const char *name, const char *value, gpointer user_data)
{
  GHashTable *headers = user_data;
  char *key = g_ascii_strdown (name, -1);
  const char *old = g_hash_table_lookup (headers, key);

  g_hash_table_replace (headers, key,
      old ? g_strdup_printf ("%s, %s", old, value) : g_strdup (value));
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Exchange *self = user_data;
  GError *error = NULL;
  GInputStream *stream =
      soup_session_send_finish (SOUP_SESSION (source), result, &error);

  self->http->n_running--;
  if (stream && g_cancellable_is_cancelled (self->cancellable)) {
    g_object_unref (stream); /* nobody waits any more */
  } else if (stream) {
    self->stream = stream;
    self->status = soup_message_get_status (self->message);
    soup_message_headers_foreach (
        soup_message_get_response_headers (self->message), add_header,
        self->headers);
    finish (self, NULL, NULL);
  } else {
    /* Nothing came that could be partial. */
    if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT))
      error->code = G_IO_ERROR_CONNECTION_CLOSED;
    finish (self, convert_error (error), NULL);
  }
  exchange_unref (self);
}

static void
on_starting (SoupMessage *message, gpointer user_data)
{
  Exchange *self = user_data;

  g_mutex_lock (&self->lock);
  self->is_connected = TRUE;
  self->since = g_get_monotonic_time ();
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

static void
on_network_event (SoupMessage *message, GSocketClientEvent event,
    GIOStream *connection, gpointer user_data)
{
  Exchange *self = user_data;

  if (event != G_SOCKET_CLIENT_CONNECTED)
    return;
  g_mutex_lock (&self->http->lock);
  self->http->n_connections++;
  g_mutex_unlock (&self->http->lock);
}

/* The system does not know the certificate; the user's authorities may. */
static gboolean
on_accept_certificate (SoupMessage *message, GTlsCertificate *certificate,
    GTlsCertificateFlags errors, gpointer user_data)
{
  Exchange *self = user_data;
  GUri *uri = soup_message_get_uri (message);
  g_autoptr (GSocketConnectable) identity = NULL;

  if (!self->http->authorities)
    return FALSE;
  identity = g_network_address_new (
      g_uri_get_host (uri), (guint16) MAX (g_uri_get_port (uri), 0));
  return g_tls_database_verify_chain (self->http->authorities, certificate,
             G_TLS_DATABASE_PURPOSE_AUTHENTICATE_SERVER, identity, NULL,
             G_TLS_DATABASE_VERIFY_NONE, self->cancellable, NULL)
         == 0;
}

/* NULL for what libsoup would not take. */
static SoupMessage *
new_message (const char *method, const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);
  const char *scheme = uri ? g_uri_get_scheme (uri) : "";
  const char *host = uri ? g_uri_get_host (uri) : NULL;

  if (!host || host[0] == '\0'
      || (!g_str_equal (scheme, "http") && !g_str_equal (scheme, "https")))
    return NULL;
  return soup_message_new_from_uri (method, uri);
}

static gboolean
start_send (gpointer user_data)
{
  Exchange *self = user_data;
  SoupMessageHeaders *headers;

  self->message = new_message (self->method, self->url);
  if (!self->message) {
    finish (self,
        g_error_new_literal (G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
            "is no address of a server"),
        NULL);
    return G_SOURCE_REMOVE;
  }
  soup_message_add_flags (self->message, SOUP_MESSAGE_NO_REDIRECT);
  headers = soup_message_get_request_headers (self->message);
  soup_message_headers_replace (headers, "Accept-Encoding", "identity");
  for (gsize i = 0; self->fields && self->fields[i]; i += 2)
    soup_message_headers_replace (
        headers, self->fields[i], self->fields[i + 1]);
  g_signal_connect (self->message, "starting", G_CALLBACK (on_starting), self);
  g_signal_connect (
      self->message, "network-event", G_CALLBACK (on_network_event), self);
  g_signal_connect (self->message, "accept-certificate",
      G_CALLBACK (on_accept_certificate), self);
  self->http->n_running++;
  soup_session_send_async (self->http->session, self->message,
      G_PRIORITY_DEFAULT, self->cancellable, on_sent, exchange_ref (self));
  return G_SOURCE_REMOVE;
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Exchange *self = user_data;
  GError *error = NULL;
  GBytes *block = g_input_stream_read_bytes_finish (
      G_INPUT_STREAM (source), result, &error);

  self->http->n_running--;
  finish (self, error ? convert_error (error) : NULL, block);
  exchange_unref (self);
}

static gboolean
start_read (gpointer user_data)
{
  Exchange *self = user_data;

  self->http->n_running++;
  g_input_stream_read_bytes_async (self->stream, BN_HTTP_BLOCK_SIZE,
      G_PRIORITY_DEFAULT, self->cancellable, on_read, exchange_ref (self));
  return G_SOURCE_REMOVE;
}

static gboolean
do_close (gpointer user_data)
{
  Exchange *self = user_data;

  g_cancellable_cancel (self->cancellable);
  if (self->message)
    g_signal_handlers_disconnect_by_data (self->message, self);
  g_clear_object (&self->stream);
  g_clear_object (&self->message);
  return G_SOURCE_REMOVE;
}

/* The private thread */

static SoupSession *
new_session (GProxyResolver *proxies)
{
  SoupSession *session =
      soup_session_new_with_options ("user-agent", "gst-bitnet/" BITNET_VERSION,
          "max-conns", MAX_CONNECTIONS, "max-conns-per-host", MAX_CONNECTIONS,
          "timeout", 0, "idle-timeout", KEEP_ALIVE_S, NULL);

  /* Ranges and digests are of what is sent, not of what it unpacks to. */
  soup_session_remove_feature_by_type (session, SOUP_TYPE_CONTENT_DECODER);
  if (proxies)
    soup_session_set_proxy_resolver (session, proxies);
  return session;
}

static gpointer
run_thread (gpointer data)
{
  BnHttp *self = data;

  g_main_context_push_thread_default (self->context);
  self->session = new_session (self->proxies);
  if (self->authorities_path)
    self->authorities =
        bn_http_config_load_authorities (self->authorities_path);
  while (!self->is_stopping || self->n_running > 0)
    g_main_context_iteration (self->context, TRUE);
  g_clear_object (&self->session);
  g_clear_object (&self->authorities);
  while (g_main_context_iteration (self->context, FALSE))
    continue; /* what closing left behind */
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

static gboolean
do_stop (gpointer user_data)
{
  BnHttp *self = user_data;

  self->is_stopping = TRUE;
  soup_session_abort (self->session);
  return G_SOURCE_REMOVE;
}

static void
post (BnHttp *self, GSourceFunc func, gpointer data, GDestroyNotify destroy)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, func, data, destroy);
  g_source_attach (source, self->context);
}

static void
ensure_thread (BnHttp *self)
{
  g_mutex_lock (&self->lock);
  if (!self->thread) {
    self->context = g_main_context_new ();
    self->thread = g_thread_new ("bitnet-hub", run_thread, self);
  }
  g_mutex_unlock (&self->lock);
}

BnHttp *
bn_http_new (void)
{
  BnHttp *self = g_new0 (BnHttp, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->proxies = bn_http_config_new_proxy_resolver ();
  self->authorities_path = bn_http_config_dup_authorities_path ();
  return self;
}

BnHttp *
bn_http_ref (BnHttp *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bn_http_unref (BnHttp *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  if (self->thread) {
    post (self, do_stop, self, NULL);
    g_thread_join (self->thread);
    g_main_context_unref (self->context);
  }
  g_clear_object (&self->proxies);
  g_free (self->authorities_path);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  g_free (self);
}

gboolean
bn_http_is_running (BnHttp *self)
{
  gboolean is_running;

  g_mutex_lock (&self->lock);
  is_running = self->thread != NULL;
  g_mutex_unlock (&self->lock);
  return is_running;
}

guint64
bn_http_get_n_connections (BnHttp *self)
{
  guint64 n;

  g_mutex_lock (&self->lock);
  n = self->n_connections;
  g_mutex_unlock (&self->lock);
  return n;
}

gboolean
bn_http_begin_file (
    BnHttp *self, gint64 deadline, GCancellable *cancellable, GError **error)
{
  gboolean in_time = TRUE, has_place;
  BnWait wait;

  bn_wait_begin (&wait, &self->lock, &self->cond, cancellable);
  while (self->n_files >= BN_HTTP_MAX_FILES && in_time
         && !g_cancellable_is_cancelled (cancellable))
    in_time = bn_wait_until (&wait, deadline);
  has_place = self->n_files < BN_HTTP_MAX_FILES
              && !g_cancellable_is_cancelled (cancellable);
  if (has_place)
    self->n_files++;
  bn_wait_end (&wait);
  if (has_place || g_cancellable_set_error_if_cancelled (cancellable, error))
    return has_place;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
      "no time was left after waiting for other downloads");
  return FALSE;
}

void
bn_http_end_file (BnHttp *self)
{
  g_mutex_lock (&self->lock);
  self->n_files--;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* The caller's side */

static gint64
add_limit (gint64 since, gint64 limit)
{
  return limit == G_MAXINT64 ? G_MAXINT64 : since + limit;
}

/* When waiting has no sense any more; with the lock. */
static gint64
get_end (const Exchange *self, gboolean is_read)
{
  gint64 limit = is_read              ? self->idle_timeout
                 : self->is_connected ? self->answer_timeout
                                      : self->connect_timeout;

  return MIN (add_limit (self->since, limit), self->deadline);
}

static void
set_timeout_error (GError **error, const Exchange *self, gboolean is_read)
{
  const char *what = is_read              ? "no more data came"
                     : self->is_connected ? "no answer came"
                                          : "no connection was made";

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "%s %s", what,
      g_get_monotonic_time () >= self->deadline
          ? "within the time for the whole"
          : "in time");
}

/* Runs func in the private thread and waits for its finish(). */
static gboolean
run (
    Exchange *self, GSourceFunc func, GCancellable *cancellable, GError **error)
{
  gboolean is_read = func == start_read;
  gboolean is_done, is_late = FALSE;
  GError *failure = NULL;
  BnWait wait;

  self->is_done = FALSE;
  self->since = g_get_monotonic_time ();
  post (self->http, func, exchange_ref (self), exchange_unref);
  bn_wait_begin (&wait, &self->lock, &self->cond, cancellable);
  while (
      !self->is_done && !is_late && !g_cancellable_is_cancelled (cancellable)) {
    bn_wait_until (&wait, get_end (self, is_read));
    is_late = g_get_monotonic_time () >= get_end (self, is_read);
  }
  is_done = self->is_done;
  if (is_done)
    failure = g_steal_pointer (&self->error);
  else if (is_late)
    set_timeout_error (&failure, self, is_read);
  bn_wait_end (&wait);
  if (!is_done && !failure)
    g_cancellable_set_error_if_cancelled (cancellable, &failure);
  if (failure)
    g_propagate_error (error, failure);
  return failure == NULL;
}

BnHttpResponse *
bn_http_send (BnHttp *self, const BnHttpRequest *request,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (BnHttpResponse) exchange = NULL;

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  ensure_thread (self);
  exchange = exchange_new (self, request);
  if (!run (exchange, start_send, cancellable, error))
    return NULL;
  return g_steal_pointer (&exchange);
}

void
bn_http_response_free (BnHttpResponse *self)
{
  BnHttp *http = self->http;

  post (http, do_close, self, exchange_unref);
  bn_http_unref (http);
}

guint
bn_http_response_get_status (const BnHttpResponse *self)
{
  return self->status;
}

GHashTable *
bn_http_response_get_headers (const BnHttpResponse *self)
{
  return self->headers;
}

GBytes *
bn_http_response_read (
    BnHttpResponse *self, GCancellable *cancellable, GError **error)
{
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  if (!run (self, start_read, cancellable, error))
    return NULL;
  return g_steal_pointer (&self->block);
}
