/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every gst-launch-1.0 line in the documents parses into a pipeline. Lines
 * that need an element of another package are skipped where it is missing.
 * usage: test-launch-lines --tap -- FILE.md... (the files are arguments) */
#include <gst/gst.h>
#include <string.h>

#include "page.h"

static void
test_line (gconstpointer data)
{
  char **argv = (char **) data;
  g_autofree char *line = g_strjoinv (" ", argv);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL;

  g_test_message ("%s", line);
  pipeline = gst_parse_launchv ((const char **) argv, &error);
  if (pipeline != NULL)
    gst_object_ref_sink (pipeline);
  if (g_error_matches (error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT)
      && strstr (error->message, "ggufsrc") == NULL
      && strstr (error->message, "tok") == NULL
      && strstr (error->message, "infer") == NULL) {
    g_test_skip (error->message);
    return;
  }
  g_assert_no_error (error);
}

static void
free_argv (gpointer argv)
{
  g_strfreev (argv);
}

int
main (int argc, char **argv)
{
  guint n_lines = 0;
  int status;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  for (int i = 1; i < argc; i++) {
    g_auto (GStrv) lines = NULL;
    g_autofree char *name = g_path_get_basename (argv[i]);

    if (!g_str_has_suffix (argv[i], ".md"))
      continue;
    lines = page_read_lines (argv[i]);
    for (guint j = 0; lines[j] != NULL; j++) {
      char **pipeline = page_get_pipeline (lines[j]);
      g_autofree char *path =
          g_strdup_printf ("/docs/launch/%s/%u", name, n_lines);

      if (pipeline == NULL)
        continue;
      g_test_add_data_func_full (path, pipeline, test_line, free_argv);
      n_lines++;
    }
  }
  if (n_lines == 0)
    g_error ("no launch line found");
  status = g_test_run ();
  gst_deinit ();
  return status;
}
