/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks a SentencePiece model as sentencepiece does when it loads one, and
 * builds the tokenizer. */
#include "bn-sentencepiece.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-spmodel.h"
#include "bn-spproto.h"

enum {
  CANCEL_INTERVAL = 4096, /* pieces between two looks */
  SHOWN_SIZE = 40,        /* of a piece in a message */
  N_BYTES = 256,
  /* Bytes of all special tokens; the automata that find them in text take a
   * hundred times as much. Ours: models have some kilobytes. */
  MAX_SPECIAL_SIZE = 4 << 20,
};

static gboolean fail (const BnFile *file, size_t offset, GError **error,
    const char *format, ...) G_GNUC_PRINTF (4, 5);

static gboolean
fail (
    const BnFile *file, size_t offset, GError **error, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
      "%s: SentencePiece model, offset %" G_GSIZE_FORMAT ": %s", file->path,
      offset, message);
  return FALSE;
}

/* A text for a message: one short line. */
static char *
show (BnSpBytes text)
{
  g_autofree char *copy = g_utf8_make_valid (
      (const char *) text.data, (gssize) MIN (text.length, SHOWN_SIZE));

  return g_strescape (copy, NULL);
}

/* The byte of a piece "<0xXX>" in capital digits, -1 for any other. */
static int
byte_of_piece (BnSpBytes text)
{
  int byte = bn_parse_byte_name (text.data, text.length);

  return byte >= 0 && !g_ascii_islower ((char) text.data[3])
                 && !g_ascii_islower ((char) text.data[4])
             ? byte
             : -1;
}

static gboolean
check_byte_piece (const BnFile *file, const BnSpProto *proto,
    const BnSpPiece *piece, gboolean *found, GError **error)
{
  g_autofree char *shown = NULL;
  int byte = byte_of_piece (piece->text);

  if (proto->byte_fallback && byte >= 0) {
    found[byte] = TRUE;
    return TRUE;
  }
  shown = show (piece->text);
  return fail (file, piece->offset, error,
      proto->byte_fallback
          ? "found the byte piece \"%s\", expected <0x00> to <0xFF>"
          : "found the byte piece \"%s\", expected none without byte_fallback",
      shown);
}

static gboolean
check_pieces (const BnFile *file, const BnSpProto *proto, uint32_t *unknown,
    GError **error)
{
  gboolean found[N_BYTES] = {FALSE};
  size_t special_size = 0;

  *unknown = BN_TOKEN_NONE;
  for (uint32_t id = 0; id < proto->n_pieces; id++) {
    const BnSpPiece *piece = &proto->pieces[id];

    if (piece->text.length == 0)
      return fail (file, piece->offset, error,
          "found piece %u without text, expected some", id);
    if (piece->type == BN_SPPIECE_UNKNOWN) {
      if (*unknown != BN_TOKEN_NONE)
        return fail (file, piece->offset, error,
            "found a second unknown piece, %u after %u, expected one", id,
            *unknown);
      *unknown = id;
    } else if (piece->type == BN_SPPIECE_BYTE) {
      if (!check_byte_piece (file, proto, piece, found, error))
        return FALSE;
    }
    if (piece->type == BN_SPPIECE_UNKNOWN || piece->type == BN_SPPIECE_CONTROL)
      special_size += piece->text.length;
    if (special_size > MAX_SPECIAL_SIZE)
      return fail (file, piece->offset, error,
          "found more than %d bytes of special pieces, expected less",
          MAX_SPECIAL_SIZE);
  }
  if (*unknown == BN_TOKEN_NONE)
    return fail (file, 0, error, "found no unknown piece, expected one");
  for (unsigned byte = 0; byte < N_BYTES && proto->byte_fallback; byte++) {
    if (!found[byte])
      return fail (file, 0, error,
          "found no piece <0x%02X>, expected one for each byte with "
          "byte_fallback",
          byte);
  }
  return TRUE;
}

static unsigned
attributes_of_type (int32_t type)
{
  static const unsigned attributes[] = {
      [BN_SPPIECE_NORMAL] = BN_TOKEN_NORMAL,
      [BN_SPPIECE_UNKNOWN] = BN_TOKEN_UNKNOWN,
      [BN_SPPIECE_CONTROL] = BN_TOKEN_CONTROL,
      [BN_SPPIECE_USER_DEFINED] = BN_TOKEN_USER_DEFINED,
      [BN_SPPIECE_UNUSED] = BN_TOKEN_UNUSED,
      [BN_SPPIECE_BYTE] = BN_TOKEN_BYTE,
  };

  return attributes[type];
}

/* Whether sentencepiece looks for the two kinds of pieces in one table, so
 * that texts must not be the same. */
static gboolean
share_table (unsigned one, unsigned two)
{
  const unsigned ordinary =
      BN_TOKEN_NORMAL | BN_TOKEN_USER_DEFINED | BN_TOKEN_UNUSED;

  return ((one & ordinary) != 0) == ((two & ordinary) != 0);
}

static gboolean
check_duplicates (const BnFile *file, const BnSpProto *proto,
    const BnVocab *vocab, GError **error)
{
  for (uint32_t id = 0; vocab->n_duplicates > 0 && id < proto->n_pieces; id++) {
    const BnSpPiece *piece = &proto->pieces[id];
    uint32_t first =
        bn_vocab_lookup (vocab, piece->text.data, piece->text.length);
    g_autofree char *shown = NULL;

    if (first == id
        || !share_table (attributes_of_type (piece->type),
            attributes_of_type (proto->pieces[first].type)))
      continue;
    shown = show (piece->text);
    return fail (file, piece->offset, error,
        "found piece %u with the text \"%s\" of piece %u, expected another", id,
        shown, first);
  }
  return TRUE;
}

/* The token of a role: what the trainer says, if it is of the right type, or
 * the control piece with the text that the role has. */
static uint32_t
find_role (
    const BnSpProto *proto, const BnVocab *vocab, int32_t id, BnSpBytes text)
{
  uint32_t found;

  if (id >= 0 && (uint32_t) id < proto->n_pieces
      && proto->pieces[id].type == BN_SPPIECE_CONTROL)
    return (uint32_t) id;
  found = bn_vocab_lookup (vocab, text.data, text.length);
  return found < proto->n_pieces
                 && proto->pieces[found].type == BN_SPPIECE_CONTROL
             ? found
             : BN_TOKEN_NONE;
}

/* What the seal makes of texts that look special is not in the model. */
static void
restore_types (const BnSpProto *proto, const BnSentencepieceOptions *options,
    BnVocab *vocab)
{
  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    unsigned type;

    if (id >= proto->n_pieces)
      type = options->added_attributes[id - proto->n_pieces];
    else
      type = attributes_of_type (proto->pieces[id].type);
    if (id < proto->n_pieces && type == BN_TOKEN_USER_DEFINED)
      type |= BN_TOKEN_INNER;
    vocab->attributes[id] =
        (uint16_t) (type | (vocab->attributes[id] & BN_TOKEN_EOG));
  }
}

static BnVocab *
build_vocab (const BnFile *file, const BnSpProto *proto,
    const BnSentencepieceOptions *options, uint32_t unknown,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (BnVocab) vocab = NULL;
  size_t n_tokens = proto->n_pieces + options->n_added;

  if (proto->text_size > BN_MAX_VOCAB_SIZE || n_tokens > BN_MAX_TOKENS) {
    fail (file, 0, error,
        "found %" G_GSIZE_FORMAT " pieces of %" G_GSIZE_FORMAT
        " bytes, expected at most %u of %u bytes",
        n_tokens, proto->text_size, BN_MAX_TOKENS, BN_MAX_VOCAB_SIZE);
    return NULL;
  }
  vocab = bn_vocab_new (
      (uint32_t) n_tokens, proto->text_size, BN_SPELLING_METASPACE);
  for (uint32_t id = 0; id < proto->n_pieces; id++) {
    const BnSpPiece *piece = &proto->pieces[id];

    if (id % CANCEL_INTERVAL == 0
        && g_cancellable_set_error_if_cancelled (cancellable, error))
      return NULL;
    bn_vocab_add (vocab, (const char *) piece->text.data, piece->text.length,
        attributes_of_type (piece->type), piece->score);
  }
  for (size_t i = 0; i < options->n_added; i++) {
    const char *text = options->added[i];

    if (!bn_vocab_add (
            vocab, text, strlen (text), options->added_attributes[i], 0)) {
      fail (file, 0, error, "found more than 4 GiB of text, expected less");
      return NULL;
    }
  }
  vocab->roles[BN_ROLE_UNK] = unknown;
  bn_vocab_seal (vocab);
  if (!check_duplicates (file, proto, vocab, error))
    return NULL;
  vocab->roles[BN_ROLE_BOS] =
      find_role (proto, vocab, proto->bos_id, proto->bos_piece);
  vocab->roles[BN_ROLE_EOS] =
      find_role (proto, vocab, proto->eos_id, proto->eos_piece);
  vocab->roles[BN_ROLE_PAD] =
      find_role (proto, vocab, proto->pad_id, proto->pad_piece);
  if (vocab->roles[BN_ROLE_EOS] != BN_TOKEN_NONE)
    vocab->attributes[vocab->roles[BN_ROLE_EOS]] |= BN_TOKEN_EOG;
  if (options->fidelity != BN_FIDELITY_LLAMA_CPP)
    restore_types (proto, options, vocab);
  return g_steal_pointer (&vocab);
}

/* The ids that a sample says a text has: pieces with spaces between, of which
 * those that do not exist are unknown. */
static void
read_expected (
    const BnSpProto *proto, const BnVocab *vocab, BnSpBytes text, GArray *ids)
{
  const uint8_t *p = text.data, *end = p + text.length;
  uint32_t unknown = vocab->roles[BN_ROLE_UNK], last = BN_TOKEN_NONE;

  while (p < end) {
    const uint8_t *space = memchr (p, ' ', (size_t) (end - p));
    const uint8_t *stop = space ? space : end;
    uint32_t id = bn_vocab_lookup (vocab, p, (size_t) (stop - p));

    if (id == BN_TOKEN_NONE)
      id = unknown;
    if (id != unknown || last != unknown)
      g_array_append_val (ids, id);
    last = id;
    p = space ? space + 1 : end;
  }
}

/* Encodes the samples that the model brings with it. */
static gboolean
test_samples (const BnFile *file, const BnSpProto *proto,
    const BnTokenizer *tokenizer, GCancellable *cancellable, GError **error)
{
  for (guint i = 0; i < proto->samples->len; i++) {
    const BnSpSample *sample = &g_array_index (proto->samples, BnSpSample, i);
    BnStretch stretch = {sample->input.length, BN_TOKEN_NONE, FALSE};
    g_autoptr (GArray) expected = g_array_new (FALSE, FALSE, sizeof (uint32_t));
    BnIds ids = {.n_ids = 0};
    gboolean is_equal;

    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    if (sample->input.length > BN_MAX_TEXT_SIZE)
      continue;
    read_expected (proto, tokenizer->vocab, sample->expected, expected);
    is_equal =
        bn_encoder_encode (
            tokenizer->encoder, sample->input.data, &stretch, 1, &ids)
        && ids.n_ids == expected->len
        && (ids.n_ids == 0
            || memcmp (ids.data, expected->data, ids.n_ids * sizeof *ids.data)
                   == 0);
    g_free (ids.data);
    if (!is_equal) {
      g_autofree char *shown = show (sample->input);

      return fail (file,
          (size_t) (sample->input.data - (const uint8_t *) file->text), error,
          "found other tokens for the sample \"%s\" than the model says, "
          "expected the same",
          shown);
    }
  }
  return TRUE;
}

static gboolean
check_model_type (const BnFile *file, const BnSpProto *proto, GError **error)
{
  switch (proto->model_type) {
    case BN_SPMODEL_UNIGRAM:
    case BN_SPMODEL_BPE:
      return TRUE;
    case BN_SPMODEL_WORD:
    case BN_SPMODEL_CHAR:
      return fail (file, 0, error,
          "model type %s is not supported, expected UNIGRAM or BPE",
          proto->model_type == BN_SPMODEL_WORD ? "WORD" : "CHAR");
    default:
      return fail (file, 0, error,
          "found model type %d, expected UNIGRAM (1) or BPE (2)",
          proto->model_type);
  }
}

/* The table of characters of a normalizer; NULL without an error if it has
 * none. */
static gboolean
read_charsmap (const BnFile *file, const BnSpNormalizerSpec *spec,
    BnCharsmap **charsmap, GError **error)
{
  *charsmap = NULL;
  if (spec->charsmap.length == 0)
    return TRUE;
  *charsmap =
      bn_charsmap_new (spec->charsmap.data, spec->charsmap.length, error);
  if (*charsmap == NULL)
    g_prefix_error (error,
        "%s: SentencePiece model, offset %" G_GSIZE_FORMAT ": ", file->path,
        spec->charsmap_offset);
  return *charsmap != NULL;
}

/* Sets the encoder, and what tells it from others with the same pieces. */
static gboolean
build_encoder (BnTokenizer *self, const BnFile *file, const BnSpProto *proto,
    const BnSentencepieceOptions *options, BnVocab *vocab_, GError **error)
{
  g_autoptr (BnVocab) vocab = vocab_;
  gboolean is_unigram = proto->model_type == BN_SPMODEL_UNIGRAM;
  gboolean is_llama_cpp = options->fidelity == BN_FIDELITY_LLAMA_CPP;
  const BnSpNormalizerSpec *spec = &proto->normalizer;
  const BnSpModelOptions model = {.is_unigram = is_unigram,
      .is_llama_cpp = is_llama_cpp,
      .byte_fallback = proto->byte_fallback && !is_llama_cpp,
      .prefix_once = options->prefix_once,
      .normalizer = {.is_llama_cpp = is_llama_cpp,
          .add_prefix = spec->add_dummy_prefix,
          .remove_extra = spec->remove_extra_whitespaces,
          .escape = spec->escape_whitespaces || is_llama_cpp,
          .add_as_suffix = proto->treat_whitespace_as_suffix}};
  g_autoptr (BnCharsmap) charsmap = NULL;

  if (is_llama_cpp && !is_unigram) {
    self->encoder =
        bn_encoder_new_spm (g_steal_pointer (&vocab), spec->add_dummy_prefix);
    return TRUE;
  }
  if (!read_charsmap (file, spec, &charsmap, error))
    return FALSE;
  self->identity = bn_spmodel_identity (&model, spec->charsmap.data,
      spec->charsmap.length, proto->denormalizer.charsmap.data,
      proto->denormalizer.charsmap.length);
  self->encoder = bn_encoder_new_spmodel (
      g_steal_pointer (&vocab), &model, g_steal_pointer (&charsmap), error);
  if (self->encoder == NULL)
    g_prefix_error (error, "%s: SentencePiece model: ", file->path);
  return self->encoder != NULL;
}

static BnDecoder *
build_decoder (const BnFile *file, const BnSpProto *proto, const BnVocab *vocab,
    GError **error)
{
  const BnSpNormalizerSpec *spec = &proto->denormalizer;
  gboolean remove_extra = proto->normalizer.remove_extra_whitespaces;
  g_autofree char *surface =
      g_utf8_make_valid ((const char *) proto->unk_surface.data,
          (gssize) proto->unk_surface.length);
  BnSpNormalizer *denormalizer = NULL;
  BnCharsmap *charsmap;

  if (!read_charsmap (file, spec, &charsmap, error))
    return NULL;
  if (charsmap) {
    const BnSpNormalizerOptions options = {.add_prefix = spec->add_dummy_prefix,
        .remove_extra = spec->remove_extra_whitespaces};

    denormalizer = bn_spnormalizer_new (&options, charsmap, NULL);
  }
  return bn_decoder_new_sentencepiece (vocab, surface,
      proto->normalizer.add_dummy_prefix || remove_extra, remove_extra,
      denormalizer);
}

gboolean
bn_sentencepiece_is_model (const BnFile *file)
{
  const uint8_t *p = (const uint8_t *) file->text, *end = p + file->size;

  /* Field 1, a length, and in it field 1 again. */
  if (p == end || *p++ != 0x0A)
    return FALSE;
  for (unsigned i = 0; i < 5 && p < end && (*p & 0x80); i++)
    p++;
  return end - p >= 2 && p[1] == 0x0A;
}

BnTokenizer *
bn_sentencepiece_load (const BnFile *file,
    const BnSentencepieceOptions *options, GCancellable *cancellable,
    GError **error)
{
  static const BnSentencepieceOptions none = {.add_bos = -1, .add_eos = -1};
  g_autoptr (BnSpProto) proto =
      bn_spproto_new (file->path, file->text, file->size, error);
  g_autoptr (BnTokenizer) self = NULL;
  g_autoptr (BnVocab) vocab = NULL;
  uint32_t unknown;
  gboolean is_bpe;

  if (options == NULL)
    options = &none;
  if (proto == NULL || !check_model_type (file, proto, error)
      || !check_pieces (file, proto, &unknown, error))
    return NULL;
  vocab = build_vocab (file, proto, options, unknown, cancellable, error);
  if (vocab == NULL)
    return NULL;

  is_bpe = proto->model_type == BN_SPMODEL_BPE;
  self = g_new0 (BnTokenizer, 1);
  self->fidelity = options->fidelity == BN_FIDELITY_AUTO
                       ? BN_FIDELITY_HUGGINGFACE
                       : options->fidelity;
  self->vocab = vocab;
  self->pre = g_strdup ("default");
  self->add_space_prefix = proto->normalizer.add_dummy_prefix;
  self->add_bos = vocab->roles[BN_ROLE_BOS] != BN_TOKEN_NONE
                  && (options->add_bos < 0 ? is_bpe : options->add_bos);
  self->add_eos = vocab->roles[BN_ROLE_EOS] != BN_TOKEN_NONE
                  && (options->add_eos < 0 ? !is_bpe : options->add_eos);
  if (!build_encoder (
          self, file, proto, options, g_steal_pointer (&vocab), error))
    return NULL;
  if (self->fidelity != BN_FIDELITY_LLAMA_CPP) {
    self->decoder = build_decoder (file, proto, self->vocab, error);
    if (self->decoder == NULL
        || (proto->normalizer.escape_whitespaces
            && !test_samples (file, proto, self, cancellable, error)))
      return NULL;
  }
  return g_steal_pointer (&self);
}
