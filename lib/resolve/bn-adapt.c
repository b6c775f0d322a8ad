/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a model file says of its tokenizer, given to one that was read from
 * other files. The file was made for this model: a finetune may end its turns
 * with another token than the tokenizer that it began with. */
#include "bn-check.h"

#include <string.h>
#include "bitnet-private.h"
#include "text/bn-change.h"

static const struct {
  BnRole role;
  const char *name; /* NULL: nobody is told */
} roles[] = {
    {BN_ROLE_BOS, "BOS"},
    {BN_ROLE_EOS, "EOS"},
    {BN_ROLE_EOT, "EOT"},
    {BN_ROLE_UNK, "UNK"},
    {BN_ROLE_SEP, "SEP"},
    {BN_ROLE_PAD, "PAD"},
    {BN_ROLE_MASK, "MASK"},
    {BN_ROLE_EOM, NULL},
    {BN_ROLE_FIM_PRE, NULL},
    {BN_ROLE_FIM_SUF, NULL},
    {BN_ROLE_FIM_MID, NULL},
    {BN_ROLE_FIM_PAD, NULL},
    {BN_ROLE_FIM_REP, NULL},
    {BN_ROLE_FIM_SEP, NULL},
};

static void note (GPtrArray *notes, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

static void
note (GPtrArray *notes, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (notes)
    g_ptr_array_add (notes, g_strdup_vprintf (format, args));
  va_end (args);
}

static void
set_roles (BnTokenizer *tokenizer, const BnGguf *gguf, GPtrArray *notes)
{
  const BnVocab *vocab = tokenizer->vocab;
  uint32_t wanted[BN_N_ROLES];

  memset (wanted, 0xFF, sizeof wanted);
  bn_tokenizer_read_gguf_roles (gguf, vocab->n_tokens, wanted);
  for (gsize i = 0; i < G_N_ELEMENTS (roles); i++) {
    BnRole role = roles[i].role;
    uint32_t old = vocab->roles[role], id = wanted[role];

    if (id == BN_TOKEN_NONE || id == old)
      continue;
    bn_tokenizer_set_role (tokenizer, role, id);
    if (roles[i].name && old != BN_TOKEN_NONE
        && !(role == BN_ROLE_EOS && bn_check_is_same_end (vocab, old, id)))
      note (notes, "%s is token %u as in the model, not %u", roles[i].name, id,
          old);
  }
}

static void
set_edges (BnTokenizer *tokenizer, const BnGguf *gguf, GPtrArray *notes)
{
  static const struct {
    const char *key, *name;
  } edges[] = {
      {"tokenizer.ggml.add_bos_token", "BOS"},
      {"tokenizer.ggml.add_eos_token", "EOS"},
  };

  for (int at_end = 0; at_end < 2; at_end++) {
    const gboolean *adds = at_end ? &tokenizer->add_eos : &tokenizer->add_bos;
    gboolean before = *adds, is_wanted;

    if (!bn_gguf_get_bool (gguf, edges[at_end].key, &is_wanted))
      continue;
    bn_tokenizer_set_edge (tokenizer, at_end, is_wanted);
    if ((before != 0) != (*adds != 0))
      note (notes, "%s is %s to texts as the model says", edges[at_end].name,
          is_wanted ? "added" : "not added");
  }
}

/* Tokens without a row are not to come out of any text; where they are more
 * than could be, validation refuses the tokenizer. */
static void
limit (BnTokenizer *tokenizer, guint n_rows, GPtrArray *notes)
{
  const BnVocab *vocab = tokenizer->vocab;
  guint n_tokens = vocab->n_tokens;

  bn_tokenizer_limit (tokenizer, n_rows);
  for (gsize i = 0; i < G_N_ELEMENTS (roles); i++) {
    BnRole role = roles[i].role;
    uint32_t id = vocab->roles[role];

    /* No text goes without the first ones; then nothing fits. */
    if (id == BN_TOKEN_NONE || id < n_rows || role == BN_ROLE_BOS
        || role == BN_ROLE_EOS || role == BN_ROLE_UNK)
      continue;
    bn_tokenizer_set_role (tokenizer, role, BN_TOKEN_NONE);
    if (roles[i].name)
      note (notes, "%s was token %u, which has no row in the model",
          roles[i].name, id);
  }
  note (notes, "the %u last tokens have no row in the model and are not used",
      n_tokens - n_rows);
}

void
bn_adapt (
    BitnetTokenizer *tokenizer, BitnetDiscovery *discovery, GPtrArray *notes)
{
  BitnetModel *model = bitnet_discovery_get_model (discovery);
  const BnGguf *gguf = model ? bitnet_model_get_gguf (model) : NULL;
  guint n_rows = bitnet_discovery_get_n_rows (discovery);
  BnTokenizer *inner = bitnet_tokenizer_edit (tokenizer);

  if (gguf) {
    set_roles (inner, gguf, notes);
    /* What stands around texts for BERT is none of these. */
    if (g_strcmp0 (bitnet_discovery_get_tokenizer_model (discovery), "bert")
        != 0)
      set_edges (inner, gguf, notes);
    if (inner->chat_template == NULL)
      inner->chat_template =
          bn_gguf_dup_string (gguf, "tokenizer.chat_template");
  }
  if (n_rows > 0 && inner->vocab->n_tokens > n_rows
      && inner->vocab->n_tokens - n_rows <= BN_MAX_LIMITED)
    limit (inner, n_rows, notes);
}
