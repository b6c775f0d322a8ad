/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tokresolve says on the bus and in the log about a resolution. All of it
 * in the resolver's thread. */
#include "gsttokresolve-private.h"

#include <string.h>

#define GST_CAT_DEFAULT gst_bitnet_tok_resolve_debug

/* What the resolver reports while it works. */

static void
on_strategy_started (BitnetResolver *resolver, const char *name, int priority,
    gpointer user_data)
{
  GstBitnetTokResolve *self = user_data;

  self->n_started++;
  GST_INFO_OBJECT (
      self, "strategy %u: %s (priority %d)", self->n_started, name, priority);
  if (gst_bitnet_transfer_is_due (&self->transfer))
    gst_bitnet_post_progress (GST_ELEMENT (self), GST_PROGRESS_TYPE_CONTINUE,
        GST_BITNET_PROGRESS_TOKENIZER, "Looking for the tokenizer: %s", name);
  gst_bitnet_tok_resolve_emit_started (self, name, priority);
}

static void
on_strategy_finished (BitnetResolver *resolver, const char *name,
    gboolean success, const GError *error, double duration_ms,
    gpointer user_data)
{
  GstBitnetTokResolve *self = user_data;
  const char *message = error ? error->message : NULL;

  if (success)
    GST_INFO_OBJECT (self, "%s found it in %.1f ms", name, duration_ms);
  else if (self->n_failed++ == 0)
    GST_WARNING_OBJECT (self, "%s failed: %s", name, message);
  else
    GST_INFO_OBJECT (self, "%s failed: %s", name, message);
  gst_bitnet_tok_resolve_emit_finished (
      self, name, success, message, duration_ms);
}

static void
on_progress (BitnetResolver *resolver, const BitnetProgress *progress,
    gpointer user_data)
{
  GstBitnetTokResolve *self = user_data;

  gst_bitnet_transfer_post (&self->transfer, GST_ELEMENT (self),
      GST_BITNET_PROGRESS_TOKENIZER, progress);
}

/* Where a kind of doubt belongs; what is not listed is about formats. */
static const struct {
  const char *code;
  int resource_error; /* of GST_RESOURCE_ERROR */
} warning_codes[] = {
    {"backup", GST_RESOURCE_ERROR_NOT_FOUND},
    {"stale", GST_RESOURCE_ERROR_READ},
    {"device", GST_RESOURCE_ERROR_SETTINGS},
};

static void
on_warning (BitnetResolver *resolver, const char *code, const char *message,
    gpointer user_data)
{
  GstBitnetTokResolve *self = user_data;
  GQuark domain = GST_STREAM_ERROR;
  int number = GST_STREAM_ERROR_FORMAT;

  for (gsize i = 0; i < G_N_ELEMENTS (warning_codes); i++) {
    if (g_strcmp0 (code, warning_codes[i].code) == 0) {
      domain = GST_RESOURCE_ERROR;
      number = warning_codes[i].resource_error;
    }
  }
  gst_element_message_full (GST_ELEMENT (self), GST_MESSAGE_WARNING, domain,
      number, g_strdup (message), g_strdup_printf ("%s: %s", code, message),
      __FILE__, GST_FUNCTION, __LINE__);
}

void
gst_bitnet_tok_resolve_watch (
    GstBitnetTokResolve *self, BitnetResolver *resolver)
{
  g_signal_connect (
      resolver, "strategy-started", G_CALLBACK (on_strategy_started), self);
  g_signal_connect (
      resolver, "strategy-finished", G_CALLBACK (on_strategy_finished), self);
  g_signal_connect (resolver, "progress", G_CALLBACK (on_progress), self);
  g_signal_connect (resolver, "warning", G_CALLBACK (on_warning), self);
}

void
gst_bitnet_tok_resolve_report_start (GstBitnetTokResolve *self)
{
  self->n_started = 0;
  self->n_failed = 0;
  gst_bitnet_transfer_start (&self->transfer);
  gst_bitnet_post_progress (GST_ELEMENT (self), GST_PROGRESS_TYPE_START,
      GST_BITNET_PROGRESS_TOKENIZER, "Looking for the tokenizer");
}

/* The end. */

static void
post_element_message (GstBitnetTokResolve *self, GstStructure *s)
{
  gst_element_post_message (
      GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), s));
}

/* If another strategy than the first one succeeded, or a last resort. */
static void
post_fallback (GstBitnetTokResolve *self, const GstStructure *resolution)
{
  const GValue *attempts = gst_structure_get_value (resolution, "attempts");
  const char *to = gst_structure_get_string (resolution, "strategy");
  const GstStructure *first = NULL;
  const char *from = NULL;
  gboolean is_last_resort = FALSE;

  if (attempts && gst_value_array_get_size (attempts) > 0)
    first = gst_value_get_structure (gst_value_array_get_value (attempts, 0));
  if (first)
    from = gst_structure_get_string (first, "strategy");
  gst_structure_get_boolean (resolution, "fallback", &is_last_resort);
  if (from == NULL || (g_strcmp0 (from, to) == 0 && !is_last_resort))
    return;
  post_element_message (self,
      gst_structure_new ("tokenizer-fallback", "from", G_TYPE_STRING, from,
          "to", G_TYPE_STRING, to, "code", G_TYPE_STRING,
          gst_structure_get_string (first, "code"), "reason", G_TYPE_STRING,
          gst_structure_get_string (first, "message"), NULL));
}

static void
log_notes (GstBitnetTokResolve *self, const GstStructure *resolution)
{
  const GValue *notes = gst_structure_get_value (resolution, "notes");

  for (guint i = 0; notes && i < gst_value_array_get_size (notes); i++)
    GST_INFO_OBJECT (
        self, "%s", g_value_get_string (gst_value_array_get_value (notes, i)));
}

void
gst_bitnet_tok_resolve_report_success (GstBitnetTokResolve *self,
    BitnetTokenizer *tokenizer, const GstStructure *resolution)
{
  const char *strategy = gst_structure_get_string (resolution, "strategy");

  GST_INFO_OBJECT (self, "resolved: %" GST_PTR_FORMAT, resolution);
  log_notes (self, resolution);
  gst_bitnet_post_progress (GST_ELEMENT (self), GST_PROGRESS_TYPE_COMPLETE,
      GST_BITNET_PROGRESS_TOKENIZER, "Tokenizer found: %s, %u tokens",
      strategy ? strategy : "given",
      bitnet_tokenizer_get_vocab_size (tokenizer));
  post_fallback (self, resolution);
  post_element_message (self, gst_structure_copy (resolution));
  gst_bitnet_tok_resolve_emit_resolved (self, tokenizer);
}

/* The details of a failure: what the record says, and what it must have. */
static GstStructure *
new_failure (GVariant *record, const GError *error)
{
  GstStructure *s =
      gst_bitnet_structure_from_variant ("tokenizer-failed", record);
  const char *code = NULL;

  if (error->domain == BITNET_ERROR) {
    code = bitnet_error_get_name ((BitnetError) error->code);
    if (!gst_structure_has_field (s, "suggestions")) {
      GValue suggestions = G_VALUE_INIT;
      GValue hint = G_VALUE_INIT;

      g_value_init (&suggestions, GST_TYPE_ARRAY);
      g_value_init (&hint, G_TYPE_STRING);
      g_value_set_string (
          &hint, bitnet_error_get_hint ((BitnetError) error->code));
      gst_value_array_append_and_take_value (&suggestions, &hint);
      gst_structure_take_value (s, "suggestions", &suggestions);
    }
  }
  if (!gst_structure_has_field (s, "attempts")) {
    GValue attempts = G_VALUE_INIT;

    g_value_init (&attempts, GST_TYPE_ARRAY);
    gst_structure_take_value (s, "attempts", &attempts);
  }
  if (!gst_structure_has_field (s, "message"))
    gst_structure_set (s, "message", G_TYPE_STRING, error->message, NULL);
  if (!gst_structure_has_field (s, "code"))
    gst_structure_set (s, "code", G_TYPE_STRING, code, NULL);
  if (!gst_structure_has_field (s, "cause"))
    gst_structure_set (
        s, "cause", G_TYPE_STRING, gst_structure_get_string (s, "code"), NULL);
  return s;
}

void
gst_bitnet_tok_resolve_report_failure (
    GstBitnetTokResolve *self, GVariant *record, const GError *error)
{
  GstElement *element = GST_ELEMENT (self);
  g_autofree char *report = NULL;
  GstStructure *failure;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    gst_bitnet_post_progress (element, GST_PROGRESS_TYPE_CANCELED,
        GST_BITNET_PROGRESS_TOKENIZER, "The search was cancelled");
    return;
  }
  gst_bitnet_post_progress (element, GST_PROGRESS_TYPE_ERROR,
      GST_BITNET_PROGRESS_TOKENIZER, "No tokenizer was found");
  failure = new_failure (record, error);
  report = g_strdup (gst_structure_get_string (failure, "text"));
  post_element_message (self, gst_structure_copy (failure));
  gst_bitnet_fail_with_report (element, &self->wait, error, report, failure);
}
