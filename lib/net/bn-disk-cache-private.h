/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the bn-disk-cache-*.c files share with each other and their tests. */
#pragma once

#include "bn-disk-cache.h"
#include "bn-atomic.h"
#include "bn-lock.h"

#define BN_CACHE_VERSION "v1"
#define BN_CACHE_OBJECTS "objects"
#define BN_CACHE_FILES "files"
#define BN_CACHE_SOURCES "sources"
#define BN_CACHE_ABSENT "absent"
#define BN_CACHE_RESOLUTIONS "resolutions"
#define BN_CACHE_COMPILED "compiled"
#define BN_CACHE_TMP "tmp"
#define BN_CACHE_LOCKS "locks"
#define BN_CACHE_STATS "stats.json"

#define BN_PACKED_SUFFIX ".zst"
#define BN_BROKEN_SUFFIX ".bad"
#define BN_RECORD_SUFFIX ".json"
#define BN_PART_SUFFIX ".part"
#define BN_PART_LOCK_PREFIX "part-"
#define BN_EVICTION_LOCK "evict"

enum {
  BN_CACHE_FORMAT = 1, /* "version" in every file of JSON */
  BN_CHUNK_SIZE = 1 << 20,
  BN_MAX_OBJECT_SIZE = 1 << 30, /* in memory */
  BN_MAX_RECORD_SIZE = 4 << 20,
  BN_TOUCH_INTERVAL = 60 * 60,        /* s between two notes of a use */
  BN_SPARE_INTERVAL = 10 * 60,        /* s without use before it may go */
  BN_MAX_LEFTOVER_AGE = 24 * 60 * 60, /* s */
};

struct BnDiskCache {
  gatomicrefcount ref_count;
  char *folder;
  /* Set before others see it. */
  guint64 limit;
  gboolean has_unique_parts; /* as if locks were not reliable */

  GMutex lock;                           /* guards what follows */
  guint64 counters[BN_CACHE_N_COUNTERS]; /* not yet in stats.json */
  gint64 flushed_us;
  gboolean has_tidied;
};

/* ROOT/v1, or a folder below it if path is not NULL; -1 with *error. Without
 * create, one that does not exist is BITNET_ERROR_NOT_FOUND. */
int bn_disk_cache_open_folder (
    BnDiskCache *self, const char *path, gboolean create, GError **error);
/* ROOT/v1/path, for messages. */
char *bn_disk_cache_dup_path (BnDiskCache *self, const char *path);
/* A lock in ROOT/v1/locks; as bn_lock_acquire(). */
BnLock *bn_disk_cache_lock_for (BnDiskCache *self, const char *name,
    int timeout_ms, void (*on_wait) (gpointer user_data), gpointer user_data,
    GCancellable *cancellable, GError **error);

/* Seconds since 1970 of the last use that was noted. It is kept as the access
 * time, so that the modification time stays that of the content. Times that are
 * still to come are of a clock that was wrong and say nothing; 0 if both are.
 */
gint64 bn_stat_get_used (const struct stat *info);
/* Notes a use now if the last one is not recent. */
void bn_at_touch (int folder, const char *name, const struct stat *info);

/* Counters into stats.json, waiting for its lock that long at most. */
void bn_disk_cache_flush_counters (BnDiskCache *self, int timeout_ms);
/* Those of the file and of this process. */
void bn_disk_cache_get_counters (
    BnDiskCache *self, guint64 counters[BN_CACHE_N_COUNTERS]);

/* "aa/SHA256" and "aa/SHA256.zst" below objects/. */
char *bn_object_dup_path (const char *sha256, gboolean is_packed);
/* Moves a packed or plain object into objects/ in place of what is there.
 * name: in folder, and complete. errno. */
gboolean bn_object_place (int root, int folder, const char *name,
    const char *sha256, gboolean is_packed);
/* Packs size bytes of file into a new temporary file of folder: 1 if that
 * pays, 0 if it does not, -1 with errno. */
int bn_object_pack (
    int folder, char name[BN_TEMPORARY_SIZE], int file, guint64 size);
/* The size of the content of a packed file, FALSE if it does not say. */
gboolean bn_object_get_packed_size (int file, guint64 *size);
/* Compares the object at path below objects/ with its name. NOT_FOUND if it
 * is gone, DIGEST if it is broken. */
gboolean bn_object_verify (BnDiskCache *self, int root, const char *path,
    GCancellable *cancellable, GError **error);
/* Puts the file aside unless it is another one by now. */
void bn_object_put_aside (
    int objects, const char *path, const struct stat *info);

/* SHA-256 of a file from its beginning, of size bytes; NULL with CACHE_IO. */
char *bn_fd_dup_sha256 (int file, guint64 size, const char *path,
    GCancellable *cancellable, GError **error);
/* Adds size bytes of file to checksum. */
gboolean bn_fd_add_to_checksum (int file, guint64 size, const char *path,
    GChecksum *checksum, GCancellable *cancellable, GError **error);

/* Name of the manifest of a revision, without suffix; (transfer full). */
char *bn_manifest_dup_key (
    const char *endpoint, const char *repository, const char *revision);
/* endpoint without slashes at its end; (transfer full). */
char *bn_manifest_dup_endpoint (const char *endpoint);
BnManifest *bn_manifest_parse (
    const char *data, gsize size, const char *name, GError **error);
/* "owner--name/COMMIT/name" below files/, NULL if a part is not safe. */
char *bn_manifest_dup_file_path (
    const char *repository, const char *commit, const char *name);

/* One manifest of all. */
typedef struct {
  char *name; /* of the file in sources/ */
  BnManifest *manifest;
  gint64 used_at;
} BnManifestEntry;
void bn_manifest_entry_free (BnManifestEntry *self);
/* Of BnManifestEntry; those that cannot be read go into broken (of names), if
 * it is not NULL. (transfer full) */
GPtrArray *bn_manifest_list (int root, GPtrArray *broken);

/* One file in objects/ or files/. */
typedef enum {
  BN_STORED_OBJECT,
  BN_STORED_FILE,
  BN_STORED_BROKEN
} BnStoredKind;
typedef struct {
  BnStoredKind kind;
  char *path;   /* below v1/ */
  char *sha256; /* of an object */
  gboolean is_packed;
  guint64 disk_size, size;
  gint64 used_at;
} BnStored;
void bn_stored_free (BnStored *self);
/* All of them. (transfer full) */
GPtrArray *bn_stored_list (int root, GCancellable *cancellable, GError **error);
/* The least recently used first. */
void bn_stored_sort (GPtrArray *stored);
/* Removes it if it was last used then or before. */
gboolean bn_stored_remove (int root, const BnStored *self, gint64 used_before);
/* Evicts objects if they are too much, unless somebody else does. */
void bn_disk_cache_evict (BnDiskCache *self, int root);
/* Removes unfinished downloads, temporaries and locks that nobody has touched
 * for max_age seconds; adds to the numbers. */
void bn_disk_cache_tidy (BnDiskCache *self, int root, gint64 max_age,
    guint64 *n_removed, guint64 *freed);
