/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the subcommands share: option parsing, failure messages, progress on
 * stderr and the demo model's place. stdout belongs to results alone. */
#include "bitnet-tool.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
  BAR_WIDTH = 40,
  REDRAW_INTERVAL_US = 100 * 1000,
  LINE_STEP_PERCENT = 10,
  BYTES_PER_MB = 1000 * 1000,
};

static GOptionContext *
new_context (const GOptionEntry *entries, const char *parameters,
    const char *summary, const char *description)
{
  GOptionContext *context = g_option_context_new (parameters);

  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, description);
  g_option_context_add_main_entries (context, entries, NULL);
  return context;
}

static void
print_help (const char *command, const GOptionEntry *entries,
    const char *parameters, const char *summary, const char *description)
{
  g_autoptr (GOptionContext) context =
      new_context (entries, parameters, summary, description);
  g_autofree char *name = g_strdup_printf ("bitnet %s", command);
  g_autofree char *text = NULL;

  g_set_prgname (name);
  text = g_option_context_get_help (context, TRUE, NULL);
  fputs (text, stdout);
}

gboolean
tool_parse_options (int *argc, char ***argv, const GOptionEntry *entries,
    const char *parameters, const char *summary, const char *description,
    int *status)
{
  gboolean show_help = FALSE;
  const GOptionEntry help[] = {
      {"help", 'h', 0, G_OPTION_ARG_NONE, &show_help, NULL, NULL},
      G_OPTION_ENTRY_NULL,
  };
  const char *command = (*argv)[0];
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context =
      new_context (entries, parameters, summary, description);

  /* GLib's own --help ends the process, so ours stands in for it. */
  g_option_context_set_help_enabled (context, FALSE);
  g_option_context_add_main_entries (context, help, NULL);
  if (!g_option_context_parse (context, argc, argv, &error)) {
    fprintf (stderr, "bitnet %s: %s; bitnet %s --help says more\n", command,
        error->message, command);
    *status = EXIT_USAGE;
    return FALSE;
  }
  if (show_help) {
    print_help (command, entries, parameters, summary, description);
    *status = EXIT_OK;
    return FALSE;
  }
  return TRUE;
}

int
tool_fail (const char *command, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  tool_progress_end ();
  fprintf (stderr, "bitnet %s: %s\n", command, message);
  return EXIT_FAILED;
}

int
tool_fail_usage (const char *command, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  fprintf (stderr, "bitnet %s: %s; bitnet %s --help says more\n", command,
      message, command);
  return EXIT_USAGE;
}

int
tool_finish_output (const char *command)
{
  if (fflush (stdout) != 0 || ferror (stdout))
    return tool_fail (command, "cannot write to standard output");
  return EXIT_OK;
}

/* What is on the terminal; guarded by progress_lock, because work reports
 * from its own thread. */
static GMutex progress_lock;
static struct {
  const char *label;  /* of the work that is shown; NULL = none */
  gint64 drawn_at_us; /* when the bar was drawn last */
  guint next_percent; /* at which the next line is due */
} progress;

static void
draw_bar (const char *label, guint64 done, guint64 total)
{
  char bar[BAR_WIDTH + 1];
  guint filled = total ? (guint) (BAR_WIDTH * ((double) done / total)) : 0;

  if (total == 0) {
    fprintf (
        stderr, "\r%s: %.1f MB\033[K", label, (double) done / BYTES_PER_MB);
    return;
  }
  memset (bar, '#', filled);
  memset (bar + filled, ' ', BAR_WIDTH - filled);
  bar[BAR_WIDTH] = '\0';
  fprintf (
      stderr, "\r%s [%s] %3.0f %%\033[K", label, bar, 100.0 * done / total);
}

static void
print_line (const char *label, guint64 done, guint64 total)
{
  guint percent;

  if (total == 0)
    return;
  percent = (guint) (100.0 * done / total);
  if (percent < progress.next_percent)
    return;
  fprintf (stderr, "%s: %u %%\n", label, percent);
  progress.next_percent = (percent / LINE_STEP_PERCENT + 1) * LINE_STEP_PERCENT;
}

void
tool_progress (guint64 done, guint64 total, gpointer label)
{
  const char *name = label ? label : "Progress";
  gint64 now = g_get_monotonic_time ();

  g_mutex_lock (&progress_lock);
  if (total != 0)
    done = MIN (done, total);
  if (progress.label == NULL || strcmp (progress.label, name) != 0) {
    progress.label = name;
    progress.drawn_at_us = 0;
    progress.next_percent = LINE_STEP_PERCENT;
  }
  if (!isatty (STDERR_FILENO)) {
    print_line (name, done, total);
  } else if (done == total
             || now - progress.drawn_at_us >= REDRAW_INTERVAL_US) {
    draw_bar (name, done, total);
    progress.drawn_at_us = now;
  }
  g_mutex_unlock (&progress_lock);
}

void
tool_progress_end (void)
{
  g_mutex_lock (&progress_lock);
  if (progress.label != NULL && isatty (STDERR_FILENO))
    fputs ("\r\033[K", stderr);
  progress.label = NULL;
  g_mutex_unlock (&progress_lock);
}

char *
tool_beside_program (const char *relative_path)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = program ? g_path_get_dirname (program) : NULL;
  g_autofree char *path =
      folder ? g_build_filename (folder, relative_path, NULL) : NULL;

  if (path == NULL || !g_file_test (path, G_FILE_TEST_IS_REGULAR))
    return NULL;
  return g_steal_pointer (&path);
}

char *
tool_default_model (void)
{
  const char *data_dir = g_getenv ("BITNET_DATA_DIR");
  char *beside;

  if (data_dir != NULL && data_dir[0] != '\0') {
    g_autofree char *path = g_build_filename (data_dir, "demo.gguf", NULL);

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  beside = tool_beside_program ("../data/demo.gguf");
  if (beside != NULL)
    return beside;
  return g_build_filename (BITNET_INSTALLED_DATA_DIR, "demo.gguf", NULL);
}
