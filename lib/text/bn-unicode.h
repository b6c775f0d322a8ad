/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UTF-8 and character classes, independent of locale and system tables.
 *
 * The classes are those of Unicode 15.1 (llama.cpp) and 16.0 (Hugging Face);
 * some functions stand for libraries that Hugging Face has frozen at an older
 * version. The tables are made by tools/gen-unicode.py, because token ids
 * depend on them: the functions of GLib and the classes of PCRE2 follow other
 * versions and other definitions of white space. */
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

extern const uint16_t bn_unicode_index[];
extern const uint8_t bn_unicode_classes[];
extern const uint8_t bn_unicode_flags[128];
extern const uint8_t bn_unicode_flags_16[128];
extern const uint8_t bn_byte_flags[256];

/* Class of a code point up to 0x10FFFF: category in 16.0, bits for white space
 * and for what 15.1 does not have. */
static inline unsigned
bn_unicode_class (uint32_t cp)
{
  return bn_unicode_classes
      [(unsigned) bn_unicode_index[cp >> BN_UNICODE_BLOCK_SHIFT]
              << BN_UNICODE_BLOCK_SHIFT
          | (cp & ((1u << BN_UNICODE_BLOCK_SHIFT) - 1))];
}

/* General category of a code point up to 0x10FFFF. */
BnCategory bn_unicode_category (uint32_t cp);
BnCategory bn_unicode_category_16 (uint32_t cp);

/* BnCharFlags of a code point up to 0x10FFFF. */
static inline unsigned
bn_char_flags (uint32_t cp)
{
  return bn_unicode_flags[bn_unicode_class (cp)];
}

/* The same in Unicode 16.0. */
static inline unsigned
bn_char_flags_16 (uint32_t cp)
{
  return bn_unicode_flags_16[bn_unicode_class (cp)];
}

/* Extended grapheme clusters (UAX 29, Unicode 16.0): the classes that its
 * rules tell apart. */
typedef enum {
  BN_GRAPHEME_OTHER,
  BN_GRAPHEME_CR,
  BN_GRAPHEME_LF,
  BN_GRAPHEME_CONTROL,
  BN_GRAPHEME_EXTEND,
  BN_GRAPHEME_EXTEND_ONLY, /* not inside of Indic conjuncts */
  BN_GRAPHEME_LINKER,      /* virama */
  BN_GRAPHEME_ZWJ,
  BN_GRAPHEME_REGIONAL,
  BN_GRAPHEME_PREPEND,
  BN_GRAPHEME_SPACING,
  BN_GRAPHEME_L,
  BN_GRAPHEME_V,
  BN_GRAPHEME_T,
  BN_GRAPHEME_LV,
  BN_GRAPHEME_LVT,
  BN_GRAPHEME_PICTOGRAPH,
  BN_GRAPHEME_CONSONANT, /* of a script that joins them */
} BnGraphemeClass;

/* What the libraries under Hugging Face's `tokenizers` say of a character. */
typedef enum {
  BN_PROPERTY_GRAPHEME = 0x1F,        /* BnGraphemeClass */
  BN_PROPERTY_WORD = 1 << 5,          /* \w of Rust's regex (16.0) */
  BN_PROPERTY_NUMERIC = 1 << 6,       /* is_numeric() of Rust (17.0) */
  BN_PROPERTY_PUNCTUATION_8 = 1 << 7, /* \p{P} in 8.0, or of ASCII */
  BN_PROPERTY_OTHER_8 = 1 << 8,       /* \p{C} less \p{Cn} in 8.0 */
  BN_PROPERTY_NONSPACING_8 = 1 << 9,  /* \p{Mn} in 8.0 */
  BN_PROPERTY_MARK_9 = 1 << 10,       /* \p{M} in 9.0 */
} BnCharProperties;

extern const uint8_t bn_properties_index[];
extern const uint8_t bn_properties_records[];
extern const uint16_t bn_properties_values[];

/* BnCharProperties of a code point up to 0x10FFFF. */
static inline unsigned
bn_char_properties (uint32_t cp)
{
  return bn_properties_values[bn_properties_records
          [(unsigned) bn_properties_index[cp >> BN_UNICODE_BLOCK_SHIFT]
                  << BN_UNICODE_BLOCK_SHIFT
              | (cp & ((1u << BN_UNICODE_BLOCK_SHIFT) - 1))]];
}

/* White_Space, the 25 code points. */
static inline gboolean
bn_is_space (uint32_t cp)
{
  return (bn_char_flags (cp) & BN_CHAR_SPACE) != 0;
}

/* Number of the script of a character as of Unicode 9.0, where Hiragana and
 * Katakana count as Han; 0 for U+0020 and characters without one. */
unsigned bn_unicode_script_9 (uint32_t cp);

/* Lower case without context. The simple one is of Unicode 15.1; the full one
 * (Rust's to_lowercase(), 17.0) can have two characters: U+0130 gives 0069
 * 0307. Returns how many; lower[1] is set only if there are two. */
uint32_t bn_lower_simple (uint32_t cp);
unsigned bn_lower_full (uint32_t cp, uint32_t lower[2]);

/* Length of the first extended grapheme cluster of text, size > 0. */
size_t bn_grapheme_next (const uint8_t *text, size_t size);

/* Writes a code point as UTF-8 (1 to 4 bytes); returns the length. */
static inline unsigned
bn_utf8_encode (uint32_t cp, uint8_t out[4])
{
  if (cp < 0x80) {
    out[0] = (uint8_t) cp;
    return 1;
  }
  if (cp < 0x800) {
    out[0] = (uint8_t) (0xC0 | cp >> 6);
    out[1] = (uint8_t) (0x80 | (cp & 0x3F));
    return 2;
  }
  if (cp < 0x10000) {
    out[0] = (uint8_t) (0xE0 | cp >> 12);
    out[1] = (uint8_t) (0x80 | (cp >> 6 & 0x3F));
    out[2] = (uint8_t) (0x80 | (cp & 0x3F));
    return 3;
  }
  out[0] = (uint8_t) (0xF0 | cp >> 18);
  out[1] = (uint8_t) (0x80 | (cp >> 12 & 0x3F));
  out[2] = (uint8_t) (0x80 | (cp >> 6 & 0x3F));
  out[3] = (uint8_t) (0x80 | (cp & 0x3F));
  return 4;
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
  gboolean marks_bytes; /* a U+FFFD for every byte of an invalid subpart */
} BnUtf8Joiner;

/* Appends to out all characters that are complete with these bytes; one
 * U+FFFD for every maximal invalid subpart. An unfinished character waits. */
void bn_utf8_joiner_push (
    BnUtf8Joiner *self, const uint8_t *bytes, size_t size, GString *out);

/* Ends the text: one U+FFFD if a character was not finished. */
void bn_utf8_joiner_finish (BnUtf8Joiner *self, GString *out);
