/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vocabulary of RWKV World as text: id, piece as Python writes it, and the
 * number of its bytes on every line:
 *
 *   257 '\t\t' 2
 *   600 b'\xe2\x80' 2
 */
#pragma once

#include "bn-file.h"
#include "bn-tokenizer.h"

/* Whether a file begins as such a vocabulary does. */
gboolean bn_rwkvtxt_is_vocabulary (const BnFile *file);

BnTokenizer *bn_rwkvtxt_load (const BnFile *file, BnFidelity fidelity,
    GCancellable *cancellable, GError **error);
