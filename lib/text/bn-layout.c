/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel and
 * Sequence. Offsets and type ids, which they set too, nobody asks for. */
#include "bn-layout.h"

#include <string.h>

enum {
  MAX_ITEMS = 4096, /* of a layout */
  MAX_TEXTS = 16,   /* of them, texts: each may be long */
};

typedef struct {
  uint32_t n_tokens;
  BnLayout *single, *pair;
  GError **error;
} Reader;

void
bn_layout_clear (BnLayout *self)
{
  g_clear_pointer (&self->items, g_free);
  self->n_items = 0;
}

static void
set_layout (BnLayout *layout, const uint32_t *items, size_t n_items)
{
  bn_layout_clear (layout);
  layout->items = g_memdup2 (items, n_items * sizeof *items);
  layout->n_items = n_items;
}

static gboolean
read_token (BnJson json, uint32_t *id, Reader *s)
{
  uint64_t value;

  if (!bn_json_get_uint (json, UINT32_MAX, &value) || value >= s->n_tokens)
    return bn_json_fail (
        json, s->error, "a token, which is a number below %u", s->n_tokens);
  *id = (uint32_t) value;
  return TRUE;
}

/* ["[SEP]", 102] */
static gboolean
read_named_token (BnJson object, const char *name, uint32_t *id, Reader *s)
{
  BnJson value, element;
  BnJsonIter iter;

  if (!bn_json_expect_member (object, name, BN_JSON_ARRAY, &value, s->error))
    return FALSE;
  bn_json_iter_init (&iter, value);
  if (!bn_json_iter_next (&iter, NULL, &element)
      || bn_json_get_type (element) != BN_JSON_STRING
      || !bn_json_iter_next (&iter, NULL, &element))
    return bn_json_fail (value, s->error, "a text and a number");
  return read_token (element, id, s);
}

static gboolean
read_bert (BnJson json, gboolean is_roberta, Reader *s)
{
  uint32_t sep, cls;

  if (!read_named_token (json, "sep", &sep, s)
      || !read_named_token (json, "cls", &cls, s))
    return FALSE;
  set_layout (s->single, (uint32_t[]){cls, BN_LAYOUT_A, sep}, 3);
  if (is_roberta)
    set_layout (
        s->pair, (uint32_t[]){cls, BN_LAYOUT_A, sep, sep, BN_LAYOUT_B, sep}, 6);
  else
    set_layout (
        s->pair, (uint32_t[]){cls, BN_LAYOUT_A, sep, BN_LAYOUT_B, sep}, 5);
  return TRUE;
}

/* A special of a template, which may stand for several tokens. */
static gboolean
append_special (BnJson special_tokens, BnJson name, GArray *items, Reader *s)
{
  BnJson key, value, ids;
  gboolean is_found = FALSE;
  BnJsonIter iter;
  g_autoptr (GString) wanted_buffer = g_string_new (NULL);
  g_autoptr (GString) buffer = g_string_new (NULL);
  const char *wanted, *text;
  size_t wanted_length, length;

  bn_json_get_string (name, wanted_buffer, &wanted, &wanted_length);
  bn_json_iter_init (&iter, special_tokens);
  while (!is_found && bn_json_iter_next (&iter, &key, &value)) {
    bn_json_get_string (key, buffer, &text, &length);
    is_found = length == wanted_length && memcmp (text, wanted, length) == 0;
  }
  if (!is_found)
    return bn_json_fail (name, s->error, "a name in \"special_tokens\"");
  if (!bn_json_expect (value, BN_JSON_OBJECT, s->error)
      || !bn_json_expect_member (value, "ids", BN_JSON_ARRAY, &ids, s->error))
    return FALSE;

  bn_json_iter_init (&iter, ids);
  while (bn_json_iter_next (&iter, NULL, &value)) {
    uint32_t id;

    if (!read_token (value, &id, s))
      return FALSE;
    if (items->len == MAX_ITEMS)
      return bn_json_fail (value, s->error, "at most %d items", MAX_ITEMS);
    g_array_append_val (items, id);
  }
  return TRUE;
}

static gboolean
append_text (
    BnJson id, gboolean is_pair, unsigned *n_texts, GArray *items, Reader *s)
{
  uint32_t item = bn_json_equals (id, "A")   ? BN_LAYOUT_A
                  : bn_json_equals (id, "B") ? BN_LAYOUT_B
                                             : 0;

  if (item == 0 || (item == BN_LAYOUT_B && !is_pair))
    return bn_json_fail (id, s->error, is_pair ? "\"A\" or \"B\"" : "\"A\"");
  if (++*n_texts > MAX_TEXTS || items->len == MAX_ITEMS)
    return bn_json_fail (id, s->error, "at most %d texts", MAX_TEXTS);
  g_array_append_val (items, item);
  return TRUE;
}

/* [{"SpecialToken":{"id":"<s>"}}, {"Sequence":{"id":"A"}}] */
static gboolean
read_template (BnJson json, BnJson special_tokens, gboolean is_pair,
    BnLayout *layout, Reader *s)
{
  g_autoptr (GArray) items = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  unsigned n_texts = 0;
  BnJsonIter iter;
  BnJson piece, part, id;

  bn_json_iter_init (&iter, json);
  while (bn_json_iter_next (&iter, NULL, &piece)) {
    gboolean is_text;

    if (!bn_json_expect (piece, BN_JSON_OBJECT, s->error))
      return FALSE;
    is_text = bn_json_find (piece, "Sequence", &part);
    if (!is_text && !bn_json_find (piece, "SpecialToken", &part))
      return bn_json_fail (
          piece, s->error, "a member \"SpecialToken\" or \"Sequence\"");
    if (!bn_json_expect (part, BN_JSON_OBJECT, s->error)
        || !bn_json_expect_member (part, "id", BN_JSON_STRING, &id, s->error))
      return FALSE;
    if (is_text ? !append_text (id, is_pair, &n_texts, items, s)
                : !append_special (special_tokens, id, items, s))
      return FALSE;
  }
  set_layout (
      layout, (const uint32_t *) (const void *) items->data, items->len);
  return TRUE;
}

static gboolean
read_templates (BnJson json, Reader *s)
{
  BnJson single, pair, special_tokens;

  return bn_json_expect_member (
             json, "single", BN_JSON_ARRAY, &single, s->error)
         && bn_json_expect_member (json, "pair", BN_JSON_ARRAY, &pair, s->error)
         && bn_json_expect_member (
             json, "special_tokens", BN_JSON_OBJECT, &special_tokens, s->error)
         && read_template (single, special_tokens, FALSE, s->single, s)
         && read_template (pair, special_tokens, TRUE, s->pair, s);
}

/* Old files have no types. */
static gboolean
has_type (BnJson json, BnJson type, const char *name, const char *member)
{
  BnJson value;

  return bn_json_is_set (type) ? bn_json_equals (type, name)
                               : bn_json_find (json, member, &value);
}

static gboolean read_processor (BnJson json, Reader *s);

static gboolean
read_sequence (BnJson json, Reader *s)
{
  BnJson processors, processor;
  BnJsonIter iter;

  if (!bn_json_expect_member (
          json, "processors", BN_JSON_ARRAY, &processors, s->error))
    return FALSE;
  bn_json_iter_init (&iter, processors);
  while (bn_json_iter_next (&iter, NULL, &processor)) {
    if (!read_processor (processor, s))
      return FALSE;
  }
  return TRUE;
}

/* Recursion ends with the depth of the document. */
static gboolean
read_processor (BnJson json, Reader *s)
{
  BnJson type = {NULL, 0};

  if (!bn_json_expect (json, BN_JSON_OBJECT, s->error))
    return FALSE;
  bn_json_find_all (json, (const char *const[]){"type"}, 1, &type);
  if (has_type (json, type, "Sequence", "processors"))
    return read_sequence (json, s);
  if (bn_json_is_set (type) && bn_json_equals (type, "ByteLevel"))
    return TRUE;
  if (s->single->n_items > 0)
    return bn_json_fail (
        json, s->error, "at most one post-processor that adds tokens");
  if (has_type (json, type, "RobertaProcessing", "trim_offsets"))
    return read_bert (json, TRUE, s);
  if (has_type (json, type, "BertProcessing", "sep"))
    return read_bert (json, FALSE, s);
  if (has_type (json, type, "TemplateProcessing", "single"))
    return read_templates (json, s);
  return bn_json_fail (bn_json_is_set (type) ? type : json, s->error,
      "\"TemplateProcessing\", \"BertProcessing\", \"RobertaProcessing\", "
      "\"ByteLevel\" or \"Sequence\"");
}

gboolean
bn_layouts_read (BnJson json, uint32_t n_tokens, BnLayout *single,
    BnLayout *pair, GError **error)
{
  Reader reader = {n_tokens, single, pair, error};

  return read_processor (json, &reader);
}
