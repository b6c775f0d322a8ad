/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Environment variables, read the same way everywhere: resolver.md section
 * 10 says what counts as true and that a bad value warns and falls back. Many
 * read the same variable; what is wrong with it is said once for each value.
 */
#include "bitnet-env.h"

/* Guards what was said: "NAME=value". */
static GMutex warned_lock;
static GHashTable *warned;

static gboolean
is_new (const char *name, const char *text)
{
  gboolean is_first;

  g_mutex_lock (&warned_lock);
  if (warned == NULL)
    warned = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  is_first = g_hash_table_add (warned, g_strdup_printf ("%s=%s", name, text));
  g_mutex_unlock (&warned_lock);
  return is_first;
}

static gboolean
is_one_of (const char *text, const char *const *words)
{
  for (; *words; words++) {
    if (g_ascii_strcasecmp (text, *words) == 0)
      return TRUE;
  }
  return FALSE;
}

gboolean
bitnet_env_boolean (const char *name, gboolean fallback)
{
  static const char *const true_words[] = {"1", "true", "yes", "on", NULL};
  static const char *const false_words[] = {
      "", "0", "false", "no", "off", NULL};
  const char *text = g_getenv (name);

  if (text == NULL)
    return fallback;
  if (is_one_of (text, true_words))
    return TRUE;
  if (!is_one_of (text, false_words) && is_new (name, text))
    g_warning ("%s=%s is neither true nor false; taken as false", name, text);
  return FALSE;
}

guint64
bitnet_env_uint64 (const char *name, guint64 fallback)
{
  const char *text = g_getenv (name);
  guint64 value;

  if (text == NULL || text[0] == '\0')
    return fallback;
  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &value, NULL)) {
    if (is_new (name, text))
      g_warning ("%s=%s is not a number; using %" G_GUINT64_FORMAT, name, text,
          fallback);
    return fallback;
  }
  return value;
}

const char *
bitnet_env_string (const char *name)
{
  const char *text = g_getenv (name);

  return text && text[0] != '\0' ? text : NULL;
}
