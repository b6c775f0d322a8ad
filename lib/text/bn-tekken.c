/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads tekken.json:
 *
 *   {"config": {"pattern": "...", "default_vocab_size": 131072,
 *               "default_num_special_tokens": 1000, ...},
 *    "vocab": [{"rank": 0, "token_bytes": "AA==", ...}, ...],
 *    "special_tokens": [{"rank": 0, "token_str": "<unk>", ...}, ...]} */
#include "bn-tekken.h"

#include <string.h>

#include "bn-ranks.h"
#include "bn-tiktoken.h"

enum {
  CANCEL_INTERVAL = 4096,   /* tokens between two looks */
  MAX_TOKEN_SIZE = 1 << 16, /* bytes in base64 */
};

#define UP "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOW "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define PATTERN                                                                \
  "[^\\r\\n\\p{L}\\p{N}]?" UP "*" LOW "+|[^\\r\\n\\p{L}\\p{N}]?" UP "+" LOW    \
  "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* What files without the member "special_tokens" have. */
static const char *const default_specials[] = {"<unk>", "<s>", "</s>", "[INST]",
    "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]",
    "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"};

typedef struct {
  BnJson root, config, vocab;
  uint64_t vocab_size, n_specials;
  BnRanks ranks;
  size_t n_bytes, n_reserved;
  GArray *added; /* of BnAddedToken, by id */
} Reader;

static void
clear_added (void *data)
{
  g_free ((char *) ((BnAddedToken *) data)->text);
}

static void
reader_clear (Reader *self)
{
  bn_ranks_clear (&self->ranks);
  g_clear_pointer (&self->added, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Reader, reader_clear)

gboolean
bn_tekken_is_tekken (BnJson root)
{
  BnJson config, vocab, pattern;

  return bn_json_get_type (root) == BN_JSON_OBJECT
         && bn_json_find (root, "config", &config)
         && bn_json_get_type (config) == BN_JSON_OBJECT
         && bn_json_find (config, "pattern", &pattern)
         && bn_json_find (root, "vocab", &vocab)
         && bn_json_get_type (vocab) == BN_JSON_ARRAY;
}

static gboolean
read_config (Reader *self, GError **error)
{
  BnJson pattern;

  if (!bn_json_find (self->root, "config", &self->config)
      || !bn_json_find (self->root, "vocab", &self->vocab)
      || !bn_json_find (self->config, "pattern", &pattern))
    return bn_json_fail (
        self->root, error, "members \"config\" with \"pattern\" and \"vocab\"");
  if (!bn_json_equals (pattern, PATTERN))
    return bn_json_fail (pattern, error,
        "the expression of Tekken; others are not supported, use "
        "tokenizer.json of the model");
  if (!bn_json_read_uint (self->config, "default_vocab_size", BN_MAX_TOKENS - 1,
          &self->vocab_size, error)
      || !bn_json_read_uint (self->config, "default_num_special_tokens",
          BN_MAX_TOKENS - 1, &self->n_specials, error))
    return FALSE;
  return self->n_specials < self->vocab_size
         || bn_json_fail (self->config, error,
             "a default_vocab_size above default_num_special_tokens");
}

static void
add_special (Reader *self, const char *text)
{
  BnAddedToken token = {
      g_strdup (text), strlen (text), self->added->len, BN_ADDED_SPECIAL};

  g_array_append_val (self->added, token);
}

/* Special tokens in the order of their ids; what the file does not name has
 * names with numbers. */
static gboolean
read_specials (Reader *self, GError **error)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  BnJson list, element, member;
  BnJsonIter iter;

  self->added = g_array_new (FALSE, FALSE, sizeof (BnAddedToken));
  g_array_set_clear_func (self->added, clear_added);
  if (bn_json_find (self->root, "special_tokens", &list)) {
    if (!bn_json_expect (list, BN_JSON_ARRAY, error))
      return FALSE;
    bn_json_iter_init (&iter, list);
    while (bn_json_iter_next (&iter, NULL, &element)) {
      uint64_t rank;
      const char *text;
      size_t length;
      g_autofree char *copy = NULL;

      if (!bn_json_expect (element, BN_JSON_OBJECT, error))
        return FALSE;
      if (!bn_json_find (element, "rank", &member)
          || bn_json_get_type (member) != BN_JSON_NUMBER
          || !bn_json_get_uint (member, BN_MAX_TOKENS, &rank)
          || rank != self->added->len || rank >= self->n_specials)
        return bn_json_fail (element, error,
            "\"rank\": %u, below default_num_special_tokens", self->added->len);
      if (!bn_json_find (element, "token_str", &member)
          || bn_json_get_type (member) != BN_JSON_STRING)
        return bn_json_fail (element, error, "a string \"token_str\"");
      bn_json_get_string (member, buffer, &text, &length);
      copy = g_strndup (text, length);
      add_special (self, copy);
    }
  } else {
    for (size_t i = 0;
         i < G_N_ELEMENTS (default_specials) && i < self->n_specials; i++)
      add_special (self, default_specials[i]);
  }
  while (self->added->len < self->n_specials) {
    char name[sizeof "<SPECIAL_4294967295>"];

    g_snprintf (name, sizeof name, "<SPECIAL_%u>", self->added->len);
    add_special (self, name);
  }
  return TRUE;
}

static gboolean
read_token (Reader *self, BnJson element, uint32_t expected, GString *buffer,
    GError **error)
{
  static const char *const names[] = {"rank", "token_bytes"};
  BnJson members[G_N_ELEMENTS (names)];
  uint64_t rank;
  const char *text;
  size_t length, n_bytes;

  if (!bn_json_expect (element, BN_JSON_OBJECT, error))
    return FALSE;
  bn_json_find_all (element, names, G_N_ELEMENTS (names), members);
  if (!bn_json_is_set (members[0])
      || bn_json_get_type (members[0]) != BN_JSON_NUMBER
      || !bn_json_get_uint (members[0], BN_MAX_TOKENS, &rank)
      || rank != expected)
    return bn_json_fail (
        element, error, "\"rank\": %u, which is next", expected);
  if (!bn_json_is_set (members[1])
      || bn_json_get_type (members[1]) != BN_JSON_STRING)
    return bn_json_fail (element, error, "a string \"token_bytes\"");
  bn_json_get_string (members[1], buffer, &text, &length);
  if (length > MAX_TOKEN_SIZE)
    return bn_json_fail (
        members[1], error, "at most %d characters", MAX_TOKEN_SIZE);
  if (self->n_bytes + length > self->n_reserved) {
    self->n_reserved = (self->n_bytes + length) * 2 + 4096;
    self->ranks.bytes = g_realloc (self->ranks.bytes, self->n_reserved);
  }
  if (!bn_base64_decode (
          text, length, self->ranks.bytes + self->n_bytes, &n_bytes))
    return bn_json_fail (members[1], error, "base64 (RFC 4648)");
  self->ranks.starts[rank] = (uint32_t) self->n_bytes;
  self->ranks.lengths[rank] = (uint32_t) n_bytes;
  self->n_bytes += n_bytes;
  return TRUE;
}

/* As many ranks as the vocabulary has room for; files may list more. */
static gboolean
read_vocab (Reader *self, GCancellable *cancellable, GError **error)
{
  uint32_t wanted = (uint32_t) (self->vocab_size - self->n_specials);
  g_autoptr (GString) buffer = g_string_new (NULL);
  BnJson element;
  BnJsonIter iter;
  int missing;

  self->ranks.starts = g_new (uint32_t, wanted);
  self->ranks.lengths = g_new (uint32_t, wanted);
  bn_json_iter_init (&iter, self->vocab);
  while (self->ranks.n_ranks < wanted
         && bn_json_iter_next (&iter, NULL, &element)) {
    if ((self->ranks.n_ranks % CANCEL_INTERVAL == 0
            && g_cancellable_set_error_if_cancelled (cancellable, error))
        || !read_token (self, element, self->ranks.n_ranks, buffer, error))
      return FALSE;
    self->ranks.n_ranks++;
  }
  if (self->ranks.n_ranks < wanted)
    return bn_json_fail (self->vocab, error,
        "%u tokens, which is default_vocab_size less "
        "default_num_special_tokens; it has %u",
        wanted, self->ranks.n_ranks);
  missing = bn_ranks_find_missing_byte (&self->ranks);
  return missing < 0
         || bn_json_fail (self->vocab, error,
             "a token for each byte, 0x%02X has none", missing);
}

BnTokenizer *
bn_tekken_load (BnJson root, const BnBeside *beside, BnFidelity fidelity,
    GCancellable *cancellable, GError **error)
{
  g_auto (Reader) self = {.root = root};
  BnRanksOptions options;
  BnTokenizer *tokenizer;

  if (fidelity == BN_FIDELITY_AUTO)
    fidelity = BN_FIDELITY_HUGGINGFACE;
  if (!read_config (&self, error) || !read_specials (&self, error)
      || !read_vocab (&self, cancellable, error))
    return NULL;
  options = (BnRanksOptions){
      .set = bn_pretok_find_set (
          fidelity == BN_FIDELITY_LLAMA_CPP ? "tekken" : "tekken-hf"),
      .pre = "tekken",
      .first_id = (uint32_t) self.n_specials,
      .added = (const BnAddedToken *) (const void *) self.added->data,
      .n_added = self.added->len,
      .bos = "<s>",
      .eos = "</s>",
      .add_bos = TRUE,
  };
  tokenizer = bn_ranks_build (
      &self.ranks, &options, root.document->path, fidelity, error);
  if (tokenizer)
    bn_beside_apply (beside, tokenizer);
  return tokenizer;
}
