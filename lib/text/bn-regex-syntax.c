/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the syntax of Oniguruma (Ruby) to that of PCRE2, in one pass.
 *
 * What differs and is rewritten:
 *
 *   (?m)  x{,3}  x{2,3}+  x{3,1}     options and counts that mean other things
 *   a(?i)b|c                         an option ends with its group: a(?i:b|c)
 *   \h  \v  \N  \O  \s  \d  \w  \b   letters, and classes of Unicode
 *   [a-z&&[^x]]  [[^a]b]             sets in sets become look-ahead
 *   \p{L}                            with characters that PCRE2 may not know
 *
 * Matching runs with PCRE2_MULTILINE, a line ends with LF, so that ^ $ and .
 * mean the same. */
#define _GNU_SOURCE /* memmem() */
#include "bn-regex.h"

#include <string.h>

#include "bn-regex-property.h"
#include "bn-unicode.h"

enum {
  MAX_DEPTH = 200,
  MAX_REPEAT = 65535, /* of PCRE2 */
  MAX_NAME = 32,
  NOT_FOUND = -1,
};

#define ANY_CHARACTER "(?s:.)"
#define NO_CHARACTER "(?!)"

typedef struct {
  const char *start, *p, *end;
  GString *out;
  gboolean is_extended; /* (?x) */
  gboolean has_names;   /* so that ( does not capture */
  unsigned depth, class_depth, n_groups, max_reference;
  size_t reference_offset;
  const char *at; /* of the problem */
  char *problem;
} Translator;

/* What one character is matched against. */
typedef struct {
  GString *items;   /* of a class [...], all positive */
  GPtrArray *atoms; /* expressions for one character each */
} Set;

typedef enum {
  ESCAPE_CHARACTER,
  ESCAPE_SET,     /* items, which may be negated */
  ESCAPE_PATTERN, /* an expression */
  ESCAPE_ANCHOR,
} EscapeKind;

typedef struct {
  EscapeKind kind;
  uint32_t cp;
  GString *text; /* items or expression */
  gboolean is_negated;
} Escape;

static gboolean G_GNUC_PRINTF (3, 4)
    fail (Translator *self, const char *at, const char *format, ...)
{
  va_list args;

  if (!self->problem) {
    va_start (args, format);
    self->problem = g_strdup_vprintf (format, args);
    va_end (args);
    self->at = at;
  }
  return FALSE;
}

static gboolean
at_text (const Translator *self, const char *text)
{
  size_t length = strlen (text);

  return (size_t) (self->end - self->p) >= length
         && memcmp (self->p, text, length) == 0;
}

static gboolean
take (Translator *self, const char *text)
{
  if (!at_text (self, text))
    return FALSE;
  self->p += strlen (text);
  return TRUE;
}

static uint32_t
next_character (Translator *self)
{
  uint32_t cp;

  self->p += bn_utf8_next (
      (const uint8_t *) self->p, (const uint8_t *) self->end, &cp);
  return cp;
}

/* {Name} or {^Name} behind \p. */
static gboolean
read_property (Translator *self, const char *at, Escape *escape)
{
  g_autoptr (GString) name = g_string_new (NULL);

  self->p++;
  if (take (self, "^"))
    escape->is_negated = !escape->is_negated;
  while (self->p < self->end && *self->p != '}') {
    char c = *self->p++;

    if (g_ascii_isalnum (c))
      g_string_append_c (name, g_ascii_tolower (c));
    else if (c != ' ' && c != '_' && c != '-')
      return fail (self, at, "this form of \\p{...}");
  }
  if (!take (self, "}") || name->len == 0 || name->len > 2 * MAX_NAME)
    return fail (self, at, "an unfinished \\p{...}");
  escape->kind = ESCAPE_SET;
  return bn_regex_append_property (escape->text, name->str, &escape->is_negated)
         || fail (self, at, "the property \\p{%s}", name->str);
}

/* Escapes. */

/* At most max_digits digits of a base; NOT_FOUND if there is none. */
static int64_t
read_number (Translator *self, unsigned base, unsigned max_digits)
{
  int64_t value = 0;
  unsigned n = 0;

  for (; n < max_digits && self->p < self->end; n++) {
    int digit = g_ascii_xdigit_value (*self->p);

    if (digit < 0 || (unsigned) digit >= base)
      break;
    value = value * base + digit;
    self->p++;
  }
  return n > 0 ? value : NOT_FOUND;
}

/* Behind \x. Up to 7F, as larger ones are bytes. */
static gboolean
read_hex (Translator *self, const char *at, Escape *escape)
{
  int64_t cp;

  if (take (self, "{")) {
    cp = read_number (self, 16, 8);
    if (cp == NOT_FOUND || !take (self, "}"))
      return fail (self, at, "this form of \\x{...}");
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000))
      return fail (self, at, "the code point %" G_GINT64_MODIFIER "X", cp);
  } else {
    cp = read_number (self, 16, 2);
    if (cp == NOT_FOUND)
      cp = 0;
    if (cp > 0x7F)
      return fail (self, at, "the byte \\x%02X", (unsigned) cp);
  }
  escape->cp = (uint32_t) cp;
  return TRUE;
}

static gboolean
read_octal (Translator *self, const char *at, Escape *escape)
{
  int64_t cp = read_number (self, 8, 3);

  if (cp == NOT_FOUND || cp > 0x7F)
    return fail (self, at, "this number");
  escape->cp = (uint32_t) cp;
  return TRUE;
}

static gboolean
set_items (Escape *escape, const char *items, gboolean is_negated)
{
  escape->kind = ESCAPE_SET;
  escape->is_negated = is_negated;
  g_string_append (escape->text, items);
  return TRUE;
}

/* Escapes that mean the same inside and outside of classes. p is behind the
 * letter. */
static gboolean
read_common_escape (
    Translator *self, const char *at, uint32_t letter, Escape *escape)
{
  static const char letters[] = "tnrfaev";
  static const char values[] = "\t\n\r\f\a\x1B\v";
  const char *found =
      letter > 0 && letter < 0x80 ? strchr (letters, (int) letter) : NULL;
  int64_t cp;

  escape->kind = ESCAPE_CHARACTER;
  escape->cp = letter;
  if (found) {
    escape->cp = (uint32_t) values[found - letters];
    return TRUE;
  }
  switch (letter) {
    case 'd':
    case 'D':
      bn_regex_append_digits (escape->text);
      return set_items (escape, "", letter == 'D');
    case 's':
      return set_items (escape, BN_REGEX_SPACES, FALSE);
    case 'S':
      return set_items (escape, BN_REGEX_NOT_SPACES, FALSE);
    case 'h':
    case 'H':
      return set_items (escape, BN_REGEX_HEX_DIGITS, letter == 'H');
    case 'w':
    case 'W':
      bn_regex_append_word (escape->text);
      if (self->class_depth == 0)
        bn_regex_append_latin_word (escape->text);
      return set_items (escape, "", letter == 'W');
    case 'p':
    case 'P':
      if (!at_text (self, "{"))
        return TRUE; /* a letter */
      escape->is_negated = letter == 'P';
      return read_property (self, at, escape);
    case 'x':
      return read_hex (self, at, escape);
    case 'u': {
      const char *digits = self->p;

      cp = read_number (self, 16, 4);
      if (cp == NOT_FOUND || self->p - digits < 4
          || (cp >= 0xD800 && cp < 0xE000))
        return fail (self, at, "this form of \\u");
      escape->cp = (uint32_t) cp;
      return TRUE;
    }
    case '0':
      self->p--;
      return read_octal (self, at, escape);
    case 'c':
      if (self->p == self->end || *self->p == '\\' || (*self->p & 0x80))
        return fail (self, at, "this form of \\c");
      escape->cp = *self->p++ & 0x1F;
      return TRUE;
    case 'C':
      return fail (self, at, "\\C-");
    case 'M':
      return fail (self, at, "\\M-");
    default:
      return TRUE;
  }
}

/* <name>, <1> or <-1>, also between single quotes: the name, or the number in
 * *number. */
static char *
read_reference (Translator *self, const char *at, unsigned *number)
{
  char close = *self->p == '<' ? '>' : '\'';
  const char *start = self->p + 1, *stop;
  g_autofree char *name = NULL;
  gboolean is_relative;
  int64_t value;

  stop = self->p < self->end
             ? memchr (start, close, (size_t) (self->end - start))
             : NULL;
  if ((*self->p != '<' && *self->p != '\'') || !stop || stop == start
      || stop - start > MAX_NAME) {
    fail (self, at, "this reference");
    return NULL;
  }
  name = g_strndup (start, (size_t) (stop - start));
  self->p = start;
  is_relative = take (self, "-");
  value = read_number (self, 10, 4);
  if (value != NOT_FOUND && self->p == stop) {
    if (self->has_names || value == 0
        || (is_relative && value > self->n_groups)) {
      fail (self, at, "this reference");
      return NULL;
    }
    *number = (unsigned) (is_relative ? self->n_groups + 1 - value : value);
  } else {
    for (const char *c = name; *c; c++) {
      if (!g_ascii_isalnum (*c) && *c != '_') {
        fail (self, at, "this reference");
        return NULL;
      }
    }
    *number = 0;
  }
  self->p = stop + 1;
  return g_steal_pointer (&name);
}

static void
note_reference (Translator *self, const char *at, unsigned number)
{
  if (number > self->max_reference) {
    self->max_reference = number;
    self->reference_offset = (size_t) (at - self->start);
  }
}

static gboolean
read_number_escape (Translator *self, const char *at, Escape *escape)
{
  const char *digits = --self->p;
  int64_t number = read_number (self, 10, 3);

  if (number > 9 && number > self->n_groups) {
    self->p = digits;
    escape->kind = ESCAPE_CHARACTER;
    return read_octal (self, at, escape);
  }
  if (self->has_names)
    return fail (self, at, "a reference by number beside named groups");
  note_reference (self, at, (unsigned) number);
  g_string_append_printf (escape->text, "\\g{%d}", (int) number);
  return TRUE;
}

/* An escape outside of classes; p is at the backslash. */
static gboolean
read_escape (Translator *self, Escape *escape)
{
  const char *at = self->p++;
  g_autofree char *name = NULL;
  unsigned number;
  uint32_t letter;

  if (self->p == self->end)
    return fail (self, at, "a backslash at the end");
  letter = next_character (self);
  escape->kind = ESCAPE_PATTERN;
  switch (letter) {
    case 'A':
    case 'Z':
    case 'z':
    case 'G':
      escape->kind = ESCAPE_ANCHOR;
      g_string_append_printf (escape->text, "\\%c", (int) letter);
      return TRUE;
    case 'b':
    case 'B': {
      g_autoptr (GString) word = g_string_new (NULL);

      escape->kind = ESCAPE_ANCHOR;
      bn_regex_append_word (word);
      bn_regex_append_latin_word (word);
      g_string_append_printf (escape->text,
          letter == 'b' ? "(?:(?<=[%s])(?![%s])|(?<![%s])(?=[%s]))"
                        : "(?:(?<=[%s])(?=[%s])|(?<![%s])(?![%s]))",
          word->str, word->str, word->str, word->str);
      return TRUE;
    }
    case 'R':
      g_string_append (
          escape->text, "(?>\\r\\n|[\\n-\\r\\x{85}\\x{2028}\\x{2029}])");
      return TRUE;
    case 'X':
      g_string_append (escape->text, "\\X");
      return TRUE;
    case 'N':
      g_string_append (escape->text, "[^\\n]");
      return TRUE;
    case 'O':
      g_string_append (escape->text, ANY_CHARACTER);
      return TRUE;
    case 'K':
    case 'y':
    case 'Y':
      return fail (self, at, "\\%c", (int) letter);
    case 'k':
    case 'g':
      if (!at_text (self, "<") && !at_text (self, "'"))
        break;
      name = read_reference (self, at, &number);
      if (!name)
        return FALSE;
      if (number > 0) {
        note_reference (self, at, number);
        g_string_append_printf (
            escape->text, letter == 'k' ? "\\g{%u}" : "(?%u)", number);
      } else {
        g_string_append_printf (
            escape->text, letter == 'k' ? "\\k{%s}" : "(?&%s)", name);
      }
      return TRUE;
    default:
      if (letter >= '1' && letter <= '9')
        return read_number_escape (self, at, escape);
      break;
  }
  return read_common_escape (self, at, letter, escape);
}

/* Classes. */

static void
set_init (Set *set)
{
  set->items = g_string_new (NULL);
  set->atoms = g_ptr_array_new_with_free_func (g_free);
}

static void
set_clear (Set *set)
{
  g_string_free (set->items, TRUE);
  g_ptr_array_unref (set->atoms);
}

/* An expression for one character that is in the set. */
static char *
set_to_atom (const Set *set)
{
  GString *out;

  if (set->atoms->len == 0)
    return set->items->len > 0 ? g_strdup_printf ("[%s]", set->items->str)
                               : g_strdup (NO_CHARACTER);
  if (set->atoms->len == 1 && set->items->len == 0)
    return g_strdup (set->atoms->pdata[0]);
  out = g_string_new ("(?:");
  if (set->items->len > 0)
    g_string_append_printf (out, "[%s]|", set->items->str);
  for (guint i = 0; i < set->atoms->len; i++)
    g_string_append_printf (
        out, "%s%s", i > 0 ? "|" : "", (char *) set->atoms->pdata[i]);
  g_string_append_c (out, ')');
  return g_string_free (out, FALSE);
}

static void
set_add (Set *set, const char *items, gboolean is_negated)
{
  if (is_negated)
    g_ptr_array_add (set->atoms, g_strdup_printf ("[^%s]", items));
  else
    g_string_append (set->items, items);
}

/* [:name:] at p; FALSE without a problem if it is something else. */
static gboolean
read_posix (Translator *self, Set *set)
{
  static const char *const names[] = {"alnum", "alpha", "ascii", "blank",
      "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
      "word", "xdigit"};
  const char *at = self->p;
  gboolean is_negated;

  self->p += strlen ("[:");
  is_negated = take (self, "^");
  for (size_t i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *text = g_strconcat (names[i], ":]", NULL);
    g_autoptr (GString) items = g_string_new (NULL);

    if (!take (self, text))
      continue;
    bn_regex_append_property (items, names[i], &is_negated);
    if (g_str_equal (names[i], "punct"))
      bn_regex_append_symbols (items);
    set_add (set, items->str, is_negated);
    return TRUE;
  }
  return fail (self, at, "this class in [: :]");
}

static gboolean
read_class_escape (Translator *self, Escape *escape)
{
  const char *at = self->p++;
  uint32_t letter;

  if (self->p == self->end)
    return fail (self, at, "a backslash at the end");
  letter = next_character (self);
  escape->kind = ESCAPE_CHARACTER;
  if (letter == 'b') {
    escape->cp = '\b';
    return TRUE;
  }
  if (letter >= '1' && letter <= '7') {
    self->p--;
    return read_octal (self, at, escape);
  }
  return read_common_escape (self, at, letter, escape);
}

static char *read_class (Translator *self);

/* One member of a class, which may be a range. */
static gboolean
read_member (Translator *self, Set *set)
{
  g_autoptr (GString) text = g_string_new (NULL), last_text = NULL;
  Escape escape = {.kind = ESCAPE_CHARACTER, .text = text};
  const char *at = self->p;
  uint32_t last;

  if (*self->p == '\\') {
    if (!read_class_escape (self, &escape))
      return FALSE;
  } else {
    escape.cp = next_character (self);
  }
  if (escape.kind == ESCAPE_SET) {
    set_add (set, text->str, escape.is_negated);
    if (self->end - self->p >= 2 && *self->p == '-' && self->p[1] != ']')
      return fail (self, self->p, "a range that begins with a class");
    return TRUE;
  }

  last = escape.cp;
  if (self->end - self->p >= 2 && *self->p == '-' && self->p[1] != ']'
      && !(
          self->p[1] == '&' && self->end - self->p >= 3 && self->p[2] == '&')) {
    Escape stop = {.kind = ESCAPE_CHARACTER};

    self->p++;
    stop.text = last_text = g_string_new (NULL);
    if (*self->p == '[')
      return fail (self, self->p, "a range that ends with a class");
    if (*self->p == '\\') {
      if (!read_class_escape (self, &stop))
        return FALSE;
      if (stop.kind != ESCAPE_CHARACTER)
        return fail (self, at, "a range that ends with a class");
    } else {
      stop.cp = next_character (self);
    }
    last = stop.cp;
    if (last < escape.cp)
      return fail (self, at, "a range that ends before it begins");
  }
  bn_regex_append_range (set->items, escape.cp, last);
  return TRUE;
}

/* Members up to && or ]. */
static gboolean
read_members (Translator *self, gboolean is_first, Set *set)
{
  while (self->p < self->end) {
    if (at_text (self, "&&"))
      return TRUE;
    if (*self->p == ']') {
      /* The first one is a character if another one closes. */
      if (!is_first)
        return TRUE;
      if (!memchr (self->p + 1, ']', (size_t) (self->end - self->p - 1)))
        return fail (self, self->p, "an empty class");
    }
    is_first = FALSE;
    if (at_text (self, "[:")
        && memmem (
            self->p, (size_t) (self->end - self->p), ":]", strlen (":]"))) {
      if (!read_posix (self, set))
        return FALSE;
    } else if (*self->p == '[') {
      char *atom = read_class (self);

      if (!atom)
        return FALSE;
      g_ptr_array_add (set->atoms, atom);
    } else if (!read_member (self, set)) {
      return FALSE;
    }
  }
  return fail (self, self->end, "an unfinished class");
}

/* The class at p as an expression for one character. */
static char *
read_class (Translator *self)
{
  g_autoptr (GString) out = g_string_new (NULL);
  const char *at = self->p++;
  gboolean is_negated = take (self, "^"), is_first = TRUE, is_last = FALSE;

  if (self->class_depth >= MAX_DEPTH) {
    fail (self, at, "more than %d levels", MAX_DEPTH);
    return NULL;
  }
  self->class_depth++;
  while (!is_last) {
    g_autofree char *atom = NULL;
    gboolean is_simple;
    Set set;

    set_init (&set);
    if (read_members (self, is_first, &set))
      atom = set_to_atom (&set);
    is_simple = set.atoms->len == 0 && set.items->len > 0;
    if (atom && is_first && is_simple && is_negated && *self->p == ']') {
      g_free (atom); /* the usual case */
      atom = g_strdup_printf ("[^%s]", set.items->str);
      is_negated = FALSE;
    }
    set_clear (&set);
    if (!atom)
      return NULL;
    is_last = *self->p == ']';
    is_first = FALSE;
    self->p += is_last ? 1 : strlen ("&&");
    g_string_append_printf (out, is_last ? "%s" : "(?=%s)", atom);
  }
  self->class_depth--;
  return is_negated
             ? g_strdup_printf ("(?:(?!(?:%s))" ANY_CHARACTER ")", out->str)
             : g_strdup_printf (out->str[0] == '(' ? "(?:%s)" : "%s", out->str);
}

/* Groups. */

static gboolean read_alternatives (Translator *self);
static gboolean read_inside (Translator *self, const char *at);

/* imx-imx behind (?; ":" or ")" follows. */
static gboolean
read_options (Translator *self, const char *at)
{
  g_autoptr (GString) on = g_string_new (NULL), off = g_string_new (NULL);
  GString *list = on;
  gboolean was_extended = self->is_extended, is_good;

  for (; self->p < self->end && *self->p != ':' && *self->p != ')'; self->p++) {
    switch (*self->p) {
      case '-':
        list = off;
        break;
      case 'i':
        g_string_append_c (list, 'i');
        break;
      case 'm': /* the dot matches newlines */
        g_string_append_c (list, 's');
        break;
      case 'x':
        self->is_extended = list == on;
        break;
      default:
        return fail (self, at, "the group option %c", *self->p);
    }
  }
  if (self->p == self->end)
    return fail (self, at, "an unfinished group");

  g_string_append_printf (self->out, "(?%s", on->str);
  if (off->len > 0)
    g_string_append_printf (self->out, "-%s", off->str);
  g_string_append_c (self->out, ':');
  if (*self->p++ == ':') {
    is_good = read_inside (self, at);
  } else {
    /* Options alone hold to the end of the group around them. */
    is_good = read_alternatives (self);
    g_string_append_c (self->out, ')');
  }
  self->is_extended = was_extended;
  return is_good;
}

/* name> behind (?<, or name' behind (?'. */
static gboolean
read_group_name (Translator *self, const char *at, char close)
{
  const char *start = self->p;

  while (self->p < self->end && (g_ascii_isalnum (*self->p) || *self->p == '_'))
    self->p++;
  if (self->p == self->end || *self->p != close || self->p == start
      || self->p - start > MAX_NAME || g_ascii_isdigit (*start))
    return fail (self, at, "this name of a group");
  g_string_append (self->out, "(?<");
  g_string_append_len (self->out, start, self->p - start);
  g_string_append_c (self->out, '>');
  self->p++;
  self->n_groups++;
  return TRUE;
}

/* What is inside of a group that has been opened, and its end. */
static gboolean
read_inside (Translator *self, const char *at)
{
  gboolean was_extended = self->is_extended;
  gboolean is_good = read_alternatives (self);

  self->is_extended = was_extended;
  if (!is_good)
    return FALSE;
  if (!take (self, ")"))
    return fail (self, at, "an unfinished group");
  g_string_append_c (self->out, ')');
  return TRUE;
}

static gboolean
read_comment (Translator *self, const char *at)
{
  while (self->p < self->end && *self->p != ')')
    self->p += *self->p == '\\' && self->end - self->p > 1 ? 2 : 1;
  return take (self, ")") || fail (self, at, "an unfinished comment");
}

/* The group at p; *is_anchor if it matches nothing by itself. */
static gboolean
read_group (Translator *self, gboolean *is_anchor)
{
  static const struct {
    const char *text;
    gboolean is_anchor;
  } openings[] = {{"(?:", FALSE}, {"(?>", FALSE}, {"(?=", TRUE}, {"(?!", TRUE},
      {"(?<=", TRUE}, {"(?<!", TRUE}};
  const char *at = self->p;

  for (size_t i = 0; i < G_N_ELEMENTS (openings); i++) {
    if (take (self, openings[i].text)) {
      g_string_append (self->out, openings[i].text);
      *is_anchor = openings[i].is_anchor;
      return read_inside (self, at);
    }
  }
  if (take (self, "(?<"))
    return read_group_name (self, at, '>') && read_inside (self, at);
  if (take (self, "(?'"))
    return read_group_name (self, at, '\'') && read_inside (self, at);
  if (at_text (self, "(?~"))
    return fail (self, at, "the absence operator (?~");
  if (at_text (self, "(?("))
    return fail (self, at, "the condition (?(");
  if (at_text (self, "(?{") || at_text (self, "(*"))
    return fail (self, at, "a callout");
  if (take (self, "(?"))
    return read_options (self, at);

  self->p++;
  g_string_append (self->out, self->has_names ? "(?:" : "(");
  self->n_groups += !self->has_names;
  return read_inside (self, at);
}

/* Repeats. */

/* {n}, {n,}, {,m} or {n,m} at p; FALSE leaves p there, as it is text then. */
static gboolean
read_interval (Translator *self, int64_t *low, int64_t *high)
{
  const char *at = self->p++;

  *low = read_number (self, 10, 6);
  *high = *low;
  if (take (self, ",")) {
    *high = read_number (self, 10, 6);
    if (*low != NOT_FOUND || *high != NOT_FOUND) {
      if (*low == NOT_FOUND)
        *low = 0;
      else if (*high == NOT_FOUND)
        *high = INT64_MAX;
    }
  }
  if (*low != NOT_FOUND && take (self, "}"))
    return TRUE;
  self->p = at;
  return FALSE;
}

/* The repeat at p in the words of PCRE2; FALSE without a problem if there is
 * none. */
static gboolean
read_repeat (Translator *self, GString *repeat)
{
  const char *at = self->p;
  int64_t low, high;

  g_string_truncate (repeat, 0);
  if (self->p == self->end)
    return FALSE;
  if (strchr ("*+?", *self->p) && *self->p) {
    g_string_append_c (repeat, *self->p++);
    if (self->p < self->end && (*self->p == '?' || *self->p == '+'))
      g_string_append_c (repeat, *self->p++);
    return TRUE;
  }
  if (*self->p != '{' || !read_interval (self, &low, &high))
    return FALSE;
  if (low > MAX_REPEAT || (high != INT64_MAX && high > MAX_REPEAT))
    return fail (self, at, "a repeat above %d", MAX_REPEAT);
  if (high == INT64_MAX) {
    g_string_append_printf (repeat, "{%d,}", (int) low);
  } else if (low > high) { /* the other way round it does not give back */
    g_string_append_printf (repeat, "{%d,%d}+", (int) high, (int) low);
    return TRUE;
  } else if (low == high) {
    g_string_append_printf (repeat, "{%d}", (int) low);
    return TRUE; /* a ? behind it is a repeat of its own */
  } else {
    g_string_append_printf (repeat, "{%d,%d}", (int) low, (int) high);
  }
  if (take (self, "?"))
    g_string_append_c (repeat, '?');
  return TRUE;
}

/* Repeats of what was written from start on; more than one are nested. */
static gboolean
read_repeats (Translator *self, gsize start, gboolean can_repeat)
{
  g_autoptr (GString) repeat = g_string_new (NULL);
  const char *at = self->p;

  for (unsigned n = 0; read_repeat (self, repeat); n++, at = self->p) {
    if (!can_repeat)
      return fail (self, at, "a repeat of nothing");
    if (n >= MAX_DEPTH)
      return fail (self, at, "more than %d levels", MAX_DEPTH);
    if (n > 0) {
      g_string_insert (self->out, (gssize) start, "(?:");
      g_string_append_c (self->out, ')');
    }
    g_string_append (self->out, repeat->str);
  }
  return self->problem == NULL;
}

static gboolean
read_escaped_atom (Translator *self, gboolean *can_repeat)
{
  g_autoptr (GString) text = g_string_new (NULL);
  Escape escape = {.text = text};

  if (!read_escape (self, &escape))
    return FALSE;
  if (escape.kind == ESCAPE_CHARACTER)
    bn_regex_append_character (self->out, escape.cp);
  else if (escape.kind == ESCAPE_SET)
    g_string_append_printf (
        self->out, escape.is_negated ? "[^%s]" : "[%s]", text->str);
  else
    g_string_append (self->out, text->str);
  *can_repeat = escape.kind != ESCAPE_ANCHOR;
  return TRUE;
}

/* One thing that can be repeated, with its repeats. */
static gboolean
read_atom (Translator *self)
{
  gboolean can_repeat = TRUE, is_anchor = FALSE;
  gsize start = self->out->len;

  switch (*self->p) {
    case '(':
      if (!read_group (self, &is_anchor))
        return FALSE;
      can_repeat = !is_anchor;
      break;
    case '[': {
      g_autofree char *atom = read_class (self);

      if (!atom)
        return FALSE;
      g_string_append (self->out, atom);
      break;
    }
    case '\\':
      if (!read_escaped_atom (self, &can_repeat))
        return FALSE;
      break;
    case '^':
    case '$':
      can_repeat = FALSE;
      g_string_append_c (self->out, *self->p++);
      break;
    case '.':
      g_string_append_c (self->out, *self->p++);
      break;
    default:
      bn_regex_append_character (self->out, next_character (self));
      break;
  }
  return read_repeats (self, start, can_repeat);
}

/* Up to ) or the end. */
static gboolean
read_alternatives (Translator *self)
{
  if (self->depth >= MAX_DEPTH)
    return fail (self, self->p, "more than %d levels", MAX_DEPTH);
  self->depth++;
  while (self->p < self->end && *self->p != ')') {
    gsize length = self->out->len;

    if (self->is_extended && strchr (" \t\n\r\f\v", *self->p) && *self->p) {
      self->p++;
    } else if (self->is_extended && *self->p == '#') {
      while (self->p < self->end && *self->p != '\n')
        self->p++;
    } else if (at_text (self, "(?#")) {
      if (!read_comment (self, self->p))
        return FALSE;
    } else if (*self->p == '|') {
      g_string_append_c (self->out, *self->p++);
    } else if (!read_repeats (self, length, FALSE) || !read_atom (self)) {
      return FALSE;
    }
  }
  self->depth--;
  return TRUE;
}

/* Whether there is a named group; then the others do not capture. */
static gboolean
find_names (const char *p, const char *end)
{
  for (; end - p > 3; p++) {
    if (*p == '\\')
      p++;
    else if (memcmp (p, "(?<", 3) == 0 && p[3] != '=' && p[3] != '!')
      return TRUE;
    else if (memcmp (p, "(?'", 3) == 0)
      return TRUE;
  }
  return FALSE;
}

gboolean
bn_regex_translate (const char *pattern, size_t length, GString *out,
    size_t *offset, char **problem)
{
  Translator self = {.start = pattern,
      .p = pattern,
      .end = pattern + length,
      .out = out,
      .has_names = find_names (pattern, pattern + length)};

  if (read_alternatives (&self) && self.p < self.end)
    fail (&self, self.p, "a ) without (");
  if (!self.problem && self.max_reference > self.n_groups)
    fail (&self, pattern + self.reference_offset, "a reference to group %u",
        self.max_reference);
  *problem = self.problem;
  *offset = self.problem ? (size_t) (self.at - pattern) : 0;
  return self.problem == NULL;
}
