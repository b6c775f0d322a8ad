/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One try of one strategy: what it may use, what it found, what it rejected.
 * The public face is BitnetAttempt. For one thread at a time. */
#pragma once

#include "bitnet-error.h"
#include "bitnet-progress.h"
#include "bitnet-strategy.h"
#include "bn-options.h"
#include "bn-services.h"
#include "bn-validate.h"

/* Kinds of warnings: stable, in signals. */
#define BN_WARNING_BACKUP "backup"
#define BN_WARNING_VALIDATION "validation"
#define BN_WARNING_STALE "stale"
#define BN_WARNING_PRE "pre-tokenizer"
#define BN_WARNING_AMBIGUOUS "ambiguous"
#define BN_WARNING_DEVICE "device"

/* Who is told what happens, in the thread that resolves. */
typedef struct {
  void (*started) (BitnetStrategy *strategy, int priority, gpointer user_data);
  /* error: NULL if it was successful */
  void (*finished) (BitnetStrategy *strategy, const GError *error,
      double duration_ms, gpointer user_data);
  void (*progress) (const BitnetProgress *progress, gpointer user_data);
  void (*warning) (const char *code, const char *message, gpointer user_data);
  gpointer user_data;
} BnObserver;

/* Where a tokenizer comes from. */
typedef enum {
  BN_KIND_GGUF,      /* keys of a GGUF file */
  BN_KIND_FILE,      /* a file on disk */
  BN_KIND_HUB,       /* our cache of a hub's files */
  BN_KIND_HUB_CACHE, /* the cache of the hub's own client */
  BN_KIND_BYTES,     /* the last resort */
  BN_KIND_CUSTOM,    /* of a strategy of the application */
} BnKind;

const char *bn_kind_get_name (BnKind kind);

/* A tokenizer that was found and fits. */
typedef struct {
  BitnetTokenizer *tokenizer;
  BnKind kind;
  char *source; /* for people */
  /* Where it can be found again: path of a file, or repository, endpoint,
   * commit and file. */
  char *path;
  char *endpoint, *repository, *revision, *commit, *file;
  gboolean from_cache;
  gboolean is_uncertain; /* not to be remembered */
  BnVerified verified;
  GPtrArray *warnings; /* of BnWarning */
  GPtrArray *notes;    /* of char: what the model's keys have changed */
} BnFound;

/* Something odd that was let pass. */
typedef struct {
  const char *code;
  char *message;
} BnWarning;

void bn_found_clear (BnFound *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnFound, bn_found_clear)

/* Of what was found. */
gboolean bn_found_has_warning (const BnFound *self, const char *message);
void bn_found_tell_warnings (const BnFound *self, const BnObserver *observer);

/* Something that was not taken, and why. */
typedef struct {
  char *source;
  GError *error;
} BnRejection;

struct _BitnetAttempt {
  GObject parent_instance;

  const BnResolveOptions *options;
  BitnetFidelity fidelity;
  BitnetDiscovery *discovery;
  gboolean is_remote; /* a repository is in the place of the model */
  BnServices *services;
  const BnObserver *observer; /* NULL once the attempt is over */
  BnFound found;              /* its tokenizer is NULL until one fits */
  GPtrArray *rejections;      /* of BnRejection */
};

BitnetAttempt *bn_attempt_new (const BnResolveOptions *options,
    BitnetDiscovery *discovery, BnServices *services,
    const BnObserver *observer, GError **error);

/* What bn_attempt_offer() has to know. Strings stay with the caller. */
typedef struct {
  BnKind kind;
  const char *source;
  const char *path;
  const char *endpoint, *repository, *revision, *commit, *file;
  gboolean from_cache;
  /* It was read from the model itself, and others may have it. */
  gboolean is_embedded;
  /* Why equal numbers may be chance ("lies one folder up"): sizes alone are
   * a doubt then, in strict mode an error. NULL: somebody has named it, or it
   * lies beside this model and no other. */
  const char *guess;
} BnOffer;

/* Adapts a tokenizer to the model and checks it (takes it over). TRUE: it is
 * what was found. FALSE with error: it is noted as rejected. */
gboolean bn_attempt_offer (BitnetAttempt *self, BitnetTokenizer *tokenizer,
    const BnOffer *offer, GError **error);

/* Notes what was not taken (takes error). */
void bn_attempt_reject (BitnetAttempt *self, const char *source, GError *error);

/* Returns NULL with the most telling rejection, or if there are none with
 * code and message. */
BitnetTokenizer *bn_attempt_fail (BitnetAttempt *self, GError **error,
    BitnetError code, const char *format, ...) G_GNUC_PRINTF (4, 5);

/* Returns what was found (transfer full). */
BitnetTokenizer *bn_attempt_get_found (BitnetAttempt *self);

/* Of what was found: only after it was offered. The chain tells of it when the
 * strategy is done. */
void bn_attempt_warn (BitnetAttempt *self, const char *code, const char *format,
    ...) G_GNUC_PRINTF (3, 4);
/* That of a vocabulary which does not say how text is cut. */
void bn_attempt_warn_pre (BitnetAttempt *self, const char *path);
/* A BitnetTransferFunc; user_data is the attempt. From any thread. */
void bn_attempt_progress (const BitnetProgress *progress, gpointer user_data);

/* How much an error tells about what to do: the larger, the more. */
int bn_error_get_rank (const GError *error);

/* Names of files may be any bytes; what is told of them is UTF-8. */
void bn_error_make_valid (GError *error);
