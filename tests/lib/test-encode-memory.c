/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encoding allocates nothing per token once it is warm: what a text costs then
 * is its result, which grows in a few steps.
 *
 * The functions of the C library are replaced by ones that count. Sanitizers
 * have theirs in the same place, so there the test is skipped. */
#include <gio/gio.h>
#include <string.h>

#include "bitnet-tokenizer-private.h"
#include "gguf/bn-gguf.h"
#include "test-vocab.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)                       \
    && !defined(__SANITIZE_THREAD__)
#define CAN_COUNT 1
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)        \
    || __has_feature(memory_sanitizer)
#undef CAN_COUNT
#endif
#endif
#endif

#ifdef CAN_COUNT

void *__libc_malloc (size_t size);
void *__libc_calloc (size_t n, size_t size);
void *__libc_realloc (void *memory, size_t size);

static _Thread_local guint n_allocations;

void *
malloc (size_t size)
{
  n_allocations++;
  return __libc_malloc (size);
}

void *
calloc (size_t n, size_t size)
{
  n_allocations++;
  return __libc_calloc (n, size);
}

void *
realloc (void *memory, size_t size)
{
  n_allocations++;
  return __libc_realloc (memory, size);
}

static BitnetTokenizer *
build (TestVocab *vocab)
{
  g_autoptr (GBytes) bytes = test_vocab_to_bytes (vocab);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (bytes, "test", &error);
  BitnetTokenizer *tokenizer;

  g_assert_no_error (error);
  tokenizer =
      bitnet_tokenizer_new_from_gguf (gguf, BITNET_FIDELITY_AUTO, NULL, &error);
  g_assert_no_error (error);
  return tokenizer;
}

/* Words of all lengths, some of them again and again. */
static char *
make_text (guint n_words)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  GString *text = g_string_new (NULL);

  while (n_words-- > 0) {
    gint length = g_rand_int_range (rand, 1, n_words % 50 == 0 ? 300 : 12);

    if (n_words % 3 == 0) {
      g_string_append (text, " hello world");
      continue;
    }
    g_string_append_c (text, ' ');
    while (length-- > 0)
      g_string_append_c (text, (char) g_rand_int_range (rand, 'a', 'e'));
  }
  return g_string_free (text, FALSE);
}

static void
check (TestVocab *vocab)
{
  /* The result doubles in less than two steps. */
  enum { MAX_ALLOCATIONS = 50 };
  static const guint sizes[] = {10, 1000, 100000};
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *text = make_text (sizes[i]);
    guint n = 0;

    for (guint run = 0; run < 3; run++) {
      g_autoptr (GError) error = NULL;
      g_autofree guint32 *tokens = NULL;
      gsize n_tokens;

      n = n_allocations;
      tokens = bitnet_tokenizer_encode (
          tokenizer, text, -1, BITNET_ENCODE_NONE, &n_tokens, &error);
      n = n_allocations - n;
      g_assert_no_error (error);
      g_assert_cmpuint (n_tokens, >, sizes[i]);
    }
    g_test_message ("%u words: %u allocations", sizes[i], n);
    g_assert_cmpuint (n, >, 0);
    g_assert_cmpuint (n, <, MAX_ALLOCATIONS);
  }
}

static void
test_bpe (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();

  check (vocab);
}

static void
test_spm (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();

  check (vocab);
}

#else

static void
skip (void)
{
  g_test_skip ("the sanitizer has its own malloc()");
}
#define test_bpe skip
#define test_spm skip

#endif

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/encode/memory/bpe", test_bpe);
  g_test_add_func ("/encode/memory/spm", test_spm);
  return g_test_run ();
}
