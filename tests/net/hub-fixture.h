/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hub, an empty cache and a client between them. */
#pragma once

#include <gio/gio.h>

#include "bitnet-error.h"
#include "bn-hub-client.h"
#include "test-hub.h"

#define REPO "owner/name"

typedef struct {
  TestHub *hub;
  char *folder;
  BnDiskCache *cache;
  BnHubOptions options; /* to be changed before hub_client() */
  BnHubClient *client;  /* made by hub_client() */
  GMutex lock;          /* guards what follows */
  GPtrArray *events;    /* of BitnetProgress */
} HubFixture;

/* Clears what the environment says about hubs, proxies and offline mode. */
void hub_fixture_init (int *argc, char ***argv);

void hub_set_up (HubFixture *self, gconstpointer flags);
void hub_tear_down (HubFixture *self, gconstpointer flags);
/* A test with a fixture. */
void hub_add_test (
    const char *path, void (*test) (HubFixture *, gconstpointer));
void hub_add_test_full (const char *path, TestHubFlags flags,
    void (*test) (HubFixture *, gconstpointer));

BnHubClient *hub_client (HubFixture *self);
/* Another one with the present options. */
void hub_renew_client (HubFixture *self);

/* REPO with tokenizer.json (LFS), tokenizer_config.json, config.json and files
 * that are not wanted. */
void hub_add_usual (HubFixture *self);
/* Content of the usual tokenizer.json. */
GBytes *hub_dup_usual_tokenizer (void);
/* Size bytes of noise, the same for the same seed. */
GBytes *hub_make_noise (gsize size, guint seed);
void hub_add_noise (HubFixture *self, const char *name, gsize size);

/* Fetches the tokenizer of REPO; on_progress collects. */
BnManifest *hub_fetch (HubFixture *self, gboolean *is_stale, GError **error);
/* The same where all is well and nothing old. */
BnManifest *hub_fetch_good (HubFixture *self);
/* That this is what the hub was asked for, a line for each request. */
void hub_assert_log (HubFixture *self, const char *expected);
char *hub_fetch_file (HubFixture *self, const char *name, GError **error);
void hub_assert_error (const GError *error, BitnetError code);
/* The cached content of a file of a manifest. */
GBytes *hub_read (
    HubFixture *self, const BnManifest *manifest, const char *name);
void hub_assert_content (
    HubFixture *self, const BnManifest *manifest, const char *name);
/* A number of the statistics. */
guint64 hub_get_stat (HubFixture *self, const char *name);
/* Files below tmp/ of the cache. */
guint hub_count_leftovers (HubFixture *self, const char *suffix);
void hub_on_progress (const BitnetProgress *progress, gpointer fixture);
/* Makes what was fetched old, so that the hub is asked again. */
void hub_make_stale (HubFixture *self);
void hub_remove_tree (const char *path);
