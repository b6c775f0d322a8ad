/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vocab.txt of BERT: a token on every line, its number is the id. */
#pragma once

#include "bn-source.h"

/* What tokenizer_config.json says; a number below 0 and NULL stand for
 * nothing. */
typedef struct {
  BnFidelity fidelity;
  int do_lower_case;             /* yes */
  int tokenize_chinese_chars;    /* yes */
  int strip_accents;             /* as do_lower_case */
  const char *names[BN_N_ROLES]; /* "[CLS]" (BOS), "[SEP]", "[UNK]", ... */
} BnVocabTxtOptions;

/* The tokenizer of BERT with this vocabulary. */
BnTokenizer *bn_vocabtxt_load (const BnFile *file,
    const BnVocabTxtOptions *options, GCancellable *cancellable,
    GError **error);
