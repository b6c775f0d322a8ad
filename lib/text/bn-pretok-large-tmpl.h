/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The splitters of the large families.
 *
 * In the expressions, \s is White_Space, \p{..} a general category, both of
 * bn-unicode.h. A splitter returns the length of the match at p or, when there
 * is none, of the gap up to the next match. None goes back over text that it
 * has passed, except over one character of white space, so all are linear. */
#include "bn-pretok-scan.h"
#include "bn-pretok-splitters.h"

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S) */
size_t
SPLIT (gpt2) (const uint8_t *p, const uint8_t *end)
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

size_t
SPLIT (llama3) (const uint8_t *p, const uint8_t *end)
{
  return split_cl100k (p, end,
      (Cl100kRules){.contractions = TRUE,
          .letters = L,
          .not_others = WS | L | N,
          .max_digits = 3,
          .tail = "\r\n"});
}

size_t
SPLIT (qwen2) (const uint8_t *p, const uint8_t *end)
{
  return split_cl100k (p, end,
      (Cl100kRules){.contractions = TRUE,
          .letters = L,
          .not_others = WS | L | N,
          .max_digits = 1,
          .tail = "\r\n"});
}

/* LETTERS = [\p{L}\p{M}], and marks end the fourth alternative */
size_t
SPLIT (qwen35) (const uint8_t *p, const uint8_t *end)
{
  return split_cl100k (p, end,
      (Cl100kRules){.contractions = TRUE,
          .letters = L | M,
          .not_others = WS | L | M | N,
          .max_digits = 1,
          .tail = "\r\n"});
}

/* The fourth alternative is " ?[^\s\p{L}\p{N}\r\n]+" */
size_t
SPLIT (seed) (const uint8_t *p, const uint8_t *end)
{
  return split_cl100k (p, end,
      (Cl100kRules){.contractions = TRUE,
          .letters = L,
          .not_others = WS | L | N,
          .max_digits = 1,
          .tail = ""});
}

size_t
SPLIT (ufakzeka) (const uint8_t *p, const uint8_t *end)
{
  return split_cl100k (p, end,
      (Cl100kRules){.letters = L,
          .not_others = WS | L | N,
          .max_digits = 1,
          .tail = "\r\n"});
}

size_t
SPLIT (minicpm5) (const uint8_t *p, const uint8_t *end)
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

size_t
SPLIT (gpt4o) (const uint8_t *p, const uint8_t *end)
{
  return split_cased (p, end, TRUE, 3);
}

size_t
SPLIT (tekken) (const uint8_t *p, const uint8_t *end)
{
  return split_cased (p, end, FALSE, 1);
}
