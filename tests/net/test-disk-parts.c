/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Downloads on their way into the cache: when they are continued and when
 * not, digests, full disks, and what they become. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bitnet-error.h"
#include "cache-util.h"

enum { SIZE = 200000, HALF = SIZE / 2 };

#define NAME "0a1b2c"
#define VALIDATOR "etag-1"

static BnPart *
begin (TestCache *self, const char *validator, guint64 size)
{
  g_autoptr (GError) error = NULL;
  BnPart *part = bn_disk_cache_begin (
      self->cache, NAME, validator, size, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  return part;
}

static void
write_range (BnPart *part, GBytes *content, gsize start, gsize end)
{
  const char *data = g_bytes_get_data (content, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (bn_part_write (part, data + start, end - start, &error));
  g_assert_no_error (error);
}

/* Leaves half of the content behind. */
static void
leave_half (TestCache *self, GBytes *content)
{
  BnPart *part = begin (self, VALIDATOR, SIZE);

  g_assert_cmpuint (bn_part_get_size (part), ==, 0);
  write_range (part, content, 0, 1000);
  write_range (part, content, 1000, HALF);
  g_assert_cmpuint (bn_part_get_size (part), ==, HALF);
  bn_part_close (part, TRUE);
}

typedef enum {
  CHANGE_NOTHING,
  CHANGE_REOPEN,
  CHANGE_LONGER_WITHIN, /* bytes that were written and not counted */
  CHANGE_NO_SIDECAR,
  CHANGE_SIDECAR,
  CHANGE_SIDECAR_VERSION,
  CHANGE_SIDECAR_LINK,
  CHANGE_TOO_LONG,
  CHANGE_NO_PART,
  CHANGE_LINK,
  CHANGE_HARD_LINK,
} Change;

typedef struct {
  const char *name;
  Change change;
  const char *validator;
  guint64 size;
  gsize resumed;
} ResumeCase;

static const ResumeCase resumes[] = {
    {"same", CHANGE_NOTHING, VALIDATOR, SIZE, HALF},
    {"after-restart", CHANGE_REOPEN, VALIDATOR, SIZE, HALF},
    {"uncounted-bytes", CHANGE_LONGER_WITHIN, VALIDATOR, SIZE, HALF + 10},
    {"other-validator", CHANGE_NOTHING, "etag-2", SIZE, 0},
    {"no-validator", CHANGE_NOTHING, "", SIZE, 0},
    {"other-size", CHANGE_NOTHING, VALIDATOR, SIZE + 1, 0},
    {"unknown-size", CHANGE_NOTHING, VALIDATOR, 0, 0},
    {"no-sidecar", CHANGE_NO_SIDECAR, VALIDATOR, SIZE, 0},
    {"broken-sidecar", CHANGE_SIDECAR, VALIDATOR, SIZE, 0},
    {"other-version", CHANGE_SIDECAR_VERSION, VALIDATOR, SIZE, 0},
    {"linked-sidecar", CHANGE_SIDECAR_LINK, VALIDATOR, SIZE, 0},
    {"too-long", CHANGE_TOO_LONG, VALIDATOR, SIZE, 0},
    {"no-part", CHANGE_NO_PART, VALIDATOR, SIZE, 0},
    {"link", CHANGE_LINK, VALIDATOR, SIZE, 0},
    {"hard-link", CHANGE_HARD_LINK, VALIDATOR, SIZE, 0},
};

static void
apply_change (TestCache *self, Change change, const char *victim)
{
  g_autofree char *part = test_dup_path (self, "tmp/" NAME ".part");
  g_autofree char *sidecar = test_dup_path (self, "tmp/" NAME ".json");
  g_autofree char *text = NULL;

  switch (change) {
    case CHANGE_REOPEN:
      bn_disk_cache_unref (self->cache);
      self->cache = bn_disk_cache_open (self->root, NULL);
      break;
    case CHANGE_LONGER_WITHIN:
      g_assert_cmpint (truncate (part, HALF + 10), ==, 0);
      break;
    case CHANGE_NO_SIDECAR:
      g_assert_cmpint (g_remove (sidecar), ==, 0);
      break;
    case CHANGE_SIDECAR:
      g_assert_true (g_file_set_contents (sidecar, "{\"version\":", -1, NULL));
      break;
    case CHANGE_SIDECAR_VERSION:
      text = g_strdup_printf ("{\"version\":9,\"validator\":\"%s\","
                              "\"expected-size\":%d}",
          VALIDATOR, SIZE);
      g_assert_true (g_file_set_contents (sidecar, text, -1, NULL));
      break;
    case CHANGE_SIDECAR_LINK:
      g_assert_cmpint (g_rename (sidecar, victim), ==, 0);
      g_assert_cmpint (symlink (victim, sidecar), ==, 0);
      break;
    case CHANGE_TOO_LONG:
      g_assert_cmpint (truncate (part, SIZE + 1), ==, 0);
      break;
    case CHANGE_NO_PART:
      g_assert_cmpint (g_remove (part), ==, 0);
      break;
    case CHANGE_LINK:
      g_assert_cmpint (g_rename (part, victim), ==, 0);
      g_assert_cmpint (symlink (victim, part), ==, 0);
      break;
    case CHANGE_HARD_LINK:
      g_assert_cmpint (link (part, victim), ==, 0);
      break;
    default:
      break;
  }
}

static void
check_resume (TestCache *self, gconstpointer data)
{
  const ResumeCase *c = data;
  g_autoptr (GBytes) content = test_make_noise (SIZE + 1, 1);
  gsize size = c->size ? c->size : SIZE;
  g_autoptr (GBytes) whole = g_bytes_new_from_bytes (content, 0, size);
  g_autofree char *sha256 = test_dup_sha256 (whole);
  g_autofree char *victim = g_build_filename (self->folder, "victim", NULL);
  g_autofree char *before = NULL, *after = NULL;
  gsize before_size = 0, after_size = 0;
  g_autoptr (GError) error = NULL;
  BnPart *part;

  leave_half (self, content);
  apply_change (self, c->change, victim);
  g_file_get_contents (victim, &before, &before_size, NULL);
  part = begin (self, c->validator, c->size);
  g_assert_cmpuint (bn_part_get_size (part), ==, c->resumed);
  if (c->change == CHANGE_LONGER_WITHIN) {
    /* Zeros are not the content: the digest says so, and it begins again. */
    write_range (part, whole, c->resumed, size);
    g_assert_cmpstr (bn_part_get_sha256 (part), !=, sha256);
    g_assert_true (bn_part_restart (part, &error));
    g_assert_cmpuint (bn_part_get_size (part), ==, 0);
  }
  write_range (part, whole, bn_part_get_size (part), size);
  g_assert_cmpstr (bn_part_get_sha256 (part), ==, sha256);
  g_assert_true (bn_part_commit_object (part, &error));
  g_assert_no_error (error);
  {
    BnCachedFile file = test_describe (sha256, size);
    g_autoptr (GBytes) found =
        bn_disk_cache_read (self->cache, &file, NULL, &error);

    g_assert_no_error (error);
    g_assert_true (g_bytes_equal (found, whole));
  }
  if (before != NULL) {
    g_assert_true (g_file_get_contents (victim, &after, &after_size, NULL));
    g_assert_cmpmem (after, after_size, before, before_size);
  }
  {
    g_autofree char *rest = test_list (self);

    g_assert_null (strstr (rest, "tmp/"));
  }
}

static void
check_close_drops (TestCache *self, gconstpointer data)
{
  g_autofree char *rest = NULL;
  BnPart *part = begin (self, VALIDATOR, SIZE);

  bn_part_close (part, FALSE);
  rest = test_list (self);
  g_assert_cmpstr (rest, ==, "");
}

/* Where locks are not reliable nothing is shared. */
static void
check_unique (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_noise (SIZE, 1);
  g_autofree char *rest = NULL;
  BnPart *part;

  self->cache->has_unique_parts = TRUE;
  part = begin (self, VALIDATOR, SIZE);
  write_range (part, content, 0, HALF);
  rest = test_list (self);
  g_assert_true (g_str_has_prefix (rest, "tmp/" NAME "."));
  g_assert_true (g_str_has_suffix (rest, ".part"));
  g_assert_cmpuint (strlen (rest), >, strlen ("tmp/" NAME ".part") + 8);
  bn_part_close (part, TRUE);
  part = begin (self, VALIDATOR, SIZE);
  g_assert_cmpuint (bn_part_get_size (part), ==, 0);
  write_range (part, content, 0, SIZE);
  g_assert_true (bn_part_commit_object (part, NULL));
}

typedef struct {
  const char *text;
  const char *sha1;
} GitCase;

/* By git hash-object. */
static const GitCase blobs[] = {
    {"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"},
    {"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"},
};

static void
check_git_sha1 (TestCache *self, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (blobs); i++) {
    gsize size = strlen (blobs[i].text);
    BnPart *part = begin (self, VALIDATOR, i % 2 ? size : 0);

    for (gsize j = 0; j < size; j++) {
      g_assert_cmpstr (bn_part_get_git_sha1 (part), !=, blobs[i].sha1);
      g_assert_true (bn_part_write (part, blobs[i].text + j, 1, NULL));
    }
    g_assert_cmpstr (bn_part_get_git_sha1 (part), ==, blobs[i].sha1);
    bn_part_close (part, FALSE);
  }
}

static void
check_incomplete (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_noise (SIZE, 1);
  g_autofree char *listed = NULL;

  for (guint as_file = 0; as_file < 2; as_file++) {
    BnPart *part = begin (self, VALIDATOR, SIZE);
    g_autoptr (GError) error = NULL;

    write_range (part, content, bn_part_get_size (part), HALF + as_file);
    if (as_file)
      g_assert_false (bn_part_commit_file (
          part, TEST_REPOSITORY, TEST_COMMIT, "model", &error));
    else
      g_assert_false (bn_part_commit_object (part, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TRUNCATED);
  }
  listed = test_list (self);
  g_assert_cmpstr (listed, ==, "tmp/" NAME ".json tmp/" NAME ".part");
}

/* A limit on the size of files stands for a full disk: what was written stays
 * and is continued. */
static void
check_full (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_noise (SIZE, 1);
  BnPart *part = begin (self, VALIDATOR, SIZE);
  struct rlimit old, limit;
  g_autoptr (GError) error = NULL;
  g_autofree char *sha256 = test_dup_sha256 (content);

  write_range (part, content, 0, 1000);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  limit = old;
  limit.rlim_cur = HALF;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  g_assert_true (bn_part_write (part,
      (const char *) g_bytes_get_data (content, NULL) + 1000, HALF - 1000,
      &error));
  g_assert_false (bn_part_write (part,
      (const char *) g_bytes_get_data (content, NULL) + HALF, HALF, &error));
  setrlimit (RLIMIT_FSIZE, &old);
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, "tmp/" NAME ".part"));
  g_assert_nonnull (strstr (error->message, "100000 bytes"));
  g_assert_cmpuint (bn_part_get_size (part), ==, HALF);
  bn_part_close (part, TRUE);
  part = begin (self, VALIDATOR, SIZE);
  g_assert_cmpuint (bn_part_get_size (part), ==, HALF);
  write_range (part, content, HALF, SIZE);
  g_assert_cmpstr (bn_part_get_sha256 (part), ==, sha256);
  g_assert_true (bn_part_commit_object (part, NULL));
}

/* When packing finds no space the content is kept as it is. */
static void
check_full_while_packing (TestCache *self, gconstpointer data)
{
  enum { TEXT_SIZE = 4 << 20, LIMIT = 10000 };
  g_autoptr (GBytes) content = test_make_text (TEXT_SIZE, 1);
  g_autofree char *sha256 = test_dup_sha256 (content);
  BnPart *part = begin (self, VALIDATOR, TEXT_SIZE);
  struct rlimit old, limit;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  gboolean is_done;

  write_range (part, content, 0, TEXT_SIZE);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  limit = old;
  limit.rlim_cur = LIMIT;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  is_done = bn_part_commit_object (part, &error);
  setrlimit (RLIMIT_FSIZE, &old);
  g_assert_no_error (error);
  g_assert_true (is_done);
  path = test_dup_object_path (self, sha256);
  g_assert_true (g_str_has_suffix (path, sha256));
}

static void
check_too_large (TestCache *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *rest = NULL;

  g_assert_null (bn_disk_cache_begin (
      self->cache, NAME, VALIDATOR, G_MAXINT64 / 2, NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, "4611686018427387903 bytes"));
  rest = test_list (self);
  g_assert_cmpstr (rest, ==, "");
}

/* Names that are no file names get one. */
static void
check_names (TestCache *self, gconstpointer data)
{
  static const char *const names[] = {"../../../x", "", ".hidden", "a/b",
      "W/\"etag\"", "\n", "\xff\xfe", "sha256:0a1b"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;
    BnPart *part = bn_disk_cache_begin (
        self->cache, names[i], names[i], 1, NULL, NULL, NULL, &error);
    g_autofree char *rest = test_list (self);

    g_assert_no_error (error);
    g_assert_true (g_str_has_prefix (rest, "tmp/"));
    g_assert_cmpuint (
        strlen (rest), ==, 2 * strlen ("tmp/.json ") + 2 * 64 - 1);
    g_assert_true (bn_part_write (part, "x", 1, &error));
    bn_part_close (part, TRUE);
    part = bn_disk_cache_begin (
        self->cache, names[i], names[i], 1, NULL, NULL, NULL, &error);
    g_assert_cmpuint (bn_part_get_size (part), ==, 1);
    bn_part_close (part, FALSE);
  }
}

/* Files */

static void
commit_file (TestCache *self, GBytes *content, const char *name)
{
  g_autoptr (GError) error = NULL;
  BnPart *part = begin (self, VALIDATOR, 0);

  write_range (part, content, 0, g_bytes_get_size (content));
  g_assert_true (
      bn_part_commit_file (part, TEST_REPOSITORY, TEST_COMMIT, name, &error));
  g_assert_no_error (error);
}

static char *
save_file (TestCache *self, GBytes *content, const char *name)
{
  g_autoptr (BnManifest) manifest =
      bn_manifest_new (TEST_ENDPOINT, TEST_REPOSITORY, TEST_REVISION);
  char *sha256 = test_dup_sha256 (content);

  commit_file (self, content, name);
  manifest->commit = g_strdup (TEST_COMMIT);
  bn_manifest_add (
      manifest, name, sha256, NULL, g_bytes_get_size (content), FALSE);
  g_assert_true (bn_disk_cache_save (self->cache, manifest, NULL));
  return sha256;
}

static void
check_file (TestCache *self, gconstpointer data)
{
  static const char *const names[] = {
      "model.gguf", "sub/folder/model-00001-of-00002.gguf", "a b\xc3\xa9.bin"};
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);
  g_autofree char *listed = NULL;
  g_autoptr (GVariant) cleared = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *sha256 = save_file (self, content, names[i]);
    g_autofree char *path = bn_disk_cache_dup_file_path (
        self->cache, TEST_REPOSITORY, TEST_COMMIT, names[i]);
    g_autofree char *expected = g_build_filename (
        self->root, "v1/files/owner--name", TEST_COMMIT, names[i], NULL);
    g_autofree char *text = NULL;
    g_autoptr (BnManifest) manifest = NULL;
    gsize size;

    g_assert_cmpstr (path, ==, expected);
    g_assert_true (g_file_get_contents (path, &text, &size, NULL));
    g_assert_cmpuint (size, ==, SIZE);
    manifest = bn_disk_cache_lookup (
        self->cache, TEST_ENDPOINT, TEST_REPOSITORY, TEST_REVISION);
    g_assert_cmpuint (manifest->files->len, ==, i + 1);
    g_assert_false (bn_manifest_find (manifest, names[i])->is_object);
    g_assert_null (bn_disk_cache_read (
        self->cache, bn_manifest_find (manifest, names[i]), NULL, NULL));
  }
  /* All of it goes, and so do the folders. */
  cleared = bn_disk_cache_clear (self->cache, TEST_REPOSITORY, NULL, NULL);
  listed = test_list (self);
  g_assert_cmpstr (listed, ==, "");
  {
    g_autofree char *folder = test_dup_path (self, "files/owner--name");

    g_assert_false (g_file_test (folder, G_FILE_TEST_EXISTS));
  }
}

/* The limit is for objects; files go when they are told to. */
static void
check_file_limit (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);
  g_autoptr (GBytes) next = test_make_noise (SIZE, 2);
  g_autofree char *sha256 = save_file (self, content, "model.gguf");
  g_autofree char *path = bn_disk_cache_dup_file_path (
      self->cache, TEST_REPOSITORY, TEST_COMMIT, "model.gguf");
  g_autofree char *object = NULL;
  g_autoptr (GVariant) pruned = NULL;

  test_age (path, 100000);
  bn_disk_cache_set_limit (self->cache, 1);
  object = test_store_as (self->cache, "owner/other", "file", next);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  pruned = bn_disk_cache_prune (self->cache, SIZE, 0, NULL, NULL);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  g_assert_true (bn_disk_cache_has_object (self->cache, object));
}

static void
check_file_verify (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_text (SIZE, 1);
  g_autofree char *sha256 = save_file (self, content, "model.gguf");
  g_autofree char *path = bn_disk_cache_dup_file_path (
      self->cache, TEST_REPOSITORY, TEST_COMMIT, "model.gguf");
  guint64 removed;

  for (guint is_damaged = 0; is_damaged < 2; is_damaged++) {
    g_autoptr (GVariant) result = NULL;
    g_autofree const char **broken = NULL;

    if (is_damaged)
      test_damage (path, HALF);
    result = bn_disk_cache_verify (self->cache, TRUE, NULL, NULL);
    g_assert_true (g_variant_lookup (result, "broken", "^a&s", &broken));
    g_assert_cmpuint (g_strv_length ((char **) broken), ==, is_damaged);
    if (is_damaged)
      g_assert_nonnull (strstr (broken[0], sha256));
    g_assert_true (g_variant_lookup (result, "removed", "t", &removed));
    g_assert_cmpuint (removed, ==, is_damaged);
  }
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

typedef struct {
  const char *repository, *commit, *name;
} BadName;

static const BadName bad_names[] = {
    {"../x", TEST_COMMIT, "m"},
    {"a/../b", TEST_COMMIT, "m"},
    {"a/b/c", TEST_COMMIT, "m"},
    {"", TEST_COMMIT, "m"},
    {"/a", TEST_COMMIT, "m"},
    {"a--b", TEST_COMMIT, "m"},
    {"a/.b", TEST_COMMIT, "m"},
    {"a/b", TEST_COMMIT, ""},
    {"a/b", TEST_COMMIT, "."},
    {"a/b", TEST_COMMIT, ".."},
    {"a/b", TEST_COMMIT, "../m"},
    {"a/b", TEST_COMMIT, "m/.."},
    {"a/b", TEST_COMMIT, "a/../../m"},
    {"a/b", TEST_COMMIT, "/m"},
    {"a/b", TEST_COMMIT, "a//m"},
    {"a/b", TEST_COMMIT, "m/"},
    {"a/b", TEST_COMMIT, "C:m"},
    {"a/b", TEST_COMMIT, "a\\m"},
    {"a/b", TEST_COMMIT, "a\nm"},
    {"a/b", TEST_COMMIT, "\xff"},
};

static void
check_bad_names (TestCache *self, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bad_names); i++) {
    const BadName *c = &bad_names[i];
    g_autoptr (GError) error = NULL;
    BnPart *part = begin (self, VALIDATOR, 0);
    g_autoptr (BnManifest) manifest =
        bn_manifest_new (TEST_ENDPOINT, c->repository, TEST_REVISION);
    g_autofree char *sha256 = g_strdup (bn_part_get_sha256 (part));
    g_autofree char *rest = NULL;

    g_test_message ("row %u", (guint) i);
    g_assert_null (bn_disk_cache_dup_file_path (
        self->cache, c->repository, c->commit, c->name));
    g_assert_false (
        bn_part_commit_file (part, c->repository, c->commit, c->name, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
    g_clear_error (&error);
    manifest->commit = g_strdup (c->commit);
    bn_manifest_add (manifest, c->name, sha256, NULL, 0, TRUE);
    g_assert_false (bn_disk_cache_save (self->cache, manifest, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
    rest = test_list (self);
    g_assert_cmpstr (rest, ==, "tmp/" NAME ".json tmp/" NAME ".part");
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (resumes); i++) {
    g_autofree char *path =
        g_strdup_printf ("/parts/resume/%s", resumes[i].name);

    test_cache_add (path, &resumes[i], check_resume);
  }
  test_cache_add ("/parts/close-drops", NULL, check_close_drops);
  test_cache_add ("/parts/unique", NULL, check_unique);
  test_cache_add ("/parts/git-sha1", NULL, check_git_sha1);
  test_cache_add ("/parts/incomplete", NULL, check_incomplete);
  test_cache_add ("/parts/full", NULL, check_full);
  test_cache_add ("/parts/full-while-packing", NULL, check_full_while_packing);
  test_cache_add ("/parts/too-large", NULL, check_too_large);
  test_cache_add ("/parts/names", NULL, check_names);
  test_cache_add ("/files/A06/commit", NULL, check_file);
  test_cache_add ("/files/limit", NULL, check_file_limit);
  test_cache_add ("/files/verify", NULL, check_file_verify);
  test_cache_add ("/files/bad-names", NULL, check_bad_names);
  return g_test_run ();
}
