/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Access tokens: of users and files, to be sent in a header and shown to
 * nobody. */
#pragma once

#include <glib.h>

/* text without the white space around it; NULL if nothing is left. (transfer
 * full) */
char *bn_token_dup_clean (const char *text);
/* What a login has left in a file, clean; NULL if there is none. (transfer
 * full) */
char *bn_token_read (const char *path);
/* Whether it can stand in a header: visible ASCII. */
gboolean bn_token_is_valid (const char *token);
