/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vocabularies that are larger than any that exists: an error that says so, at
 * once and without memory for what they announce. The files are made of zeros,
 * which are empty strings. */
#include <string.h>
#include <sys/resource.h>

#include "bitnet-error.h"
#include "bitnet-tokenizer-private.h"
#include "gguf/bn-gguf.h"

enum { TEN_MILLION = 10 * 1000 * 1000 };

static void
put_uint32 (GByteArray *out, guint32 value)
{
  value = GUINT32_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, sizeof value);
}

static void
put_uint64 (GByteArray *out, guint64 value)
{
  value = GUINT64_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, sizeof value);
}

static void
put_string (GByteArray *out, const char *text)
{
  put_uint64 (out, strlen (text));
  g_byte_array_append (out, (const guint8 *) text, (guint) strlen (text));
}

static void
put_model (GByteArray *out)
{
  put_string (out, "tokenizer.ggml.model");
  put_uint32 (out, BN_GGUF_STRING);
  put_string (out, "gpt2");
}

static void
put_empty_strings (GByteArray *out, const char *key, guint n)
{
  guint length;

  put_string (out, key);
  put_uint32 (out, BN_GGUF_ARRAY);
  put_uint32 (out, BN_GGUF_STRING);
  put_uint64 (out, n);
  length = out->len;
  g_byte_array_set_size (out, length + n * 8);
  memset (out->data + length, 0, n * 8);
}

/* A file with so many tokens and merges. */
static BnGguf *
make_gguf (guint n_tokens, guint n_merges)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  BnGguf *gguf;

  g_byte_array_append (out, (const guint8 *) "GGUF", 4);
  put_uint32 (out, 3);
  put_uint64 (out, 0); /* tensors */
  put_uint64 (out, 3);
  put_model (out);
  put_empty_strings (out, "tokenizer.ggml.tokens", n_tokens);
  put_empty_strings (out, "tokenizer.ggml.merges", n_merges);
  bytes = g_byte_array_free_to_bytes (g_steal_pointer (&out));
  gguf = bn_gguf_new_from_bytes (bytes, "large.gguf", &error);
  g_assert_no_error (error);
  return gguf;
}

static long
get_peak_kib (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

typedef struct {
  const char *name;
  guint n_tokens, n_merges;
  const char *message; /* a part of it */
} Case;

static const Case cases[] = {
    {"tokens", TEN_MILLION, 1, "has 10000000 tokens"},
    {"tokens-one-more", (1u << 22) + 1, 1, "expected at most 4194304 tokens"},
    {"merges", 300, TEN_MILLION, "has 10000000 elements"},
    {"merges-one-more", 300, (1u << 23) + 1, "expected at most 8388608"},
};

static void
test_too_many (gconstpointer data)
{
  const Case *item = data;
  g_autoptr (BnGguf) gguf = make_gguf (item->n_tokens, item->n_merges);
  g_autoptr (GError) error = NULL;
  long before = get_peak_kib ();
  BitnetTokenizer *tokenizer =
      bitnet_tokenizer_new_from_gguf (gguf, BITNET_FIDELITY_AUTO, NULL, &error);

  g_assert_null (tokenizer);
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_assert_nonnull (strstr (error->message, item->message));
  g_assert_nonnull (strstr (error->message, "large.gguf"));
  /* The peak was reached when the file was made. */
  g_assert_cmpint (get_peak_kib () - before, <, 64 << 10);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strconcat ("/limits/", cases[i].name, NULL);

    g_test_add_data_func (path, &cases[i], test_too_many);
  }
  return g_test_run ();
}
