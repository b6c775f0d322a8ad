/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *child = g_build_filename (path, name, NULL);

    if (g_file_test (child, G_FILE_TEST_IS_DIR)
        && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
      remove_folder (child);
    else
      g_unlink (child);
  }
  g_rmdir (path);
}

void
tool_fixture_set_up (ToolFixture *self)
{
  g_autofree char *cache = NULL;
  g_autofree char *hf_home = NULL;

  self->folder = g_dir_make_tmp ("bitnet-tools-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
  cache = tool_fixture_path (self, "cache");
  hf_home = tool_fixture_path (self, "huggingface");
  g_setenv ("BITNET_CACHE_DIR", cache, TRUE);
  g_setenv ("HF_HOME", hf_home, TRUE);
}

void
tool_fixture_tear_down (ToolFixture *self)
{
  remove_folder (self->folder);
  g_free (self->folder);
}

char *
tool_fixture_path (ToolFixture *self, const char *name)
{
  return g_build_filename (self->folder, name, NULL);
}

char *
tool_fixture_write (
    ToolFixture *self, const char *name, const void *data, gssize size)
{
  char *path = tool_fixture_path (self, name);
  g_autofree char *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, data, size, NULL));
  return path;
}

static TestOutcome G_GNUC_PRINTF (1, 0) run (const char *format, va_list args)
{
  g_autofree char *line = g_strdup_vprintf (format, args);
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;

  g_shell_parse_argv (line, NULL, &words, &error);
  g_assert_no_error (error);
  g_test_message ("bitnet %s", line);
  return test_spawn ((const char *const *) words);
}

TestOutcome
tool_run (const char *format, ...)
{
  TestOutcome outcome;
  va_list args;

  va_start (args, format);
  outcome = run (format, args);
  va_end (args);
  return outcome;
}

TestOutcome
tool_run_status (int status, const char *format, ...)
{
  TestOutcome outcome;
  va_list args;

  va_start (args, format);
  outcome = run (format, args);
  va_end (args);
  g_test_message ("%s%s", outcome.out, outcome.err);
  g_assert_cmpint (outcome.status, ==, status);
  return outcome;
}
