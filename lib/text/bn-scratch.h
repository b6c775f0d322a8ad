/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What encoding needs to write to: one scratch per thread that encodes.
 *
 * Everything here grows to what the texts need and stays, so that encoding
 * allocates nothing once it is warm. The cache remembers the ids of short
 * words of one vocabulary; natural text finds nearly all its words there. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

/* Longest text of one call; symbols and offsets have 32 bits. */
#define BN_MAX_TEXT_SIZE ((size_t) G_MAXINT32)

/* A growing list of token ids. */
typedef struct {
  uint32_t *data;
  size_t n_ids;
  size_t n_reserved;
} BnIds;

/* Makes room for n more. FALSE if memory is short. */
gboolean bn_ids_reserve (BnIds *self, size_t n);

/* Needs room. */
static inline void
bn_ids_push (BnIds *self, uint32_t id)
{
  self->data[self->n_ids++] = id;
}

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

enum {
  BN_CACHE_MAX_WORD = 15,
  BN_CACHE_MAX_IDS = 3,
  BN_CACHE_WAYS = 2,
  BN_CACHE_SETS = 4096, /* a power of two */
};

/* The word in the low bytes, its length in the highest. */
typedef struct {
  uint64_t low, high;
} BnCacheKey;

typedef struct {
  BnCacheKey key; /* zero if free */
  uint32_t ids[BN_CACHE_MAX_IDS];
  uint32_t n_ids;
} BnCacheEntry;

typedef struct {
  BnSymbol *symbols;
  size_t n_symbols_reserved;
  uint64_t *heap;
  size_t n_heap_reserved;
  uint8_t *text;
  size_t text_reserved;
  BnSpans parts;                    /* of the text, in order */
  BnSpans spans, more_spans, found; /* while they are searched */
  BnCacheEntry (*cache)[BN_CACHE_WAYS];
  /* Of bn-unigram.c: ways through a word, a text with short spaces, unknown
   * characters, words that are remembered; of its callers: normalized text. */
  BnBuffer lattice, packed, unknown, words;
  BnBuffer normalized;
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

/* The key of a word of 1 to BN_CACHE_MAX_WORD bytes; bytes up to end may be
 * read. */
static inline BnCacheKey
bn_cache_key (const uint8_t *word, size_t length, const uint8_t *end)
{
  uint64_t parts[2] = {0, 0};
  BnCacheKey key;

  if ((size_t) (end - word) >= sizeof parts) {
    memcpy (parts, word, sizeof parts);
    key.low = GUINT64_FROM_LE (parts[0]);
    key.high = GUINT64_FROM_LE (parts[1]);
    if (length < 8) {
      key.low &= (UINT64_C (1) << 8 * length) - 1;
      key.high = 0;
    } else {
      key.high &= (UINT64_C (1) << 8 * (length - 8)) - 1;
    }
  } else {
    memcpy (parts, word, length);
    key.low = GUINT64_FROM_LE (parts[0]);
    key.high = GUINT64_FROM_LE (parts[1]);
  }
  key.high |= (uint64_t) length << 56;
  return key;
}

static inline BnCacheEntry *
bn_cache_set (BnScratch *scratch, BnCacheKey key)
{
  uint64_t hash = (key.low ^ (key.high << 23 | key.high >> 41))
                  * UINT64_C (0x9E3779B97F4A7C15);

  hash = (hash ^ hash >> 32 ^ key.high) * UINT64_C (0xD6E8FEB86659FD93);
  return scratch->cache[hash >> 40 & (BN_CACHE_SETS - 1)];
}

/* Appends the ids of a word that is in the cache; out has room for them. */
static inline gboolean
bn_cache_lookup (BnScratch *scratch, BnCacheKey key, BnIds *out)
{
  const BnCacheEntry *set = bn_cache_set (scratch, key);

  for (int way = 0; way < BN_CACHE_WAYS; way++) {
    const BnCacheEntry *entry = &set[way];

    if (entry->key.low == key.low && entry->key.high == key.high) {
      memcpy (out->data + out->n_ids, entry->ids, sizeof entry->ids);
      out->n_ids += entry->n_ids;
      return TRUE;
    }
  }
  return FALSE;
}

/* Remembers a word, unless it has too many ids. */
static inline void
bn_cache_insert (
    BnScratch *scratch, BnCacheKey key, const uint32_t *ids, size_t n_ids)
{
  BnCacheEntry *set = bn_cache_set (scratch, key);

  if (n_ids > BN_CACHE_MAX_IDS)
    return;
  memmove (set + 1, set, (BN_CACHE_WAYS - 1) * sizeof *set);
  set->key = key;
  memcpy (set->ids, ids, n_ids * sizeof *ids);
  set->n_ids = (uint32_t) n_ids;
}
