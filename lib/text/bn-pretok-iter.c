/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walking over words: many at a time where rules of bn-marks.h know them, else
 * one by one. */
#include "bn-pretok.h"

#include "bn-marks.h"

void
bn_pretok_iter_init (BnPretokIter *iter, const BnPretokSet *set,
    const uint8_t *text, size_t size)
{
  iter->rules = bn_mark_rules_find (set);
  iter->stages = set->stages;
  iter->n_stages = 0;
  while (set->stages[iter->n_stages])
    iter->n_stages++;
  iter->pos = text;
  /* Nothing is open below the text: the first step goes down all stages. */
  iter->ends[0] = size > 0 ? text + size : text; /* which may be NULL */
  for (unsigned i = 1; i <= iter->n_stages; i++)
    iter->ends[i] = text;
}

/* Puts the iterator to where a word begins. Nothing is open there: no
 * expression of rules looks back. */
static inline void
move_to (BnPretokIter *iter, const uint8_t *pos)
{
  iter->pos = pos;
  for (unsigned i = 1; i <= iter->n_stages; i++)
    iter->ends[i] = pos;
}

unsigned
bn_pretok_iter_take (
    BnPretokIter *iter, const uint8_t **start, uint32_t ends[BN_PRETOK_BATCH])
{
  const uint8_t *word, *end = iter->ends[0];
  unsigned n = 0;
  BnClassifier classifier;

  *start = iter->pos;
  if (iter->rules == NULL) {
    for (; n < BN_PRETOK_BATCH && bn_pretok_iter_next (iter, &word); n++)
      ends[n] = (uint32_t) (iter->pos - *start);
    return n;
  }
  classifier = bn_kernels_get ()->text_classes;
  while (iter->pos < end && n <= BN_PRETOK_BATCH - BN_MARKS_WINDOW) {
    uint32_t offset = (uint32_t) (iter->pos - *start);
    unsigned n_found = bn_marks_find (
        iter->rules, classifier, iter->pos, end, offset, ends + n);

    if (n_found == 0) {
      bn_pretok_iter_next (iter, &word);
      ends[n++] = (uint32_t) (iter->pos - *start);
    } else {
      n += n_found;
      move_to (iter, *start + ends[n - 1]);
    }
  }
  return n;
}
