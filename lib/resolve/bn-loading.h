/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokenizers of a folder, wherever its files are: each file that may be one is
 * read, checked against the model, and the first that fits is what was found.
 * What is there and does not fit is noted as rejected. */
#pragma once

#include "bn-attempt.h"
#include "net/bn-disk-cache.h"
#include "text/bn-folder.h"

/* Files of a cached revision, which are checked when they are read. */
typedef struct {
  BnFolder base;
  BnDiskCache *cache;
  const BnManifest *manifest;
  char *name;
} BnCacheFolder;

void bn_cache_folder_init (
    BnCacheFolder *self, BnDiskCache *cache, const BnManifest *manifest);
void bn_cache_folder_clear (BnCacheFolder *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnCacheFolder, bn_cache_folder_clear)

/* One file. FALSE with error if there is none of that name, which is no
 * rejection, if it does not fit or for cancellation. offer
 * says where it comes from, but for source, path and file. */
gboolean bn_load_file (BitnetAttempt *attempt, const BnFolder *folder,
    const char *name, const BnOffer *offer, GCancellable *cancellable,
    GError **error);

/* The first of a folder that fits. FALSE without error: nothing is there that
 * could be one. If nothing but sizes could be
 * compared, the others are read as well: several that fit and differ are a
 * warning, in strict mode BITNET_ERROR_AMBIGUOUS. */
gboolean bn_load_folder (BitnetAttempt *attempt, const BnFolder *folder,
    const BnOffer *offer, GCancellable *cancellable, GError **error);
