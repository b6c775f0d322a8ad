/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parallel loops on the compute threads of the process.
 *
 * There is one set of threads, which all users share: two engines do not
 * fight for the cores, their loops take turns. A BnThreadPool is the share of
 * one user: how many threads its loops may have. The threads end with the
 * last user.
 *
 * The caller of a loop is worker 0 and takes part. Between loops the workers
 * spin for some microseconds, because the next loop of a forward pass follows
 * at once, then they sleep. How a loop is cut decides who computes what, never
 * what is computed. */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

typedef struct BnThreadPool BnThreadPool;

/* Items [begin, end). worker < n_threads: index of this worker's scratch. */
typedef void (*BnLoopFunc) (
    size_t begin, size_t end, uint32_t worker, void *data);

/* One worker for each physical core that this process may use; of unequal
 * cores those that are fast enough (bn-cpu-topology.h). */
uint32_t bn_thread_pool_default_n_threads (void);

/* n_threads, the caller included; 0: the default. Fewer where the system
 * gives no more threads. */
BnThreadPool *bn_thread_pool_new (uint32_t n_threads);
void bn_thread_pool_free (BnThreadPool *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnThreadPool, bn_thread_pool_free)

uint32_t bn_thread_pool_get_n_threads (const BnThreadPool *self);

/* Runs func over [0, n) in pieces of grain items, each claimed by the next
 * free worker, and returns when all are done. A loop of one piece runs in the
 * caller alone. While other programs hold the cores a loop has fewer threads.
 * One caller of self at a time; func must not start a loop, nor wait for one.
 */
void bn_thread_pool_run (
    BnThreadPool *self, size_t n, size_t grain, BnLoopFunc func, void *data);
