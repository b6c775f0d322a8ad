/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See tiny-model.h. Matrices of ternary types get weights -s, 0, s; the others
 * a bell-shaped distribution. */
#include "tiny-model.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define TERNARY_SCALE 0.25f /* a float, a half and a bfloat16 exactly */

typedef struct {
  char *name;
  BnType type;
  uint32_t n_cols;
  uint32_t n_rows;
  float *values;
} Tensor;

typedef struct {
  char *key;
  BnGgufType type;
  uint32_t uint_value;
  float float_value;
  char *string_value;
} Key;

struct TinyModel {
  TinySpec spec;
  GPtrArray *tensors; /* of Tensor, in file order */
  GPtrArray *keys;    /* of Key */
  uint32_t state;     /* of the generator */
};

static void
tensor_free (gpointer data)
{
  Tensor *tensor = data;

  g_free (tensor->name);
  g_free (tensor->values);
  g_free (tensor);
}

static void
key_free (gpointer data)
{
  Key *key = data;

  g_free (key->key);
  g_free (key->string_value);
  g_free (key);
}

static gboolean
is_ternary (BnType type)
{
  return type == BN_TYPE_I2_S || type == BN_TYPE_TQ1_0 || type == BN_TYPE_TQ2_0
         || type == BN_TYPE_IQ1_BN || type == BN_TYPE_IQ2_BN;
}

static float
uniform (TinyModel *self)
{
  self->state = self->state * 1664525u + 1013904223u;
  return (float) (self->state >> 8) / (float) (1 << 24);
}

static float
random_weight (TinyModel *self, BnType type, uint32_t n_cols)
{
  if (is_ternary (type))
    return (float) ((int) (uniform (self) * 3) - 1) * TERNARY_SCALE;
  return (uniform (self) + uniform (self) + uniform (self) - 1.5f) * 2
         / sqrtf ((float) n_cols);
}

static void
add_tensor (TinyModel *self, BnType type, uint32_t n_cols, uint32_t n_rows,
    const char *name)
{
  Tensor *tensor = g_new (Tensor, 1);
  const size_t n = (size_t) n_cols * n_rows;

  *tensor = (Tensor){g_strdup (name), type, n_cols, n_rows, g_new (float, n)};
  for (size_t i = 0; i < n; i++)
    tensor->values[i] = random_weight (self, type, n_cols);
  g_ptr_array_add (self->tensors, tensor);
}

static void G_GNUC_PRINTF (4, 5) add_vector (
    TinyModel *self, float mean, uint32_t n, const char *format, ...)
{
  va_list args;
  g_autofree char *name = NULL;
  Tensor *tensor;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);
  add_tensor (self, BN_TYPE_F32, n, 1, name);
  tensor = g_ptr_array_index (self->tensors, self->tensors->len - 1);
  for (uint32_t i = 0; i < n; i++)
    tensor->values[i] = mean + 0.2f * (uniform (self) - 0.5f);
}

static void
add_linear (TinyModel *self, uint32_t layer, const char *part, uint32_t n_cols,
    uint32_t n_rows, gboolean has_bias)
{
  g_autofree char *name = g_strdup_printf ("blk.%u.%s", layer, part);
  g_autofree char *full = g_strconcat (name, ".weight", NULL);

  add_tensor (self, self->spec.type, n_cols, n_rows, full);
  if (self->spec.has_scales)
    add_vector (self, 1.5f, 1, "%s.scale", name);
  if (has_bias || self->spec.has_biases)
    add_vector (self, 0, n_rows, "%s.bias", name);
}

static void
add_layer (TinyModel *self, uint32_t i)
{
  const TinySpec *s = &self->spec;
  const uint32_t q_size = s->n_heads * s->head_size;
  const uint32_t kv_size = s->n_kv_heads * s->head_size;
  const gboolean is_gpt2 = strcmp (s->arch, "gpt2") == 0;
  const gboolean is_qwen2 = strcmp (s->arch, "qwen2") == 0;
  const gboolean is_bitnet = g_str_has_prefix (s->arch, "bitnet");

  add_vector (self, 1, s->n_embd, "blk.%u.attn_norm.weight", i);
  add_vector (self, 1, s->n_embd, "blk.%u.ffn_norm.weight", i);
  if (is_gpt2) {
    add_vector (self, 0, s->n_embd, "blk.%u.attn_norm.bias", i);
    add_vector (self, 0, s->n_embd, "blk.%u.ffn_norm.bias", i);
  }
  if (is_gpt2 || s->has_fused_qkv) {
    add_linear (self, i, "attn_qkv", s->n_embd, q_size + 2 * kv_size,
        is_gpt2 || is_qwen2);
  } else {
    add_linear (self, i, "attn_q", s->n_embd, q_size, is_qwen2);
    add_linear (self, i, "attn_k", s->n_embd, kv_size, is_qwen2);
    add_linear (self, i, "attn_v", s->n_embd, kv_size, is_qwen2);
  }
  if (strcmp (s->arch, "qwen3") == 0) {
    add_vector (self, 1, s->head_size, "blk.%u.attn_q_norm.weight", i);
    add_vector (self, 1, s->head_size, "blk.%u.attn_k_norm.weight", i);
  }
  add_linear (self, i, "attn_output", q_size, s->n_embd, is_gpt2);
  if (!is_gpt2)
    add_linear (self, i, "ffn_gate", s->n_embd, s->n_ff, FALSE);
  add_linear (self, i, "ffn_up", s->n_embd, s->n_ff, is_gpt2);
  add_linear (self, i, "ffn_down", s->n_ff, s->n_embd, is_gpt2);
  if (is_bitnet) {
    add_vector (self, 1, q_size, "blk.%u.attn_sub_norm.weight", i);
    add_vector (self, 1, s->n_ff, "blk.%u.ffn_sub_norm.weight", i);
  }
}

static void
add_keys (TinyModel *self)
{
  const TinySpec *s = &self->spec;
  const gboolean is_gpt2 = strcmp (s->arch, "gpt2") == 0;

  tiny_model_set_uint (self, "vocab_size", s->n_vocab);
  tiny_model_set_uint (self, "context_length", s->n_context);
  tiny_model_set_uint (self, "embedding_length", s->n_embd);
  tiny_model_set_uint (self, "block_count", s->n_layers);
  tiny_model_set_uint (self, "feed_forward_length", s->n_ff);
  tiny_model_set_uint (self, "attention.head_count", s->n_heads);
  tiny_model_set_uint (self, "attention.head_count_kv", s->n_kv_heads);
  if (s->head_size * s->n_heads != s->n_embd) {
    tiny_model_set_uint (self, "attention.key_length", s->head_size);
    tiny_model_set_uint (self, "attention.value_length", s->head_size);
  }
  tiny_model_set_float (self,
      is_gpt2 ? "attention.layer_norm_epsilon"
              : "attention.layer_norm_rms_epsilon",
      1e-5f);
  if (!is_gpt2) {
    tiny_model_set_uint (self, "rope.dimension_count", s->head_size);
    tiny_model_set_float (self, "rope.freq_base", 10000);
  }
}

TinyModel *
tiny_model_new (const TinySpec *spec)
{
  TinyModel *self = g_new0 (TinyModel, 1);
  TinySpec *s = &self->spec;
  const gboolean is_gpt2 = strcmp (spec->arch, "gpt2") == 0;

  *s = *spec;
  s->n_layers = s->n_layers ? s->n_layers : 2;
  s->n_embd = s->n_embd ? s->n_embd : 64;
  s->n_ff = s->n_ff ? s->n_ff : 128;
  s->n_heads = s->n_heads ? s->n_heads : 4;
  if (s->n_kv_heads == 0)
    s->n_kv_heads = is_gpt2 ? s->n_heads : 2;
  s->head_size = s->head_size ? s->head_size : s->n_embd / s->n_heads;
  s->n_vocab = s->n_vocab ? s->n_vocab : 96;
  s->n_context = s->n_context ? s->n_context : 256;
  self->state = 1;
  self->tensors = g_ptr_array_new_with_free_func (tensor_free);
  self->keys = g_ptr_array_new_with_free_func (key_free);

  add_keys (self);
  add_tensor (self, s->embd_type, s->n_embd, s->n_vocab, "token_embd.weight");
  if (is_gpt2)
    add_tensor (
        self, BN_TYPE_F32, s->n_embd, s->n_context, "position_embd.weight");
  for (uint32_t i = 0; i < s->n_layers; i++)
    add_layer (self, i);
  add_vector (self, 1, s->n_embd, "output_norm.weight");
  if (is_gpt2)
    add_vector (self, 0, s->n_embd, "output_norm.bias");
  if (!s->is_tied)
    add_tensor (self, s->embd_type, s->n_embd, s->n_vocab, "output.weight");
  if (s->has_rope_freqs)
    add_vector (self, 2, s->head_size / 2, "rope_freqs.weight");
  return self;
}

void
tiny_model_free (TinyModel *self)
{
  g_ptr_array_unref (self->tensors);
  g_ptr_array_unref (self->keys);
  g_free (self);
}

const TinySpec *
tiny_model_get_spec (const TinyModel *self)
{
  return &self->spec;
}

static Tensor *
find_tensor (TinyModel *self, const char *name)
{
  for (guint i = 0; i < self->tensors->len; i++) {
    Tensor *tensor = g_ptr_array_index (self->tensors, i);
    if (strcmp (tensor->name, name) == 0)
      return tensor;
  }
  return NULL;
}

float *
tiny_model_get_tensor (TinyModel *self, const char *format, ...)
{
  va_list args;
  g_autofree char *name = NULL;
  Tensor *tensor;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);
  tensor = find_tensor (self, name);
  return tensor ? tensor->values : NULL;
}

uint32_t
tiny_model_get_n_cols (TinyModel *self, const char *name)
{
  return find_tensor (self, name)->n_cols;
}

uint32_t
tiny_model_get_n_rows (TinyModel *self, const char *name)
{
  return find_tensor (self, name)->n_rows;
}

void
tiny_model_drop_tensor (TinyModel *self, const char *name)
{
  g_ptr_array_remove (self->tensors, find_tensor (self, name));
}

void
tiny_model_set_type (TinyModel *self, const char *name, BnType type)
{
  find_tensor (self, name)->type = type;
}

void
tiny_model_set_shape (
    TinyModel *self, const char *name, uint32_t n_cols, uint32_t n_rows)
{
  Tensor *tensor = find_tensor (self, name);
  const size_t n = (size_t) n_cols * n_rows;

  tensor->values = g_renew (float, tensor->values, n);
  for (size_t i = (size_t) tensor->n_cols * tensor->n_rows; i < n; i++)
    tensor->values[i] = 0;
  tensor->n_cols = n_cols;
  tensor->n_rows = n_rows;
}

void
tiny_model_drop_key (TinyModel *self, const char *key)
{
  for (guint i = 0; i < self->keys->len; i++) {
    Key *k = g_ptr_array_index (self->keys, i);
    if (strcmp (k->key, key) == 0) {
      g_ptr_array_remove_index (self->keys, i);
      return;
    }
  }
}

static Key *
replace_key (TinyModel *self, const char *key, BnGgufType type)
{
  Key *k = g_new0 (Key, 1);

  tiny_model_drop_key (self, key);
  k->key = g_strdup (key);
  k->type = type;
  g_ptr_array_add (self->keys, k);
  return k;
}

void
tiny_model_set_uint (TinyModel *self, const char *key, uint32_t value)
{
  replace_key (self, key, BN_GGUF_U32)->uint_value = value;
}

void
tiny_model_set_float (TinyModel *self, const char *key, float value)
{
  replace_key (self, key, BN_GGUF_F32)->float_value = value;
}

void
tiny_model_set_string (TinyModel *self, const char *key, const char *value)
{
  replace_key (self, key, BN_GGUF_STRING)->string_value = g_strdup (value);
}

/* Writing */

static void
write_keys (TinyModel *self, BnGgufWriter *writer)
{
  bn_gguf_writer_add_string (writer, "general.architecture", self->spec.arch);
  for (guint i = 0; i < self->keys->len; i++) {
    const Key *k = g_ptr_array_index (self->keys, i);
    g_autofree char *key = g_strdup_printf ("%s.%s", self->spec.arch, k->key);

    if (k->type == BN_GGUF_U32)
      bn_gguf_writer_add_uint32 (writer, key, k->uint_value);
    else if (k->type == BN_GGUF_F32)
      bn_gguf_writer_add_float (writer, key, k->float_value);
    else
      bn_gguf_writer_add_string (writer, key, k->string_value);
  }
}

/* The file's bytes of a tensor; values become what they say. */
static GByteArray *
encode_tensor (TinyModel *self, Tensor *tensor)
{
  const size_t n = (size_t) tensor->n_cols * tensor->n_rows;
  const uint64_t size =
      bn_type_tensor_size (tensor->type, tensor->n_cols, tensor->n_rows);
  GByteArray *bytes = g_byte_array_new ();

  g_assert_cmpuint (size, >, 0);
  g_byte_array_set_size (bytes, (guint) size);
  if (tensor->type == BN_TYPE_F32) {
    memcpy (bytes->data, tensor->values, size);
  } else if (tensor->type == BN_TYPE_I2_S) {
    g_autofree uint8_t *codes = g_new (uint8_t, n);

    for (size_t i = 0; i < n; i++)
      codes[i] =
          (uint8_t) (1 + (tensor->values[i] > 0) - (tensor->values[i] < 0));
    bn_i2s_pack (bytes->data, codes, tensor->n_rows, tensor->n_cols,
        self->spec.i2s_layout, TERNARY_SCALE);
  } else {
    const size_t row_size = size / tensor->n_rows;

    for (uint32_t row = 0; row < tensor->n_rows; row++) {
      float *values = tensor->values + (size_t) row * tensor->n_cols;

      bn_quantize_row_get (tensor->type) (
          bytes->data + row * row_size, values, tensor->n_cols);
      bn_dequantize_row_get (tensor->type) (
          values, bytes->data + row * row_size, tensor->n_cols);
    }
  }
  return bytes;
}

void
tiny_model_write (TinyModel *self, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, &error);

  g_assert_no_error (error);
  write_keys (self, writer);
  for (guint i = 0; i < self->tensors->len; i++) {
    const Tensor *tensor = g_ptr_array_index (self->tensors, i);
    const uint64_t ne[] = {tensor->n_cols, tensor->n_rows};

    bn_gguf_writer_add_tensor (
        writer, tensor->name, tensor->type, tensor->n_rows > 1 ? 2 : 1, ne);
  }
  for (guint i = 0; i < self->tensors->len; i++) {
    g_autoptr (GByteArray) bytes =
        encode_tensor (self, g_ptr_array_index (self->tensors, i));

    bn_gguf_writer_write (writer, bytes->data, bytes->len, &error);
    g_assert_no_error (error);
  }
  bn_gguf_writer_finish (writer, &error);
  g_assert_no_error (error);
}

GBytes *
tiny_model_to_bytes (TinyModel *self)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("bitnet-test-XXXXXX", &error);
  g_autofree char *path = g_build_filename (folder, "tiny.gguf", NULL);
  char *contents;
  gsize size;

  g_assert_no_error (error);
  tiny_model_write (self, path);
  g_file_get_contents (path, &contents, &size, &error);
  g_assert_no_error (error);
  g_unlink (path);
  g_rmdir (folder);
  return g_bytes_new_take (contents, size);
}

BnGguf *
tiny_model_open (TinyModel *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = tiny_model_to_bytes (self);
  BnGguf *gguf = bn_gguf_new_from_bytes (bytes, "tiny.gguf", &error);

  g_assert_no_error (error);
  return gguf;
}
