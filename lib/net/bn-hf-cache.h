/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cache of the official Hub client, to read and never to write. */
#pragma once

#include <gio/gio.h>

/* $HF_HOME, ~ and variables in it expanded, or its default; (transfer full). */
char *bn_hf_cache_dup_home (void);
/* $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, ...; (transfer full). */
char *bn_hf_cache_dup_folder (void);

/* The folder of the snapshot of a revision: refs first, then a commit of that
 * name. If it lacks the file, the newest other snapshot that has it;
 * *is_other says so. No other one if is_other is NULL, if revision is a commit
 * or if the client has noted that the file does not exist. NULL if there is
 * none. Links must stay inside of the
 * repository's folder. (transfer full) */
char *bn_hf_cache_find_snapshot (const char *folder, const char *repository,
    const char *revision, const char *file, gboolean *is_other);

/* Path of a file in it, links resolved and checked; NULL if it is not there. */
char *bn_hf_cache_find_file (const char *folder, const char *repository,
    const char *revision, const char *file, gboolean *is_other);

/* The folder of the snapshot of a revision, whatever is in it; NULL if there is
 * none. (transfer full) */
char *bn_hf_cache_dup_snapshot (
    const char *folder, const char *repository, const char *revision);

/* Repository and commit of a path inside of such a cache (any
 * .../models--owner--name/snapshots/commit/...), FALSE if it is none. */
gboolean bn_hf_cache_parse_path (
    const char *path, char **repository, char **commit);
