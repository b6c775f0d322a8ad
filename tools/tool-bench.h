/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the measuring commands share. */
#pragma once

#include <bitnet/bitnet.h>
#include <json-glib/json-glib.h>

enum {
  TOOL_DEFAULT_RUNS = 5,
  TOOL_MAX_RUNS = 10000,
  TOOL_MAX_THREADS = 1024,
};

/* The most memory this process ever had, bytes; 0 if the system does not
 * say. */
guint64 tool_get_peak_memory (void);

/* "1,2" of --name as an array of guint from 1 to max; NULL, with a message, if
 * it is something else. */
GArray *tool_parse_numbers (
    const char *command, const char *name, const char *text, guint max);

/* The same of --threads; without a text one number, 0: as many as the engine
 * thinks good. */
GArray *tool_parse_threads (const char *command, const char *text);

/* Whether a number of the command line is in [min, max]; prints a message if
 * not. */
gboolean tool_check_range (
    const char *command, const char *name, int value, int min, int max);

/* Asks for max_tokens behind n_prompt random tokens. The draw is greedy: about
 * what the programs of others measure, which draw nothing. */
BitnetSequence *tool_submit_random (BitnetEngine *engine, GRand *rand,
    guint n_prompt, guint max_tokens, GError **error);

/* What is measured: a prompt, or tokens generated behind a short one. */
typedef struct {
  guint n_prompt;
  guint n_generate;  /* behind the first token; 0: the prompt */
  guint n_sequences; /* that do it at once */
} ToolTest;

/* An engine that is ready. Its cache has room for one run of the test, so that
 * the one that warms up has been everywhere in it: memory that the system gives
 * for the first time would be counted as computation. A test that does not fit
 * a model with learned positions is made shorter. */
BitnetEngine *tool_open_engine (BitnetModel *model,
    BitnetEngineOptions *options, ToolTest *test, GCancellable *cancellable,
    GError **error);

/* pp512, tg128, tg128x4 */
void tool_name_test (const ToolTest *test, char *name, gsize size);
/* Runs it once, with random prompts; rate: tokens a second of all sequences, by
 * the time of the one that took longest. */
gboolean tool_run_test (BitnetEngine *engine, GRand *rand, const ToolTest *test,
    double *rate, GCancellable *cancellable, GError **error);

/* Takes the tokens of all (of BitnetSequence) to their end, in turns: one whose
 * tokens nobody takes would be paused. */
gboolean tool_take_all (
    const GPtrArray *sequences, GCancellable *cancellable, GError **error);

/* The runs of one test: an array of double, at least one, which is put in
 * rising order before anything is asked of it. */
void tool_sort_rates (GArray *rates);
double tool_get_least (const GArray *rates);
double tool_get_median (const GArray *rates);
double tool_get_most (const GArray *rates);
/* What a part of them is below: .25 for the lower quartile. */
double tool_get_quantile (const GArray *rates, double part);

/* Members of the open JSON object; value may be NULL. */
void tool_json_add_string (
    JsonBuilder *builder, const char *name, const char *value);
void tool_json_add_int (JsonBuilder *builder, const char *name, guint64 value);
void tool_json_add_double (
    JsonBuilder *builder, const char *name, double value);
/* Three of them: median, min, max. */
void tool_json_add_rates (JsonBuilder *builder, const GArray *rates);

/* Prints what has been built. */
void tool_json_print (JsonBuilder *builder);
