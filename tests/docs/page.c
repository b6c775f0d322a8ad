/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads pages in Markdown. */
#include "page.h"

#include <string.h>

static const char program[] = "gst-launch-1.0";

GStrv
page_read_lines (const char *path)
{
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GRegex) continuation = g_regex_new ("\\s*\\\\\\n\\s*", 0, 0, NULL);
  g_autofree char *joined = NULL;

  g_file_get_contents (path, &contents, NULL, &error);
  g_assert_no_error (error);
  joined =
      g_regex_replace_literal (continuation, contents, -1, 0, " ", 0, NULL);
  return g_strsplit (joined, "\n", -1);
}

GStrv
page_get_pipeline (const char *line)
{
  const char *start = strstr (line, program);
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();
  g_auto (GStrv) argv = NULL;

  /* In the middle of a sentence it is a name, not a command. */
  if (start == NULL || start[strlen (program)] != ' '
      || strchr (line, '`') != NULL || strchr (start, '!') == NULL)
    return NULL;
  if (!g_shell_parse_argv (start, NULL, &argv, NULL))
    return NULL;
  for (char **word = argv + 1; *word != NULL; word++) {
    if (strcmp (*word, "|") == 0 || strcmp (*word, ">") == 0
        || strcmp (*word, "&") == 0)
      break;
    if ((*word)[0] != '-')
      g_strv_builder_add (words, *word);
  }
  return g_strv_builder_end (words);
}
