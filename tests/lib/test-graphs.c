/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every architecture against a second implementation: the formulas of
 * model-graphs.md written down in double, for one token after the other, with
 * float weights. The only roundings it shares with the library are those of
 * the cache and of queries, to halves. */
#include "bn-transformer.h"
#include "tiny-model.h"

#include <math.h>
#include <string.h>

enum { N_TOKENS = 40, MAX_WIDTH = 512 };

typedef struct {
  const char *name;
  TinySpec spec;
  /* more keys, as "key=number" or "key=text" */
  const char *keys[4];
} Case;

static const Case cases[] = {
    {"llama", {.arch = "llama"}, {NULL}},
    {"llama-tied", {.arch = "llama", .is_tied = TRUE}, {NULL}},
    {"llama-biases", {.arch = "llama", .has_biases = TRUE}, {NULL}},
    {"llama-fused", {.arch = "llama", .has_fused_qkv = TRUE}, {NULL}},
    {"llama-rope-freqs", {.arch = "llama", .has_rope_freqs = TRUE}, {NULL}},
    {"llama-linear", {.arch = "llama"},
        {"rope.scaling.type=linear", "rope.scaling.factor=4"}},
    {"llama-scale-linear", {.arch = "llama"}, {"rope.scale_linear=4"}},
    {"llama-none", {.arch = "llama"},
        {"rope.scaling.type=none", "rope.scaling.factor=4"}},
    {"llama-yarn", {.arch = "llama", .head_size = 32},
        {"rope.scaling.type=yarn", "rope.scaling.factor=8",
            "rope.scaling.original_context_length=64"}},
    {"llama-yarn-freqs",
        {.arch = "llama", .head_size = 32, .has_rope_freqs = TRUE},
        {"rope.scaling.type=yarn", "rope.scaling.factor=2",
            "rope.scaling.attn_factor=0.5",
            "rope.scaling.original_context_length=128"}},
    {"llama-attention-scale", {.arch = "llama"}, {"attention.scale=0.5"}},
    {"llama-one-head", {.arch = "llama", .n_heads = 1, .n_kv_heads = 1},
        {NULL}},
    {"llama-odd-sizes",
        {.arch = "llama",
            .n_embd = 60,
            .n_heads = 6,
            .n_kv_heads = 3,
            .n_ff = 77,
            .n_vocab = 53},
        {NULL}},
    {"bitnet", {.arch = "bitnet", .is_tied = TRUE}, {NULL}},
    {"bitnet-silu", {.arch = "bitnet", .is_tied = TRUE},
        {"hidden_activation=silu"}},
    {"bitnet-relu2", {.arch = "bitnet", .is_tied = TRUE},
        {"hidden_activation=relu2"}},
    {"bitnet-scales",
        {.arch = "bitnet",
            .is_tied = TRUE,
            .has_scales = TRUE,
            .has_biases = TRUE},
        {NULL}},
    {"bitnet-b1.58", {.arch = "bitnet-b1.58", .is_tied = TRUE}, {NULL}},
    {"bitnet-25", {.arch = "bitnet-25"}, {NULL}},
    {"gpt2", {.arch = "gpt2"}, {NULL}},
    {"gpt2-tied", {.arch = "gpt2", .is_tied = TRUE}, {NULL}},
    {"qwen2", {.arch = "qwen2", .is_tied = TRUE}, {NULL}},
    {"qwen3", {.arch = "qwen3", .head_size = 24}, {NULL}},
    {"qwen3-partial-rope", {.arch = "qwen3", .head_size = 24},
        {"rope.dimension_count=16"}},
};

/* The second implementation */

typedef struct {
  TinyModel *model;
  const Case *c;
  const TinySpec *s;
  double *keys; /* [layer][position][kv_size] */
  double *values;
} Reference;

static gboolean
arch_is (const Reference *r, const char *prefix)
{
  return g_str_has_prefix (r->s->arch, prefix);
}

static double
key_number (const Reference *r, const char *key, double fallback)
{
  for (guint i = 0; i < G_N_ELEMENTS (r->c->keys) && r->c->keys[i]; i++) {
    const char *text = r->c->keys[i];
    if (g_str_has_prefix (text, key) && text[strlen (key)] == '=')
      return g_ascii_strtod (text + strlen (key) + 1, NULL);
  }
  return fallback;
}

static gboolean
key_is (const Reference *r, const char *key_value)
{
  for (guint i = 0; i < G_N_ELEMENTS (r->c->keys) && r->c->keys[i]; i++) {
    if (strcmp (r->c->keys[i], key_value) == 0)
      return TRUE;
  }
  return FALSE;
}

/* The kernels have a test of their own. */
static double
to_half (double x)
{
  static BnKernels kernels;
  float y = (float) x;
  uint16_t half;

  if (kernels.f32_to_f16 == NULL)
    bn_kernels_init (&kernels, 0);
  kernels.f32_to_f16 (&half, &y, 1);
  kernels.f16_to_f32 (&y, &half, 1);
  return (double) y;
}

static void
norm (const Reference *r, double *y, const double *x, uint32_t n,
    const char *name)
{
  const float *w = tiny_model_get_tensor (r->model, "%s.weight", name);
  const float *b = tiny_model_get_tensor (r->model, "%s.bias", name);
  double mean = 0, variance = 0;

  for (uint32_t i = 0; i < n && b; i++)
    mean += x[i] / n;
  for (uint32_t i = 0; i < n; i++)
    variance += (x[i] - mean) * (x[i] - mean) / n;
  for (uint32_t i = 0; i < n; i++)
    y[i] = (x[i] - mean) / sqrt (variance + 1e-5) * w[i] + (b ? b[i] : 0);
}

static void
linear (const Reference *r, double *y, const double *x, const char *name)
{
  g_autofree char *full = g_strconcat (name, ".weight", NULL);
  const float *w = tiny_model_get_tensor (r->model, "%s", full);
  const float *b = tiny_model_get_tensor (r->model, "%s.bias", name);
  const float *scale = tiny_model_get_tensor (r->model, "%s.scale", name);
  const uint32_t n_cols = tiny_model_get_n_cols (r->model, full);

  for (uint32_t row = 0; row < tiny_model_get_n_rows (r->model, full); row++) {
    double sum = 0;
    for (uint32_t col = 0; col < n_cols; col++)
      sum += w[(size_t) row * n_cols + col] * x[col];
    y[row] = sum * (scale ? scale[0] : 1) + (b ? b[row] : 0);
  }
}

static void
rope (const Reference *r, double *x, uint32_t position)
{
  const uint32_t n =
      (uint32_t) key_number (r, "rope.dimension_count", r->s->head_size);
  const float *factors = tiny_model_get_tensor (r->model, "rope_freqs.weight");
  const gboolean is_norm = arch_is (r, "llama");
  const gboolean is_yarn = key_is (r, "rope.scaling.type=yarn");
  const double base = 10000;
  double factor = key_number (r, "rope.scaling.factor", 1)
                  * key_number (r, "rope.scale_linear", 1);
  double m = key_number (r, "rope.scaling.attn_factor", 1);
  double n_orig =
      key_number (r, "rope.scaling.original_context_length", r->s->n_context);
  double lo, hi;

  if (key_is (r, "rope.scaling.type=none"))
    factor = 1;
  lo = floor (n * log (n_orig / (2 * G_PI * 32)) / (2 * log (base)));
  hi = ceil (n * log (n_orig / (2 * G_PI * 1)) / (2 * log (base)));
  lo = lo < 0 ? 0 : lo;
  hi = hi > n - 1 ? n - 1 : hi;
  if (is_yarn)
    m *= 1 + 0.1 * log (factor);
  for (uint32_t i = 0; i < n / 2; i++) {
    double theta = position * pow (base, -2.0 * i / n);
    double angle, a, b;
    uint32_t first = is_norm ? 2 * i : i;
    uint32_t second = is_norm ? 2 * i + 1 : i + n / 2;

    if (factors)
      theta /= factors[i];
    angle = theta / factor;
    if (is_yarn) {
      double t = (i - lo) / (hi - lo > 0.001 ? hi - lo : 0.001);
      double ramp = 1 - (t < 0 ? 0 : t > 1 ? 1 : t);
      angle = theta / factor * (1 - ramp) + theta * ramp;
    }
    a = x[first];
    b = x[second];
    x[first] = (a * cos (angle) - b * sin (angle)) * m;
    x[second] = (a * sin (angle) + b * cos (angle)) * m;
  }
}

/* out: heads of one token; qkv: its queries, keys, values, rope done. */
static void
attend (const Reference *r, double *out, const double *q, uint32_t layer,
    uint32_t position)
{
  const TinySpec *s = r->s;
  const uint32_t d = s->head_size, kv_size = s->n_kv_heads * d;
  const double scale = key_number (r, "attention.scale", 1 / sqrt (d));
  double p[N_TOKENS];

  for (uint32_t h = 0; h < s->n_heads; h++) {
    const uint32_t g = h / (s->n_heads / s->n_kv_heads);
    double sum = 0;

    for (uint32_t j = 0; j <= position; j++) {
      const double *k =
          r->keys + ((size_t) layer * N_TOKENS + j) * kv_size + g * d;
      double dot = 0;
      for (uint32_t i = 0; i < d; i++)
        dot += q[h * d + i] * k[i];
      p[j] = exp (dot * scale);
      sum += p[j];
    }
    for (uint32_t i = 0; i < d; i++) {
      out[h * d + i] = 0;
      for (uint32_t j = 0; j <= position; j++)
        out[h * d + i] +=
            p[j] / sum
            * r->values[((size_t) layer * N_TOKENS + j) * kv_size + g * d + i];
    }
  }
}

static void
attention_branch (
    const Reference *r, double *x, uint32_t layer, uint32_t position)
{
  const TinySpec *s = r->s;
  const uint32_t d = s->head_size;
  const uint32_t q_size = s->n_heads * d, kv_size = s->n_kv_heads * d;
  double n[MAX_WIDTH], qkv[3 * MAX_WIDTH], a[MAX_WIDTH], y[MAX_WIDTH];
  char name[64];
  const char *const parts[] = {"attn_q", "attn_k", "attn_v"};

  g_snprintf (name, sizeof name, "blk.%u.attn_norm", layer);
  norm (r, n, x, s->n_embd, name);
  g_snprintf (name, sizeof name, "blk.%u.attn_qkv", layer);
  if (tiny_model_get_tensor (r->model, "%s.weight", name)) {
    linear (r, qkv, n, name);
  } else {
    for (int i = 0; i < 3; i++) {
      g_snprintf (name, sizeof name, "blk.%u.%s", layer, parts[i]);
      linear (r, qkv + (i > 0) * q_size + (i > 1) * kv_size, n, name);
    }
  }
  for (uint32_t h = 0; h < s->n_heads + s->n_kv_heads; h++) {
    double *head = qkv + h * d;

    if (arch_is (r, "qwen3")) {
      g_snprintf (name, sizeof name, "blk.%u.attn_%c_norm", layer,
          h < s->n_heads ? 'q' : 'k');
      norm (r, head, head, d, name);
    }
    if (!arch_is (r, "gpt2"))
      rope (r, head, position);
  }
  for (uint32_t i = 0; i < kv_size; i++) {
    const size_t at = ((size_t) layer * N_TOKENS + position) * kv_size + i;
    r->keys[at] = to_half (qkv[q_size + i]);
    r->values[at] = to_half (qkv[q_size + kv_size + i]);
  }
  for (uint32_t i = 0; i < q_size; i++)
    qkv[i] = to_half (qkv[i]);
  attend (r, a, qkv, layer, position);
  g_snprintf (name, sizeof name, "blk.%u.attn_sub_norm", layer);
  if (arch_is (r, "bitnet"))
    norm (r, a, a, q_size, name);
  g_snprintf (name, sizeof name, "blk.%u.attn_output", layer);
  linear (r, y, a, name);
  for (uint32_t i = 0; i < s->n_embd; i++)
    x[i] += y[i];
}

static double
activate (const Reference *r, double gate, double up)
{
  gboolean is_relu2 =
      arch_is (r, "bitnet-") || key_is (r, "hidden_activation=relu2");

  if (arch_is (r, "gpt2"))
    return 0.5 * up
           * (1 + tanh (sqrt (2 / G_PI) * (up + 0.044715 * up * up * up)));
  if (is_relu2)
    return gate > 0 ? gate * gate * up : 0;
  return gate / (1 + exp (-gate)) * up;
}

static void
ffn_branch (const Reference *r, double *x, uint32_t layer)
{
  const TinySpec *s = r->s;
  double n[MAX_WIDTH], gate[MAX_WIDTH] = {0}, up[MAX_WIDTH], y[MAX_WIDTH];
  char name[64];

  g_snprintf (name, sizeof name, "blk.%u.ffn_norm", layer);
  norm (r, n, x, s->n_embd, name);
  g_snprintf (name, sizeof name, "blk.%u.ffn_gate", layer);
  if (!arch_is (r, "gpt2"))
    linear (r, gate, n, name);
  g_snprintf (name, sizeof name, "blk.%u.ffn_up", layer);
  linear (r, up, n, name);
  for (uint32_t i = 0; i < s->n_ff; i++)
    up[i] = activate (r, gate[i], up[i]);
  g_snprintf (name, sizeof name, "blk.%u.ffn_sub_norm", layer);
  if (arch_is (r, "bitnet"))
    norm (r, up, up, s->n_ff, name);
  g_snprintf (name, sizeof name, "blk.%u.ffn_down", layer);
  linear (r, y, up, name);
  for (uint32_t i = 0; i < s->n_embd; i++)
    x[i] += y[i];
}

static void
reference_logits (
    const Reference *r, double *logits, uint32_t token, uint32_t position)
{
  const TinySpec *s = r->s;
  const float *table = tiny_model_get_tensor (r->model, "token_embd.weight");
  const float *positions =
      tiny_model_get_tensor (r->model, "position_embd.weight");
  double x[MAX_WIDTH], n[MAX_WIDTH];

  for (uint32_t i = 0; i < s->n_embd; i++)
    x[i] = (double) table[(size_t) token * s->n_embd + i]
           + (positions ? (double) positions[(size_t) position * s->n_embd + i]
                        : 0);
  for (uint32_t layer = 0; layer < s->n_layers; layer++) {
    attention_branch (r, x, layer, position);
    ffn_branch (r, x, layer);
  }
  norm (r, n, x, s->n_embd, "output_norm");
  linear (r, logits, n, s->is_tied ? "token_embd" : "output");
}

/* Comparison */

static void
apply_keys (TinyModel *model, const Case *c)
{
  for (guint i = 0; i < G_N_ELEMENTS (c->keys) && c->keys[i]; i++) {
    g_auto (GStrv) parts = g_strsplit (c->keys[i], "=", 2);
    char *end;
    double number = g_ascii_strtod (parts[1], &end);

    if (*end)
      tiny_model_set_string (model, parts[0], parts[1]);
    else if (strstr (parts[0], "length") || strstr (parts[0], "count"))
      tiny_model_set_uint (model, parts[0], (uint32_t) number);
    else
      tiny_model_set_float (model, parts[0], (float) number);
  }
}

static void
test_graph (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (TinyModel) model = tiny_model_new (&c->spec);
  const TinySpec *s = tiny_model_get_spec (model);
  Reference r = {model, c, s, NULL, NULL};
  const BnTransformerOptions options = {.batch_size = N_TOKENS};
  const size_t kv_size =
      (size_t) s->n_layers * N_TOKENS * s->n_kv_heads * s->head_size;
  g_autofree double *keys = g_new (double, kv_size);
  g_autofree double *values = g_new (double, kv_size);
  g_autofree double *expected = g_new (double, s->n_vocab);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = NULL;
  g_autoptr (BnBackend) backend = bn_cpu_backend_new (NULL, 2);
  g_autoptr (BnTransformer) transformer = NULL;
  g_autoptr (BnKvSeq) seq = NULL;
  uint32_t tokens[N_TOKENS];
  BnRun run = {.tokens = tokens, .n_tokens = N_TOKENS, .logits = BN_LOGITS_ALL};
  double worst = 0, first = 0;

  apply_keys (model, c);
  gguf = tiny_model_open (model);
  for (uint32_t i = 0; i < N_TOKENS; i++)
    tokens[i] = (i * 29 + 3) % s->n_vocab;
  transformer =
      bn_transformer_new (gguf, backend, &options, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  run.seq = seq =
      bn_kv_seq_new (bn_transformer_get_kv_cache (transformer), N_TOKENS);
  bn_transformer_forward (transformer, &run, 1, NULL, &error);
  g_assert_no_error (error);

  r.keys = keys;
  r.values = values;
  for (uint32_t i = 0; i < N_TOKENS; i++) {
    double difference = 0, length = 0;

    reference_logits (&r, expected, tokens[i], i);
    for (uint32_t t = 0; t < s->n_vocab; t++) {
      const double found = (double) run.result[(size_t) i * s->n_vocab + t];
      difference += (found - expected[t]) * (found - expected[t]);
      length += expected[t] * expected[t];
    }
    worst = MAX (worst, sqrt (difference / length));
    first = i == 0 ? worst : first;
  }
  g_test_message ("%s: relative L2 error %.1e of the first token, at most "
                  "%.1e of the others",
      c->name, first, worst);
  /* A query or key on the edge between two halves may fall to either side,
   * which is 5e-4 of it. */
  g_assert_cmpfloat (first, <, 1e-4);
  g_assert_cmpfloat (worst, <, 1e-3);
}

/* Rotating single dimensions shows which two make a pair. */
static void
test_rope_pairs (void)
{
  enum { D = 8 };
  BnKernels kernels;
  BnHparams h = {.n_rot = D,
      .rope_base = 10000,
      .rope_freq_scale = 1,
      .rope_attn_factor = 1};
  float cos_sin[D];

  bn_kernels_init (&kernels, 0);
  bn_hparams_rope (&h, NULL, 1, cos_sin);
  for (uint32_t i = 0; i < D; i++) {
    float norm_x[D] = {0}, neox_x[D] = {0};

    norm_x[i] = neox_x[i] = 1;
    kernels.rope_norm (norm_x, cos_sin, D / 2);
    kernels.rope_neox (neox_x, cos_sin, D / 2);
    for (uint32_t j = 0; j < D; j++) {
      g_assert_cmpint (norm_x[j] != 0, ==, j / 2 == i / 2);
      g_assert_cmpint (neox_x[j] != 0, ==, j % 4 == i % 4);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strconcat ("/graphs/", cases[i].name, NULL);
    g_test_add_data_func (path, &cases[i], test_graph);
  }
  g_test_add_func ("/graphs/rope-pairs", test_rope_pairs);
  return g_test_run ();
}
