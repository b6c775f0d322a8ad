/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Offline nothing of the library opens a socket. This program has a socket()
 * of its own in front of the C library's, which counts; that it counts is
 * proven by a resolution that may use the network. */
#define _GNU_SOURCE /* RTLD_NEXT */

#include <dlfcn.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include "bitnet.h"
#include "resolve/bn-matrix.h"
#include "test-family.h"
#include "test-folder.h"
#include "test-hub.h"

#define ORIGIN "someone/model"

static int n_sockets; /* atomic */

/* In front of the one of the C library. */
__attribute__ ((visibility ("default"))) int
socket (int domain, int type, int protocol)
{
  static int (*real) (int, int, int);

  if (real == NULL)
    *(void **) &real = dlsym (RTLD_NEXT, "socket");
  if (domain == AF_INET || domain == AF_INET6)
    g_atomic_int_inc (&n_sockets);
  return real (domain, type, protocol);
}

typedef enum {
  FORBID_BY_PROPERTY,
  FORBID_BY_OWN_VARIABLE,
  FORBID_BY_HUB_VARIABLE,
  FORBID_BY_TRANSFORMERS_VARIABLE,
  FORBID_DOWNLOADS,
} Forbid;

static const struct {
  const char *name, *variable, *property;
  gboolean value;
} forbids[] = {
    {"property", NULL, "offline", TRUE},
    {"own-variable", "BITNET_OFFLINE", NULL, FALSE},
    {"hub-variable", "HF_HUB_OFFLINE", NULL, FALSE},
    {"transformers-variable", "TRANSFORMERS_OFFLINE", NULL, FALSE},
    {"downloads", NULL, "allow-download", FALSE},
};

static void
clear_variables (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (forbids); i++) {
    if (forbids[i].variable)
      g_unsetenv (forbids[i].variable);
  }
}

static void
publish (TestHub *hub, const BnFamily *family)
{
  const char *name;
  g_autoptr (GBytes) content = test_family_make_tokenizer (family, &name);

  test_hub_add_repo (hub, ORIGIN, TEST_HUB_COMMIT);
  test_hub_add_file (hub, ORIGIN, name, g_bytes_get_data (content, NULL),
      (gssize) g_bytes_get_size (content), TRUE);
}

static int
resolve (const char *path, const char *property, gboolean value)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  int before = g_atomic_int_get (&n_sockets);

  if (property)
    g_object_set (resolver, property, value, NULL);
  tokenizer =
      bitnet_resolver_resolve_reference (resolver, path, NULL, NULL, NULL);
  g_assert_nonnull (tokenizer); /* at last the backup */
  return g_atomic_int_get (&n_sockets) - before;
}

static int
pull (const char *variable)
{
  g_autoptr (BitnetHub) hub = bitnet_hub_new ();
  g_autoptr (GError) error = NULL;
  int before = g_atomic_int_get (&n_sockets);

  if (variable == NULL)
    g_object_set (hub, "offline", TRUE, NULL);
  g_assert_null (bitnet_hub_fetch_model (
      hub, "hf://" ORIGIN "/model.gguf", NULL, NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_OFFLINE);
  return g_atomic_int_get (&n_sockets) - before;
}

static void
test_offline (void)
{
  const BnFamily *family = bn_matrix_find (bn_matrix_get (), "llama-2");
  g_autoptr (TestHub) hub = test_hub_new (0);
  char *folder = test_folder_new ();
  g_autofree char *cache = g_build_filename (folder, "cache", NULL);
  g_autofree char *models = g_build_filename (folder, "m", NULL);
  g_autofree char *path = g_build_filename (models, "model.gguf", NULL);

  g_setenv ("HF_ENDPOINT", test_hub_get_endpoint (hub), TRUE);
  g_setenv ("HF_HUB_CACHE", cache, TRUE);
  g_setenv ("BITNET_TOKENIZER_CACHE", cache, TRUE);
  g_setenv ("BITNET_CACHE_DIR", cache, TRUE);
  publish (hub, family);
  g_mkdir_with_parents (models, 0700);
  test_family_write_model (family, path,
      &(TestFamilyModel){
          .name = "Model", .origin = "https://huggingface.co/" ORIGIN});
  for (gsize i = 0; i < G_N_ELEMENTS (forbids); i++) {
    clear_variables ();
    if (forbids[i].variable)
      g_setenv (forbids[i].variable, "1", TRUE);
    g_test_message ("%s", forbids[i].name);
    g_assert_cmpint (
        resolve (path, forbids[i].property, forbids[i].value), ==, 0);
    if (i != FORBID_DOWNLOADS)
      g_assert_cmpint (pull (forbids[i].variable), ==, 0);
  }
  g_assert_cmpuint (test_hub_count (hub, "*"), ==, 0);
  clear_variables ();
  g_assert_cmpint (resolve (path, NULL, FALSE), >, 0);
  /* What is here now needs none either. */
  g_assert_cmpint (resolve (path, "offline", TRUE), ==, 0);
  test_folder_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_unsetenv ("BITNET_STRICT_TOKENIZERS");
  g_test_add_func ("/resolver/C32/no-socket", test_offline);
  return g_test_run ();
}
