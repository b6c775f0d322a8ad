/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads files of tiktoken and completes them with what their family has. */
#include "bn-tiktoken.h"

#include <string.h>

#include "bitnet-error.h"

enum {
  CANCEL_INTERVAL = 4096,   /* lines between two looks */
  MAX_TOKEN_SIZE = 1 << 16, /* bytes; the longest of real files have 1,024 */
  MAX_DIGITS = 7,           /* of a rank, as BN_MAX_TOKENS has */
};

/* Values of base64 characters; others are -1. */
static int
value_of (char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

gboolean
bn_base64_decode (
    const char *text, size_t length, uint8_t *out, size_t *out_length)
{
  size_t n = 0;

  if (length == 0 || length % 4 != 0)
    return FALSE;
  for (size_t i = 0; i < length; i += 4) {
    gboolean is_last = i + 4 == length;
    unsigned n_padding =
        is_last && text[i + 3] == '=' ? text[i + 2] == '=' ? 2 : 1 : 0;
    unsigned bits = 0;

    for (unsigned j = 0; j < 4; j++) {
      int value = j < 4 - n_padding ? value_of (text[i + j]) : 0;

      if (value < 0)
        return FALSE;
      bits = bits << 6 | (unsigned) value;
    }
    /* What the padding hides is zero, so that bytes have one spelling. */
    if (bits & ((1u << n_padding * 8) - 1))
      return FALSE;
    out[n++] = (uint8_t) (bits >> 16);
    if (n_padding < 2)
      out[n++] = (uint8_t) (bits >> 8);
    if (n_padding < 1)
      out[n++] = (uint8_t) bits;
  }
  *out_length = n;
  return TRUE;
}

/* One line: token and rank, without a newline. */
typedef struct {
  const char *token;
  size_t token_length;
  uint32_t rank;
} Line;

/* FALSE if the text is no such line. */
static gboolean
parse_line (const char *text, size_t length, Line *line)
{
  const char *space = memchr (text, ' ', length);
  const char *end = text + length;
  const char *p;

  if (space == NULL || space == text || end - space < 2
      || end - space > MAX_DIGITS + 1)
    return FALSE;
  line->token = text;
  line->token_length = (size_t) (space - text);
  line->rank = 0;
  for (p = space + 1; p < end; p++) {
    if (!g_ascii_isdigit (*p))
      return FALSE;
    line->rank = line->rank * 10 + (uint32_t) (*p - '0');
  }
  return TRUE;
}

/* Length of the line at text without its end; *next is the one after it. */
static size_t
measure_line (const char *text, const char *end, const char **next)
{
  const char *newline = memchr (text, '\n', (size_t) (end - text));
  size_t length = (size_t) ((newline ? newline : end) - text);

  *next = newline ? newline + 1 : end;
  return length > 0 && text[length - 1] == '\r' ? length - 1 : length;
}

gboolean
bn_tiktoken_is_ranks (const BnFile *file)
{
  const char *end = file->text + file->size, *next;
  size_t length = measure_line (file->text, end, &next);
  Line line;

  if (length > MAX_TOKEN_SIZE || !parse_line (file->text, length, &line))
    return FALSE;
  for (size_t i = 0; i < line.token_length; i++) {
    if (value_of (line.token[i]) < 0
        && (line.token[i] != '=' || i + 2 < line.token_length))
      return FALSE;
  }
  return TRUE;
}

static gboolean fail (const BnFile *file, size_t line, GError **error,
    const char *format, ...) G_GNUC_PRINTF (4, 5);

/* line 0: of the file as a whole. */
static gboolean
fail (const BnFile *file, size_t line, GError **error, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  if (line > 0)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s: line %" G_GSIZE_FORMAT ": %s", file->path, line, message);
  else
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER, "%s: %s",
        file->path, message);
  return FALSE;
}

/* A piece of a line for a message. */
static char *
show (const char *text, size_t length)
{
  g_autofree char *valid = g_utf8_make_valid (text, (gssize) MIN (length, 40));

  return g_strescape (valid, NULL);
}

typedef struct {
  BnRanks ranks;
  size_t n_bytes;
  uint32_t n_reserved; /* ranks */
} Reader;

static void
reserve_rank (Reader *self, uint32_t rank)
{
  uint32_t n = MAX (rank + 1, self->n_reserved + self->n_reserved / 2);

  if (rank < self->n_reserved)
    return;
  self->ranks.starts = g_renew (uint32_t, self->ranks.starts, n);
  self->ranks.lengths = g_renew (uint32_t, self->ranks.lengths, n);
  memset (self->ranks.lengths + self->n_reserved, 0,
      (n - self->n_reserved) * sizeof *self->ranks.lengths);
  self->n_reserved = n;
}

static gboolean
read_line (Reader *self, const BnFile *file, const char *text, size_t length,
    size_t number, GError **error)
{
  g_autofree char *shown = NULL;
  size_t n_bytes;
  Line line;

  if (!parse_line (text, length, &line)) {
    shown = show (text, length);
    return fail (file, number, error,
        "found \"%s\", expected a token in base64, a space and its rank",
        shown);
  }
  if (line.rank >= BN_MAX_TOKENS)
    return fail (file, number, error, "found rank %u, expected one below %u",
        line.rank, BN_MAX_TOKENS);
  if (line.token_length > MAX_TOKEN_SIZE
      || !bn_base64_decode (line.token, line.token_length,
          self->ranks.bytes + self->n_bytes, &n_bytes)) {
    shown = show (line.token, line.token_length);
    return fail (file, number, error,
        "found \"%s\", expected a token in base64 (RFC 4648)", shown);
  }
  reserve_rank (self, line.rank);
  if (self->ranks.lengths[line.rank] > 0)
    return fail (file, number, error,
        "found rank %u, which a line before has, too", line.rank);
  self->ranks.starts[line.rank] = (uint32_t) self->n_bytes;
  self->ranks.lengths[line.rank] = (uint32_t) n_bytes;
  self->ranks.n_ranks = MAX (self->ranks.n_ranks, line.rank + 1);
  self->n_bytes += n_bytes;
  return TRUE;
}

gboolean
bn_tiktoken_read (const BnFile *file, BnRanks *ranks, GCancellable *cancellable,
    GError **error)
{
  const char *text = file->text, *end = file->text + file->size;
  Reader reader = {.n_bytes = 0};
  size_t number = 1;
  int missing;

  reader.ranks.bytes = g_malloc (file->size / 4 * 3 + 1);
  *ranks = (BnRanks){.n_ranks = 0};
  for (const char *next = text; text < end; text = next, number++) {
    size_t length = measure_line (text, end, &next);

    if ((number % CANCEL_INTERVAL == 0
            && g_cancellable_set_error_if_cancelled (cancellable, error))
        || (length > 0
            && !read_line (&reader, file, text, length, number, error))) {
      bn_ranks_clear (&reader.ranks);
      return FALSE;
    }
  }
  missing = bn_ranks_find_missing_byte (&reader.ranks);
  if (missing >= 0) {
    bn_ranks_clear (&reader.ranks);
    return fail (file, 0, error,
        "byte 0x%02X has no rank in %" G_GSIZE_FORMAT
        " lines, expected one for each byte; the file is not complete",
        missing, number - 1);
  }
  *ranks = reader.ranks;
  return TRUE;
}

/* Families. */

typedef struct {
  uint32_t id;
  const char *text;
} Special;

/* A family numbers reserved tokens from id first on: pattern with a number
 * that begins with number. */
typedef struct {
  uint32_t first, n, number;
  const char *pattern;
} Reserved;

typedef struct {
  const char *name;
  uint32_t n_ranks;            /* highest one and one */
  const char *set, *set_llama; /* how Hugging Face and llama.cpp cut */
  const char *pre;
  const char *bos, *eos;
  gboolean add_bos, normalizes;
  gboolean scales_rope; /* of two that have as many ranks */
  Special specials[12]; /* a text of NULL ends */
  Reserved reserved[4]; /* a pattern of NULL ends */
} RankFamily;

static const RankFamily families[] = {
    {.name = "LLaMA-3",
        .n_ranks = 128000,
        .set = "llama-3-hf",
        .set_llama = "llama-3",
        .pre = "llama-bpe",
        .bos = "<|begin_of_text|>",
        .eos = "<|end_of_text|>",
        .add_bos = TRUE,
        .specials = {{128000, "<|begin_of_text|>"}, {128001, "<|end_of_text|>"},
            {128006, "<|start_header_id|>"}, {128007, "<|end_header_id|>"},
            {128009, "<|eot_id|>"}},
        .reserved = {{128002, 4, 0, "<|reserved_special_token_%u|>"},
            {128008, 1, 4, "<|reserved_special_token_%u|>"},
            {128010, 246, 5, "<|reserved_special_token_%u|>"}}},
    {.name = "LLaMA-3.1",
        .n_ranks = 128000,
        .scales_rope = TRUE,
        .set = "llama-3-hf",
        .set_llama = "llama-3",
        .pre = "llama-bpe",
        .bos = "<|begin_of_text|>",
        .eos = "<|end_of_text|>",
        .add_bos = TRUE,
        .specials = {{128000, "<|begin_of_text|>"}, {128001, "<|end_of_text|>"},
            {128004, "<|finetune_right_pad_id|>"},
            {128006, "<|start_header_id|>"}, {128007, "<|end_header_id|>"},
            {128008, "<|eom_id|>"}, {128009, "<|eot_id|>"},
            {128010, "<|python_tag|>"}},
        .reserved = {{128002, 2, 0, "<|reserved_special_token_%u|>"},
            {128005, 1, 2, "<|reserved_special_token_%u|>"},
            {128011, 245, 3, "<|reserved_special_token_%u|>"}}},
    {.name = "cl100k",
        .n_ranks = 100256,
        .set = "cl100k",
        .set_llama = "llama-3",
        .pre = "dbrx",
        .eos = "<|endoftext|>",
        .specials = {{100257, "<|endoftext|>"}, {100258, "<|fim_prefix|>"},
            {100259, "<|fim_middle|>"}, {100260, "<|fim_suffix|>"},
            {100276, "<|endofprompt|>"}}},
    {.name = "o200k",
        .n_ranks = 199998,
        .set = "gpt-4o-hf",
        .set_llama = "gpt-4o",
        .pre = "gpt-4o",
        .eos = "<|endoftext|>",
        .specials = {{199999, "<|endoftext|>"}, {200018, "<|endofprompt|>"}}},
    {.name = "r50k",
        .n_ranks = 50256,
        .set = "gpt-2-hf",
        .set_llama = "gpt-2",
        .pre = "gpt-2",
        .eos = "<|endoftext|>",
        .specials = {{50256, "<|endoftext|>"}}},
    {.name = "p50k",
        .n_ranks = 50281,
        .set = "gpt-2-hf",
        .set_llama = "gpt-2",
        .pre = "gpt-2",
        .eos = "<|endoftext|>",
        .specials = {{50256, "<|endoftext|>"}}},
    {.name = "Qwen",
        .n_ranks = 151643,
        .set = "qwen2-hf",
        .set_llama = "qwen2",
        .pre = "qwen2",
        .eos = "<|endoftext|>",
        .normalizes = TRUE,
        .specials = {{151643, "<|endoftext|>"}, {151644, "<|im_start|>"},
            {151645, "<|im_end|>"}},
        .reserved = {{151646, 205, 0, "<|extra_%u|>"}}},
    {.name = "GLM-4",
        .n_ranks = 151329,
        .set = "llama-3-hf",
        .set_llama = "llama-3",
        .pre = "glm4",
        .eos = "<|endoftext|>",
        .specials = {{151329, "<|endoftext|>"}, {151330, "[MASK]"},
            {151331, "[gMASK]"}, {151332, "[sMASK]"}, {151333, "<sop>"},
            {151334, "<eop>"}, {151335, "<|system|>"}, {151336, "<|user|>"},
            {151337, "<|assistant|>"}, {151338, "<|observation|>"}}},
    {.name = "Kimi",
        .n_ranks = 163584,
        .set = "kimi-k2-hf",
        .set_llama = "kimi-k2",
        .pre = "kimi-k2",
        .bos = "[BOS]",
        .eos = "[EOS]",
        .specials = {{163584, "[BOS]"}, {163585, "[EOS]"}}},
    {.name = "LLaMA-4",
        .n_ranks = 200000,
        .set = "gpt-4o-hf",
        .set_llama = "gpt-4o",
        .pre = "llama4",
        .bos = "<|begin_of_text|>",
        .eos = "<|end_of_text|>",
        .add_bos = TRUE,
        .specials = {{200000, "<|begin_of_text|>"}, {200001, "<|end_of_text|>"},
            {200002, "<|fim_prefix|>"}, {200003, "<|fim_middle|>"},
            {200004, "<|fim_suffix|>"}, {200005, "<|header_start|>"},
            {200006, "<|header_end|>"}, {200007, "<|eom|>"},
            {200008, "<|eot|>"}}},
};

static const RankFamily *
find_family (const BnFile *file, const BnRanks *ranks, const BnBeside *beside,
    GError **error)
{
  const RankFamily *found = NULL;
  g_autoptr (GString) known = g_string_new (NULL);

  for (size_t i = 0; i < G_N_ELEMENTS (families); i++) {
    if (families[i].n_ranks == ranks->n_ranks
        && (found == NULL || families[i].scales_rope == beside->scales_rope))
      found = &families[i];
    g_string_append_printf (known, "%s%u (%s)", i > 0 ? ", " : "",
        families[i].n_ranks, families[i].name);
  }
  if (found)
    return found;
  fail (file, 0, error,
      "tiktoken ranks up to %u belong to no family that is known, and the file "
      "does not say how text is cut; expected %s ranks; use tokenizer.json of "
      "the model",
      ranks->n_ranks - 1, known->str);
  return NULL;
}

static void
add_special (GArray *added, GHashTable *ids, const char *text, uint32_t id,
    unsigned flags)
{
  BnAddedToken token = {g_strdup (text), strlen (text), id, flags};

  if (g_hash_table_add (ids, GUINT_TO_POINTER (id)))
    g_array_append_val (added, token);
  else
    g_free ((char *) token.text);
}

static void
clear_added (void *data)
{
  g_free ((char *) ((BnAddedToken *) data)->text);
}

/* What files beside say counts, the family gives the other ids. */
static GArray *
list_added (
    const RankFamily *family, const BnRanks *ranks, const BnBeside *beside)
{
  GArray *added = g_array_new (FALSE, FALSE, sizeof (BnAddedToken));
  g_autoptr (GHashTable) ids = g_hash_table_new (NULL, NULL);

  g_array_set_clear_func (added, clear_added);
  for (guint i = 0; i < beside->added->len; i++) {
    const BnBesideToken *token =
        &g_array_index (beside->added, BnBesideToken, i);

    /* Some list ordinary tokens as well. */
    if (token->id != BN_TOKEN_NONE
        && (token->id >= ranks->n_ranks || ranks->lengths[token->id] == 0))
      add_special (added, ids, token->text, token->id,
          token->flags & ~(unsigned) BN_ADDED_NORMALIZED);
  }
  for (const Special *special = family->specials;
       special < family->specials + G_N_ELEMENTS (family->specials)
       && special->text;
       special++) {
    if (!bn_beside_find (beside, special->text)
        || bn_beside_find (beside, special->text)->id == BN_TOKEN_NONE)
      add_special (added, ids, special->text, special->id, BN_ADDED_SPECIAL);
  }
  for (const Reserved *reserved = family->reserved;
       reserved < family->reserved + G_N_ELEMENTS (family->reserved)
       && reserved->pattern;
       reserved++) {
    for (uint32_t i = 0; i < reserved->n; i++) {
      g_autoptr (GString) text = g_string_new (reserved->pattern);
      char number[sizeof "4294967295"];

      g_snprintf (number, sizeof number, "%u", reserved->number + i);
      g_string_replace (text, "%u", number, 1);
      if (!bn_beside_find (beside, text->str))
        add_special (
            added, ids, text->str, reserved->first + i, BN_ADDED_SPECIAL);
    }
  }
  return added;
}

/* A rank that is missing is that of a special token. */
static gboolean
check_holes (const BnFile *file, const BnRanks *ranks, const GArray *added,
    GError **error)
{
  for (uint32_t rank = 0; rank < ranks->n_ranks; rank++) {
    guint i = 0;

    if (ranks->lengths[rank] > 0)
      continue;
    while (i < added->len && g_array_index (added, BnAddedToken, i).id != rank)
      i++;
    if (i == added->len)
      return fail (file, 0, error,
          "no line has rank %u, expected all up to %u; the file is not "
          "complete",
          rank, ranks->n_ranks - 1);
  }
  return TRUE;
}

BnTokenizer *
bn_tiktoken_load (const BnFile *file, const BnBeside *beside,
    BnFidelity fidelity, GCancellable *cancellable, GError **error)
{
  g_auto (BnRanks) ranks = {.n_ranks = 0};
  g_autoptr (GArray) added = NULL;
  const RankFamily *family;
  BnTokenizer *self;
  BnRanksOptions options;

  if (fidelity == BN_FIDELITY_AUTO)
    fidelity = BN_FIDELITY_HUGGINGFACE;
  if (!bn_tiktoken_read (file, &ranks, cancellable, error))
    return NULL;
  family = find_family (file, &ranks, beside, error);
  if (family == NULL)
    return NULL;
  added = list_added (family, &ranks, beside);
  if (!check_holes (file, &ranks, added, error))
    return NULL;
  options = (BnRanksOptions){
      .set = bn_pretok_find_set (
          fidelity == BN_FIDELITY_LLAMA_CPP ? family->set_llama : family->set),
      .pre = family->pre,
      .normalizes = family->normalizes && fidelity != BN_FIDELITY_LLAMA_CPP,
      .added = (const BnAddedToken *) (const void *) added->data,
      .n_added = added->len,
      .bos = family->bos,
      .eos = family->eos,
      .add_bos = family->add_bos,
  };
  self = bn_ranks_build (&ranks, &options, file->path, fidelity, error);
  if (self)
    bn_beside_apply (beside, self);
  return self;
}
