/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that are read where they lie. */
#pragma once

#include <gio/gio.h>
#include <stdint.h>
#include <sys/stat.h>

/* Larger files are no tokenizers; the largest have some 40 MB. */
#define BN_FILE_MAX_SIZE ((size_t) 1 << 30)

/* A file in memory; path names it in messages. */
typedef struct {
  const char *path;
  const char *text;
  size_t size;
} BnFile;

/* The same with what holds it. Zero to begin. */
typedef struct {
  BnFile file;
  char *path;
  GBytes *bytes;
} BnOpenFile;

/* What tells a file and its content, as far as the system knows; times are in
 * nanoseconds since 1970. Whoever puts mtime back cannot put ctime back. */
typedef struct {
  uint64_t device, inode, size;
  int64_t mtime_ns, ctime_ns;
} BnFileState;

BnFileState bn_file_get_state (const struct stat *info);

/* Maps the regular file at path, which has 1 to BN_FILE_MAX_SIZE bytes. Never
 * waits, whatever path leads to. FALSE with GIOErrorEnum if it cannot be read,
 * with BITNET_ERROR_TOKENIZER if it is empty, too large or no file. */
gboolean bn_file_open (BnOpenFile *self, const char *path, GError **error);

/* The same for bytes that are in memory, which path only names. */
gboolean bn_file_open_bytes (
    BnOpenFile *self, const char *path, GBytes *bytes, GError **error);

void bn_file_close (BnOpenFile *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnOpenFile, bn_file_close)
