/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every pass copies the text over itself; what is removed is not copied. A
 * space that a pass removes is the one copied last, so it is taken back. */
#include "bn-clean.h"

#include <string.h>

typedef enum {
  KEEP,
  JOIN, /* without the space in front */
  LINK, /* without the spaces on both sides */
} Action;

/* What to do with a character behind a space; rest begins with it and has
 * length bytes. */
typedef Action (*DecideFn) (const char *rest, gsize length);

static void
run_pass (GString *text, DecideFn decide)
{
  char *out = text->str;
  gsize length = text->len, n = 0;

  for (gsize i = 0; i < length; i++) {
    Action action = i > 0 && text->str[i - 1] == ' '
                        ? decide (text->str + i, length - i)
                        : KEEP;
    char c = text->str[i];

    if (action != KEEP)
      n--;
    /* text->str[i] stays, as the next character looks at it; out is never
     * ahead of it. */
    out[n++] = c;
    if (action == LINK) {
      i++;
      /* The space that has gone is not in front of the next character. */
      text->str[i] = '\0';
    }
  }
  g_string_truncate (text, n);
}

static gboolean
begins (const char *rest, gsize length, const char *word)
{
  gsize word_length = strlen (word);

  return length >= word_length && memcmp (rest, word, word_length) == 0;
}

static Action
decide_quote (const char *rest, gsize length)
{
  return begins (rest, length, "' ") ? LINK : KEEP;
}

/* llama.cpp. */

static Action
decide_stops (const char *rest, gsize length)
{
  return strchr ("?!.,", *rest) && *rest ? JOIN : KEEP;
}

static Action
decide_contractions (const char *rest, gsize length)
{
  return begins (rest, length, "'s") || begins (rest, length, "'m")
                 || begins (rest, length, "'re") || begins (rest, length, "'ve")
             ? JOIN
             : KEEP;
}

void
bn_clean_llama_cpp (GString *text)
{
  run_pass (text, decide_stops);
  run_pass (text, decide_quote);
  run_pass (text, decide_contractions);
}

/* Hugging Face. Passes that cannot be in each other's way are one. */

static Action
decide_negation (const char *rest, gsize length)
{
  return begins (rest, length, "n't") ? JOIN : KEEP;
}

void
bn_clean_huggingface (GString *text)
{
  run_pass (text, decide_stops);
  run_pass (text, decide_quote);
  run_pass (text, decide_negation);
  run_pass (text, decide_contractions);
}
