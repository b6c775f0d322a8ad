/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet quantize: the same model with its matrices in another type.
 *
 * Each matrix is read a few rows at a time as floats and encoded anew, so that
 * memory does not grow with the model. Encoders are llama.cpp's reference ones,
 * but for I2_S: its encoder keeps signs only and wants weights that are ternary
 * already, so others are rounded first as BitNet models are made
 * (quant-formats.md 6.3): s = mean |w|, w' = clamp (round (w / s), -1, 1) * s.
 */
#include <math.h>
#include <string.h>

#include <bitnet/bitnet.h>

#include "bitnet-tool.h"
#include "bn-kernels.h"
#include "tool-tensor.h"

enum { MAX_COLS = 1 << 26 }; /* a row is held in memory */

/* What happens to a tensor. */
typedef enum {
  COPY,    /* its bytes as they are */
  CONVERT, /* through floats */
} Action;

typedef struct {
  const BnGgufTensor *tensor;
  Action action;
  BnType type; /* in the new file */
} Plan;

typedef struct {
  const BnGguf *gguf;
  BnType type;
  BnType head;
  BnI2sLayout layout; /* of I2_S tensors that are read */
  GArray *plans;      /* Plan */
  uint64_t n_elements;
  guint n_fallbacks; /* matrices that do not fit the type */
} Quantize;

/* A tensor that is read as floats. */
typedef struct {
  const Quantize *quantize;
  const BnGgufTensor *tensor;
  uint32_t n_cols;
  uint32_t n_rows;
  float scale; /* of I2_S, TL1 and TL2 */
} Source;

static gboolean
fail_tensor (
    const Source *self, BitnetError code, GError **error, const char *what)
{
  const BnGguf *gguf = self->quantize->gguf;
  g_autofree char *path = g_filename_display_name (
      bn_gguf_get_file_path (gguf, self->tensor->file));

  g_set_error (error, BITNET_ERROR, (int) code,
      "%s: tensor %s at byte %" G_GUINT64_FORMAT ": %s", path,
      self->tensor->name, (guint64) self->tensor->offset, what);
  return FALSE;
}

/* Reading */

static uint64_t
count_rows (const BnGgufTensor *tensor)
{
  return tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
}

static gboolean
source_init (Source *self, const Quantize *quantize, const BnGgufTensor *tensor,
    GError **error)
{
  *self = (Source){.quantize = quantize, .tensor = tensor};
  if (tensor->ne[0] > MAX_COLS || count_rows (tensor) > G_MAXUINT32)
    return fail_tensor (self, BITNET_ERROR_CORRUPT, error,
        "found a shape of rows beyond 2^26 or of more than 2^32 rows, "
        "expected a smaller one");
  self->n_cols = (uint32_t) tensor->ne[0];
  self->n_rows = (uint32_t) count_rows (tensor);
  if (!bn_dequantize_row_get (tensor->type))
    self->scale = bn_ternary_tensor_scale (
        tensor->type, tensor->data, self->n_rows, self->n_cols);
  return TRUE;
}

/* I2_S, TL1 and TL2, whose rows do not lie one after the other. */
static int
unpack_rows (const Source *self, uint8_t *codes, uint32_t begin, uint32_t end)
{
  const BnGgufTensor *tensor = self->tensor;
  size_t bad;

  switch (tensor->type) {
    case BN_TYPE_I2_S:
      return bn_i2s_unpack (codes, tensor->data, self->n_rows, self->n_cols,
          begin, end, self->quantize->layout, &bad);
    case BN_TYPE_TL1:
      return bn_tl1_unpack (
          codes, tensor->data, self->n_rows, self->n_cols, begin, end, &bad);
    default:
      return bn_tl2_unpack (
          codes, tensor->data, self->n_rows, self->n_cols, begin, end, &bad);
  }
}

static gboolean
read_codes (const Source *self, float *rows, uint32_t begin, uint32_t end,
    GError **error)
{
  size_t n = (size_t) (end - begin) * self->n_cols;
  g_autofree uint8_t *codes = g_malloc (n);
  int result = unpack_rows (self, codes, begin, end);

  if (result == -1)
    return fail_tensor (self, BITNET_ERROR_CORRUPT, error,
        "found a code that no encoder writes, expected -1, 0 or 1");
  if (result != 0)
    return fail_tensor (self, BITNET_ERROR_UNSUPPORTED_QUANTIZATION, error,
        "found a shape for which the arrangement of the type is not known");
  for (size_t i = 0; i < n; i++)
    rows[i] = (float) (codes[i] - 1) * self->scale;
  return TRUE;
}

static gboolean
read_rows (float *rows, uint64_t first_row, uint32_t n_rows, gpointer data,
    GError **error)
{
  const Source *self = data;
  BnDequantizeRow dequantize = bn_dequantize_row_get (self->tensor->type);
  size_t row_size = (size_t) (self->tensor->size / self->n_rows);
  size_t n = (size_t) n_rows * self->n_cols;
  gboolean is_finite = TRUE;

  if (!dequantize) {
    if (!read_codes (self, rows, (uint32_t) first_row,
            (uint32_t) first_row + n_rows, error))
      return FALSE;
  } else {
    for (uint32_t i = 0; i < n_rows; i++)
      dequantize (rows + (size_t) i * self->n_cols,
          self->tensor->data + (first_row + i) * row_size, self->n_cols);
  }
  for (size_t i = 0; i < n; i++)
    is_finite &= isfinite (rows[i]) != 0;
  return is_finite
         || fail_tensor (self, BITNET_ERROR_NUMERIC, error,
             "found NaN or infinity, expected finite weights");
}

/* What rounding to three values needs to know. */
typedef struct {
  double sum; /* of magnitudes */
  float max;
  float min; /* magnitude that is not 0 */
} Magnitudes;

static gboolean
measure (const Source *self, Magnitudes *result, GError **error)
{
  g_autofree float *row = g_new (float, self->n_cols);

  *result = (Magnitudes){.min = INFINITY};
  for (uint32_t i = 0; i < self->n_rows; i++) {
    if (!read_rows (row, i, 1, (gpointer) self, error))
      return FALSE;
    for (uint32_t j = 0; j < self->n_cols; j++) {
      float magnitude = fabsf (row[j]);

      result->sum += (double) magnitude;
      result->max = fmaxf (result->max, magnitude);
      if (magnitude > 0)
        result->min = fminf (result->min, magnitude);
    }
  }
  return TRUE;
}

/* The scale of the I2_S tensor: the one the weights have, if they are ternary
 * but for the rounding of a half or a bfloat16, else the mean. */
static gboolean
find_i2s_scale (const Source *self, float *scale, GError **error)
{
  static const float tolerance = 0.01f, smallest = 1e-5f;
  Magnitudes m;
  double n = (double) self->n_cols * self->n_rows;

  if (!measure (self, &m, error))
    return FALSE;
  if (m.max > 0 && m.min >= m.max * (1 - tolerance))
    *scale = m.max;
  else
    *scale = fmaxf ((float) (m.sum / n), smallest);
  return TRUE;
}

/* Planning */

static gboolean
is_number_type (BnType type)
{
  return type == BN_TYPE_I8 || type == BN_TYPE_I16 || type == BN_TYPE_I32
         || type == BN_TYPE_I64 || type == BN_TYPE_F64;
}

static gboolean
is_head (const char *name)
{
  return strcmp (name, "token_embd.weight") == 0
         || strcmp (name, "output.weight") == 0;
}

/* Tables that are looked up, and what decides between experts. */
static gboolean
is_kept (const char *name)
{
  return g_str_has_prefix (name, "position_embd")
         || g_str_has_prefix (name, "token_types")
         || strstr (name, "ffn_gate_inp");
}

static Plan
plan_tensor (Quantize *self, const BnGgufTensor *tensor)
{
  Plan plan = {.tensor = tensor, .action = CONVERT, .type = BN_TYPE_F32};
  gboolean is_matrix = tensor->n_dims >= 2 && count_rows (tensor) > 1
                       && !strstr (tensor->name, "norm");
  BnType wanted = is_head (tensor->name) ? self->head : self->type;

  if (is_number_type (tensor->type) || (is_matrix && is_kept (tensor->name))) {
    plan.action = COPY;
    plan.type = tensor->type;
  } else if (is_matrix && g_str_has_suffix (tensor->name, ".weight")) {
    plan.type = tool_fit_type (wanted, tensor->ne[0]);
    self->n_fallbacks += plan.type != wanted;
  }
  /* Encoding again would only lose; I2_S may have another layout. */
  if (plan.type == tensor->type && plan.type != BN_TYPE_I2_S)
    plan.action = COPY;
  return plan;
}

static void
plan_tensors (Quantize *self)
{
  self->plans = g_array_new (FALSE, FALSE, sizeof (Plan));
  for (size_t i = 0; i < bn_gguf_get_n_tensors (self->gguf); i++) {
    const BnGgufTensor *tensor = bn_gguf_get_tensor (self->gguf, i);
    Plan plan = plan_tensor (self, tensor);

    g_array_append_val (self->plans, plan);
    self->n_elements += tensor->ne[0] * count_rows (tensor);
  }
}

/* Writing */

/* Keys that describe the file rather than the model. */
static gboolean
is_replaced (const char *key)
{
  return strcmp (key, "general.alignment") == 0
         || strcmp (key, "general.file_type") == 0
         || strcmp (key, "general.quantization_version") == 0
         || g_str_has_prefix (key, "split.");
}

static void
add_metadata (const Quantize *self, BnGgufWriter *writer)
{
  for (size_t i = 0; i < bn_gguf_get_n_kvs (self->gguf); i++) {
    const BnGgufKv *kv = bn_gguf_get_kv (self->gguf, i);

    if (!is_replaced (kv->key))
      bn_gguf_writer_add_kv (writer, kv);
  }
  bn_gguf_writer_add_uint32 (
      writer, "general.file_type", tool_file_type (self->type));
  bn_gguf_writer_add_uint32 (writer, "general.quantization_version", 2);
}

static gboolean
write_tensor (const Quantize *self, BnGgufWriter *writer, const Plan *plan,
    ToolJob *job, GError **error)
{
  const BnGgufTensor *tensor = plan->tensor;
  Source source;
  ToolTensor matrix = {.type = plan->type, .fill = read_rows, .data = &source};

  if (plan->action == COPY)
    return bn_gguf_writer_write (
               writer, tensor->data, (size_t) tensor->size, error)
           && tool_job_advance (
               job, tensor->ne[0] * count_rows (tensor), error);
  if (!source_init (&source, self, tensor, error))
    return FALSE;
  matrix.n_cols = source.n_cols;
  matrix.n_rows = source.n_rows;
  if (plan->type == BN_TYPE_I2_S
      && !find_i2s_scale (&source, &matrix.i2s_scale, error))
    return FALSE;
  return tool_write_tensor (writer, &matrix, job, error);
}

static gboolean
write_model (
    const Quantize *self, const char *path, ToolJob *job, GError **error)
{
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, error);

  if (!writer)
    return FALSE;
  add_metadata (self, writer);
  for (guint i = 0; i < self->plans->len; i++) {
    const Plan *plan = &g_array_index (self->plans, Plan, i);

    bn_gguf_writer_add_tensor (writer, plan->tensor->name, plan->type,
        plan->tensor->n_dims, plan->tensor->ne);
  }
  for (guint i = 0; i < self->plans->len; i++) {
    if (!write_tensor (
            self, writer, &g_array_index (self->plans, Plan, i), job, error))
      return FALSE;
  }
  return bn_gguf_writer_finish (writer, error);
}

/* The command */

/* Whether path is one of the files being read, by whatever name. */
static gboolean
is_input (const BnGguf *gguf, const char *path)
{
  BnFileId id;

  if (!bn_file_id_read (&id, path))
    return FALSE;
  for (uint32_t i = 0; i < bn_gguf_get_n_files (gguf); i++) {
    const BnFileId *input = bn_gguf_get_file_id (gguf, i);

    if (input->device == id.device && input->inode == id.inode)
      return TRUE;
  }
  return FALSE;
}

static gboolean
parse_layout (const char *name, BnI2sLayout *layout)
{
  static const char *const names[] = {"a", "b", "c"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (g_ascii_strcasecmp (name, names[i]) == 0) {
      *layout = (BnI2sLayout) (BN_I2S_A + i);
      return TRUE;
    }
  }
  return FALSE;
}

static int
run (Quantize *self, const char *input, const char *output)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = bn_gguf_open (input, NULL, &error);
  const BnTypeInfo *info = bn_type_info (self->type);
  ToolJob job;
  gboolean is_done;

  if (!gguf)
    return tool_fail ("quantize", "%s", error->message);
  if (is_input (gguf, output))
    return tool_fail ("quantize",
        "%s: found the file that is read, expected "
        "another one to write",
        output);
  self->gguf = gguf;
  plan_tensors (self);
  tool_job_begin (&job, "Quantizing", self->n_elements);
  is_done = write_model (self, output, &job, &error);
  g_array_unref (self->plans);
  if (!is_done)
    return tool_job_fail ("quantize", error);
  tool_progress_end ();
  if (self->n_fallbacks > 0)
    g_printerr ("bitnet quantize: %u matrices have rows that do not fit %s or "
                "the head's type and got the next best one\n",
        self->n_fallbacks, info->name);
  return EXIT_OK;
}

static char *
describe (void)
{
  g_autofree char *types = tool_list_writable_types ();

  return g_strdup_printf (
      "Examples:\n"
      "  bitnet quantize model-f16.gguf model-q4_k.gguf Q4_K\n"
      "  bitnet quantize --head F16 bitnet-f32.gguf bitnet-i2_s.gguf I2_S\n"
      "\nTypes: %s\n\n"
      "Vectors and norms become F32; position tables stay as they are. A\n"
      "matrix whose rows do not fit the blocks of the type gets the next best\n"
      "one: Q4_0 for Q2_K and Q3_K, Q5_0 for Q4_K, Q5_1 for Q5_K, Q8_0 for\n"
      "Q6_K and the ternary types, F16 where not even 32 divides the row.\n"
      "I2_S rounds weights that are not ternary yet to -1, 0 and 1 times the\n"
      "mean magnitude of the matrix; only models trained for that stay useful.",
      types);
}

int
cmd_quantize (int argc, char **argv)
{
  g_autofree char *head = NULL, *layout = NULL, *description = describe ();
  const GOptionEntry entries[] = {
      {"head", 0, 0, G_OPTION_ARG_STRING, &head,
          "type of the token embedding and the output (default: TYPE if it "
          "is F32, F16 or BF16, else Q8_0)",
          "TYPE"},
      {"i2s-layout", 0, 0, G_OPTION_ARG_STRING, &layout,
          "element order of I2_S in IN: A (default), B or C; OUT has A",
          "LAYOUT"},
      G_OPTION_ENTRY_NULL,
  };
  Quantize self = {0};
  g_autoptr (GError) error = NULL;
  int status;

  if (!tool_parse_options (&argc, &argv, entries, "IN OUT TYPE",
          "Writes a model with its matrices in another type.", description,
          &status))
    return status;
  if (argc != 4)
    return tool_fail_usage (
        "quantize", "expected IN, OUT and TYPE, found %d arguments", argc - 1);
  if (!tool_parse_type (argv[3], &self.type, &error))
    return tool_fail_usage ("quantize", "%s", error->message);
  self.head = tool_head_type (self.type);
  if (head && !tool_parse_type (head, &self.head, &error))
    return tool_fail_usage ("quantize", "%s", error->message);
  if (self.head == BN_TYPE_I2_S)
    return tool_fail_usage ("quantize", "the head cannot be I2_S, whose codes "
                                        "are not stored by row");
  if (layout && !parse_layout (layout, &self.layout))
    return tool_fail_usage (
        "quantize", "found layout \"%s\", expected A, B or C", layout);
  return run (&self, argv[1], argv[2]);
}
