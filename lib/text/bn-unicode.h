/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UTF-8 and character classes, independent of locale and system tables.
 *
 * The classes are those of Unicode 15.1 (bn-unicode-data.c, made by
 * tools/gen-unicode.py), because token ids depend on them: the functions of
 * GLib and the classes of PCRE2 follow other versions and other definitions
 * of white space. */
#pragma once

#include <glib.h>
#include <stdint.h>

#define BN_UNICODE_VERSION "15.1.0"
#define BN_REPLACEMENT_CHARACTER 0xFFFD

/* General categories, in the order of the generator. */
typedef enum {
  BN_CATEGORY_CN,
  BN_CATEGORY_LU,
  BN_CATEGORY_LL,
  BN_CATEGORY_LT,
  BN_CATEGORY_LM,
  BN_CATEGORY_LO,
  BN_CATEGORY_MN,
  BN_CATEGORY_MC,
  BN_CATEGORY_ME,
  BN_CATEGORY_ND,
  BN_CATEGORY_NL,
  BN_CATEGORY_NO,
  BN_CATEGORY_PC,
  BN_CATEGORY_PD,
  BN_CATEGORY_PS,
  BN_CATEGORY_PE,
  BN_CATEGORY_PI,
  BN_CATEGORY_PF,
  BN_CATEGORY_PO,
  BN_CATEGORY_SM,
  BN_CATEGORY_SC,
  BN_CATEGORY_SK,
  BN_CATEGORY_SO,
  BN_CATEGORY_ZS,
  BN_CATEGORY_ZL,
  BN_CATEGORY_ZP,
  BN_CATEGORY_CC,
  BN_CATEGORY_CF,
  BN_CATEGORY_CS,
  BN_CATEGORY_CO,
} BnCategory;

/* The groups of categories that splitters ask for. */
typedef enum {
  BN_CHAR_LETTER = 1 << 0,      /* \p{L} */
  BN_CHAR_NUMBER = 1 << 1,      /* \p{N} */
  BN_CHAR_PUNCTUATION = 1 << 2, /* \p{P} */
  BN_CHAR_SYMBOL = 1 << 3,      /* \p{S} */
  BN_CHAR_MARK = 1 << 4,        /* \p{M} */
  BN_CHAR_SPACE = 1 << 5,       /* White_Space, 25 code points */
  BN_BYTE_MULTI = 1 << 7,       /* of a byte: part of a longer character */
} BnCharFlags;

#define BN_UNICODE_BLOCK_SHIFT 7
#define BN_UNICODE_CATEGORY_MASK 0x1F

extern const uint8_t bn_unicode_index[];
extern const uint8_t bn_unicode_classes[];
extern const uint8_t bn_unicode_flags[64];
extern const uint8_t bn_byte_flags[256];

/* Class of a code point up to 0x10FFFF: category and a white-space bit. */
static inline unsigned
bn_unicode_class (uint32_t cp)
{
  return bn_unicode_classes
      [(unsigned) bn_unicode_index[cp >> BN_UNICODE_BLOCK_SHIFT]
              << BN_UNICODE_BLOCK_SHIFT
          | (cp & ((1u << BN_UNICODE_BLOCK_SHIFT) - 1))];
}

static inline BnCategory
bn_unicode_category (uint32_t cp)
{
  return (BnCategory) (bn_unicode_class (cp) & BN_UNICODE_CATEGORY_MASK);
}

/* BnCharFlags of a code point up to 0x10FFFF. */
static inline unsigned
bn_char_flags (uint32_t cp)
{
  return bn_unicode_flags[bn_unicode_class (cp)];
}

/* Decodes the character at p, of which size > 0 bytes are there. Returns its
 * length (1 to 4) and sets *cp; 0 if the bytes are the valid beginning of a
 * longer character; else minus the length of the maximal invalid subpart
 * (Unicode 3.9, D93b), which one U+FFFD replaces. */
int bn_utf8_decode (const uint8_t *p, size_t size, uint32_t *cp);

/* Like bn_utf8_decode(), for text that has been checked: what is not UTF-8
 * counts as U+FFFD of one byte. p < end. */
static inline unsigned
bn_utf8_next (const uint8_t *p, const uint8_t *end, uint32_t *cp)
{
  if (*p < 0x80) {
    *cp = *p;
    return 1;
  }
  int length = bn_utf8_decode (p, (size_t) (end - p), cp);

  if (length > 0)
    return (unsigned) length;
  *cp = BN_REPLACEMENT_CHARACTER;
  return 1;
}

/* TRUE if text is UTF-8 (NUL bytes are characters); otherwise *bad is the
 * offset of the first wrong byte sequence. */
gboolean bn_utf8_validate (const uint8_t *text, size_t size, size_t *bad);

/* Number of bytes of the character that begins with lead, as its lead byte
 * announces; 1 for continuation bytes. */
static inline unsigned
bn_utf8_announced_length (uint8_t lead)
{
  return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Joins bytes that come in pieces to complete characters. Zero to begin. */
typedef struct {
  uint8_t pending[4]; /* the valid beginning of one character */
  unsigned n_pending;
} BnUtf8Joiner;

/* Appends to out all characters that are complete with these bytes; one
 * U+FFFD for every maximal invalid subpart. An unfinished character waits. */
void bn_utf8_joiner_push (
    BnUtf8Joiner *self, const uint8_t *bytes, size_t size, GString *out);

/* Ends the text: one U+FFFD if a character was not finished. */
void bn_utf8_joiner_finish (BnUtf8Joiner *self, GString *out);
