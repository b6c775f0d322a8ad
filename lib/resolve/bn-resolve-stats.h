/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters of a resolver. Not thread-safe: whoever has them guards them. */
#pragma once

#include "bn-chain.h"

enum { BN_N_TIME_BUCKETS = 10 }; /* the last has no upper bound */

typedef struct {
  guint64 count;
  double sum_ms, min_ms, max_ms;
  guint64 histogram[BN_N_TIME_BUCKETS];
} BnTimes;

typedef struct {
  guint64 n_resolutions, n_successes, n_failures, n_cancelled, n_fallbacks;
  guint64 n_zero_config, n_zero_config_successes;
  guint64 n_remembered, n_shared, n_recovered;
  BnTimes times;
  GHashTable *strategies; /* name (interned) to its counters */
} BnResolveStats;

void bn_resolve_stats_init (BnResolveStats *self);
void bn_resolve_stats_clear (BnResolveStats *self);

/* A strategy has been tried. */
void bn_resolve_stats_add_attempt (BnResolveStats *self, const char *strategy,
    const GError *error, double duration_ms);

/* A resolution has ended. */
typedef struct {
  gboolean is_cancelled, is_success, is_fallback;
  gboolean
      is_zero_config; /* the application named neither file nor repository */
  gboolean is_remembered, is_shared, is_recovered;
  double duration_ms;
} BnResolveEnd;

void bn_resolve_stats_add_end (BnResolveStats *self, const BnResolveEnd *end);

/* a{sv}, as bitnet_resolver_dup_stats() documents but for the network (not
 * ended). */
void bn_resolve_stats_to_dict (const BnResolveStats *self, GVariantDict *dict);
