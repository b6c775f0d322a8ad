/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-transformer.h"

#include <math.h>
#include <string.h>
#include "bitnet-error.h"

/* How often a closed gate looks at the abort flag. */
#define GATE_US 200

struct BnGguf {
  gatomicrefcount ref_count;
};

struct BnKvCache {
  guint n_pages;
  guint n_used;         /* by sequences */
  GHashTable *prefixes; /* GBytes of whole pages of tokens */
};

struct BnKvSeq {
  BnKvCache *cache;
  GArray *tokens;
  guint n_pages;
  guint max_cells;
};

struct BnTransformer {
  BnHparams hparams;
  BnTransformerOptions options;
  BnKvCache cache;
  float *logits;
};

Fake fake;

/* ---- control ---- */

void
fake_reset (void)
{
  g_mutex_lock (&fake.mutex);
  g_assert_false (fake.is_alive);
  fake.context_size = 256;
  fake.n_cells = 0;
  fake.fails_to_load = FALSE;
  fake.has_load_gate = FALSE;
  fake.pass_us = 0;
  fake.period = 0;
  fake.hates_guesses = FALSE;
  fake.n_open = G_MAXUINT;
  fake.is_inside = FALSE;
  fake.n_aborted = 0;
  fake.n_steps = 0;
  fake.thread = NULL;
  g_mutex_unlock (&fake.mutex);
}

void
fake_let (guint n)
{
  g_mutex_lock (&fake.mutex);
  fake.n_open = n;
  g_cond_broadcast (&fake.cond);
  g_mutex_unlock (&fake.mutex);
}

void
fake_close (void)
{
  fake_let (0);
}

void
fake_open (void)
{
  fake_let (G_MAXUINT);
}

void
fake_wait_inside (void)
{
  g_mutex_lock (&fake.mutex);
  while (!fake.is_inside)
    g_cond_wait (&fake.cond, &fake.mutex);
  g_mutex_unlock (&fake.mutex);
}

void
fake_wait_freed (void)
{
  g_mutex_lock (&fake.mutex);
  while (fake.is_alive)
    g_cond_wait (&fake.cond, &fake.mutex);
  g_mutex_unlock (&fake.mutex);
}

/* With the mutex. FALSE: aborted. */
static gboolean
pass_gate (gboolean (*is_aborted) (gconstpointer), gconstpointer data)
{
  while (fake.n_open == 0 && !is_aborted (data)) {
    fake.is_inside = TRUE;
    g_cond_broadcast (&fake.cond);
    g_cond_wait_until (
        &fake.cond, &fake.mutex, g_get_monotonic_time () + GATE_US);
  }
  fake.is_inside = FALSE;
  if (is_aborted (data))
    return FALSE;
  if (fake.n_open != G_MAXUINT)
    fake.n_open--;
  return TRUE;
}

static gboolean
is_flag_set (gconstpointer flag)
{
  return flag != NULL && g_atomic_int_get ((const int *) flag) != 0;
}

static gboolean
is_cancellable_set (gconstpointer cancellable)
{
  return g_cancellable_is_cancelled ((GCancellable *) cancellable);
}

/* One thread has the model. */
static void
check_thread (void)
{
  g_mutex_lock (&fake.mutex);
  g_assert_true (fake.thread == g_thread_self ());
  g_mutex_unlock (&fake.mutex);
}

guint32
fake_next_token (const guint32 *tokens, gsize n_tokens)
{
  const guint surprise = 23; /* every so many tokens no repetition */
  guint32 hash = 2166136261u;

  if (fake.period > 0 && n_tokens > fake.period && n_tokens % surprise != 0)
    return tokens[n_tokens - fake.period];
  for (gsize i = 0; i < n_tokens; i++)
    hash = (hash ^ tokens[i]) * 16777619u;
  return 1 + (hash >> 8) % (FAKE_N_VOCAB - 2);
}

/* ---- what the scheduler needs of a file and a backend ---- */

BnGguf *
bn_gguf_ref (BnGguf *self)
{
  return self;
}

void
bn_gguf_unref (BnGguf *self)
{
}

const char *
bn_gguf_get_path (const BnGguf *self)
{
  return "fake.gguf";
}

gboolean
bn_hparams_read (BnHparams *self, const BnGguf *gguf, GError **error)
{
  *self = (BnHparams){.n_vocab = FAKE_N_VOCAB,
      .n_context = fake.context_size,
      .n_layers = 1,
      .n_kv_heads = 1,
      .head_size = 1};
  return TRUE;
}

static void
free_backend (BnBackend *self)
{
  g_free (self);
}

static guint32
get_n_threads (BnBackend *self)
{
  return 1;
}

/* The last first: none may rely on another. */
static void
for_each (BnBackend *self, size_t n, size_t grain,
    void (*func) (size_t begin, size_t end, guint32 worker, void *data),
    void *data)
{
  while (n-- > 0)
    func (n, n + 1, 0, data);
}

static const BnBackendOps backend_ops = {.name = "fake",
    .free = free_backend,
    .for_each = for_each,
    .get_n_threads = get_n_threads};

BnBackend *
bn_cpu_backend_new (const BnKernels *kernels, uint32_t n_threads)
{
  BnBackend *self = g_new0 (BnBackend, 1);

  self->ops = &backend_ops;
  return self;
}

/* ---- cache ---- */

uint32_t
bn_kv_cache_get_n_cells (const BnKvCache *self)
{
  return self->n_pages * BN_KV_PAGE_CELLS;
}

uint32_t
bn_kv_cache_get_n_available (const BnKvCache *self)
{
  return (self->n_pages - self->n_used) * BN_KV_PAGE_CELLS;
}

BnKvSeq *
bn_kv_seq_new (BnKvCache *cache, uint32_t max_cells)
{
  BnKvSeq *self = g_new0 (BnKvSeq, 1);

  check_thread ();
  self->cache = cache;
  self->max_cells = max_cells;
  self->tokens = g_array_new (FALSE, FALSE, sizeof (guint32));
  return self;
}

void
bn_kv_seq_free (BnKvSeq *self)
{
  check_thread ();
  self->cache->n_used -= self->n_pages;
  g_array_unref (self->tokens);
  g_free (self);
}

uint32_t
bn_kv_seq_get_n_cells (const BnKvSeq *self)
{
  return self->tokens->len;
}

static gboolean
grow (BnKvSeq *self, guint n_cells)
{
  guint n_pages = (n_cells + BN_KV_PAGE_CELLS - 1) / BN_KV_PAGE_CELLS;
  guint n_more = n_pages > self->n_pages ? n_pages - self->n_pages : 0;

  if (self->cache->n_used + n_more > self->cache->n_pages)
    return FALSE;
  self->cache->n_used += n_more;
  self->n_pages += n_more;
  return TRUE;
}

uint32_t
bn_kv_seq_match (BnKvSeq *self, const uint32_t *tokens, uint32_t n_tokens)
{
  check_thread ();
  for (guint end = self->tokens->len + BN_KV_PAGE_CELLS; end < n_tokens;
       end += BN_KV_PAGE_CELLS) {
    g_autoptr (GBytes) key = g_bytes_new_static (tokens, end * sizeof *tokens);
    if (!g_hash_table_contains (self->cache->prefixes, key)
        || !grow (self, end))
      break;
    g_array_set_size (self->tokens, 0);
    g_array_append_vals (self->tokens, tokens, end);
  }
  return self->tokens->len;
}

uint32_t
bn_kv_seq_truncate (BnKvSeq *self, uint32_t n_cells)
{
  guint n_pages = (n_cells + BN_KV_PAGE_CELLS - 1) / BN_KV_PAGE_CELLS;

  check_thread ();
  g_assert_cmpuint (n_cells, <=, self->tokens->len);
  g_array_set_size (self->tokens, n_cells);
  self->cache->n_used -= self->n_pages - n_pages;
  self->n_pages = n_pages;
  return n_cells;
}

gboolean
bn_kv_seq_reserve (BnKvSeq *self, uint32_t n_tokens, GError **error)
{
  guint n_cells = self->tokens->len + n_tokens;

  check_thread ();
  g_assert_cmpuint (n_cells, <=, self->max_cells);
  if (grow (self, n_cells))
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY, "no pages");
  return FALSE;
}

/* ---- transformer ---- */

BnTransformer *
bn_transformer_new (BnGguf *gguf, BnBackend *backend,
    const BnTransformerOptions *options, BnProgressFunc progress,
    gpointer progress_data, GCancellable *cancellable, GError **error)
{
  progress (1, 4, progress_data);
  g_mutex_lock (&fake.mutex);
  g_assert_false (fake.is_alive);
  gboolean goes_on =
      !fake.has_load_gate || pass_gate (is_cancellable_set, cancellable);
  g_mutex_unlock (&fake.mutex);
  if (!goes_on) {
    g_cancellable_set_error_if_cancelled (cancellable, error);
    return NULL;
  }
  progress (4, 4, progress_data);
  if (fake.fails_to_load) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_CORRUPT, "no weights");
    return NULL;
  }

  BnTransformer *self = g_new0 (BnTransformer, 1);
  bn_hparams_read (&self->hparams, gguf, NULL);
  self->options = *options;
  if (options->context_size == 0)
    self->options.context_size = fake.context_size;
  self->cache.n_pages =
      (fake.n_cells ? fake.n_cells : options->n_cells) / BN_KV_PAGE_CELLS;
  self->cache.prefixes = g_hash_table_new_full (
      g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, NULL);
  self->logits = g_new (float, (gsize) options->n_logits *FAKE_N_VOCAB);
  g_mutex_lock (&fake.mutex);
  fake.is_alive = TRUE;
  fake.thread = g_thread_self ();
  g_mutex_unlock (&fake.mutex);
  return self;
}

void
bn_transformer_free (BnTransformer *self)
{
  check_thread ();
  g_assert_cmpuint (self->cache.n_used, ==, 0);
  g_hash_table_unref (self->cache.prefixes);
  g_free (self->logits);
  g_free (self);
  g_mutex_lock (&fake.mutex);
  fake.is_alive = FALSE;
  g_cond_broadcast (&fake.cond);
  g_mutex_unlock (&fake.mutex);
}

const BnHparams *
bn_transformer_get_hparams (const BnTransformer *self)
{
  return &self->hparams;
}

BnKvCache *
bn_transformer_get_kv_cache (BnTransformer *self)
{
  return &self->cache;
}

uint32_t
bn_transformer_get_context_size (const BnTransformer *self)
{
  return self->options.context_size;
}

uint32_t
bn_transformer_get_batch_size (const BnTransformer *self)
{
  return self->options.batch_size;
}

const BnProfile *
bn_transformer_get_profile (const BnTransformer *self)
{
  static const BnProfile none;

  return &none;
}

BnHead
bn_transformer_get_head (const BnTransformer *self)
{
  return BN_HEAD_FILE;
}

void
bn_transformer_get_screened (
    const BnTransformer *self, uint64_t *n_screened, uint64_t *n_computed)
{
  *n_screened = 0;
  *n_computed = 0;
}

uint64_t
bn_transformer_get_memory_size (const BnTransformer *self)
{
  return 1;
}

uint64_t
bn_transformer_get_token_size (const BnTransformer *self)
{
  return 1;
}

uint64_t
bn_transformer_get_token_products (const BnTransformer *self)
{
  return 1;
}

/* The rules of bn_transformer_forward(). */
static FakeStep
check_runs (BnTransformer *self, const BnRun *runs, uint32_t n_runs)
{
  FakeStep step = {.n_runs = n_runs};
  guint n_rows = 0;

  for (uint32_t i = 0; i < n_runs; i++) {
    guint end = runs[i].seq->tokens->len + runs[i].n_tokens;

    g_assert_cmpuint (runs[i].n_tokens, >, 0);
    g_assert_cmpuint (end, <=, runs[i].seq->n_pages * BN_KV_PAGE_CELLS);
    for (uint32_t k = 0; k < i; k++)
      g_assert_true (runs[k].seq != runs[i].seq);
    step.n_tokens += runs[i].n_tokens;
    if (runs[i].n_tokens > 1)
      step.n_prompt_tokens += runs[i].n_tokens;
    n_rows += runs[i].logits == BN_LOGITS_ALL    ? runs[i].n_tokens
              : runs[i].logits == BN_LOGITS_LAST ? 1
                                                 : 0;
  }
  g_assert_cmpuint (step.n_tokens, <=, self->options.batch_size);
  g_assert_cmpuint (n_rows, <=, self->options.n_logits);
  return step;
}

static gboolean
has_bad_token (const BnRun *run)
{
  for (guint i = 0; i < run->seq->tokens->len; i++) {
    if (g_array_index (run->seq->tokens, guint32, i) == FAKE_BAD_TOKEN)
      return TRUE;
  }
  for (guint i = 0; i < run->n_tokens; i++) {
    if (run->tokens[i] == FAKE_BAD_TOKEN)
      return TRUE;
  }
  return FALSE;
}

/* Logits of a run, row by row; returns the row behind. */
static float *
compute_run (BnRun *run, float *row)
{
  GArray *tokens = run->seq->tokens;

  run->result = run->logits == BN_LOGITS_NONE ? NULL : row;
  for (guint i = 0; i < run->n_tokens; i++) {
    g_array_append_val (tokens, run->tokens[i]);
    if (tokens->len % BN_KV_PAGE_CELLS == 0)
      g_hash_table_add (run->seq->cache->prefixes,
          g_bytes_new (tokens->data, tokens->len * sizeof (guint32)));
    if (run->logits == BN_LOGITS_ALL
        || (run->logits == BN_LOGITS_LAST && i + 1 == run->n_tokens)) {
      for (guint t = 0; t < FAKE_N_VOCAB; t++)
        row[t] = 0;
      row[fake_next_token ((guint32 *) (void *) tokens->data, tokens->len)] =
          10;
      row += FAKE_N_VOCAB;
    }
  }
  return row;
}

gboolean
bn_transformer_forward (BnTransformer *self, BnRun *runs, uint32_t n_runs,
    const int *abort, GError **error)
{
  FakeStep step = check_runs (self, runs, n_runs);
  float *row = self->logits;

  check_thread ();
  g_mutex_lock (&fake.mutex);
  gint64 end = g_get_monotonic_time () + fake.pass_us;
  while (fake.pass_us > 0 && g_get_monotonic_time () < end)
    g_cond_wait_until (&fake.cond, &fake.mutex, end);
  gboolean goes_on = pass_gate (is_flag_set, abort);
  fake.n_aborted += !goes_on;
  if (goes_on && fake.n_steps < FAKE_MAX_STEPS)
    fake.steps[fake.n_steps++] = step;
  g_mutex_unlock (&fake.mutex);
  if (!goes_on) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "aborted");
    return FALSE;
  }
  for (uint32_t i = 0; i < n_runs; i++) {
    if ((runs[i].logits != BN_LOGITS_NONE && has_bad_token (&runs[i]))
        || (runs[i].logits == BN_LOGITS_ALL && fake.hates_guesses)) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC, "NaN");
      return FALSE;
    }
  }
  for (uint32_t i = 0; i < n_runs; i++)
    row = compute_run (&runs[i], row);
  return TRUE;
}
