/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The error domain of the library, its registration as an enum type, and what
 * a user can do about each code. */
#include "bitnet-error.h"

#include <string.h>

/* The first argument becomes a string as it is written. */
/* clang-format off */
G_DEFINE_QUARK (bitnet-error-quark, bitnet_error)
/* clang-format on */

#define PREFIX "BITNET_ERROR_"

/* In the order of the enum. */
static const struct {
  GEnumValue value;
  const char *hint;
} codes[] = {
#define ROW(name, nick, hint)                                                  \
  {                                                                            \
    {BITNET_ERROR_##name, PREFIX #name, nick}, hint                            \
  }
    ROW (NOT_FOUND, "not-found",
        "check the path; the message lists where was looked"),
    ROW (READ, "read",
        "check that the file is a regular one and that you may read "
        "it"),
    ROW (NOT_GGUF, "not-gguf",
        "name a GGUF file; other formats have to be converted first"),
    ROW (TRUNCATED, "truncated",
        "fetch the file again, its download was not complete"),
    ROW (CORRUPT, "corrupt", "fetch or convert the file again"),
    ROW (UNSUPPORTED_VERSION, "unsupported-version",
        "convert the model again with a current converter, "
        "little-endian"),
    ROW (UNSUPPORTED_ARCHITECTURE, "unsupported-architecture",
        "use a model of one of the architectures that the message "
        "lists"),
    ROW (UNSUPPORTED_QUANTIZATION, "unsupported-quantization",
        "use another quantization of the model"),
    ROW (TOKENIZER, "tokenizer",
        "fetch the tokenizer file again, or name another one with "
        "tokenizer="),
    ROW (VOCAB_MISMATCH, "vocab-mismatch",
        "use the tokenizer of the model's own family, or name its "
        "repository with tokenizer-repo="),
    ROW (ENCODING, "encoding", "give text in UTF-8"),
    ROW (TEMPLATE, "template",
        "choose another chat template with template=, or none"),
    ROW (CONTEXT_FULL, "context-full",
        "shorten the prompt or raise context-size"),
    ROW (NUMERIC, "numeric",
        "fetch the model again; its weights give no numbers"),
    ROW (NETWORK, "network",
        "check the connection and the proxy variables, or name a "
        "mirror with HF_ENDPOINT"),
    ROW (HTTP, "http",
        "read the server's message; check endpoint and repository"),
    ROW (DIGEST, "digest",
        "fetch the file again; if it fails again, something on the "
        "way changes it"),
    ROW (OUT_OF_MEMORY, "out-of-memory",
        "close other programs, or use a smaller model or context"),
    ROW (DEVICE, "device", "use device=cpu, or install the device's driver"),
    ROW (INVALID_ARGUMENT, "invalid-argument",
        "correct the setting that the message names"),
    ROW (WRITE, "write", "check free space and permissions of the folder"),
    ROW (TEMPLATE_RAISED, "template-raised",
        "change the conversation as the template's message asks"),
    ROW (INVALID_MODEL, "invalid-model",
        "check the model file's size or digest and fetch it again"),
    ROW (NO_EMBEDDED_TOKENIZER, "no-embedded-tokenizer",
        "put tokenizer.json beside the model, name one with "
        "tokenizer=, or convert the model again with its tokenizer"),
    ROW (UNSUPPORTED_TOKENIZER, "unsupported-tokenizer",
        "use another tokenizer file of the model, or a newer "
        "version of this library"),
    ROW (UNKNOWN_PRETOKENIZER, "unknown-pretokenizer",
        "put the model's tokenizer.json beside it, or turn strict "
        "mode off"),
    ROW (AMBIGUOUS, "ambiguous", "name the right one with tokenizer="),
    ROW (NO_SOURCE, "no-source",
        "name the repository that has the tokenizer with "
        "tokenizer-repo="),
    ROW (OFFLINE, "offline",
        "turn offline mode off, or fetch before with \"bitnet "
        "resolve\" while online"),
    ROW (DOWNLOAD_DISABLED, "download-disabled",
        "allow it with allow-download=true or --auto-download"),
    ROW (REPO_NOT_FOUND, "repo-not-found",
        "check the spelling; a private repository needs HF_TOKEN"),
    ROW (REVISION_NOT_FOUND, "revision-not-found",
        "check revision=, or leave it at main"),
    ROW (ENTRY_NOT_FOUND, "entry-not-found",
        "check the file's name in the repository"),
    ROW (GATED, "gated",
        "accept the terms on the repository's page and set "
        "HF_TOKEN, or use an ungated repository with the same "
        "tokenizer"),
    ROW (AUTH_INVALID, "auth-invalid",
        "set HF_TOKEN to a valid access token, or unset it"),
    ROW (FORBIDDEN, "forbidden",
        "give the access token the right to read this repository"),
    ROW (RATE_LIMITED, "rate-limited",
        "wait as long as the message says; with HF_TOKEN limits are "
        "higher"),
    ROW (TRANSIENT, "transient",
        "try again later, or name a mirror with HF_ENDPOINT"),
    ROW (CIRCUIT_OPEN, "circuit-open",
        "wait as long as the message says, or name a mirror with "
        "HF_ENDPOINT"),
    ROW (TIMEOUT, "timeout",
        "try again, or raise timeout= or BITNET_DOWNLOAD_TIMEOUT"),
    ROW (TLS, "tls",
        "check the clock and the CA certificates; SSL_CERT_FILE "
        "names further ones"),
    ROW (TOO_LARGE, "too-large", "check that the file is what it should be"),
    ROW (CACHE_IO, "cache-io",
        "check the cache folder, or name another with "
        "BITNET_TOKENIZER_CACHE; \"bitnet cache verify\" finds "
        "broken entries"),
    ROW (NO_SPACE, "no-space",
        "free space on the disk, or name another folder; \"bitnet "
        "cache prune\" removes what is not used"),
    ROW (PERMISSION, "permission",
        "make the cache folder yours alone, or name another with "
        "BITNET_TOKENIZER_CACHE"),
    ROW (STRICT_MODE, "strict-mode",
        "turn strict mode off, or give the model's own tokenizer"),
    ROW (ALL_FAILED, "all-failed", "follow the suggestions of the report"),
#undef ROW
};

GType
bitnet_error_get_type (void)
{
  static gsize type = 0;
  static GEnumValue values[G_N_ELEMENTS (codes) + 1];

  if (g_once_init_enter (&type)) {
    for (gsize i = 0; i < G_N_ELEMENTS (codes); i++)
      values[i] = codes[i].value;
    g_once_init_leave (&type, g_enum_register_static ("BitnetError", values));
  }
  return type;
}

const char *
bitnet_error_get_name (BitnetError code)
{
  if ((gsize) code >= G_N_ELEMENTS (codes))
    return "UNKNOWN";
  return codes[code].value.value_name + strlen (PREFIX);
}

const char *
bitnet_error_get_hint (BitnetError code)
{
  if ((gsize) code >= G_N_ELEMENTS (codes))
    return "read the message";
  return codes[code].hint;
}
