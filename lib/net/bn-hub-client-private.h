/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the hub client share. */
#pragma once

#include "bn-hub-call.h"
#include "bn-hub-listing.h"
#include "bn-transfer.h"

struct BnHubClient {
  gatomicrefcount ref_count;
  BnDiskCache *cache;
  BnHubShared shared;
};

/* FALSE with INVALID_ARGUMENT; revision may be NULL, which is main. */
gboolean bn_hub_client_check_names (const char *repository,
    const char **revision, const char *file, GError **error);
/* FALSE with OFFLINE if the network is forbidden, DOWNLOAD_DISABLED if there
 * is none. what: that is needed. */
gboolean bn_hub_client_check_network (
    BnHubClient *self, const char *what, const char *revision, GError **error);

/* FALSE with what the hub said before, if it still counts. file may be NULL. */
gboolean bn_hub_client_check_absent (BnHubClient *self, const char *repository,
    const char *revision, const char *file, GError **error);
/* Remembers an answer that says so. */
void bn_hub_client_note_absent (BnHubClient *self, const char *repository,
    const char *revision, const char *file, const GError *error);

/* Whether a manifest needs no question to the hub. */
gboolean bn_hub_client_is_fresh (BnHubClient *self, const BnManifest *manifest);

/* The listing by the API. */
BnHubListing *bn_hub_client_query (
    BnHubCall *call, BnFailure *failure, GError **error);

/* What HEAD says of a file. */
typedef struct {
  char *commit;
  char *digest; /* its etag; may be NULL */
  gint64 size;  /* -1: unknown */
} BnHubHead;
void bn_hub_head_clear (BnHubHead *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnHubHead, bn_hub_head_clear)
/* retries: whether a failure is tried again. */
gboolean bn_hub_client_head (BnHubCall *call, const char *revision,
    const char *file, gboolean retries, BnHubHead *head, BnFailure *failure,
    GError **error);

/* The lock of what is fetched for one revision. */
BnLock *bn_hub_client_lock (BnHubClient *self, BnHubCall *call, GError **error);
/* The lock of a part, held as long as the part. The part has a lock too, but
 * that is waited for without end; this one as long as the call may take. */
BnLock *bn_hub_client_lock_part (
    BnHubClient *self, BnHubCall *call, const char *part, GError **error);
/* Files of the manifest's commit, of const BnHubFile, as objects; adds them to
 * the manifest when all are there. old: what was here before, or NULL. */
gboolean bn_hub_client_fetch_objects (BnHubClient *self, BnHubCall *call,
    GPtrArray *files, const BnManifest *old, BnManifest *manifest,
    GError **error);
/* For bn_disk_cache_begin(): reports that it waits. */
void bn_hub_client_on_wait (gpointer call);
