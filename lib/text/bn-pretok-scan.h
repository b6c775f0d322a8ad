/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the splitters of bn-pretok-*-tmpl.h are made of: classes of the
 * characters at a place, ends of runs, and the alternatives that many
 * expressions share. */
#pragma once

#include "bn-pretok.h"

#include <string.h>

#include "bn-unicode.h"

/* The splitters are compiled twice: with the categories of Unicode 16.0, and
 * in bn-pretok-15.c with those of 15.1 under names that end in _15. */
#ifdef BN_PRETOK_15
#define SPLIT(name) bn_split_##name##_15
#define char_flags bn_char_flags
#define char_category bn_unicode_category
#else
#define SPLIT(name) bn_split_##name
#define char_flags bn_char_flags_16
#define char_category bn_unicode_category_16
#endif

#define L BN_CHAR_LETTER
#define N BN_CHAR_NUMBER
#define P BN_CHAR_PUNCTUATION
#define S BN_CHAR_SYMBOL
#define M BN_CHAR_MARK
#define WS BN_CHAR_SPACE

/* Flags and length of the character at p. */
static inline unsigned
char_at (const uint8_t *p, const uint8_t *end, unsigned *length)
{
  unsigned flags = bn_byte_flags[*p];
  uint32_t cp;

  *length = 1;
  if (flags & BN_BYTE_MULTI) {
    *length = bn_utf8_next (p, end, &cp);
    flags = char_flags (cp);
  }
  return flags;
}

static inline unsigned
flags_at (const uint8_t *p, const uint8_t *end)
{
  unsigned length;

  return p < end ? char_at (p, end, &length) : 0;
}

static inline unsigned
length_at (const uint8_t *p, const uint8_t *end)
{
  uint32_t cp;

  return bn_utf8_next (p, end, &cp);
}

/* First character from p on that has none of the flags in mask. */
static inline const uint8_t *
skip (const uint8_t *p, const uint8_t *end, unsigned mask)
{
  unsigned length;

  for (; p < end && (char_at (p, end, &length) & mask); p += length)
    ;
  return p;
}

/* First character from p on that has one of the flags in mask. */
static inline const uint8_t *
skip_until (const uint8_t *p, const uint8_t *end, unsigned mask)
{
  unsigned length;

  for (; p < end && !(char_at (p, end, &length) & mask); p += length)
    ;
  return p;
}

static inline gboolean
is_newline (uint8_t byte)
{
  return byte == '\n' || byte == '\r';
}

static inline gboolean
is_digit (uint8_t byte)
{
  return byte >= '0' && byte <= '9';
}

/* Length of 's 't 're 've 'm 'll 'd at p, or 0. */
static inline size_t
match_contraction (const uint8_t *p, const uint8_t *end, gboolean any_case)
{
  uint8_t fold = any_case ? 0x20 : 0;

  if (*p != '\'' || end - p < 2)
    return 0;
  switch (p[1] | fold) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return 2;
    case 'r':
    case 'v':
      return end - p > 2 && (p[2] | fold) == 'e' ? 3 : 0;
    case 'l':
      return end - p > 2 && (p[2] | fold) == 'l' ? 3 : 0;
    default:
      return 0;
  }
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ at white space; the first alternative only if
 * newlines. Without the last alternative a lone character is a gap instead,
 * which is the same piece. */
static inline size_t
match_space (const uint8_t *p, const uint8_t *end, gboolean newlines)
{
  const uint8_t *q = p, *last = p, *after_newline = NULL;
  unsigned length;

  while (q < end && (char_at (q, end, &length) & WS)) {
    last = q;
    q += length;
    if (is_newline (*last))
      after_newline = q;
  }
  if (newlines && after_newline)
    return (size_t) (after_newline - p);
  /* The last character belongs to the word that follows. */
  if (q < end && last > p)
    return (size_t) (last - p);
  return (size_t) (q - p);
}

/* A matcher returns the length of the match at p, or 0. */
typedef size_t (*MatchFn) (const uint8_t *p, const uint8_t *end);

/* The match at p or the gap before the next one. For matchers that fail at
 * once. */
static inline size_t
match_or_gap (const uint8_t *p, const uint8_t *end, MatchFn match)
{
  size_t length = match (p, end);
  const uint8_t *q = p;

  if (length)
    return length;
  do
    q += length_at (q, end);
  while (q < end && !match (q, end));
  return (size_t) (q - p);
}

typedef struct {
  uint32_t first, last;
} Range;

/* Ranges in rising order. */
static inline gboolean
in_ranges (uint32_t cp, const Range *ranges, size_t n_ranges)
{
  size_t low = 0, high = n_ranges;

  while (low < high) {
    size_t middle = (low + high) / 2;

    if (cp > ranges[middle].last)
      low = middle + 1;
    else
      high = middle;
  }
  return low < n_ranges && cp >= ranges[low].first;
}
