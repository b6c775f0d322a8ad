/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of repositories, revisions and files, and the addresses and short
 * forms that users write them in. Pure. What passes these checks can become
 * part of an address or of a path without more care. */
#include "bn-hub-names.h"

#include <gio/gio.h>
#include <string.h>

#include "bitnet-error.h"

enum {
  MAX_PART = 96,       /* characters of an owner's or a repository's name */
  MAX_REVISION = 255,  /* bytes */
  MAX_FILE_NAME = 512, /* bytes */
  MAX_SEGMENT = 255,   /* bytes */
  MAX_ETAG = 128,      /* characters */
  MAX_QUANT = 64,      /* characters */
  COMMIT_SIZE = 40,
  MIN_PRINTABLE = 0x20,
  DELETE = 0x7f,
};

#define HF_SCHEME "hf://"
#define DEFAULT_HOST "huggingface.co"
#define SHORT_HOST "hf.co"

static gboolean
is_word (char c)
{
  return g_ascii_isalnum (c) || c == '_';
}

/* One of owner and name. */
static gboolean
is_part (const char *text, gsize length)
{
  if (length == 0 || length > MAX_PART)
    return FALSE;
  if (!is_word (text[0]) || !is_word (text[length - 1]))
    return FALSE;
  for (gsize i = 0; i < length; i++) {
    if (!is_word (text[i]) && text[i] != '-' && text[i] != '.')
      return FALSE;
  }
  return TRUE;
}

gboolean
bn_hub_is_repository (const char *name)
{
  const char *slash;

  if (!name || strstr (name, "--") || strstr (name, "..")
      || g_str_has_suffix (name, ".git"))
    return FALSE;
  slash = strchr (name, '/');
  if (!slash)
    return is_part (name, strlen (name));
  return is_part (name, (gsize) (slash - name))
         && is_part (slash + 1, strlen (slash + 1));
}

gboolean
bn_hub_is_commit (const char *name)
{
  gsize length = name ? strlen (name) : 0;

  if (length != COMMIT_SIZE)
    return FALSE;
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isxdigit (name[i]))
      return FALSE;
  }
  return TRUE;
}

static gboolean
has_control (const char *text)
{
  for (; *text; text++) {
    if ((guchar) *text < MIN_PRINTABLE || *text == DELETE)
      return TRUE;
  }
  return FALSE;
}

/* Whether every segment between slashes is a name that may lie in a folder. */
static gboolean
has_safe_segments (const char *text)
{
  while (TRUE) {
    gsize length = strcspn (text, "/");

    if (length == 0 || length > MAX_SEGMENT)
      return FALSE;
    if (text[0] == '.' && (length == 1 || (length == 2 && text[1] == '.')))
      return FALSE;
    if (text[length] == '\0')
      return TRUE;
    text += length + 1;
  }
}

/* What git allows of a branch or tag, narrowly. */
gboolean
bn_hub_is_revision (const char *name)
{
  if (!name || strlen (name) > MAX_REVISION || !g_utf8_validate (name, -1, NULL)
      || has_control (name) || strpbrk (name, " ~^:?*[\\\"<>|")
      || strstr (name, "..") || strstr (name, "@{") || name[0] == '-')
    return FALSE;
  return has_safe_segments (name);
}

gboolean
bn_hub_is_file_name (const char *name)
{
  if (!name || name[0] == '\0' || strlen (name) > MAX_FILE_NAME
      || !g_utf8_validate (name, -1, NULL) || has_control (name)
      || strchr (name, '\\'))
    return FALSE;
  if (g_ascii_isalpha (name[0]) && name[1] == ':')
    return FALSE;
  return has_safe_segments (name);
}

gboolean
bn_hub_is_safe_etag (const char *etag)
{
  if (!etag || etag[0] == '.' || etag[0] == '\0' || strlen (etag) > MAX_ETAG)
    return FALSE;
  for (; *etag; etag++) {
    if (!is_word (*etag) && *etag != '-' && *etag != '.')
      return FALSE;
  }
  return TRUE;
}

/* owner/name at the beginning of a path; NULL if there is none. */
static char *
parse_path (const char *path)
{
  g_auto (GStrv) parts = NULL;
  g_autofree char *repository = NULL;

  while (*path == '/')
    path++;
  parts = g_strsplit_set (path, "/?#", 4);
  if (g_strv_length (parts) < 2)
    return NULL;
  repository = g_strdup_printf ("%s/%s", parts[0], parts[1]);
  /* Pages of the hub itself. */
  if (!bn_hub_is_repository (repository) || g_str_equal (parts[0], "datasets")
      || g_str_equal (parts[0], "spaces") || g_str_equal (parts[0], "api")
      || g_str_equal (parts[0], "docs") || g_str_equal (parts[0], "blog"))
    return NULL;
  return g_steal_pointer (&repository);
}

static gboolean
is_host (const char *host, const char *endpoint)
{
  static const char *const hosts[] = {
      DEFAULT_HOST, ("www." DEFAULT_HOST), SHORT_HOST};
  g_autoptr (GUri) uri =
      endpoint ? g_uri_parse (endpoint, G_URI_FLAGS_NONE, NULL) : NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++) {
    if (g_ascii_strcasecmp (host, hosts[i]) == 0)
      return TRUE;
  }
  return uri && g_uri_get_host (uri)
         && g_ascii_strcasecmp (host, g_uri_get_host (uri)) == 0;
}

char *
bn_hub_parse_url (const char *url, const char *endpoint)
{
  g_autoptr (GUri) uri = NULL;

  if (!url)
    return NULL;
  uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, NULL);
  if (!uri || !g_uri_get_host (uri)
      || (!g_str_equal (g_uri_get_scheme (uri), "https")
          && !g_str_equal (g_uri_get_scheme (uri), "http")))
    return NULL;
  return is_host (g_uri_get_host (uri), endpoint)
             ? parse_path (g_uri_get_path (uri))
             : NULL;
}

void
bn_hub_reference_clear (BnHubReference *self)
{
  g_clear_pointer (&self->repository, g_free);
  g_clear_pointer (&self->revision, g_free);
  g_clear_pointer (&self->file, g_free);
  g_clear_pointer (&self->quant, g_free);
}

/* What follows "hf.co/" and the like; NULL if text is no such reference. */
static const char *
skip_host (const char *text)
{
  static const char *const hosts[] = {
      DEFAULT_HOST "/", "www." DEFAULT_HOST "/", SHORT_HOST "/"};

  if (g_ascii_strncasecmp (text, "https://", strlen ("https://")) == 0)
    text += strlen ("https://");
  for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++) {
    gsize length = strlen (hosts[i]);

    if (g_ascii_strncasecmp (text, hosts[i], length) == 0)
      return text + length;
  }
  return NULL;
}

/* Splits off what follows the last separator, if there is one. */
static char *
split_off (char *text, char separator)
{
  char *at = strrchr (text, separator);

  if (!at)
    return NULL;
  *at = '\0';
  return g_strdup (at + 1);
}

/* The rest of a page's address: /tree/REV, /blob/REV/FILE, /resolve/REV/FILE
 * or a file at once. */
static void
parse_rest (BnHubReference *self, const char *rest)
{
  static const char *const pages[] = {"tree/", "blob/", "resolve/"};

  for (gsize i = 0; i < G_N_ELEMENTS (pages); i++) {
    if (g_str_has_prefix (rest, pages[i])) {
      g_auto (GStrv) parts = g_strsplit (rest + strlen (pages[i]), "/", 2);

      g_free (self->revision);
      self->revision = parts[0] ? g_uri_unescape_string (parts[0], NULL) : NULL;
      if (parts[0] && parts[1] && parts[1][0] && i > 0)
        self->file = g_strdup (parts[1]);
      return;
    }
  }
  if (rest[0] != '\0')
    self->file = g_strdup (rest);
}

static gboolean
is_quant (const char *text)
{
  return bn_hub_is_safe_etag (text) && strlen (text) <= MAX_QUANT;
}

static gboolean
is_reference (const BnHubReference *self)
{
  return strchr (self->repository, '/')
         && bn_hub_is_repository (self->repository)
         && (!self->revision || bn_hub_is_revision (self->revision))
         && (!self->file || bn_hub_is_file_name (self->file))
         && (!self->quant || is_quant (self->quant));
}

/* owner/name[@rev][/file][:quant]: an @ belongs to the part before the file,
 * unless the revision has slashes, which then are written %2F. */
static void
parse_name (BnHubReference *self, const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "/", 3);
  g_autofree char *name = NULL;
  guint n_parts = g_strv_length (parts);

  if (n_parts < 2) {
    self->repository = g_strdup (text);
    return;
  }
  if (n_parts < 3)
    self->quant = split_off (parts[1], ':');
  {
    g_autofree char *revision = split_off (parts[1], '@');

    if (revision)
      self->revision = g_uri_unescape_string (revision, NULL);
    if (revision && !self->revision)
      self->revision = g_strdup (""); /* a broken escape is no revision */
  }
  self->repository = g_strdup_printf ("%s/%s", parts[0], parts[1]);
  if (n_parts == 3) {
    char *query = strpbrk (parts[2], "?#");

    if (query)
      *query = '\0';
    parse_rest (self, parts[2]);
  }
  /* A quantization may be a file's name (Ollama). */
  if (self->quant && !self->file && g_str_has_suffix (self->quant, ".gguf"))
    self->file = g_steal_pointer (&self->quant);
}

gboolean
bn_hub_reference_parse (BnHubReference *self, const char *text, GError **error)
{
  const char *rest;

  memset (self, 0, sizeof *self);
  if (g_ascii_strncasecmp (text, HF_SCHEME, strlen (HF_SCHEME)) == 0)
    rest = text + strlen (HF_SCHEME);
  else
    rest = skip_host (text);
  parse_name (self, rest ? rest : text);
  if (is_reference (self))
    return TRUE;
  bn_hub_reference_clear (self);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "\"%.200s\" names no repository, expected owner/name, "
      "owner/name:QUANTIZATION or hf://owner/name[@revision]/file",
      text);
  return FALSE;
}

/* "model.gguf", "tokenizer.json": nobody calls a repository so. */
static gboolean
has_file_ending (const char *text)
{
  static const char *const endings[] = {
      ".gguf", ".json", ".model", ".txt", ".tiktoken"};

  for (gsize i = 0; i < G_N_ELEMENTS (endings); i++) {
    if (g_str_has_suffix (text, endings[i]))
      return TRUE;
  }
  return FALSE;
}

gboolean
bn_hub_is_reference (const char *text)
{
  g_auto (BnHubReference) reference = {.repository = NULL};

  if (!bn_hub_reference_parse (&reference, text, NULL))
    return FALSE;
  if (g_ascii_strncasecmp (text, HF_SCHEME, strlen (HF_SCHEME)) == 0
      || skip_host (text))
    return TRUE;
  return strchr ("./~", text[0]) == NULL && reference.file == NULL
         && !has_file_ending (reference.repository);
}
