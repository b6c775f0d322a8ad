/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One cache, several processes: one download whoever wants it, locks that end
 * with their process, what is mapped stays, and a process that is killed at
 * any point leaves a cache that is sound. The program runs itself as the
 * others ("--worker"). */
#include <gio/gunixinputstream.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cache-util.h"
#include "cache-worker.h"

enum {
  N_PROCESSES = 8,
  N_THREADS = 2,
  N_KILLS = 150,
  MAX_BYTES = 60, /* of a worker's steps before it is killed */
  MAX_SPIN = 200000,
  BIG = 1010,    /* a content of its own; text */
  MAPPED = 1011, /* noise, so that it is mapped */
};

static char *self_path;

static GSubprocess *
spawn (TestCache *self, const char *what, const char *argument)
{
  g_autoptr (GError) error = NULL;
  GSubprocess *process = g_subprocess_new (
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDIN_PIPE, &error,
      self_path, "--worker", self->root, what, argument, NULL);

  g_assert_no_error (error);
  return process;
}

/* Reads up to n bytes that the process says; fewer if it ends. */
static gsize
read_steps (GSubprocess *process, char *steps, gsize n)
{
  gsize n_read;

  g_input_stream_read_all (
      g_subprocess_get_stdout_pipe (process), steps, n, &n_read, NULL, NULL);
  return n_read;
}

static void
kill_process (GSubprocess *process)
{
  g_subprocess_force_exit (process);
  g_subprocess_wait (process, NULL, NULL);
}

/* Whoever comes first stores it, and the others find it. */
static void
check_processes (TestCache *self, gconstpointer data)
{
  GSubprocess *processes[N_PROCESSES];
  guint n_stored = 0, n_found = 0;
  guint64 stores;
  g_autoptr (GVariant) stats = NULL;

  for (guint i = 0; i < N_PROCESSES; i++)
    processes[i] = spawn (self, "download", "1010");
  for (guint i = 0; i < N_PROCESSES; i++) {
    char steps[1000];
    gsize n = read_steps (processes[i], steps, sizeof steps);

    g_assert_true (g_subprocess_wait_check (processes[i], NULL, NULL));
    n_stored += memchr (steps, 's', n) != NULL;
    n_found += memchr (steps, 'h', n) != NULL;
    g_object_unref (processes[i]);
  }
  g_assert_cmpuint (n_stored, ==, 1);
  g_assert_cmpuint (n_found, ==, N_PROCESSES - 1);
  stats = bn_disk_cache_dup_stats (self->cache, NULL, NULL);
  g_assert_true (g_variant_lookup (stats, "stores", "t", &stores));
  g_assert_cmpuint (stores, ==, 1);
}

/* The same with threads of one process. */
typedef struct {
  BnDiskCache *cache;
  gint n_stored;
} Shared;

static gpointer
download_thread (gpointer data)
{
  Shared *shared = data;
  g_autoptr (GBytes) content = worker_make_content (BIG);
  g_autofree char *sha256 = test_dup_sha256 (content);
  gsize size = g_bytes_get_size (content);
  g_autoptr (GError) error = NULL;
  BnPart *part = bn_disk_cache_begin (
      shared->cache, sha256, sha256, size, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  if (bn_disk_cache_has_object (shared->cache, sha256)) {
    bn_part_close (part, FALSE);
    return NULL;
  }
  g_assert_true (
      bn_part_write (part, g_bytes_get_data (content, NULL), size, &error));
  g_atomic_int_inc (&shared->n_stored);
  g_assert_true (bn_part_commit_object (part, &error));
  return NULL;
}

static void
check_threads (TestCache *self, gconstpointer data)
{
  Shared shared = {self->cache, 0};
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("download", download_thread, &shared);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (shared.n_stored, ==, 1);
}

/* A lock of a process that is killed is free. */
static void
check_killed_holder (TestCache *self, gconstpointer data)
{
  g_autoptr (GSubprocess) holder = spawn (self, "hold", "name");
  g_autoptr (GError) error = NULL;
  g_autoptr (BnLock) lock = NULL;
  char step = 0;

  g_assert_cmpuint (read_steps (holder, &step, 1), ==, 1);
  g_assert_cmpint (step, ==, 'l');
  g_assert_null (bn_disk_cache_lock_for (
      self->cache, "name", 0, NULL, NULL, NULL, &error));
  g_assert_no_error (error);
  kill_process (holder);
  lock =
      bn_disk_cache_lock_for (self->cache, "name", 0, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (lock);
}

/* What another process has mapped stays whatever happens to its file. */
static void
check_mapped (TestCache *self, gconstpointer data)
{
  g_autoptr (GBytes) content = worker_make_content (MAPPED);
  g_autofree char *sha256 =
      test_store_as (self->cache, TEST_REPOSITORY, "file", content);
  g_autofree char *path = test_dup_object_path (self, sha256);
  g_autofree char *again = NULL;
  g_autoptr (GSubprocess) reader = NULL;
  g_autoptr (GVariant) cleared = NULL;
  char step = 0;

  g_assert_true (g_str_has_suffix (path, sha256)); /* plain */
  reader = spawn (self, "map", "1011");
  g_assert_cmpuint (read_steps (reader, &step, 1), ==, 1);
  g_assert_cmpint (step, ==, 'm');
  cleared = bn_disk_cache_clear (self->cache, NULL, NULL, NULL);
  g_assert_false (bn_disk_cache_has_object (self->cache, sha256));
  again = test_store (self->cache, content);
  g_assert_true (g_output_stream_write_all (
      g_subprocess_get_stdin_pipe (reader), "\n", 1, NULL, NULL, NULL));
  g_assert_cmpuint (read_steps (reader, &step, 1), ==, 1);
  g_assert_cmpint (step, ==, 'k');
  g_assert_true (g_subprocess_wait_check (reader, NULL, NULL));
}

/* Everything that can be seen is right. */
static void
assert_sound (TestCache *self)
{
  g_autoptr (GVariant) result =
      bn_disk_cache_verify (self->cache, FALSE, NULL, NULL);
  g_autofree const char **broken = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_variant_lookup (result, "broken", "^a&s", &broken));
  g_assert_cmpstr (broken[0], ==, NULL);
  for (guint i = 0; i < 5; i++) {
    g_autofree char *name = i < 4 ? g_strdup_printf ("owner/name-%u", i)
                                  : g_strdup ("owner/models");
    g_autoptr (BnManifest) manifest =
        bn_disk_cache_lookup (self->cache, TEST_ENDPOINT, name, TEST_REVISION);

    for (guint j = 0; manifest && j < manifest->files->len; j++) {
      const BnCachedFile *file = g_ptr_array_index (manifest->files, j);
      guint seed = (guint) strtoul (strrchr (file->name, '-') + 1, NULL, 10);
      g_autoptr (GBytes) wanted = worker_make_content (seed);
      g_autofree char *sha256 = test_dup_sha256 (wanted);
      g_autoptr (GBytes) found = NULL;

      g_assert_cmpstr (file->sha256, ==, sha256);
      if (!file->is_object)
        continue;
      found = bn_disk_cache_read (self->cache, file, NULL, &error);
      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (found, wanted));
    }
  }
}

/* Kills a worker after a number of its steps and a while that differs each
 * time; nothing is ever repaired between. */
static void
check_kills (TestCache *self, gconstpointer data)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  volatile guint spin;
  guint n_parts = 0;

  for (guint i = 0; i < N_KILLS; i++) {
    g_autofree char *seed = g_strdup_printf ("%u", i);
    g_autoptr (GSubprocess) worker = spawn (self, "loop", seed);
    char steps[MAX_BYTES];
    gsize n = (gsize) g_rand_int_range (rand, 1, MAX_BYTES);
    g_autofree char *listed = NULL;

    g_assert_cmpuint (read_steps (worker, steps, n), ==, n);
    spin = (guint) g_rand_int_range (rand, 0, MAX_SPIN);
    while (spin > 0)
      spin--;
    kill_process (worker);
    assert_sound (self);
    listed = test_list (self);
    n_parts += strstr (listed, ".part") != NULL;
  }
  /* The test is one only if it met some of them in the middle. */
  g_assert_cmpuint (n_parts, >, 0);
  for (guint i = 0; i < WORKER_N_CONTENTS; i++) {
    g_autofree char *seed = g_strdup_printf ("%u", i);
    g_autoptr (GSubprocess) worker = spawn (self, "download", seed);
    g_autoptr (GBytes) content = worker_make_content (i);
    g_autofree char *sha256 = test_dup_sha256 (content);
    char steps[1000];
    gsize n = read_steps (worker, steps, sizeof steps);

    g_assert_true (g_subprocess_wait_check (worker, NULL, NULL));
    g_assert_null (memchr (steps, 'b', n)); /* nothing wrong was continued */
    g_assert_true (bn_disk_cache_has_object (self->cache, sha256));
  }
  assert_sound (self);
}

/* A download that was cut by a kill goes on from where it was. */
static void
check_continued (TestCache *self, gconstpointer data)
{
  g_autoptr (GSubprocess) killed = spawn (self, "download", "1010");
  g_autoptr (GSubprocess) next = NULL;
  g_autoptr (GBytes) content = worker_make_content (BIG);
  g_autofree char *sha256 = test_dup_sha256 (content);
  guint n_steps = (guint) ((g_bytes_get_size (content) + 4095) / 4096);
  char steps[1000];
  gsize n;

  g_assert_cmpuint (n_steps, >, 3);
  g_assert_cmpuint (read_steps (killed, steps, 3), ==, 3);
  kill_process (killed);
  next = spawn (self, "download", "1010");
  n = read_steps (next, steps, sizeof steps);
  g_assert_true (g_subprocess_wait_check (next, NULL, NULL));
  g_assert_cmpuint (n, <=, n_steps - 3 + 1); /* and one for the end */
  g_assert_true (bn_disk_cache_has_object (self->cache, sha256));
  assert_sound (self);
}

int
main (int argc, char **argv)
{
  if (argc > 2 && strcmp (argv[1], "--worker") == 0)
    return worker_run (argc - 2, argv + 2);
  self_path = g_file_read_link ("/proc/self/exe", NULL);
  if (self_path == NULL)
    self_path = g_strdup (argv[0]);
  g_test_init (&argc, &argv, NULL);
  test_cache_add ("/processes/one-download", NULL, check_processes);
  test_cache_add ("/processes/threads", NULL, check_threads);
  test_cache_add ("/processes/killed-holder", NULL, check_killed_holder);
  test_cache_add ("/processes/mapped", NULL, check_mapped);
  test_cache_add ("/processes/kills", NULL, check_kills);
  test_cache_add ("/processes/continued", NULL, check_continued);
  return g_test_run ();
}
