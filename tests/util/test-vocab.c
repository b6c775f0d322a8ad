/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes GGUF by hand, so that it tests the reader too. */
#include "test-vocab.h"

#include <string.h>

enum {
  GGUF_U32 = 4,
  GGUF_I32 = 5,
  GGUF_F32 = 6,
  GGUF_BOOL = 7,
  GGUF_STRING = 8,
  GGUF_ARRAY = 9,
};

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, BYTE = 6 };

#define METASPACE "\xE2\x96\x81"

struct TestVocab {
  GHashTable *pairs;   /* key -> GByteArray of type and value */
  GHashTable *removed; /* keys of arrays to leave out */
  GPtrArray *tokens;
  GArray *types, *scores;
  GPtrArray *merges;
};

static void
put (GByteArray *out, const void *data, gsize size)
{
  g_byte_array_append (out, data, (guint) size);
}

static void
put_u32 (GByteArray *out, guint32 value)
{
  value = GUINT32_TO_LE (value);
  put (out, &value, sizeof value);
}

static void
put_u64 (GByteArray *out, guint64 value)
{
  value = GUINT64_TO_LE (value);
  put (out, &value, sizeof value);
}

static void
put_string (GByteArray *out, const char *text)
{
  put_u64 (out, strlen (text));
  put (out, text, strlen (text));
}

TestVocab *
test_vocab_new (void)
{
  TestVocab *self = g_new0 (TestVocab, 1);

  self->pairs = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_byte_array_unref);
  self->removed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->tokens = g_ptr_array_new_with_free_func (g_free);
  self->types = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->scores = g_array_new (FALSE, FALSE, sizeof (float));
  self->merges = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
test_vocab_free (TestVocab *self)
{
  g_hash_table_unref (self->pairs);
  g_hash_table_unref (self->removed);
  g_ptr_array_unref (self->tokens);
  g_array_unref (self->types);
  g_array_unref (self->scores);
  g_ptr_array_unref (self->merges);
  g_free (self);
}

/* The value of a new pair, which begins with its type. */
static GByteArray *
add_pair (TestVocab *self, const char *key, guint32 type)
{
  GByteArray *value = g_byte_array_new ();

  put_u32 (value, type);
  g_hash_table_replace (self->pairs, g_strdup (key), value);
  return value;
}

void
test_vocab_set_string (TestVocab *self, const char *key, const char *value)
{
  put_string (add_pair (self, key, GGUF_STRING), value);
}

void
test_vocab_set_uint (TestVocab *self, const char *key, guint32 value)
{
  put_u32 (add_pair (self, key, GGUF_U32), value);
}

void
test_vocab_set_bool (TestVocab *self, const char *key, gboolean value)
{
  guint8 byte = value ? 1 : 0;

  put (add_pair (self, key, GGUF_BOOL), &byte, 1);
}

void
test_vocab_remove (TestVocab *self, const char *key)
{
  g_hash_table_remove (self->pairs, key);
  g_hash_table_add (self->removed, g_strdup (key));
}

guint32
test_vocab_add (TestVocab *self, const char *text, gint32 type, float score)
{
  g_ptr_array_add (self->tokens, g_strdup (text));
  g_array_append_val (self->types, type);
  g_array_append_val (self->scores, score);
  return self->tokens->len - 1;
}

void
test_vocab_add_merge (TestVocab *self, const char *merge)
{
  g_ptr_array_add (self->merges, g_strdup (merge));
}

static gboolean
begin_array (TestVocab *self, GByteArray *out, const char *key,
    guint32 element_type, guint count, guint64 *n_pairs)
{
  if (g_hash_table_contains (self->removed, key) || count == 0)
    return FALSE;
  put_string (out, key);
  put_u32 (out, GGUF_ARRAY);
  put_u32 (out, element_type);
  put_u64 (out, count);
  ++*n_pairs;
  return TRUE;
}

static void
put_arrays (TestVocab *self, GByteArray *out, guint64 *n_pairs)
{
  if (begin_array (self, out, "tokenizer.ggml.tokens", GGUF_STRING,
          self->tokens->len, n_pairs)) {
    for (guint i = 0; i < self->tokens->len; i++)
      put_string (out, g_ptr_array_index (self->tokens, i));
  }
  if (begin_array (self, out, "tokenizer.ggml.token_type", GGUF_I32,
          self->types->len, n_pairs)) {
    for (guint i = 0; i < self->types->len; i++)
      put_u32 (out, g_array_index (self->types, guint32, i));
  }
  if (begin_array (self, out, "tokenizer.ggml.scores", GGUF_F32,
          self->scores->len, n_pairs)) {
    for (guint i = 0; i < self->scores->len; i++) {
      guint32 bits;

      memcpy (&bits, &g_array_index (self->scores, float, i), sizeof bits);
      put_u32 (out, bits);
    }
  }
  if (begin_array (self, out, "tokenizer.ggml.merges", GGUF_STRING,
          self->merges->len, n_pairs)) {
    for (guint i = 0; i < self->merges->len; i++)
      put_string (out, g_ptr_array_index (self->merges, i));
  }
}

GBytes *
test_vocab_to_bytes (TestVocab *self)
{
  g_autoptr (GByteArray) pairs = g_byte_array_new ();
  GByteArray *file = g_byte_array_new ();
  guint64 n_pairs = 0;
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, self->pairs);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    GByteArray *bytes = value;

    put_string (pairs, key);
    put (pairs, bytes->data, bytes->len);
    n_pairs++;
  }
  put_arrays (self, pairs, &n_pairs);

  put (file, "GGUF", 4);
  put_u32 (file, 3);
  put_u64 (file, 0); /* tensors */
  put_u64 (file, n_pairs);
  put (file, pairs->data, pairs->len);
  return g_byte_array_free_to_bytes (file);
}

char *
test_vocab_spell (const void *bytes, gsize size)
{
  const guint8 *p = bytes;
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < size; i++) {
    guint n_before = 0; /* bytes below that are not their own character */

    if ((p[i] >= 0x21 && p[i] <= 0x7E) || (p[i] >= 0xA1 && p[i] != 0xAD)) {
      g_string_append_unichar (text, p[i]);
      continue;
    }
    for (guint byte = 0; byte < p[i]; byte++)
      n_before +=
          !((byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD));
    g_string_append_unichar (text, 0x100 + n_before);
  }
  return g_string_free (text, FALSE);
}

/* Adds the merge of two texts of bytes and the token that it makes. */
static void
add_bpe_merge (TestVocab *self, const char *left, const char *right)
{
  g_autofree char *spelled_left = test_vocab_spell (left, strlen (left));
  g_autofree char *spelled_right = test_vocab_spell (right, strlen (right));
  g_autofree char *merge =
      g_strdup_printf ("%s %s", spelled_left, spelled_right);
  g_autofree char *token =
      g_strdup_printf ("%s%s", spelled_left, spelled_right);

  test_vocab_add_merge (self, merge);
  test_vocab_add (self, token, NORMAL, 0);
}

TestVocab *
test_vocab_new_bpe (void)
{
  static const char *const merges[][2] = {{"h", "e"}, {"l", "l"}, {"he", "ll"},
      {"hell", "o"}, {" ", "w"}, {"o", "r"}, {" w", "or"}, {"l", "d"},
      {" wor", "ld"}, {" ", "hello"}, {"a", "a"}, {"aa", "aa"}, {"a", "b"},
      {"b", "a"}, {"\n", "\n"}, {"\xC3", "\xA9"}};
  TestVocab *self = test_vocab_new ();

  test_vocab_set_string (self, "general.architecture", "llama");
  test_vocab_set_string (self, "tokenizer.ggml.model", "gpt2");
  test_vocab_set_string (self, "tokenizer.ggml.pre", "gpt-2");
  for (guint i = 0; i < 256; i++) {
    guint8 byte = (guint8) i;
    g_autofree char *text = test_vocab_spell (&byte, 1);

    test_vocab_add (self, text, NORMAL, 0);
  }
  for (guint i = 0; i < G_N_ELEMENTS (merges); i++)
    add_bpe_merge (self, merges[i][0], merges[i][1]);
  test_vocab_set_uint (self, "tokenizer.ggml.bos_token_id",
      test_vocab_add (self, "<|begin|>", CONTROL, 0));
  test_vocab_set_uint (self, "tokenizer.ggml.eos_token_id",
      test_vocab_add (self, "<|eot_id|>", CONTROL, 0));
  test_vocab_add (self, "<tool>", USER_DEFINED, 0);
  return self;
}

TestVocab *
test_vocab_new_spm (void)
{
  static const char *const pieces[] = {METASPACE "h", "el", "lo",
      METASPACE "hel", METASPACE "hello", METASPACE "w", "or", "ld",
      METASPACE "wor", METASPACE "world", METASPACE METASPACE,
      METASPACE METASPACE METASPACE METASPACE, METASPACE, "h", "e", "l", "o",
      "w", "r", "d", "a", "b", "aa", "ab", "ba", "\xC3\xA9"};
  TestVocab *self = test_vocab_new ();

  test_vocab_set_string (self, "general.architecture", "llama");
  test_vocab_set_string (self, "tokenizer.ggml.model", "llama");
  test_vocab_add (self, "<unk>", UNKNOWN, 0);
  test_vocab_add (self, "<s>", CONTROL, 0);
  test_vocab_add (self, "</s>", CONTROL, 0);
  for (guint byte = 0; byte < 256; byte++) {
    g_autofree char *text = g_strdup_printf ("<0x%02X>", byte);

    test_vocab_add (self, text, BYTE, 0);
  }
  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    test_vocab_add (self, pieces[i], NORMAL, -(float) i);
  test_vocab_add (self, "<tool>", USER_DEFINED, 0);
  return self;
}

char *
test_vocab_new_json (guint n_tokens)
{
  g_autoptr (GString) text = g_string_new (
      "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,"
      "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
      "\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":null,"
      "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\","
      "\"dropout\":null,\"unk_token\":null,\"vocab\":{");

  for (guint i = 0; i < n_tokens; i++) {
    guint8 byte = (guint8) i;
    g_autofree char *token =
        i < 256 ? test_vocab_spell (&byte, 1) : g_strdup_printf ("unused%u", i);

    g_string_append (text, i > 0 ? ",\"" : "\"");
    if (*token == '"' || *token == '\\')
      g_string_append_c (text, '\\');
    g_string_append_printf (text, "%s\":%u", token, i);
  }
  g_string_append (text, "},\"merges\":[]}}");
  return g_string_free (g_steal_pointer (&text), FALSE);
}
