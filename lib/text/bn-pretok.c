/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The splitters and the table of pre-tokenizer names.
 *
 * In the expressions, \s is White_Space, \p{..} a general category, both of
 * bn-unicode.h. A splitter returns the length of the match at p or, when there
 * is none, of the gap up to the next match. None goes back over text that it
 * has passed, except over one character of white space, so all are linear. */
#include "bn-pretok.h"

#include <string.h>

#include "bn-unicode.h"

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
    flags = bn_char_flags (cp);
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

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S) */
static size_t
split_gpt2 (const uint8_t *p, const uint8_t *end)
{
  size_t contraction = match_contraction (p, end, FALSE);
  const uint8_t *q = *p == ' ' ? p + 1 : p;
  unsigned flags = flags_at (q, end);

  if (contraction)
    return contraction;
  if (q == end || (flags & WS))
    return match_space (p, end, FALSE);
  if (flags & L)
    return (size_t) (skip (q, end, L) - p);
  if (flags & N)
    return (size_t) (skip (q, end, N) - p);
  return (size_t) (skip_until (q, end, WS | L | N) - p);
}

/* What the successors of cl100k have in common:
 *
 *   (?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])
 *   |[^\r\n\p{L}\p{N}]?LETTERS+|\p{N}{1,DIGITS}
 *   | ?[^\s\p{L}\p{N}]+TAIL*|\s*[\r\n]+|\s+(?!\S)|\s+
 */
typedef struct {
  gboolean contractions;
  unsigned letters;    /* flags of LETTERS */
  unsigned not_others; /* flags that end the fourth alternative */
  unsigned max_digits; /* DIGITS, 0 for no limit */
  const char *tail;    /* ASCII characters of TAIL */
} Cl100kRules;

static inline size_t
split_cl100k (const uint8_t *p, const uint8_t *end, Cl100kRules rules)
{
  size_t contraction =
      rules.contractions ? match_contraction (p, end, TRUE) : 0;
  unsigned length;
  unsigned flags = char_at (p, end, &length);
  const uint8_t *q;

  if (contraction)
    return contraction;

  if (flags & rules.letters)
    return (size_t) (skip (p, end, rules.letters) - p);
  if (!is_newline (*p) && !(flags & N)
      && (flags_at (p + length, end) & rules.letters))
    return (size_t) (skip (p + length, end, rules.letters) - p);

  if (flags & N) {
    q = p + length;
    for (unsigned i = 1; i != rules.max_digits && (flags_at (q, end) & N); i++)
      q += length_at (q, end);
    return (size_t) (q - p);
  }

  q = *p == ' ' ? p + 1 : p;
  if (q < end && !(flags_at (q, end) & rules.not_others)) {
    q = skip_until (q, end, rules.not_others);
    while (q < end && *q < 0x80 && *q && strchr (rules.tail, *q))
      q++;
    return (size_t) (q - p);
  }
  return match_space (p, end, TRUE);
}

static size_t
split_llama3 (const uint8_t *p, const uint8_t *end)
{
  return split_cl100k (p, end,
      (Cl100kRules){.contractions = TRUE,
          .letters = L,
          .not_others = WS | L | N,
          .max_digits = 3,
          .tail = "\r\n"});
}

static size_t
split_qwen2 (const uint8_t *p, const uint8_t *end)
{
  return split_cl100k (p, end,
      (Cl100kRules){.contractions = TRUE,
          .letters = L,
          .not_others = WS | L | N,
          .max_digits = 1,
          .tail = "\r\n"});
}

/* LETTERS = [\p{L}\p{M}], and marks end the fourth alternative */
static size_t
split_qwen35 (const uint8_t *p, const uint8_t *end)
{
  return split_cl100k (p, end,
      (Cl100kRules){.contractions = TRUE,
          .letters = L | M,
          .not_others = WS | L | M | N,
          .max_digits = 1,
          .tail = "\r\n"});
}

/* The fourth alternative is " ?[^\s\p{L}\p{N}\r\n]+" */
static size_t
split_seed (const uint8_t *p, const uint8_t *end)
{
  return split_cl100k (p, end,
      (Cl100kRules){.contractions = TRUE,
          .letters = L,
          .not_others = WS | L | N,
          .max_digits = 1,
          .tail = ""});
}

static size_t
split_ufakzeka (const uint8_t *p, const uint8_t *end)
{
  return split_cl100k (p, end,
      (Cl100kRules){.letters = L,
          .not_others = WS | L | N,
          .max_digits = 1,
          .tail = "\r\n"});
}

static size_t
split_minicpm5 (const uint8_t *p, const uint8_t *end)
{
  return split_cl100k (p, end,
      (Cl100kRules){.contractions = TRUE,
          .letters = L,
          .not_others = WS | L | N,
          .max_digits = 0,
          .tail = "\r\n"});
}

/* A word of GPT-4o and Tekken at p, or NULL. Capitals are [A-Z], the rest of
 * \p{L} counts as both cases unless it is [a-z]:
 *
 *   (U)*(W)+|(U)+(W)*    U = \p{L} less [a-z], W = \p{L} less [A-Z]
 *
 * The first alternative gives back characters of U until one is in W too. */
static inline const uint8_t *
skip_cased_word (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q = p, *after_both = NULL;

  while (q < end && (flags_at (q, end) & L) && !(*q >= 'a' && *q <= 'z')) {
    gboolean both = *q >= 0x80;

    q += length_at (q, end);
    if (both)
      after_both = q;
  }
  if (q < end && *q >= 'a' && *q <= 'z') {
    while (q < end && (flags_at (q, end) & L) && !(*q >= 'A' && *q <= 'Z'))
      q += length_at (q, end);
    return q;
  }
  if (after_both)
    return after_both;
  return q > p ? q : NULL;
}

/* [^\r\n\p{L}\p{N}]?WORD CONTRACTION?|\p{N}{1,DIGITS}
 * | ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static inline size_t
split_cased (const uint8_t *p, const uint8_t *end, gboolean contractions,
    unsigned max_digits)
{
  unsigned length;
  unsigned flags = char_at (p, end, &length);
  const uint8_t *q = p;

  if (!is_newline (*p) && !(flags & (L | N)))
    q = p + length;
  if (q < end && (flags_at (q, end) & L)) {
    q = skip_cased_word (q, end);
    if (contractions && q < end)
      q += match_contraction (q, end, TRUE);
    return (size_t) (q - p);
  }
  return split_cl100k (p, end,
      (Cl100kRules){.letters = L,
          .not_others = WS | L | N,
          .max_digits = max_digits,
          .tail = "\r\n/"});
}

static size_t
split_gpt4o (const uint8_t *p, const uint8_t *end)
{
  return split_cased (p, end, TRUE, 3);
}

static size_t
split_tekken (const uint8_t *p, const uint8_t *end)
{
  return split_cased (p, end, FALSE, 1);
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

/* Characters of a class and the others, in runs. */
static inline size_t
split_runs (
    const uint8_t *p, const uint8_t *end, gboolean (*contains) (uint32_t cp))
{
  uint32_t cp;
  unsigned length = bn_utf8_next (p, end, &cp);
  gboolean inside = contains (cp);
  const uint8_t *q = p + length;

  while (q < end) {
    length = bn_utf8_next (q, end, &cp);
    if (contains (cp) != inside)
      break;
    q += length;
  }
  return (size_t) (q - p);
}

/* \p{N} */
static size_t
match_number (const uint8_t *p, const uint8_t *end)
{
  unsigned length;

  return char_at (p, end, &length) & N ? length : 0;
}

static size_t
split_each_number (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_number);
}

/* \p{N}+ */
static size_t
split_numbers (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q =
      flags_at (p, end) & N ? skip (p, end, N) : skip_until (p, end, N);

  return (size_t) (q - p);
}

/* \p{N}{1,3} */
static size_t
split_numbers_by_three (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q = p;

  if (!(flags_at (p, end) & N))
    return (size_t) (skip_until (p, end, N) - p);
  for (int i = 0; i < 3 && (flags_at (q, end) & N); i++)
    q += length_at (q, end);
  return (size_t) (q - p);
}

/* [0-9][0-9][0-9] */
static size_t
match_three_digits (const uint8_t *p, const uint8_t *end)
{
  return end - p >= 3 && is_digit (p[0]) && is_digit (p[1]) && is_digit (p[2])
             ? 3
             : 0;
}

static size_t
split_three_digits (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_three_digits);
}

/* [\r\n] */
static size_t
match_newline (const uint8_t *p, const uint8_t *end)
{
  return is_newline (*p) ? 1 : 0;
}

static size_t
split_each_newline (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_newline);
}

/* [^\n]+|[\n]+ */
static size_t
split_lines (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q = p;

  if (*p != '\n') {
    q = memchr (p, '\n', (size_t) (end - p));
    return (size_t) ((q ? q : end) - p);
  }
  while (q < end && *q == '\n')
    q++;
  return (size_t) (q - p);
}

/* [\p{P}\$\+<=>\^~\|]+ */
static gboolean
is_default_punctuation (uint32_t cp)
{
  return (bn_char_flags (cp) & P)
         || (cp > 0 && cp < 0x80 && strchr ("$+<=>^~|", (int) cp));
}

static size_t
split_default_punctuation (const uint8_t *p, const uint8_t *end)
{
  return split_runs (p, end, is_default_punctuation);
}

/* [\p{P}\$\+<=>\^~\|`]+ */
static gboolean
is_falcon_punctuation (uint32_t cp)
{
  return cp == '`' || is_default_punctuation (cp);
}

static size_t
split_falcon_punctuation (const uint8_t *p, const uint8_t *end)
{
  return split_runs (p, end, is_falcon_punctuation);
}

/* \s?[flags]+ */
static inline size_t
match_spaced (const uint8_t *p, const uint8_t *end, unsigned mask)
{
  unsigned length;
  unsigned flags = char_at (p, end, &length);

  if (flags & mask)
    return (size_t) (skip (p, end, mask) - p);
  if ((flags & WS) && (flags_at (p + length, end) & mask))
    return (size_t) (skip (p + length, end, mask) - p);
  return 0;
}

/* \s?\p{L}+ */
static size_t
match_spaced_letters (const uint8_t *p, const uint8_t *end)
{
  return match_spaced (p, end, L);
}

static size_t
split_spaced_letters (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_spaced_letters);
}

/* \s?\p{P}+ */
static size_t
match_spaced_punctuation (const uint8_t *p, const uint8_t *end)
{
  return match_spaced (p, end, P);
}

static size_t
split_spaced_punctuation (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_spaced_punctuation);
}

typedef struct {
  uint16_t first, last;
} Range;

/* Ranges in rising order. */
static gboolean
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

/* [\x{4E00}-\x{9FA5}\x{0800}-\x{4E00}\x{AC00}-\x{D7FF}]+ */
static gboolean
is_deepseek_cjk (uint32_t cp)
{
  return (cp >= 0x0800 && cp <= 0x9FA5) || (cp >= 0xAC00 && cp <= 0xD7FF);
}

static size_t
split_deepseek_cjk (const uint8_t *p, const uint8_t *end)
{
  return split_runs (p, end, is_deepseek_cjk);
}

/* [\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+ */
static gboolean
is_deepseek3_cjk (uint32_t cp)
{
  return (cp >= 0x4E00 && cp <= 0x9FA5) || (cp >= 0x3040 && cp <= 0x30FF);
}

static size_t
split_deepseek3_cjk (const uint8_t *p, const uint8_t *end)
{
  return split_runs (p, end, is_deepseek3_cjk);
}

/* [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+
 * |[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
 * |\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t
match_deepseek3 (const uint8_t *p, const uint8_t *end)
{
  unsigned length;
  unsigned flags = char_at (p, end, &length);
  const uint8_t *q = p + 1;

  if (g_ascii_ispunct (*p) && q < end && g_ascii_isalpha (*q)) {
    while (q < end && g_ascii_isalpha (*q))
      q++;
    return (size_t) (q - p);
  }
  if (flags & (L | M))
    return (size_t) (skip (p, end, L | M) - p);
  if (!is_newline (*p) && !(flags & (P | S))
      && (flags_at (p + length, end) & (L | M)))
    return (size_t) (skip (p + length, end, L | M) - p);
  q = *p == ' ' ? p + 1 : p;
  if (flags_at (q, end) & (P | S)) {
    q = skip (q, end, P | S);
    while (q < end && is_newline (*q))
      q++;
    return (size_t) (q - p);
  }
  return flags & WS ? match_space (p, end, TRUE) : 0;
}

static size_t
split_deepseek3 (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_deepseek3);
}

/* The second expression of deepseek-llm: cased letters as of Unicode 8. */
/* clang-format off */
static const Range deepseek_llm_letters[] = {
  {'A', 'Z'}, {'a', 'z'}, {0x00B5, 0x00B5}, {0x00C0, 0x00D6},
  {0x00D8, 0x00F6}, {0x00F8, 0x01BA}, {0x01BC, 0x01BF}, {0x01C4, 0x0293},
  {0x0295, 0x02AF}, {0x0370, 0x0373}, {0x0376, 0x0377}, {0x037B, 0x037D},
  {0x037F, 0x037F}, {0x0386, 0x0386}, {0x0388, 0x038A}, {0x038C, 0x038C},
  {0x038E, 0x03A1}, {0x03A3, 0x03F5}, {0x03F7, 0x0481}, {0x048A, 0x052F},
  {0x0531, 0x0556}, {0x10A0, 0x10C5}, {0x13A0, 0x13F5}, {0x13F8, 0x13FD},
  {0x1C90, 0x1CBA}, {0x1CBD, 0x1CBF}, {0x1D00, 0x1D2B}, {0x1D6B, 0x1D77},
  {0x1D79, 0x1D9A}, {0x1E00, 0x1F15}, {0x1F18, 0x1F1D}, {0x1F20, 0x1F45},
  {0x1F48, 0x1F4D}, {0x1F50, 0x1F57}, {0x1F59, 0x1F59}, {0x1F5B, 0x1F5B},
  {0x1F5D, 0x1F5D}, {0x1F5F, 0x1F7D}, {0x1F80, 0x1FB4}, {0x1FB6, 0x1FBC},
  {0x1FBE, 0x1FBE}, {0x1FC2, 0x1FC4}, {0x1FC6, 0x1FCC}, {0x1FD0, 0x1FD3},
  {0x1FD6, 0x1FDB}, {0x1FE0, 0x1FEC}, {0x1FF2, 0x1FF4}, {0x1FF6, 0x1FFC},
  {0x2102, 0x2102}, {0x2107, 0x2107}, {0x210A, 0x2113}, {0x2115, 0x2115},
  {0x2119, 0x211D}, {0x2124, 0x2124}, {0x2126, 0x2126}, {0x2128, 0x2128},
  {0x212A, 0x212D}, {0x212F, 0x2134}, {0x2139, 0x2139}, {0x213C, 0x213F},
  {0x2145, 0x2149}, {0x214E, 0x214E}, {0x2183, 0x2184}, {0x2C00, 0x2C7B},
  {0x2C7E, 0x2CE4}, {0x2CEB, 0x2CEE}, {0x2CF2, 0x2CF3}, {0xA640, 0xA66D},
  {0xA680, 0xA69B}, {0xA722, 0xA76F}, {0xA771, 0xA787}, {0xA78B, 0xA78E},
  {0xAB70, 0xABBF}, {0xFB00, 0xFB06}, {0xFB13, 0xFB17}, {0xFF21, 0xFF3A},
  {0xFF41, 0xFF5A},
};
/* clang-format on */

static gboolean
is_deepseek_llm_letter (uint32_t cp)
{
  if (cp > 0xFFFF)
    return (cp >= 0x10400 && cp <= 0x1044F) || (cp >= 0x104B0 && cp <= 0x104D3)
           || (cp >= 0x104D8 && cp <= 0x104FB)
           || (cp >= 0x10C80 && cp <= 0x10CB2)
           || (cp >= 0x10CC0 && cp <= 0x10CF2)
           || (cp >= 0x118A0 && cp <= 0x118DF)
           || (cp >= 0x1E900 && cp <= 0x1E943);
  return in_ranges (
      cp, deepseek_llm_letters, G_N_ELEMENTS (deepseek_llm_letters));
}

/* [!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}
 *  \x{3000}-\x{3002}] */
static gboolean
is_deepseek_llm_punctuation (uint32_t cp)
{
  return (cp >= '!' && cp <= '/') || (cp >= ':' && cp <= '~')
         || (cp >= 0xFF01 && cp <= 0xFF0F) || (cp >= 0xFF1A && cp <= 0xFF5E)
         || (cp >= 0x2018 && cp <= 0x201F) || (cp >= 0x3000 && cp <= 0x3002);
}

/* \s?[class]+ */
static inline size_t
match_spaced_class (
    const uint8_t *p, const uint8_t *end, gboolean (*contains) (uint32_t cp))
{
  uint32_t cp;
  unsigned length = bn_utf8_next (p, end, &cp);

  /* The white space goes first, even where it is in the class too. */
  if (bn_char_flags (cp) & WS) {
    const uint8_t *next = p + length;
    uint32_t next_cp;

    if (next < end) {
      bn_utf8_next (next, end, &next_cp);
      if (contains (next_cp))
        return length + split_runs (next, end, contains);
    }
  }
  return contains (cp) ? split_runs (p, end, contains) : 0;
}

static size_t
match_deepseek_llm_letters (const uint8_t *p, const uint8_t *end)
{
  return match_spaced_class (p, end, is_deepseek_llm_letter);
}

static size_t
split_deepseek_llm_letters (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_deepseek_llm_letters);
}

static size_t
match_deepseek_llm_punctuation (const uint8_t *p, const uint8_t *end)
{
  return match_spaced_class (p, end, is_deepseek_llm_punctuation);
}

static size_t
split_deepseek_llm_punctuation (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_deepseek_llm_punctuation);
}

/* \s+$ */
static size_t
split_trailing_space (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q = p, *run = p;
  unsigned length;

  for (; q < end; q += length) {
    if (!(char_at (q, end, &length) & WS))
      run = q + length;
  }
  return run == p || run == end ? (size_t) (end - p) : (size_t) (run - p);
}

/* " ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{0964}\x{06D4}\x{060C})]+" */
static gboolean
is_bloom_word (uint32_t cp)
{
  static const Range excluded[] = {{'!', '!'}, {'(', ')'}, {',', ','},
      {'.', '.'}, {'?', '?'}, {'|', '|'}, {0x060C, 0x060C}, {0x06D4, 0x06D4},
      {0x0964, 0x0964}, {0x2026, 0x2026}, {0x3001, 0x3002}, {0xFF0C, 0xFF0C}};

  return !(bn_char_flags (cp) & WS)
         && !in_ranges (cp, excluded, G_N_ELEMENTS (excluded));
}

static size_t
match_bloom (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q = *p == ' ' ? p + 1 : p;
  uint32_t cp;

  if (q == end)
    return 0;
  bn_utf8_next (q, end, &cp);
  return is_bloom_word (cp)
             ? (size_t) (q - p) + split_runs (q, end, is_bloom_word)
             : 0;
}

static size_t
split_bloom (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_bloom);
}

static const BnPretokSet set_default = {"default",
    {split_default_punctuation, split_gpt2, split_numbers, split_three_digits}};
static const BnPretokSet set_gpt2 = {"gpt-2", {split_gpt2}};
static const BnPretokSet set_llama3 = {"llama-3", {split_llama3}};
static const BnPretokSet set_deepseek_llm = {
    "deepseek-llm", {split_each_newline, split_deepseek_llm_letters,
                        split_deepseek_llm_punctuation, split_trailing_space,
                        split_deepseek_cjk, split_numbers}};
static const BnPretokSet set_deepseek_coder = {"deepseek-coder",
    {split_each_newline, split_spaced_letters, split_spaced_punctuation,
        split_deepseek_cjk, split_each_number}};
static const BnPretokSet set_deepseek3 = {"deepseek-3",
    {split_numbers_by_three, split_deepseek3_cjk, split_deepseek3}};
static const BnPretokSet set_falcon = {
    "falcon", {split_falcon_punctuation, split_gpt2, split_three_digits}};
static const BnPretokSet set_starcoder = {
    "starcoder", {split_each_number, split_gpt2}};
static const BnPretokSet set_qwen2 = {"qwen2", {split_qwen2}};
static const BnPretokSet set_qwen35 = {"qwen3.5", {split_qwen35}};
static const BnPretokSet set_seed = {"seed", {split_seed}};
static const BnPretokSet set_ufakzeka = {"ufakzeka", {split_ufakzeka}};
static const BnPretokSet set_laguna = {"laguna", {split_lines, split_qwen2}};
static const BnPretokSet set_minicpm5 = {
    "minicpm5", {split_numbers_by_three, split_minicpm5}};
static const BnPretokSet set_gpt4o = {"gpt-4o", {split_gpt4o}};
static const BnPretokSet set_tekken = {"tekken", {split_tekken}};
static const BnPretokSet set_bloom = {"bloom", {split_bloom}};
static const BnPretokSet set_viking = {
    "viking", {split_bloom, split_each_number}};

#define IM BN_PRETOK_IGNORE_MERGES
#define BOS BN_PRETOK_ADD_BOS

/* Values of tokenizer.ggml.pre. A name whose expressions are not here is
 * refused, because guessing gives wrong ids without a word. */
static const BnPretok pretoks[] = {
    {"default", &set_default, 0},
    {"llama3", &set_llama3, IM | BOS},
    {"llama-v3", &set_llama3, IM | BOS},
    {"llama-bpe", &set_llama3, IM | BOS},
    {"falcon3", &set_llama3, IM | BOS},
    {"falcon-h1", &set_llama3, IM | BOS},
    {"pixtral", &set_llama3, IM | BOS},
    {"midm-2.0", &set_llama3, IM | BOS},
    {"lfm2", &set_llama3, IM | BOS},
    {"jina-v5-nano", &set_llama3, IM | BOS},
    {"dbrx", &set_llama3, 0},
    {"smaug-bpe", &set_llama3, 0},
    {"glm4", &set_llama3, BN_PRETOK_NO_BOS},
    {"chatglm-bpe", &set_llama3, BN_PRETOK_NO_BOS},
    {"laguna", &set_laguna, 0},
    {"deepseek-llm", &set_deepseek_llm, 0},
    {"deepseek-coder", &set_deepseek_coder, 0},
    {"deepseek-v3", &set_deepseek3, 0},
    {"hy_v4", &set_deepseek3, 0},
    {"hunyuan-dense", &set_deepseek3, 0},
    {"joyai-llm", &set_deepseek3, 0},
    {"falcon", &set_falcon, 0},
    {"gpt-2", &set_gpt2, 0},
    {"mpt", &set_gpt2, 0},
    {"olmo", &set_gpt2, 0},
    {"jais", &set_gpt2, 0},
    {"phi-2", &set_gpt2, 0},
    {"jina-es", &set_gpt2, 0},
    {"jina-de", &set_gpt2, 0},
    {"jina-v1-en", &set_gpt2, 0},
    {"jina-v2-es", &set_gpt2, 0},
    {"jina-v2-de", &set_gpt2, 0},
    {"jina-v2-code", &set_gpt2, 0},
    {"roberta-bpe", &set_gpt2, 0},
    {"gigachat", &set_gpt2, 0},
    {"a.x-4.0", &set_gpt2, 0},
    {"mellum", &set_gpt2, 0},
    {"modern-bert", &set_gpt2, 0},
    {"exaone4", &set_gpt2, 0},
    {"trillion", &set_gpt2, 0},
    {"granite-docling", &set_gpt2, 0},
    {"starcoder", &set_starcoder, 0},
    {"refact", &set_starcoder, 0},
    {"codeshell", &set_starcoder, 0},
    {"exaone", &set_starcoder, 0},
    {"minerva-7b", &set_starcoder, 0},
    {"mellum2", &set_starcoder, 0},
    {"command-r", &set_starcoder, 0},
    {"smollm", &set_starcoder, 0},
    {"cohere2_moe", &set_starcoder, 0},
    {"qwen2", &set_qwen2, 0},
    {"deepseek-r1-qwen", &set_qwen2, 0},
    {"kormo", &set_qwen2, 0},
    {"f2llmv2", &set_qwen2, 0},
    {"openpangu", &set_qwen2, 0},
    {"megrez", &set_qwen2, 0},
    {"stablelm2", &set_qwen2, 0},
    {"hunyuan", &set_qwen2, 0},
    {"solar-open", &set_qwen2, 0},
    {"grok-2", &set_qwen2, 0},
    {"bailingmoe", &set_qwen2, 0},
    {"bailingmoe2", &set_qwen2, 0},
    {"llada-moe", &set_qwen2, 0},
    {"qwen35", &set_qwen35, 0},
    {"seed-coder", &set_seed, 0},
    {"ufakzeka", &set_ufakzeka, 0},
    {"minicpm5", &set_minicpm5, IM},
    {"gpt-4o", &set_gpt4o, 0},
    {"llama4", &set_gpt4o, 0},
    {"kanana2", &set_gpt4o, 0},
    {"talkie", &set_gpt4o, 0},
    {"minimax-m2", &set_gpt4o, 0},
    {"tekken", &set_tekken, IM | BOS},
    {"bloom", &set_bloom, 0},
    {"gpt3-finnish", &set_bloom, 0},
    {"poro-chat", &set_bloom, 0},
    {"viking", &set_viking, 0},
};

const BnPretok *
bn_pretok_find (const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS (pretoks); i++) {
    if (strcmp (pretoks[i].name, name) == 0)
      return &pretoks[i];
  }
  return NULL;
}

const BnPretok *
bn_pretok_list (size_t *n_pretoks)
{
  *n_pretoks = G_N_ELEMENTS (pretoks);
  return pretoks;
}

void
bn_pretok_iter_init (BnPretokIter *iter, const BnPretokSet *set,
    const uint8_t *text, size_t size)
{
  iter->stages = set->stages;
  iter->n_stages = 0;
  while (set->stages[iter->n_stages])
    iter->n_stages++;
  iter->pos = text;
  /* Nothing is open below the text: the first step goes down all stages. */
  iter->ends[0] = size > 0 ? text + size : text; /* which may be NULL */
  for (unsigned i = 1; i <= iter->n_stages; i++)
    iter->ends[i] = text;
}
