/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where words begin, for many characters at a time.
 *
 * A splitter looks at one character after the other. This does the same for
 * windows of 64 bytes: a bit for each byte and class, and the rules of the
 * expression as arithmetic on these 64-bit numbers:
 *
 *     text       I ' m   i n   a   "
 *     letters    1 . 1 . 1 1 . 1 . .
 *     blanks     . . . 1 . . 1 . 1 .
 *     starts     1 1 . 1 . . 1 . 1 .
 *
 * A window starts where a word does, so nothing that lies before it counts. Of
 * its words all are certain but the last ones, whose end may depend on what
 * follows the window; the next window starts there. Only the expressions of
 * the large families are known here, and only text without white space and
 * numbers outside ASCII; for the rest there are the splitters. */
#pragma once

#include "bn-pretok.h"
#include "kernels/bn-kernels.h"

enum { BN_MARKS_WINDOW = BN_TEXT_BLOCK };

/* text_classes of BnKernels. */
typedef void (*BnClassifier) (
    uint64_t bits[BN_TEXT_CLASSES], const uint8_t *text, const uint8_t *table);

/* A bit for each byte of a window; all bytes of a character have its class. */
typedef struct {
  uint64_t valid; /* the bytes that are there */
  uint64_t letters, numbers, spaces;
  uint64_t blanks, newlines; /* spaces of U+0020; of \r and \n */
  uint64_t quotes;           /* ' */
  uint64_t uppers;           /* A to Z */
  uint64_t inner;            /* not the first byte of their character */
  const uint8_t *text, *end; /* of all text */
  gboolean is_last;          /* nothing follows the window */
} BnMarks;

/* The first bytes of words. May make the window shorter. */
typedef uint64_t (*BnMarkFn) (BnMarks *marks);

typedef struct BnMarkRules {
  BnSplitFn stages[BN_PRETOK_MAX_STAGES + 1]; /* that mark stands for */
  BnMarkFn mark;
  const uint8_t *flags;  /* bn_unicode_flags or bn_unicode_flags_16 */
  unsigned letters;      /* BnCharFlags that count as letters */
  gboolean letters_only; /* knows nothing else outside ASCII */
  gboolean ascii_only;   /* knows nothing outside ASCII */
  gboolean no_long_s;    /* nor U+017F behind ' */
} BnMarkRules;

/* The rules that cut as the stages of set, or NULL. */
const BnMarkRules *bn_mark_rules_find (const BnPretokSet *set);

/* The words that are certain at the start of text[0..end), which is not empty:
 * their ends, counted from offset. Returns their number, at most
 * BN_MARKS_WINDOW; 0 if a splitter has to find the first. */
unsigned bn_marks_find (const BnMarkRules *rules, BnClassifier classifier,
    const uint8_t *text, const uint8_t *end, uint32_t offset,
    uint32_t ends[BN_MARKS_WINDOW]);
