/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON of strangers. json-glib is lenient (single quotes, comments, text after
 * the value), cuts strings at \u0000 and recurses as deep as the text nests.
 * So the text is walked once before: what lies between strings consists of
 * nothing but brackets that match, separators and words, at most MAX_DEPTH
 * deep and with at most MAX_VALUES values, and strings end where JSON ends
 * them. What passes has no structure that json-glib could see otherwise; a
 * wrong word or a missing comma is left for it to find. */
#include "bn-net-json.h"

#include <string.h>
#include "bitnet-error.h"

enum {
  MAX_DEPTH = 64,
  MAX_VALUES = 1 << 21, /* json-glib needs about 100 bytes for each */
  UNICODE_DIGITS = 4,
  HIGH_SURROGATES = 0xd800,
  LOW_SURROGATES = 0xdc00,
  SURROGATES_END = 0xe000,
  FIRST_PRINTABLE = 0x20,
};

static const char space[] = " \t\n\r";

typedef struct {
  const char *name;
  const char *text; /* start, for positions in messages */
  const char *p;
  const char *end;
} Scan;

static gboolean
fail (const Scan *s, const char *problem, GError **error)
{
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
      "%s: is no valid JSON at byte %" G_GSIZE_FORMAT ": %s", s->name,
      (gsize) (s->p - s->text), problem);
  return FALSE;
}

/* The four digits after \u; -1 if they are not four. */
static int
take_unit (Scan *s)
{
  int unit = 0;

  for (guint i = 0; i < UNICODE_DIGITS; i++, s->p++) {
    if (s->p >= s->end || !g_ascii_isxdigit (*s->p))
      return -1;
    unit = unit * 16 + g_ascii_xdigit_value (*s->p);
  }
  return unit;
}

/* After the backslash. */
static gboolean
check_escape (Scan *s, GError **error)
{
  int unit;

  if (s->p >= s->end || *s->p == '\0' || !strchr ("\"\\/bfnrtu", *s->p))
    return fail (s, "no such escape", error);
  if (*s->p++ != 'u')
    return TRUE;
  unit = take_unit (s);
  if (unit <= 0)
    return fail (s, "no character has this number", error);
  if (unit < HIGH_SURROGATES || unit >= SURROGATES_END)
    return TRUE;
  if (unit < LOW_SURROGATES && s->end - s->p >= 2 && s->p[0] == '\\'
      && s->p[1] == 'u') {
    s->p += 2;
    unit = take_unit (s);
    if (unit >= LOW_SURROGATES && unit < SURROGATES_END)
      return TRUE;
  }
  return fail (s, "half of a surrogate pair", error);
}

/* After the opening quote. */
static gboolean
check_string (Scan *s, GError **error)
{
  while (s->p < s->end && *s->p != '"') {
    if ((guchar) *s->p < FIRST_PRINTABLE)
      return fail (s, "a control character in a string", error);
    if (*s->p++ == '\\' && !check_escape (s, error))
      return FALSE;
  }
  if (s->p >= s->end)
    return fail (s, "a string does not end", error);
  s->p++;
  return TRUE;
}

static gboolean
check (Scan *s, GError **error)
{
  char closing[MAX_DEPTH];
  guint depth = 0;
  gsize n_values = 0;

  while (s->p < s->end) {
    char c = *s->p;

    if (c == '{' || c == '[') {
      if (depth == MAX_DEPTH)
        return fail (s, "more than 64 levels", error);
      closing[depth++] = c == '{' ? '}' : ']';
    } else if (c == '}' || c == ']') {
      if (depth == 0 || closing[depth - 1] != c)
        return fail (s, "a bracket that nothing opened", error);
      depth--;
    } else if (c == '"') {
      s->p++;
      if (!check_string (s, error))
        return FALSE;
      continue;
    } else if (c == '\0'
               || (!g_ascii_isalnum (c) && !strchr (" \t\n\r:,+-.", c))) {
      return fail (s, "no JSON has this here", error);
    }
    if ((c == ',' || c == '{' || c == '[') && ++n_values > MAX_VALUES)
      return fail (s, "too many values", error);
    s->p++;
    if (depth == 0 && (c == '}' || c == ']'))
      break;
  }
  if (depth > 0)
    return fail (s, "the text ends too early", error);
  while (s->p < s->end && *s->p != '\0' && strchr (space, *s->p))
    s->p++;
  return s->p == s->end || fail (s, "text after the value", error);
}

JsonNode *
bn_net_json_parse (const char *data, gsize size, gsize max_size,
    const char *name, GError **error)
{
  Scan s = {name, data, data, data + size};
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (GError) json_error = NULL;
  JsonNode *root;

  if (size > max_size || size > G_MAXSSIZE) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
        "%s: JSON of %" G_GSIZE_FORMAT
        " bytes, expected at most %" G_GSIZE_FORMAT,
        name, size, max_size);
    return NULL;
  }
  if (!g_utf8_validate_len (data, size, &s.p)) {
    fail (&s, "not UTF-8", error);
    return NULL;
  }
  s.p = data;
  if (!check (&s, error))
    return NULL;
  parser = json_parser_new ();
  if (!json_parser_load_from_data (parser, data, (gssize) size, &json_error)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
        "%s: is no valid JSON: %s", name, json_error->message);
    return NULL;
  }
  root = json_parser_steal_root (parser);
  if (root == NULL)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
        "%s: is no valid JSON: it is empty", name);
  return root;
}

/* NULL if there is no such member or it is null. */
static JsonNode *
get_member (JsonObject *object, const char *name)
{
  JsonNode *node = object ? json_object_get_member (object, name) : NULL;

  return node && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

const char *
bn_net_json_get_string (JsonObject *object, const char *name)
{
  JsonNode *node = get_member (object, name);

  return node && JSON_NODE_HOLDS_VALUE (node)
                 && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

gint64
bn_net_json_get_int (JsonObject *object, const char *name, gint64 fallback)
{
  JsonNode *node = get_member (object, name);

  return node && JSON_NODE_HOLDS_VALUE (node)
                 && json_node_get_value_type (node) == G_TYPE_INT64
             ? json_node_get_int (node)
             : fallback;
}

gboolean
bn_net_json_get_boolean (JsonObject *object, const char *name)
{
  JsonNode *node = get_member (object, name);

  return node && JSON_NODE_HOLDS_VALUE (node)
         && json_node_get_value_type (node) == G_TYPE_BOOLEAN
         && json_node_get_boolean (node);
}

JsonObject *
bn_net_json_get_object (JsonObject *object, const char *name)
{
  JsonNode *node = get_member (object, name);

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                               : NULL;
}

JsonArray *
bn_net_json_get_array (JsonObject *object, const char *name)
{
  JsonNode *node = get_member (object, name);

  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node)
                                              : NULL;
}
