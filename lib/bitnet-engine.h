/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetEngine: runs one model on one device for any number of clients. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"
#include "bitnet-model.h"
#include "bitnet-params.h"
#include "bitnet-sequence.h"
#include "bitnet-tokenizer.h"

G_BEGIN_DECLS

/**
 * BitnetRepack:
 * @BITNET_REPACK_AUTO: where it makes the products faster
 * @BITNET_REPACK_NEVER: use the mapped file wherever kernels can
 * @BITNET_REPACK_ALWAYS: every matrix that has a packed form
 *
 * Whether weights are rearranged for the processor when they are loaded, which
 * costs memory beside the mapped file.
 */
typedef enum {
  BITNET_REPACK_AUTO,
  BITNET_REPACK_NEVER,
  BITNET_REPACK_ALWAYS,
} BitnetRepack;

/**
 * BitnetI2sLayout:
 * @BITNET_I2S_LAYOUT_A: blocks of 128, the published files
 * @BITNET_I2S_LAYOUT_B: blocks of 64
 * @BITNET_I2S_LAYOUT_C: four rows in a byte
 *
 * The order of elements in tensors of type I2_S, which files do not say.
 */
typedef enum {
  BITNET_I2S_LAYOUT_A,
  BITNET_I2S_LAYOUT_B,
  BITNET_I2S_LAYOUT_C,
} BitnetI2sLayout;

/**
 * BitnetCacheType:
 * @BITNET_CACHE_TYPE_F16: 16 bits
 * @BITNET_CACHE_TYPE_Q8_0: 8.5 bits, in blocks of 32
 *
 * How keys and values of past tokens are held. Fewer bits take less memory and,
 * behind a long context, less time, and are less exact. @BITNET_CACHE_TYPE_Q8_0
 * is for heads of a multiple of 32 numbers; loading others with it fails.
 */
typedef enum {
  BITNET_CACHE_TYPE_F16,
  BITNET_CACHE_TYPE_Q8_0,
} BitnetCacheType;

/**
 * BitnetHead:
 * @BITNET_HEAD_AUTO: @BITNET_HEAD_SCREENED for large matrices of floats, unless
 *   @BITNET_REPACK_NEVER is asked for; else @BITNET_HEAD_FILE
 * @BITNET_HEAD_FILE: as the file has it
 * @BITNET_HEAD_Q8_0: 8.5 bits a weight
 * @BITNET_HEAD_Q6_K: 6.6 bits a weight
 * @BITNET_HEAD_SCREENED: as the file has it, found through a copy of 6.6 bits
 *   a weight, or 8.5 where rows are no multiple of 256: tokens are those of
 * @BITNET_HEAD_FILE, however they are drawn
 *
 * How the output matrix is held, which is read whole for every token that is
 * drawn and is large in models with many tokens. A file's floats (F32, F16,
 * BF16) are quantized when it is loaded; any other matrix, and one whose rows
 * do not fit the blocks, stays what it is; so does, where it would be screened,
 * one with a bias or a scale.
 */
typedef enum {
  BITNET_HEAD_AUTO,
  BITNET_HEAD_FILE,
  BITNET_HEAD_Q8_0,
  BITNET_HEAD_Q6_K,
  BITNET_HEAD_SCREENED,
} BitnetHead;

#define BITNET_TYPE_REPACK (bitnet_repack_get_type ())
#define BITNET_TYPE_I2S_LAYOUT (bitnet_i2s_layout_get_type ())
#define BITNET_TYPE_CACHE_TYPE (bitnet_cache_type_get_type ())
#define BITNET_TYPE_HEAD (bitnet_head_get_type ())

BITNET_AVAILABLE_IN_ALL
GType bitnet_repack_get_type (void);
BITNET_AVAILABLE_IN_ALL
GType bitnet_i2s_layout_get_type (void);
BITNET_AVAILABLE_IN_ALL
GType bitnet_cache_type_get_type (void);
BITNET_AVAILABLE_IN_ALL
GType bitnet_head_get_type (void);

/**
 * BitnetEngineOptions:
 * @device: (nullable): `auto` (also %NULL), `cpu`, `cuda`, `cuda:1`
 * @n_threads: compute threads; 0 = one per physical core
 * @context_size: cells of one sequence; 0 = the model's context length, but
 *   not more than 1,048,576
 * @batch_size: most tokens in one forward pass; 0 = 512
 * @n_sequences: most sequences that run at a time, the others wait; 0 = 8
 * @repack: whether weights are rearranged for the processor
 * @i2s_layout: element order of I2_S tensors
 * @cache_type: how keys and values are held
 * @head: how the output matrix is held
 * @drafts: most tokens that are guessed ahead, up to 16; 0 = 8, -1 = none
 * @profile: whether to time the parts of each pass, for
 *   bitnet_engine_dup_stats(); costs up to a percent of small models
 *
 * How an engine is set up. Limits: 1,024 threads, a context of 16,777,216
 * cells, batches of 65,536 tokens, 256 sequences, and not more sequences than
 * tokens in a batch.
 *
 * A sequence that runs alone guesses from its own text what comes next: where
 * its last tokens occurred before, what followed them then. The guesses are
 * computed in one pass with the token that is due, and those are kept that
 * would have been drawn anyway. So answers that repeat their prompt or
 * themselves come faster, and no answer is another one: not with sampling
 * either. Where guesses do not come true they cease.
 */
struct _BitnetEngineOptions {
  char *device;
  guint n_threads;
  guint context_size;
  guint batch_size;
  guint n_sequences;
  BitnetRepack repack;
  BitnetI2sLayout i2s_layout;
  BitnetCacheType cache_type;
  BitnetHead head;
  int drafts;
  gboolean profile;
};

#define BITNET_TYPE_ENGINE_OPTIONS (bitnet_engine_options_get_type ())

BITNET_AVAILABLE_IN_ALL
GType bitnet_engine_options_get_type (void);

/**
 * bitnet_engine_options_new:
 *
 * Options with their defaults: device `auto`, everything else 0.
 *
 * Returns: (transfer full): new options
 */
BITNET_AVAILABLE_IN_ALL
BitnetEngineOptions *bitnet_engine_options_new (void);

/**
 * bitnet_engine_options_copy:
 * @self: options
 *
 * Returns: (transfer full): a copy
 */
BITNET_AVAILABLE_IN_ALL
BitnetEngineOptions *bitnet_engine_options_copy (
    const BitnetEngineOptions *self);

/**
 * bitnet_engine_options_free:
 * @self: (nullable): options
 *
 * Frees the options and the device string, which must be from g_malloc().
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_engine_options_free (BitnetEngineOptions *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BitnetEngineOptions, bitnet_engine_options_free)

/**
 * BitnetEngine:
 *
 * Runs one model on one device for any number of clients.
 *
 * Got from bitnet_model_get_engine(), which returns the same engine for the
 * same model and device while it lives. One scheduler thread runs all its
 * sequences together (continuous batching) over a pool of compute threads:
 * every forward pass takes a token of each sequence that is generating and a
 * slice of the prompts that are pending. What a sequence gets does not depend
 * on the others, on the batch size or on the number of threads.
 *
 * All functions may be called from any thread. Dropping the last reference
 * does not wait: a pass that is running is given up, and the scheduler thread
 * frees the weights when it has stopped. Loading another engine waits for
 * that, so that changing options never needs the memory twice.
 *
 * |[<!-- language="C" -->
 * g_autoptr (BitnetEngine) engine
 *     = bitnet_model_get_engine (model, NULL, &error);
 * g_autoptr (BitnetSequence) sequence = NULL;
 * guint32 token;
 *
 * if (engine == NULL || !bitnet_engine_load (engine, NULL, NULL, NULL, &error))
 *   g_error ("%s", error->message);
 * sequence = bitnet_engine_submit (engine, tokenizer, prompt, n_prompt, NULL,
 *     &error);
 * while (sequence
 *        && bitnet_sequence_take (sequence, &token, 1, NULL, &error) > 0)
 *   show (token);
 * ]|
 */
#define BITNET_TYPE_ENGINE (bitnet_engine_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetEngine, bitnet_engine, BITNET, ENGINE, GObject)

/**
 * bitnet_engine_load:
 * @self: an engine
 * @progress: (nullable) (scope call): told how far it is
 * @progress_data: (closure progress): data for @progress
 * @cancellable: (nullable): gives up waiting at once
 * @error: return location for an error
 *
 * Loads the weights and waits for it. Does nothing if they are loaded; callers
 * that come while somebody else loads wait for the same load, each with its
 * own @progress, which is called in the calling thread. Cancelling gives up
 * the load itself only when nobody else waits for it.
 *
 * Errors: %G_IO_ERROR_CANCELLED, %BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
 * %BITNET_ERROR_UNSUPPORTED_QUANTIZATION, %BITNET_ERROR_CORRUPT,
 * %BITNET_ERROR_OUT_OF_MEMORY, naming the file, what was found and what was
 * expected. After an error it may be called again.
 *
 * Returns: %TRUE when the engine is ready
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_engine_load (BitnetEngine *self, BitnetProgressFunc progress,
    gpointer progress_data, GCancellable *cancellable, GError **error);

/**
 * bitnet_engine_load_async:
 * @self: an engine
 * @io_priority: priority of the request, such as %G_PRIORITY_DEFAULT
 * @cancellable: (nullable): gives up waiting at once
 * @callback: (scope async): called when the engine is ready or cannot be
 * @user_data: (closure): data for @callback
 *
 * Like bitnet_engine_load() without waiting; see
 * bitnet_engine_load_finish().
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_engine_load_async (BitnetEngine *self, int io_priority,
    GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data);

/**
 * bitnet_engine_load_finish:
 * @self: an engine
 * @result: what the callback got
 * @error: return location for an error
 *
 * Returns: %TRUE when the engine is ready; errors as for bitnet_engine_load()
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_engine_load_finish (
    BitnetEngine *self, GAsyncResult *result, GError **error);

/**
 * bitnet_engine_get_model:
 * @self: an engine
 *
 * Returns: (transfer none): the model it runs
 */
BITNET_AVAILABLE_IN_ALL
BitnetModel *bitnet_engine_get_model (BitnetEngine *self);

/**
 * bitnet_engine_get_device:
 * @self: an engine
 *
 * Returns: (transfer none): the device it runs on: `cpu`
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_engine_get_device (BitnetEngine *self);

/**
 * bitnet_engine_get_n_threads:
 * @self: an engine
 *
 * Returns: the number of compute threads; before loading, the number that it
 *   will ask the system for
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_engine_get_n_threads (BitnetEngine *self);

/**
 * bitnet_engine_get_context_size:
 * @self: an engine
 *
 * Returns: the most tokens of a sequence, prompt and answer together
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_engine_get_context_size (BitnetEngine *self);

/**
 * bitnet_engine_matches:
 * @self: an engine
 * @options: (nullable): options; %NULL for the defaults
 *
 * Tells whether an engine of its own would have been set up like this one.
 * Zeros count as the values they stand for.
 *
 * Returns: %FALSE if some option differs
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_engine_matches (
    BitnetEngine *self, const BitnetEngineOptions *options);

/**
 * bitnet_engine_submit:
 * @self: an engine that is loaded
 * @tokenizer: (nullable): says which tokens end the answer and what the text
 *   of a token is; without it nothing but @params ends the answer
 * @tokens: (array length=n_tokens): the prompt
 * @n_tokens: number of tokens
 * @params: (nullable): how to sample and when to end; %NULL for the defaults
 * @error: return location for an error
 *
 * Starts a response. It goes on by itself as far as the sequence's queue
 * allows; take the tokens with bitnet_sequence_take(). Beginnings of prompts
 * that this engine has computed lately are not computed again.
 *
 * The response ends with reason
 *
 * - `stop` at a token that ends a generation; it is delivered as the last one;
 * - `stop-string` when one of the stop texts appears in the text of the
 *   tokens. Tokens that might belong to one are held back. What overlaps the
 *   stop text is not delivered; where it begins inside a token, other tokens
 *   that spell the rest of that token take its place, so the text of the
 *   response ends exactly in front of the stop text;
 * - `length` after the most tokens of @params, or when prompt and answer fill
 *   the context;
 * - `cancelled` by bitnet_sequence_cancel(), `error` when it failed.
 *
 * Errors: %BITNET_ERROR_CONTEXT_FULL with both numbers if the prompt leaves
 * no room in the context; %BITNET_ERROR_INVALID_ARGUMENT for an empty prompt,
 * a token outside the vocabulary, parameters out of range, stop texts without
 * @tokenizer, or an engine that is not loaded.
 *
 * Returns: (transfer full): the running sequence, or %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
BitnetSequence *bitnet_engine_submit (BitnetEngine *self,
    BitnetTokenizer *tokenizer, const guint32 *tokens, gsize n_tokens,
    const BitnetParams *params, GError **error);

/**
 * bitnet_engine_compute_logits:
 * @self: an engine that is loaded
 * @tokens: (array length=n_tokens): tokens, at most as many as the context has
 * @n_tokens: number of tokens
 * @cancellable: (nullable): gives up at once
 * @error: return location for an error
 *
 * Computes what the model predicts after each of @tokens, and waits for it.
 *
 * Errors: those of bitnet_engine_submit(); %BITNET_ERROR_NUMERIC;
 * %BITNET_ERROR_OUT_OF_MEMORY; %G_IO_ERROR_CANCELLED.
 *
 * Returns: (transfer full): @n_tokens rows of bitnet_model_get_vocab_size()
 *   floats in the byte order of the machine, or %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
GBytes *bitnet_engine_compute_logits (BitnetEngine *self, const guint32 *tokens,
    gsize n_tokens, GCancellable *cancellable, GError **error);

/**
 * bitnet_engine_compute_scores:
 * @self: an engine that is loaded
 * @tokens: (array length=n_tokens): tokens, at most as many as the context has
 * @n_tokens: number of tokens
 * @cancellable: (nullable): gives up at once
 * @error: return location for an error
 *
 * Computes how likely each of @tokens but the first is to follow those in
 * front of it, and waits for it. The mean of the scores of a text, negated, is
 * its cross entropy in nats a token; e to the power of that its perplexity.
 *
 * Errors: those of bitnet_engine_compute_logits().
 *
 * Returns: (transfer full): @n_tokens - 1 floats in the byte order of the
 *   machine, natural logarithms of probabilities, or %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
GBytes *bitnet_engine_compute_scores (BitnetEngine *self, const guint32 *tokens,
    gsize n_tokens, GCancellable *cancellable, GError **error);

/**
 * bitnet_engine_dup_stats:
 * @self: an engine
 *
 * Statistics since the engine was loaded, as a dictionary `a{sv}`:
 *
 * - `device` (s), `cpu-level` (s): such as `cpu` and `avx2`
 * - `threads`, `context-size`, `batch-size`, `sequences` (u): as set up
 * - `load-ms` (d): how long loading took
 * - `weights-size` (t): bytes of memory for weights and scratch beside the
 *   mapped file
 * - `head` (s): how the output matrix is held: `file`, `q8_0`, `q6_k` or
 *   `screened`
 * - `bytes-per-token` (t): of weights, packed or in the file, that a pass for
 *   one token reads
 * - `products-per-token` (t): of bytes, that the layers' matrices multiply for
 *   one token; matrices of floats are not in it
 * - `prompt-tokens` (t): computed; `cached-tokens` (t): reused instead
 * - `generated-tokens` (t)
 * - `drafted-tokens` (t): guessed ahead; `accepted-tokens` (t): of those, came
 *   true
 * - `screened-logits` (t): that went through the copy of a screened output
 *   matrix; `computed-logits` (t): of those, computed from the file
 * - `steps` (t): forward passes; `mean-batch` (d): tokens in one
 * - `prefill-ns` (t): time in passes with prompt tokens; `decode-ns` (t): in
 *   the others
 * - `prefill-tokens-per-second` (d): prompt tokens in the former
 * - `tokens-per-second` (d): generated tokens in the latter, of all sequences
 *   together
 * - `running`, `waiting` (u): sequences, parked ones included
 * - `kv-pages`, `kv-pages-used` (u): pages of the cache, and those that
 *   sequences hold; `kv-page-size` (u): tokens in one
 *
 * - `parts` (a{st}), with @profile of the options: nanoseconds of all passes
 *   in `embed`, `norm`, `qkv`, `store` (rope, keys and values to the cache),
 *   `attention`, `output`, `gate-up`, `activation`, `down`, `head`
 *
 * Before loading only the first two lines are there.
 *
 * Returns: (transfer full): a new #GVariant of type `a{sv}`
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_engine_dup_stats (BitnetEngine *self);

G_END_DECLS
