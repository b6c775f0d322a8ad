/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A chat template and, behind a line "====", a JSON object with its variables.
 * Whatever they are, they are rendered or refused with a reason, and what is
 * said to come from outside lies in the output. */
#include <stdlib.h>
#include <string.h>

#include "bitnet-error.h"
#include "fuzz.h"
#include "jinja/bn-jinja.h"

#define SEPARATOR "\n====\n"

static const char default_variables[] =
    "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi <|x|>\"},{\"role\":"
    "\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":"
    "\"f\","
    "\"arguments\":{\"a\":[1,2.5,null,true,\"\\u00fc\"]}}}]}],\"tools\":[{}],"
    "\"add_generation_prompt\":true,\"n\":7,\"s\":\"text\"}";

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

static void
check_error (const GError *error)
{
  check (error != NULL && error->domain == BITNET_ERROR, "an error is set");
  check (error->code == BITNET_ERROR_TEMPLATE_RAISED
             || (!strpbrk (error->message, "\r\n")
                 && g_utf8_validate (error->message, -1, NULL)),
      "a message is one line of text");
}

static void
check_output (const BnJinjaOutput *output)
{
  size_t at = 0;

  check (g_utf8_validate_len (output->text, output->size, NULL)
             || memchr (output->text, '\0', output->size),
      "the output is UTF-8");
  for (size_t i = 0; i < output->n_untrusted; i++) {
    check (output->untrusted[i].begin >= at
               && output->untrusted[i].begin < output->untrusted[i].end,
        "ranges are in order");
    at = output->untrusted[i].end;
  }
  check (at <= output->size, "ranges lie in the output");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const BnJinjaLimits limits = {
      .max_steps = 20000, .max_memory = 16 << 20, .max_text_size = 1 << 20};
  const char *text = (const char *) data, *json = default_variables;
  size_t json_size = strlen (json);
  g_autoptr (BnJinjaTemplate) template = NULL;
  g_autoptr (BnJinjaContext) context = bn_jinja_context_new (&limits);
  g_auto (BnJinjaOutput) output = {0};
  g_autoptr (GError) error = NULL;

  for (size_t i = 0; i + strlen (SEPARATOR) <= size; i++) {
    if (memcmp (data + i, SEPARATOR, strlen (SEPARATOR)) == 0) {
      json = text + i + strlen (SEPARATOR);
      json_size = size - i - strlen (SEPARATOR);
      size = i;
      break;
    }
  }
  template = bn_jinja_template_new (text, size, &limits, &error);
  if (template == NULL) {
    check_error (error);
    return 0;
  }
  bn_jinja_context_set_now (context, "2026-01-02T03:04:05", NULL);
  if (!bn_jinja_context_set_members (
          context, json, json_size, BN_JINJA_UNTRUSTED, &error)) {
    check_error (error);
    return 0;
  }
  if (bn_jinja_template_render (template, context, NULL, &output, &error))
    check_output (&output);
  else
    check_error (error);
  return 0;
}
