/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strategies: the ways to find a model's tokenizer, and the chain that tries
 * them in order.
 *
 * A strategy is one row of the table in bn-strategies.c. The chain knows
 * nothing but this interface: it tries, validates what it gets (bn-validate.h)
 * and goes on to the next strategy on any failure but cancellation. */
#pragma once

#include <gio/gio.h>
#include "bitnet-model.h"
#include "bitnet-tokenizer.h"

/* What the application and the environment ask for; a snapshot, so that a
 * resolution sees one state. Strings may be NULL where nothing was said. */
typedef struct {
  char *tokenizer; /* explicit reference: then nothing else is tried */
  char *tokenizer_repo;
  char *revision;
  char *endpoint;
  char *token;
  char **strategy_order;
  gboolean strict;
  gboolean offline;
  gboolean allow_download;
  char *cache_dir;
  guint timeout_s;
  guint retries;
  char *fidelity;
} BnResolveOptions;

/* What a strategy found. */
typedef struct {
  BitnetTokenizer *tokenizer;
  char *source; /* file or repository */
  gboolean from_cache;
  gboolean is_fallback; /* a last resort, not the model's own */
} BnFound;

void bn_found_clear (BnFound *found);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnFound, bn_found_clear)

typedef struct {
  const char *name;           /* stable: in properties, messages, statistics */
  const char *const *aliases; /* other spellings that parse; NULL-terminated */
  int priority;               /* in the order `local-first`; larger is first */
  gboolean requires_network;
  /* Fills *found or sets error. Runs in a worker thread, or in the caller's
   * of a synchronous resolution; may block, obeys the cancellable. */
  gboolean (*try_resolve) (const BnResolveOptions *options, BitnetModel *model,
      BnFound *found, GCancellable *cancellable, GError **error);
  /* What a user can do when it failed, or NULL. */
  const char *suggestion;
} BnStrategy;

/* NULL-terminated; falling priority. bn_strategy_explicit is not among them:
 * it runs alone. */
extern const BnStrategy *const bn_strategies[];
extern const BnStrategy bn_strategy_explicit;

/* One strategy that was tried. */
typedef struct {
  const BnStrategy *strategy;
  gint64 duration_us;
  GError *error; /* NULL: it found the tokenizer */
} BnAttempt;

/* Called before and after each strategy, in the thread that runs the chain. */
typedef struct {
  void (*started) (const BnStrategy *strategy, gpointer user_data);
  void (*finished) (const BnAttempt *attempt, gpointer user_data);
  gpointer user_data;
} BnChainObserver;

/* The strategies that options ask for, in order (transfer container), or
 * NULL with BITNET_ERROR_INVALID_ARGUMENT for a name that does not exist. */
GPtrArray *bn_chain_new (const BnResolveOptions *options, GError **error);

/* Tries the strategies until one gives a tokenizer that fits the model.
 * Returns that strategy, or NULL with one error that tells of all attempts,
 * or with G_IO_ERROR_CANCELLED. warnings: of char, what validation let pass. */
const BnStrategy *bn_chain_run (GPtrArray *chain,
    const BnResolveOptions *options, BitnetModel *model,
    const BnChainObserver *observer, BnFound *found, GPtrArray *warnings,
    GCancellable *cancellable, GError **error);
