/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds the double array: sorts the keys, then places node after node where
 * the units for all its ways on are free. Units that are free are linked to a
 * ring, but only those of the last blocks, so that the search is short. */
#include "bn-trie.h"

#include <string.h>

enum {
  BLOCK = 256,      /* the units that one node can reach */
  OPEN_BLOCKS = 16, /* blocks in which units are still given out */
  MAX_TRIES = 128,  /* places that are looked at for a node */
  NO_LABEL = 256,
  FIRST_BLOCKS = 64, /* that memory is taken for at first */
  MAX_UNITS = 1 << 30,
};

#define FREE_UNIT ((uint64_t) NO_LABEL << BN_TRIE_LABEL_SHIFT)

/* A key and its first bytes as a number of the same order. */
typedef struct {
  uint64_t prefix;
  uint32_t index;
} SortKey;

typedef struct {
  uint32_t prev, next; /* free units of the ring */
  gboolean is_free;
  gboolean is_root; /* a node has this offset */
} Extra;

/* Keys [first, end), which have the first depth bytes in common. */
typedef struct {
  uint32_t first, end;
  uint32_t depth;
  uint32_t unit; /* that leads to the node; NO_UNIT: the root */
} Range;

#define NO_UNIT UINT32_MAX

typedef struct {
  BnTrie *trie;
  const BnTrieKey *keys;
  uint32_t n_reserved;
  Extra extras[OPEN_BLOCKS * BLOCK]; /* of unit i at i mod the number */
  uint32_t head;                     /* a free unit, NO_UNIT if there is none */
} Builder;

static int
compare_texts (gconstpointer a, gconstpointer b, gpointer data)
{
  const SortKey *one = a, *two = b;
  const BnTrieKey *keys = data;
  const BnTrieKey *left = &keys[one->index], *right = &keys[two->index];
  int order =
      memcmp (left->text, right->text, MIN (left->length, right->length));

  if (order == 0)
    order = (left->length > right->length) - (left->length < right->length);
  /* Of equal ones the first stays first. */
  return order != 0 ? order
                    : (one->index > two->index) - (one->index < two->index);
}

/* Sorts by prefix, equal ones stay in order: byte by byte from the last. */
static SortKey *
sort_prefixes (SortKey *from, SortKey *to, size_t n)
{
  for (unsigned shift = 0; shift < 64; shift += 8) {
    size_t starts[256] = {0}, sum = 0;
    SortKey *swap;

    for (size_t i = 0; i < n; i++)
      starts[from[i].prefix >> shift & 0xFF]++;
    if (starts[from[0].prefix >> shift & 0xFF] == n)
      continue;
    for (unsigned byte = 0; byte < 256; byte++) {
      size_t count = starts[byte];

      starts[byte] = sum;
      sum += count;
    }
    for (size_t i = 0; i < n; i++)
      to[starts[from[i].prefix >> shift & 0xFF]++] = from[i];
    swap = from;
    from = to;
    to = swap;
  }
  return from;
}

static gboolean
sort_keys (BnTrieKey *keys, size_t n)
{
  SortKey *sorted = g_try_new (SortKey, n), *other = g_try_new (SortKey, n);
  BnTrieKey *copy = g_try_new (BnTrieKey, n);
  gboolean is_done = sorted && other && copy;

  if (is_done) {
    SortKey *result;

    for (size_t i = 0; i < n; i++) {
      uint64_t prefix = 0;

      memcpy (&prefix, keys[i].text, MIN (keys[i].length, sizeof prefix));
      sorted[i] = (SortKey){GUINT64_FROM_BE (prefix), (uint32_t) i};
    }
    result = sort_prefixes (sorted, other, n);
    for (size_t i = 0, end; i < n; i = end) {
      for (end = i + 1; end < n && result[end].prefix == result[i].prefix;)
        end++;
      if (end - i > 1)
        g_qsort_with_data (
            result + i, (gint) (end - i), sizeof *result, compare_texts, keys);
    }
    for (size_t i = 0; i < n; i++)
      copy[i] = keys[result[i].index];
    memcpy (keys, copy, n * sizeof *keys);
  }
  g_free (sorted);
  g_free (other);
  g_free (copy);
  return is_done;
}

static inline Extra *
extra (Builder *self, uint32_t unit)
{
  return &self->extras[unit % (OPEN_BLOCKS * BLOCK)];
}

static void
take_unit (Builder *self, uint32_t unit)
{
  Extra *taken = extra (self, unit);

  taken->is_free = FALSE;
  if (taken->next == unit) {
    self->head = NO_UNIT;
    return;
  }
  extra (self, taken->prev)->next = taken->next;
  extra (self, taken->next)->prev = taken->prev;
  if (self->head == unit)
    self->head = taken->next;
}

/* Appends a block of free units and closes the oldest one that is open. */
static gboolean
add_block (Builder *self)
{
  BnTrie *trie = self->trie;
  uint32_t start = trie->n_units;

  if (start >= OPEN_BLOCKS * BLOCK) {
    for (uint32_t i = 0; i < BLOCK; i++) {
      uint32_t unit = start - OPEN_BLOCKS * BLOCK + i;

      if (extra (self, unit)->is_free)
        take_unit (self, unit);
    }
  }
  if (start == self->n_reserved) {
    uint32_t wanted =
        start == 0 ? FIRST_BLOCKS * BLOCK : start / BLOCK * 3 / 2 * BLOCK;
    uint64_t *units = wanted > MAX_UNITS ? NULL
                                         : g_try_realloc_n (trie->units, wanted,
                                             sizeof *units);

    if (units == NULL)
      return FALSE;
    trie->units = units;
    self->n_reserved = wanted;
  }
  for (uint32_t i = start; i < start + BLOCK; i++) {
    uint32_t head = self->head == NO_UNIT ? i : self->head;
    uint32_t last = head == i ? i : extra (self, head)->prev;

    trie->units[i] = FREE_UNIT;
    *extra (self, i) = (Extra){last, head, TRUE, FALSE};
    extra (self, last)->next = i;
    extra (self, head)->prev = i;
    self->head = head;
  }
  trie->n_units += BLOCK;
  return TRUE;
}

static gboolean
fits (Builder *self, uint32_t node, const uint8_t *labels, unsigned n_labels)
{
  if (extra (self, node)->is_root)
    return FALSE;
  for (unsigned i = 0; i < n_labels; i++) {
    if (!extra (self, node ^ labels[i])->is_free)
      return FALSE;
  }
  return TRUE;
}

/* The offset for a node with these ways on. */
static gboolean
find_place (
    Builder *self, const uint8_t *labels, unsigned n_labels, uint32_t *node)
{
  uint32_t unit = self->head;

  for (unsigned i = 0; i < MAX_TRIES && unit != NO_UNIT; i++) {
    *node = unit ^ labels[0];
    if (fits (self, *node, labels, n_labels))
      return TRUE;
    unit = extra (self, unit)->next;
    if (unit == self->head)
      break;
  }
  *node = self->trie->n_units;
  return add_block (self);
}

/* Splits a range of keys, none of which ends at its depth, by the next byte:
 * where each part ends. */
static unsigned
split_range (
    const BnTrieKey *keys, const Range *range, uint8_t *labels, uint32_t *ends)
{
  unsigned n = 0;

  for (uint32_t i = range->first; i < range->end;) {
    uint8_t label = keys[i].text[range->depth];
    uint32_t step = 1, low = i, high;

    /* Looks ahead in growing steps, then between the last two. */
    while (low + step < range->end
           && keys[low + step].text[range->depth] == label) {
      low += step;
      step *= 2;
    }
    high = MIN (low + step, range->end);
    while (high - low > 1) {
      uint32_t middle = low + (high - low) / 2;

      if (keys[middle].text[range->depth] == label)
        low = middle;
      else
        high = middle;
    }
    labels[n] = label;
    ends[n++] = high;
    i = high;
  }
  return n;
}

static gboolean
place_ranges (Builder *self, GArray *ranges)
{
  BnTrie *trie = self->trie;

  while (ranges->len > 0) {
    Range range = g_array_index (ranges, Range, ranges->len - 1);
    uint8_t labels[256];
    uint32_t ends[256], node;
    unsigned n;

    g_array_set_size (ranges, ranges->len - 1);
    /* Keys that end here stand first. */
    if (range.unit != NO_UNIT
        && self->keys[range.first].length == range.depth) {
      trie->units[range.unit] += self->keys[range.first].value + 1u;
      while (range.first < range.end
             && self->keys[range.first].length == range.depth)
        range.first++;
    }
    if (range.first == range.end)
      continue;

    n = split_range (self->keys, &range, labels, ends);
    if (!find_place (self, labels, n, &node))
      return FALSE;
    extra (self, node)->is_root = TRUE;
    if (range.unit == NO_UNIT)
      trie->root = node;
    else
      trie->units[range.unit] |= (uint64_t) node << BN_TRIE_NODE_SHIFT;
    for (unsigned i = 0; i < n; i++) {
      uint32_t unit = node ^ labels[i];
      Range part = {
          i > 0 ? ends[i - 1] : range.first, ends[i], range.depth + 1, unit};

      take_unit (self, unit);
      trie->units[unit] = (uint64_t) labels[i] << BN_TRIE_LABEL_SHIFT;
      g_array_append_val (ranges, part);
    }
  }
  return TRUE;
}

BnTrie *
bn_trie_new (BnTrieKey *keys, size_t n_keys)
{
  g_autoptr (BnTrie) self = g_new0 (BnTrie, 1);
  g_autoptr (GArray) ranges = g_array_new (FALSE, FALSE, sizeof (Range));
  g_autofree Builder *builder = g_new0 (Builder, 1);
  Range all = {0, (uint32_t) n_keys, 0, NO_UNIT};

  if (n_keys > BN_TRIE_MAX_VALUE || (n_keys > 0 && !sort_keys (keys, n_keys)))
    return NULL;
  for (size_t i = 0; i < n_keys; i++)
    self->max_length = MAX (self->max_length, keys[i].length);
  *builder = (Builder){.trie = self, .keys = keys, .head = NO_UNIT};
  if (!add_block (builder))
    return NULL;
  /* Nodes without a way on have the offset 0, so nobody else may. */
  extra (builder, 0)->is_root = TRUE;
  if (n_keys > 0)
    g_array_append_val (ranges, all);
  if (!place_ranges (builder, ranges))
    return NULL;
  return g_steal_pointer (&self);
}

void
bn_trie_free (BnTrie *self)
{
  g_free (self->units);
  g_free (self);
}

size_t
bn_trie_find_longest (
    const BnTrie *self, const uint8_t *text, size_t length, uint32_t *value)
{
  uint32_t node = self->root, found;
  size_t found_length = 0;

  for (size_t i = 0; i < length && bn_trie_step (self, &node, text[i], &found);
       i++) {
    if (found != BN_TRIE_NONE) {
      *value = found;
      found_length = i + 1;
    }
  }
  return found_length;
}
