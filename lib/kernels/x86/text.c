/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scanning of text: classes of bytes and UTF-8; utf8-errors.h has the idea
 * of the latter. Compiled for each level. */
#include "vectors.h"

#include "init.h"
#include "utf8-errors.h"

#define VECTOR 32

#ifdef __AVX512VBMI__

static void
BN_NAME (text_classes) (
    uint64_t bits[BN_TEXT_CLASSES], const uint8_t *text, const uint8_t *table)
{
  const __m512i low = _mm512_loadu_si512 (table);
  const __m512i high = _mm512_loadu_si512 (table + 64);
  const __m512i bytes = _mm512_loadu_si512 (text);
  const __mmask64 multi = _mm512_movepi8_mask (bytes);
  const __m512i classes =
      _mm512_maskz_permutex2var_epi8 (~multi, low, bytes, high);

  for (int i = 0; i < BN_TEXT_CLASSES; i++)
    bits[i] =
        _mm512_test_epi8_mask (classes, _mm512_set1_epi8 ((char) (1 << i)));
  bits[BN_TEXT_CLASSES - 1] |= multi;
}

#else

/* Classes of 32 bytes. The table is in rows of 16; bytes beyond it are in no
 * row and keep their high bit. */
BN_INLINE __m256i
look_up (const uint8_t *text, const uint8_t *table)
{
  const __m256i bytes = _mm256_loadu_si256 ((const void *) text);
  const __m256i half = _mm256_set1_epi8 (0x0F);
  const __m256i column = _mm256_and_si256 (bytes, half);
  const __m256i row = _mm256_and_si256 (_mm256_srli_epi16 (bytes, 4), half);
  __m256i classes = _mm256_and_si256 (bytes, _mm256_set1_epi8 ((char) 0x80));

  for (int i = 0; i < 8; i++) {
    __m256i entries = _mm256_broadcastsi128_si256 (
        _mm_loadu_si128 ((const void *) (table + 16 * i)));

    classes = _mm256_or_si256 (
        classes, _mm256_and_si256 (_mm256_shuffle_epi8 (entries, column),
                     _mm256_cmpeq_epi8 (row, _mm256_set1_epi8 ((char) i))));
  }
  return classes;
}

static void
BN_NAME (text_classes) (
    uint64_t bits[BN_TEXT_CLASSES], const uint8_t *text, const uint8_t *table)
{
  __m256i low = look_up (text, table), high = look_up (text + VECTOR, table);

  for (int i = BN_TEXT_CLASSES; i-- > 0;) {
    bits[i] = (uint64_t) (uint32_t) _mm256_movemask_epi8 (high) << VECTOR
              | (uint32_t) _mm256_movemask_epi8 (low);
    /* The next class comes to where the mask is taken from. */
    low = _mm256_slli_epi16 (low, 1);
    high = _mm256_slli_epi16 (high, 1);
  }
}

#endif

BN_INLINE __m256i
table_256 (const uint8_t *table, __m256i index)
{
  return _mm256_shuffle_epi8 (
      _mm256_broadcastsi128_si256 (_mm_loadu_si128 ((const void *) table)),
      index);
}

/* The bytes n before each. */
#define BEFORE(n, bytes, last)                                                 \
  _mm256_alignr_epi8 (                                                         \
      bytes, _mm256_permute2x128_si256 (last, bytes, 0x21), 16 - (n))

/* Not zero where something is wrong; last are the bytes before. */
BN_INLINE __m256i
find_errors (__m256i bytes, __m256i last)
{
  const __m256i half = _mm256_set1_epi8 (0x0F);
  __m256i before1 = BEFORE (1, bytes, last);
  __m256i before2 = BEFORE (2, bytes, last);
  __m256i before3 = BEFORE (3, bytes, last);
  __m256i errors = _mm256_and_si256 (
      _mm256_and_si256 (
          table_256 (utf8_first_high,
              _mm256_and_si256 (_mm256_srli_epi16 (before1, 4), half)),
          table_256 (utf8_first_low, _mm256_and_si256 (before1, half))),
      table_256 (utf8_second_high,
          _mm256_and_si256 (_mm256_srli_epi16 (bytes, 4), half)));
  /* High bit: two bytes behind E0 and up, three behind F0 and up. There two
   * that continue are no error but must be. */
  __m256i third =
      _mm256_subs_epu8 (before2, _mm256_set1_epi8 ((char) (0xE0 - 0x80)));
  __m256i fourth =
      _mm256_subs_epu8 (before3, _mm256_set1_epi8 ((char) (0xF0 - 0x80)));
  __m256i expected = _mm256_and_si256 (
      _mm256_or_si256 (third, fourth), _mm256_set1_epi8 ((char) 0x80));

  return _mm256_xor_si256 (errors, expected);
}

static size_t
BN_NAME (utf8_check) (const uint8_t *text, size_t size)
{
  __m256i last = _mm256_setzero_si256 ();
  size_t i = 0;

  for (; size - i >= VECTOR; i += VECTOR) {
    __m256i bytes = _mm256_loadu_si256 ((const void *) (text + i));
    __m256i high = _mm256_or_si256 (bytes, last);

    /* ASCII behind ASCII needs no look. */
    if (_mm256_movemask_epi8 (high) != 0) {
      __m256i errors = find_errors (bytes, last);

      if (!_mm256_testz_si256 (errors, errors))
        break;
    }
    last = bytes;
  }
  return utf8_find_boundary (text, i);
}

void
BN_NAME (bn_text_init) (BnKernels *k)
{
  k->text_classes = BN_NAME (text_classes);
  k->utf8_check = BN_NAME (utf8_check);
}
