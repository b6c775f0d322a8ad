/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet synth: every architecture and type opens again with the shape it was
 * asked for, equal options give equal bytes, wrong ones a message. */
#include <glib/gstdio.h>
#include <string.h>

#include "bn-gguf.h"
#include "test-spawn.h"

static char *folder;

static char *
output_path (void)
{
  return g_build_filename (folder, "out.gguf", NULL);
}

/* Runs bitnet synth with options, separated by spaces, and -o PATH. */
static TestOutcome
synth (const char *options, const char *path)
{
  g_autofree char *line =
      g_strdup_printf ("synth%s%s -o %s", *options ? " " : "", options, path);

  return test_spawn_line (line);
}

static BnGguf *
synth_and_open (const char *options)
{
  g_autofree char *path = output_path ();
  g_auto (TestOutcome) outcome = synth (options, path);
  g_autoptr (GError) error = NULL;
  BnGguf *gguf;

  if (outcome.status != 0)
    g_error ("synth %s: %s", options, outcome.err);
  g_assert_cmpstr (outcome.out, ==, "");
  gguf = bn_gguf_open (path, NULL, &error);
  g_assert_no_error (error);
  g_unlink (path);
  return gguf;
}

static void
check_type (const BnGguf *gguf, const char *name, const char *type)
{
  const BnGgufTensor *tensor = bn_gguf_find_tensor (gguf, name);

  g_assert_nonnull (tensor);
  g_assert_cmpstr (bn_type_info (tensor->type)->name, ==, type);
}

/* Options, and the types that two tensors have then. */
static const struct {
  const char *name;
  const char *options;
  const char *arch;
  const char *matrix; /* of blk.0.ffn_down.weight */
  const char *head;   /* of token_embd.weight */
  gboolean has_output;
} cases[] = {
    {"default", "", "llama", "F16", "F16", TRUE},
    {"llama", "--arch llama --preset tiny", "llama", "F16", "F16", TRUE},
    {"bitnet", "--arch bitnet", "bitnet", "I2_S", "F16", FALSE},
    {"b1.58", "--arch bitnet-b1.58", "bitnet-b1.58", "I2_S", "F16", FALSE},
    {"25", "--arch bitnet-25 --head Q6_K", "bitnet-25", "I2_S", "Q6_K", FALSE},
    {"gpt2", "--arch gpt2 --type Q8_0", "gpt2", "Q8_0", "Q8_0", TRUE},
    {"qwen2", "--arch qwen2 --type q4_k", "qwen2", "Q4_K", "Q8_0", TRUE},
    {"qwen3", "--arch qwen3 --head F32", "qwen3", "F16", "F32", TRUE},
    {"F32", "--type F32", "llama", "F32", "F32", TRUE},
    {"BF16", "--type BF16", "llama", "BF16", "BF16", TRUE},
    {"Q4_0", "--type Q4_0", "llama", "Q4_0", "Q8_0", TRUE},
    {"Q4_1", "--type Q4_1", "llama", "Q4_1", "Q8_0", TRUE},
    {"Q5_0", "--type Q5_0", "llama", "Q5_0", "Q8_0", TRUE},
    {"Q5_1", "--type Q5_1", "llama", "Q5_1", "Q8_0", TRUE},
    {"Q2_K", "--type Q2_K", "llama", "Q2_K", "Q8_0", TRUE},
    {"Q3_K", "--type Q3_K", "llama", "Q3_K", "Q8_0", TRUE},
    {"Q5_K", "--type Q5_K", "llama", "Q5_K", "Q8_0", TRUE},
    {"Q6_K", "--type Q6_K", "llama", "Q6_K", "Q8_0", TRUE},
    {"TQ1_0", "--type TQ1_0", "llama", "TQ1_0", "F16", TRUE},
    {"TQ2_0", "--type TQ2_0", "llama", "TQ2_0", "F16", TRUE},
    {"I2_S", "--type I2_S", "llama", "I2_S", "F16", TRUE},
    {"IQ1_BN", "--type IQ1_BN", "llama", "IQ1_BN", "F16", TRUE},
    {"IQ2_BN", "--type IQ2_BN", "llama", "IQ2_BN", "F16", TRUE},
};

static void
test_case (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (BnGguf) gguf = synth_and_open (cases[i].options);
  g_autofree char *arch = bn_gguf_dup_string (gguf, "general.architecture");
  const BnGgufTensor *down =
      bn_gguf_find_tensor (gguf, "blk.1.ffn_down.weight");

  g_assert_cmpstr (arch, ==, cases[i].arch);
  check_type (gguf, "blk.0.ffn_down.weight", cases[i].matrix);
  check_type (gguf, "token_embd.weight", cases[i].head);
  check_type (gguf, "blk.0.attn_norm.weight", "F32");
  g_assert_cmpuint (down->ne[0], ==, 512);
  g_assert_cmpuint (down->ne[1], ==, 256);
  g_assert_cmpint (bn_gguf_find_tensor (gguf, "output.weight") != NULL, ==,
      cases[i].has_output);
  g_assert_cmpuint (
      bn_gguf_find_kv (gguf, "tokenizer.ggml.tokens")->count, ==, 512);
}

static char *
digest_of (const char *options)
{
  g_autoptr (BnGguf) gguf = synth_and_open (options);

  return g_compute_checksum_for_bytes (
      G_CHECKSUM_SHA256, bn_gguf_get_file_bytes (gguf, 0));
}

static void
test_deterministic (void)
{
  g_autofree char *first = digest_of ("--seed 7");
  g_autofree char *again = digest_of ("--seed 7");
  g_autofree char *other = digest_of ("--seed 8");

  g_assert_cmpstr (first, ==, again);
  g_assert_cmpstr (first, !=, other);
}

/* The generator is documented, so that anybody can compute a weight: draw (0)
 * of "blk.0.attn_q.weight" with seed 1, worked out apart. */
static void
test_generator (void)
{
  g_autoptr (BnGguf) gguf = synth_and_open ("--type F32 --seed 1");
  const BnGgufTensor *tensor =
      bn_gguf_find_tensor (gguf, "blk.0.attn_q.weight");
  float weights[2];

  memcpy (weights, tensor->data, sizeof weights);
  g_assert_cmpfloat_with_epsilon (weights[0], -0.00337465294f, 1e-7f);
  g_assert_cmpfloat_with_epsilon (weights[1], -0.103887444f, 1e-7f);
}

/* Matrices of another element type are the same numbers, rounded. */
static void
test_ternary_is_exact (void)
{
  g_autoptr (BnGguf) floats = synth_and_open ("--arch bitnet --type F32");
  g_autoptr (BnGguf) codes = synth_and_open ("--arch bitnet --type I2_S");
  const BnGgufTensor *a = bn_gguf_find_tensor (floats, "blk.0.ffn_up.weight");
  const BnGgufTensor *b = bn_gguf_find_tensor (codes, "blk.0.ffn_up.weight");
  uint64_t n = a->ne[0] * a->ne[1];
  guint counts[3] = {0};
  float scale;

  memcpy (&scale, b->data + n / 4, sizeof scale);
  for (uint64_t e = 0; e < n; e++) {
    guint code =
        b->data[32 * (e / 128) + e % 32] >> (6 - 2 * (e % 128 / 32)) & 3;
    float weight;

    memcpy (&weight, a->data + 4 * e, sizeof weight);
    g_assert_cmpuint (code, <, 3);
    g_assert_cmpfloat (weight, ==, ((float) code - 1) * scale);
    counts[code]++;
  }
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (counts[i], >, n / 4);
}

static const struct {
  const char *name;
  const char *options; /* without -o */
  int status;
  const char *err;
} failures[] = {
    {"preset", "--preset 9b", 2, "\"9b\""},
    {"arch", "--arch falcon", 2, "\"falcon\""},
    {"type", "--type Q9_9", 2, "expected one of F32, F16"},
    {"type-without-encoder", "--type TL1", 2, "expected one of F32, F16"},
    {"head", "--head I2_S", 2, "I2_S"},
    {"argument", "extra", 2, "\"extra\""},
};

static void
test_failure (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autofree char *path = output_path ();
  g_auto (TestOutcome) outcome = synth (failures[i].options, path);

  g_assert_cmpint (outcome.status, ==, failures[i].status);
  g_assert_true (g_str_has_prefix (outcome.err, "bitnet synth: "));
  if (!strstr (outcome.err, failures[i].err))
    g_error ("found \"%s\", expected \"%s\"", outcome.err, failures[i].err);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

static void
test_output (void)
{
  g_auto (TestOutcome) none = test_spawn_line ("synth");
  g_auto (TestOutcome) bad = synth ("", folder);

  g_assert_cmpint (none.status, ==, 2);
  g_assert_nonnull (strstr (none.err, "-o FILE is missing"));
  g_assert_cmpint (bad.status, ==, 1);
  g_assert_nonnull (strstr (bad.err, "a directory"));
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/synth/%s", cases[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_case);
  }
  g_test_add_func ("/synth/deterministic", test_deterministic);
  g_test_add_func ("/synth/generator", test_generator);
  g_test_add_func ("/synth/ternary-is-exact", test_ternary_is_exact);
  for (gsize i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_autofree char *path =
        g_strdup_printf ("/synth/failure/%s", failures[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_failure);
  }
  g_test_add_func ("/synth/output", test_output);
  status = g_test_run ();
  g_assert_cmpint (g_rmdir (folder), ==, 0); /* nothing was left over */
  g_free (folder);
  return status;
}
