/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Access tokens. A token with a line break in it would be two headers, and
 * libsoup would write it into the log to say that it is none. */
#include "bn-hub-token.h"

#include <sys/stat.h>

enum { MAX_FILE_SIZE = 64 << 10 };

char *
bn_token_dup_clean (const char *text)
{
  g_autofree char *copy = g_strdup (text);

  if (!copy || g_strstrip (copy)[0] == '\0')
    return NULL;
  return g_steal_pointer (&copy);
}

char *
bn_token_read (const char *path)
{
  g_autofree char *contents = NULL;
  struct stat info;

  if (stat (path, &info) != 0 || !S_ISREG (info.st_mode)
      || info.st_size > MAX_FILE_SIZE
      || !g_file_get_contents (path, &contents, NULL, NULL))
    return NULL;
  return bn_token_dup_clean (contents);
}

gboolean
bn_token_is_valid (const char *token)
{
  for (; *token; token++) {
    if (!g_ascii_isgraph (*token))
      return FALSE;
  }
  return TRUE;
}
