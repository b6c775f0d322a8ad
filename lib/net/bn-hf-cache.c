/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cache of the official Hub client (hub-and-cache.md section 6):
 *
 *   FOLDER/models--owner--name/
 *     refs/REVISION                text: a commit
 *     blobs/ETAG                   content; ETAG.incomplete is none
 *     snapshots/COMMIT/NAME        a link to ../../blobs/ETAG, or the content
 *     .no_exist/COMMIT/NAME        empty: the commit has no such file
 *
 * Somebody else writes there, at any time. A link counts only if it ends at a
 * regular file in the blobs of the same repository. Nothing is an error here:
 * what cannot be used is not there. */
#include "bn-hf-cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "bn-atomic.h"

enum { MAX_REF_SIZE = 256, MAX_SNAPSHOTS = 1000, COMMIT_DIGITS = 40 };

#define REPOSITORY_PREFIX "models--"
#define INCOMPLETE_SUFFIX ".incomplete"

/* Where */

static const char *
get_env (const char *name)
{
  const char *value = g_getenv (name);

  return value && value[0] != '\0' ? value : NULL;
}

/* Appends the variable that p names after its dollar; returns where its name
 * ends. One that is not set stays as it is written. */
static const char *
append_variable (GString *out, const char *p)
{
  gboolean is_braced = *p == '{';
  const char *start = p + is_braced, *end = start;
  g_autofree char *name = NULL;
  const char *value;

  while (g_ascii_isalnum (*end) || *end == '_')
    end++;
  name = g_strndup (start, (gsize) (end - start));
  value = end > start && (!is_braced || *end == '}') ? g_getenv (name) : NULL;
  if (value == NULL) {
    g_string_append_c (out, '$');
    return p;
  }
  g_string_append (out, value);
  return end + is_braced;
}

/* With ~ and variables as a shell has them; (transfer full). */
static char *
expand (const char *path)
{
  g_autoptr (GString) out = g_string_new (NULL);
  const char *p = path;

  if (p[0] == '~' && (p[1] == '/' || p[1] == '\0')) {
    g_string_append (out, g_get_home_dir ());
    p++;
  }
  while (*p != '\0') {
    char c = *p++;

    if (c == '$')
      p = append_variable (out, p);
    else
      g_string_append_c (out, c);
  }
  return g_canonicalize_filename (out->str, NULL);
}

char *
bn_hf_cache_dup_home (void)
{
  const char *home = get_env ("HF_HOME");

  return home ? expand (home)
              : g_build_filename (g_get_user_cache_dir (), "huggingface", NULL);
}

char *
bn_hf_cache_dup_folder (void)
{
  const char *folder = get_env ("HF_HUB_CACHE");
  g_autofree char *home = NULL;

  if (folder == NULL)
    folder = get_env ("HUGGINGFACE_HUB_CACHE");
  if (folder != NULL)
    return expand (folder);
  home = bn_hf_cache_dup_home ();
  return g_build_filename (home, "hub", NULL);
}

/* One repository */

static char *
dup_base (const char *folder, const char *repository)
{
  g_autofree char *name = bn_path_dup_repository (repository);
  g_autofree char *full =
      name ? g_strconcat (REPOSITORY_PREFIX, name, NULL) : NULL;

  return full ? g_build_filename (folder, full, NULL) : NULL;
}

static gboolean
is_commit (const char *revision)
{
  return strlen (revision) == COMMIT_DIGITS
         && strspn (revision, "0123456789abcdef") == COMMIT_DIGITS;
}

/* The first line of a small file, NULL if there is none. */
static char *
read_line (const char *path)
{
  g_autofree char *text = NULL;
  char buffer[MAX_REF_SIZE + 1];
  FILE *file;
  size_t n;
  struct stat info;

  if (stat (path, &info) != 0 || !S_ISREG (info.st_mode))
    return NULL;
  file = fopen (path, "re");
  if (file == NULL)
    return NULL;
  n = fread (buffer, 1, MAX_REF_SIZE, file);
  fclose (file);
  text = g_strndup (buffer, n);
  g_strstrip (text);
  return g_steal_pointer (&text);
}

/* The commit that a revision is, NULL if its name is not safe. */
static char *
dup_commit (const char *base, const char *revision)
{
  g_autofree char *path = NULL;
  g_autofree char *commit = NULL;

  if (is_commit (revision))
    return g_strdup (revision);
  if (!bn_path_is_relative (revision))
    return NULL;
  path = g_build_filename (base, "refs", revision, NULL);
  commit = read_line (path);
  if (commit != NULL && bn_path_is_name (commit))
    return g_steal_pointer (&commit);
  return bn_path_is_name (revision) ? g_strdup (revision) : NULL;
}

static gboolean
is_below (const char *path, const char *folder)
{
  gsize length = strlen (folder);

  return strncmp (path, folder, length) == 0 && path[length] == '/';
}

/* The file itself, links resolved, if it is one that may be read. */
static char *
resolve (const char *base, const char *commit, const char *file)
{
  g_autofree char *path =
      g_build_filename (base, "snapshots", commit, file, NULL);
  /* realpath() and its like allocate by malloc(). */
  char *real_base = realpath (base, NULL);
  char *real = real_base ? realpath (path, NULL) : NULL;
  g_autofree char *blobs =
      real ? g_build_filename (real_base, "blobs", NULL) : NULL;
  g_autofree char *snapshot =
      real ? g_build_filename (real_base, "snapshots", commit, NULL) : NULL;
  char *result = NULL;
  struct stat info;

  if (real != NULL && (is_below (real, blobs) || is_below (real, snapshot))
      && !g_str_has_suffix (real, INCOMPLETE_SUFFIX) && stat (real, &info) == 0
      && S_ISREG (info.st_mode))
    result = g_strdup (real);
  free (real);
  free (real_base);
  return result;
}

static gboolean
is_known_absent (const char *base, const char *commit, const char *file)
{
  g_autofree char *path =
      g_build_filename (base, ".no_exist", commit, file, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

typedef struct {
  char *commit;
  struct timespec modified;
} Snapshot;

static void
snapshot_clear (gpointer data)
{
  g_free (((Snapshot *) data)->commit);
}

static gint
compare_snapshots (gconstpointer a, gconstpointer b)
{
  const Snapshot *left = a, *right = b;

  if (left->modified.tv_sec != right->modified.tv_sec)
    return left->modified.tv_sec < right->modified.tv_sec ? 1 : -1;
  if (left->modified.tv_nsec != right->modified.tv_nsec)
    return left->modified.tv_nsec < right->modified.tv_nsec ? 1 : -1;
  return strcmp (left->commit, right->commit);
}

/* The newest first. */
static GArray *
list_snapshots (const char *base)
{
  GArray *snapshots = g_array_new (FALSE, FALSE, sizeof (Snapshot));
  g_autofree char *folder = g_build_filename (base, "snapshots", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  g_array_set_clear_func (snapshots, snapshot_clear);
  while (dir && snapshots->len < MAX_SNAPSHOTS
         && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    struct stat info;

    if (bn_path_is_name (name) && lstat (path, &info) == 0
        && S_ISDIR (info.st_mode)) {
      Snapshot snapshot = {g_strdup (name), info.st_mtim};

      g_array_append_val (snapshots, snapshot);
    }
  }
  g_array_sort (snapshots, compare_snapshots);
  return snapshots;
}

/* The commit whose snapshot has the file, and its resolved path. */
static char *
find (const char *base, const char *revision, const char *file,
    gboolean *is_other, char **path)
{
  g_autofree char *commit = dup_commit (base, revision);
  g_autoptr (GArray) snapshots = NULL;

  *path = commit ? resolve (base, commit, file) : NULL;
  if (*path != NULL)
    return g_steal_pointer (&commit);
  /* Who names a commit, or knows that the file is gone, wants no other. */
  if (is_other == NULL || is_commit (revision)
      || (commit && is_known_absent (base, commit, file)))
    return NULL;
  snapshots = list_snapshots (base);
  for (guint i = 0; i < snapshots->len; i++) {
    const char *other = g_array_index (snapshots, Snapshot, i).commit;

    *path = resolve (base, other, file);
    if (*path != NULL) {
      *is_other = TRUE;
      return g_strdup (other);
    }
  }
  return NULL;
}

char *
bn_hf_cache_find_snapshot (const char *folder, const char *repository,
    const char *revision, const char *file, gboolean *is_other)
{
  g_autofree char *base = dup_base (folder, repository);
  g_autofree char *path = NULL;
  g_autofree char *commit = NULL;

  if (is_other != NULL)
    *is_other = FALSE;
  if (base == NULL || !bn_path_is_relative (file))
    return NULL;
  commit = find (base, revision, file, is_other, &path);
  return commit ? g_build_filename (base, "snapshots", commit, NULL) : NULL;
}

char *
bn_hf_cache_find_file (const char *folder, const char *repository,
    const char *revision, const char *file, gboolean *is_other)
{
  g_autofree char *base = dup_base (folder, repository);
  g_autofree char *path = NULL;
  g_autofree char *commit = NULL;

  if (is_other != NULL)
    *is_other = FALSE;
  if (base == NULL || !bn_path_is_relative (file))
    return NULL;
  commit = find (base, revision, file, is_other, &path);
  return g_steal_pointer (&path);
}

char *
bn_hf_cache_dup_snapshot (
    const char *folder, const char *repository, const char *revision)
{
  g_autofree char *base = dup_base (folder, repository);
  g_autofree char *commit = base ? dup_commit (base, revision) : NULL;
  g_autofree char *path =
      commit ? g_build_filename (base, "snapshots", commit, NULL) : NULL;

  return path && g_file_test (path, G_FILE_TEST_IS_DIR)
             ? g_steal_pointer (&path)
             : NULL;
}

/* Paths inside */

/* "owner/name" of "models--owner--name", NULL if it is none. */
static char *
dup_repository (const char *step)
{
  g_auto (GStrv) parts = NULL;
  g_autofree char *repository = NULL;
  g_autofree char *back = NULL;

  if (!g_str_has_prefix (step, REPOSITORY_PREFIX))
    return NULL;
  parts = g_strsplit (step + strlen (REPOSITORY_PREFIX), "--", 2);
  repository = g_strjoinv ("/", parts);
  back = bn_path_dup_repository (repository);
  return back ? g_steal_pointer (&repository) : NULL;
}

gboolean
bn_hf_cache_parse_path (const char *path, char **repository, char **commit)
{
  g_autofree char *whole = g_canonicalize_filename (path, NULL);
  g_auto (GStrv) steps = g_strsplit (whole, "/", -1);

  for (guint i = g_strv_length (steps); i >= 3; i--) {
    g_autofree char *found = NULL;

    if (strcmp (steps[i - 2], "snapshots") != 0
        || !bn_path_is_name (steps[i - 1]))
      continue;
    found = dup_repository (steps[i - 3]);
    if (found == NULL)
      continue;
    if (repository != NULL)
      *repository = g_steal_pointer (&found);
    if (commit != NULL)
      *commit = g_strdup (steps[i - 1]);
    return TRUE;
  }
  return FALSE;
}
