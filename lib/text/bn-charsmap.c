/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walks the double array of a precompiled_charsmap.
 *
 *   u32 size of the array in bytes | units of u32 | texts that end with NUL
 *
 * All numbers are little-endian. A unit either leads on or is a value:
 *
 *   bits 0-7 and 31  byte that leads here; bit 31 is set only in values
 *   bit 8            an entry ends here, its value is the unit at the offset
 *   bit 9            the offset counts in 256
 *   bits 10-30       offset, combined by exclusive or with the unit's own index
 *   bits 0-30        of a value: where in the texts the replacement begins
 *
 * Every step takes one byte of the text, so that no table, whatever is in it,
 * can keep the walk from ending. */
#include "bn-charsmap.h"

#include "bitnet-error.h"
#include "bn-unicode.h"

enum {
  HEADER_SIZE = 4,
  UNIT_SIZE = 4,
};

#define UNIT_LABEL(unit) ((unit) &0x800000FFu)
#define UNIT_IS_ENTRY(unit) ((unit) >> 8 & 1)
#define UNIT_OFFSET(unit) ((unit) >> 10 << (((unit) &0x200u) >> 6))
#define UNIT_VALUE(unit) ((unit) &0x7FFFFFFFu)

struct BnCharsmap {
  uint32_t *units;
  uint32_t n_units;
  uint8_t *texts; /* ends with NUL */
  size_t texts_size;
  uint8_t first[256]; /* of bytes; FIRST_... */
};

enum {
  FIRST_ALONE = 1 << 0, /* the byte is an entry */
  FIRST_ASCII = 1 << 1, /* so is something that goes on with ASCII */
  FIRST_OTHER = 1 << 2, /* or with another byte */
};

/* Goes on from *node by a byte: TRUE if there is a way. Sets *value if an
 * entry ends there, else to UINT32_MAX. */
static inline gboolean
step (const BnCharsmap *self, uint32_t *node, uint8_t byte, uint32_t *value)
{
  uint32_t at = *node ^ byte, unit;

  *value = UINT32_MAX;
  if (at >= self->n_units)
    return FALSE;
  unit = self->units[at];
  if (UNIT_LABEL (unit) != byte || byte == 0)
    return FALSE;
  *node = at ^ UNIT_OFFSET (unit);
  if (UNIT_IS_ENTRY (unit) && *node < self->n_units)
    *value = UNIT_VALUE (self->units[*node]);
  return TRUE;
}

static inline uint32_t
root (const BnCharsmap *self)
{
  return UNIT_OFFSET (self->units[0]);
}

/* What each byte can begin, so that most text need not be looked up. */
static void
scan_first_bytes (BnCharsmap *self)
{
  for (unsigned byte = 1; byte < 256; byte++) {
    uint32_t node = root (self), value;

    if (!step (self, &node, (uint8_t) byte, &value))
      continue;
    if (value != UINT32_MAX)
      self->first[byte] |= FIRST_ALONE;
    for (unsigned next = 1; next < 256; next++) {
      uint32_t after = node;

      if (step (self, &after, (uint8_t) next, &value))
        self->first[byte] |= next < 0x80 ? FIRST_ASCII : FIRST_OTHER;
    }
  }
}

BnCharsmap *
bn_charsmap_new (const void *blob, size_t size, GError **error)
{
  const uint8_t *bytes = blob;
  BnCharsmap *self;
  uint32_t array_size;
  size_t texts_offset, bad;

  if (size <= HEADER_SIZE + UNIT_SIZE) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "precompiled_charsmap has %" G_GSIZE_FORMAT
        " bytes, expected more than %d",
        size, HEADER_SIZE + UNIT_SIZE);
    return NULL;
  }
  memcpy (&array_size, bytes, sizeof array_size);
  array_size = GUINT32_FROM_LE (array_size);
  if (array_size < UNIT_SIZE || array_size % UNIT_SIZE != 0
      || array_size >= size - HEADER_SIZE) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "precompiled_charsmap has an array of %u bytes at offset 0, expected "
        "a multiple of %d below %" G_GSIZE_FORMAT,
        array_size, UNIT_SIZE, size - HEADER_SIZE);
    return NULL;
  }
  texts_offset = HEADER_SIZE + (size_t) array_size;
  if (!bn_utf8_validate (bytes + texts_offset, size - texts_offset, &bad)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "precompiled_charsmap has byte 0x%02X at offset %" G_GSIZE_FORMAT
        ", expected UTF-8",
        bytes[texts_offset + bad], texts_offset + bad);
    return NULL;
  }

  self = g_new0 (BnCharsmap, 1);
  self->n_units = array_size / UNIT_SIZE;
  self->units = g_memdup2 (bytes + HEADER_SIZE, array_size);
  for (uint32_t i = 0; i < self->n_units; i++)
    self->units[i] = GUINT32_FROM_LE (self->units[i]);
  self->texts_size = size - texts_offset;
  self->texts = g_malloc (self->texts_size + 1);
  memcpy (self->texts, bytes + texts_offset, self->texts_size);
  self->texts[self->texts_size] = '\0';
  scan_first_bytes (self);
  return self;
}

void
bn_charsmap_free (BnCharsmap *self)
{
  g_free (self->units);
  g_free (self->texts);
  g_free (self);
}

gboolean
bn_charsmap_may_begin (
    const BnCharsmap *self, uint8_t byte, gboolean followed_by_ascii)
{
  return self->first[byte]
         & (FIRST_ALONE | (followed_by_ascii ? FIRST_ASCII : FIRST_OTHER));
}

/* The text of a value; FALSE if the value leads out of the texts or into a
 * character. */
static gboolean
get_text (const BnCharsmap *self, uint32_t value, const uint8_t **text,
    size_t *length)
{
  if (value >= self->texts_size || (self->texts[value] & 0xC0) == 0x80)
    return FALSE;
  *text = self->texts + value;
  *length = strlen ((const char *) *text);
  return TRUE;
}

size_t
bn_charsmap_find_longest (const BnCharsmap *self, const uint8_t *text,
    size_t length, const uint8_t **replacement, size_t *replacement_length)
{
  uint32_t node = root (self), value, found = UINT32_MAX;
  size_t found_length = 0;

  for (size_t i = 0; i < length && step (self, &node, text[i], &value); i++) {
    if (value != UINT32_MAX) {
      found = value;
      found_length = i + 1;
    }
  }
  if (found_length > 0
      && !get_text (self, found, replacement, replacement_length))
    return 0;
  return found_length;
}

size_t
bn_charsmap_find_shortest (const BnCharsmap *self, const uint8_t *text,
    size_t length, const uint8_t **replacement, size_t *replacement_length)
{
  uint32_t node = root (self), value;

  for (size_t i = 0; i < length && step (self, &node, text[i], &value); i++) {
    if (value != UINT32_MAX)
      return get_text (self, value, replacement, replacement_length) ? i + 1
                                                                     : 0;
  }
  return 0;
}
