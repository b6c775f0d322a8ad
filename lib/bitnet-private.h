/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the bitnet-*.c files share with each other and with nobody else. */
#pragma once

#include "bitnet-model.h"
#include "bitnet-tokenizer.h"
#include "bitnet-engine.h"
#include "bitnet-sequence.h"

typedef struct BnGguf BnGguf;

/* The parsed file behind a model; lives as long as the model. */
BnGguf *bitnet_model_get_gguf (BitnetModel *self);

/* The weak slot in which a model keeps the engine of a device, so that every
 * client of (model, device) shares one. Takes no lock of the engine. */
BitnetEngine *bitnet_model_steal_or_create_engine (BitnetModel *self,
    const char *device, BitnetEngine *(*create) (BitnetModel *model,
    const BitnetEngineOptions *options, GError **error),
    const BitnetEngineOptions *options, GError **error);

/* TRUE for 1, true, yes, on in any case; FALSE for empty, 0, false, no, off;
 * anything else warns once and gives FALSE. fallback if unset. */
gboolean bitnet_env_boolean (const char *name, gboolean fallback);

/* An unsigned number; anything else warns once and gives fallback. */
guint64 bitnet_env_uint64 (const char *name, guint64 fallback);
