/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cache on disk, by one process: objects and what breaks them, manifests,
 * records, limits, counters, and the functions that look and tidy up. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef BN_HAVE_ZSTD
#include <zstd.h>
#endif
#include "bitnet.h"
#include "cache-util.h"

enum {
  PACKED_SIZE = 300000,
  SMALL_SIZE = 1000,
  ITEM_SIZE = 10000, /* of the tests of eviction */
  N_ITEMS = 5,
  HOUR_S = 60 * 60,
  DAY_S = 24 * HOUR_S,
};

static guint64
get_stat (BnDiskCache *cache, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) stats = bn_disk_cache_dup_stats (cache, NULL, &error);
  guint64 value;

  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (stats, name, "t", &value));
  return value;
}

static GBytes *
read_object (TestCache *self, const char *sha256, gsize size, GError **error)
{
  BnCachedFile file = test_describe (sha256, size);

  return bn_disk_cache_read (self->cache, &file, NULL, error);
}

static void
assert_readable (TestCache *self, const char *sha256, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = read_object (self, sha256, size, &error);
  g_autofree char *found = NULL;

  g_assert_no_error (error);
  found = test_dup_sha256 (bytes);
  g_assert_cmpstr (found, ==, sha256);
}

static void
assert_read_error (
    TestCache *self, const char *sha256, gsize size, BitnetError code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = read_object (self, sha256, size, &error);

  g_assert_null (bytes);
  g_assert_error (error, BITNET_ERROR, (int) code);
  g_assert_null (strchr (error->message, '\n'));
}

/* Objects */

typedef struct {
  const char *name;
  gsize size;
  gboolean is_noise;
  gboolean is_packed;
} ObjectCase;

static const ObjectCase objects[] = {
    {"empty", 0, FALSE, FALSE},
    {"one-byte", 1, FALSE, FALSE},
    {"small", SMALL_SIZE, FALSE, FALSE},
    {"below-limit", (64 << 10) - 1, FALSE, FALSE},
    {"text", PACKED_SIZE, FALSE, TRUE},
    {"chunks", (2 << 20) + 17, FALSE, TRUE},
    {"whole-chunks", 2 << 20, FALSE, TRUE},
    {"noise", PACKED_SIZE, TRUE, FALSE},
};

static GBytes *
make_content (const ObjectCase *c)
{
  return c->is_noise ? test_make_noise (c->size, 1)
                     : test_make_text (c->size, 1);
}

static void
check_object (TestCache *self, gconstpointer data)
{
  const ObjectCase *c = data;
  g_autoptr (GBytes) content = make_content (c);
  g_autofree char *sha256 = test_store (self->cache, content);
  g_autofree char *path = test_dup_object_path (self, sha256);
  gboolean is_packed = c->is_packed;
  struct stat info;

#ifndef BN_HAVE_ZSTD
  is_packed = FALSE;
#endif
  g_assert_nonnull (path);
  g_assert_cmpint (g_str_has_suffix (path, ".zst"), ==, is_packed);
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);
  if (is_packed)
    g_assert_cmpint (info.st_size * 10, <, (goffset) c->size * 9);
  else
    g_assert_cmpint (info.st_size, ==, (goffset) c->size);
  g_assert_true (bn_disk_cache_has_object (self->cache, sha256));
  for (int i = 0; i < 2; i++) { /* the second time without comparing */
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) found = read_object (self, sha256, c->size, &error);

    g_assert_no_error (error);
    g_assert_true (g_bytes_equal (found, content));
  }
  g_assert_cmpuint (get_stat (self->cache, "objects"), ==, 1);
  g_assert_cmpuint (get_stat (self->cache, "size"), ==, c->size);
  g_assert_cmpuint (
      get_stat (self->cache, "disk-size"), ==, (guint64) info.st_size);
}

/* What is done to an object before it is read. */
typedef enum {
  DAMAGE_BYTE,
  DAMAGE_LAST_BYTE,
  DAMAGE_CUT,
  DAMAGE_EMPTY,
  DAMAGE_LONGER,
  DAMAGE_OTHER, /* right in itself, of the same size */
  N_DAMAGES,
} Damage;

typedef struct {
  const ObjectCase *object;
  Damage damage;
  gboolean is_read_before;
} DamageCase;

static void
apply_damage (const char *path, Damage damage)
{
  g_autofree char *data = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  switch (damage) {
    case DAMAGE_BYTE:
      test_damage (path, size / 2);
      break;
    case DAMAGE_LAST_BYTE:
      test_damage (path, size - 1);
      break;
    case DAMAGE_CUT:
      g_assert_cmpint (truncate (path, (off_t) size / 2), ==, 0);
      break;
    case DAMAGE_EMPTY:
      g_assert_cmpint (truncate (path, 0), ==, 0);
      break;
    case DAMAGE_LONGER:
      g_assert_cmpint (truncate (path, (off_t) size + 1), ==, 0);
      break;
    default:
      memset (data, 'x', size);
      g_assert_true (g_file_set_contents (path, data, (gssize) size, NULL));
      break;
  }
}

static void
check_damage (TestCache *self, gconstpointer data)
{
  const DamageCase *c = data;
  g_autoptr (GBytes) content = make_content (c->object);
  g_autofree char *sha256 =
      test_store_as (self->cache, TEST_REPOSITORY, "file", content);
  g_autofree char *path = test_dup_object_path (self, sha256);
  g_autofree char *aside = g_strconcat (path, ".bad", NULL);
  g_autofree char *again = NULL;
  g_autoptr (BnManifest) manifest = NULL;

  if (c->is_read_before)
    assert_readable (self, sha256, c->object->size);
  apply_damage (path, c->damage);
  if (c->is_read_before)
    test_age (path, 100); /* a time that differs for certain */
  assert_read_error (self, sha256, c->object->size, BITNET_ERROR_DIGEST);
  g_assert_true (g_file_test (aside, G_FILE_TEST_EXISTS));
  assert_read_error (self, sha256, c->object->size, BITNET_ERROR_NOT_FOUND);
  g_assert_false (bn_disk_cache_has_object (self->cache, sha256));
  g_assert_cmpuint (get_stat (self->cache, "corruptions"), ==, 1);
  manifest = bn_disk_cache_lookup (
      self->cache, TEST_ENDPOINT, TEST_REPOSITORY, TEST_REVISION);
  g_assert_nonnull (manifest);
  g_assert_null (bn_manifest_find (manifest, "file"));
  /* Fetched again it is there again. */
  again = test_store (self->cache, content);
  assert_readable (self, sha256, c->object->size);
}

/* A size in a manifest that is not that of the content. */
static void
check_wrong_size (TestCache *self, gconstpointer data)
{
  static const gsize sizes[] = {
      0, 1, PACKED_SIZE - 1, PACKED_SIZE + 1, G_MAXSIZE / 2};

  for (gsize i = 0; i < G_N_ELEMENTS (sizes) * 2; i++) {
    g_autoptr (GBytes) content = i % 2 ? test_make_text (PACKED_SIZE, 1)
                                       : test_make_noise (PACKED_SIZE, 1);
    g_autofree char *sha256 = test_store (self->cache, content);

    assert_read_error (self, sha256, sizes[i / 2], BITNET_ERROR_DIGEST);
  }
}

#ifdef BN_HAVE_ZSTD
/* Packed files that unpack to more than they say: one that says the truth, one
 * of two frames the first of which says what is expected. */
static void
check_bomb (TestCache *self, gconstpointer data)
{
  enum { BOMB_SIZE = 64 << 20, SAID_SIZE = 1000 };
  g_autoptr (GBytes) said = test_make_text (SAID_SIZE, 1);
  g_autofree char *sha256 = test_dup_sha256 (said);
  g_autofree char *name = bn_object_dup_path (sha256, TRUE);
  g_autofree char *below = g_build_filename ("objects", name, NULL);
  g_autofree char *path = test_dup_path (self, below);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *zeros = g_malloc0 (BOMB_SIZE);
  gsize capacity = ZSTD_compressBound (BOMB_SIZE);
  g_autofree char *packed = g_malloc (capacity);

  for (int is_second = 0; is_second < 2; is_second++) {
    gsize size = 0;

    if (is_second)
      size = ZSTD_compress (
          packed, capacity, g_bytes_get_data (said, NULL), SAID_SIZE, 3);
    size += ZSTD_compress (
        packed + size, capacity - size, zeros, BOMB_SIZE - SAID_SIZE, 3);
    g_assert_cmpuint (size, <, SAID_SIZE * 20);
    g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
    g_chmod (self->root, 0700);
    g_assert_true (g_file_set_contents (path, packed, (gssize) size, NULL));
    assert_read_error (self, sha256, SAID_SIZE, BITNET_ERROR_DIGEST);
    g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  }
}
#endif

static void
check_read_cancelled (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_text (PACKED_SIZE, 1);
  g_autofree char *sha256 = test_store (self->cache, content);
  BnCachedFile file = test_describe (sha256, PACKED_SIZE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (bn_disk_cache_read (self->cache, &file, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_readable (self, sha256, PACKED_SIZE);
}

/* Management */

static void
assert_looked_up (TestCache *self, const char *repository, const char *file)
{
  g_autoptr (BnManifest) manifest = bn_disk_cache_lookup (
      self->cache, TEST_ENDPOINT, repository, TEST_REVISION);

  if (file == NULL)
    g_assert_null (manifest);
  else
    g_assert_nonnull (bn_manifest_find (manifest, file));
}

static void
assert_removal (GVariant *result, guint64 n_removed)
{
  guint64 removed, freed;

  g_assert_nonnull (result);
  g_assert_true (g_variant_lookup (result, "removed", "t", &removed));
  g_assert_true (g_variant_lookup (result, "freed", "t", &freed));
  g_assert_cmpuint (removed, ==, n_removed);
  g_assert_cmpint (freed > 0, ==, n_removed > 0);
}

static void
check_management (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) shared = test_make_text (PACKED_SIZE, 1);
  g_autoptr (GBytes) own = test_make_text (SMALL_SIZE, 2);
  g_autofree char *first = NULL, *second = NULL, *third = NULL, *rest = NULL;
  g_autoptr (GVariant) one = NULL;
  g_autoptr (GVariant) none = NULL;
  g_autoptr (GVariant) all = NULL;

  assert_looked_up (self, "a/one", NULL); /* miss */
  first = test_store_as (self->cache, "a/one", "file", shared);
  second = test_store_as (self->cache, "a/one", "own", own);
  third = test_store_as (self->cache, "b/two", "file", shared);
  assert_looked_up (self, "a/one", "file"); /* hits */
  assert_looked_up (self, "a/one", "own");
  assert_looked_up (self, "b/two", "file");
  g_assert_cmpuint (get_stat (self->cache, "hits"), ==, 3);
  g_assert_cmpuint (get_stat (self->cache, "misses"), ==, 1);
  g_assert_cmpuint (get_stat (self->cache, "stores"), ==, 3);
  g_assert_cmpuint (get_stat (self->cache, "repositories"), ==, 2);

  bn_disk_cache_set_absent (self->cache, TEST_ENDPOINT, "a/one", "main", "x",
      BITNET_ERROR_ENTRY_NOT_FOUND);
  bn_disk_cache_write_record (
      self->cache, "resolutions", "r1", "{\"repository\":\"a/one\"}", 22, NULL);
  bn_disk_cache_write_record (
      self->cache, "resolutions", "r2", "{\"repository\":\"b/two\"}", 22, NULL);
  one = bn_disk_cache_clear (self->cache, "a/one", NULL, NULL);
  assert_removal (one, 4); /* manifest, own, absent, r1 */
  assert_looked_up (self, "a/one", NULL);
  assert_looked_up (self, "b/two", "file"); /* shares the content */
  assert_readable (self, third, PACKED_SIZE);
  assert_read_error (self, second, SMALL_SIZE, BITNET_ERROR_NOT_FOUND);
  g_assert_cmpuint (get_stat (self->cache, "resolutions"), ==, 1);
  none = bn_disk_cache_clear (self->cache, "a/none", NULL, NULL);
  assert_removal (none, 0);

  all = bn_disk_cache_clear (self->cache, NULL, NULL, NULL);
  assert_removal (all, 3); /* manifest, content, r2 */
  assert_looked_up (self, "b/two", NULL);
  g_assert_cmpuint (get_stat (self->cache, "objects"), ==, 0);
  rest = test_list (self);
  g_assert_cmpstr (rest, ==, "");
}

/* The same by another object, as another process would. */
static void
check_reopen (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = test_make_text (PACKED_SIZE, 1);
  g_autofree char *sha256 =
      test_store_as (self->cache, TEST_REPOSITORY, "file", content);

  bn_disk_cache_unref (self->cache);
  self->cache = bn_disk_cache_open (self->root, NULL);
  assert_looked_up (self, TEST_REPOSITORY, "file");
  assert_readable (self, sha256, PACKED_SIZE);
  g_assert_cmpuint (get_stat (self->cache, "stores"), ==, 1);
  g_assert_cmpuint (get_stat (self->cache, "hits"), ==, 1);
}

/* Limits */

typedef struct {
  GBytes *content[N_ITEMS];
  char *sha256[N_ITEMS];
  char *path[N_ITEMS];
} Items;

/* The first was used longest ago. */
static void
items_store (Items *items, TestCache *self)
{
  for (guint i = 0; i < N_ITEMS; i++) {
    g_autofree char *name = g_strdup_printf ("owner/name-%u", i);

    items->content[i] = test_make_noise (ITEM_SIZE, i);
    items->sha256[i] =
        test_store_as (self->cache, name, "file", items->content[i]);
    items->path[i] = test_dup_object_path (self, items->sha256[i]);
    test_age (items->path[i], (N_ITEMS - (gint64) i) * HOUR_S * 2);
  }
}

static void
items_clear (Items *items)
{
  for (guint i = 0; i < N_ITEMS; i++) {
    g_bytes_unref (items->content[i]);
    g_free (items->sha256[i]);
    g_free (items->path[i]);
  }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Items, items_clear)

/* Which are there, as a string of digits. */
static char *
items_dup_present (const Items *items, TestCache *self)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < N_ITEMS; i++) {
    if (bn_disk_cache_has_object (self->cache, items->sha256[i]))
      g_string_append_printf (text, "%u", i);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

typedef struct {
  const char *name;
  guint64 limit;
  guint used;   /* bits: which are read before the next one is stored */
  guint recent; /* bits: which have a note of a use so many seconds ago */
  const char *present;
  gint64 age;
} EvictionCase;

/* One more item of the same size is stored: six of them are 60000 bytes. */
static const EvictionCase evictions[] = {
    {"no-limit", 0, 0, 0, "01234", 0},
    {"fits", ITEM_SIZE * 6, 0, 0, "01234", 0},
    {"one-goes", ITEM_SIZE * 6 - 1, 0, 0, "1234", 0},
    {"to-90-percent", 50000, 0, 0, "234", 0},
    {"least-recently-used", 50000, 1 << 0 | 1 << 2, 0, "024", 0},
    {"recent-stays", 50000, 0, 1 << 0 | 1 << 1 | 1 << 2, "012", 60},
    {"all-recent", 1000, 0, 31, "01234", 60},
    /* Used since, which is noted once an hour only. */
    {"recent-by-the-note", 1000, 0, 1 << 0 | 1 << 1 | 1 << 2, "012",
        HOUR_S - 60},
    /* By a clock that was wrong: nobody knows when. */
    {"of-the-future", 50000, 0, 1 << 3 | 1 << 4, "012", -1000 * DAY_S},
    {"used-of-the-future", 50000, 1 << 3, 1 << 3, "234", -1000 * DAY_S},
    {"of-a-fast-clock", 50000, 0, 1 << 0 | 1 << 1 | 1 << 2, "012", -60},
    {"all-go", 1000, 0, 0, "", 0},
};

static void
check_eviction (TestCache *self, gconstpointer data)
{
  const EvictionCase *c = data;
  g_auto (Items) items = {0};
  g_autoptr (GBytes) next = test_make_noise (ITEM_SIZE, 99);
  g_autofree char *sha256 = NULL;
  g_autofree char *present = NULL;

  items_store (&items, self);
  for (guint i = 0; i < N_ITEMS; i++) {
    if (c->recent & 1u << i)
      test_age (items.path[i], c->age);
    if (c->used & 1u << i)
      assert_readable (self, items.sha256[i], ITEM_SIZE);
  }
  bn_disk_cache_set_limit (self->cache, c->limit);
  sha256 = test_store_as (self->cache, "owner/next", "file", next);
  present = items_dup_present (&items, self);
  g_assert_cmpstr (present, ==, c->present);
  assert_readable (self, sha256, ITEM_SIZE);
  g_assert_cmpuint (
      get_stat (self->cache, "evictions"), ==, N_ITEMS - strlen (c->present));
  g_assert_cmpuint (get_stat (self->cache, "limit"), ==, c->limit);
  for (guint i = 0; i < N_ITEMS; i++) {
    g_autofree char *name = g_strdup_printf ("owner/name-%u", i);
    g_autoptr (BnManifest) manifest =
        bn_disk_cache_lookup (self->cache, TEST_ENDPOINT, name, TEST_REVISION);

    g_assert_cmpint (bn_manifest_find (manifest, "file") != NULL, ==,
        strchr (c->present, (int) ('0' + i)) != NULL);
  }
}

/* A use is noted at most once an hour, and does not change the time of the
 * content. */
static void
check_use (TestCache *self, gconstpointer data)
{
  static const struct {
    gint64 age;
    gboolean is_noted;
  } uses[] = {{HOUR_S * 2, TRUE}, {HOUR_S / 2, FALSE}};
  g_autoptr (GBytes) content = test_make_noise (PACKED_SIZE, 1);
  g_autofree char *sha256 =
      test_store_as (self->cache, TEST_REPOSITORY, "file", content);
  g_autofree char *path = test_dup_object_path (self, sha256);

  for (gsize i = 0; i < G_N_ELEMENTS (uses) * 2; i++) {
    gint64 now = g_get_real_time () / G_USEC_PER_SEC;
    struct stat info;

    test_age (path, uses[i / 2].age);
    if (i % 2)
      assert_looked_up (self, TEST_REPOSITORY, "file");
    else
      assert_readable (self, sha256, PACKED_SIZE);
    g_assert_cmpint (g_stat (path, &info), ==, 0);
    g_assert_cmpint (now - info.st_mtime, >=, uses[i / 2].age); /* as it was */
    if (uses[i / 2].is_noted)
      g_assert_cmpint (bn_stat_get_used (&info), >=, now);
    else if (i % 2) /* reading may be noted by the file system itself */
      g_assert_cmpint (bn_stat_get_used (&info), <, now);
  }
}

/* Tidying up */

typedef struct {
  const char *name;
  guint64 max_size, max_age;
  const char *present;
} PruneCase;

static const PruneCase prunes[] = {
    {"nothing", G_MAXUINT64, 0, "01234"},
    {"size", ITEM_SIZE * 3, 0, "234"},
    {"size-exact", ITEM_SIZE * 3 + 1, 0, "234"},
    {"size-zero", 0, 0, ""},
    {"age", G_MAXUINT64, HOUR_S * 5, "34"},
    {"age-and-size", ITEM_SIZE, HOUR_S * 5, "4"},
    {"huge-age", G_MAXUINT64, G_MAXUINT64, "01234"},
};

static void
check_prune (TestCache *self, gconstpointer data)
{
  const PruneCase *c = data;
  g_auto (Items) items = {0};
  g_autoptr (GBytes) orphan = test_make_noise (ITEM_SIZE, 98);
  g_autoptr (GBytes) fresh = test_make_noise (ITEM_SIZE, 99);
  g_autofree char *orphan_sha256 = test_store (self->cache, orphan);
  g_autofree char *orphan_path = test_dup_object_path (self, orphan_sha256);
  g_autofree char *fresh_sha256 = NULL;
  g_autofree char *present = NULL;
  g_autoptr (GVariant) result = NULL;
  gboolean has_fresh = c->max_size == G_MAXUINT64;

  test_age (orphan_path, HOUR_S);
  items_store (&items, self);
  if (has_fresh) /* of a download that has not ended */
    fresh_sha256 = test_store (self->cache, fresh);
  result =
      bn_disk_cache_prune (self->cache, c->max_size, c->max_age, NULL, NULL);
  assert_removal (result, N_ITEMS - strlen (c->present) + 1);
  present = items_dup_present (&items, self);
  g_assert_cmpstr (present, ==, c->present);
  g_assert_false (bn_disk_cache_has_object (self->cache, orphan_sha256));
  if (has_fresh)
    g_assert_true (bn_disk_cache_has_object (self->cache, fresh_sha256));
}

/* What others left behind goes after a day, by prune and by a save. */
static void
check_leftovers (TestCache *self, gconstpointer data)
{
  static const char *const names[] = {"v1/.tmp-0", "v1/sources/.tmp-1",
      "v1/tmp/.tmp-2", "v1/tmp/a.part", "v1/tmp/a.json", "v1/tmp/b.part",
      "v1/tmp/c.json", "v1/resolutions/.tmp-3", "v1/locks/x.lock",
      "v1/locks/.tmp-4"};
  gboolean is_save = GPOINTER_TO_INT (data);
  g_autoptr (GBytes) content = test_make_text (SMALL_SIZE, 1);

  for (int is_old = 0; is_old < 2; is_old++) {
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
      g_autofree char *path = g_build_filename (self->root, names[i], NULL);
      g_autofree char *folder = g_path_get_dirname (path);

      g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
      g_assert_true (g_file_set_contents (path, "x", 1, NULL));
      test_age (path, is_old == 0 ? DAY_S - 60
                      : i % 2     ? -DAY_S - 60 /* of a wrong clock */
                                  : DAY_S + 60);
    }
    if (is_save) {
      g_autofree char *sha256 = NULL;

      bn_disk_cache_unref (self->cache); /* once for each that is opened */
      self->cache = bn_disk_cache_open (self->root, NULL);
      sha256 = test_store_as (self->cache, "a/b", "file", content);
    } else {
      g_variant_unref (
          bn_disk_cache_prune (self->cache, G_MAXUINT64, 0, NULL, NULL));
    }
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
      g_autofree char *path = g_build_filename (self->root, names[i], NULL);

      g_test_message ("%s, old: %d", names[i], is_old);
      g_assert_cmpint (g_file_test (path, G_FILE_TEST_EXISTS), ==, !is_old);
    }
  }
}

/* A download that somebody works on is nothing left behind. */
static void
check_held_part (TestCache *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BnPart *part = bn_disk_cache_begin (
      self->cache, "held", "v", 10, NULL, NULL, NULL, &error);
  g_autofree char *path = test_dup_path (self, "tmp/held.part");

  g_assert_no_error (error);
  bn_part_write (part, "hello", 5, &error);
  test_age (path, 2 * DAY_S);
  g_assert_cmpuint (get_stat (self->cache, "partial"), ==, 1);
  g_assert_cmpuint (get_stat (self->cache, "partial-size"), ==, 5);
  g_variant_unref (
      bn_disk_cache_prune (self->cache, G_MAXUINT64, 0, NULL, NULL));
  g_variant_unref (bn_disk_cache_clear (self->cache, NULL, NULL, NULL));
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  bn_part_close (part, TRUE);
  g_variant_unref (bn_disk_cache_clear (self->cache, NULL, NULL, NULL));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

/* Looking */

static void
check_list (TestCache *self, gconstpointer data)
{
  g_auto (Items) items = {0};
  g_autoptr (GVariant) empty = bn_disk_cache_list (self->cache, NULL, NULL);
  g_autoptr (GVariant) list = NULL;

  g_assert_cmpuint (g_variant_n_children (empty), ==, 0);
  items_store (&items, self);
  for (guint i = 0; i < N_ITEMS; i++) {
    g_autofree char *name = g_strdup_printf ("owner/name-%u", i);
    g_autofree char *key =
        bn_manifest_dup_key (TEST_ENDPOINT, name, TEST_REVISION);
    g_autofree char *below = g_strdup_printf ("sources/%s.json", key);
    g_autofree char *path = test_dup_path (self, below);

    test_age (path, DAY_S);
  }
  g_remove (items.path[1]);
  list = bn_disk_cache_list (self->cache, NULL, NULL);
  g_assert_cmpstr (g_variant_get_type_string (list), ==, "aa{sv}");
  g_assert_cmpuint (g_variant_n_children (list), ==, N_ITEMS);
  for (guint i = 0; i < N_ITEMS; i++) {
    /* The one used last first; that without its file was used a day ago. */
    static const guint order[N_ITEMS] = {4, 3, 2, 0, 1};
    g_autofree char *name = g_strdup_printf ("owner/name-%u", order[i]);
    g_autoptr (GVariant) item = g_variant_get_child_value (list, i);
    g_autoptr (GVariant) files = NULL;
    g_autoptr (GVariant) file = NULL;
    const char *found;
    guint64 size;
    gint64 used_at;
    gboolean is_complete;

    g_assert_true (g_variant_lookup (item, "repository", "&s", &found));
    g_assert_cmpstr (found, ==, name);
    g_assert_true (g_variant_lookup (item, "endpoint", "&s", &found));
    g_assert_cmpstr (found, ==, TEST_ENDPOINT);
    g_assert_true (g_variant_lookup (item, "commit", "&s", &found));
    g_assert_cmpstr (found, ==, TEST_COMMIT);
    g_assert_true (g_variant_lookup (item, "disk-size", "t", &size));
    g_assert_cmpuint (size, ==, order[i] == 1 ? 0 : ITEM_SIZE);
    g_assert_true (g_variant_lookup (item, "used-at", "x", &used_at));
    files = g_variant_lookup_value (item, "files", G_VARIANT_TYPE ("aa{sv}"));
    g_assert_cmpuint (g_variant_n_children (files), ==, 1);
    file = g_variant_get_child_value (files, 0);
    g_assert_true (g_variant_lookup (file, "complete", "b", &is_complete));
    g_assert_cmpint (is_complete, ==, order[i] != 1);
  }
}

static void
assert_verified (
    TestCache *self, gboolean repair, guint n_broken, guint64 n_removed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result =
      bn_disk_cache_verify (self->cache, repair, NULL, &error);
  g_autofree const char **broken = NULL;
  guint64 removed;

  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (result, "broken", "^a&s", &broken));
  g_assert_true (g_variant_lookup (result, "removed", "t", &removed));
  g_assert_cmpuint (g_strv_length ((char **) broken), ==, n_broken);
  g_assert_cmpuint (removed, ==, n_removed);
}

static void
check_verify (TestCache *self, gconstpointer data)
{
  g_auto (Items) items = {0};
  g_autoptr (GBytes) text = test_make_text (PACKED_SIZE, 1);
  g_autofree char *sha256 = NULL;
  g_autofree char *path = NULL;
  g_autofree char *manifest = NULL;
  g_autofree char *present = NULL;

  assert_verified (self, TRUE, 0, 0); /* no folder yet */
  items_store (&items, self);
  sha256 = test_store_as (self->cache, "owner/text", "file", text);
  path = test_dup_object_path (self, sha256);
  assert_verified (self, TRUE, 0, 0);
  test_damage (path, 200);
  test_damage (items.path[2], 0);
  manifest = test_dup_path (self, "sources/0.json");
  g_assert_true (g_file_set_contents (manifest, "{}", -1, NULL));
  assert_verified (self, FALSE, 3, 0);
  assert_verified (self, TRUE, 3, 3);
  assert_verified (self, TRUE, 0, 0);
  present = items_dup_present (&items, self);
  g_assert_cmpstr (present, ==, "0134");
  g_assert_false (bn_disk_cache_has_object (self->cache, sha256));
}

static void
check_cancelled (TestCache *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GBytes) content = test_make_text (PACKED_SIZE, 1);
  g_autofree char *sha256 =
      test_store_as (self->cache, TEST_REPOSITORY, "file", content);

  g_cancellable_cancel (cancellable);
  for (guint i = 0; i < 5; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GVariant) result =
        i == 0   ? bn_disk_cache_list (self->cache, cancellable, &error)
        : i == 1 ? bn_disk_cache_dup_stats (self->cache, cancellable, &error)
        : i == 2 ? bn_disk_cache_verify (self->cache, TRUE, cancellable, &error)
        : i == 3 ? bn_disk_cache_prune (self->cache, 0, 0, cancellable, &error)
                 : bn_disk_cache_clear (self->cache, NULL, cancellable, &error);

    g_assert_null (result);
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  }
  assert_readable (self, sha256, PACKED_SIZE);
}

/* Counters */

static const char *const broken_stats[] = {"", "{", "[]", "{\"hits\":-5}",
    "{\"hits\":\"x\"}", "{\"hits\":1e99}", "{\"hits\":9223372036854775807}"};

static void
check_stats (TestCache *self, gconstpointer data)
{
  g_autofree char *path = test_dup_path (self, "stats.json");
  g_autoptr (GBytes) content = test_make_text (PACKED_SIZE, 1);
  g_autofree char *sha256 = NULL;
  g_autoptr (GVariant) stats = NULL;
  double rate;

  g_assert_cmpuint (get_stat (self->cache, "hits"), ==, 0);
  g_assert_false (g_file_test (self->root, G_FILE_TEST_EXISTS));
  sha256 = test_store_as (self->cache, TEST_REPOSITORY, "file", content);
  for (guint i = 0; i < 3; i++)
    assert_looked_up (self, TEST_REPOSITORY, "file");
  assert_looked_up (self, "owner/other", NULL);
  stats = bn_disk_cache_dup_stats (self->cache, NULL, NULL);
  g_assert_true (g_variant_lookup (stats, "hit-rate", "d", &rate));
  g_assert_cmpfloat (rate, ==, 0.75);
  g_assert_true (g_variant_lookup (stats, "compression", "d", &rate));
#ifdef BN_HAVE_ZSTD
  g_assert_cmpfloat (rate, >, 0);
  g_assert_cmpfloat (rate, <, 0.9);
#endif
  for (gsize i = 0; i < G_N_ELEMENTS (broken_stats); i++) {
    g_assert_true (g_file_set_contents (path, broken_stats[i], -1, NULL));
    bn_disk_cache_count (self->cache, BN_CACHE_MISSES);
    g_assert_cmpuint (get_stat (self->cache, "misses"), ==, 1);
    g_assert_cmpuint (get_stat (self->cache, "hits"), <=, G_MAXINT64);
  }
}

/* The public face */

static void
check_public (TestCache *self, gconstpointer data)
{
  g_autoptr (BitnetCache) cache = bitnet_cache_new_tokenizers (self->root);
  g_autoptr (BitnetCache) models = bitnet_cache_new_models (self->root);
  g_autoptr (GBytes) content = test_make_text (SMALL_SIZE, 1);
  g_autofree char *sha256 =
      test_store_as (self->cache, TEST_REPOSITORY, "file", content);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) list = bitnet_cache_list (cache, NULL, &error);
  g_autoptr (GVariant) stats = bitnet_cache_dup_stats (models, NULL, &error);
  g_autoptr (GVariant) checked =
      bitnet_cache_verify (cache, FALSE, NULL, &error);
  g_autoptr (GVariant) pruned =
      bitnet_cache_prune (cache, G_MAXUINT64, 0, NULL, &error);
  g_autoptr (GVariant) cleared =
      bitnet_cache_clear (cache, TEST_REPOSITORY, NULL, &error);
  guint64 limit;

  g_assert_no_error (error);
  g_assert_cmpstr (bitnet_cache_get_folder (cache), ==, self->root);
  g_assert_cmpuint (g_variant_n_children (list), ==, 1);
  g_assert_true (g_variant_lookup (stats, "limit", "t", &limit));
  g_assert_cmpuint (limit, ==, 0);
  assert_removal (pruned, 0);
  assert_removal (cleared, 2);
  g_assert_null (bitnet_cache_clear (cache, "../x", NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_cmpint (g_chmod (self->root, 0777), ==, 0);
  g_assert_null (bitnet_cache_list (cache, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_PERMISSION);
}

static void
add_damages (void)
{
  static DamageCase cases[3][N_DAMAGES][2];
  static const guint which[] = {2, 4, 7}; /* small, packed, mapped */
  static const char *const names[] = {
      "byte", "last-byte", "cut", "empty", "longer", "other"};

  for (guint i = 0; i < 3; i++) {
    for (guint damage = 0; damage < N_DAMAGES; damage++) {
      for (guint before = 0; before < 2; before++) {
        DamageCase *c = &cases[i][damage][before];
        g_autofree char *path = g_strdup_printf ("/cache/broken/%s/%s%s",
            objects[which[i]].name, names[damage], before ? "-after-read" : "");

        *c = (DamageCase){
            &objects[which[i]], (Damage) damage, (gboolean) before};
        test_cache_add (path, c, check_damage);
      }
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (objects); i++) {
    g_autofree char *path =
        g_strdup_printf ("/cache/C20/object/%s", objects[i].name);

    test_cache_add (path, &objects[i], check_object);
  }
  add_damages ();
  test_cache_add ("/cache/broken/wrong-size", NULL, check_wrong_size);
#ifdef BN_HAVE_ZSTD
  test_cache_add ("/cache/C20/bomb", NULL, check_bomb);
#endif
  test_cache_add ("/cache/read-cancelled", NULL, check_read_cancelled);
  test_cache_add ("/cache/C26/management", NULL, check_management);
  test_cache_add ("/cache/A18/reopen", NULL, check_reopen);
  for (gsize i = 0; i < G_N_ELEMENTS (evictions); i++) {
    g_autofree char *path =
        g_strdup_printf ("/cache/C19-C27/lru/%s", evictions[i].name);

    test_cache_add (path, &evictions[i], check_eviction);
  }
  test_cache_add ("/cache/C19/use", NULL, check_use);
  for (gsize i = 0; i < G_N_ELEMENTS (prunes); i++) {
    g_autofree char *path = g_strdup_printf ("/cache/prune/%s", prunes[i].name);

    test_cache_add (path, &prunes[i], check_prune);
  }
  test_cache_add (
      "/cache/leftovers/prune", GINT_TO_POINTER (FALSE), check_leftovers);
  test_cache_add (
      "/cache/leftovers/save", GINT_TO_POINTER (TRUE), check_leftovers);
  test_cache_add ("/cache/leftovers/held", NULL, check_held_part);
  test_cache_add ("/cache/list", NULL, check_list);
  test_cache_add ("/cache/verify", NULL, check_verify);
  test_cache_add ("/cache/cancelled", NULL, check_cancelled);
  test_cache_add ("/cache/C99/stats", NULL, check_stats);
  test_cache_add ("/cache/public", NULL, check_public);
  return g_test_run ();
}
