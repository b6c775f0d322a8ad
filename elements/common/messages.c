/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes on the bus: progress with its numbers, and dictionaries of the
 * library as structures. Nothing here keeps state. */
#include "gstbitnet.h"

#include <string.h>

enum {
  BYTES_PER_MB = 1000 * 1000,
};

void
gst_bitnet_post_progress (GstElement *element, GstProgressType type,
    const char *code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  gst_element_post_message (element,
      gst_message_new_progress (GST_OBJECT (element), type, code, text));
}

void
gst_bitnet_post_fraction (GstElement *element, const char *code,
    const char *label, guint64 done, guint64 total)
{
  g_autofree char *text = g_strdup_printf ("%s: %u %%", label,
      total ? (guint) (100.0 * MIN (done, total) / total) : 0);
  GstMessage *message = gst_message_new_progress (
      GST_OBJECT (element), GST_PROGRESS_TYPE_CONTINUE, code, text);

  gst_structure_set (gst_message_writable_structure (message), "bytes-done",
      G_TYPE_UINT64, done, "bytes-total", G_TYPE_UINT64, total, NULL);
  gst_element_post_message (element, message);
}

/* Transfers. */

/* "tokenizer.json of owner/name"; (transfer full). */
static char *
name_subject (const BitnetProgress *progress)
{
  if (progress->repository == NULL)
    return g_strdup (progress->file ? progress->file : "the tokenizer");
  if (progress->file == NULL)
    return g_strdup (progress->repository);
  return g_strdup_printf ("%s of %s", progress->file, progress->repository);
}

static char *
describe_transfer (const BitnetProgress *progress)
{
  g_autofree char *subject = name_subject (progress);
  guint64 done = progress->bytes_done;

  if (progress->cached)
    return g_strdup_printf ("%s is here", subject);
  switch (progress->phase) {
    case BITNET_PHASE_QUERYING:
      return g_strdup_printf ("Asking the hub for %s", subject);
    case BITNET_PHASE_WAITING:
      return g_strdup_printf ("Waiting for %s", subject);
    case BITNET_PHASE_DOWNLOADING:
      if (progress->bytes_total > 0)
        return g_strdup_printf ("Fetching %s: %u %% of %.1f MB", subject,
            (guint) (100.0 * (double) done / (double) progress->bytes_total),
            (double) progress->bytes_total / BYTES_PER_MB);
      return g_strdup_printf (
          "Fetching %s: %.1f MB", subject, (double) done / BYTES_PER_MB);
    case BITNET_PHASE_VERIFYING:
      return g_strdup_printf ("Checking %s", subject);
    case BITNET_PHASE_LOADING:
      break;
  }
  return g_strdup_printf ("Loading %s", subject);
}

static const char *
get_phase_nick (BitnetPhase phase)
{
  g_autoptr (GEnumClass) phases = g_type_class_ref (BITNET_TYPE_PHASE);
  const GEnumValue *value = g_enum_get_value (phases, (int) phase);

  return value ? value->value_nick : NULL;
}

void
gst_bitnet_transfer_start (GstBitnetTransfer *self)
{
  g_clear_pointer (&self->repository, g_free);
  self->posted_at_us = 0;
}

void
gst_bitnet_transfer_clear (GstBitnetTransfer *self)
{
  g_clear_pointer (&self->repository, g_free);
}

gboolean
gst_bitnet_transfer_is_due (GstBitnetTransfer *self)
{
  gint64 now_us = g_get_monotonic_time ();

  if (now_us - self->posted_at_us < GST_BITNET_PROGRESS_INTERVAL_US)
    return FALSE;
  self->posted_at_us = now_us;
  return TRUE;
}

void
gst_bitnet_transfer_post (GstBitnetTransfer *self, GstElement *element,
    const char *code, const BitnetProgress *progress)
{
  gboolean is_new = progress->repository
                    && g_strcmp0 (progress->repository, self->repository) != 0;
  g_autofree char *text = NULL;
  GstMessage *message;

  /* Whoever watches learns of each repository before a byte comes from it. */
  if (!gst_bitnet_transfer_is_due (self) && !is_new)
    return;
  if (is_new) {
    g_free (self->repository);
    self->repository = g_strdup (progress->repository);
  }
  text = describe_transfer (progress);
  message = gst_message_new_progress (
      GST_OBJECT (element), GST_PROGRESS_TYPE_CONTINUE, code, text);
  gst_structure_set (gst_message_writable_structure (message), "phase",
      G_TYPE_STRING, get_phase_nick (progress->phase), "repo", G_TYPE_STRING,
      progress->repository, "file", G_TYPE_STRING, progress->file, "bytes-done",
      G_TYPE_UINT64, progress->bytes_done, "bytes-total", G_TYPE_UINT64,
      (guint64) MAX (progress->bytes_total, 0), "rate", G_TYPE_DOUBLE,
      progress->rate, "eta", G_TYPE_DOUBLE, progress->eta, "cached",
      G_TYPE_BOOLEAN, progress->cached, NULL);
  gst_element_post_message (element, message);
}

/* Dictionaries. */

static gboolean convert (GVariant *variant, const char *name, GValue *value);

/* Names of structures are narrower than keys; strategies of applications may
 * have any. */
static const char *
make_structure_name (const char *key)
{
  static const char allowed[] = "/-_.:+";

  if (!g_ascii_isalpha (*key))
    return "entry";
  for (const char *p = key; *p; p++) {
    if (!g_ascii_isalnum (*p) && !strchr (allowed, *p))
      return "entry";
  }
  return key;
}

/* Of a dictionary with any kind of value. */
static GstStructure *
convert_dictionary (GVariant *dictionary, const char *name)
{
  GstStructure *s = gst_structure_new_empty (make_structure_name (name));
  GVariantIter iter;
  GVariant *entry;

  g_variant_iter_init (&iter, dictionary);
  while ((entry = g_variant_iter_next_value (&iter)) != NULL) {
    g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
    g_autoptr (GVariant) member = g_variant_get_child_value (entry, 1);
    GValue value = G_VALUE_INIT;

    if (g_variant_is_of_type (member, G_VARIANT_TYPE_VARIANT)) {
      GVariant *inner = g_variant_get_variant (member);

      g_variant_unref (member);
      member = inner;
    }
    if (convert (member, g_variant_get_string (key, NULL), &value))
      gst_structure_take_value (s, g_variant_get_string (key, NULL), &value);
    g_variant_unref (entry);
  }
  return s;
}

static gboolean
is_dictionary (GVariant *variant)
{
  return g_variant_is_of_type (variant, G_VARIANT_TYPE ("a{s*}"));
}

static gboolean
convert_list (GVariant *list, const char *name, GValue *value)
{
  g_value_init (value, GST_TYPE_ARRAY);
  for (gsize i = 0; i < g_variant_n_children (list); i++) {
    g_autoptr (GVariant) child = g_variant_get_child_value (list, i);
    GValue item = G_VALUE_INIT;

    if (convert (child, name, &item))
      gst_value_array_append_and_take_value (value, &item);
  }
  return TRUE;
}

static gboolean
convert (GVariant *variant, const char *name, GValue *value)
{
  if (is_dictionary (variant)) {
    g_value_init (value, GST_TYPE_STRUCTURE);
    g_value_take_boxed (value, convert_dictionary (variant, name));
    return TRUE;
  }
  if (g_variant_is_of_type (variant, G_VARIANT_TYPE_ARRAY))
    return convert_list (variant, name, value);
  if (!g_variant_is_of_type (variant, G_VARIANT_TYPE_BASIC))
    return FALSE;
  g_dbus_gvariant_to_gvalue (variant, value);
  return TRUE;
}

GstStructure *
gst_bitnet_structure_from_variant (const char *name, GVariant *dictionary)
{
  if (dictionary == NULL || !is_dictionary (dictionary))
    return gst_structure_new_empty (name);
  return convert_dictionary (dictionary, name);
}
