/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words and their tokens.
 *
 * A text goes through bn_wordpiece_encode() once: its characters are looked
 * up in the table of bn-bert.h and what becomes of them gathers in a buffer
 * until the word ends. Short words are found in the cache of the scratch, all
 * others in a trie of the vocabulary. */
#include "bn-wordpiece.h"

#include <string.h>

#include "bn-trie.h"

enum {
  MIN_WORD_ROOM = 256,
  MAX_STEP = 32, /* bytes that one character adds to a word */
};

G_STATIC_ASSERT ((int) BN_BERT_MAX_LENGTH <= (int) MAX_STEP);

struct BnWordPiece {
  BnTrie *trie;
  uint32_t start_node, continuation_node;
  gboolean has_start, has_continuation; /* some token begins with it */
  uint32_t start_token; /* whose text is that of start, if that counts */
  /* What no continuation begins with, as tokens that begin a word do. */
  char *mark;
  size_t mark_length;
  uint32_t unknown, max_characters;
  BnBertMap *map;
  /* The token of an ASCII character that is a word of its own,
   * BN_TOKEN_NONE if it has several or none. */
  uint32_t alone[128];
};

/* Goes to the node of a prefix. */
static gboolean
walk (const BnTrie *trie, const char *text, size_t length, uint32_t *node,
    uint32_t *value)
{
  *node = trie->root;
  *value = BN_TOKEN_NONE;
  for (size_t i = 0; i < length; i++) {
    if (!bn_trie_step (trie, node, (uint8_t) text[i], value))
      return FALSE;
  }
  return TRUE;
}

static BnTrie *
make_trie (const BnVocab *vocab)
{
  g_autofree BnTrieKey *keys = g_new (BnTrieKey, vocab->n_tokens + 1);
  size_t n_keys = 0;

  for (uint32_t id = 0; id < vocab->n_tokens && id <= BN_TRIE_MAX_VALUE; id++) {
    size_t length;
    const uint8_t *text = bn_vocab_text (vocab, id, &length);

    if (length > 0 && !(vocab->attributes[id] & BN_TOKEN_ADDED))
      keys[n_keys++] = (BnTrieKey){text, (uint32_t) length, id};
  }
  return bn_trie_new (keys, n_keys);
}

BnWordPiece *
bn_wordpiece_new (const BnVocab *vocab, const BnWordPieceOptions *options)
{
  g_autoptr (BnWordPiece) self = g_new0 (BnWordPiece, 1);
  uint32_t token;

  self->trie = make_trie (vocab);
  if (self->trie == NULL)
    return NULL;
  self->has_start = walk (self->trie, options->start, options->start_length,
      &self->start_node, &token);
  self->start_token =
      self->has_start && options->has_empty_start ? token : BN_TOKEN_NONE;
  self->has_continuation =
      options->continuation
      && walk (self->trie, options->continuation, options->continuation_length,
          &self->continuation_node, &token);
  if (options->continuation && options->continuation_length == 0
      && !options->has_empty_start) {
    self->mark = g_memdup2 (options->start, options->start_length);
    self->mark_length = options->start_length;
  }
  self->unknown = options->unknown;
  self->max_characters = options->max_characters;
  if (options->bert) {
    self->map = bn_bert_map_new (options->bert);
    for (unsigned i = 0; i < G_N_ELEMENTS (self->alone); i++) {
      uint32_t node = self->start_node;
      gboolean is_token =
          self->has_start && self->max_characters > 0
          && bn_trie_step (self->trie, &node, (uint8_t) i, &token);

      self->alone[i] = is_token ? token : BN_TOKEN_NONE;
    }
  }
  return g_steal_pointer (&self);
}

void
bn_wordpiece_free (BnWordPiece *self)
{
  g_clear_pointer (&self->trie, bn_trie_free);
  g_clear_pointer (&self->map, bn_bert_map_free);
  g_free (self->mark);
  g_free (self);
}

/* Room for n more ids and for what copies from the cache write behind. */
static inline gboolean
reserve_ids (BnIds *out, size_t n)
{
  n += BN_CACHE_INLINE_IDS;
  return out->n_reserved - out->n_ids >= n || bn_ids_reserve (out, n);
}

/* Whether a word of more bytes than max_characters has more characters. */
static gboolean
is_too_long (const BnWordPiece *self, const uint8_t *word, size_t length)
{
  size_t n_characters = 0;

  for (size_t i = 0; i < length; i++)
    n_characters += (word[i] & 0xC0) != 0x80;
  return n_characters > self->max_characters;
}

/* The longest token of word[start..] from a node on; *end is where it ends. */
static inline uint32_t
find_longest (const BnWordPiece *self, uint32_t node, const uint8_t *word,
    size_t start, size_t length, size_t *end)
{
  uint32_t found = BN_TOKEN_NONE, value;

  for (size_t i = start; i < length; i++) {
    if (!bn_trie_step (self->trie, &node, word[i], &value))
      break;
    if (value != BN_TRIE_NONE) {
      found = value;
      *end = i + 1;
    }
  }
  return found;
}

/* The longest token that continues a word. */
static inline uint32_t
find_continuation (const BnWordPiece *self, const uint8_t *word, size_t start,
    size_t length, size_t *end)
{
  if (!self->has_continuation
      || (self->mark_length > 0 && length - start >= self->mark_length
          && memcmp (word + start, self->mark, self->mark_length) == 0))
    return BN_TOKEN_NONE;
  return find_longest (self, self->continuation_node, word, start, length, end);
}

static gboolean
append_unknown (const BnWordPiece *self, size_t first, BnIds *out)
{
  out->n_ids = first;
  if (self->unknown == BN_TOKEN_NONE || !reserve_ids (out, 1))
    return FALSE;
  bn_ids_push (out, self->unknown);
  return TRUE;
}

/* A word that is not in the cache. */
static gboolean
match_word (
    const BnWordPiece *self, const uint8_t *word, size_t length, BnIds *out)
{
  size_t first = out->n_ids, start = 0, end = 0;
  uint32_t token;

  if (!self->has_start
      || (length > self->max_characters && is_too_long (self, word, length)))
    return append_unknown (self, first, out);
  token = find_longest (self, self->start_node, word, 0, length, &end);
  if (token == BN_TOKEN_NONE)
    token = self->start_token;
  while (token != BN_TOKEN_NONE) {
    if (!reserve_ids (out, 1))
      return FALSE;
    bn_ids_push (out, token);
    start = end;
    if (start == length)
      return TRUE;
    token = find_continuation (self, word, start, length, &end);
  }
  return append_unknown (self, first, out);
}

/* A word of at least one byte; memory up to end may be read. */
static inline gboolean
append_word (const BnWordPiece *self, BnScratch *scratch, const uint8_t *word,
    size_t length, const uint8_t *end, BnIds *out)
{
  size_t first = out->n_ids;
  BnCachePlace place;

  /* No byte becomes more than one id, but for an empty start. */
  if (!reserve_ids (out, MIN (length, BN_CACHE_LONG_WORD) + 1))
    return FALSE;
  if (bn_cache_lookup (&scratch->cache, word, length, end, &place, out))
    return TRUE;
  if (!match_word (self, word, length, out))
    return FALSE;
  bn_cache_insert (&scratch->cache, &place, word, length, out->data + first,
      out->n_ids - first);
  return TRUE;
}

/* The word that gathers while a text is read. */
typedef struct {
  const BnWordPiece *model;
  BnScratch *scratch;
  BnIds *out;
  size_t length;
} Gatherer;

static inline gboolean
end_word (Gatherer *self)
{
  size_t length = self->length;

  self->length = 0;
  return length == 0
         || append_word (self->model, self->scratch, self->scratch->text,
             length, self->scratch->text + self->scratch->text_reserved,
             self->out);
}

/* Room for what one character adds. */
static inline gboolean
reserve_step (Gatherer *self)
{
  size_t needed = self->length + MAX_STEP;

  return needed <= self->scratch->text_reserved
         || bn_scratch_reserve_text (self->scratch, 2 * needed);
}

static inline gboolean
add_part (Gatherer *self, BnBertKind kind, const uint8_t *text, unsigned length)
{
  if (kind != BN_BERT_WORD && !end_word (self))
    return FALSE;
  if (kind == BN_BERT_SPACE)
    return TRUE;
  if (!reserve_step (self))
    return FALSE;
  memcpy (self->scratch->text + self->length, text, length);
  self->length += length;
  return kind != BN_BERT_ALONE || end_word (self);
}

/* A text of which nothing more becomes. */
static gboolean
add_final (Gatherer *self, const uint8_t *text, size_t length)
{
  const uint8_t *p = text, *end = text + length;

  while (p < end) {
    uint32_t cp;
    unsigned n = bn_utf8_next (p, end, &cp);

    if (!add_part (self,
            bn_bert_classify_final (&self->model->map->options, cp), p, n))
      return FALSE;
    p += n;
  }
  return TRUE;
}

/* A character that the table does not have. *is_ordered tells that the text
 * has to be done step by step. */
static gboolean
add_rare (Gatherer *self, uint32_t cp, gboolean *is_ordered)
{
  uint8_t text[BN_BERT_MAX_LENGTH];
  unsigned length;
  BnBertKind kind =
      bn_bert_classify (&self->model->map->options, cp, text, &length);

  switch (kind) {
    case BN_BERT_DROPPED:
      return TRUE;
    case BN_BERT_TEXT:
      return add_final (self, text, length);
    case BN_BERT_ORDERED:
      *is_ordered = TRUE;
      return TRUE;
    default:
      return add_part (self, kind, text, length);
  }
}

static gboolean
add_character (Gatherer *self, uint32_t cp, gboolean *is_ordered)
{
  uint32_t entry = cp < BN_BERT_N_ENTRIES ? self->model->map->entries[cp]
                                          : (uint32_t) BN_BERT_TEXT;
  BnBertKind kind = bn_bert_entry_kind (entry);
  uint32_t bytes;

  if (kind == BN_BERT_TEXT)
    return add_rare (self, cp, is_ordered);
  if (kind == BN_BERT_DROPPED)
    return TRUE;
  bytes = GUINT32_TO_LE (bn_bert_entry_bytes (entry));
  return add_part (
      self, kind, (const uint8_t *) &bytes, bn_bert_entry_length (entry));
}

static gboolean
encode_ordered (
    Gatherer *self, const uint8_t *text, size_t length, size_t first)
{
  BnBuffer buffer = {NULL, 0, 0}, normalized = {NULL, 0, 0};
  gboolean is_done;

  self->out->n_ids = first;
  self->length = 0;
  is_done = bn_bert_normalize (
                &self->model->map->options, text, length, &buffer, &normalized)
            && add_final (self, normalized.data, normalized.length)
            && end_word (self);
  bn_buffer_clear (&buffer);
  bn_buffer_clear (&normalized);
  return is_done;
}

gboolean
bn_wordpiece_encode (const BnWordPiece *self, BnScratch *scratch,
    const uint8_t *text, size_t length, BnIds *out)
{
  const uint8_t *p = text, *end = text + length;
  const uint8_t *bytes = self->map->bytes;
  Gatherer gatherer = {self, scratch, out, 0};
  size_t first = out->n_ids;
  gboolean is_ordered = FALSE;

  if (!bn_scratch_reserve_text (scratch, MIN_WORD_ROOM))
    return FALSE;
  for (;;) {
    uint8_t *word = scratch->text;
    size_t n = gatherer.length, room = scratch->text_reserved;
    uint8_t byte = BN_BERT_NOT_WORD | BN_BERT_SPACE;

    while (p < end && n < room && (byte = bytes[*p]) < BN_BERT_NOT_WORD) {
      word[n++] = byte;
      p++;
    }
    gatherer.length = n;
    if (p == end)
      return end_word (&gatherer);
    if (n == room) {
      if (!reserve_step (&gatherer))
        return FALSE;
      continue;
    }

    switch (byte & ~BN_BERT_NOT_WORD) {
      case BN_BERT_SPACE:
        if (!end_word (&gatherer))
          return FALSE;
        p++;
        break;
      case BN_BERT_DROPPED:
        p++;
        break;
      case BN_BERT_ALONE: {
        uint32_t id = self->alone[*p];

        if (!end_word (&gatherer) || !reserve_ids (out, 1))
          return FALSE;
        if (id != BN_TOKEN_NONE)
          bn_ids_push (out, id);
        else if (!match_word (self, p, 1, out))
          return FALSE;
        p++;
        break;
      }
      default: {
        uint32_t cp;

        p += bn_utf8_next (p, end, &cp);
        if (!add_character (&gatherer, cp, &is_ordered))
          return FALSE;
        if (is_ordered)
          return encode_ordered (&gatherer, text, length, first);
      }
    }
  }
}

/* Models. */

static gboolean
encode_text (const void *data, BnScratch *scratch, const uint8_t *text,
    size_t length, unsigned fragment, BnIds *out)
{
  return bn_wordpiece_encode (data, scratch, text, length, out);
}

static gboolean
encode_word (const void *data, BnScratch *scratch, const uint8_t *word,
    size_t length, unsigned fragment, BnIds *out)
{
  return length == 0
         || append_word (data, scratch, word, length, word + length, out);
}

static void
free_model (void *data)
{
  bn_wordpiece_free (data);
}

const BnModelClass bn_wordpiece_text_model = {
    "wordpiece", encode_text, free_model};
const BnModelClass bn_wordpiece_word_model = {
    "wordpiece", encode_word, free_model};
const BnModelClass bn_wordlevel_model = {"wordlevel", encode_word, free_model};

BnEncoder *
bn_encoder_new_wordpiece (BnVocab *vocab_, const BnWordPieceOptions *options)
{
  g_autoptr (BnVocab) vocab = vocab_;
  BnWordPiece *data = bn_wordpiece_new (vocab, options);

  return data ? bn_encoder_new (
             g_steal_pointer (&vocab), &bn_wordpiece_text_model, data)
              : NULL;
}
