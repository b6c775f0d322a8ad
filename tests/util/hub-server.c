/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serves folders as repositories, for trying things by hand and from other
 * processes. Prints the address of the hub and ends with its input.
 *
 * Usage: hub-server OWNER/NAME FOLDER [OWNER/NAME FOLDER]...
 *            [MILLISECONDS-BEFORE-EACH-ANSWER] */
#include <stdio.h>
#include <stdlib.h>

#include "test-hub.h"

int
main (int argc, char **argv)
{
  g_autoptr (TestHub) hub = NULL;
  int i;

  if (argc < 3) {
    g_printerr ("usage: %s OWNER/NAME FOLDER... [MILLISECONDS]\n", argv[0]);
    return EXIT_FAILURE;
  }
  hub = test_hub_new (0);
  for (i = 1; i + 1 < argc; i += 2) {
    test_hub_add_repo (hub, argv[i], TEST_HUB_COMMIT);
    test_hub_add_folder (hub, argv[i], argv[i + 1]);
  }
  if (i < argc)
    test_hub_add_fault (hub,
        &(TestFault){.delay_ms = (guint) g_ascii_strtoull (argv[i], NULL, 10)});
  g_print ("%s\n", test_hub_get_endpoint (hub));
  fflush (stdout);
  while (getchar () != EOF)
    continue;
  return EXIT_SUCCESS;
}
