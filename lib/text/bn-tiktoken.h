/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of tiktoken: one token and its rank in each line,
 *
 *   IQ== 0
 *   Ig== 1
 *
 * They say neither how text is cut into words nor which special tokens there
 * are; that follows from the family, which the number of ranks gives away, and
 * from files beside. */
#pragma once

#include "bn-beside.h"
#include "bn-file.h"
#include "bn-ranks.h"

/* Whether the first line is that of such a file. */
gboolean bn_tiktoken_is_ranks (const BnFile *file);

/* Reads the ranks. NULL with an error that names the line, for what is no
 * base64, a rank or token that is there twice, or a byte without a rank. */
gboolean bn_tiktoken_read (const BnFile *file, BnRanks *ranks,
    GCancellable *cancellable, GError **error);

/* The tokenizer. The reserved tokens of LLaMA-3 have the names of version 3.0
 * unless a file beside has other ones. */
BnTokenizer *bn_tiktoken_load (const BnFile *file, const BnBeside *beside,
    BnFidelity fidelity, GCancellable *cancellable, GError **error);

/* Decodes strict base64 (RFC 4648, padded); FALSE if it is none. out has room
 * for length / 4 * 3 bytes. */
gboolean bn_base64_decode (
    const char *text, size_t length, uint8_t *out, size_t *out_length);
