/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Storage and lookup of a vocabulary, and the roles of its tokens. */
#include "bn-vocab.h"

#include <stdio.h>
#include <string.h>

#include "bn-bits.h"
#include "bn-unicode.h"

#define METASPACE "\xE2\x96\x81" /* U+2581 */

/* Bytes that are their own character in the GPT-2 table are the printable
 * ones of Latin-1; the other 68, in rising order, are U+0100 and up. */
enum {
  BYTE_LEVEL_FIRST = 0x100,
  BYTE_LEVEL_END = 0x144,
};

enum { BATCH = 32 }; /* texts that wait for memory together */

static gboolean
is_own_character (uint32_t byte)
{
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC)
         || (byte >= 0xAE && byte <= 0xFF);
}

int
bn_byte_level_decode (uint32_t cp)
{
  if (is_own_character (cp))
    return (int) cp;
  if (cp < BYTE_LEVEL_FIRST || cp >= BYTE_LEVEL_END)
    return -1;
  cp -= BYTE_LEVEL_FIRST;
  /* 0x00-0x20, 0x7F-0xA0, 0xAD */
  return (int) (cp <= 0x20 ? cp : cp < 0x43 ? cp - 0x21 + 0x7F : 0xAD);
}

uint32_t
bn_byte_level_encode (uint8_t byte)
{
  if (is_own_character (byte))
    return byte;
  if (byte <= 0x20)
    return BYTE_LEVEL_FIRST + byte;
  if (byte == 0xAD)
    return BYTE_LEVEL_END - 1;
  return BYTE_LEVEL_FIRST + 0x21 + (byte - 0x7Fu);
}

static inline uint64_t
load64 (const uint8_t *p)
{
  uint64_t word;

  memcpy (&word, p, sizeof word);
  return word;
}

static inline uint32_t
load32 (const uint8_t *p)
{
  uint32_t word;

  memcpy (&word, p, sizeof word);
  return word;
}

static inline uint64_t
mix (uint64_t hash, uint64_t word)
{
  hash = (hash ^ word) * UINT64_C (0x9E3779B97F4A7C15);
  return hash ^ hash >> 32;
}

uint64_t
bn_hash (const void *data, size_t size, uint64_t seed)
{
  const uint8_t *p = data;
  uint64_t hash = mix (seed, size);

  if (size >= 8) {
    for (; size > 8; p += 8, size -= 8)
      hash = mix (hash, load64 (p));
    /* The last word may overlap the one before. */
    return mix (hash, load64 (p + size - 8));
  }
  if (size >= 4)
    return mix (hash, (uint64_t) load32 (p) << 32 | load32 (p + size - 4));
  if (size > 0)
    return mix (hash,
        (uint64_t) p[0] << 16 | (uint64_t) p[size / 2] << 8 | p[size - 1]);
  return mix (hash, 0);
}

BnVocab *
bn_vocab_new (uint32_t n_tokens, size_t text_size, BnSpelling spelling)
{
  BnVocab *self = g_new0 (BnVocab, 1);

  self->n_reserved = n_tokens;
  self->text_reserved = text_size;
  self->spelling = spelling;
  self->attributes = g_new (uint16_t, n_tokens);
  self->scores = g_new (float, n_tokens);
  self->texts.bytes = g_malloc (text_size + 1);
  self->texts.offsets = g_new (uint32_t, (size_t) n_tokens + 1);
  self->texts.offsets[0] = 0;
  self->seed = (uint64_t) g_random_int () << 32 | g_random_int ();
  for (int i = 0; i < BN_N_ROLES; i++)
    self->roles[i] = BN_TOKEN_NONE;
  return self;
}

void
bn_vocab_free (BnVocab *self)
{
  if (self->compiled) {
    if (self->owns_attributes)
      g_free (self->attributes);
    bn_compiled_free (self->compiled);
    g_free (self);
    return;
  }
  g_free (self->attributes);
  g_free (self->scores);
  g_free (self->texts.bytes);
  g_free (self->texts.offsets);
  g_free (self->pieces.bytes);
  g_free (self->pieces.offsets);
  g_free (self->slots);
  g_free (self);
}

gboolean
bn_vocab_add (BnVocab *self, const char *text, size_t length,
    unsigned attributes, float score)
{
  uint32_t id = self->n_tokens;
  size_t used = self->texts.offsets[id];
  char name[sizeof "[EMPTY_4294967295]"];

  if (id == self->n_reserved)
    return FALSE;
  if (length == 0) {
    length = (size_t) g_snprintf (name, sizeof name, "[EMPTY_%u]", id);
    text = name;
  }
  if (length > self->text_reserved - used) {
    size_t wanted = MAX (used + length, self->text_reserved * 3 / 2);

    if (used + length >= UINT32_MAX)
      return FALSE;
    self->text_reserved = MIN (wanted, UINT32_MAX - 1);
    self->texts.bytes = g_realloc (self->texts.bytes, self->text_reserved + 1);
  }
  memcpy (self->texts.bytes + used, text, length);
  self->texts.offsets[id + 1] = (uint32_t) (used + length);
  self->attributes[id] = (uint16_t) attributes;
  self->scores[id] = score;
  self->max_text_length = MAX (self->max_text_length, (uint32_t) length);
  self->n_tokens++;
  return TRUE;
}

static inline gboolean
has_text (const BnVocab *self, uint32_t id, const void *text, size_t length)
{
  size_t own_length;
  const uint8_t *own;

  if (id >= self->n_usable) /* or of a table that was read */
    return FALSE;
  own = bn_vocab_text (self, id, &own_length);
  return own_length == length && bn_equal (own, text, length);
}

/* The slot of a text: its own or the free one where it belongs. */
static BnVocabSlot *
find_slot (const BnVocab *self, uint64_t hash, const void *text, size_t length)
{
  uint32_t tag = (uint32_t) (hash >> 32);

  for (uint32_t i = (uint32_t) hash & self->slot_mask;;
       i = (i + 1) & self->slot_mask) {
    BnVocabSlot *slot = &self->slots[i];

    if (slot->id == BN_TOKEN_NONE
        || (slot->tag == tag && has_text (self, slot->id, text, length)))
      return slot;
  }
}

static void
index_texts (BnVocab *self)
{
  uint64_t hashes[BATCH];
  size_t n_slots = 16;

  while (n_slots < (size_t) self->n_tokens * 2)
    n_slots *= 2;
  self->slots = g_new (BnVocabSlot, n_slots);
  memset (self->slots, 0xFF, n_slots * sizeof *self->slots);
  self->slot_mask = (uint32_t) (n_slots - 1);

  for (uint32_t first = 0; first < self->n_tokens; first += BATCH) {
    uint32_t n = MIN (self->n_tokens - first, BATCH);
    size_t length;
    const uint8_t *text;

    for (uint32_t i = 0; i < n; i++) {
      text = bn_vocab_text (self, first + i, &length);
      hashes[i] = bn_hash (text, length, self->seed);
      bn_prefetch (&self->slots[(uint32_t) hashes[i] & self->slot_mask]);
    }
    for (uint32_t i = 0; i < n; i++) {
      BnVocabSlot *slot;

      text = bn_vocab_text (self, first + i, &length);
      slot = find_slot (self, hashes[i], text, length);
      if (slot->id != BN_TOKEN_NONE)
        self->n_duplicates++;
      else
        *slot = (BnVocabSlot){(uint32_t) (hashes[i] >> 32), first + i};
    }
  }
}

uint32_t
bn_vocab_lookup (const BnVocab *self, const void *text, size_t length)
{
  if (length > self->max_text_length)
    return BN_TOKEN_NONE;
  return find_slot (self, bn_hash (text, length, self->seed), text, length)->id;
}

void
bn_vocab_query_begin (
    const BnVocab *self, BnVocabQuery *query, const void *text, size_t length)
{
  query->text = text;
  query->length = length;
  query->hash = bn_hash (text, length, self->seed);
  bn_prefetch (&self->slots[(uint32_t) query->hash & self->slot_mask]);
}

void
bn_vocab_query_find (const BnVocab *self, BnVocabQuery *query)
{
  uint32_t tag = (uint32_t) (query->hash >> 32);
  uint32_t i = (uint32_t) query->hash & self->slot_mask;

  while (self->slots[i].id != BN_TOKEN_NONE && self->slots[i].tag != tag)
    i = (i + 1) & self->slot_mask;
  query->candidate = self->slots[i].id;
  if (query->candidate < self->n_usable)
    bn_prefetch (&self->texts.offsets[query->candidate]);
  else
    query->candidate = BN_TOKEN_NONE;
}

void
bn_vocab_query_read (const BnVocab *self, BnVocabQuery *query)
{
  if (query->candidate != BN_TOKEN_NONE)
    bn_prefetch (self->texts.bytes + self->texts.offsets[query->candidate]);
}

uint32_t
bn_vocab_query_end (const BnVocab *self, const BnVocabQuery *query)
{
  if (query->candidate == BN_TOKEN_NONE
      || has_text (self, query->candidate, query->text, query->length))
    return query->candidate;
  /* Another text with the same tag. */
  return bn_vocab_lookup (self, query->text, query->length);
}

/* The bytes of characters below BYTE_LEVEL_END. */
static void
fill_byte_table (int16_t table[BYTE_LEVEL_END])
{
  for (uint32_t cp = 0; cp < BYTE_LEVEL_END; cp++)
    table[cp] = (int16_t) bn_byte_level_decode (cp);
}

/* Writes the bytes of a byte-level text; returns their number, which is at
 * most length. A text with a character outside the table stays as it is. */
static size_t
spell_byte_level (const int16_t table[BYTE_LEVEL_END], const uint8_t *text,
    size_t length, uint8_t *out)
{
  size_t n = 0;

  for (size_t i = 0; i < length; n++) {
    uint32_t cp = text[i];
    size_t step = 1;

    /* Those that are two bytes long begin with C2 to C5. */
    if (cp >= 0xC2 && cp <= 0xC5 && i + 1 < length
        && (text[i + 1] & 0xC0) == 0x80) {
      cp = (cp & 0x1F) << 6 | (text[i + 1] & 0x3F);
      step = 2;
    } else if (cp >= 0x80) {
      cp = 0;
    }
    if (cp >= BYTE_LEVEL_END || table[cp] < 0) {
      memcpy (out, text, length);
      return length;
    }
    out[n] = (uint8_t) table[cp];
    i += step;
  }
  return n;
}

static size_t
spell_metaspace (const uint8_t *text, size_t length, uint8_t *out)
{
  size_t n = 0;

  for (size_t i = 0; i < length;) {
    if (length - i >= 3 && memcmp (text + i, METASPACE, 3) == 0) {
      out[n++] = ' ';
      i += 3;
    } else {
      out[n++] = text[i++];
    }
  }
  return n;
}

static size_t
spell_escaped (const uint8_t *text, size_t length, uint8_t *out)
{
  static const char names[] = "tnr", bytes[] = "\t\n\r";
  size_t n = 0;

  for (size_t i = 0; i < length; i++) {
    const char *name;

    if (text[i] != '\\' || i + 1 == length) {
      out[n++] = text[i];
      continue;
    }
    i++;
    name = text[i] ? strchr (names, text[i]) : NULL;
    if (name) {
      out[n++] = (uint8_t) bytes[name - names];
    } else if (text[i] == 'x' && length - i > 2
               && g_ascii_isxdigit (text[i + 1])
               && g_ascii_isxdigit (text[i + 2])) {
      out[n++] = (uint8_t) (g_ascii_xdigit_value ((char) text[i + 1]) << 4
                            | g_ascii_xdigit_value ((char) text[i + 2]));
      i += 2;
    } else {
      out[n++] = text[i];
    }
  }
  return n;
}

int
bn_parse_byte_name (const void *name, size_t length)
{
  const char *text = name;
  int high, low;

  if (length != 6 || memcmp (text, "<0x", 3) != 0 || text[5] != '>')
    return -1;
  high = g_ascii_xdigit_value (text[3]);
  low = g_ascii_xdigit_value (text[4]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static size_t
spell_text (BnSpelling spelling, const int16_t table[BYTE_LEVEL_END],
    const uint8_t *text, size_t length, uint8_t *out)
{
  switch (spelling) {
    case BN_SPELLING_BYTE_LEVEL:
      return spell_byte_level (table, text, length, out);
    case BN_SPELLING_ESCAPED:
      return spell_escaped (text, length, out);
    default:
      return spell_metaspace (text, length, out);
  }
}

size_t
bn_spell (BnSpelling spelling, const uint8_t *text, size_t length, uint8_t *out)
{
  int16_t table[BYTE_LEVEL_END];

  if (spelling == BN_SPELLING_BYTE_LEVEL)
    fill_byte_table (table);
  return spell_text (spelling, table, text, length, out);
}

uint16_t *
bn_vocab_edit_attributes (BnVocab *self)
{
  if (self->compiled && !self->owns_attributes) {
    self->attributes =
        g_memdup2 (self->attributes, self->n_tokens * sizeof *self->attributes);
    self->owns_attributes = TRUE;
  }
  return self->attributes;
}

static size_t
spell (const BnVocab *self, const int16_t table[BYTE_LEVEL_END], uint32_t id,
    uint8_t *out)
{
  unsigned attributes = self->attributes[id];
  size_t length;
  const uint8_t *text = bn_vocab_text (self, id, &length);

  if (attributes & BN_TOKEN_BYTE && bn_parse_byte_name (text, length) >= 0) {
    *out = (uint8_t) bn_parse_byte_name (text, length);
    return 1;
  }
  if (attributes
      & (BN_TOKEN_UNKNOWN | BN_TOKEN_CONTROL | BN_TOKEN_USER_DEFINED)) {
    memcpy (out, text, length);
    return length;
  }
  return spell_text (self->spelling, table, text, length, out);
}

static void
spell_pieces (BnVocab *self)
{
  int16_t table[BYTE_LEVEL_END];
  size_t used = 0;

  fill_byte_table (table);
  self->pieces.bytes = g_malloc (self->texts.offsets[self->n_tokens] + 1u);
  self->pieces.offsets = g_new (uint32_t, (size_t) self->n_tokens + 1);
  self->pieces.offsets[0] = 0;
  for (uint32_t id = 0; id < self->n_tokens; id++) {
    used += spell (self, table, id, self->pieces.bytes + used);
    self->pieces.offsets[id + 1] = (uint32_t) used;
  }
}

uint32_t
bn_vocab_lookup_byte_name (const BnVocab *self, uint8_t byte)
{
  char name[sizeof "<0xXX>"];

  g_snprintf (name, sizeof name, "<0x%02X>", byte);
  return bn_vocab_lookup (self, name, sizeof name - 1);
}

uint32_t
bn_vocab_byte_token (const BnVocab *self, uint8_t byte)
{
  uint32_t id;

  if (self->spelling == BN_SPELLING_BYTE_LEVEL) {
    char text[6];
    int length = g_unichar_to_utf8 (bn_byte_level_encode (byte), text);

    return bn_vocab_lookup (self, text, (size_t) length);
  }
  id = bn_vocab_lookup_byte_name (self, byte);
  if (id == BN_TOKEN_NONE && byte == ' ')
    return bn_vocab_lookup (self, METASPACE, strlen (METASPACE));
  return id != BN_TOKEN_NONE ? id : bn_vocab_lookup (self, &byte, 1);
}

static uint32_t
lookup_string (const BnVocab *self, const char *text)
{
  return bn_vocab_lookup (self, text, strlen (text));
}

/* Texts that give a token its role where the source names none; the first
 * that exists wins. U+FF5C is the bar and U+2581 the space of DeepSeek. */
static const struct {
  BnRole role;
  const char *texts[12]; /* NULL ends */
} role_texts[] = {
    {BN_ROLE_EOT,
        {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>",
            "<|endoftext|>", "<|end_of_text|>", "<EOT>", "_<EOT>", "[EOT]",
            "<\xEF\xBD\x9C"
            "end" METASPACE "of" METASPACE "sentence\xEF\xBD\x9C>",
            "<end_of_utterance>"}},
    {BN_ROLE_EOM, {"<|eom_id|>"}},
    {BN_ROLE_FIM_PRE,
        {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>",
            "<\xEF\xBD\x9C"
            "fim" METASPACE "begin\xEF\xBD\x9C>",
            "<PRE>", METASPACE "<PRE>", "<|code_prefix|>", "<|prefix|>"}},
    {BN_ROLE_FIM_SUF,
        {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>",
            "<\xEF\xBD\x9C"
            "fim" METASPACE "hole\xEF\xBD\x9C>",
            "<SUF>", METASPACE "<SUF>", "<|code_suffix|>", "<|suffix|>"}},
    {BN_ROLE_FIM_MID,
        {"<|fim_middle|>", "<fim-middle>", "<fim_middle>",
            "<\xEF\xBD\x9C"
            "fim" METASPACE "end\xEF\xBD\x9C>",
            "<MID>", METASPACE "<MID>", "<|code_middle|>", "<|middle|>"}},
    {BN_ROLE_FIM_PAD,
        {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
    {BN_ROLE_FIM_REP, {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>",
                          "<reponame>"}},
    {BN_ROLE_FIM_SEP, {"<|file_sep|>"}},
};

/* Texts that end a generation, whatever the source says. */
static const char *const eog_texts[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<\xEF\xBD\x9C"
    "end" METASPACE "of" METASPACE "sentence\xEF\xBD\x9C>",
};

/* Parts of a message's header, which must be visible. */
static const char *const visible_texts[] = {
    "<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"};

static gboolean
is_eog_text (const BnVocab *self, const char *text)
{
  uint32_t id = lookup_string (self, text);

  return id != BN_TOKEN_NONE && (self->attributes[id] & BN_TOKEN_EOG);
}

static void
set_type (BnVocab *self, const char *text, unsigned type)
{
  uint32_t id = lookup_string (self, text);

  if (id != BN_TOKEN_NONE)
    self->attributes[id] = (uint16_t) type;
}

static void
collect_eog (BnVocab *self)
{
  static const BnRole eog_roles[] = {BN_ROLE_FIM_PAD, BN_ROLE_FIM_REP,
      BN_ROLE_FIM_SEP, BN_ROLE_EOS, BN_ROLE_EOT, BN_ROLE_EOM};

  for (size_t i = 0; i < G_N_ELEMENTS (eog_texts); i++) {
    uint32_t id = lookup_string (self, eog_texts[i]);

    if (id != BN_TOKEN_NONE)
      self->attributes[id] |= BN_TOKEN_EOG | BN_TOKEN_CONTROL;
  }
  for (size_t i = 0; i < G_N_ELEMENTS (visible_texts); i++)
    set_type (self, visible_texts[i], BN_TOKEN_USER_DEFINED);
  for (size_t i = 0; i < G_N_ELEMENTS (eog_roles); i++) {
    uint32_t id = self->roles[eog_roles[i]];

    if (id != BN_TOKEN_NONE)
      self->attributes[id] |= BN_TOKEN_EOG;
  }

  /* Families whose <|end|> ends a message but not the turn. */
  if (is_eog_text (self, "<|end|>")
      && ((is_eog_text (self, "<|return|>") && is_eog_text (self, "<|call|>"))
          || (is_eog_text (self, "<|flush|>")
              && (is_eog_text (self, "<|call|>")
                  || is_eog_text (self, "<|calls|>")))))
    set_type (self, "<|end|>", BN_TOKEN_USER_DEFINED);
  if (is_eog_text (self, "<|tool_response>") && is_eog_text (self, "</s>"))
    set_type (self, "</s>", BN_TOKEN_NORMAL);
}

static void
assign_roles (BnVocab *self)
{
  for (size_t i = 0; i < G_N_ELEMENTS (role_texts); i++) {
    uint32_t *role = &self->roles[role_texts[i].role];

    for (const char *const *text = role_texts[i].texts;
         *role == BN_TOKEN_NONE && *text; text++) {
      *role = lookup_string (self, *text);
      if (*role != BN_TOKEN_NONE)
        self->attributes[*role] |= BN_TOKEN_CONTROL;
    }
  }

  for (uint32_t id = 0; id < self->n_tokens; id++) {
    size_t length;
    const uint8_t *text;

    if (!(self->attributes[id] & BN_TOKEN_CONTROL))
      continue;
    text = bn_vocab_text (self, id, &length);
    if (g_strstr_len ((const char *) text, (gssize) length, "unused"))
      self->attributes[id] |= BN_TOKEN_UNUSED;
  }
  collect_eog (self);
}

void
bn_vocab_seal (BnVocab *self)
{
  if (self->compiled)
    return;
  self->n_usable = self->n_tokens;
  index_texts (self);
  assign_roles (self);
  spell_pieces (self);
}
