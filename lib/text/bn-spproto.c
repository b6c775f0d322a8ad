/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the wire format of protobuf: a message is a row of fields, each with a
 * number and one of four kinds of value. Fields that nobody asks for are
 * skipped; of several values of a field the last counts, sub-messages add
 * up. */
#include "bn-spproto.h"

#include <math.h>
#include <string.h>

#include "bitnet-error.h"

enum {
  MAX_PIECES = 1 << 25,
  MAX_VARINT_SIZE = 10,
};

typedef enum {
  WIRE_VARINT = 0,
  WIRE_64 = 1,
  WIRE_BYTES = 2,
  WIRE_32 = 5,
} WireType;

/* Numbers of fields. */
enum {
  MODEL_PIECES = 1,
  MODEL_TRAINER = 2,
  MODEL_NORMALIZER = 3,
  MODEL_SELF_TEST = 4,
  MODEL_DENORMALIZER = 5,
  PIECE_TEXT = 1,
  PIECE_SCORE = 2,
  PIECE_TYPE = 3,
  TRAINER_MODEL_TYPE = 3,
  TRAINER_WHITESPACE_AS_SUFFIX = 24,
  TRAINER_BYTE_FALLBACK = 35,
  TRAINER_UNK_ID = 40,
  TRAINER_BOS_ID = 41,
  TRAINER_EOS_ID = 42,
  TRAINER_PAD_ID = 43,
  TRAINER_UNK_SURFACE = 44,
  TRAINER_UNK_PIECE = 45,
  TRAINER_BOS_PIECE = 46,
  TRAINER_EOS_PIECE = 47,
  TRAINER_PAD_PIECE = 48,
  NORMALIZER_CHARSMAP = 2,
  NORMALIZER_DUMMY_PREFIX = 3,
  NORMALIZER_EXTRA_WHITESPACES = 4,
  NORMALIZER_ESCAPE_WHITESPACES = 5,
  SELF_TEST_SAMPLES = 1,
  SAMPLE_INPUT = 1,
  SAMPLE_EXPECTED = 2,
};

typedef struct {
  const char *path;
  const uint8_t *start; /* of the file */
} Reader;

/* What is left of a message. */
typedef struct {
  const uint8_t *p, *end;
} Message;

typedef struct {
  uint32_t number;
  WireType type;
  uint64_t varint; /* or 32 or 64 bits */
  BnSpBytes bytes;
  size_t offset; /* in the file */
} Field;

static gboolean fail (const Reader *reader, size_t offset, int code,
    GError **error, const char *format, ...) G_GNUC_PRINTF (5, 6);

static gboolean
fail (const Reader *reader, size_t offset, int code, GError **error,
    const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, BITNET_ERROR, code,
      "%s: SentencePiece model, offset %" G_GSIZE_FORMAT ": %s", reader->path,
      offset, message);
  return FALSE;
}

static gboolean
fail_truncated (
    const Reader *reader, const Message *message, size_t wanted, GError **error)
{
  return fail (reader, (size_t) (message->p - reader->start),
      BITNET_ERROR_TRUNCATED, error,
      "found %" G_GSIZE_FORMAT " bytes up to the end, expected at least "
      "%" G_GSIZE_FORMAT,
      (size_t) (message->end - message->p), wanted);
}

static gboolean
read_varint (
    const Reader *reader, Message *message, uint64_t *value, GError **error)
{
  const uint8_t *start = message->p;

  *value = 0;
  for (unsigned i = 0; i < MAX_VARINT_SIZE; i++) {
    if (message->p == message->end)
      return fail_truncated (reader, message, 1, error);
    *value |= (uint64_t) (*message->p & 0x7F) << 7 * i;
    if (!(*message->p++ & 0x80))
      return TRUE;
  }
  return fail (reader, (size_t) (start - reader->start), BITNET_ERROR_CORRUPT,
      error, "found a number of more than %d bytes, expected a varint",
      MAX_VARINT_SIZE);
}

static gboolean
read_fixed (const Reader *reader, Message *message, size_t size,
    uint64_t *value, GError **error)
{
  if ((size_t) (message->end - message->p) < size)
    return fail_truncated (reader, message, size, error);
  *value = 0;
  for (size_t i = 0; i < size; i++)
    *value |= (uint64_t) message->p[i] << 8 * i;
  message->p += size;
  return TRUE;
}

/* The next field of a message, which is not at its end. */
static gboolean
read_field (
    const Reader *reader, Message *message, Field *field, GError **error)
{
  uint64_t tag, length;

  *field = (Field){.offset = (size_t) (message->p - reader->start)};
  if (!read_varint (reader, message, &tag, error))
    return FALSE;
  field->number = (uint32_t) (tag >> 3);
  field->type = (WireType) (tag & 7);
  if (tag >> 3 == 0 || tag >> 32 != 0)
    return fail (reader, field->offset, BITNET_ERROR_CORRUPT, error,
        "found field number %" G_GUINT64_FORMAT
        ", expected one from 1 to 536870911",
        tag >> 3);
  switch (field->type) {
    case WIRE_VARINT:
      return read_varint (reader, message, &field->varint, error);
    case WIRE_64:
      return read_fixed (reader, message, 8, &field->varint, error);
    case WIRE_32:
      return read_fixed (reader, message, 4, &field->varint, error);
    case WIRE_BYTES:
      if (!read_varint (reader, message, &length, error))
        return FALSE;
      if (length > (size_t) (message->end - message->p))
        return fail_truncated (reader, message, (size_t) length, error);
      field->bytes = (BnSpBytes){message->p, (size_t) length};
      message->p += length;
      return TRUE;
    default:
      return fail (reader, field->offset, BITNET_ERROR_CORRUPT, error,
          "found wire type %d of field %u, expected 0, 1, 2 or 5",
          (int) field->type, field->number);
  }
}

/* Whether a field that is wanted has the kind of value that it must have. */
static gboolean
check_type (
    const Reader *reader, const Field *field, WireType type, GError **error)
{
  return field->type == type
         || fail (reader, field->offset, BITNET_ERROR_CORRUPT, error,
             "found wire type %d of field %u, expected %d", (int) field->type,
             field->number, (int) type);
}

static gboolean
get_bytes (
    const Reader *reader, const Field *field, BnSpBytes *bytes, GError **error)
{
  if (!check_type (reader, field, WIRE_BYTES, error))
    return FALSE;
  *bytes = field->bytes;
  return TRUE;
}

static gboolean
get_int (
    const Reader *reader, const Field *field, int32_t *value, GError **error)
{
  if (!check_type (reader, field, WIRE_VARINT, error))
    return FALSE;
  *value = (int32_t) (uint32_t) field->varint;
  return TRUE;
}

static gboolean
get_bool (
    const Reader *reader, const Field *field, gboolean *value, GError **error)
{
  if (!check_type (reader, field, WIRE_VARINT, error))
    return FALSE;
  *value = field->varint != 0;
  return TRUE;
}

static gboolean
get_float (
    const Reader *reader, const Field *field, float *value, GError **error)
{
  union {
    uint32_t bits;
    float number;
  } both;

  if (!check_type (reader, field, WIRE_32, error))
    return FALSE;
  both.bits = (uint32_t) field->varint;
  *value = both.number;
  return isfinite (*value)
         || fail (reader, field->offset, BITNET_ERROR_TOKENIZER, error,
             "found the score %g, expected a finite number", (double) *value);
}

static gboolean
read_piece (
    const Reader *reader, const Field *field, BnSpPiece *piece, GError **error)
{
  Message message = {
      field->bytes.data, field->bytes.data + field->bytes.length};

  *piece = (BnSpPiece){.offset = field->offset, .type = BN_SPPIECE_NORMAL};
  while (message.p < message.end) {
    Field part;
    gboolean is_read = TRUE;

    if (!read_field (reader, &message, &part, error))
      return FALSE;
    if (part.number == PIECE_TEXT)
      is_read = get_bytes (reader, &part, &piece->text, error);
    else if (part.number == PIECE_SCORE)
      is_read = get_float (reader, &part, &piece->score, error);
    else if (part.number == PIECE_TYPE)
      is_read = get_int (reader, &part, &piece->type, error);
    if (!is_read)
      return FALSE;
  }
  if (piece->type < BN_SPPIECE_NORMAL || piece->type > BN_SPPIECE_BYTE)
    return fail (reader, field->offset, BITNET_ERROR_TOKENIZER, error,
        "found piece type %d, expected one from %d to %d", piece->type,
        BN_SPPIECE_NORMAL, BN_SPPIECE_BYTE);
  return TRUE;
}

static gboolean
read_trainer (
    const Reader *reader, const Field *field, BnSpProto *self, GError **error)
{
  Message message = {
      field->bytes.data, field->bytes.data + field->bytes.length};
  gboolean is_read = TRUE;

  while (is_read && message.p < message.end) {
    Field part;

    if (!read_field (reader, &message, &part, error))
      return FALSE;
    switch (part.number) {
      case TRAINER_MODEL_TYPE:
        is_read = get_int (reader, &part, &self->model_type, error);
        break;
      case TRAINER_WHITESPACE_AS_SUFFIX:
        is_read =
            get_bool (reader, &part, &self->treat_whitespace_as_suffix, error);
        break;
      case TRAINER_BYTE_FALLBACK:
        is_read = get_bool (reader, &part, &self->byte_fallback, error);
        break;
      case TRAINER_UNK_ID:
        is_read = get_int (reader, &part, &self->unk_id, error);
        break;
      case TRAINER_BOS_ID:
        is_read = get_int (reader, &part, &self->bos_id, error);
        break;
      case TRAINER_EOS_ID:
        is_read = get_int (reader, &part, &self->eos_id, error);
        break;
      case TRAINER_PAD_ID:
        is_read = get_int (reader, &part, &self->pad_id, error);
        break;
      case TRAINER_UNK_SURFACE:
        is_read = get_bytes (reader, &part, &self->unk_surface, error);
        break;
      case TRAINER_UNK_PIECE:
        is_read = get_bytes (reader, &part, &self->unk_piece, error);
        break;
      case TRAINER_BOS_PIECE:
        is_read = get_bytes (reader, &part, &self->bos_piece, error);
        break;
      case TRAINER_EOS_PIECE:
        is_read = get_bytes (reader, &part, &self->eos_piece, error);
        break;
      case TRAINER_PAD_PIECE:
        is_read = get_bytes (reader, &part, &self->pad_piece, error);
        break;
      default:
        break;
    }
  }
  return is_read;
}

static gboolean
read_normalizer (const Reader *reader, const Field *field,
    BnSpNormalizerSpec *spec, GError **error)
{
  Message message = {
      field->bytes.data, field->bytes.data + field->bytes.length};
  gboolean is_read = TRUE;

  while (is_read && message.p < message.end) {
    Field part;

    if (!read_field (reader, &message, &part, error))
      return FALSE;
    switch (part.number) {
      case NORMALIZER_CHARSMAP:
        is_read = get_bytes (reader, &part, &spec->charsmap, error);
        spec->charsmap_offset = part.offset;
        break;
      case NORMALIZER_DUMMY_PREFIX:
        is_read = get_bool (reader, &part, &spec->add_dummy_prefix, error);
        break;
      case NORMALIZER_EXTRA_WHITESPACES:
        is_read =
            get_bool (reader, &part, &spec->remove_extra_whitespaces, error);
        break;
      case NORMALIZER_ESCAPE_WHITESPACES:
        is_read = get_bool (reader, &part, &spec->escape_whitespaces, error);
        break;
      default:
        break;
    }
  }
  return is_read;
}

static gboolean
read_sample (
    const Reader *reader, const Field *field, GArray *samples, GError **error)
{
  Message message = {
      field->bytes.data, field->bytes.data + field->bytes.length};
  BnSpSample sample = {{NULL, 0}, {NULL, 0}};

  while (message.p < message.end) {
    Field part;
    gboolean is_read = TRUE;

    if (!read_field (reader, &message, &part, error))
      return FALSE;
    if (part.number == SAMPLE_INPUT)
      is_read = get_bytes (reader, &part, &sample.input, error);
    else if (part.number == SAMPLE_EXPECTED)
      is_read = get_bytes (reader, &part, &sample.expected, error);
    if (!is_read)
      return FALSE;
  }
  g_array_append_val (samples, sample);
  return TRUE;
}

static gboolean
read_self_test (
    const Reader *reader, const Field *field, GArray *samples, GError **error)
{
  Message message = {
      field->bytes.data, field->bytes.data + field->bytes.length};

  while (message.p < message.end) {
    Field part;

    if (!read_field (reader, &message, &part, error))
      return FALSE;
    if (part.number == SELF_TEST_SAMPLES
        && (!check_type (reader, &part, WIRE_BYTES, error)
            || !read_sample (reader, &part, samples, error)))
      return FALSE;
  }
  return TRUE;
}

/* Goes over the fields of the model without looking into them, for the number
 * of pieces. */
static gboolean
count_pieces (
    const Reader *reader, Message message, uint32_t *n_pieces, GError **error)
{
  *n_pieces = 0;
  while (message.p < message.end) {
    Field field;

    if (!read_field (reader, &message, &field, error))
      return FALSE;
    if (field.number == MODEL_PIECES && ++*n_pieces > MAX_PIECES)
      return fail (reader, field.offset, BITNET_ERROR_TOKENIZER, error,
          "found more than %d pieces, expected less", MAX_PIECES);
  }
  return *n_pieces > 0
         || fail (reader, 0, BITNET_ERROR_TOKENIZER, error,
             "found no pieces, expected a vocabulary");
}

static gboolean
read_model_field (
    const Reader *reader, const Field *field, BnSpProto *self, GError **error)
{
  if (field->number > MODEL_DENORMALIZER)
    return TRUE;
  if (!check_type (reader, field, WIRE_BYTES, error))
    return FALSE;
  switch (field->number) {
    case MODEL_PIECES: {
      BnSpPiece *piece = &self->pieces[self->n_pieces++];

      if (!read_piece (reader, field, piece, error))
        return FALSE;
      self->text_size += piece->text.length;
      return TRUE;
    }
    case MODEL_TRAINER:
      return read_trainer (reader, field, self, error);
    case MODEL_NORMALIZER:
      return read_normalizer (reader, field, &self->normalizer, error);
    case MODEL_SELF_TEST:
      return read_self_test (reader, field, self->samples, error);
    default:
      return read_normalizer (reader, field, &self->denormalizer, error);
  }
}

static BnSpBytes
bytes_of (const char *text)
{
  return (BnSpBytes){(const uint8_t *) text, strlen (text)};
}

BnSpProto *
bn_spproto_new (const char *path, const void *data, size_t size, GError **error)
{
  const BnSpNormalizerSpec spec = {.add_dummy_prefix = TRUE,
      .remove_extra_whitespaces = TRUE,
      .escape_whitespaces = TRUE};
  const Reader reader = {path, data};
  Message message = {data, (const uint8_t *) data + size};
  g_autoptr (BnSpProto) self = g_new0 (BnSpProto, 1);
  uint32_t n_pieces;

  self->samples = g_array_new (FALSE, FALSE, sizeof (BnSpSample));
  self->model_type = BN_SPMODEL_UNIGRAM;
  self->bos_id = 1;
  self->eos_id = 2;
  self->pad_id = -1;
  self->unk_piece = bytes_of ("<unk>");
  self->bos_piece = bytes_of ("<s>");
  self->eos_piece = bytes_of ("</s>");
  self->pad_piece = bytes_of ("<pad>");
  self->unk_surface = bytes_of (" \xE2\x81\x87 ");
  self->normalizer = spec;
  self->denormalizer = spec;

  if (!count_pieces (&reader, message, &n_pieces, error))
    return NULL;
  self->pieces = g_try_new (BnSpPiece, n_pieces);
  if (self->pieces == NULL) {
    fail (&reader, 0, BITNET_ERROR_OUT_OF_MEMORY, error,
        "no memory for %u pieces", n_pieces);
    return NULL;
  }
  while (message.p < message.end) {
    Field field;

    if (!read_field (&reader, &message, &field, error)
        || !read_model_field (&reader, &field, self, error))
      return NULL;
  }
  return g_steal_pointer (&self);
}

void
bn_spproto_free (BnSpProto *self)
{
  g_free (self->pieces);
  g_array_unref (self->samples);
  g_free (self);
}
