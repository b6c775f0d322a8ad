/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetResolver: finds the tokenizer that belongs to a model. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"
#include "bitnet-model.h"
#include "bitnet-tokenizer.h"

G_BEGIN_DECLS

/**
 * BitnetResolver:
 *
 * Finds the tokenizer of a model: an explicit file if one is named, else each
 * strategy in its order until one gives a tokenizer that fits the model. What
 * does not fit (another vocabulary, another size but padding) is refused,
 * strict or not.
 *
 * This version has the strategies `explicit` (a GGUF file named by
 * #BitnetResolver:tokenizer, alone) and `model-embedded` (the vocabulary in
 * the model file).
 *
 * A property that the application sets wins over the environment, that over
 * the default. The environment is read when the resolver is made. Properties
 * are set before the first use; after that every function may be called from
 * any thread.
 *
 * |[<!-- language="C" -->
 * g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
 * g_autoptr (BitnetTokenizer) tokenizer
 *     = bitnet_resolver_resolve (resolver, model, NULL, NULL, &error);
 * ]|
 */
#define BITNET_TYPE_RESOLVER (bitnet_resolver_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (
    BitnetResolver, bitnet_resolver, BITNET, RESOLVER, GObject)

/**
 * BitnetResolver:tokenizer:
 *
 * Path of a GGUF file whose tokenizer is used, and no other.
 */

/**
 * BitnetResolver:tokenizer-repo:
 *
 * Repository on the hub that has the tokenizer, `owner/name`. For strategies
 * that fetch; this version has none.
 */

/**
 * BitnetResolver:revision:
 *
 * Branch, tag or commit of the repository.
 */

/**
 * BitnetResolver:endpoint:
 *
 * Address of the hub; %NULL is the public one. Environment: `HF_ENDPOINT`.
 */

/**
 * BitnetResolver:token:
 *
 * Access token for the hub. Cannot be read back. Environment: `HF_TOKEN`.
 */

/**
 * BitnetResolver:strategy-order:
 *
 * `local-first` (also %NULL), `hub-first` or the names of strategies, the
 * first to be tried first; those left out are not tried. Environment:
 * `BITNET_TOKENIZER_ORDER`, names joined by commas.
 */

/**
 * BitnetResolver:strict:
 *
 * Whether doubts are errors and no last resort is used. Environment:
 * `BITNET_STRICT_TOKENIZERS`.
 */

/**
 * BitnetResolver:offline:
 *
 * Never use the network. Environment: `BITNET_OFFLINE`, `HF_HUB_OFFLINE`.
 */

/**
 * BitnetResolver:allow-download:
 *
 * Whether a tokenizer may be fetched. Environment: `BITNET_AUTO_DOWNLOAD`.
 */

/**
 * BitnetResolver:cache-dir:
 *
 * Folder of fetched tokenizers; %NULL is `bitnet/tokenizers` in the user's
 * cache. Environment: `BITNET_TOKENIZER_CACHE`, or `BITNET_CACHE_DIR` whose
 * folder `tokenizers` it is.
 */

/**
 * BitnetResolver:timeout:
 *
 * Seconds that a resolution may spend on the network; 0 is no limit.
 * Environment: `BITNET_DOWNLOAD_TIMEOUT`.
 */

/**
 * BitnetResolver:retries:
 *
 * How often a failed request is sent again.
 */

/**
 * BitnetResolver:fidelity:
 *
 * Whose tokens count where reference programs differ: `auto`, which is
 * `llama-cpp` for GGUF files.
 */

/**
 * BitnetResolver::strategy-started:
 * @self: the resolver
 * @name: name of the strategy
 *
 * A strategy is being tried. Emitted in the thread-default context of the
 * caller of bitnet_resolver_resolve_async(), or in the thread that called
 * bitnet_resolver_resolve().
 */

/**
 * BitnetResolver::strategy-finished:
 * @self: the resolver
 * @name: name of the strategy
 * @success: whether it found a tokenizer that fits
 * @message: (nullable): why not
 *
 * A strategy was tried. Emitted as #BitnetResolver::strategy-started is, and
 * always before the callback of the resolution.
 */

/**
 * bitnet_resolver_new:
 *
 * Returns: (transfer full): a resolver with the settings of the environment
 */
BITNET_AVAILABLE_IN_ALL
BitnetResolver *bitnet_resolver_new (void);

/**
 * bitnet_resolver_resolve:
 * @self: a resolver
 * @model: the model that needs a tokenizer
 * @cancellable: (nullable): stops the search
 * @resolution: (out) (optional) (nullable): how it was found, a dictionary
 *   `a{sv}`: `strategy` (s), `source` (s, file or repository), `vocab-size`
 *   (u), `from-cache` (b), `fallback` (b, a last resort), `duration-ms` (d),
 *   `warnings` (as)
 * @error: return location for an error
 *
 * Finds the tokenizer of @model. Blocks.
 *
 * If all strategies fail, @error has a line for each with its reason and then
 * what to try, and the code of the most telling of them:
 * %BITNET_ERROR_VOCAB_MISMATCH, %BITNET_ERROR_TOKENIZER,
 * %BITNET_ERROR_NOT_FOUND, ... An unknown name in
 * #BitnetResolver:strategy-order is %BITNET_ERROR_INVALID_ARGUMENT.
 *
 * Returns: (transfer full): the tokenizer, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
BitnetTokenizer *bitnet_resolver_resolve (BitnetResolver *self,
    BitnetModel *model, GCancellable *cancellable, GVariant **resolution,
    GError **error);

/**
 * bitnet_resolver_resolve_async:
 * @self: a resolver
 * @model: the model that needs a tokenizer
 * @io_priority: priority of the callback
 * @cancellable: (nullable): stops the search
 * @callback: (scope async): called when it is done
 * @user_data: (closure): data of the caller
 *
 * bitnet_resolver_resolve() in a thread of its own.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_resolver_resolve_async (BitnetResolver *self, BitnetModel *model,
    int io_priority, GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data);

/**
 * bitnet_resolver_resolve_finish:
 * @self: a resolver
 * @result: what the callback got
 * @resolution: (out) (optional) (nullable): as for bitnet_resolver_resolve()
 * @error: return location for an error
 *
 * Returns: (transfer full): the tokenizer, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
BitnetTokenizer *bitnet_resolver_resolve_finish (BitnetResolver *self,
    GAsyncResult *result, GVariant **resolution, GError **error);

/**
 * bitnet_resolver_dup_stats:
 * @self: a resolver
 *
 * What this resolver did so far: a dictionary `a{sv}` with `resolutions` (t),
 * `successes` (t), `success-rate` (d; cancelled ones do not count, a last
 * resort counts as failure) and, for each strategy that was tried, under its
 * name a dictionary `a{sv}` with `attempts` (t), `successes` (t), `mean-ms`
 * (d) and `max-ms` (d).
 *
 * Returns: (transfer full): the dictionary
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_resolver_dup_stats (BitnetResolver *self);

G_END_DECLS
