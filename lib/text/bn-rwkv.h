/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tokenizer of RWKV World: from left to right, the longest token. */
#pragma once

#include "bn-encoder.h"

/* The tokens are the pieces of vocab, which is taken; control tokens and
 * those with BN_TOKEN_ADDED are no text. Bytes that begin none are the unknown
 * token, or nothing if there is none. NULL if memory is short. */
BnEncoder *bn_encoder_new_rwkv (BnVocab *vocab);
