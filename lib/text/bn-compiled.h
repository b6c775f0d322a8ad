/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compiled tables: what was made of a vocabulary, in a form that is used where
 * it lies.
 *
 *   header    magic, format, ABI, size, digest of the source, section table
 *   sections  arrays of numbers or structs, each at a multiple of 64
 *   digest    of all that, with the key of the user (bn-digest.h)
 *
 * Which tables there are is the business of those who own them (BnVocab,
 * BnMerges, ...): each writes sections of its own and checks every number of
 * them before it becomes an index: of small tables all at once, of hash tables
 * each when it is used, so that what nobody asks for is never read from disk.
 * So even a file with a right digest and wrong content does no harm. */
#pragma once

#include "bn-digest.h"

/* Raised when the content of a section changes its meaning. */
enum { BN_COMPILED_FORMAT = 1 };

typedef enum {
  BN_SECTION_VOCAB = 1,
  BN_SECTION_ATTRIBUTES,
  BN_SECTION_SCORES,
  BN_SECTION_TEXT_BYTES,
  BN_SECTION_TEXT_OFFSETS,
  BN_SECTION_PIECE_BYTES,
  BN_SECTION_PIECE_OFFSETS,
  BN_SECTION_SLOTS,
  BN_SECTION_MERGES,
  BN_SECTION_MERGE_SLOTS,
  BN_SECTION_WORDS,
  BN_SECTION_NEIGHBOURS,
  BN_SECTION_JSON,
  BN_SECTION_ADDED,
  BN_N_SECTIONS,
} BnSectionId;

/* Tables that were read. */
typedef struct BnCompiled BnCompiled;

/* Checks bytes, which stay mapped as long as the result lives. NULL, and
 * *problem says why in a few words, if they are not what somebody with this
 * key and this version of the library has made of source. key NULL: their
 * digest is known to be right, as long as nothing but a program of the user
 * wrote them; it is not computed again. */
BnCompiled *bn_compiled_new (GBytes *bytes, const BnDigestKey *key,
    const BnDigest *source, const char **problem);
void bn_compiled_free (BnCompiled *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnCompiled, bn_compiled_free)

/* The elements of a section, aligned for any number; NULL if there is none
 * with elements of that size. */
const void *bn_compiled_get (const BnCompiled *self, BnSectionId id,
    size_t element_size, size_t *n_elements);

/* The same for a section of n_elements; NULL if it has another number. */
const void *bn_compiled_get_n (const BnCompiled *self, BnSectionId id,
    size_t element_size, size_t n_elements);

/* Tables on their way into a file. */
typedef struct BnCompiledWriter BnCompiledWriter;

BnCompiledWriter *bn_compiled_writer_new (void);
void bn_compiled_writer_free (BnCompiledWriter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnCompiledWriter, bn_compiled_writer_free)

/* Adds a section. data is not copied and stays until it is written. */
void bn_compiled_writer_add (BnCompiledWriter *self, BnSectionId id,
    const void *data, size_t element_size, size_t n_elements);

/* The same with a copy, for small things. */
void bn_compiled_writer_add_copy (BnCompiledWriter *self, BnSectionId id,
    const void *data, size_t element_size, size_t n_elements);

/* Gives the file piece by piece to sink, which returns FALSE to stop. */
typedef gboolean (*BnCompiledSink) (
    const void *data, size_t size, void *user_data);
gboolean bn_compiled_writer_write (BnCompiledWriter *self,
    const BnDigestKey *key, const BnDigest *source, BnCompiledSink sink,
    void *user_data);
size_t bn_compiled_writer_get_size (const BnCompiledWriter *self);

/* What the digest of a source begins with, so that other versions of this
 * library and other machines find nothing. */
void bn_compiled_begin_source (BnDigester *digester, const BnDigestKey *key);
