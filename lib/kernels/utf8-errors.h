/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How vector code finds what is not UTF-8.
 *
 * UTF-8 is checked as Keiser and Lemire describe ("Validating UTF-8 in less
 * than one instruction per byte", 2020): each error of two bytes in a row is a
 * bit, and three tables, indexed by the halves of the first byte and the high
 * half of the second, say which errors they allow; what all three allow is
 * there. Third and fourth bytes are compared with where they have to be. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What two bytes in a row may have wrong. */
enum {
  TOO_SHORT = 1 << 0,  /* a lead byte, then none that continues */
  TOO_LONG = 1 << 1,   /* ASCII, then one that continues */
  OVERLONG_3 = 1 << 2, /* E0 80 .. E0 9F */
  TOO_LARGE = 1 << 3,  /* F4 90 .. and F5 .. */
  SURROGATE = 1 << 4,  /* ED A0 .. ED BF */
  OVERLONG_2 = 1 << 5, /* C0 and C1 */
  OVERLONG_4 = 1 << 6, /* F0 80 .. F0 8F; and F5 80 .. F5 8F, too large */
  TWO_CONTS = 1 << 7,  /* two that continue: right behind E0 to FF */
  ANY_SECOND = TOO_SHORT | TOO_LONG | TWO_CONTS,
};

static const uint8_t utf8_first_high[16] = {TOO_LONG, TOO_LONG, TOO_LONG,
    TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TWO_CONTS, TWO_CONTS,
    TWO_CONTS, TWO_CONTS, TOO_SHORT | OVERLONG_2, TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | OVERLONG_4};
static const uint8_t utf8_first_low[16] = {
    ANY_SECOND | OVERLONG_3 | OVERLONG_2 | OVERLONG_4, /* C0 E0 F0 */
    ANY_SECOND | OVERLONG_2,                           /* C1 */
    ANY_SECOND, ANY_SECOND, ANY_SECOND | TOO_LARGE,    /* F4 */
    ANY_SECOND | TOO_LARGE | OVERLONG_4,               /* F5 and up */
    ANY_SECOND | TOO_LARGE | OVERLONG_4, ANY_SECOND | TOO_LARGE | OVERLONG_4,
    ANY_SECOND | TOO_LARGE | OVERLONG_4, ANY_SECOND | TOO_LARGE | OVERLONG_4,
    ANY_SECOND | TOO_LARGE | OVERLONG_4, ANY_SECOND | TOO_LARGE | OVERLONG_4,
    ANY_SECOND | TOO_LARGE | OVERLONG_4,
    ANY_SECOND | TOO_LARGE | OVERLONG_4 | SURROGATE, /* ED */
    ANY_SECOND | TOO_LARGE | OVERLONG_4, ANY_SECOND | TOO_LARGE | OVERLONG_4};
static const uint8_t utf8_second_high[16] = {TOO_SHORT, TOO_SHORT, TOO_SHORT,
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | OVERLONG_4, /* 80 */
    TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE,  /* 90 */
    TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,   /* A0 */
    TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,   /* B0 */
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT};

/* The last place up to end that is not inside of a character. */
static inline size_t
utf8_find_boundary (const uint8_t *text, size_t end)
{
  for (size_t n = 1; n <= 3 && n <= end; n++) {
    uint8_t byte = text[end - n];

    if (byte >= 0xC0)
      return byte >= (n == 1 ? 0xC0 : n == 2 ? 0xE0 : 0xF0) ? end - n : end;
    if (byte < 0x80)
      break;
  }
  return end;
}
