/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Repositories of the hub of the tests. Not thread-safe. */
#pragma once

#include <glib.h>

typedef struct {
  GBytes *data;
  gboolean is_lfs;
  char *digest; /* SHA-256 of LFS, git's SHA-1 of others */
  char *sha256;
} TestRepoFile;

typedef struct {
  char *token;          /* NULL: open to all */
  char *info;           /* members for the answer of the API, or NULL */
  GHashTable *branches; /* name to commit */
  GHashTable *commits;  /* commit to table of name to TestRepoFile */
  GPtrArray *order;     /* names of files as they were added */
} TestRepo;

TestRepo *test_repo_new (const char *commit);
void test_repo_free (TestRepo *self);
/* To the commit of main; takes data. */
void test_repo_add_file (
    TestRepo *self, const char *name, GBytes *data, gboolean is_lfs);
void test_repo_remove_file (TestRepo *self, const char *name);
void test_repo_commit (TestRepo *self, const char *commit);
/* Of a branch or commit, NULL if there is none. */
const char *test_repo_find_commit (TestRepo *self, const char *revision);
const TestRepoFile *test_repo_find_file (
    TestRepo *self, const char *commit, const char *name);
const TestRepoFile *test_repo_find_blob (TestRepo *self, const char *sha256);
/* What the API says of all files of a commit, with those of folders. */
GBytes *test_repo_list_tree (TestRepo *self, const char *commit);
/* What the API says of a commit, in JSON. */
GBytes *test_repo_list (TestRepo *self, const char *name, const char *commit);
