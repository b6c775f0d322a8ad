/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys and values of past tokens: a pool of pages, shared prefixes, eviction.
 *
 * A page holds the keys and values of BN_KV_PAGE_CELLS consecutive tokens in
 * all layers and heads. A sequence is a list of pages. A page that is full is
 * entered in an index under (the page before it, its tokens); a new sequence
 * that begins with the same tokens takes the page instead of computing it
 * again, also while other sequences use it, and also after all of them ended:
 * pages nobody uses stay in the index until their memory is needed, oldest
 * use first. Of a page that agrees only at its beginning the new sequence gets
 * a copy of that.
 *
 *     sequence 1   [page 7][page 2][page 4 ..]      index: 7, 7>2, 7>9
 *     sequence 2   [page 7][page 9][page 5 .. ]     idle, in the index: 9 ...
 *
 * Memory is reserved at creation and committed by the system when a page is
 * first written. Nothing is allocated after creation but by bn_kv_seq_new().
 *
 * Not thread-safe: one thread (the scheduler) uses a cache and its sequences.
 */
#pragma once

#include "bn-backend.h"

enum { BN_KV_PAGE_CELLS = 32 };

typedef struct BnKvCache BnKvCache;
typedef struct BnKvSeq BnKvSeq;

/* Whether heads of that size can be kept so: BN_KV_Q8_0 takes multiples of 32.
 * Errors: INVALID_ARGUMENT. */
gboolean bn_kv_type_check (BnKvType type, uint32_t head_size, GError **error);

/* n_cells: all the cells there will be, rounded up to pages. Keeps backend,
 * which must outlive the cache. Errors: OUT_OF_MEMORY and those of
 * bn_kv_type_check(). */
BnKvCache *bn_kv_cache_new (BnBackend *backend, BnKvType type,
    uint32_t n_layers, uint32_t n_kv_heads, uint32_t head_size,
    uint32_t n_cells, GError **error);
/* After all its sequences. */
void bn_kv_cache_free (BnKvCache *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnKvCache, bn_kv_cache_free)

uint32_t bn_kv_cache_get_n_cells (const BnKvCache *self);
/* Cells a sequence could still get: free ones and idle cached ones. */
uint32_t bn_kv_cache_get_n_available (const BnKvCache *self);
/* Cells that hold tokens of a prefix nobody uses now. */
uint32_t bn_kv_cache_get_n_idle (const BnKvCache *self);
/* Forgets the idle prefixes and gives their memory back to the system. */
void bn_kv_cache_clear (BnKvCache *self);

/* An empty sequence of at most max_cells tokens. */
BnKvSeq *bn_kv_seq_new (BnKvCache *cache, uint32_t max_cells);
/* Its pages stay behind in the index. */
void bn_kv_seq_free (BnKvSeq *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnKvSeq, bn_kv_seq_free)

/* Tokens in the sequence: the position of the next one. */
uint32_t bn_kv_seq_get_n_cells (const BnKvSeq *self);

/* Fills an empty sequence with the longest cached prefix of tokens that
 * leaves at least one token to compute. Returns how many it took. May be
 * called again while the sequence is as it was left by this function, to
 * profit from what others computed meanwhile; it returns the total. */
uint32_t bn_kv_seq_match (
    BnKvSeq *self, const uint32_t *tokens, uint32_t n_tokens);

/* Makes room for n_tokens more, evicting idle prefixes if it must. All or
 * nothing. Errors: CONTEXT_FULL beyond max_cells, OUT_OF_MEMORY when other
 * sequences hold the pages (try again when one of them ends). */
gboolean bn_kv_seq_reserve (BnKvSeq *self, uint32_t n_tokens, GError **error);

/* The tokens whose keys and values were just written. bn_transformer_forward()
 * does this. */
void bn_kv_seq_commit (
    BnKvSeq *self, const uint32_t *tokens, uint32_t n_tokens);

/* Forgets the tokens from n_cells on, and reserved room. Returns what is
 * left: n_cells, or less if that cuts a page that others use. */
uint32_t bn_kv_seq_truncate (BnKvSeq *self, uint32_t n_cells);

/* Where keys and values lie, for the backend. */
const BnKvLayout *bn_kv_cache_get_layout (const BnKvCache *self);
const uint32_t *bn_kv_seq_get_pages (const BnKvSeq *self);
