/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cache of the official client, laid out here as it lays it out, and as
 * it never would. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bn-hf-cache.h"
#include "cache-util.h"

#define COMMIT_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define COMMIT_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define COMMIT_C "cccccccccccccccccccccccccccccccccccccccc"
#define BASE "models--owner--name/"

/* What is in the folder: a file with this content, or a link to it. age:
 * seconds, of the folder that it is in; 0: as it is. */
typedef struct {
  const char *path;
  const char *content;
  const char *link;
  gint64 age;
} Entry;

typedef struct {
  const char *name;
  Entry entries[8];
  const char *repository, *revision, *file;
  const char *found; /* content of the file; NULL: none */
  gboolean is_other;
} LookupCase;

#define REF(revision, commit)                                                  \
  {                                                                            \
    BASE "refs/" revision, commit, NULL, 0                                     \
  }
#define BLOB(etag, content)                                                    \
  {                                                                            \
    BASE "blobs/" etag, content, NULL, 0                                       \
  }
#define LINK(commit, file, target)                                             \
  {                                                                            \
    BASE "snapshots/" commit "/" file, NULL, target, 0                         \
  }

static const LookupCase lookups[] = {
    {"ref",
        {REF ("main", COMMIT_A), BLOB ("e1", "one"),
            LINK (COMMIT_A, "t.json", "../../blobs/e1")},
        "owner/name", "main", "t.json", "one", FALSE},
    {"ref-with-newline",
        {REF ("main", COMMIT_A "\n"), BLOB ("e1", "one"),
            LINK (COMMIT_A, "t.json", "../../blobs/e1")},
        "owner/name", "main", "t.json", "one", FALSE},
    {"commit",
        {BLOB ("e1", "one"), LINK (COMMIT_A, "t.json", "../../blobs/e1")},
        "owner/name", COMMIT_A, "t.json", "one", FALSE},
    {"nested-ref",
        {REF ("refs/pr/1", COMMIT_A), BLOB ("e1", "one"),
            LINK (COMMIT_A, "t.json", "../../blobs/e1")},
        "owner/name", "refs/pr/1", "t.json", "one", FALSE},
    {"revision-as-snapshot",
        {BLOB ("e1", "one"), LINK ("v1", "t.json", "../../blobs/e1")},
        "owner/name", "v1", "t.json", "one", FALSE},
    {"no-owner",
        {{"models--gpt2/refs/main", COMMIT_A, NULL, 0},
            {"models--gpt2/snapshots/" COMMIT_A "/t.json", "one", NULL, 0}},
        "gpt2", "main", "t.json", "one", FALSE},
    {"sub-folder",
        {REF ("main", COMMIT_A), BLOB ("e1", "one"),
            LINK (COMMIT_A, "a/b.json", "../../../blobs/e1")},
        "owner/name", "main", "a/b.json", "one", FALSE},
    {"no-links",
        {REF ("main", COMMIT_A),
            {BASE "snapshots/" COMMIT_A "/t.json", "one", NULL, 0}},
        "owner/name", "main", "t.json", "one", FALSE},
    {"other-snapshot",
        {REF ("main", COMMIT_A), BLOB ("e1", "one"),
            LINK (COMMIT_A, "x", "../../blobs/e1"),
            LINK (COMMIT_B, "t.json", "../../blobs/e1")},
        "owner/name", "main", "t.json", "one", TRUE},
    {"newest-other",
        {{BASE "snapshots/" COMMIT_A "/t.json", "old", NULL, 5000},
            {BASE "snapshots/" COMMIT_B "/t.json", "new", NULL, 100},
            {BASE "snapshots/" COMMIT_C "/t.json", "older", NULL, 9000}},
        "owner/name", "main", "t.json", "new", TRUE},
    {"newest-lacks-it",
        {{BASE "snapshots/" COMMIT_A "/t.json", "old", NULL, 5000},
            {BASE "snapshots/" COMMIT_B "/x", "new", NULL, 100}},
        "owner/name", "main", "t.json", "old", TRUE},
    {"pinned-has-no-other",
        {BLOB ("e1", "one"), LINK (COMMIT_B, "t.json", "../../blobs/e1")},
        "owner/name", COMMIT_A, "t.json", NULL, FALSE},
    {"known-absent",
        {REF ("main", COMMIT_A),
            {BASE ".no_exist/" COMMIT_A "/t.json", "", NULL, 0},
            {BASE "snapshots/" COMMIT_B "/t.json", "old", NULL, 0}},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"dangling",
        {REF ("main", COMMIT_A), LINK (COMMIT_A, "t.json", "../../blobs/e1")},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"incomplete",
        {REF ("main", COMMIT_A), BLOB ("e1.0a1b2c3d.incomplete", "on"),
            LINK (COMMIT_A, "t.json", "../../blobs/e1.0a1b2c3d.incomplete")},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"escape-relative",
        {REF ("main", COMMIT_A), {"secret", "s", NULL, 0},
            LINK (COMMIT_A, "t.json", "../../../secret")},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"escape-absolute",
        {REF ("main", COMMIT_A), LINK (COMMIT_A, "t.json", "/etc/passwd")},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"escape-twice",
        {REF ("main", COMMIT_A), {"secret", "s", NULL, 0},
            {BASE "blobs/e1", NULL, "../../secret", 0},
            LINK (COMMIT_A, "t.json", "../../blobs/e1")},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"escape-to-other-repository",
        {REF ("main", COMMIT_A),
            {"models--owner--other/blobs/e1", "s", NULL, 0},
            LINK (
                COMMIT_A, "t.json", "../../../models--owner--other/blobs/e1")},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"escape-by-snapshot",
        {REF ("main", COMMIT_A), {"evil/t.json", "s", NULL, 0},
            {BASE "snapshots/" COMMIT_A, NULL, "../../evil", 0}},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"escape-to-refs",
        {REF ("main", COMMIT_A), LINK (COMMIT_A, "t.json", "../../refs/main")},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"folder",
        {REF ("main", COMMIT_A),
            {BASE "snapshots/" COMMIT_A "/t.json/x", "s", NULL, 0}},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"hostile-ref",
        {REF ("main", "../../../evil"), {"evil/t.json", "s", NULL, 0}},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"empty-ref", {REF ("main", "")}, "owner/name", "main", "t.json", NULL,
        FALSE},
    {"hostile-revision", {{"x/t.json", "s", NULL, 0}}, "owner/name",
        "../../../x", "t.json", NULL, FALSE},
    {"hostile-file",
        {REF ("main", COMMIT_A), {"secret", "s", NULL, 0},
            {BASE "snapshots/" COMMIT_A "/x", "s", NULL, 0}},
        "owner/name", "main", "../../../secret", NULL, FALSE},
    {"hostile-repository", {{"x/snapshots/" COMMIT_A "/t.json", "s", NULL, 0}},
        "../x", COMMIT_A, "t.json", NULL, FALSE},
    {"old-flat-files",
        {{"0a1b2c.json", "{}", NULL, 0},
            {"owner--name.tokenizer.json", "s", NULL, 0}},
        "owner/name", "main", "t.json", NULL, FALSE},
    {"nothing", {{0}}, "owner/name", "main", "t.json", NULL, FALSE},
};

static void
make_entry (const char *folder, const Entry *entry)
{
  g_autofree char *path = g_build_filename (folder, entry->path, NULL);
  g_autofree char *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  if (entry->link)
    g_assert_cmpint (symlink (entry->link, path), ==, 0);
  else
    g_assert_true (g_file_set_contents (path, entry->content, -1, NULL));
  if (entry->age > 0)
    test_age (parent, entry->age);
}

static void
check_lookup (gconstpointer data)
{
  const LookupCase *c = data;
  g_autofree char *made = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  g_autofree char *folder = g_canonicalize_filename (made, NULL);
  gboolean is_other = 2, is_other_snapshot = 2;
  g_autofree char *path = NULL;
  g_autofree char *snapshot = NULL;
  g_autofree char *strict = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (c->entries); i++) {
    if (c->entries[i].path)
      make_entry (folder, &c->entries[i]);
  }
  path = bn_hf_cache_find_file (
      folder, c->repository, c->revision, c->file, &is_other);
  snapshot = bn_hf_cache_find_snapshot (
      folder, c->repository, c->revision, c->file, &is_other_snapshot);
  g_assert_cmpint (is_other, ==, c->is_other);
  g_assert_cmpint (is_other_snapshot, ==, c->is_other);
  g_assert_cmpint (snapshot != NULL, ==, c->found != NULL);
  if (c->found == NULL) {
    g_assert_null (path);
  } else {
    g_autofree char *content = NULL;
    g_autofree char *inside = g_build_filename (snapshot, c->file, NULL);

    g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
    g_assert_cmpstr (content, ==, c->found);
    g_assert_true (g_file_test (inside, G_FILE_TEST_IS_REGULAR));
  }
  strict =
      bn_hf_cache_find_file (folder, c->repository, c->revision, c->file, NULL);
  g_assert_cmpint (strict != NULL, ==, c->found != NULL && !c->is_other);
  test_remove_tree (folder);
}

/* The folder of a repository may lie elsewhere: users move large ones. */
static void
check_moved_repository (void)
{
  g_autofree char *folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  g_autofree char *link = g_build_filename (folder, BASE, NULL);
  static const Entry entries[] = {
      {"elsewhere/refs/main", COMMIT_A, NULL, 0},
      {"elsewhere/blobs/e1", "one", NULL, 0},
      {"elsewhere/snapshots/" COMMIT_A "/t.json", NULL, "../../blobs/e1", 0},
      {"models--owner--name", NULL, "elsewhere", 0},
  };
  gboolean is_other;
  g_autofree char *path = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    make_entry (folder, &entries[i]);
  path =
      bn_hf_cache_find_file (folder, "owner/name", "main", "t.json", &is_other);
  g_assert_nonnull (path);
  test_remove_tree (folder);
}

typedef struct {
  const char *path;
  const char *repository; /* NULL: it is no such path */
  const char *commit;
} ParseCase;

static const ParseCase parses[] = {
    {"/h/models--owner--name/snapshots/" COMMIT_A "/m.gguf", "owner/name",
        COMMIT_A},
    {"/h/models--owner--name/snapshots/" COMMIT_A "/sub/m.gguf", "owner/name",
        COMMIT_A},
    {"/h/models--owner--name/snapshots/" COMMIT_A, "owner/name", COMMIT_A},
    {"/h/models--gpt2/snapshots/main/m.gguf", "gpt2", "main"},
    {"models--owner--name-2.0_x/snapshots/c/m", "owner/name-2.0_x", "c"},
    {"/models--a--b/snapshots/c/models--d--e/snapshots/f/m", "d/e", "f"},
    {"/models--a--b/snapshots/c/../../x/m", NULL, NULL},
    {"/models--a--b--c/snapshots/c/m", NULL, NULL},
    {"/models--/snapshots/c/m", NULL, NULL},
    {"/models--a--/snapshots/c/m", NULL, NULL},
    {"/datasets--a--b/snapshots/c/m", NULL, NULL},
    {"/models--a--b/blobs/c", NULL, NULL},
    {"/models--a--b/snapshots", NULL, NULL},
    {"/models--a--b/snapshots/", NULL, NULL},
    {"/models--a--b/snapshots/.c/m", NULL, NULL},
    {"m.gguf", NULL, NULL},
    {"/", NULL, NULL},
    {"", NULL, NULL},
};

static void
check_parse (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (parses); i++) {
    const ParseCase *c = &parses[i];
    g_autofree char *repository = NULL;
    g_autofree char *commit = NULL;

    g_test_message ("%s", c->path);
    g_assert_cmpint (bn_hf_cache_parse_path (c->path, &repository, &commit), ==,
        c->repository != NULL);
    g_assert_cmpstr (repository, ==, c->repository);
    g_assert_cmpstr (commit, ==, c->commit);
    g_assert_cmpint (bn_hf_cache_parse_path (c->path, NULL, NULL), ==,
        c->repository != NULL);
  }
}

typedef struct {
  const char *hub_cache, *old_cache, *home;
  const char *folder;
} FolderCase;

static const FolderCase folders[] = {
    {"/a", "/b", "/c", "/a"},
    {NULL, "/b", "/c", "/b"},
    {NULL, NULL, "/c", "/c/hub"},
    {"", "", "/c", "/c/hub"},
    {"/a/", NULL, NULL, "/a"},
    {"$TEST_BASE/x", NULL, NULL, "/base/x"},
    {"${TEST_BASE}x", NULL, NULL, "/basex"},
    {NULL, NULL, "/y/$TEST_UNSET/z", "/y/$TEST_UNSET/z/hub"},
    {"/a/${TEST_BASE", NULL, NULL, "/a/${TEST_BASE"},
    {"/a$", NULL, NULL, "/a$"},
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
check_folder (void)
{
  g_autofree char *home =
      g_build_filename (g_get_home_dir (), "x", "hub", NULL);
  g_autofree char *standard =
      g_build_filename (g_get_user_cache_dir (), "huggingface", "hub", NULL);
  g_autofree char *tilde = NULL;
  g_autofree char *fallback = NULL;

  g_setenv ("TEST_BASE", "/base", TRUE);
  g_unsetenv ("TEST_UNSET");
  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++) {
    g_autofree char *folder = NULL;

    set_env ("HF_HUB_CACHE", folders[i].hub_cache);
    set_env ("HUGGINGFACE_HUB_CACHE", folders[i].old_cache);
    set_env ("HF_HOME", folders[i].home);
    folder = bn_hf_cache_dup_folder ();
    g_assert_cmpstr (folder, ==, folders[i].folder);
  }
  set_env ("HF_HUB_CACHE", NULL);
  set_env ("HF_HOME", "~/x");
  tilde = bn_hf_cache_dup_folder ();
  g_assert_cmpstr (tilde, ==, home);
  set_env ("HF_HOME", NULL);
  fallback = bn_hf_cache_dup_folder ();
  g_assert_cmpstr (fallback, ==, standard);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (lookups); i++) {
    g_autofree char *path =
        g_strdup_printf ("/hf-cache/lookup/%s", lookups[i].name);

    g_test_add_data_func (path, &lookups[i], check_lookup);
  }
  g_test_add_func ("/hf-cache/moved-repository", check_moved_repository);
  g_test_add_func ("/hf-cache/parse", check_parse);
  g_test_add_func ("/hf-cache/folder", check_folder);
  return g_test_run ();
}
