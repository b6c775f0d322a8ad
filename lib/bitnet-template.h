/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetTemplate: the form in which a model wants a conversation written. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"
#include "bitnet-model.h"
#include "bitnet-conversation.h"
#include "bitnet-tokenizer.h"

G_BEGIN_DECLS

/**
 * BitnetTemplateSegment:
 * @text: UTF-8 text
 * @is_control: whether the template wrote @text, so that control tokens in
 *   it count; what people and models said is never control
 *
 * A piece of a rendered conversation.
 */
typedef struct {
  char *text;
  gboolean is_control;
} BitnetTemplateSegment;

#define BITNET_TYPE_TEMPLATE_SEGMENT (bitnet_template_segment_get_type ())
BITNET_AVAILABLE_IN_ALL
GType bitnet_template_segment_get_type (void);

/**
 * bitnet_template_segment_copy:
 * @self: a segment
 *
 * Returns: (transfer full): a copy of @self
 */
BITNET_AVAILABLE_IN_ALL
BitnetTemplateSegment *bitnet_template_segment_copy (
    const BitnetTemplateSegment *self);

/**
 * bitnet_template_segment_free:
 * @self: (transfer full): a segment
 *
 * Frees @self.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_template_segment_free (BitnetTemplateSegment *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (
    BitnetTemplateSegment, bitnet_template_segment_free)

/**
 * BitnetTemplate:
 *
 * A chat template. Immutable and thread-safe.
 *
 * Models carry a program in the Jinja language, which is run in a sandbox, as
 * the Hugging Face libraries run it: no access to anything outside, and an
 * end after so many steps, so much memory and so much output. Besides there
 * are the fixed forms of the common families (`chatml`, `llama-2`, `llama-3`,
 * `mistral`, `phi-3`, `gemma`, `bitnet`, and `none` for plain text), for models
 * without a template and by name.
 *
 * |[<!-- language="C" -->
 * g_autoptr (BitnetTemplate) template
 *     = bitnet_template_new_from_model (model, &error);
 * g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
 * gsize n_tokens;
 *
 * bitnet_conversation_append (conversation, "user", "Hello", NULL);
 * g_autofree guint32 *tokens = bitnet_template_encode (template,
 *     conversation, tokenizer, TRUE, BITNET_ENCODE_ADD_SPECIAL, &n_tokens,
 *     &error);
 * ]|
 */
#define BITNET_TYPE_TEMPLATE (bitnet_template_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (
    BitnetTemplate, bitnet_template, BITNET, TEMPLATE, GObject)

/**
 * bitnet_template_list_names:
 *
 * The names that bitnet_template_new_named() takes.
 *
 * Returns: (transfer none) (array zero-terminated=1): the names
 */
BITNET_AVAILABLE_IN_ALL
const char *const *bitnet_template_list_names (void);

/**
 * bitnet_template_new_from_model:
 * @model: a model
 * @error: return location for an error
 *
 * The template that @model carries in `tokenizer.chat_template`; `none` if it
 * carries none (BitNet b1.58 2B-4T, whose published file carries a
 * placeholder or nothing, gets `bitnet`).
 *
 * Fails with %BITNET_ERROR_TEMPLATE if the text does not compile; the message
 * says where and why, and lists the names that can be chosen instead.
 *
 * Returns: (transfer full): a template, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
BitnetTemplate *bitnet_template_new_from_model (
    BitnetModel *model, GError **error);

/**
 * bitnet_template_new_from_text:
 * @text: the text of a template in the Jinja language, or a form's name
 * @error: return location for an error
 *
 * Compiles @text. Where that fails and a fixed form would write the same, the
 * form is taken with a warning.
 *
 * Fails with %BITNET_ERROR_TEMPLATE as bitnet_template_new_from_model() does.
 *
 * Returns: (transfer full): a template, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
BitnetTemplate *bitnet_template_new_from_text (
    const char *text, GError **error);

/**
 * bitnet_template_new_full:
 * @text: as for bitnet_template_new_from_text()
 * @bos_token: (nullable): text of the token that begins a sequence; %NULL =
 *   the family's
 * @eos_token: (nullable): text of the token that ends a sequence; %NULL =
 *   the family's
 * @error: return location for an error
 *
 * bitnet_template_new_from_text() with the texts that `bos_token` and
 * `eos_token` of the template stand for.
 *
 * Returns: (transfer full): a template, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
BitnetTemplate *bitnet_template_new_full (const char *text,
    const char *bos_token, const char *eos_token, GError **error);

/**
 * bitnet_template_new_for_model:
 * @text: as for bitnet_template_new_from_text()
 * @model: the model that @text is used with
 * @error: return location for an error
 *
 * bitnet_template_new_full() with the tokens of @model.
 *
 * Returns: (transfer full): a template, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
BitnetTemplate *bitnet_template_new_for_model (
    const char *text, BitnetModel *model, GError **error);

/**
 * bitnet_template_new_named:
 * @name: one of bitnet_template_list_names(); `qwen` and `plain` are other
 *   words for `chatml` and `none`
 * @error: return location for an error
 *
 * A fixed form by its name.
 *
 * Fails with %BITNET_ERROR_TEMPLATE if there is no form of that name.
 *
 * Returns: (transfer full): a template, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
BitnetTemplate *bitnet_template_new_named (const char *name, GError **error);

/**
 * bitnet_template_get_name:
 * @self: a template
 *
 * Returns: (transfer none): the name of the form that it is or looks like, or
 *   `jinja`
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_template_get_name (BitnetTemplate *self);

/**
 * bitnet_template_is_plain:
 * @self: a template
 *
 * Whether the form is `none`: texts follow each other, one a line, without
 * roles.
 *
 * Returns: %TRUE if @self adds nothing
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_template_is_plain (BitnetTemplate *self);

/**
 * bitnet_template_render:
 * @self: a template
 * @conversation: what was said
 * @add_generation_prompt: whether the text ends where the model's answer
 *   begins
 * @error: return location for an error
 *
 * The conversation as one text, control tokens written out, for people to
 * read. To feed a model use bitnet_template_encode(), which keeps control
 * tokens that somebody wrote into a message from counting.
 *
 * Fails with %BITNET_ERROR_TEMPLATE_RAISED if the template refuses the
 * conversation, with %BITNET_ERROR_TEMPLATE if it fails otherwise or a fixed
 * form has no place for a message: an unknown role, roles that do not
 * alternate.
 *
 * Returns: (transfer full): the text, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
char *bitnet_template_render (BitnetTemplate *self,
    BitnetConversation *conversation, gboolean add_generation_prompt,
    GError **error);

/**
 * bitnet_template_render_segments:
 * @self: a template
 * @conversation: what was said
 * @add_generation_prompt: whether the text ends where the model's answer
 *   begins
 * @error: return location for an error
 *
 * bitnet_template_render() in pieces that tell the template's own text from
 * the messages. No piece is empty and neighbours differ in kind.
 *
 * Returns: (transfer full) (element-type BitnetTemplateSegment): the pieces,
 *   or %NULL
 */
BITNET_AVAILABLE_IN_ALL
GPtrArray *bitnet_template_render_segments (BitnetTemplate *self,
    BitnetConversation *conversation, gboolean add_generation_prompt,
    GError **error);

/**
 * bitnet_template_render_json:
 * @self: a template
 * @json: a JSON object whose members are the template's variables:
 *   `messages`, `tools`, `add_generation_prompt` and any others; `bos_token`
 *   and `eos_token` default to the model's, `tools` and `documents` to null.
 *   `now`, "YYYY-MM-DDTHH:MM:SS", is the time that `strftime_now` writes
 * @length: bytes of @json, or -1 if it ends with NUL
 * @cancellable: (nullable): to end a rendering from another thread
 * @text_length: (out) (optional): bytes of the text, which may contain NUL
 * @error: return location for an error
 *
 * What the template writes. This is the whole interface that templates have;
 * bitnet_template_render() is the simple one.
 *
 * Fails with %BITNET_ERROR_TEMPLATE_RAISED and the template's own message if
 * it refuses the conversation, with %BITNET_ERROR_TEMPLATE and line and column
 * if it does what it cannot or takes more steps, memory or output than a
 * template may. A fixed form looks at `messages` and `add_generation_prompt`
 * only.
 *
 * Returns: (transfer full): the text, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
char *bitnet_template_render_json (BitnetTemplate *self, const char *json,
    gssize length, GCancellable *cancellable, gsize *text_length,
    GError **error);

/**
 * bitnet_template_encode:
 * @self: a template
 * @conversation: what was said
 * @tokenizer: the model's tokenizer
 * @add_generation_prompt: whether the tokens end where the model's answer
 *   begins
 * @flags: %BITNET_ENCODE_ADD_SPECIAL for the token that begins a sequence,
 *   once, where the model or the form wants it; %BITNET_ENCODE_PARSE_SPECIAL
 *   to let control tokens written in messages count
 * @n_tokens: (out): number of tokens
 * @error: return location for an error
 *
 * The conversation as tokens. Control tokens of the template always count;
 * those written in messages only with %BITNET_ENCODE_PARSE_SPECIAL.
 *
 * A plain template encodes the messages, one a line, with @flags.
 *
 * Returns: (transfer full) (array length=n_tokens): the tokens, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
guint32 *bitnet_template_encode (BitnetTemplate *self,
    BitnetConversation *conversation, BitnetTokenizer *tokenizer,
    gboolean add_generation_prompt, BitnetEncodeFlags flags, gsize *n_tokens,
    GError **error);

G_END_DECLS
