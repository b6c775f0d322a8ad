/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The circuit breaker under a clock that the test turns. */
#include <gio/gio.h>

#include "bitnet-error.h"
#include "bn-breaker.h"

#define HOST "hub.example:443"

static gint64 now;
static GString *changes;

static gint64
get_now (void)
{
  return now;
}

static void
pass (double seconds)
{
  now += (gint64) (seconds * G_USEC_PER_SEC);
}

static void
on_changed (const char *host, BnBreakerState state, gpointer user_data)
{
  g_string_append_printf (changes, "%s ", bn_breaker_state_get_name (state));
  /* No lock is held: */
  g_assert_cmpint (bn_breaker_get_state (host), ==, state);
}

static void
set_up (void)
{
  bn_breaker_reset ();
  bn_breaker_set_clock (get_now);
  now = 1000 * G_USEC_PER_SEC;
  changes = g_string_new (NULL);
}

static void
tear_down (const char *expected)
{
  g_assert_cmpstr (changes->str, ==, expected);
  g_string_free (changes, TRUE);
  bn_breaker_set_clock (NULL);
  bn_breaker_reset ();
}

static guint
enter (void)
{
  return bn_breaker_enter (HOST, on_changed, NULL, NULL);
}

static void
leave (guint ticket, BnOutcome outcome)
{
  bn_breaker_leave (HOST, ticket, outcome, on_changed, NULL);
}

static void
request (BnOutcome outcome)
{
  guint ticket = enter ();

  g_assert_cmpuint (ticket, >, 0);
  leave (ticket, outcome);
}

static void
fail (guint n)
{
  for (guint i = 0; i < n; i++)
    request (BN_OUTCOME_FAILURE);
}

static void
test_consecutive (void)
{
  g_autoptr (GError) error = NULL;

  set_up ();
  fail (4);
  request (BN_OUTCOME_SUCCESS); /* begins to count anew */
  pass (61);
  fail (4);
  g_assert_cmpint (bn_breaker_get_state (HOST), ==, BN_BREAKER_CLOSED);
  fail (1);
  g_assert_cmpint (bn_breaker_get_state (HOST), ==, BN_BREAKER_OPEN);
  pass (10);
  g_assert_cmpuint (bn_breaker_enter (HOST, on_changed, NULL, &error), ==, 0);
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CIRCUIT_OPEN);
  g_assert_nonnull (strstr (error->message, "20 s"));
  /* Other hosts have their own. */
  g_assert_cmpuint (bn_breaker_enter ("other:443", NULL, NULL, NULL), >, 0);
  tear_down ("open ");
}

static void
test_rate (void)
{
  set_up ();
  for (guint i = 0; i < 4; i++) {
    request (BN_OUTCOME_FAILURE);
    request (BN_OUTCOME_SUCCESS);
  }
  request (BN_OUTCOME_SUCCESS);
  g_assert_cmpint (bn_breaker_get_state (HOST), ==, BN_BREAKER_CLOSED);
  request (BN_OUTCOME_FAILURE); /* 5 of 10 */
  g_assert_cmpint (bn_breaker_get_state (HOST), ==, BN_BREAKER_OPEN);
  tear_down ("open ");
}

static void
test_rate_window (void)
{
  set_up ();
  for (guint i = 0; i < 100; i++) {
    request (BN_OUTCOME_FAILURE);
    request (BN_OUTCOME_SUCCESS);
    pass (15); /* never ten within a minute */
  }
  g_assert_cmpint (bn_breaker_get_state (HOST), ==, BN_BREAKER_CLOSED);
  tear_down ("");
}

static void
test_half_open (void)
{
  guint probe;

  set_up ();
  fail (5);
  pass (29.9);
  g_assert_cmpuint (enter (), ==, 0);
  pass (0.2);
  probe = enter ();
  g_assert_cmpuint (probe, >, 0);
  g_assert_cmpuint (enter (), ==, 0); /* one at a time */
  leave (probe, BN_OUTCOME_SUCCESS);
  request (BN_OUTCOME_SUCCESS);
  tear_down ("open half-open closed ");
}

static void
test_doubling (void)
{
  static const double intervals[] = {30, 60, 120, 240, 300, 300};

  set_up ();
  fail (5);
  for (gsize i = 0; i < G_N_ELEMENTS (intervals); i++) {
    pass (intervals[i] - 1);
    g_assert_cmpuint (enter (), ==, 0);
    pass (1);
    request (BN_OUTCOME_FAILURE);
  }
  pass (300);
  request (BN_OUTCOME_SUCCESS);
  /* From the beginning again. */
  fail (5);
  pass (30);
  request (BN_OUTCOME_SUCCESS);
  bn_breaker_reset ();
  g_string_truncate (changes, 0);
  tear_down ("");
}

static void
test_cancelled_probe (void)
{
  set_up ();
  fail (5);
  pass (30);
  request (BN_OUTCOME_NONE);
  g_assert_cmpint (bn_breaker_get_state (HOST), ==, BN_BREAKER_HALF_OPEN);
  request (BN_OUTCOME_SUCCESS); /* the next one may try at once */
  tear_down ("open half-open closed ");
}

static void
test_late_answers (void)
{
  guint early, probe;

  set_up ();
  early = enter ();
  fail (5);
  leave (early, BN_OUTCOME_SUCCESS); /* from before: does not close it */
  g_assert_cmpint (bn_breaker_get_state (HOST), ==, BN_BREAKER_OPEN);
  pass (30);
  probe = enter ();
  leave (early, BN_OUTCOME_FAILURE); /* nor takes the probe's place */
  g_assert_cmpuint (enter (), ==, 0);
  leave (probe, BN_OUTCOME_SUCCESS);
  g_assert_cmpint (bn_breaker_get_state (HOST), ==, BN_BREAKER_CLOSED);
  tear_down ("open half-open closed ");
}

static void
test_block (void)
{
  g_autoptr (GError) error = NULL;

  set_up ();
  bn_breaker_block (HOST, 30);
  bn_breaker_block (HOST, 10); /* the longer one counts */
  pass (12);
  g_assert_cmpuint (bn_breaker_enter (HOST, on_changed, NULL, &error), ==, 0);
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_RATE_LIMITED);
  g_assert_nonnull (strstr (error->message, "18 s"));
  g_assert_cmpint (bn_breaker_get_state (HOST), ==, BN_BREAKER_CLOSED);
  pass (18);
  request (BN_OUTCOME_SUCCESS);
  tear_down ("");
}

static gpointer
run_requests (gpointer data)
{
  for (guint i = 0; i < 2000; i++) {
    guint ticket = bn_breaker_enter (HOST, NULL, NULL, NULL);

    if (ticket > 0)
      bn_breaker_leave (HOST, ticket,
          i % 7 == 0 ? BN_OUTCOME_FAILURE : BN_OUTCOME_SUCCESS, NULL, NULL);
  }
  return NULL;
}

static void
test_threads (void)
{
  GThread *threads[4];

  set_up ();
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new (NULL, run_requests, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  tear_down ("");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/breaker/C31/consecutive", test_consecutive);
  g_test_add_func ("/breaker/C31/rate", test_rate);
  g_test_add_func ("/breaker/C31/rate-window", test_rate_window);
  g_test_add_func ("/breaker/C31/half-open", test_half_open);
  g_test_add_func ("/breaker/C31/doubling", test_doubling);
  g_test_add_func ("/breaker/C31/cancelled-probe", test_cancelled_probe);
  g_test_add_func ("/breaker/C31/late-answers", test_late_answers);
  g_test_add_func ("/breaker/C31/block", test_block);
  g_test_add_func ("/breaker/C31/threads", test_threads);
  return g_test_run ();
}
