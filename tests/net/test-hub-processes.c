/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Downloads by other processes: many at once make one, and one that is killed
 * at any point leaves what the next one continues, and nothing else. The
 * program runs itself as the others ("--worker"). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub-fixture.h"

enum {
  SIZE = 4000 * 1000, /* more than all processes together get */
  N_KILLS = 40,
  N_PROCESSES = 6,
};

static char *self_path;

/* The other process: fetches, and says a byte for each event. */

static void
say_event (const BitnetProgress *progress, gpointer user_data)
{
  const char *bytes = progress->phase == BITNET_PHASE_DOWNLOADING ? "d"
                      : progress->phase == BITNET_PHASE_VERIFYING ? "v"
                                                                  : "q";

  if (write (STDOUT_FILENO, bytes, 1) != 1)
    exit (EXIT_FAILURE);
}

static int
run_worker (const char *endpoint, const char *folder, const char *what)
{
  g_auto (BnHubOptions) options = {0};
  g_autoptr (BnDiskCache) cache = bn_disk_cache_open (folder, NULL);
  g_autoptr (BnHubClient) client = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  g_autoptr (BnManifest) manifest = NULL;

  bn_hub_options_init (&options);
  g_free (options.endpoint);
  options.endpoint = g_strdup (endpoint);
  options.offline = FALSE;
  client = bn_hub_client_new (&options, cache, &error);
  g_assert_no_error (error);
  if (g_str_equal (what, "file"))
    path = bn_hub_client_fetch_file (
        client, REPO, NULL, "m.gguf", NULL, say_event, NULL, NULL, &error);
  else
    manifest = bn_hub_client_fetch_tokenizer (
        client, REPO, NULL, NULL, say_event, NULL, NULL, &error);
  if (error)
    g_printerr ("%s\n", error->message);
  return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

static GSubprocess *
spawn (HubFixture *self, const char *what)
{
  g_autoptr (GError) error = NULL;
  GSubprocess *process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, self_path,
          "--worker", self->options.endpoint, self->folder, what, NULL);

  g_assert_no_error (error);
  return process;
}

static void
assert_file (HubFixture *self, const char *path)
{
  g_autoptr (GBytes) expected = hub_make_noise (SIZE, g_str_hash ("m.gguf"));
  g_autofree char *contents = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  g_assert_cmpmem (contents, size, g_bytes_get_data (expected, NULL), SIZE);
}

/* What of the file is in tmp/; never more than one. */
static gint64
get_part_size (HubFixture *self)
{
  g_autofree char *tmp = g_build_filename (self->folder, "v1", "tmp", NULL);
  g_autoptr (GDir) dir = g_dir_open (tmp, 0, NULL);
  const char *name;
  gint64 size = -1;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (tmp, name, NULL);
    g_autoptr (GFile) file = g_file_new_for_path (path);
    g_autoptr (GFileInfo) info =
        g_file_query_info (file, G_FILE_ATTRIBUTE_STANDARD_SIZE, 0, NULL, NULL);

    if (!g_str_has_suffix (name, ".part"))
      continue;
    g_assert_cmpint (size, ==, -1);
    size = g_file_info_get_size (info);
  }
  return size;
}

static guint64
sum_ranges (HubFixture *self)
{
  g_auto (GStrv) log = test_hub_dup_log (self->hub);
  guint64 sum = 0;

  for (gsize i = 0; log[i]; i++) {
    const char *range = strstr (log[i], "range=");

    if (range)
      sum += g_ascii_strtoull (range + strlen ("range="), NULL, 10);
  }
  return sum;
}

static void
test_kill (HubFixture *self, gconstpointer data)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  hub_add_noise (self, "m.gguf", SIZE);
  for (guint i = 0; i < N_KILLS; i++) {
    g_autoptr (GSubprocess) process = NULL;
    /* The body stops somewhere, so that there is something to kill. */
    gsize stop = (gsize) g_rand_int_range (rand, 0, 60000);
    char events[4];
    gsize n_events = (gsize) g_rand_int_range (rand, 1, sizeof events);
    gint64 size;

    test_hub_clear_faults (self->hub);
    test_hub_add_fault (self->hub,
        &(TestFault){
            .path = "storage *", .flags = TEST_FAULT_STALL, .bytes = stop});
    process = spawn (self, "file");
    g_input_stream_read_all (g_subprocess_get_stdout_pipe (process), events,
        n_events > 2 ? 2 : n_events, NULL, NULL, NULL);
    g_usleep ((gulong) g_rand_int_range (rand, 0, 3000));
    g_subprocess_force_exit (process);
    g_subprocess_wait (process, NULL, NULL);
    size = get_part_size (self);
    g_assert_cmpint (size, <=, SIZE);
    g_assert_null (bn_disk_cache_lookup (
        self->cache, self->options.endpoint, REPO, "main"));
  }
  g_test_message ("%" G_GINT64_FORMAT " bytes are there", get_part_size (self));
  g_assert_cmpint (get_part_size (self), >, 0);
  g_assert_cmpuint (sum_ranges (self), >, 0); /* they were continued */
  test_hub_clear_faults (self->hub);
  path = hub_fetch_file (self, "m.gguf", &error);
  g_assert_no_error (error);
  assert_file (self, path);
  g_assert_cmpuint (hub_count_leftovers (self, ""), ==, 0);
}

static void
test_processes (HubFixture *self, gconstpointer data)
{
  GSubprocess *processes[N_PROCESSES];
  g_autoptr (BnManifest) manifest = NULL;
  g_autoptr (GError) error = NULL;

  hub_add_usual (self);
  test_hub_add_fault (self->hub, &(TestFault){.delay_ms = 20});
  for (guint i = 0; i < N_PROCESSES; i++)
    processes[i] = spawn (self, "tokenizer");
  for (guint i = 0; i < N_PROCESSES; i++) {
    g_assert_true (g_subprocess_wait_check (processes[i], NULL, &error));
    g_assert_no_error (error);
    g_object_unref (processes[i]);
  }
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 5);
  manifest = hub_fetch (self, NULL, &error);
  g_assert_no_error (error);
  hub_assert_content (self, manifest, "tokenizer.json");
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 5);
}

int
main (int argc, char **argv)
{
  if (argc == 5 && g_str_equal (argv[1], "--worker"))
    return run_worker (argv[2], argv[3], argv[4]);
  self_path = argv[0];
  hub_fixture_init (&argc, &argv);
  hub_add_test ("/hub-processes/C21/kill", test_kill);
  hub_add_test ("/hub-processes/processes", test_processes);
  return g_test_run ();
}
