/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every stage hands its result to the next in buffers that belong to the
 * scratch, so that nothing is allocated once they are large enough. */
#include "bn-pipeline.h"

#include "bn-unicode.h"

enum { KEPT_SIZE = 1 << 20 }; /* bytes of buffers that stay for the next text */

typedef struct {
  BnModelClass model; /* with the name of the algorithm */
  BnPipelineStages stages;
} Pipeline;

/* What a thread works in. */
typedef struct {
  BnBuffer normalized;
  BnSpans parts, found; /* of normalized */
  BnWords words;        /* of a part */
} Chain;

static void
chain_free (void *data)
{
  Chain *self = data;

  bn_buffer_clear (&self->normalized);
  g_free (self->parts.data);
  g_free (self->found.data);
  bn_words_clear (&self->words);
  g_free (self);
}

static Chain *
get_chain (BnScratch *scratch)
{
  if (scratch->chain == NULL) {
    scratch->chain = g_new0 (Chain, 1);
    scratch->free_chain = chain_free;
  }
  return scratch->chain;
}

/* Frees what an unusually long text has left behind. */
static void
trim_chain (BnScratch *scratch)
{
  const Chain *chain = scratch->chain;

  if (chain->normalized.n_reserved > KEPT_SIZE
      || chain->words.text.n_reserved > KEPT_SIZE
      || chain->words.n_reserved > KEPT_SIZE / sizeof (uint32_t)
      || chain->parts.n_reserved > KEPT_SIZE / sizeof (BnSpan)
      || chain->found.n_reserved > KEPT_SIZE / sizeof (BnSpan)) {
    chain_free (scratch->chain);
    scratch->chain = NULL;
  }
}

static gboolean
encode_word (const BnPipelineStages *stages, BnScratch *scratch,
    const uint8_t *word, size_t length, BnIds *out)
{
  return stages->words.model->encode (
      stages->words.data, scratch, word, length, 0, out);
}

/* Text without added tokens. */
static gboolean
encode_text (const BnPipelineStages *stages, BnScratch *scratch,
    const uint8_t *text, size_t length, unsigned fragment, BnIds *out)
{
  BnWords *words = &get_chain (scratch)->words;

  if (stages->splitter == NULL)
    return length == 0 || encode_word (stages, scratch, text, length, out);
  if (!bn_splitter_apply (
          stages->splitter, scratch, text, length, fragment, words))
    return FALSE;
  for (size_t i = 0; i < words->n_words; i++) {
    if (!encode_word (stages, scratch, words->text.data + words->starts[i],
            words->starts[i + 1] - words->starts[i], out))
      return FALSE;
  }
  return TRUE;
}

static gboolean
encode_normalized (const BnPipelineStages *stages, BnScratch *scratch,
    const uint8_t *text, size_t length, unsigned fragment, BnIds *out)
{
  Chain *chain = get_chain (scratch);

  if (stages->added == NULL)
    return encode_text (stages, scratch, text, length, fragment, out);
  chain->parts.n_spans = 0;
  bn_added_split (stages->added, text, 0, (uint32_t) length,
      (fragment & BN_FRAGMENT_PARSE_SPECIAL) != 0, &chain->found,
      &chain->parts);
  for (size_t i = 0; i < chain->parts.n_spans; i++) {
    BnSpan part = chain->parts.data[i];

    if (part.id != BN_TOKEN_NONE) {
      if (!bn_ids_reserve (out, 1))
        return FALSE;
      bn_ids_push (out, part.id);
      fragment = BN_FRAGMENT_EDGE;
      continue;
    }
    if (!encode_text (stages, scratch, text + part.start, part.end - part.start,
            fragment, out))
      return FALSE;
    fragment = 0;
  }
  return TRUE;
}

/* Whether the text that is left begins where the text began: a splitter that
 * treats the beginning of everything in a special way asks for that. */
static gboolean
keeps_start (const BnPipelineStages *stages, BnScratch *scratch,
    const uint8_t *text, size_t length, BnBuffer *buffer)
{
  uint32_t cp;

  return length > 0
         && bn_normalizer_apply (stages->normalizer, scratch, text,
             bn_utf8_next (text, text + length, &cp), buffer)
         && buffer->length > 0;
}

static gboolean
pipeline_encode (const void *data, BnScratch *scratch, const uint8_t *text,
    size_t length, unsigned fragment, BnIds *out)
{
  const BnPipelineStages *stages = &((const Pipeline *) data)->stages;
  Chain *chain = get_chain (scratch);
  gboolean is_done;

  if (stages->normalizer) {
    if (stages->splitter && (fragment & BN_FRAGMENT_START)
        && !keeps_start (stages, scratch, text, length, &chain->normalized))
      fragment &= ~(unsigned) BN_FRAGMENT_START;
    if (!bn_normalizer_apply (
            stages->normalizer, scratch, text, length, &chain->normalized)
        || chain->normalized.length > BN_MAX_TEXT_SIZE)
      return FALSE;
    text = chain->normalized.data;
    length = chain->normalized.length;
  }
  is_done = encode_normalized (stages, scratch, text, length, fragment, out);
  trim_chain (scratch);
  return is_done;
}

static void
pipeline_free (void *data)
{
  Pipeline *self = data;

  g_clear_pointer (&self->stages.normalizer, bn_normalizer_free);
  g_clear_pointer (&self->stages.added, bn_added_free);
  g_clear_pointer (&self->stages.splitter, bn_splitter_free);
  self->stages.words.model->free (self->stages.words.data);
  g_free (self);
}

BnEncoder *
bn_encoder_new_pipeline (BnVocab *vocab, const BnPipelineStages *stages)
{
  Pipeline *self = g_new (Pipeline, 1);
  BnEncoder *encoder;

  *self = (Pipeline){
      {stages->words.model->name, pipeline_encode, pipeline_free}, *stages};
  encoder = bn_encoder_new (vocab, &self->model, self);
  bn_encoder_note_added (encoder, stages->added);
  return encoder;
}
