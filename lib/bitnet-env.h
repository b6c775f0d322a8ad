/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Environment variables, read the same way in every layer. Not installed. */
#pragma once

#include <glib.h>

/* TRUE for 1, true, yes, on in any case; FALSE for empty, 0, false, no, off;
 * anything else warns once and gives FALSE. fallback if unset. */
gboolean bitnet_env_boolean (const char *name, gboolean fallback);

/* An unsigned number; anything else warns once and gives fallback. */
guint64 bitnet_env_uint64 (const char *name, guint64 fallback);

/* The value, NULL if it is unset or empty. */
const char *bitnet_env_string (const char *name);
