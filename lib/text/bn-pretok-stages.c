/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The splitters of single families, and those that are a stage of several; see
 * bn-pretok.c. */
#include "bn-pretok-scan.h"
#include "bn-pretok-splitters.h"

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

size_t
bn_split_each_number (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_number);
}

/* \p{N}+ */
size_t
bn_split_numbers (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q =
      flags_at (p, end) & N ? skip (p, end, N) : skip_until (p, end, N);

  return (size_t) (q - p);
}

/* \p{N}{1,3} */
size_t
bn_split_numbers_by_three (const uint8_t *p, const uint8_t *end)
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

size_t
bn_split_three_digits (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_three_digits);
}

/* [\r\n] */
static size_t
match_newline (const uint8_t *p, const uint8_t *end)
{
  return is_newline (*p) ? 1 : 0;
}

size_t
bn_split_each_newline (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_newline);
}

/* [^\n]+|[\n]+ */
size_t
bn_split_lines (const uint8_t *p, const uint8_t *end)
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

size_t
bn_split_default_punctuation (const uint8_t *p, const uint8_t *end)
{
  return split_runs (p, end, is_default_punctuation);
}

/* [\p{P}\$\+<=>\^~\|`]+ */
static gboolean
is_falcon_punctuation (uint32_t cp)
{
  return cp == '`' || is_default_punctuation (cp);
}

size_t
bn_split_falcon_punctuation (const uint8_t *p, const uint8_t *end)
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

size_t
bn_split_spaced_letters (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_spaced_letters);
}

/* \s?\p{P}+ */
static size_t
match_spaced_punctuation (const uint8_t *p, const uint8_t *end)
{
  return match_spaced (p, end, P);
}

size_t
bn_split_spaced_punctuation (const uint8_t *p, const uint8_t *end)
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

size_t
bn_split_deepseek_cjk (const uint8_t *p, const uint8_t *end)
{
  return split_runs (p, end, is_deepseek_cjk);
}

/* [\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+ */
static gboolean
is_deepseek3_cjk (uint32_t cp)
{
  return (cp >= 0x4E00 && cp <= 0x9FA5) || (cp >= 0x3040 && cp <= 0x30FF);
}

size_t
bn_split_deepseek3_cjk (const uint8_t *p, const uint8_t *end)
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

size_t
bn_split_deepseek3 (const uint8_t *p, const uint8_t *end)
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

size_t
bn_split_deepseek_llm_letters (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_deepseek_llm_letters);
}

static size_t
match_deepseek_llm_punctuation (const uint8_t *p, const uint8_t *end)
{
  return match_spaced_class (p, end, is_deepseek_llm_punctuation);
}

size_t
bn_split_deepseek_llm_punctuation (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_deepseek_llm_punctuation);
}

/* \s+$ */
size_t
bn_split_trailing_space (const uint8_t *p, const uint8_t *end)
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

size_t
bn_split_bloom (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_bloom);
}
