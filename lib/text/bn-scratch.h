/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What encoding needs to write to: one scratch per thread that encodes.
 *
 * Everything here grows to what the texts need and stays, so that encoding
 * allocates nothing once it is warm. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "bn-cache.h"
#include "bn-ids.h"

/* Longest text of one call; symbols and offsets have 32 bits. */
#define BN_MAX_TEXT_SIZE ((size_t) G_MAXINT32)

/* A growing text. */
typedef struct {
  uint8_t *data;
  size_t length;
  size_t n_reserved;
} BnBuffer;

/* Makes room for n more bytes. FALSE if memory is short. */
gboolean bn_buffer_reserve (BnBuffer *self, size_t n);
gboolean bn_buffer_append (BnBuffer *self, const void *data, size_t n);
void bn_buffer_clear (BnBuffer *self); /* frees what it holds */

/* A piece of a word while it is merged; see bn-merge.h. */
typedef struct {
  uint32_t id;     /* token, BN_TOKEN_NONE if it is none */
  uint32_t start;  /* offset of its text in the word */
  uint32_t prev;   /* neighbours, by index */
  uint32_t next;   /* n_symbols at the end */
  uint32_t rank;   /* of the merge with next; UINT32_MAX if there is none */
  uint32_t merged; /* its result */
} BnSymbol;

/* A part of a text: a special token or, with id BN_TOKEN_NONE, text. */
typedef struct {
  uint32_t start, end;
  uint32_t id;
  gboolean is_searched; /* text without special tokens */
} BnSpan;

typedef struct {
  BnSpan *data;
  size_t n_spans;
  size_t n_reserved;
} BnSpans;

/* Needs memory like any small thing: aborts if there is none. */
void bn_spans_push (BnSpans *self, BnSpan span);

/* A pair of tokens and how it merges, see bn-merge.h. */
typedef struct {
  uint64_t key; /* left token in the high half, right one in the low */
  uint32_t rank, merged;
} BnPair;

enum { BN_PAIRS_BITS = 13 };

typedef struct {
  BnSymbol *symbols;
  size_t n_symbols_reserved;
  uint64_t *heap;
  size_t n_heap_reserved;
  uint8_t *text;
  size_t text_reserved;
  BnSpans parts;                    /* of the text, in order */
  BnSpans spans, more_spans, found; /* while they are searched */
  BnCache cache;
  BnPair *pairs; /* that have been asked for; of no tokens if free */
  /* Of bn-unigram.c: ways through a word, a text with short spaces, unknown
   * characters; of its callers: normalized text. */
  BnBuffer lattice, packed, unknown;
  BnBuffer normalized;
  /* What a chain of stages (bn-pipeline.h) works in, and how it is freed. */
  void *chain;
  void (*free_chain) (void *chain);
  BnBuffer rewritten; /* of bn-normalize.c: the text of every other step */
  struct BnRegexMatcher *matcher; /* of bn-regex.c */
} BnScratch;

BnScratch *bn_scratch_new (void);
void bn_scratch_free (BnScratch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnScratch, bn_scratch_free)

/* Frees what an unusually long text has left behind. */
void bn_scratch_trim (BnScratch *self);

/* Room for n symbols and for the merges between them; for n bytes of text.
 * FALSE if memory is short. */
gboolean bn_scratch_reserve_symbols (BnScratch *self, size_t n);
gboolean bn_scratch_reserve_text (BnScratch *self, size_t n);

/* Where a pair of tokens is remembered: few pairs come again and again, and
 * this is smaller than the tables of all. Other users of the scratch must not
 * mean something else by pairs. */
static inline BnPair *
bn_scratch_pair (BnScratch *self, uint64_t key)
{
  return &self->pairs[key * UINT64_C (0x9E3779B97F4A7C15)
                      >> (64 - BN_PAIRS_BITS)];
}
