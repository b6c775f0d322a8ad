/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the subcommands of the program share. */
#pragma once

#include <glib.h>

/* Exit codes, documented in `bitnet --help`. */
enum {
  EXIT_OK = 0,
  EXIT_FAILED = 1,        /* the work failed; the reason is on stderr */
  EXIT_USAGE = 2,         /* the command line is wrong */
  EXIT_INTERRUPTED = 130, /* Ctrl-C */
};

/* One subcommand: arguments as of main(), argv[0] its own name. */
typedef struct {
  const char *name;
  const char *summary; /* one line of `bitnet --help` */
  int (*run) (int argc, char **argv);
} BitnetCommand;

int cmd_inspect (int argc, char **argv);
int cmd_tokenize (int argc, char **argv);
int cmd_detokenize (int argc, char **argv);
int cmd_logits (int argc, char **argv);
int cmd_infer (int argc, char **argv);
int cmd_perplexity (int argc, char **argv);
int cmd_bench (int argc, char **argv);
int cmd_bench_tokenizer (int argc, char **argv); /* bench --tokenizer */
int cmd_bench_discovery (
    int argc, char **argv); /* bench --tokenizer-discovery-overhead */
int cmd_bench_ceilings (int argc, char **argv); /* bench --ceilings */
int cmd_bench_layers (int argc, char **argv);   /* bench --layers */
int cmd_bench_drafts (int argc, char **argv);   /* bench --draft-gain */
int cmd_bench_pipeline (int argc, char **argv); /* bench --pipeline */
int cmd_cache (int argc, char **argv);
int cmd_pull (int argc, char **argv);
int cmd_resolve (int argc, char **argv);
int cmd_strategies (int argc, char **argv);
int cmd_synth (int argc, char **argv);
int cmd_quantize (int argc, char **argv);
int cmd_template (int argc, char **argv);

/* Parses GNOME-style options: entries, "[OPTION…] rest" and a description
 * that ends in examples. On failure or --help prints and sets *status;
 * returns FALSE when the command is to return *status. */
gboolean tool_parse_options (int *argc, char ***argv,
    const GOptionEntry *entries, const char *parameters, const char *summary,
    const char *description, int *status);

/* Text without what a terminal could take for a command; the second form keeps
 * ends of lines. (transfer full) */
char *tool_make_printable (const char *text);
char *tool_make_printable_lines (const char *text);

/* Prints "bitnet NAME: message" to stderr; returns EXIT_FAILED. */
int tool_fail (const char *command, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/* For a wrong command line: also points to --help; returns EXIT_USAGE. */
int tool_fail_usage (const char *command, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/* Ends a command whose results went to stdout: fails if they did not all get
 * there. Returns the exit status. */
int tool_finish_output (const char *command);

/* Progress of long work on stderr: a bar on a terminal, a line every ten
 * percent otherwise. Signature of BitnetProgressFunc; user_data is the label.
 * tool_progress_end() clears the bar. */
void tool_progress (guint64 done, guint64 total, gpointer label);
/* The same with bytes per second (0: unknown) and seconds to go (-1:
 * unknown). */
void tool_progress_rate (
    guint64 done, guint64 total, double rate, double eta, const char *label);
/* Work that cannot be measured: its text in place of the bar, or a line. */
void tool_progress_text (const char *text);
void tool_progress_end (void);

/* A file at a path relative to the folder of the running program, for a
 * program that runs where it was built; NULL if there is none. */
char *tool_beside_program (const char *relative_path);

/* The demo model: $BITNET_DATA_DIR/demo.gguf, else the one of the build folder
 * the program runs from, else the installed one. */
char *tool_default_model (void);
