/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drafts from the tokens of the sequence itself.
 *
 * An index knows, for every three tokens in a row, where they ended last; each
 * place knows the place before it with the same hash:
 *
 *     tokens     a b c d . . . a b c x . . . a b c
 *                    ^             ^             ^ last three
 *     previous       +-------------+-------------+
 *
 * Of the latest few places the one that agrees with the most tokens in front
 * of it is continued.
 *
 * Long agreements come true more often than short ones, so the chance of a
 * token is learnt for three classes of length apart. With chance p for each
 * token, a draft of k gives 1 + p + ... + p^k tokens for a pass of k + 1 rows;
 * the k that gives the most tokens a nanosecond is taken. If that is 0 the
 * class rests, twice as long after every failure, and is then tried again with
 * one token: what is lost to texts that do not repeat stays below a percent. */
#include "bn-draft.h"

#include <string.h>

enum {
  GRAM = 3,       /* tokens that must agree */
  MAX_PLACES = 8, /* that are looked at */
  MAX_AGREEMENT = 32,
  N_CLASSES = 3,
  MIN_TABLE = 256,
  FIRST_REST = 16, /* tokens */
  MAX_REST = 1024,
};

#define NO_PLACE UINT32_MAX
/* Share of the newest observation in what is learnt. */
#define LEARNING 0.2
#define COST_LEARNING 0.1
/* What a row costs beside the first one as long as nobody has seen it. */
#define ASSUMED_ROW_COST 0.12

typedef struct {
  double chance;   /* of a token of a draft to come true */
  uint32_t rest;   /* tokens of the next rest */
  uint32_t resume; /* number of tokens from which on it is tried again */
} Class;

struct BnDraft {
  uint32_t *table;     /* hash to the last place, or NO_PLACE */
  uint32_t table_size; /* power of two */
  GArray *previous;    /* of uint32_t: place to the one before it */
  Class classes[N_CLASSES];

  /* The last proposal. */
  Class *tried;
  uint32_t n_tried;
  uint32_t n_tokens;
};

void
bn_draft_costs_add (BnDraftCosts *self, uint32_t n_rows, uint64_t ns)
{
  double *cost;

  if (n_rows >= G_N_ELEMENTS (self->ns))
    return;
  cost = &self->ns[n_rows];
  if (*cost == 0)
    *cost = (double) ns;
  else
    *cost += COST_LEARNING * ((double) ns - *cost);
}

/* Of a pass of n_rows, as a multiple of one row. Between what was seen the
 * cost is taken to grow evenly. */
static double
relative_cost (const BnDraftCosts *costs, uint32_t n_rows)
{
  uint32_t below = n_rows;

  if (costs->ns[1] == 0 || n_rows == 1)
    return 1 + ASSUMED_ROW_COST * (n_rows - 1);
  if (costs->ns[n_rows] > 0)
    return MAX (1, costs->ns[n_rows] / costs->ns[1]);
  while (costs->ns[below] == 0)
    below--;
  return MAX (1, costs->ns[below] / costs->ns[1])
         + ASSUMED_ROW_COST * (n_rows - below);
}

BnDraft *
bn_draft_new (void)
{
  BnDraft *self = g_new0 (BnDraft, 1);

  self->previous = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  for (int i = 0; i < N_CLASSES; i++)
    self->classes[i] = (Class){.chance = 0.5, .rest = FIRST_REST};
  return self;
}

void
bn_draft_free (BnDraft *self)
{
  g_array_unref (self->previous);
  g_free (self->table);
  g_free (self);
}

/* ---- the index ---- */

/* Of the GRAM tokens that end in front of place. */
static uint32_t
hash_gram (const BnDraft *self, const uint32_t *tokens, uint32_t place)
{
  uint64_t hash = 0;

  for (uint32_t i = place - GRAM; i < place; i++)
    hash = (hash ^ tokens[i]) * 0x9e3779b97f4a7c15u;
  return (uint32_t) (hash >> 32) & (self->table_size - 1);
}

static void
enter (BnDraft *self, const uint32_t *tokens, uint32_t place)
{
  uint32_t *head;
  uint32_t previous = NO_PLACE;

  if (place >= GRAM) {
    head = &self->table[hash_gram (self, tokens, place)];
    previous = *head;
    *head = place;
  }
  if (place < self->previous->len)
    g_array_index (self->previous, uint32_t, place) = previous;
  else
    g_array_append_val (self->previous, previous);
}

/* All places up to n_tokens, the last one excepted: it is what is looked
 * for. */
static void
update (BnDraft *self, const uint32_t *tokens, uint32_t n_tokens)
{
  uint32_t first = self->previous->len;

  if (n_tokens > self->table_size / 2) {
    self->table_size = MAX (self->table_size, MIN_TABLE);
    while (n_tokens > self->table_size / 2)
      self->table_size *= 2;
    g_free (self->table);
    self->table = g_new (uint32_t, self->table_size);
    memset (self->table, 0xff, self->table_size * sizeof *self->table);
    first = 0;
  }
  for (uint32_t place = first; place < n_tokens; place++)
    enter (self, tokens, place);
}

/* Tokens in front of both places that agree. */
static uint32_t
count_agreement (const uint32_t *tokens, uint32_t place, uint32_t end)
{
  uint32_t n = 0;

  while (n < MAX_AGREEMENT && n < place
         && tokens[place - 1 - n] == tokens[end - 1 - n])
    n++;
  return n;
}

static uint32_t
find_place (const BnDraft *self, const uint32_t *tokens, uint32_t n_tokens,
    uint32_t *agreement)
{
  uint32_t place = self->table[hash_gram (self, tokens, n_tokens)];
  uint32_t best = NO_PLACE;

  *agreement = GRAM - 1;
  for (int i = 0; i < MAX_PLACES && place != NO_PLACE; i++) {
    uint32_t n = count_agreement (tokens, place, n_tokens);
    if (n > *agreement) {
      *agreement = n;
      best = place;
    }
    place = g_array_index (self->previous, uint32_t, place);
  }
  return best;
}

/* ---- how long a draft ---- */

static Class *
find_class (BnDraft *self, uint32_t agreement)
{
  return &self->classes[agreement < 5 ? 0 : agreement < 12 ? 1 : 2];
}

/* The number of tokens that makes a pass give the most for its time. */
static uint32_t
choose_length (const BnDraftCosts *costs, double chance, uint32_t limit)
{
  double gain = 1, power = 1, best_rate = 1;
  uint32_t best = 0;

  for (uint32_t k = 1; k <= limit; k++) {
    power *= chance;
    gain += power;
    if (gain / relative_cost (costs, k + 1) > best_rate) {
      best_rate = gain / relative_cost (costs, k + 1);
      best = k;
    }
  }
  return best;
}

uint32_t
bn_draft_propose (BnDraft *self, const BnDraftCosts *costs,
    const uint32_t *tokens, uint32_t n_tokens, uint32_t limit,
    uint32_t draft[BN_DRAFT_MAX])
{
  uint32_t place, agreement, n;
  Class *class;

  self->tried = NULL;
  update (self, tokens, n_tokens);
  if (n_tokens < GRAM || limit == 0)
    return 0;
  place = find_place (self, tokens, n_tokens, &agreement);
  if (place == NO_PLACE)
    return 0;
  class = find_class (self, agreement);
  if (n_tokens < class->resume)
    return 0;
  n = choose_length (costs, class->chance, MIN (limit, BN_DRAFT_MAX));
  if (n == 0) { /* is it still so? */
    n = 1;
    class->resume = n_tokens + class->rest;
    class->rest = MIN (2 * class->rest, MAX_REST);
  }
  /* A repetition shorter than the draft goes on in the draft itself. */
  for (uint32_t i = 0; i < n; i++)
    draft[i] =
        place + i < n_tokens ? tokens[place + i] : draft[place + i - n_tokens];
  self->tried = class;
  self->n_tried = n;
  return n;
}

void
bn_draft_learn (BnDraft *self, uint32_t n_accepted)
{
  Class *class = self->tried;

  if (class == NULL)
    return;
  /* Each token that came true, and the first one that did not. */
  for (uint32_t i = 0; i < n_accepted; i++)
    class->chance += LEARNING * (1 - class->chance);
  if (n_accepted < self->n_tried)
    class->chance -= LEARNING * class->chance;
  if (n_accepted > 0)
    class->rest = FIRST_REST;
  self->tried = NULL;
}
