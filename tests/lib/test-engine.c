/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetEngine and BitnetSequence over small random models. */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "bitnet.h"
#include "test-vocab.h"
#include "tiny-model.h"

/* What the tests share: a model that is quick, one that takes its time, a
 * tokenizer for both. */
static struct {
  char *folder;
  guint n_vocab;
  char *small;
  char *large;
  BitnetTokenizer *tokenizer;
} data;

/* ---- helpers ---- */

static char *
make_path (const char *name)
{
  return g_build_filename (data.folder, name, NULL);
}

static BitnetModel *
open_model (const char *path)
{
  g_autoptr (GError) error = NULL;
  BitnetModel *model = bitnet_model_new_from_file (path, NULL, &error);

  g_assert_no_error (error);
  return model;
}

static void
write_tiny (const char *path, const TinySpec *spec)
{
  g_autoptr (TinyModel) tiny = tiny_model_new (spec);

  tiny_model_write (tiny, path);
}

static BitnetEngine *
get_engine (
    const char *path, guint n_threads, guint batch_size, guint n_sequences)
{
  g_autoptr (BitnetModel) model = open_model (path);
  g_autoptr (BitnetEngineOptions) options = bitnet_engine_options_new ();
  g_autoptr (GError) error = NULL;

  options->n_threads = n_threads;
  options->batch_size = batch_size;
  options->n_sequences = n_sequences;
  BitnetEngine *engine = bitnet_model_get_engine (model, options, &error);
  g_assert_no_error (error);
  return engine;
}

static BitnetEngine *
load_engine (
    const char *path, guint n_threads, guint batch_size, guint n_sequences)
{
  g_autoptr (GError) error = NULL;
  BitnetEngine *engine = get_engine (path, n_threads, batch_size, n_sequences);

  bitnet_engine_load (engine, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  return engine;
}

static guint32 *
make_prompt (guint32 seed, guint n)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint32 *tokens = g_new (guint32, n);

  for (guint i = 0; i < n; i++)
    tokens[i] = (guint32) g_rand_int_range (rand, 0, (int) data.n_vocab);
  return tokens;
}

static BitnetSequence *
submit (BitnetEngine *engine, guint32 seed, guint n_prompt, guint max_tokens,
    double temperature)
{
  g_autofree guint32 *prompt = make_prompt (seed, n_prompt);
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autoptr (GError) error = NULL;

  params->max_tokens = max_tokens;
  params->temperature = temperature;
  BitnetSequence *sequence =
      bitnet_engine_submit (engine, NULL, prompt, n_prompt, params, &error);
  g_assert_no_error (error);
  return sequence;
}

static GArray *
drain (BitnetSequence *sequence, GError **error)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (guint32));
  guint32 piece[16];
  gssize n;

  while ((n = bitnet_sequence_take (sequence, piece, 16, NULL, error)) > 0)
    g_array_append_vals (all, piece, (guint) n);
  return all;
}

static GArray *
drain_good (BitnetSequence *sequence)
{
  g_autoptr (GError) error = NULL;
  GArray *all = drain (sequence, &error);

  g_assert_no_error (error);
  return all;
}

static void
assert_equal_tokens (const GArray *a, const GArray *b)
{
  g_assert_cmpmem (
      a->data, a->len * sizeof (guint32), b->data, b->len * sizeof (guint32));
}

/* ---- options ---- */

static const struct {
  const char *device;
  int code; /* -1: fine */
} devices[] = {
    {NULL, -1},
    {"auto", -1},
    {"cpu", -1},
    {"cuda", BITNET_ERROR_DEVICE},
    {"cuda:0", BITNET_ERROR_DEVICE},
    {"cuda:1", BITNET_ERROR_DEVICE},
    {"", BITNET_ERROR_INVALID_ARGUMENT},
    {"CPU", BITNET_ERROR_INVALID_ARGUMENT},
    {"cuda:", BITNET_ERROR_INVALID_ARGUMENT},
    {"cuda:x", BITNET_ERROR_INVALID_ARGUMENT},
    {"cuda1", BITNET_ERROR_INVALID_ARGUMENT},
    {"tpu", BITNET_ERROR_INVALID_ARGUMENT},
};

static void
test_devices (void)
{
  g_autoptr (BitnetModel) model = open_model (data.small);

  for (gsize i = 0; i < G_N_ELEMENTS (devices); i++) {
    g_autoptr (BitnetEngineOptions) options = bitnet_engine_options_new ();
    g_autoptr (GError) error = NULL;

    options->device = g_strdup (devices[i].device);
    g_autoptr (BitnetEngine) engine =
        bitnet_model_get_engine (model, options, &error);
    if (devices[i].code < 0) {
      g_assert_no_error (error);
      g_assert_cmpstr (bitnet_engine_get_device (engine), ==, "cpu");
      g_assert_true (bitnet_engine_get_model (engine) == model);
    } else {
      g_assert_error (error, BITNET_ERROR, devices[i].code);
      g_assert_nonnull (strstr (error->message, devices[i].device));
      g_assert_null (engine);
    }
  }
}

static void
test_options (void)
{
  g_autoptr (BitnetModel) model = open_model (data.small);
  g_autoptr (BitnetEngineOptions) options = bitnet_engine_options_new ();
  g_autoptr (GError) error = NULL;

  options->device = g_strdup ("auto");
  options->n_threads = 3;
  options->context_size = 100;
  g_autoptr (BitnetEngineOptions) copy =
      g_boxed_copy (BITNET_TYPE_ENGINE_OPTIONS, options);
  g_autoptr (BitnetEngine) engine =
      bitnet_model_get_engine (model, copy, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (bitnet_engine_get_n_threads (engine), ==, 3);
  g_assert_cmpuint (bitnet_engine_get_context_size (engine), ==, 100);
  g_assert_true (bitnet_engine_matches (engine, options));
  g_assert_false (bitnet_engine_matches (engine, NULL));
  options->batch_size = 512; /* what 0 stands for */
  options->n_sequences = 8;
  g_assert_true (bitnet_engine_matches (engine, options));
  options->n_threads = 2;
  g_assert_false (bitnet_engine_matches (engine, options));

  /* One engine for a model and a device, whatever is asked for. */
  g_autoptr (BitnetEngine) same =
      bitnet_model_get_engine (model, options, &error);
  g_assert_true (same == engine);

  options->n_sequences = 257;
  g_assert_null (bitnet_model_get_engine (model, options, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, "sequences is 257, expected 0 to 256");
  g_clear_error (&error);
  options->n_sequences = 8;
  options->context_size = (1 << 24) + 1;
  g_assert_null (bitnet_model_get_engine (model, options, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "context-size is 16777217"));

  /* It is not kept by the model. */
  g_clear_object (&same);
  g_clear_object (&engine);
  options->n_sequences = 2;
  options->context_size = 100;
  engine = bitnet_model_get_engine (model, options, NULL);
  g_assert_true (bitnet_engine_matches (engine, options));
}

/* Files may claim any context: the default stays within what the cache can
 * keep account of. */
static void
test_claimed_context (void)
{
  const TinySpec spec = {
      .arch = "llama", .n_vocab = data.n_vocab, .n_context = 1 << 30};
  g_autofree char *path = make_path ("claim.gguf");

  write_tiny (path, &spec);
  g_autoptr (BitnetEngine) engine = get_engine (path, 1, 16, 2);
  g_assert_cmpuint (bitnet_engine_get_context_size (engine), ==, 1 << 20);
  g_clear_object (&engine);
  engine = load_engine (path, 1, 16, 2);
  g_assert_cmpuint (bitnet_engine_get_context_size (engine), ==, 1 << 20);
  g_autoptr (BitnetSequence) sequence = submit (engine, 1, 20, 5, 0);
  g_autoptr (GArray) tokens = drain_good (sequence);
  g_assert_cmpuint (tokens->len, ==, 5);
}

static void
test_reasons (void)
{
  static const char *const names[] = {
      "none", "stop", "length", "stop-string", "cancelled", "error"};

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_cmpstr (
        bitnet_finish_reason_to_string ((BitnetFinishReason) i), ==, names[i]);
}

/* ---- loading ---- */

static void
count_progress (guint64 done, guint64 total, gpointer user_data)
{
  guint *n = user_data;

  g_assert_cmpuint (done, <=, total);
  (*n)++;
}

static gpointer
load_in_thread (gpointer engine)
{
  guint n_progress = 0;
  g_autoptr (GError) error = NULL;

  bitnet_engine_load (engine, count_progress, &n_progress, NULL, &error);
  g_assert_no_error (error);
  return NULL;
}

static void
test_load (void)
{
  enum { N = 4 };
  g_autoptr (BitnetEngine) engine = get_engine (data.large, 2, 64, 4);
  g_autoptr (GError) error = NULL;
  GThread *threads[N];
  guint32 token = 1;
  guint n_progress = 0;

  g_assert_null (bitnet_engine_submit (engine, NULL, &token, 1, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);

  for (int i = 0; i < N; i++)
    threads[i] = g_thread_new ("loader", load_in_thread, engine);
  for (int i = 0; i < N; i++)
    g_thread_join (threads[i]);

  bitnet_engine_load (engine, count_progress, &n_progress, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n_progress, ==, 0);
  g_autoptr (BitnetSequence) sequence = submit (engine, 1, 5, 5, 0);
  g_autoptr (GArray) tokens = drain_good (sequence);
  g_assert_cmpuint (tokens->len, ==, 5);
}

static void
store_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **stored = user_data;

  *stored = g_object_ref (result);
}

static GAsyncResult *
wait_result (GAsyncResult **stored)
{
  while (*stored == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *stored;
}

static void
test_load_async (void)
{
  g_autoptr (BitnetEngine) engine = get_engine (data.large, 2, 64, 4);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GError) error = NULL;

  bitnet_engine_load_async (
      engine, G_PRIORITY_DEFAULT, NULL, store_result, &first);
  bitnet_engine_load_async (
      engine, G_PRIORITY_DEFAULT, cancellable, store_result, &cancelled);
  g_cancellable_cancel (cancellable);
  bitnet_engine_load_async (
      engine, G_PRIORITY_DEFAULT, NULL, store_result, &second);
  g_assert_false (
      bitnet_engine_load_finish (engine, wait_result (&cancelled), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_true (
      bitnet_engine_load_finish (engine, wait_result (&first), &error));
  g_assert_true (
      bitnet_engine_load_finish (engine, wait_result (&second), &error));
  g_assert_no_error (error);
}

/* Given up, and loaded after all. */
static void
test_load_cancel (void)
{
  g_autoptr (BitnetEngine) engine = get_engine (data.large, 2, 64, 4);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  for (int i = 0; i < 5; i++) {
    g_assert_false (
        bitnet_engine_load (engine, NULL, NULL, cancellable, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error (&error);
  }
  bitnet_engine_load (engine, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
}

/* A file that is a model but not one that can be run. */
static void
test_load_fails (void)
{
  const TinySpec spec = {.arch = "llama", .n_vocab = data.n_vocab};
  g_autoptr (TinyModel) tiny = tiny_model_new (&spec);
  g_autofree char *path = make_path ("incomplete.gguf");
  g_autoptr (GError) error = NULL;

  tiny_model_drop_tensor (tiny, "blk.1.ffn_down.weight");
  tiny_model_write (tiny, path);
  g_autoptr (BitnetEngine) engine = get_engine (path, 1, 64, 4);
  for (int i = 0; i < 2; i++) {
    g_assert_false (bitnet_engine_load (engine, NULL, NULL, NULL, &error));
    g_assert_nonnull (error);
    g_assert_true (error->domain == BITNET_ERROR);
    g_assert_nonnull (strstr (error->message, "blk.1.ffn_down.weight"));
    g_clear_error (&error);
  }
}

/* ---- generating ---- */

/* Greedy tokens are the argmax of the logits of prompt and answer. */
static void
test_greedy (void)
{
  enum { N_PROMPT = 70, N = 40 };
  g_autoptr (BitnetEngine) engine = load_engine (data.small, 2, 32, 4);
  g_autofree guint32 *all =
      g_realloc_n (make_prompt (1, N_PROMPT), N_PROMPT + N, sizeof (guint32));
  g_autoptr (BitnetSequence) sequence = submit (engine, 1, N_PROMPT, N, 0);
  g_autoptr (GArray) got = drain_good (sequence);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (got->len, ==, N);
  memcpy (all + N_PROMPT, got->data, N * sizeof (guint32));
  g_autoptr (GBytes) bytes =
      bitnet_engine_compute_logits (engine, all, N_PROMPT + N, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==,
      (N_PROMPT + N) * data.n_vocab * sizeof (float));
  const float *logits = g_bytes_get_data (bytes, NULL);
  for (guint i = 0; i < N; i++) {
    const float *row = logits + (N_PROMPT + i - 1) * data.n_vocab;
    guint best = 0;
    for (guint t = 1; t < data.n_vocab; t++) {
      if (row[t] > row[best])
        best = t;
    }
    g_assert_cmpuint (g_array_index (got, guint32, i), ==, best);
  }

  g_assert_cmpint (
      bitnet_sequence_get_finish_reason (sequence), ==, BITNET_FINISH_LENGTH);
  g_assert_cmpuint (
      bitnet_sequence_get_n_prompt_tokens (sequence), ==, N_PROMPT);
  g_assert_cmpuint (bitnet_sequence_get_n_cached_tokens (sequence), ==, 0);
  g_assert_cmpuint (bitnet_sequence_get_n_generated_tokens (sequence), ==, N);
  g_assert_cmpuint (bitnet_sequence_get_prefill_ns (sequence), >, 0);
  g_assert_cmpuint (bitnet_sequence_get_decode_ns (sequence), >, 0);

  /* The next turn finds prompt and answer in the cache. */
  g_autoptr (BitnetSequence) turn =
      bitnet_engine_submit (engine, NULL, all, N_PROMPT + N, NULL, &error);
  g_assert_no_error (error);
  guint32 token;
  g_assert_cmpint (bitnet_sequence_take (turn, &token, 1, NULL, NULL), ==, 1);
  g_assert_cmpuint (bitnet_sequence_get_n_cached_tokens (turn), >=, 96);
}

/* BITNET_DETERMINISTIC=1 BITNET_SEED=42: equal tokens for any number of
 * threads, size of a batch, company, and state of the cache. */
static void
test_deterministic (void)
{
  static const struct {
    guint n_threads, batch_size, n_others;
  } cases[] = {{1, 512, 0}, {1, 512, 0}, {2, 512, 0}, {3, 512, 0}, {1, 1, 0},
      {2, 7, 0}, {3, 33, 3}, {1, 512, 5}, {2, 16, 7}};
  enum { N_PROMPT = 90, N = 60 };
  g_autoptr (GArray) first = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetEngine) engine =
        load_engine (data.small, cases[i].n_threads, cases[i].batch_size, 4);

    for (int round = 0; round < 2; round++) {
      g_autoptr (GPtrArray) others =
          g_ptr_array_new_with_free_func (g_object_unref);
      for (guint k = 0; k < cases[i].n_others; k++)
        g_ptr_array_add (others, submit (engine, 50 + k, 10 + 20 * k, N, 1));
      g_autoptr (BitnetSequence) sequence =
          submit (engine, 1, N_PROMPT, N, 0.8);
      g_autoptr (GArray) got = drain_good (sequence);

      g_assert_cmpuint (got->len, ==, N);
      if (first == NULL)
        first = g_array_ref (got);
      assert_equal_tokens (got, first);
      /* others may begin alike by chance */
      guint n_cached = bitnet_sequence_get_n_cached_tokens (sequence);
      g_assert_true (round == 0 ? n_cached < 32 : n_cached >= 64);
    }
  }

  /* Another seed gives other tokens, or the above would prove nothing. */
  g_autofree guint32 *prompt = make_prompt (1, N_PROMPT);
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autoptr (BitnetEngine) engine = load_engine (data.small, 1, 512, 4);
  params->seed = 43;
  params->max_tokens = N;
  g_autoptr (BitnetSequence) sequence =
      bitnet_engine_submit (engine, NULL, prompt, N_PROMPT, params, NULL);
  g_autoptr (GArray) got = drain_good (sequence);
  g_assert_cmpint (
      memcmp (got->data, first->data, N * sizeof (guint32)), !=, 0);
}

static void
test_logits_of_pieces (void)
{
  enum { N = 100 };
  g_autofree guint32 *tokens = make_prompt (3, N);
  g_autoptr (BitnetEngine) engine = load_engine (data.small, 2, 512, 2);
  g_autoptr (GBytes) whole =
      bitnet_engine_compute_logits (engine, tokens, N, NULL, NULL);
  g_clear_object (&engine);
  engine = load_engine (data.small, 1, 9, 2);
  g_autoptr (GBytes) pieces =
      bitnet_engine_compute_logits (engine, tokens, N, NULL, NULL);
  g_assert_true (g_bytes_equal (whole, pieces));
}

/* Eight responses at once, of which one is not taken. */
static void
test_eight (void)
{
  enum { N = 8, LAZY = 2, N_TOKENS = 120 };
  g_autoptr (BitnetEngine) engine = load_engine (data.small, 2, 64, 8);
  BitnetSequence *sequences[N];
  GArray *expected[N];

  for (guint i = 0; i < N; i++) {
    g_autoptr (BitnetSequence) alone = submit (engine, i, 40, N_TOKENS, 0);
    expected[i] = drain_good (alone);
  }
  for (guint i = 0; i < N; i++)
    sequences[i] = submit (engine, i, 40, N_TOKENS, 0);
  for (guint i = 0; i < N; i++) {
    if (i == LAZY)
      continue;
    g_autoptr (GArray) got = drain_good (sequences[i]);
    assert_equal_tokens (got, expected[i]);
  }
  g_assert_cmpint (bitnet_sequence_get_finish_reason (sequences[LAZY]), ==,
      BITNET_FINISH_NONE);
  g_autoptr (GArray) late = drain_good (sequences[LAZY]);
  assert_equal_tokens (late, expected[LAZY]);
  for (guint i = 0; i < N; i++) {
    g_object_unref (sequences[i]);
    g_array_unref (expected[i]);
  }
}

/* ---- errors ---- */

static void
test_bad_prompts (void)
{
  g_autoptr (BitnetEngine) engine = load_engine (data.small, 1, 64, 4);
  guint n_context = bitnet_engine_get_context_size (engine);
  g_autofree guint32 *prompt = make_prompt (1, n_context + 1);
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autofree char *number = g_strdup_printf ("%u", n_context);
  const char *stop[] = {"x", NULL};
  g_autoptr (GError) error = NULL;

  g_assert_null (
      bitnet_engine_submit (engine, NULL, prompt, n_context, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CONTEXT_FULL);
  g_assert_nonnull (strstr (error->message, number));
  g_clear_error (&error);
  g_assert_null (bitnet_engine_compute_logits (
      engine, prompt, n_context + 1, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CONTEXT_FULL);
  g_clear_error (&error);
  g_assert_null (bitnet_engine_submit (engine, NULL, NULL, 0, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (bitnet_engine_compute_logits (engine, NULL, 0, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  prompt[1] = data.n_vocab;
  g_assert_null (bitnet_engine_submit (engine, NULL, prompt, 2, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);

  params->top_p = 2;
  g_assert_null (
      bitnet_engine_submit (engine, NULL, prompt, 1, params, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "top-p"));
  g_clear_error (&error);
  params->top_p = 1;
  bitnet_params_set_stop (params, stop);
  g_assert_null (
      bitnet_engine_submit (engine, NULL, prompt, 1, params, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);

  /* The longest that is allowed. */
  g_autoptr (BitnetSequence) sequence = submit (engine, 1, n_context - 1, 0, 0);
  g_autoptr (GArray) got = drain_good (sequence);
  g_assert_cmpuint (got->len, ==, 1);
  g_assert_cmpint (
      bitnet_sequence_get_finish_reason (sequence), ==, BITNET_FINISH_LENGTH);
}

/* Weights that pass every check at load and overflow when they are used. */
static void
test_overflow (void)
{
  const TinySpec spec = {.arch = "llama", .n_vocab = data.n_vocab};
  g_autoptr (TinyModel) tiny = tiny_model_new (&spec);
  g_autofree char *path = make_path ("overflow.gguf");
  float *row = tiny_model_get_tensor (tiny, "output.weight");

  for (guint i = 0; i < tiny_model_get_n_cols (tiny, "output.weight"); i++)
    row[i] = 3e38f;
  tiny_model_write (tiny, path);
  g_autoptr (BitnetEngine) engine = load_engine (path, 1, 64, 4);
  g_autoptr (BitnetSequence) sequence = submit (engine, 1, 5, 10, 0);
  for (int i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GArray) got = drain (sequence, &error);
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, "overflow.gguf"));
    g_assert_cmpuint (got->len, ==, 0);
  }
  g_assert_cmpint (
      bitnet_sequence_get_finish_reason (sequence), ==, BITNET_FINISH_ERROR);
}

/* ---- how responses end ---- */

static void
test_end_token (void)
{
  g_autoptr (BitnetEngine) engine = load_engine (data.small, 1, 64, 4);
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  guint32 eos =
      bitnet_tokenizer_get_special (data.tokenizer, BITNET_SPECIAL_EOS);
  guint32 prompt[] = {1, 2, 3};

  g_assert_true (bitnet_tokenizer_is_eog (data.tokenizer, eos));
  params->max_tokens = 5;
  bitnet_params_set_logit_bias (params, eos, 1000);
  g_autoptr (BitnetSequence) ended =
      bitnet_engine_submit (engine, data.tokenizer, prompt, 3, params, NULL);
  g_autoptr (GArray) one = drain_good (ended);
  g_assert_cmpuint (one->len, ==, 1);
  g_assert_cmpuint (g_array_index (one, guint32, 0), ==, eos);
  g_assert_cmpint (
      bitnet_sequence_get_finish_reason (ended), ==, BITNET_FINISH_STOP);

  params->ignore_eos = TRUE;
  g_autoptr (BitnetSequence) ignored =
      bitnet_engine_submit (engine, data.tokenizer, prompt, 3, params, NULL);
  g_autoptr (GArray) five = drain_good (ignored);
  g_assert_cmpuint (five->len, ==, 5);
  g_assert_cmpint (
      bitnet_sequence_get_finish_reason (ignored), ==, BITNET_FINISH_LENGTH);
}

/* The model is made to say "hello" again and again. */
static const struct {
  const char *stop;
  const char *text;
  BitnetFinishReason reason;
} stops[] = {
    {"zz", "hellohellohello", BITNET_FINISH_LENGTH},
    {"hello", "", BITNET_FINISH_STOP_STRING},
    {"llo", "he", BITNET_FINISH_STOP_STRING},
    {"ohe", "hell", BITNET_FINISH_STOP_STRING},
    {"lohellohe", "hel", BITNET_FINISH_STOP_STRING},
    {"hellohellohellohello", "hellohellohello", BITNET_FINISH_LENGTH},
};

static void
test_stop_strings (void)
{
  g_autoptr (BitnetEngine) engine = load_engine (data.small, 1, 64, 4);
  guint32 hello = bitnet_tokenizer_lookup (data.tokenizer, "hello");
  guint32 prompt[] = {1, 2, 3};

  for (gsize i = 0; i < G_N_ELEMENTS (stops); i++) {
    const char *stop[] = {"never", stops[i].stop, NULL};
    g_autoptr (BitnetParams) params = bitnet_params_new ();
    g_autoptr (GError) error = NULL;

    params->max_tokens = 3;
    bitnet_params_set_logit_bias (params, hello, 1000);
    bitnet_params_set_stop (params, stop);
    g_autoptr (BitnetSequence) sequence = bitnet_engine_submit (
        engine, data.tokenizer, prompt, 3, params, &error);
    g_assert_no_error (error);
    g_autoptr (GArray) got = drain_good (sequence);
    g_autofree char *text =
        bitnet_tokenizer_decode (data.tokenizer, (guint32 *) (void *) got->data,
            got->len, BITNET_DECODE_NONE, NULL, NULL);
    g_assert_cmpstr (text, ==, stops[i].text);
    g_assert_cmpint (
        bitnet_sequence_get_finish_reason (sequence), ==, stops[i].reason);
  }
}

/* ---- cancelling, taking ---- */

static void
test_cancel (void)
{
  g_autoptr (BitnetEngine) engine = load_engine (data.large, 1, 64, 1);
  g_autoptr (GTimer) timer = g_timer_new ();
  guint32 token;

  /* in the prompt, with one waiting behind */
  g_autoptr (BitnetSequence) prefill = submit (engine, 1, 250, 10, 0);
  g_autoptr (BitnetSequence) waiting = submit (engine, 2, 250, 10, 0);
  bitnet_sequence_cancel (waiting);
  bitnet_sequence_cancel (prefill);
  g_assert_cmpint (
      bitnet_sequence_take (prefill, &token, 1, NULL, NULL), ==, 0);
  g_assert_cmpint (
      bitnet_sequence_take (waiting, &token, 1, NULL, NULL), ==, 0);
  /* in the answer */
  g_autoptr (BitnetSequence) decode = submit (engine, 3, 2, 0, 0);
  g_assert_cmpint (bitnet_sequence_take (decode, &token, 1, NULL, NULL), ==, 1);
  bitnet_sequence_cancel (decode);
  g_assert_cmpint (bitnet_sequence_take (decode, &token, 1, NULL, NULL), ==, 0);
  g_assert_cmpint (
      bitnet_sequence_get_finish_reason (decode), ==, BITNET_FINISH_CANCELLED);
  g_assert_cmpint (bitnet_sequence_take (decode, &token, 1, NULL, NULL), ==, 0);
  /* by dropping the reference */
  g_object_unref (submit (engine, 4, 250, 10, 0));
  g_autoptr (BitnetSequence) last = submit (engine, 5, 2, 3, 0);
  g_autoptr (GArray) got = drain_good (last);
  g_assert_cmpuint (got->len, ==, 3);
}

static void
test_take_bytes (void)
{
  g_autoptr (BitnetEngine) engine = load_engine (data.small, 1, 64, 1);
  g_autoptr (BitnetSequence) direct = submit (engine, 1, 10, 30, 0);
  g_autoptr (GArray) expected = drain_good (direct);
  g_autoptr (BitnetSequence) sequence = submit (engine, 1, 10, 30, 0);
  g_autoptr (GBytes) bytes =
      bitnet_sequence_take_bytes (sequence, 1, NULL, NULL);

  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
      expected->data, sizeof (guint32));
}

static void
test_take_async (void)
{
  g_autoptr (BitnetEngine) engine = load_engine (data.small, 1, 64, 1);
  g_autoptr (BitnetSequence) direct = submit (engine, 1, 10, 30, 0);
  g_autoptr (GArray) expected = drain_good (direct);
  g_autoptr (BitnetSequence) sequence = submit (engine, 1, 10, 30, 0);
  g_autoptr (GArray) got = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  for (;;) {
    g_autoptr (GAsyncResult) result = NULL;
    bitnet_sequence_take_async (
        sequence, 7, G_PRIORITY_DEFAULT, cancellable, store_result, &result);
    g_autoptr (GBytes) bytes =
        bitnet_sequence_take_finish (sequence, wait_result (&result), &error);
    g_assert_no_error (error);
    gsize n = g_bytes_get_size (bytes) / sizeof (guint32);
    g_assert_cmpuint (n, <=, 7);
    if (n == 0)
      break;
    g_array_append_vals (got, g_bytes_get_data (bytes, NULL), (guint) n);
  }
  assert_equal_tokens (got, expected);

  /* One that waits in the queue behind another, cancelled. */
  g_autoptr (BitnetSequence) blocker = submit (engine, 2, 10, 0, 0);
  g_autoptr (BitnetSequence) waiting = submit (engine, 3, 10, 5, 0);
  g_autoptr (GAsyncResult) result = NULL;
  bitnet_sequence_take_async (
      waiting, 7, G_PRIORITY_DEFAULT, cancellable, store_result, &result);

  /* Another meanwhile; the blocker may have been parked before. */
  g_autoptr (GAsyncResult) second = NULL;
  bitnet_sequence_take_async (
      waiting, 7, G_PRIORITY_DEFAULT, cancellable, store_result, &second);
  g_autoptr (GBytes) no_bytes =
      bitnet_sequence_take_finish (waiting, wait_result (&second), &error);
  if (no_bytes == NULL)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
  g_clear_error (&error);

  g_cancellable_cancel (cancellable);
  g_autoptr (GBytes) bytes =
      bitnet_sequence_take_finish (waiting, wait_result (&result), &error);
  /* The blocker may have been parked before. */
  if (bytes == NULL)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_object (&result);
  g_clear_error (&error);

  /* Cancelled from the start. */
  bitnet_sequence_take_async (
      waiting, 7, G_PRIORITY_DEFAULT, cancellable, store_result, &result);
  g_assert_null (
      bitnet_sequence_take_finish (waiting, wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* ---- references ---- */

/* Everything is dropped while it is busy; the model goes in the end, though
 * nobody waits for the engine's thread but the next load. */
static void
test_drop (void)
{
  enum { N_ROUNDS = 15 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);

  for (int round = 0; round < N_ROUNDS; round++) {
    g_autoptr (BitnetModel) model = open_model (data.large);
    g_autoptr (BitnetEngine) engine =
        bitnet_model_get_engine (model, NULL, NULL);
    g_autoptr (GPtrArray) sequences =
        g_ptr_array_new_with_free_func (g_object_unref);
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    g_autoptr (GAsyncResult) loaded = NULL;
    guint32 token;

    bitnet_engine_load_async (
        engine, G_PRIORITY_DEFAULT, cancellable, store_result, &loaded);
    if (g_rand_int_range (rand, 0, 4) == 0)
      g_cancellable_cancel (cancellable);
    else if (!bitnet_engine_load_finish (engine, wait_result (&loaded), NULL))
      g_assert_not_reached ();
    else
      for (int i = g_rand_int_range (rand, 0, 5); i > 0; i--)
        g_ptr_array_add (
            sequences, submit (engine, (guint32) i,
                           (guint) g_rand_int_range (rand, 1, 60), 0, 1));
    for (guint i = 0; i < sequences->len; i++) {
      if (g_rand_boolean (rand))
        bitnet_sequence_take (sequences->pdata[i], &token, 1, NULL, NULL);
      if (g_rand_int_range (rand, 0, 3) == 0)
        bitnet_sequence_cancel (sequences->pdata[i]);
    }
    if (g_rand_boolean (rand))
      g_clear_object (&model);
    if (g_rand_boolean (rand))
      g_ptr_array_set_size (sequences, 0);

    gint64 begin = g_get_monotonic_time ();
    g_clear_object (&engine);
    g_ptr_array_set_size (sequences, 0);
    /* A few microseconds; the bound is for a busy machine. */
    g_assert_cmpint (g_get_monotonic_time () - begin, <, G_USEC_PER_SEC / 2);
    wait_result (&loaded);
  }
}

typedef struct {
  BitnetEngine *engine;
  guint32 seed;
} Client;

static gpointer
run_client (gpointer user_data)
{
  const Client *client = user_data;

  for (guint i = 0; i < 6; i++) {
    guint n = 5 + 10 * i;
    g_autoptr (BitnetSequence) sequence =
        submit (client->engine, client->seed, 1 + 7 * i, n, 0.9);
    if (i % 3 == 2)
      continue;
    g_autoptr (GArray) got = drain_good (sequence);
    g_assert_cmpuint (got->len, ==, n);
  }
  return NULL;
}

static void
test_many_threads (void)
{
  enum { N = 6 };
  g_autoptr (BitnetEngine) engine = load_engine (data.small, 2, 32, 3);
  Client clients[N];
  GThread *threads[N];

  for (guint i = 0; i < N; i++) {
    clients[i] = (Client){engine, i};
    threads[i] = g_thread_new ("client", run_client, &clients[i]);
  }
  for (guint i = 0; i < N; i++)
    g_thread_join (threads[i]);
}

/* ---- statistics ---- */

static void
test_stats (void)
{
  static const struct {
    const char *key, *type;
  } keys[] = {{"device", "s"}, {"cpu-level", "s"}, {"threads", "u"},
      {"context-size", "u"}, {"batch-size", "u"}, {"sequences", "u"},
      {"load-ms", "d"}, {"weights-size", "t"}, {"prompt-tokens", "t"},
      {"cached-tokens", "t"}, {"generated-tokens", "t"}, {"steps", "t"},
      {"mean-batch", "d"}, {"prefill-ns", "t"}, {"decode-ns", "t"},
      {"prefill-tokens-per-second", "d"}, {"tokens-per-second", "d"},
      {"running", "u"}, {"waiting", "u"}, {"kv-pages", "u"},
      {"kv-pages-used", "u"}, {"kv-page-size", "u"}};
  g_autoptr (BitnetEngine) engine = get_engine (data.small, 1, 64, 2);
  g_autoptr (GVariant) before = bitnet_engine_dup_stats (engine);
  guint64 n_prompt, n_generated, n_steps;

  g_assert_cmpuint (g_variant_n_children (before), ==, 6);
  g_assert_true (bitnet_engine_load (engine, NULL, NULL, NULL, NULL));
  g_autoptr (BitnetSequence) sequence = submit (engine, 1, 100, 11, 0);
  g_autoptr (GArray) got = drain_good (sequence);
  g_autoptr (GVariant) stats = bitnet_engine_dup_stats (engine);
  g_assert_cmpuint (g_variant_n_children (stats), ==, G_N_ELEMENTS (keys));
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autoptr (GVariant) value =
        g_variant_lookup_value (stats, keys[i].key, NULL);
    g_assert_nonnull (value);
    g_assert_cmpstr (g_variant_get_type_string (value), ==, keys[i].type);
  }
  g_assert_true (g_variant_lookup (stats, "prompt-tokens", "t", &n_prompt));
  g_assert_true (
      g_variant_lookup (stats, "generated-tokens", "t", &n_generated));
  g_assert_true (g_variant_lookup (stats, "steps", "t", &n_steps));
  g_assert_cmpuint (n_prompt, ==, 100);
  g_assert_cmpuint (n_generated, ==, 11);
  g_assert_cmpuint (n_steps, ==, 2 + 10);
}

/* ---- the shared data ---- */

static void
set_up (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (GBytes) bytes = test_vocab_to_bytes (vocab);
  g_autofree char *vocab_path = NULL;
  g_autoptr (GError) error = NULL;

  data.folder = g_dir_make_tmp ("bitnet-engine-XXXXXX", &error);
  g_assert_no_error (error);
  vocab_path = make_path ("vocab.gguf");
  g_file_set_contents (vocab_path, g_bytes_get_data (bytes, NULL),
      (gssize) g_bytes_get_size (bytes), &error);
  g_assert_no_error (error);
  g_autoptr (BitnetModel) model = open_model (vocab_path);
  data.tokenizer = bitnet_tokenizer_new_from_model (model, NULL, &error);
  g_assert_no_error (error);
  data.n_vocab = bitnet_tokenizer_get_vocab_size (data.tokenizer);

  const TinySpec small = {.arch = "llama", .n_vocab = data.n_vocab};
  const TinySpec large = {.arch = "llama",
      .n_vocab = data.n_vocab,
      .n_layers = 4,
      .n_embd = 256,
      .n_ff = 512};
  data.small = make_path ("small.gguf");
  data.large = make_path ("large.gguf");
  write_tiny (data.small, &small);
  write_tiny (data.large, &large);
}

static void
tear_down (void)
{
  static const char *const names[] = {"vocab.gguf", "small.gguf", "large.gguf",
      "overflow.gguf", "incomplete.gguf", "claim.gguf"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = make_path (names[i]);
    g_unlink (path);
  }
  g_rmdir (data.folder);
  g_clear_object (&data.tokenizer);
  g_clear_pointer (&data.folder, g_free);
  g_clear_pointer (&data.small, g_free);
  g_clear_pointer (&data.large, g_free);
}

int
main (int argc, char **argv)
{
  g_setenv ("BITNET_DETERMINISTIC", "1", TRUE);
  g_setenv ("BITNET_SEED", "42", TRUE);
  g_test_init (&argc, &argv, NULL);
  set_up ();
  g_test_add_func ("/engine/devices", test_devices);
  g_test_add_func ("/engine/options", test_options);
  g_test_add_func ("/engine/claimed-context", test_claimed_context);
  g_test_add_func ("/engine/reasons", test_reasons);
  g_test_add_func ("/engine/load", test_load);
  g_test_add_func ("/engine/load-async", test_load_async);
  g_test_add_func ("/engine/load-cancel", test_load_cancel);
  g_test_add_func ("/engine/load-fails", test_load_fails);
  g_test_add_func ("/engine/greedy", test_greedy);
  g_test_add_func ("/engine/C50/deterministic", test_deterministic);
  g_test_add_func ("/engine/logits-of-pieces", test_logits_of_pieces);
  g_test_add_func ("/engine/eight", test_eight);
  g_test_add_func ("/engine/bad-prompts", test_bad_prompts);
  g_test_add_func ("/engine/overflow", test_overflow);
  g_test_add_func ("/engine/end-token", test_end_token);
  g_test_add_func ("/engine/stop-strings", test_stop_strings);
  g_test_add_func ("/engine/cancel", test_cancel);
  g_test_add_func ("/engine/take-bytes", test_take_bytes);
  g_test_add_func ("/engine/take-async", test_take_async);
  g_test_add_func ("/engine/drop", test_drop);
  g_test_add_func ("/engine/many-threads", test_many_threads);
  g_test_add_func ("/engine/stats", test_stats);
  int status = g_test_run ();
  tear_down ();
  return status;
}
