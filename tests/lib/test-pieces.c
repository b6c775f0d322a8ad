/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fast joining of pieces against the plain way, byte by byte. */
#include <string.h>

#include "bn-pieces.h"

enum { N_PIECES = 64, MAX_LENGTH = 40, N_IDS = 700, N_ROUNDS = 300 };

typedef struct {
  uint8_t bytes[N_PIECES * MAX_LENGTH];
  uint32_t offsets[N_PIECES + 1];
  uint8_t kinds[N_PIECES];
  BnStrings strings;
} Table;

/* Text that may begin and end anywhere in characters, also wrong ones. */
static void
fill (Table *self, GRand *rand)
{
  static const char source[] =
      "the quick brown fox  \xC3\xA9\xC3\xA8 \xE4\xB8\xAD\xE6\x96\x87 "
      "\xF0\x9F\x98\x80\xF0\x9F\x91\x8D\xED\xA0\x80\xC0\xAF\xF4\x90\x80\x80"
      "\xE4\xB8 \xF0\x9F\x98 abcdefghijklmnopqrstuvwxyz0123456789";
  uint32_t used = 0;

  for (int id = 0; id < N_PIECES; id++) {
    gint32 length = id % 4 ? g_rand_int_range (rand, 0, 5)
                           : g_rand_int_range (rand, 0, MAX_LENGTH);
    gint32 start = g_rand_int_range (rand, 0, (gint32) sizeof source - length);

    self->kinds[id] = BN_PIECE_SHOWN;
    if (id % 8 == 0)
      self->kinds[id] =
          (uint8_t) g_rand_int_range (rand, 0, BN_PIECE_HIDDEN + 1);
    self->offsets[id] = used;
    memcpy (self->bytes + used, source + start, (size_t) length);
    used += (uint32_t) length;
  }
  self->offsets[N_PIECES] = used;
  self->strings = (BnStrings){self->bytes, self->offsets};
}

/* What bn_pieces_push() promises, in the plainest way. */
static void
join (const Table *table, gboolean show_control, const uint32_t *ids,
    size_t n_ids, GString *out)
{
  BnUtf8Joiner joiner = {.n_pending = 0};

  for (size_t i = 0; i < n_ids; i++) {
    uint32_t id = ids[i];

    if (id >= N_PIECES || table->kinds[id] == BN_PIECE_HIDDEN
        || (table->kinds[id] == BN_PIECE_CONTROL && !show_control))
      continue;
    bn_utf8_joiner_push (&joiner, table->bytes + table->offsets[id],
        table->offsets[id + 1] - table->offsets[id], out);
  }
  bn_utf8_joiner_finish (&joiner, out);
}

static void
check_streamed (const BnPieces *pieces, gboolean show_control, GRand *rand,
    const uint32_t *ids, size_t n_ids, const GString *expected)
{
  g_autoptr (GString) out = g_string_new (NULL);
  BnUtf8Joiner joiner = {.n_pending = 0};

  for (size_t i = 0, step; i < n_ids; i += step) {
    size_t bad;

    step = (size_t) g_rand_int_range (rand, 1, 4);
    step = MIN (step, n_ids - i);
    g_assert_cmpuint (
        bn_pieces_push (pieces, &joiner, show_control, ids + i, step, out), ==,
        step);
    g_assert_true (
        bn_utf8_validate ((const uint8_t *) out->str, out->len, &bad));
  }
  bn_utf8_joiner_finish (&joiner, out);
  g_assert_cmpmem (out->str, out->len, expected->str, expected->len);
}

static void
test_random (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autofree Table *table = g_new (Table, 1);

  for (int round = 0; round < N_ROUNDS; round++) {
    g_autoptr (BnPieces) pieces = NULL;
    g_autoptr (GString) expected = g_string_new (NULL);
    g_autoptr (GString) found = g_string_new (NULL);
    gboolean show_control = round % 2;
    BnUtf8Joiner joiner = {.n_pending = 0};
    uint32_t ids[N_IDS];
    size_t n_ids = (size_t) g_rand_int_range (rand, 0, N_IDS);

    fill (table, rand);
    for (size_t i = 0; i < n_ids; i++)
      ids[i] = (uint32_t) g_rand_int_range (rand, 0, N_PIECES + 1);
    if (n_ids > 0)
      ids[n_ids / 2] = UINT32_MAX;
    pieces = bn_pieces_new (&table->strings, table->kinds, N_PIECES);
    join (table, show_control, ids, n_ids, expected);

    g_assert_cmpuint (
        bn_pieces_push (pieces, &joiner, show_control, ids, n_ids, found), ==,
        n_ids);
    bn_utf8_joiner_finish (&joiner, found);
    g_assert_cmpmem (found->str, found->len, expected->str, expected->len);
    g_assert_cmpint (found->str[found->len], ==, '\0');
    check_streamed (pieces, show_control, rand, ids, n_ids, expected);
  }
}

/* A token that is not for joining is left to the caller. */
static void
test_other (void)
{
  static uint8_t bytes[] = "ab\xC3xy";
  static uint32_t offsets[] = {0, 1, 2, 3, 5};
  static const uint8_t kinds[] = {
      BN_PIECE_SHOWN, BN_PIECE_OTHER, BN_PIECE_SHOWN, BN_PIECE_HIDDEN};
  static const uint32_t ids[] = {0, 3, 0, 2, 1, 0};
  const BnStrings strings = {bytes, offsets};
  g_autoptr (BnPieces) pieces = bn_pieces_new (&strings, kinds, 4);
  g_autoptr (GString) out = g_string_new ("x");
  BnUtf8Joiner joiner = {.n_pending = 0};

  g_assert_cmpuint (bn_pieces_push (pieces, &joiner, TRUE, ids, 6, out), ==, 4);
  g_assert_cmpstr (out->str, ==, "xaa");
  g_assert_cmpuint (joiner.n_pending, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/pieces/random", test_random);
  g_test_add_func ("/pieces/other", test_other);
  return g_test_run ();
}
