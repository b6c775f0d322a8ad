/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The self-test of a tokenizer: texts become ids and come back.
 *
 * Some tokenizers lose what they are meant to lose: BERT knows no case and no
 * accents, T5 one space of many, and a vocabulary without bytes has a token
 * for what it does not know. Whatever remains when all that is taken from
 * both sides must be equal. */
#include "bn-check.h"

#include <string.h>
#include "gguf/bn-cursor.h"

enum {
  SHOWN_SIZE = 40,
  METASPACE = 0x2581, /* a space that has no token */
};

const char *const bn_check_texts[] = {
    "Hello, world! It's 5 o'clock.",
    "one  two   three    four",
    "a\n\nb\r\n\r\n\tc\n",
    "\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C\xE3\x80\x82",
    "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB \xF0\x9F\x87\xAA\xF0\x9F\x87"
    "\xBA \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD",
    "e\xCC\x81t\xC3\xA9 n\xCC\x83 \xE0\xA4\x95\xE0\xA5\x8D\xE0\xA4\xB7",
    "0 12 345 6789 1234567890 3.14 1e-5",
    "for (i = 0; i < n; i++) x[i] += \"\xC3\xA4\"; // \xD0\xB4\xD0\xB0",
    NULL,
};

/* What no cleaning takes away: letters without case and accents, digits,
 * signs; no white space, whatever stands for it, no U+FFFD. NULL if text is not
 * UTF-8. */
static char *
get_skeleton (const char *text, gssize length)
{
  g_autofree char *decomposed =
      g_utf8_normalize (text, length, G_NORMALIZE_NFKD);
  g_autofree char *folded =
      decomposed ? g_utf8_casefold (decomposed, -1) : NULL;
  GString *out;

  if (folded == NULL)
    return NULL;
  out = g_string_new (NULL);
  for (const char *p = folded; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    if (!g_unichar_isspace (c) && !g_unichar_ismark (c) && g_unichar_isprint (c)
        && c != BN_REPLACEMENT_CHARACTER && c != METASPACE)
      g_string_append_unichar (out, c);
  }
  return g_string_free (out, FALSE);
}

static gboolean
has_same_skeleton (const char *text, const char *decoded, gsize length)
{
  g_autofree char *expected = get_skeleton (text, -1);
  g_autofree char *found = get_skeleton (decoded, (gssize) length);

  return g_strcmp0 (expected, found) == 0;
}

static gboolean
contains (const guint32 *ids, gsize n_ids, guint32 id)
{
  for (gsize i = 0; i < n_ids; i++) {
    if (ids[i] == id)
      return TRUE;
  }
  return FALSE;
}

static gboolean
check_ids (const BnCheck *self, const guint32 *ids, gsize n_ids, GError **error)
{
  for (gsize i = 0; i < n_ids; i++) {
    if (self->n_rows > 0 && ids[i] >= self->n_rows)
      return bn_check_fail (error,
          "the tokenizer makes token %u of a text, the model has %u rows",
          ids[i], self->n_rows);
  }
  return TRUE;
}

/* TRUE, and *is_lossy, if the text does not come back and that is how the
 * tokenizer is made. */
static gboolean
check_text (
    const BnCheck *self, const char *text, gboolean *is_lossy, GError **error)
{
  g_autoptr (GError) local = NULL;
  gsize n_ids, length;
  g_autofree guint32 *ids =
      bitnet_tokenizer_encode (self->tokenizer, text, -1, 0, &n_ids, &local);
  g_autofree char *decoded = NULL;
  g_autofree char *shown = NULL;
  g_autofree char *expected = NULL;

  if (ids == NULL)
    return bn_check_fail (
        error, "the tokenizer cannot encode a text: %s", local->message);
  if (!check_ids (self, ids, n_ids, error))
    return FALSE;
  decoded =
      bitnet_tokenizer_decode (self->tokenizer, ids, n_ids, 0, &length, &local);
  if (decoded == NULL)
    return bn_check_fail (
        error, "the tokenizer cannot decode what it made: %s", local->message);
  if (length == strlen (text) && memcmp (decoded, text, length) == 0)
    return TRUE;
  *is_lossy = TRUE;
  if (contains (ids, n_ids, self->inner->vocab->roles[BN_ROLE_UNK])
      || has_same_skeleton (text, decoded, length))
    return TRUE;
  shown = bn_printable (decoded, MIN (length, SHOWN_SIZE));
  expected = bn_printable (text, MIN (strlen (text), SHOWN_SIZE));
  return bn_check_fail (error,
      "a text comes back from the tokenizer as \"%s\", expected \"%s\"", shown,
      expected);
}

gboolean
bn_check_round_trips (const BnCheck *self, GError **error)
{
  gboolean is_lossy = FALSE;

  for (const char *const *text = bn_check_texts; *text; text++) {
    if (!check_text (self, *text, &is_lossy, error))
      return FALSE;
  }
  /* Of the model's own vocabulary nothing else is to be had. */
  return !is_lossy || self->validation->verified == BN_VERIFIED_BY_PIECES
         || bn_check_warn (self, error,
             "the tokenizer does not keep all of a text: case, accents, spaces "
             "or unknown characters are lost");
}
