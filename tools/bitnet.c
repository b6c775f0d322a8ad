/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet: one program, one subcommand per job. This file finds the subcommand
 * and prints the overview; each cmd-NAME.c does one job. */
#include <stdio.h>
#include <string.h>
#include "bitnet-tool.h"

static const BitnetCommand commands[] = {
  {NULL, NULL, NULL},
};

static void
print_overview (FILE *out)
{
  fprintf (out, "Usage: bitnet COMMAND [OPTION…]\n\n"
                "Runs quantized language models.\n\nCommands:\n");
  for (const BitnetCommand *c = commands; c->name; c++)
    fprintf (out, "  %-12s %s\n", c->name, c->summary);
  fprintf (out, "\nbitnet COMMAND --help says more.\n\n"
                "Exit status: 0 done, 1 failed, 2 wrong command line, "
                "130 interrupted.\n");
}

int
main (int argc, char **argv)
{
  if (argc < 2) {
    print_overview (stderr);
    return EXIT_USAGE;
  }
  if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0) {
    print_overview (stdout);
    return EXIT_OK;
  }
  for (const BitnetCommand *c = commands; c->name; c++) {
    if (strcmp (argv[1], c->name) == 0)
      return c->run (argc - 1, argv + 1);
  }
  fprintf (stderr, "bitnet: there is no command \"%s\"; bitnet --help lists them\n",
      argv[1]);
  return EXIT_USAGE;
}
