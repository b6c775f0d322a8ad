/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Splitters that break words where the case changes, and the expressions of
 * Hugging Face where those of llama.cpp differ.
 *
 * The successors of GPT-4o have one form:
 *
 *   [^\r\n\p{L}\p{N}]?U*L+CONTRACTION?|[^\r\n\p{L}\p{N}]?U+L*CONTRACTION?
 *   |\p{N}{1,DIGITS}| ?[^\s\p{L}\p{N}]+TAIL*|\s*[\r\n]+|\s+(?!\S)|\s+
 *
 * where U and L are classes that overlap. The families differ in the classes:
 * llama.cpp, whose expressions know no case but that of ASCII, takes more or
 * less of the letters and marks for both. */
#include "bn-pretok-scan.h"
#include "bn-pretok-splitters.h"

/* Classes of a character. */
enum {
  UPPER = 1 << 0, /* U */
  LOWER = 1 << 1, /* L */
  BOTH = UPPER | LOWER,
};

typedef unsigned (*CaseFn) (uint32_t cp);

typedef struct {
  CaseFn case_of;
  gboolean contractions, long_s; /* U+017F counts as s in contractions */
  unsigned max_digits;
  const char *tail; /* ASCII characters of TAIL */
} CasedRules;

/* Length of a contraction at p in any case, or 0. */
static inline size_t
match_any_contraction (const uint8_t *p, const uint8_t *end, gboolean long_s)
{
  if (long_s && end - p >= 3 && p[0] == '\'' && p[1] == 0xC5 && p[2] == 0xBF)
    return 3;
  return match_contraction (p, end, TRUE);
}

static inline unsigned
case_at (const uint8_t *p, const uint8_t *end, CaseFn case_of, unsigned *length)
{
  uint32_t cp;

  *length = bn_utf8_next (p, end, &cp);
  return case_of (cp);
}

/* U*L+ at p: its end, or NULL. */
static inline const uint8_t *
match_lower (const uint8_t *p, const uint8_t *end, CaseFn case_of)
{
  const uint8_t *after_both = NULL;
  unsigned length, which = 0;

  for (; p < end && ((which = case_at (p, end, case_of, &length)) & UPPER);
       p += length) {
    if (which & LOWER)
      after_both = p + length;
  }
  /* Without a character of L behind them, the U give back until one of them
   * is in L too. */
  if (p == end || !(which & LOWER))
    return after_both;
  for (; p < end && (case_at (p, end, case_of, &length) & LOWER); p += length)
    ;
  return p;
}

/* U+L* at p where U*L+ does not match: its end, or NULL. */
static inline const uint8_t *
match_upper (const uint8_t *p, const uint8_t *end, CaseFn case_of)
{
  const uint8_t *q = p;
  unsigned length;

  for (; q < end && (case_at (q, end, case_of, &length) & UPPER); q += length)
    ;
  return q > p ? q : NULL;
}

static inline size_t
split_by_case (const uint8_t *p, const uint8_t *end, CasedRules rules)
{
  unsigned length;
  unsigned flags = char_at (p, end, &length);
  gboolean has_prefix = !is_newline (*p) && !(flags & (L | N));
  const uint8_t *q = NULL;

  if (has_prefix)
    q = match_lower (p + length, end, rules.case_of);
  if (q == NULL)
    q = match_lower (p, end, rules.case_of);
  if (q == NULL && has_prefix)
    q = match_upper (p + length, end, rules.case_of);
  if (q == NULL)
    q = match_upper (p, end, rules.case_of);
  if (q) {
    if (rules.contractions && q < end)
      q += match_any_contraction (q, end, rules.long_s);
    return (size_t) (q - p);
  }

  if (flags & N) {
    q = p + length;
    for (unsigned i = 1; i != rules.max_digits && (flags_at (q, end) & N); i++)
      q += length_at (q, end);
    return (size_t) (q - p);
  }
  q = *p == ' ' ? p + 1 : p;
  if (q < end && !(flags_at (q, end) & (WS | L | N))) {
    q = skip_until (q, end, WS | L | N);
    while (q < end && *q < 0x80 && *q && strchr (rules.tail, *q))
      q++;
    return (size_t) (q - p);
  }
  /* Letters that are in no class are gaps. */
  return flags & WS ? match_space (p, end, TRUE) : length;
}

/* Letters and marks; only capitals and small letters of ASCII have a case. */
static inline unsigned
ascii_case (uint32_t cp)
{
  if (!(char_flags (cp) & (L | M)))
    return 0;
  if (cp >= 0x80)
    return BOTH;
  return cp >= 'a' ? LOWER : UPPER;
}

size_t
SPLIT (granite) (const uint8_t *p, const uint8_t *end)
{
  return split_by_case (p, end,
      (CasedRules){.case_of = ascii_case,
          .contractions = TRUE,
          .max_digits = 3,
          .tail = "\r\n/"});
}

/* All letters and marks are in both classes, so words do not break. */
static inline unsigned
no_case (uint32_t cp)
{
  return char_flags (cp) & (L | M) ? BOTH : 0;
}

size_t
SPLIT (tiny_aya) (const uint8_t *p, const uint8_t *end)
{
  return split_by_case (p, end,
      (CasedRules){.case_of = no_case,
          .contractions = TRUE,
          .max_digits = 3,
          .tail = "\r\n/"});
}

size_t
SPLIT (youtu) (const uint8_t *p, const uint8_t *end)
{
  return split_by_case (p, end,
      (CasedRules){.case_of = no_case,
          .contractions = TRUE,
          .max_digits = 1,
          .tail = "\r\n/"});
}

/* U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], L = [\p{Ll}\p{Lm}\p{Lo}\p{M}] */
static inline unsigned
unicode_case (uint32_t cp)
{
  switch (char_category (cp)) {
    case BN_CATEGORY_LU:
    case BN_CATEGORY_LT:
      return UPPER;
    case BN_CATEGORY_LL:
      return LOWER;
    case BN_CATEGORY_LM:
    case BN_CATEGORY_LO:
    case BN_CATEGORY_MN:
    case BN_CATEGORY_MC:
    case BN_CATEGORY_ME:
      return BOTH;
    default:
      return 0;
  }
}

size_t
SPLIT (gpt4o_hf) (const uint8_t *p, const uint8_t *end)
{
  return split_by_case (p, end,
      (CasedRules){.case_of = unicode_case,
          .contractions = TRUE,
          .long_s = TRUE,
          .max_digits = 3,
          .tail = "\r\n/"});
}

size_t
SPLIT (tekken_hf) (const uint8_t *p, const uint8_t *end)
{
  return split_by_case (p, end,
      (CasedRules){.case_of = unicode_case, .max_digits = 1, .tail = "\r\n/"});
}

size_t
SPLIT (youtu_hf) (const uint8_t *p, const uint8_t *end)
{
  return split_by_case (p, end,
      (CasedRules){.case_of = unicode_case,
          .contractions = TRUE,
          .long_s = TRUE,
          .max_digits = 1,
          .tail = "\r\n/"});
}

/* Blocks that llama.cpp takes for \p{Han}. */
static gboolean
is_han_block (uint32_t cp)
{
  static const Range blocks[] = {{0x3400, 0x4DBF}, {0x4E00, 0x9FFF},
      {0xF900, 0xFAFF}, {0x20000, 0x2A6DF}, {0x2A700, 0x2EBEF},
      {0x2F800, 0x2FA1F}};

  return cp >= blocks[0].first && in_ranges (cp, blocks, G_N_ELEMENTS (blocks));
}

/* Script=Han, Unicode 15.1. */
static gboolean
is_han (uint32_t cp)
{
  static const Range ranges[] = {{0x2E80, 0x2E99}, {0x2E9B, 0x2EF3},
      {0x2F00, 0x2FD5}, {0x3005, 0x3005}, {0x3007, 0x3007}, {0x3021, 0x3029},
      {0x3038, 0x303B}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xF900, 0xFA6D},
      {0xFA70, 0xFAD9}, {0x16FE2, 0x16FE3}, {0x16FF0, 0x16FF1},
      {0x20000, 0x2A6DF}, {0x2A700, 0x2B739}, {0x2B740, 0x2B81D},
      {0x2B820, 0x2CEA1}, {0x2CEB0, 0x2EBE0}, {0x2EBF0, 0x2EE5D},
      {0x2F800, 0x2FA1D}, {0x30000, 0x3134A}, {0x31350, 0x323AF}};

  return cp >= ranges[0].first && in_ranges (cp, ranges, G_N_ELEMENTS (ranges));
}

static inline size_t
match_class (
    const uint8_t *p, const uint8_t *end, gboolean (*contains) (uint32_t cp))
{
  const uint8_t *q = p;
  uint32_t cp;

  while (q < end) {
    unsigned length = bn_utf8_next (q, end, &cp);

    if (!contains (cp))
      break;
    q += length;
  }
  return (size_t) (q - p);
}

/* Letters other than Han; marks are not letters. */
static inline unsigned
kimi_case (uint32_t cp)
{
  return (char_flags (cp) & L) && !is_han_block (cp) ? BOTH : 0;
}

/* The classes without Han. */
static inline unsigned
kimi_unicode_case (uint32_t cp)
{
  return is_han (cp) ? 0 : unicode_case (cp);
}

/* \p{Han}+, then as above */
size_t
SPLIT (kimi) (const uint8_t *p, const uint8_t *end)
{
  size_t han = match_class (p, end, is_han_block);

  return han ? han
             : split_by_case (p, end,
                 (CasedRules){.case_of = kimi_case,
                     .contractions = TRUE,
                     .max_digits = 3,
                     .tail = "\r\n"});
}

size_t
SPLIT (kimi_hf) (const uint8_t *p, const uint8_t *end)
{
  size_t han = match_class (p, end, is_han);

  return han ? han
             : split_by_case (p, end,
                 (CasedRules){.case_of = kimi_unicode_case,
                     .contractions = TRUE,
                     .long_s = TRUE,
                     .max_digits = 3,
                     .tail = "\r\n"});
}

/* Under (?i:...), which llama.cpp writes out in ASCII, U+017F is an s. */
#define DEFINE_HF(name)                                                        \
  size_t SPLIT (name##_hf) (const uint8_t *p, const uint8_t *end)              \
  {                                                                            \
    if (*p == '\'' && end - p >= 3 && p[1] == 0xC5 && p[2] == 0xBF)            \
      return 3;                                                                \
    return SPLIT (name) (p, end);                                              \
  }

DEFINE_HF (llama3)
DEFINE_HF (qwen2)
DEFINE_HF (qwen35)
DEFINE_HF (seed)
DEFINE_HF (minicpm5)
DEFINE_HF (exaone_moe)

/* What tiktoken has for GPT-4, where white space at the end is one piece:
 *
 *   '(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+
 *   | ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s */
size_t
SPLIT (cl100k) (const uint8_t *p, const uint8_t *end)
{
  size_t length = SPLIT (llama3_hf) (p, end);

  /* Only a run with a newline ends before its end. */
  if (is_newline (p[length - 1]) && (flags_at (p, end) & WS)
      && (flags_at (p + length, end) & WS) && skip (p, end, WS) == end)
    return (size_t) (end - p);
  return length;
}
