/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetResolver: finds the tokenizer that belongs to a model. */
#pragma once

#include "bitnet-model.h"
#include "bitnet-progress.h"
#include "bitnet-strategy.h"
#include "bitnet-tokenizer.h"
#include "bitnet-version.h"
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * BitnetResolver:
 *
 * Finds the tokenizer of a model. Strategies are tried in their order until
 * one gives a tokenizer that fits the model:
 *
 * * `model-embedded`: the vocabulary in the model file
 * * `generic`: files beside the model
 * * `local-cache`: what was fetched before, by this library or by the hub's
 *   own programs
 * * `huggingface`: fetched from the hub
 * * `backup`: a tokenizer of bytes, with a warning; not in strict mode
 *
 * and those that the application adds. What does not fit (another vocabulary,
 * another size but padding) is refused, strict or not. A resolution is
 * remembered, in memory and on disk, and found again as long as nothing it
 * depends on has changed. Of several at once for the same model one does the
 * work and all get its result.
 *
 * A property that the application sets wins over the environment, that over
 * the default. The environment is read when the resolver is made. Properties
 * are set and strategies added before the first use; after that every function
 * may be called from any thread.
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
 * A tokenizer file, a folder that has one, or a repository (`owner/name`,
 * `hf://owner/name`), which is used and no other.
 */

/**
 * BitnetResolver:explicit-fallback:
 *
 * Whether to go on with the other strategies if #BitnetResolver:tokenizer
 * cannot be used.
 */

/**
 * BitnetResolver:tokenizer-repo:
 *
 * Repository on the hub that has the tokenizer, `owner/name`; %NULL for those
 * that the model names or its family has.
 */

/**
 * BitnetResolver:revision:
 *
 * Branch, tag or commit of #BitnetResolver:tokenizer-repo.
 */

/**
 * BitnetResolver:endpoint:
 *
 * Address of the hub; %NULL is the public one. Environment: `HF_ENDPOINT`.
 */

/**
 * BitnetResolver:token:
 *
 * Access token for the hub. Cannot be read back. Environment: `HF_TOKEN`,
 * `HUGGING_FACE_HUB_TOKEN`, the file `HF_TOKEN_PATH`.
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
 * Never use the network. Environment: `BITNET_OFFLINE`, `HF_HUB_OFFLINE`,
 * `TRANSFORMERS_OFFLINE`.
 */

/**
 * BitnetResolver:allow-download:
 *
 * Whether a tokenizer may be fetched. Environment: `BITNET_AUTO_DOWNLOAD`.
 */

/**
 * BitnetResolver:allow-insecure:
 *
 * Whether `http:` is allowed for other hosts than this one.
 */

/**
 * BitnetResolver:cache-dir:
 *
 * Folder of fetched tokenizers; %NULL is `bitnet/tokenizers` in the user's
 * cache. Where nothing can be written there, what is fetched lies in a
 * temporary folder for as long as the resolver lives. Environment:
 * `BITNET_TOKENIZER_CACHE`, or `BITNET_CACHE_DIR` whose folder `tokenizers` it
 * is.
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
 * Whose tokens count where reference programs differ: `llama-cpp`,
 * `huggingface`, or `auto`, which follows the kind of file.
 */

/**
 * BitnetResolver:device:
 *
 * Where the model is going to run: `auto`, `cpu`, or another one. One that
 * cannot run the model's quantization gives a warning, in strict mode an
 * error. Tokens are made on the processor in any case.
 */

/**
 * BitnetResolver::strategy-started:
 * @self: the resolver
 * @name: name of the strategy
 * @priority: its priority
 *
 * A strategy is being tried. This and the other signals are emitted in the
 * thread-default context of the caller of bitnet_resolver_resolve_async(), or
 * in the thread that called bitnet_resolver_resolve() and waits there. They
 * precede the callback of the resolution.
 */

/**
 * BitnetResolver::strategy-finished:
 * @self: the resolver
 * @name: name of the strategy
 * @success: whether it found a tokenizer that fits
 * @error: (nullable): why not
 * @duration_ms: how long it took
 *
 * A strategy was tried.
 */

/**
 * BitnetResolver::progress:
 * @self: the resolver
 * @progress: how far it is
 *
 * What is being fetched or loaded. Names the repository before its first byte
 * comes; at most ten times a second.
 */

/**
 * BitnetResolver::warning:
 * @self: the resolver
 * @code: what kind of doubt: `backup`, `validation`, `stale`,
 *   `pre-tokenizer`, `ambiguous`, `device`
 * @message: a text for people
 *
 * Something is odd but usable.
 */

/**
 * BitnetResolver::resolved:
 * @self: the resolver
 * @resolution: how it was found, as bitnet_resolver_resolve() gives it
 *
 * A tokenizer was found.
 */

/**
 * BitnetResolver::breaker-changed:
 * @self: the resolver
 * @host: a host
 * @state: `closed`, `open` (left alone for a while) or `half-open` (tried)
 *
 * A server failed too often, or works again. Emitted in the thread-default
 * context in which the resolver was made.
 */

/**
 * bitnet_resolver_new:
 *
 * Returns: (transfer full): a resolver with the settings of the environment
 */
BITNET_AVAILABLE_IN_ALL
BitnetResolver *bitnet_resolver_new (void);

/**
 * bitnet_resolver_add_strategy:
 * @self: a resolver
 * @strategy: a strategy of the application
 *
 * Adds a strategy. It takes its place by its priority, or by its name in
 * #BitnetResolver:strategy-order. One with the name of another replaces it.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_resolver_add_strategy (
    BitnetResolver *self, BitnetStrategy *strategy);

/**
 * bitnet_resolver_list_strategies:
 * @self: a resolver
 * @error: return location for an error
 *
 * Returns: (transfer full): the strategies in the order in which they are
 *   tried, an array `a(sib)` of name, priority and whether the network is
 *   needed; or %NULL if #BitnetResolver:strategy-order has an unknown name
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_resolver_list_strategies (
    BitnetResolver *self, GError **error);

/**
 * bitnet_resolver_resolve:
 * @self: a resolver
 * @model: the model that needs a tokenizer
 * @cancellable: (nullable): stops the search
 * @resolution: (out) (optional) (nullable): what was tried and found, also
 *   when it fails; a dictionary `a{sv}`, see below
 * @error: return location for an error
 *
 * Finds the tokenizer of @model. Blocks, and emits signals meanwhile.
 *
 * The dictionary has `model` (s, path), `duration-ms` (d), `discovery-ms` (d,
 * of that: opening the model, if it was not open, and looking at it) and
 * `attempts`
 * (`aa{sv}`: `strategy`, `priority` (i), `success` (b), `duration-ms` (d); of
 * those that failed also `source`, `code`, `message`, `retryable` (b)).
 *
 * If it was found: `strategy` (s), `source` (s, file or repository), `kind`
 * (s: `gguf`, `file`, `hub`, `hub-cache`, `bytes`, `custom`), `vocab-size`
 * (u), `model-rows` (u), `verified` (s: `pieces`, `size`, `no`), `from-cache`
 * (b: remembered, or fetched before), `fallback` (b: a last resort),
 * `warnings` (as), `notes` (as: what the model's keys changed), and of files
 * from a hub `repository`, `revision`, `commit` (s).
 *
 * If not: `code` (s), `cause` (s, the code of the most telling attempt),
 * `message` (s), `suggestions` (as), `text` (s, all of it for people).
 *
 * If all strategies fail the error is %BITNET_ERROR_ALL_FAILED, in strict mode
 * %BITNET_ERROR_STRICT_MODE, and names the most telling cause. If
 * #BitnetResolver:tokenizer cannot be used, it is that one's. An unknown name
 * in #BitnetResolver:strategy-order is %BITNET_ERROR_INVALID_ARGUMENT.
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
 * bitnet_resolver_resolve_reference:
 * @self: a resolver
 * @reference: path of a GGUF file or of a folder, or a repository
 *   (`owner/name`, `hf.co/owner/name`)
 * @cancellable: (nullable): stops the search
 * @resolution: (out) (optional) (nullable): as for bitnet_resolver_resolve()
 * @error: return location for an error
 *
 * As bitnet_resolver_resolve() for a model that is not open. A path that leads
 * to no model is no error by itself: files beside it, its name and, at last,
 * the backup are tried. Of a repository only tokenizer files are fetched.
 *
 * Returns: (transfer full): the tokenizer, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
BitnetTokenizer *bitnet_resolver_resolve_reference (BitnetResolver *self,
    const char *reference, GCancellable *cancellable, GVariant **resolution,
    GError **error);

/**
 * bitnet_resolver_resolve_reference_async:
 * @self: a resolver
 * @reference: as for bitnet_resolver_resolve_reference()
 * @io_priority: priority of the callback
 * @cancellable: (nullable): stops the search
 * @callback: (scope async): called when it is done
 * @user_data: (closure): data of the caller
 *
 * bitnet_resolver_resolve_reference() in a thread of its own.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_resolver_resolve_reference_async (BitnetResolver *self,
    const char *reference, int io_priority, GCancellable *cancellable,
    GAsyncReadyCallback callback, gpointer user_data);

/**
 * bitnet_resolver_resolve_reference_finish:
 * @self: a resolver
 * @result: what the callback got
 * @resolution: (out) (optional) (nullable): as for bitnet_resolver_resolve()
 * @error: return location for an error
 *
 * Returns: (transfer full): the tokenizer, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
BitnetTokenizer *bitnet_resolver_resolve_reference_finish (BitnetResolver *self,
    GAsyncResult *result, GVariant **resolution, GError **error);

/**
 * bitnet_resolver_dup_stats:
 * @self: a resolver
 *
 * What this resolver did so far: a dictionary `a{sv}` with
 *
 * * `resolutions`, `successes`, `failures`, `cancelled`, `fallbacks` (t)
 * * `zero-config-resolutions`, `zero-config-successes` (t): those without a
 *   named tokenizer or repository
 * * `remembered` (t): found in memory or on disk without a strategy
 * * `shared` (t): another one for the same model did the work
 * * `recovered` (t): found after a strategy had failed
 * * `success-rate`, `zero-config-rate`, `recovery-rate` (d; a last resort
 *   counts as failure, cancelled ones do not count)
 * * `duration-ms` (`a{sv}`, see below)
 * * `strategies` (`a{sv}`): for each strategy that was tried, under its name, a
 *   dictionary with `attempts`, `successes` (t), `failures` (`a{st}`: code to
 *   number) and `duration-ms` (`a{sv}`)
 * * `network` (`a{sv}`), if it was used: as bitnet_hub_dup_stats()
 *
 * A duration has `count` (t), `mean`, `min`, `max` (d) and `histogram` (at:
 * how many took up to 1, 3, 10, 30, 100, 300, 1000, 3000, 10000 ms, and
 * longer).
 *
 * Returns: (transfer full): the dictionary
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_resolver_dup_stats (BitnetResolver *self);

/**
 * bitnet_resolver_reset_stats:
 * @self: a resolver
 *
 * Sets all counters to 0.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_resolver_reset_stats (BitnetResolver *self);

/**
 * bitnet_stats_to_openmetrics:
 * @stats: a dictionary `a{sv}` of bitnet_resolver_dup_stats(),
 *   bitnet_hub_dup_stats() or bitnet_cache_dup_stats(), or a list `aa{sv}` of
 *   different ones
 *
 * Writes statistics as text for monitoring programs, in the OpenMetrics format
 * 1.0: `bitnet_resolutions_total 3`, ..., `# EOF`.
 *
 * Returns: (transfer full): the text
 */
BITNET_AVAILABLE_IN_ALL
char *bitnet_stats_to_openmetrics (GVariant *stats);

G_END_DECLS
