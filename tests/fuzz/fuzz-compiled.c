/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compiled tables with a right digest and any content: they are refused, or
 * work without reading anything beyond them. */
#include <stdlib.h>
#include <string.h>

#include "bn-decode.h"
#include "bn-encoder.h"
#include "bn-rawbpe.h"
#include "bn-spm.h"
#include "bn-tokjson.h"
#include "fuzz.h"

enum { MIN_SIZE = 64, SIZE_OFFSET = 16, SOURCE_OFFSET = 24 };

static const char text[] = "hello world  12345\n\n<tool>\xC3\xA9 <|eot_id|>"
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";

/* The bytes as a file: size, source and digest set right. */
static GBytes *
make_file (const uint8_t *data, size_t size, const BnDigestKey *key,
    const BnDigest *source)
{
  uint8_t *copy = g_memdup2 (data, size);
  uint64_t file_size = size;
  BnDigester digester;
  BnDigest digest;

  memcpy (copy + SIZE_OFFSET, &file_size, sizeof file_size);
  memcpy (copy + SOURCE_OFFSET, source, sizeof *source);
  bn_digester_init (&digester, key);
  bn_digester_update (&digester, copy, size - sizeof digest);
  bn_digester_finish (&digester, &digest);
  memcpy (copy + size - sizeof digest, &digest, sizeof digest);
  return g_bytes_new_take (copy, size);
}

static BnVocab *
load (GBytes *bytes, const BnDigestKey *key, const BnDigest *source)
{
  const char *problem;
  BnCompiled *compiled = bn_compiled_new (bytes, key, source, &problem);

  return compiled ? bn_vocab_new_compiled (compiled) : NULL;
}

static void
count_merge (uint32_t left, uint32_t right, uint32_t merged, void *user_data)
{
  *(uint32_t *) user_data += left ^ right ^ merged;
}

static void
use_vocab (const BnVocab *vocab)
{
  g_autoptr (BnDecoder) decoder = bn_decoder_new_pieces (vocab, TRUE);
  g_autoptr (GString) out = g_string_new (NULL);
  size_t length;

  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    const uint8_t *own = bn_vocab_text (vocab, id, &length);

    bn_vocab_lookup (vocab, own, length);
    bn_decode_all (decoder, BN_DECODE_SPECIAL, &id, 1, out);
  }
  for (int byte = 0; byte < 256; byte++)
    bn_vocab_byte_token (vocab, (uint8_t) byte);
}

/* Takes encoder. */
static void
use_encoder (BnEncoder *encoder_, uint32_t n_tokens)
{
  g_autoptr (BnEncoder) encoder = encoder_;
  const BnStretch stretch = {sizeof text - 1, BN_TOKEN_NONE, TRUE};
  BnIds ids = {.n_ids = 0};

  if (!bn_encoder_encode (encoder, (const uint8_t *) text, &stretch, 1, &ids))
    abort ();
  for (size_t i = 0; i < ids.n_ids; i++) {
    if (ids.data[i] >= n_tokens)
      abort ();
  }
  g_free (ids.data);
}

/* The document without vocabulary and merges may be any, too. */
static void
use_tokjson (GBytes *bytes, const BnDigestKey *key, const BnDigest *source,
    BnFidelity fidelity)
{
  const BnStretch stretch = {sizeof text - 1, BN_TOKEN_NONE, TRUE};
  const BnInput input = {(const uint8_t *) text, &stretch, 1};
  const char *problem;
  BnCompiled *compiled = bn_compiled_new (bytes, key, source, &problem);
  g_autoptr (BnTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) decoded = g_string_new (NULL);
  BnIds ids = {.n_ids = 0};

  if (compiled == NULL)
    return;
  tokenizer = bn_tokjson_read_compiled (compiled, "fuzz", fidelity, &error);
  if (tokenizer == NULL) {
    if (error == NULL)
      abort ();
    return;
  }
  if (!bn_tokenizer_encode (tokenizer, &input, &input, TRUE, &ids))
    abort ();
  for (size_t i = 0; i < ids.n_ids; i++) {
    if (ids.data[i] >= tokenizer->vocab->n_tokens)
      abort ();
  }
  if (tokenizer->decoder)
    bn_decode_all (
        tokenizer->decoder, BN_DECODE_SPECIAL, ids.data, ids.n_ids, decoded);
  g_free (ids.data);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const uint8_t secret[BN_DIGEST_SECRET_SIZE] = {1};
  const BnDigest source = {{2}};
  BnDigestKey key;
  g_autoptr (GBytes) bytes = NULL;
  BnVocab *vocab;

  if (size < MIN_SIZE)
    return 0;
  bn_digest_key_init (&key, secret);
  bytes = make_file (data, size, &key, &source);
  use_tokjson (bytes, &key, &source, BN_FIDELITY_HUGGINGFACE);
  use_tokjson (bytes, &key, &source, BN_FIDELITY_LLAMA_CPP);
  for (int model = 0; model < 3; model++) {
    const BnPretok *pretok = bn_pretok_find ("gpt-2");
    uint32_t n_tokens, sum = 0;

    vocab = load (bytes, &key, &source);
    if (vocab == NULL)
      return 0;
    n_tokens = vocab->n_tokens;
    if (model == 0) {
      use_vocab (vocab);
      use_encoder (bn_encoder_new_spm (vocab, TRUE), n_tokens);
    } else if (model == 1) {
      BnBpe *bpe = bn_bpe_new_compiled (vocab);

      if (bpe == NULL) {
        bn_vocab_free (vocab);
        continue;
      }
      bn_bpe_foreach_merge (bpe, count_merge, &sum);
      use_encoder (bn_encoder_new_bpe (vocab, bpe, pretok->set), n_tokens);
    } else {
      BnRawBpe *bpe =
          bn_rawbpe_new_compiled (vocab, pretok->set, BN_RAWBPE_ESCAPE);

      if (bpe == NULL) {
        bn_vocab_free (vocab);
        continue;
      }
      use_encoder (bn_encoder_new_raw_bpe (vocab, bpe), n_tokens);
    }
  }
  return 0;
}
