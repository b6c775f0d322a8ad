/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A set of byte strings with a number each, for finding all of them that begin
 * at a place of a text: one memory access for each byte of the text.
 *
 * A double array. A node is an offset into the array; the unit at the node's
 * offset combined with a byte by exclusive or belongs to the way on by that
 * byte if it carries the byte as its label:
 *
 *    63      34 33    25 24       0
 *   +----------+--------+----------+
 *   |   node   | label  | value + 1|   label 256: no way on
 *   +----------+--------+----------+
 *
 * No two nodes have the same offset, so the label alone decides. */
#pragma once

#include <glib.h>
#include <stdint.h>

enum {
  BN_TRIE_NODE_SHIFT = 34,
  BN_TRIE_LABEL_SHIFT = 25,
  BN_TRIE_LABEL_MASK = 0x1FF,
  BN_TRIE_VALUE_MASK = (1 << BN_TRIE_LABEL_SHIFT) - 1,
  BN_TRIE_MAX_VALUE = BN_TRIE_VALUE_MASK - 1,
};

#define BN_TRIE_NONE UINT32_MAX

typedef struct {
  const uint8_t *text;
  uint32_t length; /* not 0 */
  uint32_t value;  /* at most BN_TRIE_MAX_VALUE */
} BnTrieKey;

/* Immutable, for all threads. */
typedef struct {
  uint64_t *units;
  uint32_t n_units;
  uint32_t root;
  uint32_t max_length; /* of the keys */
} BnTrie;

/* Of the keys with the same text the first one counts. Reorders keys; their
 * texts are not needed afterwards. NULL if memory is short. */
BnTrie *bn_trie_new (BnTrieKey *keys, size_t n_keys);
void bn_trie_free (BnTrie *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnTrie, bn_trie_free)

/* Goes on from *node by a byte: FALSE if there is no way. Sets *value to that
 * of the key that ends there, BN_TRIE_NONE if none does. */
static inline gboolean
bn_trie_step (const BnTrie *self, uint32_t *node, uint8_t byte, uint32_t *value)
{
  uint64_t unit = self->units[*node ^ byte];

  if ((unit >> BN_TRIE_LABEL_SHIFT & BN_TRIE_LABEL_MASK) != byte)
    return FALSE;
  *node = (uint32_t) (unit >> BN_TRIE_NODE_SHIFT);
  *value = ((uint32_t) unit & BN_TRIE_VALUE_MASK) - 1;
  return TRUE;
}

/* The longest key at the beginning of a text: its length and value; 0 if there
 * is none. */
size_t bn_trie_find_longest (
    const BnTrie *self, const uint8_t *text, size_t length, uint32_t *value);
