/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Follows BertNormalizer and BertPreTokenizer of Hugging Face, with the
 * versions of Unicode that it has, and the same in llama.cpp. */
#include "bn-bert.h"

#include <string.h>

#include "bn-unorm.h"

static gboolean
is_chinese (uint32_t cp)
{
  return (cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF)
         || (cp >= 0x20000 && cp <= 0x2A6DF) || (cp >= 0x2A700 && cp <= 0x2B73F)
         || (cp >= 0x2B740 && cp <= 0x2B81F)
         /* Both references begin here, not at 2B820. */
         || (cp >= 0x2B920 && cp <= 0x2CEAF) || (cp >= 0xF900 && cp <= 0xFAFF)
         || (cp >= 0x2F800 && cp <= 0x2FA1F);
}

/* Whether clean_text removes a character. */
static gboolean
is_cleaned (uint32_t cp)
{
  if (cp == '\t' || cp == '\n' || cp == '\r')
    return FALSE;
  return cp == 0 || cp == BN_REPLACEMENT_CHARACTER
         || (bn_char_properties (cp) & BN_PROPERTY_OTHER_8);
}

/* The canonical decomposition; its first character if only_first. */
static size_t
decompose (uint32_t cp, gboolean only_first, uint32_t *parts)
{
  g_autofree uint8_t *data = NULL;
  BnBuffer buffer = {NULL, 0, 0};
  uint8_t text[4];
  unsigned length = bn_utf8_encode (cp, text);
  size_t n = 0;

  parts[0] = cp;
  if (cp < 0xC0 || bn_norm_span (BN_NORM_NFD, text, length) == length)
    return 1;
  if (!bn_norm_append (BN_NORM_NFD, text, length, &buffer)) {
    bn_buffer_clear (&buffer);
    return 1;
  }
  data = buffer.data;
  for (size_t i = 0; i < buffer.length && n < (only_first ? 1 : 4); n++)
    i += bn_utf8_next (data + i, data + buffer.length, &parts[n]);
  return n;
}

/* Whether a character that is in a decomposed text and not dropped changes
 * places with others: it then does with one of the highest class and with one
 * of the lowest, which stand on either side of it. */
static gboolean
is_ordered (uint32_t cp)
{
  static const char lowest[] = "\xCC\xB4", highest[] = "\xCD\x85";
  uint8_t text[8];
  unsigned length;
  BnBuffer buffer = {NULL, 0, 0};
  gboolean result;

  if (!(bn_char_properties (cp) & BN_PROPERTY_MARK_9))
    return FALSE;
  memcpy (text, highest, 2);
  length = 2 + bn_utf8_encode (cp, text + 2);
  memcpy (text + length, lowest, 2);
  length += 2;
  result = !bn_norm_append (BN_NORM_NFD, text, length, &buffer)
           || buffer.length != length || memcmp (buffer.data, text, 2) != 0
           || memcmp (buffer.data + length - 2, lowest, 2) != 0;
  bn_buffer_clear (&buffer);
  return result;
}

BnBertKind
bn_bert_classify_final (const BnBertOptions *options, uint32_t cp)
{
  if (bn_is_space (cp))
    return BN_BERT_SPACE;
  return bn_char_properties (cp) & BN_PROPERTY_PUNCTUATION_8 ? BN_BERT_ALONE
                                                             : BN_BERT_WORD;
}

static BnBertKind
classify_huggingface (const BnBertOptions *options, uint32_t cp,
    uint8_t text[BN_BERT_MAX_LENGTH], unsigned *length)
{
  gboolean is_alone;
  uint32_t parts[4];
  size_t n_parts = 1;
  unsigned n_characters = 0, kinds = 0;

  *length = 0;
  if (options->clean_text) {
    if (is_cleaned (cp))
      return BN_BERT_DROPPED;
    if (bn_is_space (cp))
      return BN_BERT_SPACE;
  }
  is_alone = options->split_chinese && is_chinese (cp);
  if (is_alone)
    text[(*length)++] = ' ';
  parts[0] = cp;
  if (options->strip_accents)
    n_parts = decompose (cp, FALSE, parts);

  for (size_t i = 0; i < n_parts; i++) {
    uint32_t lower[2] = {parts[i], 0};
    unsigned n_lower = 1;

    if (options->strip_accents) {
      if (bn_char_properties (parts[i]) & BN_PROPERTY_NONSPACING_8)
        continue;
      if (is_ordered (parts[i]))
        return BN_BERT_ORDERED;
    }
    if (options->lowercase)
      n_lower = bn_lower_full (parts[i], lower);
    for (unsigned j = 0; j < n_lower; j++) {
      *length += bn_utf8_encode (lower[j], text + *length);
      kinds |= 1u << bn_bert_classify_final (options, lower[j]);
      n_characters++;
    }
  }

  if (n_characters == 0)
    return is_alone ? BN_BERT_SPACE : BN_BERT_DROPPED;
  if (kinds == 1u << BN_BERT_SPACE)
    return BN_BERT_SPACE;
  if (kinds == 1u << BN_BERT_WORD || n_characters == 1) {
    if (is_alone)
      memmove (text, text + 1, --*length);
    return is_alone || kinds != 1u << BN_BERT_WORD ? BN_BERT_ALONE
                                                   : BN_BERT_WORD;
  }
  if (is_alone)
    text[(*length)++] = ' ';
  return BN_BERT_TEXT;
}

static BnBertKind
classify_llama_cpp (const BnBertOptions *options, uint32_t cp,
    uint8_t text[BN_BERT_MAX_LENGTH], unsigned *length)
{
  unsigned flags;
  BnCategory category;

  *length = 0;
  if (options->strip_accents) {
    uint32_t parts[4];

    decompose (cp, TRUE, parts);
    /* Newer than the tables of decomposition. */
    cp = parts[0] == 0x11938 ? 0x11935 : parts[0];
  }
  flags = bn_char_flags (cp);
  category = bn_unicode_category (cp);
  if (flags & BN_CHAR_SPACE)
    return BN_BERT_SPACE;
  if (cp == 0 || cp == BN_REPLACEMENT_CHARACTER || category >= BN_CATEGORY_CC)
    return BN_BERT_DROPPED;
  if (options->strip_accents && (flags & BN_CHAR_MARK))
    return BN_BERT_DROPPED;
  *length =
      bn_utf8_encode (options->lowercase ? bn_lower_simple (cp) : cp, text);
  return (flags & BN_CHAR_PUNCTUATION)
                 || (cp < 0x7F && (flags & BN_CHAR_SYMBOL)) || is_chinese (cp)
             ? BN_BERT_ALONE
             : BN_BERT_WORD;
}

BnBertKind
bn_bert_classify (const BnBertOptions *options, uint32_t cp,
    uint8_t text[BN_BERT_MAX_LENGTH], unsigned *length)
{
  return options->is_llama_cpp
             ? classify_llama_cpp (options, cp, text, length)
             : classify_huggingface (options, cp, text, length);
}

static uint32_t
make_entry (const BnBertOptions *options, uint32_t cp)
{
  uint8_t text[BN_BERT_MAX_LENGTH];
  unsigned length;
  BnBertKind kind = bn_bert_classify (options, cp, text, &length);

  switch (kind) {
    case BN_BERT_WORD:
    case BN_BERT_ALONE:
      if (length > 3)
        return BN_BERT_TEXT;
      return (uint32_t) kind | length << 3 | (uint32_t) text[0] << 8
             | (length > 1 ? (uint32_t) text[1] << 16 : 0)
             | (length > 2 ? (uint32_t) text[2] << 24 : 0);
    case BN_BERT_SPACE:
    case BN_BERT_DROPPED:
      return (uint32_t) kind;
    default:
      return BN_BERT_TEXT;
  }
}

BnBertMap *
bn_bert_map_new (const BnBertOptions *options)
{
  BnBertMap *self = g_new0 (BnBertMap, 1);

  self->options = *options;
  self->entries = g_new (uint32_t, BN_BERT_N_ENTRIES);
  for (uint32_t cp = 0; cp < BN_BERT_N_ENTRIES; cp++)
    self->entries[cp] = make_entry (options, cp);
  for (unsigned byte = 0; byte < 256; byte++) {
    uint32_t entry = byte < 0x80 ? self->entries[byte] : BN_BERT_TEXT;

    self->bytes[byte] =
        bn_bert_entry_kind (entry) == BN_BERT_WORD
            ? (uint8_t) bn_bert_entry_bytes (entry)
            : (uint8_t) (BN_BERT_NOT_WORD | bn_bert_entry_kind (entry));
  }
  return self;
}

void
bn_bert_map_free (BnBertMap *self)
{
  g_free (self->entries);
  g_free (self);
}

/* Cleaned, and with spaces around Chinese characters. */
static gboolean
clean (const BnBertOptions *options, const uint8_t *text, size_t length,
    BnBuffer *out)
{
  const uint8_t *p = text, *end = text + length;

  out->length = 0;
  while (p < end) {
    uint32_t cp;
    unsigned n = bn_utf8_next (p, end, &cp);
    gboolean is_alone = options->split_chinese && is_chinese (cp);

    if (!bn_buffer_reserve (out, n + 2))
      return FALSE;
    if (options->clean_text && is_cleaned (cp)) {
      p += n;
      continue;
    }
    if (is_alone)
      out->data[out->length++] = ' ';
    if (options->clean_text && bn_is_space (cp)) {
      out->data[out->length++] = ' ';
    } else {
      memcpy (out->data + out->length, p, n);
      out->length += n;
    }
    if (is_alone)
      out->data[out->length++] = ' ';
    p += n;
  }
  return TRUE;
}

/* Without accents and in lower case. */
static gboolean
fold (const BnBertOptions *options, const BnBuffer *text, BnBuffer *out)
{
  const uint8_t *p = text->data, *end = text->data + text->length;

  out->length = 0;
  while (p < end) {
    uint32_t cp, lower[2];
    unsigned n_lower = 1;

    p += bn_utf8_next (p, end, &cp);
    if (options->strip_accents
        && (bn_char_properties (cp) & BN_PROPERTY_NONSPACING_8))
      continue;
    lower[0] = cp;
    if (options->lowercase)
      n_lower = bn_lower_full (cp, lower);
    if (!bn_buffer_reserve (out, 8))
      return FALSE;
    for (unsigned i = 0; i < n_lower; i++)
      out->length += bn_utf8_encode (lower[i], out->data + out->length);
  }
  return TRUE;
}

gboolean
bn_bert_normalize (const BnBertOptions *options, const uint8_t *text,
    size_t length, BnBuffer *buffer, BnBuffer *out)
{
  if (!clean (options, text, length, buffer))
    return FALSE;
  if (options->strip_accents) {
    out->length = 0;
    if (!bn_norm_append (BN_NORM_NFD, buffer->data, buffer->length, out))
      return FALSE;
    buffer->length = 0;
    if (!bn_buffer_append (buffer, out->data, out->length))
      return FALSE;
  }
  return fold (options, buffer, out);
}
