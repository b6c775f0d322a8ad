/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A line reader and a strict RFC 8259 reader for one member of one object.
 * The rest of the object is checked and passed over. */
#include "tool-jsonl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
  READ_SIZE = 1 << 16,
  MAX_LINE_SIZE = 1 << 28,
  MAX_DEPTH = 64,
};

struct ToolLines {
  int fd;
  GByteArray *buffer;
  gsize start;   /* of the next line */
  gsize scanned; /* no line ends before here */
  gboolean is_at_end;
  guint64 number;
};

/* Appends up to READ_SIZE bytes; 0 at the end, -1 on error. */
static gssize
read_some (int fd, GByteArray *buffer, GError **error)
{
  guint used = buffer->len;
  gssize n;

  g_byte_array_set_size (buffer, used + READ_SIZE);
  do
    n = read (fd, buffer->data + used, READ_SIZE);
  while (n < 0 && errno == EINTR);
  g_byte_array_set_size (buffer, used + (guint) MAX (n, 0));
  if (n < 0)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
        "cannot read standard input: %s", g_strerror (errno));
  return n;
}

gboolean
tool_read_all (int fd, gsize max_size, GByteArray *contents, GError **error)
{
  gssize n;

  while ((n = read_some (fd, contents, error)) > 0) {
    if (contents->len > max_size) {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
          "standard input has more than %" G_GSIZE_FORMAT " bytes", max_size);
      return FALSE;
    }
  }
  return n == 0;
}

ToolLines *
tool_lines_new (int fd)
{
  ToolLines *self = g_new0 (ToolLines, 1);

  self->fd = fd;
  self->buffer = g_byte_array_new ();
  return self;
}

void
tool_lines_free (ToolLines *self)
{
  g_byte_array_unref (self->buffer);
  g_free (self);
}

guint64
tool_lines_get_number (const ToolLines *self)
{
  return self->number;
}

/* The next line, blank or not. */
static gboolean
next_line (ToolLines *self, const char **line, gsize *length, GError **error)
{
  for (;;) {
    const guint8 *data = self->buffer->data;
    gsize size = self->buffer->len;
    const guint8 *end = size > self->scanned ? memchr (
                            data + self->scanned, '\n', size - self->scanned)
                                             : NULL;
    gssize n;

    if (end || (self->is_at_end && self->start < size)) {
      *line = (const char *) data + self->start;
      *length = (end ? (gsize) (end - data) : size) - self->start;
      self->start += *length + (end ? 1 : 0);
      self->scanned = self->start;
      self->number++;
      return TRUE;
    }
    if (self->is_at_end)
      return FALSE;

    if (self->start > 0) {
      g_byte_array_remove_range (self->buffer, 0, (guint) self->start);
      self->start = 0;
    }
    self->scanned = self->buffer->len;
    if (self->scanned > MAX_LINE_SIZE) {
      self->number++;
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
          "the line has more than %d bytes", MAX_LINE_SIZE);
      return FALSE;
    }
    fflush (stdout);
    n = read_some (self->fd, self->buffer, error);
    if (n < 0)
      return FALSE;
    self->is_at_end = n == 0;
  }
}

gboolean
tool_lines_next (
    ToolLines *self, const char **line, gsize *length, GError **error)
{
  while (next_line (self, line, length, error)) {
    for (gsize i = 0; i < *length; i++) {
      if (!strchr (" \t\r", (*line)[i]) || (*line)[i] == '\0')
        return TRUE;
    }
  }
  return FALSE;
}

/* A place in a line. */
typedef struct {
  const char *start, *p, *end;
  GError **error;
} Json;

static gboolean
fail (Json *json, const char *expected)
{
  gsize column = (gsize) (json->p - json->start) + 1;

  if (json->p == json->end)
    g_set_error (json->error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "the line ends, expected %s", expected);
  else if (*json->p >= 0x20 && *json->p < 0x7F)
    g_set_error (json->error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "column %" G_GSIZE_FORMAT ": found '%c', expected %s", column, *json->p,
        expected);
  else
    g_set_error (json->error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "column %" G_GSIZE_FORMAT ": found byte 0x%02X, expected %s", column,
        (guint) (guchar) *json->p, expected);
  return FALSE;
}

static void
skip_space (Json *json)
{
  while (json->p < json->end && *json->p && strchr (" \t\r\n", *json->p))
    json->p++;
}

/* Passes over c, with white space before and after it. */
static gboolean
accept (Json *json, char c)
{
  skip_space (json);
  if (json->p == json->end || *json->p != c)
    return FALSE;
  json->p++;
  skip_space (json);
  return TRUE;
}

static gboolean
parse_hex (Json *json, guint *value)
{
  *value = 0;
  for (int i = 0; i < 4; i++, json->p++) {
    if (json->p == json->end || !g_ascii_isxdigit (*json->p))
      return fail (json, "four hexadecimal digits");
    *value = *value << 4 | (guint) g_ascii_xdigit_value (*json->p);
  }
  return TRUE;
}

/* Behind a backslash. */
static gboolean
parse_escape (Json *json, GString *out)
{
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  const char *letter;
  guint cp, low;

  if (json->p == json->end)
    return fail (json, "an escape sequence");
  if (*json->p != 'u') {
    letter = *json->p ? strchr (letters, *json->p) : NULL;
    if (letter == NULL)
      return fail (json, "an escape sequence");
    json->p++;
    if (out)
      g_string_append_c (out, meanings[letter - letters]);
    return TRUE;
  }
  json->p++;
  if (!parse_hex (json, &cp))
    return FALSE;
  if (cp >= 0xDC00 && cp < 0xE000)
    return fail (json, "a high surrogate before the low one");
  if (cp >= 0xD800 && cp < 0xDC00) {
    if (json->end - json->p < 2 || json->p[0] != '\\' || json->p[1] != 'u')
      return fail (json, "a low surrogate");
    json->p += 2;
    if (!parse_hex (json, &low))
      return FALSE;
    if (low < 0xDC00 || low >= 0xE000)
      return fail (json, "a low surrogate");
    cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
  }
  if (out) {
    char bytes[6]; /* as g_unichar_to_utf8() asks for */

    g_string_append_len (out, bytes, g_unichar_to_utf8 (cp, bytes));
  }
  return TRUE;
}

/* A string; out may be NULL. */
static gboolean
parse_string (Json *json, GString *out)
{
  if (json->p == json->end || *json->p != '"')
    return fail (json, "a string");
  json->p++;
  for (;;) {
    const char *plain = json->p;

    while (json->p < json->end && *json->p != '"' && *json->p != '\\'
           && (guchar) *json->p >= 0x20)
      json->p++;
    if (out)
      g_string_append_len (out, plain, json->p - plain);
    if (json->p == json->end || (guchar) *json->p < 0x20)
      return fail (json, "the end of the string");
    if (*json->p++ == '"')
      return TRUE;
    if (!parse_escape (json, out))
      return FALSE;
  }
}

static gboolean
skip_digits (Json *json)
{
  if (json->p == json->end || !g_ascii_isdigit (*json->p))
    return fail (json, "a digit");
  while (json->p < json->end && g_ascii_isdigit (*json->p))
    json->p++;
  return TRUE;
}

static gboolean
skip_number (Json *json)
{
  if (*json->p == '-')
    json->p++;
  if (json->p < json->end && *json->p == '0')
    json->p++;
  else if (!skip_digits (json))
    return FALSE;
  if (json->p < json->end && *json->p == '.') {
    json->p++;
    if (!skip_digits (json))
      return FALSE;
  }
  if (json->p < json->end && (*json->p == 'e' || *json->p == 'E')) {
    json->p++;
    if (json->p < json->end && (*json->p == '+' || *json->p == '-'))
      json->p++;
    return skip_digits (json);
  }
  return TRUE;
}

static gboolean
skip_value (Json *json, int depth)
{
  static const char *const words[] = {"true", "false", "null"};
  gboolean is_object;

  skip_space (json);
  if (json->p == json->end || depth > MAX_DEPTH)
    return fail (json, depth > MAX_DEPTH ? "less nesting" : "a value");
  if (*json->p == '"')
    return parse_string (json, NULL);
  if (*json->p == '-' || g_ascii_isdigit (*json->p))
    return skip_number (json);
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++) {
    gsize length = strlen (words[i]);

    if ((gsize) (json->end - json->p) >= length
        && memcmp (json->p, words[i], length) == 0) {
      json->p += length;
      return TRUE;
    }
  }

  is_object = *json->p == '{';
  if (!is_object && *json->p != '[')
    return fail (json, "a value");
  json->p++;
  if (accept (json, is_object ? '}' : ']'))
    return TRUE;
  do {
    if (is_object) {
      if (!parse_string (json, NULL))
        return FALSE;
      if (!accept (json, ':'))
        return fail (json, "':'");
    }
    if (!skip_value (json, depth + 1))
      return FALSE;
  } while (accept (json, ','));
  return accept (json, is_object ? '}' : ']')
         || fail (json, is_object ? "',' or '}'" : "',' or ']'");
}

static gboolean
parse_ids (Json *json, GArray *ids)
{
  if (!accept (json, '['))
    return fail (json, "an array of token ids");
  if (accept (json, ']'))
    return TRUE;
  do {
    guint64 id = 0;

    skip_space (json);
    if (json->p == json->end || !g_ascii_isdigit (*json->p))
      return fail (json, "a token id");
    while (
        json->p < json->end && g_ascii_isdigit (*json->p) && id <= G_MAXUINT32)
      id = id * 10 + (guint64) (*json->p++ - '0');
    if (id > G_MAXUINT32)
      return fail (json, "a token id below 4294967296");
    guint32 id32 = (guint32) id;

    g_array_append_val (ids, id32);
  } while (accept (json, ','));
  return accept (json, ']') || fail (json, "',' or ']'");
}

/* Finds the member key; one of string and ids is where it goes. */
static gboolean
get_member (const char *line, gsize length, const char *key, GString *string,
    GArray *ids, GError **error)
{
  Json json = {line, line, line + length, error};
  g_autoptr (GString) name = g_string_new (NULL);
  gboolean is_found = FALSE;
  const char *bad;

  if (!g_utf8_validate_len (line, length, &bad) && *bad != '\0') {
    json.p = bad;
    return fail (&json, "UTF-8");
  }
  if (!accept (&json, '{'))
    return fail (&json, "'{'");
  if (!accept (&json, '}')) {
    do {
      g_string_truncate (name, 0);
      if (!parse_string (&json, name))
        return FALSE;
      if (!accept (&json, ':'))
        return fail (&json, "':'");
      if (name->len != strlen (key) || strcmp (name->str, key) != 0) {
        if (!skip_value (&json, 1))
          return FALSE;
        continue;
      }
      is_found = TRUE;
      if (string) {
        g_string_truncate (string, 0);
        if (!parse_string (&json, string))
          return FALSE;
      } else {
        g_array_set_size (ids, 0);
        if (!parse_ids (&json, ids))
          return FALSE;
      }
    } while (accept (&json, ','));
    if (!accept (&json, '}'))
      return fail (&json, "',' or '}'");
  }
  skip_space (&json);
  if (json.p != json.end)
    return fail (&json, "the end of the line");
  if (!is_found)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "there is no member \"%s\"", key);
  return is_found;
}

gboolean
tool_json_get_string (const char *line, gsize length, const char *key,
    GString *value, GError **error)
{
  return get_member (line, length, key, value, NULL, error);
}

gboolean
tool_json_get_ids (const char *line, gsize length, const char *key,
    GArray *value, GError **error)
{
  return get_member (line, length, key, NULL, value, error);
}

/* Code point of the line separators of Unicode at text, 0 if there is none.
 * Readers that know them would take them for the end of the line. */
static guint
separator_at (const char *text, gsize length, gsize *size)
{
  if (length >= 2 && memcmp (text, "\xC2\x85", 2) == 0) {
    *size = 2;
    return 0x85;
  }
  if (length >= 3 && memcmp (text, "\xE2\x80", 2) == 0
      && ((guchar) text[2] & 0xFE) == 0xA8) {
    *size = 3;
    return 0x2028 + ((guchar) text[2] & 1);
  }
  return 0;
}

void
tool_json_append_string (GString *out, const char *text, gsize length)
{
  gsize size = 1;

  g_string_append_c (out, '"');
  for (gsize i = 0; i < length; i += size) {
    guchar c = (guchar) text[i];
    guint separator = separator_at (text + i, length - i, &size);

    if (separator) {
      g_string_append_printf (out, "\\u%04x", separator);
      continue;
    }
    size = 1;
    if (c == '"' || c == '\\')
      g_string_append_c (out, '\\');
    if (c >= 0x20 && c != 0x7F)
      g_string_append_c (out, (char) c);
    else if (c == '\n')
      g_string_append (out, "\\n");
    else
      g_string_append_printf (out, "\\u%04x", c);
  }
  g_string_append_c (out, '"');
}
