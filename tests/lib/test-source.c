/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files and folders that hold tokenizers, or something else: small ones that
 * the test writes. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bitnet-error.h"
#include "bitnet-tokenizer-private.h"
#include "bn-beside.h"
#include "bn-tiktoken.h"
#include "gguf/bn-gguf.h"
#include "test-vocab.h"

enum { NONE = G_MAXINT };

typedef struct {
  char *folder;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("bitnet-source-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
}

static void
empty_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    g_remove (path);
  }
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  empty_folder (self->folder);
  g_rmdir (self->folder);
  g_free (self->folder);
}

static void
write_bytes (
    Fixture *self, const char *name, const char *contents, gssize length)
{
  g_autofree char *path = g_build_filename (self->folder, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, contents, length, &error);
  g_assert_no_error (error);
}

static void
write_file (Fixture *self, const char *name, const char *contents)
{
  write_bytes (self, name, contents, -1);
}

static BitnetTokenizer *
load (Fixture *self, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (self->folder, name, NULL);

  return bitnet_tokenizer_new_from_file (
      path, BITNET_FIDELITY_AUTO, NULL, error);
}

/* The characters of the GPT-2 table for all bytes and "ab", as vocab.json. */
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
make_tokenizer_json (void)
{
  g_autofree char *vocab = make_vocab_json ();

  return g_strdup_printf (
      "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,"
      "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
      "\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":null,"
      "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
      "\"trim_offsets\":true,\"use_regex\":true},\"model\":{\"type\":\"BPE\","
      "\"vocab\":%s,\"merges\":[]}}",
      vocab);
}

/* Lines of n_ranks ranks but one: the bytes, "ab", then texts that nothing
 * contains. */
static char *
make_ranks (guint n_ranks, guint left_out)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint rank = 0; rank < n_ranks; rank++) {
    guchar bytes[6] = {(guchar) rank};
    gsize length = 1;
    g_autofree char *encoded = NULL;

    if (rank == left_out)
      continue;
    if (rank == 256) {
      memcpy (bytes, "ab", length = 2);
    } else if (rank > 256) {
      memcpy (bytes, "\xFF\xFE", 2);
      memcpy (bytes + 2, &rank, length = sizeof rank);
      length += 2;
    }
    encoded = g_base64_encode (bytes, length);
    g_string_append_printf (text, "%s %u\n", encoded, rank);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
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

static char *
print_ids (BitnetTokenizer *tokenizer, const char *text, guint flags)
{
  GString *ids_text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  gsize n_ids;
  g_autofree guint32 *ids = bitnet_tokenizer_encode (
      tokenizer, text, -1, (BitnetEncodeFlags) flags, &n_ids, &error);

  g_assert_no_error (error);
  for (gsize i = 0; i < n_ids; i++)
    g_string_append_printf (ids_text, "%s%u", i > 0 ? " " : "", ids[i]);
  return g_string_free (ids_text, FALSE);
}

static void
expect_ids (BitnetTokenizer *tokenizer, const char *text, guint flags,
    const char *expected)
{
  g_autofree char *found = print_ids (tokenizer, text, flags);

  g_assert_cmpstr (found, ==, expected);
}

/* Which file of a folder counts; all that B18 names, in all combinations. */
static void
test_folders (Fixture *self, gconstpointer data)
{
  enum { JSON = 1, MODEL = 2, VOCAB = 4, MERGES = 8, ALL = 16 };
  g_autofree char *json = make_tokenizer_json ();

  for (unsigned subset = 0; subset < ALL; subset++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = NULL;

    empty_folder (self->folder);
    if (subset & JSON)
      write_file (self, "tokenizer.json", json);
    if (subset & MODEL)
      write_bytes (self, "tokenizer.model", sp_model, sizeof sp_model - 1);
    if (subset & VOCAB)
      write_file (
          self, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nab\n");
    if (subset & MERGES)
      write_file (self, "merges.txt", "#version: 0.2\na b\n");
    if (subset == MERGES)
      g_test_expect_message ("bitnet", G_LOG_LEVEL_WARNING, "*merges.txt*");

    tokenizer = load (self, "", &error);
    g_test_message ("subset %u", subset);
    g_test_assert_expected_messages ();
    if ((subset & ~MERGES) == 0) {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
      g_assert_null (tokenizer);
      g_assert_nonnull (strstr (error->message, self->folder));
      continue;
    }
    g_assert_no_error (error);
    g_assert_cmpstr (bitnet_tokenizer_get_algorithm (tokenizer), ==,
        subset & JSON    ? "bpe"
        : subset & MODEL ? "spm"
                         : "wordpiece");
  }
}

/* vocab.json makes a tokenizer of merges.txt, before vocab.txt. */
static void
test_pair (Fixture *self, gconstpointer data)
{
  static const char *const names[] = {"", "vocab.json", "merges.txt"};
  g_autofree char *vocab = make_vocab_json ();

  write_file (self, "vocab.json", vocab);
  write_file (self, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nab\n");
  write_file (self, "merges.txt", "#version: 0.2\na b\n");
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = load (self, names[i], &error);

    g_assert_no_error (error);
    expect_ids (tokenizer, "ab b", 0, "256 32 98");
    expect_ids (
        tokenizer, "a<|endoftext|>", BITNET_ENCODE_PARSE_SPECIAL, "97 257");
    g_assert_cmpuint (
        bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_EOS), ==, 257);
    g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 257));
  }
}

/* A file that cannot be read is left out. */
static void
test_corrupt (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;

  write_file (self, "tokenizer.json", "{\"version\":\"1.0\",");
  write_bytes (self, "tokenizer.model", sp_model, sizeof sp_model - 1);
  g_test_expect_message (
      "bitnet", G_LOG_LEVEL_WARNING, "*tokenizer.json*next file*");
  tokenizer = load (self, "", &error);
  g_test_assert_expected_messages ();
  g_assert_no_error (error);
  g_assert_cmpstr (bitnet_tokenizer_get_algorithm (tokenizer), ==, "spm");
}

/* What is no tokenizer is called what it is. */
static void
test_foreign (Fixture *self, gconstpointer data)
{
#define BYTES(text) text, sizeof text - 1
  static const struct {
    const char *name, *contents;
    gsize length;
    const char *message; /* a part of it */
  } cases[] = {
      {"tokenizer.model",
          BYTES ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
          "Git LFS pointer"},
      {"tokenizer.json", BYTES ("<!DOCTYPE html>\n<html></html>"), "web page"},
      {"a", BYTES (" \n<HTML>"), "web page"},
      {"a", BYTES ("\x1F\x8B\x08\x00"), "gzip"},
      {"a", BYTES ("PK\x03\x04\x00"), "zip"},
      {"a", BYTES ("\x80\x04\x95\x00"), "pickle"},
      {"a", BYTES ("\x28\xB5\x2F\xFD\x00"), "zstd"},
      {"a", BYTES ("\xFF\xFE{\x00"), "UTF-16"},
      {"tokenizer.json", BYTES ("\xEF\xBB\xBF{}"), "byte order mark"},
      {"a.json", BYTES ("{\"tokenizer_class\":\"GPT2Tokenizer\"}"),
          "tokenizer_config.json"},
      {"a.json", BYTES ("{\"bos_token\":\"<s>\"}"), "special_tokens_map.json"},
      {"a.json", BYTES ("{\"architectures\":[\"X\"]}"), "config.json"},
      {"added_tokens.json", BYTES ("{\"<a>\":1}"), "added_tokens.json"},
      {"a.json", BYTES ("{\"weight_map\":{}}"), "weights"},
      {"a.json", BYTES ("[1,2]"), "unknown format"},
      {"a.json", BYTES ("{\"a\":"), "offset"},
      {"vocab.json", BYTES ("{\"a\":0,\"b\":1}"), "merges.txt"},
      {"a.bin", BYTES ("just some text\n"), "unknown format"},
      {"a.bin", BYTES ("\x00\x01\x02\x03"), "unknown format"},
      {"tokenizer.model", BYTES ("\x0A\xFF"), "unknown format"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    empty_folder (self->folder);
    write_bytes (
        self, cases[i].name, cases[i].contents, (gssize) cases[i].length);
    g_assert_null (load (self, cases[i].name, &error));
    g_assert_nonnull (error);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, cases[i].message));
    g_assert_nonnull (strstr (error->message, self->folder));
    g_assert_null (strpbrk (error->message, "\r\n"));
  }
#undef BYTES
}

/* What is no file must not stop the program. */
static void
test_no_files (Fixture *self, gconstpointer data)
{
  g_autofree char *pipe = g_build_filename (self->folder, "pipe", NULL);
  g_autofree char *large = g_build_filename (self->folder, "large", NULL);
  g_autofree char *folder = g_build_filename (self->folder, "folder", NULL);
  g_autofree char *loop = g_build_filename (self->folder, "loop", NULL);
  g_autofree char *link = g_build_filename (self->folder, "link", NULL);
  g_autofree char *locked = g_build_filename (self->folder, "locked", NULL);
  g_autofree char *json = make_tokenizer_json ();
  int file;

#define EXPECT(name, domain, code)                                             \
  do {                                                                         \
    g_autoptr (GError) error = NULL;                                           \
                                                                               \
    g_assert_null (load (self, name, &error));                                 \
    g_assert_error (error, domain, code);                                      \
    g_assert_nonnull (strstr (error->message, name));                          \
  } while (0)

  EXPECT ("missing", G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  EXPECT ("pipe", BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  write_file (self, "empty", "");
  EXPECT ("empty", BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  EXPECT ("folder", BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_assert_cmpint (symlink ("loop", loop), ==, 0);
  EXPECT ("loop", G_IO_ERROR, G_IO_ERROR_TOO_MANY_LINKS);
  file = g_open (large, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  g_assert_cmpint (ftruncate (file, ((off_t) 1 << 30) + 1), ==, 0);
  close (file);
  EXPECT ("large", BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  write_file (self, "locked", "x");
  g_assert_cmpint (g_chmod (locked, 0), ==, 0);
  if (geteuid () != 0)
    EXPECT ("locked", G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
#undef EXPECT

  /* A link is what it leads to. */
  write_file (self, "real", json);
  g_assert_cmpint (symlink ("real", link), ==, 0);
  {
    g_autoptr (GError) error = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = load (self, "link", &error);

    g_assert_no_error (error);
  }
  g_rmdir (folder);
}

/* tokenizer_config.json and the others. */
static void
test_beside (Fixture *self, gconstpointer data)
{
  g_autofree char *json = make_tokenizer_json ();
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;

  write_file (self, "tokenizer.json", json);
  write_file (self, "tokenizer_config.json",
      "{\"add_bos_token\":true,\"add_eos_token\":false,"
      "\"bos_token\":{\"content\":\"ab\",\"lstrip\":false},"
      "\"chat_template\":[{\"name\":\"rag\",\"template\":\"R\"},"
      "{\"name\":\"default\",\"template\":\"T\"}]}");
  write_file (self, "special_tokens_map.json",
      "{\"bos_token\":\"a\",\"eos_token\":\"<|endoftext|>\"}");
  write_file (self, "generation_config.json", "{\"eos_token_id\":[97,98]}");
  write_file (self, "chat_template.jinja", "J");
  tokenizer = load (self, "tokenizer.json", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (bitnet_tokenizer_get_chat_template (tokenizer), ==, "T");
  g_assert_cmpuint (
      bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_BOS), ==, 256);
  g_assert_cmpuint (
      bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_EOS), ==, 257);
  g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 97));
  g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 98));
  g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 257));
  g_assert_false (bitnet_tokenizer_is_eog (tokenizer, 99));
  g_assert_true (bitnet_tokenizer_get_add_bos (tokenizer));
  g_assert_false (bitnet_tokenizer_get_add_eos (tokenizer));
  expect_ids (tokenizer, "b", BITNET_ENCODE_ADD_SPECIAL, "256 98");
}

/* Without a template in tokenizer_config.json the next file counts; files that
 * cannot be read are left out. */
static void
test_templates (Fixture *self, gconstpointer data)
{
  g_autofree char *json = make_tokenizer_json ();
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) first = NULL, second = NULL, third = NULL;

  write_file (self, "tokenizer.json", json);
  write_file (self, "chat_template.json", "{\"chat_template\":\"C\"}");
  first = load (self, "", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (bitnet_tokenizer_get_chat_template (first), ==, "C");
  write_file (self, "chat_template.jinja", "J");
  second = load (self, "", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (bitnet_tokenizer_get_chat_template (second), ==, "J");
  write_file (self, "tokenizer_config.json", "{\"chat_template\":");
  g_test_expect_message (
      "bitnet", G_LOG_LEVEL_WARNING, "*tokenizer_config.json*left out*");
  third = load (self, "", &error);
  g_test_assert_expected_messages ();
  g_assert_no_error (error);
  g_assert_cmpstr (bitnet_tokenizer_get_chat_template (third), ==, "J");
}

/* Ranks of a family, and what a file beside says of special tokens. */
static void
test_tiktoken (Fixture *self, gconstpointer data)
{
  g_autofree char *ranks = make_ranks (128000, NONE);
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) plain = NULL, named = NULL, scaled = NULL;
  const guint both = BITNET_ENCODE_ADD_SPECIAL | BITNET_ENCODE_PARSE_SPECIAL;

  write_file (self, "tokenizer.model", ranks);
  plain = load (self, "tokenizer.model", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (bitnet_tokenizer_get_vocab_size (plain), ==, 128256);
  expect_ids (plain, "abba<|eot_id|>", both, "128000 256 98 97 128009");
  g_assert_cmpuint (
      bitnet_tokenizer_lookup (plain, "<|reserved_special_token_2|>"), ==,
      128004);
  g_assert_cmpuint (
      bitnet_tokenizer_lookup (plain, "<|reserved_special_token_250|>"), ==,
      128255);
  g_assert_cmpuint (
      bitnet_tokenizer_lookup (plain, "<|eom_id|>"), ==, BITNET_TOKEN_NONE);
  g_assert_true (bitnet_tokenizer_is_eog (plain, 128001));
  g_assert_true (bitnet_tokenizer_is_eog (plain, 128009));

  write_file (self, "params.json", "{\"use_scaled_rope\":true}");
  scaled = load (self, "tokenizer.model", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (bitnet_tokenizer_lookup (scaled, "<|eom_id|>"), ==, 128008);
  g_assert_cmpuint (
      bitnet_tokenizer_lookup (scaled, "<|reserved_special_token_247|>"), ==,
      128255);

  write_file (self, "params.json", "{}");
  write_file (self, "tokenizer_config.json",
      "{\"added_tokens_decoder\":{\"128004\":{\"content\":"
      "\"<|finetune_right_pad_id|>\",\"special\":true},\"128005\":{\"content\":"
      "\"<|reserved_special_token_2|>\",\"special\":true}},"
      "\"pad_token\":\"<|finetune_right_pad_id|>\"}");
  named = load (self, "tokenizer.model", &error);
  g_assert_no_error (error);
  expect_ids (named, "<|finetune_right_pad_id|><|reserved_special_token_2|>",
      BITNET_ENCODE_PARSE_SPECIAL, "128004 128005");
  g_assert_cmpuint (
      bitnet_tokenizer_get_special (named, BITNET_SPECIAL_PAD), ==, 128004);
}

static void
test_tiktoken_errors (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"IQ== 0\nIg== 0\n", "line 2: found rank 0"},
      {"IQ== 0\nIg==\n", "line 2: found \"Ig==\""},
      {"IQ== 0\nIg=! 1\n", "line 2: found \"Ig=!\""},
      {"IQ== 0\nIR== 1\n", "line 2: found \"IR==\""}, /* hidden bits */
      {"IQ== 0\nI=== 1\n", "line 2"},
      {"IQ== 0\nIg== x\n", "line 2"},
      {"IQ== 0\nIg== 99999999\n", "line 2"},
      {"IQ== 0\nIg== 5000000\n", "line 2: found rank 5000000"},
      {"IQ== 0\nIg== 1\n", "byte 0x00 has no rank"},
      {"IQ== 0\r\n\r\nIg== 1\r\n", "byte 0x00 has no rank in 3 lines"},
  };
  g_autofree char *ranks = make_ranks (300, NONE);
  g_autofree char *hole = make_ranks (50256, 300);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) case_error = NULL;

    write_file (self, "tokenizer.model", cases[i].text);
    g_assert_null (load (self, "tokenizer.model", &case_error));
    g_assert_error (case_error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
    g_test_message ("%s", case_error->message);
    g_assert_nonnull (strstr (case_error->message, cases[i].message));
  }
  write_file (self, "tokenizer.model", ranks);
  g_assert_null (load (self, "tokenizer.model", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_assert_nonnull (strstr (error->message, "ranks up to 299"));
  g_clear_error (&error);

  /* r50k with a line less. */
  write_file (self, "tokenizer.model", hole);
  g_assert_null (load (self, "tokenizer.model", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "no line has rank 300"));
}

static void
test_base64 (void)
{
  static const char *const wrong[] = {"", "A", "AA", "AAA",
      "====", "A===", "AA=A", "AAA=AAAA", "AB==", "AAB=", "A-A_", "AA A",
      "QQ==\n"};
  uint8_t out[16];
  size_t length;

  for (gsize i = 0; i < 256; i++) {
    guchar bytes[3] = {(guchar) i, (guchar) (i * 7), (guchar) (i * 13)};

    for (gsize size = 1; size <= sizeof bytes; size++) {
      g_autofree char *text = g_base64_encode (bytes, size);

      g_assert_true (bn_base64_decode (text, strlen (text), out, &length));
      g_assert_cmpmem (out, length, bytes, size);
    }
  }
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    g_assert_false (
        bn_base64_decode (wrong[i], strlen (wrong[i]), out, &length));
}

static void
test_merges_errors (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *merges, *message;
  } cases[] = {
      {"#version: 0.2\na b\nab\n", "line 3: found \"ab\""},
      {"a b c\n", "line 1"}, {"a b\n\na b\n", "line 2"}, {"a  b\n", "line 1"},
      {"a \n", "line 1"}, {"a x1\n", "merges"}, /* no such token */
      {"a c\n", "merges"},                      /* no such result */
      {"a \xFF\n", "offset 2"},                 /* not UTF-8 */
  };
  g_autofree char *vocab = make_vocab_json ();

  write_file (self, "vocab.json", vocab);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    write_file (self, "merges.txt", cases[i].merges);
    g_assert_null (load (self, "vocab.json", &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, cases[i].message));
  }
}

/* "#" is a token like others; only a version is none. */
static void
test_merges_hash (Fixture *self, gconstpointer data)
{
  g_autoptr (GString) vocab = g_string_new (NULL);
  g_autofree char *bytes = make_vocab_json ();
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;

  g_string_append (vocab, bytes);
  g_string_truncate (vocab, vocab->len - 1);
  g_string_append (vocab, ",\"##\":258}");
  write_file (self, "vocab.json", vocab->str);
  write_file (self, "merges.txt", "# #\na b\n\n");
  tokenizer = load (self, "vocab.json", &error);
  g_assert_no_error (error);
  expect_ids (tokenizer, "##ab", 0, "258 256");
}

static char *
make_tekken (const char *pattern, guint n_tokens, const char *specials)
{
  GString *json = g_string_new (NULL);

  g_string_append_printf (json,
      "{\"config\":{\"pattern\":\"%s\",\"default_vocab_size\":%u,"
      "\"default_num_special_tokens\":8,\"version\":\"v3\"}%s,\"vocab\":[",
      pattern, n_tokens, specials);
  for (guint rank = 0; rank < 258; rank++) {
    guchar bytes[] = {(guchar) (rank < 256 ? rank : 'a'), 'b'};
    g_autofree char *encoded = NULL;

    if (rank == 257)
      bytes[0] = 'c';
    encoded = g_base64_encode (bytes, rank < 256 ? 1 : 2);
    g_string_append_printf (json,
        "%s{\"rank\":%u,\"token_bytes\":\"%s\",\"token_str\":null}",
        rank > 0 ? "," : "", rank, encoded);
  }
  g_string_append (json, "]}");
  return g_string_free (json, FALSE);
}

static void
test_tekken (Fixture *self, gconstpointer data)
{
#define UP "[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
#define LOW "[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
  static const char pattern[] =
      "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?" UP "*" LOW
      "+|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?" UP "+" LOW
      "*|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*|\\\\s*[\\\\r\\\\n]+"
      "|\\\\s+(?!\\\\S)|\\\\s+";
#undef UP
#undef LOW
  static const struct {
    const char *pattern, *specials;
    guint n_tokens;
    const char *message;
  } wrong[] = {
      {"x", "", 265, "$.config.pattern"},
      {pattern, "", 267, "259 tokens"},
      {pattern, ",\"special_tokens\":[{\"rank\":1,\"token_str\":\"a\"}]", 265,
          "$.special_tokens[0]"},
      {pattern, ",\"special_tokens\":[{\"rank\":0}]", 265, "token_str"},
      {pattern, "", 100, "byte"},
      {pattern, "", 4, "default_vocab_size"},
  };
  /* One token of the file is beyond the size of the vocabulary. */
  g_autofree char *json = make_tekken (pattern, 265, "");
  g_autofree char *named = make_tekken (pattern, 265,
      ",\"special_tokens\":[{\"rank\":0,\"token_str\":\"<unk>\"},"
      "{\"rank\":1,\"token_str\":\"<s>\"}]");
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) first = NULL, second = NULL;

  write_file (self, "tekken.json", json);
  first = load (self, "", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (bitnet_tokenizer_get_vocab_size (first), ==, 265);
  expect_ids (first, "abcb", BITNET_ENCODE_ADD_SPECIAL, "1 264 107 106");
  expect_ids (first, "[INST]a", BITNET_ENCODE_PARSE_SPECIAL, "3 105");

  write_file (self, "tekken.json", named);
  second = load (self, "tekken.json", &error);
  g_assert_no_error (error);
  expect_ids (second, "<SPECIAL_7>a", BITNET_ENCODE_PARSE_SPECIAL, "7 105");
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autofree char *text =
        make_tekken (wrong[i].pattern, wrong[i].n_tokens, wrong[i].specials);
    g_autoptr (GError) case_error = NULL;

    write_file (self, "a.json", text);
    g_assert_null (load (self, "a.json", &case_error));
    g_assert_error (case_error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
    g_test_message ("%s", case_error->message);
    g_assert_nonnull (strstr (case_error->message, wrong[i].message));
  }
}

static BitnetTokenizer *
load_gguf (TestVocab *vocab, BitnetFidelity fidelity)
{
  g_autoptr (GBytes) bytes = test_vocab_to_bytes (vocab);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (bytes, "test", &error);
  BitnetTokenizer *tokenizer;

  g_assert_no_error (error);
  tokenizer = bitnet_tokenizer_new_from_gguf (gguf, fidelity, NULL, &error);
  g_assert_no_error (error);
  return tokenizer;
}

#define E_AND_ACUTE "e\xCC\x81"

/* A GGUF file with the results of either reference. */
static void
test_fidelity (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) llama = NULL, hf = NULL, normalized = NULL;

  test_vocab_set_string (vocab, "tokenizer.ggml.pre", "qwen2");
  llama = load_gguf (vocab, BITNET_FIDELITY_LLAMA_CPP);
  hf = load_gguf (vocab, BITNET_FIDELITY_HUGGINGFACE);
  expect_ids (llama, E_AND_ACUTE, 0, "101 204 129");
  expect_ids (hf, E_AND_ACUTE, 0, "271");
  g_assert_cmpstr (
      bitnet_tokenizer_get_id (llama), !=, bitnet_tokenizer_get_id (hf));

  /* The key counts for both. */
  test_vocab_set_bool (vocab, "tokenizer.ggml.normalizer.nfc", TRUE);
  normalized = load_gguf (vocab, BITNET_FIDELITY_AUTO);
  expect_ids (normalized, E_AND_ACUTE, 0, "271");
  g_assert_cmpstr (bitnet_tokenizer_get_id (llama), !=,
      bitnet_tokenizer_get_id (normalized));
}

/* llama.cpp finds the longest special token first, Hugging Face the first. */
static void
test_overlap (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  guint32 first = test_vocab_add (vocab, "<1>", 4, 0);
  guint32 second = test_vocab_add (vocab, ">xy2>", 4, 0);
  g_autoptr (BitnetTokenizer) llama =
      load_gguf (vocab, BITNET_FIDELITY_LLAMA_CPP);
  g_autoptr (BitnetTokenizer) hf =
      load_gguf (vocab, BITNET_FIDELITY_HUGGINGFACE);
  g_autofree char *of_llama = g_strdup_printf ("60 49 %u", second);
  g_autofree char *of_hf = g_strdup_printf ("%u 120 121 50 62", first);

  expect_ids (llama, "<1>xy2>", 0, of_llama);
  expect_ids (hf, "<1>xy2>", 0, of_hf);
}

/* A file may carry a tokenizer.json, which says more than the other keys, and
 * counts if it has the tokens that they list. */
static void
test_embedded (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (TestVocab) bare = test_vocab_new_bpe ();
  g_autofree char *json = make_tokenizer_json ();
  g_autofree char *larger = NULL;
  g_autoptr (BitnetTokenizer) embedded = NULL, keys = NULL, broken = NULL;
  g_autoptr (BitnetTokenizer) too_large = NULL, other = NULL;

  test_vocab_set_string (bare, "tokenizer.huggingface.json", json);
  test_vocab_set_string (bare, "tokenizer.chat_template", "T");
  test_vocab_remove (bare, "tokenizer.ggml.tokens");
  embedded = load_gguf (bare, BITNET_FIDELITY_AUTO);
  test_vocab_set_string (vocab, "tokenizer.huggingface.json", json);
  keys = load_gguf (vocab, BITNET_FIDELITY_LLAMA_CPP);
  other = load_gguf (vocab, BITNET_FIDELITY_AUTO);
  g_assert_cmpstr (
      bitnet_tokenizer_get_id (other), ==, bitnet_tokenizer_get_id (keys));
  expect_ids (embedded, "hello", 0, "104 101 108 108 111");
  g_assert_cmpuint (bitnet_tokenizer_get_vocab_size (embedded), ==, 258);
  g_assert_cmpstr (bitnet_tokenizer_get_chat_template (embedded), ==, "T");
  g_assert_cmpuint (bitnet_tokenizer_get_vocab_size (keys), >, 258);

  test_vocab_set_string (vocab, "tokenizer.huggingface.json", "{");
  broken = load_gguf (vocab, BITNET_FIDELITY_AUTO);
  g_assert_cmpstr (
      bitnet_tokenizer_get_id (broken), ==, bitnet_tokenizer_get_id (keys));
  larger = g_strdup (json);
  memcpy (strstr (larger, "257}"), "999}", strlen ("999}"));
  test_vocab_set_string (vocab, "tokenizer.huggingface.json", larger);
  too_large = load_gguf (vocab, BITNET_FIDELITY_AUTO);
  g_assert_cmpstr (
      bitnet_tokenizer_get_id (too_large), ==, bitnet_tokenizer_get_id (keys));
}

/* Without merges the ids of Kimi are ranks. */
static void
test_ranks_of_kimi (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) merges = NULL, ranks = NULL;
  g_autofree char *expected = NULL;

  test_vocab_set_string (vocab, "tokenizer.ggml.pre", "kimi-k2");
  merges = load_gguf (vocab, BITNET_FIDELITY_AUTO);
  test_vocab_remove (vocab, "tokenizer.ggml.merges");
  ranks = load_gguf (vocab, BITNET_FIDELITY_AUTO);
  expected = print_ids (merges, "hello world", 0);
  expect_ids (ranks, "hello world", 0, expected);
}

static void
test_cancelled (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autofree char *json = make_tokenizer_json ();
  g_autoptr (GError) error = NULL;

  write_file (self, "tokenizer.json", json);
  g_cancellable_cancel (cancellable);
  g_assert_null (bitnet_tokenizer_new_from_file (
      self->folder, BITNET_FIDELITY_AUTO, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function)                                                    \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/source/B18/folders", test_folders);
  ADD ("/source/B18/pair", test_pair);
  ADD ("/source/B19/corrupt", test_corrupt);
  ADD ("/source/B20/foreign", test_foreign);
  ADD ("/source/no-files", test_no_files);
  ADD ("/source/beside", test_beside);
  ADD ("/source/templates", test_templates);
  ADD ("/source/tiktoken", test_tiktoken);
  ADD ("/source/tiktoken-errors", test_tiktoken_errors);
  ADD ("/source/merges-errors", test_merges_errors);
  ADD ("/source/merges-hash", test_merges_hash);
  ADD ("/source/tekken", test_tekken);
  ADD ("/source/cancelled", test_cancelled);
#undef ADD
  g_test_add_func ("/source/base64", test_base64);
  g_test_add_func ("/source/gguf/fidelity", test_fidelity);
  g_test_add_func ("/source/gguf/overlap", test_overlap);
  g_test_add_func ("/source/gguf/embedded", test_embedded);
  g_test_add_func ("/source/gguf/kimi", test_ranks_of_kimi);
  return g_test_run ();
}
