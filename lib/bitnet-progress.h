/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetProgress: how far a search or a download is. */
#pragma once

#include <glib-object.h>
#include "bitnet-version.h"

G_BEGIN_DECLS

/**
 * BitnetPhase:
 * @BITNET_PHASE_QUERYING: asking a hub what there is
 * @BITNET_PHASE_WAITING: for another download of the same, or for the time of
 *   the next attempt
 * @BITNET_PHASE_DOWNLOADING: receiving a file
 * @BITNET_PHASE_VERIFYING: comparing digests
 * @BITNET_PHASE_LOADING: making a tokenizer of files
 *
 * What is being done.
 */
typedef enum {
  BITNET_PHASE_QUERYING,
  BITNET_PHASE_WAITING,
  BITNET_PHASE_DOWNLOADING,
  BITNET_PHASE_VERIFYING,
  BITNET_PHASE_LOADING,
} BitnetPhase;

#define BITNET_TYPE_PHASE (bitnet_phase_get_type ())
BITNET_AVAILABLE_IN_ALL
GType bitnet_phase_get_type (void);

/**
 * BitnetProgress:
 * @phase: what is being done
 * @repository: (nullable): repository, `owner/name`
 * @revision: (nullable): branch, tag or commit of it
 * @file: (nullable): file of it
 * @bytes_done: bytes of @file that are here; never falls within an attempt
 * @bytes_total: bytes of @file, -1 if unknown
 * @file_index: number of the file, from 0
 * @n_files: how many files are fetched, 0 if unknown
 * @attempt: number of the attempt, from 1
 * @rate: bytes per second, averaged over about one second; 0 if unknown
 * @eta: seconds until @file is here, -1 if unknown
 * @cached: it was here already
 *
 * How far a search or a download is. Comes at most ten times a second, and
 * with the first and the last byte of each file.
 */
typedef struct {
  BitnetPhase phase;
  char *repository;
  char *revision;
  char *file;
  guint64 bytes_done;
  gint64 bytes_total;
  guint file_index;
  guint n_files;
  guint attempt;
  double rate;
  double eta;
  gboolean cached;
} BitnetProgress;

#define BITNET_TYPE_PROGRESS (bitnet_progress_get_type ())
BITNET_AVAILABLE_IN_ALL
GType bitnet_progress_get_type (void);

/**
 * bitnet_progress_copy:
 * @self: a progress
 *
 * Returns: (transfer full): a copy
 */
BITNET_AVAILABLE_IN_ALL
BitnetProgress *bitnet_progress_copy (const BitnetProgress *self);

/**
 * bitnet_progress_free:
 * @self: (transfer full) (nullable): a progress that bitnet_progress_copy()
 * made
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_progress_free (BitnetProgress *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BitnetProgress, bitnet_progress_free)

/**
 * BitnetTransferFunc:
 * @progress: how far it is; only valid during the call
 * @user_data: (closure): data of the caller
 *
 * Told of progress, in a thread of the library that it must not block.
 */
typedef void (*BitnetTransferFunc) (
    const BitnetProgress *progress, gpointer user_data);

G_END_DECLS
