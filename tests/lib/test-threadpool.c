/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread pool: each item is done once, whatever the numbers of items,
 * threads and items in a piece; loops follow each other without end; idle
 * workers sleep; users share the threads and take turns; children of fork()
 * and processes that get no threads compute alone. */
#define _GNU_SOURCE /* setresuid */
#include "bn-threadpool.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* It lets no child of fork() start threads. */
#if defined(__SANITIZE_THREAD__)
#define HAS_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_THREAD_SANITIZER
#endif
#endif

enum { MAX_ITEMS = 5000 };

typedef struct {
  guint8 n_done[MAX_ITEMS]; /* each item is claimed by one worker */
  size_t n;
  size_t grain;
  guint n_threads;
  int n_bad; /* atomic */
} Loop;

static void
count_items (size_t begin, size_t end, uint32_t worker, void *data)
{
  Loop *loop = data;

  if (begin >= end || end > loop->n || end - begin > loop->grain
      || worker >= loop->n_threads)
    g_atomic_int_inc (&loop->n_bad);
  for (size_t i = begin; i < end; i++)
    loop->n_done[i]++;
}

static void
check_loop (BnThreadPool *pool, Loop *loop, size_t n, size_t grain)
{
  memset (loop->n_done, 0, n);
  loop->n = n;
  loop->grain = grain;
  loop->n_threads = bn_thread_pool_get_n_threads (pool);
  bn_thread_pool_run (pool, n, grain, count_items, loop);
  g_assert_cmpint (loop->n_bad, ==, 0);
  for (size_t i = 0; i < n; i++)
    g_assert_cmpint (loop->n_done[i], ==, 1);
}

static void
test_each_item_once (void)
{
  const size_t counts[] = {0, 1, 2, 3, 7, 8, 64, 1000, MAX_ITEMS};
  const size_t grains[] = {1, 2, 3, 64, 999, 1000000};
  const guint threads[] = {1, 2, 3, 8, 33};
  g_autofree Loop *loop = g_new0 (Loop, 1);

  for (guint t = 0; t < G_N_ELEMENTS (threads); t++) {
    g_autoptr (BnThreadPool) pool = bn_thread_pool_new (threads[t]);

    g_assert_cmpuint (bn_thread_pool_get_n_threads (pool), ==, threads[t]);
    for (guint i = 0; i < G_N_ELEMENTS (counts); i++) {
      for (guint j = 0; j < G_N_ELEMENTS (grains); j++)
        check_loop (pool, loop, counts[i], grains[j]);
    }
  }
}

static void
test_many_loops (void)
{
  g_autoptr (BnThreadPool) pool = bn_thread_pool_new (4);
  g_autofree Loop *loop = g_new0 (Loop, 1);

  for (guint i = 0; i < 3000; i++)
    check_loop (pool, loop, i % 40, 1 + i % 3);
}

static void
test_many_pools (void)
{
  g_autofree Loop *loop = g_new0 (Loop, 1);

  for (guint i = 0; i < 50; i++) {
    g_autoptr (BnThreadPool) pool = bn_thread_pool_new (1 + i % 5);

    /* every second one ends without a loop */
    if (i % 2)
      check_loop (pool, loop, 100, 1);
  }
}

/* What one thread writes in a loop, another reads in the next: the thread
 * sanitizer sees whether loops are ordered. */
static void
add_neighbours (size_t begin, size_t end, uint32_t worker, void *data)
{
  int (*rows)[64] = data;

  for (size_t i = begin; i < end; i++)
    rows[1][i] = rows[0][(i + 63) % 64] + rows[0][(i + 1) % 64];
}

static void
copy_back (size_t begin, size_t end, uint32_t worker, void *data)
{
  int (*rows)[64] = data;

  for (size_t i = begin; i < end; i++)
    rows[0][i] = rows[1][i] % 1000;
}

static void
test_loops_are_ordered (void)
{
  int results[2][64];

  for (guint n_threads = 1; n_threads <= 2; n_threads++) {
    g_autoptr (BnThreadPool) pool = bn_thread_pool_new (n_threads * 2 - 1);
    int rows[2][64];

    for (int i = 0; i < 64; i++)
      rows[0][i] = i;
    for (guint i = 0; i < 500; i++) {
      bn_thread_pool_run (pool, 64, 3, add_neighbours, rows);
      bn_thread_pool_run (pool, 64, 5, copy_back, rows);
    }
    memcpy (results[n_threads - 1], rows[0], sizeof rows[0]);
  }
  g_assert_cmpmem (
      results[0], sizeof results[0], results[1], sizeof results[1]);
}

/* As many items as threads, each of which waits until all have begun. */
static void
meet (size_t begin, size_t end, uint32_t worker, void *data)
{
  const gint64 deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  int *n_begun = data;

  g_atomic_int_inc (&n_begun[0]);
  while (g_atomic_int_get (&n_begun[0]) < n_begun[1]
         && g_get_monotonic_time () < deadline)
    g_thread_yield ();
  if (g_get_monotonic_time () >= deadline)
    g_atomic_int_set (&n_begun[1], -1);
}

static void
test_all_take_part (void)
{
  for (int n_threads = 1; n_threads <= 4; n_threads++) {
    for (int i = 0; i < 20; i++) {
      /* a new one, because on a busy machine it would learn to do with less */
      g_autoptr (BnThreadPool) pool = bn_thread_pool_new (n_threads);
      int n_begun[2] = {0, n_threads};

      bn_thread_pool_run (pool, n_threads, 1, meet, n_begun);
      g_assert_cmpint (n_begun[1], ==, n_threads);
    }
  }
}

static gboolean
quit (gpointer main_loop)
{
  g_main_loop_quit (main_loop);
  return G_SOURCE_REMOVE;
}

static gint64
process_cpu_us (void)
{
  struct timespec time;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

/* Wakes from sleep, too: the workers had time to fall asleep. */
static void
test_idle_workers_sleep (void)
{
  g_autoptr (BnThreadPool) pool = bn_thread_pool_new (8);
  g_autofree Loop *loop = g_new0 (Loop, 1);
  const gint64 idle_us = 100 * 1000;
  g_autoptr (GMainLoop) main_loop = g_main_loop_new (NULL, FALSE);
  gint64 begin;

  check_loop (pool, loop, 1000, 1);
  begin = process_cpu_us ();
  g_timeout_add (idle_us / 1000, quit, main_loop);
  g_main_loop_run (main_loop);
  /* seven spinning workers would have burnt several times the wait */
  g_assert_cmpint (process_cpu_us () - begin, <, idle_us / 2);
  check_loop (pool, loop, 1000, 1);
}

static void
test_default_threads (void)
{
  g_autoptr (BnThreadPool) pool = bn_thread_pool_new (0);
  guint n = bn_thread_pool_default_n_threads ();

  g_assert_cmpuint (n, >=, 1);
  g_assert_cmpuint (n, <=, g_get_num_processors ());
  g_assert_cmpuint (bn_thread_pool_get_n_threads (pool), ==, n);
}

/* ---- several users ---- */

static guint
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *path =
        g_strconcat ("/proc/self/task/", name, "/comm", NULL);
    g_autofree char *comm = NULL;

    if (g_file_get_contents (path, &comm, NULL, NULL))
      n += g_str_has_prefix (comm, "bitnet-worker");
  }
  return n;
}

/* A thread may have been joined and still be listed for a moment. */
static void
assert_n_threads (guint n)
{
  const gint64 deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

  if (!g_file_test ("/proc/self/task", G_FILE_TEST_IS_DIR))
    return;
  while (count_threads () != n && g_get_monotonic_time () < deadline)
    g_thread_yield ();
  g_assert_cmpuint (count_threads (), ==, n);
}

static void
test_one_set_of_threads (void)
{
  g_autofree Loop *loop = g_new0 (Loop, 1);
  BnThreadPool *two = bn_thread_pool_new (2);

  assert_n_threads (1);
  BnThreadPool *five = bn_thread_pool_new (5);
  assert_n_threads (4);
  BnThreadPool *three = bn_thread_pool_new (3);
  assert_n_threads (4);
  check_loop (two, loop, 100, 1);
  check_loop (five, loop, 100, 1);
  bn_thread_pool_free (five);
  check_loop (three, loop, 100, 1);
  check_loop (two, loop, 100, 1);
  bn_thread_pool_free (two);
  check_loop (three, loop, 100, 1);
  bn_thread_pool_free (three);
  assert_n_threads (0);
}

/* Loops of several users at a time do not get into each other's way. */
static gpointer
use_pool (gpointer data)
{
  const guint index = GPOINTER_TO_UINT (data);
  g_autofree Loop *loop = g_new0 (Loop, 1);

  for (guint i = 0; i < 8; i++) {
    g_autoptr (BnThreadPool) pool = bn_thread_pool_new (1 + (index + i) % 4);

    for (guint k = 0; k < 100; k++)
      check_loop (pool, loop, 1 + (k * 37 + index * 11) % 300, 1 + k % 3);
  }
  return NULL;
}

static void
test_many_users (void)
{
  GThread *threads[5];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("user", use_pool, GUINT_TO_POINTER (i));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  assert_n_threads (0);
}

/* A loop that is far from its end when another user comes is cut: the other's
 * loop is done before. Pieces go on until that has happened. */
typedef struct {
  int has_begun;
  int is_other_done;
  int n_done;
} Turns;

static void
wait_for_other (size_t begin, size_t end, uint32_t worker, void *data)
{
  Turns *turns = data;

  g_atomic_int_set (&turns->has_begun, 1);
  if (!g_atomic_int_get (&turns->is_other_done))
    g_thread_yield ();
  else
    g_atomic_int_add (&turns->n_done, (int) (end - begin));
}

static void
count_pieces (size_t begin, size_t end, uint32_t worker, void *data)
{
  g_atomic_int_add ((int *) data, (int) (end - begin));
}

static gpointer
run_long_loop (gpointer data)
{
  g_autoptr (BnThreadPool) pool = bn_thread_pool_new (2);
  Turns *turns = data;

  /* as many loops as it takes; each is far too long to be waited for */
  while (!g_atomic_int_get (&turns->is_other_done))
    bn_thread_pool_run (pool, 20000000, 1, wait_for_other, turns);
  return NULL;
}

static void
test_turns (void)
{
  g_autoptr (BnThreadPool) pool = bn_thread_pool_new (2);
  Turns turns = {0};
  int n_done = 0;
  GThread *thread = g_thread_new ("long", run_long_loop, &turns);

  while (!g_atomic_int_get (&turns.has_begun))
    g_thread_yield ();
  for (int i = 0; i < 10; i++)
    bn_thread_pool_run (pool, 100, 1, count_pieces, &n_done);
  g_assert_cmpint (n_done, ==, 1000);
  g_atomic_int_set (&turns.is_other_done, 1);
  g_thread_join (thread);
  /* cut and gone on with, to the end */
  g_assert_cmpint (turns.n_done, >, 0);
}

/* ---- processes ---- */

static void
test_fork (void)
{
  g_autofree Loop *loop = g_new0 (Loop, 1);
  g_autoptr (BnThreadPool) pool = bn_thread_pool_new (4);
  int status;

  check_loop (pool, loop, 1000, 1);
  pid_t child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    alarm (60);
    /* alone, and with threads of its own */
    check_loop (pool, loop, 1000, 1);
#ifndef HAS_THREAD_SANITIZER
    BnThreadPool *own = bn_thread_pool_new (3);
    check_loop (own, loop, 1000, 1);
    bn_thread_pool_free (own);
#endif
    bn_thread_pool_free (pool);
    _exit (0);
  }
  check_loop (pool, loop, 1000, 1);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  check_loop (pool, loop, 1000, 1);
}

/* The limit does not hold for root. */
static gboolean
forbid_threads (void)
{
  const struct rlimit none = {0, 0};
  const uid_t nobody = 65534;

  return setrlimit (RLIMIT_NPROC, &none) == 0
         && (getuid () != 0 || setresuid (nobody, nobody, nobody) == 0);
}

static void
test_no_threads (void)
{
  int status;
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    g_autofree Loop *loop = g_new0 (Loop, 1);

    alarm (60);
    if (!forbid_threads ())
      _exit (77);
    g_autoptr (BnThreadPool) pool = bn_thread_pool_new (4);
    check_loop (pool, loop, 1000, 1);
    _exit (bn_thread_pool_get_n_threads (pool) == 1 ? 0 : 1);
  }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status));
  if (WEXITSTATUS (status) == 77)
    g_test_skip ("threads cannot be forbidden");
  else
    g_assert_cmpint (WEXITSTATUS (status), ==, 0);
}

static void
test_affinity (void)
{
  g_autofree Loop *loop = g_new0 (Loop, 1);

  g_setenv ("BITNET_THREAD_AFFINITY", "1", TRUE);
  for (guint n_threads = 2; n_threads < 9; n_threads += 3) {
    g_autoptr (BnThreadPool) pool = bn_thread_pool_new (n_threads);

    for (guint i = 0; i < 20; i++)
      check_loop (pool, loop, 300, 1);
  }
  g_unsetenv ("BITNET_THREAD_AFFINITY");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/threadpool/each-item-once", test_each_item_once);
  g_test_add_func ("/threadpool/many-loops", test_many_loops);
  g_test_add_func ("/threadpool/many-pools", test_many_pools);
  g_test_add_func ("/threadpool/loops-are-ordered", test_loops_are_ordered);
  g_test_add_func ("/threadpool/all-take-part", test_all_take_part);
  g_test_add_func ("/threadpool/idle-workers-sleep", test_idle_workers_sleep);
  g_test_add_func ("/threadpool/default-threads", test_default_threads);
  g_test_add_func ("/threadpool/one-set-of-threads", test_one_set_of_threads);
  g_test_add_func ("/threadpool/many-users", test_many_users);
  g_test_add_func ("/threadpool/turns", test_turns);
  g_test_add_func ("/threadpool/fork", test_fork);
  g_test_add_func ("/threadpool/no-threads", test_no_threads);
  g_test_add_func ("/threadpool/affinity", test_affinity);
  return g_test_run ();
}
