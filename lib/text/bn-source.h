/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where tokenizers come from: the file formats besides GGUF, told apart by
 * content, and which of several files in a folder counts. */
#pragma once

#include <gio/gio.h>

#include "bn-folder.h"
#include "bn-tokenizer.h"

/* Whether path is a file that begins as GGUF does; FALSE with an error if it
 * cannot be read. A folder is none. */
gboolean bn_source_is_gguf (
    const char *path, gboolean *is_gguf, GError **error);

/* The tokenizer of a file or folder; see bitnet_tokenizer_new_from_file(). */
BnTokenizer *bn_source_load (const char *path, BnFidelity fidelity,
    GCancellable *cancellable, GError **error);

/* The same for the file of that name in a folder, wherever that is; name NULL:
 * for the folder. What lies beside it is read there, too. */
BnTokenizer *bn_source_load_from (const BnFolder *folder, const char *name,
    BnFidelity fidelity, GCancellable *cancellable, GError **error);

/* The files that can be the tokenizer of a folder, the most exact first.
 * NULL-terminated. */
const char *const *bn_source_list_names (void);
