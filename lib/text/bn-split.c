/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pre-tokenizers of tokenizer.json, as a flat list of steps.
 *
 * A piece of text goes down the list: each step cuts it, or rewrites it, and
 * hands every part on at once, so that it is still in the cache when the next
 * step sees it. What comes out below is a word.
 *
 *   "I'm 12"  ->  Digits:  I'm␠  1  2
 *                   ByteLevel:  I  'm  Ġ        1     2
 */
#define _GNU_SOURCE /* memmem() */
#include "bn-split.h"

#include <string.h>

#include "bn-encoder.h"
#include "bn-pretok-splitters.h"
#include "bn-regex.h"
#include "bn-split-known.h"
#include "bn-unicode.h"

enum {
  MAX_STEPS = 64, /* they call each other */
  CHARACTER_SIZE = 4,
  DEFAULT_CHUNK = 5,
};

#define DEFAULT_REPLACEMENT "\xE2\x96\x81" /* U+2581 */

typedef enum {
  BEHAVIOR_REMOVED,
  BEHAVIOR_ISOLATED,
  BEHAVIOR_WITH_PREVIOUS,
  BEHAVIOR_WITH_NEXT,
  BEHAVIOR_CONTIGUOUS,
} Behavior;

typedef enum {
  PREPEND_ALWAYS,
  PREPEND_FIRST,
  PREPEND_NEVER,
} PrependScheme;

typedef struct Step Step;
typedef struct Run Run;

/* A part of the text or of what it was rewritten to. */
typedef struct {
  const uint8_t *start, *end;
  gboolean is_first; /* begins where the whole text does */
} Piece;

/* Hands the parts of a piece, which is not empty, to the next step. */
typedef gboolean (*StepFn) (Run *run, const Step *step, Piece piece);

/* Whether a step is for a character. */
typedef gboolean (*ClassFn) (const Step *step, uint32_t cp);

struct Step {
  StepFn run;
  BnSplitFn cut; /* of run_cut */
  Behavior behavior;
  gboolean is_inverted;
  BnRegex *regex;
  char *pattern;
  size_t pattern_size;
  uint32_t delimiter;
  char *replacement; /* of Metaspace */
  size_t replacement_size;
  PrependScheme prepend;
  gboolean is_split;
  size_t chunk;
};

struct BnSplitter {
  GArray *steps; /* Step */
  BnPretokSet set;
  gboolean has_set, has_regex, is_byte_level, is_raw;
};

struct Run {
  const BnSplitter *splitter;
  BnScratch *scratch;
  BnWords *words;
  const Step *end;
  gboolean has_tables; /* words are spelled in the byte table, and must not */
};

static void
step_clear (gpointer data)
{
  Step *step = data;

  g_free (step->pattern);
  g_free (step->replacement);
  g_clear_pointer (&step->regex, bn_regex_free);
}

/* Words. */

static gboolean
grow_starts (BnWords *words)
{
  size_t n = MAX (words->n_reserved * 2, 64);
  uint32_t *starts = g_try_realloc_n (words->starts, n + 1, sizeof *starts);

  if (!starts)
    return FALSE;
  words->starts = starts;
  words->n_reserved = n;
  return TRUE;
}

static inline gboolean
push_start (BnWords *words)
{
  if (words->n_words == words->n_reserved && !grow_starts (words))
    return FALSE;
  words->starts[words->n_words++] = (uint32_t) words->text.length;
  return TRUE;
}

/* Copies a word, which is short as a rule, by two moves that may overlap. */
static inline void
copy_word (uint8_t *out, const uint8_t *word, size_t size)
{
  if (size >= 16) {
    memcpy (out, word, size);
  } else if (size >= 8) {
    memcpy (out, word, 8);
    memcpy (out + size - 8, word + size - 8, 8);
  } else if (size >= 4) {
    memcpy (out, word, 4);
    memcpy (out + size - 4, word + size - 4, 4);
  } else {
    for (size_t i = 0; i < size; i++)
      out[i] = word[i];
  }
}

/* The bytes that the characters of a word stand for. */
static gboolean
append_bytes (BnBuffer *out, const uint8_t *p, const uint8_t *end)
{
  if (!bn_buffer_reserve (out, (size_t) (end - p)))
    return FALSE;
  while (p < end) {
    uint32_t cp;
    unsigned size = bn_utf8_next (p, end, &cp);
    int byte = bn_byte_level_decode (cp);

    g_assert (byte >= 0);
    out->data[out->length++] = (uint8_t) byte;
    p += size;
  }
  return TRUE;
}

static inline gboolean
push_word (Run *run, const uint8_t *start, const uint8_t *end)
{
  BnWords *words = run->words;
  BnBuffer *text = &words->text;
  size_t size = (size_t) (end - start);

  if (size > UINT32_MAX - text->length || !push_start (words))
    return FALSE;
  if (run->has_tables)
    return append_bytes (text, start, end);
  if (size > text->n_reserved - text->length && !bn_buffer_reserve (text, size))
    return FALSE;
  copy_word (text->data + text->length, start, size);
  text->length += size;
  return TRUE;
}

/* Hands a part of a piece on. */
static inline gboolean
hand_on (Run *run, const Step *step, const Piece *whole, const uint8_t *start,
    const uint8_t *end)
{
  if (start == end)
    return TRUE;
  if (step + 1 == run->end)
    return push_word (run, start, end);

  Piece piece = {start, end, whole->is_first && start == whole->start};

  return step[1].run (run, step + 1, piece);
}

/* Matches and gaps, put together as the behaviour says. */

typedef struct {
  Run *run;
  const Step *step;
  const Piece *whole;
  const uint8_t *start, *end; /* what waits for its neighbour */
  gboolean is_waiting, is_match;
} Joiner;

static gboolean
joiner_flush (Joiner *self)
{
  gboolean is_waiting = self->is_waiting;

  self->is_waiting = FALSE;
  return !is_waiting
         || hand_on (
             self->run, self->step, self->whole, self->start, self->end);
}

static gboolean
joiner_push (
    Joiner *self, const uint8_t *start, const uint8_t *end, gboolean is_match)
{
  const Step *step = self->step;
  gboolean joins = FALSE;

  is_match ^= step->is_inverted;
  switch (step->behavior) {
    case BEHAVIOR_REMOVED:
      return is_match || hand_on (self->run, step, self->whole, start, end);
    case BEHAVIOR_ISOLATED:
      return hand_on (self->run, step, self->whole, start, end);
    case BEHAVIOR_WITH_PREVIOUS:
      joins = self->is_waiting && is_match && !self->is_match;
      break;
    case BEHAVIOR_WITH_NEXT:
      joins = self->is_waiting && !is_match && self->is_match;
      break;
    case BEHAVIOR_CONTIGUOUS:
      joins = self->is_waiting && is_match == self->is_match;
      break;
  }
  if (!joins) {
    if (!joiner_flush (self))
      return FALSE;
    self->start = start;
    self->is_waiting = TRUE;
  }
  self->end = end;
  self->is_match = is_match;
  return TRUE;
}

/* Steps that cut. */

static gboolean
run_cut (Run *run, const Step *step, Piece piece)
{
  const uint8_t *p = piece.start;

  while (p < piece.end) {
    const uint8_t *start = p;

    p += step->cut (p, piece.end);
    if (!hand_on (run, step, &piece, start, p))
      return FALSE;
  }
  return TRUE;
}

static gboolean
run_regex (Run *run, const Step *step, Piece piece)
{
  Joiner joiner = {.run = run, .step = step, .whole = &piece};
  size_t length = (size_t) (piece.end - piece.start);
  size_t start, end, done = 0;
  BnRegexIter iter;

  bn_regex_iter_init (&iter, step->regex, run->scratch, piece.start, length);
  while (bn_regex_iter_next (&iter, &start, &end)) {
    if (start > done
        && !joiner_push (
            &joiner, piece.start + done, piece.start + start, FALSE))
      return FALSE;
    if (!joiner_push (&joiner, piece.start + start, piece.start + end, TRUE))
      return FALSE;
    done = end;
  }
  if (iter.has_failed)
    return FALSE;
  if (done < length
      && !joiner_push (&joiner, piece.start + done, piece.end, FALSE))
    return FALSE;
  return joiner_flush (&joiner);
}

static gboolean
run_literal (Run *run, const Step *step, Piece piece)
{
  Joiner joiner = {.run = run, .step = step, .whole = &piece};
  const uint8_t *p = piece.start;

  while (p < piece.end) {
    size_t size = (size_t) (piece.end - p);
    const uint8_t *found =
        step->pattern_size == 1
            ? memchr (p, *step->pattern, size)
            : memmem (p, size, step->pattern, step->pattern_size);

    if (!found)
      break;
    if (found > p && !joiner_push (&joiner, p, found, FALSE))
      return FALSE;
    p = found + step->pattern_size;
    if (!joiner_push (&joiner, found, p, TRUE))
      return FALSE;
  }
  if (p < piece.end && !joiner_push (&joiner, p, piece.end, FALSE))
    return FALSE;
  return joiner_flush (&joiner);
}

static inline gboolean
run_class (Run *run, const Step *step, Piece piece, ClassFn contains)
{
  Joiner joiner = {.run = run, .step = step, .whole = &piece};
  const uint8_t *p = piece.start, *gap = p;

  while (p < piece.end) {
    uint32_t cp;
    unsigned size = bn_utf8_next (p, piece.end, &cp);

    if (contains (step, cp)) {
      if (p > gap && !joiner_push (&joiner, gap, p, FALSE))
        return FALSE;
      if (!joiner_push (&joiner, p, p + size, TRUE))
        return FALSE;
      gap = p + size;
    }
    p += size;
  }
  if (p > gap && !joiner_push (&joiner, gap, p, FALSE))
    return FALSE;
  return joiner_flush (&joiner);
}

static gboolean
is_space (const Step *step, uint32_t cp)
{
  return bn_is_space (cp);
}

static gboolean
run_space (Run *run, const Step *step, Piece piece)
{
  return run_class (run, step, piece, is_space);
}

static gboolean
is_delimiter (const Step *step, uint32_t cp)
{
  return cp == step->delimiter;
}

static gboolean
run_delimiter (Run *run, const Step *step, Piece piece)
{
  return run_class (run, step, piece, is_delimiter);
}

static gboolean
is_punctuation (const Step *step, uint32_t cp)
{
  return (bn_char_properties (cp) & BN_PROPERTY_PUNCTUATION_8) != 0;
}

static gboolean
run_punctuation (Run *run, const Step *step, Piece piece)
{
  return run_class (run, step, piece, is_punctuation);
}

/* White space goes, punctuation stands alone. */
static gboolean
run_bert (Run *run, const Step *step, Piece piece)
{
  const uint8_t *p = piece.start, *word = p;

  while (p < piece.end) {
    uint32_t cp;
    unsigned size = 1;
    gboolean is_gone, is_alone;

    /* The usual case, without a look at a table of all characters. */
    while (p < piece.end && g_ascii_isalnum ((char) *p))
      p++;
    if (p == piece.end)
      break;
    size = bn_utf8_next (p, piece.end, &cp);
    is_gone = bn_is_space (cp);
    is_alone =
        !is_gone && (bn_char_properties (cp) & BN_PROPERTY_PUNCTUATION_8);
    if (is_gone || is_alone) {
      if (!hand_on (run, step, &piece, word, p)
          || (is_alone && !hand_on (run, step, &piece, p, p + size)))
        return FALSE;
      word = p + size;
    }
    p += size;
  }
  return hand_on (run, step, &piece, word, p);
}

/* \w+|[^\w\s]+ */
static gboolean
run_whitespace (Run *run, const Step *step, Piece piece)
{
  enum { GAP, WORD, OTHER } kind = GAP;
  const uint8_t *p = piece.start, *start = p;

  while (p < piece.end) {
    uint32_t cp;
    unsigned size = bn_utf8_next (p, piece.end, &cp), now;

    now = bn_char_properties (cp) & BN_PROPERTY_WORD ? WORD
          : bn_is_space (cp)                         ? GAP
                                                     : OTHER;
    if (now != kind) {
      if (kind != GAP && !hand_on (run, step, &piece, start, p))
        return FALSE;
      start = p;
      kind = now;
    }
    p += size;
  }
  return kind == GAP || hand_on (run, step, &piece, start, p);
}

/* A piece begins where the script differs from the last one; characters
 * without a script join, but those before the first script are lost. */
static gboolean
run_scripts (Run *run, const Step *step, Piece piece)
{
  const uint8_t *p = piece.start, *start = NULL;
  unsigned last = 0;

  while (p < piece.end) {
    uint32_t cp;
    unsigned size = bn_utf8_next (p, piece.end, &cp);
    unsigned script = bn_unicode_script_9 (cp);

    if (script != 0 && script != last) {
      if (start && !hand_on (run, step, &piece, start, p))
        return FALSE;
      start = p;
      last = script;
    }
    p += size;
  }
  return !start || hand_on (run, step, &piece, start, p);
}

static gboolean
run_chunks (Run *run, const Step *step, Piece piece)
{
  const uint8_t *p = piece.start;

  while (p < piece.end) {
    const uint8_t *start = p;
    uint32_t cp;

    for (size_t i = 0; i < step->chunk && p < piece.end; i++)
      p += bn_utf8_next (p, piece.end, &cp);
    if (!hand_on (run, step, &piece, start, p))
      return FALSE;
  }
  return TRUE;
}

/* Steps that rewrite. Each has a buffer of its own, which is free again when
 * all parts of the piece are words. */

static BnBuffer *
buffer_of (Run *run, const Step *step)
{
  const Step *first = &g_array_index (run->splitter->steps, Step, 0);
  BnBuffer *buffer = &run->words->buffers[step - first];

  buffer->length = 0;
  return buffer;
}

static gboolean
hand_on_buffer (
    Run *run, const Step *step, const Piece *from, const BnBuffer *buffer)
{
  Piece piece = {buffer->data, buffer->data + buffer->length, from->is_first};

  return hand_on (run, step, &piece, piece.start, piece.end);
}

/* A space in front unless there is one. */
static gboolean
run_prefix (Run *run, const Step *step, Piece piece)
{
  BnBuffer *buffer;

  if (*piece.start == ' ')
    return hand_on (run, step, &piece, piece.start, piece.end);
  buffer = buffer_of (run, step);
  return bn_buffer_append (buffer, " ", 1)
         && bn_buffer_append (
             buffer, piece.start, (size_t) (piece.end - piece.start))
         && hand_on_buffer (run, step, &piece, buffer);
}

/* Bytes to characters of the table. */
static gboolean
run_table (Run *run, const Step *step, Piece piece)
{
  size_t size = (size_t) (piece.end - piece.start);
  BnBuffer *buffer;
  uint8_t *out;

  if (run->splitter->is_raw && step + 1 == run->end)
    return hand_on (run, step, &piece, piece.start, piece.end);
  buffer = buffer_of (run, step);
  if (size > SIZE_MAX / 2 - CHARACTER_SIZE
      || !bn_buffer_reserve (buffer, 2 * size + CHARACTER_SIZE))
    return FALSE;
  out = buffer->data;
  for (size_t i = 0; i < size; i++)
    out += bn_utf8_encode (bn_byte_level_encode (piece.start[i]), out);
  buffer->length = (size_t) (out - buffer->data);
  return hand_on_buffer (run, step, &piece, buffer);
}

static gboolean
starts_with (Piece piece, const char *text, size_t size)
{
  return (size_t) (piece.end - piece.start) >= size
         && memcmp (piece.start, text, size) == 0;
}

/* Spaces become replacement characters. With is_split there is a piece in
 * front of each of these; then the buffer holds no more than one piece. */
static gboolean
run_metaspace (Run *run, const Step *step, Piece piece)
{
  BnBuffer *buffer = buffer_of (run, step);
  const uint8_t *p = piece.start;
  gboolean is_first = piece.is_first;

  if ((step->prepend == PREPEND_ALWAYS
          || (step->prepend == PREPEND_FIRST && is_first))
      && *p != ' '
      && !starts_with (piece, step->replacement, step->replacement_size)
      && !bn_buffer_append (buffer, step->replacement, step->replacement_size))
    return FALSE;
  while (p < piece.end) {
    const uint8_t lead = (uint8_t) step->replacement[0], *start = p;

    while (p < piece.end && *p != ' ' && *p != lead)
      p++;
    if (!bn_buffer_reserve (
            buffer, (size_t) (p - start) + step->replacement_size))
      return FALSE;
    copy_word (buffer->data + buffer->length, start, (size_t) (p - start));
    buffer->length += (size_t) (p - start);
    if (p == piece.end)
      break;

    Piece rest = {p, piece.end, FALSE};
    size_t size = *p == ' ' ? 1 : step->replacement_size;

    if (*p != ' '
        && !starts_with (rest, step->replacement, step->replacement_size)) {
      buffer->data[buffer->length++] = *p++;
      continue;
    }
    if (step->is_split && buffer->length > 0) {
      Piece whole = {buffer->data, buffer->data + buffer->length, is_first};

      if (!hand_on (run, step, &whole, whole.start, whole.end))
        return FALSE;
      buffer->length = 0;
      is_first = FALSE;
    }
    copy_word (buffer->data + buffer->length, (uint8_t *) step->replacement,
        step->replacement_size);
    buffer->length += step->replacement_size;
    p += size;
  }
  piece.is_first = is_first;
  return hand_on_buffer (run, step, &piece, buffer);
}

/* Splitters for sets. */

static inline size_t
cut_runs (
    const uint8_t *p, const uint8_t *end, unsigned property, gboolean is_joined)
{
  uint32_t cp;
  unsigned size = bn_utf8_next (p, end, &cp);
  gboolean inside = (bn_char_properties (cp) & property) != 0;
  const uint8_t *q = p + size;

  if (inside && !is_joined)
    return size;
  for (; q < end; q += size) {
    size = bn_utf8_next (q, end, &cp);
    if (((bn_char_properties (cp) & property) != 0) != inside)
      break;
  }
  return (size_t) (q - p);
}

static size_t
cut_each_digit (const uint8_t *p, const uint8_t *end)
{
  return cut_runs (p, end, BN_PROPERTY_NUMERIC, FALSE);
}

static size_t
cut_digits (const uint8_t *p, const uint8_t *end)
{
  return cut_runs (p, end, BN_PROPERTY_NUMERIC, TRUE);
}

static size_t
cut_each_punctuation (const uint8_t *p, const uint8_t *end)
{
  return cut_runs (p, end, BN_PROPERTY_PUNCTUATION_8, FALSE);
}

static size_t
cut_punctuation (const uint8_t *p, const uint8_t *end)
{
  return cut_runs (p, end, BN_PROPERTY_PUNCTUATION_8, TRUE);
}

/* Reading. */

static void
add_step (BnSplitter *self, StepFn run, Step options)
{
  Step step = options;

  step.run = run;
  g_array_append_val (self->steps, step);
}

static void
add_cut (BnSplitter *self, BnSplitFn cut)
{
  add_step (self, run_cut, (Step){.cut = cut});
}

static char *
dup_string (BnJson json, size_t *length)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  const char *text;
  char *copy;

  bn_json_get_string (json, buffer, &text, length);
  copy = g_malloc (*length + 1);
  memcpy (copy, text, *length);
  copy[*length] = '\0';
  return copy;
}

static gboolean
find_member (BnJson json, const char *name, BnJsonType type, BnJson *value,
    GError **error)
{
  if (!bn_json_find (json, name, value))
    return bn_json_fail (json, error, "an object with the member \"%s\"", name);
  return bn_json_expect (*value, type, error);
}

static gboolean
read_behavior (BnJson json, Behavior *behavior, GError **error)
{
  static const char *const names[] = {"Removed", "Isolated",
      "MergedWithPrevious", "MergedWithNext", "Contiguous"};
  BnJson value;

  if (!bn_json_find (json, "behavior", &value))
    return TRUE;
  if (!bn_json_expect (value, BN_JSON_STRING, error))
    return FALSE;
  for (size_t i = 0; i < G_N_ELEMENTS (names); i++) {
    if (bn_json_equals (value, names[i])) {
      *behavior = (Behavior) i;
      return TRUE;
    }
  }
  return bn_json_fail (value, error,
      "a behavior (Removed, Isolated, MergedWithPrevious, MergedWithNext, "
      "Contiguous)");
}

/* Exactly one character. */
static gboolean
read_character (BnJson json, const char *name, char **text, size_t *length,
    uint32_t *cp, GError **error)
{
  BnJson value;

  if (!bn_json_find (json, name, &value))
    return TRUE;
  if (!bn_json_expect (value, BN_JSON_STRING, error))
    return FALSE;
  g_free (*text);
  *text = dup_string (value, length);
  if (*length == 0
      || bn_utf8_next ((uint8_t *) *text, (uint8_t *) *text + *length, cp)
             != *length)
    return bn_json_fail (value, error, "one character");
  return TRUE;
}

static gboolean
read_byte_level (BnSplitter *self, BnJson json, GError **error)
{
  gboolean add_prefix_space = TRUE, use_regex = TRUE;

  if (!bn_json_read_boolean (json, "add_prefix_space", &add_prefix_space, error)
      || !bn_json_read_boolean (json, "use_regex", &use_regex, error))
    return FALSE;
  if (add_prefix_space)
    add_step (self, run_prefix, (Step){.cut = NULL});
  if (use_regex)
    add_cut (self, bn_split_gpt2);
  add_step (self, run_table, (Step){.cut = NULL});
  return TRUE;
}

static gboolean
read_metaspace (BnSplitter *self, BnJson json, GError **error)
{
  Step step = {.is_split = TRUE};
  gboolean add_prefix_space = TRUE;
  BnJson scheme;

  step.replacement = g_strdup (DEFAULT_REPLACEMENT);
  step.replacement_size = strlen (DEFAULT_REPLACEMENT);
  add_step (self, run_metaspace, step);
  Step *added = &g_array_index (self->steps, Step, self->steps->len - 1);

  if (!read_character (json, "replacement", &added->replacement,
          &added->replacement_size, &added->delimiter, error)
      || !bn_json_read_boolean (json, "split", &added->is_split, error)
      || !bn_json_read_boolean (
          json, "add_prefix_space", &add_prefix_space, error))
    return FALSE;
  added->prepend = add_prefix_space ? PREPEND_ALWAYS : PREPEND_NEVER;
  if (!bn_json_find (json, "prepend_scheme", &scheme))
    return TRUE;
  if (!bn_json_expect (scheme, BN_JSON_STRING, error))
    return FALSE;
  if (bn_json_equals (scheme, "always"))
    added->prepend = PREPEND_ALWAYS;
  else if (bn_json_equals (scheme, "first"))
    added->prepend = PREPEND_FIRST;
  else if (bn_json_equals (scheme, "never"))
    added->prepend = PREPEND_NEVER;
  else
    return bn_json_fail (
        scheme, error, "a prepend_scheme (first, never, always)");
  return TRUE;
}

static gboolean
add_regex (BnSplitter *self, BnJson text, Step step, GError **error)
{
  size_t length;
  g_autofree char *pattern = dup_string (text, &length);
  BnSplitFn cut;

  cut = bn_split_find_known (pattern, length,
      step.behavior == BEHAVIOR_ISOLATED ? BN_KNOWN_ISOLATED
                                         : BN_KNOWN_WITHOUT_GAPS);
  /* Where there are no gaps, removing them does nothing. */
  if (cut
      && (step.behavior == BEHAVIOR_ISOLATED
          || (step.behavior == BEHAVIOR_REMOVED && step.is_inverted))) {
    add_cut (self, cut);
    return TRUE;
  }
  step.regex = bn_regex_new (text, error);
  if (!step.regex)
    return FALSE;
  add_step (self, run_regex, step);
  return TRUE;
}

static gboolean
read_split (BnSplitter *self, BnJson json, GError **error)
{
  Step step = {.behavior = BEHAVIOR_ISOLATED};
  BnJson pattern, text, member;

  if (!find_member (json, "pattern", BN_JSON_OBJECT, &pattern, error)
      || !find_member (json, "behavior", BN_JSON_STRING, &member, error)
      || !read_behavior (json, &step.behavior, error)
      || !bn_json_read_boolean (json, "invert", &step.is_inverted, error))
    return FALSE;
  if (bn_json_find (pattern, "Regex", &text))
    return bn_json_expect (text, BN_JSON_STRING, error)
           && add_regex (self, text, step, error);
  if (!find_member (pattern, "String", BN_JSON_STRING, &text, error))
    return FALSE;
  step.pattern = dup_string (text, &step.pattern_size);
  if (step.pattern_size == 0) { /* between all characters */
    g_clear_pointer (&step.pattern, g_free);
    return add_regex (self, text, step, error);
  }
  add_step (self, run_literal, step);
  return TRUE;
}

static gboolean
read_digits (BnSplitter *self, BnJson json, GError **error)
{
  gboolean individual_digits = FALSE;

  if (!bn_json_read_boolean (
          json, "individual_digits", &individual_digits, error))
    return FALSE;
  add_cut (self, individual_digits ? cut_each_digit : cut_digits);
  return TRUE;
}

static gboolean
read_punctuation (BnSplitter *self, BnJson json, GError **error)
{
  Step step = {.behavior = BEHAVIOR_ISOLATED};

  if (!read_behavior (json, &step.behavior, error))
    return FALSE;
  if (step.behavior == BEHAVIOR_ISOLATED)
    add_cut (self, cut_each_punctuation);
  else if (step.behavior == BEHAVIOR_CONTIGUOUS)
    add_cut (self, cut_punctuation);
  else
    add_step (self, run_punctuation, step);
  return TRUE;
}

static gboolean
read_delimiter (BnSplitter *self, BnJson json, GError **error)
{
  g_autofree char *text = NULL;
  Step step = {.behavior = BEHAVIOR_REMOVED};
  BnJson member;
  size_t length;

  if (!find_member (json, "delimiter", BN_JSON_STRING, &member, error)
      || !read_character (
          json, "delimiter", &text, &length, &step.delimiter, error))
    return FALSE;
  add_step (self, run_delimiter, step);
  return TRUE;
}

static gboolean
read_fixed_length (BnSplitter *self, BnJson json, GError **error)
{
  uint64_t length = DEFAULT_CHUNK;
  BnJson member = json;

  if (!bn_json_read_uint (json, "length", BN_MAX_TEXT_SIZE, &length, error))
    return FALSE;
  if (length == 0) {
    bn_json_find (json, "length", &member);
    return bn_json_fail (member, error, "a length above 0");
  }
  add_step (self, run_chunks, (Step){.chunk = (size_t) length});
  return TRUE;
}

static gboolean read_any (BnSplitter *self, BnJson json, GError **error);

static gboolean
read_sequence (BnSplitter *self, BnJson json, GError **error)
{
  BnJson list, element;
  BnJsonIter iter;

  if (!find_member (json, "pretokenizers", BN_JSON_ARRAY, &list, error))
    return FALSE;
  bn_json_iter_init (&iter, list);
  while (bn_json_iter_next (&iter, NULL, &element)) {
    if (!read_any (self, element, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_any (BnSplitter *self, BnJson json, GError **error)
{
  BnJson type;

  if (!bn_json_expect (json, BN_JSON_OBJECT, error)
      || !find_member (json, "type", BN_JSON_STRING, &type, error))
    return FALSE;
  if (self->steps->len >= MAX_STEPS - 2) /* one may become three */
    return bn_json_fail (json, error, "at most %d pre-tokenizers", MAX_STEPS);

  if (bn_json_equals (type, "Sequence"))
    return read_sequence (self, json, error);
  if (bn_json_equals (type, "ByteLevel"))
    return read_byte_level (self, json, error);
  if (bn_json_equals (type, "Metaspace"))
    return read_metaspace (self, json, error);
  if (bn_json_equals (type, "Split"))
    return read_split (self, json, error);
  if (bn_json_equals (type, "Digits"))
    return read_digits (self, json, error);
  if (bn_json_equals (type, "Punctuation"))
    return read_punctuation (self, json, error);
  if (bn_json_equals (type, "CharDelimiterSplit")
      || bn_json_equals (type, "Delimiter"))
    return read_delimiter (self, json, error);
  if (bn_json_equals (type, "FixedLength"))
    return read_fixed_length (self, json, error);
  if (bn_json_equals (type, "Whitespace"))
    add_step (self, run_whitespace, (Step){.cut = NULL});
  else if (bn_json_equals (type, "WhitespaceSplit"))
    add_step (self, run_space, (Step){.behavior = BEHAVIOR_REMOVED});
  else if (bn_json_equals (type, "BertPreTokenizer"))
    add_step (self, run_bert, (Step){.cut = NULL});
  else if (bn_json_equals (type, "UnicodeScripts"))
    add_step (self, run_scripts, (Step){.cut = NULL});
  else
    return bn_json_fail (type, error,
        "a pre-tokenizer (ByteLevel, Metaspace, Split, Whitespace, "
        "WhitespaceSplit, Digits, Punctuation, BertPreTokenizer, "
        "CharDelimiterSplit, UnicodeScripts, FixedLength, Sequence)");
  return TRUE;
}

/* Whether words end up in the byte table, whether a set does all but that, and
 * whether PCRE2 is needed. */
static void
look_through (BnSplitter *self)
{
  unsigned n = 0;

  self->has_set = TRUE;
  for (guint i = 0; i < self->steps->len; i++) {
    const Step *step = &g_array_index (self->steps, Step, i);

    if (step->run == run_table)
      self->is_byte_level = TRUE;
    else if (step->run == run_metaspace || step->run == run_prefix)
      self->is_byte_level = FALSE; /* characters that are not in it */
    self->has_regex |= step->regex != NULL;
    if (step->run == run_cut && n < BN_PRETOK_MAX_STAGES)
      self->set.stages[n++] = step->cut;
    else if (step->run != run_table || i + 1 < self->steps->len)
      self->has_set = FALSE;
  }
  self->set.name = "tokenizer.json";
  self->has_set &= n > 0;
}

BnSplitter *
bn_splitter_new_from_json (BnJson json, GError **error)
{
  g_autoptr (BnSplitter) self = g_new0 (BnSplitter, 1);

  self->steps = g_array_new (FALSE, FALSE, sizeof (Step));
  g_array_set_clear_func (self->steps, step_clear);
  if (!read_any (self, json, error))
    return NULL;
  look_through (self);
  return g_steal_pointer (&self);
}

void
bn_splitter_free (BnSplitter *self)
{
  g_array_unref (self->steps);
  g_free (self);
}

gboolean
bn_splitter_is_byte_level (const BnSplitter *self)
{
  return self->is_byte_level;
}

gboolean
bn_splitter_use_bytes (BnSplitter *self)
{
  self->is_raw = self->is_byte_level;
  return self->is_raw;
}

const BnPretokSet *
bn_splitter_get_set (const BnSplitter *self)
{
  return self->has_set ? &self->set : NULL;
}

void
bn_words_clear (BnWords *self)
{
  bn_buffer_clear (&self->text);
  g_free (self->starts);
  for (size_t i = 0; self->buffers && i < self->n_buffers; i++)
    bn_buffer_clear (&self->buffers[i]);
  g_free (self->buffers);
  *self = (BnWords){.n_words = 0};
}

static gboolean
reserve_buffers (BnWords *words, size_t n)
{
  BnBuffer *buffers;

  if (n <= words->n_buffers)
    return TRUE;
  buffers = g_try_realloc_n (words->buffers, n, sizeof *buffers);
  if (!buffers)
    return FALSE;
  memset (
      buffers + words->n_buffers, 0, (n - words->n_buffers) * sizeof *buffers);
  words->buffers = buffers;
  words->n_buffers = n;
  return TRUE;
}

gboolean
bn_splitter_apply (const BnSplitter *self, BnScratch *scratch,
    const uint8_t *text, size_t length, unsigned fragment, BnWords *words)
{
  const Step *steps = (const Step *) self->steps->data;
  guint n_steps = self->steps->len;
  Run run = {.splitter = self,
      .scratch = scratch,
      .words = words,
      .end = steps + n_steps,
      .has_tables = self->is_raw && steps[n_steps - 1].run != run_table};
  Piece piece = {text, text + length, (fragment & BN_FRAGMENT_START) != 0};
  size_t bad;

  words->text.length = 0;
  words->n_words = 0;
  /* PCRE2 trusts the text. */
  if (self->has_regex && !bn_utf8_validate (text, length, &bad))
    return FALSE;
  if (!reserve_buffers (words, n_steps))
    return FALSE;
  if (length > 0) {
    gboolean has_all = n_steps > 0 ? steps->run (&run, steps, piece)
                                   : push_word (&run, text, text + length);

    if (!has_all)
      return FALSE;
  }
  /* The end of the last one. */
  if (!push_start (words))
    return FALSE;
  words->n_words--;
  return TRUE;
}
