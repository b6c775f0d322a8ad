/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The error domain: every code has a name, a nick and a hint that a user can
 * follow, and what hints name is there. */
#include <string.h>
#include "bitnet.h"

enum { MIN_HINT = 12, MAX_HINT = 200 };

static GEnumClass *
ref_class (void)
{
  return g_type_class_ref (BITNET_TYPE_ERROR);
}

/* Codes are numbered without gaps and none shares a name. */
static void
test_names (void)
{
  g_autoptr (GTypeClass) type_class = (GTypeClass *) ref_class ();
  GEnumClass *klass = (GEnumClass *) type_class;
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  g_assert_cmpuint (klass->n_values, ==, BITNET_ERROR_ALL_FAILED + 1);
  for (guint i = 0; i < klass->n_values; i++) {
    const GEnumValue *value = &klass->values[i];
    const char *name = bitnet_error_get_name ((BitnetError) i);
    g_autofree char *nick = g_ascii_strdown (name, -1);

    g_assert_cmpint (value->value, ==, (int) i);
    g_assert_true (g_str_has_suffix (value->value_name, name));
    g_strdelimit (nick, "_", '-');
    g_assert_cmpstr (value->value_nick, ==, nick);
    g_assert_true (g_hash_table_add (seen, (gpointer) name));
  }
  g_assert_cmpstr (
      bitnet_error_get_name ((BitnetError) klass->n_values), ==, "UNKNOWN");
  g_assert_cmpstr (bitnet_error_get_name ((BitnetError) -1), ==, "UNKNOWN");
}

/* Names in capitals that a hint gives are variables that we read. */
static gboolean
is_variable (const char *word)
{
  static const char *const variables[] = {"HF_ENDPOINT", "HF_TOKEN",
      "BITNET_DOWNLOAD_TIMEOUT", "BITNET_TOKENIZER_CACHE", "SSL_CERT_FILE",
      NULL};

  return g_strv_contains (variables, word);
}

static void
check_variables (const char *hint)
{
  g_auto (GStrv) words = g_strsplit_set (hint, " ,;.=\"", -1);

  for (char **word = words; *word; word++) {
    if (strchr (*word, '_') && g_ascii_isupper (**word) && !is_variable (*word))
      g_error ("\"%s\" names %s", hint, *word);
  }
}

static void
check_properties (const char *hint)
{
  g_autoptr (GTypeClass) klass = g_type_class_ref (BITNET_TYPE_RESOLVER);
  static const char *const elsewhere[] = {"template", "device", NULL};
  g_auto (GStrv) words = g_strsplit_set (hint, " ,;", -1);

  for (char **word = words; *word; word++) {
    char *equals = strchr (*word, '=');

    if (equals == NULL || g_ascii_isupper (**word))
      continue;
    *equals = '\0';
    if (!g_strv_contains (elsewhere, *word)
        && !g_object_class_find_property ((GObjectClass *) klass, *word))
      g_error ("\"%s\" names %s=", hint, *word);
  }
}

/* One sentence without an end, in the imperative, that names nothing that is
 * not there. */
static void
test_hints (void)
{
  g_autoptr (GTypeClass) type_class = (GTypeClass *) ref_class ();
  GEnumClass *klass = (GEnumClass *) type_class;

  for (guint i = 0; i < klass->n_values; i++) {
    const char *hint = bitnet_error_get_hint ((BitnetError) i);

    g_test_message ("%s: %s", klass->values[i].value_nick, hint);
    g_assert_cmpuint (strlen (hint), >=, MIN_HINT);
    g_assert_cmpuint (strlen (hint), <=, MAX_HINT);
    g_assert_true (g_ascii_islower (hint[0]));
    g_assert_null (strpbrk (hint, "\r\n"));
    g_assert_false (g_str_has_suffix (hint, "."));
    check_variables (hint);
    check_properties (hint);
  }
  g_assert_nonnull (bitnet_error_get_hint ((BitnetError) klass->n_values));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/C28/names", test_names);
  g_test_add_func ("/error/C29-C89/hints", test_hints);
  return g_test_run ();
}
