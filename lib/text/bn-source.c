/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells the formats apart and reads the files that belong together.
 *
 * A name says little: tokenizer.model is one of two formats, and what a
 * download left behind may be an error page. So the first bytes decide, and
 * what is no tokenizer is called what it is. */
#include "bn-source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bitnet-error.h"
#include "bn-beside.h"
#include "bn-rwkvtxt.h"
#include "bn-sentencepiece.h"
#include "bn-tekken.h"
#include "bn-tiktoken.h"
#include "bn-tokjson-compiled.h"
#include "bn-tokjson.h"
#include "bn-vocabjson.h"
#include "bn-vocabtxt.h"

/* What a reader gets. */
typedef struct {
  const BnFile *file;
  BnJson root; /* of files in JSON */
  const BnFolder *folder;
  BnBeside *beside;
  BnStore *store; /* for tables of file; or NULL */
  BnFidelity fidelity;
  GCancellable *cancellable;
} Source;

static void
source_clear (Source *self)
{
  g_clear_pointer (&self->beside, bn_beside_free);
  g_clear_pointer (&self->store, bn_store_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Source, source_clear)

typedef BnTokenizer *(*LoadFn) (const Source *source, GError **error);

gboolean
bn_source_is_gguf (const char *path, gboolean *is_gguf, GError **error)
{
  char magic[4];
  ssize_t n_read;
  int file = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (file < 0) {
    int code = errno;

    g_set_error (error, G_IO_ERROR, (gint) g_io_error_from_errno (code),
        "%s: cannot be opened: %s", path, g_strerror (code));
    return FALSE;
  }
  n_read = read (file, magic, sizeof magic);
  close (file);
  *is_gguf = n_read == (ssize_t) sizeof magic && memcmp (magic, "GGUF", 4) == 0;
  return TRUE;
}

/* Sets the error of a file that is no tokenizer; returns NULL. */
static BnTokenizer *
refuse (
    const BnFile *file, const char *found, const char *advice, GError **error)
{
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
      "%s: found %s, expected a tokenizer; %s", file->path, found, advice);
  return NULL;
}

static gboolean
begins_with (const BnFile *file, const char *bytes, size_t length)
{
  return file->size >= length && memcmp (file->text, bytes, length) == 0;
}

/* Formats that are no tokenizer, by their first bytes. */
static const struct {
  const char *bytes;
  size_t length;
  const char *found, *advice;
} foreign_formats[] = {
#define FOREIGN(bytes, found, advice)                                          \
  {                                                                            \
    bytes, sizeof bytes - 1, found, advice                                     \
  }
#define UNPACK "unpack it first"
    FOREIGN ("GGUF", "a GGUF file", "open it as a model"),
    FOREIGN ("version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, which stands for the file that it names",
        "fetch that with \"git lfs pull\""),
    FOREIGN ("\x1F\x8B", "data packed with gzip", UNPACK),
    FOREIGN ("BZh", "data packed with bzip2", UNPACK),
    FOREIGN ("\xFD"
             "7zXZ\0",
        "data packed with xz", UNPACK),
    FOREIGN ("\x28\xB5\x2F\xFD", "data packed with zstd", UNPACK),
    FOREIGN ("\x04\x22\x4D\x18", "data packed with lz4", UNPACK),
    FOREIGN ("7z\xBC\xAF\x27\x1C", "a 7z archive", UNPACK),
    FOREIGN ("PK\x03\x04", "a zip archive or a PyTorch file",
        "unpack it, or use tokenizer.json of the model"),
    FOREIGN ("\x80\x02", "a Python pickle", "use tokenizer.json of the model"),
    FOREIGN ("\x80\x03", "a Python pickle", "use tokenizer.json of the model"),
    FOREIGN ("\x80\x04", "a Python pickle", "use tokenizer.json of the model"),
    FOREIGN ("\x80\x05", "a Python pickle", "use tokenizer.json of the model"),
    FOREIGN ("\x89HDF", "an HDF5 file", "use tokenizer.json of the model"),
    FOREIGN ("\xFF\xFE", "text in UTF-16", "write it as UTF-8"),
    FOREIGN ("\xFE\xFF", "text in UTF-16", "write it as UTF-8"),
    FOREIGN ("\xEF\xBB\xBF", "a byte order mark", "write the text without one"),
    FOREIGN ("\x7F"
             "ELF",
        "a program", "use tokenizer.json of the model"),
    FOREIGN ("%PDF", "a PDF document", "use tokenizer.json of the model"),
#undef UNPACK
#undef FOREIGN
};

/* The first character that is no white space, or '\0'. */
static const char *
skip_space (const BnFile *file)
{
  const char *p = file->text, *end = p + file->size;

  while (p < end && g_ascii_isspace (*p))
    p++;
  return p < end ? p : "";
}

static gboolean
is_html (const BnFile *file)
{
  static const char *const starts[] = {"<!doctype", "<html", "<head", "<?xml"};
  const char *p = skip_space (file);
  size_t left = *p ? (size_t) (file->text + file->size - p) : 0;

  for (size_t i = 0; i < G_N_ELEMENTS (starts); i++) {
    if (left >= strlen (starts[i])
        && g_ascii_strncasecmp (p, starts[i], strlen (starts[i])) == 0)
      return TRUE;
  }
  return FALSE;
}

/* safetensors begin with the length of a JSON object that follows. */
static gboolean
is_safetensors (const BnFile *file)
{
  return file->size > 9 && file->text[8] == '{' && file->text[6] == '\0'
         && file->text[7] == '\0';
}

static BnTokenizer *
load_tokjson (const Source *source, GError **error)
{
  BnTokenizer *self = bn_tokjson_read_into (source->root, source->fidelity,
      source->store, source->cancellable, error);

  if (self)
    bn_beside_apply (source->beside, self);
  return self;
}

static BnTokenizer *
load_tekken (const Source *source, GError **error)
{
  return bn_tekken_load (source->root, source->beside, source->fidelity,
      source->cancellable, error);
}

static BnTokenizer *
load_tiktoken (const Source *source, GError **error)
{
  return bn_tiktoken_load (source->file, source->beside, source->fidelity,
      source->cancellable, error);
}

/* Number of pieces in a SentencePiece model: of fields 1 at its top level. */
static uint32_t
count_pieces (const BnFile *file)
{
  const uint8_t *p = (const uint8_t *) file->text, *end = p + file->size;
  uint32_t n = 0;

  while (p < end) {
    gboolean is_piece = *p == 0x0A;
    uint64_t length = 0;

    if ((*p++ & 7) != 2) /* others come after the pieces */
      break;
    for (unsigned shift = 0; p < end && shift < 63; shift += 7) {
      length |= (uint64_t) (*p & 0x7F) << shift;
      if (!(*p++ & 0x80))
        break;
    }
    if (length > (size_t) (end - p))
      break;
    p += length;
    n += is_piece;
  }
  return n;
}

static int
compare_ids (const void *a, const void *b)
{
  const BnBesideToken *const *left = a, *const *right = b;

  return (*left)->id < (*right)->id ? -1 : (*left)->id > (*right)->id;
}

static unsigned
attributes_of (const BnBesideToken *token)
{
  unsigned attributes = token->flags & BN_ADDED_SPECIAL ? BN_TOKEN_CONTROL
                                                        : BN_TOKEN_USER_DEFINED;

  if (token->flags & BN_ADDED_LSTRIP)
    attributes |= BN_TOKEN_LSTRIP;
  if (token->flags & BN_ADDED_RSTRIP)
    attributes |= BN_TOKEN_RSTRIP;
  return attributes;
}

/* With the added tokens whose ids follow those of the model. */
static BnTokenizer *
load_sentencepiece (const Source *source, GError **error)
{
  const BnBeside *beside = source->beside;
  g_autoptr (GPtrArray) tokens = g_ptr_array_new ();
  g_autofree const char **added = g_new (const char *, beside->added->len + 1);
  g_autofree unsigned *attributes = g_new (unsigned, beside->added->len + 1);
  BnSentencepieceOptions options = {.fidelity = source->fidelity,
      .prefix_once = beside->legacy == FALSE,
      .add_bos = beside->add_bos,
      .add_eos = beside->add_eos,
      .added = added,
      .added_attributes = attributes};
  uint32_t next = count_pieces (source->file);
  BnTokenizer *self;

  for (guint i = 0; i < beside->added->len; i++)
    g_ptr_array_add (tokens, &g_array_index (beside->added, BnBesideToken, i));
  g_ptr_array_sort (tokens, compare_ids);
  for (guint i = 0; i < tokens->len; i++) {
    const BnBesideToken *token = tokens->pdata[i];

    if (token->id == next) {
      added[options.n_added] = token->text;
      attributes[options.n_added++] = attributes_of (token);
      next++;
    } else if (token->id > next && token->id != BN_TOKEN_NONE) {
      g_warning ("%s: added token \"%s\" has id %u, expected %u; it and those "
                 "behind it are left out",
          source->file->path, token->text, token->id, next);
      break;
    }
  }
  self = bn_sentencepiece_load (
      source->file, &options, source->cancellable, error);
  if (self)
    bn_beside_apply (beside, self);
  return self;
}

/* Two files make one tokenizer; other is the name of the one that is not
 * source->file. */
static BnTokenizer *
load_pair (
    const Source *source, const char *other, gboolean is_vocab, GError **error)
{
  g_auto (BnOpenFile) open = {.path = NULL};
  g_autoptr (GError) local = NULL;

  if (!source->folder->open (source->folder, other, &open, &local)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s: found %s, which alone is no tokenizer, expected a second file: %s",
        source->file->path, is_vocab ? "a vocabulary" : "a list of merges",
        local->message);
    return NULL;
  }
  return bn_vocabjson_load (is_vocab ? source->file : &open.file,
      is_vocab ? &open.file : source->file, source->beside, source->fidelity,
      source->cancellable, error);
}

static gboolean
has_name (const Source *source, const char *name)
{
  g_autofree char *base = g_path_get_basename (source->file->path);

  return strcmp (base, name) == 0;
}

static BnTokenizer *
load_vocab_json (const Source *source, GError **error)
{
  return load_pair (source,
      has_name (source, "encoder.json") ? "vocab.bpe" : "merges.txt", TRUE,
      error);
}

static BnTokenizer *
load_merges (const Source *source, GError **error)
{
  return load_pair (source,
      has_name (source, "vocab.bpe") ? "encoder.json" : "vocab.json", FALSE,
      error);
}

/* JSON objects that lie beside tokenizers, by a member that they have. */
static const struct {
  const char *member, *found;
} companions[] = {
    {"tokenizer_class", "the file tokenizer_config.json"},
    {"added_tokens_decoder", "the file tokenizer_config.json"},
    {"architectures", "the file config.json of a model"},
    {"model_type", "the file config.json of a model"},
    {"transformers_version", "a configuration of transformers"},
    {"weight_map", "the index of a model's weights"},
    {"chat_template", "a chat template"},
    {"bos_token", "the file special_tokens_map.json"},
    {"eos_token", "the file special_tokens_map.json"},
    {"unk_token", "the file special_tokens_map.json"},
    {"cls_token", "the file special_tokens_map.json"},
    {"error", "an error message"},
};

/* Whether the first members of an object are ids. */
static gboolean
is_vocabulary (BnJson root)
{
  enum { N_LOOKS = 8 };
  BnJson key, value;
  BnJsonIter iter;
  int n = 0;

  bn_json_iter_init (&iter, root);
  for (; n < N_LOOKS && bn_json_iter_next (&iter, &key, &value); n++) {
    if (bn_json_get_type (value) != BN_JSON_NUMBER)
      return FALSE;
  }
  return n > 0;
}

static BnTokenizer *
load_json (Source *source, GError **error)
{
  BnJsonDocument document = {.path = source->file->path,
      .text = source->file->text,
      .size = source->file->size};
  BnJson value;

  if (!bn_json_open (&document, &source->root, error))
    return NULL;
  if (bn_json_get_type (source->root) != BN_JSON_OBJECT)
    return refuse (source->file, "JSON that is no object",
        "use tokenizer.json of the model", error);
  if (bn_tekken_is_tekken (source->root))
    return load_tekken (source, error);
  if (bn_json_find (source->root, "model", &value)
      && bn_json_get_type (value) == BN_JSON_OBJECT)
    return load_tokjson (source, error);
  if (has_name (source, "added_tokens.json"))
    return refuse (source->file, "the file added_tokens.json",
        "it only completes one, give its folder", error);
  if (is_vocabulary (source->root))
    return load_vocab_json (source, error);
  for (size_t i = 0; i < G_N_ELEMENTS (companions); i++) {
    if (bn_json_find (source->root, companions[i].member, &value))
      return refuse (source->file, companions[i].found,
          "give the folder or tokenizer.json of the model", error);
  }
  return load_tokjson (source, error);
}

/* Whether a text has lines of "left right" that begin with a version, or the
 * name that such a file has. */
static gboolean
is_merges (const Source *source)
{
  return begins_with (source->file, "#version", strlen ("#version"))
         || has_name (source, "merges.txt") || has_name (source, "vocab.bpe");
}

static gboolean
has_line (const BnFile *file, const char *line)
{
  size_t length = strlen (line);

  for (const char *p = file->text, *end = p + file->size; p < end;) {
    const char *newline = memchr (p, '\n', (size_t) (end - p));
    size_t size = (size_t) ((newline ? newline : end) - p);

    if (size > 0 && p[size - 1] == '\r')
      size--;
    if (size == length && memcmp (p, line, length) == 0)
      return TRUE;
    p = newline ? newline + 1 : end;
  }
  return FALSE;
}

/* A piece in each line: WordPiece. Any text is one, so the name or a piece
 * that all have must tell. */
static gboolean
is_vocab_txt (const Source *source)
{
  const BnFile *file = source->file;
  size_t bad;

  return !memchr (file->text, '\0', file->size)
         && bn_utf8_validate ((const uint8_t *) file->text, file->size, &bad)
         && (has_name (source, "vocab.txt") || has_line (file, "[UNK]")
             || has_line (file, "[PAD]"));
}

static BnTokenizer *
load_vocab_txt (const Source *source, GError **error)
{
  const BnBeside *beside = source->beside;
  BnVocabTxtOptions options = {.fidelity = source->fidelity,
      .do_lower_case = beside->do_lower_case,
      .tokenize_chinese_chars = beside->tokenize_chinese_chars,
      .strip_accents = beside->strip_accents};
  BnTokenizer *self;

  for (int role = 0; role < BN_N_ROLES; role++)
    options.names[role] = beside->roles[role];
  self = bn_vocabtxt_load (source->file, &options, source->cancellable, error);
  if (self)
    bn_beside_apply (beside, self);
  return self;
}

static BnTokenizer *
load_file (Source *source, GError **error)
{
  const BnFile *file = source->file;

  for (size_t i = 0; i < G_N_ELEMENTS (foreign_formats); i++) {
    if (begins_with (file, foreign_formats[i].bytes, foreign_formats[i].length))
      return refuse (
          file, foreign_formats[i].found, foreign_formats[i].advice, error);
  }
  if (is_html (file))
    return refuse (file, "a web page",
        "a download failed and left it behind, fetch the file again", error);
  if (bn_sentencepiece_is_model (file))
    return load_sentencepiece (source, error);
  if (*skip_space (file) == '{')
    return load_json (source, error);
  if (bn_tiktoken_is_ranks (file))
    return load_tiktoken (source, error);
  if (is_safetensors (file))
    return refuse (file, "the weights of a model (safetensors)",
        "use tokenizer.json of the model", error);
  if (bn_rwkvtxt_is_vocabulary (file))
    return bn_rwkvtxt_load (file, source->fidelity, source->cancellable, error);
  if (is_merges (source))
    return load_merges (source, error);
  if (is_vocab_txt (source))
    return load_vocab_txt (source, error);
  return refuse (file, "data of an unknown format",
      "tokenizer.json, tekken.json, tokenizer.model (SentencePiece or "
      "tiktoken), vocab.json with merges.txt, vocab.txt, the vocabulary of "
      "RWKV "
      "World and GGUF can be read",
      error);
}

static void
need_beside (Source *source)
{
  if (source->beside == NULL)
    source->beside = bn_beside_new (source->folder);
}

/* From the tables that are kept; NULL if there are none. */
static BnTokenizer *
load_tables (Source *source, const char *name)
{
  BnCompiled *compiled = bn_store_load (source->store);
  g_autofree char *path = g_strdup_printf ("%s/%s", source->folder->name, name);
  g_autoptr (GError) error = NULL;
  BnTokenizer *self;

  if (compiled == NULL)
    return NULL;
  self = bn_tokjson_read_compiled (compiled, path, source->fidelity, &error);
  if (self == NULL) {
    g_info ("%s; it is read again", error->message);
    return NULL;
  }
  need_beside (source);
  bn_beside_apply (source->beside, self);
  return self;
}

/* The file of that name in the folder, which is opened at path if that is not
 * NULL, and only if nothing is known of it. */
static BnTokenizer *
load_named (Source *source, const char *name, const char *path, GError **error)
{
  g_auto (BnOpenFile) open = {.path = NULL};
  BnTokenizer *self = NULL;
  gboolean is_known;

  g_clear_pointer (&source->store, bn_store_free);
  source->store =
      bn_tokjson_store_open (source->folder, name, source->fidelity, &is_known);
  if (is_known)
    self = load_tables (source, name);
  if (self)
    return self;

  if (!(path ? bn_file_open (&open, path, error)
             : source->folder->open (source->folder, name, &open, error)))
    return NULL;
  if (source->store && !is_known) {
    bn_tokjson_store_digest (source->store, &open.file, source->fidelity);
    self = load_tables (source, name);
  }
  if (self)
    return self;
  need_beside (source);
  source->file = &open.file;
  self = load_file (source, error);
  source->file = NULL;
  return self;
}

/* Files of a folder, the most exact first. */
static const char *const file_names[] = {
    "tokenizer.json",
    "tekken.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tiktoken.model",
    "qwen.tiktoken",
    "vocab.json",
    "encoder.json",
    "vocab.txt",
    "merges.txt",
    NULL,
};

/* A file that is there and cannot be read is left out with a warning; the
 * first of them is what to look into if nothing else is there. */
static BnTokenizer *
load_folder (Source *source, GError **error)
{
  g_autoptr (GError) first = NULL;

  for (const char *const *name = file_names; *name; name++) {
    g_autoptr (GError) local = NULL;
    BnTokenizer *self;

    if (g_cancellable_set_error_if_cancelled (source->cancellable, error))
      return NULL;
    self = load_named (source, *name, NULL, &local);
    if (self)
      return self;
    if (g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
      continue;
    if (g_error_matches (local, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
    g_warning ("%s; the next file is tried", local->message);
    if (first == NULL)
      first = g_steal_pointer (&local);
  }
  if (first)
    g_propagate_prefixed_error (error, g_steal_pointer (&first),
        "%s: no tokenizer in the folder can be read; the first: ",
        source->folder->name);
  else
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s: found no tokenizer in the folder, expected tokenizer.json, "
        "tekken.json, tokenizer.model, vocab.json with merges.txt, or "
        "vocab.txt",
        source->folder->name);
  return NULL;
}

const char *const *
bn_source_list_names (void)
{
  return file_names;
}

BnTokenizer *
bn_source_load_from (const BnFolder *folder, const char *name,
    BnFidelity fidelity, GCancellable *cancellable, GError **error)
{
  g_auto (Source) source = {
      .folder = folder, .fidelity = fidelity, .cancellable = cancellable};

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  if (name)
    return load_named (&source, name, NULL, error);
  need_beside (&source);
  return load_folder (&source, error);
}

BnTokenizer *
bn_source_load (const char *path, BnFidelity fidelity,
    GCancellable *cancellable, GError **error)
{
  g_autofree char *parent = NULL;
  g_autofree char *name = NULL;
  BnDiskFolder folder;
  g_auto (Source) source = {
      .folder = &folder.base, .fidelity = fidelity, .cancellable = cancellable};

  if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
    bn_disk_folder_init (&folder, path);
    return bn_source_load_from (
        &folder.base, NULL, fidelity, cancellable, error);
  }
  /* Messages name the file as the user does. */
  parent = g_path_get_dirname (path);
  bn_disk_folder_init (&folder, parent);
  name = g_path_get_basename (path);
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  return load_named (&source, name, path, error);
}
