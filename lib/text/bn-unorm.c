/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalization, in segments (UAX 15).
 *
 * Nearly all text is normalized already. So a quick check runs over it until
 * a character that the form may change, or that stands in the wrong order.
 * Only the segment around it is worked on, from the last starter that nothing
 * can change up to the next:
 *
 *   t e x t | e ́ ̣ | t e x t        check, segment, check
 *             e ̣ ́                   decompose and put in order
 *             ẹ ́                    compose (NFC, NFKC)
 */
#include "bn-unorm.h"

#include <string.h>

#include "bn-unicode-tables.h"

enum {
  INLINE_SIZE = 64, /* characters of a segment without an allocation */
  INSERTION_SIZE = 32,
  CLASS_SHIFT = 24,
  CP_MASK = (1 << CLASS_SHIFT) - 1,
  N_CLASSES = 256,
};

/* Hangul syllables are composed by arithmetic (standard, 3.12). */
enum {
  L_BASE = 0x1100,
  V_BASE = 0x1161,
  T_BASE = 0x11A7,
  S_BASE = 0xAC00,
  L_COUNT = 19,
  V_COUNT = 21,
  T_COUNT = 28,
  S_COUNT = L_COUNT * V_COUNT * T_COUNT,
};

/* Characters of a segment with the combining class in the highest byte. */
typedef struct {
  uint32_t *data;
  size_t n, n_reserved;
  uint32_t inline_data[INLINE_SIZE];
} Segment;

static inline const BnNormRecord *
record_of (uint32_t cp)
{
  const uint32_t mask = (1u << BN_NORM_BLOCK_SHIFT) - 1;

  if (cp >= bn_norm_limit)
    return &bn_norm_records[0];
  return &bn_norm_records
      [bn_norm_values[(unsigned) bn_norm_index[cp >> BN_NORM_BLOCK_SHIFT]
                          << BN_NORM_BLOCK_SHIFT
                      | (cp & mask)]];
}

/* Flags of the block of a character of more than one byte, of which *length
 * bytes are there; every form's if the text ends inside of it. */
static inline unsigned
block_flags_at (const uint8_t *p, const uint8_t *end, unsigned *length)
{
  uint32_t block;

  *length = bn_utf8_announced_length (*p);
  if (*length == 1 || (size_t) (end - p) < *length)
    return ~0u;
  if (*length == 2)
    block = *p & 0x1F;
  else if (*length == 3)
    block = (*p & 0x0Fu) << 6 | (p[1] & 0x3F);
  else
    block = (*p & 0x07u) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3F);
  return block < bn_norm_limit >> BN_NORM_BLOCK_SHIFT
             ? bn_norm_block_flags[block]
             : 0;
}

static inline const uint8_t *
skip_ascii (const uint8_t *p, const uint8_t *end)
{
  const uint64_t high_bits = UINT64_C (0x8080808080808080);
  uint64_t words[4];

  while ((size_t) (end - p) >= sizeof words) {
    memcpy (words, p, sizeof words);
    if ((words[0] | words[1] | words[2] | words[3]) & high_bits)
      break;
    p += sizeof words;
  }
  while (p < end && *p < 0x80)
    p++;
  return p;
}

size_t
bn_norm_span (BnNormForm form, const uint8_t *text, size_t length)
{
  const unsigned changes = 1u << form;
  const uint8_t *p = text, *end = text + length, *boundary = text;
  unsigned last_class = 0, size;
  uint32_t cp;

  while (p < end) {
    if (*p < 0x80) {
      p = skip_ascii (p, end);
      boundary = p - 1;
      last_class = 0;
      continue;
    }
    if (!(block_flags_at (p, end, &size) & changes)) {
      boundary = p;
      last_class = 0;
      p += size;
      continue;
    }

    size = bn_utf8_next (p, end, &cp);
    const BnNormRecord *record = record_of (cp);

    if (record->flags & changes)
      return (size_t) (boundary - text);
    if (record->combining_class == 0)
      boundary = p;
    else if (record->combining_class < last_class)
      return (size_t) (boundary - text);
    last_class = record->combining_class;
    p += size;
  }
  return length;
}

/* First starter from p on that the form leaves alone. */
static const uint8_t *
segment_end (BnNormForm form, const uint8_t *p, const uint8_t *end)
{
  const unsigned changes = 1u << form;
  unsigned size;
  uint32_t cp;

  for (; p < end; p += size) {
    const BnNormRecord *record;

    size = bn_utf8_next (p, end, &cp);
    record = record_of (cp);
    if (record->combining_class == 0 && !(record->flags & changes))
      break;
  }
  return p;
}

static gboolean
segment_reserve (Segment *self, size_t n)
{
  uint32_t *data;
  size_t n_reserved;

  if (self->n_reserved - self->n >= n)
    return TRUE;
  if (!g_size_checked_add (&n_reserved, self->n_reserved, n)
      || !g_size_checked_mul (&n_reserved, n_reserved, 2))
    return FALSE;
  data = g_try_realloc_n (self->data == self->inline_data ? NULL : self->data,
      n_reserved, sizeof *data);
  if (!data)
    return FALSE;
  if (self->data == self->inline_data)
    memcpy (data, self->inline_data, self->n * sizeof *data);
  self->data = data;
  self->n_reserved = n_reserved;
  return TRUE;
}

static inline void
segment_push (Segment *self, uint32_t cp)
{
  self->data[self->n++] =
      cp | (uint32_t) record_of (cp)->combining_class << CLASS_SHIFT;
}

static gboolean
push_expansion (Segment *self, BnNormForm form, uint32_t cp)
{
  const BnNormRecord *record = record_of (cp);
  const uint32_t *pool = bn_norm_pool + record->offset;
  unsigned n = record->n_canonical;

  if (!segment_reserve (self, UINT8_MAX))
    return FALSE;
  if (cp - S_BASE < S_COUNT) {
    uint32_t syllable = cp - S_BASE;

    segment_push (self, L_BASE + syllable / (V_COUNT * T_COUNT));
    segment_push (self, V_BASE + syllable / T_COUNT % V_COUNT);
    if (syllable % T_COUNT)
      segment_push (self, T_BASE + syllable % T_COUNT);
    return TRUE;
  }
  if ((form == BN_NORM_NFKC || form == BN_NORM_NFKD) && record->n_compatible) {
    pool += record->n_canonical;
    n = record->n_compatible;
  }
  if (n == 0)
    segment_push (self, cp);
  for (unsigned i = 0; i < n; i++)
    segment_push (self, pool[i]);
  return TRUE;
}

/* Puts n characters with a combining class in its order; equals stay in
 * theirs. */
static gboolean
sort_classes (uint32_t *data, size_t n)
{
  if (n <= INSERTION_SIZE) {
    for (size_t i = 1; i < n; i++) {
      uint32_t item = data[i];
      size_t k = i;

      for (; k > 0 && data[k - 1] >> CLASS_SHIFT > item >> CLASS_SHIFT; k--)
        data[k] = data[k - 1];
      data[k] = item;
    }
    return TRUE;
  }

  g_autofree uint32_t *copy = g_try_new (uint32_t, n);
  size_t starts[N_CLASSES + 1] = {0};

  if (!copy)
    return FALSE;
  memcpy (copy, data, n * sizeof *data);
  for (size_t i = 0; i < n; i++)
    starts[(data[i] >> CLASS_SHIFT) + 1]++;
  for (size_t class = 0; class < N_CLASSES; class ++)
    starts[class + 1] += starts[class];
  for (size_t i = 0; i < n; i++)
    data[starts[copy[i] >> CLASS_SHIFT]++] = copy[i];
  return TRUE;
}

static gboolean
segment_order (Segment *self)
{
  for (size_t i = 0, end; i < self->n; i = end) {
    end = i + 1;
    if (self->data[i] >> CLASS_SHIFT == 0)
      continue;
    while (end < self->n && self->data[end] >> CLASS_SHIFT != 0)
      end++;
    if (!sort_classes (self->data + i, end - i))
      return FALSE;
  }
  return TRUE;
}

/* What two characters compose to; 0 if they do not. */
static uint32_t
compose (uint32_t first, uint32_t second)
{
  size_t low = 0, high = bn_n_norm_pairs;

  if (first - L_BASE < L_COUNT && second - V_BASE < V_COUNT)
    return S_BASE + ((first - L_BASE) * V_COUNT + (second - V_BASE)) * T_COUNT;
  if (first - S_BASE < S_COUNT && (first - S_BASE) % T_COUNT == 0
      && second > T_BASE && second - T_BASE < T_COUNT)
    return first + (second - T_BASE);

  while (low < high) {
    size_t middle = (low + high) / 2;
    const BnNormPair *pair = &bn_norm_pairs[middle];

    if (pair->first < first || (pair->first == first && pair->second < second))
      low = middle + 1;
    else
      high = middle;
  }
  return low < bn_n_norm_pairs && bn_norm_pairs[low].first == first
                 && bn_norm_pairs[low].second == second
             ? bn_norm_pairs[low].composed
             : 0;
}

static void
segment_compose (Segment *self)
{
  size_t n = 0, starter = SIZE_MAX;

  for (size_t i = 0; i < self->n; i++) {
    uint32_t item = self->data[i], composed;

    /* What stands between blocks unless it is of a lower class. */
    if (starter != SIZE_MAX
        && (n == starter + 1
            || self->data[n - 1] >> CLASS_SHIFT < item >> CLASS_SHIFT)) {
      composed = compose (self->data[starter], item & CP_MASK);
      if (composed) {
        self->data[starter] = composed;
        continue;
      }
    }
    if (item >> CLASS_SHIFT == 0)
      starter = n;
    self->data[n++] = item;
  }
  self->n = n;
}

static gboolean
append_segment (BnNormForm form, Segment *segment, const uint8_t *p,
    const uint8_t *end, BnBuffer *out)
{
  unsigned size;

  segment->n = 0;
  for (; p < end; p += size) {
    uint32_t cp;

    size = bn_utf8_next (p, end, &cp);
    if (!push_expansion (segment, form, cp))
      return FALSE;
  }
  if (!segment_order (segment))
    return FALSE;
  if (form == BN_NORM_NFC || form == BN_NORM_NFKC)
    segment_compose (segment);

  if (!bn_buffer_reserve (out, 4 * segment->n))
    return FALSE;
  for (size_t i = 0; i < segment->n; i++)
    out->length +=
        bn_utf8_encode (segment->data[i] & CP_MASK, out->data + out->length);
  return TRUE;
}

gboolean
bn_norm_append (
    BnNormForm form, const uint8_t *text, size_t length, BnBuffer *out)
{
  const uint8_t *p = text, *end = text + length;
  gboolean has_memory = TRUE;
  Segment segment;

  segment.data = segment.inline_data;
  segment.n = 0;
  segment.n_reserved = INLINE_SIZE;
  while (has_memory && p < end) {
    size_t span = bn_norm_span (form, p, (size_t) (end - p));
    const uint8_t *start = p + span, *stop = start;

    if (start < end) {
      uint32_t cp;

      stop = segment_end (form, start + bn_utf8_next (start, end, &cp), end);
    }
    has_memory = bn_buffer_append (out, p, span)
                 && append_segment (form, &segment, start, stop, out);
    p = stop;
  }
  if (segment.data != segment.inline_data)
    g_free (segment.data);
  return has_memory;
}
