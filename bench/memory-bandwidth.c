/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast this machine reads memory: the ceiling of every decode figure.
 * Each thread sums its own part of a buffer far larger than the caches;
 * prints the best of several passes for 1, 2, ... threads.
 *
 * usage: memory-bandwidth [THREADS] */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  BUFFER_SIZE = 1 << 30,
  N_PASSES = 7,
  N_LANES = 64, /* independent sums, enough to hide the latency */
};

typedef struct {
  const guint64 *words;
  gsize n_words;
  guint64 sum;
} Part;

#ifdef __x86_64__
__attribute__ ((target_clones ("avx512f", "avx2", "default")))
#endif
static gpointer
sum_part (gpointer data)
{
  Part *part = data;
  guint64 lanes[N_LANES] = {0};

  for (gsize i = 0; i + N_LANES <= part->n_words; i += N_LANES) {
    for (gsize lane = 0; lane < N_LANES; lane++)
      lanes[lane] += part->words[i + lane];
  }
  for (gsize lane = 0; lane < N_LANES; lane++)
    part->sum += lanes[lane];
  return NULL;
}

/* Seconds of one pass with n threads. */
static double
run_pass (const guint64 *words, guint n_threads, guint64 *sum)
{
  const gsize n_words = BUFFER_SIZE / sizeof *words / n_threads;
  g_autofree Part *parts = g_new0 (Part, n_threads);
  g_autofree GThread **threads = g_new (GThread *, n_threads);
  const gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < n_threads; i++) {
    parts[i] = (Part){.words = words + i * n_words, .n_words = n_words};
    threads[i] = g_thread_new ("reader", sum_part, &parts[i]);
  }
  for (guint i = 0; i < n_threads; i++) {
    g_thread_join (threads[i]);
    *sum += parts[i].sum;
  }
  return (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
}

int
main (int argc, char **argv)
{
  const guint max_threads =
      argc > 1 ? (guint) strtoul (argv[1], NULL, 10) : g_get_num_processors ();
  guint64 *words = mmap (NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  guint64 sum = 0;

  if (words == MAP_FAILED) {
    perror ("memory-bandwidth");
    return 1;
  }
  madvise (words, BUFFER_SIZE, MADV_HUGEPAGE);
  memset (words, 1, BUFFER_SIZE);
  for (guint n_threads = 1; n_threads <= max_threads; n_threads++) {
    double best = G_MAXDOUBLE;

    for (int pass = 0; pass < N_PASSES; pass++)
      best = MIN (best, run_pass (words, n_threads, &sum));
    printf ("%u threads  %6.1f GB/s\n", n_threads, BUFFER_SIZE / best / 1e9);
  }
  munmap (words, BUFFER_SIZE);
  return sum == 0; /* the sums are used */
}
