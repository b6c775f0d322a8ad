/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names on a hub, from users and from answers: all of them untrusted. */
#pragma once

#include <glib.h>

/* hub-and-cache.md sections 1 and 8. */
gboolean bn_hub_is_repository (const char *name);
gboolean bn_hub_is_revision (const char *name);
gboolean bn_hub_is_commit (const char *name); /* 40 hexadecimal digits */
gboolean bn_hub_is_file_name (const char *name);
gboolean bn_hub_is_safe_etag (const char *etag);

/* owner/name of an address of the public hub, of endpoint or "hf.co"
 * ("https://huggingface.co/owner/name/tree/main"), NULL if it is none. */
char *bn_hub_parse_url (const char *url, const char *endpoint);

/* What a user calls a model: bitnet_hub_fetch_model() lists the forms. */
typedef struct {
  char *repository;
  char *revision; /* NULL: not said */
  char *file;     /* NULL: quant or default decides */
  char *quant;    /* NULL: not said */
} BnHubReference;

void bn_hub_reference_clear (BnHubReference *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnHubReference, bn_hub_reference_clear)
/* FALSE with BITNET_ERROR_INVALID_ARGUMENT. */
gboolean bn_hub_reference_parse (
    BnHubReference *self, const char *text, GError **error);

/* Tells such references from paths by how they look: without hf:// or the
 * hub's name in front, only owner/name[@revision][:quant] whose end is not that
 * of a file. Whether there is such a path is for the caller to see. */
gboolean bn_hub_is_reference (const char *text);
