/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the lines, in which Python's literals of str and bytes stand. Ids that
 * no line has are unused; id 0 is the end of a text. */
#include "bn-rwkvtxt.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-rwkv.h"

#define END_OF_TEXT "<s>"
#define MAX_TEXT_SIZE (1 << 30)

enum {
  CANCEL_INTERVAL = 4096, /* lines between two looks */
  MAX_ID = 1 << 20,       /* ours: 65,536 */
  MAX_ID_DIGITS = 7,
};

typedef struct {
  uint32_t id;
  GString *piece; /* belongs to the reader */
} Line;

/* A number in decimal digits; moves *p behind it. */
static gboolean
read_number (const char **p, const char *end, uint32_t *number)
{
  const char *start = *p;

  *number = 0;
  while (*p < end && g_ascii_isdigit (**p) && *p - start < MAX_ID_DIGITS)
    *number = *number * 10 + (uint32_t) (*(*p)++ - '0');
  return *p > start && (*p == end || !g_ascii_isdigit (**p));
}

/* So many hexadecimal digits. */
static gboolean
read_hex (const char **p, const char *end, int n_digits, uint32_t *number)
{
  *number = 0;
  for (int i = 0; i < n_digits; i++) {
    if (*p == end || !g_ascii_isxdigit (**p))
      return FALSE;
    *number = *number << 4 | (uint32_t) g_ascii_xdigit_value (*(*p)++);
  }
  return TRUE;
}

/* What stands behind a backslash. */
static gboolean
read_escape (const char **p, const char *end, gboolean is_bytes, GString *piece)
{
  static const char names[] = "tnr\\'\"", characters[] = "\t\n\r\\'\"";
  const char *name;
  uint32_t number;
  uint8_t utf8[4];
  char kind;

  if (*p == end)
    return FALSE;
  kind = *(*p)++;
  name = kind ? strchr (names, kind) : NULL;
  if (name) {
    g_string_append_c (piece, characters[name - names]);
    return TRUE;
  }
  if (kind == 'x' && read_hex (p, end, 2, &number)) {
    if (is_bytes)
      g_string_append_c (piece, (char) number);
    else
      g_string_append_len (
          piece, (const char *) utf8, bn_utf8_encode (number, utf8));
    return TRUE;
  }
  if (is_bytes || !(kind == 'u' || kind == 'U')
      || !read_hex (p, end, kind == 'u' ? 4 : 8, &number) || number > 0x10FFFF
      || (number >= 0xD800 && number < 0xE000))
    return FALSE;
  g_string_append_len (
      piece, (const char *) utf8, bn_utf8_encode (number, utf8));
  return TRUE;
}

static gboolean
read_literal (const char **p, const char *end, GString *piece)
{
  gboolean is_bytes = *p < end && **p == 'b';
  char quote;

  g_string_truncate (piece, 0);
  *p += is_bytes;
  if (*p == end || (**p != '\'' && **p != '"'))
    return FALSE;
  quote = *(*p)++;
  while (*p < end && **p != quote) {
    char c = *(*p)++;

    if (c != '\\')
      g_string_append_c (piece, c);
    else if (!read_escape (p, end, is_bytes, piece))
      return FALSE;
  }
  return *p < end && *(*p)++ == quote;
}

static gboolean
read_line (const char *p, const char *end, Line *line)
{
  uint32_t length;

  return read_number (&p, end, &line->id) && line->id < MAX_ID && p < end
         && *p++ == ' ' && read_literal (&p, end, line->piece) && p < end
         && *p++ == ' ' && read_number (&p, end, &length) && p == end
         && length == line->piece->len && length > 0;
}

/* The next line without its end; FALSE if there is none. */
static gboolean
next_line (
    const char **p, const char *end, const char **start, const char **stop)
{
  const char *newline;

  if (*p == end)
    return FALSE;
  *start = *p;
  newline = memchr (*p, '\n', (size_t) (end - *p));
  *stop = newline ? newline : end;
  *p = newline ? newline + 1 : end;
  if (*stop > *start && (*stop)[-1] == '\r')
    (*stop)--;
  return TRUE;
}

gboolean
bn_rwkvtxt_is_vocabulary (const BnFile *file)
{
  g_autoptr (GString) piece = g_string_new (NULL);
  const char *p = file->text, *start, *stop;
  Line line = {0, piece};

  return next_line (&p, file->text + file->size, &start, &stop)
         && read_line (start, stop, &line);
}

/* The spelling that BN_SPELLING_ESCAPED has. */
static void
append_escaped (GString *out, const GString *piece)
{
  for (gsize i = 0; i < piece->len; i++) {
    guchar byte = (guchar) piece->str[i];

    if (byte == '\\')
      g_string_append (out, "\\\\");
    else if (byte < 0x20 || byte >= 0x7F)
      g_string_append_printf (out, "\\x%02x", byte);
    else
      g_string_append_c (out, (char) byte);
  }
}

/* Spelled pieces by id; NULL where no line has one. */
static GPtrArray *
read_pieces (const BnFile *file, size_t *text_size, GCancellable *cancellable,
    GError **error)
{
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) piece = g_string_new (NULL);
  g_autoptr (GString) spelled = g_string_new (NULL);
  const char *p = file->text, *start, *stop;
  Line line = {0, piece};

  for (gsize n = 1; next_line (&p, file->text + file->size, &start, &stop);
       n++) {
    if (n % CANCEL_INTERVAL == 0
        && g_cancellable_set_error_if_cancelled (cancellable, error))
      return NULL;
    if (!read_line (start, stop, &line)) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
          "%s: line %" G_GSIZE_FORMAT " at offset %" G_GSIZE_FORMAT
          " is not an id below %d, a literal of Python and the number of its "
          "bytes",
          file->path, n, (gsize) (start - file->text), MAX_ID);
      return NULL;
    }
    if (line.id >= pieces->len)
      g_ptr_array_set_size (pieces, (gint) line.id + 1);
    if (line.id == 0 || pieces->pdata[line.id]) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
          "%s: line %" G_GSIZE_FORMAT " has id %u, expected one that no other "
          "line has, above 0",
          file->path, n, line.id);
      return NULL;
    }
    g_string_truncate (spelled, 0);
    append_escaped (spelled, piece);
    *text_size += spelled->len;
    pieces->pdata[line.id] = g_strdup (spelled->str);
  }
  return g_steal_pointer (&pieces);
}

BnTokenizer *
bn_rwkvtxt_load (const BnFile *file, BnFidelity fidelity,
    GCancellable *cancellable, GError **error)
{
  size_t text_size = strlen (END_OF_TEXT);
  g_autoptr (GPtrArray) pieces =
      read_pieces (file, &text_size, cancellable, error);
  g_autoptr (BnTokenizer) self = NULL;
  BnVocab *vocab;

  if (pieces == NULL)
    return NULL;
  if (text_size > MAX_TEXT_SIZE) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s: pieces of %" G_GSIZE_FORMAT " bytes, expected at most %d",
        file->path, text_size, MAX_TEXT_SIZE);
    return NULL;
  }
  /* Empty texts become "[EMPTY_id]". */
  vocab = bn_vocab_new (pieces->len,
      text_size + pieces->len * (sizeof "[EMPTY_]" + MAX_ID_DIGITS),
      BN_SPELLING_ESCAPED);
  for (guint id = 0; id < pieces->len; id++) {
    const char *text = id == 0 ? END_OF_TEXT : pieces->pdata[id];
    unsigned attributes = id == 0 ? BN_TOKEN_CONTROL
                          : text  ? BN_TOKEN_NORMAL
                                  : BN_TOKEN_UNUSED | BN_TOKEN_ADDED;

    bn_vocab_add (
        vocab, text ? text : "", text ? strlen (text) : 0, attributes, 0);
  }
  vocab->roles[BN_ROLE_EOS] = 0;
  bn_vocab_seal (vocab);

  self = g_new0 (BnTokenizer, 1);
  self->fidelity =
      fidelity == BN_FIDELITY_AUTO ? BN_FIDELITY_HUGGINGFACE : fidelity;
  self->pre = g_strdup ("default");
  self->vocab = vocab;
  self->encoder = bn_encoder_new_rwkv (vocab);
  if (self->encoder == NULL) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "%s: no memory for the tables of RWKV", file->path);
    return NULL;
  }
  return g_steal_pointer (&self);
}
