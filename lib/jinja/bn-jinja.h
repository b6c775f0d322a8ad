/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sandboxed interpreter of the template language Jinja, as the Hugging Face
 * libraries set it up for chat templates: trim_blocks, lstrip_blocks, loop
 * controls, {% generation %} blocks, an immutable sandbox, and the functions
 * raise_exception and strftime_now.
 *
 * A template is compiled once and is then immutable; any thread may render
 * it. What a template may cost is bounded by BnJinjaLimits. Every text value
 * remembers which of its bytes came from outside the template, through all
 * operations, so that the caller can tell the template's own text from what
 * people wrote. */
#pragma once

#include <gio/gio.h>
#include <stdint.h>

/* What one compilation or rendering may cost; 0 stands for the default. */
typedef struct {
  guint64 max_steps;      /* evaluated expressions, and bytes by the dozen */
  size_t max_memory;      /* bytes of all values */
  size_t max_text_size;   /* bytes of the output and of any text */
  guint max_depth;        /* calls of macros and loops within each other */
  size_t max_source_size; /* bytes of a template */
} BnJinjaLimits;

/* Whether a value comes from the template's side or from outside. */
typedef enum {
  BN_JINJA_UNTRUSTED,
  BN_JINJA_TRUSTED,
} BnJinjaTrust;

/* Errors are BITNET_ERROR_TEMPLATE with "line L, column C: why", or
 * BITNET_ERROR_TEMPLATE_RAISED with the template's own message alone, or
 * G_IO_ERROR_CANCELLED. */

typedef struct BnJinjaTemplate BnJinjaTemplate;

/* limits may be NULL. */
BnJinjaTemplate *bn_jinja_template_new (
    const char *text, size_t size, const BnJinjaLimits *limits, GError **error);
void bn_jinja_template_free (BnJinjaTemplate *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnJinjaTemplate, bn_jinja_template_free)

/* Whether the template reads a variable of that name anywhere. */
gboolean bn_jinja_template_uses (
    const BnJinjaTemplate *self, const char *variable);

/* The variables of one rendering. */
typedef struct BnJinjaContext BnJinjaContext;

BnJinjaContext *bn_jinja_context_new (const BnJinjaLimits *limits);
void bn_jinja_context_free (BnJinjaContext *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnJinjaContext, bn_jinja_context_free)

/* Sets a variable to the value of a JSON text. In messages, texts that are a
 * usual role under the key "role" are trusted. Replaces what was there. */
gboolean bn_jinja_context_set_json (BnJinjaContext *self, const char *name,
    const char *json, size_t size, BnJinjaTrust trust, GError **error);

/* Sets a variable for each member of a JSON object. */
gboolean bn_jinja_context_set_members (BnJinjaContext *self, const char *json,
    size_t size, BnJinjaTrust trust, GError **error);

gboolean bn_jinja_context_set_string (BnJinjaContext *self, const char *name,
    const char *text, size_t size, BnJinjaTrust trust, GError **error);
gboolean bn_jinja_context_set_boolean (
    BnJinjaContext *self, const char *name, gboolean value, GError **error);

/* The text of a variable; NULL if it is not set or not a string. */
const char *bn_jinja_context_get_string (
    BnJinjaContext *self, const char *name, size_t *size);

/* The time of strftime_now(), "YYYY-MM-DDTHH:MM:SS", any part from the right
 * left out; else the local time. FALSE if it is not of that form. */
gboolean bn_jinja_context_set_now (
    BnJinjaContext *self, const char *now, GError **error);

/* A rendered text, NUL-terminated, and which of its bytes came from outside:
 * ranges in order that neither touch nor overlap. */
typedef struct {
  size_t begin, end;
} BnJinjaRange;

typedef struct {
  char *text;
  size_t size;
  BnJinjaRange *untrusted;
  size_t n_untrusted;
} BnJinjaOutput;

void bn_jinja_output_clear (BnJinjaOutput *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnJinjaOutput, bn_jinja_output_clear)

/* The context may be used again. */
gboolean bn_jinja_template_render (const BnJinjaTemplate *self,
    BnJinjaContext *context, GCancellable *cancellable, BnJinjaOutput *output,
    GError **error);
