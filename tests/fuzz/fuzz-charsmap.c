/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A text of one to 32 bytes, whose length the first byte says, and a table of
 * characters: it is refused, or it can be looked up in at every place. */
#include <stdlib.h>

#include "fuzz.h"
#include "text/bn-charsmap.h"
#include "text/bn-spnormalizer.h"
#include "text/bn-unicode.h"

enum { MAX_TEXT = 32 };

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

static void
look_up (const BnCharsmap *charsmap, const uint8_t *text, size_t length)
{
  const uint8_t *replacement = NULL;
  size_t size, bad, longest, shortest;

  longest =
      bn_charsmap_find_longest (charsmap, text, length, &replacement, &size);
  check (longest <= length, "an entry is in the text");
  check (longest == 0 || bn_utf8_validate (replacement, size, &bad),
      "a replacement is UTF-8");
  check (longest == 0
             || bn_charsmap_may_begin (
                 charsmap, text[0], length > 1 && text[1] < 0x80),
      "what begins an entry is known");
  shortest =
      bn_charsmap_find_shortest (charsmap, text, length, &replacement, &size);
  check (shortest <= length && (longest == 0 || shortest <= longest),
      "the shortest is no longer than the longest");
}

static void
normalize (
    const uint8_t *text, size_t length, const uint8_t *blob, size_t blob_size)
{
  BnBuffer out = {.length = 0};
  size_t bad;

  for (unsigned flags = 0; flags < 32; flags++) {
    const BnSpNormalizerOptions options = {.is_llama_cpp = flags & 1,
        .add_prefix = (flags & 2) != 0,
        .remove_extra = (flags & 4) != 0,
        .escape = (flags & 8) != 0,
        .add_as_suffix = (flags & 16) != 0};
    BnSpNormalizer *normalizer = bn_spnormalizer_new (
        &options, bn_charsmap_new (blob, blob_size, NULL), NULL);

    check (bn_spnormalizer_apply (normalizer, text, length, TRUE, &out),
        "a text is normalized");
    check (bn_utf8_validate (out.data, out.length, &bad),
        "normalized text is UTF-8");
    bn_spnormalizer_free (normalizer);
  }
  bn_buffer_clear (&out);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  BnCharsmap *charsmap;
  size_t length;

  if (size == 0)
    return 0;
  length = MIN ((size_t) data[0] % MAX_TEXT, size - 1);
  charsmap = bn_charsmap_new (data + 1 + length, size - 1 - length, NULL);
  if (charsmap == NULL)
    return 0;
  for (size_t i = 0; i < length; i++)
    look_up (charsmap, data + 1 + i, length - i);
  bn_charsmap_free (charsmap);
  normalize (data + 1, length, data + 1 + length, size - 1 - length);
  return 0;
}
