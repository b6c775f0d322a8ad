/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the files of one tokenizer are: a folder on disk, or a set of files
 * somewhere else that have names. */
#pragma once

#include "bn-file.h"

#include <stdint.h>

typedef struct BnFolder BnFolder;

/* What a file and its content are known by without reading it. */
typedef struct {
  uint8_t bytes[64];
  size_t n_bytes;
  guint64 size;        /* of the file */
  int64_t changed_ns;  /* when it was changed last, since 1970; or 0 */
  gboolean is_content; /* bytes are a digest of the content, wherever it is */
} BnFileIdentity;

/* Of a file on disk. FALSE if it is not there or no file. */
gboolean bn_file_identity_init (BnFileIdentity *identity, const char *path);

struct BnFolder {
  const char *name; /* for messages: "/models/x" or "owner/name@commit" */
  /* Opens a file of it. FALSE with G_IO_ERROR_NOT_FOUND if there is none of
   * that name, another error if it cannot be read. */
  gboolean (*open) (
      const BnFolder *self, const char *name, BnOpenFile *file, GError **error);
  /* May be NULL. FALSE if that file cannot be identified. */
  gboolean (*identify) (
      const BnFolder *self, const char *name, BnFileIdentity *identity);
};

/* A folder on disk; path stays with the caller. */
typedef struct {
  BnFolder base;
  const char *path;
} BnDiskFolder;

void bn_disk_folder_init (BnDiskFolder *self, const char *path);
