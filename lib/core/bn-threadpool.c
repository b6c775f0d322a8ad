/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The workers behind bn-threadpool.h.
 *
 * A loop is open while its pieces are handed out. `state` has the open bit and
 * the number of workers inside; a worker enters only an open loop, and the
 * caller leaves when the loop is closed and nobody is inside. So a worker that
 * the system wakes up late is not waited for: it finds the loop closed.
 *
 *     caller   epoch++ ... open ... take pieces ... close, wait until empty
 *     worker   sees epoch change, enters if open, takes pieces, leaves
 *
 * `mutex` protects no data, only the sleeps: who goes to sleep announces it
 * (n_sleeping, caller_sleeps), looks once more and waits; who makes a change
 * looks for sleepers afterwards. Both orders are sequentially consistent, so
 * one of the two always sees the other. */
#define _GNU_SOURCE /* CPU_SET, pthread_setname_np */
#include "bn-threadpool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
  SPIN_NS = 30 * 1000, /* longer than the gap between two loops of a pass */
  SPIN_BATCH = 32,     /* pauses between looks at the clock */
  MAX_THREADS = 1024,
  CACHE_LINE = 64,
};

#define LOOP_OPEN 0x80000000u

struct BnThreadPool {
  uint32_t n_threads;
  pthread_t *threads; /* n_threads - 1 */
  struct Worker *workers;

  /* The loop; written while it is closed and empty. */
  BnLoopFunc func;
  void *data;
  size_t n;
  size_t grain;

  _Alignas(CACHE_LINE) atomic_size_t next;
  _Alignas(CACHE_LINE) atomic_uint state;
  _Alignas(CACHE_LINE) atomic_uint epoch; /* counts loops */
  atomic_uint n_sleeping;
  atomic_bool caller_sleeps;
  atomic_bool is_stopping;

  pthread_mutex_t mutex;
  pthread_cond_t work_cond; /* the epoch changed */
  pthread_cond_t done_cond; /* the last worker left */
};

struct Worker {
  BnThreadPool *pool;
  uint32_t index;
};

static inline void
pause_cpu (void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause ();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static uint64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static void
take_pieces (BnThreadPool *self, uint32_t worker)
{
  const size_t n = self->n;
  const size_t grain = self->grain;

  for (;;) {
    size_t begin =
        atomic_fetch_add_explicit (&self->next, grain, memory_order_relaxed);
    if (begin >= n)
      return;
    self->func (
        begin, n - begin < grain ? n : begin + grain, worker, self->data);
  }
}

static gboolean
enter_loop (BnThreadPool *self)
{
  unsigned state = atomic_load (&self->state);

  while (state & LOOP_OPEN) {
    if (atomic_compare_exchange_weak (&self->state, &state, state + 1))
      return TRUE;
  }
  return FALSE;
}

static void
leave_loop (BnThreadPool *self)
{
  if (atomic_fetch_sub (&self->state, 1) == 1
      && atomic_load (&self->caller_sleeps)) {
    pthread_mutex_lock (&self->mutex);
    pthread_cond_signal (&self->done_cond);
    pthread_mutex_unlock (&self->mutex);
  }
}

static void
wait_for_epoch (BnThreadPool *self, unsigned seen)
{
  const uint64_t deadline = now_ns () + SPIN_NS;

  do {
    for (int i = 0; i < SPIN_BATCH; i++) {
      if (atomic_load_explicit (&self->epoch, memory_order_relaxed) != seen)
        return;
      pause_cpu ();
    }
  } while (now_ns () < deadline);

  pthread_mutex_lock (&self->mutex);
  atomic_fetch_add (&self->n_sleeping, 1);
  while (atomic_load (&self->epoch) == seen)
    pthread_cond_wait (&self->work_cond, &self->mutex);
  atomic_fetch_sub (&self->n_sleeping, 1);
  pthread_mutex_unlock (&self->mutex);
}

/* Counts a loop, or the end of all loops, and wakes who sleeps. */
static void
advance_epoch (BnThreadPool *self)
{
  atomic_fetch_add (&self->epoch, 1);
  if (atomic_load (&self->n_sleeping) > 0) {
    pthread_mutex_lock (&self->mutex);
    pthread_cond_broadcast (&self->work_cond);
    pthread_mutex_unlock (&self->mutex);
  }
}

static void *
worker_main (void *data)
{
  const struct Worker *worker = data;
  BnThreadPool *self = worker->pool;
  unsigned seen = 0;

  for (;;) {
    wait_for_epoch (self, seen);
    seen = atomic_load (&self->epoch);
    if (atomic_load (&self->is_stopping))
      return NULL;
    if (enter_loop (self)) {
      take_pieces (self, worker->index);
      leave_loop (self);
    }
  }
}

static void
close_loop (BnThreadPool *self)
{
  uint64_t deadline;

  if (atomic_fetch_and (&self->state, ~LOOP_OPEN) == LOOP_OPEN)
    return;
  deadline = now_ns () + SPIN_NS;
  do {
    for (int i = 0; i < SPIN_BATCH; i++) {
      if (atomic_load (&self->state) == 0)
        return;
      pause_cpu ();
    }
  } while (now_ns () < deadline);

  pthread_mutex_lock (&self->mutex);
  atomic_store (&self->caller_sleeps, true);
  while (atomic_load (&self->state) != 0)
    pthread_cond_wait (&self->done_cond, &self->mutex);
  atomic_store (&self->caller_sleeps, false);
  pthread_mutex_unlock (&self->mutex);
}

void
bn_thread_pool_run (
    BnThreadPool *self, size_t n, size_t grain, BnLoopFunc func, void *data)
{
  g_assert (grain > 0);
  if (n == 0)
    return;
  self->func = func;
  self->data = data;
  self->n = n;
  self->grain = grain;
  atomic_store_explicit (&self->next, 0, memory_order_relaxed);
  if (self->n_threads == 1 || n <= grain) {
    take_pieces (self, 0);
    return;
  }
  atomic_store (&self->state, LOOP_OPEN);
  advance_epoch (self);
  take_pieces (self, 0);
  close_loop (self);
}

/* The CPU that stands for the physical core of cpu: the first in a list such
 * as "0-1" or "3,67"; cpu itself where the system does not say. */
static int
first_sibling (int cpu)
{
  char path[96];
  FILE *file;
  int first = cpu;

  snprintf (path, sizeof path,
      "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
  file = fopen (path, "re");
  if (file) {
    if (fscanf (file, "%d", &first) != 1 || first < 0 || first >= CPU_SETSIZE)
      first = cpu;
    fclose (file);
  }
  return first;
}

/* CPUs' worth of time the control group allows, rounded up. */
static uint32_t
control_group_limit (void)
{
  FILE *file = fopen ("/sys/fs/cgroup/cpu.max", "re");
  unsigned long quota, period;
  uint32_t limit = MAX_THREADS;

  if (file == NULL)
    return limit;
  if (fscanf (file, "%lu %lu", &quota, &period) == 2 && quota > 0 && period > 0
      && (quota - 1) / period < MAX_THREADS)
    limit = (uint32_t) ((quota - 1) / period + 1);
  fclose (file);
  return limit;
}

uint32_t
bn_thread_pool_default_n_threads (void)
{
  cpu_set_t allowed, cores;
  uint32_t n_cores;

  CPU_ZERO (&cores);
  if (sched_getaffinity (0, sizeof allowed, &allowed) != 0)
    return 1;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (CPU_ISSET (cpu, &allowed))
      CPU_SET (first_sibling (cpu), &cores);
  }
  n_cores = (uint32_t) CPU_COUNT (&cores);
  return CLAMP (n_cores, 1, control_group_limit ());
}

BnThreadPool *
bn_thread_pool_new (uint32_t n_threads)
{
  BnThreadPool *self;
  sigset_t all_signals, old_signals;

  if (n_threads == 0)
    n_threads = bn_thread_pool_default_n_threads ();
  n_threads = MIN (n_threads, MAX_THREADS);
  self = g_aligned_alloc0 (1, sizeof *self, CACHE_LINE);
  pthread_mutex_init (&self->mutex, NULL);
  pthread_cond_init (&self->work_cond, NULL);
  pthread_cond_init (&self->done_cond, NULL);
  self->threads = g_new0 (pthread_t, n_threads);
  self->workers = g_new0 (struct Worker, n_threads);
  self->n_threads = 1;

  /* Signals are for the application's own threads. */
  sigfillset (&all_signals);
  pthread_sigmask (SIG_SETMASK, &all_signals, &old_signals);
  while (self->n_threads < n_threads) {
    struct Worker *worker = &self->workers[self->n_threads - 1];
    pthread_t *thread = &self->threads[self->n_threads - 1];

    *worker = (struct Worker){self, self->n_threads};
    if (pthread_create (thread, NULL, worker_main, worker) != 0)
      break;
#ifdef __linux__
    pthread_setname_np (*thread, "bitnet-worker");
#endif
    self->n_threads++;
  }
  pthread_sigmask (SIG_SETMASK, &old_signals, NULL);
  return self;
}

void
bn_thread_pool_free (BnThreadPool *self)
{
  atomic_store (&self->is_stopping, true);
  advance_epoch (self);
  for (uint32_t i = 0; i + 1 < self->n_threads; i++)
    pthread_join (self->threads[i], NULL);
  pthread_cond_destroy (&self->done_cond);
  pthread_cond_destroy (&self->work_cond);
  pthread_mutex_destroy (&self->mutex);
  g_free (self->workers);
  g_free (self->threads);
  g_aligned_free (self);
}

uint32_t
bn_thread_pool_get_n_threads (const BnThreadPool *self)
{
  return self->n_threads;
}
