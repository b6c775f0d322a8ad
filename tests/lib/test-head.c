/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The output matrix and its copies: what is chosen, that bounds hold, that
 * what a screen leaves is what the file gives, to the bit, and all of what can
 * be drawn. */
#include <math.h>
#include <string.h>
#include "bn-backend.h"
#include "bn-head.h"
#include "bn-transformer.h"
#include "bitnet-error.h"
#include "engine-fixture.h"

enum { N_ROWS = 1500, N_COLS = 512, N_BEST = 40 };

static float
next_float (GRand *rand)
{
  /* something like a bell */
  double sum = 0;

  for (int i = 0; i < 4; i++)
    sum += g_rand_double_range (rand, -1, 1);
  return (float) sum;
}

static void
test_choices (void)
{
  static const struct {
    BnHead wanted;
    BnType type;
    guint n_rows, n_cols;
    BnHead head;
    BnType copy_type;
  } cases[] = {
      {BN_HEAD_FILE, BN_TYPE_F16, 9, 64, BN_HEAD_FILE, BN_TYPE_F16},
      {BN_HEAD_Q8_0, BN_TYPE_F16, 9, 64, BN_HEAD_Q8_0, BN_TYPE_Q8_0},
      {BN_HEAD_Q8_0, BN_TYPE_F32, 9, 60, BN_HEAD_FILE, BN_TYPE_F32},
      {BN_HEAD_Q6_K, BN_TYPE_BF16, 9, 512, BN_HEAD_Q6_K, BN_TYPE_Q6_K},
      {BN_HEAD_Q6_K, BN_TYPE_F16, 9, 128, BN_HEAD_FILE, BN_TYPE_F16},
      {BN_HEAD_Q6_K, BN_TYPE_Q8_0, 9, 512, BN_HEAD_FILE, BN_TYPE_Q8_0},
      {BN_HEAD_Q8_0, BN_TYPE_Q4_K, 9, 512, BN_HEAD_FILE, BN_TYPE_Q4_K},
      {BN_HEAD_Q8_0, BN_TYPE_I2_S, 9, 512, BN_HEAD_FILE, BN_TYPE_I2_S},
      {BN_HEAD_SCREENED, BN_TYPE_F16, 9, 512, BN_HEAD_SCREENED, BN_TYPE_Q6_K},
      {BN_HEAD_SCREENED, BN_TYPE_F16, 9, 96, BN_HEAD_SCREENED, BN_TYPE_Q8_0},
      {BN_HEAD_SCREENED, BN_TYPE_F16, 9, 60, BN_HEAD_FILE, BN_TYPE_F16},
      {BN_HEAD_SCREENED, BN_TYPE_Q6_K, 9, 512, BN_HEAD_FILE, BN_TYPE_Q6_K},
      {BN_HEAD_AUTO, BN_TYPE_Q6_K, 128256, 2560, BN_HEAD_FILE, BN_TYPE_Q6_K},
      {BN_HEAD_AUTO, BN_TYPE_F16, 2048, 256, BN_HEAD_FILE, BN_TYPE_F16},
      {BN_HEAD_AUTO, BN_TYPE_F16, 128256, 2560, BN_HEAD_SCREENED, BN_TYPE_Q6_K},
      {BN_HEAD_AUTO, BN_TYPE_BF16, 151936, 896, BN_HEAD_SCREENED, BN_TYPE_Q8_0},
      {BN_HEAD_AUTO, BN_TYPE_F32, UINT32_MAX, UINT32_MAX / 256 * 256,
          BN_HEAD_SCREENED, BN_TYPE_Q6_K},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    BnHeadChoice choice = bn_head_choose (
        cases[i].wanted, cases[i].type, cases[i].n_rows, cases[i].n_cols);
    g_assert_cmpint (choice.head, ==, cases[i].head);
    g_assert_cmpint (choice.copy_type, ==, cases[i].copy_type);
  }
}

/* ---- a matrix and its screen ---- */

typedef struct {
  BnBackend *backend;
  BnType type, copy_type;
  BnLinear exact;
  BnScreen screen;
  float *rows; /* what the file's bytes stand for */
  float *copied;
  void *file, *copy;
  float *norms, *errors;
} Head;

static void
head_init (Head *self, float *rows, BnType type, BnType copy_type)
{
  const gsize size = bn_type_tensor_size (type, N_COLS, 1);
  const gsize copy_size = bn_type_tensor_size (copy_type, N_COLS, 1);
  BnBackend *backend = bn_cpu_backend_new (NULL, 2);
  const BnPack packs[] = {[BN_TYPE_F32] = BN_PACK_F32,
      [BN_TYPE_F16] = BN_PACK_F16,
      [BN_TYPE_Q8_0] = BN_PACK_Q8_0,
      [BN_TYPE_Q6_K] = BN_PACK_Q6_K};
  BnScreen *screen = &self->screen;
  guint8 *converted = g_malloc (copy_size * N_ROWS);

  *self = (Head){.backend = backend, .type = type, .copy_type = copy_type};
  self->rows = rows;
  self->copied = g_new (float, N_ROWS *N_COLS);
  self->file = g_malloc (size * N_ROWS);
  self->norms = g_new (float, N_ROWS);
  self->errors = g_new (float, N_ROWS);
  for (guint i = 0; i < N_ROWS; i++) {
    guint8 *at = (guint8 *) self->file + i * size;
    bn_quantize_row_get (type) (at, rows + i * N_COLS, N_COLS);
    bn_dequantize_row_get (type) (rows + i * N_COLS, at, N_COLS);
  }
  for (guint i = 0; i < N_ROWS; i++) {
    guint8 *at = converted + i * copy_size;
    float scratch[2 * N_COLS];
    BnHeadLengths lengths;

    bn_head_convert_row (at, copy_type, &lengths,
        (guint8 *) self->file + i * size, type, N_COLS, scratch);
    self->norms[i] = lengths.norm;
    self->errors[i] = lengths.error;
    bn_dequantize_row_get (copy_type) (self->copied + i * N_COLS, at, N_COLS);
  }

  self->exact = (BnLinear){
      .scale = 1, .matrix = {packs[type], N_ROWS, N_COLS, self->file, NULL}};
  backend->ops->linear_init (backend, &self->exact, BN_REPACK_NEVER);
  screen->exact = &self->exact;
  screen->copy = (BnLinear){
      .scale = 1, .matrix = {packs[copy_type], N_ROWS, N_COLS, NULL, NULL}};
  gsize packed =
      backend->ops->linear_init (backend, &screen->copy, BN_REPACK_AUTO);
  if (packed > 0) {
    self->copy = g_aligned_alloc0 (1, packed, BN_ALIGN);
    screen->copy.matrix.data = self->copy;
    backend->ops->linear_pack (backend, &screen->copy, converted, 0, N_ROWS);
    g_free (converted);
  } else {
    self->copy = g_aligned_alloc0 (1, copy_size * N_ROWS, BN_ALIGN);
    memcpy (self->copy, converted, copy_size * N_ROWS);
    g_free (converted);
    screen->copy.matrix.data = self->copy;
  }
  screen->norms = self->norms;
  screen->errors = self->errors;
  bn_screen_init (screen);
  g_assert_true (backend->ops->prepare (backend, 4, N_COLS, 1, 64, 1));
}

static void
head_clear (Head *self)
{
  bn_backend_free (self->backend);
  g_free (self->rows);
  g_free (self->copied);
  g_free (self->file);
  g_aligned_free (self->copy);
  g_free (self->norms);
  g_free (self->errors);
  bn_screen_clear (&self->screen);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Head, head_clear)

/* Rows that are hard for a bound. */
typedef enum {
  ROWS_RANDOM,
  ROWS_EQUAL,   /* each ten times: ties */
  ROWS_ZERO,    /* most of them */
  ROWS_HUGE,    /* of every tenth the products overflow */
  ROWS_UNEQUAL, /* norms over ten powers of two */
  ROWS_SPIKES,  /* one value dwarfs the others of its block */
  N_KINDS,
} Rows;

static float *
make_rows (GRand *rand, Rows kind, BnType type)
{
  float *rows = g_new (float, N_ROWS *N_COLS);

  for (guint i = 0; i < N_ROWS; i++) {
    float *row = rows + i * N_COLS;

    for (guint k = 0; k < N_COLS; k++)
      row[k] = next_float (rand);
    if (kind == ROWS_EQUAL && i % 10 != 0)
      memcpy (row, row - N_COLS, N_COLS * sizeof *row);
    for (guint k = 0; k < N_COLS; k++) {
      if (kind == ROWS_ZERO && i % 5 != 0)
        row[k] = 0;
      else if (kind == ROWS_HUGE && i % 10 == 0)
        row[k] *= type == BN_TYPE_F32 ? 1e37f : 15000;
      else if (kind == ROWS_UNEQUAL)
        row[k] = ldexpf (row[k], (int) (i % 11) - 8);
      else if (kind == ROWS_SPIKES && (k + i) % 97 == 0)
        row[k] *= 300;
    }
  }
  return rows;
}

static double
dot (const float *a, const float *b)
{
  double sum = 0;

  for (guint i = 0; i < N_COLS; i++)
    sum += (double) a[i] * (double) b[i];
  return sum;
}

/* What is known of rows is true. */
static void
test_bounds (void)
{
  static const BnType copies[] = {BN_TYPE_Q8_0, BN_TYPE_Q6_K};
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);

  for (Rows kind = 0; kind < N_KINDS; kind++) {
    for (gsize c = 0; c < G_N_ELEMENTS (copies); c++) {
      g_auto (Head) head = {0};

      head_init (
          &head, make_rows (rand, kind, BN_TYPE_F16), BN_TYPE_F16, copies[c]);
      for (guint i = 0; i < N_ROWS; i++) {
        float *row = head.rows + i * N_COLS, *copy = head.copied + i * N_COLS;
        double norm = sqrt (dot (copy, copy));

        for (guint k = 0; k < N_COLS; k++)
          copy[k] = row[k] - copy[k];
        double error = sqrt (dot (copy, copy));
        g_assert_cmpfloat ((double) head.norms[i], >=, norm);
        g_assert_cmpfloat ((double) head.errors[i], >=, error);
        g_assert_cmpfloat ((double) head.norms[i], <=, norm * 1.0001 + 1e-17);
        g_assert_cmpfloat ((double) head.errors[i], <=, error * 1.0001 + 1e-17);
      }
    }
  }
}

static guint
count_better (const float *logits, const guint8 *marks, float logit)
{
  guint n = 0;

  for (guint i = 0; i < N_ROWS; i++)
    n += logits[i] > logit && !marks[i];
  return n;
}

/* What was left out could not be kept. Returns how many there are. */
static guint
check_logits (const float *screened, const float *full, const BnLogitNeed *need)
{
  g_autofree guint8 *marks = g_new0 (guint8, N_ROWS);
  guint n_excluded = 0;
  float max = -INFINITY;

  for (guint i = 0; i < need->n_tokens; i++)
    marks[need->tokens[i]] = 1;
  for (guint i = 0; i < N_ROWS; i++)
    max = MAX (max, full[i]);
  for (guint i = 0; i < N_ROWS; i++) {
    if (screened[i] == -INFINITY) {
      gboolean is_low = count_better (full, marks, full[i]) >= need->n_best
                        || full[i] < max - need->span;
      g_assert_true (is_low && !marks[i]);
      n_excluded++;
    } else if (isfinite (full[i])) {
      g_assert_cmpmem (&screened[i], sizeof (float), &full[i], sizeof (float));
    } else {
      g_assert_true (isnan (screened[i]));
    }
  }
  return n_excluded;
}

static void
fill_inputs (GRand *rand, float *x, guint kind)
{
  for (guint i = 0; i < N_COLS; i++) {
    x[i] = next_float (rand);
    if (kind == 1)
      x[i] = i == 100 ? 7 : 0;
    else if (kind == 2)
      x[i] *= 1e4f;
    else if (kind == 3)
      x[i] = 0;
  }
}

static guint
check_screen (Head *head, GRand *rand)
{
  static const BnLogitNeed needs[] = {{1, INFINITY, NULL, 0},
      {N_BEST, INFINITY, NULL, 0}, {UINT32_MAX, 3, NULL, 0},
      {N_BEST, 3, NULL, 0}};
  const BnBackendOps *ops = head->backend->ops;
  const BnLinear *exact = &head->exact;
  const guint32 tokens[] = {3, 77, 78, N_ROWS - 1, 3};
  g_autofree float *full = g_new (float, N_ROWS);
  g_autofree float *screened = g_new (float, N_ROWS);
  float *x = g_aligned_alloc0 (N_COLS, sizeof (float), BN_ALIGN);
  const BnRows input = {x, N_COLS, .norm = NULL};
  guint n_excluded = 0;

  for (guint i = 0; i < 8 * G_N_ELEMENTS (needs); i++) {
    BnLogitNeed need = needs[i % G_N_ELEMENTS (needs)];
    const BnResults results = {full, N_ROWS, .use = BN_USE_STORE};
    const BnLogitNeed *rows[] = {&need};

    if (i % 8 >= 4) {
      need.tokens = tokens;
      need.n_tokens = G_N_ELEMENTS (tokens);
    }
    fill_inputs (rand, x, i / 8);
    head->screen.n_rest = 0;
    ops->begin (head->backend, NULL);
    ops->matmul (head->backend, &results, &input, &exact, 1, 1);
    g_assert_true (ops->matmul_screened (
        head->backend, screened, &input, &head->screen, rows, 1));
    g_assert_true (ops->end (head->backend));
    n_excluded += check_logits (screened, full, &need);
  }
  g_aligned_free (x);
  return n_excluded;
}

static void
test_screen (void)
{
  static const BnType copies[] = {BN_TYPE_Q8_0, BN_TYPE_Q6_K};
  static const BnType types[] = {BN_TYPE_F16, BN_TYPE_F32};
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);

  for (Rows kind = 0; kind < N_KINDS; kind++) {
    for (gsize t = 0; t < G_N_ELEMENTS (types); t++) {
      for (gsize c = 0; c < G_N_ELEMENTS (copies); c++) {
        /* what does not fit a copy's scale has no type to be quantized to */
        if (kind == ROWS_HUGE && types[t] == BN_TYPE_F32)
          continue;
        g_auto (Head) head = {0};
        head_init (
            &head, make_rows (rand, kind, types[t]), types[t], copies[c]);
        guint n_excluded = check_screen (&head, rand);
        g_test_message ("rows %d, copy %s: %u excluded", kind,
            bn_type_id_name (copies[c]), n_excluded);
        if (kind == ROWS_RANDOM)
          g_assert_cmpuint (n_excluded, >, 5 * N_ROWS);
      }
    }
  }
}

/* What is not finite comes out as NaN, not as excluded. */
static void
test_not_finite (void)
{
  const BnLogitNeed need = {1, INFINITY, NULL, 0}, *needs[] = {&need, &need};
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  g_auto (Head) head = {0};
  float *x = g_aligned_alloc0 (2 * N_COLS, sizeof (float), BN_ALIGN);
  const BnRows input = {x, N_COLS, .norm = NULL};
  g_autofree float *y = g_new (float, 2 * N_ROWS);
  static const float bad[] = {NAN, INFINITY, -INFINITY};

  head_init (&head, make_rows (rand, ROWS_RANDOM, BN_TYPE_F16), BN_TYPE_F16,
      BN_TYPE_Q8_0);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    fill_inputs (rand, x, 0);
    fill_inputs (rand, x + N_COLS, 0);
    x[N_COLS + 9] = bad[i];
    head.screen.n_rest = 0;
    head.backend->ops->begin (head.backend, NULL);
    g_assert_true (head.backend->ops->matmul_screened (
        head.backend, y, &input, &head.screen, needs, 2));
    head.backend->ops->end (head.backend);
    for (guint k = 0; k < N_ROWS; k++) {
      g_assert_false (isnan (y[k]));
      g_assert_true (isnan (y[N_ROWS + k]));
    }
  }
  g_aligned_free (x);
}

/* ---- whole models ---- */

static BitnetEngine *
open_head (const char *path, BitnetHead head, int drafts)
{
  g_autoptr (BitnetEngineOptions) options = bitnet_engine_options_new ();
  g_autoptr (BitnetModel) model = open_model (path);
  g_autoptr (GError) error = NULL;
  BitnetEngine *engine;

  options->head = head;
  options->n_threads = 2;
  options->drafts = drafts;
  engine = bitnet_model_get_engine (model, options, &error);
  g_assert_true (bitnet_engine_load (engine, NULL, NULL, NULL, &error));
  return engine;
}

enum { N_PROMPT = 40, N_TOKENS = 60, N_VOCAB = 4096 };

/* Ways to draw, and whether the screen can help. */
static const struct {
  double temperature, top_p, min_p, penalty, xtc;
  guint top_k, mirostat, min_keep;
  gboolean is_screened;
} draws[] = {
    {0, 1, 0, 1, 0, 40, 0, 0, TRUE},
    {0, 1, 0, 1.3, 0, 40, 0, 0, TRUE},
    {0.8, 0.95, 0.05, 1, 0, 40, 0, 0, TRUE},
    {1, 1, 0, 1, 0, 100, 0, 0, TRUE},
    {1, 1, 0.05, 1, 0, 40, 0, 0, TRUE},
    {1.5, 1, 0.1, 1.2, 0, 0, 0, 0, TRUE},
    {1, 1, 0.2, 1, 0.5, 0, 0, 0, TRUE},
    {1, 1, 0.2, 1, 0, 8, 0, 20, TRUE},
    {1, 0.9, 0.05, 1, 0, 0, 0, 0, FALSE},
    {1, 1, 0, 1, 0, 0, 0, 0, FALSE},
    {1, 1, 0, 1, 0, 0, 2, 0, FALSE},
};
enum { N_DRAWS = G_N_ELEMENTS (draws) };

static char *
write_model (const char *name)
{
  const TinySpec spec = {.arch = "llama",
      .type = BN_TYPE_Q8_0,
      .embd_type = BN_TYPE_F16,
      .n_embd = 256,
      .n_vocab = N_VOCAB};
  char *path = make_path (name);

  write_tiny (path, &spec);
  return path;
}

static BitnetSequence *
start (BitnetEngine *engine, gsize draw)
{
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autofree guint32 *prompt = make_prompt (3 + (guint32) draw, N_PROMPT);
  g_autoptr (GError) error = NULL;
  BitnetSequence *sequence;

  params->temperature = draws[draw].temperature;
  params->top_k = draws[draw].top_k;
  params->top_p = draws[draw].top_p;
  params->min_p = draws[draw].min_p;
  params->min_keep = draws[draw].min_keep;
  params->penalty_repeat = draws[draw].penalty;
  params->xtc_probability = draws[draw].xtc;
  params->mirostat = draws[draw].mirostat;
  params->seed = 11;
  params->max_tokens = N_TOKENS;
  sequence =
      bitnet_engine_submit (engine, NULL, prompt, N_PROMPT, params, &error);
  g_assert_no_error (error);
  return sequence;
}

static guint64
get_stat (BitnetEngine *engine, const char *key)
{
  g_autoptr (GVariant) stats = bitnet_engine_dup_stats (engine);
  guint64 value;

  g_assert_true (g_variant_lookup (stats, key, "t", &value));
  return value;
}

/* Tokens are those of the file's matrix however they are drawn, with guesses
 * and without. */
static void
test_tokens (void)
{
  g_autofree char *path = write_model ("screened.gguf");

  for (gsize i = 0; i < N_DRAWS; i++) {
    g_autoptr (GArray) expected = NULL;

    for (guint k = 0; k < 4; k++) {
      const BitnetHead head = k % 2 ? BITNET_HEAD_SCREENED : BITNET_HEAD_FILE;
      g_autoptr (BitnetEngine) engine = open_head (path, head, k / 2 ? -1 : 8);
      g_autoptr (BitnetSequence) sequence = start (engine, i);
      g_autoptr (GArray) got = drain_good (sequence);
      guint64 n_screened = get_stat (engine, "screened-logits");

      if (expected == NULL)
        expected = g_array_ref (got);
      g_assert_cmpuint (got->len, ==, N_TOKENS);
      assert_equal_tokens (got, expected);
      g_assert_cmpint (n_screened > 0, ==,
          head == BITNET_HEAD_SCREENED && draws[i].is_screened);
      g_assert_cmpuint (
          get_stat (engine, "computed-logits"), <=, n_screened / 2);
    }
  }
}

/* Nor does it matter what else is drawn in the same pass. */
static void
test_together (void)
{
  g_autofree char *path = write_model ("together.gguf");
  g_autoptr (GPtrArray) expected =
      g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);

  for (guint k = 0; k < 2; k++) {
    g_autoptr (BitnetEngine) engine =
        open_head (path, k ? BITNET_HEAD_SCREENED : BITNET_HEAD_FILE, 0);
    g_autoptr (GPtrArray) sequences =
        g_ptr_array_new_with_free_func (g_object_unref);

    for (gsize i = 0; i < N_DRAWS; i++)
      g_ptr_array_add (sequences, start (engine, i));
    for (gsize i = 0; i < N_DRAWS; i++) {
      GArray *got = drain_good (sequences->pdata[i]);
      g_ptr_array_add (expected, got);
      if (k)
        assert_equal_tokens (got, expected->pdata[i]);
    }
  }
}

/* Logits of a smaller head are near the file's; those of a screened one are
 * the file's. */
static void
test_logits (void)
{
  static const struct {
    BitnetHead head;
    double error;
  } cases[] = {{BITNET_HEAD_SCREENED, 0}, {BITNET_HEAD_AUTO, 0},
      {BITNET_HEAD_Q8_0, 0.02}, {BITNET_HEAD_Q6_K, 0.05}};
  enum { N = 30 };
  const TinySpec spec = {.arch = "bitnet-b1.58",
      .type = BN_TYPE_I2_S,
      .embd_type = BN_TYPE_BF16,
      .is_tied = TRUE,
      .n_embd = 256,
      .n_vocab = fixture.n_vocab};
  g_autofree char *path = make_path ("heads.gguf");
  g_autofree guint32 *tokens = make_prompt (4, N);
  g_autoptr (GBytes) expected = NULL;

  write_tiny (path, &spec);
  {
    g_autoptr (BitnetEngine) engine = open_head (path, BITNET_HEAD_FILE, 0);
    expected = bitnet_engine_compute_logits (engine, tokens, N, NULL, NULL);
  }
  const float *a = g_bytes_get_data (expected, NULL);
  const gsize n = g_bytes_get_size (expected) / sizeof *a;
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetEngine) engine = open_head (path, cases[i].head, 0);
    g_autoptr (GBytes) got =
        bitnet_engine_compute_logits (engine, tokens, N, NULL, NULL);
    const float *b = g_bytes_get_data (got, NULL);
    double sum = 0, difference = 0;

    for (gsize k = 0; k < n; k++) {
      sum += (double) (a[k] * a[k]);
      difference += (double) ((a[k] - b[k]) * (a[k] - b[k]));
    }
    double error = sqrt (difference / sum);
    g_test_message ("head %u: %g", cases[i].head, error);
    g_assert_cmpfloat (error, <=, cases[i].error);
    if (cases[i].error > 0)
      g_assert_cmpfloat (error, >, 0);
  }
}

/* ---- loading ---- */

typedef struct {
  guint64 done, total;
  GCancellable *cancellable; /* cancelled at the first report */
} Progress;

static void
note_progress (guint64 done, guint64 total, gpointer data)
{
  Progress *progress = data;

  progress->done = done;
  progress->total = total;
  if (progress->cancellable)
    g_cancellable_cancel (progress->cancellable);
}

static gboolean
load_head (BnGguf *gguf, BnHead head, Progress *progress, GError **error)
{
  const BnTransformerOptions options = {.batch_size = 8, .head = head};
  g_autoptr (BnBackend) backend = bn_cpu_backend_new (NULL, 2);
  g_autoptr (BnTransformer) transformer = bn_transformer_new (gguf, backend,
      &options, note_progress, progress, progress->cancellable, error);

  g_assert_cmpint (transformer == NULL, ==, error != NULL && *error != NULL);
  if (transformer != NULL)
    g_assert_cmpint (bn_transformer_get_head (transformer), ==, head);
  return transformer != NULL;
}

/* Copies are made while the file is read, which ends when it is cancelled, and
 * part of the memory that is asked for; what cannot be copied is an error. */
static void
test_load (void)
{
  const TinySpec spec = {.arch = "llama", .n_embd = 256, .n_vocab = N_VOCAB};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  Progress progress = {0};
  guint64 total;

  g_autoptr (BnGguf) gguf = tiny_model_open (model);
  g_assert_true (load_head (gguf, BN_HEAD_FILE, &progress, NULL));
  total = progress.total;
  for (BnHead head = BN_HEAD_Q8_0; head <= BN_HEAD_SCREENED; head++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    Progress cancelled = {.cancellable = cancellable};

    g_assert_true (load_head (gguf, head, &progress, NULL));
    g_assert_cmpuint (progress.done, ==, progress.total);
    g_assert_cmpuint (progress.total, ==, total);
    g_cancellable_cancel (cancellable);
    g_assert_false (load_head (gguf, head, &cancelled, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error (&error);
    g_setenv ("BITNET_MEMORY_LIMIT", "1", TRUE);
    g_assert_false (load_head (gguf, head, &progress, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY);
    g_unsetenv ("BITNET_MEMORY_LIMIT");
  }
}

static void
test_too_large (void)
{
  const TinySpec spec = {.arch = "llama", .n_embd = 256, .n_vocab = N_VOCAB};
  g_autoptr (TinyModel) model = tiny_model_new (&spec);
  Progress progress = {0};

  tiny_model_get_tensor (model, "output.weight")[256 * 77 + 5] = 1e38f;
  g_autoptr (BnGguf) gguf = tiny_model_open (model);
  for (BnHead head = BN_HEAD_FILE; head <= BN_HEAD_SCREENED; head++) {
    g_autoptr (GError) error = NULL;

    if (head == BN_HEAD_FILE || head == BN_HEAD_SCREENED) {
      g_assert_true (load_head (gguf, head, &progress, NULL));
      continue;
    }
    g_assert_false (load_head (gguf, head, &progress, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_UNSUPPORTED_QUANTIZATION);
    g_assert_nonnull (strstr (error->message, "output.weight"));
    g_assert_nonnull (strstr (error->message, "head=file"));
  }
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  engine_fixture_set_up ();
  g_test_add_func ("/head/choices", test_choices);
  g_test_add_func ("/head/bounds", test_bounds);
  g_test_add_func ("/head/screen", test_screen);
  g_test_add_func ("/head/not-finite", test_not_finite);
  g_test_add_func ("/head/tokens", test_tokens);
  g_test_add_func ("/head/together", test_together);
  g_test_add_func ("/head/logits", test_logits);
  g_test_add_func ("/head/load", test_load);
  g_test_add_func ("/head/too-large", test_too_large);
  status = g_test_run ();
  engine_fixture_tear_down ();
  return status;
}
