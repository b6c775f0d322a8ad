/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files of the system, read whole. */
#include "bn-system.h"

#include <string.h>

#define GROUPS "/sys/fs/cgroup"

static char *read_text (const char *root, const char *format, va_list args)
    G_GNUC_PRINTF (2, 0);

static char *
read_text (const char *root, const char *format, va_list args)
{
  g_autofree char *name = g_strdup_vprintf (format, args);
  g_autofree char *path = g_strconcat (root, name, NULL);
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? text : NULL;
}

/* At text, which moves behind it. */
static gboolean
parse_number (const char **text, uint64_t *number)
{
  char *end;

  if (!g_ascii_isdigit (**text))
    return FALSE;
  *number = g_ascii_strtoull (*text, &end, 10);
  *text = end;
  return TRUE;
}

gboolean
bn_system_read_number (
    const char *root, uint64_t *number, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = read_text (root, format, args);
  va_end (args);
  const char *at = text;
  return at != NULL && parse_number (&at, number);
}

gboolean
bn_system_read_numbers (const char *root, uint64_t *first, uint64_t *second,
    const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = read_text (root, format, args);
  va_end (args);
  const char *at = text;
  return at != NULL && parse_number (&at, first) && *at++ == ' '
         && parse_number (&at, second);
}

gboolean
bn_system_read_field (const char *root, uint64_t *number, const char *name,
    const char *format, ...)
{
  const size_t length = strlen (name);
  va_list args;

  va_start (args, format);
  g_autofree char *text = read_text (root, format, args);
  va_end (args);
  for (const char *line = text; line != NULL;) {
    if (strncmp (line, name, length) == 0 && strchr (" \t", line[length])) {
      line += length;
      line += strspn (line, " \t");
      return parse_number (&line, number);
    }
    line = strchr (line, '\n');
    line = line != NULL ? line + 1 : NULL;
  }
  return FALSE;
}

static gboolean
has_controller (const char *list, const char *controller)
{
  g_auto (GStrv) names = g_strsplit (list, ",", -1);

  return g_strv_contains ((const char *const *) names, controller);
}

/* base and each folder of path below it, the deepest first. */
static void
add_groups (GPtrArray *groups, const char *base, const char *path)
{
  g_autofree char *rest = g_strdup (path);

  for (;;) {
    char *slash = strrchr (rest, '/');

    if (strcmp (rest, "/") != 0 && rest[0] != '\0')
      g_ptr_array_add (groups, g_strconcat (base, rest, NULL));
    if (slash == NULL)
      break;
    *slash = '\0';
  }
  g_ptr_array_add (groups, g_strdup (base));
}

GStrv
bn_system_list_groups (const char *root, const char *controller)
{
  g_autofree char *list = g_strconcat (root, "/proc/self/cgroup", NULL);
  g_autofree char *base = g_strconcat (GROUPS "/", controller, NULL);
  g_autofree char *text = NULL;
  GPtrArray *groups = g_ptr_array_new ();

  if (g_file_get_contents (list, &text, NULL, NULL)) {
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

    /* number:controllers:path, no controllers for version 2 */
    for (int version = 2; version > 0; version--) {
      for (char **line = lines; *line != NULL; line++) {
        g_auto (GStrv) parts = g_strsplit (*line, ":", 3);

        if (g_strv_length (parts) != 3 || parts[2][0] != '/')
          continue;
        if (version == 2 && parts[1][0] == '\0')
          add_groups (groups, GROUPS, parts[2]);
        else if (version == 1 && has_controller (parts[1], controller))
          add_groups (groups, base, parts[2]);
      }
    }
  }
  g_ptr_array_add (groups, NULL);
  return (GStrv) g_ptr_array_free (groups, FALSE);
}
