/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Made-up vocabularies around real landmarks. */
#include "test-family.h"

#include <string.h>
#include "bn-gguf.h"
#include "test-vocab.h"

#define METASPACE "\xE2\x96\x81"
#define FILLER "qz"

/* Types of tokens in GGUF files. */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_BYTE = 6 };

typedef enum {
  KIND_BYTE_LEVEL, /* gpt2 */
  KIND_SPM,        /* llama */
  KIND_WORDPIECE,  /* bert */
  KIND_UNIGRAM,    /* t5 */
  KIND_NONE,
} Kind;

typedef struct {
  Kind kind;
  GPtrArray *texts; /* of char, as a GGUF file spells them */
  GArray *types;    /* of gint32 */
  GHashTable *used; /* of the texts but fillers */
} Vocabulary;

static Kind
get_kind (const BnFamily *family)
{
  static const char *const names[] = {"gpt2", "llama", "bert", "t5"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (strcmp (family->tokenizer, names[i]) == 0)
      return (Kind) i;
  }
  return KIND_NONE;
}

gboolean
test_family_is_supported (const BnFamily *family)
{
  return get_kind (family) != KIND_NONE;
}

static guint
get_n_tokens (const BnFamily *family)
{
  const GArray *sizes =
      family->tokens && family->tokens->len > 0 ? family->tokens : family->rows;

  return g_array_index (sizes, guint32, 0);
}

/* Whether two families have one repository in common, so that their tokenizers
 * are the same. */
static gboolean
share_repository (const BnFamily *a, const BnFamily *b)
{
  if (strcmp (a->repository, b->repository) == 0)
    return TRUE;
  for (char **e = a->equivalents; e && *e; e++) {
    if (strcmp (*e, b->repository) == 0
        || (b->equivalents
            && g_strv_contains ((const char *const *) b->equivalents, *e)))
      return TRUE;
  }
  return b->equivalents
         && g_strv_contains (
             (const char *const *) b->equivalents, a->repository);
}

/* The first family that has this vocabulary stands for all. */
static gsize
get_owner (const BnFamily *family)
{
  const BnFamilyMatrix *matrix = bn_matrix_get ();
  gsize i = 0;

  while (!share_repository (bn_matrix_get_family (matrix, i), family)
         || get_n_tokens (bn_matrix_get_family (matrix, i))
                != get_n_tokens (family))
    i++;
  return i;
}

static char *
make_filler (const BnFamily *family, guint32 id)
{
  return g_strdup_printf ("%s" FILLER "%" G_GSIZE_FORMAT "x%u",
      get_kind (family) == KIND_BYTE_LEVEL ? "\xC4\xA0" : METASPACE,
      get_owner (family), id);
}

/* Vocabularies. */

static void
set_text (Vocabulary *self, guint32 id, char *text, gint32 type)
{
  g_assert_cmpuint (id, <, self->texts->len);
  g_free (self->texts->pdata[id]);
  self->texts->pdata[id] = text;
  g_array_index (self->types, gint32, id) = type;
}

static void
use_text (Vocabulary *self, guint32 id, const char *text, gint32 type)
{
  set_text (self, id, g_strdup (text), type);
  g_hash_table_add (self->used, g_strdup (text));
}

static void
place_landmarks (Vocabulary *self, const BnFamily *family)
{
  for (guint i = 0; i < family->landmarks->len; i++) {
    const BnLandmark *landmark =
        &g_array_index (family->landmarks, BnLandmark, i);
    gboolean is_special =
        strchr ("<[", landmark->text[0]) != NULL && strlen (landmark->text) > 2;

    if (landmark->id < self->texts->len)
      use_text (self, landmark->id, landmark->text,
          strstr (landmark->text, "unk") || strstr (landmark->text, "UNK")
              ? TYPE_UNKNOWN
          : is_special ? TYPE_CONTROL
                       : TYPE_NORMAL);
  }
}

/* Puts a text at the first free id, if it is nowhere else. */
static void
place (Vocabulary *self, guint32 *next, const char *text, gint32 type)
{
  if (g_hash_table_contains (self->used, text))
    return;
  while (self->texts->pdata[*next] != NULL)
    ++*next;
  use_text (self, *next, text, type);
}

static void
place_bytes (Vocabulary *self, guint32 *next)
{
  for (guint byte = 0; byte < 256; byte++) {
    guint8 value = (guint8) byte;
    g_autofree char *text = self->kind == KIND_BYTE_LEVEL
                                ? test_vocab_spell (&value, 1)
                                : g_strdup_printf ("<0x%02X>", byte);

    place (self, next, text,
        self->kind == KIND_BYTE_LEVEL ? TYPE_NORMAL : TYPE_BYTE);
  }
}

static void
place_letters (Vocabulary *self, guint32 *next)
{
  for (int c = '!'; c <= '~'; c++) {
    const char text[] = {(char) c, '\0'};
    g_autofree char *start = g_strconcat (METASPACE, text, NULL);

    place (self, next, start, TYPE_NORMAL);
    place (self, next, text, TYPE_NORMAL);
  }
}

static Vocabulary
make_vocabulary (const BnFamily *family)
{
  Vocabulary self = {.kind = get_kind (family)};
  const BnFamilyMatrix *matrix = bn_matrix_get ();
  guint n_tokens = get_n_tokens (family);
  gsize owner = get_owner (family);
  guint32 next = 0;

  self.texts = g_ptr_array_new_full (n_tokens, g_free);
  g_ptr_array_set_size (self.texts, (gint) n_tokens);
  self.types = g_array_sized_new (FALSE, TRUE, sizeof (gint32), n_tokens);
  g_array_set_size (self.types, n_tokens);
  self.used = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (gsize i = 0; i < bn_matrix_get_n_families (matrix); i++) {
    const BnFamily *other = bn_matrix_get_family (matrix, i);

    if (get_owner (other) == owner && get_n_tokens (other) == n_tokens)
      place_landmarks (&self, other);
  }
  if (self.kind == KIND_SPM) {
    place (&self, &next, "<unk>", TYPE_UNKNOWN);
    place (&self, &next, "<s>", TYPE_CONTROL);
    place (&self, &next, "</s>", TYPE_CONTROL);
  } else if (self.kind == KIND_UNIGRAM) {
    place (&self, &next, "<pad>", TYPE_CONTROL);
    place (&self, &next, "</s>", TYPE_CONTROL);
    place (&self, &next, "<unk>", TYPE_UNKNOWN);
  } else if (self.kind == KIND_WORDPIECE) {
    place (&self, &next, "[PAD]", TYPE_CONTROL);
    place (&self, &next, "[UNK]", TYPE_UNKNOWN);
    place (&self, &next, "[CLS]", TYPE_CONTROL);
    place (&self, &next, "[SEP]", TYPE_CONTROL);
  }
  if (self.kind == KIND_BYTE_LEVEL || self.kind == KIND_SPM)
    place_bytes (&self, &next);
  if (self.kind != KIND_BYTE_LEVEL) {
    place (&self, &next, METASPACE, TYPE_NORMAL);
    place_letters (&self, &next);
  }
  if (self.kind == KIND_BYTE_LEVEL) {
    place (&self, &next, "he", TYPE_NORMAL);
    place (&self, &next, "ll", TYPE_NORMAL);
  }
  /* What has no row in the model is never text. */
  for (guint32 id = 0; id < n_tokens; id++) {
    if (self.texts->pdata[id] == NULL)
      set_text (&self, id, make_filler (family, id),
          id < g_array_index (family->rows, guint32, 0) ? TYPE_NORMAL
                                                        : TYPE_CONTROL);
  }
  return self;
}

static void
vocabulary_clear (Vocabulary *self)
{
  g_ptr_array_unref (self->texts);
  g_array_unref (self->types);
  g_hash_table_unref (self->used);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Vocabulary, vocabulary_clear)

/* Model files. */

static const char *const merges[] = {"h e", "l l"};

static void
add_special (BnGgufWriter *writer, const Vocabulary *vocabulary,
    const char *key, const char *const *names)
{
  for (; *names; names++) {
    for (guint32 id = 0; id < vocabulary->texts->len; id++) {
      if (strcmp (vocabulary->texts->pdata[id], *names) == 0) {
        bn_gguf_writer_add_uint32 (writer, key, id);
        return;
      }
    }
  }
}

static void
add_tokens (BnGgufWriter *writer, const BnFamily *family)
{
  static const char *const bos[] = {
      "<|begin_of_text|>", "<s>", "<bos>", "[CLS]", NULL};
  static const char *const eos[] = {
      "<|end_of_text|>", "<|endoftext|>", "</s>", "<eos>", "[SEP]", NULL};
  g_auto (Vocabulary) vocabulary = make_vocabulary (family);
  g_autofree float *scores = g_new (float, vocabulary.texts->len);

  for (guint i = 0; i < vocabulary.texts->len; i++)
    scores[i] = -(float) i;
  bn_gguf_writer_add_strings (writer, "tokenizer.ggml.tokens",
      (const char *const *) vocabulary.texts->pdata, vocabulary.texts->len);
  bn_gguf_writer_add_array (writer, "tokenizer.ggml.token_type", BN_GGUF_I32,
      vocabulary.types->data, vocabulary.types->len);
  if (vocabulary.kind == KIND_BYTE_LEVEL)
    bn_gguf_writer_add_strings (
        writer, "tokenizer.ggml.merges", merges, G_N_ELEMENTS (merges));
  else
    bn_gguf_writer_add_array (writer, "tokenizer.ggml.scores", BN_GGUF_F32,
        scores, vocabulary.texts->len);
  add_special (writer, &vocabulary, "tokenizer.ggml.bos_token_id", bos);
  add_special (writer, &vocabulary, "tokenizer.ggml.eos_token_id", eos);
}

void
test_family_write_model (
    const BnFamily *family, const char *path, const TestFamilyModel *model)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, &error);
  const uint64_t shape[] = {
      1, g_array_index (family->rows, guint32, 0) + model->n_padding};
  g_autofree guint8 *rows = g_malloc0 (shape[1] * sizeof (float));

  g_assert_no_error (error);
  bn_gguf_writer_add_string (
      writer, "general.architecture", family->architectures[0]);
  if (model->name)
    bn_gguf_writer_add_string (writer, "general.name", model->name);
  if (model->origin) {
    bn_gguf_writer_add_uint32 (writer, "general.base_model.count", 1);
    bn_gguf_writer_add_string (
        writer, "general.base_model.0.repo_url", model->origin);
  }
  if (model->has_tokens)
    bn_gguf_writer_add_string (
        writer, "tokenizer.ggml.model", family->tokenizer);
  if (model->has_pre && family->pre && family->pre[0])
    bn_gguf_writer_add_string (writer, "tokenizer.ggml.pre", family->pre[0]);
  if (model->has_tokens)
    add_tokens (writer, family);
  bn_gguf_writer_add_tensor (
      writer, "token_embd.weight", BN_TYPE_F32, 2, shape);
  bn_gguf_writer_write (writer, rows, shape[1] * sizeof (float), &error);
  g_assert_no_error (error);
  bn_gguf_writer_finish (writer, &error);
  g_assert_no_error (error);
}

/* Tokenizer files. */

static void
append_json (GString *json, const char *text)
{
  g_string_append_c (json, '"');
  for (; *text; text++) {
    if (*text == '"' || *text == '\\')
      g_string_append_c (json, '\\');
    g_string_append_c (json, *text);
  }
  g_string_append_c (json, '"');
}

static void
append_vocab (GString *json, const Vocabulary *vocabulary)
{
  for (guint32 id = 0; id < vocabulary->texts->len; id++) {
    g_string_append (json, id > 0 ? "," : "");
    if (vocabulary->kind == KIND_UNIGRAM)
      g_string_append_c (json, '[');
    append_json (json, vocabulary->texts->pdata[id]);
    if (vocabulary->kind == KIND_UNIGRAM)
      g_string_append_printf (json, ",-%u.0]", id);
    else
      g_string_append_printf (json, ":%u", id);
  }
}

static void
append_added (GString *json, const Vocabulary *vocabulary)
{
  gboolean is_first = TRUE;

  for (guint32 id = 0; id < vocabulary->texts->len; id++) {
    gint32 type = g_array_index (vocabulary->types, gint32, id);

    if (type != TYPE_CONTROL && type != TYPE_UNKNOWN)
      continue;
    g_string_append_printf (
        json, "%s{\"id\":%u,\"content\":", is_first ? "" : ",", id);
    append_json (json, vocabulary->texts->pdata[id]);
    g_string_append (json, ",\"single_word\":false,\"lstrip\":false,\"rstrip\":"
                           "false,\"normalized\":false,\"special\":true}");
    is_first = FALSE;
  }
}

/* An expression that no published tokenizer has. */
#define BYTE_LEVEL                                                             \
  "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Sequence\","              \
  "\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"             \
  "\"[^\\\\s]+|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":false},"         \
  "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,"  \
  "\"use_regex\":false}]},\"post_processor\":null,\"decoder\":{\"type\":"      \
  "\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"             \
  "\"use_regex\":true},\"model\":{\"type\":\"BPE\",\"merges\":[\"h e\","       \
  "\"l l\"],\"vocab\":{"
#define SPM                                                                    \
  "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"          \
  "\"Prepend\",\"prepend\":\"" METASPACE                                       \
  "\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":"      \
  "\"" METASPACE                                                               \
  "\"}]},\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":{"         \
  "\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":"     \
  "{\"String\":\"" METASPACE                                                   \
  "\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"    \
  "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]},\"model\":" \
  "{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,"               \
  "\"byte_fallback\":true,\"merges\":[],\"vocab\":{"
#define UNIGRAM                                                                \
  "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Metaspace\","             \
  "\"replacement\":\"" METASPACE                                               \
  "\",\"add_prefix_space\":true},\"post_processor\":null,\"decoder\":{"        \
  "\"type\":\"Metaspace\",\"replacement\":\"" METASPACE                        \
  "\",\"add_prefix_space\":true},\"model\":{\"type\":\"Unigram\",\"unk_id\":"  \
  "%u,\"vocab\":["

static GBytes *
make_vocab_txt (const Vocabulary *vocabulary)
{
  GString *text = g_string_new (NULL);

  for (guint32 id = 0; id < vocabulary->texts->len; id++) {
    const char *spelled = vocabulary->texts->pdata[id];

    if (g_str_has_prefix (spelled, METASPACE))
      g_string_append (text, spelled + strlen (METASPACE));
    else
      g_string_append_printf (text, "%s%s",
          spelled[0] == '[' && spelled[1] != '\0' ? "" : "##", spelled);
    g_string_append_c (text, '\n');
  }
  return g_string_free_to_bytes (text);
}

static guint32
find_unknown (const Vocabulary *vocabulary)
{
  for (guint32 id = 0; id < vocabulary->texts->len; id++) {
    if (strcmp (vocabulary->texts->pdata[id], "<unk>") == 0)
      return id;
  }
  g_assert_not_reached ();
}

GBytes *
test_family_make_tokenizer (const BnFamily *family, const char **name)
{
  g_auto (Vocabulary) vocabulary = make_vocabulary (family);
  GString *json = g_string_new ("{\"version\":\"1.0\",\"truncation\":null,"
                                "\"padding\":null,\"added_tokens\":[");

  *name = "tokenizer.json";
  if (vocabulary.kind == KIND_WORDPIECE) {
    g_string_free (json, TRUE);
    *name = "vocab.txt";
    return make_vocab_txt (&vocabulary);
  }
  append_added (json, &vocabulary);
  g_string_append (json, "],");
  if (vocabulary.kind == KIND_BYTE_LEVEL)
    g_string_append (json, BYTE_LEVEL);
  else if (vocabulary.kind == KIND_SPM)
    g_string_append (json, SPM);
  else
    g_string_append_printf (json, UNIGRAM, find_unknown (&vocabulary));
  append_vocab (json, &vocabulary);
  g_string_append (json, vocabulary.kind == KIND_UNIGRAM ? "]}}" : "}}}");
  return g_string_free_to_bytes (json);
}

gboolean
test_family_owns (const BnFamily *family, BitnetTokenizer *tokenizer)
{
  /* Ids that no landmark and no letter has. */
  guint32 id = get_n_tokens (family) - get_n_tokens (family) / 3;
  g_autofree char *filler = NULL;

  for (guint i = 0; i < family->landmarks->len; i++) {
    if (g_array_index (family->landmarks, BnLandmark, i).id == id)
      id++;
  }
  filler = make_filler (family, id);
  if (get_kind (family) == KIND_WORDPIECE
      && bitnet_tokenizer_lookup (tokenizer, filler) == BITNET_TOKEN_NONE)
    return bitnet_tokenizer_lookup (tokenizer, filler + strlen (METASPACE))
           == id;
  return bitnet_tokenizer_lookup (tokenizer, filler) == id;
}
