/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pieces of text to words, lines, sentences: the same chunks however the text
 * comes in, and nothing lost. */
#include <string.h>
#include "chunker.h"

static const struct {
  const char *name;
  Granularity granularity;
  const char *chunks[8]; /* put together they are the text */
} cases[] = {
    {"word", GRANULARITY_WORD, {"Hello", " big", " world."}},
    {"word/space", GRANULARITY_WORD, {"  a", "  b", "\n\nc", " "}},
    {"word/wide", GRANULARITY_WORD, {"日", "本", "語。", " ok"}},
    {"word/mixed", GRANULARITY_WORD, {"GPU", "速", "い!"}},
    {"word/accent", GRANULARITY_WORD, {"café", " naïve", " 😀"}},
    {"line", GRANULARITY_LINE, {"one\n", "\n", "two\n", "three"}},
    {"sentence", GRANULARITY_SENTENCE,
        {"It rains.", " Why?", " Because!", " Yes"}},
    {"sentence/quote", GRANULARITY_SENTENCE, {"He said \"Go.\"", " She went."}},
    {"sentence/abbreviation", GRANULARITY_SENTENCE,
        {"Mr. Fox and Dr. Hen met, e.g. at J. R. Owl's.", " They left."}},
    {"sentence/decimal", GRANULARITY_SENTENCE, {"Pi is 3.14 or so.", " Good."}},
    {"sentence/small", GRANULARITY_SENTENCE, {"Well... maybe not.", " Hm"}},
    {"sentence/many", GRANULARITY_SENTENCE, {"Really?!", " Oh…", " No"}},
    {"sentence/line", GRANULARITY_SENTENCE,
        {"A title", "\nFirst line.", "\nSecond"}},
    {"sentence/wide", GRANULARITY_SENTENCE, {"雨です。", "晴れ！」", "はい"}},
    {"response", GRANULARITY_RESPONSE, {"One. Two.\nThree."}},
};

static void
check (gsize i, gsize piece)
{
  g_autoptr (Chunker) chunker = chunker_new ();
  g_autofree char *text = g_strjoinv ("", (char **) cases[i].chunks);
  gsize size = strlen (text);
  const char *const *expected = cases[i].chunks;
  char *chunk;

  chunker_reset (chunker, cases[i].granularity);
  for (gsize at = 0; at < size;) {
    gsize n = MIN (piece, size - at);

    while (at + n < size && (text[at + n] & 0xc0) == 0x80)
      n++; /* whole characters, as a decoder gives them */
    chunker_push (chunker, text + at, n);
    at += n;
    while ((chunk = chunker_pop (chunker)) != NULL) {
      g_assert_cmpstr (chunk, ==, *expected++);
      g_free (chunk);
    }
  }
  chunk = chunker_finish (chunker);
  g_assert_cmpstr (chunk, ==, *expected++);
  g_free (chunk);
  g_assert_null (*expected);
  g_assert_null (chunker_finish (chunker));
}

static void
test_case (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);

  for (gsize piece = 1; piece < 64; piece++)
    check (i, piece);
}

static void
test_token (void)
{
  g_autoptr (Chunker) chunker = chunker_new ();
  g_autofree char *one = NULL;
  g_autofree char *two = NULL;

  chunker_reset (chunker, GRANULARITY_TOKEN);
  g_assert_null (chunker_pop (chunker));
  chunker_push (chunker, "ab c", 4);
  one = chunker_pop (chunker);
  g_assert_cmpstr (one, ==, "ab c");
  g_assert_null (chunker_pop (chunker));
  chunker_push (chunker, ".", 1);
  two = chunker_pop (chunker);
  g_assert_cmpstr (two, ==, ".");
  g_assert_null (chunker_finish (chunker));
}

/* A chunk leaves as soon as its end is certain. */
static void
test_early (void)
{
  g_autoptr (Chunker) chunker = chunker_new ();
  g_autofree char *chunk = NULL;

  chunker_reset (chunker, GRANULARITY_SENTENCE);
  chunker_push (chunker, "Hi! ", 4);
  chunk = chunker_pop (chunker);
  g_assert_cmpstr (chunk, ==, "Hi!");
  chunker_reset (chunker, GRANULARITY_WORD);
  g_assert_null (chunker_finish (chunker));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strconcat ("/chunker/", cases[i].name, NULL);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_case);
  }
  g_test_add_func ("/chunker/token", test_token);
  g_test_add_func ("/chunker/early", test_early);
  return g_test_run ();
}
