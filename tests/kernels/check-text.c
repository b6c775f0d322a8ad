/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks of the kernels that scan text. */
#include <string.h>

#include "checkkern.h"

enum { BENCH_SIZE = 1 << 16, N_ROUNDS = 3000, MAX_SIZE = 200 };

/* ---- classes ---- */

static void
fill_bytes (uint8_t *bytes, gsize n)
{
  for (gsize i = 0; i < n; i++)
    bytes[i] = (uint8_t) check_random ();
}

static void
check_classes (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  for (guint round = 0; round < N_ROUNDS; round++) {
    Guard guard = round % N_GUARDS;
    uint8_t *text = guard_alloc (BN_TEXT_BLOCK, guard);
    uint8_t *table = guard_alloc (128, guard);
    uint64_t bits[BN_TEXT_CLASSES];

    fill_bytes (text, BN_TEXT_BLOCK);
    fill_bytes (table, 128);
    k->text_classes (bits, text, table);
    for (guint i = 0; i < BN_TEXT_BLOCK; i++) {
      guint expected = text[i] < 0x80 ? table[text[i]] : 0x80, found = 0;

      for (guint class = 0; class < BN_TEXT_CLASSES; class ++)
        found |= (guint) (bits[class] >> i & 1) << class;
      g_assert_cmphex (found, ==, expected);
    }
    guard_free_all ();
  }
}

static void
bench_classes (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  uint8_t *text = guard_alloc (BENCH_SIZE, GUARD_BEGIN);
  uint8_t *table = guard_alloc (128, GUARD_BEGIN);
  uint64_t bits[BN_TEXT_CLASSES];

  fill_bytes (text, BENCH_SIZE);
  fill_bytes (table, 128);
  bench_report ("text_classes", "65536", k, BENCH_NS ({
    for (gsize i = 0; i < BENCH_SIZE; i += BN_TEXT_BLOCK)
      k->text_classes (bits, text + i, table);
  }),
      BENCH_SIZE, 0);
}

/* ---- UTF-8 ---- */

/* Length of the character at p, 0 if there is none: table 3-7 of Unicode. */
static gsize
match_character (const uint8_t *p, gsize n)
{
  static const struct {
    uint8_t first, last; /* of the first byte */
    uint8_t low, high;   /* of the second */
    guint length;
  } rows[] = {{0x00, 0x7F, 0, 0, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2},
      {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
      {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
      {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4},
      {0xF4, 0xF4, 0x80, 0x8F, 4}};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    if (p[0] < rows[i].first || p[0] > rows[i].last)
      continue;
    if (rows[i].length > n
        || (rows[i].length > 1 && (p[1] < rows[i].low || p[1] > rows[i].high)))
      return 0;
    for (guint j = 2; j < rows[i].length; j++) {
      if ((p[j] & 0xC0) != 0x80)
        return 0;
    }
    return rows[i].length;
  }
  return 0;
}

/* Characters of all lengths up to size bytes, the rest ASCII. */
static void
fill_utf8 (uint8_t *text, gsize size, guint ascii_chance)
{
  gsize i = 0;

  while (i < size) {
    uint8_t bytes[4];
    gsize length;

    do {
      fill_bytes (bytes, sizeof bytes);
      if (check_random () % 4 == 0)
        bytes[0] |= 0xE0;
      bytes[1] = (uint8_t) (0x80 | (bytes[1] & 0x3F));
      bytes[2] = (uint8_t) (0x80 | (bytes[2] & 0x3F));
      bytes[3] = (uint8_t) (0x80 | (bytes[3] & 0x3F));
      if (check_random () % 100 < ascii_chance)
        bytes[0] &= 0x7F;
      length = match_character (bytes, sizeof bytes);
    } while (length == 0);
    if (length > size - i) {
      text[i++] = 'a';
      continue;
    }
    memcpy (text + i, bytes, length);
    i += length;
  }
}

/* Never more than is right, never inside a character, and (but in C) nearly all
 * of what is. */
static void
check_utf8 (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  for (guint round = 0; round < N_ROUNDS; round++) {
    gsize size = round % MAX_SIZE, good = 0, found, length, at = 0;
    uint8_t *text = guard_alloc (size, round % N_GUARDS);

    fill_utf8 (text, size, round % 3 * 50);
    for (guint wrong = round / MAX_SIZE % 3; wrong > 0 && size > 0; wrong--)
      text[check_random () % size] = (uint8_t) check_random ();
    while (good < size
           && (length = match_character (text + good, size - good)) > 0)
      good += length;
    found = k->utf8_check (text, size);
    g_assert_cmpuint (found, <=, good);
    while (at < found)
      at += match_character (text + at, size - at);
    g_assert_cmpuint (at, ==, found);
    if (k->cpu_flags != 0)
      g_assert_cmpuint (found + 67, >, good);
    guard_free_all ();
  }
}

/* All pairs of bytes, across every border of vectors. */
static void
check_utf8_pairs (const BnKernels *k)
{
  uint8_t text[96];

  for (guint pair = 0; pair < 0x10000; pair++) {
    gsize good = 0, length;
    guint at = pair % 67;

    memset (text, 'a', sizeof text);
    text[at] = (uint8_t) (pair >> 8);
    text[at + 1] = (uint8_t) pair;
    /* What would continue it. */
    memset (text + at + 2, 0x80, pair / 67 % 3);
    while (good < sizeof text
           && (length = match_character (text + good, sizeof text - good)) > 0)
      good += length;
    g_assert_true (
        good == sizeof text
            ? k->cpu_flags == 0 || k->utf8_check (text, sizeof text) == good
            : k->utf8_check (text, sizeof text) <= good);
  }
}

static void
check_utf8_all (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  check_utf8 (k, c, data);
  check_utf8_pairs (k);
}

static void
bench_utf8 (const BnKernels *k, const BnKernels *c, gconstpointer data)
{
  static const guint chances[] = {0, 100};

  /* The C version ends where ASCII does. */
  for (gsize i = 0; i < G_N_ELEMENTS (chances); i++) {
    uint8_t *text = guard_alloc (BENCH_SIZE, GUARD_BEGIN);

    fill_utf8 (text, BENCH_SIZE, chances[i]);
    bench_report ("utf8_check", chances[i] ? "ASCII" : "mixed", k,
        BENCH_NS (k->utf8_check (text, BENCH_SIZE)), BENCH_SIZE, 0);
  }
}

void
check_add_text (void)
{
  CHECK_ADD (text_classes, check_classes, bench_classes);
  CHECK_ADD (utf8_check, check_utf8_all, bench_utf8);
}
