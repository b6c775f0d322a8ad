/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetModel: an opened GGUF model file, immutable and shareable. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"

G_BEGIN_DECLS

typedef struct _BitnetEngine BitnetEngine;
typedef struct _BitnetEngineOptions BitnetEngineOptions;

/**
 * BitnetModel:
 *
 * A GGUF model file: its metadata and its tensors, mapped into memory.
 *
 * Instances are immutable after creation and every function may be called
 * from any thread. Opening reads and checks the metadata only, which takes
 * milliseconds; weights are paged in when they are used, or ahead of that by
 * bitnet_model_read_ahead().
 *
 * The file must not be shortened or overwritten in place while the model
 * lives: the operating system answers an access to lost pages with SIGBUS.
 * Replacing it by renaming another file over it is safe.
 *
 * |[<!-- language="C" -->
 * g_autoptr (GError) error = NULL;
 * g_autoptr (BitnetModel) model =
 *     bitnet_model_new_from_file ("model.gguf", NULL, &error);
 *
 * if (model == NULL)
 *   g_error ("%s", error->message);
 * g_print ("%s, %s\n", bitnet_model_get_architecture (model),
 *     bitnet_model_get_quantization (model));
 * ]|
 */
#define BITNET_TYPE_MODEL (bitnet_model_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetModel, bitnet_model, BITNET, MODEL, GObject)

/**
 * BitnetProgressFunc:
 * @done: bytes done so far
 * @total: bytes in all, or 0 if unknown
 * @user_data: (closure): data of the caller
 *
 * Reports progress, from the thread that does the work, at most about ten
 * times a second and once at the end.
 */
typedef void (*BitnetProgressFunc) (
    guint64 done, guint64 total, gpointer user_data);

/**
 * bitnet_model_new_from_file:
 * @path: (type filename): a GGUF file, or any file of a split model
 * @cancellable: (nullable): stops the opening
 * @error: return location for an error
 *
 * Opens a model file.
 *
 * While a model lives, opening the same file again returns the same object,
 * in whatever thread and by whatever name. Files are the same if device,
 * inode, size and time of modification are equal, for all files of a split
 * model; a file that has changed gives a new object.
 *
 * Errors are of the domain %BITNET_ERROR: %BITNET_ERROR_NOT_FOUND,
 * %BITNET_ERROR_READ (also for what is no regular file),
 * %BITNET_ERROR_NOT_GGUF, %BITNET_ERROR_UNSUPPORTED_VERSION (also
 * big-endian), %BITNET_ERROR_TRUNCATED, %BITNET_ERROR_CORRUPT,
 * %BITNET_ERROR_UNSUPPORTED_QUANTIZATION; or %G_IO_ERROR_CANCELLED. The
 * message names the file, the byte, what was found and what was expected.
 *
 * Returns: (transfer full): the model, or %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
BitnetModel *bitnet_model_new_from_file (
    const char *path, GCancellable *cancellable, GError **error);

/**
 * bitnet_model_new_unshared_from_file:
 * @path: (type filename): a GGUF file, or any file of a split model
 * @cancellable: (nullable): stops the opening
 * @error: return location for an error
 *
 * Like bitnet_model_new_from_file(), but the object is always a new one and
 * nobody else gets it; so it has engines of its own too.
 *
 * Returns: (transfer full): the model, or %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
BitnetModel *bitnet_model_new_unshared_from_file (
    const char *path, GCancellable *cancellable, GError **error);

/**
 * bitnet_model_new_from_file_async:
 * @path: (type filename): a GGUF file, or any file of a split model
 * @io_priority: %G_PRIORITY_DEFAULT or another priority
 * @cancellable: (nullable): stops the opening
 * @callback: (scope async): called in the caller's main context when done
 * @user_data: (closure): data for @callback
 *
 * bitnet_model_new_from_file() in another thread. @callback ends it with
 * bitnet_model_new_from_file_finish().
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_model_new_from_file_async (const char *path, int io_priority,
    GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data);

/**
 * bitnet_model_new_from_file_finish:
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends bitnet_model_new_from_file_async().
 *
 * Returns: (transfer full): the model, or %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
BitnetModel *bitnet_model_new_from_file_finish (
    GAsyncResult *result, GError **error);

/**
 * bitnet_model_get_path:
 * @self: a model
 *
 * Returns: (type filename) (transfer none): the path that it was opened by;
 *   of a shared model, the first one
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_model_get_path (BitnetModel *self);

/**
 * bitnet_model_get_id:
 * @self: a model
 *
 * What the model is, independent of where it lies: the SHA-256, in 64 lower
 * case hexadecimal digits, of the metadata and the tensor table of the first
 * file (all bytes in front of the tensor data) followed by the size of every
 * file as eight bytes, little-endian. Weights are not part of it, as reading
 * them would take long; bitnet_model_verify_sha256() checks whole files.
 *
 * Returns: (transfer none): the identifier
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_model_get_id (BitnetModel *self);

/**
 * bitnet_model_get_architecture:
 * @self: a model
 *
 * Returns: (transfer none): `general.architecture`, such as `llama`
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_model_get_architecture (BitnetModel *self);

/**
 * bitnet_model_get_name:
 * @self: a model
 *
 * Returns: (nullable) (transfer none): `general.name`
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_model_get_name (BitnetModel *self);

/**
 * bitnet_model_get_quantization:
 * @self: a model
 *
 * The type in which most bytes of the weights are stored, such as `I2_S` or
 * `Q4_K`. Only the matrices of the blocks count: embeddings and the output
 * matrix are often kept in another type, and in ternary models they are
 * larger than all blocks together.
 *
 * Returns: (transfer none): the name of the type; `none` if the file has no
 *   tensors
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_model_get_quantization (BitnetModel *self);

/**
 * bitnet_model_get_vocab_size:
 * @self: a model
 *
 * Returns: the number of tokens: the key `vocab_size` of the architecture,
 *   else the length of the token list, else the rows of the token embedding;
 *   0 if the file has none of these
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_model_get_vocab_size (BitnetModel *self);

/**
 * bitnet_model_get_context_length:
 * @self: a model
 *
 * Returns: the positions the model was made for, or 0 if the file does not say
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_model_get_context_length (BitnetModel *self);

/**
 * bitnet_model_get_embedding_length:
 * @self: a model
 *
 * Returns: the width of the hidden state, or 0 if the file does not say
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_model_get_embedding_length (BitnetModel *self);

/**
 * bitnet_model_get_block_count:
 * @self: a model
 *
 * Returns: the number of layers, or 0 if the file does not say
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_model_get_block_count (BitnetModel *self);

/**
 * bitnet_model_get_file_size:
 * @self: a model
 *
 * Returns: the size of all files, in bytes
 */
BITNET_AVAILABLE_IN_ALL
guint64 bitnet_model_get_file_size (BitnetModel *self);

/**
 * bitnet_model_get_n_parameters:
 * @self: a model
 *
 * Returns: the number of elements of all tensors
 */
BITNET_AVAILABLE_IN_ALL
guint64 bitnet_model_get_n_parameters (BitnetModel *self);

/**
 * bitnet_model_has_tokenizer:
 * @self: a model
 *
 * Returns: whether the file has a token list
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_model_has_tokenizer (BitnetModel *self);

/**
 * bitnet_model_list_metadata:
 * @self: a model
 *
 * Returns: (transfer full) (array zero-terminated=1): the keys, in the order
 *   of the file
 */
BITNET_AVAILABLE_IN_ALL
char **bitnet_model_list_metadata (BitnetModel *self);

/**
 * bitnet_model_dup_metadata:
 * @self: a model
 * @key: a key of the file
 *
 * The value of a key. Unsigned integers have the types `y`, `q`, `u`, `t`;
 * signed ones `n` (8 and 16 bits), `i`, `x`; floating-point numbers `d`;
 * booleans `b`; strings `s`; arrays are arrays of these. In strings, which may
 * be any bytes in a file, what is not UTF-8 is replaced by U+FFFD.
 *
 * Large arrays (token lists) are copied, which takes some time and memory.
 *
 * Returns: (nullable) (transfer full): the value, or %NULL if there is no such
 *   key or no memory for a copy
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_model_dup_metadata (BitnetModel *self, const char *key);

/**
 * bitnet_model_dup_string:
 * @self: a model
 * @key: a key of the file
 *
 * Returns: (nullable) (transfer full): the value of @key, or %NULL if there is
 *   no such key or it is not a string of UTF-8
 */
BITNET_AVAILABLE_IN_ALL
char *bitnet_model_dup_string (BitnetModel *self, const char *key);

/**
 * bitnet_model_get_bytes:
 * @self: a model
 *
 * The mapped file, the first one of a split model. A reference to the bytes
 * keeps them mapped also after the model is gone.
 *
 * Returns: (transfer none): the contents of the file
 */
BITNET_AVAILABLE_IN_ALL
GBytes *bitnet_model_get_bytes (BitnetModel *self);

/**
 * bitnet_model_read_ahead:
 * @self: a model
 * @lock: whether to lock the pages in memory, until the model is freed
 * @progress: (nullable) (scope call): told how far it is
 * @progress_data: (closure progress): data for @progress
 * @cancellable: (nullable): stops the reading within milliseconds
 * @error: return location for an error
 *
 * Reads the whole model from disk into the page cache, so that its first use
 * does not wait for the disk. Locking needs a sufficient RLIMIT_MEMLOCK; if it
 * fails the error is %BITNET_ERROR_OUT_OF_MEMORY and nothing stays locked.
 *
 * Returns: %TRUE when done
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_model_read_ahead (BitnetModel *self, gboolean lock,
    BitnetProgressFunc progress, gpointer progress_data,
    GCancellable *cancellable, GError **error);

/**
 * bitnet_model_verify_sha256:
 * @self: a model
 * @sha256: the expected digest, 64 hexadecimal digits of either case
 * @progress: (nullable) (scope call): told how far it is
 * @progress_data: (closure progress): data for @progress
 * @cancellable: (nullable): stops the reading within milliseconds
 * @error: return location for an error
 *
 * Compares the SHA-256 of the file with an expected one; of a split model,
 * that of its files one after the other. Errors: %BITNET_ERROR_DIGEST if it
 * differs, %BITNET_ERROR_INVALID_ARGUMENT if @sha256 is not a digest.
 *
 * Returns: %TRUE if it is equal
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_model_verify_sha256 (BitnetModel *self, const char *sha256,
    BitnetProgressFunc progress, gpointer progress_data,
    GCancellable *cancellable, GError **error);

/**
 * bitnet_model_get_engine:
 * @self: a model
 * @options: (nullable): how an engine is set up; %NULL for the defaults
 * @error: return location for an error
 *
 * The engine that runs this model on the device of @options. There is one
 * engine for a model and a device: while it lives everybody gets the same one,
 * whatever its other options were.
 *
 * Returns: (transfer full): the engine, or %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
BitnetEngine *bitnet_model_get_engine (
    BitnetModel *self, const BitnetEngineOptions *options, GError **error);

G_END_DECLS
