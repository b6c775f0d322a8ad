/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A cache in a folder of its own, and content for it. */
#include "cache-util.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
test_remove_tree (const char *path)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (!g_file_test (path, G_FILE_TEST_IS_SYMLINK))
    dir = g_dir_open (path, 0, NULL);
  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *inside = g_build_filename (path, name, NULL);

    test_remove_tree (inside);
  }
  g_remove (path);
}

void
test_cache_set_up (TestCache *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  self->root = g_build_filename (self->folder, "cache", NULL);
  self->cache = bn_disk_cache_open (self->root, &error);
  g_assert_no_error (error);
}

void
test_cache_tear_down (TestCache *self, gconstpointer data)
{
  g_clear_pointer (&self->cache, bn_disk_cache_unref);
  test_remove_tree (self->folder);
  g_free (self->folder);
  g_free (self->root);
}

GBytes *
test_make_text (gsize size, guint seed)
{
  g_autoptr (GString) text = g_string_sized_new (size + 32);

  for (guint i = 0; text->len < size; i++)
    g_string_append_printf (text, "\"token-%u-%u\": %u,\n", seed, i, i);
  g_string_truncate (text, size);
  return g_string_free_to_bytes (g_steal_pointer (&text));
}

GBytes *
test_make_noise (gsize size, guint seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint8 *data = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (g_rand_int (rand) >> 11);
  return g_bytes_new_take (data, size);
}

char *
test_dup_sha256 (GBytes *bytes)
{
  return g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);
}

char *
test_store (BnDiskCache *cache, GBytes *content)
{
  char *sha256 = test_dup_sha256 (content);
  g_autoptr (GError) error = NULL;
  gsize size;
  const void *data = g_bytes_get_data (content, &size);
  BnPart *part = bn_disk_cache_begin (
      cache, sha256, sha256, size, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  bn_part_restart (part, &error);
  g_assert_no_error (error);
  bn_part_write (part, data, size, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (bn_part_get_sha256 (part), ==, sha256);
  bn_part_commit_object (part, &error);
  g_assert_no_error (error);
  return sha256;
}

char *
test_store_as (BnDiskCache *cache, const char *repository, const char *name,
    GBytes *content)
{
  char *sha256 = test_store (cache, content);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) manifest =
      bn_manifest_new (TEST_ENDPOINT, repository, TEST_REVISION);

  manifest->commit = g_strdup (TEST_COMMIT);
  manifest->fetched_at = g_get_real_time () / G_USEC_PER_SEC;
  bn_manifest_add (
      manifest, name, sha256, NULL, g_bytes_get_size (content), TRUE);
  bn_disk_cache_save (cache, manifest, &error);
  g_assert_no_error (error);
  return sha256;
}

BnCachedFile
test_describe (const char *sha256, guint64 size)
{
  return (BnCachedFile){(char *) "file", (char *) sha256, NULL, size, TRUE};
}

char *
test_dup_path (TestCache *self, const char *below)
{
  return g_build_filename (self->root, "v1", below, NULL);
}

char *
test_dup_object_path (TestCache *self, const char *sha256)
{
  for (int is_packed = 0; is_packed < 2; is_packed++) {
    g_autofree char *name = bn_object_dup_path (sha256, is_packed);
    g_autofree char *path =
        g_build_filename (self->root, "v1", "objects", name, NULL);

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  return NULL;
}

void
test_damage (const char *path, gsize offset)
{
  g_autofree char *data = NULL;
  gsize size;
  int file;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  g_assert_cmpuint (offset, <, size);
  data[offset] ^= 1;
  file = g_open (path, O_WRONLY, 0);
  g_assert_cmpint (file, >=, 0);
  g_assert_cmpint (pwrite (file, data + offset, 1, (off_t) offset), ==, 1);
  close (file);
}

void
test_age (const char *path, gint64 seconds)
{
  time_t then = (time_t) (g_get_real_time () / G_USEC_PER_SEC - seconds);
  const struct timespec times[] = {{.tv_sec = then}, {.tv_sec = then}};

  g_assert_cmpint (utimensat (AT_FDCWD, path, times, 0), ==, 0);
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
list (const char *folder, const char *below, GPtrArray *names)
{
  g_autofree char *path = g_build_filename (folder, below, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  if (dir == NULL) {
    g_ptr_array_add (names, g_strdup (below));
    return;
  }
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *inside =
        below[0] ? g_build_filename (below, name, NULL) : g_strdup (name);

    if (strcmp (inside, "locks") != 0 && strcmp (inside, "stats.json") != 0)
      list (folder, inside, names);
  }
}

char *
test_list (TestCache *self)
{
  g_autofree char *folder = test_dup_path (self, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  if (g_file_test (folder, G_FILE_TEST_IS_DIR))
    list (folder, "", names);
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return g_strjoinv (" ", (char **) names->pdata);
}
