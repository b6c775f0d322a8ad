/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks as they lie in files and in activation rows (quant-formats.md 3 to
 * 9). File blocks are made of bytes only: rows may begin at any address. The
 * decoders below are the one place that knows the order of codes; rows are
 * dequantized and the C products are made through them. */
#pragma once

#include <assert.h>
#include <stdint.h>
#include "bn-scalar.h"

enum {
  BN_QK = 32,    /* elements in a simple block */
  BN_QK_K = 256, /* elements in a K block */
  BN_QK_BN = 64, /* elements in a block of IQ1_BN and IQ2_BN */
};

typedef struct {
  uint8_t d[2], qs[16];
} BnBlockQ4_0;

typedef struct {
  uint8_t d[2], m[2], qs[16];
} BnBlockQ4_1;

typedef struct {
  uint8_t d[2], qh[4], qs[16];
} BnBlockQ5_0;

typedef struct {
  uint8_t d[2], m[2], qh[4], qs[16];
} BnBlockQ5_1;

typedef struct {
  uint8_t d[2];
  int8_t qs[32];
} BnBlockQ8_0;

typedef struct {
  uint8_t scales[16], qs[64], d[2], dmin[2];
} BnBlockQ2_K;

typedef struct {
  uint8_t hmask[32], qs[64], scales[12], d[2];
} BnBlockQ3_K;

typedef struct {
  uint8_t d[2], dmin[2], scales[12], qs[128];
} BnBlockQ4_K;

typedef struct {
  uint8_t d[2], dmin[2], scales[12], qh[32], qs[128];
} BnBlockQ5_K;

typedef struct {
  uint8_t ql[128], qh[64];
  int8_t scales[16];
  uint8_t d[2];
} BnBlockQ6_K;

typedef struct {
  uint8_t qs[48], qh[4], d[2];
} BnBlockTQ1_0;

typedef struct {
  uint8_t qs[64], d[2];
} BnBlockTQ2_0;

typedef struct {
  uint8_t ql[12], extra;
} BnBlockIQ1_BN;

typedef struct {
  uint8_t qs[16];
} BnBlockIQ2_BN;

static_assert (sizeof (BnBlockQ4_0) == 18, "Q4_0");
static_assert (sizeof (BnBlockQ4_1) == 20, "Q4_1");
static_assert (sizeof (BnBlockQ5_0) == 22, "Q5_0");
static_assert (sizeof (BnBlockQ5_1) == 24, "Q5_1");
static_assert (sizeof (BnBlockQ8_0) == 34, "Q8_0");
static_assert (sizeof (BnBlockQ2_K) == 84, "Q2_K");
static_assert (sizeof (BnBlockQ3_K) == 110, "Q3_K");
static_assert (sizeof (BnBlockQ4_K) == 144, "Q4_K");
static_assert (sizeof (BnBlockQ5_K) == 176, "Q5_K");
static_assert (sizeof (BnBlockQ6_K) == 210, "Q6_K");
static_assert (sizeof (BnBlockTQ1_0) == 54, "TQ1_0");
static_assert (sizeof (BnBlockTQ2_0) == 66, "TQ2_0");
static_assert (sizeof (BnBlockIQ1_BN) == 13, "IQ1_BN");
static_assert (sizeof (BnBlockIQ2_BN) == 16, "IQ2_BN");

/* Blocks of activation rows, which are BN_ALIGN aligned. */
typedef struct {
  uint16_t d;
  int16_t sum; /* of qs */
  int8_t qs[32];
} BnActQ8_0;

typedef struct {
  float d, s; /* s = d * sum of qs; ggml's halves overflow at 65504 */
  int8_t qs[32];
} BnActQ8_1;

/* The qs begin where a line of the cache begins. */
typedef struct {
  int8_t qs[256];
  int16_t sums[16]; /* of 16 qs each */
  float d;
  uint8_t padding[28];
} BnActQ8_K;

static_assert (sizeof (BnActQ8_0) == 36, "Q8_0 activations");
static_assert (sizeof (BnActQ8_1) == 40, "Q8_1 activations");
static_assert (sizeof (BnActQ8_K) == 320, "Q8_K activations");

/* Scale d of a Q8_0 or Q8_1 block and its inverse; the inverse is 0 where all
 * codes are 0. A value that is not finite makes d NaN, and with it every
 * product. */
static inline float
bn_q8_scale (const float x[BN_QK], float *inverse)
{
  uint32_t max = bn_max_magnitude_bits (x, BN_QK);
  float d = bn_f32_from_bits (max) / 127.0f;

  *inverse = 0;
  if (max >= BN_BITS_INFINITY)
    return bn_f32_from_bits (BN_BITS_NAN);
  /* below that, d is too small for its inverse, and 0 as a half anyway */
  if (d >= 0x1p-126f)
    *inverse = 1.0f / d;
  return d;
}

/* Codes of simple blocks: 0..15, or 0..31 with the fifth bits in qh. */
static inline void
bn_codes_q4 (uint8_t codes[BN_QK], const uint8_t qs[16])
{
  for (int i = 0; i < 16; i++) {
    codes[i] = qs[i] & 15;
    codes[i + 16] = qs[i] >> 4;
  }
}

static inline void
bn_codes_q5 (uint8_t codes[BN_QK], const uint8_t qs[16], const uint8_t qh[4])
{
  uint32_t high = bn_load_u32 (qh);

  bn_codes_q4 (codes, qs);
  for (int i = 0; i < BN_QK; i++)
    codes[i] |= (high >> i & 1) << 4;
}

/* Two-bit codes in the order that Q2_K, Q3_K and TQ2_0 share. */
static inline void
bn_codes_2bit (uint8_t codes[BN_QK_K], const uint8_t qs[64])
{
  for (int half = 0; half < 2; half++) {
    for (int shift = 0; shift < 8; shift += 2) {
      for (int i = 0; i < 32; i++)
        *codes++ = qs[32 * half + i] >> shift & 3;
    }
  }
}

/* Codes 0..7. */
static inline void
bn_codes_q3_k (uint8_t codes[BN_QK_K], const BnBlockQ3_K *block)
{
  bn_codes_2bit (codes, block->qs);
  for (int i = 0; i < BN_QK_K; i++)
    codes[i] |= (block->hmask[i % 32] >> (i / 32) & 1) << 2;
}

/* -32..31, one for 16 elements; four of them at a time in a word. */
static inline void
bn_scales_q3_k (int8_t scales[16], const BnBlockQ3_K *block)
{
  uint32_t low[2] = {
      bn_load_u32 (block->scales), bn_load_u32 (block->scales + 4)};
  uint32_t high = bn_load_u32 (block->scales + 8);

  for (int j = 0; j < 4; j++) {
    uint32_t s = (low[j % 2] >> (j < 2 ? 0 : 4) & 0x0f0f0f0f)
                 | (high >> (2 * j) & 0x03030303) << 4;
    uint32_t sign;

    /* minus 32: turn the sixth bit and repeat it above */
    s ^= 0x20202020;
    sign = s & 0x20202020;
    s |= sign << 1 | sign << 2;
    memcpy (scales + 4 * j, &s, sizeof s);
  }
}

/* Scales and minima 0..63 of Q4_K and Q5_K, one of each for 32 elements; four
 * of them at a time in a word. */
static inline void
bn_scales_q4_k (uint8_t scales[8], uint8_t mins[8], const uint8_t s[12])
{
  uint32_t first = bn_load_u32 (s), second = bn_load_u32 (s + 4);
  uint32_t third = bn_load_u32 (s + 8);
  const uint32_t words[4] = {first & 0x3f3f3f3f,
      (third & 0x0f0f0f0f) | (first >> 6 & 0x03030303) << 4,
      second & 0x3f3f3f3f,
      (third >> 4 & 0x0f0f0f0f) | (second >> 6 & 0x03030303) << 4};

  memcpy (scales, words, 8);
  memcpy (mins, words + 2, 8);
}

static inline void
bn_codes_q4_k (uint8_t codes[BN_QK_K], const uint8_t qs[128])
{
  for (int quarter = 0; quarter < 4; quarter++) {
    for (int i = 0; i < 32; i++) {
      codes[64 * quarter + i] = qs[32 * quarter + i] & 15;
      codes[64 * quarter + 32 + i] = qs[32 * quarter + i] >> 4;
    }
  }
}

static inline void
bn_codes_q5_k (uint8_t codes[BN_QK_K], const BnBlockQ5_K *block)
{
  bn_codes_q4_k (codes, block->qs);
  for (int i = 0; i < BN_QK_K; i++)
    codes[i] |= (block->qh[i % 32] >> (i / 32) & 1) << 4;
}

/* Codes 0..63. */
static inline void
bn_codes_q6_k (uint8_t codes[BN_QK_K], const BnBlockQ6_K *block)
{
  for (int half = 0; half < 2; half++) {
    const uint8_t *ql = block->ql + 64 * half;
    const uint8_t *qh = block->qh + 32 * half;

    for (int group = 0; group < 4; group++) {
      for (int i = 0; i < 32; i++) {
        int low = ql[i + 32 * (group & 1)] >> (4 * (group >> 1)) & 15;
        *codes++ = (uint8_t) (low | (qh[i] >> (2 * group) & 3) << 4);
      }
    }
  }
}

/* Digit n of five trits, most significant first. */
static inline uint8_t
bn_trit (uint8_t byte, int n)
{
  static const uint8_t powers[] = {1, 3, 9, 27, 81};

  return (uint8_t) ((uint8_t) (byte * powers[n]) * 3 >> 8);
}

static inline void
bn_codes_tq1_0 (uint8_t codes[BN_QK_K], const BnBlockTQ1_0 *block)
{
  for (int n = 0; n < 5; n++) {
    for (int i = 0; i < 32; i++)
      *codes++ = bn_trit (block->qs[i], n);
  }
  for (int n = 0; n < 5; n++) {
    for (int i = 32; i < 48; i++)
      *codes++ = bn_trit (block->qs[i], n);
  }
  for (int n = 0; n < 4; n++) {
    for (int i = 0; i < 4; i++)
      *codes++ = bn_trit (block->qh[i], n);
  }
}

/* Digit n of five trits, least significant first; 0..2 for every byte. */
static inline uint8_t
bn_iq1_bn_digit (uint8_t byte, int n)
{
  static const uint8_t multipliers[] = {81, 27, 9, 3, 1};
  uint8_t u = (uint8_t) (byte * multipliers[n]);

  return (uint8_t) ((u + (u >> 1)) >> 7);
}

static inline void
bn_codes_iq1_bn (uint8_t codes[BN_QK_BN], const BnBlockIQ1_BN *block)
{
  for (int group = 0; group < 4; group++) {
    for (int i = 0; i < 15; i++)
      *codes++ = bn_iq1_bn_digit (block->ql[3 * group + i / 5], i % 5);
    *codes++ = bn_iq1_bn_digit (block->extra, group);
  }
}

static inline void
bn_codes_iq2_bn (uint8_t codes[BN_QK_BN], const BnBlockIQ2_BN *block)
{
  for (int shift = 0; shift < 8; shift += 2) {
    for (int i = 0; i < 16; i++)
      *codes++ = block->qs[i] >> shift & 3;
  }
}
