/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of tokenize share: an element between harnesses, a small model
 * for it, and short ways to send prompts and to look at what becomes of them.
 * All fail the test if something is not as expected. */
#pragma once

#include "element-test.h"

#define TEXT_CAPS "text/x-raw, format=(string)utf8"

typedef struct {
  GstElement *element;
  GstHarness *h;      /* sink and src */
  GstHarness *prompt; /* NULL without a prompt pad */
  GstBus *bus;
  BitnetModel *model;
  BitnetTokenizer *tokenizer;
} Fixture;

/* The element with these properties, the last one NULL. */
void set_up (Fixture *f, const char *first_property, ...);
void tear_down (Fixture *f);

/* A prompt pad with caps as described and a segment of that format. */
void add_prompt_pad (Fixture *f, const char *description, GstFormat format);
/* The handles and the buffer behind them. */
void finish_model (Fixture *f);

/* To the prompt pad; in a GThread it is "hello\n", and the flow is returned by
 * g_thread_join(). */
GstFlowReturn push_text (Fixture *f, const char *text, gsize size);
gpointer push_in_thread (gpointer fixture);

/* With special tokens; (element-type guint32). */
GArray *encode (Fixture *f, const char *text);

/* The next buffer holds the prompt. */
void expect_prompt (Fixture *f, const char *text);
/* One error message, which contains part. */
void expect_error (Fixture *f, GQuark domain, int code, const char *part);
