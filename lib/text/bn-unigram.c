/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unigram (Kudo 2018), by the algorithm of Viterbi.
 *
 * For every place in the text where a character ends the best sum of scores
 * up to there is kept, with the piece that ends there:
 *
 *      ▁   l   o   w   e   r
 *      |---|---|---|---|---|
 *      0 -5.1             -14.9   "▁lower" -14.9, or "▁low" -8 + "er" -6.2
 *
 * From each place on, in order, the trie finds all pieces that begin there;
 * each offers a sum to the place where it ends. A character that is no piece
 * may pass as unknown, for a score below all others. The way back from the end
 * gives the pieces.
 *
 * Where two bytes follow each other in no piece, every way passes between
 * them; so the text is cut there into words, and words are remembered. In the
 * references the sums run over the whole text, though, in floating point: what
 * stood before a word may decide between ways that are all but equal. So a word
 * is remembered for all sums if its best way is better than the second best by
 * more than rounding can make up for, else for a range of sums (Regime): from
 * 2^k to 2^(k + 1) sums are multiples of some u, and so is what they grow by,
 * which depends on nothing but whether sum / u is even; if the way is the same
 * for an even and an odd one it always is.
 *
 * sentencepiece starts a sum again that has come below -100,000. */
#include "bn-unigram.h"

#include <float.h>
#include <math.h>

#include "bitnet-error.h"
#include "bn-cache.h"
#include "bn-trie.h"
#include "bn-unicode.h"

static const uint8_t metaspace[] = {0xE2, 0x96, 0x81};

enum {
  METASPACE_SIZE = sizeof metaspace,
  UNKNOWN_PENALTY = 10,
  OTHER_SPACE = 0xFF, /* stands for a space where a space stands for U+2581 */
  BATCH = 16,         /* words that are looked for at once */
  FIRST_BITS = 5,
  REGIME_SHIFT = 60, /* in keys, above the length of the word */
};

#define NO_START UINT32_MAX
/* The sums of REGIME_ALL; the first is where sentencepiece starts again. */
#define MAX_FLOAT_SUM 100000.0
#define MAX_DOUBLE_SUM 1e12
#define UNKNOWN_FLAG (1u << 31) /* of ids: a character that is no piece */

/* The best way that ends at a place. */
typedef struct {
  double sum;
  double second;  /* the sum of the best way that was not taken */
  uint32_t start; /* of the last piece; NO_START: there is no way */
  uint32_t id;
  uint32_t end; /* of the next piece, once the best way is known */
} Node;

/* The ranges of sums in which words are remembered apart. */
typedef enum {
  REGIME_NONE, /* the word is not remembered */
  REGIME_ALL,
  REGIME_ZERO,
  REGIME_FIRST_BINADE, /* from 2^FIRST_BITS to twice that */
  REGIME_LAST = 15,
} Regime;

struct BnUnigram {
  const BnVocab *vocab;
  BnUnigramOptions options;
  uint32_t n_pieces;
  BnTrie *trie;
  double *scores; /* by id, as sums use them */
  double unknown_score;
  double max_magnitude; /* of all scores */
  double epsilon;       /* relative error of a sum */
  double max_sum;       /* for which words are remembered */
  gboolean is_float;
  uint32_t byte_tokens[256];
  gboolean is_packed;           /* the trie has a space for U+2581 */
  uint8_t joined[256][256 / 8]; /* bit: the two bytes follow in some piece */
};

/* What goes on in one text. */
typedef struct {
  const BnUnigram *self;
  BnScratch *scratch;
  const uint8_t *text;
  BnIds *out;
  double sum;      /* up to here */
  double from, to; /* bounds of the regime, which sums are in */
  Regime regime;
  gboolean in_unknown; /* the last character was no piece */
  size_t run_start;    /* of the unknown characters */
} Run;

static gboolean
is_metaspace (const uint8_t *p, const uint8_t *end)
{
  return end - p >= METASPACE_SIZE
         && memcmp (p, metaspace, METASPACE_SIZE) == 0;
}

/* Writes a text with a space for every U+2581, and OTHER_SPACE, which is in no
 * text, for every space; returns its length. */
static size_t
pack (const uint8_t *text, size_t length, uint8_t *out)
{
  const uint8_t *p = text, *end = text + length;
  size_t n = 0;

  while (p < end) {
    if (*p == metaspace[0] && is_metaspace (p, end)) {
      out[n++] = ' ';
      p += METASPACE_SIZE;
    } else {
      out[n++] = *p == ' ' ? OTHER_SPACE : *p;
      p++;
    }
  }
  return n;
}

static inline gboolean
is_unknown (const BnUnigram *self, uint32_t id)
{
  return (id & ~UNKNOWN_FLAG) == (self->options.unknown & ~UNKNOWN_FLAG);
}

static gboolean
is_piece (const BnUnigram *self, uint32_t id)
{
  return self->options.rules == BN_UNIGRAM_HUGGINGFACE
         || (self->vocab->attributes[id]
             & (BN_TOKEN_NORMAL | BN_TOKEN_USER_DEFINED
                 | (self->options.rules == BN_UNIGRAM_LLAMA_CPP
                         ? BN_TOKEN_UNUSED
                         : 0)));
}

/* The scores, and that of an unknown character. */
static gboolean
read_scores (BnUnigram *self, GError **error)
{
  const BnVocab *vocab = self->vocab;
  const BnUnigramRules rules = self->options.rules;
  double min = rules == BN_UNIGRAM_HUGGINGFACE ? INFINITY : FLT_MAX;

  self->scores = g_new (double, (size_t) self->n_pieces + 1);
  for (uint32_t id = 0; id < self->n_pieces; id++) {
    double score =
        self->options.scores ? self->options.scores[id] : vocab->scores[id];

    if (!isfinite (score)) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
          "token %u has the score %g, expected a finite number", id, score);
      return FALSE;
    }
    self->scores[id] = score;
    if (rules == BN_UNIGRAM_HUGGINGFACE
        || (vocab->attributes[id] & BN_TOKEN_NORMAL))
      min = MIN (min, score);
  }
  self->unknown_score = rules == BN_UNIGRAM_HUGGINGFACE
                            ? min - UNKNOWN_PENALTY
                            : (double) ((float) min - UNKNOWN_PENALTY);

  self->max_magnitude = fabs (self->unknown_score);
  for (uint32_t id = 0; id < self->n_pieces; id++) {
    if (rules != BN_UNIGRAM_HUGGINGFACE
        && (vocab->attributes[id] & BN_TOKEN_USER_DEFINED)) {
      size_t length;

      bn_vocab_text (vocab, id, &length);
      /* As sentencepiece 0.2.3 does; up to 0.2.1 it was -0.1. */
      self->scores[id] = rules == BN_UNIGRAM_LLAMA_CPP
                             ? 0
                             : (double) (float) (0.1 * ((double) length - 1));
    }
    if (is_piece (self, id))
      self->max_magnitude = MAX (self->max_magnitude, fabs (self->scores[id]));
  }
  return TRUE;
}

/* Whether the trie may have a space for U+2581: then no piece with a space
 * must ever be found. */
static gboolean
can_pack (const BnUnigram *self)
{
  const BnVocab *vocab = self->vocab;

  if (self->options.rules != BN_UNIGRAM_HUGGINGFACE)
    return self->options.spaces_are_escaped;
  return memchr (vocab->texts.bytes, ' ', vocab->texts.offsets[self->n_pieces])
         == NULL;
}

static gboolean
build_trie (BnUnigram *self, GError **error)
{
  const BnVocab *vocab = self->vocab;
  const uint32_t n_pieces = self->n_pieces;
  g_autofree BnTrieKey *keys = g_try_new (BnTrieKey, (size_t) n_pieces + 1);
  g_autofree uint8_t *texts =
      g_try_malloc ((size_t) vocab->texts.offsets[n_pieces] + 1);
  size_t n_keys = 0, used = 0;

  for (uint32_t i = 0; keys && texts && i < n_pieces; i++) {
    /* Of pieces with the same text Hugging Face has the last. */
    uint32_t id =
        self->options.rules == BN_UNIGRAM_HUGGINGFACE ? n_pieces - 1 - i : i;
    size_t length;
    const uint8_t *text = bn_vocab_text (vocab, id, &length);

    if (!is_piece (self, id))
      continue;
    if (self->is_packed) {
      if (memchr (text, ' ', length))
        continue;
      length = pack (text, length, texts + used);
    } else {
      memcpy (texts + used, text, length);
    }
    keys[n_keys++] = (BnTrieKey){texts + used, (uint32_t) length, id};
    for (size_t j = 1; j < length; j++) {
      const uint8_t *pair = texts + used + j - 1;

      self->joined[pair[0]][pair[1] / 8] |= (uint8_t) (1 << pair[1] % 8);
    }
    used += length;
  }
  if (keys && texts && n_pieces <= BN_TRIE_MAX_VALUE)
    self->trie = bn_trie_new (keys, n_keys);
  if (self->trie == NULL)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "no memory for %u pieces of %u bytes, at most %d can be used", n_pieces,
        vocab->texts.offsets[n_pieces], BN_TRIE_MAX_VALUE);
  return self->trie != NULL;
}

BnUnigram *
bn_unigram_new (
    const BnVocab *vocab, const BnUnigramOptions *options, GError **error)
{
  g_autoptr (BnUnigram) self = g_new0 (BnUnigram, 1);

  self->vocab = vocab;
  self->options = *options;
  self->n_pieces = options->n_pieces ? options->n_pieces : vocab->n_tokens;
  self->is_float = options->rules == BN_UNIGRAM_SENTENCEPIECE;
  self->epsilon = self->is_float ? FLT_EPSILON : DBL_EPSILON;
  self->max_sum = self->is_float ? MAX_FLOAT_SUM : MAX_DOUBLE_SUM;
  if (!read_scores (self, error))
    return NULL;
  self->options.scores = NULL; /* the caller's */
  self->is_packed = can_pack (self);
  if (!build_trie (self, error))
    return NULL;

  for (unsigned byte = 0; byte < 256 && options->byte_fallback; byte++)
    self->byte_tokens[byte] = bn_vocab_lookup_byte_name (vocab, (uint8_t) byte);
  return g_steal_pointer (&self);
}

void
bn_unigram_free (BnUnigram *self)
{
  g_clear_pointer (&self->trie, bn_trie_free);
  g_free (self->scores);
  g_free (self);
}

static inline double
round_sum (const BnUnigram *self, double sum)
{
  return self->is_float ? (double) (float) sum : sum;
}

/* Length of a character of a text that is valid or has OTHER_SPACE in it. */
static inline size_t
character_length (const uint8_t *p, size_t available)
{
  size_t length = *p == OTHER_SPACE ? 1 : bn_utf8_announced_length (*p);

  return MIN (length, available);
}

static inline void
offer (Node *node, double sum, uint32_t start, uint32_t id)
{
  if (node->start == NO_START) {
    *node = (Node){sum, -INFINITY, start, id, 0};
  } else if (sum > node->sum) {
    *node = (Node){sum, node->sum, start, id, 0};
  } else {
    node->second = MAX (node->second, sum);
  }
}

/* Starts the sums again at nodes[0], as far as there are any up to
 * nodes[length]. */
static void
restart_sums (const BnUnigram *self, Node *nodes, size_t length)
{
  const double sum = nodes[0].sum;

  nodes[0].sum = 0;
  for (size_t i = 1; i <= length; i++) {
    if (nodes[i].start != NO_START) {
      nodes[i].sum = round_sum (self, nodes[i].sum - sum);
      nodes[i].second -= sum;
    }
  }
}

/* Finds the best ways to all places of a word, nodes[0] to nodes[length],
 * behind a sum. */
static inline void
find_ways (const BnUnigram *self, const uint8_t *word, size_t length,
    double sum, Node *nodes)
{
  const BnTrie *trie = self->trie;

  for (size_t i = 1; i <= length; i++)
    nodes[i].start = NO_START;
  nodes[0].sum = sum;
  for (size_t i = 0, size; i < length; i += size) {
    gboolean has_character = FALSE;
    uint32_t node = trie->root, id;
    double here;

    if (self->is_float && nodes[i].sum < -MAX_FLOAT_SUM)
      restart_sums (self, nodes + i, MIN (length - i, trie->max_length));
    here = nodes[i].sum;
    size = character_length (word + i, length - i);
    for (size_t end = i;
         end < length && bn_trie_step (trie, &node, word[end], &id);) {
      end++;
      if (id == BN_TRIE_NONE)
        continue;
      offer (&nodes[end], round_sum (self, self->scores[id] + here),
          (uint32_t) i, id);
      has_character |= end == i + size;
    }
    if (!has_character)
      offer (&nodes[i + size], round_sum (self, self->unknown_score + here),
          (uint32_t) i, self->options.unknown | UNKNOWN_FLAG);
  }
}

/* Links the pieces of the way to nodes[length] from the front. Returns their
 * number and how much better they are than the second best. */
static size_t
link_way (Node *nodes, size_t length, double *margin)
{
  size_t n = 0;
  uint32_t end = (uint32_t) length;

  *margin = INFINITY;
  for (; end > 0; n++) {
    uint32_t start = nodes[end].start;

    *margin = MIN (*margin, nodes[end].sum - nodes[end].second);
    nodes[start].end = end;
    end = start;
  }
  return n;
}

/* Appends the bytes of a part of the text as it was before it was packed. */
static gboolean
unpack (const Run *run, size_t start, size_t end, BnBuffer *out)
{
  for (size_t i = start; i < end; i++) {
    uint8_t byte = run->text[i];
    gboolean is_done;

    if (run->self->is_packed && byte == ' ')
      is_done = bn_buffer_append (out, metaspace, METASPACE_SIZE);
    else if (run->self->is_packed && byte == OTHER_SPACE)
      is_done = bn_buffer_append (out, " ", 1);
    else
      is_done = bn_buffer_append (out, &byte, 1);
    if (!is_done)
      return FALSE;
  }
  return TRUE;
}

/* The piece that text[start..end) is, BN_TRIE_NONE if it is none. */
static uint32_t
find_piece (const BnUnigram *self, const uint8_t *text, size_t length)
{
  uint32_t node = self->trie->root, id = BN_TRIE_NONE;

  for (size_t i = 0; i < length; i++) {
    if (!bn_trie_step (self->trie, &node, text[i], &id))
      return BN_TRIE_NONE;
  }
  return id;
}

/* Ends a run of unknown characters, which are one piece in the references. */
static gboolean
end_unknown (Run *run, size_t end)
{
  const BnUnigram *self = run->self;
  BnBuffer *bytes = &run->scratch->unknown;
  uint32_t id = BN_TRIE_NONE;
  size_t i;

  if (!run->in_unknown)
    return TRUE;
  run->in_unknown = FALSE;
  bytes->length = 0;
  if (!unpack (run, run->run_start, end, bytes)
      || !bn_ids_reserve (run->out, bytes->length))
    return FALSE;
  /* The text "<unk>" is a piece to Hugging Face. */
  if (self->options.rules == BN_UNIGRAM_HUGGINGFACE)
    id = find_piece (self, run->text + run->run_start, end - run->run_start);
  if (id == BN_TRIE_NONE && self->options.byte_fallback) {
    for (i = 0; i < bytes->length; i++) {
      if (self->byte_tokens[bytes->data[i]] == BN_TOKEN_NONE)
        break;
    }
    if (i == bytes->length) {
      for (i = 0; i < bytes->length; i++)
        bn_ids_push (run->out, self->byte_tokens[bytes->data[i]]);
      return TRUE;
    }
  }
  if (id == BN_TRIE_NONE)
    id = self->options.unknown;
  if (id != BN_TOKEN_NONE)
    bn_ids_push (run->out, id);
  return TRUE;
}

/* Appends a piece at start of the text; id may have UNKNOWN_FLAG. */
static gboolean
push_piece (Run *run, uint32_t id, size_t start)
{
  if (is_unknown (run->self, id)) {
    if (!run->in_unknown)
      run->run_start = start;
    run->in_unknown = TRUE;
    return TRUE;
  }
  if (!end_unknown (run, start) || !bn_ids_reserve (run->out, 1))
    return FALSE;
  bn_ids_push (run->out, id);
  return TRUE;
}

/* Whether the sums stay between the bounds over a word of this length. */
static inline gboolean
stays_between (const Run *run, size_t length, double from, double to)
{
  const double sum = fabs (run->sum);
  const double reach = run->self->max_magnitude * (double) length;

  return sum - reach >= from && sum + reach < to;
}

/* The narrow regime that the sums are in over a word. */
static Regime
find_regime (const Run *run, size_t length)
{
  int bits;

  if (run->sum == 0)
    return REGIME_ZERO;
  bits = ilogb (run->sum);
  if (!run->self->is_float || bits < FIRST_BITS
      || bits - FIRST_BITS > REGIME_LAST - REGIME_FIRST_BINADE
      || !stays_between (run, length, ldexp (1, bits), ldexp (1, bits + 1)))
    return REGIME_NONE;
  return (Regime) (REGIME_FIRST_BINADE + (bits - FIRST_BITS));
}

/* Whether a way is the best for all sums, with what it is better by than the
 * second best: each of two sums that are compared, here and anywhere else, has
 * been rounded once for each character at most, by a part of the largest. */
static gboolean
is_stable (const BnUnigram *self, size_t length, double margin)
{
  double largest = self->max_sum + (double) length * self->max_magnitude;

  return margin > 2 * (double) (length + 1) * self->epsilon * largest;
}

/* Whether a way is the best for all sums of a narrow regime. */
static gboolean
is_stable_in_regime (const Run *run, Regime regime, const Node *nodes,
    size_t start, size_t length)
{
  Node others[BN_CACHE_LONG_WORD + 1];
  double next, margin;

  if (regime == REGIME_ZERO)
    return TRUE;
  next = copysign (
      (double) nextafterf ((float) fabs (run->sum), INFINITY), run->sum);
  find_ways (run->self, run->text + start, length, next, others);
  link_way (others, length, &margin);
  for (size_t i = 0; i < length; i = nodes[i].end) {
    if (others[i].end != nodes[i].end)
      return FALSE;
  }
  return TRUE;
}

static inline BnCachePlace
find_place (const BnUnigram *self, const uint8_t *word, size_t length,
    const uint8_t *end, Regime regime)
{
  BnCachePlace place;

  place.key = bn_cache_key (word, length, end);
  place.key.high ^= (uint64_t) regime << REGIME_SHIFT;
  place.hash = bn_cache_hash (place.key);
  return place;
}

/* Adds the scores of the ids that have been appended since first. */
static inline void
add_scores (Run *run, size_t first)
{
  const double *scores = run->self->scores;

  for (size_t i = first; i < run->out->n_ids; i++)
    run->sum = round_sum (run->self, run->sum + scores[run->out->data[i]]);
}

/* Appends the ids of a word at start of the text by the algorithm, behind the
 * sum of the run, which it leads on. place is that of REGIME_ALL, or NULL if
 * the word is not remembered. */
static gboolean
encode_exactly (Run *run, size_t start, size_t length, const uint8_t *end,
    const BnCachePlace *place)
{
  const BnUnigram *self = run->self;
  const uint8_t *word = run->text + start;
  BnBuffer *lattice = &run->scratch->lattice;
  BnCache *cache = &run->scratch->cache;
  Regime regime = place ? find_regime (run, length) : REGIME_NONE;
  const size_t first = run->out->n_ids;
  gboolean is_known = place != NULL && !run->in_unknown;
  BnCachePlace narrow;
  size_t size;
  Node *nodes;
  double margin;

  if (regime != REGIME_NONE && is_known) {
    narrow = find_place (self, word, length, end, regime);
    if (bn_cache_get (cache, &narrow, word, length, run->out)) {
      add_scores (run, first);
      return TRUE;
    }
  }
  lattice->length = 0;
  if (!g_size_checked_mul (&size, length + 1, sizeof *nodes)
      || !bn_buffer_reserve (lattice, size))
    return FALSE;
  nodes = (Node *) (void *) lattice->data;
  find_ways (self, word, length, run->sum, nodes);
  link_way (nodes, length, &margin);
  for (size_t i = 0; i < length; i = nodes[i].end) {
    is_known = is_known && !is_unknown (self, nodes[nodes[i].end].id);
    if (!push_piece (run, nodes[nodes[i].end].id, start + i))
      return FALSE;
  }
  if (is_known && is_stable (self, length, margin))
    bn_cache_put (cache, place, word, length, run->out->data + first,
        run->out->n_ids - first);
  else if (is_known && regime != REGIME_NONE
           && is_stable_in_regime (run, regime, nodes, start, length))
    bn_cache_put (cache, &narrow, word, length, run->out->data + first,
        run->out->n_ids - first);
  run->sum = nodes[length].sum;
  return TRUE;
}

/* Appends the ids of a word, whose place in the cache is known; memory up to
 * end may be read. */
static inline gboolean
encode_word (Run *run, size_t start, size_t length, const uint8_t *end,
    const BnCachePlace *place)
{
  const BnUnigram *self = run->self;
  const size_t first = run->out->n_ids;

  if (self->is_float && run->sum < -MAX_FLOAT_SUM)
    run->sum = 0;
  if (length > BN_CACHE_LONG_WORD
      || !stays_between (run, length, -INFINITY, self->max_sum))
    return encode_exactly (run, start, length, end, NULL);
  if (!bn_ids_reserve (run->out, MAX (length, BN_CACHE_INLINE_IDS)))
    return FALSE;
  if (run->in_unknown
      || !bn_cache_get (
          &run->scratch->cache, place, run->text + start, length, run->out))
    return encode_exactly (run, start, length, end, place);
  add_scores (run, first);
  return TRUE;
}

/* The first place after start that no piece reaches across, or length. */
static inline size_t
find_border (
    const BnUnigram *self, const uint8_t *text, size_t start, size_t length)
{
  for (size_t i = start + 1; i < length; i++) {
    uint8_t byte = text[i];

    if ((byte & 0xC0) != 0x80
        && !(self->joined[text[i - 1]][byte / 8] >> byte % 8 & 1))
      return i;
  }
  return length;
}

gboolean
bn_unigram_encode (const BnUnigram *self, BnScratch *scratch,
    const uint8_t *text, size_t length, BnIds *out)
{
  Run run = {.self = self, .scratch = scratch, .text = text, .out = out};
  size_t ends[BATCH];
  BnCachePlace places[BATCH];

  if (self->is_packed && !self->options.spaces_are_escaped) {
    scratch->packed.length = 0;
    if (!bn_buffer_reserve (&scratch->packed, length))
      return FALSE;
    length = pack (text, length, scratch->packed.data);
    run.text = scratch->packed.data;
  }
  for (size_t start = 0, n; start < length; start = ends[n - 1]) {
    const uint8_t *end = run.text + length;

    /* Looks for some words at once, so that memory is not waited for. */
    bn_cache_settle (&scratch->cache);
    n = 0;
    for (size_t from = start; from < length && n < BATCH; n++) {
      ends[n] = find_border (self, run.text, from, length);
      if (ends[n] - from <= BN_CACHE_LONG_WORD) {
        places[n] =
            find_place (self, run.text + from, ends[n] - from, end, REGIME_ALL);
        bn_prefetch (bn_cache_set (&scratch->cache, places[n].hash));
      }
      from = ends[n];
    }
    for (size_t i = 0, from = start; i < n; from = ends[i++]) {
      if (!encode_word (&run, from, ends[i] - from, end, &places[i]))
        return FALSE;
    }
  }
  return end_unknown (&run, length);
}
