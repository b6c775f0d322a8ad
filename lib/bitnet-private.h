/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the bitnet-*.c files share with each other and with nobody else. */
#pragma once

#include <json-glib/json-glib.h>

#include "bitnet-env.h"
#include "bitnet-model.h"
#include "bitnet-template.h"
#include "bitnet-tokenizer.h"
#include "bitnet-engine.h"
#include "bitnet-sequence.h"
#include "core/bn-scheduler.h"

/* The parsed file behind a model; lives as long as the model. */
BnGguf *bitnet_model_get_gguf (BitnetModel *self);

/* Makes an engine that is not yet in a slot; options may be NULL. */
typedef BitnetEngine *(*BnEngineFactory) (
    BitnetModel *model, const BitnetEngineOptions *options, GError **error);

/* The live engine of (model, device), else one that create makes, which is
 * then the engine of that device for as long as somebody holds it. device is
 * the resolved name ("cpu", "cuda:0"), never "auto". create runs without a
 * lock: of two threads at once both may create, one result is dropped and
 * both get the other, so creation must be cheap (loading comes after). */
BitnetEngine *bitnet_model_share_engine (BitnetModel *self, const char *device,
    BnEngineFactory create, const BitnetEngineOptions *options, GError **error);

/* The value that text (length bytes, or up to NUL if negative) holds, or NULL
 * with BITNET_ERROR_INVALID_ARGUMENT or BITNET_ERROR_ENCODING. Strict: RFC
 * 8259, at most max_size bytes, 64 levels, no \u0000. */
JsonNode *bitnet_json_parse (
    const char *text, gssize length, gsize max_size, GError **error);

/* JSON on one line, members in the order they have. */
void bitnet_json_append_string (GString *json, const char *text);
void bitnet_json_append_node (GString *json, JsonNode *node);

/* The fixed form that a template's text is recognised as, or NULL. */
BitnetTemplate *bitnet_template_new_form (
    const char *text, const char *bos_token, const char *eos_token);

/* What the parameters say about drawing; points into self. */
BnSamplerConfig bitnet_params_get_sampler_config (const BitnetParams *self);

/* "cpu" for NULL, "auto" and "cpu"; other devices are an error: DEVICE where
 * they exist but not here, INVALID_ARGUMENT where they do not. */
const char *bitnet_engine_options_resolve_device (
    const BitnetEngineOptions *self, GError **error);
gboolean bitnet_engine_options_validate (
    const BitnetEngineOptions *self, GError **error);

/* The tokenizer of a request, which its client takes away from the scheduler
 * and frees by this. */
typedef struct BnSharedVocabulary BnSharedVocabulary;
void bn_shared_vocabulary_release (BnSharedVocabulary *self);

/* Takes the references on request and vocabulary, which may be NULL. */
BitnetSequence *bitnet_sequence_new (
    BitnetEngine *engine, BnRequest *request, BnSharedVocabulary *vocabulary);
