/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the program that $BITNET_TOOL names and collects what it says. */
#pragma once

#include <gio/gio.h>

typedef struct {
  int status; /* exit status */
  char *out;
  char *err;
} TestOutcome;

/* arguments: without the program, ended by NULL. The program must exit by
 * itself, not by a signal. */
TestOutcome test_spawn (const char *const *arguments);

/* Arguments in one string, separated by single spaces. */
TestOutcome test_spawn_line (const char *line);

void test_outcome_clear (TestOutcome *outcome);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TestOutcome, test_outcome_clear)
