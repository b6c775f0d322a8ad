/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loads a model, tokenizes a prompt and prints what follows as it comes.
 * usage: hello MODEL.gguf PROMPT */
#include <bitnet/bitnet.h>

static gpointer
must (gpointer value, GError **error)
{
  if (value == NULL)
    g_error ("%s", (*error)->message);
  return value;
}

int
main (int argc, char **argv)
{
  const char *path = argc > 1 ? argv[1] : "data/demo.gguf";
  const char *prompt = argc > 2 ? argv[2] : "Once upon a time";
  GError *error = NULL;
  g_autoptr (BitnetModel) model =
      must (bitnet_model_new_from_file (path, NULL, &error), &error);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) tokenizer = must (
      bitnet_resolver_resolve (resolver, model, NULL, NULL, &error), &error);
  g_autoptr (BitnetEngine) engine =
      must (bitnet_model_get_engine (model, NULL, &error), &error);
  gsize n_tokens;
  g_autofree guint32 *tokens =
      must (bitnet_tokenizer_encode (tokenizer, prompt, -1,
                BITNET_ENCODE_ADD_SPECIAL, &n_tokens, &error),
          &error);
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autoptr (BitnetDecoder) decoder =
      bitnet_decoder_new (tokenizer, BITNET_DECODE_KEEP_SPACE);
  g_autoptr (BitnetSequence) sequence = NULL;
  guint32 token;

  params->max_tokens = 64;
  if (!bitnet_engine_load (engine, NULL, NULL, NULL, &error))
    must (NULL, &error);
  sequence = must (bitnet_engine_submit (
                       engine, tokenizer, tokens, n_tokens, params, &error),
      &error);
  while (bitnet_sequence_take (sequence, &token, 1, NULL, &error) > 0) {
    g_autofree char *text = bitnet_decoder_push (decoder, &token, 1, NULL);

    g_print ("%s", text);
  }
  g_print ("\n");
  return error != NULL;
}
