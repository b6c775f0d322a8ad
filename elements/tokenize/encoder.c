/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conversations to tokens; see the header. */
#include "encoder.h"

#include <string.h>

enum {
  /* What is shortened leaves this share of the context to the answer. */
  ANSWER_SHARE = 8,
  MAX_SHORTENINGS = 32,
};

BitnetTemplate *
encoder_load_template (
    const char *setting, BitnetModel *model, char **warning, GError **error)
{
  BitnetTemplate *template;
  g_autofree char *text = NULL;
  g_autoptr (GError) local = NULL;

  if (setting == NULL || strcmp (setting, "auto") == 0) {
    template = bitnet_template_new_from_model (model, &local);
    if (template == NULL) {
      *warning =
          g_strdup_printf ("%s; the prompt is used as it is", local->message);
      template = bitnet_template_new_named ("none", error);
    }
    return template;
  }
  template = bitnet_template_new_named (setting, NULL);
  if (template)
    return template;
  if (!g_file_get_contents (setting, &text, NULL, &local)) {
    gboolean missing =
        g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT);

    g_set_error (error, BITNET_ERROR,
        missing ? BITNET_ERROR_NOT_FOUND : BITNET_ERROR_READ,
        "template \"%s\": found neither a form of that name nor a file that "
        "can be read%s%s",
        setting, missing ? "" : ": ", missing ? "" : local->message);
    return NULL;
  }
  template = bitnet_template_new_for_model (text, model, &local);
  if (template == NULL)
    g_propagate_prefixed_error (
        error, g_steal_pointer (&local), "%s: ", setting);
  return template;
}

/* With BOS as the setting wants it, and never with an EOS at the end: the
 * answer is still to come. */
static guint32 *
encode_once (const EncodeOptions *options, BitnetConversation *conversation,
    gsize *n_tokens, GError **error)
{
  BitnetTokenizer *tokenizer = options->tokenizer;
  guint32 bos = bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_BOS);
  guint32 eos = bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_EOS);
  BitnetEncodeFlags flags = BITNET_ENCODE_STRICT;
  guint32 *tokens, *with_bos;

  if (options->add_special != ADD_SPECIAL_NO)
    flags |= BITNET_ENCODE_ADD_SPECIAL;
  if (options->parse_special)
    flags |= BITNET_ENCODE_PARSE_SPECIAL;
  tokens = bitnet_template_encode (
      options->template, conversation, tokenizer, TRUE, flags, n_tokens, error);
  if (tokens == NULL)
    return NULL;
  if (*n_tokens > 1 && bitnet_tokenizer_get_add_eos (tokenizer)
      && bitnet_template_is_plain (options->template)
      && options->add_special != ADD_SPECIAL_NO && tokens[*n_tokens - 1] == eos)
    (*n_tokens)--;
  if (options->add_special != ADD_SPECIAL_YES || bos == BITNET_TOKEN_NONE
      || (*n_tokens > 0 && tokens[0] == bos))
    return tokens;
  with_bos = g_new (guint32, *n_tokens + 1);
  with_bos[0] = bos;
  memcpy (with_bos + 1, tokens, *n_tokens * sizeof *tokens);
  (*n_tokens)++;
  g_free (tokens);
  return with_bos;
}

static guint
count_turns (BitnetConversation *conversation)
{
  guint n_turns = 0;

  for (guint i = 0; i < bitnet_conversation_get_n_messages (conversation); i++)
    n_turns +=
        strcmp (bitnet_conversation_get_role (conversation, i), "user") == 0;
  return n_turns;
}

/* The same messages, the last one cut after n_chars characters. */
static BitnetConversation *
shorten_last (BitnetConversation *conversation, glong n_chars)
{
  BitnetConversation *copy = bitnet_conversation_new ();
  guint n = bitnet_conversation_get_n_messages (conversation);

  for (guint i = 0; i < n; i++) {
    const char *text = bitnet_conversation_get_text (conversation, i);
    g_autofree char *piece =
        i + 1 < n ? g_strdup (text) : g_utf8_substring (text, 0, n_chars);

    bitnet_conversation_append (
        copy, bitnet_conversation_get_role (conversation, i), piece, NULL);
  }
  return copy;
}

/* Shortens the last message until limit tokens suffice. NULL: they do not
 * even without it. */
static guint32 *
truncate_last (const EncodeOptions *options, BitnetConversation *conversation,
    gsize limit, gsize *n_tokens, GError **error)
{
  guint last = bitnet_conversation_get_n_messages (conversation) - 1;
  glong n_chars =
      g_utf8_strlen (bitnet_conversation_get_text (conversation, last), -1);

  for (guint i = 0; i < MAX_SHORTENINGS && n_chars > 0; i++) {
    g_autoptr (BitnetConversation) shorter = NULL;
    guint32 *tokens;

    n_chars = (glong) ((gdouble) n_chars * limit / MAX (*n_tokens, limit + 1));
    shorter = shorten_last (conversation, n_chars);
    tokens = encode_once (options, shorter, n_tokens, error);
    if (tokens == NULL || *n_tokens <= limit)
      return tokens;
    g_free (tokens);
  }
  return NULL;
}

guint32 *
encoder_encode (const EncodeOptions *options, BitnetConversation *conversation,
    gsize *n_tokens, char **warning, GError **error)
{
  g_autofree guint32 *tokens = NULL;
  guint size = options->context_size;
  gsize limit = size - size / ANSWER_SHARE;
  gsize n_found;
  guint n_turns;
  g_autoptr (GError) local = NULL;

  tokens = encode_once (options, conversation, n_tokens, error);
  if (tokens == NULL)
    return NULL;
  if (*n_tokens == 0) {
    g_set_error_literal (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "the prompt has no tokens, expected at least one");
    return NULL;
  }
  if (size == 0 || *n_tokens < size)
    return g_steal_pointer (&tokens);

  n_found = *n_tokens;
  if (options->overflow != OVERFLOW_ERROR) {
    for (n_turns = count_turns (conversation); n_turns > 1 && *n_tokens > limit;
         n_turns--) {
      bitnet_conversation_trim (conversation, n_turns - 1);
      g_free (tokens);
      tokens = encode_once (options, conversation, n_tokens, error);
      if (tokens == NULL)
        return NULL;
    }
    if (*n_tokens > limit && options->overflow == OVERFLOW_TRUNCATE) {
      g_free (tokens);
      tokens = truncate_last (options, conversation, limit, n_tokens, &local);
      if (local) {
        g_propagate_error (error, g_steal_pointer (&local));
        return NULL;
      }
    }
    if (tokens && *n_tokens < size) {
      *warning = g_strdup_printf ("the prompt was shortened from "
                                  "%" G_GSIZE_FORMAT " to %" G_GSIZE_FORMAT
                                  " tokens to fit into a context of %u",
          n_found, *n_tokens, size);
      return g_steal_pointer (&tokens);
    }
  }
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_CONTEXT_FULL,
      "the prompt is too long: found %" G_GSIZE_FORMAT
      " tokens, expected fewer than the context size %u",
      n_found, size);
  return NULL;
}
