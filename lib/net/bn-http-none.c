/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transport of a build without libsoup: there is none. */
#include "bn-http.h"

#include "bitnet-error.h"

struct BnHttp {
  gatomicrefcount ref_count;
};

gboolean
bn_http_is_available (void)
{
  return FALSE;
}

BnHttp *
bn_http_new (void)
{
  BnHttp *self = g_new0 (BnHttp, 1);

  g_atomic_ref_count_init (&self->ref_count);
  return self;
}

BnHttp *
bn_http_ref (BnHttp *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bn_http_unref (BnHttp *self)
{
  if (g_atomic_ref_count_dec (&self->ref_count))
    g_free (self);
}

gboolean
bn_http_is_running (BnHttp *self)
{
  return FALSE;
}

guint64
bn_http_get_n_connections (BnHttp *self)
{
  return 0;
}

gboolean
bn_http_begin_file (
    BnHttp *self, gint64 deadline, GCancellable *cancellable, GError **error)
{
  return TRUE;
}

void
bn_http_end_file (BnHttp *self)
{
}

BnHttpResponse *
bn_http_send (BnHttp *self, const BnHttpRequest *request,
    GCancellable *cancellable, GError **error)
{
  g_set_error_literal (error, BITNET_ERROR, BITNET_ERROR_DOWNLOAD_DISABLED,
      "this build has no network (it was made without libsoup)");
  return NULL;
}

void
bn_http_response_free (BnHttpResponse *self)
{
}

guint
bn_http_response_get_status (const BnHttpResponse *self)
{
  return 0;
}

GHashTable *
bn_http_response_get_headers (const BnHttpResponse *self)
{
  return NULL;
}

GBytes *
bn_http_response_read (
    BnHttpResponse *self, GCancellable *cancellable, GError **error)
{
  return NULL;
}
