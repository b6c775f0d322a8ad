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
  SECONDS_PER_MINUTE = 60,
  MAX_ETA = 100 * 60 * 60, /* seconds; more is no estimate */
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

/* Characters of kept may stay, whatever they are. */
static char *
escape (const char *text, const char *kept)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_new (NULL);

  for (const char *p = valid; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    if (g_unichar_isprint (c) || g_utf8_strchr (kept, -1, c))
      g_string_append_unichar (out, c);
    else
      g_string_append_printf (out, "\\x%02x", c);
  }
  return g_string_free (out, FALSE);
}

char *
tool_make_printable (const char *text)
{
  return escape (text, "");
}

char *
tool_make_printable_lines (const char *text)
{
  return escape (text, "\n");
}

int
tool_fail (const char *command, const char *format, ...)
{
  g_autofree char *message = NULL;
  g_autofree char *shown = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  shown = tool_make_printable_lines (message);
  tool_progress_end ();
  fprintf (stderr, "bitnet %s: %s\n", command, shown);
  return EXIT_FAILED;
}

int
tool_fail_usage (const char *command, const char *format, ...)
{
  g_autofree char *message = NULL;
  g_autofree char *shown = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  shown = tool_make_printable_lines (message);
  fprintf (stderr, "bitnet %s: %s; bitnet %s --help says more\n", command,
      shown, command);
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
  char *label;        /* of the work that is shown; NULL = none */
  gint64 drawn_at_us; /* when the bar was drawn last */
  guint next_percent; /* at which the next line is due */
} progress;

/* " 12.3 MB/s 1:05", as far as it is known; (transfer full). */
static char *
format_rate (double rate, double eta)
{
  g_autofree char *speed =
      rate > 0 ? g_strdup_printf (" %.1f MB/s", rate / BYTES_PER_MB)
               : g_strdup ("");
  guint seconds;

  if (!(eta >= 0 && eta < MAX_ETA))
    return g_steal_pointer (&speed);
  seconds = (guint) (eta + 0.5);
  return g_strdup_printf ("%s %u:%02u", speed, seconds / SECONDS_PER_MINUTE,
      seconds % SECONDS_PER_MINUTE);
}

static void
draw_bar (
    const char *label, guint64 done, guint64 total, double rate, double eta)
{
  char bar[BAR_WIDTH + 1];
  guint filled = total ? (guint) (BAR_WIDTH * ((double) done / total)) : 0;
  g_autofree char *speed = format_rate (rate, eta);

  if (total == 0) {
    fprintf (stderr, "\r%s: %.1f MB%s\033[K", label,
        (double) done / BYTES_PER_MB, speed);
    return;
  }
  memset (bar, '#', filled);
  memset (bar + filled, ' ', BAR_WIDTH - filled);
  bar[BAR_WIDTH] = '\0';
  fprintf (stderr, "\r%s [%s] %3.0f %%%s\033[K", label, bar,
      100.0 * done / total, speed);
}

static void
print_line (
    const char *label, guint64 done, guint64 total, double rate, double eta)
{
  g_autofree char *speed = NULL;
  guint percent;

  if (total == 0)
    return;
  percent = (guint) (100.0 * done / total);
  if (percent < progress.next_percent)
    return;
  speed = format_rate (rate, eta);
  fprintf (stderr, "%s: %u %%%s\n", label, percent, speed);
  progress.next_percent = (percent / LINE_STEP_PERCENT + 1) * LINE_STEP_PERCENT;
}

/* TRUE if the work is another one than before. */
static gboolean
set_label (const char *label)
{
  if (g_strcmp0 (progress.label, label) == 0)
    return FALSE;
  g_free (progress.label);
  progress.label = g_strdup (label);
  progress.drawn_at_us = 0;
  progress.next_percent = LINE_STEP_PERCENT;
  return TRUE;
}

void
tool_progress_rate (
    guint64 done, guint64 total, double rate, double eta, const char *label)
{
  gint64 now = g_get_monotonic_time ();

  g_mutex_lock (&progress_lock);
  if (total != 0)
    done = MIN (done, total);
  set_label (label);
  if (!isatty (STDERR_FILENO)) {
    print_line (label, done, total, rate, eta);
  } else if (done == total
             || now - progress.drawn_at_us >= REDRAW_INTERVAL_US) {
    draw_bar (label, done, total, rate, eta);
    progress.drawn_at_us = now;
  }
  g_mutex_unlock (&progress_lock);
}

void
tool_progress (guint64 done, guint64 total, gpointer label)
{
  tool_progress_rate (done, total, 0, -1, label ? label : "Progress");
}

void
tool_progress_text (const char *text)
{
  g_mutex_lock (&progress_lock);
  if (set_label (text)) {
    if (isatty (STDERR_FILENO))
      fprintf (stderr, "\r%s\033[K", text);
    else
      fprintf (stderr, "%s\n", text);
  }
  g_mutex_unlock (&progress_lock);
}

void
tool_progress_end (void)
{
  g_mutex_lock (&progress_lock);
  if (progress.label != NULL && isatty (STDERR_FILENO))
    fputs ("\r\033[K", stderr);
  g_clear_pointer (&progress.label, g_free);
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
