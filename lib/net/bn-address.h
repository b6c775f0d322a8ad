/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses: which may be asked, what a redirect leads to, what of them may be
 * shown. */
#pragma once

#include <glib.h>

/* Whether url may be asked at all: https, or http to this machine or if
 * allow_insecure; else BITNET_ERROR_INVALID_ARGUMENT. */
gboolean bn_address_check (
    const char *url, gboolean allow_insecure, GError **error);
/* The same for the address of a hub, which has no login, query or fragment:
 * it becomes part of others, of messages and of files. */
gboolean bn_address_check_endpoint (
    const char *url, gboolean allow_insecure, GError **error);

/* Equal scheme, host and port. */
gboolean bn_address_is_same_origin (const char *a, const char *b);

/* "host:port", NULL if url is none. */
char *bn_address_dup_host (const char *url);

/* Where a Location of url's answer leads; BITNET_ERROR_HTTP if it must not be
 * followed (from https to http, to another scheme, no address). */
char *bn_address_resolve (const char *url, const char *location,
    gboolean allow_insecure, GError **error);

/* Without query, user and fragment: what follows them may be a signature. */
char *bn_address_dup_shown (const char *url);

/* A Location that names no host. */
gboolean bn_address_is_relative (const char *location);

/* ENDPOINT/REPOSITORY/resolve/REVISION/FILE. */
char *bn_address_build_file (const char *endpoint, const char *repository,
    const char *revision, const char *file);
/* ENDPOINT/api/models/REPOSITORY/revision/REVISION?blobs=true. */
char *bn_address_build_listing (
    const char *endpoint, const char *repository, const char *revision);
