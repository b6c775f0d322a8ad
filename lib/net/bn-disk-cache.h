/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has been fetched, on disk and shared by all processes of a user.
 *
 *   ROOT/v1/
 *     objects/aa/SHA256[.zst]    content, by its digest; never changed
 *     files/OWNER--NAME/COMMIT/  files too large to be copied (models), by
 *                                their names; never changed
 *     sources/KEY.json           manifest of a revision of a repository
 *     absent/KEY.json            what a hub said it has not, and when
 *     resolutions/KEY.json       what a resolution found (bn-record.h)
 *     compiled/                  tables (text/bn-store.h)
 *     tmp/NAME.part, NAME.json   unfinished downloads and what they are of
 *     locks/NAME.lock
 *     stats.json                 counters; a hint, may be lost
 *
 * Invariants: a file has its name only when it is complete and its digest was
 * compared; it is replaced by rename or removed, never written to; whoever is
 * killed at any point leaves at most files in tmp/ and locks/ that the next
 * one uses or removes. No network here. Thread-safe. */
#pragma once

#include <gio/gio.h>

typedef struct BnDiskCache BnDiskCache;

/* The folder of tokenizers (models) that the environment names; (transfer
 * full). */
char *bn_disk_cache_dup_default_folder (gboolean models);

/* folder need not exist; it is made when something is written. Fails with
 * BITNET_ERROR_PERMISSION if it belongs to another user or others may write
 * to it, CACHE_IO if it is none. */
BnDiskCache *bn_disk_cache_open (const char *folder, GError **error);
BnDiskCache *bn_disk_cache_ref (BnDiskCache *self);
void bn_disk_cache_unref (BnDiskCache *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnDiskCache, bn_disk_cache_unref)
const char *bn_disk_cache_get_folder (const BnDiskCache *self);
/* Bytes that objects/ may take on disk before the least recently used go; 0
 * for no limit. At first $BITNET_TOKENIZER_CACHE_SIZE, or 2 GiB. To be called
 * before others use self. Files in files/ go only when they are told to. */
void bn_disk_cache_set_limit (BnDiskCache *self, guint64 limit);

/* Manifests: the files of one revision of a repository that are here. */

typedef struct {
  char *name;         /* in the repository, with slashes */
  char *sha256;       /* of the content, hexadecimal */
  char *etag;         /* as the hub gave it, without quotes; may be NULL */
  guint64 size;       /* of the content */
  gboolean is_object; /* in objects/, else in files/ */
} BnCachedFile;

typedef struct {
  char *endpoint, *repository, *revision;
  char *commit; /* that revision was, 40 hexadecimal digits or opaque */
  gint64
      fetched_at; /* s since 1970: when revision was last known to be commit */
  GPtrArray *files;  /* of BnCachedFile */
  guint n_evicted;   /* objects of it that are not here any more */
  GStrv base_models; /* of the model card; may be NULL */
} BnManifest;

BnManifest *bn_manifest_new (
    const char *endpoint, const char *repository, const char *revision);
void bn_manifest_free (BnManifest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnManifest, bn_manifest_free)
const BnCachedFile *bn_manifest_find (const BnManifest *self, const char *name);
/* Replaces one of that name. */
void bn_manifest_add (BnManifest *self, const char *name, const char *sha256,
    const char *etag, guint64 size, gboolean is_object);

/* The manifest of a revision with those of its files that are here; NULL
 * without error if there is none (one that cannot be read counts as none and is
 * removed). Counts as use, and as a hit or, if no file is here, a miss. */
BnManifest *bn_disk_cache_lookup (BnDiskCache *self, const char *endpoint,
    const char *repository, const char *revision);
/* All manifests of a repository, newest first, whatever revision; of that
 * endpoint, or of any if it is NULL; may be empty. (transfer full), of
 * BnManifest. */
GPtrArray *bn_disk_cache_lookup_all (
    BnDiskCache *self, const char *endpoint, const char *repository);
/* Whether a file is in files/ of a commit, whoever has put it there, and its
 * digest and size as they were noted then. sha256: that it must have, or NULL;
 * with one, a file that nobody has noted is digested. FALSE without error if it
 * is not there. */
gboolean bn_disk_cache_find_file (BnDiskCache *self, const char *repository,
    const char *commit, const char *name, const char *sha256,
    char **found_sha256, guint64 *found_size, GCancellable *cancellable,
    GError **error);
/* Writes the manifest; files that an older one of the same commit has and
 * this one has not are kept. */
gboolean bn_disk_cache_save (
    BnDiskCache *self, const BnManifest *manifest, GError **error);

/* Content of a file in objects/, unpacked, size and digest compared (digest
 * once for each process and object). BITNET_ERROR_DIGEST if it is broken: then
 * it has been put aside and is a miss from now on. NOT_FOUND if it was evicted
 * meanwhile. */
GBytes *bn_disk_cache_read (BnDiskCache *self, const BnCachedFile *file,
    GCancellable *cancellable, GError **error);
/* Whether the content of that digest is here; for files/ use the path. */
gboolean bn_disk_cache_has_object (BnDiskCache *self, const char *sha256);
/* Path of a file in files/ of a commit; exists only if it is complete. NULL
 * if one of the names is not safe. */
char *bn_disk_cache_dup_file_path (BnDiskCache *self, const char *repository,
    const char *commit, const char *name);

/* Repository and commit of a path inside of files/ of such a cache, FALSE if it
 * is none. */
gboolean bn_disk_cache_parse_path (
    const char *path, char **repository, char **commit);

/* What a hub has not. file NULL: the repository itself. code: a BitnetError;
 * lasts 24 h for ENTRY_NOT_FOUND, 1 h for REPO_NOT_FOUND and
 * REVISION_NOT_FOUND, 10 min for GATED; others are not kept. */
void bn_disk_cache_set_absent (BnDiskCache *self, const char *endpoint,
    const char *repository, const char *revision, const char *file, int code);
/* The code, or -1. */
int bn_disk_cache_get_absent (BnDiskCache *self, const char *endpoint,
    const char *repository, const char *revision, const char *file);

/* Locks between processes and threads, by name ([0-9A-Za-z._-]). Waiting ends
 * with the cancellable. on_wait is called once if it has to wait. */
typedef struct BnLock BnLock;
BnLock *bn_disk_cache_lock (BnDiskCache *self, const char *name,
    void (*on_wait) (gpointer user_data), gpointer user_data,
    GCancellable *cancellable, GError **error);
void bn_lock_release (BnLock *lock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnLock, bn_lock_release)

/* A download on its way into the cache. Whoever has it holds the lock of its
 * name. */
typedef struct BnPart BnPart;

/* name: a digest or an etag, made safe by the callee. validator: what must be
 * equal for what is there to be continued (etag and size); otherwise it begins
 * at 0. Checks free space for expected_size (0: unknown) with NO_SPACE. */
BnPart *bn_disk_cache_begin (BnDiskCache *self, const char *name,
    const char *validator, guint64 expected_size,
    void (*on_wait) (gpointer user_data), gpointer user_data,
    GCancellable *cancellable, GError **error);
/* Bytes that are there, hashed already. */
guint64 bn_part_get_size (const BnPart *self);
/* Back to nothing. */
gboolean bn_part_restart (BnPart *self, GError **error);
gboolean bn_part_write (
    BnPart *self, const void *data, gsize size, GError **error);
/* Digests of what is there: SHA-256, and SHA-1 as git has it of a blob of that
 * size (which must be known: expected_size, or call after the last byte).
 * Hexadecimal, owned by self. */
const char *bn_part_get_sha256 (BnPart *self);
const char *bn_part_get_git_sha1 (BnPart *self);
/* Makes it an object (packed if that pays), or a file of a repository, and
 * gives up the lock; evicts what was not used for long if there is too much.
 * The first bytes of the content are checked by nobody here. Frees self. */
gboolean bn_part_commit_object (BnPart *self, GError **error);
gboolean bn_part_commit_file (BnPart *self, const char *repository,
    const char *commit, const char *name, GError **error);
/* Gives up the lock; what is there stays if keep. Frees self. */
void bn_part_close (BnPart *self, gboolean keep);

/* Small records of others: resolutions/NAME.json and the like. NULL without
 * error if there is none. Atomic. */
GBytes *bn_disk_cache_read_record (
    BnDiskCache *self, const char *folder, const char *name);
gboolean bn_disk_cache_write_record (BnDiskCache *self, const char *folder,
    const char *name, const void *data, gsize size, GError **error);
void bn_disk_cache_remove_record (
    BnDiskCache *self, const char *folder, const char *name);

/* Counters, kept in stats.json with little delay. */
typedef enum {
  BN_CACHE_HITS,
  BN_CACHE_MISSES,
  BN_CACHE_STORES,
  BN_CACHE_EVICTIONS,
  BN_CACHE_CORRUPTIONS,
  BN_CACHE_N_COUNTERS,
} BnCacheCounter;
void bn_disk_cache_count (BnDiskCache *self, BnCacheCounter counter);

/* For BitnetCache; results as its documentation says. */
GVariant *bn_disk_cache_list (
    BnDiskCache *self, GCancellable *cancellable, GError **error);
GVariant *bn_disk_cache_dup_stats (
    BnDiskCache *self, GCancellable *cancellable, GError **error);
GVariant *bn_disk_cache_verify (BnDiskCache *self, gboolean repair,
    GCancellable *cancellable, GError **error);
GVariant *bn_disk_cache_prune (BnDiskCache *self, guint64 max_size,
    guint64 max_age, GCancellable *cancellable, GError **error);
GVariant *bn_disk_cache_clear (BnDiskCache *self, const char *repository,
    GCancellable *cancellable, GError **error);
