/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties of characters that need more than one look at a table:
 * categories, scripts, lower case, grapheme clusters. */
#include "bn-unicode-tables.h"

BnCategory
bn_unicode_category (uint32_t cp)
{
  unsigned class = bn_unicode_class (cp);

  return class & BN_UNICODE_NEW_BIT
             ? BN_CATEGORY_CN
             : (BnCategory) (class & BN_UNICODE_CATEGORY_MASK);
}

BnCategory
bn_unicode_category_16 (uint32_t cp)
{
  /* The only one that has changed since 15.1, AHOM CONSONANT SIGN MEDIAL RA. */
  if (cp == 0x1171E)
    return BN_CATEGORY_MC;
  return (BnCategory) (bn_unicode_class (cp) & BN_UNICODE_CATEGORY_MASK);
}

unsigned
bn_unicode_script_9 (uint32_t cp)
{
  size_t low = 0, high = bn_n_script_runs;

  /* The last run that starts at or before cp; the first starts at 0. */
  while (high - low > 1) {
    size_t middle = (low + high) / 2;

    if (bn_script_starts[middle] <= cp)
      low = middle;
    else
      high = middle;
  }
  return bn_script_ids[low];
}

static inline uint32_t
lower (uint32_t cp)
{
  const uint32_t mask = (1u << BN_LOWER_BLOCK_SHIFT) - 1;

  if (cp >= bn_lower_limit)
    return cp;
  return cp
         + (uint32_t) bn_lower_deltas[bn_lower_records
                 [(unsigned) bn_lower_index[cp >> BN_LOWER_BLOCK_SHIFT]
                         << BN_LOWER_BLOCK_SHIFT
                     | (cp & mask)]];
}

uint32_t
bn_lower_simple (uint32_t cp)
{
  return bn_unicode_category (cp) == BN_CATEGORY_CN ? cp : lower (cp);
}

unsigned
bn_lower_full (uint32_t cp, uint32_t result[2])
{
  result[0] = lower (cp);
  if (cp != 0x0130)
    return 1;
  result[1] = 0x0307; /* COMBINING DOT ABOVE */
  return 2;
}

/* What the rules must know of the characters before. */
typedef struct {
  BnGraphemeClass last;
  gboolean odd_regionals; /* GB12, GB13: a flag is half done */
  gboolean after_emoji;   /* GB11: pictograph and extensions */
  gboolean after_emoji_zwj;
  gboolean in_conjunct; /* GB9c: consonant and what joins */
  gboolean has_linker;
} GraphemeState;

static gboolean
is_extend (BnGraphemeClass class)
{
  return class == BN_GRAPHEME_EXTEND || class == BN_GRAPHEME_EXTEND_ONLY
         || class == BN_GRAPHEME_LINKER;
}

/* Whether there is a boundary between the characters so far and class. */
static gboolean
is_boundary (const GraphemeState *state, BnGraphemeClass class)
{
  switch (state->last) {
    case BN_GRAPHEME_CR: /* GB3 */
      return class != BN_GRAPHEME_LF;
    case BN_GRAPHEME_LF: /* GB4 */
    case BN_GRAPHEME_CONTROL:
      return TRUE;
    default:
      break;
  }
  if (class == BN_GRAPHEME_CR || class == BN_GRAPHEME_LF
      || class == BN_GRAPHEME_CONTROL) /* GB5 */
    return TRUE;
  /* GB9, GB9a, GB9b */
  if (is_extend (class) || class == BN_GRAPHEME_ZWJ
      || class == BN_GRAPHEME_SPACING || state->last == BN_GRAPHEME_PREPEND)
    return FALSE;

  switch (class) {
    case BN_GRAPHEME_L: /* GB6 */
    case BN_GRAPHEME_LV:
    case BN_GRAPHEME_LVT:
      return state->last != BN_GRAPHEME_L;
    case BN_GRAPHEME_V: /* GB6, GB7 */
      return state->last != BN_GRAPHEME_L && state->last != BN_GRAPHEME_V
             && state->last != BN_GRAPHEME_LV;
    case BN_GRAPHEME_T: /* GB7, GB8 */
      return state->last != BN_GRAPHEME_V && state->last != BN_GRAPHEME_LV
             && state->last != BN_GRAPHEME_T && state->last != BN_GRAPHEME_LVT;
    case BN_GRAPHEME_CONSONANT:
      return !(state->in_conjunct && state->has_linker);
    case BN_GRAPHEME_PICTOGRAPH:
      return !state->after_emoji_zwj;
    case BN_GRAPHEME_REGIONAL:
      return !state->odd_regionals;
    default: /* GB999 */
      return TRUE;
  }
}

static void
advance (GraphemeState *state, BnGraphemeClass class)
{
  state->last = class;
  state->odd_regionals = class == BN_GRAPHEME_REGIONAL && !state->odd_regionals;
  state->after_emoji_zwj = class == BN_GRAPHEME_ZWJ && state->after_emoji;
  state->after_emoji = class == BN_GRAPHEME_PICTOGRAPH
                       || (is_extend (class) && state->after_emoji);
  if (class == BN_GRAPHEME_CONSONANT) {
    state->in_conjunct = TRUE;
    state->has_linker = FALSE;
  } else if (class == BN_GRAPHEME_LINKER) {
    state->has_linker = TRUE;
  } else if (class != BN_GRAPHEME_EXTEND && class != BN_GRAPHEME_ZWJ) {
    state->in_conjunct = FALSE;
  }
}

size_t
bn_grapheme_next (const uint8_t *text, size_t size)
{
  const uint8_t *end = text + size, *p = text;
  GraphemeState state = {.last = BN_GRAPHEME_OTHER};
  uint32_t cp;

  /* Two characters of ASCII are joined only in CR LF. */
  if (size > 1 && text[0] < 0x80 && text[1] < 0x80)
    return text[0] == '\r' && text[1] == '\n' ? 2 : 1;

  while (p < end) {
    unsigned length = bn_utf8_next (p, end, &cp);
    BnGraphemeClass class =
        (BnGraphemeClass) (bn_char_properties (cp) & BN_PROPERTY_GRAPHEME);

    if (p > text && is_boundary (&state, class))
      break;
    advance (&state, class);
    p += length;
  }
  return (size_t) (p - text);
}
