/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two files hold what tokenizer.json has as its model, so they are made
 * one and read as such:
 *
 *   {"version":"1.0","added_tokens":[...],"pre_tokenizer":{"ByteLevel"},
 *    "model":{"type":"BPE","vocab": vocab.json,"merges":[ merges.txt ]}, ...}
 *
 * Both are checked before, so that errors name the file and the place in it. */
#include "bn-vocabjson.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-tokjson-vocab.h"
#include "bn-tokjson.h"

#define VERSION "#version"

enum { MAX_SHOWN = 40 /* bytes of a line in a message */ };

/* What the class of a tokenizer decides. */
typedef struct {
  const char *name; /* how the name of the class begins */
  const char *normalizer, *pre_tokenizer, *decoder;
  const char *suffix;    /* of the last piece of a word */
  const char *bos, *eos; /* unless a file says otherwise */
  gboolean surrounds;    /* texts with both */
} Class;

#define BYTE_LEVEL                                                             \
  "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,\"trim_offsets\":true,"     \
  "\"use_regex\":true}"
#define BYTE_LEVEL_ONLY                                                        \
  "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,\"trim_offsets\":false,"    \
  "\"use_regex\":false}"
#define SPLIT(regex, behavior, invert)                                         \
  "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex                        \
  "\"},\"behavior\":\"" behavior "\",\"invert\":" invert "}"
#define SEQUENCE(first, second)                                                \
  "{\"type\":\"Sequence\",\"pretokenizers\":[" first "," second "]}"
#define QWEN2                                                                  \
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|"      \
  "\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|"     \
  "\\\\s+(?!\\\\S)|\\\\s+"
#define CLIP                                                                   \
  "'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+"
#define CLIP_NORMALIZER                                                        \
  "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":"      \
  "\"Replace\",\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":\" \"},"         \
  "{\"type\":\"Lowercase\"}]}"
#define DECODER                                                                \
  "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"   \
  "\"use_regex\":true}"

static const Class classes[] = {
    {"Roberta", "null", BYTE_LEVEL, DECODER, "", "<s>", "</s>", TRUE},
    {"XLMRoberta", "null", BYTE_LEVEL, DECODER, "", "<s>", "</s>", TRUE},
    {"Bart", "null", BYTE_LEVEL, DECODER, "", "<s>", "</s>", TRUE},
    {"Longformer", "null", BYTE_LEVEL, DECODER, "", "<s>", "</s>", TRUE},
    {"LED", "null", BYTE_LEVEL, DECODER, "", "<s>", "</s>", TRUE},
    {"Qwen2", "{\"type\":\"NFC\"}",
        SEQUENCE (SPLIT (QWEN2, "Isolated", "false"), BYTE_LEVEL_ONLY), DECODER,
        "", NULL, "<|endoftext|>", FALSE},
    {"CLIP", CLIP_NORMALIZER,
        SEQUENCE (SPLIT (CLIP, "Removed", "true"), BYTE_LEVEL_ONLY), DECODER,
        "</w>", "<|startoftext|>", "<|endoftext|>", TRUE},
    {"", "null", BYTE_LEVEL, DECODER, "", "<|endoftext|>", "<|endoftext|>",
        FALSE}, /* GPT-2 and all others */
};

static const Class *
find_class (const BnBeside *beside)
{
  const Class *class = classes;

  while (!g_str_has_prefix (
      beside->tokenizer_class ? beside->tokenizer_class : "", class->name))
    class ++;
  return class;
}

static void
append_string (GString *json, const char *text, size_t length)
{
  g_string_append_c (json, '"');
  for (size_t i = 0; i < length; i++) {
    uint8_t byte = (uint8_t) text[i];

    if (byte == '"' || byte == '\\')
      g_string_append_printf (json, "\\%c", byte);
    else if (byte < 0x20)
      g_string_append_printf (json, "\\u%04x", byte);
    else
      g_string_append_c (json, (char) byte);
  }
  g_string_append_c (json, '"');
}

static gboolean
fail_line (const BnFile *file, size_t number, const char *line, size_t length,
    GError **error)
{
  g_autofree char *valid =
      g_utf8_make_valid (line, (gssize) MIN (length, MAX_SHOWN));
  g_autofree char *shown = g_strescape (valid, NULL);

  g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
      "%s: line %" G_GSIZE_FORMAT ": found \"%s\", expected two tokens with a "
      "space between",
      file->path, number, shown);
  return FALSE;
}

/* Appends the merges as pairs. Only lines of a version are none; a line may
 * well begin with "#", and empty ones are left out at the end. */
static gboolean
append_merges (GString *json, const BnFile *file, GError **error)
{
  const char *end = file->text + file->size;
  size_t number = 1, empty = 0, bad;
  gboolean is_first = TRUE;

  if (!bn_utf8_validate ((const uint8_t *) file->text, file->size, &bad)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s: offset %" G_GSIZE_FORMAT ": found byte 0x%02X, expected UTF-8",
        file->path, bad, (guint) (guchar) file->text[bad]);
    return FALSE;
  }
  g_string_append_c (json, '[');
  for (const char *line = file->text, *next; line < end;
       line = next, number++) {
    const char *newline = memchr (line, '\n', (size_t) (end - line));
    size_t length = (size_t) ((newline ? newline : end) - line);
    const char *space;

    next = newline ? newline + 1 : end;
    if (length > 0 && line[length - 1] == '\r')
      length--;
    if (length >= strlen (VERSION)
        && memcmp (line, VERSION, strlen (VERSION)) == 0)
      continue;
    if (length == 0) {
      empty = empty > 0 ? empty : number;
      continue;
    }
    if (empty > 0)
      return fail_line (file, empty, "", 0, error);
    space = memchr (line, ' ', length);
    if (space == NULL || space == line || space == line + length - 1
        || memchr (space + 1, ' ', (size_t) (line + length - space - 1)))
      return fail_line (file, number, line, length, error);
    g_string_append (json, is_first ? "[" : ",[");
    append_string (json, line, (size_t) (space - line));
    g_string_append_c (json, ',');
    append_string (json, space + 1, (size_t) (line + length - space - 1));
    g_string_append_c (json, ']');
    is_first = FALSE;
  }
  g_string_append_c (json, ']');
  return TRUE;
}

/* An added token in the form of tokenizer.json. */
static void
append_added (GString *json, const char *text, uint32_t id, unsigned flags)
{
  static const struct {
    const char *name;
    unsigned flag;
  } members[] = {
      {"special", BN_ADDED_SPECIAL},
      {"single_word", BN_ADDED_SINGLE_WORD},
      {"lstrip", BN_ADDED_LSTRIP},
      {"rstrip", BN_ADDED_RSTRIP},
      {"normalized", BN_ADDED_NORMALIZED},
  };

  g_string_append_printf (json,
      "%s{\"id\":%u,\"content\":", json->str[json->len - 1] == '[' ? "" : ",",
      id == BN_TOKEN_NONE ? 0 : id);
  append_string (json, text, strlen (text));
  for (size_t i = 0; i < G_N_ELEMENTS (members); i++)
    g_string_append_printf (json, ",\"%s\":%s", members[i].name,
        flags & members[i].flag ? "true" : "false");
  g_string_append_c (json, '}');
}

static int
compare_ids (const void *a, const void *b)
{
  const BnBesideToken *const *left = a, *const *right = b;

  return (*left)->id < (*right)->id ? -1 : (*left)->id > (*right)->id;
}

/* Tokens that files beside name, by their ids; then those of the class that
 * the vocabulary has. */
static void
append_all_added (GString *json, const Class *class, const BnBeside *beside,
    GHashTable *vocab)
{
  g_autoptr (GPtrArray) tokens = g_ptr_array_new ();
  const char *const own[] = {class->bos, class->eos};

  for (guint i = 0; i < beside->added->len; i++)
    g_ptr_array_add (tokens, &g_array_index (beside->added, BnBesideToken, i));
  g_ptr_array_sort (tokens, compare_ids);
  g_string_append_c (json, '[');
  for (guint i = 0; i < tokens->len; i++) {
    const BnBesideToken *token = tokens->pdata[i];

    append_added (json, token->text, token->id, token->flags);
  }
  for (size_t i = 0; i < G_N_ELEMENTS (own); i++) {
    if (own[i] && !bn_beside_find (beside, own[i])
        && g_hash_table_contains (vocab, own[i])
        && (i == 0 || g_strcmp0 (own[0], own[1]) != 0))
      append_added (json, own[i],
          GPOINTER_TO_UINT (g_hash_table_lookup (vocab, own[i])),
          BN_ADDED_SPECIAL);
  }
  g_string_append_c (json, ']');
}

/* Of the texts that classes give roles, those that are in the vocabulary, with
 * their ids. */
static GHashTable *
find_own_tokens (BnJson vocab, const Class *class)
{
  GHashTable *found = g_hash_table_new (g_str_hash, g_str_equal);
  const char *const own[] = {class->bos, class->eos};

  for (size_t i = 0; i < G_N_ELEMENTS (own); i++) {
    BnJson value;
    uint64_t id;

    if (own[i] && bn_json_find (vocab, own[i], &value)
        && bn_json_get_uint (value, BN_MAX_TOKENS - 1, &id))
      g_hash_table_insert (
          found, (char *) own[i], GUINT_TO_POINTER ((guint) id));
  }
  return found;
}

static gboolean
check_vocab (BnJson vocab, GCancellable *cancellable, GError **error)
{
  g_auto (BnTokjsonPieces) pieces = {.n_ids = 0};

  return bn_tokjson_pieces_read (&pieces, vocab, cancellable, error)
         && (pieces.n_entries > 0
             || bn_json_fail (vocab, error, "at least one token"));
}

static void
set_role (BnTokenizer *tokenizer, BnRole role, const char *text)
{
  BnVocab *vocab = (BnVocab *) tokenizer->vocab; /* nobody reads it yet */
  uint32_t id =
      text ? bn_vocab_lookup (vocab, text, strlen (text)) : BN_TOKEN_NONE;

  if (id == BN_TOKEN_NONE)
    return;
  vocab->roles[role] = id;
  if (role == BN_ROLE_EOS)
    vocab->attributes[id] |= BN_TOKEN_EOG;
}

/* BOS A EOS, and BOS A EOS EOS B EOS for a pair. */
static void
surround (BnTokenizer *tokenizer)
{
  uint32_t bos = tokenizer->vocab->roles[BN_ROLE_BOS];
  uint32_t eos = tokenizer->vocab->roles[BN_ROLE_EOS];
  const uint32_t single[] = {bos, BN_LAYOUT_A, eos};
  const uint32_t pair[] = {bos, BN_LAYOUT_A, eos, eos, BN_LAYOUT_B, eos};

  if (bos == BN_TOKEN_NONE || eos == BN_TOKEN_NONE)
    return;
  tokenizer->single =
      (BnLayout){g_memdup2 (single, sizeof single), G_N_ELEMENTS (single)};
  tokenizer->pair =
      (BnLayout){g_memdup2 (pair, sizeof pair), G_N_ELEMENTS (pair)};
  tokenizer->add_bos = tokenizer->add_eos = TRUE;
}

BnTokenizer *
bn_vocabjson_load (const BnFile *vocab_file, const BnFile *merges,
    const BnBeside *beside, BnFidelity fidelity, GCancellable *cancellable,
    GError **error)
{
  const Class *class = find_class (beside);
  BnJsonDocument vocab_document = {.path = vocab_file->path,
      .text = vocab_file->text,
      .size = vocab_file->size};
  g_autoptr (GString) json =
      g_string_sized_new (vocab_file->size + merges->size * 3 + 4096);
  g_autoptr (GString) pre_tokenizer = g_string_new (class->pre_tokenizer);
  g_autoptr (GHashTable) own = NULL;
  BnJsonDocument document;
  g_autofree char *path =
      g_strdup_printf ("%s and %s", vocab_file->path, merges->path);
  BnJson vocab, root;
  BnTokenizer *self;

  if (!bn_json_open (&vocab_document, &vocab, error)
      || !check_vocab (vocab, cancellable, error))
    return NULL;
  own = find_own_tokens (vocab, class);
  g_string_replace (pre_tokenizer, "%s",
      beside->add_prefix_space == TRUE ? "true" : "false", 1);
  g_string_append (json, "{\"version\":\"1.0\",\"added_tokens\":");
  append_all_added (json, class, beside, own);
  g_string_append_printf (
      json, ",\"normalizer\":%s,\"pre_tokenizer\":", class->normalizer);
  g_string_append (json, pre_tokenizer->str);
  g_string_append_printf (json,
      ",\"decoder\":%s,\"model\":{\"type\":\"BPE\",\"end_of_word_suffix\":"
      "\"%s\",\"vocab\":",
      class->decoder, class->suffix);
  g_string_append_len (json, vocab_file->text, (gssize) vocab_file->size);
  g_string_append (json, ",\"merges\":");
  if (!append_merges (json, merges, error))
    return NULL;
  g_string_append (json, "}}");

  document =
      (BnJsonDocument){.path = path, .text = json->str, .size = json->len};
  if (!bn_json_open (&document, &root, error))
    return NULL;
  self = bn_tokjson_read (root, fidelity, cancellable, error);
  if (self == NULL)
    return NULL;
  set_role (self, BN_ROLE_BOS, class->bos);
  set_role (self, BN_ROLE_EOS, class->eos);
  if (class->surrounds)
    surround (self);
  bn_beside_apply (beside, self);
  return self;
}
