/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet tokenize and detokenize on a small vocabulary: one line of ids, exact
 * bytes on standard input, JSON lines, error messages and exit codes. */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "test-vocab.h"

static char *model; /* path */

typedef struct {
  const char *name;
  const char *arguments; /* split at spaces, "%" stands for the model */
  const char *input;     /* standard input */
  gssize input_length;   /* -1: a string */
  int status;
  const char *output; /* all of standard output */
  const char *error;  /* a part of standard error */
} Case;

/* 'h' is 104, "he" 256, "hell" 258, "hello" 259, " world" 264, "<|begin|>"
 * 272, "<|eot_id|>" 273, "<tool>" 274. */
static const Case cases[] = {
    {"text", "tokenize -m % --text hello", "", -1, 0, "259\n", NULL},
    {"empty", "tokenize -m %", "", 0, 0, "\n", NULL},
    {"stdin", "tokenize -m %", "hello world", -1, 0, "259 264\n", NULL},
    {"newline", "tokenize -m %", "hello\n", -1, 0, "259 10\n", NULL},
    {"nul", "tokenize -m %", "h\0e", 3, 0, "104 0 101\n", NULL},
    {"special", "tokenize -m % --special --text=hello", "", -1, 0, "272 259\n",
        NULL},
    {"plain-control", "tokenize -m % --text <tool>h", "", -1, 0, "274 104\n",
        NULL},
    {"parse-special", "tokenize -m % --parse-special --text <|eot_id|>h", "",
        -1, 0, "273 104\n", NULL},
    {"not-utf-8", "tokenize -m % --text ab\xFFh", "", -1, 0,
        "268 239 191 189 104\n", NULL},
    {"fidelity", "tokenize -m % --fidelity llama.cpp --text h\xE2\x82", "", -1,
        0, "104 239 191 189 239 191 189\n", NULL},
    {"fidelity-hf", "tokenize -m % --fidelity huggingface --text h\xE2\x82", "",
        -1, 0, "104 239 191 189\n", NULL},
    {"fidelity-unknown", "tokenize -m % --fidelity sp --text h", "", -1, 2, "",
        "--fidelity is \"sp\", expected auto, llama.cpp or huggingface"},
    {"strict", "tokenize -m % --strict", "ab\xFF", -1, 1, "",
        "bitnet tokenize: text is not UTF-8: found byte 0xFF at offset 2"},
    {"jsonl", "tokenize -m % --jsonl",
        "{\"text\": \"hello world\"}\n\n{\"n\":[1,{\"a\":null}],\"text\":"
        "\"h\\u0000\\u0065\"}\n{\"text\":\"\"}",
        -1, 0, "{\"ids\":[259,264]}\n{\"ids\":[104,0,101]}\n{\"ids\":[]}\n",
        NULL},
    {"jsonl-special", "tokenize -m % --jsonl --special --parse-special",
        "{\"text\":\"<|eot_id|>\"}\n", -1, 0, "{\"ids\":[272,273]}\n", NULL},
    {"jsonl-pair", "tokenize -m % --jsonl",
        "{\"text\":\"\\u00e9\\ud83d\\ude42\"}", -1, 0,
        "{\"ids\":[271,240,159,153,130]}\n", NULL},
    {"jsonl-error", "tokenize -m % --jsonl",
        "{\"text\":\"h\"}\n{\"text\":5}\n{\"text\":\"h\"}\n", -1, 1,
        "{\"ids\":[104]}\n",
        "bitnet tokenize: line 2: column 9: found '5', expected a string"},
    {"jsonl-no-member", "tokenize -m % --jsonl", "\n{\"txt\":\"\"}", -1, 1, "",
        "line 2: there is no member \"text\""},
    {"jsonl-cut", "tokenize -m % --jsonl", "{\"text\":\"h", -1, 1, "",
        "line 1: the line ends"},
    {"jsonl-surrogate", "tokenize -m % --jsonl", "{\"text\":\"\\ud83d\"}", -1,
        1, "", "line 1: column 16"},
    {"jsonl-rest", "tokenize -m % --jsonl", "{\"text\":\"h\"} 1", -1, 1, "",
        "the end of the line"},
    {"jsonl-utf-8", "tokenize -m % --jsonl", "{\"text\":\"\xC3\"}", -1, 1, "",
        "line 1: column 10: found byte 0xC3, expected UTF-8"},
    {"argument", "tokenize -m % hello", "", -1, 2, "", "--text"},
    {"both", "tokenize -m % --jsonl --text h", "", -1, 2, "", "exclude"},
    {"no-model", "tokenize -m /nowhere/x.gguf --text h", "", -1, 1, "",
        "/nowhere/x.gguf"},
    {"no-option", "tokenize --nothing", "", -1, 2, "", "--nothing"},

    {"ids", "detokenize -m % 259 264", "", -1, 0, "hello world", NULL},
    {"ids-option", "detokenize -m % --ids 259,264", "", -1, 0, "hello world",
        NULL},
    {"ids-stdin", "detokenize -m %", "259, 264\n104", -1, 0, "hello worldh",
        NULL},
    {"ids-none", "detokenize -m %", "", 0, 0, "", NULL},
    {"ids-control", "detokenize -m % 272 104", "", -1, 0, "h", NULL},
    {"ids-special", "detokenize -m % --special 272 104", "", -1, 0,
        "<|begin|>h", NULL},
    {"ids-replacement", "detokenize -m % 240 159 104", "", -1, 0,
        "\xEF\xBF\xBDh", NULL},
    {"ids-wrong", "detokenize -m % 1 x2", "", -1, 2, "",
        "\"x2\" at offset 0 is not a token id"},
    {"ids-negative", "detokenize -m % -- -1", "", -1, 2, "", "\"-1\""},
    {"ids-stdin-wrong", "detokenize -m %", "1 4294967296", -1, 1, "",
        "at offset 2 is not a token id"},
    {"ids-range", "detokenize -m % 275", "", -1, 1, "",
        "token 275 at position 0 is not in the vocabulary"},
    {"ids-jsonl", "detokenize -m % --jsonl",
        "{\"ids\":[259,264]}\n{\"ids\":[]}\n{\"ids\":[10,34,92,0,13]}\n"
        "{\"ids\":[226,128,168]}\n",
        -1, 0,
        "{\"text\":\"hello world\"}\n{\"text\":\"\"}\n"
        "{\"text\":\"\\n\\\"\\\\\\u0000\\u000d\"}\n{\"text\":\"\\u2028\"}\n",
        NULL},
    {"ids-jsonl-error", "detokenize -m % --jsonl",
        "{\"ids\":[104]}\n{\"ids\":[-1]}\n", -1, 1, "{\"text\":\"h\"}\n",
        "line 2: column 9: found '-', expected a token id"},
    {"ids-jsonl-range", "detokenize -m % --jsonl", "{\"ids\":[104,99999]}\n",
        -1, 1, "", "line 1: token 99999 at position 1"},
};

static void
test_case (gconstpointer data)
{
  const Case *item = data;
  g_auto (GStrv) arguments = g_strsplit (item->arguments, " ", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GBytes) input = NULL, output = NULL, messages = NULL;
  g_autofree char *shown = NULL;
  gsize length;

  g_strv_builder_add (builder, g_getenv ("BITNET_TOOL"));
  for (char **argument = arguments; *argument; argument++)
    g_strv_builder_add (
        builder, strcmp (*argument, "%") == 0 ? model : *argument);
  argv = g_strv_builder_end (builder);
  input = g_bytes_new_static (item->input, item->input_length < 0
                                               ? strlen (item->input)
                                               : (gsize) item->input_length);
  process = g_subprocess_newv ((const char *const *) argv,
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE
          | G_SUBPROCESS_FLAGS_STDERR_PIPE,
      &error);
  g_assert_no_error (error);
  if (!g_subprocess_communicate (
          process, input, NULL, &output, &messages, &error)) {
    /* Commands that fail at once may close the pipe before it is read. */
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
    return;
  }

  length = g_bytes_get_size (messages);
  shown = length > 0 ? g_strndup (g_bytes_get_data (messages, NULL), length)
                     : g_strdup ("");
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, item->status);
  g_assert_cmpmem (g_bytes_get_data (output, NULL), g_bytes_get_size (output),
      item->output, strlen (item->output));
  if (item->error) {
    g_test_message ("%s", shown);
    g_assert_nonnull (strstr (shown, item->error));
  } else {
    g_assert_cmpstr (shown, ==, "");
  }
}

/* An answer comes for every line before the next one is written. */
static void
test_stream (void)
{
  const char *argv[] = {
      g_getenv ("BITNET_TOOL"), "tokenize", "-m", model, "--jsonl", NULL};
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_newv (argv,
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  g_autoptr (GDataInputStream) output = NULL;
  GOutputStream *input;

  g_assert_no_error (error);
  input = g_subprocess_get_stdin_pipe (process);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
  for (guint i = 0; i < 3; i++) {
    g_autofree char *line = NULL;

    g_output_stream_write_all (
        input, "{\"text\":\"hello\"}\n", 17, NULL, NULL, &error);
    g_assert_no_error (error);
    line = g_data_input_stream_read_line (output, NULL, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (line, ==, "{\"ids\":[259]}");
  }
  g_output_stream_close (input, NULL, &error);
  g_assert_no_error (error);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
}

/* Without -m the demo model does it. */
static void
test_demo_model (void)
{
  const char *argv[] = {
      g_getenv ("BITNET_TOOL"), "tokenize", "--text", "Once upon a time", NULL};
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL, *output = NULL;
  g_autoptr (GSubprocess) process = NULL;

  path = g_build_filename (
      g_getenv ("BITNET_DATA_DIR") ? g_getenv ("BITNET_DATA_DIR") : "",
      "demo.gguf", NULL);
  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_test_skip ("there is no demo model");
    return;
  }
  process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_successful (process));
  g_assert_true (g_regex_match_simple (
      "^[0-9]+( [0-9]+)*\n$", output, 0, G_REGEX_MATCH_NOTEMPTY));
}

int
main (int argc, char **argv)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  int fd, status;

  g_test_init (&argc, &argv, NULL);
  test_vocab_set_bool (vocab, "tokenizer.ggml.add_bos_token", TRUE);
  bytes = test_vocab_to_bytes (vocab);
  fd = g_file_open_tmp ("bitnet-XXXXXX.gguf", &model, &error);
  g_assert_no_error (error);
  g_close (fd, NULL);
  g_file_set_contents (model, g_bytes_get_data (bytes, NULL),
      (gssize) g_bytes_get_size (bytes), &error);
  g_assert_no_error (error);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/tokenize/%s", cases[i].name);

    g_test_add_data_func (path, &cases[i], test_case);
  }
  g_test_add_func ("/tokenize/stream", test_stream);
  g_test_add_func ("/tokenize/demo-model", test_demo_model);
  status = g_test_run ();
  g_unlink (model);
  g_free (model);
  return status;
}
