/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetSequence over small random models: what it generates, how it ends, how
 * tokens are taken. */
#include <string.h>

#include "engine-fixture.h"

/* ---- generating ---- */

/* Greedy tokens are the argmax of the logits of prompt and answer. */
static void
test_greedy (void)
{
  enum { N_PROMPT = 70, N = 40 };
  g_autoptr (BitnetEngine) engine = load_engine (fixture.small, 2, 32, 4);
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
      (N_PROMPT + N) * fixture.n_vocab * sizeof (float));
  const float *logits = g_bytes_get_data (bytes, NULL);
  for (guint i = 0; i < N; i++) {
    const float *row = logits + (N_PROMPT + i - 1) * fixture.n_vocab;
    guint best = 0;
    for (guint t = 1; t < fixture.n_vocab; t++) {
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
        load_engine (fixture.small, cases[i].n_threads, cases[i].batch_size, 4);

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
  g_autoptr (BitnetEngine) engine = load_engine (fixture.small, 1, 512, 4);
  params->seed = 43;
  params->max_tokens = N;
  g_autoptr (BitnetSequence) sequence =
      bitnet_engine_submit (engine, NULL, prompt, N_PROMPT, params, NULL);
  g_autoptr (GArray) got = drain_good (sequence);
  g_assert_cmpint (
      memcmp (got->data, first->data, N * sizeof (guint32)), !=, 0);
}

/* Guessing ahead changes no answer, however it is drawn. */
static void
test_drafts (void)
{
  static const struct {
    double temperature, penalty_repeat;
    guint mirostat, top_k;
  } cases[] = {{0, 1, 0, 40}, {0.8, 1, 0, 40}, {1, 1.3, 0, 0}, {1, 1, 2, 0}};
  enum { N_PROMPT = 60, N = 120 };
  g_autofree guint32 *prompt = make_prompt (1, N_PROMPT);
  guint64 n_drafted = 0;

  for (guint i = 20; i < N_PROMPT; i++) /* something to repeat */
    prompt[i] = prompt[i - 20];
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GArray) expected = NULL;

    for (int drafts = -1; drafts <= 16; drafts += 8) {
      g_autoptr (BitnetEngineOptions) options = bitnet_engine_options_new ();
      g_autoptr (BitnetParams) params = bitnet_params_new ();
      g_autoptr (GError) error = NULL;
      options->drafts = drafts;
      options->n_threads = 2;
      g_autoptr (BitnetModel) model =
          bitnet_model_new_from_file (fixture.small, NULL, &error);
      g_autoptr (BitnetEngine) engine =
          bitnet_model_get_engine (model, options, &error);
      g_assert_true (bitnet_engine_load (engine, NULL, NULL, NULL, &error));
      params->temperature = cases[i].temperature;
      params->penalty_repeat = cases[i].penalty_repeat;
      params->mirostat = cases[i].mirostat;
      params->top_k = cases[i].top_k;
      params->seed = 7;
      params->max_tokens = N;
      g_autoptr (BitnetSequence) sequence =
          bitnet_engine_submit (engine, NULL, prompt, N_PROMPT, params, &error);
      g_assert_no_error (error);
      g_autoptr (GArray) got = drain_good (sequence);
      g_autoptr (GVariant) stats = bitnet_engine_dup_stats (engine);
      guint64 n;

      if (expected == NULL)
        expected = g_array_ref (got);
      assert_equal_tokens (got, expected);
      g_assert_true (g_variant_lookup (stats, "drafted-tokens", "t", &n));
      if (drafts < 0)
        g_assert_cmpuint (n, ==, 0);
      n_drafted += n;
    }
  }
  g_assert_cmpuint (n_drafted, >, 0);
}

static void
test_logits_of_pieces (void)
{
  enum { N = 100 };
  g_autofree guint32 *tokens = make_prompt (3, N);
  g_autoptr (BitnetEngine) engine = load_engine (fixture.small, 2, 512, 2);
  g_autoptr (GBytes) whole =
      bitnet_engine_compute_logits (engine, tokens, N, NULL, NULL);
  g_clear_object (&engine);
  engine = load_engine (fixture.small, 1, 9, 2);
  g_autoptr (GBytes) pieces =
      bitnet_engine_compute_logits (engine, tokens, N, NULL, NULL);
  g_assert_true (g_bytes_equal (whole, pieces));
}

/* Eight responses at once, of which one is not taken. */
static void
test_eight (void)
{
  enum { N = 8, LAZY = 2, N_TOKENS = 120 };
  g_autoptr (BitnetEngine) engine = load_engine (fixture.small, 2, 64, 8);
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
  g_autoptr (BitnetEngine) engine = load_engine (fixture.small, 1, 64, 4);
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
  prompt[1] = fixture.n_vocab;
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
  const TinySpec spec = {.arch = "llama", .n_vocab = fixture.n_vocab};
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
  g_autoptr (BitnetEngine) engine = load_engine (fixture.small, 1, 64, 4);
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  guint32 eos =
      bitnet_tokenizer_get_special (fixture.tokenizer, BITNET_SPECIAL_EOS);
  guint32 prompt[] = {1, 2, 3};

  g_assert_true (bitnet_tokenizer_is_eog (fixture.tokenizer, eos));
  params->max_tokens = 5;
  bitnet_params_set_logit_bias (params, eos, 1000);
  g_autoptr (BitnetSequence) ended =
      bitnet_engine_submit (engine, fixture.tokenizer, prompt, 3, params, NULL);
  g_autoptr (GArray) one = drain_good (ended);
  g_assert_cmpuint (one->len, ==, 1);
  g_assert_cmpuint (g_array_index (one, guint32, 0), ==, eos);
  g_assert_cmpint (
      bitnet_sequence_get_finish_reason (ended), ==, BITNET_FINISH_STOP);

  params->ignore_eos = TRUE;
  g_autoptr (BitnetSequence) ignored =
      bitnet_engine_submit (engine, fixture.tokenizer, prompt, 3, params, NULL);
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
  g_autoptr (BitnetEngine) engine = load_engine (fixture.small, 1, 64, 4);
  guint32 hello = bitnet_tokenizer_lookup (fixture.tokenizer, "hello");
  guint32 prompt[] = {1, 2, 3};

  for (gsize i = 0; i < G_N_ELEMENTS (stops); i++) {
    const char *stop[] = {"never", stops[i].stop, NULL};
    g_autoptr (BitnetParams) params = bitnet_params_new ();
    g_autoptr (GError) error = NULL;

    params->max_tokens = 3;
    bitnet_params_set_logit_bias (params, hello, 1000);
    bitnet_params_set_stop (params, stop);
    g_autoptr (BitnetSequence) sequence = bitnet_engine_submit (
        engine, fixture.tokenizer, prompt, 3, params, &error);
    g_assert_no_error (error);
    g_autoptr (GArray) got = drain_good (sequence);
    g_autofree char *text = bitnet_tokenizer_decode (fixture.tokenizer,
        (guint32 *) (void *) got->data, got->len, BITNET_DECODE_NONE, NULL,
        NULL);
    g_assert_cmpstr (text, ==, stops[i].text);
    g_assert_cmpint (
        bitnet_sequence_get_finish_reason (sequence), ==, stops[i].reason);
  }
}

/* ---- cancelling, taking ---- */

static void
test_cancel (void)
{
  g_autoptr (BitnetEngine) engine = load_engine (fixture.large, 1, 64, 1);
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
  g_autoptr (BitnetEngine) engine = load_engine (fixture.small, 1, 64, 1);
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
  g_autoptr (BitnetEngine) engine = load_engine (fixture.small, 1, 64, 1);
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

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  engine_fixture_set_up ();
  g_test_add_func ("/engine/greedy", test_greedy);
  g_test_add_func ("/engine/C50/deterministic", test_deterministic);
  g_test_add_func ("/engine/drafts", test_drafts);
  g_test_add_func ("/engine/logits-of-pieces", test_logits_of_pieces);
  g_test_add_func ("/engine/eight", test_eight);
  g_test_add_func ("/engine/bad-prompts", test_bad_prompts);
  g_test_add_func ("/engine/overflow", test_overflow);
  g_test_add_func ("/engine/end-token", test_end_token);
  g_test_add_func ("/engine/stop-strings", test_stop_strings);
  g_test_add_func ("/engine/cancel", test_cancel);
  g_test_add_func ("/engine/take-bytes", test_take_bytes);
  g_test_add_func ("/engine/take-async", test_take_async);
  status = g_test_run ();
  engine_fixture_tear_down ();
  return status;
}
