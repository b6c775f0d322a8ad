/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Merges of a tokenizer and of a model file.
 *
 * Files that were made from ranks list one way to make each token, others
 * list all, so that numbers may differ where the results do not. But what both
 * have must come in the same order: that is what decides about ids. */
#include "bn-check.h"

#include <string.h>
#include "text/bn-rawbpe.h"

enum { N_SAMPLES = 64 };

typedef struct {
  const BnVocab *vocab;
  const BnMerges *merges;
  const BnGgufKv *kv;
  guint32 last_rank;
  guint n_missing;
  gboolean has_last, is_disordered;
} Samples;

static const BnMerges *
get_merges (const BnTokenizer *tokenizer)
{
  if (tokenizer->bpe)
    return bn_bpe_get_merges (tokenizer->bpe);
  if (tokenizer->raw_bpe)
    return bn_rawbpe_get_merges (tokenizer->raw_bpe);
  return tokenizer->char_bpe ? bn_char_bpe_get_merges (tokenizer->char_bpe)
                             : NULL;
}

/* One merge of the model, "left right". What is not in the vocabulary says
 * nothing here. */
static void
look_at (Samples *self, guint64 index)
{
  const char *text, *space = NULL;
  size_t length;
  guint32 left, right, rank;

  if (!bn_gguf_kv_get_string (self->kv, index, &text, &length))
    return;
  if (length >= 3)
    space = memchr (text + 1, ' ', length - 2);
  if (space == NULL)
    return;
  left = bn_vocab_lookup (self->vocab, text, (gsize) (space - text));
  right = bn_vocab_lookup (
      self->vocab, space + 1, length - (gsize) (space - text) - 1);
  if (left == BN_TOKEN_NONE || right == BN_TOKEN_NONE)
    return;
  rank = bn_merges_get_rank (
      self->merges, bn_merges_find (self->merges, left, right));
  if (rank == BN_NO_RANK) {
    self->n_missing++;
    return;
  }
  if (self->has_last && rank <= self->last_rank)
    self->is_disordered = TRUE;
  self->has_last = TRUE;
  self->last_rank = rank;
}

gboolean
bn_check_merges (const BnCheck *check, GError **error)
{
  Samples self = {
      .vocab = check->inner->vocab, .merges = get_merges (check->inner)};
  guint64 count, step;

  self.kv = check->gguf ? bn_gguf_find_kv (check->gguf, "tokenizer.ggml.merges")
                        : NULL;
  if (self.merges == NULL || self.merges->n_merges == 0 || self.kv == NULL
      || self.kv->element_type != BN_GGUF_STRING || self.kv->count == 0)
    return TRUE;
  count = self.kv->count;
  step = MAX (count / N_SAMPLES, 1);
  /* One of each stretch, at a place that follows no pattern. */
  for (guint64 i = 0; i * step < count; i++)
    look_at (
        &self, MIN (i * step + bn_hash (&i, sizeof i, 0) % step, count - 1));
  if (self.is_disordered)
    return bn_check_fail (
        error, "the tokenizer has the model's merges in another order");
  if (count != self.merges->n_merges)
    return bn_check_warn (check, error,
        "the tokenizer has %u merges, the model %" G_GUINT64_FORMAT,
        self.merges->n_merges, count);
  return self.n_missing == 0
         || bn_check_fail (error,
             "the tokenizer lacks %u of %d merges of the model that were "
             "looked "
             "at",
             self.n_missing, N_SAMPLES);
}
