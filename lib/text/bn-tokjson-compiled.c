/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables are found by what stands for the content of a file: the digest that a
 * hub has given it, or a note of the file on disk (bn-store.h). */
#include "bn-tokjson-compiled.h"

#include <string.h>

#define SOURCE_KIND "tokenizer.json"

enum {
  /* Smaller files have too few tokens. */
  MIN_FILE_SIZE = 1 << 17,
};

static void
digest_source (BnStore *store, const char *what, BnFidelity fidelity,
    const void *data, size_t size)
{
  BnDigester *digester = bn_store_begin_source (store);
  uint32_t number = (uint32_t) fidelity;

  bn_digester_add_string (digester, SOURCE_KIND);
  bn_digester_add_string (digester, what);
  bn_digester_update (digester, &number, sizeof number);
  bn_digester_update (digester, data, size);
  bn_store_end_source (store);
}

static BnFidelity
resolve_fidelity (BnFidelity fidelity)
{
  return fidelity == BN_FIDELITY_AUTO ? BN_FIDELITY_HUGGINGFACE : fidelity;
}

BnStore *
bn_tokjson_store_open (const BnFolder *folder, const char *name,
    BnFidelity fidelity, gboolean *is_known)
{
  g_autoptr (BnStore) store = NULL;
  g_autoptr (GByteArray) key = g_byte_array_new ();
  BnFileIdentity identity;
  uint32_t number;

  *is_known = FALSE;
  if (!g_str_has_suffix (name, ".json") || folder->identify == NULL
      || !folder->identify (folder, name, &identity)
      || identity.size < MIN_FILE_SIZE)
    return NULL;
  store = bn_store_open ();
  if (store == NULL)
    return NULL;

  fidelity = resolve_fidelity (fidelity);
  number = (uint32_t) fidelity;
  g_byte_array_append (
      key, (const guint8 *) SOURCE_KIND, (guint) strlen (SOURCE_KIND));
  g_byte_array_append (key, (const guint8 *) &number, sizeof number);
  g_byte_array_append (key, identity.bytes, (guint) identity.n_bytes);
  *is_known = bn_store_recall (store, key->data, key->len, identity.changed_ns);
  if (!*is_known && identity.is_content) {
    digest_source (store, "digest", fidelity, identity.bytes, identity.n_bytes);
    *is_known = TRUE;
  }
  return g_steal_pointer (&store);
}

void
bn_tokjson_store_digest (
    BnStore *store, const BnFile *file, BnFidelity fidelity)
{
  digest_source (
      store, "content", resolve_fidelity (fidelity), file->text, file->size);
}

/* Appends the document from *start up to a value, and other in its place. */
static void
replace (GString *out, BnJson value, size_t *start, const char *other)
{
  const char *text;
  size_t length;

  bn_json_get_raw (value, &text, &length);
  g_string_append_len (
      out, value.document->text + *start, (gssize) (value.offset - *start));
  g_string_append (out, other);
  *start = value.offset + length;
}

GString *
bn_tokjson_make_skeleton (const BnTokjsonModel *model)
{
  const BnJsonDocument *document = model->vocab.document;
  GString *out = g_string_new (NULL);
  size_t start = 0;

  if (model->vocab.offset < model->merges.offset) {
    replace (out, model->vocab, &start, "{}");
    replace (out, model->merges, &start, "[]");
  } else {
    replace (out, model->merges, &start, "[]");
    replace (out, model->vocab, &start, "{}");
  }
  g_string_append_len (
      out, document->text + start, (gssize) (document->size - start));
  return out;
}
