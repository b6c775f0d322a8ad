/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conversations to tokens: template, special tokens, and what to do with a
 * conversation that does not fit into the context. Library API only, no
 * pads, no state. */
#pragma once

#include <bitnet/bitnet.h>

G_BEGIN_DECLS

typedef enum {
  OVERFLOW_ERROR,
  OVERFLOW_TRIM_OLDEST, /* forget old turns */
  OVERFLOW_TRUNCATE,    /* and shorten the last message */
} Overflow;

typedef enum {
  ADD_SPECIAL_AUTO, /* as the model wants */
  ADD_SPECIAL_YES,  /* BOS always, if there is one */
  ADD_SPECIAL_NO,
} AddSpecial;

typedef struct {
  BitnetTokenizer *tokenizer;
  BitnetTemplate *template;
  AddSpecial add_special;
  gboolean parse_special;
  Overflow overflow;
  guint context_size; /* 0 = unknown, nothing is too long */
} EncodeOptions;

/* The template that a setting means: `auto` (the model's own, or plain with
 * *warning set if it is of an unknown form), a form's name, or a file. */
BitnetTemplate *encoder_load_template (
    const char *setting, BitnetModel *model, char **warning, GError **error);

/* Tokens of the conversation up to where the answer begins; never none.
 * *warning (transfer full) is set if something was left out; the conversation
 * is then what was encoded. Too long: BITNET_ERROR_CONTEXT_FULL. */
guint32 *encoder_encode (const EncodeOptions *options,
    BitnetConversation *conversation, gsize *n_tokens, char **warning,
    GError **error);

G_END_DECLS
