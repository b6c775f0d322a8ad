/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vocab.json with merges.txt beside it: byte-level BPE before there was
 * tokenizer.json. */
#pragma once

#include "bn-beside.h"
#include "bn-file.h"

/* The tokenizer of vocab, {"text": id}, and of merges, one "left right" in
 * each line behind "#version: ...". How text is cut is not in the files: it
 * follows from the class that tokenizer_config.json names, and without one
 * text is cut as GPT-2 does it. */
BnTokenizer *bn_vocabjson_load (const BnFile *vocab, const BnFile *merges,
    const BnBeside *beside, BnFidelity fidelity, GCancellable *cancellable,
    GError **error);
