/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds the tokenizer of a model without blocking. Says what is tried and
 * fetched, looks on a shelf of the application first, ends with Ctrl-C.
 * usage: resolve MODEL.gguf [SHELF] */
#include <bitnet/bitnet.h>
#include <glib-unix.h>
#include <signal.h>

/* A strategy: a folder with NAME.json for the model of that name. */
#define SHELF_TYPE (shelf_get_type ())
G_DECLARE_FINAL_TYPE (Shelf, shelf, SHELF, SHELF, GObject)

struct _Shelf {
  GObject parent_instance;
  char *folder;
};

static const char *
shelf_get_name (BitnetStrategy *strategy)
{
  return "shelf";
}

static int
shelf_get_priority (BitnetStrategy *strategy)
{
  return 200; /* model-embedded has 100 */
}

/* In a thread of the resolver, which checks what is returned. */
static BitnetTokenizer *
shelf_try_resolve (BitnetStrategy *strategy, BitnetAttempt *attempt,
    GCancellable *cancellable, GError **error)
{
  Shelf *self = SHELF_SHELF (strategy);
  BitnetDiscovery *discovery = bitnet_attempt_get_discovery (attempt);
  g_autofree char *name =
      g_strdup_printf ("%s.json", bitnet_discovery_get_name (discovery));
  g_autofree char *path = g_build_filename (self->folder, name, NULL);

  bitnet_attempt_set_source (attempt, path);
  return bitnet_tokenizer_new_from_file (
      path, BITNET_FIDELITY_AUTO, cancellable, error);
}

static void
shelf_init_strategy (BitnetStrategyInterface *iface)
{
  iface->get_name = shelf_get_name;
  iface->get_priority = shelf_get_priority;
  iface->try_resolve = shelf_try_resolve;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (Shelf, shelf, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (BITNET_TYPE_STRATEGY, shelf_init_strategy))

static void
shelf_finalize (GObject *object)
{
  g_free (SHELF_SHELF (object)->folder);
  G_OBJECT_CLASS (shelf_parent_class)->finalize (object);
}

static void
shelf_class_init (ShelfClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = shelf_finalize;
}

static void
shelf_init (Shelf *self)
{
}

/* The program. */

static void
on_finished (BitnetResolver *resolver, const char *strategy, gboolean success,
    const GError *error, double duration_ms, gpointer user_data)
{
  g_print ("%s: %s (%.1f ms)\n", strategy, success ? "found" : error->message,
      duration_ms);
}

static void
on_warning (BitnetResolver *resolver, const char *code, const char *message,
    gpointer user_data)
{
  g_printerr ("warning: %s\n", message);
}

static void
on_progress (
    BitnetResolver *resolver, const BitnetProgress *progress, gpointer data)
{
  if (progress->phase == BITNET_PHASE_DOWNLOADING)
    g_print ("%s of %s: %" G_GUINT64_FORMAT " bytes\n", progress->file,
        progress->repository, progress->bytes_done);
}

static void
on_resolved (GObject *resolver, GAsyncResult *result, gpointer loop)
{
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) tokenizer =
      bitnet_resolver_resolve_reference_finish (
          BITNET_RESOLVER (resolver), result, &resolution, &error);
  const char *text;

  if (tokenizer && g_variant_lookup (resolution, "source", "&s", &text))
    g_print ("%u tokens from %s\n", bitnet_tokenizer_get_vocab_size (tokenizer),
        text);
  else if (resolution && g_variant_lookup (resolution, "text", "&s", &text))
    g_printerr ("%s\n", text); /* what was tried, and what to try */
  else
    g_printerr ("%s\n", error->message);
  g_main_loop_quit (loop);
}

static gboolean
on_interrupt (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_REMOVE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();

  g_object_set (resolver, "timeout", 60, NULL);
  if (argc > 2) {
    g_autoptr (Shelf) shelf = g_object_new (SHELF_TYPE, NULL);

    shelf->folder = g_strdup (argv[2]);
    bitnet_resolver_add_strategy (resolver, BITNET_STRATEGY (shelf));
  }
  g_signal_connect (
      resolver, "strategy-finished", G_CALLBACK (on_finished), NULL);
  g_signal_connect (resolver, "warning", G_CALLBACK (on_warning), NULL);
  g_signal_connect (resolver, "progress", G_CALLBACK (on_progress), NULL);
  g_unix_signal_add (SIGINT, on_interrupt, cancellable);
  bitnet_resolver_resolve_reference_async (resolver,
      argc > 1 ? argv[1] : "data/demo.gguf", G_PRIORITY_DEFAULT, cancellable,
      on_resolved, loop);
  g_main_loop_run (loop);
  return 0;
}
