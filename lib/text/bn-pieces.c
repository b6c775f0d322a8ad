/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Joining of pieces.
 *
 * Ids are taken in blocks, so that room for the output is asked for once and
 * the loop over short pieces has nothing to decide. If a block had a piece
 * that is not UTF-8 by itself, its output is checked and mended as a whole; it
 * fits on the stack. Long pieces and those that are not shown end a block. */
#include "bn-pieces.h"

#include <string.h>

enum {
  PIECE_SIZE = 16,
  MAX_INLINE = PIECE_SIZE - 1,
  BLOCK = 128,                     /* ids */
  ROOM = (BLOCK + 2) * PIECE_SIZE, /* of a block, with what was pending */

  /* The last byte of a piece: its length and */
  LENGTH_MASK = 0x0F,
  IS_LONG = 1 << 4, /* the bytes hold offset and length */
  IS_PART = 1 << 5, /* not characters by itself */
  KIND_SHIFT = 6,
};

typedef struct {
  uint8_t bytes[MAX_INLINE];
  uint8_t info;
} Piece;

G_STATIC_ASSERT (sizeof (Piece) == PIECE_SIZE);

struct BnPieces {
  BnStrings strings;
  uint32_t n_pieces;
  Piece *table; /* one more: nothing, for ids out of range */
};

static Piece
make_piece (const BnStrings *strings, uint32_t id, unsigned kind)
{
  Piece piece = {.info = 0};
  uint32_t start = strings->offsets[id];
  uint32_t place[2] = {start, strings->offsets[id + 1] - start};
  const uint8_t *bytes = strings->bytes + start;
  size_t bad;

  if (place[1] <= MAX_INLINE) {
    memcpy (piece.bytes, bytes, place[1]);
    piece.info = (uint8_t) place[1];
  } else {
    memcpy (piece.bytes, place, sizeof place);
    piece.info = IS_LONG;
  }
  /* Nothing at all does not end a character either. */
  if (place[1] == 0 || !bn_utf8_validate (bytes, place[1], &bad))
    piece.info |= IS_PART;
  piece.info |= (uint8_t) (kind << KIND_SHIFT);
  return piece;
}

BnPieces *
bn_pieces_new (const BnStrings *strings, const uint8_t *kinds, uint32_t n)
{
  BnPieces *self = g_new (BnPieces, 1);

  self->strings = *strings;
  self->n_pieces = n;
  self->table = g_new0 (Piece, (size_t) n + 1);
  for (uint32_t id = 0; id < n; id++)
    self->table[id] = make_piece (strings, id, kinds[id]);
  return self;
}

void
bn_pieces_free (BnPieces *self)
{
  g_free (self->table);
  g_free (self);
}

/* Makes room for n more bytes behind the end. */
static void
reserve (GString *out, gsize n)
{
  gsize length = out->len;

  if (out->allocated_len - length > n)
    return;
  g_string_set_size (out, length + n);
  out->len = length;
}

/* Makes characters of what follows start; an unfinished one at the end
 * waits. */
static void
settle (BnUtf8Joiner *joiner, GString *out, gsize start)
{
  uint8_t copy[ROOM];
  const uint8_t *bytes = (const uint8_t *) out->str + start;
  gsize size = out->len - start, good;

  if (bn_utf8_validate (bytes, size, &good))
    return;
  memcpy (copy, bytes + good, size - good);
  out->len = start + good;
  bn_utf8_joiner_push (joiner, copy, size - good, out);
}

static void
push_long (const BnPieces *self, BnUtf8Joiner *joiner, const Piece *piece,
    GString *out)
{
  uint32_t place[2];
  const uint8_t *bytes;

  memcpy (place, piece->bytes, sizeof place);
  bytes = self->strings.bytes + place[0];
  if (piece->info & IS_PART) {
    bn_utf8_joiner_push (joiner, bytes, place[1], out);
  } else {
    bn_utf8_joiner_finish (joiner, out);
    g_string_append_len (out, (const char *) bytes, place[1]);
  }
}

size_t
bn_pieces_push (const BnPieces *self, BnUtf8Joiner *joiner,
    gboolean show_control, const uint32_t *ids, size_t n_ids, GString *out)
{
  const Piece *table = self->table, *piece = NULL;
  const uint32_t n_pieces = self->n_pieces;
  /* The high bit of the kind, its low one, and what makes a look necessary. */
  const unsigned hidden = BN_PIECE_HIDDEN << KIND_SHIFT;
  const unsigned control = BN_PIECE_CONTROL << KIND_SHIFT;
  const unsigned care = hidden | (show_control ? 0 : control) | IS_LONG;
  size_t i = 0;

  while (i < n_ids) {
    const size_t end = i + MIN (n_ids - i, BLOCK);
    unsigned seen = joiner->n_pending > 0 ? IS_PART : 0;
    gsize start = out->len;
    char *p;

    reserve (out, ROOM);
    p = out->str + start;
    memcpy (p, joiner->pending, sizeof joiner->pending);
    p += joiner->n_pending;
    joiner->n_pending = 0;
    for (; i < end; i++) {
      piece = &table[MIN (ids[i], n_pieces)];
      if (G_UNLIKELY (piece->info & care))
        break;
      memcpy (p, piece, PIECE_SIZE);
      p += piece->info & LENGTH_MASK;
      seen |= piece->info;
    }
    out->len = (gsize) (p - out->str);
    if (seen & IS_PART)
      settle (joiner, out, start);
    if (i == end)
      continue;
    if (piece->info >> KIND_SHIFT == BN_PIECE_OTHER)
      break;
    if (!(piece->info & care & ~IS_LONG))
      push_long (self, joiner, piece, out);
    i++;
  }
  out->str[out->len] = '\0';
  return i;
}
