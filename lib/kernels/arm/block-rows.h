/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks of all types as vectors of codes, and the loop over rows in the
 * file. */
#pragma once

#include "bn-blocks.h"
#include "bn-kernels.h"
#include "neon.h"

/* Blocks of 32 */

typedef struct {
  int8x16_t codes[2];
  float d, m; /* d * codes + m */
} Block32;

typedef Block32 (*LoadBlock32) (const uint8_t *row, uint32_t block);

BN_INLINE int8x16_t
minus (uint8x16_t codes, uint8_t zero)
{
  return vreinterpretq_s8_u8 (vsubq_u8 (codes, vdupq_n_u8 (zero)));
}

BN_INLINE uint8x16_t
low_nibbles (uint8x16_t bytes)
{
  return vandq_u8 (bytes, vdupq_n_u8 (15));
}

/* Bit i of 16 as 16 in byte i, put into codes. */
BN_INLINE uint8x16_t
with_fifth_bits (uint8x16_t codes, const uint8_t qh[2])
{
  static const uint8_t bits[8] = {1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x8_t bit = vld1_u8 (bits);
  uint8x16_t is_set =
      vtstq_u8 (vcombine_u8 (vdup_n_u8 (qh[0]), vdup_n_u8 (qh[1])),
          vcombine_u8 (bit, bit));

  return vorrq_u8 (codes, vandq_u8 (is_set, vdupq_n_u8 (16)));
}

BN_INLINE Block32
load_q4_0 (const uint8_t *row, uint32_t b)
{
  const BnBlockQ4_0 *block = (const BnBlockQ4_0 *) row + b;
  uint8x16_t bytes = vld1q_u8 (block->qs);

  return (Block32){
      {minus (low_nibbles (bytes), 8), minus (vshrq_n_u8 (bytes, 4), 8)},
      load_f16 (block->d), 0};
}

BN_INLINE Block32
load_q4_1 (const uint8_t *row, uint32_t b)
{
  const BnBlockQ4_1 *block = (const BnBlockQ4_1 *) row + b;
  uint8x16_t bytes = vld1q_u8 (block->qs);

  return (Block32){
      {minus (low_nibbles (bytes), 0), minus (vshrq_n_u8 (bytes, 4), 0)},
      load_f16 (block->d), load_f16 (block->m)};
}

BN_INLINE Block32
load_q5_0 (const uint8_t *row, uint32_t b)
{
  const BnBlockQ5_0 *block = (const BnBlockQ5_0 *) row + b;
  uint8x16_t bytes = vld1q_u8 (block->qs);

  return (Block32){
      {minus (with_fifth_bits (low_nibbles (bytes), block->qh), 16),
          minus (with_fifth_bits (vshrq_n_u8 (bytes, 4), block->qh + 2), 16)},
      load_f16 (block->d), 0};
}

BN_INLINE Block32
load_q5_1 (const uint8_t *row, uint32_t b)
{
  const BnBlockQ5_1 *block = (const BnBlockQ5_1 *) row + b;
  uint8x16_t bytes = vld1q_u8 (block->qs);

  return (Block32){
      {minus (with_fifth_bits (low_nibbles (bytes), block->qh), 0),
          minus (with_fifth_bits (vshrq_n_u8 (bytes, 4), block->qh + 2), 0)},
      load_f16 (block->d), load_f16 (block->m)};
}

BN_INLINE Block32
load_q8_0 (const uint8_t *row, uint32_t b)
{
  const BnBlockQ8_0 *block = (const BnBlockQ8_0 *) row + b;

  return (Block32){{vld1q_s8 (block->qs), vld1q_s8 (block->qs + 16)},
      load_f16 (block->d), 0};
}

/* Blocks of 256: sixteen vectors of codes with a scale for each, and something
 * to take out that is multiplied with the sums of 16 activations: minima, or
 * the zero point times the scales. */

typedef struct {
  int8x16_t codes[16];
  int16x8_t scales[2], mins[2];
  float d, dmin;
} Block256;

typedef Block256 (*LoadBlock256) (const uint8_t *row, uint32_t block);

typedef enum {
  SCALES_MIN,  /* d * scales * codes - dmin * mins */
  SCALES_ZERO, /* d * (scales * codes - mins) */
  SCALES_NONE, /* d * (codes - 1) */
} Scales256;

BN_INLINE void
load_2bit (uint8x16_t codes[16], const uint8_t qs[64])
{
  const uint8x16_t mask = vdupq_n_u8 (3);

#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    /* two vectors of 32 columns, then the next 32 in the next bits */
    uint8x16_t bytes = vld1q_u8 (qs + 16 * i);
    uint8x16_t *out = codes + i / 2 * 8 + i % 2;

    out[0] = vandq_u8 (bytes, mask);
    out[2] = vandq_u8 (vshrq_n_u8 (bytes, 2), mask);
    out[4] = vandq_u8 (vshrq_n_u8 (bytes, 4), mask);
    out[6] = vshrq_n_u8 (bytes, 6);
  }
}

BN_INLINE void
set_codes (Block256 *w, const uint8x16_t codes[16])
{
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++)
    w->codes[i] = vreinterpretq_s8_u8 (codes[i]);
}

BN_INLINE int16x8_t
widen_low (uint8x16_t bytes)
{
  return vreinterpretq_s16_u16 (vmovl_u8 (vget_low_u8 (bytes)));
}

BN_INLINE int16x8_t
widen_high (uint8x16_t bytes)
{
  return vreinterpretq_s16_u16 (vmovl_high_u8 (bytes));
}

BN_INLINE Block256
load_q2_k (const uint8_t *row, uint32_t b)
{
  const BnBlockQ2_K *block = (const BnBlockQ2_K *) row + b;
  uint8x16_t packed = vld1q_u8 (block->scales), codes[16];
  uint8x16_t scales = low_nibbles (packed), mins = vshrq_n_u8 (packed, 4);
  Block256 w = {.scales = {widen_low (scales), widen_high (scales)},
      .mins = {widen_low (mins), widen_high (mins)},
      .d = load_f16 (block->d),
      .dmin = load_f16 (block->dmin)};

  load_2bit (codes, block->qs);
  set_codes (&w, codes);
  return w;
}

/* Signed scales, whose zero point is 2^shift. */
BN_INLINE void
set_signed_scales (Block256 *w, int8x16_t scales, const int shift)
{
  w->scales[0] = vmovl_s8 (vget_low_s8 (scales));
  w->scales[1] = vmovl_high_s8 (scales);
  w->mins[0] = vshlq_s16 (w->scales[0], vdupq_n_s16 ((int16_t) shift));
  w->mins[1] = vshlq_s16 (w->scales[1], vdupq_n_s16 ((int16_t) shift));
}

BN_INLINE Block256
load_q3_k (const uint8_t *row, uint32_t b)
{
  const BnBlockQ3_K *block = (const BnBlockQ3_K *) row + b;
  const uint8x16_t high[2] = {
      vld1q_u8 (block->hmask), vld1q_u8 (block->hmask + 16)};
  uint8x16_t codes[16];
  int8_t scales[16];
  Block256 w = {.d = load_f16 (block->d)};

  bn_scales_q3_k (scales, block);
  set_signed_scales (&w, vld1q_s8 (scales), 2);
  load_2bit (codes, block->qs);
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) { /* bit i / 2 of the mask counts 4 */
    uint8x16_t is_set =
        vtstq_u8 (high[i % 2], vdupq_n_u8 ((uint8_t) (1 << i / 2)));
    codes[i] = vorrq_u8 (codes[i], vandq_u8 (is_set, vdupq_n_u8 (4)));
  }
  set_codes (&w, codes);
  return w;
}

/* Eight bytes, each as two int16. */
BN_INLINE void
twice_each (int16x8_t result[2], const uint8_t bytes[8])
{
  uint8x8_t each = vld1_u8 (bytes);

  result[0] = vreinterpretq_s16_u16 (vmovl_u8 (vzip1_u8 (each, each)));
  result[1] = vreinterpretq_s16_u16 (vmovl_u8 (vzip2_u8 (each, each)));
}

BN_INLINE void
load_q45_k (Block256 *w, uint8x16_t codes[16], const uint8_t packed_scales[12],
    const uint8_t qs[128])
{
  uint8_t scales[8], mins[8];

  bn_scales_q4_k (scales, mins, packed_scales);
  twice_each (w->scales, scales);
  twice_each (w->mins, mins);
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    /* 32 columns in the low halves, then the next 32 in the high ones */
    uint8x16_t bytes = vld1q_u8 (qs + 16 * i);
    uint8x16_t *out = codes + i / 2 * 4 + i % 2;

    out[0] = low_nibbles (bytes);
    out[2] = vshrq_n_u8 (bytes, 4);
  }
}

BN_INLINE Block256
load_q4_k (const uint8_t *row, uint32_t b)
{
  const BnBlockQ4_K *block = (const BnBlockQ4_K *) row + b;
  uint8x16_t codes[16];
  Block256 w = {.d = load_f16 (block->d), .dmin = load_f16 (block->dmin)};

  load_q45_k (&w, codes, block->scales, block->qs);
  set_codes (&w, codes);
  return w;
}

BN_INLINE Block256
load_q5_k (const uint8_t *row, uint32_t b)
{
  const BnBlockQ5_K *block = (const BnBlockQ5_K *) row + b;
  const uint8x16_t high[2] = {vld1q_u8 (block->qh), vld1q_u8 (block->qh + 16)};
  uint8x16_t codes[16];
  Block256 w = {.d = load_f16 (block->d), .dmin = load_f16 (block->dmin)};

  load_q45_k (&w, codes, block->scales, block->qs);
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) { /* bit i / 2 counts 16 */
    uint8x16_t is_set =
        vtstq_u8 (high[i % 2], vdupq_n_u8 ((uint8_t) (1 << i / 2)));
    codes[i] = vorrq_u8 (codes[i], vandq_u8 (is_set, vdupq_n_u8 (16)));
  }
  set_codes (&w, codes);
  return w;
}

BN_INLINE Block256
load_q6_k (const uint8_t *row, uint32_t b)
{
  const BnBlockQ6_K *block = (const BnBlockQ6_K *) row + b;
  const uint8x16_t mask = vdupq_n_u8 (0x30);
  uint8x16_t codes[16];
  Block256 w = {.d = load_f16 (block->d)};

  set_signed_scales (&w, vld1q_s8 (block->scales), 5);
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const uint8_t *ql = block->ql + i / 2 * 64 + i % 2 * 16;
    uint8x16_t high = vld1q_u8 (block->qh + 16 * i);
    uint8x16_t first = vld1q_u8 (ql), second = vld1q_u8 (ql + 32);
    uint8x16_t *out = codes + i / 2 * 8 + i % 2;

    out[0] =
        vorrq_u8 (low_nibbles (first), vandq_u8 (vshlq_n_u8 (high, 4), mask));
    out[2] =
        vorrq_u8 (low_nibbles (second), vandq_u8 (vshlq_n_u8 (high, 2), mask));
    out[4] = vorrq_u8 (vshrq_n_u8 (first, 4), vandq_u8 (high, mask));
    out[6] = vorrq_u8 (
        vshrq_n_u8 (second, 4), vandq_u8 (vshrq_n_u8 (high, 2), mask));
  }
  set_codes (&w, codes);
  return w;
}

/* The first trit of each byte: bytes are v / 243, so it is 0 below 256 / 3 and
 * 2 from 512 / 3 on. */
BN_INLINE uint8x16_t
first_trits (uint8x16_t bytes)
{
  uint8x16_t is_one = vcgeq_u8 (bytes, vdupq_n_u8 (86));
  uint8x16_t is_two = vcgeq_u8 (bytes, vdupq_n_u8 (171));

  return vsubq_u8 (vdupq_n_u8 (0), vaddq_u8 (is_one, is_two));
}

BN_INLINE uint8x16_t
times_3 (uint8x16_t bytes)
{
  return vaddq_u8 (bytes, vaddq_u8 (bytes, bytes));
}

BN_INLINE Block256
load_tq1_0 (const uint8_t *row, uint32_t b)
{
  static const uint8_t powers[16] = {
      1, 1, 1, 1, 3, 3, 3, 3, 9, 9, 9, 9, 27, 27, 27, 27};
  const BnBlockTQ1_0 *block = (const BnBlockTQ1_0 *) row + b;
  uint8x16_t first = vld1q_u8 (block->qs), second = vld1q_u8 (block->qs + 16);
  uint8x16_t third = vld1q_u8 (block->qs + 32);
  /* word n: the four bytes at the end times 3^n */
  uint8x16_t last =
      vreinterpretq_u8_u32 (vdupq_n_u32 (bn_load_u32 (block->qh)));
  uint8x16_t codes[16];
  Block256 w = {.d = load_f16 (block->d)};

#pragma GCC unroll 5
  for (int n = 0; n < 5; n++) {
    codes[2 * n] = first_trits (first);
    codes[2 * n + 1] = first_trits (second);
    codes[10 + n] = first_trits (third);
    first = times_3 (first);
    second = times_3 (second);
    third = times_3 (third);
  }
  codes[15] = first_trits (vmulq_u8 (last, vld1q_u8 (powers)));
  set_codes (&w, codes);
  return w;
}

BN_INLINE Block256
load_tq2_0 (const uint8_t *row, uint32_t b)
{
  const BnBlockTQ2_0 *block = (const BnBlockTQ2_0 *) row + b;
  uint8x16_t codes[16];
  Block256 w = {.d = load_f16 (block->d)};

  load_2bit (codes, block->qs);
  set_codes (&w, codes);
  return w;
}

/* What is done with blocks of 256 */

BN_INLINE void
widen_scales (int32x4_t scales[4], const Block256 *w)
{
  scales[0] = vmovl_s16 (vget_low_s16 (w->scales[0]));
  scales[1] = vmovl_high_s16 (w->scales[0]);
  scales[2] = vmovl_s16 (vget_low_s16 (w->scales[1]));
  scales[3] = vmovl_high_s16 (w->scales[1]);
}

/* Scale j of 16 times four sums, added to sums. */
BN_INLINE int32x4_t
add_scaled (
    int32x4_t sums, int32x4_t products, const int32x4_t scales[4], const int j)
{
  switch (j % 4) { /* lanes are constants to the compiler */
    case 0:
      return vmlaq_laneq_s32 (sums, products, scales[j / 4], 0);
    case 1:
      return vmlaq_laneq_s32 (sums, products, scales[j / 4], 1);
    case 2:
      return vmlaq_laneq_s32 (sums, products, scales[j / 4], 2);
    default:
      return vmlaq_laneq_s32 (sums, products, scales[j / 4], 3);
  }
}

/* Sixteen int16 times the sums of 16 activations. */
BN_INLINE int32x4_t
dot_sums (const int16x8_t mins[2], const int16_t a_sums[16])
{
  int16x8_t low = vld1q_s16 (a_sums), high = vld1q_s16 (a_sums + 8);
  int32x4_t sums = vmull_s16 (vget_low_s16 (mins[0]), vget_low_s16 (low));

  sums = vmlal_high_s16 (sums, mins[0], low);
  sums = vmlal_s16 (sums, vget_low_s16 (mins[1]), vget_low_s16 (high));
  return vmlal_high_s16 (sums, mins[1], high);
}
