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
#include "bn-split-step.h"

#include <string.h>

#include "bn-encoder.h"
#include "bn-unicode.h"

enum { CHARACTER_SIZE = 4 };

/* Whether a step is for a character. */
typedef gboolean (*ClassFn) (const BnSplitStep *step, uint32_t cp);

struct BnSplitRun {
  const BnSplitter *splitter;
  BnScratch *scratch;
  BnWords *words;
  const BnSplitStep *end;
  gboolean has_tables; /* words are spelled in the byte table, and must not */
};

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
push_word (BnSplitRun *run, const uint8_t *start, const uint8_t *end)
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
hand_on (BnSplitRun *run, const BnSplitStep *step, const BnSplitPiece *whole,
    const uint8_t *start, const uint8_t *end)
{
  if (start == end)
    return TRUE;
  if (step + 1 == run->end)
    return push_word (run, start, end);

  BnSplitPiece piece = {start, end, whole->is_first && start == whole->start};

  return step[1].run (run, step + 1, piece);
}

/* Matches and gaps, put together as the behaviour says. */

typedef struct {
  BnSplitRun *run;
  const BnSplitStep *step;
  const BnSplitPiece *whole;
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
  const BnSplitStep *step = self->step;
  gboolean joins = FALSE;

  is_match ^= step->is_inverted;
  switch (step->behavior) {
    case BN_BEHAVIOR_REMOVED:
      return is_match || hand_on (self->run, step, self->whole, start, end);
    case BN_BEHAVIOR_ISOLATED:
      return hand_on (self->run, step, self->whole, start, end);
    case BN_BEHAVIOR_WITH_PREVIOUS:
      joins = self->is_waiting && is_match && !self->is_match;
      break;
    case BN_BEHAVIOR_WITH_NEXT:
      joins = self->is_waiting && !is_match && self->is_match;
      break;
    case BN_BEHAVIOR_CONTIGUOUS:
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

gboolean
bn_split_run_cut (BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
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

gboolean
bn_split_run_regex (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
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

gboolean
bn_split_run_literal (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
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
run_class (BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece,
    ClassFn contains)
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
is_space (const BnSplitStep *step, uint32_t cp)
{
  return bn_is_space (cp);
}

gboolean
bn_split_run_space (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
{
  return run_class (run, step, piece, is_space);
}

static gboolean
is_delimiter (const BnSplitStep *step, uint32_t cp)
{
  return cp == step->delimiter;
}

gboolean
bn_split_run_delimiter (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
{
  return run_class (run, step, piece, is_delimiter);
}

static gboolean
is_punctuation (const BnSplitStep *step, uint32_t cp)
{
  return (bn_char_properties (cp) & BN_PROPERTY_PUNCTUATION_8) != 0;
}

gboolean
bn_split_run_punctuation (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
{
  return run_class (run, step, piece, is_punctuation);
}

/* White space goes, punctuation stands alone. */
gboolean
bn_split_run_bert (BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
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
gboolean
bn_split_run_whitespace (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
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
gboolean
bn_split_run_scripts (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
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

gboolean
bn_split_run_chunks (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
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
buffer_of (BnSplitRun *run, const BnSplitStep *step)
{
  const BnSplitStep *first =
      &g_array_index (run->splitter->steps, BnSplitStep, 0);
  BnBuffer *buffer = &run->words->buffers[step - first];

  buffer->length = 0;
  return buffer;
}

static gboolean
hand_on_buffer (BnSplitRun *run, const BnSplitStep *step,
    const BnSplitPiece *from, const BnBuffer *buffer)
{
  BnSplitPiece piece = {
      buffer->data, buffer->data + buffer->length, from->is_first};

  return hand_on (run, step, &piece, piece.start, piece.end);
}

/* A space in front unless there is one. */
gboolean
bn_split_run_prefix (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
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
gboolean
bn_split_run_table (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
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
starts_with (BnSplitPiece piece, const char *text, size_t size)
{
  return (size_t) (piece.end - piece.start) >= size
         && memcmp (piece.start, text, size) == 0;
}

/* Spaces become replacement characters. With is_split there is a piece in
 * front of each of these; then the buffer holds no more than one piece. */
gboolean
bn_split_run_metaspace (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece)
{
  BnBuffer *buffer = buffer_of (run, step);
  const uint8_t *p = piece.start;
  gboolean is_first = piece.is_first;

  if ((step->prepend == BN_PREPEND_ALWAYS
          || (step->prepend == BN_PREPEND_FIRST && is_first))
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

    BnSplitPiece rest = {p, piece.end, FALSE};
    size_t size = *p == ' ' ? 1 : step->replacement_size;

    if (*p != ' '
        && !starts_with (rest, step->replacement, step->replacement_size)) {
      buffer->data[buffer->length++] = *p++;
      continue;
    }
    if (step->is_split && buffer->length > 0) {
      BnSplitPiece whole = {
          buffer->data, buffer->data + buffer->length, is_first};

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

/* Splitters. */

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
  const BnSplitStep *steps = (const void *) self->steps->data;
  guint n_steps = self->steps->len;
  BnSplitRun run = {.splitter = self,
      .scratch = scratch,
      .words = words,
      .end = steps + n_steps,
      .has_tables =
          self->is_raw && steps[n_steps - 1].run != bn_split_run_table};
  BnSplitPiece piece = {
      text, text + length, (fragment & BN_FRAGMENT_START) != 0};
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
