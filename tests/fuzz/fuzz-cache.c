/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of the cache with any content: manifests, the record beside a part,
 * counters, what is absent, and packed objects. They are refused or pass, and
 * what passes holds nothing that leads out of the cache. */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include "bn-disk-cache-private.h"
#include "bn-net-json.h"
#include "fuzz.h"

enum { SIZE = 4, SAMPLE = 8 };

/* SHA-256 of nothing that is here. */
#define SHA256                                                                 \
  "00000000000000000000000000000000000000000000000000000000000000aa"
#define ENDPOINT "https://hub.example"
#define OBJECT "objects/00/" SHA256 ".zst"

static char *folder;

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *inside = g_build_filename (path, name, NULL);

    remove_tree (inside);
  }
  g_remove (path);
}

static void
remove_folder (void)
{
  remove_tree (folder);
  g_free (folder);
}

static void
put (const char *name, const void *data, size_t size)
{
  g_autofree char *path = g_build_filename (folder, "v1", name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  FILE *file;

  g_mkdir_with_parents (parent, 0700);
  file = fopen (path, "we");
  if (file == NULL || fwrite (data, 1, size, file) != size
      || fclose (file) != 0)
    abort ();
}

static void
check_manifest (const char *data, size_t size)
{
  g_autoptr (BnManifest) manifest =
      bn_manifest_parse (data, size, "manifest", NULL);

  if (manifest == NULL)
    return;
  for (guint i = 0; i < manifest->files->len; i++) {
    const BnCachedFile *file = g_ptr_array_index (manifest->files, i);
    g_autofree char *path = bn_manifest_dup_file_path (
        manifest->repository, manifest->commit, file->name);

    if (path == NULL || path[0] == '/' || strstr (path, "/../")
        || g_str_has_prefix (path, "../") || g_str_has_suffix (path, "/..")
        || !bn_path_is_sha256 (file->sha256) || file->size > G_MAXINT64)
      abort ();
    if (bn_manifest_find (manifest, file->name) == NULL)
      abort ();
  }
}

/* It goes in as it came out. */
static void
check_saved (BnDiskCache *cache, const char *data, size_t size)
{
  g_autoptr (BnManifest) manifest =
      bn_manifest_parse (data, size, "manifest", NULL);
  g_autoptr (GPtrArray) all = NULL;

  if (manifest == NULL)
    return;
  if (!bn_disk_cache_save (cache, manifest, NULL))
    abort ();
  all = bn_disk_cache_lookup_all (
      cache, manifest->endpoint, manifest->repository);
  if (all->len != 1)
    abort ();
  g_variant_unref (bn_disk_cache_clear (cache, NULL, NULL, NULL));
}

static void
check_files (BnDiskCache *cache, const char *data, size_t size)
{
  const BnCachedFile object = {
      (char *) "file", (char *) SHA256, NULL, SIZE, TRUE};
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) stats = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GVariant) checked = NULL;
  BnPart *part;

  put ("stats.json", data, size);
  put ("tmp/name.json", data, size);
  put ("tmp/name.part", "part", SIZE);
  put ("sources/x.json", data, size);
  put (OBJECT, data, size);
  put ("resolutions/x.json", data, size);
  stats = bn_disk_cache_dup_stats (cache, NULL, NULL);
  list = bn_disk_cache_list (cache, NULL, NULL);
  bytes = bn_disk_cache_read (cache, &object, NULL, NULL);
  checked = bn_disk_cache_verify (cache, FALSE, NULL, NULL);
  if (stats == NULL || list == NULL || bytes != NULL || checked == NULL)
    abort ();
  part = bn_disk_cache_begin (
      cache, "name", "validator", 8, NULL, NULL, NULL, NULL);
  if (part == NULL
      || (bn_part_get_size (part) != 0 && bn_part_get_size (part) != SIZE))
    abort ();
  bn_part_close (part, FALSE);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static BnDiskCache *cache;
  g_autoptr (JsonNode) node = NULL;

  if (cache == NULL) {
    static char in_memory[] = "/dev/shm/bitnet-XXXXXX";

    folder = g_strdup (g_mkdtemp (in_memory));
    if (folder == NULL)
      folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
    cache = bn_disk_cache_open (folder, NULL);
    if (cache == NULL)
      abort ();
    atexit (remove_folder);
  }
  node = bn_net_json_parse ((const char *) data, size, 1 << 20, "input", NULL);
  check_manifest ((const char *) data, size);
  /* The disk is slow: not for every input. */
  if (size % SAMPLE == 0) {
    check_saved (cache, (const char *) data, size);
    check_files (cache, (const char *) data, size);
  }
  return 0;
}
