/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetConversation: messages in an array, and their JSON form. Every text
 * in the array is UTF-8; their bytes are counted so that no input makes the
 * conversation grow without bound. */
#include "bitnet-conversation.h"

#include <string.h>
#include "bitnet-error.h"
#include "bitnet-private.h"

enum {
  MAX_ROLE_LENGTH = 64,
  /* Escapes make JSON at most this much longer than its texts. */
  MAX_ESCAPE_FACTOR = 6,
};

typedef struct {
  char *role;
  char *text;
} Message;

struct _BitnetConversation {
  GObject parent;
  GPtrArray *messages; /* of Message */
  gsize size;          /* bytes of all texts */
};

G_DEFINE_FINAL_TYPE (BitnetConversation, bitnet_conversation, G_TYPE_OBJECT)

static Message *
message_new (const char *role, const char *text)
{
  Message *message = g_new (Message, 1);

  message->role = g_strdup (role);
  message->text = g_strdup (text);
  return message;
}

static void
message_free (gpointer data)
{
  Message *message = data;

  g_free (message->role);
  g_free (message->text);
  g_free (message);
}

static const Message *
get_message (BitnetConversation *self, guint i)
{
  return g_ptr_array_index (self->messages, i);
}

static gboolean
is_role (BitnetConversation *self, guint i, const char *role)
{
  return strcmp (get_message (self, i)->role, role) == 0;
}

static gboolean
has_system (BitnetConversation *self)
{
  return self->messages->len > 0 && is_role (self, 0, "system");
}

static void
remove_range (BitnetConversation *self, guint begin, guint n_messages)
{
  if (n_messages == 0)
    return;
  for (guint i = begin; i < begin + n_messages; i++)
    self->size -= strlen (get_message (self, i)->text);
  g_ptr_array_remove_range (self->messages, begin, n_messages);
}

static gboolean
check_role (const char *role, GError **error)
{
  gsize length = strlen (role);
  gboolean valid = length > 0 && length <= MAX_ROLE_LENGTH;

  for (gsize i = 0; valid && i < length; i++) {
    valid = g_ascii_isalnum (role[i]) || role[i] == '_' || role[i] == '-';
  }
  if (!valid) {
    g_autofree char *shown =
        g_utf8_make_valid (role, MIN (length, MAX_ROLE_LENGTH));

    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "\"%s\" is not a role, expected 1 to %d letters, digits, _ or -", shown,
        MAX_ROLE_LENGTH);
  }
  return valid;
}

static void
bitnet_conversation_finalize (GObject *object)
{
  BitnetConversation *self = BITNET_CONVERSATION (object);

  g_ptr_array_unref (self->messages);
  G_OBJECT_CLASS (bitnet_conversation_parent_class)->finalize (object);
}

static void
bitnet_conversation_class_init (BitnetConversationClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bitnet_conversation_finalize;
}

static void
bitnet_conversation_init (BitnetConversation *self)
{
  self->messages = g_ptr_array_new_with_free_func (message_free);
}

BitnetConversation *
bitnet_conversation_new (void)
{
  return g_object_new (BITNET_TYPE_CONVERSATION, NULL);
}

BitnetConversation *
bitnet_conversation_copy (BitnetConversation *self)
{
  BitnetConversation *copy = bitnet_conversation_new ();

  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), copy);
  for (guint i = 0; i < self->messages->len; i++) {
    const Message *message = get_message (self, i);

    g_ptr_array_add (
        copy->messages, message_new (message->role, message->text));
  }
  copy->size = self->size;
  return copy;
}

gboolean
bitnet_conversation_append (BitnetConversation *self, const char *role,
    const char *text, GError **error)
{
  gsize size;
  const char *valid_end;

  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), FALSE);
  g_return_val_if_fail (role != NULL && text != NULL, FALSE);
  if (!check_role (role, error))
    return FALSE;
  if (!g_utf8_validate (text, -1, &valid_end)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_ENCODING,
        "the text is not UTF-8 at byte %" G_GSIZE_FORMAT,
        (gsize) (valid_end - text));
    return FALSE;
  }
  if (self->messages->len >= BITNET_CONVERSATION_MAX_MESSAGES) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "too many messages, expected at most %d",
        BITNET_CONVERSATION_MAX_MESSAGES);
    return FALSE;
  }
  size = strlen (text);
  /* set_system() may have gone beyond the limit. */
  if (self->size > BITNET_CONVERSATION_MAX_SIZE
      || size > BITNET_CONVERSATION_MAX_SIZE - self->size) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "the texts have more than %d bytes", BITNET_CONVERSATION_MAX_SIZE);
    return FALSE;
  }
  g_ptr_array_add (self->messages, message_new (role, text));
  self->size += size;
  return TRUE;
}

guint
bitnet_conversation_get_n_messages (BitnetConversation *self)
{
  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), 0);
  return self->messages->len;
}

const char *
bitnet_conversation_get_role (BitnetConversation *self, guint i)
{
  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), NULL);
  g_return_val_if_fail (i < self->messages->len, NULL);
  return get_message (self, i)->role;
}

const char *
bitnet_conversation_get_text (BitnetConversation *self, guint i)
{
  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), NULL);
  g_return_val_if_fail (i < self->messages->len, NULL);
  return get_message (self, i)->text;
}

void
bitnet_conversation_set_system (BitnetConversation *self, const char *text)
{
  g_autofree char *valid = NULL;

  g_return_if_fail (BITNET_IS_CONVERSATION (self));
  if (text != NULL && text[0] != '\0')
    valid = g_utf8_make_valid (text, -1); /* text may be ours */
  if (has_system (self))
    remove_range (self, 0, 1);
  if (valid != NULL) {
    g_ptr_array_insert (self->messages, 0, message_new ("system", valid));
    self->size += strlen (valid);
  }
}

void
bitnet_conversation_trim (BitnetConversation *self, guint n_turns)
{
  guint first, begin;

  g_return_if_fail (BITNET_IS_CONVERSATION (self));
  first = has_system (self) ? 1 : 0;
  begin = self->messages->len;
  for (guint i = begin; i > first && n_turns > 0; i--) {
    if (is_role (self, i - 1, "user")) {
      begin = i - 1;
      n_turns--;
    }
  }
  if (n_turns == 0)
    remove_range (self, first, begin - first);
}

void
bitnet_conversation_clear (BitnetConversation *self)
{
  g_return_if_fail (BITNET_IS_CONVERSATION (self));
  remove_range (self, 0, self->messages->len);
}

/* By hand, because json-glib 1.6 leaves U+001F as it is. */
static void
append_json_string (GString *json, const char *text)
{
  g_string_append_c (json, '"');
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\')
      g_string_append_printf (json, "\\%c", *text);
    else if (*text == '\n')
      g_string_append (json, "\\n");
    else if (g_ascii_iscntrl (*text))
      g_string_append_printf (json, "\\u%04x", (guint) *text);
    else
      g_string_append_c (json, *text);
  }
  g_string_append_c (json, '"');
}

char *
bitnet_conversation_to_json (BitnetConversation *self)
{
  GString *json;

  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), NULL);
  json = g_string_new ("[");
  for (guint i = 0; i < self->messages->len; i++) {
    const Message *message = get_message (self, i);

    g_string_append (json, i == 0 ? "{\"role\":" : ",{\"role\":");
    append_json_string (json, message->role);
    g_string_append (json, ",\"content\":");
    append_json_string (json, message->text);
    g_string_append_c (json, '}');
  }
  g_string_append_c (json, ']');
  return g_string_free (json, FALSE);
}

/* The string member of messages[i], or NULL with an error that names it. */
static const char *
get_string_member (
    JsonObject *message, guint i, const char *member, GError **error)
{
  JsonNode *node = json_object_get_member (message, member);

  if (node != NULL && json_node_get_value_type (node) == G_TYPE_STRING)
    return json_node_get_string (node);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "messages[%u].%s: found %s, expected a string", i, member,
      node ? json_node_type_name (node) : "nothing");
  return NULL;
}

static gboolean
append_json (BitnetConversation *self, JsonNode *node, guint i, GError **error)
{
  JsonObject *message;
  const char *role, *content;

  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "messages[%u]: found %s, expected an object", i,
        json_node_type_name (node));
    return FALSE;
  }
  message = json_node_get_object (node);
  role = get_string_member (message, i, "role", error);
  if (role == NULL)
    return FALSE;
  content = get_string_member (message, i, "content", error);
  if (content == NULL)
    return FALSE;
  if (!bitnet_conversation_append (self, role, content, error)) {
    g_prefix_error (error, "messages[%u]: ", i);
    return FALSE;
  }
  return TRUE;
}

static gboolean
load_messages (BitnetConversation *self, JsonNode *node, GError **error)
{
  g_autoptr (BitnetConversation) loaded = bitnet_conversation_new ();
  JsonArray *messages;

  if (!JSON_NODE_HOLDS_ARRAY (node)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "messages: found %s, expected an array", json_node_type_name (node));
    return FALSE;
  }
  messages = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (messages); i++) {
    if (!append_json (loaded, json_array_get_element (messages, i), i, error))
      return FALSE;
  }
  g_clear_pointer (&self->messages, g_ptr_array_unref);
  self->messages = g_ptr_array_ref (loaded->messages);
  self->size = loaded->size;
  return TRUE;
}

static JsonNode *
parse_request (const char *json, gssize length, GError **error)
{
  return bitnet_json_parse (json, length,
      MAX_ESCAPE_FACTOR * (gsize) BITNET_CONVERSATION_MAX_SIZE, error);
}

gboolean
bitnet_conversation_load_json (
    BitnetConversation *self, const char *json, gssize length, GError **error)
{
  g_autoptr (JsonNode) root = NULL;

  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), FALSE);
  g_return_val_if_fail (json != NULL, FALSE);
  root = parse_request (json, length, error);
  return root != NULL && load_messages (self, root, error);
}

/* The messages or the prompt of a request, whichever it has. */
static gboolean
load_request_object (
    BitnetConversation *self, JsonObject *request, GError **error)
{
  JsonNode *messages = json_object_get_member (request, "messages");
  JsonNode *prompt = json_object_get_member (request, "prompt");

  if ((messages != NULL) == (prompt != NULL)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "the request has %s, expected messages or prompt",
        messages != NULL ? "both messages and prompt" : "neither");
    return FALSE;
  }
  if (messages != NULL)
    return load_messages (self, messages, error);
  if (json_node_get_value_type (prompt) != G_TYPE_STRING) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "prompt: found %s, expected a string", json_node_type_name (prompt));
    return FALSE;
  }
  return bitnet_conversation_append (
      self, "user", json_node_get_string (prompt), error);
}

gboolean
bitnet_conversation_load_request (BitnetConversation *self, const char *json,
    gssize length, char **rest, GError **error)
{
  g_autoptr (JsonNode) root = NULL;
  JsonObject *request;

  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), FALSE);
  g_return_val_if_fail (json != NULL, FALSE);
  if (rest != NULL)
    *rest = NULL;
  root = parse_request (json, length, error);
  if (root == NULL)
    return FALSE;
  if (!JSON_NODE_HOLDS_OBJECT (root))
    return load_messages (self, root, error);
  request = json_node_get_object (root);
  if (!load_request_object (self, request, error))
    return FALSE;
  json_object_remove_member (request, "messages");
  json_object_remove_member (request, "prompt");
  if (rest != NULL && json_object_get_size (request) > 0)
    *rest = json_to_string (root, FALSE);
  return TRUE;
}
