/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chain of strategies: which, in which order, and trying them until one
 * finds a tokenizer that fits. It knows nothing but the interface of
 * strategies and goes on after any failure but cancellation. */
#pragma once

#include "bn-attempt.h"

/* The strategies that options ask for, in order, of BitnetStrategy (transfer
 * full). custom: of BitnetStrategy, added by the application; may be NULL.
 * is_remote: there is no model file, so nothing to look into and nothing
 * beside it. NULL with BITNET_ERROR_INVALID_ARGUMENT for a name that does not
 * exist. */
GPtrArray *bn_chain_new (const BnResolveOptions *options, GPtrArray *custom,
    gboolean is_remote, GError **error);

/* Its priority in the order of options. */
int bn_chain_get_priority (
    const BnResolveOptions *options, BitnetStrategy *strategy);

/* One entry of a report: a strategy that was tried, or one of the candidates
 * that it rejected. */
typedef struct {
  const char *strategy; /* interned */
  int priority;
  char *source;       /* NULL if it never came to one */
  GError *error;      /* NULL: it found the tokenizer */
  double duration_ms; /* of the whole strategy; 0 for its candidates */
  gboolean is_candidate;
} BnTrial;

/* What a chain did. Zero to begin. */
typedef struct {
  BnFound found;
  const char *strategy; /* interned; NULL if none was successful */
  GPtrArray *trials;    /* of BnTrial */
} BnOutcome;

void bn_outcome_clear (BnOutcome *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnOutcome, bn_outcome_clear)

typedef struct {
  const BnResolveOptions *options;
  BitnetDiscovery *discovery;
  gboolean is_remote; /* a repository is in the place of the model */
  BnServices *services;
  const BnObserver *observer;
  double discovery_ms; /* it took to open the model and look at it */
} BnChainInput;

/* TRUE: outcome->found is set. FALSE without error: all failed, the trials say
 * why. FALSE with error: cancelled, or options make no sense. */
gboolean bn_chain_run (GPtrArray *chain, const BnChainInput *input,
    BnOutcome *outcome, GCancellable *cancellable, GError **error);
