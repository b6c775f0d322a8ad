/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetSequence: the GObject in front of a request of the scheduler. */
#include "bitnet-sequence.h"

#include "bitnet-private.h"

/* The queue is never much longer. */
#define TAKE_LIMIT 1024

struct _BitnetSequence {
  GObject parent_instance;

  BitnetEngine *engine;
  BnRequest *request;
  BnSharedVocabulary *vocabulary; /* NULL: there is no tokenizer */
};

G_DEFINE_FINAL_TYPE (BitnetSequence, bitnet_sequence, G_TYPE_OBJECT)

GType
bitnet_finish_reason_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {BITNET_FINISH_NONE, "BITNET_FINISH_NONE", "none"},
      {BITNET_FINISH_STOP, "BITNET_FINISH_STOP", "stop"},
      {BITNET_FINISH_LENGTH, "BITNET_FINISH_LENGTH", "length"},
      {BITNET_FINISH_STOP_STRING, "BITNET_FINISH_STOP_STRING", "stop-string"},
      {BITNET_FINISH_CANCELLED, "BITNET_FINISH_CANCELLED", "cancelled"},
      {BITNET_FINISH_ERROR, "BITNET_FINISH_ERROR", "error"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("BitnetFinishReason", values));
  return type;
}

const char *
bitnet_finish_reason_to_string (BitnetFinishReason reason)
{
  g_autoptr (GEnumClass) values = g_type_class_ref (BITNET_TYPE_FINISH_REASON);
  const GEnumValue *value = g_enum_get_value (values, (int) reason);

  g_return_val_if_fail (value != NULL, NULL);
  return value->value_nick;
}

static void
bitnet_sequence_finalize (GObject *object)
{
  BitnetSequence *self = BITNET_SEQUENCE (object);

  bn_request_cancel (self->request);
  bn_request_unref (self->request);
  g_clear_pointer (&self->vocabulary, bn_shared_vocabulary_release);
  g_object_unref (self->engine);
  G_OBJECT_CLASS (bitnet_sequence_parent_class)->finalize (object);
}

static void
bitnet_sequence_class_init (BitnetSequenceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bitnet_sequence_finalize;
}

static void
bitnet_sequence_init (BitnetSequence *self)
{
}

BitnetSequence *
bitnet_sequence_new (
    BitnetEngine *engine, BnRequest *request, BnSharedVocabulary *vocabulary)
{
  BitnetSequence *self = g_object_new (BITNET_TYPE_SEQUENCE, NULL);

  self->engine = g_object_ref (engine);
  self->request = request;
  self->vocabulary = vocabulary;
  return self;
}

gssize
bitnet_sequence_take (BitnetSequence *self, guint32 *tokens, gsize max_tokens,
    GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (BITNET_IS_SEQUENCE (self), -1);
  g_return_val_if_fail (tokens != NULL && max_tokens > 0, -1);

  return bn_request_take (
      self->request, tokens, max_tokens, cancellable, error);
}

static GBytes *
take_bytes (BnRequest *request, gsize max_tokens, GCancellable *cancellable,
    GError **error)
{
  g_autofree guint32 *tokens = g_new (guint32, max_tokens);
  gssize n = bn_request_take (request, tokens, max_tokens, cancellable, error);

  return n < 0 ? NULL : g_bytes_new (tokens, (gsize) n * sizeof *tokens);
}

GBytes *
bitnet_sequence_take_bytes (BitnetSequence *self, gsize max_tokens,
    GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (BITNET_IS_SEQUENCE (self), NULL);
  g_return_val_if_fail (max_tokens > 0, NULL);

  return take_bytes (self->request, max_tokens, cancellable, error);
}

/* ---- taking without waiting ---- */

/* Either the scheduler or the cancellable ends a take. Whoever withdraws the
 * call from the request owns the task from then on. */
typedef struct {
  gsize max_tokens;
  GSource *cancelled; /* in the task's context; NULL without cancellable */
} TakeData;

static void
take_data_free (TakeData *data)
{
  g_clear_pointer (&data->cancelled, g_source_unref);
  g_free (data);
}

/* From any thread; the task returns in its own context. Takes over task. */
static void
on_take_ready (BnRequest *request, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const TakeData *data = g_task_get_task_data (task);
  GBytes *bytes;
  GError *error = NULL;

  /* The source holds the task. */
  if (data->cancelled != NULL)
    g_source_destroy (data->cancelled);
  bytes = take_bytes (request, data->max_tokens, NULL, &error);
  if (bytes == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, bytes, (GDestroyNotify) g_bytes_unref);
}

/* Ends the task unless it is already ready. */
static gboolean
on_take_cancelled (GCancellable *cancellable, gpointer user_data)
{
  GTask *task = user_data;
  BitnetSequence *self = g_task_get_source_object (task);

  if (bn_request_withdraw_call (self->request, task)) {
    g_task_return_error_if_cancelled (task);
    g_object_unref (task);
  }
  return G_SOURCE_REMOVE;
}

void
bitnet_sequence_take_async (BitnetSequence *self, gsize max_tokens,
    int io_priority, GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  TakeData *data;

  g_return_if_fail (BITNET_IS_SEQUENCE (self));
  g_return_if_fail (max_tokens > 0);

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bitnet_sequence_take_async);
  g_task_set_priority (task, io_priority);
  /* Tokens that were taken are delivered, come what may. */
  g_task_set_check_cancellable (task, FALSE);
  if (g_task_return_error_if_cancelled (task))
    return;

  data = g_new0 (TakeData, 1);
  data->max_tokens = MIN (max_tokens, TAKE_LIMIT);
  g_task_set_task_data (task, data, (GDestroyNotify) take_data_free);
  if (cancellable != NULL) {
    data->cancelled = g_cancellable_source_new (cancellable);
    g_source_set_callback (data->cancelled, G_SOURCE_FUNC (on_take_cancelled),
        g_object_ref (task), g_object_unref);
    g_source_attach (data->cancelled, g_task_get_context (task));
  }
  if (!bn_request_call_when_ready (
          self->request, on_take_ready, g_object_ref (task))) {
    if (data->cancelled != NULL)
      g_source_destroy (data->cancelled);
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_PENDING,
        "another take of this sequence waits already");
    g_object_unref (task);
    return;
  }
  /* The source may have come before there was a call to withdraw. */
  if (g_cancellable_is_cancelled (cancellable))
    on_take_cancelled (cancellable, task);
}

GBytes *
bitnet_sequence_take_finish (
    BitnetSequence *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

void
bitnet_sequence_cancel (BitnetSequence *self)
{
  g_return_if_fail (BITNET_IS_SEQUENCE (self));

  bn_request_cancel (self->request);
}

/* ---- getters ---- */

static BnRequestStatus
get_status (BitnetSequence *self)
{
  BnRequestStatus status;

  bn_request_get_status (self->request, &status);
  return status;
}

BitnetFinishReason
bitnet_sequence_get_finish_reason (BitnetSequence *self)
{
  g_return_val_if_fail (BITNET_IS_SEQUENCE (self), BITNET_FINISH_NONE);

  return (BitnetFinishReason) get_status (self).reason;
}

guint
bitnet_sequence_get_n_prompt_tokens (BitnetSequence *self)
{
  g_return_val_if_fail (BITNET_IS_SEQUENCE (self), 0);

  return get_status (self).n_prompt_tokens;
}

guint
bitnet_sequence_get_n_cached_tokens (BitnetSequence *self)
{
  g_return_val_if_fail (BITNET_IS_SEQUENCE (self), 0);

  return get_status (self).n_cached_tokens;
}

guint
bitnet_sequence_get_n_generated_tokens (BitnetSequence *self)
{
  g_return_val_if_fail (BITNET_IS_SEQUENCE (self), 0);

  return get_status (self).n_generated_tokens;
}

guint64
bitnet_sequence_get_prefill_ns (BitnetSequence *self)
{
  g_return_val_if_fail (BITNET_IS_SEQUENCE (self), 0);

  return get_status (self).prefill_ns;
}

guint64
bitnet_sequence_get_decode_ns (BitnetSequence *self)
{
  g_return_val_if_fail (BITNET_IS_SEQUENCE (self), 0);

  return get_status (self).decode_ns;
}
