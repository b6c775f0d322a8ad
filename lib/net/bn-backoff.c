/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits between attempts: exponential with full jitter, and what servers say
 * about it in headers, which are untrusted. Pure but for the generator. */
#include "bn-backoff.h"

#include <string.h>

enum {
  MAX_EXPONENT = 30,
  MAX_SECONDS = 366 * 24 * 60 * 60, /* longer is nonsense */
  DATE_PARTS = 5,                   /* "06 Nov 1994 08:49:37 GMT" */
  WORD_BITS = 32,
};

void
bn_backoff_init (
    BnBackoff *self, double base_s, double cap_s, const guint64 *seed)
{
  self->base_s = base_s;
  self->cap_s = cap_s;
  if (seed) {
    const guint32 words[] = {(guint32) *seed, (guint32) (*seed >> WORD_BITS)};

    self->rand = g_rand_new_with_seed_array (words, G_N_ELEMENTS (words));
  } else {
    self->rand = g_rand_new ();
  }
}

void
bn_backoff_clear (BnBackoff *self)
{
  g_clear_pointer (&self->rand, g_rand_free);
}

double
bn_backoff_next (BnBackoff *self, guint n)
{
  double limit = self->base_s * (double) (1u << MIN (n, MAX_EXPONENT));

  return g_rand_double (self->rand) * MIN (limit, self->cap_s);
}

/* Digits up to a character of end or the end; -1 if it is no such number. */
static gint64
parse_seconds (const char *text, const char *end)
{
  gint64 value = 0;
  const char *p = text;

  for (; g_ascii_isdigit (*p); p++)
    value = MIN (value * 10 + (*p - '0'), MAX_SECONDS);
  if (p == text || (*p != '\0' && !strchr (end, *p)))
    return -1;
  return value;
}

static int
parse_month (const char *text)
{
  static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (g_ascii_strcasecmp (text, names[i]) == 0)
      return (int) i + 1;
  }
  return 0;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", the only form that may be sent. -1 if it
 * is another. */
static gint64
parse_date (const char *text)
{
  const char *comma = strchr (text, ',');
  g_auto (GStrv) parts = NULL;
  g_auto (GStrv) clock = NULL;
  g_autoptr (GDateTime) date = NULL;
  gint64 numbers[5];
  const char *texts[5];

  if (!comma || comma[1] != ' ')
    return -1;
  parts = g_strsplit (comma + 2, " ", DATE_PARTS + 1);
  if (g_strv_length (parts) != DATE_PARTS || !g_str_equal (parts[4], "GMT"))
    return -1;
  clock = g_strsplit (parts[3], ":", 4);
  if (g_strv_length (clock) != 3)
    return -1;
  texts[0] = parts[2];
  texts[1] = parts[0];
  for (int i = 0; i < 3; i++)
    texts[2 + i] = clock[i];
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    numbers[i] = parse_seconds (texts[i], "");
    if (numbers[i] < 0)
      return -1;
  }
  if (numbers[0] < 1970 || numbers[0] > 9999)
    return -1;
  date = g_date_time_new_utc ((int) numbers[0], parse_month (parts[1]),
      (int) numbers[1], (int) numbers[2], (int) numbers[3],
      (double) numbers[4]);
  return date ? g_date_time_to_unix (date) : -1;
}

gint64
bn_retry_after_parse (const char *text, gint64 now_s)
{
  g_autofree char *stripped = NULL;
  gint64 seconds;

  if (!text)
    return -1;
  stripped = g_strstrip (g_strdup (text));
  seconds = parse_seconds (stripped, "");
  if (seconds >= 0)
    return seconds;
  seconds = parse_date (stripped);
  return seconds < 0 ? -1 : CLAMP (seconds - now_s, 0, MAX_SECONDS);
}

/* Value of ";name=digits", -1 if there is none. */
static gint64
find_parameter (const char *text, char name)
{
  const char *p = text;

  while ((p = strchr (p, ';')) != NULL) {
    p++;
    while (*p == ' ')
      p++;
    if (p[0] == name && p[1] == '=')
      return parse_seconds (p + 2, "; ,");
  }
  return -1;
}

gint64
bn_rate_limit_parse (const char *text)
{
  gint64 left, seconds;

  if (!text)
    return -1;
  left = find_parameter (text, 'r');
  seconds = find_parameter (text, 't');
  if (left < 0 || seconds < 0)
    return -1;
  return left > 0 ? 0 : seconds + 1;
}
