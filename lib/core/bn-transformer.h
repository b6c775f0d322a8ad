/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model ready to compute: weights, cache and the forward pass
 * (model-graphs.md 5 to 9).
 *
 *     options.n_sequences = 4;
 *     t = bn_transformer_new (gguf, backend, &options, ...);
 *     seq = bn_kv_seq_new (bn_transformer_get_kv_cache (t), context_size);
 *     n = bn_kv_seq_match (seq, prompt, n_prompt);         // prefix reuse
 *     run = {.seq = seq, .tokens = prompt + n, .n_tokens = n_prompt - n,
 *         .logits = BN_LOGITS_LAST};
 *     bn_kv_seq_reserve (seq, run.n_tokens, &error);
 *     bn_transformer_forward (t, &run, 1, &abort, &error);
 *     next = sample (run.result);
 *
 * What is computed for a token depends on the tokens before it in its
 * sequence and on nothing else: not on the other runs of the batch, not on
 * how a prompt was cut into batches, not on the number of threads, not on
 * whether a prefix came from the cache. All of these give the same bits.
 *
 * Not thread-safe: forward and cache belong to one thread at a time. */
#pragma once

#include "bn-backend.h"
#include "bn-head.h"
#include "bn-hparams.h"
#include "bn-kvcache.h"
#include "bn-kernels.h"
#include "bn-profile.h"

typedef struct BnTransformer BnTransformer;

/* Cells of a sequence, unless more are asked for: some models claim millions,
 * and the cache keeps a few bytes for each. */
enum { BN_MAX_DEFAULT_CONTEXT = 1 << 20 };

typedef struct {
  uint32_t context_size; /* most cells of a sequence; 0: the model's context,
                            up to BN_MAX_DEFAULT_CONTEXT. gpt2 never gets more
                            than the model's */
  uint32_t batch_size;   /* most tokens in one forward; 0: 512 */
  uint32_t n_logits;     /* most rows of logits in one; 0: batch_size */
  uint32_t n_cells;      /* cells of the cache; 0: one context_size */
  BnKvType kv_type;      /* how the cache keeps keys and values */
  BnRepack repack;
  BnI2sLayout i2s_layout;
  BnHead head;
  gboolean has_profile; /* times the parts of each pass */
} BnTransformerOptions;

/* Same as BitnetProgressFunc. */
typedef void (*BnProgressFunc) (
    guint64 done, guint64 total, gpointer user_data);

/* Reads the hyper-parameters, binds and checks every tensor, packs the
 * weights on the backend's threads, reserves cache and scratch. Keeps a
 * reference on gguf; backend must outlive the transformer. progress (bytes
 * of tensor data) is called from this thread. Cancelled within some 50 ms
 * (G_IO_ERROR_CANCELLED); other errors are BITNET_ERROR and name tensor,
 * found, expected and file offset. */
BnTransformer *bn_transformer_new (BnGguf *gguf, BnBackend *backend,
    const BnTransformerOptions *options, BnProgressFunc progress,
    gpointer progress_data, GCancellable *cancellable, GError **error);
void bn_transformer_free (BnTransformer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnTransformer, bn_transformer_free)

const BnHparams *bn_transformer_get_hparams (const BnTransformer *self);
BnKvCache *bn_transformer_get_kv_cache (BnTransformer *self);
uint32_t bn_transformer_get_context_size (const BnTransformer *self);
uint32_t bn_transformer_get_batch_size (const BnTransformer *self);
/* The output matrix as it is held; no AUTO. */
BnHead bn_transformer_get_head (const BnTransformer *self);
/* Logits since creation that went through the copy of a screened head, and of
 * those the ones that were computed from the file. */
void bn_transformer_get_screened (
    const BnTransformer *self, uint64_t *n_screened, uint64_t *n_computed);
/* Since creation; zeros without has_profile. */
const BnProfile *bn_transformer_get_profile (const BnTransformer *self);
/* Bytes of packed weights and of scratch; the cache is not in it. */
uint64_t bn_transformer_get_memory_size (const BnTransformer *self);
/* Bytes of weights that a pass for one token reads. */
uint64_t bn_transformer_get_token_size (const BnTransformer *self);
/* Products of bytes of the layers' matrices with one token. */
uint64_t bn_transformer_get_token_products (const BnTransformer *self);

typedef enum {
  BN_LOGITS_NONE, /* in the middle of a prompt */
  BN_LOGITS_LAST, /* after the last token */
  BN_LOGITS_ALL,  /* after each token */
} BnLogits;

/* The next tokens of one sequence. */
typedef struct {
  BnKvSeq *seq; /* at most once in a batch; room reserved */
  const uint32_t *tokens;
  uint32_t n_tokens; /* at least 1 */
  BnLogits logits;
  const BnLogitNeed *need; /* of each row of them; NULL: everything. What is
                              not needed may be -INFINITY */
  /* Set by forward: rows of n_vocab floats, valid until the next forward (the
   * caller may write to them); NULL for BN_LOGITS_NONE. */
  float *result;
} BnRun;

/* One pass over all runs. On success the tokens are in their sequences. On
 * failure no sequence has changed (the room stays reserved) and the same
 * call may be made again: G_IO_ERROR_CANCELLED soon after *abort (may be
 * NULL; read atomically; must stay set until this returns) became non-zero,
 * NUMERIC if a logit is NaN or infinite, INVALID_ARGUMENT for a token that is
 * not in the vocabulary. */
gboolean bn_transformer_forward (BnTransformer *self, BnRun *runs,
    uint32_t n_runs, const int *abort, GError **error);
