/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet pull: a model from a hub onto this machine. Prints its path, so that
 * `bitnet infer -m "$(bitnet pull owner/name)"` works. */
#include <stdio.h>

#include "bitnet-tool.h"
#include "tool-engine.h"
#include "tool-record.h"

#define COMMAND "pull"

typedef struct {
  char *revision, *sha256, *cache_dir, *endpoint;
  gboolean offline;
} Options;

static void
options_clear (Options *self)
{
  g_free (self->revision);
  g_free (self->sha256);
  g_free (self->cache_dir);
  g_free (self->endpoint);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  const GOptionEntry entries[] = {
      {"revision", 0, 0, G_OPTION_ARG_STRING, &options->revision,
          "Branch, tag or commit [main]", "REV"},
      {"sha256", 0, 0, G_OPTION_ARG_STRING, &options->sha256,
          "Digest the file must have, in hexadecimal", "DIGEST"},
      {"cache-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->cache_dir,
          "Folder of fetched models [the user's cache]", "FOLDER"},
      {"endpoint", 0, 0, G_OPTION_ARG_STRING, &options->endpoint,
          "Address of the hub or of a mirror", "URL"},
      {"offline", 0, 0, G_OPTION_ARG_NONE, &options->offline,
          "Only say where the model is, without the network", NULL},
      G_OPTION_ENTRY_NULL,
  };

  if (!tool_parse_options (argc, argv, entries, "REFERENCE",
          "Fetches a model from a hub and prints the path of the file.",
          "REFERENCE is hf://owner/name[@revision]/file.gguf, or "
          "owner/name[:quantization], which\nleaves the choice of the file to "
          "the program: Q4_K_M if there is one. A download that\nwas "
          "interrupted goes on where it stopped; a file that is here is not "
          "fetched again.\n"
          "\n"
          "Examples:\n"
          "  bitnet pull owner/name:Q4_K_M\n"
          "  bitnet pull hf://owner/name/model.gguf --revision v1\n"
          "  bitnet infer -m \"$(bitnet pull owner/name)\" -p Hello\n"
          "\n"
          "Exit status: 0 the file is here, 1 failed, 2 wrong command line, "
          "130 interrupted.",
          status))
    return FALSE;
  *status = EXIT_USAGE;
  if (*argc != 2) {
    tool_fail_usage (
        COMMAND, "expected one model, found %d arguments", *argc - 1);
    return FALSE;
  }
  if (!bitnet_hub_is_reference ((*argv)[1])) {
    tool_fail_usage (COMMAND,
        "\"%s\" names no model on a hub, expected "
        "hf://owner/name/file.gguf or owner/name[:quantization]",
        (*argv)[1]);
    return FALSE;
  }
  return TRUE;
}

static BitnetHub *
new_hub (const Options *options)
{
  BitnetHub *hub = bitnet_hub_new ();

  if (options->revision)
    g_object_set (hub, "revision", options->revision, NULL);
  if (options->cache_dir)
    g_object_set (hub, "cache-dir", options->cache_dir, NULL);
  if (options->endpoint)
    g_object_set (hub, "endpoint", options->endpoint, NULL);
  if (options->offline)
    g_object_set (hub, "offline", TRUE, NULL);
  return hub;
}

static int
fail (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return EXIT_INTERRUPTED;
  if (g_error_matches (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT))
    return tool_fail_usage (COMMAND, "%s", error->message);
  tool_fail (COMMAND, "%s", error->message);
  if (g_error_matches (error, BITNET_ERROR, BITNET_ERROR_OFFLINE))
    fputs (
        "Try:\n  - turn offline mode off, or fetch it while online\n", stderr);
  else if (error->domain == BITNET_ERROR)
    fprintf (stderr, "Try:\n  - %s\n",
        bitnet_error_get_hint ((BitnetError) error->code));
  return EXIT_FAILED;
}

int
cmd_pull (int argc, char **argv)
{
  g_auto (Options) options = {0};
  g_autoptr (BitnetHub) hub = NULL;
  g_autoptr (GCancellable) cancellable = NULL;
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!parse (&options, &argc, &argv, &status))
    return status;
  hub = new_hub (&options);
  cancellable = tool_watch_interrupt ();
  path = bitnet_hub_fetch_model (
      hub, argv[1], options.sha256, tool_transfer, NULL, cancellable, &error);
  tool_progress_end ();
  if (path == NULL)
    return fail (error);
  puts (path);
  return tool_finish_output (COMMAND);
}
