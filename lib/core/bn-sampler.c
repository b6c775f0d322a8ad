/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sampler chain (model-graphs section 14).
 *
 *     logits ─ bias ─ penalties ─┬─ greedy ──────────────────────────── argmax
 *                                ├─ top-k ─ typical ─ top-p ─ min-p ─
 *                                │  XTC ─ temperature ────────────────── draw
 *            (no penalties) ─────└─ temperature ─ mirostat ───────────── draw
 *
 * A vocabulary has 10^5 tokens and most filters keep a few dozen, so nothing
 * is sorted that need not be: top-k, which comes first, picks its k out of the
 * logits with a heap; what must be sorted otherwise goes through a radix sort
 * in linear time. Candidates compare by logit, then by token, which makes
 * every order, and with it every draw, unique.
 *
 * Probabilities are floats, their sums doubles, added from the front. */
#include "bn-sampler.h"

#include <math.h>
#include <string.h>

#include "bitnet-error.h"
#include "bn-kernels.h"

/* Lists up to this length are sorted by insertion. */
#define SHORT_LIST 64

/* The radix sort takes three digits of the 32 bits of a float. */
#define RADIX_BITS 11
#define RADIX_SIZE (1 << RADIX_BITS)
#define N_DIGITS 3

/* Logits among which one is looked for at a time. */
#define SEARCH_PIECE 512

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
  GArray *touched; /* of uint32_t: tokens whose logits are changed */

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
  BnCandidate *candidates; /* of the list */
  BnCandidate *spare;      /* for sorting */
};

/* The candidates while the chain runs. */
typedef struct {
  BnCandidate *c;
  BnCandidate *spare; /* as long as c; sorting exchanges the two */
  size_t n;
  gboolean is_sorted; /* best first */
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

/* Sorts what is nearly sorted, or short. */
static void
sort_by_insertion (BnCandidate *c, size_t n)
{
  for (size_t i = 1; i < n; i++) {
    BnCandidate inserted = c[i];
    size_t k = i;

    for (; k > 0 && is_better (&inserted, &c[k - 1]); k--)
      c[k] = c[k - 1];
    c[k] = inserted;
  }
}

/* The bits of a float as a number that is the smaller the larger the float
 * is. */
static uint32_t
get_key (const BnCandidate *c)
{
  uint32_t bits;

  memcpy (&bits, &c->logit, sizeof bits);
  return bits & UINT32_C (0x80000000) ? bits : ~bits & UINT32_C (0x7fffffff);
}

/* From the lowest digit to the highest, each pass stable. */
static void
sort_by_radix (List *list)
{
  uint32_t starts[N_DIGITS][RADIX_SIZE] = {{0}};

  for (size_t i = 0; i < list->n; i++) {
    uint32_t key = get_key (&list->c[i]);
    for (int d = 0; d < N_DIGITS; d++)
      starts[d][(key >> (d * RADIX_BITS)) % RADIX_SIZE]++;
  }
  for (int d = 0; d < N_DIGITS; d++) {
    BnCandidate *sorted = list->spare;
    uint32_t sum = 0;

    for (int k = 0; k < RADIX_SIZE; k++) {
      uint32_t count = starts[d][k];
      starts[d][k] = sum;
      sum += count;
    }
    for (size_t i = 0; i < list->n; i++) {
      uint32_t key = get_key (&list->c[i]);
      sorted[starts[d][(key >> (d * RADIX_BITS)) % RADIX_SIZE]++] = list->c[i];
    }
    list->spare = list->c;
    list->c = sorted;
  }
}

static void
sort (List *list)
{
  if (list->is_sorted)
    return;
  if (list->n > SHORT_LIST)
    sort_by_radix (list);
  /* After the radix sort only equal logits may be out of order. */
  sort_by_insertion (list->c, list->n);
  list->is_sorted = TRUE;
}

static size_t
at_least_one (uint32_t min_keep)
{
  return MAX (min_keep, 1);
}

/* ---- probabilities ---- */

/* Lists are never empty. */
static size_t
find_best (const List *list)
{
  size_t best = 0;

  if (list->is_sorted)
    return 0;
  for (size_t i = 1; i < list->n; i++) {
    if (is_better (&list->c[i], &list->c[best]))
      best = i;
  }
  return best;
}

static float
max_logit (const List *list)
{
  return list->c[find_best (list)].logit;
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
keep_best (List *list)
{
  list->c[0] = list->c[find_best (list)];
  list->n = 1;
  list->is_sorted = TRUE;
}

/* Locally typical sampling: those whose surprise is nearest to the entropy.
 * For the while the distance, negative, takes the place of the logit, which
 * comes back as ln p: equal up to a constant. */
static void
filter_typical (List *list, const BnSamplerConfig *config)
{
  size_t min_keep = at_least_one (config->min_keep);
  double cumulative = 0;
  size_t n = 0;

  if (config->typical_p >= 1)
    return;
  softmax (list);
  double h = entropy (list);
  for (size_t i = 0; i < list->n; i++) {
    float p = list->c[i].p;
    list->c[i].logit = p > 0 ? -(float) fabs (-log (p) - h) : -INFINITY;
  }
  list->is_sorted = FALSE;
  sort (list);
  while (n < list->n && (cumulative <= config->typical_p || n < min_keep))
    cumulative += list->c[n++].p;
  list->n = n;
  for (size_t i = 0; i < n; i++)
    list->c[i].logit = logf (list->c[i].p);
  list->is_sorted = FALSE;
}

/* Keeps the candidates whose p is at least least_p, in their order. */
static void
drop_unlikely (List *list, double least_p, size_t min_keep)
{
  size_t n = 0;

  for (size_t i = 0; i < list->n; i++)
    n += list->c[i].p >= least_p;
  if (n < min_keep)
    return;
  n = 0;
  for (size_t i = 0; i < list->n; i++) {
    if (list->c[i].p >= least_p)
      list->c[n++] = list->c[i];
  }
  list->n = n;
}

static void
filter_top_p (List *list, const BnSamplerConfig *config)
{
  size_t min_keep = at_least_one (config->min_keep);
  double cumulative = 0;
  size_t n = 0;

  if (config->top_p >= 1)
    return;
  softmax (list);
  /* All that have less than (1 - top_p) / n are together less than 1 - top_p:
   * none of them can be needed. Half of it leaves room for rounding. */
  if (!list->is_sorted)
    drop_unlikely (
        list, (1 - config->top_p) / (2 * (double) list->n), min_keep);
  sort (list);
  while (n < list->n && (cumulative < config->top_p || n < min_keep))
    cumulative += list->c[n++].p;
  list->n = n;
}

static void
filter_min_p (List *list, const BnSamplerConfig *config)
{
  size_t min_keep = MIN (at_least_one (config->min_keep), list->n);
  size_t n = 0;

  if (config->min_p <= 0)
    return;
  float threshold = max_logit (list) + (float) log (config->min_p);
  if (min_keep > 1)
    sort (list);
  for (size_t i = 0; i < list->n; i++) {
    if (list->c[i].logit >= threshold || (min_keep > 1 && i < min_keep))
      list->c[n++] = list->c[i];
  }
  list->n = n;
}

/* Exclude top choices: of those at or above the threshold only the least
 * likely stays. One random number whenever the filter is on, so that the
 * stream of numbers does not depend on the logits. */
static void
filter_xtc (BnSampler *self, List *list)
{
  const BnSamplerConfig *config = &self->config;
  size_t n_top = 0;
  size_t last = 0; /* the least likely of them */
  size_t n = 0;

  if (config->xtc_probability <= 0 || config->xtc_threshold > 0.5)
    return;
  if (bn_random_uniform (&self->random) >= config->xtc_probability)
    return;
  softmax (list);
  for (size_t i = 0; i < list->n; i++) {
    if (list->c[i].p < config->xtc_threshold)
      continue;
    if (n_top++ == 0 || is_better (&list->c[last], &list->c[i]))
      last = i;
  }
  if (n_top < 2 || list->n - (n_top - 1) < at_least_one (config->min_keep))
    return;
  for (size_t i = 0; i < list->n; i++) {
    if (i == last || list->c[i].p < config->xtc_threshold)
      list->c[n++] = list->c[i];
  }
  list->n = n;
}

/* Divides by t; t <= 0 keeps only the best. */
static void
apply_temperature (List *list, double t)
{
  if (t <= 0) {
    keep_best (list);
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
  sort (list);
  for (size_t i = 0; i + 1 < MIN (list->n, MIROSTAT_CANDIDATES); i++) {
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

  /* Also where k is not a number: keep all. */
  if (k < (double) list->n)
    list->n = k < 1 ? 1 : (size_t) k;
}

/* Version 2: drops what is more surprising than mu. */
static void
filter_mirostat_2 (BnSampler *self, List *list)
{
  softmax (list);
  double least_p = pow (2, -self->mirostat_mu);
  if (least_p > list->c[find_best (list)].p)
    keep_best (list);
  else
    drop_unlikely (list, least_p, 1);
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

  /* Nothing is distinct when no penalty is on. */
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
fail_check (const float *logits, uint32_t n_vocab, GError **error)
{
  for (uint32_t i = 0; i < n_vocab; i++) {
    if (isnan (logits[i]) || logits[i] == INFINITY) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC,
          "the logit of token %u is %s, expected a finite number", i,
          isnan (logits[i]) ? "NaN" : "infinite");
      return FALSE;
    }
  }
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_NUMERIC,
      "all %u logits are minus infinity, expected one that is finite", n_vocab);
  return FALSE;
}

/* Finds the largest logit. FALSE where there is none, or NaN or +infinity. */
static gboolean
check_logits (const float *logits, uint32_t n_vocab, float *max, GError **error)
{
  uint32_t magnitude;

  *max = bn_kernels_get ()->find_max (logits, n_vocab, &magnitude);
  return isfinite (*max) || fail_check (logits, n_vocab, error);
}

static gboolean
is_greedy (const BnSamplerConfig *config)
{
  return config->temperature <= 0 && config->dynatemp_range <= 0;
}

static gboolean
has_penalties (const BnSamplerConfig *config)
{
  return config->penalty_last_n != 0 && config->mirostat == 0
         && (config->penalty_repeat != 1 || config->penalty_freq != 0
             || config->penalty_present != 0);
}

/* ---- the first list ---- */

static void
list_greedy (List *list, const float *logits, uint32_t n_vocab, float max)
{
  const BnKernels *kernels = bn_kernels_get ();
  uint32_t best = 0, magnitude;

  while (n_vocab - best > SEARCH_PIECE
         && kernels->find_max (logits + best, SEARCH_PIECE, &magnitude) < max)
    best += SEARCH_PIECE;
  while (logits[best] != max)
    best++;
  list->c[0] = (BnCandidate){best, max, 1};
  list->n = 1;
  list->is_sorted = TRUE;
}

/* Everything that can be drawn. */
static void
list_all (List *list, const float *logits, uint32_t n_vocab)
{
  for (uint32_t i = 0; i < n_vocab; i++) {
    list->c[list->n] = (BnCandidate){i, logits[i], 0};
    list->n += logits[i] > -INFINITY;
  }
}

/* The best k. A heap of the best so far with the worst of them at its root:
 * nearly every logit fails the one comparison with it. */
static void
list_top (List *list, const float *logits, uint32_t n_vocab, size_t k)
{
  BnCandidate *c = list->c;
  uint32_t i = 0;

  for (; list->n < k && i < n_vocab; i++) {
    c[list->n] = (BnCandidate){i, logits[i], 0};
    list->n += logits[i] > -INFINITY;
  }
  for (size_t parent = list->n / 2; parent-- > 0;)
    sift_down (c, parent, list->n);
  for (; i < n_vocab; i++) {
    /* An equal one has the higher token. */
    if (logits[i] > c[0].logit) {
      c[0] = (BnCandidate){i, logits[i], 0};
      sift_down (c, 0, list->n);
    }
  }
  for (size_t end = list->n; end-- > 1;) {
    swap (&c[0], &c[end]);
    sift_down (c, 0, end);
  }
  list->is_sorted = TRUE;
}

/* ---- the chain ---- */

/* Bias and penalties, in a copy where there are any. */
static const float *
adjust_logits (
    const BnSampler *self, BnSamplerScratch *scratch, const float *logits)
{
  if (self->config.n_biases == 0 && self->window == NULL)
    return logits;
  memcpy (scratch->logits, logits, self->n_vocab * sizeof *logits);
  apply_biases (self, scratch->logits);
  apply_penalties (self, scratch->logits);
  return scratch->logits;
}

static gboolean
run_chain (BnSampler *self, BnSamplerScratch *scratch, const float *logits,
    List *list, GError **error)
{
  const BnSamplerConfig *config = &self->config;
  float max;

  g_assert (scratch->n_vocab == self->n_vocab);
  logits = adjust_logits (self, scratch, logits);
  if (!check_logits (logits, self->n_vocab, &max, error))
    return FALSE;

  *list = (List){.c = scratch->candidates, .spare = scratch->spare};
  if (is_greedy (config)) {
    list_greedy (list, logits, self->n_vocab, max);
    return TRUE;
  }
  if (config->mirostat != 0) {
    list_all (list, logits, self->n_vocab);
    apply_temperature (list, config->temperature);
    if (config->mirostat == 1)
      filter_mirostat_1 (self, list);
    else
      filter_mirostat_2 (self, list);
  } else {
    if (config->top_k != 0)
      list_top (
          list, logits, self->n_vocab, MAX (config->top_k, config->min_keep));
    else
      list_all (list, logits, self->n_vocab);
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

/* ---- what is needed ---- */

/* top-k comes first in the chain. Where it is off, min-p sees all logits if
 * nothing in front of it does. */
static void
choose_need (const BnSamplerConfig *config, BnLogitNeed *need)
{
  gboolean has_mass = config->typical_p < 1 || config->top_p < 1;

  *need = (BnLogitNeed){.span = INFINITY};
  if (is_greedy (config))
    need->n_best = 1;
  else if (config->mirostat == 0 && config->top_k != 0)
    need->n_best = MAX (config->top_k, config->min_keep);
  else if (config->mirostat == 0 && !has_mass && config->min_p > 0
           && config->min_keep <= 1)
    need->n_best = UINT32_MAX;
  if (need->n_best > 1 && !has_mass && config->min_p > 0
      && config->min_keep <= 1)
    need->span = -(float) log (config->min_p);
}

void
bn_sampler_get_need (BnSampler *self, const uint32_t *drafted,
    uint32_t n_drafted, BnLogitNeed *need)
{
  choose_need (&self->config, need);
  if (need->n_best == 0 || (self->config.n_biases == 0 && self->window == NULL))
    return;
  g_array_set_size (self->touched, 0);
  for (size_t i = 0; i < self->config.n_biases; i++)
    g_array_append_val (self->touched, self->biases[i].token);
  if (self->window != NULL) {
    g_array_append_vals (self->touched, self->distinct, self->n_distinct);
    g_array_append_vals (self->touched, drafted, n_drafted);
  }
  need->tokens = (const uint32_t *) (void *) self->touched->data;
  need->n_tokens = self->touched->len;
}

/* ---- the penalty window ---- */

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
  self->logits = g_try_new (float, n_vocab);
  self->candidates = g_try_new (BnCandidate, n_vocab);
  self->spare = g_try_new (BnCandidate, n_vocab);
  if (!self->logits || !self->candidates || !self->spare)
    g_clear_pointer (&self, bn_sampler_scratch_free);
  return self;
}

void
bn_sampler_scratch_free (BnSamplerScratch *self)
{
  g_free (self->logits);
  g_free (self->candidates);
  g_free (self->spare);
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
  self->touched = g_array_new (FALSE, FALSE, sizeof (uint32_t));
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
  g_array_unref (self->touched);
  g_free (self->biases);
  g_free (self->window);
  g_free (self->distinct);
  g_free (self->occurrences);
  g_free (self);
}
