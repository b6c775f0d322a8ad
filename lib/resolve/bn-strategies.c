/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The strategies of this version: a file that the application names, and the
 * vocabulary inside of the model. */
#include "bn-strategy.h"

#include <string.h>
#include "bitnet-error.h"
#include "bn-validate.h"

/* Each model remembers its tokenizer while that lives, so that everyone who
 * resolves the model shares one. Two who ask at once may both make it; the
 * second then takes the first one's, and neither waits for the other. */
static GMutex shared_lock; /* guards the slots */

static void
weak_ref_free (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

static GWeakRef *
get_slot (BitnetModel *model)
{
  static const char key[] = "bn-tokenizer";
  GWeakRef *slot = g_object_get_data (G_OBJECT (model), key);

  if (slot == NULL) {
    slot = g_new (GWeakRef, 1);
    g_weak_ref_init (slot, NULL);
    g_object_set_data_full (G_OBJECT (model), key, slot, weak_ref_free);
  }
  return slot;
}

static BitnetTokenizer *
get_shared (BitnetModel *model)
{
  BitnetTokenizer *tokenizer;

  g_mutex_lock (&shared_lock);
  tokenizer = g_weak_ref_get (get_slot (model));
  g_mutex_unlock (&shared_lock);
  return tokenizer;
}

/* Returns the one to use: tokenizer (transfer full), or who came first. */
static BitnetTokenizer *
share (BitnetModel *model, BitnetTokenizer *tokenizer)
{
  BitnetTokenizer *first;

  g_mutex_lock (&shared_lock);
  first = g_weak_ref_get (get_slot (model));
  if (first == NULL)
    g_weak_ref_set (get_slot (model), tokenizer);
  g_mutex_unlock (&shared_lock);
  if (first == NULL)
    return tokenizer;
  g_object_unref (tokenizer);
  return first;
}

/* The tokenizer in a model file. */
static gboolean
load_embedded (BitnetModel *model, BnFound *found, GCancellable *cancellable,
    GError **error)
{
  found->tokenizer = get_shared (model);
  found->from_cache = found->tokenizer != NULL;
  if (found->tokenizer == NULL) {
    BitnetTokenizer *tokenizer =
        bitnet_tokenizer_new_from_model (model, cancellable, error);

    if (tokenizer == NULL)
      return FALSE;
    found->tokenizer = share (model, tokenizer);
  }
  found->source = g_strdup (bitnet_model_get_path (model));
  return TRUE;
}

static gboolean
try_embedded (const BnResolveOptions *options, BitnetModel *model,
    BnFound *found, GCancellable *cancellable, GError **error)
{
  if (!bitnet_model_has_tokenizer (model)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s holds no tokenizer", bitnet_model_get_path (model));
    return FALSE;
  }
  return load_embedded (model, found, cancellable, error);
}

/* Opens the file that was named; says so if it is not a GGUF file. */
static BitnetModel *
open_tokenizer_file (
    const char *path, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) open_error = NULL;
  BitnetModel *file;

  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_set_error (
        error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND, "%s: no such file", path);
    return NULL;
  }
  if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s is a folder, which is not supported by this version; name a GGUF "
        "file that holds the tokenizer",
        path);
    return NULL;
  }
  file = bitnet_model_new_from_file (path, cancellable, &open_error);
  if (file != NULL)
    return file;
  if (g_error_matches (open_error, BITNET_ERROR, BITNET_ERROR_NOT_GGUF))
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s is not a GGUF file; other kinds of tokenizer files are not "
        "supported by this version",
        path);
  else
    g_propagate_error (error, g_steal_pointer (&open_error));
  return NULL;
}

static gboolean
try_explicit (const BnResolveOptions *options, BitnetModel *model,
    BnFound *found, GCancellable *cancellable, GError **error)
{
  g_autoptr (BitnetModel) file =
      open_tokenizer_file (options->tokenizer, cancellable, error);

  if (file == NULL)
    return FALSE;
  if (!bitnet_model_has_tokenizer (file)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s holds no tokenizer", options->tokenizer);
    return FALSE;
  }
  return bn_validate_pieces (file, model, error)
         && load_embedded (file, found, cancellable, error);
}

const BnStrategy bn_strategy_explicit = {
    .name = "explicit",
    .aliases = (const char *const[]){"exact", NULL},
    .priority = 255,
    .try_resolve = try_explicit,
    .suggestion = "name another file with tokenizer=, or none to use the one "
                  "inside of the model",
};

static const BnStrategy model_embedded = {
    .name = "model-embedded",
    .aliases = (const char *const[]){"modelembedded", "ggufmetadata",
        "embeddedgguf", NULL},
    .priority = 100,
    .try_resolve = try_embedded,
    .suggestion = "convert the model again with its tokenizer, or name a GGUF "
                  "file that holds it with tokenizer=FILE",
};

const BnStrategy *const bn_strategies[] = {&model_embedded, NULL};
