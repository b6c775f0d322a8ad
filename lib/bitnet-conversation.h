/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetConversation: a list of messages, each a role and a text. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"

G_BEGIN_DECLS

/**
 * BitnetConversation:
 *
 * What was said so far. Not thread-safe: the owner guards it.
 */
#define BITNET_TYPE_CONVERSATION (bitnet_conversation_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetConversation, bitnet_conversation, BITNET,
    CONVERSATION, GObject)

BITNET_AVAILABLE_IN_ALL
BitnetConversation *bitnet_conversation_new (void);
BITNET_AVAILABLE_IN_ALL
BitnetConversation *bitnet_conversation_copy (BitnetConversation *self);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_conversation_append (BitnetConversation *self,
    const char *role, const char *text, GError **error);
BITNET_AVAILABLE_IN_ALL
guint bitnet_conversation_get_n_messages (BitnetConversation *self);
BITNET_AVAILABLE_IN_ALL
const char *bitnet_conversation_get_role (BitnetConversation *self, guint i);
BITNET_AVAILABLE_IN_ALL
const char *bitnet_conversation_get_text (BitnetConversation *self, guint i);
BITNET_AVAILABLE_IN_ALL
void bitnet_conversation_set_system (BitnetConversation *self,
    const char *text);
BITNET_AVAILABLE_IN_ALL
void bitnet_conversation_trim (BitnetConversation *self, guint n_turns);
BITNET_AVAILABLE_IN_ALL
void bitnet_conversation_clear (BitnetConversation *self);
BITNET_AVAILABLE_IN_ALL
char *bitnet_conversation_to_json (BitnetConversation *self);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_conversation_load_json (BitnetConversation *self,
    const char *json, gssize length, GError **error);

G_END_DECLS
