/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the machine can do at best: how fast threads read memory and multiply
 * bytes. The ceilings that speeds are stated as shares of, for the program, for
 * bench/ceilings and for checkkern --bench. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum {
  TOOL_PROBE_READ,   /* bytes, plain sums of them */
  TOOL_PROBE_STREAM, /* bytes in the order of a matrix-vector product: tiles of
                        four rows of 640, one after the other */
  TOOL_PROBE_MULTIPLY, /* products of bytes, summed to int32 in registers:
                          vpdpbusd on 512 bits, maddubs on 256 */
} ToolProbeKind;

typedef struct ToolProbe ToolProbe;

/* For n_threads, of which the caller is one; between passes the others sleep.
 * size: bytes that a pass reads, far more than the caches hold; they are in
 * huge pages where there are any. NULL and errno if there is no memory. */
ToolProbe *tool_probe_new (unsigned n_threads, size_t size);
void tool_probe_free (ToolProbe *self);

/* Bytes or products a second, of all threads together, in n_passes; 0 where the
 * processor has no such instruction. */
double tool_probe_run (ToolProbe *self, ToolProbeKind kind, unsigned n_passes);
