/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetModel: an opened model file, what is read from its metadata once, and
 * the two weak tables around it: models of the process by file identity, and
 * engines of a model by device. Both hold no references, so nothing lives
 * longer than its users. */
#include "bitnet-model.h"

#include <string.h>

#include "bitnet-error.h"
#include "bitnet-private.h"
#include "gguf/bn-gguf.h"

enum {
  OLD_QUANTIZATION_VERSION = 1,
  ID_PIECE_SIZE = 256 << 10, /* between looks at the cancellable */
};

struct _BitnetModel {
  GObject parent_instance;

  BnGguf *gguf;
  char *id; /* made when it is asked for first */
  char *architecture;
  char *name;
  const char *quantization;
  guint vocab_size;
  guint64 file_size;
  guint64 n_parameters;

  GMutex engines_lock; /* protects engines */
  GPtrArray *engines;  /* EngineSlot */
};

G_DEFINE_FINAL_TYPE (BitnetModel, bitnet_model, G_TYPE_OBJECT)

typedef struct {
  char *device;
  GWeakRef engine;
} EngineSlot;

/* A live model that may be handed out again. */
typedef struct {
  GWeakRef model;
  BitnetModel *address; /* compared only: finds the slot of a dying model */
} ModelSlot;

static GMutex models_lock; /* protects models */
static GPtrArray *models;  /* ModelSlot */

static void
engine_slot_free (gpointer data)
{
  EngineSlot *slot = data;

  g_weak_ref_clear (&slot->engine);
  g_free (slot->device);
  g_free (slot);
}

static void
model_slot_free (gpointer data)
{
  ModelSlot *slot = data;

  g_weak_ref_clear (&slot->model);
  g_free (slot);
}

static void
forget_model (BitnetModel *self)
{
  g_mutex_lock (&models_lock);
  for (guint i = 0; models && i < models->len; i++) {
    ModelSlot *slot = g_ptr_array_index (models, i);

    if (slot->address == self) {
      g_ptr_array_remove_index_fast (models, i);
      break;
    }
  }
  g_mutex_unlock (&models_lock);
}

static void
bitnet_model_finalize (GObject *object)
{
  BitnetModel *self = BITNET_MODEL (object);

  forget_model (self);
  g_ptr_array_unref (self->engines);
  g_mutex_clear (&self->engines_lock);
  g_clear_pointer (&self->gguf, bn_gguf_unref);
  g_free (self->id);
  g_free (self->architecture);
  g_free (self->name);
  G_OBJECT_CLASS (bitnet_model_parent_class)->finalize (object);
}

static void
bitnet_model_class_init (BitnetModelClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bitnet_model_finalize;
}

static void
bitnet_model_init (BitnetModel *self)
{
  g_mutex_init (&self->engines_lock);
  self->engines = g_ptr_array_new_with_free_func (engine_slot_free);
}

/* Checks of the metadata that concern every model. */

static gboolean fail_at (const BnGguf *gguf, uint64_t offset, BitnetError code,
    GError **error, const char *format, ...) G_GNUC_PRINTF (5, 6);

static gboolean
fail_at (const BnGguf *gguf, uint64_t offset, BitnetError code, GError **error,
    const char *format, ...)
{
  g_autofree char *name = g_filename_display_name (bn_gguf_get_path (gguf));
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, BITNET_ERROR, (int) code,
      "%s: at byte %" G_GUINT64_FORMAT ": %s", name, offset, message);
  return FALSE;
}

/* What the elements of a tokenizer array are, whatever their exact type. */
typedef enum { STRINGS, INTEGERS, FLOATS } Kind;

static const char *const kind_names[] = {"strings", "integers", "numbers"};

static gboolean
is_of_kind (const BnGgufKv *kv, Kind kind)
{
  switch (kv->element_type) {
    case BN_GGUF_STRING:
      return kind == STRINGS;
    case BN_GGUF_F32:
    case BN_GGUF_F64:
      return kind == FLOATS;
    case BN_GGUF_BOOL:
      return FALSE;
    default:
      return kind == INTEGERS;
  }
}

/* If the key is there it is an array of this kind, not shorter than
 * min_count. */
static gboolean
check_array (const BnGguf *gguf, const char *key, Kind kind, uint64_t min_count,
    GError **error)
{
  const BnGgufKv *kv = bn_gguf_find_kv (gguf, key);

  if (!kv)
    return TRUE;
  if (kv->type != BN_GGUF_ARRAY || !is_of_kind (kv, kind))
    return fail_at (gguf, kv->offset, BITNET_ERROR_CORRUPT, error,
        "found %s of type %d in %s, expected an array of %s",
        kv->type == BN_GGUF_ARRAY ? "elements" : "a value", kv->element_type,
        key, kind_names[kind]);
  if (kv->count < min_count)
    return fail_at (gguf, kv->offset, BITNET_ERROR_CORRUPT, error,
        "found %" G_GUINT64_FORMAT
        " elements in %s, expected at least %" G_GUINT64_FORMAT
        ", one for each token",
        kv->count, key, min_count);
  return TRUE;
}

static gboolean
check_tokenizer (const BnGguf *gguf, GError **error)
{
  const BnGgufKv *tokens = bn_gguf_find_kv (gguf, "tokenizer.ggml.tokens");
  uint64_t n = tokens ? tokens->count : 0;

  return check_array (gguf, "tokenizer.ggml.tokens", STRINGS, 0, error)
         && check_array (gguf, "tokenizer.ggml.scores", FLOATS, n, error)
         && check_array (gguf, "tokenizer.ggml.token_type", INTEGERS, n, error)
         && check_array (gguf, "tokenizer.ggml.merges", STRINGS, 0, error);
}

static gboolean
check_metadata (const BnGguf *gguf, GError **error)
{
  const BnGgufKv *kv = bn_gguf_find_kv (gguf, "general.architecture");
  g_autofree char *architecture =
      bn_gguf_dup_string (gguf, "general.architecture");
  uint64_t version;

  if (!architecture || architecture[0] == '\0')
    return fail_at (gguf, kv ? kv->offset : bn_gguf_get_data_start (gguf),
        BITNET_ERROR_CORRUPT, error,
        "found %s, expected general.architecture with a name",
        kv ? "another value" : "no such key");
  kv = bn_gguf_find_kv (gguf, "general.quantization_version");
  if (kv && bn_gguf_kv_get_uint (kv, 0, &version)
      && version == OLD_QUANTIZATION_VERSION)
    return fail_at (gguf, kv->offset, BITNET_ERROR_UNSUPPORTED_QUANTIZATION,
        error, "found general.quantization_version %d, expected 2",
        OLD_QUANTIZATION_VERSION);
  return check_tokenizer (gguf, error);
}

/* What is derived from the metadata once. */

static char *
compute_id (const BnGguf *gguf)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  const uint8_t *data =
      g_bytes_get_data (bn_gguf_get_file_bytes (gguf, 0), NULL);
  uint64_t end = bn_gguf_get_data_start (gguf);

  for (uint64_t pos = 0; pos < end; pos += ID_PIECE_SIZE)
    g_checksum_update (
        checksum, data + pos, (gssize) MIN (end - pos, ID_PIECE_SIZE));
  for (uint32_t i = 0; i < bn_gguf_get_n_files (gguf); i++) {
    guint64 size =
        GUINT64_TO_LE (g_bytes_get_size (bn_gguf_get_file_bytes (gguf, i)));

    g_checksum_update (checksum, (const guchar *) &size, sizeof size);
  }
  return g_strdup (g_checksum_get_string (checksum));
}

/* The type of most bytes among the tensors that count; NULL if none does. */
static const char *
find_main_type (const BnGguf *gguf, gboolean blocks_only)
{
  const char *best = NULL;
  uint64_t best_size = 0;
  g_autoptr (GHashTable) sizes =
      g_hash_table_new_full (g_direct_hash, g_direct_equal, NULL, g_free);

  for (size_t i = 0; i < bn_gguf_get_n_tensors (gguf); i++) {
    const BnGgufTensor *tensor = bn_gguf_get_tensor (gguf, i);
    uint64_t *size;

    if (blocks_only
        && (tensor->n_dims < 2 || !g_str_has_prefix (tensor->name, "blk.")))
      continue;
    size = g_hash_table_lookup (sizes, GINT_TO_POINTER (tensor->type));
    if (!size) {
      size = g_new0 (uint64_t, 1);
      g_hash_table_insert (sizes, GINT_TO_POINTER (tensor->type), size);
    }
    *size += tensor->size;
    if (*size > best_size) {
      best_size = *size;
      best = bn_type_info (tensor->type)->name;
    }
  }
  return best;
}

static const char *
find_quantization (const BnGguf *gguf)
{
  const char *type = find_main_type (gguf, TRUE);

  if (!type)
    type = find_main_type (gguf, FALSE);
  return type ? type : "none";
}

/* {architecture}.name as an unsigned number; 0 if it is absent or too big. */
static guint
get_arch_uint (BitnetModel *self, const char *name)
{
  g_autofree char *key = g_strconcat (self->architecture, ".", name, NULL);
  uint64_t value;

  return bn_gguf_get_uint (self->gguf, key, &value) && value <= G_MAXUINT
             ? (guint) value
             : 0;
}

static guint
find_vocab_size (BitnetModel *self)
{
  const BnGgufKv *tokens =
      bn_gguf_find_kv (self->gguf, "tokenizer.ggml.tokens");
  const BnGgufTensor *embedding =
      bn_gguf_find_tensor (self->gguf, "token_embd.weight");
  guint size = get_arch_uint (self, "vocab_size");

  if (size == 0 && tokens)
    size = (guint) tokens->count;
  if (size == 0 && embedding && embedding->ne[1] <= G_MAXUINT)
    size = (guint) embedding->ne[1];
  return size;
}

static BitnetModel *
model_open (const char *path, GCancellable *cancellable, GError **error)
{
  g_autoptr (BnGguf) gguf = bn_gguf_open (path, cancellable, error);
  BitnetModel *self;

  if (!gguf || !check_metadata (gguf, error))
    return NULL;
  self = g_object_new (BITNET_TYPE_MODEL, NULL);
  self->gguf = g_steal_pointer (&gguf);
  self->architecture = bn_gguf_dup_string (self->gguf, "general.architecture");
  self->name = bn_gguf_dup_string (self->gguf, "general.name");
  self->quantization = find_quantization (self->gguf);
  self->vocab_size = find_vocab_size (self);
  for (uint32_t i = 0; i < bn_gguf_get_n_files (self->gguf); i++)
    self->file_size +=
        g_bytes_get_size (bn_gguf_get_file_bytes (self->gguf, i));
  for (size_t i = 0; i < bn_gguf_get_n_tensors (self->gguf); i++) {
    const BnGgufTensor *tensor = bn_gguf_get_tensor (self->gguf, i);

    self->n_parameters +=
        tensor->ne[0] * tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
  }
  return self;
}

/* The models of the process. */

static gboolean
has_files (BitnetModel *self, const BnFileId *ids, uint32_t n_ids)
{
  if (bn_gguf_get_n_files (self->gguf) != n_ids)
    return FALSE;
  for (uint32_t i = 0; i < n_ids; i++) {
    if (!bn_file_id_equal (bn_gguf_get_file_id (self->gguf, i), &ids[i]))
      return FALSE;
  }
  return TRUE;
}

/* The live model of these files, or NULL. Called with models_lock held; drops
 * no references, which could finalize a model and so lock again, but collects
 * them in garbage. */
static BitnetModel *
find_model (const BnFileId *ids, uint32_t n_ids, GPtrArray *garbage)
{
  for (guint i = 0; models && i < models->len; i++) {
    ModelSlot *slot = g_ptr_array_index (models, i);
    BitnetModel *model = g_weak_ref_get (&slot->model);

    if (model && has_files (model, ids, n_ids))
      return model;
    if (model)
      g_ptr_array_add (garbage, model);
  }
  return NULL;
}

static BitnetModel *
lookup_model (const BnFileId *ids, uint32_t n_ids)
{
  g_autoptr (GPtrArray) garbage =
      g_ptr_array_new_with_free_func (g_object_unref);
  BitnetModel *model;

  g_mutex_lock (&models_lock);
  model = find_model (ids, n_ids, garbage);
  g_mutex_unlock (&models_lock);
  return model;
}

/* Enters a new model; if another thread was faster, returns that one's. */
static BitnetModel *
share_model (BitnetModel *self)
{
  uint32_t n_ids = bn_gguf_get_n_files (self->gguf);
  g_autofree BnFileId *ids = g_new (BnFileId, n_ids);
  g_autoptr (GPtrArray) garbage =
      g_ptr_array_new_with_free_func (g_object_unref);
  BitnetModel *other;

  for (uint32_t i = 0; i < n_ids; i++)
    ids[i] = *bn_gguf_get_file_id (self->gguf, i);
  g_mutex_lock (&models_lock);
  other = find_model (ids, n_ids, garbage);
  if (other) {
    g_ptr_array_add (garbage, self);
  } else {
    ModelSlot *slot = g_new0 (ModelSlot, 1);

    g_weak_ref_init (&slot->model, self);
    slot->address = self;
    if (!models)
      models = g_ptr_array_new_with_free_func (model_slot_free);
    g_ptr_array_add (models, slot);
  }
  g_mutex_unlock (&models_lock);
  return other ? other : self;
}

BitnetModel *
bitnet_model_new_unshared_from_file (
    const char *path, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (!error || !*error, NULL);

  return model_open (path, cancellable, error);
}

BitnetModel *
bitnet_model_new_from_file (
    const char *path, GCancellable *cancellable, GError **error)
{
  BitnetModel *model = NULL;
  BnFileId id;

  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (!error || !*error, NULL);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  /* A split model is known by all its files, so it is parsed first. */
  if (bn_file_id_read (&id, path))
    model = lookup_model (&id, 1);
  if (model)
    return model;
  model = model_open (path, cancellable, error);
  return model ? share_model (model) : NULL;
}

static void
open_in_thread (
    GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  BitnetModel *model = bitnet_model_new_from_file (data, cancellable, &error);

  if (model)
    g_task_return_pointer (task, model, g_object_unref);
  else
    g_task_return_error (task, error);
}

void
bitnet_model_new_from_file_async (const char *path, int io_priority,
    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (path != NULL);

  task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_source_tag (task, bitnet_model_new_from_file_async);
  g_task_set_priority (task, io_priority);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_set_task_data (task, g_strdup (path), g_free);
  g_task_run_in_thread (task, open_in_thread);
}

BitnetModel *
bitnet_model_new_from_file_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* The engines of a model. */

/* Called with engines_lock held. */
static BitnetEngine *
find_engine (BitnetModel *self, const char *device, EngineSlot **slot)
{
  for (guint i = 0; i < self->engines->len; i++) {
    *slot = g_ptr_array_index (self->engines, i);
    if (strcmp ((*slot)->device, device) == 0)
      return g_weak_ref_get (&(*slot)->engine);
  }
  *slot = NULL;
  return NULL;
}

BitnetEngine *
bitnet_model_share_engine (BitnetModel *self, const char *device,
    BnEngineFactory create, const BitnetEngineOptions *options, GError **error)
{
  g_autoptr (BitnetEngine) created = NULL;
  BitnetEngine *engine;
  EngineSlot *slot;

  g_mutex_lock (&self->engines_lock);
  engine = find_engine (self, device, &slot);
  g_mutex_unlock (&self->engines_lock);
  if (engine)
    return engine;

  created = create (self, options, error);
  if (!created)
    return NULL;
  g_mutex_lock (&self->engines_lock);
  engine = find_engine (self, device, &slot);
  if (!engine) {
    if (!slot) {
      slot = g_new0 (EngineSlot, 1);
      slot->device = g_strdup (device);
      g_weak_ref_init (&slot->engine, NULL);
      g_ptr_array_add (self->engines, slot);
    }
    g_weak_ref_set (&slot->engine, created);
    engine = g_steal_pointer (&created);
  }
  g_mutex_unlock (&self->engines_lock);
  return engine;
}

BnGguf *
bitnet_model_get_gguf (BitnetModel *self)
{
  return self->gguf;
}

const char *
bitnet_model_get_path (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), NULL);

  return bn_gguf_get_path (self->gguf);
}

const char *
bitnet_model_get_id (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), NULL);

  /* Only now: a vocabulary of some megabytes takes as long as all the rest of
   * opening a model. */
  if (g_once_init_enter (&self->id))
    g_once_init_leave (&self->id, compute_id (self->gguf));
  return self->id;
}

const char *
bitnet_model_get_architecture (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), NULL);

  return self->architecture;
}

const char *
bitnet_model_get_name (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), NULL);

  return self->name;
}

const char *
bitnet_model_get_quantization (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), NULL);

  return self->quantization;
}

guint
bitnet_model_get_vocab_size (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), 0);

  return self->vocab_size;
}

guint
bitnet_model_get_context_length (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), 0);

  return get_arch_uint (self, "context_length");
}

guint
bitnet_model_get_embedding_length (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), 0);

  return get_arch_uint (self, "embedding_length");
}

guint
bitnet_model_get_block_count (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), 0);

  return get_arch_uint (self, "block_count");
}

guint64
bitnet_model_get_file_size (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), 0);

  return self->file_size;
}

guint64
bitnet_model_get_n_parameters (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), 0);

  return self->n_parameters;
}

gboolean
bitnet_model_has_tokenizer (BitnetModel *self)
{
  const BnGgufKv *tokens;

  g_return_val_if_fail (BITNET_IS_MODEL (self), FALSE);

  tokens = bn_gguf_find_kv (self->gguf, "tokenizer.ggml.tokens");
  return tokens && tokens->count > 0;
}

GBytes *
bitnet_model_get_bytes (BitnetModel *self)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), NULL);

  return bn_gguf_get_file_bytes (self->gguf, 0);
}
