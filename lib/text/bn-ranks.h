/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vocabularies of ranks, as the files of tiktoken and tekken have them. */
#pragma once

#include "bn-added.h"
#include "bn-tokenizer.h"

/* The bytes of each token, by rank. */
typedef struct {
  uint32_t n_ranks; /* highest one and one */
  uint8_t *bytes;
  uint32_t *starts, *lengths; /* in bytes, by rank; the length may be 0 */
} BnRanks;

void bn_ranks_clear (BnRanks *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnRanks, bn_ranks_clear)

/* The first byte that is no token by itself, -1 if there is none. */
int bn_ranks_find_missing_byte (const BnRanks *self);

typedef struct {
  const BnPretokSet *set;
  const char *pre;           /* what the tokenizer calls it */
  gboolean normalizes;       /* texts become NFC */
  uint32_t first_id;         /* of rank 0 */
  const BnAddedToken *added; /* with ids, no two with one text */
  size_t n_added;
  const char *bos, *eos; /* texts of added tokens, or NULL */
  gboolean add_bos;
} BnRanksOptions;

/* The tokenizer of ranks and added tokens. NULL with an error, in which path
 * is named, if two tokens have one id or one text. */
BnTokenizer *bn_ranks_build (const BnRanks *self, const BnRanksOptions *options,
    const char *path, BnFidelity fidelity, GError **error);
