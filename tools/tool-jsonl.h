/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON lines for the subcommands that work on streams: one object a line, in
 * and out, with memory for one line. Strings may hold U+0000, which json-glib
 * cannot represent. */
#pragma once

#include <gio/gio.h>

/* Reads lines from a file descriptor, which it does not close. */
typedef struct ToolLines ToolLines;

ToolLines *tool_lines_new (int fd);
void tool_lines_free (ToolLines *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ToolLines, tool_lines_free)

/* The next line that is not blank, without its end; valid until the next call.
 * FALSE at the end and on error. Before it waits for input, what has been
 * printed is flushed. */
gboolean tool_lines_next (
    ToolLines *self, const char **line, gsize *length, GError **error);

/* Number of the last line, from 1. */
guint64 tool_lines_get_number (const ToolLines *self);

/* The member key of the object in line: a string, an array of numbers from 0
 * to 2^32 - 1. Both replace what is in value. Messages name the column. */
gboolean tool_json_get_string (const char *line, gsize length, const char *key,
    GString *value, GError **error);
gboolean tool_json_get_ids (const char *line, gsize length, const char *key,
    GArray *value, GError **error);

/* Appends text, which is UTF-8, as a JSON string. */
void tool_json_append_string (GString *out, const char *text, gsize length);

/* Reads a file descriptor to its end; at most max_size bytes. */
gboolean tool_read_all (
    int fd, gsize max_size, GByteArray *contents, GError **error);
