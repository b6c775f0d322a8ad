/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cache and the hub that the resolutions of one resolver share. Both are
 * opened when they are first needed: who needs neither touches neither disk
 * nor network. Thread-safe. */
#pragma once

#include "bn-options.h"
#include "net/bn-hub-client.h"

typedef struct BnServices BnServices;

BnServices *bn_services_new (const BnResolveOptions *options);
BnServices *bn_services_ref (BnServices *self);
void bn_services_unref (BnServices *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnServices, bn_services_unref)

/* NULL with the error that opening it gave; *cache is where its files go.
 * (transfer none) */
BnDiskCache *bn_services_get_cache (BnServices *self, GError **error);
BnHubClient *bn_services_get_hub (
    BnServices *self, BnDiskCache **cache, GError **error);
/* The same with a temporary folder, for when the cache cannot be written. */
BnHubClient *bn_services_get_spare_hub (
    BnServices *self, BnDiskCache **cache, GError **error);
/* Where the hub is, without a slash at the end. */
const char *bn_services_get_endpoint (BnServices *self);
/* Whether what is known of a revision counts without asking the hub, and all of
 * it is still here. */
gboolean bn_services_is_fresh (BnServices *self, const BnManifest *manifest);

/* Called in the network's thread when the breaker of a host changes; set
 * before the first use. */
typedef void (*BnBreakerFunc) (
    const char *host, const char *state, gpointer user_data);
void bn_services_set_breaker_func (BnServices *self, BnBreakerFunc changed,
    gpointer user_data, GDestroyNotify destroy);

/* What the hub did, NULL if it was never asked. (transfer full) */
GVariant *bn_services_dup_stats (BnServices *self);
