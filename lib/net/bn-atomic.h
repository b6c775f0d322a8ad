/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files and folders below a folder of ours, through descriptors.
 *
 * Every step of a path is opened relative to the one before and symbolic links
 * are never followed, so what a name says is where a file is. A file is of
 * this user and regular, or it is not there. It gets its name by rename when
 * it is complete. Functions that return FALSE, NULL or -1 without a GError
 * leave the reason in errno. */
#pragma once

#include <glib.h>
#include <sys/stat.h>

/* A descriptor that is closed at the end of its scope; -1 is none. */
typedef int BnFd;
void bn_fd_close (BnFd fd);
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (BnFd, bn_fd_close, -1)

/* What a number in errno is in BITNET_ERROR: NO_SPACE, which also names size
 * if that is not 0, PERMISSION or CACHE_IO. */
void bn_io_set_error (
    GError **error, int number, const char *path, guint64 size);

/* One step of a path: [0-9A-Za-z._-]{1,128}, not beginning with a dot. */
gboolean bn_path_is_name (const char *name);
/* name if it is one, else its SHA-256. (transfer full) */
char *bn_path_dup_name (const char *name);
/* A path of one or more steps that stays below where it begins, of any
 * printable characters (hub-and-cache.md section 8). */
gboolean bn_path_is_relative (const char *path);
/* "owner--name" of "owner/name", NULL if that is no safe repository. */
char *bn_path_dup_repository (const char *repository);
/* 64 hexadecimal digits in lower case. */
gboolean bn_path_is_sha256 (const char *text);

/* The folder at path below parent, made with mode 0700 if create. */
int bn_at_open_folder (int parent, const char *path, gboolean create);
/* Names in it; (transfer full). */
GPtrArray *bn_fd_list (int folder);

/* For reading. ENOENT also if it is no file of this user. */
int bn_at_open (int folder, const char *name, struct stat *info);
/* The content, NULL if it is not there or larger than max_size. */
GBytes *bn_at_read (int folder, const char *name, gsize max_size);
/* A new file for this user alone, with a random name that it stores. */
enum { BN_TEMPORARY_SIZE = 24 };
#define BN_TEMPORARY_PREFIX ".tmp-"
int bn_at_create_temporary (int folder, char name[BN_TEMPORARY_SIZE]);
/* Writes at offset; EFBIG instead of a signal beyond RLIMIT_FSIZE. */
gboolean bn_fd_write (int file, const void *data, gsize size, guint64 offset);
/* Gives name this content at once; on the disk for certain if is_durable. */
gboolean bn_at_replace (int folder, const char *name, const void *data,
    gsize size, gboolean is_durable);
