/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Schedulers and requests over the transformer that computes nothing. */
#include "scheduler-fixture.h"

#include <string.h>

#include "fake-transformer.h"

static BnScheduler *
start_with (const BnSchedulerOptions *options)
{
  g_autoptr (GError) error = NULL;
  BnScheduler *self = bn_scheduler_new (NULL, options, &error);

  g_assert_no_error (error);
  return self;
}

static void
wait_ready (BnScheduler *self)
{
  g_autoptr (GError) error = NULL;

  bn_scheduler_wait_ready (self, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
}

BnScheduler *
start_scheduler (guint n_sequences, guint batch_size)
{
  return start_with (&(BnSchedulerOptions){
      .n_sequences = n_sequences, .batch_size = batch_size});
}

BnScheduler *
start_ready (guint n_sequences, guint batch_size)
{
  BnScheduler *self = start_scheduler (n_sequences, batch_size);

  wait_ready (self);
  return self;
}

BnScheduler *
start_drafts (guint n_sequences, guint batch_size, guint n_drafts)
{
  BnScheduler *self = start_with (&(BnSchedulerOptions){
      .n_sequences = n_sequences,
      .batch_size = batch_size,
      .n_drafts = n_drafts,
  });

  wait_ready (self);
  return self;
}

void
stop_scheduler (BnScheduler *self)
{
  bn_scheduler_stop (self);
  bn_scheduler_unref (self);
  fake_wait_freed ();
}

guint32 *
make_prompt (guint32 seed, guint n)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint32 *tokens = g_new (guint32, n);

  for (guint i = 0; i < n; i++)
    tokens[i] = (guint32) g_rand_int_range (rand, 1, FAKE_BAD_TOKEN);
  return tokens;
}

const char *
get_token_text (guint32 token)
{
  static char texts[FAKE_N_VOCAB][2];

  if (token == 30)
    return "ab";
  if (token == 31)
    return "bc";
  texts[token][0] = (char) ('A' + token);
  return texts[token];
}

static gboolean
is_end (void *data, guint32 token)
{
  return token == END_TOKEN;
}

static GBytes *
get_text (void *data, guint32 token)
{
  const char *text = get_token_text (token);

  return g_bytes_new (text, strlen (text));
}

static guint32 *
spell (void *data, const char *text, size_t size, size_t *n_tokens)
{
  guint32 *tokens = g_new (guint32, size);

  for (size_t i = 0; i < size; i++)
    tokens[i] = (guint32) (text[i] - 'A');
  *n_tokens = size;
  return tokens;
}

BnRequest *
submit_full (BnScheduler *self, const guint32 *tokens, guint n_tokens,
    guint max_tokens, const char *const *stop, gboolean has_end, GError **error)
{
  const BnSchedulerInfo *info = bn_scheduler_get_info (self);
  BnSamplerConfig greedy = {.temperature = 0, .penalty_repeat = 1};
  BnRequestOptions options = {
      .tokens = tokens,
      .n_tokens = n_tokens,
      .max_tokens = max_tokens,
      .sampler = bn_sampler_new (&greedy, 0, info->n_vocab, info->context_size),
      .stopper = stop ? bn_stopper_new (stop) : NULL,
      .vocabulary = {.is_end = has_end ? is_end : NULL,
          .get_text = get_text,
          .spell = spell},
  };

  return bn_scheduler_submit (self, &options, error);
}

BnRequest *
submit (BnScheduler *self, guint32 seed, guint n_tokens, guint max_tokens)
{
  g_autofree guint32 *prompt = make_prompt (seed, n_tokens);
  g_autoptr (GError) error = NULL;
  BnRequest *request =
      submit_full (self, prompt, n_tokens, max_tokens, NULL, FALSE, &error);

  g_assert_no_error (error);
  return request;
}

GArray *
drain (BnRequest *request, GError **error)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (guint32));
  guint32 piece[16];
  gssize n;

  while ((n = bn_request_take (
              request, piece, (gsize) g_random_int_range (1, 16), NULL, error))
         > 0)
    g_array_append_vals (all, piece, (guint) n);
  return all;
}

/* What the request is to get: n tokens behind the prompt. */
static void
check_tokens (const GArray *got, guint32 seed, guint n_prompt, guint n)
{
  g_autofree guint32 *prompt = make_prompt (seed, n_prompt);
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (guint32));

  g_array_append_vals (all, prompt, n_prompt);
  g_assert_cmpuint (got->len, ==, n);
  for (guint i = 0; i < n; i++) {
    guint32 next = fake_next_token ((guint32 *) (void *) all->data, all->len);
    g_assert_cmpuint (g_array_index (got, guint32, i), ==, next);
    g_array_append_val (all, next);
  }
}

void
check_request (BnRequest *request, guint32 seed, guint n_prompt, guint n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) got = drain (request, &error);
  BnRequestStatus status;

  g_assert_no_error (error);
  check_tokens (got, seed, n_prompt, n);
  bn_request_get_status (request, &status);
  g_assert_cmpint (status.reason, ==, BN_FINISH_LENGTH);
  g_assert_cmpuint (status.n_prompt_tokens, ==, n_prompt);
  g_assert_cmpuint (status.n_generated_tokens, ==, n);
}

BnFinishReason
get_reason (BnRequest *request)
{
  BnRequestStatus status;

  bn_request_get_status (request, &status);
  return status.reason;
}
