/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of a SentencePiece model: a protobuf message "ModelProto", of which
 * the fields that tokenization needs are read. The file is foreign: every
 * length is compared with what is there before it is used, and memory is taken
 * only in proportion to the file. */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the file. */
typedef struct {
  const uint8_t *data;
  size_t length;
} BnSpBytes;

/* The values of the file. */
typedef enum {
  BN_SPPIECE_NORMAL = 1,
  BN_SPPIECE_UNKNOWN,
  BN_SPPIECE_CONTROL,
  BN_SPPIECE_USER_DEFINED,
  BN_SPPIECE_UNUSED,
  BN_SPPIECE_BYTE,
} BnSpPieceType;

typedef struct {
  BnSpBytes text;
  size_t offset; /* of the piece in the file */
  float score;
  int32_t type; /* BnSpPieceType, checked */
} BnSpPiece;

typedef enum {
  BN_SPMODEL_UNIGRAM = 1,
  BN_SPMODEL_BPE,
  BN_SPMODEL_WORD,
  BN_SPMODEL_CHAR,
} BnSpModelType;

typedef struct {
  BnSpBytes charsmap;
  size_t charsmap_offset; /* in the file */
  gboolean add_dummy_prefix;
  gboolean remove_extra_whitespaces;
  gboolean escape_whitespaces;
} BnSpNormalizerSpec;

typedef struct {
  BnSpBytes input, expected;
} BnSpSample;

typedef struct {
  BnSpPiece *pieces;
  uint32_t n_pieces;
  size_t text_size; /* of all pieces */
  int32_t model_type;
  gboolean treat_whitespace_as_suffix;
  gboolean byte_fallback;
  int32_t unk_id, bos_id, eos_id, pad_id; /* negative: none */
  BnSpBytes unk_piece, bos_piece, eos_piece, pad_piece;
  BnSpBytes unk_surface;
  BnSpNormalizerSpec normalizer, denormalizer;
  GArray *samples; /* of BnSpSample */
} BnSpProto;

/* Refers to the size bytes at data, which must stay. path is for messages. */
BnSpProto *bn_spproto_new (
    const char *path, const void *data, size_t size, GError **error);
void bn_spproto_free (BnSpProto *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnSpProto, bn_spproto_free)
