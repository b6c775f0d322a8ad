/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast memory is read: the loops that bench/ceilings and checkkern --bench
 * time. A buffer has to be far larger than the caches. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Filled, in huge pages where there are any; NULL and errno if there is no
 * memory. */
uint8_t *probe_alloc (size_t size);
void probe_free (uint8_t *bytes, size_t size);

/* Reads bytes that are aligned as a cache line; what comes back has to be used,
 * or nothing is read. */
typedef uint64_t (*ProbeFunc) (const uint8_t *bytes, size_t size);

/* Plain sums. */
uint64_t probe_read (const uint8_t *bytes, size_t size);
/* The pattern of a matrix-vector product: tiles of four rows of 640 bytes, one
 * after the other. */
uint64_t probe_stream (const uint8_t *bytes, size_t size);
