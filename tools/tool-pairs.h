/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two ways to generate the same number of tokens, measured in turns: A B A B
 * ..., so that what else the machine does hits both. */
#pragma once

#include <bitnet/bitnet.h>
#include <json-glib/json-glib.h>

typedef struct {
  const char *test;     /* name of the row */
  const char *names[2]; /* of the ways */
  guint n_threads;
  GArray *rates[2]; /* of double: tokens/s of each round, sorted */
  GArray *ratios;   /* of double: of each round, second to first, sorted */
} ToolPairs;

/* Tokens per second of one run of a way, 0 or 1. */
typedef gboolean (*ToolPairsFunc) (
    guint way, double *rate, gpointer user_data, GError **error);

/* n_rounds of both ways after one round to warm up. */
gboolean tool_pairs_run (ToolPairs *self, guint n_rounds, ToolPairsFunc func,
    gpointer user_data, GError **error);
void tool_pairs_clear (ToolPairs *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ToolPairs, tool_pairs_clear)

/* A line for each way and one for the ratio. */
void tool_pairs_print (const ToolPairs *self);
void tool_pairs_add_json (const ToolPairs *self, JsonBuilder *builder);

/* Takes all tokens of a sequence; the rate is that of those behind the first
 * take, by the clock on the wall. */
gboolean tool_time_sequence (BitnetSequence *sequence,
    GCancellable *cancellable, double *rate, GError **error);
