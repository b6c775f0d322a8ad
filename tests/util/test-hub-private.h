/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two files of the hub of the tests share. */
#pragma once

#include <gio/gio.h>

#include "test-hub.h"
#include "test-repos.h"

typedef struct {
  TestFault fault;
  GPatternSpec *pattern;
  guint n_seen;
} TestHubFault;

struct TestHub {
  TestHubFlags flags;
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  /* Of the thread. */
  struct _SoupServer *hub, *storage;
  GHashTable *answers; /* set of Answer under way */
  GPtrArray *held;     /* of them, until enough have come */
  GCancellable *stop;
  char *endpoint, *storage_url;

  GMutex lock;
  GCond cond; /* the log grew; the servers run */
  gboolean is_ready;
  GHashTable *repos, *aliases;
  GPtrArray *faults, *log;
  GPatternSpec *gathered; /* may be NULL */
  guint n_gathered, n_wanted;
  GHashTable *connections;
  guint n_parallel, max_parallel;
};

void test_hub_fault_free (gpointer fault);
/* With the lock; NULL if there is none. */
TestRepo *test_hub_find_repo (TestHub *self, const char *name);
