/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages of the cache and who holds them.
 *
 * A page is in one of three states:
 *
 *     free      on the free list; contents meaningless
 *     in use    n_users > 0
 *     idle      n_users == 0 but indexed: on the idle list, oldest use first
 *
 * The index finds a full page by the serial of the page before it (0 for the
 * first) and its tokens. A serial is given once and never again, so a page
 * whose predecessor was evicted cannot be mistaken for a continuation of
 * something else; it is just never found and ages away. A sequence gives up
 * its pages last one first, so that of a prefix the end is evicted before the
 * beginning.
 *
 * All pages that may follow the same page are siblings, also the unfinished
 * last pages of sequences that ended. Where no full page fits, the sibling
 * that agrees longest is copied. */
#include "bn-kvcache.h"
#include "bitnet-error.h"

#include <string.h>

#define NO_PAGE UINT32_MAX

enum {
  MAX_SIBLINGS = 1024,
  Q8_0_BLOCK = 32,
};

typedef struct {
  uint32_t tokens[BN_KV_PAGE_CELLS];
  gboolean is_indexed;
  uint32_t n_tokens;      /* if it is indexed; all, or an unfinished page's */
  uint64_t serial;        /* of a full page that is indexed, or 0 */
  uint64_t parent_serial; /* of the page before it in its prefix */
  uint32_t n_users;
  uint32_t next_in_bucket; /* full pages with the same hash */
  uint32_t previous_sibling, next_sibling;
  uint32_t previous, next; /* idle list; next also for the free list */
  gboolean is_touched;     /* has memory of the system */
} Page;

struct BnKvCache {
  BnBackend *backend;
  BnKvLayout layout;
  size_t memory_size;
  uint32_t n_pages;
  Page *pages;
  uint32_t *buckets;  /* full pages by page before and tokens */
  uint32_t *siblings; /* indexed pages by page before, newest first */
  uint32_t n_buckets; /* of each; a power of two */
  uint64_t last_serial;
  uint32_t first_free, n_free;
  uint32_t oldest_idle, newest_idle, n_idle;
};

struct BnKvSeq {
  BnKvCache *cache;
  uint32_t max_cells;
  uint32_t n_cells;
  uint32_t n_pages; /* those with cells, then reserved ones */
  uint32_t *pages;
};

/* Index */

#define HASH_MULTIPLIER 0x9e3779b97f4a7c15u /* 2^64 / golden ratio */

static uint32_t *
find_bucket (
    const BnKvCache *self, uint64_t parent_serial, const uint32_t *tokens)
{
  uint64_t hash = parent_serial * HASH_MULTIPLIER;

  for (int i = 0; i < BN_KV_PAGE_CELLS; i++) {
    hash = (hash ^ tokens[i]) * HASH_MULTIPLIER;
    hash ^= hash >> 32;
  }
  return &self->buckets[hash & (self->n_buckets - 1)];
}

/* The full page with these tokens, or NO_PAGE. */
static uint32_t
find_page (
    const BnKvCache *self, uint64_t parent_serial, const uint32_t *tokens)
{
  uint32_t i = *find_bucket (self, parent_serial, tokens);

  while (i != NO_PAGE) {
    const Page *page = &self->pages[i];
    if (page->parent_serial == parent_serial
        && memcmp (page->tokens, tokens, sizeof page->tokens) == 0)
      return i;
    i = page->next_in_bucket;
  }
  return NO_PAGE;
}

static uint32_t *
find_siblings (const BnKvCache *self, uint64_t parent_serial)
{
  const uint64_t hash = parent_serial * HASH_MULTIPLIER >> 32;

  return &self->siblings[hash & (self->n_buckets - 1)];
}

static uint32_t
count_common (const uint32_t *a, const uint32_t *b, uint32_t n)
{
  uint32_t i = 0;

  while (i < n && a[i] == b[i])
    i++;
  return i;
}

/* The indexed page behind parent_serial that agrees with the most of n tokens,
 * or NO_PAGE; *n_common is how many. Looks at the newest ones only, so that a
 * beginning with very many continuations costs no time. */
static uint32_t
find_longest (const BnKvCache *self, uint64_t parent_serial,
    const uint32_t *tokens, uint32_t n, uint32_t *n_common)
{
  uint32_t i = *find_siblings (self, parent_serial);
  uint32_t best = NO_PAGE;

  *n_common = 0;
  for (int n_seen = 0; i != NO_PAGE && n_seen < MAX_SIBLINGS; n_seen++) {
    const Page *page = &self->pages[i];

    if (page->parent_serial == parent_serial) {
      uint32_t common =
          count_common (page->tokens, tokens, MIN (n, page->n_tokens));
      if (common > *n_common) {
        *n_common = common;
        best = i;
      }
    }
    i = page->next_sibling;
  }
  return best;
}

static void
enter_in_index (
    BnKvCache *self, uint32_t i, uint64_t parent_serial, uint32_t n_tokens)
{
  Page *page = &self->pages[i];
  uint32_t *first = find_siblings (self, parent_serial);

  page->is_indexed = TRUE;
  page->n_tokens = n_tokens;
  page->parent_serial = parent_serial;
  page->previous_sibling = NO_PAGE;
  page->next_sibling = *first;
  if (*first != NO_PAGE)
    self->pages[*first].previous_sibling = i;
  *first = i;
  if (n_tokens == BN_KV_PAGE_CELLS) {
    uint32_t *head = find_bucket (self, parent_serial, page->tokens);

    page->serial = ++self->last_serial;
    page->next_in_bucket = *head;
    *head = i;
  }
}

static void
remove_from_index (BnKvCache *self, uint32_t i)
{
  Page *page = &self->pages[i];

  if (page->previous_sibling != NO_PAGE)
    self->pages[page->previous_sibling].next_sibling = page->next_sibling;
  else
    *find_siblings (self, page->parent_serial) = page->next_sibling;
  if (page->next_sibling != NO_PAGE)
    self->pages[page->next_sibling].previous_sibling = page->previous_sibling;
  if (page->serial) {
    uint32_t *link = find_bucket (self, page->parent_serial, page->tokens);

    while (*link != i)
      link = &self->pages[*link].next_in_bucket;
    *link = page->next_in_bucket;
  }
  page->serial = 0;
  page->is_indexed = FALSE;
}

/* Lists */

static void
push_free (BnKvCache *self, uint32_t i)
{
  self->pages[i].next = self->first_free;
  self->first_free = i;
  self->n_free++;
}

static void
append_idle (BnKvCache *self, uint32_t i)
{
  Page *page = &self->pages[i];

  page->previous = self->newest_idle;
  page->next = NO_PAGE;
  if (self->newest_idle != NO_PAGE)
    self->pages[self->newest_idle].next = i;
  else
    self->oldest_idle = i;
  self->newest_idle = i;
  self->n_idle++;
}

static void
remove_idle (BnKvCache *self, uint32_t i)
{
  const Page *page = &self->pages[i];

  if (page->previous != NO_PAGE)
    self->pages[page->previous].next = page->next;
  else
    self->oldest_idle = page->next;
  if (page->next != NO_PAGE)
    self->pages[page->next].previous = page->previous;
  else
    self->newest_idle = page->previous;
  self->n_idle--;
}

static void
evict (BnKvCache *self, uint32_t i)
{
  remove_idle (self, i);
  remove_from_index (self, i);
  push_free (self, i);
}

/* Use of a page */

static uint32_t
take_free_page (BnKvCache *self)
{
  uint32_t i;

  if (self->n_free == 0)
    evict (self, self->oldest_idle);
  i = self->first_free;
  self->first_free = self->pages[i].next;
  self->n_free--;
  self->pages[i].n_users = 1;
  self->pages[i].is_touched = TRUE;
  return i;
}

static void
use_page (BnKvCache *self, uint32_t i)
{
  if (self->pages[i].n_users++ == 0)
    remove_idle (self, i);
}

static void
leave_page (BnKvCache *self, uint32_t i)
{
  Page *page = &self->pages[i];

  if (--page->n_users > 0)
    return;
  if (page->is_indexed)
    append_idle (self, i);
  else
    push_free (self, i);
}

gboolean
bn_kv_type_check (BnKvType type, uint32_t head_size, GError **error)
{
  if (type != BN_KV_Q8_0 || head_size % Q8_0_BLOCK == 0)
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "a key-value cache of type q8_0 needs heads of a multiple of %d "
      "numbers, those of this model have %u; use f16",
      Q8_0_BLOCK, head_size);
  return FALSE;
}

BnKvCache *
bn_kv_cache_new (BnBackend *backend, BnKvType type, uint32_t n_layers,
    uint32_t n_kv_heads, uint32_t head_size, uint32_t n_cells, GError **error)
{
  BnKvCache *self;
  const uint64_t n_pages =
      MAX (1, ((uint64_t) n_cells + BN_KV_PAGE_CELLS - 1) / BN_KV_PAGE_CELLS);
  const size_t cell_size = bn_kv_cell_size (type, head_size);
  BnKvLayout *layout;
  size_t size = BN_KV_PAGE_CELLS;

  if (!bn_kv_type_check (type, head_size, error))
    return NULL;
  self = g_new0 (BnKvCache, 1);
  layout = &self->layout;
  self->backend = backend;
  self->n_pages = (uint32_t) n_pages;
  self->n_buckets = 1;
  while (self->n_buckets < n_pages)
    self->n_buckets *= 2;
  self->first_free = self->oldest_idle = self->newest_idle = NO_PAGE;

  layout->type = type;
  layout->cell_size = cell_size;
  layout->page_cells = BN_KV_PAGE_CELLS;
  layout->n_layers = n_layers;
  layout->n_kv_heads = n_kv_heads;
  layout->head_size = head_size;
  if (g_size_checked_mul (&size, size, cell_size)
      && g_size_checked_mul (&size, size, n_kv_heads)
      && g_size_checked_mul (&size, size, 2 * (size_t) n_layers)) {
    layout->head_stride = BN_KV_PAGE_CELLS * cell_size;
    layout->v_offset = layout->head_stride * n_kv_heads;
    layout->layer_stride = 2 * layout->v_offset;
    layout->page_stride = layout->layer_stride * n_layers;
    if (g_size_checked_mul (&self->memory_size, size, self->n_pages))
      layout->data = backend->ops->alloc (backend, self->memory_size);
  }
  if (layout->data) {
    self->pages = g_try_new0 (Page, self->n_pages);
    self->buckets = g_try_new (uint32_t, self->n_buckets);
    self->siblings = g_try_new (uint32_t, self->n_buckets);
  }
  if (!self->pages || !self->buckets || !self->siblings) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "no memory for a key-value cache of %u cells, %" G_GSIZE_FORMAT
        " bytes; a smaller context needs less",
        n_cells, self->memory_size);
    bn_kv_cache_free (self);
    return NULL;
  }
  for (uint32_t i = 0; i < self->n_buckets; i++)
    self->buckets[i] = self->siblings[i] = NO_PAGE;
  for (uint32_t i = self->n_pages; i-- > 0;)
    push_free (self, i);
  return self;
}

void
bn_kv_cache_free (BnKvCache *self)
{
  if (self->layout.data)
    self->backend->ops->release (
        self->backend, self->layout.data, self->memory_size);
  g_free (self->pages);
  g_free (self->buckets);
  g_free (self->siblings);
  g_free (self);
}

uint32_t
bn_kv_cache_get_n_cells (const BnKvCache *self)
{
  return self->n_pages * BN_KV_PAGE_CELLS;
}

uint32_t
bn_kv_cache_get_n_available (const BnKvCache *self)
{
  return (self->n_free + self->n_idle) * BN_KV_PAGE_CELLS;
}

uint32_t
bn_kv_cache_get_n_idle (const BnKvCache *self)
{
  return self->n_idle * BN_KV_PAGE_CELLS;
}

void
bn_kv_cache_clear (BnKvCache *self)
{
  const BnKvLayout *layout = &self->layout;

  while (self->n_idle > 0)
    evict (self, self->oldest_idle);
  for (uint32_t i = self->first_free; i != NO_PAGE; i = self->pages[i].next) {
    if (!self->pages[i].is_touched)
      continue;
    self->backend->ops->discard (self->backend,
        layout->data + i * layout->page_stride, layout->page_stride);
    self->pages[i].is_touched = FALSE;
  }
}

const BnKvLayout *
bn_kv_cache_get_layout (const BnKvCache *self)
{
  return &self->layout;
}

/* Sequences */

static uint32_t
pages_for (uint64_t n_cells)
{
  return (uint32_t) ((n_cells + BN_KV_PAGE_CELLS - 1) / BN_KV_PAGE_CELLS);
}

static void
drop_pages (BnKvSeq *self, uint32_t n_pages)
{
  while (self->n_pages > n_pages)
    leave_page (self->cache, self->pages[--self->n_pages]);
}

BnKvSeq *
bn_kv_seq_new (BnKvCache *cache, uint32_t max_cells)
{
  BnKvSeq *self = g_new0 (BnKvSeq, 1);

  self->cache = cache;
  self->max_cells = MIN (max_cells, bn_kv_cache_get_n_cells (cache));
  self->pages = g_new (uint32_t, MAX (1, pages_for (self->max_cells)));
  return self;
}

uint32_t
bn_kv_seq_get_n_cells (const BnKvSeq *self)
{
  return self->n_cells;
}

const uint32_t *
bn_kv_seq_get_pages (const BnKvSeq *self)
{
  return self->pages;
}

/* The serial under which the page at index i of the sequence is found. */
static uint64_t
serial_before (const BnKvSeq *self, uint32_t i)
{
  return i ? self->cache->pages[self->pages[i - 1]].serial : 0;
}

/* Enters page i, which holds n tokens behind the page parent, in the index. If
 * what it holds is there already it stays out; an unfinished page of which it
 * is a continuation becomes useless. */
static void
share_page (BnKvCache *self, uint32_t i, uint64_t parent, uint32_t n)
{
  uint32_t n_common;
  const uint32_t other =
      find_longest (self, parent, self->pages[i].tokens, n, &n_common);

  if (n_common == n)
    return;
  if (other != NO_PAGE && self->pages[other].n_tokens == n_common
      && self->pages[other].n_users == 0)
    evict (self, other);
  enter_in_index (self, i, parent, n);
}

void
bn_kv_seq_free (BnKvSeq *self)
{
  const uint32_t last = self->n_cells / BN_KV_PAGE_CELLS;
  const uint32_t n_unfinished = self->n_cells % BN_KV_PAGE_CELLS;

  if (n_unfinished)
    share_page (self->cache, self->pages[last], serial_before (self, last),
        n_unfinished);
  drop_pages (self, 0);
  g_free (self->pages);
  g_free (self);
}

/* Copies the cells of the page that agrees longest with the next n tokens. */
static void
copy_prefix (BnKvSeq *self, const uint32_t *tokens, uint32_t n)
{
  BnKvCache *cache = self->cache;
  const BnBackendOps *ops = cache->backend->ops;
  uint32_t n_common, own;
  const uint32_t other = find_longest (
      cache, serial_before (self, self->n_pages), tokens, n, &n_common);

  if (other == NO_PAGE)
    return;
  use_page (cache, other);
  if (cache->n_free + cache->n_idle > 0) {
    own = take_free_page (cache);
    ops->copy_cells (cache->backend, &cache->layout, own, other, n_common);
    memcpy (cache->pages[own].tokens, tokens, n_common * sizeof *tokens);
    self->pages[self->n_pages++] = own;
    self->n_cells += n_common;
  }
  leave_page (cache, other);
}

uint32_t
bn_kv_seq_match (BnKvSeq *self, const uint32_t *tokens, uint32_t n_tokens)
{
  BnKvCache *cache = self->cache;
  const uint32_t limit = MIN (n_tokens, self->max_cells);

  drop_pages (self, self->n_cells / BN_KV_PAGE_CELLS);
  self->n_cells = self->n_pages * BN_KV_PAGE_CELLS;
  while (self->n_cells + BN_KV_PAGE_CELLS < limit) {
    uint32_t i = find_page (
        cache, serial_before (self, self->n_pages), tokens + self->n_cells);
    if (i == NO_PAGE)
      break;
    use_page (cache, i);
    self->pages[self->n_pages++] = i;
    self->n_cells += BN_KV_PAGE_CELLS;
  }
  if (self->n_cells + 1 < limit)
    copy_prefix (self, tokens + self->n_cells,
        MIN (limit - 1 - self->n_cells, BN_KV_PAGE_CELLS));
  return self->n_cells;
}

gboolean
bn_kv_seq_reserve (BnKvSeq *self, uint32_t n_tokens, GError **error)
{
  BnKvCache *cache = self->cache;
  const uint64_t n_cells = (uint64_t) self->n_cells + n_tokens;
  uint32_t n_pages;

  if (n_cells > self->max_cells) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_CONTEXT_FULL,
        "%" G_GUINT64_FORMAT " tokens do not fit in a context of %u", n_cells,
        self->max_cells);
    return FALSE;
  }
  n_pages = pages_for (n_cells);
  if (n_pages > self->n_pages
      && n_pages - self->n_pages > cache->n_free + cache->n_idle) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "the key-value cache has %u free cells, %u more tokens need %u",
        bn_kv_cache_get_n_available (cache), n_tokens,
        (n_pages - self->n_pages) * BN_KV_PAGE_CELLS);
    return FALSE;
  }
  while (self->n_pages < n_pages)
    self->pages[self->n_pages++] = take_free_page (cache);
  return TRUE;
}

/* Shares the page at index i, which has just become full; if the same prefix
 * was computed elsewhere at the same time, that page takes its place (their
 * contents agree to the bit). */
static void
publish_page (BnKvSeq *self, uint32_t i)
{
  BnKvCache *cache = self->cache;
  const uint32_t own = self->pages[i];
  const uint64_t before = serial_before (self, i);
  const uint32_t other = find_page (cache, before, cache->pages[own].tokens);

  if (other == NO_PAGE) {
    share_page (cache, own, before, BN_KV_PAGE_CELLS);
    return;
  }
  use_page (cache, other);
  self->pages[i] = other;
  leave_page (cache, own);
}

void
bn_kv_seq_commit (BnKvSeq *self, const uint32_t *tokens, uint32_t n_tokens)
{
  g_return_if_fail (
      pages_for ((uint64_t) self->n_cells + n_tokens) <= self->n_pages);
  for (uint32_t t = 0; t < n_tokens; t++) {
    const uint32_t i = self->n_cells / BN_KV_PAGE_CELLS;
    Page *page = &self->cache->pages[self->pages[i]];

    page->tokens[self->n_cells % BN_KV_PAGE_CELLS] = tokens[t];
    self->n_cells++;
    if (self->n_cells % BN_KV_PAGE_CELLS == 0)
      publish_page (self, i);
  }
}

uint32_t
bn_kv_seq_truncate (BnKvSeq *self, uint32_t n_cells)
{
  BnKvCache *cache = self->cache;

  self->n_cells = MIN (n_cells, self->n_cells);
  if (self->n_cells % BN_KV_PAGE_CELLS) {
    const uint32_t i = self->pages[self->n_cells / BN_KV_PAGE_CELLS];

    /* The cut page will be written again, so it must be ours alone. */
    if (cache->pages[i].n_users > 1)
      self->n_cells -= self->n_cells % BN_KV_PAGE_CELLS;
    else if (cache->pages[i].is_indexed)
      remove_from_index (cache, i);
  }
  drop_pages (self, pages_for (self->n_cells));
  return self->n_cells;
}
