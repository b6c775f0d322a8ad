/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bounded reader. Every comparison has the form "need > left", which
 * cannot overflow. */
#include "bn-cursor.h"

#include <string.h>

enum { MAX_PRINTED = 64 };

static char *
escape (const char *text, gsize n)
{
  GString *out = g_string_sized_new (n);

  for (const char *p = text; p < text + n;) {
    gunichar c = g_utf8_get_char_validated (p, text + n - p);

    if (c == (gunichar) -1 || c == (gunichar) -2 || !g_unichar_isprint (c)) {
      g_string_append_printf (out, "\\x%02x", (guint8) *p);
      p++;
    } else {
      g_string_append_unichar (out, c);
      p = g_utf8_next_char (p);
    }
  }
  return g_string_free (out, FALSE);
}

void
bn_cursor_fail (
    BnCursor *self, BitnetError code, uint64_t offset, const char *format, ...)
{
  g_autofree char *message = NULL;
  g_autofree char *printable = NULL;
  g_autofree char *name = NULL;
  va_list args;

  if (self->error)
    return;
  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  printable = escape (message, strlen (message));
  name = g_filename_display_name (self->name);
  self->error = g_error_new (BITNET_ERROR, (int) code,
      "%s: at byte %" G_GUINT64_FORMAT ": %s", name, offset, printable);
}

gboolean
bn_cursor_continue (BnCursor *self)
{
  if (self->error)
    return FALSE;
  return !g_cancellable_set_error_if_cancelled (
      self->cancellable, &self->error);
}

const uint8_t *
bn_cursor_take (BnCursor *self, uint64_t n, const char *what)
{
  const uint8_t *bytes;

  if (self->error)
    return NULL;
  if (n > bn_cursor_left (self)) {
    bn_cursor_fail (self, BITNET_ERROR_TRUNCATED, self->pos,
        "found the end of the file after %" G_GUINT64_FORMAT
        " bytes, expected %" G_GUINT64_FORMAT " bytes of %s",
        bn_cursor_left (self), n, what);
    return NULL;
  }
  bytes = self->data + self->pos;
  self->pos += n;
  return bytes;
}

uint32_t
bn_cursor_uint32 (BnCursor *self, const char *what)
{
  const uint8_t *bytes = bn_cursor_take (self, sizeof (uint32_t), what);
  uint32_t value;

  if (!bytes)
    return 0;
  memcpy (&value, bytes, sizeof value);
  return GUINT32_FROM_LE (value);
}

uint64_t
bn_cursor_uint64 (BnCursor *self, const char *what)
{
  const uint8_t *bytes = bn_cursor_take (self, sizeof (uint64_t), what);
  uint64_t value;

  if (!bytes)
    return 0;
  memcpy (&value, bytes, sizeof value);
  return GUINT64_FROM_LE (value);
}

uint64_t
bn_cursor_size (BnCursor *self, const char *what)
{
  if (self->size_width == sizeof (uint32_t))
    return bn_cursor_uint32 (self, what);
  return bn_cursor_uint64 (self, what);
}

const char *
bn_cursor_string (
    BnCursor *self, uint64_t max, const char *what, uint64_t *length)
{
  uint64_t offset = self->pos;

  *length = bn_cursor_size (self, what);
  if (self->error)
    return NULL;
  if (*length > max) {
    bn_cursor_fail (self, BITNET_ERROR_CORRUPT, offset,
        "found length %" G_GUINT64_FORMAT
        " of %s, expected at most %" G_GUINT64_FORMAT,
        *length, what, max);
    return NULL;
  }
  return (const char *) bn_cursor_take (self, *length, what);
}

char *
bn_printable (const char *text, uint64_t length)
{
  g_autofree char *text_start = escape (text, MIN (length, MAX_PRINTED));

  return g_strconcat (text_start, length > MAX_PRINTED ? "…" : "", NULL);
}
