/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits: their bounds, their sequence from a seed, and what servers ask for. */
#include <gio/gio.h>

#include "bn-backoff.h"

static void
test_bounds (void)
{
  g_auto (BnBackoff) backoff = {0};
  double highest[8] = {0};

  bn_backoff_init (&backoff, 0.5, 16, &(guint64){1});
  for (guint i = 0; i < 2000; i++) {
    for (guint n = 0; n < G_N_ELEMENTS (highest); n++) {
      double wait = bn_backoff_next (&backoff, n);

      g_assert_cmpfloat (wait, >=, 0);
      g_assert_cmpfloat (wait, <, MIN (16, 0.5 * (1 << n)));
      highest[n] = MAX (highest[n], wait);
    }
  }
  /* All of the range is used. */
  for (guint n = 0; n < G_N_ELEMENTS (highest); n++)
    g_assert_cmpfloat (highest[n], >, 0.9 * MIN (16, 0.5 * (1 << n)));
  g_assert_cmpfloat (bn_backoff_next (&backoff, G_MAXUINT), <=, 16);
}

static void
test_seed (void)
{
  g_auto (BnBackoff) a = {0};
  g_auto (BnBackoff) b = {0};
  g_auto (BnBackoff) c = {0};
  gboolean differs = FALSE;

  bn_backoff_init (&a, 0.5, 16, &(guint64){42});
  bn_backoff_init (&b, 0.5, 16, &(guint64){42});
  /* Only the upper half differs. */
  bn_backoff_init (
      &c, 0.5, 16, &(guint64){42 | (G_GUINT64_CONSTANT (1) << 40)});
  for (guint n = 0; n < 20; n++) {
    double wait = bn_backoff_next (&a, n);

    g_assert_true (wait == bn_backoff_next (&b, n));
    differs = differs || wait != bn_backoff_next (&c, n);
  }
  g_assert_true (differs);
}

static void
test_retry_after (void)
{
  static const gint64 now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
  static const struct {
    const char *text;
    gint64 seconds;
  } cases[] = {{"0", 0}, {"7", 7}, {" 120 ", 120},
      {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"Sun, 06 Nov 1994 08:50:07 GMT", 30},
      {"Sun, 06 Nov 1994 08:00:00 GMT", 0},
      {"99999999999999999999999999", 366 * 24 * 60 * 60}, {"", -1},
      {"soon", -1}, {"-5", -1}, {"1.5", -1}, {"7 s", -1},
      {"Sun, 06 Foo 1994 08:49:37 GMT", -1},
      {"Sun, 32 Nov 1994 08:49:37 GMT", -1},
      {"Sun, 06 Nov 1994 25:49:37 GMT", -1}, {"Sun, 06 Nov 1994 08:49 GMT", -1},
      {"Sun, 06 Nov 1994 08:49:37 CET", -1},
      {"Sun, 06 Nov 99999999 08:49:37 GMT", -1}, {",", -1}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_test_message ("%s", cases[i].text);
    g_assert_cmpint (
        bn_retry_after_parse (cases[i].text, now), ==, cases[i].seconds);
  }
  g_assert_cmpint (bn_retry_after_parse (NULL, now), ==, -1);
}

static void
test_rate_limit (void)
{
  static const struct {
    const char *text;
    gint64 seconds;
  } cases[] = {{"\"api\";r=0;t=55", 56}, {"\"api\"; r=0; t=55", 56},
      {"\"api\";r=489;t=55", 0}, {"\"api\";t=55;r=0", 56}, {"\"api\"", -1},
      {"\"api\";r=0", -1}, {"\"api\";r=x;t=5", -1}, {"", -1}, {";r=;t=", -1}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_test_message ("%s", cases[i].text);
    g_assert_cmpint (bn_rate_limit_parse (cases[i].text), ==, cases[i].seconds);
  }
  g_assert_cmpint (bn_rate_limit_parse (NULL), ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backoff/C30/bounds", test_bounds);
  g_test_add_func ("/backoff/C30/seed", test_seed);
  g_test_add_func ("/backoff/C30/retry-after", test_retry_after);
  g_test_add_func ("/backoff/C30/rate-limit", test_rate_limit);
  return g_test_run ();
}
