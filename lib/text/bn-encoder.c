/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Special tokens first, then the algorithm on the text between them. */
#include "bn-encoder.h"

#include "bn-unorm.h"

#include <pthread.h>

enum { MAX_IDLE_SCRATCHES = 16 };

struct BnEncoder {
  BnVocab *vocab;
  const BnModelClass *model;
  void *data;
  BnSpecials *always;  /* user-defined tokens */
  BnSpecials *all;     /* control tokens too */
  gboolean normalizes; /* text between them becomes NFC */
  gboolean has_added;  /* then these are used instead */
  BnAdded *added[2];
  BnAdded *model_added; /* of the model, or NULL */

  /* Protects the scratches that nobody uses. (Not a GMutex, so that thread
   * sanitizers see it.) */
  pthread_mutex_t mutex;
  BnScratch *idle[MAX_IDLE_SCRATCHES];
  unsigned n_idle;
};

BnEncoder *
bn_encoder_new (BnVocab *vocab, const BnModelClass *model, void *data)
{
  BnEncoder *self = g_new0 (BnEncoder, 1);
  const unsigned control = BN_TOKEN_CONTROL | BN_TOKEN_UNKNOWN;
  const unsigned user = BN_TOKEN_USER_DEFINED;

  self->vocab = vocab;
  self->model = model;
  self->data = data;
  self->always = bn_specials_new (vocab, user, control | BN_TOKEN_INNER);
  self->all = bn_specials_new (vocab, user | control, BN_TOKEN_INNER);
  pthread_mutex_init (&self->mutex, NULL);
  return self;
}

void
bn_encoder_free (BnEncoder *self)
{
  for (unsigned i = 0; i < self->n_idle; i++)
    bn_scratch_free (self->idle[i]);
  pthread_mutex_destroy (&self->mutex);
  g_clear_pointer (&self->always, bn_specials_free);
  g_clear_pointer (&self->all, bn_specials_free);
  g_clear_pointer (&self->added[0], bn_added_free);
  g_clear_pointer (&self->added[1], bn_added_free);
  self->model->free (self->data);
  bn_vocab_free (self->vocab);
  g_free (self);
}

void
bn_encoder_set_nfc (BnEncoder *self)
{
  self->normalizes = TRUE;
}

void
bn_encoder_set_added (BnEncoder *self, BnAdded *first, BnAdded *second)
{
  g_clear_pointer (&self->always, bn_specials_free);
  g_clear_pointer (&self->all, bn_specials_free);
  self->has_added = TRUE;
  self->added[0] = first;
  self->added[1] = second;
}

void
bn_encoder_note_added (BnEncoder *self, BnAdded *added)
{
  self->model_added = added;
}

void
bn_encoder_limit (BnEncoder *self, uint32_t n)
{
  BnSpecials *const specials[] = {self->always, self->all};
  BnAdded *const added[] = {self->added[0], self->added[1], self->model_added};

  for (size_t i = 0; i < G_N_ELEMENTS (specials); i++) {
    if (specials[i])
      bn_specials_remove_from (specials[i], n);
  }
  for (size_t i = 0; i < G_N_ELEMENTS (added); i++) {
    if (added[i])
      bn_added_remove_from (added[i], n);
  }
}

const BnModelClass *
bn_encoder_get_model (const BnEncoder *self)
{
  return self->model;
}

static BnScratch *
take_scratch (BnEncoder *self)
{
  BnScratch *scratch = NULL;

  pthread_mutex_lock (&self->mutex);
  if (self->n_idle > 0)
    scratch = self->idle[--self->n_idle];
  pthread_mutex_unlock (&self->mutex);
  return scratch ? scratch : bn_scratch_new ();
}

static void
give_scratch (BnEncoder *self, BnScratch *scratch)
{
  bn_scratch_trim (scratch);
  pthread_mutex_lock (&self->mutex);
  if (self->n_idle < MAX_IDLE_SCRATCHES) {
    self->idle[self->n_idle++] = scratch;
    scratch = NULL;
  }
  pthread_mutex_unlock (&self->mutex);
  g_clear_pointer (&scratch, bn_scratch_free);
}

/* Encodes a text between special tokens in NFC. */
static gboolean
encode_normalized (const BnEncoder *self, BnScratch *scratch,
    const uint8_t *text, size_t length, unsigned fragment, BnIds *out)
{
  BnBuffer normalized = {.length = 0};
  gboolean is_done;

  if (bn_norm_span (BN_NORM_NFC, text, length) == length)
    return self->model->encode (
        self->data, scratch, text, length, fragment, out);
  is_done = bn_norm_append (BN_NORM_NFC, text, length, &normalized)
            && self->model->encode (self->data, scratch, normalized.data,
                normalized.length, fragment, out);
  bn_buffer_clear (&normalized);
  return is_done;
}

static gboolean
encode_parts (
    const BnEncoder *self, BnScratch *scratch, const uint8_t *text, BnIds *out)
{
  unsigned fragment = BN_FRAGMENT_EDGE;

  for (size_t i = 0; i < scratch->parts.n_spans; i++) {
    BnSpan span = scratch->parts.data[i];

    if (span.id == BN_TOKEN_NONE) {
      if (span.start == 0)
        fragment |= BN_FRAGMENT_START;
      if (self->has_added && span.is_searched)
        fragment |= BN_FRAGMENT_PARSE_SPECIAL;
      if (!(self->normalizes
                  ? encode_normalized (self, scratch, text + span.start,
                      span.end - span.start, fragment, out)
                  : self->model->encode (self->data, scratch, text + span.start,
                      span.end - span.start, fragment, out)))
        return FALSE;
    } else {
      if (!bn_ids_reserve (out, 1))
        return FALSE;
      bn_ids_push (out, span.id);
    }
    fragment = span.id != BN_TOKEN_NONE ? BN_FRAGMENT_EDGE : 0;
  }
  return TRUE;
}

/* Appends text[start..end), cut at special tokens, to the parts. */
static void
split_stretch (const BnEncoder *self, BnScratch *scratch, const uint8_t *text,
    uint32_t start, uint32_t end, gboolean parse_special)
{
  if (!self->has_added) {
    bn_specials_split (
        parse_special ? self->all : self->always, scratch, text, start, end);
    return;
  }
  scratch->spans.n_spans = 0;
  bn_added_split (self->added[0], text, start, end, parse_special,
      &scratch->found, self->added[1] ? &scratch->spans : &scratch->parts);
  for (size_t i = 0; i < scratch->spans.n_spans; i++) {
    BnSpan span = scratch->spans.data[i];

    if (span.id == BN_TOKEN_NONE)
      bn_added_split (self->added[1], text, span.start, span.end, parse_special,
          &scratch->found, &scratch->parts);
    else
      bn_spans_push (&scratch->parts, span);
  }
}

gboolean
bn_encoder_encode (BnEncoder *self, const uint8_t *text,
    const BnStretch *stretches, size_t n_stretches, BnIds *out)
{
  BnScratch *scratch = take_scratch (self);
  uint32_t start = 0;
  gboolean is_done;

  for (size_t i = 0; i < n_stretches; i++) {
    uint32_t end = start + (uint32_t) stretches[i].length;

    if (stretches[i].token != BN_TOKEN_NONE)
      bn_spans_push (
          &scratch->parts, (BnSpan){start, start, stretches[i].token, TRUE});
    split_stretch (self, scratch, text, start, end, stretches[i].parse_special);
    start = end;
  }
  is_done = encode_parts (self, scratch, text, out);
  give_scratch (self, scratch);
  return is_done;
}

/* Byte-level BPE. */

typedef struct {
  BnBpe *bpe;
  const BnPretokSet *pretok;
} BpeModel;

static gboolean
bpe_model_encode (const void *data, BnScratch *scratch, const uint8_t *text,
    size_t length, unsigned fragment, BnIds *out)
{
  const BpeModel *self = data;

  return bn_bpe_encode_text (
      self->bpe, scratch, self->pretok, text, length, out);
}

static void
bpe_model_free (void *data)
{
  BpeModel *self = data;

  bn_bpe_free (self->bpe);
  g_free (self);
}

const BnModelClass *
bn_bpe_model_new (BnBpe *bpe, const BnPretokSet *pretok, void **data)
{
  static const BnModelClass model = {"bpe", bpe_model_encode, bpe_model_free};
  BpeModel *self = g_new (BpeModel, 1);

  *self = (BpeModel){bpe, pretok};
  *data = self;
  return &model;
}

BnEncoder *
bn_encoder_new_bpe (BnVocab *vocab, BnBpe *bpe, const BnPretokSet *pretok)
{
  void *data;
  const BnModelClass *model = bn_bpe_model_new (bpe, pretok, &data);

  return bn_encoder_new (vocab, model, data);
}

/* SentencePiece. */

typedef struct {
  BnSpm *spm;
  gboolean add_space;
} SpmModel;

static gboolean
spm_model_encode (const void *data, BnScratch *scratch, const uint8_t *text,
    size_t length, unsigned fragment, BnIds *out)
{
  const SpmModel *self = data;

  return bn_spm_encode (self->spm, scratch, text, length,
      self->add_space && (fragment & BN_FRAGMENT_EDGE), out);
}

static void
spm_model_free (void *data)
{
  SpmModel *self = data;

  bn_spm_free (self->spm);
  g_free (self);
}

BnEncoder *
bn_encoder_new_spm (BnVocab *vocab, gboolean add_space)
{
  static const BnModelClass model = {"spm", spm_model_encode, spm_model_free};
  SpmModel *data = g_new (SpmModel, 1);

  *data = (SpmModel){bn_spm_new (vocab), add_space};
  return bn_encoder_new (vocab, &model, data);
}
