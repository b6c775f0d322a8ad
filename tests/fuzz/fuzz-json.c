/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON of any kind: it is refused with one line, or every value of it can be
 * read. The reader of the public layer must agree on what is JSON. */
#include <stdlib.h>
#include <string.h>

#include "bitnet-private.h"
#include "fuzz.h"
#include "text/bn-json.h"
#include "text/bn-unicode.h"

enum { MAX_SIZE = 1 << 20 };

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

static void
check_message (const GError *error)
{
  check (error != NULL, "there is an error");
  check (!strpbrk (error->message, "\r\n")
             && g_utf8_validate (error->message, -1, NULL),
      "a message is one line of text");
}

static size_t
walk (BnJson value, GString *buffer)
{
  BnJson key = value, child;
  BnJsonIter iter;
  const char *text;
  size_t length, bad, n = 1;
  uint64_t number;

  switch (bn_json_get_type (value)) {
    case BN_JSON_STRING:
      bn_json_get_string (value, buffer, &text, &length);
      check (bn_utf8_validate ((const uint8_t *) text, length, &bad),
          "strings are UTF-8");
      break;
    case BN_JSON_NUMBER:
      if (bn_json_get_uint (value, 1 << 20, &number))
        check (bn_json_get_double (value) == (double) number,
            "both ways to read a number agree");
      break;
    case BN_JSON_ARRAY:
    case BN_JSON_OBJECT:
      bn_json_iter_init (&iter, value);
      while (bn_json_iter_next (&iter, &key, &child)) {
        if (bn_json_get_type (value) == BN_JSON_OBJECT)
          check (bn_json_get_type (key) == BN_JSON_STRING, "names are strings");
        n += walk (child, buffer);
      }
      break;
    default:
      break;
  }
  if (n == 1) {
    g_autoptr (GError) error = NULL;

    bn_json_fail (value, &error, "nothing");
    check_message (error);
  }
  return n;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  BnJsonDocument document = {
      .path = "fuzz", .text = (const char *) data, .size = size};
  BnJson root;
  g_autoptr (GString) buffer = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) other = NULL;

  if (size > MAX_SIZE)
    return 0;
  other = bitnet_json_parse ((const char *) data, (gssize) size, size, NULL);
  if (!bn_json_open (&document, &root, &error)) {
    check_message (error);
    check (other == NULL, "both readers refuse");
    return 0;
  }
  check (other != NULL
             || g_strstr_len ((const char *) data, (gssize) size, "\\u0000"),
      "both readers accept");
  walk (root, buffer);
  return 0;
}
