/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loops of tool-probe.h and the threads that run them.
 *
 * The compiler makes a loop that reads for every width of vectors, so that the
 * reads and not the instructions are what takes time. Each thread has a part of
 * the buffer, which it goes through piece by piece; who is done takes pieces of
 * the others, as the threads of an engine do, so that one which the system
 * stops for a while does not keep all waiting.
 *
 * A pass begins when all threads are awake and ends with the last one; what it
 * takes to wake them is not in its time. */
#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_HUGEPAGE */
#include "tool-probe.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define NS_PER_S 1000000000u

enum {
  CACHE_LINE = 64,
  N_LANES = 64, /* independent sums, enough to hide the latency */
  ROW_LINES = 640 / CACHE_LINE,
  TILE_ROWS = 4,
  TILE_SIZE = TILE_ROWS * ROW_LINES * CACHE_LINE,
  PIECE_SIZE = 400 * TILE_SIZE, /* about 1 MB, and whole pages */
  N_SUMS = 12,
  N_STEPS = 20000 * N_SUMS, /* instructions of a piece of products */
  N_PRODUCT_PIECES = 64,    /* in a pass, of each thread */
};

/* Which of them is chosen before sanitizers are ready for anything. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#endif

#if defined(__x86_64__) && !defined(HAS_SANITIZER)
#define ANY_LEVEL __attribute__ ((target_clones ("avx512f", "avx2", "default")))
#else
#define ANY_LEVEL
#endif

/* A cache line; the compiler makes it of what the level has. */
typedef uint64_t Line __attribute__ ((vector_size (64)));

/* A thread, and what it begins with. */
typedef struct {
  ToolProbe *probe;
  pthread_t thread; /* of all but the first, who is the caller */
  uint8_t *bytes;
  uint64_t begin_ns, end_ns;
  uint64_t sum; /* of what was read, so that it is read */
  _Alignas(CACHE_LINE) atomic_uint next; /* piece to be taken */
} Part;

/* A piece; what comes back has to be used. */
typedef uint64_t (*Work) (uint8_t *bytes);

struct ToolProbe {
  unsigned n_threads;
  unsigned n_started; /* threads, the caller included */
  Part *parts;
  uint8_t *bytes;
  unsigned n_byte_pieces; /* of a part */

  /* The pass; written while the threads sleep. */
  Work work;
  unsigned n_pieces; /* of a part */
  atomic_uint n_ready, n_done;

  pthread_mutex_t mutex; /* protects what follows */
  pthread_cond_t cond;
  unsigned n_begun; /* passes */
  bool is_stopping;
};

/* ---- loops ---- */

ANY_LEVEL static uint64_t
read_words (uint8_t *bytes)
{
  const uint64_t *words = (const void *) bytes;
  const size_t n_words = PIECE_SIZE / sizeof *words;
  uint64_t lanes[N_LANES] = {0}, sum = 0;

  for (size_t i = 0; i + N_LANES <= n_words; i += N_LANES) {
    for (size_t lane = 0; lane < N_LANES; lane++)
      lanes[lane] += words[i + lane];
  }
  for (size_t lane = 0; lane < N_LANES; lane++)
    sum += lanes[lane];
  return sum;
}

ANY_LEVEL static uint64_t
read_tiles (uint8_t *bytes)
{
  const Line *line = (const void *) bytes;
  const Line *end = line + PIECE_SIZE / sizeof *line;
  Line sums[TILE_ROWS] = {0};
  uint64_t sum = 0;

  for (; line < end; line += TILE_ROWS * ROW_LINES) {
    for (size_t at = 0; at < ROW_LINES; at++) {
      for (size_t row = 0; row < TILE_ROWS; row++)
        sums[row] ^= line[row * ROW_LINES + at];
    }
  }
  for (size_t row = 0; row < TILE_ROWS; row++)
    sum += sums[row][0];
  return sum;
}

#ifdef __x86_64__

/* N_STEPS of them; the empty statements keep each where it is. Every loop
 * over the sums is unrolled: with one that is not they live in memory. */
__attribute__ ((target ("avx512f,avx512bw,avx512vnni"))) static uint64_t
multiply_512 (uint8_t *bytes)
{
  __m512i sums[N_SUMS];
  __m512i a = _mm512_loadu_si512 (bytes);
  __m512i b = _mm512_loadu_si512 (bytes + sizeof a);
  uint64_t sum = 0;

#pragma GCC unroll 12
  for (int k = 0; k < N_SUMS; k++)
    sums[k] = _mm512_setzero_si512 ();
  for (int i = 0; i < N_STEPS; i += N_SUMS) {
#pragma GCC unroll 12
    for (int k = 0; k < N_SUMS; k++) {
      sums[k] = _mm512_dpbusd_epi32 (sums[k], a, b);
      __asm__("" : "+v"(sums[k]));
    }
  }
#pragma GCC unroll 12
  for (int k = 0; k < N_SUMS; k++)
    sum += (uint64_t) _mm512_reduce_add_epi32 (sums[k]);
  return sum;
}

__attribute__ ((target ("avx2"))) static uint64_t
multiply_256 (uint8_t *bytes)
{
  __m256i sums[N_SUMS];
  __m256i a = _mm256_loadu_si256 ((const void *) bytes);
  __m256i b = _mm256_loadu_si256 ((const void *) (bytes + sizeof a));
  uint64_t sum = 0;

#pragma GCC unroll 12
  for (int k = 0; k < N_SUMS; k++)
    sums[k] = _mm256_setzero_si256 ();
  for (int i = 0; i < N_STEPS; i += N_SUMS) {
#pragma GCC unroll 12
    for (int k = 0; k < N_SUMS; k++) {
      sums[k] = _mm256_add_epi16 (sums[k], _mm256_maddubs_epi16 (a, b));
      __asm__("" : "+x"(sums[k]), "+x"(a));
    }
  }
#pragma GCC unroll 12
  for (int k = 0; k < N_SUMS; k++)
    sum += (uint64_t) _mm256_extract_epi32 (sums[k], 0);
  return sum;
}

#endif

/* The first touch of a page decides where it is. */
static uint64_t
fill (uint8_t *bytes)
{
  memset (bytes, 1, PIECE_SIZE);
  return 1;
}

/* ---- passes ---- */

static uint64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * NS_PER_S + (uint64_t) now.tv_nsec;
}

static void
take_part (ToolProbe *self, unsigned index)
{
  Part *own = &self->parts[index];

  atomic_fetch_add (&self->n_ready, 1);
  while (atomic_load (&self->n_ready) < self->n_threads)
    sched_yield ();
  own->begin_ns = now_ns ();
  for (unsigned i = 0; i < self->n_threads; i++) {
    Part *part = &self->parts[(index + i) % self->n_threads];
    unsigned at;

    while ((at = atomic_fetch_add (&part->next, 1)) < self->n_pieces)
      own->sum += self->work (
          part->bytes + (size_t) (at % self->n_byte_pieces) * PIECE_SIZE);
  }
  own->end_ns = now_ns ();
  atomic_fetch_add (&self->n_done, 1);
}

static void *
run_thread (void *data)
{
  const Part *part = data;
  ToolProbe *self = part->probe;
  unsigned n_seen = 0;

  pthread_mutex_lock (&self->mutex);
  while (!self->is_stopping) {
    if (self->n_begun == n_seen) {
      pthread_cond_wait (&self->cond, &self->mutex);
      continue;
    }
    n_seen = self->n_begun;
    pthread_mutex_unlock (&self->mutex);
    take_part (self, (unsigned) (part - self->parts));
    pthread_mutex_lock (&self->mutex);
  }
  pthread_mutex_unlock (&self->mutex);
  return NULL;
}

/* Nanoseconds from the first thread's begin to the last one's end. */
static uint64_t
run_pass (ToolProbe *self, Work work, unsigned n_pieces)
{
  uint64_t begin_ns = UINT64_MAX, end_ns = 0;

  pthread_mutex_lock (&self->mutex);
  self->work = work;
  self->n_pieces = n_pieces;
  atomic_store (&self->n_ready, 0);
  atomic_store (&self->n_done, 0);
  for (unsigned i = 0; i < self->n_threads; i++)
    atomic_store (&self->parts[i].next, 0);
  self->n_begun++;
  pthread_cond_broadcast (&self->cond);
  pthread_mutex_unlock (&self->mutex);
  take_part (self, 0);
  while (atomic_load (&self->n_done) < self->n_threads)
    sched_yield ();
  for (unsigned i = 0; i < self->n_threads; i++) {
    const Part *part = &self->parts[i];

    begin_ns = part->begin_ns < begin_ns ? part->begin_ns : begin_ns;
    end_ns = part->end_ns > end_ns ? part->end_ns : end_ns;
  }
  return end_ns > begin_ns ? end_ns - begin_ns : 1;
}

static size_t
get_size (const ToolProbe *self)
{
  return (size_t) self->n_threads * self->n_byte_pieces * PIECE_SIZE;
}

/* The loop and how much a piece of it is; NULL where there is none. */
static Work
choose_work (ToolProbeKind kind, double *amount)
{
  *amount = PIECE_SIZE;
  if (kind == TOOL_PROBE_READ)
    return read_words;
  if (kind == TOOL_PROBE_STREAM)
    return read_tiles;
#ifdef __x86_64__
  *amount = (double) N_STEPS * sizeof (__m512i);
  if (__builtin_cpu_supports ("avx512vnni"))
    return multiply_512;
  *amount = (double) N_STEPS * sizeof (__m256i);
  if (__builtin_cpu_supports ("avx2"))
    return multiply_256;
#endif
  return NULL;
}

/* ---- public ---- */

double
tool_probe_run (ToolProbe *self, ToolProbeKind kind, unsigned n_passes)
{
  const unsigned n_pieces =
      kind == TOOL_PROBE_MULTIPLY ? N_PRODUCT_PIECES : self->n_byte_pieces;
  double amount;
  Work work = choose_work (kind, &amount);
  uint64_t ns = 0;

  if (work == NULL)
    return 0;
  for (unsigned pass = 0; pass < n_passes; pass++)
    ns += run_pass (self, work, n_pieces);
  return amount * n_pieces * self->n_threads * n_passes * NS_PER_S
         / (double) ns;
}

ToolProbe *
tool_probe_new (unsigned n_threads, size_t size)
{
  ToolProbe *self = calloc (1, sizeof *self);
  const size_t n_pieces = size / n_threads / PIECE_SIZE;
  bool is_good;

  if (self == NULL)
    return NULL;
  pthread_mutex_init (&self->mutex, NULL);
  pthread_cond_init (&self->cond, NULL);
  self->n_threads = n_threads;
  self->n_started = 1;
  self->n_byte_pieces = n_pieces > 0 ? (unsigned) n_pieces : 1;
  self->parts = aligned_alloc (CACHE_LINE, n_threads * sizeof (Part));
  self->bytes = mmap (NULL, get_size (self), PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  is_good = self->parts != NULL && self->bytes != MAP_FAILED;
  for (unsigned i = 0; is_good && i < n_threads; i++) {
    self->parts[i] = (Part){.probe = self,
        .bytes = self->bytes + (size_t) i * self->n_byte_pieces * PIECE_SIZE};
  }
  for (unsigned i = 1; is_good && i < n_threads; i++) {
    is_good = pthread_create (
                  &self->parts[i].thread, NULL, run_thread, &self->parts[i])
              == 0;
    self->n_started += is_good;
  }
  if (!is_good) {
    tool_probe_free (self);
    errno = ENOMEM;
    return NULL;
  }
#ifdef MADV_HUGEPAGE
  madvise (self->bytes, get_size (self), MADV_HUGEPAGE);
#endif
  run_pass (self, fill, self->n_byte_pieces);
  return self;
}

void
tool_probe_free (ToolProbe *self)
{
  pthread_mutex_lock (&self->mutex);
  self->is_stopping = true;
  pthread_cond_broadcast (&self->cond);
  pthread_mutex_unlock (&self->mutex);
  for (unsigned i = 1; i < self->n_started; i++)
    pthread_join (self->parts[i].thread, NULL);
  if (self->bytes != MAP_FAILED)
    munmap (self->bytes, get_size (self));
  pthread_cond_destroy (&self->cond);
  pthread_mutex_destroy (&self->mutex);
  free (self->parts);
  free (self);
}
