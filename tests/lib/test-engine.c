/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetEngine over small random models: options, loading, references,
 * statistics. */
#include <string.h>

#include "engine-fixture.h"

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
  g_autoptr (BitnetModel) model = open_model (fixture.small);

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
  g_autoptr (BitnetModel) model = open_model (fixture.small);
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
  options->n_threads = 3;
  options->cache_type = BITNET_CACHE_TYPE_Q8_0;
  g_assert_false (bitnet_engine_matches (engine, options));
  options->cache_type = BITNET_CACHE_TYPE_F16;
  options->head = BITNET_HEAD_Q8_0;
  g_assert_false (bitnet_engine_matches (engine, options));
  options->head = BITNET_HEAD_AUTO;
  options->drafts = -1;
  g_assert_false (bitnet_engine_matches (engine, options));
  options->drafts = 8;
  g_assert_true (bitnet_engine_matches (engine, options));

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
  g_clear_error (&error);
  options->context_size = 100;
  options->cache_type = (BitnetCacheType) 2;
  g_assert_null (bitnet_model_get_engine (model, options, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, "cache-type is 2, expected 0 to 1");
  g_clear_error (&error);
  options->cache_type = BITNET_CACHE_TYPE_F16;
  options->head = (BitnetHead) 5;
  g_assert_null (bitnet_model_get_engine (model, options, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, "head is 5, expected 0 to 4");
  g_clear_error (&error);
  options->head = BITNET_HEAD_AUTO;
  options->drafts = 17;
  g_assert_null (bitnet_model_get_engine (model, options, &error));
  g_assert_cmpstr (error->message, ==, "drafts is 17, expected -1 to 16");
  options->drafts = 0;

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
      .arch = "llama", .n_vocab = fixture.n_vocab, .n_context = 1 << 30};
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
  g_autoptr (BitnetEngine) engine = get_engine (fixture.large, 2, 64, 4);
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
test_load_async (void)
{
  g_autoptr (BitnetEngine) engine = get_engine (fixture.large, 2, 64, 4);
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
  g_autoptr (BitnetEngine) engine = get_engine (fixture.large, 2, 64, 4);
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
  const TinySpec spec = {.arch = "llama", .n_vocab = fixture.n_vocab};
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

/* ---- references ---- */

/* Everything is dropped while it is busy; the model goes in the end, though
 * nobody waits for the engine's thread but the next load. */
static void
test_drop (void)
{
  enum { N_ROUNDS = 15 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);

  for (int round = 0; round < N_ROUNDS; round++) {
    g_autoptr (BitnetModel) model = open_model (fixture.large);
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
  g_autoptr (BitnetEngine) engine = load_engine (fixture.small, 2, 32, 3);
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
      {"load-ms", "d"}, {"weights-size", "t"}, {"head", "s"},
      {"bytes-per-token", "t"}, {"products-per-token", "t"},
      {"prompt-tokens", "t"}, {"cached-tokens", "t"}, {"generated-tokens", "t"},
      {"drafted-tokens", "t"}, {"accepted-tokens", "t"},
      {"screened-logits", "t"}, {"computed-logits", "t"}, {"steps", "t"},
      {"mean-batch", "d"}, {"prefill-ns", "t"}, {"decode-ns", "t"},
      {"prefill-tokens-per-second", "d"}, {"tokens-per-second", "d"},
      {"running", "u"}, {"waiting", "u"}, {"kv-pages", "u"},
      {"kv-pages-used", "u"}, {"kv-page-size", "u"}};
  g_autoptr (BitnetEngine) engine = get_engine (fixture.small, 1, 64, 2);
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

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  engine_fixture_set_up ();
  g_test_add_func ("/engine/C37/devices", test_devices);
  g_test_add_func ("/engine/options", test_options);
  g_test_add_func ("/engine/claimed-context", test_claimed_context);
  g_test_add_func ("/engine/reasons", test_reasons);
  g_test_add_func ("/engine/load", test_load);
  g_test_add_func ("/engine/load-async", test_load_async);
  g_test_add_func ("/engine/load-cancel", test_load_cancel);
  g_test_add_func ("/engine/load-fails", test_load_fails);
  g_test_add_func ("/engine/drop", test_drop);
  g_test_add_func ("/engine/many-threads", test_many_threads);
  g_test_add_func ("/engine/C64/stats", test_stats);
  status = g_test_run ();
  engine_fixture_tear_down ();
  return status;
}
