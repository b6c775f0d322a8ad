/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Read-only mapping of a whole regular file, and what identifies the file.
 *
 * The mapping stays valid while a reference to the bytes lives, whatever
 * happens to the name. If another program shortens the file in place,
 * touching the lost pages raises SIGBUS; replacing a file by rename is safe. */
#pragma once

#include <gio/gio.h>
#include <stdint.h>

/* Two files with equal identities have the same contents, as far as the file
 * system tells. */
typedef struct {
  uint64_t device;
  uint64_t inode;
  uint64_t size;
  int64_t mtime_ns; /* of the last change of the contents, since 1970 */
} BnFileId;

gboolean bn_file_id_equal (const BnFileId *a, const BnFileId *b);

/* FALSE if there is no such regular file. */
gboolean bn_file_id_read (BnFileId *id, const char *path);

/* Maps path. Never waits for a writer or a device: only regular files are
 * accepted. An empty file gives empty bytes. Errors: BITNET_ERROR_NOT_FOUND,
 * BITNET_ERROR_READ. */
GBytes *bn_mapping_open (const char *path, BnFileId *id, GError **error);

/* The system may take back the memory of these bytes of a mapping; reading
 * them again reads the file again. */
void bn_mapping_drop_pages (const void *data, size_t size);
