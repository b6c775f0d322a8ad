/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encodes texts with llama.cpp for compare.py, which compiles this against a
 * source folder of llama.cpp and speaks with it in lines of JSON. Not part of
 * the project's build. */
#include <llama.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void
be_silent (enum ggml_log_level level, const char *text, void *user_data)
{
}

static double
now (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

/* The string or number after "key": in a line that compare.py wrote. */
static const char *
member (const char *line, const char *key)
{
  char pattern[32];
  const char *found;

  snprintf (pattern, sizeof pattern, "\"%s\": ", key);
  found = strstr (line, pattern);
  return found ? found + strlen (pattern) : "";
}

/* The size without a half character at the end. */
static size_t
whole_characters (const char *text, size_t size)
{
  const unsigned char *bytes = (const unsigned char *) text;
  size_t lead = size;
  size_t length;

  while (lead > 0 && (bytes[lead - 1] & 0xC0) == 0x80)
    lead--;
  if (lead == 0 || bytes[lead - 1] < 0xC0)
    return size;
  lead--;
  length = bytes[lead] < 0xE0 ? 2 : bytes[lead] < 0xF0 ? 3 : 4;
  return size - lead < length ? lead : size;
}

static char *
read_text (const char *line, size_t *size)
{
  const char *path = member (line, "text") + 1;
  size_t wanted = strtoull (member (line, "size"), NULL, 10);
  char name[4096];
  char *text = malloc (wanted < 1 << 30 ? wanted + 1 : (1 << 30) + 1);
  FILE *file;

  snprintf (name, sizeof name, "%.*s", (int) strcspn (path, "\""), path);
  file = fopen (name, "rb");
  *size = file ? fread (text, 1, wanted < 1 << 30 ? wanted : 1 << 30, file) : 0;
  if (file)
    fclose (file);
  *size = whole_characters (text, *size);
  return text;
}

static int
encode (const struct llama_vocab *vocab, const char *text, size_t size,
    llama_token *ids)
{
  return llama_tokenize (
      vocab, text, (int) size, ids, (int) size + 8, false, false);
}

static void
print_lines (const struct llama_vocab *vocab, const char *text, size_t size,
    llama_token *ids)
{
  const char *end = text + size;

  printf ("{\"ids\": [");
  for (const char *p = text; p < end;) {
    const char *newline = memchr (p, '\n', (size_t) (end - p));
    const char *next = newline ? newline + 1 : end;
    int n = encode (vocab, p, (size_t) (next - p), ids);

    printf ("%s[", p > text ? ", " : "");
    for (int i = 0; i < n; i++)
      printf (i ? ", %d" : "%d", ids[i]);
    printf ("]");
    p = next;
  }
  printf ("]}\n");
}

int
main (int argc, char **argv)
{
  struct llama_model_params params = llama_model_default_params ();
  const struct llama_vocab *vocab;
  struct llama_model *model;
  char line[8192];

  llama_log_set (be_silent, NULL);
  params.vocab_only = true;
  model = llama_model_load_from_file (argv[argc - 1], params);
  if (model == NULL)
    return 1;
  vocab = llama_model_get_vocab (model);
  printf ("{\"ready\": true}\n");
  fflush (stdout);
  while (fgets (line, sizeof line, stdin)) {
    size_t size;
    char *text = read_text (line, &size);
    llama_token *ids = malloc ((size + 8) * sizeof *ids);
    double start = now ();

    if (strncmp (member (line, "lines"), "true", 4) == 0) {
      print_lines (vocab, text, size, ids);
    } else {
      int n = encode (vocab, text, size, ids);

      printf ("{\"seconds\": %.9f, \"n_ids\": %d, \"size\": %zu}\n",
          now () - start, n, size);
    }
    fflush (stdout);
    free (text);
    free (ids);
  }
  llama_model_free (model);
  return 0;
}
