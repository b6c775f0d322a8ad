/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The algorithm of SentencePiece to the letter, on the whole text: pieces that
 * are unused are joined like others, and at the end fall apart into what they
 * were joined of. If a piece came of different parts in different places, the
 * last place where it could have come of something counts for all. */
#include "bn-spbpe.h"

#include <math.h>

#include "bn-merge.h"
#include "bn-unicode.h"

static const uint8_t metaspace[] = {0xE2, 0x96, 0x81};

enum { METASPACE_SIZE = sizeof metaspace };

struct BnSpBpe {
  const BnVocab *vocab;
  gboolean byte_fallback;
  gboolean spaces_are_escaped;
  uint32_t *ranks; /* by id; BN_NO_RANK: does not come of joining */
};

/* A text that is being encoded. */
typedef struct {
  const BnSpBpe *self;
  GHashTable *splits; /* id of an unused piece -> length of its left part */
  BnIds *out;
} Run;

typedef struct {
  float score;
  uint32_t id;
} Scored;

static int
compare_scores (gconstpointer a, gconstpointer b, gpointer data)
{
  const Scored *one = a, *two = b;

  return (one->score < two->score) - (one->score > two->score);
}

/* Equal scores get equal ranks. */
BnSpBpe *
bn_spbpe_new (
    const BnVocab *vocab, gboolean byte_fallback, gboolean spaces_are_escaped)
{
  BnSpBpe *self = g_new0 (BnSpBpe, 1);
  g_autofree Scored *scored = g_new (Scored, (size_t) vocab->n_tokens + 1);
  uint32_t rank = 0;

  self->vocab = vocab;
  self->byte_fallback = byte_fallback;
  self->spaces_are_escaped = spaces_are_escaped;
  self->ranks = g_new (uint32_t, (size_t) vocab->n_tokens + 1);
  for (uint32_t id = 0; id < vocab->n_tokens; id++)
    scored[id] = (Scored){vocab->scores[id], id};
  g_qsort_with_data (
      scored, (gint) vocab->n_tokens, sizeof *scored, compare_scores, NULL);
  for (uint32_t i = 0; i < vocab->n_tokens; i++) {
    if (i > 0 && scored[i].score < scored[i - 1].score)
      rank++;
    self->ranks[scored[i].id] =
        vocab->attributes[scored[i].id] & (BN_TOKEN_NORMAL | BN_TOKEN_UNUSED)
            ? rank
            : BN_NO_RANK;
  }
  return self;
}

void
bn_spbpe_free (BnSpBpe *self)
{
  g_free (self->ranks);
  g_free (self);
}

static gboolean
is_unused (const BnSpBpe *self, uint32_t id)
{
  return (self->vocab->attributes[id] & BN_TOKEN_UNUSED) != 0;
}

static uint32_t
pair_rank (const void *model, uint32_t left, uint32_t right,
    const uint8_t *text, size_t length, uint32_t *merged)
{
  const Run *run = model;
  const BnSpBpe *self = run->self;
  uint32_t id = bn_vocab_lookup (self->vocab, text, length);

  *merged = id;
  if (id == BN_TOKEN_NONE || self->ranks[id] == BN_NO_RANK)
    return BN_NO_RANK;
  if (is_unused (self, id)) {
    size_t left_length;

    /* The left part is a piece, or a character that is none. */
    if (left != BN_TOKEN_NONE)
      bn_vocab_text (self->vocab, left, &left_length);
    else
      left_length = MIN (bn_utf8_announced_length (*text), length);
    g_hash_table_insert (
        run->splits, GUINT_TO_POINTER (id), GSIZE_TO_POINTER (left_length));
  }
  return self->ranks[id];
}

/* Appends the bytes of a character that is no piece. */
static void
push_unknown (const Run *run, const uint8_t *text, size_t length)
{
  const BnSpBpe *self = run->self;

  if (!self->byte_fallback) {
    bn_ids_push (run->out, self->vocab->roles[BN_ROLE_UNK]);
    return;
  }
  for (size_t i = 0; i < length; i++)
    bn_ids_push (run->out, bn_vocab_lookup_byte_name (self->vocab, text[i]));
}

/* Appends a symbol, in parts if it is unused; each part has a byte at least,
 * for which there is room. */
static void
push_symbol (const Run *run, const uint8_t *text, size_t length)
{
  const BnSpBpe *self = run->self;
  uint32_t id = bn_vocab_lookup (self->vocab, text, length);
  gpointer split;

  if (id != BN_TOKEN_NONE && !is_unused (self, id)) {
    bn_ids_push (run->out, id);
  } else if (id != BN_TOKEN_NONE
             && g_hash_table_lookup_extended (
                 run->splits, GUINT_TO_POINTER (id), NULL, &split)) {
    size_t left = GPOINTER_TO_SIZE (split);

    push_symbol (run, text, left);
    push_symbol (run, text + left, length - left);
  } else {
    push_unknown (run, text, length);
  }
}

/* The text with U+2581 in it. */
static gboolean
unpack (const uint8_t *text, size_t length, BnBuffer *out)
{
  out->length = 0;
  for (size_t i = 0; i < length; i++) {
    if (text[i] == ' ' ? !bn_buffer_append (out, metaspace, METASPACE_SIZE)
                       : !bn_buffer_append (out, text + i, 1))
      return FALSE;
  }
  return TRUE;
}

gboolean
bn_spbpe_encode (const BnSpBpe *self, BnScratch *scratch, const uint8_t *text,
    size_t length, BnIds *out)
{
  g_autoptr (GHashTable) splits = g_hash_table_new (NULL, NULL);
  const Run run = {self, splits, out};
  BnSymbol *symbols;
  size_t n = 0;

  if (self->spaces_are_escaped) {
    if (!unpack (text, length, &scratch->packed))
      return FALSE;
    text = scratch->packed.data;
    length = scratch->packed.length;
  }
  if (length > BN_MAX_TEXT_SIZE || !bn_scratch_reserve_symbols (scratch, length)
      || !bn_ids_reserve (out, length))
    return FALSE;
  symbols = scratch->symbols;
  for (size_t i = 0; i < length; n++) {
    size_t step = MIN (bn_utf8_announced_length (text[i]), length - i);

    symbols[n].start = (uint32_t) i;
    symbols[n].id = bn_vocab_lookup (self->vocab, text + i, step);
    i += step;
  }
  n = bn_merge (&run, pair_rank, scratch, n, text, length);
  for (size_t i = 0; i < n; i++) {
    size_t end = i + 1 < n ? symbols[i + 1].start : length;

    push_symbol (&run, text + symbols[i].start, end - symbols[i].start);
  }
  return TRUE;
}
