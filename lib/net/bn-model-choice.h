/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which file of a repository is the model. */
#pragma once

#include <glib.h>

/* The file of names (of char) that quant, a label such as "Q4_K_M", means:
 * NULL for Q4_K_M if there is one, else the first. Of a split model its first
 * part. Points into names; NULL if there is none. */
const char *bn_model_choose (GPtrArray *names, const char *quant);

/* Parts of the split model that name ("m-00001-of-00003.gguf") is the first
 * part of; 1 for every other file. */
guint bn_model_get_n_parts (const char *name);
/* Name of part i, from 0; (transfer full). */
char *bn_model_dup_part (const char *name, guint i);
