/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A growing list of token ids. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct {
  uint32_t *data;
  size_t n_ids;
  size_t n_reserved;
} BnIds;

/* Makes room for n more. FALSE if memory is short. */
gboolean bn_ids_reserve (BnIds *self, size_t n);

/* Needs room. */
static inline void
bn_ids_push (BnIds *self, uint32_t id)
{
  self->data[self->n_ids++] = id;
}
