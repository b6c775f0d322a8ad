/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of compiled tables, so that a second start maps what the first
 * has made:
 *
 *   ROOT/v1/compiled/key             32 random bytes, the secret of digests
 *   ROOT/v1/compiled/DIGEST.btok     tables of one source
 *
 * ROOT is $BITNET_TOKENIZER_CACHE, else $BITNET_CACHE_DIR/tokenizers, else
 * bitnet/tokenizers in the cache folder of the user. BITNET_COMPILED=0 turns
 * all of it off. Nothing here is ever an error: without the folder a start
 * only takes longer, and an info message says why.
 *
 * What is trusted: the user and nobody else. The folder must belong to the
 * user and be writable for nobody else, a file must be regular, of the user,
 * for the user alone and of the size it says; symbolic links are not followed.
 * Files appear under their name when they are complete and are never changed
 * after that, only replaced or removed, which does no harm to a mapping. What
 * remains: a program of the same user that cuts a file short while another has
 * it mapped ends that one by SIGBUS, as with every library it could cut. */
#pragma once

#include "bn-compiled.h"

/* For one source; not for several threads. */
typedef struct BnStore BnStore;

/* NULL if there is no such folder for us. */
BnStore *bn_store_open (void);
void bn_store_free (BnStore *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnStore, bn_store_free)

/* The source is digested between these two. */
BnDigester *bn_store_begin_source (BnStore *self);
void bn_store_end_source (BnStore *self);

/* The tables of the source, or NULL. */
BnCompiled *bn_store_load (BnStore *self);

/* Keeps them; removes those that were used least recently if there are too
 * many. */
void bn_store_save (BnStore *self, BnCompiledWriter *writer);
