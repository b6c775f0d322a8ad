/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A folder: each file begins with a byte that chooses its name and ends with a
 * byte 0x1E. The folder and each file are opened. */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet-error.h"
#include "bitnet-tokenizer.h"
#include "fuzz.h"

enum { SEPARATOR = 0x1E };

static const char *const names[] = {"tokenizer.json", "tekken.json",
    "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "generation_config.json", "chat_template.jinja", "chat_template.json"};

static char *folder;

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

static void
ignore (const char *domain, GLogLevelFlags level, const char *message,
    gpointer user_data)
{
  check (!strpbrk (message, "\r\n") && g_utf8_validate (message, -1, NULL),
      "a warning is one line of text");
}

static void
remove_folder (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);

    g_remove (path);
  }
  g_rmdir (folder);
  g_clear_pointer (&folder, g_free);
}

static void
set_up (void)
{
  folder = g_dir_make_tmp ("bitnet-fuzz-XXXXXX", NULL);
  check (folder != NULL, "there is a folder");
  atexit (remove_folder);
  /* Files that cannot be read give warnings, which tests make fatal. */
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR);
  g_log_set_handler (
      "bitnet", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_INFO, ignore, NULL);
}

static void
open_path (const char *path)
{
  static const char text[] = "hello world  12345\n\n<tool>\xC3\xA9 <|eot_id|>";
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) tokenizer =
      bitnet_tokenizer_new_from_file (path, BITNET_FIDELITY_AUTO, NULL, &error);

  if (tokenizer == NULL) {
    check (
        error != NULL
            && (error->domain == BITNET_ERROR || error->domain == G_IO_ERROR),
        "a refusal has a reason");
    check (!strpbrk (error->message, "\r\n")
               && g_utf8_validate (error->message, -1, NULL),
        "a message is one line of text");
    return;
  }
  for (int flags = 0; flags < 4; flags++) {
    gsize n_ids;
    g_autofree guint32 *ids = bitnet_tokenizer_encode (tokenizer, text,
        sizeof text - 1, (BitnetEncodeFlags) flags, &n_ids, NULL);
    g_autofree char *decoded = ids ? bitnet_tokenizer_decode (tokenizer, ids,
                                   n_ids, BITNET_DECODE_SPECIAL, NULL, NULL)
                                   : NULL;

    check (ids == NULL || decoded != NULL, "what is encoded is decoded");
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  gboolean is_written[G_N_ELEMENTS (names)] = {FALSE};

  if (folder == NULL)
    set_up ();
  while (size > 0) {
    const uint8_t *end = memchr (data, SEPARATOR, size);
    size_t length = end ? (size_t) (end - data) : size;
    gsize which = data[0] % G_N_ELEMENTS (names);
    g_autofree char *path = g_build_filename (folder, names[which], NULL);

    if (length > 0) {
      g_file_set_contents_full (path, (const char *) data + 1,
          (gssize) length - 1, G_FILE_SET_CONTENTS_NONE, 0600, NULL);
      is_written[which] = TRUE;
    }
    data += end ? length + 1 : length;
    size -= end ? length + 1 : length;
  }
  open_path (folder);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);

    if (!is_written[i])
      continue;
    open_path (path);
    g_remove (path);
  }
  return 0;
}
