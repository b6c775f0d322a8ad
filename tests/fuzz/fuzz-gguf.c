/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a GGUF file: refused with one clear message, or accepted and
 * then every accessor works within the bytes. */
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet-error.h"
#include "bn-gguf.h"
#include "fuzz.h"

enum { MAX_ELEMENTS = 64 }; /* of an array that are looked at */

static volatile uint8_t sink;

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

static void
visit_kv (const BnGguf *gguf, const BnGgufKv *kv)
{
  uint64_t last = kv->count ? kv->count - 1 : 0;
  uint64_t number;
  int64_t integer;
  double real;
  gboolean truth;
  const char *text;
  size_t length;

  check (bn_gguf_find_kv (gguf, kv->key) == kv, "a key is found");
  for (uint64_t n = 0; n < MAX_ELEMENTS; n++) {
    uint64_t i = n == 0 ? last : n; /* also one beyond the end */

    bn_gguf_kv_get_uint (kv, i, &number);
    bn_gguf_kv_get_int (kv, i, &integer);
    bn_gguf_kv_get_double (kv, i, &real);
    bn_gguf_kv_get_bool (kv, i, &truth);
    if (bn_gguf_kv_get_string (kv, i, &text, &length) && length > 0)
      sink = (uint8_t) (text[0] ^ text[length - 1]);
  }
  g_free (bn_gguf_dup_string (gguf, kv->key));
}

static void
visit_tensor (const BnGguf *gguf, const BnGgufTensor *tensor)
{
  check (
      bn_gguf_find_tensor (gguf, tensor->name) == tensor, "a tensor is found");
  check (bn_type_info (tensor->type) != NULL, "a type is known");
  check (tensor->size > 0, "a tensor has a size");
  sink = tensor->data[0] ^ tensor->data[tensor->size - 1];
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (bytes, "fuzz", &error);

  if (!gguf) {
    check (error && error->domain == BITNET_ERROR, "an error is set");
    check (strstr (error->message, ": at byte ")
               && strstr (error->message, ", expected ")
               && !strpbrk (error->message, "\r\n")
               && g_utf8_validate (error->message, -1, NULL),
        "a message is clear");
    return 0;
  }
  for (size_t i = 0; i < bn_gguf_get_n_kvs (gguf); i++)
    visit_kv (gguf, bn_gguf_get_kv (gguf, i));
  for (size_t i = 0; i < bn_gguf_get_n_tensors (gguf); i++)
    visit_tensor (gguf, bn_gguf_get_tensor (gguf, i));
  return 0;
}
