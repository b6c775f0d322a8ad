/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must not change a bit of the logits: how a prompt is cut into batches,
 * who else is in a batch, the number of threads, a prefix from the cache, the
 * container of ternary weights. And what ends a pass: abort, a full context,
 * numbers that are not finite. */
#include "bitnet-error.h"
#include "bn-transformer.h"
#include "tiny-model.h"

#include <math.h>
#include <string.h>

enum { CONTEXT = 128, N_TOKENS = 75 };

/* A loaded model with everything it needs. */
typedef struct {
  BnGguf *gguf;
  BnBackend *backend;
  BnTransformer *transformer;
  uint32_t n_vocab;
} Engine;

static void
engine_clear (Engine *self)
{
  g_clear_pointer (&self->transformer, bn_transformer_free);
  g_clear_pointer (&self->backend, bn_backend_free);
  g_clear_pointer (&self->gguf, bn_gguf_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Engine, engine_clear)

static void
engine_init (Engine *self, TinyModel *model, const BnKernels *kernels,
    guint n_threads, BnI2sLayout layout)
{
  const BnTransformerOptions options = {.context_size = CONTEXT,
      .batch_size = N_TOKENS,
      .n_cells = 8 * CONTEXT,
      .i2s_layout = layout};
  g_autoptr (GError) error = NULL;

  self->gguf = tiny_model_open (model);
  self->backend = bn_cpu_backend_new (kernels, n_threads);
  self->transformer = bn_transformer_new (
      self->gguf, self->backend, &options, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  self->n_vocab = bn_transformer_get_hparams (self->transformer)->n_vocab;
}

static BnKvSeq *
new_seq (Engine *self)
{
  return bn_kv_seq_new (
      bn_transformer_get_kv_cache (self->transformer), CONTEXT);
}

static void
fill_prompt (uint32_t *tokens, uint32_t n, uint32_t seed)
{
  for (uint32_t i = 0; i < n; i++)
    tokens[i] = (i * 37 + seed * 11 + i * i) % 96;
}

/* Feeds tokens in pieces of the given lengths (the last one repeats) and
 * stores the logits after each in rows of n_vocab. */
static void
run_in_pieces (Engine *self, BnKvSeq *seq, const uint32_t *tokens, uint32_t n,
    const uint32_t *pieces, float *logits)
{
  for (uint32_t i = 0, p = 0; i < n; p += pieces[p + 1] ? 1 : 0) {
    BnRun run = {.seq = seq,
        .tokens = tokens + i,
        .n_tokens = MIN (pieces[p], n - i),
        .logits = BN_LOGITS_ALL};
    g_autoptr (GError) error = NULL;

    bn_transformer_forward (self->transformer, &run, 1, NULL, &error);
    g_assert_no_error (error);
    memcpy (logits + (size_t) i * self->n_vocab, run.result,
        (size_t) run.n_tokens * self->n_vocab * sizeof *logits);
    i += run.n_tokens;
  }
}

/* All at once. */
static float *
run_whole (Engine *self, const uint32_t *tokens, uint32_t n)
{
  const uint32_t whole[] = {N_TOKENS, 0};
  float *logits = g_new (float, (size_t) n * self->n_vocab);
  g_autoptr (BnKvSeq) seq = new_seq (self);

  run_in_pieces (self, seq, tokens, n, whole, logits);
  return logits;
}

static void
assert_same_bits (const float *a, const float *b, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    if (memcmp (&a[i], &b[i], sizeof *a) != 0)
      g_error ("logit %" G_GSIZE_FORMAT " is %a, not %a", i, (double) a[i],
          (double) b[i]);
  }
}

/* Models for the tests of invariance: every kind of activation, every
 * architecture. */
static const TinySpec specs[] = {
    {.arch = "bitnet-b1.58",
        .type = BN_TYPE_I2_S,
        .embd_type = BN_TYPE_F16,
        .is_tied = TRUE},
    {.arch = "bitnet",
        .type = BN_TYPE_IQ2_BN,
        .embd_type = BN_TYPE_Q8_0,
        .has_scales = TRUE},
    {.arch = "bitnet",
        .type = BN_TYPE_TQ2_0,
        .n_embd = 256,
        .n_ff = 256,
        .has_scales = TRUE},
    {.arch = "llama", .type = BN_TYPE_F32},
    {.arch = "llama", .type = BN_TYPE_Q4_0, .embd_type = BN_TYPE_Q5_1},
    {.arch = "llama",
        .type = BN_TYPE_BF16,
        .n_embd = 60,
        .n_heads = 6,
        .n_kv_heads = 3,
        .n_ff = 77},
    {.arch = "gpt2", .type = BN_TYPE_Q8_0},
    {.arch = "qwen2", .type = BN_TYPE_F16},
    {.arch = "qwen3",
        .type = BN_TYPE_Q4_1,
        .head_size = 24,
        .embd_type = BN_TYPE_F16},
};

/* All on the best kernels, some in C too. */
static void
for_each_model (void (*test) (TinyModel *model, const BnKernels *kernels))
{
  enum { N_IN_C = 2 };

  for (gsize i = 0; i < G_N_ELEMENTS (specs) + N_IN_C; i++) {
    const gsize spec = i % G_N_ELEMENTS (specs);
    g_autoptr (TinyModel) model = tiny_model_new (&specs[spec]);
    BnKernels kernels;

    bn_kernels_init (&kernels, i == spec ? ~0u : 0);
    test (model, &kernels);
  }
}

static void
check_pieces (TinyModel *model, const BnKernels *kernels)
{
  static const uint32_t cuts[][6] = {
      {1, 0}, {7, 5, 3, 0}, {32, 0}, {33, 31, 1, 0}, {64, 2, 0}};
  g_auto (Engine) engine = {NULL};
  uint32_t tokens[N_TOKENS];
  g_autofree float *expected = NULL, *found = NULL;
  size_t n;

  engine_init (&engine, model, kernels, 2, BN_I2S_A);
  n = (size_t) N_TOKENS * engine.n_vocab;
  found = g_new (float, n);
  fill_prompt (tokens, N_TOKENS, 1);
  expected = run_whole (&engine, tokens, N_TOKENS);
  for (gsize i = 0; i < G_N_ELEMENTS (cuts); i++) {
    g_autoptr (BnKvSeq) seq = new_seq (&engine);

    run_in_pieces (&engine, seq, tokens, N_TOKENS, cuts[i], found);
    assert_same_bits (found, expected, n);
  }
}

static void
test_pieces (void)
{
  for_each_model (check_pieces);
}

/* Six sequences of different lengths together, in two orders, in two steps. */
static void
check_batches (TinyModel *model, const BnKernels *kernels)
{
  enum { N_SEQS = 6, STEP = 9 };
  static const uint32_t order[2][N_SEQS] = {
      {0, 1, 2, 3, 4, 5}, {3, 5, 0, 4, 1, 2}};
  g_auto (Engine) engine = {NULL};
  uint32_t tokens[N_SEQS][2 * STEP];
  float *expected[N_SEQS];

  engine_init (&engine, model, kernels, 3, BN_I2S_A);
  for (uint32_t i = 0; i < N_SEQS; i++) {
    fill_prompt (tokens[i], 2 * STEP, i / 2);
    expected[i] = run_whole (&engine, tokens[i], 2 * STEP);
  }
  for (gsize o = 0; o < G_N_ELEMENTS (order); o++) {
    BnKvSeq *seqs[N_SEQS];
    uint32_t n_done[N_SEQS] = {0};

    for (uint32_t i = 0; i < N_SEQS; i++)
      seqs[i] = new_seq (&engine);
    for (int step = 0; step < 2; step++) {
      BnRun runs[N_SEQS];
      g_autoptr (GError) error = NULL;

      for (uint32_t i = 0; i < N_SEQS; i++) {
        const uint32_t s = order[o][i];
        runs[i] = (BnRun){.seq = seqs[s],
            .tokens = tokens[s] + n_done[s],
            .n_tokens = step ? 2 * STEP - n_done[s] : 1 + s * 2,
            .logits = (BnLogits) (s % 3)};
        n_done[s] += runs[i].n_tokens;
      }
      bn_transformer_forward (engine.transformer, runs, N_SEQS, NULL, &error);
      g_assert_no_error (error);
      for (uint32_t i = 0; i < N_SEQS; i++) {
        const uint32_t s = order[o][i];
        uint32_t n_rows = runs[i].n_tokens;

        if (runs[i].logits == BN_LOGITS_NONE) {
          g_assert_null (runs[i].result);
          continue;
        }
        if (runs[i].logits == BN_LOGITS_LAST)
          n_rows = 1;
        assert_same_bits (runs[i].result,
            expected[s] + (size_t) (n_done[s] - n_rows) * engine.n_vocab,
            (size_t) n_rows * engine.n_vocab);
      }
    }
    for (uint32_t i = 0; i < N_SEQS; i++)
      bn_kv_seq_free (seqs[i]);
  }
  for (uint32_t i = 0; i < N_SEQS; i++)
    g_free (expected[i]);
}

static void
test_batches (void)
{
  for_each_model (check_batches);
}

static void
check_threads (TinyModel *model, const BnKernels *kernels)
{
  g_autofree float *expected = NULL;
  uint32_t tokens[N_TOKENS];

  fill_prompt (tokens, N_TOKENS, 2);
  for (guint n_threads = 1; n_threads <= 5; n_threads += 2) {
    g_auto (Engine) engine = {NULL};
    g_autofree float *found = NULL;

    engine_init (&engine, model, kernels, n_threads, BN_I2S_A);
    found = run_whole (&engine, tokens, N_TOKENS);
    if (expected)
      assert_same_bits (found, expected, (size_t) N_TOKENS * engine.n_vocab);
    else
      expected = g_steal_pointer (&found);
  }
}

static void
test_threads (void)
{
  for_each_model (check_threads);
}

/* The second sequence begins like the first one, which may have ended. */
static void
check_shared (Engine *engine, uint32_t n_shared, gboolean has_ended)
{
  const uint32_t whole[] = {N_TOKENS, 0};
  const uint32_t n_full = N_TOKENS / BN_KV_PAGE_CELLS * BN_KV_PAGE_CELLS;
  uint32_t tokens[N_TOKENS], others[N_TOKENS], n_found;
  g_autofree float *expected = NULL, *found = NULL;
  g_autoptr (BnKvSeq) first = NULL, second = NULL;

  fill_prompt (tokens, N_TOKENS, 3);
  fill_prompt (others, N_TOKENS, 3);
  for (uint32_t i = n_shared; i < N_TOKENS; i++)
    others[i] = (others[i] + 1) % 96;
  expected = run_whole (engine, others, N_TOKENS);
  found = g_new (float, (size_t) N_TOKENS * engine->n_vocab);
  bn_kv_cache_clear (bn_transformer_get_kv_cache (engine->transformer));

  first = new_seq (engine);
  run_in_pieces (engine, first, tokens, N_TOKENS, whole, found);
  if (has_ended)
    g_clear_pointer (&first, bn_kv_seq_free);
  second = new_seq (engine);
  n_found = bn_kv_seq_match (second, others, N_TOKENS);
  g_assert_cmpuint (n_found, ==, has_ended ? n_shared : MIN (n_shared, n_full));
  run_in_pieces (
      engine, second, others + n_found, N_TOKENS - n_found, whole, found);
  assert_same_bits (found, expected + (size_t) n_found * engine->n_vocab,
      (size_t) (N_TOKENS - n_found) * engine->n_vocab);
}

static void
check_prefix (TinyModel *model, const BnKernels *kernels)
{
  const uint32_t n_shared[] = {2 * BN_KV_PAGE_CELLS, 20, 50, 70};
  g_auto (Engine) engine = {NULL};

  engine_init (&engine, model, kernels, 2, BN_I2S_A);
  for (gsize i = 0; i < G_N_ELEMENTS (n_shared); i++) {
    bn_kv_cache_clear (bn_transformer_get_kv_cache (engine.transformer));
    check_shared (&engine, n_shared[i], i % 2);
    bn_kv_cache_clear (bn_transformer_get_kv_cache (engine.transformer));
    check_shared (&engine, n_shared[i], (i + 1) % 2);
  }
}

static void
test_prefix (void)
{
  const TinySpec models[] = {
      {.arch = "bitnet-b1.58", .type = BN_TYPE_I2_S}, {.arch = "gpt2"}};

  for (gsize i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autoptr (TinyModel) model = tiny_model_new (&models[i]);
    check_prefix (model, NULL);
  }
}

/* A sequence that was cut and fed other tokens. */
static void
test_truncate (void)
{
  const TinySpec spec = {.arch = "bitnet-b1.58", .type = BN_TYPE_I2_S};
  const uint32_t whole[] = {N_TOKENS, 0};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_auto (Engine) engine = {NULL};
  g_autoptr (BnKvSeq) seq = NULL;
  uint32_t tokens[N_TOKENS];
  g_autofree float *expected = NULL, *found = NULL;

  engine_init (&engine, model, NULL, 2, BN_I2S_A);
  found = g_new (float, (size_t) N_TOKENS *engine.n_vocab);
  fill_prompt (tokens, N_TOKENS, 4);
  expected = run_whole (&engine, tokens, N_TOKENS);
  for (uint32_t keep = 0; keep < N_TOKENS; keep += 10) {
    uint32_t wrong[N_TOKENS];
    uint32_t n_kept;

    memcpy (wrong, tokens, sizeof wrong);
    for (uint32_t i = keep; i < N_TOKENS; i++)
      wrong[i] = 95 - wrong[i];
    g_clear_pointer (&seq, bn_kv_seq_free);
    seq = new_seq (&engine);
    run_in_pieces (&engine, seq, wrong, N_TOKENS, whole, found);
    n_kept = bn_kv_seq_truncate (seq, keep);
    g_assert_cmpuint (n_kept, <=, keep);
    run_in_pieces (
        &engine, seq, tokens + n_kept, N_TOKENS - n_kept, whole, found);
    assert_same_bits (found, expected + (size_t) n_kept * engine.n_vocab,
        (size_t) (N_TOKENS - n_kept) * engine.n_vocab);
  }
}

/* One ternary model in the three orders of I2_S. */
static void
test_layouts (void)
{
  static const BnI2sLayout layouts[] = {BN_I2S_A, BN_I2S_B, BN_I2S_C};
  g_autofree float *expected = NULL;
  uint32_t tokens[N_TOKENS];

  fill_prompt (tokens, N_TOKENS, 5);
  for (gsize i = 0; i < G_N_ELEMENTS (layouts); i++) {
    for (gsize j = 0; j < G_N_ELEMENTS (layouts); j++) {
      const TinySpec spec = {.arch = "bitnet-b1.58",
          .type = BN_TYPE_I2_S,
          .embd_type = BN_TYPE_I2_S,
          .i2s_layout = layouts[i]};
      g_autoptr (TinyModel) model = tiny_model_new (&spec);
      g_auto (Engine) engine = {NULL};
      g_autofree float *found = NULL;
      size_t n;

      engine_init (&engine, model, NULL, 2, layouts[j]);
      n = (size_t) N_TOKENS * engine.n_vocab;
      found = run_whole (&engine, tokens, N_TOKENS);
      if (expected == NULL)
        expected = g_steal_pointer (&found);
      else if (i == j)
        assert_same_bits (found, expected, n);
      else /* read in another order it is another model */
        g_assert_true (memcmp (found, expected, n * sizeof *found) != 0);
    }
  }
}

/* A factor of 2 beside each tensor is the same as one inside it. */
static void
test_scales (void)
{
  static const char *const parts[] = {"attn_q", "attn_k", "attn_v",
      "attn_output", "ffn_gate", "ffn_up", "ffn_down"};
  const BnType types[] = {BN_TYPE_F32, BN_TYPE_TQ2_0};
  uint32_t tokens[N_TOKENS];

  fill_prompt (tokens, N_TOKENS, 6);
  for (gsize t = 0; t < G_N_ELEMENTS (types); t++) {
    const TinySpec spec = {.arch = "bitnet",
        .type = types[t],
        .n_embd = 256,
        .n_ff = 256,
        .has_scales = TRUE};
    float *logits[2] = {NULL, NULL};

    for (int is_inside = 0; is_inside < 2; is_inside++) {
      g_autoptr (TinyModel) model = tiny_model_new (&spec);
      g_auto (Engine) engine = {NULL};

      for (gsize i = 0; i < G_N_ELEMENTS (parts) * 2; i++) {
        const char *part = parts[i / 2];
        const guint layer = (guint) (i % 2);
        g_autofree char *name =
            g_strdup_printf ("blk.%u.%s.weight", layer, part);
        float *values = tiny_model_get_tensor (model, "%s", name);

        tiny_model_get_tensor (model, "blk.%u.%s.scale", layer, part)[0] =
            is_inside ? 1 : 2;
        for (uint32_t j = 0;
             j < 256 * tiny_model_get_n_rows (model, name) && is_inside; j++)
          values[j] *= 2;
      }
      engine_init (&engine, model, NULL, 2, BN_I2S_A);
      logits[is_inside] = run_whole (&engine, tokens, N_TOKENS);
    }
    assert_same_bits (logits[0], logits[1], (size_t) N_TOKENS * 96);
    g_free (logits[0]);
    g_free (logits[1]);
  }
}

/* Values of one key-value head at zero: as if the output projection did not
 * look at the query heads of that group. */
static void
test_head_groups (void)
{
  const TinySpec spec = {
      .arch = "llama", .n_heads = 8, .n_kv_heads = 2, .n_layers = 1};
  enum { D = 8, EMBD = 64, GROUP = 4 };
  uint32_t tokens[N_TOKENS];

  fill_prompt (tokens, N_TOKENS, 7);
  for (uint32_t g = 0; g < 2; g++) {
    float *logits[2] = {NULL, NULL};

    for (int has_zero_output = 0; has_zero_output < 2; has_zero_output++) {
      g_autoptr (TinyModel) model = tiny_model_new (&spec);
      g_auto (Engine) engine = {NULL};
      float *v = tiny_model_get_tensor (model, "blk.0.attn_v.weight");
      float *o = tiny_model_get_tensor (model, "blk.0.attn_output.weight");

      for (uint32_t i = 0; i < D * EMBD && !has_zero_output; i++)
        v[g * D * EMBD + i] = 0;
      for (uint32_t row = 0; row < EMBD && has_zero_output; row++) {
        for (uint32_t i = 0; i < GROUP * D; i++)
          o[row * EMBD + g * GROUP * D + i] = 0;
      }
      engine_init (&engine, model, NULL, 1, BN_I2S_A);
      logits[has_zero_output] = run_whole (&engine, tokens, N_TOKENS);
    }
    assert_same_bits (logits[0], logits[1], (size_t) N_TOKENS * 96);
    g_free (logits[0]);
    g_free (logits[1]);
  }
}

/* Abort: before a pass, and at any moment of one. */

typedef struct {
  int abort; /* atomic */
  int is_running;
  guint delay;
} Aborter;

static gpointer
abort_later (gpointer data)
{
  Aborter *aborter = data;

  while (!g_atomic_int_get (&aborter->is_running))
    g_thread_yield ();
  for (guint i = 0; i < aborter->delay; i++)
    g_thread_yield ();
  g_atomic_int_set (&aborter->abort, 1);
  return NULL;
}

static void
test_abort (void)
{
  const TinySpec spec = {.arch = "bitnet-b1.58",
      .type = BN_TYPE_I2_S,
      .n_embd = 256,
      .n_ff = 512,
      .n_layers = 8};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_auto (Engine) engine = {NULL};
  g_autofree float *expected = NULL;
  uint32_t tokens[N_TOKENS];
  guint n_aborted = 0;

  engine_init (&engine, model, NULL, 2, BN_I2S_A);
  fill_prompt (tokens, N_TOKENS, 8);
  expected = run_whole (&engine, tokens, N_TOKENS);
  bn_kv_cache_clear (bn_transformer_get_kv_cache (engine.transformer));
  for (guint i = 0; i < 30; i++) {
    Aborter aborter = {.abort = i == 0, .delay = i * 5};
    g_autoptr (BnKvSeq) seq = new_seq (&engine);
    BnRun run = {.seq = seq,
        .tokens = tokens,
        .n_tokens = N_TOKENS,
        .logits = BN_LOGITS_ALL};
    g_autoptr (GError) error = NULL;
    GThread *thread = g_thread_new ("abort", abort_later, &aborter);

    g_atomic_int_set (&aborter.is_running, 1);
    if (!bn_transformer_forward (
            engine.transformer, &run, 1, &aborter.abort, &error)) {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_cmpuint (bn_kv_seq_get_n_cells (seq), ==, 0);
      g_clear_error (&error);
      n_aborted++;
      bn_transformer_forward (engine.transformer, &run, 1, NULL, &error);
      g_assert_no_error (error);
    }
    g_thread_join (thread);
    assert_same_bits (run.result, expected, (size_t) N_TOKENS * engine.n_vocab);
  }
  g_assert_cmpuint (n_aborted, >, 0);
}

/* Weights that are finite, so that loading cannot object, but whose product
 * is not. */
static void
test_not_finite (void)
{
  const TinySpec spec = {.arch = "llama", .type = BN_TYPE_F32};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_auto (Engine) engine = {NULL};
  g_autoptr (BnKvSeq) seq = NULL;
  g_autoptr (GError) error = NULL;
  const uint32_t tokens[] = {4, 5, 6};
  BnRun run = {.tokens = tokens, .n_tokens = 3, .logits = BN_LOGITS_LAST};

  for (uint32_t i = 0; i < 64 * 128; i++) {
    tiny_model_get_tensor (model, "blk.1.ffn_gate.weight")[i] *= 1e30f;
    tiny_model_get_tensor (model, "blk.1.ffn_up.weight")[i] *= 1e30f;
  }
  engine_init (&engine, model, NULL, 2, BN_I2S_A);
  run.seq = seq = new_seq (&engine);
  g_assert_false (
      bn_transformer_forward (engine.transformer, &run, 1, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, "token 6 at position 2"));
  g_assert_cmpuint (bn_kv_seq_get_n_cells (seq), ==, 0);
}

static void
test_bad_token (void)
{
  const TinySpec spec = {.arch = "llama"};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_auto (Engine) engine = {NULL};
  const uint32_t bad[] = {96, 97, UINT32_MAX};

  engine_init (&engine, model, NULL, 1, BN_I2S_A);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (BnKvSeq) seq = new_seq (&engine);
    const uint32_t tokens[] = {1, bad[i]};
    BnRun run = {.seq = seq, .tokens = tokens, .n_tokens = 2};
    g_autoptr (GError) error = NULL;

    g_assert_false (
        bn_transformer_forward (engine.transformer, &run, 1, NULL, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
    g_assert_cmpuint (bn_kv_seq_get_n_cells (seq), ==, 0);
  }
}

/* gpt2 has a table of positions: no option gets beyond it. The others may. */
static void
test_context (void)
{
  const char *const archs[] = {"gpt2", "llama"};

  for (gsize i = 0; i < G_N_ELEMENTS (archs); i++) {
    const TinySpec spec = {.arch = archs[i], .n_context = 40};
    g_autoptr (TinyModel) model = tiny_model_new (&spec);
    g_auto (Engine) engine = {NULL};
    g_autoptr (BnKvSeq) seq = NULL;
    g_autoptr (GError) error = NULL;
    uint32_t tokens[41], n;
    BnRun run = {.tokens = tokens, .n_tokens = 40};

    engine_init (&engine, model, NULL, 1, BN_I2S_A);
    n = bn_transformer_get_context_size (engine.transformer);
    g_assert_cmpuint (n, ==, i == 0 ? 40 : CONTEXT);
    fill_prompt (tokens, 41, 9);
    seq = bn_kv_seq_new (bn_transformer_get_kv_cache (engine.transformer), n);
    run.seq = seq;
    bn_transformer_forward (engine.transformer, &run, 1, NULL, &error);
    g_assert_no_error (error);
    run.n_tokens = 1;
    run.tokens = tokens + 40;
    bn_transformer_forward (engine.transformer, &run, 1, NULL, &error);
    if (i == 0)
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CONTEXT_FULL);
    else
      g_assert_no_error (error);
  }
}

/* Mapped in place or packed: the same numbers up to the order of sums. */
/* The output matrix is the dearest one: only who asks for logits pays. */
static void
test_no_logits (void)
{
  const TinySpec spec = {.arch = "llama"};
  const BnTransformerOptions options = {
      .context_size = CONTEXT, .batch_size = N_TOKENS, .has_profile = TRUE};
  static const BnLogits kinds[] = {BN_LOGITS_NONE, BN_LOGITS_LAST};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_auto (Engine) engine = {0};
  g_autoptr (GError) error = NULL;
  uint32_t tokens[N_TOKENS];

  engine.gguf = tiny_model_open (model);
  engine.backend = bn_cpu_backend_new (NULL, 1);
  engine.transformer = bn_transformer_new (
      engine.gguf, engine.backend, &options, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  fill_prompt (tokens, N_TOKENS, 1);
  g_autoptr (BnKvSeq) seq = new_seq (&engine);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++) {
    BnRun run = {
        .seq = seq, .tokens = tokens, .n_tokens = 40, .logits = kinds[i]};
    g_assert_true (
        bn_transformer_forward (engine.transformer, &run, 1, NULL, &error));
    g_assert_cmpint (run.result == NULL, ==, i == 0);
    g_assert_cmpint (
        bn_transformer_get_profile (engine.transformer)->ns[BN_PART_HEAD] == 0,
        ==, i == 0);
  }
}

static void
test_repack (void)
{
  const BnType types[] = {
      BN_TYPE_Q8_0, BN_TYPE_Q4_0, BN_TYPE_F16, BN_TYPE_I2_S, BN_TYPE_IQ2_BN};
  uint32_t tokens[N_TOKENS];

  fill_prompt (tokens, N_TOKENS, 10);
  for (gsize t = 0; t < G_N_ELEMENTS (types); t++) {
    const TinySpec spec = {.arch = "llama", .type = types[t]};
    g_autoptr (TinyModel) model = tiny_model_new (&spec);
    g_autofree float *expected = NULL;

    for (BnRepack repack = BN_REPACK_AUTO; repack <= BN_REPACK_ALWAYS;
         repack++) {
      const BnTransformerOptions options = {
          .batch_size = N_TOKENS, .repack = repack};
      g_auto (Engine) engine = {NULL};
      g_autoptr (GError) error = NULL;
      g_autofree float *found = NULL;

      engine.gguf = tiny_model_open (model);
      engine.backend = bn_cpu_backend_new (NULL, 2);
      engine.transformer = bn_transformer_new (
          engine.gguf, engine.backend, &options, NULL, NULL, NULL, &error);
      g_assert_no_error (error);
      engine.n_vocab = 96;
      found = run_whole (&engine, tokens, N_TOKENS);
      if (expected == NULL) {
        expected = g_steal_pointer (&found);
        continue;
      }
      for (size_t i = 0; i < (size_t) N_TOKENS * 96; i++)
        g_assert_cmpfloat_with_epsilon (found[i], expected[i], 0.05);
    }
  }
}

/* Behind a long context: cells of both types, divided among threads or not,
 * give the same bits however the tokens came. */
enum { LONG = 1100, LONG_TAIL = 6, LONG_VOCAB = 96 };

static void
long_engine_init (
    Engine *self, TinyModel *model, BnKvType kv_type, guint n_threads)
{
  const BnTransformerOptions options = {.context_size = LONG,
      .batch_size = 256,
      .n_cells = 2 * LONG,
      .kv_type = kv_type};
  g_autoptr (GError) error = NULL;

  self->gguf = tiny_model_open (model);
  self->backend = bn_cpu_backend_new (NULL, n_threads);
  self->transformer = bn_transformer_new (
      self->gguf, self->backend, &options, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  self->n_vocab = LONG_VOCAB;
}

/* Logits of all tokens, which come in pieces. */
static float *
run_long (
    TinyModel *model, BnKvType kv_type, guint n_threads, const uint32_t *pieces)
{
  g_auto (Engine) engine = {NULL};
  g_autofree uint32_t *tokens = g_new (uint32_t, LONG);
  float *logits = g_new (float, LONG *LONG_VOCAB);
  BnKvSeq *seq;

  fill_prompt (tokens, LONG, 12);
  long_engine_init (&engine, model, kv_type, n_threads);
  seq = bn_kv_seq_new (bn_transformer_get_kv_cache (engine.transformer), LONG);
  run_in_pieces (&engine, seq, tokens, LONG, pieces, logits);
  bn_kv_seq_free (seq);
  return logits;
}

static void
test_long_context (void)
{
  const TinySpec spec = {.arch = "llama",
      .type = BN_TYPE_F32,
      .n_embd = 64,
      .n_heads = 4,
      .n_kv_heads = 2,
      .head_size = 32,
      .n_ff = 64};
  const uint32_t even[] = {256, 0};
  const uint32_t uneven[] = {
      250, 250, 250, 250, LONG - 1000 - LONG_TAIL - 3, 3, 1, 0};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);

  for (BnKvType type = BN_KV_F16; type <= BN_KV_Q8_0; type++) {
    g_autofree float *expected = run_long (model, type, 1, even);

    for (guint n_threads = 1; n_threads <= 3; n_threads += 2) {
      g_autofree float *found = run_long (model, type, n_threads, uneven);
      assert_same_bits (found, expected, LONG * LONG_VOCAB);
    }
  }
}

/* Rows of positions are added a slice at a time, and are the widest ones here.
 */
static void
test_positions (void)
{
  const TinySpec spec = {.arch = "gpt2",
      .n_layers = 1,
      .n_embd = 4096,
      .n_heads = 1,
      .head_size = 2,
      .n_ff = 4,
      .n_context = LONG};
  const uint32_t even[] = {256, 0};
  const uint32_t uneven[] = {250, 1, 120, 129, 256, 256, LONG - 1012, 0};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_autofree float *expected = run_long (model, BN_KV_F16, 1, even);
  g_autofree float *found = run_long (model, BN_KV_F16, 2, uneven);

  assert_same_bits (found, expected, LONG * LONG_VOCAB);
}

/* What the smaller cells cost: 8 bits for a number instead of 11 change the
 * logits by about 1 %; ternary products, which round their activations to 8
 * bits again, make more of it. */
static void
test_cache_type (void)
{
  const TinySpec llama = {.arch = "llama", .head_size = 32};
  const TinySpec bitnet = {
      .arch = "bitnet-b1.58", .type = BN_TYPE_I2_S, .head_size = 64};
  const TinySpec *const models[] = {&llama, &bitnet};
  const uint32_t pieces[] = {256, 0};

  for (gsize m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (TinyModel) model = tiny_model_new (models[m]);
    g_autofree float *halves = run_long (model, BN_KV_F16, 2, pieces);
    g_autofree float *bytes = run_long (model, BN_KV_Q8_0, 2, pieces);
    double error = 0, sum = 0;

    for (size_t i = 0; i < LONG * LONG_VOCAB; i++) {
      const double difference = (double) bytes[i] - (double) halves[i];
      error += difference * difference;
      sum += (double) halves[i] * (double) halves[i];
    }
    g_test_message ("%s: %.3g", models[m]->arch, sqrt (error / sum));
    g_assert_cmpfloat (error, >, 0);
    g_assert_cmpfloat (sqrt (error / sum), <, 0.05);
  }
}

/* A prefix that is copied within a page, in cells of bytes. */
static void
test_cache_type_prefix (void)
{
  const TinySpec spec = {.arch = "llama", .head_size = 32};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  const uint32_t whole[] = {256, 0};
  g_auto (Engine) engine = {NULL};
  g_autofree float *expected = g_new (float, N_TOKENS *LONG_VOCAB);
  g_autofree float *found = g_new (float, N_TOKENS *LONG_VOCAB);
  uint32_t tokens[N_TOKENS], n_cached;
  BnKvCache *cache;
  BnKvSeq *seq;

  long_engine_init (&engine, model, BN_KV_Q8_0, 1);
  cache = bn_transformer_get_kv_cache (engine.transformer);
  fill_prompt (tokens, N_TOKENS, 3);
  seq = bn_kv_seq_new (cache, LONG);
  run_in_pieces (&engine, seq, tokens, N_TOKENS, whole, expected);
  bn_kv_seq_free (seq);
  seq = bn_kv_seq_new (cache, LONG);
  n_cached = bn_kv_seq_match (seq, tokens, N_TOKENS);
  g_assert_cmpuint (n_cached, ==, N_TOKENS - 1);
  run_in_pieces (&engine, seq, tokens + n_cached, 1, whole, found);
  assert_same_bits (found, expected + n_cached * LONG_VOCAB, LONG_VOCAB);
  bn_kv_seq_free (seq);
}

static void
test_cache_type_refused (void)
{
  const TinySpec spec = {.arch = "llama", .head_size = 24};
  const BnTransformerOptions options = {.kv_type = BN_KV_Q8_0};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_auto (Engine) engine = {NULL};
  g_autoptr (GError) error = NULL;

  engine.gguf = tiny_model_open (model);
  engine.backend = bn_cpu_backend_new (NULL, 1);
  g_assert_null (bn_transformer_new (
      engine.gguf, engine.backend, &options, NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/transformer/pieces", test_pieces);
  g_test_add_func ("/transformer/batches", test_batches);
  g_test_add_func ("/transformer/threads", test_threads);
  g_test_add_func ("/transformer/prefix", test_prefix);
  g_test_add_func ("/transformer/truncate", test_truncate);
  g_test_add_func ("/transformer/i2s-layouts", test_layouts);
  g_test_add_func ("/transformer/scales", test_scales);
  g_test_add_func ("/transformer/head-groups", test_head_groups);
  g_test_add_func ("/transformer/abort", test_abort);
  g_test_add_func ("/transformer/not-finite", test_not_finite);
  g_test_add_func ("/transformer/bad-token", test_bad_token);
  g_test_add_func ("/transformer/context", test_context);
  g_test_add_func ("/transformer/no-logits", test_no_logits);
  g_test_add_func ("/transformer/repack", test_repack);
  g_test_add_func ("/transformer/long-context", test_long_context);
  g_test_add_func ("/transformer/positions", test_positions);
  g_test_add_func ("/transformer/cache-type/accuracy", test_cache_type);
  g_test_add_func ("/transformer/cache-type/prefix", test_cache_type_prefix);
  g_test_add_func ("/transformer/cache-type/refused", test_cache_type_refused);
  return g_test_run ();
}
