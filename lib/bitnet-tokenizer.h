/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetTokenizer and BitnetDecoder: text to token ids and back. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"
#include "bitnet-model.h"

G_BEGIN_DECLS

/**
 * BitnetTokenizer:
 *
 * A vocabulary and the algorithm that goes with it. Immutable after creation;
 * every function may be called from any thread at the same time.
 */
#define BITNET_TYPE_TOKENIZER (bitnet_tokenizer_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetTokenizer, bitnet_tokenizer, BITNET, TOKENIZER,
    GObject)

/**
 * BITNET_TOKEN_NONE:
 *
 * Stands for a special token the vocabulary does not have.
 */
#define BITNET_TOKEN_NONE G_MAXUINT32

/**
 * BitnetEncodeFlags:
 * @BITNET_ENCODE_NONE: the text alone; control tokens in it stay text
 * @BITNET_ENCODE_ADD_SPECIAL: add BOS and EOS as the model wants them
 * @BITNET_ENCODE_PARSE_SPECIAL: control tokens written in the text count
 */
typedef enum {
  BITNET_ENCODE_NONE = 0,
  BITNET_ENCODE_ADD_SPECIAL = 1 << 0,
  BITNET_ENCODE_PARSE_SPECIAL = 1 << 1,
} BitnetEncodeFlags;

/**
 * BitnetDecodeFlags:
 * @BITNET_DECODE_NONE: control tokens vanish, a leading space that the
 *   vocabulary added is removed
 * @BITNET_DECODE_SPECIAL: control tokens appear as their text
 * @BITNET_DECODE_KEEP_SPACE: keep the leading space, for text that continues
 *   other text
 */
typedef enum {
  BITNET_DECODE_NONE = 0,
  BITNET_DECODE_SPECIAL = 1 << 0,
  BITNET_DECODE_KEEP_SPACE = 1 << 1,
} BitnetDecodeFlags;

/**
 * BitnetTokenAttributes:
 * @BITNET_TOKEN_NORMAL: ordinary text
 * @BITNET_TOKEN_UNKNOWN: stands for what the vocabulary cannot express
 * @BITNET_TOKEN_CONTROL: no text of its own
 * @BITNET_TOKEN_USER_DEFINED: matched in text before the algorithm runs
 * @BITNET_TOKEN_UNUSED: reserved
 * @BITNET_TOKEN_BYTE: one raw byte
 * @BITNET_TOKEN_EOG: ends a generation
 */
typedef enum {
  BITNET_TOKEN_NORMAL = 1 << 0,
  BITNET_TOKEN_UNKNOWN = 1 << 1,
  BITNET_TOKEN_CONTROL = 1 << 2,
  BITNET_TOKEN_USER_DEFINED = 1 << 3,
  BITNET_TOKEN_UNUSED = 1 << 4,
  BITNET_TOKEN_BYTE = 1 << 5,
  BITNET_TOKEN_EOG = 1 << 6,
} BitnetTokenAttributes;

/**
 * BitnetSpecialToken:
 * @BITNET_SPECIAL_BOS: begin of sequence
 * @BITNET_SPECIAL_EOS: end of sequence
 * @BITNET_SPECIAL_EOT: end of turn
 * @BITNET_SPECIAL_UNK: unknown
 * @BITNET_SPECIAL_SEP: separator
 * @BITNET_SPECIAL_PAD: padding
 * @BITNET_SPECIAL_MASK: mask
 */
typedef enum {
  BITNET_SPECIAL_BOS,
  BITNET_SPECIAL_EOS,
  BITNET_SPECIAL_EOT,
  BITNET_SPECIAL_UNK,
  BITNET_SPECIAL_SEP,
  BITNET_SPECIAL_PAD,
  BITNET_SPECIAL_MASK,
} BitnetSpecialToken;

BITNET_AVAILABLE_IN_ALL
BitnetTokenizer *bitnet_tokenizer_new_from_model (BitnetModel *model,
    GCancellable *cancellable, GError **error);

BITNET_AVAILABLE_IN_ALL
const char *bitnet_tokenizer_get_id (BitnetTokenizer *self);
BITNET_AVAILABLE_IN_ALL
const char *bitnet_tokenizer_get_algorithm (BitnetTokenizer *self);
BITNET_AVAILABLE_IN_ALL
const char *bitnet_tokenizer_get_pre (BitnetTokenizer *self);
BITNET_AVAILABLE_IN_ALL
guint bitnet_tokenizer_get_vocab_size (BitnetTokenizer *self);
BITNET_AVAILABLE_IN_ALL
guint32 bitnet_tokenizer_get_special (BitnetTokenizer *self,
    BitnetSpecialToken which);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_tokenizer_get_add_bos (BitnetTokenizer *self);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_tokenizer_get_add_eos (BitnetTokenizer *self);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_tokenizer_is_eog (BitnetTokenizer *self, guint32 token);
BITNET_AVAILABLE_IN_ALL
BitnetTokenAttributes bitnet_tokenizer_get_attributes (BitnetTokenizer *self,
    guint32 token);
BITNET_AVAILABLE_IN_ALL
GBytes *bitnet_tokenizer_get_token_bytes (BitnetTokenizer *self,
    guint32 token);
BITNET_AVAILABLE_IN_ALL
guint32 bitnet_tokenizer_lookup (BitnetTokenizer *self, const char *text);

BITNET_AVAILABLE_IN_ALL
guint32 *bitnet_tokenizer_encode (BitnetTokenizer *self, const char *text,
    gssize length, BitnetEncodeFlags flags, gsize *n_tokens, GError **error);
BITNET_AVAILABLE_IN_ALL
char *bitnet_tokenizer_decode (BitnetTokenizer *self, const guint32 *tokens,
    gsize n_tokens, BitnetDecodeFlags flags, gsize *length, GError **error);

/**
 * BitnetDecoder:
 *
 * Turns a stream of tokens into a stream of text. What has been returned is
 * always complete UTF-8; bytes of an unfinished character wait for the next
 * token. One stream, one decoder; not to be shared between threads.
 */
#define BITNET_TYPE_DECODER (bitnet_decoder_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetDecoder, bitnet_decoder, BITNET, DECODER, GObject)

BITNET_AVAILABLE_IN_ALL
BitnetDecoder *bitnet_decoder_new (BitnetTokenizer *tokenizer,
    BitnetDecodeFlags flags);
BITNET_AVAILABLE_IN_ALL
char *bitnet_decoder_push (BitnetDecoder *self, const guint32 *tokens,
    gsize n_tokens, gsize *length);
BITNET_AVAILABLE_IN_ALL
char *bitnet_decoder_finish (BitnetDecoder *self, gsize *length);
BITNET_AVAILABLE_IN_ALL
void bitnet_decoder_reset (BitnetDecoder *self);

G_END_DECLS
