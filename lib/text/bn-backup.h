/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last resort: a tokenizer that fits no model, and keeps every text. */
#pragma once

#include "bn-tokenizer.h"

/* Ids of the backup tokenizer; byte b is BN_BACKUP_BYTES + b, all others stand
 * for nothing. */
enum {
  BN_BACKUP_UNK,
  BN_BACKUP_BOS,
  BN_BACKUP_EOS,
  BN_BACKUP_BYTES,
  BN_BACKUP_MIN_TOKENS = BN_BACKUP_BYTES + 256,
};

/* With n_tokens ids, from BN_BACKUP_MIN_TOKENS to BN_MAX_TOKENS. */
BnTokenizer *bn_backup_new (uint32_t n_tokens);
