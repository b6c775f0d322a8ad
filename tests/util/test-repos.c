/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hub of the tests serves. */
#include "test-repos.h"

#include <string.h>

static void
file_free (gpointer data)
{
  TestRepoFile *self = data;

  g_bytes_unref (self->data);
  g_free (self->digest);
  g_free (self->sha256);
  g_free (self);
}

static TestRepoFile *
file_new (GBytes *data, gboolean is_lfs)
{
  TestRepoFile *file = g_new0 (TestRepoFile, 1);
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA1);
  g_autofree char *head =
      g_strdup_printf ("blob %" G_GSIZE_FORMAT, g_bytes_get_size (data));
  gsize size;
  const guchar *bytes = g_bytes_get_data (data, &size);

  g_checksum_update (
      checksum, (const guchar *) head, (gssize) strlen (head) + 1);
  if (size > 0)
    g_checksum_update (checksum, bytes, (gssize) size);
  file->data = g_bytes_ref (data);
  file->is_lfs = is_lfs;
  file->sha256 = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, data);
  file->digest =
      g_strdup (is_lfs ? file->sha256 : g_checksum_get_string (checksum));
  return file;
}

static GHashTable *
new_files (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, file_free);
}

TestRepo *
test_repo_new (const char *commit)
{
  TestRepo *self = g_new0 (TestRepo, 1);

  self->branches =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->commits = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
  self->order = g_ptr_array_new_with_free_func (g_free);
  g_hash_table_insert (self->branches, g_strdup ("main"), g_strdup (commit));
  g_hash_table_insert (self->commits, g_strdup (commit), new_files ());
  return self;
}

void
test_repo_free (TestRepo *self)
{
  g_free (self->token);
  g_free (self->info);
  g_hash_table_unref (self->branches);
  g_hash_table_unref (self->commits);
  g_ptr_array_unref (self->order);
  g_free (self);
}

static GHashTable *
get_main (TestRepo *self)
{
  return g_hash_table_lookup (
      self->commits, g_hash_table_lookup (self->branches, "main"));
}

void
test_repo_add_file (
    TestRepo *self, const char *name, GBytes *data, gboolean is_lfs)
{
  GHashTable *files = get_main (self);

  if (!g_hash_table_contains (files, name))
    g_ptr_array_add (self->order, g_strdup (name));
  g_hash_table_replace (files, g_strdup (name), file_new (data, is_lfs));
  g_bytes_unref (data);
}

void
test_repo_remove_file (TestRepo *self, const char *name)
{
  g_hash_table_remove (get_main (self), name);
}

void
test_repo_commit (TestRepo *self, const char *commit)
{
  GHashTable *files = new_files ();
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, get_main (self));
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    const TestRepoFile *file = value;

    g_hash_table_insert (
        files, g_strdup (key), file_new (file->data, file->is_lfs));
  }
  g_hash_table_replace (self->branches, g_strdup ("main"), g_strdup (commit));
  g_hash_table_replace (self->commits, g_strdup (commit), files);
}

const char *
test_repo_find_commit (TestRepo *self, const char *revision)
{
  const char *commit = g_hash_table_lookup (self->branches, revision);

  if (commit)
    return commit;
  return g_hash_table_contains (self->commits, revision) ? revision : NULL;
}

const TestRepoFile *
test_repo_find_file (TestRepo *self, const char *commit, const char *name)
{
  return g_hash_table_lookup (
      g_hash_table_lookup (self->commits, commit), name);
}

const TestRepoFile *
test_repo_find_blob (TestRepo *self, const char *sha256)
{
  GHashTableIter commits, files;
  gpointer table, file;

  g_hash_table_iter_init (&commits, self->commits);
  while (g_hash_table_iter_next (&commits, NULL, &table)) {
    g_hash_table_iter_init (&files, table);
    while (g_hash_table_iter_next (&files, NULL, &file)) {
      if (g_str_equal (((TestRepoFile *) file)->sha256, sha256))
        return file;
    }
  }
  return NULL;
}

static void
append_sibling (GString *json, const char *name, const TestRepoFile *file)
{
  g_autofree char *escaped = g_strescape (name, NULL);
  gsize size = g_bytes_get_size (file->data);

  g_string_append_printf (json,
      "%s{\"rfilename\":\"%s\",\"size\":%" G_GSIZE_FORMAT,
      json->str[json->len - 1] == '[' ? "" : ",", escaped, size);
  if (file->is_lfs)
    g_string_append_printf (json,
        ",\"blobId\":\"%.40s\",\"lfs\":{\"sha256\":\"%s\","
        "\"size\":%" G_GSIZE_FORMAT ",\"pointerSize\":134}",
        file->sha256, file->sha256, size);
  else
    g_string_append_printf (json, ",\"blobId\":\"%s\"", file->digest);
  g_string_append_c (json, '}');
}

static void
append_leaf (GString *json, const char *name, const TestRepoFile *file)
{
  g_autofree char *escaped = g_strescape (name, NULL);
  gsize size = g_bytes_get_size (file->data);

  g_string_append_printf (json,
      "%s{\"type\":\"file\",\"path\":\"%s\",\"size\":%" G_GSIZE_FORMAT
      ",\"oid\":\"%.40s\"",
      json->len > 1 ? "," : "", escaped, size, file->digest);
  if (file->is_lfs)
    g_string_append_printf (json,
        ",\"lfs\":{\"oid\":\"%s\",\"size\":%" G_GSIZE_FORMAT
        ",\"pointerSize\":134}",
        file->sha256, size);
  g_string_append_c (json, '}');
}

GBytes *
test_repo_list_tree (TestRepo *self, const char *commit)
{
  GString *json = g_string_new ("[");
  GHashTable *files = g_hash_table_lookup (self->commits, commit);

  for (guint i = 0; i < self->order->len; i++) {
    const char *file = g_ptr_array_index (self->order, i);
    const TestRepoFile *value = g_hash_table_lookup (files, file);

    if (value)
      append_leaf (json, file, value);
  }
  g_string_append_c (json, ']');
  return g_string_free_to_bytes (json);
}

GBytes *
test_repo_list (TestRepo *self, const char *name, const char *commit)
{
  GString *json = g_string_new (NULL);
  GHashTable *files = g_hash_table_lookup (self->commits, commit);

  g_string_append_printf (json,
      "{\"id\":\"%s\",\"sha\":\"%s\",\"gated\":%s,%s%s\"siblings\":[", name,
      commit, self->token ? "\"manual\"" : "false",
      self->info ? self->info : "", self->info ? "," : "");
  for (guint i = 0; i < self->order->len; i++) {
    const char *file = g_ptr_array_index (self->order, i);
    const TestRepoFile *value = g_hash_table_lookup (files, file);

    if (value)
      append_sibling (json, file, value);
  }
  g_string_append (json, "]}");
  return g_string_free_to_bytes (json);
}
