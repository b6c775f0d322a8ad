/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells the formats apart and reads the files that belong together. */
#include "bn-source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bitnet-error.h"

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

BnTokenizer *
bn_source_load (const char *path, BnFidelity fidelity,
    GCancellable *cancellable, GError **error)
{
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
      "%s: found no tokenizer, expected a GGUF file", path);
  return NULL;
}
