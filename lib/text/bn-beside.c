/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the files that lie beside a tokenizer. */
#include "bn-beside.h"

#include <string.h>

#include "bn-change.h"
#include "bn-json.h"

/* Members that name the token of a role. */
static const struct {
  const char *name;
  BnRole role;
} role_members[] = {
    {"bos_token", BN_ROLE_BOS},
    {"eos_token", BN_ROLE_EOS},
    {"unk_token", BN_ROLE_UNK},
    {"sep_token", BN_ROLE_SEP},
    {"pad_token", BN_ROLE_PAD},
    {"mask_token", BN_ROLE_MASK},
};

typedef void (*ReadFn) (BnBeside *self, BnJson root);

static void
clear_token (void *data)
{
  g_free (((BnBesideToken *) data)->text);
}

void
bn_beside_free (BnBeside *self)
{
  g_free (self->tokenizer_class);
  g_hash_table_unref (self->by_text);
  g_array_unref (self->added);
  g_array_unref (self->eog_ids);
  for (int i = 0; i < BN_N_ROLES; i++)
    g_free (self->roles[i]);
  g_free (self->chat_template);
  g_free (self);
}

static gboolean
is_object (BnJson json)
{
  return bn_json_get_type (json) == BN_JSON_OBJECT;
}

static gboolean
is_array (BnJson json)
{
  return bn_json_get_type (json) == BN_JSON_ARRAY;
}

/* A string without NUL bytes, else NULL. */
static char *
dup_string (BnJson json)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  const char *text;
  size_t length;

  if (bn_json_get_type (json) != BN_JSON_STRING)
    return NULL;
  bn_json_get_string (json, buffer, &text, &length);
  return memchr (text, '\0', length) ? NULL : g_strndup (text, length);
}

static void
read_setting (BnJson root, const char *name, BnSetting *setting)
{
  BnJson value;

  if (bn_json_find (root, name, &value)
      && bn_json_get_type (value) == BN_JSON_BOOLEAN)
    *setting = bn_json_get_boolean (value);
}

static unsigned
read_flags (BnJson object, gboolean is_special)
{
  static const struct {
    const char *name;
    unsigned flag;
  } members[] = {
      {"single_word", BN_ADDED_SINGLE_WORD},
      {"lstrip", BN_ADDED_LSTRIP},
      {"rstrip", BN_ADDED_RSTRIP},
      {"normalized", BN_ADDED_NORMALIZED},
      {"special", BN_ADDED_SPECIAL},
  };
  unsigned flags = is_special ? BN_ADDED_SPECIAL : 0;

  for (size_t i = 0; i < G_N_ELEMENTS (members); i++) {
    BnSetting setting = BN_UNSAID;

    read_setting (object, members[i].name, &setting);
    if (setting != BN_UNSAID)
      flags = setting ? flags | members[i].flag : flags & ~members[i].flag;
  }
  return flags;
}

const BnBesideToken *
bn_beside_find (const BnBeside *self, const char *text)
{
  void *index;

  return g_hash_table_lookup_extended (self->by_text, text, NULL, &index)
             ? &g_array_index (
                 self->added, BnBesideToken, GPOINTER_TO_UINT (index))
             : NULL;
}

/* Takes text. What is known of it stays. */
static void
add_token (BnBeside *self, char *text, uint32_t id, unsigned flags)
{
  BnBesideToken token = {text, id, flags};

  if (*text == '\0' || bn_beside_find (self, text)) {
    g_free (text);
    return;
  }
  g_hash_table_insert (
      self->by_text, text, GUINT_TO_POINTER (self->added->len));
  g_array_append_val (self->added, token);
}

/* A token is its text or an object with its text and flags. Returns the text,
 * or NULL. */
static char *
read_token (BnJson json, gboolean is_special, unsigned *flags)
{
  BnJson content;

  *flags = is_special ? BN_ADDED_SPECIAL : 0;
  if (!is_object (json))
    return dup_string (json);
  *flags = read_flags (json, is_special);
  return bn_json_find (json, "content", &content) ? dup_string (content) : NULL;
}

/* Roles and special tokens, in both files that name them. */
static void
read_special_tokens (BnBeside *self, BnJson root)
{
  BnJson value, element;
  BnJsonIter iter;
  unsigned flags;
  char *text;

  for (size_t i = 0; i < G_N_ELEMENTS (role_members); i++) {
    if (!bn_json_find (root, role_members[i].name, &value)
        || (text = read_token (value, TRUE, &flags)) == NULL)
      continue;
    if (self->roles[role_members[i].role] == NULL)
      self->roles[role_members[i].role] = g_strdup (text);
    add_token (self, text, BN_TOKEN_NONE, flags | BN_ADDED_SPECIAL);
  }
  /* The first token of BERT stands where others have BOS. */
  if (self->roles[BN_ROLE_BOS] == NULL
      && bn_json_find (root, "cls_token", &value)) {
    text = read_token (value, TRUE, &flags);
    self->roles[BN_ROLE_BOS] = g_strdup (text);
    if (text)
      add_token (self, text, BN_TOKEN_NONE, flags | BN_ADDED_SPECIAL);
  }
  if (!bn_json_find (root, "additional_special_tokens", &value)
      || !is_array (value))
    return;
  bn_json_iter_init (&iter, value);
  while (bn_json_iter_next (&iter, NULL, &element)) {
    if ((text = read_token (element, TRUE, &flags)))
      add_token (self, text, BN_TOKEN_NONE, flags | BN_ADDED_SPECIAL);
  }
}

/* {"50257": {"content": "<tool>", "special": false, ...}} */
static void
read_added_decoder (BnBeside *self, BnJson decoder)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  BnJson key, value;
  BnJsonIter iter;

  if (!is_object (decoder))
    return;
  bn_json_iter_init (&iter, decoder);
  while (bn_json_iter_next (&iter, &key, &value)) {
    const char *digits;
    size_t length;
    g_autofree char *number = NULL;
    guint64 id;
    unsigned flags;
    char *text;

    bn_json_get_string (key, buffer, &digits, &length);
    number = g_strndup (digits, length);
    if (!g_ascii_string_to_unsigned (
            number, 10, 0, BN_MAX_TOKENS - 1, &id, NULL))
      continue;
    if ((text = read_token (value, FALSE, &flags)))
      add_token (self, text, (uint32_t) id, flags);
  }
}

/* A string, or [{"name": "default", "template": "..."}]. */
static void
read_chat_template (BnBeside *self, BnJson value)
{
  BnJson element, member;
  BnJsonIter iter;

  if (self->chat_template)
    return;
  if (!is_array (value)) {
    self->chat_template = dup_string (value);
    return;
  }
  bn_json_iter_init (&iter, value);
  while (bn_json_iter_next (&iter, NULL, &element)) {
    if (is_object (element) && bn_json_find (element, "name", &member)
        && bn_json_equals (member, "default")
        && bn_json_find (element, "template", &member)
        && self->chat_template == NULL)
      self->chat_template = dup_string (member);
  }
}

static void
read_tokenizer_config (BnBeside *self, BnJson root)
{
  BnJson value;

  /* First what says most of a token. */
  if (bn_json_find (root, "added_tokens_decoder", &value))
    read_added_decoder (self, value);
  read_special_tokens (self, root);
  if (bn_json_find (root, "tokenizer_class", &value))
    self->tokenizer_class = dup_string (value);
  if (bn_json_find (root, "chat_template", &value))
    read_chat_template (self, value);
  read_setting (root, "add_bos_token", &self->add_bos);
  read_setting (root, "add_eos_token", &self->add_eos);
  read_setting (root, "add_prefix_space", &self->add_prefix_space);
  read_setting (root, "legacy", &self->legacy);
  read_setting (root, "clean_up_tokenization_spaces", &self->clean_spaces);
  read_setting (root, "do_lower_case", &self->do_lower_case);
  read_setting (root, "strip_accents", &self->strip_accents);
  read_setting (root, "tokenize_chinese_chars", &self->tokenize_chinese_chars);
}

/* {"<tool>": 50257} */
static void
read_added_tokens (BnBeside *self, BnJson root)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  BnJson key, value;
  BnJsonIter iter;

  bn_json_iter_init (&iter, root);
  while (bn_json_iter_next (&iter, &key, &value)) {
    BnBesideToken *known = NULL;
    char *text = dup_string (key);
    uint64_t id;

    if (text == NULL || !bn_json_get_uint (value, BN_MAX_TOKENS - 1, &id)) {
      g_free (text);
      continue;
    }
    known = (BnBesideToken *) bn_beside_find (self, text);
    if (known && known->id == BN_TOKEN_NONE)
      known->id = (uint32_t) id;
    add_token (self, text, (uint32_t) id, 0);
  }
}

static void
add_eog (BnBeside *self, BnJson value)
{
  uint64_t id;
  uint32_t token;

  if (bn_json_get_type (value) != BN_JSON_NUMBER
      || !bn_json_get_uint (value, BN_MAX_TOKENS - 1, &id))
    return;
  token = (uint32_t) id;
  g_array_append_val (self->eog_ids, token);
}

static void
read_generation_config (BnBeside *self, BnJson root)
{
  BnJson value, element;
  BnJsonIter iter;

  if (!bn_json_find (root, "eos_token_id", &value))
    return;
  if (!is_array (value)) {
    add_eog (self, value);
    return;
  }
  bn_json_iter_init (&iter, value);
  while (bn_json_iter_next (&iter, NULL, &element))
    add_eog (self, element);
}

/* The configuration of a model: how it stretches positions tells LLaMA 3.1
 * from 3.0, whose vocabularies are the same file. */
static void
read_model_config (BnBeside *self, BnJson root)
{
  BnJson value, type;
  BnSetting scaled = BN_UNSAID;

  read_setting (root, "use_scaled_rope", &scaled);
  if (scaled == TRUE)
    self->scales_rope = TRUE;
  if (bn_json_find (root, "rope_scaling", &value) && is_object (value)
      && bn_json_find (value, "rope_type", &type)
      && bn_json_equals (type, "llama3"))
    self->scales_rope = TRUE;
}

static void
read_template_json (BnBeside *self, BnJson root)
{
  BnJson value;

  if (bn_json_find (root, "chat_template", &value))
    read_chat_template (self, value);
}

/* Reads a file that may not be there. */
static void
read_file (
    BnBeside *self, const BnFolder *folder, const char *name, ReadFn read)
{
  g_auto (BnOpenFile) open = {.path = NULL};
  g_autoptr (GError) error = NULL;
  BnJsonDocument document = {.path = NULL};
  BnJson root;

  if (!folder->open (folder, name, &open, &error)) {
    if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
      g_warning ("%s; it is left out", error->message);
    return;
  }
  document.path = open.file.path;
  document.text = open.file.text;
  document.size = open.file.size;
  if (!bn_json_open (&document, &root, &error)
      || !bn_json_expect (root, BN_JSON_OBJECT, &error)) {
    g_warning ("%s; the file is left out", error->message);
    return;
  }
  read (self, root);
}

static void
read_template (BnBeside *self, const BnFolder *folder, const char *name)
{
  g_auto (BnOpenFile) open = {.path = NULL};
  g_autoptr (GError) error = NULL;

  if (self->chat_template)
    return;
  if (!folder->open (folder, name, &open, &error)) {
    if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
      g_warning ("%s; it is left out", error->message);
  } else if (memchr (open.file.text, '\0', open.file.size)
             || !g_utf8_validate (
                 open.file.text, (gssize) open.file.size, NULL)) {
    g_warning ("%s: found bytes that are not UTF-8 text; it is left out",
        open.file.path);
  } else {
    self->chat_template = g_strndup (open.file.text, open.file.size);
  }
}

BnBeside *
bn_beside_new (const BnFolder *folder)
{
  BnBeside *self = g_new0 (BnBeside, 1);

  self->added = g_array_new (FALSE, FALSE, sizeof (BnBesideToken));
  g_array_set_clear_func (self->added, clear_token);
  self->by_text = g_hash_table_new (g_str_hash, g_str_equal);
  self->eog_ids = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  self->add_bos = self->add_eos = BN_UNSAID;
  self->add_prefix_space = self->legacy = self->clean_spaces = BN_UNSAID;
  self->do_lower_case = self->strip_accents = BN_UNSAID;
  self->tokenize_chinese_chars = BN_UNSAID;
  if (folder == NULL)
    return self;

  /* What one file says, the later ones do not change. */
  read_file (self, folder, "tokenizer_config.json", read_tokenizer_config);
  read_file (self, folder, "special_tokens_map.json", read_special_tokens);
  read_file (self, folder, "added_tokens.json", read_added_tokens);
  read_file (self, folder, "generation_config.json", read_generation_config);
  read_file (self, folder, "config.json", read_model_config);
  read_file (self, folder, "params.json", read_model_config);
  read_template (self, folder, "chat_template.jinja");
  if (self->chat_template == NULL)
    read_file (self, folder, "chat_template.json", read_template_json);
  return self;
}

static void
mark_eog (BnVocab *vocab, uint32_t id)
{
  if (!(vocab->attributes[id] & BN_TOKEN_EOG))
    bn_vocab_edit_attributes (vocab)[id] |= BN_TOKEN_EOG;
}

void
bn_beside_apply (const BnBeside *self, BnTokenizer *tokenizer)
{
  /* The tokenizer is new: nobody reads its vocabulary yet. */
  BnVocab *vocab = (BnVocab *) tokenizer->vocab;

  for (int role = 0; role < BN_N_ROLES; role++) {
    uint32_t id = self->roles[role] ? bn_vocab_lookup (
                      vocab, self->roles[role], strlen (self->roles[role]))
                                    : BN_TOKEN_NONE;

    if (id == BN_TOKEN_NONE)
      continue;
    vocab->roles[role] = id;
    if (role == BN_ROLE_EOS)
      mark_eog (vocab, id);
  }
  for (guint i = 0; i < self->eog_ids->len; i++) {
    uint32_t id = g_array_index (self->eog_ids, uint32_t, i);

    if (id >= vocab->n_tokens)
      continue;
    mark_eog (vocab, id);
    if (vocab->roles[BN_ROLE_EOS] == BN_TOKEN_NONE)
      vocab->roles[BN_ROLE_EOS] = id;
  }
  if (self->add_bos != BN_UNSAID)
    bn_tokenizer_set_edge (tokenizer, FALSE, self->add_bos);
  if (self->add_eos != BN_UNSAID)
    bn_tokenizer_set_edge (tokenizer, TRUE, self->add_eos);
  if (self->clean_spaces != BN_UNSAID)
    tokenizer->clean_spaces = self->clean_spaces;
  if (self->chat_template) {
    g_free (tokenizer->chat_template);
    tokenizer->chat_template = g_strdup (self->chat_template);
  }
}
