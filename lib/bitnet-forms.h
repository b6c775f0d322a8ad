/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fixed forms of chat templates and how a template's text is recognised
 * as one of them. Behind BitnetTemplate. */
#pragma once

#include <glib.h>

/* What a form does besides framing each message. */
typedef enum {
  BN_FORM_PLAIN = 1 << 0,          /* messages alone, one a line */
  BN_FORM_BOS = 1 << 1,            /* the text begins with BOS */
  BN_FORM_BOS_EACH = 1 << 2,       /* each user message begins with BOS */
  BN_FORM_EOS = 1 << 3,            /* EOS follows each assistant message */
  BN_FORM_EOS_AT_END = 1 << 4,     /* EOS ends a text without prompt */
  BN_FORM_TRIM = 1 << 5,           /* messages lose blanks at both ends */
  BN_FORM_ALTERNATE = 1 << 6,      /* user and assistant take turns */
  BN_FORM_SYSTEM_IN_USER = 1 << 7, /* system text opens the first user one */
  BN_FORM_SYSTEM_LAST = 1 << 8,    /* ... or the last, if that ends the text */
  BN_FORM_NO_SYSTEM = 1 << 9,      /* system messages are refused */
} BnFormFlags;

/* What is written around a message. */
typedef struct {
  const char *before, *after;
} BnFrame;

typedef struct {
  const char *name;
  const char *bos, *eos; /* texts of the family's tokens */
  BnFormFlags flags;
  BnFrame system, user, assistant;
  const char *generation; /* what the answer follows */
} BnForm;

/* NULL-terminated. */
const char *const *bn_form_list_names (void);

/* NULL if there is none of that name. */
const BnForm *bn_form_by_name (const char *name);

/* The form that a Jinja text describes: a copy of a row with what this text
 * does differently. default_system: what stands in where no system message
 * is given, or NULL. FALSE if no form would write the same; then *closest is
 * the form that looks most alike, or NULL. */
gboolean bn_form_recognise (const char *text, BnForm *form,
    char **default_system, const BnForm **closest);
