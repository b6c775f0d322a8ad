/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the families of kernel checks share: the list of entries, memory with
 * guard pages, random fills, comparison and timing. */
#pragma once

#include <glib.h>
#include "kernels/bn-kernels.h"

/* k is the table under test (of any level, C included), c the C one. */
typedef void (*CheckFunc) (
    const BnKernels *k, const BnKernels *c, gconstpointer data);

/* Announces the slots of BnKernels in [slot, slot + size) as checked by check.
 * bench prints a line for k with bench_report(). */
void check_add (const char *name, gsize slot, gsize size, CheckFunc check,
    CheckFunc bench, gconstpointer data);

#define CHECK_ADD(field, check, bench)                                         \
  check_add (#field, G_STRUCT_OFFSET (BnKernels, field),                       \
      sizeof ((BnKernels *) NULL)->field, check, bench, NULL)

/* One function for each family file. */
void check_add_matmul (void);
void check_add_quantize (void);
void check_add_vector (void);
void check_add_attend (void);
void check_add_text (void);

/* Memory of exactly size bytes between two pages that cannot be touched. It
 * ends at the second one (so its address is as crooked as its size, which is
 * why sizes of aligned things are multiples of their alignment), or begins at
 * the first. All of it is given back by guard_free_all(). */
typedef enum { GUARD_END, GUARD_BEGIN, N_GUARDS } Guard;
gpointer guard_alloc (gsize size, Guard guard);
void guard_free_all (void);

/* Numbers that are the same in every run. */
guint32 check_random (void);
float check_random_float (float magnitude); /* -magnitude..magnitude */

typedef enum {
  FILL_RANDOM,
  FILL_ZERO,
  FILL_MAX, /* all the largest value */
  FILL_MIN,
  FILL_WIDE, /* magnitudes from 1e-6 to 1e6 */
  N_FILLS,
} Fill;
void check_fill (float *x, gsize n, Fill fill);

/* Distance in units of the last place; 0 for two NaN, huge for one. */
guint64 check_ulp (float a, float b);

/* Fails, naming the kernel, unless |found - expected| <= bound, or
 * both are NaN. */
void check_near (
    const char *what, gsize index, float found, double expected, double bound);

/* Processor time of this thread in nanoseconds. */
gint64 check_time_ns (void);

/* Fewer sizes and runs. */
extern gboolean bench_is_quick;

/* Nanoseconds for one call: the least of several measurements. The clock is
 * read after twice as many calls each time, as it takes longer than a short
 * kernel. */
#define BENCH_NS(statement)                                                    \
  ({                                                                           \
    double best_ns = 1e30;                                                     \
    for (int run = 0; run < (bench_is_quick ? 2 : 10); run++) {                \
      gint64 begin_ns = check_time_ns (), spent_ns;                            \
      guint n_calls = 0;                                                       \
      do {                                                                     \
        for (guint n_more = MAX (1, n_calls); n_more > 0; n_more--) {          \
          statement;                                                           \
          n_calls++;                                                           \
        }                                                                      \
        spent_ns = check_time_ns () - begin_ns;                                \
      } while (spent_ns < 10000000);                                           \
      best_ns = MIN (best_ns, (double) spent_ns / n_calls);                    \
    }                                                                          \
    best_ns;                                                                   \
  })

/* One line: name, what, level, ns, GB/s with their part of what one thread
 * reads from memory, and GMAC/s (0: left out). */
void bench_report (const char *name, const char *what, const BnKernels *k,
    double ns, double bytes, double macs);
