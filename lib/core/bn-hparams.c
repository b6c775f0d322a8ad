/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads and checks hyper-parameters. Every key goes through one of the
 * get_*() functions, which know the file and the key, so that each message
 * can name both; the first error sticks and later reads do nothing. */
#include "bn-hparams.h"
#include "bitnet-error.h"

#include <math.h>
#include <string.h>

/* Limits of ours: far above any model, far below any overflow. */
enum {
  MAX_LAYERS = 4096, /* gguf.md 7.9 */
  MAX_WIDTH = 1 << 20,
  MAX_VOCAB = 1 << 24,
  MAX_CONTEXT = 1 << 30,
};

/* What decides about an architecture, by the string in the file. */
static const struct {
  const char *name;
  BnArch arch;
  BnRope rope;
} archs[] = {
    {"llama", BN_ARCH_LLAMA, BN_ROPE_NORM},
    {"bitnet", BN_ARCH_BITNET, BN_ROPE_NEOX},
    {"bitnet-b1.58", BN_ARCH_BITNET_B158, BN_ROPE_NEOX},
    {"bitnet-25", BN_ARCH_BITNET_B158, BN_ROPE_NEOX},
    {"gpt2", BN_ARCH_GPT2, BN_ROPE_NONE},
    {"qwen2", BN_ARCH_QWEN2, BN_ROPE_NEOX},
    {"qwen3", BN_ARCH_QWEN3, BN_ROPE_NEOX},
};

typedef struct {
  const BnGguf *gguf;
  const char *arch;
  GError **error;
  gboolean has_failed;
} Reader;

static void G_GNUC_PRINTF (3, 4)
    fail (Reader *reader, BitnetError code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  if (reader->has_failed)
    return;
  reader->has_failed = TRUE;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (reader->error, BITNET_ERROR, code, "%s: %s",
      bn_gguf_get_path (reader->gguf), text);
}

static const BnGgufKv *
find (Reader *reader, const char *suffix)
{
  g_autofree char *key = g_strdup_printf ("%s.%s", reader->arch, suffix);

  return reader->has_failed ? NULL : bn_gguf_find_kv (reader->gguf, key);
}

/* A number, or an array with one equal number per layer. FALSE: absent. */
static gboolean
get_uint_if_present (Reader *reader, const char *suffix, uint32_t min,
    uint32_t max, uint32_t *value)
{
  const BnGgufKv *kv = find (reader, suffix);

  if (kv == NULL)
    return FALSE;
  if (kv->count == 0)
    fail (reader, BITNET_ERROR_CORRUPT,
        "key %s at offset %" G_GUINT64_FORMAT ": found an empty array, "
        "expected a number",
        kv->key, kv->offset);
  for (uint64_t i = 0; i < kv->count && !reader->has_failed; i++) {
    uint64_t element;

    if (!bn_gguf_kv_get_uint (kv, i, &element)) {
      fail (reader, BITNET_ERROR_CORRUPT,
          "key %s at offset %" G_GUINT64_FORMAT ": expected an unsigned "
          "integer",
          kv->key, kv->offset);
    } else if (element < min || element > max) {
      fail (reader, BITNET_ERROR_CORRUPT,
          "key %s at offset %" G_GUINT64_FORMAT ": found %" G_GUINT64_FORMAT
          ", expected %u to %u",
          kv->key, kv->offset, element, min, max);
    } else if (i > 0 && element != *value) {
      fail (reader, BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
          "key %s at offset %" G_GUINT64_FORMAT
          ": found %u and %" G_GUINT64_FORMAT
          ", expected the same number for every layer",
          kv->key, kv->offset, *value, element);
    } else {
      *value = (uint32_t) element;
    }
  }
  return !reader->has_failed;
}

static uint32_t
get_uint (Reader *reader, const char *suffix, uint32_t min, uint32_t max)
{
  uint32_t value = min;

  if (!get_uint_if_present (reader, suffix, min, max, &value))
    fail (reader, BITNET_ERROR_CORRUPT, "key %s.%s is missing", reader->arch,
        suffix);
  return value;
}

static uint32_t
get_uint_or (Reader *reader, const char *suffix, uint32_t min, uint32_t max,
    uint32_t fallback)
{
  uint32_t value = fallback;

  get_uint_if_present (reader, suffix, min, max, &value);
  return value;
}

static gboolean
get_double_if_present (Reader *reader, const char *suffix, double *value)
{
  const BnGgufKv *kv = find (reader, suffix);

  if (kv == NULL)
    return FALSE;
  if (!bn_gguf_kv_get_double (kv, 0, value)) {
    fail (reader, BITNET_ERROR_CORRUPT,
        "key %s at offset %" G_GUINT64_FORMAT ": expected a number", kv->key,
        kv->offset);
  } else if (!isfinite (*value)) {
    fail (reader, BITNET_ERROR_CORRUPT,
        "key %s at offset %" G_GUINT64_FORMAT ": found %g, expected a finite "
        "number",
        kv->key, kv->offset, *value);
  }
  return !reader->has_failed;
}

static double
get_double_or (Reader *reader, const char *suffix, double fallback)
{
  double value = fallback;

  return get_double_if_present (reader, suffix, &value) ? value : fallback;
}

static void
check_positive (Reader *reader, const char *suffix, double value)
{
  const BnGgufKv *kv = find (reader, suffix);

  if (kv && !(value > 0))
    fail (reader, BITNET_ERROR_CORRUPT,
        "key %s at offset %" G_GUINT64_FORMAT ": found %g, expected a "
        "positive number",
        kv->key, kv->offset, value);
}

static double
get_positive_or (Reader *reader, const char *suffix, double fallback)
{
  double value = get_double_or (reader, suffix, fallback);

  check_positive (reader, suffix, value);
  return value;
}

/* Whether the text at a key is expected. *found is a copy of it for messages,
 * made once; it stays NULL if the key is absent. */
static gboolean
text_is (Reader *reader, const char *suffix, const char *expected, char **found)
{
  const BnGgufKv *kv = find (reader, suffix);
  const char *text;
  size_t length;

  if (kv == NULL)
    return FALSE;
  if (!bn_gguf_kv_get_string (kv, 0, &text, &length)) {
    fail (reader, BITNET_ERROR_CORRUPT,
        "key %s at offset %" G_GUINT64_FORMAT ": expected a string", kv->key,
        kv->offset);
    return FALSE;
  }
  if (*found == NULL) {
    g_autofree char *raw = g_strndup (text, length);
    *found = g_utf8_make_valid (raw, -1);
  }
  return strlen (expected) == length && memcmp (text, expected, length) == 0;
}

/* Keys that change the graph in a way that is not implemented. */
static void
refuse_unsupported_keys (Reader *reader)
{
  static const char *const suffixes[] = {
      "expert_count",
      "attention.max_alibi_bias",
      "attention.clamp_kqv",
      "attn_logit_softcapping",
      "final_logit_softcapping",
      "logit_scale",
      "residual_scale",
      "embedding_scale",
  };
  const BnGgufKv *causal = find (reader, "attention.causal");
  gboolean is_causal = TRUE;

  for (size_t i = 0; i < G_N_ELEMENTS (suffixes); i++) {
    double value = get_double_or (reader, suffixes[i], 0);
    if (value != 0)
      fail (reader, BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
          "key %s.%s: found %g, expected 0 (this variant of the architecture "
          "is not supported)",
          reader->arch, suffixes[i], value);
  }
  if (causal && bn_gguf_kv_get_bool (causal, 0, &is_causal) && !is_causal)
    fail (reader, BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
        "key %s: found false, expected true (a text generator)", causal->key);
}

static void
read_vocab_size (Reader *reader, BnHparams *self)
{
  const BnGgufTensor *table =
      bn_gguf_find_tensor (reader->gguf, "token_embd.weight");
  const BnGgufKv *tokens =
      bn_gguf_find_kv (reader->gguf, "tokenizer.ggml.tokens");
  uint64_t n = 0;

  if (get_uint_if_present (reader, "vocab_size", 1, MAX_VOCAB, &self->n_vocab))
    return;
  if (tokens && tokens->type == BN_GGUF_ARRAY)
    n = tokens->count;
  else if (table)
    n = table->ne[1];
  if (n == 0 || n > MAX_VOCAB)
    fail (reader, BITNET_ERROR_CORRUPT,
        "vocabulary size: found %" G_GUINT64_FORMAT ", expected 1 to %d", n,
        MAX_VOCAB);
  self->n_vocab = (uint32_t) n;
}

static void
read_shape (Reader *reader, BnHparams *self)
{
  uint32_t value_size;

  self->n_context = get_uint (reader, "context_length", 1, MAX_CONTEXT);
  self->n_embd = get_uint (reader, "embedding_length", 1, MAX_WIDTH);
  self->n_layers = get_uint (reader, "block_count", 1, MAX_LAYERS);
  self->n_ff = get_uint (reader, "feed_forward_length", 1, MAX_WIDTH);
  self->n_heads = get_uint (reader, "attention.head_count", 1, MAX_WIDTH);
  self->n_kv_heads = get_uint_or (
      reader, "attention.head_count_kv", 1, MAX_WIDTH, self->n_heads);
  if (reader->has_failed)
    return;
  if (self->n_heads % self->n_kv_heads)
    fail (reader, BITNET_ERROR_CORRUPT,
        "key %s.attention.head_count_kv: found %u, expected a divisor of the "
        "%u heads",
        reader->arch, self->n_kv_heads, self->n_heads);
  if (!get_uint_if_present (
          reader, "attention.key_length", 1, MAX_WIDTH, &self->head_size)) {
    self->head_size = self->n_embd / self->n_heads;
    if (self->n_embd % self->n_heads)
      fail (reader, BITNET_ERROR_CORRUPT,
          "key %s.attention.head_count: found %u, expected a divisor of the "
          "embedding length %u",
          reader->arch, self->n_heads, self->n_embd);
  }
  value_size = get_uint_or (
      reader, "attention.value_length", 1, MAX_WIDTH, self->head_size);
  if (value_size != self->head_size)
    fail (reader, BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
        "key %s.attention.value_length: found %u, expected the key length %u",
        reader->arch, value_size, self->head_size);
  if ((uint64_t) self->n_heads * self->head_size > MAX_WIDTH)
    fail (reader, BITNET_ERROR_CORRUPT,
        "%u heads of %u: expected at most %d numbers in all", self->n_heads,
        self->head_size, MAX_WIDTH);
}

static void
read_rope_scaling (Reader *reader, BnHparams *self)
{
  g_autofree char *type = NULL;
  double factor = get_double_or (reader, "rope.scale_linear", 0);
  double ext_factor;
  gboolean is_yarn = text_is (reader, "rope.scaling.type", "yarn", &type);
  gboolean is_none = text_is (reader, "rope.scaling.type", "none", &type);

  if (type && !is_yarn && !is_none
      && !text_is (reader, "rope.scaling.type", "linear", &type))
    fail (reader, BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
        "key %s.rope.scaling.type: found \"%s\", expected none, linear or "
        "yarn",
        reader->arch, type);

  factor = get_double_or (reader, "rope.scaling.factor", factor);
  if (factor < 0)
    fail (reader, BITNET_ERROR_CORRUPT,
        "key %s.rope.scaling.factor: found %g, expected a positive number",
        reader->arch, factor);
  self->rope_freq_scale = factor > 0 && !is_none ? 1 / factor : 1;
  self->rope_n_context = get_uint_or (reader,
      "rope.scaling.original_context_length", 1, MAX_CONTEXT, self->n_context);
  ext_factor = get_double_or (reader, "rope.scaling.yarn_ext_factor", -1);
  if (ext_factor < 0)
    ext_factor = is_yarn;
  self->rope_ext_factor = is_yarn ? ext_factor : 0;
  self->rope_attn_factor =
      get_positive_or (reader, "rope.scaling.yarn_attn_factor",
          get_positive_or (reader, "rope.scaling.attn_factor", 1));
  self->rope_beta_fast =
      get_positive_or (reader, "rope.scaling.yarn_beta_fast", 32);
  self->rope_beta_slow =
      get_positive_or (reader, "rope.scaling.yarn_beta_slow", 1);
}

static void
read_rope (Reader *reader, BnHparams *self)
{
  const gboolean is_whole_head = self->arch == BN_ARCH_LLAMA
                                 || self->arch == BN_ARCH_BITNET
                                 || self->arch == BN_ARCH_BITNET_B158;

  self->rope_freq_scale = 1;
  if (self->rope == BN_ROPE_NONE || reader->has_failed)
    return;
  self->n_rot = get_uint_or (
      reader, "rope.dimension_count", 1, MAX_WIDTH, self->head_size);
  if (self->n_rot % 2 || self->n_rot > self->head_size
      || (is_whole_head && self->n_rot != self->head_size))
    fail (reader, BITNET_ERROR_CORRUPT,
        "key %s.rope.dimension_count: found %u, expected %s %u", reader->arch,
        self->n_rot,
        is_whole_head ? "the even head size"
                      : "an even number up to the head size",
        self->head_size);
  self->rope_base = get_positive_or (reader, "rope.freq_base", 10000);
  read_rope_scaling (reader, self);
}

/* model-graphs.md 6: most files of the bitnet family lack the key, and the
 * wrong function gives fluent but poor text. */
static void
choose_activation (Reader *reader, BnHparams *self)
{
  g_autofree char *found = NULL;
  const char *const suffix = "hidden_activation";
  gboolean says_relu2 = text_is (reader, suffix, "relu2", &found);
  gboolean says_silu = text_is (reader, suffix, "silu", &found);
  const char *path = bn_gguf_get_path (reader->gguf);

  switch (self->arch) {
    case BN_ARCH_GPT2:
      self->activation = BN_ACTIVATION_GELU;
      break;
    case BN_ARCH_BITNET_B158:
      self->activation = BN_ACTIVATION_RELU2;
      if (found && !says_relu2)
        g_message ("%s: key %s.%s says \"%s\", but this architecture has "
                   "squared ReLU; using that",
            path, reader->arch, suffix, found);
      break;
    case BN_ARCH_BITNET:
      if (found && !says_relu2 && !says_silu)
        fail (reader, BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
            "key %s.%s: found \"%s\", expected relu2 or silu", reader->arch,
            suffix, found);
      self->activation = BN_ACTIVATION_SILU;
      if (says_relu2) {
        self->activation = BN_ACTIVATION_RELU2;
      } else if (!found && self->n_vocab == 128256 && self->n_layers == 30
                 && self->n_ff == 6912) {
        self->activation = BN_ACTIVATION_RELU2;
        g_message ("%s: has the shape of BitNet 2B-4T but no key %s.%s; "
                   "using squared ReLU",
            path, reader->arch, suffix);
      }
      break;
    default:
      self->activation = BN_ACTIVATION_SILU;
      break;
  }
}

static void
read_norms (Reader *reader, BnHparams *self)
{
  const char *suffix;
  double eps = 0;
  double scale;

  self->has_layer_norm = self->arch == BN_ARCH_GPT2;
  self->is_ternary =
      self->arch == BN_ARCH_BITNET || self->arch == BN_ARCH_BITNET_B158;
  self->has_sub_norms = self->is_ternary;
  suffix = self->has_layer_norm ? "attention.layer_norm_epsilon"
                                : "attention.layer_norm_rms_epsilon";
  if (!get_double_if_present (reader, suffix, &eps))
    fail (reader, BITNET_ERROR_CORRUPT, "key %s.%s is missing", reader->arch,
        suffix);
  self->norm_eps = (float) eps;
  check_positive (reader, suffix, self->norm_eps);

  scale = get_double_or (reader, "attention.scale", 0);
  if (scale == 0 && self->head_size)
    scale = 1 / sqrt (self->head_size);
  self->attn_scale = (float) scale;
}

static void
find_architecture (Reader *reader, BnHparams *self)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (size_t i = 0; i < G_N_ELEMENTS (archs); i++) {
    if (strcmp (reader->arch, archs[i].name) == 0) {
      self->arch = archs[i].arch;
      self->rope = archs[i].rope;
      g_strlcpy (self->name, archs[i].name, sizeof self->name);
      return;
    }
    g_string_append_printf (names, "%s%s", i ? ", " : "", archs[i].name);
  }
  fail (reader, BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
      "key general.architecture: found \"%s\", expected one of %s",
      reader->arch, names->str);
}

gboolean
bn_hparams_read (BnHparams *self, const BnGguf *gguf, GError **error)
{
  g_autofree char *arch = bn_gguf_dup_string (gguf, "general.architecture");
  Reader reader = {.gguf = gguf, .arch = arch, .error = error};

  memset (self, 0, sizeof *self);
  if (arch == NULL) {
    fail (&reader, BITNET_ERROR_CORRUPT,
        "key general.architecture is missing or no text");
    return FALSE;
  }
  find_architecture (&reader, self);
  refuse_unsupported_keys (&reader);
  read_shape (&reader, self);
  read_vocab_size (&reader, self);
  read_norms (&reader, self);
  read_rope (&reader, self);
  if (!reader.has_failed)
    choose_activation (&reader, self);
  return !reader.has_failed;
}

/* Where the YaRN ramp lies, in pairs: the pair that turns n times within the
 * original context. */
static double
yarn_dimension (const BnHparams *self, double n_turns)
{
  return self->n_rot * log (self->rope_n_context / (n_turns * 2 * G_PI))
         / (2 * log (self->rope_base));
}

void
bn_hparams_rope (const BnHparams *self, const float *factors, uint32_t position,
    float *cos_sin)
{
  double low = 0, high = 0, magnitude = self->rope_attn_factor;

  if (self->rope_ext_factor != 0) {
    low = MAX (0, floor (yarn_dimension (self, self->rope_beta_fast)));
    high = MIN (
        self->n_rot - 1.0, ceil (yarn_dimension (self, self->rope_beta_slow)));
    magnitude *= 1 + 0.1 * log (1 / self->rope_freq_scale);
  }
  for (uint32_t i = 0; i < self->n_rot / 2; i++) {
    double theta = position * pow (self->rope_base, -2.0 * i / self->n_rot);
    double angle;

    if (factors)
      theta /= factors[i];
    angle = self->rope_freq_scale * theta;
    if (self->rope_ext_factor != 0) {
      double ramp = 1 - CLAMP ((i - low) / MAX (0.001, high - low), 0.0, 1.0);
      double mix = ramp * self->rope_ext_factor;
      angle = angle * (1 - mix) + theta * mix;
    }
    cos_sin[2 * i] = (float) (cos (angle) * magnitude);
    cos_sin[2 * i + 1] = (float) (sin (angle) * magnitude);
  }
}
