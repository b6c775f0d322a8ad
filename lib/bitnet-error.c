/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The error domain of the library and its registration as an enum type. */
#include "bitnet-error.h"

/* The first argument becomes a string as it is written. */
/* clang-format off */
G_DEFINE_QUARK (bitnet-error-quark, bitnet_error)
/* clang-format on */

GType
bitnet_error_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
#define VALUE(name, nick) {BITNET_ERROR_##name, "BITNET_ERROR_" #name, nick}
      VALUE (NOT_FOUND, "not-found"),
      VALUE (READ, "read"),
      VALUE (NOT_GGUF, "not-gguf"),
      VALUE (TRUNCATED, "truncated"),
      VALUE (CORRUPT, "corrupt"),
      VALUE (UNSUPPORTED_VERSION, "unsupported-version"),
      VALUE (UNSUPPORTED_ARCHITECTURE, "unsupported-architecture"),
      VALUE (UNSUPPORTED_QUANTIZATION, "unsupported-quantization"),
      VALUE (TOKENIZER, "tokenizer"),
      VALUE (VOCAB_MISMATCH, "vocab-mismatch"),
      VALUE (ENCODING, "encoding"),
      VALUE (TEMPLATE, "template"),
      VALUE (CONTEXT_FULL, "context-full"),
      VALUE (NUMERIC, "numeric"),
      VALUE (NETWORK, "network"),
      VALUE (HTTP, "http"),
      VALUE (DIGEST, "digest"),
      VALUE (OUT_OF_MEMORY, "out-of-memory"),
      VALUE (DEVICE, "device"),
      VALUE (INVALID_ARGUMENT, "invalid-argument"),
      VALUE (WRITE, "write"),
      VALUE (TEMPLATE_RAISED, "template-raised"),
#undef VALUE
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("BitnetError", values));
  return type;
}
