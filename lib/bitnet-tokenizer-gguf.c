/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the keys tokenizer.ggml.* of a GGUF file into the structures of
 * lib/text. The file is foreign: sizes are compared before use, what is wrong
 * in a small way is left out with an info message, what makes the result
 * meaningless is an error that names the key. */
#include "bitnet-tokenizer-private.h"

#include <string.h>

#include "bitnet-error.h"
#include "gguf/bn-cursor.h"
#include "gguf/bn-gguf.h"
#include "resolve/bn-check.h"
#include "text/bn-rankbpe.h"
#include "text/bn-rawbpe.h"
#include "text/bn-tokjson.h"
#include "text/bn-rwkv.h"
#include "text/bn-spmodel.h"
#include "text/bn-store.h"
#include "text/bn-wordpiece.h"

#define KEY_PREFIX "tokenizer.ggml."
#define KEY_JSON "tokenizer.huggingface.json"
#define PRE_DEFAULT "default"

enum {
  CANCEL_INTERVAL = 4096, /* tokens or merges between two looks */
  MERGE_BATCH = 256,      /* merges that are added together */
  /* Smaller vocabularies are made as fast as they are read. */
  MIN_COMPILED_TOKENS = 1 << 14,
};

/* How a value of tokenizer.ggml.model is read. The defaults are those that
 * the reference has for the model; BN_TOKEN_NONE stands for no token. */
typedef struct Family Family;

struct Family {
  const char *name;
  BnSpelling spelling;
  uint32_t bos, eos, unk;
  gboolean add_bos;
  /* Seals the vocabulary, which it takes, and sets the encoder and what
   * belongs to it. */
  gboolean (*load) (BnTokenizer *self, const BnGguf *gguf, const Family *family,
      BnVocab *vocab, GCancellable *cancellable, GError **error);
};

/* Keys of roles. Of two keys of a role the later wins. */
static const struct {
  const char *key;
  BnRole role;
} role_keys[] = {
    {KEY_PREFIX "bos_token_id", BN_ROLE_BOS},
    {KEY_PREFIX "eos_token_id", BN_ROLE_EOS},
    {KEY_PREFIX "eot_token_id", BN_ROLE_EOT},
    {KEY_PREFIX "eom_token_id", BN_ROLE_EOM},
    {KEY_PREFIX "unknown_token_id", BN_ROLE_UNK},
    {KEY_PREFIX "separator_token_id", BN_ROLE_SEP},
    {KEY_PREFIX "seperator_token_id", BN_ROLE_SEP}, /* as files spell it */
    {KEY_PREFIX "padding_token_id", BN_ROLE_PAD},
    {KEY_PREFIX "mask_token_id", BN_ROLE_MASK},
    {KEY_PREFIX "fim_pre_token_id", BN_ROLE_FIM_PRE},
    {KEY_PREFIX "fim_suf_token_id", BN_ROLE_FIM_SUF},
    {KEY_PREFIX "fim_mid_token_id", BN_ROLE_FIM_MID},
    {KEY_PREFIX "fim_pad_token_id", BN_ROLE_FIM_PAD},
    {KEY_PREFIX "fim_rep_token_id", BN_ROLE_FIM_REP},
    {KEY_PREFIX "fim_sep_token_id", BN_ROLE_FIM_SEP},
    {KEY_PREFIX "prefix_token_id", BN_ROLE_FIM_PRE},
    {KEY_PREFIX "suffix_token_id", BN_ROLE_FIM_SUF},
    {KEY_PREFIX "middle_token_id", BN_ROLE_FIM_MID},
};

static gboolean fail (GError **error, const BnGguf *gguf, const char *format,
    ...) G_GNUC_PRINTF (3, 4);
static gboolean fail_as (BitnetError code, GError **error, const BnGguf *gguf,
    const char *format, ...) G_GNUC_PRINTF (4, 5);

static void G_GNUC_PRINTF (4, 0) set_error (BitnetError code, GError **error,
    const BnGguf *gguf, const char *format, va_list args)
{
  g_autofree char *message = g_strdup_vprintf (format, args);

  g_set_error (error, BITNET_ERROR, (int) code, "%s: %s",
      bn_gguf_get_path (gguf), message);
}

/* For data that are broken. */
static gboolean
fail (GError **error, const BnGguf *gguf, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  set_error (BITNET_ERROR_TOKENIZER, error, gguf, format, args);
  va_end (args);
  return FALSE;
}

static gboolean
fail_as (BitnetError code, GError **error, const BnGguf *gguf,
    const char *format, ...)
{
  va_list args;

  va_start (args, format);
  set_error (code, error, gguf, format, args);
  va_end (args);
  return FALSE;
}

/* The array at key, with at least min_count elements. *kv is NULL if it is
 * absent. */
static gboolean
find_array (const BnGguf *gguf, const char *key, uint64_t min_count,
    gboolean wants_strings, const BnGgufKv **kv, GError **error)
{
  *kv = bn_gguf_find_kv (gguf, key);
  if (*kv == NULL)
    return TRUE;
  if ((*kv)->type != BN_GGUF_ARRAY
      || ((*kv)->element_type == BN_GGUF_STRING) != wants_strings
      || (*kv)->element_type == BN_GGUF_ARRAY)
    return fail (error, gguf,
        "%s at offset %" G_GUINT64_FORMAT
        " has value type %d (elements %d), expected an array of %s",
        key, (*kv)->offset, (*kv)->type, (*kv)->element_type,
        wants_strings ? "strings" : "numbers");
  if ((*kv)->count < min_count)
    return fail (error, gguf,
        "%s at offset %" G_GUINT64_FORMAT " has %" G_GUINT64_FORMAT
        " elements, expected %" G_GUINT64_FORMAT,
        key, (*kv)->offset, (*kv)->count, min_count);
  return TRUE;
}

static unsigned
attributes_of_type (int64_t type)
{
  static const unsigned attributes[] = {
      BN_TOKEN_NORMAL, /* undefined */
      BN_TOKEN_NORMAL,
      BN_TOKEN_UNKNOWN,
      BN_TOKEN_CONTROL,
      BN_TOKEN_USER_DEFINED,
      BN_TOKEN_UNUSED,
      BN_TOKEN_BYTE,
  };

  return type >= 0 && type < (int64_t) G_N_ELEMENTS (attributes)
             ? attributes[type]
             : BN_TOKEN_NORMAL;
}

void
bn_tokenizer_read_gguf_roles (
    const BnGguf *gguf, uint32_t n_tokens, uint32_t roles[BN_N_ROLES])
{
  for (size_t i = 0; i < G_N_ELEMENTS (role_keys); i++) {
    uint64_t id;

    if (!bn_gguf_get_uint (gguf, role_keys[i].key, &id))
      continue;
    if (id < n_tokens)
      roles[role_keys[i].role] = (uint32_t) id;
    else
      g_info ("%s: %s is %" G_GUINT64_FORMAT
              ", the vocabulary has %u tokens; ignored",
          bn_gguf_get_path (gguf), role_keys[i].key, id, n_tokens);
  }
}

static void
read_roles (const BnGguf *gguf, const Family *family, BnVocab *vocab)
{
  vocab->roles[BN_ROLE_BOS] = family->bos;
  vocab->roles[BN_ROLE_EOS] = family->eos;
  vocab->roles[BN_ROLE_UNK] = family->unk;
  for (int i = 0; i < BN_N_ROLES; i++) {
    uint32_t id = vocab->roles[i];

    /* The default of byte-level vocabularies is a piece of text in most of
     * them; it would end generations. */
    if (id != BN_TOKEN_NONE
        && (id >= vocab->n_tokens
            || (vocab->spelling == BN_SPELLING_BYTE_LEVEL
                && !(vocab->attributes[id] & BN_TOKEN_CONTROL))))
      vocab->roles[i] = BN_TOKEN_NONE;
  }

  bn_tokenizer_read_gguf_roles (gguf, vocab->n_tokens, vocab->roles);
}

/* The vocabulary, not sealed yet. */
static BnVocab *
load_vocab (const BnGguf *gguf, const Family *family, GCancellable *cancellable,
    GError **error)
{
  g_autoptr (BnVocab) vocab = NULL;
  const BnGgufKv *tokens, *types, *scores;
  BnGgufStringIter iter;
  size_t special_size = 0;

  if (!find_array (gguf, KEY_PREFIX "tokens", 1, TRUE, &tokens, error))
    return NULL;
  if (tokens == NULL) {
    fail_as (BITNET_ERROR_NO_EMBEDDED_TOKENIZER, error, gguf,
        "%stokens is missing; the file names a tokenizer but "
        "has no vocabulary",
        KEY_PREFIX);
    return NULL;
  }
  if (tokens->count > BN_MAX_TOKENS || tokens->size > BN_MAX_VOCAB_SIZE) {
    fail (error, gguf,
        "%stokens at offset %" G_GUINT64_FORMAT " has %" G_GUINT64_FORMAT
        " tokens of %" G_GUINT64_FORMAT
        " bytes, expected at most %u tokens of %u bytes",
        KEY_PREFIX, tokens->offset, tokens->count, tokens->size, BN_MAX_TOKENS,
        BN_MAX_VOCAB_SIZE);
    return NULL;
  }
  if (!find_array (
          gguf, KEY_PREFIX "token_type", tokens->count, FALSE, &types, error)
      || !find_array (
          gguf, KEY_PREFIX "scores", tokens->count, FALSE, &scores, error))
    return NULL;

  vocab = bn_vocab_new (
      (uint32_t) tokens->count, (size_t) tokens->size, family->spelling);
  bn_gguf_string_iter_init (&iter, tokens);
  for (uint64_t i = 0; i < tokens->count; i++) {
    const char *text = "";
    size_t length = 0;
    int64_t type = 0;
    double score = 0;

    if (i % CANCEL_INTERVAL == 0
        && g_cancellable_set_error_if_cancelled (cancellable, error))
      return NULL;
    bn_gguf_string_iter_next (&iter, &text, &length);
    if (types)
      bn_gguf_kv_get_int (types, i, &type);
    if (scores)
      bn_gguf_kv_get_double (scores, i, &score);
    if (attributes_of_type (type) & BN_TOKEN_SPECIAL)
      special_size += length;
    if (special_size > BN_VOCAB_MAX_SPECIAL_SIZE) {
      fail (error, gguf,
          "%stokens has more than %d bytes of special tokens up to token "
          "%" G_GUINT64_FORMAT ", expected less",
          KEY_PREFIX, BN_VOCAB_MAX_SPECIAL_SIZE, i);
      return NULL;
    }
    if (!bn_vocab_add (
            vocab, text, length, attributes_of_type (type), (float) score)) {
      fail (error, gguf, "%stokens has more than 4 GiB of text", KEY_PREFIX);
      return NULL;
    }
  }
  read_roles (gguf, family, vocab);
  return g_steal_pointer (&vocab);
}

static void
set_strip (BnVocab *vocab, const char *text, unsigned attribute, gboolean on)
{
  uint32_t id = bn_vocab_lookup (vocab, text, strlen (text));

  if (id == BN_TOKEN_NONE)
    return;
  if (on)
    vocab->attributes[id] |= (uint16_t) attribute;
  else
    vocab->attributes[id] &= (uint16_t) ~attribute;
}

/* Special tokens that take the white space beside them. The format has no
 * place for that, so it follows from names, as in the reference. */
static void
assign_strip (const BnGguf *gguf, BnVocab *vocab, const char *pre)
{
  g_autofree char *architecture =
      bn_gguf_dup_string (gguf, "general.architecture");
  g_autofree char *name = bn_gguf_dup_string (gguf, "general.name");
  g_autofree char *lower = g_ascii_strdown (name ? name : "", -1);
  const char *arch = architecture ? architecture : "";

  if (vocab->compiled) /* with what was assigned when it was made */
    return;
  if (strstr (pre, "jina-v2-de") || strstr (pre, "jina-v2-es")
      || strstr (pre, "jina-v2-code") || strstr (arch, "nomic-bert-moe")
      || strstr (arch, "jina-bert-v3")) {
    set_strip (vocab, "<mask>", BN_TOKEN_LSTRIP, TRUE);
  } else if (strstr (lower, "phi-3") || strstr (lower, "phi3")) {
    for (uint32_t id = 0; id < vocab->n_tokens; id++) {
      if (vocab->attributes[id] & BN_TOKEN_SPECIAL)
        vocab->attributes[id] |= BN_TOKEN_RSTRIP;
    }
    set_strip (vocab, "</s>", BN_TOKEN_RSTRIP, TRUE);
    set_strip (vocab, "<unk>", BN_TOKEN_RSTRIP, FALSE);
    set_strip (vocab, "<s>", BN_TOKEN_RSTRIP, FALSE);
    set_strip (vocab, "<|endoftext|>", BN_TOKEN_RSTRIP, FALSE);
  } else if (strstr (lower, "modern-bert")) {
    set_strip (vocab, "[MASK]", BN_TOKEN_LSTRIP, TRUE);
  }
}

/* The list of merges; *merges is NULL with an error if there is none. */
static gboolean
find_merges (const BnGguf *gguf, const BnGgufKv **merges, GError **error)
{
  if (!find_array (gguf, KEY_PREFIX "merges", 0, TRUE, merges, error))
    return FALSE;
  if (*merges == NULL)
    return fail (error, gguf,
        KEY_PREFIX "merges is missing; a vocabulary of BPE cannot encode "
                   "without it, convert the model again");
  if ((*merges)->count > BN_MAX_MERGES)
    return fail (error, gguf,
        KEY_PREFIX "merges at offset %" G_GUINT64_FORMAT
                   " has %" G_GUINT64_FORMAT " elements, expected at most %u",
        (*merges)->offset, (*merges)->count, BN_MAX_MERGES);
  return TRUE;
}

typedef void (*AddMergesFn) (void *bpe, BnMerge *merges, size_t n);

static gboolean
add_merges (const BnGguf *gguf, const BnGgufKv *kv, AddMergesFn add, void *bpe,
    GCancellable *cancellable, GError **error)
{
  uint64_t n_unusable = 0;
  BnGgufStringIter iter;

  bn_gguf_string_iter_init (&iter, kv);
  for (uint64_t first = 0; first < kv->count; first += MERGE_BATCH) {
    BnMerge merges[MERGE_BATCH];
    size_t n = (size_t) MIN (kv->count - first, MERGE_BATCH);

    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    for (size_t i = 0; i < n; i++) {
      merges[i] = (BnMerge){"", 0, BN_TOKEN_NONE};
      bn_gguf_string_iter_next (&iter, &merges[i].text, &merges[i].length);
    }
    add (bpe, merges, n);
    for (size_t i = 0; i < n; i++)
      n_unusable += merges[i].merged == BN_TOKEN_NONE;
  }
  if (n_unusable > 0)
    g_info ("%s: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
            " merges name tokens that do not exist or appear twice; ignored",
        bn_gguf_get_path (gguf), n_unusable, kv->count);
  return TRUE;
}

static void
add_byte_merges (void *bpe, BnMerge *merges, size_t n)
{
  bn_bpe_add_merges (bpe, merges, n);
}

static void
compile_byte_bpe (const void *bpe, BnCompiledWriter *writer)
{
  bn_bpe_compile (bpe, writer);
}

static void
add_raw_merges (void *bpe, BnMerge *merges, size_t n)
{
  bn_rawbpe_add_merges (bpe, merges, n);
}

static void
compile_raw_bpe (const void *bpe, BnCompiledWriter *writer)
{
  bn_rawbpe_compile (bpe, writer);
}

/* Some files of Kimi have no merges: there the ids are the ranks. */
static gboolean
has_ranks (const BnGguf *gguf, const BnPretok *pretok)
{
  return strcmp (pretok->name, "kimi-k2") == 0
         && bn_gguf_find_kv (gguf, KEY_PREFIX "merges") == NULL;
}

static BnEncoder *
load_rank_bpe (const BnPretokSet *set, BnVocab **vocab)
{
  BnRankBpe *bpe = bn_rankbpe_new (*vocab, set);

  return bn_encoder_new_rank_bpe (g_steal_pointer (vocab), bpe);
}

/* Words are rows of bytes, spelled in characters of the GPT-2 table. */
static BnEncoder *
load_byte_bpe (BnTokenizer *self, const BnGguf *gguf, const BnPretok *pretok,
    const BnPretokSet *set, BnVocab **vocab, GCancellable *cancellable,
    GError **error)
{
  g_autoptr (BnBpe) bpe = bn_bpe_new_compiled (*vocab);
  const BnGgufKv *merges;

  if (bpe == NULL) {
    if (!find_merges (gguf, &merges, error))
      return NULL;
    bpe = bn_bpe_new (*vocab, (size_t) merges->count);
    if (!add_merges (gguf, merges, add_byte_merges, bpe, cancellable, error))
      return NULL;
    self->compile = compile_byte_bpe;
    self->model = bpe;
  }
  if (pretok->flags & BN_PRETOK_IGNORE_MERGES)
    bn_bpe_ignore_merges (bpe);
  self->bpe = bpe;
  return bn_encoder_new_bpe (
      g_steal_pointer (vocab), g_steal_pointer (&bpe), set);
}

/* Words are rows of characters. */
static BnEncoder *
load_raw_bpe (BnTokenizer *self, const BnGguf *gguf, const BnPretok *pretok,
    const BnPretokSet *set, gboolean drops_spaces, BnVocab **vocab,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (BnRawBpe) bpe = NULL;
  const BnGgufKv *merges;
  unsigned flags = 0;

  if (pretok->flags & BN_PRETOK_ESCAPE)
    flags |= BN_RAWBPE_ESCAPE;
  if (pretok->flags & BN_PRETOK_FORCE_BOS)
    flags |= BN_RAWBPE_WHOLE_NEWLINES;
  if (drops_spaces)
    flags |= BN_RAWBPE_DROP_SPACES;
  bpe = bn_rawbpe_new_compiled (*vocab, set, flags);
  if (bpe == NULL) {
    if (!find_merges (gguf, &merges, error))
      return NULL;
    bpe = bn_rawbpe_new (*vocab, (size_t) merges->count, set, flags);
    if (!add_merges (gguf, merges, add_raw_merges, bpe, cancellable, error))
      return NULL;
    self->compile = compile_raw_bpe;
    self->model = bpe;
  }
  self->raw_bpe = bpe;
  return bn_encoder_new_raw_bpe (
      g_steal_pointer (vocab), g_steal_pointer (&bpe));
}

/* Special tokens as Hugging Face finds them: from left to right, the longest
 * of those that begin in one place. */
static void
find_leftmost (BnTokenizer *self)
{
  const BnVocab *vocab = self->vocab;
  g_autoptr (GArray) added = g_array_new (FALSE, FALSE, sizeof (BnAddedToken));

  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    unsigned attributes = vocab->attributes[id];
    BnAddedToken token = {.id = id};

    if (!(attributes
            & (BN_TOKEN_CONTROL | BN_TOKEN_UNKNOWN | BN_TOKEN_USER_DEFINED)))
      continue;
    token.text = (const char *) bn_vocab_text (vocab, id, &token.length);
    if (attributes & (BN_TOKEN_CONTROL | BN_TOKEN_UNKNOWN))
      token.flags |= BN_ADDED_SPECIAL;
    if (attributes & BN_TOKEN_LSTRIP)
      token.flags |= BN_ADDED_LSTRIP;
    if (attributes & BN_TOKEN_RSTRIP)
      token.flags |= BN_ADDED_RSTRIP;
    g_array_append_val (added, token);
  }
  if (added->len > 0)
    bn_encoder_set_added (self->encoder,
        bn_added_new (
            (const BnAddedToken *) (const void *) added->data, added->len),
        NULL);
}

static gboolean
load_bpe (BnTokenizer *self, const BnGguf *gguf, const Family *family,
    BnVocab *vocab_, GCancellable *cancellable, GError **error)
{
  g_autoptr (BnVocab) vocab = vocab_;
  gboolean drops_spaces = strcmp (family->name, "whitespace") == 0;
  const BnPretok *pretok = bn_pretok_find (self->pre);
  gboolean as_hf = self->fidelity == BN_FIDELITY_HUGGINGFACE;
  gboolean normalizes;
  const BnPretokSet *set;

  set = as_hf && pretok->set_hf ? pretok->set_hf : pretok->set;
  normalizes = as_hf && (pretok->flags & BN_PRETOK_NFC);
  bn_gguf_get_bool (gguf, KEY_PREFIX "normalizer.nfc", &normalizes);
  if (pretok->flags & BN_PRETOK_NO_BOS)
    vocab->roles[BN_ROLE_BOS] = BN_TOKEN_NONE;
  if (pretok->flags & BN_PRETOK_RAW)
    vocab->spelling = BN_SPELLING_METASPACE;
  bn_vocab_seal (vocab);
  assign_strip (gguf, vocab, pretok->name);

  self->set = set;
  self->add_bos =
      (pretok->flags & (BN_PRETOK_ADD_BOS | BN_PRETOK_FORCE_BOS)) != 0;
  self->add_sep = (pretok->flags & BN_PRETOK_ADD_SEP) != 0;
  self->clean_spaces = (pretok->flags & BN_PRETOK_CLEAN_SPACES) != 0;
  self->vocab = vocab;
  self->encoder =
      pretok->flags & BN_PRETOK_RAW ? load_raw_bpe (
          self, gguf, pretok, set, drops_spaces, &vocab, cancellable, error)
      : has_ranks (gguf, pretok)
          ? load_rank_bpe (set, &vocab)
          : load_byte_bpe (self, gguf, pretok, set, &vocab, cancellable, error);
  if (self->encoder == NULL)
    return FALSE;
  if (normalizes)
    bn_encoder_set_nfc (self->encoder);
  if (as_hf)
    find_leftmost (self);
  self->identity = g_strdup_printf ("cut by %s%s%s", set->name,
      normalizes ? ", normalized" : "", as_hf ? ", leftmost" : "");
  return TRUE;
}

static gboolean
load_spm (BnTokenizer *self, const BnGguf *gguf, const Family *family,
    BnVocab *vocab, GCancellable *cancellable, GError **error)
{
  g_autofree char *pre = bn_gguf_dup_string (gguf, KEY_PREFIX "pre");

  bn_vocab_seal (vocab);
  assign_strip (gguf, vocab, pre ? pre : PRE_DEFAULT);
  self->add_space_prefix = TRUE;
  bn_gguf_get_bool (
      gguf, KEY_PREFIX "add_space_prefix", &self->add_space_prefix);
  self->vocab = vocab;
  self->encoder = bn_encoder_new_spm (vocab, self->add_space_prefix);
  return TRUE;
}

static void
set_default_role (BnVocab *vocab, BnRole role, uint32_t id)
{
  if (vocab->roles[role] == BN_TOKEN_NONE && id < vocab->n_tokens)
    vocab->roles[role] = id;
}

/* BOS and SEP stand around every text, whatever the file says. */
static void
set_bert_layouts (BnTokenizer *self)
{
  const uint32_t *roles = self->vocab->roles;
  uint32_t items[5];
  size_t n = 0, n_single;

  if (roles[BN_ROLE_BOS] != BN_TOKEN_NONE)
    items[n++] = roles[BN_ROLE_BOS];
  items[n++] = BN_LAYOUT_A;
  if (roles[BN_ROLE_SEP] != BN_TOKEN_NONE)
    items[n++] = roles[BN_ROLE_SEP];
  n_single = n;
  items[n++] = BN_LAYOUT_B;
  if (roles[BN_ROLE_SEP] != BN_TOKEN_NONE)
    items[n++] = roles[BN_ROLE_SEP];
  self->single =
      (BnLayout){g_memdup2 (items, n_single * sizeof *items), n_single};
  self->pair = (BnLayout){g_memdup2 (items, n * sizeof *items), n};
}

static gboolean
load_wordpiece (BnTokenizer *self, const BnGguf *gguf, const Family *family,
    BnVocab *vocab, GCancellable *cancellable, GError **error)
{
  static const char metaspace[] = "\xE2\x96\x81";
  gboolean is_llama_cpp = self->fidelity == BN_FIDELITY_LLAMA_CPP;
  BnBertOptions bert = {
      .clean_text = TRUE,
      .split_chinese = TRUE,
      .lowercase = TRUE,
      .is_llama_cpp = is_llama_cpp,
  };
  BnWordPieceOptions options = {
      .start = metaspace,
      .start_length = strlen (metaspace),
      .continuation = "",
      .max_characters =
          is_llama_cpp ? BN_WORDPIECE_NO_LIMIT : BN_WORDPIECE_MAX_CHARACTERS,
      .has_empty_start = is_llama_cpp,
      .bert = &bert,
  };

  bn_gguf_get_bool (gguf, KEY_PREFIX "normalizer.lowercase", &bert.lowercase);
  bert.strip_accents = bert.lowercase;
  bn_gguf_get_bool (
      gguf, KEY_PREFIX "normalizer.strip_accents", &bert.strip_accents);

  set_default_role (vocab, BN_ROLE_SEP, 102);
  set_default_role (vocab, BN_ROLE_PAD, 0);
  set_default_role (vocab, BN_ROLE_MASK, 103);
  bn_vocab_seal (vocab);
  assign_strip (gguf, vocab, PRE_DEFAULT);
  self->add_sep = TRUE;
  self->clean_spaces = TRUE;
  self->vocab = vocab;
  options.unknown = vocab->roles[BN_ROLE_UNK];
  self->encoder = bn_encoder_new_wordpiece (vocab, &options);
  if (self->encoder == NULL)
    return fail (error, gguf, "no memory for the tables of WordPiece");
  self->decoder = bn_decoder_new_word_piece (vocab, NULL, TRUE);
  set_bert_layouts (self);
  return TRUE;
}

/* The table of characters of a Unigram model; *charsmap is NULL if it has
 * none. */
static gboolean
load_charsmap (const BnGguf *gguf, BnCharsmap **charsmap, GError **error)
{
  const char *key = KEY_PREFIX "precompiled_charsmap";
  const BnGgufKv *kv;

  *charsmap = NULL;
  if (!find_array (gguf, key, 0, FALSE, &kv, error))
    return FALSE;
  if (kv == NULL)
    return TRUE;
  if (kv->element_type != BN_GGUF_I8 && kv->element_type != BN_GGUF_U8)
    return fail (error, gguf,
        "%s at offset %" G_GUINT64_FORMAT
        " has elements of type %d, expected bytes (%d or %d)",
        key, kv->offset, kv->element_type, BN_GGUF_U8, BN_GGUF_I8);
  *charsmap = bn_charsmap_new (kv->data, (size_t) kv->count, error);
  if (*charsmap == NULL)
    g_prefix_error (error, "%s: %s at offset %" G_GUINT64_FORMAT ": ",
        bn_gguf_get_path (gguf), key, kv->offset);
  return *charsmap != NULL;
}

static gboolean
load_ugm (BnTokenizer *self, const BnGguf *gguf, const Family *family,
    BnVocab *vocab_, GCancellable *cancellable, GError **error)
{
  g_autofree char *pre = bn_gguf_dup_string (gguf, KEY_PREFIX "pre");
  g_autoptr (BnVocab) vocab = vocab_;
  gboolean is_llama_cpp = self->fidelity == BN_FIDELITY_LLAMA_CPP;
  BnSpModelOptions options = {.is_unigram = TRUE,
      .is_llama_cpp = is_llama_cpp,
      .normalizer = {.is_llama_cpp = is_llama_cpp, .escape = TRUE}};
  BnCharsmap *charsmap;
  const BnGgufKv *kv;

  if (!load_charsmap (gguf, &charsmap, error))
    return FALSE;
  set_default_role (vocab, BN_ROLE_PAD, 0);
  bn_vocab_seal (vocab);
  assign_strip (gguf, vocab, pre ? pre : PRE_DEFAULT);
  bn_gguf_get_bool (
      gguf, KEY_PREFIX "add_space_prefix", &options.normalizer.add_prefix);
  bn_gguf_get_bool (gguf, KEY_PREFIX "remove_extra_whitespaces",
      &options.normalizer.remove_extra);
  self->add_space_prefix = options.normalizer.add_prefix;
  self->add_eos = TRUE;
  kv = bn_gguf_find_kv (gguf, KEY_PREFIX "precompiled_charsmap");
  self->identity = bn_spmodel_identity (
      &options, kv ? kv->data : NULL, kv ? (size_t) kv->count : 0, NULL, 0);
  self->vocab = vocab;
  self->encoder = bn_encoder_new_spmodel (
      g_steal_pointer (&vocab), &options, charsmap, error);
  if (self->encoder == NULL)
    g_prefix_error (error, "%s: ", bn_gguf_get_path (gguf));
  return self->encoder != NULL;
}

static gboolean
load_rwkv (BnTokenizer *self, const BnGguf *gguf, const Family *family,
    BnVocab *vocab, GCancellable *cancellable, GError **error)
{
  bn_vocab_seal (vocab);
  assign_strip (gguf, vocab, PRE_DEFAULT);
  self->vocab = vocab;
  self->encoder = bn_encoder_new_rwkv (vocab);
  return self->encoder != NULL
         || fail (error, gguf, "no memory for the tables of RWKV");
}

static const Family families[] = {
    {"bert", BN_SPELLING_METASPACE, 101, BN_TOKEN_NONE, 100, TRUE,
        load_wordpiece},
    {"rwkv", BN_SPELLING_ESCAPED, BN_TOKEN_NONE, BN_TOKEN_NONE, BN_TOKEN_NONE,
        FALSE, load_rwkv},
    {"llama", BN_SPELLING_METASPACE, 1, 2, 0, TRUE, load_spm},
    {"gpt2", BN_SPELLING_BYTE_LEVEL, 11, 11, BN_TOKEN_NONE, FALSE, load_bpe},
    {"whitespace", BN_SPELLING_BYTE_LEVEL, 11, 11, BN_TOKEN_NONE, FALSE,
        load_bpe},
    {"gemma4", BN_SPELLING_METASPACE, BN_TOKEN_NONE, BN_TOKEN_NONE,
        BN_TOKEN_NONE, TRUE, load_bpe},
    {"t5", BN_SPELLING_METASPACE, BN_TOKEN_NONE, 1, 2, FALSE, load_ugm},
};

static const Family *
find_family (const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS (families); i++) {
    if (strcmp (families[i].name, name) == 0)
      return &families[i];
  }
  return NULL;
}

static gboolean
fail_model (const BnGguf *gguf, const char *model, GError **error)
{
  g_autofree char *shown = NULL;
  g_autoptr (GString) expected = NULL;

  if (model == NULL)
    return fail_as (BITNET_ERROR_NO_EMBEDDED_TOKENIZER, error, gguf,
        KEY_PREFIX "model is missing; the file has no tokenizer, give one "
                   "from another source");
  if (strcmp (model, "none") == 0 || strcmp (model, "no_vocab") == 0)
    return fail_as (BITNET_ERROR_NO_EMBEDDED_TOKENIZER, error, gguf,
        KEY_PREFIX "model is \"%s\": the file has no tokenizer, give one from "
                   "another source",
        model);
  shown = bn_printable (model, strlen (model));
  expected = g_string_new (NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (families); i++)
    g_string_append_printf (
        expected, "%s\"%s\"", i > 0 ? ", " : "", families[i].name);
  return fail_as (BITNET_ERROR_UNSUPPORTED_TOKENIZER, error, gguf,
      "tokenizer model \"%s\" (" KEY_PREFIX "model) is not supported, "
      "expected %s; give a tokenizer from another source",
      shown, expected->str);
}

/* Whether BOS is added even if the file says that it is not. */
static gboolean
forces_bos (const BnTokenizer *self)
{
  const BnPretok *pretok = bn_pretok_find (self->pre);

  return pretok && (pretok->flags & BN_PRETOK_FORCE_BOS);
}

/* What llama.cpp measures itself by for BERT is Hugging Face; where it differs
 * (Hangul becomes its first letters, words have no greatest length), it is not
 * meant. */
static BnFidelity
get_fidelity (const Family *family)
{
  return family->load == load_wordpiece ? BN_FIDELITY_HUGGINGFACE
                                        : BN_FIDELITY_LLAMA_CPP;
}

/* Whether the store has a note of the files that gguf was read from, for this
 * pre-tokenizer. */
static gboolean
recall_source (const BnGguf *gguf, const char *pre, BnStore *store)
{
  g_autoptr (GByteArray) identity = g_byte_array_new ();
  int64_t changed_ns = 0;

  for (uint32_t file = 0; file < bn_gguf_get_n_files (gguf); file++) {
    const BnFileId *id = bn_gguf_get_file_id (gguf, file);

    if (id->size == 0) /* of bytes in memory */
      return FALSE;
    changed_ns = MAX (changed_ns, id->mtime_ns);
    g_byte_array_append (identity, (const guint8 *) id, sizeof *id);
  }
  g_byte_array_append (identity, (const guint8 *) pre, (guint) strlen (pre));
  return bn_store_recall (store, identity->data, identity->len, changed_ns);
}

/* The folder of compiled tables, with the digest of all that decides about
 * them; NULL where they would not pay. */
static BnStore *
open_store (const BnGguf *gguf, const Family *family, const char *pre)
{
  const BnGgufKv *tokens = bn_gguf_find_kv (gguf, KEY_PREFIX "tokens");
  g_autoptr (BnStore) store = NULL;
  BnDigester *digester;

  if (tokens == NULL || tokens->count < MIN_COMPILED_TOKENS
      || (family->load != load_bpe && family->load != load_spm))
    return NULL;
  store = bn_store_open ();
  if (store == NULL)
    return NULL;
  if (recall_source (gguf, pre, store))
    return g_steal_pointer (&store);
  digester = bn_store_begin_source (store);
  /* It may follow from more than the file says. */
  bn_digester_add_string (digester, pre);
  for (size_t i = 0; i < bn_gguf_get_n_kvs (gguf); i++) {
    const BnGgufKv *kv = bn_gguf_get_kv (gguf, i);
    const uint64_t numbers[] = {(uint64_t) kv->type,
        (uint64_t) kv->element_type, kv->count, kv->size, kv->length_size};

    if (!g_str_has_prefix (kv->key, "tokenizer.")
        && strcmp (kv->key, "general.architecture") != 0
        && strcmp (kv->key, "general.name") != 0)
      continue;
    bn_digester_add_string (digester, kv->key);
    bn_digester_update (digester, numbers, sizeof numbers);
    bn_digester_update (digester, kv->data, (size_t) kv->size);
  }
  bn_store_end_source (store);
  return g_steal_pointer (&store);
}

static BnVocab *
load_compiled (const BnGguf *gguf, BnStore *store)
{
  BnCompiled *compiled = bn_store_load (store);
  BnVocab *vocab = compiled ? bn_vocab_new_compiled (compiled) : NULL;

  if (compiled && vocab == NULL)
    g_info ("%s: its compiled tables make no sense; made again",
        bn_gguf_get_path (gguf));
  return vocab;
}

static void
save_compiled (const BnTokenizer *self, BnStore *store)
{
  g_autoptr (BnCompiledWriter) writer = bn_compiled_writer_new ();

  bn_vocab_compile (self->vocab, writer);
  if (self->compile)
    self->compile (self->model, writer);
  bn_store_save (store, writer);
}

/* Whether a tokenizer has the tokens of the model's own list, if there is
 * one. */
static gboolean
has_own_tokens (
    const BnTokenizer *tokenizer, const BnGguf *gguf, const char *source)
{
  g_auto (BnValidation)
      validation = {.warnings = g_ptr_array_new_with_free_func (g_free)};
  g_autofree char *kind = bn_gguf_dup_string (gguf, KEY_PREFIX "model");
  g_autofree char *pre = bn_gguf_dup_string (gguf, KEY_PREFIX "pre");
  const BnCheck check = {.inner = tokenizer,
      .gguf = gguf,
      .kind = kind,
      .pre = pre,
      .validation = &validation};
  g_autoptr (GError) error = NULL;

  if (bn_check_pieces (&check, &error))
    return TRUE;
  g_info ("%s: %s; the other keys are read", source, error->message);
  return FALSE;
}

/* The tokenizer.json that a file may carry. It says more than the other keys,
 * but llama.cpp does not read it. NULL if there is none that fits. */
static BnTokenizer *
load_embedded (
    const BnGguf *gguf, BnFidelity fidelity, GCancellable *cancellable)
{
  const BnGgufKv *kv = bn_gguf_find_kv (gguf, KEY_JSON);
  const BnGgufKv *tokens = bn_gguf_find_kv (gguf, KEY_PREFIX "tokens");
  g_autofree char *path =
      g_strdup_printf ("%s: " KEY_JSON, bn_gguf_get_path (gguf));
  g_autoptr (BnTokenizer) self = NULL;
  g_autoptr (GError) error = NULL;
  BnJsonDocument document = {.path = path};
  BnJson root;

  if (kv == NULL || fidelity == BN_FIDELITY_LLAMA_CPP
      || !bn_gguf_kv_get_string (kv, 0, &document.text, &document.size))
    return NULL;
  if (bn_json_open (&document, &root, &error))
    self = bn_tokjson_read (root, fidelity, cancellable, &error);
  if (self == NULL) {
    g_info ("%s; the other keys are read", error->message);
    return NULL;
  }
  if (tokens && self->vocab->n_tokens > tokens->count) {
    g_info ("%s has %u tokens, the model %" G_GUINT64_FORMAT
            "; the other keys are read",
        path, self->vocab->n_tokens, tokens->count);
    return NULL;
  }
  if (!has_own_tokens (self, gguf, path))
    return NULL;
  self->chat_template = bn_gguf_dup_string (gguf, "tokenizer.chat_template");
  return g_steal_pointer (&self);
}

/* The name of what cuts text, "default" where nothing does. */
static const char *
choose_pre (const BnGguf *gguf, const Family *family,
    BnGgufTokenizerFlags flags, gboolean *is_default, GError **error)
{
  const BnPretok *pretok;

  if (family->load != load_bpe)
    return PRE_DEFAULT;
  if (strcmp (family->name, "gemma4") == 0)
    return family->name;
  pretok = bn_pre_find (gguf, flags, is_default, error);
  return pretok ? pretok->name : NULL;
}

BnTokenizer *
bn_tokenizer_new_from_gguf (const BnGguf *gguf, BnFidelity fidelity,
    BnGgufTokenizerFlags flags, gboolean *used_default_pre,
    GCancellable *cancellable, GError **error)
{
  g_autofree char *model = bn_gguf_dup_string (gguf, KEY_PREFIX "model");
  const Family *family = model ? find_family (model) : NULL;
  g_autoptr (BnTokenizer) self = NULL;
  g_autoptr (BnStore) store = NULL;
  gboolean is_default = FALSE;
  BnVocab *vocab = NULL;
  const char *pre;

  if (used_default_pre)
    *used_default_pre = FALSE;
  self = load_embedded (gguf, fidelity, cancellable);
  if (self)
    return g_steal_pointer (&self);
  if (family == NULL) {
    fail_model (gguf, model, error);
    return NULL;
  }
  pre = choose_pre (gguf, family, flags, &is_default, error);
  if (pre == NULL)
    return NULL;
  store = open_store (gguf, family, pre);
  if (store)
    vocab = load_compiled (gguf, store);
  if (vocab == NULL)
    vocab = load_vocab (gguf, family, cancellable, error);
  if (vocab == NULL)
    return NULL;

  self = g_new0 (BnTokenizer, 1);
  self->fidelity =
      fidelity == BN_FIDELITY_AUTO ? get_fidelity (family) : fidelity;
  self->pre = g_strdup (pre);
  self->add_bos = family->add_bos;
  if (!family->load (self, gguf, family, vocab, cancellable, error))
    return NULL;
  if (used_default_pre)
    *used_default_pre = is_default;

  if (store && (self->vocab->compiled == NULL || self->compile))
    save_compiled (self, store);

  if (self->vocab->n_duplicates > 0)
    g_info ("%s: %u tokens have the text of another; the lowest id counts",
        bn_gguf_get_path (gguf), self->vocab->n_duplicates);
  self->chat_template = bn_gguf_dup_string (gguf, "tokenizer.chat_template");
  bn_gguf_get_bool (gguf, KEY_PREFIX "add_bos_token", &self->add_bos);
  if (forces_bos (self))
    self->add_bos = TRUE;
  bn_gguf_get_bool (gguf, KEY_PREFIX "add_eos_token", &self->add_eos);
  bn_gguf_get_bool (gguf, KEY_PREFIX "add_sep_token", &self->add_sep);
  /* A token that does not exist cannot be added. */
  self->add_bos =
      self->add_bos && self->vocab->roles[BN_ROLE_BOS] != BN_TOKEN_NONE;
  self->add_eos =
      self->add_eos && self->vocab->roles[BN_ROLE_EOS] != BN_TOKEN_NONE;
  self->add_sep =
      self->add_sep && self->vocab->roles[BN_ROLE_SEP] != BN_TOKEN_NONE;
  return g_steal_pointer (&self);
}
