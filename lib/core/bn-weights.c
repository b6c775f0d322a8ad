/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Binds tensors to the graph: which names an architecture has, with which
 * shapes (model-graphs.md 5 to 9). */
#include "bitnet-error.h"
#include "bn-weights-private.h"

#include <string.h>

typedef enum {
  REQUIRED,
  OPTIONAL,
} Presence;

enum { NAME_SIZE = 128 };

void
bn_loader_fail (BnLoader *self, BitnetError code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  if (self->has_failed)
    return;
  self->has_failed = TRUE;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (self->error, BITNET_ERROR, code, "%s: %s",
      bn_gguf_get_path (self->weights->gguf), text);
}

void
bn_loader_fail_tensor (BnLoader *self, BitnetError code,
    const BnGgufTensor *tensor, uint64_t offset, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  if (self->has_failed)
    return;
  self->has_failed = TRUE;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (self->error, BITNET_ERROR, code,
      "%s: tensor %s at offset %" G_GUINT64_FORMAT ": %s",
      bn_gguf_get_file_path (self->weights->gguf, tensor->file), tensor->name,
      tensor->offset + offset, text);
}

/* The tensor called name with shape n_cols x n_rows (a vector: n_rows 1), or
 * NULL: absent, or wrong and reported. */
static const BnGgufTensor *
bind_tensor (BnLoader *self, const char *name, uint32_t n_cols, uint32_t n_rows,
    Presence presence)
{
  const BnGgufTensor *tensor;

  if (self->has_failed)
    return NULL;
  tensor = bn_gguf_find_tensor (self->weights->gguf, name);
  if (tensor == NULL) {
    if (presence == REQUIRED)
      bn_loader_fail (self, BITNET_ERROR_CORRUPT,
          "tensor %s is missing, expected shape [%u, %u]", name, n_cols,
          n_rows);
    return NULL;
  }
  if (tensor->ne[0] != n_cols || tensor->ne[1] != n_rows || tensor->ne[2] != 1
      || tensor->ne[3] != 1) {
    bn_loader_fail_tensor (self, BITNET_ERROR_CORRUPT, tensor, 0,
        "found shape [%" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT
        ", %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT "], expected [%u, %u]",
        tensor->ne[0], tensor->ne[1], tensor->ne[2], tensor->ne[3], n_cols,
        n_rows);
    return NULL;
  }
  return tensor;
}

static const BnGgufTensor *
bind_float_tensor (
    BnLoader *self, const char *name, uint32_t n, Presence presence)
{
  const BnGgufTensor *tensor = bind_tensor (self, name, n, 1, presence);

  if (tensor == NULL || tensor->type == BN_TYPE_F32
      || tensor->type == BN_TYPE_F16 || tensor->type == BN_TYPE_BF16)
    return tensor;
  bn_loader_fail_tensor (self, BITNET_ERROR_UNSUPPORTED_QUANTIZATION, tensor, 0,
      "found type %s, expected F32, F16 or BF16",
      bn_type_id_name (tensor->type));
  return NULL;
}

static void
bind_vector (BnLoader *self, const float **place, const char *name, uint32_t n,
    Presence presence)
{
  BnBoundVector vector = {.place = place, .n = n};

  vector.tensor = bind_float_tensor (self, name, n, presence);
  if (vector.tensor)
    g_array_append_val (self->vectors, vector);
}

static void
bind_norm (BnLoader *self, BnNorm *norm, const char *name, uint32_t n)
{
  char full[NAME_SIZE];

  norm->n = n;
  norm->eps = self->hparams->norm_eps;
  g_snprintf (full, sizeof full, "%s.weight", name);
  bind_vector (self, &norm->weight, full, n, REQUIRED);
  if (self->hparams->has_layer_norm) {
    g_snprintf (full, sizeof full, "%s.bias", name);
    bind_vector (self, &norm->bias, full, n, REQUIRED);
  }
}

BnPack
bn_weights_pack (BnType type)
{
  switch (type) {
    case BN_TYPE_F32:
      return BN_PACK_F32;
    case BN_TYPE_F16:
      return BN_PACK_F16;
    case BN_TYPE_BF16:
      return BN_PACK_BF16;
    case BN_TYPE_Q4_0:
      return BN_PACK_Q4_0;
    case BN_TYPE_Q4_1:
      return BN_PACK_Q4_1;
    case BN_TYPE_Q5_0:
      return BN_PACK_Q5_0;
    case BN_TYPE_Q5_1:
      return BN_PACK_Q5_1;
    case BN_TYPE_Q8_0:
      return BN_PACK_Q8_0;
    case BN_TYPE_Q2_K:
      return BN_PACK_Q2_K;
    case BN_TYPE_Q3_K:
      return BN_PACK_Q3_K;
    case BN_TYPE_Q4_K:
      return BN_PACK_Q4_K;
    case BN_TYPE_Q5_K:
      return BN_PACK_Q5_K;
    case BN_TYPE_Q6_K:
      return BN_PACK_Q6_K;
    case BN_TYPE_TQ1_0:
      return BN_PACK_TQ1_0;
    case BN_TYPE_TQ2_0:
      return BN_PACK_TQ2_0;
    case BN_TYPE_I2_S:
    case BN_TYPE_TL1:
    case BN_TYPE_TL2:
      return BN_PACK_TERNARY;
    case BN_TYPE_IQ1_BN:
    case BN_TYPE_IQ2_BN:
      return BN_PACK_TERNARY_X4;
    default:
      return BN_N_PACKS;
  }
}

static gboolean
check_type (BnLoader *self, const BnGgufTensor *tensor)
{
  if (bn_weights_pack (tensor->type) != BN_N_PACKS)
    return TRUE;
  bn_loader_fail_tensor (self, BITNET_ERROR_UNSUPPORTED_QUANTIZATION, tensor, 0,
      "found type %s, expected one that can be multiplied",
      bn_type_id_name (tensor->type));
  return FALSE;
}

/* A factor for the whole product, of files whose weights are bare -1, 0, 1. */
static float
bind_scale (BnLoader *self, const char *name)
{
  char full[NAME_SIZE];
  const BnGgufTensor *tensor;
  float scale = 1;

  g_snprintf (full, sizeof full, "%s.scale", name);
  tensor = bind_float_tensor (self, full, 1, OPTIONAL);
  if (tensor)
    bn_loader_read_vector (self, &scale, tensor, 1);
  return scale;
}

static void
bind_rope_freqs (BnLoader *self)
{
  const uint32_t n = self->hparams->n_rot / 2;
  const BnGgufTensor *tensor =
      bind_float_tensor (self, "rope_freqs.weight", n, OPTIONAL);

  if (tensor) {
    self->weights->rope_freqs = g_new (float, n);
    bn_loader_read_vector (self, self->weights->rope_freqs, tensor, n);
  }
}

/* Whether the file's rows are those of BnKernels.in_place. */
static gboolean
lies_in_file (const BnLoader *self, BnType type, uint32_t n_cols)
{
  switch (type) {
    case BN_TYPE_I2_S:
      return self->i2s_layout == BN_I2S_A && n_cols % BN_I2S_COLS == 0;
    case BN_TYPE_IQ2_BN:
      return TRUE;
    default:
      return !bn_pack_is_ternary (bn_weights_pack (type));
  }
}

static void
bind_matrix (BnLoader *self, BnLinear *linear, const BnGgufTensor *tensor,
    uint32_t n_cols, uint32_t n_rows)
{
  BnBoundMatrix matrix = {.tensor = tensor,
      .linear = linear,
      .type = tensor ? tensor->type : 0,
      .n_rows = n_rows,
      .n_cols = n_cols,
      .row_tile = 1};

  if (tensor == NULL || !check_type (self, tensor))
    return;
  if (linear) {
    linear->matrix.pack = bn_weights_pack (tensor->type);
    linear->matrix.n_rows = n_rows;
    linear->matrix.n_cols = n_cols;
    linear->scale = 1;
    linear->lies_in_file = lies_in_file (self, tensor->type, n_cols);
  }
  g_array_append_val (self->matrices, matrix);
}

static void
bind_linear (BnLoader *self, BnLinear *linear, const char *name,
    uint32_t n_cols, uint32_t n_rows, Presence bias)
{
  char full[NAME_SIZE];

  g_snprintf (full, sizeof full, "%s.weight", name);
  bind_matrix (self, linear, bind_tensor (self, full, n_cols, n_rows, REQUIRED),
      n_cols, n_rows);
  linear->scale = bind_scale (self, name);
  g_snprintf (full, sizeof full, "%s.bias", name);
  bind_vector (self, &linear->bias, full, n_rows, bias);
}

static void
bind_table (BnLoader *self, BnTable *table, const char *name, uint32_t n_cols,
    uint32_t n_rows)
{
  const BnGgufTensor *tensor =
      bind_tensor (self, name, n_cols, n_rows, REQUIRED);

  if (tensor == NULL)
    return;
  *table = (BnTable){.type = tensor->type,
      .n_rows = n_rows,
      .n_cols = n_cols,
      .data = tensor->data,
      .i2s_layout = self->i2s_layout};
  bind_matrix (self, NULL, tensor, n_cols, n_rows);
}

static void
bind_attention (BnLoader *self, BnLayer *layer, uint32_t index)
{
  static const char *const parts[] = {"q", "k", "v"};
  const BnHparams *h = self->hparams;
  const uint32_t q_size = h->n_heads * h->head_size;
  const uint32_t kv_size = h->n_kv_heads * h->head_size;
  const gboolean is_gpt2 = h->arch == BN_ARCH_GPT2;
  const Presence bias =
      is_gpt2 || h->arch == BN_ARCH_QWEN2 ? REQUIRED : OPTIONAL;
  char name[NAME_SIZE];

  g_snprintf (name, sizeof name, "blk.%u.attn_qkv.weight", index);
  if (is_gpt2 || bn_gguf_find_tensor (self->weights->gguf, name)) {
    g_snprintf (name, sizeof name, "blk.%u.attn_qkv", index);
    bind_linear (
        self, &layer->attn_qkv[0], name, h->n_embd, q_size + 2 * kv_size, bias);
    layer->n_attn_qkv = 1;
  } else {
    for (uint32_t i = 0; i < G_N_ELEMENTS (parts); i++) {
      g_snprintf (name, sizeof name, "blk.%u.attn_%s", index, parts[i]);
      bind_linear (self, &layer->attn_qkv[i], name, h->n_embd,
          i == 0 ? q_size : kv_size, bias);
    }
    layer->n_attn_qkv = G_N_ELEMENTS (parts);
  }
  if (h->arch == BN_ARCH_QWEN3) {
    g_snprintf (name, sizeof name, "blk.%u.attn_q_norm", index);
    bind_norm (self, &layer->attn_q_norm, name, h->head_size);
    g_snprintf (name, sizeof name, "blk.%u.attn_k_norm", index);
    bind_norm (self, &layer->attn_k_norm, name, h->head_size);
  }
  if (h->has_sub_norms) {
    g_snprintf (name, sizeof name, "blk.%u.attn_sub_norm", index);
    bind_norm (self, &layer->attn_sub_norm, name, q_size);
  }
  g_snprintf (name, sizeof name, "blk.%u.attn_output", index);
  bind_linear (self, &layer->attn_output, name, q_size, h->n_embd,
      is_gpt2 ? REQUIRED : OPTIONAL);
}

static void
bind_ffn (BnLoader *self, BnLayer *layer, uint32_t index)
{
  const BnHparams *h = self->hparams;
  const Presence bias = h->arch == BN_ARCH_GPT2 ? REQUIRED : OPTIONAL;
  char name[NAME_SIZE];

  if (h->activation != BN_ACTIVATION_GELU) {
    g_snprintf (name, sizeof name, "blk.%u.ffn_gate", index);
    bind_linear (self, &layer->ffn_gate_up[layer->n_ffn_gate_up++], name,
        h->n_embd, h->n_ff, bias);
  }
  g_snprintf (name, sizeof name, "blk.%u.ffn_up", index);
  bind_linear (self, &layer->ffn_gate_up[layer->n_ffn_gate_up++], name,
      h->n_embd, h->n_ff, bias);
  if (h->has_sub_norms) {
    g_snprintf (name, sizeof name, "blk.%u.ffn_sub_norm", index);
    bind_norm (self, &layer->ffn_sub_norm, name, h->n_ff);
  }
  g_snprintf (name, sizeof name, "blk.%u.ffn_down", index);
  bind_linear (self, &layer->ffn_down, name, h->n_ff, h->n_embd, bias);
}

/* What is loaded is the copy; the file's rows are used where they lie. */
static void
bind_screen (BnLoader *self, BnBoundMatrix *matrix, BnType type)
{
  BnScreen *screen = g_new0 (BnScreen, 1);

  self->weights->screen = screen;
  screen->exact = matrix->linear;
  screen->copy = *matrix->linear;
  screen->copy.matrix.pack = bn_weights_pack (type);
  bn_screen_init (screen);
  matrix->linear = &screen->copy;
  matrix->type = type;
  matrix->screen = screen;
}

/* Whether bounds of the bare product serve. */
static gboolean
can_screen (const BnLoader *self)
{
  const BnWeights *weights = self->weights;

  return weights->backend->ops->matmul_screened != NULL
         && weights->output.scale == 1
         && bn_gguf_find_tensor (weights->gguf, "output.bias") == NULL;
}

static void
choose_head (BnLoader *self)
{
  BnLinear *output = &self->weights->output;
  BnHead wanted = self->head;
  BnBoundMatrix *matrix;
  BnHeadChoice choice;

  if (self->has_failed)
    return;
  /* Who wants no second copy of the weights wants none of these either. */
  if (wanted == BN_HEAD_AUTO && self->repack == BN_REPACK_NEVER)
    wanted = BN_HEAD_FILE;
  matrix =
      &g_array_index (self->matrices, BnBoundMatrix, self->matrices->len - 1);
  choice =
      bn_head_choose (wanted, matrix->type, matrix->n_rows, matrix->n_cols);
  if (choice.head == BN_HEAD_SCREENED && !can_screen (self)) {
    g_info ("the output matrix stays as it is: with a bias or a scale it is "
            "not screened");
    choice = (BnHeadChoice){BN_HEAD_FILE, matrix->type};
  }
  self->weights->head = choice.head;
  if (choice.head == BN_HEAD_SCREENED) {
    bind_screen (self, matrix, choice.copy_type);
    return;
  }
  matrix->type = choice.copy_type;
  output->matrix.pack = bn_weights_pack (choice.copy_type);
}

static void
bind_output (BnLoader *self)
{
  const BnHparams *h = self->hparams;
  BnWeights *weights = self->weights;
  const BnGgufTensor *tensor;

  bind_norm (self, &weights->output_norm, "output_norm", h->n_embd);
  tensor = bind_tensor (self, "output.weight", h->n_embd, h->n_vocab, OPTIONAL);
  weights->output.has_few_rows = TRUE;
  if (tensor) {
    bind_linear (
        self, &weights->output, "output", h->n_embd, h->n_vocab, OPTIONAL);
    choose_head (self);
    return;
  }
  if (self->has_failed)
    return;
  /* Tied: what was bound as a table for checking becomes the matrix. */
  tensor = bn_gguf_find_tensor (weights->gguf, "token_embd.weight");
  g_array_remove_index (self->matrices, 0);
  bind_matrix (self, &weights->output, tensor, h->n_embd, h->n_vocab);
  choose_head (self);
}

/* Tensors that stand for parts of a graph which is not implemented. */
static void
refuse_unknown_parts (BnLoader *self)
{
  static const char *const parts[] = {"_norm_in.", "_exps.", "_shexp.",
      "post_attention_norm.", "post_ffw_norm."};

  for (size_t i = 0; i < bn_gguf_get_n_tensors (self->weights->gguf); i++) {
    const BnGgufTensor *tensor = bn_gguf_get_tensor (self->weights->gguf, i);
    for (size_t j = 0; j < G_N_ELEMENTS (parts); j++) {
      if (strstr (tensor->name, parts[j]))
        bn_loader_fail_tensor (self, BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
            tensor, 0,
            "found in a model of architecture %s, expected none "
            "(this variant of the architecture is not supported)",
            self->hparams->name);
    }
  }
}

static void
bind_all (BnLoader *self)
{
  const BnHparams *h = self->hparams;
  BnWeights *weights = self->weights;
  char name[NAME_SIZE];

  refuse_unknown_parts (self);
  bind_table (
      self, &weights->token_embd, "token_embd.weight", h->n_embd, h->n_vocab);
  bind_output (self);
  if (h->arch == BN_ARCH_GPT2)
    bind_table (self, &weights->position_embd, "position_embd.weight",
        h->n_embd, h->n_context);
  if (h->rope != BN_ROPE_NONE)
    bind_rope_freqs (self);
  weights->layers = g_new0 (BnLayer, h->n_layers);
  weights->n_layers = h->n_layers;
  for (uint32_t i = 0; i < h->n_layers && !self->has_failed; i++) {
    BnLayer *layer = &weights->layers[i];

    g_snprintf (name, sizeof name, "blk.%u.attn_norm", i);
    bind_norm (self, &layer->attn_norm, name, h->n_embd);
    bind_attention (self, layer, i);
    g_snprintf (name, sizeof name, "blk.%u.ffn_norm", i);
    bind_norm (self, &layer->ffn_norm, name, h->n_embd);
    bind_ffn (self, layer, i);
  }
}

static gboolean
is_float_pack (BnPack pack)
{
  return pack == BN_PACK_F32 || pack == BN_PACK_F16 || pack == BN_PACK_BF16;
}

/* What the pass for one token reads: matrices as they are held, with what
 * belongs to their rows, vectors, and one row of each table. The few rows that
 * a screened output matrix computes from the file are not in it. */
static uint64_t
count_token_size (const BnLoader *self)
{
  uint64_t size = 0;

  for (guint i = 0; i < self->matrices->len; i++) {
    const BnBoundMatrix *matrix =
        &g_array_index (self->matrices, BnBoundMatrix, i);

    if (matrix->linear == NULL) {
      size += matrix->tensor->size / matrix->n_rows;
      continue;
    }
    size += matrix->packed_size ? matrix->packed_size : matrix->tensor->size;
    if (matrix->linear->matrix.row_scale != NULL)
      size += matrix->n_rows * sizeof (float);
    if (matrix->screen != NULL)
      size += matrix->n_rows * sizeof (BnHeadLengths);
  }
  for (guint i = 0; i < self->vectors->len; i++)
    size += g_array_index (self->vectors, BnBoundVector, i).n * sizeof (float);
  return size;
}

/* What the layers' matrices multiply for one token, those of floats left out:
 * the output matrix is used for the last token of a prompt alone. */
static uint64_t
count_token_products (const BnLoader *self)
{
  const BnWeights *weights = self->weights;
  uint64_t n = 0;

  for (guint i = 0; i < self->matrices->len; i++) {
    const BnBoundMatrix *matrix =
        &g_array_index (self->matrices, BnBoundMatrix, i);
    const BnLinear *linear = matrix->linear;

    if (linear != NULL && linear != &weights->output && matrix->screen == NULL
        && !is_float_pack (linear->matrix.pack))
      n += (uint64_t) matrix->n_rows * matrix->n_cols;
  }
  return n;
}

BnWeights *
bn_weights_load (BnGguf *gguf, const BnHparams *hparams, BnBackend *backend,
    BnRepack repack, BnI2sLayout i2s_layout, BnHead head,
    const BnMemoryNeed *need, BnWeightsProgress progress,
    gpointer progress_data, GCancellable *cancellable, GError **error)
{
  g_autoptr (BnWeights) weights = g_new0 (BnWeights, 1);
  BnLoader loader = {.weights = weights,
      .hparams = hparams,
      .repack = repack,
      .i2s_layout = i2s_layout,
      .head = head,
      .need = need,
      .progress = progress,
      .progress_data = progress_data,
      .cancellable = cancellable,
      .error = error};

  weights->gguf = bn_gguf_ref (gguf);
  weights->backend = backend;
  loader.matrices = g_array_new (FALSE, FALSE, sizeof (BnBoundMatrix));
  loader.vectors = g_array_new (FALSE, FALSE, sizeof (BnBoundVector));
  bind_all (&loader);
  bn_loader_run (&loader);
  weights->token_size = count_token_size (&loader);
  weights->token_products = count_token_products (&loader);
  g_array_unref (loader.matrices);
  g_array_unref (loader.vectors);
  return loader.has_failed ? NULL : g_steal_pointer (&weights);
}

void
bn_weights_free (BnWeights *self)
{
  if (self->memory)
    self->backend->ops->release (
        self->backend, self->memory, self->memory_size);
  if (self->screen)
    bn_screen_clear (self->screen);
  g_free (self->screen);
  g_free (self->rope_freqs);
  g_free (self->layers);
  bn_gguf_unref (self->gguf);
  g_free (self);
}
