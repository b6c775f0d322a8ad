/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the processes of test-cache-processes do. */
#pragma once

#include "bn-disk-cache.h"

enum { WORKER_N_CONTENTS = 12 };

/* Content by its number. */
GBytes *worker_make_content (guint seed);
/* Stores it, or continues to; a byte on stdout for each step. */
gboolean worker_download (BnDiskCache *cache, guint seed, GError **error);
/* argv: folder, what to do, and an argument of that. */
int worker_run (int argc, char **argv);
