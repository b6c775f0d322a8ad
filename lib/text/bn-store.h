/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of compiled tables, so that a second start maps what the first
 * has made:
 *
 *   ROOT/v1/compiled/key             32 random bytes, the secret of digests
 *   ROOT/v1/compiled/DIGEST.btok     tables of one source
 *   ROOT/v1/compiled/DIGEST.note     which tables belong to one file
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
 * it mapped ends that one by SIGBUS, as with every library it could cut.
 *
 * Digests of source and tables cost more than all the rest of a start. So a
 * note, which has a digest of its own, remembers them: the digest of a source
 * by the identity of the file it is in, and that of the tables by identity and
 * times of their file, of which the system sets one with every change. Both
 * files must have been left alone for a while before that, because a change
 * within one tick of the clock would show nothing. Tables are digested again
 * about once an hour. What a note cannot see is a disk that forgets; wrong
 * numbers in tables give wrong tokens and nothing worse (bn-compiled.h). */
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

/* Instead of both: the source is what a file with this identity has, which is
 * so many bytes and was changed last at changed_ns since 1970. TRUE if there is
 * a note of it; FALSE, and the source must be digested. */
gboolean bn_store_recall (
    BnStore *self, const void *identity, size_t size, int64_t changed_ns);

/* The tables of the source, or NULL. If bn_store_recall() was asked, they are
 * noted for the next time. */
BnCompiled *bn_store_load (BnStore *self);

/* Keeps them; removes those that were used least recently if there are too
 * many. */
void bn_store_save (BnStore *self, BnCompiledWriter *writer);
