/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The scheduler over a transformer whose passes the test can hold
 * (fake-transformer.h), so that everything can happen "in the middle". Who is
 * served when may differ from run to run; what each request gets may not. */
#include <glib.h>
#include <math.h>
#include <string.h>
#include "bitnet-error.h"
#include "fake-transformer.h"
#include "scheduler-fixture.h"

/* ---- helpers ---- */

typedef struct {
  GMutex mutex;
  GCond cond;
  guint n;
} Counter;

static void
count (Counter *counter)
{
  g_mutex_lock (&counter->mutex);
  counter->n++;
  g_cond_signal (&counter->cond);
  g_mutex_unlock (&counter->mutex);
}

static void
wait_count (Counter *counter, guint n)
{
  g_mutex_lock (&counter->mutex);
  while (counter->n < n)
    g_cond_wait (&counter->cond, &counter->mutex);
  g_assert_cmpuint (counter->n, ==, n);
  g_mutex_unlock (&counter->mutex);
}

/* ---- one request ---- */

static void
test_single (void)
{
  fake_reset ();
  BnScheduler *scheduler = start_ready (4, 16);
  g_autoptr (BnRequest) request = submit (scheduler, 1, 40, 20);
  guint32 token;

  check_request (request, 1, 40, 20);
  /* The end stays the end. */
  g_assert_cmpint (bn_request_take (request, &token, 1, NULL, NULL), ==, 0);
  stop_scheduler (scheduler);
  /* 40 prompt tokens in batches of 16, then one token a step. */
  g_assert_cmpuint (fake.n_steps, ==, 3 + 19);
  g_assert_cmpuint (fake.steps[0].n_tokens, ==, 16);
  g_assert_cmpuint (fake.steps[2].n_tokens, ==, 8);
  g_assert_cmpuint (fake.steps[3].n_tokens, ==, 1);
}

static void
test_context (void)
{
  fake_reset ();
  BnScheduler *scheduler = start_ready (4, 64);
  g_autofree guint32 *prompt = make_prompt (1, 256);
  g_autoptr (GError) error = NULL;

  g_autoptr (BnRequest) request = submit (scheduler, 1, 250, 0);
  check_request (request, 1, 250, 6);

  g_assert_null (submit_full (scheduler, prompt, 256, 1, NULL, FALSE, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CONTEXT_FULL);
  g_assert_nonnull (strstr (error->message, "256 tokens"));
  g_assert_nonnull (strstr (error->message, "at most 255"));
  g_clear_error (&error);

  g_assert_null (submit_full (scheduler, prompt, 0, 1, NULL, FALSE, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);

  prompt[3] = FAKE_N_VOCAB;
  g_assert_null (submit_full (scheduler, prompt, 9, 1, NULL, FALSE, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "token 3 of the prompt is 40"));
  stop_scheduler (scheduler);
}

/* The tokens that a prompt is followed by, with an end or stop texts. */
static void
check_end (BnScheduler *scheduler, guint32 seed, const char *const *stop,
    gboolean has_end)
{
  enum { N_PROMPT = 5, MAX_TOKENS = 60 };
  g_autofree guint32 *prompt = make_prompt (seed, N_PROMPT);
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (GString) expected = g_string_new (NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  BnFinishReason reason = BN_FINISH_LENGTH;
  guint n_generated = 0;

  g_array_append_vals (all, prompt, N_PROMPT);
  while (reason == BN_FINISH_LENGTH && n_generated < MAX_TOKENS) {
    guint32 next = fake_next_token ((guint32 *) (void *) all->data, all->len);
    g_array_append_val (all, next);
    n_generated++;
    g_string_append (expected, get_token_text (next));
    if (has_end && next == END_TOKEN) {
      reason = BN_FINISH_STOP;
      break;
    }
    for (int i = 0; stop && stop[i]; i++) {
      const char *match = strstr (expected->str, stop[i]);
      if (match != NULL) {
        g_string_truncate (expected, (gsize) (match - expected->str));
        reason = BN_FINISH_STOP_STRING;
      }
    }
  }

  g_autoptr (BnRequest) request = submit_full (
      scheduler, prompt, N_PROMPT, MAX_TOKENS, stop, has_end, &error);
  g_assert_no_error (error);
  g_autoptr (GArray) got = drain (request, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < got->len; i++)
    g_string_append (text, get_token_text (g_array_index (got, guint32, i)));

  BnRequestStatus status;
  bn_request_get_status (request, &status);
  g_assert_cmpstr (text->str, ==, expected->str);
  g_assert_cmpint (status.reason, ==, reason);
  g_assert_cmpuint (status.n_generated_tokens, ==, n_generated);
  if (reason == BN_FINISH_STOP)
    g_assert_cmpuint (
        g_array_index (got, guint32, got->len - 1), ==, END_TOKEN);
}

static void
test_ends (void)
{
  const char *stop[] = {"b", "XY", NULL};
  const char *never[] = {"###", "abab", NULL};

  fake_reset ();
  BnScheduler *scheduler = start_ready (4, 16);
  for (guint32 seed = 0; seed < 60; seed++) {
    check_end (scheduler, seed, NULL, TRUE);
    check_end (scheduler, seed, NULL, FALSE);
    check_end (scheduler, seed, stop, FALSE);
    check_end (scheduler, seed, stop, TRUE);
    check_end (scheduler, seed, never, TRUE);
  }
  stop_scheduler (scheduler);
}

/* ---- several ---- */

static void
test_batch (void)
{
  enum { N = 12 };
  BnRequest *requests[N];

  fake_reset ();
  BnScheduler *scheduler = start_ready (4, 32);
  fake_close ();
  for (guint i = 0; i < N; i++)
    requests[i] = submit (scheduler, i, 3 + 9 * i, 30);
  fake_open ();
  for (guint i = N; i-- > 0;) {
    check_request (requests[i], i, 3 + 9 * i, 30);
    bn_request_unref (requests[i]);
  }
  stop_scheduler (scheduler);
  guint max_runs = 0;
  for (guint i = 0; i < fake.n_steps; i++)
    max_runs = MAX (max_runs, fake.steps[i].n_runs);
  g_assert_cmpuint (max_runs, ==, 4);
}

/* A long prompt joins while another decodes: that one gets a token in every
 * step. */
static void
test_prefill_does_not_stall (void)
{
  fake_reset ();
  BnScheduler *scheduler = start_ready (4, 32);

  fake_let (1);
  g_autoptr (BnRequest) first = submit (scheduler, 1, 2, 40);
  fake_wait_inside ();
  g_autoptr (BnRequest) second = submit (scheduler, 2, 250, 1);
  fake_open ();
  check_request (second, 2, 250, 1);
  check_request (first, 1, 2, 40);
  stop_scheduler (scheduler);

  guint n_mixed = 0;
  for (guint i = 0; i < fake.n_steps; i++) {
    if (fake.steps[i].n_prompt_tokens > 2) {
      g_assert_cmpuint (fake.steps[i].n_runs, ==, 2);
      n_mixed++;
    }
  }
  g_assert_cmpuint (n_mixed, >=, 8);
}

/* How much of a prompt joins is a matter of the time it takes: here a token of
 * the prompt takes 5 ms or more, so that 20 at most fit into 100 ms. */
static void
test_prefill_is_limited (void)
{
  fake_reset ();
  fake.pass_us = 10000;
  BnScheduler *scheduler = start_ready (4, 200);

  fake_let (1);
  g_autoptr (BnRequest) first = submit (scheduler, 1, 2, 6);
  fake_wait_inside ();
  g_autoptr (BnRequest) second = submit (scheduler, 2, 220, 1);
  fake_open ();
  check_request (second, 2, 220, 1);
  check_request (first, 1, 2, 6);
  stop_scheduler (scheduler);
  g_assert_cmpuint (fake.steps[1].n_runs, ==, 1);
  g_assert_cmpuint (fake.steps[2].n_runs, ==, 2);
  g_assert_cmpuint (fake.steps[2].n_prompt_tokens, >=, 16);
  g_assert_cmpuint (fake.steps[2].n_prompt_tokens, <=, 20);
}

/* Two prompts share the batch; the short one is not behind the long one. */
static void
test_prefill_is_shared (void)
{
  fake_reset ();
  BnScheduler *scheduler = start_ready (4, 32);
  fake_close ();
  g_autoptr (BnRequest) blocker = submit (scheduler, 0, 32, 1);
  fake_wait_inside ();
  g_autoptr (BnRequest) slow = submit (scheduler, 1, 200, 1);
  g_autoptr (BnRequest) quick = submit (scheduler, 2, 20, 1);
  fake_open ();
  check_request (slow, 1, 200, 1);
  check_request (quick, 2, 20, 1);
  stop_scheduler (scheduler);
  g_assert_cmpuint (fake.steps[1].n_runs, ==, 2);
  g_assert_cmpuint (fake.steps[2].n_runs, ==, 2);
  g_assert_cmpuint (fake.steps[2].n_tokens, ==, 32);
  g_assert_cmpuint (fake.steps[3].n_runs, ==, 1);
}

/* Nobody takes the tokens of some: they are parked, their places go to
 * others, and later they continue as if nothing had been. */
static void
test_parked (void)
{
  static const guint n_places[] = {1, 2, 8};

  for (gsize k = 0; k < G_N_ELEMENTS (n_places); k++) {
    BnRequest *lazy[3];

    fake_reset ();
    BnScheduler *scheduler = start_ready (n_places[k], 32);
    for (guint i = 0; i < G_N_ELEMENTS (lazy); i++)
      lazy[i] = submit (scheduler, 100 + i, 50, 150);
    for (guint i = 0; i < 7; i++) {
      g_autoptr (BnRequest) request = submit (scheduler, i, 30, 100);
      check_request (request, i, 30, 100);
    }
    for (guint i = 0; i < G_N_ELEMENTS (lazy); i++) {
      g_assert_cmpint (get_reason (lazy[i]), ==, BN_FINISH_NONE);
      check_request (lazy[i], 100 + i, 50, 150);
      bn_request_unref (lazy[i]);
    }
    stop_scheduler (scheduler);
  }
}

/* A cache of one context for eight: they take turns, all end, in any case
 * with the right tokens. */
static void
test_pages_are_short (void)
{
  enum { N = 8 };
  BnRequest *requests[N];

  fake_reset ();
  fake.n_cells = 256;
  BnScheduler *scheduler = start_ready (N, 32);
  for (guint i = 0; i < N; i++)
    requests[i] = submit (scheduler, i, 20 + 10 * i, 120);
  for (guint i = 0; i < N; i++) {
    check_request (requests[i], i, 20 + 10 * i, 120);
    bn_request_unref (requests[i]);
  }
  stop_scheduler (scheduler);
}

/* The same, with clients that do not take. */
static void
test_pages_and_parked (void)
{
  enum { N = 8 };
  BnRequest *requests[N];

  fake_reset ();
  fake.n_cells = 256;
  BnScheduler *scheduler = start_ready (N, 32);
  for (guint i = 0; i < N; i++)
    requests[i] = submit (scheduler, i, 20 + 10 * i, 120);
  for (guint i = N; i-- > 0;) {
    check_request (requests[i], i, 20 + 10 * i, 120);
    bn_request_unref (requests[i]);
  }
  stop_scheduler (scheduler);
}

/* A context that ends just behind a page: each sequence has both. */
static void
test_pages_are_whole (void)
{
  enum { N = 8 };
  BnSchedulerStats stats;

  fake_reset ();
  fake.context_size = BN_KV_PAGE_CELLS + 1;
  BnScheduler *scheduler = start_ready (N, 32);
  bn_scheduler_get_stats (scheduler, &stats);
  g_assert_cmpuint (stats.n_pages, ==, 2 * N);
  stop_scheduler (scheduler);
}

/* Four equal prompts at once: one computes, the others wait and copy. */
static void
test_shared_prefix (void)
{
  enum { N = 4 };
  BnRequest *requests[N];
  guint n_prompt_tokens = 0;

  fake_reset ();
  BnScheduler *scheduler = start_ready (N, 256);
  fake_close ();
  g_autoptr (BnRequest) blocker = submit (scheduler, 50, 2, 1);
  fake_wait_inside ();
  for (guint i = 0; i < N; i++)
    requests[i] = submit (scheduler, 1, 200, 10);
  fake_open ();
  for (guint i = 0; i < N; i++) {
    BnRequestStatus status;
    check_request (requests[i], 1, 200, 10);
    bn_request_get_status (requests[i], &status);
    g_assert_cmpuint (status.n_cached_tokens, ==, i == 0 ? 0 : 192);
    bn_request_unref (requests[i]);
  }
  stop_scheduler (scheduler);
  for (guint i = 1; i < fake.n_steps; i++)
    n_prompt_tokens += fake.steps[i].n_prompt_tokens;
  g_assert_cmpuint (n_prompt_tokens, ==, 200 + 3 * 8);
}

/* ---- cancelling ---- */

static gpointer
take_in_thread (gpointer request)
{
  guint32 token;

  return GINT_TO_POINTER (bn_request_take (request, &token, 1, NULL, NULL));
}

/* Cancelled while its pass runs and somebody waits for its token: the taker
 * wakes though the gate stays closed, and the pass is given up. The prompt
 * fits in one pass, which would have given a token. */
static void
test_cancel_in_forward (void)
{
  fake_reset ();
  BnScheduler *scheduler = start_ready (4, 32);
  fake_close ();
  g_autoptr (BnRequest) request = submit (scheduler, 1, 20, 10);
  fake_wait_inside ();
  g_autoptr (GThread) taker = NULL;
  taker = g_thread_new ("taker", take_in_thread, request);
  bn_request_cancel (request);
  g_assert_cmpint (
      GPOINTER_TO_INT (g_thread_join (g_steal_pointer (&taker))), ==, 0);
  g_assert_cmpint (get_reason (request), ==, BN_FINISH_CANCELLED);

  /* The next one finds the thread free without the gate being opened. */
  g_autoptr (BnRequest) next = submit (scheduler, 2, 10, 3);
  fake_wait_inside ();
  fake_open ();
  check_request (next, 2, 10, 3);
  BnRequestStatus status;
  bn_request_get_status (request, &status);
  g_assert_cmpuint (status.n_generated_tokens, ==, 0);
  BnSchedulerStats stats;
  bn_scheduler_get_stats (scheduler, &stats);
  g_assert_cmpuint (stats.n_generated_tokens, ==, 3);
  stop_scheduler (scheduler);
  g_assert_cmpuint (fake.n_aborted, ==, 1);
}

/* One of two is cancelled: the pass goes on for the other. */
static void
test_cancel_one_of_two (void)
{
  fake_reset ();
  BnScheduler *scheduler = start_ready (4, 32);
  fake_close ();
  g_autoptr (BnRequest) blocker = submit (scheduler, 9, 2, 1);
  fake_wait_inside ();
  g_autoptr (BnRequest) a = submit (scheduler, 1, 10, 20);
  g_autoptr (BnRequest) b = submit (scheduler, 2, 10, 20);
  fake_open ();
  guint32 token;
  g_assert_cmpint (bn_request_take (a, &token, 1, NULL, NULL), ==, 1);
  bn_request_cancel (a);
  bn_request_cancel (a);
  g_assert_cmpint (bn_request_take (a, &token, 1, NULL, NULL), ==, 0);
  check_request (b, 2, 10, 20);
  stop_scheduler (scheduler);
  g_assert_cmpuint (fake.n_aborted, ==, 0);
}

static void
test_cancel_waiting (void)
{
  fake_reset ();
  BnScheduler *scheduler = start_ready (1, 32);
  fake_close ();
  g_autoptr (BnRequest) first = submit (scheduler, 1, 10, 5);
  fake_wait_inside ();
  g_autoptr (BnRequest) second = submit (scheduler, 2, 10, 5);
  g_autoptr (BnRequest) third = submit (scheduler, 3, 10, 5);
  bn_request_cancel (second);
  g_assert_cmpint (get_reason (second), ==, BN_FINISH_CANCELLED);
  fake_open ();
  check_request (first, 1, 10, 5);
  check_request (third, 3, 10, 5);
  bn_request_cancel (third);
  g_assert_cmpint (get_reason (third), ==, BN_FINISH_LENGTH);
  stop_scheduler (scheduler);
}

/* The cancellable of a take ends that take, not the request. */
static void
test_cancel_take (void)
{
  fake_reset ();
  BnScheduler *scheduler = start_ready (1, 32);
  fake_close ();
  g_autoptr (BnRequest) request = submit (scheduler, 1, 10, 5);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  guint32 token;

  g_cancellable_cancel (cancellable);
  g_assert_cmpint (
      bn_request_take (request, &token, 1, cancellable, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  fake_open ();
  check_request (request, 1, 10, 5);
  stop_scheduler (scheduler);
}

/* Stopped with one computing, one waiting, one unread. */
static void
test_stop (void)
{
  fake_reset ();
  BnScheduler *scheduler = start_ready (1, 32);
  fake_close ();
  g_autoptr (BnRequest) first = submit (scheduler, 1, 10, 5);
  g_autoptr (BnRequest) second = submit (scheduler, 2, 10, 5);
  g_autofree guint32 *prompt = make_prompt (3, 3);
  g_autoptr (GError) error = NULL;
  guint32 token;

  fake_wait_inside ();
  bn_scheduler_stop (scheduler);
  g_assert_cmpint (bn_request_take (first, &token, 1, NULL, NULL), ==, 0);
  g_assert_cmpint (bn_request_take (second, &token, 1, NULL, NULL), ==, 0);
  g_assert_cmpint (get_reason (first), ==, BN_FINISH_CANCELLED);
  g_assert_cmpint (get_reason (second), ==, BN_FINISH_CANCELLED);
  g_assert_null (submit_full (scheduler, prompt, 3, 1, NULL, FALSE, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (bn_scheduler_is_usable (scheduler));
  stop_scheduler (scheduler);
}

/* ---- errors, logits, callbacks ---- */

static void
test_numeric (void)
{
  fake_reset ();
  BnScheduler *scheduler = start_ready (4, 32);
  guint32 bad_prompt[] = {5, FAKE_BAD_TOKEN, 6};
  g_autoptr (GError) error = NULL;

  fake_close ();
  g_autoptr (BnRequest) blocker = submit (scheduler, 9, 2, 1);
  fake_wait_inside ();
  g_autoptr (BnRequest) good = submit (scheduler, 1, 3, 20);
  g_autoptr (BnRequest) bad =
      submit_full (scheduler, bad_prompt, 3, 20, NULL, FALSE, NULL);
  g_autoptr (BnRequest) other = submit (scheduler, 2, 3, 20);
  fake_open ();
  g_autoptr (GArray) got = drain (bad, &error);
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC);
  g_assert_cmpuint (got->len, ==, 0);
  g_assert_cmpint (get_reason (bad), ==, BN_FINISH_ERROR);
  check_request (good, 1, 3, 20);
  check_request (other, 2, 3, 20);
  stop_scheduler (scheduler);
}

static void
test_logits (void)
{
  enum { N = 150 };
  fake_reset ();
  BnScheduler *scheduler = start_ready (4, 64);
  g_autofree guint32 *tokens = make_prompt (1, N);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnRequest) other = submit (scheduler, 2, 20, 60);

  for (int round = 0; round < 2; round++) {
    g_autoptr (GBytes) bytes =
        bn_scheduler_compute_logits (scheduler, tokens, N, NULL, &error);
    g_assert_no_error (error);
    const float *logits = g_bytes_get_data (bytes, NULL);
    g_assert_cmpuint (
        g_bytes_get_size (bytes), ==, N * FAKE_N_VOCAB * sizeof (float));
    for (guint i = 0; i < N; i++) {
      guint32 next = fake_next_token (tokens, i + 1);
      for (guint t = 0; t < FAKE_N_VOCAB; t++)
        g_assert_cmpfloat (
            logits[i * FAKE_N_VOCAB + t], ==, t == next ? 10 : 0);
    }
  }
  check_request (other, 2, 20, 60);

  /* A whole context is fine, one more is not. */
  g_autofree guint32 *longer = make_prompt (1, 257);
  g_autoptr (GBytes) full =
      bn_scheduler_compute_logits (scheduler, longer, 256, NULL, &error);
  g_assert_no_error (error);
  g_assert_null (
      bn_scheduler_compute_logits (scheduler, longer, 257, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CONTEXT_FULL);
  g_clear_error (&error);

  /* e^10 for the token that follows, e^0 for every other one */
  g_autoptr (GBytes) bytes =
      bn_scheduler_compute_scores (scheduler, tokens, N, NULL, &error);
  const float *scores = g_bytes_get_data (bytes, NULL);
  double ln_sum = log (exp (10) + FAKE_N_VOCAB - 1);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, (N - 1) * sizeof (float));
  for (guint i = 0; i + 1 < N; i++) {
    gboolean follows = fake_next_token (tokens, i + 1) == tokens[i + 1];
    g_assert_cmpfloat_with_epsilon (
        (double) scores[i], (follows ? 10 : 0) - ln_sum, 1e-5);
  }
  g_autoptr (GBytes) none =
      bn_scheduler_compute_scores (scheduler, tokens, 1, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (none), ==, 0);

  tokens[100] = FAKE_BAD_TOKEN;
  g_assert_null (
      bn_scheduler_compute_logits (scheduler, tokens, N, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC);
  stop_scheduler (scheduler);
}

static void
count_call (BnRequest *request, void *data)
{
  BnRequestStatus status;

  /* No lock may be held here. */
  bn_request_get_status (request, &status);
  count (data);
}

static void
test_calls (void)
{
  Counter counter = {.n = 0};
  guint32 tokens[100];

  fake_reset ();
  BnScheduler *scheduler = start_ready (4, 32);
  fake_close ();
  g_autoptr (BnRequest) request = submit (scheduler, 1, 10, 3);
  bn_request_call_when_ready (request, count_call, &counter);
  g_assert_true (bn_request_withdraw_call (request, &counter));
  g_assert_false (bn_request_withdraw_call (request, &counter));
  g_assert_true (bn_request_call_when_ready (request, count_call, &counter));
  /* One at a time. */
  g_assert_false (bn_request_call_when_ready (request, count_call, NULL));
  fake_open ();
  wait_count (&counter, 1);
  g_assert_cmpint (bn_request_take (request, tokens, 100, NULL, NULL), >, 0);
  while (bn_request_take (request, tokens, 100, NULL, NULL) > 0)
    ;
  /* At the end it is called at once. */
  bn_request_call_when_ready (request, count_call, &counter);
  wait_count (&counter, 2);

  /* Cancelling calls as well. */
  fake_close ();
  g_autoptr (BnRequest) second = submit (scheduler, 1, 10, 3);
  bn_request_call_when_ready (second, count_call, &counter);
  bn_request_cancel (second);
  wait_count (&counter, 3);

  /* And so does stopping. */
  g_autoptr (BnRequest) third = submit (scheduler, 1, 10, 3);
  bn_request_call_when_ready (third, count_call, &counter);
  stop_scheduler (scheduler);
  wait_count (&counter, 4);
}

/* ---- loading ---- */

typedef struct {
  BnScheduler *scheduler;
  GCancellable *cancellable;
  GError *error;
  gboolean is_ready;
  guint64 done;
  Counter *waiting; /* those that had their first progress */
} Waiter;

static void
count_progress (guint64 done, guint64 total, gpointer data)
{
  Waiter *waiter = data;

  g_assert_cmpuint (total, ==, 4);
  g_assert_cmpuint (done, <=, 4);
  g_assert_cmpuint (done, >=, waiter->done);
  if (waiter->done == 0)
    count (waiter->waiting);
  waiter->done = done;
}

static gpointer
wait_in_thread (gpointer data)
{
  Waiter *waiter = data;

  waiter->is_ready = bn_scheduler_wait_ready (waiter->scheduler, count_progress,
      waiter, waiter->cancellable, &waiter->error);
  return NULL;
}

/* Three wait for one load; one of them is cancelled. */
static void
test_load_is_shared (void)
{
  Waiter waiters[3] = {0};
  GThread *threads[3];
  Counter waiting = {.n = 0};

  fake_reset ();
  fake.has_load_gate = TRUE;
  fake_close ();
  BnScheduler *scheduler = start_scheduler (4, 32);
  for (int i = 0; i < 3; i++) {
    waiters[i].scheduler = scheduler;
    waiters[i].cancellable = g_cancellable_new ();
    waiters[i].waiting = &waiting;
    threads[i] = g_thread_new ("waiter", wait_in_thread, &waiters[i]);
  }
  wait_count (&waiting, 3);
  g_cancellable_cancel (waiters[1].cancellable);
  g_thread_join (threads[1]);
  g_assert_error (waiters[1].error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (waiters[1].done, ==, 1);
  g_assert_true (bn_scheduler_is_usable (scheduler));
  fake_open ();
  for (int i = 0; i < 3; i += 2) {
    g_thread_join (threads[i]);
    g_assert_no_error (waiters[i].error);
    g_assert_true (waiters[i].is_ready);
    g_assert_cmpuint (waiters[i].done, ==, 4);
  }
  for (int i = 0; i < 3; i++) {
    g_clear_object (&waiters[i].cancellable);
    g_clear_error (&waiters[i].error);
  }
  stop_scheduler (scheduler);
}

static void
test_load_given_up (void)
{
  fake_reset ();
  fake.has_load_gate = TRUE;
  fake_close ();
  BnScheduler *scheduler = start_scheduler (4, 32);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  fake_wait_inside ();
  g_cancellable_cancel (cancellable);
  g_assert_false (
      bn_scheduler_wait_ready (scheduler, NULL, NULL, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_false (bn_scheduler_is_usable (scheduler));
  g_assert_false (
      bn_scheduler_wait_ready (scheduler, NULL, NULL, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  stop_scheduler (scheduler);
}

static void
test_load_fails (void)
{
  fake_reset ();
  fake.fails_to_load = TRUE;
  BnScheduler *scheduler = start_scheduler (4, 32);

  for (int i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    g_assert_false (
        bn_scheduler_wait_ready (scheduler, NULL, NULL, NULL, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CORRUPT);
  }
  g_assert_false (bn_scheduler_is_usable (scheduler));
  stop_scheduler (scheduler);
}

/* The next one loads only when the one before has given its memory back
 * (the fake insists on it), though nobody waits for that here. */
static void
test_load_after_stop (void)
{
  fake_reset ();
  for (int i = 0; i < 20; i++) {
    BnScheduler *scheduler = start_ready (2, 32);
    fake_close ();
    g_autoptr (BnRequest) request = submit (scheduler, 1, 10, 5);
    if (i % 2 == 0)
      fake_wait_inside ();
    bn_scheduler_stop (scheduler);
    bn_scheduler_unref (scheduler);
    fake_open ();
  }
  fake_wait_freed ();
}

/* ---- everything at once ---- */

typedef struct {
  BnScheduler *scheduler;
  guint32 seed;
} Client;

static gpointer
run_client (gpointer data)
{
  const Client *client = data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (client->seed);

  for (int round = 0; round < 25; round++) {
    guint32 seed = (guint32) g_rand_int_range (rand, 0, 6);
    guint n_prompt = (guint) g_rand_int_range (rand, 1, 120);
    guint n = (guint) g_rand_int_range (rand, 1, 130);
    guint n_take = (guint) g_rand_int_range (rand, 0, (int) n + 1);
    g_autoptr (BnRequest) request =
        submit (client->scheduler, seed, n_prompt, n);

    if (g_rand_boolean (rand)) {
      check_request (request, seed, n_prompt, n);
      continue;
    }
    for (guint i = 0; i < n_take; i++) {
      guint32 token;
      g_assert_cmpint (bn_request_take (request, &token, 1, NULL, NULL), ==, 1);
    }
    bn_request_cancel (request);
  }
  return NULL;
}

static void
test_torture (void)
{
  enum { N = 6 };
  Client clients[N];
  GThread *threads[N];

  fake_reset ();
  fake.n_cells = 512;
  BnScheduler *scheduler = start_ready (3, 32);
  for (guint i = 0; i < N; i++) {
    clients[i] = (Client){scheduler, 1000 + i};
    threads[i] = g_thread_new ("client", run_client, &clients[i]);
  }
  for (guint i = 0; i < N; i++)
    g_thread_join (threads[i]);
  BnSchedulerStats stats;
  bn_scheduler_get_stats (scheduler, &stats);
  g_assert_cmpuint (stats.n_generated_tokens, >, 0);
  g_assert_cmpuint (stats.n_step_tokens, >=, stats.n_steps);
  stop_scheduler (scheduler);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scheduler/single", test_single);
  g_test_add_func ("/scheduler/context", test_context);
  g_test_add_func ("/scheduler/ends", test_ends);
  g_test_add_func ("/scheduler/batch", test_batch);
  g_test_add_func (
      "/scheduler/prefill-does-not-stall", test_prefill_does_not_stall);
  g_test_add_func ("/scheduler/prefill-is-limited", test_prefill_is_limited);
  g_test_add_func ("/scheduler/prefill-is-shared", test_prefill_is_shared);
  g_test_add_func ("/scheduler/parked", test_parked);
  g_test_add_func ("/scheduler/pages-are-short", test_pages_are_short);
  g_test_add_func ("/scheduler/pages-and-parked", test_pages_and_parked);
  g_test_add_func ("/scheduler/pages-are-whole", test_pages_are_whole);
  g_test_add_func ("/scheduler/shared-prefix", test_shared_prefix);
  g_test_add_func ("/scheduler/cancel-in-forward", test_cancel_in_forward);
  g_test_add_func ("/scheduler/cancel-one-of-two", test_cancel_one_of_two);
  g_test_add_func ("/scheduler/cancel-waiting", test_cancel_waiting);
  g_test_add_func ("/scheduler/cancel-take", test_cancel_take);
  g_test_add_func ("/scheduler/stop", test_stop);
  g_test_add_func ("/scheduler/numeric", test_numeric);
  g_test_add_func ("/scheduler/logits", test_logits);
  g_test_add_func ("/scheduler/calls", test_calls);
  g_test_add_func ("/scheduler/load-is-shared", test_load_is_shared);
  g_test_add_func ("/scheduler/load-given-up", test_load_given_up);
  g_test_add_func ("/scheduler/load-fails", test_load_fails);
  g_test_add_func ("/scheduler/load-after-stop", test_load_after_stop);
  g_test_add_func ("/scheduler/torture", test_torture);
  return g_test_run ();
}
