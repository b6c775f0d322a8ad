/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads tokenizer.json of Hugging Face. */
#pragma once

#include <gio/gio.h>

#include "bn-json.h"
#include "bn-tokenizer.h"

/* The tokenizer of a document. Its sections "truncation" and "padding" have no
 * effect. Some 10 to 100 ms for 32,000 to 256,000 tokens. */
BnTokenizer *bn_tokjson_read (BnJson root, BnFidelity fidelity,
    GCancellable *cancellable, GError **error);
