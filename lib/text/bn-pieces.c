/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Joining of pieces.
 *
 * Ids are taken in blocks, so that room for the output is asked for once and
 * the loop over short pieces has nothing to decide. If a block had a piece
 * that is not UTF-8 by itself, its output is checked and mended as a whole; it
 * fits on the stack. Long pieces and those that need a look end a block. */
#include "bn-pieces.h"

#include <string.h>

enum {
  PIECE_SIZE = 16,
  MAX_INLINE = PIECE_SIZE - 1,
  BLOCK = 128,                     /* ids */
  ROOM = (BLOCK + 2) * PIECE_SIZE, /* of a block, with what was pending */

  /* The last byte of a piece: its length and */
  LENGTH_MASK = 0x0F,
  IS_LONG = 1 << 4,    /* bytes hold offset and length */
  IS_PART = 1 << 5,    /* not characters by itself */
  IS_CONTROL = 1 << 6, /* hidden unless asked for */
  IS_HIDDEN = 1 << 7,
  ANYTHING = 0xFF,
};

typedef struct {
  uint8_t bytes[MAX_INLINE];
  uint8_t info;
} Piece;

G_STATIC_ASSERT (sizeof (Piece) == PIECE_SIZE);

struct BnPieces {
  BnStrings strings;
  const uint16_t *attributes;
  uint32_t n_pieces;
  Piece *table; /* made when it is needed first */
};

static Piece
make_piece (const BnPieces *self, uint32_t id)
{
  Piece piece = {.info = 0};
  uint32_t start = self->strings.offsets[id];
  uint32_t place[2] = {start, self->strings.offsets[id + 1] - start};
  const uint8_t *bytes = self->strings.bytes + start;
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
  if (self->attributes[id] & (BN_TOKEN_CONTROL | BN_TOKEN_UNKNOWN))
    piece.info |= IS_CONTROL;
  else if (self->attributes[id] & BN_TOKEN_UNUSED)
    piece.info |= IS_HIDDEN;
  return piece;
}

/* One more than there are tokens: nothing, for ids out of range. */
static const Piece *
get_table (BnPieces *self)
{
  if (g_once_init_enter (&self->table)) {
    Piece *table = g_new0 (Piece, (size_t) self->n_pieces + 1);

    for (uint32_t id = 0; id < self->n_pieces; id++)
      table[id] = make_piece (self, id);
    g_once_init_leave (&self->table, table);
  }
  return self->table;
}

BnPieces *
bn_pieces_new (const BnStrings *strings, const uint16_t *attributes, uint32_t n)
{
  BnPieces *self = g_new (BnPieces, 1);

  *self = (BnPieces){*strings, attributes, n, NULL};
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

/* Appends a shown piece of any kind. */
static void
push_piece (const BnPieces *self, BnPiecesState *state, const Piece *piece,
    GString *out)
{
  const uint8_t *bytes = piece->bytes;
  uint32_t place[2] = {0, piece->info & LENGTH_MASK};

  if (piece->info & IS_LONG) {
    memcpy (place, piece->bytes, sizeof place);
    bytes = self->strings.bytes + place[0];
  }
  if (state->strip_space && place[1] > 0 && *bytes == ' ') {
    bytes++;
    place[1]--;
  }
  state->strip_space = FALSE;
  if (piece->info & IS_PART || place[1] == 0) {
    bn_utf8_joiner_push (&state->joiner, bytes, place[1], out);
  } else {
    bn_utf8_joiner_finish (&state->joiner, out);
    g_string_append_len (out, (const char *) bytes, place[1]);
  }
}

void
bn_pieces_push (BnPieces *self, BnPiecesState *state, gboolean show_control,
    const uint32_t *ids, size_t n_ids, GString *out)
{
  const Piece *table = get_table (self), *piece = NULL;
  const uint32_t n_pieces = self->n_pieces;
  const unsigned hidden = IS_HIDDEN | (show_control ? 0 : IS_CONTROL);

  for (size_t i = 0; i < n_ids;) {
    const size_t end = i + MIN (n_ids - i, BLOCK);
    const unsigned care = state->strip_space ? ANYTHING : hidden | IS_LONG;
    BnUtf8Joiner *joiner = &state->joiner;
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
    if (i < end) {
      if (!(piece->info & hidden))
        push_piece (self, state, piece, out);
      i++;
    }
  }
  out->str[out->len] = '\0';
}

void
bn_pieces_finish (BnPiecesState *state, GString *out)
{
  bn_utf8_joiner_finish (&state->joiner, out);
  state->strip_space = FALSE;
}
