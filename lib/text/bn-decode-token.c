/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stages that look at one token: what becomes of its text. */
#include "bn-decode-stage.h"

#include <string.h>

void
bn_stage_clear (BnStage *self)
{
  g_clear_pointer (&self->pattern, g_free);
  g_clear_pointer (&self->content, g_free);
  g_clear_pointer (&self->regex, bn_regex_free);
}

/* The first occurrence of pattern, which is not empty; NULL if there is none.
 */
static const char *
find_bytes (
    const char *text, size_t length, const char *pattern, size_t pattern_length)
{
  while (length >= pattern_length) {
    const char *found = memchr (text, *pattern, length - pattern_length + 1);

    if (found == NULL || memcmp (found, pattern, pattern_length) == 0)
      return found;
    length -= (size_t) (found + 1 - text);
    text = found + 1;
  }
  return NULL;
}

void
bn_replace_append (GString *out, const char *text, size_t length,
    const char *pattern, size_t pattern_length, const char *content,
    size_t content_length)
{
  const char *end = text + length;

  while (pattern_length > 0) {
    const char *found =
        find_bytes (text, (size_t) (end - text), pattern, pattern_length);

    if (found == NULL)
      break;
    g_string_append_len (out, text, found - text);
    g_string_append_len (out, content, (gssize) content_length);
    text = found + pattern_length;
  }
  /* An empty pattern is around every character. */
  while (pattern_length == 0 && text < end) {
    uint32_t cp;
    unsigned n =
        bn_utf8_next ((const uint8_t *) text, (const uint8_t *) end, &cp);

    g_string_append_len (out, content, (gssize) content_length);
    g_string_append_len (out, text, n);
    text += n;
  }
  g_string_append_len (out, text, end - text);
  if (pattern_length == 0)
    g_string_append_len (out, content, (gssize) content_length);
}

/* The same for an expression; where one of its limits is reached, the rest
 * stays as it is. */
static void
append_matches_replaced (const BnStage *stage, BnScratch *scratch,
    const char *text, size_t length, GString *out)
{
  BnRegexIter iter;
  size_t last = 0, start, end;

  bn_regex_iter_init (
      &iter, stage->regex, scratch, (const uint8_t *) text, length);
  while (bn_regex_iter_next (&iter, &start, &end)) {
    g_string_append_len (out, text + last, (gssize) (start - last));
    g_string_append_len (out, stage->content, (gssize) stage->content_length);
    last = end;
  }
  g_string_append_len (out, text + last, (gssize) (length - last));
}

static void
append_replacement (const BnStage *stage, BnScratch *scratch, const char *text,
    size_t length, GString *out)
{
  if (length == 0)
    return;
  if (stage->regex)
    append_matches_replaced (stage, scratch, text, length, out);
  else
    bn_replace_append (out, text, length, stage->pattern, stage->pattern_length,
        stage->content, stage->content_length);
}

/* Marks of tokenization that the WordPiece and CTC decoders remove. */
void
bn_clean_token (GString *text, gsize start)
{
  static const struct {
    const char *pattern, *content;
  } replacements[] = {
      {" .", "."},
      {" ?", "?"},
      {" !", "!"},
      {" ,", ","},
      {" ' ", "'"},
      {" n't", "n't"},
      {" 'm", "'m"},
      {" do not", " don't"},
      {" 's", "'s"},
      {" 've", "'ve"},
      {" 're", "'re"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (replacements); i++) {
    const char *pattern = replacements[i].pattern;
    g_autofree char *copy = NULL;
    gsize length = text->len - start;

    if (find_bytes (text->str + start, length, pattern, strlen (pattern))
        == NULL)
      continue;
    copy = g_memdup2 (text->str + start, length);
    g_string_truncate (text, start);
    bn_replace_append (text, copy, length, pattern, strlen (pattern),
        replacements[i].content, strlen (replacements[i].content));
  }
}

gboolean
bn_stage_starts (const BnStage *stage, const char *text, size_t length)
{
  return length >= stage->pattern_length
         && memcmp (text, stage->pattern, stage->pattern_length) == 0;
}

/* Whether a token begins a word, and where its text does: WORD_PIECE marks
 * those that do not, PHANTOM those that do, but for [CLS] and the like. */
static gboolean
begins_word (const BnStage *stage, const char **text, size_t *length)
{
  gboolean is_marked = bn_stage_starts (stage, *text, *length);

  if (is_marked) {
    *text += stage->pattern_length;
    *length -= stage->pattern_length;
  }
  if (stage->type == BN_STAGE_WORD_PIECE)
    return !is_marked;
  return is_marked
         || (*length > 1 && (*text)[0] == '[' && (*text)[*length - 1] == ']');
}

static void
append_word_piece (const BnStage *stage, gboolean is_first, const char *text,
    size_t length, GString *out)
{
  gsize start = out->len;

  /* The first token is as it is. */
  if (!is_first || stage->type == BN_STAGE_PHANTOM) {
    if (begins_word (stage, &text, &length) && !is_first)
      g_string_append_c (out, ' ');
  }
  g_string_append_len (out, text, (gssize) length);
  if (stage->cleans)
    bn_clean_token (out, start);
}

gboolean
bn_stage_ends (const BnStage *stage, const char *text, size_t length)
{
  return length >= stage->pattern_length
         && memcmp (text + length - stage->pattern_length, stage->pattern,
                stage->pattern_length)
                == 0;
}

static void
append_stripped (
    const BnStage *stage, const char *text, size_t length, GString *out)
{
  for (size_t i = 0; i < stage->start && bn_stage_starts (stage, text, length);
       i++) {
    text += stage->pattern_length;
    length -= stage->pattern_length;
  }
  for (size_t i = 0; i < stage->stop && bn_stage_ends (stage, text, length);
       i++)
    length -= stage->pattern_length;
  g_string_append_len (out, text, (gssize) length);
}

/* The bytes that the characters stand for; the text itself if it has others
 * than those of the table. */
static void
append_bytes (const char *text, size_t length, GString *out)
{
  const uint8_t *p = (const uint8_t *) text, *end = p + length;
  gsize start = out->len;

  while (p < end) {
    uint32_t cp;
    int byte;

    p += bn_utf8_next (p, end, &cp);
    byte = bn_byte_level_decode (cp);
    if (byte < 0) {
      g_string_truncate (out, start);
      g_string_append_len (out, text, (gssize) length);
      return;
    }
    g_string_append_c (out, (char) byte);
  }
}

void
bn_stage_append (const BnStage *stage, BnScratch *scratch, gboolean is_first,
    const char *text, size_t length, GString *out)
{
  switch (stage->type) {
    case BN_STAGE_REPLACE:
      append_replacement (stage, scratch, text, length, out);
      break;
    case BN_STAGE_METASPACE:
      bn_replace_append (out, text, length, stage->pattern,
          stage->pattern_length, " ", is_first && stage->removes_first ? 0 : 1);
      break;
    case BN_STAGE_WORD_PIECE:
    case BN_STAGE_PHANTOM:
      append_word_piece (stage, is_first, text, length, out);
      break;
    case BN_STAGE_SPACE:
      if (!is_first)
        g_string_append_c (out, ' ');
      g_string_append_len (out, text, (gssize) length);
      break;
    case BN_STAGE_STRIP:
      append_stripped (stage, text, length, out);
      break;
    case BN_STAGE_BYTE_LEVEL:
      append_bytes (text, length, out);
      break;
    default:
      g_assert_not_reached ();
  }
}
