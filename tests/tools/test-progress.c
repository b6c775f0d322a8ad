/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Progress on stderr: a bar on a terminal, which tool_progress_end() removes,
 * and one line every ten percent otherwise. */
#include <glib.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

#include "bitnet-tool.h"

enum { TOTAL = 1000 };

static void
report_all (gpointer label)
{
  for (guint done = 0; done <= TOTAL; done++)
    tool_progress (done, TOTAL, label);
  tool_progress_end ();
}

/* What report writes to stderr while that is fd; closes fd. */
static char *
capture (int fd, int read_fd, GFunc report, gpointer label)
{
  int saved = dup (STDERR_FILENO);
  GString *text = g_string_new (NULL);
  char buffer[4096];
  ssize_t n;

  dup2 (fd, STDERR_FILENO);
  close (fd);
  report (label, NULL);
  fsync (STDERR_FILENO);
  dup2 (saved, STDERR_FILENO);
  close (saved);
  /* A terminal without writers ends with EIO, a pipe with 0. */
  while ((n = read (read_fd, buffer, sizeof buffer)) > 0)
    g_string_append_len (text, buffer, n);
  close (read_fd);
  return g_string_free (text, FALSE);
}

static void
report_for_capture (gpointer label, gpointer unused)
{
  report_all (label);
}

static void
test_lines (void)
{
  int fds[2];
  g_autofree char *text = NULL;

  g_assert_cmpint (pipe (fds), ==, 0);
  text = capture (fds[1], fds[0], report_for_capture, (gpointer) "Loading");
  g_assert_cmpstr (text, ==,
      "Loading: 10 %\nLoading: 20 %\nLoading: 30 %\nLoading: 40 %\n"
      "Loading: 50 %\nLoading: 60 %\nLoading: 70 %\nLoading: 80 %\n"
      "Loading: 90 %\nLoading: 100 %\n");
}

static void
test_bar (void)
{
  int master, slave;
  g_autofree char *text = NULL;

  g_assert_cmpint (openpty (&master, &slave, NULL, NULL, NULL), ==, 0);
  text = capture (slave, master, report_for_capture, (gpointer) "Loading");
  g_assert_nonnull (strstr (text, "\rLoading ["));
  g_assert_nonnull (strstr (text, "#] 100 %"));
  g_assert_null (strchr (text, '\n'));
  g_assert_true (g_str_has_suffix (text, "\r\033[K"));
}

static void
report_unknown (gpointer label, gpointer unused)
{
  tool_progress (5 * 1000 * 1000, 0, label);
  tool_progress_end ();
}

/* Without a total there is nothing to say in lines, and bytes in a bar. */
static void
test_unknown_total (void)
{
  int fds[2], master, slave;
  g_autofree char *lines = NULL;
  g_autofree char *bar = NULL;

  g_assert_cmpint (pipe (fds), ==, 0);
  lines = capture (fds[1], fds[0], report_unknown, (gpointer) "Loading");
  g_assert_cmpstr (lines, ==, "");
  g_assert_cmpint (openpty (&master, &slave, NULL, NULL, NULL), ==, 0);
  bar = capture (slave, master, report_unknown, (gpointer) "Loading");
  g_assert_nonnull (strstr (bar, "Loading: 5.0 MB"));
}

static void
report_twice (gpointer label, gpointer unused)
{
  report_all (label);
  tool_progress (50, 100, (gpointer) "Packing");
  tool_progress (100, 100, (gpointer) "Packing");
  tool_progress_end ();
}

static void
test_second_work (void)
{
  int fds[2];
  g_autofree char *text = NULL;

  g_assert_cmpint (pipe (fds), ==, 0);
  text = capture (fds[1], fds[0], report_twice, (gpointer) "Loading");
  g_assert_true (g_str_has_suffix (
      text, "Loading: 100 %\nPacking: 50 %\nPacking: 100 %\n"));
}

static void
report_rate (gpointer label, gpointer unused)
{
  char *changing = g_strdup (label); /* it need not stay where it is */

  tool_progress_rate (25, 100, 12.3e6, 65, changing);
  memset (changing, 'x', strlen (changing));
  g_free (changing);
  tool_progress_rate (100, 100, 0, -1, label);
  tool_progress_end ();
}

static void
test_rate (void)
{
  int fds[2], master, slave;
  g_autofree char *lines = NULL;
  g_autofree char *bar = NULL;

  g_assert_cmpint (pipe (fds), ==, 0);
  lines = capture (fds[1], fds[0], report_rate, (gpointer) "Fetching a file");
  g_assert_cmpstr (lines, ==,
      "Fetching a file: 25 % 12.3 MB/s 1:05\nFetching a file: 100 %\n");
  g_assert_cmpint (openpty (&master, &slave, NULL, NULL, NULL), ==, 0);
  bar = capture (slave, master, report_rate, (gpointer) "Fetching a file");
  g_assert_nonnull (strstr (bar, "]  25 % 12.3 MB/s 1:05"));
}

static void
report_texts (gpointer label, gpointer unused)
{
  tool_progress_text (label);
  tool_progress_text (label);
  tool_progress_text ("Asking for another");
  tool_progress_end ();
}

/* A line for each, or one place for all. */
static void
test_texts (void)
{
  int fds[2], master, slave;
  g_autofree char *lines = NULL;
  g_autofree char *bar = NULL;

  g_assert_cmpint (pipe (fds), ==, 0);
  lines = capture (fds[1], fds[0], report_texts, (gpointer) "Asking for one");
  g_assert_cmpstr (lines, ==, "Asking for one\nAsking for another\n");
  g_assert_cmpint (openpty (&master, &slave, NULL, NULL, NULL), ==, 0);
  bar = capture (slave, master, report_texts, (gpointer) "Asking for one");
  g_assert_null (strchr (bar, '\n'));
  g_assert_true (g_str_has_suffix (bar, "Asking for another\033[K\r\033[K"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tool/C49/lines", test_lines);
  g_test_add_func ("/tool/C49/bar", test_bar);
  g_test_add_func ("/tool/C49/unknown-total", test_unknown_total);
  g_test_add_func ("/tool/C49/second-work", test_second_work);
  g_test_add_func ("/tool/C49/rate", test_rate);
  g_test_add_func ("/tool/C49/texts", test_texts);
  return g_test_run ();
}
