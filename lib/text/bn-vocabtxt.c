/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds what tokenizer.json of BERT describes, from the vocabulary alone. */
#include "bn-vocabtxt.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-wordpiece.h"

#define CONTINUATION "##"

enum { CANCEL_INTERVAL = 4096 /* lines between two looks */ };

static const struct {
  BnRole role;
  const char *name;
} default_names[] = {
    {BN_ROLE_BOS, "[CLS]"},
    {BN_ROLE_SEP, "[SEP]"},
    {BN_ROLE_UNK, "[UNK]"},
    {BN_ROLE_PAD, "[PAD]"},
    {BN_ROLE_MASK, "[MASK]"},
};

typedef struct {
  const uint8_t *p, *end;
} Lines;

/* The next line without the white space at its end. */
static gboolean
lines_next (Lines *self, const uint8_t **line, size_t *length)
{
  const uint8_t *newline, *stop;

  if (self->p == self->end)
    return FALSE;
  *line = self->p;
  newline = memchr (self->p, '\n', (size_t) (self->end - self->p));
  stop = newline ? newline : self->end;
  self->p = newline ? newline + 1 : self->end;
  while (stop > *line) {
    const uint8_t *last = stop - 1;
    uint32_t cp;

    while (last > *line && (*last & 0xC0) == 0x80)
      last--;
    bn_utf8_next (last, stop, &cp);
    if (!bn_is_space (cp))
      break;
    stop = last;
  }
  *length = (size_t) (stop - *line);
  return TRUE;
}

static BnVocab *
read_lines (const BnFile *file, GCancellable *cancellable, GError **error)
{
  Lines lines = {
      (const uint8_t *) file->text, (const uint8_t *) file->text + file->size};
  g_autoptr (BnVocab) vocab = NULL;
  const uint8_t *line;
  size_t length, bad, n_lines = 0;

  if (!bn_utf8_validate (lines.p, file->size, &bad)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s: found byte 0x%02X at offset %" G_GSIZE_FORMAT ", expected UTF-8",
        file->path, lines.p[bad], bad);
    return NULL;
  }
  while (lines_next (&lines, &line, &length))
    n_lines++;
  if (n_lines == 0 || n_lines >= G_MAXINT32 || file->size >= G_MAXUINT32 / 2) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s: found %" G_GSIZE_FORMAT " lines in %" G_GSIZE_FORMAT
        " bytes, expected 1 to 2 147 483 646 in less than 2 GiB",
        file->path, n_lines, file->size);
    return NULL;
  }

  vocab = bn_vocab_new ((uint32_t) n_lines, file->size, BN_SPELLING_METASPACE);
  lines.p = (const uint8_t *) file->text;
  for (size_t i = 0; lines_next (&lines, &line, &length); i++) {
    if (i % CANCEL_INTERVAL == 0
        && g_cancellable_set_error_if_cancelled (cancellable, error))
      return NULL;
    if (!bn_vocab_add (
            vocab, (const char *) line, length, BN_TOKEN_NORMAL, 0)) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
          "%s: more than 4 GiB of text", file->path);
      return NULL;
    }
  }
  bn_vocab_seal (vocab);
  return g_steal_pointer (&vocab);
}

/* Of lines with the same text the last counts. */
static void
hide_duplicates (BnVocab *vocab)
{
  g_autofree uint32_t *last = NULL;

  if (vocab->n_duplicates == 0)
    return;
  last = g_new (uint32_t, vocab->n_tokens);
  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    size_t length;
    const uint8_t *text = bn_vocab_text (vocab, id, &length);
    uint32_t first = bn_vocab_lookup (vocab, text, length);

    if (first != id)
      vocab->attributes[last[first]] |= BN_TOKEN_ADDED;
    last[first] = id;
  }
}

/* The special tokens: their roles, and how they are found in text. */
static BnAdded *
add_specials (BnVocab *vocab, const BnVocabTxtOptions *options)
{
  BnAddedToken tokens[G_N_ELEMENTS (default_names)];
  size_t n_tokens = 0;

  for (size_t i = 0; i < G_N_ELEMENTS (default_names); i++) {
    BnRole role = default_names[i].role;
    const char *name =
        options->names[role] ? options->names[role] : default_names[i].name;
    uint32_t id = bn_vocab_lookup (vocab, name, strlen (name));

    vocab->roles[role] = id;
    if (id == BN_TOKEN_NONE)
      continue;
    vocab->attributes[id] =
        role == BN_ROLE_UNK ? BN_TOKEN_UNKNOWN : BN_TOKEN_CONTROL;
    tokens[n_tokens++] =
        (BnAddedToken){name, strlen (name), id, BN_ADDED_SPECIAL};
  }
  return n_tokens > 0 ? bn_added_new (tokens, n_tokens) : NULL;
}

static void
set_layouts (BnTokenizer *self)
{
  uint32_t cls = self->vocab->roles[BN_ROLE_BOS];
  uint32_t sep = self->vocab->roles[BN_ROLE_SEP];
  const uint32_t items[] = {cls, BN_LAYOUT_A, sep, BN_LAYOUT_B, sep};

  self->add_bos = cls != BN_TOKEN_NONE;
  if (cls == BN_TOKEN_NONE || sep == BN_TOKEN_NONE)
    return;
  self->single = (BnLayout){g_memdup2 (items, 3 * sizeof *items), 3};
  self->pair = (BnLayout){g_memdup2 (items, sizeof items), 5};
}

BnTokenizer *
bn_vocabtxt_load (const BnFile *file, const BnVocabTxtOptions *options,
    GCancellable *cancellable, GError **error)
{
  gboolean is_llama_cpp = options->fidelity == BN_FIDELITY_LLAMA_CPP;
  gboolean lowercase = options->do_lower_case != 0;
  const BnBertOptions bert = {
      .clean_text = TRUE,
      .split_chinese = options->tokenize_chinese_chars != 0,
      .strip_accents =
          options->strip_accents < 0 ? lowercase : options->strip_accents != 0,
      .lowercase = lowercase,
      .is_llama_cpp = is_llama_cpp,
  };
  BnWordPieceOptions word_piece = {
      .start = "",
      .continuation = CONTINUATION,
      .continuation_length = strlen (CONTINUATION),
      .max_characters =
          is_llama_cpp ? BN_WORDPIECE_NO_LIMIT : BN_WORDPIECE_MAX_CHARACTERS,
      .bert = &bert,
  };
  g_autoptr (BnVocab) vocab = read_lines (file, cancellable, error);
  g_autoptr (BnTokenizer) self = NULL;
  BnAdded *added;

  if (vocab == NULL)
    return NULL;
  hide_duplicates (vocab);
  added = add_specials (vocab, options);

  self = g_new0 (BnTokenizer, 1);
  self->fidelity =
      is_llama_cpp ? BN_FIDELITY_LLAMA_CPP : BN_FIDELITY_HUGGINGFACE;
  self->pre = g_strdup ("default");
  self->add_sep = TRUE;
  self->clean_spaces = TRUE;
  self->vocab = vocab;
  word_piece.unknown = vocab->roles[BN_ROLE_UNK];
  self->encoder =
      bn_encoder_new_wordpiece (g_steal_pointer (&vocab), &word_piece);
  if (self->encoder == NULL) {
    g_clear_pointer (&added, bn_added_free);
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "%s: no memory for the tables of WordPiece", file->path);
    return NULL;
  }
  bn_encoder_set_added (self->encoder, added, NULL);
  self->decoder = bn_decoder_new_word_piece (self->vocab, CONTINUATION, TRUE);
  set_layouts (self);
  return g_steal_pointer (&self);
}
