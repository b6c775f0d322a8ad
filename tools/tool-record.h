/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dictionaries of the library for people and programs: rows of text, JSON, and
 * the progress of searches and downloads. */
#pragma once

#include <bitnet/bitnet.h>
#include <json-glib/json-glib.h>

/* Value of the open member of builder. Dictionaries become objects; names of
 * members are written with _ in place of -, other keys (strategies, codes) as
 * they are. */
void tool_json_add_variant (JsonBuilder *builder, GVariant *variant);

/* Members of a dictionary a{sv} in the open JSON object. */
void tool_json_add_members (JsonBuilder *builder, GVariant *dictionary);

/* Prints a dictionary, a row for each member, others indented below it. */
void tool_print_rows (GVariant *dictionary, guint indent);

/* "12.3 MB" (transfer full). */
char *tool_format_size (guint64 size);

/* What bitnet_resolver_resolve() says of a search: rows of what was found, or
 * the report of a failure. */
void tool_print_resolution (GVariant *record);

/* Signature of BitnetTransferFunc: a bar on a terminal, lines otherwise. */
void tool_transfer (const BitnetProgress *progress, gpointer unused);

/* Shows strategies, transfers and warnings of a resolver on stderr. */
void tool_watch_resolver (const char *command, BitnetResolver *resolver);
