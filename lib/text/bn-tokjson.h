/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads tokenizer.json of Hugging Face. */
#pragma once

#include <gio/gio.h>

#include "bn-json.h"
#include "bn-store.h"
#include "bn-tokenizer.h"

/* The tokenizer of a document. Its sections "truncation" and "padding" have no
 * effect. Some 10 to 100 ms for 32,000 to 256,000 tokens. */
BnTokenizer *bn_tokjson_read (BnJson root, BnFidelity fidelity,
    GCancellable *cancellable, GError **error);

/* The same, and keeps tables of it for the next time, if they pay. store NULL:
 * does not. */
BnTokenizer *bn_tokjson_read_into (BnJson root, BnFidelity fidelity,
    BnStore *store, GCancellable *cancellable, GError **error);

/* What bn_tokjson_read() has made of the document that tables were kept of, for
 * the same fidelity. Takes compiled; path names it in messages. An error means
 * that the document must be read. */
BnTokenizer *bn_tokjson_read_compiled (BnCompiled *compiled, const char *path,
    BnFidelity fidelity, GError **error);
