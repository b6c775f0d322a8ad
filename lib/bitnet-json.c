/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON that comes from outside: checked against RFC 8259 before json-glib
 * sees it, because json-glib is lenient (single quotes, text after the value,
 * comments), cuts strings at \u0000 and recurses as deep as the text nests.
 *
 * The check walks the text once, goes at most MAX_DEPTH deep and allocates
 * nothing. */
#include "bitnet-private.h"
#include "bitnet-error.h"

#include <string.h>

enum {
  MAX_DEPTH = 64,
  UNICODE_DIGITS = 4,
  HIGH_SURROGATES = 0xd800,
  LOW_SURROGATES = 0xdc00,
  SURROGATES_END = 0xe000,
  FIRST_PRINTABLE = 0x20,
};

typedef struct {
  const char *text; /* start, for positions in messages */
  const char *p;
  const char *end;
} Scan;

static gboolean check_value (Scan *s, guint depth, GError **error);

static gboolean
fail (const Scan *s, const char *expected, GError **error)
{
  guint line = 1;
  const char *line_start = s->text;

  for (const char *c = s->text; c < s->p; c++) {
    if (*c == '\n') {
      line++;
      line_start = c + 1;
    }
  }
  if (s->p < s->end) {
    gunichar c = g_utf8_get_char (s->p);
    char shown[8] = {0}; /* holds one character of UTF-8 */

    g_unichar_to_utf8 (c, shown);
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "JSON, line %u, column %u: found U+%04X \"%s\", expected %s", line,
        (guint) g_utf8_strlen (line_start, s->p - line_start) + 1, c,
        g_unichar_isprint (c) ? shown : "", expected);
  } else {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "JSON, line %u: the text ends, expected %s", line, expected);
  }
  return FALSE;
}

static void
skip_space (Scan *s)
{
  while (s->p < s->end && *s->p != '\0' && strchr (" \t\n\r", *s->p))
    s->p++;
}

static gboolean
take (Scan *s, char c)
{
  if (s->p >= s->end || *s->p != c)
    return FALSE;
  s->p++;
  return TRUE;
}

/* The four digits after \u; -1 if they are not four. */
static int
take_unit (Scan *s)
{
  int unit = 0;

  for (guint i = 0; i < UNICODE_DIGITS; i++, s->p++) {
    if (s->p >= s->end || !g_ascii_isxdigit (*s->p))
      return -1;
    unit = unit * 16 + g_ascii_xdigit_value (*s->p);
  }
  return unit;
}

/* After the backslash. */
static gboolean
check_escape (Scan *s, GError **error)
{
  int unit;

  if (!take (s, 'u')) {
    if (s->p < s->end && *s->p != '\0' && strchr ("\"\\/bfnrt", *s->p)) {
      s->p++;
      return TRUE;
    }
    return fail (s, "an escaped character", error);
  }
  unit = take_unit (s);
  if (unit < 0)
    return fail (s, "four hexadecimal digits", error);
  if (unit == 0)
    return fail (s, "a text without \\u0000 before this", error);
  if (unit < HIGH_SURROGATES || unit >= SURROGATES_END)
    return TRUE;
  if (unit < LOW_SURROGATES && take (s, '\\') && take (s, 'u')) {
    unit = take_unit (s);
    if (unit >= LOW_SURROGATES && unit < SURROGATES_END)
      return TRUE;
  }
  return fail (s, "a surrogate pair before this", error);
}

static gboolean
check_string (Scan *s, GError **error)
{
  if (!take (s, '"'))
    return fail (s, "a string", error);
  while (s->p < s->end && *s->p != '"') {
    if ((guchar) *s->p < FIRST_PRINTABLE)
      return fail (s, "an escape for this control character", error);
    if (*s->p++ == '\\' && !check_escape (s, error))
      return FALSE;
  }
  return take (s, '"') || fail (s, "the end of the string", error);
}

static gboolean
skip_digits (Scan *s)
{
  const char *start = s->p;

  while (s->p < s->end && g_ascii_isdigit (*s->p))
    s->p++;
  return s->p > start;
}

static gboolean
check_number (Scan *s, GError **error)
{
  take (s, '-');
  if (!take (s, '0') && !skip_digits (s))
    return fail (s, "a value", error);
  if (take (s, '.') && !skip_digits (s))
    return fail (s, "a digit", error);
  if (take (s, 'e') || take (s, 'E')) {
    if (!take (s, '+'))
      take (s, '-');
    if (!skip_digits (s))
      return fail (s, "a digit", error);
  }
  return TRUE;
}

static gboolean
check_members (Scan *s, char close, guint depth, GError **error)
{
  gboolean is_object = close == '}';

  skip_space (s);
  if (take (s, close))
    return TRUE;
  do {
    skip_space (s);
    if (is_object) {
      if (!check_string (s, error))
        return FALSE;
      skip_space (s);
      if (!take (s, ':'))
        return fail (s, "\":\"", error);
    }
    if (!check_value (s, depth, error))
      return FALSE;
    skip_space (s);
  } while (take (s, ','));
  return take (s, close)
         || fail (s, is_object ? "\",\" or \"}\"" : "\",\" or \"]\"", error);
}

static gboolean
check_value (Scan *s, guint depth, GError **error)
{
  static const char *const words[] = {"true", "false", "null"};

  skip_space (s);
  if (depth == MAX_DEPTH)
    return fail (s, "at most 64 levels", error);
  if (take (s, '{'))
    return check_members (s, '}', depth + 1, error);
  if (take (s, '['))
    return check_members (s, ']', depth + 1, error);
  if (s->p < s->end && *s->p == '"')
    return check_string (s, error);
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++) {
    gsize length = strlen (words[i]);

    if ((gsize) (s->end - s->p) >= length
        && memcmp (s->p, words[i], length) == 0) {
      s->p += length;
      return TRUE;
    }
  }
  return check_number (s, error);
}

JsonNode *
bitnet_json_parse (
    const char *text, gssize length, gsize max_size, GError **error)
{
  gsize size = length < 0 ? strlen (text) : (gsize) length;
  Scan s = {text, text, text + size};
  const char *valid_end;
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (GError) json_error = NULL;

  if (size > max_size) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "JSON of %" G_GSIZE_FORMAT " bytes, expected at most %" G_GSIZE_FORMAT,
        size, max_size);
    return NULL;
  }
  if (!g_utf8_validate_len (text, size, &valid_end)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_ENCODING,
        "JSON is not UTF-8 at byte %" G_GSIZE_FORMAT,
        (gsize) (valid_end - text));
    return NULL;
  }
  if (!check_value (&s, 0, error))
    return NULL;
  skip_space (&s);
  if (s.p < s.end) {
    fail (&s, "nothing after the value", error);
    return NULL;
  }

  parser = json_parser_new ();
  if (!json_parser_load_from_data (parser, text, size, &json_error)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT, "JSON: %s",
        json_error->message);
    return NULL;
  }
  return json_parser_steal_root (parser);
}

/* json-glib 1.6 leaves U+001F as it is. */
void
bitnet_json_append_string (GString *json, const char *text)
{
  g_string_append_c (json, '"');
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\')
      g_string_append_printf (json, "\\%c", *text);
    else if (*text == '\n')
      g_string_append (json, "\\n");
    else if (g_ascii_iscntrl (*text))
      g_string_append_printf (json, "\\u%04x", (guint) *text);
    else
      g_string_append_c (json, *text);
  }
  g_string_append_c (json, '"');
}

static void
append_number (GString *json, JsonNode *node)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (json_node_get_value_type (node) == G_TYPE_INT64) {
    g_string_append_printf (
        json, "%" G_GINT64_FORMAT, json_node_get_int (node));
    return;
  }
  g_ascii_dtostr (buffer, sizeof buffer, json_node_get_double (node));
  g_string_append (json, buffer);
  if (strspn (buffer, "-0123456789") == strlen (buffer))
    g_string_append (json, ".0"); /* so that it stays what it is */
}

void
bitnet_json_append_node (GString *json, JsonNode *node)
{
  if (JSON_NODE_HOLDS_OBJECT (node)) {
    g_autoptr (GList) names =
        json_object_get_members (json_node_get_object (node));

    g_string_append_c (json, '{');
    for (GList *l = names; l != NULL; l = l->next) {
      if (l != names)
        g_string_append_c (json, ',');
      bitnet_json_append_string (json, l->data);
      g_string_append_c (json, ':');
      bitnet_json_append_node (
          json, json_object_get_member (json_node_get_object (node), l->data));
    }
    g_string_append_c (json, '}');
  } else if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *array = json_node_get_array (node);

    g_string_append_c (json, '[');
    for (guint i = 0; i < json_array_get_length (array); i++) {
      if (i > 0)
        g_string_append_c (json, ',');
      bitnet_json_append_node (json, json_array_get_element (array, i));
    }
    g_string_append_c (json, ']');
  } else if (JSON_NODE_HOLDS_NULL (node)) {
    g_string_append (json, "null");
  } else if (json_node_get_value_type (node) == G_TYPE_STRING) {
    bitnet_json_append_string (json, json_node_get_string (node));
  } else if (json_node_get_value_type (node) == G_TYPE_BOOLEAN) {
    g_string_append (json, json_node_get_boolean (node) ? "true" : "false");
  } else {
    append_number (json, node);
  }
}
