/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NH and SipHash. Numbers are those of the machine: digests never leave it. */
#include "bn-digest.h"

#include <string.h>

enum {
  COMPRESS_ROUNDS = 2,
  FINISH_ROUNDS = 4,
};

static inline uint64_t
rotate (uint64_t value, unsigned bits)
{
  return value << bits | value >> (64 - bits);
}

static inline void
sip_rounds (uint64_t v[4], int n)
{
  for (int i = 0; i < n; i++) {
    v[0] += v[1];
    v[1] = rotate (v[1], 13) ^ v[0];
    v[0] = rotate (v[0], 32);
    v[2] += v[3];
    v[3] = rotate (v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate (v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate (v[1], 17) ^ v[2];
    v[2] = rotate (v[2], 32);
  }
}

static inline void
sip_add (uint64_t v[4], uint64_t word)
{
  v[3] ^= word;
  sip_rounds (v, COMPRESS_ROUNDS);
  v[0] ^= word;
}

static void
sip_init (uint64_t v[4], const uint64_t key[2])
{
  v[0] = UINT64_C (0x736f6d6570736575) ^ key[0];
  v[1] = UINT64_C (0x646f72616e646f6d) ^ key[1] ^ 0xEE; /* 128 bits */
  v[2] = UINT64_C (0x6c7967656e657261) ^ key[0];
  v[3] = UINT64_C (0x7465646279746573) ^ key[1];
}

static void
sip_finish (uint64_t v[4], uint64_t result[2])
{
  v[2] ^= 0xEE;
  sip_rounds (v, FINISH_ROUNDS);
  result[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
  v[1] ^= 0xDD;
  sip_rounds (v, FINISH_ROUNDS);
  result[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
bn_digest_key_init (
    BnDigestKey *self, const uint8_t secret[BN_DIGEST_SECRET_SIZE])
{
  uint64_t keys[4];

  memcpy (keys, secret, sizeof keys);
  for (uint32_t i = 0; i < BN_DIGEST_KEY_WORDS; i += 2) {
    uint64_t v[4], result[2];

    sip_init (v, keys);
    sip_add (v, i);
    sip_finish (v, result);
    memcpy (self->words + i, result, sizeof result);
  }
  self->sip[0] = keys[2];
  self->sip[1] = keys[3];
}

/* Sums of products in 128 bits. */
#ifdef __SIZEOF_INT128__
typedef unsigned __int128 Sum;

static inline Sum
add_product (Sum sum, uint64_t a, uint64_t b)
{
  return sum + (Sum) a * b;
}

static inline void
split_sum (Sum sum, uint64_t halves[2])
{
  halves[0] = (uint64_t) sum;
  halves[1] = (uint64_t) (sum >> 64);
}
#else
typedef struct {
  uint64_t low, high;
} Sum;

static inline Sum
add_product (Sum sum, uint64_t a, uint64_t b)
{
  uint64_t a0 = (uint32_t) a, a1 = a >> 32, b0 = (uint32_t) b, b1 = b >> 32;
  uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
  uint64_t other = a0 * b1 + (uint32_t) middle;
  uint64_t low = a * b;

  sum.low += low;
  sum.high += a1 * b1 + (middle >> 32) + (other >> 32) + (sum.low < low);
  return sum;
}

static inline void
split_sum (Sum sum, uint64_t halves[2])
{
  halves[0] = sum.low;
  halves[1] = sum.high;
}
#endif

static void
add_block (BnDigester *self, const uint8_t *block)
{
  const uint64_t *key = self->key->words;
  Sum sums[2] = {0};
  uint64_t first[2], second[2];

  for (int i = 0; i < BN_DIGEST_KEY_WORDS; i += 4) {
    uint64_t words[4];

    memcpy (words, block + i * 8, sizeof words);
    sums[0] = add_product (sums[0], words[0] + key[i], words[1] + key[i + 1]);
    sums[1] =
        add_product (sums[1], words[2] + key[i + 2], words[3] + key[i + 3]);
  }
  split_sum (sums[0], first);
  split_sum (sums[1], second);
  sip_add (self->sip, first[0]);
  sip_add (self->sip, first[1]);
  sip_add (self->sip, second[0]);
  sip_add (self->sip, second[1]);
}

void
bn_digester_init (BnDigester *self, const BnDigestKey *key)
{
  self->key = key;
  self->size = 0;
  sip_init (self->sip, key->sip);
}

void
bn_digester_update (BnDigester *self, const void *data, size_t size)
{
  const uint8_t *p = data;
  size_t used = self->size % BN_DIGEST_BLOCK;

  self->size += size;
  if (used > 0) {
    size_t n = MIN (size, BN_DIGEST_BLOCK - used);

    memcpy (self->block + used, p, n);
    p += n;
    size -= n;
    if (used + n < BN_DIGEST_BLOCK)
      return;
    add_block (self, self->block);
  }
  for (; size >= BN_DIGEST_BLOCK; size -= BN_DIGEST_BLOCK) {
    add_block (self, p);
    p += BN_DIGEST_BLOCK;
  }
  if (size > 0)
    memcpy (self->block, p, size);
}

void
bn_digester_finish (BnDigester *self, BnDigest *digest)
{
  size_t used = self->size % BN_DIGEST_BLOCK;
  uint64_t result[2];

  if (used > 0) {
    memset (self->block + used, 0, BN_DIGEST_BLOCK - used);
    add_block (self, self->block);
  }
  sip_add (self->sip, self->size);
  sip_finish (self->sip, result);
  memcpy (digest->bytes, result, sizeof result);
}

void
bn_digester_add_string (BnDigester *self, const char *text)
{
  uint64_t length = strlen (text);

  bn_digester_update (self, &length, sizeof length);
  bn_digester_update (self, text, length);
}
