/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vocabulary of synthetic models. */
#pragma once

#include "bn-gguf.h"

enum {
  SYNTH_MIN_VOCAB = 320, /* the bytes, the merges and the control tokens */
};

/* Adds the tokenizer.* keys: byte-level BPE (`gpt2`, pre `llama-bpe`) of
 * n_vocab tokens, so that any text can be encoded and any id decoded. Ids 0 to
 * 255 are the bytes, then come a few merges, then fillers (" w300"); the last
 * two are BOS and EOS. */
void synth_add_vocab (BnGgufWriter *writer, uint32_t n_vocab);
