/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetConversation: messages in an array, and their JSON form. Every text
 * in the array is UTF-8; their bytes are counted so that no input makes the
 * conversation grow without bound.
 *
 * A message that is more than a role and a text keeps its JSON form beside
 * them, for templates; the text is then what people read of it. */
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
  char *json; /* the whole message, or NULL if it has nothing else */
} Message;

struct _BitnetConversation {
  GObject parent;
  GPtrArray *messages; /* of Message */
  gsize size;          /* bytes of all texts and JSON forms */
  char *variables;     /* JSON object without its braces, or NULL */
};

G_DEFINE_FINAL_TYPE (BitnetConversation, bitnet_conversation, G_TYPE_OBJECT)

static Message *
message_new (const char *role, const char *text, const char *json)
{
  Message *message = g_new (Message, 1);

  message->json = g_strdup (json);
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
  g_free (message->json);
  g_free (message);
}

static gsize
message_size (const Message *message)
{
  return strlen (message->text) + (message->json ? strlen (message->json) : 0);
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
    self->size -= message_size (get_message (self, i));
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
  g_free (self->variables);
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

    g_ptr_array_add (copy->messages,
        message_new (message->role, message->text, message->json));
  }
  copy->size = self->size;
  copy->variables = g_strdup (self->variables);
  return copy;
}

/* json: the whole message, or NULL. */
static gboolean
append (BitnetConversation *self, const char *role, const char *text,
    const char *json, GError **error)
{
  gsize size;
  const char *valid_end;

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
  size = strlen (text) + (json ? strlen (json) : 0);
  /* set_system() may have gone beyond the limit. */
  if (self->size > BITNET_CONVERSATION_MAX_SIZE
      || size > BITNET_CONVERSATION_MAX_SIZE - self->size) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "the texts have more than %d bytes", BITNET_CONVERSATION_MAX_SIZE);
    return FALSE;
  }
  g_ptr_array_add (self->messages, message_new (role, text, json));
  self->size += size;
  return TRUE;
}

gboolean
bitnet_conversation_append (BitnetConversation *self, const char *role,
    const char *text, GError **error)
{
  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), FALSE);
  g_return_val_if_fail (role != NULL && text != NULL, FALSE);
  return append (self, role, text, NULL, error);
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
    g_ptr_array_insert (self->messages, 0, message_new ("system", valid, NULL));
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
  g_clear_pointer (&self->variables, g_free);
}

char *
bitnet_conversation_to_json (BitnetConversation *self)
{
  GString *json;

  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), NULL);
  json = g_string_new ("[");
  for (guint i = 0; i < self->messages->len; i++) {
    const Message *message = get_message (self, i);

    if (i > 0)
      g_string_append_c (json, ',');
    if (message->json != NULL) {
      g_string_append (json, message->json);
      continue;
    }
    g_string_append (json, "{\"role\":");
    bitnet_json_append_string (json, message->role);
    g_string_append (json, ",\"content\":");
    bitnet_json_append_string (json, message->text);
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
refuse_part (guint i, guint part, const char *member, JsonNode *found,
    const char *expected, GError **error)
{
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "messages[%u].content[%u]%s: found %s, expected %s", i, part, member,
      found ? json_node_type_name (found) : "nothing", expected);
  return FALSE;
}

/* Adds the texts of a content that is an array of parts. */
static gboolean
read_parts (JsonArray *parts, guint i, GString *text, GError **error)
{
  for (guint k = 0; k < json_array_get_length (parts); k++) {
    JsonNode *part = json_array_get_element (parts, k), *type, *node;
    JsonObject *object;

    if (!JSON_NODE_HOLDS_OBJECT (part))
      return refuse_part (i, k, "", part, "an object", error);
    object = json_node_get_object (part);
    type = json_object_get_member (object, "type");
    if (type == NULL || json_node_get_value_type (type) != G_TYPE_STRING)
      return refuse_part (i, k, ".type", type, "a string", error);
    if (strcmp (json_node_get_string (type), "text") != 0)
      continue;
    node = json_object_get_member (object, "text");
    if (node == NULL || json_node_get_value_type (node) != G_TYPE_STRING)
      return refuse_part (i, k, ".text", node, "a string", error);
    g_string_append (text, json_node_get_string (node));
  }
  return TRUE;
}

/* The text of a message: its content if that is a string, the texts of its
 * parts if it is an array, nothing if the message consists of other members,
 * such as calls of tools. */
static gboolean
read_content (JsonObject *message, guint i, GString *text, GError **error)
{
  JsonNode *node = json_object_get_member (message, "content");
  guint n_usual = node != NULL ? 2 : 1; /* role and content */
  const char *content;

  if (node != NULL && JSON_NODE_HOLDS_ARRAY (node))
    return read_parts (json_node_get_array (node), i, text, error);
  if ((node == NULL || JSON_NODE_HOLDS_NULL (node))
      && json_object_get_size (message) > n_usual)
    return TRUE;
  content = get_string_member (message, i, "content", error);
  if (content != NULL)
    g_string_append (text, content);
  return content != NULL;
}

static gboolean
append_json (BitnetConversation *self, JsonNode *node, guint i, GError **error)
{
  JsonObject *message;
  JsonNode *content;
  const char *role;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) json = NULL;

  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "messages[%u]: found %s, expected an object", i,
        json_node_type_name (node));
    return FALSE;
  }
  message = json_node_get_object (node);
  role = get_string_member (message, i, "role", error);
  if (role == NULL || !read_content (message, i, text, error))
    return FALSE;
  content = json_object_get_member (message, "content");
  if (json_object_get_size (message) > 2 || content == NULL
      || json_node_get_value_type (content) != G_TYPE_STRING) {
    json = g_string_new (NULL);
    bitnet_json_append_node (json, node);
  }
  if (!append (self, role, text->str, json ? json->str : NULL, error)) {
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

static void
replace (BitnetConversation *self, BitnetConversation *with)
{
  g_ptr_array_unref (self->messages);
  self->messages = g_ptr_array_ref (with->messages);
  self->size = with->size;
  g_free (self->variables);
  self->variables = g_strdup (with->variables);
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

/* Variables */

/* Keeps the members of an object, or none if it is NULL. */
static void
take_variables (BitnetConversation *self, JsonNode *object)
{
  g_autoptr (GString) json = g_string_new (NULL);

  g_clear_pointer (&self->variables, g_free);
  if (object == NULL
      || json_object_get_size (json_node_get_object (object)) == 0)
    return;
  bitnet_json_append_node (json, object);
  self->variables = g_strndup (json->str + 1, json->len - 2);
}

gboolean
bitnet_conversation_set_variables (
    BitnetConversation *self, const char *json, gssize length, GError **error)
{
  g_autoptr (JsonNode) root = NULL;

  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), FALSE);
  if (json == NULL) {
    take_variables (self, NULL);
    return TRUE;
  }
  root = parse_request (json, length, error);
  if (root == NULL)
    return FALSE;
  if (!JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "variables: found %s, expected an object", json_node_type_name (root));
    return FALSE;
  }
  take_variables (self, root);
  return TRUE;
}

char *
bitnet_conversation_dup_variables (BitnetConversation *self)
{
  g_return_val_if_fail (BITNET_IS_CONVERSATION (self), NULL);
  return self->variables ? g_strdup_printf ("{%s}", self->variables) : NULL;
}

/* Moves what templates take from a request: tools, documents and the members
 * of chat_template_kwargs. */
static gboolean
load_variables (BitnetConversation *self, JsonObject *request, GError **error)
{
  static const char *const names[] = {"tools", "documents"};
  JsonNode *more = json_object_get_member (request, "chat_template_kwargs");
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (JsonObject) variables = json_object_new ();

  if (more != NULL && !JSON_NODE_HOLDS_OBJECT (more)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "chat_template_kwargs: found %s, expected an object",
        json_node_type_name (more));
    return FALSE;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    JsonNode *member = json_object_get_member (request, names[i]);

    if (member != NULL)
      json_object_set_member (variables, names[i], json_node_copy (member));
    json_object_remove_member (request, names[i]);
  }
  if (more != NULL) {
    JsonObjectIter iter;
    const char *name;
    JsonNode *value;

    json_object_iter_init (&iter, json_node_get_object (more));
    while (json_object_iter_next (&iter, &name, &value))
      json_object_set_member (variables, name, json_node_copy (value));
    json_object_remove_member (request, "chat_template_kwargs");
  }
  json_node_set_object (node, variables);
  if (json_object_get_size (variables) > 0
      || json_object_has_member (request, "messages"))
    take_variables (self, node);
  return TRUE;
}

gboolean
bitnet_conversation_load_request (BitnetConversation *self, const char *json,
    gssize length, char **rest, GError **error)
{
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (BitnetConversation) loaded = NULL;
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
  loaded = bitnet_conversation_copy (self);
  if (!load_variables (loaded, request, error)
      || !load_request_object (loaded, request, error))
    return FALSE;
  replace (self, loaded);
  json_object_remove_member (request, "messages");
  json_object_remove_member (request, "prompt");
  if (rest != NULL && json_object_get_size (request) > 0)
    *rest = json_to_string (root, FALSE);
  return TRUE;
}
