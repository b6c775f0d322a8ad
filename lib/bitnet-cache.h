/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetCache: what has been fetched, to look at and to tidy up. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"

G_BEGIN_DECLS

/**
 * BitnetCache:
 *
 * A folder of fetched files. Other programs may use it at the same time. All
 * functions block, for as long as the disk takes.
 */
#define BITNET_TYPE_CACHE (bitnet_cache_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetCache, bitnet_cache, BITNET, CACHE, GObject)

/**
 * bitnet_cache_new_tokenizers:
 * @folder: (nullable) (type filename): the folder; %NULL for that of the
 *   environment (see #BitnetResolver:cache-dir)
 *
 * Returns: (transfer full): the cache of tokenizers; the folder need not exist
 */
BITNET_AVAILABLE_IN_ALL
BitnetCache *bitnet_cache_new_tokenizers (const char *folder);

/**
 * bitnet_cache_new_models:
 * @folder: (nullable) (type filename): the folder; %NULL for that of the
 *   environment (see #BitnetHub:cache-dir)
 *
 * Returns: (transfer full): the cache of models; the folder need not exist
 */
BITNET_AVAILABLE_IN_ALL
BitnetCache *bitnet_cache_new_models (const char *folder);

/**
 * bitnet_cache_get_folder:
 * @self: a cache
 *
 * Returns: (transfer none) (type filename): its folder
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_cache_get_folder (BitnetCache *self);

/**
 * bitnet_cache_list:
 * @self: a cache
 * @cancellable: (nullable): stops it
 * @error: return location for an error
 *
 * Returns: (transfer full): what is there, `aa{sv}`, one dictionary for each
 *   revision of a repository, the one used last first: `endpoint`,
 *   `repository`, `revision`, `commit` (s), `fetched-at`, `used-at` (x,
 *   seconds since 1970), `size` (t, bytes), `disk-size` (t, on disk), `files`
 *   (`aa{sv}` of `name`, `sha256` (s), `size` (t), `complete` (b)); or %NULL
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_cache_list (
    BitnetCache *self, GCancellable *cancellable, GError **error);

/**
 * bitnet_cache_dup_stats:
 * @self: a cache
 * @cancellable: (nullable): stops it
 * @error: return location for an error
 *
 * Returns: (transfer full): a dictionary `a{sv}`: `folder` (s),
 *   `repositories`, `objects`, `size` (bytes of content), `disk-size` (bytes on
 *   disk), `limit` (bytes, 0 is none), `partial` (unfinished downloads),
 *   `partial-size`, `resolutions`, `compiled`, `compiled-size`, `hits`,
 *   `misses`, `stores`, `evictions`, `corruptions` (all t), `hit-rate`,
 *   `compression` (d, disk-size to size of the compressed objects); or %NULL
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_cache_dup_stats (
    BitnetCache *self, GCancellable *cancellable, GError **error);

/**
 * bitnet_cache_verify:
 * @self: a cache
 * @repair: whether to remove what is broken
 * @cancellable: (nullable): stops it
 * @error: return location for an error
 *
 * Compares every file with its digest.
 *
 * Returns: (transfer full): `a{sv}`: `checked` (t), `broken` (as, one line
 *   each), `removed` (t); or %NULL
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_cache_verify (BitnetCache *self, gboolean repair,
    GCancellable *cancellable, GError **error);

/**
 * bitnet_cache_prune:
 * @self: a cache
 * @max_size: bytes to keep at most; the least recently used go first
 * @max_age: seconds without use after which something goes, or 0 for no limit
 * @cancellable: (nullable): stops it
 * @error: return location for an error
 *
 * Removes what is not needed: files that no repository has any more, left
 * over downloads, and the least recently used until the rest fits.
 *
 * Returns: (transfer full): `a{sv}`: `removed` (t, files), `freed` (t, bytes
 *   on disk); or %NULL
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_cache_prune (BitnetCache *self, guint64 max_size,
    guint64 max_age, GCancellable *cancellable, GError **error);

/**
 * bitnet_cache_clear:
 * @self: a cache
 * @repository: (nullable): only this one, `owner/name`; %NULL for everything
 * @cancellable: (nullable): stops it
 * @error: return location for an error
 *
 * Returns: (transfer full): as bitnet_cache_prune()
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_cache_clear (BitnetCache *self, const char *repository,
    GCancellable *cancellable, GError **error);

G_END_DECLS
