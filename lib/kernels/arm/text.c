/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scanning of text: classes of bytes and UTF-8; utf8-errors.h has the idea of
 * the latter. */
#include "init.h"

#include "neon.h"
#include "utf8-errors.h"

/* The table's 128 entries are two tables of 64: an index outside of the first
 * gives 0, one outside of the second what the first gave. */
static void
text_classes_neon (
    uint64_t bits[BN_TEXT_CLASSES], const uint8_t *text, const uint8_t *table)
{
  static const uint8_t weights[16] = {
      1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16x4_t low = vld1q_u8_x4 (table);
  const uint8x16x4_t high = vld1q_u8_x4 (table + 64);
  const uint8x16_t weight = vld1q_u8 (weights);
  uint8x16_t classes[4];

#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    uint8x16_t bytes = vld1q_u8 (text + 16 * i);

    classes[i] = vqtbx4q_u8 (
        vqtbl4q_u8 (low, bytes), high, vsubq_u8 (bytes, vdupq_n_u8 (64)));
    classes[i] = vorrq_u8 (classes[i], vandq_u8 (bytes, vdupq_n_u8 (0x80)));
  }
  for (int i = 0; i < BN_TEXT_CLASSES; i++) {
    uint8x16_t bit = vdupq_n_u8 ((uint8_t) (1 << i));
    uint8x16_t is_in[4], sum;

    /* a bit of its own for each of eight bytes, which are then added */
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
      is_in[j] = vandq_u8 (vtstq_u8 (classes[j], bit), weight);
    sum = vpaddq_u8 (
        vpaddq_u8 (is_in[0], is_in[1]), vpaddq_u8 (is_in[2], is_in[3]));
    sum = vpaddq_u8 (sum, sum);
    bits[i] = vgetq_lane_u64 (vreinterpretq_u64_u8 (sum), 0);
  }
}

/* Not zero where something is wrong; last are the bytes before. */
BN_INLINE uint8x16_t
find_errors (uint8x16_t bytes, uint8x16_t last)
{
  uint8x16_t before1 = vextq_u8 (last, bytes, 15);
  uint8x16_t before2 = vextq_u8 (last, bytes, 14);
  uint8x16_t before3 = vextq_u8 (last, bytes, 13);
  uint8x16_t errors = vandq_u8 (
      vandq_u8 (
          vqtbl1q_u8 (vld1q_u8 (utf8_first_high), vshrq_n_u8 (before1, 4)),
          vqtbl1q_u8 (vld1q_u8 (utf8_first_low),
              vandq_u8 (before1, vdupq_n_u8 (0x0F)))),
      vqtbl1q_u8 (vld1q_u8 (utf8_second_high), vshrq_n_u8 (bytes, 4)));
  /* High bit: two bytes behind E0 and up, three behind F0 and up. There two
   * that continue are no error but must be. */
  uint8x16_t third = vqsubq_u8 (before2, vdupq_n_u8 (0xE0 - 0x80));
  uint8x16_t fourth = vqsubq_u8 (before3, vdupq_n_u8 (0xF0 - 0x80));
  uint8x16_t expected = vandq_u8 (vorrq_u8 (third, fourth), vdupq_n_u8 (0x80));

  return veorq_u8 (errors, expected);
}

static size_t
utf8_check_neon (const uint8_t *text, size_t size)
{
  const size_t step = 32;
  uint8x16_t last = vdupq_n_u8 (0);
  size_t i = 0;

  for (; size - i >= step; i += step) {
    uint8x16_t first = vld1q_u8 (text + i), second = vld1q_u8 (text + i + 16);
    uint8x16_t any = vorrq_u8 (vorrq_u8 (first, second), last);

    /* ASCII behind ASCII needs no look. */
    if (vmaxvq_u8 (any) >= 0x80) {
      uint8x16_t errors =
          vorrq_u8 (find_errors (first, last), find_errors (second, first));

      if (vmaxvq_u8 (errors) != 0)
        break;
    }
    last = second;
  }
  return utf8_find_boundary (text, i);
}

void
bn_text_init_neon (BnKernels *k)
{
  k->text_classes = text_classes_neon;
  k->utf8_check = utf8_check_neon;
}
