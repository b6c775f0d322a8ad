/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON to values, strictly (RFC 8259), and values to JSON as Python writes
 * it. */
#include "bn-jinja-private.h"

#include <math.h>
#include <string.h>

/* Reading */

typedef struct {
  BnJ *j;
  const char *text;
  size_t size, at;
  BnJinjaTrust trust;
} Reader;

G_NORETURN static void
fail (Reader *r, const char *expected)
{
  guint line = 1;
  size_t column = 1;

  for (size_t i = 0; i < r->at; i++) {
    column = r->text[i] == '\n' ? 1 : column + 1;
    line += r->text[i] == '\n';
  }
  if (r->at >= r->size)
    bn_j_fail (
        r->j, "JSON, line %u: the text ends, expected %s", line, expected);
  if (r->text[r->at] > ' ' && r->text[r->at] < 0x7F)
    bn_j_fail (r->j,
        "JSON, line %u, byte %" G_GSIZE_FORMAT ": found '%c', expected %s",
        line, column, r->text[r->at], expected);
  bn_j_fail (r->j,
      "JSON, line %u, byte %" G_GSIZE_FORMAT ": found byte 0x%02X, expected %s",
      line, column, (guint) (guchar) r->text[r->at], expected);
}

static void
skip_blanks (Reader *r)
{
  while (r->at < r->size
         && (r->text[r->at] == ' ' || r->text[r->at] == '\n'
             || r->text[r->at] == '\r' || r->text[r->at] == '\t'))
    r->at++;
}

static gboolean
accept (Reader *r, char c)
{
  skip_blanks (r);
  if (r->at >= r->size || r->text[r->at] != c)
    return FALSE;
  r->at++;
  return TRUE;
}

static gunichar
read_unit (Reader *r)
{
  gunichar unit = 0;

  for (int i = 0; i < 4; i++, r->at++) {
    if (r->at >= r->size || !g_ascii_isxdigit (r->text[r->at]))
      fail (r, "four hexadecimal digits");
    unit = unit << 4 | (gunichar) g_ascii_xdigit_value (r->text[r->at]);
  }
  return unit;
}

static void
read_escape (Reader *r, BnJBuffer *buffer)
{
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  const char *letter = r->at < r->size && r->text[r->at] != '\0'
                           ? strchr (letters, r->text[r->at])
                           : NULL;
  gunichar c, low;
  char bytes[6];

  if (letter != NULL) {
    r->at++;
    bn_j_append (
        r->j, buffer, &meanings[letter - letters], 1, BN_JINJA_TRUSTED);
    return;
  }
  if (r->at >= r->size || r->text[r->at] != 'u')
    fail (r, "an escape sequence");
  r->at++;
  c = read_unit (r);
  if (c >= 0xD800 && c < 0xE000) {
    if (c >= 0xDC00 || r->size - r->at < 2 || r->text[r->at] != '\\'
        || r->text[r->at + 1] != 'u')
      fail (r, "a surrogate pair");
    r->at += 2;
    low = read_unit (r);
    if (low < 0xDC00 || low >= 0xE000)
      fail (r, "a low surrogate");
    c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
  }
  bn_j_append (r->j, buffer, bytes, (size_t) g_unichar_to_utf8 (c, bytes),
      BN_JINJA_TRUSTED);
}

/* Behind the quote. A text without escapes is not copied. */
static BnJString *
read_string (Reader *r)
{
  size_t begin = r->at, plain;
  BnJBuffer *buffer = NULL;

  for (;;) {
    plain = r->at;
    while (r->at < r->size && r->text[r->at] != '"' && r->text[r->at] != '\\'
           && (guchar) r->text[r->at] >= 0x20)
      r->at++;
    if (r->at >= r->size || (guchar) r->text[r->at] < 0x20)
      fail (r, "the end of the string");
    if (buffer == NULL && r->text[r->at] == '"') {
      r->at++;
      return bn_j_string_new (
          r->j, r->text + begin, r->at - 1 - begin, r->trust);
    }
    if (buffer == NULL)
      buffer = bn_j_buffer_new (r->j, 2 * (r->at - begin) + 16);
    bn_j_append (
        r->j, buffer, r->text + plain, r->at - plain, BN_JINJA_TRUSTED);
    if (r->text[r->at++] == '"')
      return bn_j_buffer_finish_as (
          r->j, buffer, r->trust == BN_JINJA_UNTRUSTED);
    read_escape (r, buffer);
  }
}

static void
skip_digits (Reader *r)
{
  if (r->at >= r->size || !g_ascii_isdigit (r->text[r->at]))
    fail (r, "a digit");
  while (r->at < r->size && g_ascii_isdigit (r->text[r->at]))
    r->at++;
}

static BnJValue
read_number (Reader *r)
{
  size_t begin = r->at;
  gboolean is_integer = TRUE;
  gint64 integer;
  const char *digits;

  if (r->text[r->at] == '-')
    r->at++;
  if (r->at < r->size && r->text[r->at] == '0')
    r->at++;
  else
    skip_digits (r);
  if (r->at < r->size && r->text[r->at] == '.') {
    is_integer = FALSE;
    r->at++;
    skip_digits (r);
  }
  if (r->at < r->size && (r->text[r->at] == 'e' || r->text[r->at] == 'E')) {
    is_integer = FALSE;
    r->at++;
    if (r->at < r->size && (r->text[r->at] == '+' || r->text[r->at] == '-'))
      r->at++;
    skip_digits (r);
  }
  digits = bn_j_printf (
      r->j, "%.*s", (int) MIN (r->at - begin, 4096u), r->text + begin);
  if (!is_integer)
    return bn_j_number (g_ascii_strtod (digits, NULL));
  if (g_ascii_string_to_signed (
          digits, 10, G_MININT64, G_MAXINT64, &integer, NULL))
    return bn_j_integer (integer);
  return (BnJValue){.type = BN_J_BIG_INTEGER,
      .string =
          bn_j_string_new (r->j, r->text + begin, r->at - begin, r->trust)};
}

static BnJValue read_value (Reader *r);

static BnJValue
read_list (Reader *r)
{
  BnJList *list = bn_j_list_new (r->j, 0);

  if (accept (r, ']'))
    return bn_j_list (list);
  do
    bn_j_list_add (r->j, list, read_value (r));
  while (accept (r, ','));
  if (!accept (r, ']'))
    fail (r, "',' or ']'");
  return bn_j_list (list);
}

/* The usual roles are part of the template's side: templates write control
 * tokens around and with them. */
static gboolean
is_role (const BnJString *string)
{
  static const char *const roles[] = {"system", "user", "assistant", "tool",
      "developer", "function", "ipython", "model", "observation", "context",
      "documents", "tools"};

  for (size_t i = 0; i < G_N_ELEMENTS (roles); i++) {
    if (bn_j_string_is (string, roles[i]))
      return TRUE;
  }
  return FALSE;
}

static BnJValue
read_dict (Reader *r)
{
  BnJDict *dict = bn_j_dict_new (r->j);

  if (accept (r, '}'))
    return bn_j_dict (dict);
  do {
    BnJString *key;
    BnJValue value;

    if (!accept (r, '"'))
      fail (r, "a string");
    key = read_string (r);
    if (!accept (r, ':'))
      fail (r, "':'");
    value = read_value (r);
    if (value.type == BN_J_STRING && bn_j_string_is (key, "role")
        && is_role (value.string))
      value.string->n_ranges = 0;
    bn_j_dict_set (r->j, dict, bn_j_string (key), value);
  } while (accept (r, ','));
  if (!accept (r, '}'))
    fail (r, "',' or '}'");
  return bn_j_dict (dict);
}

static BnJValue
read_value (Reader *r)
{
  static const struct {
    const char *word;
    BnJValue value;
  } words[] = {
      {"true", {.type = BN_J_BOOLEAN, .boolean = true}},
      {"false", {.type = BN_J_BOOLEAN, .boolean = false}},
      {"null", {.type = BN_J_NONE}},
  };

  bn_j_check_stack (r->j);
  if (accept (r, '"'))
    return bn_j_string (read_string (r));
  if (accept (r, '{'))
    return read_dict (r);
  if (accept (r, '['))
    return read_list (r);
  if (r->at < r->size
      && (r->text[r->at] == '-' || g_ascii_isdigit (r->text[r->at])))
    return read_number (r);
  for (size_t i = 0; i < G_N_ELEMENTS (words); i++) {
    size_t size = strlen (words[i].word);

    if (r->size - r->at >= size
        && memcmp (r->text + r->at, words[i].word, size) == 0) {
      r->at += size;
      return words[i].value;
    }
  }
  fail (r, "a value");
}

BnJValue
bn_j_parse_json (BnJ *j, const char *json, size_t size, BnJinjaTrust trust)
{
  char *copy = bn_j_alloc (j, size + 1, 1);
  Reader reader = {.j = j, .text = copy, .size = size, .trust = trust};
  const char *valid_end;
  BnJValue value;

  memcpy (copy, json, size);
  for (const char *text = copy;
       !g_utf8_validate_len (text, size - (size_t) (text - copy), &valid_end);
       text = valid_end + 1) {
    reader.at = (size_t) (valid_end - copy);
    if (*valid_end != '\0')
      fail (&reader, "UTF-8");
  }
  reader.at = 0;
  value = read_value (&reader);
  skip_blanks (&reader);
  if (reader.at < size)
    fail (&reader, "nothing behind the value");
  return value;
}

/* Writing */

typedef struct {
  BnJ *j;
  BnJBuffer *buffer;
  BnJString *item_separator, *key_separator, *indent; /* indent or NULL */
  gboolean ensures_ascii, sorts_keys, is_untrusted;
} Writer;

static void
write_text (Writer *w, const char *text)
{
  bn_j_append_text (w->j, w->buffer, text);
}

static void
write_string (Writer *w, const BnJString *string)
{
  static const char escaped[] = "\"\\\n\r\t\f\b", letters[] = "\"\\nrtfb";
  size_t plain = 0;

  if (bn_j_is_untrusted (string))
    w->is_untrusted = TRUE;
  write_text (w, "\"");
  for (size_t at = 0; at < string->size;) {
    guchar byte = (guchar) string->text[at];
    const char *letter = byte != 0 ? strchr (escaped, byte) : NULL;
    char escape[16] = "";
    size_t size = 1;

    if (letter != NULL && *letter != '\0') {
      g_snprintf (escape, sizeof escape, "\\%c", letters[letter - escaped]);
    } else if (byte < 0x20) {
      g_snprintf (escape, sizeof escape, "\\u%04x", byte);
    } else if (byte >= 0x80 && w->ensures_ascii) {
      gunichar c = g_utf8_get_char (string->text + at);

      size = (size_t) g_unichar_to_utf8 (c, NULL);
      if (c >= 0x10000)
        g_snprintf (escape, sizeof escape, "\\u%04x\\u%04x",
            0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
      else
        g_snprintf (escape, sizeof escape, "\\u%04x", c);
    }
    if (*escape != '\0') {
      bn_j_append_part (w->j, w->buffer, string, plain, at);
      write_text (w, escape);
      plain = at + size;
    }
    at += size;
  }
  bn_j_append_part (w->j, w->buffer, string, plain, string->size);
  write_text (w, "\"");
}

static void
write_number (Writer *w, double number)
{
  char buffer[BN_J_NUMBER_SIZE];

  write_text (w, isnan (number)   ? "NaN"
                 : isinf (number) ? (number < 0 ? "-Infinity" : "Infinity")
                                  : bn_j_print_double (buffer, number));
}

static void
write_line (Writer *w, guint level)
{
  if (w->indent == NULL)
    return;
  write_text (w, "\n");
  for (guint i = 0; i < level; i++)
    bn_j_append_string (w->j, w->buffer, w->indent);
}

static void write_value (Writer *w, BnJValue value, guint level);

static void
write_list (Writer *w, const BnJList *list, guint level)
{
  write_text (w, "[");
  for (size_t i = 0; i < list->n; i++) {
    if (i > 0)
      bn_j_append_string (w->j, w->buffer, w->item_separator);
    write_line (w, level + 1);
    write_value (w, list->items[i], level + 1);
  }
  if (list->n > 0)
    write_line (w, level);
  write_text (w, "]");
}

static void
write_key (Writer *w, BnJValue key)
{
  switch (key.type) {
    case BN_J_STRING:
      write_string (w, key.string);
      return;
    case BN_J_BOOLEAN:
    case BN_J_NONE:
    case BN_J_INTEGER:
    case BN_J_BIG_INTEGER:
    case BN_J_FLOAT:
      write_text (w, "\"");
      write_value (w, key, 0);
      write_text (w, "\"");
      return;
    default:
      bn_j_fail (w->j, "keys must be str, int, float, bool or None, not %s",
          bn_j_type_name (key));
  }
}

/* The members in the order to write them in. */
static const BnJEntry *
sort_entries (Writer *w, const BnJDict *dict)
{
  BnJEntry *sorted;

  if (!w->sorts_keys)
    return dict->entries;
  sorted = bn_j_new_n (w->j, BnJEntry, dict->n);
  for (size_t i = 0; i < dict->n; i++) {
    size_t low = 0, high = i;

    while (low < high) {
      size_t middle = (low + high) / 2;

      if (bn_j_compare (w->j, dict->entries[i].key, sorted[middle].key, "<")
          < 0)
        high = middle;
      else
        low = middle + 1;
    }
    memmove (&sorted[low + 1], &sorted[low], (i - low) * sizeof *sorted);
    bn_j_step (w->j, 1 + (i - low) / 8);
    sorted[low] = dict->entries[i];
  }
  return sorted;
}

static void
write_dict (Writer *w, const BnJDict *dict, guint level)
{
  const BnJEntry *entries = sort_entries (w, dict);

  write_text (w, "{");
  for (size_t i = 0; i < dict->n; i++) {
    if (i > 0)
      bn_j_append_string (w->j, w->buffer, w->item_separator);
    write_line (w, level + 1);
    write_key (w, entries[i].key);
    bn_j_append_string (w->j, w->buffer, w->key_separator);
    write_value (w, entries[i].value, level + 1);
  }
  if (dict->n > 0)
    write_line (w, level);
  write_text (w, "}");
}

static void
write_value (Writer *w, BnJValue value, guint level)
{
  char number[BN_J_NUMBER_SIZE];

  bn_j_check_stack (w->j);
  bn_j_step (w->j, 1);
  switch (value.type) {
    case BN_J_NONE:
      write_text (w, "null");
      return;
    case BN_J_BOOLEAN:
      write_text (w, value.boolean ? "true" : "false");
      return;
    case BN_J_INTEGER:
      write_text (w, bn_j_print_integer (number, value.integer));
      return;
    case BN_J_BIG_INTEGER:
      bn_j_append_string (w->j, w->buffer, value.string);
      return;
    case BN_J_FLOAT:
      write_number (w, value.number);
      return;
    case BN_J_STRING:
      write_string (w, value.string);
      return;
    case BN_J_LIST:
    case BN_J_TUPLE:
      write_list (w, value.list, level);
      return;
    case BN_J_DICT:
      write_dict (w, value.dict, level);
      return;
    default:
      bn_j_fail (w->j, "Object of type %s is not JSON serializable",
          bn_j_type_name (value));
  }
}

static void
set_indent (Writer *w, BnJValue indent)
{
  int64_t n;
  BnJBuffer *blanks;

  if (indent.type == BN_J_MISSING || indent.type == BN_J_NONE)
    return;
  if (bn_j_get_integer (indent, &n)) {
    blanks = bn_j_buffer_new (w->j, 0);
    for (; n > 0; n--) {
      bn_j_step (w->j, 1);
      bn_j_append_text (w->j, blanks, " ");
    }
    w->indent = bn_j_buffer_finish (w->j, blanks);
  } else {
    w->indent = bn_j_expect_string (w->j, indent);
  }
  w->item_separator = bn_j_text (w->j, ",").string;
}

/* Parameters: ensure_ascii, indent, separators, sort_keys. */
BnJValue
bn_j_filter_tojson (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  Writer w = {.j = j,
      .buffer = bn_j_buffer_new (j, 0),
      .item_separator = bn_j_text (j, ", ").string,
      .key_separator = bn_j_text (j, ": ").string,
      .ensures_ascii = bn_j_is_true (j, p[0]),
      .sorts_keys = bn_j_is_true (j, p[3])};

  set_indent (&w, p[1]);
  if (p[2].type != BN_J_MISSING && p[2].type != BN_J_NONE) {
    const BnJList *separators = bn_j_collect (j, p[2]);

    if (separators->n != 2)
      bn_j_fail (j, "separators: expected two strings");
    w.item_separator = bn_j_expect_string (j, separators->items[0]);
    w.key_separator = bn_j_expect_string (j, separators->items[1]);
  }
  write_value (&w, self, 0);
  return bn_j_string (bn_j_buffer_finish_as (j, w.buffer, w.is_untrusted));
}
