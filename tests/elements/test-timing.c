/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timestamp policies of detokenize: every mode, order, limits. */
#include "timing.h"

#define SECOND G_GUINT64_CONSTANT (1000000000)
#define SPEED 10.0
#define MAX_DURATION (7 * SECOND)

static void
begin (Timing *timing, TimestampMode mode, guint64 pts, guint64 duration)
{
  timing_begin (timing, mode, SPEED, MAX_DURATION, pts, duration);
}

static void
assert_cue (Cue cue, guint64 pts, guint64 duration)
{
  g_assert_cmpuint (cue.pts, ==, pts);
  g_assert_cmpuint (cue.duration, ==, duration);
}

static void
test_synthetic (void)
{
  Timing timing = {0};

  timing_reset (&timing, 5 * SECOND);
  begin (&timing, TIMESTAMP_SYNTHETIC, TIMING_NONE, TIMING_NONE);
  g_assert_false (timing_needs_whole (&timing));
  assert_cue (timing_next (&timing, 10, TIMING_NONE), 5 * SECOND, SECOND);
  assert_cue (timing_next (&timing, 20, TIMING_NONE), 6 * SECOND, 2 * SECOND);
  /* The next response goes on where this one ended. */
  begin (&timing, TIMESTAMP_SYNTHETIC, TIMING_NONE, TIMING_NONE);
  assert_cue (timing_next (&timing, 1000, 0), 8 * SECOND, MAX_DURATION);
  assert_cue (timing_next (&timing, 0, 0), 15 * SECOND, 0);
  timing_reset (&timing, TIMING_NONE);
  assert_cue (timing_next (&timing, 10, 0), 0, SECOND);
}

static void
test_auto (void)
{
  Timing timing = {0};

  timing_reset (&timing, 0);
  begin (&timing, TIMESTAMP_AUTO, TIMING_NONE, TIMING_NONE);
  g_assert_cmpint (timing.mode, ==, TIMESTAMP_SYNTHETIC);
  begin (&timing, TIMESTAMP_AUTO, 3 * SECOND, SECOND);
  g_assert_cmpint (timing.mode, ==, TIMESTAMP_COPY);
  g_assert_true (timing_needs_whole (&timing));
}

static void
test_copy (void)
{
  static const gsize n_chars[] = {10, 30, 20};
  static const gsize whole[] = {400};
  static const gsize nothing[] = {0, 0};
  Timing timing = {0};
  Cue cues[3];

  timing_reset (&timing, 0);
  begin (&timing, TIMESTAMP_COPY, 6 * SECOND, 6 * SECOND);
  timing_divide (&timing, n_chars, 3, cues);
  assert_cue (cues[0], 6 * SECOND, SECOND);
  assert_cue (cues[1], 7 * SECOND, 3 * SECOND);
  assert_cue (cues[2], 10 * SECOND, 2 * SECOND);
  /* One piece keeps the interval exactly, however long it is. */
  begin (&timing, TIMESTAMP_COPY, 20 * SECOND + 1, 12 * SECOND + 7);
  timing_divide (&timing, whole, 1, cues);
  assert_cue (cues[0], 20 * SECOND + 1, 12 * SECOND + 7);
  begin (&timing, TIMESTAMP_COPY, 40 * SECOND, SECOND);
  timing_divide (&timing, nothing, 2, cues);
  g_assert_cmpuint (cues[0].pts, ==, 40 * SECOND);
  g_assert_cmpuint (cues[1].pts, >=, 40 * SECOND);
}

static void
test_copy_without_duration (void)
{
  Timing timing = {0};

  timing_reset (&timing, 0);
  begin (&timing, TIMESTAMP_COPY, 6 * SECOND, TIMING_NONE);
  g_assert_false (timing_needs_whole (&timing));
  assert_cue (timing_next (&timing, 10, 0), 6 * SECOND, SECOND);
  assert_cue (timing_next (&timing, 10, 0), 7 * SECOND, SECOND);
  begin (&timing, TIMESTAMP_COPY, TIMING_NONE, TIMING_NONE);
  assert_cue (timing_next (&timing, 10, 0), TIMING_NONE, TIMING_NONE);
}

static void
test_running_time (void)
{
  Timing timing = {0};

  timing_reset (&timing, 0);
  begin (&timing, TIMESTAMP_RUNNING_TIME, 99 * SECOND, SECOND);
  g_assert_false (timing_needs_whole (&timing));
  assert_cue (timing_next (&timing, 10, 4 * SECOND), 4 * SECOND, SECOND);
  /* Never back, even if the clock is. */
  assert_cue (timing_next (&timing, 10, 3 * SECOND), 4 * SECOND, SECOND);
  assert_cue (timing_next (&timing, 10, 9 * SECOND), 9 * SECOND, SECOND);
  assert_cue (timing_next (&timing, 10, TIMING_NONE), TIMING_NONE, TIMING_NONE);
}

static void
test_none (void)
{
  Timing timing = {0};

  timing_reset (&timing, 0);
  begin (&timing, TIMESTAMP_NONE, 1, 1);
  g_assert_false (timing_needs_whole (&timing));
  assert_cue (timing_next (&timing, 10, 5), TIMING_NONE, TIMING_NONE);
}

/* Overlapping requests: cues stay in order. */
static void
test_monotonic (void)
{
  static const gsize n_chars[] = {1, 1};
  Timing timing = {0};
  Cue cues[2];
  guint64 last = 0;

  timing_reset (&timing, 0);
  for (guint i = 0; i < 10; i++) {
    begin (&timing, TIMESTAMP_COPY, (10 - i) * SECOND, 2 * SECOND);
    timing_divide (&timing, n_chars, 2, cues);
    g_assert_cmpuint (cues[0].pts, >=, last);
    g_assert_cmpuint (cues[1].pts, >=, cues[0].pts);
    last = cues[1].pts;
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/timing/synthetic", test_synthetic);
  g_test_add_func ("/timing/auto", test_auto);
  g_test_add_func ("/timing/copy", test_copy);
  g_test_add_func ("/timing/copy-without-duration", test_copy_without_duration);
  g_test_add_func ("/timing/running-time", test_running_time);
  g_test_add_func ("/timing/none", test_none);
  g_test_add_func ("/timing/monotonic", test_monotonic);
  return g_test_run ();
}
