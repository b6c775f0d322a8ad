/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON of strangers, with bounds that json-glib does not have. */
#pragma once

#include <json-glib/json-glib.h>

/* The value of at most max_size bytes and 64 levels, or NULL with
 * BITNET_ERROR_HTTP, the name and the place. */
JsonNode *bn_net_json_parse (const char *data, gsize size, gsize max_size,
    const char *name, GError **error);

/* Members of an object, NULL, 0 or FALSE where they are absent or of another
 * type. */
const char *bn_net_json_get_string (JsonObject *object, const char *name);
gint64 bn_net_json_get_int (
    JsonObject *object, const char *name, gint64 fallback);
gboolean bn_net_json_get_boolean (JsonObject *object, const char *name);
JsonObject *bn_net_json_get_object (JsonObject *object, const char *name);
JsonArray *bn_net_json_get_array (JsonObject *object, const char *name);
