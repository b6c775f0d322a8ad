/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Circuit breaker, one for each host, shared by all clients of the process.
 *
 *          5 failures in a row, or half of
 *          at least 10 within a minute
 *   CLOSED ------------------------------> OPEN --- after its time ---+
 *     ^                                     ^                         |
 *     |                                     | failure, time doubled   v
 *     +------------- success ---------------+------------------- HALF_OPEN
 *
 * A request carries the number of the period in which it was let pass; one
 * that ends in a later period says nothing any more. Time is monotonic.
 * table_lock guards the table and everything in it; no callback runs under it.
 * The table holds at most MAX_HOSTS hosts. */
#include "bn-breaker.h"

#include "bitnet-error.h"

enum {
  MAX_CONSECUTIVE = 5, /* failures that open */
  MIN_SAMPLES = 10,    /* before the rate counts */
  N_SAMPLES = 64,      /* remembered */
  MAX_HOSTS = 256,
};

static const gint64 WINDOW_US = 60 * G_USEC_PER_SEC;
static const gint64 FIRST_INTERVAL_US = 30 * G_USEC_PER_SEC;
static const gint64 MAX_INTERVAL_US = 300 * G_USEC_PER_SEC;

typedef struct {
  gint64 at;
  gboolean failed;
} Sample;

typedef struct {
  BnBreakerState state;
  guint period;              /* number of changes of state, from 1 */
  guint n_consecutive;       /* failures */
  Sample samples[N_SAMPLES]; /* a ring */
  guint n_samples, next_sample;
  gint64 interval;      /* of the current or next opening */
  gint64 open_until;    /* in OPEN */
  gint64 blocked_until; /* by 429 */
  gboolean has_probe;   /* in HALF_OPEN: it is under way */
} Breaker;

static GMutex table_lock;
static GHashTable *table; /* host to Breaker */
static gint64 (*clock_now) (void) = g_get_monotonic_time;

const char *
bn_breaker_state_get_name (BnBreakerState state)
{
  static const char *const names[] = {"closed", "open", "half-open"};

  return names[state];
}

static Breaker *
find (const char *host)
{
  Breaker *self;

  if (!table)
    table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self = g_hash_table_lookup (table, host);
  if (self)
    return self;
  if (g_hash_table_size (table) >= MAX_HOSTS)
    g_hash_table_remove_all (table);
  self = g_new0 (Breaker, 1);
  self->interval = FIRST_INTERVAL_US;
  self->period = 1;
  g_hash_table_insert (table, g_strdup (host), self);
  return self;
}

static void
set_state (Breaker *self, BnBreakerState state)
{
  self->state = state;
  self->period++;
}

static void
set_wait_error (GError **error, BitnetError code, const char *host,
    const char *reason, gint64 until, gint64 now)
{
  gint64 seconds = (MAX (until - now, 0) + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC;

  g_set_error (error, BITNET_ERROR, code,
      "%s %s, next request in %" G_GINT64_FORMAT " s", host, reason, seconds);
}

/* Whether a request may pass; with the lock. */
static gboolean
enter (Breaker *self, const char *host, gint64 now, GError **error)
{
  if (now < self->blocked_until) {
    set_wait_error (error, BITNET_ERROR_RATE_LIMITED, host,
        "asked for fewer requests", self->blocked_until, now);
    return FALSE;
  }
  if (self->state == BN_BREAKER_OPEN && now >= self->open_until)
    set_state (self, BN_BREAKER_HALF_OPEN);
  if (self->state == BN_BREAKER_OPEN) {
    set_wait_error (error, BITNET_ERROR_CIRCUIT_OPEN, host,
        "failed too often and is left alone", self->open_until, now);
    return FALSE;
  }
  if (self->state == BN_BREAKER_HALF_OPEN) {
    if (self->has_probe) {
      set_wait_error (error, BITNET_ERROR_CIRCUIT_OPEN, host,
          "failed too often and is being tried by another request", now, now);
      return FALSE;
    }
    self->has_probe = TRUE;
  }
  return TRUE;
}

guint
bn_breaker_enter (
    const char *host, BnBreakerFunc changed, gpointer user_data, GError **error)
{
  BnBreakerState before, after;
  guint ticket = 0;
  Breaker *self;

  g_mutex_lock (&table_lock);
  self = find (host);
  before = self->state;
  if (enter (self, host, clock_now (), error))
    ticket = self->period;
  after = self->state;
  g_mutex_unlock (&table_lock);
  if (changed && before != after)
    changed (host, after, user_data);
  return ticket;
}

static void
add_sample (Breaker *self, gint64 now, gboolean failed)
{
  self->samples[self->next_sample] = (Sample){now, failed};
  self->next_sample = (self->next_sample + 1) % N_SAMPLES;
  self->n_samples = MIN (self->n_samples + 1, N_SAMPLES);
}

static gboolean
is_rate_too_high (const Breaker *self, gint64 now)
{
  guint n = 0, n_failed = 0;

  for (guint i = 0; i < self->n_samples; i++) {
    if (now - self->samples[i].at < WINDOW_US) {
      n++;
      n_failed += self->samples[i].failed;
    }
  }
  return n >= MIN_SAMPLES && n_failed * 2 >= n;
}

static void
open_for (Breaker *self, gint64 now)
{
  set_state (self, BN_BREAKER_OPEN);
  self->open_until = now + self->interval;
  self->interval = MIN (self->interval * 2, MAX_INTERVAL_US);
  self->n_consecutive = 0;
  self->n_samples = 0;
  self->next_sample = 0;
}

/* With the lock. In HALF_OPEN only the probe has a ticket that counts. */
static void
leave (Breaker *self, BnOutcome outcome, gint64 now)
{
  gboolean failed = outcome == BN_OUTCOME_FAILURE;

  if (self->state == BN_BREAKER_HALF_OPEN) {
    self->has_probe = FALSE;
    if (failed) {
      open_for (self, now);
    } else if (outcome == BN_OUTCOME_SUCCESS) {
      set_state (self, BN_BREAKER_CLOSED);
      self->interval = FIRST_INTERVAL_US;
    }
    return;
  }
  if (outcome == BN_OUTCOME_NONE)
    return;
  add_sample (self, now, failed);
  self->n_consecutive = failed ? self->n_consecutive + 1 : 0;
  if (failed
      && (self->n_consecutive >= MAX_CONSECUTIVE
          || is_rate_too_high (self, now)))
    open_for (self, now);
}

void
bn_breaker_leave (const char *host, guint ticket, BnOutcome outcome,
    BnBreakerFunc changed, gpointer user_data)
{
  BnBreakerState before, after;
  Breaker *self;

  g_mutex_lock (&table_lock);
  self = find (host);
  before = self->state;
  if (ticket == self->period)
    leave (self, outcome, clock_now ());
  after = self->state;
  g_mutex_unlock (&table_lock);
  if (changed && before != after)
    changed (host, after, user_data);
}

void
bn_breaker_block (const char *host, gint64 seconds)
{
  Breaker *self;
  gint64 until;

  g_mutex_lock (&table_lock);
  self = find (host);
  until = clock_now () + seconds * G_USEC_PER_SEC;
  self->blocked_until = MAX (self->blocked_until, until);
  g_mutex_unlock (&table_lock);
}

BnBreakerState
bn_breaker_get_state (const char *host)
{
  BnBreakerState state;

  g_mutex_lock (&table_lock);
  state = find (host)->state;
  g_mutex_unlock (&table_lock);
  return state;
}

void
bn_breaker_reset (void)
{
  g_mutex_lock (&table_lock);
  g_clear_pointer (&table, g_hash_table_unref);
  g_mutex_unlock (&table_lock);
}

void
bn_breaker_set_clock (gint64 (*clock) (void))
{
  g_mutex_lock (&table_lock);
  clock_now = clock ? clock : g_get_monotonic_time;
  g_mutex_unlock (&table_lock);
}
