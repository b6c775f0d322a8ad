/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs decoders.
 *
 * The stages are those of tokenizer.json, to which the way of llama.cpp can
 * be reduced as well. Each takes a list of tokens and gives another. Here
 * they take them one by one:
 *
 *   feed (stage, token)   a token, or a part of the one token there is
 *   end (stage)           there are no more
 *
 * A stage that has to know more keeps what it was given: the bytes of a
 * character, a run of byte tokens, the spaces at the end. So a stream costs
 * no more than a whole text and gives the same.
 *
 * Nearly all tokens only have their text appended. For that the results of
 * the stages at the front are kept, and bn-pieces.c joins them; all tokens if
 * nothing but joining follows, else those of whole characters. To make all of
 * these takes milliseconds, which the first few tokens do without. */
#include "bn-decode-stage.h"

#include "bn-pieces.h"

#include <pthread.h>
#include <string.h>

struct BnStageState {
  GString *held;
  BnUtf8Joiner joiner;
  size_t n_tokens;
  size_t n_stripped;
  gboolean is_done; /* nothing is stripped in front any more */
};

struct BnDecoder {
  const BnVocab *vocab;
  gboolean uses_pieces;
  BnStage *stages;
  unsigned n_stages;
  unsigned n_front; /* stages whose results are kept */
  unsigned hidden, never;
  uint32_t special; /* token that has a text of its own */
  char *special_text;

  /* Protects the making of the results, which happens at the first use. (Not
   * a GMutex, so that thread sanitizers see it.) */
  pthread_mutex_t mutex;
  BnStrings texts; /* of tokens that are not the first; may be vocab's */
  BnPieces *pieces;
  size_t n_direct; /* tokens that were decoded without them */
};

#define METASPACE "\xE2\x96\x81" /* U+2581 */

enum { MAX_DIRECT = 1024 };

static const char replacement[] = "\xEF\xBF\xBD";

/* Whether a stage looks at one token alone and changes nothing about there
 * being tokens. */
static gboolean
is_map (const BnStage *stage)
{
  return stage->type <= BN_STAGE_BYTE_LEVEL;
}

BnDecoder *
bn_decoder_new (const BnVocab *vocab, gboolean uses_pieces,
    const BnStage *stages, unsigned n_stages, unsigned hidden, unsigned never)
{
  BnDecoder *self = g_new0 (BnDecoder, 1);
  gboolean is_open = FALSE;

  self->vocab = vocab;
  self->uses_pieces = uses_pieces;
  self->stages = g_memdup2 (stages, n_stages * sizeof *stages);
  self->n_stages = n_stages;
  self->hidden = hidden;
  self->never = never;
  self->special = BN_TOKEN_NONE;
  while (self->n_front < n_stages && is_map (&stages[self->n_front]))
    self->n_front++;
  for (unsigned i = 0; i < n_stages; i++) {
    self->stages[i].is_open = is_open;
    is_open |= stages[i].type >= BN_STAGE_FUSE;
  }
  pthread_mutex_init (&self->mutex, NULL);
  return self;
}

BnDecoder *
bn_decoder_new_pieces (const BnVocab *vocab, gboolean strip_space)
{
  const BnStage stages[] = {
      {.type = BN_STAGE_JOIN},
      {.type = BN_STAGE_STRIP,
          .pattern = g_strdup (" "),
          .pattern_length = 1,
          .start = strip_space ? 1 : 0},
  };

  return bn_decoder_new (vocab, TRUE, stages, G_N_ELEMENTS (stages),
      BN_TOKEN_CONTROL | BN_TOKEN_UNKNOWN, BN_TOKEN_UNUSED);
}

/* Whether a symbol of the user has U+2581 in its piece; other pieces have a
 * space there. */
static gboolean
has_metaspace_symbol (const BnVocab *vocab)
{
  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    size_t length;
    const uint8_t *piece;

    if (!(vocab->attributes[id] & BN_TOKEN_USER_DEFINED))
      continue;
    piece = bn_vocab_piece (vocab, id, &length);
    if (g_strstr_len ((const char *) piece, (gssize) length, METASPACE))
      return TRUE;
  }
  return FALSE;
}

BnDecoder *
bn_decoder_new_sentencepiece (const BnVocab *vocab, const char *unk_surface,
    gboolean strip_space, gboolean strip_all, BnSpNormalizer *denormalizer)
{
  BnStage stages[4];
  unsigned n_stages = 0;
  BnDecoder *self;

  if (has_metaspace_symbol (vocab))
    stages[n_stages++] = (BnStage){.type = BN_STAGE_REPLACE,
        .pattern = g_strdup (METASPACE),
        .pattern_length = strlen (METASPACE),
        .content = g_strdup (" "),
        .content_length = 1};
  stages[n_stages++] = (BnStage){.type = BN_STAGE_PIECE_SPACE,
      .start = strip_space ? 1 : 0,
      .removes_more = strip_all};
  stages[n_stages++] = (BnStage){.type = BN_STAGE_JOIN, .marks_bytes = TRUE};
  if (denormalizer)
    stages[n_stages++] =
        (BnStage){.type = BN_STAGE_NORMALIZE, .normalizer = denormalizer};
  self = bn_decoder_new (vocab, TRUE, stages, n_stages, BN_TOKEN_CONTROL, 0);
  bn_decoder_set_text (self, vocab->roles[BN_ROLE_UNK], g_strdup (unk_surface));
  return self;
}

void
bn_decoder_set_text (BnDecoder *self, uint32_t token, char *text)
{
  self->special = token;
  self->special_text = text;
}

void
bn_decoder_free (BnDecoder *self)
{
  for (unsigned i = 0; i < self->n_stages; i++) {
    bn_stage_clear (&self->stages[i]);
    g_clear_pointer (&self->stages[i].normalizer, bn_spnormalizer_free);
  }
  if (self->texts.bytes != self->vocab->pieces.bytes) {
    g_free (self->texts.bytes);
    g_free (self->texts.offsets);
  }
  g_clear_pointer (&self->pieces, bn_pieces_free);
  g_free (self->stages);
  g_free (self->special_text);
  pthread_mutex_destroy (&self->mutex);
  g_free (self);
}

/* What the front stages make of a token; *text and *length are in buffers
 * then. */
static void
map_front (const BnDecoder *self, BnScratch *scratch, gboolean is_first,
    GString *buffers[2], const char **text, size_t *length)
{
  for (unsigned i = 0; i < self->n_front; i++) {
    GString *out = buffers[i % 2];

    g_string_truncate (out, 0);
    bn_stage_append (&self->stages[i], scratch, is_first, *text, *length, out);
    *text = out->str;
    *length = out->len;
  }
}

static void
get_source (
    const BnDecoder *self, uint32_t id, const char **text, size_t *length)
{
  *text = (const char *) (self->uses_pieces
                              ? bn_vocab_piece (self->vocab, id, length)
                              : bn_vocab_text (self->vocab, id, length));
}

/* Only expressions do. */
static gboolean
needs_scratch (const BnDecoder *self)
{
  for (unsigned i = 0; i < self->n_stages; i++) {
    if (self->stages[i].regex)
      return TRUE;
  }
  return FALSE;
}

/* The results that are kept. */

static void
make_texts (BnDecoder *self)
{
  const BnVocab *vocab = self->vocab;
  GString *buffers[2] = {g_string_new (NULL), g_string_new (NULL)};
  g_autoptr (GString) bytes = g_string_new (NULL);
  g_autoptr (BnScratch) scratch =
      needs_scratch (self) ? bn_scratch_new () : NULL;
  uint32_t *offsets = g_new (uint32_t, vocab->n_tokens + 1);

  offsets[0] = 0;
  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    const char *text;
    size_t length;

    get_source (self, id, &text, &length);
    map_front (self, scratch, FALSE, buffers, &text, &length);
    g_string_append_len (bytes, text, (gssize) length);
    offsets[id + 1] = (uint32_t) bytes->len;
  }
  for (int i = 0; i < 2; i++)
    g_string_free (buffers[i], TRUE);
  self->texts.offsets = offsets;
  self->texts.bytes =
      (uint8_t *) g_string_free (g_steal_pointer (&bytes), FALSE);
}

static gboolean
has_stage (const BnDecoder *self, BnStageType type)
{
  for (unsigned i = self->n_front; i < self->n_stages; i++) {
    if (self->stages[i].type == type)
      return TRUE;
  }
  return FALSE;
}

/* Whether the stages behind the front only make characters of bytes, once the
 * first space is gone. */
static gboolean
only_joins (const BnDecoder *self)
{
  for (unsigned i = self->n_front; i < self->n_stages; i++) {
    const BnStage *stage = &self->stages[i];

    if (stage->type != BN_STAGE_FUSE && stage->type != BN_STAGE_JOIN
        && stage->type != BN_STAGE_PIECE_SPACE
        && (stage->type != BN_STAGE_STRIP || !stage->is_open
            || stage->stop > 0))
      return FALSE;
  }
  return has_stage (self, BN_STAGE_JOIN);
}

static void
make_pieces (BnDecoder *self)
{
  const BnVocab *vocab = self->vocab;
  gboolean joins = only_joins (self);
  gboolean has_bytes = has_stage (self, BN_STAGE_BYTE_FALLBACK);
  g_autofree uint8_t *kinds = g_new0 (uint8_t, vocab->n_tokens + 1);

  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    uint32_t start = self->texts.offsets[id];
    size_t length = self->texts.offsets[id + 1] - start, bad;
    const uint8_t *text = self->texts.bytes + start;

    if (id == self->special)
      kinds[id] = BN_PIECE_OTHER;
    else if (vocab->attributes[id] & self->hidden)
      kinds[id] = joins && (self->hidden & BN_TOKEN_UNKNOWN) ? BN_PIECE_CONTROL
                                                             : BN_PIECE_OTHER;
    else if (vocab->attributes[id] & self->never)
      kinds[id] = BN_PIECE_HIDDEN;
    else if (!joins
             && (!bn_utf8_validate (text, length, &bad)
                 || (has_bytes && bn_parse_byte_name (text, length) >= 0)))
      kinds[id] = BN_PIECE_OTHER;
  }
  self->pieces = bn_pieces_new (&self->texts, kinds, vocab->n_tokens);
}

/* Makes the results, unless n_ids more tokens can do without. Whether they are
 * there. */
static gboolean
prepare (BnDecoder *self, size_t n_ids)
{
  gboolean is_ready;

  pthread_mutex_lock (&self->mutex);
  if (self->pieces == NULL && n_ids <= MAX_DIRECT - self->n_direct) {
    self->n_direct += n_ids;
  } else if (self->pieces == NULL) {
    if (self->uses_pieces && self->n_front == 0)
      self->texts = self->vocab->pieces;
    else
      make_texts (self);
    make_pieces (self);
  }
  is_ready = self->pieces != NULL;
  pthread_mutex_unlock (&self->mutex);
  return is_ready;
}

/* The stream. */

static void
reset_stages (BnDecodeState *state)
{
  const BnDecoder *decoder = state->decoder;

  for (unsigned i = decoder->n_front; i < decoder->n_stages; i++) {
    BnStageState *own = &state->stages[i];
    GString *held = own->held;

    g_string_truncate (held, 0);
    *own = (BnStageState){.held = held};
    own->joiner.marks_bytes = decoder->stages[i].marks_bytes;
    own->is_done = decoder->stages[i].start == 0
                   || (state->flags & BN_DECODE_KEEP_SPACE) != 0;
  }
  state->has_token = FALSE;
  state->is_plain = FALSE;
}

static void
begin (BnDecodeState *state, const BnDecoder *decoder, unsigned flags,
    gboolean is_direct)
{
  *state = (BnDecodeState){
      .decoder = decoder, .flags = flags, .is_direct = is_direct};
  if (needs_scratch (decoder))
    state->scratch = bn_scratch_new ();
  state->stages = g_new0 (BnStageState, decoder->n_stages + 1);
  for (unsigned i = decoder->n_front; i < decoder->n_stages; i++)
    state->stages[i].held = g_string_new (NULL);
  reset_stages (state);
}

void
bn_decode_begin (BnDecodeState *state, const BnDecoder *decoder, unsigned flags)
{
  prepare ((BnDecoder *) decoder, SIZE_MAX);
  begin (state, decoder, flags, FALSE);
}

void
bn_decode_clear (BnDecodeState *state)
{
  if (state->decoder == NULL)
    return;
  for (unsigned i = state->decoder->n_front; i < state->decoder->n_stages; i++)
    g_string_free (state->stages[i].held, TRUE);
  g_clear_pointer (&state->scratch, bn_scratch_free);
  g_free (state->stages);
  *state = (BnDecodeState){.decoder = NULL};
}

static void feed (BnDecodeState *state, unsigned i, const char *text,
    size_t length, GString *out);

/* A token that consists of parts: whether its parts can be handled without
 * the others. */
static gboolean
takes_parts (const BnStage *stage)
{
  switch (stage->type) {
    case BN_STAGE_METASPACE:
    case BN_STAGE_STRIP:
    case BN_STAGE_FUSE:
    case BN_STAGE_JOIN:
    case BN_STAGE_SPACE:
      return TRUE;
    case BN_STAGE_WORD_PIECE:
      return !stage->cleans;
    case BN_STAGE_REPLACE: /* parts are whole characters */
      return stage->regex == NULL && stage->pattern_length > 0
             && bn_utf8_announced_length ((uint8_t) *stage->pattern)
                    == stage->pattern_length;
    default:
      return FALSE;
  }
}

/* STRIP of a token in parts. Of the patterns at its end, which may be the end
 * of the text, the last ones wait. */
static void
strip_part (BnDecodeState *state, unsigned i, const char *text, size_t length,
    GString *out)
{
  const BnStage *stage = &state->decoder->stages[i];
  BnStageState *own = &state->stages[i];
  size_t n_behind = 0, n_held = own->held->len / stage->pattern_length;

  while (!own->is_done && bn_stage_starts (stage, text, length)) {
    text += stage->pattern_length;
    length -= stage->pattern_length;
    own->is_done = ++own->n_stripped == stage->start;
  }
  if (length == 0)
    return;
  own->is_done = TRUE;
  if (stage->stop == 0) {
    feed (state, i + 1, text, length, out);
    return;
  }

  while (bn_stage_ends (stage, text, length)) {
    length -= stage->pattern_length;
    n_behind++;
  }
  if (length > 0) {
    feed (state, i + 1, own->held->str, own->held->len, out);
    feed (state, i + 1, text, length, out);
    n_held = 0;
  }
  g_string_truncate (own->held, 0);
  for (n_held += n_behind; n_held > stage->stop; n_held--)
    feed (state, i + 1, stage->pattern, stage->pattern_length, out);
  while (n_held-- > 0)
    g_string_append_len (
        own->held, stage->pattern, (gssize) stage->pattern_length);
}

static void
normalize_text (BnDecodeState *state, unsigned i, const char *text,
    size_t length, GString *out)
{
  const BnSpNormalizer *normalizer = state->decoder->stages[i].normalizer;
  BnBuffer result = {.length = 0};

  if (bn_spnormalizer_apply (
          normalizer, (const uint8_t *) text, length, TRUE, &result))
    feed (state, i + 1, (const char *) result.data, result.length, out);
  bn_buffer_clear (&result);
}

/* PIECE_SPACE. Only pieces of text lose their U+2581, which is a space now. */
static void
strip_piece (BnDecodeState *state, unsigned i, const char *text, size_t length,
    GString *out)
{
  const unsigned other = BN_TOKEN_CONTROL | BN_TOKEN_UNKNOWN | BN_TOKEN_BYTE;
  const BnVocab *vocab = state->decoder->vocab;
  BnStageState *own = &state->stages[i];
  size_t piece_length;
  const uint8_t *piece = bn_vocab_text (vocab, state->token, &piece_length);

  if (!own->is_done && !(vocab->attributes[state->token] & other)
      && piece_length >= strlen (METASPACE)
      && memcmp (piece, METASPACE, strlen (METASPACE)) == 0) {
    text++;
    length--;
    own->is_done = !state->decoder->stages[i].removes_more;
  }
  own->is_done |= length > 0;
  feed (state, i + 1, text, length, out);
}

/* Ends a run of byte tokens: a text, if it is one, else U+FFFD for each. */
static void
end_run (BnDecodeState *state, unsigned i, GString *out)
{
  GString *held = state->stages[i].held;
  size_t bad;

  if (held->len == 0)
    return;
  if (bn_utf8_validate ((const uint8_t *) held->str, held->len, &bad)) {
    feed (state, i + 1, held->str, held->len, out);
  } else {
    for (gsize n = 0; n < held->len; n++)
      feed (state, i + 1, replacement, sizeof replacement - 1, out);
  }
  g_string_truncate (held, 0);
}

static void
feed_ctc (BnDecodeState *state, unsigned i, const char *text, size_t length,
    GString *out)
{
  const BnStage *stage = &state->decoder->stages[i];
  BnStageState *own = &state->stages[i];
  g_autoptr (GString) result = NULL;

  if (own->n_tokens++ > 0 && own->held->len == length
      && memcmp (own->held->str, text, length) == 0)
    return;
  g_string_truncate (own->held, 0);
  g_string_append_len (own->held, text, (gssize) length);

  result = g_string_new (NULL);
  bn_replace_append (
      result, text, length, stage->pattern, stage->pattern_length, "", 0);
  if (stage->cleans) {
    g_autoptr (GString) cleaned = g_string_new (NULL);

    bn_clean_token (result, 0);
    bn_replace_append (cleaned, result->str, result->len, stage->content,
        stage->content_length, " ", 1);
    g_string_assign (result, "");
    g_string_append_len (result, cleaned->str, (gssize) cleaned->len);
  }
  if (result->len > 0)
    feed (state, i + 1, result->str, result->len, out);
}

/* The token that waits in SUFFIX. */
static void
end_suffix (BnDecodeState *state, unsigned i, gboolean is_last, GString *out)
{
  const BnStage *stage = &state->decoder->stages[i];
  BnStageState *own = &state->stages[i];
  g_autoptr (GString) result = NULL;

  if (own->n_tokens == 0)
    return;
  result = g_string_new (NULL);
  bn_replace_append (result, own->held->str, own->held->len, stage->pattern,
      stage->pattern_length, " ", is_last ? 0 : 1);
  feed (state, i + 1, result->str, result->len, out);
}

/* A whole token. */
static void
feed_token (BnDecodeState *state, unsigned i, const char *text, size_t length,
    GString *out)
{
  const BnStage *stage = &state->decoder->stages[i];
  BnStageState *own = &state->stages[i];

  switch (stage->type) {
    case BN_STAGE_SUFFIX:
      end_suffix (state, i, FALSE, out);
      own->n_tokens = 1;
      g_string_truncate (own->held, 0);
      g_string_append_len (own->held, text, (gssize) length);
      break;
    case BN_STAGE_CTC:
      feed_ctc (state, i, text, length, out);
      break;
    case BN_STAGE_NORMALIZE:
      normalize_text (state, i, text, length, out);
      break;
    case BN_STAGE_PIECE_SPACE:
      strip_piece (state, i, text, length, out);
      break;
    case BN_STAGE_BYTE_FALLBACK: {
      int byte = bn_parse_byte_name (text, length);

      if (byte >= 0) {
        g_string_append_c (own->held, (char) byte);
      } else {
        end_run (state, i, out);
        feed (state, i + 1, text, length, out);
      }
      break;
    }
    case BN_STAGE_FUSE:
    case BN_STAGE_JOIN:
      g_assert_not_reached ();
    default: {
      gboolean is_first =
          own->n_tokens++ == 0 && !(state->flags & BN_DECODE_KEEP_SPACE);

      g_string_truncate (own->held, 0);
      bn_stage_append (
          stage, state->scratch, is_first, text, length, own->held);
      feed (state, i + 1, own->held->str, own->held->len, out);
    }
  }
}

static void
feed (BnDecodeState *state, unsigned i, const char *text, size_t length,
    GString *out)
{
  const BnStage *stage = &state->decoder->stages[i];
  BnStageState *own = &state->stages[i];

  if (i == state->decoder->n_stages) {
    g_string_append_len (out, text, (gssize) length);
  } else if (stage->type == BN_STAGE_FUSE) {
    feed (state, i + 1, text, length, out);
  } else if (stage->type == BN_STAGE_JOIN) {
    g_string_truncate (own->held, 0);
    bn_utf8_joiner_push (
        &own->joiner, (const uint8_t *) text, length, own->held);
    if (own->held->len > 0)
      feed (state, i + 1, own->held->str, own->held->len, out);
  } else if (!stage->is_open) {
    feed_token (state, i, text, length, out);
  } else if (!takes_parts (stage)) {
    g_string_append_len (own->held, text, (gssize) length);
  } else if (stage->type == BN_STAGE_STRIP) {
    strip_part (state, i, text, length, out);
  } else if (length > 0) {
    own->n_tokens = 0;
    feed_token (state, i, text, length, out);
  }
}

/* Ends what stage i waits for. */
static void
end_stage (BnDecodeState *state, unsigned i, GString *out)
{
  const BnStage *stage = &state->decoder->stages[i];
  BnStageState *own = &state->stages[i];

  if (stage->is_open && !takes_parts (stage)) {
    GString *token = own->held;

    own->held = g_string_new (NULL);
    feed_token (state, i, token->str, token->len, out);
    g_string_free (token, TRUE);
  }
  switch (stage->type) {
    case BN_STAGE_JOIN:
      g_string_truncate (own->held, 0);
      bn_utf8_joiner_finish (&own->joiner, own->held);
      if (own->held->len > 0)
        feed (state, i + 1, own->held->str, own->held->len, out);
      break;
    case BN_STAGE_SUFFIX:
      end_suffix (state, i, TRUE, out);
      break;
    case BN_STAGE_BYTE_FALLBACK:
      end_run (state, i, out);
      break;
    default:
      break;
  }
}

/* Whether what is in the pieces comes out of the stages as it goes in. */
static gboolean
is_plain (const BnDecodeState *state)
{
  const BnDecoder *decoder = state->decoder;

  for (unsigned i = decoder->n_front; i < decoder->n_stages; i++) {
    const BnStage *stage = &decoder->stages[i];
    const BnStageState *own = &state->stages[i];

    switch (stage->type) {
      case BN_STAGE_FUSE:
      case BN_STAGE_JOIN: /* bn_pieces_push() does what it does */
        break;
      case BN_STAGE_BYTE_FALLBACK:
        if (stage->is_open || own->held->len > 0)
          return FALSE;
        break;
      case BN_STAGE_STRIP:
        if (!stage->is_open || !own->is_done || stage->stop > 0)
          return FALSE;
        break;
      case BN_STAGE_PIECE_SPACE:
        if (!own->is_done)
          return FALSE;
        break;
      default:
        return FALSE;
    }
  }
  return TRUE;
}

static gboolean
is_shown (const BnDecodeState *state, uint32_t id)
{
  const BnDecoder *decoder = state->decoder;
  unsigned attributes = decoder->vocab->attributes[id];

  if (attributes & decoder->hidden)
    return (state->flags & BN_DECODE_SPECIAL)
           || (!(decoder->hidden & BN_TOKEN_UNKNOWN)
               && id == decoder->vocab->roles[BN_ROLE_UNK]);
  return !(attributes & decoder->never);
}

/* To sentencepiece a hidden token ends a run of bytes, too. */
static void
end_bytes (BnDecodeState *state, GString *out)
{
  for (unsigned i = state->decoder->n_front; i < state->decoder->n_stages;
       i++) {
    if (state->stages[i].joiner.marks_bytes)
      end_stage (state, i, out);
  }
}

static void
push_complex (BnDecodeState *state, uint32_t id, GString *out)
{
  const BnDecoder *decoder = state->decoder;
  gboolean is_first =
      !state->has_token && !(state->flags & BN_DECODE_KEEP_SPACE);
  const char *text;
  size_t length;

  if (!is_shown (state, id)) {
    end_bytes (state, out);
    return;
  }
  state->token = id;
  if (id == decoder->special) {
    feed (state, decoder->n_front, decoder->special_text,
        strlen (decoder->special_text), out);
  } else if ((is_first || state->is_direct) && decoder->n_front > 0) {
    GString *buffers[2] = {g_string_new (NULL), g_string_new (NULL)};

    get_source (decoder, id, &text, &length);
    map_front (decoder, state->scratch, is_first, buffers, &text, &length);
    feed (state, decoder->n_front, text, length, out);
    for (int i = 0; i < 2; i++)
      g_string_free (buffers[i], TRUE);
  } else if (state->is_direct) {
    get_source (decoder, id, &text, &length);
    feed (state, decoder->n_front, text, length, out);
  } else {
    const uint32_t *offsets = decoder->texts.offsets;

    feed (state, decoder->n_front,
        (const char *) decoder->texts.bytes + offsets[id],
        offsets[id + 1] - offsets[id], out);
  }
  state->has_token = TRUE;
  state->is_plain = is_plain (state);
}

/* Appends the texts of tokens at the beginning of ids that no stage but the
 * joining one changes; returns how many. */
static size_t
push_plain (
    BnDecodeState *state, const uint32_t *ids, size_t n_ids, GString *out)
{
  const BnDecoder *decoder = state->decoder;
  BnUtf8Joiner none = {.n_pending = 0}, *joiner = &none;

  for (unsigned i = decoder->n_front; i < decoder->n_stages; i++) {
    if (decoder->stages[i].type == BN_STAGE_JOIN)
      joiner = &state->stages[i].joiner;
  }
  return bn_pieces_push (decoder->pieces, joiner,
      (state->flags & BN_DECODE_SPECIAL) != 0, ids, n_ids, out);
}

void
bn_decode_push (
    BnDecodeState *state, const uint32_t *ids, size_t n_ids, GString *out)
{
  const BnDecoder *decoder = state->decoder;
  size_t i = 0;

  while (i < n_ids) {
    if (state->has_token && state->is_plain && !state->is_direct) {
      i += push_plain (state, ids + i, n_ids - i, out);
      if (i == n_ids)
        break;
    }
    if (ids[i] < decoder->vocab->n_tokens)
      push_complex (state, ids[i], out);
    i++;
  }
}

void
bn_decode_finish (BnDecodeState *state, GString *out)
{
  for (unsigned i = state->decoder->n_front; i < state->decoder->n_stages; i++)
    end_stage (state, i, out);
  reset_stages (state);
}

void
bn_decode_all (const BnDecoder *decoder, unsigned flags, const uint32_t *ids,
    size_t n_ids, GString *out)
{
  g_auto (BnDecodeState) state = {.decoder = NULL};

  begin (&state, decoder, flags, !prepare ((BnDecoder *) decoder, n_ids));
  bn_decode_push (&state, ids, n_ids, out);
  bn_decode_finish (&state, out);
}
