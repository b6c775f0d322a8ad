/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes and removes folders. */
#include "test-folder.h"

#include <glib/gstdio.h>
#include <sys/stat.h>

char *
test_folder_new (void)
{
  g_autoptr (GError) error = NULL;
  char *path = g_dir_make_tmp ("bitnet-XXXXXX", &error);

  g_assert_no_error (error);
  return path;
}

static gboolean
is_folder (const char *path)
{
  GStatBuf info;

  return g_lstat (path, &info) == 0 && S_ISDIR (info.st_mode);
}

static void
remove_all (const char *path)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (!is_folder (path)) {
    g_unlink (path);
    return;
  }
  g_chmod (path, 0700);
  dir = g_dir_open (path, 0, NULL);
  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *inside = g_build_filename (path, name, NULL);

    remove_all (inside);
  }
  g_rmdir (path);
}

void
test_folder_remove (char *path)
{
  remove_all (path);
  g_free (path);
}

char *
test_folder_write (
    const char *folder, const char *name, const void *data, gssize size)
{
  char *path = g_build_filename (folder, name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_file_set_contents (path, data, size, &error);
  g_assert_no_error (error);
  return path;
}

guint
test_folder_count (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *inside = g_build_filename (folder, name, NULL);

    n += is_folder (inside) ? test_folder_count (inside) : 1;
  }
  return n;
}
