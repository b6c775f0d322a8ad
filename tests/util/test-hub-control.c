/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tests tell the hub and ask it. */
#include "test-hub-private.h"

#include <string.h>

enum { LFS_LIMIT = 64 << 10, WAIT_S = 30 };

void
test_hub_fault_free (gpointer data)
{
  TestHubFault *self = data;

  g_clear_pointer (&self->pattern, g_pattern_spec_free);
  g_free ((char *) self->fault.path);
  g_free ((char *) self->fault.headers);
  g_free ((char *) self->fault.body);
  g_free (self);
}

TestRepo *
test_hub_find_repo (TestHub *self, const char *name)
{
  return g_hash_table_lookup (self->repos, name);
}

const char *
test_hub_get_endpoint (TestHub *self)
{
  return self->endpoint;
}

const char *
test_hub_get_storage (TestHub *self)
{
  return self->storage_url;
}

/* Contents */

void
test_hub_add_repo (TestHub *self, const char *repo, const char *commit)
{
  g_mutex_lock (&self->lock);
  g_hash_table_replace (self->repos, g_strdup (repo), test_repo_new (commit));
  g_mutex_unlock (&self->lock);
}

void
test_hub_add_file (TestHub *self, const char *repo, const char *name,
    const char *data, gssize size, gboolean is_lfs)
{
  GBytes *bytes = g_bytes_new (data, size < 0 ? strlen (data) : (gsize) size);

  g_mutex_lock (&self->lock);
  test_repo_add_file (test_hub_find_repo (self, repo), name, bytes, is_lfs);
  g_mutex_unlock (&self->lock);
}

static void
add_folder (
    TestHub *self, const char *repo, const char *folder, const char *prefix)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *shown = g_strconcat (prefix, name, NULL);
    g_autofree char *contents = NULL;
    gsize size;

    if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
      g_autofree char *below = g_strconcat (shown, "/", NULL);

      add_folder (self, repo, path, below);
    } else if (g_file_get_contents (path, &contents, &size, NULL)) {
      test_hub_add_file (
          self, repo, shown, contents, (gssize) size, size > LFS_LIMIT);
    }
  }
}

void
test_hub_add_folder (TestHub *self, const char *repo, const char *folder)
{
  add_folder (self, repo, folder, "");
}

void
test_hub_remove_file (TestHub *self, const char *repo, const char *name)
{
  g_mutex_lock (&self->lock);
  test_repo_remove_file (test_hub_find_repo (self, repo), name);
  g_mutex_unlock (&self->lock);
}

void
test_hub_commit (TestHub *self, const char *repo, const char *commit)
{
  g_mutex_lock (&self->lock);
  test_repo_commit (test_hub_find_repo (self, repo), commit);
  g_mutex_unlock (&self->lock);
}

void
test_hub_add_branch (
    TestHub *self, const char *repo, const char *name, const char *commit)
{
  g_mutex_lock (&self->lock);
  g_hash_table_replace (test_hub_find_repo (self, repo)->branches,
      g_strdup (name), g_strdup (commit));
  g_mutex_unlock (&self->lock);
}

void
test_hub_set_gated (TestHub *self, const char *repo, const char *token)
{
  g_mutex_lock (&self->lock);
  g_free (test_hub_find_repo (self, repo)->token);
  test_hub_find_repo (self, repo)->token = g_strdup (token);
  g_mutex_unlock (&self->lock);
}

void
test_hub_set_info (TestHub *self, const char *repo, const char *members)
{
  g_mutex_lock (&self->lock);
  g_free (test_hub_find_repo (self, repo)->info);
  test_hub_find_repo (self, repo)->info = g_strdup (members);
  g_mutex_unlock (&self->lock);
}

void
test_hub_add_alias (TestHub *self, const char *alias, const char *repo)
{
  g_mutex_lock (&self->lock);
  g_hash_table_replace (self->aliases, g_strdup (alias), g_strdup (repo));
  g_mutex_unlock (&self->lock);
}

/* Faults and log */

void
test_hub_add_fault (TestHub *self, const TestFault *fault)
{
  TestHubFault *copy = g_new0 (TestHubFault, 1);

  copy->fault = *fault;
  copy->fault.path = g_strdup (fault->path);
  copy->fault.headers = g_strdup (fault->headers);
  copy->fault.body = g_strdup (fault->body);
  copy->pattern = fault->path ? g_pattern_spec_new (fault->path) : NULL;
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->faults, copy);
  g_mutex_unlock (&self->lock);
}

void
test_hub_clear_faults (TestHub *self)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_set_size (self->faults, 0);
  g_mutex_unlock (&self->lock);
}

char **
test_hub_dup_log (TestHub *self)
{
  g_autoptr (GStrvBuilder) lines = g_strv_builder_new ();

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->log->len; i++)
    g_strv_builder_add (lines, g_ptr_array_index (self->log, i));
  g_mutex_unlock (&self->lock);
  return g_strv_builder_end (lines);
}

void
test_hub_gather (TestHub *self, const char *pattern, guint n)
{
  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->gathered, g_pattern_spec_free);
  self->gathered = g_pattern_spec_new (pattern);
  self->n_gathered = 0;
  self->n_wanted = n;
  g_mutex_unlock (&self->lock);
}

/* With the lock. */
static guint
count (TestHub *self, const char *pattern)
{
  g_autoptr (GPatternSpec) spec = g_pattern_spec_new (pattern);
  guint n = 0;

  for (guint i = 0; i < self->log->len; i++)
    n += g_pattern_spec_match_string (spec, g_ptr_array_index (self->log, i));
  return n;
}

guint
test_hub_count (TestHub *self, const char *pattern)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = count (self, pattern);
  g_mutex_unlock (&self->lock);
  return n;
}

gboolean
test_hub_wait (TestHub *self, const char *pattern, guint n)
{
  gint64 end = g_get_monotonic_time () + WAIT_S * G_USEC_PER_SEC;
  gboolean has_come;

  g_mutex_lock (&self->lock);
  while (!(has_come = count (self, pattern) >= n)
         && g_cond_wait_until (&self->cond, &self->lock, end))
    continue;
  g_mutex_unlock (&self->lock);
  return has_come;
}

void
test_hub_clear_log (TestHub *self)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_set_size (self->log, 0);
  g_hash_table_remove_all (self->connections);
  self->max_parallel = 0;
  g_mutex_unlock (&self->lock);
}

guint
test_hub_get_n_connections (TestHub *self)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = g_hash_table_size (self->connections);
  g_mutex_unlock (&self->lock);
  return n;
}

guint
test_hub_get_max_parallel (TestHub *self)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = self->max_parallel;
  g_mutex_unlock (&self->lock);
  return n;
}
