/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What element tests share: small models in a temporary folder, pipelines
 * whose text is collected, waiting for messages with a deadline. */
#pragma once

#include <bitnet/bitnet.h>
#include <gst/gst.h>
#include <gst/check/gstharness.h>
#include "tiny-model.h"

/* A sanitizer is linked into the plugin, so programs that are not built here
 * cannot load it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_IS_INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TEST_IS_INSTRUMENTED 1
#endif
#endif
#ifndef TEST_IS_INSTRUMENTED
#define TEST_IS_INSTRUMENTED 0
#endif

enum {
  /* Nothing in these tests takes seconds; a deadline only ends a hang. */
  TEST_DEADLINE_SECONDS = 60,
};

/* gst_init, g_test_init and a folder that test_finish() removes; caches are
 * in it. */
void test_start (int *argc, char ***argv);
int test_finish (void);

/* A path in the folder; (transfer full). test_write_file() makes folders on
 * the way. */
char *test_path (const char *name);
char *test_write_file (const char *name, const void *data, gsize size);

typedef void (*TestChangeFunc) (TinyModel *model);

/* Writes a model with a byte-level vocabulary (that of test_vocab_new_bpe()),
 * which counts for n_vocab of spec; change may damage it. */
char *test_write_model (
    const char *name, const TinySpec *spec, TestChangeFunc change);
/* The same without a tokenizer. */
char *test_write_bare_model (const char *name, const TinySpec *spec);

/* One without a tokenizer and with n_vocab rows; name may have folders. */
char *test_write_sized_model (const char *name, guint n_vocab);

/* Models that are written once: small and quick; slow enough to be caught at
 * work; with NaN among its weights. */
const char *test_quick_model (void);
const char *test_slow_model (void);
const char *test_nan_model (void);

BitnetModel *test_open_model (const char *path);
BitnetTokenizer *test_open_tokenizer (BitnetModel *model);

/* What the model generates greedily from a plain prompt, by the library
 * alone; (element-type guint32). */
GArray *test_generate (BitnetModel *model, BitnetTokenizer *tokenizer,
    const char *prompt, guint max_tokens);
char *test_decode (BitnetTokenizer *tokenizer, const GArray *ids);

/* Pipelines. */
GstElement *test_launch (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* The next message of these types; fails at the deadline. */
GstMessage *test_wait_message (GstElement *pipeline, GstMessageType types);
/* Collects what comes to fakesink `name`; freed with the element. */
GString *test_collect (GstElement *pipeline, const char *name);
/* PLAYING, until EOS, NULL. */
void test_run_to_eos (GstElement *pipeline);
/* Runs until an error and then to EOS; fails unless it is the only error. */
void test_expect_error (
    GstElement *pipeline, GQuark domain, int code, const char *message_part);
/* NULL, timed: the longest time is printed by test_finish(). */
void test_set_null (GstElement *element);

/* PLAYING, until EOS or an error, READY; the messages of one element,
 * (element-type GstMessage). */
GPtrArray *test_run_and_collect (GstElement *pipeline, const char *element);
/* The first element message of that name, NULL if there is none. */
const GstStructure *test_find_message (GPtrArray *messages, const char *name);
/* Progress of this code: START, then CONTINUE, at most ten a second, then one
 * of that type. */
void test_assert_progress (
    GPtrArray *messages, const char *code, GstProgressType end);

/* Harness: pushes the handles behind caps and segment. */
void test_push_handles (
    GstHarness *h, BitnetModel *model, BitnetTokenizer *tokenizer);
/* The next event of that type, others dropped; NULL if there is none. */
GstEvent *test_pull_event (GstHarness *h, GstEventType type, const char *name);
GstBuffer *test_token_buffer (const guint32 *ids, gsize n);
GArray *test_buffer_ids (GstBuffer *buffer);
char *test_buffer_text (GstBuffer *buffer);
void test_assert_ids (const GArray *a, const GArray *b);
