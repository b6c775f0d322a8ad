/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UTF-8 against GLib's validator and the examples of the Unicode standard;
 * classes against GLib's, which are of a version close to ours. */
#include <string.h>

#include "bn-unicode.h"

#define R "\xEF\xBF\xBD"

/* Bytes and what they become; one U+FFFD for every maximal subpart. The first
 * four are tables 3-8 to 3-11 of the standard. */
static const struct {
  const char *bytes, *text;
} joined[] = {
    {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", R R R R R R R R "A"},
    {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", R R R R R R R R "A"},
    {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", R R R R R "A" R R "B"},
    {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", R R R R "A"},
    {"", ""},
    {"abc", "abc"},
    {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82",
        "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82"},
    {"\x80", R},
    {"\xC3", R},
    {"\xE2\x82", R},
    {"\xF0\x9F\x99", R},
    {"\xF0\x9F\x99\xC3\xA9", R "\xC3\xA9"},
    {"\xF5\x80\x80\x80", R R R R},
    {"\xE2\x82\xE2\x82\xAC", R "\xE2\x82\xAC"},
    {"\xE2\x28\xA1", R "(" R},
};

/* Cuts at all pairs of places give the same text. */
static void
test_joiner (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (joined); i++) {
    const guint8 *bytes = (const guint8 *) joined[i].bytes;
    gsize size = strlen (joined[i].bytes);

    for (gsize first = 0; first <= size; first++) {
      for (gsize second = first; second <= size; second++) {
        BnUtf8Joiner joiner = {.n_pending = 0};
        g_autoptr (GString) text = g_string_new (NULL);

        bn_utf8_joiner_push (&joiner, bytes, first, text);
        g_assert_true (g_utf8_validate (text->str, (gssize) text->len, NULL));
        bn_utf8_joiner_push (&joiner, bytes + first, second - first, text);
        g_assert_true (g_utf8_validate (text->str, (gssize) text->len, NULL));
        bn_utf8_joiner_push (&joiner, bytes + second, size - second, text);
        bn_utf8_joiner_finish (&joiner, text);
        g_assert_cmpstr (text->str, ==, joined[i].text);
      }
    }
  }
}

/* A character comes out with its last byte, not later. */
static void
test_joiner_at_once (void)
{
  static const guint8 euro[] = {0xE2, 0x82, 0xAC};
  BnUtf8Joiner joiner = {.n_pending = 0};
  g_autoptr (GString) text = g_string_new (NULL);

  bn_utf8_joiner_push (&joiner, euro, 2, text);
  g_assert_cmpuint (text->len, ==, 0);
  bn_utf8_joiner_push (&joiner, euro + 2, 1, text);
  g_assert_cmpuint (text->len, ==, 3);
}

/* Bytes of which many are on the edges of what is allowed. */
static guint8
random_byte (GRand *rand)
{
  static const guint8 edges[] = {0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
      0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3,
      0xF4, 0xF5, 0xFF};

  if (g_rand_int_range (rand, 0, 3) == 0)
    return (guint8) g_rand_int_range (rand, 1, 256);
  return edges[g_rand_int_range (rand, 0, G_N_ELEMENTS (edges))];
}

static void
test_validate (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (guint i = 0; i < 200000; i++) {
    guint8 bytes[24];
    gsize size = (gsize) g_rand_int_range (rand, 0, sizeof bytes + 1);
    const char *end;
    gsize bad = 0;

    /* A valid beginning, so that the fast path is left late. */
    memset (bytes, 'a', sizeof bytes);
    for (gsize j = (gsize) g_rand_int_range (rand, 0, 20); j < size; j++)
      bytes[j] = random_byte (rand);
    if (g_utf8_validate_len ((const char *) bytes, size, &end)) {
      g_assert_true (bn_utf8_validate (bytes, size, &bad));
    } else {
      g_assert_false (bn_utf8_validate (bytes, size, &bad));
      g_assert_cmpuint (bad, ==, (gsize) (end - (const char *) bytes));
    }
  }
}

/* Every pair of first bytes, with the others around their limits. */
static void
test_validate_starts (void)
{
  static const guint8 rest[] = {0x41, 0x7F, 0x80, 0x8F, 0x90, 0xBF, 0xC0};

  for (guint i = 0x8000; i < 0x10000; i++) {
    if (i % 0x100 == 0)
      continue; /* not UTF-8 to GLib */
    for (guint j = 0; j < G_N_ELEMENTS (rest) * G_N_ELEMENTS (rest); j++) {
      guint8 bytes[] = {(guint8) (i >> 8), (guint8) i,
          rest[j / G_N_ELEMENTS (rest)], rest[j % G_N_ELEMENTS (rest)], 'a',
          'a', 'a', 'a'};
      const char *end;
      gsize bad = sizeof bytes;

      g_utf8_validate_len ((const char *) bytes, sizeof bytes, &end);
      bn_utf8_validate (bytes, sizeof bytes, &bad);
      g_assert_cmpuint (bad, ==, (gsize) (end - (const char *) bytes));
    }
  }
}

static void
test_validate_nul (void)
{
  gsize bad;

  g_assert_true (bn_utf8_validate ((const guint8 *) "a\0b\0", 4, &bad));
}

static void
test_decode_all (void)
{
  for (guint32 cp = 0; cp < 0x110000; cp++) {
    guint8 bytes[6];
    int length = g_unichar_to_utf8 (cp, (char *) bytes);
    guint32 found = 0;

    if (cp >= 0xD800 && cp < 0xE000) {
      g_assert_cmpint (bn_utf8_decode (bytes, 3, &found), ==, -1);
      continue;
    }
    g_assert_cmpint (
        bn_utf8_decode (bytes, (gsize) length, &found), ==, length);
    g_assert_cmpuint (found, ==, cp);
    for (int cut = 1; cut < length; cut++)
      g_assert_cmpint (bn_utf8_decode (bytes, (gsize) cut, &found), ==, 0);
  }
}

static const BnCategory categories[] = {
    [G_UNICODE_CONTROL] = BN_CATEGORY_CC,
    [G_UNICODE_FORMAT] = BN_CATEGORY_CF,
    [G_UNICODE_UNASSIGNED] = BN_CATEGORY_CN,
    [G_UNICODE_PRIVATE_USE] = BN_CATEGORY_CO,
    [G_UNICODE_SURROGATE] = BN_CATEGORY_CS,
    [G_UNICODE_LOWERCASE_LETTER] = BN_CATEGORY_LL,
    [G_UNICODE_MODIFIER_LETTER] = BN_CATEGORY_LM,
    [G_UNICODE_OTHER_LETTER] = BN_CATEGORY_LO,
    [G_UNICODE_TITLECASE_LETTER] = BN_CATEGORY_LT,
    [G_UNICODE_UPPERCASE_LETTER] = BN_CATEGORY_LU,
    [G_UNICODE_SPACING_MARK] = BN_CATEGORY_MC,
    [G_UNICODE_ENCLOSING_MARK] = BN_CATEGORY_ME,
    [G_UNICODE_NON_SPACING_MARK] = BN_CATEGORY_MN,
    [G_UNICODE_DECIMAL_NUMBER] = BN_CATEGORY_ND,
    [G_UNICODE_LETTER_NUMBER] = BN_CATEGORY_NL,
    [G_UNICODE_OTHER_NUMBER] = BN_CATEGORY_NO,
    [G_UNICODE_CONNECT_PUNCTUATION] = BN_CATEGORY_PC,
    [G_UNICODE_DASH_PUNCTUATION] = BN_CATEGORY_PD,
    [G_UNICODE_CLOSE_PUNCTUATION] = BN_CATEGORY_PE,
    [G_UNICODE_FINAL_PUNCTUATION] = BN_CATEGORY_PF,
    [G_UNICODE_INITIAL_PUNCTUATION] = BN_CATEGORY_PI,
    [G_UNICODE_OTHER_PUNCTUATION] = BN_CATEGORY_PO,
    [G_UNICODE_OPEN_PUNCTUATION] = BN_CATEGORY_PS,
    [G_UNICODE_CURRENCY_SYMBOL] = BN_CATEGORY_SC,
    [G_UNICODE_MODIFIER_SYMBOL] = BN_CATEGORY_SK,
    [G_UNICODE_MATH_SYMBOL] = BN_CATEGORY_SM,
    [G_UNICODE_OTHER_SYMBOL] = BN_CATEGORY_SO,
    [G_UNICODE_LINE_SEPARATOR] = BN_CATEGORY_ZL,
    [G_UNICODE_PARAGRAPH_SEPARATOR] = BN_CATEGORY_ZP,
    [G_UNICODE_SPACE_SEPARATOR] = BN_CATEGORY_ZS,
};

/* Characters that both versions know have the same category, but for the few
 * that a version of the standard moves. */
static void
test_categories (void)
{
  guint n_different = 0, n_compared = 0;

  for (guint32 cp = 0; cp < 0x110000; cp++) {
    BnCategory ours = bn_unicode_category (cp);
    BnCategory glib = categories[g_unichar_type (cp)];

    if (ours == BN_CATEGORY_CN || glib == BN_CATEGORY_CN)
      continue;
    n_compared++;
    n_different += ours != glib;
  }
  g_assert_cmpuint (n_compared, >, 280000);
  g_assert_cmpuint (n_different, <, 32);
}

/* New in 15.1, and not assigned before 16.0. */
static void
test_version (void)
{
  g_assert_cmpint (bn_unicode_category (0x2EBF0), ==, BN_CATEGORY_LO);
  g_assert_cmpint (bn_unicode_category (0x31EF), ==, BN_CATEGORY_SO);
  g_assert_cmpint (bn_unicode_category (0x1C89), ==, BN_CATEGORY_CN);
}

static void
test_flags (void)
{
  guint n_spaces = 0;

  for (guint32 cp = 0; cp < 0x110000; cp++) {
    unsigned flags = bn_char_flags (cp);

    n_spaces += (flags & BN_CHAR_SPACE) != 0;
    if (cp < 0x80)
      g_assert_cmpuint (bn_byte_flags[cp], ==, flags);
    if (flags & BN_CHAR_LETTER)
      g_assert_cmpint (bn_unicode_category (cp), <=, BN_CATEGORY_LO);
  }
  g_assert_cmpuint (n_spaces, ==, 25);
  g_assert_true (bn_char_flags (0x0B) & BN_CHAR_SPACE);
  g_assert_true (bn_char_flags (0x85) & BN_CHAR_SPACE);
  g_assert_true (bn_char_flags (0x3000) & BN_CHAR_SPACE);
  g_assert_false (bn_char_flags (0x180E) & BN_CHAR_SPACE);
  g_assert_false (bn_char_flags (0x200B) & BN_CHAR_SPACE);
  g_assert_cmpuint (bn_char_flags ('a'), ==, BN_CHAR_LETTER);
  g_assert_cmpuint (bn_char_flags (0xB2), ==, BN_CHAR_NUMBER);
  g_assert_cmpuint (bn_char_flags ('_'), ==, BN_CHAR_PUNCTUATION);
  g_assert_cmpuint (bn_char_flags ('$'), ==, BN_CHAR_SYMBOL);
  g_assert_cmpuint (bn_char_flags (0x301), ==, BN_CHAR_MARK);
}

/* Lower case without context; U+0130 alone becomes two characters. */
static void
test_lower (void)
{
  static const struct {
    guint32 cp, simple;
    guint32 full[2];
  } cases[] = {{'A', 'a', {'a'}}, {'a', 'a', {'a'}},
      {0x0130, 'i', {'i', 0x0307}}, {0x03A3, 0x03C3, {0x03C3}},
      {0x00DF, 0x00DF, {0x00DF}}, {0x1E9E, 0x00DF, {0x00DF}},
      {0x01C5, 0x01C6, {0x01C6}}, {0x212A, 'k', {'k'}},
      {0x10400, 0x10428, {0x10428}}, {0x1E921, 0x1E943, {0x1E943}},
      {0xA7DC, 0xA7DC, {0x019B}}, {0x10FFFF, 0x10FFFF, {0x10FFFF}}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    guint32 lower[2] = {0, 0};
    guint n = bn_lower_full (cases[i].cp, lower);

    g_assert_cmphex (bn_lower_simple (cases[i].cp), ==, cases[i].simple);
    g_assert_cmpuint (n, ==, cases[i].full[1] ? 2 : 1);
    g_assert_cmphex (lower[0], ==, cases[i].full[0]);
    g_assert_cmphex (lower[1], ==, cases[i].full[1]);
  }
}

/* Examples of UAX 29: | is where a cluster ends. */
static void
test_graphemes (void)
{
  static const char *const cases[] = {"a|b", "\r\n|\n|\r", "a\u0308|b",
      "a|\001|\u0308", "\u1100\u1161\u11A8|\u1100", "\uAC00\u11A8|\u1161",
      "\u1100\uAC01|\uAC01",
      "\U0001F1E6\U0001F1E7|\U0001F1E8\U0001F1E9|\U0001F1EA",
      "\U0001F469\u200D\U0001F467|\U0001F467",
      "\U0001F6D1\U0001F3FF\u200D\U0001F6D1", "a\u200D|\U0001F6D1", "\u0600a|b",
      "\u0E33|\u0E01\u0E33", "\u0915\u094D\u0937|\u0915",
      "\u0915\u094D\u200D\u0937", "\u0915|\u0937", "\u0915\u200C\u094D|a",
      "\u0915\u094D\u200C|\u0937", "x\u200C\u0300|y"};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (GStrv) clusters = g_strsplit (cases[i], "|", -1);
    g_autofree char *text = g_strjoinv ("", clusters);
    const guint8 *p = (const guint8 *) text;

    for (gsize k = 0; clusters[k]; k++) {
      g_assert_cmpuint (bn_grapheme_next (p, strlen ((const char *) p)), ==,
          strlen (clusters[k]));
      p += strlen (clusters[k]);
    }
    g_assert_cmpuint (*p, ==, 0);
  }
}

/* What changes between the versions, and what the libraries define. */
static void
test_versions (void)
{
  /* GARAY CAPITAL LETTER A is new in 16.0. */
  g_assert_cmpint (bn_unicode_category (0x10D50), ==, BN_CATEGORY_CN);
  g_assert_cmpint (bn_unicode_category_16 (0x10D50), ==, BN_CATEGORY_LU);
  g_assert_cmpuint (bn_char_flags (0x10D50), ==, 0);
  g_assert_cmpuint (bn_char_flags_16 (0x10D50), ==, BN_CHAR_LETTER);
  g_assert_cmpint (bn_unicode_category (0x1171E), ==, BN_CATEGORY_MN);
  g_assert_cmpint (bn_unicode_category_16 (0x1171E), ==, BN_CATEGORY_MC);
  for (guint32 cp = 0; cp < 0x110000; cp++) {
    guint old = bn_char_flags (cp), new = bn_char_flags_16 (cp);

    if (bn_unicode_category (cp) != BN_CATEGORY_CN)
      g_assert_cmpuint (old, ==, new);
  }

  /* CANADIAN SYLLABICS CHI SIGN was punctuation in 8.0. */
  g_assert_true (bn_char_properties (0x166D) & BN_PROPERTY_PUNCTUATION_8);
  g_assert_false (bn_char_flags (0x166D) & BN_CHAR_PUNCTUATION);
  g_assert_true (bn_char_properties ('$') & BN_PROPERTY_PUNCTUATION_8);
  g_assert_true (bn_char_properties (0x00AD) & BN_PROPERTY_OTHER_8);
  g_assert_false (bn_char_properties (0x0378) & BN_PROPERTY_OTHER_8);
  g_assert_true (bn_char_properties ('_') & BN_PROPERTY_WORD);
  g_assert_true (bn_char_properties (0x200D) & BN_PROPERTY_WORD);
  g_assert_false (bn_char_properties (0x00B2) & BN_PROPERTY_WORD);
  g_assert_true (bn_char_properties (0x00B2) & BN_PROPERTY_NUMERIC);

  /* Scripts: Hiragana, Katakana and U+30FC are Han. */
  g_assert_cmpuint (
      bn_unicode_script_9 (0x3042), ==, bn_unicode_script_9 (0x4E2D));
  g_assert_cmpuint (
      bn_unicode_script_9 (0x30FC), ==, bn_unicode_script_9 (0x30A2));
  g_assert_cmpuint (bn_unicode_script_9 (' '), ==, 0);
  g_assert_cmpuint (bn_unicode_script_9 (0x10FFFF), ==, 0);
  g_assert_cmpuint (bn_unicode_script_9 ('a'), !=, bn_unicode_script_9 ('.'));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/unicode/joiner", test_joiner);
  g_test_add_func ("/unicode/joiner-at-once", test_joiner_at_once);
  g_test_add_func ("/unicode/validate", test_validate);
  g_test_add_func ("/unicode/validate-starts", test_validate_starts);
  g_test_add_func ("/unicode/validate-nul", test_validate_nul);
  g_test_add_func ("/unicode/decode-all", test_decode_all);
  g_test_add_func ("/unicode/categories", test_categories);
  g_test_add_func ("/unicode/version", test_version);
  g_test_add_func ("/unicode/flags", test_flags);
  g_test_add_func ("/unicode/lower", test_lower);
  g_test_add_func ("/unicode/graphemes", test_graphemes);
  g_test_add_func ("/unicode/versions", test_versions);
  return g_test_run ();
}
