/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hub in the process, for tests: repositories, their files and faults on
 * demand, on this machine and a free port.
 *
 *   g_autoptr (TestHub) hub = test_hub_new (0);
 *   test_hub_add_repo (hub, "owner/name", TEST_HUB_COMMIT);
 *   test_hub_add_file (hub, "owner/name", "tokenizer.json", "{}", 2, FALSE);
 *   test_hub_add_fault (hub, &(TestFault){.path = "*.json", .status = 503,
 *       .count = 2});
 *   ... with test_hub_get_endpoint (hub) ...
 *   g_assert_cmpuint (test_hub_count (hub, "hub GET *.json*"), ==, 3);
 *
 * Small files come from the hub itself; LFS files by a redirect to a second
 * server, the storage, on another port. Functions may be called from any
 * thread at any time. */
#pragma once

#include <glib.h>

typedef struct TestHub TestHub;

#define TEST_HUB_COMMIT "0123456789abcdef0123456789abcdef01234567"
#define TEST_HUB_COMMIT_2 "89abcdef0123456789abcdef0123456789abcdef"

typedef enum {
  TEST_HUB_TLS = 1 << 0,    /* https; the authority is test_hub_dup_ca() */
  TEST_HUB_NO_API = 1 << 1, /* a mirror without /api */
} TestHubFlags;

TestHub *test_hub_new (TestHubFlags flags);
void test_hub_free (TestHub *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestHub, test_hub_free)

const char *test_hub_get_endpoint (TestHub *self); /* without slash */
const char *test_hub_get_storage (TestHub *self);
/* Certificate of the authority that signed those of the servers, below
 * G_TEST_SRCDIR. (transfer full) */
char *test_hub_dup_ca (void);

/* A repository whose branch main is at commit. */
void test_hub_add_repo (TestHub *self, const char *repo, const char *commit);
/* A file of the commit that main is at; size -1: text. */
void test_hub_add_file (TestHub *self, const char *repo, const char *name,
    const char *data, gssize size, gboolean is_lfs);
/* All files of a folder and its folders; those above 64 KiB as LFS. */
void test_hub_add_folder (TestHub *self, const char *repo, const char *folder);
void test_hub_remove_file (TestHub *self, const char *repo, const char *name);
/* Main moves to a new commit that has the same files so far. */
void test_hub_commit (TestHub *self, const char *repo, const char *commit);
/* Another branch or tag at a commit. */
void test_hub_add_branch (
    TestHub *self, const char *repo, const char *name, const char *commit);
/* Only with this token. */
void test_hub_set_gated (TestHub *self, const char *repo, const char *token);
/* Another name, redirected with a relative Location. */
void test_hub_add_alias (TestHub *self, const char *alias, const char *repo);
/* Members that are put into the answer of the API: "\"tags\":[]". */
void test_hub_set_info (TestHub *self, const char *repo, const char *members);

typedef enum {
  TEST_FAULT_CUT = 1 << 0,          /* closes after .bytes of the body */
  TEST_FAULT_IGNORE_RANGE = 1 << 1, /* 200 with everything */
  TEST_FAULT_WRONG_RANGE = 1 << 2,  /* 206 of a later part than wanted */
  TEST_FAULT_WRONG_TOTAL = 1 << 3,  /* 206 with another total */
  TEST_FAULT_WRONG_BYTE = 1 << 4,   /* content differs in one byte */
  TEST_FAULT_ENDLESS = 1 << 5,      /* a body without end or length */
  TEST_FAULT_DRIP = 1 << 6,         /* a byte every .delay_ms */
  TEST_FAULT_STALL = 1 << 7,        /* nothing after .bytes of the body */
  TEST_FAULT_DROP = 1 << 8,         /* closes without an answer */
  TEST_FAULT_NO_COMMIT = 1 << 9,    /* leaves X-Repo-Commit out */
} TestFaultFlags;

typedef struct {
  const char *path; /* pattern over lines of the log, NULL: all */
  guint skip;       /* requests that go well first */
  guint count;      /* then that many do not; 0: all */
  TestFaultFlags flags;
  guint status;        /* answers so; 0: as usual */
  const char *headers; /* "Name: value\nName: value", replace others */
  const char *body;    /* instead of the usual */
  guint delay_ms;      /* before the answer */
  gsize bytes;
} TestFault;

/* Copies it. Of several that match the first that is not used up counts. */
void test_hub_add_fault (TestHub *self, const TestFault *fault);
void test_hub_clear_faults (TestHub *self);

/* Answers to requests that match wait until n of them have come, then all
 * pass. */
void test_hub_gather (TestHub *self, const char *pattern, guint n);

/* Requests in their order: "hub GET /path" or "storage GET /path", then, if
 * there were such headers, " auth", " range=5-", " if-range=ETAG". */
char **test_hub_dup_log (TestHub *self);
/* How many match a pattern with * and ?. */
guint test_hub_count (TestHub *self, const char *pattern);
void test_hub_clear_log (TestHub *self);
/* Connections so far, at both servers. */
guint test_hub_get_n_connections (TestHub *self);
/* Most requests that were answered at the same time, at the storage. */
guint test_hub_get_max_parallel (TestHub *self);
/* Waits until that many requests have come; FALSE after 30 s. */
gboolean test_hub_wait (TestHub *self, const char *pattern, guint n);
