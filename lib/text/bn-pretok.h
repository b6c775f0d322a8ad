/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pre-tokenizers: where byte-level BPE cuts text into words.
 *
 * A pre-tokenizer is a list of stages. The first cuts the text, the next cuts
 * every piece of the first as a text of its own, and so on; what a stage's
 * expression does not match is a piece too. Each stage is a hand-written
 * function that is equivalent to the regular expression beside it; it sees
 * only the piece, so look-ahead ends where the piece ends.
 *
 *   "I'm 1234"   ->  I  'm  ␠1234          stage 1
 *                    I  'm  ␠  123  4      stage 2
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#define BN_PRETOK_MAX_STAGES 6

/* Length of the first piece of [p, end); p < end. */
typedef size_t (*BnSplitFn) (const uint8_t *p, const uint8_t *end);

typedef enum {
  BN_PRETOK_IGNORE_MERGES = 1 << 0, /* a word in the vocabulary is a token */
  BN_PRETOK_ADD_BOS = 1 << 1,       /* unless the file says otherwise */
  BN_PRETOK_NO_BOS = 1 << 2,        /* the family has none */
  BN_PRETOK_ADD_SEP = 1 << 3,       /* between the texts of a pair */
  BN_PRETOK_CLEAN_SPACES = 1 << 4,  /* in decoded text */
  BN_PRETOK_RAW = 1 << 5,           /* tokens are UTF-8, not byte-level */
  BN_PRETOK_ESCAPE = 1 << 6,        /* U+2581 stands for the space */
  BN_PRETOK_FORCE_BOS = 1 << 7,     /* whatever the file says */
  BN_PRETOK_NFC = 1 << 8,           /* Hugging Face normalizes the text */
} BnPretokFlags;

typedef struct {
  const char *name; /* of the set of expressions, "llama-3" */
  BnSplitFn stages[BN_PRETOK_MAX_STAGES + 1]; /* NULL ends */
} BnPretokSet;

/* One value of the key tokenizer.ggml.pre. */
typedef struct {
  const char *name;
  const BnPretokSet *set;
  /* What the family has at Hugging Face, NULL if it cuts the same. */
  const BnPretokSet *set_hf;
  BnPretokFlags flags;
} BnPretok;

/* NULL if the name is unknown or its expressions are not implemented. */
const BnPretok *bn_pretok_find (const char *name);

/* The first name whose text is cut as set does, in llama.cpp or, if that only
 * comes close, at Hugging Face; NULL if there is none. */
const BnPretok *bn_pretok_find_by_set (const BnPretokSet *set);

/* Whether set is what a name stands for, in either version of Unicode. */
gboolean bn_pretok_has_set (const BnPretok *self, const BnPretokSet *set);

/* The set of that name, for sources that spell expressions out; NULL if there
 * is none. Sets whose name ends in "-hf" cut as Hugging Face does, in Unicode
 * 16.0, the others as llama.cpp does, in 15.1. */
const BnPretokSet *bn_pretok_find_set (const char *name);

/* The splitter of the same expression in Unicode 15.1. */
BnSplitFn bn_split_find_15 (BnSplitFn cut);

/* All sets, for tests. NULL-terminated. */
const BnPretokSet *const *bn_pretok_sets (void);

/* All names, for messages and tests. */
const BnPretok *bn_pretok_list (size_t *n_pretoks);

/* Walks over the words of a text; they follow each other without gaps. */
typedef struct {
  const struct BnMarkRules *rules; /* NULL if there are none for the stages */
  const BnSplitFn *stages;
  unsigned n_stages;
  const uint8_t *pos;
  const uint8_t *ends[BN_PRETOK_MAX_STAGES + 1]; /* ends[0]: of the text */
} BnPretokIter;

void bn_pretok_iter_init (BnPretokIter *iter, const BnPretokSet *set,
    const uint8_t *text, size_t size);

/* The next word: its length, 0 at the end; *word is its start. */
static inline size_t
bn_pretok_iter_next (BnPretokIter *iter, const uint8_t **word)
{
  unsigned stage = iter->n_stages;
  const uint8_t *pos = iter->pos;

  if (pos == iter->ends[0])
    return 0;
  /* All pieces around pos begin at or before it: go up to the innermost that
   * is not used up, then down again. */
  while (iter->ends[stage] == pos)
    stage--;
  for (; stage < iter->n_stages; stage++)
    iter->ends[stage + 1] = pos + iter->stages[stage](pos, iter->ends[stage]);

  *word = pos;
  iter->pos = iter->ends[iter->n_stages];
  return (size_t) (iter->pos - pos);
}

/* Most words of one step. */
enum { BN_PRETOK_BATCH = 128 };

/* The next words, many at a time: their number, 0 at the end of the text;
 * *start is where the first begins, ends is where each ends from there. */
unsigned bn_pretok_iter_take (
    BnPretokIter *iter, const uint8_t **start, uint32_t ends[BN_PRETOK_BATCH]);
