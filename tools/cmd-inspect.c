/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet inspect: what a model file says about itself, for people or as JSON.
 *
 * Text from the file is never written to a terminal as it is: what cannot be
 * printed is escaped, because it could be commands to the terminal. */
#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <bitnet/bitnet.h>

#include "bitnet-tool.h"
#include "bn-cursor.h"
#include "bn-gguf.h"

enum {
  LABEL_WIDTH = 16,
  FLOAT_DIGITS = 6,     /* first try at a short decimal form */
  MAX_FLOAT_DIGITS = 9, /* always enough for 32 bits */
};

static const char *const value_type_names[] = {"uint8", "int8", "uint16",
    "int16", "uint32", "int32", "float32", "bool", "string", "array", "uint64",
    "int64", "float64"};

/* A 32-bit number as the shortest decimal that gives it back, so that 1e-05
 * does not become 9.9999997473787516e-06. */
static double
shorten_float (double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  for (int digits = FLOAT_DIGITS; digits <= MAX_FLOAT_DIGITS; digits++) {
    char format[8];
    double shortened;

    g_snprintf (format, sizeof format, "%%.%dg", digits);
    shortened = g_ascii_strtod (
        g_ascii_formatd (text, sizeof text, format, value), NULL);
    if ((float) shortened == (float) value)
      return shortened;
  }
  return value;
}

/* The number of a key, or fallback if it has none. */
static gint64
get_number (const BnGguf *gguf, const char *key, gint64 fallback)
{
  uint64_t value;

  return bn_gguf_get_uint (gguf, key, &value) && value <= G_MAXINT64
             ? (gint64) value
             : fallback;
}

/* JSON */

static void
add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  if (value)
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

static void
add_number (JsonBuilder *builder, const char *name, guint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, (gint64) value);
}

/* Unlike a name or a path this may be missing, which is null. */
static void
add_key_number (
    JsonBuilder *builder, const char *name, const BnGguf *gguf, const char *key)
{
  gint64 value = get_number (gguf, key, -1);

  json_builder_set_member_name (builder, name);
  if (value >= 0)
    json_builder_add_int_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

static void
add_kv (JsonBuilder *builder, const BnGgufKv *kv)
{
  const char *text;
  size_t length;
  int64_t integer;
  uint64_t natural;
  double real;
  gboolean truth;

  json_builder_set_member_name (builder, kv->key);
  if (kv->type == BN_GGUF_ARRAY) {
    json_builder_begin_object (builder);
    add_string (builder, "type", value_type_names[kv->element_type]);
    add_number (builder, "count", kv->count);
    json_builder_end_object (builder);
  } else if (bn_gguf_kv_get_string (kv, 0, &text, &length)) {
    g_autofree char *valid = g_utf8_make_valid (text, (gssize) length);

    json_builder_add_string_value (builder, valid);
  } else if (bn_gguf_kv_get_bool (kv, 0, &truth)) {
    json_builder_add_boolean_value (builder, truth);
  } else if (bn_gguf_kv_get_int (kv, 0, &integer)) {
    json_builder_add_int_value (builder, integer);
  } else if (bn_gguf_kv_get_uint (kv, 0, &natural)) {
    json_builder_add_double_value (builder, (double) natural);
  } else if (bn_gguf_kv_get_double (kv, 0, &real) && isfinite (real)) {
    json_builder_add_double_value (
        builder, kv->type == BN_GGUF_F32 ? shorten_float (real) : real);
  } else {
    json_builder_add_null_value (builder); /* JSON has no infinity */
  }
}

static void
add_tokenizer (JsonBuilder *builder, BitnetModel *model, const BnGguf *gguf)
{
  const BnGgufKv *tokens = bn_gguf_find_kv (gguf, "tokenizer.ggml.tokens");
  g_autofree char *algorithm =
      bn_gguf_dup_string (gguf, "tokenizer.ggml.model");
  g_autofree char *pre = bn_gguf_dup_string (gguf, "tokenizer.ggml.pre");

  json_builder_set_member_name (builder, "tokenizer");
  if (!bitnet_model_has_tokenizer (model)) {
    json_builder_add_null_value (builder);
    return;
  }
  json_builder_begin_object (builder);
  add_string (builder, "model", algorithm);
  add_string (builder, "pre", pre);
  add_number (builder, "n_tokens", tokens->count);
  add_key_number (builder, "bos", gguf, "tokenizer.ggml.bos_token_id");
  add_key_number (builder, "eos", gguf, "tokenizer.ggml.eos_token_id");
  json_builder_end_object (builder);
}

/* What follows from all that for the search of a tokenizer. */
static void
add_discovery (JsonBuilder *builder, BitnetDiscovery *discovery)
{
  g_autoptr (GVariant) variant = bitnet_discovery_to_variant (discovery);

  json_builder_set_member_name (builder, "discovery");
  json_builder_add_value (builder, json_gvariant_serialize (variant));
}

static void
add_tensors (JsonBuilder *builder, const BnGguf *gguf)
{
  json_builder_set_member_name (builder, "tensors");
  json_builder_begin_array (builder);
  for (size_t i = 0; i < bn_gguf_get_n_tensors (gguf); i++) {
    const BnGgufTensor *tensor = bn_gguf_get_tensor (gguf, i);

    json_builder_begin_object (builder);
    add_string (builder, "name", tensor->name);
    add_string (builder, "type", bn_type_info (tensor->type)->name);
    json_builder_set_member_name (builder, "shape");
    json_builder_begin_array (builder);
    for (uint32_t j = 0; j < tensor->n_dims; j++)
      json_builder_add_int_value (builder, (gint64) tensor->ne[j]);
    json_builder_end_array (builder);
    add_number (builder, "offset", tensor->offset);
    add_number (builder, "size", tensor->size);
    add_number (builder, "file", tensor->file);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
}

static void
print_json (BitnetModel *model, const BnGguf *gguf, gboolean with_tensors)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;
  g_autoptr (BitnetDiscovery) discovery =
      bitnet_discovery_new_from_model (model);
  g_autofree char *path =
      g_filename_display_name (bitnet_model_get_path (model));

  json_builder_begin_object (builder);
  add_string (builder, "path", path);
  add_number (builder, "version", bn_gguf_get_version (gguf));
  add_number (builder, "n_files", bn_gguf_get_n_files (gguf));
  add_number (builder, "size", bitnet_model_get_file_size (model));
  add_string (builder, "id", bitnet_model_get_id (model));
  add_string (builder, "architecture", bitnet_model_get_architecture (model));
  add_string (builder, "name", bitnet_model_get_name (model));
  add_string (builder, "quantization", bitnet_model_get_quantization (model));
  add_number (builder, "vocab_size", bitnet_model_get_vocab_size (model));
  add_number (
      builder, "context_length", bitnet_model_get_context_length (model));
  add_number (
      builder, "embedding_length", bitnet_model_get_embedding_length (model));
  add_number (builder, "block_count", bitnet_model_get_block_count (model));
  add_number (builder, "n_parameters", bitnet_model_get_n_parameters (model));
  add_number (builder, "n_tensors", bn_gguf_get_n_tensors (gguf));
  add_tokenizer (builder, model, gguf);
  add_discovery (builder, discovery);
  json_builder_set_member_name (builder, "metadata");
  json_builder_begin_object (builder);
  for (size_t i = 0; i < bn_gguf_get_n_kvs (gguf); i++)
    add_kv (builder, bn_gguf_get_kv (gguf, i));
  json_builder_end_object (builder);
  if (with_tensors)
    add_tensors (builder, gguf);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, TRUE);
  puts (text);
}

/* Text for people */

static void
print_text (const char *label, const char *value)
{
  g_autofree char *printable =
      value ? bn_printable (value, strlen (value)) : g_strdup ("-");

  printf ("  %-*s %s\n", LABEL_WIDTH, label, printable);
}

/* 0 stands for "the file does not say". */
static void
print_number (const char *label, guint64 value)
{
  if (value == 0)
    print_text (label, NULL);
  else
    printf ("  %-*s %" G_GUINT64_FORMAT "\n", LABEL_WIDTH, label, value);
}

static void
print_size (const char *label, guint64 size)
{
  g_autofree char *text = g_format_size_full (size, G_FORMAT_SIZE_DEFAULT);

  printf ("  %-*s %s (%" G_GUINT64_FORMAT " bytes)\n", LABEL_WIDTH, label, text,
      size);
}

static void
print_token (const char *label, const BnGguf *gguf, const char *key)
{
  const BnGgufKv *tokens = bn_gguf_find_kv (gguf, "tokenizer.ggml.tokens");
  gint64 id = get_number (gguf, key, -1);
  g_autofree char *printable = NULL;
  const char *text;
  size_t length;

  if (id < 0) {
    print_text (label, NULL);
    return;
  }
  if (bn_gguf_kv_get_string (tokens, (uint64_t) id, &text, &length))
    printable = bn_printable (text, length);
  printf ("  %-*s %" G_GINT64_FORMAT " %s\n", LABEL_WIDTH, label, id,
      printable ? printable : "(not in the list)");
}

static void
print_family (BitnetDiscovery *discovery)
{
  GPtrArray *candidates = bitnet_discovery_get_candidates (discovery);

  print_text ("family", bitnet_discovery_get_family (discovery));
  for (guint i = 0; i < candidates->len; i++) {
    const BitnetCandidate *candidate = g_ptr_array_index (candidates, i);

    printf ("  %-*s %s%s\n", LABEL_WIDTH, i == 0 ? "repositories" : "",
        candidate->repository, candidate->is_gated ? " (gated)" : "");
  }
}

static void
print_tokenizer (BitnetModel *model, const BnGguf *gguf)
{
  g_autoptr (BitnetDiscovery) discovery =
      bitnet_discovery_new_from_model (model);
  const char *implied = bitnet_discovery_get_implied_pre (discovery);
  g_autofree char *algorithm =
      bn_gguf_dup_string (gguf, "tokenizer.ggml.model");
  g_autofree char *pre = bn_gguf_dup_string (gguf, "tokenizer.ggml.pre");

  puts ("\nTokenizer");
  if (!bitnet_model_has_tokenizer (model)) {
    puts ("  none");
    print_family (discovery);
    return;
  }
  print_text ("model", algorithm);
  print_text ("pre", pre);
  if (implied)
    print_text ("implied pre", implied);
  print_number (
      "tokens", bn_gguf_find_kv (gguf, "tokenizer.ggml.tokens")->count);
  print_token ("BOS", gguf, "tokenizer.ggml.bos_token_id");
  print_token ("EOS", gguf, "tokenizer.ggml.eos_token_id");
  print_family (discovery);
}

static void
print_kv (const BnGgufKv *kv)
{
  g_autofree char *key = bn_printable (kv->key, strlen (kv->key));
  g_autofree char *printable = NULL;
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  const char *text;
  size_t length;
  int64_t integer;
  uint64_t natural;
  double real;
  gboolean truth;

  printf ("  %s = ", key);
  if (kv->type == BN_GGUF_ARRAY) {
    printf ("%" G_GUINT64_FORMAT " x %s\n", kv->count,
        value_type_names[kv->element_type]);
  } else if (bn_gguf_kv_get_string (kv, 0, &text, &length)) {
    printable = bn_printable (text, length);
    printf ("\"%s\"\n", printable);
  } else if (bn_gguf_kv_get_bool (kv, 0, &truth)) {
    puts (truth ? "true" : "false");
  } else if (bn_gguf_kv_get_int (kv, 0, &integer)) {
    printf ("%" G_GINT64_FORMAT "\n", (gint64) integer);
  } else if (bn_gguf_kv_get_uint (kv, 0, &natural)) {
    printf ("%" G_GUINT64_FORMAT "\n", (guint64) natural);
  } else {
    bn_gguf_kv_get_double (kv, 0, &real);
    puts (g_ascii_formatd (number, sizeof number, "%.9g",
        kv->type == BN_GGUF_F32 ? shorten_float (real) : real));
  }
}

/* One line for each type that occurs, the largest share first. */
typedef struct {
  const BnTypeInfo *info;
  guint n_tensors;
  guint64 n_elements;
  guint64 size;
} TypeSum;

static int
compare_sums (gconstpointer a, gconstpointer b)
{
  const TypeSum *left = a, *right = b;

  return (left->size < right->size) - (left->size > right->size);
}

static void
print_types (const BnGguf *gguf)
{
  g_autoptr (GArray) sums = g_array_new (FALSE, TRUE, sizeof (TypeSum));

  for (size_t i = 0; i < bn_gguf_get_n_tensors (gguf); i++) {
    const BnGgufTensor *tensor = bn_gguf_get_tensor (gguf, i);
    const BnTypeInfo *info = bn_type_info (tensor->type);
    TypeSum *sum;
    guint j = 0;

    while (j < sums->len && g_array_index (sums, TypeSum, j).info != info)
      j++;
    if (j == sums->len)
      g_array_set_size (sums, j + 1);
    sum = &g_array_index (sums, TypeSum, j);
    sum->info = info;
    sum->n_tensors++;
    sum->n_elements +=
        tensor->ne[0] * tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
    sum->size += tensor->size;
  }
  g_array_sort (sums, compare_sums);
  puts ("\nTensors by type");
  if (sums->len == 0)
    puts ("  none");
  for (guint j = 0; j < sums->len; j++) {
    const TypeSum *sum = &g_array_index (sums, TypeSum, j);

    printf ("  %-8s %4u tensors %14" G_GUINT64_FORMAT
            " elements %14" G_GUINT64_FORMAT " bytes\n",
        sum->info->name, sum->n_tensors, sum->n_elements, sum->size);
  }
}

static void
print_tensors (const BnGguf *gguf)
{
  puts ("\nTensors (shape: contiguous dimension first)");
  for (size_t i = 0; i < bn_gguf_get_n_tensors (gguf); i++) {
    const BnGgufTensor *tensor = bn_gguf_get_tensor (gguf, i);
    g_autofree char *name = bn_printable (tensor->name, strlen (tensor->name));
    g_autoptr (GString) shape = g_string_new (NULL);

    for (uint32_t j = 0; j < tensor->n_dims; j++)
      g_string_append_printf (shape, "%s%" G_GUINT64_FORMAT, j ? " x " : "",
          (guint64) tensor->ne[j]);
    printf ("  %-36s %-7s %-18s %12" G_GUINT64_FORMAT
            " bytes at %" G_GUINT64_FORMAT "\n",
        name, bn_type_info (tensor->type)->name, shape->str,
        (guint64) tensor->size, (guint64) tensor->offset);
  }
}

static void
print_overview (BitnetModel *model, const BnGguf *gguf, gboolean with_tensors)
{
  g_autofree char *path =
      g_filename_display_name (bitnet_model_get_path (model));

  puts ("File");
  printf ("  %-*s %s\n", LABEL_WIDTH, "path", path);
  print_number ("GGUF version", bn_gguf_get_version (gguf));
  if (bn_gguf_get_n_files (gguf) > 1)
    print_number ("files", bn_gguf_get_n_files (gguf));
  print_size ("size", bitnet_model_get_file_size (model));
  print_text ("id", bitnet_model_get_id (model));

  puts ("\nModel");
  print_text ("architecture", bitnet_model_get_architecture (model));
  print_text ("name", bitnet_model_get_name (model));
  print_text ("quantization", bitnet_model_get_quantization (model));
  print_number ("parameters", bitnet_model_get_n_parameters (model));
  print_number ("vocabulary", bitnet_model_get_vocab_size (model));
  print_number ("context", bitnet_model_get_context_length (model));
  print_number ("embedding", bitnet_model_get_embedding_length (model));
  print_number ("blocks", bitnet_model_get_block_count (model));
  print_tokenizer (model, gguf);

  puts ("\nMetadata");
  for (size_t i = 0; i < bn_gguf_get_n_kvs (gguf); i++)
    print_kv (bn_gguf_get_kv (gguf, i));
  print_types (gguf);
  if (with_tensors)
    print_tensors (gguf);
}

int
cmd_inspect (int argc, char **argv)
{
  gboolean as_json = FALSE, with_tensors = FALSE;
  const GOptionEntry entries[] = {
      {"json", 'j', 0, G_OPTION_ARG_NONE, &as_json,
          "write one JSON object (keys below)", NULL},
      {"tensors", 't', 0, G_OPTION_ARG_NONE, &with_tensors, "list every tensor",
          NULL},
      G_OPTION_ENTRY_NULL,
  };
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BnGguf) gguf = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!tool_parse_options (&argc, &argv, entries, "FILE",
          "Prints what a GGUF file contains.",
          "Examples:\n"
          "  bitnet inspect model.gguf\n"
          "  bitnet inspect --json --tensors model.gguf | jq .tensors\n"
          "\n"
          "Keys of the JSON object: path, version, n_files, size (bytes), id,\n"
          "architecture, name, quantization, vocab_size, context_length,\n"
          "embedding_length, block_count, n_parameters, n_tensors, tokenizer\n"
          "{model, pre, n_tokens, bos, eos}, discovery {what follows for the\n"
          "search of a tokenizer: family, implied-pre, rows, tokens,\n"
          "candidates ...; what is not known is left out}, metadata {every "
          "key\n"
          "of the file; arrays as {type, count}} and, with --tensors, tensors "
          "[{name, "
          "type,\n"
          "shape, offset, size, file}] where shape begins with the contiguous\n"
          "dimension and offset counts from the start of the file. What the\n"
          "file does not say is null or 0.",
          &status))
    return status;
  if (argc != 2)
    return tool_fail_usage ("inspect", "expected one file, found %d", argc - 1);

  model = bitnet_model_new_from_file (argv[1], NULL, &error);
  if (model)
    gguf = bn_gguf_open (argv[1], NULL, &error);
  if (!gguf)
    return tool_fail ("inspect", "%s", error->message);
  if (as_json)
    print_json (model, gguf, with_tensors);
  else
    print_overview (model, gguf, with_tensors);
  return tool_finish_output ("inspect");
}
