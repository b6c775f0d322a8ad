/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bits of 64-bit numbers, and hints to the processor. Compilers that have
 * them built in make one instruction of each. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* Number of the lowest bit that is set; bits != 0. */
static inline unsigned
bn_lowest_bit (uint64_t bits)
{
#ifdef __GNUC__
  return (unsigned) __builtin_ctzll (bits);
#else
  unsigned n = 0;

  for (unsigned half = 32; half > 0; half /= 2) {
    if ((bits & ((UINT64_C (1) << half) - 1)) == 0) {
      bits >>= half;
      n += half;
    }
  }
  return n;
#endif
}

/* Number of the highest bit that is set; bits != 0. */
static inline unsigned
bn_highest_bit (uint64_t bits)
{
#ifdef __GNUC__
  return 63 - (unsigned) __builtin_clzll (bits);
#else
  unsigned n = 0;

  for (unsigned half = 32; half > 0; half /= 2) {
    if (bits >> half) {
      bits >>= half;
      n += half;
    }
  }
  return n;
#endif
}

/* The lowest n bits, n <= 64. */
static inline uint64_t
bn_low_bits (unsigned n)
{
  return n < 64 ? (UINT64_C (1) << n) - 1 : UINT64_MAX;
}

/* Says that the memory there is soon read. */
static inline void
bn_prefetch (const void *address)
{
#ifdef __GNUC__
  __builtin_prefetch (address);
#endif
}
