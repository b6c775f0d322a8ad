/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A cache in a folder of its own, and content for it. */
#pragma once

#include "bn-disk-cache-private.h"

#define TEST_ENDPOINT "https://hub.example"
#define TEST_REPOSITORY "owner/name"
#define TEST_REVISION "main"
#define TEST_COMMIT "0123456789abcdef0123456789abcdef01234567"

typedef struct {
  char *folder; /* of the test; removed at its end */
  char *root;   /* of the cache, inside */
  BnDiskCache *cache;
} TestCache;

void test_cache_set_up (TestCache *self, gconstpointer data);
void test_cache_tear_down (TestCache *self, gconstpointer data);
/* Adds a test with this fixture. */
#define test_cache_add(path, data, function)                                   \
  g_test_add (path, TestCache, data, test_cache_set_up, function,              \
      test_cache_tear_down)

void test_remove_tree (const char *path);

/* Text of that size which packs well, or bytes that do not. (transfer full) */
GBytes *test_make_text (gsize size, guint seed);
GBytes *test_make_noise (gsize size, guint seed);
char *test_dup_sha256 (GBytes *bytes);

/* Puts content into the cache as an object and returns its digest. */
char *test_store (BnDiskCache *cache, GBytes *content);
/* The same, and the only file of a manifest. */
char *test_store_as (BnDiskCache *cache, const char *repository,
    const char *name, GBytes *content);
/* Of an object as it was stored. */
BnCachedFile test_describe (const char *sha256, guint64 size);

/* Absolute path of something below v1/; (transfer full). */
char *test_dup_path (TestCache *self, const char *below);
/* Of the object, plain or packed, that exists; NULL if neither does. */
char *test_dup_object_path (TestCache *self, const char *sha256);
/* Changes a byte of a file. */
void test_damage (const char *path, gsize offset);
/* Sets the time of last use and of the content to seconds ago. */
void test_age (const char *path, gint64 seconds);
/* Names of all files below v1/, sorted, without stats.json and locks/. */
char *test_list (TestCache *self);
