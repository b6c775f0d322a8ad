/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filters of texts and numbers. */
#include "bn-jinja-private.h"

#include <math.h>
#include <string.h>

#define FILTER(name)                                                           \
  static BnJValue filter_##name (                                              \
      BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)

static BnJValue
call_method (
    BnJ *j, const char *name, BnJString *self, const BnJValue *p, size_t n)
{
  BnJArgs args = {.values = (BnJValue *) (uintptr_t) p, .n = n};

  return bn_j_call_native (j,
      bn_j_find_string_method (bn_j_text (j, name).string), bn_j_string (self),
      &args);
}

/* Without markup. */
static BnJString *
plain (BnJ *j, BnJValue value)
{
  BnJString *string = bn_j_to_string (j, value), *copy;

  if (!string->is_markup)
    return string;
  copy = bn_j_new (j, BnJString);
  *copy = *string;
  copy->is_markup = FALSE;
  return copy;
}

static int64_t
integer_or (BnJ *j, BnJValue value, int64_t fallback)
{
  return value.type == BN_J_MISSING ? fallback : bn_j_expect_integer (j, value);
}

static gboolean
is_set (BnJ *j, BnJValue value)
{
  return value.type != BN_J_MISSING && bn_j_is_true (j, value);
}

/* Case and blanks */

FILTER (upper)
{
  return bn_j_string (
      bn_j_change_case (j, bn_j_to_string (j, self), BN_J_UPPER));
}

FILTER (lower)
{
  return bn_j_string (
      bn_j_change_case (j, bn_j_to_string (j, self), BN_J_LOWER));
}

FILTER (capitalize)
{
  return bn_j_string (
      bn_j_change_case (j, bn_j_to_string (j, self), BN_J_CAPITALIZE));
}

/* Words begin behind blanks, hyphens and opening brackets. */
FILTER (title)
{
  BnJString *string = plain (j, self);
  BnJBuffer *buffer = bn_j_buffer_new (j, string->size);
  size_t at = 0;

  while (at < string->size) {
    size_t begin = at, first;

    while (at < string->size) {
      gunichar c = g_utf8_get_char (string->text + at);
      gboolean is_separator =
          bn_j_is_space (c)
          || (c < 0x80 && c != 0 && strchr ("-({[<", (int) c));

      if (is_separator && at > begin)
        break;
      at = (size_t) (g_utf8_next_char (string->text + at) - string->text);
      if (is_separator)
        break;
    }
    first = (size_t) (g_utf8_next_char (string->text + begin) - string->text);
    bn_j_append_string (j, buffer,
        bn_j_change_case (
            j, bn_j_substring (j, string, begin, first), BN_J_UPPER));
    bn_j_append_string (j, buffer,
        bn_j_change_case (
            j, bn_j_substring (j, string, first, at), BN_J_LOWER));
  }
  return bn_j_string (bn_j_buffer_finish (j, buffer));
}

FILTER (trim)
{
  BnJValue chars = p[0].type == BN_J_MISSING ? bn_j_none () : p[0];

  return call_method (j, "strip", bn_j_to_string (j, self), &chars, 1);
}

FILTER (center)
{
  BnJValue width = p[0].type == BN_J_MISSING ? bn_j_integer (80) : p[0];

  return call_method (j, "center", bn_j_to_string (j, self), &width, 1);
}

FILTER (replace)
{
  BnJValue values[] = {bn_j_string (plain (j, p[0])),
      bn_j_string (plain (j, p[1])),
      p[2].type <= BN_J_NONE ? bn_j_integer (-1) : p[2]};

  return call_method (j, "replace", plain (j, self), values, 3);
}

FILTER (string)
{
  return bn_j_string (bn_j_to_string (j, self));
}

FILTER (format)
{
  BnJString *string = bn_j_to_string (j, self);
  BnJList *values = bn_j_list_new (j, args->n);
  BnJDict *dict = bn_j_dict_new (j);

  if (args->n > 0 && args->n_keywords > 0)
    bn_j_fail (j, "can't handle positional and keyword arguments at the same "
                  "time");
  for (size_t i = 0; i < args->n; i++)
    bn_j_list_add (j, values, args->values[i]);
  for (size_t i = 0; i < args->n_keywords; i++)
    bn_j_dict_set (j, dict,
        bn_j_string ((BnJString *) (uintptr_t) args->keywords[i].name),
        args->keywords[i].value);
  return bn_j_string (bn_j_format_percent (j, string,
      args->n_keywords > 0 ? bn_j_dict (dict) : bn_j_tuple (values)));
}

FILTER (indent)
{
  BnJString *string = bn_j_expect_string (j, self), *blanks;
  gboolean first = is_set (j, p[1]), blank = is_set (j, p[2]);
  BnJBuffer *buffer = bn_j_buffer_new (j, 0), *result;
  BnJValue lines;

  if (p[0].type == BN_J_STRING) {
    blanks = p[0].string;
  } else {
    for (int64_t n = integer_or (j, p[0], 4); n > 0; n--) {
      bn_j_step (j, 1);
      bn_j_append_text (j, buffer, " ");
    }
    blanks = bn_j_buffer_finish (j, buffer);
  }
  string = bn_j_concat (j, string, bn_j_text (j, "\n").string);
  lines = call_method (j, "splitlines", string, NULL, 0);
  result = bn_j_buffer_new (j, string->size);
  for (size_t i = 0; i < lines.list->n; i++) {
    const BnJString *line = lines.list->items[i].string;

    if (i > 0)
      bn_j_append_text (j, result, "\n");
    if (i == 0 ? first : blank || line->size > 0)
      bn_j_append_string (j, result, blanks);
    bn_j_append_string (j, result, line);
  }
  string = bn_j_buffer_finish (j, result);
  return bn_j_string (
      self.string->is_markup ? bn_j_as_markup (j, string) : string);
}

FILTER (truncate)
{
  BnJString *string, *end, *cut;
  int64_t length = integer_or (j, p[0], 255);
  int64_t leeway = p[3].type <= BN_J_NONE ? 5 : bn_j_expect_integer (j, p[3]);
  size_t n, n_end, at;

  end = p[2].type == BN_J_MISSING ? bn_j_text (j, "...").string
                                  : bn_j_expect_string (j, p[2]);
  n_end = bn_j_count_chars (end);
  if (length < (int64_t) n_end)
    bn_j_fail (j,
        "expected length >= %" G_GSIZE_FORMAT ", got %" G_GINT64_FORMAT, n_end,
        length);
  if (leeway < 0)
    bn_j_fail (j, "expected leeway >= 0, got %" G_GINT64_FORMAT, leeway);
  n = bn_j_length (j, self);
  if (n != SIZE_MAX && (int64_t) n - leeway <= length)
    return self;
  string = bn_j_expect_string (j, self);
  cut = bn_j_substring (
      j, string, 0, bn_j_offset_of (string, (size_t) length - n_end));
  if (!is_set (j, p[1])) {
    for (at = cut->size; at > 0 && cut->text[at - 1] != ' '; at--)
      ;
    if (at > 0)
      cut = bn_j_substring (j, cut, 0, at - 1);
  }
  return bn_j_string (bn_j_concat (j, cut, end));
}

FILTER (wordcount)
{
  BnJString *string = bn_j_to_string (j, self);
  int64_t n = 0;
  gboolean in_word = FALSE;

  for (size_t at = 0; at < string->size;) {
    gunichar c = g_utf8_get_char (string->text + at);
    gboolean is_word = g_unichar_isalnum (c) || c == '_';

    n += is_word && !in_word;
    in_word = is_word;
    at += (size_t) g_unichar_to_utf8 (c, NULL);
  }
  return bn_j_integer (n);
}

/* Lines of at most width characters, broken at blanks; words that are longer
 * are cut. */
static void
wrap_line (BnJ *j, BnJBuffer *buffer, BnJString *line, size_t width,
    gboolean breaks_words, const BnJString *separator)
{
  const BnJList *chars = bn_j_collect (j, bn_j_string (line));
  size_t at = 0;
  gboolean is_first = TRUE;

  while (at < chars->n) {
    size_t end = at, used;

    if (!is_first) {
      while (at < chars->n
             && bn_j_is_space (g_utf8_get_char (chars->items[at].string->text)))
        at++;
      if (at == chars->n)
        break;
      bn_j_append_string (j, buffer, separator);
    }
    for (used = at; used < chars->n;) { /* whole words that fit */
      size_t next = used;
      gboolean is_blank =
          bn_j_is_space (g_utf8_get_char (chars->items[used].string->text));

      while (
          next < chars->n
          && bn_j_is_space (g_utf8_get_char (chars->items[next].string->text))
                 == is_blank) {
        next++;
        if (!is_blank && *chars->items[next - 1].string->text == '-'
            && next - 1 > used)
          break;
      }
      if (next - at > width)
        break;
      used = next;
    }
    end = used;
    if (end == at) {
      end = at + width;
      if (!breaks_words) {
        while (end < chars->n
               && !bn_j_is_space (
                   g_utf8_get_char (chars->items[end].string->text)))
          end++;
      }
      end = MIN (end, chars->n);
    }
    for (used = end; used > at
                     && bn_j_is_space (g_utf8_get_char (
                         chars->items[used - 1].string->text));)
      used--;
    for (size_t i = at; i < used; i++)
      bn_j_append_string (j, buffer, chars->items[i].string);
    bn_j_step (j, 1 + end - at);
    at = end;
    is_first = FALSE;
  }
}

FILTER (wordwrap)
{
  int64_t width = integer_or (j, p[0], 79);
  gboolean breaks = p[1].type == BN_J_MISSING || bn_j_is_true (j, p[1]);
  BnJString *separator = p[2].type <= BN_J_NONE ? bn_j_text (j, "\n").string
                                                : bn_j_expect_string (j, p[2]);
  BnJValue lines =
      call_method (j, "splitlines", bn_j_expect_string (j, self), NULL, 0);
  BnJBuffer *buffer = bn_j_buffer_new (j, 0);

  if (width <= 0)
    bn_j_fail (j, "invalid width %" G_GINT64_FORMAT " (must be > 0)", width);
  for (size_t i = 0; i < lines.list->n; i++) {
    if (i > 0)
      bn_j_append_string (j, buffer, separator);
    wrap_line (j, buffer, lines.list->items[i].string, (size_t) width, breaks,
        separator);
  }
  return bn_j_string (bn_j_buffer_finish (j, buffer));
}

/* Numbers */

/* int(text, base); FALSE where Python raises. */
static gboolean
parse_integer (BnJ *j, const BnJString *string, int64_t base, int64_t *value)
{
  char *digits = bn_j_alloc (j, string->size + 1, 1), *d = digits;
  size_t begin = bn_j_skip_space (string->text, string->size, 0);
  size_t end = bn_j_rskip_space (string->text, string->size, begin);
  gboolean was_digit = FALSE;
  gint64 parsed;
  g_autoptr (GError) error = NULL;

  if (begin < end
      && (string->text[begin] == '-' || string->text[begin] == '+')) {
    if (string->text[begin] == '-')
      *d++ = '-';
    begin++;
  }
  if ((base == 16 || base == 8 || base == 2 || base == 0) && end - begin > 2
      && string->text[begin] == '0') {
    char letter = g_ascii_tolower (string->text[begin + 1]);
    int64_t implied = letter == 'x'   ? 16
                      : letter == 'o' ? 8
                      : letter == 'b' ? 2
                                      : 0;

    if (implied != 0 && (base == implied || base == 0)) {
      base = implied;
      begin += 2;
      was_digit = TRUE;
    }
  }
  if (base == 0)
    base = 10;
  for (size_t i = begin; i < end; i++) {
    if (string->text[i] == '_' && was_digit && i + 1 < end) {
      was_digit = FALSE;
      continue;
    }
    if (!g_ascii_isalnum (string->text[i]))
      return FALSE;
    *d++ = string->text[i];
    was_digit = TRUE;
  }
  if (base < 2 || base > 36)
    return FALSE;
  if (!g_ascii_string_to_signed (
          digits, (guint) base, G_MININT64, G_MAXINT64, &parsed, &error)) {
    gboolean is_big = g_error_matches (
        error, G_NUMBER_PARSER_ERROR, G_NUMBER_PARSER_ERROR_OUT_OF_BOUNDS);

    if (is_big) {
      g_clear_error (&error);
      bn_j_fail (j, "an integer does not fit 64 bit");
    }
    return FALSE;
  }
  *value = parsed;
  return TRUE;
}

/* float(text) */
static gboolean
parse_double (BnJ *j, const BnJString *string, double *value)
{
  char *digits = bn_j_alloc (j, string->size + 1, 1), *d = digits, *rest;
  size_t begin = bn_j_skip_space (string->text, string->size, 0);
  size_t end = bn_j_rskip_space (string->text, string->size, begin);

  for (size_t i = begin; i < end; i++) {
    char c = string->text[i];

    if (c == '_') {
      if (i == begin || i + 1 == end || !g_ascii_isdigit (string->text[i - 1])
          || !g_ascii_isdigit (string->text[i + 1]))
        return FALSE;
      continue;
    }
    if (c == '\0' || c == '(' || c == 'x' || c == 'X')
      return FALSE;
    *d++ = c;
  }
  if (d == digits)
    return FALSE;
  *value = g_ascii_strtod (digits, &rest);
  return *rest == '\0' && !g_ascii_isspace (*digits);
}

static gboolean
truncate_double (BnJ *j, double number, int64_t *value)
{
  if (!isfinite (number))
    return FALSE;
  if (fabs (number) >= 9.2233720368547758e18)
    bn_j_fail (j, "an integer does not fit 64 bit");
  *value = (int64_t) number;
  return TRUE;
}

FILTER (int)
{
  BnJValue fallback = p[0].type == BN_J_MISSING ? bn_j_integer (0) : p[0];
  int64_t value;
  double number;

  if (self.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", self.undefined->message);
  if (self.type == BN_J_STRING) {
    if (parse_integer (j, self.string, integer_or (j, p[1], 10), &value))
      return bn_j_integer (value);
    if (parse_double (j, self.string, &number)
        && truncate_double (j, number, &value))
      return bn_j_integer (value);
    return fallback;
  }
  if (bn_j_get_integer (self, &value))
    return bn_j_integer (value);
  if (self.type == BN_J_BIG_INTEGER)
    return self;
  if (self.type == BN_J_FLOAT && truncate_double (j, self.number, &value))
    return bn_j_integer (value);
  return fallback;
}

FILTER (float)
{
  double number;

  if (self.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", self.undefined->message);
  if (bn_j_is_number (self))
    return bn_j_number (bn_j_to_double (self));
  if ((self.type == BN_J_STRING || self.type == BN_J_BIG_INTEGER)
      && parse_double (j, self.string, &number))
    return bn_j_number (number);
  return p[0].type == BN_J_MISSING ? bn_j_number (0) : p[0];
}

FILTER (abs)
{
  int64_t integer;

  if (bn_j_get_integer (self, &integer))
    return integer < 0 ? bn_j_negate (j, self, FALSE) : bn_j_integer (integer);
  if (self.type != BN_J_FLOAT)
    bn_j_fail (j, "bad operand type for abs(): '%s'", bn_j_type_name (self));
  return bn_j_number (fabs (self.number));
}

FILTER (round)
{
  int64_t precision = integer_or (j, p[0], 0), integer;
  BnJString *method = p[1].type == BN_J_MISSING ? bn_j_text (j, "common").string
                                                : bn_j_to_string (j, p[1]);
  double scale, number;

  if (self.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", self.undefined->message);
  if (!bn_j_is_number (self))
    bn_j_fail (
        j, "type %s doesn't define __round__ method", bn_j_type_name (self));
  if (bn_j_string_is (method, "common")) {
    if (bn_j_get_integer (self, &integer))
      return bn_j_integer (
          precision >= 0 ? integer
                         : (int64_t) bn_j_round ((double) integer, precision));
    return bn_j_number (bn_j_round (self.number, precision));
  }
  if (!bn_j_string_is (method, "ceil") && !bn_j_string_is (method, "floor"))
    bn_j_fail (j, "method must be common, ceil or floor");
  scale = pow (10, (double) precision);
  number = bn_j_to_double (self) * scale;
  number = *method->text == 'c' ? ceil (number) : floor (number);
  return bn_j_number (number / scale);
}

FILTER (filesizeformat)
{
  static const char *const prefixes[] = {
      "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  BnJValue fallback = bn_j_none ();
  BnJValue size = filter_float (j, self, &fallback, args);
  double bytes = size.number;
  gboolean is_binary = is_set (j, p[0]);
  double base = is_binary ? 1024 : 1000, unit = base;
  char text[64];
  size_t i = 0;

  if (size.type == BN_J_NONE)
    bn_j_fail (j, "could not convert %s to float", bn_j_type_name (self));
  if (bytes == 1)
    return bn_j_text (j, "1 Byte");
  if (bytes < base)
    return bn_j_text (
        j, bn_j_printf (j, "%" G_GINT64_FORMAT " Bytes", (int64_t) bytes));
  for (unit = base * base; i + 1 < G_N_ELEMENTS (prefixes) && bytes >= unit;
       i++)
    unit *= base;
  g_ascii_formatd (text, sizeof text, "%.1f", base * bytes / unit);
  return bn_j_text (
      j, bn_j_printf (j, "%s %c%s", text,
             is_binary ? g_ascii_toupper (prefixes[i][0]) : prefixes[i][0],
             is_binary ? "iB" : "B"));
}

/* Escapes */

BnJString *
bn_j_escape (BnJ *j, BnJString *string)
{
  static const struct {
    char c;
    const char *escape;
  } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"},
      {'"', "&#34;"}};
  BnJBuffer *buffer;
  size_t begin = 0;
  BnJinjaTrust trust =
      bn_j_is_untrusted (string) ? BN_JINJA_UNTRUSTED : BN_JINJA_TRUSTED;

  if (string->is_markup)
    return string;
  buffer = bn_j_buffer_new (j, string->size);
  for (size_t at = 0; at < string->size; at++) {
    for (size_t i = 0; i < G_N_ELEMENTS (escapes); i++) {
      if (string->text[at] != escapes[i].c)
        continue;
      bn_j_append_part (j, buffer, string, begin, at);
      bn_j_append (
          j, buffer, escapes[i].escape, strlen (escapes[i].escape), trust);
      begin = at + 1;
    }
  }
  bn_j_append_part (j, buffer, string, begin, string->size);
  return bn_j_as_markup (j, bn_j_buffer_finish (j, buffer));
}

FILTER (escape)
{
  return bn_j_string (bn_j_escape (j, bn_j_to_string (j, self)));
}

FILTER (forceescape)
{
  return bn_j_string (bn_j_escape (j, plain (j, self)));
}

FILTER (safe)
{
  return bn_j_string (bn_j_as_markup (j, bn_j_to_string (j, self)));
}

static void
quote_url (BnJ *j, BnJBuffer *buffer, BnJValue value, gboolean for_query)
{
  const BnJString *string = bn_j_to_string (j, value);
  BnJinjaTrust trust =
      bn_j_is_untrusted (string) ? BN_JINJA_UNTRUSTED : BN_JINJA_TRUSTED;

  for (size_t i = 0; i < string->size; i++) {
    guchar c = (guchar) string->text[i];
    char text[4];

    if (c < 0x80
        && (g_ascii_isalnum (c) || (c != 0 && strchr ("_.-~", c))
            || (c == '/' && !for_query)))
      g_snprintf (text, sizeof text, "%c", c);
    else if (c == ' ' && for_query)
      g_snprintf (text, sizeof text, "+");
    else
      g_snprintf (text, sizeof text, "%%%02X", c);
    bn_j_append (j, buffer, text, strlen (text), trust);
  }
}

FILTER (urlencode)
{
  BnJBuffer *buffer = bn_j_buffer_new (j, 0);
  BnJIterator *iterator;
  BnJValue item;
  BnJView *items;

  if (self.type == BN_J_STRING || !bn_j_is_iterable (self)) {
    quote_url (j, buffer, self, FALSE);
    return bn_j_string (bn_j_buffer_finish (j, buffer));
  }
  if (self.type == BN_J_DICT) {
    items = bn_j_new (j, BnJView);
    items->kind = BN_J_ITEMS;
    items->dict = self.dict;
    self = (BnJValue){.type = BN_J_VIEW, .view = items};
  }
  iterator = bn_j_iterate (j, self);
  while (bn_j_iterator_next (j, iterator, &item)) {
    const BnJList *pair = bn_j_collect (j, item);

    if (pair->n != 2)
      bn_j_fail (j, "expected pairs to encode");
    if (buffer->used > 0)
      bn_j_append_text (j, buffer, "&");
    quote_url (j, buffer, pair->items[0], TRUE);
    bn_j_append_text (j, buffer, "=");
    quote_url (j, buffer, pair->items[1], TRUE);
  }
  return bn_j_string (bn_j_buffer_finish (j, buffer));
}

FILTER (xmlattr)
{
  BnJBuffer *buffer = bn_j_buffer_new (j, 0);
  gboolean has_space = p[0].type == BN_J_MISSING || bn_j_is_true (j, p[0]);

  if (self.type != BN_J_DICT)
    bn_j_fail (j, "found %s, expected dict", bn_j_type_name (self));
  for (size_t i = 0; i < self.dict->n; i++) {
    BnJValue value = self.dict->entries[i].value;
    BnJString *key = bn_j_expect_string (j, self.dict->entries[i].key);

    if (value.type == BN_J_NONE || value.type == BN_J_UNDEFINED)
      continue;
    for (size_t k = 0; k < key->size; k++) {
      if (key->text[k] != '\0' && strchr (" \t\n\r\f\v/>=", key->text[k]))
        bn_j_fail (j, "Invalid character in attribute name");
    }
    if (has_space || buffer->used > 0)
      bn_j_append_text (j, buffer, " ");
    bn_j_append_string (j, buffer, bn_j_escape (j, key));
    bn_j_append_text (j, buffer, "=\"");
    bn_j_append_string (j, buffer, bn_j_escape (j, bn_j_to_string (j, value)));
    bn_j_append_text (j, buffer, "\"");
  }
  return bn_j_string (bn_j_buffer_finish (j, buffer));
}

/* Tags and comments go, runs of blanks become one space. */
FILTER (striptags)
{
  BnJString *string = plain (j, self);
  BnJBuffer *buffer = bn_j_buffer_new (j, string->size);
  static const struct {
    const char *open, *close;
  } marks[] = {{"<!--", "-->"}, {"<", ">"}};
  BnJValue words;

  for (size_t m = 0; m < G_N_ELEMENTS (marks); m++) {
    size_t at = 0, begin, end;

    buffer = bn_j_buffer_new (j, string->size);
    for (;;) {
      begin = bn_j_find (string->text, string->size, marks[m].open,
          strlen (marks[m].open), at);
      end = begin == SIZE_MAX
                ? SIZE_MAX
                : bn_j_find (string->text, string->size, marks[m].close,
                    strlen (marks[m].close), begin);
      if (end == SIZE_MAX)
        break;
      bn_j_step (j, 1);
      bn_j_append_part (j, buffer, string, at, begin);
      at = end + strlen (marks[m].close);
    }
    bn_j_append_part (j, buffer, string, at, string->size);
    string = bn_j_buffer_finish (j, buffer);
  }
  words = call_method (j, "split", string, NULL, 0);
  return call_method (j, "join", bn_j_text (j, " ").string, &words, 1);
}

FILTER (pprint)
{
  return bn_j_string (bn_j_repr (j, self));
}

FILTER (default)
{
  if (self.type == BN_J_UNDEFINED
      || (is_set (j, p[1]) && !bn_j_is_true (j, self)))
    return p[0].type == BN_J_MISSING ? bn_j_text (j, "") : p[0];
  return self;
}

static const BnJCallable filters[] = {
    {"abs", "", filter_abs},
    {"capitalize", "", filter_capitalize},
    {"center", "? width", filter_center},
    {"d", "? default_value boolean", filter_default},
    {"default", "? default_value boolean", filter_default},
    {"e", "", filter_escape},
    {"escape", "", filter_escape},
    {"filesizeformat", "? binary", filter_filesizeformat},
    {"float", "? default", filter_float},
    {"forceescape", "", filter_forceescape},
    {"format", "*", filter_format},
    {"indent", "? width first blank", filter_indent},
    {"int", "? default base", filter_int},
    {"lower", "", filter_lower},
    {"pprint", "", filter_pprint},
    {"replace", "old new ? count", filter_replace},
    {"round", "? precision method", filter_round},
    {"safe", "", filter_safe},
    {"string", "", filter_string},
    {"striptags", "", filter_striptags},
    {"title", "", filter_title},
    {"tojson", "? ensure_ascii indent separators sort_keys",
        bn_j_filter_tojson},
    {"trim", "? chars", filter_trim},
    {"truncate", "? length killwords end leeway", filter_truncate},
    {"upper", "", filter_upper},
    {"urlencode", "", filter_urlencode},
    {"wordcount", "", filter_wordcount},
    {"wordwrap", "? width break_long_words wrapstring break_on_hyphens",
        filter_wordwrap},
    {"xmlattr", "? autospace", filter_xmlattr},
};

const BnJCallable *
bn_j_find_filter (const BnJString *name)
{
  const BnJCallable *filter =
      bn_j_find_in (filters, G_N_ELEMENTS (filters), name);

  return filter != NULL ? filter : bn_j_find_list_filter (name);
}
