/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetConversation: a list of messages, each a role and a text, and what
 * else a chat template wants to know. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"

G_BEGIN_DECLS

/**
 * BITNET_CONVERSATION_MAX_MESSAGES:
 *
 * Most messages of a conversation.
 */
#define BITNET_CONVERSATION_MAX_MESSAGES 65536

/**
 * BITNET_CONVERSATION_MAX_SIZE:
 *
 * Most bytes of all texts of a conversation.
 */
#define BITNET_CONVERSATION_MAX_SIZE (64 * 1024 * 1024)

/**
 * BitnetConversation:
 *
 * What was said so far. Roles are `system`, `user`, `assistant` and whatever
 * else a template knows. Not thread-safe: the owner guards it.
 *
 * |[<!-- language="C" -->
 * g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
 *
 * bitnet_conversation_set_system (conversation, "Be brief.");
 * bitnet_conversation_append (conversation, "user", "Hello", NULL);
 * ]|
 */
#define BITNET_TYPE_CONVERSATION (bitnet_conversation_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (
    BitnetConversation, bitnet_conversation, BITNET, CONVERSATION, GObject)

/**
 * bitnet_conversation_new:
 *
 * Returns: (transfer full): a conversation without messages
 */
BITNET_AVAILABLE_IN_ALL
BitnetConversation *bitnet_conversation_new (void);

/**
 * bitnet_conversation_copy:
 * @self: a conversation
 *
 * Returns: (transfer full): a conversation with the same messages
 */
BITNET_AVAILABLE_IN_ALL
BitnetConversation *bitnet_conversation_copy (BitnetConversation *self);

/**
 * bitnet_conversation_append:
 * @self: a conversation
 * @role: who speaks: 1 to 64 of the characters a-z, A-Z, 0-9, `_` and `-`
 * @text: what was said, UTF-8; may be empty
 * @error: return location for an error
 *
 * Adds a message at the end.
 *
 * Fails with %BITNET_ERROR_ENCODING if @text is not UTF-8, with
 * %BITNET_ERROR_INVALID_ARGUMENT if @role is not a role or the conversation
 * would exceed %BITNET_CONVERSATION_MAX_MESSAGES or
 * %BITNET_CONVERSATION_MAX_SIZE.
 *
 * Returns: %FALSE if @self was left as it is
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_conversation_append (BitnetConversation *self, const char *role,
    const char *text, GError **error);

/**
 * bitnet_conversation_get_n_messages:
 * @self: a conversation
 *
 * Returns: the number of messages
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_conversation_get_n_messages (BitnetConversation *self);

/**
 * bitnet_conversation_get_role:
 * @self: a conversation
 * @i: index of a message, below bitnet_conversation_get_n_messages()
 *
 * Returns: (transfer none): its role; valid as long as @self is not changed
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_conversation_get_role (BitnetConversation *self, guint i);

/**
 * bitnet_conversation_get_text:
 * @self: a conversation
 * @i: index of a message, below bitnet_conversation_get_n_messages()
 *
 * Returns: (transfer none): its text; valid as long as @self is not changed
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_conversation_get_text (BitnetConversation *self, guint i);

/**
 * bitnet_conversation_set_system:
 * @self: a conversation
 * @text: (nullable): what the model is told before all; %NULL or empty for
 *   nothing. Bytes that are not UTF-8 become U+FFFD
 *
 * Puts a `system` message in front, in place of the one that is there. It may
 * have any length; beyond %BITNET_CONVERSATION_MAX_SIZE nothing can be
 * appended behind it.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_conversation_set_system (
    BitnetConversation *self, const char *text);

/**
 * bitnet_conversation_trim:
 * @self: a conversation
 * @n_turns: turns to keep
 *
 * Forgets the oldest turns. A turn is a `user` message and what follows it up
 * to the next one. The `system` message in front stays.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_conversation_trim (BitnetConversation *self, guint n_turns);

/**
 * bitnet_conversation_clear:
 * @self: a conversation
 *
 * Removes all messages, the `system` message too.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_conversation_clear (BitnetConversation *self);

/**
 * bitnet_conversation_to_json:
 * @self: a conversation
 *
 * The messages as a JSON array of objects with the members `role`, `content`
 * and what else bitnet_conversation_load_json() found, on one line.
 *
 * Returns: (transfer full): the text
 */
BITNET_AVAILABLE_IN_ALL
char *bitnet_conversation_to_json (BitnetConversation *self);

/**
 * bitnet_conversation_load_json:
 * @self: a conversation
 * @json: a JSON array of objects. `role` is a string; `content` a string or
 *   an array of parts (objects with `type`, and `text` if that is "text"), or
 *   absent or null where a message has other members instead, such as
 *   `tool_calls`. All members are kept for the template
 * @length: bytes of @json, or -1 if it ends with NUL
 * @error: return location for an error
 *
 * Puts the messages of @json in place of those of @self.
 *
 * Fails as bitnet_conversation_append() does, and with
 * %BITNET_ERROR_INVALID_ARGUMENT if @json is not JSON or not of that shape;
 * the message says where, for example `messages[2].role`.
 *
 * Returns: %FALSE if @self was left as it is
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_conversation_load_json (
    BitnetConversation *self, const char *json, gssize length, GError **error);

/**
 * bitnet_conversation_set_variables:
 * @self: a conversation
 * @json: (nullable): a JSON object: other variables of the chat template, such
 *   as `tools`, `documents`, `enable_thinking` or `now`; %NULL for none
 * @length: bytes of @json, or -1 if it ends with NUL
 * @error: return location for an error
 *
 * Puts variables in place of those of @self. The fixed forms of templates do
 * not look at them.
 *
 * Fails with %BITNET_ERROR_INVALID_ARGUMENT if @json is not a JSON object.
 *
 * Returns: %FALSE if @self was left as it is
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_conversation_set_variables (
    BitnetConversation *self, const char *json, gssize length, GError **error);

/**
 * bitnet_conversation_dup_variables:
 * @self: a conversation
 *
 * Returns: (transfer full) (nullable): the variables as a JSON object, or
 *   %NULL if there are none
 */
BITNET_AVAILABLE_IN_ALL
char *bitnet_conversation_dup_variables (BitnetConversation *self);

/**
 * bitnet_conversation_load_request:
 * @self: a conversation
 * @json: a request: an array as bitnet_conversation_load_json() takes it, or
 *   an object with the member `messages` (such an array) or `prompt` (a
 *   string, the text of a `user` message); `tools`, `documents` and the
 *   members of `chat_template_kwargs`, which become the variables; and any
 *   others
 * @length: bytes of @json, or -1 if it ends with NUL
 * @rest: (out) (optional) (nullable): the other members of the object as a
 *   JSON object, for bitnet_params_load_json(); %NULL if there are none
 * @error: return location for an error
 *
 * Reads a request for an answer. `messages` take the place of those of @self,
 * and so do their variables, also if there are none; `prompt` is added at the
 * end and leaves the variables alone if it brings none.
 *
 * Fails as bitnet_conversation_load_json() does.
 *
 * Returns: %FALSE if @self was left as it is
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_conversation_load_request (BitnetConversation *self,
    const char *json, gssize length, char **rest, GError **error);

G_END_DECLS
