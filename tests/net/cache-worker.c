/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process beside the test that uses the same cache:
 *
 *   cache-worker ROOT download   one download that several want
 *   cache-worker ROOT loop SEED  stores, reads, evicts and tidies until it is
 *                                killed; a byte on stdout for each step
 *   cache-worker ROOT map NAME   maps an object, says so, waits for a line on
 *                                stdin, and compares what it has mapped
 *   cache-worker ROOT hold NAME  holds a lock until it is killed */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cache-util.h"
#include "cache-worker.h"

enum { N_STEPS = 6, LOOP_LIMIT = 400000 };

static void
say (const char *text)
{
  if (write (STDOUT_FILENO, text, strlen (text)) < 0)
    exit (EXIT_FAILURE);
}

GBytes *
worker_make_content (guint seed)
{
  gsize size = 1000 + (seed * 7919) % 90000;

  return seed % 3 ? test_make_text (size, seed) : test_make_noise (size, seed);
}

/* Continues a download as a client of a hub would; says what it did. */
gboolean
worker_download (BnDiskCache *cache, guint seed, GError **error)
{
  g_autoptr (GBytes) content = worker_make_content (seed);
  g_autofree char *sha256 = test_dup_sha256 (content);
  gsize size;
  const char *data = g_bytes_get_data (content, &size);
  BnPart *part = bn_disk_cache_begin (
      cache, sha256, sha256, size, NULL, NULL, NULL, error);

  if (part == NULL)
    return FALSE;
  if (bn_disk_cache_has_object (cache, sha256)) {
    bn_part_close (part, FALSE);
    say ("h");
    return TRUE;
  }
  while (bn_part_get_size (part) < size) {
    gsize start = (gsize) bn_part_get_size (part);

    if (!bn_part_write (part, data + start, MIN (size - start, 4096), error)) {
      bn_part_close (part, TRUE);
      return FALSE;
    }
    say (".");
  }
  if (strcmp (bn_part_get_sha256 (part), sha256) != 0) {
    say ("b");
    bn_part_close (part, FALSE);
    return TRUE;
  }
  if (!bn_part_commit_object (part, error))
    return FALSE;
  say ("s");
  return TRUE;
}

static void
save_manifest (BnDiskCache *cache, guint seed)
{
  g_autoptr (GBytes) content = worker_make_content (seed);
  g_autofree char *sha256 = test_dup_sha256 (content);
  g_autofree char *name = g_strdup_printf ("file-%u", seed);
  g_autofree char *repository = g_strdup_printf ("owner/name-%u", seed % 4);
  g_autoptr (BnManifest) manifest =
      bn_manifest_new (TEST_ENDPOINT, repository, TEST_REVISION);

  manifest->commit = g_strdup (TEST_COMMIT);
  bn_manifest_add (
      manifest, name, sha256, NULL, g_bytes_get_size (content), TRUE);
  bn_disk_cache_save (cache, manifest, NULL);
}

static void
commit_file (BnDiskCache *cache, guint seed)
{
  g_autoptr (GBytes) content = worker_make_content (seed);
  g_autofree char *sha256 = test_dup_sha256 (content);
  g_autofree char *name = g_strdup_printf ("sub/model-%u", seed);
  g_autofree char *key = g_strdup_printf ("file-%u", seed);
  g_autoptr (BnManifest) manifest =
      bn_manifest_new (TEST_ENDPOINT, "owner/models", TEST_REVISION);
  gsize size;
  const char *data = g_bytes_get_data (content, &size);
  BnPart *part =
      bn_disk_cache_begin (cache, key, sha256, size, NULL, NULL, NULL, NULL);

  if (part == NULL)
    return;
  if (!bn_part_write (part, data + bn_part_get_size (part),
          size - bn_part_get_size (part), NULL)
      || strcmp (bn_part_get_sha256 (part), sha256) != 0) {
    bn_part_close (part, FALSE);
    return;
  }
  if (!bn_part_commit_file (part, "owner/models", TEST_COMMIT, name, NULL))
    return;
  manifest->commit = g_strdup (TEST_COMMIT);
  bn_manifest_add (manifest, name, sha256, NULL, size, FALSE);
  bn_disk_cache_save (cache, manifest, NULL);
}

static void
run_loop (BnDiskCache *cache, guint seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  bn_disk_cache_set_limit (cache, LOOP_LIMIT);
  while (TRUE) {
    guint number = (guint) g_rand_int_range (rand, 0, WORKER_N_CONTENTS);

    switch (g_rand_int_range (rand, 0, N_STEPS)) {
      case 0:
        commit_file (cache, number);
        break;
      case 1:
        g_variant_unref (
            bn_disk_cache_prune (cache, LOOP_LIMIT / 2, 0, NULL, NULL));
        break;
      case 2:
        bn_disk_cache_set_absent (
            cache, TEST_ENDPOINT, "owner/name-0", TEST_REVISION, "x", 32);
        bn_disk_cache_flush_counters (cache, -1);
        break;
      default:
        worker_download (cache, number, NULL);
        save_manifest (cache, number);
        break;
    }
    say ("x");
  }
}

static int
run_map (BnDiskCache *cache, const char *name)
{
  guint seed = (guint) strtoul (name, NULL, 10);
  g_autoptr (GBytes) content = worker_make_content (seed);
  g_autofree char *sha256 = test_dup_sha256 (content);
  BnCachedFile file = test_describe (sha256, g_bytes_get_size (content));
  g_autoptr (GBytes) mapped = bn_disk_cache_read (cache, &file, NULL, NULL);
  char line[16];

  if (mapped == NULL)
    return EXIT_FAILURE;
  say ("m");
  if (fgets (line, sizeof line, stdin) == NULL
      || !g_bytes_equal (mapped, content))
    return EXIT_FAILURE;
  say ("k");
  return EXIT_SUCCESS;
}

int
worker_run (int argc, char **argv)
{
  g_autoptr (BnDiskCache) cache = bn_disk_cache_open (argv[0], NULL);
  g_autoptr (GError) error = NULL;

  if (cache == NULL || argc < 3)
    return EXIT_FAILURE;
  if (strcmp (argv[1], "download") == 0)
    return worker_download (cache, (guint) strtoul (argv[2], NULL, 10), &error)
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
  if (strcmp (argv[1], "map") == 0)
    return run_map (cache, argv[2]);
  if (strcmp (argv[1], "hold") == 0) {
    g_autoptr (BnLock) lock =
        bn_disk_cache_lock (cache, argv[2], NULL, NULL, NULL, &error);

    say (lock ? "l" : "e");
    pause ();
    return EXIT_SUCCESS;
  }
  run_loop (cache, (guint) strtoul (argv[2], NULL, 10));
  return EXIT_SUCCESS;
}
