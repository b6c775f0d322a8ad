/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of the cache and what others may have done to it: owners, modes,
 * links, broken manifests; and locks, records and what is absent. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bitnet-error.h"
#include "cache-util.h"

enum { SIZE = 1000, OTHER_USER = 12345, N_THREADS = 4, N_TURNS = 50 };

/* Whom it belongs to */

typedef struct {
  const char *name;
  mode_t mode;
  gboolean is_foreign, is_file, is_link;
  int code; /* -1: it may be used */
} OwnerCase;

static const OwnerCase owners[] = {
    {"private", 0700, FALSE, FALSE, FALSE, -1},
    {"readable", 0755, FALSE, FALSE, FALSE, -1},
    {"link", 0700, FALSE, FALSE, TRUE, -1},
    {"group-writable", 0770, FALSE, FALSE, FALSE, BITNET_ERROR_PERMISSION},
    {"writable", 0777, FALSE, FALSE, FALSE, BITNET_ERROR_PERMISSION},
    {"sticky", 01777, FALSE, FALSE, FALSE, BITNET_ERROR_PERMISSION},
    {"writable-link", 0777, FALSE, FALSE, TRUE, BITNET_ERROR_PERMISSION},
    {"foreign", 0700, TRUE, FALSE, FALSE, BITNET_ERROR_PERMISSION},
    {"file", 0600, FALSE, TRUE, FALSE, BITNET_ERROR_CACHE_IO},
};

static void
check_owner (TestCache *self, gconstpointer data)
{
  const OwnerCase *c = data;
  g_autofree char *real = g_build_filename (self->folder, "real", NULL);
  g_autofree char *path = g_build_filename (self->folder, "used", NULL);
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnDiskCache) cache = NULL;

  if (c->is_foreign && geteuid () != 0) {
    g_test_skip ("only root can give a folder away");
    return;
  }
  if (c->is_file)
    g_assert_true (g_file_set_contents (real, "x", 1, NULL));
  else
    g_assert_cmpint (g_mkdir (real, 0700), ==, 0);
  g_assert_cmpint (g_chmod (real, (int) c->mode), ==, 0);
  if (c->is_foreign)
    g_assert_cmpint (chown (real, OTHER_USER, (gid_t) -1), ==, 0);
  if (c->is_link)
    g_assert_cmpint (symlink ("real", path), ==, 0);
  cache = bn_disk_cache_open (c->is_link ? path : real, &error);
  if (c->code < 0) {
    g_autofree char *sha256 = NULL;

    g_assert_no_error (error);
    sha256 = test_store_as (cache, TEST_REPOSITORY, "file", content);
    g_assert_true (bn_disk_cache_has_object (cache, sha256));
  } else {
    g_assert_null (cache);
    g_assert_error (error, BITNET_ERROR, c->code);
    g_assert_nonnull (strstr (error->message, c->is_link ? path : real));
  }
}

/* One that is given away or opened later is not written to either. */
static void
check_later_mode (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);
  g_autofree char *sha256 =
      test_store_as (self->cache, TEST_REPOSITORY, "file", content);
  BnCachedFile file = test_describe (sha256, SIZE);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_chmod (self->root, 0777), ==, 0);
  g_assert_null (
      bn_disk_cache_begin (self->cache, "x", "x", 1, NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_PERMISSION);
  g_clear_error (&error);
  g_assert_null (bn_disk_cache_read (self->cache, &file, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_PERMISSION);
  g_assert_null (bn_disk_cache_lookup (
      self->cache, TEST_ENDPOINT, TEST_REPOSITORY, TEST_REVISION));
  g_assert_cmpint (g_chmod (self->root, 0700), ==, 0);
  g_assert_true (bn_disk_cache_has_object (self->cache, sha256));
}

static void
check_read_only (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);
  g_autofree char *sha256 =
      test_store_as (self->cache, TEST_REPOSITORY, "file", content);
  g_autofree char *tmp = test_dup_path (self, "tmp");
  g_autoptr (GError) error = NULL;

  if (geteuid () == 0) {
    g_test_skip ("root may write anywhere");
    return;
  }
  g_assert_cmpint (g_chmod (tmp, 0500), ==, 0);
  g_assert_null (
      bn_disk_cache_begin (self->cache, "x", "x", 1, NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_PERMISSION);
  g_assert_cmpint (g_chmod (tmp, 0700), ==, 0);
}

/* Somebody removes all of it while it is in use. */
static void
check_removed (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);

  for (guint i = 0; i < 3; i++) {
    g_autofree char *sha256 =
        test_store_as (self->cache, TEST_REPOSITORY, "file", content);
    g_autoptr (BnManifest) manifest = NULL;

    g_assert_true (bn_disk_cache_has_object (self->cache, sha256));
    test_remove_tree (self->root);
    g_assert_false (bn_disk_cache_has_object (self->cache, sha256));
    manifest = bn_disk_cache_lookup (
        self->cache, TEST_ENDPOINT, TEST_REPOSITORY, TEST_REVISION);
    g_assert_null (manifest);
  }
}

/* Links: what one of the cache's own names is replaced by leads to a folder
 * or file of the attacker, which must stay as it is. */

static const char *const linked[] = {"", "objects", "objects/%.2s", "sources",
    "tmp", "absent", "resolutions", "stats.json", "object", "manifest"};

static void
check_link (TestCache *self, gconstpointer data)
{
  const char *what = data;
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);
  g_autofree char *sha256 =
      test_store_as (self->cache, TEST_REPOSITORY, "file", content);
  g_autofree char *below = g_strdup_printf ("objects/%.2s", sha256);
  g_autofree char *key =
      bn_manifest_dup_key (TEST_ENDPOINT, TEST_REPOSITORY, TEST_REVISION);
  g_autofree char *manifest_name = g_strdup_printf ("sources/%s.json", key);
  g_autofree char *object_name = g_strdup_printf ("%s/%s", below, sha256);
  g_autofree char *target = g_build_filename (self->folder, "evil", NULL);
  g_autofree char *path =
      test_dup_path (self, strcmp (what, "object") == 0     ? object_name
                           : strcmp (what, "manifest") == 0 ? manifest_name
                           : strchr (what, '%')             ? below
                                                            : what);
  g_autofree char *before = NULL, *after = NULL;
  BnCachedFile file = test_describe (sha256, SIZE);
  TestCache evil = {.root = target};
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) wanted =
      bn_manifest_new (TEST_ENDPOINT, TEST_REPOSITORY, TEST_REVISION);
  BnPart *part;

  g_assert_cmpint (g_mkdir (target, 0700), ==, 0);
  {
    g_autofree char *inside = g_build_filename (target, "v1", NULL);
    g_autofree char *parent = g_path_get_dirname (path);

    g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
    if (!g_file_test (path, G_FILE_TEST_EXISTS)
        && strcmp (what, "stats.json") != 0)
      g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
    if (g_file_test (path, G_FILE_TEST_EXISTS))
      g_assert_cmpint (g_rename (path, inside), ==, 0);
    else
      g_assert_true (g_file_set_contents (inside, "{}", -1, NULL));
    g_assert_cmpint (symlink (inside, path), ==, 0);
  }
  before = test_list (&evil);

  wanted->commit = g_strdup (TEST_COMMIT);
  bn_manifest_add (wanted, "other", sha256, NULL, SIZE, TRUE);
  g_assert_null (strcmp (what, "object") == 0 || strstr (what, "objects")
                     ? bn_disk_cache_read (self->cache, &file, NULL, NULL)
                     : NULL);
  part = bn_disk_cache_begin (
      self->cache, "new", "new", 0, NULL, NULL, NULL, &error);
  if (part != NULL) {
    g_assert_true (bn_part_write (part, "x", 1, NULL));
    bn_part_commit_object (part, NULL);
  }
  bn_disk_cache_save (self->cache, wanted, NULL);
  bn_disk_cache_set_absent (self->cache, TEST_ENDPOINT, TEST_REPOSITORY,
      TEST_REVISION, "x", BITNET_ERROR_ENTRY_NOT_FOUND);
  bn_disk_cache_write_record (self->cache, "resolutions", "r", "{}", 2, NULL);
  bn_disk_cache_count (self->cache, BN_CACHE_HITS);
  bn_disk_cache_flush_counters (self->cache, -1);
  {
    g_autoptr (GVariant) cleared =
        bn_disk_cache_clear (self->cache, NULL, NULL, NULL);
    g_autoptr (GVariant) pruned =
        bn_disk_cache_prune (self->cache, 0, 1, NULL, NULL);

    (void) cleared;
    (void) pruned;
  }
  after = test_list (&evil);
  g_assert_cmpstr (after, ==, before);
}

/* Manifests */

typedef struct {
  const char *name;
  const char *text; /* NULL: as it was saved, with from in place of to */
  const char *from, *to;
} ManifestCase;

static const ManifestCase manifests[] = {
    {"empty", "", NULL, NULL},
    {"cut", "{\"version\":1,\"endpoint\":", NULL, NULL},
    {"array", "[]", NULL, NULL},
    {"number", "1", NULL, NULL},
    {"version", NULL, "\"version\":1", "\"version\":2"},
    {"repository", NULL, "owner/name", "owner/nome"},
    {"hostile-repository", NULL, "owner/name", "../../name"},
    {"revision", NULL, "\"main\"", "\"dev\""},
    {"no-commit", NULL, "\"commit\"", "\"comment\""},
    {"empty-commit", NULL, TEST_COMMIT, ""},
    {"absolute", NULL, "\"file\"", "\"/etc/passwd\""},
    {"parent", NULL, "\"file\"", "\"../file\""},
    {"no-name", NULL, "\"file\"", "\"\""},
    {"no-digest", NULL, "\"sha256\"", "\"sha1\""},
    {"short-digest", NULL, "\"sha256\":\"", "\"sha256\":\"1"},
    {"hostile-digest", NULL, "\"sha256\":\"",
        "\"sha256\":\"../../x\",\"y\":\""},
    {"no-size", NULL, "\"size\"", "\"length\""},
    {"negative-size", NULL, "\"size\":", "\"size\":-"},
    {"files-array", NULL, "\"files\":{\"file\":", "\"files\":[{\"a\":"},
    {"control", NULL, "\"main\"", "\"ma\\u0001in\""},
};

static BnManifest *
lookup (TestCache *self)
{
  return bn_disk_cache_lookup (
      self->cache, TEST_ENDPOINT, TEST_REPOSITORY, TEST_REVISION);
}

static void
check_manifest (TestCache *self, gconstpointer data)
{
  const ManifestCase *c = data;
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);
  g_autofree char *sha256 =
      test_store_as (self->cache, TEST_REPOSITORY, "file", content);
  g_autofree char *key =
      bn_manifest_dup_key (TEST_ENDPOINT, TEST_REPOSITORY, TEST_REVISION);
  g_autofree char *below = g_strdup_printf ("sources/%s.json", key);
  g_autofree char *path = test_dup_path (self, below);
  g_autoptr (BnManifest) before = lookup (self);
  g_autoptr (BnManifest) after = NULL;
  g_autoptr (BnManifest) again = NULL;
  g_autoptr (GString) text = g_string_new (c->text);
  g_autofree char *stored = NULL;
  g_autofree char *second = NULL;

  g_assert_nonnull (before);
  if (c->text == NULL) {
    g_assert_true (g_file_get_contents (path, &stored, NULL, NULL));
    g_string_assign (text, stored);
    g_assert_cmpuint (g_string_replace (text, c->from, c->to, 1), ==, 1);
  }
  g_assert_true (g_file_set_contents (path, text->str, -1, NULL));
  after = lookup (self);
  g_assert_null (after);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  second = test_store_as (self->cache, TEST_REPOSITORY, "file", content);
  again = lookup (self);
  g_assert_nonnull (bn_manifest_find (again, "file"));
}

static void
save (TestCache *self, const char *endpoint, const char *revision,
    const char *commit, gint64 fetched_at, const char *file, const char *sha256)
{
  g_autoptr (BnManifest) manifest =
      bn_manifest_new (endpoint, TEST_REPOSITORY, revision);
  static const char *const base[] = {"base/model", NULL};
  g_autoptr (GError) error = NULL;

  manifest->commit = g_strdup (commit);
  manifest->fetched_at = fetched_at;
  if (fetched_at == 1)
    manifest->base_models = g_strdupv ((char **) base);
  bn_manifest_add (manifest, file, sha256, "etag\"\\", SIZE, TRUE);
  bn_disk_cache_save (self->cache, manifest, &error);
  g_assert_no_error (error);
}

/* Files of the same commit add up; those of another go. */
static void
check_merge (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);
  g_autofree char *sha256 = test_store (self->cache, content);
  g_autoptr (BnManifest) both = NULL;
  g_autoptr (BnManifest) one = NULL;

  save (self, TEST_ENDPOINT "/", TEST_REVISION, "c1", 1, "a", sha256);
  save (self, TEST_ENDPOINT, TEST_REVISION, "c1", 2, "b/c", sha256);
  both = lookup (self);
  g_assert_cmpuint (both->files->len, ==, 2);
  g_assert_cmpint (both->fetched_at, ==, 2);
  g_assert_cmpstr (both->base_models[0], ==, "base/model");
  g_assert_cmpstr (bn_manifest_find (both, "a")->etag, ==, "etag\"\\");
  g_assert_cmpstr (bn_manifest_find (both, "a")->sha256, ==, sha256);
  g_assert_cmpuint (bn_manifest_find (both, "b/c")->size, ==, SIZE);
  g_assert_null (bn_manifest_find (both, "c"));
  save (self, TEST_ENDPOINT, TEST_REVISION, "c2", 3, "d", sha256);
  one = lookup (self);
  g_assert_cmpuint (one->files->len, ==, 1);
  g_assert_nonnull (bn_manifest_find (one, "d"));
  g_assert_null (one->base_models);
}

/* A program with too many files open cannot read its manifests. They are no
 * worse for that. */
static void
check_no_files_left (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);
  g_autofree char *sha256 = test_store (self->cache, content);
  struct rlimit usual, few;
  int free_fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  close (free_fd);
  save (self, TEST_ENDPOINT, TEST_REVISION, "c1", 1, "a", sha256);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &usual), ==, 0);
  for (guint n = 0; n < 12; n++) {
    g_autoptr (BnManifest) found = NULL;
    g_autoptr (GVariant) result = NULL;

    few = usual;
    few.rlim_cur = (rlim_t) free_fd + n;
    g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &few), ==, 0);
    found = bn_disk_cache_lookup (
        self->cache, TEST_ENDPOINT, TEST_REPOSITORY, TEST_REVISION);
    result = bn_disk_cache_prune (self->cache, G_MAXUINT64, 0, NULL, NULL);
    g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &usual), ==, 0);
    g_clear_pointer (&found, bn_manifest_free);
    found = lookup (self);
    g_assert_nonnull (found);
    g_assert_cmpuint (found->files->len, ==, 1);
  }
}

/* After fork() parent and child draw the same numbers. */
static void
check_same_numbers (TestCache *self, gconstpointer data)
{
  char names[3][BN_TEMPORARY_SIZE];
  g_auto (BnFd) folder = open (self->folder, O_RDONLY | O_DIRECTORY);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_auto (BnFd) file = -1;

    g_random_set_seed (7);
    file = bn_at_create_temporary (folder, names[i]);
    g_assert_cmpint (file, >=, 0);
    for (gsize j = 0; j < i; j++)
      g_assert_cmpstr (names[i], !=, names[j]);
  }
}

static void
check_lookup_all (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);
  g_autofree char *sha256 = test_store (self->cache, content);
  g_autoptr (GPtrArray) of_one = NULL;
  g_autoptr (GPtrArray) of_any = NULL;
  g_autoptr (GPtrArray) none = NULL;

  none = bn_disk_cache_lookup_all (self->cache, NULL, TEST_REPOSITORY);
  g_assert_cmpuint (none->len, ==, 0);
  save (self, "https://a", "main", "c1", 10, "a", sha256);
  save (self, "https://a", "dev", "c2", 30, "a", sha256);
  save (self, "https://b", "main", "c3", 20, "a", sha256);
  of_one =
      bn_disk_cache_lookup_all (self->cache, "https://a/", TEST_REPOSITORY);
  g_assert_cmpuint (of_one->len, ==, 2);
  of_any = bn_disk_cache_lookup_all (self->cache, NULL, TEST_REPOSITORY);
  g_assert_cmpuint (of_any->len, ==, 3);
  for (guint i = 0; i < 3; i++) {
    const BnManifest *manifest = g_ptr_array_index (of_any, i);

    g_assert_cmpint (manifest->fetched_at, ==, 30 - (gint64) i * 10);
  }
}

/* What is absent */

typedef struct {
  int code;
  gint64 lifetime_s; /* 0: it is not kept */
} AbsentCase;

static const AbsentCase absents[] = {
    {BITNET_ERROR_ENTRY_NOT_FOUND, 24 * 60 * 60},
    {BITNET_ERROR_REPO_NOT_FOUND, 60 * 60},
    {BITNET_ERROR_REVISION_NOT_FOUND, 60 * 60},
    {BITNET_ERROR_GATED, 10 * 60},
    {BITNET_ERROR_NETWORK, 0},
    {BITNET_ERROR_TRANSIENT, 0},
};

static int
get_absent (TestCache *self, const char *file)
{
  return bn_disk_cache_get_absent (
      self->cache, TEST_ENDPOINT, TEST_REPOSITORY, TEST_REVISION, file);
}

/* Rewrites when the only record was made. */
static void
set_since (TestCache *self, gint64 since)
{
  g_autofree char *listed = test_list (self);
  g_autofree char *path = test_dup_path (self, listed);
  g_autofree char *text = NULL;
  g_autofree char *start = NULL;
  g_autofree char *changed = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  start = g_strndup (text, (gsize) (strstr (text, "\"since\":") - text) + 8);
  changed = g_strdup_printf ("%s%" G_GINT64_FORMAT "}", start, since);
  g_assert_true (g_file_set_contents (path, changed, -1, NULL));
}

static void
check_absent (TestCache *self, gconstpointer data)
{
  const AbsentCase *c = data;
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  const char *file = c->code == BITNET_ERROR_ENTRY_NOT_FOUND ? "x" : NULL;

  g_assert_cmpint (get_absent (self, file), ==, -1);
  bn_disk_cache_set_absent (self->cache, TEST_ENDPOINT, TEST_REPOSITORY,
      TEST_REVISION, file, c->code);
  g_assert_cmpint (get_absent (self, file), ==, c->lifetime_s ? c->code : -1);
  g_assert_cmpint (get_absent (self, "y"), ==, -1);
  if (c->lifetime_s == 0)
    return;
  set_since (self, now - c->lifetime_s + 60);
  g_assert_cmpint (get_absent (self, file), ==, c->code);
  set_since (self, now - c->lifetime_s - 1);
  g_assert_cmpint (get_absent (self, file), ==, -1);
  bn_disk_cache_set_absent (self->cache, TEST_ENDPOINT, TEST_REPOSITORY,
      TEST_REVISION, file, c->code);
  set_since (self, now + 1000); /* the clock was wrong */
  g_assert_cmpint (get_absent (self, file), ==, -1);
}

/* Records */

static void
check_records (TestCache *self, gconstpointer data)
{
  static const struct {
    const char *folder, *name;
  } bad[] = {{"..", "x"}, {"a/b", "x"}, {"", "x"}, {"resolutions", "../x"},
      {"resolutions", ""}, {".hidden", "x"}, {"resolutions", ".x"}};
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) none =
      bn_disk_cache_read_record (self->cache, "resolutions", "k");
  g_autoptr (GBytes) found = NULL;
  g_autoptr (GBytes) gone = NULL;

  g_assert_null (none);
  for (guint i = 0; i < 2; i++)
    g_assert_true (bn_disk_cache_write_record (self->cache, "resolutions", "k",
        i ? "second" : "first one", i ? 6 : 9, &error));
  found = bn_disk_cache_read_record (self->cache, "resolutions", "k");
  g_assert_cmpmem (
      g_bytes_get_data (found, NULL), g_bytes_get_size (found), "second", 6);
  bn_disk_cache_remove_record (self->cache, "resolutions", "k");
  gone = bn_disk_cache_read_record (self->cache, "resolutions", "k");
  g_assert_null (gone);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_assert_false (bn_disk_cache_write_record (
        self->cache, bad[i].folder, bad[i].name, "x", 1, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
    g_clear_error (&error);
    g_assert_null (
        bn_disk_cache_read_record (self->cache, bad[i].folder, bad[i].name));
  }
}

/* Locks */

static void
count_wait (gpointer user_data)
{
  ++*(guint *) user_data;
}

static int
open_locks (TestCache *self)
{
  return bn_disk_cache_open_folder (self->cache, "locks", TRUE, NULL);
}

static void
check_lock (TestCache *self, gconstpointer data)
{
  BnLockKind kind = (BnLockKind) GPOINTER_TO_INT (data);
  g_auto (BnFd) folder = open_locks (self);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  guint n_waits = 0;
  g_autoptr (BnLock) first = bn_lock_acquire (
      folder, "locks", "a", kind, -1, count_wait, &n_waits, NULL, &error);
  g_autoptr (BnLock) other = bn_lock_acquire (
      folder, "locks", "b", kind, -1, count_wait, &n_waits, NULL, &error);
  g_autoptr (BnLock) again = NULL;

  g_assert_no_error (error);
  g_assert_nonnull (other);
  g_assert_cmpuint (n_waits, ==, 0);
  for (int timeout_ms = 0; timeout_ms <= 200; timeout_ms += 200) {
    g_assert_null (bn_lock_acquire (folder, "locks", "a", kind, timeout_ms,
        count_wait, &n_waits, NULL, &error));
    g_assert_no_error (error);
    g_assert_cmpuint (n_waits, ==, timeout_ms ? 1 : 0);
  }
  g_cancellable_cancel (cancellable);
  g_assert_null (bn_lock_acquire (
      folder, "locks", "a", kind, -1, NULL, NULL, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  bn_lock_release_and_remove (g_steal_pointer (&first));
  again =
      bn_lock_acquire (folder, "locks", "a", kind, 0, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (again);
}

/* Cancelled while it waits. */
static gpointer
cancel_thread (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

typedef struct {
  GCancellable *cancellable;
  GThread *thread;
} Canceller;

static void
cancel_from_thread (gpointer user_data)
{
  Canceller *self = user_data;

  g_assert_null (self->thread); /* called once */
  self->thread = g_thread_new ("cancel", cancel_thread, self->cancellable);
}

static void
check_lock_cancelled (TestCache *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Canceller canceller = {cancellable, NULL};
  g_autoptr (GError) error = NULL;
  g_autoptr (BnLock) held =
      bn_disk_cache_lock (self->cache, "a", NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_null (bn_disk_cache_lock (
      self->cache, "a", cancel_from_thread, &canceller, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (canceller.thread);
  g_clear_error (&error);
  g_assert_null (
      bn_disk_cache_lock (self->cache, "../a", NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
}

typedef struct {
  TestCache *cache;
  BnLockKind kind;
  gint n_inside;
  guint n_turns; /* written only under the lock */
} Race;

static gpointer
race_thread (gpointer data)
{
  Race *race = data;
  g_auto (BnFd) folder = open_locks (race->cache);

  for (guint i = 0; i < N_TURNS; i++) {
    BnLock *lock = bn_lock_acquire (
        folder, "locks", "race", race->kind, -1, NULL, NULL, NULL, NULL);

    g_assert_nonnull (lock);
    g_assert_cmpint (g_atomic_int_add (&race->n_inside, 1), ==, 0);
    race->n_turns++;
    g_thread_yield ();
    g_atomic_int_add (&race->n_inside, -1);
    if (i % 3 == 0)
      bn_lock_release_and_remove (lock);
    else
      bn_lock_release (lock);
  }
  return NULL;
}

static void
check_lock_race (TestCache *self, gconstpointer data)
{
  Race race = {self, (BnLockKind) GPOINTER_TO_INT (data), 0, 0};
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("race", race_thread, &race);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (race.n_turns, ==, N_THREADS * N_TURNS);
}

/* Files of BN_LOCK_EXCLUSIVE that somebody left behind. */
typedef struct {
  const char *name;
  const char *text; /* %s: this host */
  gint64 age;
  gboolean is_free;
} HeldCase;

static const HeldCase helds[] = {
    {"running", "1 %s 0", 0, FALSE},
    {"gone", "2147483646 %s 0", 0, TRUE},
    {"other-host", "2147483646 elsewhere 0", 60 * 60, FALSE},
    {"other-host-old", "2147483646 elsewhere 0", 25 * 60 * 60, TRUE},
    {"broken", "x", 60 * 60, FALSE},
    {"broken-old", "x", 25 * 60 * 60, TRUE},
};

static void
check_held (TestCache *self, gconstpointer data)
{
  const HeldCase *c = data;
  g_auto (BnFd) folder = open_locks (self);
  g_autofree char *path = test_dup_path (self, "locks/a.held");
  g_autoptr (GString) text = g_string_new (c->text);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnLock) lock = NULL;

  g_string_replace (text, "%s", g_get_host_name (), 0);
  g_assert_true (g_file_set_contents (path, text->str, -1, NULL));
  test_age (path, c->age);
  lock = bn_lock_acquire (
      folder, "locks", "a", BN_LOCK_EXCLUSIVE, 100, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (lock != NULL, ==, c->is_free);
}

/* The environment */

typedef struct {
  const char *tokenizers, *base;
  const char *tokenizer_folder, *model_folder; /* NULL: below the default */
} DefaultCase;

static const DefaultCase defaults[] = {
    {"/t", "/b", "/t", "/b/models"},
    {NULL, "/b", "/b/tokenizers", "/b/models"},
    {"/t", NULL, "/t", NULL},
    {NULL, NULL, NULL, NULL},
    {"", "", NULL, NULL},
};

static void
set_env (const char *name, const char *value)
{
  if (value)
    g_setenv (name, value, TRUE);
  else
    g_unsetenv (name);
}

static void
check_default_folder (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (defaults) * 2; i++) {
    const DefaultCase *c = &defaults[i / 2];
    gboolean models = i % 2;
    const char *wanted = models ? c->model_folder : c->tokenizer_folder;
    g_autofree char *standard = g_build_filename (g_get_user_cache_dir (),
        "bitnet", models ? "models" : "tokenizers", NULL);
    g_autofree char *found = NULL;

    set_env ("BITNET_TOKENIZER_CACHE", c->tokenizers);
    set_env ("BITNET_CACHE_DIR", c->base);
    found = bn_disk_cache_dup_default_folder (models);
    g_assert_cmpstr (found, ==, wanted ? wanted : standard);
  }
  g_setenv ("BITNET_TOKENIZER_CACHE", "relative", TRUE);
  {
    g_autofree char *found = bn_disk_cache_dup_default_folder (FALSE);

    g_assert_true (g_path_is_absolute (found));
    g_assert_true (g_str_has_suffix (found, "/relative"));
  }
  set_env ("BITNET_TOKENIZER_CACHE", NULL);
}

/* Without a home there still is a folder, and the cache folder of the user is
 * where it begins. */
static void
check_environment (void)
{
  static const char *const cases[] = {"xdg", "no-home"};

  if (g_test_subprocess ()) {
    g_autofree char *found = NULL;

    g_unsetenv ("BITNET_TOKENIZER_CACHE");
    g_unsetenv ("BITNET_CACHE_DIR");
    found = bn_disk_cache_dup_default_folder (FALSE);
    g_assert_true (g_path_is_absolute (found));
    g_assert_true (g_str_has_suffix (found, "/bitnet/tokenizers"));
    if (g_getenv ("XDG_CACHE_HOME") != NULL)
      g_assert_cmpstr (found, ==, "/xdg/bitnet/tokenizers");
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *home = g_strdup (g_getenv ("HOME"));
    g_autofree char *xdg = g_strdup (g_getenv ("XDG_CACHE_HOME"));

    set_env ("HOME", i ? NULL : home);
    set_env ("XDG_CACHE_HOME", i ? NULL : "/xdg");
    g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    set_env ("HOME", home);
    set_env ("XDG_CACHE_HOME", xdg);
    g_test_trap_assert_passed ();
  }
}

typedef struct {
  const char *text;
  guint64 limit; /* G_MAXUINT64: it is refused */
} LimitCase;

static const LimitCase limits[] = {
    {NULL, G_GUINT64_CONSTANT (2) << 30},
    {"", G_GUINT64_CONSTANT (2) << 30},
    {"0", 0},
    {"1000", 1000},
    {"10K", 10 << 10},
    {"10k", 10 << 10},
    {"3M", 3 << 20},
    {"5G", G_GUINT64_CONSTANT (5) << 30},
    {"-1", G_MAXUINT64},
    {"5T", G_MAXUINT64},
    {"5GB", G_MAXUINT64},
    {"x", G_MAXUINT64},
    {" 5", G_MAXUINT64},
    {"99999999999999999999", G_MAXUINT64},
    {"99999999999999G", G_MAXUINT64},
};

static void
check_limit (TestCache *self, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (limits); i++) {
    g_autoptr (BnDiskCache) cache = NULL;
    gboolean is_bad = limits[i].limit == G_MAXUINT64;

    set_env ("BITNET_TOKENIZER_CACHE_SIZE", limits[i].text);
    if (is_bad)
      g_test_expect_message (
          "bitnet", G_LOG_LEVEL_WARNING, "*CACHE_SIZE=*is no number*");
    cache = bn_disk_cache_open (self->root, NULL);
    g_test_assert_expected_messages ();
    g_assert_cmpuint (
        cache->limit, ==, is_bad ? limits[0].limit : limits[i].limit);
  }
  set_env ("BITNET_TOKENIZER_CACHE_SIZE", NULL);
}

static void
add_locks (void)
{
  static const char *const names[] = {"description", "flock", "exclusive"};

  for (int kind = 0; kind < 3; kind++) {
    g_autofree char *lock = g_strdup_printf ("/lock/%s", names[kind]);
    g_autofree char *race = g_strdup_printf ("/lock/race/%s", names[kind]);

    test_cache_add (lock, GINT_TO_POINTER (kind), check_lock);
    test_cache_add (race, GINT_TO_POINTER (kind), check_lock_race);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (helds); i++) {
    g_autofree char *path = g_strdup_printf ("/lock/held/%s", helds[i].name);

    test_cache_add (path, &helds[i], check_held);
  }
  test_cache_add ("/lock/cancelled", NULL, check_lock_cancelled);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (owners); i++) {
    g_autofree char *path =
        g_strdup_printf ("/folder/owner/%s", owners[i].name);

    test_cache_add (path, &owners[i], check_owner);
  }
  test_cache_add ("/folder/later-mode", NULL, check_later_mode);
  test_cache_add ("/folder/read-only", NULL, check_read_only);
  test_cache_add ("/folder/removed", NULL, check_removed);
  for (gsize i = 0; i < G_N_ELEMENTS (linked); i++) {
    g_autofree char *path = g_strdup_printf ("/folder/link/%u", (guint) i);

    test_cache_add (path, linked[i], check_link);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (manifests); i++) {
    g_autofree char *path =
        g_strdup_printf ("/manifest/broken/%s", manifests[i].name);

    test_cache_add (path, &manifests[i], check_manifest);
  }
  test_cache_add ("/manifest/merge", NULL, check_merge);
  test_cache_add ("/folder/same-numbers", NULL, check_same_numbers);
  test_cache_add ("/manifest/no-files-left", NULL, check_no_files_left);
  test_cache_add ("/manifest/lookup-all", NULL, check_lookup_all);
  for (gsize i = 0; i < G_N_ELEMENTS (absents); i++) {
    g_autofree char *path = g_strdup_printf (
        "/absent/%s", bitnet_error_get_name ((BitnetError) absents[i].code));

    test_cache_add (path, &absents[i], check_absent);
  }
  test_cache_add ("/records", NULL, check_records);
  add_locks ();
  g_test_add_func ("/folder/C18-C81/default", check_default_folder);
  g_test_add_func ("/folder/B16/environment", check_environment);
  test_cache_add ("/folder/limit", NULL, check_limit);
  return g_test_run ();
}
