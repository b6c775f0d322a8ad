/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool-engine.h"

#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet-tool.h"

#define PROGRESS_DELAY_US (300 * 1000) /* quick loads say nothing */

void
tool_engine_args_clear (ToolEngineArgs *self)
{
  g_clear_pointer (&self->model, g_free);
  g_clear_pointer (&self->device, g_free);
  g_clear_pointer (&self->repack, g_free);
  g_clear_pointer (&self->i2s_layout, g_free);
  g_clear_pointer (&self->cache_type, g_free);
  g_clear_pointer (&self->head, g_free);
}

BitnetModel *
tool_engine_open_model (
    const ToolEngineArgs *self, GCancellable *cancellable, GError **error)
{
  g_autofree char *path =
      self->model ? g_strdup (self->model) : tool_default_model ();

  return bitnet_model_new_from_file (path, cancellable, error);
}

/* The value of an enum type by its short name; fallback for NULL. */
static gboolean
parse_enum (GType type, const char *option, const char *text, int fallback,
    int *value, GError **error)
{
  g_autoptr (GEnumClass) values = g_type_class_ref (type);
  g_autoptr (GString) names = NULL;

  *value = fallback;
  if (text == NULL)
    return TRUE;
  const GEnumValue *found = g_enum_get_value_by_nick (values, text);
  if (found != NULL) {
    *value = found->value;
    return TRUE;
  }
  names = g_string_new (NULL);
  for (guint i = 0; i < values->n_values; i++)
    g_string_append_printf (
        names, "%s%s", i > 0 ? ", " : "", values->values[i].value_nick);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "%s is \"%s\", expected one of %s", option, text, names->str);
  return FALSE;
}

BitnetEngineOptions *
tool_engine_make_options (const ToolEngineArgs *self, GError **error)
{
  g_autoptr (BitnetEngineOptions) options = bitnet_engine_options_new ();
  int repack, layout, cache_type, head;

  if (!parse_enum (BITNET_TYPE_REPACK, "--repack", self->repack,
          BITNET_REPACK_AUTO, &repack, error)
      || !parse_enum (BITNET_TYPE_I2S_LAYOUT, "--i2s-layout", self->i2s_layout,
          BITNET_I2S_LAYOUT_A, &layout, error)
      || !parse_enum (BITNET_TYPE_CACHE_TYPE, "--cache-type", self->cache_type,
          BITNET_CACHE_TYPE_F16, &cache_type, error)
      || !parse_enum (BITNET_TYPE_HEAD, "--head", self->head, BITNET_HEAD_AUTO,
          &head, error))
    return NULL;
  options->device = g_strdup (self->device);
  options->repack = (BitnetRepack) repack;
  options->i2s_layout = (BitnetI2sLayout) layout;
  options->cache_type = (BitnetCacheType) cache_type;
  options->head = (BitnetHead) head;
  return g_steal_pointer (&options);
}

static void
show_progress (guint64 done, guint64 total, gpointer started_us)
{
  if (g_get_monotonic_time () - *(gint64 *) started_us > PROGRESS_DELAY_US)
    tool_progress (done, total, (gpointer) "Loading");
}

gboolean
tool_engine_load (
    BitnetEngine *engine, GCancellable *cancellable, GError **error)
{
  gint64 started_us = g_get_monotonic_time ();
  gboolean is_loaded = bitnet_engine_load (
      engine, show_progress, &started_us, cancellable, error);

  tool_progress_end ();
  return is_loaded;
}

/* ---- Ctrl-C ---- */

static gboolean
on_signal (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_REMOVE; /* the next one has its usual effect */
}

static gpointer
run_signals (gpointer context)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (context, FALSE);

  g_main_loop_run (loop);
  return NULL;
}

GCancellable *
tool_watch_interrupt (void)
{
  static const int signals[] = {SIGINT, SIGTERM};
  /* Both live as long as the program. */
  GMainContext *context = g_main_context_new ();
  GCancellable *cancellable = g_cancellable_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (signals); i++) {
    g_autoptr (GSource) source = g_unix_signal_source_new (signals[i]);
    g_source_set_callback (
        source, on_signal, g_object_ref (cancellable), g_object_unref);
    g_source_attach (source, context);
  }
  g_thread_unref (g_thread_new ("signals", run_signals, context));
  return cancellable;
}

int
tool_engine_fail (const char *command, const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return EXIT_INTERRUPTED;
  return tool_fail (command, "%s", error->message);
}
