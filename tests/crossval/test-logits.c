/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Logits and greedy tokens against those of reference programs: every model
 * of the folder models/ of the reference data, whose README says which program
 * made what and how close an implementation must be. Each model runs on the C
 * kernels and on the best ones of this processor. */
#include "bitnet-error.h"
#include "bn-cpu.h"
#include "bn-transformer.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

enum { N_PROMPT = 12 };

static const uint32_t bitnet_prompt[N_PROMPT] = {
    1022, 5, 17, 300, 511, 42, 777, 9, 128, 64, 901, 33};
static const uint32_t other_prompt[N_PROMPT] = {
    510, 5, 17, 300, 311, 42, 377, 9, 128, 64, 401, 33};

/* tolerance: relative L2 distance over all rows. n_greedy: tokens that must
 * be equal; beyond them the references disagree among themselves. */
static const struct {
  const char *name;
  double tolerance;
  guint n_greedy;
} models[] = {
    {"bitnet-i2_s", 3e-2, 12},
    {"bitnet-b1.58-i2_s", 3e-2, 12},
    {"bitnet-b1.58-iq2_bn", 3e-2, 0},
    {"bitnet-f16", 1.2e-2, 0},
    {"bitnet-tq2_0", 3e-2, 0},
    {"gpt2-f32", 5e-3, 0},
    {"gpt2-q8_0", 3e-2, 0},
    {"llama-f32", 5e-3, 0},
    {"llama-f16", 1.2e-2, 0},
    {"llama-bf16", 1.2e-2, 0},
    {"llama-q4_0", 3e-2, 0},
    {"llama-q4_1", 3e-2, 0},
    {"llama-q5_0", 3e-2, 0},
    {"llama-q5_1", 3e-2, 0},
    {"llama-q8_0", 3e-2, 0},
    {"llama-q2_k", 3e-2, 0},
    {"llama-q3_k_m", 3e-2, 0},
    {"llama-q4_k_m", 3e-2, 0},
    {"llama-q5_k_m", 3e-2, 0},
    {"llama-q6_k", 3e-2, 0},
    {"llama-tq1_0", 3e-2, 0},
    {"llama-tq2_0", 3e-2, 0},
    {"qwen2-f32", 5e-3, 0},
};

typedef struct {
  guint model;
  gboolean has_vectors;
} Case;

static char *
model_path (const char *name, const char *suffix)
{
  g_autofree char *file = g_strconcat (name, suffix, NULL);

  return g_build_filename (
      g_getenv ("BITNET_REFERENCE_DATA"), "models", file, NULL);
}

static guint
read_greedy (const char *name, uint32_t tokens[16])
{
  g_autofree char *path = model_path (name, ".json");
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  JsonArray *array;
  guint n;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  array = json_object_get_array_member (
      json_node_get_object (json_parser_get_root (parser)), "greedy");
  n = MIN (16, json_array_get_length (array));
  for (guint i = 0; i < n; i++)
    tokens[i] = (uint32_t) json_array_get_int_element (array, i);
  return n;
}

/* sqrt (sum (a - b)^2 / sum b^2) */
static double
relative_distance (const float *a, const float *b, size_t n)
{
  double difference = 0, norm = 0;

  for (size_t i = 0; i < n; i++) {
    difference += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
    norm += (double) b[i] * b[i];
  }
  return sqrt (difference / norm);
}

static uint32_t
argmax (const float *x, uint32_t n)
{
  uint32_t best = 0;

  for (uint32_t i = 1; i < n; i++)
    best = x[i] > x[best] ? i : best;
  return best;
}

/* How many greedy tokens are equal before the first that differs. */
static guint
count_greedy (
    BnTransformer *transformer, BnRun *run, const uint32_t *expected, guint n)
{
  const uint32_t n_vocab = bn_transformer_get_hparams (transformer)->n_vocab;
  g_autoptr (GError) error = NULL;
  uint32_t token =
      argmax (run->result + (size_t) (N_PROMPT - 1) * n_vocab, n_vocab);
  guint i;

  for (i = 0; i < n && token == expected[i]; i++) {
    BnRun step = {.seq = run->seq,
        .tokens = &token,
        .n_tokens = 1,
        .logits = BN_LOGITS_LAST};

    bn_transformer_forward (transformer, &step, 1, NULL, &error);
    g_assert_no_error (error);
    token = argmax (step.result, n_vocab);
  }
  return i;
}

static void
test_logits (gconstpointer data)
{
  const Case *c = data;
  const char *name = models[c->model].name;
  BnTransformerOptions options = {.batch_size = 16, .context_size = 64};
  BnKernels kernels;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL, *logits_path = NULL, *bytes = NULL;
  g_autoptr (BnGguf) gguf = NULL;
  g_autoptr (BnBackend) backend = NULL;
  g_autoptr (BnTransformer) transformer = NULL;
  g_autoptr (BnKvSeq) seq = NULL;
  BnRun run = {.n_tokens = N_PROMPT, .logits = BN_LOGITS_ALL};
  uint32_t greedy[16];
  guint n_greedy, n_equal;
  gsize size;
  double distance;

  if (g_strcmp0 (g_getenv ("BITNET_REFERENCE_DATA"), "") <= 0) {
    g_test_skip ("no reference data (meson option reference_data)");
    return;
  }
  path = model_path (name, ".gguf");
  logits_path = model_path (name, ".logits.f32");
  gguf = bn_gguf_open (path, NULL, &error);
  g_assert_no_error (error);
  g_file_get_contents (logits_path, &bytes, &size, &error);
  g_assert_no_error (error);

  bn_kernels_init (&kernels, c->has_vectors ? ~0u : 0);
  backend = bn_cpu_backend_new (&kernels, 2);
  transformer =
      bn_transformer_new (gguf, backend, &options, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  seq = bn_kv_seq_new (bn_transformer_get_kv_cache (transformer), 64);
  run.seq = seq;
  run.tokens = g_str_has_prefix (name, "bitnet") ? bitnet_prompt : other_prompt;
  bn_transformer_forward (transformer, &run, 1, NULL, &error);
  g_assert_no_error (error);

  g_assert_cmpuint (size, ==,
      (gsize) N_PROMPT * bn_transformer_get_hparams (transformer)->n_vocab
          * sizeof (float));
  distance = relative_distance (
      run.result, (const void *) bytes, size / sizeof (float));
  n_greedy = read_greedy (name, greedy);
  n_equal = count_greedy (transformer, &run, greedy, n_greedy);
  g_test_message ("%s (%s): relative L2 error %.2e (limit %.1e), %u of %u "
                  "greedy tokens equal",
      name, bn_cpu_level_name (kernels.cpu_flags), distance,
      models[c->model].tolerance, n_equal, n_greedy);
  g_assert_cmpfloat (distance, <=, models[c->model].tolerance);
  g_assert_cmpuint (n_equal, >=, models[c->model].n_greedy);
}

/* A model of the user: what can be said without a reference. */
static void
test_user_model (void)
{
  const char *path = g_getenv ("BITNET_GGUF");
  const BnTransformerOptions options = {.batch_size = 8, .context_size = 64};
  const uint32_t tokens[] = {1, 2, 3, 5, 8, 13};
  enum { N = G_N_ELEMENTS (tokens) };
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = NULL;
  g_autoptr (BnBackend) backend = NULL;
  g_autoptr (BnTransformer) transformer = NULL;
  g_autoptr (BnKvSeq) whole = NULL, single = NULL;
  g_autofree float *expected = NULL;
  BnRun run = {.tokens = tokens, .n_tokens = N, .logits = BN_LOGITS_ALL};
  gsize n_vocab;

  if (path == NULL) {
    g_test_skip ("BITNET_GGUF names no model");
    return;
  }
  gguf = bn_gguf_open (path, NULL, &error);
  g_assert_no_error (error);
  backend = bn_cpu_backend_new (NULL, 0);
  transformer =
      bn_transformer_new (gguf, backend, &options, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  n_vocab = bn_transformer_get_hparams (transformer)->n_vocab;
  run.seq = whole =
      bn_kv_seq_new (bn_transformer_get_kv_cache (transformer), 64);
  bn_transformer_forward (transformer, &run, 1, NULL, &error);
  g_assert_no_error (error);
  expected = g_memdup2 (run.result, N * n_vocab * sizeof (float));

  single = bn_kv_seq_new (bn_transformer_get_kv_cache (transformer), 64);
  for (guint i = 0; i < N; i++) {
    run = (BnRun){.seq = single,
        .tokens = &tokens[i],
        .n_tokens = 1,
        .logits = BN_LOGITS_LAST};
    bn_transformer_forward (transformer, &run, 1, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpmem (run.result, n_vocab * sizeof (float),
        expected + i * n_vocab, n_vocab * sizeof (float));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    for (int has_vectors = 0; has_vectors < 2; has_vectors++) {
      g_autofree char *path = g_strdup_printf (
          "/crossval/logits/%s/%s", models[i].name, has_vectors ? "best" : "c");
      Case *c = g_new (Case, 1);

      *c = (Case){i, has_vectors};
      g_test_add_data_func_full (path, c, test_logits, g_free);
    }
  }
  g_test_add_func ("/crossval/user-model", test_user_model);
  return g_test_run ();
}
