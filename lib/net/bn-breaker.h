/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leaves a host alone for a while that failed too often. */
#pragma once

#include <glib.h>

typedef enum {
  BN_BREAKER_CLOSED,    /* requests pass */
  BN_BREAKER_OPEN,      /* they fail at once */
  BN_BREAKER_HALF_OPEN, /* one passes, to see */
} BnBreakerState;

/* How a request that was let pass ended. */
typedef enum {
  BN_OUTCOME_SUCCESS, /* the host answered, even if with 404 */
  BN_OUTCOME_FAILURE, /* in a way that may pass */
  BN_OUTCOME_NONE,    /* says nothing about the host: cancelled */
} BnOutcome;

/* Told of changes of state, without a lock, by the thread whose request made
 * it. */
typedef void (*BnBreakerFunc) (
    const char *host, BnBreakerState state, gpointer user_data);

/* "closed", "open", "half-open". */
const char *bn_breaker_state_get_name (BnBreakerState state);

/* Before a request to host ("name:port"): a ticket if it may be sent, for
 * bn_breaker_leave() that must follow; else 0 with BITNET_ERROR_CIRCUIT_OPEN
 * or, after bn_breaker_block(), RATE_LIMITED. changed may be NULL. */
guint bn_breaker_enter (const char *host, BnBreakerFunc changed,
    gpointer user_data, GError **error);
void bn_breaker_leave (const char *host, guint ticket, BnOutcome outcome,
    BnBreakerFunc changed, gpointer user_data);

/* The host wants no requests for some seconds. */
void bn_breaker_block (const char *host, gint64 seconds);

BnBreakerState bn_breaker_get_state (const char *host);

/* For tests: forget everything; another clock (µs), NULL for the real one. */
void bn_breaker_reset (void);
void bn_breaker_set_clock (gint64 (*clock) (void));
