/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the ternary products of arm64 take codes from vectors of rows. */
#pragma once

#include "neon.h"

/* How rows are read. */
typedef struct {
  int step;        /* bytes from those of a row to the next */
  int piece;       /* bytes of a block, columns of a group */
  int is_reversed; /* group 0 is in the top bits */
  int max_code;
} Reading;

/* Codes of one of the four groups of columns. */
BN_INLINE int8x16_t
unpack (uint8x16_t packed, const int group, const Reading reading)
{
  const uint8x16_t mask = vdupq_n_u8 (3);
  uint8x16_t codes;

  switch (reading.is_reversed ? 3 - group : group) {
    case 0:
      codes = vandq_u8 (packed, mask);
      break;
    case 1:
      codes = vandq_u8 (vshrq_n_u8 (packed, 2), mask);
      break;
    case 2:
      codes = vandq_u8 (vshrq_n_u8 (packed, 4), mask);
      break;
    default:
      codes = vshrq_n_u8 (packed, 6);
  }
  return vreinterpretq_s8_u8 (codes);
}

#ifdef __ARM_FEATURE_DOTPROD

/* Sums of four vectors of codes that are masked but not shifted down: those of
 * bits 2-3 and 4-5 count 4 and 16 times, have sums of their own, and these are
 * shifted at the end. */
typedef struct {
  int32x4_t once[4], by_4[4], by_16[4];
} Sums;

BN_INLINE void
sums_init (Sums *sums)
{
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    sums->once[i] = sums->by_4[i] = sums->by_16[i] = vdupq_n_s32 (0);
}

/* a: activations of the codes from the lowest bits up. */
BN_INLINE void
sums_add (Sums *sums, int i, uint8x16_t packed, const int8x16_t a[4])
{
  const uint8x16_t mask_1 = vdupq_n_u8 (0x03);
  const uint8x16_t mask_4 = vdupq_n_u8 (0x0c);
  const uint8x16_t mask_16 = vdupq_n_u8 (0x30);

  sums->once[i] = vdotq_s32 (
      sums->once[i], vreinterpretq_s8_u8 (vandq_u8 (packed, mask_1)), a[0]);
  sums->by_4[i] = vdotq_s32 (
      sums->by_4[i], vreinterpretq_s8_u8 (vandq_u8 (packed, mask_4)), a[1]);
  sums->by_16[i] = vdotq_s32 (
      sums->by_16[i], vreinterpretq_s8_u8 (vandq_u8 (packed, mask_16)), a[2]);
  sums->once[i] = vdotq_s32 (
      sums->once[i], vreinterpretq_s8_u8 (vshrq_n_u8 (packed, 6)), a[3]);
}

BN_INLINE int32x4_t
sums_total (const Sums *sums, int i)
{
  return vsraq_n_s32 (
      vsraq_n_s32 (sums->once[i], sums->by_4[i], 2), sums->by_16[i], 4);
}

#endif
