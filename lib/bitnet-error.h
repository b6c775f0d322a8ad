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
} BitnetError;

#define BITNET_ERROR (bitnet_error_quark ())
#define BITNET_TYPE_ERROR (bitnet_error_get_type ())

BITNET_AVAILABLE_IN_ALL
GQuark bitnet_error_quark (void);
BITNET_AVAILABLE_IN_ALL
GType bitnet_error_get_type (void);

G_END_DECLS
