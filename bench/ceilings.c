/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this machine can do at best, with 1, 2, ... threads: the ceilings that
 * every speed is stated as a fraction of.
 *
 *   read    GB/s of plain sums over a buffer far larger than the caches
 *   stream  GB/s of the pattern of a matrix-vector product (probe.h)
 *   int8    GMAC/s of products of bytes summed to int32 in registers: vpdpbusd
 *           on 512 bits, maddubs on 256
 *
 * Best of several passes. Buffers lie in huge pages where there are any. */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "probe.h"

enum {
  BUFFER_SIZE = 1 << 30,
  N_PASSES = 7,
  ALIGNMENT = 4096,
  N_PRODUCTS = 1 << 24, /* vector instructions of a pass of products */
  N_SUMS = 12,
};

typedef struct {
  const guint8 *bytes;
  gsize size;
  guint64 sum;
} Part;

typedef void (*Work) (Part *part);

static void
read_all (Part *part)
{
  part->sum += probe_read (part->bytes, part->size);
}

static void
stream_tiles (Part *part)
{
  part->sum += probe_stream (part->bytes, part->size);
}

#ifdef __x86_64__

/* N_PRODUCTS of them; the empty statements keep each where it is. Every loop
 * over the sums is unrolled: with one that is not they live in memory. */
__attribute__ ((target ("avx512f,avx512bw,avx512vnni"))) static void
multiply_512 (Part *part)
{
  __m512i sums[N_SUMS];
  __m512i a = _mm512_loadu_si512 (part->bytes);
  __m512i b = _mm512_loadu_si512 (part->bytes + sizeof a);

#pragma GCC unroll 12
  for (int k = 0; k < N_SUMS; k++)
    sums[k] = _mm512_setzero_si512 ();
  for (int i = 0; i < N_PRODUCTS; i += N_SUMS) {
#pragma GCC unroll 12
    for (int k = 0; k < N_SUMS; k++) {
      sums[k] = _mm512_dpbusd_epi32 (sums[k], a, b);
      __asm__("" : "+v"(sums[k]));
    }
  }
#pragma GCC unroll 12
  for (int k = 0; k < N_SUMS; k++)
    part->sum += (guint64) _mm512_reduce_add_epi32 (sums[k]);
}

__attribute__ ((target ("avx2"))) static void
multiply_256 (Part *part)
{
  __m256i sums[N_SUMS];
  __m256i a = _mm256_loadu_si256 ((const void *) part->bytes);
  __m256i b = _mm256_loadu_si256 ((const void *) (part->bytes + sizeof a));

#pragma GCC unroll 12
  for (int k = 0; k < N_SUMS; k++)
    sums[k] = _mm256_setzero_si256 ();
  for (int i = 0; i < N_PRODUCTS; i += N_SUMS) {
#pragma GCC unroll 12
    for (int k = 0; k < N_SUMS; k++) {
      sums[k] = _mm256_add_epi16 (sums[k], _mm256_maddubs_epi16 (a, b));
      __asm__("" : "+x"(sums[k]), "+x"(a));
    }
  }
#pragma GCC unroll 12
  for (int k = 0; k < N_SUMS; k++)
    part->sum += (guint64) _mm256_extract_epi32 (sums[k], 0);
}

#endif

typedef struct {
  Part part;
  Work work;
} Task;

static gpointer
run_task (gpointer data)
{
  Task *task = data;

  task->work (&task->part);
  return NULL;
}

/* Seconds of the best pass with n threads, each with its part. */
static double
measure (const guint8 *bytes, guint n_threads, Work work, guint64 *sum)
{
  const gsize size = BUFFER_SIZE / n_threads / ALIGNMENT * ALIGNMENT;
  double best = G_MAXDOUBLE;

  for (int pass = 0; pass < N_PASSES; pass++) {
    g_autofree Task *tasks = g_new0 (Task, n_threads);
    g_autofree GThread **threads = g_new (GThread *, n_threads);
    const gint64 start = g_get_monotonic_time ();

    for (guint i = 0; i < n_threads; i++) {
      tasks[i] = (Task){{bytes + i * size, size, 0}, work};
      threads[i] = g_thread_new ("ceiling", run_task, &tasks[i]);
    }
    for (guint i = 0; i < n_threads; i++) {
      g_thread_join (threads[i]);
      *sum += tasks[i].part.sum;
    }
    best =
        MIN (best, (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC);
  }
  return best;
}

/* GMAC/s, 0 where the processor has no such instruction. */
static double
measure_products (const guint8 *bytes, guint n_threads, guint64 *sum)
{
#ifdef __x86_64__
  const double n = (double) N_PRODUCTS * n_threads;

  if (__builtin_cpu_supports ("avx512vnni"))
    return n * 64 / measure (bytes, n_threads, multiply_512, sum) / 1e9;
  if (__builtin_cpu_supports ("avx2"))
    return n * 32 / measure (bytes, n_threads, multiply_256, sum) / 1e9;
#endif
  return 0;
}

int
main (int argc, char **argv)
{
  int n_threads = (int) g_get_num_processors ();
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
      {"threads", 't', 0, G_OPTION_ARG_INT, &n_threads,
          "Most threads [one for each processor]", "N"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL},
      {NULL},
  };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("- what this machine can do at best");
  g_autoptr (GError) error = NULL;
  guint64 sum = 0;
  guint8 *bytes;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)
      || n_threads < 1) {
    g_printerr ("ceilings: %s\n", error ? error->message : "no threads");
    return 2;
  }
  bytes = probe_alloc (BUFFER_SIZE);
  if (bytes == NULL) {
    perror ("ceilings");
    return 1;
  }
  if (json)
    puts ("[");
  for (guint n = 1; n <= (guint) n_threads; n++) {
    double read = BUFFER_SIZE / measure (bytes, n, read_all, &sum) / 1e9;
    double stream = BUFFER_SIZE / measure (bytes, n, stream_tiles, &sum) / 1e9;
    double int8 = measure_products (bytes, n, &sum);

    printf (json ? "  {\"threads\": %u, \"read\": %.2f, \"stream\": %.2f, "
                   "\"int8\": %.1f}%s\n"
                 : "%u threads  read %6.1f GB/s  stream %6.1f GB/s  "
                   "int8 %7.1f GMAC/s%s\n",
        n, read, stream, int8, json && n < (guint) n_threads ? "," : "");
  }
  if (json)
    puts ("]");
  probe_free (bytes, BUFFER_SIZE);
  return sum == 0; /* the sums are used */
}
