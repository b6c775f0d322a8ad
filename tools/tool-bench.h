/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the measuring commands share. */
#pragma once

#include <json-glib/json-glib.h>

/* The most memory this process ever had, bytes; 0 if the system does not
 * say. */
guint64 tool_get_peak_memory (void);

/* Text without what a terminal could take for a command. */
char *tool_make_printable (const char *text);

/* "1,2" as an array of guint; NULL, with a message, if it is something
 * else. */
GArray *tool_parse_threads (const char *command, const char *text);

/* Whether a number of the command line is in [min, max]; prints a message if
 * not. */
gboolean tool_check_range (
    const char *command, const char *name, int value, int min, int max);

/* Numbers in rising order. */
void tool_sort_doubles (GArray *numbers);

/* Members of the open JSON object; value may be NULL. */
void tool_json_add_string (
    JsonBuilder *builder, const char *name, const char *value);
void tool_json_add_int (JsonBuilder *builder, const char *name, guint64 value);
void tool_json_add_double (
    JsonBuilder *builder, const char *name, double value);

/* Prints what has been built. */
void tool_json_print (JsonBuilder *builder);
