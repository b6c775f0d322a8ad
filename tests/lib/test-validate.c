/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a tokenizer belongs to a model: every row of the table of
 * bn-validate.c, with small vocabularies that differ in one thing, and real
 * ones if there are reference data. */
#include <glib/gstdio.h>
#include <string.h>

#include "bitnet-error.h"
#include "bitnet-tokenizer-private.h"
#include "gguf/bn-gguf.h"
#include "resolve/bn-validate.h"
#include "test-vocab.h"

enum { N_BASE = 3 + 256, N_WORDS = 64, N_TOKENS = N_BASE + N_WORDS };

/* Types of tokens in GGUF files. */
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

/* A vocabulary that a test may change before it is written. */
typedef struct {
  char *text;
  gint32 type;
} Token;

typedef struct {
  const char *kind, *pre;
  GArray *tokens;       /* Token */
  GPtrArray *merges;    /* "left right" */
  guint n_listed;       /* tokens that the file names; all if 0 */
  guint n_rows;         /* 0: as many as tokens are listed */
  gint64 bos, eos, pad; /* -1: no key */
  int add_bos;          /* -1: no key */
  const char *normalizer, *pre_tokenizer; /* of tokenizer.json */
} Vocab;

static void
clear_token (gpointer data)
{
  g_free (((Token *) data)->text);
}

static void
vocab_clear (Vocab *self)
{
  g_array_unref (self->tokens);
  g_ptr_array_unref (self->merges);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Vocab, vocab_clear)

static guint
add (Vocab *self, const char *text, gint32 type)
{
  Token token = {g_strdup (text), type};

  g_array_append_val (self->tokens, token);
  return self->tokens->len - 1;
}

static void
set (Vocab *self, guint id, const char *text, gint32 type)
{
  Token *token = &g_array_index (self->tokens, Token, id);

  g_free (token->text);
  *token = (Token){g_strdup (text), type};
}

static guint
find (const Vocab *self, const char *text)
{
  for (guint id = 0; id < self->tokens->len; id++) {
    if (strcmp (g_array_index (self->tokens, Token, id).text, text) == 0)
      return id;
  }
  g_assert_not_reached ();
}

static void
vocab_init (Vocab *self, const char *kind, const char *pre)
{
  *self = (Vocab){.kind = kind,
      .pre = pre,
      .bos = -1,
      .eos = -1,
      .pad = -1,
      .add_bos = -1,
      .normalizer = "null",
      .pre_tokenizer = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                       "\"trim_offsets\":true,\"use_regex\":true}"};
  self->tokens = g_array_new (FALSE, FALSE, sizeof (Token));
  g_array_set_clear_func (self->tokens, clear_token);
  self->merges = g_ptr_array_new_with_free_func (g_free);
}

/* SentencePiece: bytes, words that no text has, and those of a space. */
static void
vocab_init_spm (Vocab *self)
{
  vocab_init (self, "llama", NULL);
  add (self, "<unk>", UNKNOWN);
  self->bos = add (self, "<s>", CONTROL);
  self->eos = add (self, "</s>", CONTROL);
  for (guint byte = 0; byte < 256; byte++) {
    g_autofree char *text = g_strdup_printf ("<0x%02X>", byte);

    add (self, text, BYTE);
  }
  add (self, "\xE2\x96\x81", NORMAL);
  add (self, "\xE2\x96\x81\xE2\x96\x81", USER_DEFINED);
  for (guint i = 2; i < N_WORDS; i++) {
    g_autofree char *text = g_strdup_printf ("\xE2\x96\x81w%u", i);

    add (self, text, NORMAL);
  }
}

/* Byte-level BPE with a merge for each word. */
static void
vocab_init_bpe (Vocab *self)
{
  vocab_init (self, "gpt2", "gpt-2");
  for (guint i = 0; i < 256; i++) {
    guint8 byte = (guint8) i;
    g_autofree char *text = test_vocab_spell (&byte, 1);

    add (self, text, NORMAL);
  }
  for (char c = 'b'; c <= 'z'; c++) {
    char text[] = {'a', c, '\0'}, merge[] = {'a', ' ', c, '\0'};

    add (self, text, NORMAL);
    g_ptr_array_add (self->merges, g_strdup (merge));
  }
  self->bos = self->eos = add (self, "<|endoftext|>", CONTROL);
  add (self, "<|reserved_0|>", CONTROL);
  add (self, "<unused>", UNUSED);
}

static void
set_id (TestVocab *out, const char *key, gint64 id)
{
  if (id >= 0)
    test_vocab_set_uint (out, key, (guint32) id);
}

static GBytes *
to_gguf (const Vocab *self)
{
  g_autoptr (TestVocab) out = test_vocab_new ();
  guint n_listed = self->n_listed > 0 ? self->n_listed : self->tokens->len;

  test_vocab_set_string (out, "general.architecture", "llama");
  test_vocab_set_uint (out, "llama.vocab_size",
      self->n_rows > 0 ? self->n_rows : self->tokens->len);
  if (self->kind)
    test_vocab_set_string (out, "tokenizer.ggml.model", self->kind);
  if (self->pre)
    test_vocab_set_string (out, "tokenizer.ggml.pre", self->pre);
  set_id (out, "tokenizer.ggml.bos_token_id", self->bos);
  set_id (out, "tokenizer.ggml.eos_token_id", self->eos);
  set_id (out, "tokenizer.ggml.padding_token_id", self->pad);
  if (self->add_bos >= 0)
    test_vocab_set_bool (out, "tokenizer.ggml.add_bos_token", self->add_bos);
  for (guint id = 0; self->kind && id < n_listed; id++) {
    const Token *token = &g_array_index (self->tokens, Token, id);

    test_vocab_add (out, token->text, token->type, -(float) id);
  }
  for (guint i = 0; i < self->merges->len; i++)
    test_vocab_add_merge (out, self->merges->pdata[i]);
  return test_vocab_to_bytes (out);
}

static void
append_string (GString *json, const char *text)
{
  g_string_append_c (json, '"');
  for (; *text; text++) {
    if (*text == '"' || *text == '\\')
      g_string_append_c (json, '\\');
    g_string_append_c (json, *text);
  }
  g_string_append_c (json, '"');
}

/* BPE as tokenizer.json; control tokens are added ones. */
static char *
to_json (const Vocab *self)
{
  GString *json = g_string_new ("{\"version\":\"1.0\",\"added_tokens\":[");
  gboolean is_first = TRUE;

  for (guint id = 0; id < self->tokens->len; id++) {
    const Token *token = &g_array_index (self->tokens, Token, id);

    if (token->type == NORMAL)
      continue;
    g_string_append_printf (
        json, "%s{\"id\":%u,\"content\":", is_first ? "" : ",", id);
    append_string (json, token->text);
    g_string_append (json,
        ",\"special\":true,\"single_word\":false,\"lstrip\":false,"
        "\"rstrip\":false,\"normalized\":false}");
    is_first = FALSE;
  }
  g_string_append_printf (json,
      "],\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":null,"
      "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
      "\"trim_offsets\":true,\"use_regex\":true},\"model\":{\"type\":\"BPE\","
      "\"vocab\":{",
      self->normalizer, self->pre_tokenizer);
  is_first = TRUE;
  for (guint id = 0; id < self->tokens->len; id++) {
    const Token *token = &g_array_index (self->tokens, Token, id);

    if (token->type != NORMAL)
      continue;
    if (!is_first)
      g_string_append_c (json, ',');
    append_string (json, token->text);
    g_string_append_printf (json, ":%u", id);
    is_first = FALSE;
  }
  g_string_append (json, "},\"merges\":[");
  for (guint i = 0; i < self->merges->len; i++) {
    if (i > 0)
      g_string_append_c (json, ',');
    append_string (json, self->merges->pdata[i]);
  }
  g_string_append (json, "]}}");
  return g_string_free (json, FALSE);
}

typedef struct {
  char *folder;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("bitnet-validate-XXXXXX", NULL);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (self->folder, name, NULL);

    g_remove (path);
  }
  g_rmdir (self->folder);
  g_free (self->folder);
}

static char *
write_file (Fixture *self, const char *name, gconstpointer content, gsize size)
{
  char *path = g_build_filename (self->folder, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, content, (gssize) size, &error);
  g_assert_no_error (error);
  return path;
}

static BitnetDiscovery *
discover (Fixture *self, const Vocab *vocab)
{
  g_autoptr (GBytes) bytes = to_gguf (vocab);
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);
  g_autofree char *path = write_file (self, "model.gguf", data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetModel) model =
      bitnet_model_new_unshared_from_file (path, NULL, &error);

  g_assert_no_error (error);
  return bitnet_discovery_new_from_model (model);
}

static BitnetTokenizer *
load (Fixture *self, const Vocab *vocab, gboolean as_json)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *json = NULL;
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  BitnetTokenizer *tokenizer;

  if (as_json) {
    json = to_json (vocab);
    path = write_file (self, "tokenizer.json", json, strlen (json));
  } else {
    gsize size;
    gconstpointer data;

    bytes = to_gguf (vocab);
    data = g_bytes_get_data (bytes, &size);
    path = write_file (self, "tokenizer.gguf", data, size);
  }
  tokenizer =
      bitnet_tokenizer_new_from_file (path, BITNET_FIDELITY_AUTO, NULL, &error);
  g_assert_no_error (error);
  return tokenizer;
}

typedef enum {
  FITS,
  WARNS, /* refused in strict mode */
  FAILS,
} Verdict;

typedef struct {
  const char *name;
  gboolean is_bpe, as_json;
  /* What is different, in the model and in the tokenizer. */
  void (*change) (Vocab *model, Vocab *tokenizer);
  Verdict verdict;
  BnVerified verified;
  const char *message; /* a part of the warning or error, or NULL */
} Case;

static void
run_case (Fixture *self, gconstpointer data)
{
  const Case *c = data;
  g_auto (Vocab) model = {.kind = NULL};
  g_auto (Vocab) own = {.kind = NULL};
  g_autoptr (BitnetDiscovery) discovery = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;

  (c->is_bpe ? vocab_init_bpe : vocab_init_spm) (&model);
  (c->is_bpe ? vocab_init_bpe : vocab_init_spm) (&own);
  if (c->change)
    c->change (&model, &own);
  discovery = discover (self, &model);
  tokenizer = load (self, &own, c->as_json);
  for (int strict = 0; strict < 2; strict++) {
    g_auto (BnValidation) validation = {BN_VERIFIED_NOT, NULL};
    g_autoptr (GError) error = NULL;
    gboolean fits =
        bn_validate (tokenizer, discovery, FALSE, strict, &validation, &error);
    gboolean expected = c->verdict == FITS || (c->verdict == WARNS && !strict);

    if (error)
      g_test_message ("strict %d: %s", strict, error->message);
    for (guint i = 0; i < validation.warnings->len; i++)
      g_test_message (
          "strict %d: %s", strict, (char *) validation.warnings->pdata[i]);
    g_assert_cmpint (fits, ==, expected);
    if (!fits) {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH);
      g_assert_null (strpbrk (error->message, "\r\n"));
      if (c->message)
        g_assert_nonnull (strstr (error->message, c->message));
      continue;
    }
    g_assert_no_error (error);
    g_assert_cmpint (validation.verified, ==, c->verified);
    g_assert_cmpuint (validation.warnings->len, ==, c->verdict == WARNS);
    if (c->message)
      g_assert_nonnull (strstr (validation.warnings->pdata[0], c->message));
  }
}

/* Sizes. */

static void
pad_900 (Vocab *model, Vocab *own)
{
  model->n_rows = N_TOKENS + 900;
}

static void
pad_1024 (Vocab *model, Vocab *own)
{
  model->n_rows = N_TOKENS + 1024;
}

static void
pad_1025 (Vocab *model, Vocab *own)
{
  model->n_rows = N_TOKENS + 1025;
}

static void
pad_4096 (Vocab *model, Vocab *own)
{
  model->n_rows = N_TOKENS + 4096;
}

static void
pad_4097 (Vocab *model, Vocab *own)
{
  model->n_rows = N_TOKENS + 4097;
}

/* 5 % of many rows are more than 4096. */
static void
pad_many (Vocab *model, Vocab *own)
{
  model->n_rows = 100000;
  for (guint i = own->tokens->len; i < 95000; i++) {
    g_autofree char *text = g_strdup_printf ("more%u", i);

    add (model, text, NORMAL);
    add (own, text, NORMAL);
  }
}

/* The last tokens of the tokenizer have no row. */
static void
lack_rows (Vocab *model, Vocab *own, guint n, gint32 type)
{
  for (guint i = 0; i < n; i++) {
    g_autofree char *text = g_strdup_printf ("<x%u>", i);

    add (own, text, type);
  }
}

static void
lack_1_normal (Vocab *model, Vocab *own)
{
  lack_rows (model, own, 1, NORMAL);
}

static void
lack_1_control (Vocab *model, Vocab *own)
{
  lack_rows (model, own, 1, CONTROL);
}

static void
lack_16_unused (Vocab *model, Vocab *own)
{
  lack_rows (model, own, 16, UNUSED);
}

static void
lack_17_control (Vocab *model, Vocab *own)
{
  lack_rows (model, own, 17, CONTROL);
}

/* Pieces. */

static void
other_words (Vocab *model, Vocab *own)
{
  for (guint i = 2; i < N_WORDS; i++) {
    g_autofree char *text = g_strdup_printf ("\xE2\x96\x81x%u", i);

    set (own, N_BASE + i, text, NORMAL);
  }
}

static void
one_word (Vocab *model, Vocab *own)
{
  set (own, N_TOKENS - 1, "\xE2\x96\x81y", NORMAL);
}

static void
no_list (Vocab *model, Vocab *own)
{
  model->kind = NULL;
  model->n_rows = N_TOKENS;
  /* A symbol of the user would come back as it is written. */
  set (own, N_BASE + 1, "\xE2\x96\x81\xE2\x96\x81", NORMAL);
}

static void
no_list_other_words (Vocab *model, Vocab *own)
{
  no_list (model, own);
  other_words (model, own);
}

static void
reserved (Vocab *model, Vocab *own)
{
  set (model, find (model, "<|reserved_0|>"), "<|tool|>", CONTROL);
}

static void
reserved_normal (Vocab *model, Vocab *own)
{
  set (model, find (model, "<|reserved_0|>"), "tool", NORMAL);
}

static void
unused (Vocab *model, Vocab *own)
{
  set (model, find (model, "<unused>"), "[PAD283]", UNUSED);
}

static void
renamed_bos (Vocab *model, Vocab *own)
{
  set (own, 1, "<start>", CONTROL);
}

static void
symbol (Vocab *model, Vocab *own)
{
  set (model, N_BASE + 1, "  ", USER_DEFINED);
}

static void
more_unused (Vocab *model, Vocab *own)
{
  add (model, "[PAD323]", UNUSED);
}

static void
more_control (Vocab *model, Vocab *own)
{
  add (model, "<|im_start|>", CONTROL);
}

static void
more_normal (Vocab *model, Vocab *own)
{
  add (model, "\xE2\x96\x81z", NORMAL);
}

static void
more_own_control (Vocab *model, Vocab *own)
{
  model->n_rows = N_TOKENS + 8;
  add (own, "<|im_start|>", CONTROL);
}

static void
more_own_normal (Vocab *model, Vocab *own)
{
  model->n_rows = N_TOKENS + 8;
  add (own, "\xE2\x96\x81z", NORMAL);
}

/* Merges. */

static void
fewer_merges (Vocab *model, Vocab *own)
{
  g_ptr_array_set_size (model->merges, 10);
}

static void
other_order (Vocab *model, Vocab *own)
{
  gpointer first = model->merges->pdata[0];

  model->merges->pdata[0] = model->merges->pdata[20];
  model->merges->pdata[20] = first;
}

static void
other_merge (Vocab *model, Vocab *own)
{
  g_free (own->merges->pdata[5]);
  own->merges->pdata[5] = g_strdup ("b c");
  /* "bc" must be there; in the model it is, too. */
  set (model, find (model, "<unused>"), "bc", NORMAL);
  set (own, find (own, "<unused>"), "bc", NORMAL);
}

/* Special tokens. */

static void
other_eos (Vocab *model, Vocab *own)
{
  own->eos = 1;
}

static void
other_pad (Vocab *model, Vocab *own)
{
  model->pad = 0;
  own->pad = 2;
}

static void
only_model_pad (Vocab *model, Vocab *own)
{
  model->pad = 0;
}

static void
llama3_ends (Vocab *model, Vocab *own)
{
  Vocab *const both[] = {model, own};

  for (gsize i = 0; i < G_N_ELEMENTS (both); i++) {
    guint text_end = add (both[i], "<|end_of_text|>", CONTROL);
    guint turn_end = add (both[i], "<|eot_id|>", CONTROL);

    both[i]->eos = i == 0 ? turn_end : text_end;
  }
}

static void
own_bos_beyond (Vocab *model, Vocab *own)
{
  lack_rows (model, own, 1, CONTROL);
  own->bos = N_TOKENS;
}

static void
model_bos_beyond (Vocab *model, Vocab *own)
{
  model->bos = N_TOKENS + 5;
}

static void
model_pad_beyond (Vocab *model, Vocab *own)
{
  model->pad = N_TOKENS;
}

static void
other_edges (Vocab *model, Vocab *own)
{
  model->add_bos = FALSE;
  own->add_bos = TRUE;
}

/* Families and words. */

static void
other_kind (Vocab *model, Vocab *own)
{
  model->kind = "llama";
}

static void
other_kind_spm (Vocab *model, Vocab *own)
{
  model->kind = "gpt2";
  model->pre = "gpt-2";
}

static void
unknown_kind (Vocab *model, Vocab *own)
{
  model->kind = "something new";
}

static void
same_words (Vocab *model, Vocab *own)
{
  model->pre = "phi-2"; /* has the expressions of GPT-2 */
}

static void
other_pre (Vocab *model, Vocab *own)
{
  model->pre = "llama-bpe";
}

static void
unknown_words (Vocab *model, Vocab *own)
{
  own->pre_tokenizer =
      "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
      "\"pattern\":{\"Regex\":\"\\\\w+|\\\\W\"},\"behavior\":\"Isolated\","
      "\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
      "\"trim_offsets\":true,\"use_regex\":false}]}";
}

static void
default_pre (Vocab *model, Vocab *own)
{
  model->pre = "default";
}

static void
unknown_pre (Vocab *model, Vocab *own)
{
  model->pre = "nobody-knows";
}

/* Self-test. */

static void
lower_case (Vocab *model, Vocab *own)
{
  own->normalizer = "{\"type\":\"Lowercase\"}";
}

static void
lower_case_no_list (Vocab *model, Vocab *own)
{
  lower_case (model, own);
  model->kind = NULL;
}

/* A digit has no token. */
static void
lose_byte (Vocab *model, Vocab *own)
{
  model->kind = NULL;
  set (own, '3', "three", NORMAL);
}

static const Case cases[] = {
#define SPM(name, change, verdict, verified, message)                          \
  {                                                                            \
    name, FALSE, FALSE, change, verdict, BN_VERIFIED_##verified, message       \
  }
#define BPE(name, change, verdict, verified, message)                          \
  {                                                                            \
    name, TRUE, FALSE, change, verdict, BN_VERIFIED_##verified, message        \
  }
#define JSON(name, change, verdict, verified, message)                         \
  {                                                                            \
    name, TRUE, TRUE, change, verdict, BN_VERIFIED_##verified, message         \
  }
    SPM ("size/equal", NULL, FITS, BY_PIECES, NULL),
    SPM ("size/padded-900", pad_900, FITS, BY_PIECES, NULL),
    SPM ("size/padded-1024", pad_1024, FITS, BY_PIECES, NULL),
    SPM ("size/padded-1025", pad_1025, WARNS, BY_PIECES, "rows"),
    SPM ("size/padded-4096", pad_4096, WARNS, BY_PIECES, "rows"),
    SPM ("size/padded-4097", pad_4097, FAILS, NOT, "at most 4420"),
    SPM ("size/padded-5-percent", pad_many, WARNS, BY_PIECES, "100000 rows"),
    SPM ("size/one-beyond", lack_1_normal, FAILS, NOT, "324 tokens"),
    SPM ("size/one-control-beyond", lack_1_control, WARNS, BY_PIECES, "no row"),
    SPM ("size/16-beyond", lack_16_unused, WARNS, BY_PIECES, "16 last"),
    SPM ("size/17-beyond", lack_17_control, FAILS, NOT, "340 tokens"),

    SPM ("pieces/other-words", other_words, FAILS, NOT, "token 261"),
    SPM ("pieces/one-word", one_word, FAILS, NOT, "token 322"),
    SPM ("pieces/no-list", no_list, FITS, BY_SIZE, NULL),
    SPM (
        "pieces/no-list-other-words", no_list_other_words, FITS, BY_SIZE, NULL),
    BPE ("pieces/reserved", reserved, WARNS, BY_PIECES, "1 reserved"),
    BPE ("pieces/reserved-normal", reserved_normal, FAILS, NOT, "\"tool\""),
    BPE ("pieces/unused", unused, FITS, BY_PIECES, NULL),
    SPM ("pieces/bos", renamed_bos, FAILS, NOT, "token 1 is"),
    SPM ("pieces/spelling", symbol, FITS, BY_PIECES, NULL),
    SPM ("pieces/more-unused", more_unused, FITS, BY_PIECES, NULL),
    SPM ("pieces/more-control", more_control, WARNS, BY_PIECES, "lacks 1"),
    SPM ("pieces/more-normal", more_normal, FAILS, NOT, "lacks token 323"),
    SPM ("pieces/more-own-control", more_own_control, FITS, BY_PIECES, NULL),
    SPM ("pieces/more-own-normal", more_own_normal, FAILS, NOT, "token 323"),

    BPE ("merges/equal", NULL, FITS, BY_PIECES, NULL),
    BPE ("merges/fewer", fewer_merges, WARNS, BY_PIECES, "the model 10"),
    BPE ("merges/other-order", other_order, FAILS, NOT, "order"),
    BPE ("merges/other-merge", other_merge, FAILS, NOT, "lacks 1"),
    JSON ("merges/json", NULL, FITS, BY_PIECES, NULL),
    JSON ("merges/json-other-order", other_order, FAILS, NOT, "order"),

    SPM ("ids/eos", other_eos, WARNS, BY_PIECES, "EOS is token 1"),
    SPM ("ids/pad", other_pad, WARNS, BY_PIECES, "PAD is token 2"),
    SPM ("ids/pad-one-side", only_model_pad, FITS, BY_PIECES, NULL),
    BPE ("ids/llama-3-ends", llama3_ends, FITS, BY_PIECES, NULL),
    SPM ("ids/own-beyond", own_bos_beyond, FAILS, NOT, NULL),
    SPM ("ids/model-beyond", model_bos_beyond, FAILS, NOT, "beyond"),
    SPM ("ids/model-pad-beyond", model_pad_beyond, WARNS, BY_PIECES, "(PAD)"),
    SPM ("edges/bos", other_edges, WARNS, BY_PIECES, "add_bos_token"),

    BPE ("family/bpe-for-llama", other_kind, FAILS, NOT, "\"llama\""),
    SPM ("family/spm-for-gpt2", other_kind_spm, FAILS, NOT, "\"gpt2\""),
    SPM ("family/unknown", unknown_kind, FITS, BY_PIECES, NULL),

    JSON ("words/same", same_words, FITS, BY_PIECES, NULL),
    JSON ("words/other", other_pre, FAILS, NOT, "expected \"llama-bpe\""),
    JSON ("words/unknown", unknown_words, WARNS, BY_PIECES, "unknown way"),
    JSON ("words/default", default_pre, WARNS, BY_PIECES, "\"default\""),
    JSON ("words/unknown-pre", unknown_pre, FITS, BY_PIECES, NULL),
    BPE ("words/gguf-other", other_pre, FAILS, NOT, "expected \"llama-bpe\""),

    JSON ("texts/lower-case", lower_case, FITS, BY_PIECES, NULL),
    JSON ("texts/lower-case-unproven", lower_case_no_list, WARNS, BY_SIZE,
        "case"),
    BPE ("texts/lost", lose_byte, FAILS, NOT, "comes back"),
#undef SPM
#undef BPE
#undef JSON
};

/* What was read from the model is not compared with it, but must fit. */
static void
test_embedded (Fixture *self, gconstpointer data)
{
  g_auto (Vocab) model = {.kind = NULL};
  g_auto (Vocab) other = {.kind = NULL};
  g_autoptr (BitnetDiscovery) discovery = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_auto (BnValidation) validation = {BN_VERIFIED_NOT, NULL};
  g_auto (BnValidation) second = {BN_VERIFIED_NOT, NULL};
  g_autoptr (GError) error = NULL;

  vocab_init_spm (&model);
  vocab_init_spm (&other);
  other_words (&model, &other);
  discovery = discover (self, &model);
  tokenizer = load (self, &other, FALSE);
  g_assert_true (
      bn_validate (tokenizer, discovery, TRUE, TRUE, &validation, &error));
  g_assert_no_error (error);
  g_assert_cmpint (validation.verified, ==, BN_VERIFIED_BY_PIECES);

  g_clear_object (&discovery);
  model.n_rows = 100;
  discovery = discover (self, &model);
  g_assert_false (
      bn_validate (tokenizer, discovery, TRUE, FALSE, &second, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH);
}

/* Two ways to the same tokens, and things that differ. */
static void
test_agree (Fixture *self, gconstpointer data)
{
  g_auto (Vocab) vocab = {.kind = NULL};
  g_autoptr (BitnetTokenizer) gguf = NULL, json = NULL, more = NULL;
  g_autoptr (BitnetTokenizer) other = NULL, lower = NULL;

  vocab_init_bpe (&vocab);
  set (&vocab, find (&vocab, "<unused>"), "<unused>", CONTROL);
  gguf = load (self, &vocab, FALSE);
  json = load (self, &vocab, TRUE);
  g_assert_true (bn_tokenizers_agree (gguf, json));
  g_assert_true (bn_tokenizers_agree (json, gguf));
  g_assert_true (bn_tokenizers_agree (json, json));

  vocab.normalizer = "{\"type\":\"Lowercase\"}";
  lower = load (self, &vocab, TRUE);
  g_assert_false (bn_tokenizers_agree (gguf, lower));
  vocab.normalizer = "null";
  set (&vocab, find (&vocab, "ab"), "zz", NORMAL);
  g_ptr_array_set_size (vocab.merges, 1);
  other = load (self, &vocab, FALSE);
  g_assert_false (bn_tokenizers_agree (gguf, other));
  add (&vocab, "<more>", CONTROL);
  more = load (self, &vocab, FALSE);
  g_assert_false (bn_tokenizers_agree (other, more));
}

static void
test_backup (void)
{
  static const char text[] = "Gr\xC3\xBC\xC3\x9F Gott\n\t<s> \xF0\x9F\x91\x8D";
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) tokenizer =
      bn_backup_tokenizer_new (32000, &error);
  g_autoptr (BitnetTokenizer) smallest = NULL;
  gsize n_ids, length;
  g_autofree guint32 *ids = NULL;
  g_autofree char *decoded = NULL;

  g_assert_no_error (error);
  g_assert_cmpuint (bitnet_tokenizer_get_vocab_size (tokenizer), ==, 32000);
  ids = bitnet_tokenizer_encode (
      tokenizer, text, -1, BITNET_ENCODE_ADD_SPECIAL, &n_ids, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n_ids, ==, strlen (text));
  for (gsize i = 0; i < n_ids; i++)
    g_assert_cmpuint (ids[i], ==, 3 + (guint8) text[i]);
  decoded = bitnet_tokenizer_decode (tokenizer, ids, n_ids, 0, &length, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (decoded, length, text, strlen (text));
  g_assert_cmpuint (
      bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_UNK), ==, 0);
  g_assert_cmpuint (
      bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_BOS), ==, 1);
  g_assert_cmpuint (
      bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_EOS), ==, 2);
  g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 2));
  g_assert_cmpstr (bitnet_tokenizer_get_algorithm (tokenizer), ==, "bytes");

  smallest = bn_backup_tokenizer_new (259, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (bitnet_tokenizer_get_id (smallest), !=,
      bitnet_tokenizer_get_id (tokenizer));
  g_assert_null (bn_backup_tokenizer_new (258, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH);
  g_clear_error (&error);
  g_assert_null (bn_backup_tokenizer_new (G_MAXUINT, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH);
}

/* Real files: which tokenizer belongs to which vocabulary. */
static const struct {
  const char *tokenizer, *vocab;
} pairs[] = {
    {"llama-3/tokenizer.json", "llama-bpe"},
    {"llama-3/tokenizer.model", "llama-bpe"},
    {"gpt-2/tokenizer.json", "gpt-2"},
    {"gpt-2/vocab.json", "gpt-2"},
    {"llama-2/tokenizer.model", "llama-spm"},
    {"bert/tokenizer.json", "bert-bge"},
    {"bert/vocab.txt", "bert-bge"},
};

static const char *const real_vocabs[] = {"bert-bge", "deepseek-coder",
    "falcon", "gemma-4", "gpt-2", "llama-bpe", "llama-spm", "nomic-bert-moe",
    "qwen2", "starcoder"};

static void
test_real (gconstpointer data)
{
  gsize index = GPOINTER_TO_SIZE (data);
  const char *reference = g_getenv ("BITNET_REFERENCE_DATA");
  g_autofree char *path = g_build_filename (
      reference ? reference : "", "tokenizers", pairs[index].tokenizer, NULL);

  if (reference == NULL || !g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_test_skip ("no reference data");
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (real_vocabs); i++) {
    g_autofree char *name = g_strconcat (real_vocabs[i], ".gguf", NULL);
    g_autofree char *model_path =
        g_build_filename (reference, "vocab", name, NULL);
    gboolean expected = strcmp (real_vocabs[i], pairs[index].vocab) == 0;
    g_autoptr (GError) error = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = NULL;
    g_autoptr (BitnetModel) model = NULL;
    g_autoptr (BitnetDiscovery) discovery = NULL;
    g_auto (BnValidation) validation = {BN_VERIFIED_NOT, NULL};

    if (!g_file_test (model_path, G_FILE_TEST_EXISTS))
      continue;
    tokenizer = bitnet_tokenizer_new_from_file (
        path, BITNET_FIDELITY_AUTO, NULL, &error);
    g_assert_no_error (error);
    model = bitnet_model_new_from_file (model_path, NULL, &error);
    g_assert_no_error (error);
    discovery = bitnet_discovery_new_from_model (model);
    bn_adapt (tokenizer, discovery, NULL);
    g_assert_cmpint (bn_validate (tokenizer, discovery, FALSE, expected,
                         &validation, &error),
        ==, expected);
    if (expected)
      g_assert_cmpint (validation.verified, ==, BN_VERIFIED_BY_PIECES);
    else
      g_test_message ("%s: %s", real_vocabs[i], error->message);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/validate/C38/%s", cases[i].name);

    g_test_add (path, Fixture, &cases[i], set_up, run_case, tear_down);
  }
  g_test_add (
      "/validate/embedded", Fixture, NULL, set_up, test_embedded, tear_down);
  g_test_add ("/validate/agree", Fixture, NULL, set_up, test_agree, tear_down);
  g_test_add_func ("/backup/B21", test_backup);
  for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++) {
    g_autofree char *path =
        g_strdup_printf ("/validate/AC3/real/%s", pairs[i].tokenizer);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_real);
  }
  return g_test_run ();
}
