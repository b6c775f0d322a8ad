/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Helpers of the element tests; see the header. */
#include "element-test.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include "test-vocab.h"

static char *folder;
static gint64 longest_null_us;

void
test_start (int *argc, char ***argv)
{
  g_autofree char *data_home = NULL;
  g_autofree char *cache = NULL;
  g_autofree char *hf_home = NULL;

  folder = g_dir_make_tmp ("bitnet-elements-XXXXXX", NULL);
  g_assert_nonnull (folder);
  /* GStreamer copies presets to the user's data; not to the real one's. */
  data_home = test_path ("data");
  g_setenv ("XDG_DATA_HOME", data_home, TRUE);
  /* Nor does what one test finds out help another one. */
  cache = test_path ("cache");
  hf_home = test_path ("huggingface");
  g_setenv ("BITNET_CACHE_DIR", cache, TRUE);
  g_setenv ("HF_HOME", hf_home, TRUE);
  gst_init (argc, argv);
  g_test_init (argc, argv, NULL);
}

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *child = g_build_filename (path, name, NULL);

    if (g_file_test (child, G_FILE_TEST_IS_DIR)
        && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
      remove_folder (child);
    else
      g_unlink (child);
  }
  g_rmdir (path);
}

int
test_finish (void)
{
  int status = g_test_run ();

  g_print ("# longest way to NULL: %.1f ms\n", longest_null_us / 1e3);
  gst_deinit ();
  remove_folder (folder);
  g_free (folder);
  return status;
}

char *
test_path (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

char *
test_write_file (const char *name, const void *data, gsize size)
{
  char *path = test_path (name);
  g_autofree char *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, data, size, NULL));
  return path;
}

/* Models. */

static BnGguf *
parse (GBytes *bytes, const char *name)
{
  g_autoptr (GError) error = NULL;
  BnGguf *gguf = bn_gguf_new_from_bytes (bytes, name, &error);

  g_assert_no_error (error);
  return gguf;
}

/* The tensors and keys of model, the tokenizer of vocab. */
static void
write_merged (const char *path, const BnGguf *model, const BnGguf *vocab)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, &error);

  g_assert_no_error (error);
  for (gsize i = 0; i < bn_gguf_get_n_kvs (model); i++) {
    const BnGgufKv *kv = bn_gguf_get_kv (model, i);

    if (!g_str_has_prefix (kv->key, "tokenizer."))
      bn_gguf_writer_add_kv (writer, kv);
  }
  for (gsize i = 0; vocab && i < bn_gguf_get_n_kvs (vocab); i++) {
    const BnGgufKv *kv = bn_gguf_get_kv (vocab, i);

    if (g_str_has_prefix (kv->key, "tokenizer."))
      bn_gguf_writer_add_kv (writer, kv);
  }
  for (gsize i = 0; i < bn_gguf_get_n_tensors (model); i++) {
    const BnGgufTensor *tensor = bn_gguf_get_tensor (model, i);

    bn_gguf_writer_add_tensor (
        writer, tensor->name, tensor->type, tensor->n_dims, tensor->ne);
  }
  for (gsize i = 0; i < bn_gguf_get_n_tensors (model); i++) {
    const BnGgufTensor *tensor = bn_gguf_get_tensor (model, i);

    bn_gguf_writer_write (writer, tensor->data, tensor->size, &error);
    g_assert_no_error (error);
  }
  bn_gguf_writer_finish (writer, &error);
  g_assert_no_error (error);
}

static char *
write_model (const char *name, const TinySpec *spec, TestChangeFunc change,
    gboolean with_vocab)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (GBytes) vocab_bytes = test_vocab_to_bytes (vocab);
  g_autoptr (BnGguf) vocab_gguf = parse (vocab_bytes, "vocab");
  TinySpec full = *spec;
  g_autoptr (TinyModel) tiny = NULL;
  g_autoptr (BnGguf) model = NULL;
  char *path = test_path (name);

  full.n_vocab = bn_gguf_find_kv (vocab_gguf, "tokenizer.ggml.tokens")->count;
  tiny = tiny_model_new (&full);
  if (change)
    change (tiny);
  model = tiny_model_open (tiny);
  write_merged (path, model, with_vocab ? vocab_gguf : NULL);
  return path;
}

char *
test_write_model (const char *name, const TinySpec *spec, TestChangeFunc change)
{
  return write_model (name, spec, change, TRUE);
}

char *
test_write_bare_model (const char *name, const TinySpec *spec)
{
  return write_model (name, spec, NULL, FALSE);
}

char *
test_write_sized_model (const char *name, guint n_vocab)
{
  TinySpec spec = {.arch = "llama", .n_vocab = n_vocab};
  g_autoptr (TinyModel) tiny = tiny_model_new (&spec);
  g_autofree char *empty = test_write_file (name, "", 0); /* and the folder */

  tiny_model_write (tiny, empty);
  return g_steal_pointer (&empty);
}

const char *
test_quick_model (void)
{
  static const TinySpec spec = {.arch = "llama", .n_context = 512};
  static char *path;

  if (path == NULL)
    path = test_write_model ("quick.gguf", &spec, NULL);
  return path;
}

const char *
test_slow_model (void)
{
  static const TinySpec spec = {.arch = "llama",
      .n_layers = 6,
      .n_embd = 256,
      .n_ff = 768,
      .n_context = 4096};
  static char *path;

  if (path == NULL)
    path = test_write_model ("slow.gguf", &spec, NULL);
  return path;
}

static void
add_nan (TinyModel *model)
{
  tiny_model_get_tensor (model, "output_norm.weight")[3] = NAN;
}

const char *
test_nan_model (void)
{
  static const TinySpec spec = {.arch = "llama"};
  static char *path;

  if (path == NULL)
    path = test_write_model ("nan.gguf", &spec, add_nan);
  return path;
}

BitnetModel *
test_open_model (const char *path)
{
  g_autoptr (GError) error = NULL;
  BitnetModel *model = bitnet_model_new_from_file (path, NULL, &error);

  g_assert_no_error (error);
  return model;
}

BitnetTokenizer *
test_open_tokenizer (BitnetModel *model)
{
  g_autoptr (GError) error = NULL;
  BitnetTokenizer *tokenizer =
      bitnet_tokenizer_new_from_model (model, NULL, &error);

  g_assert_no_error (error);
  return tokenizer;
}

GArray *
test_generate (BitnetModel *model, BitnetTokenizer *tokenizer,
    const char *prompt, guint max_tokens)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetEngine) engine =
      bitnet_model_get_engine (model, NULL, &error);
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autoptr (BitnetSequence) sequence = NULL;
  g_autofree guint32 *tokens = NULL;
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  gsize n_tokens;
  guint32 id;

  g_assert_no_error (error);
  bitnet_engine_load (engine, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  tokens = bitnet_tokenizer_encode (
      tokenizer, prompt, -1, BITNET_ENCODE_ADD_SPECIAL, &n_tokens, &error);
  g_assert_no_error (error);
  params->temperature = 0;
  params->max_tokens = max_tokens;
  sequence = bitnet_engine_submit (
      engine, tokenizer, tokens, n_tokens, params, &error);
  g_assert_no_error (error);
  while (bitnet_sequence_take (sequence, &id, 1, NULL, &error) > 0)
    g_array_append_val (ids, id);
  g_assert_no_error (error);
  return ids;
}

char *
test_decode (BitnetTokenizer *tokenizer, const GArray *ids)
{
  g_autoptr (BitnetDecoder) decoder =
      bitnet_decoder_new (tokenizer, BITNET_DECODE_KEEP_SPACE);
  g_autofree char *text =
      bitnet_decoder_push (decoder, (const void *) ids->data, ids->len, NULL);
  g_autofree char *rest = bitnet_decoder_finish (decoder, NULL);

  return g_strconcat (text ? text : "", rest ? rest : "", NULL);
}

/* Pipelines. */

GstElement *
test_launch (const char *format, ...)
{
  g_autofree char *line = NULL;
  g_autoptr (GError) error = NULL;
  GstElement *pipeline;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  return pipeline;
}

GstMessage *
test_wait_message (GstElement *pipeline, GstMessageType types)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, TEST_DEADLINE_SECONDS * GST_SECOND, types | GST_MESSAGE_ERROR);

  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR
      && !(types & GST_MESSAGE_ERROR)) {
    g_autoptr (GError) error = NULL;

    gst_message_parse_error (message, &error, NULL);
    g_assert_no_error (error);
  }
  return message;
}

static void
on_handoff (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  GString *text = data;
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  g_string_append_len (text, (const char *) map.data, map.size);
  gst_buffer_unmap (buffer, &map);
}

static void
free_text (gpointer text)
{
  g_string_free (text, TRUE);
}

GString *
test_collect (GstElement *pipeline, const char *name)
{
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), name);
  GString *text = g_string_new (NULL);

  g_assert_nonnull (sink);
  g_object_set (sink, "signal-handoffs", TRUE, "sync", FALSE, NULL);
  g_signal_connect (sink, "handoff", G_CALLBACK (on_handoff), text);
  g_object_set_data_full (G_OBJECT (sink), "test-text", text, free_text);
  return text;
}

void
test_run_to_eos (GstElement *pipeline)
{
  GstMessage *message;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = test_wait_message (pipeline, GST_MESSAGE_EOS);
  gst_message_unref (message);
  test_set_null (pipeline);
}

/* After an error a pipeline does not go on to PLAYING, so the EOS that follows
 * never becomes a message; this makes one. */
static GstPadProbeReturn
on_sink_event (GstPad *pad, GstPadProbeInfo *info, gpointer pipeline)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_EOS)
    gst_element_post_message (
        pipeline, gst_message_new_application (
                      GST_OBJECT (pipeline), gst_structure_new_empty ("end")));
  return GST_PAD_PROBE_OK;
}

static void
watch_sink (const GValue *item, gpointer pipeline)
{
  GstElement *sink = g_value_get_object (item);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");

  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_sink_event, pipeline, NULL);
}

void
test_expect_error (
    GstElement *pipeline, GQuark domain, int code, const char *message_part)
{
  GstIterator *sinks = gst_bin_iterate_sinks (GST_BIN (pipeline));
  guint n_errors = 0;
  gboolean at_end = FALSE;

  gst_iterator_foreach (sinks, watch_sink, pipeline);
  gst_iterator_free (sinks);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!at_end) {
    GstMessage *message = test_wait_message (
        pipeline, GST_MESSAGE_APPLICATION | GST_MESSAGE_ERROR);
    g_autoptr (GError) error = NULL;
    g_autofree char *debug = NULL;

    at_end = GST_MESSAGE_TYPE (message) == GST_MESSAGE_APPLICATION;
    if (!at_end) {
      gst_message_parse_error (message, &error, &debug);
      g_test_message (
          "%s: %s (%s)", GST_MESSAGE_SRC_NAME (message), error->message, debug);
      n_errors++;
      if (n_errors == 1) {
        g_assert_error (error, domain, code);
        if (message_part && !strstr (error->message, message_part))
          g_error ("\"%s\" is not in \"%s\"", message_part, error->message);
      }
    }
    gst_message_unref (message);
  }
  g_assert_cmpuint (n_errors, ==, 1);
  test_set_null (pipeline);
}

void
test_set_null (GstElement *element)
{
  gint64 start = g_get_monotonic_time ();

  gst_element_set_state (element, GST_STATE_NULL);
  longest_null_us = MAX (longest_null_us, g_get_monotonic_time () - start);
}

/* Messages. */

static void
take_messages (GstBus *bus, GstElement *element, GPtrArray *messages)
{
  GstMessage *message;

  while ((message = gst_bus_pop (bus)) != NULL) {
    if (GST_MESSAGE_SRC (message) == GST_OBJECT_CAST (element))
      g_ptr_array_add (messages, message);
    else
      gst_message_unref (message);
  }
}

GPtrArray *
test_run_and_collect (GstElement *pipeline, const char *name)
{
  g_autoptr (GstElement) element =
      gst_bin_get_by_name (GST_BIN (pipeline), name);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GPtrArray *messages =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_message_unref);
  gboolean at_end = FALSE;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!at_end) {
    GstMessage *message =
        gst_bus_timed_pop (bus, TEST_DEADLINE_SECONDS * GST_SECOND);

    g_assert_nonnull (message);
    at_end = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS
             || GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR;
    if (GST_MESSAGE_SRC (message) == GST_OBJECT_CAST (element))
      g_ptr_array_add (messages, message);
    else
      gst_message_unref (message);
  }
  gst_element_set_state (pipeline, GST_STATE_READY);
  take_messages (bus, element, messages);
  return messages;
}

const GstStructure *
test_find_message (GPtrArray *messages, const char *name)
{
  for (guint i = 0; i < messages->len; i++) {
    if (gst_message_has_name (messages->pdata[i], name)
        && GST_MESSAGE_TYPE (messages->pdata[i]) == GST_MESSAGE_ELEMENT)
      return gst_message_get_structure (messages->pdata[i]);
  }
  return NULL;
}

/* Repositories that CONTINUE messages name for the first time may come at any
 * time; they are rare. */
static void
check_rate (const GArray *times, guint n_repositories)
{
  for (guint i = 0; i < times->len; i++) {
    guint n = 0;

    for (guint k = i;
         k < times->len
         && g_array_index (times, GstClockTime, k)
                < g_array_index (times, GstClockTime, i) + GST_SECOND;
         k++)
      n++;
    g_assert_cmpuint (n, <=, 10 + n_repositories);
  }
}

void
test_assert_progress (
    GPtrArray *messages, const char *code, GstProgressType end)
{
  g_autoptr (GHashTable) repositories =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GArray) times = g_array_new (FALSE, FALSE, sizeof (GstClockTime));
  gboolean is_open = FALSE;
  guint n = 0;

  for (guint i = 0; i < messages->len; i++) {
    GstMessage *message = messages->pdata[i];
    g_autofree char *its_code = NULL;
    GstProgressType type;
    const char *repository;

    if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_PROGRESS)
      continue;
    gst_message_parse_progress (message, &type, &its_code, NULL);
    if (strcmp (its_code, code) != 0)
      continue;
    g_assert_cmpint (is_open, ==, type != GST_PROGRESS_TYPE_START);
    is_open =
        type == GST_PROGRESS_TYPE_START || type == GST_PROGRESS_TYPE_CONTINUE;
    n += type == GST_PROGRESS_TYPE_START;
    if (!is_open)
      g_assert_cmpint (type, ==, end);
    if (type != GST_PROGRESS_TYPE_CONTINUE)
      continue;
    g_array_append_val (times, GST_MESSAGE_TIMESTAMP (message));
    repository =
        gst_structure_get_string (gst_message_get_structure (message), "repo");
    if (repository)
      g_hash_table_add (repositories, g_strdup (repository));
  }
  g_assert_cmpuint (n, ==, 1);
  g_assert_false (is_open);
  check_rate (times, g_hash_table_size (repositories));
}

/* Harness. */

void
test_push_handles (
    GstHarness *h, BitnetModel *model, BitnetTokenizer *tokenizer)
{
  if (model)
    g_assert_true (gst_harness_push_event (
        h, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
               gst_structure_new (
                   "bitnet/model", "model", BITNET_TYPE_MODEL, model, NULL))));
  if (tokenizer)
    g_assert_true (gst_harness_push_event (
        h, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
               gst_structure_new ("bitnet/tokenizer", "tokenizer",
                   BITNET_TYPE_TOKENIZER, tokenizer, NULL))));
}

GstEvent *
test_pull_event (GstHarness *h, GstEventType type, const char *name)
{
  GstEvent *event;

  while ((event = gst_harness_try_pull_event (h)) != NULL) {
    if (GST_EVENT_TYPE (event) == type
        && (name == NULL || gst_event_has_name (event, name)))
      return event;
    gst_event_unref (event);
  }
  return NULL;
}

GstBuffer *
test_token_buffer (const guint32 *ids, gsize n)
{
  guint32 *raw;

  if (n == 0)
    return gst_buffer_new ();
  raw = g_new (guint32, n);
  for (gsize i = 0; i < n; i++)
    raw[i] = GUINT32_TO_LE (ids[i]);
  return gst_buffer_new_wrapped (raw, n * sizeof *raw);
}

GArray *
test_buffer_ids (GstBuffer *buffer)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  g_assert_cmpuint (map.size % sizeof (guint32), ==, 0);
  for (gsize i = 0; i < map.size; i += sizeof (guint32)) {
    guint32 id = GST_READ_UINT32_LE (map.data + i);

    g_array_append_val (ids, id);
  }
  gst_buffer_unmap (buffer, &map);
  return ids;
}

char *
test_buffer_text (GstBuffer *buffer)
{
  gsize size = gst_buffer_get_size (buffer);
  char *text = g_malloc0 (size + 1);

  gst_buffer_extract (buffer, 0, text, size);
  g_assert_true (g_utf8_validate (text, size, NULL));
  return text;
}

void
test_assert_ids (const GArray *a, const GArray *b)
{
  g_assert_cmpmem (
      a->data, a->len * sizeof (guint32), b->data, b->len * sizeof (guint32));
}
