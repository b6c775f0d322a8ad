/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One file of a hub into a part of the cache. */
#pragma once

#include "bn-disk-cache.h"
#include "bn-hub-call.h"

typedef struct {
  const char *url;
  const char *file;     /* its name, for progress and messages */
  const char *sha256;   /* that it must have; NULL: as the hub says */
  const char *git_sha1; /* the same, as git has it */
  gint64 size;          /* that it must have, -1: as the hub says */
  guint64 max_size;     /* 0: no limit */
} BnTransferSpec;

/* Continues what part has, until it is complete and its digest right. On
 * failure part holds what can be continued, or nothing. */
gboolean bn_transfer_run (
    BnHubCall *call, const BnTransferSpec *spec, BnPart *part, GError **error);

/* A Content-Range header: "bytes 5-9/10" gives 5, 9, 10; "bytes * /10" (no
 * blank) gives -1, -1, 10; an unknown total is -1. FALSE if it is none. */
gboolean bn_content_range_parse (
    const char *text, gint64 *first, gint64 *last, gint64 *total);
