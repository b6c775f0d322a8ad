/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Client of a hub: what a repository has, and its files into the cache.
 *
 * Functions block the calling thread and may be called from any; the network
 * runs in a thread of the client's own, which exists from the first request
 * on. So a client that is never asked opens no socket. Every wait ends with
 * the cancellable. Errors: the codes of hub-and-cache.md section 3, in
 * BITNET_ERROR; messages never hold the token or a signed address. */
#pragma once

#include "bn-disk-cache.h"
#include "bitnet-progress.h"

typedef struct {
  char *endpoint; /* no slash at its end */
  char *token;    /* NULL: none */
  /* Read again when the hub refuses; NULL if token is not from a file. */
  char *token_file;
  gboolean offline;
  gboolean allow_insecure;
  guint timeout_s;      /* of all network work of one call; 0: no limit */
  guint idle_timeout_s; /* without a byte */
  guint retries;
  gint64 max_age_s;          /* within which a branch is not asked for again */
  guint64 max_file_size;     /* 0: no limit */
  gboolean is_deterministic; /* jitter from seed */
  guint64 seed;
  guint connect_timeout_ms; /* for a connection */
  guint query_timeout_s;    /* for the answer to a question, not a file */
  guint backoff_base_ms, backoff_cap_ms; /* between attempts */
} BnHubOptions;

/* From HF_*, BITNET_* and the defaults. */
void bn_hub_options_init (BnHubOptions *self);
void bn_hub_options_clear (BnHubOptions *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnHubOptions, bn_hub_options_clear)

/* Whether what a manifest says of its revision counts without asking. */
gboolean bn_hub_options_is_fresh (
    const BnHubOptions *self, const BnManifest *manifest);

typedef struct BnHubClient BnHubClient;

/* Copies options. */
BnHubClient *bn_hub_client_new (
    const BnHubOptions *options, BnDiskCache *cache, GError **error);
BnHubClient *bn_hub_client_ref (BnHubClient *self);
void bn_hub_client_unref (BnHubClient *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnHubClient, bn_hub_client_unref)

/* Called when the breaker of a host changes; state is "closed", "open" or
 * "half-open". From the thread whose request changed it. To be set before the
 * first request. */
void bn_hub_client_set_breaker_func (BnHubClient *self,
    void (*changed) (const char *host, const char *state, gpointer user_data),
    gpointer user_data);

/* One file of a listing. */
typedef struct {
  char *name;
  char *sha256;   /* of an LFS file, else NULL */
  char *git_sha1; /* of others, NULL if unknown */
  gint64 size;    /* -1: unknown */
} BnHubFile;

typedef struct {
  char *repository; /* as the hub calls it now */
  char *commit;
  GPtrArray *files;  /* of BnHubFile; unsafe names are left out */
  GStrv base_models; /* of the model card; may be NULL */
  gboolean is_gated;
} BnHubListing;

void bn_hub_listing_free (BnHubListing *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnHubListing, bn_hub_listing_free)

BnHubListing *bn_hub_client_list (BnHubClient *self, const char *repository,
    const char *revision, GCancellable *cancellable, GError **error);

/* The tokenizer files of a repository, at one commit, in the cache. If they
 * are there and fresh nothing is sent; if a branch is older than max_age_s the
 * hub is asked, and if that fails, what is there counts and *is_stale is set.
 * One download at a time, whoever asks. ENTRY_NOT_FOUND if it has none. */
BnManifest *bn_hub_client_fetch_tokenizer (BnHubClient *self,
    const char *repository, const char *revision, gboolean *is_stale,
    BitnetTransferFunc progress, gpointer progress_data,
    GCancellable *cancellable, GError **error);

/* A file of any size into files/ of the cache; returns its path. sha256: that
 * it must have, or NULL. */
char *bn_hub_client_fetch_file (BnHubClient *self, const char *repository,
    const char *revision, const char *file, const char *sha256,
    BitnetTransferFunc progress, gpointer progress_data,
    GCancellable *cancellable, GError **error);

/* a{sv}, as bitnet_hub_dup_stats() documents. */
GVariant *bn_hub_client_dup_stats (BnHubClient *self);

/* Whether this library was built with the network. */
gboolean bn_hub_client_is_available (void);
