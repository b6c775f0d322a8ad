/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transport: one request, one answer, no redirects, no retries.
 *
 * A BnHttp has one connection pool in one private thread, both made at the
 * first request. Functions block and may be called from any thread; they
 * return as soon as the cancellable or a time limit says so, whatever the
 * network does, and leave the rest to the private thread. */
#pragma once

#include <gio/gio.h>

enum {
  BN_HTTP_BLOCK_SIZE = 64 << 10, /* bytes read at once */
  BN_HTTP_MAX_FILES = 4,         /* file transfers at a time */
};

typedef struct BnHttp BnHttp;

/* Whether this library has a transport. Without one every request fails with
 * BITNET_ERROR_DOWNLOAD_DISABLED. */
gboolean bn_http_is_available (void);

/* Reads the environment for proxies and certificate authorities. */
BnHttp *bn_http_new (void);
BnHttp *bn_http_ref (BnHttp *self);
/* The last one ends the thread and waits for it. */
void bn_http_unref (BnHttp *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnHttp, bn_http_unref)

/* Whether the thread exists. */
gboolean bn_http_is_running (BnHttp *self);
/* Connections made so far. */
guint64 bn_http_get_n_connections (BnHttp *self);

/* Waits for one of the BN_HTTP_MAX_FILES places of file transfers. Who has one
 * must not wait for another one. */
gboolean bn_http_begin_file (
    BnHttp *self, gint64 deadline, GCancellable *cancellable, GError **error);
void bn_http_end_file (BnHttp *self);

typedef struct {
  const char *method;        /* "GET" or "HEAD" */
  const char *url;           /* absolute */
  const char *const *fields; /* names and values of headers in turn, NULL */
  guint connect_timeout_ms;  /* until there is a connection; 0: none */
  guint answer_timeout_ms;   /* from there to the headers of the answer */
  guint idle_timeout_ms;     /* without a byte of the body */
  gint64 deadline;           /* monotonic, µs; G_MAXINT64: none */
} BnHttpRequest;

typedef struct BnHttpResponse BnHttpResponse;

/* Errors are as they come (G_IO_ERROR, G_TLS_ERROR, G_RESOLVER_ERROR; see
 * bn-hub-error.h), but G_IO_ERROR_TIMED_OUT for all limits of request and
 * G_IO_ERROR_INVALID_DATA for what is no HTTP. */
BnHttpResponse *bn_http_send (BnHttp *self, const BnHttpRequest *request,
    GCancellable *cancellable, GError **error);
void bn_http_response_free (BnHttpResponse *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnHttpResponse, bn_http_response_free)

guint bn_http_response_get_status (const BnHttpResponse *self);
/* Names in lower case to values; of equal names the values joined by ", ". */
GHashTable *bn_http_response_get_headers (const BnHttpResponse *self);
/* The next at most BN_HTTP_BLOCK_SIZE bytes, none at the end. An answer that
 * is shorter than it said is G_IO_ERROR_PARTIAL_INPUT. */
GBytes *bn_http_response_read (
    BnHttpResponse *self, GCancellable *cancellable, GError **error);
