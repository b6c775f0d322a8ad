/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An Aho-Corasick automaton over the reversed texts, run from the end of a
 * text to its beginning.
 *
 * What the automaton knows at a place is the longest token that begins there,
 * which is just what the search from left to right needs next. So one pass in
 * each direction does it, whatever the tokens are:
 *
 *   tokens  ab  abcd  c          a b c e a b c d
 *   begin at                     ab  c   abcd c
 *   taken from the left          ab  c   abcd
 */
#include "bn-added.h"

#include "bn-automaton.h"
#include "bn-unicode.h"
#include "bn-vocab.h"

enum {
  MAX_RARE = 4, /* last bytes that are looked for eight at a time */
};

#define EACH_BYTE(byte) (UINT64_C (0x0101010101010101) * (byte))

typedef struct {
  uint32_t id;
  uint32_t length;
  unsigned flags;
} Token;

struct BnAdded {
  Token *tokens;
  BnAutomaton automaton; /* of their indices */
  gboolean is_last[256]; /* bytes that leave the root */
  uint8_t rare[MAX_RARE];
  unsigned n_last;
};

static void
add_last (BnAdded *self, uint8_t byte)
{
  if (self->is_last[byte])
    return;
  self->is_last[byte] = TRUE;
  if (self->n_last < MAX_RARE)
    self->rare[self->n_last] = byte;
  self->n_last++;
}

static void
insert (BnAdded *self, const BnAddedToken *token, uint32_t index)
{
  uint32_t node = BN_AUTOMATON_ROOT;

  add_last (self, (uint8_t) token->text[token->length - 1]);
  for (size_t i = token->length; i-- > 0;)
    node =
        bn_automaton_extend (&self->automaton, node, (uint8_t) token->text[i]);
  self->automaton.nodes[node].longest = index;
}

BnAdded *
bn_added_new (const BnAddedToken *tokens, size_t n_tokens)
{
  BnAdded *self = g_new0 (BnAdded, 1);
  size_t size = 0;

  for (size_t i = 0; i < n_tokens; i++)
    size += tokens[i].length;
  bn_automaton_init (&self->automaton, size,
      (uint64_t) g_random_int () << 32 | g_random_int ());
  self->tokens = g_new (Token, n_tokens);
  for (size_t i = 0; i < n_tokens; i++) {
    self->tokens[i] =
        (Token){tokens[i].id, (uint32_t) tokens[i].length, tokens[i].flags};
    if (tokens[i].length > 0)
      insert (self, &tokens[i], (uint32_t) i);
  }
  bn_automaton_link (&self->automaton);
  return self;
}

void
bn_added_free (BnAdded *self)
{
  g_free (self->tokens);
  bn_automaton_clear (&self->automaton);
  g_free (self);
}

typedef struct {
  const BnAdded *added;
  uint32_t first;
} Removal;

static gboolean
is_removed (uint32_t index, const void *user_data)
{
  const Removal *removal = user_data;

  return removal->added->tokens[index].id >= removal->first;
}

void
bn_added_remove_from (BnAdded *self, uint32_t first)
{
  const Removal removal = {self, first};

  bn_automaton_remove (&self->automaton, is_removed, &removal);
}

/* The end of the last byte in text[start..end) with which a token ends; start
 * if there is none. */
static uint32_t
skip_back (
    const BnAdded *self, const uint8_t *text, uint32_t start, uint32_t end)
{
  if (self->n_last <= MAX_RARE) {
    while (end - start >= sizeof (uint64_t)) {
      uint64_t word, found = 0;

      memcpy (&word, text + end - sizeof word, sizeof word);
      for (unsigned i = 0; i < self->n_last; i++) {
        uint64_t zero = word ^ EACH_BYTE (self->rare[i]);

        found |= (zero - EACH_BYTE (1)) & ~zero;
      }
      if (found & EACH_BYTE (0x80))
        break;
      end -= (uint32_t) sizeof word;
    }
  }
  while (end > start && !self->is_last[text[end - 1]])
    end--;
  return end;
}

/* Appends for every place where a token begins the longest one, from the end
 * to the beginning; ids are indices of tokens. */
static void
find_all (const BnAdded *self, const uint8_t *text, uint32_t start,
    uint32_t end, BnSpans *found)
{
  uint32_t node = BN_AUTOMATON_ROOT;

  for (uint32_t i = end; i > start;) {
    uint32_t index;

    if (node == BN_AUTOMATON_ROOT) {
      i = skip_back (self, text, start, i);
      if (i == start)
        break;
    }
    i--;
    node = bn_automaton_step (&self->automaton, node, text[i]);
    index = self->automaton.nodes[node].longest;
    if (index != BN_TOKEN_NONE)
      bn_spans_push (
          found, (BnSpan){i, i + self->tokens[index].length, index, TRUE});
  }
}

static gboolean
is_word_character (uint32_t cp)
{
  return (bn_char_properties (cp) & BN_PROPERTY_WORD) != 0;
}

static uint32_t
start_of_character (const uint8_t *text, uint32_t start, uint32_t end)
{
  uint32_t i = end - 1;

  while (i > start && (text[i] & 0xC0) == 0x80)
    i--;
  return i;
}

static gboolean
is_single_word (const uint8_t *text, uint32_t start, uint32_t end, BnSpan span)
{
  uint32_t cp;

  if (span.start > start) {
    uint32_t i = start_of_character (text, start, span.start);

    bn_utf8_next (text + i, text + span.start, &cp);
    if (is_word_character (cp))
      return FALSE;
  }
  if (span.end < end) {
    bn_utf8_next (text + span.end, text + end, &cp);
    if (is_word_character (cp))
      return FALSE;
  }
  return TRUE;
}

static uint32_t
strip_back (const uint8_t *text, uint32_t start, uint32_t end)
{
  while (end > start) {
    uint32_t i = start_of_character (text, start, end), cp;

    bn_utf8_next (text + i, text + end, &cp);
    if (!(bn_char_flags (cp) & BN_CHAR_SPACE))
      break;
    end = i;
  }
  return end;
}

static uint32_t
strip_forward (const uint8_t *text, uint32_t start, uint32_t end)
{
  while (start < end) {
    uint32_t cp;
    unsigned length = bn_utf8_next (text + start, text + end, &cp);

    if (!(bn_char_flags (cp) & BN_CHAR_SPACE))
      break;
    start += length;
  }
  return start;
}

static void
append_text (BnSpans *out, uint32_t start, uint32_t end, gboolean parse_special)
{
  BnSpan *last = out->n_spans > 0 ? &out->data[out->n_spans - 1] : NULL;

  if (last && last->id == BN_TOKEN_NONE && last->end == start) {
    last->end = end;
    last->is_searched = last->is_searched && parse_special;
  } else {
    bn_spans_push (out, (BnSpan){start, end, BN_TOKEN_NONE, parse_special});
  }
}

void
bn_added_split (const BnAdded *self, const uint8_t *text, uint32_t start,
    uint32_t end, gboolean parse_special, BnSpans *found, BnSpans *out)
{
  uint32_t pos = start;  /* behind the last occurrence */
  uint32_t done = start; /* what the parts so far make up */
  uint32_t spaces_end = start;

  found->n_spans = 0;
  if (self)
    find_all (self, text, start, end, found);
  for (size_t i = found->n_spans; i-- > 0;) {
    BnSpan span = found->data[i];
    const Token *token = &self->tokens[span.id];

    if (span.start < pos)
      continue;
    pos = span.end;
    if ((token->flags & BN_ADDED_SPECIAL && !parse_special)
        || (token->flags & BN_ADDED_SINGLE_WORD
            && !is_single_word (text, start, end, span)))
      continue;
    if (token->flags & BN_ADDED_LSTRIP)
      span.start =
          done < span.start ? strip_back (text, done, span.start) : done;
    if (token->flags & BN_ADDED_RSTRIP) {
      if (span.end >= spaces_end)
        spaces_end = strip_forward (text, span.end, end);
      span.end = spaces_end;
    }
    if (done < span.start)
      append_text (out, done, span.start, parse_special);
    span.id = token->id;
    if (span.start < span.end)
      bn_spans_push (out, span);
    /* A token of white space may lie in what the one before has taken: then
     * it vanishes if nothing is left of it, or this goes back. */
    done = span.end;
  }
  if (done < end)
    append_text (out, done, end, parse_special);
}
