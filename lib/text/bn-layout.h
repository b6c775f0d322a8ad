/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Post-processors of tokenizer.json: which tokens stand in front of, between
 * and behind the texts. */
#pragma once

#include "bn-json.h"

/* Items that stand for a text; all others are tokens. */
#define BN_LAYOUT_A (UINT32_MAX - 1)
#define BN_LAYOUT_B (UINT32_MAX - 2)

typedef struct {
  uint32_t *items;
  size_t n_items; /* 0 if nobody has said how */
} BnLayout;

void bn_layout_clear (BnLayout *self);

/* From the value of the member "post_processor", which is not null; the
 * layouts stay empty if it adds nothing. Tokens must be below n_tokens. */
gboolean bn_layouts_read (BnJson json, uint32_t n_tokens, BnLayout *single,
    BnLayout *pair, GError **error);
