/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What bn-scheduler.c (the thread) and bn-request.c (its clients) share.
 *
 * One mutex, the scheduler's, protects every field below that does not say
 * otherwise. It is held for microseconds: never while computing, drawing,
 * matching texts, freeing a request or calling a client's function. */
#pragma once

#include "bn-draft.h"
#include "bn-scheduler.h"

/* Tokens that wait for a client before its sequence is parked; it goes on
 * when half of them are taken. */
#define QUEUE_LIMIT 64

/* Rows of logits in one step, beside one for each sequence: for requests that
 * want them all, or else for guesses. */
#define N_LOGITS_ROWS 32

struct BnRequest {
  gatomicrefcount ref_count;

  /* Set at submit. */
  BnScheduler *scheduler; /* owned */
  uint64_t ticket;        /* order of arrival */
  uint32_t n_prompt;
  uint32_t max_tokens;
  gboolean wants_logits; /* of the whole prompt, and no answer */
  gboolean wants_scores; /* reduced to one number each */
  BnVocabulary vocabulary;

  /* Of the scheduler's thread, or the one that draws in its place. */
  GArray *tokens; /* of uint32_t: the prompt and what was drawn */
  BnKvSeq *seq;   /* NULL while it waits */
  BnSampler *sampler;
  BnStopper *stopper;
  BnDraft *draft;        /* NULL: nothing is guessed */
  GArray *fresh;         /* of uint32_t: tokens of this step to deliver */
  float *logits;         /* n_prompt rows, or with wants_scores numbers, if
                            wants_logits */
  gboolean is_due;       /* takes part in the step that is planned */
  gboolean is_untouched; /* seq holds only what came from the cache */
  gboolean was_admitted; /* n_cached_tokens is known */

  /* Under the mutex. */
  GCond cond;    /* tokens, or the end */
  GArray *queue; /* of uint32_t */
  gboolean is_parked;
  BnRequestStatus status;
  GError *error; /* when status.reason is ERROR */
  BnRequestFunc func;
  void *func_data;
};

/* One request in the step that is planned or computed. */
typedef struct {
  BnRequest *request; /* owned */
  uint32_t n_tokens;
  gboolean wants_token;
  uint32_t n_draft;    /* of the tokens: guesses behind the first one */
  uint32_t n_accepted; /* of these */
  uint32_t n_drawn;    /* tokens that the step gave */
  BnLogitNeed need;    /* with wants_token */
  gboolean is_computed;
  BnFinishReason reason; /* what the step made of it */
  GError *error;
} BnStepItem;

/* A client's function that waits to be called without the mutex. */
typedef struct {
  BnRequestFunc func;
  void *data;
  BnRequest *request; /* owned */
} BnCall;

typedef enum {
  BN_STATE_LOADING,
  BN_STATE_READY,
  BN_STATE_FAILED, /* load_error says why */
} BnState;

struct BnScheduler {
  gatomicrefcount ref_count;

  /* Set at creation. */
  BnGguf *gguf;
  BnSchedulerOptions options;
  GCancellable *load_cancellable;

  /* Of the scheduler's thread alone, but for a thread's scratch. */
  BnBackend *backend;
  BnTransformer *transformer;
  BnSamplerScratch **scratch; /* one for each thread of the backend */
  BnRun *runs;                /* n_sequences */
  BnStepItem *items; /* n_sequences; who is in it changes under the mutex */
  uint64_t prompt_token_ns; /* in the last step that had prompt tokens */
  BnDraftCosts draft_costs;
  uint32_t draft_run[1 + BN_DRAFT_MAX]; /* tokens of the run that guesses */

  int abort; /* atomic; not 0: the forward pass is to end */

  GMutex mutex;
  GCond wake;        /* has_news */
  gboolean has_news; /* clients did something */
  gboolean is_stopping;
  gboolean is_counted; /* in the number of stopping threads */
  gboolean has_ended;

  GCond load_cond;
  BnState state;
  GError *load_error;
  guint64 load_done, load_total;
  guint n_load_waiters;
  BnSchedulerInfo info; /* fixed when state is READY */

  uint64_t next_ticket;
  GPtrArray *waiting; /* of BnRequest, owned, by ticket */
  GPtrArray *running; /* of BnRequest, owned, by ticket; no parked ones that
                         lost their place */
  gboolean is_short;  /* a sequence gave up its pages: admit nobody until
                         one ends */
  uint32_t n_items;   /* in the step being computed, else 0 */
  GArray *calls;      /* of BnCall */
  BnSchedulerStats stats;
};

/* With the mutex held; the first three are the thread's. */

/* What has ended leaves running; its references go to gone. */
void bn_scheduler_retire (BnScheduler *self, GPtrArray *gone);
/* Waiting requests take free places. */
void bn_scheduler_admit (BnScheduler *self);
/* Fills items and runs; they may stay empty. */
void bn_scheduler_plan (BnScheduler *self);

/* The scheduler's thread is to look again. */
void bn_scheduler_wake (BnScheduler *self);
/* Notes a client's function that is due. */
void bn_scheduler_add_call (BnScheduler *self, BnRequest *request);
/* Enters a request by its ticket; takes the reference. */
void bn_scheduler_insert (GPtrArray *list, BnRequest *request);
/* A request was finished by its client: gives up its place in the queue and
 * the step, if nobody else is in it. Returns the queue's reference. */
BnRequest *bn_scheduler_abandon (BnScheduler *self, BnRequest *request);

/* Sets the reason and wakes the takers. Takes error. */
void bn_request_finish (BnRequest *self, BnFinishReason reason, GError *error);
/* Delivers fresh. */
void bn_request_publish (BnRequest *self);
/* Hands over the function that waits for this request, if there is one. */
gboolean bn_request_steal_call (BnRequest *self, BnCall *call);
gboolean bn_request_is_ready (const BnRequest *self);

/* Without the mutex. */
void bn_call_run (BnCall *call);
