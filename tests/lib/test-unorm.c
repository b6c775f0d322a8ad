/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalization against GLib's, which has newer tables: what was assigned in
 * Unicode 9.0 has the same forms ever since, so GLib agrees for everything
 * but the few characters that have come later. */
#include <glib.h>
#include <string.h>

#include "bn-unicode.h"
#include "bn-unorm.h"

static const struct {
  const char *name;
  BnNormForm form;
  GNormalizeMode mode;
} forms[] = {
    {"NFC", BN_NORM_NFC, G_NORMALIZE_NFC},
    {"NFKC", BN_NORM_NFKC, G_NORMALIZE_NFKC},
    {"NFD", BN_NORM_NFD, G_NORMALIZE_NFD},
    {"NFKD", BN_NORM_NFKD, G_NORMALIZE_NFKD},
};

static void
append (GString *text, guint32 cp)
{
  guint8 bytes[4];

  g_string_append_len (text, (char *) bytes, bn_utf8_encode (cp, bytes));
}

static char *
normalize (BnNormForm form, const char *text, gsize length)
{
  BnBuffer out = {.length = 0};
  char *result;

  g_assert_true (bn_norm_append (form, (const guint8 *) text, length, &out));
  result = g_strndup ((char *) out.data, out.length);
  bn_buffer_clear (&out);
  return result;
}

/* Characters that both know, so that every difference is a fault. */
static gboolean
is_common (guint32 cp)
{
  /* Marks and letters with decompositions that came after 9.0. */
  static const struct {
    guint32 first, last;
  } later[] = {{0x07FD, 0x07FD}, {0x0898, 0x089F}, {0x08CA, 0x08D3},
      {0x09FE, 0x09FE}, {0x0B55, 0x0B55}, {0x0C3C, 0x0C3C}, {0x0D3B, 0x0D3C},
      {0x0EBA, 0x0EBA}, {0x0ECE, 0x0ECE}, {0x180F, 0x180F}, {0x1ABF, 0x1ACE},
      {0x1DF6, 0x1DFA}, {0x1DFB, 0x1DFB}, {0x32FF, 0x32FF}, {0xA7F2, 0xA7F4},
      {0xA82C, 0xA82C}, {0xAB69, 0xAB6B}, {0x10780, 0x107BF},
      {0x10A34, 0x10A35}, {0x10D24, 0x10D27}, {0x10EAB, 0x10EFF},
      {0x10F46, 0x10F85}, {0x11070, 0x11070}, {0x110C2, 0x110C2},
      {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
      {0x11938, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A99},
      {0x11D42, 0x11D97}, {0x11F41, 0x11F42}, {0x1611E, 0x1612F},
      {0x16D67, 0x16D6A}, {0x16FF0, 0x16FF1}, {0x1CCD6, 0x1CCF9},
      {0x1DF00, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2EF},
      {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}, {0x1F16C, 0x1F16C},
      {0x1FBF0, 0x1FBF9}, {0x10EFA, 0x10EFC}, {0x105C0, 0x105FF},
      {0x11380, 0x113FF}};

  for (gsize i = 0; i < G_N_ELEMENTS (later); i++) {
    if (cp >= later[i].first && cp <= later[i].last)
      return FALSE;
  }
  return TRUE;
}

static void
test_characters (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  guint n_changed = 0;

  for (guint32 cp = 1; cp < 0x110000; cp++) {
    g_autoptr (GString) text = g_string_new (NULL);
    g_autofree char *ours = NULL, *theirs = NULL;

    if ((cp >= 0xD800 && cp < 0xE000) || !is_common (cp))
      continue;
    append (text, cp);
    ours = normalize (forms[i].form, text->str, text->len);
    theirs = g_utf8_normalize (text->str, (gssize) text->len, forms[i].mode);
    if (strcmp (ours, theirs) != 0)
      g_error ("%s of U+%04X is \"%s\", not \"%s\"", forms[i].name, cp, ours,
          theirs);
    n_changed += strcmp (ours, text->str) != 0;
  }
  g_assert_cmpuint (n_changed, >, 1000);
}

/* Characters that decompose, compose and change places. */
static guint32
random_character (GRand *rand)
{
  static const struct {
    guint32 first, last;
  } ranges[] = {{0x20, 0x7E}, {0xA0, 0x17F}, {0x300, 0x36F}, {0x300, 0x36F},
      {0x591, 0x5C7}, {0x64B, 0x65F}, {0x915, 0x95F}, {0x9BE, 0x9DF},
      {0xDCA, 0xDDF}, {0xF71, 0xF95}, {0x1100, 0x11FF}, {0xAC00, 0xAD00},
      {0x1E00, 0x1FFF}, {0x1F00, 0x1FFF}, {0x212A, 0x212B}, {0x304B, 0x309A},
      {0xF900, 0xFAFF}, {0xFB00, 0xFB4F}, {0xFF66, 0xFF9F}, {0x1D15E, 0x1D16E},
      {0x1109A, 0x110BA}, {0x2F800, 0x2F820}};
  gsize i = (gsize) g_rand_int_range (rand, 0, G_N_ELEMENTS (ranges));

  return (guint32) g_rand_int_range (
      rand, (gint32) ranges[i].first, (gint32) ranges[i].last + 1);
}

static void
test_random (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);

  for (guint round = 0; round < 20000; round++) {
    g_autoptr (GString) text = g_string_new (NULL);
    gint32 n = g_rand_int_range (rand, 1, round % 100 ? 16 : 200);

    for (gint32 k = 0; k < n; k++)
      append (text, random_character (rand));
    for (gsize i = 0; i < G_N_ELEMENTS (forms); i++) {
      g_autofree char *ours = normalize (forms[i].form, text->str, text->len);
      g_autofree char *theirs =
          g_utf8_normalize (text->str, (gssize) text->len, forms[i].mode);

      if (strcmp (ours, theirs) != 0)
        g_error ("%s of \"%s\" is \"%s\", not \"%s\"", forms[i].name, text->str,
            ours, theirs);
      /* The quick check may doubt, but never trust what it should not. */
      if (bn_norm_span (forms[i].form, (const guint8 *) text->str, text->len)
          == text->len)
        g_assert_cmpstr (ours, ==, text->str);
      g_autofree char *again = normalize (forms[i].form, ours, strlen (ours));

      g_assert_cmpstr (again, ==, ours);
    }
  }
}

/* Newer characters stay as they are, whatever the standard says now. */
static void
test_inert (void)
{
  static const guint32 newer[] = {
      0x32FF, 0x11938, 0x1E4EC, 0xA7F2, 0x107A5, 0x1FBF5};

  for (gsize i = 0; i < G_N_ELEMENTS (newer); i++) {
    g_autoptr (GString) text = g_string_new ("a");

    append (text, newer[i]);
    append (text, 0x0323);
    for (gsize k = 0; k < G_N_ELEMENTS (forms); k++) {
      g_autofree char *ours = normalize (forms[k].form, text->str, text->len);

      g_assert_cmpstr (ours, ==, text->str);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (forms); i++) {
    g_autofree char *path = g_strdup_printf ("/unorm/%s", forms[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_characters);
  }
  g_test_add_func ("/unorm/random", test_random);
  g_test_add_func ("/unorm/inert", test_inert);
  return g_test_run ();
}
