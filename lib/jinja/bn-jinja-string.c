/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* memmem */
/* Texts and the buffers they grow in. The ranges of untrusted bytes go with
 * every part that is copied. */
#include "bn-jinja-private.h"

#include <string.h>

enum {
  FIRST_CAPACITY = 64,
  FIRST_RANGES = 4,
  BYTES_PER_STEP = 32, /* copying this much counts as one step */
};

const BnJinjaRange bn_j_all = {0, SIZE_MAX};

BnJString *
bn_j_string_new (BnJ *j, const char *text, size_t size, BnJinjaTrust trust)
{
  BnJString *string = bn_j_new (j, BnJString);

  string->text = text != NULL ? text : ""; /* of an empty buffer */
  string->size = size;
  string->n_chars = SIZE_MAX;
  if (trust == BN_JINJA_UNTRUSTED && size > 0) {
    string->ranges = &bn_j_all;
    string->n_ranges = 1;
  }
  return string;
}

BnJValue
bn_j_text (BnJ *j, const char *text)
{
  return bn_j_string (
      bn_j_string_new (j, text, strlen (text), BN_JINJA_TRUSTED));
}

BnJValue
bn_j_copy_text (BnJ *j, const char *text, size_t size)
{
  char *copy = bn_j_alloc (j, size, 1);

  if (size > 0)
    memcpy (copy, text, size);
  return bn_j_string (bn_j_string_new (j, copy, size, BN_JINJA_TRUSTED));
}

/* The first range that ends behind begin. */
static size_t
find_range (const BnJString *string, size_t begin)
{
  size_t low = 0, high = string->n_ranges;

  while (low < high) {
    size_t middle = (low + high) / 2;

    if (string->ranges[middle].end <= begin)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

BnJString *
bn_j_substring (BnJ *j, const BnJString *string, size_t begin, size_t end)
{
  BnJString *part =
      bn_j_string_new (j, string->text + begin, end - begin, BN_JINJA_TRUSTED);
  size_t first, n = 0;

  part->is_markup = string->is_markup;
  if (string->n_ranges == 0 || begin == end)
    return part;
  first = find_range (string, begin);
  while (first + n < string->n_ranges && string->ranges[first + n].begin < end)
    n++;
  if (n == 0)
    return part;
  part->n_ranges = n;
  if (n == 1 && string->ranges[first].begin <= begin
      && string->ranges[first].end >= end) {
    part->ranges = &bn_j_all;
  } else {
    BnJinjaRange *ranges = bn_j_new_n (j, BnJinjaRange, n);

    for (size_t i = 0; i < n; i++) {
      const BnJinjaRange *range = &string->ranges[first + i];

      ranges[i].begin = range->begin > begin ? range->begin - begin : 0;
      ranges[i].end = MIN (range->end, end) - begin;
    }
    part->ranges = ranges;
  }
  return part;
}

size_t
bn_j_count_chars (BnJString *string)
{
  if (string->n_chars == SIZE_MAX) {
    size_t n = 0;

    for (size_t i = 0; i < string->size; i++)
      n += ((guchar) string->text[i] & 0xC0) != 0x80;
    string->n_chars = n;
  }
  return string->n_chars;
}

uint64_t
bn_j_string_hash (const BnJString *string)
{
  static gsize seed = 0; /* per process, so that keys cannot be chosen */
  uint64_t hash;

  if (string->hash != 0)
    return string->hash;
  if (g_once_init_enter (&seed))
    g_once_init_leave (&seed, (gsize) g_random_int () | 1u);
  hash = seed * 0x9E3779B97F4A7C15u;
  for (size_t i = 0; i < string->size; i++)
    hash = (hash ^ (guchar) string->text[i]) * 0x100000001B3u;
  hash ^= hash >> 29;
  hash *= 0xBF58476D1CE4E5B9u;
  hash ^= hash >> 32;
  hash |= (uint64_t) (hash == 0);
  ((BnJString *) (uintptr_t) string)->hash = hash;
  return hash;
}

gboolean
bn_j_string_equal (const BnJString *a, const BnJString *b)
{
  return a == b
         || (a->size == b->size && memcmp (a->text, b->text, a->size) == 0);
}

gboolean
bn_j_string_is (const BnJString *string, const char *text)
{
  return string->size == strlen (text)
         && memcmp (string->text, text, string->size) == 0;
}

gboolean
bn_j_is_untrusted (const BnJString *string)
{
  return string->n_ranges > 0 && string->ranges[0].begin < string->size;
}

size_t
bn_j_offset_of (const BnJString *string, size_t n_chars)
{
  size_t offset = 0;

  if (string->n_chars == string->size)
    return n_chars;
  for (; n_chars > 0; n_chars--) {
    offset++;
    while (
        offset < string->size && ((guchar) string->text[offset] & 0xC0) == 0x80)
      offset++;
  }
  return offset;
}

size_t
bn_j_find (const char *text, size_t size, const char *part, size_t part_size,
    size_t begin)
{
  const char *found;

  if (begin > size || part_size > size - begin)
    return SIZE_MAX;
  if (part_size == 0)
    return begin;
  found = memmem (text + begin, size - begin, part, part_size);
  return found != NULL ? (size_t) (found - text) : SIZE_MAX;
}

/* Buffers */

BnJBuffer *
bn_j_buffer_new (BnJ *j, size_t capacity)
{
  BnJBuffer *buffer = bn_j_new (j, BnJBuffer);

  if (capacity > 0)
    buffer->text = bn_j_alloc (j, capacity, 1);
  buffer->capacity = capacity;
  return buffer;
}

static void
reserve (BnJ *j, BnJBuffer *buffer, size_t size)
{
  size_t needed = buffer->used + size, capacity;
  char *text;

  if (size > j->limits.max_text_size
      || buffer->used > j->limits.max_text_size - size)
    bn_j_fail (j,
        "a text is longer than the limit of %" G_GSIZE_FORMAT " bytes",
        j->limits.max_text_size);
  bn_j_step (j, size / BYTES_PER_STEP);
  if (needed <= buffer->capacity)
    return;
  capacity = MAX (needed, 2 * buffer->used);
  capacity = MAX (capacity, (size_t) FIRST_CAPACITY);
  text = bn_j_alloc (j, capacity, 1);
  bn_j_step (j, buffer->used / BYTES_PER_STEP);
  if (buffer->used > 0)
    memcpy (text, buffer->text, buffer->used);
  buffer->text = text;
  buffer->capacity = capacity;
}

/* From the end of the buffer on. */
static void
add_range (BnJ *j, BnJBuffer *buffer, size_t begin, size_t end)
{
  if (buffer->n_ranges > 0
      && buffer->ranges[buffer->n_ranges - 1].end >= begin) {
    buffer->ranges[buffer->n_ranges - 1].end = end;
    return;
  }
  if (buffer->n_ranges == buffer->n_ranges_allocated) {
    size_t n = MAX (2 * buffer->n_ranges, (size_t) FIRST_RANGES);
    BnJinjaRange *ranges = bn_j_new_n (j, BnJinjaRange, n);

    if (buffer->n_ranges > 0)
      memcpy (ranges, buffer->ranges, buffer->n_ranges * sizeof *ranges);
    buffer->ranges = ranges;
    buffer->n_ranges_allocated = n;
  }
  buffer->ranges[buffer->n_ranges++] = (BnJinjaRange){begin, end};
}

void
bn_j_append (BnJ *j, BnJBuffer *buffer, const char *text, size_t size,
    BnJinjaTrust trust)
{
  if (size == 0)
    return;
  reserve (j, buffer, size);
  memcpy (buffer->text + buffer->used, text, size);
  if (trust == BN_JINJA_UNTRUSTED)
    add_range (j, buffer, buffer->used, buffer->used + size);
  buffer->used += size;
}

void
bn_j_append_text (BnJ *j, BnJBuffer *buffer, const char *text)
{
  bn_j_append (j, buffer, text, strlen (text), BN_JINJA_TRUSTED);
}

void
bn_j_append_part (BnJ *j, BnJBuffer *buffer, const BnJString *string,
    size_t begin, size_t end)
{
  size_t base = buffer->used;

  if (begin >= end)
    return;
  bn_j_append (j, buffer, string->text + begin, end - begin, BN_JINJA_TRUSTED);
  for (size_t i = find_range (string, begin);
       i < string->n_ranges && string->ranges[i].begin < end; i++)
    add_range (j, buffer, base + MAX (string->ranges[i].begin, begin) - begin,
        base + MIN (string->ranges[i].end, end) - begin);
}

void
bn_j_append_string (BnJ *j, BnJBuffer *buffer, const BnJString *string)
{
  bn_j_append_part (j, buffer, string, 0, string->size);
}

BnJString *
bn_j_buffer_finish (BnJ *j, BnJBuffer *buffer)
{
  BnJString *string =
      bn_j_string_new (j, buffer->text, buffer->used, BN_JINJA_TRUSTED);

  string->ranges = buffer->ranges;
  string->n_ranges = buffer->n_ranges;
  string->buffer = buffer;
  return string;
}

BnJString *
bn_j_buffer_finish_as (BnJ *j, BnJBuffer *buffer, gboolean is_untrusted)
{
  return bn_j_string_new (j, buffer->text, buffer->used,
      is_untrusted ? BN_JINJA_UNTRUSTED : BN_JINJA_TRUSTED);
}

BnJString *
bn_j_concat (BnJ *j, BnJString *a, BnJString *b)
{
  BnJBuffer *buffer = a->buffer;

  if (a->size == 0)
    return b;
  if (b->size == 0)
    return a;
  if (buffer == NULL || buffer->text != a->text || buffer->used != a->size
      || buffer->n_ranges != a->n_ranges || buffer->ranges != a->ranges) {
    buffer = bn_j_buffer_new (j, a->size + b->size);
    bn_j_append_string (j, buffer, a);
  }
  bn_j_append_string (j, buffer, b);
  return bn_j_buffer_finish (j, buffer);
}
