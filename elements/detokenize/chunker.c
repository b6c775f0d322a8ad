/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pieces of text to words, lines, sentences; see the header.
 *
 * Text waits in one string; scanned says how far it was searched, so that
 * every character is looked at a bounded number of times. A boundary lies
 * between two characters and is found when the second one is there. */
#include "chunker.h"

#include <string.h>

struct _Chunker {
  Granularity granularity;
  GString *text;
  gsize scanned; /* no boundary up to here */
};

Chunker *
chunker_new (void)
{
  Chunker *self = g_new0 (Chunker, 1);

  self->text = g_string_new (NULL);
  return self;
}

void
chunker_free (Chunker *self)
{
  if (self == NULL)
    return;
  g_string_free (self->text, TRUE);
  g_free (self);
}

void
chunker_reset (Chunker *self, Granularity granularity)
{
  self->granularity = granularity;
  g_string_truncate (self->text, 0);
  self->scanned = 0;
}

void
chunker_push (Chunker *self, const char *text, gsize size)
{
  g_string_append_len (self->text, text, size);
}

/* Words. */

/* Scripts that write without spaces: a character stands for a word. */
static gboolean
is_ideograph (gunichar c)
{
  return g_unichar_iswide (c) && g_unichar_type (c) == G_UNICODE_OTHER_LETTER;
}

static gboolean
is_word_boundary (gunichar before, gunichar after)
{
  if (g_unichar_isspace (after))
    return !g_unichar_isspace (before);
  if (g_unichar_isspace (before))
    return FALSE;
  return (is_ideograph (before) && !g_unichar_ispunct (after))
         || (is_ideograph (after) && !g_unichar_ispunct (before));
}

/* Bytes up to the first boundary, 0 if there is none yet. */
static gsize
find_word (Chunker *self)
{
  const char *start = self->text->str;
  const char *stop = start + self->text->len;
  const char *at = start + self->scanned;

  while (at < stop) {
    const char *next = g_utf8_next_char (at);

    if (next >= stop)
      break;
    if (is_word_boundary (g_utf8_get_char (at), g_utf8_get_char (next)))
      return next - start;
    at = next;
  }
  self->scanned = at - start;
  return 0;
}

/* Lines. */

static gsize
find_line (Chunker *self)
{
  const char *start = self->text->str;
  const char *end =
      memchr (start + self->scanned, '\n', self->text->len - self->scanned);

  if (end)
    return end + 1 - start;
  self->scanned = self->text->len;
  return 0;
}

/* Sentences. */

static gboolean
is_one_of (gunichar c, const char *set)
{
  return c != 0 && g_utf8_strchr (set, -1, c) != NULL;
}

/* Ends a sentence without a space behind it. */
static gboolean
is_wide_end (gunichar c)
{
  return is_one_of (c, "。！？");
}

static gboolean
is_closer (gunichar c)
{
  return is_one_of (c, "\"')]}»”’」』）");
}

/* Does the text up to the full stop at dot end in an abbreviation or the
 * initial of a name? */
static gboolean
is_abbreviation (const char *start, const char *dot)
{
  static const char *const abbreviations[] = {"Mr", "Mrs", "Ms", "Dr", "Prof",
      "St", "Jr", "Sr", "vs", "etc", "e.g", "i.e", "cf", "No", "Fig", "approx",
      "z.B", "bzw"};
  const char *word = dot;
  gsize size;

  while (word > start && !g_ascii_isspace (word[-1]) && word[-1] != '(')
    word--;
  size = dot - word;
  if (size == 1 && g_ascii_isupper (*word) && *word != 'I')
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (abbreviations); i++) {
    if (strlen (abbreviations[i]) == size
        && strncmp (abbreviations[i], word, size) == 0)
      return TRUE;
  }
  return FALSE;
}

typedef enum {
  GOES_ON,
  ENDS,
  TOO_EARLY, /* depends on text that is not here yet */
} Verdict;

/* Does the sentence end behind the mark at `end`, closers included? behind
 * is set to where the next one starts. */
static Verdict
judge_end (
    const char *start, const char *end, const char *stop, const char **behind)
{
  gunichar mark = g_utf8_get_char (end);
  const char *at = g_utf8_next_char (end);

  while (at < stop
         && (is_closer (g_utf8_get_char (at))
             || is_one_of (g_utf8_get_char (at), ".!?…")
             || is_wide_end (g_utf8_get_char (at))))
    at = g_utf8_next_char (at);
  *behind = at;
  if (at >= stop)
    return TOO_EARLY;
  if (is_wide_end (mark))
    return ENDS;
  if (!g_unichar_isspace (g_utf8_get_char (at)))
    return GOES_ON;
  if (mark != '.' && mark != 0x2026)
    return ENDS;
  if (mark == '.' && is_abbreviation (start, end))
    return GOES_ON;
  /* A full stop before a small letter ends no sentence. */
  while (at < stop && g_unichar_isspace (g_utf8_get_char (at))) {
    if (*at == '\n')
      return ENDS;
    at = g_utf8_next_char (at);
  }
  if (at >= stop)
    return TOO_EARLY;
  return g_unichar_islower (g_utf8_get_char (at)) ? GOES_ON : ENDS;
}

static gsize
find_sentence (Chunker *self)
{
  const char *start = self->text->str;
  const char *stop = start + self->text->len;
  const char *at = start + self->scanned;
  const char *behind;

  for (; at < stop; at = g_utf8_next_char (at)) {
    gunichar c = g_utf8_get_char (at);

    /* The end of a line ends a heading or a list item, too. */
    if (c == '\n' && at > start && !g_unichar_isspace (at[-1]))
      return at - start;
    if (!is_one_of (c, ".!?…") && !is_wide_end (c))
      continue;
    switch (judge_end (start, at, stop, &behind)) {
      case ENDS:
        return behind - start;
      case TOO_EARLY:
        self->scanned = at - start;
        return 0;
      case GOES_ON:
        break;
    }
  }
  self->scanned = at - start;
  return 0;
}

static gsize
find_end (Chunker *self)
{
  switch (self->granularity) {
    case GRANULARITY_TOKEN:
      return self->text->len;
    case GRANULARITY_WORD:
      return find_word (self);
    case GRANULARITY_LINE:
      return find_line (self);
    case GRANULARITY_SENTENCE:
      return find_sentence (self);
    case GRANULARITY_RESPONSE:
      break;
  }
  return 0;
}

char *
chunker_pop (Chunker *self)
{
  gsize size = find_end (self);
  char *chunk;

  if (size == 0)
    return NULL;
  chunk = g_strndup (self->text->str, size);
  g_string_erase (self->text, 0, size);
  self->scanned = 0;
  return chunk;
}

char *
chunker_finish (Chunker *self)
{
  char *rest = NULL;

  if (self->text->len > 0)
    rest = g_strndup (self->text->str, self->text->len);
  g_string_truncate (self->text, 0);
  self->scanned = 0;
  return rest;
}
