/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The scheduler when it guesses tokens ahead, over a transformer whose answers
 * repeat (fake-transformer.h). What is proposed is the matter of
 * test-draft.c. */
#include <glib.h>

#include "core/bn-draft.h"
#include "fake-transformer.h"
#include "scheduler-fixture.h"

/* Guesses change the number of passes and nothing else. */
static void
test_drafts (void)
{
  static const guint periods[] = {0, 1, 2, 5, 17};

  for (gsize p = 0; p < G_N_ELEMENTS (periods); p++) {
    for (guint n_drafts = 0; n_drafts <= BN_DRAFT_MAX; n_drafts += 4) {
      enum { N_PROMPT = 40, N = 200 };
      BnSchedulerStats stats;

      fake_reset ();
      fake.period = periods[p];
      BnScheduler *scheduler = start_drafts (2, 12, n_drafts);
      g_autoptr (BnRequest) request = submit (scheduler, 1, N_PROMPT, N);
      check_request (request, 1, N_PROMPT, N);
      bn_scheduler_get_stats (scheduler, &stats);
      g_assert_cmpuint (stats.n_generated_tokens, ==, N);
      g_assert_cmpuint (stats.n_decode_tokens, ==, N - 1);
      g_assert_cmpuint (stats.n_accepted_tokens, <=, stats.n_drafted_tokens);
      if (n_drafts == 0)
        g_assert_cmpuint (stats.n_drafted_tokens, ==, 0);
      else if (periods[p] > 0) /* how often: what passes seem to cost */
        g_assert_cmpuint (stats.n_accepted_tokens, >, 0);

      /* two at once, and to the end of the context */
      g_autoptr (BnRequest) one = submit (scheduler, 2, N_PROMPT, 0);
      g_autoptr (BnRequest) other = submit (scheduler, 3, 10, N);
      check_request (one, 2, N_PROMPT, 256 - N_PROMPT);
      check_request (other, 3, 10, N);
      stop_scheduler (scheduler);
    }
  }
}

/* The answer ends inside a guess, and a guess that gives NaN is dropped. */
static void
test_draft_ends (void)
{
  g_autoptr (GError) error = NULL;

  for (guint n = 1; n <= 30; n++) {
    fake_reset ();
    fake.period = 4;
    fake.hates_guesses = n % 2 == 0;
    BnScheduler *scheduler = start_drafts (1, 64, 8);
    g_autoptr (BnRequest) request = submit (scheduler, 5, 12, n);
    check_request (request, 5, 12, n);

    /* the fifth of the prompt's last four is an end */
    guint32 prompt[] = {9, 1, 2, END_TOKEN, 4, 1, 2, END_TOKEN, 4, 1, 2};
    g_autoptr (BnRequest) ended = submit_full (
        scheduler, prompt, G_N_ELEMENTS (prompt), 30, NULL, TRUE, &error);
    g_autoptr (GArray) got = drain (ended, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (got->len, ==, 1);
    g_assert_cmpint (get_reason (ended), ==, BN_FINISH_STOP);

    /* texts are E B C D E B C D ...; the stop text is in the second round */
    guint32 round[] = {8, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3};
    const char *stop[] = {"EBCDEBC", NULL};
    g_autoptr (BnRequest) stopped = submit_full (
        scheduler, round, G_N_ELEMENTS (round), 60, stop, FALSE, &error);
    g_autoptr (GArray) none = drain (stopped, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (none->len, ==, 0);
    g_assert_cmpint (get_reason (stopped), ==, BN_FINISH_STOP_STRING);
    stop_scheduler (scheduler);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scheduler/drafts", test_drafts);
  g_test_add_func ("/scheduler/draft-ends", test_draft_ends);
  return g_test_run ();
}
