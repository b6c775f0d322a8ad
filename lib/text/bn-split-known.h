/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Regular expressions that published tokenizer.json files have, and the
 * hand-written splitters that cut as they do. */
#pragma once

#include "bn-pretok.h"

typedef struct {
  const char *pattern;
  BnSplitFn cut;     /* pieces are matches and what is between */
  gboolean has_gaps; /* there may be something between */
} BnKnownPattern;

typedef enum {
  BN_KNOWN_ISOLATED,     /* gaps between matches are pieces too */
  BN_KNOWN_WITHOUT_GAPS, /* only those that match every text as a whole */
} BnKnown;

/* The splitter of an expression, recognised by what it says, not by how it is
 * written; NULL if there is none. */
BnSplitFn bn_split_find_known (
    const char *pattern, size_t length, BnKnown known);

/* All of them, for tests. */
const BnKnownPattern *bn_split_list_known (size_t *n_patterns);
