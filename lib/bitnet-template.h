/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetTemplate: the form in which a model wants a conversation written. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"
#include "bitnet-model.h"
#include "bitnet-conversation.h"

G_BEGIN_DECLS

/**
 * BitnetTemplate:
 *
 * A chat template. Immutable and thread-safe. The library knows the fixed
 * forms of the common families (`chatml`, `llama-2`, `llama-3`, `mistral`,
 * `phi-3`, `gemma`, `bitnet`, and `none` for plain text) and recognises them
 * in the template text that a model file carries.
 */
#define BITNET_TYPE_TEMPLATE (bitnet_template_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetTemplate, bitnet_template, BITNET, TEMPLATE,
    GObject)

BITNET_AVAILABLE_IN_ALL
BitnetTemplate *bitnet_template_new_from_model (BitnetModel *model,
    GError **error);
BITNET_AVAILABLE_IN_ALL
BitnetTemplate *bitnet_template_new_from_text (const char *text,
    GError **error);
BITNET_AVAILABLE_IN_ALL
BitnetTemplate *bitnet_template_new_named (const char *name, GError **error);
BITNET_AVAILABLE_IN_ALL
const char *bitnet_template_get_name (BitnetTemplate *self);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_template_is_plain (BitnetTemplate *self);
BITNET_AVAILABLE_IN_ALL
char *bitnet_template_render (BitnetTemplate *self,
    BitnetConversation *conversation, gboolean add_generation_prompt,
    GError **error);

G_END_DECLS
