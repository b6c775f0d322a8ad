/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of the cache is not in the way of every word: long words, insertion and
 * growth. */
#include "bn-cache.h"

enum {
  MIN_BITS = 10, /* binary logarithm of the number of sets */
  MAX_BITS = 17,
  GROWTH_BITS = 2,
  MAX_MORE = 1 << 21, /* ids; then everything is forgotten */
};

#define LOW(n) (UINT64_MAX >> (64 - 8 * (n)))
const BnCacheKey bn_cache_masks[BN_CACHE_MAX_WORD + 1] = {{0, 0}, {LOW (1), 0},
    {LOW (2), 0}, {LOW (3), 0}, {LOW (4), 0}, {LOW (5), 0}, {LOW (6), 0},
    {LOW (7), 0}, {UINT64_MAX, 0}, {UINT64_MAX, LOW (1)}, {UINT64_MAX, LOW (2)},
    {UINT64_MAX, LOW (3)}, {UINT64_MAX, LOW (4)}, {UINT64_MAX, LOW (5)},
    {UINT64_MAX, LOW (6)}, {UINT64_MAX, LOW (7)}};

static void
make_table (BnCache *self, unsigned bits)
{
  self->sets = g_malloc0_n ((size_t) 1 << bits, sizeof *self->sets);
  self->shift = 64 - bits;
  self->n_inserted = 0;
}

void
bn_cache_init (BnCache *self)
{
  *self = (BnCache){.n_more = 0};
  make_table (self, MIN_BITS);
}

void
bn_cache_clear (BnCache *self)
{
  g_clear_pointer (&self->sets, g_free);
  g_clear_pointer (&self->more, g_free);
}

BnCacheKey
bn_cache_key_of_tail (const uint8_t *word, size_t length)
{
  uint8_t padded[2 * sizeof (BnCacheKey)] = {0};

  memcpy (padded, word, length);
  return bn_cache_key (padded, length, padded + sizeof padded);
}

BnCacheKey
bn_cache_key_of_long (const uint8_t *word, size_t length)
{
  BnCacheKey key = {length, ~(uint64_t) length};

  for (size_t i = 0; i < length;) {
    uint64_t chunk;

    memcpy (&chunk, word + i, sizeof chunk);
    key.low = (key.low ^ chunk) * UINT64_C (0x9E3779B97F4A7C15);
    key.low ^= key.low >> 32;
    key.high = (key.high + chunk) * UINT64_C (0xC2B2AE3D27D4EB4F);
    key.high ^= key.high >> 29;
    i += sizeof chunk;
    if (i < length && length - i < sizeof chunk)
      i = length - sizeof chunk; /* the last one overlaps */
  }
  key.high |= UINT64_C (0xFF) << 56;
  return key;
}

/* A long word lies behind its ids: its length, then its bytes. */
static size_t
count_words (size_t length)
{
  return 1 + (length + sizeof (uint32_t) - 1) / sizeof (uint32_t);
}

gboolean
bn_cache_get_more (const BnCache *self, const BnCacheEntry *entry,
    const uint8_t *word, size_t length, BnIds *out)
{
  const uint32_t *ids = self->more + entry->ids[0];

  if (length > BN_CACHE_MAX_WORD
      && (ids[entry->n_ids] != length
          || memcmp (ids + entry->n_ids + 1, word, length) != 0))
    return FALSE;
  memcpy (out->data + out->n_ids, ids, entry->n_ids * sizeof *ids);
  out->n_ids += entry->n_ids;
  return TRUE;
}

/* Forgets all. */
static void
reset (BnCache *self)
{
  memset (
      self->sets, 0, ((size_t) 1 << (64 - self->shift)) * sizeof *self->sets);
  self->n_more = 0;
}

static void
reserve_more (BnCache *self, size_t n)
{
  if (self->n_more + n <= self->more_reserved)
    return;
  self->more_reserved = MAX (self->n_more + n, self->more_reserved * 2);
  self->more =
      g_realloc_n (self->more, self->more_reserved, sizeof *self->more);
}

void
bn_cache_put (BnCache *self, const BnCachePlace *place, const uint8_t *word,
    size_t length, const uint32_t *ids, size_t n_ids)
{
  gboolean is_long = length > BN_CACHE_MAX_WORD;
  BnCacheEntry *set;

  if (n_ids > BN_CACHE_MAX_IDS)
    return;
  if (self->n_more > MAX_MORE)
    reset (self);
  set = bn_cache_set (self, place->hash);
  memmove (set + 1, set, (BN_CACHE_WAYS - 1) * sizeof *set);
  set->key = place->key;
  set->n_ids = (uint32_t) n_ids;
  self->n_inserted++;
  if (!is_long && n_ids <= BN_CACHE_INLINE_IDS) {
    memcpy (set->ids, ids, n_ids * sizeof *ids);
    return;
  }
  reserve_more (self, n_ids + (is_long ? count_words (length) : 0));
  set->ids[0] = (uint32_t) self->n_more;
  memcpy (self->more + self->n_more, ids, n_ids * sizeof *ids);
  self->n_more += n_ids;
  if (is_long) {
    self->more[self->n_more] = (uint32_t) length;
    memcpy (self->more + self->n_more + 1, word, length);
    self->n_more += count_words (length);
  }
}

void
bn_cache_settle (BnCache *self)
{
  size_t n_sets = (size_t) 1 << (64 - self->shift);
  BnCacheEntry (*old)[BN_CACHE_WAYS] = self->sets;
  unsigned bits = 64 - self->shift;

  if (self->n_inserted < n_sets || bits >= MAX_BITS)
    return;
  make_table (self, MIN (bits + GROWTH_BITS, MAX_BITS));
  for (size_t i = 0; i < n_sets; i++) {
    for (unsigned way = BN_CACHE_WAYS; way-- > 0;) {
      const BnCacheEntry *entry = &old[i][way];
      BnCacheEntry *set;

      if (entry->key.high == 0)
        continue;
      set = bn_cache_set (self, bn_cache_hash (entry->key));
      memmove (set + 1, set, (BN_CACHE_WAYS - 1) * sizeof *set);
      *set = *entry;
    }
  }
  g_free (old);
}
