/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transfers. Nothing is appended unless the server said where it begins: a
 * 206 whose offset or total is not ours, and a 200, start again from nothing.
 * At the end the digest decides, also over what an earlier process left. A
 * failure is worth another attempt as long as attempts bring new bytes;
 * "new" is beyond all that was ever here, so that a server which always starts
 * from 0 cannot keep us forever. */
#include "bn-transfer.h"

#include <string.h>

#include "bn-address.h"
#include "bitnet-error.h"
#include "bn-hub-names.h"

enum {
  SHA256_SIZE = 64,
  REPORT_INTERVAL_US = 100 * 1000,
  US_PER_MS = 1000,
  PARTIAL_CONTENT = 206,
  FORBIDDEN = 403,
  RANGE_NOT_SATISFIABLE = 416,
};

static const double RATE_WINDOW_S = 1.0;

typedef struct {
  BnHubCall *call;
  const BnTransferSpec *spec;
  BnPart *part;
  guint attempt;
  gint64 total;       /* -1: unknown */
  guint64 best;       /* most bytes that were ever here */
  char *hub_etag;     /* of the last answer */
  char *storage_etag; /* where it differs; NULL: not known */
  char *sha256, *git_sha1;
  gboolean was_refused; /* by the storage, since bytes came */
  gboolean was_wrong;   /* the digest, once */
  gint64 reported_at;
  guint64 reported_bytes;
  double rate;
} Transfer;

static void
transfer_clear (Transfer *self)
{
  g_free (self->hub_etag);
  g_free (self->storage_etag);
  g_free (self->sha256);
  g_free (self->git_sha1);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Transfer, transfer_clear)

/* Content-Range */

static gboolean
parse_number (const char **text, gint64 *value)
{
  const char *p = *text;
  guint64 n = 0;

  for (; g_ascii_isdigit (*p); p++) {
    if (!g_uint64_checked_mul (&n, n, 10)
        || !g_uint64_checked_add (&n, n, (guint64) (*p - '0'))
        || n > G_MAXINT64)
      return FALSE;
  }
  if (p == *text)
    return FALSE;
  *text = p;
  *value = (gint64) n;
  return TRUE;
}

gboolean
bn_content_range_parse (
    const char *text, gint64 *first, gint64 *last, gint64 *total)
{
  *first = *last = *total = -1;
  if (!text || g_ascii_strncasecmp (text, "bytes ", strlen ("bytes ")) != 0)
    return FALSE;
  text += strlen ("bytes ");
  while (*text == ' ')
    text++;
  if (*text == '*') {
    text++;
  } else {
    if (!parse_number (&text, first) || *text++ != '-'
        || !parse_number (&text, last) || *last < *first)
      return FALSE;
  }
  if (*text++ != '/')
    return FALSE;
  if (*text == '*')
    return text[1] == '\0' && *first >= 0;
  return parse_number (&text, total) && *text == '\0'
         && (*last < 0 || *last < *total);
}

/* Progress */

static void
report (Transfer *self, BitnetPhase phase, gboolean is_forced)
{
  gint64 now = g_get_monotonic_time ();
  gint64 passed = now - self->reported_at;
  guint64 done = bn_part_get_size (self->part);
  double seconds = (double) passed / G_USEC_PER_SEC;
  BitnetProgress progress;

  if (!is_forced && passed < REPORT_INTERVAL_US)
    return;
  if (self->reported_at > 0 && done > self->reported_bytes && passed > 0) {
    double rate = (double) (done - self->reported_bytes) / seconds;

    self->rate += (rate - self->rate)
                  * (self->rate > 0 ? seconds / (seconds + RATE_WINDOW_S) : 1);
  }
  self->reported_at = now;
  self->reported_bytes = done;
  progress = (BitnetProgress){
      .phase = phase,
      .file = (char *) self->spec->file,
      .bytes_done = done,
      .bytes_total = self->total,
      .attempt = self->attempt,
      .rate = self->rate,
      .eta = self->total >= 0 && self->rate > 0
                 ? (double) (self->total - (gint64) done) / self->rate
                 : -1,
  };
  bn_hub_call_report_full (self->call, &progress);
}

/* What an answer says */

static gboolean
is_sha256 (const char *etag)
{
  return etag && strlen (etag) == SHA256_SIZE
         && strspn (etag, "0123456789abcdefABCDEF") == SHA256_SIZE;
}

static gboolean
check_equal (
    Transfer *self, const char *expected, const char *found, GError **error)
{
  if (g_ascii_strcasecmp (expected, found) == 0)
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_DIGEST,
      "%s of %s: the hub has %s, expected %s", self->spec->file,
      self->call->repository, found, expected);
  return FALSE;
}

/* The digest that the hub announces: it must not contradict the one that is
 * expected, and becomes that where there is none. */
static gboolean
learn_digest (Transfer *self, const char *etag, GError **error)
{
  if (is_sha256 (etag)) {
    if (self->sha256)
      return check_equal (self, self->sha256, etag, error);
    self->sha256 = g_ascii_strdown (etag, -1);
  } else if (bn_hub_is_commit (etag)) {
    if (self->git_sha1)
      return check_equal (self, self->git_sha1, etag, error);
    if (!self->sha256)
      self->git_sha1 = g_ascii_strdown (etag, -1);
  }
  return TRUE;
}

static gboolean
learn_size (Transfer *self, gint64 size, GError **error)
{
  const BnTransferSpec *spec = self->spec;

  if (size < 0)
    return TRUE;
  if (self->total >= 0 && self->total != size) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_DIGEST,
        "%s of %s: announced with %" G_GINT64_FORMAT
        " bytes, expected %" G_GINT64_FORMAT,
        spec->file, self->call->repository, size, self->total);
    return FALSE;
  }
  self->total = size;
  if (spec->max_size > 0 && (guint64) size > spec->max_size) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOO_LARGE,
        "%s of %s has %" G_GINT64_FORMAT
        " bytes, expected at most %" G_GUINT64_FORMAT,
        spec->file, self->call->repository, size, spec->max_size);
    return FALSE;
  }
  return TRUE;
}

/* An answer that did not pass a hub comes from a mirror of another kind, or
 * from a page that wants a login. */
static gboolean
check_origin (Transfer *self, const BnHubAnswer *answer, GError **error)
{
  g_autofree char *shown = NULL;

  if (bn_hub_answer_get (answer->origin, "x-repo-commit"))
    return TRUE;
  shown = bn_address_dup_shown (self->spec->url);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
      "%s: the answer is not from a hub (it lacks X-Repo-Commit); is there a "
      "proxy or a login page in between?",
      shown);
  return FALSE;
}

static gboolean
learn (Transfer *self, const BnHubAnswer *answer, GError **error)
{
  g_autofree char *etag =
      bn_hub_answer_dup_etag (answer->origin, "x-linked-etag");

  if (!check_origin (self, answer, error))
    return FALSE;
  if (!etag)
    etag = bn_hub_answer_dup_etag (answer->origin, "etag");
  if (!learn_digest (self, etag, error)
      || !learn_size (self,
          bn_hub_answer_get_size (answer->origin, "x-linked-size"), error))
    return FALSE;
  g_free (self->hub_etag);
  self->hub_etag = g_steal_pointer (&etag);
  g_clear_pointer (&self->storage_etag, g_free);
  if (answer->is_storage) {
    const char *raw = bn_hub_answer_get (answer->headers, "etag");

    if (raw && !g_str_has_prefix (raw, "W/"))
      self->storage_etag = bn_hub_answer_dup_etag (answer->headers, "etag");
  }
  return TRUE;
}

/* Whether a 206 continues what is here; *total is that of the whole, -1 if it
 * does not say. */
static gboolean
is_continuation (
    Transfer *self, const BnHubAnswer *answer, guint64 offset, gint64 *total)
{
  gint64 first, last;

  if (!bn_content_range_parse (
          bn_hub_answer_get (answer->headers, "content-range"), &first, &last,
          total))
    return FALSE;
  if (first < 0 || (guint64) first != offset)
    return FALSE;
  return self->total < 0 || *total < 0 || *total == self->total;
}

/* Prepares the part for the body of an answer. */
static gboolean
place_body (Transfer *self, const BnHubAnswer *answer, guint64 offset,
    BnFailure *failure, GError **error)
{
  gint64 length = bn_hub_answer_get_size (answer->headers, "content-length");
  gint64 total;

  if (answer->status == PARTIAL_CONTENT) {
    if (offset == 0 || !is_continuation (self, answer, offset, &total)) {
      failure->is_retryable = bn_part_restart (self->part, error);
      if (failure->is_retryable)
        g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
            "%s of %s: the server sent another part than the one from "
            "byte %" G_GUINT64_FORMAT,
            self->spec->file, self->call->repository, offset);
      return FALSE;
    }
    bn_hub_shared_count (self->call->shared, BN_HUB_BYTES_RESUMED, offset);
    return learn_size (self, total, error);
  }
  if (offset > 0 && !bn_part_restart (self->part, error))
    return FALSE;
  return learn_size (self, length, error);
}

/* The body */

static gboolean
check_block (Transfer *self, GBytes *block, GError **error)
{
  const BnTransferSpec *spec = self->spec;
  guint64 size = bn_part_get_size (self->part) + g_bytes_get_size (block);
  const char *data = g_bytes_get_data (block, NULL);

  if (self->total >= 0 && size > (guint64) self->total) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_DIGEST,
        "%s of %s: more bytes came than the expected %" G_GINT64_FORMAT,
        spec->file, self->call->repository, self->total);
    return FALSE;
  }
  if (spec->max_size > 0 && size > spec->max_size) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOO_LARGE,
        "%s of %s: more bytes came than the allowed %" G_GUINT64_FORMAT,
        spec->file, self->call->repository, spec->max_size);
    return FALSE;
  }
  /* Without a digest at least a page of HTML is noticed. */
  if (bn_part_get_size (self->part) == 0 && data[0] == '<' && !self->sha256
      && !self->git_sha1) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
        "%s of %s: a web page came instead of the file", spec->file,
        self->call->repository);
    return FALSE;
  }
  return TRUE;
}

static gboolean
check_end (Transfer *self, BnFailure *failure, GError **error)
{
  guint64 size = bn_part_get_size (self->part);

  if (self->total < 0 || size == (guint64) self->total)
    return TRUE;
  failure->is_retryable = TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_TRUNCATED,
      "%s of %s: %" G_GUINT64_FORMAT " bytes came, expected %" G_GINT64_FORMAT,
      self->spec->file, self->call->repository, size, self->total);
  return FALSE;
}

static void
note_first_byte (Transfer *self, gint64 started)
{
  BnHubShared *shared = self->call->shared;
  double passed = (double) (g_get_monotonic_time () - started) / US_PER_MS;

  g_mutex_lock (&shared->lock);
  shared->first_byte_ms = passed;
  g_mutex_unlock (&shared->lock);
}

/* Reads one block; FALSE with error, or at the end with *is_end. */
static gboolean
receive_block (Transfer *self, BnHubAnswer *answer, gboolean *is_end,
    BnFailure *failure, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GBytes) block = bn_http_response_read (
      answer->response, self->call->cancellable, &local_error);
  gsize size;

  if (!block) {
    bn_hub_error_translate (&local_error, answer->url, failure);
    if (g_get_monotonic_time () >= self->call->deadline)
      failure->is_retryable = FALSE;
    if (failure->is_host_failure)
      bn_hub_call_note_broken_body (self->call, answer->url);
    g_propagate_error (error, g_steal_pointer (&local_error));
    return FALSE;
  }
  size = g_bytes_get_size (block);
  *is_end = size == 0;
  if (*is_end && check_end (self, failure, error))
    return TRUE;
  if (*is_end) {
    bn_hub_call_note_broken_body (self->call, answer->url);
    return FALSE;
  }
  bn_hub_shared_count (self->call->shared, BN_HUB_BYTES_RECEIVED, size);
  return check_block (self, block, error)
         && bn_part_write (
             self->part, g_bytes_get_data (block, NULL), size, error);
}

static gboolean
receive (Transfer *self, BnHubAnswer *answer, gint64 started,
    BnFailure *failure, GError **error)
{
  gboolean is_end = FALSE, is_good, is_first = TRUE;

  self->reported_at = 0;
  self->rate = 0;
  report (self, BITNET_PHASE_DOWNLOADING, TRUE);
  do {
    is_good = receive_block (self, answer, &is_end, failure, error);
    if (is_good && is_first && !is_end)
      note_first_byte (self, started);
    is_first = FALSE;
    if (is_good && !is_end)
      report (self, BITNET_PHASE_DOWNLOADING, FALSE);
  } while (is_good && !is_end);
  if (is_good && self->total < 0)
    self->total = (gint64) bn_part_get_size (self->part);
  if (is_good)
    report (self, BITNET_PHASE_DOWNLOADING, TRUE);
  return is_good;
}

/* 416: there is nothing after what is here. It is the whole, or another
 * file. */
static gboolean
end_at_416 (Transfer *self, const BnHubAnswer *answer, guint64 offset,
    BnFailure *failure, GError **error)
{
  gint64 first, last, total;

  if (bn_content_range_parse (
          bn_hub_answer_get (answer->headers, "content-range"), &first, &last,
          &total)
      && total >= 0 && (guint64) total == offset
      && (self->total < 0 || self->total == total)) {
    self->total = total;
    return TRUE;
  }
  failure->is_retryable = bn_part_restart (self->part, error);
  if (failure->is_retryable)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
        "%s of %s: the server has nothing after byte %" G_GUINT64_FORMAT,
        self->spec->file, self->call->repository, offset);
  return FALSE;
}

static gboolean
is_complete (Transfer *self)
{
  return self->total >= 0
         && bn_part_get_size (self->part) == (guint64) self->total
         && (self->sha256 || self->git_sha1);
}

/* One attempt. */
static gboolean
attempt (Transfer *self, BnFailure *failure, GError **error)
{
  guint64 offset = bn_part_get_size (self->part);
  const BnHubRequest request = {
      .method = "GET",
      .url = self->spec->url,
      .is_file = TRUE,
      .offset = offset,
      .hub_etag = self->git_sha1 ? self->git_sha1 : self->hub_etag,
      .storage_etag = self->storage_etag,
  };
  gint64 started = g_get_monotonic_time ();
  g_auto (BnHubAnswer) answer = {0};
  gboolean is_good;

  if (!bn_hub_call_send (self->call, &request, &answer, failure, error)) {
    /* A signature may have grown old: the next attempt asks for a new one. */
    if (answer.is_storage && answer.status == FORBIDDEN && !self->was_refused) {
      self->was_refused = TRUE;
      *failure = (BnFailure){.is_retryable = TRUE, .retry_after_s = 0};
    }
    return FALSE;
  }
  *failure = (BnFailure) BN_FAILURE_INIT;
  if (!learn (self, &answer, error))
    return FALSE;
  if (answer.status == RANGE_NOT_SATISFIABLE)
    return end_at_416 (self, &answer, offset, failure, error);
  if (!place_body (self, &answer, offset, failure, error))
    return FALSE;
  is_good = receive (self, &answer, started, failure, error);
  g_mutex_lock (&self->call->shared->lock);
  self->call->shared->seconds +=
      (double) (g_get_monotonic_time () - started) / G_USEC_PER_SEC;
  g_mutex_unlock (&self->call->shared->lock);
  return is_good;
}

/* The end of it */

static gboolean
check_digest (Transfer *self, GError **error)
{
  const char *expected = self->sha256 ? self->sha256 : self->git_sha1;
  const char *found;

  if (!expected) {
    g_info ("%s of %s: the hub gives no digest to compare", self->spec->file,
        self->call->repository);
    return TRUE;
  }
  report (self, BITNET_PHASE_VERIFYING, TRUE);
  found = self->sha256 ? bn_part_get_sha256 (self->part)
                       : bn_part_get_git_sha1 (self->part);
  if (found && g_ascii_strcasecmp (found, expected) == 0)
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_DIGEST,
      "%s of %s: digest is %s, expected %s", self->spec->file,
      self->call->repository, found ? found : "unknown", expected);
  return FALSE;
}

/* Back to what the caller expects. */
static void
forget (Transfer *self)
{
  const BnTransferSpec *spec = self->spec;

  g_free (self->sha256);
  self->sha256 = g_strdup (spec->sha256);
  g_free (self->git_sha1);
  self->git_sha1 = g_strdup (spec->git_sha1);
  g_clear_pointer (&self->hub_etag, g_free);
  g_clear_pointer (&self->storage_etag, g_free);
  self->total = spec->size;
}

/* A wrong content goes, and is fetched once more. */
static void
handle_wrong (Transfer *self, BnFailure *failure, GError **error)
{
  g_autoptr (GError) restart_error = NULL;

  if (!g_error_matches (*error, BITNET_ERROR, BITNET_ERROR_DIGEST)
      && !g_error_matches (*error, BITNET_ERROR, BITNET_ERROR_TOO_LARGE))
    return;
  if (!bn_part_restart (self->part, &restart_error)) {
    g_clear_error (error);
    g_propagate_error (error, g_steal_pointer (&restart_error));
    failure->is_retryable = FALSE;
  } else if ((*error)->code == BITNET_ERROR_DIGEST && !self->was_wrong) {
    self->was_wrong = TRUE;
    forget (self);
    *failure = (BnFailure){.is_retryable = TRUE, .retry_after_s = 0};
  }
}

/* Attempts until it is done or not worth another one. */
static gboolean
run (Transfer *self, GError **error)
{
  guint n_failures = 0;

  while (TRUE) {
    g_autoptr (GError) local_error = NULL;
    BnFailure failure = BN_FAILURE_INIT;

    self->attempt++;
    if (is_complete (self) || attempt (self, &failure, &local_error)) {
      if (check_digest (self, &local_error))
        return TRUE;
    }
    handle_wrong (self, &failure, &local_error);
    if (bn_part_get_size (self->part) > self->best) {
      self->best = bn_part_get_size (self->part);
      self->was_refused = FALSE;
      n_failures = 0;
    }
    n_failures++;
    if (!bn_hub_call_retry (
            self->call, self->spec->file, &failure, n_failures, &local_error)) {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  }
}

gboolean
bn_transfer_run (
    BnHubCall *call, const BnTransferSpec *spec, BnPart *part, GError **error)
{
  g_auto (Transfer) self = {
      .call = call,
      .spec = spec,
      .part = part,
      .total = -1,
      .best = bn_part_get_size (part),
      .sha256 = g_strdup (spec->sha256),
      .git_sha1 = g_strdup (spec->git_sha1),
  };
  BnHttp *http = call->shared->http;
  g_autoptr (GError) local_error = NULL;
  gboolean is_good;

  if (!learn_size (&self, spec->size, error))
    return FALSE;
  /* Whoever has a place has its part too and waits for nobody. */
  if (!bn_http_begin_file (
          http, call->deadline, call->cancellable, &local_error)) {
    BnFailure failure;

    bn_hub_error_translate (&local_error, spec->url, &failure);
    g_propagate_error (error, g_steal_pointer (&local_error));
    return FALSE;
  }
  is_good = run (&self, error);
  bn_http_end_file (http);
  return is_good;
}
