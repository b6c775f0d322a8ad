/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a tokenizer belongs to a model. */
#pragma once

#include "bitnet-model.h"
#include "bitnet-tokenizer.h"

/* FALSE with BITNET_ERROR_VOCAB_MISMATCH if the tokenizer cannot be the
 * model's; what is odd but usable is added to warnings (of char), or is an
 * error too if strict. */
gboolean bn_validate (BitnetTokenizer *tokenizer, BitnetModel *model,
    gboolean strict, GPtrArray *warnings, GError **error);

/* FALSE with BITNET_ERROR_VOCAB_MISMATCH if both files hold a vocabulary and
 * these are not the same: equal kind, equal pieces at the special ids and at
 * a sample of all ids. Equal sizes alone prove nothing. */
gboolean bn_validate_pieces (
    BitnetModel *tokenizer_file, BitnetModel *model, GError **error);
