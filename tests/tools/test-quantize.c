/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet quantize: error bounds of every type, equality with what reference
 * programs made of the same weights, what is kept and what is refused. */
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bn-gguf.h"
#include "bn-kernels.h"
#include "test-spawn.h"

static char *folder;

static char *
in_folder (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static BnGguf *
open_file (const char *path)
{
  g_autoptr (GError) error = NULL;
  BnGguf *gguf = bn_gguf_open (path, NULL, &error);

  g_assert_no_error (error);
  return gguf;
}

/* Runs bitnet with arguments separated by spaces; it must succeed. */
static void run_tool (const char *format, ...) G_GNUC_PRINTF (1, 2);

static void
run_tool (const char *format, ...)
{
  g_autofree char *line = NULL;
  g_auto (TestOutcome) outcome = {0};
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  outcome = test_spawn_line (line);
  if (outcome.status != 0)
    g_error ("bitnet %s: %s", line, outcome.err);
  g_assert_cmpstr (outcome.out, ==, "");
}

/* All weights of a matrix as floats. */
static float *
dequantize (const BnGgufTensor *tensor)
{
  uint32_t n_cols = (uint32_t) tensor->ne[0], n_rows = (uint32_t) tensor->ne[1];
  size_t n = (size_t) n_cols * n_rows;
  float *weights = g_new (float, n);
  BnDequantizeRow row = bn_dequantize_row_get (tensor->type);

  if (row) {
    for (uint32_t i = 0; i < n_rows; i++)
      row (weights + (size_t) i * n_cols,
          tensor->data + tensor->size / n_rows * i, n_cols);
  } else {
    g_autofree uint8_t *codes = g_malloc (n);
    float scale;
    size_t bad;

    g_assert_cmpint (bn_i2s_unpack (codes, tensor->data, n_rows, n_cols, 0,
                         n_rows, BN_I2S_A, &bad),
        ==, 0);
    memcpy (&scale, tensor->data + n / 4, sizeof scale);
    for (size_t i = 0; i < n; i++)
      weights[i] = (float) (codes[i] - 1) * scale;
  }
  return weights;
}

/* |found - expected| / |expected| over all matrices of the blocks. */
static double
relative_error (const BnGguf *found, const BnGguf *expected)
{
  double difference = 0, norm = 0;

  for (size_t i = 0; i < bn_gguf_get_n_tensors (expected); i++) {
    const BnGgufTensor *a = bn_gguf_get_tensor (expected, i);
    const BnGgufTensor *b = bn_gguf_get_tensor (found, i);
    g_autofree float *x = NULL, *y = NULL;

    g_assert_cmpstr (a->name, ==, b->name);
    g_assert_cmpmem (a->ne, sizeof a->ne, b->ne, sizeof b->ne);
    if (a->n_dims < 2 || !g_str_has_prefix (a->name, "blk."))
      continue;
    x = dequantize (a);
    y = dequantize (b);
    for (size_t j = 0; j < a->ne[0] * a->ne[1]; j++) {
      difference += ((double) x[j] - y[j]) * ((double) x[j] - y[j]);
      norm += (double) x[j] * x[j];
    }
  }
  return sqrt (difference / norm);
}

/* The bounds are those of bell-shaped weights, a little above what the block
 * formats give; ternary types keep ternary weights but for their scale. */
static const struct {
  const char *name;
  const char *arch;
  double at_least, at_most;
  uint32_t file_type;
} types[] = {
    {"F32", "llama", 0, 0, 0},
    {"F16", "llama", 1e-5, 5e-4, 1},
    {"BF16", "llama", 1e-4, 4e-3, 32},
    {"Q4_0", "llama", 0.05, 0.10, 2},
    {"Q4_1", "llama", 0.05, 0.10, 3},
    {"Q5_0", "llama", 0.02, 0.05, 8},
    {"Q5_1", "llama", 0.02, 0.05, 9},
    {"Q8_0", "llama", 1e-3, 8e-3, 7},
    {"Q2_K", "llama", 0.15, 0.40, 10},
    {"Q3_K", "llama", 0.08, 0.20, 11},
    {"Q4_K", "llama", 0.04, 0.09, 14},
    {"Q5_K", "llama", 0.02, 0.05, 16},
    {"Q6_K", "llama", 0.01, 0.03, 18},
    {"TQ1_0", "bitnet", 0, 5e-4, 36},
    {"TQ2_0", "bitnet", 0, 5e-4, 37},
    {"I2_S", "bitnet", 0, 0, 40},
    {"IQ1_BN", "bitnet", 0, 5e-4, 136},
    {"IQ2_BN", "bitnet", 0, 0, 137},
};

static void
test_type (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autofree char *in = in_folder ("in.gguf"), *out = in_folder ("out.gguf");
  g_autoptr (BnGguf) source = NULL, result = NULL;
  uint64_t file_type;
  double error;

  run_tool ("synth --arch %s --type F32 -o %s", types[i].arch, in);
  run_tool ("quantize %s %s %s", in, out, types[i].name);
  source = open_file (in);
  result = open_file (out);
  g_unlink (in);
  g_unlink (out);
  g_assert_cmpstr (
      bn_type_info (bn_gguf_find_tensor (result, "blk.0.ffn_up.weight")->type)
          ->name,
      ==, types[i].name);
  g_assert_cmpint (bn_gguf_find_tensor (result, "token_embd.weight")->type, ==,
      bn_type_info_by_name (types[i].name)->block_elements == 1
          ? bn_type_info_by_name (types[i].name)->type
          : BN_TYPE_Q8_0);
  g_assert_true (bn_gguf_get_uint (result, "general.file_type", &file_type));
  g_assert_cmpuint (file_type, ==, types[i].file_type);
  g_assert_cmpuint (
      bn_gguf_find_kv (result, "tokenizer.ggml.tokens")->count, ==, 512);
  error = relative_error (result, source);
  g_test_message ("%s: relative error %g", types[i].name, error);
  g_assert_cmpfloat (error, >=, types[i].at_least);
  g_assert_cmpfloat (error, <=, types[i].at_most);
}

/* Files that reference programs quantized; ours must have equal bytes. */
static const struct {
  const char *source, *type, *head, *reference;
} references[] = {
    {"llama-f32", "F16", "Q8_0", "llama-f16"},
    {"llama-f32", "BF16", "Q8_0", "llama-bf16"},
    {"llama-f32", "Q4_0", "Q8_0", "llama-q4_0"},
    {"llama-f32", "Q4_1", "Q8_0", "llama-q4_1"},
    {"llama-f32", "Q5_0", "Q8_0", "llama-q5_0"},
    {"llama-f32", "Q5_1", "Q8_0", "llama-q5_1"},
    {"llama-f32", "Q8_0", "Q8_0", "llama-q8_0"},
    {"llama-f32", "Q2_K", "Q8_0", "llama-q2_k"},
    {"llama-f32", "Q3_K", "Q8_0", "llama-q3_k_m"},
    {"llama-f32", "Q4_K", "Q8_0", "llama-q4_k_m"},
    {"llama-f32", "Q5_K", "Q8_0", "llama-q5_k_m"},
    {"llama-f32", "Q6_K", "Q8_0", "llama-q6_k"},
    {"llama-f32", "TQ1_0", "Q8_0", "llama-tq1_0"},
    {"llama-f32", "TQ2_0", "Q8_0", "llama-tq2_0"},
    {"gpt2-f32", "Q8_0", "Q8_0", "gpt2-q8_0"},
    {"bitnet-f16", "TQ2_0", "F16", "bitnet-tq2_0"},
    {"bitnet-f16", "I2_S", "F16", "bitnet-i2_s"},
    {"bitnet-b1.58-i2_s", "IQ2_BN", "F16", "bitnet-b1.58-iq2_bn"},
};

static void
test_reference (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  const char *root = g_getenv ("BITNET_REFERENCE_DATA");
  g_autofree char *in = g_strdup_printf (
      "%s/models/%s.gguf", root ? root : "", references[i].source);
  g_autofree char *expected_path = g_strdup_printf (
      "%s/models/%s.gguf", root ? root : "", references[i].reference);
  g_autofree char *out = in_folder ("out.gguf");
  g_autoptr (BnGguf) expected = NULL, found = NULL;

  if (!g_file_test (in, G_FILE_TEST_EXISTS)
      || !g_file_test (expected_path, G_FILE_TEST_EXISTS)) {
    g_test_skip ("no reference data");
    return;
  }
  run_tool ("quantize --head %s %s %s %s", references[i].head, in, out,
      references[i].type);
  expected = open_file (expected_path);
  found = open_file (out);
  g_unlink (out);
  g_assert_cmpuint (
      bn_gguf_get_n_tensors (found), ==, bn_gguf_get_n_tensors (expected));
  for (size_t j = 0; j < bn_gguf_get_n_tensors (expected); j++) {
    const BnGgufTensor *a = bn_gguf_get_tensor (expected, j);
    const BnGgufTensor *b = bn_gguf_find_tensor (found, a->name);
    /* Behind the scale of I2_S the reference leaves bytes of its memory. */
    uint64_t n = a->type == BN_TYPE_I2_S ? a->size - 28 : a->size;

    g_assert_nonnull (b);
    g_assert_cmpint (a->type, ==, b->type);
    g_assert_cmpuint (a->size, ==, b->size);
    if (memcmp (a->data, b->data, n) != 0)
      g_error ("%s of %s differs from the reference", a->name,
          references[i].reference);
  }
}

/* A model of one matrix "w.weight" of the given floats. */
static void
write_matrix (
    const char *path, const float *weights, uint64_t n_cols, uint64_t n_rows)
{
  uint64_t shape[] = {n_cols, n_rows};
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, NULL);

  bn_gguf_writer_add_string (writer, "general.architecture", "llama");
  bn_gguf_writer_add_tensor (writer, "w.weight", BN_TYPE_F32, 2, shape);
  bn_gguf_writer_write (
      writer, weights, sizeof *weights * n_cols * n_rows, NULL);
  g_assert_true (bn_gguf_writer_finish (writer, NULL));
}

/* Rows of 96 and of 100 do not fit blocks of 256. */
static const struct {
  const char *type;
  uint64_t n_cols;
  const char *expected;
} fallbacks[] = {
    {"Q2_K", 96, "Q4_0"},
    {"Q3_K", 96, "Q4_0"},
    {"Q4_K", 96, "Q5_0"},
    {"Q5_K", 96, "Q5_1"},
    {"Q6_K", 96, "Q8_0"},
    {"TQ1_0", 96, "Q8_0"},
    {"I2_S", 96, "Q8_0"},
    {"IQ2_BN", 96, "Q8_0"},
    {"Q4_K", 100, "F16"},
    {"Q8_0", 100, "F16"},
    {"BF16", 100, "BF16"},
};

static void
test_fallbacks (void)
{
  g_autofree float *weights = g_new0 (float, 200);
  g_autofree char *in = in_folder ("in.gguf"), *out = in_folder ("out.gguf");

  for (gsize i = 0; i < G_N_ELEMENTS (fallbacks); i++) {
    const char *arguments[] = {"quantize", in, out, fallbacks[i].type, NULL};
    g_auto (TestOutcome) outcome = {0};
    g_autoptr (BnGguf) gguf = NULL;

    write_matrix (in, weights, fallbacks[i].n_cols, 2);
    outcome = test_spawn (arguments);
    g_assert_cmpint (outcome.status, ==, 0);
    gguf = open_file (out);
    g_assert_cmpstr (bn_type_info (bn_gguf_get_tensor (gguf, 0)->type)->name,
        ==, fallbacks[i].expected);
    g_assert_cmpint (strstr (outcome.err, "next best") != NULL, ==,
        strcmp (fallbacks[i].type, fallbacks[i].expected) != 0);
    g_unlink (in);
    g_unlink (out);
  }
}

/* Weights that are not ternary are rounded by their mean magnitude. */
static void
test_absmean (void)
{
  float weights[256];
  g_autofree char *in = in_folder ("in.gguf"), *out = in_folder ("out.gguf");
  g_autofree float *found = NULL;
  g_autoptr (BnGguf) gguf = NULL;
  double sum = 0;
  float mean;

  for (int i = 0; i < 256; i++) {
    weights[i] = (float) (i * 37 % 101 - 50) / 64; /* exact */
    sum += (double) fabsf (weights[i]);
  }
  mean = (float) (sum / 256);
  write_matrix (in, weights, 128, 2);
  run_tool ("quantize %s %s I2_S", in, out);
  gguf = open_file (out);
  g_unlink (in);
  g_unlink (out);
  found = dequantize (bn_gguf_get_tensor (gguf, 0));
  for (int i = 0; i < 256; i++) {
    float ratio = rintf (weights[i] / mean);

    g_assert_cmpfloat (found[i], ==, CLAMP (ratio, -1, 1) * mean);
  }
}

/* NaN in the source: an error that names tensor and file, no output. */
static void
test_nan (void)
{
  float weights[64] = {0};
  g_autofree char *in = in_folder ("in.gguf"), *out = in_folder ("out.gguf");
  const char *arguments[] = {"quantize", in, out, "Q8_0", NULL};
  g_auto (TestOutcome) outcome = {0};

  weights[40] = NAN;
  write_matrix (in, weights, 32, 2);
  outcome = test_spawn (arguments);
  g_unlink (in);
  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_nonnull (strstr (outcome.err, "in.gguf: tensor w.weight"));
  g_assert_nonnull (strstr (outcome.err, "found NaN"));
  g_assert_false (g_file_test (out, G_FILE_TEST_EXISTS));
}

/* The input is never the output, by whatever name. */
static void
test_same_file (void)
{
  g_autofree char *in = in_folder ("in.gguf"), *hard = in_folder ("hard.gguf"),
                  *soft = in_folder ("soft.gguf");
  const char *outputs[] = {in, hard, soft};
  g_autofree char *before = NULL, *after = NULL;
  gsize size;

  run_tool ("synth -o %s", in);
  g_assert_cmpint (link (in, hard), ==, 0);
  g_assert_cmpint (symlink (in, soft), ==, 0);
  g_assert_true (g_file_get_contents (in, &before, &size, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (outputs); i++) {
    const char *arguments[] = {"quantize", in, outputs[i], "Q8_0", NULL};
    g_auto (TestOutcome) outcome = test_spawn (arguments);

    g_assert_cmpint (outcome.status, ==, 1);
    g_assert_nonnull (strstr (outcome.err, "the file that is read"));
  }
  g_assert_true (g_file_get_contents (in, &after, NULL, NULL));
  g_assert_cmpmem (before, size, after, size);
  g_unlink (in);
  g_unlink (hard);
  g_unlink (soft);
}

/* Layouts B and C become A. */
static void
test_layouts (void)
{
  enum { COLS = 128, ROWS = 4, N = COLS * ROWS };
  static const char *const names[] = {"A", "b", "C"};
  static const uint64_t shape[] = {COLS, ROWS};
  g_autofree char *in = in_folder ("in.gguf"), *out = in_folder ("out.gguf");
  uint8_t codes[N], packed[N / 4 + 32];

  for (int i = 0; i < N; i++)
    codes[i] = (uint8_t) (i * 7 / 3 % 3);
  for (int layout = BN_I2S_A; layout <= BN_I2S_C; layout++) {
    g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (in, NULL);
    g_autoptr (BnGguf) gguf = NULL;
    g_autofree float *weights = NULL;

    bn_i2s_pack (packed, codes, ROWS, COLS, (BnI2sLayout) layout, 0.25f);
    bn_gguf_writer_add_string (writer, "general.architecture", "bitnet");
    bn_gguf_writer_add_tensor (writer, "w.weight", BN_TYPE_I2_S, 2, shape);
    bn_gguf_writer_write (writer, packed, sizeof packed, NULL);
    g_assert_true (bn_gguf_writer_finish (writer, NULL));
    run_tool ("quantize --i2s-layout %s %s %s I2_S", names[layout], in, out);
    gguf = open_file (out);
    weights = dequantize (bn_gguf_get_tensor (gguf, 0));
    for (int i = 0; i < N; i++)
      g_assert_cmpfloat (weights[i], ==, (float) (codes[i] - 1) * 0.25f);
    g_unlink (in);
    g_unlink (out);
  }
}

/* A tensor without dimensions has one number; integers stay as they are. */
static void
test_odd_tensors (void)
{
  static const uint64_t shape[] = {4, 2};
  static const int32_t numbers[8] = {1, -2, 3, -4, 5, -6, 7, -8};
  static const float scalar = 0.5f;
  g_autofree char *in = in_folder ("in.gguf"), *out = in_folder ("out.gguf");
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (in, NULL);
  g_autoptr (BnGguf) gguf = NULL;
  const BnGgufTensor *tensor;

  bn_gguf_writer_add_string (writer, "general.architecture", "llama");
  bn_gguf_writer_add_tensor (writer, "scalar.weight", BN_TYPE_F32, 0, NULL);
  bn_gguf_writer_add_tensor (writer, "numbers.weight", BN_TYPE_I32, 2, shape);
  bn_gguf_writer_write (writer, &scalar, sizeof scalar, NULL);
  bn_gguf_writer_write (writer, numbers, sizeof numbers, NULL);
  g_assert_true (bn_gguf_writer_finish (writer, NULL));
  run_tool ("quantize %s %s Q8_0", in, out);
  gguf = open_file (out);
  tensor = bn_gguf_find_tensor (gguf, "scalar.weight");
  g_assert_cmpuint (tensor->n_dims, ==, 0);
  g_assert_cmpmem (tensor->data, tensor->size, &scalar, sizeof scalar);
  tensor = bn_gguf_find_tensor (gguf, "numbers.weight");
  g_assert_cmpint (tensor->type, ==, BN_TYPE_I32);
  g_assert_cmpmem (tensor->data, tensor->size, numbers, sizeof numbers);
  g_unlink (in);
  g_unlink (out);
}

/* A split model becomes one file without the keys of splitting. */
static void
test_split (void)
{
  static const uint64_t shape[] = {32, 2};
  static const float weights[64] = {1, 2, 3};
  g_autofree char *out = in_folder ("out.gguf");
  g_autofree char *first = in_folder ("m-00001-of-00002.gguf");
  g_autofree char *second = in_folder ("m-00002-of-00002.gguf");
  const char *paths[] = {first, second};
  g_autoptr (BnGguf) gguf = NULL;

  for (guint i = 0; i < 2; i++) {
    g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (paths[i], NULL);

    bn_gguf_writer_add_string (writer, "general.architecture", "llama");
    bn_gguf_writer_add_uint32 (writer, "split.no", i);
    bn_gguf_writer_add_uint32 (writer, "split.count", 2);
    bn_gguf_writer_add_tensor (
        writer, i ? "b.weight" : "a.weight", BN_TYPE_F32, 2, shape);
    bn_gguf_writer_write (writer, weights, sizeof weights, NULL);
    g_assert_true (bn_gguf_writer_finish (writer, NULL));
  }
  run_tool ("quantize %s %s Q8_0", paths[0], out);
  gguf = open_file (out);
  g_assert_cmpuint (bn_gguf_get_n_files (gguf), ==, 1);
  g_assert_cmpuint (bn_gguf_get_n_tensors (gguf), ==, 2);
  g_assert_null (bn_gguf_find_kv (gguf, "split.count"));
  for (guint i = 0; i < 2; i++)
    g_unlink (paths[i]);
  g_unlink (out);
}

static const struct {
  const char *name, *line;
  int status;
  const char *err;
} failures[] = {
    {"none", "quantize", 2, "expected IN, OUT and TYPE, found 0"},
    {"two", "quantize a b", 2, "found 2"},
    {"type", "quantize a b Q9_9", 2, "expected one of F32, F16"},
    {"head", "quantize --head I2_S a b Q8_0", 2, "head"},
    {"layout", "quantize --i2s-layout D a b Q8_0", 2, "A, B or C"},
    {"missing", "quantize /no/such.gguf /tmp/x Q8_0", 1, "no such file"},
};

static void
test_failure (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_auto (TestOutcome) outcome = test_spawn_line (failures[i].line);

  g_assert_cmpint (outcome.status, ==, failures[i].status);
  g_assert_cmpstr (outcome.out, ==, "");
  g_assert_true (g_str_has_prefix (outcome.err, "bitnet quantize: "));
  if (!strstr (outcome.err, failures[i].err))
    g_error ("found \"%s\", expected \"%s\"", outcome.err, failures[i].err);
}

/* Ctrl-C in the middle: exit status 130, no file, no temporary file. */
static void
test_interrupt (void)
{
  g_autofree char *out = in_folder ("out.gguf");
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_new (
      G_SUBPROCESS_FLAGS_STDERR_PIPE, &error, g_getenv ("BITNET_TOOL"), "synth",
      "--preset", "llama-8b", "--type", "I2_S", "-o", out, NULL);
  char byte;

  g_assert_no_error (error);
  /* The first sign of progress. */
  g_assert_cmpint (g_input_stream_read (g_subprocess_get_stderr_pipe (process),
                       &byte, 1, NULL, &error),
      ==, 1);
  g_subprocess_send_signal (process, SIGINT);
  g_assert_true (g_subprocess_wait (process, NULL, &error));
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 130);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    g_autofree char *path =
        g_strdup_printf ("/quantize/type/%s", types[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_type);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (references); i++) {
    g_autofree char *path =
        g_strdup_printf ("/quantize/reference/%s", references[i].reference);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_reference);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_autofree char *path =
        g_strdup_printf ("/quantize/failure/%s", failures[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_failure);
  }
  g_test_add_func ("/quantize/fallbacks", test_fallbacks);
  g_test_add_func ("/quantize/absmean", test_absmean);
  g_test_add_func ("/quantize/nan", test_nan);
  g_test_add_func ("/quantize/same-file", test_same_file);
  g_test_add_func ("/quantize/layouts", test_layouts);
  g_test_add_func ("/quantize/odd-tensors", test_odd_tensors);
  g_test_add_func ("/quantize/split", test_split);
  g_test_add_func ("/quantize/interrupt", test_interrupt);
  status = g_test_run ();
  g_assert_cmpint (g_rmdir (folder), ==, 0); /* nothing was left over */
  g_free (folder);
  return status;
}
