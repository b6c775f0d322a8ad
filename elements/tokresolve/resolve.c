/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The resolver of tokresolve and the thread that it runs in. One resolver
 * serves a stretch from READY to READY as long as no setting changes, so that
 * its statistics cover the models of a stream. */
#include "gsttokresolve-private.h"

#define GST_CAT_DEFAULT gst_bitnet_tok_resolve_debug

#define STATS_NAME "application/x-tokenizer-stats"

/* Keeps the statistics of a resolver that goes. */
void
gst_bitnet_tok_resolve_drop_resolver (GstBitnetTokResolve *self)
{
  g_autoptr (BitnetResolver) resolver = NULL;
  g_autoptr (GVariant) stats = NULL;
  g_autoptr (GstStructure) old = NULL;

  g_mutex_lock (&self->wait.mutex);
  resolver = g_steal_pointer (&self->resolver);
  g_mutex_unlock (&self->wait.mutex);
  if (resolver == NULL)
    return;
  stats = bitnet_resolver_dup_stats (resolver);
  g_mutex_lock (&self->wait.mutex);
  old = self->stats;
  self->stats = gst_bitnet_structure_from_variant (STATS_NAME, stats);
  g_mutex_unlock (&self->wait.mutex);
}

GstStructure *
gst_bitnet_tok_resolve_dup_stats (GstBitnetTokResolve *self)
{
  g_autoptr (BitnetResolver) resolver = NULL;
  g_autoptr (GVariant) stats = NULL;
  GstStructure *old = NULL;

  g_mutex_lock (&self->wait.mutex);
  g_set_object (&resolver, self->resolver);
  if (resolver == NULL && self->stats)
    old = gst_structure_copy (self->stats);
  g_mutex_unlock (&self->wait.mutex);
  if (resolver == NULL)
    return old;
  stats = bitnet_resolver_dup_stats (resolver);
  return gst_bitnet_structure_from_variant (STATS_NAME, stats);
}

/* The resolver for a model; (transfer full). */
static BitnetResolver *
dup_resolver (GstBitnetTokResolve *self, BitnetModel *model)
{
  g_autofree char *path = gst_bitnet_tok_resolve_emit_resolve (self, model);
  guint age = gst_bitnet_tok_resolve_get_settings_age (self);
  g_autoptr (BitnetResolver) resolver = NULL;

  g_mutex_lock (&self->wait.mutex);
  g_set_object (&resolver, self->resolver);
  g_mutex_unlock (&self->wait.mutex);
  if (resolver && self->resolver_age == age
      && g_strcmp0 (self->resolver_path, path) == 0)
    return g_steal_pointer (&resolver);

  gst_bitnet_tok_resolve_drop_resolver (self);
  g_clear_object (&resolver);
  resolver = bitnet_resolver_new ();
  self->resolver_age = gst_bitnet_tok_resolve_apply_settings (self, resolver);
  if (path)
    g_object_set (resolver, "tokenizer", path, NULL);
  g_free (self->resolver_path);
  self->resolver_path = g_steal_pointer (&path);
  gst_bitnet_tok_resolve_watch (self, resolver);
  g_mutex_lock (&self->wait.mutex);
  g_set_object (&self->resolver, resolver);
  g_mutex_unlock (&self->wait.mutex);
  return g_steal_pointer (&resolver);
}

/* Keeps what was found before anybody is told, so that a handler can read
 * the properties. */
static void
store_result (GstBitnetTokResolve *self, BitnetTokenizer *tokenizer,
    const GstStructure *resolution)
{
  g_mutex_lock (&self->wait.mutex);
  g_set_object (&self->tokenizer, tokenizer);
  self->fallback = FALSE;
  gst_structure_get_boolean (resolution, "fallback", &self->fallback);
  gst_clear_structure (&self->resolution);
  self->resolution = gst_structure_copy (resolution);
  g_mutex_unlock (&self->wait.mutex);
}

/* Says it before the buffer may leave: an open progress would keep gst-launch
 * from playing. */
static void
finish (GstBitnetTokResolve *self, BitnetTokenizer *tokenizer, GVariant *record,
    const GError *error)
{
  g_autoptr (GstStructure) resolution = NULL;

  if (tokenizer == NULL) {
    gst_bitnet_tok_resolve_report_failure (self, record, error);
    return;
  }
  resolution = gst_bitnet_structure_from_variant ("tokenizer-resolved", record);
  gst_structure_set (resolution, "id", G_TYPE_STRING,
      bitnet_tokenizer_get_id (tokenizer), "vocab-size", G_TYPE_UINT,
      bitnet_tokenizer_get_vocab_size (tokenizer), NULL);
  store_result (self, tokenizer, resolution);
  gst_bitnet_tok_resolve_report_success (self, tokenizer, resolution);
}

static gpointer
resolve_thread (gpointer data)
{
  GstBitnetTokResolve *self = data;
  g_autoptr (BitnetResolver) resolver = NULL;
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GCancellable) cancellable = NULL;
  g_autoptr (GVariant) record = NULL;
  g_autoptr (GError) error = NULL;

  g_mutex_lock (&self->wait.mutex);
  model = g_object_ref (self->model);
  cancellable = g_object_ref (self->cancellable);
  g_mutex_unlock (&self->wait.mutex);

  GST_INFO_OBJECT (self, "looking for the tokenizer of %s, architecture %s",
      bitnet_model_get_path (model), bitnet_model_get_architecture (model));
  gst_bitnet_tok_resolve_report_start (self);
  resolver = dup_resolver (self, model);
  tokenizer =
      bitnet_resolver_resolve (resolver, model, cancellable, &record, &error);
  finish (self, tokenizer, record, error);

  g_mutex_lock (&self->wait.mutex);
  self->state = tokenizer ? STATE_DONE : STATE_FAILED;
  g_cond_broadcast (&self->wait.cond);
  g_mutex_unlock (&self->wait.mutex);
  return NULL;
}

void
gst_bitnet_tok_resolve_cancel (GstBitnetTokResolve *self)
{
  g_autoptr (GCancellable) cancellable = NULL;

  g_mutex_lock (&self->wait.mutex);
  g_set_object (&cancellable, self->cancellable);
  g_mutex_unlock (&self->wait.mutex);
  g_cancellable_cancel (cancellable);
}

void
gst_bitnet_tok_resolve_stop (GstBitnetTokResolve *self)
{
  gst_bitnet_tok_resolve_cancel (self);
  if (self->thread)
    g_thread_join (g_steal_pointer (&self->thread));
  g_mutex_lock (&self->wait.mutex);
  self->state = STATE_IDLE;
  g_clear_object (&self->model);
  g_clear_object (&self->tokenizer);
  g_clear_object (&self->cancellable);
  gst_clear_structure (&self->resolution);
  g_mutex_unlock (&self->wait.mutex);
}

void
gst_bitnet_tok_resolve_start (GstBitnetTokResolve *self, BitnetModel *model)
{
  gboolean same;

  g_mutex_lock (&self->wait.mutex);
  same = self->model == model && self->state != STATE_FAILED;
  g_mutex_unlock (&self->wait.mutex);
  if (same)
    return;
  gst_bitnet_tok_resolve_stop (self);
  g_mutex_lock (&self->wait.mutex);
  self->state = STATE_RUNNING;
  self->model = g_object_ref (model);
  self->cancellable = g_cancellable_new ();
  g_mutex_unlock (&self->wait.mutex);
  self->sent_result = FALSE;
  self->thread = g_thread_new ("tokresolve", resolve_thread, self);
}

GstFlowReturn
gst_bitnet_tok_resolve_wait (
    GstBitnetTokResolve *self, BitnetTokenizer **tokenizer, gboolean *fallback)
{
  gboolean flushing;

  g_mutex_lock (&self->wait.mutex);
  while (!self->wait.flushing && self->state == STATE_RUNNING)
    g_cond_wait (&self->wait.cond, &self->wait.mutex);
  flushing = self->wait.flushing;
  *fallback = self->fallback;
  *tokenizer = !flushing && self->state == STATE_DONE
                   ? g_object_ref (self->tokenizer)
                   : NULL;
  g_mutex_unlock (&self->wait.mutex);

  if (flushing)
    return GST_FLOW_FLUSHING;
  return *tokenizer ? GST_FLOW_OK : GST_FLOW_ERROR;
}
