/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* usage: resolve-worker MODEL
 *
 * Resolves a model once, without any setting, and prints the strategy and the
 * identity of the tokenizer. For tests of several processes. */
#include <stdio.h>
#include "bitnet.h"

int
main (int argc, char **argv)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (GError) error = NULL;
  const char *strategy = "";

  if (argc != 2)
    return 2;
  tokenizer = bitnet_resolver_resolve_reference (
      resolver, argv[1], NULL, &resolution, &error);
  if (tokenizer == NULL) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  g_variant_lookup (resolution, "strategy", "&s", &strategy);
  printf ("%s %s\n", strategy, bitnet_tokenizer_get_id (tokenizer));
  return 0;
}
