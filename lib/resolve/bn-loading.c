/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads what lies in folders. */
#include "bn-loading.h"

#include <string.h>
#include "bitnet-error.h"
#include "bitnet-tokenizer-private.h"
#include "text/bn-source.h"

/* Files of a cached revision. */

/* Repositories of LLaMA's makers have the vocabulary one folder below. */
static const BnCachedFile *
find_cached (const BnManifest *manifest, const char *name)
{
  const BnCachedFile *file = bn_manifest_find (manifest, name);
  g_autofree char *below = file ? NULL : g_strconcat ("original/", name, NULL);

  return file ? file : bn_manifest_find (manifest, below);
}

static gboolean
open_cached (
    const BnFolder *folder, const char *name, BnOpenFile *open, GError **error)
{
  const BnCacheFolder *self = (const BnCacheFolder *) folder;
  const BnCachedFile *file = find_cached (self->manifest, name);
  g_autofree char *path = g_strdup_printf ("%s/%s", folder->name, name);
  g_autoptr (GBytes) bytes = NULL;

  if (file == NULL || !file->is_object) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
        "%s: is not among the files that were fetched", path);
    return FALSE;
  }
  bytes = bn_disk_cache_read (self->cache, file, NULL, error);
  return bytes && bn_file_open_bytes (open, path, bytes, error);
}

/* What is cached is what its digest says, so it need not be opened. */
static gboolean
identify_cached (
    const BnFolder *folder, const char *name, BnFileIdentity *identity)
{
  const BnCacheFolder *self = (const BnCacheFolder *) folder;
  const BnCachedFile *file = find_cached (self->manifest, name);
  size_t length = file && file->is_object ? strlen (file->sha256) : 0;

  if (length == 0 || length > sizeof identity->bytes)
    return FALSE;
  *identity = (BnFileIdentity){
      .n_bytes = length, .size = file->size, .is_content = TRUE};
  memcpy (identity->bytes, file->sha256, length);
  return TRUE;
}

void
bn_cache_folder_init (
    BnCacheFolder *self, BnDiskCache *cache, const BnManifest *manifest)
{
  self->name = g_strdup (manifest->repository);
  self->base = (BnFolder){
      .name = self->name, .open = open_cached, .identify = identify_cached};
  self->cache = bn_disk_cache_ref (cache);
  self->manifest = manifest;
}

void
bn_cache_folder_clear (BnCacheFolder *self)
{
  g_clear_pointer (&self->cache, bn_disk_cache_unref);
  g_clear_pointer (&self->name, g_free);
}

/* Reading. */

static gboolean
is_absent (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static gboolean
is_cancelled (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static char *
make_source (const BnFolder *folder, const char *name)
{
  return g_strdup_printf ("%s/%s", folder->name, name);
}

gboolean
bn_load_file (BitnetAttempt *attempt, const BnFolder *folder, const char *name,
    const BnOffer *offer, GCancellable *cancellable, GError **error)
{
  g_autofree char *source = make_source (folder, name);
  g_autoptr (GError) local = NULL;
  BnOffer this_offer = *offer;
  BitnetTokenizer *tokenizer;

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  tokenizer = bitnet_tokenizer_new_from_folder (
      folder, name, attempt->fidelity, cancellable, &local);
  if (tokenizer == NULL) {
    if (!is_absent (local) && !is_cancelled (local))
      bn_attempt_reject (attempt, source, g_error_copy (local));
    g_propagate_error (error, g_steal_pointer (&local));
    return FALSE;
  }
  this_offer.source = source;
  this_offer.file = name;
  if (offer->kind == BN_KIND_FILE)
    this_offer.path = source;
  return bn_attempt_offer (attempt, tokenizer, &this_offer, error);
}

/* Whether another file of the folder holds another tokenizer that fits, too:
 * then sizes were no proof. */
static gboolean
check_others (BitnetAttempt *attempt, const BnFolder *folder, gsize from,
    const BnOffer *offer, GCancellable *cancellable, GError **error)
{
  const char *const *names = bn_source_list_names ();
  BnFound first = attempt->found;

  attempt->found = (BnFound){.tokenizer = NULL};
  for (gsize i = from; names[i] != NULL; i++) {
    gboolean is_other =
        bn_load_file (attempt, folder, names[i], offer, cancellable, NULL)
        && !bn_tokenizers_agree (first.tokenizer, attempt->found.tokenizer);

    if (!is_other)
      continue;
    bn_found_clear (&attempt->found);
    if (attempt->options->strict) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_AMBIGUOUS,
          "%s and %s/%s fit the model both and differ", first.source,
          folder->name, names[i]);
      bn_found_clear (&first);
      return FALSE;
    }
    attempt->found = first;
    attempt->found.is_uncertain = TRUE;
    bn_attempt_warn (attempt, BN_WARNING_AMBIGUOUS,
        "%s/%s fits the model, too, and differs from %s, which is used",
        folder->name, names[i], first.source);
    return TRUE;
  }
  bn_found_clear (&attempt->found);
  attempt->found = first;
  return TRUE;
}

gboolean
bn_load_folder (BitnetAttempt *attempt, const BnFolder *folder,
    const BnOffer *offer, GCancellable *cancellable, GError **error)
{
  const char *const *names = bn_source_list_names ();

  for (gsize i = 0; names[i] != NULL; i++) {
    g_autoptr (GError) local = NULL;

    if (bn_load_file (attempt, folder, names[i], offer, cancellable, &local))
      return attempt->found.verified == BN_VERIFIED_BY_PIECES
             || check_others (
                 attempt, folder, i + 1, offer, cancellable, error);
    if (is_cancelled (local)) {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  }
  return FALSE;
}
