/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tests of the program share that fetch and cache: a folder of their own
 * for everything that the program keeps, and processes that are caught at
 * work. */
#pragma once

#include "test-spawn.h"

typedef struct {
  char *folder;
} ToolFixture;

/* The folder, and BITNET_CACHE_DIR and HF_HOME in it. */
void tool_fixture_set_up (ToolFixture *self);
void tool_fixture_tear_down (ToolFixture *self);

/* A path in the folder; (transfer full). */
char *tool_fixture_path (ToolFixture *self, const char *name);
/* Writes a file and the folders on the way; its path, (transfer full). */
char *tool_fixture_write (
    ToolFixture *self, const char *name, const void *data, gssize size);

/* Runs `bitnet LINE`; FORMAT as of printf, words by the rules of a shell. */
TestOutcome tool_run (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* The same, and fails the test unless it exits with status. */
TestOutcome tool_run_status (int status, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
