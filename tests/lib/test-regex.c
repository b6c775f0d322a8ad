/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hand-written splitters against PCRE2, which runs the same expressions, on
 * random text; and what expressions of Oniguruma mean after translation. */
#include <string.h>

#include "bn-regex.h"
#include "bn-split-known.h"
#include "bn-unicode.h"

/* Matches between bars; facts from Oniguruma 6.9. */
static const struct {
  const char *pattern, *text, *matches;
} meanings[] = {
    {"\\d{1,3}+", "1234567", "1234567|"},
    {"\\d{3,1}", "1234567", "123|456|7|"},
    {"\\d{,2}", "123", "12|3|"},
    {"a**", "aab", "aa||"},
    {"a{x", "a{xb", "a{x|"},
    {"(?m)a.b", "a\nb", "a\nb|"},
    {"a.b", "a\nb", ""},
    {"a(?i)b|c", "aB C aC", "aB|aC|"},
    {"(?i:'s)", "'\u017F 'S", "'\u017F|'S|"},
    {"(?i:k)", "K\u212A", "K|\u212A|"},
    {"[]a]", "a]b", "a|]|"},
    {"[a&&b]", "ab", ""},
    {"[a-z&&[^aeiou]]+", "hello", "h|ll|"},
    {"[[a-c][x-z]]+", "abxq", "abx|"},
    {"[^a-z&&[^x]]+", "abxQ", "xQ|"},
    {"[[^a]b]+", "bca", "bc|"},
    {"\\h+", "fg \t", "f|"},
    {"\\v", "\v\n", "\v|"},
    {"\\N+", "a\nb", "a|b|"},
    {"\\O+", "a\nb", "a\nb|"},
    {"\\R", "\r\n\n", "\r\n|\n|"},
    {"\\s", "\u180E\u00A0", "\u00A0|"},
    {"[^\\S\\n]+", " \n\t", " |\t|"},
    {"\\w+", "\u00E9_\u00B2\u0301-", "\u00E9_\u00B2\u0301|"},
    {"[\\w]+", "a\u00B2", "a|"},
    {"\\pL", "apL", "pL|"},
    {"\\p{^L}", "a1", "1|"},
    {"\\P{^L}", "a1", "a|"},
    {"[\\P{L}b]+", "a1b", "1b|"},
    {"\\p{uppercase letter}", "aA", "A|"},
    {"\\p{Punct}", ".$", ".|"},
    {"[[:punct:]]+", ".$a", ".$|"},
    {"[[:^alpha:]]", "a1", "1|"},
    {"\\p{Han}", "\u4E2Da\U0002EBF0", "\u4E2D|\U0002EBF0|"},
    {"\\p{Han}", "\u3002\u30FC", ""},
    {"\\p{Lu}", "\U00010D50", "\U00010D50|"},
    {"\\p{Cn}", "\U00010D50\u0378", "\u0378|"},
    {"(?x) a b # c", "ab", "ab|"},
    {"(?x)[a b]", " ", " |"},
    {"(?#c)a", "a", "a|"},
    {"\\u0041|\\x{42}|\\103|\\x44", "ABCD", "A|B|C|D|"},
    {"(a)\\1", "aa", "aa|"},
    {"(a)\\k<-1>", "aa", "aa|"},
    {"(?<n>a)(b)\\k<n>", "aba", "aba|"},
    {"(?<x>a\\g<x>?b)", "aabb", "aabb|"},
    {"(?<!a|bc)d", "bcd ad xd", "d|"},
    {"^", "a\nb\n", "||"},
    {"$", "a\nb", "||"},
    {"a\\Z", "a\n", "a|"},
    {"a\\z", "a\n", ""},
    {"x*", "axb", "|x||"},
    {"", "ab", "|||"},
    {"\\b", "ab c", "||||"},
};

static char *
join_matches (const BnRegex *regex, BnScratch *scratch, const char *text)
{
  GString *joined = g_string_new (NULL);
  BnRegexIter iter;
  gsize start, end;

  bn_regex_iter_init (
      &iter, regex, scratch, (const guint8 *) text, strlen (text));
  while (bn_regex_iter_next (&iter, &start, &end)) {
    g_string_append_len (joined, text + start, (gssize) (end - start));
    g_string_append_c (joined, '|');
  }
  g_assert_false (iter.has_failed);
  return g_string_free (joined, FALSE);
}

static BnRegex *
compile (const char *pattern)
{
  g_autofree char *problem = NULL;
  gsize offset;
  BnRegex *regex =
      bn_regex_new_pattern (pattern, strlen (pattern), &offset, &problem);

  if (!regex)
    g_error ("%s: %s at %" G_GSIZE_FORMAT, pattern, problem, offset);
  return regex;
}

static void
test_meanings (void)
{
  g_autoptr (BnScratch) scratch = bn_scratch_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (meanings); i++) {
    g_autoptr (BnRegex) regex = compile (meanings[i].pattern);
    g_autofree char *joined = join_matches (regex, scratch, meanings[i].text);

    if (strcmp (joined, meanings[i].matches) != 0)
      g_error ("%s matches \"%s\" in \"%s\", not \"%s\"", meanings[i].pattern,
          joined, meanings[i].text, meanings[i].matches);
  }
}

/* Random expressions are refused or compiled, and then matched. */
static void
test_random_patterns (void)
{
  static const char *const parts[] = {"(", ")", "(?:", "(?i)", "(?<n>",
      "(?=", "(?<!", "[", "]", "[^", "&&", "-", "|", "*", "+", "?", "{2}",
      "{1,3}", "{,2}", "a", "b", "\\p{L}", "\\P{^N}", "\\w", "\\S", "\\b",
      "\\1", "\\k<n>", "\\x{e9}", "\\", "[:alpha:]", "^", "$", ".", "\xC3\xA9",
      "#", "(?x)", " ", "\\G", "(?#", "\\p{", "\\u00"};
  g_autoptr (GRand) rand = g_rand_new_with_seed (17);
  g_autoptr (BnScratch) scratch = bn_scratch_new ();
  guint n_compiled = 0;

  for (guint round = 0; round < 20000; round++) {
    g_autoptr (GString) pattern = g_string_new (NULL);
    g_autofree char *problem = NULL;
    g_autoptr (BnRegex) regex = NULL;
    gsize offset;

    for (gint n = g_rand_int_range (rand, 1, 9); n > 0; n--)
      g_string_append (
          pattern, parts[g_rand_int_range (rand, 0, G_N_ELEMENTS (parts))]);
    regex =
        bn_regex_new_pattern (pattern->str, pattern->len, &offset, &problem);
    if (regex) {
      g_autofree char *joined = join_matches (regex, scratch,
          "ab \xC3\xA9"
          "1aab");

      n_compiled++;
    } else {
      g_assert_nonnull (problem);
      g_assert_cmpuint (offset, <=, pattern->len);
    }
  }
  g_assert_cmpuint (n_compiled, >, 1000);
}

/* Characters that the expressions tell apart, and any others of 15.1. */
static guint32
random_character (GRand *rand)
{
  static const guint32 interesting[] = {'\'', 's', 'S', 't', 'r', 'e', 'v', 'm',
      'l', 'L', 'd', ' ', ' ', '\n', '\r', '\t', '/', '_', '!', '$', '0', '7',
      0x17F, 0x85, 0xA0, 0x2028, 0x3000, 0x180E, 0x200B, 0xE9, 0xC9, 0x1C5,
      0x2B0, 0x301, 0x660, 0x2167, 0xB2, 0x4E2D, 0x3042, 0x30FC, 0xAC00, 0x0E01,
      0x0964, 0x2026, 0x3002, 0xFF0C, 0x1F600, 0x10400, 0x20000, '(', ')', '|',
      '.', ',', '?', '[', ']'};
  guint32 cp;

  if (g_rand_int_range (rand, 0, 4) > 0)
    return interesting[g_rand_int_range (rand, 0, G_N_ELEMENTS (interesting))];
  do
    cp = (guint32) g_rand_int_range (
        rand, 0, g_rand_boolean (rand) ? 0x3100 : 0x110000);
  while ((cp >= 0xD800 && cp < 0xE000)
         || bn_unicode_category (cp) != bn_unicode_category_16 (cp));
  return cp;
}

static void
check_known (const BnKnownPattern *known, const BnRegex *regex,
    BnScratch *scratch, const GString *text)
{
  const guint8 *bytes = (const guint8 *) text->str, *end = bytes + text->len;
  gsize pos = 0, start, stop;
  BnRegexIter iter;

  bn_regex_iter_init (&iter, regex, scratch, bytes, text->len);
  while (bn_regex_iter_next (&iter, &start, &stop)) {
    if (start > pos) {
      g_assert_true (known->has_gaps);
      g_assert_cmpuint (known->cut (bytes + pos, end), ==, start - pos);
    }
    if (known->cut (bytes + start, end) != stop - start) {
      g_autofree char *shown = g_strescape (text->str, NULL);

      g_error ("%s: \"%s\" at %" G_GSIZE_FORMAT, known->pattern, shown, start);
    }
    pos = stop;
  }
  g_assert_false (iter.has_failed);
  if (pos < text->len) {
    g_assert_true (known->has_gaps);
    g_assert_cmpuint (known->cut (bytes + pos, end), ==, text->len - pos);
  }
}

static void
test_known (gconstpointer data)
{
  const BnKnownPattern *known = data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (41);
  g_autoptr (BnScratch) scratch = bn_scratch_new ();
  g_autoptr (BnRegex) regex = compile (known->pattern);
  /* Written in another way, it is still the same. */
  g_autofree char *spelled = g_strdup_printf ("(?#x)%s", known->pattern);

  g_assert_true (
      bn_split_find_known (spelled, strlen (spelled), BN_KNOWN_ISOLATED)
      == known->cut);
  g_assert_true (
      bn_split_find_known (spelled, strlen (spelled), BN_KNOWN_WITHOUT_GAPS)
      == (known->has_gaps ? NULL : known->cut));
  for (guint round = 0; round < 4000; round++) {
    g_autoptr (GString) text = g_string_new (NULL);

    for (gint n = g_rand_int_range (rand, 1, 25); n > 0; n--) {
      guint8 bytes[4];
      guint length = bn_utf8_encode (random_character (rand), bytes);

      g_string_append_len (text, (char *) bytes, length);
    }
    check_known (known, regex, scratch, text);
  }
}

int
main (int argc, char **argv)
{
  const BnKnownPattern *known;
  gsize n_known;

  g_test_init (&argc, &argv, NULL);
  known = bn_split_list_known (&n_known);
  for (gsize i = 0; i < n_known; i++) {
    g_autofree char *path =
        g_strdup_printf ("/regex/known/%" G_GSIZE_FORMAT, i + 1);

    g_test_add_data_func (path, &known[i], test_known);
  }
  g_test_add_func ("/regex/meanings", test_meanings);
  g_test_add_func ("/regex/random", test_random_patterns);
  return g_test_run ();
}
