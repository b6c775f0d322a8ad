/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether there is memory for a model, asked before it is loaded: a program
 * that takes more than there is gets no error from the system, it is killed.
 */
#pragma once

#include <gio/gio.h>
#include <stdint.h>

/* Bytes. */
typedef struct {
  uint64_t weights;  /* that will be packed */
  uint64_t mapped;   /* weights that are used in the file */
  uint64_t scratch;  /* for computing */
  uint64_t cache;    /* the least with which anything can be computed */
  uint64_t reserved; /* address space that is reserved beside the weights */
} BnMemoryNeed;

/* What this process may still take: the least of what the machine has (memory
 * that the system can clear of files included) and what is left of the limits
 * of its control groups. *limit: what it is that sets it, for a message.
 * UINT64_MAX if nothing is known. root: as in bn-system.h. */
uint64_t bn_memory_get_available (const char *root, const char **limit);

/* BITNET_ERROR_OUT_OF_MEMORY with what is needed, available and can be done.
 * The variable BITNET_MEMORY_LIMIT (MiB) stands for what is available; 0: no
 * question is asked. path: of the model. */
gboolean bn_memory_check (const char *root, const char *path,
    const BnMemoryNeed *need, GError **error);
