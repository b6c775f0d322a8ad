/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Continuous batching: one thread that owns a transformer and runs every
 * request of an engine together.
 *
 * The client side, from any thread:
 *
 *     scheduler = bn_scheduler_new (gguf, &options, &error);
 *     bn_scheduler_wait_ready (scheduler, NULL, NULL, cancellable, &error);
 *     request = bn_scheduler_submit (scheduler, &request_options, &error);
 *     while ((n = bn_request_take (request, tokens, 16, NULL, &error)) > 0)
 *       use (tokens, n);
 *     bn_request_unref (request);
 *     bn_scheduler_stop (scheduler);
 *     bn_scheduler_unref (scheduler);
 *
 * No function but wait_ready, take and the two compute functions blocks, and
 * those give way to their cancellable at once. */
#pragma once

#include <gio/gio.h>
#include "bn-sampler.h"
#include "bn-stopper.h"
#include "bn-transformer.h"

typedef struct BnScheduler BnScheduler;
typedef struct BnRequest BnRequest;

typedef struct {
  uint32_t n_threads;    /* compute threads; 0: one per physical core */
  uint32_t context_size; /* 0: as BnTransformerOptions */
  uint32_t batch_size;   /* at least 1 */
  uint32_t n_sequences;  /* that run at a time; at least 1 */
  uint32_t n_drafts;     /* most tokens guessed ahead; 0: none */
  uint64_t cache_size;   /* bytes the cache may grow to, but always one
                            context; 0: a quarter of the machine's memory */
  BnKvType kv_type;
  BnRepack repack;
  BnI2sLayout i2s_layout;
  BnHead head;
  gboolean has_profile; /* times the parts of each pass */
} BnSchedulerOptions;

/* What is fixed once the scheduler is ready. */
typedef struct {
  uint32_t n_threads;
  uint32_t context_size;
  uint32_t batch_size;
  uint32_t n_sequences;
  uint32_t n_vocab;
  BnHead head;             /* no AUTO */
  uint64_t weights_size;   /* bytes beside the mapped file */
  uint64_t token_size;     /* bytes of weights that a pass for a token reads */
  uint64_t token_products; /* of bytes: of the layers' matrices with a token */
  uint64_t load_ns;
} BnSchedulerInfo;

/* Sums since the scheduler became ready. A step is one forward pass. */
typedef struct {
  uint64_t n_prompt_tokens; /* computed, cached ones not counted */
  uint64_t n_cached_tokens; /* found in the cache instead */
  uint64_t n_generated_tokens;
  uint64_t n_steps;
  uint64_t n_step_tokens;     /* in all steps together */
  uint64_t prefill_ns;        /* of steps that held prompt tokens */
  uint64_t decode_ns;         /* of the other steps */
  uint64_t n_decode_tokens;   /* generated in those */
  uint64_t n_drafted_tokens;  /* guessed ahead */
  uint64_t n_accepted_tokens; /* of those: came true */
  uint64_t n_screened_logits; /* that went through a copy of the head */
  uint64_t n_computed_logits; /* of those: computed from the file */
  uint32_t n_running;
  uint32_t n_waiting;
  uint32_t n_pages;
  uint32_t n_pages_used;
  uint64_t part_ns[BN_N_PARTS]; /* of passes; zeros without has_profile */
} BnSchedulerStats;

/* Starts the thread, which loads the model. Errors: OUT_OF_MEMORY if there is
 * no thread to be had; what goes wrong in loading is wait_ready()'s. */
BnScheduler *bn_scheduler_new (
    BnGguf *gguf, const BnSchedulerOptions *options, GError **error);
BnScheduler *bn_scheduler_ref (BnScheduler *self);
void bn_scheduler_unref (BnScheduler *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnScheduler, bn_scheduler_unref)

/* Waits until the model is loaded. Any number of threads may wait; progress
 * is called in the waiting thread. When the last of them is cancelled the
 * load is given up and the scheduler is of no more use. */
gboolean bn_scheduler_wait_ready (BnScheduler *self, BnProgressFunc progress,
    gpointer progress_data, GCancellable *cancellable, GError **error);
gboolean bn_scheduler_is_ready (BnScheduler *self);
/* FALSE after it failed to load, was given up or stopped. */
gboolean bn_scheduler_is_usable (BnScheduler *self);

/* Cancels what is running and ends the thread, which then frees model and
 * cache. Does not wait for any of it. Every scheduler must be stopped. */
void bn_scheduler_stop (BnScheduler *self);

/* Valid when ready. */
const BnSchedulerInfo *bn_scheduler_get_info (BnScheduler *self);
void bn_scheduler_get_stats (BnScheduler *self, BnSchedulerStats *stats);

/* ---- requests ---- */

/* Same values as BitnetFinishReason. */
typedef enum {
  BN_FINISH_NONE,
  BN_FINISH_STOP,
  BN_FINISH_LENGTH,
  BN_FINISH_STOP_STRING,
  BN_FINISH_CANCELLED,
  BN_FINISH_ERROR,
} BnFinishReason;

/* What a request must know of its vocabulary. Called by the scheduler's
 * thread, or by one of its backend in its place, with no lock held. */
typedef struct {
  void *data;
  GDestroyNotify destroy; /* of data, from any thread */
  gboolean (*is_end) (void *data, uint32_t token);
  /* The bytes of a token's text. */
  GBytes *(*get_text) (void *data, uint32_t token);
  /* Tokens whose texts together are text; NULL if there are none. */
  uint32_t *(*spell) (
      void *data, const char *text, size_t size, size_t *n_tokens);
} BnVocabulary;

typedef struct {
  const uint32_t *tokens; /* copied; 1 up to the context */
  size_t n_tokens;
  uint32_t max_tokens;     /* 0: until the context is full */
  BnSampler *sampler;      /* taken, also on failure */
  BnStopper *stopper;      /* taken, also on failure; NULL: no stop texts */
  BnVocabulary vocabulary; /* taken, also on failure; is_end NULL: no end */
} BnRequestOptions;

typedef struct {
  BnFinishReason reason;
  uint32_t n_prompt_tokens;
  uint32_t n_cached_tokens;
  uint32_t n_generated_tokens; /* drawn, whether delivered or not */
  uint64_t prefill_ns;         /* of the steps up to the first token */
  uint64_t decode_ns;          /* of those behind it */
} BnRequestStatus;

/* Puts a request in the queue. Errors: INVALID_ARGUMENT for no tokens or one
 * that is not in the vocabulary, CONTEXT_FULL where the prompt leaves no room
 * for an answer, CANCELLED when the scheduler was stopped. */
BnRequest *bn_scheduler_submit (
    BnScheduler *self, BnRequestOptions *options, GError **error);
BnRequest *bn_request_ref (BnRequest *self);
/* Does not cancel it. */
void bn_request_unref (BnRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnRequest, bn_request_unref)

/* Waits for tokens. Returns how many it stored, 0 at the end, -1 with error
 * when the request failed or cancellable was cancelled (which does not cancel
 * the request). A token that ends the answer is the last one delivered when
 * the reason is STOP. */
gssize bn_request_take (BnRequest *self, uint32_t *tokens, size_t max_tokens,
    GCancellable *cancellable, GError **error);

/* Calls func once, as soon as a take would not wait: at once, or later from
 * the scheduler's thread; with no lock held. One at a time: FALSE if another
 * waits already. */
typedef void (*BnRequestFunc) (BnRequest *request, void *data);
gboolean bn_request_call_when_ready (
    BnRequest *self, BnRequestFunc func, void *data);
/* TRUE: func will not be called. FALSE: it was or is being called. */
gboolean bn_request_withdraw_call (BnRequest *self, void *data);

/* Ends it: takers wake with 0, queued tokens are gone. */
void bn_request_cancel (BnRequest *self);

void bn_request_get_status (BnRequest *self, BnRequestStatus *status);

/* Logits after each token: n_tokens rows of n_vocab floats. Computed between
 * the steps of the others, in pieces, without the cache. */
GBytes *bn_scheduler_compute_logits (BnScheduler *self, const uint32_t *tokens,
    size_t n_tokens, GCancellable *cancellable, GError **error);

/* The natural logarithm of the probability of each token but the first, after
 * those in front of it: n_tokens - 1 floats. */
GBytes *bn_scheduler_compute_scores (BnScheduler *self, const uint32_t *tokens,
    size_t n_tokens, GCancellable *cancellable, GError **error);
