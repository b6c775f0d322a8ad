/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forward pass, as operators of the backend.
 *
 *     x = token_embd[tokens] (+ position_embd[positions])
 *     every layer:
 *         x += W_o sub_norm (attention (W_qkv norm (x)))
 *         x += W_down sub_norm (act (W_gate_up norm (x)))
 *     logits = W_out norm (x)        only for the rows that were asked for
 *
 * Buffers hold batch_size rows, or SLICE_ROWS where a slice of them goes on by
 * itself, and are made once. Norms and activation belong
 * to the products behind them, whose rows they prepare. After the attention of
 * the last layer nothing looks at the other rows any more, so from there on
 * only the rows that need logits are computed. */
#include "bn-transformer.h"
#include "bitnet-error.h"
#include "bn-scalar.h"
#include "bn-weights.h"

#include <math.h>

enum {
  DEFAULT_BATCH_SIZE = 512,
  SLICE_ROWS = 128,      /* that go on by themselves at a time */
  CHECK_PART = 32 << 10, /* logits that a thread looks at at a time */
};

struct BnTransformer {
  BnGguf *gguf;
  BnBackend *backend;
  BnHparams hparams;
  BnWeights *weights;
  BnKvCache *kv_cache;
  uint32_t context_size;
  uint32_t batch_size;
  uint32_t n_logits;

  /* Of the device, rows of one token each. */
  void *scratch;
  size_t scratch_size;
  float *x;      /* n_embd: the residual stream */
  float *added;  /* n_embd, SLICE_ROWS of them: position embeddings */
  float *qkv;    /* queries, which become their attention; keys, values */
  float *inner;  /* n_ff, SLICE_ROWS of them: activated gate and up */
  float *logits; /* n_vocab, n_logits rows */

  /* Of the host. */
  float *host_logits; /* logits itself where the device is the host */
  uint32_t *tokens;
  uint32_t *positions;
  uint32_t *logit_rows;      /* rows of the batch that need logits */
  const BnLogitNeed **needs; /* of those; NULL: all */
  uint32_t n_logit_rows;
  gboolean has_screened; /* some logits may be -infinity */
  float *cos_sin;
  BnBatchRun *runs;
  BnBatch batch;
  BnProfile profile;
};

/* Creation */

static size_t
qkv_width (const BnHparams *h)
{
  return (h->n_heads + 2 * (size_t) h->n_kv_heads) * h->head_size;
}

/* Cuts the scratch into buffers; with a NULL base just adds up. */
static size_t
place_buffers (BnTransformer *self, uint8_t *base)
{
  const BnHparams *h = &self->hparams;
  const uint32_t n_slice_rows = MIN (self->batch_size, SLICE_ROWS);
  const struct {
    float **buffer;
    size_t row;
    uint32_t n_rows;
  } buffers[] = {
      {&self->x, h->n_embd, self->batch_size},
      {&self->added, h->n_embd, h->rope == BN_ROPE_NONE ? n_slice_rows : 0},
      {&self->qkv, qkv_width (h), self->batch_size},
      {&self->inner, h->n_ff, n_slice_rows},
      {&self->logits, h->n_vocab, self->n_logits},
  };
  size_t size = 0;

  for (size_t i = 0; i < G_N_ELEMENTS (buffers); i++) {
    if (base)
      *buffers[i].buffer = (void *) (base + size);
    size += buffers[i].row * buffers[i].n_rows * sizeof (float);
    size = (size + BN_ALIGN - 1) / BN_ALIGN * BN_ALIGN;
  }
  return size;
}

static gboolean
make_scratch (BnTransformer *self, GError **error)
{
  const BnHparams *h = &self->hparams;
  BnBackend *backend = self->backend;
  const uint32_t q_size = h->n_heads * h->head_size;
  const size_t logits_size =
      (size_t) self->n_logits * h->n_vocab * sizeof (float);

  self->scratch_size = place_buffers (self, NULL);
  self->scratch = backend->ops->alloc (backend, self->scratch_size);
  if (self->scratch)
    place_buffers (self, self->scratch);
  self->host_logits =
      backend->is_host ? self->logits : g_try_malloc (logits_size);
  if (self->scratch == NULL || self->host_logits == NULL
      || !backend->ops->prepare (backend, self->batch_size,
          MAX (MAX (h->n_embd, h->n_ff), q_size), h->n_heads, h->head_size,
          self->context_size)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "%s: no memory for batches of %u tokens, %" G_GSIZE_FORMAT
        " bytes; a smaller batch needs less",
        bn_gguf_get_path (self->gguf), self->batch_size, self->scratch_size);
    return FALSE;
  }
  return TRUE;
}

/* What the host knows of a batch. */
static gboolean
make_batch_arrays (BnTransformer *self, GError **error)
{
  const uint32_t n = self->batch_size;
  const gboolean has_rope = self->hparams.rope != BN_ROPE_NONE;

  self->tokens = g_try_new (uint32_t, n);
  self->positions = g_try_new (uint32_t, n);
  self->logit_rows = g_try_new (uint32_t, n);
  self->needs = g_try_new (const BnLogitNeed *, n);
  self->runs = g_try_new (BnBatchRun, n);
  if (has_rope)
    self->cos_sin = g_try_new (float, (size_t) n * self->hparams.n_rot);
  if (self->tokens && self->positions && self->logit_rows && self->needs
      && self->runs && (self->cos_sin || !has_rope))
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
      "%s: no memory for batches of %u tokens; a smaller batch needs less",
      bn_gguf_get_path (self->gguf), n);
  return FALSE;
}

static void
choose_sizes (BnTransformer *self, const BnTransformerOptions *options)
{
  const BnHparams *h = &self->hparams;

  self->context_size = options->context_size;
  if (self->context_size == 0)
    self->context_size = MIN (h->n_context, BN_MAX_DEFAULT_CONTEXT);
  if (h->arch == BN_ARCH_GPT2) /* positions are in a table */
    self->context_size = MIN (self->context_size, h->n_context);
  self->batch_size =
      options->batch_size ? options->batch_size : DEFAULT_BATCH_SIZE;
  self->n_logits = self->batch_size;
  if (options->n_logits)
    self->n_logits = MIN (options->n_logits, self->batch_size);
}

/* What is needed beside the weights. A prompt of one batch is the least that
 * the cache must hold. */
static BnMemoryNeed
plan_memory (BnTransformer *self, BnKvType kv_type, uint32_t n_cells)
{
  const BnHparams *h = &self->hparams;
  const uint64_t cell_size = 2 * (uint64_t) h->n_layers * h->n_kv_heads
                             * bn_kv_cell_size (kv_type, h->head_size);
  const uint64_t scratch = place_buffers (self, NULL);

  return (BnMemoryNeed){
      .scratch = scratch,
      .cache = MIN (n_cells, self->batch_size) * cell_size,
      .reserved = n_cells * cell_size + scratch,
  };
}

BnTransformer *
bn_transformer_new (BnGguf *gguf, BnBackend *backend,
    const BnTransformerOptions *options, BnProgressFunc progress,
    gpointer progress_data, GCancellable *cancellable, GError **error)
{
  g_autoptr (BnTransformer) self = g_new0 (BnTransformer, 1);
  const BnHparams *h = &self->hparams;
  BnMemoryNeed need;
  uint32_t n_cells;

  self->gguf = bn_gguf_ref (gguf);
  self->backend = backend;
  self->profile.is_on = options->has_profile;
  if (!bn_hparams_read (&self->hparams, gguf, error))
    return NULL;
  if (!bn_kv_type_check (options->kv_type, h->head_size, error)) {
    g_prefix_error (error, "%s: ", bn_gguf_get_path (gguf));
    return NULL;
  }
  choose_sizes (self, options);
  n_cells = options->n_cells ? options->n_cells : self->context_size;
  need = plan_memory (self, options->kv_type, n_cells);
  self->weights =
      bn_weights_load (gguf, h, backend, options->repack, options->i2s_layout,
          options->head, &need, progress, progress_data, cancellable, error);
  if (self->weights == NULL)
    return NULL;
  self->kv_cache = bn_kv_cache_new (backend, options->kv_type, h->n_layers,
      h->n_kv_heads, h->head_size, n_cells, error);
  if (self->kv_cache == NULL) {
    g_prefix_error (error, "%s: ", bn_gguf_get_path (gguf));
    return NULL;
  }
  if (!make_scratch (self, error) || !make_batch_arrays (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
bn_transformer_free (BnTransformer *self)
{
  if (self->scratch)
    self->backend->ops->release (
        self->backend, self->scratch, self->scratch_size);
  if (!self->backend->is_host)
    g_free (self->host_logits);
  g_free (self->tokens);
  g_free (self->positions);
  g_free (self->logit_rows);
  g_free (self->needs);
  g_free (self->cos_sin);
  g_free (self->runs);
  g_clear_pointer (&self->kv_cache, bn_kv_cache_free);
  g_clear_pointer (&self->weights, bn_weights_free);
  bn_gguf_unref (self->gguf);
  g_free (self);
}

const BnHparams *
bn_transformer_get_hparams (const BnTransformer *self)
{
  return &self->hparams;
}

BnKvCache *
bn_transformer_get_kv_cache (BnTransformer *self)
{
  return self->kv_cache;
}

uint32_t
bn_transformer_get_context_size (const BnTransformer *self)
{
  return self->context_size;
}

uint32_t
bn_transformer_get_batch_size (const BnTransformer *self)
{
  return self->batch_size;
}

BnHead
bn_transformer_get_head (const BnTransformer *self)
{
  return self->weights->head;
}

void
bn_transformer_get_screened (
    const BnTransformer *self, uint64_t *n_screened, uint64_t *n_computed)
{
  const BnScreen *screen = self->weights->screen;

  *n_screened = screen ? screen->n_screened_rows : 0;
  *n_computed = screen ? screen->n_computed_rows : 0;
}

const BnProfile *
bn_transformer_get_profile (const BnTransformer *self)
{
  return &self->profile;
}

uint64_t
bn_transformer_get_memory_size (const BnTransformer *self)
{
  return (uint64_t) self->weights->memory_size + self->scratch_size;
}

uint64_t
bn_transformer_get_token_size (const BnTransformer *self)
{
  return self->weights->token_size;
}

uint64_t
bn_transformer_get_token_products (const BnTransformer *self)
{
  return self->weights->token_products;
}

/* The forward pass */

/* Adds one run to the batch. */
static gboolean
add_run (BnTransformer *self, const BnRun *run, GError **error)
{
  const BnHparams *h = &self->hparams;
  BnBatch *batch = &self->batch;
  const uint32_t position = bn_kv_seq_get_n_cells (run->seq);

  g_assert (
      run->n_tokens > 0 && run->n_tokens <= self->batch_size - batch->n_rows);
  if (!bn_kv_seq_reserve (run->seq, run->n_tokens, error))
    return FALSE;
  self->runs[batch->n_runs++] = (BnBatchRun){
      .pages = bn_kv_seq_get_pages (run->seq),
      .first_row = batch->n_rows,
      .n_rows = run->n_tokens,
      .position = position,
  };
  for (uint32_t i = 0; i < run->n_tokens; i++) {
    const uint32_t row = batch->n_rows++;

    if (run->tokens[i] >= h->n_vocab) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
          "token %u at position %u, expected less than the vocabulary size "
          "%u",
          run->tokens[i], position + i, h->n_vocab);
      return FALSE;
    }
    self->tokens[row] = run->tokens[i];
    self->positions[row] = position + i;
    if (self->cos_sin)
      bn_hparams_rope (h, self->weights->rope_freqs, position + i,
          self->cos_sin + (size_t) row * h->n_rot);
    if (run->logits == BN_LOGITS_ALL
        || (run->logits == BN_LOGITS_LAST && i + 1 == run->n_tokens)) {
      self->needs[self->n_logit_rows] = run->need;
      self->logit_rows[self->n_logit_rows++] = row;
    }
  }
  return TRUE;
}

static gboolean
make_batch (
    BnTransformer *self, const BnRun *runs, uint32_t n_runs, GError **error)
{
  self->batch = (BnBatch){
      .runs = self->runs,
      .positions = self->positions,
      .cos_sin = self->cos_sin,
  };
  self->n_logit_rows = 0;
  for (uint32_t i = 0; i < n_runs; i++) {
    if (!add_run (self, &runs[i], error))
      return FALSE;
  }
  g_assert (self->n_logit_rows <= self->n_logits);
  return TRUE;
}

static void
add_positions (BnTransformer *self, uint32_t first, uint32_t n_rows)
{
  const BnBackendOps *ops = self->backend->ops;
  const uint32_t n_embd = self->hparams.n_embd;

  ops->embed (self->backend, self->added, &self->weights->position_embd,
      self->positions + first, n_rows);
  ops->add (self->backend, self->x + (size_t) first * n_embd, self->added,
      n_embd, n_rows);
}

static void
embed (BnTransformer *self)
{
  const uint32_t n_rows = self->batch.n_rows;

  self->backend->ops->embed (
      self->backend, self->x, &self->weights->token_embd, self->tokens, n_rows);
  for (uint32_t first = 0; first < n_rows && self->weights->position_embd.data;
       first += SLICE_ROWS)
    add_positions (self, first, MIN (SLICE_ROWS, n_rows - first));
  bn_profile_end_part (&self->profile, BN_PART_EMBED);
}

/* self->qkv = attention (W_qkv norm (x)); keys and values to the cache. */
static void
compute_attention (BnTransformer *self, const BnLayer *layer, uint32_t index)
{
  const BnHparams *h = &self->hparams;
  const BnBackendOps *ops = self->backend->ops;
  const BnLinear *parts[G_N_ELEMENTS (layer->attn_qkv)];
  const BnAttention attention = {
      .kv = bn_kv_cache_get_layout (self->kv_cache),
      .layer = index,
      .n_heads = h->n_heads,
      .n_kv_heads = h->n_kv_heads,
      .head_size = h->head_size,
      .n_rot = h->n_rot,
      .is_neox = h->rope == BN_ROPE_NEOX,
      .scale = h->attn_scale,
      .q_norm = layer->attn_q_norm.weight ? &layer->attn_q_norm : NULL,
      .k_norm = layer->attn_k_norm.weight ? &layer->attn_k_norm : NULL,
  };
  const BnRows input = {self->x, h->n_embd, &layer->attn_norm};
  const BnResults results = {self->qkv, qkv_width (h), .use = BN_USE_STORE};

  for (uint32_t i = 0; i < layer->n_attn_qkv; i++)
    parts[i] = &layer->attn_qkv[i];
  ops->matmul (self->backend, &results, &input, parts, layer->n_attn_qkv,
      self->batch.n_rows);
  bn_profile_end_part (&self->profile, BN_PART_QKV);
  ops->store_kv (self->backend, self->qkv, &attention, &self->batch);
  bn_profile_end_part (&self->profile, BN_PART_STORE);
  ops->attend (self->backend, self->qkv, &attention, &self->batch);
  bn_profile_end_part (&self->profile, BN_PART_ATTENTION);
}

/* x += W_o sub_norm (attention), for rows [first, first + n) */
static void
add_attention (
    BnTransformer *self, const BnLayer *layer, uint32_t first, uint32_t n_rows)
{
  const BnHparams *h = &self->hparams;
  const BnLinear *output = &layer->attn_output;
  const BnRows input = {self->qkv + first * qkv_width (h), qkv_width (h),
      h->has_sub_norms ? &layer->attn_sub_norm : NULL};
  const BnResults results = {
      self->x + (size_t) first * h->n_embd, h->n_embd, .use = BN_USE_ADD};

  self->backend->ops->matmul (
      self->backend, &results, &input, &output, 1, n_rows);
  bn_profile_end_part (&self->profile, BN_PART_OUTPUT);
}

/* x += W_down sub_norm (act (W_gate_up norm (x))), for rows [first, first + n)
 */
static void
add_ffn (
    BnTransformer *self, const BnLayer *layer, uint32_t first, uint32_t n_rows)
{
  const BnHparams *h = &self->hparams;
  const BnBackendOps *ops = self->backend->ops;
  const BnLinear *parts[G_N_ELEMENTS (layer->ffn_gate_up)];
  const BnLinear *down = &layer->ffn_down;
  float *x = self->x + (size_t) first * h->n_embd;
  const BnRows input = {x, h->n_embd, &layer->ffn_norm};
  const BnResults inner = {
      self->inner, h->n_ff, BN_USE_ACTIVATE, h->activation};
  const BnRows inner_input = {
      self->inner, h->n_ff, h->has_sub_norms ? &layer->ffn_sub_norm : NULL};
  const BnResults results = {x, h->n_embd, .use = BN_USE_ADD};

  for (uint32_t i = 0; i < layer->n_ffn_gate_up; i++)
    parts[i] = &layer->ffn_gate_up[i];
  ops->matmul (
      self->backend, &inner, &input, parts, layer->n_ffn_gate_up, n_rows);
  bn_profile_end_part (&self->profile, BN_PART_GATE_UP);
  ops->matmul (self->backend, &results, &inner_input, &down, 1, n_rows);
  bn_profile_end_part (&self->profile, BN_PART_DOWN);
}

/* What follows the attention sees a row by itself. A slice of them at a time
 * keeps the inner rows, the widest, few and in the cache. */
static void
add_slices (BnTransformer *self, const BnLayer *layer, uint32_t n_rows)
{
  for (uint32_t first = 0; first < n_rows; first += SLICE_ROWS) {
    const uint32_t n = MIN (SLICE_ROWS, n_rows - first);

    add_attention (self, layer, first, n);
    add_ffn (self, layer, first, n);
  }
}

/* From here on the rows are those that need logits. */
static void
keep_logit_rows (BnTransformer *self)
{
  const BnBackendOps *ops = self->backend->ops;
  const BnHparams *h = &self->hparams;

  ops->gather (self->backend, self->x, h->n_embd, h->n_embd, self->logit_rows,
      self->n_logit_rows);
  ops->gather (self->backend, self->qkv, qkv_width (h),
      h->n_heads * h->head_size, self->logit_rows, self->n_logit_rows);
}

static void
compute_logits (BnTransformer *self)
{
  const BnRows input = {
      self->x, self->hparams.n_embd, &self->weights->output_norm};
  const BnLinear *output = &self->weights->output;
  const BnResults results = {
      self->logits, self->hparams.n_vocab, .use = BN_USE_STORE};

  self->has_screened = FALSE;
  if (self->weights->screen != NULL)
    self->has_screened =
        self->backend->ops->matmul_screened (self->backend, self->logits,
            &input, self->weights->screen, self->needs, self->n_logit_rows);
  else
    self->backend->ops->matmul (
        self->backend, &results, &input, &output, 1, self->n_logit_rows);
  bn_profile_end_part (&self->profile, BN_PART_HEAD);
}

static void
compute_batch (BnTransformer *self)
{
  const uint32_t n_layers = self->weights->n_layers;

  embed (self);
  for (uint32_t i = 0; i < n_layers; i++) {
    const BnLayer *layer = &self->weights->layers[i];
    uint32_t n_rows = self->batch.n_rows;

    compute_attention (self, layer, i);
    if (i + 1 == n_layers) {
      keep_logit_rows (self);
      n_rows = self->n_logit_rows;
    }
    if (n_rows == 0)
      return;
    add_slices (self, layer, n_rows);
  }
  compute_logits (self);
}

/* NaN or infinity, but for -infinity where a screened head has left some
 * logits out. */
static gboolean
has_not_finite (const float *logits, uint32_t n, gboolean has_screened)
{
  uint32_t magnitude;
  const float max = bn_kernels_get ()->find_max (logits, n, &magnitude);

  return magnitude >= BN_BITS_INFINITY
         && !(has_screened && magnitude == BN_BITS_INFINITY && max < INFINITY);
}

typedef struct {
  const float *logits;
  gboolean has_screened;
  int has_bad; /* atomic */
} Check;

static void
check_part (size_t begin, size_t end, uint32_t worker, void *data)
{
  Check *check = data;

  if (has_not_finite (
          check->logits + begin, (uint32_t) (end - begin), check->has_screened))
    g_atomic_int_set (&check->has_bad, TRUE);
}

static gboolean
check_logits (BnTransformer *self, GError **error)
{
  const uint32_t n_vocab = self->hparams.n_vocab;
  Check check = {self->host_logits, self->has_screened, FALSE};

  self->backend->ops->for_each (self->backend,
      (size_t) self->n_logit_rows * n_vocab, CHECK_PART, check_part, &check);
  if (!g_atomic_int_get (&check.has_bad))
    return TRUE;
  for (uint32_t i = 0; i < self->n_logit_rows; i++) {
    const uint32_t row = self->logit_rows[i];

    if (!has_not_finite (self->host_logits + (size_t) i * n_vocab, n_vocab,
            self->has_screened))
      continue;
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC,
        "%s: the logits after token %u at position %u are not finite; the "
        "weights are damaged or of another layout",
        bn_gguf_get_path (self->gguf), self->tokens[row], self->positions[row]);
    break;
  }
  return FALSE;
}

static void
commit_runs (BnTransformer *self, BnRun *runs, uint32_t n_runs)
{
  float *logits = self->host_logits;

  for (uint32_t i = 0; i < n_runs; i++) {
    BnRun *run = &runs[i];

    bn_kv_seq_commit (run->seq, run->tokens, run->n_tokens);
    run->result = run->logits == BN_LOGITS_NONE ? NULL : logits;
    if (run->logits == BN_LOGITS_LAST)
      logits += self->hparams.n_vocab;
    else if (run->logits == BN_LOGITS_ALL)
      logits += (size_t) run->n_tokens * self->hparams.n_vocab;
  }
}

gboolean
bn_transformer_forward (BnTransformer *self, BnRun *runs, uint32_t n_runs,
    const int *abort, GError **error)
{
  BnBackend *backend = self->backend;

  if (!make_batch (self, runs, n_runs, error))
    return FALSE;
  if (self->batch.n_rows == 0)
    return TRUE;
  backend->ops->begin (backend, abort);
  bn_profile_begin (&self->profile);
  compute_batch (self);
  if (!backend->ops->end (backend)) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED,
        "the computation was cancelled");
    return FALSE;
  }
  if (!backend->is_host && self->n_logit_rows > 0)
    backend->ops->read (backend, self->host_logits, self->logits,
        (size_t) self->n_logit_rows * self->hparams.n_vocab
            * sizeof *self->logits);
  if (!check_logits (self, error))
    return FALSE;
  commit_runs (self, runs, n_runs);
  return TRUE;
}
