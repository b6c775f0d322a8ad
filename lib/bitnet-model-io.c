/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetModel: going through all bytes of the files, in pieces small enough
 * to stop within milliseconds even on a slow disk. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bitnet-error.h"
#include "bitnet-model.h"
#include "bitnet-private.h"
#include "gguf/bn-gguf.h"

enum {
  PIECE_SIZE = 256 << 10,
  WINDOW_SIZE = 16 << 20, /* asked of the kernel in front of the reading */
  PROGRESS_INTERVAL_US = 100 * 1000,
  SHA256_DIGITS = 64,
};

/* Handles one piece. */
typedef gboolean (*PieceFunc) (
    const guint8 *data, gsize size, gpointer state, GError **error);

typedef struct {
  BitnetProgressFunc func;
  gpointer data;
  guint64 done;
  guint64 total;
  gint64 reported_at_us;
} Progress;

static void
report (Progress *progress)
{
  gint64 now = g_get_monotonic_time ();

  if (!progress->func
      || (progress->done < progress->total
          && now - progress->reported_at_us < PROGRESS_INTERVAL_US))
    return;
  progress->reported_at_us = now;
  progress->func (progress->done, progress->total, progress->data);
}

static gboolean
walk_file (GBytes *bytes, PieceFunc func, gpointer state, Progress *progress,
    GCancellable *cancellable, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  for (gsize pos = 0; pos < size;) {
    gsize n = MIN (size - pos, PIECE_SIZE);

    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    /* Advice only: it does not matter if it fails. */
    if (pos % WINDOW_SIZE == 0)
      madvise ((void *) (data + pos), MIN (size - pos, 2 * WINDOW_SIZE),
          MADV_WILLNEED);
    if (!func (data + pos, n, state, error))
      return FALSE;
    pos += n;
    progress->done += n;
    report (progress);
  }
  return TRUE;
}

static gboolean
walk_model (BitnetModel *self, PieceFunc func, gpointer state,
    BitnetProgressFunc progress_func, gpointer progress_data,
    GCancellable *cancellable, GError **error)
{
  BnGguf *gguf = bitnet_model_get_gguf (self);
  Progress progress = {.func = progress_func,
      .data = progress_data,
      .total = bitnet_model_get_file_size (self),
      .reported_at_us = g_get_monotonic_time ()};

  for (uint32_t i = 0; i < bn_gguf_get_n_files (gguf); i++) {
    if (!walk_file (bn_gguf_get_file_bytes (gguf, i), func, state, &progress,
            cancellable, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
touch_piece (const guint8 *data, gsize size, gpointer state, GError **error)
{
  const volatile guint8 *bytes = data;
  gsize page_size = *(const gsize *) state;

  for (gsize i = 0; i < size; i += page_size)
    (void) bytes[i];
  return TRUE;
}

static gboolean
lock_piece (const guint8 *data, gsize size, gpointer state, GError **error)
{
  guint64 *locked = state;

  if (mlock (data, size) != 0) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "cannot lock more than %" G_GUINT64_FORMAT
        " bytes in memory: %s; RLIMIT_MEMLOCK may be too low",
        *locked, g_strerror (errno));
    return FALSE;
  }
  *locked += size;
  return TRUE;
}

/* Undoes lock_piece() for the first n bytes of the model. */
static void
unlock_bytes (BitnetModel *self, guint64 n)
{
  BnGguf *gguf = bitnet_model_get_gguf (self);

  for (uint32_t i = 0; i < bn_gguf_get_n_files (gguf) && n > 0; i++) {
    gsize size;
    gconstpointer data =
        g_bytes_get_data (bn_gguf_get_file_bytes (gguf, i), &size);

    size = (gsize) MIN (size, n);
    munlock (data, size);
    n -= size;
  }
}

gboolean
bitnet_model_read_ahead (BitnetModel *self, gboolean lock,
    BitnetProgressFunc progress, gpointer progress_data,
    GCancellable *cancellable, GError **error)
{
  gsize page_size = (gsize) sysconf (_SC_PAGESIZE);
  guint64 locked = 0;

  g_return_val_if_fail (BITNET_IS_MODEL (self), FALSE);
  g_return_val_if_fail (!error || !*error, FALSE);

  if (!lock)
    return walk_model (self, touch_piece, &page_size, progress, progress_data,
        cancellable, error);
  if (walk_model (self, lock_piece, &locked, progress, progress_data,
          cancellable, error))
    return TRUE;
  unlock_bytes (self, locked);
  if (error && (*error)->domain == BITNET_ERROR)
    g_prefix_error (error, "%s: ", bitnet_model_get_path (self));
  return FALSE;
}

static gboolean
digest_piece (const guint8 *data, gsize size, gpointer state, GError **error)
{
  g_checksum_update (state, data, (gssize) size);
  return TRUE;
}

gboolean
bitnet_model_verify_sha256 (BitnetModel *self, const char *sha256,
    BitnetProgressFunc progress, gpointer progress_data,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  const char *found;

  g_return_val_if_fail (BITNET_IS_MODEL (self), FALSE);
  g_return_val_if_fail (sha256 != NULL, FALSE);
  g_return_val_if_fail (!error || !*error, FALSE);

  if (strlen (sha256) != SHA256_DIGITS
      || strspn (sha256, "0123456789abcdefABCDEF") != SHA256_DIGITS) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "found \"%s\", expected a SHA-256 of 64 hexadecimal digits", sha256);
    return FALSE;
  }
  if (!walk_model (self, digest_piece, checksum, progress, progress_data,
          cancellable, error))
    return FALSE;
  found = g_checksum_get_string (checksum);
  if (g_ascii_strcasecmp (found, sha256) != 0) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_DIGEST,
        "%s: found SHA-256 %s, expected %s", bitnet_model_get_path (self),
        found, sha256);
    return FALSE;
  }
  return TRUE;
}
