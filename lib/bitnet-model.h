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
 * A model file: its metadata and its tensors, mapped into memory.
 *
 * Instances are immutable after creation and may be used from any thread.
 * Opening the same file twice while the first instance lives returns the
 * same object (identity is device, inode, size and modification time of
 * every file of a split model).
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
typedef void (*BitnetProgressFunc) (guint64 done, guint64 total,
    gpointer user_data);

BITNET_AVAILABLE_IN_ALL
BitnetModel *bitnet_model_new_from_file (const char *path,
    GCancellable *cancellable, GError **error);
BITNET_AVAILABLE_IN_ALL
void bitnet_model_new_from_file_async (const char *path, int io_priority,
    GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data);
BITNET_AVAILABLE_IN_ALL
BitnetModel *bitnet_model_new_from_file_finish (GAsyncResult *result,
    GError **error);

BITNET_AVAILABLE_IN_ALL
const char *bitnet_model_get_path (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
const char *bitnet_model_get_id (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
const char *bitnet_model_get_architecture (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
const char *bitnet_model_get_name (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
const char *bitnet_model_get_quantization (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
guint bitnet_model_get_vocab_size (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
guint bitnet_model_get_context_length (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
guint bitnet_model_get_embedding_length (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
guint bitnet_model_get_block_count (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
guint64 bitnet_model_get_file_size (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
guint64 bitnet_model_get_n_parameters (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_model_has_tokenizer (BitnetModel *self);

BITNET_AVAILABLE_IN_ALL
char **bitnet_model_list_metadata (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_model_dup_metadata (BitnetModel *self, const char *key);
BITNET_AVAILABLE_IN_ALL
char *bitnet_model_dup_string (BitnetModel *self, const char *key);

BITNET_AVAILABLE_IN_ALL
GBytes *bitnet_model_get_bytes (BitnetModel *self);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_model_read_ahead (BitnetModel *self, gboolean lock,
    BitnetProgressFunc progress, gpointer progress_data,
    GCancellable *cancellable, GError **error);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_model_verify_sha256 (BitnetModel *self, const char *sha256,
    BitnetProgressFunc progress, gpointer progress_data,
    GCancellable *cancellable, GError **error);

BITNET_AVAILABLE_IN_ALL
BitnetEngine *bitnet_model_get_engine (BitnetModel *self,
    const BitnetEngineOptions *options, GError **error);

G_END_DECLS
