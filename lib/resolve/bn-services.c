/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens cache and hub once. */
#include "bn-services.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define SPARE_FOLDER "bitnet-cache-%d-XXXXXX" /* the process */

/* A folder and the hub whose files go there. */
typedef struct {
  char *folder;
  BnDiskCache *cache;
  BnHubClient *hub;
} Store;

struct BnServices {
  BnHubOptions hub_options;
  BnBreakerFunc changed;
  gpointer user_data;
  GDestroyNotify destroy;

  GMutex lock; /* guards what follows; what is there stays */
  Store usual;
  Store spare; /* removed with self; its folder is NULL if it is not needed */
};

static void
replace (char **field, const char *value)
{
  if (value == NULL)
    return;
  g_free (*field);
  *field = g_strdup (value);
}

BnServices *
bn_services_new (const BnResolveOptions *options)
{
  BnServices *self = g_atomic_rc_box_new0 (BnServices);

  g_mutex_init (&self->lock);
  bn_hub_options_init (&self->hub_options);
  replace (&self->hub_options.endpoint, options->endpoint);
  while (g_str_has_suffix (self->hub_options.endpoint, "/"))
    self->hub_options.endpoint[strlen (self->hub_options.endpoint) - 1] = '\0';
  replace (&self->hub_options.token, options->token);
  if (options->token)
    g_clear_pointer (&self->hub_options.token_file, g_free);
  self->hub_options.offline = !bn_resolve_options_allow_network (options);
  self->hub_options.allow_insecure = options->allow_insecure;
  self->hub_options.timeout_s = options->timeout_s;
  self->hub_options.retries = options->retries;
  self->usual.folder = options->cache_dir
                           ? g_strdup (options->cache_dir)
                           : bn_disk_cache_dup_default_folder (FALSE);
  return self;
}

BnServices *
bn_services_ref (BnServices *self)
{
  return g_atomic_rc_box_acquire (self);
}

/* Nobody else writes to it, and links in it are not followed. */
static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *child = g_build_filename (path, name, NULL);

    if (g_unlink (child) != 0)
      remove_folder (child);
  }
  g_rmdir (path);
}

static void
store_clear (Store *self)
{
  g_clear_pointer (&self->hub, bn_hub_client_unref);
  g_clear_pointer (&self->cache, bn_disk_cache_unref);
  g_clear_pointer (&self->folder, g_free);
}

static void
bn_services_clear (gpointer data)
{
  BnServices *self = data;
  g_autofree char *spare_folder = NULL;

  /* whoever looked last did so under the lock */
  g_mutex_lock (&self->lock);
  spare_folder = g_strdup (self->spare.folder);
  store_clear (&self->usual);
  store_clear (&self->spare);
  g_mutex_unlock (&self->lock);
  if (spare_folder)
    remove_folder (spare_folder);
  if (self->destroy)
    self->destroy (self->user_data);
  bn_hub_options_clear (&self->hub_options);
  g_mutex_clear (&self->lock);
}

void
bn_services_unref (BnServices *self)
{
  g_atomic_rc_box_release_full (self, bn_services_clear);
}

void
bn_services_set_breaker_func (BnServices *self, BnBreakerFunc changed,
    gpointer user_data, GDestroyNotify destroy)
{
  self->changed = changed;
  self->user_data = user_data;
  self->destroy = destroy;
}

/* With the lock. A folder that could not be opened is tried again: somebody
 * may have mended it. */
static BnDiskCache *
open_cache (Store *store, GError **error)
{
  if (store->cache == NULL)
    store->cache = bn_disk_cache_open (store->folder, error);
  return store->cache;
}

/* With the lock. */
static BnHubClient *
open_hub (BnServices *self, Store *store, GError **error)
{
  if (store->hub || open_cache (store, error) == NULL)
    return store->hub;
  store->hub = bn_hub_client_new (&self->hub_options, store->cache, error);
  if (store->hub && self->changed)
    bn_hub_client_set_breaker_func (store->hub, self->changed, self->user_data);
  return store->hub;
}

BnDiskCache *
bn_services_get_cache (BnServices *self, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return open_cache (&self->usual, error);
}

BnHubClient *
bn_services_get_hub (BnServices *self, BnDiskCache **cache, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  BnHubClient *hub = open_hub (self, &self->usual, error);

  *cache = self->usual.cache;
  return hub;
}

BnHubClient *
bn_services_get_spare_hub (
    BnServices *self, BnDiskCache **cache, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  g_autofree char *name = g_strdup_printf (SPARE_FOLDER, (int) getpid ());
  BnHubClient *hub;

  if (self->spare.folder == NULL)
    self->spare.folder = g_dir_make_tmp (name, error);
  if (self->spare.folder == NULL)
    return NULL;
  hub = open_hub (self, &self->spare, error);
  *cache = self->spare.cache;
  return hub;
}

const char *
bn_services_get_endpoint (BnServices *self)
{
  return self->hub_options.endpoint;
}

gboolean
bn_services_is_fresh (BnServices *self, const BnManifest *manifest)
{
  return manifest->n_evicted == 0
         && bn_hub_options_is_fresh (&self->hub_options, manifest);
}

GVariant *
bn_services_dup_stats (BnServices *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  /* If there is a spare one the usual one has done nothing. */
  if (self->spare.hub)
    return bn_hub_client_dup_stats (self->spare.hub);
  return self->usual.hub ? bn_hub_client_dup_stats (self->usual.hub) : NULL;
}
