/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call of a hub client: its limits, its requests with redirects, breaker
 * and retries, its progress. For the files of the hub client alone. */
#pragma once

#include "bn-backoff.h"
#include "bn-breaker.h"
#include "bn-http.h"
#include "bn-hub-client.h"
#include "bn-hub-error.h"

/* What a client counts, in the order of bitnet_hub_dup_stats(). */
typedef enum {
  BN_HUB_REQUESTS,
  BN_HUB_RESPONSES_2XX,
  BN_HUB_RESPONSES_3XX,
  BN_HUB_RESPONSES_4XX,
  BN_HUB_RESPONSES_5XX,
  BN_HUB_BYTES_RECEIVED,
  BN_HUB_BYTES_RESUMED,
  BN_HUB_CACHE_HITS,
  BN_HUB_WAITS_SHARED,
  BN_HUB_RETRIES,
  BN_HUB_BREAKER_OPENINGS,
  BN_HUB_N_COUNTERS,
} BnHubCounter;

/* What the calls of a client share. lock guards the token, the numbers and the
 * warning. */
typedef struct {
  BnHubOptions options; /* not changed any more but for the token */
  BnHttp *http;
  void (*breaker_changed) (
      const char *host, const char *state, gpointer user_data);
  gpointer breaker_data;
  GMutex lock;
  guint64 counters[BN_HUB_N_COUNTERS];
  double first_byte_ms, seconds;
  char *warning; /* of the hub, as it was shown last */
} BnHubShared;

void bn_hub_shared_count (
    BnHubShared *self, BnHubCounter counter, guint64 amount);

/* The present token, NULL if there is none; (transfer full). */
char *bn_hub_shared_dup_token (BnHubShared *self);
/* Another one than was refused (NULL: none was sent), because somebody logged
 * in meanwhile; NULL if there is none. (transfer full) */
char *bn_hub_shared_renew_token (BnHubShared *self, const char *refused);

typedef struct {
  BnHubShared *shared;
  char *token; /* may be NULL */
  gboolean has_renewed_token;
  const char *repository, *revision; /* for progress and messages */
  BitnetTransferFunc progress;       /* may be NULL */
  gpointer progress_data;
  GCancellable *cancellable;
  gint64 deadline; /* monotonic, µs; G_MAXINT64: none */
  BnBackoff backoff;
  guint file_index, n_files;
} BnHubCall;

/* Strings are not copied. */
void bn_hub_call_init (BnHubCall *self, BnHubShared *shared,
    const char *repository, const char *revision, BitnetTransferFunc progress,
    gpointer progress_data, GCancellable *cancellable);
/* For one of the files of another call, in a thread of its own. */
void bn_hub_call_init_file (BnHubCall *self, const BnHubCall *whole,
    guint file_index, BitnetTransferFunc progress, gpointer progress_data,
    GCancellable *cancellable);
void bn_hub_call_clear (BnHubCall *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnHubCall, bn_hub_call_clear)

/* Progress of a file, or of none (NULL). */
void bn_hub_call_report (BnHubCall *self, BitnetPhase phase, const char *file,
    guint64 bytes_done, gint64 bytes_total, guint attempt);
/* The same with all there is to say; repository, revision, file_index and
 * n_files are filled in. */
void bn_hub_call_report_full (BnHubCall *self, BitnetProgress *progress);
/* That a file was here, which counts. */
void bn_hub_call_report_cached (
    BnHubCall *self, const char *file, guint64 size);

typedef struct {
  const char *method;
  const char *url;
  gboolean is_file;         /* a transfer, not a question */
  guint64 offset;           /* first byte that is wanted */
  const char *hub_etag;     /* that the rest must belong to, at the hub */
  const char *storage_etag; /* and at the storage; may be NULL */
} BnHubRequest;

typedef struct {
  BnHttpResponse *response;
  guint status;
  GHashTable *headers; /* of response */
  GHashTable *origin;  /* of the last answer of the hub itself */
  char *url;           /* that answered */
  gboolean is_storage; /* which is not the hub */
} BnHubAnswer;

void bn_hub_answer_clear (BnHubAnswer *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnHubAnswer, bn_hub_answer_clear)

/* A header, NULL if it is not there. name in lower case. */
const char *bn_hub_answer_get (GHashTable *headers, const char *name);
/* An etag without quotes and W/; (transfer full) NULL if there is none. */
char *bn_hub_answer_dup_etag (GHashTable *headers, const char *name);
/* A number, -1 if it is none. */
gint64 bn_hub_answer_get_size (GHashTable *headers, const char *name);

/* One attempt, redirects followed (of HEAD only relative ones). Statuses of
 * 300 and above are errors but an absolute redirect of HEAD and, for a
 * request with offset, 416. At the first 401 of a call it goes on with another
 * token, if there is one by now. */
gboolean bn_hub_call_send (BnHubCall *self, const BnHubRequest *request,
    BnHubAnswer *answer, BnFailure *failure, GError **error);

/* The same until it succeeds or is not worth trying; failure is that of the
 * last attempt. */
gboolean bn_hub_call_send_retrying (BnHubCall *self,
    const BnHubRequest *request, BnHubAnswer *answer, BnFailure *failure,
    GError **error);

/* GET of at most max_size bytes, retrying. */
GBytes *bn_hub_call_get (BnHubCall *self, const char *url, gsize max_size,
    BnFailure *failure, GError **error);

/* After failed attempt number n_failures (from 1): waits and returns TRUE with
 * error cleared if another one makes sense; else error stays or becomes
 * G_IO_ERROR_CANCELLED. */
gboolean bn_hub_call_retry (BnHubCall *self, const char *file,
    const BnFailure *failure, guint n_failures, GError **error);

/* A body that broke off counts against the host. */
void bn_hub_call_note_broken_body (BnHubCall *self, const char *url);
