/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded reader with an error state.
 *
 * pos <= size always holds. The first failure is kept, with the file and the
 * offset in its message; after it every read returns zero or NULL, so a
 * parser may read several fields and look at the state once. */
#pragma once

#include <gio/gio.h>
#include <stdint.h>

#include "bitnet-error.h"

typedef struct {
  const char *name; /* of the file, in messages */
  const uint8_t *data;
  uint64_t size;
  uint64_t pos;
  uint32_t size_width; /* bytes of a count or length: 8, or 4 in version 1 */
  GCancellable *cancellable;
  GError *error;
} BnCursor;

/* Records "NAME: at byte OFFSET: ..." unless something failed before. What
 * cannot be printed is escaped. */
void bn_cursor_fail (BnCursor *self, BitnetError code, uint64_t offset,
    const char *format, ...) G_GNUC_PRINTF (4, 5);

static inline gboolean
bn_cursor_ok (const BnCursor *self)
{
  return self->error == NULL;
}

static inline uint64_t
bn_cursor_left (const BnCursor *self)
{
  return self->size - self->pos;
}

/* FALSE, with G_IO_ERROR_CANCELLED recorded, once cancelled. */
gboolean bn_cursor_continue (BnCursor *self);

/* The next n bytes, or NULL; what names them in the message. */
const uint8_t *bn_cursor_take (BnCursor *self, uint64_t n, const char *what);
uint32_t bn_cursor_uint32 (BnCursor *self, const char *what);
uint64_t bn_cursor_uint64 (BnCursor *self, const char *what);
/* A count or length: 64 bits, 32 in version 1. */
uint64_t bn_cursor_size (BnCursor *self, const char *what);
/* A length and as many bytes, at most max. NULL on failure. */
const char *bn_cursor_string (
    BnCursor *self, uint64_t max, const char *what, uint64_t *length);

/* Foreign bytes as they may stand in a message: what cannot be printed is
 * written as \xNN, what is longer than 64 bytes is cut. */
char *bn_printable (const char *text, uint64_t length);
