/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A text is read in steps: a symbol that the user has defined, else the
 * longest entry of the table of characters, else one character. Runs of ASCII
 * that no symbol or entry can begin with are copied as they are. */
#include "bn-spnormalizer.h"

#include "bn-unicode.h"

static const uint8_t metaspace[] = {0xE2, 0x96, 0x81};
static const uint8_t replacement_character[] = {0xEF, 0xBF, 0xBD};

enum { METASPACE_SIZE = sizeof metaspace };

/* What a byte of a text may be. */
typedef enum {
  BYTE_LOOK_UP,      /* something may begin here */
  BYTE_BEFORE_ASCII, /* a character, if ASCII follows */
  BYTE_CHARACTER,
} ByteClass;

struct BnSpNormalizer {
  BnSpNormalizerOptions options;
  BnCharsmap *charsmap;
  BnTrie *symbols;
  uint8_t classes[256];
};

BnSpNormalizer *
bn_spnormalizer_new (
    const BnSpNormalizerOptions *options, BnCharsmap *charsmap, BnTrie *symbols)
{
  BnSpNormalizer *self = g_new0 (BnSpNormalizer, 1);

  self->options = *options;
  self->charsmap = charsmap;
  self->symbols = symbols;
  for (unsigned byte = 0; byte < 0x80; byte++) {
    uint32_t node = symbols ? symbols->root : 0, value;

    if ((symbols && bn_trie_step (symbols, &node, (uint8_t) byte, &value))
        || (charsmap && bn_charsmap_may_begin (charsmap, (uint8_t) byte, TRUE)))
      self->classes[byte] = BYTE_LOOK_UP;
    else if (charsmap
             && bn_charsmap_may_begin (charsmap, (uint8_t) byte, FALSE))
      self->classes[byte] = BYTE_BEFORE_ASCII;
    else
      self->classes[byte] = BYTE_CHARACTER;
  }
  return self;
}

void
bn_spnormalizer_free (BnSpNormalizer *self)
{
  g_clear_pointer (&self->charsmap, bn_charsmap_free);
  g_clear_pointer (&self->symbols, bn_trie_free);
  g_free (self);
}

gboolean
bn_spnormalizer_is_plain (const BnSpNormalizer *self)
{
  return self->charsmap == NULL && self->symbols == NULL && self->options.escape
         && !self->options.remove_extra && !self->options.is_llama_cpp
         && !(self->options.add_prefix && self->options.add_as_suffix);
}

/* Whether the byte at p is a character of its own, which stays. */
static inline gboolean
is_plain (const BnSpNormalizer *self, const uint8_t *p, const uint8_t *end)
{
  unsigned class = self->classes[*p];

  return class == BYTE_CHARACTER
         || (class == BYTE_BEFORE_ASCII && (p + 1 == end || p[1] < 0x80));
}

/* Takes one step: how much of the text it is, and what becomes of it. */
static size_t
take_step (const BnSpNormalizer *self, const uint8_t *p, const uint8_t *end,
    const uint8_t **piece, size_t *piece_length)
{
  size_t length = (size_t) (end - p), found;
  uint32_t value, cp;
  int size;

  *piece = p;
  if (self->symbols) {
    found = bn_trie_find_longest (self->symbols, p, length, &value);
    if (found > 0)
      return *piece_length = found;
  }
  if (self->charsmap) {
    found = bn_charsmap_find_longest (
        self->charsmap, p, length, piece, piece_length);
    if (found > 0)
      return found;
  }
  size = bn_utf8_decode (p, length, &cp);
  if (size > 0)
    return *piece_length = (size_t) size;
  *piece = replacement_character;
  *piece_length = sizeof replacement_character;
  return 1;
}

/* Appends a piece in which spaces stay, U+2581 becomes one. */
static gboolean
append_piece (const BnSpNormalizer *self, BnBuffer *out, const uint8_t *piece,
    size_t length)
{
  if (!bn_buffer_reserve (out, length))
    return FALSE;
  for (size_t i = 0; i < length;) {
    if (piece[i] == metaspace[0] && self->options.escape
        && length - i >= METASPACE_SIZE
        && memcmp (piece + i, metaspace, METASPACE_SIZE) == 0) {
      out->data[out->length++] = ' ';
      i += METASPACE_SIZE;
    } else {
      out->data[out->length++] = piece[i++];
    }
  }
  return TRUE;
}

static gboolean
append_space (BnBuffer *out)
{
  return bn_buffer_append (out, " ", 1);
}

/* The text behind the spaces at its beginning. */
static const uint8_t *
skip_spaces (const BnSpNormalizer *self, const uint8_t *p, const uint8_t *end)
{
  while (p < end) {
    const uint8_t *piece;
    size_t length, taken = take_step (self, p, end, &piece, &length);

    if (length != 1 || *piece != ' ')
      break;
    p += taken;
  }
  return p;
}

static gboolean
normalize_sentencepiece (const BnSpNormalizer *self, const uint8_t *p,
    const uint8_t *end, gboolean add_prefix, BnBuffer *out)
{
  const gboolean remove_extra = self->options.remove_extra;
  gboolean was_space = remove_extra;

  if (remove_extra)
    p = skip_spaces (self, p, end);
  if (p == end)
    return TRUE;
  if (add_prefix && !self->options.add_as_suffix && !append_space (out))
    return FALSE;

  while (p < end) {
    const uint8_t *start = p, *piece;
    size_t length;

    while (p < end && *p != ' ' && is_plain (self, p, end))
      p++;
    if (p > start) {
      if (!bn_buffer_append (out, start, (size_t) (p - start)))
        return FALSE;
      was_space = FALSE;
      continue;
    }

    p += take_step (self, p, end, &piece, &length);
    while (was_space && length > 0 && *piece == ' ') {
      piece++;
      length--;
    }
    if (length > 0) {
      if (!append_piece (self, out, piece, length))
        return FALSE;
      was_space = remove_extra && piece[length - 1] == ' ';
    }
  }

  while (remove_extra && out->length > 0 && out->data[out->length - 1] == ' ')
    out->length--;
  if (add_prefix && self->options.add_as_suffix)
    return append_space (out);
  return TRUE;
}

/* llama.cpp puts the space in front of the first character that is none, and
 * where extra ones are removed in front of every word, even the first. */
static gboolean
normalize_llama_cpp (const BnSpNormalizer *self, const uint8_t *p,
    const uint8_t *end, gboolean add_prefix, BnBuffer *out)
{
  const gboolean remove_extra = self->options.remove_extra;
  gboolean wants_space =
      (add_prefix && !self->options.add_as_suffix) || remove_extra;
  gboolean in_word = FALSE;

  while (p < end) {
    const uint8_t *start = p, *piece = p;
    size_t length;

    while (p < end && *p != ' ' && is_plain (self, p, end))
      p++;
    if (p > start)
      length = (size_t) (p - start);
    else
      p += take_step (self, p, end, &piece, &length);

    for (size_t i = 0; i < length;) {
      size_t size = 0;

      if (piece[i] == ' ') {
        in_word = FALSE;
        if (!remove_extra && !append_space (out))
          return FALSE;
        i++;
        continue;
      }
      while (i + size < length && piece[i + size] != ' ')
        size++;
      if (!in_word && wants_space) {
        if (!append_space (out))
          return FALSE;
        wants_space = remove_extra;
      }
      in_word = TRUE;
      if (!append_piece (self, out, piece + i, size))
        return FALSE;
      i += size;
    }
  }
  if (add_prefix && self->options.add_as_suffix)
    return append_space (out);
  return TRUE;
}

gboolean
bn_spnormalizer_apply (const BnSpNormalizer *self, const uint8_t *text,
    size_t length, gboolean add_prefix, BnBuffer *out)
{
  add_prefix = add_prefix && self->options.add_prefix;
  out->length = 0;
  if (self->options.is_llama_cpp)
    return normalize_llama_cpp (self, text, text + length, add_prefix, out);
  return normalize_sentencepiece (self, text, text + length, add_prefix, out);
}
