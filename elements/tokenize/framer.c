/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes to prompts; see the header. Invariant: text holds valid UTF-8 only;
 * at most three bytes of an unfinished character wait in tail. */
#include "framer.h"

#include <string.h>

enum {
  MAX_TAIL = 4,
};

struct _Framer {
  Framing framing;
  GString *text;       /* valid UTF-8 not yet part of a prompt */
  char tail[MAX_TAIL]; /* start of an unfinished character */
  gsize tail_size;
  guint64 offset;    /* bytes of the stream before tail */
  gboolean at_start; /* a byte order mark may come */
  GQueue prompts;    /* of char *, ready */
  char *problem;
};

Framer *
framer_new (void)
{
  Framer *self = g_new0 (Framer, 1);

  self->text = g_string_new (NULL);
  g_queue_init (&self->prompts);
  framer_reset (self, FRAMING_LINE);
  return self;
}

void
framer_free (Framer *self)
{
  if (self == NULL)
    return;
  g_string_free (self->text, TRUE);
  g_queue_clear_full (&self->prompts, g_free);
  g_free (self->problem);
  g_free (self);
}

void
framer_reset (Framer *self, Framing framing)
{
  self->framing = framing;
  g_string_truncate (self->text, 0);
  self->tail_size = 0;
  self->offset = 0;
  self->at_start = TRUE;
  g_queue_clear_full (&self->prompts, g_free);
  g_clear_pointer (&self->problem, g_free);
}

const char *
framer_get_problem (Framer *self)
{
  return self->problem ? self->problem : "";
}

static gboolean
is_blank (const char *text, gsize size)
{
  for (gsize i = 0; i < size; i++) {
    if (!g_ascii_isspace (text[i]))
      return FALSE;
  }
  return TRUE;
}

static void
add_prompt (Framer *self, const char *text, gsize size)
{
  if (!is_blank (text, size))
    g_queue_push_tail (&self->prompts, g_strndup (text, size));
}

/* Length of the line without its end, "\n" or "\r\n". */
static gsize
trim_line_end (const char *text, gsize size)
{
  if (size > 0 && text[size - 1] == '\n')
    size--;
  if (size > 0 && text[size - 1] == '\r')
    size--;
  return size;
}

static void
cut_lines (Framer *self)
{
  const char *start = self->text->str;
  const char *stop = start + self->text->len;
  const char *end;

  while ((end = memchr (start, '\n', stop - start)) != NULL) {
    add_prompt (self, start, trim_line_end (start, end + 1 - start));
    start = end + 1;
  }
  g_string_erase (self->text, 0, start - self->text->str);
}

static void
cut_paragraphs (Framer *self)
{
  const char *paragraph = self->text->str;
  const char *stop = paragraph + self->text->len;
  const char *line = paragraph;
  const char *end;

  while ((end = memchr (line, '\n', stop - line)) != NULL) {
    if (is_blank (line, end - line)) {
      add_prompt (self, paragraph, trim_line_end (paragraph, line - paragraph));
      paragraph = end + 1;
    }
    line = end + 1;
  }
  g_string_erase (self->text, 0, paragraph - self->text->str);
}

static void
cut (Framer *self)
{
  switch (self->framing) {
    case FRAMING_BUFFER:
      add_prompt (self, self->text->str, self->text->len);
      g_string_truncate (self->text, 0);
      break;
    case FRAMING_LINE:
      cut_lines (self);
      break;
    case FRAMING_PARAGRAPH:
      cut_paragraphs (self);
      break;
    case FRAMING_STREAM:
      break;
  }
}

static gboolean
refuse_byte (Framer *self, const char *data, const char *at)
{
  g_free (self->problem);
  self->problem =
      g_strdup_printf ("the prompt is not UTF-8: found byte 0x%02x "
                       "at offset %" G_GUINT64_FORMAT ", expected %s",
          (guchar) *at, self->offset + (guint64) (at - data),
          *at == '\0' ? "text without NUL" : "a valid character");
  return FALSE;
}

/* Appends the valid part of data to text; the start of an unfinished
 * character goes to tail. */
static gboolean
append_valid (Framer *self, const char *data, gsize size)
{
  static const char byte_order_mark[] = "\xef\xbb\xbf";
  const char *end;
  gsize rest;

  if (!g_utf8_validate_len (data, size, &end)) {
    rest = size - (end - data);
    if (*end == '\0' || rest >= MAX_TAIL
        || g_utf8_get_char_validated (end, rest) != (gunichar) -2)
      return refuse_byte (self, data, end);
    memcpy (self->tail, end, rest);
    self->tail_size = rest;
  }
  self->offset += end - data;
  if (self->at_start && end != data) {
    self->at_start = FALSE;
    if (end - data >= (gssize) strlen (byte_order_mark)
        && memcmp (data, byte_order_mark, strlen (byte_order_mark)) == 0)
      data += strlen (byte_order_mark);
  }
  g_string_append_len (self->text, data, end - data);
  return TRUE;
}

gboolean
framer_push (Framer *self, const char *data, gsize size)
{
  g_autofree char *joined = NULL;
  gsize tail_size = self->tail_size;

  if (size > FRAMER_MAX_SIZE || self->text->len > FRAMER_MAX_SIZE - size) {
    g_free (self->problem);
    self->problem = g_strdup_printf ("the prompt is too long: found more than "
                                     "%d bytes, expected the end of a prompt",
        FRAMER_MAX_SIZE);
    return FALSE;
  }
  if (tail_size > 0) {
    joined = g_malloc (tail_size + size);
    memcpy (joined, self->tail, tail_size);
    if (size > 0)
      memcpy (joined + tail_size, data, size);
    data = joined;
    size += tail_size;
    self->tail_size = 0;
  }
  if (size > 0 && !append_valid (self, data, size))
    return FALSE;
  cut (self);
  return TRUE;
}

gboolean
framer_finish (Framer *self)
{
  if (self->tail_size > 0)
    return refuse_byte (self, self->tail, self->tail);
  add_prompt (self, self->text->str,
      self->framing == FRAMING_BUFFER
          ? self->text->len
          : trim_line_end (self->text->str, self->text->len));
  g_string_truncate (self->text, 0);
  return TRUE;
}

char *
framer_pop (Framer *self)
{
  return g_queue_pop_head (&self->prompts);
}

/* Markup. */

static void
on_text (GMarkupParseContext *context, const char *text, gsize size,
    gpointer user_data, GError **error)
{
  g_string_append_len (user_data, text, size);
}

char *
framer_strip_markup (const char *text)
{
  static const GMarkupParser parser = {.text = on_text};
  GString *plain = g_string_new (NULL);
  GMarkupParseContext *context =
      g_markup_parse_context_new (&parser, 0, plain, NULL);
  gboolean is_markup;

  /* Markup needs one root; cues have none. */
  is_markup = g_markup_parse_context_parse (context, "<r>", -1, NULL)
              && g_markup_parse_context_parse (context, text, -1, NULL)
              && g_markup_parse_context_parse (context, "</r>", -1, NULL)
              && g_markup_parse_context_end_parse (context, NULL);
  g_markup_parse_context_free (context);
  if (!is_markup)
    g_string_assign (plain, text);
  return g_string_free (plain, FALSE);
}
