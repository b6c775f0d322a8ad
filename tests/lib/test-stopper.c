/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stop texts across token boundaries. A case is written as tokens, each by
 * its text; what comes out is written the same way, one group per push. */
#include <glib.h>
#include <string.h>
#include "core/bn-stopper.h"

static const struct {
  const char *stop[4];
  const char *in[8]; /* tokens */
  /* Joined texts of the tokens let go by each push, '.' after each push;
   * '#' and the cut rest where a stop text appeared. Without it the flush
   * follows. */
  const char *out;
} cases[] = {
    {{"END"}, {"a", "b", "c"}, "a.b.c."},
    {{"END"}, {"a", "END", "c"}, "a.#"},
    {{"END"}, {"a", "E", "N", "D", "x"}, "a...#"},
    {{"END"}, {"a", "E", "N", "x"}, "a...ENx."},
    {{"END"}, {"a", "E", "N"}, "a...EN"},
    /* a prefix of the stop text begins inside what was held */
    {{"aab"}, {"a", "a", "a", "b"}, "..a.#"},
    {{"abab!"}, {"ab", "ab", "ab", "!"}, "..ab.#"},
    /* begins in the middle of a token: the text before it is the rest */
    {{"END"}, {"one", " twoEN", "D"}, "one..# two"},
    {{"END"}, {"xENDy"}, "#x"},
    {{"."}, {"Hello", " world.", "x"}, "Hello.# world"},
    {{"END"}, {" twoEN", "x"}, ". twoENx."},
    /* several: the one that ends first, then the longest */
    {{"b", "abc"}, {"abc"}, "#a"},
    {{"c", "bc", "abc"}, {"x", "abc"}, "x.#"},
    {{"zz", "\n\n"}, {"a", "\n", "\n"}, "a..#"},
    /* bytes, not characters: half a character in each token */
    {{"\xe2\x82\xac"}, {"a", "\xe2", "\x82", "\xac"}, "a...#"},
    {{"\xe2\x82\xac"}, {"a", "\xe2", "\x82", "\xad"}, "a...\xe2\x82\xad."},
};

static void
test_cases (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BnStopper) stopper = bn_stopper_new (cases[i].stop);
    g_autoptr (GString) out = g_string_new (NULL);
    BnStopperResult result = {0};

    for (guint32 t = 0; cases[i].in[t] && !result.is_stopped; t++) {
      const char *text = cases[i].in[t];
      bn_stopper_push (stopper, t, text, strlen (text), &result);
      for (size_t k = 0; k < result.n_tokens; k++)
        g_string_append (out, cases[i].in[result.tokens[k]]);
      g_string_append_c (out, result.is_stopped ? '#' : '.');
      if (result.rest_size > 0)
        g_string_append_len (out, result.rest, result.rest_size);
    }
    if (!result.is_stopped) {
      bn_stopper_flush (stopper, &result);
      for (size_t k = 0; k < result.n_tokens; k++)
        g_string_append (out, cases[i].in[result.tokens[k]]);
    }
    if (strcmp (out->str, cases[i].out) != 0)
      g_error ("case %" G_GSIZE_FORMAT ": \"%s\", expected \"%s\"", i, out->str,
          cases[i].out);
  }
}

/* Tokens without text are held with what surrounds them. */
static void
test_empty_text (void)
{
  const char *stop[] = {"ab", NULL};
  g_autoptr (BnStopper) stopper = bn_stopper_new (stop);
  BnStopperResult result;

  bn_stopper_push (stopper, 1, "", 0, &result);
  g_assert_cmpuint (result.n_tokens, ==, 1);
  bn_stopper_push (stopper, 2, "a", 1, &result);
  g_assert_cmpuint (result.n_tokens, ==, 0);
  bn_stopper_push (stopper, 3, NULL, 0, &result);
  g_assert_cmpuint (result.n_tokens, ==, 0);
  bn_stopper_push (stopper, 4, "c", 1, &result);
  g_assert_cmpuint (result.n_tokens, ==, 3);
  g_assert_cmpuint (result.tokens[0], ==, 2);
  g_assert_cmpuint (result.tokens[1], ==, 3);
  g_assert_cmpuint (result.tokens[2], ==, 4);
}

/* Random text over two letters, cut into random tokens, against a search in
 * the whole text. */
static void
test_random (void)
{
  const char *stop[] = {"abba", "bbb", "aabaab", NULL};
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (int round = 0; round < 3000; round++) {
    g_autoptr (BnStopper) stopper = bn_stopper_new (stop);
    g_autoptr (GString) in = g_string_new (NULL);
    g_autoptr (GString) out = g_string_new (NULL);
    g_autoptr (GPtrArray) tokens = g_ptr_array_new_with_free_func (g_free);
    BnStopperResult result = {0};
    gsize expected_size = G_MAXSIZE;

    while (in->len < 60) {
      char *token = g_strnfill (g_rand_int_range (rand, 0, 5), 'a');
      for (char *c = token; *c; c++)
        *c = g_rand_boolean (rand) ? 'a' : 'b';
      g_string_append (in, token);
      g_ptr_array_add (tokens, token);
    }
    for (gsize end = 1; end <= in->len && expected_size == G_MAXSIZE; end++) {
      gsize longest = 0;
      for (int s = 0; stop[s]; s++) {
        gsize n = strlen (stop[s]);
        if (n <= end && memcmp (in->str + end - n, stop[s], n) == 0)
          longest = MAX (longest, n);
      }
      if (longest > 0)
        expected_size = end - longest;
    }

    for (guint t = 0; t < tokens->len && !result.is_stopped; t++) {
      const char *text = tokens->pdata[t];
      bn_stopper_push (stopper, t, text, strlen (text), &result);
      for (size_t k = 0; k < result.n_tokens; k++)
        g_string_append (out, tokens->pdata[result.tokens[k]]);
    }
    g_string_append_len (out, result.rest, result.rest_size);
    g_assert_cmpint (result.is_stopped, ==, expected_size != G_MAXSIZE);
    if (result.is_stopped) {
      g_string_truncate (in, expected_size);
    } else {
      bn_stopper_flush (stopper, &result);
      for (size_t k = 0; k < result.n_tokens; k++)
        g_string_append (out, tokens->pdata[result.tokens[k]]);
    }
    g_assert_cmpstr (out->str, ==, in->str);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stopper/cases", test_cases);
  g_test_add_func ("/stopper/empty-text", test_empty_text);
  g_test_add_func ("/stopper/random", test_random);
  return g_test_run ();
}
