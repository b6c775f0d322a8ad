/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetCache: the public face of net/bn-disk-cache.h. A folder that cannot be
 * used is told when something is asked, not when the object is made. */
#include "bitnet-cache.h"

#include "net/bn-disk-cache.h"

struct _BitnetCache {
  GObject parent;
  char *folder;
  gboolean is_limited;
};

G_DEFINE_FINAL_TYPE (BitnetCache, bitnet_cache, G_TYPE_OBJECT)

static void
bitnet_cache_finalize (GObject *object)
{
  BitnetCache *self = BITNET_CACHE (object);

  g_free (self->folder);
  G_OBJECT_CLASS (bitnet_cache_parent_class)->finalize (object);
}

static void
bitnet_cache_class_init (BitnetCacheClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bitnet_cache_finalize;
}

static void
bitnet_cache_init (BitnetCache *self)
{
}

static BitnetCache *
new_cache (const char *folder, gboolean models)
{
  BitnetCache *self = g_object_new (BITNET_TYPE_CACHE, NULL);

  self->folder = folder && folder[0] != '\0'
                     ? g_canonicalize_filename (folder, NULL)
                     : bn_disk_cache_dup_default_folder (models);
  self->is_limited = !models;
  return self;
}

BitnetCache *
bitnet_cache_new_tokenizers (const char *folder)
{
  return new_cache (folder, FALSE);
}

BitnetCache *
bitnet_cache_new_models (const char *folder)
{
  return new_cache (folder, TRUE);
}

const char *
bitnet_cache_get_folder (BitnetCache *self)
{
  g_return_val_if_fail (BITNET_IS_CACHE (self), NULL);
  return self->folder;
}

static BnDiskCache *
open_folder (BitnetCache *self, GError **error)
{
  BnDiskCache *cache = bn_disk_cache_open (self->folder, error);

  if (cache != NULL && !self->is_limited)
    bn_disk_cache_set_limit (cache, 0);
  return cache;
}

GVariant *
bitnet_cache_list (BitnetCache *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (BnDiskCache) cache = NULL;

  g_return_val_if_fail (BITNET_IS_CACHE (self), NULL);
  cache = open_folder (self, error);
  return cache ? bn_disk_cache_list (cache, cancellable, error) : NULL;
}

GVariant *
bitnet_cache_dup_stats (
    BitnetCache *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (BnDiskCache) cache = NULL;

  g_return_val_if_fail (BITNET_IS_CACHE (self), NULL);
  cache = open_folder (self, error);
  return cache ? bn_disk_cache_dup_stats (cache, cancellable, error) : NULL;
}

GVariant *
bitnet_cache_verify (BitnetCache *self, gboolean repair,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (BnDiskCache) cache = NULL;

  g_return_val_if_fail (BITNET_IS_CACHE (self), NULL);
  cache = open_folder (self, error);
  return cache ? bn_disk_cache_verify (cache, repair, cancellable, error)
               : NULL;
}

GVariant *
bitnet_cache_prune (BitnetCache *self, guint64 max_size, guint64 max_age,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (BnDiskCache) cache = NULL;

  g_return_val_if_fail (BITNET_IS_CACHE (self), NULL);
  cache = open_folder (self, error);
  return cache ? bn_disk_cache_prune (
             cache, max_size, max_age, cancellable, error)
               : NULL;
}

GVariant *
bitnet_cache_clear (BitnetCache *self, const char *repository,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (BnDiskCache) cache = NULL;

  g_return_val_if_fail (BITNET_IS_CACHE (self), NULL);
  cache = open_folder (self, error);
  return cache ? bn_disk_cache_clear (cache, repository, cancellable, error)
               : NULL;
}
