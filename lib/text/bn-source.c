/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells the formats apart and reads the files that belong together. */
#include "bn-source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bitnet-error.h"
#include "bn-sentencepiece.h"
#include "bn-tokjson.h"

gboolean
bn_source_is_gguf (const char *path, gboolean *is_gguf, GError **error)
{
  char magic[4];
  ssize_t n_read;
  int file = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

  if (file < 0) {
    int code = errno;

    g_set_error (error, G_IO_ERROR, (gint) g_io_error_from_errno (code),
        "%s: cannot be opened: %s", path, g_strerror (code));
    return FALSE;
  }
  n_read = read (file, magic, sizeof magic);
  close (file);
  *is_gguf = n_read == (ssize_t) sizeof magic && memcmp (magic, "GGUF", 4) == 0;
  return TRUE;
}

/* The file that counts in a folder. */
static char *
choose_file (const char *path)
{
  return g_file_test (path, G_FILE_TEST_IS_DIR)
             ? g_build_filename (path, "tokenizer.json", NULL)
             : g_strdup (path);
}

static gboolean
is_json_object (const char *text, size_t size)
{
  size_t i = 0;

  while (i < size && g_ascii_isspace (text[i]))
    i++;
  return i < size && text[i] == '{';
}

BnTokenizer *
bn_source_load (const char *path, BnFidelity fidelity,
    GCancellable *cancellable, GError **error)
{
  g_autofree char *chosen = choose_file (path);
  g_autoptr (GError) local = NULL;
  g_autoptr (GMappedFile) file = g_mapped_file_new (chosen, FALSE, &local);
  BnJsonDocument document = {.path = chosen};
  BnFile model = {.path = chosen};
  BnJson root;

  if (file == NULL) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", local->message);
    return NULL;
  }
  document.text = g_mapped_file_get_contents (file);
  document.size = g_mapped_file_get_length (file);
  model.text = document.text;
  model.size = document.size;
  if (is_json_object (document.text, document.size))
    return bn_json_open (&document, &root, error)
               ? bn_tokjson_read (root, fidelity, cancellable, error)
               : NULL;
  if (bn_sentencepiece_is_model (&model)) {
    const BnSentencepieceOptions options = {
        .fidelity = fidelity, .add_bos = -1, .add_eos = -1};

    return bn_sentencepiece_load (&model, &options, cancellable, error);
  }
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
      "%s: found no tokenizer, expected a GGUF file, tokenizer.json or a "
      "SentencePiece model",
      path);
  return NULL;
}
