/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds Aho-Corasick automata. */
#include "bn-automaton.h"

void
bn_automaton_init (BnAutomaton *self, size_t size, uint64_t seed)
{
  size_t n_edges = 16;

  while (n_edges < size * 2)
    n_edges *= 2;
  *self = (BnAutomaton){.n_nodes = 1, .seed = seed};
  self->edges = g_new0 (BnAutomatonEdge, n_edges);
  self->edge_mask = (uint32_t) (n_edges - 1);
  self->nodes = g_new (BnAutomatonNode, size + 1);
  self->nodes[BN_AUTOMATON_ROOT] = (BnAutomatonNode){
      BN_AUTOMATON_ROOT, BN_TOKEN_NONE, 0, BN_AUTOMATON_ROOT, 0};
}

void
bn_automaton_clear (BnAutomaton *self)
{
  g_clear_pointer (&self->nodes, g_free);
  g_clear_pointer (&self->edges, g_free);
}

uint32_t
bn_automaton_extend (BnAutomaton *self, uint32_t node, uint8_t byte)
{
  BnAutomatonEdge *edge = bn_automaton_find_edge (self, node, byte);

  if (edge->child == BN_AUTOMATON_ROOT) {
    uint32_t depth = self->nodes[node].depth + 1;

    *edge = (BnAutomatonEdge){node, self->n_nodes, byte};
    self->nodes[self->n_nodes] =
        (BnAutomatonNode){BN_AUTOMATON_ROOT, BN_TOKEN_NONE, depth, node, byte};
    self->n_nodes++;
    self->max_depth = MAX (self->max_depth, depth);
  }
  return edge->child;
}

/* The shallow ones first. */
void
bn_automaton_link (BnAutomaton *self)
{
  g_autofree uint32_t *starts = g_new0 (uint32_t, (size_t) self->max_depth + 2);
  g_autofree uint32_t *order = g_new (uint32_t, self->n_nodes);

  for (uint32_t i = 0; i < self->n_nodes; i++)
    starts[self->nodes[i].depth + 1]++;
  for (uint32_t depth = 0; depth <= self->max_depth; depth++)
    starts[depth + 1] += starts[depth];
  for (uint32_t i = 0; i < self->n_nodes; i++)
    order[starts[self->nodes[i].depth]++] = i;

  for (uint32_t i = 1; i < self->n_nodes; i++) {
    BnAutomatonNode *node = &self->nodes[order[i]];

    if (node->depth > 1)
      node->fail =
          bn_automaton_step (self, self->nodes[node->parent].fail, node->byte);
    if (node->longest == BN_TOKEN_NONE)
      node->longest = self->nodes[node->fail].longest;
  }
}

void
bn_automaton_remove (BnAutomaton *self,
    gboolean (*is_removed) (uint32_t pattern, const void *user_data),
    const void *user_data)
{
  for (uint32_t i = 1; i < self->n_nodes; i++) {
    uint32_t node = i, longest = self->nodes[i].longest;

    /* The next shorter one that ends here. */
    while (longest != BN_TOKEN_NONE && is_removed (longest, user_data)) {
      node = self->nodes[node].fail;
      longest = self->nodes[node].longest;
    }
    self->nodes[i].longest = longest;
  }
}
