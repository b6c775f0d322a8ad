/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compiled tables of tokenizer.json: a later start gives what the first has
 * given, without opening the file where a digest or a note stands for it; what
 * is wrong in the tables leads to a start from the file. */
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

#include "bitnet-tokenizer-private.h"
#include "bn-digest.h"
#include "bn-source.h"
#include "test-folder.h"

enum {
  N_TOKENS = 17000, /* more than make it pay to keep tables */
  N_MERGES = 4000,
  HEADER_SIZE = 48,
  N_SECTIONS_OFFSET = 40,
  SECTION_SIZE = 24,
};

#define NAME "tokenizer.json"
#define SPLIT                                                                  \
  "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"                        \
  "\"trim_offsets\":true,\"use_regex\":true}"

/* What varies from document to document. */
typedef struct {
  const char *name;
  const char *normalizer;
  const char *model; /* members in front of the lists */
  gboolean merges_first;
  gboolean has_texts_changed; /* of added tokens, by the normalizer */
  guint n_tokens;
} Variant;

static const Variant variants[] = {
    {"plain", "null", "", FALSE, FALSE, N_TOKENS},
    {"merges-first", "null", "\"unk_token\": null,", TRUE, FALSE, N_TOKENS},
    {"ignores-merges", "null", "\"ignore_merges\":true,", FALSE, FALSE,
        N_TOKENS},
    {"normalized", "{\"type\":\"NFC\"}", "", FALSE, FALSE, N_TOKENS},
    {"unknown", "null", "\"unk_token\":\"t7\",\"fuse_unk\":true,", TRUE, FALSE,
        N_TOKENS},
};

static const Variant not_kept[] = {
    {"small", "null", "", FALSE, FALSE, 8000},
    {"suffix", "null", "\"end_of_word_suffix\":\"s\",", FALSE, FALSE, N_TOKENS},
    {"changed", "{\"type\":\"Lowercase\"}", "", FALSE, TRUE, N_TOKENS},
};

typedef struct {
  char *root;
  char *tables; /* folder of them */
  char *path;   /* of the file */
} Fixture;

static void
add_vocab (GString *out, guint n_tokens)
{
  g_string_append (out, "\"vocab\" : {");
  for (guint byte = 0; byte < 256; byte++) {
    gunichar cp = bn_byte_level_encode ((guint8) byte);

    g_string_append (out, cp == '"' || cp == '\\' ? "\"\\" : "\"");
    g_string_append_unichar (out, cp);
    g_string_append_printf (out, "\":%u,", byte);
  }
  for (guint i = 0; i < n_tokens; i++)
    g_string_append_printf (out, "%s\"t%u\": %u", i ? "," : "", i, 256 + i);
  g_string_append (out, "}");
}

static void
add_merges (GString *out)
{
  g_string_append (out, "\"merges\":[");
  for (guint i = 0; i < N_MERGES; i++) {
    g_string_append (out, i ? "," : "");
    if (i < 10)
      g_string_append_printf (out, "\"t %u\"", i);
    else
      g_string_append_printf (out, "\"t%u %u\"", i / 10, i % 10);
  }
  g_string_append (out, "]");
}

static void
add_token (GString *out, const char *text, guint id, const char *flags)
{
  g_string_append_printf (out,
      "%s{\"id\":%u,\"content\":\"%s\",\"single_word\":false,%s}",
      out->str[out->len - 1] == '[' ? "" : ",", id, text, flags);
}

static char *
make_json (const Variant *variant)
{
  static const char special[] =
      "\"lstrip\":false,\"rstrip\":false,\"special\":true,\"normalized\":false";
  guint next = 256 + variant->n_tokens;
  GString *out = g_string_new ("{\n \"version\":\"1.0\",\"added_tokens\":[");

  add_token (out, "<|begin|>", next, special);
  add_token (out, "<|eot_id|>", next + 1, special);
  add_token (out, "[PAD]", next + 2, special);
  add_token (out, "<tool>", next + 3,
      "\"lstrip\":true,\"rstrip\":false,\"special\":false,\"normalized\":"
      "false");
  add_token (out, "t123", 256 + 123, special); /* the model knows it */
  if (variant->has_texts_changed)
    add_token (out, "<TOOL>", next + 4,
        "\"lstrip\":false,\"rstrip\":false,\"special\":false,"
        "\"normalized\":true");
  g_string_append_printf (out,
      "],\"normalizer\":%s,\"pre_tokenizer\":" SPLIT ",\"model\":"
      "{\"type\":\"BPE\",\"dropout\":null,%s",
      variant->normalizer, variant->model);
  if (variant->merges_first) {
    add_merges (out);
    g_string_append (out, " , ");
    add_vocab (out, variant->n_tokens);
  } else {
    add_vocab (out, variant->n_tokens);
    g_string_append (out, ",\n");
    add_merges (out);
  }
  g_string_append_printf (out,
      "},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":"
      "[{\"SpecialToken\":{\"id\":\"<|begin|>\",\"type_id\":0}},"
      "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":"
      "[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
      "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],\"special_tokens\":"
      "{\"<|begin|>\":{\"id\":\"<|begin|>\",\"ids\":[%u],"
      "\"tokens\":[\"<|begin|>\"]}}},\"decoder\":" SPLIT "}",
      next);
  return g_string_free (out, FALSE);
}

static void
write_file (const char *path, const void *content, gsize size)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (path, content, (gssize) size,
      G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
  g_assert_no_error (error);
}

static void
write_variant (Fixture *self, const Variant *variant)
{
  g_autofree char *json = make_json (variant);

  write_file (self->path, json, strlen (json));
}

static void
set_up (Fixture *self, gconstpointer data)
{
  self->root = test_folder_new ();
  self->tables = g_build_filename (self->root, "v1", "compiled", NULL);
  self->path = g_build_filename (self->root, NAME, NULL);
  g_setenv ("BITNET_TOKENIZER_CACHE", self->root, TRUE);
  g_setenv ("BITNET_COMPILED", "1", TRUE);
  write_variant (self, data ? data : &variants[0]);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  test_folder_remove (self->root);
  g_free (self->tables);
  g_free (self->path);
}

static BitnetTokenizer *
start_file (const char *path, BitnetFidelity fidelity)
{
  g_autoptr (GError) error = NULL;
  BitnetTokenizer *tokenizer =
      bitnet_tokenizer_new_from_file (path, fidelity, NULL, &error);

  g_assert_no_error (error);
  return tokenizer;
}

static gboolean
is_mapped (BitnetTokenizer *tokenizer)
{
  return bitnet_tokenizer_get_inner (tokenizer)->vocab->compiled != NULL;
}

/* All that a tokenizer says of itself, and what it does with a text. */
static char *
describe (BitnetTokenizer *tokenizer)
{
  static const char text[] = "hello t12 t3999 t399t123t5t6 <tool>\xC3\xA9 "
                             "e\xCC\x81<|eot_id|></s> [PAD] <TOOL> aaaaa\n\n ";
  GString *out = g_string_new (bitnet_tokenizer_get_id (tokenizer));

  for (int parses = 0; parses < 2; parses++) {
    gsize n_ids, length;
    g_autofree guint32 *ids = bitnet_tokenizer_encode (tokenizer, text, -1,
        parses ? BITNET_ENCODE_PARSE_SPECIAL | BITNET_ENCODE_ADD_SPECIAL
               : BITNET_ENCODE_NONE,
        &n_ids, NULL);
    g_autofree char *decoded = bitnet_tokenizer_decode (tokenizer, ids, n_ids,
        parses ? BITNET_DECODE_SPECIAL : BITNET_DECODE_NONE, &length, NULL);

    for (gsize i = 0; i < n_ids; i++)
      g_string_append_printf (out, " %u", ids[i]);
    g_string_append_printf (out, " \"%s\"", decoded);
  }
  for (int role = 0; role <= BITNET_SPECIAL_MASK; role++)
    g_string_append_printf (
        out, " %u", bitnet_tokenizer_get_special (tokenizer, role));
  for (guint32 id = 256 + N_TOKENS; id < 256 + N_TOKENS + 5; id++)
    g_string_append_printf (out, " %u%s",
        (guint) bitnet_tokenizer_get_attributes (tokenizer, id),
        bitnet_tokenizer_is_eog (tokenizer, id) ? "!" : "");
  g_string_append_printf (out, " %d%d %s %s %s",
      bitnet_tokenizer_get_add_bos (tokenizer),
      bitnet_tokenizer_get_add_eos (tokenizer),
      bitnet_tokenizer_get_pre (tokenizer),
      bitnet_tokenizer_get_algorithm (tokenizer),
      bitnet_tokenizer_get_chat_template (tokenizer));
  return g_string_free (out, FALSE);
}

/* Starts and compares with expected, which is made if it is NULL. */
static void
check_start (Fixture *self, BitnetFidelity fidelity, gboolean expects_mapped,
    char **expected)
{
  g_autoptr (BitnetTokenizer) tokenizer = start_file (self->path, fidelity);
  g_autofree char *found = describe (tokenizer);

  g_assert_cmpint (is_mapped (tokenizer), ==, expects_mapped);
  if (*expected == NULL)
    *expected = g_strdup (found);
  g_assert_cmpstr (found, ==, *expected);
}

static guint
count_files (Fixture *self, const char *end)
{
  g_autoptr (GDir) dir = g_dir_open (self->tables, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir && (name = g_dir_read_name (dir)))
    n += g_str_has_suffix (name, end);
  return n;
}

static char *
find_table (Fixture *self)
{
  g_autoptr (GDir) dir = g_dir_open (self->tables, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    if (g_str_has_suffix (name, ".btok"))
      return g_build_filename (self->tables, name, NULL);
  }
  g_assert_not_reached ();
}

/* Starts until there are so many notes, which takes a moment after each
 * change. */
static void
start_until_noted (Fixture *self, guint n_notes)
{
  gint64 deadline = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;

  while (count_files (self, ".note") < n_notes) {
    g_autoptr (BitnetTokenizer) tokenizer =
        start_file (self->path, BITNET_FIDELITY_AUTO);

    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  }
}

static void
test_second_start (Fixture *self, gconstpointer data)
{
  const BitnetFidelity fidelities[] = {
      BITNET_FIDELITY_HUGGINGFACE, BITNET_FIDELITY_LLAMA_CPP};
  const Variant *variant = data;
  g_autofree char *first = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (fidelities); i++) {
    g_autofree char *expected = NULL;

    g_setenv ("BITNET_COMPILED", "0", TRUE);
    check_start (self, fidelities[i], FALSE, &expected);
    g_assert_cmpuint (count_files (self, ".btok"), ==, i);
    g_setenv ("BITNET_COMPILED", "1", TRUE);
    check_start (self, fidelities[i], FALSE, &expected);
    g_assert_cmpuint (count_files (self, ".btok"), ==, i + 1);
    check_start (self, fidelities[i], TRUE, &expected);
    check_start (self, fidelities[i], TRUE, &expected);
    if (i == 0)
      first = g_steal_pointer (&expected);
  }
  check_start (self, BITNET_FIDELITY_AUTO, TRUE, &first);
  start_until_noted (self, 1);
  check_start (self, BITNET_FIDELITY_AUTO, TRUE, &first);
  g_assert_cmpuint (count_files (self, ".btok"), ==, 2);
  if (strcmp (variant->name, "plain") == 0)
    g_assert_nonnull (strstr (first, "bpe"));
}

/* What is no byte-level BPE, small, or decoded with texts of its own. */
static void
test_not_kept (Fixture *self, gconstpointer data)
{
  g_autofree char *expected = NULL;

  for (int i = 0; i < 3; i++)
    check_start (self, BITNET_FIDELITY_AUTO, FALSE, &expected);
  g_assert_cmpuint (count_files (self, ".btok"), ==, 0);
}

/* What lies beside the file is read at each start. */
static void
test_companions (Fixture *self, gconstpointer data)
{
  static const char config[] =
      "{\"eos_token\":\"t16\",\"chat_template\":\"%s\","
      "\"add_eos_token\":true}";
  g_autofree char *plain = NULL;
  g_autofree char *path =
      g_build_filename (self->root, "tokenizer_config.json", NULL);

  check_start (self, BITNET_FIDELITY_AUTO, FALSE, &plain);
  for (int i = 0; i < 2; i++) {
    g_autofree char *text = g_strdup_printf (config, i ? "two" : "one");
    g_autofree char *cold = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = NULL;

    write_file (path, text, strlen (text));
    g_setenv ("BITNET_COMPILED", "0", TRUE);
    check_start (self, BITNET_FIDELITY_AUTO, FALSE, &cold);
    g_setenv ("BITNET_COMPILED", "1", TRUE);
    check_start (self, BITNET_FIDELITY_AUTO, TRUE, &cold);
    g_assert_cmpstr (cold, !=, plain);
    tokenizer = start_file (self->root, BITNET_FIDELITY_AUTO);
    g_assert_true (is_mapped (tokenizer));
    g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 256 + 16));
    g_assert_cmpstr (
        bitnet_tokenizer_get_chat_template (tokenizer), ==, i ? "two" : "one");
  }
  g_assert_cmpint (g_unlink (path), ==, 0);
  check_start (self, BITNET_FIDELITY_AUTO, TRUE, &plain);
}

/* One token of the file, in place and with a note of the file as it was. */
static void
test_changed (Fixture *self, gconstpointer data)
{
  g_autofree char *content = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  gsize size;
  char *token;
  FILE *file;

  start_until_noted (self, 1);
  g_assert_true (g_file_get_contents (self->path, &content, &size, NULL));
  token = strstr (content, "t16999");
  g_assert_nonnull (token);
  file = g_fopen (self->path, "r+");
  g_assert_nonnull (file);
  g_assert_cmpint (fseek (file, token + 1 - content, SEEK_SET), ==, 0);
  g_assert_cmpint (fputc ('x', file), ==, 'x');
  fclose (file);

  tokenizer = start_file (self->path, BITNET_FIDELITY_AUTO);
  g_assert_false (is_mapped (tokenizer));
  g_assert_cmpuint (
      bitnet_tokenizer_lookup (tokenizer, "tx6999"), ==, 256 + 16999);
  g_assert_cmpuint (
      bitnet_tokenizer_lookup (tokenizer, "t16999"), ==, BITNET_TOKEN_NONE);
}

static void
test_off (Fixture *self, gconstpointer data)
{
  g_autofree char *expected = NULL;

  g_setenv ("BITNET_COMPILED", "0", TRUE);
  check_start (self, BITNET_FIDELITY_AUTO, FALSE, &expected);
  check_start (self, BITNET_FIDELITY_AUTO, FALSE, &expected);
  g_assert_false (g_file_test (self->tables, G_FILE_TEST_EXISTS));
}

/* A folder that knows the digests of its files, as that of a hub does. */
typedef struct {
  BnFolder base;
  GBytes *bytes;
  const char *digest;
  guint n_opened;
} HubFolder;

static gboolean
hub_open (
    const BnFolder *folder, const char *name, BnOpenFile *file, GError **error)
{
  HubFolder *self = (HubFolder *) folder;

  if (strcmp (name, NAME) != 0) {
    g_set_error (
        error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s: no such file", name);
    return FALSE;
  }
  self->n_opened++;
  return bn_file_open_bytes (file, "owner/name/" NAME, self->bytes, error);
}

static gboolean
hub_identify (
    const BnFolder *folder, const char *name, BnFileIdentity *identity)
{
  const HubFolder *self = (const HubFolder *) folder;

  if (strcmp (name, NAME) != 0)
    return FALSE;
  *identity = (BnFileIdentity){.n_bytes = strlen (self->digest),
      .size = g_bytes_get_size (self->bytes),
      .is_content = TRUE};
  memcpy (identity->bytes, self->digest, identity->n_bytes);
  return TRUE;
}

static void
check_hub (HubFolder *hub, const char *name, BitnetFidelity fidelity,
    gboolean is_opened, char **expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autofree char *found = NULL;

  hub->n_opened = 0;
  tokenizer = bitnet_tokenizer_new_from_folder (
      &hub->base, name, fidelity, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (hub->n_opened, ==, is_opened ? 1 : 0);
  g_assert_cmpint (is_mapped (tokenizer), ==, !is_opened);
  found = describe (tokenizer);
  if (*expected == NULL)
    *expected = g_strdup (found);
  g_assert_cmpstr (found, ==, *expected);
}

static void
test_hub (Fixture *self, gconstpointer data)
{
  HubFolder hub = {.base = {"owner/name", hub_open, hub_identify},
      .digest = "0123456789abcdef"};
  g_autofree char *json = make_json (&variants[0]);
  g_autofree char *other_json = make_json (&variants[3]);
  g_autofree char *expected = NULL, *as_llama = NULL, *other = NULL;
  g_autofree char *table = NULL;

  hub.bytes = g_bytes_new (json, strlen (json));
  check_hub (&hub, NAME, BITNET_FIDELITY_AUTO, TRUE, &expected);
  check_hub (&hub, NAME, BITNET_FIDELITY_AUTO, FALSE, &expected);
  check_hub (&hub, NULL, BITNET_FIDELITY_HUGGINGFACE, FALSE, &expected);
  /* A file of the same content on disk is another source. */
  check_start (self, BITNET_FIDELITY_AUTO, FALSE, &expected);

  check_hub (&hub, NAME, BITNET_FIDELITY_LLAMA_CPP, TRUE, &as_llama);
  check_hub (&hub, NAME, BITNET_FIDELITY_LLAMA_CPP, FALSE, &as_llama);
  g_assert_cmpstr (as_llama, !=, expected);
  g_bytes_unref (hub.bytes);

  hub.digest = "0123456789abcdee";
  hub.bytes = g_bytes_new (other_json, strlen (other_json));
  check_hub (&hub, NAME, BITNET_FIDELITY_AUTO, TRUE, &other);
  check_hub (&hub, NAME, BITNET_FIDELITY_AUTO, FALSE, &other);
  g_assert_cmpstr (other, !=, expected);

  hub.base.identify = NULL;
  check_hub (&hub, NAME, BITNET_FIDELITY_AUTO, TRUE, &other);
  g_bytes_unref (hub.bytes);
}

/* Tables that are wrong. */

typedef struct {
  guint32 id, element_size;
  guint64 offset, n_elements;
} Section;

G_STATIC_ASSERT (sizeof (Section) == SECTION_SIZE);

/* Where the description of a section is. */
static guint8 *
find_section (guint8 *content, guint32 id, Section *section)
{
  guint32 n;

  memcpy (&n, content + N_SECTIONS_OFFSET, sizeof n);
  for (guint32 i = 0; i < n; i++) {
    guint8 *p = content + HEADER_SIZE + i * SECTION_SIZE;

    memcpy (section, p, sizeof *section);
    if (section->id == id)
      return p;
  }
  g_assert_not_reached ();
}

/* Writes them with a right digest, as somebody with the key could. */
static void
write_forged (Fixture *self, const char *path, guint8 *content, gsize size)
{
  g_autofree char *key_path = g_build_filename (self->tables, "key", NULL);
  g_autofree char *secret = NULL;
  BnDigester digester;
  BnDigest digest;
  BnDigestKey key;
  gsize secret_size;

  g_assert_true (g_file_get_contents (key_path, &secret, &secret_size, NULL));
  g_assert_cmpuint (secret_size, ==, BN_DIGEST_SECRET_SIZE);
  bn_digest_key_init (&key, (const guint8 *) secret);
  bn_digester_init (&digester, &key);
  bn_digester_update (&digester, content, size - sizeof digest);
  bn_digester_finish (&digester, &digest);
  memcpy (content + size - sizeof digest, &digest, sizeof digest);
  write_file (path, content, size);
}

/* What is done to a section. */
typedef enum {
  LOSE,
  SHORTEN,
  EMPTY,
  GARBLE,
  N_FORGERIES,
} Forgery;

static void
forge (guint8 *content, guint32 id, Forgery forgery)
{
  Section section;
  guint8 *p = find_section (content, id, &section);

  switch (forgery) {
    case LOSE:
      section.id =
          id == BN_SECTION_WORDS ? BN_SECTION_NEIGHBOURS : BN_SECTION_WORDS;
      break;
    case SHORTEN:
      section.n_elements--;
      break;
    case EMPTY:
      section.n_elements = 0;
      break;
    default:
      memset (content + section.offset, 0xFF,
          (gsize) MIN (section.n_elements * section.element_size, 64));
      break;
  }
  memcpy (p, &section, sizeof section);
}

static void
test_forged (Fixture *self, gconstpointer data)
{
  static const BnSectionId ids[] = {BN_SECTION_VOCAB, BN_SECTION_ATTRIBUTES,
      BN_SECTION_TEXT_OFFSETS, BN_SECTION_PIECE_OFFSETS, BN_SECTION_MERGES,
      BN_SECTION_MERGE_SLOTS, BN_SECTION_JSON, BN_SECTION_ADDED};
  g_autofree char *expected = NULL, *table = NULL, *content = NULL;
  gsize size;

  check_start (self, BITNET_FIDELITY_AUTO, FALSE, &expected);
  table = find_table (self);
  g_assert_true (g_file_get_contents (table, &content, &size, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (ids); i++) {
    for (Forgery forgery = LOSE; forgery < N_FORGERIES; forgery++) {
      g_autofree guint8 *copy = g_memdup2 (content, size);

      /* Attributes and merges that are others are only that. */
      if (forgery == GARBLE && ids[i] != BN_SECTION_JSON
          && ids[i] != BN_SECTION_ADDED && ids[i] != BN_SECTION_MERGES)
        continue;
      forge (copy, ids[i], forgery);
      write_forged (self, table, copy, size);
      check_start (self, BITNET_FIDELITY_AUTO, FALSE, &expected);
      check_start (self, BITNET_FIDELITY_AUTO, TRUE, &expected);
    }
  }
}

/* Any content with a right digest gives a tokenizer, and no id that it has
 * not. */
static void
test_forged_anywhere (Fixture *self, gconstpointer data)
{
  static const guint8 garbage[] = {
      0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  g_autofree char *table = NULL, *content = NULL, *expected = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  gsize size;

  check_start (self, BITNET_FIDELITY_AUTO, FALSE, &expected);
  table = find_table (self);
  g_assert_true (g_file_get_contents (table, &content, &size, NULL));
  for (int i = 0; i < 60; i++) {
    g_autofree guint8 *copy = g_memdup2 (content, size);
    g_autoptr (BitnetTokenizer) tokenizer = NULL;
    g_autofree char *description = NULL;

    for (int j = 0; j < 20; j++) {
      gsize pos = (gsize) g_rand_int_range (
          rand, HEADER_SIZE, (gint32) (size - sizeof garbage));

      memcpy (copy + pos, garbage, (gsize) g_rand_int_range (rand, 1, 8));
    }
    write_forged (self, table, copy, size);
    tokenizer = start_file (self->path, BITNET_FIDELITY_AUTO);
    description = describe (tokenizer);
    g_assert_nonnull (description);
  }
}

/* Without a right digest nothing is believed. */
static void
test_broken (Fixture *self, gconstpointer data)
{
  g_autofree char *expected = NULL, *table = NULL, *content = NULL;
  gsize size;

  check_start (self, BITNET_FIDELITY_AUTO, FALSE, &expected);
  table = find_table (self);
  g_assert_true (g_file_get_contents (table, &content, &size, NULL));
  for (gsize i = 0; i < 16; i++) {
    gsize pos = i * (size - 1) / 15;

    content[pos] ^= 0x10;
    write_file (table, content, size);
    content[pos] ^= 0x10;
    check_start (self, BITNET_FIDELITY_AUTO, FALSE, &expected);
    write_file (table, content, pos);
    check_start (self, BITNET_FIDELITY_AUTO, FALSE, &expected);
  }
  check_start (self, BITNET_FIDELITY_AUTO, TRUE, &expected);
}

/* Real vocabularies, with what the reference makes of hard texts. */

static void
check_rows (BitnetTokenizer *tokenizer, const char *contents)
{
  g_auto (GStrv) lines = g_strsplit (contents, "\n", -1);
  guint n_rows = 0;

  for (; lines[n_rows] && *lines[n_rows]; n_rows++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = json_from_string (lines[n_rows], &error);
    JsonObject *row;
    JsonArray *expected;
    g_autofree guint32 *ids = NULL;
    g_autofree char *decoded = NULL;
    gsize n_ids;

    g_assert_no_error (error);
    row = json_node_get_object (node);
    expected = json_object_get_array_member (row, "ids");
    ids = bitnet_tokenizer_encode (tokenizer,
        json_object_get_string_member (row, "text"), -1, BITNET_ENCODE_NONE,
        &n_ids, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (n_ids, ==, json_array_get_length (expected));
    for (guint i = 0; i < n_ids; i++)
      g_assert_cmpint (ids[i], ==, json_array_get_int_element (expected, i));
    decoded = bitnet_tokenizer_decode (
        tokenizer, ids, n_ids, BITNET_DECODE_SPECIAL, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (
        decoded, ==, json_object_get_string_member (row, "decoded"));
  }
  g_assert_cmpuint (n_rows, ==, 1500);
}

static void
test_goldens (Fixture *self, gconstpointer data)
{
  static const char *const names[] = {"gpt-2", "llama-3"};
  const char *reference = g_getenv ("BITNET_REFERENCE_DATA");
  guint n_done = 0;

  for (gsize i = 0; reference && i < G_N_ELEMENTS (names); i++) {
    g_autofree char *rows_name = g_strconcat (names[i], ".jsonl", NULL);
    g_autofree char *rows_path =
        g_build_filename (reference, "goldens", rows_name, NULL);
    g_autofree char *rows = NULL, *expected = NULL;

    g_free (self->path);
    self->path =
        g_build_filename (reference, "tokenizers", names[i], NAME, NULL);
    if (!g_file_test (self->path, G_FILE_TEST_EXISTS)
        || !g_file_get_contents (rows_path, &rows, NULL, NULL))
      continue;
    check_start (self, BITNET_FIDELITY_AUTO, FALSE, &expected);
    check_start (self, BITNET_FIDELITY_AUTO, TRUE, &expected);
    {
      g_autoptr (BitnetTokenizer) tokenizer =
          start_file (self->path, BITNET_FIDELITY_AUTO);

      g_assert_true (is_mapped (tokenizer));
      check_rows (tokenizer, rows);
    }
    n_done++;
  }
  if (n_done == 0)
    g_test_skip ("no reference data");
}

#define ADD(name, variant, function)                                           \
  g_test_add (                                                                 \
      "/compiled-json/" name, Fixture, variant, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (variants); i++) {
    g_autofree char *path =
        g_strconcat ("/compiled-json/second-start/", variants[i].name, NULL);

    g_test_add (
        path, Fixture, &variants[i], set_up, test_second_start, tear_down);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (not_kept); i++) {
    g_autofree char *path =
        g_strconcat ("/compiled-json/not-kept/", not_kept[i].name, NULL);

    g_test_add (path, Fixture, &not_kept[i], set_up, test_not_kept, tear_down);
  }
  ADD ("companions", NULL, test_companions);
  ADD ("changed", NULL, test_changed);
  ADD ("off", NULL, test_off);
  ADD ("hub", NULL, test_hub);
  ADD ("forged", NULL, test_forged);
  ADD ("forged-anywhere", NULL, test_forged_anywhere);
  ADD ("broken", NULL, test_broken);
  ADD ("goldens", NULL, test_goldens);
  return g_test_run ();
}
