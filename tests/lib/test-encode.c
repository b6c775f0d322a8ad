/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fast ways from text to ids: many words at a time, batches of texts on
 * several threads. Their results are those of the plain ways. */
#include <gio/gio.h>
#include <string.h>

#include "bitnet-error.h"
#include "bitnet-tokenizer-private.h"
#include "gguf/bn-gguf.h"
#include "test-vocab.h"
#include "text/bn-cache.h"
#include "text/bn-merge.h"
#include "text/bn-pretok.h"

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

/* ---- words ---- */

/* What the rules of words tell apart, and what many words are made of. */
static const char *const pieces[] = {"a", "b", "Z", "don", "x", " ", " ", "  ",
    "\t", "\n", "\r\n", "\n\n", "\x0B", "1", "23", "4567", "'", "'s", "'RE",
    "'ll", "\'d", ".", "--", "!?", "/", "+", "_", "\x01", "\x7F", "",
    "\xC3\xA9", "\xD0\x96", "\xE4\xB8\xAD\xE6\x96\x87", "\xE0\xA4\xBF",
    "\xC2\xA0", "\xE3\x80\x80", "\xC2\xB2", "\xE2\x80\x94", "\xF0\x9F\x98\x80",
    "\xF0\x90\x90\x80", "\xE2\x82\xAC", "\xCC\x81", "\xC5\xBF", "'\xC5\xBF"};

/* Text of pieces, of which a few come often. */
static void
make_text (GRand *rand, GString *text)
{
  gint n = g_rand_int_range (rand, 0, 150);
  const char *often[4];

  g_string_truncate (text, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (often); i++)
    often[i] = pieces[g_rand_int_range (rand, 0, (gint) G_N_ELEMENTS (pieces))];
  while (n-- > 0) {
    if (g_rand_int_range (rand, 0, 3) == 0)
      g_string_append (text,
          pieces[g_rand_int_range (rand, 0, (gint) G_N_ELEMENTS (pieces))]);
    else
      g_string_append (
          text, often[g_rand_int_range (rand, 0, G_N_ELEMENTS (often))]);
    /* Ends of characters are no ends of words of raw bytes. */
    if (g_rand_int_range (rand, 0, 500) == 0)
      g_string_append_c (text, (char) g_rand_int_range (rand, 0x80, 0x100));
  }
}

/* Many words at a time are the words that the splitters find one by one. */
static void
test_words (gconstpointer data)
{
  const BnPretokSet *set = data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint round = 0; round < 3000; round++) {
    BnPretokIter one, many;
    const uint8_t *word = NULL, *start, *bytes;
    uint32_t ends[BN_PRETOK_BATCH];
    unsigned n;
    /* Exactly as much memory as there is text. */
    g_autofree uint8_t *copy = NULL;

    make_text (rand, text);
    copy = g_memdup2 (text->str, text->len);
    bytes = copy;
    bn_pretok_iter_init (&one, set, bytes, text->len);
    bn_pretok_iter_init (&many, set, bytes, text->len);
    while ((n = bn_pretok_iter_take (&many, &start, ends)) > 0) {
      for (unsigned i = 0; i < n; i++) {
        size_t length = bn_pretok_iter_next (&one, &word);
        uint32_t from = i > 0 ? ends[i - 1] : 0;

        if (word != start + from || length != ends[i] - from) {
          g_autofree char *shown = g_strescape (text->str, NULL);

          g_error ("%s: \"%s\": word at %zu ends at %zu, expected %zu",
              set->name, shown, (size_t) (start - bytes) + from,
              (size_t) (start - bytes) + ends[i],
              (size_t) (word - bytes) + length);
        }
      }
    }
    g_assert_cmpuint (bn_pretok_iter_next (&one, &word), ==, 0);
  }
}

/* ---- the cache ---- */

enum { N_WORDS = 400000 };

/* A word and its ids from its number, always the same. */
static gsize
get_word (guint number, uint8_t *word, uint32_t *ids, gsize *n_ids)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (number);
  gsize length = (gsize) g_rand_int_range (rand, 1, number % 3 == 0 ? 60 : 12);

  *n_ids = (gsize) g_rand_int_range (rand, 0, (gint) length + 1);
  for (gsize i = 0; i < length; i++)
    word[i] = (uint8_t) g_rand_int (rand);
  memcpy (word, &number, MIN (length, sizeof number));
  for (gsize i = 0; i < *n_ids; i++)
    ids[i] = number + (uint32_t) i;
  return length;
}

/* Whatever has been forgotten, what comes back is right; of many more words
 * than there is room for, and of few all come back. */
static void
test_cache (void)
{
  BnCache cache;
  BnIds out = {.n_ids = 0};
  guint n_hits = 0;
  uint8_t word[64];
  uint32_t ids[64];

  bn_cache_init (&cache);
  g_assert_true (bn_ids_reserve (&out, sizeof word));
  for (guint round = 0; round < 2 * N_WORDS; round++) {
    /* Few words first, so that they come again. */
    guint number = round < 1000 ? round % 100 + 1 : round % N_WORDS + 0x1000000;
    gsize n_ids, length = get_word (number, word, ids, &n_ids);
    BnCachePlace place;

    /* Two short words may be the same by chance. */
    if (length < sizeof number)
      continue;
    out.n_ids = 0;
    if (bn_cache_lookup (
            &cache, word, length, word + sizeof word, &place, &out)) {
      g_assert_cmpmem (
          out.data, out.n_ids * sizeof *ids, ids, n_ids * sizeof *ids);
      n_hits++;
    } else {
      g_assert_true (round < 100 || round >= 1000);
      bn_cache_insert (&cache, &place, word, length, ids, n_ids);
    }
  }
  g_assert_cmpuint (n_hits, >, 10000);
  bn_cache_clear (&cache);
  g_free (out.data);
}

/* ---- merging in windows ---- */

enum { N_LETTERS = 3, N_MERGES = 60 };

/* Random merges: token N_LETTERS + i is made by the merge of rank i. */
typedef struct {
  struct {
    uint32_t left, right;
  } merges[N_MERGES];
  guint n_merges;
} Merges;

static inline uint32_t
pair_rank (const void *model, uint32_t left, uint32_t right,
    const uint8_t *text, size_t length, uint32_t *merged)
{
  const Merges *self = model;

  for (guint i = 0; i < self->n_merges; i++) {
    if (self->merges[i].left == left && self->merges[i].right == right) {
      *merged = N_LETTERS + i;
      return i;
    }
  }
  return BN_NO_RANK;
}

static size_t
merge_symbols (const void *model, BnScratch *scratch, BnSymbol *symbols,
    size_t n, const uint8_t *text, size_t length)
{
  return bn_merge_symbols (model, pair_rank, scratch, symbols, n, text, length);
}

static inline size_t
split_letters (const void *model, const uint8_t *text, size_t length,
    BnSymbol *symbols, size_t n, size_t *end)
{
  n = MIN (n, length);
  for (size_t i = 0; i < n; i++) {
    symbols[i].id = text[i] - 'a';
    symbols[i].start = (uint32_t) i;
  }
  *end = n;
  return n;
}

static inline void
push_token (const void *model, uint32_t id, const uint8_t *text, size_t length,
    BnIds *out)
{
  bn_ids_push (out, id);
}

/* Merges of small tokens, and of tokens with themselves, which get long. */
static void
make_merges (GRand *rand, Merges *self)
{
  guint chance = g_rand_int_range (rand, 0, 4);

  self->n_merges = 0;
  for (guint n = g_rand_int_range (rand, 1, N_MERGES); n > 0; n--) {
    guint n_tokens = N_LETTERS + self->n_merges;
    uint32_t left = g_rand_int_range (rand, 0, n_tokens), merged;
    uint32_t right = (guint) g_rand_int_range (rand, 0, 4) < chance
                         ? left
                         : (uint32_t) g_rand_int_range (rand, 0, n_tokens);

    if (pair_rank (self, left, right, NULL, 0, &merged) != BN_NO_RANK)
      continue;
    self->merges[self->n_merges].left = left;
    self->merges[self->n_merges].right = right;
    self->n_merges++;
  }
}

static void
make_word (GRand *rand, uint8_t *word, gsize length)
{
  gsize period = (gsize) g_rand_int_range (rand, 1, 20);
  gint n_letters = g_rand_int_range (rand, 1, N_LETTERS + 1);
  gint noise = g_rand_int_range (rand, 1, 400);

  for (gsize i = 0; i < length; i++) {
    if (i < period || g_rand_int_range (rand, 0, noise) == 0)
      word[i] = (uint8_t) ('a' + g_rand_int_range (rand, 0, n_letters));
    else
      word[i] = word[i - period];
  }
}

/* The same as all at once, also where tokens are longer than windows. */
static void
test_windows (void)
{
  static const BnMergeOps ops = {merge_symbols, split_letters, push_token};
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  g_autoptr (BnScratch) scratch = bn_scratch_new ();
  BnIds whole = {.n_ids = 0}, windows = {.n_ids = 0};

  for (guint round = 0; round < 1000; round++) {
    Merges merges;
    gsize length = (gsize) g_rand_int_range (rand, 1, 3000), n, end;
    g_autofree uint8_t *word = g_malloc (length);

    make_merges (rand, &merges);
    make_word (rand, word, length);
    whole.n_ids = windows.n_ids = 0;
    g_assert_true (bn_ids_reserve (&whole, length));
    g_assert_true (bn_ids_reserve (&windows, length));
    g_assert_true (bn_scratch_reserve_symbols (scratch, length));
    n = split_letters (&merges, word, length, scratch->symbols, length, &end);
    n = bn_merge_long (
        &merges, pair_rank, scratch, scratch->symbols, n, word, length);
    bn_merge_push (&merges, &ops, scratch->symbols, n, word, length, &whole);
    g_assert_true (
        bn_merge_text (&merges, &ops, scratch, word, length, &windows));
    g_assert_cmpmem (whole.data, whole.n_ids * sizeof *whole.data, windows.data,
        windows.n_ids * sizeof *windows.data);
  }
  g_free (whole.data);
  g_free (windows.data);
}

/* ---- batches ---- */

enum { N_TEXTS = 500 };

static GPtrArray *
make_texts (void)
{
  static const char *const words[] = {"hello", " world", " ", "  ", "aaab",
      "<tool>", "\xC3\xA9", "\n", "12345", "'s", ""};
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  GPtrArray *texts = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < N_TEXTS; i++) {
    GString *text = g_string_new (NULL);
    gint n = g_rand_int_range (rand, 0, i % 100 == 7 ? 5000 : 20);

    while (n-- > 0)
      g_string_append (
          text, words[g_rand_int_range (rand, 0, (gint) G_N_ELEMENTS (words))]);
    g_ptr_array_add (texts, g_string_free (text, FALSE));
  }
  return texts;
}

/* For any number of threads the ids of each text, one behind the other. */
static void
test_batch (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);
  g_autoptr (GPtrArray) texts = make_texts ();
  const BitnetEncodeFlags flags = BITNET_ENCODE_ADD_SPECIAL;

  for (guint n_threads = 0; n_threads <= 4; n_threads++) {
    g_autoptr (GError) error = NULL;
    g_autofree gsize *n_tokens = NULL;
    gsize n_total, start = 0;
    g_autofree guint32 *tokens = bitnet_tokenizer_encode_batch (tokenizer,
        (const char *const *) texts->pdata, NULL, texts->len, flags, n_threads,
        &n_tokens, &n_total, NULL, &error);

    g_assert_no_error (error);
    for (guint i = 0; i < texts->len; i++) {
      gsize n;
      g_autofree guint32 *alone = bitnet_tokenizer_encode (
          tokenizer, texts->pdata[i], -1, flags, &n, &error);

      g_assert_no_error (error);
      g_assert_cmpmem (alone, n * sizeof *alone, tokens + start,
          n_tokens[i] * sizeof *tokens);
      start += n;
    }
    g_assert_cmpuint (start, ==, n_total);
  }
}

static void
test_batch_lengths (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);
  const char *const texts[] = {"aXX", "b", "", "c\0d"};
  const gssize lengths[] = {1, -1, 0, 3};
  g_autoptr (GError) error = NULL;
  g_autofree gsize *n_tokens = NULL;
  gsize n_total;
  g_autofree guint32 *tokens = bitnet_tokenizer_encode_batch (tokenizer, texts,
      lengths, G_N_ELEMENTS (texts), 0, 2, &n_tokens, &n_total, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (n_total, ==, 5);
  g_assert_cmpuint (tokens[0], ==, 'a');
  g_assert_cmpuint (tokens[1], ==, 'b');
  g_assert_cmpuint (tokens[3], ==, 0);
  g_assert_cmpuint (n_tokens[2], ==, 0);
  g_assert_cmpuint (n_tokens[3], ==, 3);
}

/* No texts are a batch too. */
static void
test_batch_empty (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);
  g_autoptr (GError) error = NULL;
  g_autofree gsize *n_tokens = NULL;
  gsize n_total = 1;
  g_autofree guint32 *tokens = bitnet_tokenizer_encode_batch (
      tokenizer, NULL, NULL, 0, 0, 0, &n_tokens, &n_total, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (tokens);
  g_assert_nonnull (n_tokens);
  g_assert_cmpuint (n_total, ==, 0);
}

/* The first bad text counts, whoever finds one first. */
static void
test_batch_error (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);
  g_autoptr (GPtrArray) texts = make_texts ();
  g_autoptr (GError) error = NULL;
  gsize *n_tokens;
  gsize n_total;

  for (guint i = 123; i < N_TEXTS; i += 50) {
    g_free (texts->pdata[i]);
    texts->pdata[i] = g_strdup ("ab\xFF");
  }
  g_assert_null (bitnet_tokenizer_encode_batch (tokenizer,
      (const char *const *) texts->pdata, NULL, texts->len,
      BITNET_ENCODE_STRICT, 3, &n_tokens, &n_total, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_ENCODING);
  g_assert_true (g_str_has_prefix (error->message, "text 123: "));
  g_assert_null (n_tokens);
}

static void
test_batch_cancelled (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);
  g_autoptr (GPtrArray) texts = make_texts ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  gsize *n_tokens;
  gsize n_total;

  g_cancellable_cancel (cancellable);
  g_assert_null (bitnet_tokenizer_encode_batch (tokenizer,
      (const char *const *) texts->pdata, NULL, texts->len, 0, 2, &n_tokens,
      &n_total, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (const BnPretokSet *const *set = bn_pretok_sets (); *set; set++) {
    g_autofree char *path = g_strconcat ("/encode/words/", (*set)->name, NULL);

    g_test_add_data_func (path, *set, test_words);
  }
  g_test_add_func ("/encode/cache", test_cache);
  g_test_add_func ("/encode/windows", test_windows);
  g_test_add_func ("/encode/batch", test_batch);
  g_test_add_func ("/encode/batch/lengths", test_batch_lengths);
  g_test_add_func ("/encode/batch/empty", test_batch_empty);
  g_test_add_func ("/encode/batch/error", test_batch_error);
  g_test_add_func ("/encode/batch/cancelled", test_batch_cancelled);
  return g_test_run ();
}
