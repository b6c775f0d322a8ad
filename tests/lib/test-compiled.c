/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compiled tables: what the second start reads is what the first has made, and
 * nothing else is ever believed. */
#define _GNU_SOURCE /* memmem() */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

#include "bitnet-tokenizer-private.h"
#include "bn-store.h"
#include "gguf/bn-gguf.h"
#include "test-vocab.h"

enum { N_TOKENS = 17000, N_MERGES = 4000, MANY = 61 };

typedef struct {
  char *root;
  char *folder; /* where the files are */
  GBytes *gguf;
} Fixture;

/* More tokens than any test needs, so that it pays to keep the tables. */
static GBytes *
make_gguf (gboolean is_spm)
{
  g_autoptr (TestVocab) vocab =
      is_spm ? test_vocab_new_spm () : test_vocab_new_bpe ();

  for (int i = 0; i < N_TOKENS; i++) {
    char text[16], merge[16];

    g_snprintf (text, sizeof text, "t%d", i);
    test_vocab_add (vocab, text, 1, (float) -i);
    if (is_spm || i >= N_MERGES)
      continue;
    if (i < 10)
      g_snprintf (merge, sizeof merge, "t %d", i);
    else
      g_snprintf (merge, sizeof merge, "t%d %d", i / 10, i % 10);
    test_vocab_add_merge (vocab, merge);
  }
  return test_vocab_to_bytes (vocab);
}

static void
fixture_set_up (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->root = g_dir_make_tmp ("bitnet-compiled-XXXXXX", &error);
  g_assert_no_error (error);
  self->folder = g_build_filename (self->root, "v1", "compiled", NULL);
  g_setenv ("BITNET_TOKENIZER_CACHE", self->root, TRUE);
  g_setenv ("BITNET_COMPILED", "1", TRUE);
  self->gguf = make_gguf (GPOINTER_TO_INT (data));
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_file_test (path, G_FILE_TEST_IS_SYMLINK)
                             ? NULL
                             : g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *child = g_build_filename (path, name, NULL);

    remove_tree (child);
  }
  g_remove (path);
}

static void
fixture_tear_down (Fixture *self, gconstpointer data)
{
  remove_tree (self->root);
  g_bytes_unref (self->gguf);
  g_free (self->folder);
  g_free (self->root);
}

static BitnetTokenizer *
start (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (self->gguf, "t", &error);
  BitnetTokenizer *tokenizer =
      bitnet_tokenizer_new_from_gguf (gguf, BITNET_FIDELITY_AUTO, NULL, &error);

  g_assert_no_error (error);
  return tokenizer;
}

static gboolean
is_mapped (BitnetTokenizer *tokenizer)
{
  return bitnet_tokenizer_get_inner (tokenizer)->vocab->compiled != NULL;
}

/* Ids, text and identity of a tokenizer, as one string. */
static char *
describe (BitnetTokenizer *tokenizer)
{
  static const char text[] = "hello world t12 t3999 t399 <tool>\xC3\xA9"
                             "<|eot_id|></s> t5t6 \xE2\x96\x81x aaaaaaa";
  gsize n_ids, length;
  g_autofree guint32 *ids = bitnet_tokenizer_encode (
      tokenizer, text, -1, BITNET_ENCODE_PARSE_SPECIAL, &n_ids, NULL);
  g_autofree char *decoded = bitnet_tokenizer_decode (
      tokenizer, ids, n_ids, BITNET_DECODE_SPECIAL, &length, NULL);
  GString *out = g_string_new (bitnet_tokenizer_get_id (tokenizer));

  for (gsize i = 0; i < n_ids; i++)
    g_string_append_printf (out, " %u", ids[i]);
  g_string_append_printf (out, " \"%s\" eot %u", decoded,
      bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_EOT));
  return g_string_free (out, FALSE);
}

/* Starts and compares with expected, which is made if it is NULL. */
static void
check_start (Fixture *self, gboolean expects_mapped, char **expected)
{
  g_autoptr (BitnetTokenizer) tokenizer = start (self);
  g_autofree char *found = describe (tokenizer);

  g_assert_cmpint (is_mapped (tokenizer), ==, expects_mapped);
  if (*expected == NULL)
    *expected = g_strdup (found);
  g_assert_cmpstr (found, ==, *expected);
}

static guint
count_files (Fixture *self, const char *end)
{
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir && (name = g_dir_read_name (dir)))
    n += g_str_has_suffix (name, end);
  return n;
}

/* The file of tables, of which there is one. */
static char *
get_file (Fixture *self)
{
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  const char *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir))) {
    if (g_str_has_suffix (name, ".btok"))
      return g_build_filename (self->folder, name, NULL);
  }
  g_assert_not_reached ();
}

static void
test_second_start (Fixture *self, gconstpointer data)
{
  g_autofree char *expected = NULL, *file = NULL;
  struct stat info;

  check_start (self, FALSE, &expected);
  check_start (self, TRUE, &expected);
  check_start (self, TRUE, &expected);
  g_assert_cmpuint (count_files (self, ".btok"), ==, 1);
  g_assert_cmpuint (count_files (self, ""), ==, 2); /* and the key */

  file = get_file (self);
  g_assert_cmpint (stat (file, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);
  g_assert_cmpint (stat (self->folder, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0700);

  /* Another source has other tables. */
  g_bytes_unref (self->gguf);
  self->gguf = make_gguf (!GPOINTER_TO_INT (data));
  g_clear_pointer (&expected, g_free);
  check_start (self, FALSE, &expected);
  check_start (self, TRUE, &expected);
  g_assert_cmpuint (count_files (self, ".btok"), ==, 2);
}

static void
write_file (const char *path, const char *content, gsize size)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (path, content, (gssize) size,
      G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
  g_assert_no_error (error);
}

/* A wrong byte anywhere: the tables are made again and kept. */
static void
test_flipped (Fixture *self, gconstpointer data)
{
  g_autofree char *expected = NULL, *file = NULL, *content = NULL;
  gsize size;

  check_start (self, FALSE, &expected);
  file = get_file (self);
  g_assert_true (g_file_get_contents (file, &content, &size, NULL));
  for (gsize i = 0; i < 64 + MANY; i++) {
    gsize pos = i < 64 ? i : (i - 64) * (size - 1) / (MANY - 1);

    content[pos] ^= 0x10;
    write_file (file, content, size);
    content[pos] ^= 0x10;
    check_start (self, FALSE, &expected);
    if (i % 16 == 0)
      check_start (self, TRUE, &expected);
  }
}

static void
test_truncated (Fixture *self, gconstpointer data)
{
  g_autofree char *expected = NULL, *file = NULL, *content = NULL;
  gsize size;

  check_start (self, FALSE, &expected);
  file = get_file (self);
  g_assert_true (g_file_get_contents (file, &content, &size, NULL));
  for (gsize i = 0; i < MANY; i++) {
    write_file (file, content, i < 8 ? i : i * (size - 1) / (MANY - 1));
    check_start (self, FALSE, &expected);
  }
  content = g_realloc (content, size + 1);
  content[size] = 0;
  write_file (file, content, size + 1);
  check_start (self, FALSE, &expected);
  check_start (self, TRUE, &expected);
}

/* Files of other people, or that are none. */
static void
test_foreign (Fixture *self, gconstpointer data)
{
  g_autofree char *expected = NULL, *file = NULL, *moved = NULL;
  g_autofree char *garbage = g_strnfill (100000, 'x');

  check_start (self, FALSE, &expected);
  file = get_file (self);
  moved = g_strconcat (file, ".moved", NULL);

  g_assert_cmpint (chmod (file, 0640), ==, 0);
  check_start (self, FALSE, &expected);
  check_start (self, TRUE, &expected);

  g_assert_cmpint (rename (file, moved), ==, 0);
  g_assert_cmpint (symlink (moved, file), ==, 0);
  check_start (self, FALSE, &expected);
  check_start (self, TRUE, &expected);
  g_assert_false (g_file_test (file, G_FILE_TEST_IS_SYMLINK));

  g_assert_cmpint (unlink (file), ==, 0);
  g_assert_cmpint (mkfifo (file, 0600), ==, 0);
  check_start (self, FALSE, &expected);
  check_start (self, TRUE, &expected);

  write_file (file, garbage, 100000);
  check_start (self, FALSE, &expected);
  check_start (self, TRUE, &expected);

  /* A folder is not removed, and does no harm. */
  g_assert_cmpint (unlink (file), ==, 0);
  g_assert_cmpint (mkdir (file, 0700), ==, 0);
  check_start (self, FALSE, &expected);
  check_start (self, FALSE, &expected);
  g_assert_cmpuint (count_files (self, ".tmp"), ==, 0);
}

/* Without the key, or with another, the tables are worth nothing. */
static void
test_key (Fixture *self, gconstpointer data)
{
  g_autofree char *expected = NULL, *old = NULL;
  g_autofree char *key = g_build_filename (self->folder, "key", NULL);

  check_start (self, FALSE, &expected);
  write_file (key, "0123456789abcdef0123456789abcdef", 32);
  check_start (self, FALSE, &expected);
  check_start (self, TRUE, &expected);
  old = get_file (self);

  /* One that others could have read is replaced. */
  g_assert_cmpint (chmod (key, 0644), ==, 0);
  check_start (self, FALSE, &expected);
  check_start (self, TRUE, &expected);
  write_file (key, "short", 5);
  check_start (self, FALSE, &expected);
  check_start (self, TRUE, &expected);
}

static void
test_folder (Fixture *self, gconstpointer data)
{
  g_autofree char *expected = NULL;
  g_autofree char *other = g_build_filename (self->root, "other", NULL);

  g_setenv ("BITNET_COMPILED", "off", TRUE);
  check_start (self, FALSE, &expected);
  check_start (self, FALSE, &expected);
  g_assert_false (g_file_test (self->folder, G_FILE_TEST_EXISTS));

  /* Where others may write, nothing is kept and nothing believed. */
  g_setenv ("BITNET_COMPILED", "1", TRUE);
  check_start (self, FALSE, &expected);
  g_assert_cmpint (chmod (self->folder, 0777), ==, 0);
  check_start (self, FALSE, &expected);
  g_assert_cmpint (chmod (self->folder, 0700), ==, 0);
  check_start (self, TRUE, &expected);

  if (geteuid () != 0) {
    g_autofree char *file = get_file (self);

    g_assert_cmpint (unlink (file), ==, 0);
    g_assert_cmpint (chmod (self->folder, 0500), ==, 0);
    check_start (self, FALSE, &expected);
    check_start (self, FALSE, &expected);
    g_assert_cmpint (chmod (self->folder, 0700), ==, 0);
  }

  /* A file where the folder should be. */
  write_file (other, "", 0);
  g_setenv ("BITNET_TOKENIZER_CACHE", other, TRUE);
  check_start (self, FALSE, &expected);
  check_start (self, FALSE, &expected);
}

/* Several processes that start at once. */
static void
test_race (Fixture *self, gconstpointer data)
{
  g_autofree char *expected = NULL;
  pid_t children[4];

  g_setenv ("BITNET_COMPILED", "0", TRUE);
  check_start (self, FALSE, &expected);
  g_setenv ("BITNET_COMPILED", "1", TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (children); i++) {
    children[i] = fork ();
    g_assert_cmpint (children[i], >=, 0);
    if (children[i] == 0) {
      g_autoptr (BitnetTokenizer) tokenizer = start (self);
      g_autofree char *found = describe (tokenizer);

      _exit (strcmp (found, expected) == 0 ? 0 : 1);
    }
  }
  for (gsize i = 0; i < G_N_ELEMENTS (children); i++) {
    int status;

    g_assert_cmpint (waitpid (children[i], &status, 0), ==, children[i]);
    g_assert_cmpint (status, ==, 0);
  }
  check_start (self, TRUE, &expected);
  g_assert_cmpuint (count_files (self, ""), ==, 2);
}

/* The folder has a greatest size; what was left behind goes, too. */
static void
test_space (Fixture *self, gconstpointer data)
{
  static const char *const names[] = {"x.btok", "y.btok", ".tmp-1"};
  const struct utimbuf long_ago = {1000, 1000};
  g_autofree char *expected = NULL, *file = NULL;

  check_start (self, FALSE, &expected);
  file = get_file (self);
  g_assert_cmpint (unlink (file), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (self->folder, names[i], NULL);

    write_file (path, "x", 1);
    g_assert_cmpint (truncate (path, 200 << 20), ==, 0);
    if (i != 1)
      g_assert_cmpint (utime (path, &long_ago), ==, 0);
  }
  check_start (self, FALSE, &expected);
  check_start (self, TRUE, &expected);
  g_assert_cmpuint (count_files (self, "x.btok"), ==, 0);
  g_assert_cmpuint (count_files (self, "y.btok"), ==, 1);
  g_assert_cmpuint (count_files (self, ".tmp-1"), ==, 0);
}

/* Notes of files on disk. */

static BnGguf *
open_file (const char *path)
{
  g_autoptr (GError) error = NULL;
  BnGguf *gguf = bn_gguf_open (path, NULL, &error);

  g_assert_no_error (error);
  return gguf;
}

static BitnetTokenizer *
start_file (const char *path)
{
  g_autoptr (BnGguf) gguf = open_file (path);
  g_autoptr (GError) error = NULL;
  BitnetTokenizer *tokenizer =
      bitnet_tokenizer_new_from_gguf (gguf, BITNET_FIDELITY_AUTO, NULL, &error);

  g_assert_no_error (error);
  return tokenizer;
}

/* Whether there is a note of a file, and tables of what it says. */
static gboolean
has_note (const char *path)
{
  g_autoptr (BnGguf) gguf = open_file (path);
  const BnFileId *id = bn_gguf_get_file_id (gguf, 0);
  g_autofree char *pre = bn_gguf_dup_string (gguf, "tokenizer.ggml.pre");
  g_autoptr (GByteArray) identity = g_byte_array_new ();
  g_autoptr (BnStore) store = bn_store_open ();
  g_autoptr (BnCompiled) compiled = NULL;

  if (pre == NULL)
    pre = g_strdup ("default");
  g_byte_array_append (identity, (const guint8 *) id, sizeof *id);
  g_byte_array_append (identity, (const guint8 *) pre, (guint) strlen (pre));
  if (!bn_store_recall (store, identity->data, identity->len, id->mtime_ns))
    return FALSE;
  compiled = bn_store_load (store);
  return compiled != NULL;
}

/* Starts until there is a note, which takes a moment after each change. */
static void
start_until_noted (const char *path)
{
  gint64 deadline = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;

  while (!has_note (path)) {
    g_autoptr (BitnetTokenizer) tokenizer = start_file (path);

    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  }
}

static char *
find_file (Fixture *self, const char *end)
{
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir))) {
    if (g_str_has_suffix (name, end))
      return g_build_filename (self->folder, name, NULL);
  }
  g_assert_not_reached ();
}

static void
test_note (Fixture *self, gconstpointer data)
{
  g_autofree char *path = g_build_filename (self->root, "m.gguf", NULL);
  g_autofree char *copy = g_build_filename (self->root, "n.gguf", NULL);
  gsize size;
  const char *content = g_bytes_get_data (self->gguf, &size);
  g_autofree char *expected = NULL, *found = NULL, *file = NULL;
  g_autoptr (BitnetTokenizer) first = NULL, second = NULL, third = NULL;

  write_file (path, content, size);
  first = start_file (path);
  expected = describe (first);
  g_assert_cmpuint (count_files (self, ".note"), ==, 0);
  start_until_noted (path);
  g_assert_cmpuint (count_files (self, ".note"), ==, 1);
  g_assert_cmpuint (count_files (self, ".btok"), ==, 1);
  second = start_file (path);
  g_assert_true (is_mapped (second));
  found = describe (second);
  g_assert_cmpstr (found, ==, expected);

  /* Another file of the same content has tables, but no note. */
  write_file (copy, content, size);
  g_assert_false (has_note (copy));
  start_until_noted (copy);
  g_assert_cmpuint (count_files (self, ".btok"), ==, 1);
  g_assert_cmpuint (count_files (self, ".note"), ==, 2);

  /* Tables that are gone are made again, in spite of the note. */
  file = get_file (self);
  g_assert_cmpint (unlink (file), ==, 0);
  third = start_file (path);
  g_assert_false (is_mapped (third));
  g_assert_cmpuint (count_files (self, ".btok"), ==, 1);
}

/* A change of the file or the tables is seen. */
static void
test_note_changes (Fixture *self, gconstpointer data)
{
  g_autofree char *path = g_build_filename (self->root, "m.gguf", NULL);
  gsize size, table_size;
  const char *original = g_bytes_get_data (self->gguf, &size);
  g_autofree char *content = g_memdup2 (original, size);
  g_autofree char *file = NULL, *table = NULL;
  char *token;

  write_file (path, content, size);
  start_until_noted (path);

  /* One byte of the tables, in place. */
  file = get_file (self);
  g_assert_true (g_file_get_contents (file, &table, &table_size, NULL));
  for (gsize i = 0; i < 8; i++) {
    int handle = g_open (file, O_WRONLY | O_CLOEXEC, 0);
    gsize pos = i * (table_size - 1) / 7;
    char byte = (char) (table[pos] ^ 1);
    g_autoptr (BitnetTokenizer) tokenizer = NULL;

    g_assert_cmpint (pwrite (handle, &byte, 1, (off_t) pos), ==, 1);
    close (handle);
    tokenizer = start_file (path);
    g_assert_false (is_mapped (tokenizer));
    start_until_noted (path);
  }

  /* One token of the file, in place. */
  token = memmem (content, size, "t16999", 6);
  g_assert_nonnull (token);
  token[1] = 'x';
  {
    int handle = g_open (path, O_WRONLY | O_CLOEXEC, 0);
    g_autoptr (BitnetTokenizer) tokenizer = NULL;

    g_assert_cmpint (pwrite (handle, token, 6, token - content), ==, 6);
    close (handle);
    tokenizer = start_file (path);
    g_assert_cmpuint (
        bitnet_tokenizer_lookup (tokenizer, "tx6999"), !=, BITNET_TOKEN_NONE);
    g_assert_cmpuint (
        bitnet_tokenizer_lookup (tokenizer, "t16999"), ==, BITNET_TOKEN_NONE);
  }
}

/* Notes that are wrong, of others or of another name. */
static void
test_note_broken (Fixture *self, gconstpointer data)
{
  g_autofree char *path = g_build_filename (self->root, "m.gguf", NULL);
  gsize size, note_size;
  const char *content = g_bytes_get_data (self->gguf, &size);
  g_autofree char *note = NULL, *note_content = NULL, *moved = NULL;

  write_file (path, content, size);
  start_until_noted (path);
  note = find_file (self, ".note");
  g_assert_true (g_file_get_contents (note, &note_content, &note_size, NULL));
  for (gsize i = 0; i < note_size; i++) {
    note_content[i] ^= 0x10;
    write_file (note, note_content, note_size);
    g_assert_false (has_note (path));
    write_file (note, note_content, i);
    g_assert_false (has_note (path));
    note_content[i] ^= 0x10;
  }
  start_until_noted (path);

  g_assert_cmpint (chmod (note, 0644), ==, 0);
  g_assert_false (has_note (path));
  start_until_noted (path);
  moved = g_strconcat (note, "x", NULL);
  g_assert_cmpint (rename (note, moved), ==, 0);
  g_assert_cmpint (symlink (moved, note), ==, 0);
  g_assert_false (has_note (path));
}

/* Real vocabularies, with the texts that belong to them. */
static void
test_goldens (Fixture *self, gconstpointer data)
{
  static const char *const names[] = {"gpt-2", "llama-bpe", "llama-spm",
      "qwen2", "gemma-4", "falcon", "starcoder", "deepseek-coder"};
  const char *reference = g_getenv ("BITNET_REFERENCE_DATA");
  guint n_done = 0;

  for (gsize i = 0; reference && i < G_N_ELEMENTS (names); i++) {
    g_autofree char *name = g_strconcat (names[i], ".gguf", NULL);
    g_autofree char *path = g_build_filename (reference, "vocab", name, NULL);
    g_autofree char *texts_path = g_strconcat (path, ".inp", NULL);
    g_autofree char *text = NULL;
    guint32 *expected = NULL;
    gsize size, n_expected = 0;

    if (!g_file_get_contents (texts_path, &text, &size, NULL))
      continue;
    for (int start_no = 0; start_no < 2; start_no++) {
      g_autoptr (GError) error = NULL;
      g_autoptr (BnGguf) gguf = bn_gguf_open (path, NULL, &error);
      g_autoptr (BitnetTokenizer) tokenizer =
          gguf ? bitnet_tokenizer_new_from_gguf (
              gguf, BITNET_FIDELITY_AUTO, NULL, &error)
               : NULL;
      gsize n_ids;
      g_autofree guint32 *ids = NULL;

      g_assert_no_error (error);
      g_assert_cmpint (is_mapped (tokenizer), ==, start_no > 0);
      ids = bitnet_tokenizer_encode (tokenizer, text, (gssize) size,
          BITNET_ENCODE_PARSE_SPECIAL, &n_ids, &error);
      g_assert_no_error (error);
      if (start_no == 0) {
        expected = g_steal_pointer (&ids);
        n_expected = n_ids;
      } else {
        g_assert_cmpmem (
            ids, n_ids * sizeof *ids, expected, n_expected * sizeof *expected);
      }
    }
    g_free (expected);
    n_done++;
  }
  if (n_done == 0)
    g_test_skip ("no reference data");
}

/* The format by itself. */

static gboolean
collect (const void *data, size_t size, void *user_data)
{
  g_byte_array_append (user_data, data, (guint) size);
  return TRUE;
}

static void
test_format (void)
{
  static const guint8 secret[BN_DIGEST_SECRET_SIZE] = {1};
  static const guint32 numbers[] = {1, 2, 3};
  g_autoptr (BnCompiledWriter) writer = bn_compiled_writer_new ();
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (BnCompiled) compiled = NULL;
  const BnDigest source = {{7}}, other_source = {{8}};
  BnDigestKey key, other_key;
  const char *problem;
  size_t n;

  bn_digest_key_init (&key, secret);
  bn_digest_key_init (&other_key, (const guint8[BN_DIGEST_SECRET_SIZE]){2});
  bn_compiled_writer_add (writer, BN_SECTION_SCORES, numbers, 4, 3);
  bn_compiled_writer_add_copy (writer, BN_SECTION_WORDS, numbers, 12, 1);
  g_assert_true (
      bn_compiled_writer_write (writer, &key, &source, collect, out));
  g_assert_cmpuint (out->len, ==, bn_compiled_writer_get_size (writer));
  bytes = g_bytes_new (out->data, out->len);

  compiled = bn_compiled_new (bytes, &key, &source, &problem);
  g_assert_nonnull (compiled);
  g_assert_cmpmem (
      bn_compiled_get_n (compiled, BN_SECTION_SCORES, 4, 3), 12, numbers, 12);
  g_assert_cmpmem (
      bn_compiled_get (compiled, BN_SECTION_WORDS, 12, &n), 12, numbers, 12);
  g_assert_cmpuint (n, ==, 1);
  g_assert_null (bn_compiled_get_n (compiled, BN_SECTION_SCORES, 4, 2));
  g_assert_null (bn_compiled_get (compiled, BN_SECTION_SCORES, 8, &n));
  g_assert_null (bn_compiled_get (compiled, BN_SECTION_SLOTS, 4, &n));

  g_assert_null (bn_compiled_new (bytes, &other_key, &source, &problem));
  g_assert_cmpstr (problem, ==, "its digest is wrong");
  g_assert_null (bn_compiled_new (bytes, &key, &other_source, &problem));
  g_assert_cmpstr (problem, ==, "it is of another source");
}

/* However a text is cut, its digest is the same; every bit counts. */
static void
test_digest (void)
{
  static const guint8 secret[BN_DIGEST_SECRET_SIZE] = {1, 2, 3};
  guint8 text[3 * BN_DIGEST_BLOCK + 5];
  BnDigestKey key;
  g_autoptr (GHashTable) seen =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  bn_digest_key_init (&key, secret);
  memset (text, 0, sizeof text);
  for (gsize i = 0; i <= sizeof text * 8; i++) {
    gsize pos = 0;
    BnDigester digester;
    BnDigest digest;

    if (i < sizeof text * 8)
      text[i / 8] ^= (guint8) (1 << i % 8);
    bn_digester_init (&digester, &key);
    while (pos < sizeof text) {
      gsize n = (gsize) g_rand_int_range (rand, 0, 2000);

      n = MIN (n, sizeof text - pos);
      bn_digester_update (&digester, text + pos, n);
      pos += n;
    }
    bn_digester_finish (&digester, &digest);
    g_assert_true (g_hash_table_add (
        seen, g_base64_encode (digest.bytes, sizeof digest.bytes)));
    if (i < sizeof text * 8)
      text[i / 8] ^= (guint8) (1 << i % 8);

    bn_digester_init (&digester, &key);
    bn_digester_update (&digester, text, i % sizeof text);
    bn_digester_update (
        &digester, text + i % sizeof text, sizeof text - i % sizeof text);
    if (i == sizeof text * 8) {
      BnDigest again;

      bn_digester_finish (&digester, &again);
      g_assert_cmpmem (&again, sizeof again, &digest, sizeof digest);
    }
  }
}

#define ADD(name, is_spm, function)                                            \
  g_test_add ("/compiled/" name, Fixture, GINT_TO_POINTER (is_spm),            \
      fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/compiled/digest", test_digest);
  g_test_add_func ("/compiled/format", test_format);
  ADD ("second-start/bpe", FALSE, test_second_start);
  ADD ("second-start/spm", TRUE, test_second_start);
  ADD ("flipped/bpe", FALSE, test_flipped);
  ADD ("flipped/spm", TRUE, test_flipped);
  ADD ("truncated", FALSE, test_truncated);
  ADD ("foreign", FALSE, test_foreign);
  ADD ("key", FALSE, test_key);
  ADD ("folder", FALSE, test_folder);
  ADD ("race", FALSE, test_race);
  ADD ("space", FALSE, test_space);
  ADD ("note/bpe", FALSE, test_note);
  ADD ("note/spm", TRUE, test_note);
  ADD ("note/changes", FALSE, test_note_changes);
  ADD ("note/broken", FALSE, test_note_broken);
  ADD ("goldens", FALSE, test_goldens);
  return g_test_run ();
}
