/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fixed set of workers that run one parallel loop at a time.
 *
 * The caller is worker 0 and takes part. Between loops the workers spin for
 * some microseconds, because the next loop of a forward pass follows at once,
 * then they sleep. How a loop is cut decides who computes what, never what is
 * computed. */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

typedef struct BnThreadPool BnThreadPool;

/* Items [begin, end). worker < n_threads: index of this worker's scratch. */
typedef void (*BnLoopFunc) (
    size_t begin, size_t end, uint32_t worker, void *data);

/* One worker for each physical core that this process may use. */
uint32_t bn_thread_pool_default_n_threads (void);

/* n_threads, the caller included; 0: the default. Fewer where the system
 * gives no more threads. */
BnThreadPool *bn_thread_pool_new (uint32_t n_threads);
void bn_thread_pool_free (BnThreadPool *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnThreadPool, bn_thread_pool_free)

uint32_t bn_thread_pool_get_n_threads (const BnThreadPool *self);

/* Runs func over [0, n) in pieces of grain items, each claimed by the next
 * free worker, and returns when all are done. A loop of one piece runs in the
 * caller alone. One caller at a time; func must not start a loop. */
void bn_thread_pool_run (
    BnThreadPool *self, size_t n, size_t grain, BnLoopFunc func, void *data);
