/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What went wrong on the way to a hub, as BITNET_ERROR. */
#pragma once

#include <gio/gio.h>

/* What to do about it. */
typedef struct {
  gboolean is_retryable;
  gboolean is_host_failure; /* for the breaker */
  gint64 retry_after_s;     /* that the server asks for; -1: it does not */
  guint status;             /* of HTTP; 0: there was no answer */
  gboolean is_hub_answer;   /* a hub's own code came with it */
} BnFailure;

#define BN_FAILURE_INIT                                                        \
  {                                                                            \
    .retry_after_s = -1                                                        \
  }

/* A request, for messages. */
typedef struct {
  const char *endpoint;
  const char *repository; /* may be NULL */
  const char *url;        /* shown without its query */
  const char *token;      /* sent with it, taken out of texts; may be NULL */
} BnHubErrorContext;

enum { BN_MAX_ERROR_BODY = 64 << 10 };

/* A server's text as it may be shown: cut, without control characters and
 * without the token that a server might repeat. token may be NULL. (transfer
 * full) */
char *bn_hub_error_dup_text (const char *text, const char *token);

/* Statuses of problems that may pass. */
gboolean bn_hub_error_is_transient (guint status);

/* Headers have names in lower case. body may be NULL. Sets error for a status
 * of 300 and above (hub-and-cache.md section 3). now_s: since 1970. */
void bn_hub_error_set_status (GError **error, guint status, GHashTable *headers,
    const char *body, gsize body_size, const BnHubErrorContext *context,
    gint64 now_s, BnFailure *failure);

/* Turns an error of GIO into one of BITNET_ERROR that names the address.
 * Cancellation and BITNET_ERROR stay as they are. */
void bn_hub_error_translate (
    GError **error, const char *url, BnFailure *failure);
