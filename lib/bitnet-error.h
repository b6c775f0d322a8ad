/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The error domain of the library. */
#pragma once

#include <glib.h>
#include <glib-object.h>
#include "bitnet-version.h"

G_BEGIN_DECLS

/**
 * BitnetError:
 * @BITNET_ERROR_NOT_FOUND: a file, tokenizer or repository does not exist
 * @BITNET_ERROR_READ: a file exists but cannot be read or mapped
 * @BITNET_ERROR_NOT_GGUF: the file is of another kind (wrong magic)
 * @BITNET_ERROR_TRUNCATED: the file ends before its contents do
 * @BITNET_ERROR_CORRUPT: the file contradicts itself or a limit
 * @BITNET_ERROR_UNSUPPORTED_VERSION: a GGUF version this library cannot read
 * @BITNET_ERROR_UNSUPPORTED_ARCHITECTURE: the graph is not implemented
 * @BITNET_ERROR_UNSUPPORTED_QUANTIZATION: the tensor type is not implemented
 * @BITNET_ERROR_TOKENIZER: tokenizer data are missing, wrong or unsupported
 * @BITNET_ERROR_VOCAB_MISMATCH: the tokenizer does not fit the model
 * @BITNET_ERROR_ENCODING: text is not UTF-8
 * @BITNET_ERROR_TEMPLATE: a chat template failed or is unknown
 * @BITNET_ERROR_CONTEXT_FULL: the prompt is longer than the context
 * @BITNET_ERROR_NUMERIC: a computation gave NaN or infinity
 * @BITNET_ERROR_NETWORK: the network or a name could not be reached
 * @BITNET_ERROR_HTTP: the server answered with an error status
 * @BITNET_ERROR_DIGEST: contents differ from their digest
 * @BITNET_ERROR_OUT_OF_MEMORY: an allocation for weights or cache failed
 * @BITNET_ERROR_DEVICE: the compute device is absent or failed
 * @BITNET_ERROR_INVALID_ARGUMENT: a parameter is out of its range
 * @BITNET_ERROR_WRITE: an output file could not be written
 * @BITNET_ERROR_TEMPLATE_RAISED: a chat template refused the conversation; the
 *   message is the template's own
 * @BITNET_ERROR_INVALID_MODEL: a model reference leads to nothing that can be
 * read as a model
 * @BITNET_ERROR_NO_EMBEDDED_TOKENIZER: the model file holds no tokenizer
 * @BITNET_ERROR_UNSUPPORTED_TOKENIZER: a kind of tokenizer, or a part of one,
 * that this version does not know
 * @BITNET_ERROR_UNKNOWN_PRETOKENIZER: the model file does not say how text is
 * cut into words, or says it by a name that this version does not know
 * @BITNET_ERROR_AMBIGUOUS: two tokenizers fit the model and differ
 * @BITNET_ERROR_NO_SOURCE: nothing tells which repository has the tokenizer
 * @BITNET_ERROR_OFFLINE: the network is needed and was forbidden
 * @BITNET_ERROR_DOWNLOAD_DISABLED: a download is needed and was forbidden
 * @BITNET_ERROR_REPO_NOT_FOUND: the hub has no such repository, or hides it
 * @BITNET_ERROR_REVISION_NOT_FOUND: the repository has no such branch, tag or
 * commit
 * @BITNET_ERROR_ENTRY_NOT_FOUND: the repository has no such file
 * @BITNET_ERROR_GATED: the repository wants its terms accepted first
 * @BITNET_ERROR_AUTH_INVALID: the hub does not accept the access token
 * @BITNET_ERROR_FORBIDDEN: the access token lacks a right
 * @BITNET_ERROR_RATE_LIMITED: the hub wants fewer requests
 * @BITNET_ERROR_TRANSIENT: the server failed in a way that may pass
 * @BITNET_ERROR_CIRCUIT_OPEN: the server failed too often and is left alone for
 * a while
 * @BITNET_ERROR_TIMEOUT: the network was too slow
 * @BITNET_ERROR_TLS: the server could not prove who it is
 * @BITNET_ERROR_TOO_LARGE: something is larger than a limit
 * @BITNET_ERROR_CACHE_IO: the cache could not be read or written
 * @BITNET_ERROR_NO_SPACE: the disk is full
 * @BITNET_ERROR_PERMISSION: the cache belongs to somebody else, or others may
 * write
 * @BITNET_ERROR_STRICT_MODE: strict mode forbids what was left to try
 * @BITNET_ERROR_ALL_FAILED: nothing that was tried gave a tokenizer
 *
 * What went wrong. Cancellation is %G_IO_ERROR_CANCELLED in %G_IO_ERROR.
 */
typedef enum {
  BITNET_ERROR_NOT_FOUND,
  BITNET_ERROR_READ,
  BITNET_ERROR_NOT_GGUF,
  BITNET_ERROR_TRUNCATED,
  BITNET_ERROR_CORRUPT,
  BITNET_ERROR_UNSUPPORTED_VERSION,
  BITNET_ERROR_UNSUPPORTED_ARCHITECTURE,
  BITNET_ERROR_UNSUPPORTED_QUANTIZATION,
  BITNET_ERROR_TOKENIZER,
  BITNET_ERROR_VOCAB_MISMATCH,
  BITNET_ERROR_ENCODING,
  BITNET_ERROR_TEMPLATE,
  BITNET_ERROR_CONTEXT_FULL,
  BITNET_ERROR_NUMERIC,
  BITNET_ERROR_NETWORK,
  BITNET_ERROR_HTTP,
  BITNET_ERROR_DIGEST,
  BITNET_ERROR_OUT_OF_MEMORY,
  BITNET_ERROR_DEVICE,
  BITNET_ERROR_INVALID_ARGUMENT,
  BITNET_ERROR_WRITE,
  BITNET_ERROR_TEMPLATE_RAISED,
  BITNET_ERROR_INVALID_MODEL,
  BITNET_ERROR_NO_EMBEDDED_TOKENIZER,
  BITNET_ERROR_UNSUPPORTED_TOKENIZER,
  BITNET_ERROR_UNKNOWN_PRETOKENIZER,
  BITNET_ERROR_AMBIGUOUS,
  BITNET_ERROR_NO_SOURCE,
  BITNET_ERROR_OFFLINE,
  BITNET_ERROR_DOWNLOAD_DISABLED,
  BITNET_ERROR_REPO_NOT_FOUND,
  BITNET_ERROR_REVISION_NOT_FOUND,
  BITNET_ERROR_ENTRY_NOT_FOUND,
  BITNET_ERROR_GATED,
  BITNET_ERROR_AUTH_INVALID,
  BITNET_ERROR_FORBIDDEN,
  BITNET_ERROR_RATE_LIMITED,
  BITNET_ERROR_TRANSIENT,
  BITNET_ERROR_CIRCUIT_OPEN,
  BITNET_ERROR_TIMEOUT,
  BITNET_ERROR_TLS,
  BITNET_ERROR_TOO_LARGE,
  BITNET_ERROR_CACHE_IO,
  BITNET_ERROR_NO_SPACE,
  BITNET_ERROR_PERMISSION,
  BITNET_ERROR_STRICT_MODE,
  BITNET_ERROR_ALL_FAILED,
} BitnetError;

#define BITNET_ERROR (bitnet_error_quark ())
#define BITNET_TYPE_ERROR (bitnet_error_get_type ())

BITNET_AVAILABLE_IN_ALL
GQuark bitnet_error_quark (void);
BITNET_AVAILABLE_IN_ALL
GType bitnet_error_get_type (void);

/**
 * bitnet_error_get_name:
 * @code: a code
 *
 * Returns: (transfer none): its name for reports and statistics, such as
 *   `VOCAB_MISMATCH`; `UNKNOWN` for a number that is no code
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_error_get_name (BitnetError code);

/**
 * bitnet_error_get_hint:
 * @code: a code
 *
 * Returns: (transfer none): what a user can do about it in general, one
 *   sentence without a full stop
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_error_get_hint (BitnetError code);

G_END_DECLS
