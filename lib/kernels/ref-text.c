/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The C reference of the kernels that scan text. */
#include "ref.h"

#include <string.h>

/* Swaps rows and columns of 8 times 8 bits. */
static inline uint64_t
transpose (uint64_t x)
{
  uint64_t t;

  t = (x ^ x >> 7) & UINT64_C (0x00AA00AA00AA00AA);
  x ^= t ^ t << 7;
  t = (x ^ x >> 14) & UINT64_C (0x0000CCCC0000CCCC);
  x ^= t ^ t << 14;
  t = (x ^ x >> 28) & UINT64_C (0x00000000F0F0F0F0);
  return x ^ t ^ t << 28;
}

static void
text_classes_c (
    uint64_t bits[BN_TEXT_CLASSES], const uint8_t *text, const uint8_t *table)
{
  memset (bits, 0, BN_TEXT_CLASSES * sizeof *bits);
  for (unsigned block = 0; block < BN_TEXT_BLOCK; block += 8) {
    uint64_t x = 0;

    for (unsigned i = 0; i < 8; i++) {
      uint8_t byte = text[block + i];

      x |= (uint64_t) (byte < 0x80 ? table[byte] : 0x80) << 8 * i;
    }
    x = transpose (x);
    for (unsigned i = 0; i < BN_TEXT_CLASSES; i++)
      bits[i] |= (x >> 8 * i & 0xFF) << block;
  }
}

/* Only what is ASCII. */
static size_t
utf8_check_c (const uint8_t *text, size_t size)
{
  const uint64_t high_bits = UINT64_C (0x8080808080808080);
  uint64_t word;
  size_t i = 0;

  for (; size - i >= sizeof word; i += sizeof word) {
    memcpy (&word, text + i, sizeof word);
    if (word & high_bits)
      break;
  }
  return i;
}

void
bn_text_init_c (BnKernels *k)
{
  k->text_classes = text_classes_c;
  k->utf8_check = utf8_check_c;
}
