/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A vocabulary: the text, type and score of every token, and which tokens
 * have a role.
 *
 * Filled once by whoever reads the source (GGUF keys, files of other
 * formats), then sealed and never changed again. All texts lie in one block;
 * text-to-id is an open hash table of indices into it. */
#pragma once

#include "bn-compiled.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

#define BN_TOKEN_NONE UINT32_MAX

enum {
  /* Bytes of all special tokens; the automata that find them in text take a
   * hundred times as much. Ours: models have some kilobytes. */
  BN_VOCAB_MAX_SPECIAL_SIZE = 4 << 20,
};

/* What a source may have, so that no file can take memory without bound; the
 * largest vocabularies have some hundred thousand tokens and merges. */
#define BN_MAX_TOKENS (1u << 22)
#define BN_MAX_VOCAB_SIZE (512u << 20) /* bytes of all texts */
#define BN_MAX_MERGES (1u << 23)

/* The first seven are the values of BitnetTokenAttributes. */
typedef enum {
  BN_TOKEN_NORMAL = 1 << 0,
  BN_TOKEN_UNKNOWN = 1 << 1,
  BN_TOKEN_CONTROL = 1 << 2,
  BN_TOKEN_USER_DEFINED = 1 << 3,
  BN_TOKEN_UNUSED = 1 << 4,
  BN_TOKEN_BYTE = 1 << 5,
  BN_TOKEN_EOG = 1 << 6,
  BN_TOKEN_LSTRIP = 1 << 7, /* takes the white space before it */
  BN_TOKEN_RSTRIP = 1 << 8, /* takes the white space after it */
  BN_TOKEN_ADDED = 1 << 9,  /* the algorithm must not make it of text */
  /* Special, but found by the algorithm itself and not before it runs. */
  BN_TOKEN_INNER = 1 << 10,
} BnTokenAttributes;

/* Tokens that are found in text before any algorithm runs. */
#define BN_TOKEN_SPECIAL                                                       \
  (BN_TOKEN_CONTROL | BN_TOKEN_USER_DEFINED | BN_TOKEN_UNKNOWN)

/* Roles of tokens. The first seven are the values of BitnetSpecialToken. */
typedef enum {
  BN_ROLE_BOS,
  BN_ROLE_EOS,
  BN_ROLE_EOT,
  BN_ROLE_UNK,
  BN_ROLE_SEP,
  BN_ROLE_PAD,
  BN_ROLE_MASK,
  BN_ROLE_EOM,
  BN_ROLE_FIM_PRE,
  BN_ROLE_FIM_SUF,
  BN_ROLE_FIM_MID,
  BN_ROLE_FIM_PAD,
  BN_ROLE_FIM_REP,
  BN_ROLE_FIM_SEP,
  BN_N_ROLES,
} BnRole;

/* How the text of a token becomes output. */
typedef enum {
  BN_SPELLING_BYTE_LEVEL, /* every byte is a character of the GPT-2 table */
  BN_SPELLING_METASPACE,  /* U+2581 stands for the space, <0xXX> for bytes */
  BN_SPELLING_ESCAPED,    /* \t, \n, \r, \xHH; \ and another for that one */
} BnSpelling;

/* Strings one behind the other: string i is bytes[offsets[i]] up to
 * bytes[offsets[i + 1]]. */
typedef struct {
  uint8_t *bytes;
  uint32_t *offsets;
} BnStrings;

typedef struct {
  uint32_t tag; /* high half of the hash */
  uint32_t id;  /* BN_TOKEN_NONE if free */
} BnVocabSlot;

typedef struct {
  uint32_t n_tokens;
  uint32_t n_usable; /* those from here on are not found by their text */
  uint32_t n_reserved;
  size_t text_reserved;
  BnSpelling spelling;
  uint16_t *attributes;
  float *scores;
  BnStrings texts;  /* as the source spells them */
  BnStrings pieces; /* as bytes of output */
  uint32_t max_text_length;
  uint32_t n_duplicates; /* texts that a lower id has too */
  uint32_t roles[BN_N_ROLES];

  BnVocabSlot *slots;
  uint32_t slot_mask;
  uint64_t seed;            /* so that nobody can choose texts that collide */
  BnCompiled *compiled;     /* where the arrays are, if they are not ours */
  gboolean owns_attributes; /* in spite of compiled */
} BnVocab;

/* An empty vocabulary with room for n_tokens whose texts have text_size bytes
 * in all. Both must be below 2^32 - 1. */
BnVocab *bn_vocab_new (
    uint32_t n_tokens, size_t text_size, BnSpelling spelling);
void bn_vocab_free (BnVocab *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnVocab, bn_vocab_free)

/* Appends a token; its id is the number of tokens before it. An empty text
 * becomes "[EMPTY_id]". FALSE if there is no room. */
gboolean bn_vocab_add (BnVocab *self, const char *text, size_t length,
    unsigned attributes, float score);

/* A vocabulary as bn_vocab_compile() has left it, sealed and with the changes
 * that came after. Takes compiled, from which the tables of models over this
 * vocabulary come, too; NULL if it has no vocabulary that makes sense. */
BnVocab *bn_vocab_new_compiled (BnCompiled *compiled);

/* Adds the sections of a sealed vocabulary, which stays and does not change
 * until they are written. */
void bn_vocab_compile (const BnVocab *self, BnCompiledWriter *writer);

/* Ends the filling. Finds the tokens that stop a generation and those of roles
 * that are still open, by their texts, and corrects attributes as the
 * reference does (tokenizers.md (a)); then lookups and pieces work. */
void bn_vocab_seal (BnVocab *self);

/* The attributes, to be changed while nobody else reads the vocabulary. */
uint16_t *bn_vocab_edit_attributes (BnVocab *self);

/* Writes what a text in this spelling is in output: returns the number of
 * bytes, at most length. */
size_t bn_spell (
    BnSpelling spelling, const uint8_t *text, size_t length, uint8_t *out);

/* The lowest id that has this text, or BN_TOKEN_NONE. */
uint32_t bn_vocab_lookup (const BnVocab *self, const void *text, size_t length);

/* A lookup in steps, so that many can wait for memory together: each
 * step asks for what the next one reads. text stays until the end. */
typedef struct {
  const uint8_t *text;
  size_t length;
  uint64_t hash;
  uint32_t candidate;
} BnVocabQuery;

void bn_vocab_query_begin (
    const BnVocab *self, BnVocabQuery *query, const void *text, size_t length);
void bn_vocab_query_find (const BnVocab *self, BnVocabQuery *query);
void bn_vocab_query_read (const BnVocab *self, BnVocabQuery *query);
uint32_t bn_vocab_query_end (const BnVocab *self, const BnVocabQuery *query);

static inline const uint8_t *
bn_vocab_text (const BnVocab *self, uint32_t id, size_t *length)
{
  *length = self->texts.offsets[id + 1] - self->texts.offsets[id];
  return self->texts.bytes + self->texts.offsets[id];
}

/* What the token is in output; the text itself for all but ordinary and byte
 * tokens. */
static inline const uint8_t *
bn_vocab_piece (const BnVocab *self, uint32_t id, size_t *length)
{
  *length = self->pieces.offsets[id + 1] - self->pieces.offsets[id];
  return self->pieces.bytes + self->pieces.offsets[id];
}

/* The token of one byte, BN_TOKEN_NONE if the vocabulary has none. */
uint32_t bn_vocab_byte_token (const BnVocab *self, uint8_t byte);

/* The byte of "<0xXX>" with digits of either case, -1 for any other text. */
int bn_parse_byte_name (const void *name, size_t length);

/* The token whose text is "<0xXX>" in capital digits, BN_TOKEN_NONE if there is
 * none. */
uint32_t bn_vocab_lookup_byte_name (const BnVocab *self, uint8_t byte);

/* The byte that a character of the GPT-2 table stands for, -1 if none; and
 * the character of a byte. */
int bn_byte_level_decode (uint32_t cp);
uint32_t bn_byte_level_encode (uint8_t byte);

/* A hash of bytes, for the tables of this folder. */
uint64_t bn_hash (const void *data, size_t size, uint64_t seed);

/* memcmp() == 0 without a call for the lengths that tokens have. */
static inline gboolean
bn_equal (const uint8_t *a, const uint8_t *b, size_t size)
{
  uint64_t a64[2], b64[2];
  uint32_t a32[2], b32[2];

  if (size > 16)
    return memcmp (a, b, size) == 0;
  /* The last word may overlap the first. */
  if (size >= 8) {
    memcpy (&a64[0], a, 8);
    memcpy (&a64[1], a + size - 8, 8);
    memcpy (&b64[0], b, 8);
    memcpy (&b64[1], b + size - 8, 8);
    return ((a64[0] ^ b64[0]) | (a64[1] ^ b64[1])) == 0;
  }
  if (size >= 4) {
    memcpy (&a32[0], a, 4);
    memcpy (&a32[1], a + size - 4, 4);
    memcpy (&b32[0], b, 4);
    memcpy (&b32[1], b + size - 4, 4);
    return ((a32[0] ^ b32[0]) | (a32[1] ^ b32[1])) == 0;
  }
  return size == 0
         || (a[0] == b[0] && a[size / 2] == b[size / 2]
             && a[size - 1] == b[size - 1]);
}

/* Whether a search in an open hash table that was read comes to an end: it has
 * a power of two of slots, one of them free. Ids are compared where they are
 * used, so that what is not used is not read. */
gboolean bn_vocab_check_slots (const BnVocabSlot *slots, size_t n_slots);
