/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sampler chain (model-graphs section 14).
 *
 *     logits ─ bias ─ penalties ─┬─ greedy ──────────────────────────── argmax
 *                                ├─ top-k ─ typical ─ top-p ─ min-p ─
 *                                │  XTC ─ temperature ────────────────── draw
 *            (no penalties) ─────└─ temperature ─ mirostat ───────────── draw
 *
 * A vocabulary has 10^5 tokens and most filters keep a few dozen, so the list
 * of candidates is never sorted as a whole: order_top() brings the best k to
 * the front, and a filter that does not know how many it needs asks for more
 * in growing steps. Candidates compare by logit, then by token, which makes
 * every order, and with it every draw, unique.
 *
 * Probabilities are floats, their sums doubles, added from the front. */
#include "bn-sampler.h"

#include <math.h>
#include <string.h>

#include "bitnet-error.h"

/* First step of filters that look for a prefix; grows by FIRST_STEP_GROWTH. */
#define FIRST_STEP 128
#define STEP_GROWTH 8

/* Candidates from which mirostat 1 estimates the Zipf exponent. */
#define MIROSTAT_CANDIDATES 100

/* Where a token stands in the penalty window. */
typedef struct {
  uint32_t count; /* occurrences in the window */
  uint32_t place; /* index in distinct[], valid while count > 0 */
} Occurrence;

struct BnSampler {
  BnSamplerConfig config;
  BnLogitBias *biases;
  uint32_t n_vocab;
  BnRandom random;
  double mirostat_mu;

  /* The penalty window; all NULL when no penalty is on. */
  uint32_t window_size;
  uint32_t n_window;
  uint32_t window_next;
  uint32_t *window;   /* ring of tokens */
  uint32_t *distinct; /* the tokens in it, each once */
  uint32_t n_distinct;
  Occurrence *occurrences; /* by token */
};

struct BnSamplerScratch {
  uint32_t n_vocab;
  float *logits;
  BnCandidate *candidates;
};

/* The candidates while the chain runs. */
typedef struct {
  BnCandidate *c;
  size_t n;
  size_t n_ordered; /* so many at the front are in order, best first */
} List;

/* ---- random numbers ---- */

static uint64_t
rotate_left (uint64_t x, int k)
{
  return (x << k) | (x >> (64 - k));
}

void
bn_random_init (BnRandom *self, uint64_t seed)
{
  for (int i = 0; i < 4; i++) {
    seed += UINT64_C (0x9e3779b97f4a7c15);
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * UINT64_C (0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C (0x94d049bb133111eb);
    self->s[i] = z ^ (z >> 31);
  }
}

uint64_t
bn_random_next (BnRandom *self)
{
  uint64_t *s = self->s;
  uint64_t result = rotate_left (s[1] * 5, 7) * 9;
  uint64_t t = s[1] << 17;

  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate_left (s[3], 45);
  return result;
}

double
bn_random_uniform (BnRandom *self)
{
  return (double) (bn_random_next (self) >> 11) * 0x1p-53;
}

/* ---- order ---- */

static gboolean
is_better (const BnCandidate *a, const BnCandidate *b)
{
  return a->logit > b->logit || (a->logit == b->logit && a->token < b->token);
}

static void
swap (BnCandidate *a, BnCandidate *b)
{
  BnCandidate t = *a;
  *a = *b;
  *b = t;
}

/* Restores the heap c[0..n) with the worst at the root, below i. */
static void
sift_down (BnCandidate *c, size_t i, size_t n)
{
  for (;;) {
    size_t worst = i;
    size_t left = 2 * i + 1;
    size_t right = left + 1;

    if (left < n && is_better (&c[worst], &c[left]))
      worst = left;
    if (right < n && is_better (&c[worst], &c[right]))
      worst = right;
    if (worst == i)
      return;
    swap (&c[i], &c[worst]);
    i = worst;
  }
}

/* Brings the best k to the front, in order. A heap of the best so far with
 * the worst of them at its root: nearly every candidate fails the one
 * comparison with it, so the cost is that of reading the list once. */
static void
order_top (List *list, size_t k)
{
  BnCandidate *c = list->c;

  k = MIN (k, list->n);
  if (k <= list->n_ordered)
    return;
  for (size_t i = k / 2; i-- > 0;)
    sift_down (c, i, k);
  for (size_t i = k; i < list->n; i++) {
    if (is_better (&c[i], &c[0])) {
      swap (&c[i], &c[0]);
      sift_down (c, 0, k);
    }
  }
  for (size_t end = k; end-- > 1;) {
    swap (&c[0], &c[end]);
    sift_down (c, 0, end);
  }
  list->n_ordered = k;
}

static void
keep_front (List *list, size_t n)
{
  list->n = n;
  list->n_ordered = MIN (list->n_ordered, n);
}

static size_t
at_least_one (uint32_t min_keep)
{
  return MAX (min_keep, 1);
}

/* ---- probabilities ---- */

static float
max_logit (const List *list)
{
  float max = list->c[0].logit;

  if (list->n_ordered > 0)
    return max;
  for (size_t i = 1; i < list->n; i++)
    max = MAX (max, list->c[i].logit);
  return max;
}

/* Fills p. The largest logit is subtracted first, so that the sum is between
 * 1 and n whatever the temperature was. */
static void
softmax (List *list)
{
  float max = max_logit (list);
  double sum = 0;

  for (size_t i = 0; i < list->n; i++) {
    list->c[i].p = expf (list->c[i].logit - max);
    sum += list->c[i].p;
  }
  for (size_t i = 0; i < list->n; i++)
    list->c[i].p = (float) (list->c[i].p / sum);
}

/* -sum p ln p, in nats; p must be valid. */
static double
entropy (const List *list)
{
  double h = 0;

  for (size_t i = 0; i < list->n; i++) {
    if (list->c[i].p > 0)
      h -= list->c[i].p * log (list->c[i].p);
  }
  return h;
}

/* ---- filters ---- */

static void
filter_top_k (List *list, const BnSamplerConfig *config)
{
  size_t k = MAX (config->top_k, config->min_keep);

  if (config->top_k == 0 || k >= list->n)
    return;
  order_top (list, k);
  keep_front (list, k);
}

static int
compare_deviation (const void *a, const void *b)
{
  const BnCandidate *x = a;
  const BnCandidate *y = b;

  if (x->logit != y->logit)
    return x->logit < y->logit ? -1 : 1;
  return x->token < y->token ? -1 : x->token > y->token;
}

/* Locally typical sampling: those whose surprise is nearest to the entropy.
 * Sorts by the deviation, which for the while takes the place of the logit;
 * the logit comes back as ln p, equal up to a constant. */
static void
filter_typical (List *list, const BnSamplerConfig *config)
{
  size_t min_keep = at_least_one (config->min_keep);
  double cumulative = 0;
  size_t n = list->n;

  if (config->typical_p >= 1)
    return;
  softmax (list);
  double h = entropy (list);
  for (size_t i = 0; i < list->n; i++) {
    float p = list->c[i].p;
    list->c[i].logit = p > 0 ? (float) fabs (-log (p) - h) : INFINITY;
  }
  qsort (list->c, list->n, sizeof *list->c, compare_deviation);
  for (size_t i = 0; i < list->n; i++) {
    cumulative += list->c[i].p;
    if (cumulative > config->typical_p && i + 1 >= min_keep) {
      n = i + 1;
      break;
    }
  }
  for (size_t i = 0; i < n; i++)
    list->c[i].logit = logf (list->c[i].p);
  list->n_ordered = 0;
  list->n = n;
}

static void
filter_top_p (List *list, const BnSamplerConfig *config)
{
  size_t min_keep = at_least_one (config->min_keep);
  double cumulative = 0;

  if (config->top_p >= 1)
    return;
  softmax (list);
  for (size_t i = 0; i < list->n; i++) {
    if (i == list->n_ordered)
      order_top (list, i == 0 ? FIRST_STEP : i * STEP_GROWTH);
    cumulative += list->c[i].p;
    if (cumulative >= config->top_p && i + 1 >= min_keep) {
      keep_front (list, i + 1);
      return;
    }
  }
}

static void
filter_min_p (List *list, const BnSamplerConfig *config)
{
  size_t min_keep = MIN (at_least_one (config->min_keep), list->n);
  size_t n_kept = 0;

  if (config->min_p <= 0)
    return;
  float threshold = max_logit (list) + (float) log (config->min_p);
  order_top (list, min_keep);
  for (size_t i = 0; i < list->n; i++) {
    if (i < min_keep || list->c[i].logit >= threshold)
      list->c[n_kept++] = list->c[i];
  }
  keep_front (list, n_kept);
}

/* Exclude top choices: of those at or above the threshold only the least
 * likely stays. One random number whenever the filter is on, so that the
 * stream of numbers does not depend on the logits. */
static void
filter_xtc (BnSampler *self, List *list)
{
  const BnSamplerConfig *config = &self->config;
  size_t n_top = 0;

  if (config->xtc_probability <= 0 || config->xtc_threshold > 0.5)
    return;
  if (bn_random_uniform (&self->random) >= config->xtc_probability)
    return;
  softmax (list);
  /* At most 1 / threshold of them; a tiny threshold orders everything. */
  while (n_top < list->n) {
    if (n_top == list->n_ordered)
      order_top (list, n_top == 0 ? FIRST_STEP : n_top * STEP_GROWTH);
    if (list->c[n_top].p < config->xtc_threshold)
      break;
    n_top++;
  }
  if (n_top < 2 || list->n - (n_top - 1) < at_least_one (config->min_keep))
    return;
  list->n -= n_top - 1;
  list->n_ordered -= n_top - 1;
  memmove (list->c, list->c + n_top - 1, list->n * sizeof *list->c);
}

/* Divides by t; t <= 0 keeps only the best. */
static void
apply_temperature (List *list, double t)
{
  if (t <= 0) {
    order_top (list, 1);
    keep_front (list, 1);
    return;
  }
  if (t == 1)
    return;
  /* A tiny t would overflow: the difference to the best is divided. */
  float max = max_logit (list);
  for (size_t i = 0; i < list->n; i++)
    list->c[i].logit = (float) ((list->c[i].logit - max) / t);
}

static void
filter_temperature (List *list, const BnSamplerConfig *config)
{
  double t = config->temperature;

  if (config->dynatemp_range > 0 && list->n > 1) {
    double low = MAX (0, t - config->dynatemp_range);
    double high = t + config->dynatemp_range;

    softmax (list);
    double share = entropy (list) / log ((double) list->n);
    share = CLAMP (share, 0, 1);
    t = low + (high - low) * pow (share, config->dynatemp_exponent);
  }
  apply_temperature (list, t);
}

/* ---- mirostat ---- */

/* Version 1: estimates the exponent s of Zipf's law from the likeliest, and
 * from it the k at which the expected surprise is mu. */
static void
filter_mirostat_1 (BnSampler *self, List *list)
{
  double sum_tb = 0;
  double sum_tt = 0;

  softmax (list);
  order_top (list, MIROSTAT_CANDIDATES);
  for (size_t i = 0; i + 1 < list->n_ordered && i + 1 < MIROSTAT_CANDIDATES;
       i++) {
    double t = log ((i + 2.0) / (i + 1.0));
    double b = log ((double) list->c[i].p / list->c[i + 1].p);

    if (!isfinite (b))
      break;
    sum_tb += t * b;
    sum_tt += t * t;
  }
  double s = sum_tt > 0 ? sum_tb / sum_tt : 1;
  double epsilon = s - 1;
  double k = pow ((epsilon * pow (2, self->mirostat_mu))
                      / (1 - pow (self->n_vocab, -epsilon)),
      1 / s);

  if (!(k < (double) list->n))
    return; /* also where k is not a number: keep all */
  size_t n_kept = k < 1 ? 1 : (size_t) k;
  order_top (list, n_kept);
  keep_front (list, n_kept);
}

/* Version 2: drops what is more surprising than mu. */
static void
filter_mirostat_2 (BnSampler *self, List *list)
{
  double least_p = pow (2, -self->mirostat_mu);
  size_t n_kept = 0;

  softmax (list);
  order_top (list, 1);
  for (size_t i = 0; i < list->n; i++) {
    if (i == 0 || list->c[i].p >= least_p)
      list->c[n_kept++] = list->c[i];
  }
  keep_front (list, n_kept);
}

/* ---- bias, penalties, guards ---- */

static void
apply_biases (const BnSampler *self, float *logits)
{
  for (size_t i = 0; i < self->config.n_biases; i++) {
    if (self->biases[i].token < self->n_vocab)
      logits[self->biases[i].token] += self->biases[i].bias;
  }
}

static void
apply_penalties (const BnSampler *self, float *logits)
{
  const BnSamplerConfig *config = &self->config;

  for (uint32_t i = 0; i < self->n_distinct; i++) {
    uint32_t token = self->distinct[i];
    double l = logits[token];

    l = l <= 0 ? l * config->penalty_repeat : l / config->penalty_repeat;
    l -= self->occurrences[token].count * config->penalty_freq
         + config->penalty_present;
    logits[token] = (float) l;
  }
}

static gboolean
check_logits (const float *logits, uint32_t n_vocab, GError **error)
{
  gboolean has_finite = FALSE;

  for (uint32_t i = 0; i < n_vocab; i++) {
    /* False for NaN as well. */
    if (!(logits[i] < INFINITY)) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC,
          "the logit of token %u is %s, expected a finite number", i,
          isnan (logits[i]) ? "NaN" : "infinite");
      return FALSE;
    }
    has_finite |= logits[i] > -INFINITY;
  }
  if (!has_finite)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC,
        "all %u logits are minus infinity, expected one that is finite",
        n_vocab);
  return has_finite;
}

static gboolean
is_greedy (const BnSamplerConfig *config)
{
  return config->temperature <= 0 && config->dynatemp_range <= 0;
}

/* The candidates of the whole vocabulary, or of its best token. Tokens with
 * logit -infinity are no candidates. */
static List
list_candidates (const BnSampler *self, BnSamplerScratch *scratch)
{
  List list = {scratch->candidates, 0, 0};
  const float *logits = scratch->logits;

  if (is_greedy (&self->config)) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < self->n_vocab; i++) {
      if (logits[i] > logits[best])
        best = i;
    }
    list.c[0] = (BnCandidate){best, logits[best], 1};
    list.n = list.n_ordered = 1;
    return list;
  }
  for (uint32_t i = 0; i < self->n_vocab; i++) {
    list.c[list.n] = (BnCandidate){i, logits[i], 0};
    list.n += logits[i] > -INFINITY;
  }
  return list;
}

/* ---- the chain ---- */

static gboolean
run_chain (BnSampler *self, BnSamplerScratch *scratch, const float *logits,
    List *list, GError **error)
{
  const BnSamplerConfig *config = &self->config;

  g_assert (scratch->n_vocab == self->n_vocab);
  memcpy (scratch->logits, logits, self->n_vocab * sizeof *logits);
  apply_biases (self, scratch->logits);
  if (config->mirostat == 0)
    apply_penalties (self, scratch->logits);
  if (!check_logits (scratch->logits, self->n_vocab, error))
    return FALSE;
  *list = list_candidates (self, scratch);
  if (is_greedy (config))
    return TRUE;

  if (config->mirostat != 0) {
    apply_temperature (list, config->temperature);
    if (config->mirostat == 1)
      filter_mirostat_1 (self, list);
    else
      filter_mirostat_2 (self, list);
  } else {
    filter_top_k (list, config);
    filter_typical (list, config);
    filter_top_p (list, config);
    filter_min_p (list, config);
    filter_xtc (self, list);
    filter_temperature (list, config);
  }
  softmax (list);
  return TRUE;
}

gboolean
bn_sampler_filter (BnSampler *self, BnSamplerScratch *scratch,
    const float *logits, const BnCandidate **candidates, size_t *n_candidates,
    GError **error)
{
  List list;

  if (!run_chain (self, scratch, logits, &list, error))
    return FALSE;
  *candidates = list.c;
  *n_candidates = list.n;
  return TRUE;
}

gboolean
bn_sampler_sample (BnSampler *self, BnSamplerScratch *scratch,
    const float *logits, uint32_t *token, GError **error)
{
  List list;
  double sum = 0;
  double cumulative = 0;
  size_t chosen = 0;

  if (!run_chain (self, scratch, logits, &list, error))
    return FALSE;
  if (is_greedy (&self->config)) {
    *token = list.c[0].token;
    return TRUE;
  }

  for (size_t i = 0; i < list.n; i++)
    sum += list.c[i].p;
  double u = bn_random_uniform (&self->random) * sum;
  for (size_t i = 0; i < list.n; i++) {
    if (list.c[i].p <= 0)
      continue;
    chosen = i;
    cumulative += list.c[i].p;
    if (cumulative > u)
      break;
  }
  if (self->config.mirostat != 0)
    self->mirostat_mu -=
        self->config.mirostat_eta
        * (-log2 (list.c[chosen].p) - self->config.mirostat_tau);
  *token = list.c[chosen].token;
  return TRUE;
}

/* ---- the penalty window ---- */

static gboolean
has_penalties (const BnSamplerConfig *config)
{
  return config->penalty_last_n != 0 && config->mirostat == 0
         && (config->penalty_repeat != 1 || config->penalty_freq != 0
             || config->penalty_present != 0);
}

static void
forget_token (BnSampler *self, uint32_t token)
{
  Occurrence *o = &self->occurrences[token];

  if (--o->count == 0) {
    uint32_t last = self->distinct[--self->n_distinct];
    self->distinct[o->place] = last;
    self->occurrences[last].place = o->place;
  }
}

void
bn_sampler_accept (BnSampler *self, uint32_t token)
{
  if (self->window == NULL || token >= self->n_vocab)
    return;
  if (self->n_window == self->window_size)
    forget_token (self, self->window[self->window_next]);
  else
    self->n_window++;
  self->window[self->window_next] = token;
  self->window_next = (self->window_next + 1) % self->window_size;

  Occurrence *o = &self->occurrences[token];
  if (o->count++ == 0) {
    o->place = self->n_distinct;
    self->distinct[self->n_distinct++] = token;
  }
}

/* ---- making and freeing ---- */

BnSamplerScratch *
bn_sampler_scratch_new (uint32_t n_vocab)
{
  BnSamplerScratch *self = g_new0 (BnSamplerScratch, 1);

  self->n_vocab = n_vocab;
  self->logits = g_new (float, n_vocab);
  self->candidates = g_new (BnCandidate, n_vocab);
  return self;
}

void
bn_sampler_scratch_free (BnSamplerScratch *self)
{
  g_free (self->logits);
  g_free (self->candidates);
  g_free (self);
}

BnSampler *
bn_sampler_new (const BnSamplerConfig *config, uint64_t seed, uint32_t n_vocab,
    uint32_t context_size)
{
  BnSampler *self = g_new0 (BnSampler, 1);

  self->config = *config;
  self->biases =
      g_memdup2 (config->biases, config->n_biases * sizeof *config->biases);
  self->config.biases = self->biases;
  self->n_vocab = n_vocab;
  self->mirostat_mu = 2 * config->mirostat_tau;
  bn_random_init (&self->random, seed);
  if (has_penalties (config)) {
    self->window_size =
        config->penalty_last_n < 0
            ? context_size
            : MIN ((uint32_t) config->penalty_last_n, context_size);
    self->window_size = MAX (self->window_size, 1);
    self->window = g_new (uint32_t, self->window_size);
    self->distinct = g_new (uint32_t, self->window_size);
    self->occurrences = g_new0 (Occurrence, n_vocab);
  }
  return self;
}

void
bn_sampler_free (BnSampler *self)
{
  g_free (self->biases);
  g_free (self->window);
  g_free (self->distinct);
  g_free (self->occurrences);
  g_free (self);
}
