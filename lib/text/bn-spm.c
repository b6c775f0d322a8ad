/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SentencePiece-style BPE.
 *
 * Every space becomes U+2581, the text starts as a row of characters, and the
 * two neighbours whose joint text is the piece with the best score are joined,
 * the leftmost of equals, as long as there are any. A character that is no
 * piece then becomes the tokens of its bytes.
 *
 * Nothing is ever joined across a border that is inside of no piece, so the
 * text may be cut there, and the words between such borders are remembered.
 * Borders are told by the bytes on both sides (around a newline, for example,
 * in most vocabularies), and where something else is followed by U+2581, which
 * in nearly all vocabularies stands only at the start of a piece. */
#include "bn-spm.h"

#include "bn-bits.h"
#include "bn-cached-words.h"
#include "bn-merge.h"
#include "bn-unicode.h"

static const uint8_t metaspace[] = {0xE2, 0x96, 0x81};

enum {
  METASPACE_SIZE = sizeof metaspace,
  WINDOW = 64, /* bytes that are searched for borders at a time */
};

struct BnSpm {
  const BnVocab *vocab;
  uint32_t *ranks; /* by id; the better the score the lower */
  uint32_t byte_tokens[256];
  gboolean has_words; /* U+2581 only at the start of pieces */
  /* Bit: the two bytes follow in some piece, or inside a character. The space
   * stands for U+2581. */
  uint8_t joined[256][256 / 8];
};

/* Turns the order of scores round and makes it an order of numbers. */
static uint32_t
rank_of_score (float score)
{
  union {
    float number;
    uint32_t bits;
  } value;

  value.number = score != score ? -G_MAXFLOAT : score + 0.0f;
  /* Negative floats count down, positive ones up. */
  value.bits =
      value.bits & 0x80000000u ? ~value.bits : value.bits | 0x80000000u;
  return ~value.bits;
}

static inline gboolean
is_metaspace (const uint8_t *p, const uint8_t *end)
{
  return end - p >= METASPACE_SIZE
         && memcmp (p, metaspace, METASPACE_SIZE) == 0;
}

/* Whether a piece has U+2581 only at its start. A space counts as other text:
 * it is never in a text that is looked up. */
static gboolean
is_word_piece (const uint8_t *text, size_t length)
{
  const uint8_t *p = text, *end = text + length;

  while (is_metaspace (p, end))
    p += METASPACE_SIZE;
  for (; p < end; p++) {
    if (is_metaspace (p, end))
      return FALSE;
  }
  return TRUE;
}

static inline gboolean
is_joined (const BnSpm *self, uint8_t before, uint8_t byte)
{
  return self->joined[before][byte / 8] >> byte % 8 & 1;
}

static void
join (BnSpm *self, uint8_t before, uint8_t byte)
{
  self->joined[before][byte / 8] |= (uint8_t) (1 << byte % 8);
}

/* Adds the space and the insides of characters to what pieces have joined. */
static void
join_rest (BnSpm *self)
{
  const uint8_t first = metaspace[0], last = metaspace[METASPACE_SIZE - 1];

  for (unsigned byte = 0; byte < 256; byte++) {
    for (unsigned inner = 0x80; inner < 0xC0; inner++)
      join (self, (uint8_t) byte, (uint8_t) inner);
    /* Pieces have no spaces that count. */
    self->joined[byte][' ' / 8] &= (uint8_t) ~(1 << ' ' % 8);
    if (is_joined (self, (uint8_t) byte, first))
      join (self, (uint8_t) byte, ' ');
  }
  memcpy (self->joined[' '], self->joined[last], sizeof self->joined[' ']);
}

BnSpm *
bn_spm_new (const BnVocab *vocab)
{
  return bn_spm_new_restricted (vocab, ~0u);
}

BnSpm *
bn_spm_new_restricted (const BnVocab *vocab, unsigned attributes)
{
  BnSpm *self = g_new0 (BnSpm, 1);

  self->vocab = vocab;
  self->ranks = g_new (uint32_t, (size_t) vocab->n_tokens + 1);
  self->has_words = TRUE;
  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    size_t length;
    const uint8_t *text = bn_vocab_text (vocab, id, &length);

    self->ranks[id] = vocab->attributes[id] & attributes
                          ? rank_of_score (vocab->scores[id])
                          : BN_NO_RANK;
    if (!is_word_piece (text, length))
      self->has_words = FALSE;
    for (size_t i = 1; i < length; i++)
      join (self, text[i - 1], text[i]);
  }
  join_rest (self);
  for (unsigned byte = 0; byte < 256; byte++) {
    self->byte_tokens[byte] = bn_vocab_byte_token (vocab, (uint8_t) byte);
    if (self->byte_tokens[byte] == BN_TOKEN_NONE)
      self->byte_tokens[byte] = vocab->roles[BN_ROLE_UNK];
  }
  return self;
}

void
bn_spm_free (BnSpm *self)
{
  g_free (self->ranks);
  g_free (self);
}

/* A text on its way. */
typedef struct {
  const BnSpm *spm;
  BnScratch *scratch;
} Run;

static inline uint32_t
rank_of_text (
    const BnSpm *self, const uint8_t *text, size_t length, uint32_t *merged)
{
  *merged = bn_vocab_lookup (self->vocab, text, length);
  return *merged == BN_TOKEN_NONE ? BN_NO_RANK : self->ranks[*merged];
}

static inline uint32_t
pair_rank (const void *model, uint32_t left, uint32_t right,
    const uint8_t *text, size_t length, uint32_t *merged)
{
  const Run *run = model;
  uint64_t key = (uint64_t) left << 32 | right;
  BnPair *known = bn_scratch_pair (run->scratch, key);

  /* Of what is no token the ids do not tell the text. */
  if (left == BN_TOKEN_NONE || right == BN_TOKEN_NONE)
    return rank_of_text (run->spm, text, length, merged);
  if (known->key != key) {
    known->rank = rank_of_text (run->spm, text, length, &known->merged);
    known->key = key;
  }
  *merged = known->merged;
  return known->rank;
}

static void
push_bytes (const BnSpm *self, const uint8_t *text, size_t length, BnIds *out)
{
  for (size_t i = 0; i < length; i++) {
    if (self->byte_tokens[text[i]] != BN_TOKEN_NONE)
      bn_ids_push (out, self->byte_tokens[text[i]]);
  }
}

static size_t
merge_symbols (const void *model, BnScratch *scratch, BnSymbol *symbols,
    size_t n, const uint8_t *text, size_t length)
{
  return bn_merge_symbols (model, pair_rank, scratch, symbols, n, text, length);
}

static inline size_t
split_text (const void *model, const uint8_t *text, size_t length,
    BnSymbol *symbols, size_t n, size_t *end)
{
  const BnSpm *self = ((const Run *) model)->spm;
  size_t i = 0, n_found = 0;

  for (; i < length && n_found < n; n_found++) {
    size_t step = MIN (bn_utf8_announced_length (text[i]), length - i);

    symbols[n_found].start = (uint32_t) i;
    symbols[n_found].id = bn_vocab_lookup (self->vocab, text + i, step);
    i += step;
  }
  *end = i;
  return n_found;
}

static inline void
push_symbol (const void *model, uint32_t id, const uint8_t *text, size_t length,
    BnIds *out)
{
  if (id != BN_TOKEN_NONE)
    bn_ids_push (out, id);
  else
    push_bytes (((const Run *) model)->spm, text, length, out);
}

/* Appends the ids of a text without spaces; U+2581 stands for them. */
static gboolean
merge_text (const BnSpm *self, BnScratch *scratch, const uint8_t *text,
    size_t length, BnIds *out)
{
  static const BnMergeOps ops = {merge_symbols, split_text, push_symbol};
  const Run run = {self, scratch};

  return bn_ids_reserve (out, length)
         && bn_merge_text (&run, &ops, scratch, text, length, out);
}

/* Appends the ids of a word as it is in the text, with a space in front of it
 * if add_space. */
static gboolean
merge_word (const BnSpm *self, BnScratch *scratch, const uint8_t *word,
    size_t length, gboolean add_space, BnIds *out)
{
  size_t size, n = 0;

  if (!g_size_checked_mul (&size, length + 1, METASPACE_SIZE)
      || size > BN_MAX_TEXT_SIZE || !bn_scratch_reserve_text (scratch, size))
    return FALSE;
  if (add_space) {
    memcpy (scratch->text, metaspace, METASPACE_SIZE);
    n = METASPACE_SIZE;
  }
  for (size_t i = 0; i < length; i++) {
    if (word[i] == ' ') {
      memcpy (scratch->text + n, metaspace, METASPACE_SIZE);
      n += METASPACE_SIZE;
    } else {
      scratch->text[n++] = word[i];
    }
  }
  return merge_text (self, scratch, scratch->text, n, out);
}

/* The first border after p, at which words end, or end. */
static const uint8_t *
find_border (const BnSpm *self, const uint8_t *p, const uint8_t *end)
{
  gboolean was_space = *p == ' ' || is_metaspace (p, end);

  for (p++; p < end; p++) {
    if ((*p & 0xC0) != 0x80) { /* else inside a character */
      gboolean is_space = *p == ' ' || is_metaspace (p, end);

      if ((is_space && !was_space && self->has_words)
          || !is_joined (self, p[-1], *p))
        return p;
      was_space = is_space;
    }
  }
  return end;
}

/* The bytes of a window that belong to spaces. */
static inline uint64_t
find_spaces (const uint8_t *p, const uint8_t *end)
{
  uint64_t spaces = 0;

  for (unsigned i = 0; i < WINDOW; i++)
    spaces |= (uint64_t) (p[i] == ' ') << i;
  for (const uint8_t *q = p; (q = memchr (q, metaspace[0], p + WINDOW - q));
       q++) {
    if (is_metaspace (q, end))
      spaces |= bn_low_bits (METASPACE_SIZE) << (q - p);
    if (q == p + WINDOW - 1)
      break;
  }
  return spaces;
}

/* Words from p on, of which the first begins there: their ends, counted from
 * offset; at most WINDOW. What find_border() does, for many bytes at a time. */
static unsigned
find_borders (const BnSpm *self, const uint8_t *p, const uint8_t *end,
    uint32_t offset, uint32_t ends[WINDOW])
{
  uint64_t borders = 0;
  unsigned n = 0;

  if (end - p < WINDOW) {
    ends[0] = offset + (uint32_t) (find_border (self, p, end) - p);
    return 1;
  }
  for (unsigned i = 1; i < WINDOW; i++)
    borders |= (uint64_t) !is_joined (self, p[i - 1], p[i]) << i;
  if (self->has_words) {
    uint64_t spaces = find_spaces (p, end);

    borders |= spaces & ~(spaces << 1) & ~UINT64_C (1);
  }
  if (borders == 0) {
    ends[0] = offset + (uint32_t) (find_border (self, p, end) - p);
    return 1;
  }
  for (; borders; borders &= borders - 1)
    ends[n++] = offset + bn_lowest_bit (borders);
  return n;
}

static gboolean
encode_word (const void *model, BnScratch *scratch, const uint8_t *word,
    size_t length, BnIds *out)
{
  return merge_word (model, scratch, word, length, FALSE, out);
}

gboolean
bn_spm_encode (const BnSpm *self, BnScratch *scratch, const uint8_t *text,
    size_t length, gboolean add_space, BnIds *out)
{
  const uint8_t *p = text, *end = text + length;

  if (add_space && length > 0) {
    /* The first word has a space that is not in the text. */
    p = find_border (self, text, end);
    if (!bn_ids_reserve (out, ((size_t) (p - text) + 1) * METASPACE_SIZE)
        || !merge_word (self, scratch, text, (size_t) (p - text), TRUE, out))
      return FALSE;
  }
  while (p < end) {
    const uint8_t *start = p;
    uint32_t ends[BN_MAX_WORDS];
    unsigned n_words = 0;

    while (p < end && n_words <= BN_MAX_WORDS - WINDOW) {
      n_words +=
          find_borders (self, p, end, (uint32_t) (p - start), ends + n_words);
      p = start + ends[n_words - 1];
    }
    bn_cache_settle (&scratch->cache);
    if (!bn_ids_reserve (
            out, (size_t) (p - start) * METASPACE_SIZE + BN_CACHE_INLINE_IDS)
        || !bn_encode_words (
            self, encode_word, scratch, start, ends, n_words, end, out))
      return FALSE;
  }
  return TRUE;
}
