/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet synth: a model file of random weights in the shape of a real model,
 * to measure and to test with.
 *
 * Every weight is a function of the seed, the tensor's name and the weight's
 * index alone, in integer arithmetic and one exactly rounded multiplication,
 * so a file has the same bytes on every machine:
 *
 *     mix (z)   = the finalizer of SplitMix64
 *     key       = mix (mix (seed) ^ FNV-1a-64 (name))
 *     draw (i)  = mix (key + (i + 1) * 0x9e3779b97f4a7c15)
 *     bell (i)  = sum of the four 16-bit parts of draw (i), less its mean,
 *                 divided by its standard deviation
 *     trit (i)  = byte (i % 8) of draw (i / 8), times 3, shifted right by 8
 *
 * Weights are scaled by 1 / sqrt (inputs), so that activations keep their
 * size from layer to layer. */
#include <math.h>
#include <string.h>

#include <bitnet/bitnet.h>

#include "bitnet-tool.h"
#include "synth-vocab.h"
#include "tool-tensor.h"

/* The shape of a model and what is customary for it. */
typedef struct {
  const char *name;
  const char *arch; /* unless --arch says otherwise */
  uint32_t n_embd;
  uint32_t n_layers;
  uint32_t n_ff;
  uint32_t n_heads;
  uint32_t n_kv_heads;
  uint32_t head_size;
  uint32_t n_vocab;
  uint32_t n_context;
  float rope_base;
  float norm_eps;
  gboolean is_tied; /* the output matrix is the token embedding */
} Preset;

static const Preset presets[] = {
    {"tiny", "llama", 256, 2, 512, 4, 2, 64, 512, 512, 10000, 1e-5f, FALSE},
    {"small", "llama", 512, 6, 1536, 8, 4, 64, 4096, 2048, 10000, 1e-5f, FALSE},
    {"2b4t", "bitnet-b1.58", 2560, 30, 6912, 20, 5, 128, 128256, 4096, 500000,
        1e-5f, TRUE},
    {"bitnet-large", "bitnet", 1536, 24, 4096, 16, 16, 96, 32002, 2048, 10000,
        1e-5f, TRUE},
    {"llama-1b", "llama", 2048, 16, 8192, 32, 8, 64, 128256, 8192, 500000,
        1e-5f, TRUE},
    {"llama-8b", "llama", 4096, 32, 14336, 32, 8, 128, 128256, 8192, 500000,
        1e-5f, FALSE},
    {"qwen2-0.5b", "qwen2", 896, 24, 4864, 14, 2, 64, 151936, 8192, 1e6f, 1e-6f,
        TRUE},
    {"qwen3-0.6b", "qwen3", 1024, 28, 3072, 16, 8, 128, 151936, 8192, 1e6f,
        1e-6f, TRUE},
    {"gpt2-124m", "gpt2", 768, 12, 3072, 12, 12, 64, 50257, 1024, 0, 1e-5f,
        FALSE},
};

static const char *const archs[] = {
    "llama", "bitnet", "bitnet-b1.58", "bitnet-25", "gpt2", "qwen2", "qwen3"};

typedef struct {
  const Preset *preset;
  const char *arch;
  BnType type;
  BnType head;
  uint64_t seed;
  GArray *tensors;     /* Tensor, in file order */
  uint64_t n_elements; /* of all of them */
} Synth;

/* What the weights of a tensor are like. */
typedef enum {
  NOISE,   /* bell-shaped around mean */
  TERNARY, /* -spread, 0, spread */
} Kind;

typedef struct {
  char name[64];
  BnType type;
  uint32_t n_dims;
  uint64_t ne[2];
  Kind kind;
  float mean;
  float spread; /* standard deviation, or the ternary scale */
  uint64_t key; /* of the generator */
} Tensor;

/* Random numbers */

static uint64_t
mix (uint64_t z)
{
  z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
  return z ^ z >> 31;
}

static uint64_t
fnv1a (const char *text)
{
  uint64_t hash = UINT64_C (0xcbf29ce484222325);

  for (; *text; text++)
    hash = (hash ^ (uint8_t) *text) * UINT64_C (0x100000001b3);
  return hash;
}

static inline uint64_t
draw (uint64_t key, uint64_t i)
{
  return mix (key + (i + 1) * UINT64_C (0x9e3779b97f4a7c15));
}

static void
fill_noise (float *out, const Tensor *tensor, uint64_t first, size_t n)
{
  /* Four uniform numbers of 0..65535: mean 4 * 32767.5, variance
   * 4 * (2^32 - 1) / 12. */
  const int32_t mean = 131070;
  const float factor = tensor->spread * 2.6429e-5f;

  for (size_t i = 0; i < n; i++) {
    uint64_t z = draw (tensor->key, first + i);
    int32_t sum = (int32_t) ((z & 0xffff) + (z >> 16 & 0xffff)
                             + (z >> 32 & 0xffff) + (z >> 48));

    out[i] = tensor->mean + factor * (float) (sum - mean);
  }
}

static void
fill_ternary (float *out, const Tensor *tensor, uint64_t first, size_t n)
{
  const float values[] = {-tensor->spread, 0, tensor->spread};
  uint64_t z = 0;

  for (size_t i = 0; i < n; i++) {
    uint64_t index = first + i;

    if (i == 0 || index % 8 == 0)
      z = draw (tensor->key, index / 8);
    out[i] = values[(z >> 8 * (index % 8) & 0xff) * 3 >> 8];
  }
}

static gboolean
fill_rows (float *rows, uint64_t first_row, uint32_t n_rows, gpointer data,
    GError **error)
{
  const Tensor *tensor = data;
  uint64_t n_cols = tensor->ne[0];

  if (tensor->kind == TERNARY)
    fill_ternary (rows, tensor, first_row * n_cols, (size_t) (n_rows * n_cols));
  else
    fill_noise (rows, tensor, first_row * n_cols, (size_t) (n_rows * n_cols));
  return TRUE;
}

/* The tensors of a model */

static gboolean
is_bitnet (const Synth *self)
{
  return g_str_has_prefix (self->arch, "bitnet");
}

static gboolean
is_arch (const Synth *self, const char *arch)
{
  return strcmp (self->arch, arch) == 0;
}

static Tensor *
add_tensor (Synth *self, const char *name, BnType type, uint64_t n_cols,
    uint64_t n_rows)
{
  Tensor tensor = {
      .type = type, .n_dims = n_rows ? 2 : 1, .ne = {n_cols, MAX (n_rows, 1)}};

  g_strlcpy (tensor.name, name, sizeof tensor.name);
  tensor.key = mix (mix (self->seed) ^ fnv1a (name));
  self->n_elements += tensor.ne[0] * tensor.ne[1];
  g_array_append_val (self->tensors, tensor);
  return &g_array_index (self->tensors, Tensor, self->tensors->len - 1);
}

static void
add_vector (Synth *self, const char *name, uint64_t n, float mean, float spread)
{
  Tensor *tensor = add_tensor (self, name, BN_TYPE_F32, n, 0);

  tensor->mean = mean;
  tensor->spread = spread;
}

/* A norm's weight, and its bias where the architecture has one. */
static void
add_norm (Synth *self, const char *prefix, const char *name, uint64_t n)
{
  g_autofree char *weight = g_strconcat (prefix, name, ".weight", NULL);
  g_autofree char *bias = g_strconcat (prefix, name, ".bias", NULL);

  add_vector (self, weight, n, 1, 0.1f);
  if (is_arch (self, "gpt2"))
    add_vector (self, bias, n, 0, 0.02f);
}

/* Embedding and output matrices. */
static void
add_head (Synth *self, const char *name, uint64_t n_rows)
{
  uint64_t n_cols = self->preset->n_embd;
  Tensor *tensor = add_tensor (
      self, name, tool_fit_type (self->head, n_cols), n_cols, n_rows);

  tensor->spread = 2 / sqrtf ((float) n_cols);
}

static void
add_linear (Synth *self, const char *prefix, const char *name, uint64_t n_cols,
    uint64_t n_rows, gboolean has_bias)
{
  g_autofree char *weight = g_strconcat (prefix, name, ".weight", NULL);
  g_autofree char *bias = g_strconcat (prefix, name, ".bias", NULL);
  Tensor *tensor = add_tensor (
      self, weight, tool_fit_type (self->type, n_cols), n_cols, n_rows);

  if (is_bitnet (self) || tool_type_is_ternary (self->type)) {
    tensor->kind = TERNARY;
    tensor->spread = sqrtf (1.5f / (float) n_cols); /* 2 of 3 are not 0 */
  } else {
    tensor->spread = 1 / sqrtf ((float) n_cols);
  }
  if (has_bias)
    add_vector (self, bias, n_rows, 0, 0.02f);
}

static void
add_layer (Synth *self, uint32_t layer)
{
  const Preset *p = self->preset;
  gboolean is_gpt2 = is_arch (self, "gpt2");
  gboolean has_qkv_bias = is_arch (self, "qwen2");
  uint64_t q_size = (uint64_t) p->n_heads * p->head_size;
  uint64_t kv_size = (uint64_t) p->n_kv_heads * p->head_size;
  g_autofree char *prefix = g_strdup_printf ("blk.%u.", layer);

  add_norm (self, prefix, "attn_norm", p->n_embd);
  if (is_gpt2) {
    add_linear (self, prefix, "attn_qkv", p->n_embd, 3 * q_size, TRUE);
  } else {
    add_linear (self, prefix, "attn_q", p->n_embd, q_size, has_qkv_bias);
    add_linear (self, prefix, "attn_k", p->n_embd, kv_size, has_qkv_bias);
    add_linear (self, prefix, "attn_v", p->n_embd, kv_size, has_qkv_bias);
  }
  if (is_arch (self, "qwen3")) {
    add_norm (self, prefix, "attn_q_norm", p->head_size);
    add_norm (self, prefix, "attn_k_norm", p->head_size);
  }
  if (is_bitnet (self))
    add_norm (self, prefix, "attn_sub_norm", q_size);
  add_linear (self, prefix, "attn_output", q_size, p->n_embd, is_gpt2);
  add_norm (self, prefix, "ffn_norm", p->n_embd);
  if (!is_gpt2)
    add_linear (self, prefix, "ffn_gate", p->n_embd, p->n_ff, FALSE);
  add_linear (self, prefix, "ffn_up", p->n_embd, p->n_ff, is_gpt2);
  if (is_bitnet (self))
    add_norm (self, prefix, "ffn_sub_norm", p->n_ff);
  add_linear (self, prefix, "ffn_down", p->n_ff, p->n_embd, is_gpt2);
}

static void
plan_tensors (Synth *self)
{
  const Preset *p = self->preset;

  self->tensors = g_array_new (FALSE, FALSE, sizeof (Tensor));
  add_head (self, "token_embd.weight", p->n_vocab);
  if (is_arch (self, "gpt2")) {
    Tensor *tensor = add_tensor (
        self, "position_embd.weight", BN_TYPE_F32, p->n_embd, p->n_context);

    tensor->spread = 1 / sqrtf ((float) p->n_embd);
  }
  add_norm (self, "", "output_norm", p->n_embd);
  if (!p->is_tied && !is_bitnet (self))
    add_head (self, "output.weight", p->n_vocab);
  for (uint32_t i = 0; i < p->n_layers; i++)
    add_layer (self, i);
}

/* Metadata */

static char *
arch_key (const Synth *self, const char *name)
{
  return g_strconcat (self->arch, ".", name, NULL);
}

static void
add_uint (
    BnGgufWriter *writer, const Synth *self, const char *name, uint32_t value)
{
  g_autofree char *key = arch_key (self, name);

  bn_gguf_writer_add_uint32 (writer, key, value);
}

static void
add_float (
    BnGgufWriter *writer, const Synth *self, const char *name, float value)
{
  g_autofree char *key = arch_key (self, name);

  bn_gguf_writer_add_float (writer, key, value);
}

static void
add_metadata (BnGgufWriter *writer, const Synth *self)
{
  const Preset *p = self->preset;
  gboolean is_gpt2 = is_arch (self, "gpt2");
  g_autofree char *name = g_strdup_printf ("synthetic %s", p->name);
  g_autofree char *description =
      g_strdup_printf ("random weights, seed %" G_GUINT64_FORMAT, self->seed);

  bn_gguf_writer_add_string (writer, "general.architecture", self->arch);
  bn_gguf_writer_add_string (writer, "general.type", "model");
  bn_gguf_writer_add_string (writer, "general.name", name);
  bn_gguf_writer_add_string (writer, "general.description", description);
  bn_gguf_writer_add_uint32 (
      writer, "general.file_type", tool_file_type (self->type));
  bn_gguf_writer_add_uint32 (writer, "general.quantization_version", 2);
  add_uint (writer, self, "vocab_size", p->n_vocab);
  add_uint (writer, self, "context_length", p->n_context);
  add_uint (writer, self, "embedding_length", p->n_embd);
  add_uint (writer, self, "block_count", p->n_layers);
  add_uint (writer, self, "feed_forward_length", p->n_ff);
  add_uint (writer, self, "attention.head_count", p->n_heads);
  if (is_gpt2) {
    add_float (writer, self, "attention.layer_norm_epsilon", p->norm_eps);
    return;
  }
  add_uint (writer, self, "attention.head_count_kv", p->n_kv_heads);
  add_float (writer, self, "attention.layer_norm_rms_epsilon", p->norm_eps);
  if (is_arch (self, "qwen3") || p->n_heads * p->head_size != p->n_embd) {
    add_uint (writer, self, "attention.key_length", p->head_size);
    add_uint (writer, self, "attention.value_length", p->head_size);
  }
  add_uint (writer, self, "rope.dimension_count", p->head_size);
  add_float (
      writer, self, "rope.freq_base", p->rope_base ? p->rope_base : 10000);
  if (is_arch (self, "bitnet"))
    bn_gguf_writer_add_string (writer, "bitnet.hidden_activation", "relu2");
}

static gboolean
write_model (const Synth *self, const char *path, ToolJob *job, GError **error)
{
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, error);

  if (!writer)
    return FALSE;
  add_metadata (writer, self);
  synth_add_vocab (writer, self->preset->n_vocab);
  for (guint i = 0; i < self->tensors->len; i++) {
    const Tensor *tensor = &g_array_index (self->tensors, Tensor, i);

    bn_gguf_writer_add_tensor (
        writer, tensor->name, tensor->type, tensor->n_dims, tensor->ne);
  }
  for (guint i = 0; i < self->tensors->len; i++) {
    Tensor *tensor = &g_array_index (self->tensors, Tensor, i);
    ToolTensor matrix = {.type = tensor->type,
        .n_cols = (uint32_t) tensor->ne[0],
        .n_rows = tensor->ne[1],
        .i2s_scale = tensor->spread,
        .fill = fill_rows,
        .data = tensor};

    if (!tool_write_tensor (writer, &matrix, job, error))
      return FALSE;
  }
  return bn_gguf_writer_finish (writer, error);
}

/* The command */

static const Preset *
find_preset (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++) {
    if (strcmp (presets[i].name, name) == 0)
      return &presets[i];
  }
  return NULL;
}

static const char *
find_arch (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (archs); i++) {
    if (strcmp (archs[i], name) == 0)
      return archs[i];
  }
  return NULL;
}

static char *
describe (void)
{
  GString *text = g_string_new (
      "Examples:\n"
      "  bitnet synth -o tiny.gguf\n"
      "  bitnet synth --arch qwen3 --preset small --type Q4_K -o small.gguf\n"
      "  bitnet synth --preset 2b4t --type I2_S --head Q6_K -o 2b.gguf\n"
      "\nPresets (architecture, width, layers, vocabulary):\n");
  g_autofree char *types = tool_list_writable_types ();
  g_autofree char *names = g_strjoinv (", ", (char **) archs);

  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++)
    g_string_append_printf (text, "  %-13s %-13s %5u %3u %7u\n",
        presets[i].name, presets[i].arch, presets[i].n_embd,
        presets[i].n_layers, presets[i].n_vocab);
  g_string_append_printf (
      text, "\nArchitectures: %s\nTypes: %s\n\n", names, types);
  g_string_append (text,
      "The same options give the same bytes on every machine. A matrix whose\n"
      "rows do not fit the blocks of the type gets the next best type.");
  return g_string_free (text, FALSE);
}

int
cmd_synth (int argc, char **argv)
{
  g_autofree char *arch = NULL, *preset = NULL, *type = NULL, *head = NULL,
                  *output = NULL, *description = describe ();
  gint64 seed = 0;
  const GOptionEntry entries[] = {
      {"arch", 'a', 0, G_OPTION_ARG_STRING, &arch,
          "architecture (default: the preset's)", "NAME"},
      {"preset", 'p', 0, G_OPTION_ARG_STRING, &preset, "shape (default: tiny)",
          "NAME"},
      {"type", 't', 0, G_OPTION_ARG_STRING, &type,
          "type of the matrices (default: I2_S for bitnet, else F16)", "TYPE"},
      {"head", 0, 0, G_OPTION_ARG_STRING, &head,
          "type of the token embedding and the output (default: F16 beside "
          "ternary types, float types themselves, else Q8_0)",
          "TYPE"},
      {"seed", 's', 0, G_OPTION_ARG_INT64, &seed, "seed (default: 0)", "N"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
          "file to write (required)", "FILE"},
      G_OPTION_ENTRY_NULL,
  };
  Synth self = {0};
  g_autoptr (GError) error = NULL;
  ToolJob job;
  int status;

  if (!tool_parse_options (&argc, &argv, entries, NULL,
          "Writes a model of random weights in the shape of a real model.",
          description, &status))
    return status;
  if (argc > 1)
    return tool_fail_usage ("synth",
        "found the argument \"%s\", expected "
        "options only (-o names the file)",
        argv[1]);
  if (!output)
    return tool_fail_usage ("synth", "-o FILE is missing");
  self.preset = find_preset (preset ? preset : "tiny");
  if (!self.preset)
    return tool_fail_usage ("synth", "there is no preset \"%s\"", preset);
  self.arch = find_arch (arch ? arch : self.preset->arch);
  if (!self.arch)
    return tool_fail_usage ("synth", "there is no architecture \"%s\"", arch);
  self.seed = (uint64_t) seed;
  self.type = is_bitnet (&self) ? BN_TYPE_I2_S : BN_TYPE_F16;
  if (type && !tool_parse_type (type, &self.type, &error))
    return tool_fail_usage ("synth", "%s", error->message);
  self.head = tool_type_is_ternary (self.type) ? BN_TYPE_F16
                                               : tool_head_type (self.type);
  if (head && !tool_parse_type (head, &self.head, &error))
    return tool_fail_usage ("synth", "%s", error->message);
  if (self.head == BN_TYPE_I2_S)
    return tool_fail_usage ("synth", "the head cannot be I2_S, whose codes "
                                     "are not stored by row");

  plan_tensors (&self);
  tool_job_begin (&job, "Writing", self.n_elements);
  status = EXIT_OK;
  if (!write_model (&self, output, &job, &error))
    status = tool_job_fail ("synth", error);
  tool_progress_end ();
  g_array_unref (self.tensors);
  return status;
}
