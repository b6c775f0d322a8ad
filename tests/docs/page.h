/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tests of documents share: their lines and the pipelines in them. */
#pragma once

#include <glib.h>

/* The lines of a document with each backslash at an end joined. (transfer
 * full) */
GStrv page_read_lines (const char *path);

/* What the shell would hand over, without what is not the pipeline: options,
 * a pipe, a redirection. NULL if the line has no launch line. (transfer full)
 */
GStrv page_get_pipeline (const char *line);
