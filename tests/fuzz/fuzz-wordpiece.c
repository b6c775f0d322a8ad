/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WordPiece over text that is cleaned as BERT does. The first byte holds
 * options; up to an empty line every line is a token, all else is text. What
 * is done in one pass must be what is done step by step. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "text/bn-wordpiece.h"

enum {
  MAX_TOKENS = 256,
  CLEAN = 1 << 0,
  CHINESE = 1 << 1,
  ACCENTS = 1 << 2,
  LOWER = 1 << 3,
  LLAMA_CPP = 1 << 4,
  SHORT = 1 << 5,
};

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

/* Token 0 is the unknown one. */
static BnVocab *
read_tokens (const uint8_t **text, const uint8_t *end)
{
  size_t size = (size_t) (end - *text);
  BnVocab *vocab =
      bn_vocab_new (MAX_TOKENS + 1, size + 16, BN_SPELLING_METASPACE);

  bn_vocab_add (vocab, "[UNK]", 5, BN_TOKEN_NORMAL, 0);
  while (*text < end && vocab->n_tokens < MAX_TOKENS) {
    const uint8_t *newline = memchr (*text, '\n', (size_t) (end - *text));
    size_t length = (size_t) ((newline ? newline : end) - *text);

    if (length > 0)
      bn_vocab_add (vocab, (const char *) *text, length, BN_TOKEN_NORMAL, 0);
    *text += length + (newline != NULL);
    if (length == 0)
      break;
  }
  bn_vocab_seal (vocab);
  return vocab;
}

/* Words of what nothing more becomes of, by the model of words. */
typedef struct {
  BnWordPiece *model;
  BnScratch *scratch;
  GByteArray *word;
  BnIds ids;
} Steps;

static void
end_word (Steps *self)
{
  check (bn_wordpiece_word_model.encode (self->model, self->scratch,
             self->word->data, self->word->len, 0, &self->ids),
      "a word is encoded");
  g_byte_array_set_size (self->word, 0);
}

static void
add_part (Steps *self, BnBertKind kind, const uint8_t *text, unsigned length)
{
  if (kind != BN_BERT_WORD)
    end_word (self);
  if (kind != BN_BERT_SPACE)
    g_byte_array_append (self->word, text, length);
  if (kind == BN_BERT_ALONE)
    end_word (self);
}

static void
run_steps (
    Steps *self, const BnBertOptions *options, const uint8_t *text, size_t size)
{
  BnBuffer buffer = {NULL, 0, 0}, normalized = {NULL, 0, 0};
  const uint8_t *p = text, *end = text + size;

  if (!options->is_llama_cpp) {
    check (bn_bert_normalize (options, text, size, &buffer, &normalized),
        "text is normalized");
    p = normalized.data;
    end = p + normalized.length;
  }
  while (p < end) {
    uint8_t part[BN_BERT_MAX_LENGTH];
    uint32_t cp;
    unsigned length = bn_utf8_next (p, end, &cp);
    BnBertKind kind;

    if (options->is_llama_cpp) {
      unsigned part_length;

      kind = bn_bert_classify (options, cp, part, &part_length);
      if (kind != BN_BERT_DROPPED)
        add_part (self, kind, part, part_length);
    } else {
      add_part (self, bn_bert_classify_final (options, cp), p, length);
    }
    p += length;
  }
  end_word (self);
  bn_buffer_clear (&buffer);
  bn_buffer_clear (&normalized);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const uint8_t *text = data + 1, *end = data + size;
  BnBertOptions bert;
  BnWordPieceOptions options = {.start = "",
      .continuation = "##",
      .continuation_length = 2,
      .bert = &bert};
  g_autoptr (BnVocab) vocab = NULL;
  g_autoptr (BnWordPiece) model = NULL;
  g_autoptr (BnScratch) scratch = bn_scratch_new ();
  Steps steps = {.scratch = bn_scratch_new ()};
  BnIds ids = {NULL, 0, 0};
  size_t bad;

  if (size > 0) {
    bert = (BnBertOptions){(data[0] & CLEAN) != 0, (data[0] & CHINESE) != 0,
        (data[0] & ACCENTS) != 0, (data[0] & LOWER) != 0,
        (data[0] & LLAMA_CPP) != 0};
    options.max_characters = data[0] & SHORT ? 3 : BN_WORDPIECE_MAX_CHARACTERS;
    vocab = read_tokens (&text, end);
  }
  if (size > 0 && bn_utf8_validate (text, (size_t) (end - text), &bad)) {
    model = bn_wordpiece_new (vocab, &options);
    steps.model = model;
    steps.word = g_byte_array_new ();
    run_steps (&steps, &bert, text, (size_t) (end - text));
    check (
        bn_wordpiece_encode (model, scratch, text, (size_t) (end - text), &ids),
        "text is encoded");
    check (bn_ids_reserve (&ids, 1) && bn_ids_reserve (&steps.ids, 1),
        "there is memory");
    check (
        ids.n_ids == steps.ids.n_ids
            && memcmp (ids.data, steps.ids.data, ids.n_ids * sizeof *ids.data)
                   == 0,
        "one pass gives what the steps give");
    g_byte_array_unref (steps.word);
  }
  bn_scratch_free (steps.scratch);
  g_free (steps.ids.data);
  g_free (ids.data);
  return 0;
}
