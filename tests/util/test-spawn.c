/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the program under test. */
#include "test-spawn.h"

void
test_outcome_clear (TestOutcome *outcome)
{
  g_clear_pointer (&outcome->out, g_free);
  g_clear_pointer (&outcome->err, g_free);
}

TestOutcome
test_spawn (const char *const *arguments)
{
  TestOutcome outcome = {0};
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GSubprocess) process = NULL;

  g_ptr_array_add (argv, (gpointer) g_getenv ("BITNET_TOOL"));
  for (; *arguments; arguments++)
    g_ptr_array_add (argv, (gpointer) *arguments);
  g_ptr_array_add (argv, NULL);
  process = g_subprocess_newv ((const char *const *) argv->pdata,
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (
      process, NULL, NULL, &outcome.out, &outcome.err, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  outcome.status = g_subprocess_get_exit_status (process);
  return outcome;
}

TestOutcome
test_spawn_line (const char *line)
{
  g_auto (GStrv) arguments = g_strsplit (line, " ", -1);

  return test_spawn ((const char *const *) arguments);
}
