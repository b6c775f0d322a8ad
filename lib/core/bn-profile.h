/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the time of a forward pass goes: a stopwatch that is read after each
 * part of the pass. Off, it costs a comparison. It counts what operators take
 * before they return, which is all of it on the processor. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef enum {
  BN_PART_EMBED,     /* rows of token and position embeddings */
  BN_PART_QKV,       /* products of queries, keys and values */
  BN_PART_STORE,     /* rope; keys and values to the cache */
  BN_PART_ATTENTION, /* scores, softmax, weighted values */
  BN_PART_OUTPUT,    /* product behind the attention, added */
  BN_PART_GATE_UP,   /* products of the feed-forward part, activated */
  BN_PART_DOWN,      /* product behind them, added */
  BN_PART_HEAD,      /* logits */
  BN_N_PARTS,
} BnPassPart;

typedef struct {
  gboolean is_on;
  uint64_t last_ns; /* when the last part ended */
  uint64_t ns[BN_N_PARTS];
} BnProfile;

/* Name of a part: "gate-up". */
const char *bn_pass_part_name (BnPassPart part);

/* A pass begins. */
void bn_profile_begin (BnProfile *self);
/* All since the last call was part. */
void bn_profile_end_part (BnProfile *self, BnPassPart part);
