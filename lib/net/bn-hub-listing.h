/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listings of repositories, from answers of the API. */
#pragma once

#include "bn-hub-client.h"

enum {
  BN_MAX_LISTING_SIZE = 16 << 20, /* bytes of JSON */
  BN_MAX_SIBLINGS = 100000,
};

BnHubListing *bn_hub_listing_new (const char *repository, const char *commit);
/* Takes nothing; digest: 64 (SHA-256) or 40 (git) digits, else it is none. */
void bn_hub_listing_add (
    BnHubListing *self, const char *name, const char *digest, gint64 size);
const BnHubFile *bn_hub_listing_find (
    const BnHubListing *self, const char *name);

/* Of the JSON of /api/models/... with blobs=true; repository is what was asked
 * for. BITNET_ERROR_HTTP if it is no listing, TOO_LARGE. */
BnHubListing *bn_hub_listing_parse (
    const char *data, gsize size, const char *repository, GError **error);
