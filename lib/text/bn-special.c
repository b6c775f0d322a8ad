/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An Aho-Corasick automaton over the texts of the special tokens.
 *
 * One pass over a text finds all occurrences of the longest token in it. The
 * text is cut there, and what is left is searched again, until nothing is
 * found; so there are at most as many passes as there are different lengths
 * in one place, and usually two. */
#include "bn-special.h"

#include "bn-automaton.h"
#include "bn-bits.h"
#include "bn-unicode.h"
#include "kernels/bn-kernels.h"

enum {
  FIRST = 1 << 0, /* class of bytes that leave the root */
};

struct BnSpecials {
  const BnVocab *vocab;
  BnAutomaton automaton;  /* of ids */
  uint8_t is_first[256];  /* FIRST for bytes that leave the root */
  uint8_t is_second[256]; /* not 0 for those that come next */
  gboolean has_short;     /* tokens of one byte */
  gboolean has_multi;     /* tokens that begin outside ASCII */
};

static void
insert (BnSpecials *self, uint32_t id)
{
  size_t length;
  const uint8_t *text = bn_vocab_text (self->vocab, id, &length);
  uint32_t node = BN_AUTOMATON_ROOT;

  self->is_first[text[0]] = FIRST;
  if (text[0] >= 0x80)
    self->has_multi = TRUE;
  if (length > 1)
    self->is_second[text[1]] = TRUE;
  else
    self->has_short = TRUE;
  for (size_t i = 0; i < length; i++)
    node = bn_automaton_extend (&self->automaton, node, text[i]);
  if (self->automaton.nodes[node].longest == BN_TOKEN_NONE)
    self->automaton.nodes[node].longest = id;
}

/* The ids that count, in order. */
static GArray *
list_members (const BnVocab *vocab, unsigned with, unsigned without)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (uint32_t));

  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    unsigned attributes = vocab->attributes[id];
    const uint8_t *text;
    size_t length, bad;

    if (!(attributes & with) || (attributes & without))
      continue;
    text = bn_vocab_text (vocab, id, &length);
    if (bn_utf8_validate (text, length, &bad))
      g_array_append_val (ids, id);
  }
  return ids;
}

BnSpecials *
bn_specials_new (const BnVocab *vocab, unsigned with, unsigned without)
{
  g_autoptr (GArray) ids = list_members (vocab, with, without);
  BnSpecials *self = g_new0 (BnSpecials, 1);
  size_t size = 0;

  self->vocab = vocab;
  for (guint i = 0; i < ids->len; i++) {
    size_t length;

    bn_vocab_text (vocab, g_array_index (ids, uint32_t, i), &length);
    size += length;
  }
  bn_automaton_init (&self->automaton, size, vocab->seed);
  for (guint i = 0; i < ids->len; i++)
    insert (self, g_array_index (ids, uint32_t, i));
  bn_automaton_link (&self->automaton);
  return self;
}

void
bn_specials_free (BnSpecials *self)
{
  bn_automaton_clear (&self->automaton);
  g_free (self);
}

static gboolean
is_removed (uint32_t id, const void *user_data)
{
  return id >= *(const uint32_t *) user_data;
}

void
bn_specials_remove_from (BnSpecials *self, uint32_t first)
{
  bn_automaton_remove (&self->automaton, is_removed, &first);
}

/* Whether a token may begin at i. */
static inline gboolean
may_begin (
    const BnSpecials *self, const uint8_t *text, uint32_t i, uint32_t end)
{
  return self->is_first[text[i]]
         && (self->has_short || (i + 1 < end && self->is_second[text[i + 1]]));
}

/* The first place from i on where a token may begin, or end. */
static uint32_t
find_candidate (
    const BnSpecials *self, const uint8_t *text, uint32_t i, uint32_t end)
{
  const BnKernels *kernels = bn_kernels_get ();

  for (; end - i >= BN_TEXT_BLOCK; i += BN_TEXT_BLOCK) {
    uint64_t bits[BN_TEXT_CLASSES], found;

    kernels->text_classes (bits, text + i, self->is_first);
    found = bits[0];
    if (self->has_multi)
      found |= bits[BN_TEXT_CLASSES - 1];
    for (; found; found &= found - 1) {
      uint32_t at = i + bn_lowest_bit (found);

      if (may_begin (self, text, at, end))
        return at;
    }
  }
  while (i < end && !may_begin (self, text, i, end))
    i++;
  return i;
}

/* Appends to spans the occurrences of the longest token that begins and ends
 * in [start, end), from left to right without overlaps. */
static void
find_longest (const BnSpecials *self, const uint8_t *text, uint32_t start,
    uint32_t end, BnSpans *spans)
{
  size_t first = spans->n_spans;
  uint32_t best_length = 0, free_from = start;
  uint32_t node = BN_AUTOMATON_ROOT;

  for (uint32_t i = start; i < end; i++) {
    uint32_t id, length;

    if (node == BN_AUTOMATON_ROOT) {
      i = find_candidate (self, text, i, end);
      if (i == end)
        break;
    }
    node = bn_automaton_step (&self->automaton, node, text[i]);
    id = self->automaton.nodes[node].longest;
    if (id == BN_TOKEN_NONE)
      continue;
    length =
        self->vocab->texts.offsets[id + 1] - self->vocab->texts.offsets[id];
    if (length > best_length) {
      best_length = length;
      spans->n_spans = first;
      free_from = start;
    }
    if (length == best_length && i + 1 - length >= free_from) {
      bn_spans_push (spans, (BnSpan){i + 1 - length, i + 1, id, TRUE});
      free_from = i + 1;
    }
  }
}

/* White space as of the C locale. */
static gboolean
is_ascii_space (uint8_t byte)
{
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Appends to out what span becomes when its longest token is cut out. */
static void
split_span (const BnSpecials *self, const uint8_t *text, BnSpan span,
    BnSpans *found, BnSpans *out)
{
  uint32_t start = span.start;

  found->n_spans = 0;
  find_longest (self, text, span.start, span.end, found);
  if (found->n_spans == 0) {
    span.is_searched = TRUE;
    bn_spans_push (out, span);
    return;
  }
  for (size_t i = 0; i <= found->n_spans; i++) {
    const BnSpan *token = i < found->n_spans ? &found->data[i] : NULL;
    uint32_t end = token ? token->start : span.end;
    unsigned attributes = token ? self->vocab->attributes[token->id] : 0;

    if (end < start) /* in the white space that the last one took */
      continue;
    if (attributes & BN_TOKEN_LSTRIP) {
      while (end > start && is_ascii_space (text[end - 1]))
        end--;
    }
    if (end > start)
      bn_spans_push (out, (BnSpan){start, end, BN_TOKEN_NONE, FALSE});
    if (token == NULL)
      break;
    bn_spans_push (out, *token);
    start = token->end;
    if (attributes & BN_TOKEN_RSTRIP) {
      while (start < span.end && is_ascii_space (text[start]))
        start++;
    }
  }
}

/* Where text[start..end) begins without the white space that the special token
 * right in front of it takes. */
static uint32_t
skip_stripped (const BnSpecials *self, const BnSpans *parts,
    const uint8_t *text, uint32_t start, uint32_t end)
{
  const BnSpan *last =
      parts->n_spans > 0 ? &parts->data[parts->n_spans - 1] : NULL;

  if (last && last->id != BN_TOKEN_NONE
      && (self->vocab->attributes[last->id] & BN_TOKEN_RSTRIP)) {
    while (start < end && is_ascii_space (text[start]))
      start++;
  }
  return start;
}

static void
append_part (BnSpans *parts, BnSpan part)
{
  BnSpan *last = parts->n_spans > 0 ? &parts->data[parts->n_spans - 1] : NULL;

  if (last && last->id == BN_TOKEN_NONE && part.id == BN_TOKEN_NONE
      && last->end == part.start)
    last->end = part.end;
  else
    bn_spans_push (parts, part);
}

void
bn_specials_split (const BnSpecials *self, BnScratch *scratch,
    const uint8_t *text, uint32_t start, uint32_t end)
{
  BnSpans *spans = &scratch->spans, *next = &scratch->more_spans;
  gboolean is_done;

  start = skip_stripped (self, &scratch->parts, text, start, end);
  is_done = start == end;
  spans->n_spans = 0;
  if (start < end)
    bn_spans_push (spans, (BnSpan){start, end, BN_TOKEN_NONE, FALSE});
  while (!is_done) {
    BnSpans done;

    is_done = TRUE;
    next->n_spans = 0;
    for (size_t i = 0; i < spans->n_spans; i++) {
      BnSpan span = spans->data[i];

      if (span.is_searched) {
        bn_spans_push (next, span);
      } else {
        split_span (self, text, span, &scratch->found, next);
        is_done = FALSE;
      }
    }
    done = *spans;
    *spans = *next;
    *next = done;
  }
  for (size_t i = 0; i < spans->n_spans; i++)
    append_part (&scratch->parts, spans->data[i]);
}
