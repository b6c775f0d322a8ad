/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command lines of the element conventions, parsed by GStreamer and run
 * by gst-launch-1.0. Greedy text has to equal what the library generates by
 * itself; that of the demo model, what the program that trained it says
 * (tools/demo-model/golden.json). */
#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>
#include "element-test.h"

enum {
  /* What a pipe holds without a reader. */
  PIPE_SIZE = 65536,
};

static const char question[] = "Why is the sky blue?";

static char *
generate_text (const char *path, const char *prompt, guint max_tokens)
{
  g_autoptr (BitnetModel) model = test_open_model (path);
  g_autoptr (BitnetTokenizer) tokenizer = test_open_tokenizer (model);
  g_autoptr (GArray) ids = test_generate (model, tokenizer, prompt, max_tokens);

  return test_decode (tokenizer, ids);
}

static char *
demo_model (void)
{
  const char *folder = g_getenv ("BITNET_DATA_DIR");
  char *path = folder ? g_build_filename (folder, "demo.gguf", NULL) : NULL;

  if (path && g_file_test (path, G_FILE_TEST_EXISTS))
    return path;
  g_free (path);
  return NULL;
}

/* What was written to a pipe whose writing end is closed. */
static char *
read_all (int fd)
{
  GString *text = g_string_new (NULL);
  char buffer[4096];
  gssize n;

  while ((n = read (fd, buffer, sizeof buffer)) > 0)
    g_string_append_len (text, buffer, n);
  close (fd);
  return g_string_free (text, FALSE);
}

static char *
read_file (const char *path)
{
  char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

/* Runs a line whose fdsink writes to "%d", in this process. */
static char *
run_with_pipe (const char *format, const char *model)
{
  int fds[2];
  g_autofree char *fd = NULL;
  g_auto (GStrv) parts = NULL;
  g_autofree char *line = NULL;
  g_autoptr (GstElement) pipeline = NULL;

  g_assert_cmpint (pipe (fds), ==, 0);
  fd = g_strdup_printf ("%d", fds[1]);
  parts = g_strsplit (format, "@", -1); /* @ stands for the model */
  line = g_strjoinv (model, parts);
  g_strfreev (g_steal_pointer (&parts));
  parts = g_strsplit (line, "fdsink", 2);
  g_free (line);
  line = g_strdup_printf ("%sfdsink fd=%s%s", parts[0], fd, parts[1]);
  pipeline = test_launch ("%s", line);
  test_run_to_eos (pipeline);
  close (fds[1]);
  return read_all (fds[0]);
}

/* The same line in gst-launch-1.0, with "NAME=value" added to the environment.
 * NULL: it is not there or of no use. */
static char *
run_gst_launch_with (const char *format, const char *model, const char *input,
    const char *const *environment)
{
  g_auto (GStrv) parts = g_strsplit (format, "@", -1);
  g_autofree char *line = g_strjoinv (model, parts);
  g_autofree char *command = g_strdup_printf ("gst-launch-1.0 %s", line);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE
      | G_SUBPROCESS_FLAGS_STDIN_PIPE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *err = NULL;
  char *out = NULL;

  if (TEST_IS_INSTRUMENTED)
    return NULL;
  g_assert_true (g_shell_parse_argv (command, NULL, &argv, NULL));
  for (; environment && *environment; environment++) {
    g_auto (GStrv) pair = g_strsplit (*environment, "=", 2);

    g_subprocess_launcher_setenv (launcher, pair[0], pair[1], TRUE);
  }
  process = g_subprocess_launcher_spawnv (
      launcher, (const char *const *) argv, &error);
  if (process == NULL)
    return NULL;
  g_subprocess_communicate_utf8 (process, input, NULL, &out, &err, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (err, ==, "");
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 0);
  return out;
}

static char *
run_gst_launch (const char *format, const char *model, const char *input)
{
  return run_gst_launch_with (format, model, input, NULL);
}

static void
skip_launch (void)
{
  g_test_skip (TEST_IS_INSTRUMENTED
                   ? "gst-launch-1.0 cannot load an instrumented plugin"
                   : "gst-launch-1.0 is not installed");
}

/* 1: one question, ends by itself. C01, C46. */

#define LINE_1                                                                 \
  "ggufsrc location=@ ! tokresolve ! tokenize prompt=\"Why is the sky "        \
  "blue?\" ! infer temperature=0 max-tokens=40 ! detokenize newline=true ! "   \
  "fdsink"

static void
test_line_1 (void)
{
  g_autofree char *text = run_with_pipe (LINE_1, test_quick_model ());
  g_autofree char *answer = generate_text (test_quick_model (), question, 40);
  g_autofree char *expected = g_strconcat (answer, "\n", NULL);

  g_assert_cmpuint (strlen (text), <, PIPE_SIZE);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_line_1_launch (void)
{
  g_autofree char *text =
      run_gst_launch ("-q " LINE_1, test_quick_model (), NULL);
  g_autofree char *answer = generate_text (test_quick_model (), question, 40);
  g_autofree char *expected = g_strconcat (answer, "\n", NULL);

  if (text == NULL)
    skip_launch ();
  else
    g_assert_cmpstr (text, ==, expected);
}

/* As it stands, with sampling: any text, an end, exit status 0. */
static void
test_line_1_sampled (void)
{
  g_autofree char *text = run_gst_launch (
      "-q ggufsrc location=@ ! tokresolve ! tokenize prompt=\"Why is the sky "
      "blue?\" ! infer ! detokenize newline=true ! fdsink",
      test_quick_model (), NULL);

  if (text == NULL) {
    skip_launch ();
    return;
  }
  g_assert_cmpuint (strlen (text), >, 0);
  g_assert_cmpint (text[strlen (text) - 1], ==, '\n');
}

/* The demo model, with the text that its training program generates. */
static void
test_demo (void)
{
  g_autofree char *path = demo_model ();
  g_autofree char *golden = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  JsonArray *cases;

  if (path == NULL) {
    g_test_skip ("there is no demo model");
    return;
  }
  golden = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "..", "tools",
      "demo-model", "golden.json", NULL);
  json_parser_load_from_file (parser, golden, &error);
  g_assert_no_error (error);
  cases = json_node_get_array (json_parser_get_root (parser));
  g_assert_cmpuint (json_array_get_length (cases), >, 0);
  for (guint i = 0; i < json_array_get_length (cases); i++) {
    JsonObject *object = json_array_get_object_element (cases, i);
    g_autoptr (GstElement) pipeline = test_launch (
        "ggufsrc ! tokresolve ! tokenize name=t ! infer temperature=0 "
        "max-tokens=%u ! detokenize ! fakesink name=out",
        json_array_get_length (
            json_object_get_array_member (object, "greedy_ids")));
    g_autoptr (GstElement) tokenize =
        gst_bin_get_by_name (GST_BIN (pipeline), "t");
    GString *text = test_collect (pipeline, "out");

    g_object_set (tokenize, "prompt",
        json_object_get_string_member (object, "prompt"), NULL);
    test_run_to_eos (pipeline);
    g_assert_cmpstr (
        text->str, ==, json_object_get_string_member (object, "greedy_text"));
  }
}

/* 2: a conversation on the terminal. */

static void
test_line_2 (void)
{
  g_autofree char *text = run_gst_launch (
      "-q ggufsrc location=@ ! tokresolve ! tokenize name=t history-size=20 "
      "overflow=trim-oldest system-prompt=\"Be brief.\" ! "
      "infer max-tokens=8 ignore-eos=true ! detokenize newline=true "
      "granularity=response ! fdsink  fdsrc ! text/x-raw,format=utf8 ! "
      "t.prompt",
      test_quick_model (), "Hello\nHow are you?\nGood bye");

  if (text == NULL) {
    skip_launch ();
    return;
  }
  g_assert_cmpuint (strlen (text), >, 3);
  g_assert_cmpint (text[strlen (text) - 1], ==, '\n');
}

/* 3: a file of prompts, answers in order. */

static const char *const prompts[] = {"Name a fruit.", "Name a tree.", "x",
    "hello world", "One two three", "a b c", "Why?", "Because.", "The end",
    "hello"};

static char *
write_prompts (void)
{
  g_autofree char *text = NULL;
  char *strv[G_N_ELEMENTS (prompts) + 1] = {NULL};

  for (guint i = 0; i < G_N_ELEMENTS (prompts); i++)
    strv[i] = (char *) prompts[i];
  text = g_strjoinv ("\n", strv);
  return test_write_file ("prompts.txt", text, strlen (text));
}

static char *
expected_answers (const char *model, guint max_tokens)
{
  GString *all = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (prompts); i++) {
    g_autofree char *answer = generate_text (model, prompts[i], max_tokens);

    g_string_append (all, answer);
    g_string_append_c (all, '\n');
  }
  return g_string_free (all, FALSE);
}

static char *
line_3 (const char *answers, const char *questions)
{
  return g_strdup_printf (
      "ggufsrc location=@ ! tokresolve ! tokenize name=t ! "
      "infer parallel=8 temperature=0 max-tokens=24 ! "
      "detokenize granularity=response newline=true ! filesink location=%s "
      "filesrc location=%s ! text/x-raw,format=utf8 ! t.prompt",
      answers, questions);
}

static void
test_line_3 (void)
{
  g_autofree char *questions = write_prompts ();
  g_autofree char *answers = test_path ("answers.txt");
  g_autofree char *format = line_3 (answers, questions);
  g_auto (GStrv) parts = g_strsplit (format, "@", -1);
  g_autofree char *line = g_strjoinv (test_quick_model (), parts);
  g_autoptr (GstElement) pipeline = test_launch ("%s", line);
  g_autofree char *expected = expected_answers (test_quick_model (), 24);
  g_autofree char *text = NULL;

  test_run_to_eos (pipeline);
  text = read_file (answers);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_line_3_launch (void)
{
  g_autofree char *questions = write_prompts ();
  g_autofree char *answers = test_path ("answers-launch.txt");
  g_autofree char *format = line_3 (answers, questions);
  g_autofree char *quiet = g_strconcat ("-q ", format, NULL);
  g_autofree char *out = run_gst_launch (quiet, test_quick_model (), NULL);
  g_autofree char *expected = NULL;
  g_autofree char *text = NULL;

  if (out == NULL) {
    skip_launch ();
    return;
  }
  expected = expected_answers (test_quick_model (), 24);
  text = read_file (answers);
  g_assert_cmpstr (text, ==, expected);
}

/* The two chains in the other order. */
static void
test_line_3_swapped (void)
{
  g_autofree char *questions = write_prompts ();
  g_autofree char *expected = expected_answers (test_quick_model (), 24);
  g_autoptr (GstElement) pipeline =
      test_launch ("filesrc location=%s ! text/x-raw,format=utf8 ! t.prompt "
                   "ggufsrc location=%s ! tokresolve ! tokenize name=t ! "
                   "infer parallel=3 temperature=0 max-tokens=24 ! "
                   "detokenize newline=true ! fakesink name=out",
          questions, test_quick_model ());
  GString *text = test_collect (pipeline, "out");

  test_run_to_eos (pipeline);
  g_assert_cmpstr (text->str, ==, expected);
}

/* 5: subtitles keep their times. */
static void
test_line_5 (void)
{
  static const char srt[] = "1\n00:00:01,000 --> 00:00:03,500\nHello <i>you"
                            "</i>\n\n2\n00:00:05,000 --> 00:00:06,000\nBye\n\n";
  g_autofree char *in = test_write_file ("in.srt", srt, sizeof srt - 1);
  g_autofree char *out = test_path ("out.srt");
  g_autoptr (GstElementFactory) parse = gst_element_factory_find ("subparse");
  g_autoptr (GstElementFactory) encode = gst_element_factory_find ("srtenc");
  g_autoptr (GstElement) pipeline = NULL;
  g_autofree char *text = NULL;

  if (parse == NULL || encode == NULL) {
    g_test_skip ("subparse or srtenc is not installed");
    return;
  }
  pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tokenize name=t "
      "system-prompt=\"Translate.\" ! infer max-tokens=6 seed=1 ! "
      "detokenize granularity=response ! srtenc ! filesink location=%s "
      "filesrc location=%s ! subparse ! t.prompt",
      test_quick_model (), out, in);
  test_run_to_eos (pipeline);
  text = read_file (out);
  g_assert_nonnull (strstr (text, "00:00:01,000 --> 00:00:03,500"));
  g_assert_nonnull (strstr (text, "00:00:05,000 --> 00:00:06,000"));
}

/* 8: two conversations, one copy of the weights. */
static void
test_line_8 (void)
{
  g_autofree char *a = test_path ("a.txt");
  g_autofree char *b = test_path ("b.txt");
  g_autoptr (GstElement) pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tee name=m "
      "m. ! queue ! tokenize prompt=\"Name a fruit.\" ! infer temperature=0 "
      "max-tokens=30 ! detokenize ! filesink location=%s "
      "m. ! queue ! tokenize prompt=\"Name a tree.\" ! infer temperature=0 "
      "max-tokens=30 ! detokenize ! filesink location=%s",
      test_quick_model (), a, b);
  g_autofree char *expected_a =
      generate_text (test_quick_model (), "Name a fruit.", 30);
  g_autofree char *expected_b =
      generate_text (test_quick_model (), "Name a tree.", 30);
  g_autofree char *text_a = NULL;
  g_autofree char *text_b = NULL;

  test_run_to_eos (pipeline);
  text_a = read_file (a);
  text_b = read_file (b);
  g_assert_cmpstr (text_a, ==, expected_a);
  g_assert_cmpstr (text_b, ==, expected_b);
}

/* 10: reproducible, with stop strings, on the processor. */
static void
test_line_10 (void)
{
  static const char line[] =
      "-q ggufsrc location=@ ! tokresolve ! tokenize prompt=\"Q: 2+2?\" "
      "template=none ! infer device=cpu seed=7 temperature=0 max-tokens=32 "
      "stop='<\"Q:\",\"A:\">' ! detokenize ! fdsink";
  g_autofree char *text = run_gst_launch (line, test_quick_model (), NULL);
  g_autofree char *expected =
      generate_text (test_quick_model (), "Q: 2+2?", 32);

  if (text == NULL) {
    skip_launch ();
    return;
  }
  g_assert_null (strstr (text, "Q:"));
  g_assert_null (strstr (text, "A:"));
  /* Random weights say neither; then the whole response comes. */
  if (!strstr (expected, "Q:") && !strstr (expected, "A:"))
    g_assert_cmpstr (text, ==, expected);
}

/* 11: a benchmark. */
static void
test_line_11 (void)
{
  g_autofree char *text = run_gst_launch (
      "-m ggufsrc location=@ ! tokresolve ! tokenize prompt=\"x\" "
      "template=none ! infer ignore-eos=true max-tokens=256 ! fakesink",
      test_quick_model (), NULL);

  if (text == NULL) {
    skip_launch ();
    return;
  }
  g_assert_nonnull (strstr (text, "bitnet-generation"));
  g_assert_nonnull (strstr (text, "generated-tokens=(uint)256"));
}

/* C50: the environment makes sampled text repeatable, for every number of
 * threads. */
static void
test_deterministic (void)
{
  static const char *const threads[] = {"1", "2", "3"};
  static const char *const environment[] = {
      "BITNET_DETERMINISTIC=1", "BITNET_SEED=42", NULL};
  g_autofree char *first = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++) {
    g_autofree char *line = g_strdup_printf (
        "-q ggufsrc location=@ ! tokresolve ! tokenize prompt=hello ! "
        "infer temperature=1.5 top-k=0 max-tokens=64 threads=%s ! "
        "detokenize ! fdsink",
        threads[i]);
    g_autofree char *text = NULL;

    text = run_gst_launch_with (line, test_quick_model (), NULL, environment);
    if (text == NULL) {
      skip_launch ();
      return;
    }
    if (first == NULL)
      first = g_steal_pointer (&text);
    else
      g_assert_cmpstr (text, ==, first);
  }
}

/* Bad input, through whole pipelines: one message each. */
static void
expect (const char *model, const char *prompt, GQuark domain, int code,
    const char *part)
{
  g_autoptr (GstElement) pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tokenize name=t ! infer ! "
      "detokenize ! fakesink",
      model);
  g_autoptr (GstElement) tokenize =
      gst_bin_get_by_name (GST_BIN (pipeline), "t");

  g_object_set (tokenize, "prompt", prompt, NULL);
  test_expect_error (pipeline, domain, code, part);
}

static void
test_bad_files (void)
{
  g_autofree char *missing = test_path ("missing.gguf");
  g_autofree char *empty = test_write_file ("empty.gguf", "", 0);
  g_autofree char *magic =
      test_write_file ("magic.gguf", "GGML is not a GGUF file at all", 30);
  g_autofree char *data = NULL;
  g_autofree char *cut = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (test_quick_model (), &data, &size, NULL));
  cut = test_write_file ("cut.gguf", data, size / 2);
  expect (
      missing, "x", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, missing);
  expect ("/tmp", "x", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "/tmp");
  expect (empty, "x", GST_STREAM_ERROR, GST_STREAM_ERROR_DEMUX, empty);
  expect (magic, "x", GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE, magic);
  expect (cut, "x", GST_STREAM_ERROR, GST_STREAM_ERROR_DEMUX, cut);
  expect (test_nan_model (), "x", GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED,
      test_nan_model ());
}

/* The place behind the first occurrence of a GGUF string. */
static char *
find_string (char *data, gsize size, const char *text)
{
  gsize n = strlen (text);

  for (gsize i = 8; i + n < size; i++) {
    guint64 length;

    memcpy (&length, data + i - 8, sizeof length);
    if (GUINT64_FROM_LE (length) == n && memcmp (data + i, text, n) == 0)
      return data + i + n;
  }
  g_assert_not_reached ();
}

static void
test_unsupported (void)
{
  const guint32 unknown_type = GUINT32_TO_LE (99);
  g_autofree char *data = NULL;
  g_autofree char *architecture = NULL;
  g_autofree char *type = NULL;
  char *place;
  gsize size;

  /* Value type and length stand between a key and its string. */
  g_assert_true (g_file_get_contents (test_quick_model (), &data, &size, NULL));
  place = find_string (data, size, "general.architecture") + 4 + 8;
  g_assert_cmpmem (place, 5, "llama", 5);
  memcpy (place, "alpha", 5);
  architecture = test_write_file ("architecture.gguf", data, size);
  expect (
      architecture, "x", GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "alpha");

  /* Number of dimensions and two dimensions stand before the type. */
  memcpy (place, "llama", 5);
  place = find_string (data, size, "output.weight") + 4 + 2 * 8;
  memcpy (place, &unknown_type, sizeof unknown_type);
  type = test_write_file ("type.gguf", data, size);
  expect (type, "x", GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "99");
}

static void
test_bad_prompts (void)
{
  g_autofree char *words = g_strnfill (3000, 'q');

  expect (test_quick_model (), words, GST_STREAM_ERROR, GST_STREAM_ERROR_ENCODE,
      "512");
  expect (test_quick_model (), "caf\xe9", GST_STREAM_ERROR,
      GST_STREAM_ERROR_DECODE, "0xe9 at offset 3");
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_test_add_func ("/pipelines/C46/line-1", test_line_1);
  g_test_add_func ("/pipelines/C46/line-1-launch", test_line_1_launch);
  g_test_add_func ("/pipelines/line-1-sampled", test_line_1_sampled);
  g_test_add_func ("/pipelines/demo", test_demo);
  g_test_add_func ("/pipelines/line-2", test_line_2);
  g_test_add_func ("/pipelines/line-3", test_line_3);
  g_test_add_func ("/pipelines/line-3-launch", test_line_3_launch);
  g_test_add_func ("/pipelines/line-3-swapped", test_line_3_swapped);
  g_test_add_func ("/pipelines/line-5", test_line_5);
  g_test_add_func ("/pipelines/line-8", test_line_8);
  g_test_add_func ("/pipelines/line-10", test_line_10);
  g_test_add_func ("/pipelines/line-11", test_line_11);
  g_test_add_func ("/pipelines/C50/deterministic", test_deterministic);
  g_test_add_func ("/pipelines/bad-files", test_bad_files);
  g_test_add_func ("/pipelines/unsupported", test_unsupported);
  g_test_add_func ("/pipelines/bad-prompts", test_bad_prompts);
  return test_finish ();
}
