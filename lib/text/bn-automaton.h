/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An Aho-Corasick automaton: finds at every place of a text the longest of
 * many patterns that ends there, in one pass.
 *
 *   bn_automaton_init (&automaton, size, seed);
 *   node = BN_AUTOMATON_ROOT;
 *   node = bn_automaton_extend (&automaton, node, byte); (for every byte)
 *   automaton.nodes[node].longest = pattern;
 *   bn_automaton_link (&automaton);
 *
 * Then bn_automaton_step() goes from node to node along the text, and longest
 * of each node says what has been found. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "bn-vocab.h"

enum { BN_AUTOMATON_ROOT = 0 };

typedef struct {
  uint32_t fail;    /* node of the longest proper suffix */
  uint32_t longest; /* pattern that ends here, BN_TOKEN_NONE if none does */
  uint32_t depth;
  uint32_t parent;
  uint8_t byte; /* of the edge from parent */
} BnAutomatonNode;

typedef struct {
  uint32_t node;
  uint32_t child; /* the root if free: it is nobody's child */
  uint8_t byte;
} BnAutomatonEdge;

typedef struct {
  BnAutomatonNode *nodes;
  uint32_t n_nodes;
  uint32_t max_depth;
  BnAutomatonEdge *edges; /* a hash table */
  uint32_t edge_mask;
  uint64_t seed;
} BnAutomaton;

/* For patterns of size bytes together; seed makes collisions unpredictable. */
void bn_automaton_init (BnAutomaton *self, size_t size, uint64_t seed);
void bn_automaton_clear (BnAutomaton *self);

/* The child of node, which is made if there is none. */
uint32_t bn_automaton_extend (BnAutomaton *self, uint32_t node, uint8_t byte);

/* Sets fail and longest of all nodes; call once, behind the last pattern. */
void bn_automaton_link (BnAutomaton *self);

/* Takes patterns out of a linked automaton: all of which is_removed() says
 * so. */
void bn_automaton_remove (BnAutomaton *self,
    gboolean (*is_removed) (uint32_t pattern, const void *user_data),
    const void *user_data);

/* That of node and byte, or the free place for it. */
static inline BnAutomatonEdge *
bn_automaton_find_edge (const BnAutomaton *self, uint32_t node, uint8_t byte)
{
  uint64_t hash = ((uint64_t) node << 8 | byte) ^ self->seed;

  hash *= UINT64_C (0x9E3779B97F4A7C15);
  for (uint32_t i = (uint32_t) (hash >> 32) & self->edge_mask;;
       i = (i + 1) & self->edge_mask) {
    BnAutomatonEdge *edge = &self->edges[i];

    if (edge->child == BN_AUTOMATON_ROOT
        || (edge->node == node && edge->byte == byte))
      return edge;
  }
}

/* The node behind byte. */
static inline uint32_t
bn_automaton_step (const BnAutomaton *self, uint32_t node, uint8_t byte)
{
  for (;; node = self->nodes[node].fail) {
    uint32_t child = bn_automaton_find_edge (self, node, byte)->child;

    if (child != BN_AUTOMATON_ROOT || node == BN_AUTOMATON_ROOT)
      return child;
  }
}
