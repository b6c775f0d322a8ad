/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet template: one conversation, JSON lines, what fails and how. */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  const char *name;
  const char *arguments; /* split at spaces, "%" stands for the template */
  const char *input;
  int status;
  const char *output; /* all of standard output */
  const char *error;  /* a part of standard error */
} Case;

static const char source[] =
    "{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m.content }};"
    "{% endfor %}{{ tools|length if tools is not none }}"
    "{% if add_generation_prompt %}>{% endif %}{{ x }}"
    "{% if y is defined %}{{ raise_exception('no ' ~ y) }}{% endif %}"
    "{{ strftime_now('%H') if now }}";

static const Case cases[] = {
    {"stdin", "-f %", "[{\"role\":\"user\",\"content\":\"a\"}]", 0, "user:a;>",
        NULL},
    {"messages", "-f % --messages [{\"role\":\"user\",\"content\":\"a\"}]", "",
        0, "user:a;>", NULL},
    {"options",
        "-f % --messages [] --tools [1,2] --no-generation-prompt --set x=[1.5] "
        "--bos-token <s> --now 2026-01-02T03:04:05",
        "", 0, "<s>2[1.5]03", NULL},
    {"raised", "-f % --messages [] --set y=\"z\"", "", 1, "",
        "bitnet template: no z"},
    {"jsonl", "-f % --jsonl",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\\n\"}],"
        "\"bos_token\":\"<s>\",\"add_generation_prompt\":true}\n"
        "{\"messages\":[],\"y\":1}\n{\"messages\":5}\n{\n"
        "{\"messages\":[],\"tools\":[]}\n",
        0,
        "{\"text\":\"<s>user:\xC3\xA9\\n;>\"}\n{\"raised\":\"no 1\"}\n"
        "{\"error\":\"line 1, column 19: 'int' object is not iterable\"}\n"
        "{\"error\":\"JSON, line 1: the text ends, expected a string\"}\n"
        "{\"text\":\"0\"}\n",
        NULL},
    {"no-file", "-f /nowhere/x.jinja --messages []", "", 1, "", "/nowhere"},
    {"bad-set", "-f % --messages [] --set x", "", 2, "", "NAME=JSON"},
    {"bad-json", "-f % --messages []]", "", 1, "", "JSON"},
    {"bad-now", "-f % --messages [] --now yesterday", "", 1, "", "YYYY-MM-DD"},
    {"both", "-f % --jsonl --messages []", "", 2, "", "--jsonl"},
    {"argument", "-f % x", "", 2, "", "argument"},
};

static char *template_path;

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_auto (GStrv) words = g_strsplit (c->arguments, " ", -1);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *out = NULL;
  g_autofree char *err = NULL;

  g_ptr_array_add (argv, (char *) g_getenv ("BITNET_TOOL"));
  g_ptr_array_add (argv, (char *) "template");
  for (char **word = words; *word != NULL; word++)
    g_ptr_array_add (argv, strcmp (*word, "%") == 0 ? template_path : *word);
  g_ptr_array_add (argv, NULL);
  process = g_subprocess_newv ((const char *const *) argv->pdata,
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE
          | G_SUBPROCESS_FLAGS_STDERR_PIPE,
      &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, c->input, NULL, &out, &err, NULL);
  g_assert_cmpstr (out, ==, c->output);
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, c->status);
  if (c->error != NULL)
    g_assert_nonnull (strstr (err, c->error));
  else
    g_assert_cmpstr (err, ==, "");
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int fd, status;

  g_test_init (&argc, &argv, NULL);
  fd = g_file_open_tmp ("bitnet-XXXXXX.jinja", &template_path, &error);
  g_assert_no_error (error);
  g_close (fd, NULL);
  g_file_set_contents (template_path, source, -1, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/template/%s", cases[i].name);

    g_test_add_data_func (path, &cases[i], test_case);
  }
  status = g_test_run ();
  g_unlink (template_path);
  g_free (template_path);
  return status;
}
