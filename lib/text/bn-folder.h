/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the files of one tokenizer are: a folder on disk, or a set of files
 * somewhere else that have names. */
#pragma once

#include "bn-file.h"

typedef struct BnFolder BnFolder;

struct BnFolder {
  const char *name; /* for messages: "/models/x" or "owner/name@commit" */
  /* Opens a file of it. FALSE with G_IO_ERROR_NOT_FOUND if there is none of
   * that name, another error if it cannot be read. */
  gboolean (*open) (
      const BnFolder *self, const char *name, BnOpenFile *file, GError **error);
};

/* A folder on disk; path stays with the caller. */
typedef struct {
  BnFolder base;
  const char *path;
} BnDiskFolder;

void bn_disk_folder_init (BnDiskFolder *self, const char *path);
