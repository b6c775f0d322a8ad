/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Environment variables, read the same way everywhere: resolver.md section
 * 10 says what counts as true and that a bad value warns and falls back. */
#include "bitnet-private.h"

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
  if (!is_one_of (text, false_words))
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
    g_warning ("%s=%s is not a number; using %" G_GUINT64_FORMAT, name, text,
        fallback);
    return fallback;
  }
  return value;
}
