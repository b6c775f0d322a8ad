/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The strategies of this library. Each is one object for the whole process,
 * without state; what it needs comes with the attempt. */
#pragma once

#include "bitnet-strategy.h"

#define BN_STRATEGY_EXPLICIT "explicit"
#define BN_STRATEGY_EMBEDDED "model-embedded"
#define BN_STRATEGY_GENERIC "generic"
#define BN_STRATEGY_CACHE "local-cache"
#define BN_STRATEGY_HUB "huggingface"
#define BN_STRATEGY_BACKUP "backup"

/* What one does; the functions are in bn-strategy-NAME.c. */
typedef BitnetTokenizer *(*BnTryFn) (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error);

BitnetTokenizer *bn_try_explicit (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error);
BitnetTokenizer *bn_try_embedded (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error);
BitnetTokenizer *bn_try_generic (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error);
BitnetTokenizer *bn_try_cache (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error);
BitnetTokenizer *bn_try_hub (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error);
BitnetTokenizer *bn_try_backup (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error);
/* Of a vocabulary that does not say how text is cut, in the usual way: what is
 * left when nothing else is. */
BitnetTokenizer *bn_try_embedded_default (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error);

/* The five that are tried in order, by falling priority; NULL-terminated.
 * (transfer none) */
BitnetStrategy *const *bn_strategies_get (void);
/* The one for what the application has named; not among the five. */
BitnetStrategy *bn_strategy_get_explicit (void);
/* The last form of model-embedded, under the same name; not among the five. */
BitnetStrategy *bn_strategy_get_embedded_default (void);

/* Whether it is one of this library. */
gboolean bn_strategy_is_ours (BitnetStrategy *strategy);

/* Whether a name of the user means a strategy of that name: also as other
 * programs spell it ("GgufMetadata"). */
gboolean bn_strategy_has_name (const char *strategy, const char *name);
