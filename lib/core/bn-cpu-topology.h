/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which processors are worth a compute thread. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* Numbers of processors, best first: of those in allowed (n_allowed numbers,
 * ascending) one for each physical core, and of unequal cores only those that
 * are at least half as fast as the fastest; no more than the control group
 * gives time for. At least one. root: in front of /sys and /proc, "" but in
 * tests. */
GArray *bn_cpu_topology_choose (
    const char *root, const int *allowed, uint32_t n_allowed);

/* The same for this process. */
GArray *bn_cpu_topology_get (void);
