/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a tokenizer belongs to a model (resolver.md section 7).
 *
 * T is the number of the tokenizer's ids, M the number of the model's
 * embedding rows. Equal sizes prove nothing: where the model file has a token
 * list, pieces are compared as bytes, whatever spelling either side uses. */
#pragma once

#include "bitnet-discovery.h"
#include "bitnet-tokenizer.h"

typedef enum {
  BN_VERIFIED_NOT,       /* the model gives no facts: self-tests alone */
  BN_VERIFIED_BY_SIZE,   /* sizes and special ids agree */
  BN_VERIFIED_BY_PIECES, /* the model's token list agrees */
} BnVerified;

typedef struct {
  BnVerified verified;
  GPtrArray *warnings; /* of char: what is odd but usable */
} BnValidation;

void bn_validation_clear (BnValidation *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnValidation, bn_validation_clear)

/* FALSE with BITNET_ERROR_VOCAB_MISMATCH if the tokenizer cannot be the
 * model's, strict or not; if strict, also for what would be a warning.
 * is_embedded: it was read from this very model, so pieces need no look. */
gboolean bn_validate (BitnetTokenizer *tokenizer, BitnetDiscovery *discovery,
    gboolean is_embedded, gboolean strict, BnValidation *validation,
    GError **error);

/* Gives a tokenizer that nobody else has yet what the model file says where
 * both say something: special ids, BOS and EOS around texts, the chat template
 * if it has none; and takes ids beyond the last row out of what text can
 * give. Call before bn_validate(); *notes gets what was changed. */
void bn_adapt (
    BitnetTokenizer *tokenizer, BitnetDiscovery *discovery, GPtrArray *notes);

/* Whether both give the same ids: number of tokens, all pieces as bytes, and
 * what eight texts become. */
gboolean bn_tokenizers_agree (BitnetTokenizer *a, BitnetTokenizer *b);

/* What the device cannot do well with a model of this quantization and so
 * many ids: NULL, or a text; *is_unsupported if it cannot run it at all. */
char *bn_check_quantization (
    BitnetDiscovery *discovery, const char *device, gboolean *is_unsupported);

/* The last resort: a tokenizer whose tokens are bytes (<unk> 0, <s> 1, </s> 2,
 * byte b is 3 + b), with n_tokens ids. NULL with BITNET_ERROR_VOCAB_MISMATCH
 * if n_tokens is below 259. */
BitnetTokenizer *bn_backup_tokenizer_new (guint n_tokens, GError **error);
