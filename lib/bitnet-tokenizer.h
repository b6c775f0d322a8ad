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
 *
 * |[<!-- language="C" -->
 * g_autoptr (BitnetTokenizer) tokenizer
 *     = bitnet_tokenizer_new_from_model (model, NULL, &error);
 * gsize n_tokens;
 * g_autofree guint32 *tokens = bitnet_tokenizer_encode (tokenizer,
 *     "Once upon a time", -1, BITNET_ENCODE_ADD_SPECIAL, &n_tokens, &error);
 * ]|
 */
#define BITNET_TYPE_TOKENIZER (bitnet_tokenizer_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (
    BitnetTokenizer, bitnet_tokenizer, BITNET, TOKENIZER, GObject)

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
 * @BITNET_ENCODE_STRICT: text that is not UTF-8 is an error
 */
typedef enum {
  BITNET_ENCODE_NONE = 0,
  BITNET_ENCODE_ADD_SPECIAL = 1 << 0,
  BITNET_ENCODE_PARSE_SPECIAL = 1 << 1,
  BITNET_ENCODE_STRICT = 1 << 2,
} BitnetEncodeFlags;

/**
 * BitnetDecodeFlags:
 * @BITNET_DECODE_NONE: control tokens vanish, a leading space that the
 *   vocabulary added is removed; where tokens are words (WordPiece, WordLevel)
 *   the unknown one stays, as it stands for a word
 * @BITNET_DECODE_SPECIAL: control tokens appear as their text
 * @BITNET_DECODE_KEEP_SPACE: keep the leading space, for text that continues
 *   other text
 * @BITNET_DECODE_CLEAN_SPACES: remove spaces in front of punctuation and of
 *   the ends of contracted words, as the reference does if it is told to clean
 *   up; only for whole texts, streams ignore it
 */
typedef enum {
  BITNET_DECODE_NONE = 0,
  BITNET_DECODE_SPECIAL = 1 << 0,
  BITNET_DECODE_KEEP_SPACE = 1 << 1,
  BITNET_DECODE_CLEAN_SPACES = 1 << 2,
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

/**
 * BitnetFidelity:
 * @BITNET_FIDELITY_AUTO: as the source of the vocabulary: llama.cpp for a
 *   GGUF file, Hugging Face for all others and for WordPiece
 * @BITNET_FIDELITY_LLAMA_CPP: llama.cpp
 * @BITNET_FIDELITY_HUGGINGFACE: the library `tokenizers` of Hugging Face
 *
 * Whose results a tokenizer gives where the reference programs differ, mostly
 * for text with combining marks, letters of other scripts and overlapping
 * special tokens.
 */
typedef enum {
  BITNET_FIDELITY_AUTO,
  BITNET_FIDELITY_LLAMA_CPP,
  BITNET_FIDELITY_HUGGINGFACE,
} BitnetFidelity;

/**
 * bitnet_tokenizer_new_from_model:
 * @model: a model
 * @cancellable: (nullable): a #GCancellable
 * @error: return location for an error, or %NULL
 *
 * Builds the tokenizer that a model file carries in its keys
 * `tokenizer.ggml.*`: byte-level BPE (model `gpt2`) and SentencePiece-style
 * BPE (model `llama`). Takes some 10 to 200 ms for 32,000 to 256,000 tokens
 * and blocks meanwhile.
 *
 * A byte-level vocabulary without `tokenizer.ggml.pre` gets the pre-tokenizer
 * that its model family implies, with an info message; an unknown one is an
 * error.
 *
 * Errors: %BITNET_ERROR_TOKENIZER if the file has no tokenizer, one of
 * another kind, or one that contradicts itself; %G_IO_ERROR_CANCELLED.
 *
 * Returns: (transfer full): a new tokenizer, or %NULL on error
 */
BITNET_AVAILABLE_IN_ALL
BitnetTokenizer *bitnet_tokenizer_new_from_model (
    BitnetModel *model, GCancellable *cancellable, GError **error);

/**
 * bitnet_tokenizer_new_from_model_full:
 * @model: a model
 * @fidelity: whose results count where the references differ
 * @cancellable: (nullable): a #GCancellable
 * @error: return location for an error, or %NULL
 *
 * bitnet_tokenizer_new_from_model() with a choice of the reference.
 *
 * Returns: (transfer full): a new tokenizer, or %NULL on error
 */
BITNET_AVAILABLE_IN_ALL
BitnetTokenizer *bitnet_tokenizer_new_from_model_full (BitnetModel *model,
    BitnetFidelity fidelity, GCancellable *cancellable, GError **error);

/**
 * bitnet_tokenizer_new_from_file:
 * @path: a file or a folder
 * @fidelity: whose results count where the references differ
 * @cancellable: (nullable): a #GCancellable
 * @error: return location for an error, or %NULL
 *
 * Builds the tokenizer that a file holds. What kind of file it is follows from
 * its content: a GGUF file, `tokenizer.json`, `tekken.json`, `tokenizer.model`
 * as SentencePiece model or as tiktoken ranks, `vocab.json` with `merges.txt`
 * beside it, `vocab.txt`. Of a folder the most exact of these is taken, in that
 * order but for GGUF files; one that cannot be read is left out with a warning.
 * Files that refine them (`tokenizer_config.json`, `special_tokens_map.json`,
 * `added_tokens.json`, `generation_config.json`, chat templates) are read if
 * they lie beside.
 *
 * Files of tiktoken say neither how text is cut nor which special tokens there
 * are. Both follow from the family, which the number of ranks gives away; the
 * reserved tokens of LLaMA-3 have the names of version 3.0 unless a file beside
 * says otherwise. A file has at most 1 GiB.
 *
 * Blocks, some 10 to 500 ms for 32,000 to 256,000 tokens.
 *
 * Errors: %BITNET_ERROR_TOKENIZER if the content is of no such kind or
 * contradicts itself, with file, place, found and expected; #GIOErrorEnum if
 * the file cannot be read; %G_IO_ERROR_CANCELLED.
 *
 * Returns: (transfer full): a new tokenizer, or %NULL on error
 */
BITNET_AVAILABLE_IN_ALL
BitnetTokenizer *bitnet_tokenizer_new_from_file (const char *path,
    BitnetFidelity fidelity, GCancellable *cancellable, GError **error);

/**
 * bitnet_tokenizer_get_fidelity:
 * @self: a tokenizer
 *
 * Returns: whose results it gives; never %BITNET_FIDELITY_AUTO
 */
BITNET_AVAILABLE_IN_ALL
BitnetFidelity bitnet_tokenizer_get_fidelity (BitnetTokenizer *self);

/**
 * bitnet_tokenizer_get_chat_template:
 * @self: a tokenizer
 *
 * Returns: (transfer none) (nullable): the chat template that lay beside the
 *   tokenizer (GGUF key, `tokenizer_config.json`, `chat_template.jinja`), a
 *   text in the Jinja language, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_tokenizer_get_chat_template (BitnetTokenizer *self);

/**
 * bitnet_tokenizer_get_id:
 * @self: a tokenizer
 *
 * Identifies what the tokenizer does: the SHA-256 digest, in hexadecimal, of
 * algorithm, pre-tokenizer, flags, special tokens, vocabulary and merges. Two
 * tokenizers with the same id give the same tokens for every text. Computed
 * at the first call (some 10 ms for 128,000 tokens).
 *
 * Returns: (transfer none): the id, 64 characters
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_tokenizer_get_id (BitnetTokenizer *self);

/**
 * bitnet_tokenizer_get_algorithm:
 * @self: a tokenizer
 *
 * Returns: (transfer none): `bpe` for BPE, `spm` for SentencePiece-style BPE,
 *   `unigram`, `wordpiece`, `wordlevel`, `rwkv` for the others
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_tokenizer_get_algorithm (BitnetTokenizer *self);

/**
 * bitnet_tokenizer_get_pre:
 * @self: a tokenizer
 *
 * Returns: (transfer none): the name of the pre-tokenizer, as in the key
 *   `tokenizer.ggml.pre`; `default` for algorithms that have none
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_tokenizer_get_pre (BitnetTokenizer *self);

/**
 * bitnet_tokenizer_get_vocab_size:
 * @self: a tokenizer
 *
 * Returns: the number of tokens; ids are below it
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_tokenizer_get_vocab_size (BitnetTokenizer *self);

/**
 * bitnet_tokenizer_get_special:
 * @self: a tokenizer
 * @which: a role
 *
 * Returns: the token that has the role, or %BITNET_TOKEN_NONE
 */
BITNET_AVAILABLE_IN_ALL
guint32 bitnet_tokenizer_get_special (
    BitnetTokenizer *self, BitnetSpecialToken which);

/**
 * bitnet_tokenizer_get_add_bos:
 * @self: a tokenizer
 *
 * Returns: whether %BITNET_ENCODE_ADD_SPECIAL puts the BOS token in front
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_tokenizer_get_add_bos (BitnetTokenizer *self);

/**
 * bitnet_tokenizer_get_add_eos:
 * @self: a tokenizer
 *
 * Returns: whether %BITNET_ENCODE_ADD_SPECIAL puts the EOS token at the end
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_tokenizer_get_add_eos (BitnetTokenizer *self);

/**
 * bitnet_tokenizer_is_eog:
 * @self: a tokenizer
 * @token: a token, also one out of range
 *
 * Tells whether a token ends a generation. There may be several: EOS, end of
 * turn, end of message, and every token whose text is known to mean that.
 *
 * Returns: %TRUE if @token ends a generation
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_tokenizer_is_eog (BitnetTokenizer *self, guint32 token);

/**
 * bitnet_tokenizer_get_attributes:
 * @self: a tokenizer
 * @token: a token, also one out of range
 *
 * Returns: what kind of token it is; 0 if it is out of range
 */
BITNET_AVAILABLE_IN_ALL
BitnetTokenAttributes bitnet_tokenizer_get_attributes (
    BitnetTokenizer *self, guint32 token);

/**
 * bitnet_tokenizer_get_token_bytes:
 * @self: a tokenizer
 * @token: a token, also one out of range
 *
 * Gets the bytes that a token stands for, with the space that may be part of
 * it. They may be a part of a UTF-8 character. Control tokens give their
 * text.
 *
 * Returns: (transfer full) (nullable): the bytes, or %NULL if @token is out
 *   of range
 */
BITNET_AVAILABLE_IN_ALL
GBytes *bitnet_tokenizer_get_token_bytes (BitnetTokenizer *self, guint32 token);

/**
 * bitnet_tokenizer_lookup:
 * @self: a tokenizer
 * @text: the text of a token as the vocabulary spells it
 *
 * Finds a token by its text. Control tokens are spelled as they look
 * (`<|eot_id|>`); ordinary ones in the manner of the vocabulary (`\u0120the` or
 * `\u2581the` for " the").
 *
 * Returns: the lowest id with this text, or %BITNET_TOKEN_NONE
 */
BITNET_AVAILABLE_IN_ALL
guint32 bitnet_tokenizer_lookup (BitnetTokenizer *self, const char *text);

/**
 * bitnet_tokenizer_encode:
 * @self: a tokenizer
 * @text: UTF-8; NUL bytes are text if @length says so
 * @length: bytes in @text (below 2^31), or -1 if it is NUL-terminated
 * @flags: what counts besides the text
 * @n_tokens: (out): number of tokens
 * @error: return location for an error, or %NULL
 *
 * Turns text into tokens. The ids are those of the reference that
 * bitnet_tokenizer_get_fidelity() names, for the same vocabulary. Control
 * tokens that stand in @text stay text, unless @flags has
 * %BITNET_ENCODE_PARSE_SPECIAL: never set it for text that people wrote.
 *
 * Bytes that are not UTF-8 count as U+FFFD, as the reference reads them: each
 * of them (llama.cpp), or each maximal invalid subsequence (Hugging Face). With
 * %BITNET_ENCODE_STRICT they are an error.
 *
 * Time grows as n log n at worst, whatever the text.
 *
 * Errors: %BITNET_ERROR_ENCODING if @text is not UTF-8 and @flags has
 * %BITNET_ENCODE_STRICT, with the offset; %BITNET_ERROR_INVALID_ARGUMENT if it
 * is too long; %BITNET_ERROR_OUT_OF_MEMORY.
 *
 * Returns: (transfer full) (array length=n_tokens): the tokens, to be freed
 *   with g_free(), never %NULL but on error
 */
BITNET_AVAILABLE_IN_ALL
guint32 *bitnet_tokenizer_encode (BitnetTokenizer *self, const char *text,
    gssize length, BitnetEncodeFlags flags, gsize *n_tokens, GError **error);

/**
 * bitnet_tokenizer_encode_pair:
 * @self: a tokenizer
 * @first: UTF-8; NUL bytes are text if @first_length says so
 * @first_length: bytes in @first (below 2^31), or -1 if it is NUL-terminated
 * @second: UTF-8; NUL bytes are text if @second_length says so
 * @second_length: bytes in @second (below 2^31), or -1
 * @flags: what counts besides the texts
 * @n_tokens: (out): number of tokens
 * @error: return location for an error, or %NULL
 *
 * Turns two texts that belong together (a question and a document, say) into
 * tokens. With %BITNET_ENCODE_ADD_SPECIAL the tokens stand around and between
 * them that the model wants there: `[CLS] A [SEP] B [SEP]`. Without it the
 * tokens of @second follow those of @first.
 *
 * Errors: as bitnet_tokenizer_encode().
 *
 * Returns: (transfer full) (array length=n_tokens): the tokens, to be freed
 *   with g_free(), never %NULL but on error
 */
BITNET_AVAILABLE_IN_ALL
guint32 *bitnet_tokenizer_encode_pair (BitnetTokenizer *self, const char *first,
    gssize first_length, const char *second, gssize second_length,
    BitnetEncodeFlags flags, gsize *n_tokens, GError **error);

/**
 * BitnetTextPart:
 * @text: (nullable): UTF-8 of whole characters, or %NULL for @token
 * @length: bytes in @text, or -1 if it is NUL-terminated
 * @token: a token that stands here, if @text is %NULL
 * @parse_special: whether control tokens written in @text count
 *
 * A part of a text that comes from several sources, of which some may write
 * control tokens and others may not.
 */
typedef struct {
  const char *text;
  gssize length;
  guint32 token;
  gboolean parse_special;
} BitnetTextPart;

/**
 * bitnet_tokenizer_encode_parts:
 * @self: a tokenizer
 * @parts: (array length=n_parts): the parts, in order
 * @n_parts: number of parts
 * @flags: what counts besides the text; %BITNET_ENCODE_PARSE_SPECIAL holds for
 *   all parts
 * @n_tokens: (out): number of tokens
 * @error: return location for an error, or %NULL
 *
 * Turns a text in parts into tokens. The parts are one text: the tokens are
 * those of bitnet_tokenizer_encode() for all of it, except that control tokens
 * count only where they stand in one part with @parse_special. So a form can
 * have control tokens around what people wrote, who cannot forge them.
 *
 * Errors: as bitnet_tokenizer_encode(); offsets are those in the whole text.
 *
 * Returns: (transfer full) (array length=n_tokens): the tokens, to be freed
 *   with g_free(), never %NULL but on error
 */
BITNET_AVAILABLE_IN_ALL
guint32 *bitnet_tokenizer_encode_parts (BitnetTokenizer *self,
    const BitnetTextPart *parts, gsize n_parts, BitnetEncodeFlags flags,
    gsize *n_tokens, GError **error);

/**
 * bitnet_tokenizer_encode_batch:
 * @self: a tokenizer
 * @texts: (array length=n_texts) (nullable): texts in UTF-8
 * @lengths: (array length=n_texts) (nullable): bytes of each text (below
 *   2^31), -1 for one that is NUL-terminated; %NULL if all are
 * @n_texts: number of texts
 * @flags: what counts besides the texts
 * @n_threads: how many threads work, the calling one included; 0 for one per
 *   core
 * @n_tokens: (out) (array length=n_texts) (transfer full): number of tokens of
 *   each text, to be freed with g_free()
 * @n_total: (out): number of tokens of all
 * @cancellable: (nullable): a #GCancellable
 * @error: return location for an error, or %NULL
 *
 * Turns many texts into tokens, several at a time. Each text gives what
 * bitnet_tokenizer_encode() gives for it alone; their tokens follow each other
 * in the order of the texts, however many threads work. Time falls with the
 * number of threads as long as there are many more texts than threads and no
 * text has a large part of all the bytes.
 *
 * |[<!-- language="C" -->
 * g_autofree gsize *n_tokens = NULL;
 * gsize n_total;
 * g_autofree guint32 *tokens = bitnet_tokenizer_encode_batch (tokenizer,
 *     texts, NULL, n_texts, BITNET_ENCODE_NONE, 0, &n_tokens, &n_total, NULL,
 *     &error);
 * ]|
 *
 * Errors: as bitnet_tokenizer_encode() for the first text that has one, whose
 * number (from 0) is in the message; %G_IO_ERROR_CANCELLED, at most one text
 * of each thread later.
 *
 * Returns: (transfer full) (array length=n_total): the tokens, to be freed
 *   with g_free(), never %NULL but on error
 */
BITNET_AVAILABLE_IN_ALL
guint32 *bitnet_tokenizer_encode_batch (BitnetTokenizer *self,
    const char *const *texts, const gssize *lengths, gsize n_texts,
    BitnetEncodeFlags flags, guint n_threads, gsize **n_tokens, gsize *n_total,
    GCancellable *cancellable, GError **error);

/**
 * bitnet_tokenizer_decode:
 * @self: a tokenizer
 * @tokens: (array length=n_tokens) (nullable): tokens
 * @n_tokens: number of tokens
 * @flags: what is shown
 * @length: (out) (optional): bytes of the text, without the terminator
 * @error: return location for an error, or %NULL
 *
 * Turns tokens into text, as #BitnetDecoder does in pieces. Bytes that are
 * not UTF-8 become U+FFFD, one for every maximal invalid subsequence.
 * Decoding what bitnet_tokenizer_encode() returned gives the text back, if
 * the vocabulary has a token for each byte. WordPiece puts a space between
 * words, but not in front of punctuation as its decoder says.
 *
 * Errors: %BITNET_ERROR_INVALID_ARGUMENT if a token is out of range.
 *
 * Returns: (transfer full): UTF-8, NUL-terminated, or %NULL on error
 */
BITNET_AVAILABLE_IN_ALL
char *bitnet_tokenizer_decode (BitnetTokenizer *self, const guint32 *tokens,
    gsize n_tokens, BitnetDecodeFlags flags, gsize *length, GError **error);

/**
 * BitnetDecoder:
 *
 * Turns a stream of tokens into a stream of text. What has been returned is
 * always complete UTF-8; bytes of an unfinished character wait for the next
 * token. One stream, one decoder; not to be shared between threads.
 *
 * |[<!-- language="C" -->
 * g_autoptr (BitnetDecoder) decoder
 *     = bitnet_decoder_new (tokenizer, BITNET_DECODE_NONE);
 *
 * while (next_token (&token)) {
 *   g_autofree char *text = bitnet_decoder_push (decoder, &token, 1, NULL);
 *   g_print ("%s", text);
 * }
 * ]|
 */
#define BITNET_TYPE_DECODER (bitnet_decoder_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetDecoder, bitnet_decoder, BITNET, DECODER, GObject)

/**
 * bitnet_decoder_new:
 * @tokenizer: a tokenizer, which the decoder keeps
 * @flags: what is shown
 *
 * Returns: (transfer full): a decoder at the start of a text
 */
BITNET_AVAILABLE_IN_ALL
BitnetDecoder *bitnet_decoder_new (
    BitnetTokenizer *tokenizer, BitnetDecodeFlags flags);

/**
 * bitnet_decoder_push:
 * @self: a decoder
 * @tokens: (array length=n_tokens) (nullable): the next tokens
 * @n_tokens: number of tokens
 * @length: (out) (optional): bytes of the text, without the terminator
 *
 * Takes tokens and returns the text that is complete with them. Bytes that
 * cannot become UTF-8 come out as U+FFFD; tokens out of range as nothing.
 *
 * Returns: (transfer full): UTF-8, NUL-terminated; often empty, never %NULL
 */
BITNET_AVAILABLE_IN_ALL
char *bitnet_decoder_push (
    BitnetDecoder *self, const guint32 *tokens, gsize n_tokens, gsize *length);

/**
 * bitnet_decoder_finish:
 * @self: a decoder
 * @length: (out) (optional): bytes of the text, without the terminator
 *
 * Ends the text. A character that is not finished becomes U+FFFD. The
 * decoder is at the start of the next text then.
 *
 * Returns: (transfer full): UTF-8, NUL-terminated; mostly empty, never %NULL
 */
BITNET_AVAILABLE_IN_ALL
char *bitnet_decoder_finish (BitnetDecoder *self, gsize *length);

/**
 * bitnet_decoder_reset:
 * @self: a decoder
 *
 * Forgets the text so far and begins a new one.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_decoder_reset (BitnetDecoder *self);

G_END_DECLS
