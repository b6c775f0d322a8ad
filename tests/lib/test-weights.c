/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a model file can get wrong behind its container: keys, missing and
 * misshapen tensors, types, numbers that are not finite, codes that mean
 * nothing. Each is refused with the name of what is wrong. Also: progress and
 * cancellation of loading. */
#define _GNU_SOURCE /* memmem */
#include "bitnet-error.h"
#include "bn-threadpool.h"
#include "bn-transformer.h"
#include "tiny-model.h"

#include <math.h>
#include <string.h>

/* By number of threads; a transformer needs its backend. */
static BnBackend *backends[8];

static BnRepack repack; /* of what is loaded */

static BnTransformer *
load (BnGguf *gguf, guint n_threads, BnProgressFunc progress,
    gpointer progress_data, GCancellable *cancellable, GError **error)
{
  const BnTransformerOptions options = {
      .batch_size = 4, .context_size = 64, .repack = repack};

  if (backends[n_threads] == NULL)
    backends[n_threads] = bn_cpu_backend_new (NULL, n_threads);
  return bn_transformer_new (gguf, backends[n_threads], &options, progress,
      progress_data, cancellable, error);
}

static void
check_refused (BnGguf *gguf, BitnetError code, const char *text)
{
  for (guint n_threads = 1; n_threads <= 4; n_threads += 3) {
    g_autoptr (GError) error = NULL;

    g_assert_null (load (gguf, n_threads, NULL, NULL, NULL, &error));
    g_assert_error (error, BITNET_ERROR, (gint) code);
    if (strstr (error->message, text) == NULL)
      g_error ("\"%s\" does not say \"%s\"", error->message, text);
    g_assert_true (g_str_has_prefix (error->message, "tiny.gguf: "));
  }
}

/* Keys */

typedef enum { ABSENT, UINT, FLOAT, STRING } ValueType;

static const struct {
  const char *name;
  const char *arch;
  const char *key;
  ValueType type;
  double number;
  const char *string;
  BitnetError code; /* 0 and text NULL: accepted */
  const char *text;
} key_cases[] = {
    {"no-context", "llama", "context_length", ABSENT, 0, NULL,
        BITNET_ERROR_CORRUPT, "llama.context_length is missing"},
    {"context-0", "llama", "context_length", UINT, 0, NULL,
        BITNET_ERROR_CORRUPT, "found 0"},
    {"context-text", "llama", "context_length", STRING, 0, "many",
        BITNET_ERROR_CORRUPT, "expected an unsigned integer"},
    {"no-blocks", "llama", "block_count", UINT, 0, NULL, BITNET_ERROR_CORRUPT,
        "found 0, expected 1 to 4096"},
    {"many-blocks", "llama", "block_count", UINT, 4097, NULL,
        BITNET_ERROR_CORRUPT, "found 4097"},
    {"more-blocks", "llama", "block_count", UINT, 3, NULL, BITNET_ERROR_CORRUPT,
        "tensor blk.2.attn_norm.weight is missing"},
    {"no-heads", "llama", "attention.head_count", UINT, 0, NULL,
        BITNET_ERROR_CORRUPT, "found 0"},
    {"odd-heads", "llama", "attention.head_count", UINT, 3, NULL,
        BITNET_ERROR_CORRUPT, "head_count"},
    {"kv-heads", "llama", "attention.head_count_kv", UINT, 3, NULL,
        BITNET_ERROR_CORRUPT, "found 3, expected a divisor of the 4 heads"},
    {"kv-heads-0", "llama", "attention.head_count_kv", UINT, 0, NULL,
        BITNET_ERROR_CORRUPT, "found 0"},
    {"value-length", "llama", "attention.value_length", UINT, 8, NULL,
        BITNET_ERROR_UNSUPPORTED_ARCHITECTURE, "value_length: found 8"},
    {"key-length", "llama", "attention.key_length", UINT, 1 << 20, NULL,
        BITNET_ERROR_CORRUPT, ""},
    {"rot-odd", "qwen2", "rope.dimension_count", UINT, 7, NULL,
        BITNET_ERROR_CORRUPT, "rope.dimension_count: found 7"},
    {"rot-large", "qwen2", "rope.dimension_count", UINT, 18, NULL,
        BITNET_ERROR_CORRUPT, "rope.dimension_count: found 18"},
    {"rot-part", "llama", "rope.dimension_count", UINT, 8, NULL,
        BITNET_ERROR_CORRUPT, "expected the even head size 16"},
    {"rot-part-bitnet", "bitnet-b1.58", "rope.dimension_count", UINT, 8, NULL,
        BITNET_ERROR_CORRUPT, "expected the even head size 16"},
    {"no-eps", "llama", "attention.layer_norm_rms_epsilon", ABSENT, 0, NULL,
        BITNET_ERROR_CORRUPT, "layer_norm_rms_epsilon is missing"},
    {"eps-0", "llama", "attention.layer_norm_rms_epsilon", FLOAT, 0, NULL,
        BITNET_ERROR_CORRUPT, "found 0, expected a positive"},
    {"eps-nan", "llama", "attention.layer_norm_rms_epsilon", FLOAT, NAN, NULL,
        BITNET_ERROR_CORRUPT, "expected a finite number"},
    {"eps-negative", "gpt2", "attention.layer_norm_epsilon", FLOAT, -1, NULL,
        BITNET_ERROR_CORRUPT, "found -1"},
    {"base-0", "llama", "rope.freq_base", FLOAT, 0, NULL, BITNET_ERROR_CORRUPT,
        "freq_base"},
    {"base-infinite", "llama", "rope.freq_base", FLOAT, INFINITY, NULL,
        BITNET_ERROR_CORRUPT, "freq_base"},
    {"longrope", "llama", "rope.scaling.type", STRING, 0, "longrope",
        BITNET_ERROR_UNSUPPORTED_ARCHITECTURE, "found \"longrope\""},
    {"factor-negative", "llama", "rope.scaling.factor", FLOAT, -2, NULL,
        BITNET_ERROR_CORRUPT, "found -2"},
    {"factor-0", "llama", "rope.scaling.factor", FLOAT, 0, NULL, 0, NULL},
    {"experts", "llama", "expert_count", UINT, 8, NULL,
        BITNET_ERROR_UNSUPPORTED_ARCHITECTURE, "expert_count: found 8"},
    {"experts-0", "llama", "expert_count", UINT, 0, NULL, 0, NULL},
    {"softcap", "llama", "final_logit_softcapping", FLOAT, 30, NULL,
        BITNET_ERROR_UNSUPPORTED_ARCHITECTURE, "softcapping"},
    {"activation", "bitnet", "hidden_activation", STRING, 0, "mish",
        BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
        "found \"mish\", expected relu2 or silu"},
    {"vocab", "llama", "vocab_size", UINT, 97, NULL, BITNET_ERROR_CORRUPT,
        "tensor token_embd.weight at offset"},
    {"no-vocab", "llama", "vocab_size", ABSENT, 0, NULL, 0, NULL},
    {"vocab-0", "llama", "vocab_size", UINT, 0, NULL, BITNET_ERROR_CORRUPT,
        "vocab_size"},
    {"ff", "llama", "feed_forward_length", UINT, 129, NULL,
        BITNET_ERROR_CORRUPT,
        "found shape [64, 128, 1, 1], expected [64, 129]"},
    {"mamba", "mamba", "context_length", UINT, 8, NULL,
        BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
        "found \"mamba\", expected one of llama, bitnet, bitnet-b1.58, "
        "bitnet-25, gpt2, qwen2, qwen3"},
};

static void
test_key (gconstpointer data)
{
  const gsize i = GPOINTER_TO_SIZE (data);
  const TinySpec spec = {.arch = key_cases[i].arch};
  const char *key = key_cases[i].key;
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_autoptr (BnGguf) gguf = NULL;

  switch (key_cases[i].type) {
    case ABSENT:
      tiny_model_drop_key (model, key);
      break;
    case UINT:
      tiny_model_set_uint (model, key, (uint32_t) key_cases[i].number);
      break;
    case FLOAT:
      tiny_model_set_float (model, key, (float) key_cases[i].number);
      break;
    case STRING:
      tiny_model_set_string (model, key, key_cases[i].string);
      break;
  }
  gguf = tiny_model_open (model);
  if (key_cases[i].text) {
    check_refused (gguf, key_cases[i].code, key_cases[i].text);
  } else {
    g_autoptr (GError) error = NULL;
    BnTransformer *transformer = load (gguf, 1, NULL, NULL, NULL, &error);

    g_assert_no_error (error);
    bn_transformer_free (transformer);
  }
}

/* Which function stands between gate and up (model-graphs.md 6). */
static const struct {
  const char *arch;
  const char *key; /* hidden_activation */
  gboolean has_2b_shape;
  BnActivation expected;
  gboolean warns;
} activation_cases[] = {
    {"bitnet", NULL, FALSE, BN_ACTIVATION_SILU, FALSE},
    {"bitnet", "silu", FALSE, BN_ACTIVATION_SILU, FALSE},
    {"bitnet", "relu2", FALSE, BN_ACTIVATION_RELU2, FALSE},
    {"bitnet", NULL, TRUE, BN_ACTIVATION_RELU2, TRUE},
    {"bitnet", "silu", TRUE, BN_ACTIVATION_SILU, FALSE},
    {"bitnet-25", NULL, FALSE, BN_ACTIVATION_RELU2, FALSE},
    {"bitnet-b1.58", "relu2", FALSE, BN_ACTIVATION_RELU2, FALSE},
    {"bitnet-b1.58", "silu", FALSE, BN_ACTIVATION_RELU2, TRUE},
    {"bitnet-b1.58", "mish", FALSE, BN_ACTIVATION_RELU2, TRUE},
    {"llama", NULL, FALSE, BN_ACTIVATION_SILU, FALSE},
    {"gpt2", NULL, FALSE, BN_ACTIVATION_GELU, FALSE},
};

static void
test_activation (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (activation_cases); i++) {
    const TinySpec spec = {.arch = activation_cases[i].arch};
    g_autoptr (TinyModel) model = tiny_model_new (&spec);
    g_autoptr (BnGguf) gguf = NULL;
    g_autoptr (GError) error = NULL;
    BnHparams hparams;

    if (activation_cases[i].key)
      tiny_model_set_string (
          model, "hidden_activation", activation_cases[i].key);
    if (activation_cases[i].has_2b_shape) {
      tiny_model_set_uint (model, "vocab_size", 128256);
      tiny_model_set_uint (model, "block_count", 30);
      tiny_model_set_uint (model, "feed_forward_length", 6912);
    }
    gguf = tiny_model_open (model);
    if (activation_cases[i].warns)
      g_test_expect_message ("bitnet", G_LOG_LEVEL_MESSAGE, "*squared ReLU*");
    bn_hparams_read (&hparams, gguf, &error);
    g_assert_no_error (error);
    if (activation_cases[i].warns)
      g_test_assert_expected_messages ();
    g_assert_cmpint (hparams.activation, ==, activation_cases[i].expected);
  }
}

/* Tensors */

typedef enum { DROP, SHAPE, TYPE } Change;

static const struct {
  const char *name;
  const char *arch;
  const char *tensor;
  Change change;
  BnType type;
  BitnetError code;
  const char *text;
} tensor_cases[] = {
    {"no-table", "llama", "token_embd.weight", DROP, 0, BITNET_ERROR_CORRUPT,
        "tensor token_embd.weight is missing, expected shape [64, 96]"},
    {"no-norm", "llama", "blk.1.ffn_norm.weight", DROP, 0, BITNET_ERROR_CORRUPT,
        "tensor blk.1.ffn_norm.weight is missing"},
    {"no-matrix", "llama", "blk.1.attn_k.weight", DROP, 0, BITNET_ERROR_CORRUPT,
        "tensor blk.1.attn_k.weight is missing, expected shape [64, 32]"},
    {"no-output-norm", "llama", "output_norm.weight", DROP, 0,
        BITNET_ERROR_CORRUPT, "tensor output_norm.weight is missing"},
    {"no-sub-norm", "bitnet-b1.58", "blk.0.ffn_sub_norm.weight", DROP, 0,
        BITNET_ERROR_CORRUPT, "tensor blk.0.ffn_sub_norm.weight is missing"},
    {"no-bias", "qwen2", "blk.0.attn_v.bias", DROP, 0, BITNET_ERROR_CORRUPT,
        "tensor blk.0.attn_v.bias is missing"},
    {"no-head-norm", "qwen3", "blk.0.attn_q_norm.weight", DROP, 0,
        BITNET_ERROR_CORRUPT, "tensor blk.0.attn_q_norm.weight is missing"},
    {"no-positions", "gpt2", "position_embd.weight", DROP, 0,
        BITNET_ERROR_CORRUPT, "tensor position_embd.weight is missing"},
    {"no-norm-bias", "gpt2", "output_norm.bias", DROP, 0, BITNET_ERROR_CORRUPT,
        "tensor output_norm.bias is missing"},
    {"matrix-shape", "llama", "blk.0.ffn_down.weight", SHAPE, 0,
        BITNET_ERROR_CORRUPT, "tensor blk.0.ffn_down.weight at offset"},
    {"norm-shape", "llama", "blk.0.attn_norm.weight", SHAPE, 0,
        BITNET_ERROR_CORRUPT, "found shape [96, 96, 1, 1], expected [64, 1]"},
    {"output-shape", "llama", "output.weight", SHAPE, 0, BITNET_ERROR_CORRUPT,
        "tensor output.weight at offset"},
    {"norm-type", "llama", "blk.0.attn_norm.weight", TYPE, BN_TYPE_Q8_0,
        BITNET_ERROR_UNSUPPORTED_QUANTIZATION,
        "found type Q8_0, expected F32, F16 or BF16"},
};

static void
test_tensor (gconstpointer data)
{
  const gsize i = GPOINTER_TO_SIZE (data);
  const TinySpec spec = {.arch = tensor_cases[i].arch};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_autoptr (BnGguf) gguf = NULL;

  switch (tensor_cases[i].change) {
    case DROP:
      tiny_model_drop_tensor (model, tensor_cases[i].tensor);
      break;
    case SHAPE:
      tiny_model_set_shape (model, tensor_cases[i].tensor, 96, 96);
      break;
    case TYPE:
      tiny_model_set_type (model, tensor_cases[i].tensor, tensor_cases[i].type);
      break;
  }
  gguf = tiny_model_open (model);
  check_refused (gguf, tensor_cases[i].code, tensor_cases[i].text);
}

/* A tensor of a graph that is not implemented. */
static void
test_unknown_part (void)
{
  const TinySpec spec = {.arch = "qwen3", .has_scales = TRUE};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_autoptr (GBytes) bytes = tiny_model_to_bytes (model);
  g_autoptr (GBytes) changed = NULL;
  g_autoptr (BnGguf) gguf = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *copy = NULL;
  const char *old_name = "blk.0.ffn_gate.scale";
  const char *new_name = "blk.0.a_norm_in.abcd";
  gsize size;
  uint8_t *at;

  copy = g_memdup2 (g_bytes_get_data (bytes, &size), g_bytes_get_size (bytes));
  at = memmem (copy, size, old_name, strlen (old_name));
  memcpy (at, new_name, strlen (new_name));
  changed = g_bytes_new (copy, size);
  gguf = bn_gguf_new_from_bytes (changed, "tiny.gguf", &error);
  g_assert_no_error (error);
  check_refused (gguf, BITNET_ERROR_UNSUPPORTED_ARCHITECTURE, new_name);
}

/* Damaged numbers: where in the tensor, and what is written there. */
static const struct {
  const char *name;
  BnType type;
  BnType embd_type;
  const char *tensor;
  uint64_t offset;
  guint8 bytes[4];
  guint n_bytes;
  BitnetError code;
  const char *text;
} damage_cases[] = {
    {"norm-nan", BN_TYPE_F32, 0, "blk.1.attn_norm.weight", 12,
        {0, 0, 0xc0, 0x7f}, 4, BITNET_ERROR_NUMERIC, "found NaN or infinity"},
    {"f32-infinite", BN_TYPE_F32, 0, "blk.0.attn_q.weight", 4096,
        {0, 0, 0x80, 0xff}, 4, BITNET_ERROR_NUMERIC, "found NaN or infinity"},
    {"f16-nan", BN_TYPE_F16, 0, "blk.1.ffn_up.weight", 8190, {1, 0xfc}, 2,
        BITNET_ERROR_NUMERIC, "found NaN or infinity"},
    {"bf16-infinite", BN_TYPE_BF16, 0, "blk.1.ffn_up.weight", 2, {0x80, 0x7f},
        2, BITNET_ERROR_NUMERIC, "found NaN or infinity"},
    {"q8_0-scale", BN_TYPE_Q8_0, 0, "blk.0.ffn_down.weight", 34 * 5, {0, 0x7c},
        2, BITNET_ERROR_NUMERIC, "found NaN or infinity"},
    {"q4_1-minimum", BN_TYPE_Q4_1, 0, "blk.0.ffn_down.weight", 20 * 7 + 2,
        {0, 0xfc}, 2, BITNET_ERROR_NUMERIC, "found NaN or infinity"},
    {"i2_s-scale", BN_TYPE_I2_S, 0, "blk.0.attn_v.weight", 64 * 32 / 4,
        {0, 0, 0xc0, 0x7f}, 4, BITNET_ERROR_NUMERIC, "found NaN or infinity"},
    {"i2_s-code", BN_TYPE_I2_S, 0, "blk.0.attn_v.weight", 64 * 32 / 4 - 1,
        {0xc0}, 1, BITNET_ERROR_CORRUPT, "no I2_S encoder writes"},
    {"iq2_bn-scale", BN_TYPE_IQ2_BN, 0, "blk.0.attn_v.weight", 20 * 3,
        {0, 0, 0x80, 0x7f}, 4, BITNET_ERROR_NUMERIC, "found NaN or infinity"},
    {"iq2_bn-code", BN_TYPE_IQ2_BN, 0, "blk.0.attn_v.weight", 20 * 3, {0}, 0,
        BITNET_ERROR_CORRUPT, "no IQ2_BN encoder writes"},
    {"table-nan", BN_TYPE_F32, BN_TYPE_F16, "token_embd.weight", 100, {0, 0x7e},
        2, BITNET_ERROR_NUMERIC, "found NaN or infinity"},
    {"output-nan", BN_TYPE_F32, BN_TYPE_Q8_0, "output.weight", 34 * 100,
        {0, 0x7e}, 2, BITNET_ERROR_NUMERIC, "found NaN or infinity"},
    {"table-code", BN_TYPE_F32, BN_TYPE_I2_S, "token_embd.weight", 64 * 95 / 4,
        {0x03}, 1, BITNET_ERROR_CORRUPT, "no I2_S encoder writes"},
};

static void
test_damage (gconstpointer data)
{
  const gsize i = GPOINTER_TO_SIZE (data);
  const TinySpec spec = {.arch = "llama",
      .type = damage_cases[i].type,
      .embd_type = damage_cases[i].embd_type};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_autoptr (GBytes) bytes = tiny_model_to_bytes (model);
  g_autoptr (GBytes) changed = NULL;
  g_autoptr (BnGguf) gguf = NULL, damaged = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *where = NULL;
  g_autofree uint8_t *copy = NULL;
  const BnGgufTensor *tensor;
  uint64_t offset;

  gguf = bn_gguf_new_from_bytes (bytes, "tiny.gguf", &error);
  g_assert_no_error (error);
  tensor = bn_gguf_find_tensor (gguf, damage_cases[i].tensor);
  offset = tensor->offset + damage_cases[i].offset;
  copy = g_memdup2 (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  memcpy (copy + offset, damage_cases[i].bytes, damage_cases[i].n_bytes);
  if (damage_cases[i].n_bytes == 0) /* behind the scale of the row */
    copy[offset + 4] |= 0x03;
  changed = g_bytes_new (copy, g_bytes_get_size (bytes));
  damaged = bn_gguf_new_from_bytes (changed, "tiny.gguf", &error);
  g_assert_no_error (error);

  check_refused (damaged, damage_cases[i].code, damage_cases[i].text);
  repack = BN_REPACK_NEVER;
  check_refused (damaged, damage_cases[i].code, damage_cases[i].text);
  repack = BN_REPACK_AUTO;
  where = g_strdup_printf ("tensor %s at offset %" G_GUINT64_FORMAT ":",
      damage_cases[i].tensor, offset);
  check_refused (damaged, damage_cases[i].code, where);
}

static void
run_backwards (
    BnBackend *backend, size_t n, size_t grain, BnLoopFunc func, void *data)
{
  while (n-- > 0)
    func (n, n + 1, 0, data);
}

/* Of several faults the first in the order of use is reported, however the
 * threads run; here the last one is found first. */
static void
test_first_damage (void)
{
  const TinySpec spec = {.arch = "llama", .n_layers = 8};
  const BnTransformerOptions options = {.batch_size = 4};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_autoptr (BnBackend) backend = bn_cpu_backend_new (NULL, 1);
  BnBackendOps ops = *backend->ops;
  g_autoptr (BnGguf) gguf = NULL;
  g_autoptr (GError) error = NULL;

  for (int layer = 7; layer >= 2; layer--)
    tiny_model_get_tensor (model, "blk.%d.ffn_up.weight", layer)[5] = NAN;
  gguf = tiny_model_open (model);
  check_refused (gguf, BITNET_ERROR_NUMERIC, "blk.2.ffn_up.weight");
  ops.for_each = run_backwards;
  backend->ops = &ops;
  g_assert_null (
      bn_transformer_new (gguf, backend, &options, NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, "blk.2.ffn_up.weight"));
}

/* Loading */

typedef struct {
  guint64 done, total;
  guint n_calls;
  GThread *thread;
  GCancellable *cancellable; /* cancelled when half is done */
} Progress;

static void
note_progress (guint64 done, guint64 total, gpointer data)
{
  Progress *progress = data;

  g_assert_true (g_thread_self () == progress->thread);
  g_assert_cmpuint (done, >=, progress->done);
  g_assert_cmpuint (done, <=, total);
  g_assert_true (progress->n_calls == 0 || total == progress->total);
  progress->done = done;
  progress->total = total;
  progress->n_calls++;
  if (progress->cancellable)
    g_cancellable_cancel (progress->cancellable);
}

static void
test_progress (void)
{
  const TinySpec spec = {.arch = "llama", .n_layers = 4};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_autoptr (BnGguf) gguf = tiny_model_open (model);
  g_autoptr (GError) error = NULL;
  Progress progress = {.thread = g_thread_self ()};
  BnTransformer *transformer =
      load (gguf, 4, note_progress, &progress, NULL, &error);

  g_assert_no_error (error);
  bn_transformer_free (transformer);
  g_assert_cmpuint (progress.n_calls, >=, 1);
  g_assert_cmpuint (progress.done, ==, progress.total);
}

static void
test_cancel (void)
{
  const TinySpec spec = {.arch = "llama", .n_layers = 4};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_autoptr (BnGguf) gguf = tiny_model_open (model);

  for (int is_late = 0; is_late < 2; is_late++) {
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    g_autoptr (GError) error = NULL;
    Progress progress = {.thread = g_thread_self (),
        .cancellable = is_late ? cancellable : NULL};

    if (!is_late)
      g_cancellable_cancel (cancellable);
    g_assert_null (
        load (gguf, 1, note_progress, &progress, cancellable, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  }
}

/* A backend whose packed weights fit nowhere. */
static size_t
need_much (BnBackend *backend, BnLinear *linear, BnRepack mode)
{
  const size_t size =
      backends[1]->ops->linear_init (backend, linear, BN_REPACK_NEVER);

  return mode == BN_REPACK_NEVER ? size : (size_t) 1 << 52;
}

static void
test_too_much (void)
{
  const TinySpec spec = {.arch = "llama", .type = BN_TYPE_Q8_0};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  g_autoptr (BnGguf) gguf = tiny_model_open (model);
  g_autoptr (BnBackend) backend = bn_cpu_backend_new (NULL, 1);
  BnBackendOps ops = *backend->ops;
  BnTransformerOptions options = {.batch_size = 4};
  g_autoptr (GError) error = NULL;
  BnTransformer *transformer;

  if (backends[1] == NULL)
    backends[1] = bn_cpu_backend_new (NULL, 1);
  ops.linear_init = need_much;
  backend->ops = &ops;
  g_setenv ("BITNET_MEMORY_LIMIT", "1000", TRUE);
  transformer =
      bn_transformer_new (gguf, backend, &options, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  bn_transformer_free (transformer);
  options.repack = BN_REPACK_ALWAYS;
  g_assert_null (
      bn_transformer_new (gguf, backend, &options, NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY);
  g_unsetenv ("BITNET_MEMORY_LIMIT");
}

/* What a pass for a token reads of a model of floats, which are used where they
 * lie: all of the file but the rows of the embedding that are not looked up. */
static void
test_token_size (void)
{
  for (int is_tied = 0; is_tied < 2; is_tied++) {
    const TinySpec spec = {.arch = "llama", .is_tied = is_tied};
    g_autoptr (TinyModel) model = tiny_model_new (&spec);
    g_autoptr (BnGguf) gguf = tiny_model_open (model);
    const BnGgufTensor *table = bn_gguf_find_tensor (gguf, "token_embd.weight");
    g_autoptr (GError) error = NULL;
    uint64_t size = 0;

    for (size_t i = 0; i < bn_gguf_get_n_tensors (gguf); i++)
      size += bn_gguf_get_tensor (gguf, i)->size;
    if (!is_tied)
      size -= table->size - table->size / table->ne[1];
    BnTransformer *transformer = load (gguf, 1, NULL, NULL, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (bn_transformer_get_token_size (transformer), ==, size);
    bn_transformer_free (transformer);
  }
}

/* What a token takes of the layers' matrices, if they are not of floats. */
static void
test_token_products (void)
{
  static const struct {
    BnType type;
    gboolean is_float, is_tied;
  } cases[] = {{BN_TYPE_F32, TRUE, FALSE}, {BN_TYPE_F16, TRUE, TRUE},
      {BN_TYPE_BF16, TRUE, FALSE}, {BN_TYPE_Q8_0, FALSE, FALSE},
      {BN_TYPE_Q8_0, FALSE, TRUE}};

  for (gsize c = 0; c < G_N_ELEMENTS (cases); c++) {
    const TinySpec spec = {.arch = "llama",
        .type = cases[c].type,
        .embd_type = BN_TYPE_Q8_0,
        .is_tied = cases[c].is_tied};
    g_autoptr (TinyModel) model = tiny_model_new (&spec);
    g_autoptr (BnGguf) gguf = tiny_model_open (model);
    g_autoptr (GError) error = NULL;
    uint64_t n = 0;

    for (size_t i = 0; i < bn_gguf_get_n_tensors (gguf); i++) {
      const BnGgufTensor *tensor = bn_gguf_get_tensor (gguf, i);

      if (g_str_has_prefix (tensor->name, "blk.") && tensor->n_dims == 2)
        n += tensor->ne[0] * tensor->ne[1];
    }
    BnTransformer *transformer = load (gguf, 1, NULL, NULL, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (bn_transformer_get_token_products (transformer), ==,
        cases[c].is_float ? 0 : n);
    bn_transformer_free (transformer);
  }
}

#define ADD_CASES(prefix, cases, test)                                         \
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {                           \
    g_autofree char *path = g_strconcat (prefix, cases[i].name, NULL);         \
    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test);                   \
  }

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/weights/key/", key_cases, test_key)
  ADD_CASES ("/weights/tensor/", tensor_cases, test_tensor)
  ADD_CASES ("/weights/damage/", damage_cases, test_damage)
  g_test_add_func ("/weights/activation", test_activation);
  g_test_add_func ("/weights/unknown-part", test_unknown_part);
  g_test_add_func ("/weights/first-damage", test_first_damage);
  g_test_add_func ("/weights/too-much", test_too_much);
  g_test_add_func ("/weights/progress", test_progress);
  g_test_add_func ("/weights/cancel", test_cancel);
  g_test_add_func ("/weights/token-size", test_token_size);
  g_test_add_func ("/weights/token-products", test_token_products);
  status = g_test_run ();
  for (gsize i = 0; i < G_N_ELEMENTS (backends); i++)
    g_clear_pointer (&backends[i], bn_backend_free);
  return status;
}
