/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The compute threads behind bn-threadpool.h.
 *
 * A loop is open while its pieces are handed out. `state` has the open bit,
 * how many threads the loop may have, and how many workers are inside; a
 * worker enters only an open loop, and the caller leaves when the loop is
 * closed and nobody is inside. So a worker that the system wakes up late is
 * not waited for: it finds the loop closed.
 *
 *     caller   epoch++ ... open ... take pieces ... close, wait until empty
 *     worker   sees epoch change, enters if open, takes pieces, leaves
 *
 * Turns. One loop runs at a time. Its user owns the turn and keeps it between
 * two loops, so that a lone engine pays one compare-and-swap for it. Where
 * others wait, first come first served, the owner loses it after SLICE_NS or
 * when it starts no loop for a while; a loop longer than that is cut and goes
 * on with the next turn.
 *
 *     A's prefill  [=====1 ms=====]            [=====1 ms=====]
 *     B's decode   waits           [= = = = = ]                [= =
 *
 * Busy machines. A worker that the system stops for another program, while it
 * holds a piece, keeps everybody waiting for some milliseconds; with two such
 * programs most of the time is spent so. Where time is lost this way loops get
 * fewer threads, down to the caller alone, and after a pause, which gets
 * longer when it was in vain, one more again. So the loss is bounded, and a
 * share of a core that comes in slices is left to the other program.
 *
 *     threads  2222|1111111111|2|11111111111111111111|2|1111 ... |22222222
 *                  ^ late: 3 ms lost     in vain: twice the pause
 *
 * `mutex` protects the queue of those who wait for a turn and the slice's end.
 * `sleep_mutex` protects no data, only the sleeps: who goes to sleep announces
 * it, looks once more and waits; who makes a change looks for sleepers
 * afterwards. Both orders are sequentially consistent, so one of the two
 * always sees the other. `users_mutex` protects the users and the start and
 * end of threads. */
#define _GNU_SOURCE /* CPU_SET, pthread_setname_np */
#include "bn-threadpool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "bitnet-env.h"
#include "bn-clock.h"
#include "bn-cpu-topology.h"

#define NS_PER_US 1000u
#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u

enum {
  SPIN_NS = 30 * NS_PER_US, /* longer than the gap between loops of a pass */
  SPIN_BATCH = 32,          /* pauses between looks at the clock */
  MAX_THREADS = 1024,
  CACHE_LINE = 64,

  SLICE_NS = 1 * NS_PER_MS,  /* of a user while others wait */
  GAP_NS = 5 * NS_PER_US,    /* after which an owner counts as idle */
  LOOK_NS = 200 * NS_PER_US, /* between looks at an owner's doings */

  LATE_NS = 1500 * NS_PER_US, /* lost in a short time: the machine is busy */
  FORGET = 16, /* a part of the time in which that is forgotten */
  MIN_PAUSE_NS = 8 * NS_PER_MS,
  MAX_PAUSE_NS = 512 * NS_PER_MS,
};

/* state */
#define LOOP_OPEN 0x80000000u
#define LIMIT_SHIFT 16
#define LIMIT_MASK 0x7fffu

/* turn: the owner's address, and whether its loop runs */
#define TURN_RUNS 1u

struct BnThreadPool {
  uint32_t n_threads;

  /* Under mutex. */
  BnThreadPool *next; /* who waits behind it */
  pthread_cond_t cond;
};

struct Worker {
  uint32_t index; /* from 1 */
  unsigned seen;  /* epoch */
  pthread_t thread;
  pthread_cond_t cond;
  /* Cleared by who wakes it. Callers look at it before each loop. */
  _Alignas(CACHE_LINE) atomic_bool is_sleeping;
};

static struct {
  /* The loop; written by who owns the turn, while it is closed and empty. */
  BnLoopFunc func;
  void *data;
  size_t n;
  size_t grain;

  _Alignas(CACHE_LINE) atomic_size_t next;
  _Alignas(CACHE_LINE) atomic_uint state;
  _Alignas(CACHE_LINE) atomic_uint epoch; /* counts loops */
  atomic_bool caller_sleeps;
  atomic_bool is_stopping;

  _Alignas(CACHE_LINE) atomic_uintptr_t turn;
  atomic_uint n_waiting; /* for a turn */
  _Atomic (uint64_t) slice_end;

  /* How many threads a loop may have. Of who owns the turn. */
  uint32_t limit; /* MAX_THREADS: all */
  uint64_t lost_ns;
  uint64_t lost_at; /* when that was counted */
  uint64_t pause_ns;
  uint64_t pause_end;

  pthread_mutex_t mutex;
  BnThreadPool *first_waiting;
  pthread_mutex_t sleep_mutex;
  pthread_cond_t done_cond; /* the last worker left */

  pthread_mutex_t users_mutex;
  uint32_t n_users;
  atomic_uint n_workers;
  struct Worker *workers[MAX_THREADS]; /* [0] is for the caller: NULL */
} pool = {
    .limit = MAX_THREADS,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .sleep_mutex = PTHREAD_MUTEX_INITIALIZER,
    .done_cond = PTHREAD_COND_INITIALIZER,
    .users_mutex = PTHREAD_MUTEX_INITIALIZER,
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

/* ---- workers ---- */

static void
take_pieces (uint32_t worker)
{
  const size_t n = pool.n;
  const size_t grain = pool.grain;

  for (;;) {
    size_t begin =
        atomic_fetch_add_explicit (&pool.next, grain, memory_order_relaxed);
    if (begin >= n)
      return;
    pool.func (begin, n - begin < grain ? n : begin + grain, worker, pool.data);
  }
}

static bool
is_wanted (const struct Worker *worker, unsigned state)
{
  return (state >> LIMIT_SHIFT & LIMIT_MASK) > worker->index;
}

static bool
enter_loop (const struct Worker *worker)
{
  unsigned state = atomic_load (&pool.state);

  while (state & LOOP_OPEN && is_wanted (worker, state)) {
    if (atomic_compare_exchange_weak (&pool.state, &state, state + 1))
      return true;
  }
  return false;
}

static bool
is_empty (unsigned state)
{
  return (state & (LOOP_OPEN | ((1u << LIMIT_SHIFT) - 1))) == 0;
}

static void
leave_loop (void)
{
  if (is_empty (atomic_fetch_sub (&pool.state, 1) - 1)
      && atomic_load (&pool.caller_sleeps)) {
    pthread_mutex_lock (&pool.sleep_mutex);
    pthread_cond_signal (&pool.done_cond);
    pthread_mutex_unlock (&pool.sleep_mutex);
  }
}

/* Whether there is a loop that the worker has not seen. */
static bool
is_called (struct Worker *worker)
{
  const unsigned epoch = atomic_load (&pool.epoch);

  if (epoch == worker->seen)
    return false;
  worker->seen = epoch;
  return is_wanted (worker, atomic_load (&pool.state))
         || atomic_load (&pool.is_stopping);
}

static void
wait_for_call (struct Worker *worker)
{
  const uint64_t deadline = bn_clock_now () + SPIN_NS;

  do {
    for (int i = 0; i < SPIN_BATCH; i++) {
      if (atomic_load_explicit (&pool.epoch, memory_order_relaxed)
              != worker->seen
          && is_called (worker))
        return;
      pause_cpu ();
    }
  } while (bn_clock_now () < deadline);

  pthread_mutex_lock (&pool.sleep_mutex);
  atomic_store (&worker->is_sleeping, true);
  if (is_called (worker))
    atomic_store (&worker->is_sleeping, false);
  while (atomic_load (&worker->is_sleeping))
    pthread_cond_wait (&worker->cond, &pool.sleep_mutex);
  worker->seen = atomic_load (&pool.epoch);
  pthread_mutex_unlock (&pool.sleep_mutex);
}

static void *
worker_main (void *data)
{
  struct Worker *worker = data;

  for (;;) {
    wait_for_call (worker);
    if (atomic_load (&pool.is_stopping))
      return NULL;
    if (enter_loop (worker)) {
      take_pieces (worker->index);
      leave_loop ();
    }
  }
}

/* Counts a loop, or the end of all loops, and wakes the workers below end. */
static void
call_workers (uint32_t end)
{
  atomic_fetch_add (&pool.epoch, 1);
  for (uint32_t i = 1; i < end; i++) {
    struct Worker *worker = pool.workers[i];

    if (!atomic_load (&worker->is_sleeping))
      continue;
    pthread_mutex_lock (&pool.sleep_mutex);
    atomic_store (&worker->is_sleeping, false);
    pthread_cond_signal (&worker->cond);
    pthread_mutex_unlock (&pool.sleep_mutex);
  }
}

/* ---- busy machines ---- */

/* What the workers have computed, all together. */
static uint64_t
count_worker_time (uint32_t limit)
{
  uint64_t sum = 0;
  clockid_t clock;

  for (uint32_t i = 1; i < limit; i++) {
    if (pthread_getcpuclockid (pool.workers[i]->thread, &clock) == 0)
      sum += bn_clock_read (clock);
  }
  return sum;
}

/* A loop of limit threads ended late by ns, in which no worker computed. */
static void
note_lost (uint32_t limit, uint64_t ns)
{
  const uint64_t now = bn_clock_now ();
  const uint64_t forgotten = (now - pool.lost_at) / FORGET;

  pool.lost_ns = ns + (pool.lost_ns > forgotten ? pool.lost_ns - forgotten : 0);
  pool.lost_at = now;
  if (pool.lost_ns < LATE_NS || limit == 1)
    return;
  /* In vain, if it comes soon after the last pause. */
  if (pool.pause_ns > 0 && now < pool.pause_end + pool.pause_ns)
    pool.pause_ns = MIN (2 * pool.pause_ns, MAX_PAUSE_NS);
  else
    pool.pause_ns = MIN_PAUSE_NS;
  pool.pause_end = now + pool.pause_ns;
  pool.limit = (limit + 1) / 2;
  pool.lost_ns = 0;
}

static uint32_t
choose_limit (const BnThreadPool *self, size_t n_pieces)
{
  const uint32_t n_all =
      MIN (self->n_threads, 1 + atomic_load (&pool.n_workers));

  if (pool.limit < n_all && bn_clock_now () >= pool.pause_end) {
    pool.limit++;
    pool.pause_end = bn_clock_now () + pool.pause_ns;
    if (pool.limit >= n_all)
      pool.limit = MAX_THREADS;
  }
  return (uint32_t) MIN (MIN (n_all, pool.limit), n_pieces);
}

/* ---- a loop ---- */

static void
wait_until_empty (uint32_t limit)
{
  const uint64_t begin = bn_clock_now ();
  uint64_t now, worked;

  do {
    for (int i = 0; i < SPIN_BATCH; i++) {
      if (is_empty (atomic_load (&pool.state)))
        return;
      pause_cpu ();
    }
    now = bn_clock_now ();
  } while (now < begin + SPIN_NS);

  worked = count_worker_time (limit);
  pthread_mutex_lock (&pool.sleep_mutex);
  atomic_store (&pool.caller_sleeps, true);
  while (!is_empty (atomic_load (&pool.state)))
    pthread_cond_wait (&pool.done_cond, &pool.sleep_mutex);
  atomic_store (&pool.caller_sleeps, false);
  pthread_mutex_unlock (&pool.sleep_mutex);
  worked = count_worker_time (limit) - worked;
  now = bn_clock_now () - now;
  if (worked < now)
    note_lost (limit, now - worked);
}

/* The caller's pieces. Ends the loop early if others wait and the slice is
 * over; returns the first item that nobody has taken. */
static size_t
take_own_pieces (void)
{
  const size_t n = pool.n;
  const size_t grain = pool.grain;

  for (;;) {
    size_t begin =
        atomic_fetch_add_explicit (&pool.next, grain, memory_order_relaxed);
    if (begin >= n)
      return n;
    pool.func (begin, n - begin < grain ? n : begin + grain, 0, pool.data);
    if (atomic_load_explicit (&pool.n_waiting, memory_order_relaxed) > 0
        && bn_clock_now () >= atomic_load (&pool.slice_end)) {
      begin = atomic_exchange_explicit (&pool.next, n, memory_order_relaxed);
      return MIN (begin, n);
    }
  }
}

/* Items from begin on, as one loop; returns where it ended. */
static size_t
run_loop (const BnThreadPool *self, size_t begin, size_t n, size_t grain,
    BnLoopFunc func, void *data)
{
  const uint32_t limit = choose_limit (self, (n - begin - 1) / grain + 1);
  size_t end;

  pool.func = func;
  pool.data = data;
  pool.n = n;
  pool.grain = grain;
  atomic_store_explicit (&pool.next, begin, memory_order_relaxed);
  if (limit == 1)
    return take_own_pieces ();
  atomic_store (&pool.state, LOOP_OPEN | limit << LIMIT_SHIFT);
  call_workers (limit);
  end = take_own_pieces ();
  if (!is_empty (atomic_fetch_and (&pool.state, ~LOOP_OPEN) & ~LOOP_OPEN))
    wait_until_empty (limit);
  return end;
}

/* ---- turns ---- */

static bool
swap_turn (uintptr_t from, const BnThreadPool *self)
{
  return atomic_compare_exchange_strong (
      &pool.turn, &from, (uintptr_t) self | TURN_RUNS);
}

/* Takes over from an owner that seems to have no more to do. */
static bool
take_idle_turn (const BnThreadPool *self)
{
  const uintptr_t owner = atomic_load (&pool.turn);
  const unsigned epoch = atomic_load (&pool.epoch);
  const uint64_t deadline = bn_clock_now () + GAP_NS;

  if (atomic_load (&pool.n_waiting) > 0)
    return false;
  while (owner != 0 && bn_clock_now () < deadline)
    pause_cpu ();
  return !(owner & TURN_RUNS) && atomic_load (&pool.epoch) == epoch
         && swap_turn (owner, self);
}

static void
wait_on (pthread_cond_t *cond, uint64_t until)
{
  const struct timespec time = {
      (time_t) (until / NS_PER_S), (long) (until % NS_PER_S)};

  pthread_cond_timedwait (cond, &pool.mutex, &time);
}

/* Waits in the queue. Called and returns with the mutex held. */
static void
wait_for_turn (BnThreadPool *self)
{
  unsigned seen = atomic_load (&pool.epoch);
  uint64_t seen_at = bn_clock_now ();

  for (;;) {
    const uint64_t now = bn_clock_now ();
    const uintptr_t owner = atomic_load (&pool.turn);
    const unsigned epoch = atomic_load (&pool.epoch);
    const bool is_idle = epoch == seen && now >= seen_at + LOOK_NS / 2;

    if (pool.first_waiting != self) {
      pthread_cond_wait (&self->cond, &pool.mutex);
      continue;
    }
    if (!(owner & TURN_RUNS)
        && (owner == 0 || is_idle || now >= atomic_load (&pool.slice_end))
        && swap_turn (owner, self))
      return;
    if (epoch != seen) {
      seen = epoch;
      seen_at = now;
    }
    wait_on (&self->cond, now + LOOK_NS);
  }
}

static void
take_turn (BnThreadPool *self)
{
  BnThreadPool **link;

  if (swap_turn ((uintptr_t) self, self) || take_idle_turn (self))
    return;
  pthread_mutex_lock (&pool.mutex);
  if (atomic_fetch_add (&pool.n_waiting, 1) == 0)
    atomic_store (&pool.slice_end, bn_clock_now () + SLICE_NS);
  for (link = &pool.first_waiting; *link != NULL; link = &(*link)->next)
    ;
  self->next = NULL;
  *link = self;
  wait_for_turn (self);
  pool.first_waiting = self->next;
  atomic_fetch_sub (&pool.n_waiting, 1);
  atomic_store (&pool.slice_end, bn_clock_now () + SLICE_NS);
  if (pool.first_waiting != NULL)
    pthread_cond_signal (&pool.first_waiting->cond);
  pthread_mutex_unlock (&pool.mutex);
}

/* Keeps the turn for the next loop, unless others wait and it was long
 * enough. */
static void
leave_turn (BnThreadPool *self)
{
  if (atomic_load (&pool.n_waiting) == 0
      || bn_clock_now () < atomic_load (&pool.slice_end)) {
    atomic_store (&pool.turn, (uintptr_t) self);
    return;
  }
  pthread_mutex_lock (&pool.mutex);
  atomic_store (&pool.turn, 0);
  if (pool.first_waiting != NULL)
    pthread_cond_signal (&pool.first_waiting->cond);
  pthread_mutex_unlock (&pool.mutex);
}

void
bn_thread_pool_run (
    BnThreadPool *self, size_t n, size_t grain, BnLoopFunc func, void *data)
{
  size_t begin = 0;

  g_assert (grain > 0);
  if (self->n_threads == 1 || n <= grain) {
    for (; begin < n; begin += MIN (grain, n - begin))
      func (begin, begin + MIN (grain, n - begin), 0, data);
    return;
  }
  while (begin < n) {
    take_turn (self);
    begin = run_loop (self, begin, n, grain, func, data);
    leave_turn (self);
  }
}

/* ---- users ---- */

uint32_t
bn_thread_pool_default_n_threads (void)
{
  g_autoptr (GArray) cpus = bn_cpu_topology_get ();

  return CLAMP (cpus->len, 1, MAX_THREADS);
}

/* A child of fork() has none of the threads, and whatever was going on is not
 * going on there. */
static void
forget_threads (void)
{
  pthread_mutex_init (&pool.mutex, NULL);
  pthread_mutex_init (&pool.sleep_mutex, NULL);
  pthread_mutex_init (&pool.users_mutex, NULL);
  pthread_cond_init (&pool.done_cond, NULL);
  atomic_store (&pool.state, 0);
  atomic_store (&pool.turn, 0);
  atomic_store (&pool.n_waiting, 0);
  atomic_store (&pool.n_workers, 0);
  atomic_store (&pool.caller_sleeps, false);
  atomic_store (&pool.is_stopping, false);
  pool.first_waiting = NULL;
}

static void
register_fork_handler (void)
{
  pthread_atfork (NULL, NULL, forget_threads);
}

/* Binds a worker to a core of its own where the user asks for it. The first
 * core is left to the caller. */
static void
bind_worker (const struct Worker *worker)
{
  g_autoptr (GArray) cpus = NULL;
  cpu_set_t set;

  if (!bitnet_env_boolean ("BITNET_THREAD_AFFINITY", FALSE))
    return;
  cpus = bn_cpu_topology_get ();
  CPU_ZERO (&set);
  CPU_SET (g_array_index (cpus, int, worker->index % cpus->len), &set);
  pthread_setaffinity_np (worker->thread, sizeof set, &set);
}

static bool
start_worker (uint32_t index)
{
  struct Worker *worker = g_aligned_alloc0 (1, sizeof *worker, CACHE_LINE);

  worker->index = index;
  worker->seen = atomic_load (&pool.epoch);
  pthread_cond_init (&worker->cond, NULL);
  if (pthread_create (&worker->thread, NULL, worker_main, worker) != 0) {
    pthread_cond_destroy (&worker->cond);
    g_aligned_free (worker);
    return false;
  }
#ifdef __linux__
  pthread_setname_np (worker->thread, "bitnet-worker");
#endif
  bind_worker (worker);
  pool.workers[index] = worker;
  return true;
}

/* With users_mutex held. */
static void
start_workers (uint32_t n_threads)
{
  sigset_t all_signals, old_signals;
  uint32_t n = 1 + atomic_load (&pool.n_workers);

  /* Signals are for the application's own threads. */
  sigfillset (&all_signals);
  pthread_sigmask (SIG_SETMASK, &all_signals, &old_signals);
  while (n < n_threads && start_worker (n))
    n++;
  pthread_sigmask (SIG_SETMASK, &old_signals, NULL);
  atomic_store (&pool.n_workers, n - 1);
}

/* With users_mutex held, and no user. */
static void
stop_workers (void)
{
  const uint32_t end = 1 + atomic_load (&pool.n_workers);

  atomic_store (&pool.is_stopping, true);
  call_workers (end);
  for (uint32_t i = 1; i < end; i++) {
    struct Worker *worker = pool.workers[i];

    pthread_join (worker->thread, NULL);
    pthread_cond_destroy (&worker->cond);
    g_aligned_free (worker);
    pool.workers[i] = NULL;
  }
  atomic_store (&pool.n_workers, 0);
  atomic_store (&pool.is_stopping, false);
  pool.limit = MAX_THREADS;
  pool.lost_ns = pool.pause_ns = 0;
}

BnThreadPool *
bn_thread_pool_new (uint32_t n_threads)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  BnThreadPool *self = g_new0 (BnThreadPool, 1);
  pthread_condattr_t attributes;

  if (n_threads == 0)
    n_threads = bn_thread_pool_default_n_threads ();
  n_threads = MIN (n_threads, MAX_THREADS);
  pthread_once (&once, register_fork_handler);
  pthread_condattr_init (&attributes);
  pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
  pthread_cond_init (&self->cond, &attributes);
  pthread_condattr_destroy (&attributes);

  pthread_mutex_lock (&pool.users_mutex);
  pool.n_users++;
  start_workers (n_threads);
  self->n_threads = MIN (n_threads, 1 + atomic_load (&pool.n_workers));
  pthread_mutex_unlock (&pool.users_mutex);
  return self;
}

void
bn_thread_pool_free (BnThreadPool *self)
{
  uintptr_t owner = (uintptr_t) self;

  atomic_compare_exchange_strong (&pool.turn, &owner, 0);
  pthread_mutex_lock (&pool.users_mutex);
  if (--pool.n_users == 0)
    stop_workers ();
  pthread_mutex_unlock (&pool.users_mutex);
  pthread_cond_destroy (&self->cond);
  g_free (self);
}

uint32_t
bn_thread_pool_get_n_threads (const BnThreadPool *self)
{
  return self->n_threads;
}
