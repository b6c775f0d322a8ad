/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the bitnet-*.c files share with each other and with nobody else. */
#pragma once

#include <json-glib/json-glib.h>

#include "bitnet-model.h"
#include "bitnet-tokenizer.h"
#include "bitnet-engine.h"
#include "bitnet-sequence.h"
#include "core/bn-sampler.h"

typedef struct BnGguf BnGguf;

/* The parsed file behind a model; lives as long as the model. */
BnGguf *bitnet_model_get_gguf (BitnetModel *self);

/* The weak slot in which a model keeps the engine of a device, so that every
 * client of (model, device) shares one. Takes no lock of the engine. */
BitnetEngine *bitnet_model_steal_or_create_engine (BitnetModel *self,
    const char *device,
    BitnetEngine *(*create) (
        BitnetModel *model, const BitnetEngineOptions *options, GError **error),
    const BitnetEngineOptions *options, GError **error);

/* TRUE for 1, true, yes, on in any case; FALSE for empty, 0, false, no, off;
 * anything else warns once and gives FALSE. fallback if unset. */
gboolean bitnet_env_boolean (const char *name, gboolean fallback);

/* An unsigned number; anything else warns once and gives fallback. */
guint64 bitnet_env_uint64 (const char *name, guint64 fallback);

/* The value that text (length bytes, or up to NUL if negative) holds, or NULL
 * with BITNET_ERROR_INVALID_ARGUMENT or BITNET_ERROR_ENCODING. Strict: RFC
 * 8259, at most max_size bytes, 64 levels, no \u0000. */
JsonNode *bitnet_json_parse (
    const char *text, gssize length, gsize max_size, GError **error);

/* What the parameters say about drawing; points into self. */
BnSamplerConfig bitnet_params_get_sampler_config (const BitnetParams *self);
