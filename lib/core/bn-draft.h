/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guessing the next tokens of a sequence from its own text.
 *
 * Summaries, edited code and lists repeat what stands in front of them. Where
 * the last tokens of a sequence occurred before, what followed them then is a
 * guess at what follows now. The scheduler computes the guess in one pass with
 * the token that is due and keeps what the sampler would have drawn anyway, so
 * guesses change how many passes an answer takes and nothing else.
 *
 * Whether a guess pays is learnt: how often guesses of this sequence came true
 * and what passes of more rows cost. Knows tokens only; one thread at a time.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

enum { BN_DRAFT_MAX = 16 /* tokens of a draft */ };

/* What passes of 1 to BN_DRAFT_MAX + 1 rows cost, relative to each other;
 * learnt from all sequences of a scheduler. */
typedef struct {
  double ns[BN_DRAFT_MAX + 2]; /* by rows; 0: not seen yet */
} BnDraftCosts;

void bn_draft_costs_add (BnDraftCosts *self, uint32_t n_rows, uint64_t ns);

typedef struct BnDraft BnDraft;

BnDraft *bn_draft_new (void);
void bn_draft_free (BnDraft *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnDraft, bn_draft_free)

/* Reads what is new in tokens (those it was given before are still there) and
 * proposes up to limit tokens that may follow. Returns how many, often none.
 * Amortized constant time for each token. */
uint32_t bn_draft_propose (BnDraft *self, const BnDraftCosts *costs,
    const uint32_t *tokens, uint32_t n_tokens, uint32_t limit,
    uint32_t draft[BN_DRAFT_MAX]);

/* The first n_accepted tokens of the last proposal came true. */
void bn_draft_learn (BnDraft *self, uint32_t n_accepted);
