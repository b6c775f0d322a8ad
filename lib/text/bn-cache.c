/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of the cache is not in the way of every word: long words, insertion and
 * growth. */
#include "bn-cache.h"

enum {
  MIN_BITS = 10, /* binary logarithm of the number of sets */
  MAX_BITS = 17,
  GROWTH_BITS = 2,
  MIN_MORE = 1 << 10,
  MAX_MORE = 1 << 21,
  PLACE_BITS = 32, /* in each of two ids */
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
  const size_t alignment = BN_CACHE_WAYS * sizeof *self->sets;
  size_t size = sizeof *self->sets << bits;

  self->memory = g_malloc0 (size + alignment);
  self->sets = (gpointer) (((uintptr_t) self->memory + alignment - 1)
                           / alignment * alignment);
  self->shift = 64 - bits;
  self->n_inserted = 0;
}

void
bn_cache_init (BnCache *self)
{
  *self = (BnCache){.end = 0};
  make_table (self, MIN_BITS);
}

void
bn_cache_clear (BnCache *self)
{
  g_clear_pointer (&self->memory, g_free);
  self->sets = NULL;
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
  uint64_t place = (uint64_t) entry->ids[1] << PLACE_BITS | entry->ids[0];
  const uint32_t *ids = self->more + (place & (self->n_more - 1));

  if (self->end - place > self->n_more) /* something else is there now */
    return FALSE;
  if (length > BN_CACHE_MAX_WORD
      && (ids[entry->n_ids] != length
          || memcmp (ids + entry->n_ids + 1, word, length) != 0))
    return FALSE;
  memcpy (out->data + out->n_ids, ids, entry->n_ids * sizeof *ids);
  out->n_ids += entry->n_ids;
  return TRUE;
}

/* The place of n in a row. Only before the ring has been round once, it
 * grows: then what is there keeps its place. */
static uint64_t
take_more (BnCache *self, size_t n)
{
  uint64_t place = self->end;

  if (place + n > self->n_more && self->n_more < MAX_MORE) {
    self->n_more = self->n_more > 0 ? self->n_more * 2 : MIN_MORE;
    self->more = g_realloc_n (self->more, self->n_more, sizeof *self->more);
  }
  if ((place & (self->n_more - 1)) + n > self->n_more)
    place = (place | (self->n_more - 1)) + 1;
  self->end = place + n;
  return place;
}

/* Makes room for an entry. */
static BnCacheEntry *
take_entry (BnCache *self, uint64_t hash)
{
  BnCacheEntry *set = bn_cache_set (self, hash);
  BnCacheEntry *beside = bn_cache_set_beside (self, hash);

  if (set[BN_CACHE_WAYS - 1].key.high != 0
      && beside[BN_CACHE_WAYS - 1].key.high == 0)
    set = beside;
  memmove (set + 1, set, (BN_CACHE_WAYS - 1) * sizeof *set);
  return set;
}

void
bn_cache_put (BnCache *self, const BnCachePlace *place, const uint8_t *word,
    size_t length, const uint32_t *ids, size_t n_ids)
{
  gboolean is_long = length > BN_CACHE_MAX_WORD;
  BnCacheEntry *entry;
  uint64_t more;
  uint32_t *to;

  if (n_ids > BN_CACHE_MAX_IDS)
    return;
  entry = take_entry (self, place->hash);
  entry->key = place->key;
  entry->n_ids = (uint32_t) n_ids;
  self->n_inserted++;
  if (!is_long && n_ids <= BN_CACHE_INLINE_IDS) {
    memcpy (entry->ids, ids, n_ids * sizeof *ids);
    return;
  }
  more = take_more (self, n_ids + (is_long ? count_words (length) : 0));
  to = self->more + (more & (self->n_more - 1));
  entry->ids[0] = (uint32_t) more;
  entry->ids[1] = (uint32_t) (more >> PLACE_BITS);
  memcpy (to, ids, n_ids * sizeof *ids);
  if (is_long) {
    to[n_ids] = (uint32_t) length;
    memcpy (to + n_ids + 1, word, length);
  }
}

void
bn_cache_settle (BnCache *self)
{
  BnCache old = *self;
  unsigned bits = 64 - self->shift;
  size_t n_sets = (size_t) 1 << bits;

  if (self->n_inserted < n_sets || bits >= MAX_BITS)
    return;
  make_table (self, MIN (bits + GROWTH_BITS, MAX_BITS));
  for (size_t i = 0; i < n_sets; i++) {
    for (unsigned way = BN_CACHE_WAYS; way-- > 0;) {
      const BnCacheEntry *entry = &old.sets[i][way];

      if (entry->key.high != 0)
        *take_entry (self, bn_cache_hash (entry->key)) = *entry;
    }
  }
  g_free (old.memory);
}
