/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strict UTF-8: no surrogates, nothing above U+10FFFF, no overlong forms.
 * Everything here is built on bn_utf8_decode(). */
#include "bn-unicode.h"

#include <string.h>

#include "kernels/bn-kernels.h"

static const char replacement[] = "\xEF\xBF\xBD";

int
bn_utf8_decode (const uint8_t *p, size_t size, uint32_t *cp)
{
  uint8_t lead = p[0];
  /* Range of the second byte; it excludes overlong forms and surrogates. */
  uint8_t low = 0x80, high = 0xBF;
  unsigned length;

  if (lead < 0x80) {
    *cp = lead;
    return 1;
  }
  if (lead < 0xC2 || lead > 0xF4)
    return -1;
  if (lead < 0xE0) {
    length = 2;
    *cp = lead & 0x1F;
  } else if (lead < 0xF0) {
    length = 3;
    *cp = lead & 0x0F;
    if (lead == 0xE0)
      low = 0xA0;
    else if (lead == 0xED)
      high = 0x9F;
  } else {
    length = 4;
    *cp = lead & 0x07;
    if (lead == 0xF0)
      low = 0x90;
    else if (lead == 0xF4)
      high = 0x8F;
  }

  for (unsigned i = 1; i < length; i++) {
    if (i == size)
      return 0;
    if (p[i] < low || p[i] > high)
      return -(int) i;
    *cp = *cp << 6 | (p[i] & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return (int) length;
}

/* The length of the valid character, not ASCII, that word begins with, as read
 * from memory in little-endian order; 0 if there is none. bn_utf8_decode()
 * with all its conditions at once. */
static inline unsigned
character_length (uint32_t word)
{
  const uint32_t rest3 = word & 0x200F, rest4 = word & 0x3007;

  /* Not E0 80..9F (overlong), not ED A0..BF (surrogates). */
  if ((word & 0xC0C0F0) == 0x8080E0 && rest3 != 0 && rest3 != 0x200D)
    return 3;
  if ((word & 0xC0E0) == 0x80C0 && (word & 0x1E) != 0)
    return 2;
  /* Not F0 80..8F (overlong), not above F4 8F. */
  if ((word & 0xC0C0C0F8) == 0x808080F0 && rest4 != 0
      && ((word & 0x07) < 4 || rest4 == 0x04))
    return 4;
  return 0;
}

gboolean
bn_utf8_validate (const uint8_t *text, size_t size, size_t *bad)
{
  const uint64_t high_bits = UINT64_C (0x8080808080808080);
  /* Most is checked many bytes at a time; the rest has the error or is the
   * end. */
  size_t i = size > 0 ? bn_kernels_get ()->utf8_check (text, size) : 0;

  while (size - i >= sizeof (uint64_t)) {
    uint64_t word;
    uint32_t lead;
    unsigned length;

    memcpy (&word, text + i, sizeof word);
    word = GUINT64_FROM_LE (word);
    if (!(word & high_bits)) {
      i += sizeof word;
      continue;
    }
    while (text[i] < 0x80)
      i++;
    for (length = 1; size - i >= sizeof lead && text[i] >= 0x80; i += length) {
      memcpy (&lead, text + i, sizeof lead);
      length = character_length (GUINT32_FROM_LE (lead));
      if (length == 0) {
        *bad = i;
        return FALSE;
      }
    }
  }
  while (i < size) {
    uint32_t cp;
    int length = bn_utf8_decode (text + i, size - i, &cp);

    if (length <= 0) {
      *bad = i;
      return FALSE;
    }
    i += (unsigned) length;
  }
  return TRUE;
}

/* For an invalid subpart of so many bytes. */
static void
mark_invalid (const BnUtf8Joiner *self, unsigned n_bytes, GString *out)
{
  for (unsigned i = self->marks_bytes ? n_bytes : 1; i > 0; i--)
    g_string_append_len (out, replacement, sizeof replacement - 1);
}

void
bn_utf8_joiner_push (
    BnUtf8Joiner *self, const uint8_t *bytes, size_t size, GString *out)
{
  uint32_t cp;
  size_t i = 0;

  /* Finish the pending character byte by byte. A byte that cannot continue
   * it is looked at again as the first of something new. */
  while (self->n_pending > 0 && i < size) {
    self->pending[self->n_pending] = bytes[i];
    int length = bn_utf8_decode (self->pending, self->n_pending + 1, &cp);

    if (length < 0) {
      mark_invalid (self, self->n_pending, out);
      self->n_pending = 0;
      break;
    }
    self->n_pending++;
    i++;
    if (length > 0) {
      g_string_append_len (out, (const char *) self->pending, length);
      self->n_pending = 0;
    }
  }

  size_t valid = i;

  while (i < size) {
    int length = bn_utf8_decode (bytes + i, size - i, &cp);

    if (length > 0) {
      i += (unsigned) length;
      continue;
    }
    g_string_append_len (
        out, (const char *) bytes + valid, (gssize) (i - valid));
    if (length == 0) {
      self->n_pending = (unsigned) (size - i);
      memcpy (self->pending, bytes + i, self->n_pending);
      return;
    }
    mark_invalid (self, (unsigned) -length, out);
    i += (unsigned) -length;
    valid = i;
  }
  g_string_append_len (out, (const char *) bytes + valid, (gssize) (i - valid));
}

void
bn_utf8_joiner_finish (BnUtf8Joiner *self, GString *out)
{
  if (self->n_pending > 0)
    mark_invalid (self, self->n_pending, out);
  self->n_pending = 0;
}
