/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet: one program, one subcommand per job. This file finds the subcommand
 * and prints the overview; each cmd-NAME.c does one job. */
#include "bitnet-tool.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include "bitnet-version.h"

static const BitnetCommand commands[] = {
    {"infer", "Answer a prompt", cmd_infer},
    {"inspect", "Show what a model file contains", cmd_inspect},
    {"tokenize", "Turn text into token ids", cmd_tokenize},
    {"detokenize", "Turn token ids into text", cmd_detokenize},
    {"resolve", "Find the tokenizer of a model", cmd_resolve},
    {"strategies", "List the ways to find a tokenizer", cmd_strategies},
    {"pull", "Fetch a model from a hub", cmd_pull},
    {"cache", "Show and tidy what was fetched", cmd_cache},
    {"template", "Write a conversation as a model wants it", cmd_template},
    {"quantize", "Write a model in another type", cmd_quantize},
    {"logits", "Compute what a model predicts after given tokens", cmd_logits},
    {"perplexity", "Measure how well a model predicts a text", cmd_perplexity},
    {"bench", "Measure how fast a model runs (also: benchmark)", cmd_bench},
    {"synth", "Write a model of random weights", cmd_synth},
    {NULL, NULL, NULL},
};

static void
print_overview (FILE *out)
{
  fprintf (out, "Usage:\n  bitnet COMMAND [OPTION…]\n\n"
                "Runs quantized language models.\n\nCommands:\n");
  for (const BitnetCommand *c = commands; c->name; c++)
    fprintf (out, "  %-12s %s\n", c->name, c->summary);
  fputs ("\nOptions:\n"
         "  -h, --help   Show this overview; after a command, its options\n"
         "  --version    Show the version\n"
         "\nExamples:\n"
         "  bitnet infer -p \"Once upon a time\"\n"
         "  bitnet infer -m model.gguf -p \"Why is the sky blue?\" -n 64\n"
         "  bitnet infer -m owner/name:Q4_K_M -p \"Hello\"\n"
         "  bitnet resolve -m model.gguf\n"
         "  bitnet inspect model.gguf\n"
         "\nExit status:\n"
         "  0 done, 1 failed, 2 wrong command line, 130 interrupted\n",
      out);
}

/* Arguments are UTF-8 also where the environment names no locale, as in
 * containers. Numbers keep the C locale. */
static void
set_locale (void)
{
  setlocale (LC_CTYPE, "");
  if (strcmp (nl_langinfo (CODESET), "UTF-8") != 0)
    setlocale (LC_CTYPE, "C.UTF-8");
}

static const BitnetCommand *
find_command (const char *name)
{
  if (strcmp (name, "benchmark") == 0)
    name = "bench";
  for (const BitnetCommand *c = commands; c->name; c++) {
    if (strcmp (name, c->name) == 0)
      return c;
  }
  return NULL;
}

int
main (int argc, char **argv)
{
  const BitnetCommand *command;

  set_locale ();
  g_set_prgname ("bitnet");
  if (argc < 2) {
    print_overview (stderr);
    return EXIT_USAGE;
  }
  if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0
      || strcmp (argv[1], "help") == 0) {
    print_overview (stdout);
    return EXIT_OK;
  }
  if (strcmp (argv[1], "--version") == 0) {
    puts ("bitnet " BITNET_VERSION);
    return EXIT_OK;
  }
  command = find_command (argv[1]);
  if (command == NULL) {
    fprintf (stderr,
        "bitnet: there is no command \"%s\"; bitnet --help lists them\n",
        argv[1]);
    return EXIT_USAGE;
  }
  return command->run (argc - 1, argv + 1);
}
