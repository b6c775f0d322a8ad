/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program's front door: overview, version, exit codes, and that every
 * command it lists explains itself with examples. */
#include <gio/gio.h>
#include <string.h>

typedef struct {
  int status;
  char *out;
  char *err;
} Outcome;

static void
outcome_clear (Outcome *outcome)
{
  g_free (outcome->out);
  g_free (outcome->err);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static Outcome
run_tool (const char *arg1, const char *arg2)
{
  const char *argv[] = {g_getenv ("BITNET_TOOL"), arg1, arg2, NULL};
  Outcome outcome = {0};
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_newv (argv,
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);

  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (
      process, NULL, NULL, &outcome.out, &outcome.err, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  outcome.status = g_subprocess_get_exit_status (process);
  return outcome;
}

static const struct {
  const char *name, *arg1, *arg2;
  int status;
  const char *out, *err; /* what the stream contains; NULL = it is empty */
} cases[] = {
    {"nothing", NULL, NULL, 2, NULL, "COMMAND"},
    {"help", "--help", NULL, 0, "Exit status", NULL},
    {"short-help", "-h", NULL, 0, "Examples", NULL},
    {"version", "--version", NULL, 0, "bitnet ", NULL},
    {"unknown", "sing", NULL, 2, NULL, "\"sing\""},
};

static void
test_front_door (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_auto (Outcome) outcome = run_tool (cases[i].arg1, cases[i].arg2);

  g_assert_cmpint (outcome.status, ==, cases[i].status);
  if (cases[i].out != NULL)
    g_assert_nonnull (strstr (outcome.out, cases[i].out));
  else
    g_assert_cmpstr (outcome.out, ==, "");
  if (cases[i].err != NULL)
    g_assert_nonnull (strstr (outcome.err, cases[i].err));
  else
    g_assert_cmpstr (outcome.err, ==, "");
}

/* The names in the overview's "Commands:" paragraph. */
static GStrv
list_commands (void)
{
  g_auto (Outcome) outcome = run_tool ("--help", NULL);
  g_auto (GStrv) lines = g_strsplit (outcome.out, "\n", -1);
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  gboolean inside = FALSE;

  for (char **line = lines; *line != NULL; line++) {
    if (strcmp (*line, "Commands:") == 0) {
      inside = TRUE;
    } else if (inside && (*line)[0] == '\0') {
      break;
    } else if (inside) {
      g_auto (GStrv) words = g_strsplit (g_strstrip (*line), " ", 2);

      g_strv_builder_add (names, words[0]);
    }
  }
  return g_strv_builder_end (names);
}

static void
test_command_help (void)
{
  g_auto (GStrv) names = list_commands ();

  for (char **name = names; *name != NULL; name++) {
    g_auto (Outcome) outcome = run_tool (*name, "--help");

    g_test_message ("bitnet %s --help", *name);
    g_assert_cmpint (outcome.status, ==, 0);
    g_assert_cmpstr (outcome.err, ==, "");
    g_assert_nonnull (strstr (outcome.out, *name));
    g_assert_nonnull (strstr (outcome.out, "Examples:"));
    g_assert_nonnull (strstr (outcome.out, "--help"));
  }
}

static void
test_command_usage (void)
{
  g_auto (GStrv) names = list_commands ();

  for (char **name = names; *name != NULL; name++) {
    g_auto (Outcome) outcome = run_tool (*name, "--no-such-option");

    g_test_message ("bitnet %s --no-such-option", *name);
    g_assert_cmpint (outcome.status, ==, 2);
    g_assert_cmpstr (outcome.out, ==, "");
    g_assert_nonnull (strstr (outcome.err, "--no-such-option"));
    g_assert_nonnull (strstr (outcome.err, *name));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path =
        g_strdup_printf ("/tool/front-door/%s", cases[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_front_door);
  }
  g_test_add_func ("/tool/C52/every-command-helps", test_command_help);
  g_test_add_func ("/tool/every-command-refuses", test_command_usage);
  return g_test_run ();
}
