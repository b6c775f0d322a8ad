/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client side of a request: submit, take, cancel. Everything here may be
 * called from any thread; see bn-scheduler-private.h for what the mutex
 * protects. */
#include "bn-scheduler-private.h"

#include <string.h>

#include "bitnet-error.h"

/* ---- making and freeing ---- */

static gboolean
check_prompt (const BnSchedulerInfo *info, const BnRequestOptions *options,
    gboolean wants_logits, GError **error)
{
  /* An answer needs room for one token at least. */
  uint32_t limit = info->context_size - (wants_logits ? 0 : 1);

  if (options->n_tokens == 0) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "the prompt has no tokens, expected at least one");
    return FALSE;
  }
  if (options->n_tokens > limit) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_CONTEXT_FULL,
        "the prompt has %" G_GSIZE_FORMAT " tokens, the context of %u holds "
        "at most %u",
        options->n_tokens, info->context_size, limit);
    return FALSE;
  }
  for (size_t i = 0; i < options->n_tokens; i++) {
    if (options->tokens[i] >= info->n_vocab) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
          "token %" G_GSIZE_FORMAT " of the prompt is %u, the vocabulary "
          "has %u tokens",
          i, options->tokens[i], info->n_vocab);
      return FALSE;
    }
  }
  return TRUE;
}

static void
clear_options (BnRequestOptions *options)
{
  g_clear_pointer (&options->sampler, bn_sampler_free);
  g_clear_pointer (&options->stopper, bn_stopper_free);
  if (options->vocabulary.destroy != NULL)
    options->vocabulary.destroy (options->vocabulary.data);
  options->vocabulary = (BnVocabulary){0};
}

static BnRequest *
request_new (BnScheduler *scheduler, BnRequestOptions *options)
{
  BnRequest *self = g_new0 (BnRequest, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->scheduler = bn_scheduler_ref (scheduler);
  self->n_prompt = (uint32_t) options->n_tokens;
  self->max_tokens = options->max_tokens;
  self->vocabulary = options->vocabulary;
  self->tokens =
      g_array_sized_new (FALSE, FALSE, sizeof (uint32_t), self->n_prompt + 1);
  g_array_append_vals (self->tokens, options->tokens, self->n_prompt);
  self->sampler = options->sampler;
  if (scheduler->options.n_drafts > 0)
    self->draft = bn_draft_new ();
  self->stopper = options->stopper;
  self->fresh = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  self->queue = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  self->status.n_prompt_tokens = self->n_prompt;
  g_cond_init (&self->cond);
  return self;
}

BnRequest *
bn_request_ref (BnRequest *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bn_request_unref (BnRequest *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_assert (self->seq == NULL && self->func == NULL);
  if (self->vocabulary.destroy != NULL)
    self->vocabulary.destroy (self->vocabulary.data);
  g_array_unref (self->tokens);
  g_clear_pointer (&self->sampler, bn_sampler_free);
  g_clear_pointer (&self->stopper, bn_stopper_free);
  g_clear_pointer (&self->draft, bn_draft_free);
  g_array_unref (self->fresh);
  g_array_unref (self->queue);
  g_free (self->logits);
  g_clear_error (&self->error);
  g_cond_clear (&self->cond);
  bn_scheduler_unref (self->scheduler);
  g_free (self);
}

/* ---- submit ---- */

/* Takes a reference for the queue. */
static gboolean
enqueue (BnRequest *self, GError **error)
{
  BnScheduler *scheduler = self->scheduler;

  g_mutex_lock (&scheduler->mutex);
  gboolean is_open = !scheduler->is_stopping;
  if (is_open) {
    self->ticket = scheduler->next_ticket++;
    bn_scheduler_insert (scheduler->waiting, bn_request_ref (self));
    bn_scheduler_wake (scheduler);
  }
  g_mutex_unlock (&scheduler->mutex);
  if (!is_open)
    g_set_error (
        error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the engine was shut down");
  return is_open;
}

BnRequest *
bn_scheduler_submit (
    BnScheduler *self, BnRequestOptions *options, GError **error)
{
  g_autoptr (BnRequest) request = NULL;

  g_assert (bn_scheduler_is_ready (self) && options->sampler != NULL);
  if (!check_prompt (&self->info, options, FALSE, error)) {
    clear_options (options);
    return NULL;
  }
  request = request_new (self, options);
  if (!enqueue (request, error))
    return NULL;
  return g_steal_pointer (&request);
}

/* Runs a request that wants no answer; n_rows rows of row_size bytes. */
static GBytes *
evaluate (BnRequest *request, size_t n_rows, size_t row_size,
    GCancellable *cancellable, GError **error)
{
  gsize size;

  request->wants_logits = TRUE;
  if (g_size_checked_mul (&size, n_rows, row_size))
    request->logits = g_try_malloc (MAX (size, 1));
  if (request->logits == NULL) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "no memory for the logits of %" G_GSIZE_FORMAT
        " tokens, %" G_GSIZE_FORMAT " bytes each",
        n_rows, row_size);
    return NULL;
  }
  if (!enqueue (request, error))
    return NULL;

  gssize n = bn_request_take (request, NULL, 0, cancellable, error);
  if (n == 0 && request->status.reason != BN_FINISH_LENGTH) {
    g_set_error (
        error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the engine was shut down");
    n = -1;
  }
  if (n < 0) {
    bn_request_cancel (request);
    return NULL;
  }
  return g_bytes_new_take (g_steal_pointer (&request->logits), size);
}

GBytes *
bn_scheduler_compute_logits (BnScheduler *self, const uint32_t *tokens,
    size_t n_tokens, GCancellable *cancellable, GError **error)
{
  BnRequestOptions options = {.tokens = tokens, .n_tokens = n_tokens};
  g_autoptr (BnRequest) request = NULL;

  g_assert (bn_scheduler_is_ready (self));
  if (!check_prompt (&self->info, &options, TRUE, error))
    return NULL;
  request = request_new (self, &options);
  return evaluate (request, n_tokens, self->info.n_vocab * sizeof (float),
      cancellable, error);
}

GBytes *
bn_scheduler_compute_scores (BnScheduler *self, const uint32_t *tokens,
    size_t n_tokens, GCancellable *cancellable, GError **error)
{
  BnRequestOptions options = {.tokens = tokens, .n_tokens = n_tokens};
  g_autoptr (BnRequest) request = NULL;

  g_assert (bn_scheduler_is_ready (self));
  if (!check_prompt (&self->info, &options, TRUE, error))
    return NULL;
  request = request_new (self, &options);
  request->wants_scores = TRUE;
  return evaluate (request, n_tokens - 1, sizeof (float), cancellable, error);
}

/* ---- taking ---- */

gboolean
bn_request_is_ready (const BnRequest *self)
{
  return self->queue->len > 0 || self->status.reason != BN_FINISH_NONE;
}

static void
on_take_cancelled (GCancellable *cancellable, BnRequest *self)
{
  g_mutex_lock (&self->scheduler->mutex);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->scheduler->mutex);
}

/* What lies in the queue, up to max_tokens. */
static size_t
pop (BnRequest *self, uint32_t *tokens, size_t max_tokens)
{
  guint n = (guint) MIN (max_tokens, self->queue->len);

  if (n == 0)
    return 0;
  memcpy (tokens, self->queue->data, n * sizeof *tokens);
  g_array_remove_range (self->queue, 0, n);
  if (self->is_parked && self->queue->len <= QUEUE_LIMIT / 2) {
    self->is_parked = FALSE;
    bn_scheduler_wake (self->scheduler);
  }
  return n;
}

gssize
bn_request_take (BnRequest *self, uint32_t *tokens, size_t max_tokens,
    GCancellable *cancellable, GError **error)
{
  GMutex *mutex = &self->scheduler->mutex;
  gulong handler = 0;
  gssize n;

  /* Connects without the mutex: the handler takes it. */
  if (cancellable != NULL)
    handler = g_cancellable_connect (
        cancellable, G_CALLBACK (on_take_cancelled), self, NULL);
  g_mutex_lock (mutex);
  while (
      !bn_request_is_ready (self) && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&self->cond, mutex);
  if (g_cancellable_set_error_if_cancelled (cancellable, error)) {
    n = -1;
  } else {
    n = (gssize) pop (self, tokens, max_tokens);
    if (n == 0 && self->error != NULL) {
      g_propagate_error (error, g_error_copy (self->error));
      n = -1;
    }
  }
  g_mutex_unlock (mutex);
  if (cancellable != NULL)
    g_cancellable_disconnect (cancellable, handler);
  return n;
}

gboolean
bn_request_call_when_ready (BnRequest *self, BnRequestFunc func, void *data)
{
  g_mutex_lock (&self->scheduler->mutex);
  gboolean is_ready = bn_request_is_ready (self);
  gboolean is_free = is_ready || self->func == NULL;
  if (!is_ready && is_free) {
    self->func = func;
    self->func_data = data;
  }
  g_mutex_unlock (&self->scheduler->mutex);
  if (is_ready)
    func (self, data);
  return is_free;
}

gboolean
bn_request_withdraw_call (BnRequest *self, void *data)
{
  g_mutex_lock (&self->scheduler->mutex);
  gboolean is_mine = self->func != NULL && self->func_data == data;
  if (is_mine)
    self->func = NULL;
  g_mutex_unlock (&self->scheduler->mutex);
  return is_mine;
}

gboolean
bn_request_steal_call (BnRequest *self, BnCall *call)
{
  if (self->func == NULL)
    return FALSE;
  *call = (BnCall){self->func, self->func_data, bn_request_ref (self)};
  self->func = NULL;
  return TRUE;
}

void
bn_call_run (BnCall *call)
{
  call->func (call->request, call->data);
  bn_request_unref (call->request);
}

/* ---- the end ---- */

void
bn_request_finish (BnRequest *self, BnFinishReason reason, GError *error)
{
  g_assert (self->status.reason == BN_FINISH_NONE);
  self->status.reason = reason;
  self->error = error;
  g_cond_broadcast (&self->cond);
}

void
bn_request_publish (BnRequest *self)
{
  g_array_append_vals (self->queue, self->fresh->data, self->fresh->len);
  self->is_parked = self->queue->len >= QUEUE_LIMIT;
  g_cond_broadcast (&self->cond);
}

void
bn_request_cancel (BnRequest *self)
{
  BnRequest *queued = NULL;
  BnCall call = {0};

  g_mutex_lock (&self->scheduler->mutex);
  gboolean is_running = self->status.reason == BN_FINISH_NONE;
  g_array_set_size (self->queue, 0);
  if (is_running) {
    bn_request_finish (self, BN_FINISH_CANCELLED, NULL);
    queued = bn_scheduler_abandon (self->scheduler, self);
  }
  gboolean has_call = bn_request_steal_call (self, &call);
  g_mutex_unlock (&self->scheduler->mutex);

  if (has_call)
    bn_call_run (&call);
  g_clear_pointer (&queued, bn_request_unref);
}

void
bn_request_get_status (BnRequest *self, BnRequestStatus *status)
{
  g_mutex_lock (&self->scheduler->mutex);
  *status = self->status;
  g_mutex_unlock (&self->scheduler->mutex);
}
