/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table of weak references. table_lock guards the table alone; entries never
 * change and are shared by references. */
#include "bn-memory.h"

#include "bn-record.h"

enum { SWEEP_SIZE = 64 }; /* entries from which on dead ones are looked for */

typedef struct {
  GWeakRef tokenizer;
  BnKind kind;
  char *path;
  char *state; /* of what it depends on (bn-record.h) */
  GPtrArray *warnings;
  GVariant *resolution;
} Entry;

static GMutex table_lock;
static GHashTable *table; /* key to Entry */

static void
entry_clear (gpointer data)
{
  Entry *entry = data;

  g_weak_ref_clear (&entry->tokenizer);
  g_free (entry->path);
  g_free (entry->state);
  g_ptr_array_unref (entry->warnings);
  g_variant_unref (entry->resolution);
}

static void
entry_unref (gpointer data)
{
  g_atomic_rc_box_release_full (data, entry_clear);
}

static gboolean
is_dead (gpointer key, gpointer value, gpointer user_data)
{
  Entry *entry = value;
  g_autoptr (BitnetTokenizer) tokenizer = g_weak_ref_get (&entry->tokenizer);

  return tokenizer == NULL;
}

static Entry *
get_entry (const char *key)
{
  Entry *entry;

  g_mutex_lock (&table_lock);
  entry = table ? g_hash_table_lookup (table, key) : NULL;
  if (entry)
    g_atomic_rc_box_acquire (entry);
  g_mutex_unlock (&table_lock);
  return entry;
}

gboolean
bn_memory_find (const char *key, BitnetDiscovery *discovery, BnFound *found,
    GVariant **resolution)
{
  Entry *entry = get_entry (key);
  g_autofree char *state = NULL;

  if (entry == NULL)
    return FALSE;
  *found = (BnFound){.tokenizer = g_weak_ref_get (&entry->tokenizer),
      .kind = entry->kind,
      .path = g_strdup (entry->path),
      .warnings = g_ptr_array_ref (entry->warnings)};
  state = found->tokenizer ? bn_record_dup_state (found, discovery) : NULL;
  if (g_strcmp0 (state, entry->state) == 0)
    *resolution = g_variant_ref (entry->resolution);
  else
    bn_found_clear (found);
  entry_unref (entry);
  return found->tokenizer != NULL;
}

void
bn_memory_keep (const char *key, BitnetDiscovery *discovery,
    const BnFound *found, GVariant *resolution)
{
  char *state = bn_record_dup_state (found, discovery);
  Entry *entry;

  if (state == NULL)
    return;
  entry = g_atomic_rc_box_new0 (Entry);
  g_weak_ref_init (&entry->tokenizer, found->tokenizer);
  entry->kind = found->kind;
  entry->path = g_strdup (found->path);
  entry->state = state;
  entry->warnings = g_ptr_array_ref (found->warnings);
  entry->resolution = g_variant_ref (resolution);
  g_mutex_lock (&table_lock);
  if (table == NULL)
    table =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_unref);
  if (g_hash_table_size (table) >= SWEEP_SIZE)
    g_hash_table_foreach_remove (table, is_dead, NULL);
  g_hash_table_insert (table, g_strdup (key), entry);
  g_mutex_unlock (&table_lock);
}
