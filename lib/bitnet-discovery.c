/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetDiscovery: what a model file says about its tokenizer, looked up once
 * when the object is made. Immutable after that. All of it comes from a
 * foreign file; nothing here believes more than the reader has checked. */
#include "bitnet-discovery.h"

#include <string.h>

#include "bitnet-error.h"
#include "bitnet-private.h"
#include "gguf/bn-gguf.h"
#include "resolve/bn-facts.h"
#include "resolve/bn-repos.h"

enum {
  N_NEAREST = 3,
  LLAMA_SIZE = 32000,
  LLAMA3_SIZE = 128256,
};

struct _BitnetDiscovery {
  GObject parent_instance;

  char *path;
  BitnetModel *model;
  GError *error;
  char *name;
  BnFacts facts;
  const char *implied_pre;
  const BnFamily *family;
  gboolean is_embedded;
  guint default_vocab_size;
  GPtrArray *candidates; /* BitnetCandidate */
};

G_DEFINE_FINAL_TYPE (BitnetDiscovery, bitnet_discovery, G_TYPE_OBJECT)
G_DEFINE_BOXED_TYPE (BitnetCandidate, bitnet_candidate, bitnet_candidate_copy,
    bitnet_candidate_free)

GType
bitnet_confidence_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {BITNET_CONFIDENCE_EXACT, "BITNET_CONFIDENCE_EXACT", "exact"},
      {BITNET_CONFIDENCE_PROBABLE, "BITNET_CONFIDENCE_PROBABLE", "probable"},
      {BITNET_CONFIDENCE_COMPATIBLE, "BITNET_CONFIDENCE_COMPATIBLE",
          "compatible"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("BitnetConfidence", values));
  return type;
}

BitnetCandidate *
bitnet_candidate_copy (const BitnetCandidate *self)
{
  BitnetCandidate *copy;

  g_return_val_if_fail (self != NULL, NULL);
  copy = g_memdup2 (self, sizeof *self);
  copy->repository = g_strdup (self->repository);
  copy->revision = g_strdup (self->revision);
  copy->reason = g_strdup (self->reason);
  copy->family = g_strdup (self->family);
  return copy;
}

void
bitnet_candidate_free (BitnetCandidate *self)
{
  if (self == NULL)
    return;
  g_free (self->repository);
  g_free (self->revision);
  g_free (self->reason);
  g_free (self->family);
  g_free (self);
}

static void
bitnet_discovery_finalize (GObject *object)
{
  BitnetDiscovery *self = BITNET_DISCOVERY (object);

  g_free (self->path);
  g_clear_object (&self->model);
  g_clear_error (&self->error);
  g_free (self->name);
  bn_facts_clear (&self->facts);
  g_clear_pointer (&self->candidates, g_ptr_array_unref);
  G_OBJECT_CLASS (bitnet_discovery_parent_class)->finalize (object);
}

static void
bitnet_discovery_class_init (BitnetDiscoveryClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bitnet_discovery_finalize;
}

static void
bitnet_discovery_init (BitnetDiscovery *self)
{
}

/* Whether the file has all that its kind of tokenizer needs. */
static gboolean
is_embedded (const BnGguf *gguf, const BnFacts *facts)
{
  const BnGgufKv *json = bn_gguf_find_kv (gguf, "tokenizer.huggingface.json");
  const char *kind = facts->facts.tokenizer;

  if (json && json->type == BN_GGUF_STRING)
    return TRUE;
  if (kind == NULL || facts->facts.n_tokens == 0)
    return FALSE;
  if (strcmp (kind, "gpt2") != 0 && strcmp (kind, "gemma4") != 0)
    return TRUE;
  /* Where there are none, ids of this family are ranks. */
  return bn_gguf_find_kv (gguf, "tokenizer.ggml.merges")
         || g_strcmp0 (facts->pre, "kimi-k2") == 0;
}

static guint
get_default_size (const BnFacts *facts)
{
  static const struct {
    const char *architecture;
    guint size;
  } sizes[] = {
      {"llama", LLAMA_SIZE}, {"gpt2", 50257}, {"bert", 30522}, {"t5", 32128}};
  const char *architecture = facts->facts.architecture;

  for (gsize i = 0; architecture && i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *name = NULL;

    if (strcmp (architecture, sizes[i].architecture) != 0)
      continue;
    name = g_ascii_strdown (facts->name ? facts->name : "", -1);
    g_strdelimit (name, " _", '-');
    if (sizes[i].size == LLAMA_SIZE
        && (strstr (name, "llama-3") || strstr (name, "llama3")))
      return LLAMA3_SIZE;
    return sizes[i].size;
  }
  return 0;
}

/* The stem of a file's name, for people. */
static char *
dup_shown_stem (const char *path)
{
  g_autofree char *stem = bn_facts_dup_stem (path);

  return g_filename_display_name (stem);
}

static char *
dup_name (BitnetModel *model, const char *path)
{
  const char *name = bitnet_model_get_name (model);
  g_autofree char *basename = NULL;

  if (name && *name)
    return g_strdup (name);
  basename = bitnet_model_dup_string (model, "general.basename");
  return basename && *basename ? g_steal_pointer (&basename)
                               : dup_shown_stem (path);
}

static BitnetDiscovery *
discover (BitnetModel *model, const char *path)
{
  BitnetDiscovery *self = g_object_new (BITNET_TYPE_DISCOVERY, NULL);
  const BnGguf *gguf = bitnet_model_get_gguf (model);
  const BnFamilyMatrix *matrix = bn_matrix_get ();
  const char *file = bitnet_model_get_path (model);

  self->path = g_strdup (path);
  self->model = g_object_ref (model);
  self->name = dup_name (model, file);
  bn_facts_init (&self->facts, gguf, file);
  self->is_embedded = is_embedded (gguf, &self->facts);
  self->family = bn_matrix_identify (matrix, &self->facts.facts);
  if (self->facts.pre == NULL
      && g_strcmp0 (self->facts.facts.tokenizer, "gpt2") == 0)
    self->implied_pre = bn_matrix_imply_pre (matrix, &self->facts.facts);
  self->default_vocab_size = get_default_size (&self->facts);
  self->candidates = bn_repos_infer (gguf, file, matrix, &self->facts.facts);
  return self;
}

/* Takes error. */
static BitnetDiscovery *
discover_path (const char *path, GError *error)
{
  BitnetDiscovery *self = g_object_new (BITNET_TYPE_DISCOVERY, NULL);

  self->path = g_strdup (path);
  self->name = dup_shown_stem (path);
  self->error = g_error_new_literal (BITNET_ERROR,
      g_error_matches (error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND)
          ? BITNET_ERROR_NOT_FOUND
          : BITNET_ERROR_INVALID_MODEL,
      error->message);
  self->candidates =
      bn_repos_infer (NULL, path, bn_matrix_get (), &self->facts.facts);
  g_error_free (error);
  return self;
}

/* The file that path means, NULL with an error if that cannot be said. */
static char *
find_file (const char *path, GError **error)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *shown = NULL;

  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    return g_strdup (path);
  names = bn_facts_list_models (path, error);
  if (names == NULL)
    return NULL;
  if (names->len > 0 && bn_facts_are_parts (names))
    return g_build_filename (path, g_ptr_array_index (names, 0), NULL);
  shown = g_filename_display_name (path);
  if (names->len == 0)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_MODEL,
        "%s: the folder has no GGUF file", shown);
  else
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_MODEL,
        "%s: the folder has %u GGUF files, expected one; name the file", shown,
        names->len);
  return NULL;
}

BitnetDiscovery *
bitnet_discovery_new_from_model (BitnetModel *model)
{
  g_return_val_if_fail (BITNET_IS_MODEL (model), NULL);
  return discover (model, bitnet_model_get_path (model));
}

BitnetDiscovery *
bitnet_discovery_new_for_path (
    const char *path, GCancellable *cancellable, GError **error)
{
  g_autoptr (BitnetModel) model = NULL;
  g_autofree char *file = NULL;
  GError *local = NULL;

  g_return_val_if_fail (path != NULL, NULL);
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  file = find_file (path, &local);
  if (file)
    model = bitnet_model_new_from_file (file, cancellable, &local);
  if (model)
    return discover (model, path);
  if (g_error_matches (local, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    g_propagate_error (error, local);
    return NULL;
  }
  return discover_path (path, local);
}

static void
run_new_for_path (
    GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  BitnetDiscovery *self =
      bitnet_discovery_new_for_path (data, cancellable, &error);

  if (self)
    g_task_return_pointer (task, self, g_object_unref);
  else
    g_task_return_error (task, error);
}

void
bitnet_discovery_new_for_path_async (const char *path, int io_priority,
    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (path != NULL);
  task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_source_tag (task, bitnet_discovery_new_for_path_async);
  g_task_set_name (task, "bitnet_discovery_new_for_path_async");
  g_task_set_priority (task, io_priority);
  g_task_set_task_data (task, g_strdup (path), g_free);
  g_task_run_in_thread (task, run_new_for_path);
}

BitnetDiscovery *
bitnet_discovery_new_for_path_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  g_return_val_if_fail (
      g_async_result_is_tagged (result, bitnet_discovery_new_for_path_async),
      NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

BitnetModel *
bitnet_discovery_get_model (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  return self->model;
}

const char *
bitnet_discovery_get_path (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  return self->path;
}

const GError *
bitnet_discovery_get_error (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  return self->error;
}

const char *
bitnet_discovery_get_architecture (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  return self->facts.architecture;
}

const char *
bitnet_discovery_get_name (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  return self->name;
}

const char *
bitnet_discovery_get_quantization (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  return self->model ? bitnet_model_get_quantization (self->model) : NULL;
}

const char *
bitnet_discovery_get_tokenizer_model (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  return self->facts.tokenizer;
}

const char *
bitnet_discovery_get_pre (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  return self->facts.pre;
}

const char *
bitnet_discovery_get_implied_pre (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  return self->implied_pre;
}

guint
bitnet_discovery_get_n_rows (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), 0);
  return self->facts.facts.n_rows;
}

guint
bitnet_discovery_get_n_tokens (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), 0);
  return self->facts.facts.n_tokens;
}

guint
bitnet_discovery_get_default_vocab_size (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), 0);
  return self->default_vocab_size;
}

gboolean
bitnet_discovery_has_embedded_tokenizer (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), FALSE);
  return self->is_embedded;
}

const char *
bitnet_discovery_get_family (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  return self->family ? self->family->name : NULL;
}

GPtrArray *
bitnet_discovery_get_candidates (BitnetDiscovery *self)
{
  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  return self->candidates;
}

char **
bitnet_discovery_list_nearest_families (BitnetDiscovery *self)
{
  g_autoptr (GPtrArray) families = NULL;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  families =
      bn_matrix_list_nearest (bn_matrix_get (), &self->facts.facts, N_NEAREST);
  for (guint i = 0; i < families->len; i++) {
    const BnFamily *family = g_ptr_array_index (families, i);
    g_autofree char *text =
        g_strdup_printf ("%s (%s)", family->title, family->repository);

    g_strv_builder_add (builder, text);
  }
  return g_strv_builder_end (builder);
}

/* Members that are not known are left out. */
static void
add_string (GVariantDict *dict, const char *key, const char *value)
{
  if (value)
    g_variant_dict_insert (dict, key, "s", value);
}

static void
add_size (GVariantDict *dict, const char *key, guint value)
{
  if (value > 0)
    g_variant_dict_insert (dict, key, "u", value);
}

static GVariant *
candidate_to_variant (const BitnetCandidate *candidate)
{
  static const char *const names[] = {"exact", "probable", "compatible"};
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  add_string (&dict, "repository", candidate->repository);
  add_string (&dict, "revision", candidate->revision);
  add_string (&dict, "reason", candidate->reason);
  add_string (&dict, "confidence", names[candidate->confidence]);
  add_string (&dict, "family", candidate->family);
  g_variant_dict_insert (&dict, "unique", "b", candidate->is_unique);
  g_variant_dict_insert (&dict, "gated", "b", candidate->is_gated);
  g_variant_dict_insert (&dict, "equivalent", "b", candidate->is_equivalent);
  return g_variant_dict_end (&dict);
}

GVariant *
bitnet_discovery_to_variant (BitnetDiscovery *self)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *path = NULL;
  GVariantBuilder candidates;

  g_return_val_if_fail (BITNET_IS_DISCOVERY (self), NULL);
  path = g_filename_display_name (self->path);
  add_string (&dict, "path", path);
  add_string (&dict, "error", self->error ? self->error->message : NULL);
  add_string (&dict, "architecture", self->facts.architecture);
  add_string (&dict, "name", self->name);
  add_string (&dict, "quantization", bitnet_discovery_get_quantization (self));
  add_string (&dict, "tokenizer-model", self->facts.tokenizer);
  add_string (&dict, "pre", self->facts.pre);
  add_string (&dict, "implied-pre", self->implied_pre);
  add_size (&dict, "rows", self->facts.facts.n_rows);
  add_size (&dict, "tokens", self->facts.facts.n_tokens);
  g_variant_dict_insert (&dict, "embedded-tokenizer", "b", self->is_embedded);
  add_string (&dict, "family", self->family ? self->family->name : NULL);
  g_variant_builder_init (&candidates, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < self->candidates->len; i++)
    g_variant_builder_add_value (&candidates,
        candidate_to_variant (g_ptr_array_index (self->candidates, i)));
  g_variant_dict_insert_value (
      &dict, "candidates", g_variant_builder_end (&candidates));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
