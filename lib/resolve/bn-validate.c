/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks of a resolved tokenizer against its model. T is the number of the
 * tokenizer's ids, M the number of the model's embedding rows. T < M is the
 * usual padding; T > M is possible only where the ids beyond M are never
 * written in text. */
#include "bn-validate.h"

#include <string.h>
#include "bitnet-error.h"
#include "bitnet-private.h"
#include "gguf/bn-cursor.h"
#include "gguf/bn-gguf.h"

enum {
  USUAL_PADDING = 1024, /* rows without a token that pass in silence */
  LARGE_PADDING = 4096, /* and with a warning: this or 5 % of M */
  LARGE_PADDING_DIVISOR = 20,
  MAX_EXTRA = 16, /* special ids beyond the last row */
  N_SAMPLES = 256,
};

static const BitnetSpecialToken specials[] = {BITNET_SPECIAL_BOS,
    BITNET_SPECIAL_EOS, BITNET_SPECIAL_EOT, BITNET_SPECIAL_UNK,
    BITNET_SPECIAL_SEP, BITNET_SPECIAL_PAD, BITNET_SPECIAL_MASK};

static gboolean
warn (GPtrArray *warnings, gboolean strict, char *message, GError **error)
{
  g_autofree char *owned = message;

  if (strict) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH,
        "%s, which strict mode refuses", owned);
    return FALSE;
  }
  g_ptr_array_add (warnings, g_steal_pointer (&owned));
  return TRUE;
}

/* Ids beyond the last embedding row: only such that no text ever gives. */
static gboolean
extra_ids_are_special (BitnetTokenizer *tokenizer, guint n_rows, guint n_ids)
{
  if (n_ids - n_rows > MAX_EXTRA)
    return FALSE;
  for (guint32 id = n_rows; id < n_ids; id++) {
    if (!(bitnet_tokenizer_get_attributes (tokenizer, id)
            & (BITNET_TOKEN_CONTROL | BITNET_TOKEN_UNUSED)))
      return FALSE;
  }
  return TRUE;
}

static gboolean
check_size (BitnetTokenizer *tokenizer, guint n_rows, gboolean strict,
    GPtrArray *warnings, GError **error)
{
  guint n_ids = bitnet_tokenizer_get_vocab_size (tokenizer);
  guint large = MAX (LARGE_PADDING, n_rows / LARGE_PADDING_DIVISOR);

  if (n_ids <= n_rows && n_rows - n_ids <= USUAL_PADDING)
    return TRUE;
  if (n_ids <= n_rows && n_rows - n_ids <= large)
    return warn (warnings, strict,
        g_strdup_printf (
            "the tokenizer has %u tokens, the model %u rows", n_ids, n_rows),
        error);
  if (n_ids > n_rows && extra_ids_are_special (tokenizer, n_rows, n_ids))
    return warn (warnings, strict,
        g_strdup_printf (
            "the tokenizer's %u last tokens have no row in the model",
            n_ids - n_rows),
        error);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH,
      "the tokenizer has %u tokens, expected at most %u and at least %u for "
      "this model",
      n_ids, n_rows, n_rows > large ? n_rows - large : 0);
  return FALSE;
}

/* Rows of the embedding, which is what ids index; else what the file says. */
static guint
get_n_rows (BitnetModel *model)
{
  static const char *const names[] = {"token_embd.weight", "output.weight"};
  BnGguf *gguf = bitnet_model_get_gguf (model);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    const BnGgufTensor *tensor = bn_gguf_find_tensor (gguf, names[i]);

    if (tensor != NULL && tensor->n_dims == 2)
      return (guint) MIN (tensor->ne[1], G_MAXUINT);
  }
  return bitnet_model_get_vocab_size (model);
}

gboolean
bn_validate (BitnetTokenizer *tokenizer, BitnetModel *model, gboolean strict,
    GPtrArray *warnings, GError **error)
{
  guint n_rows = get_n_rows (model);

  if (n_rows == 0)
    return warn (warnings, strict,
        g_strdup ("the model does not say how many tokens it has"), error);
  if (!check_size (tokenizer, n_rows, strict, warnings, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (specials); i++) {
    guint32 id = bitnet_tokenizer_get_special (tokenizer, specials[i]);

    if (id != BITNET_TOKEN_NONE && id >= n_rows) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH,
          "the tokenizer's special token %u is beyond the model's %u rows", id,
          n_rows);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
check_piece (const BnGgufKv *tokens, const BnGgufKv *expected, guint64 id,
    GError **error)
{
  const char *text, *expected_text;
  gsize length, expected_length;
  g_autofree char *shown = NULL;
  g_autofree char *expected_shown = NULL;

  if (!bn_gguf_kv_get_string (tokens, id, &text, &length)
      || !bn_gguf_kv_get_string (
          expected, id, &expected_text, &expected_length))
    return TRUE; /* sizes are compared elsewhere */
  if (length == expected_length && memcmp (text, expected_text, length) == 0)
    return TRUE;
  shown = bn_printable (text, length);
  expected_shown = bn_printable (expected_text, expected_length);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH,
      "token %" G_GUINT64_FORMAT " is \"%s\", expected the model's \"%s\"", id,
      shown, expected_shown);
  return FALSE;
}

/* Spreads the samples over the ids without a pattern (Knuth's multiplier). */
static guint64
get_sample (guint64 i, guint64 n_ids)
{
  return (i * G_GUINT64_CONSTANT (2654435761)) % n_ids;
}

gboolean
bn_validate_pieces (
    BitnetModel *tokenizer_file, BitnetModel *model, GError **error)
{
  static const char *const special_keys[] = {"tokenizer.ggml.bos_token_id",
      "tokenizer.ggml.eos_token_id", "tokenizer.ggml.unknown_token_id"};
  BnGguf *gguf = bitnet_model_get_gguf (tokenizer_file);
  BnGguf *model_gguf = bitnet_model_get_gguf (model);
  g_autofree char *kind = bn_gguf_dup_string (gguf, "tokenizer.ggml.model");
  g_autofree char *model_kind =
      bn_gguf_dup_string (model_gguf, "tokenizer.ggml.model");
  const BnGgufKv *tokens = bn_gguf_find_kv (gguf, "tokenizer.ggml.tokens");
  const BnGgufKv *expected =
      bn_gguf_find_kv (model_gguf, "tokenizer.ggml.tokens");
  guint64 n_ids;

  if (tokens == NULL || expected == NULL || kind == NULL || model_kind == NULL)
    return TRUE;
  if (strcmp (kind, model_kind) != 0) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH,
        "the tokenizer is of kind \"%s\", expected the model's \"%s\"", kind,
        model_kind);
    return FALSE;
  }
  n_ids = MIN (tokens->count, expected->count);
  for (gsize i = 0; i < G_N_ELEMENTS (special_keys); i++) {
    guint64 id;

    if (bn_gguf_get_uint (model_gguf, special_keys[i], &id)
        && !check_piece (tokens, expected, id, error))
      return FALSE;
  }
  for (guint64 i = 0; n_ids > 0 && i < N_SAMPLES; i++) {
    if (!check_piece (tokens, expected, get_sample (i, n_ids), error))
      return FALSE;
  }
  return TRUE;
}
