/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Folders of tokenizer files: on disk and in memory, where what a hub has sent
 * lies under names. Both must give the same tokenizers, whichever files are
 * there, and read what lies beside them. */
#include <glib/gstdio.h>
#include <string.h>

#include "bitnet-error.h"
#include "bitnet-tokenizer-private.h"
#include "bn-source.h"

/* Files by name; counts how often each was asked for. */
typedef struct {
  BnFolder base;
  GHashTable *files;    /* char * -> GBytes */
  GHashTable *requests; /* char * -> number */
} MemoryFolder;

static gboolean
open_in_memory (
    const BnFolder *folder, const char *name, BnOpenFile *file, GError **error)
{
  const MemoryFolder *self = (const MemoryFolder *) folder;
  GBytes *bytes = g_hash_table_lookup (self->files, name);
  g_autofree char *path = g_strdup_printf ("%s/%s", folder->name, name);
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (self->requests, name));

  g_hash_table_insert (
      self->requests, g_strdup (name), GUINT_TO_POINTER (n + 1));
  if (bytes == NULL) {
    g_set_error (
        error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s: no such file", path);
    return FALSE;
  }
  return bn_file_open_bytes (file, path, bytes, error);
}

typedef struct {
  MemoryFolder memory;
  char *path; /* of the same files on disk */
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->memory.base = (BnFolder){"owner/name@main", open_in_memory, NULL};
  self->memory.files = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  self->memory.requests =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->path = g_dir_make_tmp ("bitnet-folder-XXXXXX", NULL);
  g_assert_nonnull (self->path);
}

static void
empty_folder (Fixture *self)
{
  g_autoptr (GDir) dir = g_dir_open (self->path, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (self->path, name, NULL);

    g_remove (path);
  }
  g_hash_table_remove_all (self->memory.files);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  empty_folder (self);
  g_rmdir (self->path);
  g_free (self->path);
  g_hash_table_unref (self->memory.files);
  g_hash_table_unref (self->memory.requests);
}

static void
add_bytes (Fixture *self, const char *name, const char *contents, gsize size)
{
  g_autofree char *path = g_build_filename (self->path, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, contents, (gssize) size, &error);
  g_assert_no_error (error);
  g_hash_table_insert (
      self->memory.files, g_strdup (name), g_bytes_new (contents, size));
}

static void
add (Fixture *self, const char *name, const char *contents)
{
  add_bytes (self, name, contents, strlen (contents));
}

/* Of the folder, or of one file in it, in memory or on disk. */
static BitnetTokenizer *
load (Fixture *self, gboolean on_disk, const char *name, GError **error)
{
  BnDiskFolder disk;

  bn_disk_folder_init (&disk, self->path);
  return bitnet_tokenizer_new_from_folder (
      on_disk ? &disk.base : &self->memory.base, name, BITNET_FIDELITY_AUTO,
      NULL, error);
}

/* The characters of the GPT-2 table for all bytes, "ab" and an added token. */
static char *
make_vocab_json (void)
{
  g_autoptr (GString) json = g_string_new ("{");

  for (guint byte = 0; byte < 256; byte++) {
    char text[8] = "";

    text[g_unichar_to_utf8 (bn_byte_level_encode ((uint8_t) byte), text)] = 0;
    g_string_append_printf (json, "%s\"%s%s\":%u", byte > 0 ? "," : "",
        *text == '"' || *text == '\\' ? "\\" : "", text, byte);
  }
  g_string_append (json, ",\"ab\":256,\"<|endoftext|>\":257}");
  return g_string_free (g_steal_pointer (&json), FALSE);
}

static char *
make_tokenizer_json (const char *vocab)
{
  return g_strdup_printf (
      "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,"
      "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
      "\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":null,"
      "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
      "\"trim_offsets\":true,\"use_regex\":true},\"model\":{\"type\":\"BPE\","
      "\"vocab\":%s,\"merges\":[]}}",
      vocab);
}

/* The smallest SentencePiece model: <unk> and three pieces. */
static const char sp_model[] =
    "\x0A\x0E\x0A\x05<unk>\x15\x00\x00\x00\x00\x18\x02"
    "\x0A\x0A\x0A\x03\xE2\x96\x81\x15\x00\x00\x80\xBF"
    "\x0A\x08\x0A\x01"
    "a"
    "\x15\x00\x00\x00\xC0"
    "\x0A\x08\x0A\x01"
    "b"
    "\x15\x00\x00\x40\xC0"
    "\x12\x02\x18\x02";

enum { JSON = 1, MODEL = 2, VOCAB = 4, MERGES = 8, ALL = 16 };

/* What a folder with a subset gives; NULL: nothing. */
static const char *
get_algorithm (unsigned subset)
{
  if (subset & JSON)
    return "bpe";
  if (subset & MODEL)
    return "spm";
  return (subset & VOCAB) && (subset & MERGES) ? "bpe" : NULL;
}

/* All combinations, X10: one half of a pair is no tokenizer. */
static void
test_subsets (Fixture *self, gconstpointer data)
{
  g_autofree char *vocab = make_vocab_json ();
  g_autofree char *json = make_tokenizer_json (vocab);

  for (unsigned i = 0; i < 2 * ALL; i++) {
    unsigned subset = i / 2;
    gboolean on_disk = i % 2;
    const char *expected = get_algorithm (subset);
    g_autoptr (GError) error = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = NULL;

    empty_folder (self);
    if (subset & JSON)
      add (self, "tokenizer.json", json);
    if (subset & MODEL)
      add_bytes (self, "tokenizer.model", sp_model, sizeof sp_model - 1);
    if (subset & VOCAB)
      add (self, "vocab.json", vocab);
    if (subset & MERGES)
      add (self, "merges.txt", "#version: 0.2\na b\n");
    if (expected == NULL && subset != 0)
      g_test_expect_message ("bitnet", G_LOG_LEVEL_WARNING, "*next file*");

    g_test_message ("subset %u, on disk %d", subset, on_disk);
    tokenizer = load (self, on_disk, NULL, &error);
    g_test_assert_expected_messages ();
    if (expected) {
      g_assert_no_error (error);
      g_assert_cmpstr (
          bitnet_tokenizer_get_algorithm (tokenizer), ==, expected);
    } else {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
      g_assert_nonnull (strstr (
          error->message, on_disk ? self->path : self->memory.base.name));
    }
  }
}

/* Either half finds the other one where it lies itself. */
static void
test_pair (Fixture *self, gconstpointer data)
{
  static const char *const names[] = {"vocab.json", "merges.txt"};
  g_autofree char *vocab = make_vocab_json ();

  add (self, "vocab.json", vocab);
  add (self, "merges.txt", "#version: 0.2\na b\n");
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (BitnetTokenizer) memory = load (self, FALSE, names[i], &error);
    g_autoptr (BitnetTokenizer) disk = NULL;

    g_assert_no_error (error);
    disk = load (self, TRUE, names[i], &error);
    g_assert_no_error (error);
    g_assert_cmpstr (
        bitnet_tokenizer_get_id (memory), ==, bitnet_tokenizer_get_id (disk));
  }
}

/* What lies beside a file is read where that lies. */
static void
test_beside (Fixture *self, gconstpointer data)
{
  g_autofree char *vocab = make_vocab_json ();
  g_autofree char *json = make_tokenizer_json (vocab);

  add (self, "tokenizer.json", json);
  add (self, "tokenizer_config.json",
      "{\"add_bos_token\":true,\"bos_token\":\"ab\"}");
  add (self, "generation_config.json", "{\"eos_token_id\":97}");
  add (self, "chat_template.jinja", "T");
  for (int on_disk = 0; on_disk < 2; on_disk++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (BitnetTokenizer) tokenizer =
        load (self, on_disk, "tokenizer.json", &error);

    g_assert_no_error (error);
    g_assert_cmpstr (bitnet_tokenizer_get_chat_template (tokenizer), ==, "T");
    g_assert_cmpuint (
        bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_BOS), ==, 256);
    g_assert_true (bitnet_tokenizer_get_add_bos (tokenizer));
    g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 97));
  }
  g_assert_true (
      g_hash_table_contains (self->memory.requests, "special_tokens_map.json"));
}

static void
test_errors (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_assert_null (load (self, FALSE, "tokenizer.json", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);

  /* Not on disk, where an empty file is written all the same. */
  add (self, "tokenizer.json", "");
  for (int on_disk = 0; on_disk < 2; on_disk++) {
    g_assert_null (load (self, on_disk, "tokenizer.json", &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
    g_assert_nonnull (strstr (error->message, "empty"));
    g_clear_error (&error);
  }

  add (self, "tokenizer.json", "<html>");
  g_assert_null (load (self, FALSE, "tokenizer.json", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_assert_true (
      g_str_has_prefix (error->message, "owner/name@main/tokenizer.json: "));
  g_clear_error (&error);

  g_cancellable_cancel (cancellable);
  g_assert_null (bitnet_tokenizer_new_from_folder (
      &self->memory.base, NULL, BITNET_FIDELITY_AUTO, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* In memory, a file that cannot be read is not one that is not there. */
static void
test_broken (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;

  add (self, "tokenizer.json", "{\"version\":\"1.0\",");
  add_bytes (self, "tokenizer.model", sp_model, sizeof sp_model - 1);
  g_test_expect_message (
      "bitnet", G_LOG_LEVEL_WARNING, "*name@main/tokenizer.json*next file*");
  tokenizer = load (self, FALSE, NULL, &error);
  g_test_assert_expected_messages ();
  g_assert_no_error (error);
  g_assert_cmpstr (bitnet_tokenizer_get_algorithm (tokenizer), ==, "spm");
}

static void
test_names (void)
{
  const char *const *names = bn_source_list_names ();

  g_assert_cmpstr (names[0], ==, "tokenizer.json");
  g_assert_true (g_strv_contains (names, "tokenizer.model"));
  g_assert_true (g_strv_contains (names, "vocab.txt"));
  g_assert_false (g_strv_contains (names, "tokenizer_config.json"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function)                                                    \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/folder/B18/subsets", test_subsets);
  ADD ("/folder/B18/pair", test_pair);
  ADD ("/folder/B19/broken", test_broken);
  ADD ("/folder/beside", test_beside);
  ADD ("/folder/errors", test_errors);
  g_test_add_func ("/folder/names", test_names);
  return g_test_run ();
}
