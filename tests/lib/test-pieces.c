/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fast joining of pieces against the plain way, byte by byte. */
#include <string.h>

#include "bn-pieces.h"

enum { N_PIECES = 64, MAX_LENGTH = 40, N_IDS = 700, N_ROUNDS = 300 };

typedef struct {
  uint8_t bytes[N_PIECES * MAX_LENGTH];
  uint32_t offsets[N_PIECES + 1];
  uint16_t attributes[N_PIECES];
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

    self->attributes[id] = BN_TOKEN_NORMAL;
    if (id % 8 == 0)
      self->attributes[id] = (uint16_t) (1 << g_rand_int_range (rand, 0, 6));
    self->offsets[id] = used;
    memcpy (self->bytes + used, source + start, (size_t) length);
    used += (uint32_t) length;
  }
  self->offsets[N_PIECES] = used;
  self->strings = (BnStrings){self->bytes, self->offsets};
}

/* What bn_pieces_push() promises, in the plainest way. */
static void
join (const Table *table, gboolean show_control, gboolean strip_space,
    const uint32_t *ids, size_t n_ids, GString *out)
{
  BnUtf8Joiner joiner = {.n_pending = 0};

  for (size_t i = 0; i < n_ids; i++) {
    const uint8_t *bytes;
    uint32_t length;

    if (ids[i] >= N_PIECES)
      continue;
    if (table->attributes[ids[i]] & (BN_TOKEN_CONTROL | BN_TOKEN_UNKNOWN)) {
      if (!show_control)
        continue;
    } else if (table->attributes[ids[i]] & BN_TOKEN_UNUSED) {
      continue;
    }
    bytes = table->bytes + table->offsets[ids[i]];
    length = table->offsets[ids[i] + 1] - table->offsets[ids[i]];
    if (strip_space && length > 0 && *bytes == ' ') {
      bytes++;
      length--;
    }
    strip_space = FALSE;
    bn_utf8_joiner_push (&joiner, bytes, length, out);
  }
  bn_utf8_joiner_finish (&joiner, out);
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
    g_autoptr (GString) streamed = g_string_new (NULL);
    gboolean show_control = round % 2, strip_space = round / 2 % 2;
    BnPiecesState state = {.strip_space = strip_space};
    uint32_t ids[N_IDS];
    size_t n_ids = (size_t) g_rand_int_range (rand, 0, N_IDS), bad;

    fill (table, rand);
    for (size_t i = 0; i < n_ids; i++)
      ids[i] = (uint32_t) g_rand_int_range (rand, 0, N_PIECES + 1);
    if (n_ids > 0)
      ids[n_ids / 2] = UINT32_MAX;
    pieces = bn_pieces_new (&table->strings, table->attributes, N_PIECES);
    join (table, show_control, strip_space, ids, n_ids, expected);

    bn_pieces_push (pieces, &state, show_control, ids, n_ids, found);
    bn_pieces_finish (&state, found);
    g_assert_cmpmem (found->str, found->len, expected->str, expected->len);
    g_assert_cmpint (found->str[found->len], ==, '\0');

    state = (BnPiecesState){.strip_space = strip_space};
    for (size_t i = 0, step; i < n_ids; i += step) {
      step = (size_t) g_rand_int_range (rand, 1, 4);
      step = MIN (step, n_ids - i);
      bn_pieces_push (pieces, &state, show_control, ids + i, step, streamed);
      g_assert_true (bn_utf8_validate (
          (const uint8_t *) streamed->str, streamed->len, &bad));
    }
    bn_pieces_finish (&state, streamed);
    g_assert_cmpmem (
        streamed->str, streamed->len, expected->str, expected->len);
  }
}

static void
test_shown (void)
{
  static uint8_t bytes[] = " a b";
  static uint32_t offsets[] = {0, 2, 2, 4};
  static const uint16_t attributes[] = {
      BN_TOKEN_CONTROL, BN_TOKEN_NORMAL, BN_TOKEN_NORMAL};
  static const uint32_t ids[] = {0, 3, 2, 2};
  const BnStrings strings = {bytes, offsets};
  g_autoptr (BnPieces) pieces = bn_pieces_new (&strings, attributes, 3);
  g_autoptr (GString) out = g_string_new ("x");
  BnPiecesState state = {.strip_space = TRUE};

  /* What is hidden or unknown leaves the space to the next. */
  bn_pieces_push (pieces, &state, FALSE, ids, 2, out);
  g_assert_true (state.strip_space);
  bn_pieces_push (pieces, &state, FALSE, ids + 2, 2, out);
  g_assert_false (state.strip_space);
  g_assert_cmpstr (out->str, ==, "xb b");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/pieces/random", test_random);
  g_test_add_func ("/pieces/shown", test_shown);
  return g_test_run ();
}
