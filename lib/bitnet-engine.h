/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetEngine: runs one model on one device for any number of clients. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"
#include "bitnet-model.h"
#include "bitnet-params.h"
#include "bitnet-sequence.h"
#include "bitnet-tokenizer.h"

G_BEGIN_DECLS

/**
 * BitnetRepack:
 * @BITNET_REPACK_AUTO: where it makes the products faster
 * @BITNET_REPACK_NEVER: use the mapped file wherever kernels can
 * @BITNET_REPACK_ALWAYS: every matrix that has a packed form
 */
typedef enum {
  BITNET_REPACK_AUTO,
  BITNET_REPACK_NEVER,
  BITNET_REPACK_ALWAYS,
} BitnetRepack;

/**
 * BitnetI2sLayout:
 * @BITNET_I2S_LAYOUT_A: blocks of 128, the published files
 * @BITNET_I2S_LAYOUT_B: blocks of 64
 * @BITNET_I2S_LAYOUT_C: four rows in a byte
 */
typedef enum {
  BITNET_I2S_LAYOUT_A,
  BITNET_I2S_LAYOUT_B,
  BITNET_I2S_LAYOUT_C,
} BitnetI2sLayout;

#define BITNET_TYPE_REPACK (bitnet_repack_get_type ())
#define BITNET_TYPE_I2S_LAYOUT (bitnet_i2s_layout_get_type ())
BITNET_AVAILABLE_IN_ALL
GType bitnet_repack_get_type (void);
BITNET_AVAILABLE_IN_ALL
GType bitnet_i2s_layout_get_type (void);

/**
 * BitnetEngineOptions:
 * @device: (nullable): `auto` (also %NULL), `cpu`, `cuda`, `cuda:1`
 * @n_threads: compute threads; 0 = one per physical core
 * @context_size: cells of one sequence; 0 = the model's context length
 * @batch_size: most tokens in one forward pass
 * @n_sequences: most sequences that run at a time
 * @repack: whether weights are rearranged for the processor
 * @i2s_layout: element order of I2_S tensors
 *
 * How an engine is set up.
 */
struct _BitnetEngineOptions {
  char *device;
  guint n_threads;
  guint context_size;
  guint batch_size;
  guint n_sequences;
  BitnetRepack repack;
  BitnetI2sLayout i2s_layout;
};

#define BITNET_TYPE_ENGINE_OPTIONS (bitnet_engine_options_get_type ())
BITNET_AVAILABLE_IN_ALL
GType bitnet_engine_options_get_type (void);
BITNET_AVAILABLE_IN_ALL
BitnetEngineOptions *bitnet_engine_options_new (void);
BITNET_AVAILABLE_IN_ALL
BitnetEngineOptions *bitnet_engine_options_copy (
    const BitnetEngineOptions *self);
BITNET_AVAILABLE_IN_ALL
void bitnet_engine_options_free (BitnetEngineOptions *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BitnetEngineOptions, bitnet_engine_options_free)

/**
 * BitnetEngine:
 *
 * Got from bitnet_model_get_engine(), which returns the same engine for the
 * same model and device while it lives. One scheduler thread runs all its
 * sequences together (continuous batching) over a pool of compute threads.
 * All functions may be called from any thread.
 */
#define BITNET_TYPE_ENGINE (bitnet_engine_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetEngine, bitnet_engine, BITNET, ENGINE, GObject)

BITNET_AVAILABLE_IN_ALL
gboolean bitnet_engine_load (BitnetEngine *self, BitnetProgressFunc progress,
    gpointer progress_data, GCancellable *cancellable, GError **error);
BITNET_AVAILABLE_IN_ALL
void bitnet_engine_load_async (BitnetEngine *self, int io_priority,
    GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_engine_load_finish (BitnetEngine *self, GAsyncResult *result,
    GError **error);

BITNET_AVAILABLE_IN_ALL
BitnetModel *bitnet_engine_get_model (BitnetEngine *self);
BITNET_AVAILABLE_IN_ALL
const char *bitnet_engine_get_device (BitnetEngine *self);
BITNET_AVAILABLE_IN_ALL
guint bitnet_engine_get_n_threads (BitnetEngine *self);
BITNET_AVAILABLE_IN_ALL
guint bitnet_engine_get_context_size (BitnetEngine *self);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_engine_matches (BitnetEngine *self,
    const BitnetEngineOptions *options);

BITNET_AVAILABLE_IN_ALL
BitnetSequence *bitnet_engine_submit (BitnetEngine *self,
    BitnetTokenizer *tokenizer, const guint32 *tokens, gsize n_tokens,
    const BitnetParams *params, GError **error);
BITNET_AVAILABLE_IN_ALL
GBytes *bitnet_engine_compute_logits (BitnetEngine *self,
    const guint32 *tokens, gsize n_tokens, GCancellable *cancellable,
    GError **error);
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_engine_dup_stats (BitnetEngine *self);

G_END_DECLS
