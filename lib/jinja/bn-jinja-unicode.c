/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Characters as Python classifies them, and changes of case. */
#include "bn-jinja-private.h"

#include <string.h>

enum { CAPITAL_SIGMA = 0x3A3, SIGMA = 0x3C3, FINAL_SIGMA = 0x3C2 };

gboolean
bn_j_is_space (gunichar c)
{
  if (c < 0x80)
    return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A)
         || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F
         || c == 0x3000;
}

gboolean
bn_j_is_line_end (gunichar c)
{
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85
         || c == 0x2028 || c == 0x2029;
}

gboolean
bn_j_is_printable (gunichar c)
{
  if (c < 0x7F)
    return c >= 0x20;
  switch (g_unichar_type (c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_UNASSIGNED:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_SPACE_SEPARATOR:
      return FALSE;
    default:
      return TRUE;
  }
}

size_t
bn_j_skip_space (const char *text, size_t size, size_t at)
{
  while (at < size) {
    gunichar c = g_utf8_get_char (text + at);

    if (!bn_j_is_space (c))
      break;
    at += (size_t) g_unichar_to_utf8 (c, NULL);
  }
  return at;
}

size_t
bn_j_rskip_space (const char *text, size_t size, size_t at)
{
  while (size > at) {
    const char *previous = g_utf8_prev_char (text + size);

    if (!bn_j_is_space (g_utf8_get_char (previous)))
      break;
    size = (size_t) (previous - text);
  }
  return size;
}

/* Letters that have case, in the sense of Unicode's Final_Sigma. */
static gboolean
is_cased (gunichar c)
{
  return g_unichar_isupper (c) || g_unichar_islower (c)
         || g_unichar_istitle (c);
}

static gboolean
is_case_ignorable (gunichar c)
{
  if (c < 0x80)
    return c == '\'' || c == '.' || c == ':' || c == '^' || c == '`';
  switch (g_unichar_type (c)) {
    case G_UNICODE_NON_SPACING_MARK:
    case G_UNICODE_ENCLOSING_MARK:
    case G_UNICODE_FORMAT:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_MODIFIER_SYMBOL:
      return TRUE;
    default:
      return c == 0xB7 || c == 0x2018 || c == 0x2019 || c == 0x2024
             || c == 0x2027;
  }
}

/* Whether the sigma at at ends a word. */
static gboolean
is_final (const BnJString *string, size_t at)
{
  const char *begin = string->text, *end = begin + string->size;
  const char *p = begin + at;
  gboolean follows_letter = FALSE;

  while (p > begin && !follows_letter) {
    p = g_utf8_prev_char (p);
    if (is_case_ignorable (g_utf8_get_char (p)))
      continue;
    if (!is_cased (g_utf8_get_char (p)))
      return FALSE;
    follows_letter = TRUE;
  }
  for (p = g_utf8_next_char (begin + at); p < end; p = g_utf8_next_char (p)) {
    if (!is_case_ignorable (g_utf8_get_char (p)))
      return follows_letter && !is_cased (g_utf8_get_char (p));
  }
  return follows_letter;
}

/* Title case of the characters that are several letters. */
static gboolean
append_title (BnJ *j, BnJBuffer *buffer, gunichar c, BnJinjaTrust trust)
{
  static const struct {
    gunichar c;
    const char *title;
  } special[] = {{0xDF, "Ss"}, {0xFB00, "Ff"}, {0xFB01, "Fi"}, {0xFB02, "Fl"},
      {0xFB03, "Ffi"}, {0xFB04, "Ffl"}, {0xFB05, "St"}, {0xFB06, "St"},
      {0x587, "\xD4\xB5\xD6\x82"}};
  char bytes[6];

  for (size_t i = 0; i < G_N_ELEMENTS (special); i++) {
    if (special[i].c == c) {
      bn_j_append (
          j, buffer, special[i].title, strlen (special[i].title), trust);
      return TRUE;
    }
  }
  if (g_unichar_totitle (c) == c && !g_unichar_istitle (c))
    return FALSE;
  bn_j_append (j, buffer, bytes,
      (size_t) g_unichar_to_utf8 (g_unichar_totitle (c), bytes), trust);
  return TRUE;
}

static void
append_cased (BnJ *j, BnJBuffer *buffer, const BnJString *string, size_t at,
    BnJCase to, BnJinjaTrust trust)
{
  const char *p = string->text + at;
  gunichar c = g_utf8_get_char (p);
  char *changed;
  char ascii;

  if (c < 0x80) {
    ascii = to == BN_J_UPPER || to == BN_J_TITLE ? g_ascii_toupper ((char) c)
                                                 : g_ascii_tolower ((char) c);
    bn_j_append (j, buffer, &ascii, 1, trust);
    return;
  }
  if (to == BN_J_LOWER && c == CAPITAL_SIGMA) {
    bn_j_append (
        j, buffer, is_final (string, at) ? "\xCF\x82" : "\xCF\x83", 2, trust);
    return;
  }
  if (to == BN_J_LOWER && c == 0x130) {
    bn_j_append (j, buffer, "i\xCC\x87", 3, trust);
    return;
  }
  if (to == BN_J_TITLE && append_title (j, buffer, c, trust))
    return;
  /* One character of them at a time, so that no language's rules apply. */
  changed = to == BN_J_LOWER ? g_utf8_strdown (p, g_utf8_skip[*(guchar *) p])
            : to == BN_J_CASEFOLD
                ? g_utf8_casefold (p, g_utf8_skip[*(guchar *) p])
                : g_utf8_strup (p, g_utf8_skip[*(guchar *) p]);
  {
    char copy[64];
    size_t size = MIN (strlen (changed), sizeof copy);

    memcpy (copy, changed, size);
    g_free (changed);
    bn_j_append (j, buffer, copy, size, trust);
  }
}

static gboolean
range_has (const BnJString *string, size_t at)
{
  for (size_t i = 0; i < string->n_ranges; i++) {
    if (string->ranges[i].begin <= at && at < string->ranges[i].end)
      return TRUE;
    if (string->ranges[i].begin > at)
      break;
  }
  return FALSE;
}

BnJString *
bn_j_change_case (BnJ *j, const BnJString *string, BnJCase to)
{
  BnJBuffer *buffer = bn_j_buffer_new (j, string->size);
  gboolean follows_letter = FALSE;
  gboolean is_mixed = string->n_ranges > 1
                      || (string->n_ranges == 1
                          && (string->ranges[0].begin > 0
                              || string->ranges[0].end < string->size));
  BnJinjaTrust trust =
      bn_j_is_untrusted (string) ? BN_JINJA_UNTRUSTED : BN_JINJA_TRUSTED;
  BnJString *result;

  for (size_t at = 0; at < string->size;) {
    gunichar c = g_utf8_get_char (string->text + at);
    BnJCase one = to;

    if (to == BN_J_TITLE)
      one = follows_letter ? BN_J_LOWER : BN_J_TITLE;
    else if (to == BN_J_CAPITALIZE)
      one = at == 0 ? BN_J_TITLE : BN_J_LOWER;
    else if (to == BN_J_SWAPCASE)
      one = g_unichar_isupper (c)   ? BN_J_LOWER
            : g_unichar_islower (c) ? BN_J_UPPER
                                    : BN_J_SWAPCASE;
    if (is_mixed)
      trust = range_has (string, at) ? BN_JINJA_UNTRUSTED : BN_JINJA_TRUSTED;
    bn_j_step (j, (at & 15) == 0);
    if (one == BN_J_SWAPCASE)
      bn_j_append (j, buffer, string->text + at,
          (size_t) g_unichar_to_utf8 (c, NULL), trust);
    else
      append_cased (j, buffer, string, at, one, trust);
    follows_letter = is_cased (c);
    at += (size_t) g_unichar_to_utf8 (c, NULL);
  }
  result = bn_j_buffer_finish (j, buffer);
  result->is_markup = string->is_markup;
  return result;
}

/* Classes */

static gboolean
is_numeric (gunichar c)
{
  GUnicodeType type = g_unichar_type (c);

  return type == G_UNICODE_DECIMAL_NUMBER || type == G_UNICODE_LETTER_NUMBER
         || type == G_UNICODE_OTHER_NUMBER;
}

static gboolean
is_digit (gunichar c)
{
  return g_unichar_isdigit (c) || c == 0xB2 || c == 0xB3 || c == 0xB9
         || c == 0x2070 || (c >= 0x2074 && c <= 0x2079)
         || (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468);
}

static gboolean
is_of_class (gunichar c, const char *class_)
{
  if (strcmp (class_, "alpha") == 0)
    return g_unichar_isalpha (c);
  if (strcmp (class_, "alnum") == 0)
    return g_unichar_isalpha (c) || is_numeric (c);
  if (strcmp (class_, "digit") == 0)
    return is_digit (c);
  if (strcmp (class_, "decimal") == 0)
    return g_unichar_isdigit (c);
  if (strcmp (class_, "numeric") == 0)
    return is_numeric (c);
  if (strcmp (class_, "space") == 0)
    return bn_j_is_space (c);
  if (strcmp (class_, "printable") == 0)
    return bn_j_is_printable (c);
  return c < 0x80; /* ascii */
}

static gboolean
is_identifier (const BnJString *string)
{
  for (size_t at = 0; at < string->size;) {
    gunichar c = g_utf8_get_char (string->text + at);

    if (c != '_' && !g_unichar_isalpha (c)
        && (at == 0 || !(g_unichar_isalnum (c) || g_unichar_ismark (c))))
      return FALSE;
    at += (size_t) g_unichar_to_utf8 (c, NULL);
  }
  return string->size > 0;
}

gboolean
bn_j_string_is_class (const BnJString *string, const char *class_)
{
  gboolean has_case = strcmp (class_, "upper") == 0
                      || strcmp (class_, "lower") == 0
                      || strcmp (class_, "title") == 0;
  gboolean found = FALSE, follows_letter = FALSE;

  if (strcmp (class_, "identifier") == 0)
    return is_identifier (string);
  for (size_t at = 0; at < string->size;) {
    gunichar c = g_utf8_get_char (string->text + at);
    gboolean is_upper = g_unichar_isupper (c) || g_unichar_istitle (c);

    if (!has_case && !is_of_class (c, class_))
      return FALSE;
    if (has_case && is_cased (c)) {
      gboolean wants_upper =
          *class_ == 'u' || (*class_ == 't' && !follows_letter);

      if (is_upper != wants_upper)
        return FALSE;
      found = TRUE;
    }
    follows_letter = is_cased (c);
    at += (size_t) g_unichar_to_utf8 (c, NULL);
  }
  if (has_case)
    return found;
  return string->size > 0 || strcmp (class_, "ascii") == 0
         || strcmp (class_, "printable") == 0;
}
