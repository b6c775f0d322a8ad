/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What compiled tables of a tokenizer.json need besides those of its vocabulary
 * and merges: a source that is known without reading it, and the document
 * without both, its skeleton, of which everything else is made anew. */
#pragma once

#include "bn-folder.h"
#include "bn-store.h"
#include "bn-tokenizer.h"
#include "bn-tokjson-model.h"

/* Where the tables of a file are, for results of that fidelity; NULL where
 * there can be none that pay. If *is_known is FALSE, the file must be opened
 * and digested first. */
BnStore *bn_tokjson_store_open (const BnFolder *folder, const char *name,
    BnFidelity fidelity, gboolean *is_known);
void bn_tokjson_store_digest (
    BnStore *store, const BnFile *file, BnFidelity fidelity);

/* The document of a model of BPE, with neither tokens nor merges. */
GString *bn_tokjson_make_skeleton (const BnTokjsonModel *model);
