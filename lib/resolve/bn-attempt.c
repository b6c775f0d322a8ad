/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetAttempt: checks what strategies find and notes what they reject. */
#include "bn-attempt.h"

#include <string.h>
#include "bitnet-error.h"
#include "bitnet-tokenizer-private.h"
#include "bn-check.h"
#include "bn-matrix.h"

G_DEFINE_FINAL_TYPE (BitnetAttempt, bitnet_attempt, G_TYPE_OBJECT)

const char *
bn_kind_get_name (BnKind kind)
{
  static const char *const names[] = {
      "gguf", "file", "hub", "hub-cache", "bytes", "custom"};

  return names[kind];
}

void
bn_found_clear (BnFound *self)
{
  g_clear_object (&self->tokenizer);
  g_free (self->source);
  g_free (self->path);
  g_free (self->endpoint);
  g_free (self->repository);
  g_free (self->revision);
  g_free (self->commit);
  g_free (self->file);
  g_clear_pointer (&self->warnings, g_ptr_array_unref);
  g_clear_pointer (&self->notes, g_ptr_array_unref);
  *self = (BnFound){.tokenizer = NULL};
}

gboolean
bn_found_has_warning (const BnFound *self, const char *message)
{
  for (guint i = 0; i < self->warnings->len; i++) {
    const BnWarning *warning = self->warnings->pdata[i];

    if (strcmp (warning->message, message) == 0)
      return TRUE;
  }
  return FALSE;
}

void
bn_found_tell_warnings (const BnFound *self, const BnObserver *observer)
{
  for (guint i = 0; i < self->warnings->len; i++) {
    const BnWarning *warning = self->warnings->pdata[i];

    observer->warning (warning->code, warning->message, observer->user_data);
  }
}

static void
rejection_free (gpointer data)
{
  BnRejection *rejection = data;

  g_free (rejection->source);
  g_error_free (rejection->error);
  g_free (rejection);
}

static void
bitnet_attempt_finalize (GObject *object)
{
  BitnetAttempt *self = BITNET_ATTEMPT (object);

  bn_found_clear (&self->found);
  g_ptr_array_unref (self->rejections);
  g_clear_object (&self->discovery);
  g_clear_pointer (&self->services, bn_services_unref);
  if (self->options)
    bn_resolve_options_unref (self->options);
  G_OBJECT_CLASS (bitnet_attempt_parent_class)->finalize (object);
}

static void
bitnet_attempt_class_init (BitnetAttemptClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bitnet_attempt_finalize;
}

static void
bitnet_attempt_init (BitnetAttempt *self)
{
  self->rejections = g_ptr_array_new_with_free_func (rejection_free);
}

BitnetAttempt *
bn_attempt_new (const BnResolveOptions *options, BitnetDiscovery *discovery,
    BnServices *services, const BnObserver *observer, GError **error)
{
  BitnetAttempt *self;
  BitnetFidelity fidelity;

  if (!bn_resolve_options_get_fidelity (options, &fidelity, error))
    return NULL;
  self = g_object_new (BITNET_TYPE_ATTEMPT, NULL);
  self->options = bn_resolve_options_ref (options);
  self->fidelity = fidelity;
  self->discovery = g_object_ref (discovery);
  self->services = bn_services_ref (services);
  self->observer = observer;
  return self;
}

/* Checking. */

/* A family that is known for certain of a model without a token list: its
 * landmarks are all there is to compare with. */
static gboolean
check_landmarks (
    BitnetAttempt *self, BitnetTokenizer *tokenizer, GError **error)
{
  const char *name = bitnet_discovery_get_family (self->discovery);
  const BnFamily *family =
      name ? bn_matrix_find (bn_matrix_get (), name) : NULL;
  const BnVocab *vocab = bitnet_tokenizer_get_inner (tokenizer)->vocab;
  BnSpelling spelling;

  if (family == NULL)
    return TRUE;
  spelling = bn_check_get_spelling (family->tokenizer, family->pre[0]);
  for (guint i = 0; i < family->landmarks->len; i++) {
    const BnLandmark *landmark =
        &g_array_index (family->landmarks, BnLandmark, i);

    if (landmark->id < vocab->n_tokens
        && bn_check_is_token (vocab, landmark->id, landmark->text,
            strlen (landmark->text), family->tokenizer, spelling))
      continue;
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH,
        "token %u is not \"%s\" as in %s, the model's family", landmark->id,
        landmark->text, family->title);
    return FALSE;
  }
  return TRUE;
}

static gboolean
check_device (BitnetAttempt *self, GError **error)
{
  const char *device = self->options->device;
  gboolean is_named = device != NULL && strcmp (device, "auto") != 0;
  gboolean is_unsupported = FALSE;
  g_autofree char *problem =
      bn_check_quantization (self->discovery, device, &is_unsupported);

  if (problem == NULL)
    return TRUE;
  if (is_unsupported && is_named && self->options->strict) {
    g_set_error_literal (
        error, BITNET_ERROR, BITNET_ERROR_UNSUPPORTED_QUANTIZATION, problem);
    return FALSE;
  }
  if (is_unsupported)
    bn_attempt_warn (self, BN_WARNING_DEVICE, "%s", problem);
  else
    g_info ("%s", problem);
  return TRUE;
}

/* What cannot be compared for lack of facts. */
static gboolean
check_proof (BitnetAttempt *self, const BnOffer *offer, BnVerified verified,
    GError **error)
{
  if (verified == BN_VERIFIED_BY_PIECES)
    return TRUE;
  if (verified == BN_VERIFIED_NOT && !self->is_remote) {
    if (self->options->strict) {
      g_set_error_literal (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH,
          "the model does not say how many tokens it has, which strict mode "
          "refuses");
      return FALSE;
    }
    bn_attempt_warn (self, BN_WARNING_VALIDATION,
        "the model does not say how many tokens it has");
  }
  if (offer->guess && self->options->strict) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH,
        "%s only has the right size; the model file has no token list that "
        "could prove it, which strict mode wants",
        offer->source);
    return FALSE;
  }
  if (offer->guess)
    bn_attempt_warn (self, BN_WARNING_VALIDATION,
        "%s %s; the model file has no token list that could prove that it is "
        "the right one",
        offer->source, offer->guess);
  return TRUE;
}

static void
warning_free (gpointer data)
{
  BnWarning *warning = data;

  g_free (warning->message);
  g_free (warning);
}

static gboolean
check (BitnetAttempt *self, BitnetTokenizer *tokenizer, const BnOffer *offer,
    GError **error)
{
  gboolean strict = self->options->strict;
  g_auto (BnValidation) validation = {.warnings = NULL};

  if (!bn_validate (tokenizer, self->discovery, offer->is_embedded, strict,
          &validation, error))
    return FALSE;
  if (validation.verified != BN_VERIFIED_BY_PIECES
      && !check_landmarks (self, tokenizer, error))
    return FALSE;
  if (!check_proof (self, offer, validation.verified, error)
      || !check_device (self, error))
    return FALSE;
  self->found.verified = validation.verified;
  for (guint i = 0; validation.warnings && i < validation.warnings->len; i++)
    bn_attempt_warn (self, BN_WARNING_VALIDATION, "%s",
        (const char *) validation.warnings->pdata[i]);
  return TRUE;
}

static void
begin_found (BitnetAttempt *self)
{
  bn_found_clear (&self->found);
  self->found.warnings = g_ptr_array_new_with_free_func (warning_free);
  self->found.notes = g_ptr_array_new_with_free_func (g_free);
}

static void
note_origin (BnFound *found, const BnOffer *offer)
{
  found->kind = offer->kind;
  found->source = g_strdup (offer->source);
  found->path =
      offer->path ? g_canonicalize_filename (offer->path, NULL) : NULL;
  found->endpoint = g_strdup (offer->endpoint);
  found->repository = g_strdup (offer->repository);
  found->revision = g_strdup (offer->revision);
  found->commit = g_strdup (offer->commit);
  found->file = g_strdup (offer->file);
  found->from_cache = offer->from_cache;
}

gboolean
bn_attempt_offer (BitnetAttempt *self, BitnetTokenizer *tokenizer_,
    const BnOffer *offer, GError **error)
{
  g_autoptr (BitnetTokenizer) tokenizer = tokenizer_;
  GError *problem = NULL;

  begin_found (self);
  if (!offer->is_embedded && offer->kind != BN_KIND_CUSTOM)
    bn_adapt (tokenizer, self->discovery, self->found.notes);
  if (!check (self, tokenizer, offer, &problem)) {
    if (error)
      *error = g_error_copy (problem);
    bn_attempt_reject (self, offer->source, problem);
    bn_found_clear (&self->found);
    return FALSE;
  }
  note_origin (&self->found, offer);
  self->found.tokenizer = g_steal_pointer (&tokenizer);
  return TRUE;
}

void
bn_error_make_valid (GError *error)
{
  char *valid = g_utf8_make_valid (error->message, -1);

  g_free (error->message);
  error->message = valid;
}

void
bn_attempt_reject (BitnetAttempt *self, const char *source, GError *error)
{
  BnRejection *rejection = g_new0 (BnRejection, 1);

  bn_error_make_valid (error);
  g_info ("%s: %s", source, error->message);
  rejection->source = g_strdup (source);
  rejection->error = error;
  g_ptr_array_add (self->rejections, rejection);
}

int
bn_error_get_rank (const GError *error)
{
  /* The most telling first (resolver.md section 9). */
  static const BitnetError ranking[] = {
      BITNET_ERROR_GATED,
      BITNET_ERROR_AUTH_INVALID,
      BITNET_ERROR_FORBIDDEN,
      BITNET_ERROR_AMBIGUOUS,
      BITNET_ERROR_UNSUPPORTED_QUANTIZATION,
      BITNET_ERROR_VOCAB_MISMATCH,
      BITNET_ERROR_UNSUPPORTED_TOKENIZER,
      BITNET_ERROR_TOKENIZER,
      BITNET_ERROR_UNKNOWN_PRETOKENIZER,
      BITNET_ERROR_DIGEST,
      BITNET_ERROR_TOO_LARGE,
      BITNET_ERROR_TRUNCATED,
      BITNET_ERROR_OUT_OF_MEMORY,
      BITNET_ERROR_NO_SPACE,
      BITNET_ERROR_PERMISSION,
      BITNET_ERROR_CACHE_IO,
      BITNET_ERROR_WRITE,
      BITNET_ERROR_TLS,
      BITNET_ERROR_RATE_LIMITED,
      BITNET_ERROR_CIRCUIT_OPEN,
      BITNET_ERROR_TIMEOUT,
      BITNET_ERROR_NETWORK,
      BITNET_ERROR_TRANSIENT,
      BITNET_ERROR_HTTP,
      BITNET_ERROR_REPO_NOT_FOUND,
      BITNET_ERROR_REVISION_NOT_FOUND,
      BITNET_ERROR_ENTRY_NOT_FOUND,
      BITNET_ERROR_OFFLINE,
      BITNET_ERROR_DOWNLOAD_DISABLED,
      BITNET_ERROR_INVALID_MODEL,
      BITNET_ERROR_READ,
      BITNET_ERROR_NO_SOURCE,
      BITNET_ERROR_NO_EMBEDDED_TOKENIZER,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (ranking); i++) {
    if (g_error_matches (error, BITNET_ERROR, ranking[i]))
      return (int) (G_N_ELEMENTS (ranking) - i);
  }
  return 0;
}

BitnetTokenizer *
bn_attempt_fail (BitnetAttempt *self, GError **error, BitnetError code,
    const char *format, ...)
{
  const BnRejection *best = NULL;
  g_autofree char *message = NULL;
  va_list args;

  for (guint i = 0; i < self->rejections->len; i++) {
    const BnRejection *rejection = self->rejections->pdata[i];

    if (best == NULL
        || bn_error_get_rank (rejection->error)
               > bn_error_get_rank (best->error))
      best = rejection;
  }
  if (best) {
    if (error)
      *error = g_error_copy (best->error);
    return NULL;
  }
  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, BITNET_ERROR, (int) code, message);
  return NULL;
}

BitnetTokenizer *
bn_attempt_get_found (BitnetAttempt *self)
{
  return self->found.tokenizer ? g_object_ref (self->found.tokenizer) : NULL;
}

void
bn_attempt_warn (BitnetAttempt *self, const char *code, const char *format, ...)
{
  g_autofree char *message = NULL;
  BnWarning *warning;
  va_list args;

  if (self->found.warnings == NULL)
    begin_found (self);
  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  warning = g_new (BnWarning, 1);
  warning->code = code;
  warning->message = g_utf8_make_valid (message, -1);
  g_ptr_array_add (self->found.warnings, warning);
}

void
bn_attempt_warn_pre (BitnetAttempt *self, const char *path)
{
  self->found.is_uncertain = TRUE;
  bn_attempt_warn (self, BN_WARNING_PRE,
      "%s does not say in a known way how text is cut into words; it is cut "
      "as most models do, and some words may become other tokens than the "
      "model has learned",
      path);
}

void
bn_attempt_progress (const BitnetProgress *progress, gpointer user_data)
{
  BitnetAttempt *self = user_data;

  if (self->observer)
    self->observer->progress (progress, self->observer->user_data);
}

/* Public. */

BitnetDiscovery *
bitnet_attempt_get_discovery (BitnetAttempt *self)
{
  g_return_val_if_fail (BITNET_IS_ATTEMPT (self), NULL);

  return self->discovery;
}

gboolean
bitnet_attempt_is_strict (BitnetAttempt *self)
{
  g_return_val_if_fail (BITNET_IS_ATTEMPT (self), FALSE);

  return self->options->strict;
}

gboolean
bitnet_attempt_allows_network (BitnetAttempt *self)
{
  g_return_val_if_fail (BITNET_IS_ATTEMPT (self), FALSE);

  return bn_resolve_options_allow_network (self->options);
}

gboolean
bitnet_attempt_check (BitnetAttempt *self, BitnetTokenizer *tokenizer,
    const char *source, GError **error)
{
  BnOffer offer = {.kind = BN_KIND_CUSTOM, .source = source};

  g_return_val_if_fail (BITNET_IS_ATTEMPT (self), FALSE);
  g_return_val_if_fail (BITNET_IS_TOKENIZER (tokenizer), FALSE);
  g_return_val_if_fail (source != NULL, FALSE);

  return bn_attempt_offer (self, g_object_ref (tokenizer), &offer, error);
}

void
bitnet_attempt_set_source (BitnetAttempt *self, const char *source)
{
  g_return_if_fail (BITNET_IS_ATTEMPT (self));
  g_return_if_fail (source != NULL);

  g_free (self->found.source);
  self->found.source = g_strdup (source);
}

void
bitnet_attempt_warn (BitnetAttempt *self, const char *message)
{
  g_return_if_fail (BITNET_IS_ATTEMPT (self));
  g_return_if_fail (message != NULL);

  bn_attempt_warn (self, BN_WARNING_VALIDATION, "%s", message);
}
