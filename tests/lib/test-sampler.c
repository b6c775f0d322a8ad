/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sampler chain against sets and probabilities worked out by hand from
 * the definitions in model-graphs 14.2. */
#include <glib.h>
#include <math.h>
#include <string.h>
#include "bitnet-error.h"
#include "bitnet-params.h"
#include "bitnet-private.h"

#define MAX_VOCAB 8
#define TOLERANCE 1e-5

/* A sampler whose settings are these, written as for
 * bitnet_params_load_json(), and everything else off. */
static BnSampler *
make_sampler (
    const char *settings, guint64 seed, guint n_vocab, guint context_size)
{
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autoptr (GError) error = NULL;

  params->temperature = 1;
  params->top_k = 0;
  params->top_p = 1;
  params->min_p = 0;
  bitnet_params_load_json (params, settings, -1, &error);
  g_assert_no_error (error);

  BnSamplerConfig config = bitnet_params_get_sampler_config (params);
  return bn_sampler_new (&config, seed, n_vocab, context_size);
}

/* Token probabilities most cases start from: in order of likelihood the
 * tokens 1, 3, 4, 0, 2 with 0.4, 0.3, 0.15, 0.1, 0.05. */
#define FIVE                                                                   \
  {                                                                            \
    0.10, 0.40, 0.05, 0.30, 0.15                                               \
  }

static const struct {
  const char *name;
  const char *settings;
  double in[MAX_VOCAB];  /* probabilities, ended by 0 */
  double out[MAX_VOCAB]; /* of what is kept, 0 where dropped */
} filters[] = {
    {"off", "{}", FIVE, {0.10, 0.40, 0.05, 0.30, 0.15}},
    {"top-k 2", "{\"top-k\": 2}", FIVE, {0, 4 / 7., 0, 3 / 7., 0}},
    {"top-k 1", "{\"top-k\": 1}", FIVE, {0, 1}},
    {"top-k 1, min-keep 3", "{\"top-k\": 1, \"min-keep\": 3}", FIVE,
        {0, 0.4 / 0.85, 0, 0.3 / 0.85, 0.15 / 0.85}},
    {"top-k 100", "{\"top-k\": 100}", FIVE, {0.10, 0.40, 0.05, 0.30, 0.15}},
    {"top-k tie", "{\"top-k\": 2}", {0.1, 0.3, 0.3, 0.3}, {0, 0.5, 0.5, 0}},
    {"top-p 0.39", "{\"top-p\": 0.39}", FIVE, {0, 1}},
    {"top-p 0.65", "{\"top-p\": 0.65}", FIVE, {0, 4 / 7., 0, 3 / 7., 0}},
    {"top-p 0.75", "{\"top-p\": 0.75}", FIVE,
        {0, 0.4 / 0.85, 0, 0.3 / 0.85, 0.15 / 0.85}},
    {"top-p 0", "{\"top-p\": 0}", FIVE, {0, 1}},
    {"top-p 0.1, min-keep 2", "{\"top-p\": 0.1, \"min-keep\": 2}", FIVE,
        {0, 4 / 7., 0, 3 / 7., 0}},
    {"top-p after top-k counts what top-k left",
        "{\"top-k\": 2, \"top-p\": 0.5}", FIVE, {0, 1}},
    {"min-p 0.3", "{\"min-p\": 0.3}", FIVE,
        {0, 0.4 / 0.85, 0, 0.3 / 0.85, 0.15 / 0.85}},
    {"min-p 1", "{\"min-p\": 1}", FIVE, {0, 1}},
    {"min-p 0.9, min-keep 2", "{\"min-p\": 0.9, \"min-keep\": 2}", FIVE,
        {0, 4 / 7., 0, 3 / 7., 0}},
    /* H = 1.3923; distance of -ln p from it: token 3 0.188, 1 0.476, 4 0.505,
     * 0 0.910, 2 1.603 */
    {"typical 0.2", "{\"typical-p\": 0.2}", FIVE, {0, 0, 0, 1, 0}},
    {"typical 0.5", "{\"typical-p\": 0.5}", FIVE, {0, 4 / 7., 0, 3 / 7., 0}},
    {"typical 0.8", "{\"typical-p\": 0.8}", FIVE,
        {0, 0.4 / 0.85, 0, 0.3 / 0.85, 0.15 / 0.85}},
    {"typical 0.2, min-keep 2", "{\"typical-p\": 0.2, \"min-keep\": 2}", FIVE,
        {0, 4 / 7., 0, 3 / 7., 0}},
    {"top-p after typical sorts again", "{\"typical-p\": 0.5, \"top-p\": 0.5}",
        FIVE, {0, 1}},
    {"xtc 0.2", "{\"xtc-probability\": 1, \"xtc-threshold\": 0.2}", FIVE,
        {0.1 / 0.6, 0, 0.05 / 0.6, 0.3 / 0.6, 0.15 / 0.6}},
    {"xtc 0.12", "{\"xtc-probability\": 1, \"xtc-threshold\": 0.12}", FIVE,
        {0.1 / 0.3, 0, 0.05 / 0.3, 0, 0.15 / 0.3}},
    {"xtc with one top choice",
        "{\"xtc-probability\": 1, \"xtc-threshold\": 0.35}", FIVE,
        {0.10, 0.40, 0.05, 0.30, 0.15}},
    {"xtc above one half", "{\"xtc-probability\": 1, \"xtc-threshold\": 0.51}",
        {0.4, 0.6}, {0.4, 0.6}},
    {"xtc keeps min-keep",
        "{\"xtc-probability\": 1, \"xtc-threshold\": 0.12, \"min-keep\": 4}",
        FIVE, {0.10, 0.40, 0.05, 0.30, 0.15}},
    {"temperature 0.5", "{\"temperature\": 0.5}", FIVE,
        {0.0100 / 0.285, 0.16 / 0.285, 0.0025 / 0.285, 0.09 / 0.285,
            0.0225 / 0.285}},
    {"temperature 1e-6", "{\"temperature\": 1e-6}", FIVE, {0, 1}},
    {"temperature comes last", "{\"temperature\": 0.5, \"top-p\": 0.65}", FIVE,
        {0, 0.64, 0, 0.36, 0}},
    /* H / ln 2 = 0.721928: T = 0.5 + 0.721928, squared 1.021180 */
    {"dynamic temperature", "{\"dynatemp-range\": 0.5}", {0.8, 0.2},
        {0.756671, 0.243329}},
    {"dynamic temperature, exponent 2",
        "{\"dynatemp-range\": 0.5, \"dynatemp-exponent\": 2}", {0.8, 0.2},
        {0.795360, 0.204640}},
    {"dynamic temperature of equal tokens",
        "{\"dynatemp-range\": 0.5, \"top-k\": 2}", {0.4, 0.4, 0.2}, {0.5, 0.5}},
    {"greedy", "{\"temperature\": 0}", FIVE, {0, 1}},
    {"greedy tie", "{\"temperature\": 0}", {0.2, 0.4, 0.4}, {0, 1, 0}},
    {"greedy is not filtered",
        "{\"temperature\": 0, \"xtc-probability\": 1, \"xtc-threshold\": 0.2}",
        FIVE, {0, 1}},
    /* mu = 2 tau: what has p >= 2^-mu */
    {"mirostat 2, tau 1", "{\"mirostat\": 2, \"mirostat-tau\": 1}", FIVE,
        {0, 4 / 7., 0, 3 / 7., 0}},
    {"mirostat 2, tau 0.1", "{\"mirostat\": 2, \"mirostat-tau\": 0.1}", FIVE,
        {0, 1}},
    {"mirostat 2 replaces the filters",
        "{\"mirostat\": 2, \"mirostat-tau\": 5, \"top-k\": 1, \"top-p\": 0.1}",
        FIVE, {0.10, 0.40, 0.05, 0.30, 0.15}},
    /* p_i ~ 1 / i^2: s = 2, k = sqrt (2^2 / (1 - 1 / 5)) = 2.2 */
    {"mirostat 1, tau 1", "{\"mirostat\": 1, \"mirostat-tau\": 1}",
        {1., 1 / 4., 1 / 9., 1 / 16., 1 / 25.}, {0.8, 0.2}},
};

static guint
to_logits (const double *p, float *logits)
{
  guint n = 0;

  for (; n < MAX_VOCAB && p[n] > 0; n++)
    logits[n] = (float) log (p[n]);
  return n;
}

/* Probability of each token after the chain; 0 where dropped. */
static void
run_filter (BnSampler *sampler, BnSamplerScratch *scratch, const float *logits,
    guint n_vocab, double *p)
{
  g_autoptr (GError) error = NULL;
  const BnCandidate *kept;
  size_t n_kept;

  bn_sampler_filter (sampler, scratch, logits, &kept, &n_kept, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n_kept, >=, 1);
  memset (p, 0, n_vocab * sizeof *p);
  for (size_t i = 0; i < n_kept; i++) {
    g_assert_cmpuint (kept[i].token, <, n_vocab);
    g_assert_cmpfloat (p[kept[i].token], ==, 0);
    p[kept[i].token] = kept[i].p;
  }
}

static void
test_filters (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (filters); i++) {
    float logits[MAX_VOCAB];
    double p[MAX_VOCAB];
    guint n_vocab = to_logits (filters[i].in, logits);
    g_autoptr (BnSamplerScratch) scratch = bn_sampler_scratch_new (n_vocab);
    g_autoptr (BnSampler) sampler =
        make_sampler (filters[i].settings, 1, n_vocab, 64);

    run_filter (sampler, scratch, logits, n_vocab, p);
    for (guint t = 0; t < n_vocab; t++) {
      if ((p[t] > 0) != (filters[i].out[t] > 0)
          || fabs (p[t] - filters[i].out[t]) > TOLERANCE)
        g_error ("%s: token %u has %g, expected %g", filters[i].name, t, p[t],
            filters[i].out[t]);
    }
  }
}

/* Logits after bias and penalties: temperature 1 leaves them as they are. */
static const struct {
  const char *name;
  const char *settings;
  guint32 accepted[4];
  guint n_accepted;
  float out[4];
} penalties[] = {
    {"none", "{}", {0, 0, 1}, 3, {2, -1, 0.5f, 1}},
    {"repeat 2", "{\"penalty-repeat\": 2}", {0, 0, 1}, 3, {1, -2, 0.5f, 1}},
    {"frequency", "{\"penalty-freq\": 0.25}", {0, 0, 1}, 3,
        {1.5f, -1.25f, 0.5f, 1}},
    {"presence", "{\"penalty-present\": 0.5}", {0, 0, 1}, 3,
        {1.5f, -1.5f, 0.5f, 1}},
    {"all",
        "{\"penalty-repeat\": 2, \"penalty-freq\": 0.25, \"penalty-present\": "
        "0.5}",
        {0, 0, 1}, 3, {0, -2.75f, 0.5f, 1}},
    {"window 2", "{\"penalty-freq\": 1, \"penalty-last-n\": 2}", {0, 0, 1}, 3,
        {1, -2, 0.5f, 1}},
    {"window 1", "{\"penalty-freq\": 1, \"penalty-last-n\": 1}", {0, 1, 0}, 3,
        {1, -1, 0.5f, 1}},
    {"window off", "{\"penalty-freq\": 1, \"penalty-last-n\": 0}", {0, 0, 1}, 3,
        {2, -1, 0.5f, 1}},
    {"window of the context (3)",
        "{\"penalty-freq\": 1, \"penalty-last-n\": -1}", {2, 0, 0, 3}, 4,
        {0, -1, 0.5f, 0}},
    {"not a token", "{\"penalty-freq\": 1}", {99, G_MAXUINT32}, 2,
        {2, -1, 0.5f, 1}},
};

static void
test_penalties (void)
{
  static const float logits[] = {2, -1, 0.5f, 1};
  const guint n_vocab = G_N_ELEMENTS (logits);
  g_autoptr (BnSamplerScratch) scratch = bn_sampler_scratch_new (n_vocab);

  for (gsize i = 0; i < G_N_ELEMENTS (penalties); i++) {
    g_autoptr (BnSampler) sampler =
        make_sampler (penalties[i].settings, 1, n_vocab, 3);
    g_autoptr (GError) error = NULL;
    const BnCandidate *kept;
    size_t n_kept;

    for (guint t = 0; t < penalties[i].n_accepted; t++)
      bn_sampler_accept (sampler, penalties[i].accepted[t]);
    bn_sampler_filter (sampler, scratch, logits, &kept, &n_kept, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (n_kept, ==, n_vocab);
    for (guint t = 0; t < n_vocab; t++) {
      if (kept[t].logit != penalties[i].out[kept[t].token])
        g_error ("%s: token %u has logit %g, expected %g", penalties[i].name,
            kept[t].token, kept[t].logit, penalties[i].out[kept[t].token]);
    }
  }
}

static void
test_bias (void)
{
  const double in[MAX_VOCAB] = FIVE;
  const double sum = 0.10 + 0.40 + 0.40 + 0.15;
  float logits[MAX_VOCAB];
  double p[MAX_VOCAB];
  guint n_vocab = to_logits (in, logits);
  g_autoptr (BnSamplerScratch) scratch = bn_sampler_scratch_new (n_vocab);
  g_autoptr (BnSampler) sampler = make_sampler (
      "{\"logit-bias\": {\"2\": 2.0794415, \"3\": false, \"99\": 5}}", 1,
      n_vocab, 64);

  run_filter (sampler, scratch, logits, n_vocab, p);
  g_assert_cmpfloat_with_epsilon (p[2], 0.4 / sum, TOLERANCE);
  g_assert_cmpfloat_with_epsilon (p[1], 0.4 / sum, TOLERANCE);
  g_assert_cmpfloat (p[3], ==, 0);
}

/* Each draw moves mu by eta (surprise - tau). */
static void
test_mirostat_update (void)
{
  const double in[MAX_VOCAB] = FIVE;
  float logits[MAX_VOCAB];
  double p[MAX_VOCAB];
  guint n_vocab = to_logits (in, logits);
  g_autoptr (BnSamplerScratch) scratch = bn_sampler_scratch_new (n_vocab);
  g_autoptr (BnSampler) sampler = make_sampler (
      "{\"mirostat\": 2, \"mirostat-tau\": 0.6, \"mirostat-eta\": 1}", 1,
      n_vocab, 64);
  g_autoptr (GError) error = NULL;
  guint32 token;

  /* mu = 1.2 keeps only token 1, whose surprise is then 0: mu = 1.8 */
  bn_sampler_sample (sampler, scratch, logits, &token, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (token, ==, 1);
  run_filter (sampler, scratch, logits, n_vocab, p);
  g_assert_cmpfloat_with_epsilon (p[1], 4 / 7., TOLERANCE);
  g_assert_cmpfloat_with_epsilon (p[3], 3 / 7., TOLERANCE);
}

static void
test_distribution (void)
{
  enum { N_DRAWS = 100000 };
  const double in[MAX_VOCAB] = FIVE;
  float logits[MAX_VOCAB];
  guint counts[MAX_VOCAB] = {0};
  guint n_vocab = to_logits (in, logits);
  g_autoptr (BnSamplerScratch) scratch = bn_sampler_scratch_new (n_vocab);
  g_autoptr (BnSampler) sampler = make_sampler ("{}", 42, n_vocab, 64);

  for (int i = 0; i < N_DRAWS; i++) {
    guint32 token;
    g_assert_true (bn_sampler_sample (sampler, scratch, logits, &token, NULL));
    counts[token]++;
  }
  /* Chi-square with 4 degrees of freedom; 18.5 is exceeded once in 1000. */
  double chi = 0;
  for (guint t = 0; t < n_vocab; t++) {
    double expected = in[t] * N_DRAWS;
    chi += (counts[t] - expected) * (counts[t] - expected) / expected;
  }
  g_assert_cmpfloat (chi, <, 18.5);
}

/* XTC acts on about xtc_probability of the draws. */
static void
test_xtc_probability (void)
{
  const double in[MAX_VOCAB] = FIVE;
  float logits[MAX_VOCAB];
  double p[MAX_VOCAB];
  guint n_acted = 0;
  guint n_vocab = to_logits (in, logits);
  g_autoptr (BnSamplerScratch) scratch = bn_sampler_scratch_new (n_vocab);
  g_autoptr (BnSampler) sampler = make_sampler (
      "{\"xtc-probability\": 0.25, \"xtc-threshold\": 0.2}", 7, n_vocab, 64);

  for (int i = 0; i < 10000; i++) {
    run_filter (sampler, scratch, logits, n_vocab, p);
    n_acted += p[1] == 0;
  }
  g_assert_cmpuint (n_acted, >, 2350);
  g_assert_cmpuint (n_acted, <, 2650);
}

static int
compare_floats (gconstpointer a, gconstpointer b)
{
  float x = *(const float *) a, y = *(const float *) b;

  return x < y ? 1 : x > y ? -1 : 0;
}

/* -infinity in place of every logit that is not needed. */
static void
drop_needless (const float *in, float *out, guint n, const BnLogitNeed *need)
{
  g_autofree guint8 *marks = g_new0 (guint8, n);
  g_autofree float *rest = g_new (float, n);
  guint n_rest = 0;

  for (guint i = 0; i < need->n_tokens; i++)
    marks[need->tokens[i]] = 1;
  for (guint i = 0; i < n; i++) {
    if (!marks[i])
      rest[n_rest++] = in[i];
  }
  qsort (rest, n_rest, sizeof *rest, compare_floats);
  for (guint i = 0; i < n; i++) {
    gboolean is_needed =
        marks[i] || need->n_best == 0
        || ((need->n_best > n_rest || in[i] >= rest[need->n_best - 1])
            && in[i] >= rest[0] - need->span);
    out[i] = is_needed ? in[i] : -INFINITY;
  }
}

/* What is not needed changes no draw, and no random number. */
static void
test_need (void)
{
  static const struct {
    const char *settings;
    gboolean is_partial;
  } cases[] = {
      {"{\"temperature\": 0}", TRUE},
      {"{\"temperature\": 0, \"penalty-repeat\": 3}", TRUE},
      {"{\"temperature\": 0, \"dynatemp-range\": 0.5}", FALSE},
      {"{\"top-k\": 7}", TRUE},
      {"{\"top-k\": 7, \"min-keep\": 12, \"min-p\": 0.2}", TRUE},
      {"{\"top-k\": 20, \"typical-p\": 0.5, \"min-p\": 0.2}", TRUE},
      {"{\"top-k\": 20, \"top-p\": 0.8, \"xtc-probability\": 0.5}", TRUE},
      {"{\"top-k\": 20, \"min-p\": 0.2, \"xtc-probability\": 0.5}", TRUE},
      {"{\"top-k\": 0, \"min-p\": 0.1}", TRUE},
      {"{\"top-k\": 0, \"min-p\": 1}", TRUE},
      {"{\"top-k\": 0, \"min-p\": 0.3, \"min-keep\": 4}", FALSE},
      {"{\"top-k\": 0, \"top-p\": 0.9, \"min-p\": 0.1}", FALSE},
      {"{\"mirostat\": 2}", FALSE},
      {"{\"top-k\": 9, \"penalty-repeat\": 1.5, \"penalty-freq\": 0.4}", TRUE},
      {"{\"top-k\": 0, \"min-p\": 0.2, \"penalty-present\": 2}", TRUE},
      {"{\"top-k\": 5, \"logit-bias\": {\"2\": 6, \"3\": false, \"50\": -4}}",
          TRUE},
  };
  enum { N_VOCAB = 200, N_DRAWS = 150 };
  g_autoptr (BnSamplerScratch) scratch = bn_sampler_scratch_new (N_VOCAB);
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BnSampler) a = make_sampler (cases[i].settings, 5, N_VOCAB, 64);
    g_autoptr (BnSampler) b = make_sampler (cases[i].settings, 5, N_VOCAB, 64);

    for (guint n = 0; n < N_DRAWS; n++) {
      float full[N_VOCAB], partial[N_VOCAB];
      BnLogitNeed need;
      guint32 token, same;

      for (guint t = 0; t < N_VOCAB; t++) /* with ties */
        full[t] = (float) g_rand_int_range (rand, -40, 40) / 8;
      bn_sampler_get_need (b, NULL, 0, &need);
      g_assert_cmpint (need.n_best > 0, ==, cases[i].is_partial);
      drop_needless (full, partial, N_VOCAB, &need);
      g_assert_true (bn_sampler_sample (a, scratch, full, &token, NULL));
      g_assert_true (bn_sampler_sample (b, scratch, partial, &same, NULL));
      if (token != same)
        g_error ("%s: %u, expected %u", cases[i].settings, same, token);
      bn_sampler_accept (a, token);
      bn_sampler_accept (b, token);
    }
  }
}

static void
test_seed (void)
{
  static const char settings[] = "{\"temperature\": 1.5, \"top-k\": 4}";
  const double in[MAX_VOCAB] = FIVE;
  float logits[MAX_VOCAB];
  guint n_vocab = to_logits (in, logits);
  g_autoptr (BnSamplerScratch) scratch = bn_sampler_scratch_new (n_vocab);
  g_autoptr (BnSampler) a = make_sampler (settings, 42, n_vocab, 64);
  g_autoptr (BnSampler) b = make_sampler (settings, 42, n_vocab, 64);
  g_autoptr (BnSampler) c = make_sampler (settings, 43, n_vocab, 64);
  guint n_different = 0;

  for (int i = 0; i < 1000; i++) {
    guint32 x, y, z;
    g_assert_true (bn_sampler_sample (a, scratch, logits, &x, NULL));
    g_assert_true (bn_sampler_sample (b, scratch, logits, &y, NULL));
    g_assert_true (bn_sampler_sample (c, scratch, logits, &z, NULL));
    g_assert_cmpuint (x, ==, y);
    n_different += x != z;
  }
  g_assert_cmpuint (n_different, >, 500);
}

/* Test vectors of the authors' programs. */
static void
test_random (void)
{
  static const guint64 splitmix[] = {G_GUINT64_CONSTANT (6457827717110365317),
      G_GUINT64_CONSTANT (3203168211198807973),
      G_GUINT64_CONSTANT (9817491932198370423),
      G_GUINT64_CONSTANT (4593380528125082431)};
  static const guint64 xoshiro[] = {11520, 0, 1509978240,
      G_GUINT64_CONSTANT (1215971899390074240),
      G_GUINT64_CONSTANT (1216172134540287360),
      G_GUINT64_CONSTANT (607988272756665600)};
  BnRandom random;

  bn_random_init (&random, 1234567);
  for (guint i = 0; i < G_N_ELEMENTS (splitmix); i++)
    g_assert_cmpuint (random.s[i], ==, splitmix[i]);
  random = (BnRandom){{1, 2, 3, 4}};
  for (guint i = 0; i < G_N_ELEMENTS (xoshiro); i++)
    g_assert_cmpuint (bn_random_next (&random), ==, xoshiro[i]);
  for (guint i = 0; i < 1000; i++) {
    double u = bn_random_uniform (&random);
    g_assert_true (u >= 0 && u < 1);
  }
}

static void
test_bad_logits (void)
{
  static const struct {
    float logits[3];
    const char *message;
  } cases[] = {
      {{0, NAN, 1}, "*token 1 is NaN*"},
      {{0, 1, INFINITY}, "*token 2 is infinite*"},
      {{-INFINITY, -INFINITY, -INFINITY}, "*all 3 logits*"},
  };
  static const char *const settings[] = {
      "{\"temperature\": 0}", "{\"top-k\": 2}", "{\"mirostat\": 2}"};
  g_autoptr (BnSamplerScratch) scratch = bn_sampler_scratch_new (3);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    for (gsize t = 0; t < G_N_ELEMENTS (settings); t++) {
      g_autoptr (BnSampler) sampler = make_sampler (settings[t], 1, 3, 64);
      g_autoptr (GError) error = NULL;
      guint32 token;

      g_assert_false (bn_sampler_sample (
          sampler, scratch, cases[i].logits, &token, &error));
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC);
      g_assert_true (g_pattern_match_simple (cases[i].message, error->message));
    }
  }
}

/* A vocabulary of real size against the definitions carried out plainly: sort
 * everything, cut. */
static int
compare_descending (const void *a, const void *b)
{
  float x = *(const float *) a;
  float y = *(const float *) b;

  return x < y ? 1 : x > y ? -1 : 0;
}

static void
test_large (void)
{
  enum { N_VOCAB = 20000 };
  static const struct {
    guint top_k;
    double top_p;
  } cases[] = {{0, 0.1}, {0, 0.5}, {0, 0.9}, {0, 0.9999}, {1000, 1}, {19999, 1},
      {40, 0.95}, {5000, 0.8}};
  g_autofree float *logits = g_new (float, N_VOCAB);
  g_autofree float *sorted = g_new (float, N_VOCAB);
  g_autoptr (BnSamplerScratch) scratch = bn_sampler_scratch_new (N_VOCAB);
  BnRandom random;

  bn_random_init (&random, 5);
  for (int i = 0; i < N_VOCAB; i++)
    logits[i] = (float) (8 * bn_random_uniform (&random));
  memcpy (sorted, logits, N_VOCAB * sizeof *sorted);
  qsort (sorted, N_VOCAB, sizeof *sorted, compare_descending);

  for (gsize c = 0; c < G_N_ELEMENTS (cases); c++) {
    g_autofree char *settings = g_strdup_printf (
        "{\"top-k\": %u, \"top-p\": %g}", cases[c].top_k, cases[c].top_p);
    g_autoptr (BnSampler) sampler = make_sampler (settings, 1, N_VOCAB, 64);
    const BnCandidate *kept;
    size_t n_kept;
    size_t n = cases[c].top_k ? cases[c].top_k : N_VOCAB;
    size_t n_expected = 0;
    double sum = 0, cumulative = 0;

    for (size_t i = 0; i < n; i++)
      sum += exp (sorted[i] - sorted[0]);
    while (n_expected < n && cumulative < cases[c].top_p)
      cumulative += exp (sorted[n_expected++] - sorted[0]) / sum;
    g_assert_true (
        bn_sampler_filter (sampler, scratch, logits, &kept, &n_kept, NULL));
    /* The sums are of floats here and of doubles there. */
    g_assert_cmpfloat_with_epsilon (
        (double) n_kept, (double) n_expected, 1 + n_expected * 1e-4);
    for (size_t i = 0; i < n_kept; i++) {
      g_assert_cmpfloat (kept[i].logit, ==, sorted[i]);
      g_assert_cmpfloat (kept[i].logit, ==, logits[kept[i].token]);
    }
  }
}

/* Of equal tokens the lowest come first, however they were sorted. */
static void
test_ties (void)
{
  static const guint sizes[] = {20, 64, 65, 200, 3000};

  for (gsize k = 0; k < G_N_ELEMENTS (sizes); k++) {
    guint n_vocab = sizes[k];
    g_autofree float *logits = g_new0 (float, n_vocab);
    g_autofree char *settings =
        g_strdup_printf ("{\"top-p\": %g}", 9.5 / n_vocab);
    g_autoptr (BnSamplerScratch) scratch = bn_sampler_scratch_new (n_vocab);
    g_autoptr (BnSampler) sampler = make_sampler (settings, 1, n_vocab, 64);
    const BnCandidate *kept;
    size_t n_kept;

    g_assert_true (
        bn_sampler_filter (sampler, scratch, logits, &kept, &n_kept, NULL));
    g_assert_cmpuint (n_kept, ==, 10);
    for (guint i = 0; i < n_kept; i++)
      g_assert_cmpuint (kept[i].token, ==, i);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sampler/filters", test_filters);
  g_test_add_func ("/sampler/penalties", test_penalties);
  g_test_add_func ("/sampler/bias", test_bias);
  g_test_add_func ("/sampler/mirostat-update", test_mirostat_update);
  g_test_add_func ("/sampler/distribution", test_distribution);
  g_test_add_func ("/sampler/xtc-probability", test_xtc_probability);
  g_test_add_func ("/sampler/C50/seed", test_seed);
  g_test_add_func ("/sampler/random", test_random);
  g_test_add_func ("/sampler/bad-logits", test_bad_logits);
  g_test_add_func ("/sampler/large", test_large);
  g_test_add_func ("/sampler/ties", test_ties);
  g_test_add_func ("/sampler/need", test_need);
  return g_test_run ();
}
