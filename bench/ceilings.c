/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this machine can do at best, with 1, 2, ... threads: the ceilings that
 * every speed is stated as a fraction of.
 *
 *   read    GB/s of plain sums over a buffer far larger than the caches
 *   stream  GB/s of the pattern of a matrix-vector product (tool-probe.h)
 *   int8    GMAC/s of products of bytes summed to int32 in registers: vpdpbusd
 *           on 512 bits, maddubs on 256
 *
 * Best of several passes. Buffers lie in huge pages where there are any. */
#include <glib.h>
#include <stdio.h>

#include "tool-probe.h"

enum {
  BUFFER_SIZE = 1 << 30,
  N_PASSES = 7,
};

/* In thousands of millions. */
static double
measure (ToolProbe *probe, ToolProbeKind kind)
{
  double best = 0;

  for (int pass = 0; pass < N_PASSES; pass++)
    best = MAX (best, tool_probe_run (probe, kind, 1));
  return best / 1e9;
}

int
main (int argc, char **argv)
{
  int n_threads = (int) g_get_num_processors ();
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
      {"threads", 't', 0, G_OPTION_ARG_INT, &n_threads,
          "Most threads [one for each processor]", "N"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL},
      {NULL},
  };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("- what this machine can do at best");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)
      || n_threads < 1) {
    g_printerr ("ceilings: %s\n", error ? error->message : "no threads");
    return 2;
  }
  if (json)
    puts ("[");
  for (guint n = 1; n <= (guint) n_threads; n++) {
    ToolProbe *probe = tool_probe_new (n, BUFFER_SIZE);

    if (probe == NULL) {
      perror ("ceilings");
      return 1;
    }
    double read = measure (probe, TOOL_PROBE_READ);
    double stream = measure (probe, TOOL_PROBE_STREAM);
    double int8 = measure (probe, TOOL_PROBE_MULTIPLY);

    printf (json ? "  {\"threads\": %u, \"read\": %.2f, \"stream\": %.2f, "
                   "\"int8\": %.1f}%s\n"
                 : "%u threads  read %6.1f GB/s  stream %6.1f GB/s  "
                   "int8 %7.1f GMAC/s%s\n",
        n, read, stream, int8, json && n < (guint) n_threads ? "," : "");
    tool_probe_free (probe);
  }
  if (json)
    puts ("]");
  return 0;
}
