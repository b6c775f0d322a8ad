/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetTemplate: writes a conversation as a template in the Jinja language or
 * a fixed form wants it, and encodes it.
 *
 * Rendering yields parts. Only the parts that the template wrote may hold
 * control tokens; BOS and EOS are parts of their own, because a tokenizer knows
 * their ids better than anyone knows their texts. The tokenizer keeps that
 * apart: it encodes all parts as one text, as the reference does, in which what
 * was said stays text. */
#include "bitnet-template.h"

#include <string.h>
#include "bitnet-error.h"
#include "bitnet-forms.h"
#include "bitnet-private.h"
#include "gguf/bn-gguf.h"
#include "jinja/bn-jinja.h"

struct _BitnetTemplate {
  GObject parent;
  BnJinjaTemplate *program; /* NULL: the form alone */
  BnForm form;              /* with a program: what it looks like, or empty */
  char *bos;
  char *eos;
  char *default_system; /* for conversations without system text, or NULL */
};

G_DEFINE_FINAL_TYPE (BitnetTemplate, bitnet_template, G_TYPE_OBJECT)

G_DEFINE_BOXED_TYPE (BitnetTemplateSegment, bitnet_template_segment,
    bitnet_template_segment_copy, bitnet_template_segment_free)

/* What bitnet_template_get_name() says of a program that is no known form. */
#define JINJA_NAME "jinja"

typedef enum {
  PART_CONTROL,
  PART_MESSAGE,
  PART_BOS,
  PART_EOS,
} PartKind;

typedef struct {
  PartKind kind;
  GString *text; /* of control and message parts; never empty */
} Part;

static void
part_free (gpointer data)
{
  Part *part = data;

  if (part->text != NULL)
    g_string_free (part->text, TRUE);
  g_free (part);
}

BitnetTemplateSegment *
bitnet_template_segment_copy (const BitnetTemplateSegment *self)
{
  BitnetTemplateSegment *copy = g_new (BitnetTemplateSegment, 1);

  copy->text = g_strdup (self->text);
  copy->is_control = self->is_control;
  return copy;
}

void
bitnet_template_segment_free (BitnetTemplateSegment *self)
{
  if (self == NULL)
    return;
  g_free (self->text);
  g_free (self);
}

static void
bitnet_template_finalize (GObject *object)
{
  BitnetTemplate *self = BITNET_TEMPLATE (object);

  bn_jinja_template_free (self->program);
  g_free (self->bos);
  g_free (self->eos);
  g_free (self->default_system);
  G_OBJECT_CLASS (bitnet_template_parent_class)->finalize (object);
}

static void
bitnet_template_class_init (BitnetTemplateClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bitnet_template_finalize;
}

static void
bitnet_template_init (BitnetTemplate *self)
{
}

/* Making one */

static BitnetTemplate *
new_from_form (const BnForm *form, const char *bos, const char *eos,
    const char *default_system)
{
  BitnetTemplate *self = g_object_new (BITNET_TYPE_TEMPLATE, NULL);

  self->form = *form;
  self->bos = g_strdup (bos ? bos : form->bos);
  self->eos = g_strdup (eos ? eos : form->eos);
  self->default_system = g_strdup (default_system);
  return self;
}

static char *
join_names (void)
{
  return g_strjoinv (", ", (char **) bn_form_list_names ());
}

const char *const *
bitnet_template_list_names (void)
{
  return bn_form_list_names ();
}

BitnetTemplate *
bitnet_template_new_named (const char *name, GError **error)
{
  const BnForm *form;

  g_return_val_if_fail (name != NULL, NULL);
  form = bn_form_by_name (name);
  if (form == NULL) {
    g_autofree char *names = join_names ();
    g_autofree char *shown = g_utf8_make_valid (name, -1);

    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE,
        "there is no chat template \"%s\", expected one of %s", shown, names);
    return NULL;
  }
  return new_from_form (form, NULL, NULL, NULL);
}

/* The published file of 2B-4T carries a placeholder. */
static gboolean
is_placeholder (const char *text)
{
  return strstr (text, "BITNETAssistant") != NULL;
}

BitnetTemplate *
bitnet_template_new_form (
    const char *text, const char *bos_token, const char *eos_token)
{
  BnForm form;
  const BnForm *closest;
  g_autofree char *default_system = NULL;

  if (!bn_form_recognise (text, &form, &default_system, &closest))
    return NULL;
  return new_from_form (&form, bos_token, eos_token, default_system);
}

BitnetTemplate *
bitnet_template_new_full (const char *text, const char *bos_token,
    const char *eos_token, GError **error)
{
  static const BnForm no_form = {.name = JINJA_NAME};
  BnForm form;
  const BnForm *closest;
  gboolean has_form;
  g_autofree char *default_system = NULL;
  g_autoptr (BnJinjaTemplate) program = NULL;
  g_autoptr (GError) program_error = NULL;
  BitnetTemplate *self;

  g_return_val_if_fail (text != NULL, NULL);
  has_form = bn_form_recognise (text, &form, &default_system, &closest);
  if (has_form && (strcmp (text, form.name) == 0 || is_placeholder (text)))
    return new_from_form (&form, bos_token, eos_token, default_system);

  program = bn_jinja_template_new (text, strlen (text), NULL, &program_error);
  if (program == NULL && has_form) {
    g_warning (
        "the chat template does not compile and is written as \"%s\": %s",
        form.name, program_error->message);
    return new_from_form (&form, bos_token, eos_token, default_system);
  }
  if (program == NULL) {
    g_autofree char *names = join_names ();

    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE,
        "the chat template does not compile: %s; choose a form with "
        "template=NAME: %s",
        program_error->message, names);
    return NULL;
  }
  self =
      new_from_form (has_form ? &form : &no_form, bos_token, eos_token, NULL);
  self->program = g_steal_pointer (&program);
  return self;
}

BitnetTemplate *
bitnet_template_new_from_text (const char *text, GError **error)
{
  return bitnet_template_new_full (text, NULL, NULL, error);
}

/* The text of the token whose id the key holds, or NULL. */
static char *
dup_token (BitnetModel *model, const char *key)
{
  BnGguf *gguf = bitnet_model_get_gguf (model);
  const BnGgufKv *tokens = bn_gguf_find_kv (gguf, "tokenizer.ggml.tokens");
  guint64 id;
  const char *text;
  gsize length;

  if (tokens == NULL || !bn_gguf_get_uint (gguf, key, &id)
      || !bn_gguf_kv_get_string (tokens, id, &text, &length)
      || !g_utf8_validate_len (text, length, NULL))
    return NULL;
  return g_strndup (text, length);
}

/* BitNet b1.58 2B-4T: its files carry no template or a placeholder. */
static gboolean
is_2b_4t (BitnetModel *model)
{
  g_autofree char *name = NULL;

  if (!g_str_has_prefix (bitnet_model_get_architecture (model), "bitnet")
      || bitnet_model_get_name (model) == NULL)
    return FALSE;
  name = g_ascii_strdown (bitnet_model_get_name (model), -1);
  return strstr (name, "2b-4t") != NULL || strstr (name, "2b4t") != NULL;
}

BitnetTemplate *
bitnet_template_new_for_model (
    const char *text, BitnetModel *model, GError **error)
{
  g_autofree char *bos = NULL;
  g_autofree char *eos = NULL;

  g_return_val_if_fail (text != NULL, NULL);
  g_return_val_if_fail (BITNET_IS_MODEL (model), NULL);
  bos = dup_token (model, "tokenizer.ggml.bos_token_id");
  eos = dup_token (model, "tokenizer.ggml.eos_token_id");
  return bitnet_template_new_full (text, bos, eos, error);
}

BitnetTemplate *
bitnet_template_new_from_model (BitnetModel *model, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (BitnetTemplate) self = NULL;

  g_return_val_if_fail (BITNET_IS_MODEL (model), NULL);
  text = bitnet_model_dup_string (model, "tokenizer.chat_template");
  if (text == NULL || text[0] == '\0')
    return bitnet_template_new_named (
        is_2b_4t (model) ? "bitnet" : "none", error);

  self = bitnet_template_new_for_model (text, model, error);
  if (self == NULL)
    g_prefix_error (error, "%s: ", bitnet_model_get_path (model));
  return g_steal_pointer (&self);
}

const char *
bitnet_template_get_name (BitnetTemplate *self)
{
  g_return_val_if_fail (BITNET_IS_TEMPLATE (self), NULL);
  return self->form.name;
}

gboolean
bitnet_template_is_plain (BitnetTemplate *self)
{
  g_return_val_if_fail (BITNET_IS_TEMPLATE (self), TRUE);
  return (self->form.flags & BN_FORM_PLAIN) != 0;
}

/* Rendering */

static void
add_text (GPtrArray *parts, PartKind kind, const char *text, gsize length)
{
  Part *last = parts->len ? parts->pdata[parts->len - 1] : NULL;

  if (length == 0)
    return;
  if (last == NULL || last->kind != kind) {
    last = g_new (Part, 1);
    last->kind = kind;
    last->text = g_string_new (NULL);
    g_ptr_array_add (parts, last);
  }
  g_string_append_len (last->text, text, length);
}

static void
add_control (GPtrArray *parts, const char *text)
{
  add_text (parts, PART_CONTROL, text, strlen (text));
}

static void
add_token (GPtrArray *parts, PartKind kind)
{
  Part *part = g_new0 (Part, 1);

  part->kind = kind;
  g_ptr_array_add (parts, part);
}

static void
add_message (
    GPtrArray *parts, const char *text, gboolean trim_begin, gboolean trim_end)
{
  const char *end = text + strlen (text);

  while (trim_begin && text < end && g_unichar_isspace (g_utf8_get_char (text)))
    text = g_utf8_next_char (text);
  while (trim_end && text < end) {
    const char *previous = g_utf8_prev_char (end);

    if (!g_unichar_isspace (g_utf8_get_char (previous)))
      break;
    end = previous;
  }
  add_text (parts, PART_MESSAGE, text, end - text);
}

static void
add_framed (
    GPtrArray *parts, const BnFrame *frame, const char *text, gboolean trim)
{
  add_control (parts, frame->before);
  add_message (parts, text, trim, trim);
  add_control (parts, frame->after);
}

static gboolean
refuse (const BnForm *form, guint i, const char *why, GError **error)
{
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE,
      "message %u: the chat template \"%s\" has %s", i, form->name, why);
  return FALSE;
}

/* Where the roles of a conversation stand. */
typedef struct {
  guint n_turns;      /* messages of user and assistant so far */
  const char *system; /* text that waits for its user message, or NULL */
} Progress;

static gboolean
add_system (BitnetTemplate *self, GPtrArray *parts, Progress *progress, guint i,
    const char *text, GError **error)
{
  const BnForm *form = &self->form;

  if (form->flags & BN_FORM_NO_SYSTEM)
    return refuse (form, i, "no place for a system message", error);
  if (!(form->flags & BN_FORM_SYSTEM_IN_USER)) {
    add_framed (parts, &form->system, text, (form->flags & BN_FORM_TRIM) != 0);
    return TRUE;
  }
  if (i > 0)
    return refuse (
        form, i, "a place for the system message only in front", error);
  progress->system = text;
  return TRUE;
}

static void
add_user (BitnetTemplate *self, GPtrArray *parts, Progress *progress,
    gboolean is_last, const char *text)
{
  const BnForm *form = &self->form;
  gboolean trim = (form->flags & BN_FORM_TRIM) != 0;
  gboolean has_system = progress->system != NULL
                        && (is_last || !(form->flags & BN_FORM_SYSTEM_LAST));

  if (form->flags & BN_FORM_BOS_EACH)
    add_token (parts, PART_BOS);
  add_control (parts, form->user.before);
  if (has_system) {
    add_framed (parts, &form->system, progress->system, FALSE);
    progress->system = NULL;
  }
  /* LLaMA 2 trims system and user text as one. */
  add_message (parts, text,
      trim && !(has_system && form->system.before[0] != '\0'), trim);
  add_control (parts, form->user.after);
}

static gboolean
add_turn (BitnetTemplate *self, GPtrArray *parts, Progress *progress,
    BitnetConversation *conversation, guint i, GError **error)
{
  const BnForm *form = &self->form;
  const char *role = bitnet_conversation_get_role (conversation, i);
  const char *text = bitnet_conversation_get_text (conversation, i);
  gboolean is_last = i + 1 == bitnet_conversation_get_n_messages (conversation);
  gboolean is_user = strcmp (role, "user") == 0;

  if (strcmp (role, "system") == 0)
    return add_system (self, parts, progress, i, text, error);
  if (!is_user && strcmp (role, "assistant") != 0) {
    g_autofree char *why =
        g_strdup_printf ("no place for the role \"%s\"", role);

    return refuse (form, i, why, error);
  }
  if ((form->flags & BN_FORM_ALTERNATE)
      && is_user != (progress->n_turns % 2 == 0))
    return refuse (form, i, "user and assistant take turns", error);
  progress->n_turns++;

  if (is_user) {
    add_user (self, parts, progress, is_last, text);
    return TRUE;
  }
  add_framed (parts, &form->assistant, text, (form->flags & BN_FORM_TRIM) != 0);
  if (form->flags & BN_FORM_EOS)
    add_token (parts, PART_EOS);
  return TRUE;
}

static void
add_plain (GPtrArray *parts, BitnetConversation *conversation)
{
  guint n_messages = bitnet_conversation_get_n_messages (conversation);

  for (guint i = 0; i < n_messages; i++) {
    if (i > 0)
      add_text (parts, PART_MESSAGE, "\n", 1);
    add_message (
        parts, bitnet_conversation_get_text (conversation, i), FALSE, FALSE);
  }
}

/* Programs */

/* Variables that templates take for granted. */
static gboolean
set_defaults (BnJinjaContext *context, GError **error)
{
  return bn_jinja_context_set_json (
             context, "tools", "null", 4, BN_JINJA_UNTRUSTED, error)
         && bn_jinja_context_set_json (
             context, "documents", "null", 4, BN_JINJA_UNTRUSTED, error);
}

static gboolean
set_token (
    BnJinjaContext *context, const char *name, const char *text, GError **error)
{
  return text == NULL
         || bn_jinja_context_set_string (
             context, name, text, strlen (text), BN_JINJA_TRUSTED, error);
}

/* What now says, if it is a string, is the time. */
static gboolean
take_now (BnJinjaContext *context, GError **error)
{
  gsize size;
  const char *now = bn_jinja_context_get_string (context, "now", &size);
  g_autofree char *text = now ? g_strndup (now, size) : NULL;

  return text == NULL || bn_jinja_context_set_now (context, text, error);
}

static BnJinjaContext *
make_context (
    BitnetTemplate *self, const char *request, gsize length, GError **error)
{
  g_autoptr (BnJinjaContext) context = bn_jinja_context_new (NULL);

  if (!set_defaults (context, error)
      || !set_token (context, "bos_token", self->bos, error)
      || !set_token (context, "eos_token", self->eos, error)
      || !bn_jinja_context_set_members (
          context, request, length, BN_JINJA_UNTRUSTED, error)
      || !take_now (context, error))
    return NULL;
  return g_steal_pointer (&context);
}

static GPtrArray *
split_output (BitnetTemplate *self, const BnJinjaOutput *output)
{
  GPtrArray *parts = g_ptr_array_new_with_free_func (part_free);
  gsize bos_length = self->bos ? strlen (self->bos) : 0;
  gsize at = 0;
  gsize control_end =
      output->n_untrusted > 0 ? output->untrusted[0].begin : output->size;

  if (bos_length > 0 && bos_length <= control_end
      && memcmp (output->text, self->bos, bos_length) == 0) {
    add_token (parts, PART_BOS);
    at = bos_length;
  }
  for (gsize i = 0; i < output->n_untrusted; i++) {
    const BnJinjaRange *range = &output->untrusted[i];

    add_text (parts, PART_CONTROL, output->text + at, range->begin - at);
    add_text (parts, PART_MESSAGE, output->text + range->begin,
        range->end - range->begin);
    at = range->end;
  }
  add_text (parts, PART_CONTROL, output->text + at, output->size - at);
  return parts;
}

static GPtrArray *
run_program (BitnetTemplate *self, BitnetConversation *conversation,
    gboolean add_generation_prompt, GError **error)
{
  g_autofree char *messages = bitnet_conversation_to_json (conversation);
  g_autofree char *variables = bitnet_conversation_dup_variables (conversation);
  /* A token that the model does not have is nothing, not an error. */
  g_autofree char *request = g_strdup_printf (
      "{%s%s%.*s%s\"messages\":%s,\"add_generation_prompt\":%s}",
      self->bos ? "" : "\"bos_token\":\"\",",
      self->eos ? "" : "\"eos_token\":\"\",",
      variables ? (int) strlen (variables) - 2 : 0,
      variables ? variables + 1 : "", variables ? "," : "", messages,
      add_generation_prompt ? "true" : "false");
  g_autoptr (BnJinjaContext) context =
      make_context (self, request, strlen (request), error);
  g_auto (BnJinjaOutput) output = {0};

  if (context == NULL
      || !bn_jinja_template_render (
          self->program, context, NULL, &output, error))
    return NULL;
  return split_output (self, &output);
}

static GPtrArray *
render_parts (BitnetTemplate *self, BitnetConversation *conversation,
    gboolean add_generation_prompt, GError **error)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (part_free);
  guint n_messages = bitnet_conversation_get_n_messages (conversation);
  Progress progress = {0};

  if (self->program != NULL)
    return run_program (self, conversation, add_generation_prompt, error);
  if (bitnet_template_is_plain (self)) {
    add_plain (parts, conversation);
    return g_steal_pointer (&parts);
  }
  if (self->form.flags & BN_FORM_BOS)
    add_token (parts, PART_BOS);
  if (self->default_system != NULL
      && (n_messages == 0
          || strcmp (bitnet_conversation_get_role (conversation, 0), "system")
                 != 0)) {
    add_control (parts, self->form.system.before);
    add_control (parts, self->default_system);
    add_control (parts, self->form.system.after);
  }
  for (guint i = 0; i < n_messages; i++) {
    if (!add_turn (self, parts, &progress, conversation, i, error))
      return NULL;
  }
  if (add_generation_prompt)
    add_control (parts, self->form.generation);
  else if (self->form.flags & BN_FORM_EOS_AT_END)
    add_token (parts, PART_EOS);
  return g_steal_pointer (&parts);
}

GPtrArray *
bitnet_template_render_segments (BitnetTemplate *self,
    BitnetConversation *conversation, gboolean add_generation_prompt,
    GError **error)
{
  g_autoptr (GPtrArray) parts = NULL;
  g_autoptr (GPtrArray) written = NULL;
  GPtrArray *segments;

  g_return_val_if_fail (BITNET_IS_TEMPLATE (self), NULL);
  g_return_val_if_fail (BITNET_IS_CONVERSATION (conversation), NULL);
  parts = render_parts (self, conversation, add_generation_prompt, error);
  if (parts == NULL)
    return NULL;

  /* Write BOS and EOS out and join what is then next to each other. */
  written = g_ptr_array_new_with_free_func (part_free);
  for (guint i = 0; i < parts->len; i++) {
    const Part *part = parts->pdata[i];

    if (part->kind == PART_BOS)
      add_control (written, self->bos);
    else if (part->kind == PART_EOS)
      add_control (written, self->eos);
    else
      add_text (written, part->kind, part->text->str, part->text->len);
  }
  segments = g_ptr_array_new_full (
      written->len, (GDestroyNotify) bitnet_template_segment_free);
  for (guint i = 0; i < written->len; i++) {
    const Part *part = written->pdata[i];
    BitnetTemplateSegment segment = {
        part->text->str, part->kind == PART_CONTROL};

    g_ptr_array_add (segments, bitnet_template_segment_copy (&segment));
  }
  return segments;
}

char *
bitnet_template_render (BitnetTemplate *self, BitnetConversation *conversation,
    gboolean add_generation_prompt, GError **error)
{
  g_autoptr (GPtrArray) segments = bitnet_template_render_segments (
      self, conversation, add_generation_prompt, error);
  GString *text;

  if (segments == NULL)
    return NULL;
  text = g_string_new (NULL);
  for (guint i = 0; i < segments->len; i++) {
    const BitnetTemplateSegment *segment = segments->pdata[i];

    g_string_append (text, segment->text);
  }
  return g_string_free (text, FALSE);
}

/* A form knows messages and add_generation_prompt only. */
static char *
render_request (BitnetTemplate *self, const char *json, gssize length,
    gsize *text_length, GError **error)
{
  g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
  g_autoptr (JsonNode) rest = NULL;
  g_autofree char *others = NULL;
  gboolean add_generation_prompt = FALSE;
  char *text;

  if (!bitnet_conversation_load_request (
          conversation, json, length, &others, error))
    return NULL;
  if (others != NULL) {
    rest = json_from_string (others, NULL);
    add_generation_prompt = json_object_get_boolean_member_with_default (
        json_node_get_object (rest), "add_generation_prompt", FALSE);
  }
  text =
      bitnet_template_render (self, conversation, add_generation_prompt, error);
  if (text != NULL && text_length != NULL)
    *text_length = strlen (text);
  return text;
}

char *
bitnet_template_render_json (BitnetTemplate *self, const char *json,
    gssize length, GCancellable *cancellable, gsize *text_length,
    GError **error)
{
  g_autoptr (BnJinjaContext) context = NULL;
  BnJinjaOutput output = {0};

  g_return_val_if_fail (BITNET_IS_TEMPLATE (self), NULL);
  g_return_val_if_fail (json != NULL, NULL);
  if (self->program == NULL)
    return render_request (self, json, length, text_length, error);
  context = make_context (
      self, json, length < 0 ? strlen (json) : (gsize) length, error);
  if (context == NULL
      || !bn_jinja_template_render (
          self->program, context, cancellable, &output, error))
    return NULL;
  if (text_length != NULL)
    *text_length = output.size;
  g_free (output.untrusted);
  return output.text;
}

/* Encoding */

static void
add_role (GArray *texts, BitnetTokenizer *tokenizer, BitnetSpecialToken which)
{
  BitnetTextPart part = {
      .token = bitnet_tokenizer_get_special (tokenizer, which)};

  if (part.token != BITNET_TOKEN_NONE)
    g_array_append_val (texts, part);
}

/* The parts as the tokenizer takes them; they point into parts. */
static GArray *
list_texts (
    BitnetTokenizer *tokenizer, GPtrArray *parts, BitnetEncodeFlags flags)
{
  GArray *texts = g_array_new (FALSE, FALSE, sizeof (BitnetTextPart));
  gboolean begins_with_bos =
      parts->len > 0 && ((Part *) parts->pdata[0])->kind == PART_BOS;

  if ((flags & BITNET_ENCODE_ADD_SPECIAL)
      && (begins_with_bos || bitnet_tokenizer_get_add_bos (tokenizer)))
    add_role (texts, tokenizer, BITNET_SPECIAL_BOS);
  for (guint i = begins_with_bos ? 1 : 0; i < parts->len; i++) {
    const Part *part = parts->pdata[i];

    if (part->text != NULL) {
      BitnetTextPart text = {.text = part->text->str,
          .length = (gssize) part->text->len,
          .parse_special = part->kind == PART_CONTROL};
      g_array_append_val (texts, text);
    } else {
      add_role (texts, tokenizer,
          part->kind == PART_BOS ? BITNET_SPECIAL_BOS : BITNET_SPECIAL_EOS);
    }
  }
  return texts;
}

guint32 *
bitnet_template_encode (BitnetTemplate *self, BitnetConversation *conversation,
    BitnetTokenizer *tokenizer, gboolean add_generation_prompt,
    BitnetEncodeFlags flags, gsize *n_tokens, GError **error)
{
  g_autoptr (GPtrArray) parts = NULL;
  g_autoptr (GArray) texts = NULL;

  g_return_val_if_fail (BITNET_IS_TEMPLATE (self), NULL);
  g_return_val_if_fail (BITNET_IS_CONVERSATION (conversation), NULL);
  g_return_val_if_fail (BITNET_IS_TOKENIZER (tokenizer), NULL);
  g_return_val_if_fail (n_tokens != NULL, NULL);
  if (bitnet_template_is_plain (self)) {
    g_autofree char *text = bitnet_template_render (
        self, conversation, add_generation_prompt, error);

    return bitnet_tokenizer_encode (
        tokenizer, text, -1, flags, n_tokens, error);
  }
  parts = render_parts (self, conversation, add_generation_prompt, error);
  if (parts == NULL)
    return NULL;
  texts = list_texts (tokenizer, parts, flags);
  return bitnet_tokenizer_encode_parts (tokenizer,
      (const BitnetTextPart *) (void *) texts->data, texts->len,
      flags & (BITNET_ENCODE_PARSE_SPECIAL | BITNET_ENCODE_STRICT), n_tokens,
      error);
}
