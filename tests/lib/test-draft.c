/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What bn-draft.c proposes, and when it stops to. */
#include <glib.h>
#include "core/bn-draft.h"

static const BnDraftCosts no_costs;

/* Proposes for tokens[0, n) after having seen nothing else. */
static guint
propose (const guint32 *tokens, guint n, guint limit, guint32 *draft)
{
  g_autoptr (BnDraft) self = bn_draft_new ();

  return bn_draft_propose (self, &no_costs, tokens, n, limit, draft);
}

static void
test_places (void)
{
  static const struct {
    guint n;
    guint32 tokens[24];
    guint n_expected; /* at least */
    guint32 expected[4];
  } cases[] = {
      {0, {0}, 0, {0}},
      {2, {1, 2}, 0, {0}},
      {6, {1, 2, 3, 4, 5, 6}, 0, {0}},
      /* two tokens are not enough */
      {6, {1, 2, 8, 9, 1, 2}, 0, {0}},
      {7, {1, 2, 3, 4, 1, 2, 3}, 1, {4}},
      /* of two places the one that agrees longer */
      {16, {5, 1, 2, 3, 7, 6, 1, 2, 3, 8, 0, 0, 5, 1, 2, 3}, 1, {7}},
      /* of equal ones the last */
      {13, {1, 2, 3, 7, 9, 1, 2, 3, 8, 9, 1, 2, 3}, 1, {8}},
      /* repetitions that are shorter than the draft */
      {5, {4, 4, 4, 4, 4}, 1, {4}},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    guint32 draft[BN_DRAFT_MAX];
    guint n = propose (cases[i].tokens, cases[i].n, 8, draft);

    g_test_message ("case %" G_GSIZE_FORMAT ": %u", i, n);
    if (cases[i].n_expected == 0)
      g_assert_cmpuint (n, ==, 0);
    g_assert_cmpuint (n, >=, cases[i].n_expected);
    for (guint k = 0; k < cases[i].n_expected; k++)
      g_assert_cmpuint (draft[k], ==, cases[i].expected[k]);
  }
}

/* Text that repeats: drafts get as long as they may. */
static void
test_grows (void)
{
  enum { PERIOD = 7, N = 400, LIMIT = 12 };
  g_autoptr (BnDraft) self = bn_draft_new ();
  guint32 tokens[N + BN_DRAFT_MAX], draft[BN_DRAFT_MAX];
  guint n_passes = 0, longest = 0;

  for (guint i = 0; i < G_N_ELEMENTS (tokens); i++)
    tokens[i] = 100 + i % PERIOD;
  for (guint n = 2 * PERIOD; n < N; n_passes++) {
    guint n_draft = bn_draft_propose (self, &no_costs, tokens, n, LIMIT, draft);

    g_assert_cmpuint (n_draft, <=, LIMIT);
    for (guint k = 0; k < n_draft; k++)
      g_assert_cmpuint (draft[k], ==, tokens[n + k]);
    bn_draft_learn (self, n_draft);
    longest = MAX (longest, n_draft);
    n += 1 + n_draft;
  }
  g_assert_cmpuint (longest, ==, LIMIT);
  g_assert_cmpuint (n_passes, <, N / 8);
}

/* Text that looks like repeating and never does: few drafts, one token each
 * in the end. */
static void
test_rests (void)
{
  enum { N = 6000 };
  g_autoptr (BnDraft) self = bn_draft_new ();
  g_autofree guint32 *tokens = g_new (guint32, N);
  guint n_drafts = 0, n_drafted = 0;

  /* three known tokens, then one that never was there */
  for (guint i = 0; i < N; i++)
    tokens[i] = i % 4 == 3 ? 1000 + i : i % 4;
  for (guint n = 1; n < N; n++) {
    guint32 draft[BN_DRAFT_MAX];
    guint n_draft = bn_draft_propose (self, &no_costs, tokens, n, 8, draft);

    if (n_draft == 0)
      continue;
    g_assert_cmpuint (draft[0], !=, tokens[n]);
    bn_draft_learn (self, 0);
    n_drafts++;
    n_drafted += n_draft;
  }
  g_assert_cmpuint (n_drafts, >, 2);
  g_assert_cmpuint (n_drafted, <, N / 100);
}

/* Where a second row costs as much as a pass, only what is nearly sure pays;
 * where it costs nothing, everything. */
static void
test_costs (void)
{
  const guint32 tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3};
  guint32 draft[BN_DRAFT_MAX];
  BnDraftCosts dear = {{0}}, cheap = {{0}};
  g_autoptr (BnDraft) one = bn_draft_new (), other = bn_draft_new ();

  for (guint rows = 1; rows <= BN_DRAFT_MAX + 1; rows++) {
    bn_draft_costs_add (&dear, rows, 1000 * rows);
    bn_draft_costs_add (&cheap, rows, 1000);
  }
  bn_draft_costs_add (&cheap, 1000, 1); /* not of interest */
  g_assert_cmpuint (
      bn_draft_propose (one, &dear, tokens, G_N_ELEMENTS (tokens), 6, draft),
      ==, 1);
  g_assert_cmpuint (
      bn_draft_propose (other, &cheap, tokens, G_N_ELEMENTS (tokens), 6, draft),
      ==, 6);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/draft/places", test_places);
  g_test_add_func ("/draft/grows", test_grows);
  g_test_add_func ("/draft/rests", test_rests);
  g_test_add_func ("/draft/costs", test_costs);
  return g_test_run ();
}
