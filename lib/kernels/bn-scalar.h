/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scalar pieces every kernel needs: unaligned loads, half floats, rounding.
 *
 * Each function is defined for every bit pattern, also for NaN and infinity,
 * because both weights and activations may be hostile. */
#pragma once

#include <stdint.h>
#include <string.h>

static inline uint16_t
bn_load_u16 (const void *p)
{
  uint16_t value;

  memcpy (&value, p, sizeof value);
  return value;
}

static inline uint32_t
bn_load_u32 (const void *p)
{
  uint32_t value;

  memcpy (&value, p, sizeof value);
  return value;
}

static inline float
bn_load_f32 (const void *p)
{
  float value;

  memcpy (&value, p, sizeof value);
  return value;
}

static inline void
bn_store_u16 (void *p, uint16_t value)
{
  memcpy (p, &value, sizeof value);
}

static inline void
bn_store_f32 (void *p, float value)
{
  memcpy (p, &value, sizeof value);
}

static inline uint32_t
bn_f32_bits (float value)
{
  return bn_load_u32 (&value);
}

static inline float
bn_f32_from_bits (uint32_t bits)
{
  return bn_load_f32 (&bits);
}

/* Without branches, so that loops over it become vector code. */
static inline float
bn_f16_to_f32 (uint16_t half)
{
  const float rebias = 0x1p+112f; /* 127 - 15 */
  uint32_t bits = (uint32_t) (half & 0x7fff) << 13;
  /* scaling by a power of two also makes subnormal halves normal */
  uint32_t value = bn_f32_bits (bn_f32_from_bits (bits) * rebias);
  uint32_t is_special = -(uint32_t) ((half & 0x7c00) == 0x7c00);

  value |= is_special & 0x7f800000;
  return bn_f32_from_bits (value | (uint32_t) (half & 0x8000) << 16);
}

/* Round half to even; too large becomes infinity, NaN becomes 0x7e00. */
static inline uint16_t
bn_f32_to_f16 (float value)
{
  uint32_t bits = bn_f32_bits (value);
  uint32_t sign = bits >> 16 & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  uint32_t half;

  if (magnitude > 0x7f800000)
    return (uint16_t) (sign | 0x7e00);
  if (magnitude >= 0x47800000) /* 65536 */
    return (uint16_t) (sign | 0x7c00);
  if (magnitude < 0x38800000) { /* 2^-14: the sum's last bit is 2^-24 */
    half = bn_f32_bits (bn_f32_from_bits (magnitude) + 0.5f) - 0x3f000000;
  } else {
    uint32_t odd = magnitude >> 13 & 1;
    half = (magnitude - 0x38000000 + 0xfff + odd) >> 13;
  }
  return (uint16_t) (sign | half);
}

static inline float
bn_bf16_to_f32 (uint16_t value)
{
  return bn_f32_from_bits ((uint32_t) value << 16);
}

static inline uint16_t
bn_f32_to_bf16 (float value)
{
  uint32_t bits = bn_f32_bits (value);

  if ((bits & 0x7fffffff) > 0x7f800000)
    return (uint16_t) (bits >> 16 | 64);
  return (uint16_t) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float
bn_load_f16 (const void *p)
{
  return bn_f16_to_f32 (bn_load_u16 (p));
}

/* Round half to even for |x| <= 4194303; any int for other values. */
static inline int32_t
bn_rne (float x)
{
  const float magic = 12582912.0f; /* 1.5 * 2^23: the unit is the last bit */

  return (int32_t) (bn_f32_bits (x + magic) & 0x7fffff) - 0x400000;
}

/* Round half away from zero for |x| < 2^31. */
static inline int32_t
bn_rhaz (float x)
{
  int32_t whole = (int32_t) x;
  float rest = x - (float) whole;

  return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

static inline int32_t
bn_clamp_i32 (int32_t x, int32_t low, int32_t high)
{
  return x < low ? low : x > high ? high : x;
}

/* x without its fraction, limited to 0..max; 0 for NaN. */
static inline int32_t
bn_trunc_clamp (float x, int32_t max)
{
  return x >= (float) max ? max : x > 0 ? (int32_t) x : 0;
}

enum { BN_BITS_INFINITY = 0x7f800000, BN_BITS_NAN = 0x7fc00000 };

/* Bits of the largest magnitude of n floats: bits of magnitudes order like
 * their values, and any NaN or infinity gives BN_BITS_INFINITY or more. */

static inline uint32_t
bn_max_magnitude_bits (const float *x, uint32_t n)
{
  uint32_t max = 0;

  for (uint32_t i = 0; i < n; i++) {
    uint32_t bits = bn_f32_bits (x[i]) & 0x7fffffff;
    max = bits > max ? bits : max;
  }
  return max;
}

/* The largest of n numbers, NaN if one is; the bits of the largest magnitude.
 */
static inline float
bn_find_max (const float *x, uint32_t n, uint32_t *magnitude)
{
  float max = x[0];

  for (uint32_t i = 1; i < n; i++)
    max = x[i] > max ? x[i] : max;
  *magnitude = bn_max_magnitude_bits (x, n);
  return *magnitude > BN_BITS_INFINITY ? bn_f32_from_bits (BN_BITS_NAN) : max;
}
