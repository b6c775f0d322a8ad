/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes to prompts: every framing, every way to cut the same bytes, text that
 * is not UTF-8, markup. */
#include <string.h>
#include "framer.h"

static const struct {
  const char *name;
  Framing framing;
  const char *bytes;
  const char *prompts[6];
} cases[] = {
    {"line", FRAMING_LINE, "one\ntwo\n", {"one", "two"}},
    {"line/no-end", FRAMING_LINE, "one\ntwo", {"one", "two"}},
    {"line/crlf", FRAMING_LINE, "one\r\ntwo\r\n", {"one", "two"}},
    {"line/blank", FRAMING_LINE, "\n\none\n  \n\ntwo\n\n", {"one", "two"}},
    {"line/space", FRAMING_LINE, "  one  \n", {"  one  "}},
    {"line/empty", FRAMING_LINE, "", {NULL}},
    {"line/wide", FRAMING_LINE, "日本\n€uro\n😀", {"日本", "€uro", "😀"}},
    {"line/bom", FRAMING_LINE, "\xef\xbb\xbfone\n\xef\xbb\xbftwo",
        {"one", "\xef\xbb\xbftwo"}},
    {"paragraph", FRAMING_PARAGRAPH, "a\nb\n\nc\n", {"a\nb", "c"}},
    {"paragraph/many", FRAMING_PARAGRAPH, "\n\na\n\n \n\nb\nc", {"a", "b\nc"}},
    {"paragraph/crlf", FRAMING_PARAGRAPH, "a\r\nb\r\n\r\nc\r\n",
        {"a\r\nb", "c"}},
    {"stream", FRAMING_STREAM, "a\n\nb\nc\n", {"a\n\nb\nc"}},
    {"stream/blank", FRAMING_STREAM, " \n ", {NULL}},
};

static void
check_prompts (Framer *framer, const char *const *expected)
{
  char *prompt;

  while ((prompt = framer_pop (framer)) != NULL) {
    g_assert_cmpstr (prompt, ==, *expected);
    g_assert_nonnull (*expected);
    expected++;
    g_free (prompt);
  }
  g_assert_null (*expected);
}

/* In pieces of every size: the prompts do not depend on it. */
static void
test_case (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  gsize size = strlen (cases[i].bytes);

  for (gsize piece = 1; piece <= size + 1; piece++) {
    g_autoptr (Framer) framer = framer_new ();

    framer_reset (framer, cases[i].framing);
    for (gsize at = 0; at < size; at += piece) {
      gsize n = MIN (piece, size - at);
      /* Exactly that much memory, for a sanitizer. */
      g_autofree char *copy = g_memdup2 (cases[i].bytes + at, n);

      g_assert_true (framer_push (framer, copy, n));
    }
    g_assert_true (framer_finish (framer));
    check_prompts (framer, cases[i].prompts);
  }
}

static void
test_buffer (void)
{
  static const char *const expected[] = {
      "one\ntwo\n", "cafe", "\xc3\xa9!", NULL};
  g_autoptr (Framer) framer = framer_new ();

  framer_reset (framer, FRAMING_BUFFER);
  g_assert_true (framer_push (framer, "one\ntwo\n", 8));
  g_assert_true (framer_push (framer, "", 0));
  g_assert_true (framer_push (framer, " \n", 2));
  g_assert_true (framer_push (framer, "cafe\xc3", 5));
  g_assert_true (framer_push (framer, "\xa9!", 2));
  g_assert_true (framer_finish (framer));
  check_prompts (framer, expected);
}

static const struct {
  const char *bytes;
  gsize size;
  const char *problem; /* a part of it */
} bad[] = {
    {"ab\xff", 3, "0xff at offset 2"}, {"\x80", 1, "0x80 at offset 0"},
    {"a\xc3(", 3, "0xc3 at offset 1"},
    {"\xc0\xaf", 2, "0xc0 at offset 0"},         /* overlong */
    {"\xed\xa0\x80", 3, "0xed at offset 0"},     /* surrogate */
    {"\xf4\x90\x80\x80", 4, "0xf4 at offset 0"}, /* beyond U+10FFFF */
    {"a\0b", 3, "0x00 at offset 1"}, {"line\n\xfe", 6, "0xfe at offset 5"},
    {"end \xe2\x82", 6, "0xe2 at offset 4"}, /* unfinished */
};

static void
test_bad (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    for (gsize piece = 1; piece <= bad[i].size; piece++) {
      g_autoptr (Framer) framer = framer_new ();
      gboolean valid = TRUE;

      framer_reset (framer, FRAMING_LINE);
      for (gsize at = 0; valid && at < bad[i].size; at += piece)
        valid = framer_push (
            framer, bad[i].bytes + at, MIN (piece, bad[i].size - at));
      valid = valid && framer_finish (framer);
      g_test_message ("%" G_GSIZE_FORMAT "/%" G_GSIZE_FORMAT ": %s", i, piece,
          framer_get_problem (framer));
      g_assert_false (valid);
      g_assert_nonnull (strstr (framer_get_problem (framer), bad[i].problem));
    }
  }
}

static void
test_too_long (void)
{
  g_autoptr (Framer) framer = framer_new ();
  g_autofree char *block = g_strnfill (1024 * 1024, 'x');
  gsize pushed = 0;

  framer_reset (framer, FRAMING_LINE);
  while (framer_push (framer, block, 1024 * 1024)) {
    pushed += 1024 * 1024;
    g_assert_cmpuint (pushed, <=, FRAMER_MAX_SIZE);
  }
  g_assert_nonnull (strstr (framer_get_problem (framer), "too long"));
  framer_reset (framer, FRAMING_LINE);
  g_assert_true (framer_push (framer, "a\n", 2));
}

static void
test_markup (void)
{
  static const struct {
    const char *markup, *text;
  } texts[] = {
      {"plain", "plain"},
      {"<i>Hello</i> &amp; bye", "Hello & bye"},
      {"a &lt; b &#233;", "a < b é"},
      {"1 < 2", "1 < 2"}, /* no markup: literally */
      {"<b>open", "<b>open"},
      {"a & b", "a & b"},
      {"<span color=\"red\">r</span>", "r"},
      {"", ""},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree char *text = framer_strip_markup (texts[i].markup);

    g_assert_cmpstr (text, ==, texts[i].text);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strconcat ("/framer/", cases[i].name, NULL);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_case);
  }
  g_test_add_func ("/framer/buffer", test_buffer);
  g_test_add_func ("/framer/bad", test_bad);
  g_test_add_func ("/framer/too-long", test_too_long);
  g_test_add_func ("/framer/markup", test_markup);
  return g_test_run ();
}
