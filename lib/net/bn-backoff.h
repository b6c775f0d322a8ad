/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long to wait before the next attempt. */
#pragma once

#include <glib.h>

/* Longest wait that a server may ask for; beyond it the request fails. */
enum { BN_MAX_RETRY_AFTER_S = 120 };

typedef struct {
  GRand *rand;
  double base_s, cap_s;
} BnBackoff;

/* seed NULL: different in each run. */
void bn_backoff_init (
    BnBackoff *self, double base_s, double cap_s, const guint64 *seed);
void bn_backoff_clear (BnBackoff *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnBackoff, bn_backoff_clear)

/* Seconds before attempt n + 1 (n from 0): between 0 and min (cap, base 2^n),
 * each equally likely, so that clients that failed together do not come back
 * together. */
double bn_backoff_next (BnBackoff *self, guint n);

/* Seconds from now_s (since 1970) that a Retry-After header asks for, which
 * holds seconds or a date; -1 if it is neither. */
gint64 bn_retry_after_parse (const char *text, gint64 now_s);

/* Seconds until a RateLimit header ("api";r=0;t=55) lets requests pass again;
 * 0 if it lets them pass now, -1 if it is none. */
gint64 bn_rate_limit_parse (const char *text);
