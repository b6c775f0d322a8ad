/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words through the cache: those that it knows come from there, the others are
 * encoded and remembered. Each algorithm gives its own BnWordFn, which the
 * compiler puts in place. Memory up to end may be read; out has room. */
#pragma once

#include "bn-bits.h"
#include "bn-scratch.h"

enum { BN_MAX_WORDS = 128 }; /* in a row */

/* Appends the ids of a word that is not in the cache. */
typedef gboolean (*BnWordFn) (const void *model, BnScratch *scratch,
    const uint8_t *word, size_t length, BnIds *out);

static inline gboolean
bn_learn_word (const void *model, BnWordFn encode, BnScratch *scratch,
    const BnCachePlace *place, const uint8_t *word, size_t length, BnIds *out)
{
  size_t first = out->n_ids;

  if (!encode (model, scratch, word, length, out))
    return FALSE;
  bn_cache_insert (&scratch->cache, place, word, length, out->data + first,
      out->n_ids - first);
  return TRUE;
}

/* Appends the ids of one word. */
static inline gboolean
bn_encode_word (const void *model, BnWordFn encode, BnScratch *scratch,
    const uint8_t *word, size_t length, const uint8_t *end, BnIds *out)
{
  BnCachePlace place;

  return bn_cache_lookup (&scratch->cache, word, length, end, &place, out)
         || bn_learn_word (model, encode, scratch, &place, word, length, out);
}

/* Appends the ids of words in a row, at most BN_MAX_WORDS, of which the first
 * begins at start and each ends at start + ends[i]: first their places, so
 * that the memory of all their entries is on the way before the first is
 * needed. */
static inline gboolean
bn_encode_words (const void *model, BnWordFn encode, BnScratch *scratch,
    const uint8_t *start, const uint32_t *ends, unsigned n_words,
    const uint8_t *end, BnIds *out)
{
  BnCachePlace places[BN_MAX_WORDS];
  uint32_t from = 0;

  for (unsigned i = 0; i < n_words; from = ends[i++]) {
    if (ends[i] - from > BN_CACHE_LONG_WORD)
      continue;
    places[i] = bn_cache_place (start + from, ends[i] - from, end);
    bn_prefetch (bn_cache_set (&scratch->cache, places[i].hash));
  }
  from = 0;
  for (unsigned i = 0; i < n_words; from = ends[i++]) {
    const uint8_t *word = start + from;
    size_t length = ends[i] - from;

    if (length <= BN_CACHE_LONG_WORD
        && bn_cache_get (&scratch->cache, &places[i], word, length, out))
      continue;
    if (!bn_learn_word (model, encode, scratch, &places[i], word, length, out))
      return FALSE;
  }
  return TRUE;
}
