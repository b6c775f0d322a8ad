/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The scheduler's thread. It loads the model and then goes round:
 *
 *     retire   what has ended leaves; its pages stay in the cache as prefixes
 *     admit    waiting requests take free places, in order of arrival
 *     plan     one token of every running request that has its prompt behind
 *              it, then slices of the other prompts, up to batch_size tokens
 *     compute  one forward pass, one draw for each request (no mutex)
 *     publish  tokens go to the clients' queues
 *
 * and sleeps when there is nothing to plan. Prompt and answer are the same to
 * it: a request is a list of tokens, of which the cache holds the first few,
 * and the rest is to be computed; the last one's logits give the next token.
 *
 *     tokens   p p p p p p p p p p a a a
 *              ^^^^^^^^^^^^^^^^ in seq  ^ next
 *
 * So a sequence can give up its place and its pages at any time and later
 * come back: it is matched against the cache and what is missing is computed
 * again, to the same bits. bn-scheduler-plan.c says when that happens. */
#include "bn-scheduler-private.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "bitnet-error.h"

#define NS_PER_US 1000

/* Threads that were stopped and still hold their model. A load waits for
 * them, so that two copies of the weights never exist because of a change of
 * options. */
static GMutex stopping_mutex;
static GCond stopping_cond;
static guint n_stopping;

void
bn_scheduler_wake (BnScheduler *self)
{
  self->has_news = TRUE;
  g_cond_signal (&self->wake);
}

BnRequest *
bn_scheduler_abandon (BnScheduler *self, BnRequest *request)
{
  gboolean is_needed = FALSE;

  bn_scheduler_wake (self);
  for (uint32_t i = 0; i < self->n_items; i++)
    is_needed |= self->items[i].request->status.reason == BN_FINISH_NONE;
  if (self->n_items > 0 && !is_needed)
    g_atomic_int_set (&self->abort, 1);

  /* A reference in the list of running ones is the thread's to give up. */
  return g_ptr_array_remove (self->waiting, request) ? request : NULL;
}

void
bn_scheduler_add_call (BnScheduler *self, BnRequest *request)
{
  BnCall call;

  if (bn_request_steal_call (request, &call))
    g_array_append_val (self->calls, call);
}

/* ---- compute ---- */

/* Lets the stopper's tokens go; spells the piece of a token that a stop text
 * cut. */
static void
add_released (BnRequest *request, const BnStopperResult *result)
{
  g_autofree uint32_t *rest = NULL;
  size_t n_rest = 0;

  g_array_append_vals (
      request->fresh, result->tokens, (guint) result->n_tokens);
  if (result->rest_size > 0)
    rest = request->vocabulary.spell (
        request->vocabulary.data, result->rest, result->rest_size, &n_rest);
  if (rest != NULL)
    g_array_append_vals (request->fresh, rest, (guint) n_rest);
}

/* Enters a drawn token; says whether the response ends with it. */
static BnFinishReason
advance (BnScheduler *self, BnRequest *request, uint32_t token)
{
  const BnVocabulary *vocabulary = &request->vocabulary;
  uint32_t n_generated = request->tokens->len + 1 - request->n_prompt;
  BnFinishReason reason = BN_FINISH_NONE;
  BnStopperResult result;

  bn_sampler_accept (request->sampler, token);
  g_array_append_val (request->tokens, token);
  if (vocabulary->is_end != NULL
      && vocabulary->is_end (vocabulary->data, token))
    reason = BN_FINISH_STOP;
  else if (n_generated == request->max_tokens
           || request->tokens->len >= self->info.context_size)
    reason = BN_FINISH_LENGTH;

  if (request->stopper != NULL && reason != BN_FINISH_STOP) {
    g_autoptr (GBytes) text = vocabulary->get_text (vocabulary->data, token);
    gsize size = 0;
    const void *bytes = text ? g_bytes_get_data (text, &size) : NULL;

    bn_stopper_push (request->stopper, token, bytes, size, &result);
    add_released (request, &result);
    if (result.is_stopped)
      return BN_FINISH_STOP_STRING;
  }
  if (request->stopper != NULL && reason != BN_FINISH_NONE) {
    bn_stopper_flush (request->stopper, &result);
    add_released (request, &result);
  }
  if (request->stopper == NULL || reason == BN_FINISH_STOP)
    g_array_append_val (request->fresh, token);
  return reason;
}

/* ln (e^logits[token] / sum (e^logits[i])) */
static float
find_score (const float *logits, uint32_t n_vocab, uint32_t token)
{
  float max = logits[0];
  double sum = 0;

  for (uint32_t i = 1; i < n_vocab; i++)
    max = MAX (max, logits[i]);
  for (uint32_t i = 0; i < n_vocab; i++)
    sum += (double) expf (logits[i] - max);
  return (float) ((double) (logits[token] - max) - log (sum));
}

/* The logits behind tokens [first, first + n) of a request that wants them. */
static void
keep_logits (const BnScheduler *self, BnRequest *request, const float *logits,
    size_t first, size_t n)
{
  const size_t n_vocab = self->info.n_vocab;
  const uint32_t *tokens = (const uint32_t *) (void *) request->tokens->data;

  if (!request->wants_scores) {
    memcpy (request->logits + first * n_vocab, logits,
        n * n_vocab * sizeof *logits);
    return;
  }
  for (size_t i = first; i < first + n && i + 1 < request->n_prompt; i++)
    request->logits[i] = find_score (
        logits + (i - first) * n_vocab, self->info.n_vocab, tokens[i + 1]);
}

/* Draws from each row as long as what is drawn is what was guessed, so that
 * the next row is the right one. */
static void
draw (BnScheduler *self, BnStepItem *item, const BnRun *run,
    BnSamplerScratch *scratch)
{
  BnRequest *request = item->request;
  uint32_t token, n = 0;

  while (item->reason == BN_FINISH_NONE) {
    if (!bn_sampler_sample (request->sampler, scratch,
            run->result + (size_t) n * self->info.n_vocab, &token,
            &item->error)) {
      g_prefix_error (&item->error, "%s: ", bn_gguf_get_path (self->gguf));
      item->reason = BN_FINISH_ERROR;
      break;
    }
    item->reason = advance (self, request, token);
    item->n_drawn++;
    if (n == item->n_draft || token != run->tokens[n + 1])
      break;
    n++;
  }
  item->n_accepted = n;
}

/* Uses the logits of one run. Looks at nothing that other runs have a part
 * in, so several threads can do it for several runs. */
static void
use_result (BnScheduler *self, BnStepItem *item, const BnRun *run,
    BnSamplerScratch *scratch)
{
  BnRequest *request = item->request;

  if (request->wants_logits) {
    size_t n_done = bn_kv_seq_get_n_cells (request->seq);
    keep_logits (
        self, request, run->result, n_done - item->n_tokens, item->n_tokens);
    if (n_done == request->n_prompt)
      item->reason = BN_FINISH_LENGTH;
  } else if (item->wants_token) {
    draw (self, item, run, scratch);
  }
}

typedef struct {
  BnScheduler *scheduler;
  uint32_t first; /* item */
} Results;

static void
use_results (size_t begin, size_t end, uint32_t worker, void *data)
{
  const Results *results = data;
  BnScheduler *self = results->scheduler;

  for (size_t i = results->first + begin; i < results->first + end; i++)
    use_result (self, &self->items[i], &self->runs[i], self->scratch[worker]);
}

/* What was guessed wrong leaves the cache, which all sequences share. */
static void
forget_guesses (BnStepItem *item)
{
  BnRequest *request = item->request;
  const uint32_t n_wrong = item->n_draft - item->n_accepted;

  bn_draft_learn (request->draft, item->n_accepted);
  bn_kv_seq_truncate (
      request->seq, bn_kv_seq_get_n_cells (request->seq) - n_wrong);
}

/* One forward pass over items [first, first + n). */
static gboolean
forward (BnScheduler *self, uint32_t first, uint32_t n, GError **error)
{
  Results results = {self, first};

  if (!bn_transformer_forward (
          self->transformer, self->runs + first, n, &self->abort, error))
    return FALSE;
  self->backend->ops->for_each (self->backend, n, 1, use_results, &results);
  for (uint32_t i = first; i < first + n; i++) {
    BnStepItem *item = &self->items[i];

    item->is_computed = TRUE;
    if (item->n_draft > 0)
      forget_guesses (item);
  }
  return TRUE;
}

static void
fail_item (BnScheduler *self, BnStepItem *item, const GError *error)
{
  /* Given up because nobody wants it: nothing has happened. */
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  item->reason = BN_FINISH_ERROR;
  item->error = g_error_copy (error);
}

/* A guess may lead where no answer would have gone. */
static void
drop_draft (BnScheduler *self)
{
  bn_draft_learn (self->items[0].request->draft, 0);
  self->items[0].n_draft = 0;
  self->items[0].n_tokens = self->runs[0].n_tokens = 1;
  self->runs[0].logits = BN_LOGITS_LAST;
}

static void
compute (BnScheduler *self)
{
  uint32_t n = self->n_items;
  g_autoptr (GError) error = NULL;

  if (forward (self, 0, n, &error))
    return;
  if (self->items[0].n_draft > 0
      && g_error_matches (error, BITNET_ERROR, BITNET_ERROR_NUMERIC)) {
    g_clear_error (&error);
    drop_draft (self);
    if (forward (self, 0, n, &error))
      return;
  }
  if (n == 1 || !g_error_matches (error, BITNET_ERROR, BITNET_ERROR_NUMERIC)) {
    for (uint32_t i = 0; i < n; i++)
      fail_item (self, &self->items[i], error);
    return;
  }
  /* One of them gives NaN; the others are not to suffer. */
  for (uint32_t i = 0; i < n; i++) {
    g_autoptr (GError) own = NULL;
    if (!forward (self, i, 1, &own))
      fail_item (self, &self->items[i], own);
  }
}

/* ---- publish ---- */

static void
publish_item (BnScheduler *self, BnStepItem *item, uint64_t ns)
{
  BnRequest *request = item->request;
  BnRequestStatus *status = &request->status;
  if (status->n_generated_tokens == 0)
    status->prefill_ns += ns;
  else
    status->decode_ns += ns;
  status->n_generated_tokens += item->n_drawn;
  self->stats.n_generated_tokens += item->n_drawn;
  /* The client may have cancelled it in the meantime. */
  if (status->reason != BN_FINISH_NONE)
    return;
  bn_request_publish (request);
  if (item->reason != BN_FINISH_NONE)
    bn_request_finish (request, item->reason, g_steal_pointer (&item->error));
  if (bn_request_is_ready (request))
    bn_scheduler_add_call (self, request);
}

/* Adds the step to the statistics. */
static void
count_step (BnScheduler *self, uint64_t ns)
{
  uint64_t n_prompt_tokens = 0;
  uint64_t n_tokens = 0;
  uint64_t n_drawn = 0;

  for (uint32_t i = 0; i < self->n_items; i++) {
    const BnStepItem *item = &self->items[i];
    if (!item->is_computed)
      continue;
    n_tokens += item->n_tokens;
    n_drawn += item->n_drawn;
    if (item->n_draft > 0 && item->n_drawn > 0) {
      self->stats.n_drafted_tokens += item->n_draft;
      self->stats.n_accepted_tokens += item->n_drawn - 1;
    }
    if (item->request->status.n_generated_tokens == 0)
      n_prompt_tokens += item->n_tokens;
  }
  if (n_tokens == 0)
    return;
  self->stats.n_steps++;
  self->stats.n_step_tokens += n_tokens;
  self->stats.n_prompt_tokens += n_prompt_tokens;
  if (n_prompt_tokens > 0) {
    self->stats.prefill_ns += ns;
    self->prompt_token_ns = ns / n_tokens;
  } else {
    self->stats.decode_ns += ns;
    self->stats.n_decode_tokens += n_drawn;
    if (self->n_items == 1)
      bn_draft_costs_add (&self->draft_costs, (uint32_t) n_tokens, ns);
  }
}

/* The step's references go to gone. */
static void
publish (BnScheduler *self, uint64_t ns, GPtrArray *gone)
{
  count_step (self, ns);
  for (uint32_t i = 0; i < self->n_items; i++) {
    BnStepItem *item = &self->items[i];
    publish_item (self, item, ns);
    g_array_set_size (item->request->fresh, 0);
    g_clear_error (&item->error);
    g_ptr_array_add (gone, item->request);
  }
  self->n_items = 0;
}

/* ---- the thread ---- */

/* Calls and frees what was collected, without the mutex. */
static void
deliver (BnScheduler *self, GArray *calls, GPtrArray *gone)
{
  for (guint i = 0; i < calls->len; i++)
    bn_call_run (&g_array_index (calls, BnCall, i));
  g_array_set_size (calls, 0);
  g_ptr_array_set_size (gone, 0);
}

static void
update_stats (BnScheduler *self)
{
  const BnKvCache *cache = bn_transformer_get_kv_cache (self->transformer);
  uint32_t n_cells = bn_kv_cache_get_n_cells (cache);

  self->stats.n_running = self->running->len;
  self->stats.n_waiting = self->waiting->len;
  self->stats.n_pages = n_cells / BN_KV_PAGE_CELLS;
  self->stats.n_pages_used =
      (n_cells - bn_kv_cache_get_n_available (cache)) / BN_KV_PAGE_CELLS;
  bn_transformer_get_screened (self->transformer,
      &self->stats.n_screened_logits, &self->stats.n_computed_logits);
  memcpy (self->stats.part_ns,
      bn_transformer_get_profile (self->transformer)->ns,
      sizeof self->stats.part_ns);
}

static void
serve (BnScheduler *self)
{
  g_autoptr (GPtrArray) gone =
      g_ptr_array_new_with_free_func ((GDestroyNotify) bn_request_unref);
  GArray *calls = g_array_new (FALSE, FALSE, sizeof (BnCall));

  g_mutex_lock (&self->mutex);
  while (!self->is_stopping) {
    self->has_news = FALSE;
    bn_scheduler_retire (self, gone);
    bn_scheduler_admit (self);
    bn_scheduler_plan (self);
    update_stats (self);
    gboolean has_step = self->n_items > 0;
    GArray *spare = self->calls;
    self->calls = calls;
    calls = spare;
    g_atomic_int_set (&self->abort, 0);
    g_mutex_unlock (&self->mutex);

    deliver (self, calls, gone);
    gint64 begin = g_get_monotonic_time ();
    if (has_step)
      compute (self);
    gint64 end = g_get_monotonic_time ();

    g_mutex_lock (&self->mutex);
    if (has_step)
      publish (self, (uint64_t) (end - begin) * NS_PER_US, gone);
    while (!has_step && !self->has_news)
      g_cond_wait (&self->wake, &self->mutex);
  }
  g_mutex_unlock (&self->mutex);
  deliver (self, calls, gone);
  g_array_unref (calls);
}

/* Everybody is told; nothing of the cache is in use afterwards. */
static void
finish_all (BnScheduler *self)
{
  g_autoptr (GPtrArray) gone =
      g_ptr_array_new_with_free_func ((GDestroyNotify) bn_request_unref);
  GArray *calls;

  g_mutex_lock (&self->mutex);
  self->is_stopping = TRUE;
  for (int i = 0; i < 2; i++) {
    GPtrArray *list = i == 0 ? self->running : self->waiting;
    for (guint k = 0; k < list->len; k++) {
      BnRequest *request = list->pdata[k];
      if (request->status.reason == BN_FINISH_NONE)
        bn_request_finish (request, BN_FINISH_CANCELLED, NULL);
      bn_scheduler_add_call (self, request);
      g_clear_pointer (&request->seq, bn_kv_seq_free);
      g_ptr_array_add (gone, request);
    }
    g_ptr_array_set_size (list, 0);
  }
  calls = g_steal_pointer (&self->calls);
  g_mutex_unlock (&self->mutex);
  deliver (self, calls, gone);
  g_array_unref (calls);
}

/* ---- loading ---- */

static void
on_load_progress (guint64 done, guint64 total, gpointer data)
{
  BnScheduler *self = data;

  g_mutex_lock (&self->mutex);
  self->load_done = done;
  self->load_total = total;
  g_cond_broadcast (&self->load_cond);
  g_mutex_unlock (&self->mutex);
}

/* Cells for every sequence, in pages of its own, as far as the memory for the
 * cache goes; always enough for one full context. */
static uint32_t
choose_n_cells (const BnScheduler *self, const BnHparams *hparams)
{
  uint64_t cell_size =
      2 * (uint64_t) hparams->n_layers * hparams->n_kv_heads
      * bn_kv_cell_size (self->options.kv_type, hparams->head_size);
  uint64_t context =
      self->options.context_size != 0
          ? self->options.context_size
          : MIN (hparams->n_context, (uint32_t) BN_MAX_DEFAULT_CONTEXT);
  uint64_t budget = self->options.cache_size != 0
                        ? self->options.cache_size
                        : (uint64_t) sysconf (_SC_PHYS_PAGES)
                              * (uint64_t) sysconf (_SC_PAGESIZE) / 4;
  uint64_t n_pages = (context + BN_KV_PAGE_CELLS - 1) / BN_KV_PAGE_CELLS;
  uint64_t n_cells =
      MIN (n_pages * BN_KV_PAGE_CELLS * self->options.n_sequences,
          budget / MAX (cell_size, 1));

  return (uint32_t) CLAMP (n_cells, context, UINT32_MAX);
}

/* Of the pages of a scratch only those are committed that somebody uses. */
static gboolean
make_scratch (BnScheduler *self, uint32_t n_vocab, GError **error)
{
  const uint32_t n = self->backend->ops->get_n_threads (self->backend);

  self->scratch = g_new0 (BnSamplerScratch *, n);
  for (uint32_t i = 0; i < n; i++) {
    self->scratch[i] = bn_sampler_scratch_new (n_vocab);
    if (self->scratch[i] == NULL) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
          "%s: no memory to choose among %u tokens",
          bn_gguf_get_path (self->gguf), n_vocab);
      return FALSE;
    }
  }
  return TRUE;
}

static void
free_scratch (BnScheduler *self)
{
  if (self->scratch == NULL)
    return;
  for (uint32_t i = self->backend->ops->get_n_threads (self->backend); i > 0;
       i--)
    g_clear_pointer (&self->scratch[i - 1], bn_sampler_scratch_free);
  g_clear_pointer (&self->scratch, g_free);
}

static gboolean
load (BnScheduler *self, GError **error)
{
  BnHparams hparams;

  if (!bn_hparams_read (&hparams, self->gguf, error))
    return FALSE;
  BnTransformerOptions options = {
      .context_size = self->options.context_size,
      .batch_size = self->options.batch_size,
      .n_logits = self->options.n_sequences + N_LOGITS_ROWS,
      .n_cells = choose_n_cells (self, &hparams),
      .kv_type = self->options.kv_type,
      .repack = self->options.repack,
      .i2s_layout = self->options.i2s_layout,
      .head = self->options.head,
      .has_profile = self->options.has_profile,
  };
  self->backend = bn_cpu_backend_new (NULL, self->options.n_threads);
  self->transformer = bn_transformer_new (self->gguf, self->backend, &options,
      on_load_progress, self, self->load_cancellable, error);
  if (self->transformer == NULL)
    return FALSE;
  if (!make_scratch (self, hparams.n_vocab, error))
    return FALSE;
  self->runs = g_new0 (BnRun, self->options.n_sequences);
  self->items = g_new0 (BnStepItem, self->options.n_sequences);
  return TRUE;
}

/* What clients may know before the first step. */
static BnSchedulerInfo
describe (const BnScheduler *self, gint64 begin)
{
  const BnTransformer *transformer = self->transformer;

  return (BnSchedulerInfo){
      .n_threads = self->backend->ops->get_n_threads (self->backend),
      .context_size = bn_transformer_get_context_size (transformer),
      .batch_size = bn_transformer_get_batch_size (transformer),
      .n_sequences = self->options.n_sequences,
      .n_vocab = bn_transformer_get_hparams (transformer)->n_vocab,
      .head = bn_transformer_get_head (transformer),
      .weights_size = bn_transformer_get_memory_size (transformer),
      .token_size = bn_transformer_get_token_size (transformer),
      .token_products = bn_transformer_get_token_products (transformer),
      .load_ns = (uint64_t) (g_get_monotonic_time () - begin) * NS_PER_US,
  };
}

static void
wait_for_stopping (BnScheduler *self)
{
  g_mutex_lock (&stopping_mutex);
  while (n_stopping > 0 && !g_cancellable_is_cancelled (self->load_cancellable))
    g_cond_wait (&stopping_cond, &stopping_mutex);
  g_mutex_unlock (&stopping_mutex);
}

static void
free_model (BnScheduler *self)
{
  g_clear_pointer (&self->transformer, bn_transformer_free);
  free_scratch (self);
  g_clear_pointer (&self->backend, bn_backend_free);
  g_clear_pointer (&self->runs, g_free);
  g_clear_pointer (&self->items, g_free);
  g_clear_pointer (&self->gguf, bn_gguf_unref);
}

static gpointer
run_thread (gpointer data)
{
  BnScheduler *self = data;
  GError *error = NULL;

  wait_for_stopping (self);
  gint64 begin = g_get_monotonic_time ();
  gboolean is_loaded = load (self, &error);

  g_mutex_lock (&self->mutex);
  if (is_loaded) {
    self->info = describe (self, begin);
    update_stats (self);
  }
  self->state = is_loaded ? BN_STATE_READY : BN_STATE_FAILED;
  self->load_error = error;
  g_cond_broadcast (&self->load_cond);
  g_mutex_unlock (&self->mutex);

  if (is_loaded)
    serve (self);
  finish_all (self);
  free_model (self);

  g_mutex_lock (&self->mutex);
  self->has_ended = TRUE;
  gboolean is_counted = self->is_counted;
  g_mutex_unlock (&self->mutex);
  if (is_counted) {
    g_mutex_lock (&stopping_mutex);
    n_stopping--;
    g_cond_broadcast (&stopping_cond);
    g_mutex_unlock (&stopping_mutex);
  }
  bn_scheduler_unref (self);
  return NULL;
}

/* ---- public ---- */

BnScheduler *
bn_scheduler_new (
    BnGguf *gguf, const BnSchedulerOptions *options, GError **error)
{
  g_autoptr (BnScheduler) self = g_new0 (BnScheduler, 1);
  g_autoptr (GError) reason = NULL;

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->mutex);
  g_cond_init (&self->wake);
  g_cond_init (&self->load_cond);
  self->gguf = bn_gguf_ref (gguf);
  self->options = *options;
  /* Every running sequence has a token in each step. */
  self->options.batch_size = MAX (options->batch_size, 1);
  self->options.n_sequences =
      CLAMP (options->n_sequences, 1, self->options.batch_size);
  self->load_cancellable = g_cancellable_new ();
  self->waiting = g_ptr_array_new ();
  self->running = g_ptr_array_new ();
  self->calls = g_array_new (FALSE, FALSE, sizeof (BnCall));

  GThread *thread = g_thread_try_new (
      "bitnet-engine", run_thread, bn_scheduler_ref (self), &reason);
  if (thread == NULL) {
    bn_scheduler_unref (self);
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "no thread for the engine: %s", reason->message);
    return NULL;
  }
  g_thread_unref (thread);
  return g_steal_pointer (&self);
}

BnScheduler *
bn_scheduler_ref (BnScheduler *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bn_scheduler_unref (BnScheduler *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_assert (self->waiting->len == 0 && self->running->len == 0);
  g_ptr_array_unref (self->waiting);
  g_ptr_array_unref (self->running);
  g_clear_pointer (&self->calls, g_array_unref);
  g_clear_pointer (&self->gguf, bn_gguf_unref);
  g_object_unref (self->load_cancellable);
  g_clear_error (&self->load_error);
  g_cond_clear (&self->load_cond);
  g_cond_clear (&self->wake);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

void
bn_scheduler_stop (BnScheduler *self)
{
  g_mutex_lock (&self->mutex);
  self->is_stopping = TRUE;
  g_atomic_int_set (&self->abort, 1);
  bn_scheduler_wake (self);
  g_cond_broadcast (&self->load_cond);
  gboolean is_new = !self->has_ended && !self->is_counted;
  self->is_counted |= is_new;
  g_mutex_lock (&stopping_mutex);
  n_stopping += is_new;
  g_mutex_unlock (&stopping_mutex);
  g_mutex_unlock (&self->mutex);

  g_cancellable_cancel (self->load_cancellable);
  /* It may be waiting for others that stop. */
  g_mutex_lock (&stopping_mutex);
  g_cond_broadcast (&stopping_cond);
  g_mutex_unlock (&stopping_mutex);
}

/* Waits with the mutex held; calls progress without. Returns what it reported
 * last. */
static guint64
wait_for_load (BnScheduler *self, BnProgressFunc progress,
    gpointer progress_data, GCancellable *cancellable)
{
  guint64 reported = 0;

  while (self->state == BN_STATE_LOADING && !self->is_stopping
         && !g_cancellable_is_cancelled (cancellable)) {
    guint64 done = self->load_done;
    guint64 total = self->load_total;

    if (progress == NULL || done == reported) {
      g_cond_wait (&self->load_cond, &self->mutex);
      continue;
    }
    reported = done;
    g_mutex_unlock (&self->mutex);
    progress (done, total, progress_data);
    g_mutex_lock (&self->mutex);
  }
  return reported;
}

static void
on_wait_cancelled (GCancellable *cancellable, BnScheduler *self)
{
  g_mutex_lock (&self->mutex);
  g_cond_broadcast (&self->load_cond);
  g_mutex_unlock (&self->mutex);
}

gboolean
bn_scheduler_wait_ready (BnScheduler *self, BnProgressFunc progress,
    gpointer progress_data, GCancellable *cancellable, GError **error)
{
  gulong handler = 0;

  if (cancellable != NULL)
    handler = g_cancellable_connect (
        cancellable, G_CALLBACK (on_wait_cancelled), self, NULL);
  g_mutex_lock (&self->mutex);
  gboolean was_loading = self->state == BN_STATE_LOADING;
  self->n_load_waiters++;
  guint64 reported = wait_for_load (self, progress, progress_data, cancellable);
  self->n_load_waiters--;

  gboolean is_cancelled =
      g_cancellable_set_error_if_cancelled (cancellable, error);
  gboolean is_ready = self->state == BN_STATE_READY && !self->is_stopping;
  gboolean is_given_up = is_cancelled && self->state == BN_STATE_LOADING
                         && self->n_load_waiters == 0;
  if (is_given_up)
    self->is_stopping = TRUE;
  if (!is_cancelled && self->state == BN_STATE_FAILED)
    g_propagate_error (error, g_error_copy (self->load_error));
  else if (!is_cancelled && !is_ready)
    g_set_error (
        error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the engine was shut down");
  guint64 total = self->load_total;
  g_mutex_unlock (&self->mutex);

  if (cancellable != NULL)
    g_cancellable_disconnect (cancellable, handler);
  if (is_given_up)
    bn_scheduler_stop (self);
  is_ready = is_ready && !is_cancelled;
  if (is_ready && was_loading && progress != NULL && reported < total)
    progress (total, total, progress_data);
  return is_ready;
}

gboolean
bn_scheduler_is_ready (BnScheduler *self)
{
  g_mutex_lock (&self->mutex);
  gboolean is_ready = self->state == BN_STATE_READY;
  g_mutex_unlock (&self->mutex);
  return is_ready;
}

gboolean
bn_scheduler_is_usable (BnScheduler *self)
{
  g_mutex_lock (&self->mutex);
  gboolean is_usable = self->state != BN_STATE_FAILED && !self->is_stopping;
  g_mutex_unlock (&self->mutex);
  return is_usable;
}

const BnSchedulerInfo *
bn_scheduler_get_info (BnScheduler *self)
{
  g_assert (bn_scheduler_is_ready (self));
  return &self->info;
}

void
bn_scheduler_get_stats (BnScheduler *self, BnSchedulerStats *stats)
{
  g_mutex_lock (&self->mutex);
  *stats = self->stats;
  g_mutex_unlock (&self->mutex);
}
