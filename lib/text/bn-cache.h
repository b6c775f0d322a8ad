/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words and their ids, remembered.
 *
 * Natural text repeats its words, so nearly all of them are found here and the
 * algorithm runs for few. An entry is half a cache line:
 *
 *     key of 16 bytes | 3 ids | their number
 *
 * The key of a word of up to 15 bytes is the word itself and its length. That
 * of a longer one is a hash; such words, and ids that are more than three, lie
 * in one array, which is used as a ring. Entries stand in sets of two, a cache
 * line each; a word that finds no room in its own set goes to the set beside
 * it, then takes the place of the older word in its own. The table starts small
 * and grows while words miss it that it has no room for.
 *
 * A cache belongs to one vocabulary and one thread at a time. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "bn-bits.h"
#include "bn-ids.h"

enum {
  BN_CACHE_MAX_WORD = 15,   /* longest that is its own key */
  BN_CACHE_LONG_WORD = 255, /* longest that is remembered */
  BN_CACHE_INLINE_IDS = 3,
  BN_CACHE_MAX_IDS = 255,
  BN_CACHE_WAYS = 2,
};

/* Of a short word: its bytes, in the highest one its length. Of a long one:
 * two hashes, in the highest byte 255. */
typedef struct {
  uint64_t low, high;
} BnCacheKey;

typedef struct {
  BnCacheKey key;                    /* zero if free */
  uint32_t ids[BN_CACHE_INLINE_IDS]; /* or their place in more */
  uint32_t n_ids;
} BnCacheEntry;

typedef struct {
  BnCacheEntry (*sets)[BN_CACHE_WAYS]; /* at a multiple of their size */
  void *memory;                        /* that they lie in */
  unsigned shift;    /* 64 less the binary logarithm of their number */
  size_t n_inserted; /* since the table has this size */
  /* Ids of entries with more than fit; behind those of a long word its length
   * and its bytes. Places count on for ever; the last n_more are there. */
  uint32_t *more;
  size_t n_more; /* a power of two */
  uint64_t end;  /* the next place */
} BnCache;

void bn_cache_init (BnCache *self);
void bn_cache_clear (BnCache *self);

/* For keys of short words: the bits that count. */
extern const BnCacheKey bn_cache_masks[BN_CACHE_MAX_WORD + 1];

BnCacheKey bn_cache_key_of_tail (const uint8_t *word, size_t length);
BnCacheKey bn_cache_key_of_long (const uint8_t *word, size_t length);

/* The key of a word of 1 to BN_CACHE_LONG_WORD bytes; bytes up to end may be
 * read. */
static inline BnCacheKey
bn_cache_key (const uint8_t *word, size_t length, const uint8_t *end)
{
  BnCacheKey key;

  if (length > BN_CACHE_MAX_WORD)
    return bn_cache_key_of_long (word, length);
  if (end - word < (ptrdiff_t) sizeof key)
    return bn_cache_key_of_tail (word, length);
  memcpy (&key, word, sizeof key);
  key.low = GUINT64_FROM_LE (key.low) & bn_cache_masks[length].low;
  key.high = (GUINT64_FROM_LE (key.high) & bn_cache_masks[length].high)
             | (uint64_t) length << 56;
  return key;
}

static inline uint64_t
bn_cache_hash (BnCacheKey key)
{
  uint64_t hash = key.low * UINT64_C (0x9E3779B97F4A7C15)
                  ^ key.high * UINT64_C (0xC2B2AE3D27D4EB4F);

  hash ^= hash >> 32;
  return hash * UINT64_C (0xD6E8FEB86659FD93);
}

static inline BnCacheEntry *
bn_cache_set (const BnCache *self, uint64_t hash)
{
  return self->sets[hash >> self->shift];
}

static inline BnCacheEntry *
bn_cache_set_beside (const BnCache *self, uint64_t hash)
{
  return self->sets[(hash >> self->shift) ^ 1];
}

/* The entry of a key in a set, or NULL. */
static inline const BnCacheEntry *
bn_cache_find (const BnCacheEntry *entry, BnCacheKey key)
{
  /* Without a branch: nobody can predict which of the two it is. */
  entry += ((entry->key.low ^ key.low) | (entry->key.high ^ key.high)) != 0;
  return ((entry->key.low ^ key.low) | (entry->key.high ^ key.high)) != 0
             ? NULL
             : entry;
}

/* Where a word belongs. */
typedef struct {
  BnCacheKey key;
  uint64_t hash;
} BnCachePlace;

static inline BnCachePlace
bn_cache_place (const uint8_t *word, size_t length, const uint8_t *end)
{
  BnCachePlace place;

  place.key = bn_cache_key (word, length, end);
  place.hash = bn_cache_hash (place.key);
  return place;
}

/* Appends the ids of an entry that are not in it. FALSE if it is of another
 * word. */
gboolean bn_cache_get_more (const BnCache *self, const BnCacheEntry *entry,
    const uint8_t *word, size_t length, BnIds *out);

/* Appends the ids of a word of up to BN_CACHE_LONG_WORD bytes. FALSE if it is
 * not there. out has room for as many ids as have ever been put for it, and at
 * least for BN_CACHE_INLINE_IDS. */
static inline gboolean
bn_cache_get (const BnCache *self, const BnCachePlace *place,
    const uint8_t *word, size_t length, BnIds *out)
{
  const BnCacheEntry *entry =
      bn_cache_find (bn_cache_set (self, place->hash), place->key);

  if (entry == NULL) {
    entry = bn_cache_find (bn_cache_set_beside (self, place->hash), place->key);
    if (entry == NULL)
      return FALSE;
  }
  if (length > BN_CACHE_MAX_WORD || entry->n_ids > BN_CACHE_INLINE_IDS)
    return bn_cache_get_more (self, entry, word, length, out);
  memcpy (out->data + out->n_ids, entry->ids, sizeof entry->ids);
  out->n_ids += entry->n_ids;
  return TRUE;
}

/* Remembers a word of up to BN_CACHE_LONG_WORD bytes, unless it has too many
 * ids. */
void bn_cache_put (BnCache *self, const BnCachePlace *place,
    const uint8_t *word, size_t length, const uint32_t *ids, size_t n_ids);

/* Makes the table larger if it pays. */
void bn_cache_settle (BnCache *self);

/* The same for one word of any length: sets *place for bn_cache_insert(). */
static inline gboolean
bn_cache_lookup (BnCache *self, const uint8_t *word, size_t length,
    const uint8_t *end, BnCachePlace *place, BnIds *out)
{
  if (length > BN_CACHE_LONG_WORD)
    return FALSE;
  bn_cache_settle (self);
  *place = bn_cache_place (word, length, end);
  return bn_cache_get (self, place, word, length, out);
}

static inline void
bn_cache_insert (BnCache *self, const BnCachePlace *place, const uint8_t *word,
    size_t length, const uint32_t *ids, size_t n_ids)
{
  if (length <= BN_CACHE_LONG_WORD)
    bn_cache_put (self, place, word, length, ids, n_ids);
}
