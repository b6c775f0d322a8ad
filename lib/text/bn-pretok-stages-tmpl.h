/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The splitters of single families, and those that are a stage of several; see
 * bn-pretok-large-tmpl.h. */
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
SPLIT (each_number) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_number);
}

/* \p{N}+ */
size_t
SPLIT (numbers) (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q =
      flags_at (p, end) & N ? skip (p, end, N) : skip_until (p, end, N);

  return (size_t) (q - p);
}

/* \p{N}{1,3} */
size_t
SPLIT (numbers_by_three) (const uint8_t *p, const uint8_t *end)
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
SPLIT (three_digits) (const uint8_t *p, const uint8_t *end)
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
SPLIT (each_newline) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_newline);
}

/* [^\n]+|[\n]+ */
size_t
SPLIT (lines) (const uint8_t *p, const uint8_t *end)
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
  return (char_flags (cp) & P)
         || (cp > 0 && cp < 0x80 && strchr ("$+<=>^~|", (int) cp));
}

size_t
SPLIT (default_punctuation) (const uint8_t *p, const uint8_t *end)
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
SPLIT (falcon_punctuation) (const uint8_t *p, const uint8_t *end)
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
SPLIT (spaced_letters) (const uint8_t *p, const uint8_t *end)
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
SPLIT (spaced_punctuation) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_spaced_punctuation);
}

/* [\x{4E00}-\x{9FA5}\x{0800}-\x{4E00}\x{AC00}-\x{D7FF}]+ */
static gboolean
is_deepseek_cjk_hf (uint32_t cp)
{
  return (cp >= 0x0800 && cp <= 0x9FA5) || (cp >= 0xAC00 && cp <= 0xD7FF);
}

size_t
SPLIT (deepseek_cjk_hf) (const uint8_t *p, const uint8_t *end)
{
  return split_runs (p, end, is_deepseek_cjk_hf);
}

/* For llama.cpp all white space is ASCII where an expression has no \p{..}. */
static gboolean
is_deepseek_cjk (uint32_t cp)
{
  return is_deepseek_cjk_hf (cp) && !(char_flags (cp) & WS);
}

size_t
SPLIT (deepseek_cjk) (const uint8_t *p, const uint8_t *end)
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
SPLIT (deepseek3_cjk) (const uint8_t *p, const uint8_t *end)
{
  return split_runs (p, end, is_deepseek3_cjk);
}

/* [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+
 * |[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+ */
static inline size_t
match_deepseek3_word (const uint8_t *p, const uint8_t *end)
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
  return 0;
}

/* The same and | ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t
match_deepseek3 (const uint8_t *p, const uint8_t *end)
{
  size_t length = match_deepseek3_word (p, end);
  const uint8_t *q = *p == ' ' ? p + 1 : p;

  if (length)
    return length;
  if (flags_at (q, end) & (P | S)) {
    q = skip (q, end, P | S);
    while (q < end && is_newline (*q))
      q++;
    return (size_t) (q - p);
  }
  return flags_at (p, end) & WS ? match_space (p, end, TRUE) : 0;
}

size_t
SPLIT (deepseek3) (const uint8_t *p, const uint8_t *end)
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
is_deepseek_llm_punctuation_hf (uint32_t cp)
{
  return (cp >= '!' && cp <= '/') || (cp >= ':' && cp <= '~')
         || (cp >= 0xFF01 && cp <= 0xFF0F) || (cp >= 0xFF1A && cp <= 0xFF5E)
         || (cp >= 0x2018 && cp <= 0x201F) || (cp >= 0x3000 && cp <= 0x3002);
}

static gboolean
is_deepseek_llm_punctuation (uint32_t cp)
{
  return cp != 0x3000 && is_deepseek_llm_punctuation_hf (cp);
}

/* \s?[class]+ */
static inline size_t
match_spaced_class (
    const uint8_t *p, const uint8_t *end, gboolean (*contains) (uint32_t cp))
{
  uint32_t cp;
  unsigned length = bn_utf8_next (p, end, &cp);

  /* The white space goes first, even where it is in the class too. */
  if (char_flags (cp) & WS) {
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
SPLIT (deepseek_llm_letters) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_deepseek_llm_letters);
}

static size_t
match_deepseek_llm_punctuation (const uint8_t *p, const uint8_t *end)
{
  return match_spaced_class (p, end, is_deepseek_llm_punctuation);
}

size_t
SPLIT (deepseek_llm_punctuation) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_deepseek_llm_punctuation);
}

static size_t
match_deepseek_llm_punctuation_hf (const uint8_t *p, const uint8_t *end)
{
  return match_spaced_class (p, end, is_deepseek_llm_punctuation_hf);
}

size_t
SPLIT (deepseek_llm_punctuation_hf) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_deepseek_llm_punctuation_hf);
}

/* \s+$ */
size_t
SPLIT (trailing_space) (const uint8_t *p, const uint8_t *end)
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

  return !(char_flags (cp) & WS)
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
SPLIT (bloom) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_bloom);
}

/* Runs of several classes, which class_of() tells apart; 0 is for all other
 * characters. */
static inline size_t
split_classes (
    const uint8_t *p, const uint8_t *end, unsigned (*class_of) (uint32_t cp))
{
  uint32_t cp;
  const uint8_t *q = p + bn_utf8_next (p, end, &cp);
  unsigned class = class_of (cp);

  while (q < end) {
    unsigned length = bn_utf8_next (q, end, &cp);

    if (class_of (cp) != class)
      break;
    q += length;
  }
  return (size_t) (q - p);
}

/* [\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+
 * |[\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019}\x{2014}\x{FF1A}\x{FF1B}
 *   \x{FF0C}\x{3001}-\x{303F}\x{FE30}-\x{FE4F}]+
 * |[\x{3105}-\x{312F}]+|[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+
 */
static unsigned
youtu_script (uint32_t cp)
{
  enum { NONE, HANGUL, PUNCTUATION, BOPOMOFO, HAN };

  if (cp < 0x2014)
    return NONE;
  if ((cp >= 0xAC00 && cp <= 0xD7A3) || (cp >= 0x3131 && cp <= 0x318E))
    return HANGUL;
  if (cp >= 0x3105 && cp <= 0x312F)
    return BOPOMOFO;
  if ((cp >= 0x4E00 && cp <= 0x9FA5) || (cp >= 0x3040 && cp <= 0x30FF))
    return HAN;
  if ((cp >= 0x3001 && cp <= 0x303F) || (cp >= 0xFE30 && cp <= 0xFE4F))
    return PUNCTUATION;
  switch (cp) {
    case 0x2014:
    case 0x2018:
    case 0x2019:
    case 0x201C:
    case 0x201D:
    case 0x2026:
    case 0xFF01:
    case 0xFF0C:
    case 0xFF1A:
    case 0xFF1B:
      return PUNCTUATION;
    default:
      return NONE;
  }
}

size_t
SPLIT (youtu_scripts) (const uint8_t *p, const uint8_t *end)
{
  return split_classes (p, end, youtu_script);
}

/* [\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{8C48}-\x{FAFF}\x{3040}-\x{309F}
 *  \x{30A0}-\x{30FF}\x{FF65}-\x{FF9F}\x{2F00}-\x{2FDF}\x{0E40}-\x{0E7F}
 *  \x{0E80}-\x{0EFF}\x{1780}-\x{17FF}\x{1000}-\x{109F}\x{AA60}-\x{AA7F}
 *  \x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}\x{1100}-\x{11FF}]+ */
static gboolean
is_afmoe_asian (uint32_t cp)
{
  static const Range ranges[] = {{0x0E40, 0x0EFF}, {0x1000, 0x109F},
      {0x1100, 0x11FF}, {0x1780, 0x17FF}, {0x2F00, 0x2FDF}, {0x3040, 0x30FF},
      {0x3400, 0x4DBF}, {0x4E00, 0xFAFF}, {0xFF65, 0xFF9F}};

  return cp <= 0xFFFF && in_ranges (cp, ranges, G_N_ELEMENTS (ranges));
}

size_t
SPLIT (afmoe_asian) (const uint8_t *p, const uint8_t *end)
{
  return split_runs (p, end, is_afmoe_asian);
}

/* Groups of three digits counted from the right are made in two steps, so
 * that no text is read more than twice: the first step cuts a run of digits
 * where the rest is a multiple of three, the next counts from the left. */

/* Number of characters from p on that have a flag of mask; *after is the
 * first other one. */
static inline size_t
count_run (
    const uint8_t *p, const uint8_t *end, unsigned mask, const uint8_t **after)
{
  size_t n = 0;
  unsigned length;

  for (; p < end && (char_at (p, end, &length) & mask); p += length)
    n++;
  *after = p;
  return n;
}

static inline const uint8_t *
skip_characters (const uint8_t *p, const uint8_t *end, size_t n)
{
  while (n-- > 0)
    p += length_at (p, end);
  return p;
}

/* The first step of llama.cpp for \p{AFMoE_digits} and for
 * \d{1,3}(?=(?:\d{3})*\b): the text before a run of \p{N} stays with the first
 * group. */
size_t
SPLIT (glued_groups) (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *start = skip_until (p, end, N), *after;
  size_t n = count_run (start, end, N, &after);

  if (n == 0 || (start == p && n % 3 == 0))
    return (size_t) (after - p);
  return (size_t) (skip_characters (start, end, n % 3 ? n % 3 : 3) - p);
}

/* The second step. Pieces that begin with a number have nothing else. */
size_t
SPLIT (group) (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q = p;

  if (!(flags_at (p, end) & N))
    return (size_t) (end - p);
  for (unsigned i = 0; i < 3 && q < end; i++)
    q += length_at (q, end);
  return (size_t) (q - p);
}

static inline gboolean
is_decimal (uint32_t cp)
{
  return cp < 0x80 ? is_digit ((uint8_t) cp)
                   : char_category (cp) == BN_CATEGORY_ND;
}

static inline gboolean
is_ascii_digit (uint32_t cp)
{
  return cp < 0x80 && is_digit ((uint8_t) cp);
}

/* A run of decimals at p, which may be empty. */
static inline size_t
count_decimals (const uint8_t *p, const uint8_t *end,
    gboolean (*contains) (uint32_t cp), const uint8_t **after)
{
  size_t n = 0;
  uint32_t cp;

  while (p < end) {
    unsigned length = bn_utf8_next (p, end, &cp);

    if (!contains (cp))
      break;
    p += length;
    n++;
  }
  *after = p;
  return n;
}

static inline gboolean
is_decimal_at (
    const uint8_t *p, const uint8_t *end, gboolean (*contains) (uint32_t cp))
{
  uint32_t cp;

  if (p == end)
    return FALSE;
  bn_utf8_next (p, end, &cp);
  return contains (cp);
}

/* \w: Alphabetic, marks, decimals, connectors. Letters and letter-like numbers
 * are Alphabetic, of the symbols only these. */
static gboolean
is_word_at (const uint8_t *p, const uint8_t *end)
{
  uint32_t cp;

  if (p == end)
    return FALSE;
  bn_utf8_next (p, end, &cp);
  if (char_flags (cp) & (L | M))
    return TRUE;
  switch (char_category (cp)) {
    case BN_CATEGORY_ND:
    case BN_CATEGORY_NL:
    case BN_CATEGORY_PC:
      return TRUE;
    case BN_CATEGORY_SO:
      return (cp >= 0x24B6 && cp <= 0x24E9) || (cp >= 0x1F130 && cp <= 0x1F149)
             || (cp >= 0x1F150 && cp <= 0x1F169)
             || (cp >= 0x1F170 && cp <= 0x1F189);
    default:
      return FALSE;
  }
}

/* The first step for \d{1,3}(?=(?:\d{3})*\b) at Hugging Face: runs of decimals
 * that end at the end of a word are pieces of their own. */
size_t
SPLIT (word_groups) (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q = p, *after = p;

  while (q < end) {
    size_t n = count_decimals (q, end, is_decimal, &after);

    if (n > 0 && !is_word_at (after, end)) {
      if (q > p)
        return (size_t) (q - p);
      return (size_t) ((n % 3 ? skip_characters (p, end, n % 3) : after) - p);
    }
    for (q = after; q < end && !is_decimal_at (q, end, is_decimal);)
      q += length_at (q, end);
  }
  return (size_t) (end - p);
}

/* The second step. A piece that begins and ends with a decimal has nothing
 * else: one that is no such run ends before the next, or is not the last. */
size_t
SPLIT (word_group) (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *last = end - 1;

  while (last > p && (*last & 0xC0) == 0x80)
    last--;
  if (!is_decimal_at (p, end, is_decimal)
      || !is_decimal_at (last, end, is_decimal))
    return (size_t) (end - p);
  return SPLIT (group) (p, end);
}

/* The first step of (?=(\d{3})+(?!\d)): pieces begin where a multiple of three
 * digits is left of a run. */
static inline size_t
split_before_groups (
    const uint8_t *p, const uint8_t *end, gboolean (*contains) (uint32_t cp))
{
  const uint8_t *q = p, *after;
  size_t n = count_decimals (p, end, contains, &after);

  if (n > 3 && n % 3 != 0)
    return (size_t) (skip_characters (p, end, n % 3) - p);
  for (q = after; q < end; q = after) {
    while (q < end && !is_decimal_at (q, end, contains))
      q += length_at (q, end);
    n = count_decimals (q, end, contains, &after);
    if (n >= 3)
      return (size_t) (skip_characters (q, end, n % 3) - p);
  }
  return (size_t) (end - p);
}

/* The second: after each three digits that are followed by another. */
static inline size_t
split_between_groups (
    const uint8_t *p, const uint8_t *end, gboolean (*contains) (uint32_t cp))
{
  const uint8_t *q = p;

  for (unsigned i = 0; i < 3; i++) {
    if (!is_decimal_at (q, end, contains))
      return (size_t) (end - p);
    q += length_at (q, end);
  }
  return (size_t) ((is_decimal_at (q, end, contains) ? q : end) - p);
}

size_t
SPLIT (before_groups) (const uint8_t *p, const uint8_t *end)
{
  return split_before_groups (p, end, is_ascii_digit);
}

size_t
SPLIT (between_groups) (const uint8_t *p, const uint8_t *end)
{
  return split_between_groups (p, end, is_ascii_digit);
}

size_t
SPLIT (before_groups_hf) (const uint8_t *p, const uint8_t *end)
{
  return split_before_groups (p, end, is_decimal);
}

size_t
SPLIT (between_groups_hf) (const uint8_t *p, const uint8_t *end)
{
  return split_between_groups (p, end, is_decimal);
}

/* The white space of jais-2:
 *
 *   \s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|...|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}
 *
 * as a second step after \s*[\r\n]+|\s+(?!\S)|\s+, whose pieces are as long as
 * these together. */
size_t
SPLIT (space_powers) (const uint8_t *p, const uint8_t *end)
{
  enum { MAX_RUN = 512 };
  const uint8_t *q = p;
  size_t n = 0, run = MAX_RUN;
  unsigned length;

  if (is_newline (end[-1]))
    return (size_t) (end - p);
  for (; n < MAX_RUN && q < end && (char_at (q, end, &length) & WS); n++)
    q += length;
  if (n < MAX_RUN && q < end)
    return (size_t) (end - p); /* a word with a space in front */
  while (run > n)
    run /= 2;
  return (size_t) (skip_characters (p, end, run) - p);
}

/* What spark2_5 has after the words of DeepSeek-V3: | ?[\p{P}\p{S}]+|[\r\n]
 * |\s+(?!\S)|\s+ */
static size_t
match_spark (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q = *p == ' ' ? p + 1 : p;
  size_t length = match_deepseek3_word (p, end);

  if (length)
    return length;
  if (flags_at (q, end) & (P | S))
    return (size_t) (skip (q, end, P | S) - p);
  if (is_newline (*p))
    return 1;
  return flags_at (p, end) & WS ? match_space (p, end, FALSE) : 0;
}

size_t
SPLIT (spark) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_spark);
}

/* <sentinel:[0-9]+> */
static size_t
match_sentinel (const uint8_t *p, const uint8_t *end)
{
  static const char start[] = "<sentinel:";
  const uint8_t *q = p + (sizeof start - 1);

  if ((size_t) (end - p) < sizeof start
      || memcmp (p, start, sizeof start - 1) != 0 || !is_digit (*q))
    return 0;
  while (q < end && is_digit (*q))
    q++;
  return q < end && *q == '>' ? (size_t) (q + 1 - p) : 0;
}

size_t
SPLIT (sentinel) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_sentinel);
}

/* (IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z */
static size_t
match_image (const uint8_t *p, const uint8_t *end)
{
  static const char start[] = "IMGIMG";
  const uint8_t *letters = p + (sizeof start - 1), *q = letters;

  if ((size_t) (end - p) < sizeof start
      || memcmp (p, start, sizeof start - 1) != 0)
    return 0;
  while (q < end && q - letters < 4 && *q >= 'A' && *q <= 'I')
    q++;
  return q > letters && q < end && *q == 'Z' ? (size_t) (q + 1 - p) : 0;
}

size_t
SPLIT (image) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_image);
}

/* ([\t\n]|    |  ) */
static size_t
match_indent (const uint8_t *p, const uint8_t *end)
{
  if (*p == '\t' || *p == '\n')
    return 1;
  if (end - p >= 4 && memcmp (p, "    ", 4) == 0)
    return 4;
  return end - p >= 2 && p[0] == ' ' && p[1] == ' ' ? 2 : 0;
}

size_t
SPLIT (indent) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_indent);
}

/* [\p{P}!-/:-@\[-`{-~] */
static size_t
match_punctuation (const uint8_t *p, const uint8_t *end)
{
  unsigned length;
  unsigned flags = char_at (p, end, &length);

  return (flags & P) || g_ascii_ispunct (*p) ? length : 0;
}

size_t
SPLIT (each_punctuation) (const uint8_t *p, const uint8_t *end)
{
  return match_or_gap (p, end, match_punctuation);
}

/* (?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])
 * |[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}
 * | ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+ */
size_t
SPLIT (exaone_moe) (const uint8_t *p, const uint8_t *end)
{
  size_t contraction = match_contraction (p, end, TRUE);
  unsigned length;
  unsigned flags = char_at (p, end, &length);
  const uint8_t *q = p;

  if (contraction)
    return contraction;
  if (!is_newline (*p) && !(flags & (L | N)))
    q = p + length;
  if (flags_at (q, end) & L) {
    /* Letters with their marks, and single spaces before letters. */
    do {
      q = skip (q + length_at (q, end), end, L | M);
      if (q < end && *q == ' ' && (flags_at (q + 1, end) & L))
        q++;
      else
        break;
    } while (TRUE);
    return (size_t) (q - p);
  }
  if (flags & N)
    return length;
  q = *p == ' ' ? p + 1 : p;
  if (q < end && !(flags_at (q, end) & (WS | L | N))) {
    q = skip_until (q, end, WS | L | N);
    if (q < end && is_newline (*q))
      q++;
    return (size_t) (q - p);
  }
  return match_space (p, end, TRUE);
}

/* \S+ */
size_t
SPLIT (white_space) (const uint8_t *p, const uint8_t *end)
{
  const uint8_t *q =
      flags_at (p, end) & WS ? skip (p, end, WS) : skip_until (p, end, WS);

  return (size_t) (q - p);
}
