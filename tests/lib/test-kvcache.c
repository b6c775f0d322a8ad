/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages of the key-value cache. The tests write each token into the cell it
 * gets, so that a cell of another token, or one written by two sequences, is
 * seen when a prefix is read back. */
#include "bitnet-error.h"
#include "bn-kvcache.h"

enum { PAGE = BN_KV_PAGE_CELLS };

typedef struct {
  BnBackend *backend;
  BnKvCache *cache;
} Fixture;

static void
set_up (Fixture *f, gconstpointer n_pages)
{
  g_autoptr (GError) error = NULL;

  f->backend = bn_cpu_backend_new (NULL, 1);
  f->cache = bn_kv_cache_new (f->backend, BN_KV_F16, 2, 2, 4,
      GPOINTER_TO_UINT (n_pages) * PAGE, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer n_pages)
{
  bn_kv_cache_free (f->cache);
  bn_backend_free (f->backend);
}

/* The first value of the last layer and head: far from every other page. */
static uint16_t *
cell_of (Fixture *f, const BnKvSeq *seq, uint32_t position)
{
  const BnKvLayout *l = bn_kv_cache_get_layout (f->cache);

  return (uint16_t *) (void *) (l->data
                                + bn_kv_seq_get_pages (seq)[position / PAGE]
                                      * l->page_stride
                                + l->layer_stride + l->head_stride + l->v_offset
                                + position % PAGE * l->cell_size);
}

static gboolean
append (Fixture *f, BnKvSeq *seq, const uint32_t *tokens, uint32_t n)
{
  const uint32_t begin = bn_kv_seq_get_n_cells (seq);

  if (!bn_kv_seq_reserve (seq, n, NULL))
    return FALSE;
  for (uint32_t i = 0; i < n; i++)
    *cell_of (f, seq, begin + i) = (uint16_t) tokens[i];
  bn_kv_seq_commit (seq, tokens, n);
  g_assert_cmpuint (bn_kv_seq_get_n_cells (seq), ==, begin + n);
  return TRUE;
}

static void
check_contents (Fixture *f, const BnKvSeq *seq, const uint32_t *tokens)
{
  for (uint32_t i = 0; i < bn_kv_seq_get_n_cells (seq); i++)
    g_assert_cmpuint (*cell_of (f, seq, i), ==, tokens[i]);
}

static void
fill_tokens (uint32_t *tokens, uint32_t n, uint32_t first)
{
  for (uint32_t i = 0; i < n; i++)
    tokens[i] = first + i;
}

/* A prompt seen before, also by a sequence that has ended, is reused, and at
 * least one token is left to compute. */
static void
test_reuse (Fixture *f, gconstpointer data)
{
  enum { FIRST = 3 * PAGE + 5 };
  uint32_t tokens[4 * PAGE];

  fill_tokens (tokens, G_N_ELEMENTS (tokens), 100);
  for (int has_ended = 0; has_ended < 2; has_ended++) {
    g_autoptr (BnKvSeq) first = bn_kv_seq_new (f->cache, 4 * PAGE);

    bn_kv_seq_match (first, tokens, 1);
    append (f, first, tokens, FIRST);
    if (has_ended) {
      g_clear_pointer (&first, bn_kv_seq_free);
      g_assert_cmpuint (bn_kv_cache_get_n_idle (f->cache), ==, 4 * PAGE);
    }
    for (uint32_t n = 1; n <= 4 * PAGE; n++) {
      g_autoptr (BnKvSeq) seq = bn_kv_seq_new (f->cache, 4 * PAGE);

      /* a page that is being filled is for its own sequence alone */
      g_assert_cmpuint (bn_kv_seq_match (seq, tokens, n), ==,
          MIN (n - 1, has_ended ? FIRST : 3 * PAGE));
      check_contents (f, seq, tokens);
      bn_kv_seq_truncate (seq, 0);
    }
  }
}

/* A short conversation goes on, turn by turn; a turn seen again, or the
 * beginning of one, takes no second page. */
static void
test_unfinished_page (Fixture *f, gconstpointer data)
{
  uint32_t tokens[2 * PAGE];
  const uint32_t ends[] = {5, 9, 9, 7, 20, PAGE - 1, PAGE + 3};
  uint32_t longest = 0;

  fill_tokens (tokens, G_N_ELEMENTS (tokens), 1);
  for (gsize i = 0; i < G_N_ELEMENTS (ends); i++) {
    BnKvSeq *seq = bn_kv_seq_new (f->cache, 2 * PAGE);
    uint32_t n = bn_kv_seq_match (seq, tokens, ends[i]);

    g_assert_cmpuint (n, ==, MIN (longest, ends[i] - 1));
    append (f, seq, tokens + n, ends[i] - n);
    check_contents (f, seq, tokens);
    bn_kv_seq_free (seq);
    longest = MAX (longest, ends[i]);
    g_assert_cmpuint (bn_kv_cache_get_n_idle (f->cache), ==,
        (ends[i] + PAGE - 1) / PAGE * PAGE);
  }
}

/* Without a free page nothing is copied, and nothing breaks. */
static void
test_no_page_to_copy_to (Fixture *f, gconstpointer n_pages)
{
  uint32_t tokens[PAGE], others[3 * PAGE];
  g_autoptr (BnKvSeq) filler = bn_kv_seq_new (f->cache, 3 * PAGE);
  BnKvSeq *seq = bn_kv_seq_new (f->cache, PAGE);

  g_assert_cmpuint (GPOINTER_TO_UINT (n_pages), ==, 3);
  fill_tokens (tokens, G_N_ELEMENTS (tokens), 1);
  fill_tokens (others, G_N_ELEMENTS (others), 700);
  append (f, seq, tokens, 10);
  bn_kv_seq_free (seq);
  append (f, filler, others, 2 * PAGE);
  seq = bn_kv_seq_new (f->cache, PAGE);
  g_assert_cmpuint (bn_kv_seq_match (seq, tokens, PAGE), ==, 0);
  /* the last page is given up for new tokens */
  g_assert_true (append (f, seq, tokens, PAGE));
  check_contents (f, filler, others);
  check_contents (f, seq, tokens);
  bn_kv_seq_free (seq);
}

/* The same tokens after another prefix are another page. */
static void
test_prefix_counts (Fixture *f, gconstpointer data)
{
  uint32_t tokens[2 * PAGE + 1];
  g_autoptr (BnKvSeq) first = bn_kv_seq_new (f->cache, 3 * PAGE);
  g_autoptr (BnKvSeq) second = bn_kv_seq_new (f->cache, 3 * PAGE);
  g_autoptr (BnKvSeq) third = bn_kv_seq_new (f->cache, 3 * PAGE);

  fill_tokens (tokens, G_N_ELEMENTS (tokens), 0);
  append (f, first, tokens, 2 * PAGE);
  tokens[3]++;
  g_assert_cmpuint (bn_kv_seq_match (second, tokens, 2 * PAGE + 1), ==, 3);
  /* the second page alone is no beginning */
  g_assert_cmpuint (bn_kv_seq_match (third, tokens + PAGE, PAGE + 1), ==, 0);
}

/* Pages with one hash are still told apart: a cache this small has four. */
static void
test_same_hash (Fixture *f, gconstpointer n_pages)
{
  g_assert_cmpuint (GPOINTER_TO_UINT (n_pages), ==, 4);
  for (uint32_t i = 0; i < 50; i++) {
    uint32_t tokens[2 * PAGE + 1], others[2 * PAGE + 1];
    BnKvSeq *first = bn_kv_seq_new (f->cache, 3 * PAGE);
    BnKvSeq *second = bn_kv_seq_new (f->cache, 3 * PAGE);

    fill_tokens (tokens, G_N_ELEMENTS (tokens), 0);
    fill_tokens (others, G_N_ELEMENTS (others), 0);
    tokens[0] = 1000 + i;
    others[0] = 2000 + i;
    append (f, first, tokens, 2 * PAGE);
    append (f, second, others, PAGE);
    bn_kv_seq_free (second);
    second = bn_kv_seq_new (f->cache, 3 * PAGE);
    g_assert_cmpuint (bn_kv_seq_match (second, others, 2 * PAGE + 1), ==, PAGE);
    bn_kv_seq_free (first);
    bn_kv_seq_free (second);
  }
}

/* Two sequences compute the same prompt at the same time: one page stays. */
static void
test_same_page_twice (Fixture *f, gconstpointer data)
{
  uint32_t tokens[2 * PAGE + 3];
  g_autoptr (BnKvSeq) first = bn_kv_seq_new (f->cache, 3 * PAGE);
  g_autoptr (BnKvSeq) second = bn_kv_seq_new (f->cache, 3 * PAGE);
  const uint32_t n_cells = bn_kv_cache_get_n_cells (f->cache);

  fill_tokens (tokens, G_N_ELEMENTS (tokens), 7);
  append (f, first, tokens, 2 * PAGE + 3);
  append (f, second, tokens, 2 * PAGE + 3);
  g_assert_cmpuint (
      bn_kv_seq_get_pages (first)[1], ==, bn_kv_seq_get_pages (second)[1]);
  g_assert_cmpuint (
      bn_kv_seq_get_pages (first)[2], !=, bn_kv_seq_get_pages (second)[2]);
  g_assert_cmpuint (
      bn_kv_cache_get_n_available (f->cache), ==, n_cells - 4 * PAGE);
  check_contents (f, second, tokens);
}

/* Idle pages go, the longest unused first, and of a prefix its end first. */
static void
test_eviction (Fixture *f, gconstpointer n_pages)
{
  uint32_t old[2 * PAGE + 1], new[2 * PAGE + 1], other[3 * PAGE];
  BnKvSeq *seq;

  g_assert_cmpuint (GPOINTER_TO_UINT (n_pages), ==, 5);
  fill_tokens (old, G_N_ELEMENTS (old), 1000);
  fill_tokens (new, G_N_ELEMENTS (new), 2000);
  fill_tokens (other, G_N_ELEMENTS (other), 3000);
  for (int i = 0; i < 2; i++) {
    seq = bn_kv_seq_new (f->cache, 3 * PAGE);
    append (f, seq, i ? new : old, 2 * PAGE);
    bn_kv_seq_free (seq);
  }
  /* one page is free; two more must come from the idle ones */
  seq = bn_kv_seq_new (f->cache, 3 * PAGE);
  g_assert_true (append (f, seq, other, 2 * PAGE));
  bn_kv_seq_free (seq);

  seq = bn_kv_seq_new (f->cache, 3 * PAGE);
  g_assert_cmpuint (bn_kv_seq_match (seq, old, 2 * PAGE + 1), ==, PAGE);
  bn_kv_seq_free (seq);
  seq = bn_kv_seq_new (f->cache, 3 * PAGE);
  g_assert_cmpuint (bn_kv_seq_match (seq, new, 2 * PAGE + 1), ==, 2 * PAGE);
  check_contents (f, seq, new);
  bn_kv_seq_free (seq);
}

static void
test_reserve (Fixture *f, gconstpointer n_pages)
{
  const uint32_t n = GPOINTER_TO_UINT (n_pages);
  g_autoptr (BnKvSeq) first = bn_kv_seq_new (f->cache, n * PAGE);
  g_autoptr (BnKvSeq) second = bn_kv_seq_new (f->cache, 2 * PAGE);
  g_autoptr (GError) error = NULL;

  g_assert_false (bn_kv_seq_reserve (second, 2 * PAGE + 1, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CONTEXT_FULL);
  g_clear_error (&error);
  g_assert_false (bn_kv_seq_reserve (second, UINT32_MAX, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CONTEXT_FULL);
  g_clear_error (&error);

  g_assert_true (bn_kv_seq_reserve (first, (n - 1) * PAGE, &error));
  g_assert_true (bn_kv_seq_reserve (first, (n - 1) * PAGE, &error));
  g_assert_false (bn_kv_seq_reserve (second, PAGE + 1, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY);
  g_clear_error (&error);
  /* nothing was taken */
  g_assert_cmpuint (bn_kv_cache_get_n_available (f->cache), ==, PAGE);
  g_assert_true (bn_kv_seq_reserve (second, PAGE, &error));
  /* reserved room goes back */
  g_assert_cmpuint (bn_kv_seq_truncate (first, 0), ==, 0);
  g_assert_cmpuint (bn_kv_cache_get_n_available (f->cache), ==, (n - 1) * PAGE);
}

static void
test_truncate (Fixture *f, gconstpointer data)
{
  uint32_t tokens[3 * PAGE], others[3 * PAGE];
  g_autoptr (BnKvSeq) seq = bn_kv_seq_new (f->cache, 3 * PAGE);
  g_autoptr (BnKvSeq) sharer = bn_kv_seq_new (f->cache, 3 * PAGE);
  g_autoptr (BnKvSeq) late = bn_kv_seq_new (f->cache, 3 * PAGE);

  fill_tokens (tokens, G_N_ELEMENTS (tokens), 0);
  fill_tokens (others, G_N_ELEMENTS (others), 500);
  append (f, seq, tokens, 2 * PAGE + 4);
  g_assert_cmpuint (bn_kv_seq_truncate (seq, 9 * PAGE), ==, 2 * PAGE + 4);
  g_assert_cmpuint (bn_kv_seq_truncate (seq, 2 * PAGE + 1), ==, 2 * PAGE + 1);

  /* the cut page is alone: it leaves the index and is written again */
  g_assert_cmpuint (bn_kv_seq_truncate (seq, PAGE + 3), ==, PAGE + 3);
  append (f, seq, others, PAGE - 3);
  g_assert_cmpuint (bn_kv_seq_match (sharer, tokens, 3 * PAGE), ==, PAGE + 3);
  check_contents (f, sharer, tokens);

  /* the cut page is shared: it is left to the others */
  g_assert_cmpuint (bn_kv_seq_truncate (seq, 3), ==, 0);
  append (f, seq, others, 2 * PAGE);
  check_contents (f, seq, others);
  check_contents (f, sharer, tokens);
  g_assert_cmpuint (bn_kv_seq_match (late, tokens, 2 * PAGE), ==, PAGE + 3);
  check_contents (f, late, tokens);
}

static void
test_clear (Fixture *f, gconstpointer n_pages)
{
  uint32_t tokens[2 * PAGE + 1];
  BnKvSeq *seq = bn_kv_seq_new (f->cache, 3 * PAGE);

  fill_tokens (tokens, G_N_ELEMENTS (tokens), 40);
  append (f, seq, tokens, 2 * PAGE);
  bn_kv_cache_clear (f->cache);
  check_contents (f, seq, tokens);
  bn_kv_seq_free (seq);
  g_assert_cmpuint (bn_kv_cache_get_n_idle (f->cache), ==, 2 * PAGE);
  bn_kv_cache_clear (f->cache);
  g_assert_cmpuint (bn_kv_cache_get_n_idle (f->cache), ==, 0);
  g_assert_cmpuint (bn_kv_cache_get_n_available (f->cache), ==,
      GPOINTER_TO_UINT (n_pages) * PAGE);
  seq = bn_kv_seq_new (f->cache, 3 * PAGE);
  g_assert_cmpuint (bn_kv_seq_match (seq, tokens, 2 * PAGE + 1), ==, 0);
  g_assert_true (append (f, seq, tokens, 2 * PAGE));
  check_contents (f, seq, tokens);
  bn_kv_seq_free (seq);
}

/* What a prefix is matched against is looked up again after a wait. */
static void
test_match_again (Fixture *f, gconstpointer data)
{
  uint32_t tokens[3 * PAGE + 1];
  g_autoptr (BnKvSeq) first = bn_kv_seq_new (f->cache, 4 * PAGE);
  g_autoptr (BnKvSeq) second = bn_kv_seq_new (f->cache, 4 * PAGE);

  fill_tokens (tokens, G_N_ELEMENTS (tokens), 9);
  append (f, first, tokens, PAGE);
  g_assert_cmpuint (bn_kv_seq_match (second, tokens, 3 * PAGE + 1), ==, PAGE);
  bn_kv_seq_reserve (second, 1, NULL);
  append (f, first, tokens + PAGE, 2 * PAGE);
  g_assert_cmpuint (
      bn_kv_seq_match (second, tokens, 3 * PAGE + 1), ==, 3 * PAGE);
  check_contents (f, second, tokens);
}

/* Any order of all of it: contents stay right, no page is lost. Tokens are
 * few, so that prefixes often agree. */
static void
test_random (Fixture *f, gconstpointer n_pages)
{
  enum { N_SEQS = 6, MAX = 5 * PAGE };
  BnKvSeq *seqs[N_SEQS] = {NULL};
  static uint32_t tokens[N_SEQS][MAX];

  for (int step = 0; step < 20000; step++) {
    const int i = g_test_rand_int_range (0, N_SEQS);
    BnKvSeq *seq = seqs[i];
    uint32_t n;

    if (seq == NULL) {
      seqs[i] = seq = bn_kv_seq_new (f->cache, MAX);
      for (uint32_t t = 0; t < MAX; t++)
        tokens[i][t] = t % PAGE ? 1 : (uint32_t) g_test_rand_int_range (0, 3);
      bn_kv_seq_match (seq, tokens[i], MAX);
      check_contents (f, seq, tokens[i]);
      continue;
    }
    n = bn_kv_seq_get_n_cells (seq);
    switch (g_test_rand_int_range (0, 8)) {
      case 0:
        bn_kv_seq_free (seq);
        seqs[i] = NULL;
        break;
      case 1:
        n = bn_kv_seq_truncate (
            seq, (uint32_t) g_test_rand_int_range (0, (int) n + 1));
        for (uint32_t t = n; t < MAX; t++)
          tokens[i][t] = (uint32_t) g_test_rand_int_range (0, 2);
        break;
      case 2:
        if (g_test_rand_int_range (0, 20) == 0)
          bn_kv_cache_clear (f->cache);
        break;
      default:
        append (f, seq, tokens[i] + n,
            (uint32_t) g_test_rand_int_range (0, (int) (MAX - n) + 1));
        check_contents (f, seq, tokens[i]);
    }
  }
  for (int i = 0; i < N_SEQS; i++) {
    if (seqs[i]) {
      check_contents (f, seqs[i], tokens[i]);
      bn_kv_seq_free (seqs[i]);
    }
  }
  g_assert_cmpuint (bn_kv_cache_get_n_available (f->cache), ==,
      GPOINTER_TO_UINT (n_pages) * PAGE);
}

static void
test_no_memory (void)
{
  g_autoptr (BnBackend) backend = bn_cpu_backend_new (NULL, 1);
  g_autoptr (GError) error = NULL;

  g_assert_null (bn_kv_cache_new (
      backend, BN_KV_F16, 4096, 1 << 20, 1 << 20, UINT32_MAX, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *path;
    guint n_pages;
    void (*test) (Fixture *, gconstpointer);
  } tests[] = {
      {"/kvcache/reuse", 12, test_reuse},
      {"/kvcache/unfinished-page", 8, test_unfinished_page},
      {"/kvcache/no-page-to-copy-to", 3, test_no_page_to_copy_to},
      {"/kvcache/prefix-counts", 8, test_prefix_counts},
      {"/kvcache/same-hash", 4, test_same_hash},
      {"/kvcache/same-page-twice", 8, test_same_page_twice},
      {"/kvcache/eviction", 5, test_eviction},
      {"/kvcache/reserve", 6, test_reserve},
      {"/kvcache/truncate", 9, test_truncate},
      {"/kvcache/clear", 6, test_clear},
      {"/kvcache/match-again", 8, test_match_again},
      {"/kvcache/random", 14, test_random},
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, GUINT_TO_POINTER (tests[i].n_pages),
        set_up, tests[i].test, tear_down);
  g_test_add_func ("/kvcache/no-memory", test_no_memory);
  return g_test_run ();
}
