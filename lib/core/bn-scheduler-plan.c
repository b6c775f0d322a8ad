/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The policy of the scheduler: who takes part in the next step with how many
 * tokens.
 *
 * Requests run in order of arrival. One that has its prompt behind it gets
 * its token in every step; the others share what is left of the batch, so
 * that a short prompt is not stuck behind a long one. When places or pages
 * are short, parked requests give up theirs, then the one that came last: the
 * oldest can always go on.
 *
 * Everything here runs in the scheduler's thread with the mutex held. */
#include "bn-scheduler-private.h"

#include <string.h>

/* Prompt tokens in a step that also gives others their next token: as many as
 * this time allows at the speed measured so far, so that these do not wait for
 * a whole batch. */
#define SHARED_PREFILL_NS (100 * 1000 * 1000)
#define MIN_SHARED_PREFILL 16

void
bn_scheduler_insert (GPtrArray *list, BnRequest *request)
{
  guint i = list->len;

  while (i > 0 && ((BnRequest *) list->pdata[i - 1])->ticket > request->ticket)
    i--;
  g_ptr_array_insert (list, (gint) i, request);
}

/* ---- retire, admit ---- */

void
bn_scheduler_retire (BnScheduler *self, GPtrArray *gone)
{
  for (guint i = 0; i < self->running->len;) {
    BnRequest *request = self->running->pdata[i];

    if (request->status.reason == BN_FINISH_NONE) {
      i++;
      continue;
    }
    g_clear_pointer (&request->seq, bn_kv_seq_free);
    g_ptr_array_add (gone, request);
    g_ptr_array_remove_index (self->running, i);
    self->is_short = FALSE;
  }
}

/* Takes a request's place and pages away; it waits again. */
static void
preempt (BnScheduler *self, BnRequest *request)
{
  g_clear_pointer (&request->seq, bn_kv_seq_free);
  g_ptr_array_remove (self->running, request);
  bn_scheduler_insert (self->waiting, request);
}

static BnRequest *
find_parked (BnScheduler *self)
{
  for (guint i = self->running->len; i-- > 0;) {
    BnRequest *request = self->running->pdata[i];
    if (request->is_parked)
      return request;
  }
  return NULL;
}

static gboolean
has_active (BnScheduler *self)
{
  for (guint i = 0; i < self->running->len; i++) {
    if (!((BnRequest *) self->running->pdata[i])->is_parked)
      return TRUE;
  }
  return FALSE;
}

void
bn_scheduler_admit (BnScheduler *self)
{
  guint i = 0;

  while (i < self->waiting->len) {
    BnRequest *request = self->waiting->pdata[i];
    BnRequest *parked;

    if (request->is_parked) {
      i++;
      continue;
    }
    if (self->is_short && has_active (self))
      return;
    if (self->running->len == self->info.n_sequences) {
      parked = find_parked (self);
      if (parked == NULL)
        return;
      preempt (self, parked);
    }
    g_ptr_array_remove (self->waiting, request);
    bn_scheduler_insert (self->running, request);
    request->seq =
        bn_kv_seq_new (bn_transformer_get_kv_cache (self->transformer),
            self->info.context_size);
    request->is_untouched = TRUE;
  }
}

/* ---- plan ---- */

static uint32_t
count_pending (const BnRequest *request)
{
  return request->tokens->len - bn_kv_seq_get_n_cells (request->seq);
}

static gboolean
is_decoding (const BnRequest *request)
{
  return !request->wants_logits && count_pending (request) == 1;
}

/* Room in the cache for the next n tokens of running[*i], if need be at the
 * cost of a parked request or of one that came later. Those are not yet in
 * the step, because it is planned in order of arrival. */
static gboolean
reserve (BnScheduler *self, guint *i, uint32_t n, GError **error)
{
  BnRequest *request = self->running->pdata[*i];

  for (;;) {
    g_autoptr (GError) reason = NULL;

    if (bn_kv_seq_reserve (request->seq, n, &reason))
      return TRUE;
    BnRequest *victim = find_parked (self);
    if (victim == NULL && *i + 1 < self->running->len)
      victim = self->running->pdata[self->running->len - 1];
    if (victim == NULL) {
      g_propagate_error (error, g_steal_pointer (&reason));
      return FALSE;
    }
    preempt (self, victim);
    self->is_short = TRUE;
    /* A parked one may have stood in front of this one. */
    g_ptr_array_find (self->running, request, i);
  }
}

static const uint32_t *
get_tokens (const BnRequest *request)
{
  return (const uint32_t *) (void *) request->tokens->data;
}

/* Whether an older request is about to compute the page that this one needs
 * next: waiting for it is cheaper than computing it twice. */
static gboolean
is_following (BnScheduler *self, guint i)
{
  const BnRequest *request = self->running->pdata[i];
  uint32_t end = bn_kv_seq_get_n_cells (request->seq) + BN_KV_PAGE_CELLS;

  if (end >= request->tokens->len)
    return FALSE;
  while (i-- > 0) {
    const BnRequest *older = self->running->pdata[i];
    if (!older->is_parked && count_pending (older) > 1
        && older->tokens->len >= end && bn_kv_seq_get_n_cells (older->seq) < end
        && memcmp (get_tokens (older), get_tokens (request),
               end * sizeof (uint32_t))
               == 0)
      return TRUE;
  }
  return FALSE;
}

/* Whether running[i] takes part in the step. As long as nothing of a sequence
 * was computed its beginning is taken from the cache. */
static gboolean
is_due (BnScheduler *self, guint i)
{
  BnRequest *request = self->running->pdata[i];

  if (request->is_parked)
    return FALSE;
  if (!request->is_untouched || request->wants_logits)
    return TRUE;
  uint32_t n_cached = bn_kv_seq_match (
      request->seq, get_tokens (request), request->tokens->len);
  if (is_following (self, i))
    return FALSE;
  if (!request->was_admitted) {
    request->was_admitted = TRUE;
    request->status.n_cached_tokens = n_cached;
    self->stats.n_cached_tokens += n_cached;
  }
  return TRUE;
}

/* What the prompts may have of this step. */
typedef struct {
  uint32_t n_tokens; /* in all */
  uint32_t share;    /* each, as far as it needs it */
  uint32_t n_rows;   /* of logits, for requests that want them all */
} Budget;

/* The largest share that n_tokens allows when nobody gets more than it can
 * use: what short prompts leave goes to the long ones. */
static uint32_t
find_share (BnScheduler *self, uint32_t n_tokens)
{
  uint32_t share = 0;

  for (;;) {
    uint32_t n_used = 0;
    uint32_t n_wanting = 0;

    for (guint i = 0; i < self->running->len; i++) {
      const BnRequest *request = self->running->pdata[i];
      if (!request->is_due || is_decoding (request))
        continue;
      n_used += MIN (count_pending (request), share);
      n_wanting += count_pending (request) > share;
    }
    if (n_wanting == 0 || n_used + n_wanting > n_tokens)
      return share;
    share += (n_tokens - n_used) / n_wanting;
  }
}

/* Sets who is due, and how much there is for them. */
static Budget
make_budget (BnScheduler *self)
{
  uint32_t n_decoding = 0;
  Budget budget = {.n_rows = N_LOGITS_ROWS};

  for (guint i = 0; i < self->running->len; i++) {
    BnRequest *request = self->running->pdata[i];
    request->is_due = is_due (self, i);
    n_decoding += request->is_due && is_decoding (request);
  }
  budget.n_tokens = self->info.batch_size - n_decoding;
  if (n_decoding > 0) {
    uint64_t n_shared = SHARED_PREFILL_NS / MAX (self->prompt_token_ns, 1);
    n_shared = MAX (n_shared, MIN_SHARED_PREFILL);
    budget.n_tokens = (uint32_t) MIN (budget.n_tokens, n_shared);
  }
  /* Less than one each: the first ones get it. */
  budget.share = MAX (find_share (self, budget.n_tokens), 1);
  return budget;
}

/* How many tokens of a request go into the step. */
static uint32_t
take_share (const BnRequest *request, Budget *budget)
{
  uint32_t n = MIN (count_pending (request), budget->share);

  if (is_decoding (request))
    return 1;
  if (request->wants_logits) {
    n = MIN (n, budget->n_rows);
    budget->n_rows -= n;
  }
  n = MIN (n, budget->n_tokens);
  budget->n_tokens -= n;
  return n;
}

static void
add_item (BnScheduler *self, BnRequest *request, uint32_t n)
{
  uint32_t n_cells = bn_kv_seq_get_n_cells (request->seq);
  BnLogits logits = BN_LOGITS_NONE;

  if (request->wants_logits)
    logits = BN_LOGITS_ALL;
  else if (n == count_pending (request))
    logits = BN_LOGITS_LAST;

  self->runs[self->n_items] = (BnRun){
      .seq = request->seq,
      .tokens = get_tokens (request) + n_cells,
      .n_tokens = n,
      .logits = logits,
  };
  self->items[self->n_items] = (BnStepItem){
      .request = bn_request_ref (request),
      .n_tokens = n,
      .wants_token = logits == BN_LOGITS_LAST,
  };
  self->n_items++;
  request->is_untouched = FALSE;
}

/* Lets the only item of the step, a token of an answer, guess those behind it.
 * Several sequences need the arithmetic for tokens that are due. */
static void
add_draft (BnScheduler *self)
{
  BnStepItem *item = &self->items[0];
  BnRequest *request = item->request;
  BnRun *run = &self->runs[0];
  const uint32_t n_tokens = request->tokens->len;
  const uint32_t n_generated = n_tokens - request->n_prompt;
  uint32_t limit = MIN (self->options.n_drafts, N_LOGITS_ROWS);
  uint32_t n;

  if (request->draft == NULL || !item->wants_token || item->n_tokens != 1
      || n_generated == 0)
    return;
  limit = MIN (limit, self->info.batch_size - 1);
  limit = MIN (limit, self->info.context_size - n_tokens);
  if (request->max_tokens > 0)
    limit = MIN (limit, request->max_tokens - n_generated - 1);
  n = bn_draft_propose (request->draft, &self->draft_costs,
      get_tokens (request), n_tokens, limit, self->draft_run + 1);
  if (n == 0 || !bn_kv_seq_reserve (request->seq, 1 + n, NULL))
    return;
  self->draft_run[0] = run->tokens[0];
  run->tokens = self->draft_run;
  run->n_tokens = item->n_tokens = 1 + n;
  run->logits = BN_LOGITS_ALL;
  item->n_draft = n;
}

/* Says what the draws of an item look at. */
static void
ask_logits (BnStepItem *item, BnRun *run)
{
  if (!item->wants_token)
    return;
  bn_sampler_get_need (item->request->sampler,
      run->tokens + (run->n_tokens - item->n_draft), item->n_draft,
      &item->need);
  run->need = &item->need;
}

void
bn_scheduler_plan (BnScheduler *self)
{
  Budget budget = make_budget (self);

  for (guint i = 0; i < self->running->len; i++) {
    BnRequest *request = self->running->pdata[i];
    g_autoptr (GError) error = NULL;

    if (!request->is_due)
      continue;
    uint32_t n = take_share (request, &budget);
    if (n == 0)
      continue;
    if (reserve (self, &i, n, &error)) {
      add_item (self, request, n);
    } else if (self->running->len == 1) {
      /* Alone and still no room: there never will be. */
      bn_request_finish (request, BN_FINISH_ERROR, g_steal_pointer (&error));
      bn_scheduler_add_call (self, request);
      self->has_news = TRUE;
    }
    /* Otherwise there is room when one of those in front of it ends. */
  }
  if (self->n_items == 1)
    add_draft (self);
  for (uint32_t i = 0; i < self->n_items; i++)
    ask_logits (&self->items[i], &self->runs[i]);
}
